"""Counter-based dice, compiled: the same die whenever and by whomever it is thrown.

The die (seed, stream, index) is the splitmix64 finaliser of `seed + stream * STREAM + (index + 1) * GAMMA`. Streams
keep uses apart, so two rules compared on one seed see the same world. Source: Steele, Lea, Flood 2014 (SplitMix).
"""

import numpy as np

from proofyard.engine.compile import inlined, integer

GAMMA = np.uint64(0x9E3779B97F4A7C15)
STREAM = np.uint64(0xD1B54A32D192ED03)
RACE_KEY = np.uint64(0x5EED)  # dice of (job, prover) pairs
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11, _S2, _S54 = (np.uint64(k) for k in (30, 27, 31, 11, 2, 54))

# What the four dice of a job are for: index 4 * job + use, stream 0.
ARRIVAL, WORD, WORK, SIZE = 0, 1, 2, 3


@inlined
def mix(z: np.uint64) -> np.uint64:
    """Finalise 64 bits."""
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


@inlined
def job_die(seed: int, job: int, use: int) -> np.uint64:
    """Throw die `use` of `job`."""
    return mix(np.uint64(seed) + np.uint64(4 * job + use + 1) * GAMMA)


@inlined
def word_of(die: np.uint64) -> int:
    """Turn a die into a rule's word in [0, 2**62)."""
    return integer(die >> _S2)


@inlined
def uniform_of(die: np.uint64) -> float:
    """Turn a die into a float in [0, 1)."""
    return float(integer(die >> _S11)) * 2.0**-53


@inlined
def column_of(die: np.uint64) -> int:
    """Turn a die into an index into a table of 1024 quantiles."""
    return integer(die >> _S54)
