"""What `proofyard new` writes runs as it is, and it never overwrites anything."""

import subprocess
import sys
from pathlib import Path

import pytest

from proofyard import scenario
from proofyard.core import BadInput
from proofyard.lab import metrics, runs, skeleton


def test_scenario_runs_and_its_claim_comes_out(tmp_path: Path) -> None:
    _, path, _ = skeleton.write("by_lot", tmp_path)
    summary = metrics.summary(runs.run_seeds(scenario.read(path), 1, quiet=True))
    assert summary["mechanism"] == "by_lot(window_ms=60000)"
    assert summary["money_difference_gwei"] == 0
    rows = {row["name"]: row for row in summary["provers"]}
    assert rows["rich 1"]["wins"] > 2 * rows["fast 1"]["wins"]
    assert rows["rich 1"]["slashed_gwei"] > 20 * 10**9
    assert rows["slow 1"]["stake_gwei"] == 0
    assert rows["fast 1"]["slashed_gwei"] == 0


def test_its_test_passes_and_with_it_conformance(tmp_path: Path) -> None:
    _, _, test = skeleton.write("by_lot", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_rule_is_short_and_formatted(tmp_path: Path) -> None:
    rule, _, test = skeleton.write("by_lot", tmp_path)
    lines = [line for line in rule.read_text().splitlines() if line.strip()]
    assert len(lines) <= 70
    config = Path(__file__).parents[2] / "pyproject.toml"
    command = [sys.executable, "-m", "ruff", "format", "--check", "--config", str(config), str(rule), str(test)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("name", ["ByLot", "9lives", "by-lot", "class", "", "a.b", "../up", "lot\n"])
def test_names_no_rule_can_have_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="NAME: wanted lower-case letters"):
        skeleton.write(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_names_of_the_catalogue_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="NAME: wanted a name that is not in the catalogue, got race"):
        skeleton.write("race", tmp_path)


@pytest.mark.parametrize("taken", ["by_lot.py", "by_lot.toml", "test_by_lot.py"])
def test_nothing_is_overwritten_and_nothing_half_written(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    with pytest.raises(BadInput, match=f"got .*{taken}"):
        skeleton.write("by_lot", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_text() == "mine"


def test_folder_is_made_but_a_file_is_no_folder(tmp_path: Path) -> None:
    assert len(skeleton.write("by_lot", tmp_path / "new" / "one")) == 3
    with pytest.raises(BadInput, match="--folder: wanted a folder"):
        skeleton.write("by_lot", tmp_path / "new" / "one" / "by_lot.py")
