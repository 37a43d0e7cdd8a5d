"""Base fee: users pay a fee that follows demand, which burns, and a tip, which is all a prover gets (EIP-1559 style).

Rules
    A base fee holds for a block of `block_ms`: after one with n tasks and a `target` of T it changes by
    base (n - T) / T / `denominator`, rounded down, up by at least 1, and not below `least_gwei`. A block takes 2 T
    tasks (FULL); a block nobody asked in counts as empty.
    REQUEST of less than the base fee is TOO_DEAR. The user pays the base fee and, of what its amount leaves, up to
    `tip_gwei`; the base fee burns at once, or `burn_bips` of it. The prover is drawn equally from those that have room
    and ask (OFFER) no more than they would get; if there are none, NO_PROVER. PROVE in the window earns the tip and
    what was not burnt. EXPIRE refunds that.

Units
    Money gwei, time ms. A task is one proof whatever its size.

Randomness
    `e.word` of REQUEST, by `ticket_of`.

Source
    A strawman named next to Prooφ: Wang, Zhou, Yaish, Zhang, Fisch, Livshits, arXiv 2404.06495. The base fee as in
    EIP-1559, denominator 8, at most twice the target.

Literal or intended
    [RECON] The paper's text on strawmen was not at hand, only what is said about it: "EIP-1559 style (burn base fee):
    provers receive tips only; participation fails if tip < cost". `burn_bips = 0` pays provers the base fee instead.

Simplified
    All users tip up to the same amount. No collateral. Who has room but asks more than it would get is not asked.

Failure modes
    Burning leaves provers almost no revenue although their cost is real: below a tip of their cost nobody proves,
    whatever users would pay. A base fee knows how many ask, not what proving costs.
"""

from typing import NamedTuple

from proofyard.core import (
    ANYONE,
    BIPS,
    MAX_CAPACITY,
    MAX_GWEI,
    Book,
    ByActor,
    Event,
    Kind,
    Once,
    Verdict,
    ask,
    assign,
    bips_of,
    check,
    lose_job,
    move,
    mul_div,
    out_of_range,
    post_offer,
    settle_job,
    spec,
    ticket_of,
)

SOURCE = "Strawman next to Prooφ, arXiv 2404.06495; base fee of EIP-1559; reconstructed"
FAMILY = "assignment"

MAX_MS = 2**50  # no block and no window is longer, so sums of times cannot overflow
MAX_TARGET = 2**20
MAX_DENOMINATOR = 1_000


class Params(NamedTuple):
    """Defaults: EIP-1559's denominator; all amounts are assumptions."""

    block_ms: int = 12_000  # ms of a block: how long a base fee holds
    target: int = 1  # tasks a block; it takes twice as many
    denominator: int = 8  # the base fee changes by at most one part in so many a block
    initial_gwei: int = 100_000_000  # gwei, base fee at genesis
    least_gwei: int = 1  # gwei, base fee below which it does not fall
    tip_gwei: int = 50_000_000  # gwei, the most a user adds for the prover
    burn_bips: int = 10_000  # bips of the base fee that burn; the rest is the prover's
    window_ms: int = 600_000  # ms from assignment to deadline


class State(NamedTuple):
    book: Book
    price: ByActor  # gwei per proof, reported unit cost
    capacity: ByActor  # proofs at once, reported
    open_jobs: ByActor  # assigned and not over
    base: Once  # gwei, base fee of the block of the last task
    block: Once  # its number
    tasks: Once  # in it so far


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    limits = {
        "block_ms": (1, MAX_MS), "target": (1, MAX_TARGET), "denominator": (1, MAX_DENOMINATOR),
        "least_gwei": (1, MAX_GWEI), "initial_gwei": (p.least_gwei, MAX_GWEI), "tip_gwei": (0, MAX_GWEI),
        "burn_bips": (0, BIPS), "window_ms": (1, MAX_MS),
    }  # fmt: skip
    return out_of_range(p, limits)


def genesis(p: Params, s: State) -> None:
    """Set the first base fee."""
    s.base[0] = p.initial_gwei


@spec
def next_base(p: Params, base: int, tasks: int) -> int:
    """Compute the base fee after a block with so many tasks."""
    if tasks > p.target:
        return min(MAX_GWEI, base + max(1, mul_div(base, tasks - p.target, p.target) // p.denominator))
    return max(p.least_gwei, base - mul_div(base, p.target - tasks, p.target) // p.denominator)


@spec
def base_at(p: Params, s: State, block: int) -> int:
    """Compute the base fee of `block`, after the last one with tasks and all the empty ones since."""
    base, tasks, left = int(s.base[0]), int(s.tasks[0]), block - s.block[0]
    while left > 0:
        changed = next_base(p, base, tasks)
        if changed == base and tasks == 0:
            break
        base, tasks = changed, 0
        left -= 1
    return base


@spec
def draw(s: State, most: int, word: int) -> int:
    """Draw one of those that have room and ask no more than `most`, each equally likely; ANYONE if there are none."""
    count = 0
    for actor in range(len(s.price)):
        count += s.open_jobs[actor] < s.capacity[actor] and s.price[actor] <= most
    ticket = ticket_of(word, count)
    for actor in range(len(s.price)):
        if s.open_jobs[actor] < s.capacity[actor] and s.price[actor] <= most:
            if ticket == 0:
                return actor
            ticket -= 1
    return ANYONE


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Burn the base fee and give the task to somebody for whom the rest is enough."""
    b = s.book
    block = e.time // p.block_ms
    base = base_at(p, s, block)
    tasks = int(s.tasks[0]) if block == s.block[0] else 0
    if e.amount < base:
        return Verdict.TOO_DEAR
    if tasks >= 2 * p.target:
        return Verdict.FULL
    burnt = bips_of(base, p.burn_bips)
    earned = base - burnt + min(p.tip_gwei, e.amount - base)
    prover = draw(s, earned, e.word)
    if prover == ANYONE:
        return Verdict.NO_PROVER
    s.base[0], s.block[0], s.tasks[0] = base, block, tasks + 1
    ask(b, e, burnt + earned)
    move(b.escrow, e.job, b.burnt, 0, burnt)
    s.open_jobs[prover] += 1
    assign(b, e.job, prover, e.time + p.window_ms)
    return Verdict.OK


@spec
def prove(s: State, job: int) -> None:
    """Pay what was not burnt."""
    b = s.book
    settle_job(b, job)
    s.open_jobs[b.prover[job]] -= 1


@spec
def expire(s: State, job: int) -> None:
    """Refund what was not burnt."""
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
