"""Posted price: one price for all; who values a proof at that pays it, who can prove for that may be drawn.

Rules
    OFFER names a prover's unit cost and its capacity (0 leaves). REQUEST of at least `price_gwei` pays exactly that;
    one below it is TOO_DEAR. The prover is drawn equally from those that ask no more than the price and have room; if
    there are none, NO_PROVER: tasks are rationed in the order they come. PROVE in the window earns the price. EXPIRE
    refunds it.

Units
    Money gwei, time ms. A task is one proof whatever its size.

Randomness
    `e.word` of REQUEST, by `ticket_of`.

Source
    A strawman named next to Prooφ: Wang, Zhou, Yaish, Zhang, Fisch, Livshits, arXiv 2404.06495.

Literal or intended
    [RECON] The paper's text on strawmen was not at hand, only what is said about it: "posted price P: serves tasks with
    f >= P with provers p <= P, rationed". How it is rationed is ours: tasks first come first served, provers by lot,
    so that no report but the answer to "at this price?" counts.

Simplified
    The price never moves. No collateral: who is drawn and proves nothing only loses its turn.

Failure modes
    A price that is wrong: too low and provers are missing, too high and users are, while those who stay could trade.
    Right, it still lets dear provers serve in place of cheap ones, and late tasks of high value go without.
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
    ticket_of,
)

SOURCE = "Strawman next to Prooφ, arXiv 2404.06495; reconstructed"
FAMILY = "assignment"

MAX_MS = 2**50  # no window is longer, so sums of times cannot overflow


class Params(NamedTuple):
    price_gwei: int = 100_000_000  # gwei a proof; an assumption
    window_ms: int = 600_000  # ms from assignment to deadline; an assumption


class State(NamedTuple):
    book: Book
    price: ByActor  # gwei per proof, reported unit cost
    capacity: ByActor  # proofs at once, reported
    open_jobs: ByActor  # assigned and not over


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    return out_of_range(p, {"price_gwei": (1, MAX_GWEI), "window_ms": (1, MAX_MS)})


@spec
def accepts(p: Params, s: State, actor: int) -> bool:
    """Say whether `actor` has room and proves at the price; a unit cost of 0 was never reported."""
    return s.open_jobs[actor] < s.capacity[actor] and s.price[actor] <= p.price_gwei


@spec
def draw(p: Params, s: State, word: int) -> int:
    """Draw one of those who accept, each equally likely; ANYONE if there are none."""
    count = 0
    for actor in range(len(s.price)):
        count += accepts(p, s, actor)
    ticket = ticket_of(word, count)
    for actor in range(len(s.price)):
        if accepts(p, s, actor):
            if ticket == 0:
                return actor
            ticket -= 1
    return ANYONE


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Give the task to somebody who accepts."""
    if e.amount < p.price_gwei:
        return Verdict.TOO_DEAR
    prover = draw(p, s, e.word)
    if prover == ANYONE:
        return Verdict.NO_PROVER
    ask(s.book, e, p.price_gwei)
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
