"""Pages that open without network: charts and tables of one rule, or of several side by side.

The chart library is inlined once per page (0.9 MB), so that charts show their values under the pointer and follow the
light or dark theme of whoever looks. A chart has at most 5,000 marks, whatever the length of the run.
"""

import html
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from string import Template
from typing import Any

import altair as alt
import numpy as np
import vl_convert

import proofyard
from proofyard.core.book import Ints
from proofyard.core.event import Phase
from proofyard.engine.result import Run
from proofyard.lab import metrics, rulemap, table
from proofyard.lab.figure import HEIGHT, Chart, Figure, Rows
from proofyard.lab.words import GWEI, Figures, unit_of
from proofyard.tools.cache import root

MOST = 5_000  # slashes drawn
NAMED = 6  # provers with a colour of their own
STEPS, BINS = 60, 40  # stretches of time: bars in the chart of shares, and of times to proof
MOMENTS = 300  # points of a curve
ROWED = 24  # provers that fit a chart with a row for each
NAME = 176  # px for a name at the right of curves; less on a phone
LARGE = 10_000  # tokens, from which axes say `k` and `M`
OTHERS = "others"
_FEW = alt.Axis(grid=False, tickCount=7, format=",.4~f")
_ROOM = f"containerSize()[0] < 480 ? 124 : {NAME}"


def template(name: str) -> str:
    """Read one of the files beside this module."""
    return (files("proofyard.lab") / "templates" / name).read_text(encoding="utf-8")


@cache
def bundle() -> str:
    """Fetch the chart library: bundling takes seconds, so the result is kept in a file named by its version."""
    place = root() / f"vega-{version('vl-convert-python')}.js"
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_suffix(f".{os.getpid()}")
        draft.write_text(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"), encoding="utf-8")
        draft.replace(place)
    return place.read_text(encoding="utf-8")


def report(runs: Sequence[Run], summary: Figures, claim: str = "") -> str:
    """Write the page of one rule: `runs` as summed up in `summary`, `claim` what the scenario is meant to show."""
    seeds = summary["seeds"]
    several = f"{len(seeds)} seeds ({', '.join(map(str, seeds))}), means ± standard error; curves of seed {seeds[0]}"
    told = several if len(seeds) > 1 else f"seed {seeds[0]}"
    under = f"Rule <code>{html.escape(summary['mechanism'])}</code> · {html.escape(told)}"
    columns, rows = table.prover_rows(summary, table.LISTED)
    first, *others = figures(runs, summary)
    parts = [
        first,
        section("The figures", table.html_figures(summary)),
        *others,
        section("The provers", table.html_rows("prover, money in tokens", [column.title for column in columns], rows)),
    ]
    return page(summary["scenario"], under, html.escape(table.in_words(summary)), claim, parts)


def compare_report(summaries: Sequence[Figures], claim: str = "") -> str:
    """Write the page of several rules in one world: price, time to proof and concentration, one point per rule."""
    seeds = len(summaries[0]["seeds"])
    under = f"{len(summaries)} rules, the same {seeds} seed{'s' * (seeds > 1)}"
    told = (f"<b>{html.escape(table.label(s))}</b>: {html.escape(table.in_words(s))}" for s in summaries)
    crowd = [rulemap.rule_map(summaries)] if len(summaries) >= rulemap.FROM else []
    parts: list[Figure | str] = [
        *crowd,
        _against(summaries, "Price against time to proof", "time_to_proof_ms.p90", "time to proof, p90"),
        _against(summaries, "Price against concentration", "concentration.hhi", "HHI of proofs"),
    ]
    shown = table.compared(summaries)
    head = [title.replace("-\n", "").replace("\n", " ") for title, _, _ in shown]
    rows = [[table.label(s), *(table.say(s, path, how) for _, path, how in shown)] for s in summaries]
    parts.append(section("The rules", table.html_rows("rule", head, rows)))
    return page(summaries[0]["scenario"], html.escape(under), "<br>".join(told), claim, parts)


def figures(runs: Sequence[Run], summary: Figures) -> list[Figure]:
    """Draw every chart of one rule."""
    run = runs[0]
    named = _named(summary)
    return [
        share_over_time(run, named),
        times(runs),
        earned_and_spent(summary, [run.names[prover] for prover in named]),
        _curves(run, "Own stake", "No prover held a stake.", _series(run, run.samples.stake_gwei, named), named),
        _curves(run, "Delegated stake", "Nothing was delegated.", _series(run, run.samples.pool_gwei, named), named),
        _curves(run, "Locked in the market", "No money was locked.", {"": run.samples.locked_gwei}, []),
        slashes(run, named),
    ]


def _named(summary: Figures) -> list[int]:
    """Choose the provers with a colour: those with the most proofs, then the largest stakes."""
    keys = [(-row["wins"], -row["stake_gwei"] - row["pool_gwei"]) for row in summary["provers"]]
    return sorted(range(len(keys)), key=keys.__getitem__)[:NAMED]


def _data(rows: Rows) -> alt.Chart:
    """Start a chart; numbers keep six digits."""

    def short(value: Any) -> Any:
        return value if isinstance(value, str) else float(f"{value:.6g}")

    return alt.Chart(alt.Data(values=[{key: short(value) for key, value in row.items()} for row in rows]))


def _colour(names: Iterable[str], legend: alt.Legend | None = None, field: str = "prover:N") -> alt.Color:
    """Give each name the same colour in every chart; grey is for the others."""
    return alt.Color(field, scale=alt.Scale(domain=[OTHERS, *names]), legend=legend, title=None)


def _end(run: Run) -> int:
    return run.end_ms or run.horizon_ms or 1


def _clock(run: Run) -> tuple[float, alt.X]:
    """Choose the unit of the time axis, in ms, and make the axis."""
    size, unit = unit_of(_end(run))
    return size, alt.X("t:Q", scale=_from_0(_end(run) / size), title=f"time since the start ({unit})", axis=_FEW)


def _from_0(high: float) -> alt.Scale:
    return alt.Scale(domain=[0, high], nice=False)


def _amounts(high: float) -> alt.Axis:
    """Choose how an axis of tokens up to `high` writes its numbers: `1.5M`, but not `50m`."""
    return alt.Axis(format="~s" if high >= LARGE else ",.6~f", tickCount=5)


def _apart(wanted: Sequence[float], high: float) -> list[float]:
    """Move labels, given from low to high, so far apart in 0..high that they do not overlap."""
    step = high * 17 / HEIGHT
    placed: list[float] = []
    for value in wanted:
        placed.append(max(value, placed[-1] + step) if placed else max(value, 0.0))
    for k in range(len(placed) - 1, -1, -1):
        placed[k] = min(placed[k], high if k == len(placed) - 1 else placed[k + 1] - step)
    return placed


def _names_at_the_end(ends: Rows, colour: alt.Color, high: float) -> Chart:
    """Name curves at the right: rows of prover, text and y, on a scale from 0 to `high`."""
    ends = sorted(ends, key=lambda row: row["y"])
    placed = _apart([row["y"] for row in ends], high)
    rows = [{**row, "y": y} for row, y in zip(ends, placed, strict=True)]
    base = _data(rows).encode(y=alt.Y("y:Q"), x=alt.value("width"))
    dots = base.mark_point(filled=True, size=60, xOffset=12, opacity=1, shape="square").encode(color=colour)
    return alt.layer(dots, base.mark_text(align="left", dx=20, limit=alt.ExprRef(_ROOM)).encode(text="text:N"))


def share_over_time(run: Run, named: Sequence[int]) -> Figure:
    """Draw who made the proofs, in each of `STEPS` stretches of time."""
    title = "Who made the proofs"
    jobs, labels = run.jobs, [*(run.names[prover] for prover in named), OTHERS]
    settled = (jobs.phase == Phase.SETTLED) & (jobs.prover >= 0)
    if not settled.any():
        return Figure(title, "No proof was settled.", None)
    (size, clock), wide = _clock(run), _end(run) / STEPS
    place, counts = np.full(len(run.names), len(named)), np.zeros((STEPS, len(labels)))
    place[list(named)] = np.arange(len(named))
    steps = np.clip(jobs.proven_ms[settled] / wide, 0, STEPS - 1).astype(np.int64)
    np.add.at(counts, (steps, place[jobs.prover[settled]]), 1)
    share = counts / np.maximum(counts.sum(1), 1)[:, None]
    top = np.cumsum(share, 1)
    rows: Rows = [
        {"t": k * wide / size, "to": (k + 1) * wide / size, "low": top[k, j] - share[k, j], "high": top[k, j],
         "prover": labels[j], "proofs": counts[k, j]}
        for k, j in np.argwhere(counts).tolist()
    ]  # fmt: skip
    last, whole = int(steps.max()), counts.sum(0) / counts.sum()
    ends: Rows = [
        {"prover": labels[j], "text": f"{table.percent(whole[j])}  {labels[j]}", "y": top[last, j] - share[last, j] / 2}
        for j in np.flatnonzero(whole).tolist()
    ]
    y = alt.Y("low:Q", scale=alt.Scale(domain=[0, 1]), title="share of proofs", axis=alt.Axis(format="%", tickCount=5))
    bars = _data(rows).mark_rect(strokeWidth=0, x2Offset=0.6).encode(
        clock, y, alt.X2("to:Q"), alt.Y2("high:Q"), _colour(labels[:-1]), tooltip=["prover:N", "proofs:Q"]
    )  # fmt: skip
    drawn = alt.layer(bars, _names_at_the_end(ends, _colour(labels[:-1]), 1))
    return Figure(title, "Shares of the proofs of each moment; beside the names, of the whole run.", drawn)


def _series(run: Run, amounts: Ints, named: Sequence[int]) -> dict[str, Ints]:
    """Choose whose curves to draw: the named provers that hold anything, else those that hold most."""
    column = {prover: k for k, prover in enumerate(run.samples.tracked.tolist())}
    peak = {prover: int(amounts[:, k].max(initial=0)) for prover, k in column.items()}
    held = sorted((prover for prover in column if peak[prover]), key=lambda prover: -peak[prover])
    shown = [prover for prover in named if prover in held] or held[:NAMED]
    return {run.names[prover]: amounts[:, column[prover]] for prover in shown}


def _curves(run: Run, title: str, empty: str, series: Mapping[str, Ints], named: Sequence[int]) -> Figure:
    """Draw amounts of gwei over the moments of the samples, one curve for each name."""
    if not any(amounts.any() for amounts in series.values()):
        return Figure(title, empty, None)
    size, clock = _clock(run)
    sampled = np.flatnonzero(run.samples.time_ms <= _end(run))
    moments = sampled[:: -(-sampled.size // MOMENTS)]
    rows: Rows = [
        {"t": run.samples.time_ms[k] / size, "prover": name, "tokens": amounts[k] / GWEI}
        for name, amounts in series.items()
        for k in moments.tolist()
    ]
    high = max(row["tokens"] for row in rows) * 1.05 or 1.0
    lines = _data(rows).encode(clock, alt.Y("tokens:Q", scale=_from_0(high), axis=_amounts(high), title="tokens"))
    if "" in series:
        return Figure(title, "Stakes and bonds of all.", lines.mark_area(line=True, opacity=0.25))
    ends: Rows = [{"prover": name, "text": name, "y": amounts[moments[-1]] / GWEI} for name, amounts in series.items()]
    names = [run.names[prover] for prover in named]
    colour = _colour(names if set(series) <= set(names) else series)
    drawn = lines.mark_line(strokeWidth=2).encode(colour, tooltip=["prover:N", "tokens:Q"])
    few = f"Of {len(series)} of the {len(run.names):,} provers." if len(run.names) > len(series) else ""
    return Figure(title, few, alt.layer(drawn, _names_at_the_end(ends, colour, high)))


def times(runs: Sequence[Run]) -> Figure:
    """Draw how long proofs took, up to a little beyond the 99th percentile."""
    title = "Time to proof"
    took = np.concatenate([metrics.proof_times(run) for run in runs])
    if not took.size:
        return Figure(title, "No job was proven.", None)
    marks = {f"p{percent}": metrics.percentile(took, percent) or 0 for percent in (50, 90, 99)}
    size, unit = unit_of(marks["p99"])
    high = max(marks["p99"] * 1.08, 1.0)
    counts, edges = np.histogram(took, BINS, (0, high))
    rows: Rows = [
        {"t": edges[k] / size, "to": edges[k + 1] / size, "zero": 0, "share": counts[k] / took.size}
        for k in np.flatnonzero(counts).tolist()
    ]
    x = alt.X("t:Q", scale=_from_0(high / size), title=f"from request to proof ({unit})", axis=_FEW)
    top = _from_0(1.3 * counts.max() / took.size)  # room for the names of the marks
    y = alt.Y("zero:Q", scale=top, title="share of proofs", axis=alt.Axis(format="%", tickCount=5))
    bars = _data(rows).mark_bar(binSpacing=0).encode(
        x, y, alt.X2("to:Q"), alt.Y2("share:Q"), tooltip=[alt.Tooltip("share:Q", format=".2%")]
    )  # fmt: skip
    layers: list[alt.Chart] = [bars]
    for k, (name, ms) in enumerate(marks.items()):
        at = _data([{"t": ms / size, "text": f"{name} {table.duration(ms)}"}]).encode(x)
        text = at.mark_text(align="left", dx=4) if ms < high / 2 else at.mark_text(align="right", dx=-4)
        layers += [at.mark_rule(strokeDash=[4, 3]), text.encode(y=alt.value(8 + 15 * k), text="text:N")]
    beyond = int((took > high).sum())
    note = f"{beyond:,} of {took.size:,} took longer, up to {table.duration(int(took.max()))}." if beyond else ""
    return Figure(title, note, alt.layer(*layers))


def earned_and_spent(summary: Figures, named: Sequence[str]) -> Figure:
    """Draw what each prover earned and what it spent (cost and own money slashed)."""
    title = "Earned and spent"
    rows: Rows = [
        {"prover": row["name"], "earned": row["income_gwei"] / GWEI,
         "spent": (row["cost_gwei"] + row["slashed_gwei"]) / GWEI, "wins": row["wins"]}
        for row in summary["provers"]
    ]  # fmt: skip
    rows = sorted((row for row in rows if row["earned"] or row["spent"]), key=lambda row: -row["wins"])
    if not rows:
        return Figure(title, "No prover earned or spent anything.", None)
    if len(rows) > ROWED:
        note = "Each point a prover; above the line, a profit. Spent: costs and own money slashed."
        return Figure(title, note, _earned_points(rows, named))
    base = _data(rows).encode(alt.Y("prover:N", sort=[row["prover"] for row in rows], title=None))
    line = base.mark_rule(strokeWidth=2, opacity=0.5).encode(alt.X("spent:Q", title="tokens"), alt.X2("earned:Q"))
    legend = alt.Legend(values=["earned", "spent"])
    dots = base.transform_fold(["earned", "spent"], as_=["kind", "tokens"]).mark_point(filled=True, size=90, opacity=1)
    x = alt.X("tokens:Q", axis=_amounts(max(max(row["earned"], row["spent"]) for row in rows)), title="tokens")
    dots = dots.encode(x, _colour(["earned", "spent"], legend, "kind:N"), tooltip=["prover:N", "earned:Q", "spent:Q"])
    return Figure(title, "Spent: costs and own money slashed.", alt.layer(line, dots), height=24 * len(rows) + 16)


def _earned_points(rows: Rows, named: Sequence[str]) -> Chart:
    """Draw many provers as points about the line where what was earned equals what was spent."""
    known = [row for row in rows if row["prover"] in named]
    wide, high = (1.05 * max(row[key] for row in rows) or 1.0 for key in ("spent", "earned"))
    x = alt.X("spent:Q", scale=_from_0(wide), axis=_amounts(wide), title="spent (tokens)")
    y = alt.Y("earned:Q", scale=_from_0(high), axis=_amounts(high), title="earned (tokens)")
    even = _data([{"zero": 0, "end": min(wide, high)}]).mark_rule(strokeDash=[4, 3])
    line = even.encode(alt.X("zero:Q"), alt.Y("zero:Q"), alt.X2("end:Q"), alt.Y2("end:Q"))
    rest = [{**row, "prover": OTHERS} for row in rows[:MOST] if row not in known]
    points = _data([*rest, *known]).mark_point(filled=True, size=70, opacity=0.85)
    drawn = points.encode(x, y, _colour(named), tooltip=["prover:N", "earned:Q", "spent:Q"])
    ends: Rows = [{**row, "text": row["prover"], "y": row["earned"]} for row in known]
    return alt.layer(drawn, line, _names_at_the_end(ends, _colour(named), high))


def slashes(run: Run, named: Sequence[int]) -> Figure:
    """Draw when how much was taken from whom."""
    if not run.slashes.prover.size:
        return Figure("Slashes", "Nobody was slashed.", None)
    size, clock = _clock(run)
    drawn = np.unique(np.linspace(0, run.slashes.prover.size - 1, MOST).astype(np.int64)).tolist()
    label = {prover: run.names[prover] for prover in named}
    rows: Rows = [
        {"t": run.slashes.time_ms[k] / size, "tokens": run.slashes.gwei[k] / GWEI,
         "prover": label.get(int(run.slashes.prover[k]), OTHERS)}
        for k in drawn
    ]  # fmt: skip
    names = [name for name in (*label.values(), OTHERS) if any(row["prover"] == name for row in rows)]
    legend = alt.Legend(values=names, labelLimit=110)
    y = alt.Y("tokens:Q", axis=_amounts(int(run.slashes.gwei.max()) / GWEI))
    chart = _data(rows).mark_point(filled=True, size=45, opacity=0.8).encode(
        clock, y, _colour(label.values(), legend), tooltip=["prover:N", "tokens:Q"]
    )  # fmt: skip
    part = f", {len(drawn):,} of them shown" if run.slashes_total > len(drawn) else ""
    return Figure("Slashes", f"{run.slashes_total:,} in all{part}.", chart)


def _against(summaries: Sequence[Figures], title: str, path: str, name: str) -> Figure:
    """Draw one point per rule: price upwards, the figure at `path` to the right, with two standard errors."""
    rules = [s for s in summaries if table.at(s, path) is not None and table.at(s, "price_gwei.mean") is not None]
    if not rules:
        return Figure(title, "No rule settled a proof.", None)
    size, unit = unit_of(max(table.at(s, path) or 0 for s in rules)) if path.endswith("p90") else (1, "0 to 1")
    rows: Rows = []
    for s in rules:
        x, y = (table.at(s, path) or 0) / size, (table.at(s, "price_gwei.mean") or 0) / GWEI
        dx, dy = (2 * (table.at(s["spread"], key) or 0) for key in (path, "price_gwei.mean"))
        rows.append({
            "rule": table.label(s), "x": x, "y": y,
            "left": x - dx / size, "right": x + dx / size, "low": y - dy / GWEI, "high": y + dy / GWEI,
        })  # fmt: skip
    rows.sort(key=lambda row: row["y"])
    wide, high = (max(row[key] for row in rows) * 1.1 or 1.0 for key in ("right", "high"))
    for row, y in zip(rows, _apart([row["y"] for row in rows], high), strict=True):
        row["label"] = y
    base = _data(rows)
    x = alt.X("x:Q", scale=_from_0(wide), title=f"{name} ({unit})", axis=_FEW)
    y = alt.Y("y:Q", scale=_from_0(high), title="paid per proof (tokens)", axis=_amounts(high))
    across = base.mark_rule().encode(alt.X("left:Q"), y, alt.X2("right:Q"))
    upright = base.mark_rule().encode(x, alt.Y("low:Q"), alt.Y2("high:Q"))
    points = base.mark_point(filled=True, size=110, opacity=1).encode(x, y, tooltip=["rule:N", "x:Q", "y:Q"])
    layers = [across, upright, points]
    for far in (False, True):  # names of points at the right stand on their left
        some = _data([row for row in rows if (row["x"] > wide / 2) == far])
        text = some.mark_text(align="right", dx=-9, dy=-10) if far else some.mark_text(align="left", dx=9, dy=-10)
        layers.append(text.encode(x, alt.Y("label:Q"), text="rule:N"))
    note = "Down and to the left is better." + " Bars: two standard errors." * (rules[0]["spread"] is not None)
    return Figure(title, note, alt.layer(*layers))


def page(title: str, under: str, words: str, claim: str, parts: Sequence[Figure | str]) -> str:
    """Fill the template with figures and sections of HTML; `under` and `words` are HTML too."""
    specs: dict[str, Any] = {}
    sections: list[str] = []
    for part in parts:
        if isinstance(part, str):
            sections.append(part)
        elif part.chart is not None:
            name, note = f"chart-{len(specs)}", html.escape(part.note)
            padding = {"left": 4, "top": 8, "right": 8, "bottom": 4}
            drawn = part.chart.properties(width="container", height=part.height, padding=padding)
            specs[name] = drawn.to_dict(validate=False)  # the tests validate; here it would take most of the time
            chart = f'<div class="chart" id="{name}" role="img" aria-label="{html.escape(part.title)}. {note}"></div>'
            sections.append(section(part.title, f'<p class="note">{note}</p>\n{chart}'))
    empty = " ".join(part.note for part in parts if isinstance(part, Figure) and part.chart is None)
    return Template(template("page.html")).substitute(
        version=proofyard.__version__,
        title=html.escape(title),
        under=under,
        words=words,
        claim=f'<p class="claim"><b>Claim.</b> {html.escape(claim)}</p>' if claim else "",
        sections="\n".join([*sections, f'<p class="empty">{html.escape(empty)}</p>']),
        bundle=bundle(),
        charts=_script_json(specs),
        themes=_script_json(json.loads(template("themes.json"))),
    )


def _script_json(value: Any) -> str:
    """Write JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def section(title: str, body: str) -> str:
    """Write a section of a page: its heading, and HTML below it."""
    return f"<section>\n<h2>{html.escape(title)}</h2>\n{body}\n</section>"
