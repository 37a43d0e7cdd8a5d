"""What a sweep shows: a table in the terminal, a page with charts, JSON for machines."""

import html
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from proofyard.lab import report, table
from proofyard.lab.report import Figure
from proofyard.lab.sensitivity import Indices
from proofyard.lab.sweep import Swept
from proofyard.lab.words import GWEI, digits

LISTED = 40  # points in the terminal
LEVELS = 60  # values of a parameter that are drawn one by one
Summary = dict[str, Indices | None]


def data(rows: Sequence[dict[str, Any]]) -> alt.Chart:
    """Start a chart of rows; numbers keep six digits."""
    short = [{k: v if isinstance(v, str) else float(f"{v:.6g}") for k, v in row.items()} for row in rows]
    return alt.Chart(alt.Data(values=short))


def said(figure: str, value: float | None) -> str:
    """Write a figure in its unit."""
    if value is None or not np.isfinite(value):
        return table.NONE
    if figure.endswith("_gwei") or "_gwei." in figure:
        return table.tokens(value)
    if "_ms" in figure:
        return table.duration(value)
    return table.percent(value) if figure.endswith("share") else digits(value)


def title(figure: str) -> str:
    """Name a figure for people: `time_to_proof_ms.p90` is `time to proof p90`."""
    return figure.replace("_gwei", "").replace("_ms", "").replace(".", " ").replace("_", " ").removesuffix(" mean")


def as_json(swept: Swept, figures: Sequence[str], summary: Summary | None) -> dict[str, Any]:
    """Collect what `--json` prints and summary.json holds."""
    keys = [o.key for o in swept.design.over]
    values = {figure: swept.of(figure) for figure in figures}
    return {
        "scenario": swept.scenario,
        "over": keys,
        "sampled": swept.design.sampled,
        "seeds": swept.seeds,
        "runs": len(swept.rows),
        "reused": swept.reused,
        "lost_workers": swept.deaths,
        "points": [
            {
                "values": dict(zip(keys, point, strict=True)),
                "figures": {figure: _spread(values[figure][point]) for figure in figures},
            }
            for point in values[figures[0]]
        ],
        "sensitivity": summary,
    }


def _spread(values: list[float]) -> dict[str, float | None]:
    """Mean and standard error; None where the figure is undefined or there is one seed."""
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else None
    return {"mean": mean if np.isfinite(mean) else None, "standard_error": error if np.isfinite(mean) else None}


def points_table(swept: Swept, figures: Sequence[str]) -> Table:
    """Build a row per point, at most `LISTED`."""
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="cyan", show_edge=False)
    for over in swept.design.over:
        shown.add_column(over.key, overflow="fold")
    for figure in figures:
        shown.add_column(title(figure).replace(" ", "\n"), justify="right", no_wrap=True)
    means = {figure: swept.mean(figure) for figure in figures}
    points = list(means[figures[0]])
    for point in points[:LISTED]:
        shown.add_row(*(Text(value) for value in point), *(said(f, means[f][point]) for f in figures))
    if len(points) > LISTED:
        shown.caption = f"{len(points) - LISTED:,} more points are in the Parquet file."
    return shown


def indices_table(summary: Summary) -> Table:
    """Build a row per figure and parameter: how much of the variance it explains."""
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, header_style="cyan", show_edge=False)
    for name in ("outcome", "parameter", "alone", "with others"):
        shown.add_column(name, justify="left" if name in {"outcome", "parameter"} else "right")
    for figure, found in summary.items():
        if found is None:
            shown.add_row(title(figure), "none moves it", "", "")
            continue
        for key, at in sorted(found.items(), key=lambda item: -item[1]["total"]):
            shown.add_row(title(figure), key, _share(at, "first"), _share(at, "total"))
    return shown


def _share(at: dict[str, float], name: str) -> str:
    return f"{at[name]:.2f} ± {at[f'{name}_error']:.2f}"


def page(swept: Swept, figures: Sequence[str], summary: Summary | None, claim: str = "") -> str:
    """Write the page: what each parameter does to each figure, the indices, the points."""
    means = {figure: swept.mean(figure) for figure in figures}
    still = [figure for figure in figures if len(set(means[figure].values())) == 1]
    moved = [figure for figure in figures if figure not in still]
    parts: list[Figure | str] = [_effect(swept, figure, k) for figure in moved for k in range(len(swept.design.over))]
    if summary is not None:
        parts.insert(0, _bars(summary))
    head = [*(o.key for o in swept.design.over[1:]), *map(title, figures)]
    rows = [[*point, *(said(f, means[f][point]) for f in figures)] for point in list(means[figures[0]])[: 10 * LISTED]]
    parts.append(report.section("The points", table.html_rows(swept.design.over[0].key, head, rows)))
    kind = "a sample of" if swept.design.sampled else "all of"
    under = f"{kind} {len(means[figures[0]]):,} points, {swept.seeds} seed{'s' * (swept.seeds > 1)} each"
    words = f"Over {', '.join(o.key for o in swept.design.over)}."
    if still:
        words += f" The same at every point: {', '.join(map(title, still))}."
    return report.page(f"{swept.scenario}: sweep", html.escape(under), html.escape(words), claim, parts)


def _number(value: str) -> float | None:
    """Read the number a value begins with, for the axis; None for a name."""
    digits = value.strip().rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ% ")
    try:
        return float(digits.replace("_", ""))
    except ValueError:
        return None


def _effect(swept: Swept, figure: str, k: int) -> Figure:
    """Draw a figure against one parameter, over all the others: every point, and the mean at each value."""
    over = swept.design.over[k]
    means = swept.mean(figure)
    pairs = [(point[k], value) for point, value in means.items() if np.isfinite(value)]
    scale = GWEI if "_gwei" in figure else 1
    heading = f"{title(figure)} by {over.key}"
    if not pairs:
        return Figure(heading, "Undefined at every point.", None)
    units = {value.lstrip("-0123456789._ ") for value, _ in pairs}
    numbers = len(units) == 1 and all(_number(value) is not None for value, _ in pairs)
    levels: dict[str, list[float]] = {}
    for value, outcome in pairs:
        levels.setdefault(value, []).append(outcome / scale)

    def row(value: str, outcome: float) -> dict[str, Any]:
        return {"x": _number(value) if numbers else value, "y": outcome}

    unit = f" ({units.pop()})" if numbers and units != {""} else ""
    kind = "x:Q" if numbers else "x:N"
    x = alt.X(kind, title=f"{over.key}{unit}", sort=None)
    y = alt.Y("y:Q", title=f"{title(figure)}{' (tokens)' * (scale > 1)}{' (ms)' * ('_ms' in figure)}")
    dots = data([row(value, outcome / scale) for value, outcome in pairs[: report.MOST]])
    layers: list[alt.Chart] = [dots.mark_point(filled=True, size=35, opacity=0.45).encode(x, y, tooltip=[kind, "y:Q"])]
    if len(levels) <= LEVELS:
        line = data([row(value, float(np.mean(found))) for value, found in levels.items()])
        layers.append(line.mark_line(point=True, strokeWidth=2).encode(x, y))
    return Figure(heading, "Points: all settings of the other parameters. Line: their mean.", alt.layer(*layers))


def _bars(summary: Summary) -> Figure:
    """Draw how much of each outcome's variance each parameter explains."""
    rows = [
        {"outcome": title(figure), "parameter": key, "total": max(0.0, at["total"]), "alone": max(0.0, at["first"])}
        for figure, found in summary.items()
        if found is not None
        for key, at in found.items()
    ]
    heading = "Which parameter moves the outcome"
    if not rows:
        return Figure(heading, "No parameter moved any outcome.", None)
    y = alt.Y("outcome:N", title=None, sort=None)
    bars = data(rows).mark_bar().encode(
        alt.X("total:Q", title="share of the variance (total index)"), y, alt.YOffset("parameter:N"),
        alt.Color("parameter:N", title=None), tooltip=["outcome:N", "parameter:N", "alone:Q", "total:Q"],
    )  # fmt: skip
    note = "Sobol's total index: what stays open when all other parameters are known."
    return Figure(heading, note, bars, height=40 + 18 * len(rows))
