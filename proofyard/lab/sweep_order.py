"""In which order a sweep's points are told, and in which groups: a grid as it was written, a sample by its parameters.

A sample is drawn all over its ranges, so single points say little: what a parameter does is the mean over all points
whose value of it lies in the same eighth of its range.
"""

from typing import NamedTuple

import numpy as np

from proofyard.lab.design import Over
from proofyard.lab.sweep import Swept

PARTS = 8  # of a range

Point = tuple[str, ...]


class Group(NamedTuple):
    """Points whose value of one parameter is alike."""

    label: str  # the value, or from where to where
    points: list[Point]  # by that value


def number(value: str) -> float | None:
    """Read the number a value begins with, whatever its unit; None for a name."""
    digits = value.strip().rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ% ")
    try:
        return float(digits.replace("_", ""))
    except ValueError:
        return None


def in_order(swept: Swept) -> list[Point]:
    """List the points: a grid as it was written; a sample by its first parameter, then by the next."""
    points = list(swept.of(swept.figures()[0]))
    if not swept.design.sampled:
        return points
    return sorted(points, key=lambda point: [_place(o, v) for o, v in zip(swept.design.over, point, strict=True)])


def _place(over: Over, value: str) -> float:
    """Say where a value stands: in the list as it was written, else by its number."""
    return over.values.index(value) if over.values else number(value) or 0.0


def groups(swept: Swept, k: int) -> list[Group]:
    """Group a sample's points by parameter `k`: by listed value, else by the part of the range they lie in."""
    over = swept.design.over[k]
    low, high = float(over.low), float(over.high)
    parts = min(PARTS, int(high - low) + 1) if over.whole else PARTS
    found: dict[int, list[Point]] = {}
    for point in in_order(swept):
        place = _place(over, point[k])
        if not over.values:
            place = min(parts - 1, (place - low) / (high + over.whole - low) * parts)
        found.setdefault(int(place), []).append(point)
    for points in found.values():
        points.sort(key=lambda point: _place(over, point[k]))
    return [Group(_label(over, points, k), points) for _, points in sorted(found.items())]


def _label(over: Over, points: list[Point], k: int) -> str:
    """Name a group by the least and the greatest value in it."""
    first, last = points[0][k], points[-1][k]
    return first if first == last or over.values else f"{first} … {last}"


def mean(values: dict[Point, float], points: list[Point]) -> float:
    """Mean of a figure over those of `points` where it is defined; nan where it nowhere is."""
    defined = [values[point] for point in points if np.isfinite(values[point])]
    return float(np.mean(defined)) if defined else float("nan")
