"""How fast this machine really proves: before a scenario is simulated that will be run on it, and after it was."""

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np

from proofyard.core.errors import BadInput, Fault
from proofyard.engine.cast import cast_of
from proofyard.engine.world import rule_of
from proofyard.proofs.backend import Job, ProofBackend
from proofyard.proofs.measure import kept_at
from proofyard.proofs.session import make_batches
from proofyard.scenario import Scenario
from proofyard.scenario.tables import ProverClass
from proofyard.worlds.hardware import Hardware, proving_ms
from proofyard.worlds.profile import Profile, read

PROOFS = 3  # measured; the first also starts the programs
PAYOUT = 1


def profile_for(backend: str, path: Path | None) -> tuple[Profile, Path] | None:
    """Read a profile of a backend from a file, or the last of this machine; None if it never was measured.

    Raises
    ------
    BadInput : the file is no profile, or one of another backend.
    """
    place = path or kept_at()
    if path is None and not place.is_file():
        return None
    profile = read(str(place), "--profile")
    if profile.backend == backend:
        return profile, place
    if path is None:
        return None
    raise BadInput("--profile", f"one of backend {backend}", profile.backend)


def measured_ms(backend: ProofBackend, transfers: int) -> int:
    """Prove a few batches one by one; return the median time of those after the first, ms."""
    times: list[int] = []
    for batch in make_batches(PROOFS, transfers, seed=1):
        began = time.monotonic()
        backend.prove(Job(batch, transfers, PAYOUT, last=True))
        times.append(round(1_000 * (time.monotonic() - began)))
    if not times:
        raise Fault("pace: wanted proofs to measure, got none.")
    return sorted(times[1:])[len(times[1:]) // 2]


def paced(scenario: Scenario, least_ms: int) -> Scenario:
    """Return the scenario with provers that need `least_ms` for a proof where they say less: no faster than here."""
    classes = [group.model_copy() for group in scenario.provers]
    for k, model in enumerate(cast_of(scenario, None).hardware):
        if model is not None and proving_ms(model, 0) < least_ms:
            classes[k] = _taking(least_ms, classes[k], model)
    return scenario.model_copy(update={"provers": classes})


def with_measured(scenario: Scenario, took_ms: Mapping[str, int]) -> Scenario:
    """Return the scenario with mean proving times, by prover, in place of those it foresaw, at the prices asked."""
    rule = rule_of(scenario)
    cast = cast_of(scenario, None, price_units=rule.price_units)
    classes = [group.model_copy() for group in scenario.provers]
    for k, model in enumerate(cast.hardware):
        mine = np.flatnonzero(cast.group == k).tolist()
        mean = round(sum(took_ms[cast.names[prover]] for prover in mine) / len(mine))
        if model is not None:
            classes[k] = _taking(mean, classes[k], model)
        asked = Decimal(int(cast.ask[mine[0]])) / 10**scenario.token.decimals
        classes[k] = classes[k].model_copy(update={"ask": asked})
    return scenario.model_copy(update={"provers": classes})


def mean_ms(times: Sequence[int], model: Hardware, size: int) -> int:
    """Return the mean time of a prover's proofs, ms; of one that made none what `model` foresees for `size` units."""
    return round(sum(times) / len(times)) if times else proving_ms(model, size)


def _taking(ms: int, group: ProverClass, model: Hardware) -> ProverClass:
    """Let a class take `ms` for a proof of any size, on hardware that costs what its own did."""
    cost = group.cost
    rent = model.cards * model.micro_usd_low if cost.per_hour is None else cost.per_hour
    kept = cost.model_copy(update={"per_hour": rent, "energy": model.watts if cost.energy is None else cost.energy})
    return group.model_copy(update={"hardware": f"speed(setup='{ms}ms', per_mgas='0s')", "cost": kept})
