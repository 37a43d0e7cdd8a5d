"""A development chain with a market on it."""

from collections.abc import Callable, Generator

import pytest
from chain.yard import CIRCUIT, Yard, light_circuit

from proofyard.chain import Chain, Circuit, Outbox, Terms, deploy, devchain, profiles


@pytest.fixture(scope="session")
def make_yard() -> Generator[Callable[..., Yard]]:
    """Make markets, each on a chain of its own."""
    nodes: list[devchain.Devchain] = []

    def make(
        circuits: dict[bytes, Circuit] | None = None, rules: dict[str, list[int]] | None = None, **terms: object
    ) -> Yard:
        node = devchain.start(block_s=0.1)
        nodes.append(node)
        chain = Chain(profiles.read("anvil"), node.url)
        accounts = [devchain.account(number) for number in range(8)]
        owner = accounts[0]
        listed = {CIRCUIT: light_circuit()} if circuits is None else circuits
        deployment = deploy(Outbox(chain, owner), owner.address, listed, terms=Terms(**terms), rules=rules)  # pyright: ignore[reportArgumentType]
        return Yard(node, chain, deployment, accounts)

    yield make
    for node in nodes:
        node.stop()


@pytest.fixture(scope="session")
def yard(make_yard: Callable[..., Yard]) -> Yard:
    """The market most tests share."""
    return make_yard()
