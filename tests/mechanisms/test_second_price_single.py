"""Second price for the single cheapest prover: what it pays, and whom it leaves without work.

Section numbers are those of the field page on rollup mechanisms; its line on this strawman is a reconstruction.
"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.conformance import compiled
from proofyard.conformance.market import Market, Setup
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.mechanisms import rule, second_price_single

CASH, WINDOW = 10**6, 1_000
USER = 4  # after the provers


class Auction:
    """An audited market of up to four provers, with ten proofs at once each, and a user."""

    def __init__(self, *asks: int, capacity: int = 10, reserve: int = 0) -> None:
        text = f"second_price_single(window_ms={WINDOW}, reserve_gwei={reserve})"
        self.market = Market(Setup(rule(text), 18, (CASH,) * (USER + 1)))
        self.s, self.b = self.market.sheet.state, self.market.book
        for prover, ask in enumerate(asks):
            self.ok(Kind.OFFER, 0, prover, amount=ask, detail=capacity)

    def do(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> Verdict:
        job, amount, detail = (rest.get(name, 0) for name in ("job", "amount", "detail"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, 0))

    def ok(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def sell(self, fee: int = 100, job: int = 0) -> tuple[int, int]:
        """Ask for a proof; the prover and the price."""
        self.ok(Kind.REQUEST, 1, USER, job=job, amount=fee)
        return int(self.b.prover[job]), int(self.b.escrow[job])

    def gain(self, actor: int) -> int:
        return int(self.b.cash[actor]) - CASH


def test_price_is_the_second_lowest_cost() -> None:
    """2.4: costs (1, 2, 4) pay 2."""
    a = Auction(1, 2, 4)
    assert a.sell() == (0, 2)
    a.ok(Kind.PROVE, 1 + WINDOW, 0)
    assert (a.gain(0), a.gain(USER), a.b.paid[0], a.s.open_jobs[0]) == (2, -2, 2, 0)


def test_two_collude() -> None:
    """2.4: if the runner-up reports 4 the winner gets 4, the pair's utility goes from 1 to 3."""
    honest, colluding = Auction(1, 2, 4), Auction(1, 4, 4)
    for a, price in ((honest, 2), (colluding, 4)):
        assert a.sell() == (0, price)
        a.ok(Kind.PROVE, 2, 0)
    assert [a.gain(0) + a.gain(1) - 1 for a in (honest, colluding)] == [1, 3]


@pytest.mark.parametrize("report", [1, 3, 4, 5, 9])
def test_truthful_for_one(report: int) -> None:
    """4.3: second price, truthful: no report of a prover of cost 3 among 4 and 6 gains more than 3 does."""
    prover, price = Auction(report, 4, 6).sell()
    assert (price - 3 if prover == 0 else 0) <= 4 - 3


def test_monopoly_of_the_lowest_cost() -> None:
    """2.4: all work goes to one; the room of the others does not count, however much is asked for."""
    a = Auction(1, 2, 4, capacity=3)
    assert [a.sell(job=job) for job in range(3)] == [(0, 2)] * 3
    assert a.do(Kind.REQUEST, 1, USER, job=3, amount=100) == Verdict.FULL
    a.ok(Kind.PROVE, 2, 0)
    assert a.sell(job=3) == (0, 2)


@pytest.mark.parametrize(("n", "steps"), [(2, 60), (3, 20)])
def test_mean_price_of_uniform_costs(n: int, steps: int) -> None:
    """4.3: costs U[0, 1], n bidders: expected payment 2 / (n + 1), winner's rent 1 / (n + 1). On a grid, exactly.

    The mean over all grid points of the second lowest of n differs from 2 / (n + 1) by what ties do: below 1 / steps.
    """
    a = Auction(*[1] * n)
    paid = rent = 0
    for k in range(steps**n):
        costs = [k // steps**i % steps + 1 for i in range(n)]
        a.s.price[:n] = costs
        first, second = (scan(a, -1), scan(a, scan(a, -1)))
        paid += costs[second]
        rent += costs[second] - costs[first]
    assert paid / steps**n / steps == pytest.approx(2 / (n + 1), abs=1 / steps)
    assert rent / steps**n / steps == pytest.approx(1 / (n + 1), abs=1 / steps)


def scan(a: Auction, other: int) -> int:
    return second_price_single.cheapest(a.market.setup.rule.params, a.s, other)


@pytest.mark.parametrize(
    ("asks", "reserve", "fee", "outcome"),
    [((3,), 0, 50, (0, 50)), ((3,), 9, 50, (0, 9)), ((3, 7), 9, 50, (0, 7)), ((3, 12), 9, 50, (0, 9))],
)
def test_who_is_alone_names_the_price_unless_there_is_a_reserve(
    asks: tuple[int, ...], reserve: int, fee: int, outcome: tuple[int, int]
) -> None:
    """4.4: who others cannot replace needs a reserve price."""
    assert Auction(*asks, reserve=reserve).sell(fee) == outcome


def test_refused() -> None:
    assert Auction().do(Kind.REQUEST, 1, USER, amount=9) == Verdict.NO_PROVER
    assert Auction(10, 11, reserve=9).do(Kind.REQUEST, 1, USER, amount=99) == Verdict.NO_PROVER
    a = Auction(5, 8)
    assert a.do(Kind.REQUEST, 1, USER, amount=7) == Verdict.TOO_DEAR
    assert Auction(5).do(Kind.REQUEST, 1, USER, amount=4) == Verdict.TOO_DEAR
    assert a.do(Kind.REQUEST, 1, USER, amount=CASH + 1) == Verdict.POOR
    assert a.do(Kind.OFFER, 1, 0, amount=5, detail=2**40) == Verdict.BAD_DETAIL
    assert a.do(Kind.STAKE, 1, 0, amount=5) == Verdict.UNKNOWN
    a.ok(Kind.OFFER, 1, 0, amount=5, detail=0)
    assert a.sell() == (1, 100)


def test_who_does_not_prove_loses_nothing_and_the_user_is_refunded() -> None:
    a = Auction(1, 2)
    a.sell()
    assert a.do(Kind.PROVE, 2, 1) == Verdict.NOT_YOURS
    assert a.do(Kind.EXPIRE, 1 + WINDOW) == Verdict.EARLY
    a.ok(Kind.EXPIRE, 2 + WINDOW)
    assert (a.b.phase[0], a.gain(USER), a.s.open_jobs[0]) == (Phase.LOST, 0, 0)


@pytest.mark.parametrize(("text", "name"), [("reserve_gwei=-1", "reserve_gwei"), ("window_ms=0", "window_ms")])
def test_senseless_parameters(text: str, name: str) -> None:
    with pytest.raises(BadInput) as caught:
        rule(f"second_price_single({text})")
    assert caught.value.field == f"mechanism.{name}"


@given(st.integers(0, 2**32), st.sampled_from((0, 8)))
def test_whatever_happens_money_is_kept_and_the_compiled_rule_agrees(seed: int, reserve: int) -> None:
    """Every event is audited by the market: conserved, nothing negative, refused means untouched."""
    dice, a, now = random.Random(seed), Auction(reserve=reserve), 0
    for _ in range(60):
        now += dice.choice((0, 1, WINDOW // 2))
        actor, job = dice.randrange(USER + 1), dice.randrange(18)
        match dice.randrange(5):
            case 0:
                a.do(Kind.OFFER, now, actor, amount=dice.randrange(14), detail=dice.randrange(-1, 4))
            case 1 | 2:
                a.do(Kind.REQUEST, now, actor, job=job, amount=dice.randrange(15))
            case 3:
                a.do(Kind.PROVE, now, max(0, int(a.b.prover[job])), job=job)
            case _:
                a.do(Kind.EXPIRE, now, actor, job=job)
    compiled.compare(a.market.trace())
