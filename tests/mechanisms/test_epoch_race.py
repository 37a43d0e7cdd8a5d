"""The epoch race: prizes, prefixes, scores, pruning, fees, positions. Sections are those of the field page on chains.

Where a closed form is checked, the numbers come out of the rule's own functions or out of an audited market; nothing is
sampled: long-run means are those of the stationary distribution of the rule's own score recursion.
"""

import random
from math import comb, exp
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofyard.conformance import compiled
from proofyard.conformance.market import Market, Setup
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.core.rule import Rule, with_params
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import epoch_race
from proofyard.mechanisms.epoch_race import IGNITION, MAX_PROOFS, TOKEN, V4, V5, Params
from proofyard.scenario import read

WORD = 2**62
EPOCH = V5.epoch_ms
PROVER, RIVAL, THIRD, SEQUENCER = range(4)
CASH = 10**15
MANA = 32 * 1_000_000
REWARDS = 32 * 500 * TOKEN
USD = 0.0156  # a token, v5 launch
ETH_USD = 1_640


class Chain:
    """An audited market that lives through calendar epochs."""

    def __init__(self, p: Params = V5, actors: int = 4, jobs: int = 8, cash: int = CASH) -> None:
        self.market = Market(Setup(Rule("epoch_race", epoch_race, p), jobs, (cash,) * actors))
        self.p, self.s, self.b, self.cash = p, self.market.sheet.state, self.market.book, cash

    def do(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> Verdict:
        job, amount, detail, word = (rest.get(name, 0) for name in ("job", "amount", "detail", "word"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, word))

    def ok(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def ask(self, job: int, epoch: int, mana: int = 0, actor: int = SEQUENCER) -> None:
        self.ok(Kind.REQUEST, epoch * self.p.epoch_ms, actor, job=job, amount=CASH // 4, detail=mana)

    def open(self, job: int, epoch: int, mana: int = 0) -> None:
        """Ask for an epoch, and let it end."""
        self.ask(job, epoch, mana)
        self.ok(Kind.CLOSE, (epoch + 1) * self.p.epoch_ms, job=job)

    def prove(self, job: int, actor: int = PROVER, length: int = 0, time: int | None = None) -> Verdict:
        now = (int(self.s.epoch[job]) + 1) * self.p.epoch_ms if time is None else time
        return self.do(Kind.PROVE, max(now, self.market.now), actor, job=job, detail=length)

    def finish(self, job: int) -> None:
        """Fire the timer of `job` as soon as it is due."""
        event = self.market.timer(job, max(self.market.now, int(self.b.deadline[job]) + 1))
        assert self.market.answer(event) == Verdict.OK

    def gain(self, actor: int) -> int:
        return int(self.b.cash[actor]) - self.cash

    def phases(self, *jobs: int) -> list[Phase]:
        return [Phase(int(self.b.phase[job])) for job in jobs]


# --- the prize ---


def test_a_full_epoch_pays_4800_to_provers_and_11200_to_sequencers() -> None:
    """2.3: prover pool with 32 checkpoints: 32·500·0.3 = 4,800 AZTEC + fees per epoch; sequencers 11,200; 7 item 6."""
    c = Chain()
    c.open(0, 0)
    assert c.prove(0) == Verdict.OK
    assert c.gain(SEQUENCER) == 11_200 * TOKEN  # at once
    assert c.gain(PROVER) == 0  # not before the deadline
    c.finish(0)
    assert c.gain(PROVER) == c.b.paid[0] == c.s.earned[PROVER] == 4_800 * TOKEN
    assert round(4_800 * USD, 1) == 74.9  # at $0.0156 the prover pool is $74.9


@pytest.mark.parametrize(("identities", "others"), [(1, 1), (1, 3), (2, 1), (2, 2), (3, 1)])
def test_identities_of_equal_weight_split_the_prize(identities: int, others: int) -> None:
    """2.3 and 7 item 6: m identities against n−1 others take m/(m+n−1)."""
    c = Chain(actors=8)
    c.open(0, 0)
    for actor in range(identities + others):
        assert c.prove(0, actor if actor < 3 else actor + 1) == Verdict.OK
    c.finish(0)
    each = 4_800 * TOKEN // (identities + others)
    assert sum(c.gain(actor) for actor in range(identities)) == identities * each
    assert c.b.burnt[0] == 4_800 * TOKEN - (identities + others) * each  # dust


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10])
def test_a_second_identity_gains_for_everybody_but_a_monopolist(n: int) -> None:
    """2.3: with n equal provers a second full-score identity adds pool·(n−1)/(n(n+1)), zero for a monopolist."""
    prizes = []
    for provers in (n, n + 1):
        c = Chain(actors=14)
        c.open(0, 0)
        for actor in range(provers):
            assert c.prove(0, actor if actor < SEQUENCER else actor + 1) == Verdict.OK
        c.finish(0)
        prizes.append(c.gain(PROVER) + (c.gain(RIVAL) if provers > n else 0))
    assert abs(prizes[1] - prizes[0] - 4_800 * TOKEN * (n - 1) / (n * (n + 1))) <= 2


def test_entry_stops_where_the_prize_no_longer_pays() -> None:
    """2.3: n equal provers at cost C: entry stops at n = floor(pool/C); nobody proves if C > pool."""
    for cost in (900 * TOKEN, 1_600 * TOKEN, 4_800 * TOKEN, 4_801 * TOKEN):
        entered = 0
        for n in range(1, 9):
            c = Chain(actors=10)
            c.open(0, 0)
            for actor in range(n):
                c.prove(0, actor if actor < SEQUENCER else actor + 1)
            c.finish(0)
            if c.gain(PROVER) >= cost:
                entered = n
        assert entered == 4_800 * TOKEN // cost


def test_the_gas_price_at_which_a_prover_without_other_costs_stops() -> None:
    """2.3: one submission costs $5.90 per gwei of L1 base fee (3.6M gas): a zero-cost prover stops above 12.7 gwei."""
    usd_per_gwei = epoch_race.L1_GAS_PROOF / 10**9 * ETH_USD
    assert round(usd_per_gwei, 2) == 5.90
    assert round(4_800 * USD / usd_per_gwei, 1) == 12.7
    assert 4_800 * USD < 112  # what the one prover of the gas spike (epoch 2987) paid


def test_the_distributor_lasts_so_long() -> None:
    """2.1: 500 per checkpoint is at most 219M a year (1.14 years of funding), 400 is 175.2M (1.42)."""
    epochs = 365 * 86_400_000 / EPOCH
    for reward, millions, years in ((V5.reward_gwei, 219.0, 1.14), (IGNITION.reward_gwei, 175.2, 1.42)):
        a_year = epochs * 32 * reward
        assert round(a_year / TOKEN / 10**6, 1) == millions
        assert round(V5.supply_gwei / a_year, 2) == years


def test_an_exhausted_distributor_pays_what_it_has_and_then_only_fees() -> None:
    """2.3 step 5: min(added·500, distributor balance); 2.1: after exhaustion step 5 pays only fees."""
    c = Chain(V5._replace(supply_gwei=10_001))
    c.open(0, 0, MANA)
    assert c.prove(0) == Verdict.OK
    sequencers = 10_001 * 7 // 10 // 32 * 32
    assert c.b.reserve[0] == 0
    fee, burnt, fees, _ = epoch_race.compute_fees(V5, V5.proving_cost_wei, MANA, 0, 0, 32)
    assert c.s.prize[0] == 10_001 - sequencers + fees > fees > 0
    assert c.gain(SEQUENCER) == sequencers - burnt - fees
    c.finish(0)
    c.open(1, 2, MANA)
    assert c.prove(1) == Verdict.OK
    assert c.s.prize[1] == fees
    assert fee > burnt + fees


def test_everything_adds_up() -> None:
    """7 item 6: conservation: pool + sequencer + burn = fees + minted."""
    c = Chain()
    c.open(0, 0, 40 * 75_000_000)  # above the target, so congested
    fees = int(c.b.escrow[0])
    assert c.prove(0) == Verdict.OK
    sequencers = int(c.b.cash[SEQUENCER]) - (CASH - fees)
    assert c.s.prize[0] + sequencers + c.b.burnt[0] == fees + REWARDS
    assert c.b.burnt[0] > 0
    assert V5.supply_gwei - c.b.reserve[0] == REWARDS


# --- prefixes ---


def test_one_checkpoint_more_takes_the_entire_prize() -> None:
    """2.3: length race: a prover who proves one checkpoint more takes the entire pool; shorter proofs earn nothing."""
    c = Chain()
    c.open(0, 0)
    assert c.prove(0, PROVER, 31) == Verdict.OK
    assert c.prove(0, RIVAL, 31) == Verdict.OK
    assert c.b.prover[0] == PROVER
    assert c.prove(0, THIRD) == Verdict.OK
    assert c.b.prover[0] == THIRD
    c.finish(0)
    assert [c.gain(actor) for actor in (PROVER, RIVAL, THIRD)] == [0, 0, 4_800 * TOKEN]


def test_rewards_come_in_as_proofs_grow() -> None:
    """2.3 step 5: if length > longest, for the newly covered checkpoints."""
    c = Chain()
    c.open(0, 0)
    for length, covered in ((10, 10), (4, 10), (20, 20), (10, 20), (32, 32)):
        assert c.prove(0, RIVAL if length == 10 and covered == 20 else PROVER, length) == Verdict.OK
        assert c.gain(SEQUENCER) == covered * 350 * TOKEN
        assert c.s.prize[0] == covered * 150 * TOKEN


def test_a_prover_uses_each_length_once() -> None:
    """2.3 step 4: require this prover has not used this length."""
    c = Chain()
    c.open(0, 0)
    assert c.prove(0, PROVER, 8) == Verdict.OK
    assert c.prove(0, PROVER, 8) == Verdict.BAD_DETAIL
    assert c.prove(0, RIVAL, 8) == Verdict.OK
    assert c.prove(0, PROVER, 9) == Verdict.OK
    for length in (-1, 33):
        assert c.prove(0, PROVER, length) == Verdict.BAD_DETAIL


def test_an_epoch_proven_in_part_pays_for_that_part_and_returns_the_other_fees() -> None:
    c = Chain()
    c.open(0, 0, MANA)
    fees = int(c.b.escrow[0])
    assert c.prove(0, PROVER, 8) == Verdict.OK
    c.finish(0)
    fee, burnt, proving, _ = epoch_race.compute_fees(V5, V5.proving_cost_wei, MANA, 0, 0, 8)
    assert fee == fees // 4
    assert c.gain(PROVER) == 8 * 150 * TOKEN + proving
    assert c.gain(SEQUENCER) == 8 * 350 * TOKEN - burnt - proving
    assert c.phases(0) == [Phase.SETTLED]


# --- time ---


def test_proofs_are_taken_through_the_end_of_the_next_epoch() -> None:
    """2.3 step 2: current epoch < epoch + proofSubmissionEpochs + 1, i.e. through the end of the next epoch."""
    c = Chain()
    c.ask(0, 3)
    assert c.prove(0, time=3 * EPOCH + 1) == Verdict.WRONG_PHASE
    assert c.do(Kind.CLOSE, 4 * EPOCH - 1) == Verdict.EARLY
    c.ok(Kind.CLOSE, 4 * EPOCH)
    assert c.prove(0, time=5 * EPOCH - 1) == Verdict.OK
    assert c.do(Kind.SETTLE, 5 * EPOCH - 1) == Verdict.EARLY
    assert c.prove(0, RIVAL, time=5 * EPOCH) == Verdict.LATE
    c.ok(Kind.SETTLE, 5 * EPOCH)


def test_an_unproven_epoch_takes_all_that_was_built_on_it_along() -> None:
    """7 item 7: epoch e unproven ⇒ from the first slot of epoch e+2 the pending tip returns to the proven tip."""
    c = Chain()
    c.open(0, 0)
    c.ask(1, 1)
    c.finish(0)  # at the first slot of epoch 2
    c.finish(1)
    assert c.phases(0, 1) == [Phase.LOST, Phase.LOST]
    lost = sum(c.p.checkpoints for phase in c.phases(0, 1) if phase == Phase.LOST)
    assert lost == 64  # 2.3: at most 2 epochs (64 checkpoints) can be pruned
    c.open(2, 2)
    assert c.s.parent[2] == 0  # a new chain, from the proven tip
    assert c.prove(2) == Verdict.OK


def test_an_epoch_waits_for_those_before_it() -> None:
    """2.3 step 2: start−1 ≤ proven."""
    c = Chain(V5._replace(proof_epochs=2))
    c.open(0, 0)
    c.open(1, 1)
    assert c.prove(1) == Verdict.EARLY
    assert c.prove(0, length=31) == Verdict.OK
    assert c.prove(1) == Verdict.EARLY
    assert c.prove(0, RIVAL) == Verdict.OK
    assert c.prove(1) == Verdict.OK
    c.ask(2, 2)
    assert c.s.parent[2] == 2  # job 1


def test_with_more_time_more_epochs_are_lost_together() -> None:
    c = Chain(V5._replace(proof_epochs=2))
    for job in (0, 1):
        c.open(job, job)
    c.ask(2, 2)
    for job in (0, 2, 1):
        c.finish(job)
    assert c.phases(0, 1, 2) == [Phase.LOST] * 3


def test_a_chain_of_proven_epochs_is_not_pruned_by_an_older_gap() -> None:
    c = Chain()
    c.open(0, 0)
    assert c.prove(0, length=16) == Verdict.OK
    c.ask(1, 1)
    c.finish(1)
    assert c.phases(0, 1) == [Phase.PROVEN, Phase.LOST]  # 0 has not been settled, but its time is over
    c.ask(2, 2)
    assert c.s.parent[2] == 0
    c.finish(0)
    assert c.phases(0) == [Phase.SETTLED]


def test_one_epoch_for_each_calendar_epoch() -> None:
    c = Chain()
    c.ask(0, 1)
    assert c.do(Kind.REQUEST, 2 * EPOCH - 1, SEQUENCER, job=1, amount=CASH // 1_000) == Verdict.FULL
    assert c.do(Kind.REQUEST, 2 * EPOCH, SEQUENCER, job=1, amount=CASH // 1_000) == Verdict.OK


def test_so_many_proofs_can_wait() -> None:
    c = Chain(actors=MAX_PROOFS // 32 + 2, jobs=1)
    c.open(0, 0)
    pairs = [(actor, length) for actor in range(MAX_PROOFS // 32) for length in range(1, 33)]
    assert {c.prove(0, actor, length) for actor, length in pairs} == {Verdict.OK}
    assert c.prove(0, MAX_PROOFS // 32) == Verdict.FULL
    c.finish(0)
    c.market.setup.rule.apply(c.s, Event(Kind.SETTLE, 0, 0, 0, 0, 0, 0))
    free, place = 0, int(c.s.free[0])
    while place:
        free, place = free + 1, int(c.s.next[place - 1])
    assert free == MAX_PROOFS  # all places are unused again


# --- scores ---


def after(p: Params, score: int, missed: int = 0) -> int:
    """Score after `missed` epochs without and then a submission."""
    return epoch_race.compute_score(p, score, missed + 1, 1)


def shares(score: int, p: Params = V5) -> int:
    return epoch_race.compute_shares(p, score)


def submissions_until(p: Params, score: int, done: int) -> int:
    """How many submissions in a row bring `score` to at least `done`."""
    count = 0
    while score < done:
        score, count = after(p, score), count + 1
    return count


def test_shares_after_missed_epochs() -> None:
    """2.3 and 7 item 5: m=1 → score 268,900, shares 756,951; m=2 → 168,900, 13,951; m ≥ 3 → 101,400, floor 10,000."""
    found = [after(V5, V5.max_score, missed) for missed in (0, 1, 2, 3, 4)]
    assert found == [367_500, 268_900, 168_900, 101_400, 101_400]
    assert [shares(score) for score in found] == [1_000_000, 756_951, 13_951, 10_000, 10_000]


def test_from_zero_to_the_top_and_back_after_a_miss() -> None:
    """2.3: n-th submission from zero: 100,000 + 1,400n; leaves the floor at n=49; max at n=192 (5.12 d).

    AZIP-5 says about 262 epochs (367,500/1,400); the contract's first step already gives 101,400, so it is 192.
    """
    score = 0
    for n in range(1, 193):
        score = after(V5, score)
        assert score == min(V5.max_score, 100_000 + 1_400 * n)
        assert (shares(score) > V5.min_shares) == (n >= 49)
    assert submissions_until(V5, 0, V5.max_score) == 192
    assert round(192 * EPOCH / 86_400_000, 2) == 5.12
    assert round(V5.max_score / (V5.increment - V5.decay), 1) == 262.5
    missed = after(V5, V5.max_score, 1)
    assert 1 + submissions_until(V5, missed, V5.max_score) == 72  # back to max after one miss at the 72nd submission


def test_a_fresh_identity_proves_at_a_hundredth_of_the_weight_for_48_epochs() -> None:
    """2.3: a fresh identity first spends 48 submissions at 1% weight and 192 to reach full weight."""
    c = Chain(V5._replace(epoch_ms=1_000), jobs=193)
    weights = []
    for epoch in range(193):
        c.open(epoch, epoch)
        assert c.prove(epoch) == Verdict.OK
        weights.append(int(c.s.weight[c.s.first[epoch] - 1]))
        c.finish(epoch)
    assert weights[:48] == [10_000] * 48  # a hundredth of a million
    assert 10_000 < weights[48] < 1_000_000
    assert weights[191:] == [1_000_000] * 2
    assert c.s.score[PROVER] == V5.max_score


def test_credit_is_for_the_calendar_epoch_of_submission() -> None:
    """2.3: two submissions in one epoch count once, whichever epochs they prove."""
    c = Chain(V5._replace(proof_epochs=2))
    c.open(0, 0)
    c.open(1, 1)
    assert c.prove(0) == Verdict.OK
    assert c.prove(1) == Verdict.OK
    assert c.s.score[PROVER] == 101_400
    assert c.prove(1, PROVER, 5, time=3 * EPOCH) == Verdict.OK
    assert c.s.score[PROVER] == 102_800


def test_one_checkpoint_keeps_the_score() -> None:
    """2.3: activity credit is for any accepted length: proving only the first checkpoint keeps the score."""
    c = Chain(jobs=20)
    for epoch in range(10):
        c.open(epoch, epoch)
        assert c.prove(epoch, PROVER) == Verdict.OK
        assert c.prove(epoch, RIVAL, 1) == Verdict.OK
    assert c.s.score[RIVAL] == c.s.score[PROVER] == 114_000
    assert c.gain(RIVAL) == 0


def test_break_even_coverage() -> None:
    """2.3: zero drift = 100,000/101,400 = 98.62% (old curve 80%; AZIP-5 says about 78%)."""
    assert round(100 * V5.decay / V5.increment, 2) == 98.62
    assert V4.decay / V4.increment == 0.8


def next_scores(p: Params, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every score: its index after an epoch with and without a submission, and the shares with it."""
    scores = range(0, p.max_score + step, step)
    credited = np.array([epoch_race.compute_score(p, score, 1, 1) for score in scores]) // step
    left = np.array([epoch_race.compute_score(p, score, 1, 0) for score in scores]) // step
    return credited, left, np.array([shares(step * k, p) for k in credited.tolist()]) / p.max_shares


def long_run_share(p: Params, coverage: float, step: int, epochs: int) -> float:
    """Mean share of the most there is, of a submission after so many epochs, from the top; all scores at once."""
    credited, left, weight = next_scores(p, step)
    mass = np.zeros(len(weight))
    mass[-1] = 1.0
    for _ in range(epochs):
        mass = np.bincount(credited, coverage * mass, len(mass)) + np.bincount(left, (1 - coverage) * mass, len(mass))
    return float(mass @ weight)


@pytest.mark.parametrize(
    ("coverage", "percent", "exact"),
    [(0.95, 3.2, 3.141), (0.98, 31, 31.084), (0.99, 74, 74.604), (0.995, 93, 93.012), (0.999, 99.3, 99.299)],
)
def test_long_run_shares_by_coverage(coverage: float, percent: float, exact: float) -> None:
    """2.3: independent random coverage: 95% → 3.2%, 98% → 31%, 99% → 74%, 99.5% → 93%, 99.9% → 99.3%.

    The page's values are a Monte Carlo; the exact ones agree with it to a point.
    """
    found = 100 * long_run_share(V5, coverage, 100, 12_000)
    assert found == pytest.approx(exact, abs=0.001)
    assert found == pytest.approx(percent, abs=0.7)


def stationary_share(p: Params, coverage: float, step: int) -> float:
    """The same for ever, from the stationary distribution."""
    credited, left, weight = next_scores(p, step)
    size = len(weight)
    flow = -np.eye(size)
    np.add.at(flow, (credited, np.arange(size)), coverage)
    np.add.at(flow, (left, np.arange(size)), 1 - coverage)
    flow[-1] = 1.0
    return float(np.linalg.solve(flow, np.eye(size)[-1]) @ weight)


@pytest.mark.parametrize(("coverage", "percent"), [(0.78, 10), (0.82, 96), (0.90, 100)])
def test_long_run_shares_on_the_old_curve(coverage: float, percent: float) -> None:
    """2.3: old: 78% → 10%, 82% → 96%, ≥ 90% → 100%."""
    assert round(100 * stationary_share(V4, coverage, 25_000)) == percent


def test_at_break_even_the_old_curve_forgets_slowly() -> None:
    """2.3 says 80% → 33%, by Monte Carlo. Exactly it is 22%: without drift a score needs a hundred thousand epochs."""
    assert 100 * stationary_share(V4, 0.80, 25_000) == pytest.approx(22.416, abs=0.001)
    assert 100 * mean_from_the_top(V4, 0.80, 50_000) == pytest.approx(33.4, abs=0.5)  # so long was that run, perhaps


def mean_from_the_top(p: Params, coverage: float, epochs: int) -> float:
    """Mean shares of the submissions of the first so many epochs."""
    credited, left, weight = next_scores(p, 25_000)
    mass = np.zeros(len(weight))
    mass[-1] = 1.0
    total = 0.0
    for _ in range(epochs):
        total += mass @ weight
        mass = np.bincount(credited, coverage * mass, len(mass)) + np.bincount(left, (1 - coverage) * mass, len(mass))
    return float(total) / epochs


def test_44_percent_is_a_transient() -> None:
    """2.3: AZIP-5's 44% at 78% coverage appears only as a transient average (~1,550 epochs from max).

    Exactly: after 2,100 epochs for a submission; after 1,415 for an epoch, if one missed counts as 0.
    """
    assert mean_from_the_top(V4, 0.78, 2_100) == pytest.approx(0.44, abs=0.002)
    assert 0.78 * mean_from_the_top(V4, 0.78, 1_415) == pytest.approx(0.44, abs=0.002)
    assert 0.417 < 0.78 * mean_from_the_top(V4, 0.78, 1_550) + 0.001 < 0.44
    assert 0.44 < mean_from_the_top(V4, 0.78, 1_550) < 0.54


# --- fees ---


def test_costs_per_mana_in_eth() -> None:
    """2.3: sequencerCost = ceil((300,000·baseFee + 3·131,072·blobFee)/target);
    proverCost = ceil(ceil(3,600,000·baseFee/32)/target) + provingCostPerMana."""  # noqa: D205, D209
    p = V5._replace(eth_per_token=10**12, l1_base_fee_wei=3 * 10**9 + 1, blob_base_fee_wei=77)
    sequencer, prover, congestion = epoch_race.compute_costs(p, p.proving_cost_wei, 0)
    assert sequencer == -(-(300_000 * (3 * 10**9 + 1) + 3 * 131_072 * 77) // 75_000_000)
    proof = -(-3_600_000 * (3 * 10**9 + 1) // 32)
    assert prover == -(-proof // 75_000_000) + 12_500_000
    assert congestion == 0


def test_costs_are_converted_and_rounded_up() -> None:
    p = V5._replace(l1_base_fee_wei=0, blob_base_fee_wei=0)
    _, prover, _ = epoch_race.compute_costs(p, p.proving_cost_wei, 0)
    assert prover == -(-12_500_000 * 10**12 // p.eth_per_token)
    assert round(prover * 75_000_000 / 10**18) == 99  # AZTEC a checkpoint of the target
    assert p.eth_per_token == int(USD / ETH_USD * 10**12)


def test_one_full_block_multiplies_by_e_to_the_0_117() -> None:
    """2.3: exp(excess/(8.54700854·manaTarget)); one full block (2× target) multiplies by e^0.117 = 1.1241."""
    found = epoch_race.compute_multiplier(V5, V5.mana_target)
    assert found == pytest.approx(exp(1 / 8.54700854) * 10**9, abs=3)
    assert round(found / 10**9, 4) == 1.1241
    assert epoch_race.compute_multiplier(V5, 0) == 10**9


def test_excess_is_what_was_used_above_the_target() -> None:
    """2.3: excess := max(0, excess+used−target), limit 2× target."""
    _, _, _, pressure = epoch_race.compute_fees(V5, V5.proving_cost_wei, 64 * 75_000_000, 0, 0, 3)
    assert pressure == 2 * 75_000_000 + 2 * 75_000_000  # two full checkpoints leave two targets, and a third is used
    _, _, _, relieved = epoch_race.compute_fees(V5, V5.proving_cost_wei, 0, pressure, 0, 4)
    assert relieved == 0
    c = Chain()
    assert c.do(Kind.REQUEST, 0, SEQUENCER, amount=CASH, detail=64 * 75_000_000 + 1) == Verdict.BAD_DETAIL


def test_congestion_is_burnt_and_carried_into_the_next_epoch() -> None:
    """2.3 step 5: per checkpoint burn = congestionCost·mana, proverFee = min(mana·proverCost, fee − burn)."""
    c = Chain()
    c.open(0, 0, 40 * 75_000_000)
    calm = int(c.b.escrow[0])
    c.ask(1, 1, 40 * 75_000_000)
    assert c.b.escrow[1] > calm
    _, burnt, _, pressure = epoch_race.compute_fees(V5, V5.proving_cost_wei, 40 * 75_000_000, 0, 0, 32)
    assert c.s.pressure[1] == pressure > 0
    assert c.prove(0) == Verdict.OK
    assert c.b.burnt[0] == burnt > 0
    assert c.s.tip_pressure[0] == pressure


def test_a_pruned_epoch_leaves_no_congestion() -> None:
    c = Chain()
    c.open(0, 0, 48 * 75_000_000)
    assert c.prove(0, length=2) == Verdict.OK
    c.ask(1, 2, 1)
    assert c.s.pressure[1] == epoch_race.compute_fees(V5, V5.proving_cost_wei, 48 * 75_000_000, 0, 0, 2)[3] > 75_000_000


def test_users_pay_no_more_than_they_say() -> None:
    c = Chain()
    fee, *_ = epoch_race.compute_fees(V5, V5.proving_cost_wei, MANA, 0, 0, 32)
    assert c.do(Kind.REQUEST, 0, SEQUENCER, amount=fee - 1, detail=MANA) == Verdict.TOO_DEAR
    assert c.do(Kind.REQUEST, 0, SEQUENCER, amount=fee, detail=MANA) == Verdict.OK
    assert c.b.escrow[0] == fee


def test_without_a_mana_target_there_are_no_fees() -> None:
    """2.1: Ignition, mana target / proving cost per mana 0 / 0; 400 a checkpoint, 70% to the sequencer."""
    c = Chain(IGNITION)
    c.open(0, 0)
    assert c.prove(0) == Verdict.OK
    assert (c.gain(SEQUENCER), c.s.prize[0]) == (32 * 280 * TOKEN, 32 * 120 * TOKEN)


# --- eras ---


def test_numbers_of_the_eras() -> None:
    """2.1, column by column."""
    assert V5.epoch_ms == 32 * 72 * 1_000 == 38.4 * 60_000  # 72 s / 32 slots (38.4 min)
    assert [era.committee for era in (IGNITION, V4, V5)] == [24, 48, 48]
    assert [era.proof_epochs for era in (IGNITION, V4, V5)] == [1, 1, 1]
    assert {era.activation_gwei for era in (IGNITION, V4, V5)} == {200_000 * TOKEN}
    assert [era.ejection_gwei for era in (IGNITION, V4, V5)] == [196_000 * TOKEN, 190_000 * TOKEN, 190_000 * TOKEN]
    assert {era.exit_ms for era in (IGNITION, V4, V5)} == {4 * 86_400_000}
    booster = [(e.increment, e.max_score, e.curve, e.min_shares, e.max_shares) for e in (IGNITION, V4, V5)]
    assert booster == [(125_000, 15_000_000, 1_000, 100_000, 10**6)] * 2 + [(101_400, 367_500, 250_000, 10_000, 10**6)]
    assert [(e.mana_target, e.proving_cost_wei) for e in (V4, V5)] == [
        (75_000_000, 25_000_000),
        (75_000_000, 12_500_000),
    ]
    queue = [(e.bootstrap_flush, e.flush_min, e.flush_quotient, e.flush_max) for e in (IGNITION, V4, V5)]
    assert queue == [(500, 1, 2_048, 8), (400, 1, 400, 4), (4, 1, 400, 4)]


@pytest.mark.parametrize("era", [IGNITION, V4, V5])
def test_every_era_is_sensible(era: Params) -> None:
    assert with_params("epoch_race", epoch_race, era._asdict()).params == era


# --- committees ---


def needed(p: Params) -> int:
    """Fewest silent attesters that stall an epoch, found by asking the rule."""
    for silent in range(p.committee + 1):
        if p.committee - silent < 2 * p.committee // 3 + 1:
            return silent
    raise AssertionError


def at_least(n: int, k: int, share: float) -> float:
    return sum(comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(k, n + 1))


@pytest.mark.parametrize(
    ("n", "share", "stall", "takeover"),
    [(48, 0.2, 2.1e-2, None), (48, 0.25, 0.123, None), (48, 1 / 3, 0.554, 5.7e-7), (48, 0.5, None, 6.6e-3),
     (24, 0.2, 8.9e-2, None), (24, 1 / 3, None, 1.9e-4), (24, 0.5, None, 3.2e-2)],
)  # fmt: skip
def test_committee_capture(n: int, share: float, stall: float | None, takeover: float | None) -> None:
    """2.3 and 7 item 4: 33/48, 17/24; n=48 stall (≥16) 2.1e-2 at f=0.2, …; takeover (≥33) …; n=24 likewise."""
    silent = needed(V5._replace(committee=n))
    assert silent == {48: 16, 24: 8}[n]
    assert n - silent + 1 == {48: 33, 24: 17}[n]  # attestations needed
    for chance, count in ((stall, silent), (takeover, n - silent + 1)):
        if chance is not None:
            assert at_least(n, count, share) == pytest.approx(chance, rel=0.03)


@pytest.mark.parametrize(("n", "bips", "chance"), [(48, 2_000, 0.0209), (48, 2_500, 0.123), (24, 2_000, 0.0892)])
def test_the_rule_stalls_as_often(n: int, bips: int, chance: float) -> None:
    """The same closed form, from the rule's own draws: 20,000 words, four standard errors."""
    p = V5._replace(committee=n, silent_bips=bips)
    dice = random.Random(5)
    stalled = sum(epoch_race.is_stalled(p, dice.randrange(WORD)) for _ in range(20_000))
    assert stalled / 20_000 == pytest.approx(chance, abs=4 * (chance * (1 - chance) / 20_000) ** 0.5)


def test_a_stalled_epoch_does_not_come_to_be() -> None:
    c = Chain(V5._replace(silent_bips=10_000))
    assert c.do(Kind.REQUEST, 0, SEQUENCER, amount=CASH, word=WORD - 1) == Verdict.NO_PROVER
    assert not epoch_race.is_stalled(V5, 1)


# --- positions ---

STAKED = V5._replace(staked=1)


def seated(p: Params = STAKED, *actors: int) -> Chain:
    c = Chain(p)
    for actor in actors or (SEQUENCER,):
        c.ok(Kind.STAKE, 0, actor, amount=CASH)
    return c


def test_a_position_is_exactly_one_activation_stake() -> None:
    """2.1: activation stake (exact, equal weight) 200,000; 2.4: whole-position exit only, paid after the delay."""
    c = seated()
    assert c.s.stake[SEQUENCER] == 200_000 * TOKEN
    assert c.do(Kind.STAKE, 0, SEQUENCER, amount=CASH // 2) == Verdict.FULL
    assert c.do(Kind.STAKE, 0, PROVER, amount=200_000 * TOKEN - 1) == Verdict.BAD_AMOUNT
    assert c.do(Kind.UNSTAKE, 5, SEQUENCER, amount=200_000 * TOKEN - 1) == Verdict.BAD_AMOUNT
    assert c.do(Kind.UNSTAKE, 5, PROVER, amount=200_000 * TOKEN) == Verdict.POOR
    c.ok(Kind.UNSTAKE, 5, SEQUENCER, amount=200_000 * TOKEN)
    assert c.do(Kind.WITHDRAW, 4 + 345_600_000, SEQUENCER) == Verdict.EARLY
    c.ok(Kind.WITHDRAW, 5 + 345_600_000, SEQUENCER)
    assert c.gain(SEQUENCER) == 0
    assert c.do(Kind.WITHDRAW, 6 + 345_600_000, SEQUENCER) == Verdict.POOR


def test_only_the_seated_ask_for_epochs() -> None:
    c = seated()
    assert c.do(Kind.REQUEST, 0, RIVAL, amount=CASH // 9) == Verdict.NOT_YOURS
    c.ask(0, 0)
    unstaked = Chain()
    assert unstaked.do(Kind.STAKE, 0, RIVAL, amount=CASH) == Verdict.UNKNOWN
    assert unstaked.do(Kind.WITHDRAW, 0, RIVAL) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("p", "active", "waiting", "seats"),
    [(V5, 0, 1, 1), (V5, 399, 9, 1), (V5, 800, 9, 2), (V5, 4_000, 9, 4), (IGNITION, 0, 499, 0), (IGNITION, 0, 500, 500),
     (IGNITION, 499, 9, 500), (IGNITION, 500, 9, 1), (IGNITION, 8_192, 9, 4),
     (IGNITION, 40_000, 9, 8), (V4, 0, 500, 400)],
)  # fmt: skip
def test_seats_an_epoch(p: Params, active: int, waiting: int, seats: int) -> None:
    """2.4: flush once per epoch lets in min(max(active/quotient, min), max); 2.1: bootstrap, flush."""
    assert epoch_race.compute_flush(p, active, waiting, 0) == seats


def test_the_queue_lets_one_in_each_epoch() -> None:
    c = seated(STAKED, RIVAL, SEQUENCER, PROVER)
    assert c.s.seat.tolist() == [0, 1, 0, 0]
    c.ask(0, 0, actor=RIVAL)
    assert c.s.active[0] == 1  # the budget of this epoch is used
    c.ask(1, 1, actor=RIVAL)
    assert c.s.seat.tolist() == [0, 1, 0, 1]  # first come, first served
    c.ask(2, 2, actor=RIVAL)
    assert c.s.seat.tolist() == [1, 1, 0, 1]


def test_a_bootstrapping_queue_waits_for_all() -> None:
    c = seated(STAKED._replace(bootstrap=3, bootstrap_flush=2), RIVAL, SEQUENCER)
    c.ok(Kind.STAKE, EPOCH, PROVER, amount=CASH)
    assert c.s.seat.tolist() == [0, 1, 0, 1]  # three wait: two come in


def test_a_bootstrap_is_over_for_good() -> None:
    """StakingLib keeps isBootstrapped: when seats are given up again, the queue goes on by one an epoch."""
    c = seated(STAKED._replace(bootstrap=2, bootstrap_flush=2), RIVAL, SEQUENCER)
    c.ok(Kind.STAKE, EPOCH, PROVER, amount=CASH)
    assert c.s.active[0] == 2
    for actor in (RIVAL, SEQUENCER):
        c.ok(Kind.UNSTAKE, EPOCH, actor, amount=CASH)
    (last,) = {0, 1, 2, 3} - {RIVAL, SEQUENCER, PROVER}
    c.ok(Kind.STAKE, 2 * EPOCH, last, amount=CASH)  # two wait
    assert (c.s.active[0], c.s.seat[PROVER]) == (1, 1)


@pytest.mark.parametrize(("ejection", "slashes"), [(190_000, 6), (196_000, 3)])
def test_slashes_until_a_position_is_put_out(ejection: int, slashes: int) -> None:
    """2.3: slashes of 2000: balance must fall below local ejection: 6th slash at 190k, 3rd at 196k."""
    c = Chain(STAKED._replace(prune_slash_gwei=2_000 * TOKEN, ejection_gwei=ejection * TOKEN), jobs=9)
    c.ok(Kind.STAKE, 0, SEQUENCER, amount=CASH)
    count = 0
    while c.s.seat[SEQUENCER] == 1:
        c.open(count, 2 * count)
        c.finish(count)
        count += 1
    assert count == slashes
    assert c.s.exiting[SEQUENCER] == (200_000 - 2_000 * slashes) * TOKEN
    assert c.b.slashed[SEQUENCER] == c.b.burnt[0] == 2_000 * slashes * TOKEN


def test_who_leaves_can_still_be_slashed_until_it_can_be_paid() -> None:
    """2.4: slashable while exiting."""
    p = STAKED._replace(prune_slash_gwei=150_000 * TOKEN, exit_ms=5 * EPOCH)
    c = seated(p)
    c.open(0, 0)
    c.ok(Kind.UNSTAKE, EPOCH, SEQUENCER, amount=CASH)
    c.finish(0)
    assert c.s.exiting[SEQUENCER] == 50_000 * TOKEN
    late = seated(p._replace(exit_ms=EPOCH))
    late.open(0, 0)
    late.ok(Kind.UNSTAKE, EPOCH, SEQUENCER, amount=CASH)
    late.finish(0)
    assert late.s.exiting[SEQUENCER] == 200_000 * TOKEN


def test_an_epoch_proven_in_full_costs_no_stake_and_one_in_part_does() -> None:
    """2.3: since AZIP-7 sequencers are no longer slashed for unproven epochs (prune_slash_gwei 0, the default)."""
    for length, slashed in ((32, 0), (31, 2_000)):
        c = seated(STAKED._replace(prune_slash_gwei=2_000 * TOKEN))
        c.open(0, 0)
        assert c.prove(0, length=length) == Verdict.OK
        c.finish(0)
        assert c.b.slashed[SEQUENCER] == slashed * TOKEN
    assert V5.prune_slash_gwei == 0


# --- kinds, parameters, everything at once, in the engine ---


@pytest.mark.parametrize("kind", [Kind.OFFER, Kind.DELEGATE, Kind.UNDELEGATE, Kind.TRANSFER])
def test_kinds_without_a_meaning(kind: Kind) -> None:
    assert Chain().do(kind, 0, PROVER, amount=1) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epoch_ms", 0), ("checkpoints", 0), ("checkpoints", 49), ("sequencer_bips", 10_001), ("max_score", 0),
        ("min_shares", 0), ("min_shares", 1_000_001), ("decay", -1), ("eth_per_token", 99), ("activation_gwei", 0),
        ("ejection_gwei", 200_000 * TOKEN + 1), ("flush_quotient", 0), ("flush_max", 0), ("committee", 0),
        ("silent_bips", 10_001), ("staked", 2), ("proof_epochs", -1), ("mana_target", -1), ("l1_base_fee_wei",
        10**11 + 1),
    ],
)  # fmt: skip
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("epoch_race", epoch_race, {name: value})


MARKETS = (
    V5,
    STAKED._replace(prune_slash_gwei=9_000 * TOKEN, flush_min=2),
    V5._replace(proof_epochs=2, checkpoints=3),
    V4,
)


def likely(c: Chain, dice: random.Random, now: int) -> Event:
    """What might well happen next."""
    actor, job = dice.randrange(4), dice.randrange(len(c.b.phase))
    phase = Phase(int(c.b.phase[job]))
    if dice.randrange(8) == 0:
        kind = dice.choice((Kind.STAKE, Kind.UNSTAKE, Kind.WITHDRAW))
        return Event(kind, now, actor, 0, CASH // 2, 0, 0)
    if phase == Phase.NONE:
        return Event(Kind.REQUEST, now, actor, job, CASH // 50, dice.choice((0, MANA, 10 * MANA)), 0)
    if phase in (Phase.OPEN, Phase.PROVEN) and dice.randrange(4):
        return Event(Kind.PROVE, now, actor, job, 0, dice.choice((0, 0, 1, 2, 3)), 0)
    return c.market.timer(job, now) if phase < Phase.SETTLED else Event(Kind.PROVE, now, actor, job, 0, 0, 0)


@settings(max_examples=30)
@given(p=st.sampled_from(MARKETS), seed=st.integers(0, 2**32))
def test_whatever_happens_money_is_kept_and_the_compiled_rule_agrees(p: Params, seed: int) -> None:
    """Every event is audited by the market: conserved, nothing negative, refused means untouched."""
    c, dice, now = Chain(p, jobs=10), random.Random(seed), 0
    for _ in range(80):
        now += dice.choice((0, 1, EPOCH // 3, EPOCH // 2))
        c.market.answer(likely(c, dice, now))
    while live := c.market.live_jobs():
        c.finish(min(live, key=lambda job: int(c.b.deadline[job])))
    assert int(c.s.prize.sum()) == int(c.b.escrow.sum()) == 0
    compiled.compare(c.market.trace())


def test_the_scenario_shows_what_uptime_is_worth() -> None:
    """2.3: in the long run a prover at 98 % earns a third of one that is always there, and one at 95 % a thirtieth."""
    run = simulate(read(Path(__file__).parents[2] / "scenarios" / "aztec-epochs.toml"))
    income = dict(zip(run.names, run.provers.income_gwei.tolist(), strict=True))
    assert run.money_difference_gwei == 0
    assert income["always"] > 1.5 * income["misses 1 in 50"] > 3 * income["misses 1 in 20"] > 0


def test_the_proving_cost_moves_by_half_in_thirty_days() -> None:
    """2.3: provingCost can change <= x1.5 per 30 d; FeeLib: about 170 days to move 10x, 340 days to move 100x."""
    month = 30 * 86_400_000
    up, down = (V5._replace(proving_cost_wei=10_000, cost_goal_wei=goal) for goal in (10**12, 100))
    risen = [epoch_race.proving_cost_at(up, k * month) for k in range(4)]
    assert risen == [15_000, 22_500, 33_750, 50_625]
    assert epoch_race.proving_cost_at(up, month - 1) == 15_000
    assert [epoch_race.proving_cost_at(down, k * month) for k in range(3)] == [6_667, 4_445, 2_964]
    for times, days in ((10, 170), (100, 340)):
        goal = V5._replace(proving_cost_wei=10**6, cost_goal_wei=times * 10**6)
        moves = next(k for k in range(99) if epoch_race.proving_cost_at(goal, k * month) == goal.cost_goal_wei)
        assert abs(30 * moves - days) < 30
    assert epoch_race.proving_cost_at(V5, 99 * month) == V5.proving_cost_wei
    slow = V5._replace(proving_cost_wei=2, cost_goal_wei=1_000)  # below 2 it could not move at all
    assert epoch_race.proving_cost_at(slow, 0) == 3


def test_an_epoch_keeps_the_proving_cost_it_was_asked_for_at() -> None:
    p = V5._replace(cost_goal_wei=50_000_000)
    month = 30 * 86_400_000
    first, last = (
        epoch_race.compute_fees(p, epoch_race.proving_cost_at(p, t), MANA, 0, 0, 32)[0] for t in (0, 9 * month)
    )
    c = Chain(p)
    c.ask(0, 0, MANA)
    assert int(c.b.escrow[0]) == first < last
    assert int(c.s.cost[0]) == 18_750_000
