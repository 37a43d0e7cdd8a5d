"""Lists of entries, one list for each job or actor, that share a fixed number of places.

A place goes by its number + 1, so that 0 is none: `first[owner]` is the latest entry of an owner, `next[place]` the one
before it, and `free[0]` the first unused place, which `next` chains to the others.
"""

import numpy as np

from proofyard.core.book import Ints, Once
from proofyard.core.spec import spec


def chain_places(following: Ints, free: Once) -> None:
    """Make all places unused; `following` is the rule's `next`. For `genesis`."""
    following[:-1] = np.arange(2, len(following) + 1)
    free[0] = 1


@spec
def add_entry(following: Ints, free: Once, first: Ints, owner: int) -> int:
    """Take an unused place for the latest entry of `owner`; return the place's number + 1, or 0 if none is unused."""
    entry = int(free[0])
    if entry > 0:
        free[0] = following[entry - 1]
        following[entry - 1] = first[owner]
        first[owner] = entry
    return entry


@spec
def drop_entry(following: Ints, free: Once, first: Ints, owner: int) -> None:
    """Drop the latest entry of `owner`, which has one: its place is unused again."""
    place = first[owner] - 1
    first[owner] = following[place]
    following[place] = free[0]
    free[0] = place + 1
