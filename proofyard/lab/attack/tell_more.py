"""What `--equilibrium` and `--fix` show: a table and a sentence in the terminal, the same as JSON."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from proofyard.core.errors import BadInput
from proofyard.lab import table
from proofyard.lab.attack import equilibrium as games
from proofyard.lab.attack import fix as fixes
from proofyard.lab.attack.catalogue import Attack
from proofyard.lab.attack.deviate import Tree
from proofyard.lab.attack.search import Budget, Lab
from proofyard.lab.runner import Runner
from proofyard.worlds.text import unknown


@dataclass(frozen=True)
class Told:
    """A result in both forms."""

    json: dict[str, Any]
    sentence: str
    rows: Table

    def show(self) -> None:
        """Print it for people."""
        console = Console()
        console.print(self.sentence, style="green", highlight=False)
        console.print("", self.rows)


def _columns(*names: str) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, header_style="cyan", show_edge=False)
    for k, name in enumerate(names):
        shown.add_column(name, justify="right" if k else "left", overflow="fold")
    return shown


def equilibrium(runner: Runner, tree: Tree, by: str | None, budget: Budget) -> Told:
    """Let two provers of a class (`by`, else the first with two) settle. Raises BadInput, Fault."""
    names = [g.get("name", f"class {k + 1}") for k, g in enumerate(tree["provers"])]
    if by is not None and by not in names:
        raise unknown("--as", by, names, kind="class")
    fit = [k for k, g in enumerate(tree["provers"]) if g.get("count", 1) > 1 and by in {None, names[k]}]
    if not fit:
        raise BadInput("--equilibrium", "a class of two provers or more", by or ", ".join(names))
    found = games.settle(Lab(runner), tree, fit[0], budget)
    shown = _columns("strategy", "weight", *(f"against {s}" for s in found.strategies))
    for name, weight, row in zip(found.strategies, found.mixture, found.payoffs, strict=True):
        shown.add_row(Text(name), f"{weight:.3f}", *(table.tokens(float(value)) for value in row))
    played = ", ".join(
        f"{name} {weight:.0%}" for name, weight in zip(found.strategies, found.mixture, strict=True) if weight > 0
    )
    left = f"{table.tokens(found.gain)} tokens a run ({table.tokens(found.low)} … {table.tokens(found.high)})"
    ends = "it is stable" if found.stable else "it is not stable yet"
    sentence = f"Two of {found.by} settle at {played}; {ends}: the best deviation tried, {found.best}, gains {left}."
    return Told(
        {
            "by": found.by, "strategies": list(found.strategies), "payoffs_gwei": found.payoffs.tolist(),
            "mixture": found.mixture.tolist(), "value_gwei": found.value, "best_deviation": found.best,
            "exploitability_gwei": found.gain, "low": found.low, "high": found.high, "stable": found.stable,
            "rounds": found.rounds,
        },
        sentence, shown,
    )  # fmt: skip


def front(
    runner: Runner, tree: Tree, texts: Sequence[str], attacks: Sequence[tuple[Attack, list[int]]], budget: Budget
) -> Told:
    """Search the rule's parameters and show the Pareto front. Raises BadInput, Fault."""
    points = fixes.front(runner, tree, fixes.read(texts), attacks, budget)
    says: tuple[tuple[str, Callable[[float], str]], ...] = (
        ("unproven", table.percent), ("price_gwei", table.tokens), ("hhi", table.index), ("locked_gwei", table.tokens),
        ("gain_gwei", table.tokens),
    )  # fmt: skip
    shown = _columns("rule", "", "late or\nunproven", "price", "HHI", "locked", "largest\ngain", "by")
    for point in points:
        if not (point.front or point.default):
            continue
        mark = "as it was" if point.default else ""
        cells = (how(point.objectives[name]) for name, how in says)
        text = ", ".join(f"{k.removeprefix('mechanism.')}={v}" for k, v in point.values.items()) or point.mechanism
        shown.add_row(Text(text), mark, *cells, point.attack.split(" ", 1)[0])
    default = next(point for point in points if point.default)
    safest = min(points, key=lambda p: (p.objectives["gain_gwei"], p.objectives["unproven"]))
    gains = [table.tokens(p.objectives["gain_gwei"]) for p in (default, safest)]
    said = ", ".join(f"{k.removeprefix('mechanism.')}={v}" for k, v in safest.values.items()) or "the rule as it was"
    kept = "lies on the front" if default.front else "is beaten in everything by another setting"
    sentence = (
        f"The rule as it was {kept}; attacks gain {gains[0]} tokens a run under it, and {gains[1]} under {said}. "
        f"{int(np.sum([p.front for p in points]))} of {len(points)} settings are on the front."
    )
    rows = [
        {"mechanism": p.mechanism, **p.objectives, "attack": p.attack, "front": p.front, "default": p.default}
        for p in points
    ]
    return Told({"points": rows, "objectives": list(fixes.OBJECTIVES)}, sentence, shown)
