"""A journal under another rule: who would have won, been paid, been slashed.

The result is a journal again, row by row, that can be measured as any other. What people did by themselves happens
when it happened: joins, money, offers, stakes, requests, contests, votes. Words are those that were drawn; where a job
needs one that the journal does not have, it follows from the word of its request. A prover works on one proof at a
time, takes as long for a job as it took, or its mean, drops what it cannot finish in time, gives back what it gave
back, leaves what it left, and of jobs it never had as large a share as it left of those it had. At an open job
everybody works who is idle; if it was open in the journal, too, only who proved it then. Where a rule asks for bids
and the journal has none, a prover bids what it offered.
"""

import hashlib
import heapq
from typing import Any, NamedTuple

import numpy as np

from proofyard import mechanisms
from proofyard.core import ANYONE, Event, Kind, Phase, Verdict
from proofyard.core.rule import Rule
from proofyard.engine.result import Run
from proofyard.network.beacon import DRAWN
from proofyard.network.market import Market, timer_kind
from proofyard.network.recorded import Measured, run_of
from proofyard.network.records import NO_JOB, Record, Row, make_row, pack
from proofyard.network.story import Prover, Story

PEOPLE, PROOF, TIMER = range(3)  # what goes first at the same moment
EDGE = 2**32


class _Worker:
    """A prover in the rerun: what it has to do, what it is doing."""

    def __init__(self, prover: Prover) -> None:
        self.prover = prover
        self.queue: list[int] = []
        self.job = -1
        self.turn = 0  # makes what was given up count no more


class Rerun:
    """A story under a rule, as rows of a journal.

    Attributes
    ----------
    rows : of the journal; `jobs[k]` is the recorded number of its job k
    refused : recorded requests that this rule did not take, ms
    """

    def __init__(self, story: Story, rule: Rule) -> None:
        self._story, self._rule = story, rule
        genesis = story.market.genesis.model_copy(update={"mechanism": rule.call, "source": ""})
        first = make_row(None, story.first.at, story.first[2:9], genesis.model_dump_json().encode())
        self.market = Market(first)
        self.rows, self.jobs, self.refused = [first], list[int](), list[int]()
        self._new: dict[int, int] = {}  # number here, by recorded number
        self._nth: dict[tuple[int, int], int] = {}
        self._seen: dict[int, tuple[int, int, int]] = {}
        self._open: dict[int, None] = {}
        self._workers = {actor: _Worker(prover) for actor, prover in story.provers.items()}
        self._waiting: list[tuple[int, int, int, Any]] = []
        self._count = 0
        self._position: dict[int, int] = {}  # recorded stake, by actor
        means = {actor: prover.mean_ms for actor, prover in story.provers.items()}
        self._mean = {actor: mean or max(means.values()) for actor, mean in means.items()}  # who proved nothing is slow
        self._now = 0
        self._size = max(1, int(np.median([size for _, _, size in story.market.asks])))

    def run(self) -> None:
        """Go through it all."""
        for row in self._story.rows:
            self._later(row.time, PEOPLE, row)
        while self._waiting:
            time, rank, _, what = heapq.heappop(self._waiting)
            self._now = max(self._now, time)
            if rank == PEOPLE:
                self._people(what)
            elif rank == PROOF:
                self._proof(*what)
            else:
                self._timer(*what)

    def _later(self, time: int, rank: int, what: Any) -> None:
        self._count += 1
        heapq.heappush(self._waiting, (time, rank, self._count, what))

    # What happens.

    def _people(self, row: Row) -> None:
        """Do again what somebody did by himself."""
        if row.kind < 0:
            self._record(row)
            return
        for event in self._adapted(row.event):
            verdict = self._apply(event)
            if event.kind == Kind.OFFER and verdict == Verdict.OK:
                self._idle()
            if event.kind == Kind.REQUEST and verdict != Verdict.OK:
                self.refused.append(self._now)
                del self._new[row.job]

    def _record(self, row: Row) -> None:
        short = row.kind == Record.WITHDRAWAL and self.market.state.book.cash[row.actor] < row.amount
        if not short:
            self._append((row.kind, self._now, row.actor, NO_JOB, row.amount, 0, 0), row.body)
        if row.kind == Record.JOIN and row.actor in self._workers and not self._workers[row.actor].prover.offers:
            self._later(self._now, PEOPLE, row._replace(kind=Kind.OFFER, amount=1, detail=1))

    def _adapted(self, event: Event) -> list[Event]:
        """Say in this rule's terms what was said in another's."""
        if event.kind == Kind.OFFER:
            return [event._replace(amount=self._priced(event.amount, self._size))]
        if event.kind in (Kind.STAKE, Kind.UNSTAKE):
            return self._stake(event)
        if event.kind == Kind.REQUEST:
            self._new[event.job] = self.market.jobs
            return [event._replace(job=self.market.jobs)]
        if event.kind > Kind.REQUEST:
            job = self._new.get(event.job, -1)
            return [event._replace(job=job)] if 0 <= job < self.market.jobs else []
        return [event]

    def _stake(self, event: Event) -> list[Event]:
        """Translate between rules that take the whole position and those that take what is added."""
        names = [
            bool(getattr(rule.module, "STAKE_NAMES_POSITION", False)) for rule in (self._story.market.rule, self._rule)
        ]
        before = self._position.get(event.actor, 0)
        step = event.amount if event.kind == Kind.STAKE else -event.amount
        after = step if names[0] and event.kind == Kind.STAKE else max(0, before + step)
        self._position[event.actor] = after
        if names[0] == names[1] or event.kind == Kind.UNSTAKE:
            return [event]
        if names[1]:
            return [event._replace(amount=after)]
        change = after - before
        return [event._replace(kind=Kind.STAKE if change > 0 else Kind.UNSTAKE, amount=abs(change))] if change else []

    def _timer(self, job: int, deadline: int) -> None:
        book = self.market.state.book
        kind = timer_kind(int(book.phase[job]))
        if kind is not None and int(book.deadline[job]) == deadline:
            self._apply(Event(kind, 0, 0, job, 0, 0, 0))

    def _proof(self, actor: int, kind: Kind, job: int, amount: int, turn: int) -> None:
        """Let a prover bid, give back, or hand in."""
        worker = self._workers[actor]
        if kind != Kind.PROVE:
            self._apply(Event(kind, 0, actor, job, amount, 0, 0))
        elif worker.turn == turn:
            worker.job = -1
            if self._may_prove(actor, job):
                recorded = worker.prover.tiers.get(self.jobs[job], [(0, self._named(job))])
                tier, named = recorded[0]
                self._apply(Event(kind, 0, actor, job, 0, tier, named))
            self._next(worker)

    def _named(self, job: int) -> int:
        """Return what a proof of the job names: what any recorded one did."""
        recorded = self.jobs[job]
        found = (prover.tiers[recorded][0][1] for prover in self._story.provers.values() if recorded in prover.tiers)
        return next(found, self._story.words[Kind.REQUEST, recorded, 0])

    # The rule.

    def _apply(self, event: Event) -> Verdict:
        """Let the rule answer; follow up on what it did."""
        recorded = self.jobs[event.job] if event.kind > Kind.REQUEST else -1
        if event.kind == Kind.REQUEST:
            recorded = next(old for old, new in reversed(self._new.items()) if new == event.job)
        nth = self._nth.get((event.kind, event.job), 0)
        word = self._word(event.kind, recorded, nth) if event.kind in DRAWN else event.word
        event = event._replace(time=self._now, word=word)
        verdict = self.market.answer(event)
        if verdict != Verdict.OK:
            return verdict
        self._nth[event.kind, event.job] = nth + 1
        if event.kind == Kind.REQUEST:
            self.jobs.append(recorded)
        self._append(event, pack({"recorded": recorded}))
        if event.kind >= Kind.REQUEST:
            for job in (event.job, *self.market.moved_on()):
                self._look(job)
        return verdict

    def _word(self, kind: int, recorded: int, nth: int) -> int:
        found = self._story.words.get((kind, recorded, nth))
        if found is not None:
            return found
        seed = self._story.words[Kind.REQUEST, recorded, 0]
        return int.from_bytes(hashlib.sha256(f"{seed} {kind} {nth}".encode()).digest()[:8]) >> 2

    def _append(self, event: tuple[int, ...], body: bytes) -> None:
        self.rows.append(make_row(self.rows[-1], self.rows[0].at + self._now, event, body))
        self.market.take(self.rows[-1])

    def _look(self, job: int) -> None:
        """See what became of a job; its provers act on it."""
        book = self.market.state.book
        now = (int(book.phase[job]), int(book.prover[job]), int(book.deadline[job]))
        before = self._seen.get(job, (0, -1, 0))
        self._seen[job] = now
        if now == before:
            return
        phase, prover, deadline = now
        kind = timer_kind(phase)
        if kind is not None:
            nth = self._nth.get((kind, job), 0)
            late = self._story.lateness.get((kind, self.jobs[job], nth), 1)
            self._later(deadline + max(1, late), TIMER, (job, deadline))
        self._open.pop(job, None)
        if phase == Phase.BIDDING and before[0] == Phase.NONE:
            self._bids(job)
        elif phase == Phase.ASSIGNED and prover in self._workers and (before[0], before[1]) != (phase, prover):
            self._give(self._workers[prover], job)
        elif phase == Phase.OPEN:
            self._open[job] = None
            self._idle()
        self._let_go(job)

    def _priced(self, amount: int, size: int) -> int:
        """Say a price of a proof of `size` in this rule's terms: gwei, of the whole or of some units of size."""
        was, now = self._story.market.rule.price_units, self.market.rule.price_units
        return max(1, amount * (size if was else 1) * (now or 1) // ((was or 1) * (size if now else 1)))

    # Provers.

    def _bids(self, job: int) -> None:
        recorded = self.jobs[job]
        ceiling, size = self._story.market.asks[recorded][1:]
        for actor, worker in self._workers.items():
            prover = worker.prover
            bids = prover.bids.get(recorded, [])
            if not prover.bids and worker.job < 0 and not worker.queue and not self._leaves(prover, recorded):
                units = self._story.market.rule.price_units
                price = prover.price * size // units if units else prover.price
                bids = [(0, prover.price)] if price <= ceiling else []
            for after, amount in bids:
                self._later(self._now + after, PROOF, (actor, Kind.BID, job, self._priced(amount, size), 0))

    def _leaves(self, prover: Prover, recorded: int, *, free: bool = False) -> bool:
        """Say whether the prover leaves this job on purpose; `free`: open to all."""
        if free and recorded in self._story.opened:
            return prover.actor not in self._story.opened[recorded]  # it was open then, too, and others were quicker
        if recorded in prover.missed:
            return recorded in prover.left
        if recorded in prover.times or not prover.left:
            return False
        dice = hashlib.sha256(f"{self._story.words[Kind.REQUEST, recorded, 0]} {prover.actor}".encode()).digest()
        return int.from_bytes(dice[:4]) < prover.left_share * EDGE

    def _give(self, worker: _Worker, job: int) -> None:
        recorded = self.jobs[job]
        after = worker.prover.declined.get(recorded)
        if after is not None:
            self._later(self._now + after, PROOF, (worker.prover.actor, Kind.DECLINE, job, 0, 0))
        elif not self._leaves(worker.prover, recorded):
            worker.queue.append(job)
            self._next(worker)

    def _idle(self) -> None:
        for worker in self._workers.values():
            self._next(worker)

    def _next(self, worker: _Worker) -> None:
        """Begin what is next, if nothing is under way: what was given first, then what is open to all."""
        if worker.job >= 0:
            return
        book, actor = self.market.state.book, worker.prover.actor
        for job in (*worker.queue, *self._open):
            recorded, free = self.jobs[job], job in self._open
            if job in worker.queue:
                worker.queue.remove(job)
            ms = self._work_ms(worker.prover, recorded, free=free)
            late = self._now + ms > int(book.deadline[job])
            if late or not self._may_prove(actor, job) or (free and self._leaves(worker.prover, recorded, free=True)):
                continue
            worker.job, worker.turn = job, worker.turn + 1
            self._later(self._now + ms, PROOF, (actor, Kind.PROVE, job, 0, worker.turn))
            return

    def _work_ms(self, prover: Prover, recorded: int, *, free: bool) -> int:
        """Return how long the prover takes; a time that began when a job was opened counts only then."""
        known = free or recorded not in prover.missed
        return prover.times.get(recorded, self._mean[prover.actor]) if known else self._mean[prover.actor]

    def _may_prove(self, actor: int, job: int) -> bool:
        book = self.market.state.book
        phase, prover = int(book.phase[job]), int(book.prover[job])
        return (phase == Phase.ASSIGNED and prover == actor) or (phase == Phase.OPEN and prover in (ANYONE, actor))

    def _let_go(self, job: int) -> None:
        """Whoever works on what is no longer his to prove does something else."""
        for worker in self._workers.values():
            if worker.job == job and not self._may_prove(worker.prover.actor, job):
                worker.job, worker.turn = -1, worker.turn + 1
                self._next(worker)


def replay(story: Story, mechanism: str) -> Rerun:
    """Run the story under a rule. Raises BadInput."""
    rerun = Rerun(story, mechanisms.rule(mechanism))
    rerun.run()
    return rerun


def measured(story: Story, rerun: Rerun) -> Run:
    """Bring a rerun into the columns of a simulated run."""
    provers = [story.provers[actor] for actor in sorted(story.provers)]
    known = Measured([prover.name for prover in provers], work_ms=[prover.mean_ms for prover in provers])
    return run_of(rerun.rows, known, scenario=story.market.genesis.scenario, refused=rerun.refused)


class Change(NamedTuple):
    """One prover under two rules: as it happened, and as it would have been. Money gwei; price: mean of a proof."""

    name: str
    wins: tuple[int, int]
    price: tuple[int, int]
    paid: tuple[int, int]
    missed: tuple[int, int]
    slashed: tuple[int, int]


def changes(was: Run, other: Run) -> list[Change]:
    """Compare prover by prover."""
    at = {name: k for k, name in enumerate(other.names)}

    def both(field: str, k: int, j: int) -> tuple[int, int]:
        return int(getattr(was.provers, field)[k]), int(getattr(other.provers, field)[j])

    found: list[Change] = []
    for k, name in enumerate(was.names):
        j = at[name]
        price = (_price(was, k), _price(other, j))
        fields = ("income_gwei", "missed", "slashed_gwei")
        found.append(Change(name, both("wins", k, j), price, *(both(field, k, j) for field in fields)))
    return found


def _price(run: Run, prover: int) -> int:
    mine = (run.jobs.prover == prover) & (run.jobs.phase == Phase.SETTLED)
    return int(run.jobs.paid_gwei[mine].mean()) if mine.any() else 0


class Moved(NamedTuple):
    """A job that ends otherwise: its recorded number; the winner's name, "" nobody's, and what was paid, gwei."""

    job: int
    winner: tuple[str, str]
    paid: tuple[int, int]


def moved(story: Story, was: Run, rerun: Rerun, other: Run) -> list[Moved]:
    """List the jobs that another prover wins, or for another price."""
    here = {recorded: job for job, recorded in enumerate(rerun.jobs)}
    found: list[Moved] = []
    for job in range(story.market.jobs):
        one, two = _end(was, job), _end(other, here.get(job, -1))
        if one != two:
            found.append(Moved(job, (one[0], two[0]), (one[1], two[1])))
    return found


def _end(run: Run, job: int) -> tuple[str, int]:
    if job < 0 or run.jobs.phase[job] != Phase.SETTLED or run.jobs.prover[job] < 0:
        return "", 0
    return run.names[int(run.jobs.prover[job])], int(run.jobs.paid_gwei[job])
