"""A development chain for one live market: started, the contracts put on it, everybody given gas; its state is kept."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from proofyard.chain import Account, Chain, Deployment, Outbox, Terms, deploy, devchain, profiles
from proofyard.core.rule import Rule
from proofyard.network.circuits import circuits_for
from proofyard.network.claims import holds_s
from proofyard.network.messages import Signer
from proofyard.network.orders import circuit_of
from proofyard.network.purse import Place
from proofyard.network.requester import Rollup
from proofyard.proofs.backend import ProofBackend
from proofyard.rollup.load import CHAIN_ID
from proofyard.tools.cache import Tell

GAS_WEI = 10**21  # for everybody, of a coin that is worth nothing
STATE, CONTRACTS = "chain.json", "deployment.json"
DELAY_S = 60  # from asking for money back to having it, at least


class Devnet(NamedTuple):
    """A running chain with a market's contracts.

    Attributes
    ----------
    place : where they are
    deployment : the contracts
    node : the chain's process
    """

    place: Place
    deployment: Deployment
    node: devchain.Devchain


@contextmanager
def running(
    folder: Path,
    backend: ProofBackend,
    rollup: Rollup,
    rule: Rule,
    keys: Mapping[str, bytes],
    coordinator: str,
    tell: Tell,
) -> Generator[Devnet]:
    """Start a chain with its state in `folder` and deploy a market for a rollup's batches, and its contract of roots.

    Parameters
    ----------
    rule : holds money; the vault lets none go for as long as it can
    keys : of everybody who sends transactions, by name
    coordinator : the name among them of who settles
    """
    tell("starting a development chain, deploying the contracts")
    circuits = circuits_for(backend, [rollup.size], tell)
    terms = Terms(
        delay=max(DELAY_S, holds_s(rule)),
        rollup_circuit=circuit_of(backend.name, rollup.size),
        rollup_chain=CHAIN_ID,
        rollup_genesis=rollup.root.to_bytes(32),
    )
    with devchain.running(state=folder / STATE) as node:
        chain = Chain(profiles.read("anvil"), node.url)
        for key in keys.values():
            chain.rpc("anvil_setBalance", Signer(key).address, hex(GAS_WEI))
        writer = str(Account.from_key(keys[coordinator]).address)
        deployment = deploy(Outbox(chain, devchain.account(0)), writer, circuits, terms=terms)
        deployment.save(folder / CONTRACTS)
        yield Devnet(Place(node.url, folder / CONTRACTS), deployment, node)
