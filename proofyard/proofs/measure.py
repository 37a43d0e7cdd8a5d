"""`proofyard bench`: measure how fast this machine proves, in under three minutes, and sum it up as a profile."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from proofyard.proofs.backend import Job, Spent
from proofyard.proofs.build import SIZES
from proofyard.proofs.noir import Noir
from proofyard.proofs.session import make_batches
from proofyard.proofs.statement import Proof
from proofyard.proofs.toolchain import Toolchain
from proofyard.proofs.workers import SHARE, cores, free_mib
from proofyard.tools.cache import Tell
from proofyard.worlds.profile import Profile, Sample

BUDGET_S = 150  # beyond it, nothing large is begun
REPEATS = {4: 3, 16: 2, 64: 1}  # the small ones vary most
PAYOUT = 1
PAIR_SIZE = 16  # of the two leaves side by side

Make = Callable[[int], Noir]


def measure(tools: Toolchain, tell: Tell, budget_s: float = BUDGET_S) -> Profile:
    """Measure leaves, two side by side, and a join.

    Parameters
    ----------
    tools : set up already
    tell : gets a line before each measurement
    budget_s : beyond it no further leaf size is begun
    """
    with Noir(tools, tell) as first, Noir(tools, tell) as second:
        for size in SIZES:
            first.prepare(size, joins=True)
        began = time.monotonic()
        samples: list[Sample] = []
        proofs: list[Proof] = []
        for size in SIZES:
            if samples and time.monotonic() - began > budget_s / 2:
                break
            batches = make_batches(REPEATS[size], size, seed=1)
            for batch in batches:
                tell(f"leaf of {size} transfers, one thread")
                proofs.append(_prove(first, Job(batch, size, PAYOUT), 1))
                samples.append(_sample(size, 1, first.spent))
        beside = _beside(first, second, samples, tell)
        tell("join, all cores")
        first.threads = cores()
        first.join(proofs[:2])
        samples.append(_sample(0, first.threads, first.spent))
    return _sum_up(tools, samples, beside)


def _prove(noir: Noir, job: Job, threads: int) -> Proof:
    noir.threads = threads
    return noir.prove(job)


def _sample(size: int, threads: int, spent: Spent) -> Sample:
    return Sample(size=size, threads=threads, **spent._asdict())


def _beside(first: Noir, second: Noir, samples: Sequence[Sample], tell: Tell) -> float:
    """Prove two leaves at once; return their time as a multiple of one alone."""
    alone = min((_took(s) for s in samples if s.size == PAIR_SIZE), default=0)
    if not alone or cores() == 1:
        return 1.0
    tell(f"two leaves of {PAIR_SIZE} transfers side by side")
    jobs = [Job(batch, PAIR_SIZE, PAYOUT) for batch in make_batches(2, PAIR_SIZE, seed=2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_prove, (first, second), jobs, (1, 1)))
    return (
        max(first.spent.witness_ms + first.spent.proving_ms, second.spent.witness_ms + second.spent.proving_ms) / alone
    )


def _took(sample: Sample) -> int:
    return sample.witness_ms + sample.proving_ms


def _sum_up(tools: Toolchain, samples: list[Sample], beside: float) -> Profile:
    leaves = [sample for sample in samples if sample.size]
    join = samples[-1]
    setup, slope, error = fit([sample.size for sample in leaves], [_took(sample) for sample in leaves])
    best = min(leaves, key=lambda sample: sample.cpu_ms / sample.size).size
    peak = max(sample.peak_mib for sample in leaves if sample.size == best)
    memory = free_mib()
    return Profile(
        machine=machine(),
        cores=cores(),
        memory_mib=max(1, memory),
        backend=Noir.name,
        secure_srs=tools.secure,
        setup_ms=setup,
        ms_per_transfer=slope,
        error=error,
        join_ms=max(1, _took(join)),
        join_threads=join.threads,
        join_alone_ms=max(1, join.cpu_ms),
        best_size=best,
        concurrency=max(1, min(cores(), int(memory * SHARE) // max(1, peak))),
        beside=round(max(beside, 0.01), 3),
        samples=samples,
    )


def fit(sizes: Sequence[int], times_ms: Sequence[int]) -> tuple[float, float, float]:
    """Fit time = setup + slope · size, every size with the same relative weight: setup, slope, largest relative error.

    >>> fit([4, 16, 64], [1_300, 3_700, 13_300])
    (500.0, 200.0, 0.0)
    """
    size, took = np.array(sizes, dtype=float), np.array(times_ms, dtype=float)
    columns = np.stack([np.ones_like(size), size], axis=1) / took[:, None]
    (setup, slope), *_ = np.linalg.lstsq(columns, np.ones_like(took), rcond=None)
    if setup < 0:
        setup, slope = 0.0, float(np.mean(took / size))
    setup, slope = round(float(setup), 3), max(round(float(slope), 3), 0.001)
    error = float(np.max(np.abs(setup + slope * size - took) / took))
    return setup, slope, round(error, 4)


def machine() -> str:
    """Name processor and system."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
