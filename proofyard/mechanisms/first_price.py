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
    MAX_CAPACITY,
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
    end_of_round,
    enqueue,
    highest_first,
    lose_job,
    lowest_first,
    move,
    open_bidding,
    out_of_range,
    pay,
    post_offer,
    spec,
    take_due,
)

SOURCE = "Strawman next to Prooφ, arXiv 2404.06495; reconstructed"
FAMILY = "auction"

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
    queued: Once  # tasks that wait


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    return out_of_range(p, {"round_ms": (1, MAX_MS), "window_ms": (1, MAX_MS), "burn_spread": (0, 1)})


@spec
def by_ask(s: State) -> Ints:
    """List the provers with room, the lowest ask first."""
    found, n = np.empty(len(s.price), np.int64), 0
    for actor in range(len(s.price)):
        if s.open_jobs[actor] < s.capacity[actor]:
            found[n] = actor
            n += 1
    return lowest_first(found[:n], s.price)


@spec
def decide(p: Params, s: State, now: int) -> None:
    """Let the highest bids meet the lowest asks."""
    b = s.book
    tasks = highest_first(take_due(b, s.waiting, s.queued, now), b.escrow)
    provers = by_ask(s)
    k = 0
    for job in tasks:
        while k < len(provers) and s.open_jobs[provers[k]] >= s.capacity[provers[k]]:
            k += 1
        if k < len(provers) and b.escrow[job] >= s.price[provers[k]]:
            s.owed[job] = s.price[provers[k]]
            s.open_jobs[provers[k]] += 1
            assign(b, job, provers[k], now + p.window_ms)
        else:
            lose_job(b, job)


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Let the task wait for the end of the round, in its place by number."""
    if e.amount == 0:
        return Verdict.BAD_AMOUNT
    ask(s.book, e, e.amount)
    open_bidding(s.book, e.job, end_of_round(e.time, p.round_ms))
    enqueue(s.waiting, s.queued, e.job)
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
    lose_job(b, job)
    s.open_jobs[b.prover[job]] -= 1


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.OFFER:
        return post_offer(s.price, s.capacity, e, 0, MAX_CAPACITY)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.CLOSE:
        decide(p, s, e.time)
    elif e.kind == Kind.PROVE:
        prove(p, s, e.job)
    elif e.kind == Kind.EXPIRE:
        expire(s, e.job)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
