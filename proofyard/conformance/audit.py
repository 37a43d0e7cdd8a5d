"""What must hold after every event, whatever the rule. Each function returns (check, sentence) or None."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from proofyard.conformance.sheet import Layout, tell_changes
from proofyard.core.book import ANYONE, Ints
from proofyard.core.event import Event, Kind, Phase, Verdict
from proofyard.core.lifecycle import TRANSITIONS

Complaint: TypeAlias = tuple[str, str] | None

TIMERS = (Kind.CLOSE, Kind.EXPIRE, Kind.SETTLE)
MOVING_KINDS = (Kind.REQUEST, Kind.PROVE, Kind.CONTEST, Kind.DECLINE, Kind.VOTE, *TIMERS)
PAYING = (Kind.STAKE, Kind.DELEGATE, Kind.TRANSFER)  # take at most `amount` from the actor's cash
RECEIVING = (Kind.OFFER, Kind.UNSTAKE, Kind.UNDELEGATE, Kind.WITHDRAW)  # take nothing from it
MOVING = {(source, kind, target) for source, kind, targets in TRANSITIONS for target in targets}
BY_TIMER = {(source, target) for source, kind, target in MOVING if kind in TIMERS}


def audit(layout: Layout, before: Ints, after: Ints, event: Event, verdict: Verdict, genesis_gwei: int) -> Complaint:
    """Compare the state before and after one event."""
    if verdict != Verdict.OK:
        if np.array_equal(before, after):
            return None
        changes = ", ".join(tell_changes(layout, before, after)[:4])
        return "refused", f"{verdict.name} was answered and yet the state changed: {changes}"
    if event.kind not in list(Kind):
        return "answers", f"an event of kind {event.kind}, which does not exist, was accepted"
    complaint = _money(layout, after, genesis_gwei)
    if complaint is not None:
        return complaint
    for look in _LOOKS:
        complaint = look(layout, before, after, event)
        if complaint is not None:
            return complaint
    return None


def _money(layout: Layout, after: Ints, genesis_gwei: int) -> Complaint:
    """No money appears or disappears, and no account is negative."""
    money = after[layout.money]
    if money.min() < 0:
        cell = int(layout.money[money.argmin()])
        return "money", f"{layout.name(cell)} is {after[cell]} gwei"
    total = sum(money.tolist())  # as Python integers: a wrapped sum must not look right
    if total != genesis_gwei:
        return "money", f"{total - genesis_gwei:+d} gwei appeared since genesis"
    return None


def _phases(layout: Layout, before: Ints, after: Ints, event: Event) -> Complaint:
    """Jobs move along the table of `core.TRANSITIONS`; other jobs than the event's only as if their timers fired."""
    span = layout.span("book.phase")
    was, now = before[span], after[span]
    kind, job = Kind(event.kind), event.job
    about_job = kind == Kind.REQUEST or kind >= Kind.BID
    for other in np.flatnonzero(was != now).tolist():
        old, new = int(was[other]), int(now[other])
        direct = about_job and other == job and (old, kind, new) in MOVING
        if not direct and ((about_job and other == job) or (old, new) not in BY_TIMER):
            names = [Phase(p).name if p in list(Phase) else str(p) for p in (old, new)]
            return "life", f"{kind.name} took job {other} from {names[0]} to {names[1]}, which is not in the table"
    if about_job and was[job] == now[job] and (was[job], kind, now[job]) not in MOVING:
        return "life", f"{kind.name} was accepted for job {job} and left it {Phase(int(now[job])).name}"
    return None


def _finals(layout: Layout, _before: Ints, after: Ints, _event: Event) -> Complaint:
    """Let no job that is final hold money."""
    final = np.flatnonzero(after[layout.span("book.phase")] >= Phase.SETTLED)
    held = after[layout.money_of_jobs[:, None] + final]
    if not held.any():
        return None
    k, at = (int(x[0]) for x in np.nonzero(held))
    cell = int(layout.money_of_jobs[k] + final[at])
    return "life", f"job {final[at]} is final and {layout.name(cell)} still holds {after[cell]} gwei"


def _records(layout: Layout, before: Ints, after: Ints, _event: Event) -> Complaint:
    """Let the records of what was paid and slashed only grow."""
    for path in ("book.slashed", *layout.paid):
        span = layout.span(path)
        fell = np.flatnonzero(after[span] < before[span])
        if fell.size:
            cell = span.start + int(fell[0])
            return "life", f"{layout.name(cell)} fell from {before[cell]} to {after[cell]}"
    return None


def _people(layout: Layout, before: Ints, after: Ints, event: Event) -> Complaint:
    """Let requesters stay who they are, and provers be actors; a job in a prover's hands names one."""
    requester, prover, phase = (layout.span(f"book.{name}") for name in ("requester", "prover", "phase"))
    asked = before[phase] != Phase.NONE
    if (before[requester] != after[requester])[asked].any():
        return "life", "the requester of a job changed"
    if event.kind == Kind.REQUEST and after[requester][event.job] != event.actor:
        return "life", f"job {event.job} was requested by {event.actor}, not by {after[requester][event.job]}"
    low = np.where(after[phase] == Phase.ASSIGNED, ANYONE, ANYONE - 1)  # ASSIGNED to ANYONE is a contradiction
    wrong = np.flatnonzero((after[prover] <= low) | (after[prover] >= layout.actors))
    if wrong.size:
        job = int(wrong[0])
        return "life", f"job {job} is {Phase(int(after[phase][job])).name} and its prover is {after[prover][job]}"
    return None


def _cash(layout: Layout, before: Ints, after: Ints, event: Event) -> Complaint:
    """Let nobody's free money fall but the actor's, by no more than the event says; a timer take from nobody."""
    span = layout.span("book.cash")
    fell = before[span] - after[span]
    kind = Kind(event.kind)
    for actor in np.flatnonzero(fell > 0).tolist():
        if kind in TIMERS or actor != event.actor:
            return "life", f"{kind.name} took {fell[actor]} gwei of cash from actor {actor}, who did not act"
    if kind in RECEIVING and fell[event.actor] > 0:
        return "life", f"{kind.name} took {fell[event.actor]} gwei of cash from its actor"
    if kind in PAYING and fell[event.actor] > event.amount:
        return "life", f"{kind.name} of {event.amount} took {fell[event.actor]} gwei of cash"
    escrow = layout.span("book.escrow")
    if kind == Kind.REQUEST and after[escrow][event.job] > event.amount:
        return "life", f"a REQUEST that pays {event.amount} put {after[escrow][event.job]} gwei into escrow"
    return None


def _effect(_layout: Layout, before: Ints, after: Ints, event: Event) -> Complaint:
    """Let an accepted event that moves a job on change something; a timer would be due again at once."""
    kind = Kind(event.kind)
    if kind in MOVING_KINDS and np.array_equal(before, after):
        return "life", f"{kind.name} was accepted for job {event.job} and changed nothing"
    return None


_LOOKS: tuple[Callable[[Layout, Ints, Ints, Event], Complaint], ...] = (
    _phases, _finals, _records, _people, _cash, _effect,
)  # fmt: skip
