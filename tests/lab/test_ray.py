"""Runs on a real Ray cluster, a node of which is killed in the middle."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_run_survives_the_death_of_a_node(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "lab" / "ray_cluster.py", tmp_path],
        capture_output=True, text=True, check=False, env=environment, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["nodes"] == 2
    assert found["deaths"] >= 1
    assert found["rows"] == list(range(40))
