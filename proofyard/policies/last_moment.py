"""Hands every proof in as late as it dares."""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import Moment, View, honest

MOMENTS = (Moment.SUBMIT,)
FIRST = "margin_ms"
LIMITS = {"margin_ms": (0, 10**12)}


class Params(NamedTuple):
    """A time."""

    margin_ms: int = 1_000  # ms before the deadline


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Wait until shortly before the deadline."""
    if v.moment == Moment.SUBMIT:
        return max(v.ready, v.deadline - p.margin_ms)
    return honest(v)
