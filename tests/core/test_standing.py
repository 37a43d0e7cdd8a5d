"""Offers and money at stake: what is written, what is refused, and that a refusal changes nothing."""

import numpy as np
import pytest

from proofyard.core import Book, Event, Kind, Verdict, move_stake, post_offer, shape, take_out, take_out_matured


def event(kind: Kind, amount: int = 0, detail: int = 0, time: int = 100) -> Event:
    return Event(kind, time, 1, 0, amount, detail, 0)


def book() -> Book:
    b = shape.zeros(Book, actors=3, jobs=1)
    b.cash[:] = 50
    return b


@pytest.mark.parametrize(("detail", "verdict"), [(1, Verdict.BAD_DETAIL), (2, Verdict.OK), (5, Verdict.OK)])
def test_offer_is_noted_within_its_bounds(detail: int, verdict: Verdict) -> None:
    price, capacity = np.zeros(3, np.int64), np.zeros(3, np.int64)
    assert post_offer(price, capacity, event(Kind.OFFER, 7, detail), 2, 5) == verdict
    assert (price[1], capacity[1]) == ((7, detail) if verdict == Verdict.OK else (0, 0))
    assert price[0] == capacity[0] == price[2] == capacity[2] == 0


def test_offer_above_its_bounds_is_refused() -> None:
    price, capacity = np.zeros(3, np.int64), np.zeros(3, np.int64)
    assert post_offer(price, capacity, event(Kind.OFFER, 7, 6), 2, 5) == Verdict.BAD_DETAIL
    assert not price.any()
    assert not capacity.any()


def test_stake_goes_in_and_comes_back_at_once() -> None:
    b, stake = book(), np.zeros(3, np.int64)
    assert move_stake(b, stake, event(Kind.STAKE, 30)) == Verdict.OK
    assert (b.cash[1], stake[1]) == (20, 30)
    assert move_stake(b, stake, event(Kind.UNSTAKE, 31)) == Verdict.POOR
    assert (b.cash[1], stake[1]) == (20, 30)
    assert move_stake(b, stake, event(Kind.UNSTAKE, 30)) == Verdict.OK
    assert (b.cash[1], stake[1]) == (50, 0)


@pytest.mark.parametrize(("amount", "left"), [(4, 6), (10, 0), (0, 0)])
def test_take_out_a_part_or_all(amount: int, left: int) -> None:
    b, source = book(), np.array([0, 10, 0])
    assert take_out(b, source, event(Kind.WITHDRAW, amount)) == Verdict.OK
    assert (source[1], b.cash[1]) == (left, 60 - left)


@pytest.mark.parametrize(("held", "amount"), [(0, 0), (10, 11)])
def test_take_out_of_too_little_is_refused(held: int, amount: int) -> None:
    b, source, matures = book(), np.array([0, held, 0]), np.array([0, 100, 0])
    assert take_out(b, source, event(Kind.WITHDRAW, amount)) == Verdict.POOR
    assert take_out_matured(b, source, matures, event(Kind.WITHDRAW, amount)) == Verdict.POOR
    assert (source[1], b.cash[1]) == (held, 50)


@pytest.mark.parametrize(("time", "verdict", "left"), [(99, Verdict.EARLY, 10), (100, Verdict.OK, 7)])
def test_what_is_on_its_way_out_is_paid_from_the_ms_it_matures(time: int, verdict: Verdict, left: int) -> None:
    b, exiting, matures = book(), np.array([0, 10, 0]), np.array([0, 100, 0])
    assert take_out_matured(b, exiting, matures, event(Kind.WITHDRAW, 3, time=time)) == verdict
    assert (exiting[1], b.cash[1]) == (left, 60 - left)
