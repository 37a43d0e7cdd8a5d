"""Where a commit is made: in the journal's own thread, or in place when that is quicker."""

import asyncio
import threading
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
from network import markets as m

from proofyard.network import disk as disks
from proofyard.network.disk import Disk
from proofyard.network.journal import JournalError, SqliteJournal
from proofyard.network.messages import Signed
from proofyard.network.records import Blob, Row
from proofyard.network.refusals import Refused


class Watched(SqliteJournal):
    """Says in which thread it appends, and takes as long as it is told to."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.threads: list[str] = []
        self.takes_s = 0.0
        self.fails = False

    def append(self, rows: Sequence[Row], blobs: Sequence[Blob] = ()) -> None:
        self.threads.append(threading.current_thread().name)
        time.sleep(self.takes_s)
        if self.fails:
            message = "no room"
            raise JournalError(message)
        super().append(rows, blobs)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 120))


def test_only_a_quick_file_with_an_idle_thread_is_written_in_place(tmp_path: Path) -> None:
    async def play() -> None:
        journal = Watched(tmp_path / "market.db")
        journal.acquire()
        disk = Disk(journal)
        assert not disk.quick  # nothing is known of it yet
        disk.commit_s = disks.QUICK_S / 2
        assert disk.quick
        busy, go = asyncio.create_task(disk.do(time.sleep, 0.2)), asyncio.sleep(0.05)
        await go
        assert not disk.quick
        await busy
        assert disk.quick
        journal.takes_s = 20 * disks.QUICK_S
        await disk.append([], [], here=True)
        assert not disk.quick  # it was slow just now
        journal.takes_s = 0.0
        disk.commit_s = disks.QUICK_S / 2
        journal.local = False
        assert not disk.quick  # a server may not answer
        disk.close()
        journal.close()

    run(play())


async def alone(coordinator: Any, signed: Signed) -> Any:
    return await asyncio.wait_for(coordinator.submit(signed), 60)


def test_a_market_writes_in_place_while_its_disk_is_quick_and_in_the_thread_when_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        monkeypatch.setattr(disks, "QUICK_S", 0.02)  # this machine may do much else
        journal = Watched(tmp_path / "market.db")
        coordinator = m.Coordinator(journal, m.WRITER, m.backend(), m.genesis())
        async with m.running(coordinator) as client:
            await m.staked(client)
            domain = coordinator.ready().domain
            coordinator._beaten = time.monotonic() + 600  # no note of the time, which would keep the thread busy

            async def offered(price: int) -> list[str]:
                journal.threads.clear()
                await alone(coordinator, m.PROVER.sign("offer", domain, price=price, capacity=1))
                return journal.threads

            coordinator.disk.commit_s = 0.001
            assert await offered(20) == ["MainThread"]
            journal.takes_s = 0.5
            assert await offered(30) == ["MainThread"]
            assert (await offered(40))[0].startswith("journal")  # it has learned
            journal.takes_s = 0.0
            coordinator.disk.commit_s = 0.001
            both = [m.PROVER.sign("offer", domain, price=price, capacity=1) for price in (50, 60)]
            journal.threads.clear()
            await asyncio.gather(*(alone(coordinator, each) for each in both))
            assert coordinator.ready().state.price[1] == 60
        assert m.rebuilt(tmp_path / "market.db").state.price[1] == 60

    run(play())


def test_what_fails_in_place_is_refused_and_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        monkeypatch.setattr(disks, "QUICK_S", 0.02)
        journal = Watched(tmp_path / "market.db")
        coordinator = m.Coordinator(journal, m.WRITER, m.backend(), m.genesis())
        async with m.running(coordinator) as client:
            _, prover = await m.staked(client)
            domain = coordinator.ready().domain
            coordinator._beaten = time.monotonic() + 600
            coordinator.disk.commit_s, journal.fails = 0.001, True
            journal.threads.clear()
            with pytest.raises(Refused, match="JOURNAL"):
                await alone(coordinator, m.PROVER.sign("offer", domain, price=20, capacity=1))
            assert journal.threads[0] == "MainThread"
            journal.fails = False
            await m.trouble(coordinator, "")
            assert (await prover.actor())["price"] == 10
            await prover.offer(30, 1)
        assert m.rebuilt(tmp_path / "market.db").state.price[1] == 30

    run(play())
