"""`proofyard prove` as a user meets it; what is proven is held by tests/proofs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from proofyard.proofs.statement import Proof, Statement

ROOT = Path(__file__).parents[2]


def proofyard(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proofyard.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )


def test_prove_writes_a_proof_that_says_what_it_is_worth(tmp_path: Path) -> None:
    out = tmp_path / "proof"
    done = proofyard("prove", "--size", "4", "--out", out, "--srs", "development")
    assert done.returncode == 0, done.stderr
    assert "One batch proven, verified" in done.stdout
    assert "INSECURE: proven with a development SRS" in done.stdout
    assert "INSECURE" in done.stderr
    proof = Proof.from_json((out / "proof.json").read_bytes())
    assert (out / "proof.bin").read_bytes() == proof.data
    assert Statement.from_bytes((out / "public_inputs.bin").read_bytes()) == proof.statement
    assert "contract InsecureDevelopmentVerifier" in (out / "Verifier.sol").read_text()
    summary = json.loads((out / "summary.json").read_text())
    names = {"verified", "proving_ms", "witness_ms", "cpu_seconds", "batches", "joins", "secure_srs"}
    assert names <= summary.keys()
    assert (summary["verified"], summary["secure_srs"], summary["joins"]) == (True, False, 0)
    page = (out / "report.html").read_text()
    assert "INSECURE" in page
    assert 'id="chart-0"' in page


def test_stand_ins_are_named_loudly_and_make_no_contract(tmp_path: Path) -> None:
    out = tmp_path / "proof"
    done = proofyard("prove", "--size", "4", "--backend", "calibrated", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "NO PROOF: the calibrated backend made stand-ins" in done.stdout
    assert "NO PROOF" in (out / "report.html").read_text()
    assert not (out / "Verifier.sol").exists()
    again = proofyard("prove", "--size", "4", "--backend", "calibrated", "--json")
    assert json.loads(again.stdout)["backend"] == "calibrated"


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--batches", "0"], "--batches: wanted a whole number from 1, got 0."),
    (["--payout", "0x12"], "--payout: wanted an address"),
    (["--workers", "-1"], "--workers: wanted a whole number from 0, got -1."),
    (["--size", "5"], "5"),
    (["--out", "pyproject.toml"], "--out: wanted a folder, got the file pyproject.toml."),
    (["--out", "docs"], "--out: wanted a new folder or one of an earlier `prove`"),
])  # fmt: skip
def test_bad_input_is_one_sentence(arguments: list[str], sentence: str) -> None:
    done = proofyard("prove", *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_bench_wants_a_place_before_it_measures(tmp_path: Path) -> None:
    done = proofyard("bench", "--out", tmp_path / "none" / "profile.json")
    assert done.returncode == 2
    assert "--out: wanted a file in a folder that exists" in done.stderr
