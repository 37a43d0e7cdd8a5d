"""The standing auction: undercuts, caps, averages, slots, slashes. Sections are those of the field page on rollups."""

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
from proofyard.mechanisms import standing_auction
from proofyard.mechanisms.standing_auction import MARKET_2025, MINUTE, POOL, SLOTS, TOKEN, WEEK, Params
from proofyard.scenario import read

PROPOSER, FIRST, SECOND, THIRD, FOURTH, RESCUER = range(6)
RICH = 100_000 * TOKEN
HOUR = 60 * MINUTE
WINDOW = 4 * HOUR
BIDS = Params(standing=0)  # an OFFER is a bid
ANY_FEE = RICH // 100


class Market:
    """A market in plain Python whose every event is audited."""

    def __init__(self, p: Params = BIDS, actors: int = 6, jobs: int = 24, cash: int = RICH) -> None:
        self.p = p
        self.s = Rule("standing_auction", standing_auction, self.p).genesis(actors, jobs)
        self.b = self.s.book
        self.b.cash[:] = cash
        self.total = shape.total_gwei(self.s)
        self.jobs = 0

    def do(self, kind: Kind, time: int, actor: int, **rest: int) -> Verdict:
        before = shape.copy(self.s)
        event = Event(kind, time, actor, **({"job": 0, "amount": 0, "detail": 0, "word": 0} | rest))
        verdict = standing_auction.apply(self.p, self.s, event)
        assert shape.total_gwei(self.s) == self.total
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        audit_pool(self.s)
        return verdict

    def ok(self, kind: Kind, time: int, actor: int, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def stake(self, actor: int, tokens: int = 40, time: int = 0) -> None:
        self.ok(Kind.STAKE, time, actor, amount=tokens * TOKEN)

    def bid(self, actor: int, fee: int, time: int = 0) -> Verdict:
        return self.do(Kind.OFFER, time, actor, amount=fee, detail=1)

    def request(self, time: int = 0, amount: int = ANY_FEE, actor: int = PROPOSER) -> int:
        """Request the next job and return who must prove it."""
        self.ok(Kind.REQUEST, time, actor, job=self.jobs, amount=amount)
        self.jobs += 1
        return int(self.b.prover[self.jobs - 1])

    def late_proof(self, job: int, actor: int, time: int = WINDOW + 1) -> None:
        if self.b.phase[job] == Phase.ASSIGNED:
            self.ok(Kind.EXPIRE, time, PROPOSER, job=job)
        self.ok(Kind.PROVE, time, actor, job=job)

    @property
    def holder(self) -> int:
        """Who leads the pool, -1 if it is empty."""
        return int(self.s.member[0]) if self.s.size[0] else -1

    def worth(self, actor: int) -> int:
        """Cash and balance beyond what it began with."""
        return int(self.b.cash[actor] + self.s.stake[actor]) - RICH


def audit_pool(s: Any) -> None:
    """Seats and members name each other, and the slots are all given."""
    size = int(s.size[0])
    members = s.member[:size].tolist()
    assert [int(s.seat[actor]) for actor in members] == list(range(1, size + 1))
    assert (s.seat > 0).sum() == size
    if size:
        assert s.slots[:size].sum() == SLOTS
        assert s.slots[:size].min() >= 1


def seated(p: Params = BIDS, fee: int = 1_000, tokens: int = 20) -> Market:
    """FIRST has the seat."""
    market = Market(p)
    market.stake(FIRST, tokens)
    assert market.bid(FIRST, fee) == Verdict.OK
    return market


# --- bidding in ProverAuction ---


def test_fourteen_undercuts_halve_the_fee() -> None:
    """1.7 G3 and 5, item 7: 14 successive 5 % undercuts, 1 000 000 -> 487 673."""
    market = Market(BIDS._replace(initial_fee_gwei=1_000_000))
    market.stake(FIRST)
    market.stake(SECOND)
    assert market.bid(FIRST, 1_000_000) == Verdict.OK
    for k in range(14):
        fee = int(market.s.fee[0])
        bidder = (SECOND, FIRST)[k % 2]
        assert market.bid(bidder, fee * 9_500 // 10_000 + 1) == Verdict.TOO_DEAR
        assert market.bid(bidder, fee * 9_500 // 10_000) == Verdict.OK
        assert market.holder == bidder
    assert market.s.fee[0] == 487_673
    assert market.s.churn[0] == 15


def test_a_bid_needs_twenty_liveness_bonds() -> None:
    """1.7 G3: bondMultiplier 10 (eject below 10, require 20)."""
    market = Market()
    market.stake(FIRST, 19)
    assert market.bid(FIRST, 1_000) == Verdict.POOR
    market.stake(FIRST, 1)
    assert market.bid(FIRST, 1_000) == Verdict.OK


def test_lowering_ones_own_fee() -> None:
    """1.7 G3: self-lowering, any lower fee, at most every 2 min."""
    market = seated()
    assert market.bid(FIRST, 999, 2 * MINUTE - 1) == Verdict.EARLY
    assert market.bid(FIRST, 1_000, 2 * MINUTE) == Verdict.TOO_DEAR
    assert market.bid(FIRST, 999, 2 * MINUTE) == Verdict.OK
    assert market.s.churn[0] == 1
    market.request(2 * MINUTE)
    market.late_proof(0, RESCUER, 2 * MINUTE + WINDOW + 1)
    assert market.bid(FIRST, 998, 5 * HOUR) == Verdict.POOR  # 19 bonds are enough to stay, not to bid


@pytest.mark.parametrize("minutes", range(0, 200, 7))
def test_the_cap_of_a_vacant_seat_doubles(minutes: int) -> None:
    """1.7 G3: vacancy cap 1000, 2000, ..., 256000 gwei, then flat."""
    market = Market()
    market.stake(FIRST)
    cap = 1_000 << min(minutes // 15, 8)
    assert market.bid(FIRST, cap + 1, minutes * MINUTE) == Verdict.TOO_DEAR
    assert market.bid(FIRST, cap, minutes * MINUTE) == Verdict.OK


def test_the_cap_counts_from_the_exit_and_from_twice_the_average() -> None:
    """1.7 G3: fee <= max(lastFee, max(initial, 2*MA)) << min(elapsed//15min, 8)."""
    market = seated(BIDS._replace(initial_fee_gwei=10_000), fee=8_000)
    assert market.s.average[0] == 8_000
    market.ok(Kind.UNSTAKE, HOUR, FIRST, amount=1)
    market.stake(SECOND, 20, HOUR)
    assert market.bid(SECOND, 16_001, HOUR + 15 * MINUTE - 1) == Verdict.TOO_DEAR
    assert market.bid(SECOND, 32_001, HOUR + 15 * MINUTE) == Verdict.TOO_DEAR
    assert market.bid(SECOND, 32_000, HOUR + 15 * MINUTE) == Verdict.OK


@pytest.mark.parametrize(
    ("seconds", "average"), [(0, 999), (1, 999), (600, 983), (900, 975), (1_800, 950), (9_999, 950)]
)
def test_the_moving_average_weighs_by_time(seconds: int, average: int) -> None:
    """1.7 G3: w = clamp(elapsed, 1, window); MA = (MA*(window-w)+fee*w)//window; fee 950 after 1000, window 1800 s."""
    market = seated()
    market.stake(SECOND, 20)
    assert market.bid(SECOND, 950, 1_000 * seconds) == Verdict.OK
    assert market.s.average[0] == average


def test_no_fee_beyond_what_can_be_written() -> None:
    market = Market(BIDS._replace(initial_fee_gwei=2**32 - 1))
    market.stake(FIRST)
    assert market.bid(FIRST, 2**32, 10 * HOUR) == Verdict.TOO_DEAR
    assert market.bid(FIRST, 2**32 - 1, 10 * HOUR) == Verdict.OK


# --- leaving ---


def test_the_balance_waits_two_days() -> None:
    """1.7 G3: withdrawal delay 48 h, after exit or after being outbid; not while in the seat."""
    market = seated()
    assert market.do(Kind.WITHDRAW, 1, FIRST) == Verdict.EARLY
    market.stake(SECOND, 20)
    assert market.bid(SECOND, 950, 2) == Verdict.OK
    assert market.do(Kind.WITHDRAW, 1 + 48 * HOUR, FIRST) == Verdict.EARLY
    assert market.do(Kind.WITHDRAW, 2 + 48 * HOUR, FIRST, amount=20 * TOKEN + 1) == Verdict.POOR
    market.ok(Kind.WITHDRAW, 2 + 48 * HOUR, FIRST, amount=5 * TOKEN)
    market.ok(Kind.WITHDRAW, 2 + 48 * HOUR, FIRST)
    assert market.worth(FIRST) == 0
    assert market.do(Kind.WITHDRAW, 2 + 48 * HOUR, FIRST) == Verdict.POOR


def test_leaving_makes_the_seat_vacant() -> None:
    market = seated()
    market.ok(Kind.UNSTAKE, 5, FIRST, amount=1)
    assert market.holder == -1
    assert market.do(Kind.REQUEST, 5, PROPOSER, amount=ANY_FEE) == Verdict.NO_PROVER
    assert market.do(Kind.UNSTAKE, 6, FIRST, amount=1) == Verdict.EARLY
    assert market.bid(FIRST, 2_000, 7) == Verdict.OK  # back, and no longer waiting
    assert market.do(Kind.WITHDRAW, 7 + 48 * HOUR, FIRST) == Verdict.EARLY


def test_who_never_sat_takes_its_balance_at_once() -> None:
    market = Market()
    market.stake(FIRST)
    market.ok(Kind.UNSTAKE, 0, FIRST, amount=TOKEN)
    market.ok(Kind.WITHDRAW, 0, FIRST)
    assert market.worth(FIRST) == 0


# --- proposals and proofs ---


def test_the_fee_is_paid_at_once() -> None:
    """1.7 G3: pays the standing prover's fee in ETH at once."""
    market = seated()
    assert market.do(Kind.REQUEST, 0, PROPOSER, amount=999) == Verdict.TOO_DEAR
    assert market.request(amount=1_000) == FIRST
    assert market.worth(FIRST) == 1_000
    assert market.worth(PROPOSER) == -1_000
    market.ok(Kind.PROVE, WINDOW, FIRST)
    assert market.b.paid[0] == 1_000
    assert market.b.slashed.sum() == 0


def test_a_proposer_in_the_seat_pays_nothing() -> None:
    market = seated()
    assert market.request(actor=FIRST) == FIRST
    assert market.worth(FIRST) == 0


def test_proving_oneself() -> None:
    """1.7 G3: either self-proves (needs bond >= ejection threshold, fee 0); vacant and no self-proving -> reverts."""
    market = Market()
    assert market.do(Kind.REQUEST, 0, SECOND, amount=ANY_FEE) == Verdict.NO_PROVER
    market.ok(Kind.STAKE, 0, SECOND, amount=10 * TOKEN - 1)
    assert market.do(Kind.REQUEST, 0, SECOND) == Verdict.POOR
    market.ok(Kind.STAKE, 0, SECOND, amount=1)
    assert market.request(7, 0, SECOND) == SECOND
    assert market.do(Kind.WITHDRAW, 6 + 48 * HOUR, SECOND) == Verdict.EARLY
    market.late_proof(0, RESCUER, 7 + WINDOW + 1)
    assert market.worth(SECOND) == -TOKEN


def test_a_late_proof_pays_sixty_percent_of_the_slash() -> None:
    """1.7 G3: slash min(livenessBond, balance), 60 % to the actual prover, 40 % locked."""
    market = seated()
    market.request()
    assert market.do(Kind.PROVE, WINDOW + 1, RESCUER) == Verdict.NOT_YOURS
    assert market.do(Kind.EXPIRE, WINDOW, PROPOSER) == Verdict.EARLY
    market.late_proof(0, RESCUER)
    assert market.worth(RESCUER) == 600_000_000
    assert market.b.burnt[0] == 400_000_000
    assert market.worth(FIRST) == 1_000 - TOKEN
    assert market.b.paid[0] == 1_000 + 600_000_000


@pytest.mark.parametrize("hand", [FIRST, RESCUER])
def test_a_sock_puppet_recovers_sixty_percent(hand: int) -> None:
    """1.7 G3: proving through any account, even itself, recovers 60 %: the effective slash is 0.4 x livenessBond."""
    market = seated()
    market.request()
    market.late_proof(0, hand)
    both = market.worth(FIRST) + market.worth(RESCUER)
    assert both == 1_000 - 4 * TOKEN // 10


def test_twenty_bonds_survive_ten_slashes() -> None:
    """1.7 G3: a 20-bond prover survives 10 slashes and is ejected at the 11th."""
    market = seated()
    for _ in range(11):
        market.request()
    for job in range(11):
        assert market.holder == FIRST
        market.late_proof(job, RESCUER)
    assert market.holder == -1
    assert market.s.stake[FIRST] == 9 * TOKEN
    assert market.do(Kind.WITHDRAW, WINDOW + 48 * HOUR, FIRST) == Verdict.EARLY
    market.ok(Kind.WITHDRAW, WINDOW + 1 + 48 * HOUR, FIRST)


def test_the_slash_takes_what_is_there() -> None:
    market = seated(BIDS._replace(bond_multiplier=1), tokens=2)
    for _ in range(3):
        market.request()
    for job in range(3):
        market.late_proof(job, RESCUER)
    assert market.s.stake[FIRST] == 0
    assert market.worth(RESCUER) == 1_200_000_000
    assert market.b.slashed[FIRST] == 2 * TOKEN


def test_nobody_proves() -> None:
    market = seated()
    market.request()
    market.ok(Kind.EXPIRE, WINDOW + 1, PROPOSER)
    market.ok(Kind.EXPIRE, WINDOW + 2 + WEEK, PROPOSER)
    assert market.b.phase[0] == Phase.LOST
    assert market.b.burnt[0] == TOKEN


@pytest.mark.parametrize(("fee", "profit"), [(4 * TOKEN // 10, 0), (5 * TOKEN // 10, TOKEN)])
def test_hit_and_run(fee: int, profit: int) -> None:
    """4.5: hit-and-run entry pays iff sum of prepaid fees > total slash; here 0.4 of a bond, through a sock puppet."""
    market = seated(BIDS._replace(initial_fee_gwei=fee), fee)
    for _ in range(10):
        market.request()
    for job in range(10):
        market.late_proof(job, RESCUER)
    assert market.worth(FIRST) + market.worth(RESCUER) == profit


# --- the pool ---


@pytest.mark.parametrize(("n", "slots"), [(1, [256]), (2, [135, 121]), (3, [96, 85, 75]), (4, [77, 67, 60, 52])])
def test_slots_of_the_pool(n: int, slots: list[int]) -> None:
    """1.7 G4 and 5, item 7: slots n=2 135/121; n=3 96/85/75; n=4 77/67/60/52; the rest goes to the first."""
    market = Market(POOL._replace(standing=0))
    for actor in range(1, n + 1):
        market.stake(actor)
        assert market.bid(actor, 1_000) == Verdict.OK
    assert market.s.slots[:n].tolist() == slots
    provers = [standing_auction.prover_now(market.p, market.s, 12_000 * k) for k in range(256, 512)]
    assert [provers.count(actor) for actor in range(1, n + 1)] == slots
    assert provers == sorted(provers)  # predictable: in order of index


def test_each_joiner_needs_more_bond_and_weighs_less() -> None:
    """1.7 G4: bond x (1+0.05(j-1)), weight max(1, 10000-1000(j-1)) (1 from j=11), up to 16 provers."""
    market = Market(POOL._replace(standing=0), actors=18)
    for j in range(1, 17):
        market.stake(j, 20 + j - 1)
        if j > 1:
            market.ok(Kind.UNSTAKE, 0, j, amount=1)
            assert market.bid(j, 1_000) == Verdict.POOR
            market.ok(Kind.STAKE, 0, j, amount=1)
        assert market.bid(j, 1_000) == Verdict.OK
    assert market.s.weight.tolist() == [10_000 - 1_000 * k for k in range(10)] + [1] * 6
    market.stake(17, 99)
    assert market.bid(17, 1_000) == Verdict.FULL


def test_a_lower_bid_empties_the_pool() -> None:
    """1.7 G4: lower bid (5 %) resets the pool; a member lowering the fee also resets it (without asking for bond)."""
    market = Market(POOL._replace(standing=0))
    for actor in (FIRST, SECOND, THIRD):
        market.stake(actor, 22)
        assert market.bid(actor, 1_000) == Verdict.OK
    assert market.bid(SECOND, 999, MINUTE) == Verdict.EARLY
    assert market.bid(SECOND, 999, 2 * MINUTE) == Verdict.OK
    assert (market.holder, int(market.s.size[0])) == (SECOND, 1)
    market.stake(FOURTH, 20)
    assert market.bid(FOURTH, 950, 2 * MINUTE) == Verdict.TOO_DEAR
    assert market.bid(FOURTH, 949, 2 * MINUTE) == Verdict.OK
    assert market.holder == FOURTH
    assert market.s.withdrawable[SECOND] == 2 * MINUTE + 48 * HOUR


def test_the_last_takes_the_place_of_who_leaves() -> None:
    market = Market(POOL._replace(standing=0))
    for actor in (FIRST, SECOND, THIRD):
        market.stake(actor, 23)
        assert market.bid(actor, 1_000) == Verdict.OK
    market.ok(Kind.UNSTAKE, 1, FIRST, amount=1)
    assert market.s.member[:2].tolist() == [THIRD, SECOND]
    assert market.s.weight[:2].tolist() == [8_000, 9_000]
    assert market.s.slots[:2].tolist() == [256 - 256 * 9 // 17, 256 * 9 // 17]


# --- ProverMarket ---

FIRST_COME = MARKET_2025._replace(standing=0)


def test_thresholds_of_the_market() -> None:
    """1.7 G1: <= 95 % of the current fee, <= 100 % if the incumbent's bond < outbidThreshold; below proving: none."""
    market = Market(FIRST_COME)
    market.stake(FIRST, 199)
    assert market.bid(FIRST, 80 * TOKEN) == Verdict.POOR
    market.stake(FIRST, 1)
    assert market.bid(FIRST, 80 * TOKEN) == Verdict.OK
    for actor in (SECOND, THIRD):
        market.stake(actor, 200)
    assert market.bid(SECOND, 76 * TOKEN + 1) == Verdict.TOO_DEAR
    market.request()
    market.request()
    market.request()  # 200 + 3 x 80 - 3 x 125 = 65
    assert market.s.stake[FIRST] == 65 * TOKEN
    assert market.bid(SECOND, 80 * TOKEN + 1) == Verdict.TOO_DEAR
    assert market.bid(SECOND, 80 * TOKEN) == Verdict.OK
    for _ in range(4):
        market.request()  # 200 + 4 x (80 - 125) = 20
    assert market.s.stake[SECOND] == 20 * TOKEN
    assert market.do(Kind.REQUEST, 0, PROPOSER, job=9, amount=ANY_FEE) == Verdict.NO_PROVER
    assert market.bid(THIRD, 160 * TOKEN + 1) == Verdict.TOO_DEAR  # twice the average
    assert market.bid(THIRD, 160 * TOKEN) == Verdict.OK


def test_the_average_moves_with_the_first_ten_jobs_of_a_winner() -> None:
    """1.7 G1: avgFee <- (99*avg+fee)//100 for only the first 10 assignments of each winner (11th on ignored)."""
    market = Market(FIRST_COME)
    market.stake(FIRST, 200)
    market.stake(SECOND, 200)
    assert market.bid(FIRST, 200 * TOKEN) == Verdict.OK
    market.request()
    assert market.s.average[0] == 200 * TOKEN
    assert market.bid(SECOND, 150 * TOKEN) == Verdict.OK
    average = 200 * TOKEN
    for k in range(12):
        market.request()
        average = (99 * average + 150 * TOKEN) // 100 if k < 10 else average
        assert market.s.average[0] == average


def test_the_fee_is_netted_with_the_bond() -> None:
    """1.7 G1: prover debited max(0, bond-fee) or credited fee-bond; half of a late bond to the actual prover."""
    market = Market(FIRST_COME)
    market.stake(FIRST, 200)
    assert market.bid(FIRST, 130 * TOKEN) == Verdict.OK
    market.request()
    market.request()
    assert market.s.stake[FIRST] == 210 * TOKEN
    market.ok(Kind.PROVE, 1, FIRST)
    assert market.s.stake[FIRST] == 335 * TOKEN
    market.late_proof(1, RESCUER)
    assert market.worth(RESCUER) == 62_500_000_000
    assert market.b.burnt[0] == 62_500_000_000


def test_leaving_the_market_takes_a_day() -> None:
    """1.7 G1: exit >= now+minExitDelay; the current prover cannot withdraw."""
    market = Market(FIRST_COME)
    market.stake(FIRST, 200)
    assert market.bid(FIRST, 130 * TOKEN) == Verdict.OK
    market.ok(Kind.UNSTAKE, 5, FIRST, amount=1)
    assert market.request(4 + 24 * HOUR) == FIRST
    assert market.do(Kind.WITHDRAW, 4 + 24 * HOUR, FIRST) == Verdict.EARLY
    assert market.do(Kind.REQUEST, 5 + 24 * HOUR, PROPOSER, job=1, amount=ANY_FEE) == Verdict.NO_PROVER
    market.ok(Kind.WITHDRAW, 5 + 24 * HOUR, FIRST)


# --- standing offers ---


def limits(p: Params, asks: dict[int, int]) -> Market:
    """Everybody states its lowest fee."""
    market = Market(p, jobs=80)
    for actor, ask in asks.items():
        market.ok(Kind.OFFER, 0, actor, amount=ask, detail=1)
        market.stake(actor)
    return market


def test_undercutting_ends_at_the_runner_up() -> None:
    """4.3: complete information, first price: the winner bids just under the second-lowest cost (within a step)."""
    market = limits(Params(initial_fee_gwei=10_000), {FIRST: 1_000, SECOND: 2_000, THIRD: 4_000})
    provers = [market.request() for _ in range(60)]
    paid = market.b.paid[:60].tolist()
    assert paid[:3] == [10_000, 9_500, 9_025]
    assert provers[:4] == [FIRST, SECOND, FIRST, SECOND]
    assert set(provers[-20:]) == {FIRST}
    assert 2_000 * 95 // 100 <= paid[-1] <= 2_000 * 100 // 95
    assert set(paid[-20:]) == {paid[-1]}


def test_nobody_bids_more_than_the_request_offers() -> None:
    market = limits(Params(initial_fee_gwei=10_000), {FIRST: 1_000})
    assert market.do(Kind.REQUEST, 0, PROPOSER, amount=999) == Verdict.NO_PROVER
    assert market.request(amount=3_000) == FIRST
    assert market.b.paid[0] == 3_000
    assert market.do(Kind.REQUEST, 0, PROPOSER, job=1, amount=2_000) == Verdict.TOO_DEAR


def test_a_cap_below_every_cost_leaves_the_seat_vacant_for_ever() -> None:
    market = limits(Params(), {FIRST: 256_001, SECOND: 300_000})
    assert market.do(Kind.REQUEST, 100 * WEEK, PROPOSER, amount=ANY_FEE) == Verdict.NO_PROVER


def test_who_cannot_go_lower_joins_the_pool() -> None:
    market = limits(POOL, {FIRST: 990, SECOND: 980, THIRD: 1_001})
    for _ in range(3):
        market.request()
    assert market.s.member[: market.s.size[0]].tolist() == [SECOND, FIRST]


def test_too_small_a_winner_in_the_simulator() -> None:
    """1.7, 4.5: one seat gets everything; the overrun winner is slashed to nothing and still in profit."""
    changes = {
        "horizon": "1d", "workload.every": "12s",
        "provers[0].capacity": "1", "provers[0].hardware": "8x5090/reth/risc0-v3.0.4",
    }  # fmt: skip
    run = simulate(read(Path(__file__).parents[2] / "scenarios" / "taiko-standing-auction.toml", changes))
    cheapest, runner_up = run.names.index("cheapest"), run.names.index("runner-up")
    p = run.provers
    assert p.slashed_gwei[cheapest] == 30 * TOKEN
    assert p.stake_gwei[cheapest] == 0
    assert p.income_gwei[cheapest] - p.cost_gwei[cheapest] - p.slashed_gwei[cheapest] > 0
    assert p.wins[runner_up] > 0.7 * p.wins.sum()
    assert run.money_difference_gwei == 0


# --- parameters ---


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("design", 2), ("standing", -1), ("pool_size", 0), ("pool_size", 17), ("slot_ms", 0), ("reduction", 10_001),
        ("reward", 10_001), ("liveness_gwei", 0), ("average_ms", 999), ("max_doublings", 61), ("max_fee_gwei",
        2**40 + 1), ("window_ms", -1), ("doubling_ms", 0),
    ],
)  # fmt: skip
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("standing_auction", standing_auction, {name: value})


def test_senseless_thresholds_are_refused() -> None:
    with pytest.raises(BadInput, match="outbid_bond_gwei"):
        with_params("standing_auction", standing_auction, {"design": 1, "outbid_bond_gwei": 200 * TOKEN})
    with pytest.raises(BadInput, match="pool_size"):
        with_params("standing_auction", standing_auction, {"design": 1, "pool_size": 2})


@pytest.mark.parametrize("capacity", [-1, 0, 2**31 + 1])
def test_senseless_capacities_are_refused(capacity: int) -> None:
    assert Market().do(Kind.OFFER, 0, FIRST, amount=1, detail=capacity) == Verdict.BAD_DETAIL


@pytest.mark.parametrize("kind", [Kind.DELEGATE, Kind.UNDELEGATE, Kind.TRANSFER])
def test_kinds_without_a_meaning(kind: Kind) -> None:
    assert Market().do(kind, 0, FIRST, amount=1) == Verdict.UNKNOWN


# --- random markets: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

MARKETS = (
    Params(), BIDS, POOL._replace(max_doublings=20), POOL._replace(standing=0, bond_multiplier=1, withdrawal_ms=1),
    MARKET_2025, FIRST_COME,
)  # fmt: skip
STEP = st.tuples(
    st.sampled_from("oosuwrrrrppxxz"),
    st.integers(0, 5),
    st.integers(0, 63),
    st.integers(0, 2**62 - 1),
    st.sampled_from([0, 0, 12_000, MINUTE, 15 * MINUTE, WINDOW, 48 * HOUR]),
)


def event_of(s: Any, what: str, now: int, actor: int, k: int, word: int) -> Event:
    """Make a step a plausible event, given the state it meets."""
    b, fee = s.book, int(s.fee[0])
    if what in "osuw":
        fees = (fee, fee * 95 // 100, max(fee - 1, 1), 1_000, 1 + word % 10**6)
        kind, amount = {"o": (Kind.OFFER, max(1, fees[k % 5])), "s": (Kind.STAKE, word % RICH // 100),
                        "u": (Kind.UNSTAKE, word % RICH // 100), "w": (Kind.WITHDRAW, word % 2 * k)}[what]  # fmt: skip
        return Event(kind, now, actor, 0, amount, k % 5, 0)
    live = np.flatnonzero((b.phase != Phase.NONE) & (b.phase < Phase.SETTLED))
    job = int(live[k % live.size]) if live.size else k % b.phase.size
    if what == "r":
        new = np.flatnonzero(b.phase == Phase.NONE)
        amount = (0, 2_000, ANY_FEE, ANY_FEE)[word % 4]
        return Event(Kind.REQUEST, now, actor, int(new[0]) if new.size else job, amount, k, word)
    if what == "p":
        prover = actor if word % 4 == 0 or b.prover[job] == ANYONE else int(b.prover[job])
        return Event(Kind.PROVE, now, prover, job, 0, 0, 1)
    if what == "x":
        return Event(Kind.EXPIRE, max(now, int(b.deadline[job]) + 1 - word % 2), 0, job, 0, 0, 0)
    return Event(word % 15, now, actor, job, word % RICH, k - 8, word)


@settings(max_examples=40)
@given(p=st.sampled_from(MARKETS), steps=st.lists(STEP, min_size=20, max_size=80))
def test_random_markets(p: Params, steps: list[tuple[str, int, int, int, int]]) -> None:
    market = Market(p)
    both = Both(standing_auction, p, market)
    now = 0
    for actor in (FIRST, SECOND, THIRD):
        both(Event(Kind.STAKE, 0, actor, 0, RICH // 2 // actor, 0, 0))
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
    assert market.s.bond.sum() == 0
    assert market.s.open_jobs.sum() == 0
