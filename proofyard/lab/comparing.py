"""One world under several rules on common seeds: each run of each rule is a task of its own, and is kept as a row."""

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from proofyard.engine.result import Provers
from proofyard.engine.simulate import simulate
from proofyard.engine.world import rule_of
from proofyard.lab import metrics, runs
from proofyard.lab.metrics import Measured
from proofyard.lab.runner import Runner, key_of, name_of
from proofyard.lab.sweep import numbers
from proofyard.lab.words import Figures
from proofyard.scenario import Scenario

FILES = ("summary.json", "report.html", "runs.parquet", "parts")

Row = dict[str, Any]


def packed(found: Measured) -> Row:
    """Pack a measured seed into cells of a row: all but the provers' columns as JSON, and these as they are."""
    about = {field.name: getattr(found, field.name) for field in fields(found) if field.name != "provers"}
    return {"about": json.dumps(about), "provers": np.stack(found.provers).tobytes()}


def unpacked(row: Row) -> Measured:
    """Turn `packed` round."""
    about: dict[str, Any] = json.loads(row["about"])
    columns = np.frombuffer(row["provers"], np.int64).reshape(len(Provers._fields), -1)
    told: dict[str, Any] = about | {name: tuple(about[name]) for name in ("names", "groups")}
    return Measured(**told, provers=Provers(*columns))


def measure(task: tuple[str, Scenario, int]) -> Row:
    """Run one seed under one rule, in a worker: its figures, and what a summary needs. Raises BadInput, Fault."""
    variant, scenario, seed = task
    found = metrics.measured(simulate(scenario, rule_of(scenario), seed))
    return {"variant": variant, "seed": seed, **numbers(found.figures), **packed(found)}


def compare(variants: Sequence[tuple[str, Scenario]], seeds: int, runner: Runner) -> list[Figures]:
    """Summarise each of `variants`, all on the same `seeds` seeds. Raises BadInput, Fault."""
    for _, world in variants:
        rule_of(world)
    runs.say_cold()
    tasks = [(name, world, world.seed + k) for name, world in variants for k in range(seeds)]
    keys = [f"{key_of(name_of(world), name)}-{seed}" for name, world, seed in tasks]
    rows = runner.map(measure, tasks, keys)
    if runner.store is not None:
        runner.store.finish(rows)
    found = [unpacked(row) for row in rows]
    groups = [found[first : first + seeds] for first in range(0, len(found), seeds)]
    return [metrics.together(group) | {"variant": name} for (name, _), group in zip(variants, groups, strict=True)]
