"""Copies: it sees proofs of others on their way, and hands them in as its own before they arrive.

Only where a proof does not name who made it: proofs that do are worth nothing to anybody else.
"""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import Moment, View, chance, honest

MOMENTS = (Moment.COPY,)
FIRST = "share_bips"
LIMITS = {"share_bips": (0, 10_000)}


class Params(NamedTuple):
    """A share."""

    share_bips: int = 10_000  # bips of the others' proofs that it sees in time


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Take what it sees."""
    if v.moment == Moment.COPY:
        return 1 if chance(v, p.share_bips) else 0
    return honest(v)
