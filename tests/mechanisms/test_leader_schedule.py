"""The leader schedule: who is drawn, when stake counts, what a block pays, and that a missed slot costs nobody.

Section numbers are those of the field page on chains; money is in millionths of a token, numbers are exact unless said.
"""

import ctypes
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms.sides import assert_same

from proofyard.core import FINAL, TRANSITIONS, BadInput, Event, Kind, Phase, Verdict, shape, total_weight, weight_of
from proofyard.core.rule import Rule, with_params
from proofyard.engine.bind import bind
from proofyard.mechanisms import leader_schedule
from proofyard.mechanisms.leader_schedule import (
    AT_ONCE,
    BILLION,
    BY_BEACON,
    BY_WORD,
    CURVE,
    EQUALLY,
    IN_TURN,
    PROMISED,
    PUBLIC,
    SECOND,
    SHARES,
    STEPWISE,
    YEAR_MS,
    Params,
    compute_reward,
    compute_yearly,
    validate,
    when_in_force,
)

TOKEN = 10**6
HOUR, DAY = 3_600_000, 86_400_000
YEAR_S = 31_536_000
USERS, BIG, MIDDLE, SMALL, DELEGATOR, NEWCOMER = range(6)
LEGAL = {(source, kind): targets for source, kind, targets in TRANSITIONS}

# Parameter sets: the field's tables, former and current.
MONAD = Params()
MONAD_AT_LAUNCH = Params(
    slot_ms=400, epoch_ms=20_000_000, freeze_ms=2_000_000, reward_gwei=25 * TOKEN, min_total_gwei=25 * 10**12
)
STARKNET = Params(  # v3 as of April 2026: blocks of 3 s, C = 4.00, a quarter for BTC
    slot_ms=3_000, epoch_ms=HOUR, freeze_ms=0, draw_by=BY_WORD, seats=100, min_self_gwei=20_000 * TOKEN,
    min_total_gwei=0, whole_exit=1, withdraw_epochs=168, commission_rule=PROMISED, reward_by=CURVE, curve_ppm=40_000,
    pace_low_ms=2_000, pace_high_ms=5_000, second_bips=2_500, supply_gwei=10**16, mintable_gwei=10**16,
)  # fmt: skip
STARKNET_V2 = STARKNET._replace(
    draw_by=IN_TURN, reward_by=SHARES, slot_ms=50 * 3_180, earliest_ms=11 * 3_180, commission_rule=PROMISED
)
STARKNET_DESIGN = Params(
    slot_ms=10_000, epoch_ms=300_000, freeze_ms=0, stake_lag=3, randomness_lag=2, draw_by=BY_BEACON, min_self_gwei=1,
    min_total_gwei=1,
)  # fmt: skip
SOLANA = Params(
    slot_ms=400, epoch_ms=432_000 * 400, freeze_ms=0, draw_by=BY_BEACON, slots_per_leader=4, seats=10**6,
    min_self_gwei=1, min_total_gwei=0, withdraw_epochs=0, change_limit_bips=900, delinquent_epochs=5,
    commission_rule=AT_ONCE, reward_gwei=TOKEN,
)  # fmt: skip
ESPRESSO = Params(  # mainnet since March 2026
    commission_rule=STEPWISE, reward_by=CURVE, curve_ppm=21_213, curve_floor_ppm=10_000, supply_gwei=10**16,
    mintable_gwei=10**16,
    min_self_gwei=1, min_total_gwei=1, gift_most_gwei=0,
)  # fmt: skip
AZTEC = Params(
    slot_ms=72_000, epoch_ms=32 * 72_000, freeze_ms=0, stake_lag=2, randomness_lag=1, draw_by=BY_BEACON,
    weigh_by=EQUALLY, seats=10**6, min_self_gwei=200_000 * TOKEN, min_total_gwei=0, whole_exit=1, withdraw_epochs=150,
    reward_gwei=350 * TOKEN,
)  # fmt: skip
MINA = Params(
    slot_ms=180_000, epoch_ms=7_140 * 180_000, freeze_ms=0, stake_lag=2, draw_by=BY_WORD, seats=10**6, min_self_gwei=1,
    min_total_gwei=0, withdraw_epochs=0, reward_gwei=720 * TOKEN,
)  # fmt: skip
PLAIN = Params(min_self_gwei=1, min_total_gwei=1, draw_by=BY_WORD, epoch_ms=HOUR, freeze_ms=0, slot_ms=1_000)


def audit(s: Any, total: int) -> None:
    """Money is conserved and nowhere negative, and all that is kept twice agrees."""
    assert all(values.min() >= 0 for field, values in shape.named(s) if field.money)
    assert shape.total_gwei(s) == total
    actors = np.arange(s.stake.size)
    backing, pool = np.zeros_like(s.stake), np.zeros_like(s.stake)
    np.add.at(backing, s.operator_of, s.stake + s.leaving)
    np.add.at(pool, s.operator_of, np.where(s.operator_of == actors, 0, s.stake + s.joining))
    assert np.array_equal(backing, s.backing)
    assert np.array_equal(pool, s.pool)
    pending = np.zeros_like(s.owed)
    np.add.at(pending, s.operator_of, [leader_schedule.compute_pending(s, a) for a in actors])
    assert np.all(pending <= s.owed)
    weights = [int(weight_of(s.weight, v)) for v in actors]
    assert sum(weights) == total_weight(s.weight)
    assert [w > 0 for w in weights] == [seat > 0 for seat in s.seat]
    assert sorted(s.seat[s.seat > 0]) == list(range(1, int(s.seated[0]) + 1))
    assert not s.book.escrow[np.isin(s.book.phase, FINAL)].any()
    assert not s.book.slashed.any()


class Chain:
    """A chain whose every event is audited."""

    def __init__(self, p: Params, actors: int = 6, jobs: int = 64, cash: int = 10**16) -> None:
        self.p = p
        self.s = shape.zeros(leader_schedule.State, actors, jobs)
        leader_schedule.genesis(p, self.s)
        self.b = self.s.book
        self.b.cash[:] = cash
        self.total = shape.total_gwei(self.s)
        self.jobs = 0

    def do(self, kind: Kind, time: int, actor: int, amount: int = 0, detail: int = 0, **rest: int) -> Verdict:
        event = Event(kind, time, actor, rest.get("job", 0), amount, detail, rest.get("word", 0))
        before = shape.copy(self.s)
        verdict = leader_schedule.apply(self.p, self.s, event)
        audit(self.s, self.total)
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        elif kind >= Kind.REQUEST:
            old, new = Phase(before.book.phase[event.job]), Phase(self.b.phase[event.job])
            assert new in LEGAL[old, kind]
        return verdict

    def ok(self, kind: Kind, time: int, actor: int, amount: int = 0, detail: int = 0, **rest: int) -> None:
        assert self.do(kind, time, actor, amount, detail, **rest) == Verdict.OK

    def enter(self, *stakes: int) -> None:
        """Let validators 1, 2, … stake before the first block."""
        for v, amount in enumerate(stakes):
            self.ok(Kind.STAKE, 0, v + 1, amount)

    def slot(self, time: int, word: int = 0, fee: int = 0) -> tuple[int, int]:
        """Begin a slot; return its job and leader."""
        job = self.jobs
        self.jobs += 1
        self.ok(Kind.REQUEST, time, USERS, fee, job=job, word=word)
        return job, int(self.b.prover[job])

    def block(self, time: int, word: int = 0, fee: int = 0) -> int:
        """Begin a slot and make its block as early as possible; return the leader."""
        job, leader = self.slot(time, word, fee)
        self.ok(Kind.PROVE, time + self.p.earliest_ms, leader, job=job)
        return leader

    def pending(self, actor: int) -> int:
        return int(self.s.claimable[actor] + leader_schedule.compute_pending(self.s, actor))

    def weights(self) -> list[int]:
        return [int(weight_of(self.s.weight, v)) for v in range(self.s.stake.size)]


# --- who is drawn (1.1 II, 4.2, 7.3) ---


@pytest.mark.parametrize("draw_by", [BY_WORD, BY_BEACON, PUBLIC])
def test_leaders_are_drawn_as_often_as_their_stake_says(draw_by: int) -> None:
    """7.3: over n rounds each validator's count is binomial(n, share); here within 4 standard deviations."""
    chain = Chain(PLAIN._replace(draw_by=draw_by))
    chain.enter(600, 300, 100)
    chain.s.beacon[0] = 12_345
    rounds, shares = 20_000, (0, 0.6, 0.3, 0.1, 0, 0)
    counts = np.zeros(6)
    words = np.random.default_rng(3).integers(0, 2**62, rounds)
    for k in range(rounds):
        chain.s.slots[0] = k
        counts[leader_schedule.draw(chain.p, chain.s, int(words[k]))] += 1
    for count, share in zip(counts, shares, strict=True):
        assert abs(count - rounds * share) <= 4 * math.sqrt(rounds * share * (1 - share))


def test_the_schedule_of_monad_is_public_in_advance() -> None:
    """4.2: the schedule of the whole epoch is public; only stake changes alter it."""
    leaders = []
    for words in ((1, 2, 3, 4, 5, 6, 7, 8), (2**61, 0, 5, 9, 2**62 - 1, 7, 77, 777)):
        chain = Chain(PLAIN._replace(draw_by=PUBLIC))
        chain.enter(10**6, 10**6, 10**6)
        leaders.append([chain.block(1_000 * k, word) for k, word in enumerate(words)])
    assert leaders[0] == leaders[1]
    assert len(set(leaders[0])) > 1
    richer = Chain(PLAIN._replace(draw_by=PUBLIC))
    richer.enter(10**6, 10**6, 10**9)
    assert [richer.block(1_000 * k) for k in range(8)] != leaders[0]


def test_the_first_and_the_last_ticket() -> None:
    chain = Chain(PLAIN)
    chain.enter(600, 300, 100)
    assert [chain.block(k, word) for k, word in enumerate((0, 2**62 * 6 // 10 + 1, 2**62 - 1))] == [1, 2, 3]


def test_in_turn_everybody_leads_once_a_round() -> None:
    """1.4: actual proposer = eligible[(height + round) mod n]."""
    chain = Chain(PLAIN._replace(draw_by=IN_TURN))
    chain.enter(600, 300, 100)
    assert [chain.block(k) for k in range(7)] == [BIG, MIDDLE, SMALL] * 2 + [BIG]


def test_slots_in_a_row_have_one_leader() -> None:
    chain = Chain(PLAIN._replace(draw_by=PUBLIC, slots_per_leader=4))
    chain.enter(10**6, 10**6, 10**6)
    leaders = [chain.block(k) for k in range(32)]
    assert all(len(set(leaders[k : k + 4])) == 1 for k in range(0, 32, 4))
    assert len(set(leaders)) > 1


def test_the_schedule_of_an_epoch_uses_stake_of_three_epochs_before() -> None:
    """7.3 and 1.1 II: the Starknet epoch-i schedule may use only stake <= i - 3."""
    p = STARKNET_DESIGN
    chain = Chain(p)
    chain.enter(100)
    chain.block(0)
    chain.ok(Kind.STAKE, 2 * p.epoch_ms - 1, MIDDLE, 300)  # the last moment of epoch 1
    chain.ok(Kind.STAKE, 2 * p.epoch_ms, SMALL, 500)
    seen = []
    for epoch in range(1, 6):
        chain.block(epoch * p.epoch_ms)
        seen.append(chain.weights()[1:4])
    assert seen == [[100, 0, 0]] * 3 + [[100, 300, 0], [100, 300, 500]]


def test_mina_counts_stake_two_epochs_late() -> None:
    """3 and 6.1: slots of 180 s, 7 140 an epoch, two weeks; stake counts two epochs late, a block earns 720 MINA."""
    assert round(MINA.epoch_ms / 86_400_000, 3) == pytest.approx(14.875)
    chain = Chain(MINA)
    chain.enter(100)
    chain.block(0)
    chain.ok(Kind.STAKE, MINA.epoch_ms - 1, MIDDLE, 300)
    chain.ok(Kind.STAKE, MINA.epoch_ms, SMALL, 500)
    seen = []
    for epoch in range(1, 4):
        chain.block(epoch * MINA.epoch_ms, word=2**61)
        seen.append(chain.weights()[1:4])
    assert seen == [[100, 0, 0], [100, 300, 0], [100, 300, 500]]
    assert int(chain.b.reserve[0]) == MINA.mintable_gwei - 4 * 720 * TOKEN


def test_the_schedule_of_an_epoch_uses_randomness_of_two_epochs_before() -> None:
    """7.3 and 1.1 II: only randomness <= i - 2: what the chain learns in epoch i - 1 and i changes nothing in i."""
    p = STARKNET_DESIGN

    def leaders(*words: int) -> list[int]:
        chain = Chain(p)
        chain.enter(*[10**6] * 5)
        for epoch, word in enumerate(words):
            chain.block(epoch * p.epoch_ms, word)
        return [chain.block((len(words) - 1) * p.epoch_ms + 10_000 * k, 99) for k in range(1, 25)]

    base = leaders(1, 2, 3, 4, 5)
    assert leaders(1, 2, 3, 7, 8) == base
    assert leaders(1, 2, 6, 4, 5) != base
    assert leaders(6, 6, 3, 4, 5) == base


def test_a_missed_renewal_reuses_the_previous_value() -> None:
    """1.1 II: a missed renewal of the randomness reuses the previous value."""
    p = STARKNET_DESIGN
    chain = Chain(p)
    chain.enter(100)
    for epoch in (0, 1, 2, 5):  # no block in epochs 3 and 4
        chain.block(epoch * p.epoch_ms, 10 + epoch)
    assert list(chain.s.beacon[:5]) == [15, 12, 12, 12, 11]


def test_aztec_draws_equally_whatever_the_stake() -> None:
    """2.2 as a parameter set: weight is per identity; a position is 200,000, not more or less."""
    chain = Chain(AZTEC)
    chain.enter(200_000 * TOKEN, 400_000 * TOKEN, 200_000 * TOKEN - 1)
    assert chain.weights() == [0, 1, 1, 0, 0, 0]


# --- the set (4.3) ---


def test_the_largest_sit_and_ties_go_to_the_lower_number() -> None:
    """4.3: top 200 by stake, tie by id; here two seats."""
    chain = Chain(PLAIN._replace(seats=2))
    chain.enter(100, 300, 100, 50)
    assert list(chain.s.seat[1:5]) == [1, 2, 0, 0]
    chain.ok(Kind.DELEGATE, 0, NEWCOMER, 1, SMALL)
    assert list(chain.s.seat[1:5]) == [0, 1, 2, 0]
    assert chain.s.churn[0] == 2 + 2


def test_minimum_of_its_own_and_in_all() -> None:
    """4.3: min self stake 100,000, active threshold 10M (25M earlier)."""
    for p, threshold in ((MONAD, 10**7), (MONAD_AT_LAUNCH, 25 * 10**6)):
        chain = Chain(p)
        chain.enter(100_000 * TOKEN, 100_000 * TOKEN - 1)
        for v in (BIG, MIDDLE):
            amount = threshold * TOKEN - int(chain.s.stake[v]) - 1
            chain.ok(Kind.DELEGATE, 0, DELEGATOR + v - BIG, amount, v)
        assert not chain.s.seat.any()
        assert chain.do(Kind.REQUEST, 0, USERS) == Verdict.NO_PROVER
        for v in (BIG, MIDDLE):
            chain.ok(Kind.DELEGATE, 0, DELEGATOR + v - BIG, 1, v)
        assert list(np.flatnonzero(chain.s.seat)) == [BIG]
        chain.block(0)


@pytest.mark.parametrize(
    ("when", "epoch"), [(0, 1), (13_499_999, 1), (13_500_000, 2), (14_999_999, 2), (15_000_000, 2)]
)
def test_delegations_count_from_the_next_epoch_or_the_one_after(when: int, epoch: int) -> None:
    """4.3: take effect in epoch + 1, epoch + 2 inside the delay window, 5,000 of 50,000 rounds."""
    assert when_in_force(MONAD, when) == epoch
    chain = Chain(MONAD)
    chain.enter(10**13)
    chain.block(0)
    chain.ok(Kind.DELEGATE, when, DELEGATOR, 10**13, BIG)
    for k in (1, 2, 3):
        chain.block(k * MONAD.epoch_ms)
        assert chain.weights()[BIG] == (2 if k >= epoch else 1) * 10**13


def test_what_leaves_earns_until_it_is_inactive_and_waits_an_epoch_more() -> None:
    """4.3: undelegate earns until inactive, withdrawable one epoch after."""
    chain = Chain(MONAD._replace(draw_by=BY_WORD))
    chain.enter(10**13)
    chain.ok(Kind.DELEGATE, 0, DELEGATOR, 10**13, BIG)
    chain.block(0)
    assert chain.pending(DELEGATOR) == 9 * TOKEN - 1  # the accumulator rounds down
    chain.ok(Kind.UNDELEGATE, 1, DELEGATOR, 10**13, BIG)
    chain.block(1_000)
    assert chain.pending(DELEGATOR) == 18 * TOKEN - 1
    epoch = MONAD.epoch_ms
    chain.block(epoch)
    assert chain.s.exiting[DELEGATOR] == 10**13
    before = chain.pending(DELEGATOR)
    chain.block(epoch + 1_000)
    assert chain.pending(DELEGATOR) == before
    cash = int(chain.b.cash[DELEGATOR])
    assert chain.do(Kind.WITHDRAW, 2 * epoch - 1, DELEGATOR, 10**13) == Verdict.POOR
    chain.ok(Kind.WITHDRAW, 2 * epoch, DELEGATOR)
    assert chain.b.cash[DELEGATOR] - cash == before + 10**13


@pytest.mark.parametrize(("p", "least", "most"), [(MONAD, 4.58, 8.75), (MONAD_AT_LAUNCH, 6.11, 11.67)])
def test_how_long_monad_keeps_what_leaves(p: Params, least: float, most: float) -> None:
    """6.1: inactive from epoch + 1 (or + 2), withdrawable one epoch later: ~4 to 13 h; derived here, inside that."""
    moments = range(0, p.epoch_ms, p.epoch_ms // 1_000)
    waits = [((when_in_force(p, when) + p.withdraw_epochs) * p.epoch_ms - when) / HOUR for when in moments]
    assert round(min(waits), 1) == round(least, 1)
    assert round(max(waits), 1) == round(most, 1)
    assert 4 < min(waits) < max(waits) < 13


# --- what a block pays (4.2, 4.3, 7.11) ---


def test_issuance_of_monad() -> None:
    """4.2 and 7.11: 62.5 MON/s, 1.971B a year; then 60 MON/s, 1.892B a year; epochs of 5.56 h and 4.17 h."""
    for p, rate, yearly, hours in ((MONAD_AT_LAUNCH, 62.5, 1.971, 5.56), (MONAD, 60.0, 1.892, 4.17)):
        per_second = p.reward_gwei / TOKEN * 1_000 / p.slot_ms
        assert per_second == rate
        assert round(per_second * YEAR_S / 1e9, 3) == yearly
        assert round(p.epoch_ms / HOUR, 2) == hours
        assert p.epoch_ms == 50_000 * p.slot_ms
        assert p.freeze_ms == 5_000 * p.slot_ms


def test_nothing_is_paid_before_the_first_paid_epoch() -> None:
    """4.2: block reward 0 before epoch 747."""
    p = MONAD._replace(reward_from=747)
    chain = Chain(p)
    chain.enter(10**13)
    chain.block(746 * p.epoch_ms)
    assert chain.b.reserve[0] == p.mintable_gwei
    chain.block(747 * p.epoch_ms)
    assert chain.b.reserve[0] == p.mintable_gwei - 18 * TOKEN


def test_commission_to_the_leader_and_the_rest_by_the_accumulator() -> None:
    """4.3: commission to its auth address, rest: acc += amount * unit / active stake; fees go to the leader alone."""
    chain = Chain(MONAD)
    chain.ok(Kind.OFFER, 0, BIG, BILLION // 10, 1)
    chain.enter(4 * 10**12)
    chain.ok(Kind.DELEGATE, 0, DELEGATOR, 6 * 10**12, BIG)
    cash = int(chain.b.cash[BIG])
    chain.block(0, fee=777)
    assert chain.b.cash[BIG] - cash == 1_800_000 + 777
    assert (chain.pending(BIG), chain.pending(DELEGATOR)) == (6_479_999, 9_719_999)  # rounded down
    assert chain.b.paid[0] == 1_800_000 + 777 + 6_480_000
    assert chain.s.pool_paid[0] == 9_720_000


def test_compounding_is_claiming_and_delegating() -> None:
    """4.3: compound = claim then delegate."""
    chain = Chain(MONAD)
    chain.enter(4 * 10**12)
    chain.ok(Kind.DELEGATE, 0, DELEGATOR, 6 * 10**12, BIG)
    chain.block(0)
    reward = chain.pending(DELEGATOR)
    chain.ok(Kind.WITHDRAW, 1, DELEGATOR)
    chain.ok(Kind.DELEGATE, 1, DELEGATOR, reward, BIG)
    assert chain.s.joining[DELEGATOR] == reward == 10_799_999
    assert chain.do(Kind.WITHDRAW, 2, DELEGATOR) == Verdict.POOR


def test_who_comes_for_a_reward_gets_none_of_what_came_before() -> None:
    chain = Chain(PLAIN)
    chain.enter(10**9)
    chain.block(0)
    earned = chain.pending(BIG)
    chain.ok(Kind.DELEGATE, 1_000, DELEGATOR, 10**12, BIG)
    chain.block(2_000)
    assert chain.pending(DELEGATOR) == 0
    assert (earned, chain.pending(BIG)) == (18 * TOKEN - 1, 36 * TOKEN - 1)
    chain.block(HOUR)
    assert chain.pending(DELEGATOR) == 18 * TOKEN * 1_000 // 1_001
    assert chain.pending(BIG) == 36 * TOKEN + 18 * TOKEN // 1_001


def test_the_rate_of_return_is_the_same_for_every_validator() -> None:
    """4.3: APR = annual issuance / active stake * (1 - commission), same for all in expectation; commission 3 %."""
    p = MONAD._replace(draw_by=IN_TURN)  # each once, as it would be in expectation at equal stake
    chain = Chain(p)
    for v in (BIG, MIDDLE):
        chain.ok(Kind.OFFER, 0, v, 3 * BILLION // 100, 1)
    chain.enter(10**13, 10**13)
    chain.ok(Kind.DELEGATE, 0, DELEGATOR, 10**13, BIG)
    chain.ok(Kind.DELEGATE, 0, NEWCOMER, 10**13, MIDDLE)
    blocks = 40
    for k in range(blocks):
        chain.block(k * p.slot_ms)
    issued = p.reward_gwei * YEAR_MS // p.slot_ms
    for delegator in (DELEGATOR, NEWCOMER):
        rate = chain.pending(delegator) / 10**13 * YEAR_MS / (blocks * p.slot_ms)
        assert rate == pytest.approx(issued / (4 * 10**13) * 0.97, rel=1e-6)


def test_a_missed_slot_costs_nobody_anything() -> None:
    """4.2: no slashing; the contrast to a pool of provers."""
    chain = Chain(PLAIN)
    chain.enter(600, 300)
    cash, reserve = chain.b.cash.copy(), int(chain.b.reserve[0])
    job, leader = chain.slot(0, fee=1_000)
    assert chain.do(Kind.PROVE, 1_000, 3 - leader, job=job) == Verdict.NOT_YOURS
    assert chain.do(Kind.EXPIRE, 1_000, USERS, job=job) == Verdict.EARLY
    assert chain.do(Kind.PROVE, 1_001, leader, job=job) == Verdict.LATE
    chain.ok(Kind.EXPIRE, 1_001, USERS, job=job)
    assert chain.b.phase[job] == Phase.LOST
    assert np.array_equal(chain.b.cash, cash)
    assert chain.b.reserve[0] == reserve
    assert list(chain.s.stake[1:3]) == [600, 300]


def test_a_dry_reserve_pays_what_is_there() -> None:
    chain = Chain(PLAIN._replace(mintable_gwei=20 * TOKEN))
    chain.enter(10**6)
    for k in range(3):
        chain.block(k)
    assert chain.b.reserve[0] == 0
    assert chain.b.paid[:3].tolist() == [18 * TOKEN, 2 * TOKEN, 0]


def test_an_accumulator_that_is_full_pays_the_leader() -> None:
    """Against a stake of one unit, 32 units of reward fill the accumulator; nothing is lost or overflows."""
    chain = Chain(PLAIN._replace(reward_gwei=25))
    chain.enter(1)
    cash = int(chain.b.cash[BIG])
    for k in range(4):
        chain.block(k)
    assert chain.s.acc[BIG] == 2**61
    assert chain.pending(BIG) == 32
    assert chain.b.cash[BIG] - cash + chain.s.owed[BIG] == 100


def test_a_leader_whose_stake_is_gone_is_paid_in_cash() -> None:
    chain = Chain(PLAIN)
    chain.enter(600, 300)
    chain.ok(Kind.UNSTAKE, 0, BIG, 600)
    assert chain.s.exiting[BIG] == 600  # before the first block stake moves at once
    chain.ok(Kind.STAKE, 0, BIG, 600)
    job, leader = chain.slot(HOUR - 1)
    chain.ok(Kind.UNSTAKE, HOUR - 1, leader, 600)
    chain.slot(HOUR, word=2**62 - 1)
    cash = int(chain.b.cash[leader])
    chain.ok(Kind.PROVE, HOUR, leader, job=job)
    assert chain.b.cash[leader] - cash == 18 * TOKEN


def test_a_leader_that_went_to_another_meanwhile_has_earned_for_its_delegators() -> None:
    """Its block of the boundary pays 1000 to who still is with it; what it has elsewhere is no part of that."""
    chain = Chain(PLAIN._replace(min_total_gwei=10**7, reward_gwei=1_000))
    chain.enter(10**7)
    chain.ok(Kind.DELEGATE, 0, DELEGATOR, 10**6, BIG)
    chain.block(0)
    chain.ok(Kind.UNSTAKE, 1, BIG, 10**7)
    job, leader = chain.slot(HOUR)  # from here on there is no set, so stake moves at once
    assert leader == BIG
    chain.ok(Kind.STAKE, HOUR, MIDDLE, 50)
    chain.ok(Kind.DELEGATE, HOUR, BIG, 3 * 10**6, MIDDLE)
    chain.ok(Kind.PROVE, HOUR, BIG, job=job)
    assert (chain.b.paid[job], chain.s.pool_paid[job]) == (0, 1_000)


# --- Starknet (1.4, 7.12) ---


def test_the_curve_of_starknet() -> None:
    """1.4: supply 1e10, stake 1e9, c = 400: yearly 126.491M STRK.

    Per 3600 s epoch 14,439.6 (STRK part 10,829.7); per 3 s block 12.0330; APR_STRK 9.487 %.
    """
    stake = 10**9 * TOKEN
    yearly = compute_yearly(STARKNET, stake)
    assert round(yearly / TOKEN / 1e6, 3) == 126.491
    assert yearly == math.isqrt(stake * STARKNET.supply_gwei) * 400 // 10_000  # c_num * isqrt(stake * supply) / 10000
    s = Chain(STARKNET).s
    s.staked[0] = stake
    assert round(compute_reward(STARKNET_V2, s) / TOKEN, 1) == 14_439.6
    assert round(compute_reward(STARKNET_V2, s) * 0.75 / TOKEN, 1) == 10_829.7
    assert round(compute_reward(STARKNET, s) / TOKEN, 4) == 12.0330
    assert round(100 * 0.75 * yearly / stake, 3) == 9.487


@pytest.mark.parametrize(("staked", "c", "percent"), [(315, 213, 1.294), (315, 400, 2.431), (600, 400, 3.355)])
def test_the_table_of_snip_31_is_the_return_of_btc(staked: int, c: int, percent: float) -> None:
    """1.4: STRK $0.146, $100M of BTC; 315M staked, c = 1.6: 1.3 %; c = 3: 2.4 %; 600M, c = 3: 3.4 %.

    With a supply of 8.8e9 it is 1.294, 2.431, 3.355. The page does not say of what: it is APR_BTC, alpha * mint *
    pSTRK / BTC value, with the code's constant, C / 0.75 cut to hundredths (213, 400). APR_STRK would be 6.3 to 11.9 %.
    """
    p = STARKNET._replace(supply_gwei=88 * 10**14, curve_ppm=c * 100)
    mint = compute_yearly(p, staked * 10**6 * TOKEN) / TOKEN
    assert round(100 * 0.25 * mint * 0.146 / 100e6, 3) == percent


def test_the_time_between_blocks_is_the_last_epoch_s_within_limits() -> None:
    """1.4 v3: d = mean block time of the last epoch, clamped to [2, 5] s, default 3 s."""
    for blocks, pace in ((1, 5_000), (900, 4_000), (3_600, 2_000)):
        chain = Chain(STARKNET, jobs=4)
        chain.enter(20_000 * TOKEN)
        assert chain.s.pace[0] == 3_000
        chain.block(0)
        chain.s.made[0] = blocks
        chain.slot(HOUR)
        assert chain.s.pace[0] == pace


def test_staking_power_of_two_assets() -> None:
    """1.4: (1 - alpha) * s / S + alpha * b / B; zero if s = 0."""
    chain = Chain(STARKNET)
    chain.enter(60_000 * TOKEN, 20_000 * TOKEN, 20_000 * TOKEN)
    chain.ok(Kind.STAKE, 0, MIDDLE, 500, SECOND)
    chain.ok(Kind.STAKE, 0, SMALL, 1_500, SECOND)
    share = np.array(chain.weights()) / total_weight(chain.s.weight)
    assert share[1:4] == pytest.approx([0.75 * 0.6, 0.75 * 0.2 + 0.25 * 0.25, 0.75 * 0.2 + 0.25 * 0.75], abs=1e-8)
    assert chain.do(Kind.STAKE, 0, DELEGATOR, 5, SECOND) == Verdict.BAD_DETAIL
    chain.ok(Kind.UNSTAKE, 0, SMALL, 20_000 * TOKEN)
    assert chain.weights()[SMALL] == 0
    assert chain.s.second_staked[0] == 500


@pytest.mark.parametrize(
    ("strk", "btc", "first", "second"),
    [(0.01, 0.01, 1.0, 1.0), (0.01, 0.0, 0.75, None), (0.01, 0.001, 0.775, 7.75), (0.00002, 0.01, 125.75, 0.2515)],
)
def test_returns_of_v3_against_the_flat_baseline(strk: float, btc: float, first: float, second: float | None) -> None:
    """1.4 and 7.12: STRK 0.75 + 0.25 x, BTC 0.25 + 0.75 / x, x = (b / B) / (s / S); only x = 1 equalises.

    A 0-BTC staker earns 0.75; 1 % of stake and 0.1 % of BTC pays its BTC 7.75; 20k of 1e9 STRK with 1 % of BTC pays its
    STRK 125.75. Expected pay: the draw's share times what the block pays each asset, over the asset's share.
    """
    p = STARKNET._replace(reward_gwei=0)
    chain = Chain(p)
    chain.enter(int(strk * 10**9) * TOKEN, 10**15 - int(strk * 10**9) * TOKEN)
    if btc:
        chain.ok(Kind.STAKE, 0, BIG, int(btc * 10**12), SECOND)
    chain.ok(Kind.STAKE, 0, MIDDLE, 10**12 - int(btc * 10**12), SECOND)
    share = chain.weights()[BIG] / total_weight(chain.s.weight)
    cash, whole = int(chain.b.cash[BIG]), compute_reward(p, chain.s)
    assert chain.block(0) == BIG
    paid_btc, paid_strk = int(chain.b.cash[BIG]) - cash, chain.pending(BIG)
    assert share * paid_strk / (0.75 * whole * strk) == pytest.approx(first, rel=1e-4)
    if second is None:
        assert paid_btc == 0  # not minted if it has none
    else:
        assert share * paid_btc / (0.25 * whole * btc) == pytest.approx(second, rel=1e-4)
    assert paid_btc + paid_strk <= whole  # 7.12: total paid per block <= block reward


def test_attestations_pay_a_share_of_the_epoch_once_and_only_in_their_window() -> None:
    """1.4 v2: share = stake / total if it attested, else 0; valid from target + 11 to target + W; once per epoch."""
    p = STARKNET_V2._replace(second_bips=0)
    chain = Chain(p)
    chain.enter(600_000 * TOKEN, 400_000 * TOKEN)
    epoch_reward = compute_reward(p, chain.s)
    job, staker = chain.slot(0)
    assert staker == BIG
    assert chain.do(Kind.PROVE, p.earliest_ms - 1, BIG, job=job) == Verdict.EARLY
    chain.ok(Kind.PROVE, p.earliest_ms, BIG, job=job)
    job, staker = chain.slot(p.slot_ms)
    assert staker == MIDDLE
    assert chain.do(Kind.PROVE, 2 * p.slot_ms + 1, MIDDLE, job=job) == Verdict.LATE
    chain.ok(Kind.EXPIRE, 2 * p.slot_ms + 1, USERS, job=job)
    assert chain.pending(BIG) == pytest.approx(epoch_reward * 0.6, abs=2)
    assert chain.pending(MIDDLE) == 0
    assert chain.block(2 * p.slot_ms) == BIG
    assert chain.pending(BIG) == pytest.approx(epoch_reward * 0.6, abs=2)  # once an epoch


def test_targets_of_attestations_are_spread_evenly_over_the_epoch() -> None:
    """1.4: attestation block = epoch start + (hash(stake, epoch, address) mod (E - W)).

    The hash is ours, so not the blocks but their distribution is held: 4000 epochs of a staker over 8 equal parts of
    E - W, chi-square below its 0.1 % point of 24.3; and other targets for another stake, epoch and staker.
    """
    blocks, window = 1_132, 50  # April 2026
    p = STARKNET_V2._replace(second_bips=0, target_ms=(blocks - window) * 3_180)
    chain = Chain(p)
    chain.enter(600_000 * TOKEN, 400_000 * TOKEN)
    targets = [leader_schedule.compute_target(p, chain.s, BIG, epoch) for epoch in range(4_000)]
    counts = np.bincount([8 * target // p.target_ms for target in targets], minlength=8)
    assert counts.size == 8
    assert float(((counts - 500) ** 2 / 500).sum()) < 24.3
    assert leader_schedule.compute_target(p, chain.s, MIDDLE, 0) != targets[0] != targets[1]
    chain.s.backing[BIG] += 1
    assert leader_schedule.compute_target(p, chain.s, BIG, 0) != targets[0]


def test_an_attestation_waits_for_its_target() -> None:
    """1.4: valid from target + 11 to target + W blocks; both stakers' fall due at hashed times of one epoch."""
    p = STARKNET_V2._replace(second_bips=0, target_ms=1_082 * 3_180)
    chain = Chain(p)
    chain.enter(600_000 * TOKEN, 400_000 * TOKEN)
    for wanted in (BIG, MIDDLE):
        job, staker = chain.slot(0)
        assert staker == wanted
        target = leader_schedule.compute_target(p, chain.s, staker, 0)
        assert chain.b.deadline[job] == target + 50 * 3_180 < p.epoch_ms
        assert chain.do(Kind.PROVE, target + 11 * 3_180 - 1, staker, job=job) == Verdict.EARLY
        assert chain.do(Kind.PROVE, target + 50 * 3_180 + 1, staker, job=job) == Verdict.LATE
        chain.ok(Kind.PROVE, target + 11 * 3_180, staker, job=job)


def test_both_assets_share_the_epoch() -> None:
    """1.4: split BTC 25 %, STRK 75 %."""
    chain = Chain(STARKNET_V2)
    chain.enter(600_000 * TOKEN, 400_000 * TOKEN)
    chain.ok(Kind.STAKE, 0, BIG, 10, SECOND)
    chain.ok(Kind.STAKE, 0, MIDDLE, 30, SECOND)
    whole, cash = compute_reward(STARKNET_V2, chain.s), int(chain.b.cash[BIG])
    chain.block(0)
    assert chain.pending(BIG) == pytest.approx(whole * 0.75 * 0.6, abs=2)
    assert chain.b.cash[BIG] - cash == pytest.approx(whole * 0.25 * 0.25, abs=2)


def test_what_comes_to_the_second_stake_counts_from_the_next_set() -> None:
    """1.4: balances by epoch. 990 beside the 10 of the set: nothing of this epoch's BTC part, then 99 % of it."""
    p = STARKNET_V2._replace(slot_ms=HOUR // 2)
    chain = Chain(p)
    chain.enter(600_000 * TOKEN, 400_000 * TOKEN)
    chain.ok(Kind.STAKE, 0, MIDDLE, 10, SECOND)
    whole, cash = compute_reward(p, chain.s), int(chain.b.cash[BIG])
    job, staker = chain.slot(0)
    assert staker == BIG
    chain.ok(Kind.STAKE, 1, BIG, 990, SECOND)
    chain.ok(Kind.PROVE, p.earliest_ms, BIG, job=job)
    assert cash - chain.b.cash[BIG] == 990
    chain.block(HOUR)  # MIDDLE's, of the old set; from here on the new one is in force
    job, staker = chain.slot(HOUR)
    assert staker == BIG
    chain.ok(Kind.UNSTAKE, HOUR + 1, BIG, 990, SECOND)  # what leaves earns until then
    cash = int(chain.b.cash[BIG])
    chain.ok(Kind.PROVE, HOUR + p.earliest_ms, BIG, job=job)
    assert chain.b.cash[BIG] - cash == pytest.approx(whole * 0.25 * 0.99, abs=1)


def test_second_stake_that_leaves_before_the_first_block_has_no_weight() -> None:
    chain = Chain(STARKNET)
    chain.enter(50_000 * TOKEN, 50_000 * TOKEN)
    chain.ok(Kind.STAKE, 0, BIG, 500, SECOND)
    assert chain.weights()[BIG] > chain.weights()[MIDDLE]
    chain.ok(Kind.UNSTAKE, 0, BIG, 500, SECOND)
    assert chain.weights()[BIG] == chain.weights()[MIDDLE]


def test_the_second_stake_waits_like_the_first() -> None:
    chain = Chain(STARKNET)
    chain.enter(20_000 * TOKEN)
    chain.ok(Kind.STAKE, 0, BIG, 500, SECOND)
    assert chain.do(Kind.UNSTAKE, 0, BIG, 501, SECOND) == Verdict.POOR
    chain.ok(Kind.UNSTAKE, 0, BIG, 500, SECOND)
    assert chain.do(Kind.WITHDRAW, 169 * HOUR - 1, BIG) == Verdict.EARLY
    chain.ok(Kind.WITHDRAW, 169 * HOUR, BIG)


def test_a_commission_rises_only_under_a_promise() -> None:
    """1.4: falls freely; rises only inside a commitment (max, expiry <= 1 year), not above its max."""
    chain = Chain(STARKNET)
    ten, twenty = BILLION // 10, BILLION // 5
    chain.ok(Kind.OFFER, 0, BIG, ten, 1)
    assert chain.do(Kind.OFFER, 1, BIG, ten + 1, 1) == Verdict.TOO_DEAR
    chain.ok(Kind.OFFER, 1, BIG, ten - 5, 1)
    assert chain.do(Kind.OFFER, 2, BIG, twenty, YEAR_MS + 1) == Verdict.BAD_DETAIL
    assert chain.do(Kind.OFFER, 2, BIG, ten - 6, YEAR_MS) == Verdict.BAD_AMOUNT
    chain.ok(Kind.OFFER, 2, BIG, twenty, YEAR_MS)
    assert chain.s.commission[BIG] == ten - 5
    assert chain.do(Kind.OFFER, 3, BIG, twenty, YEAR_MS) == Verdict.BAD_DETAIL  # one promise at a time
    assert chain.do(Kind.OFFER, 3, BIG, twenty + 1, 1) == Verdict.TOO_DEAR
    chain.ok(Kind.OFFER, 3, BIG, twenty, 1)
    chain.ok(Kind.OFFER, 4, BIG, 1, 1)
    chain.ok(Kind.OFFER, 1 + YEAR_MS, BIG, 7, 1)
    assert chain.do(Kind.OFFER, 1 + YEAR_MS, BIG, twenty, YEAR_MS) == Verdict.BAD_DETAIL
    # staking.cairo holds a commitment active before its expiration epoch, not in it
    assert chain.do(Kind.OFFER, 2 + YEAR_MS, BIG, 8, 1) == Verdict.TOO_DEAR
    assert chain.s.commission[BIG] == 7
    chain.ok(Kind.OFFER, 2 + YEAR_MS, BIG, twenty, YEAR_MS)


def test_a_commission_of_espresso_rises_by_five_points_in_seven_days() -> None:
    """5.1: rises <= 5 points per 7 d (first rise immediate), cuts free."""
    chain = Chain(ESPRESSO)
    point = BILLION // 100
    chain.ok(Kind.OFFER, 0, BIG, 10 * point, 1)
    assert chain.do(Kind.OFFER, 1, BIG, 15 * point + 1, 1) == Verdict.TOO_DEAR
    chain.ok(Kind.OFFER, 1, BIG, 15 * point, 1)
    assert chain.s.commission[BIG] == 15 * point
    chain.ok(Kind.OFFER, 2, BIG, 3 * point, 1)
    assert chain.do(Kind.OFFER, 7 * DAY, BIG, 4 * point, 1) == Verdict.EARLY
    chain.ok(Kind.OFFER, 7 * DAY + 1, BIG, 8 * point, 1)
    assert chain.do(Kind.OFFER, 14 * DAY, BIG, 9 * point, 1) == Verdict.EARLY


def test_a_gift_goes_to_all_who_stake_with_a_validator_of_the_set() -> None:
    """4.3: external rewards, 1e9 wei to 1e7 MON, only to validators in the set, no commission.

    1e9 wei are a thousandth of the unit here, so that every amount is enough.
    """
    chain = Chain(MONAD)
    chain.enter(2 * 10**13, 10**11)  # the second has too little in all to sit
    chain.ok(Kind.OFFER, 0, BIG, BILLION // 2, 1)
    chain.ok(Kind.DELEGATE, 0, DELEGATOR, 2 * 10**13, BIG)
    assert chain.do(Kind.TRANSFER, 1, NEWCOMER, 10**7 * TOKEN + 1, BIG) == Verdict.BAD_AMOUNT
    assert chain.do(Kind.TRANSFER, 1, NEWCOMER, 4 * TOKEN, MIDDLE) == Verdict.BAD_DETAIL
    assert chain.do(Kind.TRANSFER, 1, NEWCOMER, 4 * TOKEN, 99) == Verdict.BAD_DETAIL
    chain.ok(Kind.TRANSFER, 1, NEWCOMER, 10**7 * TOKEN, BIG)
    assert (chain.pending(BIG), chain.pending(DELEGATOR)) == (10**13 // 2, 10**13 // 2)
    chain.ok(Kind.TRANSFER, 1, NEWCOMER, 1, BIG)
    assert Chain(ESPRESSO).do(Kind.TRANSFER, 1, NEWCOMER, 1, BIG) == Verdict.BAD_DETAIL


def test_exit_of_starknet_and_aztec_is_whole_and_takes_days() -> None:
    """1.4: exit lock 7 d (was 21 d = 504 epochs), stakers cannot partly unstake; 6.1: Aztec 4 d, full exit only."""
    for p, days in ((STARKNET, 7), (STARKNET._replace(withdraw_epochs=504), 21), (AZTEC, 4)):
        assert p.withdraw_epochs * p.epoch_ms == days * DAY
        chain = Chain(p)
        chain.enter(200_000 * TOKEN, 200_000 * TOKEN)
        chain.block(0)
        chain.ok(Kind.STAKE, 1, BIG, 5)
        assert chain.do(Kind.UNSTAKE, 2, BIG, 1) == Verdict.EARLY  # something still joins
        in_force = when_in_force(p, 1) * p.epoch_ms
        chain.block(in_force)
        chain.ok(Kind.UNSTAKE, in_force, BIG, 1)
        assert chain.s.leaving[BIG] == 200_000 * TOKEN + 5


# --- Solana (5.5, 7.13) ---


@pytest.mark.parametrize(("percent", "epochs"), [(5, 1), (9, 1), (10, 2), (20, 3), (33, 5), (50, 8), (90, 25)])
def test_cool_down_of_solana(percent: int, epochs: int) -> None:
    """5.5 and 7.13: epochs until fraction x of all stake has left; the limit is recomputed on shrinking stake."""
    chain = Chain(SOLANA)
    chain.enter(10**12)
    chain.ok(Kind.DELEGATE, 0, DELEGATOR, 10**12, BIG)
    chain.block(0)
    going = 2 * 10**10 * percent
    first = min(going, 10**12)
    chain.ok(Kind.UNDELEGATE, 1, DELEGATOR, first, BIG)
    if going > first:
        chain.ok(Kind.UNSTAKE, 1, BIG, going - first)
    passed = 0
    while chain.s.leaving.sum() > 0:
        passed += 1
        chain.block(passed * SOLANA.epoch_ms)
    assert passed == epochs
    assert chain.s.exiting.sum() == going


def test_warm_up_is_limited_like_cool_down_and_shared_in_proportion() -> None:
    """5.5: change_i = min(i, i * effective * 900 / (changing * 10,000)); 25 % earlier."""
    for limit in (900, 2_500):
        chain = Chain(SOLANA._replace(change_limit_bips=limit))
        chain.enter(10**12)
        chain.block(0)
        chain.ok(Kind.DELEGATE, 1, DELEGATOR, 3 * 10**12, BIG)
        chain.ok(Kind.STAKE, 1, MIDDLE, 10**12)
        chain.block(SOLANA.epoch_ms)
        room = 10**12 * limit // 10_000
        assert (chain.s.stake[DELEGATOR], chain.s.stake[MIDDLE]) == (room * 3 // 4, room // 4)


def test_a_commission_raised_collected_and_lowered() -> None:
    """5.5: increases only in the first half of the epoch but applying at once: "rugging"; SIMD-0249 delays changes."""
    taken = []
    for p in (SOLANA, SOLANA._replace(commission_rule=0)):
        chain = Chain(p)
        chain.ok(Kind.OFFER, 0, BIG, 1, 1)
        chain.enter(10**10)
        chain.ok(Kind.DELEGATE, 0, DELEGATOR, 10**12, BIG)
        chain.block(0)
        half = p.epoch_ms // 2
        if p.commission_rule == AT_ONCE:
            assert chain.do(Kind.OFFER, half + 1, BIG, BILLION, 1) == Verdict.EARLY
        chain.ok(Kind.OFFER, half, BIG, BILLION, 1)  # is_commission_update_allowed: 2 x slot <= slots of the epoch
        before = chain.pending(DELEGATOR)
        chain.block(half)
        chain.ok(Kind.OFFER, half + 1, BIG, 1, 1)
        taken.append(chain.pending(DELEGATOR) == before)
    assert taken == [True, False]


def commissions(p: Params, named: dict[int, int], epochs: int) -> list[int]:
    """Commission of a validator in each epoch, by its own second block, having named others at these times, ms."""
    chain = Chain(p)
    chain.ok(Kind.OFFER, 0, BIG, 1, 1)
    chain.enter(10**13)
    found = []
    for epoch in range(epochs):
        chain.block(epoch * p.epoch_ms)
        for time in sorted(named):
            if time // p.epoch_ms == epoch:
                chain.ok(Kind.OFFER, time, BIG, named[time], 1)
        chain.block((epoch + 1) * p.epoch_ms - 1)
        found.append(int(chain.s.commission[BIG]))
    return found


def test_a_commission_of_monad_named_after_the_snapshot_waits_one_epoch_more() -> None:
    """4.3: the snapshot at the boundary block copies commissions, too (syscall_snapshot); it rules the next epoch."""
    frozen = MONAD.epoch_ms - MONAD.freeze_ms
    assert commissions(MONAD, {frozen - 1: 5}, 4) == [1, 5, 5, 5]
    assert commissions(MONAD, {frozen: 5}, 4) == [1, 1, 5, 5]
    both = {frozen - 1: 5, frozen: 6, frozen + 1: 7}
    assert commissions(MONAD, both, 4) == [1, 5, 7, 7]
    later = {frozen: 5, MONAD.epoch_ms + frozen: 6, 3 * MONAD.epoch_ms + frozen: 7}
    assert commissions(MONAD, later, 6) == [1, 1, 5, 6, 6, 7]


def test_a_commission_waits_a_full_epoch_by_simd_0249() -> None:
    """SIMD-0249: rewards of epoch E by the commission as it was at the beginning of epoch E - 1."""
    p = SOLANA._replace(commission_rule=0, commission_lag=2)
    named = {1: 5, p.epoch_ms + 1: 6, p.epoch_ms + 2: 7, 2 * p.epoch_ms + 1: 8}
    assert commissions(p, named, 6) == [1, 1, 5, 7, 8, 8]
    assert validate(p._replace(freeze_ms=1)) is not None  # one lag or the other


def test_delegations_leave_a_validator_without_blocks() -> None:
    """5.5: deactivate a delinquent validator's delegation after 5 epochs without votes (here: blocks)."""
    chain = Chain(SOLANA._replace(change_limit_bips=0))
    chain.enter(10**12, 10**12)
    chain.ok(Kind.DELEGATE, 0, DELEGATOR, 100, MIDDLE)
    for epoch in range(8):
        job, leader = chain.slot(epoch * SOLANA.epoch_ms)
        if leader == MIDDLE:
            chain.ok(Kind.EXPIRE, epoch * SOLANA.epoch_ms + 401, USERS, job=job)
        else:
            chain.ok(Kind.PROVE, epoch * SOLANA.epoch_ms, BIG, job=job)
        expected = {5: (0, 100, 0), 6: (0, 0, 100), 7: (0, 0, 100)}.get(epoch, (100, 0, 0))
        assert (chain.s.stake[DELEGATOR], chain.s.leaving[DELEGATOR], chain.s.exiting[DELEGATOR]) == expected
    assert chain.s.stake[MIDDLE] == 10**12  # its own stays


def test_a_solana_epoch_is_two_days() -> None:
    """5.5: 432,000 slots, ~2 d; at 400 ms (common knowledge, not on the page)."""
    assert SOLANA.epoch_ms == 2 * DAY


# --- Espresso's curve (5.1, 7.13) ---


@pytest.mark.parametrize(
    ("share", "percent"), [(0.001, 21.21), (0.01, 21.21), (0.1, 6.71), (0.25, 4.24), (0.5, 3.00), (1, 2.12)]
)
def test_reward_of_espresso(share: float, percent: float) -> None:
    """5.1: R(p) = 0.03 / sqrt(2 max(p, 0.01)); p = 0.001 also 21.21 %.

    Issuance p R = 0.03 sqrt(p / 2) is the same curve as Starknet's, with 0.03 / sqrt 2 in the place of C / 100.
    """
    p = ESPRESSO
    staked = int(share * p.supply_gwei)
    assert round(100 * compute_yearly(p, staked) / staked, 2) == percent


# --- accounts ---


def test_a_position_is_with_one_validator_at_a_time() -> None:
    chain = Chain(PLAIN)
    chain.enter(600, 300)
    chain.ok(Kind.DELEGATE, 0, DELEGATOR, 10, BIG)
    assert chain.do(Kind.DELEGATE, 0, DELEGATOR, 10, MIDDLE) == Verdict.FULL
    assert chain.do(Kind.STAKE, 0, DELEGATOR, 10) == Verdict.FULL
    assert chain.do(Kind.DELEGATE, 0, BIG, 10, MIDDLE) == Verdict.FULL
    chain.ok(Kind.UNDELEGATE, 0, DELEGATOR, 10, BIG)
    chain.ok(Kind.DELEGATE, 0, DELEGATOR, 10, MIDDLE)
    assert chain.weights()[1:3] == [600, 310]


@pytest.mark.parametrize("validator", [-1, 6, 2**40, DELEGATOR, SMALL])
def test_only_validators_can_be_delegated_to(validator: int) -> None:
    chain = Chain(PLAIN)
    chain.enter(600)
    assert chain.do(Kind.DELEGATE, 0, DELEGATOR, 10, validator) == Verdict.BAD_DETAIL


def test_nobody_takes_out_more_than_is_there() -> None:
    chain = Chain(PLAIN)
    chain.enter(600)
    chain.ok(Kind.DELEGATE, 0, DELEGATOR, 10, BIG)
    assert chain.do(Kind.UNSTAKE, 0, BIG, 601) == Verdict.POOR
    assert chain.do(Kind.UNSTAKE, 0, DELEGATOR, 10) == Verdict.POOR
    assert chain.do(Kind.UNDELEGATE, 0, DELEGATOR, 11, BIG) == Verdict.POOR
    assert chain.do(Kind.UNDELEGATE, 0, DELEGATOR, 10, MIDDLE) == Verdict.BAD_DETAIL
    assert chain.do(Kind.UNDELEGATE, 0, BIG, 10, BIG) == Verdict.BAD_DETAIL
    assert chain.do(Kind.WITHDRAW, 0, DELEGATOR) == Verdict.POOR
    assert chain.do(Kind.OFFER, 0, BIG, BILLION + 1, 1) == Verdict.BAD_AMOUNT
    assert chain.do(Kind.OFFER, 0, BIG, 1, 0) == Verdict.BAD_DETAIL


def test_a_chain_whose_set_is_gone_begins_again_with_who_comes() -> None:
    chain = Chain(PLAIN)
    chain.enter(600)
    chain.block(0)
    chain.ok(Kind.UNSTAKE, 1, BIG, 600)
    chain.block(HOUR)  # the boundary block is still its own
    assert chain.do(Kind.REQUEST, HOUR + 1, USERS, job=60) == Verdict.NO_PROVER
    chain.ok(Kind.STAKE, HOUR + 2, MIDDLE, 50)
    assert chain.block(HOUR + 3) == MIDDLE


def test_who_was_joining_when_the_set_went_gets_its_money_back() -> None:
    """Without a set no block turns the epoch, so nothing may wait for one."""
    chain = Chain(PLAIN._replace(freeze_ms=HOUR // 2, min_self_gwei=5))
    chain.enter(600)
    chain.block(0)
    chain.ok(Kind.UNSTAKE, 1, BIG, 599)
    chain.ok(Kind.DELEGATE, HOUR - 1, DELEGATOR, 100, BIG)  # in force from epoch 2
    chain.ok(Kind.STAKE, HOUR - 1, MIDDLE, 4)
    assert chain.do(Kind.UNDELEGATE, HOUR - 1, DELEGATOR, 100, BIG) == Verdict.POOR
    chain.block(HOUR)
    assert chain.do(Kind.UNDELEGATE, HOUR, DELEGATOR, 101, BIG) == Verdict.POOR
    chain.ok(Kind.UNDELEGATE, HOUR, DELEGATOR, 100, BIG)
    chain.ok(Kind.UNSTAKE, HOUR, MIDDLE, 4)
    for actor, amount in ((DELEGATOR, 100), (MIDDLE, 4)):
        assert chain.do(Kind.WITHDRAW, 2 * HOUR - 1, actor) == Verdict.EARLY
        cash = int(chain.b.cash[actor])
        chain.ok(Kind.WITHDRAW, 2 * HOUR, actor)
        assert chain.b.cash[actor] - cash == amount


def test_who_was_leaving_when_the_set_went_gets_its_money_back() -> None:
    chain = Chain(PLAIN._replace(freeze_ms=HOUR // 2, reward_gwei=0))
    chain.enter(600)
    chain.ok(Kind.DELEGATE, 0, DELEGATOR, 100, BIG)
    chain.block(0)
    chain.ok(Kind.UNSTAKE, 1, BIG, 600)
    chain.ok(Kind.UNDELEGATE, HOUR - 1, DELEGATOR, 100, BIG)  # leaves in epoch 2, to be had in 3
    assert chain.do(Kind.WITHDRAW, 3 * HOUR, DELEGATOR) == Verdict.POOR  # there is a set: it earns until a block
    chain.block(HOUR)
    assert chain.do(Kind.WITHDRAW, 3 * HOUR - 1, DELEGATOR) == Verdict.EARLY
    cash = int(chain.b.cash[DELEGATOR])
    chain.ok(Kind.WITHDRAW, 3 * HOUR, DELEGATOR, 30)
    chain.ok(Kind.WITHDRAW, 3 * HOUR, DELEGATOR)
    assert chain.b.cash[DELEGATOR] - cash == 100


def test_a_kind_without_a_meaning_is_unknown() -> None:
    chain = Chain(PLAIN)
    chain.enter(600)
    job, leader = chain.slot(0)
    assert chain.do(Kind.DECLINE, 0, leader, 1, job=job) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    "bad",
    [{"seats": 0}, {"slot_ms": 0}, {"earliest_ms": 301}, {"freeze_ms": 15_000_001}, {"stake_lag": 9}, {"draw_by": 4},
     {"second_bips": 10_001}, {"change_limit_bips": -1}, {"min_self_gwei": 0}, {"supply_gwei": 0}, {"reward_by": 3},
     {"pace_high_ms": 299}, {"mintable_gwei": 2**61}, {"curve_ppm": 10**6 + 1}, {"commission_rule": -1},
     {"commission_rule": 4}, {"target_ms": -1}, {"gift_most_gwei": 2**61 + 1}],
)  # fmt: skip
def test_senseless_parameters_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(BadInput, match=next(iter(bad))):
        with_params("leader_schedule", leader_schedule, bad)


@pytest.mark.parametrize("p", [MONAD, MONAD_AT_LAUNCH, STARKNET, STARKNET_V2, STARKNET_DESIGN, SOLANA, ESPRESSO, AZTEC])
def test_historical_parameters_make_sense(p: Params) -> None:
    assert leader_schedule.validate(p) is None


# --- random chains: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

CASH = 10**8
CHAINS = (
    PLAIN._replace(seats=2, stake_lag=2, freeze_ms=600_000, reward_gwei=977),
    SOLANA._replace(epoch_ms=HOUR, delinquent_epochs=1, reward_gwei=10**6),
    STARKNET._replace(min_self_gwei=1, epoch_ms=HOUR, withdraw_epochs=1),
    STARKNET_V2._replace(min_self_gwei=1, epoch_ms=HOUR, earliest_ms=1, withdraw_epochs=0),
    AZTEC._replace(min_self_gwei=1, epoch_ms=HOUR, seats=2, withdraw_epochs=1),
    ESPRESSO._replace(epoch_ms=HOUR, gift_most_gwei=10**9, target_ms=1_000),
)
ACTS = "osSuUdngwrrrrpppptz"
WAITS = [0, 0, 1, 1_000, 600_000, HOUR]
STEP = st.tuples(
    st.sampled_from(ACTS), st.integers(0, 5), st.integers(0, 63), st.integers(0, 2**62 - 1), st.sampled_from(WAITS)
)


def random_event(s: Any, step: tuple[str, int, int, int, int], now: int) -> Event:
    """Turn a step into a mostly possible event, given the state it meets."""
    what, actor, k, word, _ = step
    some = 1 + word % (CASH // 4)
    held = 1 + word % (1 + int(s.stake[actor]))
    accounts = {
        "o": (Kind.OFFER, word % (BILLION + 2), 1 + k % 2 * k * HOUR), "s": (Kind.STAKE, some, 0),
        "S": (Kind.STAKE, some, SECOND), "u": (Kind.UNSTAKE, held, 0), "U": (Kind.UNSTAKE, some, SECOND),
        "d": (Kind.DELEGATE, some, k % 4), "n": (Kind.UNDELEGATE, held, int(s.operator_of[actor])),
        "g": (Kind.TRANSFER, some, k % 4), "w": (Kind.WITHDRAW, word % 2 * (word % CASH), 0),
    }  # fmt: skip
    if what in accounts:
        kind, amount, detail = accounts[what]
        return Event(kind, now, actor, 0, amount, detail, 0)
    b = s.book
    if what == "r":
        free = np.flatnonzero(b.phase == Phase.NONE)
        return Event(Kind.REQUEST, now, actor, int(free[0]) if free.size else 0, word % 1_000, k, word)
    if what == "z":
        return Event(word % 16, now, actor, k % b.phase.size, word % 10**9, word % 7 - 1, word)
    running = np.flatnonzero(b.phase == Phase.ASSIGNED)
    job = int(running[k % running.size]) if running.size else k % b.phase.size
    if what == "t":
        return Event(Kind.EXPIRE, now if word % 4 == 0 else max(now, int(b.deadline[job]) + word % 3), 0, job, 0, 0, 0)
    return Event(Kind.PROVE, now, actor if word % 8 == 0 else max(0, int(b.prover[job])), job, 0, 0, 0)


def plays(p: Params, steps: list[tuple[str, int, int, int, int]]) -> set[tuple[int, int]]:
    """Play in plain Python and compiled, audit both, and return what was answered."""
    chain = Chain(p, jobs=40, cash=CASH)
    compiled = shape.copy(chain.s)
    bound = bind(Rule("leader_schedule", leader_schedule, p), compiled)
    entry = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(bound.function)
    seen: set[tuple[int, int]] = set()
    now = 0

    def play(event: Event) -> None:
        verdict = chain.do(
            Kind(event.kind), event.time, event.actor, event.amount, event.detail, job=event.job, word=event.word
        )
        words = np.array(event, np.int64)
        assert entry(bound.context.ctypes.data, words.ctypes.data) == verdict
        assert_same(chain.s, compiled)
        seen.add((event.kind, verdict))

    for v in (1, 2, 3):
        play(Event(Kind.STAKE, 0, v, 0, v * 10**6, 0, 0))
    for step in steps:
        event = random_event(chain.s, step, now + step[4])
        play(event)
        now = max(now, event.time)
    for job in np.flatnonzero(chain.b.phase == Phase.ASSIGNED).tolist():
        now = max(now, int(chain.b.deadline[job])) + 1
        play(Event(Kind.EXPIRE, now, 0, job, 0, 0, 0))
    assert chain.b.escrow.sum() == 0
    return seen


@settings(max_examples=25, deadline=None)
@given(p=st.sampled_from(CHAINS), steps=st.lists(STEP, min_size=20, max_size=80))
def test_random_chains(p: Params, steps: list[tuple[str, int, int, int, int]]) -> None:
    plays(p, steps)


def test_random_chains_reach_every_path() -> None:
    """The events above are worth something only if they meet both success and refusal of each kind."""
    dice = np.random.default_rng(7)
    seen: set[tuple[int, int]] = set()
    for p in CHAINS * 4:
        steps = [
            (str(dice.choice(list(ACTS))), int(dice.integers(6)), int(dice.integers(64)), int(dice.integers(2**62)),
             int(dice.choice(WAITS)))
            for _ in range(120)
        ]  # fmt: skip
        seen |= plays(p, steps)
    ok, v = Verdict.OK, Verdict
    wanted = {
        Kind.OFFER: {ok, v.EARLY, v.TOO_DEAR}, Kind.STAKE: {ok, v.POOR, v.FULL}, Kind.UNSTAKE: {ok, v.POOR},
        Kind.WITHDRAW: {ok, v.EARLY, v.POOR}, Kind.DELEGATE: {ok, v.FULL, v.BAD_DETAIL},
        Kind.UNDELEGATE: {ok, v.POOR, v.BAD_DETAIL}, Kind.REQUEST: {ok, v.WRONG_PHASE},
        Kind.PROVE: {ok, v.NOT_YOURS, v.LATE, v.WRONG_PHASE}, Kind.EXPIRE: {ok, v.EARLY, v.WRONG_PHASE},
    }  # fmt: skip
    missing = {(kind.name, verdict.name) for kind, all_of in wanted.items() for verdict in all_of} - {
        (Kind(kind).name, Verdict(verdict).name) for kind, verdict in seen if kind < len(Kind)
    }
    assert not missing
