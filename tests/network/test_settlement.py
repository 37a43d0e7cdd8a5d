"""Money of a live market in contracts on a real development chain: in, paid by proofs, out, and what audit finds."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from network import markets as m
from network.yard import BROUGHT, CEILING, DELAY_S, Yard, ask, entered, prove_all, settled, yards

from proofyard import mechanisms
from proofyard.network.orders import order_in
from proofyard.network.purse import enter
from proofyard.network.records import Record, Row, pack, unpack
from proofyard.network.refusals import Refused
from proofyard.network.requester import Asked, Rollup
from proofyard.network.roots import Roots
from proofyard.proofs.calibrated import Calibrated


@pytest.fixture(scope="module")
def make_yard(tmp_path_factory: pytest.TempPathFactory) -> Generator[Callable[..., Yard]]:
    with yards(tmp_path_factory.mktemp("yards")) as make:
        yield make


def with_row(seq: int, **changes: Any) -> Callable[[list[Row]], list[Row]]:
    """Change one row."""
    return lambda rows: [row._replace(**changes) if row.seq == seq else row for row in rows]


def test_a_settler_that_is_about_to_send_a_batch_is_not_idle(make_yard: Callable[..., Yard], tmp_path: Path) -> None:
    yard, path = make_yard(), tmp_path / "market.db"
    told: list[bool] = []

    async def play() -> None:
        coordinator = yard.coordinator(path)
        settler = coordinator.settler
        assert settler is not None
        settle = settler.bank.settle

        def watched(*values: Any) -> Any:
            told.append(settler.told()["idle"])
            return settle(*values)

        settler.bank.settle = watched  # type: ignore[method-assign]

        async def followed() -> bool:
            market = await requester.market()
            return market["settlement"]["idle"] and market["settlement"]["followed_seq"] == market["seq"]

        async with entered(yard, coordinator) as (requester, prover):
            for task in m.tasks(2):
                job = await ask(yard, requester, task)
                await m.until(followed, wanted=True)  # idle, until the proof comes
                await prover.prove(job, m.proof_of(task, m.PROVER))
                await settled(requester)

    asyncio.run(play())
    assert len(told) >= 2
    assert not any(told)


def test_deposits_proofs_and_changes_reach_the_chain_and_audit_holds_them_against_it(
    make_yard: Callable[..., Yard], fresh: Callable[[], str]
) -> None:
    yard, path = make_yard(), fresh()

    async def play() -> tuple[dict[str, Any], list[dict[str, Any]]]:
        async with entered(yard, yard.coordinator(path)) as (requester, prover):
            await prove_all(yard, requester, prover, m.tasks(2))
            await settled(requester)
        # Another coordinator goes on where the chain is: nothing is settled twice.
        async with entered(yard, yard.coordinator(path)) as (requester, prover):
            await prove_all(yard, requester, prover, m.tasks(3)[2:])
            told = await settled(requester)
            return told, await requester.actors()

    told, actors = asyncio.run(play())
    report = yard.audit(path)
    assert report.ok, report.first_failure
    assert report.chain is not None
    assert (report.chain["deposits"], report.chain["payments"], report.proofs) == (2, 3, 3)
    assert report.chain["blocks"] == report.words
    assert told["trouble"] == ""
    bank = yard.bank()
    for actor in actors:
        held = sum(actor[column] for column in ("cash", "stake", "exiting"))
        assert bank.client.free(actor["address"]) == held  # the vault has what the market says, to the gwei
    was, now = (state.book.reserve[0] for state in (mechanisms.rule(m.RULE).genesis(16, 1), m.rebuilt(path).state))
    burnt = int(now - was)  # fees, less the rewards minted: nothing where they are equal
    assert sum(actor["cash"] + actor["stake"] for actor in actors) + burnt == 2 * BROUGHT
    rows = m.read(path)
    deposit = next(row for row in rows if row.kind == Record.DEPOSIT)
    more = with_row(deposit.seq, amount=deposit.amount + 1)
    found = yard.audit(m.forged(path, fresh(), more)).first_failure
    assert found is not None
    assert (found.seq, "the vault says" in found.why) == (deposit.seq, True)
    batch = next(row for row in rows if row.kind == Record.SETTLEMENT)
    body = unpack(batch.body) | {"transaction": "0x" + 64 * "1"}
    other = with_row(batch.seq, body=pack(body))
    found = yard.audit(m.forged(path, fresh(), other)).first_failure
    assert found is not None
    assert (found.seq, "settled nothing on the chain" in found.why) == (batch.seq, True)


def test_a_proof_that_the_chain_refuses_never_pays(make_yard: Callable[..., Yard], tmp_path: Path) -> None:
    """The coordinator's own check takes stand-ins of another key than the contract's: the contract decides."""
    yard, path = make_yard(), tmp_path / "market.db"
    wrong = Calibrated(speed=m.SPEED, key=b"another key")

    async def play() -> str:
        async with entered(yard, yard.coordinator(path, wrong)) as (requester, prover):
            (task,) = m.tasks(1)
            job = await ask(yard, requester, task)
            proof = wrong.prove(task.job(m.PROVER.address)).to_json().encode()
            with pytest.raises(Refused) as refused:
                await prover.prove(job, proof)
            assert await m.phase(requester, job) == "ASSIGNED"
            return f"{refused.value.reason}: {refused.value.got}"

    assert asyncio.run(play()) == "BAD_PROOF: the chain refuses it: BadProof"
    assert m.rebuilt(path).state.book.paid.sum() == 0


def test_a_request_brings_an_order_that_pays(make_yard: Callable[..., Yard], tmp_path: Path) -> None:
    yard = make_yard()

    def signed_otherwise(payload: bytes) -> bytes:
        """The same signature as messages may have it, which the contract does not take."""
        order = json.loads(payload)
        return json.dumps(
            order | {"signature": order["signature"][:-2] + f"{order_in(payload).signature[64] - 27:02x}"}
        ).encode()

    async def play() -> list[str]:
        told: list[str] = []
        async with entered(yard, yard.coordinator(tmp_path / "market.db")) as (requester, _):
            first, second = m.tasks(2)
            purse = yard.purse(m.REQUESTER)
            payloads = [
                first.to_bytes(),
                purse.payload(first, CEILING - 1, "calibrated"),
                yard.purse(m.PROVER).payload(first, CEILING, "calibrated"),
                second.to_bytes()[:-1] + purse.payload(first, CEILING, "calibrated")[len(first.to_bytes()) - 1 :],
                signed_otherwise(purse.payload(first, CEILING, "calibrated")),
            ]
            for payload in payloads:
                with pytest.raises(Refused) as refused:
                    await requester.request(payload, CEILING, 1_000)
                told.append(f"{refused.value.reason}: {refused.value.got}")
            return told

    told = asyncio.run(play())
    assert told[0] == "BAD_PAYLOAD: none, or a malformed one"
    assert told[1] == f"BAD_PAYLOAD: its order pays {CEILING - 1} gwei at most, the request {CEILING}"
    assert "its order is of" in told[2]
    assert told[3] == "BAD_PAYLOAD: its order is for another statement than its batch's"
    assert "its order is not signed by" in told[4]


def test_money_leaves_the_market_and_the_vault(make_yard: Callable[..., Yard], url: str) -> None:
    yard, path = make_yard(), url
    told_first, silent = 50 * m.TOKEN, 20 * m.TOKEN

    async def play() -> None:
        async with entered(yard, yard.coordinator(path)) as (requester, prover):
            await requester.send("leave", amount=told_first)
            purse = yard.purse(m.REQUESTER)
            await asyncio.to_thread(purse.client.leave, told_first)
            await asyncio.to_thread(yard.purse(m.PROVER).client.leave, silent)  # without telling the market

            async def cash() -> list[int]:
                return [(await each.actor())["cash"] for each in (requester, prover)]

            await m.until(cash, [BROUGHT - told_first, BROUGHT - 100 * m.TOKEN - silent])
            with pytest.raises(Refused):
                await requester.send("leave", amount=BROUGHT)
            yard.chain.rpc("evm_increaseTime", DELAY_S + 1)
            await asyncio.to_thread(purse.client.withdraw)
            assert purse.client.read("Token", "balanceOf", purse.client.address) == told_first * 10**9
            await settled(requester)

    asyncio.run(play())
    report = yard.audit(path)
    assert report.ok, report.first_failure
    assert report.chain is not None
    assert report.chain["withdrawals"] == 2


def test_the_command_pays_in_and_asks_again_with_a_new_order(make_yard: Callable[..., Yard], tmp_path: Path) -> None:
    yard, path = make_yard(), tmp_path / "market.db"
    arguments = ["--chain", yard.place.url, "--deployment", str(yard.place.deployment), "--deposit", "300",
                 "--ceiling", "0.000001", "--raise-percent", "1000000000", "--most", "2", "--transfers", "4",
                 "--json"]  # fmt: skip

    async def play() -> list[dict[str, Any]]:
        async with m.running(yard.coordinator(path)) as client:
            prover = client(m.PROVER, 60)
            await enter(prover, yard.purse(m.PROVER), "prover", BROUGHT)
            await prover.offer(10, 1)
            await prover.stake(100 * m.TOKEN)
            command = [sys.executable, "-m", "proofyard", "request", "--market", prover.urls[0], *arguments]
            environment = os.environ | {"PROOFYARD_KEY": (2).to_bytes(32).hex()}
            asking = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
            assert asking.stdout is not None

            async def assigned() -> bool:
                return [job["phase"] for job in await prover.jobs()] == ["ASSIGNED"]

            await m.until(assigned, wanted=True)
            await prover.prove(0, m.proof_of(next(Rollup(1, 4).tasks()), m.PROVER))
            told = json.loads(await asking.stdout.read())
            assert await asking.wait() == 0
            await settled(prover)
            return told

    (asked,) = asyncio.run(play())
    assert (asked["job"], asked["phase"]) == (0, "SETTLED")
    assert 0 < asked["paid_gwei"] <= CEILING
    report = yard.audit(path)
    assert report.ok, report.first_failure
    assert report.chain is not None
    assert report.chain["payments"] == 1


def test_the_rollups_root_moves_on_by_what_was_paid_and_a_lost_batch_is_asked_for_again(
    make_yard: Callable[..., Yard], tmp_path: Path
) -> None:
    rollup = Rollup(1, 4, accounts=8, depth=4)
    yard, path = make_yard(rollup.root), tmp_path / "market.db"

    async def play() -> int:
        async with entered(yard, yard.coordinator(path, rule="race(window_ms=6000)")) as (requester, prover):
            purse = yard.purse(m.REQUESTER)
            roots = Roots(rollup, purse, requester, "calibrated")
            tasks = roots.tasks()

            async def asked() -> tuple[m.Task, int]:
                task = next(tasks)
                payload = await asyncio.to_thread(purse.payload, task, CEILING, "calibrated")
                accepted = await requester.request(payload, CEILING, 1_000)
                roots.heard(task, Asked(accepted, CEILING, []))
                return task, accepted.job

            lost, job = await asked()  # nobody proves it

            async def phase() -> str:
                return await m.phase(requester, job)

            await m.until(phase, "LOST")
            await roots.look()
            again, job = await asked()
            assert again == lost
            await prover.prove(job, m.proof_of(again, m.PROVER))
            roots.heard(refused := next(tasks), Asked(None, CEILING, ["NO_PROVER"]))
            task, job = await asked()
            assert task == refused
            await prover.prove(job, m.proof_of(task, m.PROVER))
            await settled(requester)
            await roots.look()
            assert purse.client.read("Rollup", "root") == task.batch.new_root.to_bytes(32)
            return roots.height

    assert asyncio.run(play()) == 2
    report = yard.audit(path)
    assert report.ok, report.first_failure
    assert report.chain is not None
    assert report.chain["roots"] == report.chain["payments"] == 2
