"""Counter-based dice: the same seed, stream and index always give the same word, in any order, on any machine.

Source: the finaliser and the odd increment of splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014). A stream is one use of chance (an on/off schedule, say), an index is the position in it.
"""

from typing import overload

import numpy as np
from numpy.typing import NDArray

MASK = 2**64 - 1
STREAM_STEP = 0xD1B54A32D192ED03  # odd, so that no two streams start at one place
INDEX_STEP = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio, made odd
MIX_A = 0xBF58476D1CE4E5B9
MIX_B = 0x94D049BB133111EB

ONLINE_STREAM = 0x4F4E  # a prover's own on/off lifetimes
ZONE_STREAM = 0x5A4F  # lifetimes of the zone a prover shares with others


@overload
def word(seed: int, stream: int, index: int) -> int: ...
@overload
def word(seed: int, stream: int, index: NDArray[np.integer]) -> NDArray[np.uint64]: ...
def word(seed: int, stream: int, index: int | NDArray[np.integer]) -> int | NDArray[np.uint64]:
    """Uniform 64-bit word at `index` of `stream`.

    Parameters
    ----------
    seed, stream : any integers; taken modulo 2**64
    index : one position, or positions of any shape; taken modulo 2**64

    Returns
    -------
    A Python int for one position, else uint64 of the shape of `index`.
    """
    start = (seed + stream * STREAM_STEP + INDEX_STEP) & MASK
    if isinstance(index, int):
        z = (start + index * INDEX_STEP) & MASK
        z = ((z ^ (z >> 30)) * MIX_A) & MASK
        z = ((z ^ (z >> 27)) * MIX_B) & MASK
        return z ^ (z >> 31)
    many = np.atleast_1d(index).astype(np.uint64) * np.uint64(INDEX_STEP) + np.uint64(start)
    many = (many ^ (many >> np.uint64(30))) * np.uint64(MIX_A)
    many = (many ^ (many >> np.uint64(27))) * np.uint64(MIX_B)
    return (many ^ (many >> np.uint64(31))).reshape(np.shape(index))


def uniform(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Numbers strictly between 0 and 1, float64 of the same shape, from the upper 52 bits of `words`."""
    return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
