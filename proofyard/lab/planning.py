"""What `proofyard plan` shows: tables for the terminal, and a page with speed-up, load and schedule (Gantt)."""

import html
from collections.abc import Sequence

import altair as alt
from rich import box
from rich.console import Console
from rich.table import Table

from proofyard.lab import report, table
from proofyard.lab.report import Figure, Rows
from proofyard.lab.words import unit_of
from proofyard.proofs.planning.plan import Ask, Group, Plan

WIDE = 110  # characters where no terminal says
ROW = 24  # px for a card in the picture
USD = 1e6
HEAD = (
    "size of a part", "leaves + joins", "undisturbed", "p50", "p99", "in time", "USD a proof", "speed-up", "limit",
    "cards needed",
)  # fmt: skip
SAID = ("size of a part",)  # in the sentence above the terminal's table
ROOMY = ("undisturbed", "limit")  # only in a terminal of WIDE columns


def when(ms: int | None) -> str:
    """Write a time; None is never."""
    return "never" if ms is None else table.duration(ms)


def money(low: int, high: int) -> str:
    """Write a rent from low to high, USD."""
    if not high:
        return "no price"
    return f"{low / USD:.4f}" if low == high else f"{low / USD:.4f}–{high / USD:.4f}"


def costs(plan: Plan) -> str:
    """Say what a proof costs."""
    return f"{money(plan.cost_low, plan.cost_high)} USD" if plan.cost_high else "no price"


def summary_row(plan: Plan) -> list[str]:
    """Sum a fleet up in one row of the table."""
    chosen = next(cut for cut in plan.cuts if cut.chosen)
    here = next((point for point in plan.curve if point.cards == len(plan.fleet.cards)), plan.curve[-1])
    return [
        plan.fleet.text, f"{chosen.units:,} {plan.fleet.unit}s", _parts(chosen.parts), when(plan.ms), when(plan.p50_ms),
        when(plan.p99_ms), "" if plan.met is None else table.percent(plan.met), money(plan.cost_low, plan.cost_high),
        f"{here.speed_up:.2f}", f"{plan.limit:.1f}", "" if plan.needed is None else str(plan.needed),
    ]  # fmt: skip


def _parts(count: int) -> str:
    """Write how many parts are proven and how many times two are joined, of a tree of `count` nodes."""
    return f"{(count + 1) // 2:,} + {count // 2:,}"


def card_rows(plans: Sequence[Plan]) -> list[list[str]]:
    """Say which card does what."""
    return [
        [share.kind, plan.fleet.text, str(share.cards), str(share.leaves), str(share.joins), table.percent(share.busy)]
        for plan in plans
        for share in plan.shares
    ]


def group_rows(plans: Sequence[Plan]) -> list[list[str]]:
    """Compare groups: one card per proof, all on one, and between."""
    return [[plan.fleet.text, *_group_row(group)] for plan in plans for group in plan.groups]


def _groups(plans: Sequence[Plan], ask: Ask) -> tuple[Sequence[str], list[list[str]]]:
    """Leave out what needs a rate if there is none: head and rows."""
    rows = group_rows(plans)
    return (GROUP_HEAD, rows) if ask.per_hour else (GROUP_HEAD[:-2], [row[:-2] for row in rows])


def _group_row(group: Group) -> list[str]:
    asked = [when(group.at_rate[key]) if group.at_rate else "" for key in ("p50_ms", "p99_ms")]
    most = f"{group.per_hour:.1f}" if group.per_hour else "0"
    return [f"{group.groups} × {group.cards}", when(group.alone_p50_ms), when(group.alone_p99_ms), most, *asked]


GROUP_HEAD = ("groups × cards", "alone p50", "alone p99", "most per hour", "p50 at this rate", "p99 at this rate")


def in_words(plan: Plan, ask: Ask) -> str:
    """Say the answer for one fleet."""
    chosen = next(cut for cut in plan.cuts if cut.chosen)
    parts = (chosen.parts + 1) // 2
    said = (
        f"{plan.fleet.text}: cut into {parts:,} part{'s' * (parts > 1)} of {chosen.units:,} {plan.fleet.unit}s;"
        f" {when(plan.p50_ms)} (p99 {when(plan.p99_ms)}) a proof on all cards, {costs(plan)}."
    )
    if plan.met is not None:
        said += f" {table.percent(plan.met)} within {when(ask.deadline_ms)}"
        said += "." if plan.needed is None else f"; p99 needs {plan.needed} such card{'s' * (plan.needed > 1)}."
    if plan.lost:
        said += f" {plan.lost:.2g} parts lost with a card each time."
    return f"{said} {turn_words(plan)}".strip()


def turn_words(plan: Plan) -> str:
    """Say from which load one card per proof is better."""
    if len(plan.groups) < 2:  # noqa: PLR2004 - nothing to compare
        return ""
    one, split = plan.groups[0], plan.groups[-1]
    if plan.turn_per_hour is None:
        return f"All cards on one proof is quicker (p99) up to the most they can do, {split.per_hour:.0f} an hour."
    return (
        f"All cards on one proof is quicker (p99) up to {plan.turn_per_hour:.0f} jobs an hour, one card per proof"
        f" beyond; the most is {split.per_hour:.0f} an hour that way, {one.per_hour:.0f} this way."
    )


def print_plans(plans: Sequence[Plan], ask: Ask) -> None:
    """Print the tables."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    for plan in plans:
        console.print(in_words(plan, ask), highlight=False, soft_wrap=True)
    head, groups = _groups(plans, ask)
    cards = [[row[1], row[0], *row[2:]] for row in card_rows(plans)]
    shown = [k for k, name in enumerate(HEAD) if name not in SAID and (console.width >= WIDE or name not in ROOMY)]
    rows = [(row[0], *(row[1 + k] for k in shown)) for row in map(summary_row, plans)]
    _print(console, "One proof on all cards", ("fleet", *(HEAD[k] for k in shown)), rows)
    _print(console, "Which card does what", ("fleet", "card", "cards", "leaves", "joins", "busy"), cards)
    if groups:
        _print(console, "One card per proof, or all on one", ("fleet", *head), groups)
    for source in dict.fromkeys(source for plan in plans for source in plan.fleet.sources):
        console.print(f"Source: {source}", highlight=False, soft_wrap=True, style="dim")
    if any(plan.fleet.uncertain for plan in plans):
        console.print("Uncertain: a speed rests on one report or interpolation; measure with `proofyard bench`.")


def _print(console: Console, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="cyan", show_edge=False)
    shown.title, shown.title_justify, shown.title_style = f"\n{title}", "left", "bold"
    for k, name in enumerate(head):
        words = name.replace(" + ", "\n+ ").replace("groups × ", "groups ×\n")
        words = words if "\n" in words else "\n".join(words.rsplit(" ", 1))
        shown.add_column(words, justify="right" if k else "left", no_wrap=k > 0, overflow="fold")
    for row in rows:
        shown.add_row(*row)
    console.print(shown)


def page(plans: Sequence[Plan], ask: Ask, title: str) -> str:
    """Write the page."""
    words = "<br>".join(html.escape(in_words(plan, ask)) for plan in plans)
    cuts = [
        [plan.fleet.text, f"{cut.units:,}" + " ✓" * cut.chosen, _parts(cut.parts), when(cut.ms), when(cut.bound_ms),
         "" if cut.p99_ms is None else when(cut.p99_ms)]
        for plan in plans for cut in plan.cuts
    ]  # fmt: skip
    sources = [[source] for source in dict.fromkeys(source for plan in plans for source in plan.fleet.sources)]
    parts: list[Figure | str] = [
        load(plans),
        speed_up(plans),
        *(gantt(plan) for plan in plans),
        report.section("One proof on all cards", table.html_rows("fleet", HEAD, [summary_row(plan) for plan in plans])),
        report.section("Which card does what", table.html_rows(
            "card", ("fleet", "cards", "leaves", "joins", "busy"), card_rows(plans))),
        report.section("One card per proof, or all on one", table.html_rows("fleet", *_groups(plans, ask))),
        report.section("Ways to cut it", table.html_rows(
            "fleet", ("size of a part", "leaves + joins", "undisturbed", "critical path", "p99"), cuts)),
        report.section("Where the numbers come from", table.html_rows("source", (), sources)),
    ]  # fmt: skip
    plans_told = f"{len(plans)} fleet{'s' * (len(plans) > 1)}"
    under = f"{plans_told}, {ask.trials:,} simulated jobs each, seed {ask.seed}"
    return report.page(title, html.escape(under), words, "", parts)


def _colour(names: Sequence[str], field: str) -> alt.Color:
    scale = alt.Scale(domain=["others", *names])
    return alt.Color(
        f"{field}:N", scale=scale, legend=alt.Legend(values=list(names), labelLimit=320, columns=2), title=None
    )


def load(plans: Sequence[Plan]) -> Figure:
    """Draw p99 against the load: where the curves cross, the answer turns."""
    title = "One card per proof, or all cards on one"
    rows: Rows = []
    names: list[str] = []
    for plan in plans:
        ends = [plan.groups[0], plan.groups[-1]] if len(plan.groups) > 1 else plan.groups
        for group in plan.groups if len(plans) == 1 else ends:
            name = f"{plan.fleet.text}: {group.groups} × {group.cards}"
            names.append(name)
            rows += [{"rate": rate, "ms": ms / 1000, "way": name} for rate, ms in group.curve if ms is not None]
    if not rows:
        return Figure(title, "No fleet has several cards of its own to group, or none ever finishes.", None)
    x = alt.X("rate:Q", title="jobs an hour", scale=alt.Scale(domainMin=0, nice=False), axis=alt.Axis(grid=False))
    y = alt.Y("ms:Q", title="p99 from arrival to proof (s)", scale=alt.Scale(type="log"), axis=alt.Axis(tickCount=6))
    base = alt.Chart(alt.Data(values=rows))
    tips = ["way:N", alt.Tooltip("rate:Q", format=".1f"), alt.Tooltip("ms:Q", format=".1f")]
    lines = base.mark_line(strokeWidth=2, point=True).encode(x, y, _colour(names, "way"), tooltip=tips)
    turns: Rows = [{"rate": plan.turn_per_hour} for plan in plans if plan.turn_per_hour is not None]
    marks = alt.Chart(alt.Data(values=turns)).mark_rule(strokeDash=[4, 3]).encode(x)
    note = "Poisson arrivals, one line, groups × cards each. Dashed: from here one card per proof has the lower p99."
    return Figure(title, note, alt.layer(lines, marks) if turns else alt.layer(lines), height=320)


def speed_up(plans: Sequence[Plan]) -> Figure:
    """Draw the speed-up of one job against the number of cards, with Graham's bounds and the limit."""
    rows: Rows = []
    bands: Rows = []
    for plan in plans:
        one = plan.curve[0].ms
        rows += [{"cards": p.cards, "up": p.speed_up, "ms": p.ms / 1000, "fleet": plan.fleet.text} for p in plan.curve]
        bands += [
            {"cards": p.cards, "low": one / p.high_ms, "high": one / p.low_ms, "fleet": plan.fleet.text}
            for p in plan.curve
            if p.low_ms and p.high_ms
        ]
    names = [plan.fleet.text for plan in plans]
    most = max(row["cards"] for row in rows)
    x = alt.X("cards:Q", title="cards", scale=alt.Scale(domain=[0, most * 1.02], nice=False), axis=alt.Axis(grid=False))
    y = alt.Y("up:Q", title="speed-up of one proof over one card", axis=alt.Axis(tickCount=6))
    colour = _colour(names, "fleet")
    tips = ["fleet:N", "cards:Q", alt.Tooltip("up:Q", format=".2f"), alt.Tooltip("ms:Q", format=".2f", title="s")]
    lines = alt.Chart(alt.Data(values=rows)).mark_line(strokeWidth=2, point=True).encode(x, y, colour, tooltip=tips)
    band = alt.Chart(alt.Data(values=bands)).mark_area(opacity=0.18)
    filled = band.encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), colour.copy()) if bands else None
    limits: Rows = [{"up": plan.limit, "fleet": plan.fleet.text} for plan in plans]
    rule = alt.Chart(alt.Data(values=limits)).mark_rule(strokeDash=[4, 3]).encode(alt.Y("up:Q"), colour)
    note = "Shaded: Graham's bounds. Dashed: the limit, one card's time over the critical path."
    return Figure("Speed-up and its limit", note, alt.layer(*([filled] if filled else []), lines, rule), height=320)


def gantt(plan: Plan) -> Figure:
    """Draw the undisturbed schedule of one job: a row for each card."""
    end = max(bar.end_ms for bar in plan.bars)
    size, unit = unit_of(end)
    rows: Rows = [
        {"card": bar.card, "part": bar.part, "kind": "join" if bar.part.startswith("join") else "leaf",
         "from": bar.begin_ms / size, "to": bar.end_ms / size}
        for bar in plan.bars
    ]  # fmt: skip
    cards = sorted({bar.card for bar in plan.bars}, key=lambda name: int(name.rsplit("#", 1)[1]))
    x = alt.X("from:Q", scale=alt.Scale(domain=[0, end / size], nice=False), axis=alt.Axis(tickCount=7),
              title=f"time since the start, without the fixed part ({unit})")  # fmt: skip
    y = alt.Y("card:N", sort=cards, title=None, axis=alt.Axis(grid=False, labelLimit=160))
    tips = ["card:N", "part:N", alt.Tooltip("from:Q", format=".2f"), alt.Tooltip("to:Q", format=".2f")]
    bars = alt.Chart(alt.Data(values=rows)).mark_bar(height=ROW - 7, stroke="white", strokeWidth=0.5)
    drawn = bars.encode(x, y, alt.X2("to:Q"), _colour(["leaf", "join"], "kind"), tooltip=tips)
    note = "One job without chance; a bar is a leaf or a join."
    if len(plan.bars) < plan.cuts[0].parts and len(plan.bars) < next(c.parts for c in plan.cuts if c.chosen):
        note += f" The last {len(plan.bars)} parts."
    return Figure(f"Who does what: {plan.fleet.text}", note, drawn, height=max(80, ROW * len(cards) + 20))
