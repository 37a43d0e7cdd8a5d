import threading
from pathlib import Path

import pytest

from proofyard.core.errors import Fault
from proofyard.tools import cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROOFYARD_CACHE", str(tmp_path / "cache"))


def test_a_kept_folder_is_made_once() -> None:
    made: list[Path] = []

    def make(draft: Path) -> None:
        made.append(draft)
        (draft / "file").write_text("whole")

    first, second = cache.kept("kind/name-1", make), cache.kept("kind/name-1", make)
    assert first == second
    assert (first / "file").read_text() == "whole"
    assert len(made) == 1


def test_an_interrupted_making_leaves_nothing_that_looks_finished() -> None:
    def fail(draft: Path) -> None:
        (draft / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.kept("kind/name-1", fail)
    place = cache.kept("kind/name-1", lambda draft: (draft / "whole").touch())
    assert [path.name for path in place.iterdir()] == ["whole"]


def test_two_at_once_make_it_once() -> None:
    made: list[int] = []
    begun, go = threading.Event(), threading.Event()

    def make(_: Path) -> None:
        made.append(1)
        begun.set()
        go.wait()

    threads = [threading.Thread(target=cache.kept, args=("kind/name", make)) for _ in range(2)]
    threads[0].start()
    begun.wait()
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_too_little_space_is_one_sentence() -> None:
    with pytest.raises(Fault, match=r"wanted 99999999999 MiB of free disk space, got \d+ MiB; free some, or set"):
        cache.kept("kind/name", lambda _: None, mib=99_999_999_999)


def test_a_digest_knows_where_a_part_ends() -> None:
    assert cache.digest("ab", "c") != cache.digest("a", "bc")
