"""The two workloads everything here is measured on, drawn so that every program is given the same integers.

pool   `provers` provers hold stakes 1e12 / rank; a job goes to one of the `seats` largest (0: of all) with probability
       stake / total, a full prover works first come first served; a proof within `WINDOW` adds `REWARD` to the stake, a
       missed deadline takes 1 %, at least `SLASH_MIN`; every change counts at once.
race   Everybody with a free slot starts every job, the earliest finish wins, the others run to their end.

Provers work on 1 to 8 jobs at once, a job takes a lognormal time (median 10 s, sigma 0.5 between provers, 0.25 between
jobs). Jobs are Poisson at half the capacity of the seated provers (of the 1000 largest when all are seated; for the
race of one mean prover). Time in ns, money in micro-units. Dice: splitmix64 of seed and 4 * job + use.
"""

import math
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

ROOT = Path(__file__).resolve().parent.parent
RULES = Path(__file__).resolve().parent / "rules"
SCRATCH = ROOT / "build" / "benchmarks"  # the compiled C program, rule files made up for the measurement

WINDOW = 30_000_000_000
SLASH_PPM = 10_000
SLASH_MIN = 1_000_000
REWARD = 1_000_000
LOAD = 0.5
NOISE_COLUMNS = 1024


@dataclass(frozen=True)
class Workload:
    """What is asked of every program."""

    kind: str  # pool or race
    provers: int
    seats: int  # 0: everybody
    jobs: int
    seed: int = 1

    @property
    def name(self) -> str:
        """As in the table and for `--only`."""
        if self.kind == "race":
            return f"race-{self.provers}"
        return f"pool-{self.provers}-{self.seats or 'all'}"


class Inputs(NamedTuple):
    """The provers of a workload; `off` has one more entry than there are provers."""

    stake: Ints  # micro-units
    cap: Ints  # proofs at once
    mean: Ints  # ns, mean proving time
    off: Ints  # slots of prover i are off[i]:off[i + 1]
    table: Ints  # Q16 quantiles of the noise of a job, mean 1
    order: Ints  # provers by stake, largest first
    gap: float  # ns, mean time between jobs


class Outcome(NamedTuple):
    """What a program answers: who ended how, and the CPU time of its loop."""

    money: Ints  # pool: stakes, race: ns of work done
    wins: Ints
    missed: Ints
    cpu: float  # s

    @property
    def digest(self) -> str:
        """Programs that agree bit for bit have equal digests."""
        total = 0
        for values in self[:3]:
            total = zlib.crc32(np.ascontiguousarray(values, np.int64).tobytes(), total)
        return f"{total:08x}"


@cache
def _provers(provers: int, seed: int) -> tuple[Ints, ...]:
    rng = np.random.default_rng(seed)
    stake = (1e12 / (rng.permutation(provers) + 1)).astype(np.int64)
    cap = rng.integers(1, 9, provers).astype(np.int64)
    mean = np.exp(np.log(10e9) + 0.5 * rng.standard_normal(provers)).astype(np.int64)
    off = np.concatenate(([0], np.cumsum(cap))).astype(np.int64)
    order = np.lexsort((np.arange(provers), -stake)).astype(np.int64)
    return stake, cap, mean, off, order


@cache
def noise() -> Ints:
    """1024 quantiles of a lognormal with sigma 0.25 and mean 1, Q16."""
    inverse, sigma = NormalDist().inv_cdf, 0.25
    columns = [(k + 0.5) / NOISE_COLUMNS for k in range(NOISE_COLUMNS)]
    table = np.array([math.exp(sigma * inverse(q) - sigma * sigma / 2) for q in columns])
    return np.round(table / table.mean() * 65_536).astype(np.int64)


def inputs(work: Workload) -> Inputs:
    """Draw the provers of `work` and size the demand by the capacity of a reference set of them."""
    stake, cap, mean, off, order = _provers(work.provers, work.seed)
    asked = work.seats if work.kind == "pool" and work.seats else 1000
    largest = order[: min(work.provers, asked)]
    rate = LOAD * float(np.sum(cap[largest] / mean[largest]))
    if work.kind == "race":
        rate /= len(largest)
    return Inputs(stake, cap, mean, off, noise(), order, 1.0 / rate)
