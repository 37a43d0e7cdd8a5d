"""What `proofyard prove --out` writes: a page with a picture of who proved what when (Gantt)."""

import html
from collections.abc import Sequence
from typing import Any

import altair as alt

from proofyard.lab import report, table
from proofyard.lab.report import Figure, Rows
from proofyard.lab.times import COLUMNS, in_words, rows
from proofyard.lab.words import unit_of
from proofyard.proofs.parallel import Result, Span
from proofyard.proofs.statement import written

KINDS = ("witness", "batch", "join", "verify", "lost")
ROW = 46  # px for a worker
NAMED = 0.06  # share of the picture from which a bar has room for its name
MOST = 400  # bars drawn


def page(result: Result, batches: int, title: str, warning: str = "") -> str:
    """Write the page: the picture, and the table below it."""
    proof = result.proof
    said = [list(line) for line in written(proof.statement).items()]
    under = f"Backend {html.escape(proof.backend)}, circuit <code>{html.escape(proof.circuit)}</code>"
    words = html.escape(in_words(result, batches))
    if warning:
        words = f"<b>{html.escape(warning)}</b><br>{words}"
    return report.page(
        title,
        under,
        words,
        "",
        [
            gantt(result.spans),
            report.section("The parts", table.html_rows("part", COLUMNS, rows(result))),
            report.section("What is proven", table.html_rows("public input", ["value"], said)),
        ],
    )


def gantt(spans: Sequence[Span]) -> Figure:
    """Draw one row for each worker, one bar for each step of a part."""
    shown = [span for span in spans if span.outcome != "found"][:MOST]
    if not shown:
        return Figure("Who proved what, when", "Everything was found on disk.", None)
    end = max(span.end_ms for span in shown)
    size, unit = unit_of(end)
    bars = [bar for span in shown for bar in _bars(span, size)]
    workers = sorted({bar["worker"] for bar in bars}, key=lambda name: (len(name), name))
    scale = alt.Scale(domain=[0, end / size], nice=False)
    y = alt.Y("worker:N", sort=workers, title="worker", axis=alt.Axis(grid=False))
    x = alt.X("from:Q", scale=scale, title=f"time since the start ({unit})", axis=alt.Axis(grid=True, tickCount=7))
    kinds = [kind for kind in KINDS if any(bar["kind"] == kind for bar in bars)]
    colour = alt.Color(
        "kind:N", scale=alt.Scale(domain=["others", *kinds]), legend=alt.Legend(values=kinds), title=None
    )
    data = alt.Data(values=bars)
    tips = ["part:N", "kind:N", alt.Tooltip("from:Q", format=".2f"), alt.Tooltip("to:Q", format=".2f")]
    drawn = alt.Chart(data).mark_bar(height=26).encode(x, y, alt.X2("to:Q"), colour, tooltip=tips)
    large = [bar | {"middle": (bar["from"] + bar["to"]) / 2} for bar in bars if _has_room(bar, end / size)]
    names = alt.Chart(alt.Data(values=large)).mark_text(fontSize=12, fontWeight="bold", color="white")
    named = names.encode(alt.X("middle:Q", scale=scale), y, text="part:N")
    note = "A bar is one step of one part: witness, proof (of a batch or of a join), verification before it leaves."
    return Figure("Who proved what, when", note, alt.layer(drawn, named), height=ROW * len(workers) + 20)


def _has_room(bar: dict[str, Any], width: float) -> bool:
    return bar["kind"] in {"batch", "join"} and bar["to"] - bar["from"] > NAMED * width


def _bars(span: Span, size: float) -> Rows:
    """Split a part into its steps; what no step accounts for is waiting."""
    if span.outcome == "lost":
        marks = [("lost", span.begin_ms, span.end_ms)]
    else:
        verify = span.end_ms - span.spent.verify_ms
        witness = verify - span.spent.proving_ms
        kind = "join" if span.name.startswith("join") else "batch"
        begin = max(span.begin_ms, witness - span.spent.witness_ms)
        marks = [("witness", begin, witness), (kind, witness, verify), ("verify", verify, span.end_ms)]
    row = {"part": span.name, "worker": span.worker}
    return [row | {"kind": kind, "from": begin / size, "to": end / size} for kind, begin, end in marks]
