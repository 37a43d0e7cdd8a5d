"""Shared sequencing: how the right to order is sold, who buys the proof, and who is hurt when it is late.

Section numbers are those of the field page on chains; amounts are exact units.
"""

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms.sides import Both, assert_same

from proofyard.core import FINAL, TRANSITIONS, BadInput, Event, Kind, Phase, Verdict, shape
from proofyard.core.rule import Rule, with_params
from proofyard.engine.bind import bind
from proofyard.mechanisms import shared_sequencing
from proofyard.mechanisms.shared_sequencing import AUCTION, ITSELF, LOTTERY, POOL, ROLLUP, ROTATION, SEQUENCER, Params

USERS, CHEAP, DEAR, FIRST, SECOND, THIRD = range(6)
RICH, DEPOSIT, PAID = 10**12, 10**6, 100_000
VALUE = 30_000  # of PAID, at the default split
LEGAL = {(source, kind): targets for source, kind, targets in TRANSITIONS}
PLAIN = Params(min_stake_gwei=1_000, standing_bips=0, bid_ms=1_000, window_ms=60_000, pool_reward_gwei=500)

# Parameter sets. Espresso: bids for slot s while s - 5 runs; Astria: slots of 2 s less a second for latency.
ESPRESSO_DESIGN = Params(rights=LOTTERY, bid_ms=5 * 12_000, reserve_bips=1_000)
ESPRESSO_SIMPLER = Params(rights=AUCTION, bid_ms=5 * 12_000)
ASTRIA = Params(rights=AUCTION, bid_ms=1_000, order_fee_gwei=10, order_fee_wei=3 * 10**9)
RADIUS = Params(rights=AUCTION, rollup_bips=10_000)


class Market:
    """A market whose every event is audited; two provers ask 20,000 and 50,000, three sequencers have deposits."""

    def __init__(self, p: Params = PLAIN, cash: int = RICH, jobs: int = 10, **changes: int) -> None:
        self.p = p._replace(**changes)
        self.s = shape.zeros(shared_sequencing.State, 6, jobs)
        shared_sequencing.genesis(self.p, self.s)
        self.b = self.s.book
        self.b.cash[:] = cash
        self.total = shape.total_gwei(self.s)
        self.jobs = 0

    def enter(self) -> "Market":
        self.ok(Kind.OFFER, 0, CHEAP, 20_000, 1)
        self.ok(Kind.OFFER, 0, DEAR, 50_000, 9)
        for actor in (FIRST, SECOND, THIRD):
            self.ok(Kind.STAKE, 0, actor, DEPOSIT)
        return self

    def do(self, kind: Kind, time: int, actor: int, amount: int = 0, detail: int = 0, **rest: int) -> Verdict:
        event = Event(kind, time, actor, rest.get("job", 0), amount, detail, rest.get("word", 0))
        before = shape.copy(self.s)
        verdict = shared_sequencing.apply(self.p, self.s, event)
        assert shape.total_gwei(self.s) == self.total
        assert all(values.min() >= 0 for field, values in shape.named(self.s) if field.money)
        assigned = self.b.prover[self.b.phase == Phase.ASSIGNED]
        assert np.array_equal(np.bincount(assigned, minlength=6), self.s.open_jobs)
        over = np.isin(self.b.phase, FINAL)
        assert self.b.escrow[over].sum() == self.s.value[over].sum() == self.s.pot[over].sum() == 0
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        elif kind >= Kind.REQUEST:
            assert Phase(self.b.phase[event.job]) in LEGAL[Phase(before.book.phase[event.job]), kind]
        return verdict

    def ok(self, kind: Kind, time: int, actor: int, amount: int = 0, detail: int = 0, **rest: int) -> None:
        assert self.do(kind, time, actor, amount, detail, **rest) == Verdict.OK

    def request(self, amount: int = PAID, gas: int = 0) -> int:
        job = self.jobs
        self.jobs += 1
        self.ok(Kind.REQUEST, 0, USERS, amount, gas, job=job)
        return job

    def closed(self, word: int = 0) -> int:
        """Ask for a block and let the right be sold."""
        job = self.request()
        self.ok(Kind.CLOSE, self.p.bid_ms + 1, 0, job=job, word=word)
        return job

    def gain(self, *actors: int) -> list[int]:
        """Money of actors, deposits included, less what they began with."""
        return [int(self.b.cash[actor] + self.s.stake[actor]) - RICH for actor in actors]


# --- the right to order ---


def test_a_strictly_higher_bid_replaces_the_last() -> None:
    """5.2 Astria: first-price, strictly higher bid replaces; the timer ends it."""
    market = Market().enter()
    job = market.request()
    market.ok(Kind.BID, 0, FIRST, 100, job=job)
    assert market.do(Kind.BID, 1, SECOND, 100, job=job) == Verdict.BAD_AMOUNT
    market.ok(Kind.BID, 1, SECOND, 101, job=job)
    assert market.gain(FIRST, SECOND) == [0, -101]
    assert market.do(Kind.CLOSE, 1_000, 0, job=job) == Verdict.EARLY
    market.ok(Kind.BID, 1_000, FIRST, 102, job=job)
    assert market.do(Kind.BID, 1_001, SECOND, 103, job=job) == Verdict.LATE
    market.ok(Kind.CLOSE, 1_001, 0, job=job)
    assert market.s.leader[job] == FIRST + 1
    assert market.gain(FIRST, SECOND) == [VALUE - 102, 0]


def test_only_who_has_a_deposit_and_the_money_bids() -> None:
    market = Market(min_stake_gwei=DEPOSIT).enter()
    job = market.request()
    assert market.do(Kind.BID, 0, CHEAP, 100, job=job) == Verdict.NOT_YOURS
    assert market.do(Kind.BID, 0, FIRST, RICH, job=job) == Verdict.POOR
    assert market.do(Kind.BID, 0, FIRST, 0, job=job) == Verdict.BAD_AMOUNT
    market.ok(Kind.UNSTAKE, 0, FIRST, 1)
    assert market.do(Kind.BID, 0, FIRST, 100, job=job) == Verdict.NOT_YOURS
    assert market.do(Kind.UNSTAKE, 0, FIRST, DEPOSIT) == Verdict.POOR


def test_the_ordering_fee_is_a_base_and_a_multiple_of_the_size() -> None:
    """5.2: fee = base + multiplier * size; to the network, at once."""
    market = Market(ASTRIA._replace(min_stake_gwei=1)).enter()
    pool = int(market.b.reserve[0])
    market.request(amount=1_310, gas=100)
    assert market.b.reserve[0] - pool == 310
    assert (market.s.value[0], market.b.escrow[0]) == (300, 700)
    assert market.do(Kind.REQUEST, 0, USERS, 309, 100, job=5) == Verdict.TOO_DEAR


def test_no_size_makes_the_ordering_fee_wrap_around() -> None:
    """2^61 gas at 4 gwei are all that 63 bits hold; with a base of 10 the block is too dear, compiled as in Python."""
    p = ASTRIA._replace(order_fee_wei=4 * 10**9)
    both = Both(shared_sequencing, p, Market(p))
    assert both(Event(Kind.REQUEST, 0, USERS, 0, 1_000, 2**61, 0)) == Verdict.TOO_DEAR


def test_the_largest_standing_bid_is_the_deposit() -> None:
    """Ten times a worth of 2^60 is more than 63 bits hold."""
    p = PLAIN._replace(standing_bips=100_000, ordering_bips=10_000, pool_gwei=0, payer=ROLLUP)
    market = Market(p, cash=DEPOSIT)
    market.b.cash[USERS] = 2**60
    market.total = shape.total_gwei(market.s)
    both = Both(shared_sequencing, p, market)
    assert both(Event(Kind.STAKE, 0, FIRST, 0, DEPOSIT, 0, 0)) == Verdict.OK
    assert both(Event(Kind.REQUEST, 0, USERS, 0, 2**60, 0, 0)) == Verdict.OK
    assert both(Event(Kind.CLOSE, 1_001, USERS, 0, 0, 0, 0)) == Verdict.OK
    assert (market.s.leader[0], market.s.spent[FIRST]) == (FIRST + 1, DEPOSIT)


def test_turns_go_round_and_skip_who_has_too_little() -> None:
    """5.3 Radius: one sequencer at a time from a rotating set."""
    market = Market(rights=ROTATION, max_redraws=0).enter()
    assert market.do(Kind.BID, 0, FIRST, 1, job=market.request()) == Verdict.UNKNOWN
    market.ok(Kind.UNSTAKE, 0, SECOND, DEPOSIT)
    assert [int(market.s.leader[market.closed()]) - 1 for _ in range(4)] == [FIRST, THIRD, FIRST, THIRD]


def test_tickets_win_as_often_as_was_spent_on_them_and_are_gone() -> None:
    """5.1 Espresso: ticket spend sets the win probability; within 4 standard deviations."""
    dice, rounds = np.random.default_rng(5), 4_000
    market = Market(rights=LOTTERY, jobs=rounds, cash=10**13).enter()
    wins = np.zeros(6)
    for _ in range(rounds):
        job = market.jobs
        market.jobs += 1
        events = [Event(Kind.REQUEST, 0, USERS, job, PAID, 0, 0)]
        bids = ((FIRST, 600), (SECOND, 300), (FIRST, 100))
        events += [Event(Kind.BID, 0, who, job, amount, 0, int(dice.integers(2**62))) for who, amount in bids]
        for event in events:
            assert shared_sequencing.apply(market.p, market.s, event) == Verdict.OK
        wins[market.s.leader[job] - 1] += 1
    assert abs(wins[FIRST] - 0.7 * rounds) < 4 * np.sqrt(0.21 * rounds)
    assert wins[FIRST] + wins[SECOND] == rounds
    assert market.s.spent[FIRST] == 700 * rounds
    assert market.s.pot.sum() == 1_000 * rounds


def test_standing_tickets_are_drawn_with_those_that_were_bid() -> None:
    market = Market(rights=LOTTERY, standing_bips=9_000).enter()
    each = 9_000  # 90 % of the value, by three sequencers
    leaders = []
    for word in (0, 2**62 // 28 - 1, 2**62 // 28 + 1, 2**62 - 1):
        job = market.request()
        market.ok(Kind.BID, 0, SECOND, 1_000, job=job)
        market.ok(Kind.CLOSE, 1_001, 0, job=job, word=word)
        leaders.append(int(market.s.leader[job]) - 1)
    assert leaders == [SECOND, SECOND, FIRST, THIRD]
    assert market.s.stake[FIRST] == DEPOSIT - 4 * each


@pytest.mark.parametrize(("rights", "bid"), [(AUCTION, 2_999), (LOTTERY, 2_999), (AUCTION, 0), (LOTTERY, 0)])
def test_below_the_reserve_the_rollup_orders_for_itself(rights: int, bid: int) -> None:
    """5.1: per-rollup reserve price, else the rollup keeps its own sequencer. Tickets spent are kept: a guess."""
    market = Market(rights=rights, reserve_bips=1_000).enter()
    job = market.request()
    if bid:
        market.ok(Kind.BID, 0, FIRST, bid, job=job)
    market.ok(Kind.CLOSE, 1_001, 0, job=job)
    assert market.s.leader[job] == 0
    assert market.gain(FIRST) == [-bid if rights == LOTTERY else 0]
    market.ok(Kind.PROVE, 2_000, CHEAP, job=job)
    kept = bid if rights == LOTTERY else 0
    assert market.gain(USERS) == [kept - 20_000]  # its users paid, it has the rest


def test_at_the_reserve_the_right_is_sold() -> None:
    for rights in (AUCTION, LOTTERY):
        market = Market(rights=rights, reserve_bips=1_000).enter()
        job = market.request()
        market.ok(Kind.BID, 0, FIRST, 3_000, job=job)
        market.ok(Kind.CLOSE, 1_001, 0, job=job)
        assert market.s.leader[job] == FIRST + 1


@pytest.mark.parametrize("share", [10_000, 2_500, 0])
def test_revenue_goes_to_the_rollup(share: int) -> None:
    """5.1: revenue goes to rollups; 5.3: revenue to the rollup."""
    market = Market(rollup_bips=share).enter()
    pool = int(market.b.reserve[0])
    job = market.request()
    market.ok(Kind.BID, 0, FIRST, 8_000, job=job)
    market.ok(Kind.CLOSE, 1_001, 0, job=job)
    assert market.gain(USERS) == [8_000 * share // 10_000 - PAID]
    assert market.b.reserve[0] - pool == 8_000 - 8_000 * share // 10_000


def test_equal_standing_bids_win_in_turn_out_of_deposits() -> None:
    market = Market(standing_bips=9_000, max_redraws=0).enter()
    assert [int(market.s.leader[market.closed()]) - 1 for _ in range(4)] == [FIRST, SECOND, THIRD, FIRST]
    assert market.s.stake[FIRST] == DEPOSIT - 2 * 27_000
    job = market.request()
    market.ok(Kind.BID, 0, THIRD, 27_000, job=job)
    market.ok(Kind.CLOSE, 1_001, 0, job=job)
    assert market.s.leader[job] == THIRD + 1  # a standing bid must be higher
    assert market.s.stake[SECOND] == DEPOSIT - 27_000


@pytest.mark.parametrize(
    ("payer", "bid"), [(ROLLUP, VALUE), (POOL, PAID), (SEQUENCER, PAID - 20_000), (ITSELF, PAID - 45_000)]
)
def test_what_a_right_is_worth_depends_on_who_must_buy_the_proof(payer: int, bid: int) -> None:
    """5.4: income of a slot = fees + ordering value; who pays the prover takes the price of the proof off."""
    market = Market(standing_bips=10_000, payer=payer).enter()
    market.ok(Kind.OFFER, 0, FIRST, 45_000, 1)
    if payer != ITSELF:
        for actor in (SECOND, THIRD):
            market.ok(Kind.UNSTAKE, 0, actor, DEPOSIT)
    job = market.closed()
    assert market.s.leader[job] == FIRST + 1
    assert market.s.spent[FIRST] == bid


# --- the proof: who pays, and who is hurt (5.4) ---


def test_the_rollup_buys_the_cheapest_with_room() -> None:
    """5.4 (d): by the rollup outside."""
    market = Market().enter()
    jobs = [market.closed() for _ in range(2)]
    assert [int(market.b.prover[job]) for job in jobs] == [CHEAP, DEAR]
    for job, prover, price in zip(jobs, (CHEAP, DEAR), (20_000, 50_000), strict=True):
        market.ok(Kind.PROVE, 2_000, prover, job=job)
        assert market.b.paid[job] == price
    assert market.gain(USERS, CHEAP, DEAR) == [-70_000, 20_000, 50_000]


def test_an_offer_above_the_budget_is_not_taken() -> None:
    """The rollup has the fees; a sequencer that buys has fees and the value of ordering."""
    for payer, amount, phase in ((ROLLUP, 20_001, Phase.LOST), (SEQUENCER, 20_001, Phase.ASSIGNED)):
        market = Market(payer=payer).enter()
        job = market.request(amount)
        market.ok(Kind.CLOSE, 1_001, 0, job=job)
        assert market.b.phase[job] == phase
    market = Market()
    job = market.closed()
    assert market.b.phase[job] == Phase.LOST  # nobody offers
    assert market.gain(USERS) == [0]


def test_a_late_prover_hurts_the_rollup_by_the_delay_and_the_price() -> None:
    """5.4: outside, the sequencer has its money; the rollup asks the next cheapest, not the same again."""
    market = Market(max_redraws=2).enter()
    job = market.request()
    market.ok(Kind.BID, 0, FIRST, 8_000, job=job)
    market.ok(Kind.CLOSE, 1_001, 0, job=job)
    gains = []
    for prover, late in ((CHEAP, 61_002), (DEAR, 121_003)):
        assert market.b.prover[job] == prover
        market.ok(Kind.EXPIRE, late, 0, job=job)
        gains.append(market.gain(FIRST))
    assert gains == [[VALUE - 8_000]] * 2
    assert market.b.prover[job] == CHEAP  # not the last who was late
    market.ok(Kind.EXPIRE, 181_004, 0, job=job)
    assert market.b.phase[job] == Phase.LOST
    assert market.gain(USERS) == [8_000 - VALUE]


@pytest.mark.parametrize("payer", [SEQUENCER, POOL, ITSELF])
def test_a_late_proof_costs_the_sequencer_what_it_paid_for_the_right(payer: int) -> None:
    """5.4 (a), (b), (e): the block is pruned; the rollup keeps what the right brought, its users their money."""
    market = Market(payer=payer).enter()
    job = market.request()
    market.ok(Kind.BID, 0, FIRST, 8_000, job=job)
    market.ok(Kind.CLOSE, 1_001, 0, job=job)
    market.ok(Kind.EXPIRE, 61_002, 0, job=job)
    assert market.b.phase[job] == Phase.LOST
    assert market.gain(FIRST, USERS, CHEAP) == [-8_000, 8_000, 0]


def test_the_sequencer_buys_out_of_its_income() -> None:
    """5.4 (a): inside the block by the winning sequencer (Aztec's quotes)."""
    market = Market(payer=SEQUENCER).enter()
    job = market.request()
    market.ok(Kind.BID, 0, FIRST, 8_000, job=job)
    market.ok(Kind.CLOSE, 1_001, 0, job=job)
    assert market.gain(FIRST) == [-8_000]
    market.ok(Kind.PROVE, 2_000, CHEAP, job=job)
    assert market.gain(FIRST, CHEAP, USERS) == [PAID - 8_000 - 20_000, 20_000, 8_000 - PAID]
    assert (market.s.gained[FIRST], market.s.spent[FIRST]) == (PAID - 20_000, 8_000)


def test_a_pool_pays_whoever_is_first_the_same() -> None:
    """5.4 (b): from a protocol pool; sequencers cannot influence provers."""
    market = Market(payer=POOL, pool_gwei=700).enter()
    jobs = [market.closed() for _ in range(2)]
    assert market.b.phase[jobs[0]] == Phase.OPEN
    for job, prover, paid in ((jobs[0], DEAR, 500), (jobs[1], THIRD, 200)):
        market.ok(Kind.PROVE, 2_000, prover, job=job)
        assert market.b.paid[job] == paid  # then the pool is dry
    assert market.do(Kind.PROVE, 2_000, CHEAP, job=jobs[0]) == Verdict.WRONG_PHASE


def test_who_orders_must_prove() -> None:
    """5.4 (e): by the proposer to itself, whatever others ask."""
    market = Market(payer=ITSELF, rights=ROTATION).enter()
    job = market.closed()
    assert market.b.prover[job] == FIRST
    assert market.do(Kind.PROVE, 2_000, CHEAP, job=job) == Verdict.NOT_YOURS
    market.ok(Kind.PROVE, 2_000, FIRST, job=job)
    assert market.gain(FIRST, USERS) == [PAID, -PAID]
    assert market.b.paid[job] == PAID


def test_who_pays_itself_pays_what_it_asks() -> None:
    """What is left of fees and value is income of ordering: the price of a proof is not what its block earned."""
    market = Market(payer=ITSELF, rights=ROTATION).enter()
    market.ok(Kind.OFFER, 0, FIRST, 45_000, 1)
    job = market.closed()
    market.ok(Kind.PROVE, 2_000, FIRST, job=job)
    assert market.gain(FIRST, USERS) == [PAID, -PAID]
    assert (market.b.paid[job], market.s.gained[FIRST]) == (45_000, PAID - 45_000)


def test_a_rollup_that_orders_for_itself_buys() -> None:
    for payer in (SEQUENCER, ITSELF):
        market = Market(payer=payer, reserve_bips=1).enter()
        job = market.closed()
        market.ok(Kind.PROVE, 2_000, CHEAP, job=job)
        assert market.gain(USERS, CHEAP) == [-20_000, 20_000]


def test_who_pays_changes_what_stays_with_the_sequencer_not_the_price() -> None:
    """5.4 (derived): under competition at 90 %, a tenth of V stays with it outside, a tenth of V + F - c inside."""
    kept = []
    for payer in (ROLLUP, SEQUENCER):
        market = Market(payer=payer, standing_bips=9_000).enter()
        job = market.closed()
        market.ok(Kind.PROVE, 2_000, CHEAP, job=job)
        kept.append((int(market.b.paid[job]), *market.gain(FIRST)))
    assert kept == [(20_000, VALUE // 10), (20_000, (PAID - 20_000) // 10)]


@pytest.mark.parametrize(("capacity", "verdict"), [(0, Verdict.BAD_DETAIL), (2**31 + 1, Verdict.BAD_DETAIL)])
def test_senseless_offers_are_refused(capacity: int, verdict: Verdict) -> None:
    market = Market()
    assert market.do(Kind.OFFER, 0, CHEAP, 1, capacity) == verdict
    assert market.do(Kind.REQUEST, 0, USERS, 1, -1) == Verdict.BAD_DETAIL
    assert market.do(Kind.DELEGATE, 0, CHEAP, 1, 1) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    "bad",
    [{"rights": 3}, {"payer": 4}, {"window_ms": 0}, {"bid_ms": -1}, {"ordering_bips": 10_001}, {"rollup_bips": 10_001},
     {"min_stake_gwei": 0}, {"max_redraws": -1}, {"pool_gwei": 2**61}, {"reserve_bips": 100_001}],
)  # fmt: skip
def test_senseless_parameters_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(BadInput, match=next(iter(bad))):
        with_params("shared_sequencing", shared_sequencing, bad)


@pytest.mark.parametrize("p", [ESPRESSO_DESIGN, ESPRESSO_SIMPLER, ASTRIA, RADIUS])
def test_known_parameters_make_sense(p: Params) -> None:
    assert shared_sequencing.validate(p) is None


# --- random markets: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

MARKETS = tuple(
    PLAIN._replace(rights=rights, payer=payer, standing_bips=4_000 * (payer % 2), reserve_bips=500, rollup_bips=7_000)
    for rights in (ROTATION, AUCTION, LOTTERY)
    for payer in (ROLLUP, SEQUENCER, POOL, ITSELF)
)
ACTS = "osurrbbbcccppppxxz"
STEP = st.tuples(st.sampled_from(ACTS), st.integers(0, 5), st.integers(0, 15), st.integers(0, 2**62 - 1))


def random_event(s: Any, step: tuple[str, int, int, int], now: int) -> Event:
    """Turn a step into a mostly possible event, given the state it meets."""
    what, actor, k, word = step
    if what in "osu":
        kind = {"o": Kind.OFFER, "s": Kind.STAKE, "u": Kind.UNSTAKE}[what]
        return Event(kind, now, actor, 0, 1 + word % 60_000, k % 4, 0)
    if what == "z":
        return Event(word % 16, now, actor, k, word % 10**7, word % 7 - 1, word)
    phases = {"r": (Phase.NONE,), "b": (Phase.BIDDING,), "c": (Phase.BIDDING,)}
    found = np.flatnonzero(np.isin(s.book.phase, phases.get(what, (Phase.ASSIGNED, Phase.OPEN))))
    job = int(found[k % found.size]) if found.size else k
    due = now if word % 8 == 0 else max(now, int(s.book.deadline[job]) + 1)
    if what == "r":
        return Event(Kind.REQUEST, now, actor, job, word % 200_000, k, word)
    if what == "b":
        return Event(Kind.BID, now, actor, job, word % 40_000, 0, word)
    if what == "p":
        mine = s.book.prover[job] < 0 or word % 8 == 0
        return Event(Kind.PROVE, now, actor if mine else int(s.book.prover[job]), job, 0, 0, 0)
    return Event(Kind.CLOSE if what == "c" else Kind.EXPIRE, due, 0, job, 0, 0, word)


def plays(p: Params, steps: list[tuple[str, int, int, int]]) -> set[tuple[int, int]]:
    """Play in plain Python and compiled, audit both, and return what was answered."""
    market = Market(p, cash=10**7, jobs=16)
    compiled = shape.copy(market.s)
    bound = bind(Rule("shared_sequencing", shared_sequencing, p), compiled)
    entry = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(bound.function)
    seen: set[tuple[int, int]] = set()
    now = 0

    def play(event: Event) -> None:
        verdict = market.do(
            Kind(event.kind), event.time, event.actor, event.amount, event.detail, job=event.job, word=event.word
        )
        words = np.array(event, np.int64)
        assert entry(bound.context.ctypes.data, words.ctypes.data) == verdict
        assert_same(market.s, compiled)
        seen.add((event.kind, verdict))

    for actor in (1, 2, 3):
        play(Event(Kind.OFFER, 0, actor, 0, actor * 10_000, 2, 0))
        play(Event(Kind.STAKE, 0, actor + 1, 0, 10**6, 0, 0))
    for step in steps:
        event = random_event(market.s, step, now + step[2] * 50)
        play(event)
        now = max(now, event.time)
    for job in np.flatnonzero(market.b.phase != Phase.NONE).tolist():
        for _ in range(2 + p.max_redraws):
            if market.b.phase[job] not in FINAL:
                now = max(now, int(market.b.deadline[job])) + 1
                kind = Kind.CLOSE if market.b.phase[job] == Phase.BIDDING else Kind.EXPIRE
                play(Event(kind, now, 0, job, 0, 0, 0))
        assert market.b.phase[job] in FINAL
    assert market.b.escrow.sum() == market.s.value.sum() == market.s.pot.sum() == market.s.open_jobs.sum() == 0
    return seen


@settings(max_examples=30, deadline=None)
@given(p=st.sampled_from(MARKETS), steps=st.lists(STEP, min_size=20, max_size=80))
def test_random_markets(p: Params, steps: list[tuple[str, int, int, int]]) -> None:
    plays(p, steps)


def test_random_markets_reach_every_path() -> None:
    """The events above are worth something only if they meet both success and refusal of each kind."""
    dice = np.random.default_rng(7)
    seen: set[tuple[int, int]] = set()
    for p in MARKETS:
        steps = [
            (str(dice.choice(list(ACTS))), int(dice.integers(6)), int(dice.integers(16)), int(dice.integers(2**62)))
            for _ in range(100)
        ]
        seen |= plays(p, steps)
    ok, v = Verdict.OK, Verdict
    wanted = {
        Kind.OFFER: {ok, v.BAD_DETAIL}, Kind.STAKE: {ok}, Kind.UNSTAKE: {ok, v.POOR}, Kind.REQUEST: {ok, v.WRONG_PHASE},
        Kind.BID: {ok, v.NOT_YOURS, v.BAD_AMOUNT, v.UNKNOWN}, Kind.CLOSE: {ok, v.EARLY, v.WRONG_PHASE},
        Kind.PROVE: {ok, v.NOT_YOURS, v.WRONG_PHASE}, Kind.EXPIRE: {ok, v.EARLY, v.WRONG_PHASE},
    }  # fmt: skip
    assert not {(kind, verdict) for kind, all_of in wanted.items() for verdict in all_of} - seen
