"""A real PostgreSQL for the tests of the journal, started once."""

from collections.abc import Generator
from pathlib import Path

import pytest

from benchmarks.postgres import Server, binaries, running


@pytest.fixture(scope="session")
def postgres() -> Generator[Server]:
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql): its journal is not tested here")
    with running(programs, durable=False) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a journal, in each kind of database."""
    if request.param == "sqlite":
        return str(tmp_path / "market.db")
    return request.getfixturevalue("postgres").database("journal")
