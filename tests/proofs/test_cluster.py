"""A Ray cluster on this machine: the same job, on actors or nodes, one of which is killed."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from proofyard.core.errors import Fault
from proofyard.proofs.backend import Job
from proofyard.proofs.calibrated import Calibrated
from proofyard.proofs.cluster import RayWorkers
from proofyard.proofs.parallel import prove_all
from proofyard.proofs.statement import Proof
from proofyard.proofs.tree import Store
from proofyard.rollup.batch import run_batch
from proofyard.rollup.load import Load


def killed_once(mark: Path) -> type[Calibrated]:
    """Make a backend whose process dies at the first proof of all; a class of a function travels with its code."""

    class KilledOnce(Calibrated):
        def prove(self, job: Job) -> Proof:
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().prove(job)

    return KilledOnce


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_job_on_a_cluster_survives_the_death_of_an_actor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    load = Load(seed=3, accounts=8, depth=4)
    batches = [run_batch(load.ledger, list(islice(load.transfers(), 2))) for _ in range(3)]
    workers = RayWorkers("local", partial(killed_once(tmp_path / "mark"), speed=20_000), 2)
    try:
        backend = Calibrated(speed=20_000)
        result = prove_all(batches, 4, 7, backend=backend, workers=workers, store=Store(tmp_path / "parts"))
    finally:
        workers.stop()
    assert sum(span.outcome == "lost" for span in result.spans) == 1
    assert sum(span.outcome == "proven" for span in result.spans) == 5
    assert backend.verify(result.proof)


def test_a_job_survives_the_loss_of_a_node_for_good(tmp_path: Path) -> None:
    script = Path(__file__).with_name("ray_nodes.py")
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False)
    said = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert said, done.stdout[-2_000:] + done.stderr[-2_000:]
    told = json.loads(said[0])
    assert told["lost"] == 1
    assert told["proven"] == 7  # four batches, three joins, none twice
    assert told["nodes"] == 2
    assert told["without label"] == []
    assert told["verified"]


def test_a_cluster_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(Fault, match=r"--ray: no Ray cluster at 127\.0\.0\.1:9: "):
        RayWorkers("127.0.0.1:9", Calibrated)
