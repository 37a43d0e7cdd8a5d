"""Gives a job back at once when it cannot finish it in time."""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import Moment, View, honest

MOMENTS = (Moment.ACCEPT,)


class Params(NamedTuple):
    """It has none."""


@spec
def decide(_p: Params, _memory: Ints, v: View) -> int:
    """Keep what will be ready in time."""
    if v.moment == Moment.ACCEPT:
        return 1 if v.ready <= v.deadline else 0
    return honest(v)
