"""A job on a Ray cluster of three nodes on this machine, one of which is killed in the middle of a proof.

`python tests/proofs/ray_nodes.py FOLDER` proves with stand-ins, `… FOLDER noir` really (about two CPU minutes). Only
two of the nodes have the label that is asked for. Prints what came out.
"""

import json
import os
import sys
import threading
import time
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from proofyard.proofs.backend import Job
from proofyard.proofs.calibrated import Calibrated
from proofyard.proofs.noir import Noir
from proofyard.proofs.parallel import prove_all
from proofyard.proofs.statement import Proof
from proofyard.proofs.toolchain import Toolchain, set_up
from proofyard.proofs.tree import Store
from proofyard.rollup.batch import run_batch
from proofyard.rollup.load import Load

LABEL, SPEED = "proofyard", 20_000.0
STARTS = 5
MEMORY = 3 * 2**30  # bytes a node says it has


def is_victim(folder: Path) -> bool:
    """Tell whether this is the node that will die, at its first part; the other waits until that one is at work."""
    import ray  # noqa: PLC0415 - in the worker

    node = ray.get_runtime_context().get_node_id()
    (folder / f"used-{node}").touch()
    if node == (folder / "victim").read_text(encoding="utf-8"):
        return True
    while not (folder / "busy").exists():
        time.sleep(0.05)
    return False


class StandIns(Calibrated):
    """On the node that will die it waits for that."""

    def __init__(self, folder: Path) -> None:
        super().__init__(speed=SPEED)
        self.folder = folder

    def prove(self, job: Job) -> Proof:
        if is_victim(self.folder):
            (self.folder / "busy").touch()
            threading.Event().wait()
        return super().prove(job)


class Real(Noir):
    """Says when the prover is at work on the node that will die."""

    def __init__(self, folder: Path, tools: Toolchain) -> None:
        super().__init__(tools, print)
        self.folder = folder

    def prove(self, job: Job) -> Proof:
        if is_victim(self.folder):
            threading.Thread(target=self._say_when_proving, daemon=True).start()
        return super().prove(job)

    def _say_when_proving(self) -> None:
        from proofyard.proofs import process  # noqa: PLC0415 - of the worker

        while not any("prove" in str(one.args) for one in list(process._living.values())):
            time.sleep(0.01)
        (self.folder / "busy").touch()


def add(cluster: Any, **settings: Any) -> Any:
    """Start a node; Ray gives up on one after 30 s, which a busy machine may need."""
    for left in range(STARTS - 1, -1, -1):
        try:
            return cluster.add_node(memory=MEMORY, **settings)
        except Exception as error:
            if "timed out during startup" not in str(error) or not left:
                raise
    raise AssertionError


def main(folder: Path, *, real: bool) -> None:
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "PROOFYARD_RAY_RESOURCE": LABEL,
    }
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - after its settings

    from proofyard.proofs.cluster import RayWorkers  # noqa: PLC0415

    cluster = Cluster()
    add(cluster, num_cpus=2, include_dashboard=False)
    nodes = [add(cluster, num_cpus=1, resources={LABEL: 1}) for _ in range(2)]
    (folder / "victim").write_text(nodes[1].node_id, encoding="utf-8")

    def kill() -> None:
        while not (folder / "busy").exists():
            time.sleep(0.05)
        cluster.remove_node(nodes[1], allow_graceful=False)

    threading.Thread(target=kill, daemon=True).start()
    load = Load(seed=3, accounts=8)
    batches = [run_batch(load.ledger, list(islice(load.transfers(), 3))) for _ in range(2 if real else 4)]
    tools = set_up("auto", print) if real else None
    make = partial(StandIns, folder) if tools is None else partial(Real, folder, tools)
    backend = Calibrated(speed=SPEED) if tools is None else Noir(tools, print)
    workers = RayWorkers(str(cluster.address), make, 2)
    try:
        backend.prepare(4, joins=True)
        result = prove_all(batches, 4, 7, backend=backend, workers=workers, store=Store(folder / "parts"))
        outcomes = [span.outcome for span in result.spans]
        used = {path.name.removeprefix("used-") for path in folder.glob("used-*")}
        others = sorted(used - {node.node_id for node in nodes})
        told_of = {"lost": outcomes.count("lost"), "proven": outcomes.count("proven"), "nodes": len(used)}
        print(json.dumps({**told_of, "without label": others, "verified": backend.verify(result.proof)}))  # noqa: T201
    finally:
        backend.close()
        workers.stop()
        cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), real="noir" in sys.argv[2:])
