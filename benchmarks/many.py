"""Many runs of about a second: what two processes gain over one, and what a Ray cluster on this machine costs more.

How much two processes can gain is the machine's: two virtual cores are often two threads of one core, and share its
memory. So two plain processes do the same runs in a bare loop, with no runner and nothing written; all take turns, so
that all meet the same weather. What is ours is the runner: its time against that of the bare loops.
"""

import contextlib
import importlib
import io
import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from typing import Any, NamedTuple

from benchmarks.workload import ROOT
from proofyard import scenario as scenarios
from proofyard.lab.attack.search import run_world
from proofyard.lab.runner import Runner
from proofyard.scenario import Scenario

WORLD = ROOT / "scenarios" / "taiko-pool-32.toml"
DAYS = 112  # simulated, about a second of work
TURN = 16  # runs each does before the next one's turn
BAR_TWO, BAR_RAY = 1.8, 1.1  # times as fast as one process, at least; times the time of two processes, at most
BAR_RUNNER = 0.95  # of what two bare loops reach, at least
ONE, BARE, TWO, RAY = "one process", "two bare loops", "two processes", "Ray, two workers"

Task = tuple[Scenario, int]
Spent = dict[int, float]  # CPU s, by process
Way = Callable[[Sequence[Task]], Spent]


class Taken(NamedTuple):
    """What so many runs took, s."""

    wall: float
    cpu: float  # of the longest way through: this process, then the busiest worker; what the clock shows on idle cores


def counted(task: Task) -> tuple[int, float]:
    """Do a run; say which process did it, and the CPU time it took."""
    start = time.process_time()
    run_world(task)
    return os.getpid(), time.process_time() - start


def _loop(pipe: Any) -> None:
    """Do what comes through the pipe in a plain loop, in a process of its own."""
    while tasks := pipe.recv():
        for task in tasks:
            run_world(task)
        pipe.send((os.getpid(), time.process_time()))


@contextmanager
def bare(world: Scenario) -> Generator[Way]:
    """Two processes that only run: no runner."""
    context = get_context("spawn")
    ends = [context.Pipe() for _ in range(2)]
    loops = [context.Process(target=_loop, args=(theirs,), daemon=True) for _, theirs in ends]
    for loop in loops:
        loop.start()
    pipes: list[Any] = [own for own, _ in ends]
    spent: Spent = {}

    def ask(shares: Sequence[Sequence[Task]]) -> Spent:
        for pipe, share in zip(pipes, shares, strict=True):
            pipe.send(list(share))
        told: Spent = dict(pipe.recv() for pipe in pipes)
        since = {process: cpu - spent.get(process, 0.0) for process, cpu in told.items()}
        spent.update(told)
        return since

    try:
        ask([[(world, 0)]] * 2)  # loads the engine
        yield lambda tasks: ask([tasks[::2], tasks[1::2]])
    finally:
        for pipe, loop in zip(pipes, loops, strict=True):
            pipe.send([])
            loop.join()


@contextmanager
def spread(**options: Any) -> Generator[Way]:
    """Run as `sweep` does. Workers start with the first turn, and that counts."""
    with Runner(**options) as runner:

        def way(tasks: Sequence[Task]) -> Spent:
            own = time.process_time()
            spent: Spent = {}
            for process, cpu in runner.map(counted, tasks):
                spent[process] = spent.get(process, 0.0) + cpu
            here = os.getpid()
            others = {process: cpu for process, cpu in spent.items() if process != here}
            return others | {here: time.process_time() - own}

        yield way


@contextmanager
def ray_of_two() -> Generator[str]:
    """Start a Ray cluster of two workers; returns its address. Raises RuntimeError when it does not start in 30 s."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    utils: Any = importlib.import_module("ray.cluster_utils")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    except Exception as error:  # noqa: BLE001 - it raises a plain Exception
        raise RuntimeError(f"Ray did not start: {error}") from None
    try:
        yield cluster.address
    finally:
        cluster.shutdown()


def times(runs: int) -> dict[str, Taken]:
    """Time the same runs in one process, in two bare loops, by the runner in two, and on a Ray cluster of two."""
    world = scenarios.read(WORLD, {"horizon": f"{DAYS}d"})
    run_world((world, 0))  # compiles
    with ExitStack() as stack:
        address = stack.enter_context(ray_of_two())
        ways = {
            ONE: stack.enter_context(spread(workers=1)),
            BARE: stack.enter_context(bare(world)),
            TWO: stack.enter_context(spread(workers=2)),
            RAY: stack.enter_context(spread(ray=address)),
        }
        return _in_turns(ways, world, runs)


def _in_turns(ways: dict[str, Way], world: Scenario, runs: int) -> dict[str, Taken]:
    walls = dict.fromkeys(ways, 0.0)
    spent: dict[str, Spent] = {name: {} for name in ways}
    here = os.getpid()
    for first in range(0, runs, TURN):
        tasks = [(world, seed) for seed in range(first, min(first + TURN, runs))]
        for name, way in ways.items():
            start = time.perf_counter()
            for process, cpu in way(tasks).items():
                spent[name][process] = spent[name].get(process, 0.0) + cpu
            walls[name] += time.perf_counter() - start
    busiest = {name: max((cpu for p, cpu in each.items() if p != here), default=0.0) for name, each in spent.items()}
    return {name: Taken(walls[name], spent[name].get(here, 0.0) + busiest[name]) for name in ways}
