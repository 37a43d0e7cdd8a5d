import multiprocessing
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from proofyard.core import BadInput, Fault
from proofyard.network.journal import Journal, JournalError, SqliteJournal, connect
from proofyard.network.postgres import PostgresJournal
from proofyard.network.records import FIRST, NO_JOB, Blob, Row, digest, first_broken, hash_row, make_row, pack

BIG = 2**62 - 1


def chain(count: int, before: Row | None = None) -> list[Row]:
    rows: list[Row] = []
    for k in range(count):
        event = (7 if k % 2 else -3, k, k % 3, k if k % 2 else NO_JOB, BIG, 0, BIG)
        rows.append(make_row(rows[-1] if rows else before, 1_000 + k, event, pack({"k": k, "text": "ß\n\0"})))
    return rows


def take_over(journal: Journal) -> None:
    for _ in range(200):  # PostgreSQL takes a moment to notice that a session is gone
        if journal.acquire():
            return
        time.sleep(0.05)
    pytest.fail("the lock was not given up within 10 s")


@pytest.fixture
def journal(url: str) -> Generator[Journal]:
    opened = connect(url)
    assert opened.acquire()
    yield opened
    opened.close()


def test_gives_back_what_it_took(journal: Journal, url: str) -> None:
    rows = chain(25_000)
    journal.append(rows[:1])
    journal.append(rows[1:])
    journal.close()
    reader = connect(url)
    found = list(reader.rows())
    assert found == rows
    assert reader.last() == rows[-1]
    assert list(reader.rows(10, 12)) == rows[11:13]
    assert reader.of_job(3) == [rows[3]]
    assert first_broken(found) == -1
    reader.close()


def test_a_commit_is_durable_when_it_returns(journal: Journal, url: str) -> None:
    """Whatever the database was told: SQLite waits for the disk at each commit, PostgreSQL for its log."""
    if isinstance(journal, SqliteJournal):
        full = 2
        assert journal._open().execute("PRAGMA synchronous").fetchone() == (full,)
        return
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET synchronous_commit = off".encode())
    another = PostgresJournal(url)
    assert another._open().execute("SHOW synchronous_commit").fetchone() == ("on",)
    another.close()


def test_blobs_skips_and_the_clock_come_with_it(journal: Journal) -> None:
    data = b"payload" * 1000
    journal.append(chain(1), [Blob(digest(data), data), Blob(digest(data), data)])
    assert journal.blob(digest(data)) == data
    assert journal.blob(bytes(32)) is None
    journal.add_skips([(5, 0, 1, "too late"), (6, 0, 2, "no capacity"), (7, 0, 1, "policy")])
    assert journal.skips(0) == [(6, 0, 2, "no capacity"), (7, 0, 1, "policy")]
    assert journal.beaten() == 0
    journal.beat(17)
    journal.beat(18)
    assert journal.beaten() == 18


def test_a_group_is_whole_or_not_there(journal: Journal) -> None:
    rows = chain(5)
    journal.append(rows[:2])
    with pytest.raises(JournalError):
        journal.append([rows[2], rows[3], rows[1]], [Blob(b"x" * 32, b"x")])
    assert list(journal.rows()) == rows[:2]
    assert journal.blob(b"x" * 32) is None
    journal.append(rows[2:])
    assert list(journal.rows()) == rows


def test_nobody_writes_without_the_lock(journal: Journal, url: str) -> None:
    second = connect(url)
    assert not second.acquire()
    with pytest.raises(Fault, match="lock"):
        second.append(chain(1))
    journal.append(chain(1))
    journal.close()
    take_over(second)
    second.append(chain(1, second.last()))
    second.close()


def _hold(url: str, ready: str) -> None:
    journal = connect(url)
    assert journal.acquire()
    journal.append(chain(3))
    Path(ready).touch()
    os.kill(os.getpid(), 9)


def test_the_lock_is_free_when_its_holder_is_killed(url: str, tmp_path: Path) -> None:
    holder = multiprocessing.get_context("spawn").Process(target=_hold, args=(url, str(tmp_path / "ready")))
    holder.start()
    holder.join()
    assert (tmp_path / "ready").exists()
    second = connect(url)
    take_over(second)
    assert list(second.rows()) == chain(3)
    second.close()


@pytest.mark.parametrize("column", range(10))
def test_no_column_can_be_changed_unnoticed(column: int) -> None:
    rows = chain(5)
    changed: list[Any] = list(rows[2])
    changed[column] += b" " if column == 9 else 1
    assert first_broken([*rows[:2], Row._make(changed), *rows[3:]]) == 2
    rehashed = Row._make([*changed[:10], hash_row(rows[1].hash, tuple(changed))])
    assert first_broken([*rows[:2], rehashed, *rows[3:]]) == (2 if column == 0 else 3)


def test_no_row_can_be_left_out_or_moved() -> None:
    rows = chain(4)
    assert first_broken(rows[1:]) == 0
    assert first_broken([rows[0], *rows[2:]]) == 1
    assert first_broken([rows[0], rows[2], rows[1], rows[3]]) == 1
    assert first_broken([], FIRST) == -1


def test_a_place_that_is_no_journal_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        connect(str(tmp_path / "none.db")).last()
    with pytest.raises(BadInput, match="postgresql"):
        connect("mysql://here")


def test_a_postgres_without_a_journal_is_bad_input(postgres: Any) -> None:
    empty = connect(postgres.database("empty"))
    with pytest.raises(BadInput, match="without one"):
        empty.last()
    empty.close()
