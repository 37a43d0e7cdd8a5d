"""Proving periods: a first underbid closes the prover's period, the next begins after a delay; who stalls is evicted.

Rules
    A period has one prover, its fee per publication and its bond, and no end while it is open. STAKE fills a balance.
    A bid takes `bond_gwei` of it and asks at most `bid_rate` of the fee in force: of the current period if it is open,
    which the bid closes (end in `succession_ms`, deadline `window_ms` after the end), else of the pending bid, whose
    bond comes back. Without a pending bid in a closed period any fee can be bid, and in a vacancy claimed.
    The first REQUEST after the end begins the next period. Under `standing` OFFER names a least fee, and after each
    REQUEST the cheapest outsider that can bids once, as high as allowed and at most what the request offered; without,
    OFFER is the bid.
    REQUEST pays the fee of the period, `delayed_percent` of it if the publication is delayed (detail 0), into escrow.
    Its prover must prove in `liveness_ms`, or by the deadline of its period once that is closed; it is paid then.
    Older and unproven in an open period: it is evicted. The period ends in `exit_ms` and its deadline is that very
    end; `evictor_rate` of the bond is the evictor's, here the proposer of that publication.
    After the deadline anybody may prove: it has the fee and is the heir of the period. Once all of a past period is
    proven its prover has the bond back, its heir `reward_rate` of what is left; the rest is locked for ever.
    UNSTAKE of the current prover closes its period in `exit_ms`; otherwise it takes from the balance, as WITHDRAW does.
    Publications of a vacancy are nobody's: free, and proven by whoever likes.

Units
    money gwei (bond and fee in ETH there), time ms, rates bips.

Randomness
    None.

Source
    OpenZeppelin/minimal-rollup src/protocol/BaseProverManager.sol, src/libs/LibProvingPeriod.sol @11148b8 (2025-08-14).

Literal or intended
    All as written. Anybody may prove at any time there, but before the deadline the fee is the prover's all the same:
    here only the prover does. The next period begins after its predecessor's end, never at it, so the publication that
    finds a vacancy is still free. Standing offers are not in the contract.

Simplified
    Publications are proven one by one and in any order; a period is finished by itself. A publication that nobody
    proves in `open_window_ms` is LOST, its fee goes back and the bond of its period is locked (there the chain stands).
    At most 1,024 periods wait for proofs.

Failure modes
    An eviction with nobody waiting leaves a vacancy that can be claimed at any fee. The last to prove after a deadline
    is heir to the whole bond, whatever the others proved. One prover at a time, whatever its capacity.
"""

from typing import Annotated, NamedTuple, TypeAlias

from proofyard.core import (
    BIPS,
    MAX_CAPACITY,
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    GweiByActor,
    Ints,
    Kind,
    Once,
    Phase,
    Verdict,
    ask,
    assign,
    bips_of,
    check,
    lose_job,
    move,
    mul_div,
    open_to_all,
    out_of_range,
    settle_job,
    slash,
    spec,
    take_out,
)

SOURCE = "OpenZeppelin/minimal-rollup BaseProverManager.sol, LibProvingPeriod.sol @11148b8"
FAMILY = "auction"

TOKEN = 10**9  # gwei
MAX_MS = 2**48
MAX_FEE = 2**60  # gwei
PERIODS = 1_024  # in the ring
PERCENT = 100
NOBODY = -1

Periods: TypeAlias = Annotated[Ints, 1024]
GweiByPeriod: TypeAlias = Annotated[Ints, 1024, "gwei"]


class Params(NamedTuple):
    """Defaults: the contract's."""

    bond_gwei: int = TOKEN  # gwei, liveness bond
    bid_rate: int = 9_500  # bips of the fee in force that a bid may ask at most
    liveness_ms: int = 60_000  # ms after which an unproven publication evicts
    succession_ms: int = 10_000  # ms from the first underbid to the end of the period
    exit_ms: int = 10_000  # ms from leaving or eviction to the end
    window_ms: int = 30_000  # ms from the end of a period to its deadline
    evictor_rate: int = 500  # bips of the bond for who evicts
    reward_rate: int = 9_000  # bips of what is left of a bond for who proves late
    delayed_percent: int = 150  # percent of the fee for delayed publications
    open_window_ms: int = 604_800_000  # ms anybody may prove, then the publication is lost; not in the contract
    standing: int = 1  # switch: 0 = an OFFER is a bid


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # balance
    price: ByActor  # gwei per publication, as offered
    capacity: ByActor  # as offered; 0 = no offer
    open_jobs: ByActor  # publications it must prove
    seat: ByActor  # 1 = prover of the current period
    churn: Once  # periods begun by another prover
    current: Once  # number of the period
    hired: Periods  # actor + 1; 0 = vacant
    heir: Periods  # actor + 1, who gets the bond; 0 = nobody
    fee: Periods  # gwei per publication
    closed: Periods  # ms of its end + 1; 0 = open
    deadline: Periods  # ms, means something once it is closed
    late: Periods  # 1 = somebody proved after the deadline
    waiting: Periods  # publications not yet proven
    bond: GweiByPeriod  # liveness bond of its prover
    period: ByJob  # its place in the ring


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "bond_gwei": (1, MAX_GWEI), "bid_rate": (0, BIPS), "liveness_ms": (1, MAX_MS), "evictor_rate": (0, BIPS),
        "reward_rate": (0, BIPS), "delayed_percent": (0, 100 * PERCENT), "standing": (0, 1),
    }  # fmt: skip
    return out_of_range(p, limits, (0, MAX_MS))


# Periods.


@spec
def is_complete(s: State, k: int, time: int) -> bool:
    """Tell whether the period has an end, and that is past (isComplete)."""
    return bool(s.closed[k] > 0 and time > s.closed[k] - 1)


@spec
def close_period(s: State, k: int, end: int, window: int) -> None:
    """Set end and deadline of the period (close)."""
    s.closed[k] = end + 1
    s.deadline[k] = end + window


@spec
def finish(p: Params, s: State, k: int, job: int) -> None:
    """Give the bond of a past period back, or to its heir, once nothing of it waits (finalizePastPeriod)."""
    b = s.book
    if s.waiting[k] > 0 or s.bond[k] == 0 or k == s.current[0] % PERIODS:
        return
    hired, heir = int(s.hired[k]) - 1, int(s.heir[k]) - 1
    due = int(s.bond[k]) if s.late[k] == 0 else bips_of(int(s.bond[k]), p.reward_rate)
    if heir == hired:
        move(s.bond, k, s.stake, heir, due)
    elif heir != NOBODY:
        slash(b, hired, s.bond, k, s.stake, heir, due)
        b.paid[job] += due
    slash(b, hired, s.bond, k, b.burnt, 0, s.bond[k])


@spec
def advance(p: Params, s: State, job: int) -> None:
    """Begin the next period (_advancePeriod); the one after it is blank."""
    old = s.current[0] % PERIODS
    s.current[0] += 1
    new, blank = s.current[0] % PERIODS, (s.current[0] + 1) % PERIODS
    s.hired[blank] = s.heir[blank] = s.fee[blank] = s.closed[blank] = s.deadline[blank] = s.late[blank] = 0
    if s.hired[old] > 0:
        s.seat[s.hired[old] - 1] = 0
    if s.hired[new] > 0:
        s.seat[s.hired[new] - 1] = 1
    s.churn[0] += s.hired[new] != s.hired[old]
    finish(p, s, old, job)


# Bids.


@spec
def highest_bid(p: Params, s: State) -> int:
    """Highest fee that can be bid now, -1 if none can (bid, claimProvingVacancy)."""
    k, n = s.current[0] % PERIODS, (s.current[0] + 1) % PERIODS
    if s.closed[k] == 0:
        if s.hired[k] == 0:
            return MAX_FEE
        return bips_of(int(s.fee[k]), p.bid_rate) if s.fee[k] > 0 else -1
    if s.hired[n] > 0:
        return bips_of(int(s.fee[n]), p.bid_rate) if s.fee[n] > 0 else -1
    return MAX_FEE


@spec
def place_bid(p: Params, s: State, actor: int, fee: int, time: int) -> None:
    """Make `actor` the prover of the next period for now."""
    k, n = s.current[0] % PERIODS, (s.current[0] + 1) % PERIODS
    if s.closed[k] == 0 and s.hired[k] == 0:
        close_period(s, k, time, 0)
    elif s.closed[k] == 0:
        close_period(s, k, time + p.succession_ms, p.window_ms)
    elif s.hired[n] > 0:
        move(s.bond, n, s.stake, int(s.hired[n]) - 1, int(s.bond[n]))
    move(s.stake, actor, s.bond, n, p.bond_gwei)
    s.hired[n] = s.heir[n] = actor + 1
    s.fee[n] = fee


@spec
def let_bid(p: Params, s: State, offered: int, time: int) -> None:
    """Let the cheapest outsider bid for its owner, the elder of two."""
    fee = min(highest_bid(p, s), offered)
    k, n = s.current[0] % PERIODS, (s.current[0] + 1) % PERIODS
    best = NOBODY
    for actor in range(len(s.price)):
        if s.capacity[actor] == 0 or s.price[actor] > fee or s.stake[actor] < p.bond_gwei:
            continue
        if s.hired[n] == actor + 1 or (s.hired[k] == actor + 1 and s.closed[k] == 0):
            continue
        if best == NOBODY or s.price[actor] < s.price[best]:
            best = actor
    if best != NOBODY:
        place_bid(p, s, best, fee, time)


@spec
def offer(p: Params, s: State, e: Event) -> Verdict:
    """Let a limit stand, or bid."""
    if e.detail < 1 or e.detail > MAX_CAPACITY:
        return Verdict.BAD_DETAIL
    if e.amount > MAX_FEE:
        return Verdict.BAD_AMOUNT
    if p.standing == 0:
        if e.amount > highest_bid(p, s):
            return Verdict.TOO_DEAR
        k, n = s.current[0] % PERIODS, (s.current[0] + 1) % PERIODS
        own = s.bond[n] if s.closed[k] > 0 and s.hired[n] == e.actor + 1 else 0
        if s.stake[e.actor] + own < p.bond_gwei:
            return Verdict.POOR
        place_bid(p, s, e.actor, e.amount, e.time)
    s.price[e.actor] = e.amount
    s.capacity[e.actor] = e.detail
    return Verdict.OK


# Publications.


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Publish in the current period, or begin the next with it (payPublicationFee)."""
    b, job = s.book, e.job
    next_one = is_complete(s, s.current[0] % PERIODS, e.time)
    k = (s.current[0] + next_one) % PERIODS
    fee = int(s.fee[k]) if s.hired[k] > 0 else 0
    if e.detail == 0:
        fee = mul_div(fee, p.delayed_percent, PERCENT)
    if fee > e.amount:
        return Verdict.TOO_DEAR
    if next_one and s.waiting[(s.current[0] + 2) % PERIODS] > 0:
        return Verdict.FULL
    if next_one:
        advance(p, s, job)
    ask(b, e, fee)
    s.period[job] = k
    s.waiting[k] += 1
    if s.hired[k] == 0:
        open_to_all(b, job, e.time + p.open_window_ms)
    else:
        prover = int(s.hired[k]) - 1
        assign(b, job, prover, int(s.deadline[k]) if s.closed[k] > 0 else e.time + p.liveness_ms)
        s.open_jobs[prover] += 1
    if p.standing == 1:
        let_bid(p, s, e.amount, e.time)
    return Verdict.OK


@spec
def prove(p: Params, s: State, e: Event) -> None:
    """Pay the prover of the period; after the deadline whoever proves, who becomes its heir (prove)."""
    b, job = s.book, e.job
    k = s.period[job]
    if b.phase[job] == Phase.ASSIGNED:
        s.open_jobs[e.actor] -= 1
    elif s.hired[k] > 0:
        s.heir[k] = e.actor + 1
        s.late[k] = 1
    b.prover[job] = e.actor
    settle_job(b, job)
    s.waiting[k] -= 1
    finish(p, s, k, job)


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Evict the prover of an open period, wait for the deadline of a closed one, open to all, give up."""
    b, job = s.book, e.job
    k = s.period[job]
    if b.phase[job] == Phase.ASSIGNED:
        hired = int(s.hired[k]) - 1
        if s.closed[k] == 0:
            close_period(s, k, e.time + p.exit_ms, 0)
            slash(b, hired, s.bond, k, s.stake, b.requester[job], bips_of(int(s.bond[k]), p.evictor_rate))
        if e.time <= s.deadline[k]:
            b.deadline[job] = s.deadline[k]
            return
        s.open_jobs[hired] -= 1
        open_to_all(b, job, e.time + p.open_window_ms)
        return
    lose_job(b, job)
    s.waiting[k] -= 1
    if s.hired[k] > 0:
        s.heir[k] = 0
        s.late[k] = 1
    finish(p, s, k, job)


@spec
def withdraw(p: Params, s: State, e: Event) -> Verdict:
    """Leave the period one is the prover of (UNSTAKE), or take from the balance."""
    k = s.current[0] % PERIODS
    if e.kind == Kind.UNSTAKE and s.hired[k] == e.actor + 1 and s.closed[k] == 0:
        close_period(s, k, e.time + p.exit_ms, p.window_ms)
        return Verdict.OK
    return take_out(s.book, s.stake, e)


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.OFFER:
        return offer(p, s, e)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.UNSTAKE or e.kind == Kind.WITHDRAW:
        return withdraw(p, s, e)
    if e.kind == Kind.STAKE:
        move(s.book.cash, e.actor, s.stake, e.actor, e.amount)
    elif e.kind == Kind.PROVE:
        prove(p, s, e)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
