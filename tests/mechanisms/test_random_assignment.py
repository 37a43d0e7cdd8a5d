"""Random assignment with one fallback. Sections are those of the field page on live markets."""

import random
from collections import Counter
from itertools import pairwise
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
from proofyard.mechanisms import random_assignment
from proofyard.mechanisms.random_assignment import DAY, MINUTE, TOKEN, Params
from proofyard.scenario import read

REQUESTER, FIRST, SECOND, THIRD = range(4)
RICH = 10**15
WINDOW = 10 * MINUTE
BLOCKS_3 = 18_000
FEE = 1_000
LAST = 2**62 - 1  # the word that draws the last in line
DEFAULT = Params()
EXPLICIT = Params(standing=0)


class Market:
    """A market in plain Python whose every event is audited."""

    def __init__(self, p: Params = DEFAULT, members: int = 3, actors: int = 4, jobs: int = 64) -> None:
        self.p = p
        self.s = Rule("random_assignment", random_assignment, p).genesis(actors, jobs)
        self.b = self.s.book
        self.b.cash[:] = RICH
        self.total = shape.total_gwei(self.s)
        self.jobs = 0
        for member in range(1, 1 + members):
            self.join(member)

    def do(self, kind: Kind, time: int, actor: int, **rest: int) -> Verdict:
        before = shape.copy(self.s)
        event = Event(kind, time, actor, **({"job": 0, "amount": 0, "detail": 0, "word": 0} | rest))
        verdict = random_assignment.apply(self.p, self.s, event)
        assert shape.total_gwei(self.s) == self.total
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        return verdict

    def ok(self, kind: Kind, time: int, actor: int, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def join(self, actor: int, time: int = 0) -> None:
        self.ok(Kind.OFFER, time, actor, amount=1, detail=1)
        self.ok(Kind.STAKE, time, actor, amount=self.p.min_stake_gwei)

    def request(self, time: int = 0, word: int = 0, amount: int = FEE, size: int = 0) -> int:
        """Request the next job and return its number."""
        job = self.jobs
        self.ok(Kind.REQUEST, time, REQUESTER, job=job, amount=amount, detail=size, word=word)
        self.jobs += 1
        return job

    def request_of(self, prover: int, time: int) -> int:
        """Request until `prover` is drawn."""
        job = self.request(time)
        while self.prover(job) != prover:
            job = self.request(time)
        return job

    def prover(self, job: int) -> int:
        return int(self.b.prover[job])

    def prove(self, job: int, time: int) -> None:
        self.ok(Kind.PROVE, time, self.prover(job), job=job)

    def miss(self, job: int, word: int = 0) -> None:
        self.ok(Kind.EXPIRE, int(self.b.deadline[job]) + 1, 0, job=job, word=word)

    def worth(self, actor: int) -> int:
        """What the actor has gained or lost."""
        return int(self.b.cash[actor] + self.s.stake[actor] + self.s.exiting[actor]) - RICH


# --- paying ---


def test_a_proof_in_time_is_paid_the_fee() -> None:
    """5: reward = workload fee + fixed share of network reward + verification rewards (these are left out)."""
    market = Market(Params(network_rate=1_000, tx_gwei=7))
    job = market.request(amount=1_007)
    market.prove(job, WINDOW)
    assert market.worth(FIRST) == 1_100
    assert market.worth(REQUESTER) == -1_007
    assert market.b.reserve[0] == 10**17 + 7 - 100
    assert market.b.paid[job] == 1_100


def test_the_fee_is_a_rate_times_time_times_resources() -> None:
    """5, rule 1: fee = transaction fee + rate x time x resource multiplier, locked."""
    p = Params(compute_gwei=20, resources=15_000, tx_gwei=5, ms_per_mgas=1_000)
    market = Market(p)
    job = market.request(amount=10**6, size=30_000_000)  # 600 s + 30 s
    assert market.b.escrow[job] == 20 * 630 * 3 // 2
    assert market.b.deadline[job] == WINDOW + 30_000
    assert market.worth(REQUESTER) == -(20 * 630 * 3 // 2 + 5)
    dear = 20 * 600 * 3 // 2 + 5
    assert market.do(Kind.REQUEST, 0, REQUESTER, job=9, amount=dear - 1) == Verdict.TOO_DEAR
    assert market.do(Kind.REQUEST, 0, REQUESTER, job=9, amount=dear) == Verdict.OK


def test_a_fee_beyond_all_money_is_too_dear_and_never_cheap() -> None:
    """2^48 ms at 2^40 gwei a second is 2^78 gwei; a ten thousandth of that is 30,000 times what anybody has."""
    market = Market(Params(window_ms=2**48, compute_gwei=2**40, resources=1))
    assert market.do(Kind.REQUEST, 0, REQUESTER, amount=RICH) == Verdict.TOO_DEAR


def test_nothing_is_asked_for_nothing() -> None:
    market = Market(Params(tx_gwei=5))
    assert market.do(Kind.REQUEST, 0, REQUESTER, amount=4) == Verdict.TOO_DEAR
    assert market.do(Kind.REQUEST, 0, REQUESTER, amount=5) == Verdict.BAD_AMOUNT
    assert market.do(Kind.REQUEST, 0, REQUESTER, amount=6, detail=-1) == Verdict.BAD_DETAIL
    assert market.do(Kind.REQUEST, 0, REQUESTER, amount=6) == Verdict.OK


def test_the_fallback_has_the_normal_reward_and_the_requester_half() -> None:
    """5, rules 4 and 5: one random fallback; requester gets 50 % back, fallback the normal reward, first is removed."""
    market = Market()
    job = market.request()
    late_prover = market.prover(job)
    assert market.do(Kind.EXPIRE, WINDOW, 0, job=job) == Verdict.EARLY
    market.miss(job, LAST)
    fallback = market.prover(job)
    assert fallback != late_prover
    assert market.b.deadline[job] == 2 * WINDOW + 1
    assert market.s.seat[late_prover] == 1  # so far
    assert market.do(Kind.PROVE, WINDOW + 2, late_prover, job=job) == Verdict.NOT_YOURS
    market.prove(job, 2 * WINDOW + 1)
    assert market.worth(fallback) == FEE
    assert market.worth(REQUESTER) == -FEE // 2
    assert market.s.seat[late_prover] == 0
    assert market.b.slashed.sum() == 0


def test_the_half_that_is_missing_is_minted_or_missing() -> None:
    """5, rule 5, literal and not: normal reward and 50 % back are more than the fee."""
    for p, paid in ((Params(), FEE), (Params(supply_gwei=100), 600), (Params(minted_refund=0), 500)):
        market = Market(p)
        job = market.request()
        market.miss(job)
        market.prove(job, WINDOW + 2)
        assert market.b.paid[job] == paid
        assert market.b.reserve[0] == p.supply_gwei - (paid - 500)


@pytest.mark.parametrize("both", [0, 1])
def test_two_misses_burn_the_fee(both: int) -> None:
    """5, rule 6: fallback fails: all fees are burned."""
    market = Market(Params(remove_both=both))
    job = market.request()
    market.miss(job)
    market.miss(job)
    assert market.b.phase[job] == Phase.LOST
    assert market.b.burnt[0] == FEE
    assert market.s.seat.sum() == 3 - 2 * both


def test_a_time_too_short_burns_the_fee_of_an_honest_requester() -> None:
    """5, rule 6: this also punishes a max time set too short; nobody is removed for it."""
    market = Market(Params(window_ms=1))
    job = market.request()
    assert market.do(Kind.PROVE, 2, market.prover(job), job=job) == Verdict.LATE
    market.miss(job)
    market.miss(job)
    assert market.b.burnt[0] == FEE
    assert market.s.seat.sum() == 3


@pytest.mark.parametrize("fails", [0, 1, 3, 5, 10])
def test_success_refund_and_burn_with_failures_of_a_share_f(fails: int) -> None:
    """5, predictions: success 1-f^2; expected refund f(1-f)/2 of fees; expected burn f^2; f tenths of all attempts.

    Of 100 jobs every tenth and every tenth of those that were missed is failed, so the expectations come out exactly.
    """
    market = Market(jobs=100)
    refunded = burnt = proven = 0
    for k in range(100):
        job = market.request(k, word=LAST)
        if k % 10 >= fails:
            market.prove(job, k)
        else:
            late_prover = market.prover(job)
            market.miss(job)
            if k // 10 >= fails:
                before = int(market.b.cash[REQUESTER])
                market.prove(job, int(market.b.deadline[job]))
                refunded += int(market.b.cash[REQUESTER]) - before
                market.join(late_prover, int(market.b.deadline[job]))
            else:
                market.miss(job)
        proven += market.b.phase[job] == Phase.SETTLED
    burnt = int(market.b.burnt[0])
    assert proven == 100 - fails**2  # 1 - f^2
    assert refunded == 100 * FEE * fails * (10 - fails) // 200  # f (1 - f) / 2
    assert burnt == FEE * fails**2  # f^2


def test_without_a_fallback_the_fee_is_burnt() -> None:
    market = Market(members=1)
    job = market.request()
    market.miss(job)
    assert market.b.phase[job] == Phase.LOST
    assert market.b.burnt[0] == FEE


# --- drawing ---


def test_everybody_has_the_same_share_whatever_it_asks() -> None:
    """5, predictions: each of N equal provers gets 1/N of jobs regardless of speed or price: no price signal."""
    market = Market(members=5, actors=6, jobs=6_000)
    for member in range(1, 6):
        market.ok(Kind.OFFER, 0, member, amount=10**member, detail=1)
    dice = random.Random(5)
    count: Counter[int] = Counter()
    for _ in range(6_000):
        job = market.jobs
        event = Event(Kind.REQUEST, 0, REQUESTER, job, FEE, 0, dice.randrange(2**62))
        assert random_assignment.apply(market.p, market.s, event) == Verdict.OK
        market.jobs += 1
        count[market.prover(job)] += 1
    assert all(abs(count[member] - 1_200) < 4 * (6_000 * 0.2 * 0.8) ** 0.5 for member in range(1, 6))
    mean_cost = sum(count[member] * member for member in range(1, 6)) / 6_000
    assert mean_cost == pytest.approx(3, abs=0.1)  # the population mean of costs 1 to 5


def test_two_provers_alternate_strictly() -> None:
    """5, predictions: exclusion of previous winners: two provers alternate strictly."""
    market = Market(members=2)
    dice = random.Random(1)
    drawn = [market.prover(market.request(word=dice.randrange(2**62))) for _ in range(20)]
    assert all(one != other for one, other in pairwise(drawn))


def test_rounds_of_some_time_leave_out_the_round_before_only() -> None:
    """5, rule 2: provers used in the previous round are left out."""
    market = Market(Params(round_ms=1_000), members=2)
    assert [market.prover(market.request(time)) for time in (0, 10, 1_000, 1_999, 2_000)] == [1, 1, 2, 2, 1]
    assert market.prover(market.request(4_000)) == 1


def test_a_fallback_sits_out_the_round_after_the_one_it_was_drawn_in() -> None:
    m = Market(Params(round_ms=WINDOW))
    m.ok(Kind.REQUEST, 0, REQUESTER, job=0, amount=FEE)
    assert m.b.prover[0] == FIRST  # round 0
    m.ok(Kind.EXPIRE, WINDOW + 1, REQUESTER, job=0)
    assert m.b.prover[0] == SECOND  # round 1, in which nothing was requested
    m.ok(Kind.REQUEST, 2 * WINDOW, REQUESTER, job=1, amount=FEE, word=2**61)  # round 2
    assert m.b.prover[1] == THIRD  # the upper half of FIRST and THIRD; the middle of all three would be SECOND


def test_a_single_prover_is_drawn_again() -> None:
    market = Market(members=1)
    assert [market.prover(market.request(0)) for _ in range(3)] == [FIRST] * 3


def test_nobody_to_draw() -> None:
    assert Market(members=0).do(Kind.REQUEST, 0, REQUESTER, amount=1) == Verdict.NO_PROVER


def test_declared_capacity_counts_only_under_the_switch() -> None:
    for respected, verdict in ((0, Verdict.OK), (1, Verdict.NO_PROVER)):
        market = Market(Params(respect_capacity=respected), members=1)
        market.request()
        assert market.do(Kind.REQUEST, 0, REQUESTER, job=1, amount=1) == verdict


def test_redundancy_is_a_second_request() -> None:
    """5: redundancy is the user's business: submit the same workload several times."""
    market = Market()
    assert market.prover(market.request(0)) != market.prover(market.request(0))


# --- accepting and declining ---


def test_one_decline_a_week() -> None:
    """5, rule 3: declines allowed: 1 a week or 4 a month; one more and the prover is removed."""
    market = Market()
    first_day = market.request(0)
    decliner = market.prover(first_day)
    assert market.do(Kind.DECLINE, 0, SECOND, job=first_day) == Verdict.NOT_YOURS
    assert market.do(Kind.DECLINE, BLOCKS_3 + 1, decliner, job=first_day) == Verdict.LATE
    market.ok(Kind.DECLINE, BLOCKS_3, decliner, job=first_day)
    assert market.prover(first_day) != decliner
    assert market.s.seat[decliner] == 1
    sixth_day = market.request_of(decliner, 6 * DAY)
    market.ok(Kind.DECLINE, 6 * DAY, decliner, job=sixth_day)
    assert market.s.seat[decliner] == 0
    assert market.s.exiting[decliner] == TOKEN


@pytest.mark.parametrize(("gap", "stays"), [(7 * DAY, 0), (8 * DAY, 1)])
def test_four_declines_a_month(gap: int, stays: int) -> None:
    """5, rule 3: 4 a month; five a week apart fall within 30 days, eight days apart they do not."""
    market = Market(members=2)
    for k in range(5):
        job = market.request_of(FIRST, k * gap)
        assert market.s.seat[FIRST] == 1
        market.ok(Kind.DECLINE, k * gap, FIRST, job=job)
    assert market.s.seat[FIRST] == stays


def test_nobody_else_to_take_it() -> None:
    market = Market(members=1)
    job = market.request()
    market.ok(Kind.DECLINE, 0, FIRST, job=job)
    assert market.b.phase[job] == Phase.LOST
    assert market.worth(REQUESTER) == 0


def test_the_last_one_asked_says_no() -> None:
    market = Market(EXPLICIT, members=1)
    job = market.request()
    market.ok(Kind.BID, 0, FIRST, job=job, detail=1)
    assert market.b.phase[job] == Phase.LOST
    assert market.worth(REQUESTER) == 0


def test_silence_costs_the_place() -> None:
    """5, rule 3: it must accept or decline within 3 blocks, else it is removed."""
    market = Market(EXPLICIT)
    job = market.request()
    silent = market.prover(job)
    assert market.b.phase[job] == Phase.BIDDING
    assert market.do(Kind.BID, 1, THIRD, job=job) == Verdict.NOT_YOURS
    assert market.do(Kind.BID, 1, silent, job=job, detail=2) == Verdict.BAD_DETAIL
    assert market.do(Kind.CLOSE, BLOCKS_3, 0, job=job) == Verdict.EARLY
    market.ok(Kind.CLOSE, BLOCKS_3 + 1, 0, job=job)
    assert market.s.seat[silent] == 0
    second = market.prover(job)
    assert second != silent
    market.ok(Kind.BID, BLOCKS_3 + 2, second, job=job, detail=1)
    third = market.prover(job)
    market.ok(Kind.BID, BLOCKS_3 + 3, third, job=job)
    assert market.b.deadline[job] == BLOCKS_3 + 3 + WINDOW
    assert market.do(Kind.DECLINE, BLOCKS_3 + 3, third, job=job) == Verdict.LATE
    market.prove(job, BLOCKS_3 + 3)


@pytest.mark.parametrize("a", [0.9, 0.5, 0.3])
def test_mean_number_of_draws_and_mean_wait(a: float) -> None:
    """5, predictions: accept wait with availability a: mean number of draws 1/a, mean lost time 3(1-a)/a blocks."""
    jobs = 700
    market = Market(EXPLICIT, members=40, actors=41, jobs=jobs)
    dice = random.Random(int(100 * a))
    draws = waited = now = 0

    def act(kind: Kind, actor: int, **rest: int) -> None:
        event = Event(kind, now, actor, **({"job": 0, "amount": 0, "detail": 0, "word": dice.randrange(2**62)} | rest))
        assert random_assignment.apply(market.p, market.s, event) == Verdict.OK

    for job in range(jobs):
        began = now
        act(Kind.REQUEST, REQUESTER, job=job, amount=FEE)
        while True:
            draws += 1
            drawn = market.prover(job)
            if dice.random() < a:
                act(Kind.BID, drawn, job=job)
                break
            now += BLOCKS_3 + 1
            act(Kind.CLOSE, 0, job=job)
            act(Kind.OFFER, drawn, amount=1, detail=1)
            act(Kind.STAKE, drawn, amount=TOKEN)
        waited += now - began
    spread = 4 * (1 - a) ** 0.5 / a / jobs**0.5
    assert abs(draws / jobs - 1 / a) < spread
    assert abs(waited / jobs / (BLOCKS_3 / 3) - 3 * (1 - a) / a) < 3.01 * spread


# --- tests of idle provers (5.1 rule 7) ---


def working(members: int, busy: int, time: int, p: Params = DEFAULT) -> Market:
    """A network of some members of which so many have got work at `time`."""
    market = Market(p._replace(respect_capacity=1), members=members, actors=members + 1)
    for _ in range(busy):
        market.request(time)
    assert int((market.s.open_jobs > 0).sum()) == busy
    return market


def test_who_is_idle_for_three_hours_while_seven_of_ten_work_is_tested() -> None:
    """5 rule 7: idle more than 3 h while network use >= 70 % -> proof-of-workload test, which nobody pays for."""
    hours = 180 * MINUTE
    slack = working(10, 6, hours - MINUTE)
    assert slack.do(Kind.REQUEST, hours, REQUESTER, job=9) == Verdict.NO_PROVER  # six of ten
    market = working(10, 7, hours - MINUTE)
    assert market.do(Kind.REQUEST, hours - 1, REQUESTER, job=9) == Verdict.NO_PROVER
    market.ok(Kind.REQUEST, hours, REQUESTER, job=9)
    tested, seven = market.prover(9), {market.prover(job) for job in range(7)}
    assert tested not in seven
    before = market.worth(tested)
    assert market.do(Kind.DECLINE, hours, tested, job=9) == Verdict.LATE
    market.ok(Kind.PROVE, hours + WINDOW, tested, job=9)
    assert (market.worth(tested), market.s.seat[tested]) == (before, 1)
    market.ok(Kind.REQUEST, hours + WINDOW, REQUESTER, job=10)
    assert market.prover(10) not in seven | {tested}  # the next one


def test_who_misses_a_test_is_removed_and_no_fallback_is_drawn() -> None:
    market = working(4, 3, 180 * MINUTE)
    market.ok(Kind.REQUEST, 180 * MINUTE, REQUESTER, job=9)
    tested = market.prover(9)
    market.ok(Kind.EXPIRE, 180 * MINUTE + WINDOW + 1, REQUESTER, job=9)
    assert (market.b.phase[9], market.s.seat[tested], market.s.open_jobs[tested]) == (Phase.LOST, 0, 0)
    assert market.s.exiting[tested] == TOKEN


def test_without_an_idle_time_there_are_no_tests() -> None:
    market = working(4, 3, 180 * MINUTE, DEFAULT._replace(idle_ms=0))
    assert market.do(Kind.REQUEST, 180 * MINUTE, REQUESTER, job=9) == Verdict.NO_PROVER


# --- the set ---


def test_joining_and_leaving() -> None:
    market = Market(members=0)
    market.ok(Kind.STAKE, 0, FIRST, amount=TOKEN - 1)
    market.ok(Kind.OFFER, 0, FIRST, amount=1, detail=1)
    assert market.s.seat[FIRST] == 0
    market.ok(Kind.STAKE, 0, FIRST, amount=1)
    assert market.s.seat[FIRST] == 1
    market.ok(Kind.UNSTAKE, 5, FIRST, amount=1)
    assert market.s.seat[FIRST] == 0
    assert market.do(Kind.UNSTAKE, 5, FIRST, amount=1) == Verdict.POOR
    assert market.do(Kind.WITHDRAW, 5 + 7 * DAY - 1, FIRST) == Verdict.EARLY
    assert market.do(Kind.WITHDRAW, 5 + 7 * DAY, FIRST, amount=TOKEN + 1) == Verdict.POOR
    market.ok(Kind.WITHDRAW, 5 + 7 * DAY, FIRST, amount=TOKEN // 4)
    market.ok(Kind.WITHDRAW, 5 + 7 * DAY, FIRST)
    assert market.b.cash[FIRST] == RICH
    assert market.s.churn[0] == 2


@pytest.mark.parametrize("capacity", [-1, 0, 2**40 + 1])
def test_senseless_capacities_are_refused(capacity: int) -> None:
    assert Market().do(Kind.OFFER, 0, FIRST, amount=1, detail=capacity) == Verdict.BAD_DETAIL


@pytest.mark.parametrize("kind", [Kind.DELEGATE, Kind.UNDELEGATE, Kind.TRANSFER])
def test_kinds_without_a_meaning(kind: Kind) -> None:
    assert Market().do(kind, 0, FIRST, amount=1) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window_ms", 0), ("accept_ms", 0), ("refund_rate", 10_001), ("network_rate", 10_001), ("standing", 2),
        ("min_stake_gwei", 0), ("resources", 0), ("minted_refund", -1), ("cooldown_ms", -1), ("supply_gwei", 2**62 - 1),
        ("ms_per_mgas", 2**24 + 1), ("remove_both", 2), ("respect_capacity", 2), ("round_ms", -1),
        ("use_bips", 10_001), ("idle_ms", -1),
    ],
)  # fmt: skip
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("random_assignment", random_assignment, {name: value})


def test_equal_shares_and_no_way_back_in_the_simulator() -> None:
    """5: equal shares regardless of cost; who crashes is removed and the fallback proves."""
    run = simulate(read(Path(__file__).parents[2] / "scenarios" / "random-assignment.toml", {}))
    wins = run.provers.wins
    assert wins[6:].sum() < 0.1 * wins.sum()
    assert wins[:6].min() > 0.75 * wins[:6].max()
    cost = run.provers.cost_gwei[:6] / wins[:6]
    assert cost.max() > 10 * cost.min()
    assert (run.jobs.phase[run.jobs.asked_ms >= 0] == Phase.SETTLED).all()
    assert run.money_difference_gwei == 0


# --- random markets: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

MARKETS = (
    Params(), EXPLICIT, Params(round_ms=60_000, respect_capacity=1, remove_both=1, network_rate=500,
    supply_gwei=10_000),
    Params(standing=0, minted_refund=0, cooldown_ms=0, week_ms=1, tx_gwei=3, compute_gwei=1, ms_per_mgas=1_000),
)  # fmt: skip
STEP = st.tuples(
    st.sampled_from("osuwrrrrrpppbbdxxxz"),
    st.integers(0, 5),
    st.integers(0, 63),
    st.integers(0, 2**62 - 1),
    st.sampled_from([0, 0, 1, 6_000, MINUTE, WINDOW, DAY]),
)


def event_of(s: Any, what: str, now: int, actor: int, k: int, word: int) -> Event:
    """Make a step a plausible event, given the state it meets."""
    b = s.book
    if what in "osuw":
        kind, amount = {"o": (Kind.OFFER, 1), "s": (Kind.STAKE, 1 + word % (2 * TOKEN)),
                        "u": (Kind.UNSTAKE, 1), "w": (Kind.WITHDRAW, word % 2 * k)}[what]  # fmt: skip
        return Event(kind, now, actor, 0, amount, k % 4, 0)
    live = np.flatnonzero((b.phase != Phase.NONE) & (b.phase < Phase.SETTLED))
    job = int(live[k % live.size]) if live.size else k % b.phase.size
    if what == "r":
        new = np.flatnonzero(b.phase == Phase.NONE)
        return Event(Kind.REQUEST, now, actor, int(new[0]) if new.size else job, 1 + word % 10**5, 1_000 * k, word)
    drawn = actor if word % 6 == 0 else max(0, int(b.prover[job]))
    if what in "pbd":
        kind = {"p": Kind.PROVE, "b": Kind.BID, "d": Kind.DECLINE}[what]
        return Event(kind, now, drawn, job, 0, word % 3 if what == "b" else 0, word)
    if what == "x":
        kind = Kind.CLOSE if b.phase[job] == Phase.BIDDING else Kind.EXPIRE
        return Event(kind, max(now, int(b.deadline[job]) + 1 - word % 2), 0, job, 0, 0, word)
    return Event(word % 15, now, actor, job, word % RICH, k - 8, word)


@settings(max_examples=40)
@given(p=st.sampled_from(MARKETS), steps=st.lists(STEP, min_size=20, max_size=80))
def test_random_markets(p: Params, steps: list[tuple[str, int, int, int, int]]) -> None:
    market = Market(p, members=0, actors=6, jobs=24)
    both = Both(random_assignment, p, market)
    now = 0
    for actor in (FIRST, SECOND, THIRD):
        both(Event(Kind.OFFER, 0, actor, 0, 1, 2, 0))
        both(Event(Kind.STAKE, 0, actor, 0, TOKEN, 0, 0))
    for what, actor, k, word, wait in steps:
        event = event_of(market.s, what, now + wait, actor, k, word)
        both(event)
        now = max(now + wait, event.time)
    b = market.b
    for job in np.flatnonzero(b.phase != Phase.NONE).tolist():
        while b.phase[job] not in FINAL:
            now = max(now, int(b.deadline[job])) + 1
            kind = Kind.CLOSE if b.phase[job] == Phase.BIDDING else Kind.EXPIRE
            assert both(Event(kind, now, 0, job, 0, 0, 0)) == Verdict.OK
    assert b.escrow.sum() == market.s.open_jobs.sum() == 0
