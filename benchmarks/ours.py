"""Proofyard on the workloads: the engine as users get it, the rule in its own file."""

import time
from typing import Any

import numpy as np

from benchmarks.workload import REWARD, RULES, Inputs, Outcome, Workload
from proofyard.core import Kind, Phase, shape
from proofyard.core.rule import load, with_params
from proofyard.engine import draws, kernels, layout
from proofyard.engine.bind import bind
from proofyard.engine.furnish import lots_of
from proofyard.engine.layout import words_of

BUDGET = 1 << 20  # events between two returns to Python
CHUNK = 65_536  # provers that stake in one call
HEAP = 4096  # events waiting at first; it grows
ONE = 65_536  # Q16
FOREVER = 2**61
RESULT_COLUMNS = ("busy", "wasted", "missed", "advance")  # of the table of provers in a result


class Market:
    """One workload, ready to run, as often as wanted."""

    def __init__(self, work: Workload, given: Inputs) -> None:
        self.work, self.given = work, given
        count, jobs = work.provers, work.jobs
        pool = work.kind == "pool"
        module = load(RULES / ("pool.py" if pool else "first.py"))
        self.rule = with_params(work.kind, module, {"seats": work.seats} if pool else {})
        start = time.process_time()
        self.state = self.rule.genesis(count + 1, jobs)  # the last actor is the requester
        self.state.book.cash[count] = REWARD * jobs
        self.bound = bind(self.rule, self.state)
        self.world = _world(work, given, self.state)
        if pool:
            self.state.book.cash[:count] = given.stake
            self._stake()
        self.genesis_cpu = time.process_time() - start
        self._start: list[tuple[Any, Any]] = []

    def _stake(self) -> None:
        """Let everybody stake, largest first."""
        words = np.array(words_of(self.world), np.int64)
        for first in range(0, self.work.provers, CHUNK):
            actors = self.given.order[first : first + CHUNK]
            events = np.zeros((len(actors), len(self.world.event)), np.int64)
            events[:, 0], events[:, 2], events[:, 4] = Kind.STAKE, actors, self.given.stake[actors]
            verdicts = np.zeros(len(actors), np.int64)
            kernels.inject(self.bound.function, self.bound.context.ctypes.data, words.ctypes.data, events, verdicts)
            if verdicts.any():
                raise RuntimeError(f"stakes refused: {np.unique(verdicts)}")

    def keep(self) -> None:
        """Remember this moment for `reset`."""
        self._start = [(array, array.copy() if np.any(array.view(np.int64)) else None) for array in self.arrays()]

    def reset(self) -> None:
        """Go back to the moment of `keep`, in the same memory, which by then has been touched."""
        for array, values in self._start:
            array[:] = np.zeros(1, array.dtype) if values is None else values

    def arrays(self) -> list[Any]:
        """All arrays of the state and of the engine's world."""
        return shape.arrays(self.state) + [
            array for name, array in self.world._asdict().items() if name != "book" and array.size
        ]

    def run(self) -> Outcome:
        """Draw the arrivals, handle all events; the CPU time is of this alone."""
        world, bound = self.world, self.bound
        start = time.process_time()
        draws.poisson_arrivals(self.work.seed, self.given.gap, world.arrive)
        words = np.array(words_of(world), np.int64)
        while True:
            why = kernels.run(bound.function, bound.context.ctypes.data, words.ctypes.data, BUDGET)
            if why == layout.DONE:
                break
            if why == layout.QUEUE_FULL:
                heap = layout.queue_of(len(world.heap))
                heap[: len(world.heap)] = world.heap
                world = world._replace(heap=heap)
                words = np.array(words_of(world), np.int64)
        cpu = time.process_time() - start
        rows = world.provers
        money = self.state.stake[: self.work.provers] if self.work.kind == "pool" else rows["busy"]
        book = self.state.book
        won = book.prover[book.phase == Phase.SETTLED]
        return Outcome(money.copy(), np.bincount(won, minlength=self.work.provers), rows["missed"].copy(), cpu)

    def bytes_per_prover(self) -> tuple[float, float]:
        """Size of the state and the world, without what grows with the jobs; and of it the columns of the result."""
        count, jobs = self.work.provers, self.work.jobs
        total = sum(array.nbytes for array in self.arrays() if array.size not in {jobs, 2 * HEAP})
        slashed = self.state.book.slashed.nbytes
        results = slashed + sum(self.world.provers[column].nbytes for column in RESULT_COLUMNS)
        return total / count, results / count


def _world(work: Workload, given: Inputs, state: Any) -> layout.World:
    """Build what the engine reads and writes: fitted provers, always on line, no trace, no epochs."""
    count, jobs = work.provers, work.jobs
    registers = np.zeros(1, layout.REGISTERS)
    for name, value in {"seed": work.seed, "jobs": jobs, "listed": jobs, "horizon": FOREVER, "provers": count}.items():
        registers[name] = value
    provers = layout.rows(layout.PROVER, count)
    slots, provers["slot"], registers["slots_each"] = layout.slots_for(given.cap)
    provers["setup"], provers["capacity"] = given.mean, given.cap
    provers["online_at_start"], provers["helper"] = 1, -1
    empty = np.zeros(0, np.int64)
    fields: dict[str, Any] = dict.fromkeys(layout.World._fields, empty) | {
        "book": state.book,
        "registers": registers,
        "provers": provers,
        "jobs": np.zeros(jobs, layout.JOB),
        "arrive": np.zeros(jobs, np.int64),
        "size": np.zeros(1, np.int64),
        "difficulty": np.full(1, ONE),
        "max_fee": np.full(1, REWARD),
        "requester": np.full(1, count),
        "slots": slots,
        "stake": getattr(state, "stake", empty),
        "lots": lots_of(state),
        "guess": np.zeros(2 * layout.GUESSES, np.int64),
        "noise": given.table.copy(),
        "row": np.zeros(1, np.int64),
        "racers": np.arange(count) if work.kind == "race" else empty,
        "ends": np.zeros(count, np.int64) if work.kind == "race" else empty,
        "event": np.zeros(7, np.int64),
        "heap": layout.queue_of(HEAP),
        "counts": np.zeros(16 * layout.VERDICTS, np.int64),
        "slashes": np.zeros(1 + 3 * 1000, np.int64),
    }
    return layout.World(**fields)
