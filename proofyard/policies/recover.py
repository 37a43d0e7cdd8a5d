"""Misses the deadline on purpose, and lets its second identity (`twin` of its class) hand the finished proof in.

Who proves a job after its deadline is often paid out of the bond of whoever missed it: so the bond comes back.
"""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import Moment, View, chance, honest

MOMENTS = (Moment.SUBMIT,)
FIRST = "share_bips"
LIMITS = {"share_bips": (0, 10_000), "late_ms": (1, 10**12)}


class Params(NamedTuple):
    """A share and a time."""

    share_bips: int = 10_000  # bips of its assignments
    late_ms: int = 1  # ms after the deadline


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Be late, but ready."""
    if v.moment == Moment.SUBMIT and v.ready <= v.deadline and chance(v, p.share_bips):
        return v.deadline + p.late_ms
    return honest(v)
