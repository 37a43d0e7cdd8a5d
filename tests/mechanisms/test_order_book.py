"""The order book: who trades with whom at which price, and escrows that never return.

Section numbers are those of the field page on prover markets.
"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.conformance import compiled
from proofyard.conformance.market import Market, Setup
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.mechanisms import order_book, rule

LOOK, LIFETIME, WINDOW = 10, 300, 1_000
CASH = 10**6
BUYER = 4  # provers come before it


class Book:
    """An audited market with provers 0 to 3 and two buyers."""

    def __init__(self, jobs: int = 6, **params: int) -> None:
        values = {"look_ms": LOOK, "lifetime_ms": LIFETIME, "window_ms": WINDOW} | params
        text = ", ".join(f"{name}={value}" for name, value in values.items())
        self.market = Market(Setup(rule(f"order_book({text})"), jobs, (CASH,) * 6))
        self.s, self.b = self.market.sheet.state, self.market.book

    def do(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> Verdict:
        job, amount, detail = (rest.get(name, 0) for name in ("job", "amount", "detail"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, 0))

    def ok(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def propose(self, prover: int, price: int, capacity: int = 1, time: int = 0) -> None:
        self.ok(Kind.OFFER, time, prover, amount=price, detail=capacity)

    def request(self, job: int, ceiling: int, time: int = 0, buyer: int = BUYER) -> None:
        self.ok(Kind.REQUEST, time, buyer, job=job, amount=ceiling, detail=1)

    def trades(self) -> list[tuple[int, int, int]]:
        """Job, producer and price of every trade not over."""
        jobs = [job for job in range(len(self.b.phase)) if self.b.phase[job] == Phase.ASSIGNED]
        return [(job, int(self.b.prover[job]), int(self.s.owed[job])) for job in jobs]

    def gain(self, actor: int) -> int:
        return int(self.b.cash[actor] + self.s.stake[actor]) - CASH

    def escrows_are_the_orders(self) -> bool:
        """Invariant of section 4: escrow held = sum of prices of OPEN and PROCESSING orders."""
        live = (self.b.phase == Phase.BIDDING) | (self.b.phase == Phase.ASSIGNED)
        asked = {e.job: e.amount for e, v in zip(self.market.events, self.market.verdicts, strict=True)
                 if e.kind == Kind.REQUEST and v == Verdict.OK}  # fmt: skip
        held = sum(asked[job] for job in range(len(live)) if live[job])
        lost = sum(asked[job] for job in asked if self.b.phase[job] == Phase.LOST)
        frozen = lost if self.market.setup.rule.params.literal else 0
        return int(self.b.escrow.sum()) == held and int(self.s.frozen[0]) == frozen

    def crossed(self) -> bool:
        """Whether a request on the book is at or above a proposal on it."""
        ceilings = [int(self.b.escrow[job]) for job in range(len(self.b.phase)) if self.b.phase[job] == Phase.BIDDING]
        prices = [int(self.s.price[k]) for k in range(6) if self.s.units[k] > 0]
        return bool(ceilings and prices) and max(ceilings) >= min(prices)


# --- who trades, at which price (section 4, predictions) ---


@pytest.mark.parametrize(("ceiling", "trades"), [(49, False), (50, True), (51, True)])
def test_a_trade_occurs_if_and_only_if_best_request_reaches_best_proposal(ceiling: int, trades: bool) -> None:  # noqa: FBT001
    """Section 4: a trade occurs iff best request >= best proposal, whichever comes first."""
    late, early = Book(), Book()
    late.propose(0, 50)
    late.request(0, ceiling)
    early.request(0, ceiling)
    early.propose(0, 50)
    for m in (late, early):
        assert m.b.phase[0] == (Phase.ASSIGNED if trades else Phase.BIDDING)


def test_price_is_the_resting_orders() -> None:
    """Section 4: price is the resting order's: the proposal's when it was there first, else the request's."""
    m = Book()
    m.propose(0, 50)
    m.request(0, 80)
    assert m.trades() == [(0, 0, 50)]
    m.request(1, 90)
    m.propose(1, 60)
    assert m.trades() == [(0, 0, 50), (1, 1, 90)]


def test_cheapest_posted_fee_is_paid_with_the_switch() -> None:
    """The reading of Mina's snark pool (chains, section 3): the price posted, even when the request was first."""
    m = Book(posted_fee=1)
    m.request(0, 90)
    m.propose(1, 60)
    assert m.trades() == [(0, 1, 60)]


def test_price_then_time() -> None:
    """Section 4: price-time priority on both sides; the lower number is no advantage."""
    m = Book()
    for prover, price in ((3, 50), (0, 50), (2, 40)):
        m.propose(prover, price)
    for job in range(3):
        m.request(job, 100)
    assert m.trades() == [(0, 2, 40), (1, 3, 50), (2, 0, 50)]
    m = Book()
    for job, ceiling in ((3, 50), (0, 50), (2, 60), (1, 50)):
        m.request(job, ceiling)
    for prover in range(4):
        m.propose(prover, 10)
    assert m.trades() == [(0, 2, 50), (1, 3, 50), (2, 0, 60), (3, 1, 50)]


def test_a_new_offer_goes_to_the_back_and_no_capacity_takes_it_off() -> None:
    m = Book()
    m.propose(0, 50)
    m.propose(1, 50)
    m.propose(0, 50, time=1)
    m.request(0, 60, time=2)
    assert m.trades() == [(0, 1, 50)]
    m.propose(0, 50, capacity=0, time=3)
    m.request(1, 60, time=4)
    assert m.b.phase[1] == Phase.BIDDING


def test_several_requests_trade_with_one_offer_of_several_proofs() -> None:
    m = Book()
    for job, ceiling in ((0, 30), (1, 80), (2, 70), (3, 75)):
        m.request(job, ceiling)
    m.propose(0, 40, capacity=2)
    assert m.trades() == [(1, 0, 80), (3, 0, 75)]
    assert m.s.units[0] == 0


def test_closed_order_pays_the_producer_and_the_buyer_the_rest() -> None:
    """Section 4: closeOrder with finalPrice <= price: producer gets finalPrice, buyer the rest; capacity comes back."""
    m = Book()
    m.propose(0, 50)
    m.request(0, 80, time=3)
    assert m.do(Kind.PROVE, 4, 1) == Verdict.NOT_YOURS
    m.ok(Kind.PROVE, 3 + WINDOW, 0)
    assert (m.gain(0), m.gain(BUYER), m.b.paid[0], m.b.phase[0]) == (50, -50, 50, Phase.SETTLED)
    m.request(1, 80, time=3 + WINDOW)
    assert m.trades() == [(1, 0, 50)]  # a look has passed since


def test_used_proposals_come_back_at_the_next_look_at_the_price_of_what_rests() -> None:
    m = Book()
    m.propose(0, 50, time=1)
    m.request(0, 80, time=2)
    m.request(1, 70, time=3)
    m.ok(Kind.PROVE, 4, 0)
    m.request(2, 90, time=5)
    assert m.trades() == []  # the producer is free but has nothing on the book
    assert m.do(Kind.CLOSE, LOOK - 1, job=1) == Verdict.EARLY
    m.ok(Kind.CLOSE, LOOK, job=1)  # whoever's timer comes first: the best request trades
    assert m.trades() == [(2, 0, 90)]
    assert (m.b.phase[1], m.b.deadline[1]) == (Phase.BIDDING, 2 * LOOK - 1)


# --- the hole, and what would mend it ---


def test_one_silent_producer_and_the_escrow_never_returns() -> None:
    """Section 4, the hole: no deadline, no penalty on chain; one silent producer, and the escrow stays for good."""
    m = Book()
    m.propose(0, 50)
    m.request(0, 80)
    assert m.do(Kind.DECLINE, 1, 0) == Verdict.UNKNOWN
    assert m.do(Kind.EXPIRE, WINDOW) == Verdict.EARLY
    m.ok(Kind.EXPIRE, WINDOW + 1)
    assert (m.gain(BUYER), m.s.frozen[0], m.gain(0), m.b.slashed[0]) == (-80, 80, 0, 0)
    assert m.escrows_are_the_orders()


def test_an_order_without_proposal_cannot_be_cancelled() -> None:
    """Section 4: no cancel, no deadline: an OPEN order that nobody takes is frozen as well."""
    m = Book()
    m.request(0, 80)
    for k in range(1, LIFETIME // LOOK + 1):
        m.ok(Kind.CLOSE, k * LOOK, job=0)
        assert m.b.phase[0] == Phase.BIDDING
    m.ok(Kind.CLOSE, LIFETIME + LOOK, job=0)
    assert (m.b.phase[0], m.gain(BUYER), m.s.frozen[0]) == (Phase.LOST, -80, 80)
    mended = Book(literal=0)
    mended.request(0, 80)
    mended.ok(Kind.CLOSE, LIFETIME + 1, job=0)
    assert (mended.b.phase[0], mended.gain(BUYER)) == (Phase.LOST, 0)


def test_timeouts_and_penalties_mend_it() -> None:
    """Ours: the silent producer's penalty goes to the buyer, the request trades again, in its old place."""
    m = Book(literal=0, penalty_gwei=40, refund_bips=7_500, window_ms=20)
    m.ok(Kind.STAKE, 0, 0, amount=100)
    m.ok(Kind.STAKE, 0, 1, amount=40)
    m.propose(0, 50)
    m.propose(1, 60, capacity=5)
    m.request(0, 80)
    assert (m.s.stake[0], m.s.bond[0]) == (60, 40)
    m.ok(Kind.EXPIRE, 21)
    assert (m.trades(), m.gain(0), m.gain(BUYER), m.b.burnt[0]) == ([(0, 1, 60)], -40, 30 - 80, 10)
    m.ok(Kind.PROVE, 22, 1)
    assert (m.gain(1), m.gain(BUYER), m.b.slashed[0]) == (60, 30 - 60, 40)


def test_proposals_stand_only_while_penalties_are_covered() -> None:
    m = Book(literal=0, penalty_gwei=40)
    m.propose(0, 50, capacity=3)
    m.request(0, 80)
    assert m.trades() == []
    m.ok(Kind.STAKE, 1, 0, amount=110)
    m.ok(Kind.CLOSE, LOOK, job=0)  # with the next look the offer stands
    assert (m.trades(), m.s.units[0]) == ([(0, 0, 80)], 1)
    assert m.do(Kind.UNSTAKE, 12, 0, amount=71) == Verdict.POOR
    m.ok(Kind.UNSTAKE, 12, 0, amount=31)
    m.request(1, 80, time=13)
    assert m.b.phase[1] == Phase.BIDDING


def test_a_request_put_back_keeps_its_place() -> None:
    m = Book(literal=0, window_ms=20)
    m.propose(0, 50)
    m.request(0, 80)
    m.request(1, 80, time=1)
    m.ok(Kind.OFFER, 2, 0, amount=50, detail=0)
    m.ok(Kind.EXPIRE, 21)
    m.propose(1, 50, time=22)
    assert m.trades() == [(0, 1, 80)]


def test_a_request_whose_time_is_over_is_refunded_at_its_producers_timeout() -> None:
    m = Book(literal=0, window_ms=LIFETIME)
    m.propose(0, 50)
    m.request(0, 80)
    m.ok(Kind.EXPIRE, LIFETIME + 1)
    assert (m.b.phase[0], m.gain(BUYER)) == (Phase.LOST, 0)


def test_refused() -> None:
    m = Book()
    assert m.do(Kind.REQUEST, 0, BUYER, amount=0) == Verdict.BAD_AMOUNT
    assert m.do(Kind.REQUEST, 0, BUYER, amount=CASH + 1) == Verdict.POOR
    assert m.do(Kind.OFFER, 0, 0, amount=5, detail=-1) == Verdict.BAD_DETAIL
    assert m.do(Kind.OFFER, 0, 0, amount=0, detail=1) == Verdict.BAD_AMOUNT
    assert m.do(Kind.UNSTAKE, 0, 0, amount=1) == Verdict.POOR
    assert m.do(Kind.WITHDRAW, 0, 0) == Verdict.UNKNOWN
    m.request(0, 80)
    assert m.do(Kind.BID, 0, 0, amount=1) == Verdict.UNKNOWN  # proposals are for the statement, not for a request
    assert m.do(Kind.PROVE, 0, 0) == Verdict.WRONG_PHASE


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("look_ms=0", "look_ms"), ("lifetime_ms=14999", "lifetime_ms"), ("lifetime_ms=2250001", "lifetime_ms"),
        ("window_ms=14999", "window_ms"), ("penalty_gwei=1", "penalty_gwei"), ("literal=2", "literal"),
        ("literal=0, penalty_gwei=-1", "penalty_gwei"), ("refund_bips=10001", "refund_bips"),
        ("posted_fee=2", "posted_fee"),
    ],
)  # fmt: skip
def test_senseless_parameters(text: str, name: str) -> None:
    with pytest.raises(BadInput) as caught:
        rule(f"order_book({text})")
    assert caught.value.field == f"mechanism.{name}"


# --- whatever happens ---


def about(m: Book, dice: random.Random, job: int, now: int, actor: int) -> Event:
    """What might happen to a job next."""
    match Phase(int(m.b.phase[job])):
        case Phase.BIDDING:
            return Event(Kind.CLOSE, now, 0, job, 0, 0, 0)
        case Phase.ASSIGNED:
            by = int(m.b.prover[job]) if dice.randrange(4) else actor
            return Event(dice.choice((Kind.PROVE, Kind.EXPIRE)), now, by, job, 0, 0, 0)
        case _:
            return Event(Kind.REQUEST, now, actor, job, dice.choice((0, 40, 50, 60, 70)), 1, 0)


def wander(m: Book, dice: random.Random, steps: int) -> None:
    """Do plausible things; after each the book is not crossed and escrows are the orders'."""
    now = 0
    for _ in range(steps):
        now += dice.choice((0, 1, 3, LOOK, WINDOW // 3))
        actor = dice.randrange(6)
        match dice.randrange(8):
            case 0 | 1:
                event = Event(Kind.OFFER, now, actor, 0, dice.choice((40, 50, 55, 60)), dice.randrange(-1, 4), 0)
            case 2:
                event = Event(Kind.STAKE, now, actor, 0, dice.choice((40, 100, CASH)), 0, 0)
            case 3:
                event = Event(Kind.UNSTAKE, now, actor, 0, dice.choice((1, 40, 100)), 0, 0)
            case _:
                live = m.market.live_jobs() if dice.randrange(3) else []
                event = about(m, dice, dice.choice(live or range(len(m.b.phase))), now, actor)
        m.market.answer(event)
        assert m.escrows_are_the_orders()
        assert not m.crossed()


@given(st.integers(0, 2**32), st.sampled_from((0, 40)), st.integers(0, 1), st.integers(0, 1))
def test_whatever_happens_the_book_is_not_crossed_and_the_compiled_rule_agrees(
    seed: int, penalty: int, literal: int, posted: int
) -> None:
    m = Book(12, literal=literal, penalty_gwei=0 if literal else penalty, posted_fee=posted, refund_bips=3_333)
    wander(m, random.Random(seed), 60)
    compiled.compare(m.market.trace())


def test_wandering_trades_and_ends_in_every_way() -> None:
    m = Book(60, literal=0, penalty_gwei=40)
    wander(m, random.Random(1), 600)
    assert {Phase.SETTLED, Phase.LOST} <= {Phase(int(phase)) for phase in m.b.phase}
    assert m.b.slashed.sum() > 0
    assert order_book.FAMILY == "order book"
