"""A market on a real development chain for tests: contracts, purses, a coordinator that settles, an audit."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from network import markets as m

from proofyard.chain import Account, Chain, Deployment, Outbox, Terms, deploy, devchain, profiles
from proofyard.network.audit import Report, audit
from proofyard.network.bank import Bank
from proofyard.network.circuits import circuits_for
from proofyard.network.client import AsyncMarket
from proofyard.network.coordinator import Coordinator
from proofyard.network.journal import connect
from proofyard.network.purse import Place, Purse, enter
from proofyard.network.settlement import Settler
from proofyard.network.witness import Witness
from proofyard.proofs.calibrated import Calibrated
from proofyard.rollup.load import CHAIN_ID

CEILING = 2 * m.TOKEN
BROUGHT = 300 * m.TOKEN
DELAY_S = 60
BLOCK_S = 0.2
KEPT = 1_000  # blocks: however slow the machine, what a test takes back is still there


class Yard(NamedTuple):
    """A chain with a market's contracts."""

    chain: Chain
    place: Place
    deployment: Deployment
    folder: Path

    def purse(self, who: Any) -> Purse:
        return Purse(self.place, who, self.folder / f"{who.address}.db")

    def bank(self) -> Bank:
        return Bank(self.place.url, self.deployment, m.WRITER, self.folder / "market.outbox.db")

    def coordinator(self, journal: str | Path, backend: Calibrated | None = None, rule: str = m.RULE) -> Coordinator:
        settler = Settler(self.bank())
        more = {"grant_gwei": 0, "chain_id": self.deployment.chain_id, "contract": settler.bank.contract}
        return Coordinator(
            connect(str(journal)), m.WRITER, backend or m.backend(), m.genesis(rule, **more), settler=settler
        )

    def audit(self, journal: str | Path) -> Report:
        opened = connect(str(journal))
        try:
            return audit(opened, m.backend(), Witness(self.place.url, self.deployment))
        finally:
            opened.close()


@contextmanager
def yards(folder: Path) -> Generator[Callable[..., Yard]]:
    """One chain, on which each test deploys contracts of its own."""
    with devchain.running(block_s=BLOCK_S, kept=KEPT) as node:
        chain = Chain(profiles.read("anvil"), node.url)
        count = iter(range(100))

        def make(root: int = 0, delay_s: int = DELAY_S) -> Yard:
            number = next(count)
            place = folder / f"yard{number}"
            place.mkdir()
            return deployed(chain, node.url, place, f"deploy {number}", root, delay_s)

        yield make


def deployed(
    chain: Chain, url: str, folder: Path, label: str = "deploy", root: int = 0, delay_s: int = DELAY_S
) -> Yard:
    """Put a market on a chain, with a rollup that begins at `root`, and give everybody gas."""
    for who in (m.WRITER, m.REQUESTER, m.PROVER):
        chain.rpc("anvil_setBalance", who.address, hex(10**21))
    writer = str(Account.from_key((1).to_bytes(32)).address)
    circuits = circuits_for(m.backend(), [4], print)
    owner = Outbox(chain, devchain.account(0))
    (circuit,) = circuits
    terms = Terms(delay=delay_s, rollup_circuit=circuit, rollup_chain=CHAIN_ID, rollup_genesis=root.to_bytes(32))
    deployment = deploy(owner, writer, circuits, terms=terms, label=label)
    deployment.save(folder / "deployment.json")
    return Yard(chain, Place(url, folder / "deployment.json"), deployment, folder)


@asynccontextmanager
async def entered(yard: Yard, coordinator: Coordinator) -> AsyncGenerator[tuple[AsyncMarket, AsyncMarket]]:
    """A requester and a prover with a seat, their money in the vault."""
    async with m.running(coordinator) as client:
        requester, prover = client(m.REQUESTER, 60), client(m.PROVER, 60)
        await enter(requester, yard.purse(m.REQUESTER), "rollup", BROUGHT)
        await enter(prover, yard.purse(m.PROVER), "prover", BROUGHT)
        if (await prover.actor()).get("stake") == 0:
            await prover.offer(10, 1)
            await prover.stake(100 * m.TOKEN)
        yield requester, prover


async def ask(yard: Yard, requester: AsyncMarket, task: m.Task, ceiling: int = CEILING) -> int:
    payload = await asyncio.to_thread(yard.purse(m.REQUESTER).payload, task, ceiling, "calibrated")
    return (await requester.request(payload, CEILING, 1_000)).job


async def prove_all(yard: Yard, requester: AsyncMarket, prover: AsyncMarket, tasks: list[m.Task]) -> None:
    for task in tasks:
        job = await ask(yard, requester, task)
        await prover.prove(job, m.proof_of(task, m.PROVER))


async def settled(market: AsyncMarket) -> dict[str, Any]:
    """Wait until everything is final and on the chain."""

    async def done() -> bool:
        told = await market.market()
        chain = told["settlement"]
        return not await market.jobs(unfinished=True) and chain["idle"] and chain["followed_seq"] == told["seq"]

    await m.until(done, wanted=True)
    return (await market.market())["settlement"]
