"""Run the seeds of a scenario, with a progress line, and write traces."""

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from proofyard.engine import kernels
from proofyard.engine.result import Run
from proofyard.engine.simulate import Progress, simulate
from proofyard.engine.world import rule_of
from proofyard.scenario import Scenario

if TYPE_CHECKING:
    from proofyard.lab.runner import Runner

TRACE_FORMAT = 1


def run_seeds(
    scenario: Scenario, seeds: int = 1, *, quiet: bool = True, traced: bool = False, runner: "Runner | None" = None,
    same_requests: bool = False,
) -> list[Run]:  # fmt: skip
    """Run `seeds` seeds, the scenario's own and the next ones; the first here, the others as `runner` spreads them.

    With `same_requests` those of the scenario's own seed come in all of them; all other dice are drawn anew. Raises
    BadInput, Fault.
    """
    rule = rule_of(scenario)
    say_cold()
    with _progress(quiet=quiet) as watch:
        first = simulate(scenario, rule, scenario.seed, traced=traced, progress=watch)  # compiles, once
    asked = scenario.seed if same_requests else None
    tasks = [(scenario, scenario.seed + k, asked) for k in range(1, seeds)]
    if not tasks:
        return [first]
    from proofyard.lab.runner import Runner  # noqa: PLC0415 - a single run does not wait for it

    with nullcontext(runner) if runner is not None else Runner(quiet=quiet) as spread:
        return [first, *spread.map(run_one, tasks, what="seeds")]


def run_one(task: tuple[Scenario, int, int | None]) -> Run:
    """Run one seed of a scenario, with the requests of another if that is told. Raises BadInput, Fault."""
    return simulate(task[0], rule_of(task[0]), task[1], asked=task[2])


def say_cold() -> None:
    """Tell whoever runs the engine for the first time why it takes so long."""
    if not kernels.run.is_made:
        print("compiling the engine, once for all rules: five to ten seconds", file=sys.stderr)  # noqa: T201


@contextmanager
def _progress(*, quiet: bool) -> Generator[Progress | None]:
    """Show on a terminal how far a single run is."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - a run that shows no bar does not wait for it
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("preparing", total=None)

        def report(now: int, horizon: int) -> None:
            bar.update(task, description="running", completed=min(now, horizon), total=horizon)

        yield report


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
