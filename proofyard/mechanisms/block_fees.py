"""Block fees: a base fee that follows how full blocks are; who pays for a gas limit it did not use; who gets what.

Rules
    A block is a job. REQUEST brings the users of one block: `detail` is the gas they will use, the amount the most they
    pay in all. The block takes of it what fits into `gas_limit` and what the amount pays for at the base fee and
    `tip_wei`; the rest goes back at once. With `charge_limit` users pay, and blocks are filled, by the gas limits they
    set, `slack_percent` of what they use; otherwise by use.
    A producer, drawn equally from those who made an OFFER, has `slot_ms` to make the block (PROVE). It gets the tips,
    what is not burnt of base fees (`burn_bips`) and `reward_gwei`, minted. A block missed (EXPIRE) is LOST, its fees go
    back, and the base fee stays.
    The base fee after a block that was charged g gas, with target T, limit L and d = g - T:
    `curve = 0`, Monad: base * exp(T d / (`response` (T + sqrt(max(0, m - t^2))) (L - T))), within `min_wei` and
    `max_wei`, with the trend t and the moment m as they were; then t becomes (96 t - 4 d) / 100, rounded towards zero,
    and m (96 m + 4 d^2) / 100. Where demand varies, the fee moves less.
    `curve = 1`, EIP-1559 and Starknet: base +- base * |d| / (T * `denominator`), not below `min_wei`; a base fee that
    is below (`initial_wei` may be) climbs to it by base / 333 a block instead, whatever the blocks hold.

Units
    Money gwei, 1e-9 of a token; fees wei a gas, 1e-18; gas; time ms.

Randomness
    `e.word` of REQUEST, by `ticket_of`: who makes the block.

Source
    Monad: category-labs/monad @c67c9f22 and monad-bft @532472d5 monad-tfm/src/base_fee.rs, from 23 July 2026. Starknet:
    starkware-libs/sequencer @60161ba7 `fee_market`, with the constants of 0.14.0. EIP-1559.

Literal or intended
    Monad charges the limit and refunds nothing (literal; `charge_limit = 0`: what is used). Its base fee drifts down
    where full and empty blocks alternate around the target: literal, no switch.

Simplified
    exp and root are computed in integers, to a few wei. All transactions of a block pay the same tip, and users spend
    an amount, so that demand is elastic. Opcode prices, the limit of a transaction (30M), reserve balances and priority
    among transactions are left out; who is drawn by stake is `leader_schedule`. A reward that the supply no longer
    covers is paid as far as it goes. Blocks follow each other: the base fee of a block is that after the last one made.
"""

from typing import NamedTuple

from proofyard.core import (
    BIPS,
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    GweiByJob,
    Kind,
    Once,
    Phase,
    Verdict,
    ask,
    assign,
    bips_of,
    check,
    compute_root,
    lose_job,
    move,
    mul_div,
    out_of_range,
    pay,
    spec,
    ticket_of,
)

SOURCE = "Monad (monad @c67c9f22, from 23 July 2026), Starknet (sequencer @60161ba7 fee_market), EIP-1559"
FAMILY = "chain"

MONAD, LINEAR = 0, 1  # `curve`
WEI = 10**9  # wei in a gwei
PERCENT = 100
KEPT = 96  # percent of trend and moment that a block leaves
CLIMB = 333  # a base fee below the least rises by this part of itself a block
ONE = 2**56  # 1, of an exponent
MAX_GAS = 10**9  # so that the square of a block's gas fits int64
MAX_WIDE_GAS = 2**40  # where no square is taken
MAX_WEI = 10**18
MAX_MS = 2**40  # 35 years


class Params(NamedTuple):
    """Defaults: Monad from 23 July 2026."""

    slot_ms: int = 300  # ms to make a block; 400 at launch
    gas_limit: int = 150_000_000  # gas in a block; 200M at launch, 4e9 on Starknet
    target_percent: int = 80  # percent of the limit; 80 on Starknet too, 50 on Ethereum
    charge_limit: int = 1  # switch: 0 = gas used is charged, not gas limits
    slack_percent: int = 100  # percent of the gas used that users set as their limit
    curve: int = MONAD  # how the base fee moves: 0 Monad, 1 linear
    response: int = 28  # full blocks of an even history that raise the base fee by a factor of e (Monad)
    denominator: int = 48  # part of itself by which an empty block lowers the base fee (linear); 8 on Ethereum
    initial_wei: int = 100 * 10**9  # wei a gas, base fee to begin with
    min_wei: int = 100 * 10**9  # wei a gas, least base fee; 3e9 fri on Starknet
    max_wei: int = 10**17  # wei a gas, largest base fee
    tip_wei: int = 2 * 10**9  # wei a gas for the producer; what Monad's nodes suggest
    burn_bips: int = 10_000  # bips of base fees burnt; 0 on Starknet
    reward_gwei: int = 18 * 10**9  # gwei minted a block; 25 tokens at launch
    mintable_gwei: int = 10**18  # gwei that rewards are minted from


class State(NamedTuple):
    """The book, who makes blocks, the base fee and its history, and what each block is charged."""

    book: Book
    producer: ByActor  # 1 = may be drawn
    producers: Once  # how many
    base: Once  # wei a gas
    trend: Once  # gas, of past blocks below the target
    moment: Once  # gas squared
    charged: ByJob  # gas
    base_fees: GweiByJob  # put aside for base fees; tips are in escrow


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    gas = MAX_GAS if p.curve == MONAD else MAX_WIDE_GAS
    least = -(-p.target_percent // (PERCENT - p.target_percent)) if 0 < p.target_percent < PERCENT else 1
    limits = {
        "slot_ms": (1, MAX_MS), "gas_limit": (PERCENT, gas), "target_percent": (1, PERCENT - 1), "charge_limit": (0, 1),
        "slack_percent": (PERCENT, 10**6), "curve": (MONAD, LINEAR), "response": (least, 10**6),
        "denominator": (1, 10**6),
        "initial_wei": (1, p.max_wei), "min_wei": (1, p.max_wei), "max_wei": (1, MAX_WEI), "tip_wei": (0, MAX_WEI),
        "burn_bips": (0, BIPS), "mintable_gwei": (0, MAX_GWEI // 2),
    }  # fmt: skip
    return out_of_range(p, limits, (0, MAX_GWEI))


def genesis(p: Params, s: State) -> None:
    """Set the first base fee, and aside what rewards are minted from."""
    s.base[0] = p.initial_wei
    s.book.reserve[0] = p.mintable_gwei


# The base fee.


@spec
def compute_target(p: Params) -> int:
    """Gas at which the base fee stays."""
    return p.gas_limit // PERCENT * p.target_percent + p.gas_limit % PERCENT * p.target_percent // PERCENT


@spec
def compute_growth(base: int, x: int) -> int:
    """Compute base * exp(x), x in [0, 1] in units of 2**-56, a few units too small at most."""
    total, term, k = base, base, 1
    while term > 0:
        term = mul_div(term, x, ONE * k)
        total += term
        k += 1
    return total


@spec
def compute_monad(p: Params, s: State, change: int) -> int:
    """Compute the base fee after a block `change` gas above the target, by Monad's rule."""
    base, target = int(s.base[0]), compute_target(p)
    spread = compute_root(max(0, int(s.moment[0]) - int(s.trend[0]) * int(s.trend[0])), 1)
    x = mul_div(mul_div(abs(change), ONE, p.response * (p.gas_limit - target)), target, target + spread)
    grown = compute_growth(base, x)
    if change < 0:
        grown = mul_div(base, base, grown)
    return max(p.min_wei, min(grown, p.max_wei))


@spec
def compute_linear(p: Params, s: State, change: int) -> int:
    """Compute the same by EIP-1559, with a floor that is climbed to."""
    base = int(s.base[0])
    if base < p.min_wei:
        return min(base + base // CLIMB, p.min_wei)
    step = mul_div(base, abs(change), compute_target(p) * p.denominator)
    return max(p.min_wei, min(base + step if change > 0 else base - step, p.max_wei))


@spec
def compute_moment(moment: int, square: int) -> int:
    """Compute (96 moment + 4 square) // 100 without the products, which would not fit."""
    rest = moment % PERCENT * KEPT + square % PERCENT * (PERCENT - KEPT)
    return moment // PERCENT * KEPT + square // PERCENT * (PERCENT - KEPT) + rest // PERCENT


@spec
def learn(p: Params, s: State, charged: int) -> None:
    """Move the base fee, and Monad's history, by a block that was charged `charged` gas."""
    change = charged - compute_target(p)
    if p.curve == LINEAR:
        s.base[0] = compute_linear(p, s, change)
        return
    s.base[0] = compute_monad(p, s, change)
    drift = KEPT * int(s.trend[0]) - (PERCENT - KEPT) * change
    s.trend[0] = drift // PERCENT if drift >= 0 else -(-drift // PERCENT)  # towards zero, as i64 does
    s.moment[0] = compute_moment(int(s.moment[0]), change * change)


# The life of a block.


@spec
def compute_charged(p: Params, s: State, gas: int, budget: int) -> int:
    """Gas the users of a block are charged for: what they set, what fits, what they can pay."""
    wanted = mul_div(gas, p.slack_percent, PERCENT) if p.charge_limit == 1 else gas
    return min(wanted, p.gas_limit, mul_div(budget, WEI, s.base[0] + p.tip_wei))


@spec
def draw(s: State, word: int) -> int:
    """Choose one of those who make blocks."""
    k = ticket_of(word, s.producers[0])
    for actor in range(len(s.producer)):
        if s.producer[actor] == 1:
            if k == 0:
                return actor
            k -= 1
    return 0


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Take what fits and is paid for, and give the block to a producer."""
    if e.detail < 1 or e.detail > MAX_GWEI:
        return Verdict.BAD_DETAIL
    if s.producers[0] == 0:
        return Verdict.NO_PROVER
    charged = compute_charged(p, s, e.detail, e.amount)
    ask(s.book, e, mul_div(charged, p.tip_wei, WEI))
    move(s.book.cash, e.actor, s.base_fees, e.job, mul_div(charged, s.base[0], WEI))
    s.charged[e.job] = charged
    assign(s.book, e.job, draw(s, e.word), e.time + p.slot_ms)
    return Verdict.OK


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Take the block: tips, the producer's part of base fees, the reward; then the next base fee."""
    b = s.book
    pay(b, e.job, b.escrow[e.job])
    burnt = bips_of(s.base_fees[e.job], p.burn_bips)
    kept = s.base_fees[e.job] - burnt
    reward = min(p.reward_gwei, b.reserve[0])
    move(s.base_fees, e.job, b.burnt, 0, burnt)
    move(s.base_fees, e.job, b.cash, e.actor, kept)
    move(b.reserve, 0, b.cash, e.actor, reward)
    b.paid[e.job] += kept + reward
    b.phase[e.job] = Phase.SETTLED
    learn(p, s, s.charged[e.job])
    return Verdict.OK


@spec
def expire(s: State, e: Event) -> Verdict:
    """Give up a block nobody made; its users pay nothing."""
    b = s.book
    lose_job(b, e.job)
    move(s.base_fees, e.job, b.cash, b.requester[e.job], s.base_fees[e.job])
    return Verdict.OK


@spec
def offer(s: State, e: Event) -> Verdict:
    """Take part in making blocks; what is asked does not matter."""
    if e.detail < 1:
        return Verdict.BAD_DETAIL
    s.producers[0] += 1 - s.producer[e.actor]
    s.producer[e.actor] = 1
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
        return offer(s, e)
    return Verdict.UNKNOWN
