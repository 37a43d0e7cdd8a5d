"""Contests a share of the right claims it looks at, beside all wrong ones: it costs a bond and holds a job up."""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import Moment, View, chance, honest

MOMENTS = (Moment.CONTEST,)
FIRST = "share_bips"
LIMITS = {"share_bips": (0, 10_000)}


class Params(NamedTuple):
    """A share."""

    share_bips: int = 10_000  # bips of the right claims it looks at


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Contest what is wrong, and by its die what is right."""
    if v.moment == Moment.CONTEST and chance(v, p.share_bips):
        return 1
    return honest(v)
