"""`proofyard plan`: how to cut one job over a fleet, which worker does what, how long it takes and what it costs."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from proofyard.core.errors import BadInput
from proofyard.proofs.fleet import Kind
from proofyard.proofs.timeline import Noise, Online, Outcome, Worker, always, bounds_ms, simulate, workers_of
from proofyard.proofs.tree import cut
from proofyard.worlds.schedules import Schedule, toggles

MOST_SEGMENTS = 1_024
TRIALS = 60
HOUR_MS = 3_600_000
HORIZON_MS = 40 * HOUR_MS
CUTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024)


class Choice(NamedTuple):
    """One way to prove the job.

    Attributes
    ----------
    workers : that take part, the fastest kinds first
    segments : pieces
    expected_ms : without noise and losses
    low_ms, high_ms : Graham's bounds for equal workers; `high_ms` is 0 for unequal ones
    p50_ms, p99_ms : with noise and losses
    micro_usd_low, micro_usd_high : rent of the workers for the median time
    """

    workers: int
    segments: int
    expected_ms: float
    low_ms: float
    high_ms: float
    p50_ms: float
    p99_ms: float
    micro_usd_low: float
    micro_usd_high: float


class Share(NamedTuple):
    """What one kind of worker does in the chosen plan."""

    name: str
    workers: int
    segments: int
    joins: int
    busy: float  # share of the time


class Mode(NamedTuple):
    """One worker for each job, or all workers on one job.

    Attributes
    ----------
    name, workers : of the kind
    alone_ms, all_ms : latency of a job either way, nothing else to do
    alone_per_hour, all_per_hour : most jobs an hour either way
    turn_per_hour : jobs an hour from which one worker for each job has the shorter mean time, waiting included
    turn_gas : largest job that one worker ends by the deadline; 0 without a deadline
    """

    name: str
    workers: int
    alone_ms: float
    all_ms: float
    alone_per_hour: float
    all_per_hour: float
    turn_per_hour: float
    turn_gas: float


class Plan(NamedTuple):
    """The answer: the choice, the curve it comes from, who does what, and the two modes."""

    gas: float
    deadline_ms: float
    choice: Choice
    meets: bool
    curve: list[Choice]
    shares: list[Share]
    modes: list[Mode]


def plan(
    gas: float, kinds: Sequence[Kind], *, deadline_ms: float = 0,
    online: Schedule | None = None, resume: bool = True, seed: int = 1,
) -> Plan:  # fmt: skip
    """Plan a job.

    Parameters
    ----------
    gas : size of the job
    kinds : the fleet
    deadline_ms : 0 for none; with one, the cheapest choice that meets it in 99 of 100 cases
    online : when workers are there; None for always
    resume : whether finished parts outlive the loss of a worker
    seed : of noise and losses

    Raises
    ------
    BadInput : no gas, or a piece that fits no worker's memory.
    """
    if gas <= 0:
        raise BadInput("size", "a job above 0", gas)
    everybody = workers_of(kinds)
    counts = sorted({1, *(2**i for i in range(11) if 2**i < len(everybody)), len(everybody)})
    curve = [_choose(gas, everybody[:count], online, resume=resume, seed=seed) for count in counts]
    good = [choice for choice in curve if choice.p99_ms <= deadline_ms]
    quickest = min(curve, key=lambda choice: choice.p99_ms)
    choice = min(good, key=lambda one: (one.micro_usd_low, one.workers)) if good else quickest
    workers = everybody[: choice.workers]
    outcome = simulate(cut(choice.segments), gas, workers)
    modes = [compute_mode(gas, kind, deadline_ms) for kind in kinds]
    return Plan(gas, deadline_ms, choice, bool(good) or not deadline_ms, curve, _shares(workers, outcome), modes)


def cuts(gas: float, workers: Sequence[Worker]) -> list[int]:
    """List the numbers of pieces worth trying: those that fit the smallest memory."""
    fewest = math.ceil(gas / min(worker.kind.most_gas for worker in workers))
    if fewest > MOST_SEGMENTS:
        raise BadInput("size", f"a job of at most {MOST_SEGMENTS} segments on these workers", f"{fewest} segments")
    return sorted({fewest, *(count for count in CUTS if fewest <= count <= max(fewest, 4 * len(workers)))})


def best_cut(gas: float, workers: Sequence[Worker]) -> tuple[int, Outcome]:
    """Find the number of pieces with the shortest time, without noise and losses."""
    tried = [(simulate(cut(count), gas, workers), count) for count in cuts(gas, workers)]
    outcome, count = min(tried, key=lambda pair: (pair[0].ms, pair[1]))
    return count, outcome


def _choose(gas: float, workers: Sequence[Worker], online: Schedule | None, *, resume: bool, seed: int) -> Choice:
    """Cut for these workers, and try the cut with noise and losses."""
    segments, outcome = best_cut(gas, workers)
    parts = cut(segments)
    dice = np.random.default_rng(seed)
    times = [
        simulate(
            parts, gas, workers, noise=_noise(dice), online=_online(online, seed + trial, len(workers)), resume=resume
        ).ms
        for trial in range(TRIALS)
    ]
    p50, p99 = (float(np.quantile(times, q)) for q in (0.5, 0.99))
    fastest = workers[0].kind
    low, high = bounds_ms(parts, gas, fastest, len(workers))
    equal = all(worker.kind == fastest for worker in workers) and fastest.together == 1
    rent = [sum(getattr(worker.kind, name) for worker in workers) for name in ("micro_usd_low", "micro_usd_high")]
    costs = [each * p50 / HOUR_MS for each in rent]
    return Choice(len(workers), segments, outcome.ms, low, high if equal else 0.0, p50, p99, costs[0], costs[1])


def _noise(dice: np.random.Generator) -> Noise:
    def draw(sd: float) -> float:
        return math.exp(dice.normal(-sd * sd / 2, sd)) if sd else 1.0

    return draw


def _online(schedule: Schedule | None, seed: int, workers: int) -> Online:
    """Say when a worker is there; each starts somewhere in the middle of its life."""
    if schedule is None:
        return always
    drawn = [toggles(schedule, seed, worker, HORIZON_MS) for worker in range(workers)]
    starts = [(on, flips.tolist()) for on, flips in drawn]

    def online(worker: int, now: float) -> tuple[float, float]:
        there, flips = starts[worker]
        begin = 0.0 if there else math.inf
        for flip in flips:
            if there and flip > now:
                return max(begin, now), float(flip)
            there = not there
            begin = float(flip) if there else math.inf
        return (max(begin, now), math.inf) if there else (float(HORIZON_MS), math.inf)

    return online


def _shares(workers: Sequence[Worker], outcome: Outcome) -> list[Share]:
    """Sum up what each kind does."""
    shares: list[Share] = []
    for name in dict.fromkeys(worker.kind.name for worker in workers):
        mine = [i for i, worker in enumerate(workers) if worker.kind.name == name]
        busy = sum(outcome.busy_ms[i] for i in mine) / (len(mine) * outcome.ms)
        segments, joins = (sum(done[i] for i in mine) for done in (outcome.segments, outcome.joins))
        shares.append(Share(name, len(mine), segments, joins, busy))
    return shares


def compute_mode(gas: float, kind: Kind, deadline_ms: float = 0) -> Mode:
    """Compare one worker for each job with all workers on one job."""
    workers = workers_of([kind])
    alone = best_cut(gas, workers[:1])[1].ms
    together = best_cut(gas, workers)[1].ms
    count = len(workers)
    turn = compute_turn(alone, together, count)
    largest = _largest_gas(kind, deadline_ms) if deadline_ms else 0.0
    per_hour = (count * HOUR_MS / alone, HOUR_MS / together)
    return Mode(kind.name, count, alone, together, *per_hour, turn * HOUR_MS, largest)


def compute_turn(alone_ms: float, all_ms: float, count: int) -> float:
    """Find the arrival rate (jobs a ms) from which one worker for each job is quicker on average.

    All on one job is a queue with one server (M/D/1), one for each a queue with `count` (M/D/c, as half the wait of
    M/M/c, Erlang). At low rates only the time of a job counts, near saturation only throughput.
    """
    low, high = 0.0, 1 / all_ms
    if alone_ms <= all_ms:
        return 0.0
    for _ in range(60):
        rate = (low + high) / 2
        if sojourn_ms(rate, alone_ms, count) < sojourn_ms(rate, all_ms, 1):
            high = rate
        else:
            low = rate
    return high


def sojourn_ms(rate: float, service_ms: float, servers: int) -> float:
    """Compute the mean time in a queue with Poisson arrivals, constant service and several servers (approximate).

    >>> round(sojourn_ms(0.5, 1.0, 1), 6)
    1.5
    """
    load = rate * service_ms
    if load >= servers:
        return math.inf
    term, total = 1.0, 1.0
    for k in range(1, servers):
        term *= load / k
        total += term
    last = term * load / servers * servers / (servers - load)
    waits = last / (total + last)
    return service_ms + waits * service_ms / (servers - load) / 2


def _largest_gas(kind: Kind, deadline_ms: float) -> float:
    """Find the largest job one worker ends by the deadline."""
    low, high = 0.0, kind.most_gas * MOST_SEGMENTS / 2
    for _ in range(30):
        gas = (low + high) / 2
        count = math.ceil(gas / kind.most_gas)
        took = kind.serial_ms + count * kind.segment(gas / count) + (count - 1) * kind.join_ms
        low, high = (gas, high) if took <= deadline_ms else (low, gas)
    return low
