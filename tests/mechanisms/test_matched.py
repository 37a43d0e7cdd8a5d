"""Posted prices and a matcher (Kalypso). Sections are those of the field page on live markets."""

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
from proofyard.mechanisms import matched
from proofyard.mechanisms.matched import TOKEN, Params
from proofyard.scenario import read

REQUESTER, CHEAP, DEAR, THIRD = range(4)
RICH = 10**15
P = TOKEN  # the penalty
WINDOW = 600_000
TURN = 10_000
DEFAULT = Params()
BOT = Params(self_slash_rate=10_000)


class Market:
    """A market in plain Python whose every event is audited."""

    def __init__(self, p: Params = DEFAULT, costs: dict[int, int] | None = None, stake: int = 100) -> None:
        self.p = p
        self.s = Rule("matched", matched, p).genesis(6, 128)
        self.b = self.s.book
        self.b.cash[:] = RICH
        self.total = shape.total_gwei(self.s)
        self.jobs = 0
        for actor, cost in (costs if costs is not None else {CHEAP: 100, DEAR: 200}).items():
            self.ok(Kind.OFFER, 0, actor, amount=cost, detail=1_000)
            self.ok(Kind.STAKE, 0, actor, amount=stake * P)

    def do(self, kind: Kind, time: int, actor: int, **rest: int) -> Verdict:
        before = shape.copy(self.s)
        event = Event(kind, time, actor, **({"job": 0, "amount": 0, "detail": 0, "word": 0} | rest))
        verdict = matched.apply(self.p, self.s, event)
        assert shape.total_gwei(self.s) == self.total
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        audit(self.p, self.s)
        return verdict

    def ok(self, kind: Kind, time: int, actor: int, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def request(self, time: int = 0, amount: int = 1_000) -> int:
        """Request the next job and return its number."""
        job = self.jobs
        self.ok(Kind.REQUEST, time, REQUESTER, job=job, amount=amount)
        self.jobs += 1
        return job

    def turn(self, job: int) -> int:
        """Let the matcher take its turn and return who was assigned, -1 for nobody."""
        self.ok(Kind.CLOSE, int(self.b.deadline[job]) + 1, 0, job=job)
        return self.prover(job)

    def assigned(self, amount: int = 1_000) -> int:
        """Request a job and have it assigned."""
        job = self.request(amount=amount)
        self.turn(job)
        assert self.b.phase[job] == Phase.ASSIGNED
        return job

    def prover(self, job: int) -> int:
        return int(self.b.prover[job])

    def worth(self, actor: int) -> int:
        """What the actor has gained or lost."""
        mine = np.flatnonzero((self.b.prover == actor) & (self.b.phase == Phase.ASSIGNED))
        held = self.b.cash[actor] + self.s.stake[actor] + self.s.exiting[actor] + self.s.bond[mine].sum()
        return int(held) - RICH


def audit(p: Params, s: Any) -> None:
    """7, predictions: parallel jobs <= floor(declared/compute per request), <= 101; stake >= P x jobs in flight."""
    running = s.book.phase == Phase.ASSIGNED
    jobs = np.bincount(s.book.prover[running], minlength=len(s.price))
    assert (jobs == s.open_jobs).all()
    assert (jobs <= np.minimum(s.capacity // p.compute_per_job, 101)).all()
    assert (s.bond[running] == p.penalty_gwei).all()
    assert s.bond[~running].sum() == 0


# --- matching ---


def test_the_cheapest_that_fits_is_assigned() -> None:
    """7, rule 1: the matching engine picks a generator with cost <= reward and time <= allowed (the cheapest, here)."""
    market = Market(costs={CHEAP: 100, DEAR: 200, THIRD: 100})
    assert market.prover(market.assigned()) == CHEAP  # the elder of two
    market.ok(Kind.STAKE, 0, CHEAP, amount=1, detail=WINDOW + 1)
    assert market.prover(market.assigned()) == THIRD  # CHEAP says it needs more time than is allowed
    market.ok(Kind.STAKE, 0, CHEAP, amount=1, detail=WINDOW)
    assert market.prover(market.assigned()) == CHEAP


def test_nobody_fits_and_the_request_expires() -> None:
    """7, states: UNASSIGNED (expiry passed; cancel -> refund)."""
    market = Market()
    job = market.request(time=3, amount=99)
    for k in range(6):
        market.ok(Kind.CLOSE, (k + 1) * TURN, 0, job=job)
        assert market.b.phase[job] == Phase.BIDDING
    assert market.do(Kind.CLOSE, 60_002, 0, job=job) == Verdict.EARLY
    market.ok(Kind.CLOSE, 60_003, 0, job=job)
    assert market.b.phase[job] == Phase.LOST
    assert market.worth(REQUESTER) == 0


def test_at_its_very_expiry_a_request_is_not_assigned() -> None:
    """ProofMarketplace: CREATE while expiry > now, UNASSIGNED from then on; here the matcher's turn is that moment."""
    market = Market(Params(expiry_ms=2 * TURN), costs={})
    job = market.request()
    assert market.turn(job) == -1
    market.ok(Kind.OFFER, TURN, CHEAP, amount=1, detail=1)
    market.ok(Kind.STAKE, TURN, CHEAP, amount=P)
    market.ok(Kind.CLOSE, 2 * TURN, 0, job=job)
    assert market.b.phase[job] == Phase.LOST


def test_a_prover_that_comes_in_time_is_found() -> None:
    market = Market(costs={})
    job = market.request()
    assert market.turn(job) == -1
    market.ok(Kind.OFFER, TURN, CHEAP, amount=1_000, detail=1)
    market.ok(Kind.STAKE, TURN, CHEAP, amount=P)
    assert market.turn(job) == CHEAP


def test_a_request_waits_for_the_matchers_turn() -> None:
    """15, item 4: posted price adds the matcher's period: half of it on average."""
    waits: list[int] = []
    for time in range(0, TURN, 125):
        market = Market()
        job = market.request(time)
        market.turn(job)
        waits.append(int(market.b.deadline[job]) - WINDOW - time)
    assert max(waits) == TURN
    assert sum(waits) / len(waits) == pytest.approx(TURN / 2, rel=0.02)


def test_compute_and_the_upper_limit_bound_what_runs_at_once() -> None:
    """7, predictions: parallel jobs <= floor(declared/compute per request); refused when more than 100 are active."""
    for compute, declared, room in ((1, 1_000, 101), (3, 10, 3), (4, 3, 0)):
        market = Market(Params(compute_per_job=compute), costs={})
        market.ok(Kind.OFFER, 0, CHEAP, amount=1, detail=declared)
        market.ok(Kind.STAKE, 0, CHEAP, amount=1_000 * P)
        for _ in range(102):
            market.turn(market.request())
        assert market.s.open_jobs[CHEAP] == room


def test_stake_bounds_what_runs_at_once() -> None:
    """7, predictions: stake >= P x jobs in flight."""
    market = Market(costs={CHEAP: 1}, stake=3)
    for _ in range(5):
        market.turn(market.request())
    assert market.s.open_jobs[CHEAP] == 3
    assert market.s.stake[CHEAP] == 0
    market.ok(Kind.PROVE, TURN, CHEAP, job=0)
    assert market.turn(3) == CHEAP


# --- being paid ---


def test_paid_its_own_cost_and_the_surplus_goes_back() -> None:
    """7, rule 3: the generator gets its OWN posted cost; surplus goes back to the requester."""
    market = Market()
    job = market.assigned()
    assert market.do(Kind.PROVE, TURN, DEAR, job=job) == Verdict.NOT_YOURS
    market.ok(Kind.PROVE, TURN + WINDOW, CHEAP, job=job)
    assert (market.worth(CHEAP), market.worth(REQUESTER)) == (100, -100)
    assert market.b.paid[job] == 100
    assert market.s.stake[CHEAP] == 100 * P


def test_a_bad_input_costs_the_requester_all() -> None:
    """7, rule 4: bad input shown by an attestation: generator is paid, surplus to treasury."""
    market = Market()
    job = market.assigned()
    market.ok(Kind.PROVE, TURN, CHEAP, job=job, detail=1)
    assert (market.worth(CHEAP), market.worth(REQUESTER)) == (100, -1_000)
    assert market.b.reserve[0] == 900


@pytest.mark.parametrize(("posted", "income"), [(100, 100), (199, 199), (200, 200), (201, 0)])
def test_the_best_cost_to_post_is_just_under_the_next(posted: int, income: int) -> None:
    """7, predictions: under scarce demand posted cost rises to just under the next generator's (first-price)."""
    market = Market(costs={CHEAP: posted, DEAR: 200})
    job = market.assigned()
    market.ok(Kind.PROVE, TURN, market.prover(job), job=job)
    assert market.worth(CHEAP) == income


def test_a_cost_cannot_change_while_a_request_is_active() -> None:
    """7: a generator cannot change its cost while it has active requests, so the surplus is safe."""
    market = Market()
    job = market.assigned()
    assert market.do(Kind.OFFER, TURN, CHEAP, amount=1_000, detail=1) == Verdict.EARLY
    market.ok(Kind.PROVE, TURN, CHEAP, job=job)
    market.ok(Kind.OFFER, TURN, CHEAP, amount=150, detail=1)
    assert market.s.price[CHEAP] == 150


# --- missing ---


def test_the_deadline_is_what_the_request_allows() -> None:
    """7, rule 2: the page says block + generator's time; the contract at this commit adds the request's time."""
    for p, allowed in ((DEFAULT, WINDOW), (Params(deadline_by=1), 50_000)):
        market = Market(p)
        market.ok(Kind.STAKE, 0, CHEAP, amount=1, detail=50_000)
        job = market.assigned()
        assert market.b.deadline[job] == TURN + allowed
        assert market.do(Kind.EXPIRE, TURN + allowed, 0, job=job) == Verdict.EARLY
        assert market.do(Kind.PROVE, TURN + allowed + 1, CHEAP, job=job) == Verdict.LATE
        market.ok(Kind.EXPIRE, TURN + allowed + 1, 0, job=job)


def test_a_posted_time_of_nothing_is_the_requests() -> None:
    market = Market(Params(deadline_by=1))
    assert market.b.deadline[market.assigned()] == TURN + WINDOW


def test_another_bot_takes_the_penalty() -> None:
    """7, rule 5: after the deadline anyone may slash: penalty to the address named; requester refunded."""
    market = Market()
    job = market.assigned()
    market.ok(Kind.EXPIRE, TURN + WINDOW + 1, 0, job=job)
    assert (market.worth(CHEAP), market.worth(REQUESTER)) == (-P, 0)
    assert market.b.burnt[0] == market.b.slashed[CHEAP] == P
    assert market.b.phase[job] == Phase.LOST


def test_who_slashes_itself_loses_nothing() -> None:
    """7, weak point: rule 5 lets the failing generator slash itself to its own address: the penalty is zero."""
    market = Market(BOT)
    job = market.assigned()
    market.ok(Kind.EXPIRE, TURN + WINDOW + 1, 0, job=job)
    assert (market.worth(CHEAP), market.worth(REQUESTER)) == (0, 0)
    assert market.b.slashed.sum() == 0


@pytest.mark.parametrize("tenths", range(11))
def test_the_expected_penalty_of_a_self_slasher(tenths: int) -> None:
    """7, weak point: with a self-slashing bot of win probability w, expected penalty = (1-w) P."""
    market = Market(Params(self_slash_rate=tenths * 1_000))
    for k in range(20):
        job = market.assigned()
        word = (2 * k + 1) * 2**62 // 40  # twenty dice, evenly spread
        market.ok(Kind.EXPIRE, int(market.b.deadline[job]) + 1, 0, job=job, word=word)
    assert -market.worth(CHEAP) == 20 * P * (10 - tenths) // 10


@pytest.mark.parametrize("bounty", [0, 2_500])
def test_the_intended_penalty_is_the_treasurys(bounty: int) -> None:
    """7, weak point, mended: all, or most, of the penalty for the treasury, whoever calls."""
    market = Market(BOT._replace(bounty_rate=bounty))
    job = market.assigned()
    market.ok(Kind.EXPIRE, TURN + WINDOW + 1, 0, job=job)
    assert market.worth(CHEAP) == -P + P * bounty // 10_000
    assert market.b.reserve[0] == P - P * bounty // 10_000


def test_giving_a_request_up() -> None:
    """7, rule 6: generator may give a request up: slashed to treasury, requester refunded; missing it costs less."""
    market = Market(BOT)
    job = market.assigned()
    assert market.do(Kind.DECLINE, TURN, DEAR, job=job) == Verdict.NOT_YOURS
    market.ok(Kind.DECLINE, TURN, CHEAP, job=job)
    assert (market.worth(CHEAP), market.worth(REQUESTER)) == (-P, 0)
    assert market.b.reserve[0] == P


# --- the stake ---


def test_taking_stake_out() -> None:
    """7, rule 7: stake reduction: announce, wait (>= 1 block), withdraw; what is locked stays."""
    market = Market(costs={CHEAP: 1}, stake=3)
    job = market.assigned()
    assert market.do(Kind.UNSTAKE, TURN, CHEAP, amount=2 * P + 1) == Verdict.POOR
    assert market.do(Kind.WITHDRAW, TURN, CHEAP) == Verdict.POOR
    market.ok(Kind.UNSTAKE, TURN, CHEAP, amount=P)
    assert market.do(Kind.UNSTAKE, TURN, CHEAP, amount=P) == Verdict.EARLY
    assert market.do(Kind.WITHDRAW, TURN + 249, CHEAP) == Verdict.EARLY
    assert market.do(Kind.WITHDRAW, TURN + 250, CHEAP, amount=P + 1) == Verdict.POOR
    market.ok(Kind.WITHDRAW, TURN + 250, CHEAP, amount=1)
    market.ok(Kind.WITHDRAW, TURN + 250, CHEAP)
    assert market.b.cash[CHEAP] == RICH - 2 * P
    market.ok(Kind.EXPIRE, TURN + WINDOW + 1, 0, job=job)
    assert market.worth(CHEAP) == -P


@pytest.mark.parametrize("capacity", [-1, 0, 2**40 + 1])
def test_senseless_capacities_are_refused(capacity: int) -> None:
    assert Market().do(Kind.OFFER, 0, CHEAP, amount=1, detail=capacity) == Verdict.BAD_DETAIL


@pytest.mark.parametrize("says", [-1, 2**48 + 1])
def test_senseless_times_are_refused(says: int) -> None:
    assert Market().do(Kind.STAKE, 0, CHEAP, amount=1, detail=says) == Verdict.BAD_DETAIL


def test_a_request_for_nothing_is_refused() -> None:
    assert Market().do(Kind.REQUEST, 0, REQUESTER) == Verdict.BAD_AMOUNT


@pytest.mark.parametrize("kind", [Kind.DELEGATE, Kind.UNDELEGATE, Kind.TRANSFER, Kind.BID])
def test_kinds_without_a_meaning(kind: Kind) -> None:
    market = Market()
    market.request()
    assert market.do(kind, 0, CHEAP, amount=1) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("penalty_gwei", 0), ("window_ms", 0), ("match_ms", 0), ("match_ms", 599), ("compute_per_job", 0),
        ("deadline_by", 2), ("bounty_rate", 10_001), ("self_slash_rate", -1), ("unstake_ms", -1), ("expiry_ms", 0),
    ],
)  # fmt: skip
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("matched", matched, {name: value})


def test_self_slashing_pays_in_the_simulator() -> None:
    """7, weak point: who slashes itself goes on missing; who loses the penalty runs out of stake."""
    path = Path(__file__).parents[2] / "scenarios" / "kalypso-self-slash.toml"
    own = simulate(read(path, {"horizon": "2d"}))
    mended = simulate(read(path, {"horizon": "2d"}, "matched(self_slash_rate = 10_000, bounty_rate = 0)"))
    assert own.provers.slashed_gwei[0] == 0
    assert own.provers.income_gwei[0] > own.provers.cost_gwei[0]
    assert mended.provers.slashed_gwei[0] > 450 * P
    assert own.provers.missed[0] > 2 * mended.provers.missed[0]
    assert own.money_difference_gwei == mended.money_difference_gwei == 0


# --- random markets: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

MARKETS = (
    DEFAULT, Params(self_slash_rate=5_000, bounty_rate=7_000, compute_per_job=2), Params(deadline_by=1, unstake_ms=0),
    Params(match_ms=1, expiry_ms=1, penalty_gwei=3),
)  # fmt: skip
STEP = st.tuples(
    st.sampled_from("osuwrrrrrpppdxxxccccz"),
    st.integers(0, 5),
    st.integers(0, 63),
    st.integers(0, 2**62 - 1),
    st.sampled_from([0, 0, 1, TURN, WINDOW]),
)


def event_of(s: Any, what: str, now: int, actor: int, k: int, word: int) -> Event:
    """Make a step a plausible event, given the state it meets."""
    b = s.book
    if what in "osuw":
        kind, amount = {"o": (Kind.OFFER, 1 + word % 300), "s": (Kind.STAKE, 1 + word % (2 * P)),
                        "u": (Kind.UNSTAKE, 1 + word % P), "w": (Kind.WITHDRAW, word % 2 * k)}[what]  # fmt: skip
        return Event(kind, now, actor, 0, amount, k % 5, 0)
    live = np.flatnonzero((b.phase != Phase.NONE) & (b.phase < Phase.SETTLED))
    job = int(live[k % live.size]) if live.size else k % b.phase.size
    if what == "r":
        new = np.flatnonzero(b.phase == Phase.NONE)
        return Event(Kind.REQUEST, now, actor, int(new[0]) if new.size else job, word % 500, 0, word)
    if what in "pd":
        drawn = actor if word % 6 == 0 else max(0, int(b.prover[job]))
        return Event(Kind.PROVE if what == "p" else Kind.DECLINE, now, drawn, job, 0, word % 3, word)
    if what in "cx":
        kind = Kind.CLOSE if b.phase[job] == Phase.BIDDING else Kind.EXPIRE
        return Event(kind, max(now, int(b.deadline[job]) + 1 - word % 2), 0, job, 0, 0, word)
    return Event(word % 15, now, actor, job, word % RICH, k - 8, word)


@settings(max_examples=40)
@given(p=st.sampled_from(MARKETS), steps=st.lists(STEP, min_size=20, max_size=80))
def test_random_markets(p: Params, steps: list[tuple[str, int, int, int, int]]) -> None:
    market = Market(p, costs={})
    both = Both(matched, p, market)
    now = 0
    for actor in (CHEAP, DEAR, THIRD):
        both(Event(Kind.OFFER, 0, actor, 0, 100 * actor, 4, 0))
        both(Event(Kind.STAKE, 0, actor, 0, 3 * P, 0, 0))
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
    assert b.escrow.sum() == market.s.bond.sum() == market.s.open_jobs.sum() == 0
