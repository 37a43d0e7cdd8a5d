"""How long a tree of segments and joins takes on given workers: the scheduler of `parallel`, in simulated time.

Order    the ready part with the longest way to the root goes to the worker that ends it first (Hu 1961; for unequal
         workers as HEFT, Topcuoglu et al. 2002): with few parts left, one waits for a fast worker.
Losses   a worker that goes away loses what it works on; with `resume` finished parts stay, without it all is lost.
"""

import heapq
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from proofyard.core.errors import BadInput
from proofyard.proofs.fleet import Kind
from proofyard.proofs.tree import Part

MOST_LOSSES = 100_000  # then the fleet will never finish this job

Noise = Callable[[float], float]  # draws a factor of a time, given the spread of its logarithm
Online = Callable[[int, float], tuple[float, float]]  # worker, time ms: next stretch in which it is there


class Outcome(NamedTuple):
    """One job in simulated time.

    Attributes
    ----------
    ms : from start to end
    busy_ms : of every worker
    segments, joins : done by every worker
    losses : parts lost with a worker
    """

    ms: float
    busy_ms: list[float]
    segments: list[int]
    joins: list[int]
    losses: int


class Worker(NamedTuple):
    """One worker: its kind, and the machine it stands on."""

    kind: Kind
    machine: int


def workers_of(kinds: Sequence[Kind]) -> list[Worker]:
    """List all workers of a fleet, the fastest kind first."""
    out: list[Worker] = []
    machine = 0
    for kind in sorted(kinds, key=lambda kind: kind.ms_per_gas):
        out += [Worker(kind, machine + i // kind.together) for i in range(kind.count)]
        machine += -(-kind.count // kind.together)
    return out


def always(_: int, now: float) -> tuple[float, float]:
    """Be there all the time."""
    return now, math.inf


class _Job:
    """The state of one simulated job."""

    def __init__(
        self, parts: Sequence[Part], gas: float, workers: Sequence[Worker], *, noise: Noise, online: Online
    ) -> None:
        self.parts, self.workers = parts, workers
        self.leaves = sum(not part.children for part in parts)
        self.segment_gas = gas / self.leaves
        self.noise, self.online = noise, online
        self.depth = self._depths()
        self.running: dict[int, tuple[float, int, bool]] = {}  # worker: end, part, whether it will be lost
        self.outcome = Outcome(0, [0.0] * len(workers), [0] * len(workers), [0] * len(workers), 0)
        self.restart()

    def _depths(self) -> list[int]:
        """Count the joins between each part and the root."""
        depth = [0] * len(self.parts)
        for part in reversed(self.parts):
            depth[part.place] = depth[part.parent] + 1 if part.parent >= 0 else 0
        return depth

    def restart(self) -> None:
        """Begin with nothing done."""
        self.waiting = [len(part.children) for part in self.parts]
        self.ready: list[tuple[int, int]] = []
        for place in range(self.leaves):
            self.offer(place)

    def offer(self, place: int) -> None:
        heapq.heappush(self.ready, (-self.depth[place], place))

    def took(self, worker: int, place: int, *, alone: bool) -> float:
        """Estimate the time of a part on a worker."""
        kind = self.workers[worker].kind
        if not self.parts[place].children:
            return kind.segment(self.segment_gas)
        return kind.join_all_ms if alone else kind.join_ms

    def alone(self, worker: int) -> bool:
        """Tell whether nobody else on this machine works or will: then all its cores do one part."""
        machine = self.workers[worker].machine
        return len(self.ready) == 1 and all(self.workers[other].machine != machine for other in self.running)

    def launch(self, now: float) -> float:
        """Give ready parts to idle workers; return when an absent worker is back, if parts wait for one."""
        back = math.inf
        idle: list[int] = []
        for worker in range(len(self.workers)):
            if worker in self.running:
                continue
            start, _ = self.online(worker, now)
            if start <= now:
                idle.append(worker)
            else:
                back = min(back, start)
        for worker, place, took in self._matched(idle, now):
            end = now + took * self.noise(self.workers[worker].kind.noise_sd)
            gone = self.online(worker, now)[1]
            self.running[worker] = (min(end, gone), place, gone < end)
            self.outcome.busy_ms[worker] += min(end, gone) - now
        return back

    def _matched(self, idle: list[int], now: float) -> list[tuple[int, int, float]]:
        """Take ready parts for idle workers: each, in order, with the worker that would end it first, and the time.

        That may be one who is busy now, or who has got an earlier part; then it waits. With many parts left there is no
        point in looking so far ahead.
        """
        if not idle or not self.ready:
            return []
        free = dict.fromkeys(idle, now)
        alone = self.alone(idle[0])
        if len(self.ready) <= len(self.workers):
            free |= {worker: end for worker, (end, _, lost) in self.running.items() if not lost}
        pairs: list[tuple[int, int, float]] = []
        left, waiting = set(idle), list[tuple[int, int]]()
        while left and self.ready:
            item = heapq.heappop(self.ready)
            took = {one: self.took(one, item[1], alone=alone) for one in free}
            worker = min(free, key=lambda one, took=took: free[one] + took[one])
            if worker in left:
                left.discard(worker)
                pairs.append((worker, item[1], took[worker]))
            else:
                waiting.append(item)
            free[worker] += took[worker]
        for item in waiting:
            heapq.heappush(self.ready, item)
        return pairs

    def finish(self, worker: int, *, resume: bool) -> None:
        """Take in what a worker did, or lost."""
        _, place, lost = self.running.pop(worker)
        if lost:
            self.outcome = self.outcome._replace(losses=self.outcome.losses + 1)
            if resume:
                self.offer(place)
            else:
                self.running.clear()
                self.restart()
            return
        part = self.parts[place]
        (self.outcome.joins if part.children else self.outcome.segments)[worker] += 1
        if part.parent >= 0:
            self.waiting[part.parent] -= 1
            if not self.waiting[part.parent]:
                self.offer(part.parent)


def simulate(
    parts: Sequence[Part], gas: float, workers: Sequence[Worker], *,
    noise: Noise = lambda _: 1.0, online: Online = always, resume: bool = True,
) -> Outcome:  # fmt: skip
    """Prove a job of `gas` gas, cut into `parts`.

    Raises
    ------
    BadInput : the workers go away too often for it ever to end.
    """
    job = _Job(parts, gas, workers, noise=noise, online=online)
    now = max(worker.kind.serial_ms for worker in workers)
    while job.running or job.ready:
        back = job.launch(now)
        following = min(((end, worker) for worker, (end, _, _) in job.running.items()), default=(math.inf, -1))
        if back < following[0]:
            now = back
            continue
        now = following[0]
        job.finish(following[1], resume=resume)
        if job.outcome.losses > MOST_LOSSES:
            raise BadInput(
                "--online", "workers that stay long enough to finish", "workers that go before the job is done"
            )
    return job.outcome._replace(ms=now)


def bounds_ms(parts: Sequence[Part], gas: float, kind: Kind, count: int) -> tuple[float, float]:
    """Bound the time on `count` equal workers (Graham 1966): max(W/G, C) and W/G + C (1 − 1/G)."""
    leaves = sum(not part.children for part in parts)
    segment = kind.segment(gas / leaves)
    work = leaves * segment + (leaves - 1) * kind.join_ms
    longest = segment + math.ceil(math.log2(leaves)) * kind.join_ms
    serial = kind.serial_ms
    return serial + max(work / count, longest), serial + work / count + longest * (1 - 1 / count)
