"""Oracles 1 and 8 of the field notes on hardware, section 15, with the closed forms of section 5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.worlds.theory import serial_share, tree_bounds, tree_makespan

PROVE, JOIN = 3.06, 1.17  # s, measured on a RISC Zero cluster


@pytest.mark.parametrize(
    ("segments", "workers", "low", "high"), [(9, 2, 18.45, 22.32), (33, 2, 69.2, 74.3), (256, 16, 67.6, 79.3)]
)
def test_oracle_1_published_bounds(segments: int, workers: int, low: float, high: float) -> None:
    assert tree_bounds(segments, PROVE, JOIN, workers) == pytest.approx((low, high), abs=0.06)


@given(st.integers(1, 300), st.integers(1, 40))
def test_oracle_1_greedy_schedule_lies_within(segments: int, workers: int) -> None:
    low, high = tree_bounds(segments, PROVE, JOIN, workers)
    assert low - 1e-9 <= tree_makespan(segments, PROVE, JOIN, workers) <= high + 1e-9


@pytest.mark.parametrize("k", range(7))
def test_oracle_1_exact_cases(k: int) -> None:
    n = 2**k
    assert tree_makespan(n, PROVE, JOIN, 1) == pytest.approx(n * PROVE + (n - 1) * JOIN)
    assert tree_makespan(n, PROVE, JOIN, n + 3) == pytest.approx(PROVE + k * JOIN)


def test_oracle_8_amdahl() -> None:
    """81.43 s on two cards from 132.61 s on one: serial 0.228."""
    assert serial_share(132.61, 81.43, 2) == pytest.approx(0.228, abs=0.001)
