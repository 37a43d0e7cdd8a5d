"""Taiko's batch auction. Sections: the field page on rollups; D: tokenomics_batch_auction.md."""

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
from proofyard.mechanisms import batch_auction
from proofyard.mechanisms.batch_auction import Params, adjust, is_better, least_deposit, move_average
from proofyard.scenario import read

PROPOSER, FIRST, SECOND, THIRD, RESCUER = range(5)
RICH = 10**16
AUCTION = 120_000
WINDOW = 7_200  # s
COOLDOWN = 1_800_000
GAS = 6_200_000
LEAST = 10 * 10 * GAS  # deposit of a block
BY_BID = Params(standing=0, batch=4)
TWO = Params(batch=4)


class Market:
    """A market in plain Python whose every event is audited."""

    def __init__(self, p: Params = BY_BID, jobs: int = 40) -> None:
        self.p = p
        self.s = Rule("batch_auction", batch_auction, p).genesis(6, jobs)
        self.b = self.s.book
        self.b.cash[:] = RICH
        self.total = shape.total_gwei(self.s)
        self.jobs = 0
        for actor in (FIRST, SECOND, THIRD):
            self.ok(Kind.STAKE, 0, actor, amount=RICH // 2)

    def do(self, kind: Kind, time: int, actor: int, **rest: int) -> Verdict:
        before = shape.copy(self.s)
        event = Event(kind, time, actor, **({"job": 0, "amount": 0, "detail": 0, "word": 0} | rest))
        verdict = batch_auction.apply(self.p, self.s, event)
        assert shape.total_gwei(self.s) == self.total
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        return verdict

    def ok(self, kind: Kind, time: int, actor: int, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def request(self, time: int = 0, gas: int = 80_000) -> int:
        """Propose the next block and return its number."""
        self.ok(Kind.REQUEST, time, PROPOSER, job=self.jobs, amount=RICH // 100, detail=gas)
        self.jobs += 1
        return self.jobs - 1

    def bid(
        self, actor: int, fee: int, deposit: int = LEAST, window: int = WINDOW, job: int = 0, at: int = 0
    ) -> Verdict:
        return self.do(Kind.BID, at, actor, job=job, amount=fee, detail=deposit * 2**16 + window)

    def assigned(self, fee: int = 10, time: int = 0) -> int:
        """Have a block proposed, auctioned to FIRST and given to it."""
        job = self.request(time)
        assert self.bid(FIRST, fee, job=job, at=time) == Verdict.OK
        self.ok(Kind.CLOSE, time + AUCTION + 1, 0, job=job)
        assert self.b.prover[job] == FIRST
        return job

    def settle(self, job: int, prover: int, time: int) -> None:
        self.ok(Kind.PROVE, time, prover, job=job)
        self.ok(Kind.SETTLE, time + COOLDOWN + 1, 0, job=job)

    def worth(self, actor: int) -> int:
        """What the actor has gained or lost."""
        return int(self.b.cash[actor] + self.s.stake[actor] + self.s.held[actor]) - RICH


# --- which bid is better ---


def test_scores_are_adjusted() -> None:
    """1.2: adj(s,w) = s if s==1 or w==1 ; 1-(1-s)/w if s<1 ; 1+(s-1)/w if s>1 (in millionths)."""
    assert [adjust(1_000_000, w) for w in (1, 2, 4)] == [1_000_000] * 3
    assert [adjust(600_000, w) for w in (1, 2, 4)] == [600_000, 800_000, 900_000]
    assert [adjust(1_400_000, w) for w in (1, 2, 4)] == [1_400_000, 1_200_000, 1_100_000]


@pytest.mark.parametrize(
    ("fee", "deposit", "window", "better"),
    [
        (91, 100, 100, False), (90, 100, 100, True), (100, 119, 100, False), (100, 120, 100, True),
        (100, 100, 72, False), (100, 100, 71, True), (100, 100, 100, False),
    ],
)  # fmt: skip
def test_ten_percent_better_in_one_of_three(fee: int, deposit: int, window: int, *, better: bool) -> None:
    """1.2, oracles: fee 91 vs 100 rejected, 90 accepted; deposit 119 / 120; window 72 / 71 (others equal)."""
    assert is_better(fee, deposit, window, 100, 100, 100) == better


def test_capital_beats_price() -> None:
    """1.2, gaming: fee +100 % wins with deposit >= 3.4 x (exact threshold 0.5*(1+(d-1)/2) = 1.1)."""
    assert not is_better(200, 339, 100, 100, 100, 100)
    assert is_better(200, 340, 100, 100, 100, 100)


def test_a_score_beyond_63_bits_is_better() -> None:
    assert is_better(1, 2**46, 1, 2**32 - 1, 1, 2**16 - 1)
    assert not is_better(2**32 - 1, 2**46, 1, 1, 1, 2**16 - 1)


# --- bidding ---


def test_the_least_deposit() -> None:
    """1.2: min deposit per block = 10 x feePerGas x (20 000 + 6 000 000 + 180 000 gas); D: 1.5 x."""
    market = Market()
    assert least_deposit(market.p, market.s) == LEAST == 10 * 10 * (20_000 + 6_000_000 + 180_000)
    assert least_deposit(Params(deposit_percent=150), market.s) == 15 * GAS
    job = market.request()
    assert market.bid(FIRST, 10, LEAST - 1) == Verdict.BAD_DETAIL
    assert market.bid(FIRST, 10, LEAST, WINDOW + 1) == Verdict.BAD_DETAIL
    assert market.bid(FIRST, 10, LEAST, 0) == Verdict.BAD_DETAIL
    assert market.bid(FIRST, 0) == Verdict.BAD_AMOUNT
    assert market.bid(FIRST, 2**32) == Verdict.BAD_AMOUNT
    assert market.bid(FIRST, 10) == Verdict.OK
    assert market.s.held[FIRST] == 4 * LEAST
    assert market.b.deadline[job] == AUCTION


def test_the_longest_window() -> None:
    """1.2: proof window <= 2 x average and design cap 7200 s."""
    market = Market(BY_BID._replace(initial_window_s=100))
    market.request()
    assert market.bid(FIRST, 10, LEAST, 201) == Verdict.BAD_DETAIL
    assert market.bid(FIRST, 10, LEAST, 200) == Verdict.OK


def test_the_losers_deposit_comes_back_at_once() -> None:
    """1.2: loser's deposit (deposit x 100) is refunded at once."""
    market = Market(BY_BID._replace(batch=100))
    market.request()
    assert market.bid(FIRST, 100) == Verdict.OK
    assert market.s.held[FIRST] == 100 * LEAST
    assert market.bid(SECOND, 91) == Verdict.TOO_DEAR
    assert market.bid(SECOND, 90) == Verdict.OK
    assert (market.s.held[FIRST], market.s.stake[FIRST]) == (0, RICH // 2)
    assert market.s.held[SECOND] == 100 * LEAST
    assert market.bid(SECOND, 81) == Verdict.OK  # itself
    assert market.s.held[SECOND] == 100 * LEAST


def test_the_deposits_must_be_there() -> None:
    market = Market()
    market.request()
    assert market.bid(RESCUER, 10) == Verdict.POOR
    for actor in (FIRST, SECOND):
        market.ok(Kind.UNSTAKE, 0, actor, amount=RICH // 2 - 8 * LEAST)
    assert market.bid(FIRST, 10, 2 * LEAST) == Verdict.OK
    assert market.bid(FIRST, 9, 2 * LEAST) == Verdict.OK  # its own deposits come back first
    assert market.bid(SECOND, 1, 2 * LEAST + 1) == Verdict.POOR
    assert market.bid(SECOND, 1, 2**46 + 1) == Verdict.BAD_DETAIL


def test_the_auction_ends_120_seconds_after_the_first_bid() -> None:
    """1.2: window 120 s from first bid; until the auction ends nobody can prove."""
    market = Market()
    job = market.request()
    assert market.bid(FIRST, 100, at=7_000) == Verdict.OK
    assert market.do(Kind.PROVE, 8_000, FIRST, job=job) == Verdict.WRONG_PHASE
    assert market.bid(SECOND, 80, at=7_000 + AUCTION) == Verdict.OK
    assert market.bid(THIRD, 60, at=7_001 + AUCTION) == Verdict.LATE
    other = market.request(7_000 + AUCTION)  # of the same batch
    assert market.b.deadline[other] == 7_000 + AUCTION
    market.ok(Kind.CLOSE, 7_001 + AUCTION, 0, job=job)
    assert market.b.prover[job] == SECOND
    third = market.request(7_001 + AUCTION)
    assert market.b.phase[third] == Phase.ASSIGNED


def test_auctions_start_one_after_the_other() -> None:
    """1.2: ring of auctions, at most 10 batches ahead of proposals; a batch only after the one before."""
    market = Market()
    for _ in range(5):
        market.request()
    assert market.bid(FIRST, 10, job=4) == Verdict.EARLY
    assert market.bid(FIRST, 10, job=0) == Verdict.OK
    assert market.bid(FIRST, 10, job=4) == Verdict.OK
    assert market.s.auctions[0] == 2


# --- proving ---


def test_the_winner_is_paid_its_own_fee() -> None:
    """1.2: then the winner; reward is the fee for all gas used, the deposit comes back; the rest to the proposer."""
    market = Market()
    job = market.assigned(fee=12)
    assert market.do(Kind.PROVE, AUCTION + 1, RESCUER, job=job) == Verdict.NOT_YOURS
    market.settle(job, FIRST, AUCTION + WINDOW * 1_000)
    assert market.worth(FIRST) == 12 * 100_000
    assert market.worth(PROPOSER) == -10 * 100_000
    assert market.s.held[FIRST] == 3 * LEAST
    assert market.b.slashed.sum() == 0


def test_a_missed_block() -> None:
    """1.2: missed block: deposit forfeited; half of it to the actual prover, half burns (in the code, too)."""
    market = Market()
    job = market.assigned()
    late = AUCTION + WINDOW * 1_000 + 1
    assert market.do(Kind.PROVE, late, FIRST, job=job) == Verdict.LATE
    market.ok(Kind.EXPIRE, late, 0, job=job)
    market.settle(job, RESCUER, late)
    assert market.worth(RESCUER) == 1_000_000 + LEAST // 2
    assert market.worth(FIRST) == -LEAST
    assert market.b.burnt[0] == LEAST // 2
    assert market.s.fee[0] == 10


def test_a_late_winner_has_half_back() -> None:
    market = Market()
    job = market.assigned()
    late = AUCTION + WINDOW * 1_000 + 1
    market.ok(Kind.EXPIRE, late, 0, job=job)
    market.settle(job, FIRST, late)
    assert market.worth(FIRST) == 1_000_000 - LEAST // 2


def test_the_oracle_spares_the_deposit() -> None:
    """1.2: then the winner or the oracle; who is refunded when it proves is the winner, and nobody is paid."""
    market = Market()
    job = market.assigned()
    market.ok(Kind.EXPIRE, AUCTION + WINDOW * 1_000 + 1, 0, job=job)
    market.ok(Kind.EXPIRE, int(market.b.deadline[job]) + 1, 0, job=job)
    assert market.b.phase[job] == Phase.SETTLED
    assert market.b.prover[job] == ANYONE
    assert (market.worth(FIRST), market.worth(PROPOSER)) == (0, -1_000_000)


@pytest.mark.parametrize("literal", [0, 1])
def test_a_block_proposed_after_its_window(literal: int) -> None:
    """1.2: others after startedAt+120+proofWindow, whenever the block is proposed; intended: after the proposal."""
    market = Market(BY_BID._replace(literal=literal))
    market.assigned()
    late = 10 * WINDOW * 1_000
    job = market.request(late)
    if literal == 0:
        assert market.b.prover[job] == FIRST
        assert market.b.deadline[job] == late + WINDOW * 1_000
        return
    assert market.b.phase[job] == Phase.OPEN
    market.settle(job, RESCUER, late + 1)
    assert market.worth(RESCUER) == 1_000_000 + LEAST // 2
    other = market.request(late)
    market.settle(other, FIRST, late + WINDOW * 1_000)  # still in time for its deposit
    assert market.worth(FIRST) == 1_000_000 - LEAST


def test_averages_only_fall() -> None:
    """1.3, integer ratchets, from the same function: MA(10,9)=9, MA(10,12)=10; MA(3600,5400)=3600 (factor 7200)."""
    assert [move_average(10, new, 7_200) for new in (9, 10, 12, 7_209, 7_210)] == [9, 10, 10, 10, 11]
    assert [move_average(3_600, new, 7_200) for new in (3_599, 5_400)] == [3_599, 3_600]
    assert move_average(1, 0, 2) == 1
    market = Market()
    job = market.assigned(fee=9)
    market.settle(job, FIRST, AUCTION + 1)
    assert (market.s.fee[0], market.s.window[0]) == (9, 3_600)


def test_nobody_bids() -> None:
    """D: absence of fallback mode: there is no reward for blocks that aren't auctioned."""
    market = Market()
    job = market.request()
    while market.b.phase[job] == Phase.BIDDING:
        market.ok(Kind.CLOSE, int(market.b.deadline[job]) + 1, 0, job=job)
    assert market.b.phase[job] == Phase.LOST
    assert market.worth(PROPOSER) == 0
    assert 3_600_000 <= market.b.deadline[job] + 1 < 3_600_000 + AUCTION + 100


def test_a_proposal_must_pay_the_average_fee() -> None:
    market = Market()
    fee = 10 * GAS
    assert market.do(Kind.REQUEST, 0, PROPOSER, amount=fee - 1) == Verdict.TOO_DEAR
    assert market.do(Kind.REQUEST, 0, PROPOSER, amount=fee, detail=6_000_001) == Verdict.TOO_DEAR
    assert market.do(Kind.REQUEST, 0, PROPOSER, amount=fee, detail=-1) == Verdict.BAD_DETAIL
    assert market.do(Kind.REQUEST, 0, PROPOSER, amount=fee) == Verdict.OK


# --- standing offers ---


def limits(asks: dict[int, int], p: Params = TWO) -> Market:
    """Everybody states its least fee."""
    market = Market(p)
    for actor, ask in asks.items():
        market.ok(Kind.OFFER, 0, actor, amount=ask, detail=1)
    return market


@pytest.mark.parametrize(("asks", "winner", "low", "high"), [
    ({FIRST: 3, SECOND: 9, THIRD: 15}, FIRST, 6, 9), ({FIRST: 9, SECOND: 3}, SECOND, 6, 9),
])  # fmt: skip
def test_undercutting_ends_below_the_runner_up(asks: dict[int, int], winner: int, low: int, high: int) -> None:
    """4.3: first price with complete information: the winner ends just under the second-lowest cost (a step or two)."""
    market = limits(asks)
    market.request()
    assert market.s.leader[0] == winner + 1
    assert low <= market.s.bid_fee[0] <= high


def test_a_single_bidder_names_the_start_price() -> None:
    """1.2, gaming: single bidder at start price; D: the initial bidding price will be set at s = 2 p."""
    market = limits({FIRST: 3})
    market.request()
    assert market.s.bid_fee[0] == 20
    market = limits({FIRST: 50})
    market.request()
    assert market.s.bid_fee[0] == 50  # the contract has no upper limit


def test_ten_batches_are_auctioned_at_once() -> None:
    """1.2: at most 10 batches ahead of proposals."""
    market = limits({FIRST: 3})
    market.request()
    assert market.s.auctions[0] == 10
    assert market.s.held[FIRST] == 40 * LEAST
    for _ in range(4):
        market.request()
    assert market.s.auctions[0] == 11


def test_a_prover_without_the_deposits_is_left_out() -> None:
    market = limits({FIRST: 3, SECOND: 5})
    market.ok(Kind.WITHDRAW, 0, FIRST)
    market.ok(Kind.STAKE, 0, FIRST, amount=4 * LEAST)
    market.request()
    assert market.s.leader[:2].tolist() == [FIRST + 1, SECOND + 1]


# --- the rest ---


def test_the_balance_can_be_taken_out_at_once() -> None:
    market = Market()
    market.assigned()
    market.ok(Kind.UNSTAKE, 0, FIRST, amount=5)
    assert market.do(Kind.WITHDRAW, 0, FIRST, amount=RICH) == Verdict.POOR
    market.ok(Kind.WITHDRAW, 0, FIRST)
    assert market.s.stake[FIRST] == 0
    assert market.s.held[FIRST] == 4 * LEAST
    assert market.do(Kind.UNSTAKE, 0, FIRST, amount=1) == Verdict.POOR


def test_senseless_offers_are_refused() -> None:
    market = Market()
    assert market.do(Kind.OFFER, 0, FIRST, amount=2**32, detail=1) == Verdict.BAD_AMOUNT
    for capacity in (-1, 0, 2**30 + 1):
        assert market.do(Kind.OFFER, 0, FIRST, amount=1, detail=capacity) == Verdict.BAD_DETAIL


def test_a_second_proof_is_refused() -> None:
    market = Market()
    job = market.assigned()
    market.ok(Kind.PROVE, AUCTION + 1, FIRST, job=job)
    assert market.do(Kind.PROVE, AUCTION + 1, FIRST, job=job) == Verdict.WRONG_PHASE


@pytest.mark.parametrize("kind", [Kind.DELEGATE, Kind.UNDELEGATE, Kind.TRANSFER])
def test_kinds_without_a_meaning(kind: Kind) -> None:
    assert Market().do(kind, 0, FIRST, amount=1) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch", 0), ("ahead", 0), ("auction_ms", 999), ("window_multiple", 0), ("max_window_s", 2**16),
        ("deposit_percent", 0), ("standing", 2), ("literal", -1), ("average_factor", 0), ("initial_fee_gwei_per_gas",
        0), ("patience_ms", 12_000_001), ("initial_window_s", 0), ("supply_gwei", -1),
    ],
)  # fmt: skip
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("batch_auction", batch_auction, {name: value})


def test_bidders_are_ruined_in_the_simulator() -> None:
    """1.2: by the literal rule a block proposed late is a race; intended, the winner proves all."""
    path = Path(__file__).parents[2] / "scenarios" / "taiko-batch-auction.toml"
    literal = simulate(read(path, {"horizon": "1d"}))
    intended = simulate(read(path, {"horizon": "1d"}, "batch_auction(literal = 0)"))
    winner, _, fast = range(3)
    assert literal.provers.wins[fast] > 0.8 * literal.provers.wins.sum()
    assert literal.provers.slashed_gwei[winner] > 10_000 * 10**9
    assert intended.provers.wins[winner] == intended.provers.wins.sum()
    assert literal.money_difference_gwei == intended.money_difference_gwei == 0


# --- random markets: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

MARKETS = (
    BY_BID, TWO, Params(batch=2, literal=0, ahead=3, auction_ms=1_000, patience_ms=5_000, supply_gwei=10**7),
    Params(batch=3, standing=0, gas_limit=1, anchor_gas=0, base_gas=0, initial_fee_gwei_per_gas=1, deposit_percent=100),
)  # fmt: skip
STEP = st.tuples(
    st.sampled_from("osuwrrrrbbbbpppxxxxxz"),
    st.integers(0, 5),
    st.integers(0, 63),
    st.integers(0, 2**62 - 1),
    st.sampled_from([0, 0, 1_000, AUCTION, WINDOW * 1_000, COOLDOWN]),
)
TIMER = {Phase.BIDDING: Kind.CLOSE, Phase.PROVEN: Kind.SETTLE}


def event_of(s: Any, what: str, now: int, actor: int, k: int, word: int) -> Event:
    """Make a step a plausible event, given the state it meets."""
    b = s.book
    if what in "osuw":
        kind, amount = {"o": (Kind.OFFER, 1 + word % 30), "s": (Kind.STAKE, word % RICH // 10),
                        "u": (Kind.UNSTAKE, word % RICH // 10), "w": (Kind.WITHDRAW, word % 2 * k)}[what]  # fmt: skip
        return Event(kind, now, actor, 0, amount, k % 5, 0)
    live = np.flatnonzero((b.phase != Phase.NONE) & (b.phase < Phase.SETTLED))
    job = int(live[k % live.size]) if live.size else k % b.phase.size
    if what == "r":
        new = np.flatnonzero(b.phase == Phase.NONE)
        amount = word % (RICH // 100)
        return Event(Kind.REQUEST, now, actor, int(new[0]) if new.size else job, amount, 200_000 * k, word)
    if what == "b":
        detail = 0 if word % 2 else (LEAST + word % LEAST) * 2**16 + (1 + word % WINDOW)
        return Event(Kind.BID, now, actor, job, 1 + word % 20, detail, 0)
    if what == "p":
        prover = actor if word % 4 == 0 or b.prover[job] == ANYONE else int(b.prover[job])
        return Event(Kind.PROVE, now, prover, job, 0, 0, 1)
    if what == "x":
        kind = TIMER.get(Phase(int(b.phase[job])), Kind.EXPIRE)
        return Event(kind, max(now, int(b.deadline[job]) + 1 - word % 2), 0, job, 0, 0, 0)
    return Event(word % 15, now, actor, job, word % RICH, k - 8, word)


@settings(max_examples=40)
@given(p=st.sampled_from(MARKETS), steps=st.lists(STEP, min_size=20, max_size=80))
def test_random_markets(p: Params, steps: list[tuple[str, int, int, int, int]]) -> None:
    market = Market(p, jobs=24)
    both = Both(batch_auction, p, market)
    now = 0
    for actor in (FIRST, SECOND):
        both(Event(Kind.OFFER, 0, actor, 0, 5 * actor, 4, 0))
    for what, actor, k, word, wait in steps:
        event = event_of(market.s, what, now + wait, actor, k, word)
        both(event)
        now = max(now + wait, event.time)
    b = market.b
    for job in np.flatnonzero(b.phase != Phase.NONE).tolist():
        while b.phase[job] not in FINAL:
            now = max(now, int(b.deadline[job])) + 1
            assert both(Event(TIMER.get(Phase(int(b.phase[job])), Kind.EXPIRE), now, 0, job, 0, 0, 0)) == Verdict.OK
    assert b.escrow.sum() == market.s.open_jobs.sum() == 0
