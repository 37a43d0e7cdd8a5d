r"""Talk to a market: `AsyncMarket` and `Market` have the same verbs; one awaits, the other waits.

>>> from proofyard.network.messages import Signer
>>> signer = Signer(bytes(31) + b"\x01")
>>> signer.address
'0x7e5f4552091a69125d5dfcb7b8c2659029395bdf'
"""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import httpx

from proofyard.core.errors import Fault
from proofyard.network.messages import Domain, Signed, Signer, Value
from proofyard.network.records import digest
from proofyard.network.refusals import STATUS, Refused

T = TypeVar("T")
PATIENCE_S = 30.0  # s a market may be away before a caller hears of it
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
PASSING = ("STANDBY", "JOURNAL", "BUSY")  # refusals that another try may not get
SILENT_S = 60.0  # s without a sign of life after which a stream is taken for dead


class Away(Fault):
    """Nobody answered for as long as the client was patient."""


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
        self.urls = [each.strip().rstrip("/") for each in url.split(",")]
        self.signer = signer
        self.patience_s = patience_s
        self.domain: Domain | None = None
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(10, read=60), limits=httpx.Limits(max_connections=200))

    async def __aenter__(self) -> Self:
        """Open."""
        return self

    async def __aexit__(self, _kind: object, _error: object, _trace: TracebackType | None) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

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
        pause = FIRST_PAUSE_S
        while True:
            query = {} if after is None else {"after": str(after)}
            query |= {"actor": self._who().address} if mine else {}
            try:
                timeout = httpx.Timeout(10, read=SILENT_S)
                async with self._http.stream(
                    "GET", self.urls[0] + "/v1/events", params=query, timeout=timeout
                ) as answer:
                    if answer.is_success:
                        pause = FIRST_PAUSE_S
                        async for line in answer.aiter_lines():
                            if line.startswith("data: "):
                                row = json.loads(line[6:])
                                after = row["seq"]
                                yield row
            except httpx.HTTPError:
                pass
            if after is None:
                after = (await self.market())["seq"]
            self.urls.append(self.urls.pop(0))
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - so that not all come back at once
            pause = min(LONGEST_PAUSE_S, 2 * pause)

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
            if refusal.reason != "REPLAYED" or refusal.seq < 0:
                raise
            row = (await self.journal(refusal.seq - 1, 1))[0]
            if row["body"].get("message", {}).get("nonce") != signed.message["nonce"]:
                raise
            return Accepted(row["seq"], row["time"], row["job"], row["actor"])  # an earlier try of ours got through
        return Accepted(answer["seq"], answer["time"], answer["job"], answer["actor"])

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

    async def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        read: "Callable[[httpx.Response], Any] | None" = None,
    ) -> Any:
        """Ask, in turn and with growing pauses, until somebody answers. Raises Refused, Fault."""
        loop = asyncio.get_running_loop()
        ends, pause = loop.time() + self.patience_s, FIRST_PAUSE_S
        headers = {"content-type": "application/json"} if body is not None else None
        while True:
            trouble: Exception
            try:
                answer = await self._http.request(method, self.urls[0] + path, content=body, headers=headers)
                if answer.is_success:
                    return read(answer) if read is not None else answer.json()
                trouble = _refusal(answer)
                if trouble.reason not in PASSING:
                    raise trouble
            except httpx.HTTPError as error:
                trouble = Away(f"{self.urls[0]}: wanted an answer, got {type(error).__name__}. Is the market running?")
            if loop.time() + pause > ends:
                raise trouble
            self.urls.append(self.urls.pop(0))
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - so that not all come back at once
            pause = min(LONGEST_PAUSE_S, 2 * pause)


def _named(payload: bytes) -> str:
    return "0x" + digest(payload).hex()


def _refusal(answer: httpx.Response) -> Refused:
    try:
        told = answer.json()
        reason = told["reason"] if told["reason"] in STATUS else "MALFORMED"
        return Refused(reason, told["field"], told["wanted"], told["got"], told.get("seq", -1))
    except (ValueError, KeyError, TypeError):
        reason = "BUSY" if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR else "MALFORMED"
        return Refused(reason, "request", "an answer of a market", f"status {answer.status_code}")


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
