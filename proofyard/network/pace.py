"""How fast this machine really proves, before a scenario is simulated that will be run on it."""

import time

from proofyard.core.errors import Fault
from proofyard.engine.cast import cast_of
from proofyard.proofs.backend import Job, ProofBackend
from proofyard.proofs.session import make_batches
from proofyard.scenario import Scenario
from proofyard.worlds.hardware import proving_ms

PROOFS = 3  # measured; the first also starts the programs
PAYOUT = 1


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
