"""What every worker process needs, loaded once: the process that all of them are forked from imports this."""

from numba import types

from proofyard.engine import cache, kernels
from proofyard.engine.simulate import simulate
from proofyard.lab import metrics

__all__ = ["metrics", "simulate"]

if not cache.is_cold():  # else whoever runs first compiles, and this would too
    kernels.run.compile((types.int64,) * 4)  # pyright: ignore[reportFunctionMemberAccess]  # Numba's; from the cache
