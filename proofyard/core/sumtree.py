"""Weighted drawing: a scan for small sets, a 16-ary sum tree for large ones. Both find the same holder.

A tree is one int64 array: word 0 holds the number of levels, word 1 + k where level k starts, word 15 the sum of all
weights; then come the levels, leaves first, each padded to a multiple of 16. A draw and an update of a million actors
take about 110 ns together; nodes with running sums, wider searches and a Fenwick tree were measured and are not faster.
"""

import numpy as np

from proofyard.core.book import Ints
from proofyard.core.spec import spec

HEADER = 16  # words: room for 14 levels, 2**56 actors
LEVELS = 1  # first of the words with the levels' places
TOTAL = 15  # word with the sum
FAN = 16


def _levels(actors: int) -> list[int]:
    """Sizes of the levels, leaves first, each a multiple of 16; the last has one block."""
    sizes = [max(1, -(-actors // FAN)) * FAN]
    while sizes[-1] > FAN:
        sizes.append(-(-(sizes[-1] // FAN) // FAN) * FAN)
    return sizes


def new_tree(actors: int) -> Ints:
    """Build an empty tree for `actors` actors, all weights 0."""
    sizes = _levels(actors)
    starts = HEADER + np.concatenate(([0], np.cumsum(sizes)))
    tree = np.zeros(int(starts[-1]), np.int64)
    tree[0] = len(sizes)
    tree[LEVELS : LEVELS + len(sizes)] = starts[:-1]
    return tree


@spec
def weight_of(tree: Ints, actor: int) -> int:
    """Weight of `actor`."""
    return tree[HEADER + actor]


@spec
def add_weight(tree: Ints, actor: int, change: int) -> None:
    """Add `change` (of any sign) to the weight of `actor`."""
    tree[TOTAL] += change
    place = actor
    for level in range(tree[0]):
        tree[tree[LEVELS + level] + place] += change
        place >>= 4


@spec
def set_weight(tree: Ints, actor: int, weight: int) -> None:
    """Make `weight` the weight of `actor`."""
    add_weight(tree, actor, weight - tree[HEADER + actor])


@spec
def total_weight(tree: Ints) -> int:
    """Sum of all weights."""
    return tree[TOTAL]


@spec
def find(tree: Ints, ticket: int) -> int:
    """Holder of `ticket` in [0, total): the first actor whose prefix sum of weights exceeds it."""
    block = 0
    for level in range(tree[0] - 1, -1, -1):
        start = int(tree[LEVELS + level]) + block * FAN
        k = 0
        while ticket >= tree[start + k]:
            ticket -= tree[start + k]
            k += 1
        block = block * FAN + k
    return block


@spec
def find_by_scan(weights: Ints, ticket: int) -> int:
    """Index of the holder of `ticket` in [0, weights.sum()): the same answer as `find`, for small sets."""
    k = 0
    while ticket >= weights[k]:
        ticket -= weights[k]
        k += 1
    return k
