"""Proving periods (OpenZeppelin's ProverManager). Sections: the field page on rollups."""

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
from proofyard.mechanisms import proving_periods
from proofyard.mechanisms.proving_periods import TOKEN, Params
from proofyard.scenario import read

PROPOSER, FIRST, SECOND, THIRD, RESCUER = range(5)
RICH = 10**15
BIDS = Params(standing=0)  # an OFFER is a bid
LIMITS = Params()
S = 1_000  # ms
START = 20 * S  # FIRST is the prover of the first period from then on


class Market:
    """A market in plain Python whose every event is audited."""

    def __init__(self, p: Params = BIDS, jobs: int = 40) -> None:
        self.p = p
        self.s = Rule("proving_periods", proving_periods, p).genesis(6, jobs)
        self.b = self.s.book
        self.b.cash[:] = RICH
        self.total = shape.total_gwei(self.s)
        self.jobs = 0
        for actor in (FIRST, SECOND, THIRD):
            self.ok(Kind.STAKE, 0, actor, amount=10 * TOKEN)

    def do(self, kind: Kind, time: int, actor: int, **rest: int) -> Verdict:
        before = shape.copy(self.s)
        event = Event(kind, time, actor, **({"job": 0, "amount": 0, "detail": 0, "word": 0} | rest))
        verdict = proving_periods.apply(self.p, self.s, event)
        assert shape.total_gwei(self.s) == self.total
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        return verdict

    def ok(self, kind: Kind, time: int, actor: int, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def bid(self, actor: int, fee: int, time: int) -> Verdict:
        return self.do(Kind.OFFER, time, actor, amount=fee, detail=1)

    def publish(self, time: int, amount: int = 10**6, detail: int = 1) -> int:
        """Publish and return the number of the job."""
        self.ok(Kind.REQUEST, time, PROPOSER, job=self.jobs, amount=amount, detail=detail)
        self.jobs += 1
        return self.jobs - 1

    def expire(self, job: int) -> int:
        """Let the timer of the job run out and return when."""
        time = int(self.b.deadline[job]) + 1
        self.ok(Kind.EXPIRE, time, 0, job=job)
        return time

    @property
    def prover(self) -> int:
        """Who is the prover of the current period, -1 if it is vacant."""
        return int(self.s.hired[self.s.current[0] % 1024]) - 1

    def worth(self, actor: int) -> int:
        """What the actor has gained or lost, bonds at risk left out."""
        return int(self.b.cash[actor] + self.s.stake[actor]) - RICH


def running(fee: int = 1_000, p: Params = BIDS) -> Market:
    """FIRST is the prover of the current period; publication 0 has been proven."""
    market = Market(p)
    assert market.bid(FIRST, fee, 0) == Verdict.OK
    market.publish(START)
    market.ok(Kind.PROVE, START, FIRST, job=0)
    assert market.prover == FIRST
    return market


# --- bids and periods ---


def test_a_vacancy_is_claimed_at_any_fee_and_from_the_next_moment_on() -> None:
    """1.7 G6: periods; a claim closes the vacant one at once (literal: a publication of that moment is still free)."""
    market = Market()
    free = market.publish(5)
    assert market.b.phase[free] == Phase.OPEN
    assert market.bid(FIRST, 2**60 + 1, 5) == Verdict.BAD_AMOUNT
    assert market.bid(FIRST, 2**60, 5) == Verdict.OK
    assert market.bid(SECOND, 1, 5) == Verdict.OK  # the auction goes on until the period rolls
    also_free = market.publish(5)
    assert market.b.escrow[also_free] == 0
    job = market.publish(6)
    assert market.prover == SECOND
    assert market.b.escrow[job] == 1
    market.ok(Kind.PROVE, 6, RESCUER, job=free)
    assert market.worth(RESCUER) == 0


def test_a_bid_asks_five_percent_less() -> None:
    """1.7 G6: new bid <= 95 % of current (or pending) fee; displaced pending bid refunded."""
    market = running()
    assert market.bid(SECOND, 951, START) == Verdict.TOO_DEAR
    assert market.bid(SECOND, 950, START) == Verdict.OK
    assert market.s.stake[SECOND] == 9 * TOKEN
    assert market.bid(THIRD, 903, START + 1) == Verdict.TOO_DEAR
    assert market.bid(THIRD, 902, START + 1) == Verdict.OK
    assert market.s.stake[SECOND] == 10 * TOKEN
    assert market.bid(THIRD, 856, START + 2) == Verdict.OK  # itself
    assert market.s.stake[THIRD] == 9 * TOKEN


def test_the_first_underbid_closes_the_period() -> None:
    """1.7 G6: first underbid closes the current period (end = now+succession, deadline = end+provingWindow)."""
    market = running()
    assert market.bid(SECOND, 950, START) == Verdict.OK
    k = market.s.current[0]
    assert (market.s.closed[k] - 1, market.s.deadline[k]) == (START + 10 * S, START + 40 * S)
    assert market.bid(THIRD, 900, START + 9 * S) == Verdict.OK
    assert market.s.closed[k] - 1 == START + 10 * S  # only the first closes it
    last = market.publish(START + 10 * S)
    assert market.b.prover[last] == FIRST
    assert market.b.deadline[last] == START + 40 * S
    first = market.publish(START + 10 * S + 1)
    assert market.b.prover[first] == THIRD
    assert market.b.deadline[first] == START + 70 * S + 1
    assert market.s.seat[1:5].tolist() == [0, 0, 1, 0]


def test_a_fee_of_one_can_only_be_undercut_by_nothing() -> None:
    market = running(fee=1)
    assert market.bid(SECOND, 1, START) == Verdict.TOO_DEAR
    assert market.do(Kind.OFFER, START, SECOND, amount=0, detail=1) == Verdict.BAD_AMOUNT


def test_a_bid_needs_the_bond() -> None:
    market = running()
    assert market.bid(RESCUER, 1, START) == Verdict.POOR
    market.ok(Kind.STAKE, START, RESCUER, amount=TOKEN)
    assert market.bid(RESCUER, 900, START) == Verdict.OK
    assert market.s.stake[RESCUER] == 0
    assert market.bid(RESCUER, 800, START) == Verdict.OK  # with the bond that comes back


def test_leaving_ends_the_period() -> None:
    """1.7 G6: exitDelay 10 s: the prover that leaves still proves what comes before the end."""
    market = running()
    market.ok(Kind.UNSTAKE, START, FIRST, amount=1)
    job = market.publish(START + 10 * S)
    assert market.b.prover[job] == FIRST
    assert market.bid(FIRST, 10**6, START + 10 * S) == Verdict.OK  # nobody waits: any fee, itself too
    market.ok(Kind.UNSTAKE, START + 10 * S, FIRST, amount=9 * TOKEN - TOKEN)
    market.ok(Kind.PROVE, START + 40 * S, FIRST, job=job)
    assert market.s.stake[FIRST] == 0
    assert market.publish(START + 41 * S) == 2
    assert market.s.stake[FIRST] == TOKEN  # the first bond, when the next period begins


# --- proofs ---


def test_the_fee_is_paid_with_the_proof() -> None:
    """1.7 G6: the fee is paid into the contract and earned by the proof; delayed-publication fee 150 percent."""
    market = running()
    assert market.do(Kind.REQUEST, START, PROPOSER, job=9, amount=1_499) == Verdict.TOO_DEAR
    delayed = market.publish(START, detail=0)
    assert market.b.escrow[delayed] == 1_500
    assert market.do(Kind.PROVE, START, RESCUER, job=delayed) == Verdict.NOT_YOURS
    market.ok(Kind.PROVE, START + 60 * S, FIRST, job=delayed)
    assert market.worth(FIRST) == 1_000 + 1_500 - TOKEN


def test_the_bond_comes_back_after_the_period() -> None:
    market = running()
    job = market.publish(START)
    assert market.bid(SECOND, 950, START) == Verdict.OK
    market.publish(START + 11 * S)
    assert market.s.stake[FIRST] == 9 * TOKEN
    market.ok(Kind.PROVE, START + 40 * S, FIRST, job=job)
    assert market.s.stake[FIRST] == 10 * TOKEN
    assert market.b.slashed.sum() == 0


def evicted() -> tuple[Market, int, int]:
    """FIRST has been evicted because of a job; returns the market, the job and when."""
    market = running()
    job = market.publish(START)
    assert market.do(Kind.EXPIRE, START + 60 * S, 0, job=job) == Verdict.EARLY
    return market, job, market.expire(job)


def test_evicting() -> None:
    """1.7 G6: a publication older than livenessWindow: period ends after exitDelay with deadline = end; evictor 5 %."""
    market, job, time = evicted()
    k = market.s.current[0]
    assert (market.s.closed[k] - 1, market.s.deadline[k]) == (time + 10 * S, time + 10 * S)
    assert market.b.phase[job] == Phase.ASSIGNED
    assert market.b.deadline[job] == time + 10 * S
    assert market.worth(PROPOSER) == TOKEN // 20 - 2_000
    market.ok(Kind.PROVE, time + 10 * S, FIRST, job=job)
    market.publish(time + 10 * S + 1)
    assert market.worth(FIRST) == 2_000 - TOKEN // 20


def test_the_rescuer_inherits_ninety_percent_of_the_rest() -> None:
    """1.7 G6, oracle: bond 1 -> evictor 0.05, rescuer 0.855, locked 0.095; and the fees are the rescuer's."""
    market, job, time = evicted()
    time = market.expire(job)
    assert market.b.phase[job] == Phase.OPEN
    market.publish(time)  # begins the next period
    market.ok(Kind.PROVE, time, RESCUER, job=job)
    assert market.worth(RESCUER) == 855 * TOKEN // 1_000 + 1_000
    assert market.b.burnt[0] == 95 * TOKEN // 1_000
    assert market.b.slashed[FIRST] == TOKEN
    assert market.b.paid[job] == 855 * TOKEN // 1_000 + 1_000


def test_a_late_prover_is_its_own_heir() -> None:
    market, job, _ = evicted()
    time = market.expire(job)
    market.ok(Kind.PROVE, time, FIRST, job=job)
    market.publish(time)
    assert market.worth(FIRST) == 2_000 - TOKEN + 855 * TOKEN // 1_000


def test_late_without_an_eviction() -> None:
    """1.7 G6: proof after deadline: prover of record replaced by sender; finally 90 % of the remaining stake."""
    market = running()
    jobs = [market.publish(START + 9 * S) for _ in range(2)]
    assert market.bid(SECOND, 950, START + 9 * S) == Verdict.OK
    market.publish(START + 20 * S)
    time = START
    for job in jobs:
        while market.b.phase[job] == Phase.ASSIGNED:
            time = market.expire(job)
    assert time == START + 9 * S + 60 * S + 1
    market.ok(Kind.PROVE, time, THIRD, job=jobs[0])
    assert market.worth(THIRD) == 1_000
    market.ok(Kind.PROVE, time, RESCUER, job=jobs[1])
    assert market.worth(RESCUER) == 1_000 + 9 * TOKEN // 10  # the last is the heir
    assert market.b.burnt[0] == TOKEN // 10


def test_nobody_proves() -> None:
    market, job, _ = evicted()
    market.expire(job)
    market.expire(job)
    assert market.b.phase[job] == Phase.LOST
    market.publish(10**10)
    assert market.b.burnt[0] == 95 * TOKEN // 100
    assert market.worth(PROPOSER) == TOKEN // 20 - 1_000


# --- standing offers ---


def test_standing_offers_undercut_to_the_runner_up() -> None:
    """4.3: first price with complete information: ends just under the second-lowest cost (within a step)."""
    market = Market(LIMITS)
    for actor, ask in ((FIRST, 100), (SECOND, 200), (THIRD, 900)):
        market.ok(Kind.OFFER, 0, actor, amount=ask, detail=1)
    for k in range(40):
        job = market.publish(k * 12 * S, 10_000)
        if market.b.phase[job] == Phase.ASSIGNED:
            market.ok(Kind.PROVE, k * 12 * S, int(market.b.prover[job]), job=job)
    paid = market.b.paid[:40]
    assert paid[0] == 0  # the vacancy
    assert paid[1:4].tolist() == [10_000, 9_500, 9_025]
    assert market.prover == FIRST or market.s.fee[market.s.current[0]] >= 190
    assert 190 * 0.95 <= market.s.fee[market.s.current[0]] < 10_000


def test_nobody_bids_more_than_offered() -> None:
    market = Market(LIMITS)
    market.ok(Kind.OFFER, 0, FIRST, amount=100, detail=1)
    market.publish(0, 99)
    market.publish(1, 100)
    market.publish(2, 100)
    assert (market.prover, market.b.escrow[2]) == (FIRST, 100)


# --- the rest ---


@pytest.mark.parametrize("capacity", [-1, 0, 2**31 + 1])
def test_senseless_capacities_are_refused(capacity: int) -> None:
    assert Market().do(Kind.OFFER, 0, FIRST, amount=1, detail=capacity) == Verdict.BAD_DETAIL


def test_taking_out_of_the_balance() -> None:
    market = running()
    assert market.do(Kind.WITHDRAW, START, FIRST, amount=9 * TOKEN + 1) == Verdict.POOR
    market.ok(Kind.WITHDRAW, START, FIRST)
    assert market.do(Kind.WITHDRAW, START, FIRST) == Verdict.POOR
    market.ok(Kind.UNSTAKE, START, SECOND, amount=10 * TOKEN)
    assert market.worth(SECOND) == 0


@pytest.mark.parametrize("kind", [Kind.DELEGATE, Kind.UNDELEGATE, Kind.TRANSFER])
def test_kinds_without_a_meaning(kind: Kind) -> None:
    assert Market().do(kind, 0, FIRST, amount=1) == Verdict.UNKNOWN


def test_declining_is_not_foreseen() -> None:
    market = running()
    job = market.publish(START)
    assert market.do(Kind.DECLINE, START, FIRST, job=job) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bond_gwei", 0), ("bid_rate", 10_001), ("liveness_ms", 0), ("evictor_rate", 10_001), ("reward_rate", -1),
        ("delayed_percent", -1), ("standing", 2), ("window_ms", -1), ("exit_ms", -1),
    ],
)  # fmt: skip
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("proving_periods", proving_periods, {name: value})


def test_more_periods_than_the_ring_holds_wait_for_proofs() -> None:
    market = Market(BIDS._replace(exit_ms=0), jobs=1_100)
    p, s = market.p, market.s
    market.ok(Kind.STAKE, 0, FIRST, amount=5_000 * TOKEN)
    market.ok(Kind.OFFER, 0, FIRST, amount=5, detail=1)
    verdicts: list[Verdict] = []
    for k in range(1_030):  # a period with one publication each
        verdicts.append(proving_periods.apply(p, s, Event(Kind.REQUEST, 10 * k + 5, PROPOSER, k, 10, 1, 0)))
        proving_periods.apply(p, s, Event(Kind.UNSTAKE, 10 * k + 5, FIRST, 0, 1, 0, 0))
        proving_periods.apply(p, s, Event(Kind.OFFER, 10 * k + 5, FIRST, 0, 5, 1, 0))
    assert verdicts == [Verdict.OK] * 1_023 + [Verdict.FULL] * 7
    market.ok(Kind.PROVE, 10_305, FIRST, job=0)
    market.ok(Kind.REQUEST, 10_305, PROPOSER, job=1_050, amount=10, detail=1)


def test_eviction_in_the_simulator() -> None:
    """1.7 G6: who is slower than the liveness window loses bond after bond and proves nothing."""
    path = Path(__file__).parents[2] / "scenarios" / "openzeppelin-periods.toml"
    run = simulate(read(path, {"horizon": "12h"}))
    slow, fits, _ = range(3)
    assert run.provers.wins[slow] == 0
    assert run.provers.slashed_gwei[slow] > 50 * TOKEN
    assert run.provers.slashed_gwei[fits] == 0
    assert run.provers.wins[fits] > 0.9 * run.provers.wins.sum()
    assert run.money_difference_gwei == 0


# --- random markets: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

MARKETS = (
    LIMITS, BIDS, Params(succession_ms=0, exit_ms=0, window_ms=0, delayed_percent=0),
    BIDS._replace(reward_rate=0, evictor_rate=10_000, bid_rate=10_000, liveness_ms=5),
)  # fmt: skip
STEP = st.tuples(
    st.sampled_from("oosuwrrrrrpppxxxxz"),
    st.integers(0, 5),
    st.integers(0, 63),
    st.integers(0, 2**62 - 1),
    st.sampled_from([0, 0, 1, 5 * S, 10 * S, 30 * S, 60 * S]),
)


def event_of(s: Any, what: str, now: int, actor: int, k: int, word: int) -> Event:
    """Make a step a plausible event, given the state it meets."""
    b = s.book
    if what in "osuw":
        fee = int(s.fee[s.current[0] % 1024])
        fees = (fee * 95 // 100, fee * 9 // 10, 1_000, 1 + word % 5_000)
        kind, amount = {"o": (Kind.OFFER, max(1, fees[k % 4])), "s": (Kind.STAKE, word % (5 * TOKEN)),
                        "u": (Kind.UNSTAKE, 1 + word % TOKEN), "w": (Kind.WITHDRAW, word % 2 * k)}[what]  # fmt: skip
        return Event(kind, now, actor, 0, amount, k % 5, 0)
    live = np.flatnonzero((b.phase != Phase.NONE) & (b.phase < Phase.SETTLED))
    job = int(live[k % live.size]) if live.size else k % b.phase.size
    if what == "r":
        new = np.flatnonzero(b.phase == Phase.NONE)
        return Event(Kind.REQUEST, now, actor, int(new[0]) if new.size else job, word % 10**4, k % 3, word)
    if what == "p":
        prover = actor if word % 4 == 0 or b.prover[job] == ANYONE else int(b.prover[job])
        return Event(Kind.PROVE, now, prover, job, 0, 0, 1)
    if what == "x":
        return Event(Kind.EXPIRE, max(now, int(b.deadline[job]) + 1 - word % 2), 0, job, 0, 0, 0)
    return Event(word % 15, now, actor, job, word % RICH, k - 8, word)


@settings(max_examples=40)
@given(p=st.sampled_from(MARKETS), steps=st.lists(STEP, min_size=20, max_size=80))
def test_random_markets(p: Params, steps: list[tuple[str, int, int, int, int]]) -> None:
    market = Market(p, jobs=24)
    both = Both(proving_periods, p, market)
    now = 0
    for actor in (FIRST, SECOND, THIRD):
        both(Event(Kind.OFFER, 0, actor, 0, 1_000 // actor, 4, 0))
    for what, actor, k, word, wait in steps:
        event = event_of(market.s, what, now + wait, actor, k, word)
        both(event)
        now = max(now + wait, event.time)
    b = market.b
    for job in np.flatnonzero(b.phase != Phase.NONE).tolist():
        while b.phase[job] not in FINAL:
            now = max(now, int(b.deadline[job])) + 1
            assert both(Event(Kind.EXPIRE, now, 0, job, 0, 0, 0)) == Verdict.OK
    assert b.escrow.sum() == market.s.open_jobs.sum() == market.s.waiting.sum() == 0
