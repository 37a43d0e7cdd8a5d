"""Processes killed where they stand: the soak script, a small run. Hundreds of kills are its own business."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import soak, soak_chain


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_nothing_is_lost_or_doubled_when_processes_are_killed(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = "" if kind == "sqlite" else request.getfixturevalue("postgres").database("crashes")
    told: dict[str, Any] = soak.run(tmp_path, soak.Plan(provers=1, kills=2, pause_s=0.3, gap_s=0.1, seed=5), url)
    assert told["holds"] == dict.fromkeys(told["holds"], True), told
    assert sum(told["jobs"].values()) > 3
    assert sum(told["killed"].values()) == 2


def test_nothing_is_lost_or_paid_twice_when_all_that_runs_is_killed_while_it_settles(tmp_path: Path) -> None:
    told: dict[str, Any] = soak_chain.run(tmp_path, soak_chain.Plan(kills=3, pause_s=1.0, seed=3))
    assert told["holds"] == dict.fromkeys(told["holds"], True), told
    assert told["killed"] == {"market": 1, "prover": 1, "chain": 1}
