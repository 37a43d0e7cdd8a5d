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


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_damaged_file_says_what_mends_it(damage: str) -> None:
    def make(draft: Path) -> None:
        (draft / "below").mkdir()
        (draft / "below" / "file").write_text("whole")
        (draft / "link").symlink_to("nowhere")

    place = cache.kept("kind/name-1", make)
    cache.check_intact(place, place.with_name("no folder of the cache"))
    file = place / "below" / "file"
    file.write_text("other") if damage == "changed" else file.unlink()
    with pytest.raises(Fault, match=rf"{file}: the cache is damaged; mend it with rm -r '{place}' and run again"):
        cache.check_intact(place)
