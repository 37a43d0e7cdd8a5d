"""A prover node: it knows what it can finish, takes that, proves it, hands it in once, and says why it skips the rest.

What it has on its hands is on a `Shelf`, so a kill loses at most the proof being made, and not its witness. Before it
works on anything, and after every restart, it asks the market how the job stands: whatever the shelf says, the market
decides.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from proofyard.core import ANYONE, BadInput, MarketError, Phase
from proofyard.network.client import AsyncMarket
from proofyard.network.mind import Mind
from proofyard.network.refusals import Refused
from proofyard.network.settings import Watched
from proofyard.network.shelf import BID, DONE, FAILED, PROVEN, TAKEN, Shelf
from proofyard.network.slots import Slots
from proofyard.network.transport import PASSING, Away
from proofyard.network.watching import ProverMetrics, span, tell
from proofyard.network.work import Task
from proofyard.policies.view import NEVER
from proofyard.proofs.backend import ProofBackend
from proofyard.proofs.calibrated import Calibrated

log = logging.getLogger("proofyard.prover")
LOOK_S = 1.0  # s between looks at the settings
ENOUGH = 5  # tries to hand a proof in, on top of the client's own patience
FIRST_PAUSE_S = 0.5  # before a job that failed is tried again; doubled each time
MS = 1_000
T = TypeVar("T")


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Wait for work that can't be stopped; who cancels it waits, too."""
    running = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.gather(running, return_exceptions=True)
        raise


class Node:
    """One prover.

    Parameters
    ----------
    market : with the node's signer
    backend : makes the proofs
    shelf : what it has on its hands
    settings : its owner's
    transfers : its circuit has room for; 0: whatever comes
    metrics : to count in
    """

    def __init__(
        self,
        market: AsyncMarket,
        backend: ProofBackend,
        shelf: Shelf,
        settings: Watched,
        *,
        transfers: int = 0,
        metrics: ProverMetrics | None = None,
    ) -> None:
        self.market, self.backend, self.shelf, self.settings = market, backend, shelf, settings
        self.metrics = metrics or ProverMetrics()
        self.transfers = transfers
        self.mind = Mind(settings)
        self.draining = False
        self.busy_ms = 0  # spent proving, for the report
        self._actor = -1
        self._offset = 0  # market time less our clock, ms
        self._mine: dict[int, asyncio.Task[None]] = {}
        self._slots = Slots(settings)
        self._ends: dict[int, int] = {}  # when each job will be done, ms of market time
        self._failures = 0
        self._tries: dict[int, int] = {}  # that failed, by job
        self._offered = (0, 0)  # price and capacity
        self._rests_until = 0.0
        self._wake = asyncio.Event()
        self._others: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Take part until `drain`, then finish what it has and return."""
        after = await self.enter()
        following = asyncio.create_task(self._follow(after))
        tending = asyncio.create_task(self._tend())
        await self._wake.wait()
        for task in (following, tending):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        while self._mine or self._others:
            await asyncio.wait([*self._mine.values(), *self._others])
        tell(log, "drained", name=self.settings.now.name)

    def drain(self) -> None:
        """Take nothing more; `run` returns when all is handed in."""
        self.draining = True
        self.metrics.ready.set(0)
        self._wake.set()

    async def enter(self) -> int:
        """Join, offer, stake; then pick up what was left. Returns the row from which to follow."""
        settings = self.settings.now
        told = await self.market.market()
        self._set_clock(told)
        self._actor = (await self.market.join(settings.name)).actor
        self.mind.meet(told, self._actor)
        actor = await self.market.actor()
        await self._offer(actor)
        if settings.stake_gwei and not actor.get("stake", 0):
            await self._try(self.market.stake(settings.stake_gwei))
        after = (await self.market.market())["seq"]
        for job in self.shelf.unfinished():
            await self._reconcile(job)
        for view in await self.market.jobs(unfinished=True):
            await self.consider(view)
        self.metrics.ready.set(not self.draining)
        tell(log, "ready", name=settings.name, actor=self._actor, policy=settings.policy)
        return int(after)

    def now(self) -> int:
        """Market time as far as we know it, ms."""
        return time.monotonic_ns() // 1_000_000 + self._offset

    def _set_clock(self, told: dict[str, Any]) -> None:
        self._offset = int(told["now"]) - time.monotonic_ns() // 1_000_000

    async def _offer(self, actor: dict[str, Any]) -> None:
        self._offered = (self.settings.now.price_gwei, self.settings.now.capacity)
        price, capacity = self.mind.terms(self.now(), actor)
        if (actor.get("price"), actor.get("capacity")) != (price, capacity):
            await self._try(self.market.offer(price, capacity))

    async def _try(self, work: Coroutine[Any, Any, object]) -> bool:
        """Send something the rule may not know or want."""
        try:
            await work
        except Refused as refusal:
            tell(log, "refused", logging.WARNING, name=self.settings.now.name, why=str(refusal))
            return False
        return True

    async def _follow(self, after: int) -> None:
        async for row in self.market.events(after, mine=True):
            if not row.get("past"):
                self._offset = max(self._offset, row["time"] - time.monotonic_ns() // 1_000_000)
            for view in row.get("jobs", ()):
                try:
                    await self.consider(view)
                except MarketError as error:
                    tell(log, "could not consider a job", logging.WARNING, job=view["job"], why=str(error))

    async def _tend(self) -> None:
        """Look at the settings, and from epoch to epoch at price, capacity and stake."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_S)
            wrong = self.settings.look()
            if wrong:
                tell(log, "the settings stay as they were", logging.WARNING, why=wrong)
            self._slots.look()
            if time.monotonic() - last < self.settings.now.epoch_ms / MS:
                continue
            last = time.monotonic()
            try:
                await self._reconsider()
            except MarketError as error:
                tell(log, "could not look at the market", logging.WARNING, why=str(error))

    async def _reconsider(self) -> None:
        self._set_clock(await self.market.market())
        actor = await self.market.actor()
        if self.mind.watches_rivals:
            self.mind.look_at(await self.market.actors())
        if self.mind.moves_terms or self._offered != (self.settings.now.price_gwei, self.settings.now.capacity):
            await self._offer(actor)
        amount = self.mind.stake(self.now(), actor)
        if amount:
            verb = "stake" if amount > 0 else "unstake"
            await self._try(self.market.send(verb, amount=abs(amount)))

    # Jobs.

    async def consider(self, view: dict[str, Any]) -> None:
        """Look at a job as it is now, and take it, bid on it, or skip it with a reason."""
        job, phase = view["job"], Phase[view["phase"]]
        if phase == Phase.BIDDING:
            await self._bid(view)
            return
        mine = view["prover"] == self._actor and phase in (Phase.ASSIGNED, Phase.CONTESTED)
        free = phase == Phase.OPEN and view["prover"] == ANYONE
        if not mine and not free:
            if job in self._ends and view["prover"] not in (self._actor, ANYONE):
                self._give_up(job)
            return
        if job in self._mine or self.shelf.state(job) in (DONE, FAILED):
            return
        reason = self._why_not(view, free=free)
        if reason:
            await self._skip(job, reason)
            if mine and reason == "policy":
                await self._try(self.market.decline(job))
            return
        self._take(view)

    def _why_not(self, view: dict[str, Any], *, free: bool) -> str:
        """Find a reason to skip a job, "" none."""
        settings, ready = self.settings.now, self._ready(view)
        late = ready + settings.margin_ms > view["deadline"]
        reasons = {
            "draining": self.draining,
            "resting": time.monotonic() < self._rests_until,
            "policy": (settings.open_jobs == "ignore") if free else self.mind.accepts(self.now(), view, ready) == 0,
            "no capacity": free and len(self._mine) >= settings.capacity,
            "too cheap": free and view["escrow_gwei"] < settings.cost_gwei(self.mind.size_of(view)),
            "too late": late and (free or settings.hopeless == "skip"),
        }
        return next((reason for reason, holds in reasons.items() if holds), "")

    def _ready(self, view: dict[str, Any]) -> int:
        """When a proof of the job would be done, counting the queue."""
        settings, now = self.settings.now, self.now()
        ends = sorted(self._ends.values())
        begins = ends[-settings.capacity] if len(ends) >= settings.capacity else now
        return max(now, begins) + settings.work_ms(self.mind.size_of(view))

    def _take(self, view: dict[str, Any]) -> None:
        job = view["job"]
        self._ends[job] = self._ready(view)
        self.shelf.put(job, TAKEN)
        self._mine[job] = asyncio.create_task(self._work(view))
        self._mine[job].add_done_callback(lambda _: self._forget(job))
        self.metrics.queue.set(len(self._mine))

    def _forget(self, job: int) -> None:
        self._mine.pop(job, None)
        self._ends.pop(job, None)
        self.metrics.queue.set(len(self._mine))

    def _give_up(self, job: int) -> None:
        """Stop working on what somebody else has proven; a proof that is being made keeps its place to its end."""
        task = self._mine.get(job)
        if task is not None:
            task.cancel()
        self.shelf.put(job, FAILED)
        self.metrics.proofs.labels("lost").inc()

    async def _skip(self, job: int, reason: str) -> None:
        if not self.shelf.skip(job, reason):
            return
        self.metrics.skips.labels(reason).inc()
        tell(log, "skipped", name=self.settings.now.name, job=job, reason=reason)
        self._beside(self._tell_skip(job, reason))

    async def _tell_skip(self, job: int, reason: str) -> None:
        with contextlib.suppress(MarketError):
            await self.market.skip(job, reason)

    async def _bid(self, view: dict[str, Any]) -> None:
        job = view["job"]
        if self.settings.now.bids != "each" or self.shelf.state(job):
            return
        if self.draining or time.monotonic() < self._rests_until:
            await self._skip(job, "draining" if self.draining else "resting")
            return
        if len(self._mine) >= self.settings.now.capacity:
            await self._skip(job, "no capacity")
            return
        price = self.mind.bid(self.now(), view, self._ready(view))
        if not price:
            await self._skip(job, "policy")
        elif price > view["ceiling_gwei"]:
            await self._skip(job, "too cheap")
        else:
            self.shelf.put(job, BID)
            await self._try(self.market.bid(job, price))

    async def _reconcile(self, job: int) -> None:
        """Look up what the market says about a job that was on the shelf."""
        view = await self.market.job(job)
        phase = Phase[view["phase"]]
        mine = phase == Phase.ASSIGNED and view["prover"] == self._actor
        if mine or phase == Phase.OPEN:
            self._take(view)
        else:
            won = phase in (Phase.PROVEN, Phase.SETTLED) and view["prover"] == self._actor
            self.shelf.put(job, DONE if won else FAILED)

    async def _work(self, view: dict[str, Any]) -> None:
        """Prove a job and hand the proof in."""
        job = view["job"]
        try:
            async with self._slots:
                proof = self.shelf.proof(job) or await self._prove(view)
            if proof is None:
                self.shelf.put(job, FAILED)
                return
            await self._hand_in(job, proof)
            self._failures = 0
        except (Away, Refused) as refusal:
            if isinstance(refusal, Away) or refusal.reason in PASSING:
                self._beside(self._again(job, FIRST_PAUSE_S))
                return
            self.shelf.put(job, FAILED)
            self.metrics.proofs.labels("refused").inc()
            tell(log, "a proof was refused", logging.WARNING, job=job, why=str(refusal))
        except MarketError as error:
            await self._failed(job, error)

    async def _failed(self, job: int, error: MarketError) -> None:
        """Try again after a growing pause; after too many failures in a row, of whatever job, rest."""
        self.metrics.proofs.labels("failed").inc()
        self._failures += 1
        tries = self._tries[job] = self._tries.get(job, 0) + 1
        tell(log, "a job failed", logging.ERROR, job=job, why=str(error), tries=tries, failures=self._failures)
        if self._failures >= self.settings.now.most_failures:
            self._rests_until = time.monotonic() + self.settings.now.rest_ms / MS
            self._failures = 0
            await self._skip(job, "backend")
            return
        self._beside(self._again(job, FIRST_PAUSE_S * 2 ** (tries - 1)))

    async def _again(self, job: int, pause_s: float) -> None:
        """Look at a job once more after a pause; again and again while the market is away: its clock stands still."""
        await asyncio.sleep(pause_s)
        try:
            self._set_clock(await self.market.market())
            await self.consider(await self.market.job(job))
        except MarketError:
            if not self.draining:
                self._beside(self._again(job, min(LOOK_S, 2 * pause_s)))

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something nobody waits for, but for the end."""
        other = asyncio.create_task(work)
        self._others.add(other)
        other.add_done_callback(self._others.discard)

    async def _prove(self, view: dict[str, Any]) -> bytes | None:
        """Make the proof, unless the policy would rather not or somebody else was quicker; wait if it says so."""
        job, settings = view["job"], self.settings.now
        now = self.now()
        ready = now + settings.work_ms(self.mind.size_of(view))
        when = self.mind.submits(now, view, ready)
        if when >= NEVER:
            await self._skip(job, "policy")
            return None
        told = await self.market.job(job)
        if Phase[told["phase"]] not in (Phase.ASSIGNED, Phase.OPEN, Phase.CONTESTED):
            return None
        asked = next(row for row in told["rows"] if row["kind"] == "REQUEST")
        payload = await self.market.blob(asked["body"]["message"]["payload"])
        who = self.market.signer
        task = self._read(payload)
        if who is None or task is None:
            await self._skip(job, "unknown work")
            return None
        began = time.monotonic()
        with span("prove", job=job):
            made = await _to_its_end(asyncio.to_thread(self.backend.prove, task.job(who.address)))
        if settings.slow or settings.backend == Calibrated.name:  # stand-ins take no longer for a larger job
            await asyncio.sleep(settings.work_ms(self.mind.size_of(view)) / MS - (time.monotonic() - began))
        took, cpu_ms = time.monotonic() - began, self.backend.spent.cpu_ms
        witness_ms = self.backend.spent.witness_ms  # 0: a try that was killed had made it
        tell(log, "proved", name=settings.name, job=job, ms=round(took * MS), cpu_ms=cpu_ms, witness_ms=witness_ms)
        self.busy_ms += round(took * MS)
        self.metrics.proving.observe(took)
        proof = made.to_json().encode()
        self.shelf.put(job, PROVEN, proof, round(took * MS))
        await asyncio.sleep(max(0, when - self.now()) / MS if when > ready else 0)
        return proof

    def _read(self, payload: bytes) -> Task | None:
        """Read what shall be proven, None for what this node has no circuit for."""
        try:
            task = Task.from_bytes(payload)
        except BadInput:
            return None
        return task if self.transfers in (0, task.size) else None

    async def _hand_in(self, job: int, proof: bytes) -> None:
        for attempt in range(ENOUGH):
            try:
                await self.market.prove(job, proof)
                break
            except Refused as refusal:
                if refusal.reason in ("JOURNAL", "STANDBY", "BUSY", "EXPIRED") and attempt < ENOUGH - 1:
                    continue
                raise
        self.shelf.put(job, DONE)
        self.metrics.proofs.labels("accepted").inc()
        tell(log, "handed in", name=self.settings.now.name, job=job)
