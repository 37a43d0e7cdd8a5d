"""Time per job of each program on one workload, in turns, so that all meet the same weather on a shared machine."""

import gc
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any, Protocol

from benchmarks import ours
from benchmarks.workload import Inputs, Outcome, Workload, inputs


class Program(Protocol):
    """Anything that runs a workload."""

    def run(self, work: Workload, given: Inputs) -> Outcome:
        """Run it."""
        ...


@dataclass(frozen=True)
class Plan:
    """One row of the table: the workload, how often, and how many jobs the slow programs get."""

    work: Workload
    repeats: int
    peer_jobs: int  # 0: without SimPy and Mesa
    peer_repeats: int


@dataclass(frozen=True)
class Row:
    """Figures of one workload: CPU ns per job, and ratios of neighbours in time."""

    name: str
    provers: int
    jobs: int
    ours: float
    untouched: float  # the same on memory nobody has written to yet
    genesis: float  # CPU s of building provers and state, for all jobs of the run
    c: float | None
    ratio: float | None  # ours / C, median over the repetitions, each between two of C
    peers: dict[str, float]
    same: dict[str, bool]  # does it answer the same bits as ours?

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @property
    def with_genesis(self) -> float:
        """Time per job including the genesis and the first touch of memory, ns."""
        return self.untouched + self.genesis / self.jobs * 1e9


def measure(plan: Plan, c: Program | None, peers: Mapping[str, Program]) -> Row:
    """Run all programs on `plan.work`."""
    work = plan.work
    given = inputs(work)
    market = ours.Market(work, given)
    market.keep()
    first = market.run()
    fewer = replace(work, jobs=plan.peer_jobs)
    expected = ours.Market(fewer, given).run().digest if plan.peer_jobs else ""

    mine: list[float] = []
    calibration: list[float] = []
    others: dict[str, list[float]] = {}
    same: dict[str, bool] = {}

    def calibrate() -> None:
        if c is not None:
            outcome = c.run(work, given)
            calibration.append(outcome.cpu)
            same["C"] = same.get("C", True) and outcome.digest == first.digest

    for turn in range(plan.repeats):
        calibrate()
        market.reset()
        outcome = market.run()
        if outcome.digest != first.digest:
            raise RuntimeError(f"{work.name}: two runs of one seed differ")
        mine.append(outcome.cpu)
        calibrate()
        for name, peer in peers.items() if plan.peer_jobs and turn < plan.peer_repeats else ():
            answer = peer.run(fewer, given)
            others.setdefault(name, []).append(answer.cpu / plan.peer_jobs * 1e9)
            same[name] = same.get(name, True) and answer.digest == expected
            del answer
            gc.collect()  # a million agents would slow whoever comes next
    around = [(before + after) / 2 for before, after in zip(calibration[::2], calibration[1::2], strict=True)]
    return Row(
        name=work.name,
        provers=work.provers,
        jobs=work.jobs,
        ours=median(mine) / work.jobs * 1e9,
        untouched=first.cpu / work.jobs * 1e9,
        genesis=market.genesis_cpu,
        c=median(calibration) / work.jobs * 1e9 if calibration else None,
        ratio=median(cpu / near for cpu, near in zip(mine, around, strict=True)) if around else None,
        peers={name: median(times) for name, times in others.items()},
        same=same,
    )


def log_ratio(sizes: list[int]) -> float:
    """How often log N of the smallest market goes into that of the largest."""
    return math.log(sizes[-1]) / math.log(sizes[0])


def per_log(sizes: list[int], times: list[float]) -> float:
    """Growth of `times` over that of log N, from the smallest to the largest market."""
    return times[-1] / times[0] / log_ratio(sizes)
