"""Comparisons: every run of every rule is a task, kept as it comes in, and the summary is that of `simulate`."""

from pathlib import Path

import polars as pl

from proofyard import scenario
from proofyard.lab import comparing, metrics
from proofyard.lab.runner import Runner
from proofyard.lab.runs import run_seeds

ROOT = Path(__file__).parents[2]
SEEDS = 2


def test_a_comparison_goes_on_where_it_stopped_and_says_what_simulate_says(tmp_path: Path) -> None:
    variants = scenario.read_variants(ROOT / "scenarios" / "three-operators.toml", {"horizon": "1d"}, None)
    with Runner(folder=tmp_path, workers=1) as first:
        comparing.compare(variants[:1], SEEDS, first)
    with Runner(folder=tmp_path, workers=2, patience=0.0) as second:
        found = comparing.compare(variants, SEEDS, second)
        assert second.reused == SEEDS
    expected = [metrics.summary(run_seeds(world, SEEDS)) | {"variant": name} for name, world in variants]
    assert found == expected
    kept = pl.read_parquet(tmp_path / "runs.parquet")
    assert kept["variant"].to_list() == [name for name, _ in variants for _ in range(SEEDS)]
    assert kept["proofs.settled"].sum() > 0
