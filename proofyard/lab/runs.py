"""Run the seeds of a scenario side by side, with a progress line, and write traces."""

import json
import os
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from proofyard.engine import cache
from proofyard.engine.result import Run
from proofyard.engine.simulate import Progress, simulate
from proofyard.engine.world import rule_of
from proofyard.scenario import Scenario

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

TRACE_FORMAT = 1


def run_seeds(scenario: Scenario, seeds: int = 1, *, quiet: bool = True, traced: bool = False) -> list[Run]:
    """Run `seeds` seeds, the scenario's own and the next ones, on all cores; the compiled loop releases the lock.

    Raises BadInput, Fault.
    """
    rule = rule_of(scenario)
    if cache.is_cold():
        print("compiling the engine, once for all rules: five to ten seconds", file=sys.stderr)  # noqa: T201
    numbers = [scenario.seed + k for k in range(seeds)]
    with _progress(quiet=quiet) as watch:
        first = simulate(scenario, rule, numbers[0], traced=traced, progress=watch(0))  # compiles, once
        workers = min(len(numbers), os.cpu_count() or 1)
        with ThreadPoolExecutor(workers) as pool:
            jobs = [pool.submit(simulate, scenario, rule, n, progress=watch(k + 1)) for k, n in enumerate(numbers[1:])]
            return [first, *(job.result() for job in jobs)]


@contextmanager
def _progress(*, quiet: bool) -> "Generator[_Watch]":
    """Show a progress bar on a terminal once a run takes longer than a moment."""
    if quiet or not sys.stderr.isatty():
        yield _Watch(None)
        return
    from rich.console import Console  # noqa: PLC0415 - a run that shows no bar does not wait for it
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Watch(bar)


class _Watch:
    """Makes the progress function of each seed."""

    def __init__(self, bar: "Bar | None") -> None:
        self.bar = bar

    def __call__(self, seed: int) -> Progress | None:
        bar = self.bar
        if bar is None:
            return None
        task = bar.add_task(f"seed {seed + 1}: preparing", total=None)

        def report(now: int, horizon: int) -> None:
            bar.update(task, description=f"seed {seed + 1}", completed=min(now, horizon), total=horizon)

        return report


def write_trace(path: Path, scenario: Scenario, run: Run) -> None:
    """Write genesis and accepted events as text: a JSON line, then seven integers a line. Replaces `path` at once."""
    head = {
        "format": TRACE_FORMAT,
        "mechanism": run.mechanism,
        "seed": run.seed,
        "scenario": scenario.model_dump(mode="json"),
        "columns": ["kind", "time", "actor", "job", "amount", "detail", "word"],
    }
    draft = path.with_name(path.name + ".part")
    draft.parent.mkdir(parents=True, exist_ok=True)
    with draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head) + "\n")
        np.savetxt(file, run.trace if run.trace is not None else np.zeros((0, 7), np.int64), fmt="%d")
    draft.replace(path)
