"""Quantile tables: how a distribution is handed to the engine, as sorted int64 that dice bits index."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ONE = 65_536  # 1.0 as a Q16 multiplier
SIZE_LEN = 4_096  # entries of a size table: 12 dice bits
NOISE_LEN = 1_024  # entries of a multiplier table: 10 dice bits


def midpoints(length: int) -> Floats:
    """Probabilities (k + 1/2) / length, float64[length]."""
    return (np.arange(length) + 0.5) / length


def normal_quantiles(probabilities: Floats) -> Floats:
    """Compute standard normal quantiles, float64 of the shape of `probabilities` (each strictly between 0 and 1)."""
    from statistics import NormalDist  # noqa: PLC0415  # 10 ms that a plain start does not need

    flat = map(NormalDist().inv_cdf, probabilities.ravel().tolist())
    return np.fromiter(flat, np.float64, probabilities.size).reshape(probabilities.shape)


def sealed(values: Floats | Ints) -> Ints:
    """Copy `values` as rounded, read-only int64."""
    table = np.rint(values).astype(np.int64)
    table.flags.writeable = False
    return table


def sample(table: Ints, words: NDArray[np.uint64]) -> Ints:
    """Draw from a table whose length is a power of two, by the highest bits of `words`, as the engine does."""
    return table[words >> np.uint64(65 - len(table).bit_length())]


def lognormal_noise(sd: float) -> Ints:
    """Q16 multipliers with mean 1 and `sd` as the standard deviation of their logarithm, int64[1024] ascending."""
    if sd == 0.0:
        return sealed(np.full(NOISE_LEN, ONE))
    raw = np.exp(sd * normal_quantiles(midpoints(NOISE_LEN)))
    return sealed(raw / raw.mean() * ONE)


def lognormal_sizes(mu: float, sigma: float, scale: float) -> Ints:
    """Quantiles of scale * exp(N(mu, sigma)), int64[4096] ascending."""
    return sealed(np.exp(mu + sigma * normal_quantiles(midpoints(SIZE_LEN))) * scale)


def interpolated_sizes(probabilities: Sequence[float], values: Sequence[int]) -> Ints:
    """Quantiles on straight lines through the known ones, int64[4096] ascending."""
    return sealed(np.interp(midpoints(SIZE_LEN), probabilities, values))
