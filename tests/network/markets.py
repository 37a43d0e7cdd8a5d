"""A market for tests: calibrated proofs a thousand times as fast, everybody's keys, and small batches."""

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from proofyard.network.coordinator import Coordinator
from proofyard.network.journal import connect
from proofyard.network.messages import Domain, Signer
from proofyard.network.work import Task
from proofyard.proofs.calibrated import Calibrated
from proofyard.rollup.batch import run_batch
from proofyard.rollup.load import Load

TOKEN = 10**9
SPEED = 1_000.0
RULE = "staked_pool(min_capacity=1, seats=4, min_window_ms=2000, initial_delay_ms=1000, cooldown_ms=50, open_window_ms=2000)"


def signer(number: int) -> Signer:
    return Signer(number.to_bytes(32))


WRITER, REQUESTER, PROVER, STRANGER = (signer(k) for k in (1, 2, 3, 4))


def backend() -> Calibrated:
    return Calibrated(speed=SPEED, key=b"tests")


def genesis(mechanism: str = RULE, **more: Any) -> dict[str, Any]:
    return {"mechanism": mechanism, "actors": 16, "grant_gwei": 1_000 * TOKEN, **more}


def coordinator(url: str | Path, mechanism: str = RULE, **more: Any) -> Coordinator:
    return Coordinator(connect(str(url)), WRITER, backend(), genesis(mechanism, **more))


def tasks(count: int = 1, size: int = 4, seed: int = 1) -> list[Task]:
    load = Load(seed=seed, accounts=8, depth=4)
    transfers = load.transfers()
    return [Task(run_batch(load.ledger, list(islice(transfers, size))), size) for _ in range(count)]


def proof_of(task: Task, prover: Signer) -> bytes:
    return backend().prove(task.job(prover.address)).to_json().encode()


def domain(market: dict[str, Any]) -> Domain:
    return Domain(market["chain_id"], bytes.fromhex(market["contract"][2:]), bytes.fromhex(market["market"][2:]))


def same_state(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(_flat(one), _flat(other), strict=True))


def _flat(state: Any) -> list[Any]:
    return [array for part in state for array in (_flat(part) if isinstance(part, tuple) else [part])]
