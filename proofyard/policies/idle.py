"""An idle card's owner: leaves the market whenever its other income, which wanders, pays more than the market did.

The alternative moves by up to `step` of itself each epoch, up or down by its own die, and pulls back to `other`.
"""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import BIPS, Moment, View, honest

MOMENTS = (Moment.AWAY,)
FIRST = "other_bips"
LIMITS = {"other_bips": (0, 10**7), "step_bips": (0, 9_000), "away_ms": (1, 10**12)}
OTHER = 0  # cell of the memory


class Params(NamedTuple):
    """What else the hardware earns, as a share of its cost."""

    other_bips: int = 11_000  # bips of what its work here costs, on average
    step_bips: int = 2_000  # bips, the most it moves at an epoch
    away_ms: int = 3_600_000  # ms it stays away


@spec
def decide(p: Params, memory: Ints, v: View) -> int:
    """Compare what one proof leaves here with what the same hours earn elsewhere."""
    if v.moment != Moment.AWAY:
        return honest(v)
    if memory[OTHER] == 0:
        memory[OTHER] = max(1, p.other_bips)
    swing = v.word % (2 * p.step_bips + 1) - p.step_bips
    memory[OTHER] = max(1, memory[OTHER] + memory[OTHER] * swing // BIPS + (p.other_bips - memory[OTHER]) // 8)
    return p.away_ms if memory[OTHER] > v.price * BIPS // max(1, v.ask) else 0
