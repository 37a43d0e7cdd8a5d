"""Limits of parameters: the first outside them, and what was wanted."""

from typing import NamedTuple

import pytest

from proofyard.core import out_of_range


class Params(NamedTuple):
    late: int = 5
    early: int = 5


@pytest.mark.parametrize(
    ("value", "complaint"), [(3, None), (9, None), (2, ("early", "3 to 9")), (10, ("early", "3 to 9"))]
)
def test_limits_are_inclusive(value: int, complaint: tuple[str, str] | None) -> None:
    assert out_of_range(Params(early=value), {"early": (3, 9)}) == complaint


def test_what_is_not_named_has_the_usual_limits_or_none() -> None:
    assert out_of_range(Params(late=-1), {"early": (3, 9)}) is None
    assert out_of_range(Params(late=-1), {"early": (3, 9)}, (0, 7)) == ("late", "0 to 7")


def test_the_first_in_the_order_of_the_limits_is_named() -> None:
    assert out_of_range(Params(-1, -1), {"early": (0, 1), "late": (0, 1)}) == ("early", "0 to 1")
