"""What settling survives: a crash between two payments of one row, blocks taken back, processes killed."""

import asyncio
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from network import markets as m
from network.yard import BROUGHT, Yard, ask, entered, settled, yards

from proofyard.chain import Batch
from proofyard.core.errors import Fault
from proofyard.network.clock import Clock
from proofyard.network.coordinator import Coordinator
from proofyard.network.purse import LASTS_S, LEAST, TIMES, kept
from proofyard.network.records import Record, unpack
from proofyard.network.refusals import Refused
from proofyard.network.settlement import Settler

IN_ORDER = "race(fee_rule=1)"  # a proof pays itself and all that waited for it, in one row
AT_ONCE = "race"  # a proof is paid in its own row, and no word is drawn for that


@pytest.fixture(scope="module")
def make_yard(tmp_path_factory: pytest.TempPathFactory) -> Generator[Callable[[], Yard]]:
    with yards(tmp_path_factory.mktemp("trouble")) as make:
        yield make


def settler_of(coordinator: Coordinator) -> Settler:
    assert coordinator.settler is not None
    return coordinator.settler


async def trouble(coordinator: Coordinator, part: str) -> None:
    """Wait until it says so."""

    async def ask_it() -> bool:
        return part in settler_of(coordinator).trouble if part else not settler_of(coordinator).trouble

    await m.until(ask_it, wanted=True)


async def blocks(yard: Yard, more: int) -> None:
    """Wait until there are so many blocks more."""
    wanted = yard.chain.block_number() + more

    async def there() -> bool:
        return await asyncio.to_thread(yard.chain.block_number) >= wanted

    await m.until(there, wanted=True)


def money_is_the_same_on_both_sides(yard: Yard, actors: list[dict[str, Any]]) -> None:
    bank = yard.bank()
    for actor in actors:
        held = sum(actor.get(column, 0) for column in ("cash", "stake", "exiting"))
        assert bank.client.free(actor["address"]) == held


@pytest.mark.parametrize("another", [False, True])
def test_a_crash_between_two_payments_of_one_row_pays_both_once(
    make_yard: Callable[[], Yard], url: str, *, another: bool
) -> None:
    """`another`: a new coordinator goes on; else the same one, after the chain was away."""
    yard, path = make_yard(), url

    async def play() -> list[dict[str, Any]]:
        coordinator = yard.coordinator(path, rule=IN_ORDER)
        bank = settler_of(coordinator).bank
        settle, paid, broken = bank.settle, list[bytes](), [True]

        def breaks(batch: Any, payments: Any, changes: Any) -> Any:
            if paid and broken[0]:
                raise Fault("the chain is away.")
            receipt = settle(batch, payments, changes)
            paid.extend([batch.head] if payments else [])
            return receipt

        bank.settle = breaks
        async with entered(yard, coordinator) as (requester, prover):
            first, second = m.tasks(2)
            jobs = [await ask(yard, requester, task) for task in (first, second)]
            await prover.prove(jobs[1], m.proof_of(second, m.PROVER))
            await prover.prove(jobs[0], m.proof_of(first, m.PROVER))
            await trouble(coordinator, "is away")
            assert len(paid) == 1
            if not another:
                broken[0] = False
                await trouble(coordinator, "")
                await settled(requester)
                return await requester.actors()
        async with entered(yard, yard.coordinator(path, rule=IN_ORDER)) as (requester, _):
            await settled(requester)
            return await requester.actors()

    actors = asyncio.run(play())
    report = yard.audit(path)
    assert report.ok, report.first_failure
    assert report.chain is not None
    assert report.chain["payments"] == 2
    money_is_the_same_on_both_sides(yard, actors)
    told = [unpack(row.body) for row in m.read(path) if row.kind == Record.SETTLEMENT]
    assert [body["jobs"] for body in told if body["jobs"]] == [[0], [1]]


def test_a_batch_that_the_chain_takes_back_is_sent_again(make_yard: Callable[[], Yard], tmp_path: Path) -> None:
    """Once while it is not deep enough to count, once when it has counted."""
    yard, path = make_yard(), tmp_path / "market.db"

    async def play() -> None:
        coordinator = yard.coordinator(path, rule=AT_ONCE)
        bank = settler_of(coordinator).bank
        settle = bank.settle

        def forgotten(batch: Any, payments: Any, changes: Any) -> Any:
            receipt = settle(batch, payments, changes)
            yard.chain.rpc("anvil_reorg", yard.chain.block_number() - receipt.block + 1, [])
            bank.settle = settle
            return receipt

        async with entered(yard, coordinator) as (requester, prover):
            for task, deep in zip(m.tasks(2), (False, True), strict=True):
                job = await ask(yard, requester, task)
                await blocks(yard, 3)  # the word's block stays
                began = yard.chain.block_number()
                if not deep:
                    bank.settle = forgotten
                await prover.prove(job, m.proof_of(task, m.PROVER))
                await settled(requester)
                if deep:
                    taken = bank.client.read("Settlement", "batches")
                    yard.chain.rpc("anvil_reorg", yard.chain.block_number() - began, [])
                    assert bank.client.read("Settlement", "batches") < taken

                    async def sent_again(taken: int = taken) -> bool:
                        return await asyncio.to_thread(bank.client.read, "Settlement", "batches") == taken

                    await m.until(sent_again, wanted=True)
                    await settled(requester)
            money_is_the_same_on_both_sides(yard, await requester.actors())

    asyncio.run(play())
    report = yard.audit(path)
    assert report.ok, report.first_failure
    assert report.chain is not None
    assert report.chain["payments"] == 2


def test_a_deposit_that_the_chain_takes_back_is_waited_for(make_yard: Callable[[], Yard], tmp_path: Path) -> None:
    yard, path = make_yard(), tmp_path / "market.db"

    async def play() -> None:
        coordinator = yard.coordinator(path, rule=AT_ONCE)
        clock = coordinator.clock
        async with entered(yard, coordinator) as (requester, prover):
            purse = yard.purse(m.PROVER)
            began = yard.chain.block_number()
            await asyncio.to_thread(purse.client.mint, m.TOKEN)
            await asyncio.to_thread(purse.client.deposit, m.TOKEN, name="more")

            async def cash() -> int:
                return (await prover.actor())["cash"]

            await m.until(cash, BROUGHT + m.TOKEN)
            yard.chain.rpc("anvil_reorg", yard.chain.block_number() - began, [])
            await trouble(coordinator, f"such as {m.TOKEN} gwei of {m.PROVER.address}")
            requester.transport.patience_s = 0.5  # else it asks again for a minute
            with pytest.raises(Refused) as refused:
                await requester.offer(10, 1)
            assert refused.value.reason == "BUSY"
            requester.transport.patience_s = 60.0
            clock = coordinator.clock
            stands = clock.now()
            await blocks(yard, 2)
            assert clock.now() == stands  # nobody misses a deadline meanwhile
            await asyncio.to_thread(purse.client.outbox.resume)
            await trouble(coordinator, "")
            job = await ask(yard, requester, m.tasks(1)[0])
            await prover.prove(job, m.proof_of(m.tasks(1)[0], m.PROVER))
            await settled(requester)
            money_is_the_same_on_both_sides(yard, await requester.actors())

    asyncio.run(play())
    report = yard.audit(path)
    assert report.ok, report.first_failure
    assert report.chain is not None
    assert report.chain["deposits"] == 3  # it came twice, and counts once


def test_a_mandate_is_renewed_before_it_is_used_up_and_before_it_ends(
    make_yard: Callable[[], Yard], monkeypatch: pytest.MonkeyPatch
) -> None:
    yard, writer = make_yard(), m.WRITER.address
    taker, purse = yard.bank(), yard.purse(m.PROVER)
    taker.open_house(0)
    purse.fill(BROUGHT)
    given = taker.client.read("Settlement", "granted", purse.client.address)
    purse.keep_up()
    assert taker.client.read("Settlement", "granted", purse.client.address) == given  # enough is left
    monkeypatch.setattr("proofyard.network.purse.KEEP_S", 0.1)

    def left() -> int:
        limit, used, _, _ = taker.client.read("Settlement", "granted", purse.client.address)
        return limit - used

    async def use_up() -> None:
        """Take and give back until twice what is there is not left, as a rule's slashes and refunds would."""
        async with kept(purse):
            for turn in range(3):
                for sign in (-1, 1):
                    moved = {purse.client.address: sign * BROUGHT, writer: -sign * BROUGHT}
                    previous = await asyncio.to_thread(taker.head)
                    batch = Batch(previous, bytes([turn + 1, 1 + sign]) * 16)
                    await asyncio.to_thread(taker.settle, batch, [], moved)

                async def enough() -> bool:
                    return await asyncio.to_thread(left) >= LEAST * BROUGHT

                await m.until(enough, wanted=True)

    asyncio.run(use_up())
    _, used, until, _ = taker.client.read("Settlement", "granted", purse.client.address)
    assert used == 3 * BROUGHT
    yard.chain.rpc("evm_increaseTime", LASTS_S + 60)
    yard.chain.rpc("evm_mine")
    purse.keep_up()  # it has ended, and begins anew
    limit, used, later, _ = taker.client.read("Settlement", "granted", purse.client.address)
    assert (limit, used) == (TIMES * BROUGHT, 0)
    assert later > until


def test_a_clock_that_was_held_goes_on_where_it_stood() -> None:
    ns = [0]
    clock = Clock(5, monotonic=lambda: ns[0])
    ns[0] += 2_000_000
    clock.hold()
    ns[0] += 9_000_000
    clock.hold()
    assert clock.now() == 7
    clock.go_on()
    clock.go_on()
    ns[0] += 1_000_000
    assert clock.now() == 8
