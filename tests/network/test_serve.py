"""When a market says where it is: once it has looked at its journal, not before."""

import asyncio
import os
import resource
import secrets
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from network import markets as m

from proofyard.chain.devchain import free_port
from proofyard.core import Fault, Kind
from proofyard.network.client import AsyncMarket
from proofyard.network.coordinator import Coordinator
from proofyard.network.journal import connect
from proofyard.network.refusals import Refused
from proofyard.network.server import serve


async def served(market: Coordinator, said: list[str]) -> None:
    """Serve until the market has begun or ended; note what troubled it when it said that it had begun."""
    begun = asyncio.Event()

    def note() -> None:
        said.append(market.trouble)
        begun.set()

    async def end() -> None:
        await begun.wait()
        assert market._writer is not None
        market._writer.cancel()  # whereupon the server stops as it does after a signal

    ending = asyncio.create_task(end())
    try:
        await asyncio.wait_for(serve(market, "127.0.0.1", free_port(), begun=note), 60)
    finally:
        ending.cancel()


def test_a_market_says_that_it_has_begun_when_it_writes_or_stands_by(tmp_path: Path) -> None:
    async def play() -> None:
        said: list[str] = []
        await served(m.coordinator(tmp_path / "market.db"), said)
        first = m.coordinator(tmp_path / "market.db")
        async with m.running(first):
            await m.trouble(first, "")
            await served(m.coordinator(tmp_path / "market.db"), said)
        assert said == ["", "standby"]

    asyncio.run(play())


def test_a_market_that_may_not_write_its_journal_never_says_that_it_has_begun(tmp_path: Path) -> None:
    async def play() -> None:
        said: list[str] = []
        await served(m.coordinator(tmp_path / "market.db"), said)
        thief = Coordinator(connect(str(tmp_path / "market.db")), m.STRANGER, m.backend())
        with pytest.raises(Fault, match="wanted the key of"):
            await served(thief, said)
        assert said == [""]

    asyncio.run(play())


def test_a_market_starts_without_charts_and_wallets() -> None:
    """Whoever is killed comes back as soon as its modules are loaded: these two take as long as all others."""
    code = (
        "import sys, proofyard.cli.market, proofyard.explorer.app, proofyard.network.server, proofyard.network.keystore"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "proofyard.explorer.app" in loaded
    assert not {"altair", "vl_convert", "eth_account"} & set(loaded)


@contextmanager
def started(journal: Path) -> Generator[tuple[str, int]]:
    """A market in a process of its own; yields its address and the number of the process."""
    port = free_port()
    arguments = ["market", str(journal), "-m", m.RULE, "--port", str(port), "--actors", "16"]
    process = subprocess.Popen(
        [sys.executable, "-m", "proofyard", *arguments],
        env={**os.environ, "PROOFYARD_KEY": secrets.token_hex(32)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(60)


def test_files_that_may_not_grow_any_more_lose_nothing_that_was_accepted(tmp_path: Path) -> None:
    """As on a full file system: the operating system refuses to write, in the middle of whatever SQLite is at."""
    accepted: list[int] = []

    async def fill(market: AsyncMarket) -> None:
        for price in range(1, 1_000):
            await market.offer(price, 1)
            accepted.append(price)

    async def play(url: str, process: int) -> None:
        patient, market = AsyncMarket(url, m.PROVER, patience_s=60), AsyncMarket(url, m.PROVER, patience_s=0)
        async with patient, market:
            await patient.join("prover")
            most = (tmp_path / "market.db-wal").stat().st_size + 400_000
            resource.prlimit(process, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
            with pytest.raises(Refused, match="JOURNAL"):
                await fill(market)
            assert (await patient.health())["role"] != "writer"
            assert accepted
            resource.prlimit(process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await patient.offer(7_777, 1)  # asks again until it is taken
            accepted.append(7_777)

    with started(tmp_path / "market.db") as (url, process):
        asyncio.run(asyncio.wait_for(play(url, process), 120))
    assert [row.amount for row in m.read(tmp_path / "market.db") if row.kind == Kind.OFFER] == accepted
    assert m.audited(tmp_path / "market.db").ok
