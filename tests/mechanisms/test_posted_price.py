"""Posted price: who is served at it, what it pays whom, and what a wrong one costs.

Section numbers are those of the field page on rollup mechanisms; its line on this strawman is a reconstruction.
"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.conformance import compiled
from proofyard.conformance.market import Market, Setup
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.mechanisms import rule

CASH, WINDOW, ONE_WORD = 10**6, 1_000, 2**62
USER = 4  # after the provers
BASE_OFFERS = ((4, 2), (3, 4), (5, 6), (4, 9))  # capacity and unit cost of A, B, C, D (2.3 case 1)
BASE_FEES = range(20, 2, -1)


class Shop:
    """An audited market of four provers and a user."""

    def __init__(self, price: int, jobs: int = 18) -> None:
        text = f"posted_price(price_gwei={price}, window_ms={WINDOW})"
        self.market = Market(Setup(rule(text), jobs, (CASH,) * (USER + 1)))
        self.s, self.b = self.market.sheet.state, self.market.book

    def do(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> Verdict:
        job, amount, detail, word = (rest.get(name, 0) for name in ("job", "amount", "detail", "word"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, word))

    def ok(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def open(self, offers: tuple[tuple[int, int], ...] = BASE_OFFERS) -> "Shop":
        for prover, (capacity, cost) in enumerate(offers):
            self.ok(Kind.OFFER, 0, prover, amount=cost, detail=capacity)
        return self

    def gain(self, actor: int) -> int:
        return int(self.b.cash[actor]) - CASH


def welfare(price: int, dice: random.Random) -> int:
    """Values served less costs, when the tasks of the base case come in order of value and provers are drawn."""
    shop, total = Shop(price).open(), 0
    for job, fee in enumerate(BASE_FEES):
        word = dice.randrange(ONE_WORD)
        if shop.do(Kind.REQUEST, 1, USER, job=job, amount=fee, word=word) == Verdict.OK:
            total += fee - BASE_OFFERS[shop.b.prover[job]][1]
    return total


@pytest.mark.parametrize(("fee", "verdict"), [(8, Verdict.OK), (20, Verdict.OK), (7, Verdict.TOO_DEAR)])
def test_serves_tasks_worth_the_price(fee: int, verdict: Verdict) -> None:
    """2.4: serves tasks with f >= P, and everybody pays P."""
    shop = Shop(8).open()
    assert shop.do(Kind.REQUEST, 1, USER, amount=fee) == verdict
    assert shop.b.escrow[0] == (8 if verdict == Verdict.OK else 0)


def test_provers_that_can_afford_the_price_are_drawn_equally_while_they_have_room() -> None:
    """2.4: with provers p <= P, rationed: whatever they ask below it makes no difference."""
    drawn = [Shop(6).open() for _ in range(12)]
    for k, shop in enumerate(drawn):
        shop.ok(Kind.REQUEST, 1, USER, amount=9, word=(2 * k + 1) * ONE_WORD // 24)
    assert [int(shop.b.prover[0]) for shop in drawn] == [0] * 4 + [1] * 4 + [2] * 4
    shop = Shop(6).open()
    for job in range(12):
        shop.ok(Kind.REQUEST, 1, USER, job=job, amount=9, word=ONE_WORD - 1)
    assert shop.s.open_jobs.tolist() == [4, 3, 5, 0, 0]  # the dearest has room and is not asked
    assert shop.do(Kind.REQUEST, 1, USER, job=12, amount=9) == Verdict.NO_PROVER


@pytest.mark.parametrize("report", [1, 3, 5, 6])
def test_truthful_and_budget_balanced(report: int) -> None:
    """2.4: truthful, budget balanced: what the user pays is what the prover earns, whatever was reported."""
    shop = Shop(6).open(((1, report),))
    shop.ok(Kind.REQUEST, 1, USER, amount=9)
    shop.ok(Kind.PROVE, 1 + WINDOW, 0)
    assert (shop.gain(0), shop.gain(USER), shop.b.paid[0], shop.s.open_jobs[0]) == (6, -6, 6, 0)
    above = Shop(6).open(((1, 7),))
    assert above.do(Kind.REQUEST, 1, USER, amount=9) == Verdict.NO_PROVER


def test_a_wrong_price_is_inefficient() -> None:
    """2.4: inefficient when P is wrong. In the base case 124 is possible (2.3 case 1).

    At 6 to 8 provers A, B, C serve the twelve highest values, at 5 only A and B the seven highest: 99; at 1 nobody
    proves, at 21 nobody asks. At 9 the dear prover is drawn as well, at random.
    """
    dice = random.Random(1)
    assert [welfare(price, dice) for price in (1, 5, 6, 8, 21)] == [0, 99, 124, 124, 0]
    at_nine = [welfare(9, dice) for _ in range(40)]
    assert max(at_nine) <= 124
    assert 100 < sum(at_nine) / len(at_nine) < 124
    assert welfare(15, dice) < 99  # six tasks


def test_who_does_not_prove_loses_nothing_and_the_user_is_refunded() -> None:
    shop = Shop(6).open()
    shop.ok(Kind.REQUEST, 1, USER, amount=9)
    assert shop.do(Kind.PROVE, 2, 3) == Verdict.NOT_YOURS
    assert shop.do(Kind.EXPIRE, 1 + WINDOW) == Verdict.EARLY
    assert shop.do(Kind.PROVE, 2 + WINDOW, 0) == Verdict.LATE
    shop.ok(Kind.EXPIRE, 2 + WINDOW)
    assert (shop.b.phase[0], shop.gain(USER), shop.s.open_jobs[0]) == (Phase.LOST, 0, 0)


def test_refused() -> None:
    shop = Shop(6)
    assert shop.do(Kind.REQUEST, 0, USER, amount=9) == Verdict.NO_PROVER
    assert shop.do(Kind.REQUEST, 0, USER, amount=CASH + 1) == Verdict.POOR
    assert shop.do(Kind.OFFER, 0, 0, amount=5, detail=-1) == Verdict.BAD_DETAIL
    assert shop.do(Kind.OFFER, 0, 0, amount=0, detail=1) == Verdict.BAD_AMOUNT
    assert shop.do(Kind.STAKE, 0, 0, amount=1) == Verdict.UNKNOWN


@pytest.mark.parametrize(("text", "name"), [("price_gwei=0", "price_gwei"), ("window_ms=0", "window_ms")])
def test_senseless_parameters(text: str, name: str) -> None:
    with pytest.raises(BadInput) as caught:
        rule(f"posted_price({text})")
    assert caught.value.field == f"mechanism.{name}"


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_whatever_happens_money_is_kept_and_the_compiled_rule_agrees(seed: int, price: int) -> None:
    """Every event is audited by the market: conserved, nothing negative, refused means untouched."""
    dice, shop, now = random.Random(seed), Shop(price), 0
    for _ in range(60):
        now += dice.choice((0, 1, WINDOW // 2))
        actor, job, word = dice.randrange(USER + 1), dice.randrange(18), dice.randrange(ONE_WORD)
        match dice.randrange(5):
            case 0:
                shop.do(Kind.OFFER, now, actor, amount=dice.randrange(14), detail=dice.randrange(-1, 4))
            case 1 | 2:
                shop.do(Kind.REQUEST, now, actor, job=job, amount=dice.randrange(15), word=word)
            case 3:
                shop.do(Kind.PROVE, now, max(0, int(shop.b.prover[job])), job=job)
            case _:
                shop.do(Kind.EXPIRE, now, actor, job=job)
    compiled.compare(shop.market.trace())
