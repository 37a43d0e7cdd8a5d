"""How fast this machine really proves, before a scenario is simulated that will be run on it."""

import time
from pathlib import Path

from proofyard.core.errors import BadInput, Fault
from proofyard.engine.cast import cast_of
from proofyard.proofs.backend import Job, ProofBackend
from proofyard.proofs.measure import kept_at
from proofyard.proofs.session import make_batches
from proofyard.scenario import Scenario
from proofyard.worlds.hardware import proving_ms
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
            classes[k] = classes[k].model_copy(update={"hardware": f"speed(setup='{least_ms}ms', per_mgas='0s')"})
    return scenario.model_copy(update={"provers": classes})
