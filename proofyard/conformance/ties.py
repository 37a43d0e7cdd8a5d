"""Events of one instant: which of two comes first must not matter, where the two do not compete.

Looked at: (1) at the very deadline a proof is not late and the timer is too early, one ms later the timer fires, so
that a proof and the timer never compete; (2) a timer has no author; (3) of two events of one instant about different
jobs that are each acceptable and change no actor's and no job's rows in common, either may come first: both are
accepted, and all jobs reach the same phases. Legitimate competition is left out of (3): for seats and provers (events
after which somebody else has a job, or an auction is decided; two events about accounts), and for the order in which a
chain of proven jobs is settled (PROVEN and SETTLED count as one).
"""

import random
from collections import Counter

import numpy as np

from proofyard.conformance.market import TIMER_OF, Market
from proofyard.core.book import Ints
from proofyard.core.event import Event, Kind, Phase, Verdict

DEADLINES = 4  # jobs looked at
PAIRS = 12  # pairs of events looked at
STAKERS = 2  # actors that stake at that instant


def look(market: Market, dice: random.Random, tied: Counter[str]) -> None:
    """Try ties at this point of the market, which stays as it is. Raises Broken."""
    live = market.live_jobs()
    for job in dice.sample(live, min(DEADLINES, len(live))):
        _at_deadline(market, job, tied)
    candidates = _candidates(market, dice)
    for _ in range(PAIRS if len(candidates) > 1 else 0):
        one, other = dice.sample(candidates, 2)
        if one.job != other.job or Kind.STAKE in (one.kind, other.kind):
            _swap(market, one, other, tied)


def _at_deadline(market: Market, job: int, tied: Counter[str]) -> None:
    """At the deadline a proof is not late and the timer is early; later the timer fires, whoever sends it."""
    deadline, phase = int(market.book.deadline[job]), Phase(int(market.book.phase[job]))
    name = TIMER_OF[phase].name
    if deadline >= market.now:
        (verdict,), _ = market.trial(market.timer(job, deadline))
        if verdict != Verdict.EARLY:
            raise market.broken(
                "ties", f"{name} of job {job} at its very deadline was answered {verdict.name}, not EARLY"
            )
        prover = max(0, int(market.book.prover[job]))
        (verdict,), _ = market.trial(Event(Kind.PROVE, deadline, prover, job, 0, 0, 1))
        if verdict == Verdict.LATE:
            raise market.broken("ties", f"a proof of job {job} at its very deadline was answered LATE")
        tied["deadlines"] += 1
    due = max(market.now, deadline + 1)
    mine, after_mine = market.trial(market.timer(job, due, 0))
    yours, after_yours = market.trial(market.timer(job, due, market.setup.actors - 1))
    if mine != yours or not np.array_equal(after_mine, after_yours):
        raise market.broken("ties", f"{name} of job {job} depends on the actor that sends it: a timer has no author")


def _candidates(market: Market, dice: random.Random) -> list[Event]:
    """Events that could all happen at one instant, shortly after now or after a deadline."""
    book, live = market.book, market.live_jobs()
    now = market.now
    if live and dice.randrange(2):
        now = max(now, int(book.deadline[dice.choice(live)]) + 1)
    events: list[Event] = []
    for job in live:
        if book.deadline[job] < now:
            events.append(market.timer(job, now))
            continue
        prover = int(book.prover[job])
        actor = prover if prover >= 0 else dice.randrange(market.setup.actors)
        events.append(Event(Kind.PROVE, now, actor, job, 0, dice.randrange(4), 1 + dice.randrange(2)))
        if book.phase[job] == Phase.PROVEN:
            events.append(Event(Kind.CONTEST, now, dice.randrange(market.setup.actors), job, 0, 0, 0))
    for actor in dice.sample(range(market.setup.actors), STAKERS):
        amount = int(book.cash[actor]) // dice.choice((1, 2, 10))
        events.append(Event(Kind.STAKE, now, actor, 0, amount, 0, 0))
    return events


def _concerned(market: Market, event: Event, after: Ints) -> set[tuple[str, int]]:
    """Actors and jobs that an event is about: its own job, and whosever rows it changed."""
    changed = market.cells != after
    actors, jobs = market.layout.actor_of[changed], market.layout.job_of[changed]
    rows = {("actor", actor) for actor in actors[actors >= 0].tolist()} | {
        ("job", job) for job in jobs[jobs >= 0].tolist()
    }
    return rows if event.kind == Kind.STAKE else rows | {("job", event.job)}


def _hands_out(market: Market, after: Ints) -> bool:
    """Tell whether anybody was given a job, or it was decided that nobody is."""
    layout, before = market.layout, market.cells
    phase, prover, deadline = (layout.span(f"book.{name}") for name in ("phase", "prover", "deadline"))
    changed = np.any([before[span] != after[span] for span in (phase, prover, deadline)], axis=0)
    waiting = (before[phase] == Phase.BIDDING) | np.isin(after[phase], (Phase.BIDDING, Phase.ASSIGNED))
    return bool((changed & waiting).any())


def _swap(market: Market, one: Event, other: Event, tied: Counter[str]) -> None:
    """Answer two events in both orders and compare."""
    if one.kind == other.kind == Kind.STAKE:
        return
    (first,), after_one = market.trial(one)
    (second,), after_other = market.trial(other)
    if (first, second) != (Verdict.OK, Verdict.OK):
        return
    if _concerned(market, one, after_one) & _concerned(market, other, after_other):
        return
    here, end = market.trial(one, other)
    there, swapped = market.trial(other, one)
    if _hands_out(market, end) or _hands_out(market, swapped):
        return
    phases = market.layout.span("book.phase")
    names = f"{Kind(one.kind).name} of job {one.job} and {Kind(other.kind).name} of job {other.job}"
    worst = next((verdict for verdict in here + there if verdict != Verdict.OK), Verdict.OK)
    if worst != Verdict.OK:
        raise market.broken("ties", f"{names} are each accepted, but at one instant one of them is {worst.name}")
    if np.array_equal(end[phases], swapped[phases]):
        tied["pairs"] += 1
        return
    chained = (np.isin(cells[phases], (Phase.PROVEN, Phase.SETTLED)) for cells in (end, swapped))
    different = np.flatnonzero((end[phases] != swapped[phases]) & ~np.logical_and(*chained))
    if different.size:
        raise market.broken("ties", f"the order of {names} at one instant decides the fate of job {different[0]}")
    tied["pairs settled in the order of the chain"] += 1
