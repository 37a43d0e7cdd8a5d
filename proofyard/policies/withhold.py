"""Lets a share of its assignments go: it neither proves them nor gives them back."""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import NEVER, Moment, View, chance, honest

MOMENTS = (Moment.SUBMIT,)
FIRST = "share_bips"
LIMITS = {"share_bips": (0, 10_000)}


class Params(NamedTuple):
    """A share."""

    share_bips: int = 500  # bips of its assignments


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Prove, or by its die don't."""
    if v.moment == Moment.SUBMIT and chance(v, p.share_bips):
        return NEVER
    return honest(v)
