"""Pools that bid for their members, and the price model (ZKPool, Aoraki). Sections: the field page on live markets."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms.sides import Both, assert_same

from proofyard.core import ANYONE, FINAL, BadInput, Event, Kind, Phase, Verdict, shape
from proofyard.core.rule import Rule, with_params
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import two_tier
from proofyard.mechanisms.two_tier import MINUTE, TOKEN, Params, compute_factor
from proofyard.scenario import read

REQUESTER, OUTSIDER = 0, 9
RICH = 10**14
FUND = 1_000 * TOKEN
WINDOW, LIABILITY = 10 * MINUTE, 20 * MINUTE
W = 10 * MINUTE  # the first exclusion
DEFAULT = Params()
ASK = 80
REWARD = 100  # of which 80 % are ASK


class Market:
    """A market in plain Python whose every event is audited."""

    def __init__(self, p: Params = DEFAULT, members: int = 3, asks: int = ASK, jobs: int = 64) -> None:
        self.p = p
        self.s = Rule("two_tier", two_tier, p).genesis(10, jobs)
        self.b = self.s.book
        self.b.cash[:] = RICH
        self.total = shape.total_gwei(self.s)
        self.jobs = 0
        for actor in range(1, 1 + members):
            self.ok(Kind.OFFER, 0, actor, amount=asks, detail=64)

    def do(self, kind: Kind, time: int, actor: int, **rest: int) -> Verdict:
        before = shape.copy(self.s)
        event = Event(kind, time, actor, **({"job": 0, "amount": 0, "detail": 0, "word": 0} | rest))
        verdict = two_tier.apply(self.p, self.s, event)
        assert shape.total_gwei(self.s) == self.total
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        assert self.s.open_jobs.min() >= 0
        return verdict

    def ok(self, kind: Kind, time: int, actor: int, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def request(self, time: int = 0, word: int = 0, amount: int = 10**12) -> int:
        """Request the next job and return its number."""
        job = self.jobs
        self.ok(Kind.REQUEST, time, REQUESTER, job=job, amount=amount, word=word)
        self.jobs += 1
        return job

    def prover(self, job: int) -> int:
        return int(self.b.prover[job])

    def holders(self, job: int) -> list[int]:
        """Everybody who was given the job."""
        copies = [int(row[job]) - 1 for row in (self.s.second, self.s.third, self.s.fourth)]
        return [self.prover(job), *[actor for actor in copies if actor >= 0]]

    def prove(self, job: int, time: int = 0, actor: int | None = None) -> None:
        self.ok(Kind.PROVE, time, self.prover(job) if actor is None else actor, job=job)

    def expire(self, job: int) -> None:
        self.ok(Kind.EXPIRE, int(self.b.deadline[job]) + 1, 0, job=job)

    def worth(self, actor: int) -> int:
        """What the actor has gained or lost."""
        return int(self.b.cash[actor]) - RICH

    def gain(self, pool: int = 0) -> int:
        """What the pool has gained or lost."""
        return int(self.s.fund[pool] + self.s.bond[self.s.pool_of == pool].sum()) - self.p.fund_gwei


# --- tier 1: the contract ---


def test_the_reward_is_paid_up_front_and_a_bond_taken() -> None:
    """8, contract: submitTask pays the reward to the prover UP FRONT and takes its bond; in the window: bond back."""
    market = Market()
    job = market.request()
    assert market.worth(REQUESTER) == -REWARD
    assert market.s.fund[0] == FUND - TOKEN + 20
    assert (market.s.bond[job], market.s.share[job]) == (TOKEN, 80)
    market.prove(job, WINDOW)
    assert market.gain() == 20
    assert market.b.paid[job] == 80


def test_the_pool_keeps_a_fifth() -> None:
    """8, two tiers: the pool keeps 20 % and pays 80 %."""
    market = Market(Params(top_rate=1_000), asks=70)
    job = market.request()
    prover = market.prover(job)
    market.prove(job)
    assert (market.gain(), market.worth(prover), market.b.reserve[0]) == (20, 70, 10)


@pytest.mark.parametrize(("ask", "reward"), [(1, 1), (70, 87), (71, 88), (79, 98), (80, 100)])
def test_a_bid_leaves_the_member_its_ask_and_no_gwei_more(ask: int, reward: int) -> None:
    """A fifth of 87 is 17 and leaves 70; of 88, 71; of 98, 79."""
    market = Market(asks=ask)
    job = market.request(amount=1_000)
    assert market.s.share[job] == ask
    assert market.gain() == reward - ask


def test_a_rescuer_gets_the_bond() -> None:
    """8, contract: between proofWindow and liabilityWindow anyone proves -> gets the bond."""
    market = Market()
    job = market.request()
    assert market.do(Kind.PROVE, WINDOW, OUTSIDER, job=job) == Verdict.NOT_YOURS
    assert market.do(Kind.EXPIRE, WINDOW, 0, job=job) == Verdict.EARLY
    market.expire(job)
    market.prove(job, WINDOW + LIABILITY, OUTSIDER)
    assert market.worth(OUTSIDER) == TOKEN
    assert market.gain() == REWARD - TOKEN
    assert market.s.lost[0] == TOKEN


def test_after_the_liability_window_the_bond_is_the_requesters() -> None:
    """8, contract: after liabilityWindow the requester claims it."""
    market = Market()
    job = market.request()
    market.expire(job)
    assert market.do(Kind.PROVE, WINDOW + LIABILITY + 1, OUTSIDER, job=job) == Verdict.LATE
    market.expire(job)
    assert market.b.phase[job] == Phase.LOST
    assert market.worth(REQUESTER) == TOKEN - REWARD


@pytest.mark.parametrize("bond", [0, 49, 50, 51])
@pytest.mark.parametrize("cost", [50])
def test_paid_up_front_a_prover_defaults_iff_the_bond_is_less_than_the_cost(bond: int, cost: int) -> None:
    """8, predictions: paid up front: a prover defaults iff bond < cost (pool and member taken as one)."""
    gains: list[int] = []
    for proves in (True, False):
        market = Market(Params(bond_gwei=bond))
        job = market.request()
        member = market.prover(job)
        if proves:
            market.prove(job)
        else:
            market.expire(job)
            market.expire(job)
        gains.append(market.gain() + market.worth(member) - cost * proves)
    assert (gains[1] > gains[0]) == (bond < cost)


def test_the_bond_may_be_a_multiple_of_the_reward() -> None:
    market = Market(Params(bond_gwei=5, bond_rate=20_000))
    assert market.s.bond[market.request()] == 2 * REWARD
    market = Market(Params(bond_gwei=5, bond_rate=20_000, fund_gwei=199))
    assert market.do(Kind.REQUEST, 0, REQUESTER, amount=10**6) == Verdict.NO_PROVER


# --- tier 2: bidding and scheduling ---


def test_the_cheapest_pool_wins_with_its_cheapest_member() -> None:
    """8, two tiers: pools bid for their members (reconstruction: the member gets its ask after the pool's share)."""
    market = Market(Params(pools=2), members=0)
    for actor, ask in ((1, 90), (2, 81), (3, 80), (4, 200)):
        market.ok(Kind.OFFER, 0, actor, amount=ask, detail=1)
    assert market.prover(market.request()) == 3
    assert market.b.requester[0] == REQUESTER
    assert market.worth(REQUESTER) == -REWARD
    assert market.prover(market.request()) == 2  # 3 is busy; of 101 the pool has 20, rounded down
    assert market.worth(REQUESTER) == -REWARD - 101
    assert market.do(Kind.REQUEST, 0, REQUESTER, job=2, amount=111) == Verdict.TOO_DEAR
    assert market.s.seat[1:5].tolist() == [2, 1, 2, 1]


def test_a_pool_without_capital_is_not_hired() -> None:
    market = Market(Params(fund_gwei=TOKEN))
    market.request()
    assert market.do(Kind.REQUEST, 0, REQUESTER, job=1, amount=10**6) == Verdict.NO_PROVER


def test_a_pool_whose_bonds_are_out_is_in_nobodys_way() -> None:
    """Bonds of twice the reward, funds of 250: the second bid of 80 would take 160, and 90 are left."""
    market = Market(Params(pools=2, pool_rate=0, bond_gwei=0, bond_rate=20_000, fund_gwei=250), members=0)
    market.ok(Kind.OFFER, 0, 2, amount=80, detail=9)
    market.ok(Kind.OFFER, 0, 1, amount=90, detail=9)
    assert market.prover(market.request()) == 2
    assert market.s.fund[:2].tolist() == [90, 250]
    assert market.prover(market.request()) == 1  # a bond of 180
    assert market.s.fund[:2].tolist() == [90, 70]
    assert market.do(Kind.REQUEST, 0, REQUESTER, job=2, amount=10**6) == Verdict.NO_PROVER


def test_members_with_equal_asks_are_drawn_alike() -> None:
    market = Market()
    dice = [k * 2**62 // 30 + 1 for k in range(30)]
    drawn = [market.prover(market.request(word=word)) for word in dice]
    assert [drawn.count(actor) for actor in (1, 2, 3)] == [10, 10, 10]


def test_nobody_to_draw() -> None:
    market = Market(members=0)
    assert market.do(Kind.REQUEST, 0, REQUESTER, amount=10**6) == Verdict.NO_PROVER
    market.ok(Kind.OFFER, 0, 1, amount=5, detail=1)
    market.request()
    assert market.do(Kind.REQUEST, 0, REQUESTER, job=1, amount=10**6) == Verdict.NO_PROVER  # busy


@pytest.mark.parametrize("k", [1, 2, 3])
def test_exclusion_after_failures_in_a_row(k: int) -> None:
    """8, scheduler and predictions: exclusion doubled on each failure: after k failures w(2^k - 1) in total."""
    market = Market(members=1)
    now = excluded = 0
    for _ in range(k):
        job = market.request(now)
        market.expire(job)
        failed_at = now + WINDOW + 1
        now = int(market.s.excluded_until[1])
        excluded += now - failed_at
        assert market.do(Kind.REQUEST, now - 1, REQUESTER, job=60, amount=10**6) == Verdict.NO_PROVER
    assert excluded == W * (2**k - 1)


def test_failures_of_one_moment_add_up_to_the_same() -> None:
    market = Market(members=1)
    for _ in range(3):
        market.request()
    for job in range(3):
        market.ok(Kind.EXPIRE, WINDOW + 1, 0, job=job)
    assert market.s.excluded_until[1] == WINDOW + 1 + 7 * W


def test_a_fourth_failure_in_a_row_is_a_ban() -> None:
    """8, scheduler: ban after more than 3 in a row; a proof between them begins the count anew."""
    market = Market(members=1)
    for fourth in (False, True):
        for k in range(4):
            now = int(market.s.excluded_until[1])
            job = market.request(now)
            if k == 3 and not fourth:
                market.prove(job, now)
                assert market.s.failures[1] == 0
            else:
                market.expire(job)
    assert market.s.seat[1] == 0
    assert market.do(Kind.OFFER, 10**10, 1, amount=1, detail=1) == Verdict.NOT_YOURS


# --- copies ---


def test_copies_go_to_different_members_of_one_pool() -> None:
    """8, scheduler: tasks with high penalty go to more than one prover."""
    market = Market(Params(pools=2, copies=4, copy_bond_gwei=TOKEN), members=8)
    job = market.request(word=2**61)
    holders = market.holders(job)
    assert len(set(holders)) == 4
    assert len({actor % 2 for actor in holders}) == 1
    market.prove(job, 5, holders[2])
    assert market.s.open_jobs.sum() == 0
    assert market.worth(holders[2]) == 80
    low = Market(Params(copies=4, copy_bond_gwei=TOKEN + 1), members=8)
    assert len(low.holders(low.request())) == 1
    few = Market(Params(copies=4), members=2)
    assert len(few.holders(few.request())) == 2
    poor = Market(Params(copies=3, fund_gwei=TOKEN))  # one bond is for all copies
    assert len(poor.holders(poor.request())) == 3


def test_who_has_a_copy_must_be_in_time_too() -> None:
    market = Market(Params(copies=2), members=2)
    job = market.request()
    other = market.holders(job)[1]
    assert market.do(Kind.PROVE, WINDOW + 1, other, job=job) == Verdict.LATE
    assert market.do(Kind.PROVE, WINDOW, OUTSIDER, job=job) == Verdict.NOT_YOURS
    market.prove(job, WINDOW, other)


def play_all(copies: int, fifths: int) -> tuple[int, int, int]:
    """Play all outcomes of `copies` that each fail in `fifths` of five cases; missed, work, bonds lost."""
    missed = work = lost = 0
    for fates in product(range(5), repeat=copies):
        market = Market(Params(copies=copies, exclusion_ms=0), members=4, jobs=1)
        job = market.request()
        holders = market.holders(job)
        work += len(holders)
        able = [actor for actor, fate in zip(holders, fates, strict=True) if fate >= fifths]
        if able:
            market.prove(job, 1, able[0])
        else:
            market.expire(job)
            market.expire(job)
            missed += 1
            lost += int(market.s.lost[0])
    return missed, work, lost


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("fifths", [1, 3])
def test_duplication(k: int, fifths: int) -> None:
    """8, predictions: k-way duplication: miss probability f^k, cost k.

    Worth it iff penalty x (f^k - f^(k+1)) > cost of one more copy.
    """
    missed, work, lost = play_all(k, fifths)
    assert missed == fifths**k  # of 5^k
    assert work == k * 5**k
    if k < 3:
        f = fifths / 5
        saved = lost / 5**k - play_all(k + 1, fifths)[2] / 5 ** (k + 1)
        assert saved == pytest.approx(TOKEN * (f**k - f ** (k + 1)))


# --- sharing ---


@pytest.mark.parametrize("n", [1, 2, 4, 5])
def test_sharing_lowers_the_variance_by_n_and_the_mean_by_the_pools_share(n: int) -> None:
    """8, predictions: n equal members, fee 20 %: variance per member falls by n, mean by 20 %.

    Alone each member has a job with the reward R in half of all periods: mean R / 2, variance R^2 / 4. All 2^n periods
    of a pool, in which each of the n jobs comes or not. The variance of what is left after the share falls by n.
    """
    market = Market(Params(sharing=1), members=n, asks=80 * n, jobs=100)
    reward, income = 100 * n, []
    for period in product((0, 1), repeat=n):
        before = market.worth(1)
        for _ in range(sum(period)):
            market.prove(market.request())
        income.append(market.worth(1) - before)
    assert np.mean(income) == 0.8 * reward / 2
    assert np.var(income) == pytest.approx((0.8 * reward) ** 2 / 4 / n)


def test_what_does_not_divide_is_the_provers() -> None:
    market = Market(Params(sharing=1), members=3)
    job = market.request()
    prover = market.prover(job)
    market.prove(job)
    assert [market.worth(actor) for actor in (1, 2, 3)] == [28 if actor == prover else 26 for actor in (1, 2, 3)]
    assert market.b.paid[job] == 80


# --- the price model ---


@pytest.mark.parametrize(
    ("average", "rate", "price"), [(0, 1, 3.4965), (1200, 1100, 3.82136), (1300, 1300, 3.50269), (1100, 1300, 2.96423)]
)
def test_the_factor_of_the_price_model(average: int, rate: int, price: float) -> None:
    """8, exact tests: (MA 0, cur 1) 3.4965; (1200, 1100) 3.82136; (1300, 1300) 3.50269; (1100, 1300) 2.96423."""
    assert abs(compute_factor(average, 1, rate) / 1e6 - price) < 6e-6
    assert abs(compute_factor(60 * average, 60, rate) / 1e6 - price) < 6e-6


def test_the_price_model_in_the_market() -> None:
    """8: p = 3.5 x (MA60 of hash rate + 1)/(current hash rate + 0.001)."""
    market = Market(Params(pricing=1, unit_gwei=1_000_000), members=2, asks=1)  # 2 x 64 proofs at once
    market.request()
    first = 3_500_000 * 129 // 128
    assert -market.worth(REQUESTER) == pytest.approx(first, abs=30)
    market.ok(Kind.UNDELEGATE, 30 * MINUTE, 2, amount=1)
    before = market.worth(REQUESTER)
    market.request(30 * MINUTE)  # thirty samples of 64, one of 128
    average = (30 * 64 + 128) / 31
    assert before - market.worth(REQUESTER) == pytest.approx(3_500_000 * (average + 1) / 64.001, rel=1e-5)
    before = market.worth(REQUESTER)
    market.request(200 * MINUTE)
    assert before - market.worth(REQUESTER) == pytest.approx(3_500_000 * 65 / 64.001, rel=1e-5)


def test_samples_are_due_on_a_grid_whenever_requests_come() -> None:
    """One every minute from the first request: at 0, 1, 2 and 3 min, though requests come every 90 s."""
    market = Market(Params(pricing=1), members=1, asks=1)
    for time, samples in ((0, 1), (90_000, 2), (179_999, 3), (180_000, 4), (62 * MINUTE, 63), (200 * MINUTE + 1, 123)):
        market.request(time)
        assert market.s.sampled[0] == samples
    market.request(201 * MINUTE)
    assert market.s.sampled[0] == 124


def test_too_low_a_price_for_everybody() -> None:
    market = Market(Params(pricing=1, unit_gwei=10), members=2, asks=30)
    assert market.do(Kind.REQUEST, 0, REQUESTER, amount=10**6) == Verdict.NO_PROVER
    assert Market(Params(pricing=1), members=0).do(Kind.REQUEST, 0, REQUESTER, amount=1) == Verdict.TOO_DEAR


def test_a_price_at_the_end_of_time_does_not_overflow() -> None:
    market = Market(members=1)
    market.ok(Kind.OFFER, 0, 1, amount=2**61, detail=1)
    assert market.do(Kind.REQUEST, 0, REQUESTER, amount=RICH) == Verdict.NO_PROVER


# --- the rest ---


def test_leaving() -> None:
    market = Market(members=1)
    job = market.request()
    market.ok(Kind.UNDELEGATE, 0, 1, amount=1)
    assert market.do(Kind.UNDELEGATE, 0, 1, amount=1) == Verdict.POOR
    assert market.do(Kind.REQUEST, 0, REQUESTER, job=1, amount=10**6) == Verdict.NO_PROVER
    market.prove(job)
    assert market.s.churn[0] == 2


@pytest.mark.parametrize("capacity", [-1, 0, 2**31 + 1])
def test_senseless_capacities_are_refused(capacity: int) -> None:
    assert Market().do(Kind.OFFER, 0, 1, amount=1, detail=capacity) == Verdict.BAD_DETAIL


@pytest.mark.parametrize("kind", [Kind.DELEGATE, Kind.STAKE, Kind.UNSTAKE, Kind.WITHDRAW, Kind.TRANSFER, Kind.DECLINE])
def test_kinds_without_a_meaning(kind: Kind) -> None:
    market = Market()
    job = market.request()
    assert market.do(kind, 0, market.prover(job), job=job, amount=1) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pools", 0), ("pools", 17), ("pool_rate", 10_000), ("top_rate", 8_000), ("window_ms", 0), ("copies", 0),
        ("copies", 5), ("max_failures", 11), ("sharing", 2), ("pricing", 2), ("unit_gwei", 0), ("sample_ms", 0),
        ("fund_gwei", 2**61), ("exclusion_ms", -1), ("bond_gwei", -1),
    ],
)  # fmt: skip
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("two_tier", two_tier, {name: value})


def test_who_is_away_is_banned_and_who_crashes_stays_in_the_simulator() -> None:
    """8, scheduler: failures in a row; bonds lost are the pool's."""
    run = simulate(read(Path(__file__).parents[2] / "scenarios" / "zkpool-two-tier.toml", {"horizon": "3d"}))
    crashing, by_day = slice(4, 6), slice(6, 8)
    assert run.provers.missed[by_day].tolist() == [4, 4]
    assert run.provers.wins[by_day].sum() == 0
    assert run.provers.missed[crashing].min() > 10
    assert run.provers.wins[crashing].min() > 100
    assert run.money_difference_gwei == 0


# --- random markets: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

MARKETS = (
    DEFAULT, Params(pools=3, copies=3, sharing=1, top_rate=77), Params(pricing=1, unit_gwei=100, exclusion_ms=1),
    Params(pools=2, bond_rate=15_000, bond_gwei=0, fund_gwei=900, copies=4, max_failures=0),
)  # fmt: skip
STEP = st.tuples(
    st.sampled_from("oourrrrrpppxxxz"),
    st.integers(0, 9),
    st.integers(0, 63),
    st.integers(0, 2**62 - 1),
    st.sampled_from([0, 0, 1, MINUTE, WINDOW, 70 * MINUTE]),
)


def event_of(s: Any, what: str, now: int, actor: int, k: int, word: int) -> Event:
    """Make a step a plausible event, given the state it meets."""
    b = s.book
    if what in "ou":
        return Event(Kind.OFFER if what == "o" else Kind.UNDELEGATE, now, actor, 0, 1 + word % 300, k % 4, 0)
    live = np.flatnonzero((b.phase != Phase.NONE) & (b.phase < Phase.SETTLED))
    job = int(live[k % live.size]) if live.size else k % b.phase.size
    if what == "r":
        new = np.flatnonzero(b.phase == Phase.NONE)
        return Event(Kind.REQUEST, now, actor, int(new[0]) if new.size else job, word % 1_000, 0, word)
    if what == "p":
        holders = [int(b.prover[job]), int(s.second[job]) - 1, int(s.third[job]) - 1, actor]
        prover = holders[k % 4]
        return Event(Kind.PROVE, now, actor if prover in (ANYONE, -1) else prover, job, 0, 0, word)
    if what == "x":
        return Event(Kind.EXPIRE, max(now, int(b.deadline[job]) + 1 - word % 2), 0, job, 0, 0, word)
    return Event(word % 15, now, actor, job, word % RICH, k - 8, word)


@settings(max_examples=40)
@given(p=st.sampled_from(MARKETS), steps=st.lists(STEP, min_size=20, max_size=80))
def test_random_markets(p: Params, steps: list[tuple[str, int, int, int, int]]) -> None:
    market = Market(p, members=0, jobs=24)
    both = Both(two_tier, p, market)
    now = 0
    for actor in range(1, 8):
        both(Event(Kind.OFFER, 0, actor, 0, 50 + actor // 3, 2, 0))
    for what, actor, k, word, wait in steps:
        event = event_of(market.s, what, now + wait, actor, k, word)
        both(event)
        now = max(now + wait, event.time)
    b = market.b
    for job in np.flatnonzero(b.phase != Phase.NONE).tolist():
        while b.phase[job] not in FINAL:
            now = max(now, int(b.deadline[job])) + 1
            assert both(Event(Kind.EXPIRE, now, 0, job, 0, 0, 0)) == Verdict.OK
    assert b.escrow.sum() == market.s.bond.sum() == market.s.share.sum() == market.s.open_jobs.sum() == 0
