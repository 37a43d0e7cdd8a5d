"""Staked pool: the 32 largest stakes share the jobs by lot; who misses its window is slashed (Taiko alpha-4).

Rules
    A prover names its reward per gas and its capacity (OFFER), then stakes (STAKE): it takes the seat with the lowest
    stake (the lowest number on ties) if that stake is strictly smaller; whoever sat there goes to the exit queue. STAKE
    names the whole new position: the old one is given up first, money in the exit queue is used first, cash pays the
    rest. UNSTAKE gives the seat up, whatever its amount. Exit money can be slashed for 7 days, then WITHDRAW pays it.
    REQUEST draws a seat with capacity left in proportion to max(1, stake // e // e), where e is the asked reward per
    gas clipped to 75-125 % of the fee per gas. Only that prover may prove in the window, clamp(2 x average delay,
    10 min, 90 min); then anyone. With no weight anywhere the job is open to anyone from the start and e is the fee.
    SETTLE, 30 min after the proof, with R = (20_000 + gas) * e: in time, R less up to 250 bips in proportion to the
    delay, and only then the averages of delay and fee move; proven by another, 1.5 R to it and slash(1.5 R); late by
    the assigned prover itself, nothing and slash(R); open from the start, 1.5 R. slash(x) takes the larger of
    25 bips of all that can be slashed, divided by the capacity, and 4 x, out of the exit money first.
    EXPIRE of an open job nobody proved is the proof of the protocol's own oracle: final at once, nobody is paid.
    The requester puts fee * (gas limit + 200_000) aside and pays fee * (gas + 20_000) at the end. A job larger than
    the gas limit raises the limit to its own size, so that any job fits.

Units
    Money in units of a token with 8 decimals, called gwei here; rates per gas; time ms, but the average delay counts
    whole seconds as on chain, which its rounding depends on. The delay penalty is computed in ms.

Randomness
    `e.word` of the REQUEST. The contract takes keccak256(blockhash, block id) mod the total; here `ticket_of`.

Source
    taikoxyz/taiko-mono packages/protocol/contracts/L1/{ProverPool,TaikoConfig}.sol and libs/Lib{Proposing,Proving,
    Verifying,Utils}.sol @42bbc5f98f (2023-08-03). Variants by parameters: Eldfell @3b3317ad99 is (window_percent=300,
    delay_penalty=0, late_paid=1, min_capacity=5); the numbers before 2023-07-25 are (old_slash=1, min_capacity=128,
    open_reward_percent=200), before 2023-07-15 also (delay_penalty=0, late_paid=1), before 2023-07-04 also
    (slash_points=500, change_delay_ms=0).

Literal or intended
    The averages round down on chain, so they can only fall (`intended_averages=1`: they round to nearest and keep
    the rest). Below a fee of 4 the whole-unit clip itself leaves no room upwards, under either. Staking again forgets
    outstanding jobs and fills the capacity up (`intended_capacity=1`: they count). The hour between changes runs
    from the last exit that left money in the queue, so who stakes no less than before may do it at any moment
    (`intended_delay=1`: from the last STAKE). An oracle proof slashes nobody (`oracle_slash=1`: as if rescued).
    Money past its 7 days is not counted by slash(x) but still taken first: kept, no switch.

Simplified
    The fee is escrowed and burnt at the end instead of burnt at once and partly minted back. Burnt fees return to
    `book.reserve`, rewards are minted from it (when it runs dry, what is there is paid); slashed money goes to
    `book.burnt`. Jobs settle one by one, not in the order of the chain. The oracle overwrites no proof. A slashed-out
    prover leaves its seat cleanly, and within the hour between changes as little as others: at this commit it kept a
    stale seat number (issue 14402, mended 2023-08-09) and had no hour to wait.
"""

from typing import Annotated, NamedTuple, TypeAlias

from proofyard.core import (
    BIPS,
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
    accept_proof,
    ask,
    assign,
    bips_of,
    check,
    find_by_scan,
    move,
    mul_div,
    open_to_all,
    out_of_range,
    post_offer,
    refund,
    slash,
    spec,
    ticket_of,
)

SOURCE = "taikoxyz/taiko-mono ProverPool.sol and TaikoL1 libraries @42bbc5f98f (alpha-4, 2023-08-03)"
FAMILY = "staked pool"
ACTIVE_SET = "seats"  # parameter that says how many provers it has
PRICE_PER_UNIT = True  # OFFER asks a price per gas, not per proof
STAKE_NAMES_POSITION = True  # STAKE states the whole new position, not an addition to it

MAX_SEATS = 256  # room in the arrays; the contract also reserves more (1024) than the 32 it uses
NOBODY = -1  # `holder` of an empty seat, `assigned` of a job that was open from the start
MAX_UINT32 = 2**32 - 1  # reward per gas and capacity are uint32 on chain
OLD_MIN_SLASH = 100_000_000  # gwei, 1 token: the least the old rule took
MAX_PARAM = 2**40  # ms or gas; products with rates and percentages stay far below 2**63
PERCENT = 100
SECOND = 1_000  # ms

Seats: TypeAlias = Annotated[Ints, MAX_SEATS]


class Params(NamedTuple):
    """Defaults: the alpha-4 commit named above."""

    seats: int = 32  # provers that can be drawn
    min_capacity: int = 32  # proofs at once a prover must declare; 128 to 2023-07-25, 5 on Eldfell
    min_stake_per_capacity_gwei: int = 10_000  # gwei per declared proof
    slash_points: int = 25  # bips of what can be slashed; 500 to 2023-07-04
    slash_multiplier: int = 4  # times the reward: the least the new rule takes
    old_slash: int = 0  # switch: 1 = the rule to 2023-07-25, not divided by capacity, at least 1 token
    exit_period_ms: int = 604_800_000  # ms in the exit queue, 7 days
    change_delay_ms: int = 3_600_000  # ms between changes of a stake
    min_window_ms: int = 600_000  # ms, least time to prove
    max_window_ms: int = 5_400_000  # ms, most time to prove
    window_percent: int = 200  # percent of the average delay; 300 on Eldfell
    open_reward_percent: int = 150  # percent of the reward for open and rescued jobs; 200 to 2023-07-25
    max_open_jobs: int = 201_600  # jobs open from the start at once; more are refused
    delay_penalty: int = 250  # bips of the reward lost by a proof at the very end of the window; 0 on Eldfell
    late_paid: int = 0  # switch: 1 = a late assigned prover is paid like a rescuer, and slashed (Eldfell)
    cooldown_ms: int = 1_800_000  # ms from proof to settlement
    open_window_ms: int = 86_400_000  # ms an open job waits before the oracle proves it; not in the contract
    gas_limit: int = 6_000_000  # gas the requester is charged for in advance
    anchor_gas: int = 180_000  # gas of the protocol's own transaction, charged in advance
    base_gas: int = 20_000  # gas paid for on top of what the job used
    clip_low_percent: int = 75  # percent of the fee: the least effective reward; 95 in the design document
    clip_high_percent: int = 125  # percent of the fee: the largest effective reward; 105 in the design document
    average_factor: int = 7_200  # weight of the past in both averages, plus 1; 1024 in the design document
    initial_fee_gwei_per_gas: int = 10  # gwei per gas, average fee to begin with
    initial_delay_ms: int = 3_600_000  # ms, average delay to begin with; the deployment script's 60 minutes
    supply_gwei: int = 10**17  # gwei the protocol can mint rewards from, 1e9 tokens
    intended_averages: int = 0  # switch: 1 = averages that can also rise
    intended_capacity: int = 0  # switch: 1 = outstanding jobs still count after staking again
    intended_delay: int = 0  # switch: 1 = the delay between changes always holds
    oracle_slash: int = 0  # switch: 1 = a job that the oracle had to prove slashes the assigned prover


class State(NamedTuple):
    """The book, everybody's position, the seats, the two averages and the terms of each job."""

    book: Book
    stake: GweiByActor  # in a seat
    exiting: GweiByActor  # in the exit queue
    matures: ByActor  # ms, until when exit money can be slashed; afterwards it can be withdrawn
    movable: ByActor  # ms, from when the position may be changed
    price: ByActor  # gwei per gas, as offered; in force from the next STAKE
    capacity: ByActor  # proofs at once, as offered; in force from the next STAKE
    max_capacity: ByActor  # proofs at once, in force
    open_jobs: ByActor  # assigned and not yet released
    seat: ByActor  # seat number from 1, 0 = none
    holder: Seats  # actor, or NOBODY
    asked: Seats  # gwei per gas its holder asked for
    rate: Seats  # gwei per gas a job would be paid: asked, clipped
    free: Seats  # proofs it can still take on
    full: Seats  # weight while it has capacity
    weight: Seats  # weight now: 0 without capacity
    total: Once  # sum of the weights
    fee: Once  # gwei per gas charged
    fee_sum: Once  # `average_factor` times the unrounded fee (intended averages)
    delay: Once  # s, average delay of proofs
    delay_sum: Once  # `average_factor` times the unrounded delay (intended averages)
    open_count: Once  # unsettled jobs that were open from the start
    churn: Once  # how often a seat was taken or given up
    assigned: ByJob  # actor that was drawn, or NOBODY
    gas: ByJob  # gas
    job_fee: ByJob  # gwei per gas charged
    job_rate: ByJob  # gwei per gas paid
    asked_at: ByJob  # ms
    window: ByJob  # ms the assigned prover has
    took: ByJob  # ms from request to proof


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "seats": (1, MAX_SEATS), "min_capacity": (1, MAX_UINT32), "slash_points": (0, BIPS),
        "slash_multiplier": (0, MAX_UINT32), "exit_period_ms": (1, MAX_PARAM), "min_window_ms": (1, p.max_window_ms),
        "window_percent": (1, 100 * PERCENT), "open_reward_percent": (PERCENT, 10 * PERCENT),
        "delay_penalty": (0, BIPS - 1), "clip_low_percent": (0, PERCENT), "clip_high_percent": (PERCENT, 10 * PERCENT),
        "average_factor": (1, 2**20), "initial_fee_gwei_per_gas": (1, MAX_UINT32), "supply_gwei": (0, MAX_GWEI),
    }  # fmt: skip
    for name in ("old_slash", "late_paid", "intended_averages", "intended_capacity", "intended_delay", "oracle_slash"):
        limits[name] = (0, 1)
    return out_of_range(p, limits, (0, MAX_PARAM))


def genesis(p: Params, s: State) -> None:
    """Empty seats, the first averages, and the money rewards are minted from."""
    s.holder[:] = NOBODY
    s.fee[0] = p.initial_fee_gwei_per_gas
    s.fee_sum[0] = p.initial_fee_gwei_per_gas * p.average_factor
    s.delay[0] = p.initial_delay_ms // SECOND
    s.delay_sum[0] = s.delay[0] * p.average_factor
    s.book.reserve[0] = p.supply_gwei


@spec
def set_free(s: State, k: int, free: int) -> None:
    """Leave seat `k` room for `free` proofs; without any it has no weight."""
    s.free[k] = free
    weight = s.full[k] if free > 0 else 0
    s.total[0] += weight - s.weight[k]
    s.weight[k] = weight


@spec
def reweigh(p: Params, s: State, k: int) -> None:
    """Recompute what seat `k` would be paid per gas, and its weight."""
    if s.holder[k] == NOBODY:
        return
    fee = s.fee[0]
    rate = max(fee * p.clip_low_percent // PERCENT, min(s.asked[k], fee * p.clip_high_percent // PERCENT))
    s.rate[k] = rate
    s.full[k] = max(1, s.stake[s.holder[k]] // rate // rate) if rate > 0 else 0
    set_free(s, k, s.free[k])


@spec
def release(p: Params, s: State, actor: int) -> None:
    """Let `actor` be given one job more, now that one is done."""
    s.open_jobs[actor] -= 1
    k = s.seat[actor] - 1
    if k < 0:
        return
    if p.intended_capacity == 1:
        set_free(s, k, max(0, s.max_capacity[actor] - s.open_jobs[actor]))
    else:
        set_free(s, k, min(s.free[k] + 1, s.max_capacity[actor]))


@spec
def offer(p: Params, s: State, e: Event) -> Verdict:
    """Set the terms that the next STAKE brings into force."""
    if e.amount > MAX_UINT32:
        return Verdict.BAD_AMOUNT
    return post_offer(s.price, s.capacity, e, p.min_capacity, MAX_UINT32)


@spec
def stake_in(s: State, k: int, actor: int) -> int:
    """Stake in seat `k`, once `actor` has left its own seat."""
    holder = s.holder[k]
    if holder == NOBODY:
        return 0
    return 0 if holder == actor else int(s.stake[holder])


@spec
def find_lowest(p: Params, s: State, actor: int) -> int:
    """Seat with the lowest stake once `actor` has left its own; the lowest number on ties."""
    lowest = 0
    least = stake_in(s, 0, actor)
    for k in range(1, p.seats):
        held = stake_in(s, k, actor)
        if held < least:
            lowest = k
            least = held
    return lowest


@spec
def withdraw_matured(s: State, actor: int, now: int) -> None:
    """Pay out the exit money of `actor` if its time is over."""
    if now > s.matures[actor]:
        move(s.exiting, actor, s.book.cash, actor, s.exiting[actor])


@spec
def leave(p: Params, s: State, actor: int, now: int) -> None:
    """Empty the seat of `actor`: its stake joins the exit queue, whose time starts again."""
    k = s.seat[actor] - 1
    s.full[k] = 0
    set_free(s, k, 0)
    s.holder[k] = NOBODY
    s.seat[actor] = 0
    move(s.stake, actor, s.exiting, actor, s.stake[actor])
    s.matures[actor] = now + p.exit_period_ms


@spec
def check_stake(p: Params, s: State, e: Event, k: int) -> Verdict:
    """Decide whether `e.actor` may take seat `k` with a stake of `e.amount`."""
    actor = e.actor
    if s.capacity[actor] == 0:  # no offer yet
        return Verdict.BAD_DETAIL
    if e.amount // s.capacity[actor] < p.min_stake_per_capacity_gwei:
        return Verdict.BAD_AMOUNT
    if s.seat[actor] > 0 and e.time < s.movable[actor]:
        return Verdict.EARLY
    if e.amount > s.book.cash[actor] + s.exiting[actor] + s.stake[actor]:
        return Verdict.POOR
    return Verdict.FULL if stake_in(s, k, actor) >= e.amount else Verdict.OK


@spec
def stake(p: Params, s: State, e: Event) -> Verdict:
    """Give up the old position and take the seat with the lowest stake, on the terms last offered."""
    actor = e.actor
    k = find_lowest(p, s, actor)
    verdict = check_stake(p, s, e, k)
    if verdict != Verdict.OK:
        return verdict
    if s.seat[actor] != k + 1:
        s.churn[0] += 1
    withdraw_matured(s, actor, e.time)
    if s.seat[actor] > 0:
        leave(p, s, actor, e.time)
    reused = min(s.exiting[actor], e.amount)
    move(s.exiting, actor, s.stake, actor, reused)
    move(s.book.cash, actor, s.stake, actor, e.amount - reused)
    s.matures[actor] = e.time + p.exit_period_ms
    waits = p.intended_delay == 1 or s.exiting[actor] > 0
    s.movable[actor] = e.time + p.change_delay_ms + 1 if waits else 0
    if s.holder[k] != NOBODY:
        withdraw_matured(s, s.holder[k], e.time)
        leave(p, s, s.holder[k], e.time)
    sit_down(p, s, actor, k)
    return Verdict.OK


@spec
def sit_down(p: Params, s: State, actor: int, k: int) -> None:
    """Put `actor` into the empty seat `k`, on the terms it offered last."""
    s.max_capacity[actor] = s.capacity[actor]
    s.seat[actor] = k + 1
    s.holder[k] = actor
    s.asked[k] = s.price[actor]
    busy = s.open_jobs[actor] if p.intended_capacity == 1 else 0
    s.free[k] = max(0, s.capacity[actor] - busy)
    reweigh(p, s, k)


@spec
def unstake(p: Params, s: State, e: Event) -> Verdict:
    """Leave the seat for the exit queue."""
    if s.seat[e.actor] == 0:
        return Verdict.POOR
    if e.time < s.movable[e.actor]:
        return Verdict.EARLY
    withdraw_matured(s, e.actor, e.time)
    leave(p, s, e.actor, e.time)
    s.churn[0] += 1
    return Verdict.OK


@spec
def withdraw(s: State, e: Event) -> Verdict:
    """Pay out matured exit money: `e.amount`, or all of it for 0."""
    if s.exiting[e.actor] == 0 or e.amount > s.exiting[e.actor]:
        return Verdict.POOR
    if e.time <= s.matures[e.actor]:
        return Verdict.EARLY
    amount = e.amount if e.amount > 0 else s.exiting[e.actor]
    move(s.exiting, e.actor, s.book.cash, e.actor, amount)
    return Verdict.OK


@spec
def compute_window(p: Params, s: State) -> int:
    """Time the prover of a new job has, in ms."""
    wanted = s.delay[0] * SECOND * p.window_percent // PERCENT
    return max(p.min_window_ms, min(wanted, p.max_window_ms))


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Charge the requester for the largest job, and draw a prover or open the job to all."""
    if e.detail < 1 or e.detail > MAX_GWEI:
        return Verdict.BAD_DETAIL
    fee = s.fee[0]
    charge = mul_div(fee, max(p.gas_limit, e.detail) + p.anchor_gas + p.base_gas, 1)
    if charge > e.amount:
        return Verdict.TOO_DEAR
    total = s.total[0]
    if total == 0 and s.open_count[0] >= p.max_open_jobs:
        return Verdict.FULL
    job = e.job
    ask(s.book, e, charge)
    s.gas[job] = e.detail
    s.job_fee[job] = fee
    s.asked_at[job] = e.time
    if total == 0:
        s.assigned[job] = NOBODY
        s.job_rate[job] = fee
        s.open_count[0] += 1
        open_to_all(s.book, job, e.time + p.open_window_ms)
        return Verdict.OK
    k = find_by_scan(s.weight, ticket_of(e.word, total))
    s.assigned[job] = s.holder[k]
    s.job_rate[job] = s.rate[k]
    s.window[job] = compute_window(p, s)
    s.open_jobs[s.holder[k]] += 1
    set_free(s, k, s.free[k] - 1)
    assign(s.book, job, s.holder[k], e.time + s.window[job])
    return Verdict.OK


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Record the first proof; the assigned prover's own frees its capacity at once."""
    b = s.book
    if b.phase[e.job] == Phase.PROVEN:
        return Verdict.WRONG_PHASE
    accept_proof(b, e.job, e.actor, e.time + p.cooldown_ms)
    s.took[e.job] = e.time - s.asked_at[e.job]
    if s.assigned[e.job] == e.actor:
        release(p, s, e.actor)
    return Verdict.OK


@spec
def expire(p: Params, s: State, e: Event) -> Verdict:
    """Open a job whose window was missed to all; let the oracle prove an open job that nobody wanted."""
    b = s.book
    job = e.job
    if b.phase[job] == Phase.ASSIGNED:
        open_to_all(b, job, e.time + p.open_window_ms)
        return Verdict.OK
    settle_fee(p, s, job)
    assigned = s.assigned[job]
    if assigned == NOBODY:
        s.open_count[0] -= 1
    else:
        release(p, s, assigned)
        if p.oracle_slash == 1:
            punish(p, s, assigned, mul_div(compute_reward(p, s, job), p.open_reward_percent, PERCENT), e.time)
    return Verdict.OK


@spec
def settle_fee(p: Params, s: State, job: int) -> None:
    """Take the fee for the gas used, return the rest to the requester, and end the life of `job`."""
    move(s.book.escrow, job, s.book.reserve, 0, s.job_fee[job] * (p.base_gas + s.gas[job]))
    refund(s.book, job)
    s.book.phase[job] = Phase.SETTLED


@spec
def compute_reward(p: Params, s: State, job: int) -> int:
    """Compute the reward of `job` before penalty and premium."""
    return mul_div(s.job_rate[job], p.base_gas + s.gas[job], 1)


@spec
def mint(s: State, job: int, amount: int) -> None:
    """Pay the prover of `job` out of the reserve, as far as that goes."""
    amount = min(amount, s.book.reserve[0])
    move(s.book.reserve, 0, s.book.cash, s.book.prover[job], amount)
    s.book.paid[job] += amount


@spec
def punish(p: Params, s: State, actor: int, reward: int, now: int) -> None:
    """Slash `actor` for a job that earned `reward`, out of its exit money first."""
    at_risk = s.stake[actor] + (s.exiting[actor] if now <= s.matures[actor] else 0)
    if at_risk == 0:
        return
    share = bips_of(at_risk, p.slash_points)
    if p.old_slash == 1:
        wanted = max(share, OLD_MIN_SLASH)
    else:
        wanted = max(share // s.max_capacity[actor], mul_div(reward, p.slash_multiplier, 1))
    amount = min(wanted, at_risk)
    queued = min(amount, s.exiting[actor])
    slash(s.book, actor, s.exiting, actor, s.book.burnt, 0, queued)
    slash(s.book, actor, s.stake, actor, s.book.burnt, 0, amount - queued)
    if s.seat[actor] > 0 and amount > queued:
        reweigh(p, s, s.seat[actor] - 1)


@spec
def average(p: Params, value: Ints, total: Ints, latest: int) -> None:
    """Move the average `value[0]` towards `latest`: literally (it can only fall), or as intended."""
    factor = p.average_factor
    if p.intended_averages == 1:
        total[0] += latest - value[0]
        value[0] = (total[0] + factor // 2) // factor
        return
    mean = (value[0] * (factor - 1) + latest) // factor if value[0] > 0 else latest
    if mean > 0:
        value[0] = mean


@spec
def learn(p: Params, s: State, job: int) -> None:
    """Move both averages by a job proven in time."""
    average(p, s.delay, s.delay_sum, s.took[job] // SECOND)
    before = s.fee[0]
    average(p, s.fee, s.fee_sum, s.job_rate[job])
    if s.fee[0] != before:
        for k in range(p.seats):
            reweigh(p, s, k)


@spec
def settle(p: Params, s: State, e: Event) -> Verdict:
    """Pay whoever proved and slash whoever should have."""
    job = e.job
    assigned = s.assigned[job]
    reward = compute_reward(p, s, job)
    premium = mul_div(reward, p.open_reward_percent, PERCENT)
    settle_fee(p, s, job)
    if assigned == NOBODY:
        s.open_count[0] -= 1
        mint(s, job, premium)
    elif s.book.prover[job] == assigned and s.took[job] <= s.window[job]:
        mint(s, job, reward - mul_div(reward, s.took[job] * p.delay_penalty, BIPS * s.window[job]))
        learn(p, s, job)
    else:
        rescued = s.book.prover[job] != assigned
        if rescued:
            release(p, s, assigned)
        if rescued or p.late_paid == 1:
            reward = premium
            mint(s, job, reward)
        punish(p, s, assigned, reward, e.time)
    return Verdict.OK


@spec
def check_event(s: State, e: Event) -> Verdict:
    """Ask `check`, but let `stake` decide who is too poor: money already staked or in the exit queue counts there."""
    verdict = check(s.book, e)
    return Verdict.OK if e.kind == Kind.STAKE and verdict == Verdict.POOR else verdict


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check_event(s, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.PROVE:
        return prove(p, s, e)
    if e.kind == Kind.SETTLE:
        return settle(p, s, e)
    if e.kind == Kind.EXPIRE:
        return expire(p, s, e)
    if e.kind == Kind.OFFER:
        return offer(p, s, e)
    if e.kind == Kind.STAKE:
        return stake(p, s, e)
    if e.kind == Kind.UNSTAKE:
        return unstake(p, s, e)
    if e.kind == Kind.WITHDRAW:
        return withdraw(s, e)
    return Verdict.UNKNOWN
