"""When a market says where it is: once it has looked at its journal, not before."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from network import markets as m

from proofyard.chain.devchain import free_port
from proofyard.core import Fault
from proofyard.network.coordinator import Coordinator
from proofyard.network.journal import connect
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
