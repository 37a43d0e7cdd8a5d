"""exp_fixed against the decimal module with 60 digits, and compiled against plain Python."""

import random
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from proofyard.core.arith import MAX_INT
from proofyard.core.compiler import njit
from proofyard.core.exp import ONE, exp_fixed, power_of_two

DICE = random.Random(20_230_503)


@njit
def compiled(cases: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    """Evaluate every row (n, d, over) of `cases` into `out`."""
    for k in range(len(cases)):
        out[k] = exp_fixed(cases[k, 0], cases[k, 1], cases[k, 2])


def exact(n: int, d: int, over: int = 1) -> Decimal:
    """exp(n / d) / over with 60 digits."""
    with localcontext() as context:
        context.prec = 60
        return (Decimal(n) / Decimal(d)).exp() / over


def random_case() -> tuple[int, int, int]:
    """A rational anywhere between 0 and 87, with numbers of any length, and a divisor of any length."""
    d = DICE.getrandbits(DICE.randint(1, 55)) | 1
    n = int(Fraction(DICE.getrandbits(62), ONE) * 87 * d)
    over = 1 if DICE.random() < 0.5 else DICE.getrandbits(DICE.randint(1, 59)) | 1
    return n, d, over


CASES = [random_case() for _ in range(4_000)]
ALPHA_3 = [(pti, scale, scale) for scale in (160 * 32_000, 1_800 * 16) for pti in range(0, 44 * scale, scale // 7)]


@pytest.mark.parametrize("cases", [CASES, ALPHA_3], ids=["random", "alpha-3"])
def test_agrees_with_sixty_digits(cases: list[tuple[int, int, int]]) -> None:
    for n, d, over in cases:
        true = exact(n, d, over)
        with localcontext() as context:
            context.prec = 60
            lowest = int(true * (1 - Decimal("1e-17")))
        assert min(lowest, MAX_INT) <= exp_fixed(n, d, over) <= min(int(true), MAX_INT), (n, d, over)


def test_small_values_are_exact() -> None:
    """Below 2**40 no random rational comes within 1e-17 of an integer: the floor is the true one."""
    for _ in range(2_000):
        d = DICE.randint(1, 10**9)
        n = DICE.randint(0, 27 * d)
        assert exp_fixed(n, d) == int(exact(n, d)), (n, d)


def test_relative_error_of_the_largest_results() -> None:
    """Results of 63 bits show the error itself, not the rounding to an integer: below 1e-17."""
    for _ in range(2_000):
        d = DICE.randint(10**6, 10**12)
        n = d * 42 + DICE.randint(0, d * 5 // 3)
        true = exact(n, d)
        with localcontext() as context:
            context.prec = 60
            assert 0 <= (true - exp_fixed(n, d)) / true < Decimal("1e-17"), (n, d)


@pytest.mark.parametrize(
    ("n", "d", "over", "wanted"),
    [
        (0, 1, 1, 1),
        (0, 7, 2, 0),
        (-1, 10**9, 1, 0),
        (-(2**62), 1, 1, 0),
        (1, 1, 1, 2),
        (1, 1, 3, 0),
        (10, 1, 1, 22_026),
        (10, 1, 22_026, 1),
        (10, 1, 22_027, 0),
        (44, 1, 1, MAX_INT),  # ln(2**63) = 43.668
        (44, 1, 1_000, 12_851_600_114_359_308),
        (2**62, 1, 2**59, MAX_INT),
    ],
)
def test_values_and_edges(n: int, d: int, over: int, wanted: int) -> None:
    assert exp_fixed(n, d, over) == wanted


def test_power_of_two_stays_below_two() -> None:
    assert power_of_two(0) == ONE
    assert power_of_two(ONE - 1) < 2**63
    assert 2 * ONE - power_of_two(ONE - 1) < 32
    assert abs(power_of_two(ONE // 2) - int(Decimal(2).sqrt() * ONE)) < 32


def test_compiled_equals_plain_python() -> None:
    edges = [(0, 1, 1), (-5, 3, 1), (2**62, 1, 1), (2**62, 2**62, 1), (1, 2**62, 1), (86, 1, 2**59), (171, 2, 2**59)]
    cases = np.array(CASES + ALPHA_3 + edges, np.int64)
    out = np.zeros(len(cases), np.int64)
    compiled(cases, out)
    assert out.tolist() == [exp_fixed(*map(int, case)) for case in cases]
