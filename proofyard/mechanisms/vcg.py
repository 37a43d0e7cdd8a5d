"""VCG: a reverse auction with capacities in rounds; a proof is paid what the one in its place would have cost.

Rules
    OFFER names a prover's unit cost and its capacity (0 leaves). REQUEST puts `reserve_gwei` in escrow (TOO_DEAR if the
    user would pay less) and waits for the end of its round; the first CLOSE after it decides all tasks whose round is
    over, at once. With D tasks the D cheapest free units win (ties: lower actor); provers above the reserve take no
    part. A prover is paid what its units save everybody else: the sum of as many of the cheapest units that did not
    win and are not its own, and the reserve for each that is missing. Unit by unit, so that no sum is divided: its
    j-th proof earns the j-th cheapest of them, and the user of that proof pays it; the rest of the escrow is refunded
    at once. A task nobody has room for is refunded and LOST. PROVE in the window pays; EXPIRE refunds.

Units
    Money gwei, time ms. A task is one proof whatever its size.

Randomness
    None: ties go to the lower number.

Source
    Vickrey, Clarke, Groves, for units of one kind and provers with a unit cost and a capacity. Named next to Prooφ
    (Wang, Zhou, Yaish, Zhang, Fisch, Livshits, arXiv 2404.06495) as what its one-sided price is an approximation of.
    Identities: Pan, Mazorra, Schlegel, Mamageishvili, On Sybil-Proof Mechanisms, arXiv 2407.14485.

Literal or intended
    Truthful in unit cost and in capacity, whatever the others do; efficient among provers below the reserve. The
    reserve stands for the user's way out: without one, whom the others cannot replace could name any price.

Simplified
    Demand is what is asked for in the round, whatever it costs up to the reserve: users report no values. Which user
    of a round pays which of its prices goes by the number of the task. No collateral: who proves nothing only loses
    its turn.

Failure modes
    Users pay more than under one price as soon as the first rejected prover is too small to replace a winner. To offer
    its own units under several names never gains a prover anything, for units of one kind replace each other; to ask
    for proofs under another name may: false demand drives up what replaces its own units. Losers that name more, which
    costs them nothing, raise what every winner is paid.
"""

from typing import NamedTuple

import numpy as np

from proofyard.core import (
    MAX_CAPACITY,
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    Ints,
    Kind,
    Once,
    Verdict,
    ask,
    assign,
    check,
    end_of_round,
    enqueue,
    lose_job,
    lowest_first,
    move,
    open_bidding,
    out_of_range,
    post_offer,
    settle_job,
    spec,
    take_due,
)

SOURCE = "Vickrey-Clarke-Groves with capacities; named next to Prooφ, arXiv 2404.06495"
FAMILY = "auction"

MAX_MS = 2**50  # no round and no window is longer, so sums of times cannot overflow


class Params(NamedTuple):
    """Defaults: assumptions."""

    round_ms: int = 60_000  # ms from one decision to the next, on a grid from genesis
    window_ms: int = 600_000  # ms from assignment to deadline
    reserve_gwei: int = 100_000_000  # gwei, the most that is paid for a proof


class State(NamedTuple):
    book: Book
    price: ByActor  # gwei per proof, reported unit cost
    capacity: ByActor  # proofs at once, reported
    open_jobs: ByActor  # assigned and not over
    waiting: ByJob  # the tasks that wait, in the order of their numbers, in the first `queued` places
    queued: Once  # tasks that wait


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    return out_of_range(p, {"round_ms": (1, MAX_MS), "window_ms": (1, MAX_MS), "reserve_gwei": (1, MAX_GWEI)})


@spec
def free_units(p: Params, s: State, actor: int) -> int:
    """Proofs `actor` can be given now, if above 0; none for more than the reserve."""
    if s.price[actor] > p.reserve_gwei:
        return 0
    return int(s.capacity[actor] - s.open_jobs[actor])


@spec
def sellers_by_cost(p: Params, s: State) -> Ints:
    """List the actors with units to sell, the cheapest first, the lower number first among equals."""
    found, n = np.empty(len(s.price), np.int64), 0
    for actor in range(len(s.price)):
        if free_units(p, s, actor) > 0:
            found[n] = actor
            n += 1
    return lowest_first(found[:n], s.price)


@spec
def hire(p: Params, s: State, job: int, prover: int, price: int, now: int) -> None:
    """Give `job` to `prover` at `price`; the user has the rest back."""
    b = s.book
    move(b.escrow, job, b.cash, b.requester[job], b.escrow[job] - price)
    s.open_jobs[prover] += 1
    assign(b, job, prover, now + p.window_ms)


@spec
def decide(p: Params, s: State, now: int) -> None:
    """Give the tasks whose round is over to the cheapest units, each for what would replace it."""
    tasks, sellers = take_due(s.book, s.waiting, s.queued, now), sellers_by_cost(p, s)
    n = len(sellers)
    won, left = np.zeros(n, np.int64), np.zeros(n, np.int64)  # units of each seller
    served, last = 0, 0  # `last` is the dearest that wins: what it has left replaces first
    for m in range(n):
        units = free_units(p, s, sellers[m])
        won[m] = min(units, len(tasks) - served)
        left[m] = units - won[m]
        served += won[m]
        last = m if won[m] > 0 else last
    k = 0
    for m in range(last + 1 if served > 0 else 0):
        other, used = (last if m < last else last + 1), 0
        for _ in range(won[m]):
            while other < n and used == left[other]:
                other, used = other + 1, 0
            price = int(s.price[sellers[other]]) if other < n else p.reserve_gwei
            hire(p, s, tasks[k], sellers[m], price, now)
            used, k = used + 1, k + 1
    while k < len(tasks):
        lose_job(s.book, tasks[k])
        k += 1


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Let the task wait for the end of the round, in its place among those that wait."""
    if e.amount < p.reserve_gwei:
        return Verdict.TOO_DEAR
    ask(s.book, e, p.reserve_gwei)
    open_bidding(s.book, e.job, end_of_round(e.time, p.round_ms))
    enqueue(s.waiting, s.queued, e.job)
    return Verdict.OK


@spec
def prove(s: State, job: int) -> None:
    """Pay the price."""
    b = s.book
    settle_job(b, job)
    s.open_jobs[b.prover[job]] -= 1


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
        prove(s, e.job)
    elif e.kind == Kind.EXPIRE:
        expire(s, e.job)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
