"""An actor's side of the chain: is it the market's chain, put money in, let the rule move it, sign orders.

The rule takes by a mandate, which is used up and ends. It is renewed while its owner is in the market: `keep`.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, NamedTuple

from proofyard.chain import Chain, Client, Deployment, Mandate, profiles
from proofyard.core.errors import BadInput, Fault, MarketError
from proofyard.network.client import AsyncMarket
from proofyard.network.messages import Signer
from proofyard.network.orders import ordered
from proofyard.network.watching import tell
from proofyard.network.work import Task

LASTS_S = 30 * 86_400  # s a mandate is good for
TIMES = 4  # how often what is in the vault may be taken by the rule, while it also comes back
LEAST = 2  # times what is in the vault: with less left the mandate is raised
CREDIT_S = 120.0  # s until a deposit is in the journal
LOOK_S = 0.1
KEEP_S = 10.0  # between looks at the mandate
log = logging.getLogger("proofyard.purse")


class Place(NamedTuple):
    """Where a market's money is.

    Attributes
    ----------
    url : of the chain's node
    deployment : file with the contracts
    profile : of the chain
    """

    url: str
    deployment: Path
    profile: str = "anvil"


class Purse:
    """One actor at one market's contracts; its methods wait for the chain's node.

    Raises
    ------
    BadInput : another chain than the deployment's, or other code at its addresses.
    Fault : nobody answers.
    """

    def __init__(self, place: Place, signer: Signer, outbox: Path | str = ":memory:") -> None:
        self.deployment = Deployment.read(place.deployment)
        self.client = Client(Chain(profiles.read(place.profile), place.url), self.deployment, signer.account(), outbox)

    def check(self, told: dict[str, Any]) -> None:
        """Refuse a market that names another chain, contract or writer than was deployed. Raises BadInput."""
        mine = {"chain_id": self.deployment.chain_id, "contract": self.deployment.addresses["Settlement"].lower(),
                "coordinator": self.deployment.coordinator.lower()}  # fmt: skip
        for name, wanted in mine.items():
            if told[name] != wanted:
                raise BadInput(f"market.{name}", f"{wanted}, as deployed", told[name])

    def fill(self, gwei: int) -> None:
        """Put money into the vault in test tokens, once, whatever happens in between, and give the mandate."""
        client, outbox = self.client, self.client.outbox
        if gwei and not outbox.knows("deposit"):
            client.mint(gwei, name="mint")
            client.deposit(gwei, name="deposit")
        self.keep_up()

    def keep_up(self) -> None:
        """Send again what the chain does not have of all that was sent; renew the mandate if little of it is left."""
        client = self.client
        client.outbox.resume()
        held, now = client.free(), self._now()
        limit, used, until, _ = client.read("Settlement", "granted", client.address)
        if now > until:
            limit = used = 0
        if limit - used >= LEAST * held and until - now >= LASTS_S // 2:
            return
        raised = Mandate(client.address, max(limit, used + TIMES * held), max(until, now + LASTS_S))
        client.grant(raised, name=f"mandate {raised.limit} {raised.until}")

    def _now(self) -> int:
        header = self.client.chain.rpc("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 - JSON-RPC
        return int(header["timestamp"], 16)

    def payload(self, task: Task, ceiling: int, backend: str) -> bytes:
        """Write a request's payload with an order for it that pays `ceiling` gwei at most."""
        contract = self.deployment.addresses["Settlement"]
        return ordered(self.client.account, task, ceiling, backend=backend, chain_id=self.deployment.chain_id,
                       contract=contract, now=self._now())  # fmt: skip


async def enter(market: AsyncMarket, purse: Purse, name: str, gwei: int) -> None:
    """Join a market on a chain: look that it is the one deployed there, put money in, wait until it counts."""
    purse.check(await market.market())
    await market.join(name)
    await asyncio.to_thread(purse.fill, gwei)
    loop = asyncio.get_running_loop()
    ends = loop.time() + CREDIT_S
    address = purse.client.address.lower()
    async with kept(purse):
        while gwei and not await _credited(market, address):
            if loop.time() > ends:
                wanted = f"wanted the deposit of {gwei} gwei in the journal within {CREDIT_S:g} s"
                raise Fault(f"{name}: {wanted}, it is not.")
            await asyncio.sleep(LOOK_S)


async def keep(purse: Purse) -> None:
    """Keep a purse's mandate up, and what it sent on the chain, for ever."""
    while True:
        await asyncio.sleep(KEEP_S)
        try:
            await asyncio.to_thread(purse.keep_up)
        except MarketError as error:
            tell(log, "could not renew the mandate", logging.WARNING, why=str(error))


@contextlib.asynccontextmanager
async def kept(purse: Purse | None) -> AsyncGenerator[None]:
    """Keep a purse, if there is one, within an `async with` block."""
    keeping = asyncio.create_task(keep(purse)) if purse is not None else None
    try:
        yield
    finally:
        if keeping is not None:
            keeping.cancel()
            await asyncio.wait([keeping])


async def _credited(market: AsyncMarket, address: str) -> bool:
    """Whether the rule keeps any money of an actor: nobody has any before the first deposit counts."""
    actor = await market.actor(address)
    return any(actor.get(column, 0) > 0 for column in ("cash", "stake", "exiting"))
