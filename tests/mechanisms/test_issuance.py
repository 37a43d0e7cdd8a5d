"""Issuance: what is owed, when a unit is asked for, and what a week and a year allow.

Sections: 1.4 and 2 of the field page on chains, 3.2 of that on rollups. Money is in millionths of a token.
"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.conformance import compiled
from proofyard.conformance.market import Market, Setup
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.mechanisms import rule
from proofyard.mechanisms.issuance import DAY_MS, TOKEN, WEEK_MS, YEAR_MS

CASH = 10**15  # of each actor: 1e9 tokens
STAKER, RIVAL, RELAYER = 0, 1, 2
UNIT = 1_300_000 * TOKEN
SUCCINCT = {"yearly_gwei": 2_000_000 * TOKEN, "unit_gwei": 10_000 * TOKEN, "week_most_gwei": 0}


class Chain:
    """An audited chain of two stakers and who brings messages."""

    def __init__(self, jobs: int = 600, **terms: int) -> None:
        text = ", ".join(f"{name}={value}" for name, value in terms.items())
        self.market = Market(Setup(rule(f"issuance({text})"), jobs, (CASH,) * 3))
        self.s, self.b = self.market.sheet.state, self.market.book
        self.jobs = 0

    def do(self, kind: Kind, time: int, actor: int = RELAYER, **rest: int) -> Verdict:
        job, amount, detail = (rest.get(name, 0) for name in ("job", "amount", "detail"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, 0))

    def ok(self, kind: Kind, time: int, actor: int = RELAYER, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def ask(self, time: int) -> Verdict:
        """Ask for a unit, as the next job if it is granted."""
        verdict = self.do(Kind.REQUEST, time, job=self.jobs)
        self.jobs += verdict == Verdict.OK
        return verdict

    def gain(self, actor: int) -> int:
        return int(self.b.cash[actor] + self.s.stake[actor]) - CASH


def test_a_unit_is_asked_for_when_less_than_half_a_unit_would_be_left() -> None:
    """1.4: mint requests in units of 1.3M STRK; threshold = half a unit."""
    chain = Chain()
    assert chain.ask(0) == Verdict.OK  # an empty fund is below the threshold
    assert chain.ask(0) == Verdict.EARLY
    chain.ok(Kind.PROVE, 0, job=0)
    assert int(chain.s.fund[0]) == UNIT
    chain.ok(Kind.STAKE, 0, STAKER, amount=CASH)
    half = YEAR_MS * (UNIT // 2) // (126_491_106 * TOKEN)  # ms until half a unit is owed
    assert chain.ask(half) == Verdict.EARLY
    assert chain.ask(half + 1) == Verdict.OK


def test_at_most_five_units_a_week() -> None:
    """1.4: at most 6.5M STRK per week on L1; what the week does not take may come in the next."""
    chain = Chain(yearly_gwei=10**16)
    chain.ok(Kind.STAKE, 0, STAKER, amount=CASH)
    for job in range(7):
        assert chain.ask(DAY_MS) == Verdict.OK, job
    brought = [chain.do(Kind.PROVE, DAY_MS, job=job) for job in range(7)]
    assert brought == [Verdict.OK] * 5 + [Verdict.FULL] * 2
    chain.ok(Kind.EXPIRE, 2 * DAY_MS + 1, job=5)
    assert (chain.b.phase[5], int(chain.s.under_way[0])) == (Phase.LOST, 1)
    assert chain.ask(WEEK_MS) == Verdict.OK
    chain.ok(Kind.PROVE, WEEK_MS, job=7)


def test_the_curve_of_april_2026_asks_for_97_units_a_year_and_never_meets_the_limit() -> None:
    """1.4: yearly 126.491M STRK are 97.3 units of 1.3M, 1.9 a week; the limit is five."""
    chain = Chain()
    chain.ok(Kind.STAKE, 0, STAKER, amount=CASH)
    for day in range(365):
        while chain.ask(day * DAY_MS) == Verdict.OK:
            chain.ok(Kind.PROVE, day * DAY_MS, job=chain.jobs - 1)
    assert chain.jobs == 98  # 97.3 and the half that is kept
    chain.ok(Kind.WITHDRAW, 364 * DAY_MS, STAKER)
    assert chain.gain(STAKER) == pytest.approx(126_491_106 * TOKEN * 364 / 365, abs=1_000)


def test_a_limit_below_the_rate_lets_claims_grow() -> None:
    """6.5M a week are 338.9M a year: of a rate of 500M the rest is owed and cannot be claimed."""
    chain = Chain(yearly_gwei=500_000_000 * TOKEN)
    chain.ok(Kind.STAKE, 0, STAKER, amount=CASH)
    for week in range(1, 53):
        for _ in range(5):
            assert chain.ask(week * WEEK_MS) == Verdict.OK
            chain.ok(Kind.PROVE, week * WEEK_MS, job=chain.jobs - 1)
    assert chain.do(Kind.WITHDRAW, YEAR_MS, STAKER) == Verdict.POOR
    assert int(chain.s.fund[0]) == 52 * 6_500_000 * TOKEN
    chain.ok(Kind.WITHDRAW, YEAR_MS, STAKER, amount=int(chain.s.fund[0]))


def test_dispensed_by_succinct() -> None:
    """3.2: DISPENSE_RATE 0.063419583967529173 PROVE/s (2 000 000 a year, i.e. 20 % on 10 M staked)."""
    chain = Chain(**SUCCINCT)
    for job in range(2):
        chain.ok(Kind.STAKE, 0, job, amount=5_000_000 * TOKEN)
    chain.ok(Kind.REQUEST, 0, job=0)
    chain.ok(Kind.PROVE, 0, job=0)
    chain.ok(Kind.WITHDRAW, 1_000, STAKER)
    assert chain.gain(STAKER) == 31_709  # half of 63 419.58 millionths
    year = Chain(**(SUCCINCT | {"unit_gwei": 3_000_000 * TOKEN}))
    for actor in (STAKER, RIVAL):
        year.ok(Kind.STAKE, 0, actor, amount=5_000_000 * TOKEN)
    assert year.ask(0) == Verdict.OK
    year.ok(Kind.PROVE, 0, job=0)
    for actor in (STAKER, RIVAL):
        year.ok(Kind.WITHDRAW, YEAR_MS, actor)
        assert year.gain(actor) / (5_000_000 * TOKEN) == pytest.approx(0.2, abs=1e-9)


def test_aztec_issues_a_fifth_a_year_at_most() -> None:
    """2.1: coin issuance <= 20 %/yr, of the supply as the year began."""
    tenth = 100 * TOKEN
    chain = Chain(yearly_gwei=0, unit_gwei=tenth, supply_gwei=10 * tenth, week_most_gwei=0, year_bips=2_000)
    chain.s.owed[0] = 100 * tenth  # somebody else's rule says what for
    brought: list[Verdict] = []
    for time in (0, 0, 0, YEAR_MS, YEAR_MS + 1, YEAR_MS + 2):
        assert chain.ask(time) == Verdict.OK
        brought.append(chain.do(Kind.PROVE, time, job=chain.jobs - 1))
    assert brought == [Verdict.OK] * 2 + [Verdict.FULL] + [Verdict.OK] * 2 + [Verdict.FULL]  # 200 of 1000, 240 of 1200


def test_claims_go_by_stake_and_time() -> None:
    chain = Chain(yearly_gwei=YEAR_MS)  # a millionth a ms
    chain.ok(Kind.REQUEST, 0, job=0)
    chain.ok(Kind.PROVE, 0, job=0)
    chain.ok(Kind.STAKE, 0, STAKER, amount=300)
    chain.ok(Kind.STAKE, 1_000, RIVAL, amount=100)
    chain.ok(Kind.UNSTAKE, 2_000, STAKER, amount=300)
    assert chain.do(Kind.UNSTAKE, 2_000, STAKER, amount=1) == Verdict.POOR
    chain.ok(Kind.WITHDRAW, 3_000, STAKER, amount=1_000)
    assert chain.do(Kind.WITHDRAW, 3_000, STAKER, amount=751) == Verdict.POOR
    chain.ok(Kind.WITHDRAW, 3_000, STAKER)
    chain.ok(Kind.WITHDRAW, 3_000, RIVAL)
    assert chain.gain(STAKER) == pytest.approx(1_750, abs=1)
    assert chain.gain(RIVAL) == pytest.approx(1_250, abs=1)
    assert chain.do(Kind.WITHDRAW, 3_000, RELAYER) == Verdict.POOR


def test_who_brings_a_message_is_paid_for_it() -> None:
    chain = Chain()
    chain.ok(Kind.REQUEST, 0, STAKER, job=0, amount=70)
    chain.ok(Kind.PROVE, DAY_MS, job=0)
    assert (chain.gain(RELAYER), chain.gain(STAKER)) == (70, -70)


def test_who_asked_is_refunded_if_nobody_brings_it() -> None:
    chain = Chain()
    chain.ok(Kind.REQUEST, 0, STAKER, job=0, amount=70)
    chain.ok(Kind.EXPIRE, DAY_MS + 1, job=0)
    assert (chain.gain(STAKER), chain.b.phase[0]) == (0, Phase.LOST)


def test_nothing_is_minted_beyond_the_supply() -> None:
    chain = Chain(mintable_gwei=UNIT - 1)
    assert chain.ask(0) == Verdict.OK
    assert chain.do(Kind.PROVE, 0, job=0) == Verdict.POOR
    assert chain.do(Kind.OFFER, 0, STAKER, amount=1, detail=1) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("text", "name"),
    [("unit_gwei=0", "unit_gwei"), ("year_bips=10_001", "year_bips"), ("yearly_gwei=-1", "yearly_gwei"),
    ("week_most_gwei=1", "week_most_gwei"),
     ("window_ms=0", "window_ms"), ("supply_gwei=0", "supply_gwei"), ("mintable_gwei=-1", "mintable_gwei")],
)  # fmt: skip
def test_senseless_parameters(text: str, name: str) -> None:
    with pytest.raises(BadInput) as caught:
        rule(f"issuance({text})")
    assert caught.value.field == f"mechanism.{name}"


@given(st.integers(0, 2**32))
def test_whatever_happens_money_is_kept_and_the_compiled_rule_agrees(seed: int) -> None:
    """Every event is audited by the market: conserved, nothing negative, refused means untouched."""
    dice, chain, now = (
        random.Random(seed),
        Chain(20, unit_gwei=10**9, yearly_gwei=10**12, week_most_gwei=3 * 10**9, year_bips=1),
        0,
    )
    for _ in range(60):
        now += dice.choice((0, 1, DAY_MS // 2, WEEK_MS))
        actor, job = dice.randrange(3), dice.randrange(18)
        kinds = (Kind.STAKE, Kind.UNSTAKE, Kind.WITHDRAW, Kind.REQUEST, Kind.PROVE, Kind.EXPIRE)
        chain.do(dice.choice(kinds), now, actor, job=job, amount=dice.choice((0, 1, 10**6, 10**10)))
        owed = sum(int(chain.s.claim[k]) for k in range(3))
        assert owed <= int(chain.s.owed[0])  # nobody can claim what is not owed
    compiled.compare(chain.market.trace())
