"""Prediction beside reality: the figures of two summaries, how far apart they are, and a verdict in words."""

from typing import Any, NamedTuple

# Figure, its name for people, its unit, and the difference below which it is as good as the same (in that unit).
FIGURES = (
    ("proofs.requested", "requests", "", 2),
    ("proofs.settled", "settled", "", 2),
    ("time_to_proof_ms.p50", "time to proof p50", "ms", 300),
    ("time_to_proof_ms.p90", "time to proof p90", "ms", 1_000),
    ("price_gwei.mean", "price", "gwei", 0),
    ("concentration.hhi", "HHI of proofs", "", 0.05),
    ("concentration.top1_share", "share of the first", "", 0.05),
    ("proofs.reassigned", "missed windows", "", 1),
    ("stake.slashed_gwei", "slashed", "gwei", 0),
)
CLOSE = 0.15  # relative error that counts as close
FAR = 0.4


class Line(NamedTuple):
    """One figure.

    Attributes
    ----------
    figure : where it stands in a summary
    name, unit : for people
    prediction, replayed, reality : foreseen; with the proving times that were measured; what happened
    error : (replayed - reality) / reality, None where reality is nothing
    close : is the difference small, by itself or relative to reality?
    """

    figure: str
    name: str
    unit: str
    prediction: float | None
    replayed: float | None
    reality: float | None
    error: float | None
    close: bool


def compare(prediction: dict[str, Any], replayed: dict[str, Any], reality: dict[str, Any]) -> list[Line]:
    """Put summaries side by side, figure by figure, then each prover's share and misses."""
    lines = [
        _line(figure, name, unit, least, *(_at(summary, figure) for summary in (prediction, replayed, reality)))
        for figure, name, unit, least in FIGURES
    ]
    rows = [{row["name"]: row for row in summary["provers"]} for summary in (prediction, replayed, reality)]
    for name in rows[2]:
        for key, what, least in (("share", "share of proofs", 0.1), ("missed", "missed", 1)):
            values = [row[name][key] if name in row else None for row in rows]
            lines.append(_line(f"provers.{name}.{key}", f"{name}: {what}", "", least, *values))
    return lines


def _at(summary: dict[str, Any], figure: str) -> float | None:
    value: Any = summary
    for part in figure.split("."):
        value = value[part]
    return value


def _line(
    figure: str, name: str, unit: str, least: float, prediction: float | None, replayed: float | None,
    reality: float | None,
) -> Line:  # fmt: skip
    if replayed is None or reality is None:
        return Line(figure, name, unit, prediction, replayed, reality, None, replayed is reality)
    error = (replayed - reality) / reality if reality else None
    near = abs(replayed - reality) <= least or (error is not None and abs(error) <= CLOSE)
    return Line(figure, name, unit, prediction, replayed, reality, error, near)


def in_words(lines: list[Line]) -> str:
    """Say how good the simulation was."""
    close = [line for line in lines if line.close]
    far = [line for line in lines if not line.close and (line.error is None or abs(line.error) > FAR)]
    said = f"{len(close)} of {len(lines)} figures were foreseen within {CLOSE:.0%} or their rounding"
    if not far:
        return f"{said}; none was far off."
    worst = ", ".join(line.name for line in far[:4])
    return f"{said}; far off: {worst}. In a run this short a few draws of the lot decide shares, misses and slashes."
