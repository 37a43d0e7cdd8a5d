"""Claims a wrong transition in a share of its proofs, on purpose; whether anybody contests it is for others to say."""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import Moment, View, chance, honest

MOMENTS = (Moment.CLAIM,)
FIRST = "share_bips"
LIMITS = {"share_bips": (0, 10_000)}


class Params(NamedTuple):
    """A share."""

    share_bips: int = 1_000  # bips of its proofs


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Claim the true transition, or by its die another."""
    if v.moment == Moment.CLAIM and chance(v, p.share_bips):
        return 1
    return honest(v)
