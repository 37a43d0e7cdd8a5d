"""What `--equilibrium` and `--fix` show: a table and a sentence in the terminal, a page, the same as JSON."""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from proofyard.core.errors import BadInput
from proofyard.lab import report, table
from proofyard.lab.attack import equilibrium as games
from proofyard.lab.attack import fix as fixes
from proofyard.lab.attack.catalogue import Attack
from proofyard.lab.attack.deviate import Tree
from proofyard.lab.attack.equilibrium import Settled
from proofyard.lab.attack.fix import Point
from proofyard.lab.attack.search import Budget, Lab
from proofyard.lab.figure import Figure, Rows
from proofyard.lab.runner import Runner
from proofyard.lab.sweep_page import data
from proofyard.worlds.text import unknown

GWEI = 10**9
MARKS = ("as it was", "on the front", "beaten")
SHOWN: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("unproven", "late or\nunproven", table.percent),
    ("price_gwei", "price", table.tokens),
    ("hhi", "HHI", table.index),
    ("locked_gwei", "locked", table.tokens),
    ("gain_gwei", "largest\ngain", table.tokens),
)


@dataclass(frozen=True)
class Told:
    """A result in all its forms."""

    json: dict[str, Any]
    sentence: str
    rows: Table
    file: str  # name of its page
    title: str
    under: str  # what it is about: a rule, a class
    parts: tuple[Figure | str, ...]

    def page(self, scenario: str, claim: str = "") -> str:
        """Write the page."""
        words = html.escape(self.sentence)
        return report.page(f"{scenario}: {self.title}", html.escape(self.under), words, claim, list(self.parts))

    def show(self) -> None:
        """Print it for people."""
        console = Console()
        console.print(self.sentence, style="green", highlight=False)
        console.print("", self.rows)


def _columns(*names: str) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="cyan", show_edge=False)
    for k, name in enumerate(names):
        shown.add_column(name, justify="right" if k else "left", no_wrap=name != "by", overflow="fold")
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
    return Told(
        _settled_json(found), _settled_words(found), shown, "equilibrium.html", "where strategies settle",
        f"Two of {found.by} choose under {tree['mechanism']}", _settled_parts(found),
    )  # fmt: skip


def _settled_json(found: Settled) -> dict[str, Any]:
    return {
        "by": found.by, "strategies": list(found.strategies), "payoffs_gwei": found.payoffs.tolist(),
        "mixture": found.mixture.tolist(), "value_gwei": found.value, "best_deviation": found.best,
        "exploitability_gwei": found.gain, "low": found.low, "high": found.high, "stable": found.stable,
        "rounds": found.rounds,
    }  # fmt: skip


def _settled_words(found: Settled) -> str:
    played = ", ".join(
        f"{name} {weight:.0%}" for name, weight in zip(found.strategies, found.mixture, strict=True) if weight > 0
    )
    left = f"{table.tokens(found.gain)} tokens a run ({table.tokens(found.low)} … {table.tokens(found.high)})"
    ends = "it is stable" if found.stable else "it is not stable yet"
    return f"Two of {found.by} settle at {played}; {ends}: the best deviation tried, {found.best}, gains {left}."


def _settled_parts(found: Settled) -> tuple[Figure | str, ...]:
    """Draw the weights and the game; list the game."""
    names = list(found.strategies)
    weights: Rows = [{"strategy": n, "weight": float(w)} for n, w in zip(names, found.mixture, strict=True)]
    bars = data(weights).mark_bar().encode(
        alt.X("weight:Q", title="weight in the mixture", scale=alt.Scale(domain=[0, 1])),
        alt.Y("strategy:N", sort=None, title=None),
        tooltip=["strategy:N", "weight:Q"],
    )  # fmt: skip
    cells: Rows = [
        {"mine": mine, "other": other, "payoff": float(found.payoffs[i, j]) / GWEI}
        for i, mine in enumerate(names)
        for j, other in enumerate(names)
    ]
    axes = alt.X("other:N", sort=None, title="against"), alt.Y("mine:N", sort=None, title=None)
    game = data(cells).encode(*axes, tooltip=["mine:N", "other:N", "payoff:Q"])
    colour = alt.Color("payoff:Q", title="tokens a run", scale=alt.Scale(scheme="blues"))
    low, high = float(found.payoffs.min()) / GWEI, float(found.payoffs.max()) / GWEI
    on_dark = alt.condition(f"datum.payoff > {(low + high) / 2!r}", alt.value("white"), alt.value("#14171b"))
    words = game.mark_text(fontSize=12).encode(text=alt.Text("payoff:Q", format=".3~g"), color=on_dark)
    drawn = alt.layer(game.mark_rect().encode(color=colour), words)
    rows = [
        [name, f"{weight:.3f}", *(table.tokens(float(value)) for value in row)]
        for name, weight, row in zip(names, found.mixture, found.payoffs, strict=True)
    ]
    listed = table.html_rows("strategy", ["weight", *(f"against {name}" for name in names)], rows)
    return (
        Figure("Where it settles", "Weight of each strategy in the equilibrium.", bars, 36 * len(names) + 40),
        Figure("The game", "What who plays the row earns against who plays the column.", drawn, 48 * len(names) + 60),
        report.section("Payoffs, tokens a run", listed),
    )


def front(
    runner: Runner, tree: Tree, texts: Sequence[str], attacks: Sequence[tuple[Attack, list[int]]], budget: Budget
) -> Told:
    """Search the rule's parameters and show the Pareto front. Raises BadInput, Fault."""
    points = fixes.front(runner, tree, fixes.read(texts), attacks, budget)
    shown = _columns("rule", *(head for _, head, _ in SHOWN), "by")
    for point in points:
        if point.front or point.default:
            cells = (how(point.objectives[name]) for name, _, how in SHOWN)
            words = f"{setting(point)}, {MARKS[0]}" if point.default else setting(point)
            shown.add_row(Text(words.replace(", ", "\n")), *cells, point.attack.partition(" by ")[0])
    rows = [
        {"mechanism": p.mechanism, **p.objectives, "attack": p.attack, "front": p.front, "default": p.default}
        for p in points
    ]
    return Told(
        {"points": rows, "objectives": list(fixes.OBJECTIVES)}, _front_words(points), shown, "fix.html",
        "which parameters hold", f"Rule {tree['mechanism']}; searched: {', '.join(texts)}", _front_parts(points),
    )  # fmt: skip


def setting(point: Point) -> str:
    """Say what a point changes."""
    return ", ".join(f"{k.removeprefix('mechanism.')}={v}" for k, v in point.values.items()) or point.mechanism


def _front_words(points: Sequence[Point]) -> str:
    default = next(point for point in points if point.default)
    safest = min(points, key=lambda p: (p.objectives["gain_gwei"], p.objectives["unproven"]))
    gains = [table.tokens(p.objectives["gain_gwei"]) for p in (default, safest)]
    said = "the rule as it was" if safest.default else setting(safest)
    kept = "lies on the front" if default.front else "is beaten in everything by another setting"
    words = (
        f"The rule as it was {kept}; attacks gain {gains[0]} tokens a run under it, and {gains[1]} under {said}. "
        f"{int(np.sum([p.front for p in points]))} of {len(points)} settings are on the front."
    )
    lean = fixes.leanest(points)
    if lean is not None:
        locked = [table.tokens(p.objectives["locked_gwei"]) for p in (lean, default)]
        words += f" As safe and as live as it was, with the least money locked: {setting(lean)}, {locked[0]} tokens"
        words += f" instead of {locked[1]}."
    return words


def _front_parts(points: Sequence[Point]) -> tuple[Figure | str, ...]:
    """Draw the largest gain against each other objective; list the front."""
    marks = [MARKS[0] if p.default else MARKS[1] if p.front else MARKS[2] for p in points]
    rows: Rows = []
    for point, mark in zip(points, marks, strict=True):
        money = {name: point.objectives[f"{name}_gwei"] / GWEI for name in ("gain", "locked", "price")}
        rest = {name: point.objectives[name] for name in ("unproven", "hhi")}
        rows.append({"rule": setting(point), "mark": mark, "attack": point.attack, **money, **rest})
    colour = alt.Color("mark:N", title=None, scale=alt.Scale(domain=MARKS, range=["#d62728", "#1f77b4", "#bbbbbb"]))
    tips = ["rule:N", "attack:N", "gain:Q", "locked:Q", "price:Q", "unproven:Q", "hhi:Q"]
    against = (
        ("locked", "locked (tokens, mean)", "Safety and idle capital"),
        ("unproven", "late or unproven (share)", "Safety and liveness"),
        ("price", "price (tokens a proof)", "Safety and price"),
    )
    note = "Down and to the left is better; red is the rule as it was."
    drawn = [
        Figure(title, note, data(rows).mark_point(filled=True, size=90, opacity=0.9).encode(
            alt.X(f"{name}:Q", title=axis, scale=alt.Scale(zero=False)),
            alt.Y("gain:Q", title="largest gain (tokens a run)"),
            color=colour, tooltip=tips,
        ))
        for name, axis, title in against
    ]  # fmt: skip
    kept = [(p, mark) for p, mark in zip(points, marks, strict=True) if mark != MARKS[2]]
    cells = [[setting(p), mark, *(how(p.objectives[name]) for name, _, how in SHOWN), p.attack] for p, mark in kept]
    head = ["", *(head.replace("\n", " ") for _, head, _ in SHOWN), "best attack"]
    return *drawn, report.section("The front", table.html_rows("rule", head, cells))
