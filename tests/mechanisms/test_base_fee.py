"""Base fee: how it moves, what burns, and who still proves for the rest.

Section numbers are those of the field page on rollup mechanisms; its line on this strawman is a reconstruction.
"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.conformance import compiled
from proofyard.conformance.market import Market, Setup
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.mechanisms import base_fee, rule

CASH, BLOCK, WINDOW, ONE_WORD = 10**6, 100, 1_000, 2**62
USER = 4  # after the provers


class Chain:
    """An audited market of four provers and a user; base fee 800, tips up to 50, target 2."""

    def __init__(self, *asks: int, jobs: int = 24, **params: int) -> None:
        values = {"block_ms": BLOCK, "target": 2, "initial_gwei": 800, "tip_gwei": 50, "window_ms": WINDOW} | params
        text = ", ".join(f"{name}={value}" for name, value in values.items())
        self.market = Market(Setup(rule(f"base_fee({text})"), jobs, (CASH,) * (USER + 1)))
        self.s, self.b = self.market.sheet.state, self.market.book
        self.asked = 0
        for prover, ask in enumerate(asks):
            self.ok(Kind.OFFER, 0, prover, amount=ask, detail=9)

    def do(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> Verdict:
        job, amount, detail, word = (rest.get(name, 0) for name in ("job", "amount", "detail", "word"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, word))

    def ok(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def ask(self, block: int, amount: int = 2_000, word: int = 0) -> Verdict:
        verdict = self.do(Kind.REQUEST, block * BLOCK, USER, job=self.asked, amount=amount, word=word)
        self.asked += verdict == Verdict.OK
        return verdict

    def gain(self, actor: int) -> int:
        return int(self.b.cash[actor]) - CASH


# --- provers get tips ---


def test_provers_receive_tips_only() -> None:
    """2.4: EIP-1559 style (burn base fee): the user pays 800 and 50, the prover gets 50."""
    c = Chain(30)
    assert c.ask(0) == Verdict.OK
    assert (c.b.burnt[0], c.b.escrow[0]) == (800, 50)
    c.ok(Kind.PROVE, WINDOW, 0)
    assert (c.gain(0), c.gain(USER), c.b.paid[0], c.s.open_jobs[0]) == (50, -850, 50, 0)


@pytest.mark.parametrize(("cost", "verdict"), [(49, Verdict.OK), (50, Verdict.OK), (51, Verdict.NO_PROVER)])
def test_participation_fails_if_the_tip_is_below_cost(cost: int, verdict: Verdict) -> None:
    """2.4: participation fails if tip < cost, whatever users would pay."""
    assert Chain(cost).ask(0, CASH) == verdict


def test_unburnt_base_fee_would_pay_for_real_costs() -> None:
    """2.1, desiderata: burning leaves provers almost no revenue although their cost is real. Paid out, it covers it."""
    c = Chain(700, burn_bips=0)
    assert c.ask(0) == Verdict.OK
    c.ok(Kind.PROVE, 1, 0)
    assert (c.gain(0), c.b.burnt[0]) == (850, 0)
    half = Chain(450, burn_bips=5_000)
    assert half.ask(0) == Verdict.OK
    assert (half.b.burnt[0], half.b.escrow[0]) == (400, 450)


def test_tip_is_what_the_amount_leaves() -> None:
    for amount, tip in ((850, 50), (830, 30), (801, 1)):
        c = Chain(1)
        assert c.ask(0, amount) == Verdict.OK
        assert c.b.escrow[0] == tip
    assert Chain(1).ask(0, 799) == Verdict.TOO_DEAR
    assert Chain(1).ask(0, 800) == Verdict.NO_PROVER  # nothing is left for a prover


def test_provers_are_drawn_equally_from_those_who_can_afford_it() -> None:
    drawn = [Chain(30, 60, 50, 1) for _ in range(6)]
    for k, c in enumerate(drawn):
        assert c.ask(0, word=(2 * k + 1) * ONE_WORD // 12) == Verdict.OK
    assert [int(c.b.prover[0]) for c in drawn] == [0, 0, 2, 2, 3, 3]


# --- the base fee ---


@pytest.mark.parametrize(("tasks", "after"), [(0, 700), (1, 750), (2, 800), (3, 850), (4, 900)])
def test_base_fee_follows_demand(tasks: int, after: int) -> None:
    """EIP-1559: by at most an eighth, in proportion to what a block holds above or below the target."""
    c = Chain(1)
    params = c.market.setup.rule.params
    assert base_fee.next_base(params, 800, tasks) == after
    for _ in range(tasks):
        assert c.ask(0) == Verdict.OK
    assert c.ask(1) == Verdict.OK
    assert c.s.base[0] == after


def test_base_fee_rises_by_at_least_one_and_stops_falling_where_an_eighth_is_nothing() -> None:
    p = Chain(1).market.setup.rule.params
    assert base_fee.next_base(p, 3, 3) == 4
    assert base_fee.next_base(p, 7, 0) == 7
    assert base_fee.next_base(p, 8, 0) == 7
    assert base_fee.next_base(p._replace(least_gwei=790), 800, 0) == 790


def test_empty_blocks_count() -> None:
    c = Chain(1)
    assert c.ask(3) == Verdict.OK
    assert c.s.base[0] == 537  # 800, 700, 613, 537: each time less an eighth, rounded down
    assert c.ask(2**40) == Verdict.OK
    assert c.s.base[0] == 7


def test_a_block_takes_twice_the_target() -> None:
    c = Chain(1)
    assert [c.ask(0) for _ in range(5)] == [Verdict.OK] * 4 + [Verdict.FULL]
    assert c.ask(1) == Verdict.OK


def test_refused_requests_do_not_move_the_base_fee() -> None:
    c = Chain(60)
    assert [c.ask(block) for block in range(5)] == [Verdict.NO_PROVER] * 5
    assert (c.s.base[0], c.s.tasks[0]) == (800, 0)


# --- the rest ---


def test_who_does_not_prove_loses_nothing_and_the_base_fee_stays_burnt() -> None:
    c = Chain(1, 2)
    assert c.ask(0) == Verdict.OK
    assert c.do(Kind.PROVE, 1, 1) == Verdict.NOT_YOURS
    assert c.do(Kind.EXPIRE, WINDOW) == Verdict.EARLY
    c.ok(Kind.EXPIRE, WINDOW + 1)
    assert (c.b.phase[0], c.gain(USER), c.s.open_jobs[0]) == (Phase.LOST, -800, 0)


def test_refused() -> None:
    c = Chain(1)
    assert c.ask(0, CASH + 1) == Verdict.POOR
    assert c.do(Kind.OFFER, 0, 0, amount=5, detail=-1) == Verdict.BAD_DETAIL
    assert c.do(Kind.STAKE, 0, 0, amount=5) == Verdict.UNKNOWN
    c.ok(Kind.OFFER, 0, 0, amount=5, detail=0)
    assert c.ask(0) == Verdict.NO_PROVER


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("block_ms=0", "block_ms"), ("target=0", "target"), ("denominator=0", "denominator"),
        ("least_gwei=0", "least_gwei"), ("initial_gwei=5, least_gwei=6", "initial_gwei"), ("tip_gwei=-1", "tip_gwei"),
        ("burn_bips=10001", "burn_bips"), ("window_ms=0", "window_ms"),
    ],
)  # fmt: skip
def test_senseless_parameters(text: str, name: str) -> None:
    with pytest.raises(BadInput) as caught:
        rule(f"base_fee({text})")
    assert caught.value.field == f"mechanism.{name}"


@given(st.integers(0, 2**32), st.sampled_from((0, 3_333, 10_000)))
def test_whatever_happens_money_is_kept_and_the_compiled_rule_agrees(seed: int, burn: int) -> None:
    """Every event is audited by the market: conserved, nothing negative, refused means untouched."""
    dice, c, now = random.Random(seed), Chain(burn_bips=burn), 0
    for _ in range(60):
        now += dice.choice((0, 1, BLOCK, WINDOW // 2))
        actor, job, word = dice.randrange(USER + 1), dice.randrange(24), dice.randrange(ONE_WORD)
        match dice.randrange(5):
            case 0:
                c.do(Kind.OFFER, now, actor, amount=dice.choice((1, 40, 60, 500)), detail=dice.randrange(-1, 4))
            case 1 | 2:
                c.do(Kind.REQUEST, now, actor, job=job, amount=dice.choice((0, 300, 820, 2_000)), word=word)
            case 3:
                c.do(Kind.PROVE, now, max(0, int(c.b.prover[job])), job=job)
            case _:
                c.do(Kind.EXPIRE, now, actor, job=job)
    compiled.compare(c.market.trace())
