"""Issuance: what stakers earn is owed at a rate, and minted in units, no more of them than a week and a year allow.

Rules
    Who stakes (STAKE, taken back at once by UNSTAKE) is owed `yearly_gwei` a year, evenly over time, by share of stake.
    WITHDRAW pays what is owed out of the fund, `amount` of it or all for 0, as far as the fund has it: else POOR.
    The fund is filled from L1. REQUEST, by anybody, asks for one unit, if the fund and the units under way are less
    than what is owed and half a unit (else EARLY). PROVE, by anybody, brings it: `unit_gwei` more is minted into the
    fund; FULL when that were more than `week_most_gwei` in this week, or more than `year_bips` of the supply of the
    year's start in this year. Whoever brings it is paid the request's amount, for the message. What is not brought
    until `window_ms` after it was asked for is LOST and refunded, and may be asked for again.

Units
    Money in a millionth of a token, called gwei here (Starknet's 1e10 tokens fit); time ms; weeks and years of 365 days
    are counted from genesis. A millionth that cannot be shared out is owed to nobody.

Randomness
    None.

Source
    Starknet, the default: SNIP-18 and starkware-libs/starknet-staking @7a7add26 (reward supplier, minting manager):
    units of 1.3M STRK, half a unit for a threshold, 6.5M a week; the curve's 126.491M a year is that of 1e9 staked of
    1e10 with C = 4.00. Succinct: succinctlabs/network @b80c118 SuccinctStaking.sol and its example's DISPENSE_RATE, 2M
    PROVE a year. Aztec: l1-contracts @c427d0ba governance/CoinIssuer.sol, at most 20 % a year (ignition-contracts).

Literal or intended
    Starknet asks for several units in one go, here one job each, and brings five at most. Its weeks are those of Unix
    time, Aztec's years begin with the issuer; ours, of both, with genesis. What is not minted in one is not added to
    the next, as there.

Simplified
    The rate stands still (`leader_schedule` has the curve). No commission, no delegation. Succinct's dispenser is
    called by its owner and can lag; here what is dispensed is owed at once.

Failure modes
    A message that is late makes the fund short, and who claims first is paid first. A limit below the rate lets what is
    owed grow without end: at 6.5M a week no more than 338.9M a year are ever paid, whatever the curve says.
"""

from typing import NamedTuple

from proofyard.core import (
    BIPS,
    MAX_GWEI,
    Book,
    ByActor,
    Event,
    GweiByActor,
    GweiOnce,
    Kind,
    Once,
    Verdict,
    ask,
    bips_of,
    check,
    lose_job,
    move,
    mul_div,
    open_to_all,
    out_of_range,
    settle_job,
    spec,
)

SOURCE = "Starknet (starknet-staking @7a7add26, SNIP-18), Succinct (network @b80c118), Aztec (l1-contracts @c427d0ba)"
FAMILY = "chain"

TOKEN = 10**6  # of the smallest unit
DAY_MS = 86_400_000
WEEK_MS, YEAR_MS = 7 * DAY_MS, 365 * DAY_MS
MAX_MS = 2**40  # 35 years
PRECISION = 2**56  # the accumulator counts so small parts of a unit for each unit of stake
MAX_ACC = 2**61  # 32 units a unit of stake: beyond it nothing more is owed


class Params(NamedTuple):
    """Defaults: Starknet, April 2026, a tenth of the supply staked."""

    yearly_gwei: int = 126_491_106 * TOKEN  # owed in a year
    unit_gwei: int = 1_300_000 * TOKEN  # minted at once
    week_most_gwei: int = 6_500_000 * TOKEN  # minted in a week; 0 = no limit
    year_bips: int = 0  # bips of the supply minted in a year; 0 = no limit
    supply_gwei: int = 10**16  # in circulation at genesis
    mintable_gwei: int = 10**16  # that units are minted from
    window_ms: int = DAY_MS  # ms a message may take


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # what is owed goes by it
    fund: GweiOnce  # minted and not yet claimed
    staked: Once  # by all
    acc: Once  # 2**-56 units owed so far for a unit of stake
    acc_in: ByActor  # that number when the position was last settled
    claim: ByActor  # gwei owed to the actor as of then (a promise, not money)
    owed: Once  # to all, not yet claimed
    accrued_at: Once  # ms, up to which it was counted
    under_way: Once  # units asked for and not brought
    week: Once  # number of the week of `week_minted`
    week_minted: Once  # gwei minted in that week (a record)
    year: Once  # number of the year of `year_minted`
    year_minted: Once  # gwei minted in that year (a record)
    minted: Once  # in all


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "yearly_gwei": (0, MAX_GWEI // 64), "unit_gwei": (1, MAX_GWEI // 4), "year_bips": (0, BIPS),
        "supply_gwei": (1, MAX_GWEI // 2), "mintable_gwei": (0, MAX_GWEI // 2), "window_ms": (1, MAX_MS),
    }  # fmt: skip
    complaint = out_of_range(p, limits, (0, MAX_GWEI))
    if complaint:
        return complaint
    if 0 < p.week_most_gwei < p.unit_gwei:
        return "week_most_gwei", f"0, or at least a unit, {p.unit_gwei}"
    return None


def genesis(p: Params, s: State) -> None:
    """Set aside what can be minted."""
    s.book.reserve[0] = p.mintable_gwei


# What is owed.


@spec
def compute_due(p: Params, s: State, time: int) -> int:
    """Compute what has come to be owed since it was last counted."""
    return mul_div(p.yearly_gwei, max(0, time - s.accrued_at[0]), YEAR_MS) if s.staked[0] > 0 else 0


@spec
def accrue(p: Params, s: State, time: int) -> None:
    """Count what has come to be owed, by share of stake."""
    due = compute_due(p, s, time)
    if due > 0:
        rise = min(mul_div(due, PRECISION, s.staked[0]), MAX_ACC - s.acc[0])
        s.acc[0] += rise
        s.owed[0] += min(due, mul_div(rise, s.staked[0], PRECISION) + 1)
    s.accrued_at[0] = time


@spec
def settle(p: Params, s: State, actor: int, time: int) -> None:
    """Tell what is owed to `actor` apart; wanted before every change of its stake."""
    accrue(p, s, time)
    s.claim[actor] += mul_div(s.stake[actor], s.acc[0] - s.acc_in[actor], PRECISION)
    s.acc_in[actor] = s.acc[0]


@spec
def withdraw(p: Params, s: State, e: Event) -> Verdict:
    """Pay a claim out of the fund."""
    actor = e.actor
    rise = min(mul_div(compute_due(p, s, e.time), PRECISION, max(1, s.staked[0])), MAX_ACC - s.acc[0])
    claim = s.claim[actor] + mul_div(s.stake[actor], s.acc[0] + rise - s.acc_in[actor], PRECISION)
    amount = e.amount if e.amount > 0 else claim
    if amount == 0 or amount > claim or amount > s.fund[0]:
        return Verdict.POOR
    settle(p, s, actor, e.time)
    s.claim[actor] -= amount
    s.owed[0] -= amount
    move(s.fund, 0, s.book.cash, actor, amount)
    return Verdict.OK


# Units.


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Ask for a unit, if what is there and under way does not cover what is owed and half a unit."""
    wanted = s.owed[0] + compute_due(p, s, e.time) + p.unit_gwei // 2
    if s.fund[0] + s.under_way[0] * p.unit_gwei >= wanted:
        return Verdict.EARLY
    accrue(p, s, e.time)
    ask(s.book, e, e.amount)
    open_to_all(s.book, e.job, e.time + p.window_ms)
    s.under_way[0] += 1
    return Verdict.OK


@spec
def bring(p: Params, s: State, e: Event) -> Verdict:
    """Mint a unit into the fund, within the limits."""
    b = s.book
    week, year = e.time // WEEK_MS, e.time // YEAR_MS
    in_week = s.week_minted[0] if s.week[0] == week else 0
    in_year = s.year_minted[0] if s.year[0] == year else 0
    supply = p.supply_gwei + s.minted[0] - in_year  # as the year began
    if p.week_most_gwei > 0 and in_week + p.unit_gwei > p.week_most_gwei:
        return Verdict.FULL
    if p.year_bips > 0 and in_year + p.unit_gwei > bips_of(supply, p.year_bips):
        return Verdict.FULL
    if p.unit_gwei > b.reserve[0]:
        return Verdict.POOR
    s.week[0], s.week_minted[0] = week, in_week + p.unit_gwei
    s.year[0], s.year_minted[0] = year, in_year + p.unit_gwei
    s.minted[0] += p.unit_gwei
    s.under_way[0] -= 1
    move(b.reserve, 0, s.fund, 0, p.unit_gwei)
    b.prover[e.job] = e.actor
    settle_job(b, e.job)
    return Verdict.OK


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.STAKE:
        settle(p, s, e.actor, e.time)
        move(s.book.cash, e.actor, s.stake, e.actor, e.amount)
        s.staked[0] += e.amount
    elif e.kind == Kind.UNSTAKE:
        if e.amount > s.stake[e.actor]:
            return Verdict.POOR
        settle(p, s, e.actor, e.time)
        move(s.stake, e.actor, s.book.cash, e.actor, e.amount)
        s.staked[0] -= e.amount
    elif e.kind == Kind.WITHDRAW:
        return withdraw(p, s, e)
    elif e.kind == Kind.REQUEST:
        return request(p, s, e)
    elif e.kind == Kind.PROVE:
        return bring(p, s, e)
    elif e.kind == Kind.EXPIRE:
        s.under_way[0] -= 1
        lose_job(s.book, e.job)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
