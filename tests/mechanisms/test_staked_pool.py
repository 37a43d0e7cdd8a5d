"""The staked pool: seats, lottery, payments, slashes, and the averages that can only fall.

Section numbers are those of the field page on rollup mechanisms; the numbers are exact integers unless said.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms.sides import Compiled, assert_same

from proofyard.core import ANYONE, FINAL, TRANSITIONS, BadInput, Event, Kind, Phase, Verdict, shape
from proofyard.mechanisms import rule, staked_pool
from proofyard.mechanisms.staked_pool import MAX_UINT32, NOBODY, Params

TOKEN = 10**8  # units: the token has 8 decimals
HOUR, DAY = 3_600_000, 86_400_000
GAS = 80_000  # with the 20_000 base, a reward of 1_000_000 at 10 per gas
R = 1_000_000
WINDOW = 5_400_000  # twice the first average of 60 minutes, cut to 90
COOLDOWN = 1_800_000
RICH = 10**14
ANY_PRICE = 10**12

PROPOSER, SEATED, RESCUER, NEWCOMER, EXTRA = range(5)
ELDFELL = Params(window_percent=300, delay_penalty=0, late_paid=1, min_capacity=5)
FIELDS = shape.fields(staked_pool.State)
LEGAL = {(source, kind): targets for source, kind, targets in TRANSITIONS}


def new_state(p: Params, actors: int = 5, jobs: int = 10, cash: int = RICH) -> Any:
    state = shape.zeros(staked_pool.State, actors, jobs)
    staked_pool.genesis(p, state)
    state.book.cash[:] = cash
    return state


def audit_money(s: Any) -> int:
    """Check that no money is negative and return how much there is."""
    money = [values for field, values in zip(FIELDS, shape.arrays(s), strict=True) if field.money]
    assert all(values.min() >= 0 for values in money)
    return sum(int(values.sum()) for values in money)


class Pool:
    """A market whose every event is audited: money conserved, nothing negative, refused means untouched."""

    def __init__(self, p: Params | None = None, **size: int) -> None:
        self.p = p or Params()
        self.s = new_state(self.p, **size)
        self.b = self.s.book
        self.total = audit_money(self.s)
        self.jobs = 0

    def do(self, kind: Kind, time: int, actor: int, **rest: int) -> Verdict:
        fields = {"job": 0, "amount": 0, "detail": 0, "word": 0} | rest
        event = Event(kind, time, actor, **fields)
        before = shape.copy(self.s)
        verdict = staked_pool.apply(self.p, self.s, event)
        assert audit_money(self.s) == self.total
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        elif kind >= Kind.REQUEST:
            old, new = Phase(before.book.phase[event.job]), Phase(self.b.phase[event.job])
            assert new in LEGAL[old, kind]
            assert new not in FINAL or self.b.escrow[event.job] == 0
        audit_seats(self.p, self.s)
        return verdict

    def sit(self, actor: int, amount: int = 10**12, time: int = 0, price: int = 10, capacity: int = 32) -> None:
        assert self.do(Kind.OFFER, time, actor, amount=price, detail=capacity) == Verdict.OK
        assert self.do(Kind.STAKE, time, actor, amount=amount) == Verdict.OK

    def request(self, time: int = 0, gas: int = GAS, word: int = 0) -> int:
        job = self.jobs
        self.jobs += 1
        verdict = self.do(Kind.REQUEST, time, PROPOSER, job=job, amount=ANY_PRICE, detail=gas, word=word)
        assert verdict == Verdict.OK
        return job

    def prove(self, job: int, actor: int, time: int) -> None:
        assert self.do(Kind.PROVE, time, actor, job=job) == Verdict.OK

    def settle(self, job: int) -> int:
        """Settle as soon as possible and return what the prover got."""
        assert self.do(Kind.SETTLE, int(self.b.deadline[job]) + 1, 0, job=job) == Verdict.OK
        return int(self.b.paid[job])

    def prove_in_time(self, delay: int = 0, start: int = 0, gas: int = GAS) -> int:
        job = self.request(start, gas)
        self.prove(job, int(self.b.prover[job]), start + delay)
        return self.settle(job)

    def prove_late(self, actor: int, start: int = 0) -> int:
        """Let the window pass; `actor` proves then. Returns what it got."""
        job = self.request(start)
        late = int(self.b.deadline[job]) + 1
        assert self.do(Kind.EXPIRE, late, 0, job=job) == Verdict.OK
        self.prove(job, actor, late)
        return self.settle(job)


def audit_seats(p: Params, s: Any) -> None:
    """Check what the rule caches against what it means."""
    assert s.total[0] == s.weight.sum()
    assert s.weight[s.holder == NOBODY].sum() == 0
    for k in np.flatnonzero(s.holder != NOBODY):
        holder = s.holder[k]
        assert k < p.seats
        assert s.seat[holder] == k + 1
        low, high = s.fee[0] * p.clip_low_percent // 100, s.fee[0] * p.clip_high_percent // 100
        assert s.rate[k] == min(max(s.asked[k], low), high)
        weight = max(1, int(s.stake[holder]) // int(s.rate[k]) ** 2)
        assert s.weight[k] == (weight if s.free[k] > 0 else 0)
        assert 0 <= s.free[k] <= s.max_capacity[holder]
    assert (s.seat > 0).sum() == (s.holder != NOBODY).sum()
    assert s.stake[s.seat == 0].sum() == 0
    assert s.open_jobs.min() >= 0


# --- what a proof pays (1.3 oracles; 5 item 5) ---


def test_a_proof_at_once_pays_the_full_reward() -> None:
    """1.3: gasUsed 80 000, e = 10 -> R = 1 000 000 units."""
    pool = Pool()
    pool.sit(SEATED)
    assert pool.prove_in_time() == R


def test_a_proof_after_half_the_window_loses_half_the_penalty() -> None:
    """1.3: d = W/2 -> 987 500."""
    pool = Pool()
    pool.sit(SEATED)
    assert pool.prove_in_time(WINDOW // 2) == 987_500


def test_a_proof_at_the_very_end_of_the_window_is_in_time() -> None:
    pool = Pool()
    pool.sit(SEATED)
    assert pool.prove_in_time(WINDOW) == 975_000
    assert pool.b.slashed[SEATED] == 0


@pytest.mark.parametrize(("percent", "paid"), [(150, 1_500_000), (200, 2_000_000)])
def test_an_open_job_pays_a_premium_to_anybody(percent: int, paid: int) -> None:
    """1.3: open 1 500 000; 200 % before 2023-07-25."""
    pool = Pool(Params(open_reward_percent=percent))
    job = pool.request()
    assert pool.b.phase[job] == Phase.OPEN
    assert pool.b.prover[job] == ANYONE
    pool.prove(job, RESCUER, WINDOW * 2)
    assert pool.settle(job) == paid
    assert pool.b.slashed.sum() == 0
    assert pool.s.open_count[0] == 0


def test_a_rescuer_gets_the_premium_and_the_assigned_prover_pays() -> None:
    """1.3: rescuer 1 500 000."""
    pool = Pool()
    pool.sit(SEATED)
    assert pool.prove_late(RESCUER) == 1_500_000
    assert pool.b.slashed[SEATED] > 0
    assert pool.b.cash[RESCUER] == RICH + 1_500_000


def test_only_the_assigned_prover_may_prove_in_its_window() -> None:
    pool = Pool()
    pool.sit(SEATED)
    job = pool.request()
    assert pool.do(Kind.PROVE, WINDOW, RESCUER, job=job) == Verdict.NOT_YOURS
    assert pool.do(Kind.EXPIRE, WINDOW, 0, job=job) == Verdict.EARLY
    assert pool.do(Kind.PROVE, WINDOW + 1, SEATED, job=job) == Verdict.LATE
    assert pool.do(Kind.PROVE, WINDOW, SEATED, job=job) == Verdict.OK


def test_the_first_proof_stands() -> None:
    pool = Pool()
    job = pool.request()
    pool.prove(job, RESCUER, 1)
    assert pool.do(Kind.PROVE, 2, NEWCOMER, job=job) == Verdict.WRONG_PHASE
    assert pool.do(Kind.SETTLE, 1 + COOLDOWN, 0, job=job) == Verdict.EARLY
    assert pool.do(Kind.SETTLE, 2 + COOLDOWN, 0, job=job) == Verdict.OK


def test_the_requester_pays_for_the_gas_used_at_the_fee() -> None:
    """1.3 rule 2: charged F * (limit + 200 000), the unused part comes back."""
    pool = Pool()
    pool.sit(SEATED)
    before = int(pool.b.cash[PROPOSER])
    job = pool.request()
    assert pool.b.escrow[job] == 10 * 6_200_000
    pool.prove(job, SEATED, 0)
    reserve = int(pool.b.reserve[0])
    pool.settle(job)
    assert before - pool.b.cash[PROPOSER] == R
    assert reserve + R - R == pool.b.reserve[0]  # the fee is burnt, the reward minted


def test_a_job_above_the_gas_limit_is_charged_by_its_size() -> None:
    pool = Pool()
    pool.sit(SEATED)
    before = int(pool.b.cash[PROPOSER])
    assert pool.prove_in_time(gas=9_000_000) == 10 * 9_020_000
    assert before - pool.b.cash[PROPOSER] == 10 * 9_020_000


def test_a_charge_above_the_offer_is_refused() -> None:
    pool = Pool()
    charge = 10 * 6_200_000
    for amount, verdict in ((charge - 1, Verdict.TOO_DEAR), (charge, Verdict.OK)):
        assert pool.do(Kind.REQUEST, 0, PROPOSER, amount=amount, detail=GAS) == verdict
    huge = 2**61
    pool.b.cash[PROPOSER] = huge
    pool.total = audit_money(pool.s)
    assert pool.do(Kind.REQUEST, 0, PROPOSER, job=1, amount=huge, detail=huge) == Verdict.TOO_DEAR
    assert pool.do(Kind.REQUEST, 0, PROPOSER, job=1, amount=huge, detail=0) == Verdict.BAD_DETAIL


def test_a_dry_reserve_pays_what_is_there() -> None:
    pool = Pool(Params(supply_gwei=400_000))
    job = pool.request()
    pool.prove(job, RESCUER, 1)
    assert pool.settle(job) == 400_000 + R  # the job's own fee arrives first
    assert pool.b.reserve[0] == 0


# --- slashes (1.3 oracles; 5 item 5) ---


@pytest.mark.parametrize(("old", "amount"), [(0, 78_125_000), (1, 2_500_000_000)])
def test_slash_of_a_large_stake(old: int, amount: int) -> None:
    """1.3: stake 1e12, capacity 32: new rule 78 125 000, old rule 2 500 000 000."""
    pool = Pool(Params(old_slash=old))
    pool.sit(SEATED, 10**12)
    pool.prove_late(RESCUER)
    assert pool.b.slashed[SEATED] == pool.b.burnt[0] == amount
    assert pool.s.stake[SEATED] == 10**12 - amount


@pytest.mark.parametrize(("late_prover", "rewards"), [(RESCUER, 6), (SEATED, 4)])
def test_slash_of_a_small_stake(late_prover: int, rewards: int) -> None:
    """1.3: 4 * 1.5 R = 6 R when rescued, 4 R when self-late."""
    pool = Pool()
    pool.sit(SEATED, TOKEN)
    paid = pool.prove_late(late_prover)
    assert pool.b.slashed[SEATED] == rewards * R
    assert paid == (1_500_000 if late_prover == RESCUER else 0)


def test_the_old_rule_takes_at_least_one_token() -> None:
    """1.3 table: before 2023-07-25 stake * 25 bps, min 1 token."""
    pool = Pool(Params(old_slash=1))
    pool.sit(SEATED, 3 * TOKEN)
    pool.prove_late(SEATED)
    assert pool.b.slashed[SEATED] == TOKEN


def test_a_slash_takes_no_more_than_there_is() -> None:
    pool = Pool()
    pool.sit(SEATED, 5 * R)
    pool.prove_late(RESCUER)
    assert pool.b.slashed[SEATED] == 5 * R
    assert pool.s.weight[0] == 1  # slashed out, it keeps its seat and the least weight
    pool.prove_late(RESCUER, start=10 * WINDOW)
    assert pool.b.slashed[SEATED] == 5 * R


@pytest.mark.parametrize(("points", "misses"), [(25, 277), (500, 14)])
def test_half_life_under_the_old_rule(points: int, misses: int) -> None:
    """1.3: 276.9 misses at 25 bips, 13.5 at 500."""
    pool = Pool(Params(old_slash=1, slash_points=points), jobs=misses)
    pool.sit(SEATED, 10**13)
    for k in range(misses):
        assert pool.s.stake[SEATED] > 10**13 // 2
        pool.prove_late(RESCUER, start=k * 10 * HOUR)
    assert pool.s.stake[SEATED] < 10**13 // 2


def test_eldfell_pays_the_late_prover_it_slashes() -> None:
    """1.3 rule 4: Eldfell paid a late assigned prover 1.5 R while also slashing it (by 4 * 1.5 R)."""
    pool = Pool(ELDFELL)
    pool.sit(SEATED, TOKEN, capacity=5)
    assert pool.prove_late(SEATED) == 1_500_000
    assert pool.b.slashed[SEATED] == 6 * R


def test_eldfell_has_no_delay_penalty_and_a_window_of_three_averages() -> None:
    """1.3 table: 3 x on Eldfell, delay penalty absent."""
    p = ELDFELL._replace(initial_delay_ms=1_000_000)
    pool = Pool(p)
    pool.sit(SEATED, capacity=5)
    job = pool.request()
    assert pool.b.deadline[job] == 3_000_000
    assert pool.prove_in_time(delay=3_000_000) == R


def break_even(gain: int, loss: int, cost: int) -> float:
    """Probability of being in time at which proving earns nothing: p * gain - (1 - p) * loss = cost."""
    return round(float(Fraction(loss + cost, gain + loss)), 4)


def test_break_even_probabilities_from_the_payoffs() -> None:
    """1.3: 0.8587 (floor slash 6 R, mean delay W/2), 0.9302 with a cost of 0.5 R, 0.8020 when only self-late (4 R)."""
    pool = Pool()
    pool.sit(SEATED, TOKEN)
    gain = pool.prove_in_time(WINDOW // 2)
    pool.prove_late(RESCUER, start=10 * HOUR)
    rescued = int(pool.b.slashed[SEATED])
    pool.prove_late(SEATED, start=20 * HOUR)
    self_late = int(pool.b.slashed[SEATED]) - rescued
    assert break_even(gain, rescued, 0) == 0.8587
    assert break_even(gain, rescued, R // 2) == 0.9302
    assert break_even(gain, self_late, 0) == 0.8020


# --- weights and the lottery ---


def test_weights_are_stake_over_squared_price() -> None:
    """1.3: quoting 7 instead of 10 multiplies the weight by 2.0408; the spread inside the clip, 12 to 7, is 2.94."""
    pool = Pool()
    for actor, price in ((SEATED, 10), (RESCUER, 1), (NEWCOMER, 99)):
        pool.sit(actor, 10**12, price=price)
    assert list(pool.s.rate[:3]) == [10, 7, 12]
    assert list(pool.s.weight[:3]) == [10**10, 20_408_163_265, 6_944_444_444]
    assert round(20_408_163_265 / 10**10, 4) == 2.0408
    assert round(20_408_163_265 / 6_944_444_444, 2) == 2.94


def test_the_lottery_follows_the_weights_in_seat_order() -> None:
    pool = Pool()
    pool.sit(SEATED, 10**8)
    pool.sit(RESCUER, 3 * 10**8)
    assert list(pool.s.weight[:2]) == [10**6, 3 * 10**6]
    first_quarter, quarter = 2**60 - 1, 2**60  # words are uniform in [0, 2**62)
    assert pool.b.prover[pool.request(word=first_quarter)] == SEATED
    assert pool.b.prover[pool.request(word=quarter)] == RESCUER
    assert pool.b.prover[pool.request(word=2**62 - 1)] == RESCUER


def test_the_drawn_seat_is_paid_its_own_price() -> None:
    """1.3 rule 4: R uses e, the proposer pays F."""
    pool = Pool()
    pool.sit(SEATED, price=8)
    before = int(pool.b.cash[PROPOSER])
    assert pool.prove_in_time() == 800_000
    assert before - pool.b.cash[PROPOSER] == R


def test_capacity_is_counted_down_and_an_exhausted_pool_opens_the_job() -> None:
    """1.3 rule 2: currentCapacity -= 1; if the sum of weights is 0 the block is open."""
    pool = Pool(Params(min_capacity=2))
    pool.sit(SEATED, capacity=2)
    jobs = [pool.request() for _ in range(3)]
    assert [Phase(pool.b.phase[job]) for job in jobs] == [Phase.ASSIGNED, Phase.ASSIGNED, Phase.OPEN]
    assert pool.s.open_jobs[SEATED] == 2
    pool.prove(jobs[0], SEATED, 1)  # 1.3 rule 3: its own proof frees one unit at once
    assert pool.s.open_jobs[SEATED] == 1
    assert pool.b.phase[pool.request(2)] == Phase.ASSIGNED


def test_a_rescued_job_frees_capacity_only_at_settlement() -> None:
    """1.3 rule 3: otherwise it is freed at verification."""
    pool = Pool(Params(min_capacity=1))
    pool.sit(SEATED, capacity=1)
    job = pool.request()
    assert pool.do(Kind.EXPIRE, WINDOW + 1, 0, job=job) == Verdict.OK
    pool.prove(job, RESCUER, WINDOW + 1)
    assert pool.s.total[0] == 0
    pool.settle(job)
    assert pool.s.total[0] > 0
    assert pool.s.open_jobs[SEATED] == 0


def test_too_many_open_jobs_are_refused() -> None:
    pool = Pool(Params(max_open_jobs=1))
    job = pool.request()
    assert pool.do(Kind.REQUEST, 0, PROPOSER, job=1, amount=ANY_PRICE, detail=GAS) == Verdict.FULL
    pool.prove(job, RESCUER, 1)
    pool.settle(job)
    assert pool.do(Kind.REQUEST, DAY, PROPOSER, job=1, amount=ANY_PRICE, detail=GAS) == Verdict.OK


@pytest.mark.parametrize(("switch", "amount"), [(0, 0), (1, 6 * R)])
def test_the_oracle_ends_a_job_nobody_wanted(switch: int, amount: int) -> None:
    """1.3 rule 4: an oracle proof slashes nobody; `oracle_slash` makes it count as a rescue."""
    pool = Pool(Params(oracle_slash=switch))
    pool.sit(SEATED, TOKEN)
    before = int(pool.b.cash[PROPOSER])
    job = pool.request()
    opened = WINDOW + 1
    assert pool.do(Kind.EXPIRE, opened, 0, job=job) == Verdict.OK
    assert pool.do(Kind.EXPIRE, opened + DAY, 0, job=job) == Verdict.EARLY
    assert pool.do(Kind.PROVE, opened + DAY + 1, RESCUER, job=job) == Verdict.LATE
    assert pool.do(Kind.EXPIRE, opened + DAY + 1, 0, job=job) == Verdict.OK
    assert pool.b.phase[job] == Phase.SETTLED
    assert pool.b.paid[job] == 0
    assert pool.b.slashed[SEATED] == amount
    assert before - pool.b.cash[PROPOSER] == R
    assert pool.s.open_jobs[SEATED] == 0
    assert pool.s.free[0] == 32


def test_the_oracle_ends_a_job_that_was_open_from_the_start() -> None:
    pool = Pool()
    job = pool.request()
    assert pool.do(Kind.EXPIRE, DAY + 1, 0, job=job) == Verdict.OK
    assert pool.b.phase[job] == Phase.SETTLED
    assert pool.s.open_count[0] == 0


# --- seats ---


def test_a_newcomer_takes_the_lowest_seat_only_with_strictly_more() -> None:
    """1.3 rule 1: lowest stake, lowest index on ties, only if strictly smaller; the occupant joins the exit queue."""
    pool = Pool(Params(seats=3))
    for actor, amount in ((SEATED, 5 * TOKEN), (RESCUER, 4 * TOKEN), (PROPOSER, 4 * TOKEN)):
        pool.sit(actor, amount)
    assert pool.do(Kind.OFFER, 1, NEWCOMER, amount=10, detail=32) == Verdict.OK
    assert pool.do(Kind.STAKE, 1, NEWCOMER, amount=4 * TOKEN) == Verdict.FULL
    assert pool.do(Kind.STAKE, 1, NEWCOMER, amount=4 * TOKEN + 1) == Verdict.OK
    assert list(pool.s.holder[:4]) == [SEATED, NEWCOMER, PROPOSER, NOBODY]
    assert pool.s.seat[RESCUER] == pool.s.stake[RESCUER] == 0
    assert pool.s.exiting[RESCUER] == 4 * TOKEN
    assert pool.s.churn[0] == 4


def test_an_assigned_job_survives_the_loss_of_the_seat() -> None:
    pool = Pool(Params(seats=1))
    pool.sit(SEATED, TOKEN)
    job = pool.request()
    pool.sit(NEWCOMER, 2 * TOKEN, time=1)
    assert pool.b.prover[job] == SEATED
    pool.prove(job, SEATED, 2)
    assert pool.s.free[0] == 32  # the newcomer's, untouched
    assert pool.settle(job) == R


def test_the_terms_of_an_offer_wait_for_the_next_stake() -> None:
    pool = Pool()
    pool.sit(SEATED)
    assert pool.do(Kind.OFFER, 1, SEATED, amount=8, detail=64) == Verdict.OK
    assert (pool.s.asked[0], pool.s.max_capacity[SEATED], pool.s.free[0]) == (10, 32, 32)
    assert pool.do(Kind.STAKE, 1, SEATED, amount=10**12) == Verdict.OK
    assert (pool.s.asked[0], pool.s.max_capacity[SEATED], pool.s.free[0]) == (8, 64, 64)
    assert pool.s.churn[0] == 1  # the same prover in the same seat
    assert pool.do(Kind.UNSTAKE, 2, SEATED, amount=1) == Verdict.OK
    assert pool.s.churn[0] == 2


def test_bad_terms_are_refused() -> None:
    """1.3 rule 1: maxCapacity >= MIN_CAPACITY, amount // maxCapacity >= MIN_STAKE_PER_CAPACITY, rewardPerGas > 0."""
    pool = Pool()
    assert pool.do(Kind.STAKE, 0, SEATED, amount=TOKEN) == Verdict.BAD_DETAIL  # no offer yet
    assert pool.do(Kind.OFFER, 0, SEATED, amount=10, detail=31) == Verdict.BAD_DETAIL
    assert pool.do(Kind.OFFER, 0, SEATED, amount=10, detail=MAX_UINT32 + 1) == Verdict.BAD_DETAIL
    assert pool.do(Kind.OFFER, 0, SEATED, amount=0, detail=32) == Verdict.BAD_AMOUNT
    assert pool.do(Kind.OFFER, 0, SEATED, amount=MAX_UINT32 + 1, detail=32) == Verdict.BAD_AMOUNT
    assert pool.do(Kind.OFFER, 0, SEATED, amount=10, detail=32) == Verdict.OK
    assert pool.do(Kind.STAKE, 0, SEATED, amount=32 * 10_000 - 1) == Verdict.BAD_AMOUNT
    assert pool.do(Kind.STAKE, 0, SEATED, amount=32 * 10_000) == Verdict.OK


def test_kinds_without_a_meaning_here_are_unknown() -> None:
    pool = Pool()
    pool.sit(SEATED)
    job = pool.request()
    assert pool.do(Kind.DELEGATE, 0, SEATED, amount=1) == Verdict.UNKNOWN
    assert pool.do(Kind.DECLINE, 0, SEATED, job=job) == Verdict.UNKNOWN
    pool.prove(job, SEATED, 0)
    assert pool.do(Kind.CONTEST, 0, RESCUER, job=job) == Verdict.UNKNOWN


# --- the exit queue ---


def test_exit_money_waits_seven_days() -> None:
    pool = Pool()
    pool.sit(SEATED, TOKEN)
    assert pool.do(Kind.UNSTAKE, 5, SEATED, amount=1) == Verdict.OK
    assert pool.s.exiting[SEATED] == TOKEN
    assert pool.s.total[0] == 0
    assert pool.do(Kind.UNSTAKE, 6, SEATED, amount=1) == Verdict.POOR
    assert pool.do(Kind.WITHDRAW, 5 + 7 * DAY, SEATED) == Verdict.EARLY
    assert pool.do(Kind.WITHDRAW, 6 + 7 * DAY, SEATED, amount=TOKEN + 1) == Verdict.POOR
    assert pool.do(Kind.WITHDRAW, 6 + 7 * DAY, SEATED, amount=1) == Verdict.OK
    assert pool.do(Kind.WITHDRAW, 6 + 7 * DAY, SEATED) == Verdict.OK
    assert pool.b.cash[SEATED] == RICH
    assert pool.do(Kind.WITHDRAW, 7 + 7 * DAY, SEATED) == Verdict.POOR


def test_exit_money_is_slashed_first_until_it_matures() -> None:
    """1.3 rule 4: slashable = stake + exitAmount while the exit runs; taken from exitAmount first."""
    pool = Pool()
    pool.sit(SEATED, 10 * TOKEN)
    pool.sit(SEATED, 9 * TOKEN, time=1)  # a smaller stake: the rest queues
    assert (pool.s.stake[SEATED], pool.s.exiting[SEATED]) == (9 * TOKEN, TOKEN)
    pool.prove_late(RESCUER, start=2)
    assert (pool.s.stake[SEATED], pool.s.exiting[SEATED]) == (9 * TOKEN, TOKEN - 6 * R)


def test_a_prover_that_left_is_slashed_only_while_its_exit_runs() -> None:
    for settle_at, amount in ((3 * HOUR, 6 * R), (8 * DAY, 0)):
        pool = Pool()
        pool.sit(SEATED, TOKEN)
        job = pool.request()
        assert pool.do(Kind.UNSTAKE, 1, SEATED, amount=1) == Verdict.OK
        assert pool.do(Kind.EXPIRE, WINDOW + 1, 0, job=job) == Verdict.OK
        pool.prove(job, RESCUER, WINDOW + 1)
        assert pool.do(Kind.SETTLE, WINDOW + settle_at, 0, job=job) == Verdict.OK
        assert pool.b.slashed[SEATED] == amount


def test_matured_exit_money_is_not_counted_but_still_taken_first() -> None:
    """The contract's arithmetic: slashable leaves matured money out, the subtraction starts with it all the same."""
    pool = Pool(Params(slash_multiplier=0))
    pool.sit(SEATED, 64 * TOKEN)
    pool.sit(SEATED, 32 * TOKEN, time=1)
    pool.prove_late(RESCUER, start=8 * DAY)
    slash = 32 * TOKEN * 25 // 10_000 // 32
    assert pool.b.slashed[SEATED] == slash
    assert (pool.s.stake[SEATED], pool.s.exiting[SEATED]) == (32 * TOKEN, 32 * TOKEN - slash)


def test_staking_again_uses_the_exit_queue_before_cash() -> None:
    pool = Pool(cash=TOKEN)
    pool.sit(SEATED, TOKEN)
    assert pool.b.cash[SEATED] == 0
    assert pool.do(Kind.STAKE, 1, SEATED, amount=TOKEN + 1) == Verdict.POOR
    assert pool.do(Kind.STAKE, 1, SEATED, amount=TOKEN - 1) == Verdict.OK
    assert (pool.s.stake[SEATED], pool.s.exiting[SEATED], pool.b.cash[SEATED]) == (TOKEN - 1, 1, 0)
    assert pool.do(Kind.STAKE, 9 * DAY, SEATED, amount=TOKEN - 2) == Verdict.OK  # the 1 has matured: withdrawn
    assert (pool.s.stake[SEATED], pool.s.exiting[SEATED], pool.b.cash[SEATED]) == (TOKEN - 2, 1, 1)


def test_what_staking_again_leaves_in_the_queue_starts_its_seven_days_again() -> None:
    pool = Pool(cash=TOKEN)
    pool.sit(SEATED, TOKEN)
    assert pool.do(Kind.UNSTAKE, 1, SEATED, amount=1) == Verdict.OK
    assert pool.do(Kind.STAKE, DAY, SEATED, amount=TOKEN - 5) == Verdict.OK
    assert (pool.s.exiting[SEATED], pool.b.cash[SEATED]) == (5, 0)
    assert pool.do(Kind.WITHDRAW, 8 * DAY, SEATED) == Verdict.EARLY
    assert pool.do(Kind.WITHDRAW, 8 * DAY + 1, SEATED) == Verdict.OK
    assert pool.b.cash[SEATED] == 5


def test_leaving_withdraws_what_has_matured() -> None:
    pool = Pool(cash=TOKEN)
    pool.sit(SEATED, TOKEN)
    pool.sit(SEATED, TOKEN - 5, time=1)
    assert pool.do(Kind.UNSTAKE, 8 * DAY, SEATED, amount=1) == Verdict.OK
    assert (pool.s.exiting[SEATED], pool.b.cash[SEATED]) == (TOKEN - 5, 5)


def test_the_matured_exit_of_a_replaced_prover_is_withdrawn() -> None:
    pool = Pool(Params(seats=1), cash=2 * TOKEN)
    pool.sit(SEATED, 2 * TOKEN)
    pool.sit(SEATED, TOKEN, time=1)
    pool.sit(NEWCOMER, 2 * TOKEN, time=8 * DAY)
    assert (pool.b.cash[SEATED], pool.s.exiting[SEATED], pool.s.stake[SEATED]) == (TOKEN, TOKEN, 0)


# --- literal and intended ---


def test_a_change_waits_an_hour_after_money_was_left_in_the_queue() -> None:
    """1.3 rule 1: force-exit fails if < 1 h since the last change (the contract counts from the exit request)."""
    pool = Pool()
    pool.sit(SEATED, 2 * TOKEN)
    pool.sit(SEATED, TOKEN, time=1)
    for kind in (Kind.STAKE, Kind.UNSTAKE):
        assert pool.do(kind, 1 + HOUR, SEATED, amount=TOKEN) == Verdict.EARLY
    assert pool.do(Kind.STAKE, 2 + HOUR, SEATED, amount=TOKEN) == Verdict.OK


@pytest.mark.parametrize(("switch", "verdict"), [(0, Verdict.OK), (1, Verdict.EARLY)])
def test_staking_no_less_than_before_needs_no_wait_on_chain(switch: int, verdict: Verdict) -> None:
    """The contract clears the exit time when nothing is left in the queue; as intended the hour always holds."""
    pool = Pool(Params(intended_delay=switch))
    pool.sit(SEATED, TOKEN)
    assert pool.do(Kind.STAKE, 1, SEATED, amount=TOKEN) == verdict
    assert pool.do(Kind.UNSTAKE, 1, SEATED, amount=TOKEN) == verdict


@pytest.mark.parametrize(("switch", "free"), [(0, [2, 2, 2]), (1, [0, 1, 2])])
def test_staking_again_forgets_outstanding_work_on_chain(switch: int, free: list[int]) -> None:
    """1.3: capacity resets on re-stake, outstanding work is forgotten; as intended it counts."""
    pool = Pool(Params(min_capacity=2, intended_capacity=switch))
    pool.sit(SEATED, TOKEN, capacity=2)
    jobs = [pool.request(), pool.request()]
    assert pool.s.free[0] == 0
    pool.sit(SEATED, TOKEN, time=1, capacity=2)
    seen = [int(pool.s.free[0])]
    for job in jobs:
        pool.prove(job, SEATED, 2)
        seen.append(int(pool.s.free[0]))
    assert seen == free
    assert pool.s.open_jobs[SEATED] == 0


def test_intended_capacity_counts_jobs_beyond_a_smaller_capacity() -> None:
    pool = Pool(Params(min_capacity=1, intended_capacity=1))
    pool.sit(SEATED, TOKEN, capacity=3)
    jobs = [pool.request() for _ in range(3)]
    pool.sit(SEATED, TOKEN, time=1, capacity=1)
    free = []
    for job in jobs:
        pool.prove(job, SEATED, 2)
        free.append(int(pool.s.free[0]))
    assert free == [0, 0, 1]


def moved(p: Params, value: int, latest: int, times: int = 1) -> int:
    """Where an average of `value` gets to by `times` observations of `latest`."""
    one, total = np.array([value]), np.array([value * p.average_factor])
    for _ in range(times):
        staked_pool.average(p, one, total, latest)
    return int(one[0])


@pytest.mark.parametrize(
    ("value", "latest", "after"),
    [(10, 9, 9), (10, 12, 10), (3600, 3599, 3599), (3600, 5400, 3600), (3600, 3600 + 7200, 3601), (1, 0, 1), (0, 7, 7)],
)
def test_averages_on_chain_can_fall_but_not_rise(value: int, latest: int, after: int) -> None:
    """5 item 6 and 1.3, factor 7200; the last three: it takes f more to rise by 1, never to 0, and 0 means none yet."""
    assert moved(Params(), value, latest) == after


@pytest.mark.parametrize(("value", "latest"), [(10, 9), (10, 12), (3600, 3599), (3600, 5400)])
def test_intended_averages_move_both_ways(value: int, latest: int) -> None:
    p = Params(intended_averages=1)
    assert moved(p, value, latest) == value
    assert moved(p, value, latest, 100_000) == latest


def test_the_fee_drifts_down_to_one_and_stays() -> None:
    """1.3: F drifts 10 -> 1 and stays, whatever the clip allows; here the lowest bidder proves each block."""
    pool = Pool(jobs=20)
    pool.sit(SEATED, price=1)
    fees = [10]
    while len(fees) < 20:
        pool.prove_in_time(start=len(fees) * HOUR)
        fees.append(int(pool.s.fee[0]))
    assert fees == [*range(10, 1, -1), *[1] * 11]
    assert pool.s.rate[0] == 1  # at F = 1 the clip is [0, 1]


@pytest.mark.parametrize(("switch", "fee"), [(0, 10), (1, 11)])
def test_a_fee_below_every_price_can_rise_only_as_intended(switch: int, fee: int) -> None:
    pool = Pool(Params(intended_averages=switch, average_factor=4), jobs=3)
    pool.sit(SEATED, price=12)
    for k in range(3):
        pool.prove_in_time(start=k * HOUR)
    assert pool.s.fee[0] == fee


def test_the_window_shrinks_to_its_floor_by_on_time_proofs() -> None:
    """1.3: from an average of 3600 s to 300 s takes 3300 on-time blocks; the window is then at the 600 s floor."""
    blocks = 3_310
    pool = Pool(jobs=1)
    p, s = pool.p, pool.s
    assert staked_pool.compute_window(p, s) == 5_400_000
    windows = []
    for _ in range(blocks):
        staked_pool.average(p, s.delay, s.delay_sum, 290)
        windows.append(staked_pool.compute_window(p, s))
    assert s.delay[0] == 290
    assert windows[899] == 5_400_000  # 2 * 2700 s: until here the upper limit held
    assert windows[3_298:3_301] == [602_000, 600_000, 600_000]


def test_only_proofs_in_time_teach_the_averages() -> None:
    """1.3 rule 4: the averages move for the assigned prover in time and for nobody else."""
    pool = Pool()
    pool.sit(SEATED, price=8)
    pool.prove_late(RESCUER)
    pool.prove_late(SEATED, start=10 * HOUR)
    assert (pool.s.fee[0], pool.s.delay[0]) == (10, 3_600)
    pool.prove_in_time(start=20 * HOUR)
    assert (pool.s.fee[0], pool.s.delay[0]) == (9, 3_599)


# --- parameters ---


@pytest.mark.parametrize(
    "text",
    ["seats=0", "seats=257", "slash_points=10_001", "delay_penalty=10_000", "min_window_ms=5_400_001", "late_paid=2",
     "clip_high_percent=99", "supply_gwei=-1", "cooldown_ms=-1"],
)  # fmt: skip
def test_senseless_parameters_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match=text.partition("=")[0]):
        rule(f"staked_pool({text})")


@pytest.mark.parametrize("name", ["seats=256", "slash_points=500, min_capacity=128", "min_capacity=5"])
def test_historical_parameters_are_accepted(name: str) -> None:
    state = rule(f"staked_pool({name})").genesis(3, 1)
    assert state.book.reserve[0] == 10**17
    assert state.fee[0] == 10


# --- random markets: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

MARKETS = (
    Params(seats=2, min_capacity=1),
    Params(seats=3, min_capacity=1, intended_averages=1, intended_capacity=1, intended_delay=1, average_factor=3),
    Params(seats=2, min_capacity=2, old_slash=1, supply_gwei=3 * 10**6, oracle_slash=1, max_open_jobs=2),
    ELDFELL._replace(min_capacity=1, open_window_ms=HOUR, exit_period_ms=HOUR),
)
ACTS = "ossuwwrrrrrpppptttttz"
WAITS = [0, 0, 1, 60_000, 60_000, HOUR]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(ACTS),
        st.integers(0, 4),
        st.integers(0, 63),
        st.integers(0, 2**62 - 1),
        st.sampled_from(WAITS),
    ),
    min_size=20,
    max_size=100,
)


def pick(s: Any, phases: tuple[Phase, ...], k: int) -> int:
    """Choose one of the jobs in `phases`, or any job when there is none."""
    found = np.flatnonzero(np.isin(s.book.phase, phases))
    return int(found[k % found.size]) if found.size else k % s.book.phase.size


def account_event(what: str, now: int, actor: int, word: int) -> Event:
    """Offer, stake, unstake, withdraw."""
    if what == "o":
        return Event(Kind.OFFER, now, actor, 0, 1 + word % 14, 1 + word % 4, 0)
    if what == "s":
        return Event(Kind.STAKE, now, actor, 0, 1 + word % (5 * TOKEN), 0, 0)
    if what == "u":
        return Event(Kind.UNSTAKE, now, actor, 0, 1, 0, 0)
    return Event(Kind.WITHDRAW, now, actor, 0, word % 2 * (word % TOKEN), 0, 0)


def job_event(s: Any, what: str, now: int, actor: int, k: int, word: int) -> Event:
    """Request, prove, a timer, or anything at all."""
    b = s.book
    if what == "r":
        amount = (2**27, 2**29)[word % 16 == 0]  # the second is more than anybody has
        return Event(Kind.REQUEST, now, actor, pick(s, (Phase.NONE,), k), amount, 1 + word % 200_000, word)
    if what == "p":
        job = pick(s, (Phase.ASSIGNED, Phase.OPEN), k)
        prover = int(b.prover[job])
        return Event(Kind.PROVE, now, actor if prover < 0 or word % 8 == 0 else prover, job, 0, 0, 0)
    if what == "t":
        job = pick(s, (Phase.ASSIGNED, Phase.OPEN, Phase.PROVEN), k)
        if word % 4 > 0:  # else probably too early
            now = max(now, int(b.deadline[job]) + int(word % 32 > 1))
        kind = Kind.SETTLE if b.phase[job] == Phase.PROVEN else Kind.EXPIRE
        return Event(kind, now, 0, job, 0, 0, 0)
    return Event(word % 16, now, actor, k % b.phase.size, word % 10**9, word % 100, word)


def events(s: Any, steps: list[tuple[str, int, int, int, int]]) -> Iterator[Event]:
    """Turn steps into plausible events, given the state they meet; three provers have a seat from the start."""
    now = 0
    for actor in range(1, 4):
        yield Event(Kind.OFFER, 0, actor, 0, 6 + 3 * actor, 1 + actor, 0)
        yield Event(Kind.STAKE, 0, actor, 0, actor * TOKEN, 0, 0)
    for what, actor, k, word, wait in steps:
        now += wait
        in_account = what in "osuw"
        event = account_event(what, now, actor, word) if in_account else job_event(s, what, now, actor, k, word)
        now = event.time
        yield event


def run_both(p: Params, plain: Any, compiled: Compiled, event: Event) -> Verdict:
    """Apply `event` to both states and audit them."""
    before = shape.copy(plain)
    verdict = staked_pool.apply(p, plain, event)
    assert compiled.apply(event) == verdict
    assert_same(plain, compiled.state)
    assert audit_money(plain) == audit_money(before)
    if verdict != Verdict.OK:
        assert_same(plain, before)
    audit_seats(p, plain)
    return verdict


@settings(max_examples=60, deadline=None)
@given(p=st.sampled_from(MARKETS), steps=STEPS)
def test_random_markets(p: Params, steps: list[tuple[str, int, int, int, int]]) -> None:
    plain = new_state(p, jobs=24, cash=4 * TOKEN)
    compiled = Compiled(staked_pool, p, shape.copy(plain))
    now = 0
    for event in events(plain, steps):
        run_both(p, plain, compiled, event)
        now = max(now, event.time)
    b = plain.book
    for job in np.flatnonzero(b.phase != Phase.NONE):
        for _ in range(3):  # ASSIGNED, OPEN, final
            kind = Kind.SETTLE if b.phase[job] == Phase.PROVEN else Kind.EXPIRE
            if b.phase[job] not in FINAL:
                now = max(now, int(b.deadline[job])) + 1
                assert run_both(p, plain, compiled, Event(kind, now, 0, int(job), 0, 0, 0)) == Verdict.OK
        assert b.phase[job] in FINAL
    assert b.escrow.sum() == 0
    assert plain.open_jobs.sum() == plain.open_count[0] == 0


def test_random_markets_reach_every_path() -> None:
    """The events above are worth something only if they meet both success and refusal of each kind."""
    seen: set[tuple[int, int]] = set()
    dice = np.random.default_rng(7)
    for p in MARKETS * 15:
        plain = new_state(p, jobs=24, cash=4 * TOKEN)
        steps = [
            (str(dice.choice(list(ACTS))), int(dice.integers(5)), int(dice.integers(64)),
             int(dice.integers(2**62)), int(dice.choice(WAITS)))
            for _ in range(120)
        ]  # fmt: skip
        for event in events(plain, steps):
            seen.add((event.kind, staked_pool.apply(p, plain, event)))
    ok, v = Verdict.OK, Verdict
    wanted = {
        Kind.OFFER: {ok, v.BAD_DETAIL}, Kind.STAKE: {ok, v.FULL, v.EARLY, v.POOR, v.BAD_DETAIL},
        Kind.UNSTAKE: {ok, v.POOR, v.EARLY}, Kind.WITHDRAW: {ok, v.EARLY, v.POOR},
        Kind.REQUEST: {ok, v.POOR, v.FULL, v.WRONG_PHASE}, Kind.PROVE: {ok, v.NOT_YOURS, v.LATE, v.WRONG_PHASE},
        Kind.EXPIRE: {ok, v.EARLY, v.WRONG_PHASE}, Kind.SETTLE: {ok, v.EARLY},
    }  # fmt: skip
    missing = {(kind.name, verdict.name) for kind, all_of in wanted.items() for verdict in all_of} - {
        (Kind(kind).name, Verdict(verdict).name) for kind, verdict in seen if kind < len(Kind)
    }
    assert not missing
