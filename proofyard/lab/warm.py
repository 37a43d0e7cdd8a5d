"""What every worker process needs, loaded once: the process that all of them are forked from imports this."""

from proofyard.engine import kernels
from proofyard.engine.simulate import simulate
from proofyard.lab import metrics

__all__ = ["metrics", "simulate"]

if kernels.run.is_made:  # else whoever runs first compiles, and this would too
    kernels.run.load()
