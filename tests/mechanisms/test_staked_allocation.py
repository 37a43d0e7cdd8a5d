"""Staked allocation, a reconstruction.

RECONSTRUCTION: of "On Ethereum Prover Market Design" (ethresear.ch 22916) only the opening could
be read; that provers stake, are allocated a job beforehand and lose the stake, and the threshold V / ln V, stand in
others' notes on it. Every formula here is derived in the rule's docstring.
"""

import math
import random
from pathlib import Path

import numpy as np
import pytest

from proofyard.conformance.compiled import fold
from proofyard.conformance.market import Market, Setup, Trace
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import rule
from proofyard.scenario import read
from proofyard.worlds import theory

WORDS = 2**62
WINDOW = 100
BOND = 50
CASH = 10**9
RUNS = 20_000
LATE = WINDOW + 1


class Allocation:
    """An audited market: provers 0, 1, ... and one requester after them."""

    def __init__(self, provers: int = 3, jobs: int = 4, **params: int) -> None:
        values = ", ".join(f"{k}={v}" for k, v in ({"window_ms": WINDOW, "bond_gwei": BOND} | params).items())
        self.market = Market(Setup(rule(f"staked_allocation({values})"), jobs, (CASH,) * (provers + 1)))
        self.s, self.b = self.market.sheet.state, self.market.book
        self.requester = provers

    def do(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> Verdict:
        job, amount, detail, word = (rest.get(name, 0) for name in ("job", "amount", "detail", "word"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, word))

    def ok(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def enter(self, *asks: int, stake: int = 1_000, capacity: int = 10) -> "Allocation":
        for prover, price in enumerate(asks):
            self.ok(Kind.STAKE, 0, prover, amount=stake)
            self.ok(Kind.OFFER, 0, prover, amount=price, detail=capacity)
        return self

    def request(self, most: int = 100, job: int = 0, word: int = 0) -> Verdict:
        return self.do(Kind.REQUEST, 0, self.requester, job=job, amount=most, detail=1, word=word)

    def gain(self, actor: int) -> int:
        return int(self.b.cash[actor] + self.s.stake[actor]) - CASH


def test_the_one_chosen_locks_a_bond_and_is_paid_what_it_asks() -> None:
    m = Allocation().enter(30, 40, 20)
    assert m.request(word=WORDS - 1) == Verdict.OK
    assert (m.b.prover[0], m.b.escrow[0], m.s.bond[0], m.s.stake[2]) == (2, 20, BOND, 950)
    assert m.do(Kind.PROVE, 1, 1) == Verdict.NOT_YOURS
    assert m.do(Kind.UNSTAKE, 1, 2, amount=951) == Verdict.POOR
    m.ok(Kind.PROVE, WINDOW, 2)
    assert [m.gain(k) for k in range(4)] == [0, 0, 20, -20]
    assert (m.b.phase[0], m.b.paid[0], m.s.open_jobs[2]) == (Phase.SETTLED, 20, 0)


@pytest.mark.parametrize(("refund_bips", "back"), [(10_000, 50), (3_000, 15), (0, 0)])
def test_a_missing_proof_costs_the_bond(refund_bips: int, back: int) -> None:
    m = Allocation(refund_bips=refund_bips).enter(30)
    m.request()
    assert m.do(Kind.EXPIRE, WINDOW) == Verdict.EARLY
    assert m.do(Kind.PROVE, LATE) == Verdict.LATE
    m.ok(Kind.EXPIRE, LATE)
    assert (m.gain(0), m.gain(3), m.b.burnt[0], m.b.slashed[0]) == (-50, back, 50 - back, 50)
    assert (m.b.phase[0], m.s.open_jobs[0]) == (Phase.LOST, 0)


@pytest.mark.parametrize(
    ("stake", "capacity", "price", "free"), [(50, 1, 100, 1), (49, 1, 100, 0), (50, 0, 9, 0), (50, 1, 101, 0)]
)  # fmt: skip
def test_who_can_be_chosen(stake: int, capacity: int, price: int, free: int) -> None:
    m = Allocation().enter(price, stake=stake, capacity=capacity)
    assert m.request() == (Verdict.OK if free else Verdict.NO_PROVER)


def test_capacity_and_bonds_in_use() -> None:
    m = Allocation().enter(30, 30, stake=60, capacity=2)
    assert [m.request(job=job) for job in range(3)] == [Verdict.OK, Verdict.OK, Verdict.NO_PROVER]
    assert m.b.prover[:2].tolist() == [0, 1]
    m.ok(Kind.STAKE, 0, 0, amount=40)
    assert m.request(job=2) == Verdict.OK


def test_one_price_for_all_who_ask_no_more() -> None:
    m = Allocation(price_gwei=35).enter(30, 40, 20)
    assert m.request(34) == Verdict.TOO_DEAR
    for job, word in enumerate((0, WORDS // 2 - 1, WORDS // 2, WORDS - 1)):
        assert m.request(job=job, word=word) == Verdict.OK
    assert m.b.prover[:4].tolist() == [0, 0, 2, 2]
    assert m.b.escrow[:4].tolist() == [35] * 4


def test_the_cheapest_by_lot_among_equals() -> None:
    m = Allocation(4, pick=1).enter(30, 20, 25, 20)
    for job, word in enumerate((0, WORDS // 2 - 1, WORDS // 2, WORDS - 1)):
        assert m.request(job=job, word=word) == Verdict.OK
    assert m.b.prover[:4].tolist() == [1, 1, 3, 3]


def test_refusals() -> None:
    m = Allocation().enter(30)
    assert m.request(0) == Verdict.BAD_AMOUNT
    assert m.do(Kind.OFFER, 0, 1, amount=5, detail=-1) == Verdict.BAD_DETAIL
    assert m.do(Kind.OFFER, 0, 1, amount=0, detail=1) == Verdict.BAD_AMOUNT
    assert m.do(Kind.WITHDRAW, 0, 1) == Verdict.UNKNOWN
    m.request()
    assert m.do(Kind.DECLINE, 0, 0) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "value"),
    [("pick", 2), ("price_gwei", -1), ("bond_gwei", -1), ("refund_bips", 10_001), ("window_ms", 0)],
)
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        rule(f"staked_allocation({name}={value})")


# --- the derived equilibrium ---


@pytest.mark.parametrize(
    ("price", "bond", "delivers"), [(100, 0, True), (60, 40, True), (60, 39, False), (1, 99, True), (99, 0, False)]
)
def test_who_is_chosen_delivers_if_price_and_bond_cover_the_cost(price: int, bond: int, delivers: bool) -> None:  # noqa: FBT001
    """RECONSTRUCTION: cost 100; delivering leaves q - 100, walking away -B, by the rule's own payments."""
    outcomes: list[int] = []
    for comes in (True, False):
        m = Allocation(bond_gwei=bond).enter(price)
        m.request()
        m.ok(Kind.PROVE if comes else Kind.EXPIRE, WINDOW + (not comes))
        outcomes.append(m.gain(0) - 100 * comes)
    assert outcomes == [price - 100, -bond]
    assert (outcomes[0] >= outcomes[1]) == delivers


@pytest.mark.parametrize(("bad", "seed"), [(1, 5), (3, 6), (7, 7)])
def test_simulated_cost_with_saboteurs(bad: int, seed: int) -> None:
    """RECONSTRUCTION: `bad` of 10 never come; 20 000 jobs cost (1 - f) q + f (c - B) each, no proof comes in f."""
    provers, price, bond, penalty = 10, 100, 400, 5_000
    dice = random.Random(seed)
    text = f"staked_allocation(window_ms={WINDOW}, bond_gwei={bond}, price_gwei={price})"
    setup = Setup(rule(text), RUNS, (10**8,) * provers + (10**9,))
    events = [Event(Kind.STAKE, 0, k, 0, 10**8, 0, 0) for k in range(provers)]
    events += [Event(Kind.OFFER, 0, k, 0, price, 1, 0) for k in range(provers)]
    for job in range(RUNS):
        word = dice.randrange(WORDS)
        prover = word * provers >> 62
        events.append(Event(Kind.REQUEST, 1_000 * job, provers, job, price, 1, word))
        kind, time = (Kind.EXPIRE, LATE) if prover < bad else (Kind.PROVE, 1)
        events.append(Event(kind, 1_000 * job + time, prover, job, 0, 0, 0))
    sheet, verdicts = fold(Trace(setup, events, [], np.zeros(0, np.int64)), len(events))
    assert (verdicts == Verdict.OK).all()
    f = bad / provers
    lost = sheet.state.book.phase == Phase.LOST
    assert abs(lost.mean() - f) < 3 * math.sqrt(f * (1 - f) / RUNS)
    cost = penalty * int(lost.sum()) - (int(sheet.state.book.cash[provers]) - 10**9)
    spread = (penalty - bond - price) * math.sqrt(f * (1 - f))
    assert abs(cost / RUNS - ((1 - f) * price + f * (penalty - bond))) < 3 * spread / math.sqrt(RUNS)


@pytest.mark.parametrize("penalty", [100, 10_000])
def test_bond_at_which_a_lottery_is_as_good(penalty: int) -> None:
    """RECONSTRUCTION, notes on section 4: "B < V / ln V: the lottery is better".

    Read as loss per unit the attacker loses: V / B here, by the rule's own slash, against ln V, what the best lottery
    pays above the one proof it needs when there are many provers.
    """
    unit = 10**5
    bond = round(unit * penalty / math.log(penalty))
    m = Allocation(bond_gwei=bond).enter(1, stake=bond)
    m.request()
    m.ok(Kind.EXPIRE, LATE)
    per_unit_lost = penalty * unit / -m.gain(0)
    best = theory.best_probability(10**6, penalty)
    assert per_unit_lost == pytest.approx(theory.lottery_cost(10**6, best, penalty) - 1, rel=1e-3)


def test_the_shipped_scenario_shows_its_claim() -> None:
    """Saboteurs with 2 x 100 tokens fail 200 blocks at a bond of 1; at a thousandth of it a fifth, for good."""
    path = Path(__file__).parents[2] / "scenarios" / "staked-allocation.toml"
    run = simulate(read(path))
    assert int((run.jobs.phase == Phase.LOST).sum()) == 200
    assert int(run.provers.slashed_gwei.sum()) == 200 * 10**9
    cheap = simulate(read(path, mechanism="staked_allocation(bond_gwei = 1_000_000)"))
    jobs = len(cheap.jobs.phase)
    assert abs((cheap.jobs.phase == Phase.LOST).mean() - 0.2) < 3 * math.sqrt(0.16 / jobs)
