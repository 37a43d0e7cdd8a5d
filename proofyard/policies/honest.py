"""Offers and bids its cost, declares the truth, keeps what it gets and proves at once."""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import Moment, View, honest

MOMENTS: tuple[Moment, ...] = ()


class Params(NamedTuple):
    """It has none."""


@spec
def decide(_p: Params, _memory: Ints, v: View) -> int:
    """Do what the honest do."""
    return honest(v)
