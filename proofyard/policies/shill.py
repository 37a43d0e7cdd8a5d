"""Its owner's is the request: it bids just above the lowest other bid, so that the lowest wins and is paid no more."""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import BIPS, Moment, View, honest

MOMENTS = (Moment.PRICE, Moment.BID)
FIRST = "step_bips"
LIMITS = {"step_bips": (1, 1_000_000)}


class Params(NamedTuple):
    """A share."""

    step_bips: int = 100  # bips above the lowest other bid: how dense its grid of sealed bids is


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Stay just above the lowest; where there is nobody else, don't bid."""
    if v.moment != Moment.PRICE and v.moment != Moment.BID:
        return honest(v)
    if v.rival == 0:
        return max(1, v.ask) if v.moment == Moment.PRICE else 0
    return max(1, v.rival + 1, v.rival + v.rival // BIPS * p.step_bips + v.rival % BIPS * p.step_bips // BIPS)
