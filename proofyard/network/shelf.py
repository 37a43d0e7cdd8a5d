"""What a prover node has on its hands, in a file: it survives a kill at any moment."""

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

BID, TAKEN, PROVEN, DONE, FAILED = "bid", "taken", "proven", "done", "failed"
TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    market TEXT, job INTEGER, state TEXT NOT NULL, proof BLOB, ms INTEGER, PRIMARY KEY (market, job));
CREATE TABLE IF NOT EXISTS skips (market TEXT, job INTEGER, reason TEXT NOT NULL, PRIMARY KEY (market, job))
"""


class Shelf:
    """Jobs of one market.

    Parameters
    ----------
    path : of the file
    market : hash of the market, so that one node's file may see several
    """

    def __init__(self, path: Path, market: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._market = market
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        for statement in TABLES.split(";"):
            self._db.execute(statement)

    def put(self, job: int, state: str, proof: bytes | None = None, ms: int = 0) -> None:
        """Note how far a job is; with the proof, once there is one."""
        query = (
            "INSERT INTO jobs VALUES (?, ?, ?, ?, ?) ON CONFLICT (market, job) DO UPDATE SET state = excluded.state, "
            "proof = coalesce(excluded.proof, proof), ms = max(ms, excluded.ms)"
        )
        self._db.execute(query, (self._market, job, state, proof, ms))

    def state(self, job: int) -> str:
        """Say how far a job is, "" for one never taken."""
        found = self._db.execute("SELECT state FROM jobs WHERE market = ? AND job = ?", (self._market, job)).fetchone()
        return str(found[0]) if found else ""

    def proof(self, job: int) -> bytes | None:
        """Return the proof of a job, if there is one."""
        found = self._db.execute("SELECT proof FROM jobs WHERE market = ? AND job = ?", (self._market, job)).fetchone()
        return found[0] if found else None

    def unfinished(self) -> list[int]:
        """List what was taken and not handed in."""
        query = "SELECT job FROM jobs WHERE market = ? AND state IN (?, ?) ORDER BY job"
        return [row[0] for row in self._db.execute(query, (self._market, TAKEN, PROVEN))]

    def proving_ms(self) -> list[int]:
        """List how long each proof took."""
        query = "SELECT ms FROM jobs WHERE market = ? AND ms > 0"
        return [row[0] for row in self._db.execute(query, (self._market,))]

    def skip(self, job: int, reason: str) -> bool:
        """Note why a job was skipped; False if that was known."""
        query = "INSERT OR IGNORE INTO skips VALUES (?, ?, ?)"
        return self._db.execute(query, (self._market, job, reason)).rowcount > 0

    def skips(self) -> Iterator[tuple[int, str]]:
        """Go through all that was skipped, and why."""
        yield from self._db.execute("SELECT job, reason FROM skips WHERE market = ? ORDER BY job", (self._market,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()


@contextmanager
def opened(path: Path, market: str) -> Generator[Shelf]:
    """Open for a `with` block."""
    shelf = Shelf(path, market)
    try:
        yield shelf
    finally:
        shelf.close()
