"""The figures of a summary in words and tables for people: tokens instead of gwei, minutes instead of ms.

`lines` says them once, for the terminal here and for the page in `report`.
"""

import textwrap
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from proofyard.lab.words import NONE, Figures, Say, at, bips, count, duration, index, percent, say, short, tokens

SHOWN, LISTED = 12, 50  # provers with a row of their own, in the terminal and on a page
MAJORITY = 0.5
NOTABLE_WASTE = 0.1
NAME_WIDTH = 20  # of a prover, in the terminal
_WIDE, _ROOMY = 100, 110  # columns from which the comparison, and the provers' table, show all


class Line(NamedTuple):
    """One line of the result table."""

    title: str
    items: list[tuple[str, str]]  # name, value
    meaning: str


_Items = tuple[tuple[str, str, Say], ...]  # name, path, how to say it


def _concentration(section: str) -> _Items:
    names = (
        ("HHI", "hhi"),
        ("Gini", "gini"),
        ("Nakamoto", "nakamoto"),
        ("top 1", "top1_share"),
        ("top 3", "top3_share"),
    )
    how = {"hhi": index, "gini": index, "nakamoto": count}
    return tuple((name, f"{section}.{key}", how.get(key, percent)) for name, key in names)


_LEFT_OUT = ("stake, tokens", "locked, tokens", "delegators", "claims")  # where all is 0 or undefined
_LINES: tuple[tuple[str, str, _Items], ...] = (
    (
        "proofs",
        (
            "Late: after the deadline first given. Refused: the rule took no such request. Lost: never proven. "
            "Reassigned: given to somebody again."
        ),
        tuple(
            (name, f"proofs.{name}", count)
            for name in ("requested", "settled", "late", "refused", "lost", "reassigned")
        ),
    ),
    (
        "time to proof",
        "From the request to the proof that counts: half of the proofs, 90 % and 99 % came within this time.",
        tuple((name, f"time_to_proof_ms.{name}", duration) for name in ("p50", "p90", "p99")),
    ),
    (
        "price, tokens",
        (
            "Per settled proof. Cost: hardware and energy of the prover that was paid. "
            "Overpaid: above the cost of the cheapest prover that could have made it in time."
        ),
        (
            ("paid", "price_gwei.mean", tokens),
            ("cost", "cost_gwei.mean", tokens),
            ("overpaid", "overpayment_bips", bips),
        ),
    ),
    ("wasted work", "Share of all proving time that nobody paid for.", (("", "wasted_work_share", percent),)),
    (
        "who proves",
        (
            "Settled proofs per prover. HHI: sum of the squared shares, 1 is a monopoly, 1/n is n equals. Gini: 0 is "
            "equality. Nakamoto: how few provers make more than half. Top 1, top 3: share of the largest."
        ),
        _concentration("concentration"),
    ),
    ("who is paid", "The same for what provers were paid.", _concentration("income_concentration")),
    (
        "who earns",
        (
            "Provers with a profit that are still in the market at the end; provers that spent more than they earned; "
            "provers in the market at the end."
        ),
        (
            ("with a profit", "profitable.count", count),
            ("at a loss", "profitable.at_a_loss", count),
            ("still there", "profitable.active", count),
        ),
    ),
    (
        "stake, tokens",
        (
            "Slashed: taken from provers and delegators. Burnt: destroyed. Seat changes: how often a place in the "
            "active set changed hands."
        ),
        (
            ("slashed", "stake.slashed_gwei", tokens),
            ("burnt", "stake.burnt_gwei", tokens),
            ("seat changes", "stake.seat_churn", count),
        ),
    ),
    (
        "locked, tokens",
        "Stakes and bonds the market holds, and their mean as a share of all tokens.",
        (
            ("mean", "stake.locked_mean_gwei", tokens),
            ("peak", "stake.locked_peak_gwei", tokens),
            ("of supply", "stake.utilisation", percent),
        ),
    ),
    (
        "delegators",
        "Yearly return on delegated stake before and after slashing, not compounded.",
        (("before slashes", "delegators.apr_gross", percent), ("after", "delegators.apr_net", percent)),
    ),
    (
        "claims",
        (
            "Contests of what a proof claims: a higher proof said otherwise, said the same, or nobody made one. Wrong "
            "and final: jobs settled with a wrong transition. Won by lies: tokens these are worth outside the market, "
            "in no prover's profit. Held: from a contest to its decision, on average."
        ),
        (
            ("contested", "claims.contested", count),
            ("overturned", "claims.overturned", count),
            ("upheld", "claims.upheld", count),
            ("undecided", "claims.undecided", count),
            ("wrong and final", "claims.wrong_final", count),
            ("won by lies", "claims.won_gwei", tokens),
            ("held", "claims.held_ms", duration),
        ),
    ),
    (
        "money check",
        "All money at the end less all money at the start, in gwei: always 0.",
        (("difference", "money_difference_gwei", count),),
    ),
)


_TOGETHER = "All its members own at the end, less what they owned at the start, less the cost of their work; in tokens."


def lines(summary: Figures) -> list[Line]:
    """Say every figure of the table but the provers' own; lines of money and returns that never were are left out."""
    return [
        Line(title, [(name, say(summary, path, how)) for name, path, how in figures], meaning)
        for title, meaning, figures in _LINES
        if title not in _LEFT_OUT or any(at(summary, path) for _, path, _ in figures)
    ] + [
        Line(f"coalition {name}", [("payoff", tokens(found["payoff_gwei"]))], _TOGETHER)
        for name, found in summary.get("coalitions", {}).items()
    ]


def in_words(summary: Figures) -> str:
    """Say in one line what happened."""
    proofs, rows = summary["proofs"], summary["provers"]
    if not proofs["requested"]:
        return "No proof was asked for."
    if not proofs["settled"]:
        ends = [f"{count(proofs[end])} {end}" for end in ("refused", "lost", "unfinished") if proofs[end]]
        return f"No proof was settled: of {count(proofs['requested'])} requests {', '.join(ends)}."
    said = [_who_proved(summary)]
    losing = summary["profitable"]["at_a_loss"]
    said.append(f"{count(losing)} of {len(rows):,} worked at a loss" if losing else "nobody worked at a loss")
    unmade = (proofs["refused"] + proofs["lost"]) / proofs["requested"]
    if unmade:
        said.append(f"{percent(unmade)} of the requests got no proof")
    if (summary["wasted_work_share"] or 0) >= NOTABLE_WASTE:
        said.append(f"{percent(summary['wasted_work_share'])} of the work was in vain")
    if summary["stake"]["slashed_gwei"]:
        said.append(f"{tokens(summary['stake']['slashed_gwei'])} tokens were slashed")
    return "; ".join(said) + "."


def _who_proved(summary: Figures) -> str:
    """Start the line: a monopoly by name, else how few made more than half."""
    rows = summary["provers"]
    first = max(rows, key=lambda row: row["wins"])
    if len(rows) > 1 and first["share"] >= MAJORITY:
        return f"One prover, {first['name']}, made {percent(first['share'])} of the proofs"
    if len(rows) == 1:
        return f"The only prover, {first['name']}, made all proofs"
    few = summary["concentration"]["nakamoto"]
    return f"{count(few)} of {len(rows):,} provers made more than half of the proofs"


class Column(NamedTuple):
    """A column of the provers' table."""

    title: str
    key: str
    how: Say
    optional: bool = False  # left out where it is 0 for all
    wide: bool = False  # only where there is room
    adds: bool = True  # may be summed over provers


COLUMNS = (
    Column("proofs", "wins", count),
    Column("share", "share", percent),
    Column("earned", "income_gwei", short),
    Column("spent", "cost_gwei", short),
    Column("profit", "profit_gwei", short),
    Column("missed", "missed", count, optional=True),
    Column("slashed", "slashed_gwei", short, optional=True),
    Column("stake", "stake_gwei", short, optional=True),
    Column("delegated", "pool_gwei", short, optional=True, wide=True),
    Column("delegators' APR", "pool_apr_net", percent, optional=True, wide=True, adds=False),
)


def prover_rows(summary: Figures, shown: int = SHOWN, *, wide: bool = True) -> tuple[list[Column], list[list[str]]]:
    """Say the provers with the most proofs in one row each, and all others in one row: columns, then rows.

    The first element of a row is the name, for which there is no column.
    """
    provers = sorted(summary["provers"], key=lambda row: (-row["wins"], -row["profit_gwei"], row["name"]))
    columns = [c for c in COLUMNS if (wide or not c.wide) and (not c.optional or any(row[c.key] for row in provers))]
    cut = len(provers) if len(provers) <= shown + 1 else shown
    rows = [
        [row["name"], *(NONE if row[c.key] is None else c.how(row[c.key]) for c in columns)] for row in provers[:cut]
    ]
    others = provers[cut:]
    if others:
        sums = [c.how(sum(row[c.key] or 0 for row in others)) if c.adds else NONE for c in columns]
        rows.append([f"{len(others):,} others", *sums])
    return columns, rows


def result_table(summary: Figures, width: int = 80) -> RenderableType:
    """Build what the terminal shows after a run, for a terminal of `width` columns, 80 or more."""
    seeds: list[int] = summary["seeds"]
    told = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds, means ± standard error"
    words = textwrap.fill(in_words(summary).replace(" %", "\N{NO-BREAK SPACE}%"), width)  # which rich would break
    head = Text.assemble((summary["scenario"], "bold"), " under ", (summary["mechanism"], "bold"), f", {told}")
    return Group(head, Text(words, style="green"), "", _figures(summary, width), "", _provers(summary, width))


def print_result(summary: Figures, console: Console | None = None) -> None:
    """Print the table of one rule."""
    console = console or Console()
    console.print(result_table(summary, console.width))


def _figures(summary: Figures, width: int) -> Table:
    """Build the table of figures; a name and its value are never parted by the end of a line."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(no_wrap=True)
    said = lines(summary)
    room = width - max(len(line.title) for line in said) - 2
    for line in said:
        told, used = Text(), 0
        for name, value in line.items:
            item = Text.assemble((f"{name} " if name else "", "dim"), (value, "bold"))
            ends = used + 3 + len(item)
            told.append("\n" if ends > room else " · " if used else "", "dim").append(item)
            used = len(item) if ends > room or not used else ends
        table.add_row(line.title, told)
    return table


def _provers(summary: Figures, width: int) -> Table:
    columns, rows = prover_rows(summary, wide=width >= _ROOMY)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="cyan", show_edge=False)
    table.add_column("prover, tokens", no_wrap=True)
    for column in columns:
        table.add_column(column.title, justify="right", no_wrap=True)
    for name, *values in rows:
        table.add_row(Text(name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}…"), *values)
    return table


_ONLY_WIDE = ("over-\npaid", "at a\nloss", "wrong\nand final")
COMPARED: _Items = (
    ("settled", "proofs.settled", count),
    ("time to\nproof p90", "time_to_proof_ms.p90", duration),
    ("paid,\ntokens", "price_gwei.mean", tokens),
    ("over-\npaid", "overpayment_bips", bips),
    ("wasted\nwork", "wasted_work_share", percent),
    ("HHI", "concentration.hhi", index),
    ("at a\nloss", "profitable.at_a_loss", count),
    ("slashed,\ntokens", "stake.slashed_gwei", tokens),
    ("delegators\nAPR", "delegators.apr_net", percent),
    ("wrong\nand final", "claims.wrong_final", count),
    ("won by\nlies", "claims.won_gwei", tokens),
)


def label(summary: Figures) -> str:
    """Return what one of several runs is called: its variant, or its rule."""
    return summary.get("variant") or summary["mechanism"]


def print_comparison(summaries: Sequence[Figures], console: Console | None = None) -> None:
    """Print the table of several rules."""
    console = console or Console()
    console.print(compare_table(summaries, console.width))


def compared(summaries: Sequence[Figures]) -> _Items:
    """Return the columns of several runs: those that one of them at least has a figure for."""
    return tuple(item for item in COMPARED if any(at(summary, item[1]) is not None for summary in summaries))


def compare_table(summaries: Sequence[Figures], width: int = 80) -> Table:
    """Build one row per rule for a terminal of `width` columns; figures that no rule defines have no column."""
    wide = width >= _WIDE
    shown = [item for item in compared(summaries) if wide or item[0] not in _ONLY_WIDE]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="cyan", show_edge=False)
    table.add_column("rule", overflow="fold")
    for title, _, _ in shown:
        table.add_column(title, justify="right", no_wrap=True)
    for summary in summaries:
        means = {**summary, "spread": None}  # no room for errors here; the page has them
        table.add_row(Text(label(summary)), *(say(means, path, how) for _, path, how in shown))
    return table


def html_figures(summary: Figures) -> str:
    """Write every line with its meaning, for a page."""
    rows: list[str] = []
    for line in lines(summary):
        told = " ".join(f"<span><i>{escape(name)}</i> {escape(value)}</span>" for name, value in line.items)
        meaning = escape(line.meaning)
        rows.append(f'<tr><th>{line.title}</th><td class="value">{told}</td><td class="meaning">{meaning}</td></tr>')
    return "\n".join(['<table class="figures">', *rows, "</table>"])


def html_rows(first: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table whose first column, `first`, names the rows, for a page."""
    titles = "".join(f"<th>{escape(title)}</th>" for title in (first, *head))
    said = ["".join(f"<td>{escape(value).replace(' ± ', '<br>± ')}</td>" for value in values) for _, *values in rows]
    body = [f"<tr><th>{escape(row[0])}</th>{cells}</tr>" for row, cells in zip(rows, said, strict=True)]
    start = f'<div class="wide"><table class="rows">\n<thead><tr>{titles}</tr></thead>\n<tbody>'
    return "\n".join([start, *body, "</tbody></table></div>"])
