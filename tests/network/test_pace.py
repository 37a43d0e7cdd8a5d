"""Times that were measured, put in place of those a scenario foresaw: what provers cost and ask stays theirs."""

from pathlib import Path

import pytest

from proofyard import scenario as scenarios
from proofyard.engine.cast import cast_of
from proofyard.network.pace import mean_ms, paced, with_measured
from proofyard.worlds.hardware import Hardware, proving_ms

MINIMAL = Path(__file__).parents[2] / "scenarios" / "minimal.toml"


def test_measured_times_change_neither_cost_nor_price() -> None:
    world = scenarios.read(MINIMAL)
    before = cast_of(world, None)
    took = {"fast": 3_000, "middle 1": 4_000, "middle 2": 6_000, "slow": 9_000}
    after = cast_of(with_measured(world, took), None)
    assert [proving_ms(model, 22_000_000) for model in after.hardware if model] == [3_000, 5_000, 9_000]
    assert after.rate.tolist() == pytest.approx(before.rate.tolist())
    assert after.ask.tolist() == before.ask.tolist()
    assert min(before.ask) > 1


def test_a_slower_machine_costs_an_hour_what_it_did() -> None:
    world = scenarios.read(MINIMAL)
    before, after = cast_of(world, None), cast_of(paced(world, 60_000), None)
    assert {proving_ms(model, 0) for model in after.hardware if model} == {60_000}
    assert after.rate.tolist() == pytest.approx(before.rate.tolist())


def test_a_prover_that_made_no_proof_takes_what_a_job_of_that_size_was_foreseen_to_take() -> None:
    (model,) = {model for model in cast_of(scenarios.read(MINIMAL), None).hardware[:1] if isinstance(model, Hardware)}
    foreseen = mean_ms([], model, 22_000_000)
    assert foreseen == proving_ms(model, 22_000_000) > proving_ms(model, 0)
    assert mean_ms([1_000, 2_001], model, 22_000_000) == 1_500
