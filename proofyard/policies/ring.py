"""A ring: for each job (and each day for standing offers) one member of the class bids, the others stay high.

Whose turn it is goes round by job. `high` is what the others ask, `low` what the one whose turn it is asks.
"""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import BIPS, Moment, View, honest

MOMENTS = (Moment.PRICE, Moment.BID)
FIRST = "high_bips"
LIMITS = {"high_bips": (0, 10**9), "low_bips": (0, 10**9), "turn_ms": (0, 10**12)}


class Params(NamedTuple):
    """Shares of the cost, and how long a turn lasts where offers stand."""

    high_bips: int = 100_000  # bips of the cost, what those ask whose turn it is not
    low_bips: int = 10_000  # bips of the cost, what the one asks whose turn it is
    turn_ms: int = 0  # ms a turn lasts for standing offers; 0: always the first of the class


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Take the turn or stay high."""
    if v.moment == Moment.PRICE or v.moment == Moment.BID:
        turn = v.job if v.moment == Moment.BID else 0
        if v.moment == Moment.PRICE and p.turn_ms > 0:
            turn = v.now // p.turn_ms
        share = p.low_bips if turn % max(1, v.peers) == v.place else p.high_bips
        return max(1, honest(v) // BIPS * share + honest(v) % BIPS * share // BIPS)
    return honest(v)
