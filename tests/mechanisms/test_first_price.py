"""First price on both sides: who trades, and why nobody tells the truth.

Section numbers are those of the field page on rollup mechanisms; its line on this strawman is a reconstruction.
"""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.conformance import compiled
from proofyard.conformance.market import Market, Setup
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.mechanisms import first_price, rule

CASH, ROUND, WINDOW = 10**6, 100, 1_000

Offer = tuple[int, int]  # capacity, ask
BASE_FEES = range(20, 2, -1)
BASE_OFFERS = ((4, 2), (3, 4), (5, 6), (4, 9))


class Auction:
    """One audited round: prover k makes the k-th offer, user k (the actors after the provers) bids for job k."""

    def __init__(self, bids: Sequence[int], offers: Sequence[Offer], burn: int = 0) -> None:
        text = f"first_price(round_ms={ROUND}, window_ms={WINDOW}, burn_spread={burn})"
        self.market = Market(Setup(rule(text), len(bids), (CASH,) * (len(bids) + len(offers))))
        self.s, self.b = self.market.sheet.state, self.market.book
        self.n, self.jobs = len(offers), range(len(bids))
        for prover, (capacity, ask) in enumerate(offers):
            self.ok(Kind.OFFER, 0, prover, amount=ask, detail=capacity)
        for job, bid in enumerate(bids):
            self.ok(Kind.REQUEST, 1, self.n + job, job=job, amount=bid)
        self.ok(Kind.CLOSE, ROUND)

    def do(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> Verdict:
        job, amount, detail = (rest.get(name, 0) for name in ("job", "amount", "detail"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, 0))

    def ok(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def given(self) -> list[tuple[int, int]]:
        """Job and prover of all tasks served."""
        return [(job, int(self.b.prover[job])) for job in self.jobs if self.b.phase[job] == Phase.ASSIGNED]

    def deliver(self) -> "Auction":
        for job, prover in self.given():
            self.ok(Kind.PROVE, ROUND + WINDOW, prover, job=job)
        return self

    def gain(self, actor: int) -> int:
        return int(self.b.cash[actor]) - CASH


def test_highest_bids_meet_lowest_asks() -> None:
    """The base case (2.3 case 1), all told truly: A, B and C serve twelve tasks, welfare 124; nobody has any of it."""
    a = Auction(BASE_FEES, BASE_OFFERS)
    served = a.given()
    assert [prover for _, prover in served] == [0] * 4 + [1] * 3 + [2] * 5
    welfare = sum(BASE_FEES[job] - BASE_OFFERS[prover][1] for job, prover in served)
    a.deliver()
    assert welfare == 124 == int(a.b.reserve[0])
    assert [a.gain(prover) for prover in range(4)] == [4 * 2, 3 * 4, 5 * 6, 0]
    assert [-a.gain(4 + job) for job in a.jobs] == [*BASE_FEES[:12], *[0] * 6]


@pytest.mark.parametrize(("bid", "gain"), [(1, 0), (2, 1), (3, 2), (4, 0)])
def test_low_cost_prover_gains_by_asking_more(bid: int, gain: int) -> None:
    """2.4: costs (1, 3, 4), cap 4: the low-cost prover gains 1 by bidding 2 instead of 1.

    And 2 by bidding 3, the tie being its own by number; at 4 another wins. Complete information (4.3): the winner
    bids just under the second lowest cost.
    """
    a = Auction([4], [(1, bid), (1, 3), (1, 4)]).deliver()
    assert a.gain(0) - (1 if a.b.prover[0] == 0 else 0) == gain


@pytest.mark.parametrize(("bid", "gain"), [(20, 0), (11, 9), (10, 0)])
def test_users_shade(bid: int, gain: int) -> None:
    """2.4: first price both sides, zero truth: who values a task at 20 gains by bidding just above the next one."""
    a = Auction([10, bid], [(1, 2)])
    assert (20 - bid if (1, 0) in a.given() else 0) == gain


@pytest.mark.parametrize(("n", "steps"), [(2, 40), (3, 12)])
def test_mean_price_in_equilibrium(n: int, steps: int) -> None:
    """4.3: costs U[0, 1], reserve 1: b(c) = c + (1 - c) / n; expected payment 2 / (n + 1), rent 1 / (n + 1)."""
    scale = 2 * n * steps
    points = [(2 * k + 1) * n for k in range(steps)]  # midpoints, in units of 1 / scale
    a = Auction([scale], [(2, 1)] * n)
    paid = rent = 0
    for k in range(steps**n):
        costs = [points[k // steps**i % steps] for i in range(n)]
        bids = [cost + (scale - cost) // n for cost in costs]
        a.s.price[:n] = bids
        winner = int(first_price.by_ask(a.s)[0])
        paid += bids[winner]
        rent += bids[winner] - costs[winner]
    assert paid / steps**n / scale == pytest.approx(2 / (n + 1), abs=0.5 / steps)
    assert rent / steps**n / scale == pytest.approx(1 / (n + 1), abs=0.5 / steps)


@pytest.mark.parametrize(("bid", "ask", "trade"), [(5, 5, True), (5, 6, False)])
def test_trade_needs_bid_at_ask(bid: int, ask: int, trade: bool) -> None:  # noqa: FBT001
    a = Auction([bid], [(1, ask)])
    assert a.given() == ([(0, 0)] if trade else [])
    assert trade or (a.b.phase[0], a.gain(1)) == (Phase.LOST, 0)


def test_ties_go_to_the_lower_number() -> None:
    assert Auction([5, 5, 5], [(1, 2), (1, 2)]).given() == [(0, 0), (1, 1)]


@pytest.mark.parametrize(("burn", "kept", "burnt"), [(0, 3, 0), (1, 0, 3)])
def test_spread_is_kept_or_burnt(burn: int, kept: int, burnt: int) -> None:
    a = Auction([5], [(1, 2)], burn).deliver()
    assert (a.b.reserve[0], a.b.burnt[0], a.b.paid[0]) == (kept, burnt, 2)


def test_who_does_not_prove_loses_nothing_and_the_user_is_refunded() -> None:
    a = Auction([5], [(1, 2), (1, 3)])
    assert a.do(Kind.PROVE, ROUND, 1) == Verdict.NOT_YOURS
    assert a.do(Kind.EXPIRE, ROUND + WINDOW) == Verdict.EARLY
    a.ok(Kind.EXPIRE, ROUND + WINDOW + 1)
    assert (a.b.phase[0], a.gain(2), a.s.open_jobs[0]) == (Phase.LOST, 0, 0)


def test_refused() -> None:
    market = Market(Setup(rule("first_price"), 2, (CASH,)))
    for event, verdict in (
        (Event(Kind.REQUEST, 0, 0, 0, 0, 1, 0), Verdict.BAD_AMOUNT),
        (Event(Kind.REQUEST, 0, 0, 0, CASH + 1, 1, 0), Verdict.POOR),
        (Event(Kind.OFFER, 0, 0, 0, 1, -1, 0), Verdict.BAD_DETAIL),
        (Event(Kind.STAKE, 0, 0, 0, 1, 0, 0), Verdict.UNKNOWN),
        (Event(Kind.REQUEST, 0, 0, 0, 1, 1, 0), Verdict.OK),
        (Event(Kind.CLOSE, 59_999, 0, 0, 0, 0, 0), Verdict.EARLY),
    ):
        assert market.answer(event) == verdict


@pytest.mark.parametrize(
    ("text", "name"), [("round_ms=0", "round_ms"), ("window_ms=0", "window_ms"), ("burn_spread=2", "burn_spread")]
)
def test_senseless_parameters(text: str, name: str) -> None:
    with pytest.raises(BadInput) as caught:
        rule(f"first_price({text})")
    assert caught.value.field == f"mechanism.{name}"


@given(st.integers(0, 2**32), st.integers(0, 1))
def test_whatever_happens_money_is_kept_and_the_compiled_rule_agrees(seed: int, burn: int) -> None:
    """Every event is audited by the market: conserved, nothing negative, refused means untouched."""
    dice, now = random.Random(seed), 0
    market = Market(Setup(rule(f"first_price(round_ms=7, window_ms=19, burn_spread={burn})"), 18, (CASH,) * 5))
    for _ in range(60):
        now += dice.choice((0, 1, 3, 8))
        actor, job = dice.randrange(5), dice.randrange(18)
        prover = max(0, int(market.book.prover[job]))
        market.answer(
            dice.choice((
                Event(Kind.OFFER, now, actor, 0, dice.randrange(14), dice.randrange(-1, 4), 0),
                Event(Kind.REQUEST, now, actor, job, dice.randrange(15), 1, 0),
                Event(Kind.CLOSE, now, actor, job, 0, 0, 0),
                Event(Kind.PROVE, now, prover, job, 0, 0, 0),
                Event(Kind.EXPIRE, now, actor, job, 0, 0, 0),
            ))
        )  # fmt: skip
    compiled.compare(market.trace())
