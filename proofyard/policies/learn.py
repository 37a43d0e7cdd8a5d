"""Learns its markup: multiplicative weights over a grid of prices, fed with what each earned while it was offered.

Every epoch it draws one of ARMS markups in proportion to their weights (in Q16), and after it has seen an epoch's
profit it multiplies that markup's weight by 1 + rate x profit / scale, the bandit form with the chance it was drawn.
Auer, Cesa-Bianchi, Freund, Schapire, The nonstochastic multiarmed bandit problem (2002), in integers.
"""

from typing import NamedTuple

from proofyard.core.book import Ints
from proofyard.core.spec import spec
from proofyard.policies.view import BIPS, Moment, View, honest

MOMENTS = (Moment.PRICE,)
LEARNS = True  # it looks at what it has earned
FIRST = "rate_bips"
LIMITS = {
    "rate_bips": (1, 10_000),
    "step_bips": (1, 100_000),
    "explore_bips": (1, 10_000),
    "first_bips": (-9_900, 10**6),
}

ARMS = 12
ONE = 1 << 16
CHOSEN, SEEN, WEIGHTS = 0, 1, 4  # cells of the memory: the markup offered, the scale of profits, the weights


class Params(NamedTuple):
    """The grid and how fast it learns."""

    rate_bips: int = 2_000  # bips by which the best profit raises a weight
    explore_bips: int = 1_000  # bips of draws that ignore the weights
    first_bips: int = 0  # bips, the lowest markup
    step_bips: int = 1_000  # bips between markups


@spec
def learn(p: Params, memory: Ints, v: View) -> None:
    """Raise or lower the weight of the markup that was offered."""
    chosen = memory[CHOSEN] - 1
    memory[SEEN] = max(memory[SEEN], abs(v.profit), 1)
    gain = v.profit // 1_000 * p.rate_bips // max(1, memory[SEEN] // 1_000)  # bips, at most rate
    total = 0
    for k in range(ARMS):
        total += memory[WEIGHTS + k]
    share = max(BIPS // (4 * ARMS), memory[WEIGHTS + chosen] * BIPS // total)  # of the draws, in bips
    change = max(-BIPS // 2, min(BIPS, gain * (BIPS // ARMS) // share))
    memory[WEIGHTS + chosen] = max(16, memory[WEIGHTS + chosen] * (BIPS + change) // BIPS)
    if memory[WEIGHTS + chosen] > ONE << 16:
        for k in range(ARMS):
            memory[WEIGHTS + k] = max(16, memory[WEIGHTS + k] >> 8)


@spec
def draw(p: Params, memory: Ints, v: View) -> int:
    """Index of the markup to offer next."""
    if v.word % BIPS < p.explore_bips:
        return v.word // BIPS % ARMS
    total = 0
    for k in range(ARMS):
        total += memory[WEIGHTS + k]
    ticket = v.word // BIPS % total
    k = 0
    while ticket >= memory[WEIGHTS + k]:
        ticket -= memory[WEIGHTS + k]
        k += 1
    return k


@spec
def decide(p: Params, memory: Ints, v: View) -> int:
    """Learn from the last epoch, offer the next markup."""
    if v.moment != Moment.PRICE:
        return honest(v)
    if memory[CHOSEN] == 0:
        for k in range(ARMS):
            memory[WEIGHTS + k] = ONE
    else:
        learn(p, memory, v)
    k = draw(p, memory, v)
    memory[CHOSEN] = k + 1
    markup = p.first_bips + k * p.step_bips
    return max(1, v.ask + v.ask // BIPS * markup + v.ask % BIPS * markup // BIPS)
