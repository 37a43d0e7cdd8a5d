"""What an agent may do and what it sees, as vectors of floats: the boundary to the integers of the market.

Action   Six numbers in [-1, 1], each about one decision; 0 is honest in all of them. They hold until the next epoch.
    price     offered and bid: the honest price times 2**(5 x), so 1/32 to 32 times
    capacity  declared: the true one times 2**(6 x), so 1/64 to 64 times, at least 1
    stake     x > 0: this share of the free money is put to stake; x < 0: this share of the stake is taken out
    online    below -1/2: out of the market until the next epoch
    accept    above 1/2: jobs that it cannot finish in time are given back; below -1/2: all jobs are
    prove     above 1/2: proofs are handed in at the deadline; below -1/2: not at all

Observation   What a policy sees that is asked at an epoch (`policies.view.View`), `FIELDS`: money in gwei, exact up to
    2**53; `time` and `present` in [0, 1].

Bad actions   Of another shape, not numbers, or outside [-1, 1]: counted, and what was decided before goes on.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from proofyard.core.book import MAX_GWEI, Ints
from proofyard.env import played
from proofyard.policies.view import BIPS

ACTIONS = ("price", "capacity", "stake", "online", "accept", "prove")
FIELDS = ("time", "present", "cash", "stake", "ask", "price", "rival", "capacity", "declared", "profit")
LOW = np.array([-float(MAX_GWEI) if name == "profit" else 0.0 for name in FIELDS])
HIGH = np.array([1.0 if name in {"time", "present"} else float(MAX_GWEI) for name in FIELDS])
PRICE_DOUBLINGS, CAPACITY_DOUBLINGS = 5, 6
HALF = 0.5
UP, DOWN = 1, -1

Floats = NDArray[np.float64]


def is_legal(action: Any) -> bool:
    """Say whether `action` is six numbers in [-1, 1]."""
    try:
        numbers = np.asarray(action, np.float64)
    except (TypeError, ValueError):
        return False
    return numbers.shape == (len(ACTIONS),) and bool((abs(numbers) <= 1.0).all())


def write(action: Any, memory: Ints, epoch_ms: int) -> None:
    """Put a legal action into the memory of a played prover, for an epoch."""
    price, capacity, stake, online, accept, prove = (float(number) for number in action)
    memory[played.PRICE] = round(BIPS * 2.0 ** (PRICE_DOUBLINGS * price)) - BIPS
    memory[played.CAPACITY] = round(BIPS * 2.0 ** (CAPACITY_DOUBLINGS * capacity)) - BIPS
    memory[played.STAKE] = round(BIPS * stake)
    memory[played.AWAY] = epoch_ms if _side(online) == DOWN else 0
    memory[played.ACCEPT] = {UP: played.KEEP_FEASIBLE, DOWN: played.KEEP_NONE}.get(_side(accept), played.KEEP_ALL)
    memory[played.SUBMIT] = {UP: played.LAST_MOMENT, DOWN: played.NOT_AT_ALL}.get(_side(prove), played.AT_ONCE)


def _side(number: float) -> int:
    """Say on which side of the middle half `number` is: 1 above, -1 below, 0 within."""
    return UP if number > HALF else DOWN if number < -HALF else 0
