"""The operator pool: shares, slashes to the unit, who is drawn how often, and each remedy for too much delegation."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms.sides import Compiled, assert_same

from proofyard.core import (
    ANYONE,
    FINAL,
    MAX_GWEI,
    MAX_SHARES,
    MIN_SHARES,
    TRANSITIONS,
    WHOLE,
    BadInput,
    Event,
    Kind,
    Phase,
    Verdict,
    shape,
    total_weight,
    weight_of,
)
from proofyard.core.shares import STEP
from proofyard.mechanisms import operator_pool, rule
from proofyard.mechanisms.operator_pool import (
    BY_CAPACITY,
    BY_STAKE,
    EQUALLY,
    EVERYBODY,
    MAX_CAPACITY,
    NOBODY,
    OPERATOR,
    Params,
)

RICH = 10**15
FEE = 1_000_000
WINDOW = 1_800_000
DAY = 86_400_000
WEEK = 7 * DAY
LONGER = 10**9  # ms, after every window here
SIGMAS = 4
REQUESTER, OPERATOR_A, OPERATOR_B, OPERATOR_C, DELEGATOR, LATER_DELEGATOR = range(6)
OPERATORS = (OPERATOR_A, OPERATOR_B, OPERATOR_C)
LEGAL = {(source, kind): targets for source, kind, targets in TRANSITIONS}


def new_state(p: Params, actors: int = 6, jobs: int = 10, cash: int = RICH) -> Any:
    state = shape.zeros(operator_pool.State, actors, jobs)
    operator_pool.genesis(p, state)
    state.book.cash[:] = cash
    return state


def audit(p: Params, s: Any, total: int) -> None:
    """Money is conserved and nowhere negative, and all that is kept twice agrees."""
    assert all(values.min() >= 0 for field, values in shape.named(s) if field.money)
    assert shape.total_gwei(s) == total
    actors = range(s.stake.size)
    weights = [operator_pool.compute_weight(p, s, k) for k in actors]
    assert [weight_of(s.weight, k) for k in actors] == weights
    assert total_weight(s.weight) == sum(weights)
    held, claims = np.zeros_like(s.shares), np.zeros_like(s.leaving)
    np.add.at(held, s.operator_of, s.held)
    np.add.at(claims, s.claim_at, [operator_pool.compute_claim(s, k) for k in actors])
    assert np.array_equal(held, s.shares)
    assert np.all(claims <= s.leaving)
    assert not s.pool[s.shares == 0].any()
    assert np.all((s.remains >= STEP) & (s.remains <= WHOLE))
    assigned = s.book.prover[s.book.phase == Phase.ASSIGNED]
    assert np.array_equal(np.bincount(assigned, minlength=s.stake.size), s.open_jobs)
    assert not s.book.escrow[np.isin(s.book.phase, FINAL)].any()


class Pool:
    """A market whose every event is audited."""

    def __init__(self, actors: int = 6, jobs: int = 10, cash: int = RICH, **params: int) -> None:
        self.p = Params(**params)
        self.s = new_state(self.p, actors, jobs, cash)
        self.b = self.s.book
        self.total = shape.total_gwei(self.s)
        self.jobs = 0

    def do(self, kind: Kind, actor: int, amount: int = 0, detail: int = 0, **rest: int) -> Verdict:
        event = Event(kind, rest.get("time", 0), actor, rest.get("job", 0), amount, detail, rest.get("word", 0))
        before = shape.copy(self.s)
        verdict = operator_pool.apply(self.p, self.s, event)
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        elif kind >= Kind.REQUEST:
            old, new = Phase(before.book.phase[event.job]), Phase(self.b.phase[event.job])
            assert new in LEGAL[old, kind]
        audit(self.p, self.s, self.total)
        return verdict

    def ok(self, kind: Kind, actor: int, amount: int = 0, detail: int = 0, **rest: int) -> None:
        assert self.do(kind, actor, amount, detail, **rest) == Verdict.OK

    def enter(self, operator: int, stake: int = 10**9, capacity: int = 1, pool: int = 0) -> None:
        self.ok(Kind.OFFER, operator, 1, capacity)
        self.ok(Kind.STAKE, operator, stake)
        if pool:
            self.ok(Kind.DELEGATE, DELEGATOR, pool, operator)

    def request(self, word: int = 0, time: int = 0, fee: int = FEE) -> int:
        job = self.jobs
        self.jobs += 1
        self.ok(Kind.REQUEST, REQUESTER, fee, job=job, word=word, time=time)
        return job

    def prove(self, job: int, time: int = 0) -> None:
        self.ok(Kind.PROVE, int(self.b.prover[job]), job=job, time=time)

    def expire(self, job: int, word: int = 0) -> None:
        self.ok(Kind.EXPIRE, 0, job=job, time=int(self.b.deadline[job]) + 1, word=word)

    def earn(self, fee: int = FEE) -> None:
        self.prove(self.request(fee=fee))

    def miss(self, fee: int = FEE) -> None:
        self.expire(self.request(fee=fee))

    def cash(self, actor: int) -> int:
        return int(self.b.cash[actor])

    def worth(self, delegator: int) -> int:
        operator = int(self.s.operator_of[delegator])
        return int(self.s.held[delegator]) * int(self.s.pool[operator]) // int(self.s.shares[operator])


# --- shares ---


def test_first_shares_cost_a_gwei_each_and_later_ones_what_they_are_worth() -> None:
    pool = Pool(commission_bips=0)
    pool.enter(OPERATOR_A, stake=300_000, pool=100_000)
    assert pool.s.held[DELEGATOR] == pool.s.shares[OPERATOR_A] == 100_000
    pool.earn(fee=200_000)  # a quarter to the pool: a share is worth 1.5
    assert pool.s.pool[OPERATOR_A] == 150_000
    pool.ok(Kind.DELEGATE, LATER_DELEGATOR, 50_000, OPERATOR_A)
    assert pool.s.held[LATER_DELEGATOR] == 33_333  # 33_333.3 rounded down
    assert pool.worth(LATER_DELEGATOR) == 49_999
    assert pool.worth(DELEGATOR) == 150_000


def test_shares_given_up_are_rounded_up() -> None:
    pool = Pool(commission_bips=0)
    pool.enter(OPERATOR_A, stake=300_000, pool=100_000)
    pool.earn(fee=200_000)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 50_000, OPERATOR_A)  # 33_333.3 shares
    assert pool.s.held[DELEGATOR] == 66_666
    assert pool.s.pool[OPERATOR_A] == pool.worth(DELEGATOR) == 100_000
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 99, OPERATOR_A)  # 65.9994 shares: the 66th is not quite worth its rounding
    assert pool.s.held[DELEGATOR] == 66_600
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 10**12, OPERATOR_A)  # more than it is worth: all
    assert pool.s.held[DELEGATOR] == pool.s.shares[OPERATOR_A] == pool.s.pool[OPERATOR_A] == 0
    assert pool.s.leaving[OPERATOR_A] == 150_000


def test_an_exact_conversion_costs_no_extra_share() -> None:
    pool = Pool()
    pool.enter(OPERATOR_A, pool=100_000)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 40_000, OPERATOR_A)
    assert pool.s.held[DELEGATOR] == pool.s.pool[OPERATOR_A] == 60_000


def test_the_last_holder_leaves_nothing_behind() -> None:
    pool = Pool(commission_bips=0)
    pool.enter(OPERATOR_A, stake=10**6, pool=MIN_SHARES)
    pool.earn(fee=10**9)
    price = pool.s.pool[OPERATOR_A] // MIN_SHARES
    pool.ok(Kind.UNDELEGATE, DELEGATOR, int(pool.s.pool[OPERATOR_A] - price // 2), OPERATOR_A)
    assert pool.s.shares[OPERATOR_A] == pool.s.pool[OPERATOR_A] == 0


AMOUNTS = st.integers(1, 2**58) | st.integers(1, 10**6)


@settings(max_examples=150, deadline=None)
@given(held=st.integers(1, 2**58), worth=AMOUNTS, amount=AMOUNTS, part=st.integers(1, 2**58))
def test_nobody_gains_by_going_in_and_out(held: int, worth: int, amount: int, part: int) -> None:
    """And nobody else loses by it, at any price of a share, in one go or in two."""
    p = Params()
    s = new_state(p, cash=0)
    s.book.cash[LATER_DELEGATOR] = amount
    s.capacity[OPERATOR_A] = 1
    s.held[DELEGATOR] = s.shares[OPERATOR_A] = held
    s.operator_of[DELEGATOR] = OPERATOR_A
    s.pool[OPERATOR_A] = worth
    joined = operator_pool.apply(p, s, Event(Kind.DELEGATE, 0, LATER_DELEGATOR, 0, amount, OPERATOR_A, 0))
    issued = amount * held // worth
    assert (joined == Verdict.OK) == (MIN_SHARES <= issued <= MAX_SHARES - held)
    if joined != Verdict.OK:
        return
    for wanted in (part, MAX_GWEI):
        if s.held[LATER_DELEGATOR] > 0:
            event = Event(Kind.UNDELEGATE, 0, LATER_DELEGATOR, 0, wanted, OPERATOR_A, 0)
            assert operator_pool.apply(p, s, event) == Verdict.OK
        assert int(s.pool[OPERATOR_A]) * held >= worth * int(s.shares[OPERATOR_A])  # a share is worth no less
    assert s.shares[OPERATOR_A] == held
    loss = amount - int(s.leaving[OPERATOR_A])
    assert 0 <= loss <= 2 * (amount // MIN_SHARES + 1) + 1  # a share on the way in, one on the way out, a gwei


def test_who_blows_up_the_price_of_a_share_harms_nobody() -> None:
    """The first depositor keeps one share and lets the pool earn: who comes later buys many shares or none."""
    pool = Pool(commission_bips=0)
    pool.enter(OPERATOR_A, stake=1, pool=MIN_SHARES)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, MIN_SHARES - 1, OPERATOR_A)
    assert pool.s.shares[OPERATOR_A] == 1
    pool.earn(fee=2 * 10**6)  # half to the pool
    assert pool.s.pool[OPERATOR_A] == 1_000_001
    assert pool.do(Kind.DELEGATE, LATER_DELEGATOR, 1_999_999, OPERATOR_A) == Verdict.BAD_AMOUNT
    assert pool.do(Kind.DELEGATE, LATER_DELEGATOR, MIN_SHARES * 10**6, OPERATOR_A) == Verdict.BAD_AMOUNT
    amount = MIN_SHARES * 1_000_001 + 1_000_000  # all but one gwei of a further share is lost to rounding
    pool.ok(Kind.DELEGATE, LATER_DELEGATOR, amount, OPERATOR_A)
    assert 0 <= amount - pool.worth(LATER_DELEGATOR) <= amount // 10_000


def test_tiny_delegations_are_refused() -> None:
    pool = Pool()
    pool.enter(OPERATOR_A)
    assert pool.do(Kind.DELEGATE, DELEGATOR, MIN_SHARES - 1, OPERATOR_A) == Verdict.BAD_AMOUNT
    pool.ok(Kind.DELEGATE, DELEGATOR, MIN_SHARES, OPERATOR_A)


def test_a_delegator_has_one_operator_at_a_time() -> None:
    pool = Pool()
    pool.enter(OPERATOR_A, pool=50_000)
    pool.enter(OPERATOR_B)
    assert pool.do(Kind.DELEGATE, DELEGATOR, 50_000, OPERATOR_B) == Verdict.FULL
    assert pool.do(Kind.UNDELEGATE, DELEGATOR, 50_000, OPERATOR_B) == Verdict.BAD_DETAIL
    assert pool.do(Kind.UNDELEGATE, LATER_DELEGATOR, 50_000, OPERATOR_A) == Verdict.POOR
    pool.ok(Kind.DELEGATE, DELEGATOR, 50_000, OPERATOR_A)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 100_000, OPERATOR_A)
    pool.ok(Kind.DELEGATE, DELEGATOR, 50_000, OPERATOR_B)


@pytest.mark.parametrize("operator", [-1, 6, OPERATOR_B])
def test_only_operators_can_be_delegated_to(operator: int) -> None:
    pool = Pool()
    pool.enter(OPERATOR_A)
    assert pool.do(Kind.DELEGATE, DELEGATOR, 50_000, operator) == Verdict.BAD_DETAIL
    assert pool.do(Kind.DELEGATE, DELEGATOR, RICH + 1, OPERATOR_A) == Verdict.POOR


# --- what a proof pays ---


def test_the_fee_is_shared_to_the_unit() -> None:
    pool = Pool(commission_bips=1_000)
    pool.enter(OPERATOR_A, stake=200_000, pool=100_000)
    before = pool.cash(OPERATOR_A)
    pool.earn(fee=1_000_001)
    assert pool.cash(OPERATOR_A) - before == 100_000  # 10 % of it, rounded down
    assert pool.s.pool[OPERATOR_A] == 100_000 + 300_000  # a third of 900_001, rounded down
    assert pool.s.stake[OPERATOR_A] == 200_000 + 600_001  # the rest
    assert pool.b.paid[0] == 700_001
    assert pool.s.pool_paid[0] == 300_000
    assert pool.b.phase[0] == Phase.SETTLED


def test_the_operator_s_own_share_can_go_to_its_cash() -> None:
    pool = Pool(commission_bips=1_000, compound=0)
    pool.enter(OPERATOR_A, stake=200_000, pool=100_000)
    before = pool.cash(OPERATOR_A)
    pool.earn(fee=1_000_001)
    assert pool.cash(OPERATOR_A) - before == pool.b.paid[0] == 700_001
    assert pool.s.stake[OPERATOR_A] == 200_000
    assert pool.s.pool[OPERATOR_A] == 400_000


def test_an_operator_that_left_meanwhile_is_paid_in_cash() -> None:
    pool = Pool(commission_bips=0)
    pool.enter(OPERATOR_A, stake=200_000)
    job = pool.request()
    pool.ok(Kind.UNSTAKE, OPERATOR_A, 200_000)
    before = pool.cash(OPERATOR_A)
    pool.prove(job)
    assert pool.cash(OPERATOR_A) - before == pool.b.paid[job] == FEE
    assert pool.do(Kind.REQUEST, REQUESTER, FEE, job=1) == Verdict.NO_PROVER


def test_only_the_prover_proves_and_only_in_its_window() -> None:
    pool = Pool()
    pool.enter(OPERATOR_A)
    job = pool.request(time=1_000)
    assert pool.b.deadline[job] == 1_000 + WINDOW
    assert pool.do(Kind.PROVE, OPERATOR_B, job=job) == Verdict.NOT_YOURS
    assert pool.do(Kind.EXPIRE, 0, job=job, time=1_000 + WINDOW) == Verdict.EARLY
    assert pool.do(Kind.PROVE, OPERATOR_A, job=job, time=1_001 + WINDOW) == Verdict.LATE
    pool.prove(job, time=1_000 + WINDOW)
    assert pool.do(Kind.EXPIRE, 0, job=job, time=LONGER) == Verdict.WRONG_PHASE


def test_requests_are_refused_without_money_or_operators() -> None:
    pool = Pool(min_fee_gwei=1_000, min_stake_gwei=500)
    assert pool.do(Kind.REQUEST, REQUESTER, 999) == Verdict.BAD_AMOUNT
    assert pool.do(Kind.REQUEST, REQUESTER, 1_000) == Verdict.NO_PROVER
    pool.enter(OPERATOR_A, stake=499)
    assert pool.do(Kind.REQUEST, REQUESTER, 1_000) == Verdict.NO_PROVER
    pool.ok(Kind.STAKE, OPERATOR_A, 1)
    assert pool.do(Kind.REQUEST, REQUESTER, RICH + 1) == Verdict.POOR
    assert pool.request(fee=1_000) == 0
    assert pool.do(Kind.REQUEST, REQUESTER, 1_000, job=0) == Verdict.WRONG_PHASE


# --- what a missed job costs ---


def in_queues(**params: int) -> Pool:
    """Own 60_000 and 10_000 leaving; delegated 20_000 and 10_000 leaving; one job missed at a fee of 1_000_000."""
    pool = Pool(slash_bips=333, **params)
    pool.enter(OPERATOR_A, stake=70_000, pool=30_000)
    pool.ok(Kind.UNSTAKE, OPERATOR_A, 10_000)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 10_000, OPERATOR_A)
    pool.miss()
    assert pool.b.phase[0] == Phase.LOST
    assert pool.b.paid[0] == 0
    return pool


def taken(pool: Pool) -> tuple[int, int, int, int]:
    s = pool.s
    left = (s.stake, s.exiting, s.pool, s.leaving)
    before = (60_000, 10_000, 20_000, 10_000)
    own, queued, delegated, leaving = (start - int(x[OPERATOR_A]) for start, x in zip(before, left, strict=True))
    assert pool.b.slashed[OPERATOR_A] == own + queued
    assert s.pool_slashed[OPERATOR_A] == delegated
    assert s.leaving_slashed[OPERATOR_A] == leaving
    return own, queued, delegated, leaving


def test_a_slash_takes_from_all_at_risk_in_proportion() -> None:
    pool = in_queues()
    assert taken(pool) == (1_998, 333, 666, 333)  # 3.33 % each, 3_330 together
    assert pool.b.burnt[0] == 3_330
    assert pool.cash(REQUESTER) == RICH
    assert operator_pool.compute_claim(pool.s, DELEGATOR) == 9_667 - 1  # rounded down against the claim


def test_queued_money_can_be_safe() -> None:
    assert taken(in_queues(unbonding_slashable=0)) == (1_998, 0, 666, 0)  # 3.33 % of 80_000, and 3/4 of that


def test_a_slash_of_the_operator_only_leaves_delegators_whole() -> None:
    """The same loss, borne by own money alone, here in the proportion 6 to 1."""
    pool = in_queues(slash_who=OPERATOR)
    assert taken(pool) == (2_855, 475, 0, 0)
    assert pool.worth(DELEGATOR) == 20_000
    assert operator_pool.compute_claim(pool.s, DELEGATOR) == 10_000


@pytest.mark.parametrize("leverage", [1, 2, 5, 40])
def test_leverage_is_what_an_operator_alone_loses_for_all(leverage: int) -> None:
    """Field page on chains, 6.1: with fraction f slashed, delegators lose f if shared and nothing otherwise.

    The operator then loses leverage * f, leverage = (own + delegated) / own, for the same absolute loss: coverage is
    own stake, so that a cap on leverage and slashing the operator alone belong together. f is 1 % here.
    """
    own = 1_000_000
    for who in (EVERYBODY, OPERATOR):
        pool = Pool(slash_bips=100, slash_who=who)
        pool.enter(OPERATOR_A, stake=own, pool=own * (leverage - 1))
        pool.miss()
        lost = int(pool.b.slashed[OPERATOR_A]), int(pool.s.pool_slashed[OPERATOR_A])
        shared = (own // 100, own * (leverage - 1) // 100)
        assert lost == (shared if who == EVERYBODY else (own * leverage // 100, 0))


def test_a_loss_beyond_own_stake_is_not_covered() -> None:
    """Field page on chains, 6.1: with operator-only slashing coverage is own stake; delegation adds none."""
    pool = Pool(slash_bips=5_000, slash_who=OPERATOR)
    pool.enter(OPERATOR_A, stake=1_000_000, pool=9_000_000)
    pool.miss()
    assert pool.b.slashed[OPERATOR_A] == 1_000_000  # of the 5,000,000 it should be
    assert pool.s.pool[OPERATOR_A] == 9_000_000


@pytest.mark.parametrize(
    ("chain", "params", "lost"),
    [
        ("Cosmos, 5 % double sign", {"slash_bips": 500, "unbonding_ms": 21 * DAY}, (50_000, 150_000)),
        ("Cosmos, 0.01 % downtime", {"slash_bips": 1, "unbonding_ms": 21 * DAY}, (100, 300)),
        ("Polkadot 2026", {"slash_bips": 500, "slash_who": OPERATOR}, (200_000, 0)),
        ("Starknet, Monad, Solana, Espresso", {"slash_bips": 0}, (0, 0)),
        ("the proposal for provers", {"slash_bips": 500, "slash_who": OPERATOR}, (200_000, 0)),
    ],
)
def test_variants_of_loss_sharing(chain: str, params: dict[str, int], lost: tuple[int, int]) -> None:
    """Field page on chains, 6.1, as parameters; Cosmos' fractions are the module's usual values, not read per chain."""
    pool = Pool(**params)
    pool.enter(OPERATOR_A, stake=1_000_000, pool=3_000_000)
    pool.miss()
    assert (pool.b.slashed[OPERATOR_A], pool.s.pool_slashed[OPERATOR_A]) == lost, chain


def test_a_flat_slash_is_bounded_by_what_is_there() -> None:
    assert taken(in_queues(flat_gwei=10**9)) == (60_000, 10_000, 20_000, 10_000)
    assert taken(in_queues(flat_gwei=10**9, slash_who=OPERATOR)) == (60_000, 10_000, 0, 0)
    assert taken(in_queues(flat_gwei=10_000)) == (6_000, 1_000, 2_000, 1_000)
    assert taken(in_queues(flat_gwei=3_329)) == (1_998, 333, 666, 333)  # less than the share: no effect


def test_the_requester_gets_its_share_and_its_fee() -> None:
    pool = in_queues(refund_bips=5_000)
    assert pool.cash(REQUESTER) == RICH + 1_665
    assert pool.b.burnt[0] == 1_665


@settings(max_examples=150, deadline=None)
@given(parts=st.tuples(*[st.integers(0, 2**58) | st.integers(0, 9)] * 4), bips=st.integers(0, 10_000))
def test_every_part_bears_its_share_within_two_gwei(parts: tuple[int, int, int, int], bips: int) -> None:
    p = Params(slash_bips=bips)
    s = new_state(p)
    for values, part in zip((s.stake, s.exiting, s.pool, s.leaving), parts, strict=True):
        values[OPERATOR_A] = part
    operator_pool.punish(p, s, 0, OPERATOR_A)
    amount = sum(parts) // 10_000 * bips + sum(parts) % 10_000 * bips // 10_000
    assert s.book.burnt[0] == amount
    assert s.book.escrow[0] == 0
    for values, part in zip((s.stake, s.exiting, s.pool, s.leaving), parts, strict=True):
        assert values[OPERATOR_A] >= 0
        assert abs((part - int(values[OPERATOR_A])) * sum(parts) - amount * part) <= 2 * sum(parts)


def test_nobody_delegates_into_a_pool_slashed_to_nothing() -> None:
    pool = Pool(flat_gwei=10**12)
    pool.enter(OPERATOR_A, pool=50_000)
    pool.miss()
    assert pool.s.pool[OPERATOR_A] == 0
    assert pool.s.shares[OPERATOR_A] == 50_000
    pool.ok(Kind.STAKE, OPERATOR_A, 10**6)
    assert pool.do(Kind.DELEGATE, LATER_DELEGATOR, 50_000, OPERATOR_A) == Verdict.FULL
    pool.earn()  # a pool of nothing earns nothing
    assert pool.s.pool[OPERATOR_A] == 0
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 1, OPERATOR_A)  # the worthless shares are given up
    assert pool.s.held[DELEGATOR] == pool.s.leaving[OPERATOR_A] == 0
    pool.ok(Kind.DELEGATE, LATER_DELEGATOR, 50_000, OPERATOR_A)
    assert pool.worth(LATER_DELEGATOR) == 50_000


def test_a_pool_slashed_to_next_to_nothing_takes_no_more_than_there_can_be_shares() -> None:
    pool = Pool(slash_bips=9_999)
    pool.enter(OPERATOR_A, stake=10**9, pool=10**13)
    for _ in range(3):
        pool.miss()
    assert 0 < pool.s.pool[OPERATOR_A] <= 11
    assert pool.do(Kind.DELEGATE, LATER_DELEGATOR, 10**12, OPERATOR_A) == Verdict.FULL
    pool.ok(Kind.DELEGATE, LATER_DELEGATOR, MIN_SHARES, OPERATOR_A)  # a small one still fits


# --- the queues ---


def test_delegated_money_waits_and_then_comes_back() -> None:
    pool = Pool()
    pool.enter(OPERATOR_A, pool=50_000)
    assert pool.do(Kind.WITHDRAW, DELEGATOR) == Verdict.POOR
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 30_000, OPERATOR_A, time=5)
    assert weight_of(pool.s.weight, OPERATOR_A) == 10**9 + 20_000
    assert pool.do(Kind.WITHDRAW, DELEGATOR, time=WEEK + 4) == Verdict.EARLY
    assert pool.do(Kind.WITHDRAW, DELEGATOR, 30_001, time=WEEK + 5) == Verdict.POOR
    pool.ok(Kind.WITHDRAW, DELEGATOR, 10_000, time=WEEK + 5)
    pool.ok(Kind.WITHDRAW, DELEGATOR, time=WEEK + 5)
    assert pool.cash(DELEGATOR) == RICH - 20_000
    assert pool.s.leaving[OPERATOR_A] == 0


def test_more_in_the_queue_starts_the_time_again() -> None:
    pool = Pool()
    pool.enter(OPERATOR_A, pool=50_000)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 20_000, OPERATOR_A)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 20_000, OPERATOR_A, time=DAY)
    assert pool.do(Kind.WITHDRAW, DELEGATOR, time=WEEK) == Verdict.EARLY
    pool.ok(Kind.WITHDRAW, DELEGATOR, time=WEEK + DAY)
    assert pool.cash(DELEGATOR) == RICH - 10_000


def test_matured_money_is_paid_out_on_the_way() -> None:
    pool = Pool()
    pool.enter(OPERATOR_A, pool=50_000)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 20_000, OPERATOR_A)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 20_000, OPERATOR_A, time=WEEK)
    assert pool.cash(DELEGATOR) == RICH - 30_000
    assert pool.s.leaving[OPERATOR_A] == 20_000


def test_money_queued_at_another_operator_is_in_the_way_until_it_matures() -> None:
    pool = Pool()
    pool.enter(OPERATOR_A, pool=50_000)
    pool.enter(OPERATOR_B)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 50_000, OPERATOR_A)
    pool.ok(Kind.DELEGATE, DELEGATOR, 50_000, OPERATOR_B)
    assert pool.do(Kind.UNDELEGATE, DELEGATOR, 50_000, OPERATOR_B, time=WEEK - 1) == Verdict.EARLY
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 50_000, OPERATOR_B, time=WEEK)
    assert pool.cash(DELEGATOR) == RICH - 50_000
    assert pool.s.leaving.tolist() == [0, 0, 50_000, 0, 0, 0]


def test_without_unbonding_the_money_is_free_at_once() -> None:
    pool = Pool(unbonding_ms=0)
    pool.enter(OPERATOR_A, pool=50_000)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 50_000, OPERATOR_A, time=5)
    pool.ok(Kind.WITHDRAW, DELEGATOR, time=5)
    assert pool.cash(DELEGATOR) == RICH


def test_own_stake_has_its_own_time_and_is_withdrawn_first() -> None:
    pool = Pool(unbonding_ms=DAY, exit_ms=WEEK)
    pool.enter(OPERATOR_A, stake=100_000)
    pool.ok(Kind.DELEGATE, OPERATOR_A, 50_000, OPERATOR_A)  # an operator may also delegate to itself
    pool.ok(Kind.UNDELEGATE, OPERATOR_A, 50_000, OPERATOR_A)
    assert pool.do(Kind.UNSTAKE, OPERATOR_A, 100_001) == Verdict.POOR
    pool.ok(Kind.UNSTAKE, OPERATOR_A, 100_000)
    assert pool.do(Kind.WITHDRAW, OPERATOR_A, 50_001, time=WEEK - 1) == Verdict.POOR  # only the delegation matured
    pool.ok(Kind.WITHDRAW, OPERATOR_A, 20_000, time=WEEK - 1)
    pool.ok(Kind.WITHDRAW, OPERATOR_A, 110_000, time=WEEK)
    assert pool.s.exiting[OPERATOR_A] == 0
    assert pool.s.leaving[OPERATOR_A] == 20_000
    pool.ok(Kind.WITHDRAW, OPERATOR_A, time=WEEK)
    assert pool.cash(OPERATOR_A) == RICH


def test_who_queues_after_a_slash_does_not_share_it() -> None:
    pool = Pool(slash_bips=5_000)
    pool.enter(OPERATOR_A, pool=40_000)
    pool.ok(Kind.DELEGATE, LATER_DELEGATOR, 40_000, OPERATOR_A)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 40_000, OPERATOR_A)
    pool.miss()
    pool.ok(Kind.UNDELEGATE, LATER_DELEGATOR, 20_000, OPERATOR_A)
    pool.ok(Kind.WITHDRAW, DELEGATOR, time=WEEK)
    pool.ok(Kind.WITHDRAW, LATER_DELEGATOR, time=WEEK)
    assert pool.cash(DELEGATOR) == pool.cash(LATER_DELEGATOR) == RICH - 20_000


def test_claims_of_which_nothing_is_left_are_in_nobody_s_way() -> None:
    pool = Pool(slash_bips=5_000)
    pool.enter(OPERATOR_A, pool=40_000)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 40_000, OPERATOR_A)
    pool.miss()
    assert pool.s.remains[OPERATOR_A] == WHOLE // 2
    pool.p = pool.p._replace(flat_gwei=10**12)
    pool.miss()
    assert pool.s.leaving[OPERATOR_A] == 0
    assert pool.s.remains[OPERATOR_A] == WHOLE  # as precise for who comes next as it was at first
    pool.enter(OPERATOR_B)
    assert pool.do(Kind.WITHDRAW, DELEGATOR, time=WEEK) == Verdict.POOR
    pool.ok(Kind.DELEGATE, DELEGATOR, 40_000, OPERATOR_B)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 40_000, OPERATOR_B)
    pool.ok(Kind.DELEGATE, LATER_DELEGATOR, 40_000, OPERATOR_A)
    pool.ok(Kind.UNDELEGATE, LATER_DELEGATOR, 40_000, OPERATOR_A)
    assert operator_pool.compute_claim(pool.s, LATER_DELEGATOR) == 40_000


def test_a_claim_survives_many_slashes_and_joins_at_any_scale() -> None:
    """Halved 60 times: the first claim loses all but 2**-60, each later one only what it was there for."""
    pool = Pool(jobs=60, cash=2**58, slash_bips=5_000, exit_ms=0)
    pool.enter(OPERATOR_A, stake=2**57)
    pool.ok(Kind.DELEGATE, DELEGATOR, 2**57, OPERATOR_A)
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 2**57, OPERATOR_A)
    for k in range(60):
        if k == 29:
            pool.ok(Kind.DELEGATE, LATER_DELEGATOR, 2**50, OPERATOR_A)
            pool.ok(Kind.UNDELEGATE, LATER_DELEGATOR, 2**50, OPERATOR_A)
        if k > 40:
            pool.ok(Kind.STAKE, OPERATOR_A, 1_000)
        pool.miss()
        mine, later = (operator_pool.compute_claim(pool.s, who) for who in (DELEGATOR, LATER_DELEGATOR))
        assert 2 ** max(0, 56 - k) - 2 <= mine <= 2 ** max(0, 56 - k)
        if k >= 29:
            assert 2 ** (78 - k) - 2 <= later <= 2 ** (78 - k)
    assert pool.s.scale[OPERATOR_A] == 1


# --- who is drawn ---

DRAWS = 20_000


def three_operators(**params: int) -> Pool:
    """A, B, C with own and delegated stake of 100_000, 200_000 and 700_000, and capacities of 1, 2 and 5."""
    pool = Pool(**params)
    pool.enter(OPERATOR_A, stake=100_000, capacity=1)
    pool.enter(OPERATOR_B, stake=150_000, capacity=2)
    pool.enter(OPERATOR_C, stake=300_000, capacity=5, pool=400_000)
    pool.ok(Kind.DELEGATE, LATER_DELEGATOR, 50_000, OPERATOR_B)
    return pool


def words(seed: int, count: int = DRAWS) -> list[int]:
    return np.random.default_rng(seed).integers(0, 2**62, count).tolist()


def assert_frequencies(drawn: list[int], shares: dict[int, float]) -> None:
    """Each operator is drawn as often as its share says, within 4 standard deviations, and nobody else."""
    count = len(drawn)
    assert set(drawn) <= {operator for operator, share in shares.items() if share > 0}
    for operator, share in shares.items():
        assert abs(drawn.count(operator) - count * share) <= SIGMAS * (count * share * (1 - share)) ** 0.5


@pytest.mark.parametrize(
    ("params", "shares"),
    [
        ({"weight_by": BY_STAKE}, (0.1, 0.2, 0.7)),
        ({"weight_by": EQUALLY}, (1 / 3, 1 / 3, 1 / 3)),
        ({"weight_by": BY_CAPACITY}, (1 / 8, 2 / 8, 5 / 8)),
        ({"min_stake_gwei": 150_000}, (0.0, 2 / 9, 7 / 9)),
    ],
)
def test_operators_are_drawn_by_weight(params: dict[str, int], shares: tuple[float, ...]) -> None:
    pool = three_operators(**params)
    drawn = [int(operator_pool.draw(pool.s.weight, word)) for word in words(1)]
    assert_frequencies(drawn, dict(zip(OPERATORS, shares, strict=True)))


def test_requests_go_to_whom_the_draw_names() -> None:
    pool = three_operators()
    for word in words(2, 10):
        wanted = operator_pool.draw(pool.s.weight, word)
        assert pool.b.prover[pool.request(word)] == wanted


def test_the_first_and_the_last_ticket() -> None:
    pool = three_operators()
    assert pool.b.prover[pool.request(word=0)] == OPERATOR_A
    assert pool.b.prover[pool.request(word=2**62 - 1)] == OPERATOR_C
    assert operator_pool.draw(new_state(Params()).weight, 0) == NOBODY


def test_the_cap_stops_stake_and_delegation_and_holds_the_weight() -> None:
    pool = Pool(stake_cap_gwei=300_000, commission_bips=0)
    pool.enter(OPERATOR_A, stake=100_000)
    pool.enter(OPERATOR_B, stake=300_000)
    assert pool.do(Kind.STAKE, OPERATOR_B, 1) == Verdict.FULL
    assert pool.do(Kind.DELEGATE, DELEGATOR, 200_001, OPERATOR_A) == Verdict.FULL
    pool.ok(Kind.DELEGATE, DELEGATOR, 200_000, OPERATOR_A)
    assert pool.do(Kind.DELEGATE, LATER_DELEGATOR, MIN_SHARES, OPERATOR_A) == Verdict.FULL
    pool.earn(fee=600_000)  # ticket 0: to A
    assert pool.s.stake[OPERATOR_A] + pool.s.pool[OPERATOR_A] == 900_000
    assert weight_of(pool.s.weight, OPERATOR_A) == weight_of(pool.s.weight, OPERATOR_B) == 300_000
    pool.ok(Kind.UNDELEGATE, DELEGATOR, 10**9, OPERATOR_A)
    assert weight_of(pool.s.weight, OPERATOR_A) == 300_000  # its own stake alone


def test_a_full_operator_is_not_drawn_if_capacity_is_respected() -> None:
    pool = three_operators(respect_capacity=1)
    last = 2**62 - 1
    drawn = [int(pool.b.prover[pool.request(last)]) for _ in range(8)]
    assert drawn == [OPERATOR_C] * 5 + [OPERATOR_B] * 2 + [OPERATOR_A]
    assert pool.do(Kind.REQUEST, REQUESTER, FEE, job=9) == Verdict.NO_PROVER
    pool.ok(Kind.OFFER, OPERATOR_B, 1, 3)
    assert pool.b.prover[pool.request()] == OPERATOR_B
    pool.prove(0)
    assert pool.b.prover[pool.request()] == OPERATOR_C


def test_a_full_operator_is_drawn_otherwise() -> None:
    pool = three_operators()
    assert {int(pool.b.prover[pool.request(2**62 - 1)]) for _ in range(9)} == {OPERATOR_C}
    assert pool.s.open_jobs[OPERATOR_C] == 9


# --- handing a job back ---


def test_a_declined_job_goes_to_another_and_nobody_is_slashed() -> None:
    pool = three_operators(may_decline=1)
    job = pool.request(2**62 - 1, time=10)
    assert pool.do(Kind.DECLINE, OPERATOR_A, job=job, time=10) == Verdict.NOT_YOURS
    assert pool.do(Kind.DECLINE, OPERATOR_C, job=job, time=11 + WINDOW) == Verdict.LATE
    pool.ok(Kind.DECLINE, OPERATOR_C, job=job, time=20, word=2**62 - 1)
    assert pool.b.prover[job] == OPERATOR_B
    assert pool.b.deadline[job] == 20 + WINDOW
    assert pool.s.redraws[job] == 1
    pool.ok(Kind.DECLINE, OPERATOR_B, job=job, time=20, word=2**62 - 1)
    assert pool.b.prover[job] == OPERATOR_A
    pool.prove(job, time=30)
    assert pool.b.paid[job] == FEE
    assert pool.b.slashed.sum() == pool.s.pool_slashed.sum() == 0


def test_a_job_that_everybody_declined_is_lost_and_refunded() -> None:
    pool = three_operators(may_decline=1, max_redraws=9)
    job = pool.request()
    for operator in OPERATORS:
        assert pool.b.prover[job] == operator
        pool.ok(Kind.DECLINE, operator, job=job)
    assert pool.b.phase[job] == Phase.LOST
    assert pool.cash(REQUESTER) == RICH
    assert pool.b.slashed.sum() == 0


def test_a_job_is_given_on_only_so_often() -> None:
    pool = three_operators(may_decline=1, max_redraws=1)
    job = pool.request()
    pool.ok(Kind.DECLINE, OPERATOR_A, job=job)
    assert pool.b.phase[job] == Phase.ASSIGNED
    pool.ok(Kind.DECLINE, OPERATOR_B, job=job)
    assert pool.b.phase[job] == Phase.LOST


def test_the_last_three_who_had_a_job_do_not_get_it_again() -> None:
    pool = Pool(actors=8, may_decline=1, max_redraws=100)
    for operator in range(1, 6):
        pool.enter(operator)
    job = pool.request()
    had: list[int] = []
    for word in words(3, 40):
        had.append(int(pool.b.prover[job]))
        pool.ok(Kind.DECLINE, had[-1], job=job, word=word)
        assert pool.b.prover[job] not in had[-3:]
    assert set(had) == set(range(1, 6))


def test_a_redraw_goes_by_the_weights_of_the_others() -> None:
    pool = three_operators(may_decline=1)
    job = pool.request(2**62 - 1)
    assert pool.b.prover[job] == OPERATOR_C
    pool.s.last[job] = OPERATOR_C + 1
    drawn = [int(operator_pool.draw_other(pool.s, job, word)) for word in words(4)]
    assert_frequencies(drawn, {OPERATOR_A: 1 / 3, OPERATOR_B: 2 / 3, OPERATOR_C: 0.0})
    audit(pool.p, pool.s, pool.total)  # the weights are back


def test_without_the_switch_nothing_can_be_declined() -> None:
    pool = three_operators()
    assert pool.do(Kind.DECLINE, OPERATOR_A, job=pool.request()) == Verdict.UNKNOWN


def test_a_missed_job_can_be_given_on_and_its_fee_with_it() -> None:
    pool = three_operators(reassign=1, refund_bips=10_000, max_redraws=1)
    job = pool.request(2**62 - 1)
    pool.expire(job, word=2**62 - 1)
    assert pool.b.prover[job] == OPERATOR_B
    assert pool.b.escrow[job] == FEE
    assert pool.cash(REQUESTER) == RICH - FEE + 7_000  # 1 % of 700_000
    pool.expire(job)
    assert pool.b.phase[job] == Phase.LOST
    assert pool.cash(REQUESTER) == RICH + 7_000 + 2_000


# --- the rest ---


def test_an_operator_buys_a_proof_with_a_transfer() -> None:
    pool = three_operators()
    pool.ok(Kind.TRANSFER, OPERATOR_C, 123, OPERATOR_A)
    assert pool.cash(OPERATOR_A) == RICH - 100_000 + 123
    assert pool.cash(OPERATOR_C) == RICH - 300_000 - 123
    assert pool.do(Kind.TRANSFER, OPERATOR_C, RICH, OPERATOR_A) == Verdict.POOR
    for stranger in (-1, 6):
        assert pool.do(Kind.TRANSFER, OPERATOR_C, 1, stranger) == Verdict.BAD_DETAIL


def test_too_much_delegation_costs_delegators_and_helps_the_others() -> None:
    """C gets more jobs than it can prove; A and B, who prove theirs, end with more weight, C's delegators with less."""
    pool = Pool(jobs=60, slash_bips=1_000)
    for operator in OPERATORS:
        pool.enter(operator, stake=10**8)
    pool.ok(Kind.DELEGATE, DELEGATOR, 8 * 10**8, OPERATOR_C)
    before = [int(weight_of(pool.s.weight, k)) for k in OPERATORS]
    for word in words(5, 60):
        busy = pool.s.open_jobs[OPERATOR_C] > 0
        job = pool.request(word)
        if pool.b.prover[job] != OPERATOR_C:
            pool.prove(job)
        elif busy:  # with its first job, for all this time
            pool.expire(job)
    after = [int(weight_of(pool.s.weight, k)) for k in OPERATORS]
    assert after[0] > before[0]
    assert after[1] > before[1]
    assert after[2] < before[2] // 10
    assert pool.worth(DELEGATOR) < 8 * 10**7


@pytest.mark.parametrize("capacity", [-1, 0, MAX_CAPACITY + 1])
def test_senseless_capacities_are_refused(capacity: int) -> None:
    pool = Pool()
    assert pool.do(Kind.OFFER, OPERATOR_A, 1, capacity) == Verdict.BAD_DETAIL
    pool.ok(Kind.OFFER, OPERATOR_A, 1, MAX_CAPACITY)


@pytest.mark.parametrize("kind", [Kind.BID, Kind.CLOSE, Kind.CONTEST, Kind.SETTLE])
def test_kinds_without_a_meaning_never_succeed(kind: Kind) -> None:
    pool = three_operators()
    job = pool.request()
    assert pool.do(kind, OPERATOR_A, 1, job=job) == Verdict.WRONG_PHASE
    pool.b.deadline[job] = -1 if kind in (Kind.CLOSE, Kind.SETTLE) else WINDOW
    for phase in (Phase.BIDDING, Phase.PROVEN, Phase.CONTESTED):  # never reached under this rule
        pool.b.phase[job] = phase
        event = Event(kind, 0, OPERATOR_A, job, 1, 0, 0)
        assert operator_pool.apply(pool.p, pool.s, event) in (Verdict.UNKNOWN, Verdict.WRONG_PHASE)


@pytest.mark.parametrize(
    "text",
    [
        "commission_bips=10001", "slash_bips=10001", "refund_bips=-1", "weight_by=3", "slash_who=2", "window_ms=0",
        "unbonding_ms=-1", "exit_ms=-1", "compound=2", "respect_capacity=2", "may_decline=-1", "reassign=2",
        "unbonding_slashable=2", "max_redraws=1001", "flat_gwei=-1", "min_fee_gwei=-1", "min_stake_gwei=-1",
        "stake_cap_gwei=1, min_stake_gwei=2",
    ],
)  # fmt: skip
def test_senseless_parameters_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match=f"mechanism.{text.partition('=')[0]}: wanted"):
        rule(f"operator_pool({text})")


def test_the_defaults_make_sense() -> None:
    assert rule("operator_pool").params == Params()


# --- random markets: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

MARKETS = (
    Params(slash_bips=700),
    Params(may_decline=1, respect_capacity=1, refund_bips=3_000, stake_cap_gwei=60_000_000, unbonding_ms=0),
    Params(weight_by=EQUALLY, slash_who=OPERATOR, slash_bips=9_000, reassign=1, compound=0, min_stake_gwei=10**6),
    Params(weight_by=BY_CAPACITY, flat_gwei=10**9, reassign=1, may_decline=1, max_redraws=2, exit_ms=0),
    Params(slash_bips=9_990, commission_bips=0, unbonding_slashable=0, reassign=1, min_stake_gwei=0),
    Params(slash_bips=10_000, commission_bips=10_000, unbonding_ms=60_000, exit_ms=60_000),
)
CASH = 10**8
ACTS = "osudddnnnwtrrrrppxxcz"
WAITS = [0, 0, 1, 60_000, WINDOW, WEEK]
STEP_OF = st.tuples(
    st.sampled_from(ACTS),
    st.integers(0, 5),
    st.integers(0, 63),
    st.integers(0, 2**62 - 1),
    st.sampled_from(WAITS),
)


def account_event(s: Any, what: str, now: int, actor: int, k: int, word: int) -> Event:
    """Offer, stake, unstake, delegate, undelegate, withdraw, transfer: mostly possible ones."""
    some = 1 + word % (CASH // 2)
    kind, amount, detail = {
        "o": (Kind.OFFER, 1, k % 5),
        "s": (Kind.STAKE, some, 0),
        "u": (Kind.UNSTAKE, 1 + word % (2 + int(s.stake[actor])), 0),
        "d": (Kind.DELEGATE, some // (1, 1, 1, 10**5)[word % 4], k % 4),
        "n": (Kind.UNDELEGATE, some, k % 4 if k > 56 else int(s.operator_of[actor])),
        "t": (Kind.TRANSFER, some, k % 7),
        "w": (Kind.WITHDRAW, word % 2 * (word % CASH), 0),
    }[what]
    return Event(kind, now, actor, 0, amount, detail, 0)


def job_event(s: Any, what: str, now: int, actor: int, k: int, word: int) -> Event:
    """Request, prove, decline, let expire, or anything at all."""
    b = s.book
    if what == "r":
        new = np.flatnonzero(b.phase == Phase.NONE)
        job = int(new[0]) if new.size and word % 16 else k % b.phase.size
        return Event(Kind.REQUEST, now, actor, job, word % (CASH // 50), k, word)
    if what == "z":
        return Event(word % 16, now, actor, k % b.phase.size, word % 10**9, word % 7 - 1, word)
    running = np.flatnonzero(b.phase == Phase.ASSIGNED)
    job = int(running[k % running.size]) if running.size else k % b.phase.size
    if what == "x":
        late = now if word % 4 == 0 else max(now, int(b.deadline[job]) + 1)
        return Event(Kind.EXPIRE, late, 0, job, 0, 0, word)
    prover = actor if word % 8 == 0 or b.prover[job] == ANYONE else int(b.prover[job])
    return Event(Kind.PROVE if what == "p" else Kind.DECLINE, now, prover, job, 0, 0, word)


def events(s: Any, steps: list[tuple[str, int, int, int, int]]) -> Iterator[Event]:
    """Turn steps into plausible events, given the state they meet; three operators are there from the start."""
    now = 0
    for actor in range(1, 4):
        yield Event(Kind.OFFER, 0, actor, 0, 1, actor, 0)
        yield Event(Kind.STAKE, 0, actor, 0, actor * 10**7, 0, 0)
    for what, actor, k, word, wait in steps:
        now += wait
        make = account_event if what in "osudnwt" else job_event
        event = make(s, what, now, actor, k, word)
        now = max(now, event.time)
        yield event


def run_both(p: Params, plain: Any, compiled: Compiled, event: Event, total: int) -> Verdict:
    """Apply `event` to both states and audit them."""
    before = shape.copy(plain)
    verdict = operator_pool.apply(p, plain, event)
    assert compiled.apply(event) == verdict
    assert_same(plain, compiled.state)
    audit(p, plain, total)
    if verdict != Verdict.OK:
        assert_same(plain, before)
    return verdict


@settings(max_examples=40, deadline=None)
@given(p=st.sampled_from(MARKETS), steps=st.lists(STEP_OF, min_size=20, max_size=80))
def test_random_markets(p: Params, steps: list[tuple[str, int, int, int, int]]) -> None:
    plain = new_state(p, jobs=24, cash=CASH)
    compiled, total = Compiled(operator_pool, p, shape.copy(plain)), shape.total_gwei(plain)
    now = 0
    for event in events(plain, steps):
        run_both(p, plain, compiled, event, total)
        now = max(now, event.time)
    b = plain.book
    for job in np.flatnonzero(b.phase != Phase.NONE).tolist():
        for _ in range(1 + p.max_redraws):
            if b.phase[job] not in FINAL:
                now = max(now, int(b.deadline[job])) + 1
                assert run_both(p, plain, compiled, Event(Kind.EXPIRE, now, 0, job, 0, 0, 0), total) == Verdict.OK
        assert b.phase[job] in FINAL
    assert b.escrow.sum() == plain.open_jobs.sum() == 0


def test_random_markets_reach_every_path() -> None:
    """The events above are worth something only if they meet both success and refusal of each kind."""
    seen: set[tuple[int, int]] = set()
    dice = np.random.default_rng(7)
    for p in MARKETS * 15:
        plain = new_state(p, jobs=24, cash=CASH)
        steps = [
            (str(dice.choice(list(ACTS))), int(dice.integers(6)), int(dice.integers(64)),
             int(dice.integers(2**62)), int(dice.choice(WAITS)))
            for _ in range(150)
        ]  # fmt: skip
        for event in events(plain, steps):
            seen.add((event.kind, operator_pool.apply(p, plain, event)))
    ok, v = Verdict.OK, Verdict
    wanted = {
        Kind.OFFER: {ok, v.BAD_DETAIL}, Kind.STAKE: {ok, v.FULL, v.POOR}, Kind.UNSTAKE: {ok, v.POOR},
        Kind.WITHDRAW: {ok, v.EARLY, v.POOR}, Kind.DELEGATE: {ok, v.FULL, v.POOR, v.BAD_DETAIL, v.BAD_AMOUNT},
        Kind.UNDELEGATE: {ok, v.POOR, v.BAD_DETAIL, v.EARLY}, Kind.TRANSFER: {ok, v.POOR, v.BAD_DETAIL},
        Kind.REQUEST: {ok, v.NO_PROVER, v.POOR, v.WRONG_PHASE}, Kind.EXPIRE: {ok, v.EARLY, v.WRONG_PHASE},
        Kind.PROVE: {ok, v.NOT_YOURS, v.LATE, v.WRONG_PHASE}, Kind.DECLINE: {ok, v.NOT_YOURS, v.LATE, v.UNKNOWN},
    }  # fmt: skip
    missing = {(kind.name, verdict.name) for kind, all_of in wanted.items() for verdict in all_of} - {
        (Kind(kind).name, Verdict(verdict).name) for kind, verdict in seen if kind < len(Kind)
    }
    assert not missing


def test_each_operator_may_name_a_commission_of_its_own() -> None:
    market = Pool(own_commission=1, commission_bips=1_000, compound=0)
    market.enter(OPERATOR_A, stake=10**9, pool=10**9)
    tenth, whole = 10**8, 10**9
    for commission, delegators in ((tenth, FEE * 9 // 10 // 2), (whole, 0), (1, FEE // 2)):
        market.ok(Kind.OFFER, OPERATOR_A, commission, 1)
        job = market.request()
        market.ok(Kind.PROVE, OPERATOR_A, job=job)
        assert market.s.pool_paid[job] == pytest.approx(delegators, abs=1_000)  # the pool grows a little
    assert market.do(Kind.OFFER, OPERATOR_A, whole + 1, 1) == Verdict.BAD_AMOUNT
    assert market.s.commission[OPERATOR_A] == 1


def test_without_the_switch_an_offer_names_no_commission() -> None:
    market = Pool(commission_bips=10_000)
    market.enter(OPERATOR_A, pool=10**9)
    market.ok(Kind.OFFER, OPERATOR_A, 10**12, 1)
    job = market.request()
    market.ok(Kind.PROVE, OPERATOR_A, job=job)
    assert market.s.pool_paid[job] == 0
