"""A development chain with a market on it."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager

import pytest
from chain.yard import CIRCUIT, Yard, light_circuit

from proofyard.chain import Chain, Circuit, Outbox, Terms, deploy, devchain, profiles


@contextmanager
def yards() -> Generator[Callable[..., Yard]]:
    """Make markets, each on a chain of its own, which end with the block: they take memory with every block."""
    with ExitStack() as nodes:

        def make(
            circuits: dict[bytes, Circuit] | None = None, rules: dict[str, list[int]] | None = None, **terms: object
        ) -> Yard:
            node = nodes.enter_context(devchain.running(block_s=0.1))
            chain = Chain(profiles.read("anvil"), node.url)
            accounts = [devchain.account(number) for number in range(8)]
            owner = accounts[0]
            listed = {CIRCUIT: light_circuit()} if circuits is None else circuits
            deployment = deploy(Outbox(chain, owner), owner.address, listed, terms=Terms(**terms), rules=rules)  # pyright: ignore[reportArgumentType]
            return Yard(node, chain, deployment, accounts)

        yield make


@pytest.fixture(scope="module")
def make_yard() -> Generator[Callable[..., Yard]]:
    """Make markets for the tests of one file."""
    with yards() as make:
        yield make


@pytest.fixture(scope="session")
def yard() -> Generator[Yard]:
    """The market most tests share."""
    with yards() as make:
        yield make()
