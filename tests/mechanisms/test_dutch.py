"""The Dutch ramp: prices to the unit, who locks, who pays for being late, and what the closed forms say.

Section numbers are those of the field page on live prover markets. Every event passes the audit of the conformance
suite: money conserved, nothing negative, refused means untouched, phases as in the table.
"""

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine.worlds import prover, scenario
from hypothesis import given, settings
from hypothesis import strategies as st

from proofyard.conformance.compiled import compare
from proofyard.conformance.drain import drain
from proofyard.conformance.market import Market, Setup
from proofyard.conformance.plausible import Plausible
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.core.rule import Rule
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import dutch, rule
from proofyard.mechanisms.dutch import Params
from proofyard.scenario import read

SCENARIO = Path(__file__).parents[2] / "scenarios" / "boundless-dutch.toml"
TOKEN = 10**9
RICH = 10**15
S = 1_000  # ms
COLLATERAL = 20 * TOKEN
MAX = 10**9  # gwei, the most the requester pays
REQUESTER, LOCKER, RESCUER, LATECOMER, OTHER = range(5)
START, LOCK_END, END = 30 * S, 1_830 * S, 3_630 * S  # of a request at 0, by default
SIGMAS = 3
WORD = 2**62


class Ramp:
    """One market whose every event is audited. Provers have collateral for three jobs."""

    def __init__(self, actors: int = 5, jobs: int = 6, stake: int = 3 * COLLATERAL, **params: int) -> None:
        self.p = Params(**params)
        self.market = Market(Setup(Rule("dutch", dutch, self.p), jobs, (RICH,) * actors))
        self.s: Any = self.market.sheet.state
        self.b = self.s.book
        for actor in range(1, actors):
            if stake:
                self.ok(Kind.STAKE, actor, stake)

    def do(self, kind: Kind, actor: int, amount: int = 0, **rest: int) -> Verdict:
        detail, word = rest.get("detail", 0), rest.get("word", 0)
        return self.market.answer(Event(kind, rest.get("time", 0), actor, rest.get("job", 0), amount, detail, word))

    def ok(self, kind: Kind, actor: int, amount: int = 0, **rest: int) -> None:
        assert self.do(kind, actor, amount, **rest) == Verdict.OK

    def offer(self, actor: int, price: int, capacity: int = 1) -> None:
        self.ok(Kind.OFFER, actor, price, detail=capacity)

    def request(self, amount: int = MAX, **rest: int) -> None:
        self.ok(Kind.REQUEST, REQUESTER, amount, **rest)

    def due(self, job: int = 0) -> Verdict:
        """Fire the job's timer as soon as it may."""
        return self.market.answer(self.market.timer(job, int(self.b.deadline[job]) + 1))

    def phase(self, job: int = 0) -> Phase:
        return Phase(int(self.b.phase[job]))

    def gain(self, actor: int) -> int:
        """Cash and stake won or lost since genesis."""
        return int(self.b.cash[actor] + self.s.stake[actor]) - RICH


def locked(time: int = 0, **params: int) -> Ramp:
    """A request at 0, locked at `time`."""
    ramp = Ramp(**params)
    ramp.request()
    ramp.ok(Kind.BID, LOCKER, time=time)
    return ramp


# --- the ramp (1.1) ---


def reference_price(t: int, s: int, r: int, lock: int, low: int, top: int) -> int:
    """Compute priceAt as 1.1 states it, in whole seconds."""
    if t <= s:
        return low
    if t <= s + r:
        return low + (t - s) * (top - low) // r
    return top if t <= s + lock else 0


@settings(max_examples=200)
@given(
    times=st.tuples(st.integers(0, 100), st.integers(1, 5_000), st.integers(0, 5_000)),
    top=st.integers(0, 10**14),
    rate=st.integers(0, 10_000),
    asked=st.integers(0, 10**6),
    ask=st.integers(0, 10**14),
    after=st.integers(0, 12_000),
)
def test_price_and_its_inverse(
    times: tuple[int, int, int], top: int, rate: int, asked: int, ask: int, after: int
) -> None:
    """1.1: floor on the price, ceiling on the time at which a price is reached."""
    start, r, more = times
    p = Params(start * S, r * S, (r + more) * S, (r + more) * S, min_rate=rate, block_ms=S)
    ramp = Ramp(actors=2, jobs=1, stake=0, **p._asdict())
    ramp.request(top, time=asked * S)
    low, s = top * rate // 10_000, asked + start
    time = asked + after
    assert dutch.price_at(p, ramp.s, 0, time * S) == reference_price(time, s, r, r + more, low, top)
    ask = min(ask, top)
    reached = dutch.time_at(p, ramp.s, 0, ask)
    if ask <= low:
        assert reached == 0
        return
    assert reached == (s + -(-(ask - low) * r // (top - low))) * S
    assert dutch.price_at(p, ramp.s, 0, reached) >= ask > dutch.price_at(p, ramp.s, 0, reached - 1)


def test_a_ramp_of_ten_minutes_has_300_levels() -> None:
    """1.7.1: with r = 600 and 2 s blocks."""
    ramp = Ramp()
    ramp.request()
    prices = [dutch.price_at(ramp.p, ramp.s, 0, t) for t in range(START, START + 700 * S, 500)]
    assert len(set(prices)) == 300 + 1  # with the start
    assert max(np.diff(sorted(set(prices)))) <= -(-MAX * 2 // 600)


def test_times_of_the_sdk() -> None:
    """1.3: start max(30, 1 s per Mcycle) to 3600; ramp 600 + 2 to 7200; lock 1800 + 7 to 14400; timeout 2 x lock."""
    ramp = Ramp(mcycle=10**6)
    for job, (cycles, start, r, lock) in enumerate(
        (
            (0, 30, 600, 1_800),
            (1, 30, 602, 1_807),
            (500 * 10**6, 500, 1_600, 5_300),
            (500 * 10**6 + 1, 501, 1_602, 5_307),  # a part of a Mcycle counts as one
            (8_000 * 10**6, 3_600, 7_200, 14_400),
        )
    ):
        ramp.request(job=job, detail=cycles)
        s = ramp.s
        times = [int(x[job]) for x in (s.start, s.ramp, s.lock_end, s.end)]
        assert times == [start * S, r * S, (start + lock) * S, (start + 2 * lock) * S]
    assert ramp.do(Kind.REQUEST, REQUESTER, MAX, job=5, detail=-1) == Verdict.BAD_DETAIL


# --- locking (1.2) ---


def test_locking_before_the_ramp_pays_the_least() -> None:
    """1.1: may be locked earlier, at minPrice."""
    ramp = locked(time=1, min_rate=1_000)
    assert ramp.phase() == Phase.ASSIGNED
    assert ramp.b.escrow[0] == MAX // 10
    assert ramp.b.cash[REQUESTER] == RICH - MAX // 10  # the rest of the escrow went back at once
    assert (ramp.s.bond[0], ramp.s.stake[LOCKER]) == (COLLATERAL, 2 * COLLATERAL)
    assert ramp.b.deadline[0] == LOCK_END


def test_first_come_first_served() -> None:
    """1.2.2: the first transaction wins, whatever the others would have taken."""
    ramp = locked(time=START + 300 * S)
    assert ramp.b.escrow[0] == MAX // 2
    assert ramp.do(Kind.BID, RESCUER, time=START + 300 * S) == Verdict.WRONG_PHASE
    assert ramp.b.prover[0] == LOCKER


def test_a_bid_that_wants_more_than_the_ramp_gives_waits() -> None:
    ramp = Ramp()
    ramp.request()
    half = START + 300 * S
    assert ramp.do(Kind.BID, LOCKER, MAX // 2, time=half - 1) == Verdict.TOO_DEAR  # the block before
    ramp.ok(Kind.BID, LOCKER, MAX // 2, time=half)


def test_a_lock_needs_collateral_and_an_open_ramp() -> None:
    """1.2.2: t <= s + L; the collateral is taken from the locker's balance."""
    ramp = Ramp(stake=COLLATERAL - 1)
    ramp.request()
    assert ramp.do(Kind.BID, LOCKER, time=LOCK_END) == Verdict.POOR
    ramp.ok(Kind.STAKE, LOCKER, 1, time=LOCK_END)
    assert ramp.do(Kind.BID, LOCKER, time=LOCK_END + 1) == Verdict.LATE
    ramp.ok(Kind.BID, LOCKER, time=LOCK_END)
    assert ramp.b.escrow[0] == MAX
    assert ramp.do(Kind.UNSTAKE, LOCKER, 1, time=LOCK_END) == Verdict.POOR  # it is locked


def test_collateral_in_proportion_to_the_price() -> None:
    """1.3: the docs advise 10 x maxPrice."""
    ramp = Ramp(collateral_gwei=7, collateral_rate=100_000)
    ramp.request()
    ramp.ok(Kind.BID, LOCKER)
    assert ramp.s.bond[0] == 7 + 10 * MAX


def test_a_request_nobody_locks_is_lost_at_the_lock_deadline() -> None:
    ramp = Ramp()
    ramp.request()
    assert ramp.b.deadline[0] == LOCK_END
    assert ramp.do(Kind.CLOSE, REQUESTER, time=LOCK_END) == Verdict.EARLY
    assert ramp.due() == Verdict.OK
    assert ramp.phase() == Phase.LOST
    assert ramp.gain(REQUESTER) == 0


# --- standing offers ---


def test_truthful_brokers_lock_when_the_ramp_reaches_the_lower_floor() -> None:
    """1.7.1: lock at s + ceil((f1 - min) r / (max - min)), price in [f1, f1 + step]."""
    ramp = Ramp()
    floor = 333_333_333
    ramp.offer(LOCKER, floor)
    ramp.offer(RESCUER, floor + 10**7)
    ramp.request()
    exact = START + -(-floor * 600 * S // MAX)
    assert ramp.b.deadline[0] == -(-exact // (2 * S)) * 2 * S - 1  # fires with the first block from then on
    assert ramp.due() == Verdict.OK
    assert ramp.b.prover[0] == LOCKER
    assert floor <= ramp.b.escrow[0] <= floor + MAX * 2 // 600
    assert ramp.s.open_jobs[LOCKER] == 1


def test_an_offer_below_the_start_of_the_ramp_locks_at_once() -> None:
    ramp = Ramp(min_rate=5_000)
    ramp.offer(LOCKER, MAX // 2)
    ramp.request(time=77)
    assert ramp.b.deadline[0] == 77
    assert ramp.due() == Verdict.OK
    assert ramp.b.escrow[0] == MAX // 2


def test_a_busy_prover_looks_again_and_the_next_offer_may_be_first() -> None:
    """1.4.5: a slot is held from commit to completion; the committer looks every 5 s."""
    ramp = Ramp()
    ramp.offer(LOCKER, MAX // 100)
    ramp.offer(RESCUER, MAX // 2)
    for job in range(3):
        ramp.request(job=job)
    assert ramp.due(0) == Verdict.OK
    busy_at = int(ramp.b.deadline[1]) + 1
    assert ramp.due(1) == Verdict.OK  # reached, but busy
    assert ramp.phase(1) == Phase.BIDDING
    assert ramp.b.deadline[1] == busy_at + 5 * S
    while ramp.phase(1) == Phase.BIDDING:
        assert ramp.due(1) == Verdict.OK
    assert (ramp.b.prover[1], ramp.b.escrow[1]) == (RESCUER, MAX // 2)
    free_at = ramp.market.now
    ramp.ok(Kind.PROVE, LOCKER, job=0, time=free_at)
    while ramp.phase(2) == Phase.BIDDING:
        assert ramp.due(2) == Verdict.OK
    assert ramp.b.prover[2] == LOCKER
    waited = free_at - START
    assert free_at < int(ramp.b.deadline[2]) - 1_800 * S + waited + waited // 8 + 5 * S


def test_an_offer_without_collateral_or_taken_back_does_not_count() -> None:
    ramp = Ramp(stake=0)
    ramp.offer(LOCKER, 1, capacity=2)
    ramp.offer(RESCUER, 2)
    ramp.ok(Kind.STAKE, RESCUER, COLLATERAL)
    ramp.request()
    assert ramp.due() == Verdict.OK
    assert ramp.b.prover[0] == RESCUER
    ramp.offer(RESCUER, 2, capacity=0)
    ramp.request(job=1, time=S * 10**4)
    while ramp.phase(1) == Phase.BIDDING:
        assert ramp.due(1) == Verdict.OK
    assert ramp.phase(1) == Phase.LOST
    assert ramp.do(Kind.OFFER, OTHER, 1, detail=-1) == Verdict.BAD_DETAIL
    assert ramp.do(Kind.OFFER, OTHER, 0, detail=1) == Verdict.BAD_AMOUNT


def test_equal_offers_are_drawn_by_lot() -> None:
    winners = []
    for actor in range(4):
        ramp = Ramp()
        for other in range(1, 5):
            ramp.offer(other, MAX // 3)
        ramp.request(word=(actor + 1) * (WORD // 5) + 5)
        assert ramp.due() == Verdict.OK
        winners.append(int(ramp.b.prover[0]))
    assert winners == [1, 2, 3, 4]


def test_a_live_bid_comes_before_a_higher_standing_offer() -> None:
    ramp = Ramp()
    ramp.offer(LOCKER, MAX // 2)
    ramp.request()
    ramp.ok(Kind.BID, RESCUER, time=START + 60 * S)
    assert (ramp.b.prover[0], ramp.b.escrow[0]) == (RESCUER, MAX // 10)


# --- delivery, lateness, slashing (1.2.3 to 1.2.8) ---


def test_the_locker_is_paid_its_price_and_gets_its_collateral_back() -> None:
    ramp = locked(time=START + 300 * S, fee_rate=123)
    ramp.ok(Kind.PROVE, LOCKER, time=LOCK_END)  # at the very deadline
    price = MAX // 2
    fee = price * 123 // 10_000
    assert ramp.phase() == Phase.SETTLED
    assert (ramp.gain(LOCKER), ramp.gain(REQUESTER)) == (price - fee, -price)
    assert ramp.b.reserve[0] == fee
    assert ramp.b.paid[0] == price - fee
    assert (ramp.s.bond[0], ramp.s.open_jobs[LOCKER]) == (0, 0)


def test_nobody_else_is_paid_before_the_lock_deadline() -> None:
    ramp = locked()
    assert ramp.do(Kind.PROVE, RESCUER, time=LOCK_END) == Verdict.NOT_YOURS
    assert ramp.do(Kind.PROVE, LOCKER, time=LOCK_END + 1) == Verdict.LATE
    assert ramp.do(Kind.EXPIRE, OTHER, time=LOCK_END) == Verdict.EARLY


@pytest.mark.parametrize(("collateral", "burnt"), [(COLLATERAL, COLLATERAL // 2), (7, 3), (1, 0), (0, 0)])
def test_the_rescuer_gets_what_does_not_burn(collateral: int, burnt: int) -> None:
    """1.2.4 and 1.2.7: price 0 after the lock, half of the collateral burns, the rescuer has the odd unit."""
    ramp = locked(time=START + 60 * S, collateral_gwei=collateral)
    assert ramp.due() == Verdict.OK
    assert ramp.phase() == Phase.OPEN
    assert ramp.b.escrow[0] == MAX // 10  # held until somebody delivers
    ramp.ok(Kind.PROVE, RESCUER, time=END)
    assert ramp.gain(REQUESTER) == 0
    assert ramp.do(Kind.PROVE, LATECOMER, time=END) == Verdict.WRONG_PHASE
    assert ramp.do(Kind.SETTLE, OTHER, time=END) == Verdict.EARLY  # only after the full deadline
    assert ramp.due() == Verdict.OK
    assert ramp.phase() == Phase.SETTLED
    assert ramp.b.burnt[0] == burnt
    assert ramp.gain(RESCUER) == ramp.s.bounty[RESCUER] == collateral - burnt
    assert ramp.gain(LOCKER) == -collateral
    assert ramp.b.slashed[LOCKER] == collateral
    assert (ramp.b.prover[0], ramp.b.paid[0]) == (RESCUER, 0)


def test_who_is_late_may_rescue_itself_for_half() -> None:
    """1.2.4: nothing stops the late locker; 1.7.3: K' = K / 2 then."""
    ramp = locked()
    ramp.due()
    ramp.ok(Kind.PROVE, LOCKER, time=LOCK_END + 1)
    ramp.due()
    assert ramp.gain(LOCKER) == -COLLATERAL // 2
    assert ramp.b.slashed[LOCKER] == COLLATERAL // 2
    assert ramp.s.bounty[LOCKER] == 0


def test_nobody_delivers() -> None:
    """1.2.7: half to the treasury, the requester gets the lock price back. 1.2.8: nothing is paid afterwards."""
    ramp = locked(time=LOCK_END, burn_rate=7_500)
    ramp.due()
    assert ramp.do(Kind.PROVE, RESCUER, time=END + 1) == Verdict.LATE
    assert ramp.due() == Verdict.OK
    assert ramp.phase() == Phase.LOST
    assert (ramp.b.burnt[0], ramp.b.reserve[0]) == (COLLATERAL * 3 // 4, COLLATERAL // 4)
    assert ramp.gain(REQUESTER) == 0


def test_overcommitting_ends_in_a_chain_of_slashes() -> None:
    """1.6: many locks, one proving slot. Collateral is the only limit: c K for c locks (1.7.9)."""
    ramp = Ramp()
    ramp.offer(LOCKER, 1, capacity=64)
    for job in range(4):
        ramp.request(job=job)
        ramp.due(job)
    assert [ramp.phase(job) for job in range(4)] == [Phase.ASSIGNED] * 3 + [Phase.BIDDING]
    assert ramp.s.stake[LOCKER] == 0
    for job in range(3):
        ramp.due(job)
        ramp.due(job)
    assert ramp.gain(LOCKER) == -3 * COLLATERAL


# --- never locked (1.2.5), and requesters whose money is short (1.2.2, 1.2.5) ---


@pytest.mark.parametrize(("after", "price"), [(0, 0), (300 * S, MAX // 2), (600 * S, MAX), (1_800 * S, MAX)])
def test_without_locks_the_first_proof_earns_the_price_of_the_moment(after: int, price: int) -> None:
    ramp = Ramp(lockless=1, stake=0)
    ramp.request()
    ramp.ok(Kind.PROVE, RESCUER, time=START + after)
    assert ramp.phase() == Phase.SETTLED
    assert (ramp.gain(RESCUER), ramp.gain(REQUESTER)) == (price, -price)


def test_without_locks_nothing_is_paid_after_the_lock_deadline() -> None:
    ramp = Ramp(lockless=1, stake=0)
    ramp.request()
    ramp.request(job=1)
    ramp.ok(Kind.PROVE, RESCUER, time=LOCK_END + 2 * S)
    assert ramp.gain(RESCUER) == 0
    assert ramp.due(1) == Verdict.OK
    assert ramp.phase(1) == Phase.LOST
    assert ramp.gain(REQUESTER) == 0


def test_a_shared_deposit_is_topped_up_to_one_request_and_may_be_short() -> None:
    """1.2.1: no funds are checked; 1.2.2: the lock fails if the deposit is short."""
    ramp = Ramp(shared_deposit=1)
    ramp.request()
    ramp.request(MAX // 2, job=1)
    assert (ramp.s.deposit[REQUESTER], ramp.b.escrow[0]) == (MAX, 0)
    half = START + 300 * S
    ramp.ok(Kind.BID, LOCKER, time=half)
    assert (ramp.s.deposit[REQUESTER], ramp.b.escrow[0]) == (MAX // 2, MAX // 2)
    ramp.ok(Kind.WITHDRAW, REQUESTER, MAX // 2, time=half)
    assert ramp.do(Kind.BID, RESCUER, job=1, time=half) == Verdict.POOR
    assert ramp.do(Kind.WITHDRAW, REQUESTER, time=half) == Verdict.POOR
    ramp.request(MAX, job=2, time=half)
    ramp.ok(Kind.BID, RESCUER, job=1, time=half)
    ramp.due(0)
    ramp.ok(Kind.PROVE, RESCUER, time=LOCK_END + 1)
    assert ramp.s.deposit[REQUESTER] == MAX * 3 // 4 + MAX // 2  # what job 0 had cost is back in the deposit
    assert Ramp().do(Kind.WITHDRAW, REQUESTER) == Verdict.UNKNOWN


def test_a_standing_offer_waits_for_the_deposit() -> None:
    ramp = Ramp(shared_deposit=1)
    ramp.offer(LOCKER, MAX // 2, capacity=2)
    ramp.request()
    ramp.ok(Kind.WITHDRAW, REQUESTER)
    assert ramp.due() == Verdict.OK
    assert ramp.phase() == Phase.BIDDING
    ramp.request(job=1, time=ramp.market.now)
    assert ramp.due() == Verdict.OK
    assert ramp.b.prover[0] == LOCKER


def test_a_payment_that_the_deposit_does_not_hold_is_lost_for_good() -> None:
    """1.2.5: the request is marked fulfilled and the payment is lost."""
    ramp = Ramp(shared_deposit=1, lockless=1, stake=0)
    ramp.request()
    ramp.ok(Kind.WITHDRAW, REQUESTER, 1)
    ramp.ok(Kind.PROVE, RESCUER, time=LOCK_END)
    assert ramp.phase() == Phase.SETTLED
    assert ramp.gain(RESCUER) == 0
    assert ramp.do(Kind.PROVE, RESCUER, time=LOCK_END) == Verdict.WRONG_PHASE
    ramp.request(job=1, time=LOCK_END)
    ramp.ok(Kind.PROVE, RESCUER, job=1, time=2 * LOCK_END - START)
    assert ramp.gain(RESCUER) == MAX


# --- closed forms ---

FINE: dict[str, int] = {"start_ms": 0, "ramp_ms": 10**6, "block_ms": 1}


def mean_price(n: int, rounds: int, *, shade: bool) -> tuple[float, float]:
    """Mean price per unit of the highest, and its standard error, of `n` provers with costs uniform in [0, 1]."""
    ramp = Ramp(actors=n + 1, jobs=rounds, stake=0, collateral_gwei=0, **FINE)
    dice = np.random.default_rng(11)
    prices = []
    for job in range(rounds):
        for actor, cost in enumerate(dice.random(n), 1):
            price = cost + (1 - cost) / n if shade else cost
            ramp.s.price[actor], ramp.s.capacity[actor] = max(1, int(price * MAX)), rounds
        at = 10**7 * job
        event = Event(Kind.REQUEST, at, REQUESTER, job, MAX, 0, 0)
        assert dutch.apply(ramp.p, ramp.s, event) == Verdict.OK
        close = Event(Kind.CLOSE, int(ramp.b.deadline[job]) + 1, 0, job, 0, 0, 0)
        assert dutch.apply(ramp.p, ramp.s, close) == Verdict.OK
        prices.append(int(ramp.b.escrow[job]) / MAX)
    return float(np.mean(prices)), float(np.std(prices) / rounds**0.5)


@pytest.mark.parametrize("n", [2, 5])
def test_at_equilibrium_the_mean_price_is_two_over_n_plus_one(n: int) -> None:
    """1.7.2, 15.1, and 4.3 of the page on rollups: first price, b(c) = c + (1 - c)/n. 1,000 runs."""
    mean, error = mean_price(n, 1_000, shade=True)
    assert abs(mean - 2 / (n + 1)) < SIGMAS * error
    truthful, error = mean_price(n, 1_000, shade=False)
    assert abs(truthful - 1 / (n + 1)) < SIGMAS * error


@pytest.mark.parametrize("rescues_itself", [False, True])
def test_when_a_lock_pays(*, rescues_itself: bool) -> None:
    """1.7.3: lock only if P(on time) >= (cost + K') / (price + K'), K' = K, or K / 2 for who delivers late itself."""
    cost, price, lost = MAX // 4, MAX // 2, COLLATERAL // 2 if rescues_itself else COLLATERAL
    gains: list[int] = []
    for on_time in (True, False):
        ramp = locked(time=START + 300 * S)
        if on_time:
            ramp.ok(Kind.PROVE, LOCKER, time=LOCK_END)
        else:
            ramp.due()
            if rescues_itself:
                ramp.ok(Kind.PROVE, LOCKER, time=END)
            ramp.due()
        gains.append(ramp.gain(LOCKER) - cost)
    assert gains == [price - cost, -lost - cost]
    threshold = Fraction(cost + lost, price + lost)
    assert threshold * gains[0] + (1 - threshold) * gains[1] == 0


def test_the_secondary_race_dissipates_the_prize() -> None:
    """1.7.5: entry q solves R (1 - (1-q)^m) / (m q) = c; spend m q c equals the expected prize. 1,500 runs."""
    m, rounds, cost = 4, 1_500, COLLATERAL // 5
    prize = COLLATERAL // 2
    q, step = 0.5, 0.25
    for _ in range(60):
        q += step if prize * (1 - (1 - q) ** m) / (m * q) > cost else -step
        step /= 2
    assert 0.1 < q < 0.9  # neither nobody nor everybody
    ramp = Ramp(actors=m + 2, jobs=rounds, stake=0)
    ramp.s.stake[1] += COLLATERAL * rounds
    dice = np.random.default_rng(5)
    spent, won = np.zeros(rounds), np.zeros(rounds)
    for job in range(rounds):
        before = int(ramp.s.bounty.sum())
        entrants = np.flatnonzero(dice.random(m) < q) + 2
        spent[job] = cost * len(entrants)
        at = job * 10**7
        steps = [(Kind.REQUEST, at, 0, MAX), (Kind.BID, at, 1, 0), (Kind.EXPIRE, at + LOCK_END + 2 * S, 0, 0)]
        steps += [(Kind.PROVE, at + LOCK_END + 3 * S, int(actor), 0) for actor in entrants]  # all prove, one is paid
        steps.append((Kind.SETTLE if len(entrants) else Kind.EXPIRE, at + END + 2 * S, 0, 0))
        verdicts = [dutch.apply(ramp.p, ramp.s, Event(k, t, a, job, x, 0, 0)) for k, t, a, x in steps]
        assert verdicts.count(Verdict.OK) == len(steps) - max(0, len(entrants) - 1)
        won[job] = int(ramp.s.bounty.sum()) - before
    net = won - spent
    assert abs(net.mean()) < SIGMAS * net.std() / rounds**0.5
    expected = prize * (1 - (1 - q) ** m)
    assert abs(won.mean() - expected) < SIGMAS * won.std() / rounds**0.5
    assert expected == pytest.approx(m * q * cost)


def test_lock_and_stall_costs_the_collateral_for_each_request() -> None:
    """1.7.4: K per request, K / 2 with self-rescue; it buys a delay of L."""
    for rescues_itself, price in ((False, COLLATERAL), (True, COLLATERAL // 2)):
        ramp = Ramp(stake=3 * COLLATERAL)
        for job in range(3):
            ramp.request(job=job)
            ramp.ok(Kind.BID, LOCKER, job=job)
        for job in range(3):
            assert ramp.due(job) == Verdict.OK
            if rescues_itself:
                ramp.ok(Kind.PROVE, LOCKER, job=job, time=LOCK_END + 1)
        for job in range(3):
            ramp.due(job)
        assert ramp.gain(LOCKER) == -3 * price


# --- in the simulator ---

LOSS = "dutch(start_ms=0, ramp_ms=1, lock_ms=200_000, timeout_ms=200_000, poll_ms=200_000, min_rate=10_000)"


@pytest.mark.parametrize("slots", [1, 3])
def test_without_a_queue_erlang_b_is_refused(slots: int) -> None:
    """1.7.7: one slot, no queue: aS/(1+aS); c slots Erlang-B(c, aS). 20,000 requests."""
    load = 0.7 * slots
    every = int(100_000 / load)
    broker = prover("broker", "100s", capacity=slots, stake="100000", ask="0.1")
    work = {"arrivals": "poisson", "every": f"{every}ms", "requests": 20_000, "max_fee": "1", "size": "fixed(1)"}
    run = simulate(scenario(LOSS, workload=work, provers=[broker], horizon="365d"))
    refused = run.jobs.phase == Phase.LOST
    blocked = 1.0
    offered = 100_000 / every
    for k in range(1, slots + 1):
        blocked = offered * blocked / (k + offered * blocked)
    batches = refused[: len(refused) // 50 * 50].reshape(50, -1).mean(axis=1)
    assert len(refused) == 20_000
    assert abs(refused.mean() - blocked) < SIGMAS * batches.std() / 50**0.5
    assert run.provers.missed[0] == 0


def test_collateral_follows_little() -> None:
    """1.7.9: locks at rate a, each held H, take a H K of collateral on average; and the price is the floor's."""
    rule_text = "dutch(start_ms=0, min_rate=10_000)"
    work = {"arrivals": "fixed", "every": "60s", "requests": 1_000, "max_fee": "1", "size": "fixed(1)"}
    broker = prover("broker", "150s", capacity=3, stake="100", ask="0.1")
    market = {"epoch": "7s"}
    run = simulate(scenario(rule_text, workload=work, provers=[broker], horizon="10h", market=market))
    bond = run.samples.locked_gwei[200:5_000] - run.samples.stake_gwei[200:5_000, 0]
    assert bond.mean() / TOKEN == pytest.approx(20 * 150 / 60, rel=0.01)
    assert (run.jobs.paid_gwei[run.jobs.phase == Phase.SETTLED] == TOKEN).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_shipped_scenario_shows_its_claim(seed: int) -> None:
    """1.6: overcommit ends in a chain of slashes; stating what one has does not."""
    run = simulate(read(SCENARIO), seed=seed)
    greedy, rescuer = 4, 5
    assert run.provers.missed[greedy] > 300
    assert run.provers.slashed_gwei[greedy] > 900 * TOKEN
    assert run.provers.slashed_gwei[:greedy].sum() == 0
    assert run.provers.stake_gwei[rescuer] == TOKEN * run.provers.wins[rescuer]  # half of two tokens each
    honest = simulate(read(SCENARIO, {"provers[1].policy": "honest"}), seed=seed)
    assert (honest.jobs.phase == Phase.SETTLED).all()
    assert honest.provers.slashed_gwei.sum() == 0
    assert honest.money_difference_gwei == run.money_difference_gwei == 0


# --- parameters ---


@pytest.mark.parametrize(
    "wrong",
    ["ramp_ms=1_800_001", "ramp_ms=0", "timeout_ms=1_799_999", "burn_rate=10_001", "fee_rate=-1", "lockless=2",
     "poll_ms=0", "block_ms=0", "timeout_ms=16_779_015_001", "collateral_gwei=-1", "min_rate=10_001"],
)  # fmt: skip
def test_senseless_parameters_are_refused(wrong: str) -> None:
    """1.1: ramp <= lockTimeout <= timeout, timeout - lockTimeout < 2^24 s."""
    with pytest.raises(BadInput, match=wrong.partition("=")[0]):
        rule(f"dutch({wrong})")


def test_the_longest_time_to_the_rescue() -> None:
    assert rule("dutch(timeout_ms=16_779_015_000)").params.timeout_ms == 1_800 * S + (2**24 - 1) * S


# --- anything at all ---

MARKETS = (
    Params(collateral_gwei=1_000),
    Params(collateral_gwei=1_000, shared_deposit=1, fee_rate=77, min_rate=500),
    Params(lockless=1, shared_deposit=1, mcycle=10**6),
    Params(collateral_gwei=0, collateral_rate=20_000, ramp_ms=1, lock_ms=1, timeout_ms=1, start_ms=0),
)
KINDS = (
    Kind.OFFER, Kind.STAKE, Kind.UNSTAKE, Kind.WITHDRAW, Kind.REQUEST, Kind.BID, Kind.CLOSE, Kind.PROVE, Kind.EXPIRE,
    Kind.SETTLE,
)  # fmt: skip


@settings(max_examples=60)
@given(p=st.sampled_from(MARKETS), seed=st.integers(0, 2**32))
def test_random_markets(p: Params, seed: int) -> None:
    """Audited event by event; no job is stuck; compiled, the same verdicts and the same state."""
    dice = random.Random(seed)
    market = Market(Setup(Rule("dutch", dutch, p), 10, (10**12, 10**9, 10**9, 10**6, 0)))
    draw = Plausible(dice, market)
    for actor in range(1, 4):
        market.answer(Event(Kind.STAKE, 0, actor, 0, 5 * 10**5, 0, 0))
        market.answer(Event(Kind.OFFER, 0, actor, 0, 10**actor, actor, 0))
    for _ in range(70):
        market.answer(draw.next(KINDS))
    drain(market)
    assert market.book.escrow.sum() == market.sheet.state.bond.sum() == market.sheet.state.open_jobs.sum() == 0
    compare(market.trace())
