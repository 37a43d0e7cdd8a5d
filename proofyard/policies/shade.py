"""Offers and bids its cost plus a markup; a negative one undercuts its own cost."""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import BIPS, Moment, View, honest

MOMENTS = (Moment.PRICE, Moment.BID)
STEADY = True  # its price and capacity are what they were
FIRST = "by_bips"  # what `shade(0.1)` sets
LIMITS = {"by_bips": (-9_900, 10_000_000)}


class Params(NamedTuple):
    """Shares of the cost."""

    by_bips: int = 1_000  # bips of the cost, the markup


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Mark the honest price up."""
    if v.moment == Moment.PRICE or v.moment == Moment.BID:
        return max(1, honest(v) + honest(v) // BIPS * p.by_bips + honest(v) % BIPS * p.by_bips // BIPS)
    return honest(v)
