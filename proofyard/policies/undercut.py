"""Looks at the others' prices and asks less than the cheapest, never less than its cost; alone, all it dares.

Bids on single jobs nobody sees, but for whom `market.first_look` favours: who sees none bids its cost.
"""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import BIPS, Moment, View, honest

MOMENTS = (Moment.PRICE, Moment.BID)
FIRST = "by_bips"
LIMITS = {"by_bips": (0, 10_000), "most_bips": (10_000, 10**9)}


class Params(NamedTuple):
    """Shares."""

    by_bips: int = 100  # bips below the cheapest other price
    most_bips: int = 100_000  # bips of its cost, the most it asks


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Ask just under the rival."""
    if v.moment != Moment.PRICE and (v.moment != Moment.BID or v.rival == 0):
        return honest(v)
    least = honest(v)
    most = least // BIPS * p.most_bips + least % BIPS * p.most_bips // BIPS
    if v.rival == 0:
        return max(1, most)
    step = v.rival // BIPS * p.by_bips + v.rival % BIPS * p.by_bips // BIPS
    return max(1, least, min(most, v.rival - max(1, step)))
