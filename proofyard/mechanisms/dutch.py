"""Dutch ramp: the price rises until a prover locks the job with collateral, half of which burns when it is late.

Rules
    REQUEST sets the most the requester pays. From `start_ms` later on the price rises in a straight line over
    `ramp_ms`, from a share of that amount to all of it, and stays there until the lock deadline. The first to lock at
    the price of the moment has the job alone until the lock deadline, against collateral out of its stake (STAKE, and
    UNSTAKE of what is free, at once). If nobody does, the job is LOST at the lock deadline.
    Standing offers: a prover that states the least it takes per proof and how many at once (OFFER; 0 = none any more)
    locks when the ramp reaches its price and it has room and collateral: the lowest offer first, equals by lot. The
    rule does that itself, by CLOSE. Who is busy looks again every `poll_ms`, later after an eighth of the time waited.
    BID locks at once, with or without an offer and whatever the capacity, unless the ramp is still below its amount.
    So it is the presence of offers that decides who plays: without any, BIDs alone, first come, first served.
    PROVE by the locker by the lock deadline earns the price of its lock, less `fee_rate` for the market, and its
    collateral back. EXPIRE then opens the job to everybody, the locker too, until its timeout, for nothing; the
    first proof gives the requester the price back. At the timeout the locker's collateral is slashed: `burn_rate` of it
    burns, the rest goes to the stake of who proved late (SETTLE) or to the market if nobody did (EXPIRE: the job is
    LOST and the price goes back).
    With `shared_deposit = 1` nothing is reserved for a request; a request only tops the requester's one deposit up to
    its own amount, as the SDK does. The price is taken when somebody locks, who is refused (POOR) if the deposit is
    short. WITHDRAW takes the deposit out at any time.
    With `lockless = 1` there are no locks. Whoever proves first earns the price of that moment, nothing after the lock
    deadline; with a shared deposit that is short, the proof counts and the payment is lost for good.

Units
    Money gwei, time ms, rates bips. Prices are in ether and collateral is ZKC on chain; here both are one money. The
    ramp moves with the timestamp of the last block, every `block_ms`; lengths in whole seconds give the contract's
    integers. With `mcycle` > 0, a job of M million cycles (rounded up) has the times of the SDK: the start no sooner
    than M s, at most 1 h; the ramp longer by 2 M s, to 2 h; the lock by 7 M s, to 4 h; the timeout in proportion.

Randomness
    `e.word` of the REQUEST: from which actor on equal offers are looked through.

Source
    boundless-xyz/boundless@3835bc4 contracts/src/BoundlessMarket.sol (_lockRequest, _fulfillAndPay*, slash),
    contracts/src/types/{Offer,RequestLock}.sol; times and top-up: crates/boundless-market/src/request_builder/mod.rs,
    contracts/boundless_market.rs (submit_request).

Literal or intended
    Literal: floor on the price, ceiling on its inverse; the burnt share is floored, the rescuer or the market has the
    odd unit; who is late may rescue itself and wins its own half back; slashing waits for the timeout, not for the lock
    deadline. The market fee is 0 on chain but has a path. Not literal by default: escrow for each request's amount.

Simplified
    A delivery by somebody else before the lock deadline is refused here; on chain it counts, unpaid, and the locker may
    still be paid. A request that nobody locked ends at its lock deadline; on chain it can still be delivered for
    nothing until its timeout. Left out: gas, the commitment one block before an open delivery, locks by signature,
    callbacks, two requests under one number, and the rewards for proven work (`verifiable_work`). An offer is for
    a proof of any size. An offer made while a job waits is seen at its next look. The timer slashes as soon as it may.
"""

from typing import NamedTuple

from proofyard.core import (
    ANYONE,
    BIPS,
    MAX_CAPACITY,
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    GweiByActor,
    GweiByJob,
    Kind,
    Phase,
    Verdict,
    ask,
    assign,
    bips_of,
    check,
    move,
    move_stake,
    mul_div,
    open_to_all,
    out_of_range,
    post_offer,
    settle_job,
    slash,
    spec,
    take_out,
    ticket_of,
)

SOURCE = "Boundless, BoundlessMarket.sol@3835bc4"
FAMILY = "auction"

TOKEN = 10**9  # gwei
SECOND = 1_000  # ms
HOUR = 3_600 * SECOND
MAX_TIME = 2**40  # ms: sums of times cannot overflow
MAX_RESCUE = (2**24 - 1) * SECOND  # ms from lock deadline to timeout: the contract keeps it in 24 bits of seconds
MAX_MCYCLES = 14_400  # every time is at its cap from here on


class Params(NamedTuple):
    """Defaults: what the requester's SDK sets for a request of unknown size, on a chain with blocks every 2 s."""

    start_ms: int = 30 * SECOND  # ms from the request to the start of the ramp; until then the price is the lowest
    ramp_ms: int = 600 * SECOND  # ms the price rises
    lock_ms: int = 1_800 * SECOND  # ms from the start of the ramp to the lock deadline
    timeout_ms: int = 3_600 * SECOND  # ms from the start of the ramp to the end of the request
    mcycle: int = 0  # size that counts as a million cycles and makes the times longer; 0 = the same times for all jobs
    min_rate: int = 0  # bips of the request's amount at which the ramp starts
    collateral_gwei: int = 20 * TOKEN  # gwei locked per job
    collateral_rate: int = 0  # bips of the request's amount locked besides; the docs advise 100_000
    burn_rate: int = 5_000  # bips of slashed collateral that burn; 7_500 until 2025-09-13 (f74f1d56c)
    fee_rate: int = 0  # bips of the price kept by the market
    block_ms: int = 2 * SECOND  # ms between blocks: the ramp's steps
    poll_ms: int = 5 * SECOND  # ms after which a busy prover looks at a waiting job again
    shared_deposit: int = 0  # switch: 1 = all requests of a requester draw on one deposit, 0 = each has its amount
    lockless: int = 0  # switch: 1 = no locks, the first proof earns the price of the moment


class State(NamedTuple):
    """The book, the money beside it, the standing offers and the terms of each job."""

    book: Book
    stake: GweiByActor  # free collateral
    bond: GweiByJob  # locked collateral
    deposit: GweiByActor  # of the requester, with `shared_deposit`
    price: ByActor  # gwei, the least the prover takes per proof
    capacity: ByActor  # proofs at once, stated
    open_jobs: ByActor  # locked and neither proven nor late
    bounty: ByActor  # gwei won so far out of others' collateral (a record, not money)
    start: ByJob  # ms, start of the ramp
    ramp: ByJob  # ms, its length
    lock_end: ByJob  # ms, lock deadline
    end: ByJob  # ms, timeout
    top: ByJob  # gwei, the highest price
    first: ByJob  # actor that is looked at first
    locker: ByJob  # actor that locked the job, plus 1; 0 = never locked


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    limits = {
        "start_ms": (0, MAX_TIME), "lock_ms": (1, MAX_TIME), "ramp_ms": (1, p.lock_ms),
        "timeout_ms": (p.lock_ms, p.lock_ms + MAX_RESCUE), "mcycle": (0, 2**40), "min_rate": (0, BIPS),
        "collateral_gwei": (0, MAX_GWEI), "collateral_rate": (0, 100 * BIPS), "burn_rate": (0, BIPS),
        "fee_rate": (0, BIPS), "block_ms": (1, HOUR), "poll_ms": (SECOND, MAX_TIME), "shared_deposit": (0, 1),
        "lockless": (0, 1),
    }  # fmt: skip
    return out_of_range(p, limits)


# The ramp.


@spec
def set_terms(p: Params, s: State, e: Event) -> None:
    """Fix times and prices of the request in `e`."""
    start, ramp, lock, timeout = p.start_ms, p.ramp_ms, p.lock_ms, p.timeout_ms
    if p.mcycle > 0:
        size = min(-(-e.detail // p.mcycle), MAX_MCYCLES)
        start = max(start, min(size * SECOND, HOUR))
        ramp = max(ramp, min(ramp + 2 * size * SECOND, 2 * HOUR))
        lock = max(lock, min(lock + 7 * size * SECOND, 4 * HOUR))
        timeout = min(mul_div(timeout, lock, p.lock_ms), lock + MAX_RESCUE)
    s.start[e.job] = e.time - e.time % p.block_ms + start
    s.ramp[e.job] = ramp
    s.lock_end[e.job] = s.start[e.job] + lock
    s.end[e.job] = s.start[e.job] + timeout
    s.top[e.job] = e.amount
    s.first[e.job] = ticket_of(e.word, len(s.price))


@spec
def price_at(p: Params, s: State, job: int, time: int) -> int:
    """Price of `job` at `time`: that of the last block (priceAt)."""
    now = time - time % p.block_ms
    start, top = int(s.start[job]), int(s.top[job])
    low = bips_of(top, p.min_rate)
    if now <= start:
        return low
    if now > s.lock_end[job]:
        return 0
    if now <= start + s.ramp[job]:
        return low + mul_div(now - start, top - low, s.ramp[job])
    return top


@spec
def time_at(p: Params, s: State, job: int, price: int) -> int:
    """Time of the first block in which `job` is worth `price`, at most its highest; 0 = always (timeAtPrice)."""
    top = int(s.top[job])
    low = bips_of(top, p.min_rate)
    if price <= low:
        return 0
    delta = mul_div(price - low, s.ramp[job], top - low)
    if low + mul_div(delta, top - low, s.ramp[job]) < price:
        delta += 1  # rounded up
    return -(-(int(s.start[job]) + delta) // p.block_ms) * p.block_ms


# Who locks.


@spec
def collateral_of(p: Params, s: State, job: int) -> int:
    """Gwei that lock `job`."""
    return min(p.collateral_gwei + min(mul_div(s.top[job], p.collateral_rate, BIPS), MAX_GWEI), MAX_GWEI)


@spec
def choose(p: Params, s: State, job: int, time: int) -> int:
    """Find the prover with room and collateral whose offer is the lowest that the ramp has reached; ANYONE if none."""
    price, needed = price_at(p, s, job, time), collateral_of(p, s, job)
    best = ANYONE
    actor = int(s.first[job])
    for _ in range(len(s.price)):
        fits = s.open_jobs[actor] < s.capacity[actor] and s.stake[actor] >= needed
        if fits and s.price[actor] <= price and (best == ANYONE or s.price[actor] < s.price[best]):
            best = actor
        actor = actor + 1 if actor + 1 < len(s.price) else 0
    return best


@spec
def look_again(p: Params, s: State, job: int, now: int, wait: int) -> None:
    """Set the timer to when the ramp reaches the next offer; to `wait` from now if it has reached one already."""
    price = price_at(p, s, job, now)
    following = int(s.top[job]) + 1
    when = int(s.lock_end[job])
    for actor in range(len(s.price)):
        if s.capacity[actor] > 0:
            if s.price[actor] <= price:
                when = min(when, now + wait)
            else:
                following = min(following, int(s.price[actor]))
    if following <= s.top[job]:
        when = min(when, time_at(p, s, job, following) - 1)  # the timer fires after its time
    s.book.deadline[job] = max(now, when)


@spec
def lock(p: Params, s: State, job: int, prover: int, time: int) -> bool:
    """Give `job` to `prover` at the price of the moment; False, and nothing happens, if the deposit is short."""
    b = s.book
    price = price_at(p, s, job, time)
    requester = int(b.requester[job])
    if p.shared_deposit == 1 and s.deposit[requester] < price:
        return False
    if p.shared_deposit == 1:
        move(s.deposit, requester, b.escrow, job, price)
    else:
        move(b.escrow, job, b.cash, requester, b.escrow[job] - price)
    move(s.stake, prover, s.bond, job, collateral_of(p, s, job))
    s.open_jobs[prover] += 1
    s.locker[job] = prover + 1
    assign(b, job, prover, s.lock_end[job])
    return True


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Start the ramp."""
    if e.detail < 0:
        return Verdict.BAD_DETAIL
    b = s.book
    if p.shared_deposit == 1:
        ask(b, e, 0)
        move(b.cash, e.actor, s.deposit, e.actor, max(0, e.amount - s.deposit[e.actor]))
    else:
        ask(b, e, e.amount)
    set_terms(p, s, e)
    if p.lockless == 1:
        open_to_all(b, e.job, s.end[e.job])
    else:
        b.phase[e.job] = Phase.BIDDING
        b.prover[e.job] = ANYONE
        look_again(p, s, e.job, e.time, 0)
    return Verdict.OK


@spec
def bid(p: Params, s: State, e: Event) -> Verdict:
    """Lock the job for who comes first (lockRequest)."""
    if e.amount > price_at(p, s, e.job, e.time):
        return Verdict.TOO_DEAR
    if s.stake[e.actor] < collateral_of(p, s, e.job):
        return Verdict.POOR
    return Verdict.OK if lock(p, s, e.job, e.actor, e.time) else Verdict.POOR


@spec
def close(p: Params, s: State, e: Event) -> None:
    """Lock the job for the lowest offer, look again later, or give the job up at its lock deadline."""
    job = e.job
    if e.time > s.lock_end[job]:
        give_back(p, s, job)
        s.book.phase[job] = Phase.LOST
        return
    prover = choose(p, s, job, e.time)
    if prover == ANYONE or not lock(p, s, job, prover, e.time):
        look_again(p, s, job, e.time, max(p.poll_ms, (e.time - s.start[job]) // 8))


# What becomes of a job that was locked, or never needed to be.


@spec
def give_back(p: Params, s: State, job: int) -> None:
    """Return what is in escrow to where the requester took it from."""
    b = s.book
    move(b.escrow, job, s.deposit if p.shared_deposit == 1 else b.cash, b.requester[job], b.escrow[job])


@spec
def settle(p: Params, s: State, job: int) -> None:
    """Pay the prover what is in escrow, less the market's fee, and end the job."""
    b = s.book
    move(b.escrow, job, b.reserve, 0, bips_of(b.escrow[job], p.fee_rate))
    settle_job(b, job)


@spec
def prove_unlocked(p: Params, s: State, e: Event) -> None:
    """Pay a job that is never locked at the price of the moment, if the deposit has it (_fulfillAndPayNeverLocked)."""
    b = s.book
    requester = int(b.requester[e.job])
    price = price_at(p, s, e.job, e.time)
    if p.shared_deposit == 1:
        move(s.deposit, requester, b.escrow, e.job, price if price <= s.deposit[requester] else 0)
    else:
        move(b.escrow, e.job, b.cash, requester, b.escrow[e.job] - price)
    settle(p, s, e.job)


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Pay the locker in time; note who proved late, for the bounty."""
    b = s.book
    phase, job = b.phase[e.job], e.job
    if phase != Phase.ASSIGNED and phase != Phase.OPEN:
        return Verdict.WRONG_PHASE
    b.prover[job] = e.actor
    if phase == Phase.ASSIGNED:
        move(s.bond, job, s.stake, e.actor, s.bond[job])
        s.open_jobs[e.actor] -= 1
        settle(p, s, job)
    elif p.lockless == 1:
        prove_unlocked(p, s, e)
    else:
        give_back(p, s, job)
        b.phase[job] = Phase.PROVEN
        b.deadline[job] = s.end[job]
    return Verdict.OK


@spec
def punish(p: Params, s: State, job: int) -> None:
    """Slash the locker of `job` for being late: a share burns, the rest is the rescuer's or the market's (slash)."""
    b = s.book
    locker, rescuer = int(s.locker[job]) - 1, int(b.prover[job])
    slash(b, locker, s.bond, job, b.burnt, 0, bips_of(s.bond[job], p.burn_rate))
    rest = s.bond[job]
    if rescuer == ANYONE:
        slash(b, locker, s.bond, job, b.reserve, 0, rest)
    elif rescuer == locker:
        move(s.bond, job, s.stake, locker, rest)
    else:
        slash(b, locker, s.bond, job, s.stake, rescuer, rest)
        s.bounty[rescuer] += rest


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Open a job to everybody once its lock is over; end it at its timeout."""
    b = s.book
    if b.phase[e.job] == Phase.ASSIGNED:
        s.open_jobs[b.prover[e.job]] -= 1
        open_to_all(b, e.job, s.end[e.job])
        return
    if s.locker[e.job] > 0:
        punish(p, s, e.job)
    give_back(p, s, e.job)
    b.phase[e.job] = Phase.LOST


# Money in, money out.


@spec
def account(p: Params, s: State, e: Event) -> Verdict:
    """Offers, collateral, and the requester's deposit."""
    b = s.book
    if e.kind == Kind.OFFER:
        return post_offer(s.price, s.capacity, e, 0, MAX_CAPACITY)
    if e.kind == Kind.STAKE or e.kind == Kind.UNSTAKE:
        return move_stake(b, s.stake, e)
    if e.kind == Kind.WITHDRAW and p.shared_deposit == 1:
        return take_out(b, s.deposit, e)
    return Verdict.UNKNOWN


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind < Kind.REQUEST:
        return account(p, s, e)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.BID:
        return bid(p, s, e)
    if e.kind == Kind.PROVE:
        return prove(p, s, e)
    if e.kind == Kind.CLOSE:
        close(p, s, e)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e)
    elif e.kind == Kind.SETTLE:
        punish(p, s, e.job)
        s.book.phase[e.job] = Phase.SETTLED
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
