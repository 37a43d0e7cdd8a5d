"""Figures in words for people: tokens instead of gwei, minutes instead of ms, as many digits as tell something."""

from collections.abc import Callable
from typing import Any

Figures = dict[str, Any]
Say = Callable[[float], str]

NONE = "–"  # undefined: nothing to divide by
GWEI = 10**9  # per token
_THOUSANDS = 1e5  # tokens: beyond, a narrow column says `142 k`
_MILLIONS = 1e7  # tokens: eight digits are hard to read
_SMALL = 1e-3
_PLAIN_PERCENT = 200  # beyond, decimals say nothing
_TIMES = ((1, "ms"), (1_000, "s"), (60_000, "min"), (3_600_000, "h"), (86_400_000, "days"))


def digits(value: float, significant: int = 3) -> str:
    """Write a number with so many significant digits, never fewer than its integer part, with thousands commas."""
    if value == 0:
        return "0"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    leading = 0 if whole else -int(f"{abs(value):e}".split("e")[1]) - 1  # zeros after the point
    text = f"{value:,.{min(12, max(0, significant - whole + leading))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def tokens(gwei: float) -> str:
    """Write an amount in tokens, without the word: `12.3`, `72,000`, `89.9 M`."""
    value = gwei / GWEI
    return f"{digits(value / 1e6)} M" if abs(value) >= _MILLIONS else digits(value)


def duration(ms: float) -> str:
    """Write a time in the largest unit of which it holds two."""
    size, unit = unit_of(ms)
    return f"{digits(ms / size)} {unit}"


def short(gwei: float) -> str:
    """Write an amount in tokens in seven signs."""
    value = gwei / GWEI
    return f"{digits(value / 1e3)} k" if _THOUSANDS <= abs(value) < _MILLIONS else tokens(gwei)


def unit_of(ms: float) -> tuple[int, str]:
    """Choose the unit for a time: its length in ms, and its name."""
    return next((pair for pair in reversed(_TIMES) if abs(ms) >= 2 * pair[0]), _TIMES[0])


def percent(share: float) -> str:
    """Write a share in per cent, with as many digits as tell it from nothing and from all: `98 %`, `99.92 %`."""
    value = 100 * share
    least = min(abs(value), abs(100 - value))
    places = 1 if least >= 1 or not least else min(9, 1 - int(f"{least:e}".split("e")[1]))
    text = f"{value:,.{0 if abs(value) >= _PLAIN_PERCENT else places}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def count(value: float) -> str:
    """Write a count; a mean over seeds keeps one decimal."""
    return f"{value:,.1f}".removesuffix(".0")


def index(value: float) -> str:
    """Write an index in 0..1 with three decimals, more where they would all be 0."""
    return f"{value:.3f}" if not 0 < abs(value) < _SMALL else digits(value, 2)


def say(summary: Figures, path: str, how: Say) -> str:
    """Write the figure at `path` (`stake.burnt_gwei`), with its standard error if there are several seeds."""
    value, spread = at(summary, path), at(summary.get("spread"), path)
    if value is None:
        return NONE
    if not spread:
        return how(value)
    if how is duration:
        size, unit = unit_of(value)
        return f"{digits(value / size)} ± {digits(spread / size, 2)} {unit}"
    return f"{how(value)} ± {how(float(f'{spread:.2g}'))}"


def at(figures: Figures | None, path: str) -> float | None:
    """Follow `path` (`stake.burnt_gwei`) into nested figures; None where it leads nowhere."""
    found: Any = figures
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return found  # pyright: ignore[reportUnknownVariableType]


def bips(value: float) -> str:
    """Write a share told in basis points in per cent."""
    return percent(value / 10_000)
