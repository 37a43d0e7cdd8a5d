"""`proofyard bench`: measure how fast this machine proves, in under three minutes, and sum it up as a profile."""

import os
import platform
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from proofyard.proofs.backend import Job, Spent
from proofyard.proofs.build import SIZES
from proofyard.proofs.noir import Noir
from proofyard.proofs.quiet import Meter, undisturbed
from proofyard.proofs.session import make_batches
from proofyard.proofs.statement import Proof
from proofyard.proofs.toolchain import PACKAGE, Toolchain
from proofyard.proofs.workers import SHARE, cores, free_mib
from proofyard.tools.cache import Tell, digest, root
from proofyard.worlds.profile import Profile, Sample

BUDGET_S = 150
REPEATS = {4: 3, 16: 2}  # the small ones vary most
LARGEST_AND_JOIN = 3.6  # time of a leaf of 64, of the pair and of a join, over the time of all before
PAYOUT = 1
PAIR_SIZE = 16  # of the two leaves side by side


def measure(tools: Toolchain, tell: Tell, budget_s: float = BUDGET_S) -> Profile:
    """Measure leaves, two side by side, and a join; times are those of a machine nobody else uses (`quiet`).

    Parameters
    ----------
    tools : set up already
    tell : gets a line before each measurement
    budget_s : the largest leaf is left out if it and the join would not end before; it can take a little longer
    """
    with Noir(tools, tell) as first, Noir(tools, tell) as second:
        for size in SIZES:
            first.prepare(size, joins=True)
        began, watch = time.monotonic(), Meter()
        samples: list[Sample] = []
        proofs: list[Proof] = []
        for size in SIZES[:-1]:
            for batch in make_batches(REPEATS[size], size, seed=1):
                _measure(first, Job(batch, size, PAYOUT), samples, proofs, tell)
        passed = time.monotonic() - began
        if passed * (1 + LARGEST_AND_JOIN) < budget_s:
            _measure(first, Job(make_batches(1, SIZES[-1], seed=1)[0], SIZES[-1], PAYOUT), samples, proofs, tell)
        beside, pair_ms = _beside(first, second, samples, tell)
        tell("join, all cores")
        first.threads, meter = cores(), Meter()
        first.join(proofs[:2])
        samples.append(_sample(0, first.threads, first.spent, meter.others(first.spent.cpu_ms)))
        others = watch.others(sum(sample.cpu_ms for sample in samples) + pair_ms)
    return _sum_up(tools, samples, beside, others)


def _measure(noir: Noir, job: Job, samples: list[Sample], proofs: list[Proof], tell: Tell) -> None:
    """Prove one leaf with one thread."""
    tell(f"leaf of {job.size} transfers, one thread")
    noir.threads, meter = 1, Meter()
    proofs.append(noir.prove(job))
    samples.append(_sample(job.size, 1, noir.spent, meter.others(noir.spent.cpu_ms)))


def _sample(size: int, threads: int, spent: Spent, others: float) -> Sample:
    """Note a proof, with times as if nobody else had used the machine."""
    wall_ms = spent.witness_ms + spent.proving_ms
    factor = undisturbed(wall_ms, min(spent.cpu_ms, wall_ms * threads), threads, others) / max(1, wall_ms)
    alone = {name: round(getattr(spent, name) * factor) for name in ("witness_ms", "proving_ms")}
    return Sample(size=size, threads=threads, **(spent._asdict() | alone))


def _beside(first: Noir, second: Noir, samples: Sequence[Sample], tell: Tell) -> tuple[float, int]:
    """Prove two leaves at once; return their time as a multiple of one alone, and the CPU ms they took."""
    if cores() == 1:
        return 1.0, 0
    alone = min(_took(s) for s in samples if s.size == PAIR_SIZE)
    tell(f"two leaves of {PAIR_SIZE} transfers side by side")
    jobs = [Job(batch, PAIR_SIZE, PAYOUT) for batch in make_batches(2, PAIR_SIZE, seed=2)]
    second.threads, meter = 1, Meter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Noir.prove, (first, second), jobs))
    spent = first.spent, second.spent
    cpu_ms = sum(one.cpu_ms for one in spent)
    others = meter.others(cpu_ms)
    slower = max(_took(_sample(PAIR_SIZE, 1, one, others)) for one in spent)
    return slower / alone, cpu_ms


def _took(sample: Sample) -> int:
    return sample.witness_ms + sample.proving_ms


def _sum_up(tools: Toolchain, samples: list[Sample], beside: float, others: float) -> Profile:
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
        others=round(others, 3),
        samples=samples,
    )


def kept_at() -> Path:
    """Say where the last profile of this machine with these very tools is kept, for whoever asks for none by name."""
    lock = (PACKAGE / "npm" / "package-lock.json").read_bytes()
    return root() / "profiles" / f"{digest(machine(), lock)}.json"


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
