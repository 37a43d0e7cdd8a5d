"""Claims about chains come out, by a wide margin, on several seeds."""

from pathlib import Path

import numpy as np
import pytest

from proofyard import scenario
from proofyard.engine.simulate import simulate

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
