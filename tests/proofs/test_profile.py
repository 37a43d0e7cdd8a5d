"""The capacity profile that `proofyard bench` writes, and what reads it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from proofyard.cli.trial import trial
from proofyard.core.errors import BadInput
from proofyard.network.pace import profile_for
from proofyard.proofs.measure import fit, kept_at
from proofyard.proofs.quiet import Meter
from proofyard.worlds.hardware import hardware, proving_ms
from proofyard.worlds.profile import Profile, Sample, read


def profile(**changes: object) -> Profile:
    samples = [
        Sample(
            size=k,
            threads=1,
            witness_ms=50 * k,
            proving_ms=500 + 250 * k,
            verify_ms=10,
            cpu_ms=500 + 300 * k,
            peak_mib=200,
        )
        for k in (4, 16)
    ]
    fields = {
        "machine": "a test", "cores": 2, "memory_mib": 8_000, "backend": "noir", "secure_srs": False, "setup_ms": 500.0,
        "ms_per_transfer": 300.0, "error": 0.05, "join_ms": 25_000, "join_threads": 2, "join_alone_ms": 42_000,
        "best_size": 16, "concurrency": 2, "beside": 1.1, "samples": samples,
    }  # fmt: skip
    return Profile.model_validate(fields | changes)


def test_a_measured_machine_is_hardware_of_a_scenario(tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text(profile().model_dump_json())
    model = hardware(f"profile:{file}")
    assert proving_ms(model, 16 * 21_000) == pytest.approx(500 + 300 * 16, abs=1)
    assert "a test" in model.source


@pytest.mark.parametrize(("text", "reason"), [
    ("", "the file: Invalid JSON"), ("{}", "machine: Field required"), ('{"format": 2}', "format: Input should be 1"),
])  # fmt: skip
def test_a_damaged_profile_is_one_sentence(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "profile.json"
    file.write_text(text)
    with pytest.raises(
        BadInput, match=f"provers.hardware: wanted a profile written by proofyard bench, got .*: {reason}"
    ):
        hardware(f"profile:{file}")
    with pytest.raises(BadInput, match="No such file"):
        read(str(tmp_path / "none"), "x")
    file.write_text(json.dumps(json.loads(profile().model_dump_json()) | {"cores": -1}))
    with pytest.raises(BadInput, match="cores: Input should be greater"):
        read(str(file), "x")


def test_a_trial_takes_the_profile_it_is_given_or_the_last_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROOFYARD_CACHE", str(tmp_path))
    assert profile_for("noir", None) is None
    kept_at().parent.mkdir()
    kept_at().write_text(profile(machine="this one").model_dump_json())
    given = tmp_path / "given.json"
    given.write_text(profile(machine="that one").model_dump_json())
    found, named = profile_for("noir", None), profile_for("noir", given)
    assert found is not None
    assert named is not None
    assert (found[0].machine, found[1], named[0].machine) == ("this one", kept_at(), "that one")
    assert profile_for("groth16", None) is None  # nobody has measured that
    with pytest.raises(BadInput, match="--profile: wanted one of backend groth16, got noir"):
        profile_for("groth16", given)
    with pytest.raises(BadInput, match="--profile: wanted a profile written by proofyard bench, got"):
        profile_for("noir", tmp_path / "none.json")


def test_a_trial_without_proofs_takes_no_profile(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--profile: wanted a backend that proves, --backend noir, got calibrated"):
        trial(Path("scenarios/payments-rollup.toml"), profile=tmp_path / "profile.json")


def test_fit_finds_the_line_and_its_error() -> None:
    assert fit([4, 16, 64], [1_300, 3_700, 13_300]) == (500.0, 200.0, 0.0)
    assert fit([1, 2], [1_000, 3_000])[0] == 0.0  # never a negative start
    assert fit([4, 16, 16, 64], [1_300, 3_700, 4_100, 13_300])[2] == pytest.approx(0.075, abs=0.03)


def test_what_others_use_is_told_from_what_we_use() -> None:
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    meter = Meter()
    subprocess.run([sys.executable, "-c", busy], check=True)
    assert meter.others(0) > 0  # a program nobody told it about
    assert meter.others(1e9) == 0  # all that was used was ours
