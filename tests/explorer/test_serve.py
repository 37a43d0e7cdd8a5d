"""The verb: opens a trace or the folder of a live run, says where, and ends at Ctrl-C without a word too many."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from httpx import get, stream

from proofyard.engine.result import Run


def start(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "proofyard", "explore", *arguments, "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def told(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line == "}\n":
            return json.loads("".join(lines))
    pytest.fail(f"it ended: {process.stderr.read() if process.stderr else ''}")


def test_explore_serves_until_interrupted(recorded: tuple[Path, Run], markup: str) -> None:
    process = start(str(recorded[0]))
    try:
        said = told(process)
        assert said["rows"] > 2_000
        with stream("GET", f"{said['url']}api/stream", timeout=30) as open_stream:  # a page that is still looking
            assert open_stream.status_code == 200
            assert get(f"{said['url']}api/market", timeout=30).json()["title"] == f"pool {markup}"
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "Traceback" not in complaints
    assert process.returncode in (0, 130)


def test_the_folder_of_a_trial_brings_its_prediction(growing: Any, tmp_path: Path) -> None:
    summary = {"seeds": [1, 2], "scenario": "devnet", "provers": [], "spread": None}
    for section, keys in {
        "proofs": ("requested", "settled", "late", "lost", "reassigned"),
        "time_to_proof_ms": ("p50", "p90", "p99"),
        "price_gwei": ("mean",),
        "concentration": ("hhi", "nakamoto", "top1_share"),
        "stake": ("slashed_gwei", "burnt_gwei", "locked_peak_gwei"),
    }.items():
        summary[section] = dict.fromkeys(keys, 4)
    (tmp_path / "trial.json").write_text(json.dumps({"prediction": summary}), encoding="utf-8")
    assert growing.path.parent == tmp_path
    process = start(str(tmp_path))
    try:
        compared = get(f"{told(process)['url']}api/prediction", timeout=30).json()
        requests = next(row for row in compared["figures"] if row["name"] == "requests")
        assert (requests["predicted"], requests["real"], requests["error"]) == (4, 3, -0.25)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.trace"], "source: wanted a trace or a journal, got nothing.trace, which is no file."),
        (["pyproject.toml"], "which is neither"),
        (["mysql://x/y"], "journal: wanted a path (SQLite) or postgresql://…"),
    ],
)
def test_what_cannot_be_opened_is_bad_input(arguments: list[str], said: str) -> None:
    process = start(*arguments)
    _, complaints = process.communicate(timeout=60)
    assert said in complaints
    assert "Traceback" not in complaints
    assert process.returncode == 2
