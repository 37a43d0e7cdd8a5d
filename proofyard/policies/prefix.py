"""Proves only the first part of jobs that are dear to prove: enough to count as one who proves, at a small cost."""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import BIPS, Moment, View, honest

MOMENTS = (Moment.PART,)
FIRST = "above_bips"
LIMITS = {"above_bips": (0, 10_000_000), "parts": (1, 1_000)}


class Params(NamedTuple):
    """A share and a number."""

    above_bips: int = 15_000  # bips of what a usual proof costs it: what costs more is dear
    parts: int = 1  # to prove of what is dear


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Prove all, or of what is dear as little as counts."""
    if v.moment == Moment.PART:
        return p.parts if v.cost > v.ask // BIPS * p.above_bips + v.ask % BIPS * p.above_bips // BIPS else 0
    return honest(v)
