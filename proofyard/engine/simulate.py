"""Run a scenario: let the compiled loop go from epoch to epoch, take samples, and let people move their stake."""

import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from proofyard.core.book import Ints
from proofyard.core.errors import BadInput, Fault
from proofyard.core.event import Event, Phase, Verdict
from proofyard.core.rule import Rule
from proofyard.engine import kernels, layout, queue
from proofyard.engine.events import EVENT_WORDS
from proofyard.engine.measure import Sampler, result_of
from proofyard.engine.population import Population
from proofyard.engine.result import Run
from proofyard.engine.world import Stage, addresses, rule_of, stage
from proofyard.policies import Policy
from proofyard.scenario import Scenario, read

BUDGET = 2_000_000  # events between looks at the clock and at Ctrl-C
TRACE_ROOM = 100_000  # events in the trace buffer
LAYER = 1_000_003  # seeds from one layer to the next: each has dice of its own

Progress = Callable[[int, int], None]  # called with simulated ms, horizon ms


class Simulation:
    """One seed of one scenario under one rule, from genesis to the last job's end."""

    def __init__(
        self, scenario: Scenario, rule: Rule, seed: int, *, salt: int = 0, traced: bool = False,
        arrive: Ints | None = None, played: Mapping[int, Policy] | None = None, asked: int | None = None,
    ) -> None:  # fmt: skip
        """Set everything up; `played`, `asked`: as for `stage`. Raises BadInput."""
        layer = seed if asked is None else asked
        arrive = arrivals_after(scenario, layer) if arrive is None else arrive  # ms, where somebody knows when
        room = TRACE_ROOM if traced else 0
        self.stage = stage(scenario, rule, seed, salt=salt, trace_room=room, arrive=arrive, played=played, asked=asked)
        self.traced = traced
        self.words = addresses(self.stage)
        self.context, self.place = self.stage.bound.context.ctypes.data, self.words.ctypes.data
        self.chunks: list[Ints] = []  # of the trace
        self.samples = Sampler(self.stage)
        me = weakref.proxy(self)  # in a circle all this would stay until Python looks for garbage, dozens of runs later
        self.people = Population(
            self.stage,
            lambda events: me.inject(events),  # noqa: PLW0108 - a method of the proxy's is a method of ours
            lambda job, time: me.alarm(job, time),  # noqa: PLW0108
        )

    def inject(self, events: Ints) -> Ints:
        """Let the rule answer events about accounts, shape (n, 7); returns their verdicts."""
        verdicts = np.zeros(len(events), np.int64)
        step = TRACE_ROOM // 2
        for first in range(0, len(events), step):
            if self.traced:
                self._flush()
            part = verdicts[first : first + step]
            kernels.inject(*self._handles(), np.ascontiguousarray(events[first : first + step]), part)
        return verdicts

    def alarm(self, job: int, time: int) -> None:
        """Have a job looked at, at a time in ms."""
        registers = self.stage.world.registers[0]
        if 2 * (int(registers["heap_size"]) + 1) > len(self.stage.world.heap):
            self._grow()
        self.stage.world.jobs["alarm"][job] = time
        key, salt = queue.key_of(queue.ALARM, job, 0), int(registers["salt"])
        registers["heap_size"] = queue.push(self.stage.world.heap, int(registers["heap_size"]), time, key, salt)

    def run(self, progress: Progress | None = None) -> Run:
        """Run to the end. Raises Fault when a rule leaves a job stuck or money is not conserved."""
        self.enter()
        while self.advance(progress):
            self.decide()
        return self.finish()

    @property
    def now(self) -> int:
        """How far the market is, ms."""
        return int(self.stage.world.registers[0]["now"])

    def enter(self) -> None:
        """Let everybody enter the market; the first of all steps."""
        self.people.enter()

    def advance(self, progress: Progress | None = None) -> bool:
        """Go on to the next epoch, at which people decide; False: there is none, and every job is final."""
        due = False
        while not due:
            why = kernels.run(*self._handles(), BUDGET)
            if why == layout.DONE:
                return False
            due = why == layout.EPOCH_DUE
            if due:
                self.samples.take(self.now)
            elif why == layout.TRACE_FULL:
                self._flush()
            elif why == layout.QUEUE_FULL:
                self._grow()
            if progress is not None:
                progress(self.now, self.stage.scenario.horizon)
        return True

    def decide(self) -> None:
        """Let people decide, at an epoch."""
        self.people.decide(self.now)

    def finish(self) -> Run:
        """Measure the run; the last of all steps. Raises Fault."""
        self.samples.finish(self.now)
        if self.traced:
            self._flush()
        trace = np.concatenate(self.chunks) if self.traced else None
        return result_of(self.stage, self.people, self.samples, trace)

    def _handles(self) -> tuple[int, int, int]:
        """Addresses of the rule, its state and the world."""
        return self.stage.bound.function, self.context, self.place

    def _grow(self) -> None:
        """Give the event queue twice the room."""
        world = self.stage.world
        heap = layout.queue_of(len(world.heap))
        heap[: len(world.heap)] = world.heap
        object.__setattr__(self.stage, "world", world._replace(heap=heap))
        self.words = addresses(self.stage)
        self.place = self.words.ctypes.data

    def _flush(self) -> None:
        """Keep what is in the trace buffer."""
        world = self.stage.world
        count = int(world.registers[0]["traced"])
        self.chunks.append(world.trace[: EVENT_WORDS * count].reshape(-1, EVENT_WORDS).copy())
        world.registers[0]["traced"] = 0


def simulate(
    scenario: Scenario, rule: Rule | None = None, seed: int | None = None, *, salt: int = 0, traced: bool = False,
    progress: Progress | None = None, asked: int | None = None,
) -> Run:  # fmt: skip
    """Run one seed of `scenario`, its own rule and seed by default; `asked` as for `stage`. Raises BadInput, Fault."""
    chosen = rule_of(scenario) if rule is None else rule
    number = scenario.seed if seed is None else seed
    return Simulation(scenario, chosen, number, salt=salt, traced=traced, asked=asked).run(progress)


def arrivals_after(scenario: Scenario, seed: int) -> Ints | None:
    """Run the layer before this one, if there is one, and say when it asks here. Raises BadInput, Fault."""
    workload = scenario.workload
    if workload.arrivals != "after" or workload.after is None:
        return None
    layer, seen = read(Path(workload.after)), {workload.after}
    above = layer
    while above.workload.arrivals == "after" and above.workload.after is not None:
        if above.workload.after in seen:
            raise BadInput("workload.after", "layers that end somewhere", f"{above.workload.after}, twice")
        seen.add(above.workload.after)
        above = read(Path(above.workload.after))
    jobs = simulate(layer, seed=seed + LAYER).jobs
    done = np.sort(jobs.proven_ms[jobs.phase == Phase.SETTLED])
    done = done[done < scenario.horizon]
    arrive = done[workload.batch - 1 :: workload.batch][: workload.requests]
    if not len(arrive):
        raise BadInput("workload.after", "a layer that proves enough for one request", f"{len(done)} in all")
    return arrive.copy()


def replay(st: Stage, trace: Ints) -> Any:
    """Fold `trace` in plain Python from the genesis of `st`'s scenario and return the state. Raises Fault."""
    told = st.requests.arrive if st.scenario.workload.arrivals == "after" else None
    fresh = stage(st.scenario, st.rule, st.seed, arrive=told)
    for row in trace.tolist():
        verdict = st.rule.apply(fresh.state, Event(*row))
        if verdict != Verdict.OK:
            raise Fault(f"plain Python answers {verdict.name} to {row}, the compiled rule accepted it.")
    return fresh.state
