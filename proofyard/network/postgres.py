"""The journal in PostgreSQL. The lock is an advisory one, of the very session that writes."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from typing_extensions import override

from proofyard.core import Kind
from proofyard.core.errors import BadInput, Fault
from proofyard.network.journal import COLUMNS, TABLES, Journal, JournalError, Skip, pages
from proofyard.network.records import Blob, Row

LOCK = 0x50726F6F66796172  # "Proofyar": one market a database
CONNECT_S = 5
DURABLE = """SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"""


class PostgresJournal(Journal):
    """A journal in a PostgreSQL database of its own."""

    def __init__(self, url: str) -> None:
        self.url, self.local = url, False
        self._db: psycopg.Connection[Any] | None = None
        self._locked = False

    def _open(self) -> psycopg.Connection[Any]:
        if self._db is None or self._db.closed:
            self._locked = False  # the lock died with the session
            try:
                self._db = psycopg.connect(self.url, autocommit=True, connect_timeout=CONNECT_S)
                self._db.execute(DURABLE)
            except psycopg.ProgrammingError as error:
                raise BadInput("journal", "a URL of a PostgreSQL database", error) from None
            except psycopg.Error as error:
                raise JournalError(f"PostgreSQL: {str(error).strip().splitlines()[0]}") from None
        return self._db

    @override
    def acquire(self) -> bool:
        db = self._open()
        if not self._locked:
            self._locked = bool(self._all("SELECT pg_try_advisory_lock(%s)", LOCK)[0][0])
        if self._locked:
            try:
                with db.transaction():
                    db.execute("SET LOCAL client_min_messages = warning")  # or it tells of each table that is there
                    for statement in TABLES.format(blob="BYTEA").split(";"):
                        db.execute(statement.encode())
            except psycopg.Error as error:
                raise JournalError(f"PostgreSQL: {error}") from None
        return self._locked

    @override
    def append(self, rows: Sequence[Row], blobs: Sequence[Blob] = ()) -> None:
        if not self._locked:
            raise Fault("PostgreSQL: wanted the writer's lock before a row, got none.")
        if self._db is None or self._db.closed:
            raise JournalError("PostgreSQL: the session with the lock is gone.")
        try:
            with self._db.transaction(), self._db.cursor() as cursor:
                if blobs:
                    cursor.executemany("INSERT INTO blobs VALUES (%s, %s) ON CONFLICT DO NOTHING", blobs)
                if len(rows) == 1:
                    marks = ", ".join(["%s"] * len(Row._fields))
                    cursor.execute(f"INSERT INTO journal VALUES ({marks})".encode(), rows[0])  # noqa: S608 - marks only
                elif rows:
                    with cursor.copy("COPY journal FROM STDIN (FORMAT BINARY)") as copy:
                        copy.set_types(["int8"] * 9 + ["bytea"] * 2)
                        for row in rows:
                            copy.write_row(row)
        except psycopg.Error as error:
            raise JournalError(f"PostgreSQL: {error}") from None

    @override
    def last(self) -> Row | None:
        found = self._all(f"SELECT {COLUMNS} FROM journal ORDER BY seq DESC LIMIT 1")  # noqa: S608 - our columns
        return Row(*found[0]) if found else None

    @override
    def rows(self, after: int = -1, until: int | None = None) -> Iterator[Row]:
        return pages(self._all, "%s", after, until)

    @override
    def of_job(self, job: int) -> list[Row]:
        query = f"SELECT {COLUMNS} FROM journal WHERE job = %s AND kind >= {Kind.REQUEST:d} ORDER BY seq"  # noqa: S608 - our columns
        return [Row(*row) for row in self._all(query, job)]

    @override
    def blob(self, digest: bytes) -> bytes | None:
        found = self._all("SELECT data FROM blobs WHERE digest = %s", digest)
        return found[0][0] if found else None

    @override
    def add_skips(self, skips: Sequence[Skip]) -> None:
        query = (
            b"INSERT INTO skips VALUES (%s, %s, %s, %s) ON CONFLICT (job, actor) "
            b"DO UPDATE SET at = excluded.at, reason = excluded.reason"
        )
        try:
            with self._open().cursor() as cursor:
                cursor.executemany(query, skips)
        except psycopg.Error as error:
            raise JournalError(f"PostgreSQL: {error}") from None

    @override
    def skips(self, job: int) -> list[Skip]:
        return self._all("SELECT at, job, actor, reason FROM skips WHERE job = %s ORDER BY at", job)

    @override
    def beat(self, time: int) -> None:
        try:
            self._open().execute(
                "INSERT INTO beat VALUES (1, %s) ON CONFLICT (one) DO UPDATE SET time = excluded.time", (time,)
            )
        except psycopg.Error as error:
            raise JournalError(f"PostgreSQL: {error}") from None

    @override
    def beaten(self) -> int:
        found = self._all("SELECT time FROM beat")
        return found[0][0] if found else 0

    @override
    def keep_snapshot(self, seq: int, data: bytes) -> None:
        query = (
            "INSERT INTO snapshots VALUES (1, %s, %s) "
            "ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, data = excluded.data"
        )
        try:
            self._open().execute(query, (seq, data))
        except psycopg.Error as error:
            raise JournalError(f"PostgreSQL: {error}") from None

    @override
    def snapshot(self) -> bytes | None:
        found = self._all("SELECT data FROM snapshots")
        return found[0][0] if found else None

    def _all(self, query: str, *values: Any) -> list[Any]:
        try:
            return self._open().execute(query.encode(), values or None).fetchall()
        except psycopg.errors.UndefinedTable:
            raise BadInput("journal", "a journal", "a PostgreSQL database without one") from None
        except psycopg.Error as error:
            raise JournalError(f"PostgreSQL: {error}") from None

    @override
    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
        self._locked = False
