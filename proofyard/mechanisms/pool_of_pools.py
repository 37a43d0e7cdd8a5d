"""Pool of pools: an aggregator bids for pools that bid for their members, and stands in for whichever fails (ZKPool).

Rules
    Three levels. The project pays the reward UP FRONT to the aggregator and takes its bond, as in `two_tier` from a
    pool; the aggregator (one, with `top_gwei` of its own) has `pools` pools below it, each with `fund_gwei`; an actor
    belongs to pool `actor mod pools`, enters it by OFFER (lowest pay per proof, proofs at once), leaves by UNDELEGATE.
    REQUEST: each pool bids for the cheapest of its members that is free, so that this member gets its ask after the
    pool's share, `pool_rate`; the aggregator takes the lowest bid (ties: the member of the lower number), adds its own
    share, `top_rate` of the reward, and bids that to the project. It puts `bond_gwei` at risk with the project and the
    pool `pool_bond_gwei` with the aggregator. Who has not so much to put does not bid.
    PROVE in `attempt_ms`: both bonds go back, the pool and its member are paid, the rest of the reward stays above.
    A pool that misses (EXPIRE) loses its bond to the aggregator and excludes the member that failed for
    `exclusion_ms`, doubled with each further failure in a row. Until `window_ms` after the request the aggregator gives
    the job on to the lowest bid of the pools that have not had it, and pays, or keeps, what that bid differs from the
    first.
    Nobody left, or the window over: the pay that was kept for a pool is the aggregator's. Until `liability_ms` after
    the window anybody may prove and gets the aggregator's bond; then it is the requester's.

Units
    money gwei, time ms, shares bips. Bonds, windows, funds and the aggregator's share are assumptions.

Randomness
    None.

Source
    simon202235/zkpool-doc @2256f7d and aoraki-labs/zkpool-protocol ProofPool.sol @ce562be for a pool between projects
    and provers: reward up front, bond, window, liability window, doubled exclusion, 20 % for the pool.

Literal or intended
    RECONSTRUCTION. The documents have two levels. The third is the same contract once more: what a pool is to the
    project, the aggregator is; what the pool asks of its members, the aggregator asks of pools, and bonds besides. That
    it pays a pool on the proof and not in advance, tries the next pool in the window, and keeps the bonds of those
    that fail is ours: it is what somebody would who answers for all of them.

Simplified
    One aggregator; nobody bids against it or delegates to it. Work that a late pool has done is lost, and a pool that
    was given a job by the aggregator does not hand it to two members.

Failure modes
    The project sees one counterpart that hardly ever misses, until a common cause takes all pools: then the one bond
    covers as little as a single pool's would, and the aggregator has the bonds of all that failed. It earns more the
    more often pools miss, as long as one of them is left that does not. Short attempts fit more of them in the window
    and make slow provers miss.
"""

from typing import Annotated, NamedTuple, TypeAlias

from proofyard.core import (
    ANYONE,
    BIPS,
    MAX_CAPACITY,
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    GweiByJob,
    GweiOnce,
    Ints,
    Kind,
    Once,
    Phase,
    Verdict,
    ask,
    assign,
    bips_of,
    check,
    move,
    mul_div,
    open_to_all,
    out_of_range,
    post_offer,
    settle_job,
    spec,
)

SOURCE = "Reconstruction: ZKPool's pool (zkpool-doc@2256f7d, zkpool-protocol@ce562be) one level up"
FAMILY = "assignment"

TOKEN = 10**9  # gwei
MINUTE = 60_000  # ms
MAX_POOLS = 16
MAX_DOUBLINGS = 10  # of an exclusion: ten minutes become a week, which is a ban
MAX_MS = 2**45  # ms; 2**10 of them fit
MAX_PRICE = MAX_GWEI // BIPS // BIPS  # gwei, of an ask: with both shares on top it still fits

Pools: TypeAlias = Annotated[Ints, 16]
GweiByPool: TypeAlias = Annotated[Ints, 16, "gwei"]


class Params(NamedTuple):
    """Defaults: the pool's share is documented; all else is an assumption."""

    pools: int = 4  # pools, 1 to 16
    pool_rate: int = 2_000  # bips of its pay for the pool; the member gets the rest
    top_rate: int = 500  # bips of the reward for the aggregator
    fund_gwei: int = 1_000 * TOKEN  # gwei each pool begins with
    top_gwei: int = 10_000 * TOKEN  # gwei the aggregator begins with
    bond_gwei: int = TOKEN  # gwei of the aggregator at risk for each job
    pool_bond_gwei: int = TOKEN // 5  # gwei of the pool at risk for each job it is given
    window_ms: int = 10 * MINUTE  # ms the aggregator has
    attempt_ms: int = 3 * MINUTE  # ms each pool has
    liability_ms: int = 20 * MINUTE  # ms more in which anybody may prove for the aggregator's bond
    exclusion_ms: int = 10 * MINUTE  # ms after a member's first failure


class State(NamedTuple):
    book: Book
    top: GweiOnce  # the aggregator's own
    fund: GweiByPool  # each pool's own
    lost: Pools  # gwei of bonds the pool has lost (a record)
    price: ByActor  # gwei per proof, asked
    capacity: ByActor  # proofs at once; 0 = no offer
    open_jobs: ByActor  # given to it, neither proven nor missed
    seat: ByActor  # number of its pool + 1, 0 = in none
    churn: Once  # how often anybody entered or left
    failures: ByActor  # in a row
    excluded_until: ByActor  # ms
    share: GweiByJob  # of the reward, for the pool and its member
    bond: GweiByJob  # the aggregator's
    pool_bond: GweiByJob  # of the pool that has the job
    pool_of: ByJob  # the pool that has the job
    tried: ByJob  # pools that have had it, a bit each
    closes: ByJob  # ms, end of the aggregator's window


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "pools": (1, MAX_POOLS), "pool_rate": (0, BIPS - 1), "top_rate": (0, BIPS - 1),
        "fund_gwei": (0, MAX_GWEI // 8 // MAX_POOLS), "top_gwei": (0, MAX_GWEI // 8), "bond_gwei": (0, MAX_GWEI),
        "pool_bond_gwei": (0, MAX_GWEI), "window_ms": (1, MAX_MS), "attempt_ms": (1, p.window_ms),
    }  # fmt: skip
    return out_of_range(p, limits, (0, MAX_MS))


def genesis(p: Params, s: State) -> None:
    """Give the aggregator and each pool their capital."""
    s.top[0] = p.top_gwei
    s.fund[: p.pools] = p.fund_gwei


@spec
def account(p: Params, s: State, e: Event) -> Verdict:
    """Enter a pool, on terms, or leave it."""
    actor = e.actor
    if e.kind == Kind.OFFER:
        verdict = post_offer(s.price, s.capacity, e, 1, MAX_CAPACITY)
        if verdict != Verdict.OK:
            return verdict
        s.churn[0] += s.seat[actor] == 0
        s.seat[actor] = actor % p.pools + 1
        return Verdict.OK
    if e.kind != Kind.UNDELEGATE:
        return Verdict.UNKNOWN
    if s.seat[actor] == 0:
        return Verdict.POOR
    s.seat[actor] = 0
    s.churn[0] += 1
    return Verdict.OK


@spec
def gross_up(pay: int, rate: int) -> int:
    """Sum of which `pay` is left after a share of `rate` bips was taken off it; rounded down, as that share is."""
    return mul_div(pay, BIPS, BIPS - rate)


@spec
def find_member(p: Params, s: State, tried: int, time: int) -> int:
    """Find the cheapest member that is free, of a pool that can bid and is not in `tried`; ANYONE if there is none."""
    best = ANYONE
    for actor in range(len(s.price)):
        if s.seat[actor] == 0 or s.open_jobs[actor] >= s.capacity[actor] or s.price[actor] > MAX_PRICE:
            continue
        pool = s.seat[actor] - 1
        if (tried >> pool) & 1 == 1 or time < s.excluded_until[actor] or s.fund[pool] < p.pool_bond_gwei:
            continue
        if best == ANYONE or s.price[actor] < s.price[best]:
            best = actor
    return best


@spec
def give(p: Params, s: State, job: int, member: int, time: int) -> None:
    """Give `job` to `member`, whose pool puts up its bond."""
    pool = s.seat[member] - 1
    move(s.fund, pool, s.pool_bond, job, p.pool_bond_gwei)
    s.tried[job] |= 1 << pool
    s.open_jobs[member] += 1
    s.pool_of[job] = pool
    assign(s.book, job, member, min(time + p.attempt_ms, s.closes[job]))


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Bid the lowest bid of the pools and the aggregator's share, be paid in advance and put up both bonds."""
    b, job = s.book, e.job
    member = find_member(p, s, 0, e.time)
    if member == ANYONE or s.top[0] < p.bond_gwei:
        return Verdict.NO_PROVER
    bid = gross_up(s.price[member], p.pool_rate)
    reward = gross_up(bid, p.top_rate)
    if reward > e.amount:
        return Verdict.TOO_DEAR
    ask(b, e, reward)
    move(b.escrow, job, s.top, 0, reward - bid)
    move(b.escrow, job, s.share, job, bid)
    move(s.top, 0, s.bond, job, p.bond_gwei)
    s.closes[job] = e.time + p.window_ms
    give(p, s, job, member, e.time)
    return Verdict.OK


@spec
def prove(p: Params, s: State, e: Event) -> None:
    """In time: bonds back, the pool and its member are paid. Later: the aggregator's bond is the rescuer's."""
    b, job = s.book, e.job
    if b.phase[job] == Phase.ASSIGNED:
        pool = s.pool_of[job]
        s.open_jobs[e.actor] -= 1
        s.failures[e.actor] = 0
        move(s.bond, job, s.top, 0, s.bond[job])
        move(s.pool_bond, job, s.fund, pool, s.pool_bond[job])
        move(s.share, job, s.fund, pool, bips_of(s.share[job], p.pool_rate))
        move(s.share, job, b.escrow, job, s.share[job])
    else:
        move(s.bond, job, b.escrow, job, s.bond[job])
    b.prover[job] = e.actor
    settle_job(b, job)


@spec
def fail(p: Params, s: State, job: int, time: int) -> None:
    """Take the bond of the pool that missed, which excludes its member, twice as long as the last time."""
    pool, member = s.pool_of[job], s.book.prover[job]
    s.open_jobs[member] -= 1
    s.lost[pool] += s.pool_bond[job]
    move(s.pool_bond, job, s.top, 0, s.pool_bond[job])
    doubled = p.exclusion_ms << min(s.failures[member], MAX_DOUBLINGS)
    s.excluded_until[member] = max(time, s.excluded_until[member]) + doubled
    s.failures[member] += 1


@spec
def give_on(p: Params, s: State, job: int, time: int) -> bool:
    """Give the job to the next pool in what is left of the window; say whether there was one."""
    member = find_member(p, s, s.tried[job], time) if time < s.closes[job] else ANYONE
    if member == ANYONE:
        return False
    bid = gross_up(s.price[member], p.pool_rate)
    if bid > s.share[job] + s.top[0]:
        return False
    move(s.share, job, s.top, 0, s.share[job])
    move(s.top, 0, s.share, job, bid)
    give(p, s, job, member, time)
    return True


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Let the next pool try, or anybody; in the end the aggregator's bond is the requester's."""
    b, job = s.book, e.job
    if b.phase[job] == Phase.ASSIGNED:
        fail(p, s, job, e.time)
        if not give_on(p, s, job, e.time):
            move(s.share, job, s.top, 0, s.share[job])
            open_to_all(b, job, max(s.closes[job] + p.liability_ms, e.time))
        return
    move(s.bond, job, b.cash, b.requester[job], s.bond[job])
    b.phase[job] = Phase.LOST


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
    if e.kind == Kind.PROVE:
        prove(p, s, e)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
