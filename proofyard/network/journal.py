"""The journal: an append-only, hash-chained table that only one process writes. SQLite by default, PostgreSQL by URL.

`append` is durable when it returns: all rows of a group in one transaction. A second process waits in `acquire` for the
lock; the database gives it up when the first one dies. Whoever writes without the lock is stopped by the primary key.
"""

import fcntl
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from typing_extensions import override

from proofyard.core import Kind
from proofyard.core.errors import BadInput, Fault, MarketError
from proofyard.network.records import Blob, Row

COLUMNS = "seq, at, kind, time, actor, job, amount, detail, word, body, hash"
PAGE = 10_000  # rows read at once
TABLES = """
CREATE TABLE IF NOT EXISTS journal (
    seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, kind BIGINT NOT NULL, time BIGINT NOT NULL, actor BIGINT NOT NULL,
    job BIGINT NOT NULL, amount BIGINT NOT NULL, detail BIGINT NOT NULL, word BIGINT NOT NULL,
    body {blob} NOT NULL, hash {blob} NOT NULL);
CREATE INDEX IF NOT EXISTS journal_job ON journal (job, seq);
CREATE TABLE IF NOT EXISTS blobs (digest {blob} PRIMARY KEY, data {blob} NOT NULL);
CREATE TABLE IF NOT EXISTS skips (
    at BIGINT NOT NULL, job BIGINT NOT NULL, actor BIGINT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (job, actor));
CREATE TABLE IF NOT EXISTS beat (one BIGINT PRIMARY KEY, time BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS snapshots (one BIGINT PRIMARY KEY, seq BIGINT NOT NULL, data {blob} NOT NULL)
"""
_SQLITE = b"SQLite format 3\0"  # how such a file begins
Skip = tuple[int, int, int, str]  # at, job, actor, reason


class JournalError(MarketError):
    """The database did not take or give something. Whether a group being appended is in it, only reading it tells."""


class Journal(Protocol):
    """A journal in some database. Its methods may raise JournalError; one thread at a time may call them."""

    url: str
    local: bool  # in a file of this machine, which answers or fails; a server may do neither

    def acquire(self) -> bool:
        """Take the writer's lock if nobody has it; make the tables if there are none."""
        ...

    def append(self, rows: Sequence[Row], blobs: Sequence[Blob] = ()) -> None:
        """Add rows and their blobs in one durable transaction."""
        ...

    def last(self) -> Row | None:
        """Return the newest row."""
        ...

    def rows(self, after: int = -1, until: int | None = None) -> Iterator[Row]:
        """Go through the rows after `after`, up to and with `until`, in order."""
        ...

    def of_job(self, job: int) -> list[Row]:
        """Return all rows about a job."""
        ...

    def blob(self, digest: bytes) -> bytes | None:
        """Return a blob's bytes, None if there is none."""
        ...

    def add_skips(self, skips: Sequence[Skip]) -> None:
        """Keep why provers skipped jobs; the last reason of each counts. No part of the hash chain."""
        ...

    def skips(self, job: int) -> list[Skip]:
        """Return who skipped a job and why."""
        ...

    def beat(self, time: int) -> None:
        """Remember how far the market's clock is, ms; a cache between rows."""
        ...

    def beaten(self) -> int:
        """Return what `beat` remembered last, 0 for nothing."""
        ...

    def keep_snapshot(self, seq: int, data: bytes) -> None:
        """Keep what the state was after row `seq`, in place of the one before; a cache."""
        ...

    def snapshot(self) -> bytes | None:
        """Return what `keep_snapshot` kept last, None for nothing."""
        ...

    def close(self) -> None:
        """Give up the lock and the connection."""
        ...


def connect(url: str) -> Journal:
    """Open the journal at `url`: a path (SQLite), or `postgresql://…`. Raises BadInput, JournalError."""
    if url.startswith(("postgresql://", "postgres://")):
        from proofyard.network.postgres import PostgresJournal  # noqa: PLC0415 - an extra that few need

        return PostgresJournal(url)
    if "://" in url:
        raise BadInput("journal", "a path (SQLite) or postgresql://…", url)
    return SqliteJournal(Path(url))


class SqliteJournal(Journal):
    """A journal in a file; the lock is one on a file beside it, held as long as the process lives."""

    def __init__(self, path: Path) -> None:
        self.url, self.local = str(path), True
        self._path = path
        self._lock: IO[bytes] | None = None
        self._db: sqlite3.Connection | None = None

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            if self._lock is None:
                self._check_file()
            try:
                db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10)
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=FULL")  # durable when the transaction is over
            except sqlite3.Error as error:
                raise JournalError(f"{self._path}: {error}") from None
            self._db = db
        return self._db

    def _check_file(self) -> None:
        """Refuse what is no database before it is opened, which would make it one. Raises BadInput."""
        if self._path.is_dir():
            raise BadInput("journal", "a journal", f"{self._path}, which is a folder")
        try:
            with self._path.open("rb") as file:
                head = file.read(len(_SQLITE))
        except FileNotFoundError:
            raise BadInput("journal", "a journal", f"{self._path}, which does not exist") from None
        except OSError as error:
            raise BadInput("journal", "a journal", f"{self._path} ({error.strerror})") from None
        if head != _SQLITE:
            raise BadInput("journal", "a journal", f"{self._path}, which is no SQLite file")

    @override
    def acquire(self) -> bool:
        if self._path.is_dir() or (self._path.is_file() and self._path.stat().st_size):
            self._check_file()  # before there is a lock beside it
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            lock = self._path.with_name(self._path.name + ".lock").open("ab")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                return False
            self._lock = lock
        with _told(self._path):
            for statement in TABLES.format(blob="BLOB").split(";"):
                self._open().execute(statement)
        return True

    @override
    def append(self, rows: Sequence[Row], blobs: Sequence[Blob] = ()) -> None:
        if self._lock is None:
            raise Fault(f"{self.url}: wanted the writer's lock before a row, got none.")
        with _told(self._path):
            db = self._open()
            try:
                db.execute("BEGIN IMMEDIATE")
                db.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?)", blobs)
                db.executemany("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
                db.execute("COMMIT")
            except sqlite3.Error:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @override
    def last(self) -> Row | None:
        found = self._all(f"SELECT {COLUMNS} FROM journal ORDER BY seq DESC LIMIT 1")  # noqa: S608 - our columns
        return Row(*found[0]) if found else None

    @override
    def rows(self, after: int = -1, until: int | None = None) -> Iterator[Row]:
        return pages(self._all, "?", after, until)

    @override
    def of_job(self, job: int) -> list[Row]:
        query = f"SELECT {COLUMNS} FROM journal WHERE job = ? AND kind >= {Kind.REQUEST:d} ORDER BY seq"  # noqa: S608 - our columns
        return [Row(*row) for row in self._all(query, job)]

    @override
    def blob(self, digest: bytes) -> bytes | None:
        found = self._all("SELECT data FROM blobs WHERE digest = ?", digest)
        return found[0][0] if found else None

    @override
    def add_skips(self, skips: Sequence[Skip]) -> None:
        with _told(self._path):
            self._open().executemany("INSERT OR REPLACE INTO skips VALUES (?, ?, ?, ?)", skips)

    @override
    def skips(self, job: int) -> list[Skip]:
        return self._all("SELECT at, job, actor, reason FROM skips WHERE job = ? ORDER BY at", job)

    @override
    def beat(self, time: int) -> None:
        with _told(self._path):
            self._open().execute("INSERT OR REPLACE INTO beat VALUES (1, ?)", (time,))

    @override
    def beaten(self) -> int:
        found = self._all("SELECT time FROM beat")
        return found[0][0] if found else 0

    @override
    def keep_snapshot(self, seq: int, data: bytes) -> None:
        with _told(self._path):
            self._open().execute("INSERT OR REPLACE INTO snapshots VALUES (1, ?, ?)", (seq, data))

    @override
    def snapshot(self) -> bytes | None:
        found = self._all("SELECT data FROM snapshots")
        return found[0][0] if found else None

    def _all(self, query: str, *values: Any) -> list[Any]:
        with _told(self._path):
            try:
                return self._open().execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                if str(error) != "no such table: journal":
                    raise
                raise BadInput("journal", "a journal", f"{self._path}, a database without one") from None

    @override
    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class _told:  # noqa: N801 - used as a word
    """Turn SQLite's errors into ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Rename."""
        if isinstance(error, sqlite3.Error):
            raise JournalError(f"{self._path}: {error}") from None


def pages(ask: Any, mark: str, after: int, until: int | None) -> Generator[Row]:
    """Read rows page by page, so that a journal of any length fits and nothing is locked meanwhile."""
    query = f"SELECT {COLUMNS} FROM journal WHERE seq > {mark} AND seq <= {mark} ORDER BY seq LIMIT {PAGE}"  # noqa: S608
    last = 2**62 if until is None else until
    while True:
        page: list[tuple[Any, ...]] = ask(query, after, last)
        yield from map(Row._make, page)
        if len(page) < PAGE:
            return
        after = page[-1][0]
