"""The prover node against a real market: what it takes, what it skips and why, and what it does after a crash."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from network import markets as m

from proofyard.chain import devchain
from proofyard.core import BadInput
from proofyard.network import keystore, server
from proofyard.network import node as nodes
from proofyard.network.client import AsyncMarket
from proofyard.network.node import ENOUGH, Node
from proofyard.network.refusals import Refused
from proofyard.network.requester import Again, ask, watch, why_untaken
from proofyard.network.settings import Settings, Watched, read
from proofyard.network.shelf import DONE, FAILED, PROVEN, TAKEN, Shelf
from proofyard.network.slots import Slots
from proofyard.network.transport import Away
from proofyard.proofs.calibrated import Calibrated

CEILING = 500 * m.TOKEN
STAKED = {"price_gwei": 10, "stake_gwei": 100 * m.TOKEN, "setup_ms": 5, "margin_ms": 0, "name": "prover"}


class Running:
    """A node in this process."""

    def __init__(self, market: AsyncMarket, shelf: Shelf, settings: Settings, speed: float = m.SPEED) -> None:
        self.node = Node(market, Calibrated(speed=speed, key=b"tests"), shelf, Watched(None, settings))
        self.task = asyncio.create_task(self.node.run())

    async def drained(self) -> None:
        self.node.drain()
        await asyncio.wait_for(self.task, 30)


def play(
    path: Path, story: Callable[[Callable[..., AsyncMarket], Shelf], Any], rule: str = m.RULE, url: str = ""
) -> None:
    async def run() -> None:
        async with m.running(m.coordinator(url or path / "market.db", rule)) as client:
            requester = client(m.REQUESTER)
            await requester.join("rollup")
            shelf = Shelf(path / "prover.db", (await requester.market())["market"])
            try:
                await story(client, shelf)
            finally:
                shelf.close()
            assert (await requester.market())["money_difference_gwei"] == 0

    asyncio.run(asyncio.wait_for(run(), 120))


async def has_stake(requester: AsyncMarket) -> None:
    async def stakes() -> bool:
        return any(actor["stake"] > 0 for actor in await requester.actors())

    await m.until(stakes, True)  # noqa: FBT003 - what is waited for


def test_takes_proves_hands_in_and_drains(tmp_path: Path, url: str) -> None:
    async def story(client: Callable[..., AsyncMarket], shelf: Shelf) -> None:
        requester, running = client(m.REQUESTER), Running(client(m.PROVER), shelf, Settings.model_validate(STAKED))
        await has_stake(requester)
        for task in m.tasks(3):
            asked = await ask(requester, lambda _, task=task: task.to_bytes(), CEILING, 1_000)
            assert asked.accepted is not None
            steps = [step["kind"] async for step in watch(requester, asked.accepted.job)]
            assert steps == ["REQUEST", "PROVE", "SETTLE"]
            assert shelf.state(asked.accepted.job) == DONE
        await running.drained()
        job = (await requester.request(m.tasks(1, seed=2)[0].to_bytes(), CEILING, 1_000)).job
        assert (await requester.job(job))["phase"] == "ASSIGNED"  # nobody is there any more

    play(tmp_path, story, url=url)


def test_a_stand_in_takes_longer_for_a_larger_job(tmp_path: Path) -> None:
    """The time the settings name, as the simulator foresees it: 5 ms, and 1 ms for each of the size."""

    async def story(client: Callable[..., AsyncMarket], shelf: Shelf) -> None:
        requester = client(m.REQUESTER)
        running = Running(client(m.PROVER), shelf, Settings.model_validate({**STAKED, "unit_ns": 1_000_000}))
        await has_stake(requester)
        asked = await ask(requester, lambda _: m.tasks()[0].to_bytes(), CEILING, 700)
        assert asked.accepted is not None
        assert [step["kind"] async for step in watch(requester, asked.accepted.job)] == ["REQUEST", "PROVE", "SETTLE"]
        (took,) = shelf.proving_ms()
        assert took >= 700
        await running.drained()

    play(tmp_path, story)


def test_tells_why_it_skips(tmp_path: Path, url: str) -> None:
    async def story(client: Callable[..., AsyncMarket], shelf: Shelf) -> None:
        requester = client(m.REQUESTER)
        slow = Settings.model_validate({**STAKED, "setup_ms": 60_000})
        running = Running(client(m.PROVER), shelf, slow)
        await has_stake(requester)
        job = (await requester.request(m.tasks()[0].to_bytes(), CEILING, 1_000)).job

        async def reasons() -> list[str]:
            return [skip["reason"] for skip in (await requester.job(job))["skips"]]

        await m.until(reasons, ["too late"])
        assert list(shelf.skips()) == [(job, "too late")]
        assert why_untaken(await requester.job(job)) == "1 × too late"
        await running.drained()

    play(tmp_path, story, url=url)


def test_what_waits_in_its_queue_makes_the_next_too_late(tmp_path: Path) -> None:
    """It can do one at a time and says four: of three that come at once the third would be ready after its deadline."""

    async def story(client: Callable[..., AsyncMarket], shelf: Shelf) -> None:
        requester = client(m.REQUESTER)
        boasts = Settings.model_validate({**STAKED, "policy": "overstate(4)", "setup_ms": 3_000})
        running = Running(client(m.PROVER), shelf, boasts)
        await has_stake(requester)
        tasks = [task.to_bytes() for task in m.tasks(3)]
        lines = [{"ceiling": CEILING, "size": 1_000, "payload": "0x" + m.digest_hex(task)} for task in tasks]
        await requester.send_sheet("request", lines, tasks)  # at once, however slow this machine

        async def seen() -> list[tuple[int, str]]:
            return [*shelf.skips(), *((job, TAKEN) for job in shelf.unfinished())]

        await m.until(seen, [(2, "too late"), (0, TAKEN), (1, TAKEN)])
        running.task.cancel()

    play(tmp_path, story, m.RULE.replace("window_ms=30000", "window_ms=8000"))


@pytest.mark.parametrize("left", [TAKEN, PROVEN])
def test_resumes_what_a_crash_left(tmp_path: Path, url: str, left: str) -> None:
    async def story(client: Callable[..., AsyncMarket], shelf: Shelf) -> None:
        requester, prover = client(m.REQUESTER), client(m.PROVER)
        await m.staked(client)
        task = m.tasks()[0]
        job = (await requester.request(task.to_bytes(), CEILING, 1_000)).job
        shelf.put(job, left, m.proof_of(task, m.PROVER) if left == PROVEN else None)
        shelf.put(99, DONE)
        running = Running(prover, shelf, Settings.model_validate(STAKED))
        made: list[Any] = []
        prove = running.node.backend.prove

        def watched(what: Any) -> Any:
            made.append(what)
            return prove(what)

        running.node.backend.prove = watched  # type: ignore[method-assign]
        await m.until(lambda: requester.jobs(unfinished=True), [])
        assert len(made) == (left == TAKEN)  # a proof that was there is handed in as it is
        assert (await requester.job(job))["phase"] == "SETTLED"
        assert shelf.state(job) == DONE
        await running.drained()

    play(tmp_path, story, url=url)


def test_the_market_decides_what_a_crash_left_undone(tmp_path: Path, url: str) -> None:
    async def story(client: Callable[..., AsyncMarket], shelf: Shelf) -> None:
        requester, prover = await m.staked(client)
        task = m.tasks()[0]
        job = (await requester.request(task.to_bytes(), CEILING, 1_000)).job
        await prover.prove(job, m.proof_of(task, m.PROVER))  # accepted, but the node was killed before it noted so
        shelf.put(job, PROVEN, m.proof_of(task, m.PROVER))
        running = Running(prover, shelf, Settings.model_validate(STAKED))

        async def state() -> str:
            return shelf.state(job)

        await m.until(state, DONE)
        rows = (await requester.job(job))["rows"]
        assert [row["kind"] for row in rows].count("PROVE") == 1
        await running.drained()

    play(tmp_path, story, url=url)


def test_rests_after_failures_in_a_row(tmp_path: Path) -> None:
    class Broken(Calibrated):
        def prove(self, job: Any) -> Any:
            message = "payload"
            raise BadInput(message, "a card that works", job.size)

    async def story(client: Callable[..., AsyncMarket], shelf: Shelf) -> None:
        requester = client(m.REQUESTER)
        settings = Settings.model_validate({**STAKED, "most_failures": 1})
        running = Running(client(m.PROVER), shelf, settings)
        running.node.backend = Broken(key=b"tests")
        await has_stake(requester)
        jobs = [(await requester.request(task.to_bytes(), CEILING, 1_000)).job for task in m.tasks(1)]

        async def failed() -> float:
            return running.node.metrics.proofs.labels("failed")._value.get()

        await m.until(failed, 1.0)
        late = (await requester.request(m.tasks(2)[1].to_bytes(), CEILING, 1_000)).job

        async def reasons() -> set[str]:
            return {reason for job, reason in shelf.skips() if job == late}

        await m.until(reasons, {"resting"})
        assert shelf.state(jobs[0]) in (TAKEN, FAILED)
        await running.drained()

    play(tmp_path, story)


def test_a_market_that_is_away_for_longer_than_a_client_waits_costs_no_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock stands still meanwhile: a node that gives up would be slashed for what nobody could take."""

    async def story(client: Callable[..., AsyncMarket], shelf: Shelf) -> None:
        requester, market = client(m.REQUESTER), client(m.PROVER)
        trouble = [Refused("STANDBY", "coordinator", "the writer", "another")] * (ENOUGH + 1) + [Away("nobody")] * 2
        real = market.prove

        async def prove(job: int, proof: bytes) -> Any:
            if trouble:
                raise trouble.pop(0)
            return await real(job, proof)

        monkeypatch.setattr(market, "prove", prove)
        running = Running(market, shelf, Settings.model_validate({**STAKED, "most_failures": 1}))
        await has_stake(requester)
        job = (await requester.request(m.tasks(1)[0].to_bytes(), CEILING, 1_000)).job

        async def state() -> str:
            return shelf.state(job)

        await m.until(state, DONE)
        assert not trouble
        await running.drained()

    play(tmp_path, story)


class Failing(Calibrated):
    """Fails so often before it proves."""

    def __init__(self, times: int) -> None:
        super().__init__(speed=m.SPEED, key=b"tests")
        self.left = times

    def prove(self, job: Any) -> Any:
        if self.left:
            self.left -= 1
            message = "bb"
            raise BadInput(message, "memory", "none")
        return super().prove(job)


def test_tries_again_what_failed_after_ever_longer_pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    again = Node._again

    async def noted(node: Node, job: int, pause_s: float) -> None:
        pauses.append(pause_s)
        await again(node, job, pause_s)

    monkeypatch.setattr(nodes, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(Node, "_again", noted)

    async def story(client: Callable[..., AsyncMarket], shelf: Shelf) -> None:
        requester = client(m.REQUESTER)
        running = Running(client(m.PROVER), shelf, Settings.model_validate({**STAKED, "most_failures": 10}))
        running.node.backend = Failing(4)
        await has_stake(requester)
        job = (await requester.request(m.tasks()[0].to_bytes(), CEILING, 1_000)).job
        await m.until(lambda: requester.jobs(unfinished=True), [])
        assert shelf.state(job) == DONE
        assert pauses == [0.01, 0.02, 0.04, 0.08]
        assert running.node.metrics.proofs.labels("failed")._value.get() == 4.0
        await running.drained()

    play(tmp_path, story)


def test_drains_what_it_has_and_begins_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "FIRST_PAUSE_S", 2.0)

    async def story(client: Callable[..., AsyncMarket], shelf: Shelf) -> None:
        requester = client(m.REQUESTER)
        running = Running(client(m.PROVER), shelf, Settings.model_validate({**STAKED, "setup_ms": 500}))
        await has_stake(requester)
        first, second = m.tasks(2)
        job = (await requester.request(first.to_bytes(), CEILING, 1_000)).job

        async def unfinished() -> list[int]:
            return shelf.unfinished()

        await m.until(unfinished, [job])
        await running.drained()  # in the middle of its work
        assert shelf.state(job) == DONE
        assert (await requester.job(job))["phase"] in ("PROVEN", "SETTLED")

        broken = Running(client(m.PROVER), shelf, Settings.model_validate(STAKED))
        broken.node.backend = Failing(1)

        async def failed() -> float:
            return broken.node.metrics.proofs.labels("failed")._value.get()

        await m.until(lambda: requester.jobs(unfinished=True), [])
        job = (await requester.request(second.to_bytes(), CEILING, 1_000)).job
        await m.until(failed, 1.0)
        await broken.drained()  # while it waits to try again
        assert list(shelf.skips()) == [(job, "draining")]

    play(tmp_path, story)


def test_leaves_what_it_has_no_circuit_for(tmp_path: Path) -> None:
    async def story(client: Callable[..., AsyncMarket], shelf: Shelf) -> None:
        requester = client(m.REQUESTER)
        running = Running(client(m.PROVER), shelf, Settings.model_validate(STAKED))
        running.node.transfers = 16
        await has_stake(requester)
        job = (await requester.request(m.tasks(1, size=4)[0].to_bytes(), CEILING, 1_000)).job

        async def reasons() -> list[tuple[int, str]]:
            return list(shelf.skips())

        await m.until(reasons, [(job, "unknown work")])
        await running.drained()

    play(tmp_path, story)


def test_leaves_an_open_job_that_pays_less_than_it_costs(tmp_path: Path) -> None:
    async def story(client: Callable[..., AsyncMarket], shelf: Shelf) -> None:
        requester = client(m.REQUESTER)
        dear = Settings.model_validate({**STAKED, "stake_gwei": 0, "rate_gwei": 2**60})
        running = Running(client(m.PROVER), shelf, dear)
        await requester.join("rollup")
        job = (await requester.request(m.tasks()[0].to_bytes(), CEILING, 1_000)).job
        assert (await requester.job(job))["phase"] == "OPEN"

        async def reasons() -> list[tuple[int, str]]:
            return list(shelf.skips())

        await m.until(reasons, [(job, "too cheap")])
        await running.drained()

    play(tmp_path, story, rule="race")


def test_in_a_race_it_takes_what_it_can_do_at_once_and_lets_go_of_what_is_lost(tmp_path: Path) -> None:
    async def story(client: Callable[..., AsyncMarket], shelf: Shelf) -> None:
        requester, rival = client(m.REQUESTER), client(m.STRANGER)
        await rival.join("rival")
        racing = Settings.model_validate({**STAKED, "stake_gwei": 0, "setup_ms": 600_000})
        running = Running(client(m.PROVER), shelf, racing)
        first, second = m.tasks(2)
        job = (await requester.request(first.to_bytes(), CEILING, 1_000)).job

        async def unfinished() -> list[int]:
            return shelf.unfinished()

        await m.until(unfinished, [job])
        other = (await requester.request(second.to_bytes(), CEILING, 1_000)).job

        async def skipped() -> list[tuple[int, str]]:
            return list(shelf.skips())

        await m.until(skipped, [(other, "no capacity")])
        await rival.prove(job, m.proof_of(first, m.STRANGER))

        async def lost() -> tuple[str, float]:
            return shelf.state(job), running.node.metrics.proofs.labels("lost")._value.get()

        await m.until(lost, (FAILED, 1.0))
        await running.drained()  # at once: there is nothing left to do

    play(tmp_path, story, rule="race")


def test_more_capacity_counts_at_once() -> None:
    async def count() -> None:
        watched = Watched(None, Settings(capacity=1))
        slots, inside = Slots(watched), 0
        full, leave = asyncio.Event(), asyncio.Event()

        async def one() -> None:
            nonlocal inside
            async with slots:
                inside += 1
                if inside == watched.now.capacity:
                    full.set()
                await leave.wait()

        proving = [asyncio.create_task(one()) for _ in range(5)]
        for capacity in (1, 3):
            watched.now = Settings(capacity=capacity)
            full.clear()
            slots.look()
            await full.wait()
            assert inside == capacity
        leave.set()
        await asyncio.gather(*proving)
        assert inside == 5

    asyncio.run(asyncio.wait_for(count(), 60))


def test_capacity_and_times_come_from_what_bench_measured(tmp_path: Path) -> None:
    samples = [
        {
            "size": size,
            "threads": 1,
            "witness_ms": 100,
            "proving_ms": ms,
            "verify_ms": 40,
            "cpu_ms": ms,
            "peak_mib": 300,
        }
        for size, ms in ((4, 1_900), (16, 4_900))
    ]
    measured = {
        "machine": "a card", "cores": 4, "memory_mib": 8_000, "backend": "noir", "secure_srs": True,
        "setup_ms": 1_000.0, "ms_per_transfer": 250.0, "error": 0.01, "join_ms": 9_000,
        "join_threads": 4, "join_alone_ms": 30_000,
        "best_size": 16, "concurrency": 3, "beside": 1.2, "samples": samples,
    }  # fmt: skip
    (tmp_path / "profile.json").write_text(json.dumps(measured), encoding="utf-8")
    path = tmp_path / "prover.toml"
    path.write_text('profile = "profile.json"\nbackend = "noir"\n', encoding="utf-8")
    settings = read(path)
    assert (settings.capacity, settings.setup_ms) == (3, 6_000)  # 5 s, three side by side
    assert read(path, 64).setup_ms == 20_400  # by the line, as nothing of 64 was measured
    path.write_text('profile = "profile.json"\nbackend = "noir"\ncapacity = 1\n', encoding="utf-8")
    assert (read(path).capacity, read(path).work_ms(10**9)) == (1, 5_000)
    path.write_text('profile = "profile.json"\n', encoding="utf-8")
    with pytest.raises(BadInput, match="backend calibrated"):
        read(path)
    path.write_text('profile = "nowhere.json"\n', encoding="utf-8")
    with pytest.raises(BadInput, match="proofyard bench"):
        read(path)


def test_asks_again_at_a_higher_ceiling_and_says_why(tmp_path: Path) -> None:
    async def story(client: Callable[..., AsyncMarket], shelf: Shelf) -> None:
        assert shelf.unfinished() == []
        requester = client(m.REQUESTER)
        asked = await ask(
            requester, lambda _: m.tasks()[0].to_bytes(), 100, 1_000, Again(times=2, raise_percent=50, pause_s=0)
        )
        assert asked.accepted is None
        assert asked.ceiling == 225
        assert [why.split(":")[0] for why in asked.why] == [f"TOO_DEAR at {gwei} gwei" for gwei in (100, 150, 225)]

    play(tmp_path, story, rule="staked_pool")


def test_settings_follow_their_file_and_a_broken_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "prover.toml"
    path.write_text('name = "one"\n', encoding="utf-8")
    watched = Watched(path)
    assert watched.look() == ""
    path.write_text('name = "two"\n', encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert watched.look() == ""
    assert watched.now.name == "two"
    path.write_text("capacity = 0\n", encoding="utf-8")
    os.utime(path, ns=(2, 2))
    assert "capacity" in watched.look()
    assert watched.now.name == "two"
    path.write_text("prices = 1\n", encoding="utf-8")
    with pytest.raises(BadInput, match="prices"):
        read(path)


def test_a_keystore_opens_with_its_password_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(keystore.KEY, raising=False)
    monkeypatch.setenv(keystore.PASSWORD, "right")
    made = keystore.signer_from(tmp_path / "key.json")
    assert keystore.signer_from(tmp_path / "key.json").address == made.address
    assert (tmp_path / "key.json").stat().st_mode & 0o077 == 0
    monkeypatch.setenv(keystore.PASSWORD, "wrong")
    with pytest.raises(BadInput, match="password"):
        keystore.signer_from(tmp_path / "key.json")
    monkeypatch.setenv(keystore.KEY, "12" * 31)
    with pytest.raises(BadInput) as caught:
        keystore.signer_from(None)
    assert "1212" not in str(caught.value)


def test_a_node_waits_for_a_market_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "MEET_S", 0.2)
    port, metrics = devchain.free_port(), devchain.free_port()
    settings = Watched(None, Settings.model_validate(STAKED | {"market": f"http://127.0.0.1:{port}"}))

    def node(metrics_port: int = 0) -> "asyncio.Task[Node | None]":
        backend = Calibrated(speed=m.SPEED, key=b"tests")
        return asyncio.create_task(
            server.prove_until_told(m.PROVER, settings, backend, tmp_path, metrics_port=metrics_port)
        )

    async def waits() -> bool:
        return "waiting for the market" in caplog.messages

    async def ready() -> bool:
        async with httpx.AsyncClient() as client:
            told = (await client.get(f"http://127.0.0.1:{metrics}/metrics")).text
        return "proofyard_prover_ready 1.0" in told.splitlines()

    async def story() -> None:
        early = node()
        await m.until(waits, True)  # noqa: FBT003 - what is waited for
        os.kill(os.getpid(), signal.SIGTERM)
        assert await early is None
        caplog.clear()
        patient = node(metrics)
        await m.until(waits, True)  # noqa: FBT003
        assert not await ready()
        async with m.running(m.coordinator(tmp_path / "market.db"), port) as client:
            await has_stake(client(m.REQUESTER))
            await m.until(ready, True)  # noqa: FBT003
            os.kill(os.getpid(), signal.SIGTERM)
            assert isinstance(await patient, Node)
        assert caplog.messages.count("waiting for the market") == 1

    asyncio.run(asyncio.wait_for(story(), 120))
