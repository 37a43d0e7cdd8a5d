"""Verifiable work (Boundless PoVW): the schedule, the cap by stake, free entry. Sections: field page on markets."""

from pathlib import Path

import numpy as np
import pytest

from proofyard.conformance.market import Market, Setup
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.core.rule import with_params
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import rule, verifiable_work
from proofyard.mechanisms.verifiable_work import (
    DAY_MS,
    EPOCHS_PER_YEAR,
    GROWTH,
    LAST_EPOCH,
    ONE,
    SUPPLY,
    TOKEN,
    Params,
    emission,
    supply_at,
)
from proofyard.scenario import read

CASH = 10**15
EPOCH = 2 * DAY_MS
REQUESTER = 0


class Network:
    """An audited market: actor 0 asks for proofs, the others prove."""

    def __init__(self, provers: int = 3, jobs: int = 64, **terms: int) -> None:
        text = ", ".join(f"{name}={value}" for name, value in terms.items())
        self.market = Market(Setup(rule(f"verifiable_work({text})"), jobs, (CASH,) * (provers + 1)))
        self.s, self.b = self.market.sheet.state, self.market.book
        self.jobs = 0

    def do(self, kind: Kind, time: int, actor: int, **rest: int) -> Verdict:
        job, amount, detail, word = (rest.get(name, 0) for name in ("job", "amount", "detail", "word"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, word))

    def ok(self, kind: Kind, time: int, actor: int, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def work(self, actor: int, cycles: int, time: int) -> None:
        """Let a prover set itself work and prove it."""
        self.ok(Kind.OFFER, time, actor, amount=1, detail=1)
        self.ok(Kind.REQUEST, time, actor, job=self.jobs, detail=cycles)
        self.ok(Kind.PROVE, time, actor, job=self.jobs)
        self.jobs += 1

    def next_epoch(self, number: int) -> None:
        """End the epochs before `number`."""
        self.ok(Kind.OFFER, number * EPOCH, REQUESTER, amount=1, detail=1)
        self.ok(Kind.REQUEST, number * EPOCH, REQUESTER, job=self.jobs, detail=1)
        self.jobs += 1

    def gain(self, actor: int) -> int:
        return int(self.b.cash[actor] + self.s.stake[actor] + self.s.exiting[actor]) - CASH


# --- the schedule ---


def test_the_emission_of_the_first_epoch() -> None:
    """1.5: epoch 2 days, 75 %/25 %; 16: the formula gives about 371.8k ZKC, the docs about 385k."""
    assert emission(Params(), 0, 1) == 371_819_923_688_085
    network = Network()
    network.ok(Kind.STAKE, 0, 1, amount=15 * TOKEN)
    network.work(2, 1_000, 0)
    network.work(1, 1, 0)
    network.next_epoch(1)
    by_work = TOKEN  # 1/1001 of 278,865 ZKC would be 278.6: the stake of 15 allows one
    assert network.gain(1) == by_work + 371_819_923_688_085 // 4  # and all of the stakers' part
    assert int(network.s.earned[1]) == by_work
    assert network.gain(2) == 0  # no stake, no reward


def test_seven_percent_and_half_a_point_less_each_year() -> None:
    """1.5: supply 1e9; inflation 7 % in year 0, -0.5 points a year, floor 3 %."""
    yearly = [supply_at((year + 1) * EPOCHS_PER_YEAR) / supply_at(year * EPOCHS_PER_YEAR) - 1 for year in range(12)]
    assert yearly == pytest.approx([0.07, 0.065, 0.06, 0.055, 0.05, 0.045, 0.04, 0.035] + [0.03] * 4, abs=1e-10)
    assert supply_at(0) == 10**9 * TOKEN


@pytest.mark.parametrize("year", range(1, 10))
def test_compounding_meets_the_contracts_supply_at_each_years_end(year: int) -> None:
    """Supply.sol: the supplies it has precomputed, within 3e-6 ZKC."""
    last = year * EPOCHS_PER_YEAR - 1
    compounded = supply_at(last) * GROWTH[year - 1] // ONE
    assert emission(Params(), last, last + 1) == pytest.approx(compounded, abs=3_000, rel=0)
    assert supply_at(year * EPOCHS_PER_YEAR) == SUPPLY[year]


def test_the_schedule_ends_after_twenty_years() -> None:
    assert emission(Params(), LAST_EPOCH, 10**9) == 0
    assert emission(Params(), LAST_EPOCH - 1, LAST_EPOCH) > 340_000 * TOKEN


# --- the cap ---


@pytest.mark.parametrize("stake", [0, 1, 14, 15, 1_499, 1_500, 1_501, 10_000])
def test_reward_is_the_lesser_of_the_share_of_work_and_a_fifteenth_of_stake(stake: int) -> None:
    """1.5: Reward_i = min(0.75 E w_i / W, stake_i / 15); 1.7.8: the cap binds when stake_i < 15 x 0.75 E w_i/W."""
    network = Network(emission_gwei=400, mintable_gwei=10**6)
    if stake:
        network.ok(Kind.STAKE, 0, 1, amount=stake)
    network.work(1, 100, 0)
    network.work(2, 200, 0)
    network.next_epoch(1)
    assert int(network.s.earned[1]) == min(400 * 3 // 4 * 100 // 300, stake // 15)
    assert (int(network.s.capped[1]) > 0) == (stake < 15 * 100)


def test_what_the_cap_takes_nobody_gets() -> None:
    network = Network(emission_gwei=400, mintable_gwei=10**6)
    network.ok(Kind.STAKE, 0, 2, amount=CASH)
    network.work(1, 100, 0)
    network.work(2, 100, 0)
    network.next_epoch(1)
    assert network.s.earned[1:3].tolist() == [0, 150]
    assert int(network.b.reserve[0]) == 10**6 - 150 - 100  # 100 for stake


def test_stake_counts_as_the_epoch_ends() -> None:
    """The mint calculator asks for the cap at the epoch's end: the last millisecond is in time."""
    network = Network(emission_gwei=400, mintable_gwei=10**6)
    network.work(1, 100, 0)
    network.ok(Kind.STAKE, EPOCH - 1, 1, amount=15 * 300)
    network.next_epoch(1)
    assert int(network.s.earned[1]) == 300
    late = Network(emission_gwei=400, mintable_gwei=10**6)
    late.work(1, 100, 0)
    late.ok(Kind.STAKE, EPOCH, 1, amount=15 * 300)
    assert late.gain(1) == 0


def test_names_gain_nothing_under_the_cap_or_beside_it() -> None:
    """Shares of work and the cap are both linear: two names together have what one had."""
    one, two = (Network(emission_gwei=10**9, mintable_gwei=10**12) for _ in range(2))
    one.ok(Kind.STAKE, 0, 1, amount=3_000_000)
    for actor in (1, 2):
        two.ok(Kind.STAKE, 0, actor, amount=1_500_000)
    one.work(1, 200, 0)
    for actor in (1, 2):
        two.work(actor, 100, 0)
    for network in (one, two):
        network.work(3, 800, 0)
        network.next_epoch(1)
    assert int(one.s.earned[1]) == int(two.s.earned[1] + two.s.earned[2]) == 200_000


# --- entry ---


def entrants(cost_of_a_cycle: float, cycles: int) -> int:
    """Let equal provers with ample stake enter while who enters still earns its cost."""
    for count in range(1, 40):
        network = Network(provers=count, emission_gwei=40_000, mintable_gwei=10**6)
        for actor in range(1, count + 1):
            network.ok(Kind.STAKE, 0, actor, amount=10**9)
            network.work(actor, cycles, 0)
        network.next_epoch(1)
        if network.s.earned[1] < cost_of_a_cycle * cycles:
            return count - 1
    raise AssertionError("entry did not end")


@pytest.mark.parametrize(("cost", "cycles"), [(0.5, 3_000), (2.0, 1_000), (1.0, 4_999)])
def test_entry_goes_on_until_a_cycle_earns_its_cost(cost: float, cycles: int) -> None:
    """1.7.8: free entry, cap not binding, cost k per cycle: W* = 0.75 E price / k."""
    most = 0.75 * 40_000 / cost
    assert entrants(cost, cycles) * cycles <= most < (entrants(cost, cycles) + 1) * cycles


def test_junk_work_counts_like_any() -> None:
    """1.6: junk work to harvest PoVW when the reward per cycle exceeds cost per cycle: nobody asked, nobody pays."""
    network = Network(emission_gwei=400, mintable_gwei=10**6)
    for actor in (1, 2):
        network.ok(Kind.STAKE, 0, actor, amount=10**6)
    network.ok(Kind.OFFER, 0, 1, amount=7, detail=1)
    network.ok(Kind.REQUEST, 0, REQUESTER, job=0, amount=7, detail=100)
    network.jobs = 1
    network.ok(Kind.PROVE, 1, 1, job=0)
    network.work(2, 300, 0)
    network.next_epoch(1)
    assert network.s.earned[1:3].tolist() == [7 + 75, 225]
    assert network.gain(REQUESTER) == -7


# --- stakers, and leaving ---


def test_stakers_share_their_part_in_epochs_without_work() -> None:
    """1.5: 25 % stakers. Ten epochs in which nothing happens, one payment."""
    network = Network(emission_gwei=400, mintable_gwei=10**6)
    network.ok(Kind.STAKE, 0, 1, amount=300)
    network.ok(Kind.STAKE, 0, 2, amount=100)
    network.next_epoch(10)
    assert [network.gain(actor) for actor in (1, 2)] == [750, 250]


def test_a_position_leaves_as_a_whole_after_thirty_days() -> None:
    """1.5: withdrawal delay 30 days."""
    network = Network(emission_gwei=0)
    network.ok(Kind.STAKE, 0, 1, amount=300)
    network.ok(Kind.UNSTAKE, 5, 1, amount=1)
    assert (int(network.s.exiting[1]), int(network.s.staked[0])) == (300, 0)
    assert network.do(Kind.STAKE, 5, 1, amount=1) == Verdict.EARLY
    assert network.do(Kind.UNSTAKE, 5, 1, amount=1) == Verdict.POOR
    assert network.do(Kind.WITHDRAW, 4 + 30 * DAY_MS, 1) == Verdict.EARLY
    assert network.do(Kind.WITHDRAW, 5 + 30 * DAY_MS, 1, amount=301) == Verdict.POOR
    network.ok(Kind.WITHDRAW, 5 + 30 * DAY_MS, 1)
    assert int(network.b.cash[1]) == CASH
    network.ok(Kind.STAKE, 5 + 30 * DAY_MS, 1, amount=1)


def test_a_dry_reserve_pays_what_is_there() -> None:
    network = Network(emission_gwei=400, mintable_gwei=250)
    for actor in (1, 2):
        network.ok(Kind.STAKE, 0, actor, amount=10**6)
        network.work(actor, 100, 0)
    network.next_epoch(1)
    assert [network.gain(actor) for actor in (1, 2)] == [200, 50]


# --- jobs ---


def test_the_cheapest_with_room_has_the_job_and_equals_draw() -> None:
    network = Network()
    for actor, price in ((1, 5), (2, 5), (3, 7)):
        network.ok(Kind.OFFER, 0, actor, amount=price, detail=1)
    assert network.do(Kind.REQUEST, 0, REQUESTER, job=0, amount=4, detail=9) == Verdict.NO_PROVER
    network.ok(Kind.REQUEST, 0, REQUESTER, job=0, amount=9, detail=9, word=2**62 - 1)
    network.ok(Kind.REQUEST, 0, REQUESTER, job=1, amount=9, detail=9, word=2**62 - 1)
    assert network.do(Kind.REQUEST, 0, REQUESTER, job=2, amount=6, detail=9) == Verdict.NO_PROVER
    network.ok(Kind.REQUEST, 0, REQUESTER, job=2, amount=9, detail=9)
    assert network.b.prover[:3].tolist() == [2, 1, 3]
    assert network.b.escrow[:3].tolist() == [5, 5, 7]
    network.ok(Kind.EXPIRE, 3_600_001, REQUESTER, job=0)
    assert network.b.phase[0] == Phase.LOST
    assert network.b.cash[REQUESTER] == CASH - 12


def test_own_work_needs_room_too() -> None:
    network = Network()
    network.ok(Kind.OFFER, 0, 1, amount=1, detail=1)
    network.ok(Kind.REQUEST, 0, 1, job=0, detail=1)
    assert network.do(Kind.REQUEST, 0, 1, job=1, detail=1) == Verdict.NO_PROVER


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epoch_ms", 0), ("first_epoch", LAST_EPOCH + 1), ("emission_gwei", -2), ("work_bips", 10_001),
        ("cap_divisor", -1), ("exit_ms", -1), ("mintable_gwei", 2**61), ("window_ms", 0),
    ],
)  # fmt: skip
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("verifiable_work", verifiable_work, {name: value})


def test_who_has_no_stake_works_for_the_fee_alone() -> None:
    """The scenario: four epochs of 372 tokens, 279 of them for work, three equal provers, stakes of 5000, 300 and 0."""
    path = Path(__file__).parents[2] / "scenarios" / "boundless-verifiable-work.toml"
    capped = simulate(read(path))
    free = simulate(read(path, {}, "verifiable_work(emission_gwei = 372_000_000_000, cap_divisor = 0)"))
    fees = [5_000_000 * run.provers.wins for run in (capped, free)]
    issued = [run.provers.income_gwei - fee for run, fee in zip((capped, free), fees, strict=True)]
    assert issued[0][1:].tolist() == [4 * 20 * TOKEN, 0]
    assert issued[0][0] / (4 * TOKEN) == pytest.approx(93, rel=0.02)
    assert issued[1] / (4 * TOKEN) == pytest.approx(np.full(3, 93), rel=0.02)
    assert issued[0][0] == pytest.approx(issued[1][0], abs=10)  # the same work: nobody gets what the cap takes
    assert capped.money_difference_gwei == free.money_difference_gwei == 0
