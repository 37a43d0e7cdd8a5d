"""Measures of concentration, on the public stake tables of ten chains: every value of a table made elsewhere comes out.

`stake_snapshots.csv`: stakes on 5 March 2024 (Osmosis 18 December 2023) to six digits, largest first, entries of one
name summed, from sm86/destake @713a10ab (Apache-2.0). Section numbers are those of the field page on chains.
"""

import csv
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from proofyard.lab.metrics import gini, hhi, nakamoto, top_share

FILE = Path(__file__).with_name("stake_snapshots.csv")


def stakes(chain: str) -> np.ndarray:
    with FILE.open(encoding="utf-8") as file:
        return np.array([float(row["tokens"]) for row in csv.DictReader(file) if row["chain"] == chain])


@pytest.mark.parametrize(
    ("chain", "n", "third", "two_thirds", "g", "h", "top_1", "top_10", "slope"),
    [
        ("polygon", 105, 4, 11, 0.783, 519, 10.3, 63.9, 2.34),
        ("celestia", 207, 6, 19, 0.831, 326, 7.0, 49.6, 5.30),
        ("injective", 60, 6, 21, 0.441, 322, 9.2, 46.5, 0.81),
        ("cosmos", 180, 7, 26, 0.686, 273, 9.0, 42.5, 1.24),
        ("bnb", 56, 8, 16, 0.555, 370, 5.1, 44.1, 2.36),
        ("celo", 82, 9, 33, 0.402, 211, 5.2, 35.6, 1.06),
        ("axelar", 75, 10, 28, 0.431, 236, 7.2, 33.7, 1.18),
        ("osmosis", 150, 10, 42, 0.545, 203, 6.6, 33.8, 1.03),
        ("sui", 104, 15, 41, 0.365, 144, 3.4, 25.3, 0.66),
        ("aptos", 151, 19, 42, 0.543, 133, 2.4, 19.2, 3.20),
    ],
)
def test_concentration_of_stake(
    chain: str, n: int, third: int, two_thirds: int, g: float, h: int, top_1: float, top_10: float, slope: float
) -> None:
    """6.3 and 7.15: n, NC 1/3, NC 2/3, Gini, HHI (x 1e4), top-1, top-10, Zipf slope by least squares on log rank."""
    held = stakes(chain)
    assert held.size == n
    assert (nakamoto(held, Fraction(1, 3)), nakamoto(held, Fraction(2, 3))) == (third, two_thirds)
    assert round(float(gini(held) or 0), 3) == g
    assert round(float(hhi(held) or 0) * 1e4) == h
    assert (round(100 * (top_share(held, 1) or 0), 1), round(100 * (top_share(held, 10) or 0), 1)) == (top_1, top_10)
    assert round(-np.polyfit(np.log(np.arange(1, n + 1)), np.log(held), 1)[0], 2) == slope


@pytest.mark.parametrize("weigh", [np.sqrt, np.log1p])
def test_concave_weights_spread_power_until_somebody_splits(weigh: np.ufunc) -> None:
    """6.3: square-root and logarithmic weights improve the metrics; neither survives Sybil splitting (derived)."""
    held = stakes("cosmos") / 1e9
    assert float(hhi(weigh(held)) or 0) < float(hhi(held) or 0)
    whole = weigh(held[0]) / weigh(held).sum()
    parts = np.full(100, held[0] / 100)
    split = weigh(parts).sum() / (weigh(parts).sum() + weigh(held[1:]).sum())
    assert split > 5 * whole
    assert split > held[0] / held.sum()
