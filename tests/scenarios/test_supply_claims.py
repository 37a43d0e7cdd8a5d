"""What the shipped scenarios about delegators and suppliers claim holds in a run."""

from pathlib import Path

import numpy as np
import pytest

from proofyard import scenario
from proofyard.engine.simulate import simulate

FOLDER = Path(__file__).parents[2] / "scenarios"


def late_shares(chosen: scenario.Scenario) -> list[float]:
    """Share of each prover in the proofs of the second half"""
    made = simulate(chosen).jobs.prover
    later = made[len(made) // 2 :]
    return (np.bincount(later[later >= 0], minlength=5) / len(later)).tolist()


def test_concentration_of_delegated_stake_hangs_on_its_elasticity() -> None:
    shares = {name: late_shares(one) for name, one in scenario.read_variants(FOLDER / "delegation-elasticity.toml")}
    commissions = np.array([0.02, 0.05, 0.1, 0.2, 0.5])
    for power in (0, 1, 4, 8):
        name = next(name for name in shares if name.split(":")[0] == f"elasticity {power}")
        expected = (1 - commissions) ** power / ((1 - commissions) ** power).sum()
        assert shares[name] == pytest.approx(expected.tolist(), abs=0.045), name
    assert shares["the best return only"][0] > 0.85
    assert shares["elasticity 8, half of them sticky"][0] < shares["elasticity 8"][0]
    assert max(shares["the best return, operators accept 1,500 each"]) < 0.32


def test_idle_cards_that_drop_their_work_lose_jobs_and_sunk_money_stays() -> None:
    variants = dict(scenario.read_variants(FOLDER / "idle-and-bought.toml"))
    horizon = {"horizon": 20 * 86_400_000}
    runs = {name: simulate(one.model_copy(update=horizon)) for name, one in variants.items()}
    drops, finishes = runs["idle cards, dropping their work"], runs["idle cards, finishing their work"]
    assert drops.provers.missed[:2].sum() == 0 < drops.provers.missed[2:].sum()
    assert finishes.provers.missed.sum() == 0
    away = 1 - drops.provers.online_ms[2:] / drops.end_ms
    assert (away > 0.05).all()
    assert (away < 0.95).all()
    assert runs["hardware to be bought"].provers.active.sum() == 10
    assert runs["hardware to be bought, fees a fifth"].provers.active.sum() == 2
    assert runs["hardware bought before, fees a fifth"].provers.active.sum() == 10
