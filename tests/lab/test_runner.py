"""Many runs: in order, nothing twice, dead workers replaced; what is interrupted goes on."""

import resource
import signal
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from unittest.mock import ANY

import polars as pl
import pytest
from lab import tasks

from proofyard.core.errors import BadInput, Fault
from proofyard.lab import pools
from proofyard.lab.pools import Done
from proofyard.lab.runner import Runner
from proofyard.lab.store import Store

ROOT = Path(__file__).parents[2]


def test_results_come_in_the_order_of_the_tasks_from_here_and_from_processes() -> None:
    expected = [number * number for number in range(60)]
    with Runner(workers=1) as alone:
        assert alone.map(tasks.square, range(60)) == expected
        assert alone.pool is None
    with Runner(workers=2, patience=0.05) as spread:
        assert spread.map(tasks.slow_square, range(60)) == expected
        assert isinstance(spread.pool, pools.Processes)
        assert spread.map(tasks.square, range(5)) == [0, 1, 4, 9, 16]  # the workers stay for the next tasks


def test_short_work_starts_no_processes() -> None:
    with Runner(workers=2) as runner:
        runner.map(tasks.square, range(1_000))
        assert runner.pool is None


def test_what_is_needed_afterwards_is_imported_while_workers_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needed_afterwards.py").write_text("import threading\nby = threading.current_thread()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with Runner(workers=1, ahead="needed_afterwards") as alone:
        alone.map(tasks.square, range(60))
    assert "needed_afterwards" not in sys.modules
    with Runner(workers=2, patience=0, ahead="needed_afterwards") as spread:
        assert spread.map(tasks.square, range(60)) == [number * number for number in range(60)]
    needed_afterwards = import_module("needed_afterwards")  # it waits for whoever imports it already
    assert needed_afterwards.by is not threading.current_thread()
    with Runner(workers=2, patience=0, ahead="there_is_none") as spread:  # told where it is imported, not here
        assert spread.map(tasks.square, range(3)) == [0, 1, 4]


def test_a_worker_that_dies_is_replaced_and_counted(tmp_path: Path) -> None:
    with Runner(workers=2, patience=0.05) as runner:
        assert runner.map(tasks.die_once, [(str(tmp_path), k) for k in range(40)]) == list(range(40))
        assert runner.deaths == 1


def test_a_pool_that_is_replaced_leaves_no_worker_behind() -> None:
    """One that lives on would keep the process from ending: Python waits for it at exit."""
    pool = pools.Processes(2)
    try:
        for _ in range(2):
            pool.submit(tasks.sleep_long, [0])
        old = list((pool.executor._processes or {}).values())
        assert len(old) == 2
        pool._replace()
        for worker in old:
            worker.join(60)
        ended = {-signal.SIGKILL, 255}  # 255: the executor, which waits too, had read how it ended before us
        assert {worker.exitcode for worker in old} <= ended
        assert pool.wait([pool.submit(tasks.square, [3])])[0][1] == Done([9], None, ANY, ANY)
    finally:
        pool.close()


def test_one_death_that_two_chunks_tell_of_is_counted_once_and_spares_the_new_workers() -> None:
    pool = pools.Processes(2)
    try:
        slow, dying = pool.submit(tasks.sleep_long, [0]), pool.submit(tasks.die, [7])
        assert pool.wait([dying]) == [(dying, None)]
        fresh = pool.submit(tasks.square, [3])
        assert pool.wait([slow]) == [(slow, None)]
        assert pool.deaths == 1
        assert pool.wait([fresh]) == [(fresh, Done([9], None, ANY, ANY))]
    finally:
        pool.close()


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("-", "program: wanted a file, which every worker process imports, got <stdin>, a program typed in or piped."),
        ("program.py", 'a run ended its worker 3 times (out of memory, or no `if __name__ == "__main__":`?): '),
    ],
)
def test_a_program_that_workers_cannot_import_is_told_so(tmp_path: Path, program: str, sentence: str) -> None:
    """Each worker imports the program that called it: not one from standard input, and not one that maps again."""
    text = "from proofyard.lab.runner import Runner\nwith Runner(workers=2, patience=0) as r: r.map(abs, range(9))\n"
    (tmp_path / "program.py").write_text(text)
    command = [sys.executable, program]
    done = subprocess.run(command, input=text, cwd=tmp_path, text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert sentence in done.stderr.splitlines()[-1]


def test_a_run_that_kills_every_worker_is_named_and_its_neighbours_are_done() -> None:
    with Runner(workers=2, patience=0.05) as runner:
        with pytest.raises(Fault, match=r"ended its worker 3 times \(out of memory, or .*\?\): 7$"):
            runner.map(tasks.die, range(40))
        assert runner.deaths == 3


def test_an_error_of_a_run_arrives_whole() -> None:
    with (
        Runner(workers=2, patience=0.05) as runner,
        pytest.raises(BadInput, match="number: wanted another one, got 30"),
    ):
        runner.map(tasks.refuse, range(60))


def test_what_a_store_has_is_not_done_again(tmp_path: Path) -> None:
    kept, noted = tmp_path / "kept", tmp_path / "noted"
    noted.mkdir()
    work = [(str(noted), k) for k in range(30)]
    names = [f"run {k}" for k in range(30)]
    with Runner(workers=1, folder=kept) as first:
        first.map(tasks.note, work[:20], names[:20])
    with Runner(workers=2, folder=kept, patience=0.05) as second:
        rows = second.map(tasks.note, work, names)
        assert second.reused == 20
    assert [row["number"] for row in rows] == list(range(30))
    assert all((noted / f"{k}").read_text() == "x" for k in range(30))
    with Runner(folder=kept) as third:
        assert third.map(tasks.note, work, names) == rows
        assert third.store is not None
        third.store.finish(rows)
    assert pl.read_parquet(kept / "runs.parquet")["number"].to_list() == list(range(30))
    assert not (kept / "parts").exists()


def test_a_store_reads_columns_that_were_empty_at_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("a", {"price": None, "count": 1})
    store.flush()
    store.put("b", {"price": 2.5, "count": 2})
    store.flush()
    again = Store(tmp_path)
    assert again.get("a") == {"key": "a", "price": None, "count": 1}
    assert again.get("b") == {"key": "b", "price": 2.5, "count": 2}


def test_a_broken_store_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs.parquet").write_text("no table")
    with pytest.raises(Fault, match=r"runs.parquet cannot be read .* remove it"):
        Store(tmp_path)


def test_a_disk_that_takes_no_more_is_one_sentence_and_loses_nothing_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proofyard.lab.store.EVERY_S", 3_600.0)  # it writes when it is told to
    store = Store(tmp_path)
    store.put("a", {"number": 1})
    store.flush()
    store.put("b", {"number": 2})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))  # bytes
    try:
        with pytest.raises(Fault, match=r"000002.parquet cannot be written \(.*\); what was written before is kept"):
            store.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["000001.parquet"]
    assert set(Store(tmp_path).rows) == {"a"}
    store.flush()  # there is room again
    assert set(Store(tmp_path).rows) == {"a", "b"}


def test_a_place_where_nothing_can_be_written_is_one_sentence_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"--out: wanted a folder that can be written, got .*file/runs"):
        Runner(folder=tmp_path / "file" / "runs")


def test_memory_bounds_how_many_run_at_once() -> None:
    some = pools.Processes(8)
    some.budget = 1_000
    try:
        assert [some.room(peak) for peak in (0, 100, 300, 5_000)] == [2, 9, 3, 1]  # the ninth waits at the door
    finally:
        some.close()


@pytest.mark.parametrize(
    ("address", "sentence"),
    [("127.0.0.1:1", "answers.* got 127.0.0.1:1 .Connection refused"), ("nowhere", "answers.* got 'nowhere'")],
)
def test_an_unreachable_cluster_is_one_sentence(address: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=f"--ray: wanted the address of a Ray cluster that {sentence}"):
        pools.Ray(address)


def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from lab import tasks; from proofyard.lab.runner import Runner\n"
        "if __name__ == '__main__':\n"
        "    runner = Runner(workers=2, patience=0.05, folder=__import__('pathlib').Path(sys.argv[1]) / 'kept')\n"
        "    runner.map(tasks.note, [(sys.argv[1], k) for k in range(100_000)], [str(k) for k in range(100_000)])\n"
    )
    file = tmp_path / "parent.py"
    file.write_text(script)
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    parent = subprocess.Popen([sys.executable, file, tmp_path], env=environment)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "kept" / "parts").glob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    time.sleep(0.5)
    before = len(list(tmp_path.iterdir()))
    time.sleep(0.3)
    assert len(list(tmp_path.iterdir())) == before  # nobody works on
    kept = Store(tmp_path / "kept")
    assert len(kept.rows) >= 1  # what was done until a second ago is there


def test_a_chunk_ends_at_its_first_error() -> None:
    done: Done = pools.do(tasks.refuse, [1, 2, 30, 3])
    assert done.results == [1, 4]
    assert isinstance(done.error, BadInput)
