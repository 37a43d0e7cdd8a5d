"""Search a rule's parameters against attackers that answer best: the Pareto front of what a designer wants.

For each setting of the parameters every attack is tried at a few settings of its own, against those that then look best
at more; the largest gain is what the rule leaves to gamers. Optuna's NSGA-II, seeded, looks for settings that no other
beats in all objectives; the rule as it was is the first it tries, so that the front shows what better than it there is.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from proofyard import scenario as scenarios
from proofyard.core.errors import BadInput
from proofyard.engine.simulate import simulate
from proofyard.engine.world import rule_of
from proofyard.lab import design, metrics
from proofyard.lab.attack.catalogue import Attack, members
from proofyard.lab.attack.deviate import Tree, fresh
from proofyard.lab.attack.search import Budget, Lab, called, search
from proofyard.lab.design import Over
from proofyard.lab.runner import Runner, name_of
from proofyard.scenario import Scenario
from proofyard.worlds.text import with_values_set

OBJECTIVES = ("unproven", "price_gwei", "hhi", "locked_gwei", "gain_gwei")  # all to be small
POPULATION = 8
SLACK = 1e-9  # of rounding
FEW, MANY = 4, 12  # settings of each attack: against every setting of the rule, and against those on the front


@dataclass(frozen=True)
class Point:
    """One setting of the rule, and what it comes to."""

    mechanism: str
    values: dict[str, str]
    objectives: dict[str, float]
    attack: str  # the best one against it
    front: bool = False
    default: bool = False
    tried_hard: bool = False  # the attacks were searched again, at more settings


def measure(task: tuple[Scenario, int]) -> dict[str, float]:
    """Measure one honest run, in a worker. Raises BadInput, Fault."""
    found = metrics.summary([simulate(task[0], rule_of(task[0]), task[1])])
    asked = max(1, found["proofs"]["requested"])
    return {
        "unproven": (asked - found["proofs"]["settled"] + found["proofs"]["late"]) / asked,
        "price_gwei": float(found["price_gwei"]["mean"] or 0.0),
        "hhi": float(found["concentration"]["hhi"] or 1.0),
        "locked_gwei": float(found["stake"]["locked_mean_gwei"]),
    }


def read(texts: Sequence[str]) -> tuple[Over, ...]:
    """Read `--fix NAME=LOW..HIGH`. Raises BadInput."""
    try:
        over = design.read([text if text.startswith("mechanism.") else f"mechanism.{text}" for text in texts])
    except BadInput as error:
        field = error.field.replace("--over mechanism.", "--fix ").replace("--over", "--fix")
        raise BadInput(field, error.wanted, error.got) from None
    for found in over:
        if not found.values and not found.whole:
            raise BadInput("--fix", "whole numbers, as rules have them", f"{found.low}..{found.high}")
    return over


def front(
    runner: Runner, tree: Tree, over: Sequence[Over], attacks: Sequence[tuple[Attack, list[int]]], budget: Budget
) -> list[Point]:
    """Try settings of the rule; the best in all objectives first. Raises BadInput, Fault."""
    optuna: Any = importlib.import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seed = int(tree.get("seed", 1))
    sampler = optuna.samplers.NSGAIISampler(seed=seed % 2**31, population_size=POPULATION)
    study = optuna.create_study(directions=["minimize"] * len(OBJECTIVES), sampler=sampler)
    points: dict[str, Point] = {}

    def objective(trial: Any) -> tuple[float, ...]:
        values = {o.key: o.at(trial.suggest_float(o.key, 0, 1 - 1e-9)) for o in over}
        text = with_values_set(tree["mechanism"], values)
        if text not in points:
            points[text] = _try(runner, tree | {"mechanism": text}, values, attacks, budget)
        return tuple(points[text].objectives[name] for name in OBJECTIVES)

    default = _try(runner, tree, {}, attacks, budget)
    study.optimize(objective, n_trials=budget.trials)
    return _held(runner, tree, attacks, budget, [replace(default, default=True), *points.values()])


def _held(
    runner: Runner, tree: Tree, attacks: Sequence[tuple[Attack, list[int]]], budget: Budget, points: list[Point]
) -> list[Point]:
    """Mark the front, attack what is on it harder, and mark again, until all of it has stood that."""
    marked = _marked(points)
    while soft := [k for k, p in enumerate(marked) if (p.front or p.default) and not p.tried_hard]:
        for k in soft:
            point = marked[k]
            world = tree | {"mechanism": point.mechanism}
            gain, attack = _strongest(runner, world, attacks, Budget(MANY, budget.seeds, budget.fresh))
            if gain > point.objectives["gain_gwei"]:
                point = replace(point, objectives=point.objectives | {"gain_gwei": gain}, attack=attack)
            marked[k] = replace(point, tried_hard=True)
        marked = _marked(marked)
    return marked


def _try(
    runner: Runner, tree: Tree, values: dict[str, str], attacks: Sequence[tuple[Attack, list[int]]], budget: Budget
) -> Point:
    """Measure the honest market and the largest gain under one setting."""
    seed = int(tree.get("seed", 1))
    world = scenarios.check(fresh(tree))
    tasks = [(world, seed + k) for k in range(budget.seeds)]
    keys = [f"honest-{name_of(world)}-{number}" for _, number in tasks]
    rows = runner.map(measure, tasks, keys, what="honest")
    found = {name: float(np.mean([row[name] for row in rows])) for name in OBJECTIVES if name in rows[0]}
    gain, best = _strongest(runner, tree, attacks, Budget(FEW, budget.seeds, budget.fresh))
    return Point(tree["mechanism"], values, found | {"gain_gwei": gain}, best)


def _strongest(
    runner: Runner, tree: Tree, attacks: Sequence[tuple[Attack, list[int]]], budget: Budget
) -> tuple[float, str]:
    """Find the attack that gains most under one setting, and what it gains; 0 if none does."""
    lab, best, gain = Lab(runner), "none", 0.0
    for attack, places in attacks:
        if attack.griefs:  # nobody gains by it
            continue
        for target in places:
            (values, gained), *_ = search(lab, tree, attack, target, budget, int(tree.get("seed", 1)))
            if gained > gain:
                best, gain = f"{called(attack, values)} by {members(attack, tree)[target]}", gained
    return gain, best


def leanest(points: Sequence[Point]) -> Point | None:
    """Find the setting with the least money locked among those as safe and as live as the default; None: itself."""
    default = next(point for point in points if point.default)
    limits = {name: default.objectives[name] + SLACK for name in ("gain_gwei", "unproven")}
    good = [p for p in points if all(p.objectives[name] <= limit for name, limit in limits.items())]
    best = min(good, key=lambda p: p.objectives["locked_gwei"])
    return best if best.objectives["locked_gwei"] < default.objectives["locked_gwei"] else None


def _marked(points: list[Point]) -> list[Point]:
    """Mark those that no other is at least as good as in everything and better in something."""
    table = np.array([[point.objectives[name] for name in OBJECTIVES] for point in points])
    marked: list[Point] = []
    for k, point in enumerate(points):
        beaten = ((table <= table[k]).all(axis=1) & (table < table[k]).any(axis=1)).any()
        marked.append(replace(point, front=bool(not beaten)))
    return sorted(marked, key=lambda p: (not p.front, p.objectives["gain_gwei"], p.objectives["unproven"]))
