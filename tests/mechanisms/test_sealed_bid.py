"""Sealed bids at the second price: who wins, who is paid what, the penalties to the unit, and how it is attacked.

Section numbers are those of the field page on live prover markets. Every event passes the audit of the conformance
suite: money conserved, nothing negative, refused means untouched, phases as in the table.
"""

import random
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
from proofyard.mechanisms import rule, sealed_bid
from proofyard.mechanisms.sealed_bid import SEALS, Params
from proofyard.scenario import read

SCENARIO = Path(__file__).parents[2] / "scenarios" / "brevis-sealed-bid.toml"
TOKEN = 10**9
RICH = 10**15
S = 1_000  # ms
STAKE = 1_000 * TOKEN  # what a request asks for
MAX = 10**6  # gwei, the most the requester pays
REQUESTER, CHEAP, MIDDLE, DEAR, POOR = range(5)
BIDDING_END, REVEAL_END, DEADLINE = 300 * S, 900 * S, 3_600 * S  # of a request at 0
SIGMAS = 3
WORD = 2**62


class Auction:
    """One market whose every event is audited."""

    def __init__(self, actors: int = 5, jobs: int = 4, stake: int = STAKE, **params: int) -> None:
        self.p = Params(**params)
        self.market = Market(Setup(Rule("sealed_bid", sealed_bid, self.p), jobs, (RICH,) * actors))
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

    def seal(self, actor: int, **rest: int) -> Verdict:
        return self.do(Kind.BID, actor, **rest)

    def open(self, actor: int, fee: int, **rest: int) -> Verdict:
        return self.do(Kind.BID, actor, fee, **{"time": BIDDING_END + 1} | rest)

    def due(self, job: int = 0) -> Verdict:
        """Fire the job's timer as soon as it may."""
        return self.market.answer(self.market.timer(job, int(self.b.deadline[job]) + 1))

    def decide(self, job: int = 0) -> None:
        """Fire timers until the auction is decided."""
        while self.phase(job) == Phase.BIDDING:
            assert self.due(job) == Verdict.OK

    def phase(self, job: int = 0) -> Phase:
        return Phase(int(self.b.phase[job]))

    def gain(self, actor: int) -> int:
        """Cash and stake won or lost since genesis."""
        return int(self.b.cash[actor] + self.s.stake[actor] + self.s.exiting[actor]) - RICH


def sold(*fees: int, **params: int) -> Auction:
    """An auction decided by what the provers opened, in this order."""
    auction = Auction(actors=max(5, len(fees) + 1), **params)
    auction.request()
    for actor in range(1, len(fees) + 1):
        assert auction.seal(actor, word=actor) == Verdict.OK
    for actor, fee in enumerate(fees, 1):
        assert auction.open(actor, fee, word=actor) == Verdict.OK
    auction.decide()
    return auction


# --- the auction (2.2.1 to 2.2.4) ---


@pytest.mark.parametrize(
    ("fees", "winner", "price"),
    [((3, 5, 9), 1, 5), ((9, 5, 3), 3, 5), ((5, 9, 3), 3, 5), ((3, 9, 5), 1, 5), ((5, 5, 9), 1, 5), ((9, 5, 5), 2, 5),
     ((7,), 1, 7), ((0, 4), 1, 4), ((0,), 1, 0)],
)  # fmt: skip
def test_the_lowest_wins_and_earns_the_second_lowest(fees: tuple[int, ...], winner: int, price: int) -> None:
    """2.2.3 and 2.2.4: of a tie the earlier revealer; alone, its own fee."""
    auction = sold(*(fee * 1_000 for fee in fees))
    assert auction.b.prover[0] == winner
    auction.ok(Kind.PROVE, winner, time=REVEAL_END + 1)
    kept = price * 1_000 // 100  # protocolFeeBps 100
    assert auction.gain(winner) == auction.b.paid[0] == price * 1_000 - kept
    assert auction.gain(REQUESTER) == -price * 1_000
    assert auction.b.reserve[0] == kept


def test_fees_and_commissions_are_rounded_down() -> None:
    """2.2.4: less protocol fee; goes to the staking controller (commission, then vault)."""
    auction = sold(1, 12_345, fee_rate=123, commission_rate=3_333)
    auction.ok(Kind.PROVE, CHEAP, time=DEADLINE)  # at the very deadline
    kept = 12_345 * 123 // 10_000
    commission = (12_345 - kept) * 3_333 // 10_000
    assert (auction.b.reserve[0], auction.b.cash[CHEAP] - (RICH - STAKE)) == (kept, commission)
    assert auction.s.stake[CHEAP] == STAKE + 12_345 - kept - commission
    assert auction.b.paid[0] == 12_345 - kept


def test_bids_and_openings_have_their_times() -> None:
    """2.2.2: t <= T + bidding; 2.2.3: bidding end < t <= reveal end."""
    auction = Auction()
    auction.request()
    assert auction.seal(CHEAP, time=BIDDING_END) == Verdict.OK
    assert auction.seal(DEAR, time=BIDDING_END + 1) == Verdict.NOT_YOURS  # it would be an opening, of nothing
    assert auction.do(Kind.CLOSE, DEAR, time=BIDDING_END + 1) == Verdict.OK
    assert auction.b.deadline[0] == REVEAL_END
    assert auction.do(Kind.CLOSE, DEAR, time=REVEAL_END) == Verdict.EARLY
    assert auction.open(CHEAP, 1, time=REVEAL_END) == Verdict.OK
    assert auction.open(CHEAP, 1, time=REVEAL_END + 1) == Verdict.LATE


def test_an_opening_must_fit_its_seal_and_the_highest_fee() -> None:
    auction = Auction()
    auction.request()
    auction.seal(CHEAP, word=7)
    assert auction.seal(CHEAP, word=8) == Verdict.OK  # may be overwritten
    assert auction.open(CHEAP, 1, word=7) == Verdict.BAD_DETAIL
    assert auction.open(CHEAP, MAX + 1, word=8) == Verdict.TOO_DEAR
    assert auction.open(CHEAP, MAX, word=8) == Verdict.OK


def test_opening_twice_makes_the_leader_its_own_second() -> None:
    """As the contract does, if the leader has the stake for one more; it costs only the leader."""
    auction = Auction(stake=2 * STAKE)
    auction.request()
    for actor in (CHEAP, DEAR):
        auction.seal(actor)
    for actor, fee in ((CHEAP, 10), (CHEAP, 10), (DEAR, 90), (DEAR, 90)):
        assert auction.open(actor, fee) == Verdict.OK
    auction.decide()
    auction.ok(Kind.PROVE, CHEAP, time=DEADLINE)
    assert auction.gain(REQUESTER) == -10


def test_nothing_happens_for_not_opening() -> None:
    """2.2.7: no penalty."""
    auction = Auction()
    auction.request()
    auction.seal(CHEAP)
    auction.decide()
    assert auction.phase() == Phase.LOST
    assert auction.market.now == REVEAL_END + 1
    assert auction.gain(CHEAP) == auction.gain(REQUESTER) == 0


def test_without_a_bid_the_refund_comes_after_the_bidding() -> None:
    """2.2.5."""
    auction = Auction()
    auction.offer(CHEAP, MAX + 1)  # dearer than the request pays
    auction.request()
    assert auction.due() == Verdict.OK
    assert (auction.phase(), auction.market.now) == (Phase.LOST, BIDDING_END + 1)
    assert auction.gain(REQUESTER) == 0


def test_only_the_winner_delivers_and_only_once_it_is_known() -> None:
    """2.2.4, 2.2.7, 2.4.4: never before bidding + reveal; no substitute."""
    auction = Auction()
    auction.request()
    auction.seal(CHEAP)
    auction.open(CHEAP, 1)
    assert auction.do(Kind.PROVE, CHEAP, time=REVEAL_END) == Verdict.WRONG_PHASE
    auction.decide()
    assert auction.do(Kind.PROVE, DEAR, time=REVEAL_END + 1) == Verdict.NOT_YOURS
    assert auction.do(Kind.PROVE, CHEAP, time=DEADLINE + 1) == Verdict.LATE


def test_limits_of_the_highest_fee() -> None:
    auction = Auction(least_gwei=10, most_gwei=20)
    assert auction.do(Kind.REQUEST, REQUESTER, 9) == Verdict.BAD_AMOUNT
    assert auction.do(Kind.REQUEST, REQUESTER, 21) == Verdict.TOO_DEAR
    auction.request(10)
    auction.request(20, job=1)


# --- admission (2.2.2, 2.4.5) ---


def test_twenty_open_wins_need_less_than_two_stakes() -> None:
    """2.4.5: the w-th open request needs m (1 + 0.05 (w - 1)), so 20 wins need only 1.95 m."""
    auction = Auction(actors=2, jobs=22, stake=STAKE * 195 // 100)
    for job in range(20):
        auction.request(job=job)
        assert auction.seal(CHEAP, job=job) == Verdict.OK
    for job in range(20):
        assert auction.open(CHEAP, 1, job=job) == Verdict.OK
    auction.request(job=20, time=BIDDING_END + 2)
    assert auction.seal(CHEAP, job=20, time=BIDDING_END + 2) == Verdict.POOR
    auction.ok(Kind.STAKE, CHEAP, STAKE // 20 - 1, time=BIDDING_END + 2)
    assert auction.seal(CHEAP, job=20, time=BIDDING_END + 2) == Verdict.POOR
    auction.ok(Kind.STAKE, CHEAP, 1, time=BIDDING_END + 2)
    assert auction.seal(CHEAP, job=20, time=BIDDING_END + 2) == Verdict.OK


def test_who_is_overtaken_owes_nothing_more() -> None:
    """2.2.3: the obligation moves along with the current winner; eligibility is checked again at the opening."""
    auction = Auction()
    for job in range(2):
        auction.request(job=job)
        for actor in (CHEAP, DEAR):
            assert auction.seal(actor, job=job) == Verdict.OK
    auction.open(DEAR, 50)
    assert auction.open(DEAR, 50, job=1) == Verdict.POOR
    auction.open(CHEAP, 10)
    assert auction.s.leads[:4].tolist() == [0, 1, 0, 0]
    assert auction.open(DEAR, 50, job=1) == Verdict.OK
    auction.decide(0)
    auction.ok(Kind.PROVE, CHEAP, time=REVEAL_END + 1)
    assert auction.s.leads[CHEAP] == 0


def test_who_has_no_stake_may_not_bid() -> None:
    auction = Auction(stake=STAKE - 1)
    auction.request()
    assert auction.seal(CHEAP) == Verdict.POOR
    auction.ok(Kind.STAKE, CHEAP, 1)
    assert auction.seal(CHEAP) == Verdict.OK


def test_room_for_sealed_bids_is_used_again() -> None:
    auction = Auction(actors=2, jobs=SEALS + 2, min_stake_gwei=0, self_stake_gwei=0)
    for job in range(SEALS + 1):
        auction.request(0, job=job)
        assert auction.seal(CHEAP, job=job) == (Verdict.OK if job < SEALS else Verdict.FULL)
    assert auction.seal(CHEAP, job=3, word=9) == Verdict.OK  # in the place of its own
    auction.decide(5)
    auction.request(0, job=SEALS + 1, time=auction.market.now)
    assert auction.seal(CHEAP, job=SEALS + 1, time=auction.market.now) == Verdict.OK
    assert auction.s.seals[0] == SEALS


# --- standing offers ---


def test_standing_offers_bid_in_every_auction() -> None:
    auction = Auction()
    for actor, price in ((DEAR, 900), (CHEAP, 300), (MIDDLE, 500)):
        auction.offer(actor, price)
    auction.request()
    auction.decide()
    assert auction.market.now == REVEAL_END + 1
    auction.ok(Kind.PROVE, CHEAP, time=DEADLINE)
    assert auction.gain(REQUESTER) == -500


def test_who_bids_by_hand_is_not_counted_twice() -> None:
    auction = Auction()
    auction.offer(CHEAP, 300)
    auction.offer(DEAR, 900)
    auction.request()
    auction.seal(CHEAP)
    auction.open(CHEAP, 200)
    auction.decide()
    auction.ok(Kind.PROVE, CHEAP, time=DEADLINE)
    assert auction.gain(REQUESTER) == -900


def test_equal_offers_are_opened_in_random_order() -> None:
    winners = []
    for actor in range(4):
        auction = Auction()
        for other in range(1, 5):
            auction.offer(other, 500)
        auction.request(word=(actor + 1) * (WORD // 5) + 5)
        auction.decide()
        winners.append(int(auction.b.prover[0]))
    assert winners == [1, 2, 3, 4]


def test_the_reference_bidder_does_not_look_at_its_own_load() -> None:
    """2.2 and 2.4.5: capacity 3 and load above 3; `mind_load = 1` is a bidder that does look."""
    for mind_load, wins in ((0, 4), (1, 3)):
        auction = Auction(actors=2, stake=2 * STAKE, mind_load=mind_load)
        auction.offer(CHEAP, 1, capacity=3)
        for job in range(4):
            auction.request(job=job)
        for job in range(4):
            auction.decide(job)
        assert auction.s.open_jobs[CHEAP] == wins
    assert auction.do(Kind.OFFER, CHEAP, 1, detail=-1) == Verdict.BAD_DETAIL


# --- the winner does not deliver (2.2.5, 2.2.6, 2.4.3) ---


def test_zero_fee_griefing_costs_a_share_of_the_stake() -> None:
    """2.4.3: bid 0, win, never deliver: minStake x slashBps / 1e4; the requester only has its money back."""
    auction = sold(0, 500)
    assert auction.due() == Verdict.OK
    assert auction.phase() == Phase.LOST
    assert auction.gain(CHEAP) == -STAKE // 10
    assert auction.b.reserve[0] == auction.b.slashed[CHEAP] == STAKE // 10
    assert auction.gain(REQUESTER) == 0
    assert auction.s.leads[CHEAP] == auction.s.open_jobs[CHEAP] == 0


@pytest.mark.parametrize(("after", "slashed"), [(86_400 * S, STAKE // 10), (86_400 * S + 1, 0)])
def test_a_refund_that_comes_too_late_slashes_nobody(after: int, slashed: int) -> None:
    """2.4.3: a refund nobody triggers before deadline + slashWindow means no slash at all."""
    auction = sold(0, 500)
    auction.ok(Kind.EXPIRE, DEAR, time=DEADLINE + after)
    assert auction.gain(CHEAP) == -slashed
    assert auction.gain(REQUESTER) == 0


@pytest.mark.parametrize(
    ("stake", "literal", "meant"),
    [
        (STAKE, STAKE // 10, STAKE // 10),
        (3 * STAKE, 3 * STAKE * 333 // 10_000, STAKE // 10),  # whole bips, rounded down
        (1_000 * STAKE, 1_000 * STAKE // 10_000, STAKE // 10),  # exactly one
        (1_000 * STAKE + 1, 0, STAKE // 10),  # less than one
    ],
)
def test_a_slash_in_whole_bips(stake: int, literal: int, meant: int) -> None:
    """2.2.6: slashByAmount computes amount * 1e4 / total and slashes so many bips."""
    for switch, taken in ((1, literal), (0, meant)):
        p = Params(literal=switch)
        s: Any = Rule("sealed_bid", sealed_bid, p).genesis(3, 1)
        s.book.cash[:] = 4 * 10**17
        events = [
            Event(Kind.STAKE, 0, 1, 0, stake, 0, 0), Event(Kind.OFFER, 0, 1, 0, 1, 1, 0),
            Event(Kind.REQUEST, 0, 0, 0, MAX, 0, 0), Event(Kind.CLOSE, REVEAL_END + 1, 0, 0, 0, 0, 0),
            Event(Kind.EXPIRE, DEADLINE + 1, 0, 0, 0, 0, 0),
        ]  # fmt: skip
        assert [sealed_bid.apply(p, s, e) for e in events] == [Verdict.OK] * 5
        assert s.book.slashed[1] == stake - s.stake[1] == taken


def test_one_slash_is_capped() -> None:
    """2.1: cap on one slash 1000 bps (sample)."""
    for literal in (0, 1):
        auction = Auction(literal=literal, slash_rate=10_000, cap_rate=1_000)
        auction.offer(CHEAP, 1)
        auction.request()
        auction.decide()
        auction.due()
        assert auction.gain(CHEAP) == -STAKE // 10


def test_unstaked_money_is_slashed_in_its_queue() -> None:
    """2.2.6: from vault and pending unstakes."""
    for literal, queued in ((1, STAKE // 20), (0, STAKE // 20)):
        auction = Auction(literal=literal, stake=2 * STAKE)
        auction.offer(CHEAP, 1)
        auction.request()
        auction.decide()
        auction.ok(Kind.UNSTAKE, CHEAP, STAKE, time=REVEAL_END + 1)  # nothing ties the stake to what it has won
        auction.due()
        assert auction.s.exiting[CHEAP] == STAKE - queued
        assert auction.s.idle[CHEAP] == 1  # below the least own stake
        matured = REVEAL_END + 1 + 604_800 * S
        assert auction.do(Kind.WITHDRAW, CHEAP, time=matured - 1) == Verdict.EARLY
        assert auction.do(Kind.WITHDRAW, CHEAP, STAKE, time=matured) == Verdict.POOR
        auction.ok(Kind.WITHDRAW, CHEAP, 1, time=matured)
        auction.ok(Kind.WITHDRAW, CHEAP, time=matured)
        assert auction.do(Kind.WITHDRAW, CHEAP, time=matured) == Verdict.POOR
        assert auction.gain(CHEAP) == -STAKE // 10


def test_the_scale_of_slashes_deactivates_below_40_and_stops_at_20_percent() -> None:
    """2.1: slash scale floor 20 %, automatic deactivation under 40 %."""
    rates = {"self_stake_gwei": 0, "min_stake_gwei": STAKE, "slash_rate": 10_000, "cap_rate": 5_000}
    auction = Auction(jobs=4, **rates)
    scales: list[int] = []
    idle: list[int] = []
    for job in range(4):
        auction.ok(Kind.STAKE, CHEAP, STAKE, time=auction.market.now)  # active again, the scale stays
        auction.offer(CHEAP, 1)
        auction.request(job=job, time=auction.market.now)
        auction.decide(job)
        stake = int(auction.s.stake[CHEAP])
        auction.due(job)
        scales.append(int(auction.s.scale[CHEAP]))
        idle.append(int(auction.s.idle[CHEAP]))
        assert auction.s.stake[CHEAP] == (stake // 2 if job < 2 else stake)
    assert scales == [5_000, 2_500, 2_500, 2_500]
    assert idle == [0, 1, 0, 0]  # who has come back to so low a scale cannot be slashed any more


def test_who_is_not_active_cannot_be_paid() -> None:
    """Literal: rewards are refused for a prover that is not active, and with them the proof."""
    for literal, verdict in ((1, Verdict.POOR), (0, Verdict.OK)):
        auction = sold(3, 5, literal=literal)
        assert auction.do(Kind.UNSTAKE, CHEAP, 1, time=REVEAL_END + 1) == Verdict.POOR  # not enough would be left
        auction.ok(Kind.UNSTAKE, CHEAP, STAKE, time=REVEAL_END + 1)
        assert auction.do(Kind.PROVE, CHEAP, time=DEADLINE) == verdict
    auction = sold(3, 5)
    auction.ok(Kind.UNSTAKE, CHEAP, STAKE, time=REVEAL_END + 1)
    auction.ok(Kind.STAKE, CHEAP, STAKE, time=REVEAL_END + 2)
    auction.ok(Kind.PROVE, CHEAP, time=DEADLINE)


# --- closed forms (2.4, 15.1; 4.3 of the page on rollups) ---


def outcome(costs: list[int], dear: int = MAX) -> tuple[int, int]:
    """Winner and price of one auction of standing offers."""
    p = Params(min_stake_gwei=0, self_stake_gwei=0)
    s: Any = Rule("sealed_bid", sealed_bid, p).genesis(len(costs) + 1, 1)
    s.book.cash[0] = dear
    for actor, cost in enumerate(costs, 1):
        s.price[actor], s.capacity[actor] = cost, 1
    for event in (Event(Kind.REQUEST, 0, 0, 0, dear, 0, 0), Event(Kind.CLOSE, REVEAL_END + 1, 0, 0, 0, 0, 0)):
        assert sealed_bid.apply(p, s, event) == Verdict.OK
    winner = int(s.book.prover[0])
    assert sealed_bid.apply(p, s, Event(Kind.PROVE, DEADLINE, winner, 0, 0, 0, 0)) == Verdict.OK
    return winner, dear - int(s.book.cash[0])


@pytest.mark.parametrize("n", [2, 5])
def test_mean_payment_and_mean_cost(n: int) -> None:
    """2.4.1, 15.1: n costs iid U[0,1]: mean payment 2/(n+1), mean cost 1/(n+1). 2,000 runs."""
    dice = np.random.default_rng(3)
    prices, costs = np.zeros(2_000), np.zeros(2_000)
    for k in range(2_000):
        drawn = [int(cost) for cost in dice.integers(1, MAX, n)]
        winner, price = outcome(drawn)
        prices[k], costs[k] = price / MAX, drawn[winner - 1] / MAX
    for values, mean in ((prices, 2 / (n + 1)), (costs, 1 / (n + 1))):
        assert abs(values.mean() - mean) < SIGMAS * values.std() / 2_000**0.5


def test_truth_is_dominant() -> None:
    """2.4.1: no report earns more than the true cost, whatever the others say."""
    dice = np.random.default_rng(4)
    for _ in range(60):
        others = [int(x) for x in dice.integers(1, 40, 2)]
        cost = int(dice.integers(1, 40))

        def profit(report: int, others: list[int] = others, cost: int = cost) -> int:
            winner, price = outcome([report, *others], 100)
            return price - cost if winner == 1 else 0

        assert profit(cost) == max(profit(report) for report in range(1, 45))


@pytest.mark.parametrize("n", [2, 5])
def test_a_requester_with_a_grid_of_sealed_bids_takes_the_rent(n: int) -> None:
    """2.4.2: payment falls from the second price to lowest + grid step; unrevealed bids cost nothing. 400 runs."""
    step, runs = MAX // 50, 400
    grid = list(range(step, MAX + 1, step))
    p = Params(fee_rate=0)
    dice = np.random.default_rng(8)
    paid, lowest = np.zeros(runs), np.zeros(runs)
    for k in range(runs):
        costs = [int(x) for x in dice.integers(1, MAX, n)]
        s: Any = Rule("sealed_bid", sealed_bid, p).genesis(1 + n + len(grid), 1)
        s.book.cash[0] = MAX
        s.stake[1:] = STAKE
        events = [Event(Kind.REQUEST, 0, 0, 0, MAX, 0, 0)]
        events += [Event(Kind.BID, 1, actor, 0, 0, 0, actor) for actor in range(1, 1 + n + len(grid))]
        events += [Event(Kind.BID, BIDDING_END + 1, actor, 0, cost, 0, actor) for actor, cost in enumerate(costs, 1)]
        just_above = next(j for j, fee in enumerate(grid) if fee > min(costs))
        shill = 1 + n + just_above
        events.append(Event(Kind.BID, REVEAL_END, shill, 0, grid[just_above], 0, shill))  # the last to open
        events.append(Event(Kind.CLOSE, REVEAL_END + 1, 0, 0, 0, 0, 0))
        assert {sealed_bid.apply(p, s, e) for e in events} == {Verdict.OK}
        winner = int(s.book.prover[0])
        assert costs[winner - 1] == min(costs)
        assert sealed_bid.apply(p, s, Event(Kind.PROVE, DEADLINE, winner, 0, 0, 0, 0)) == Verdict.OK
        paid[k], lowest[k] = MAX - int(s.book.cash[0]), min(costs)
        assert s.book.slashed.sum() == 0
    assert (paid - lowest <= step).all()
    error = paid.std() / MAX / runs**0.5
    assert 1 / (n + 1) - SIGMAS * error < paid.mean() / MAX < 1 / (n + 1) + step / MAX + SIGMAS * error


# --- in the simulator ---


def test_no_proof_comes_before_both_phases_are_over() -> None:
    """2.4.4, 15.4: completion time >= bidding + reveal + proving time, always."""
    provers = [prover("cheap", "100s", stake="1000", ask="0.1"), prover("dear", "50s", stake="1000", ask="0.2")]
    work = {"every": "1800s", "requests": 20, "max_fee": "1"}
    run = simulate(scenario("sealed_bid", workload=work, provers=provers, horizon="24h"))
    assert (run.jobs.proven_ms - run.jobs.asked_ms == REVEAL_END + 1 + 100 * S).all()
    assert (run.jobs.paid_gwei == TOKEN // 5 * 99 // 100).all()
    assert run.provers.wins.tolist() == [20, 0]  # speed counts for nothing


def test_honest_bidders_miss_when_they_do_not_look_at_their_load() -> None:
    """2.4.5: bids linear in cost, capacity 3, load above 3: misses appear although every bidder is honest."""
    work = {"arrivals": "poisson", "every": "120s", "requests": 500, "max_fee": "1"}
    stakes = {"stake": "100000", "capacity": 3}
    provers = [prover("cheap", "600s", ask="0.1", **stakes), prover("dear", "600s", ask="0.2", **stakes)]
    missed: list[int] = []
    for text in ("sealed_bid", "sealed_bid(mind_load=1)"):
        run = simulate(scenario(text, workload=work, provers=provers, horizon="40h"))
        assert run.money_difference_gwei == 0
        missed.append(int(run.provers.missed.sum()))
    assert missed[0] > 50
    assert missed[1] == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_shipped_scenario_shows_its_claim(seed: int) -> None:
    """2.4.5, and 2.1: deactivation under 40 %."""
    run = simulate(read(SCENARIO), seed=seed)
    cheapest = 0
    assert run.provers.missed[cheapest] > 1.5 * run.provers.wins[cheapest]
    assert 0.35 < run.provers.stake_gwei[cheapest] / run.provers.stake_start_gwei[cheapest] < 0.4
    assert run.provers.missed[1:].sum() > 100
    mindful = simulate(read(SCENARIO, None, "sealed_bid(window_ms = 1_200_000, mind_load = 1)"), seed=seed)
    assert mindful.provers.missed.sum() == 0
    for result in (run, mindful):
        proven = result.jobs.proven_ms > 0
        assert (result.jobs.proven_ms - result.jobs.asked_ms)[proven].min() > REVEAL_END


# --- parameters ---


@pytest.mark.parametrize(
    "wrong",
    ["bidding_ms=0", "reveal_ms=0", "window_ms=899_999", "window_ms=2_592_000_001", "min_stake_gwei=999_999_999_999",
     "slash_rate=10_001", "cap_rate=-1", "overcommit_rate=10_001", "commission_rate=10_001", "literal=2"],
)  # fmt: skip
def test_senseless_parameters_are_refused(wrong: str) -> None:
    """2.1: deadline >= now + bidding + reveal, <= 30 days."""
    with pytest.raises(BadInput, match=wrong.partition("=")[0]):
        rule(f"sealed_bid({wrong})")


# --- anything at all ---

SMALL = {"min_stake_gwei": 1_000, "self_stake_gwei": 1_000}
MARKETS = (
    Params(**SMALL),
    Params(**SMALL, literal=0, mind_load=1, commission_rate=3_000),
    Params(bidding_ms=1, reveal_ms=1, window_ms=2, min_stake_gwei=0, self_stake_gwei=0, slash_rate=10_000),
    Params(min_stake_gwei=10_000, self_stake_gwei=0, slash_rate=10_000, cap_rate=10_000, unstake_ms=0),
)
KINDS = (
    Kind.OFFER, Kind.STAKE, Kind.UNSTAKE, Kind.WITHDRAW, Kind.REQUEST, Kind.BID, Kind.CLOSE, Kind.PROVE, Kind.EXPIRE,
)  # fmt: skip


@settings(max_examples=60)
@given(p=st.sampled_from(MARKETS), seed=st.integers(0, 2**32))
def test_random_markets(p: Params, seed: int) -> None:
    """Audited event by event; no job is stuck; compiled, the same verdicts and the same state."""
    dice = random.Random(seed)
    market = Market(Setup(Rule("sealed_bid", sealed_bid, p), 10, (10**12, 10**9, 10**9, 10**6, 0)))
    draw = Plausible(dice, market)
    for actor in range(1, 4):
        market.answer(Event(Kind.STAKE, 0, actor, 0, 5 * 10**5, 0, 0))
        market.answer(Event(Kind.OFFER, 0, actor, 0, 10**actor, actor, 0))
    for _ in range(70):
        market.answer(draw.next(KINDS))
    drain(market)
    s = market.sheet.state
    assert market.book.escrow.sum() == s.leads.sum() == s.open_jobs.sum() == s.sealed.sum() == 0
    compare(market.trace())
