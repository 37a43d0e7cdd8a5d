"""Tools are installed and circuits built once, into the user's own cache, as the command does it."""

from collections.abc import Generator

import pytest

from proofyard.proofs.noir import Noir
from proofyard.proofs.toolchain import Toolchain, set_up


def silent(_: str) -> None:
    """Take a progress line."""


@pytest.fixture(scope="session")
def tools() -> Toolchain:
    return set_up("development", silent)


@pytest.fixture(scope="session")
def noir(tools: Toolchain) -> Generator[Noir]:
    with Noir(tools, silent) as backend:
        yield backend
