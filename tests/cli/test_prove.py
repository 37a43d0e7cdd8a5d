"""`proofyard prove` as a user meets it; what is proven is held by tests/proofs."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from proofyard.cli.verify import verify
from proofyard.core.errors import BadInput, Fault
from proofyard.proofs.statement import Proof, Statement

ROOT = Path(__file__).parents[2]


def proofyard(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proofyard", *map(str, arguments)],
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
    checked = proofyard("verify", out, "--chain-id", "31337")
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith("valid: leaf4-d16/evm of noir")
    assert "INSECURE" in checked.stdout
    refuses_what_is_altered(out / "proof.json", tmp_path / "altered.json")
    page = (out / "report.html").read_text()
    assert "INSECURE" in page
    assert 'id="chart-0"' in page


def refuses_what_is_altered(good: Path, place: Path) -> None:
    proof = Proof.from_json(good.read_bytes())
    data = bytearray(proof.data)
    data[len(data) // 2] ^= 1
    refused: dict[str, Proof] = {
        "refused: it doesn't verify": replace(proof, data=bytes(data)),
        f"refused: its {len(proof.data) - 1} bytes are no proof": replace(proof, data=proof.data[:-1]),
        "refused: it is of version 0 of leaf4-d16/evm, ours is": replace(proof, version="0"),
        "refused: a stand-in of the calibrated backend": replace(proof, backend="calibrated"),
    }
    for reason, altered in refused.items():
        place.write_text(altered.to_json())
        with pytest.raises(Fault, match=reason):
            verify(place, srs="development")
    with pytest.raises(Fault, match="refused: chain_id is 31337, not 1"):
        verify(good, chain_id=1, srs="development")
    with pytest.raises(Fault, match=f"refused: payout is 0x70997970c51812dc3a010c7d01b50e0d17dc79c8, not {7:#042x}"):
        verify(good, payout=f"{7:#042x}", srs="development")
    for text in (good.read_text()[:-1], "x" * 10_000_000):
        place.write_text(text)
        with pytest.raises(BadInput, match=r"^proof: wanted "):
            verify(place)
    with pytest.raises(BadInput, match=r"got .*none.json \(No such file"):
        verify(place.with_name("none.json"))


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
    (["--batches", "0"], "--batches: wanted a whole number from 1 to 4096, got 0."),
    (["--batches", "100000000"], "--batches: wanted a whole number from 1 to 4096, got 100000000."),
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
