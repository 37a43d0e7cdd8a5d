"""What is drawn for all jobs before a run begins, compiled: when they come, and how large they are."""

import numpy as np

from proofyard.core.book import Ints
from proofyard.engine import dice
from proofyard.engine.compile import entry, integer


@entry
def poisson_arrivals(seed: int, gap: float, arrive: Ints) -> None:
    """Fill `arrive` with Poisson arrival times, mean `gap` ticks apart."""
    now = 0
    for job in range(len(arrive)):
        now += integer(-np.log(1.0 - dice.uniform_of(dice.job_die(seed, job, dice.ARRIVAL))) * gap)
        arrive[job] = now


@entry
def draw_from_table(seed: int, table: Ints, out: Ints) -> None:
    """Fill `out[job]` with the size of each job: one of 4096 quantiles in `table`, by the job's own die."""
    for job in range(len(out)):
        out[job] = table[integer(dice.job_die(seed, job, dice.SIZE) >> np.uint64(52))]
