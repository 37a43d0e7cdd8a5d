"""The requests of one run: when each arrives, of what size, how hard, from whom."""

from typing import NamedTuple

import numpy as np

from proofyard.core.book import Ints
from proofyard.core.errors import BadInput
from proofyard.engine import draws
from proofyard.scenario import Scenario
from proofyard.worlds.dice import word
from proofyard.worlds.sizes import Sizes, sizes
from proofyard.worlds.traces import Trace, read

ONE = 65_536  # Q16
OTHERS = 7_000_003  # seeds from one table of [[requesters]] to the next: each has dice of its own
DIFFICULTY_STREAM, PROPOSER_STREAM = 5, 6  # of the dice; 0 is the engine's


class Requests(NamedTuple):
    """Columns of the requests; all but the first have one entry, or one per job."""

    arrive: Ints  # ms
    size: Ints
    difficulty: Ints  # Q16
    requester: Ints  # actor
    row: Ints  # of the measured proofs
    max_fee: Ints  # gwei


def trace_of(scenario: Scenario) -> Trace | None:
    """Read the measured proofs of the set-ups the scenario names, if its requests come from a trace."""
    workload = scenario.workload
    if workload.arrivals != "trace" or workload.trace is None:
        return None
    return read(workload.trace, setups=[group.hardware for group in scenario.provers])


def requests_of(
    scenario: Scenario, seed: int, provers: int, trace: Trace | None, arrive: Ints | None, others: int
) -> Requests:
    """Draw the requests of one seed: when (where the layer before does not say), of what size, how hard, by whom.

    `others` is the first actor of those who ask beside the rollup. Raises BadInput.
    """
    workload = scenario.workload
    arrive = _arrivals(scenario, seed, trace) if arrive is None else arrive
    jobs = len(arrive)
    if trace is not None:
        row = np.arange(jobs) % len(trace.block)
        size, difficulty = trace.gas[row], np.full(1, ONE)
    else:
        row = np.zeros(1, np.int64)
        size, difficulty = _drawn(sizes(workload.size), seed, jobs)
    requester = np.full(1, provers)
    if workload.requester == "provers":
        proposers = np.flatnonzero(
            np.repeat([g.proposes for g in scenario.provers], [g.count for g in scenario.provers])
        )
        requester = proposers[word(seed, PROPOSER_STREAM, np.arange(jobs)) % np.uint64(len(proposers))]
    fee = np.full(1, scenario.gwei(workload.max_fee, "workload.max_fee"))
    own = Requests(arrive, size, difficulty, requester, row, fee)
    if not scenario.requesters:
        return own
    if workload.arrivals in {"closed_loop", "trace"}:
        raise BadInput("workload.arrivals", "poisson, fixed or after, beside [[requesters]]", workload.arrivals)
    return _merged([own, *(_asked_by(scenario, k, seed, others + k) for k in range(len(scenario.requesters)))])


def _asked_by(scenario: Scenario, k: int, seed: int, actor: int) -> Requests:
    """Draw the requests of table `k` of [[requesters]], with dice of their own."""
    table = scenario.requesters[k]
    own = seed + OTHERS * (k + 1)
    asking = scenario.workload.model_copy(update={"arrivals": table.arrivals, "requests": table.requests})
    asking = asking.model_copy(update={"every": table.every})
    span = scenario.horizon - table.first
    if span < table.every:
        raise BadInput(f"requesters[{k}].every", "at least one request within the horizon", f"{table.every} ms")
    arrive = table.first + _arrivals(scenario.model_copy(update={"workload": asking, "horizon": span}), own, None)
    size, difficulty = _drawn(sizes(table.size or scenario.workload.size), own, len(arrive))
    return Requests(
        arrive, size, np.round(difficulty * table.work).astype(np.int64), np.full(1, actor), np.zeros(1, np.int64),
        np.full(1, scenario.gwei(table.max_fee, f"requesters[{k}].max_fee")),
    )  # fmt: skip


def _merged(all_of: list[Requests]) -> Requests:
    """Put requests of several in the order they arrive; of one instant, those of the first table first."""
    counts = [len(each.arrive) for each in all_of]
    order = np.argsort(np.concatenate([each.arrive for each in all_of]), kind="stable")
    columns = zip(*all_of, strict=True)
    return Requests(*(
        np.concatenate([np.broadcast_to(part, count) for part, count in zip(parts, counts, strict=True)])[order]
        for parts in columns
    ))  # fmt: skip


def _arrivals(scenario: Scenario, seed: int, trace: Trace | None) -> Ints:
    """Compute the times of the requests, ms, up to the horizon (pauses before each request for a closed loop)."""
    workload = scenario.workload
    expected = scenario.horizon // workload.every
    most = workload.requests or (len(trace.block) if trace is not None else None)
    if workload.arrivals == "closed_loop":
        most = min(most or expected * workload.clients, expected * workload.clients)
        return np.full(max(1, most), workload.every)
    room = expected if workload.arrivals != "poisson" else expected + 10 + int(8 * np.sqrt(expected))
    count = int(min(room, most)) if most is not None else int(room)
    if count < 1:
        raise BadInput("workload.every", "at least one request within the horizon", f"{workload.every} ms")
    if workload.arrivals != "poisson":
        return np.arange(count) * workload.every
    arrive = np.empty(count, np.int64)
    draws.poisson_arrivals(seed, float(workload.every), arrive)
    return arrive[: max(1, int(np.searchsorted(arrive, scenario.horizon)))]


def _drawn(distribution: Sizes, seed: int, jobs: int) -> tuple[Ints, Ints]:
    """Draw sizes and difficulties; one entry when all are alike."""
    size, difficulty = distribution.size, distribution.difficulty
    if size[0] == size[-1] and difficulty[0] == difficulty[-1]:
        return size[:1].copy(), difficulty[:1].copy()
    drawn = np.empty(jobs, np.int64)
    draws.draw_from_table(seed, size, drawn)
    column = (word(seed, DIFFICULTY_STREAM, np.arange(jobs)) >> np.uint64(54)).astype(np.int64)
    return drawn, difficulty[column]
