"""The reference string, against a server on this machine that tells the truth, lies, breaks off or is not there."""

import http.server
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import cast

import pytest

from proofyard.core.errors import BadInput, Fault
from proofyard.proofs import srs

COUNT = 257


def silent(_: str) -> None:
    """Take a progress line."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[bytes, bytes]]:
    """A short string whose secret is known stands in for the ceremony's; its [τ]₂ for the one built into the prover."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROOFYARD_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = srs.make_development(COUNT, silent)
        yield (folder / "bn254_g1.dat").read_bytes(), (folder / "bn254_g2.dat").read_bytes()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROOFYARD_CACHE", str(tmp_path / "cache"))


class Server(http.server.ThreadingHTTPServer):
    """Serves `data` by ranges; `breaks` answers send half of what they promised."""

    data = b""
    ranges = True
    breaks = 0
    asked = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        serving = cast("Server", self.server)
        serving.asked += 1
        if self.path != "/g1":
            self.send_error(404)
            return
        first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        body = serving.data[first : last + 1] if serving.ranges else serving.data
        self.send_response(206 if serving.ranges else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if serving.breaks:
            serving.breaks -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def server(made: tuple[bytes, bytes]) -> Generator[Server]:
    with Server(("127.0.0.1", 0), Handler) as serving:
        serving.data = srs.pack(made[0])
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving
        serving.shutdown()


def url(server: Server, path: str = "g1") -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/{path}"


def test_a_string_is_downloaded_checked_and_written_as_it_was(server: Server, made: tuple[bytes, bytes]) -> None:
    folder = srs.fetch((url(server),), made[1], COUNT, silent)
    assert (folder / "bn254_g1.dat").read_bytes() == made[0]
    assert (folder / "bn254_g2.dat").read_bytes() == made[1]
    assert srs.fetch((url(server),), made[1], COUNT, silent) == folder
    assert server.asked == 1  # kept


def test_a_broken_connection_is_taken_up_where_it_broke(server: Server, made: tuple[bytes, bytes]) -> None:
    server.breaks = 2
    folder = srs.fetch((url(server),), made[1], COUNT, silent)
    assert (folder / "bn254_g1.dat").read_bytes() == made[0]
    assert server.asked == 3


def test_a_server_without_ranges_will_do(server: Server, made: tuple[bytes, bytes]) -> None:
    server.ranges = False
    server.data += bytes(10_000)
    assert srs.fetch((url(server),), made[1], COUNT, silent).is_dir()


def test_the_next_server_is_asked(server: Server, made: tuple[bytes, bytes]) -> None:
    lines: list[str] = []
    assert srs.fetch((url(server, "nothing"), url(server)), made[1], COUNT, lines.append).is_dir()
    assert sum("downloading" in line for line in lines) == 2


def swapped(data: bytes) -> bytes:
    return data[:160] + data[192:224] + data[160:192] + data[224:]


LIES: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("wanted 8224 bytes, got 8000", lambda data: data[:8000]),
    ("the points are not the powers of the ceremony's secret", swapped),
    ("the first point is not the generator", lambda data: data[32:64] + data[32:]),
    ("point 3 is not on the curve", lambda data: data[:96] + bytes(31) + b"\4" + data[128:]),
    ("point 256 is not on the curve", lambda data: data[:-32] + b"\x7f" + data[-31:]),
]


@pytest.mark.parametrize(("sentence", "lie"), LIES)
def test_a_lie_is_refused_and_not_kept(
    server: Server, made: tuple[bytes, bytes], sentence: str, lie: Callable[[bytes], bytes]
) -> None:
    server.data = lie(server.data)
    with pytest.raises(Fault, match=sentence):
        srs.fetch((url(server),), made[1], COUNT, silent)
    server.data = srs.pack(made[0])
    assert srs.fetch((url(server),), made[1], COUNT, silent).is_dir()


def test_a_string_of_another_secret_is_not_the_ceremonys(server: Server) -> None:
    with pytest.raises(Fault, match="not the powers of the ceremony's secret"):
        srs.fetch((url(server),), srs.CEREMONY_G2, COUNT, silent)


def test_insisting_on_the_ceremony_never_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srs, "make_development", None)
    nobody = ("http://127.0.0.1:9/g1",)
    with pytest.raises(Fault, match=r"http://127\.0\.0\.1:9/g1: wanted 67108896 bytes, got 0"):
        srs.provision("ceremony", silent, nobody)


def test_without_network_a_development_string_is_made_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srs, "POINTS", COUNT)
    lines: list[str] = []
    string = srs.provision("auto", lines.append, ("http://127.0.0.1:9/g1",))
    assert not string.secure
    assert string.name == "INSECURE development"
    assert "INSECURE" in str(string.folder)
    assert any("no ceremony SRS: http://127.0.0.1:9" in line for line in lines)
    assert any("WARNING: INSECURE" in line for line in lines)


def test_a_damaged_or_short_string_says_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srs, "POINTS", COUNT)
    folder = srs.provision("development", silent).folder
    (folder / "bn254_g1.dat").write_bytes(b"short")
    with pytest.raises(Fault, match=rf"wanted a reference string of 16448 bytes, got 5: .* rm -r '{folder}'"):
        srs.provision("development", silent)


def test_kinds_have_names() -> None:
    with pytest.raises(BadInput, match="auto, ceremony or development"):
        srs.provision("real", silent)  # pyright: ignore[reportArgumentType]
