"""Is a plan right? Replay of a finished run, and a real job against its prediction."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from proofyard.core.errors import BadInput, Fault
from proofyard.proofs import session
from proofyard.proofs.parallel import Progress, Span
from proofyard.proofs.planning.fleet import Fleet
from proofyard.proofs.planning.kernel import World, run
from proofyard.proofs.planning.simulate import Setting, calm, empty_log, once, tree_of
from proofyard.proofs.quiet import Meter, undisturbed
from proofyard.proofs.tree import cut
from proofyard.tools.cache import Tell

ACCEPTED = 0.20  # error of a predicted wall time that a plan may have
PAYOUT = 1


class Replayed(NamedTuple):
    """A finished run, scheduled again with the times its parts took; ms since the start."""

    wall_ms: float
    begin_ms: dict[str, float]
    end_ms: dict[str, float]


def replay(took_ms: Mapping[str, float], leaves: int, workers: int) -> Replayed:
    """Schedule a finished run again: the times of its parts, by name, on as many workers.

    Raises
    ------
    Fault : a part of the job has no time.
    """
    parts = cut(leaves)
    if missing := [part.name for part in parts if part.name not in took_ms]:
        raise Fault(f"replay: wanted a time for every part of {leaves} batches, got none for {missing[0]}")
    took = np.array([took_ms[part.name] for part in parts], float)
    each = np.ones(workers)
    world = World(
        each, each, np.arange(workers), np.ones(workers, np.int64), np.ones(workers, np.int64), each, each, 1, 1,
        0.0, saved=True, horizon_ms=np.inf,
    )  # fmt: skip
    joins = float(took[leaves:].mean()) if leaves > 1 else 0.0
    tree, log = tree_of(leaves, float(took[:leaves].mean()), joins), empty_log(len(parts), workers)
    wall = run(tree, world, calm(len(parts), workers)._replace(part=took), log)
    names = [part.name for part in parts]
    return Replayed(
        wall, dict(zip(names, log.begin.tolist(), strict=True)), dict(zip(names, log.end.tolist(), strict=True))
    )


def times(spans: Sequence[Span]) -> dict[str, float]:
    """List how long each proven part took, by name, ms."""
    return {span.name: float(span.end_ms - span.begin_ms) for span in spans if span.outcome == "proven"}


class Measured(NamedTuple):
    """A real job and its prediction; ms.

    Attributes
    ----------
    predicted_ms : by the plan
    replayed_ms : the schedule with the times its parts took, 0 if some were found on disk
    measured_ms : on the clock
    others : share of the processors that other programs took meanwhile
    alone_ms : what it would have been without them (`quiet.undisturbed`)
    """

    predicted_ms: int
    replayed_ms: int
    measured_ms: int
    others: float
    alone_ms: int

    @property
    def error(self) -> float:
        """Distance of the prediction as a share of what it would have been on a quiet machine."""
        return self.predicted_ms / self.alone_ms - 1


def measure(fleet: Fleet, transfers: float, size: int, setting: Setting, seed: int, *, tell: Tell) -> Measured:
    """Prove the job that was planned on this machine.

    Raises
    ------
    BadInput : the fleet isn't one measured machine.
    """
    if fleet.unit != "transfer" or len(fleet.machines) != 1:
        raise BadInput("--measure", "one machine, --fleet 1xprofile:FILE", fleet.text)
    leaves = -(-int(transfers) // size)
    wanted = session.Wanted(leaves, size, PAYOUT, seed, 0, "noir", "auto")
    predicted = once(fleet, fleet.cards, transfers, size, setting).ms
    meter = Meter()
    result = session.run(wanted, tell=tell, watch=_quiet).result
    cpu_ms = result.total("cpu_ms")
    others = meter.others(cpu_ms)
    replayed = replay(times(result.spans), leaves, len(fleet.cards)) if not _resumed(result.spans) else None
    return Measured(
        round(predicted),
        round(replayed.wall_ms) if replayed else 0,
        result.wall_ms,
        others,
        max(1, round(undisturbed(result.wall_ms, cpu_ms, fleet.machines[0].cores, others))),
    )


def _resumed(spans: Sequence[Span]) -> bool:
    return any(span.outcome != "proven" for span in spans)


def _quiet(_: Progress) -> None:
    """Say nothing: what is told costs time that is being measured."""
