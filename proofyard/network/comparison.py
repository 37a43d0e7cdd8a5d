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


class Summaries(NamedTuple):
    """Four accounts of one experiment, as `lab.metrics.summary` gives them.

    Attributes
    ----------
    prediction : simulated beforehand
    measured : simulated with the mean proving times of the live run
    replayed : the journal in the engine: its requests, random words, proving times and what provers left
    reality : the live run
    """

    prediction: dict[str, Any]
    measured: dict[str, Any]
    replayed: dict[str, Any]
    reality: dict[str, Any]


class Line(NamedTuple):
    """One figure.

    Attributes
    ----------
    figure : where it stands in a summary
    name, unit : for people
    values : of it, in the order of `Summaries`
    error : (prediction - reality) / reality, None where reality is nothing
    close : is the difference small, by itself or relative to reality, of each but the last
    """

    figure: str
    name: str
    unit: str
    values: tuple[float | None, ...]
    error: float | None
    close: tuple[bool, ...]


def compare(summaries: Summaries) -> list[Line]:
    """Put summaries side by side, figure by figure, then each prover's share and misses."""
    lines = [_line(*figure, [_at(summary, figure[0]) for summary in summaries]) for figure in FIGURES]
    rows = [{row["name"]: row for row in summary["provers"]} for summary in summaries]
    for name in rows[-1]:
        for key, what, least in (("share", "share of proofs", 0.1), ("missed", "missed", 1)):
            values = [row[name][key] if name in row else None for row in rows]
            lines.append(_line(f"provers.{name}.{key}", f"{name}: {what}", "", least, values))
    return lines


def _at(summary: dict[str, Any], figure: str) -> float | None:
    value: Any = summary
    for part in figure.split("."):
        value = value[part]
    return value


def _line(figure: str, name: str, unit: str, least: float, values: list[float | None]) -> Line:
    *said, reality = values
    error = None if said[0] is None or not reality else (said[0] - reality) / reality
    return Line(figure, name, unit, tuple(values), error, tuple(_near(value, reality, least) for value in said))


def _near(value: float | None, reality: float | None, least: float) -> bool:
    if value is None or reality is None:
        return value is reality
    return abs(value - reality) <= max(least, CLOSE * abs(reality))


def in_words(lines: list[Line]) -> str:
    """Say how good the simulation was, and what its errors come from."""
    foreseen, measured, replayed = (sum(line.close[k] for line in lines) for k in range(3))
    said = (
        f"{foreseen} of {len(lines)} figures were foreseen within {CLOSE:.0%} or their rounding, {measured} once the "
        f"proving times are those measured, {replayed} when the journal is replayed with its own random words and times"
    )
    far = [line for line in lines if not line.close[0] and (line.error is None or abs(line.error) > FAR)]
    if not far:
        return f"{said}. None was far off."
    worst = ", ".join(line.name for line in far[:4])
    why = "In a run this short a few draws of the lot decide shares, times, misses and slashes."
    return f"{said}. Far off: {worst}. {why}"
