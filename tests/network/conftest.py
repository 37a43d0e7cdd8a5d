"""A real PostgreSQL for the tests of the journal, started once."""

from collections.abc import Callable, Generator
from itertools import count

import pytest

from benchmarks.postgres import Server, binaries, running


@pytest.fixture(scope="session")
def postgres() -> Generator[Server]:
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql): its journal is not tested here")
    with running(programs, durable=False) as server:
        yield server


NUMBERS = count()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Say where the next journal goes, in each kind of database."""
    if request.param == "sqlite":
        return lambda: str(tmp_path_factory.mktemp("journal") / "market.db")
    server: Server = request.getfixturevalue("postgres")
    return lambda: server.database(f"journal{next(NUMBERS)}")


@pytest.fixture
def url(fresh: Callable[[], str]) -> str:
    """A place for a journal, in each kind of database."""
    return fresh()
