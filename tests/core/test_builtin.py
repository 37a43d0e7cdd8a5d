"""`int`, `min` and `max` compiled as shared parts say what Python says, and leave to Numba what is not theirs."""

from typing import Any

import pytest

from proofyard.core import spec
from proofyard.core.compiler import njit

EDGES = (-(2**63), -1, 0, 1, 2**63 - 1)


@spec
def of_two(a: int, b: int) -> tuple[int, int, int]:
    return min(a, b), max(a, b), int(a)


@spec
def of_others(a: int, b: int, c: int) -> tuple[int, int, int, int, float, int]:
    return min(a, b, c), max((a, b)), int(2.5), int(a < b), max(a, 2.5), min(a, 7)


@pytest.mark.parametrize("a", EDGES)
@pytest.mark.parametrize("b", EDGES)
def test_whole_numbers(a: int, b: int) -> None:
    assert njit(of_two)(a, b) == of_two(a, b)


def test_what_is_not_theirs_is_numbas() -> None:
    compiled: Any = njit(of_others)
    assert compiled(3, 2, 1) == of_others(3, 2, 1)
    assert compiled(1, 2, 3) == of_others(1, 2, 3)
