"""Snapshots are a cache: with one or without, the state is what the journal says."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from network import markets as m

from proofyard.network import snapshot
from proofyard.network.journal import Journal, connect
from proofyard.network.market import Market
from proofyard.network.snapshot import BY_ACTOR, FIXED, FORMAT, HASH, KEPT, OTHERS, PASSING, Frozen, restored

CEILING = 500 * m.TOKEN


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 120))


def same(one: Market, other: Market) -> bool:
    named = [name for name in (*KEPT, *BY_ACTOR, *OTHERS) if name != "state"]
    return m.same_state(one.state, other.state) and all(getattr(one, name) == getattr(other, name) for name in named)


async def write(url: str, jobs: int, seed: int = 1) -> None:
    """Write some history: jobs that are proven, and one that is not."""
    coordinator = m.coordinator(url)
    async with m.running(coordinator) as client:
        await m.trouble(coordinator, "")
        requester, prover = (
            await m.staked(client) if not coordinator.ready().jobs else (client(m.REQUESTER), client(m.PROVER))
        )
        for k, task in enumerate(m.tasks(jobs, seed=seed)):
            job = (await requester.request(task.to_bytes(), CEILING, 1_000)).job
            if k < jobs - 1:
                await prover.prove(job, m.proof_of(task, m.PROVER))


def opened(url: str) -> Journal:
    journal = connect(url)
    for _ in range(200):  # PostgreSQL takes a moment to notice that a session is gone
        if journal.acquire():
            return journal
    pytest.fail("the lock was not given up")


def test_snapshot_and_tail_are_the_whole_journal(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "WORTH", 1)  # rows that are worth a snapshot when the market ends
    run(write(url, 3))
    journal = connect(url)
    at = journal.last()
    assert at is not None
    market, seq = restored(journal)
    assert seq == at.seq
    assert same(market, Market.rebuild(journal.rows()))
    journal.close()
    monkeypatch.setattr(snapshot, "WORTH", 2**62)
    run(write(url, 2, seed=2))  # it began from the snapshot, and none was kept since
    journal = connect(url)
    market, seq = restored(journal)
    assert seq == at.seq < market.last.seq
    assert market.jobs == 5
    assert same(market, Market.rebuild(journal.rows()))
    assert market.money_difference == 0
    journal.close()


def test_a_busy_market_keeps_one_now_and_then(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        monkeypatch.setattr(snapshot, "EVERY", 5)
        coordinator = m.coordinator(tmp_path / "market.db")
        async with m.running(coordinator) as client:
            _, prover = await m.staked(client)
            for k in range(6):
                await prover.offer(10 + k, 1)

            async def kept() -> bool:
                return await coordinator.read(lambda journal: journal.snapshot()) is not None

            await m.until(kept, True)  # noqa: FBT003 - what is waited for

    run(play())


def flipped(data: bytes) -> bytes:
    return data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]


def signed(data: bytes) -> bytes:
    return hashlib.sha256(data).digest() + data


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "a bit flipped": flipped,
    "cut off": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "no archive": lambda _: signed(b"state"),
    "cut off, its hash made anew": lambda data: signed(data[HASH : len(data) // 2]),
    "another row": lambda data: signed(data[HASH:].replace(b'"seq": 5', b'"seq": 4')),
    "another format": lambda data: signed(data[HASH:].replace(b'"format": %d' % FORMAT, b'"format": 9')),
    "another rule": lambda data: signed(data[HASH:].replace(b'"staked_pool', b'"stakes_pool')),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A journal of seven rows."""
    path = tmp_path_factory.mktemp("snapshot") / "market.db"
    run(write(str(path), 1))
    return path


def test_a_snapshot_keeps_all_that_a_market_is(kept: Any) -> None:
    """A new attribute of a market has to find its place in the snapshot."""
    journal = opened(str(kept))
    assert set(vars(Market(next(journal.rows())))) == {*KEPT, *BY_ACTOR, *OTHERS, *PASSING, *FIXED}
    journal.close()


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_snapshot_is_thrown_away(kept: Any, how: str) -> None:
    journal = opened(str(kept))
    whole = Market.rebuild(journal.rows())
    then = Market.rebuild(journal.rows(until=5))
    data = Frozen(then).to_bytes()
    journal.keep_snapshot(5, data)
    assert restored(journal)[1] == 5  # the one that is not spoilt is used
    spoilt = SPOILT[how](data)
    assert spoilt != data
    journal.keep_snapshot(5, spoilt)
    market, seq = restored(journal)
    assert seq == -1
    assert same(market, whole)
    journal.close()


def test_a_snapshot_of_another_journal_is_thrown_away(kept: Any, tmp_path: Any) -> None:
    run(write(str(tmp_path / "other.db"), 1))
    ours, other = opened(str(kept)), connect(str(tmp_path / "other.db"))
    ours.keep_snapshot(5, Frozen(Market.rebuild(other.rows(until=5))).to_bytes())
    assert restored(ours)[1] == -1
    for journal in (ours, other):
        journal.close()
