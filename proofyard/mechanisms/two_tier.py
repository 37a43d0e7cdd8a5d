"""Two tiers: pools bid for their members, stake once and carry the risk; a scheduler excludes who fails (ZKPool).

Rules
    Tier 1 is the project: it pays the reward UP FRONT and takes the bond of a pool. Tier 2 are `pools` pools, each with
    `fund_gwei` of its own, that are hired through one window. An actor belongs to pool `actor mod pools`, enters it
    by OFFER (lowest pay per proof, proofs at once) and leaves it by UNDELEGATE.
    REQUEST: a pool bids for the cheapest of its members that is free, so that this member gets its ask after the
    pool's share, `pool_rate`, and that of the aggregator of pools, `top_rate`; the lowest bid wins and is the reward.
    Under `pricing = 1` the reward is `unit_gwei` x 3.5 x (MA60 + 1) / (hash rate + 0.001) instead, hash rate being the
    capacity of all members that are not excluded, MA60 its mean over 60 samples, one every `sample_ms`.
    Among all free members whose pay is at least their ask one is drawn; its pool puts `bond_gwei` (or `bond_rate` of
    the reward, if that is more) at risk, and gives the job to `copies` of its members if the bond is `copy_bond_gwei`.
    PROVE in `window_ms`: the bond goes back to the pool and its members' share to whoever proved; under `sharing`
    equally to all members that the scheduler does not exclude, to the prover what does not divide.
    After it (EXPIRE) the members' share falls to the pool too, each that failed is excluded for `exclusion_ms`, doubled
    with each further failure in a row, and banned after more than `max_failures`. Until `liability_ms` anybody may
    prove and gets the bond. Then it is the requester's.

Units
    money gwei, time ms, shares bips, the factor of the price model millionths. Bond, windows and fund are assumptions.

Randomness
    `e.word` of REQUEST: the member, by `ticket_of`. Copies go to the next in line.

Source
    simon202235/zkpool-doc @2256f7d; aoraki-labs/zkpool-protocol ProofPool.sol @ce562be (2023-12-19: a
    demonstration in which no proof is verified); price model: proof-market-price-model @350d2ab.

Literal or intended
    The contract read has no claim for the requester after the liability window, does not look whether a task is proven
    already, so a bond can be drawn again and again, and locks the hired account itself out once its window is over.
    Here: one proof, the claim that the documents describe, and anybody, which a pool's members are, may rescue.
    How a pool bids, who is free, what a sample of the hash rate is and how exclusions add up are not documented:
    reconstruction. A sample that is due is taken at the next accepted request, for all the time since the last.

Simplified
    A pool's capital is given; nobody delegates to it. Copies that were not first are not paid. The requester does not
    choose rewards. A member's failure late (rescued or not) counts the same.

Failure modes
    Paid up front, a pool defaults whenever the bond is less than the cost of proving. The member loses nothing by it
    but time. Exclusion after three doublings is a ban that one bad night can bring. The price model pays more the
    less capacity there is, so holding capacity back raises the price.
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
    GweiByJob,
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
    settle_job,
    spec,
    ticket_of,
)

SOURCE = (
    "ZKPool, aoraki-labs/zkpool-protocol ProofPool.sol@ce562be, zkpool-doc@2256f7d, proof-market-price-model@350d2ab"
)
FAMILY = "assignment"

TOKEN = 10**9  # gwei
MINUTE = 60_000  # ms
MAX_POOLS = 16
MAX_COPIES = 4
MAX_MS = 2**45  # ms; 2**10 of them fit
SAMPLES = 60  # of the moving average
MILLION = 1_000_000
BY_ASKS, BY_MODEL = 0, 1  # `pricing`
NOBODY = -1

Pools: TypeAlias = Annotated[Ints, 16]
GweiByPool: TypeAlias = Annotated[Ints, 16, "gwei"]
Ring: TypeAlias = Annotated[Ints, 60]


class Params(NamedTuple):
    """Defaults: the shares and the rules of the documents; amounts and times are assumptions."""

    pools: int = 1  # pools, 1 to 16
    pool_rate: int = 2_000  # bips of the reward for the pool; its members get the rest
    top_rate: int = 0  # bips of the reward for the aggregator of pools
    fund_gwei: int = 1_000 * TOKEN  # gwei each pool begins with
    bond_gwei: int = TOKEN  # gwei at risk for each job
    bond_rate: int = 0  # bips of the reward at risk, if that is more
    window_ms: int = 10 * MINUTE  # ms the pool has
    liability_ms: int = 20 * MINUTE  # ms more in which anybody may prove for the bond
    exclusion_ms: int = 10 * MINUTE  # ms after a first failure
    max_failures: int = 3  # failures in a row; one more is a ban
    copies: int = 1  # members that get a job with a bond of `copy_bond_gwei`
    copy_bond_gwei: int = 0  # gwei, least bond of a job that `copies` members get
    sharing: int = 0  # switch: 1 = all members of the pool share each reward
    pricing: int = BY_ASKS  # 0 the pools bid, 1 the price model
    unit_gwei: int = TOKEN // 10  # gwei the model's factor is multiplied with
    sample_ms: int = MINUTE  # ms between samples of the hash rate


class State(NamedTuple):
    book: Book
    fund: GweiByPool  # the pool's own
    lost: Pools  # gwei of bonds the pool has lost (a record)
    price: ByActor  # gwei per proof, asked
    capacity: ByActor  # proofs at once; 0 = no offer
    open_jobs: ByActor  # given to it, neither proven nor failed
    seat: ByActor  # number of its pool + 1, 0 = in none
    churn: Once  # how often anybody entered, left or was banned
    failures: ByActor  # in a row
    excluded_until: ByActor  # ms
    banned: ByActor  # 1 = for good
    samples: Ring  # hash rate, the last 60 samples
    sampled: Once  # samples taken
    sampled_at: Once  # ms, when the last was due
    pool_of: ByJob  # pool whose member was hired, from 0
    share: GweiByJob  # of the reward, for the members
    bond: GweiByJob  # the pool's
    second: ByJob  # actor that has a copy, + 1; 0 = nobody
    third: ByJob  # likewise
    fourth: ByJob  # likewise


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "pools": (1, MAX_POOLS), "pool_rate": (0, BIPS - 1), "top_rate": (0, BIPS - 1 - p.pool_rate),
        "fund_gwei": (0, MAX_GWEI // 4 // MAX_POOLS), "bond_gwei": (0, MAX_GWEI), "bond_rate": (0, 100 * BIPS),
        "window_ms": (1, MAX_MS), "max_failures": (0, 10), "copies": (1, MAX_COPIES), "copy_bond_gwei": (0, MAX_GWEI),
        "sharing": (0, 1), "pricing": (BY_ASKS, BY_MODEL), "unit_gwei": (1, 2**40), "sample_ms": (1, MAX_MS),
    }  # fmt: skip
    return out_of_range(p, limits, (0, MAX_MS))


def genesis(p: Params, s: State) -> None:
    """Give each pool its capital."""
    s.fund[: p.pools] = p.fund_gwei


# Members.


@spec
def account(p: Params, s: State, e: Event) -> Verdict:
    """Enter a pool, on terms, or leave it."""
    actor = e.actor
    if e.kind == Kind.OFFER:
        if e.detail < 1 or e.detail > MAX_CAPACITY:
            return Verdict.BAD_DETAIL
        if s.banned[actor] == 1:
            return Verdict.NOT_YOURS
        s.price[actor] = e.amount
        s.capacity[actor] = e.detail
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
def is_free(s: State, actor: int, time: int, bond: int) -> bool:
    """Tell whether `actor` can be given a job, and its pool has `bond` to put at risk for it."""
    if s.seat[actor] == 0 or time < s.excluded_until[actor] or s.open_jobs[actor] >= s.capacity[actor]:
        return False
    return bool(s.fund[s.seat[actor] - 1] >= bond)


@spec
def fail(p: Params, s: State, entry: int, time: int) -> None:
    """Exclude actor `entry` - 1, twice as long as the last time, or ban it; nobody for 0."""
    if entry == 0:
        return
    actor = entry - 1
    s.open_jobs[actor] -= 1
    s.failures[actor] += 1
    if s.failures[actor] > p.max_failures:
        s.churn[0] += s.seat[actor] > 0
        s.seat[actor] = 0
        s.banned[actor] = 1
        return
    doubled = p.exclusion_ms << (s.failures[actor] - 1)
    s.excluded_until[actor] = max(time, s.excluded_until[actor]) + doubled


# The price.


@spec
def compute_factor(average_sum: int, count: int, rate: int) -> int:
    """Compute 3.5 x (MA + 1) / (rate + 0.001) in millionths, MA being a mean of `count` samples."""
    return mul_div(3_500 * MILLION, average_sum + count, (1_000 * rate + 1) * count)


@spec
def gross_up(p: Params, pay: int) -> int:
    """Reward of which `pay` is left for the member; rounded down as both shares are, and so never too small."""
    return mul_div(pay, BIPS, BIPS - p.pool_rate - p.top_rate)


@spec
def compute_bond(p: Params, reward: int) -> int:
    """Compute what a pool puts at risk for `reward`."""
    return max(p.bond_gwei, mul_div(reward, p.bond_rate, BIPS))


@spec
def hash_rate(s: State, time: int) -> int:
    """Sum up the capacity of all members that are not excluded, busy or not."""
    rate = 0
    for actor in range(len(s.price)):
        if s.seat[actor] > 0 and time >= s.excluded_until[actor]:
            rate += int(s.capacity[actor])
    return rate


@spec
def count_fresh(p: Params, s: State, time: int) -> int:
    """Count the samples due since the last, at least the very first; the hash rate of now stands for all of them."""
    if s.sampled[0] == 0:
        return 1
    return int(min(SAMPLES, (time - s.sampled_at[0]) // p.sample_ms))


@spec
def take_samples(p: Params, s: State, e: Event) -> None:
    """Put the samples that are due into the ring."""
    rate, fresh = hash_rate(s, e.time), count_fresh(p, s, e.time)
    for k in range(fresh):
        s.samples[(s.sampled[0] + k) % SAMPLES] = rate
    early = (e.time - s.sampled_at[0]) % p.sample_ms if s.sampled[0] > 0 else 0  # towards the next sample
    s.sampled[0] += fresh
    if fresh > 0:
        s.sampled_at[0] = e.time - early


@spec
def find_reward(p: Params, s: State, time: int) -> int:
    """Find the lowest bid of the pools, or what the model says; -1 if no member is free."""
    if p.pricing == BY_MODEL:
        rate, fresh = hash_rate(s, time), count_fresh(p, s, time)
        older = int(min(s.sampled[0], SAMPLES - fresh))
        total = rate * fresh
        for k in range(older):
            total += int(s.samples[(s.sampled[0] - 1 - k) % SAMPLES])
        return mul_div(compute_factor(total, fresh + older, rate), p.unit_gwei, MILLION)
    lowest = -1
    for actor in range(len(s.price)):
        price = int(s.price[actor])
        if price > MAX_GWEI // BIPS // BIPS or (lowest >= 0 and price >= lowest):
            continue
        if is_free(s, actor, time, compute_bond(p, gross_up(p, price))):
            lowest = price
    return -1 if lowest < 0 else gross_up(p, lowest)


# The life of a job.


@spec
def next_free(s: State, e: Event, share: int, bond: int, after: int, pool: int) -> int:
    """First free member after `after`, round the circle, of `pool` (-1 = of any) that asks no more than `share`."""
    count = len(s.price)
    for step in range(1, count + 1):
        actor = (after + step) % count
        if s.price[actor] > share or (pool >= 0 and s.seat[actor] != pool + 1):
            continue
        if is_free(s, actor, e.time, bond):
            return actor
    return NOBODY


@spec
def draw(s: State, e: Event, share: int, bond: int) -> int:
    """Draw one of the free members that ask no more than `share`."""
    count = 0
    for actor in range(len(s.price)):
        count += s.price[actor] <= share and is_free(s, actor, e.time, bond)
    if count == 0:
        return NOBODY
    chosen = NOBODY
    for _ in range(ticket_of(e.word, count) + 1):
        chosen = next_free(s, e, share, bond, chosen, NOBODY)
    return chosen


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Let the pools bid, pay the lowest in advance and take its bond."""
    b, job = s.book, e.job
    reward = find_reward(p, s, e.time)
    if reward < 0:
        return Verdict.NO_PROVER
    if reward > e.amount or reward < 1:
        return Verdict.TOO_DEAR
    top, kept = bips_of(reward, p.top_rate), bips_of(reward, p.pool_rate)
    bond = compute_bond(p, reward)
    prover = draw(s, e, reward - top - kept, bond)
    if prover == NOBODY:
        return Verdict.NO_PROVER
    pool = s.seat[prover] - 1
    take_samples(p, s, e)
    ask(b, e, reward)
    move(b.escrow, job, b.reserve, 0, top)
    move(b.escrow, job, s.fund, pool, kept)
    move(b.escrow, job, s.share, job, b.escrow[job])
    move(s.fund, pool, s.bond, job, bond)
    s.pool_of[job] = pool
    assign(b, job, prover, e.time + p.window_ms)
    s.open_jobs[prover] += 1
    if p.copies > 1 and bond >= p.copy_bond_gwei:
        give_copies(p, s, e, prover)
    return Verdict.OK


@spec
def give_copies(p: Params, s: State, e: Event, prover: int) -> None:
    """Give the job of `e` to more members of the same pool, nobody twice."""
    job = e.job
    pool = s.pool_of[job]
    last = prover
    for _ in range(1, p.copies):
        last = next_free(s, e, s.share[job], 0, last, pool)  # one bond is for all copies
        if last in (NOBODY, prover, s.second[job] - 1, s.third[job] - 1):
            return
        s.open_jobs[last] += 1
        if s.second[job] == 0:
            s.second[job] = last + 1
        elif s.third[job] == 0:
            s.third[job] = last + 1
        else:
            s.fourth[job] = last + 1


@spec
def has_copy(s: State, job: int, actor: int) -> bool:
    """Tell whether `actor` was given a copy of `job`."""
    return actor + 1 in (s.second[job], s.third[job], s.fourth[job])


@spec
def release(s: State, entry: int) -> None:
    """Free actor `entry` - 1, whose job somebody has proven; nobody for 0."""
    if entry > 0:
        s.open_jobs[entry - 1] -= 1


@spec
def prove(p: Params, s: State, e: Event) -> None:
    """In time: bond back, the members are paid. Later: the bond is the rescuer's."""
    b, job = s.book, e.job
    pool = s.pool_of[job]
    if b.phase[job] == Phase.ASSIGNED:
        release(s, b.prover[job] + 1)
        release(s, s.second[job])
        release(s, s.third[job])
        release(s, s.fourth[job])
        s.failures[e.actor] = 0
        move(s.bond, job, s.fund, pool, s.bond[job])
        if p.sharing == 1:
            share_out(s, e, pool)
        move(s.share, job, b.escrow, job, s.share[job])
    else:
        s.lost[pool] += s.bond[job]
        move(s.bond, job, b.escrow, job, s.bond[job])
    b.prover[job] = e.actor
    settle_job(b, job)


@spec
def share_out(s: State, e: Event, pool: int) -> None:
    """Pay every member of `pool` that is not excluded the same part of the reward; the rest stays for the prover."""
    b, job = s.book, e.job
    count = 0
    for actor in range(len(s.seat)):
        count += s.seat[actor] == pool + 1 and e.time >= s.excluded_until[actor]
    part = s.share[job] // count if count > 0 else 0
    for actor in range(len(s.seat)):
        if s.seat[actor] == pool + 1 and e.time >= s.excluded_until[actor]:
            move(s.share, job, b.cash, actor, part)
            b.paid[job] += part


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Open a job its pool has missed, and exclude who failed; later the bond is the requester's."""
    b, job = s.book, e.job
    pool = s.pool_of[job]
    if b.phase[job] == Phase.ASSIGNED:
        fail(p, s, b.prover[job] + 1, e.time)
        fail(p, s, s.second[job], e.time)
        fail(p, s, s.third[job], e.time)
        fail(p, s, s.fourth[job], e.time)
        move(s.share, job, s.fund, pool, s.share[job])
        open_to_all(b, job, max(b.deadline[job] + p.liability_ms, e.time))
        return
    s.lost[pool] += s.bond[job]
    move(s.bond, job, b.cash, b.requester[job], s.bond[job])
    b.phase[job] = Phase.LOST


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict == Verdict.NOT_YOURS and e.kind == Kind.PROVE and has_copy(s, e.job, e.actor):
        verdict = Verdict.OK if e.time <= s.book.deadline[e.job] else Verdict.LATE
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
