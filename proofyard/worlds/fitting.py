"""Fitting speed models to measured proofs.

Model   ln time = ln(a + b gas) + d + e, per set-up `a`, `b` and the spread of its own noise `e`; `d` is the difficulty
        of the block, shared by all set-ups that attempted it.
Method  Alternating robust least squares: the lines by Gauss-Newton with Huber weights on ln time - d, then `d` and all
        spreads by expectation-maximisation of a random effect (so the set-ups that agree best decide what a block's
        difficulty is). `d` is kept free of level and of any trend in gas, which belong to the lines.
Means   Engine tables of noise and difficulty have mean 1, so `a` and `b` are raised by exp(variance / 2): a + b gas is
        the mean time over blocks of that gas. Set-ups that share no block, even indirectly, are fitted apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proofyard.core.errors import BadInput
from proofyard.worlds.tables import Floats
from proofyard.worlds.traces import CRASH, Trace

ROUNDS = 12  # lines and difficulties alternate this often; the fourth digit is still after five
LEAST = 5  # proofs below which two constants and a spread mean nothing
HUBER = 1.5  # residuals beyond this many robust deviations lose weight
FLOOR = 1e-6  # smallest variance, so that equal columns do not divide by zero

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Fit:
    """Speed model of one set-up.

    Attributes
    ----------
    setup_ms : a, ms
    ps_per_gas : b, picoseconds per gas (1 s per Mgas is 1,000,000)
    noise_sd : standard deviation of the set-up's own ln noise
    difficulty_sd : standard deviation of the shared ln difficulty
    residual_sd : standard deviation of ln time about ln(a + b gas), both parts together
    r : correlation of time and gas
    crash_ppm : crashes per million attempts
    proofs, crashes : attempts behind the fit
    """

    setup_ms: int
    ps_per_gas: int
    noise_sd: float
    difficulty_sd: float
    residual_sd: float
    r: float
    crash_ppm: int
    proofs: int
    crashes: int


def fit(trace: Trace) -> dict[str, Fit]:
    """Fit every set-up of `trace`.

    Returns
    -------
    Set-up name -> Fit, in the order of the trace.

    Raises
    ------
    BadInput : a set-up with fewer than five proofs, or with all its proofs at one gas.
    """
    done = trace.time_ms > 0
    for k, name in enumerate(trace.names):
        if done[:, k].sum() < LEAST or np.ptp(trace.gas[done[:, k]]) == 0:
            raise BadInput(name, f"{LEAST} proofs of blocks of different gas to fit", f"{done[:, k].sum()}")
    fits: dict[str, Fit] = {}
    for members in _groups(done):
        fits |= _fit_group(trace, members)
    return {name: fits[name] for name in trace.names}


def _groups(done: Bools) -> list[list[int]]:
    """Columns joined by common blocks."""
    left, groups = list(range(done.shape[1])), list[list[int]]()
    while left:
        group, rows = [left.pop(0)], np.zeros(len(done), np.bool_)
        for member in group:  # grows while it is walked
            rows |= done[:, member]
            joined = [k for k in left if (done[:, k] & rows).any()]
            group += joined
            left = [k for k in left if k not in joined]
        groups.append(group)
    return groups


def _fit_group(trace: Trace, members: list[int]) -> dict[str, Fit]:
    time_ms = trace.time_ms[:, members]
    rows = (time_ms > 0).any(axis=1)
    gas = trace.gas[rows] / 1e6
    done = time_ms[rows] > 0
    log_s = np.where(done, np.log(np.maximum(time_ms[rows], 1) / 1e3), np.nan)
    difficulty = np.zeros(len(gas))
    shared, own = 0.0, np.zeros(len(members))
    lines = [_line(gas[done[:, k]], log_s[done[:, k], k]) for k in range(len(members))]
    for _ in range(ROUNDS):
        residual = np.stack([log_s[:, k] - np.log(a + b * gas) for k, (a, b) in enumerate(lines)], axis=1)
        difficulty, shared, own = _effects(residual, done)
        difficulty = _detrended(difficulty, gas)
        lines = [
            _line(gas[done[:, k]], (log_s[:, k] - difficulty)[done[:, k]], start=line) for k, line in enumerate(lines)
        ]
    fits: dict[str, Fit] = {}
    for k, member in enumerate(members):
        spread = float(own[k])
        mean = float(np.exp((spread**2 + shared**2) / 2))
        ok, (a, b) = done[:, k], lines[k]
        crashes = int((trace.time_ms[:, member] == CRASH).sum())
        fits[trace.names[member]] = Fit(
            setup_ms=round(a * mean * 1e3),
            ps_per_gas=round(b * mean * 1e6),
            noise_sd=spread,
            difficulty_sd=shared,
            residual_sd=float((log_s[ok, k] - np.log(a + b * gas[ok])).std()),
            r=float(np.corrcoef(np.exp(log_s[ok, k]), gas[ok])[0, 1]),
            crash_ppm=round(1e6 * crashes / (crashes + int(ok.sum()))),
            proofs=int(ok.sum()),
            crashes=crashes,
        )
    return fits


def _line(gas: Floats, log_s: Floats, *, start: tuple[float, float] | None = None) -> tuple[float, float]:
    """Huber fit of log_s = ln(a + b gas); returns a (s) and b (s per Mgas), both positive."""
    if start is None:
        slope, level = np.polyfit(gas, np.exp(log_s), 1)
        typical = float(np.exp(log_s).mean())
        start = (max(float(level), typical / 100), max(float(slope), typical / 100 / float(gas.mean())))
    a, b = start
    for _ in range(40):
        mean = a + b * gas
        residual = log_s - np.log(mean)
        scale = 1.4826 * float(np.median(np.abs(residual))) + 1e-9
        weight = np.sqrt(np.minimum(1.0, HUBER * scale / np.maximum(np.abs(residual), 1e-12)))
        slopes = np.stack([a / mean, b * gas / mean], axis=1) * weight[:, None]  # by ln a and ln b: both stay positive
        step = np.clip(np.linalg.lstsq(slopes, residual * weight, rcond=None)[0], -0.5, 0.5)
        a, b = a * float(np.exp(step[0])), b * float(np.exp(step[1]))
        if np.abs(step).max() < 1e-10:  # noqa: PLR2004  # converged to the last digits that are shipped
            break
    return a, b


def _effects(residual: Floats, done: Bools) -> tuple[Floats, float, Floats]:
    """Shared effect of each row, float64[B], its spread, and each column's own spread, float64[S]."""
    value = np.where(done, residual, 0.0)
    if done.sum(axis=1).max() < 2:  # noqa: PLR2004  # one set-up alone: nothing tells difficulty from noise
        return (np.zeros(len(value)), 0.0, np.sqrt((value**2).sum(axis=0) / done.sum(axis=0)))
    shared, own = 0.005, np.full(value.shape[1], 0.005)
    effect = np.zeros(len(value))
    for _ in range(500):
        before = own
        precision = (done / own).sum(axis=1) + 1 / shared
        effect, left = (value / own).sum(axis=1) / precision, 1 / precision
        shared = max(float((effect**2 + left).mean()), FLOOR)
        misfit = np.where(done, (value - effect[:, None]) ** 2 + left[:, None], 0.0)
        own = np.maximum(misfit.sum(axis=0) / done.sum(axis=0), FLOOR)
        if np.abs(own / before - 1).max() < 1e-6:  # noqa: PLR2004
            break
    return effect, float(np.sqrt(shared)), np.sqrt(own)


def _detrended(effect: Floats, gas: Floats) -> Floats:
    basis = np.stack([np.ones(len(gas)), gas], axis=1)
    return effect - basis @ np.linalg.lstsq(basis, effect, rcond=None)[0]
