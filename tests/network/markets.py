"""A market for tests: calibrated proofs a thousand times as fast, everybody's keys, and small batches."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn

from proofyard import mechanisms
from proofyard.network.api import make_app
from proofyard.network.audit import Report, audit
from proofyard.network.client import AsyncMarket
from proofyard.network.coordinator import Coordinator
from proofyard.network.journal import connect
from proofyard.network.market import Market
from proofyard.network.messages import Domain, Signer
from proofyard.network.records import FIRST, Blob, Row, digest, hash_row, unpack
from proofyard.network.server import Server
from proofyard.network.work import Task
from proofyard.proofs.calibrated import Calibrated
from proofyard.rollup.batch import run_batch
from proofyard.rollup.load import Load

TOKEN = 10**9
SPEED = 1_000.0
RULE = (
    "staked_pool(min_capacity=1, seats=4, min_window_ms=30000, max_window_ms=30000, initial_delay_ms=1000, "
    "cooldown_ms=50, open_window_ms=2000)"
)


def signer(number: int) -> Signer:
    return Signer(number.to_bytes(32))


WRITER, REQUESTER, PROVER, STRANGER = (signer(k) for k in (1, 2, 3, 4))


def backend() -> Calibrated:
    return Calibrated(speed=SPEED, key=b"tests")


def genesis(mechanism: str = RULE, **more: Any) -> dict[str, Any]:
    return {"mechanism": mechanism, "actors": 16, "grant_gwei": 1_000 * TOKEN, **more}


def coordinator(url: str | Path, mechanism: str = RULE, **more: Any) -> Coordinator:
    return Coordinator(connect(str(url)), WRITER, backend(), genesis(mechanism, **more))


@asynccontextmanager
async def running(coordinator: Coordinator, port: int = 0) -> AsyncGenerator[Callable[..., AsyncMarket]]:
    """Start a market behind a port (0: any), within this process; yields what makes clients for it."""
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(make_app(coordinator), log_config=None, timeout_graceful_shutdown=1)
        server = Server(config, coordinator)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        clients: list[AsyncMarket] = []

        def client(who: Signer, patience_s: float = 10.0) -> AsyncMarket:
            clients.append(AsyncMarket(url, who, patience_s=patience_s))
            return clients[-1]

        try:
            yield client
        finally:
            for each in clients:
                await each.close()
            server.should_exit = True
            await serving


async def until(ask: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """Wait until `ask` answers what is wanted, for 30 s at most."""
    for _ in range(1_500):
        if await ask() == wanted:
            return
        await asyncio.sleep(0.02)
    message = f"wanted {wanted!r} within 30 s, got {await ask()!r}"
    raise AssertionError(message)


async def trouble(coordinator: Coordinator, wanted: str) -> None:
    async def ask() -> str:
        return coordinator.trouble

    await until(ask, wanted)


async def phase(market: AsyncMarket, job: int) -> str:
    return (await market.job(job))["phase"]


async def staked(client: Callable[..., AsyncMarket]) -> tuple[AsyncMarket, AsyncMarket]:
    """A requester, and a prover with a seat."""
    requester, prover = client(REQUESTER), client(PROVER)
    await requester.join("rollup")
    await prover.join("prover")
    await prover.offer(10, 1)
    await prover.stake(100 * TOKEN)
    return requester, prover


def rebuilt(url: str | Path) -> Market:
    journal = connect(str(url))
    market = Market.rebuild(journal.rows())
    journal.close()
    return market


def read(url: str | Path) -> list[Row]:
    journal = connect(str(url))
    rows = list(journal.rows())
    journal.close()
    return rows


def audited(url: str | Path) -> Report:
    journal = connect(str(url))
    try:
        return audit(journal, backend())
    finally:
        journal.close()


def forged(honest: str | Path, url: str, change: Callable[[list[Row]], list[Row]], blobs: Sequence[Blob] = ()) -> str:
    """Write a journal anew with changed rows, each with the hash it should have, and with these blobs for its own."""
    source, target = connect(str(honest)), connect(url)
    rows = list(source.rows())
    named = {bytes.fromhex(name[2:]) for row in rows for name in _names(unpack(row.body))}
    kept = {name: data for name in named if (data := source.blob(name)) is not None}
    kept |= {blob.digest: blob.data for blob in blobs}
    written, before = list[Row](), FIRST
    for seq, row in enumerate(change(rows)):
        columns = (seq, *row[1:10])
        before = hash_row(before, columns)
        written.append(Row(*columns, before))
    assert target.acquire()
    target.append(written, [Blob(*each) for each in kept.items()])
    for journal in (source, target):
        journal.close()
    return url


def _names(body: dict[str, Any]) -> list[str]:
    """List the blobs that a body names."""
    message = body.get("message", {})
    return [name for name in (message.get("payload"), message.get("proof"), body.get("sheet")) if name is not None]


def tasks(count: int = 1, size: int = 4, seed: int = 1) -> list[Task]:
    load = Load(seed=seed, accounts=8, depth=4)
    transfers = load.transfers()
    return [Task(run_batch(load.ledger, list(islice(transfers, size))), size) for _ in range(count)]


def proof_of(task: Task, prover: Signer) -> bytes:
    return backend().prove(task.job(prover.address)).to_json().encode()


def digest_hex(data: bytes) -> str:
    return digest(data).hex()


def rule_file(name: str) -> str:
    return str(mechanisms.rule(name).module.__file__)


def domain(market: dict[str, Any]) -> Domain:
    return Domain(market["chain_id"], bytes.fromhex(market["contract"][2:]), bytes.fromhex(market["market"][2:]))


def same_state(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(_flat(one), _flat(other), strict=True))


def _flat(state: Any) -> list[Any]:
    return [array for part in state for array in (_flat(part) if isinstance(part, tuple) else [part])]
