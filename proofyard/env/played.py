"""The policy of a prover that somebody outside plays: its memory holds what was last decided; zeros are honest.

It answers the same questions as any policy, compiled or in plain Python, so a played market runs in the same engine
under the same rule. `actions` writes the memory.
"""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import BIPS, NEVER, Moment, View, honest

MOMENTS = (
    Moment.PRICE, Moment.CAPACITY, Moment.STAKE, Moment.AWAY, Moment.BID, Moment.ACCEPT, Moment.SUBMIT,
)  # fmt: skip
PRICE, CAPACITY, STAKE, AWAY, ACCEPT, SUBMIT = range(6)  # cells of the memory
KEEP_ALL, KEEP_FEASIBLE, KEEP_NONE = range(3)  # of ACCEPT
AT_ONCE, LAST_MOMENT, NOT_AT_ALL = range(3)  # of SUBMIT


class Params(NamedTuple):
    """It has none."""


@spec
def part(amount: int, bips: int) -> int:
    """Compute `bips` of an amount of up to 2**61, rounded down, without an intermediate that is too large."""
    return amount // BIPS * bips + amount % BIPS * bips // BIPS


@spec
def decide(_p: Params, memory: Ints, v: View) -> int:
    """Do what the memory says."""
    if v.moment == Moment.PRICE or v.moment == Moment.BID:
        return honest(v) + part(honest(v), memory[PRICE])
    if v.moment == Moment.CAPACITY:
        return max(1, v.capacity + part(v.capacity, memory[CAPACITY]))
    if v.moment == Moment.STAKE:
        return part(v.cash, memory[STAKE]) if memory[STAKE] > 0 else -part(v.stake, -memory[STAKE])
    if v.moment == Moment.AWAY:
        return memory[AWAY]
    if v.moment == Moment.ACCEPT:
        feasible = memory[ACCEPT] == KEEP_FEASIBLE and v.ready <= v.deadline
        return 1 if memory[ACCEPT] == KEEP_ALL or feasible else 0
    if v.moment != Moment.SUBMIT:
        return honest(v)
    if memory[SUBMIT] == NOT_AT_ALL:
        return NEVER
    return max(v.ready, v.deadline) if memory[SUBMIT] == LAST_MOMENT and v.deadline > 0 else v.ready
