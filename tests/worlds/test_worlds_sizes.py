"""Oracles are those of the field notes on hardware, section 15 unless said otherwise."""

import numpy as np
import pytest

from proofyard.core.errors import BadInput
from proofyard.worlds import sizes, sizes_catalogue
from proofyard.worlds.tables import NOISE_LEN, ONE, SIZE_LEN


@pytest.mark.parametrize("name", [*sizes_catalogue(), "fixed(22_000_000)"])
def test_tables_are_ready_for_the_engine(name: str) -> None:
    found = sizes(name)
    assert (found.size.dtype, found.size.shape) == (np.int64, (SIZE_LEN,))
    assert (found.difficulty.dtype, found.difficulty.shape) == (np.int64, (NOISE_LEN,))
    assert (np.diff(found.size) >= 0).all()
    assert (np.diff(found.difficulty) >= 0).all()
    assert found.size[0] > 0
    assert found.difficulty[0] > 0
    assert found.source
    assert not found.size.flags.writeable


def test_block_gas_has_the_published_quantiles() -> None:
    """Section 2: p5 9.4, p25 18.2, p50 22.0, p75 26.2, p95 36.2, max 45.0 Mgas."""
    got = np.quantile(sizes("ethereum_block").size, [0.05, 0.25, 0.5, 0.75, 0.95, 1.0]) / 1e6
    assert got == pytest.approx([9.4, 18.2, 22.0, 26.2, 36.2, 45.0], abs=0.05)
    assert sizes("ethereum_block").size.mean() == pytest.approx(22_427_522, rel=0.005)  # of the 500 blocks


def test_oracle_5_mean_of_sp1_cycles() -> None:
    """Mean of lognormal(6.003, .431) = 444 Mcyc, sample mean 434: within 3 %."""
    mean = sizes("ethereum_block_sp1").size.mean() / 1e6
    assert mean == pytest.approx(444, rel=0.002)
    assert mean == pytest.approx(434, rel=0.03)


@pytest.mark.parametrize(("machine", "p5", "p50", "p95"), [("sp1", 180, 434, 690), ("risc0", 273, 636, 1071)])
def test_cycles_near_the_published_quantiles(machine: str, p5: float, p50: float, p95: float) -> None:
    """Section 2; the lognormal is only near, the sample has a thinner upper tail."""
    got = np.quantile(sizes(f"ethereum_block_{machine}").size, [0.05, 0.5, 0.95]) / 1e6
    assert got == pytest.approx([p5, p50, p95], rel=0.2)


def test_difficulty_has_mean_one() -> None:
    assert sizes("ethereum_block").difficulty.mean() / ONE == pytest.approx(1.0, abs=1e-5)


def test_one_job_in_a_hundred_is_adversarial() -> None:
    """Section 14: 1 % of jobs take 8 to 12 times what the price unit predicts."""
    difficulty = sizes("ethereum_block_adversarial").difficulty / ONE
    killers = difficulty[difficulty > 2]
    assert len(killers) / NOISE_LEN == pytest.approx(0.01, abs=0.0005)
    assert (killers.min(), killers.max()) == (8.0, 12.0)
    assert (sizes("prover_killer").difficulty > 7.8 * ONE).all()


def test_fixed() -> None:
    found = sizes("fixed(22_000_000)")
    assert found.name == "fixed(22000000)"
    assert set(found.size.tolist()) == {22_000_000}
    assert set(found.difficulty.tolist()) == {ONE}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ethereum_blok", "nearest: ethereum_block)"),
        ("fixed(0)", "whole number from 1"),
        ("fixed()", "whole number from 1"),
        ("fixed(2.5)", "whole number from 1"),
        ("fixed(gas=3)", "fixed"),
        ("ethereum_block(3)", "without parameters"),
        ("fixed(3", "name(key=value"),
        ("", "name(key=value"),
        ("rollup_batch(size=3)", "without parameters"),
    ],
)
def test_bad_names_are_one_sentence(text: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        sizes(text)
    assert says in str(caught.value)
    assert str(caught.value).startswith("workload.size: wanted ")
    assert "\n" not in str(caught.value)
