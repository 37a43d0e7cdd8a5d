"""The map of rules: time to proof to the right, price upwards, colour for concentration, one named point per rule."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import altair as alt

from proofyard.lab import table
from proofyard.lab.figure import Chart, Figure, Rows
from proofyard.lab.words import GWEI, Figures

FROM = 7  # rules from which a comparison begins with the map
WIDTH, HEIGHT = 760, 560  # px, for which names are placed
_LETTER, _LINE = 6.2, 13.0  # px
_REACH = 9.0  # px from a point to its name
_SPAN = 10_000  # what costs less than this part of the dearest stands at the edge
_COLOURS = ["#2f9e77", "#8fae3c", "#e0a12b", "#d1345b"]  # from many provers to one
_TITLE = "Price against time to proof against concentration"


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def over(self, other: "_Box") -> float:
        """Measure the area shared with `other`, px²."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return wide * high if wide > 0 and high > 0 else 0.0


def rule_map(summaries: Sequence[Figures]) -> Figure:
    """Draw the map; rules that settled nothing are named in the note, free proofs stand at the lower edge."""
    drawn = [s for s in summaries if table.at(s, "time_to_proof_ms.p90") and table.at(s, "concentration.hhi")]
    if not drawn:
        return Figure(_TITLE, "No rule settled a proof.", None)
    paid = [(table.at(s, "price_gwei.mean") or 0) / GWEI for s in drawn]
    low = max(min((price for price in paid if price > 0), default=1.0) / 1.6, max([*paid, 1e-9]) / _SPAN)
    rows: Rows = [
        {
            "rule": table.label(s), "x": (table.at(s, "time_to_proof_ms.p90") or 0) / 1_000, "y": max(price, low),
            "paid": price, "hhi": table.at(s, "concentration.hhi"),
            "settled": (table.at(s, "proofs.settled") or 0) / max(1, table.at(s, "proofs.requested") or 1),
        }
        for s, price in zip(drawn, paid, strict=True)
    ]  # fmt: skip
    wide = _scale([row["x"] for row in rows])
    high = _scale([row["y"] for row in rows])
    _place(rows, wide, high)
    free = " What is free, or nearly, stands at the lower edge." if min(paid) < low else ""
    missing = sorted(table.label(s) for s in summaries if s not in drawn)
    absent = f" Settled nothing: {', '.join(missing)}." if missing else ""
    note = "Down and to the left is better, green is less concentrated than red; hollow: a tenth or more never proven."
    return Figure(_TITLE, note + free + absent, _chart(rows, wide, high), HEIGHT)


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """Choose the ends of a logarithmic axis, with room for names."""
    return min(values) / 1.5, max(values) * 1.8


def _pixel(value: float, ends: tuple[float, float], size: float) -> float:
    """Find the place of `value` on a logarithmic axis of `size` px."""
    return size * math.log(value / ends[0]) / math.log(ends[1] / ends[0])


def _ways(x: float, y: float, width: float) -> Iterator[_Box]:
    """List where a name could stand, the best place first: around its point, then farther and farther up and down."""
    for far in range(40):
        for sign in (-1, 1) if far else (1,):
            at = y + sign * far * _LINE * 0.5
            yield _Box(x + _REACH, at - _LINE / 2, x + _REACH + width, at + _LINE / 2)
            yield _Box(x - _REACH - width, at - _LINE / 2, x - _REACH, at + _LINE / 2)


def _place(rows: Rows, wide: tuple[float, float], high: tuple[float, float]) -> None:
    """Give each name a place (`tx`, `ty`, in the units of the axes) where it covers no point and no other name."""
    points = [(_pixel(row["x"], wide, WIDTH), HEIGHT - _pixel(row["y"], high, HEIGHT)) for row in rows]
    taken = [_Box(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    for row, (x, y) in zip(rows, points, strict=True):
        best, cost = None, math.inf
        for box in _ways(x, y, _LETTER * len(row["rule"])):
            outside = max(0.0, -box.left, box.right - WIDTH, -box.top, box.bottom - HEIGHT) * 100
            covered = outside + sum(box.over(other) for other in taken)
            if covered < cost:
                best, cost = box, covered
            if cost == 0:
                break
        box = best or _Box(x, y, x, y)
        taken.append(box)
        right = box.left >= x
        row["side"] = "right" if right else "left"
        row["tx"] = wide[0] * (wide[1] / wide[0]) ** ((box.left if right else box.right) / WIDTH)
        row["ty"] = high[0] * (high[1] / high[0]) ** (1 - (box.top + box.bottom) / 2 / HEIGHT)


def _chart(rows: Rows, wide: tuple[float, float], high: tuple[float, float]) -> Chart:
    """Draw points, names, and a line from each name to its point."""
    base = alt.Chart(alt.Data(values=rows))
    log_x = alt.Scale(type="log", domain=wide, nice=False)
    log_y = alt.Scale(type="log", domain=high, nice=False)
    axis = alt.Axis(grid=True, format="~s", tickCount=6)
    x = alt.X("x:Q", scale=log_x, title="time to proof, p90 (s)", axis=axis)
    y = alt.Y("y:Q", scale=log_y, title="paid per proof (tokens)", axis=alt.Axis(grid=True, format="~r", tickCount=6))
    legend = alt.Legend(title="HHI", orient="top", format="~r", columns=8, values=[0.03, 0.1, 0.3, 1])
    colour = alt.Color(
        "hhi:Q", scale=alt.Scale(type="log", domain=[0.02, 0.08, 0.25, 1], range=_COLOURS), legend=legend
    )
    tips = [
        alt.Tooltip("rule:N"), alt.Tooltip("x:Q", title="p90, s", format=".3~r"),
        alt.Tooltip("paid:Q", title="paid, tokens", format=".3~r"), alt.Tooltip("hhi:Q", title="HHI", format=".3f"),
        alt.Tooltip("settled:Q", title="settled", format=".1%"),
    ]  # fmt: skip
    threads = base.mark_rule(opacity=0.35).encode(x, y, alt.X2("tx:Q"), alt.Y2("ty:Q"))
    whole = base.transform_filter("datum.settled > 0.9").mark_point(filled=True, size=120, opacity=1)
    part = base.transform_filter("datum.settled <= 0.9").mark_point(filled=False, size=110, opacity=1, strokeWidth=2.5)
    roomy = alt.ExprRef("containerSize()[0] < 480 ? 0 : 1")
    layers: list[Any] = [threads, whole.encode(x, y, colour, tooltip=tips), part.encode(x, y, colour, tooltip=tips)]
    sides: tuple[tuple[str, Literal["left", "right"]], ...] = (("right", "left"), ("left", "right"))
    for side, align in sides:
        named = base.transform_filter(f"datum.side == '{side}'")
        text = named.mark_text(align=align, baseline="middle", fontSize=11, opacity=roomy)
        layers.append(text.encode(alt.X("tx:Q", scale=log_x), alt.Y("ty:Q", scale=log_y), text="rule:N"))
    return alt.layer(*layers)
