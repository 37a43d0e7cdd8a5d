"""Money that the rule holds and its owner takes away: called back in time, or owed; nobody else's settlement stops."""

import asyncio
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from network import markets as m
from network.yard import BROUGHT, DELAY_S, Yard, ask, entered, settled, yards

from proofyard.cli.market import market
from proofyard.core.errors import BadInput
from proofyard.mechanisms import rule
from proofyard.network.claims import holds_s
from proofyard.network.client import AsyncMarket
from proofyard.network.purse import Purse
from proofyard.network.records import Record
from proofyard.network.refusals import Refused

STAKED = 100 * m.TOKEN  # by the prover of `entered`


@pytest.fixture(scope="module")
def make_yard(tmp_path_factory: pytest.TempPathFactory) -> Generator[Callable[..., Yard]]:
    with yards(tmp_path_factory.mktemp("claims")) as make:
        yield make


async def told(market: AsyncMarket, name: str) -> dict[str, int]:
    return (await market.market())["settlement"][name]


def take_out(yard: Yard, purse: Purse) -> int:
    """Take everything out of the vault, as its owner may: after the delay, and without telling the market."""
    gwei = purse.client.free()
    purse.client.leave(gwei)
    yard.chain.rpc("evm_increaseTime", DELAY_S + 1)
    purse.client.withdraw()
    return gwei


def let_mandate_end(yard: Yard, purse: Purse) -> None:
    _, _, until, _ = purse.client.read("Settlement", "granted", purse.client.address)
    now = int(yard.chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)  # noqa: FBT003 - JSON-RPC
    yard.chain.rpc("evm_increaseTime", until - now + 1)
    yard.chain.rpc("evm_mine")


def vault_has_what_the_market_says(yard: Yard, actors: list[dict[str, Any]]) -> None:
    for actor in actors:
        assert yard.bank().held(actor["address"]) == sum(
            actor.get(column, 0) for column in ("cash", "stake", "exiting")
        )


def audited(yard: Yard, path: str | Path) -> dict[str, int]:
    report = yard.audit(path)
    assert report.ok, report.first_failure
    assert report.chain is not None
    return report.chain


def test_staked_money_that_is_asked_back_is_called_back(
    make_yard: Callable[..., Yard], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    yard, path = make_yard(), tmp_path / "market.db"

    async def play() -> list[dict[str, Any]]:
        async with entered(yard, yard.coordinator(path)) as (requester, prover):
            client, address = yard.purse(m.PROVER).client, m.PROVER.address
            for free in (BROUGHT - STAKED, 0):  # the second time all of it is staked

                async def accounts() -> tuple[int, int]:
                    return tuple((await asyncio.to_thread(client.read, "Vault", "accounts", address))[:2])

                await asyncio.to_thread(client.leave, client.free())
                await m.until(accounts, (STAKED, BROUGHT - STAKED if free else 0))
                assert await told(requester, "uncovered_gwei") == {}
                if free:
                    yard.chain.rpc("evm_increaseTime", DELAY_S + 1)
                    await asyncio.to_thread(client.withdraw)
            job = await ask(yard, requester, m.tasks(1)[0])  # and it goes on
            await prover.prove(job, m.proof_of(m.tasks(1)[0], m.PROVER))
            await settled(requester)
            return await requester.actors()

    actors = asyncio.run(play())
    assert "money the rule holds is leaving the vault" in caplog.text
    vault_has_what_the_market_says(yard, actors)
    chain = audited(yard, path)
    assert (chain["withdrawals"], chain["uncovered"], chain["open"]) == (2, 0, 0)


def test_money_taken_out_while_nobody_looked_is_lent_owed_and_collected(
    make_yard: Callable[..., Yard], url: str
) -> None:
    """The escrow of a job leaves the vault while the coordinator is away; the prover is paid all the same."""
    yard, path = make_yard(), url
    house, task, requester_address = m.WRITER.address.lower(), m.tasks(1)[0], m.REQUESTER.address.lower()

    async def play() -> dict[str, int]:
        async with entered(yard, yard.coordinator(path)) as (requester, _):
            job = await ask(yard, requester, task)
        await asyncio.to_thread(take_out, yard, yard.purse(m.REQUESTER))
        coordinator = yard.coordinator(path)
        async with m.running(coordinator) as client:
            requester, prover = client(m.REQUESTER, 60), client(m.PROVER, 60)
            escrow = (await requester.job(job))["escrow_gwei"]
            await m.until(lambda: told(requester, "uncovered_gwei"), {requester_address: escrow})
            with pytest.raises(Refused, match="put in again") as refused:
                await ask(yard, requester, m.tasks(2)[1])
            assert refused.value.reason == "UNCOVERED"
            await prover.prove(job, m.proof_of(task, m.PROVER))

            async def opened() -> list[str]:
                found = await told(requester, "open_gwei")
                return sorted(address for address, gwei in found.items() if gwei)

            await m.until(opened, sorted([requester_address, house]))
            await settled(prover)
            found = await told(requester, "open_gwei")
            metrics = coordinator.metrics.registry.get_sample_value
            assert (metrics("proofyard_uncovered_gwei"), metrics("proofyard_owed_gwei")) == (escrow, found[house])
            price = (await prover.job(job))["paid_gwei"]
            assert found[requester_address] == -found[house]
            assert 0 < price <= found[house]  # and the fee
            held = yard.bank().held(m.PROVER.address)
            actor = await prover.actor()
            assert held == actor["cash"] + actor["stake"]  # the prover has its money
            assert price <= escrow
            return found

    found = asyncio.run(play())
    assert audited(yard, path)["uncovered"] == 1

    async def go_on() -> list[dict[str, Any]]:
        async with m.running(yard.coordinator(path)) as client:
            requester = client(m.REQUESTER, 60)
            await m.until(lambda: told(requester, "open_gwei"), found)  # it knows after a start
            purse = yard.purse(m.REQUESTER)
            await asyncio.to_thread(purse.client.mint, BROUGHT)
            await asyncio.to_thread(purse.client.deposit, BROUGHT, name="again")
            await m.until(lambda: told(requester, "open_gwei"), {})
            assert await told(requester, "uncovered_gwei") == {}
            await settled(requester)
            assert await ask(yard, requester, m.tasks(2)[1]) == 1
            return await requester.actors()

    actors = asyncio.run(go_on())
    chain = audited(yard, path)
    assert chain["open"] > 0
    requester = next(actor for actor in actors if actor["address"] == requester_address)
    assert yard.bank().held(requester_address) == BROUGHT - found[house]
    assert requester["cash"] < BROUGHT - found[house]  # the rest is in escrow
    assert [row.kind for row in m.read(path)].count(Record.UNCOVERED) == 1


def test_one_order_under_two_requests_stops_nobody(make_yard: Callable[..., Yard], tmp_path: Path) -> None:
    yard, path = make_yard(), tmp_path / "market.db"
    task, ceiling = m.tasks(1)[0], 2 * m.TOKEN

    async def play() -> list[dict[str, Any]]:
        async with entered(yard, yard.coordinator(path)) as (requester, prover):
            payload = await asyncio.to_thread(yard.purse(m.REQUESTER).payload, task, ceiling, "calibrated")
            jobs = [(await requester.request(payload, ceiling, 1_000)).job for _ in range(2)]
            for job in jobs:
                await prover.prove(job, m.proof_of(task, m.PROVER))
            await settled(requester)
            return await requester.actors()

    vault_has_what_the_market_says(yard, asyncio.run(play()))
    assert audited(yard, path)["payments"] == 2


def test_a_mandate_that_ends_stops_nobody(make_yard: Callable[..., Yard], tmp_path: Path) -> None:
    """What it would have paid is lent, and taken once there is a mandate again."""
    yard, path = make_yard(), tmp_path / "market.db"

    async def play() -> list[dict[str, Any]]:
        async with entered(yard, yard.coordinator(path, rule="contest(bidding_ms=500, bids_to=2)")) as (
            requester,
            prover,
        ):
            purse = yard.purse(m.PROVER)
            await asyncio.to_thread(let_mandate_end, yard, purse)
            job = await ask(yard, requester, m.tasks(1)[0])
            await prover.bid(job, m.TOKEN)

            async def phase() -> str:
                return await m.phase(requester, job)

            await m.until(phase, "ASSIGNED")
            await prover.prove(job, m.proof_of(m.tasks(1)[0], m.PROVER))
            await settled(requester)

            async def owed() -> int:
                return (await told(requester, "open_gwei")).get(m.PROVER.address.lower(), 0)

            await m.until(owed, -m.TOKEN)
            await asyncio.to_thread(purse.keep_up)
            await m.until(owed, 0)
            await settled(requester)
            return await requester.actors()

    vault_has_what_the_market_says(yard, asyncio.run(play()))
    assert audited(yard, path)["payments"] == 1


def test_a_vault_that_lets_money_go_too_soon_is_refused_and_one_that_may_is_told(
    make_yard: Callable[..., Yard], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(BadInput, match="--actors: wanted at most 400 where the money is on a chain, got 401"):
        market(str(tmp_path / "none.db"), mechanism="race", actors=401, chain="http://127.0.0.1:1")
    hasty = make_yard(delay_s=3)
    with pytest.raises(BadInput, match=r"a vault whose delay is at least 4 s on anvil: .* got 3 s"):
        hasty.bank()
    assert holds_s(rule("race(window_ms=59_000)", "rule")) < DELAY_S < holds_s(rule("race(window_ms=60_001)", "rule"))

    async def play(window_ms: int) -> None:
        coordinator = make_yard().coordinator(tmp_path / f"{window_ms}.db", rule=f"race(window_ms={window_ms})")
        async with m.running(coordinator) as client:
            await settled(client(m.REQUESTER, 60))

    asyncio.run(play(1_000))
    assert "the vault's delay" not in caplog.text
    asyncio.run(play(61_000))
    assert "the vault's delay is shorter than the rule can hold money" in caplog.text
