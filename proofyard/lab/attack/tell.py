"""What a search for attacks shows: a table, a page, JSON, and files that replay."""

import copy
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import tomli_w
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from proofyard.core.errors import BadInput
from proofyard.lab import report, table
from proofyard.lab.attack.deviate import COALITION, Tree
from proofyard.lab.attack.search import CONFIDENCE, Find, called
from proofyard.lab.report import Figure
from proofyard.lab.sweep_page import data
from proofyard.lab.words import digits, duration
from proofyard.scenario import files

FIGURE_GWEI = 10**9
WIDEST = 1_000  # columns, beyond any terminal


def policy(find: Find) -> str:
    """Write what the coalition does: `overstate(x=8)`."""
    return called(find.attack, find.values)


def file_name(find: Find) -> str:
    """Name the file that replays it."""
    rule = Path(find.honest_tree["mechanism"].split("(", 1)[0].strip()).stem
    return f"{re.sub('[^a-z0-9]+', '-', rule.lower())}-{find.attack.name.replace('_', '-')}.toml"


def as_json(finds: Sequence[Find], searched: int, runs: int, files: dict[str, Path]) -> dict[str, Any]:
    """Collect what `--json` prints."""
    return {
        "finds": [
            {
                "name": find.attack.name,
                "about": find.attack.about,
                "rule": find.honest_tree["mechanism"],
                "coalition": find.target,
                "policy": policy(find),
                "gain": find.gain,
                "gain_low": _finite(find.low),
                "gain_high": _finite(find.high),
                "gain_per_honest_profit": find.per_profit,
                "pays": find.pays,
                "payer": find.payer,
                "losses": find.payers,
                "damage": find.damage,
                "damage_per_coin": find.per_coin,
                "hurts": find.hurts,
                "detectability": find.detect,
                "settled_share_honest": find.settled[0],
                "settled_share": find.settled[1],
                "time_to_proof_ms_honest": find.waits[0],
                "time_to_proof_ms": find.waits[1],
                "work_saved": find.saved,
                "seen": find.attack.seen,
                "file": str(files[find.attack.name]) if find.attack.name in files else None,
            }
            for find in finds
        ],
        "searched": searched,
        "runs": runs,
        "confidence": CONFIDENCE,
        "compared": max((find.compared for find in finds), default=0),
    }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def finds_table(finds: Sequence[Find], width: int = 80) -> Table:
    """Build a row per attack: what it earns, who pays; what it does to the market where `width` has room for it."""
    whole = _finds_table(finds, wide=True)
    return whole if Console(width=WIDEST).measure(whole).maximum <= width else _finds_table(finds, wide=False)


def _finds_table(finds: Sequence[Find], *, wide: bool) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="cyan", show_edge=False)
    shown.add_column("attack, by", no_wrap=True)
    for name in ("gain, tokens", f"{CONFIDENCE:.0%} interval", "of honest\nprofit"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("who pays", overflow="fold", min_width=10)
    for name in ("damage\nper coin", "seen", "settled", "time to proof") if wide else ():
        shown.add_column(name, justify="right", no_wrap=True)
    for find in finds:
        cells = [_who(find), *_money(find), payer(find) if find.pays or find.hurts else table.NONE]
        if wide:
            cells += [per_coin(find), table.percent(find.detect), settled(find), waited(find)]
        shown.add_row(*cells)
    return shown


def _who(find: Find) -> Text:
    """Name the attack, its parameters and who does it, a line each."""
    name, _, values = policy(find).partition("(")
    shown = Text(name, style="bold red" if find.pays else "red" if find.hurts else "")
    return shown + Text("".join(f"\n  {line}" for line in (*values.rstrip(")").split(", "), find.target) if line))


def per_coin(find: Find) -> str:
    """Say what a coin spent on it costs the others, where griefing is worth a look."""
    if find.per_coin is None:
        return "free" if find.hurts else table.NONE
    return table.NONE if find.damage <= 0 else digits(find.per_coin)


def settled(find: Find) -> str:
    """Say which share of the requests got a proof, honest and attacked."""
    return " → ".join(table.percent(share) for share in find.settled)


def waited(find: Find) -> str:
    """Say how long proofs took on average, honest and attacked."""
    return " → ".join(duration(ms) if ms else table.NONE for ms in find.waits)


def payer(find: Find) -> str:
    """Say who loses most by it, and whether most of what it gains is work it no longer does."""
    return f"{find.payer}; work saved" if thrifty(find) else find.payer


def thrifty(find: Find) -> bool:
    """Say whether most of the gain is work that is no longer done, and so nobody's loss."""
    return 2 * find.saved > find.gain > 0


def _money(find: Find) -> tuple[str, str, str]:
    """Say gain, interval and gain per honest profit."""
    low, high = (table.tokens(v) if np.isfinite(v) else table.NONE for v in (find.low, find.high))
    share = table.NONE if find.per_profit is None else table.percent(find.per_profit)
    return table.tokens(find.gain), f"{low} … {high}", share


def in_words(finds: Sequence[Find]) -> str:
    """Say in one line what came out."""
    paying = [find for find in finds if find.pays]
    hurting = max((find for find in finds if find.hurts), key=lambda find: find.damage, default=None)
    grief = "" if hurting is None else f" {_griefed(hurting)}"
    if not paying and len(finds) == 1:
        return f"The one attack tried does not pay: its interval does not lie above zero.{grief}"
    if not paying:
        return f"None of the {len(finds)} attacks tried pays: no interval lies above zero.{grief}"
    best = max(paying, key=lambda find: find.gain)
    more = f"{len(paying)} of {len(finds)} attacks pay. " if len(finds) > 1 else ""
    paid = f"most of it is paid by {best.payer}" if best.payer != "nobody" else "no group of the others loses by it"
    if thrifty(best):
        paid = "most of it is work that it no longer does"
    return f"{more}{best.target} {best.attack.about} and gains {table.tokens(best.gain)} tokens a run; {paid}.{grief}"


def _griefed(find: Find) -> str:
    """Say what griefing does."""
    if find.per_coin is None:
        lost = f"the others lose {table.tokens(find.damage)} tokens a run, {find.payer} most"
        return f"{find.target} {find.attack.about}: that costs it nothing, and {lost}."
    return (
        f"{find.target} {find.attack.about}: each coin it spends costs the others {per_coin(find)}, {find.payer} most."
    )


def note(finds: Sequence[Find]) -> str:
    """Say how the intervals were made."""
    if not finds:
        return ""
    return (
        f"Gains on {len(finds[0].gains)} fresh seeds against the honest on the same seeds; intervals of "
        f"{CONFIDENCE:.0%} together, corrected for {finds[0].compared} settings (Bonferroni)."
    )


def page(scenario: str, finds: Sequence[Find], claim: str = "") -> str:
    """Write the page: gains with intervals, how the gain depends on the parameter, the figures."""
    earned = [[policy(find), find.target, *_money(find), payer(find)] for find in finds]
    done = [[policy(find), per_coin(find), table.percent(find.detect), settled(find), waited(find)] for find in finds]
    parts: list[Figure | str] = [_bars(finds), *(_curve(find) for find in finds if len(find.curve) > 1 and find.pays)]
    heads = (
        ["by", "gain, tokens", "interval", "of honest profit", "who pays"],
        ["damage per coin", "seen by an observer", "settled", "time to proof"],
    )
    parts.append(report.section("What they earn", table.html_rows("attack", heads[0], earned)))
    parts.append(report.section("What they do to the market", table.html_rows("attack", heads[1], done)))
    known = [f"<li><b>{f.attack.name}</b>: {html.escape(f'{f.attack.about} ({f.attack.seen})')}</li>" for f in finds]
    parts.append(report.section("What they are", f"<ul>{''.join(known)}</ul>"))
    rule = finds[0].honest_tree["mechanism"] if finds else ""
    under = f"Rule <code>{html.escape(rule)}</code> · {html.escape(note(finds))}"
    return report.page(f"{scenario}: attacks", under, html.escape(in_words(finds)), claim, parts)


def _bars(finds: Sequence[Find]) -> Figure:
    """Draw each gain with its interval."""
    rows = [
        {
            "attack": f.attack.name,
            "gain": f.gain / FIGURE_GWEI,
            "low": f.low / FIGURE_GWEI,
            "high": f.high / FIGURE_GWEI,
        }
        for f in finds
        if np.isfinite(f.low)
    ]
    if not rows:
        return Figure("Gains", "No gain was estimated.", None)
    y = alt.Y("attack:N", sort=None, title=None)
    base = data(rows)
    bars = base.mark_rule(strokeWidth=2).encode(alt.X("low:Q", title="gain (tokens a run)"), y, alt.X2("high:Q"))
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(alt.X("gain:Q"), y, tooltip=["attack:N", "gain:Q"])
    zero = data([{"zero": 0.0}]).mark_rule(strokeDash=[4, 3]).encode(alt.X("zero:Q"))
    return Figure("Gains", "Right of the line an attack pays.", alt.layer(zero, bars, dots), 28 * len(rows) + 40)


def _curve(find: Find) -> Figure:
    """Draw the gain against the attack's first parameter, as the search saw it."""
    key = next(iter(find.attack.parameters))
    rows = [{"x": float(values[key]), "gain": gain / FIGURE_GWEI} for values, gain in find.curve]
    limits = find.attack.parameters[key]
    log = alt.Scale(type="log") if limits.log else alt.Scale(zero=False)
    axis = alt.Axis(tickMinStep=1, format="d") if limits.whole and not limits.log else alt.Axis()
    chart = data(sorted(rows, key=lambda row: row["x"])).encode(
        alt.X("x:Q", title=key, scale=log, axis=axis),
        alt.Y("gain:Q", title="gain (tokens a run)"),
        tooltip=["x:Q", "gain:Q"],
    )
    drawn = alt.layer(chart.mark_line(opacity=0.5), chart.mark_point(filled=True, size=60, opacity=1))
    return Figure(f"{find.attack.name}: gain for each “{key}”", "As the search saw it, on its few seeds.", drawn)


def write(finds: Sequence[Find], folder: Path) -> dict[str, Path]:
    """Write a scenario for each attack that pays, with the honest world beside it. Raises BadInput."""
    files: dict[str, Path] = {}
    for find in finds:
        if not find.pays:
            continue
        place = folder / file_name(find)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            place.write_text(_toml(find, find.deviant_tree, _claim(find), folder), encoding="utf-8")
            beside = place.with_name(f"{place.stem}-honest.toml")
            told = f"The world of {place.name} with an honest coalition: {find.honest_money} gwei on this seed."
            beside.write_text(_toml(find, find.honest_tree, told, folder), encoding="utf-8")
        except OSError as error:
            raise BadInput("--out", "a folder that can be written", f"{folder} ({error.strerror})") from None
        files[find.attack.name] = place
    return files


def _claim(find: Find) -> str:
    gain, low, high = (f"{value / FIGURE_GWEI:.6g}" for value in (find.gain, find.low, find.high))
    return (
        f"{find.target} {find.attack.about}: the coalition `{COALITION}` ends with {find.deviant_money} gwei on this "
        f"seed, honest it would have {find.honest_money}; over {len(find.gains)} seeds it gains {gain} tokens "
        f"({low} to {high})."
    )


def _toml(find: Find, tree: Tree, claim: str, folder: Path) -> str:
    tree = copy.deepcopy(tree)
    files.seen_from(tree, folder)
    told = {"claim": claim, "source": find.attack.seen, "seed": find.seed}
    first = {key: tree[key] for key in ("name", "mechanism", "horizon") if key in tree}
    rest = {key: value for key, value in tree.items() if key not in {*first, *told}}
    return tomli_w.dumps({**told, **first, **rest})
