"""First price on both sides: in rounds, the highest bids meet the lowest asks, and all pay or earn what they said.

Rules
    OFFER names what a prover asks per proof and its capacity (0 leaves). REQUEST puts a bid for one proof in escrow.
    The first CLOSE after a round's end decides all tasks whose round is over: the highest bid goes to the lowest ask,
    and so on, as long as bid >= ask and there is room (ties: lower number). A task not served is refunded and LOST.
    PROVE in the window earns what the prover asked; what the user bid above that is kept, or burnt (`burn_spread`).
    EXPIRE refunds the bid.

Units
    Money gwei, time ms. A task is one proof whatever its size.

Randomness
    None.

Source
    A strawman named next to Prooφ: Wang, Zhou, Yaish, Zhang, Fisch, Livshits, arXiv 2404.06495.

Literal or intended
    [RECON] The paper's text on strawmen was not at hand, only what is said about it: "first-price both sides: zero
    truth". Who keeps the spread is not known.

Simplified
    One round is one market; bids and asks are open and stand as they are. No collateral.

Failure modes
    Nobody has reason to tell the truth: a prover earns its cost, and nothing, by naming it; a user who bids its value
    gains nothing. What is told instead depends on guesses about the others, and trade that would be worth it is lost.
"""

from typing import NamedTuple

import numpy as np

from proofyard.core import (
    ANYONE,
    Book,
    ByActor,
    ByJob,
    Event,
    Ints,
    Kind,
    Once,
    Phase,
    Verdict,
    ask,
    assign,
    check,
    move,
    pay,
    refund,
    spec,
)

SOURCE = "Strawman next to Prooφ, arXiv 2404.06495; reconstructed"
FAMILY = "auction"

MAX_CAPACITY = 2**31  # proofs at once
MAX_MS = 2**50  # no round and no window is longer, so sums of times cannot overflow


class Params(NamedTuple):
    round_ms: int = 60_000  # ms from one decision to the next, on a grid from genesis; an assumption
    window_ms: int = 600_000  # ms from assignment to deadline; an assumption
    burn_spread: int = 0  # switch: 1 = what users bid above what provers ask burns, 0 = it is kept


class State(NamedTuple):
    book: Book
    price: ByActor  # gwei asked per proof
    capacity: ByActor  # proofs at once, reported
    open_jobs: ByActor  # assigned and not over
    owed: ByJob  # gwei the prover earns on proof (a term, not money)
    waiting: ByJob  # the tasks that wait, in the order of their numbers, in the first `queued` places
    queued: Once


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    for name, high in (("round_ms", MAX_MS), ("window_ms", MAX_MS)):
        if not 1 <= getattr(p, name) <= high:
            return name, f"a number from 1 to {high}"
    return None if p.burn_spread in (0, 1) else ("burn_spread", "0 or 1")


@spec
def by_ask(s: State) -> Ints:
    """List the provers with room, the lowest ask first."""
    found, asks, n = np.empty(len(s.price), np.int64), np.empty(len(s.price), np.int64), 0
    for actor in range(len(s.price)):
        if s.open_jobs[actor] < s.capacity[actor]:
            found[n], asks[n] = actor, s.price[actor]
            n += 1
    return found[np.argsort(asks[:n], kind="mergesort")]


@spec
def by_bid(s: State, now: int) -> Ints:
    """Take the tasks whose round is over off the list, the highest bid first."""
    found, bids, n, left = np.empty(s.queued[0], np.int64), np.empty(s.queued[0], np.int64), 0, 0
    for k in range(s.queued[0]):
        job = s.waiting[k]
        if s.book.deadline[job] < now:
            found[n], bids[n] = job, -s.book.escrow[job]
            n += 1
        else:
            s.waiting[left] = job
            left += 1
    s.queued[0] = left
    return found[np.argsort(bids[:n], kind="mergesort")]


@spec
def decide(p: Params, s: State, now: int) -> None:
    """Let the highest bids meet the lowest asks."""
    b = s.book
    tasks, provers = by_bid(s, now), by_ask(s)
    k = 0
    for job in tasks:
        while k < len(provers) and s.open_jobs[provers[k]] >= s.capacity[provers[k]]:
            k += 1
        if k < len(provers) and b.escrow[job] >= s.price[provers[k]]:
            s.owed[job] = s.price[provers[k]]
            s.open_jobs[provers[k]] += 1
            assign(b, job, provers[k], now + p.window_ms)
        else:
            refund(b, job)
            b.phase[job] = Phase.LOST


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Let the task wait for the end of the round, in its place by number."""
    if e.amount == 0:
        return Verdict.BAD_AMOUNT
    ask(s.book, e, e.amount)
    s.book.phase[e.job] = Phase.BIDDING
    s.book.prover[e.job] = ANYONE
    s.book.deadline[e.job] = e.time - e.time % p.round_ms + p.round_ms - 1
    k = s.queued[0]
    while k > 0 and s.waiting[k - 1] > e.job:
        s.waiting[k] = s.waiting[k - 1]
        k -= 1
    s.waiting[k] = e.job
    s.queued[0] += 1
    return Verdict.OK


@spec
def prove(p: Params, s: State, job: int) -> None:
    """Pay the prover what it asked; keep or burn the spread."""
    b = s.book
    pay(b, job, s.owed[job])
    move(b.escrow, job, b.burnt if p.burn_spread == 1 else b.reserve, 0, b.escrow[job])
    s.open_jobs[b.prover[job]] -= 1
    b.phase[job] = Phase.SETTLED


@spec
def expire(s: State, job: int) -> None:
    """Refund the user."""
    b = s.book
    refund(b, job)
    s.open_jobs[b.prover[job]] -= 1
    b.phase[job] = Phase.LOST


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.OFFER:
        if e.detail < 0 or e.detail > MAX_CAPACITY:
            return Verdict.BAD_DETAIL
        s.price[e.actor] = e.amount
        s.capacity[e.actor] = e.detail
    elif e.kind == Kind.REQUEST:
        return request(p, s, e)
    elif e.kind == Kind.CLOSE:
        decide(p, s, e.time)
    elif e.kind == Kind.PROVE:
        prove(p, s, e.job)
    elif e.kind == Kind.EXPIRE:
        expire(s, e.job)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
