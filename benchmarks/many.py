"""Many runs of about a second: what two processes gain over one, and what a Ray cluster on this machine costs more."""

import contextlib
import importlib
import io
import os
import time
from typing import Any, NamedTuple

from benchmarks.workload import ROOT
from proofyard import scenario as scenarios
from proofyard.lab.attack.search import run_world
from proofyard.lab.runner import Runner
from proofyard.scenario import Scenario

WORLD = ROOT / "scenarios" / "taiko-pool-32.toml"
DAYS = 56  # simulated, about a second of work
BAR_TWO, BAR_RAY = 1.8, 1.1  # times as fast as one process, at least; times the time of two processes, at most


class Taken(NamedTuple):
    """What so many runs took, s."""

    wall: float
    cpu: float  # of the longest way through: this process, then the busiest worker; what the clock shows on idle cores


def counted(task: tuple[Scenario, int]) -> tuple[int, float]:
    """Do a run; say which process did it, and how much CPU time that has taken in all."""
    run_world(task)
    return os.getpid(), time.process_time()


def spread(runs: int, **options: Any) -> Taken:
    """Do so many runs."""
    world = scenarios.read(WORLD, {"horizon": f"{DAYS}d"})
    start, own = time.perf_counter(), time.process_time()
    with Runner(**options) as runner:
        done = runner.map(counted, [(world, seed) for seed in range(runs)])
    others = [cpu for process, cpu in done if process != os.getpid()]
    return Taken(time.perf_counter() - start, time.process_time() - own + max(others, default=0.0))


def times(runs: int) -> dict[str, Taken]:
    """Time the same runs in one process, in two, and on a Ray cluster of two workers."""
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
