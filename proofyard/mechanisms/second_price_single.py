"""Second price for one: the cheapest prover serves everything, and earns what the second cheapest asks.

Rules
    OFFER names a prover's unit cost and its capacity (0 leaves). REQUEST goes to the one prover with the lowest unit
    cost (ties: lower actor) at the second lowest unit cost, which the user pays: TOO_DEAR above its amount, FULL if the
    prover has no room. Room of others does not count. With `reserve_gwei` the price is at most that and dearer provers
    take no part; who is alone earns the reserve, without one the user's whole amount. PROVE in the window earns the
    price. EXPIRE refunds it.

Units
    Money gwei, time ms. A task is one proof whatever its size.

Randomness
    None.

Source
    A strawman named next to Prooφ: Wang, Zhou, Yaish, Zhang, Fisch, Livshits, arXiv 2404.06495.

Literal or intended
    [RECON] The paper's text on strawmen was not at hand, only what is said about it: "second price for the single
    cheapest prover: monopoly of lowest cost; two-party collusion". Truthful in unit cost, for who reports alone.

Simplified
    Users report nothing but the most they pay. No collateral: who proves nothing only loses its turn.

Failure modes
    A monopoly of the lowest cost, with no work for anybody else whatever the demand. The runner-up, who never works,
    sets the price and may share the gain. The lowest report wins also when it cannot prove at all.
"""

from typing import NamedTuple

from proofyard.core import (
    ANYONE,
    MAX_CAPACITY,
    MAX_GWEI,
    Book,
    ByActor,
    Event,
    Kind,
    Verdict,
    ask,
    assign,
    check,
    lose_job,
    out_of_range,
    post_offer,
    settle_job,
    spec,
)

SOURCE = "Strawman next to Prooφ, arXiv 2404.06495; reconstructed"
FAMILY = "auction"

MAX_MS = 2**50  # no window is longer, so sums of times cannot overflow


class Params(NamedTuple):
    window_ms: int = 600_000  # ms from assignment to deadline; an assumption
    reserve_gwei: int = 0  # gwei, the most that is paid per proof; 0 = no reserve


class State(NamedTuple):
    book: Book
    price: ByActor  # gwei per proof, reported unit cost
    capacity: ByActor  # proofs at once, reported
    open_jobs: ByActor  # assigned and not over


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    return out_of_range(p, {"window_ms": (1, MAX_MS), "reserve_gwei": (0, MAX_GWEI)})


@spec
def cheapest(p: Params, s: State, other: int) -> int:
    """Find the prover with the lowest unit cost that is not `other`; ANYONE if there is none."""
    best = ANYONE
    for actor in range(len(s.price)):
        dear = p.reserve_gwei > 0 and s.price[actor] > p.reserve_gwei
        if actor == other or s.capacity[actor] == 0 or dear:
            continue
        if best == ANYONE or s.price[actor] < s.price[best]:
            best = actor
    return best


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Give the task to the cheapest prover at the second price."""
    prover = cheapest(p, s, ANYONE)
    if prover == ANYONE:
        return Verdict.NO_PROVER
    if s.open_jobs[prover] >= s.capacity[prover]:
        return Verdict.FULL
    rival = cheapest(p, s, prover)
    price = e.amount if p.reserve_gwei == 0 else p.reserve_gwei
    if rival != ANYONE:
        price = s.price[rival]
    if max(price, s.price[prover]) > e.amount:
        return Verdict.TOO_DEAR
    ask(s.book, e, price)
    s.open_jobs[prover] += 1
    assign(s.book, e.job, prover, e.time + p.window_ms)
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
    if e.kind == Kind.PROVE:
        prove(s, e.job)
    elif e.kind == Kind.EXPIRE:
        expire(s, e.job)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
