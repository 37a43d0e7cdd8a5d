"""Offers and bids far below its cost to win, declares more than it has, and lets what it wins expire."""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import BIPS, NEVER, Moment, View, chance, honest

MOMENTS = (Moment.PRICE, Moment.CAPACITY, Moment.BID, Moment.SUBMIT)
STEADY = True  # its price and capacity are what they were
FIRST = "share_bips"
LIMITS = {"share_bips": (0, 10_000), "price_bips": (0, 10_000_000), "x_bips": (100, 100_000_000)}


class Params(NamedTuple):
    """Shares."""

    share_bips: int = 10_000  # bips of its assignments that it lets go
    price_bips: int = 5_000  # bips of its cost, what it asks
    x_bips: int = 10_000  # bips: declared capacity = true capacity times this


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Win cheaply, deliver nothing."""
    if v.moment == Moment.PRICE or v.moment == Moment.BID:
        return max(1, honest(v) // BIPS * p.price_bips + honest(v) % BIPS * p.price_bips // BIPS)
    if v.moment == Moment.CAPACITY:
        return max(1, v.capacity * p.x_bips // BIPS)
    if v.moment == Moment.SUBMIT and chance(v, p.share_bips):
        return NEVER
    return honest(v)
