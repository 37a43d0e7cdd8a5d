r"""Talk to a market: `AsyncMarket` and `Market` have the same verbs; one awaits, the other waits.

>>> from proofyard.network.messages import Signer
>>> signer = Signer(bytes(31) + b"\x01")
>>> signer.address
'0x7e5f4552091a69125d5dfcb7b8c2659029395bdf'
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from proofyard.core.errors import Fault
from proofyard.network import sheets
from proofyard.network.messages import Domain, Signed, Signer, Value
from proofyard.network.records import digest
from proofyard.network.refusals import Refused
from proofyard.network.sheets import Sheet
from proofyard.network.transport import PASSING, Pauses, Transport, refusal_of

T = TypeVar("T")
PATIENCE_S = 30.0  # s a market may be away before a caller hears of it


class Accepted(NamedTuple):
    """Where a message is in the order.

    Attributes
    ----------
    seq : its row in the journal
    time : ms of market time
    job, actor : numbers; -1 and 0 where there are none
    """

    seq: int
    time: int
    job: int
    actor: int


class AsyncMarket:
    """A market behind a URL, for one signer (None: only to look).

    Parameters
    ----------
    url : of the market; several, separated by commas, are tried in turn (a coordinator and those who stand by)
    signer : who signs
    patience_s : how long to try again while nobody answers
    """

    def __init__(self, url: str, signer: Signer | None = None, *, patience_s: float = PATIENCE_S) -> None:
        self.signer = signer
        self.domain: Domain | None = None
        self.transport = Transport(url, patience_s)
        self._ask = self.transport.ask

    @property
    def urls(self) -> list[str]:
        """Where the market is; the first is asked first."""
        return self.transport.urls

    async def __aenter__(self) -> Self:
        """Open."""
        return self

    async def __aexit__(self, _kind: object, _error: object, _trace: TracebackType | None) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()

    # Queries.

    async def market(self) -> dict[str, Any]:
        """Return rule, parameters, domain, and how far the market is."""
        return await self._ask("GET", "/v1/market")

    async def health(self) -> dict[str, Any]:
        """Return the role of the process that answers first, and what troubles it."""
        return await self._ask("GET", "/health")

    async def actor(self, address: str | None = None) -> dict[str, Any]:
        """Return what the rule keeps about an actor, the signer's own by default."""
        return await self._ask("GET", f"/v1/actors/{address or self._who().address}")

    async def actors(self) -> list[dict[str, Any]]:
        """Return everybody."""
        return await self._all("/v1/actors", "actor")

    async def job(self, job: int) -> dict[str, Any]:
        """Return a job with its rows, and who skipped it and why."""
        return await self._ask("GET", f"/v1/jobs/{job}")

    async def jobs(self, *, unfinished: bool = False) -> list[dict[str, Any]]:
        """Return all jobs, or those that are not final."""
        return await self._all("/v1/jobs" + ("?unfinished=true" if unfinished else ""), "job")

    async def journal(self, after: int = -1, limit: int = 1_000) -> list[dict[str, Any]]:
        """Return rows of the journal."""
        return await self._ask("GET", f"/v1/journal?after={after}&limit={limit}")

    async def blob(self, name: str) -> bytes:
        """Return what a hash (0x…) names: a payload or a proof. Raises Fault if it is something else."""
        data: bytes = await self._ask("GET", f"/v1/blobs/{name}", read=lambda answer: answer.content)
        if digest(data).hex() != name[2:]:
            raise Fault(f"{self.urls[0]}: wanted the bytes of {name}, got others.")
        return data

    async def events(self, after: int | None = None, *, mine: bool = False) -> AsyncGenerator[dict[str, Any]]:
        """Follow the journal from row `after` (None: from now), over lost connections; `mine`: the signer's part."""
        pauses = Pauses()
        while True:
            query = {} if after is None else {"after": str(after)}
            query |= {"actor": self._who().address} if mine else {}
            async with aclosing(self.transport.rows(query)) as rows:
                async for row in rows:
                    pauses.begin_again()
                    after = row["seq"]
                    yield row
            if after is None:
                after = (await self.market())["seq"]
            self.transport.turn()
            await pauses.rest()

    # Commands.

    async def send(self, verb: str, payload: bytes = b"", /, *, lasts_ms: int = 60_000, **fields: Value) -> Accepted:
        """Sign a message and hand it in, again while nobody answers; it counts once. Raises Refused, Fault."""
        if self.domain is None:
            await self._meet()
        assert self.domain is not None  # noqa: S101 - _meet has set it
        return await self.hand_in(self._who().sign(verb, self.domain, payload, lasts_ms=lasts_ms, **fields))

    async def hand_in(self, signed: Signed) -> Accepted:
        """Hand in what is signed already. Raises Refused, Fault."""
        try:
            answer = await self._ask("POST", "/v1/messages", signed.to_json())
        except Refused as refusal:
            found = await self._earlier(refusal, signed.message)
            if found is None:
                raise
            return found
        return _accepted(answer)

    async def send_sheet(
        self, verb: str, lines: Sequence[Mapping[str, Value]], payloads: Sequence[bytes] = (), /, *,
        lasts_ms: int = 60_000,
    ) -> "list[Accepted | Refused]":  # fmt: skip
        """Sign several messages of one verb at once and hand them in; each is answered for itself, in order.

        `lines` have the verb's fields, `payloads` what they name, if anything. Raises Fault, and Refused when none of
        them is looked at.
        """
        if self.domain is None:
            await self._meet()
        assert self.domain is not None  # noqa: S101 - _meet has set it
        return await self.hand_in_sheet(
            sheets.write(self._who(), verb, self.domain, lines, payloads, lasts_ms=lasts_ms)
        )

    async def hand_in_sheet(self, sheet: Sheet) -> "list[Accepted | Refused]":
        """Hand in a sheet, again while lines of it are refused in passing. Raises Refused, Fault."""
        pauses = Pauses(self.transport.patience_s)
        while True:
            told = await self._ask("POST", "/v1/sheets", sheet.to_json())
            answers = [await self._line(line, each) for line, each in zip(sheet.lines, told, strict=True)]
            passing = any(isinstance(each, Refused) and each.reason in PASSING for each in answers)
            if not passing or pauses.are_over:
                return answers
            await pauses.rest()

    async def join(self, name: str = "") -> Accepted:
        """Become an actor; whoever is one already just stays it."""
        try:
            return await self.send("join", name=name)
        except Refused as refusal:
            if refusal.reason != "REPLAYED":
                raise
            actor = await self.actor()
            return Accepted(-1, 0, -1, actor["actor"])

    async def offer(self, price: int, capacity: int) -> Accepted:
        """Offer to prove: gwei per proof (or per unit, as the rule has it), proofs at once."""
        return await self.send("offer", price=price, capacity=capacity)

    async def stake(self, amount: int) -> Accepted:
        """Stake gwei of free money."""
        return await self.send("stake", amount=amount)

    async def unstake(self, amount: int) -> Accepted:
        """Take gwei out of the stake, through the rule's queue if it has one."""
        return await self.send("unstake", amount=amount)

    async def withdraw(self, amount: int = 0) -> Accepted:
        """Move stake that has waited long enough to the free money, 0 all of it."""
        return await self.send("withdraw", amount=amount)

    async def request(self, payload: bytes, ceiling: int, size: int) -> Accepted:
        """Ask for a proof of `payload`, for at most `ceiling` gwei; `size` in the rule's unit."""
        return await self.send("request", payload, ceiling=ceiling, size=size, payload=_named(payload))

    async def bid(self, job: int, price: int) -> Accepted:
        """Bid gwei for a job."""
        return await self.send("bid", job=job, price=price)

    async def decline(self, job: int) -> Accepted:
        """Give a job back."""
        return await self.send("decline", job=job)

    async def prove(self, job: int, proof: bytes, tier: int = 0) -> Accepted:
        """Hand a proof in."""
        return await self.send("prove", proof, job=job, tier=tier, proof=_named(proof))

    async def cancel(self, nonce: int) -> Accepted:
        """Make a signed message void that has not been accepted; an accepted one goes its way by the rule."""
        return await self.send("cancel", cancelled=nonce)

    async def skip(self, job: int, reason: str) -> Accepted:
        """Say why a job is not taken."""
        return await self.send("skip", job=job, reason=reason)

    # Within.

    async def _line(self, message: dict[str, Value], told: dict[str, Any]) -> "Accepted | Refused":
        """Read what became of one line."""
        if "reason" not in told:
            return _accepted(told)
        refusal = refusal_of(told)
        return await self._earlier(refusal, message) or refusal

    async def _earlier(self, refusal: Refused, message: dict[str, Value]) -> Accepted | None:
        """Find the row of a message that is refused because an earlier try of ours got through."""
        if refusal.reason != "REPLAYED" or refusal.seq < 0:
            return None
        row = (await self.journal(refusal.seq - 1, 1))[0]
        return _accepted(row) if row["body"].get("message", {}).get("nonce") == message["nonce"] else None

    def _who(self) -> Signer:
        if self.signer is None:
            raise Fault("client: wanted a signer for this, got none.")
        return self.signer

    async def _meet(self) -> None:
        told = await self.market()
        self.domain = Domain(told["chain_id"], bytes.fromhex(told["contract"][2:]), bytes.fromhex(told["market"][2:]))

    async def _all(self, path: str, number: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1][number] if found else -1
            page = await self._ask("GET", f"{path}{'&' if '?' in path else '?'}after={after}&limit=1000")
            found += page
            if len(page) < 1_000:  # noqa: PLR2004 - the limit just asked for
                return found


def _named(payload: bytes) -> str:
    return "0x" + digest(payload).hex()


def _accepted(told: dict[str, Any]) -> Accepted:
    return Accepted(told["seq"], told["time"], told["job"], told["actor"])


class Market:
    """The same for programs without asyncio; not to be called from within a running event loop.

    Parameters
    ----------
    url, signer, patience_s : as for AsyncMarket
    """

    def __init__(self, url: str, signer: Signer | None = None, *, patience_s: float = PATIENCE_S) -> None:
        self._runner = asyncio.Runner()
        self._market = AsyncMarket(url, signer, patience_s=patience_s)

    def __enter__(self) -> Self:
        """Open."""
        return self

    def __exit__(self, _kind: object, _error: object, _trace: TracebackType | None) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._run(self._market.close())
        self._runner.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def market(self) -> dict[str, Any]:
        """Return rule, parameters, domain, and how far the market is."""
        return self._run(self._market.market())

    def actor(self, address: str | None = None) -> dict[str, Any]:
        """Return what the rule keeps about an actor, the signer's own by default."""
        return self._run(self._market.actor(address))

    def actors(self) -> list[dict[str, Any]]:
        """Return everybody."""
        return self._run(self._market.actors())

    def job(self, job: int) -> dict[str, Any]:
        """Return a job with its rows, and who skipped it and why."""
        return self._run(self._market.job(job))

    def jobs(self, *, unfinished: bool = False) -> list[dict[str, Any]]:
        """Return all jobs, or those that are not final."""
        return self._run(self._market.jobs(unfinished=unfinished))

    def journal(self, after: int = -1, limit: int = 1_000) -> list[dict[str, Any]]:
        """Return rows of the journal."""
        return self._run(self._market.journal(after, limit))

    def blob(self, name: str) -> bytes:
        """Return what a hash names: a payload or a proof."""
        return self._run(self._market.blob(name))

    def send(self, verb: str, payload: bytes = b"", /, *, lasts_ms: int = 60_000, **fields: Value) -> Accepted:
        """Sign a message and hand it in."""
        return self._run(self._market.send(verb, payload, lasts_ms=lasts_ms, **fields))

    def hand_in(self, signed: Signed) -> Accepted:
        """Hand in what is signed already."""
        return self._run(self._market.hand_in(signed))

    def send_sheet(
        self, verb: str, lines: Sequence[Mapping[str, Value]], payloads: Sequence[bytes] = (), /, *,
        lasts_ms: int = 60_000,
    ) -> "list[Accepted | Refused]":  # fmt: skip
        """Sign several messages at once and hand them in; each is answered for itself."""
        return self._run(self._market.send_sheet(verb, lines, payloads, lasts_ms=lasts_ms))

    def join(self, name: str = "") -> Accepted:
        """Become an actor."""
        return self._run(self._market.join(name))

    def offer(self, price: int, capacity: int) -> Accepted:
        """Offer to prove."""
        return self._run(self._market.offer(price, capacity))

    def stake(self, amount: int) -> Accepted:
        """Stake gwei."""
        return self._run(self._market.stake(amount))

    def request(self, payload: bytes, ceiling: int, size: int) -> Accepted:
        """Ask for a proof."""
        return self._run(self._market.request(payload, ceiling, size))

    def bid(self, job: int, price: int) -> Accepted:
        """Bid gwei for a job."""
        return self._run(self._market.bid(job, price))

    def prove(self, job: int, proof: bytes, tier: int = 0) -> Accepted:
        """Hand a proof in."""
        return self._run(self._market.prove(job, proof, tier))

    def cancel(self, nonce: int) -> Accepted:
        """Make a signed message void that has not been accepted."""
        return self._run(self._market.cancel(nonce))
