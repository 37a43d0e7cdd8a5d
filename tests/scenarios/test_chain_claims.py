"""Claims about chains come out, by a wide margin, on several seeds."""

from pathlib import Path

import numpy as np
import pytest

from proofyard import scenario
from proofyard.core import Phase
from proofyard.engine.simulate import Simulation, simulate
from proofyard.engine.world import rule_of

FOLDER = Path(__file__).parents[2] / "scenarios"
SEEDS = (1, 2, 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_drawing_by_stake_works_for_blocks_and_breaks_for_proofs(seed: int) -> None:
    variants = scenario.read_variants(FOLDER / "monad-leaders.toml")
    blocks, proofs, slashed, equal, free = (simulate(variant, seed=seed) for _, variant in variants)
    assert blocks.provers.missed.sum() == 0
    income = blocks.provers.income_gwei / blocks.provers.income_gwei.sum()
    stake = blocks.provers.stake_start_gwei / blocks.provers.stake_start_gwei.sum()
    assert np.abs(income - stake).max() < 0.01
    missed = [run.provers.missed.sum() / len(run.jobs.phase) for run in (proofs, slashed, equal, free)]
    assert 0.25 < missed[0] < 0.28
    assert proofs.provers.missed[0] > 0.64 * proofs.provers.missed.sum()
    assert (proofs.provers.busy_ms / proofs.end_ms).mean() < 0.5  # while the machines together are half idle
    assert missed[1] < 0.06
    assert slashed.provers.slashed_gwei.sum() > 0.75 * slashed.provers.stake_start_gwei.sum()
    assert missed[2] < 0.04
    assert missed[3] == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_eighteen_tokens_a_block_are_burnt_as_fast_as_minted(seed: int) -> None:
    variants = scenario.read_variants(FOLDER / "monad-fees.toml")
    monad, slack, launch, kept = (simulate(variant, seed=seed) for _, variant in variants)
    blocks, token = len(monad.jobs.phase), 10**9
    assert monad.burnt_gwei == pytest.approx(18 * token * blocks, rel=0.01)
    assert monad.provers.income_gwei.sum() == 18 * token * blocks  # what was minted
    assert slack.burnt_gwei == monad.burnt_gwei
    assert launch.burnt_gwei < 0.75 * launch.provers.income_gwei.sum()  # 18 burnt against 25 minted
    assert kept.burnt_gwei == 0
    assert kept.provers.income_gwei.sum() == pytest.approx(36 * token * blocks, rel=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_who_must_buy_the_proof_decides_what_it_costs(seed: int) -> None:
    token = 10**9
    prices, costs, lost, wasted, margins = [], [], [], [], []
    for _, variant in scenario.read_variants(FOLDER / "shared-sequencing.toml"):
        simulation = Simulation(variant, rule_of(variant), seed)
        run, state = simulation.run(), simulation.stage.state
        won = run.jobs.phase == Phase.SETTLED
        prices.append(run.jobs.paid_gwei[won].mean() / token)
        costs.append(run.jobs.cost_gwei[won].mean() / token)
        lost.append(1 - won.mean())
        wasted.append(run.provers.wasted_ms.sum() / run.provers.busy_ms.sum())
        margins.append((state.gained - state.spent).sum() / token / len(won))
        assert state.ordered.sum() == len(won)
    rollup, sequencer, pool, itself, lottery = range(5)
    assert [prices[k] for k in (rollup, sequencer, lottery)] == pytest.approx([0.08] * 3)
    assert prices[pool] == pytest.approx(0.2)
    assert margins[rollup] == pytest.approx(0.1 * 0.15)  # a tenth of the value of ordering stays with who orders
    assert margins[sequencer] == pytest.approx(0.1 * (0.5 - 0.08))  # or of all there is, less the proof
    assert margins[lottery] == pytest.approx(margins[rollup])
    assert costs[itself] > 2.5 * costs[rollup]
    assert lost[rollup] == lost[sequencer] == lost[pool] == 0
    assert lost[itself] > 0.05
    assert wasted[pool] > 0.85
    assert max(wasted[rollup], wasted[sequencer]) < 0.01
