"""Ask for proofs: once, again at a higher ceiling while nobody takes it, or on and on as the sample rollup does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, Protocol

from typing_extensions import override

from proofyard.core import Phase
from proofyard.core.errors import BadInput
from proofyard.network.client import Accepted, AsyncMarket
from proofyard.network.refusals import Refused
from proofyard.network.watching import tell
from proofyard.network.work import Task
from proofyard.rollup.batch import run_batch
from proofyard.rollup.load import Load

log = logging.getLogger("proofyard.requester")
NOT_TAKEN = ("NO_PROVER", "FULL", "TOO_DEAR", "BAD_AMOUNT")  # verdicts that another time or ceiling may change
PERCENT = 100


class Again(NamedTuple):
    """How to ask again what nobody took.

    Attributes
    ----------
    times : at most
    raise_percent : of the ceiling, each time
    most_gwei : the highest ceiling
    pause_s : before each
    """

    times: int = 5
    raise_percent: int = 20
    most_gwei: int = 2**61
    pause_s: float = 1.0


class Asked(NamedTuple):
    """What became of asking.

    Attributes
    ----------
    accepted : the request, None if nobody took it
    ceiling : gwei, the last
    why : why it was not taken, each time: the reason, and how often provers gave which reason of theirs
    """

    accepted: Accepted | None
    ceiling: int
    why: list[str]


async def ask(
    market: AsyncMarket,
    payload_at: Callable[[int], bytes],
    ceiling: int,
    size: int,
    again: Again = Again(),  # noqa: B008
) -> Asked:
    """Ask until somebody takes it, at ever higher ceilings. Raises Refused for a reason no ceiling changes.

    `payload_at` writes what is asked for a ceiling in gwei: on a chain, with an order that pays for it.
    """
    why: list[str] = []
    for turn in range(again.times + 1):
        try:
            payload = await asyncio.to_thread(payload_at, ceiling)
            return Asked(await market.request(payload, ceiling, size), ceiling, why)
        except Refused as refusal:
            if refusal.reason not in NOT_TAKEN:
                raise
            why.append(f"{refusal.reason} at {ceiling} gwei: wanted {refusal.wanted}")
        if turn < again.times:
            ceiling = min(again.most_gwei, ceiling + max(1, ceiling * again.raise_percent // PERCENT))
            await asyncio.sleep(again.pause_s)
    return Asked(None, ceiling, why)


async def watch(market: AsyncMarket, job: int) -> AsyncIterator[dict[str, Any]]:
    """Follow a job until it is final: each step of its life."""
    view = await market.job(job)
    after = view["rows"][-1]["seq"] if view["rows"] else None
    for row in view["rows"]:
        yield {"seq": row["seq"], "time": row["time"], "kind": row["kind"], "actor": row["actor"]}
    if Phase[view["phase"]] >= Phase.SETTLED:
        return
    async for row in market.events(after, mine=True):
        about = [each for each in row.get("jobs", ()) if each["job"] == job]
        if about:
            yield {"seq": row["seq"], "time": row["time"], "kind": row["kind"], "actor": row["actor"], **about[0]}
            if Phase[about[0]["phase"]] >= Phase.SETTLED:
                return


def why_untaken(view: dict[str, Any]) -> str:
    """Say why nobody proved a job, by the reasons provers gave."""
    reasons: dict[str, int] = {}
    for skip in view["skips"]:
        reasons[skip["reason"]] = reasons.get(skip["reason"], 0) + 1
    return ", ".join(f"{count} × {reason}" for reason, count in sorted(reasons.items())) or "no prover gave a reason"


class Requested(Protocol):
    """Something that wants proofs on and on."""

    def tasks(self) -> Iterator[Task]:
        """Yield what to ask for next."""
        ...

    def heard(self, task: Task, asked: Asked) -> None:
        """Note what became of asking."""
        ...


class Rollup(Requested):
    """The sample rollup: an endless load of transfers in batches, each of which wants a proof.

    Parameters
    ----------
    seed : of the load
    size : transfers to a batch
    depth : of its tree of accounts
    """

    def __init__(self, seed: int, size: int, *, accounts: int = 64, depth: int = 16) -> None:
        if size < 1:
            raise BadInput("size", "at least one transfer", size)
        self._load = Load(seed=seed, accounts=accounts, depth=depth)
        self._transfers = self._load.transfers()
        self.size = size
        self.root = self._load.ledger.root  # that it begins with

    @override
    def tasks(self) -> Iterator[Task]:
        """Yield batch after batch; each follows the one before."""
        while True:
            yield Task(run_batch(self._load.ledger, list(islice(self._transfers, self.size))), self.size)

    @override
    def heard(self, task: Task, asked: Asked) -> None:
        """Go on with the next batch, whatever became of this one; `Roots` asks again."""


async def ask_on(
    market: AsyncMarket,
    rollup: Requested,
    gaps_s: Iterator[float],
    ceiling: Callable[[], int],
    units: Callable[[], int],
    *,
    stop: asyncio.Event,
    payload_of: Callable[[Task, int], bytes] = lambda task, _: task.to_bytes(),
) -> list[Asked]:
    """Ask for the rollup's batches, one after each gap, until there is no gap left or `stop` is set.

    `payload_of` writes a batch for a ceiling in gwei, as in `ask`.
    """
    asked: list[Asked] = []
    tasks = rollup.tasks()
    for gap in gaps_s:
        try:
            await asyncio.wait_for(stop.wait(), gap)
        except TimeoutError:
            pass
        else:
            break
        task = await asyncio.to_thread(next, tasks)
        try:
            asked.append(await ask(market, partial(payload_of, task), ceiling(), units(), Again(times=0)))
        except Refused as refusal:
            asked.append(Asked(None, ceiling(), [str(refusal)]))
        rollup.heard(task, asked[-1])
        if asked[-1].accepted is None:
            tell(log, "nobody took a request", logging.WARNING, why=asked[-1].why)
    return asked
