"""Puts all free money to stake at every epoch, or, with `leave`, takes its stake out and stays away for a while."""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import BIPS, Moment, View, honest

MOMENTS = (Moment.STAKE,)
FIRST = "share_bips"
LIMITS = {"share_bips": (-10_000, 10_000)}


class Params(NamedTuple):
    """A share."""

    share_bips: int = 10_000  # bips of its cash to stake, or, negative, bips of its stake to take out


@spec
def decide(p: Params, _memory: Ints, v: View) -> int:
    """Move money to stake or from it."""
    if v.moment == Moment.STAKE:
        held = v.cash if p.share_bips > 0 else v.stake
        return held // BIPS * p.share_bips + held % BIPS * p.share_bips // BIPS
    return honest(v)
