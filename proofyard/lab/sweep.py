"""Sweep a scenario over parameters: one row per point and seed, as Parquet, means per point, sensitivity indices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from proofyard import scenario as scenarios
from proofyard.core.errors import BadInput
from proofyard.engine.simulate import simulate
from proofyard.engine.world import rule_of
from proofyard.lab import design, metrics, runs, sensitivity
from proofyard.lab.design import Design
from proofyard.lab.runner import Runner, key_of, name_of
from proofyard.scenario import Scenario
from proofyard.worlds.text import unknown

SHOWN = (  # figures that the table shows unless asked for others
    "proofs.settled", "proofs.late", "time_to_proof_ms.p90", "price_gwei.mean", "wasted_work_share",
    "concentration.hhi", "stake.slashed_gwei",
)  # fmt: skip
FILES = ("runs.parquet", "summary.json", "report.html", "parts")
_NO_FIGURES = ("mechanism", "scenario", "seeds", "provers", "spread", "horizon_ms")

Row = dict[str, Any]


@dataclass(frozen=True)
class Swept:
    """A sweep that is done."""

    scenario: str
    design: Design
    seeds: int
    rows: list[Row]  # a row per point and seed: the values of the point, `seed`, and every figure
    reused: int  # runs found on disk
    deaths: int  # workers that died

    def figures(self) -> list[str]:
        """Name the figures of a row."""
        points = {o.key for o in self.design.over}
        return [name for name in self.rows[0] if name not in {"key", "seed", *points}]

    def of(self, figure: str) -> dict[tuple[str, ...], list[float]]:
        """List the values of a figure at each point, a value a seed; nan where it is undefined."""
        found: dict[tuple[str, ...], list[float]] = {}
        for row in self.rows:
            point = tuple(row[o.key] for o in self.design.over)
            value = row[figure]
            found.setdefault(point, []).append(float("nan") if value is None else float(value))
        return found

    def mean(self, figure: str) -> dict[tuple[str, ...], float]:
        """Mean over the seeds at each point."""
        return {point: float(np.mean(values)) for point, values in self.of(figure).items()}

    def indices(self, figures: Sequence[str], seed: int) -> dict[str, sensitivity.Indices | None]:
        """Estimate the sensitivity indices of figures."""
        return {figure: sensitivity.indices(self.design, self.mean(figure), seed) for figure in figures}


def choose(swept: Swept, wanted: Sequence[str] | None) -> list[str]:
    """Choose the figures to show: those asked for, else the usual ones. Raises BadInput."""
    known = swept.figures()
    for name in wanted or []:
        if name not in known:
            raise unknown("--figure", name, known, kind="figure")
    return list(wanted or [name for name in SHOWN if name in known])


def flat(figures: Mapping[str, Any], prefix: str = "") -> Row:
    """Name nested figures with dots: `proofs.settled`."""
    row: Row = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            row |= flat(value, f"{prefix}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        elif prefix or name not in _NO_FIGURES:
            row[f"{prefix}{name}"] = value
    return row


def numbers(figures: Mapping[str, Any]) -> Row:
    """Name nested figures with dots, and keep those that are numbers or undefined."""
    return {k: v for k, v in flat(figures).items() if v is None or isinstance(v, int | float)}


def measure(task: tuple[Scenario, int, Row]) -> Row:
    """Run one seed and measure it, in a worker; the row begins with what the task says. Raises BadInput, Fault."""
    scenario, seed, labels = task
    run = simulate(scenario, rule_of(scenario), seed)
    return {**labels, "seed": seed, **numbers(metrics.summary([run]))}


def sweep(
    path: Path, over: Sequence[str], runner: Runner, *, changes: dict[str, str] | None = None,
    mechanism: str | None = None, seeds: int = 1, samples: int = 64,
) -> Swept:  # fmt: skip
    """Run the scenario at `path` at every point, each with the same `seeds` seeds.

    Raises BadInput for a point that makes no scenario, before anything runs; Fault.
    """
    base = scenarios.read(path, changes, mechanism)
    chosen = design.build(design.read(over), samples, base.seed % 2**32)
    tasks: list[tuple[Scenario, int, Row]] = []
    keys: list[str] = []
    for point in dict.fromkeys(chosen.points):
        labels: Row = {o.key: value for o, value in zip(chosen.over, point, strict=True)}
        world = _world(path, {**(changes or {}), **labels}, mechanism, labels)
        name = key_of(name_of(world), sorted(labels))
        for k in range(seeds):
            tasks.append((world, world.seed + k, labels))
            keys.append(f"{name}-{world.seed + k}")
    runs.say_cold()
    rows = runner.map(measure, tasks, keys)
    if runner.store is not None:
        runner.store.finish(rows)
    return Swept(base.name, chosen, seeds, rows, runner.reused, runner.deaths)


def _world(path: Path, changes: dict[str, str], mechanism: str | None, labels: Row) -> Scenario:
    """Read the scenario at one point; a mistake says at which."""
    try:
        world = scenarios.read(path, changes, mechanism)
        rule_of(world)
    except BadInput as error:
        at = ", ".join(f"{key}={value}" for key, value in labels.items())
        raise BadInput(f"{error.field} (at {at})", error.wanted, error.got) from None
    return world
