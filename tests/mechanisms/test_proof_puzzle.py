"""The puzzle and its stake cap (Aleo). Sections: the field page on live markets; T: the tests of target.rs itself."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms.sides import Both, assert_same

from proofyard.core import FINAL, BadInput, Event, Kind, Phase, Verdict, shape
from proofyard.core.rule import Rule, with_params
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import proof_puzzle
from proofyard.mechanisms.proof_puzzle import (
    CREDIT,
    DAY_S,
    SCHEDULE_DAYS,
    SCHEDULE_KILO,
    Params,
    anchor_reward,
    proof_target,
    requirement,
    retarget,
)
from proofyard.scenario import read

FIRST, SECOND, THIRD = range(1, 4)
RICH = 10**15
BLOCK = 10_000  # ms
DEFAULT = Params(least_target=400)
FREE = DEFAULT._replace(requirement_gwei=0)
BY_HAND = FREE._replace(standing=0)
HASH = 2**62


class Chain:
    """A chain in plain Python whose every event is audited."""

    def __init__(self, p: Params = FREE, rates: tuple[int, ...] = (), jobs: int = 400) -> None:
        self.p = p
        self.s = Rule("proof_puzzle", proof_puzzle, p).genesis(5, jobs)
        self.b = self.s.book
        self.b.cash[:] = RICH // 10
        self.total = shape.total_gwei(self.s)
        self.blocks = 0
        for actor, rate in enumerate(rates, 1):
            self.ok(Kind.OFFER, 0, actor, amount=1, detail=rate)

    def do(self, kind: Kind, time: int, actor: int, **rest: int) -> Verdict:
        before = shape.copy(self.s)
        event = Event(kind, time, actor, **({"job": 0, "amount": 0, "detail": 0, "word": 0} | rest))
        verdict = proof_puzzle.apply(self.p, self.s, event)
        assert shape.total_gwei(self.s) == self.total
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        return verdict

    def ok(self, kind: Kind, time: int, actor: int, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def block(self, time: int, word: int = 0) -> int:
        """Begin the next block and return its number."""
        self.ok(Kind.REQUEST, time, 0, job=self.blocks, word=word)
        self.blocks += 1
        return self.blocks - 1

    def end(self, job: int, time: int | None = None) -> None:
        kind = Kind.SETTLE if self.b.phase[job] == Phase.PROVEN else Kind.EXPIRE
        self.ok(kind, int(self.b.deadline[job]) + 1 if time is None else time, 0, job=job)

    def solve(self, job: int, actor: int, target: int, time: int = 0) -> Verdict:
        return self.do(Kind.PROVE, time, actor, job=job, word=HASH // target - 1)

    def solvers(self, job: int) -> list[int]:
        s = self.s
        rows = (s.solver_1, s.solver_2, s.solver_3, s.solver_4)
        return [int(row[job]) for row in rows[: s.found[job]]]

    def worth(self, actor: int) -> int:
        """What the actor has gained."""
        return int(self.b.cash[actor] + self.s.stake[actor] + self.s.exiting[actor]) - RICH // 10


# --- difficulty and reward ---


@pytest.mark.parametrize("target", [2**20, 2**40, 2**50])
def test_the_target_halves_in_a_half_life_and_stays_at_the_anchor(target: int) -> None:
    """6, predictions: dt constant at 25 + 4500 s halves T; dt = 25 leaves it."""
    assert retarget(FREE, target, 25) == target
    assert retarget(FREE, target, 25 + 4_500) == target // 2
    assert retarget(FREE, target, 25 + 9_000) == target // 4


@pytest.mark.parametrize("elapsed", [-5, 0, 1, 5, 24, 26, 60, 1_000, 3_000, 4_524, 20_000])
def test_the_retargeting_approximates_the_power_of_two(elapsed: int) -> None:
    """6: T' = T x 2^(-(dt-25)/h), h = 360/2 x 25 = 4500; the code's cubic is good to 1.3e-4, its exponent to 2^-16."""
    exact = 2**50 * 2 ** ((25 - max(1, elapsed)) / 4_500)
    assert retarget(FREE, 2**50, elapsed) == pytest.approx(exact, rel=1.5e-4)


def test_the_target_has_a_floor_and_a_ceiling() -> None:
    assert retarget(FREE, 401, 4_525) == 400
    assert retarget(FREE, 2**40, 10**9) == 400
    assert retarget(Params(half_life_s=1, anchor_s=100, least_target=4), 2**50, 1) == 2**57
    assert retarget(Params(half_life_s=1, anchor_s=4, least_target=4), 2**20, 1) == 2**23


def test_the_proof_target_is_a_quarter() -> None:
    """6: proof target = coinbase_target/4 + 1; at most 4 solutions per block."""
    assert [proof_target(target) for target in (4, 400, 2**40)] == [2, 101, 2**38 + 1]


def test_the_anchor_reward() -> None:
    """6: upper bound 190,258,739; T: the rewards at the start of years 1 to 10.

    The page has 2 S x 25 x remaining / (H10 (H10+1)); the code multiplies by 25 // 10 = 2, as the bound needs.
    """
    assert anchor_reward(FREE, BLOCK) == 190_258_739
    by_year = [anchor_reward(FREE._replace(age_days=365 * year), 0) for year in range(1, 12)]
    assert by_year[:5] == [171_232_871, 152_206_996, 133_181_122, 114_155_247, 95_129_372]
    assert by_year[5:] == [76_103_498, 57_077_623, 38_051_749, 19_025_874, 19_025_874, 19_025_874]
    assert anchor_reward(FREE, 365 * DAY_S * 1_000) == 171_232_871
    assert anchor_reward(FREE._replace(supply_gwei=2**62 - 1), 0) == (2**63 - 1) // (
        365 * DAY_S + 1
    )  # four times it is cut


@pytest.mark.parametrize("anchor_s", [5, 25, 35])
def test_the_reward_keeps_its_anchor_time(anchor_s: int) -> None:
    """REWARD_ANCHOR_TIME: coinbases were to be 35 s apart in versions 15 and 16, and minted as much each as before."""
    assert anchor_reward(FREE._replace(anchor_s=anchor_s), BLOCK) == 190_258_739


# --- solutions handed in ---


def test_solvers_share_two_thirds_by_target() -> None:
    """6: coinbase = anchor x min(sum of targets, what remains)/target; 2/3 of it goes to solvers by target share."""
    chain = Chain(BY_HAND)
    job = chain.block(0)
    assert chain.solve(job, FIRST, 128) == Verdict.OK  # T = 400
    assert chain.b.phase[job] == Phase.PROVEN
    assert chain.solve(job, SECOND, 128) == Verdict.OK
    assert chain.do(Kind.SETTLE, BLOCK, 0, job=job) == Verdict.EARLY
    chain.end(job)
    coinbase = anchor_reward(FREE, BLOCK) * 256 // 400
    assert chain.worth(FIRST) == chain.worth(SECOND) == (2 * coinbase // 3) * 128 // 256
    assert chain.b.paid[job] == 2 * chain.worth(FIRST)
    assert chain.s.earned.sum() == chain.b.paid[job]


def test_no_more_than_what_the_coinbase_target_has_left() -> None:
    """6: min(sum of solution targets, what remains of coinbase target)."""
    chain = Chain(BY_HAND)
    job = chain.block(0)
    assert chain.solve(job, FIRST, 2**20) == Verdict.OK
    chain.end(job)
    assert chain.worth(FIRST) == 2 * anchor_reward(FREE, BLOCK) // 3
    assert chain.s.cumulative[0] == 0
    assert chain.s.last_at[0] == 10


def test_half_the_target_makes_a_coinbase() -> None:
    chain = Chain(BY_HAND._replace(least_target=4_096))  # the proof target is 1025
    for k in range(2):
        job = chain.block(k * BLOCK)
        assert chain.solve(job, FIRST, 2_000, k * BLOCK) == Verdict.OK
        chain.end(job)
        assert chain.s.cumulative[0] == (HASH // (HASH // 2_000) if k == 0 else 0)
    assert chain.s.last_at[0] == 20


def test_a_weak_solution_is_refused() -> None:
    """6: a solution is valid if its target >= proof target."""
    chain = Chain(BY_HAND)
    job = chain.block(0)
    assert chain.solve(job, FIRST, 100) == Verdict.BAD_DETAIL
    assert chain.do(Kind.PROVE, 0, FIRST, job=job, word=-1) == Verdict.BAD_DETAIL
    assert chain.solve(job, FIRST, 101) == Verdict.OK


def test_four_solutions_a_block_and_none_twice() -> None:
    """6: at most 4 solutions per block."""
    chain = Chain(BY_HAND)
    job = chain.block(0)
    for k in range(4):
        assert chain.solve(job, FIRST, 128 << k) == Verdict.OK
        assert chain.solve(job, FIRST, 128 << k) == Verdict.FULL
    assert chain.solve(job, SECOND, 2**30) == Verdict.FULL
    chain.end(job)
    assert chain.b.phase[job] == Phase.SETTLED


def test_a_block_without_solutions() -> None:
    chain = Chain(BY_HAND)
    job = chain.block(0)
    assert chain.solve(job, FIRST, 2**20, BLOCK + 1) == Verdict.LATE
    chain.end(job)
    assert chain.b.phase[job] == Phase.LOST
    assert chain.b.paid.sum() == 0


def test_the_reserve_may_run_dry() -> None:
    chain = Chain(BY_HAND)
    chain.s.book.reserve[0] = 1_000
    chain.total = shape.total_gwei(chain.s)
    job = chain.block(0)
    assert chain.solve(job, FIRST, 2**20) == Verdict.OK
    chain.end(job)
    assert chain.worth(FIRST) == 1_000


# --- solvers drawn from rates ---


def test_the_expected_share_is_the_share_of_the_rate() -> None:
    """6, predictions: expected share = hash-rate share without cap (words evenly spread)."""
    count: Counter[int] = Counter()
    for k in range(200):
        chain = Chain(rates=(50, 30, 20))
        count.update(chain.solvers(chain.block(2_000, word=(2 * k + 1) * HASH // 400)))  # 200 tries, one solution
    assert count == {FIRST: 100, SECOND: 60, THIRD: 40}


def test_tries_become_solutions() -> None:
    chain = Chain(rates=(101,))
    found = [len(chain.solvers(chain.block(time * 1_000))) for time in (0, 1, 1, 3, 103)]
    assert found == [0, 1, 0, 2, 4]
    assert chain.s.tries[0] == 0
    assert chain.s.tried_at[0] == 103_000


@pytest.mark.parametrize("stakes", [(5, 9, 100), (0, 0, 7), (100, 100, 100), (36, 2, 1)])
def test_the_share_under_the_cap(stakes: tuple[int, int, int]) -> None:
    """6, predictions: with cap share_i ~ min(rate_i, floor(stake_i/req)) normalised; the rest is pure waste.

    One epoch of 100 blocks with a solution each, found in the ratio 5 : 3 : 2.
    """
    p = FREE._replace(requirement_gwei=1_000, epoch_blocks=100, half_life_s=2**30)
    chain = Chain(p, rates=(50, 30, 20))
    for actor, stake in enumerate(stakes, 1):
        if stake:
            chain.ok(Kind.STAKE, 0, actor, amount=stake * 1_000 + 999)
    for k in range(100):
        chain.s.tries[0] = 0
        chain.s.tried_at[0] = k * BLOCK
        chain.s.tries[0] = 101
        job = chain.block(k * BLOCK, word=(2 * k + 1) * HASH // 200)
        chain.end(job)
    capped = [min(rate, stake) for rate, stake in zip((50, 30, 20), stakes, strict=True)]
    assert chain.s.solved[1:4].tolist() == capped
    assert chain.s.aborted[1:4].tolist() == [rate - cap for rate, cap in zip((50, 30, 20), capped, strict=True)]
    share = chain.s.earned[1:4] / chain.s.earned.sum()
    assert share == pytest.approx(np.array(capped) / sum(capped), abs=1e-4)


def test_a_new_epoch_counts_anew() -> None:
    """6: epoch 360 blocks; solutions per epoch <= floor(stake / requirement)."""
    chain = Chain(BY_HAND._replace(requirement_gwei=100, epoch_blocks=2))
    assert chain.solve(chain.block(0), FIRST, 2**20) == Verdict.FULL
    chain.ok(Kind.STAKE, 0, FIRST, amount=199)
    assert chain.solve(0, FIRST, 2**20) == Verdict.OK
    assert chain.solve(chain.block(0), FIRST, 2**20) == Verdict.FULL
    assert chain.solve(chain.block(0), FIRST, 2**20) == Verdict.OK


def test_the_schedule_of_arc_46() -> None:
    """6: 100k from 2025-07-31, 250k 10-31, 500k 2026-01-31, 750k 04-30, 1M 07-31, 1.25M 10-31, 1.5M 2027-01-31, ..."""
    dates = ["2025-07-31", "2025-10-31", "2026-01-31", "2026-04-30", "2026-07-31", "2026-10-31", "2027-01-31",
             "2027-04-30", "2027-07-31"]  # fmt: skip
    days = [int((np.datetime64(date) - np.datetime64("2025-07-31")).astype(int)) for date in dates]
    assert tuple(days) == SCHEDULE_DAYS
    assert SCHEDULE_KILO == (100, 250, 500, 750, 1_000, 1_250, 1_500, 2_000, 2_500)
    for day, kilo, before in zip(days, SCHEDULE_KILO, (0, *SCHEDULE_KILO), strict=False):
        assert requirement(Params(), day * DAY_S * 1_000) == kilo * 1_000 * CREDIT
        assert requirement(Params(arc_days=day - 1), DAY_S * 1_000 - 1) == before * 1_000 * CREDIT
    assert requirement(Params(arc_days=10_000), 0) == 2_500_000 * CREDIT


# --- stake ---


def test_taking_stake_out() -> None:
    chain = Chain()
    chain.ok(Kind.STAKE, 0, FIRST, amount=100)
    assert chain.do(Kind.UNSTAKE, 0, FIRST, amount=101) == Verdict.POOR
    assert chain.do(Kind.WITHDRAW, 0, FIRST) == Verdict.POOR
    chain.ok(Kind.UNSTAKE, 5, FIRST, amount=60)
    assert chain.do(Kind.WITHDRAW, 4 + 3_600_000, FIRST) == Verdict.EARLY
    assert chain.do(Kind.WITHDRAW, 5 + 3_600_000, FIRST, amount=61) == Verdict.POOR
    chain.ok(Kind.WITHDRAW, 5 + 3_600_000, FIRST, amount=20)
    chain.ok(Kind.WITHDRAW, 5 + 3_600_000, FIRST)
    assert chain.b.cash[FIRST] == RICH // 10 - 40


@pytest.mark.parametrize("rate", [-1, 0, 2**31 + 1])
def test_senseless_rates_are_refused(rate: int) -> None:
    assert Chain().do(Kind.OFFER, 0, FIRST, amount=1, detail=rate) == Verdict.BAD_DETAIL


def test_kinds_without_a_meaning() -> None:
    chain = Chain()
    chain.block(0)
    assert chain.do(Kind.PROVE, 0, FIRST) == Verdict.UNKNOWN  # solvers are drawn
    for kind in (Kind.DELEGATE, Kind.UNDELEGATE, Kind.TRANSFER):
        assert chain.do(kind, 0, FIRST, amount=1) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("block_ms", 0), ("epoch_blocks", 0), ("anchor_s", 0), ("half_life_s", 0), ("least_target", 3),
        ("least_target", 2**57 + 1), ("supply_gwei", -1), ("age_days", -1), ("requirement_gwei", -2), ("standing", 2),
    ],
)  # fmt: skip
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("proof_puzzle", proof_puzzle, {name: value})


def test_the_cap_in_the_simulator() -> None:
    """6: with the cap rewards follow stake, without it machines."""
    path = Path(__file__).parents[2] / "scenarios" / "aleo-puzzle.toml"
    capped = simulate(read(path, {"horizon": "1d"}))
    free = simulate(read(path, {"horizon": "1d"}, "proof_puzzle(least_target = 1_000, requirement_gwei = 0)"))
    shares = [run.provers.income_gwei / run.provers.income_gwei.sum() for run in (capped, free)]
    assert shares[0][0] < 0.2
    assert shares[1] == pytest.approx(np.array([0.6, 0.3, 0.1]), abs=0.02)
    assert capped.money_difference_gwei == free.money_difference_gwei == 0


# --- random chains: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

MARKETS = (
    FREE, BY_HAND._replace(requirement_gwei=50, epoch_blocks=3), DEFAULT._replace(requirement_gwei=7, half_life_s=3),
    BY_HAND._replace(least_target=2**40, anchor_s=1_000, half_life_s=10, supply_gwei=10**9), Params(arc_days=-1),
)  # fmt: skip
STEP = st.tuples(
    st.sampled_from("osuwrrrrppppxxxz"),
    st.integers(0, 4),
    st.integers(0, 63),
    st.integers(0, 2**62 - 1),
    st.sampled_from([0, 0, 1_000, BLOCK, 25_000, 10**7]),
)


def event_of(s: Any, what: str, now: int, actor: int, k: int, word: int) -> Event:
    """Make a step a plausible event, given the state it meets."""
    b = s.book
    if what in "osuw":
        kind = {"o": Kind.OFFER, "s": Kind.STAKE, "u": Kind.UNSTAKE, "w": Kind.WITHDRAW}[what]
        return Event(kind, now, actor, 0, word % 300, (1, 5, 2**31, 100)[k % 4], 0)
    live = np.flatnonzero((b.phase != Phase.NONE) & (b.phase < Phase.SETTLED))
    job = int(live[k % live.size]) if live.size else k % b.phase.size
    if what == "r":
        new = np.flatnonzero(b.phase == Phase.NONE)
        return Event(Kind.REQUEST, now, actor, int(new[0]) if new.size else job, 0, 0, word)
    if what == "p":
        return Event(Kind.PROVE, now, actor, job, 0, 0, word >> k)
    if what == "x":
        kind = Kind.SETTLE if b.phase[job] == Phase.PROVEN else Kind.EXPIRE
        return Event(kind, max(now, int(b.deadline[job]) + 1 - word % 2), 0, job, 0, 0, word)
    return Event(word % 15, now, actor, job, word % RICH, k - 8, word)


@settings(max_examples=40)
@given(p=st.sampled_from(MARKETS), steps=st.lists(STEP, min_size=20, max_size=80))
def test_random_chains(p: Params, steps: list[tuple[str, int, int, int, int]]) -> None:
    chain = Chain(p, jobs=24)
    both = Both(proof_puzzle, p, chain)
    now = 0
    for actor in (FIRST, SECOND):
        both(Event(Kind.OFFER, 0, actor, 0, 1, 40 * actor, 0))
        both(Event(Kind.STAKE, 0, actor, 0, 200, 0, 0))
    for what, actor, k, word, wait in steps:
        event = event_of(chain.s, what, now + wait, actor, k, word)
        both(event)
        now = max(now + wait, event.time)
    b = chain.b
    for job in np.flatnonzero(b.phase != Phase.NONE).tolist():
        if b.phase[job] not in FINAL:
            now = max(now, int(b.deadline[job])) + 1
            kind = Kind.SETTLE if b.phase[job] == Phase.PROVEN else Kind.EXPIRE
            assert both(Event(kind, now, 0, job, 0, 0, 0)) == Verdict.OK
        assert b.phase[job] in FINAL
