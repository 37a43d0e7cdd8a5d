"""What proving cost: from the simulator for its traces, estimated from the scenario for a market, else unknown."""

import threading
from typing import Any

import numpy as np

from proofyard.core.book import Ints
from proofyard.engine.cast import MS_PER_HOUR, cast_of
from proofyard.engine.requests import trace_of
from proofyard.engine.result import Run
from proofyard.engine.simulate import simulate
from proofyard.explorer.source import Source, TraceSource
from proofyard.explorer.view import View

EXACT = "work on the proofs each was paid for, as the simulator counted it; at the end also work in vain."
ESTIMATE = (
    "estimated from the time between a request given to it, or opened to all, and its proof, at the cost an hour that "
    "the scenario gives a prover of this name."
)
UNKNOWN = "nobody told this page what proving costs; open the market with its scenario to see it."


class Costs:
    """Costs of a history's provers, in the token's smallest unit."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.capacity: dict[int, int] = {}
        self.note = UNKNOWN
        self._rates: dict[str, float] = {}
        self._run: Run | None = None
        self._lock = threading.Lock()
        if source.scenario is None:
            return
        cast = cast_of(source.scenario, trace_of(source.scenario))
        self._rates = dict(zip(cast.names, cast.rate.tolist(), strict=True))
        self.note = ESTIMATE
        if isinstance(source, TraceSource):
            self.note = EXACT
            self.capacity = {k: int(capacity) for k, capacity in enumerate(cast.capacity)}

    def run(self) -> Run | None:
        """Run the trace's own seed once more: the same run, with what its work cost."""
        with self._lock:
            if self._run is None and isinstance(self.source, TraceSource) and self.source.scenario is not None:
                self._run = simulate(self.source.scenario, self.source.rule, self.source.scenario.seed)
            return self._run

    def until(self, view: View) -> dict[int, int]:
        """Sum up what each prover's work cost, where that is known."""
        run = self.run()
        if run is not None:
            return self._counted(view, run)
        spent: dict[int, int] = {}
        done = (view.proven_ms >= 0) & (view.begun_ms >= 0) & (view.prover >= 0)
        took = np.where(done, view.proven_ms - view.begun_ms, 0)
        for k in map(int, view.provers):
            rate = self._rates.get(view.names[k])
            if rate is not None:
                spent[k] = int(int(took[done & (view.prover == k)].sum()) * rate / MS_PER_HOUR)
        return spent

    def _counted(self, view: View, run: Run) -> dict[int, int]:
        unit: int = 10 ** (9 - self.source.decimals)
        if view.rows == len(view.replay):
            return {k: int(spent) // unit for k, spent in enumerate(run.provers.cost_gwei)}
        cost: Ints = run.jobs.cost_gwei[: view.count]
        total = np.zeros(len(run.names), np.int64)
        mine: Any = view.settled[: len(cost)] & (view.prover[: len(cost)] >= 0)
        np.add.at(total, view.prover[: len(cost)][mine], cost[mine])
        return {k: int(spent) // unit for k, spent in enumerate(total)}
