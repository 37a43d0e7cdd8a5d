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
from proofyard.lab.sweep_order import groups, in_order, mean, number
from proofyard.lab.words import GWEI, digits, unit_of

LISTED = 40  # points in the terminal
LEVELS = 60  # values of a parameter that are drawn one by one
STILL = "none moves it"
VALUE = 20  # columns of the terminal, at least, for a value of the first parameter
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
    words = figure.replace("_gwei", "").replace("_ms", "").replace(".", " ").replace("_", " ")
    return words.removesuffix(" mean").replace(" hhi", " HHI")


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
            for point in in_order(swept)
        ],
        "sensitivity": summary,
    }


def _spread(values: list[float]) -> dict[str, float | None]:
    """Mean and standard error; None where the figure is undefined or there is one seed."""
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else None
    return {"mean": mean if np.isfinite(mean) else None, "standard_error": error if np.isfinite(mean) else None}


def points_tables(swept: Swept, figures: Sequence[str]) -> list[Table]:
    """Build a table of a grid's points, at most `LISTED`; of a sample one per parameter, a row a part of its range."""
    means = {figure: swept.mean(figure) for figure in figures}
    points = in_order(swept)
    if swept.design.sampled:
        return [_table([key, "points"], figures, rows) for key, rows in _parts(swept, figures, means)]
    rows = [[*point, *(said(f, means[f][point]) for f in figures)] for point in points[:LISTED]]
    shown = _table([over.key for over in swept.design.over], figures, rows)
    if len(points) > LISTED:
        shown.caption = f"{len(points) - LISTED:,} more points are in the Parquet file."
    return [shown]


def _table(names: Sequence[str], figures: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="cyan", show_edge=False)
    for name in names:
        parts = name.replace(".", ".\n").replace("_", "_\n")  # else a long name is broken anywhere
        shown.add_column(parts, overflow="fold", justify="right" if name == "points" else "left")
    shown.columns[0].min_width = min(VALUE, max((len(row[0]) for row in rows), default=1))
    for figure in figures:
        head = title(figure).removeprefix("concentration ")  # a line of eighty has no room for the long word
        head += ", tokens" if "_gwei" in figure else ""
        shown.add_column(head.replace(" ", "\n"), justify="right", no_wrap=True)
    for row in rows:
        shown.add_row(*map(Text, row))
    return shown


def _parts(
    swept: Swept, figures: Sequence[str], means: dict[str, dict[tuple[str, ...], float]]
) -> list[tuple[str, list[list[str]]]]:
    """Write for each parameter of a sample a row per group: the values, how many points, the mean of each figure."""
    return [
        (over.key, [
            [group.label, f"{len(group.points):,}", *(said(f, mean(means[f], group.points)) for f in figures)]
            for group in groups(swept, k)
        ])
        for k, over in enumerate(swept.design.over)
    ]  # fmt: skip


def unmoved(swept: Swept, figure: str) -> str:
    """Say why a figure has no indices."""
    means = swept.mean(figure)
    undefined = int(np.sum(~np.isfinite(list(means.values()))))
    return f"undefined at {undefined:,} of {len(means):,} points" if undefined else STILL


def indices_table(swept: Swept, summary: Summary) -> Table:
    """Build a row per figure and parameter: how much of the variance it explains."""
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, header_style="cyan", show_edge=False)
    for name in ("outcome", "parameter", "alone", "with others"):
        shown.add_column(name, justify="left" if name in {"outcome", "parameter"} else "right")
    for figure, found in summary.items():
        if found is None:
            shown.add_row(title(figure), unmoved(swept, figure), "", "")
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
        parts.insert(0, _bars(swept, summary))
    head = [*(o.key for o in swept.design.over[1:]), *map(title, figures)]
    points = in_order(swept)
    rows = [[*point, *(said(f, means[f][point]) for f in figures)] for point in points[: 10 * LISTED]]
    order = "The points"
    if swept.design.sampled:
        for key, cells in _parts(swept, figures, means):
            head_of = ["points", *map(title, figures)]
            parts.append(report.section(f"Means by {key}, over all the others", table.html_rows(key, head_of, cells)))
        order += f", by {' and then by '.join(o.key for o in swept.design.over)}"
    if len(points) > len(rows):
        order += f" (the first {len(rows):,} of {len(points):,})"
    parts.append(report.section(order, table.html_rows(swept.design.over[0].key, head, rows)))
    kind = "a sample of" if swept.design.sampled else "all of"
    under = f"{kind} {len(means[figures[0]]):,} points, {swept.seeds} seed{'s' * (swept.seeds > 1)} each"
    words = f"Over {', '.join(o.key for o in swept.design.over)}."
    if still:
        words += f" The same at every point: {', '.join(map(title, still))}."
    return report.page(f"{swept.scenario}: sweep", html.escape(under), html.escape(words), claim, parts)


def _effect(swept: Swept, figure: str, k: int) -> Figure:
    """Draw a figure against one parameter, over all the others: every point, and the mean at each value."""
    over = swept.design.over[k]
    means = swept.mean(figure)
    pairs = [(point[k], value) for point, value in means.items() if np.isfinite(value)]
    scale, unit = (GWEI, "tokens") if "_gwei" in figure else (1, "")
    if "_ms" in figure and pairs:
        scale, unit = unit_of(max(abs(value) for _, value in pairs))
    heading = f"{title(figure)} by {over.key}"
    if not pairs:
        return Figure(heading, "Undefined at every point.", None)
    units = {value.lstrip("-0123456789._ ") for value, _ in pairs}
    numbers = len(units) == 1 and all(number(value) is not None for value, _ in pairs)

    def row(value: str, outcome: float) -> dict[str, Any]:
        return {"x": number(value) if numbers else value, "y": outcome / scale}

    of_x = f" ({units.pop()})" if numbers and units != {""} else ""
    kind = "x:Q" if numbers else "x:N"
    x = alt.X(kind, title=f"{over.key}{of_x}", sort=None, scale=alt.Scale(zero=False) if numbers else alt.Scale())
    y = alt.Y("y:Q", title=f"{title(figure)} ({unit})" if unit else title(figure))
    dots = data([row(value, outcome) for value, outcome in pairs[: report.MOST]])
    layers: list[alt.Chart] = [dots.mark_point(filled=True, size=35, opacity=0.45).encode(x, y, tooltip=[kind, "y:Q"])]
    line = [row(value, outcome) for value, outcome in _means(swept, means, k) if np.isfinite(outcome)]
    if len(line) <= LEVELS:
        layers.append(data(line).mark_line(point=True, strokeWidth=2).encode(x, y))
    note = "Points: all settings of the other parameters. Line: their mean"
    note += ", by eighths of the range." if swept.design.sampled and not over.values else "."
    return Figure(heading, note, alt.layer(*layers))


def _means(swept: Swept, means: dict[tuple[str, ...], float], k: int) -> list[tuple[str, float]]:
    """Pair each value of parameter `k`, or the middle one of each group of a sample, with the mean over all others."""
    if swept.design.sampled:
        return [(g.points[len(g.points) // 2][k], mean(means, g.points)) for g in groups(swept, k)]
    levels: dict[str, list[tuple[str, ...]]] = {}
    for point in means:
        levels.setdefault(point[k], []).append(point)
    return [(value, mean(means, points)) for value, points in levels.items()]


def _bars(swept: Swept, summary: Summary) -> Figure:
    """Draw how much of each outcome's variance each parameter explains."""
    rows = [
        {"outcome": title(figure), "parameter": key, "total": max(0.0, at["total"]), "alone": max(0.0, at["first"])}
        for figure, found in summary.items()
        if found is not None
        for key, at in found.items()
    ]
    heading = "Which parameter moves the outcome"
    missing = [f"{title(f)} ({why})" for f in summary if (why := unmoved(swept, f)) != STILL]
    without = f" Without an index: {', '.join(missing)}." if missing else ""
    if not rows:
        return Figure(heading, f"No parameter moved an outcome that is defined everywhere.{without}", None)
    y = alt.Y("outcome:N", title=None, sort=None)
    colour = alt.Color("parameter:N", title=None, legend=alt.Legend(columns=1))  # a phone has no room for two
    bars = data(rows).mark_bar().encode(
        alt.X("total:Q", title="share of the variance (total index)"), y, alt.YOffset("parameter:N"), colour,
        tooltip=["outcome:N", "parameter:N", "alone:Q", "total:Q"],
    )  # fmt: skip
    note = "Sobol's total index: what stays open when all other parameters are known."
    return Figure(heading, note + without, bars, height=40 + 18 * len(rows))
