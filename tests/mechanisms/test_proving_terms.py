"""Proving terms (Taiko's ProverMarket of 2026). Sections: the field page on rollups; R: the review named there."""

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
from proofyard.mechanisms import proving_terms
from proofyard.mechanisms.proving_terms import MINUTE, TOKEN, Params, liability
from proofyard.scenario import read

PROPOSER, FIRST, SECOND, THIRD, RESCUER = range(5)
RICH = 10**15
BIDS = Params(standing=0)  # an OFFER is a bid
LIMITS = Params()
WINDOW, GRACE, HOUR = 120 * MINUTE, 5 * MINUTE, 60 * MINUTE
LEAST = TOKEN // 2  # liability of a cheap proposal


class Market:
    """A market in plain Python whose every event is audited."""

    def __init__(self, p: Params = BIDS, jobs: int = 40, tokens: int = 10) -> None:
        self.p = p
        self.s = Rule("proving_terms", proving_terms, p).genesis(6, jobs)
        self.b = self.s.book
        self.b.cash[:] = RICH
        self.total = shape.total_gwei(self.s)
        self.jobs = 0
        for actor in (FIRST, SECOND, THIRD):
            self.ok(Kind.STAKE, 0, actor, amount=tokens * TOKEN)

    def do(self, kind: Kind, time: int, actor: int, **rest: int) -> Verdict:
        before = shape.copy(self.s)
        event = Event(kind, time, actor, **({"job": 0, "amount": 0, "detail": 0, "word": 0} | rest))
        verdict = proving_terms.apply(self.p, self.s, event)
        assert shape.total_gwei(self.s) == self.total
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        audit(self.p, self.s)
        return verdict

    def ok(self, kind: Kind, time: int, actor: int, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def bid(self, actor: int, fee: int, time: int = 0) -> Verdict:
        return self.do(Kind.OFFER, time, actor, amount=fee, detail=1)

    def propose(self, time: int = 0, amount: int = 10**6) -> int:
        """Propose and return the number of the job."""
        self.ok(Kind.REQUEST, time, PROPOSER, job=self.jobs, amount=amount)
        self.jobs += 1
        return self.jobs - 1

    def expire(self, job: int) -> int:
        """Let the timer of the job run out and return when."""
        time = int(self.b.deadline[job]) + 1
        self.ok(Kind.EXPIRE, time, 0, job=job)
        return time

    @property
    def prover(self) -> int:
        """Prover of the active term, -1 if there is none."""
        return int(self.s.active[0]) - 1

    def worth(self, actor: int) -> int:
        """What the actor has gained or lost, bonds at risk included."""
        bonds = self.s.bond[self.s.hired == actor + 1].sum()
        return int(self.b.cash[actor] + self.s.stake[actor] + self.s.quote[actor] + bonds) - RICH


def audit(p: Params, s: Any) -> None:
    """Each term has its reservation, nobody else has one."""
    terms = [int(row[0]) - 1 for row in (s.active, s.pending) if row[0] > 0]
    assert len(set(terms)) == len(terms)
    assert [int(s.quote[actor]) for actor in terms] == [p.min_bond_gwei] * len(terms)
    assert s.quote.sum() == p.min_bond_gwei * len(terms)
    assert np.flatnonzero(s.seat).tolist() == sorted(terms)


def running(fee: int = 1_000, p: Params = BIDS, tokens: int = 10) -> Market:
    """FIRST has the active term; job 0 is its own."""
    market = Market(p, tokens=tokens)
    assert market.bid(FIRST, fee) == Verdict.OK
    assert market.b.prover[market.propose(amount=fee + 10**6)] == FIRST
    return market


# --- bids ---


def test_the_first_bid_of_all() -> None:
    """1.7 G5: bid <= maxFee; min bond reserved as quote stake."""
    market = Market()
    assert market.bid(FIRST, 10 * TOKEN + 1) == Verdict.TOO_DEAR
    assert market.bid(FIRST, 10 * TOKEN) == Verdict.OK
    assert (market.s.stake[FIRST], market.s.quote[FIRST]) == (9 * TOKEN, TOKEN)
    assert market.bid(RESCUER, 5) == Verdict.POOR


def test_five_percent_below_active_and_pending() -> None:
    """1.7 G5: <= (1-discount) of active and of pending fee; the pending bidder that is displaced has its stake back."""
    market = running()
    assert market.bid(SECOND, 951) == Verdict.TOO_DEAR
    assert market.bid(SECOND, 950) == Verdict.OK
    assert market.bid(THIRD, 903) == Verdict.TOO_DEAR
    assert market.bid(THIRD, 902) == Verdict.OK
    assert market.s.stake[SECOND] == 10 * TOKEN


def test_the_active_prover_may_not_bid() -> None:
    """1.7 G5: active prover may not bid."""
    market = running()
    assert market.bid(FIRST, 1) == Verdict.NOT_YOURS


def test_a_pending_bidder_can_only_lower_its_fee() -> None:
    """1.7 G5, R: pending bidder raising its own fee: refused."""
    market = running()
    assert market.bid(SECOND, 900) == Verdict.OK
    assert market.bid(SECOND, 900) == Verdict.TOO_DEAR
    assert market.bid(SECOND, 950) == Verdict.TOO_DEAR
    assert market.bid(SECOND, 899) == Verdict.OK
    assert market.s.quote[SECOND] == TOKEN


def test_a_vacancy_has_a_cap() -> None:
    """1.7 G5: with neither, <= multiplier x EWMA."""
    market = running()
    market.ok(Kind.UNSTAKE, 0, FIRST, amount=1)
    market.propose()
    assert (market.prover, market.s.average[0]) == (-1, 1_000)
    assert market.bid(SECOND, 10_001) == Verdict.TOO_DEAR
    assert market.bid(SECOND, 10_000) == Verdict.OK


def test_a_retired_prover_cools_down() -> None:
    """1.7 G5: cooldown after retirement (1 h in the tests)."""
    market = running()
    assert market.bid(SECOND, 950) == Verdict.OK
    market.propose(7)
    assert market.prover == SECOND
    assert market.s.cool_until[FIRST] == 7 + HOUR
    assert market.bid(FIRST, 900, 6 + HOUR) == Verdict.EARLY
    assert market.bid(FIRST, 900, 7 + HOUR) == Verdict.OK


# --- terms ---


def test_the_pending_term_begins_with_the_next_proposal() -> None:
    """1.7 G5: pending activates on next accepted proposal."""
    market = running()
    assert market.bid(SECOND, 950) == Verdict.OK
    assert market.prover == FIRST
    job = market.propose()
    assert market.b.prover[job] == SECOND
    assert market.b.escrow[job] == 950
    assert market.s.quote[FIRST] == 0


@pytest.mark.parametrize(("n", "average"), [(1, 1_000), (5, 1_000)])
def test_the_average_weighs_by_proposals(n: int, average: int) -> None:
    """1.7 G5: EWMA <- (1024*E + fee*n)/(1024+n) on retirement with n proposals."""
    market = running()
    for _ in range(n - 1):
        market.propose()
    assert market.bid(SECOND, 500) == Verdict.OK
    for _ in range(n):
        market.propose()
    assert market.s.average[0] == average
    market.ok(Kind.UNSTAKE, 0, SECOND, amount=1)
    market.propose()
    assert market.s.average[0] == (1_024 * 1_000 + 500 * n) // (1_024 + n)


def test_a_term_without_proposals_leaves_the_average() -> None:
    market = running(tokens=3)
    assert market.bid(SECOND, 950) == Verdict.OK
    market.propose()
    assert market.bid(THIRD, 900) == Verdict.OK
    market.ok(Kind.UNSTAKE, 0, SECOND, amount=1)
    market.propose()
    assert market.s.average[0] == (1_024 * 1_000 + 950) // 1_025


@pytest.mark.parametrize(("fee", "amount"), [(1, LEAST), (TOKEN // 4, LEAST), (TOKEN // 4 + 1, LEAST + 2)])
def test_the_liability(fee: int, amount: int) -> None:
    """1.7 G5: liability = max(2*fee, bondPerProposal, slashPerProof) is reserved from free bond."""
    assert liability(BIDS, fee) == amount
    market = running(fee)
    assert market.s.bond[0] == amount
    assert market.s.stake[FIRST] == 9 * TOKEN - amount
    assert liability(BIDS._replace(bond_per_job_gwei=TOKEN), fee) == TOKEN


def test_a_term_that_is_short_retires() -> None:
    """1.7 G5: ... is reserved from free bond, else term retires; the proposal is permissionless then."""
    market = running(tokens=2)  # 1 reserved, 1 free: two proposals
    market.propose()
    job = market.propose()
    assert market.prover == -1
    assert market.b.phase[job] == Phase.OPEN
    assert market.s.stake[FIRST] == TOKEN


def test_a_pending_bid_that_is_short_is_dropped() -> None:
    market = Market(tokens=1)
    assert market.bid(FIRST, 1_000) == Verdict.OK
    job = market.propose()
    assert (market.prover, int(market.s.pending[0])) == (-1, 0)
    assert market.b.phase[job] == Phase.OPEN
    assert market.s.stake[FIRST] == TOKEN


def test_a_proof_retires_a_prover_that_is_short() -> None:
    market = running(tokens=2)
    market.propose()
    market.expire(0)
    market.ok(Kind.PROVE, WINDOW + GRACE, RESCUER, job=0)
    assert market.prover == -1
    assert market.s.stake[FIRST] == TOKEN


def test_any_proof_retires_a_prover_that_is_short() -> None:
    """onProofAccepted looks at the active term whoever's proposal was proven, a permissionless one too."""
    market = running(p=BIDS._replace(bond_per_job_gwei=4 * TOKEN))
    nobodys = market.propose(1, amount=0)  # 10 less 1 reserved, less 4 at risk, covers 4 more
    market.ok(Kind.WITHDRAW, 2, FIRST, amount=2 * TOKEN)
    assert (market.prover, market.s.hired[nobodys]) == (FIRST, 0)
    market.ok(Kind.PROVE, 3, RESCUER, job=nobodys)
    assert (market.prover, market.s.cool_until[FIRST]) == (-1, 3 + market.p.cooldown_ms)


def test_an_underpaid_proposal_is_permissionless() -> None:
    """1.7 G5: the proposer's ETH credit must cover the fee, else proposal is permissionless (no obligation)."""
    market = running()
    job = market.propose(amount=999)
    assert market.b.phase[job] == Phase.OPEN
    assert market.prover == FIRST
    market.ok(Kind.PROVE, 5, RESCUER, job=job)
    assert market.worth(RESCUER) == 0


# --- proofs ---


def test_the_fee_is_paid_on_proof() -> None:
    """1.7 G5: proof exclusive until t+window; fee paid to whoever proves."""
    market = running()
    assert market.do(Kind.PROVE, WINDOW - 1, RESCUER, job=0) == Verdict.NOT_YOURS
    assert market.do(Kind.EXPIRE, WINDOW - 1, 0, job=0) == Verdict.EARLY
    assert market.worth(FIRST) == 0
    market.ok(Kind.PROVE, WINDOW - 1, FIRST, job=0)
    assert market.worth(FIRST) == 1_000
    assert market.s.bond[0] == 0


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("hand", [FIRST, RESCUER])
def test_late_proofs(hand: int, late: int) -> None:
    """1.7 G5: late beyond window+grace -> reserved bond slashed, to rescuer (burned if self-late)."""
    market = running()
    assert market.expire(0) == WINDOW
    market.ok(Kind.PROVE, WINDOW + GRACE - 1 + late, hand, job=0)
    bounty = late * LEAST * (hand == RESCUER)
    assert market.worth(hand) == 1_000 + bounty - late * LEAST * (hand == FIRST)
    assert market.b.burnt[0] == late * LEAST * (hand == FIRST)
    assert market.b.slashed[FIRST] == late * LEAST
    assert market.b.paid[0] == 1_000 + bounty


def test_nobody_proves() -> None:
    market = running()
    market.expire(0)
    market.expire(0)
    assert market.b.phase[0] == Phase.LOST
    assert (market.worth(PROPOSER), market.worth(FIRST)) == (0, -LEAST)


def test_not_proving_does_not_pay() -> None:
    """1.7 G5, R: fee up front + fixed slash pay who does not perform; paid on proof it gets nothing, rescued or not."""
    market = running(fee=TOKEN)
    market.expire(0)
    market.ok(Kind.PROVE, WINDOW + GRACE, RESCUER, job=0)
    assert market.worth(FIRST) == -2 * TOKEN
    assert market.worth(RESCUER) == 3 * TOKEN


# --- leaving ---


def test_leaving_a_pending_bid() -> None:
    market = running()
    assert market.bid(SECOND, 950) == Verdict.OK
    market.ok(Kind.UNSTAKE, 0, SECOND, amount=1)
    assert market.s.stake[SECOND] == 10 * TOKEN
    market.propose()
    assert market.prover == FIRST


def test_taking_bond_out() -> None:
    market = running()
    market.ok(Kind.UNSTAKE, 0, FIRST, amount=1)  # leaves the term
    assert market.do(Kind.WITHDRAW, 0, FIRST, amount=9 * TOKEN) == Verdict.POOR
    market.ok(Kind.UNSTAKE, 0, FIRST, amount=TOKEN)
    market.ok(Kind.WITHDRAW, 0, FIRST)
    assert market.s.stake[FIRST] == 0
    assert market.do(Kind.WITHDRAW, 0, FIRST) == Verdict.POOR


# --- standing offers ---


def test_standing_offers_go_down_to_the_runner_up() -> None:
    """4.3: first price with complete information: ends just under the second-lowest cost (within a step)."""
    market = Market(LIMITS, jobs=200)
    for actor, ask in ((FIRST, 100), (SECOND, 200), (THIRD, 900)):
        market.ok(Kind.OFFER, 0, actor, amount=ask, detail=1)
    for k in range(150):
        time = k * HOUR
        job = market.propose(time, 10_000)
        market.ok(Kind.PROVE, time, int(market.b.prover[job]), job=job)
    paid = market.b.paid[:150]
    assert paid[0] == 10_000
    assert (paid[1:5] * 10_000 // paid[:4]).min() >= 9_499
    assert 190 * 0.95 - 1 <= paid[-1] <= 200 / 0.95
    assert market.prover == FIRST


def test_nobody_bids_more_than_offered() -> None:
    market = Market(LIMITS)
    market.ok(Kind.OFFER, 0, FIRST, amount=100, detail=1)
    assert market.b.phase[market.propose(0, 99)] == Phase.OPEN
    assert market.b.escrow[market.propose(0, 100)] == 100


# --- the rest ---


@pytest.mark.parametrize("capacity", [-1, 0, 2**31 + 1])
def test_senseless_capacities_are_refused(capacity: int) -> None:
    assert Market().do(Kind.OFFER, 0, FIRST, amount=1, detail=capacity) == Verdict.BAD_DETAIL


@pytest.mark.parametrize("kind", [Kind.DELEGATE, Kind.UNDELEGATE, Kind.TRANSFER, Kind.DECLINE])
def test_kinds_without_a_meaning(kind: Kind) -> None:
    assert running().do(kind, 0, FIRST, amount=1) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_bond_gwei", 0), ("bid_discount", 0), ("bid_discount", 10_001), ("max_fee_gwei", 0), ("max_fee_gwei",
        2**48), ("ewma_multiple", 0), ("slash_gwei", 0), ("window_ms", 0), ("standing", 2), ("grace_ms", -1),
    ],
)  # fmt: skip
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("proving_terms", proving_terms, {name: value})


def test_grace_spares_who_never_proves_in_the_simulator() -> None:
    """1.7 G5: slashed beyond window + grace only; rescuers that are ready prove within it."""
    path = Path(__file__).parents[2] / "scenarios" / "taiko-proving-terms.toml"
    spared = simulate(read(path, {"horizon": "12h"}))
    ruined = simulate(read(path, {"horizon": "12h"}, "proving_terms(grace_ms = 0)"))
    assert spared.provers.missed[0] > 60
    assert spared.provers.slashed_gwei[0] == spared.provers.income_gwei[0] == 0
    assert ruined.provers.slashed_gwei[0] > 40 * TOKEN
    assert spared.money_difference_gwei == ruined.money_difference_gwei == 0


# --- random markets: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

MARKETS = (
    LIMITS, BIDS, BIDS._replace(cooldown_ms=0, slash_gwei=1, bond_per_job_gwei=1, min_bond_gwei=5, grace_ms=0),
    LIMITS._replace(cooldown_ms=10, min_bond_gwei=3 * TOKEN, slash_gwei=3 * TOKEN),
)  # fmt: skip
STEP = st.tuples(
    st.sampled_from("oosuwrrrrrpppxxxxz"),
    st.integers(0, 5),
    st.integers(0, 63),
    st.integers(0, 2**62 - 1),
    st.sampled_from([0, 0, 1, MINUTE, GRACE, HOUR, WINDOW]),
)


def event_of(s: Any, what: str, now: int, actor: int, k: int, word: int) -> Event:
    """Make a step a plausible event, given the state it meets."""
    b = s.book
    if what in "osuw":
        fee = int(s.pending_fee[0] if s.pending[0] else s.active_fee[0])
        fees = (fee * 95 // 100, fee * 9 // 10, 1_000, 1 + word % 5_000)
        kind, amount = {"o": (Kind.OFFER, max(1, fees[k % 4])), "s": (Kind.STAKE, word % (5 * TOKEN)),
                        "u": (Kind.UNSTAKE, 1 + word % TOKEN), "w": (Kind.WITHDRAW, word % 2 * k)}[what]  # fmt: skip
        return Event(kind, now, actor, 0, amount, k % 5, 0)
    live = np.flatnonzero((b.phase != Phase.NONE) & (b.phase < Phase.SETTLED))
    job = int(live[k % live.size]) if live.size else k % b.phase.size
    if what == "r":
        new = np.flatnonzero(b.phase == Phase.NONE)
        return Event(Kind.REQUEST, now, actor, int(new[0]) if new.size else job, word % 10**4, 0, word)
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
    both = Both(proving_terms, p, market)
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
    assert b.escrow.sum() == market.s.bond.sum() == market.s.open_jobs.sum() == 0
