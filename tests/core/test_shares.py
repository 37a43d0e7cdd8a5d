"""Shares of a pool and claims on a queue: rounding never favours who asks, and slashes cut every claim alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.core import MAX_SHARES, WHOLE, cut_queue, left_of, shares_for, shares_worth

AMOUNTS = st.integers(1, 10**18)


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_bought_shares_are_worth_no_more_than_was_paid(amount: int, pool: int, shares: int) -> None:
    issued = shares_for(amount, pool, shares)
    assert issued * pool // shares <= amount


def test_first_shares_are_one_a_gwei_and_those_of_an_empty_pool_too_many() -> None:
    assert shares_for(70, 0, 0) == 70
    assert shares_for(70, 0, 10) == MAX_SHARES


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_shares_given_up_are_worth_at_least_what_is_taken_out(amount: int, pool: int, shares: int) -> None:
    burn = shares_worth(amount, shares, pool, shares)
    assert burn <= shares
    assert burn == shares or burn * pool // shares >= amount
    assert burn == shares or (burn - 1) * pool // shares < amount


@pytest.mark.parametrize(("left", "kept"), [(100, 1_000), (50, 500), (1, 10), (0, 0)])
def test_a_claim_is_cut_as_its_queue(left: int, kept: int) -> None:
    remains, scale = np.full(2, WHOLE), np.zeros(2, np.int64)
    cut_queue(remains, scale, 1, left, 100)
    assert left_of(1_000, WHOLE, 0, int(remains[1]), int(scale[1])) in (kept, max(0, kept - 1))  # rounded down
    assert (remains[0], scale[0]) == (WHOLE, 0)


def test_a_claim_outlasts_a_cut_to_a_millionth_after_another() -> None:
    remains, scale = np.full(1, WHOLE), np.zeros(1, np.int64)
    for _ in range(2):
        cut_queue(remains, scale, 0, 1, 10**6)
    assert scale[0] == 1  # 2**-62 was too fine by then
    assert left_of(10**18, WHOLE, 0, int(remains[0]), 1) == pytest.approx(10**6, abs=1)


def test_a_queue_slashed_to_nothing_starts_anew() -> None:
    remains, scale = np.full(1, WHOLE), np.zeros(1, np.int64)
    cut_queue(remains, scale, 0, 0, 5)
    assert (remains[0], scale[0]) == (WHOLE, 2)
    assert left_of(5, WHOLE, 0, int(remains[0]), 2) == 0
    assert left_of(5, int(remains[0]), 2, int(remains[0]), 2) == 5
