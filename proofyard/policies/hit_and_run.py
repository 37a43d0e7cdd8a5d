"""Takes what is paid in advance and does not prove; where nothing is paid in advance it is honest.

`keep` is the share of its cost that an advance must exceed before it runs: what it loses by defaulting it has to know.
"""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import BIPS, NEVER, Moment, View, honest

MOMENTS = (Moment.SUBMIT,)
FIRST = "keep_bips"
LIMITS = {"keep_bips": (0, 10_000_000)}


class Params(NamedTuple):
    """A share."""

    keep_bips: int = 0  # bips of the cost of the proof


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Run with the advance when it is large enough."""
    if v.moment == Moment.SUBMIT and v.paid > 0 and v.paid > v.cost * p.keep_bips // BIPS:
        return NEVER
    return honest(v)
