"""Which points of a sweep to run: `--over key=a,b,c` lists values, `key=1..10` gives a range.

Lists alone make a grid. As soon as one is a range, the points are a sample after Saltelli, from which the sensitivity
indices are estimated; listed values are then levels of the sample.
"""

import importlib
import itertools
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from proofyard.core.errors import BadInput

MOST_POINTS = 1_000_000
GRID_SAMPLE = (
    1_024  # base points at which a grid is looked up for its indices; a power of two, as Sobol's sequence has it
)
_RANGE = re.compile(r"(-?[\d_]*\.?\d+)\s*([A-Za-z%]*)\s*\.\.\s*(-?[\d_]*\.?\d+)\s*([A-Za-z%]*)")
_WANTED = "key=a,b,c or key=LOW..HIGH, e.g. workload.every=6s,12s or mechanism.window_ms=1000..60000"

Floats = NDArray[np.float64]


class Over(NamedTuple):
    """One parameter of a sweep: its values, or the two ends of a range."""

    key: str
    values: tuple[str, ...]  # levels; empty for a range
    low: Decimal = Decimal(0)
    high: Decimal = Decimal(0)
    unit: str = ""
    whole: bool = False  # a range of whole numbers

    def at(self, share: float) -> str:
        """Write the value at `share` in [0, 1) of the range or of the list."""
        if self.values:
            return self.values[min(int(share * len(self.values)), len(self.values) - 1)]
        span = self.high - self.low
        if self.whole:
            return f"{int(self.low) + min(int(share * (int(span) + 1)), int(span))}{self.unit}"
        return f"{float(self.low + span * Decimal(share)):.6g}{self.unit}"


class Design(NamedTuple):
    """The points of a sweep, each a text per parameter."""

    over: tuple[Over, ...]
    points: list[tuple[str, ...]]
    sampled: bool

    @property
    def problem(self) -> dict[str, Any]:
        """The same for SALib: every parameter as a share of its range."""
        return problem(self.over)


def problem(over: Sequence[Over]) -> dict[str, Any]:
    """Describe parameters as SALib wants them."""
    return {"num_vars": len(over), "names": [o.key for o in over], "bounds": [[0.0, 1.0]] * len(over)}


def read(texts: Sequence[str]) -> tuple[Over, ...]:
    """Read the `--over` options. Raises BadInput."""
    if not texts:
        raise BadInput("--over", _WANTED, "none")
    found = tuple(_read(text) for text in texts)
    twice = {o.key for o in found if sum(o.key == other.key for other in found) > 1}
    if twice:
        raise BadInput("--over", "each key once", min(twice))
    return found


def _read(text: str) -> Over:
    key, equals, rest = text.partition("=")
    key, rest = key.strip(), rest.strip()
    if not equals or not key or not rest:
        raise BadInput("--over", _WANTED, repr(text))
    ends = _RANGE.fullmatch(rest)
    if ends is None:
        values = tuple(split(rest))
        if any(".." in value and value.replace("..", "").isalnum() for value in values):
            raise BadInput(f"--over {key}", "numbers at both ends of a range, each with its unit", repr(rest))
        if not all(values):
            raise BadInput(f"--over {key}", "values with something between the commas", repr(rest))
        if len(set(values)) < len(values):
            raise BadInput(f"--over {key}", "each value once", repr(rest))
        return Over(key, values)
    if ends[2] and ends[2] != ends[4]:
        raise BadInput(f"--over {key}", "the same unit at both ends of the range", repr(rest))
    low, high = Decimal(ends[1].replace("_", "")), Decimal(ends[3].replace("_", ""))
    if low >= high:
        raise BadInput(f"--over {key}", "a range from low to high that is not empty", repr(rest))
    return Over(key, (), low, high, ends[4], whole="." not in ends[1] + ends[3])


def split(text: str) -> list[str]:
    """Split at the commas that stand outside brackets and quotes.

    >>> split("honest, overstate(x=2), 'a,b'")
    ['honest', 'overstate(x=2)', "'a,b'"]
    """
    parts, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        else:
            depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def build(over: tuple[Over, ...], samples: int, seed: int) -> Design:
    """List the points: the grid, or Saltelli's sample with `samples` base points. Raises BadInput."""
    if all(o.values for o in over):
        count = int(np.prod([len(o.values) for o in over]))
        if count > MOST_POINTS:
            raise BadInput("--over", f"a grid of at most {MOST_POINTS:,} points", f"{count:,}")
        return Design(over, list(itertools.product(*(o.values for o in over))), sampled=False)
    if samples < 2 or samples & (samples - 1):  # noqa: PLR2004 - one point shows no variance
        raise BadInput("--samples", "a power of two from 2", samples)
    return Design(over, as_points(over, shares(over, samples, seed)), sampled=True)


def shares(over: Sequence[Over], samples: int, seed: int) -> Floats:
    """Draw Saltelli's sample, shape (samples x (parameters + 2), parameters), each a share in [0, 1)."""
    sobol: Any = importlib.import_module("SALib.sample.sobol")  # here: SciPy takes a second to import
    drawn = sobol.sample(problem(over), samples, calc_second_order=False, seed=seed)
    return np.asarray(drawn, np.float64)


def as_points(over: Sequence[Over], drawn: Floats) -> list[tuple[str, ...]]:
    """Write each row of shares as the values it stands for."""
    return [tuple(o.at(share) for o, share in zip(over, row, strict=True)) for row in drawn.tolist()]
