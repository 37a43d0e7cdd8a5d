"""Declares another capacity than it has: more with `x` above 1, less below."""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import BIPS, Moment, View, honest

MOMENTS = (Moment.CAPACITY,)
STEADY = True  # its price and capacity are what they were
FIRST = "x_bips"
LIMITS = {"x_bips": (100, 100_000_000)}


class Params(NamedTuple):
    """A factor."""

    x_bips: int = 20_000  # bips: declared capacity = true capacity times this, at least 1


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Stretch the truth."""
    if v.moment == Moment.CAPACITY:
        return max(1, v.capacity * p.x_bips // BIPS)
    return honest(v)
