"""The L1 layer of Starknet: two-step updates, turns after an idle race, the validator registry, forced resets.

Section numbers are those of the field page on chains. Every event passes the audit of the conformance suite, and the
invariants of 1.3 are looked at after each.
"""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofyard.conformance.compiled import compare
from proofyard.conformance.drain import drain
from proofyard.conformance.market import Market, Setup
from proofyard.conformance.plausible import Plausible
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.core.rule import Rule, with_params
from proofyard.engine.simulate import Simulation
from proofyard.engine.world import rule_of
from proofyard.mechanisms import state_updates
from proofyard.mechanisms.state_updates import HOUR, Params
from proofyard.scenario import read_variants

SCENARIO = Path(__file__).parents[2] / "scenarios" / "starknet-l1-updates.toml"
RICH = 10**12
REWARD = 10_000
DAY = 24 * HOUR
ROLLUP, FAST, HOLDER, THIRD = range(4)


class Chain:
    """L1 and L2 by hand; every event is audited."""

    def __init__(self, stakes: tuple[int, ...] = (), jobs: int = 20, **params: int) -> None:
        self.p = Params(**params)
        self.market = Market(Setup(Rule("state_updates", state_updates, self.p), jobs, (RICH,) * 5))
        self.s: Any = self.market.sheet.state
        self.b = self.s.book
        self.now, self.job = 0, -1
        for actor, stake in enumerate(stakes):
            if stake:
                self.ok(Kind.STAKE, actor, amount=stake)

    def do(self, kind: Kind, actor: int = 0, **rest: int) -> Verdict:
        self.now = rest.get("time", self.now)
        names = ("amount", "detail", "word")
        job = rest.get("job", max(self.job, 0))
        before = (int(self.s.proven[0]), int(self.s.fork[0]), int(self.s.resets[0]))
        verdict = self.market.answer(Event(kind, self.now, actor, job, *(rest.get(name, 0) for name in names)))
        look(self.s, before)
        return verdict

    def ok(self, kind: Kind, actor: int = 0, **rest: int) -> None:
        assert self.do(kind, actor, **rest) == Verdict.OK

    def request(self, time: int) -> None:
        self.job += 1
        self.ok(Kind.REQUEST, ROLLUP, job=self.job, amount=REWARD, time=time)

    def due(self) -> None:
        """Fire the timer of the present job as soon as it may."""
        self.now = max(self.now, int(self.b.deadline[self.job]) + 1)
        assert self.market.answer(self.market.timer(self.job, self.now)) == Verdict.OK

    def update(self, time: int, actor: int = FAST) -> None:
        """Ask for, prove and land an update."""
        self.request(time)
        self.ok(Kind.PROVE, actor, word=1)
        self.due()

    @property
    def phase(self) -> Phase:
        return Phase(int(self.b.phase[self.job]))


def look(s: Any, before: tuple[int, int, int]) -> None:
    """Check the invariants of 1.3: provenHeight never falls; at most one reset per forkID; a proof has one forkID."""
    proven, fork, resets = before
    assert s.proven[0] >= proven
    assert s.resets[0] - resets == int(s.fork[0] > fork)
    assert s.fork[0] >= fork
    live = int(s.live[0]) - 1
    if live >= 0:
        assert (s.first[live], s.fork_of[live]) == (s.proven[0] + 1, s.fork[0])


# --- two transactions (1.1 V) ---


def test_register_then_update() -> None:
    """1.1 V: an update is two transactions; the state moves with the second alone."""
    c = Chain(block_ms=1_000)
    c.request(900_000)
    assert (int(c.s.first[0]), int(c.s.last[0])) == (1, 900)
    c.now += 60_000
    c.ok(Kind.PROVE, FAST, word=1)
    assert (c.phase, int(c.s.proven[0])) == (Phase.PROVEN, 0)
    assert c.do(Kind.SETTLE, time=c.now + 12_000) == Verdict.EARLY
    c.due()
    assert int(c.s.proven[0]) == 900
    assert c.phase == Phase.SETTLED  # nobody has a turn yet, so nobody to console
    assert int(c.b.cash[FAST]) == RICH + REWARD
    c.request(1_000_000)
    assert (int(c.s.first[1]), int(c.s.last[1])) == (901, 1_000)  # from_height = provenHeight + 1


def test_near_simultaneous_finishers_all_pay_but_one_succeeds() -> None:
    """1.1 IV, post 18."""
    c = Chain()
    c.request(HOUR)
    c.ok(Kind.PROVE, FAST, word=1)
    assert c.do(Kind.PROVE, THIRD, word=1) == Verdict.NOT_YOURS
    assert int(c.b.prover[0]) == FAST


# --- turns and consolation (1.1, workshop variant) ---


def validators() -> Chain:
    """Actors 1 to 3 are validators from hour 3 on; the state is proven up to then."""
    c = Chain((0, 5, 6, 7))
    c.update(HOUR)  # takes them in and confirms them
    c.update(3 * HOUR)
    assert c.s.weight.tolist() == [0, 5, 6, 7, 0]
    return c


def test_turns_after_five_idle_hours() -> None:
    """1.1: open race with turn-based fallback after 5 idle hours; turns go round."""
    c = validators()
    landed = int(c.s.landed_at[0])
    c.request(4 * HOUR)
    assert c.b.deadline[c.job] == landed + 5 * HOUR
    first = int(c.s.holder[c.job]) - 1
    c.due()
    seen = []
    for _ in range(4):
        assert c.phase == Phase.ASSIGNED
        seen.append(int(c.b.prover[c.job]))
        rival = next(actor for actor in (1, 2, 3) if actor != seen[-1])
        assert c.do(Kind.PROVE, rival, word=1) == Verdict.NOT_YOURS
        c.due()
    assert seen[0] == first
    assert sorted(seen[:3]) == [1, 2, 3]
    assert seen[3] == seen[0]
    c.ok(Kind.PROVE, int(c.b.prover[c.job]), word=1)
    c.due()
    assert c.phase == Phase.SETTLED  # the turn holder was first: no consolation is put aside
    assert c.b.paid[c.job] == REWARD


def test_an_update_nobody_makes_is_lost_and_the_next_covers_it() -> None:
    c = validators()
    before = int(c.s.proven[0])
    c.request(4 * HOUR)
    for _ in range(c.p.turns + 1):  # the race, then the turns
        assert c.phase != Phase.LOST
        c.due()
    assert c.phase == Phase.LOST
    assert int(c.s.proven[0]) == before
    c.request(c.now)
    assert c.s.first[c.job] == before + 1


@pytest.mark.parametrize("after_ms", [0, HOUR, HOUR + 1])
def test_consolation_for_the_turn_holder_within_an_hour(after_ms: int) -> None:
    """1.1: reward the first on L1, plus the turn holder if it supplies a proof of the same transition within 1 h."""
    c = validators()
    c.request(4 * HOUR)
    holder = int(c.s.holder[c.job]) - 1
    rival = next(actor for actor in (1, 2, 3) if actor != holder)
    c.ok(Kind.PROVE, rival, word=1)
    proven = c.now
    cash = c.b.cash.copy()
    if after_ms > 12_000:
        c.due()
        assert (c.phase, int(c.b.cash[rival] - cash[rival])) == (Phase.PROVEN, REWARD * 8 // 10)
    assert c.do(Kind.PROVE, holder, word=2, time=proven + after_ms) in (Verdict.WRONG_PHASE, Verdict.LATE)  # another
    verdict = c.do(Kind.PROVE, holder, word=1)
    assert verdict == (Verdict.OK if after_ms <= HOUR else Verdict.LATE)
    assert c.do(Kind.PROVE, holder, word=1) != Verdict.OK  # once
    while c.phase != Phase.SETTLED:
        c.due()
    earned = REWARD * 2 // 10 if verdict == Verdict.OK else 0
    assert int(c.b.cash[holder] - cash[holder]) == earned
    assert int(c.b.cash[ROLLUP] - cash[ROLLUP]) == REWARD * 2 // 10 - earned
    assert c.b.paid[c.job] == REWARD * 8 // 10 + earned


# --- the registry (1.3) ---


def test_an_entry_taken_in_at_epoch_e_is_effective_in_e_plus_2() -> None:
    """1.3: unstaged, staged, set."""
    c = Chain((0, 5), inclusion_ms=90 * 60_000)  # taken in at 1:30, L2 epoch 1
    c.update(2 * HOUR)
    assert c.s.effective[1] == 3 * HOUR
    assert c.s.weight[1] == 0
    c.update(3 * HOUR - 30_000)  # lands 12 s later, 18 s too early
    assert c.s.weight[1] == 0
    c.update(3 * HOUR)
    assert c.s.weight[1] == 5


def test_entries_are_confirmed_in_order_and_only_as_far_as_the_blocks_reach() -> None:
    """1.3: only a dense prefix of sequence numbers; confirmed entries are a subset of the pending ones."""
    c = Chain()
    for actor, minute in ((3, 0), (1, 20), (2, 40)):
        c.ok(Kind.STAKE, actor, amount=5, time=minute * 60_000)
    assert c.s.number.tolist() == [0, 2, 3, 1, 0]
    c.update(HOUR + 25 * 60_000)
    assert (c.s.effective > 0).tolist() == [False, True, False, True, False]
    c.update(2 * HOUR)
    assert (c.s.effective > 0).tolist() == [False, True, True, True, False]


def test_a_withdrawn_stake_is_paid_when_the_entry_is_effective() -> None:
    c = Chain((0, 5), l2_epoch_ms=1_000, inclusion_ms=0)
    c.update(HOUR)
    assert c.do(Kind.UNSTAKE, 1, amount=6) == Verdict.POOR
    c.ok(Kind.UNSTAKE, 1, amount=5)
    assert c.do(Kind.STAKE, 1, amount=5) == Verdict.FULL  # one entry under way
    assert (int(c.s.weight[1]), int(c.s.exiting[1])) == (5, 5)
    c.update(2 * HOUR)
    assert (int(c.s.weight[1]), int(c.s.exiting[1])) == (0, 0)
    assert c.b.cash[1] == RICH + 2 * REWARD  # FAST is actor 1


# --- forced reset (1.3) ---


def censoring(block_ms: int = 172_800, **params: int) -> Chain:
    """A validator whose entry of L1 epoch 0 the L2 never takes in; 1,000 blocks in two days."""
    return Chain((0, 0, 0, 5), block_ms=block_ms, inclusion_ms=9 * DAY, **params)


def test_tip_1000_proven_900_discards_901_to_1000() -> None:
    """1.3 example: L2 tip 1000, proven 900, so 901-1000 are discarded; one fork block applies the stale entry."""
    c = censoring()
    c.update(900 * 172_800)
    assert int(c.s.proven[0]) == 900
    c.request(2 * DAY)
    assert (int(c.s.discarded[0]), int(c.s.resets[0]), int(c.s.fork[0])) == (100, 1, 0)
    assert (int(c.s.proven[0]), int(c.s.first[1]), int(c.s.last[1])) == (900, 901, 901)  # the fork block
    assert c.s.weight[3] == 5  # applied there, at once
    c.ok(Kind.PROVE, FAST, word=1)
    c.due()
    assert int(c.s.proven[0]) == 901


@pytest.mark.parametrize(("time", "stale"), [(2 * DAY - 1, False), (2 * DAY, True)])
def test_stale_is_two_epochs_after_its_own(time: int, stale: bool) -> None:  # noqa: FBT001 - a column of the table
    """1.3: stale if eth_epoch + 2 <= current L1 epoch and unconfirmed."""
    c = censoring()
    c.request(time)
    assert int(c.s.resets[0]) == int(stale)


def test_an_update_under_way_is_void_when_an_entry_it_leaves_out_goes_stale() -> None:
    """1.3: no stale unconfirmed entries, or L1 does not accept; the prover worked in vain."""
    c = censoring()
    c.request(2 * DAY - 5_000)
    c.ok(Kind.PROVE, FAST, word=1)
    c.due()
    assert c.phase == Phase.LOST
    assert (int(c.s.proven[0]), int(c.s.discarded[0]), int(c.s.fork[0])) == (0, 1_000, 0)
    assert int(c.b.cash[FAST]) == RICH
    assert int(c.b.cash[ROLLUP]) == RICH


def test_each_reset_has_a_fork_number_of_its_own() -> None:
    c = censoring()
    forks = []
    for day in (2, 5, 9):
        c.request(day * DAY)
        forks.append(int(c.s.fork[0]))
        c.ok(Kind.PROVE, FAST, word=1)
        c.due()
        c.ok(Kind.STAKE, 3, amount=5)
    assert forks == [0, 2, 5]  # the L1 epochs of the entries
    assert int(c.s.resets[0]) == 3


def test_an_idle_update_ends_with_the_reset() -> None:
    c = censoring(idle_ms=3 * DAY)
    c.request(DAY)
    c.due()
    assert (c.phase, int(c.s.resets[0])) == (Phase.LOST, 1)


def test_without_censorship_nothing_is_reset() -> None:
    c = Chain((0, 5, 5, 5), jobs=100)
    for hour in range(1, 100):
        c.update(hour * HOUR)
    assert (int(c.s.resets[0]), int(c.s.discarded[0])) == (0, 0)


@pytest.mark.parametrize(("hours", "reward"), [(0, 999), (11, 541), (23, 41), (30, 0)])
def test_reward_for_confirming_an_entry_shrinks_with_delay(hours: int, reward: int) -> None:
    """1.3 softeners (114280); 24 h of L1 blocks; the entry waits `hours`, and 12 s for the second transaction."""
    c = Chain((0, 0, 0, 5), inclusion_ms=0, inclusion_gwei=1_000, reserve_gwei=10**6)
    c.update(hours * HOUR + 3_000)
    assert (
        int(c.b.cash[FAST]) - RICH - REWARD
        == reward
        == 1_000 * max(0, 24 * HOUR - hours * HOUR - 15_001) // (24 * HOUR)
    )


def test_rewards_stop_when_the_reserve_is_empty() -> None:
    c = Chain((0, 0, 5, 5), inclusion_ms=0, inclusion_gwei=1_000, reserve_gwei=1_500)
    c.update(3_000)
    assert int(c.b.cash[FAST]) - RICH - REWARD == 1_500
    assert c.b.reserve[0] == 0


# --- refusals, parameters ---


def test_refusals() -> None:
    c = Chain((0, 5))
    assert c.do(Kind.REQUEST, ROLLUP, amount=1) == Verdict.EARLY  # no block yet
    assert c.do(Kind.STAKE, 1, amount=1) == Verdict.FULL
    c.request(HOUR)
    assert c.do(Kind.REQUEST, ROLLUP, amount=1, job=5) == Verdict.FULL
    assert c.do(Kind.OFFER, 1, amount=1) == Verdict.UNKNOWN
    assert c.do(Kind.EXPIRE) == Verdict.EARLY
    c.ok(Kind.PROVE, FAST, word=1)
    assert c.do(Kind.CONTEST, 2) == Verdict.UNKNOWN
    assert c.do(Kind.VOTE, 2) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("block_ms", 0),
        ("l2_epoch_ms", 0),
        ("l1_epoch_ms", 0),
        ("delay_epochs", -1),
        ("stale_epochs", 0),
        ("inclusion_ms", -1),
        ("inclusion_within_ms", 0),
        ("reserve_gwei", -1),
        ("update_ms", 0),
        ("idle_ms", 0),
        ("turn_ms", 0),
        ("turns", 101),
        ("consolation_ms", -1),
        ("consolation", 10_001),
    ],
)
def test_senseless_parameters_are_refused(parameter: str, value: int) -> None:
    with pytest.raises(BadInput, match=parameter):
        with_params("state_updates", state_updates, {parameter: value})


# --- the scenario ---


def test_scenario_says_what_its_claim_says() -> None:
    ends: list[tuple[int, np.ndarray, int, int]] = []
    for _, world in read_variants(SCENARIO):
        simulation = Simulation(world, rule_of(world), world.seed)
        result, s = simulation.run(), simulation.stage.state
        settled = int((result.jobs.phase == Phase.SETTLED).sum())
        ends.append((settled, result.provers.wins, int(s.resets[0]), int(s.discarded[0])))
    base, censored, nights = ends
    assert base[0] > 700
    assert base[1].tolist() == [base[0], 0, 0, 0, 0]
    assert base[2] == base[3] == 0
    assert censored[2] >= 10  # every second day or so
    assert 0.9 * 1_200 * censored[2] < censored[3] < 1.1 * 1_200 * censored[2]  # an hour of blocks each
    assert 0 < nights[0] < 0.5 * base[0]


# --- random walks ---

WALKED = (
    Params(block_ms=3, l2_epoch_ms=10, l1_epoch_ms=40, inclusion_ms=5, idle_ms=30, turn_ms=9, turns=3, update_ms=2),
    Params(block_ms=2, l2_epoch_ms=7, l1_epoch_ms=15, inclusion_ms=60, idle_ms=25, turns=2, turn_ms=6, update_ms=9),
    Params(block_ms=5, inclusion_ms=1, l1_epoch_ms=30, inclusion_gwei=50, reserve_gwei=400, inclusion_within_ms=99),
)
KNOWN = (Kind.STAKE, Kind.UNSTAKE, Kind.REQUEST, Kind.PROVE, Kind.EXPIRE, Kind.SETTLE)


@settings(max_examples=60)
@given(st.sampled_from(WALKED), st.integers(0, 2**32))
def test_random_events_keep_the_invariants_in_python_and_compiled(p: Params, seed: int) -> None:
    """Money conserved, nothing negative, refused means untouched, no job stuck (audited); 1.3's invariants."""
    market = Market(Setup(Rule("state_updates", state_updates, p._replace(consolation_ms=20)), 10, (10**6,) * 4))
    s: Any = market.sheet.state
    draw = Plausible(random.Random(seed), market)
    for _ in range(70):
        before = (int(s.proven[0]), int(s.fork[0]), int(s.resets[0]))
        market.answer(draw.next(KNOWN))
        look(s, before)
        assert (s.weight >= 0).all()
    drain(market)
    compare(market.trace())
