"""Proof puzzle: who computes most shares each block's reward, whatever anybody needs proven, up to a stake (Aleo).

Rules
    A job is a block, REQUEST begins it and pays nothing. A solution of target t takes t tries on average; it is valid
    from the proof target on, T / 4 + 1 of the coinbase target T, and a block holds four at most.
    Under `standing` OFFER declares a rate (detail: tries a second), tries add up with time, every proof target's worth
    of them is a solution, and the solvers are drawn in proportion to rate. Without, PROVE hands a solution in: its
    hash is `word`, its target 2^62 / (word + 1).
    ARC-46: in an epoch of 360 blocks a prover has at most stake / requirement solutions; one more is aborted.
    `block_ms` after its beginning a block with solutions is settled: it mints anchor reward x min(sum of targets, what
    the coinbase target has left) / T, two thirds of it for the solvers in proportion to target. Once the targets since
    the last coinbase reach T / 2, T becomes T x 2^(-(dt - 25) / 4500), dt being the seconds since then, but never less
    than `least_target`. The anchor reward falls in a straight line to its value in year 9.
    STAKE and UNSTAKE, `unbond_ms` later WITHDRAW (0 = all); nothing is slashed.

Units
    Money microcredits (6 decimals), called gwei here; targets in tries; time ms, retargeting counts whole seconds.

Randomness
    `e.word` of REQUEST: the first solver, by `ticket_of`; further ones of the block stand at equal distances from it.

Source
    ProvableHQ/snarkVM ledger/block/src/helpers/target.rs @3d42aa0, read @8ec0ab39; ARC-46: snarkVM PR 2734 (2025-06)
    and the schedule published with it. Anchor reward by time as from consensus version 2 on. Versions 15 and 16,
    mainnet's blocks 19,264,000 to 19,860,000: `anchor_s=35, half_life_s=6300` (consensus_heights.rs @01404de4).

Literal or intended
    The retargeting is the fixed-point approximation of the code, bit for bit; division towards zero included. The
    reward's anchor time is 25 // 10 = 2 blocks (with 25 the bound of 190,258,739 would be passed), whatever `anchor_s`.
    `requirement_gwei = 0` is the puzzle before ARC-46.

Simplified
    Mainnet mints nothing from its MAX_SUPPLY_LIMIT_HEIGHT on; here `supply_gwei` is the end.
    The third of the reward that goes to stakers, staking rewards and fees are not minted here. Under `standing` tries
    become solutions without luck, each of exactly the proof target, at most four's worth is carried on, and whoever
    is aborted has worked in vain. The epoch's circuit and the uniqueness of solutions beyond a block are left out.
    `book.prover` is the first solver of a block, `book.paid` what all got; `earned` has it by actor.

Failure modes
    It pays for speed, not for anything useful, and there is no requester. All work beyond the cap is waste, and the
    cap pays those with stake: a share of the rewards needs stake in proportion to it, whatever the machine.
"""

from typing import NamedTuple

from proofyard.core import (
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    GweiByActor,
    Kind,
    Once,
    Phase,
    Verdict,
    check,
    find_by_scan,
    move,
    mul_div,
    mul_shift,
    open_to_all,
    out_of_range,
    post_offer,
    spec,
    take_out_matured,
    ticket_of,
)

SOURCE = "Aleo, ProvableHQ/snarkVM target.rs@3d42aa0; ARC-46 (snarkVM PR 2734)"
FAMILY = "shared reward"

CREDIT = 10**6  # microcredits
SECOND = 1_000  # ms
DAY_S = 86_400  # s
YEAR_S = 365 * DAY_S
MAX_MS = 2**48  # ms
MAX_TARGET = 2**57  # four of them add up
MAX_RATE = 2**31
REWARD_ANCHOR = 25 // 10  # blocks, REWARD_ANCHOR_TIME
SOLUTIONS = 4  # a block, 2**MAX_SOLUTIONS_AS_POWER_OF_TWO
HASH_BITS = 62
RADIX_BITS = 16  # of the fixed-point retargeting
RADIX = 1 << RADIX_BITS
CUBIC = (195_766_423_245_049, 971_821_376, 5_127)  # of 2**x, in 2**-48: aserti3-2d
LIMB = 24  # bits
FROM_SCHEDULE = -1  # requirement_gwei
# Days after 2025-07-31 from which a solution needs so many thousand credits.
SCHEDULE_DAYS = (0, 92, 184, 273, 365, 457, 549, 638, 730)
SCHEDULE_KILO = (100, 250, 500, 750, 1_000, 1_250, 1_500, 2_000, 2_500)


class Params(NamedTuple):
    """Defaults: mainnet's constants; the beginning of its first day and of ARC-46's."""

    block_ms: int = 10_000  # ms of a block
    epoch_blocks: int = 360  # blocks of an epoch
    anchor_s: int = 25  # s between coinbases at which T stays
    half_life_s: int = 4_500  # s later at which it halves: epoch_blocks // 2 * anchor_s
    least_target: int = 2**29 - 1  # tries, the mainnet's coinbase target of genesis and its floor
    supply_gwei: int = 1_500_000_000 * CREDIT  # gwei, starting supply; as much can be minted
    age_days: int = 0  # days since the chain's genesis when the market begins
    requirement_gwei: int = FROM_SCHEDULE  # gwei of stake per solution and epoch; 0 = no cap, -1 = the schedule
    arc_days: int = 0  # days since 2025-07-31 when the market begins; negative = before
    unbond_ms: int = 3_600_000  # ms from unstaking to withdrawing (360 blocks)
    standing: int = 1  # switch: 0 = solutions are handed in


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # what the cap on solutions goes by
    exiting: GweiByActor  # unstaked, not yet withdrawn
    matures: ByActor  # ms, from when it can be withdrawn
    price: ByActor  # gwei, as offered: ignored
    capacity: ByActor  # tries a second, as declared
    solved: ByActor  # solutions in epoch `epoch_of`
    epoch_of: ByActor  # epoch that `solved` is counted in
    aborted: ByActor  # solutions beyond the cap (a record)
    earned: ByActor  # gwei (a record)
    height: Once  # blocks begun
    tries: Once  # carried on
    tried_at: Once  # ms, up to which they were counted
    target: Once  # T of the next coinbase
    last_target: Once  # T at the last coinbase
    last_at: Once  # s, of the last coinbase
    cumulative: Once  # targets since then
    found: ByJob  # solutions of the block
    solver_1: ByJob  # actor of the block's first solution
    solver_2: ByJob  # of its second
    solver_3: ByJob  # of its third
    solver_4: ByJob  # of its fourth
    target_1: ByJob  # proof target the first one reached
    target_2: ByJob  # the second
    target_3: ByJob  # the third
    target_4: ByJob  # the fourth


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "block_ms": (1, MAX_MS), "epoch_blocks": (1, 2**40), "anchor_s": (1, 2**30), "half_life_s": (1, 2**30),
        "least_target": (4, MAX_TARGET), "supply_gwei": (0, MAX_GWEI // 2), "age_days": (0, 2**20),
        "requirement_gwei": (FROM_SCHEDULE, MAX_GWEI), "arc_days": (-(2**20), 2**20), "standing": (0, 1),
    }  # fmt: skip
    return out_of_range(p, limits, (0, MAX_MS))


def genesis(p: Params, s: State) -> None:
    """Begin with the least target, and what can be minted."""
    s.target[0] = s.last_target[0] = p.least_target
    s.book.reserve[0] = p.supply_gwei


# Targets and rewards.


@spec
def proof_target(target: int) -> int:
    """Least target of a solution (proof_target)."""
    return (target >> 2) + 1


@spec
def retarget(p: Params, target: int, elapsed: int) -> int:
    """Compute T x 2^(-(dt - anchor) / half life) as the code approximates it (retarget), at least `least_target`."""
    drift = p.anchor_s - min(max(elapsed, 1), 2**40)
    exponent = RADIX * abs(drift) // p.half_life_s
    if drift < 0:
        exponent = -exponent
    whole = exponent >> RADIX_BITS
    part = exponent - (whole << RADIX_BITS)
    low = (CUBIC[0] & ((1 << LIMB) - 1)) * part + CUBIC[1] * part * part + CUBIC[2] * part * part * part + (1 << 47)
    factor = RADIX + (((CUBIC[0] >> LIMB) * part + (low >> LIMB)) >> LIMB)
    if whole < -HASH_BITS:
        return p.least_target
    if whole < 0:
        candidate = mul_shift(target, factor, RADIX_BITS - whole)
    else:
        candidate = mul_div(target, factor << min(whole, 40), RADIX)
    return int(min(MAX_TARGET, max(candidate, p.least_target)))


@spec
def anchor_reward(p: Params, time: int) -> int:
    """Most a coinbase can mint (anchor_block_reward_at_timestamp), gwei."""
    remaining = max(10 * YEAR_S - p.age_days * DAY_S - time // SECOND, YEAR_S)
    whole = mul_div(2 * REWARD_ANCHOR, p.supply_gwei, 1)
    return min(MAX_GWEI, mul_div(whole, remaining, 10 * YEAR_S * (YEAR_S + 1)))


@spec
def requirement(p: Params, time: int) -> int:
    """Stake that a solution in an epoch needs, gwei; 0 = none."""
    if p.requirement_gwei != FROM_SCHEDULE:
        return p.requirement_gwei
    day = p.arc_days + time // SECOND // DAY_S
    kilo = 0
    for k in range(len(SCHEDULE_DAYS)):
        if day >= SCHEDULE_DAYS[k]:
            kilo = SCHEDULE_KILO[k]
    return kilo * 1_000 * CREDIT


# Solutions.


@spec
def add_solution(p: Params, s: State, job: int, actor: int, target: int, time: int) -> bool:
    """Put a solution into the block, if its prover has the stake for one more in this epoch."""
    epoch = (s.height[0] - 1) // p.epoch_blocks
    before = s.solved[actor] if s.epoch_of[actor] == epoch else 0
    needed = requirement(p, time)
    if needed > 0 and before >= s.stake[actor] // needed:
        return False
    s.epoch_of[actor] = epoch
    s.solved[actor] = before + 1
    s.found[job] += 1
    if s.found[job] == 1:
        s.solver_1[job], s.target_1[job] = actor, target
        s.book.prover[job] = actor
    elif s.found[job] == 2:  # noqa: PLR2004 - the second of four
        s.solver_2[job], s.target_2[job] = actor, target
    elif s.found[job] < SOLUTIONS:
        s.solver_3[job], s.target_3[job] = actor, target
    else:
        s.solver_4[job], s.target_4[job] = actor, target
    return True


@spec
def is_known(s: State, job: int, actor: int, target: int) -> bool:
    """Tell whether the block holds this solution already."""
    if s.solver_1[job] == actor and s.target_1[job] == target:
        return True
    if s.solver_2[job] == actor and s.target_2[job] == target:
        return True
    return bool(s.solver_3[job] == actor and s.target_3[job] == target)


@spec
def try_all(p: Params, s: State, e: Event) -> None:
    """Let everybody try for the time since the last block, and draw who found what."""
    total = 0
    for actor in range(len(s.capacity)):
        total += s.capacity[actor]
    least = proof_target(s.target[0])
    seconds = (e.time - s.tried_at[0]) // SECOND
    s.tried_at[0] += seconds * SECOND
    s.tries[0] = min(s.tries[0] + min(mul_div(total, seconds, 1), SOLUTIONS * least), SOLUTIONS * least)
    found = s.tries[0] // least
    s.tries[0] -= found * least
    ticket = ticket_of(e.word, total)
    for _ in range(found):
        solver = find_by_scan(s.capacity, ticket)
        if not add_solution(p, s, e.job, solver, least, e.time):
            s.aborted[solver] += 1
        ticket = (ticket + max(1, total // found)) % total


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Begin a block."""
    s.book.requester[e.job] = e.actor
    open_to_all(s.book, e.job, e.time + p.block_ms)
    s.height[0] += 1
    if p.standing == 1:
        try_all(p, s, e)
    return Verdict.OK


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Hand a solution in."""
    if p.standing == 1:
        return Verdict.UNKNOWN
    if e.word < 0 or s.found[e.job] >= SOLUTIONS:
        return Verdict.FULL if e.word >= 0 else Verdict.BAD_DETAIL
    target = min(MAX_TARGET, mul_div(1 << 31, 1 << 31, e.word + 1))
    if target < proof_target(s.target[0]):
        return Verdict.BAD_DETAIL
    if is_known(s, e.job, e.actor, target) or not add_solution(p, s, e.job, e.actor, target, e.time):
        return Verdict.FULL
    s.book.phase[e.job] = Phase.PROVEN
    return Verdict.OK


# Settling.


@spec
def reward(s: State, job: int, solver: int, amount: int) -> None:
    """Mint `amount`, as far as it goes, for a solver."""
    b = s.book
    minted = min(amount, b.reserve[0])
    move(b.reserve, 0, b.cash, solver, minted)
    b.paid[job] += minted
    s.earned[solver] += minted


@spec
def settle(p: Params, s: State, e: Event) -> None:
    """End a block: mint, share out, retarget."""
    b, job = s.book, e.job
    first, second, third, fourth = s.target_1[job], s.target_2[job], s.target_3[job], s.target_4[job]
    combined = first + second + third + fourth
    remaining = max(0, s.target[0] - s.cumulative[0])
    coinbase = mul_div(anchor_reward(p, e.time), min(combined, remaining), s.target[0])
    puzzle = 2 * coinbase // 3
    if combined > 0:
        reward(s, job, s.solver_1[job], mul_div(puzzle, first, combined))
        reward(s, job, s.solver_2[job], mul_div(puzzle, second, combined))
        reward(s, job, s.solver_3[job], mul_div(puzzle, third, combined))
        reward(s, job, s.solver_4[job], mul_div(puzzle, fourth, combined))
    reached = s.cumulative[0] + combined >= s.target[0] // 2
    s.cumulative[0] = 0 if reached else s.cumulative[0] + combined
    now = e.time // SECOND
    s.target[0] = retarget(p, s.last_target[0], now - s.last_at[0])
    if reached:
        s.last_target[0] = s.target[0]
        s.last_at[0] = now
    b.phase[job] = Phase.SETTLED if combined > 0 else Phase.LOST


@spec
def account(p: Params, s: State, e: Event) -> Verdict:
    """Declare a rate, stake, unstake, withdraw."""
    actor = e.actor
    if e.kind == Kind.OFFER:
        return post_offer(s.price, s.capacity, e, 1, MAX_RATE)
    if e.kind == Kind.STAKE:
        move(s.book.cash, actor, s.stake, actor, e.amount)
    elif e.kind == Kind.UNSTAKE:
        if e.amount > s.stake[actor]:
            return Verdict.POOR
        move(s.stake, actor, s.exiting, actor, e.amount)
        s.matures[actor] = e.time + p.unbond_ms
    elif e.kind == Kind.WITHDRAW:
        return take_out_matured(s.book, s.exiting, s.matures, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK


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
        return prove(p, s, e)
    if e.kind != Kind.EXPIRE and e.kind != Kind.SETTLE:
        return Verdict.UNKNOWN
    settle(p, s, e)
    return Verdict.OK
