"""Leader schedule: who makes the next block goes by stake; a slot missed is lost, and nobody is slashed for it.

Rules
    A slot is a job: REQUEST begins it with the fees of its users, names a leader from the set in force, and gives it
    until the end of the slot (`slot_ms`); PROVE is its block, EXPIRE an empty slot: fees go back, nobody is slashed.
    The set are the `seats` largest in stake, own and delegated (ties to the lower number), of those with
    `min_self_gwei` of their own and `min_total_gwei` in all. `draw_by`: the word of the slot; a beacon renewed once an
    epoch and used `randomness_lag` epochs later, a missed renewal keeping the old one; nothing but the number of the
    slot, so that the schedule is public in advance; or the seats in turn. `weigh_by` stake, or 1 each.
    STAKE adds to a validator's own stake, DELEGATE gives money to one, to one at a time. A change is in force
    `stake_lag` epochs after the one it is made in, and one later in the last `freeze_ms` of it; until then what leaves
    earns and what joins does not. More joining, or leaving, waits anew with what is waiting. Left money can be
    withdrawn `withdraw_epochs` later. Under `change_limit_bips` no more than that share of all stake joins, and no
    more leaves, in an epoch; the rest follows. `delinquent_epochs`: delegations leave a validator that made no block
    for so long. Before the first block, and while no set is in force, stake moves at once.
    A block pays its fees to the leader, and a reward: a sum (`reward_gwei`); or by the curve, whose yearly mint is
    `curve_ppm` of sqrt(stake * supply), spread over the time between blocks, as it was in the last epoch; or by
    shares, the curve's epoch reward times the leader's share of stake, once an epoch (so a job is an attestation).
    Commission goes to the leader, the rest to who stakes with it, in proportion (an accumulator); WITHDRAW collects
    it. `commission_rule`: a change is in force `commission_lag` epochs after the one it is made in, and one later in
    the last `freeze_ms` of it; at once, rises in the first half of an epoch only; it falls freely and rises only under
    a promise (an OFFER whose detail is above 1: ms it lasts, at most a year; its commission is the most until then);
    or it rises by five points at most and again after seven days only.
    TRANSFER gives up to `gift_most_gwei` to who stakes with a validator of the set (`detail`), without commission.
    `target_ms`: a job is an attestation asked for at the epoch's start, and its time, less than so much later, is a
    hash of the leader's stake, the epoch and the leader.
    With `second_bips` there is a second asset (STAKE and UNSTAKE with detail 1, validators only). So much of each
    reward goes to the leader's second stake, and is not minted where it has none; the weight in the draw is
    (1 - share) of the first stake's part of all and share of the second's, and nothing without the first. What comes
    to the second stake, or leaves it, counts when the set is next formed.

Units
    Money in a millionth of a token, called gwei here (all of Monad's 1e11 tokens fit); time ms; rewards of a curve in
    ppm; commission in billionths: OFFER's amount, so an ask of 0.1 with nine decimals is 10 %; its detail is 1.

Randomness
    `e.word` of REQUEST, by `ticket_of`: of the slot, or at the first slot of an epoch for the beacon. Beacon, public
    schedule and targets are hashes of our own, 31 bits at a time, in the place of keccak, ChaCha20 and Poseidon: as
    evenly spread, other values.

Source
    Monad: category-labs/monad-bft @532472d5, monad @c67c9f22 (staking precompile 0x1000); the default. Starknet:
    starknet-io/SNIPs @0bf59d7f (18, 28, 31), starkware-libs/starknet-staking @7a7add26, sequencer @60161ba7, and part
    II of the decentralisation series (community.starknet.io/t/4751). Solana: solana-program/stake, SIMD-0249. Aztec:
    AztecProtocol/l1-contracts @c427d0ba. The parameters of each, former and current, are in docs/failures.

Literal or intended
    Nobody is slashed, as in the code of Monad (a double-sign flag is never set), of Starknet and of Solana; Aztec does
    slash, which is left out. Solana's commission at once was literal ("rugging": raise, collect, lower); since
    SIMD-0249 it is `commission_rule = 0, commission_lag = 2`. Starknet's epoch lag is 1 in the documents and 2 in the
    code of v3.

Simplified
    Epochs go by time instead of by blocks, and turn with the first block after their end, which the old set still
    makes. Consensus, timeouts, votes and re-proposals are left out, and Aztec's committee: who proposes is uniform
    over all either way. Fees and their burning are `block_fees`. Solana pays by votes; here by blocks. A delegation
    cannot change its validator without leaving first (Starknet's can), nor leave while it joins, if there is a set.
    Rewards are not staked again by themselves. Below a millionth of a token everything is rounded down, and what cannot
    be shared out goes to the leader. When the mintable supply is used up, what is there is paid. Who leaves while no
    set is in force leaves at once; what was already leaving is withdrawn when its time has come.
"""

from typing import Annotated, NamedTuple

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
    Tree,
    Verdict,
    ask,
    assign,
    bips_of,
    check,
    compute_root,
    find,
    lose_job,
    move,
    mul_div,
    out_of_range,
    set_weight,
    settle_job,
    spec,
    ticket_of,
    total_weight,
    word_of,
)

SOURCE = "Monad (monad-bft @532472d5, monad @c67c9f22), Starknet (starknet-staking @7a7add26), Solana, Aztec @c427d0ba"
FAMILY = "chain"
ACTIVE_SET = "seats"  # parameter that says how many provers it has

BY_WORD, BY_BEACON, PUBLIC, IN_TURN = 0, 1, 2, 3  # `draw_by`
BY_STAKE, EQUALLY = 0, 1  # `weigh_by`
NEXT_EPOCH, AT_ONCE, PROMISED, STEPWISE = 0, 1, 2, 3  # `commission_rule`
STEP, STEP_MS = 50_000_000, 7 * 86_400_000  # stepwise: billionths a rise, at most; ms until the next
FIXED, CURVE, SHARES = 0, 1, 2  # `reward_by`
SECOND = 1  # detail of STAKE and UNSTAKE: the second asset
BILLION = 10**9  # whole of a commission
PPM = 10**6
YEAR_MS = 365 * 86_400_000
UNIT_BITS = 56
UNIT = 2**UNIT_BITS  # accumulators count 2**-56 gwei per gwei of stake
MAX_ACC = 2**61  # 32 gwei per gwei of stake: beyond it everything is the leader's
POWER = 2**30  # weight of all stake, where two assets are weighed
MAX_MS = 2**40  # 35 years
MAX_LAG = 8  # epochs


class Params(NamedTuple):
    """Defaults: Monad from 23 July 2026 (v0.12)."""

    slot_ms: int = 300  # ms a leader has for its block; 400 to July 2026
    earliest_ms: int = 0  # ms from the slot's start (the target) within which a block (an attestation) comes too early
    target_ms: int = 0  # ms after the request within which an attestation's target falls; 0 = at the request
    epoch_ms: int = 15_000_000  # ms, 50,000 blocks; 20_000_000 at the former pace
    freeze_ms: int = 1_500_000  # ms at the end of an epoch in which changes wait one more; 5,000 rounds
    stake_lag: int = 1  # epochs until a change of stake is in force
    randomness_lag: int = 0  # epochs between a beacon's renewal and its use
    draw_by: int = PUBLIC  # 0 the slot's word, 1 beacon, 2 number of the slot, 3 in turn
    slots_per_leader: int = 1  # slots in a row of one leader (beacon and public schedule)
    weigh_by: int = BY_STAKE  # 0 stake, 1 one each
    seats: int = 200  # validators in the set
    min_self_gwei: int = 10**11  # of its own a validator needs
    min_total_gwei: int = 10**13  # own and delegated a validator needs; 2.5e13 earlier
    whole_exit: int = 0  # switch: 1 = a validator's own stake leaves whole, whatever the amount
    withdraw_epochs: int = 1  # epochs left money waits
    change_limit_bips: int = 0  # bips of all stake that join, and that leave, in an epoch; 0 = no limit
    delinquent_epochs: int = 0  # epochs without a block after which delegations leave; 0 = never
    commission_rule: int = NEXT_EPOCH  # 0 by epochs, 1 at once (rises in the first half only), 2 promised, 3 stepwise
    commission_lag: int = 1  # epochs until a change is in force, by epochs; 2 on Solana
    reward_by: int = FIXED  # 0 a sum, 1 the curve a block, 2 the curve by share of stake, once an epoch
    reward_gwei: int = 18_000_000  # a block; 25_000_000 earlier
    reward_from: int = 0  # first epoch that is paid for; 747 on Monad
    curve_ppm: int = 40_000  # yearly mint over sqrt(stake * supply); Starknet's C = 4.00
    curve_floor_ppm: int = 0  # staked share below which the yearly rate stays as it is there
    pace_low_ms: int = 300  # ms, least time between blocks the curve counts; 2000 on Starknet
    pace_high_ms: int = 300  # ms, most; 5000 on Starknet
    second_bips: int = 0  # bips of reward and weight for the second asset
    supply_gwei: int = 10**17  # of the token, for the curve
    mintable_gwei: int = 10**17  # that rewards are minted from
    gift_most_gwei: int = 10**13  # in one gift to who stakes with a validator; 0 = none. The least is below a unit


class State(NamedTuple):
    """The book, everybody's position, each validator's terms and accumulator, the set, and the beacon."""

    book: Book
    stake: GweiByActor  # in force; of a validator its own, of others what they delegate
    joining: GweiByActor  # not yet in force
    joins: ByActor  # epoch from which it is in force
    leaving: GweiByActor  # in force until it has left
    leaves: ByActor  # epoch
    exiting: GweiByActor  # has left
    matures: ByActor  # epoch from which it can be withdrawn
    second: GweiByActor  # of the second asset
    second_counts: ByActor  # gwei of it, as it was when the set was formed (a record)
    claimable: GweiByActor  # rewards that can be withdrawn
    owed: GweiByActor  # rewards of those who stake with the validator, not yet told apart
    operator_of: ByActor  # whom the position is with; the validator itself for its own
    acc: ByActor  # 2**-56 gwei a gwei of stake has earned with the validator
    acc_in: ByActor  # that number when the position was last settled
    backing: ByActor  # gwei, own and delegated, in force (a record)
    pool: ByActor  # gwei others gave the validator, in force or joining (a record)
    commission: ByActor  # billionths
    next_commission: ByActor  # billionths, named last
    next_from: ByActor  # epoch from which that is in force
    queued_commission: ByActor  # billionths, named before it
    queued_from: ByActor  # epoch from which that is in force till then; 0 = it is already, or none
    named: ByActor  # 1 once it made an OFFER
    promise: ByActor  # billionths, the most it may rise to
    promised_until: ByActor  # ms; stepwise: until then it does not rise again
    seat: ByActor  # number in the set, from 1; 0 = none
    weight: Tree  # in the draw
    last_made: ByActor  # epoch of the last block, or of joining the set
    rewarded: ByActor  # epoch + 1 of the last reward by shares
    staked: Once  # gwei in the set
    second_staked: Once  # gwei of the second asset in the set
    seated: Once  # validators in the set
    churn: Once  # how often a seat was taken or given up
    epoch: Once  # in force
    began: Once  # ms, when it began
    made: Once  # blocks in it
    pace: Once  # ms between blocks, as it was in the last epoch
    slots: Once  # begun so far
    beacon: Annotated[Ints, MAX_LAG + 1]  # words, the epoch's own first
    pool_paid: ByJob  # gwei credited to the leader's delegators (a record)


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "slot_ms": (1, MAX_MS), "earliest_ms": (0, p.slot_ms), "target_ms": (0, MAX_MS), "epoch_ms": (1, MAX_MS),
        "freeze_ms": (0, p.epoch_ms),
        "stake_lag": (0, MAX_LAG), "randomness_lag": (0, MAX_LAG), "draw_by": (BY_WORD, IN_TURN),
        "slots_per_leader": (1, PPM), "weigh_by": (BY_STAKE, EQUALLY), "seats": (1, PPM),
        "min_self_gwei": (1, MAX_GWEI),
        "whole_exit": (0, 1), "withdraw_epochs": (0, PPM), "change_limit_bips": (0, BIPS),
        "commission_lag": (1, 2 if p.freeze_ms == 0 else 1),
        "delinquent_epochs": (0, PPM), "commission_rule": (NEXT_EPOCH, STEPWISE), "reward_by": (FIXED, SHARES),
        "curve_ppm": (0, PPM), "curve_floor_ppm": (0, PPM), "pace_low_ms": (1, MAX_MS),
        "pace_high_ms": (p.pace_low_ms, MAX_MS), "second_bips": (0, BIPS), "supply_gwei": (1, MAX_GWEI),
        "mintable_gwei": (0, MAX_GWEI // 2),
    }  # fmt: skip
    return out_of_range(p, limits, (0, MAX_GWEI))


def genesis(p: Params, s: State) -> None:
    """Set aside what rewards are minted from, and a first guess of the pace."""
    s.book.reserve[0] = p.mintable_gwei
    s.pace[0] = max(p.pace_low_ms, min(p.slot_ms, p.pace_high_ms))


# Who is drawn.


@spec
def draw(p: Params, s: State, word: int) -> int:
    """Leader of the next slot; there is a set in force."""
    slot = int(s.slots[0])
    if p.draw_by == IN_TURN:
        wanted = slot % s.seated[0] + 1
        for v in range(len(s.seat)):
            if s.seat[v] == wanted:
                return v
    if p.draw_by == BY_BEACON:
        word = word_of(s.beacon[p.randomness_lag], slot // p.slots_per_leader)
    elif p.draw_by == PUBLIC:
        word = word_of(0, slot // p.slots_per_leader)
    return find(s.weight, ticket_of(word, total_weight(s.weight)))


@spec
def compute_target(p: Params, s: State, leader: int, epoch: int) -> int:
    """Time of the leader's attestation, ms after the request: a hash of its stake, the epoch and itself."""
    if p.target_ms == 0:
        return 0
    return ticket_of(word_of(word_of(s.backing[leader], epoch), leader), p.target_ms)


@spec
def compute_candidacy(p: Params, s: State, v: int) -> int:
    """Stake that counts for a place in the set, 0 for who may not sit."""
    if s.operator_of[v] != v or s.stake[v] + s.leaving[v] < p.min_self_gwei:
        return 0
    return s.backing[v] if s.backing[v] >= p.min_total_gwei else 0


@spec
def is_in_set(p: Params, s: State, v: int, candidates: int) -> bool:
    """Say whether fewer than `seats` candidates come before `v`."""
    own = compute_candidacy(p, s, v)
    if own == 0 or candidates <= p.seats:
        return own > 0
    before = 0
    for other in range(len(s.seat)):
        theirs = compute_candidacy(p, s, other)
        if theirs > own or (theirs == own and other < v):
            before += 1
    return before < p.seats


@spec
def compute_weight(p: Params, s: State, v: int) -> int:
    """Weight of a member of the set in the draw."""
    if p.weigh_by == EQUALLY:
        return 1
    if p.second_bips == 0:
        return s.backing[v]
    first = mul_div(s.backing[v], POWER, s.staked[0]) * (BIPS - p.second_bips)
    second = mul_div(s.second_counts[v], POWER, s.second_staked[0]) * p.second_bips if s.second_staked[0] > 0 else 0
    return first + second


@spec
def form_set(p: Params, s: State) -> None:
    """Seat the largest and give them their weight."""
    candidates = 0
    for v in range(len(s.seat)):
        if compute_candidacy(p, s, v) > 0:
            candidates += 1
    s.staked[0], s.second_staked[0], s.seated[0] = 0, 0, 0
    for v in range(len(s.seat)):
        sits = is_in_set(p, s, v, candidates)
        if sits != (s.seat[v] > 0):
            s.churn[0] += 1
            s.last_made[v] = s.epoch[0]
        s.seat[v] = 0
        s.second_counts[v] = s.second[v]
        if sits:
            s.seated[0] += 1
            s.seat[v] = s.seated[0]
            s.staked[0] += s.backing[v]
            s.second_staked[0] += s.second[v]
    for v in range(len(s.seat)):
        set_weight(s.weight, v, compute_weight(p, s, v) if s.seat[v] > 0 else 0)


# How stake comes and goes.


@spec
def is_idle(s: State) -> bool:
    """Say whether no block was ever made or no set is in force: stake then moves at once."""
    return s.slots[0] == 0 or total_weight(s.weight) == 0


@spec
def when_in_force(p: Params, now: int) -> int:
    """Epoch from which a change made now is in force."""
    return (now + p.freeze_ms) // p.epoch_ms + p.stake_lag


@spec
def compute_pending(s: State, a: int) -> int:
    """Rewards of `a` since its position was last settled, rounded down."""
    v = s.operator_of[a]
    return mul_div(s.stake[a] + s.leaving[a], s.acc[v] - s.acc_in[a], UNIT)


@spec
def settle(s: State, a: int) -> None:
    """Give `a` the rewards of its position so far; wanted before every change of it."""
    v = int(s.operator_of[a])
    move(s.owed, v, s.claimable, a, compute_pending(s, a))
    s.acc_in[a] = s.acc[v]


@spec
def begin_earning(s: State, a: int, amount: int) -> None:
    """Bring `amount` of what is joining into force."""
    settle(s, a)
    move(s.joining, a, s.stake, a, amount)
    s.backing[s.operator_of[a]] += amount


@spec
def stop_earning(p: Params, s: State, a: int, amount: int, epoch: int) -> None:
    """Let `amount` of what is leaving be gone; all left money of `a` waits from now."""
    settle(s, a)
    move(s.leaving, a, s.exiting, a, amount)
    s.matures[a] = epoch + p.withdraw_epochs
    s.backing[s.operator_of[a]] -= amount


@spec
def compute_reach(s: State, a: int) -> int:
    """Stake that `a` can let go of: what is in force and, while no set is, what waits to join one."""
    return s.stake[a] + (s.joining[a] if is_idle(s) else 0)


@spec
def begin_leaving(p: Params, s: State, a: int, amount: int, now: int) -> None:
    """Let `amount` in force leave when its time has come; with no set in force at once, what joins first."""
    v = s.operator_of[a]
    if is_idle(s):
        begin_earning(s, a, s.joining[a])
    move(s.stake, a, s.leaving, a, amount)
    s.leaves[a] = when_in_force(p, now)
    if v != a:
        s.pool[v] -= amount
    if is_idle(s):
        stop_earning(p, s, a, s.leaving[a], now // p.epoch_ms)
        form_set(p, s)


@spec
def part_of(p: Params, amount: int, limit: int, changing: int) -> int:
    """Part of `amount` that may change in this epoch, when `changing` in all would and `limit` may."""
    if p.change_limit_bips == 0:
        return amount
    return min(amount, max(1, mul_div(amount, limit, changing)))


@spec
def change_stake(p: Params, s: State, epoch: int) -> None:
    """Let what is due join and leave, within the limit on each."""
    staked, joining, leaving = 0, 0, 0
    for a in range(len(s.stake)):
        staked += s.backing[a]
        joining += s.joining[a] if s.joins[a] <= epoch else 0
        leaving += s.leaving[a] if s.leaves[a] <= epoch else 0
    limit = bips_of(staked, p.change_limit_bips)
    for a in range(len(s.stake)):
        if s.leaving[a] > 0 and s.leaves[a] <= epoch:
            stop_earning(p, s, a, part_of(p, s.leaving[a], limit, leaving), epoch)
        if s.joining[a] > 0 and s.joins[a] <= epoch:
            begin_earning(s, a, part_of(p, s.joining[a], limit, joining))


@spec
def leave_delinquents(p: Params, s: State, now: int) -> None:
    """Let delegations leave who made no block for too long."""
    for a in range(len(s.stake)):
        v = s.operator_of[a]
        if v != a and s.stake[a] > 0 and s.last_made[v] + p.delinquent_epochs <= s.epoch[0]:
            begin_leaving(p, s, a, s.stake[a], now)


@spec
def turn_epoch(p: Params, s: State, e: Event) -> None:
    """Begin the epoch of `e`: renew the beacon, let stake change, choose the set, put commissions in force."""
    epoch = e.time // p.epoch_ms
    passed = epoch - s.epoch[0]
    for k in range(MAX_LAG, 0, -1):
        s.beacon[k] = s.beacon[max(0, k - passed)]  # epochs without a block renewed nothing
    s.beacon[0] = e.word
    if s.made[0] > 0:
        s.pace[0] = max(p.pace_low_ms, min((e.time - s.began[0]) // s.made[0], p.pace_high_ms))
    s.epoch[0], s.began[0], s.made[0] = epoch, e.time, 0
    change_stake(p, s, epoch)
    if p.delinquent_epochs > 0:
        leave_delinquents(p, s, e.time)
    form_set(p, s)
    for v in range(len(s.seat)):
        if s.next_from[v] <= epoch:
            s.commission[v] = s.next_commission[v]
        elif 0 < s.queued_from[v] <= epoch:
            s.commission[v] = s.queued_commission[v]


# The life of a slot.


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Begin a slot: name its leader. The first slot of an epoch is still the old set's."""
    if total_weight(s.weight) == 0:
        return Verdict.NO_PROVER
    if s.slots[0] == 0:
        for k in range(MAX_LAG + 1):
            s.beacon[k] = e.word
    ask(s.book, e, e.amount)
    leader = draw(p, s, e.word)
    assign(s.book, e.job, leader, e.time + p.slot_ms + compute_target(p, s, leader, e.time // p.epoch_ms))
    s.slots[0] += 1
    if e.time // p.epoch_ms > s.epoch[0]:
        turn_epoch(p, s, e)
    return Verdict.OK


@spec
def compute_yearly(p: Params, staked: int) -> int:
    """Mint of a year: proportional to sqrt(stake), or to stake below the floor."""
    floor = mul_div(p.supply_gwei, p.curve_floor_ppm, PPM)
    if staked < floor:
        return mul_div(mul_div(compute_root(floor, p.supply_gwei), p.curve_ppm, PPM), staked, floor)
    return mul_div(compute_root(staked, p.supply_gwei), p.curve_ppm, PPM)


@spec
def compute_reward(p: Params, s: State) -> int:
    """Reward of a block, or of an epoch of attestations, for both assets."""
    if s.epoch[0] < p.reward_from:
        return 0
    if p.reward_by == FIXED:
        return p.reward_gwei
    return mul_div(compute_yearly(p, s.staked[0]), s.pace[0] if p.reward_by == CURVE else p.epoch_ms, YEAR_MS)


@spec
def share_out(s: State, purse: Ints, i: int, v: int, amount: int) -> int:
    """Give `amount` of `purse[i]` to who stakes with `v`; what cannot be shared out goes to `v`. Say how much was."""
    backing = s.backing[v]
    shared = 0
    if backing > 0:
        rise = min(mul_div(amount, UNIT, backing), MAX_ACC - s.acc[v])
        shared = min(amount, mul_div(rise, backing, UNIT) + 1)
        s.acc[v] += rise
    move(purse, i, s.owed, v, shared)
    move(purse, i, s.book.cash, v, amount - shared)
    return shared


@spec
def credit(s: State, job: int, leader: int, reward: int) -> None:
    """Mint `reward`: commission to the leader, the rest to who stakes with it."""
    b = s.book
    backing = s.backing[leader]
    own = s.stake[leader] + s.leaving[leader] if s.operator_of[leader] == leader else 0  # or it has gone to another
    fee = mul_div(reward, s.commission[leader], BILLION)
    move(b.reserve, 0, b.cash, leader, fee)
    shared = share_out(s, b.reserve, 0, leader, reward - fee)
    delegated = mul_div(shared, backing - own, backing) if shared > 0 else 0
    b.paid[job] += reward - delegated
    s.pool_paid[job] += delegated


@spec
def reward_leader(p: Params, s: State, job: int, leader: int) -> None:
    """Pay the reward of a block, or of the leader's attestation, in each asset's part."""
    b = s.book
    reward = compute_reward(p, s)
    second = bips_of(reward, p.second_bips)
    first = reward - second
    if p.reward_by == SHARES:
        due = s.rewarded[leader] <= s.epoch[0] and s.seat[leader] > 0
        first = mul_div(first, s.backing[leader], s.staked[0]) if due else 0
        second = mul_div(second, s.second_counts[leader], s.second_staked[0]) if due and s.second_staked[0] > 0 else 0
        s.rewarded[leader] = s.epoch[0] + 1
    credit(s, job, leader, min(first, b.reserve[0]))
    if s.second_counts[leader] > 0:
        second = min(second, b.reserve[0])
        move(b.reserve, 0, b.cash, leader, second)
        b.paid[job] += second


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Take the block: fees and reward to its leader."""
    b = s.book
    if e.time < b.deadline[e.job] - p.slot_ms + p.earliest_ms:
        return Verdict.EARLY
    settle_job(b, e.job)
    reward_leader(p, s, e.job, e.actor)
    s.made[0] += 1
    s.last_made[e.actor] = s.epoch[0]
    return Verdict.OK


@spec
def expire(s: State, e: Event) -> Verdict:
    """Leave the slot empty; its users have their fees back, and nobody is slashed."""
    lose_job(s.book, e.job)
    return Verdict.OK


# Accounts.


@spec
def offer(p: Params, s: State, e: Event) -> Verdict:
    """Name a commission, or promise that it will stay below one."""
    v = e.actor
    if e.amount > BILLION:
        return Verdict.BAD_AMOUNT
    promises = p.commission_rule == PROMISED and e.detail > 1
    if e.detail < 1 or (promises and (e.detail > YEAR_MS or e.time < s.promised_until[v])):
        return Verdict.BAD_DETAIL
    rises = s.named[v] == 1 and e.amount > s.commission[v] and not promises
    if promises and e.amount < s.commission[v]:
        return Verdict.BAD_AMOUNT
    if rises and p.commission_rule == PROMISED and (e.time >= s.promised_until[v] or e.amount > s.promise[v]):
        return Verdict.TOO_DEAR
    if rises and p.commission_rule == AT_ONCE and e.time % p.epoch_ms * 2 > p.epoch_ms:
        return Verdict.EARLY
    if rises and p.commission_rule == STEPWISE:
        if e.time < s.promised_until[v]:
            return Verdict.EARLY
        if e.amount > s.commission[v] + STEP:
            return Verdict.TOO_DEAR
        s.promised_until[v] = e.time + STEP_MS
    if promises:
        s.promise[v] = e.amount
        s.promised_until[v] = e.time + e.detail
    if s.named[v] == 0 or (p.commission_rule != NEXT_EPOCH and not promises):
        s.commission[v] = s.next_commission[v] = e.amount
    elif not promises:
        name_commission(p, s, v, e)
    s.named[v] = 1
    return Verdict.OK


@spec
def name_commission(p: Params, s: State, v: int, e: Event) -> None:
    """Let a commission be in force from a later epoch on, and what was named before it until then."""
    begins = (e.time + p.freeze_ms) // p.epoch_ms + p.commission_lag
    if s.next_from[v] <= s.epoch[0]:
        s.queued_from[v] = 0
    elif s.next_from[v] < begins:
        s.queued_commission[v], s.queued_from[v] = s.next_commission[v], s.next_from[v]
    s.next_commission[v], s.next_from[v] = e.amount, begins


@spec
def join(p: Params, s: State, e: Event, v: int) -> Verdict:
    """Put money with validator `v`, which may be the actor itself."""
    a = e.actor
    if s.operator_of[a] != v:
        if s.stake[a] + s.joining[a] + s.leaving[a] > 0:
            return Verdict.FULL
        s.operator_of[a] = v
        s.acc_in[a] = s.acc[v]
    move(s.book.cash, a, s.joining, a, e.amount)
    s.joins[a] = when_in_force(p, e.time)
    if v != a:
        s.pool[v] += e.amount
    if is_idle(s):
        begin_earning(s, a, s.joining[a])
        form_set(p, s)
    return Verdict.OK


@spec
def stake(p: Params, s: State, e: Event) -> Verdict:
    """Add to a validator's own stake, or to its second."""
    a = e.actor
    if p.second_bips == 0 or e.detail != SECOND:
        return join(p, s, e, a)
    if s.operator_of[a] != a or s.stake[a] + s.joining[a] == 0:
        return Verdict.BAD_DETAIL
    move(s.book.cash, a, s.second, a, e.amount)
    if is_idle(s):
        form_set(p, s)
    return Verdict.OK


@spec
def delegate(p: Params, s: State, e: Event) -> Verdict:
    """Give money to a validator."""
    v = e.detail
    if v < 0 or v >= len(s.stake) or v == e.actor or s.operator_of[v] != v or s.stake[v] + s.joining[v] == 0:
        return Verdict.BAD_DETAIL
    return join(p, s, e, v)


@spec
def give(p: Params, s: State, e: Event) -> Verdict:
    """Share a gift out among all who stake with a validator, without commission."""
    v = e.detail
    if v < 0 or v >= len(s.seat) or s.seat[v] == 0 or s.backing[v] == 0:
        return Verdict.BAD_DETAIL
    if e.amount > p.gift_most_gwei:
        return Verdict.BAD_AMOUNT
    share_out(s, s.book.cash, e.actor, v, e.amount)
    return Verdict.OK


@spec
def unstake(p: Params, s: State, e: Event) -> Verdict:
    """Let own stake leave, or second stake wait."""
    a = e.actor
    if p.second_bips > 0 and e.detail == SECOND:
        if e.amount > s.second[a]:
            return Verdict.POOR
        move(s.second, a, s.exiting, a, e.amount)
        s.matures[a] = when_in_force(p, e.time) + p.withdraw_epochs
        if is_idle(s):
            form_set(p, s)
        return Verdict.OK
    if s.operator_of[a] != a:
        return Verdict.POOR
    reach = compute_reach(s, a)
    if p.whole_exit == 1 and reach < s.stake[a] + s.joining[a]:
        return Verdict.EARLY
    amount = reach if p.whole_exit == 1 else e.amount
    if amount > reach or amount == 0:
        return Verdict.POOR
    begin_leaving(p, s, a, amount, e.time)
    return Verdict.OK


@spec
def undelegate(p: Params, s: State, e: Event) -> Verdict:
    """Let a delegation leave."""
    a = e.actor
    if s.operator_of[a] != e.detail or e.detail == a:
        return Verdict.BAD_DETAIL
    if e.amount > compute_reach(s, a):
        return Verdict.POOR
    begin_leaving(p, s, a, e.amount, e.time)
    return Verdict.OK


@spec
def withdraw(p: Params, s: State, e: Event) -> Verdict:
    """Pay out rewards and what has left long enough: `e.amount`, rewards first, or all of it for 0."""
    a, epoch = e.actor, e.time // p.epoch_ms
    rewards = s.claimable[a] + compute_pending(s, a)
    going = s.leaving[a] if is_idle(s) else 0  # no block will tell that it has left
    if rewards + s.exiting[a] + going == 0:
        return Verdict.POOR
    going = going if epoch >= s.leaves[a] + p.withdraw_epochs else 0
    left = going + (s.exiting[a] if epoch >= s.matures[a] else 0)
    if rewards + left == 0:
        return Verdict.EARLY
    if e.amount > rewards + left:
        return Verdict.POOR
    amount = e.amount if e.amount > 0 else rewards + left
    settle(s, a)
    move(s.leaving, a, s.exiting, a, going)
    s.backing[s.operator_of[a]] -= going
    first = min(amount, rewards)
    move(s.claimable, a, s.book.cash, a, first)
    move(s.exiting, a, s.book.cash, a, amount - first)
    return Verdict.OK


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.PROVE:
        return prove(p, s, e)
    if e.kind == Kind.EXPIRE:
        return expire(s, e)
    if e.kind == Kind.OFFER:
        return offer(p, s, e)
    if e.kind == Kind.STAKE:
        return stake(p, s, e)
    if e.kind == Kind.UNSTAKE:
        return unstake(p, s, e)
    if e.kind == Kind.DELEGATE:
        return delegate(p, s, e)
    if e.kind == Kind.UNDELEGATE:
        return undelegate(p, s, e)
    if e.kind == Kind.TRANSFER:
        return give(p, s, e)
    if e.kind == Kind.WITHDRAW:
        return withdraw(p, s, e)
    return Verdict.UNKNOWN
