"""Seeds of one scenario: all of it drawn anew, or only what happens to the same requests."""

from pathlib import Path

import numpy as np

from proofyard import scenario as scenarios
from proofyard.lab.runner import Runner
from proofyard.lab.runs import run_seeds

SCENARIOS = Path(__file__).parents[2] / "scenarios"
CHANGES = {"horizon": "1h", "workload.size": "ethereum_block"}  # sizes are drawn, too


def test_what_is_known_to_come_comes_in_every_seed_and_the_rest_is_drawn_anew() -> None:
    world = scenarios.read(SCENARIOS / "payments-rollup.toml", CHANGES)
    with Runner(workers=1) as runner:
        free, same = (run_seeds(world, 4, runner=runner, same_requests=known) for known in (False, True))
    assert len({len(run.jobs.asked_ms) for run in free}) > 1
    for run in same:
        assert np.array_equal(run.jobs.asked_ms, free[0].jobs.asked_ms)
        assert np.array_equal(run.jobs.size, free[0].jobs.size)
    assert np.array_equal(same[0].jobs.prover, free[0].jobs.prover)  # its own seed is its own seed
    assert len({tuple(run.jobs.prover.tolist()) for run in same}) == len(same)  # lots are others
