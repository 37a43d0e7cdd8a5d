"""One card per proof or all cards on one proof: the same stream of jobs on the same cards in groups of one size.

Model   jobs arrive as a Poisson stream and wait in one line; the group that is free first takes the next, the faster
        one if several are. A group works on one proof at a time and its cards don't help others: what a cluster gains
        by filling the gaps of one proof with the next is left out.
Source  Kiefer, Wolfowitz, "On the theory of queues with many servers" (1955); for exponential times the mean wait is
        Erlang's (1917), which the tests check.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from proofyard.rollup.compiled import compiled
from proofyard.worlds.tables import Floats, Ints

JOBS, WARM = 20_000, 2_000  # jobs of a run, and those at its start that don't count
FULL = 0.97  # of the capacity, beyond which the line doesn't settle within a run
RATES = 24  # points of a curve
HALVINGS = 12


class Mode(NamedTuple):
    """Cards in groups.

    Attributes
    ----------
    cards : in a group
    services : times of jobs in each group, ms
    """

    cards: int
    services: tuple[Floats, ...]

    @property
    def per_hour(self) -> float:
        """Jobs an hour that all groups together can do; 0 if some never end."""
        means = [float(times.mean()) for times in self.services]
        return sum(3.6e6 / mean for mean in means)


@compiled
def serve(arrivals: Floats, services: Floats, counts: Ints, picks: Floats) -> Floats:
    """Let jobs through; return the time of each from arrival to end, ms."""
    groups = counts.size
    free, out = np.zeros(groups), np.empty(arrivals.size)
    for job in range(arrivals.size):
        best, begin = 0, max(arrivals[job], free[0])
        for group in range(1, groups):
            could = max(arrivals[job], free[group])
            if could < begin:
                best, begin = group, could
        free[best] = begin + services[best, int(picks[job] * counts[best])]
        out[job] = free[best] - arrivals[job]
    return out[:]


def latencies(mode: Mode, per_hour: float, seed: int, jobs: int = JOBS) -> Floats:
    """Let jobs in at a rate; return times from arrival to proof, ms, ascending. Dice don't depend on the rate."""
    dice = np.random.default_rng([seed, 0])
    arrivals = np.cumsum(dice.standard_exponential(jobs)) * 3.6e6 / per_hour
    counts = np.array([times.size for times in mode.services], np.int64)
    table = np.zeros((counts.size, int(counts.max())))
    for row, times in zip(table, mode.services, strict=True):
        row[: times.size] = times
    return np.sort(serve(arrivals, table, counts, dice.random(jobs))[min(WARM, jobs // 10) :])


def percentile(mode: Mode, per_hour: float, percent: float, seed: int) -> float:
    """Percentile of the time from arrival to proof, ms; infinite where the line grows without end."""
    if per_hour > FULL * mode.per_hour:
        return float("inf")
    return float(np.percentile(latencies(mode, per_hour, seed), percent, method="lower"))


def rates(modes: Sequence[Mode]) -> list[float]:
    """Choose rates for a curve, jobs an hour."""
    most = FULL * max(mode.per_hour for mode in modes)
    return [most * (k + 1) / RATES for k in range(RATES)] if most else []


def turn(one: Mode, other: Mode, seed: int, percent: float = 99.0) -> float | None:
    """Find the rate from which `other` has the lower percentile, jobs an hour; None if it never has."""

    def ahead(rate: float) -> bool:
        return percentile(other, rate, percent, seed) < percentile(one, rate, percent, seed)

    return _first(ahead, rates([one, other]))


def _first(holds: Callable[[float], bool], grid: Sequence[float]) -> float | None:
    high = next((rate for rate in grid if holds(rate)), None)
    if high is None:
        return None
    low = max((rate for rate in grid if rate < high), default=0.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
