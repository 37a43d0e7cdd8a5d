"""Many runs of about a second: what two processes gain over one, and what a Ray cluster on this machine costs more."""

import contextlib
import importlib
import io
import os
import time
from typing import Any

from benchmarks.workload import ROOT
from proofyard import scenario as scenarios
from proofyard.lab.attack.search import run_world
from proofyard.lab.runner import Runner

WORLD = ROOT / "scenarios" / "taiko-pool-32.toml"
DAYS = 56  # simulated, about a second of work
BAR_TWO, BAR_RAY = 1.8, 1.1  # times as fast as one process, at least; times the time of two processes, at most


def spread(runs: int, **options: Any) -> float:
    """Seconds on the clock for so many runs."""
    world = scenarios.read(WORLD, {"horizon": f"{DAYS}d"})
    start = time.perf_counter()
    with Runner(**options) as runner:
        runner.map(run_world, [(world, seed) for seed in range(runs)])
    return time.perf_counter() - start


def times(runs: int) -> dict[str, float]:
    """Seconds for the same runs in one process, in two, and on a Ray cluster of two workers."""
    spread(1, workers=1)  # compiles
    found = {"one process": spread(runs, workers=1), "two processes": spread(runs, workers=2)}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    utils: Any = importlib.import_module("ray.cluster_utils")
    with contextlib.redirect_stdout(io.StringIO()):
        cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    try:
        found["Ray, two workers"] = spread(runs, ray=cluster.address)
    finally:
        cluster.shutdown()
    return found
