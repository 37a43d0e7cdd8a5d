"""Layers of a chain in a row, ballots of a committee, and jobs that another job's event moves on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine.worlds import prover, scenario

from proofyard.core import BadInput, Event, Kind, Phase, shape
from proofyard.engine.simulate import LAYER, Simulation, replay, simulate
from proofyard.engine.world import rule_of
from proofyard.scenario import Scenario, read

SCENARIOS = Path(__file__).parents[2] / "scenarios"
BELOW = """
mechanism = "race"
horizon = "1h"

[workload]
arrivals = "fixed"
every = "60s"
requests = 10
size = "fixed(1)"

[[provers]]
hardware = "speed(setup='30s', per_mgas='0s', noise=0.2)"
cost = { per_hour = "1 usd", energy = "0 kW" }
"""
ABOVE = BELOW.replace('arrivals = "fixed"', 'arrivals = "after"\nafter = "below.toml"')


def layers(folder: Path, above: str = ABOVE, below: str = BELOW) -> Scenario:
    """Write two scenarios and read the one above."""
    (folder / "below.toml").write_text(below, encoding="utf-8")
    (folder / "above.toml").write_text(above, encoding="utf-8")
    return read(folder / "above.toml")


def test_what_is_proven_below_asks_above_at_that_moment(tmp_path: Path) -> None:
    above = layers(tmp_path)
    below = simulate(read(tmp_path / "below.toml"), seed=above.seed + LAYER).jobs
    assert simulate(above).jobs.asked_ms.tolist() == sorted(below.proven_ms.tolist())


def test_layers_have_dice_of_their_own(tmp_path: Path) -> None:
    above = layers(tmp_path)
    jobs = simulate(above).jobs
    below = simulate(read(tmp_path / "below.toml"), seed=above.seed + LAYER).jobs
    assert (jobs.proven_ms - jobs.asked_ms != below.proven_ms - below.asked_ms).any()


def test_a_batch_asks_once_when_its_last_job_is_proven(tmp_path: Path) -> None:
    every, batched = (
        simulate(layers(tmp_path, ABOVE.replace("every =", f"batch = {n}\nevery ="))).jobs.asked_ms for n in (1, 4)
    )
    assert batched.tolist() == every[3::4].tolist()


@pytest.mark.parametrize(
    ("above", "below", "wanted"),
    [
        (ABOVE.replace('after = "below.toml"', ""), BELOW, "the scenario of the layer before this one"),
        (ABOVE.replace("below.toml", "nowhere.toml"), BELOW, "nowhere.toml"),
        (ABOVE, ABOVE, "twice"),
        (ABOVE.replace("every =", "batch = 11\nevery ="), BELOW, "10 in all"),
    ],
)
def test_layers_that_cannot_be_are_refused(tmp_path: Path, above: str, below: str, wanted: str) -> None:
    with pytest.raises(BadInput, match=wanted):
        simulate(layers(tmp_path, above, below))


def test_the_four_layers_of_starknet_lose_on_the_way() -> None:
    names = (
        "starknet-layers/1-leaders",
        "starknet-layers/2-consensus",
        "starknet-layers/3-strands",
        "starknet-pipeline",
    )
    asked, settled = [], []
    for name in names:
        jobs = simulate(read(SCENARIOS / f"{name}.toml", {"horizon": "12h"})).jobs
        asked.append(len(jobs.asked_ms))
        settled.append(int((jobs.phase == Phase.SETTLED).sum()))
    share = [done / wanted for done, wanted in zip(settled, asked, strict=True)]
    assert 0.8 < share[0] < 0.95  # by day a sixth of the slots is empty
    assert 0.6 < share[1] < 0.95  # slots that come while a late height is decided
    assert 0.9 < share[2] < 0.999  # blocks whose proof was owed by somebody away
    assert share[3] == 1


def validators(**more: Any) -> dict[str, Any]:
    return prover(count=4, stake="100", hopeless="work", **more)


@pytest.mark.parametrize("salt", [0, 12_345])
def test_votes_are_in_the_trace_and_it_replays(salt: int) -> None:
    world = scenario("tendermint", workload={"every": "70s", "requests": 6}, provers=[validators()])
    simulation = Simulation(world, rule_of(world), 1, salt=salt, traced=True)
    result = simulation.run()
    assert result.trace is not None
    kinds = result.trace[:, Event._fields.index("kind")]
    assert (kinds == Kind.VOTE).sum() >= 6 * 6
    state = replay(simulation.stage, result.trace)
    assert all(map(np.array_equal, shape.arrays(state), shape.arrays(simulation.stage.state)))


def test_a_frozen_chain_is_woken_by_the_proof_it_waits_for() -> None:
    """One strand, 30 s blocks, proofs of 200 s: each block begins at the very moment of the proof."""
    world = scenario(
        "chained_proofs(strands=1, most_empty=1, block_ms=30_000)",
        workload={"every": "30s", "requests": 12},
        provers=[validators() | {"hardware": "speed(setup='200s', per_mgas='0s', noise=0)"}],
    )
    simulation = Simulation(world, rule_of(world), 1, traced=True)
    result = simulation.run()
    proven = np.sort(result.jobs.proven_ms[result.jobs.proven_ms > 0])
    assert set(np.diff(proven)) == {200_000 + 30_000}
    assert result.trace is not None
    replay(simulation.stage, result.trace)
