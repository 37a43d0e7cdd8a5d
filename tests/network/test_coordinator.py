import asyncio
import functools
import json
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from network import markets as m

from proofyard.cli.market import _backend_in as backend_in
from proofyard.core import Fault, Phase
from proofyard.explorer.replay import Replay
from proofyard.explorer.source import JournalSource
from proofyard.explorer.view import View
from proofyard.network import coordinator as coordinators
from proofyard.network import market as market_module
from proofyard.network.audit import audit
from proofyard.network.clock import Clock
from proofyard.network.journal import JournalError, SqliteJournal, connect
from proofyard.network.market import first_row, source_of
from proofyard.network.messages import Signed
from proofyard.network.records import digest
from proofyard.network.refusals import Refused
from proofyard.network.stream import BEHIND, Streams, Told
from proofyard.network.watching import MarketMetrics
from proofyard.proofs.calibrated import Calibrated

CEILING = 500 * m.TOKEN


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 120))


async def refusal(work: Coroutine[Any, Any, Any]) -> Refused:
    with pytest.raises(Refused) as caught:
        await work
    return caught.value


def test_a_job_lives_and_the_journal_gives_the_same_state_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        coordinator = m.coordinator(url)
        async with m.running(coordinator) as client:
            requester, prover = await m.staked(client)
            for task in m.tasks(3):
                job = (await requester.request(task.to_bytes(), CEILING, 1_000)).job
                assert (await requester.job(job))["prover"] == 1
                await prover.prove(job, m.proof_of(task, m.PROVER))
            await m.until(lambda: requester.jobs(unfinished=True), [])
            view = await requester.job(0)
            assert [row["kind"] for row in view["rows"]] == ["REQUEST", "PROVE", "SETTLE"]
            assert view["paid_gwei"] > 0
            told = await requester.market()
            assert told["money_difference_gwei"] == 0
            assert told["phases"]["SETTLED"] == 3
            now = coordinator.ready()

            async def written() -> int:
                return m.rebuilt(url).last.seq

            await m.until(written, now.last.seq)  # what is told of a timer may still be on its way to the disk
            plain = m.rebuilt(url)
            monkeypatch.setattr(market_module, "FEW", 0)
            compiled = m.rebuilt(url)
            for again in (plain, compiled):
                assert m.same_state(again.state, now.state)
                assert (again.jobs, again.addresses, again.revealed) == (now.jobs, now.addresses, now.revealed)
                assert again.used == now.used

    run(play())
    source = JournalSource(url)
    assert View(Replay(source)).figures["proofs"]["settled"] == 3
    source._journal.close()


def test_refuses_with_the_reason(tmp_path: Path) -> None:
    async def play() -> None:
        async with m.running(m.coordinator(tmp_path / "market.db")) as client:
            requester, prover = await m.staked(client)
            stranger = client(m.STRANGER)
            told = await requester.market()
            domain = m.domain(told)
            task, other = m.tasks(2)
            asked = await requester.request(task.to_bytes(), CEILING, 1_000)
            second = await requester.request(other.to_bytes(), CEILING, 1_000)
            proof = m.proof_of(task, m.PROVER)

            reasons = {
                "UNKNOWN_SENDER": stranger.stake(1),
                "BAD_SIGNATURE": prover.hand_in(
                    m.PROVER.sign("stake", domain._replace(chain_id=1), amount=1)
                ),
                "WRONG_MARKET": prover.hand_in(m.PROVER.sign("stake", domain._replace(market=bytes(32)), amount=1)),
                "EXPIRED": prover.hand_in(m.PROVER.sign("stake", domain, lasts_ms=-1, amount=1)),
                "TOO_FAR": prover.hand_in(m.PROVER.sign("stake", domain, lasts_ms=10_000_000, amount=1)),
                "POOR": prover.stake(2**60),
                "UNKNOWN_JOB": prover.prove(99, proof),
                "BAD_AMOUNT": prover.send("transfer", payee=m.REQUESTER.address, amount=0),
                "UNKNOWN_ACTOR": prover.send("transfer", payee=m.STRANGER.address, amount=1),
                "UNKNOWN": prover.send("delegate", prover=m.REQUESTER.address, amount=1),
            }  # fmt: skip
            for reason, work in reasons.items():
                assert (await refusal(work)).reason == reason
            garbage = ("{}", "garbage", m.proof_of(other, m.PROVER).decode(), m.proof_of(task, m.STRANGER).decode())
            for bytes_ in garbage:
                found = await refusal(prover.prove(asked.job, bytes_.encode()))
                assert found.reason == "BAD_PROOF"
            await prover.prove(asked.job, proof)
            assert (await refusal(prover.prove(asked.job, proof))).reason in ("WRONG_PHASE", "LATE")
            named = "0x" + m.digest_hex(b"another")
            for work in (
                requester.send("request", task.to_bytes(), ceiling=CEILING, size=1_000, payload=named),
                prover.send("prove", m.proof_of(other, m.PROVER), job=second.job, tier=0, proof=named),
                prover.send("stake", b"more", amount=1),
            ):
                found = await refusal(work)
                assert (found.reason, found.field.partition(".")[0]) in (
                    ("BAD_PAYLOAD", "message"),
                    ("BAD_PAYLOAD", "payload"),
                )
            assert (await refusal(requester.request(b'{"size":1,"batch":{}}', CEILING, 1))).reason == "BAD_PAYLOAD"
            await prover.prove(second.job, m.proof_of(other, m.PROVER))
            assert (await requester.market())["money_difference_gwei"] == 0

    run(play())


def test_a_message_counts_once_however_often_and_in_whatever_order_it_comes(url: str) -> None:
    async def play() -> None:
        coordinator = m.coordinator(url)
        async with m.running(coordinator) as client:
            _, prover = await m.staked(client)
            domain = coordinator.ready().domain
            signed = [m.PROVER.sign("offer", domain, price=k + 1, capacity=1) for k in range(20)]
            sent = [each for each in reversed(signed) for _ in range(5)]
            answers = await asyncio.gather(*(coordinator.submit(each) for each in sent), return_exceptions=True)
            accepted = [answer for answer in answers if not isinstance(answer, BaseException)]
            refused = [answer for answer in answers if isinstance(answer, Refused)]
            assert len(accepted) == 20
            assert len(refused) == 80
            assert {answer.reason for answer in refused} == {"REPLAYED"}
            assert (await prover.actor())["price"] == 1  # the last that came
            again = await prover.hand_in(signed[3])  # the client takes its own earlier try for what it is
            assert again.seq in {answer.seq for answer in accepted}
            later = m.PROVER.sign("offer", domain, price=99, capacity=1)
            await prover.cancel(int(later.message["nonce"]))
            assert (await refusal(coordinator.submit(later))).reason == "REPLAYED"

    run(play())


def test_a_message_counts_when_it_comes_however_late_or_not_at_all(url: str) -> None:
    """Held up on its way: by others sent after it, by a restart, beyond its expiry; copies of it later still."""
    held: dict[str, Signed] = {}

    async def sign() -> None:
        coordinator = m.coordinator(url)
        async with m.running(coordinator) as client:
            await m.staked(client)
            domain = coordinator.ready().domain
            for price, lasts_ms in ((31, 60_000), (32, 60_000), (33, 300_000), (34, 60_000)):
                held[f"{price}"] = m.PROVER.sign("offer", domain, price=price, capacity=1, lasts_ms=lasts_ms)

    async def arrive() -> None:
        coordinator = m.coordinator(url)
        async with m.running(coordinator) as client:
            prover = client(m.PROVER)
            await m.trouble(coordinator, "")
            sent_later = await coordinator.submit(held["32"])
            late = await coordinator.submit(held["31"])
            assert late.seq > sent_later.seq
            assert (await prover.actor())["price"] == 31
            coordinator.clock._booted += 120_000
            for price, reason in (("34", "EXPIRED"), ("31", "REPLAYED")):
                assert (await refusal(coordinator.submit(held[price]))).reason == reason
            await coordinator.submit(held["33"])
            assert (await prover.actor())["price"] == 33

    async def come_again() -> None:
        coordinator = m.coordinator(url)
        async with m.running(coordinator) as client:
            await m.trouble(coordinator, "")
            rows = coordinator.ready().last.seq
            for copy in held.values():
                assert (await refusal(coordinator.submit(copy))).reason in ("REPLAYED", "EXPIRED")
            assert coordinator.ready().last.seq == rows
            assert (await client(m.PROVER).actor())["price"] == 33

    for part in (sign, arrive, come_again):
        run(part())


def test_there_is_room_for_as_many_actors_as_at_genesis(tmp_path: Path) -> None:
    async def play() -> None:
        coordinator = m.coordinator(tmp_path / "market.db", actors=3)
        async with m.running(coordinator) as client:
            for k in range(3):
                await client(m.signer(100 + k)).join()
            assert (await client(m.signer(100)).join()).actor == 0
            found = await refusal(client(m.signer(200)).send("join", name="one more"))
            assert found.reason == "MARKET_FULL"
            assert "3 actors" in found.wanted

    run(play())


def test_a_missed_window_slashes_when_its_timer_rings(url: str) -> None:
    async def play() -> None:
        rule = m.RULE.replace("window_ms=30000", "window_ms=100")
        async with m.running(m.coordinator(url, rule)) as client:
            requester, prover = await m.staked(client)
            task = m.tasks()[0]
            job = (await requester.request(task.to_bytes(), CEILING, 1_000)).job
            await m.until(lambda: m.phase(requester, job), "OPEN")
            await prover.prove(job, m.proof_of(task, m.PROVER))
            await m.until(lambda: requester.jobs(unfinished=True), [])
            assert (await prover.actor())["slashed"] > 0
            assert (await prover.market())["money_difference_gwei"] == 0

    run(play())


def test_timers_ring_after_a_restart_for_what_was_asked_before(url: str) -> None:
    rule = m.RULE.replace("window_ms=30000", "window_ms=1500")

    async def ask() -> None:
        async with m.running(m.coordinator(url, rule)) as client:
            requester, _ = await m.staked(client)
            job = (await requester.request(m.tasks()[0].to_bytes(), CEILING, 1_000)).job
            assert await m.phase(requester, job) == "ASSIGNED"

    async def restarted() -> None:
        async with m.running(m.coordinator(url, rule)) as client:
            await m.until(lambda: m.phase(client(m.REQUESTER), 0), "OPEN")

    run(ask())
    run(restarted())


def test_a_proof_that_came_in_time_counts_however_long_it_is_verified(tmp_path: Path) -> None:
    class Slow(Calibrated):
        """Verifies when it is told to."""

        begun, go = threading.Event(), threading.Event()

        def why_not(self, proof: Any, wanted: Any = None) -> str:
            self.begun.set()
            assert self.go.wait(60)
            return super().why_not(proof, wanted)

    async def play() -> None:
        rule = m.RULE.replace("window_ms=30000", "window_ms=3000")
        backend = Slow(speed=m.SPEED, key=b"tests")
        journal = connect(str(tmp_path / "market.db"))
        coordinator = coordinators.Coordinator(journal, m.WRITER, backend, m.genesis(rule))
        async with m.running(coordinator) as client:
            requester, prover = await m.staked(client)
            task = m.tasks()[0]
            proof = m.proof_of(task, m.PROVER)
            job = (await requester.request(task.to_bytes(), CEILING, 1_000)).job
            deadline = (await requester.job(job))["deadline"]
            proving = asyncio.create_task(prover.prove(job, proof))
            await asyncio.to_thread(backend.begun.wait)
            came = coordinator.clock.now()

            async def over() -> bool:
                return coordinator.clock.now() > deadline + 500

            await m.until(over, True)  # noqa: FBT003 - what is waited for
            backend.go.set()
            if came < deadline:  # else this machine was too slow to be in time
                assert (await proving).time <= deadline
                assert [row["kind"] for row in (await requester.job(job))["rows"]][:2] == ["REQUEST", "PROVE"]
                assert (await prover.actor())["slashed"] == 0
            else:
                await asyncio.wait([proving])
            assert (await requester.market())["money_difference_gwei"] == 0

    run(play())


def test_what_expires_while_it_waits_is_refused_but_a_proof_counts_from_when_it_came(url: str) -> None:
    """Each waits in the market for two minutes, to be verified or for a block, and is good for one when it comes."""

    async def play() -> None:
        coordinator = m.coordinator(url)
        admit = coordinator.desk.admit

        async def admit_late(signed: Signed) -> int:
            coordinator.clock._booted += 120_000
            return await admit(signed)

        async with m.running(coordinator) as client:
            requester, prover = await m.staked(client)
            domain, (task, other) = m.domain(await requester.market()), m.tasks(2)
            job = (await requester.request(task.to_bytes(), CEILING, 1_000)).job
            coordinator.desk.admit = admit_late
            assert (await prover.prove(job, m.proof_of(task, m.PROVER))).job == job
            payload = other.to_bytes()
            fields: dict[str, Any] = {"ceiling": CEILING, "size": 1_000, "payload": "0x" + digest(payload).hex()}
            late = m.REQUESTER.sign("request", domain, payload, lasts_ms=180_000, **fields)
            assert (await refusal(requester.hand_in(late))).reason == "EXPIRED"
            assert (await requester.market())["jobs"] == 1

    run(play())
    opened = connect(url)
    report = audit(opened, m.backend())
    opened.close()
    assert report.ok, report.first_failure
    assert report.proofs == 1


def test_who_asks_for_more_than_it_has_gets_nothing_and_loses_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with m.running(m.coordinator(tmp_path / "market.db", "race")) as client:
            requester = client(m.REQUESTER)
            await requester.join("rollup")
            task = m.tasks()[0].to_bytes()
            has = (await requester.actor())["cash"]
            assert (await refusal(requester.request(task, has + 1, 1_000))).reason == "POOR"
            assert (await requester.actor())["cash"] == has
            await requester.request(task, has, 1_000)
            assert (await refusal(requester.request(task, 1, 1_000))).reason == "POOR"
            told = await requester.market()
            assert (told["jobs"], told["money_difference_gwei"]) == (1, 0)

    run(play())


def test_an_auction_that_decides_several_jobs_tells_the_winner_of_each(tmp_path: Path) -> None:
    async def play() -> None:
        rule = "proo_phi(one_sided=1, round_ms=1500, window_ms=2000)"
        coordinator = m.coordinator(tmp_path / "market.db", rule)
        async with m.running(coordinator) as client:
            requester, prover = client(m.REQUESTER), client(m.PROVER)
            await requester.join("rollup")
            await prover.join("prover")
            await prover.offer(10, 8)
            await prover.stake(100 * m.TOKEN)
            mine = coordinator.streams.listen(coordinator.ready().numbers[m.PROVER.address])
            jobs = [(await requester.request(task.to_bytes(), m.TOKEN, 1_000)).job for task in m.tasks(3)]
            given: set[int] = set()
            while given != set(jobs):
                told = await asyncio.wait_for(mine.queue.get(), 30)
                assert told is not None
                views = json.loads(told.text.split(b"data: ")[1]).get("jobs", ())
                given |= {view["job"] for view in views if view["phase"] == "ASSIGNED" and view["prover"] == 1}
            await m.until(lambda: requester.jobs(unfinished=True), [])  # each has a timer, and nobody proved any
            slashed = (await prover.actor())["slashed"]
            assert slashed == 3 * 100_000_000
            assert (await requester.market())["money_difference_gwei"] == 0

    run(play())


def test_an_outage_and_a_jump_of_the_clock_cost_nobody_a_deadline(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = m.tasks()[0]

    async def ask() -> None:
        async with m.running(m.coordinator(url)) as client:
            requester, _ = await m.staked(client)
            await requester.request(task.to_bytes(), CEILING, 1_000)

    async def prove() -> None:
        tomorrow = functools.partial(Clock, wall=lambda: time.time_ns() + 86_400 * 10**9)
        monkeypatch.setattr(coordinators, "Clock", tomorrow)
        coordinator = m.coordinator(url)
        async with m.running(coordinator) as client:
            prover = client(m.PROVER)
            await m.trouble(coordinator, "")
            view = await prover.job(0)
            assert view["phase"] == "ASSIGNED"
            assert view["deadline"] > coordinator.clock.now()
            signed = m.PROVER.sign("prove", coordinator.ready().domain, m.proof_of(task, m.PROVER), lasts_ms=86_460_000,
                                   job=0, tier=0, proof="0x" + m.digest_hex(m.proof_of(task, m.PROVER)))  # fmt: skip
            await coordinator.submit(signed)
            assert (await prover.job(0))["phase"] in ("PROVEN", "SETTLED")

    run(ask())
    run(prove())


def test_time_without_a_row_has_passed_after_a_restart(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever can stop the coordinator gives itself more time; what is noted now and then is not given back."""
    monkeypatch.setattr(coordinators, "BEAT_S", 0.02)
    noted = 0

    async def idle() -> None:
        nonlocal noted
        coordinator = m.coordinator(url)
        async with m.running(coordinator) as client:
            await m.staked(client)
            last = coordinator.ready().last.time

            async def beaten() -> bool:
                nonlocal noted
                noted = await coordinator.read(lambda journal: journal.beaten())
                return noted > last + 100

            await m.until(beaten, wanted=True)

    async def again() -> None:
        coordinator = m.coordinator(url)
        async with m.running(coordinator):
            await m.trouble(coordinator, "")
            assert coordinator.clock.now() >= noted
            assert coordinator.ready().last.time >= noted  # of the row that says who writes from here on

    run(idle())
    run(again())


def test_what_messages_expire_by_follows_no_jump_and_falls_below_no_row() -> None:
    day, wall, running = 86_400_000, [10**12], [0]
    clock = Clock(0, floor=7, since_boot=lambda: running[0] * 10**6, wall=lambda: wall[0] * 10**6)
    for jumped in (0, day, 2 * day, -day):
        wall[0] += jumped
        running[0] += 1_000
        assert clock.unix() == 10**12 + running[0]
    restarted = Clock(0, floor=clock.unix() + 5, since_boot=lambda: running[0] * 10**6, wall=lambda: 0)
    assert restarted.unix() == clock.unix() + 5


def test_a_second_coordinator_takes_over_without_losing_or_doubling(url: str) -> None:
    async def play() -> None:
        first, second = m.coordinator(url), m.coordinator(url)
        async with m.running(first) as client:
            requester, _ = await m.staked(client)
            await second.start()
            await m.trouble(second, "standby")
            found = await refusal(second.submit(m.PROVER.sign("stake", first.ready().domain, amount=1)))
            assert found.reason == "STANDBY"
            await requester.request(m.tasks()[0].to_bytes(), CEILING, 1_000)
            head = first.ready().last
        await m.trouble(second, "")
        market = second.ready()
        assert market.last.seq == head.seq + 1
        assert market.jobs == 1
        await second.stop()

    run(play())


def test_another_key_is_no_coordinator_of_this_journal(url: str) -> None:
    async def play() -> None:
        first = m.coordinator(url)
        async with m.running(first):
            await m.trouble(first, "")
        thief = coordinators.Coordinator(connect(url), m.STRANGER, m.backend())
        await thief.start()
        with pytest.raises(Fault, match="wanted the key of"):
            await thief.failed()
        await thief.stop()

    run(play())


def test_another_backend_is_no_verifier_of_this_journal(tmp_path: Path) -> None:
    """Else stand-ins would be paid in a market of real proofs that is started again without naming its backend."""

    async def play() -> None:
        first = m.coordinator(tmp_path / "market.db", backend="noir")
        await first.start()
        with pytest.raises(Fault, match="backend whose proofs count in it, noir, got calibrated"):
            await first.failed()
        await first.stop()

    run(play())


@pytest.mark.parametrize("backend", ["noir", "groth16"])
def test_an_old_journal_says_whose_proofs_count(tmp_path: Path, backend: str) -> None:
    path = tmp_path / "market.db"
    assert backend_in(str(path)) == "calibrated"
    assert not path.exists()  # looking makes none
    journal = SqliteJournal(path)
    assert journal.acquire()
    assert backend_in(str(path)) == "calibrated"  # tables, and no row yet
    journal.append([first_row({**m.genesis(), "backend": backend}, m.WRITER, 1)])
    assert backend_in(str(path)) == backend
    journal.close()


def test_a_full_disk_loses_nothing_and_is_over_when_there_is_room(tmp_path: Path) -> None:
    async def play() -> None:
        journal = SqliteJournal(tmp_path / "market.db")
        coordinator = coordinators.Coordinator(journal, m.WRITER, m.backend(), m.genesis())
        async with m.running(coordinator) as client:
            requester, prover = await m.staked(client)
            cash = (await prover.actor())["cash"]

            def limit(pages: int) -> None:
                journal._open().execute(f"PRAGMA max_page_count={pages}")

            await coordinator.on_disk(limit, 1)  # SQLite never goes below what it has: the disk is full now
            task = m.tasks(1, size=64)[0]
            found = await refusal(client(m.REQUESTER, patience_s=0.0).request(task.to_bytes(), CEILING, 1_000))
            assert found.reason == "JOURNAL"
            assert (await client(m.PROVER).health())["role"] != "writer"
            asking = client(m.PROVER, patience_s=0.0).actor()  # of a state that is ahead of the journal, or none
            assert (await refusal(asyncio.wait_for(asking, 10))).reason in ("STANDBY", "JOURNAL")
            await coordinator.on_disk(limit, 2**30)
            job = (await requester.request(task.to_bytes(), CEILING, 1_000)).job
            assert job == 0
            assert (await prover.actor())["cash"] == cash
            assert m.same_state(m.rebuilt(tmp_path / "market.db").state, coordinator.ready().state)

    run(play())


def test_what_was_decided_while_a_group_failed_is_refused_with_it(tmp_path: Path) -> None:
    class Failing(SqliteJournal):
        """Takes its time with a group, and fails then."""

        fails = False
        begun, go = threading.Event(), threading.Event()

        def append(self, rows: Any, blobs: Any = ()) -> None:
            if self.fails:
                self.fails = False
                self.begun.set()
                assert self.go.wait(60)
                message = "no room"
                raise JournalError(message)
            super().append(rows, blobs)

    async def play() -> None:
        journal = Failing(tmp_path / "market.db")
        coordinator = coordinators.Coordinator(journal, m.WRITER, m.backend(), m.genesis())
        async with m.running(coordinator) as client:
            await m.staked(client)
            durable = coordinator.ready().last.seq
            domain = coordinator.ready().domain
            journal.fails, journal.local = True, False  # not in place, where nothing would be decided meanwhile
            first = asyncio.create_task(coordinator.submit(m.PROVER.sign("offer", domain, price=20, capacity=1)))
            await asyncio.to_thread(journal.begun.wait)
            second = asyncio.create_task(coordinator.submit(m.PROVER.sign("offer", domain, price=30, capacity=1)))

            async def decided() -> int:
                return coordinator.ready().last.seq

            await m.until(decided, durable + 2)  # while the first is being written
            journal.go.set()
            assert {(await refusal(asyncio.wait_for(each, 60))).reason for each in (first, second)} == {"JOURNAL"}
            await m.trouble(coordinator, "")
            assert (await client(m.PROVER).actor())["price"] == 10
            await client(m.PROVER).offer(40, 1)
            assert m.rebuilt(tmp_path / "market.db").state.price[1] == 40

    run(play())


def test_a_database_that_restarts_is_found_again(postgres: Any) -> None:
    async def play() -> None:
        coordinator = m.coordinator(postgres.database("restart"))
        async with m.running(coordinator) as client:
            _, prover = await m.staked(client)
            requester = client(m.REQUESTER, patience_s=100)
            await asyncio.to_thread(postgres.stop)
            sending = asyncio.create_task(requester.request(m.tasks()[0].to_bytes(), CEILING, 1_000))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(postgres.start)
            assert (await sending).job == 0
            await prover.prove(0, m.proof_of(m.tasks()[0], m.PROVER))
            assert (await requester.market())["money_difference_gwei"] == 0
            assert [row["kind"] for row in (await requester.job(0))["rows"]][:2] == ["REQUEST", "PROVE"]

    run(play())


def test_a_stream_tells_the_past_and_the_present_without_a_gap(url: str) -> None:
    async def play() -> None:
        coordinator = m.coordinator(url)
        async with m.running(coordinator) as client:
            await m.staked(client)
            market = coordinator.ready()
            everything, mine = (
                coordinator.streams.listen(None),
                coordinator.streams.listen(market.numbers[m.PROVER.address]),
            )
            idle = client(m.STRANGER)
            await idle.join("idle")
            nothing = coordinator.streams.listen(market.numbers[m.STRANGER.address])
            await client(m.REQUESTER).request(m.tasks()[0].to_bytes(), CEILING, 1_000)
            told = [json.loads(each.queue.get_nowait().text.split(b"data: ")[1]) for each in (mine,)]  # type: ignore[union-attr]
            assert told[0]["kind"] == "REQUEST"
            assert told[0]["jobs"][0]["phase"] == Phase.ASSIGNED.name
            assert nothing.queue.empty()
            seen = [everything.queue.get_nowait().seq for _ in range(everything.queue.qsize())]  # type: ignore[union-attr]
            assert seen == list(range(seen[0], coordinator.ready().last.seq + 1))

    run(play())


def test_the_rule_of_a_journal_cannot_be_changed_under_it(tmp_path: Path) -> None:
    rule = tmp_path / "mine.py"
    source = Path(m.rule_file("race")).read_text(encoding="utf-8")
    rule.write_text(source, encoding="utf-8")

    async def play(expected: str) -> None:
        coordinator = m.coordinator(tmp_path / "market.db", str(rule), source=source_of(str(rule)))
        await coordinator.start()
        if expected:
            with pytest.raises(Fault, match=expected):
                await coordinator.failed()
        else:
            await m.trouble(coordinator, "")
        await coordinator.stop()

    run(play(""))
    rule.write_text(source + "\n# changed\n", encoding="utf-8")
    run(play("a changed file"))


def test_nothing_is_told_before_it_is_durable_nor_what_never_will_be(tmp_path: Path) -> None:
    class Slow(SqliteJournal):
        """Waits before it appends, and may fail then."""

        waits, fails = False, False
        begun, go = threading.Event(), threading.Event()

        def append(self, rows: Any, blobs: Any = ()) -> None:
            if self.waits:
                self.waits = False
                self.begun.set()
                assert self.go.wait(60)
                if self.fails:
                    message = "no room"
                    raise JournalError(message)
            super().append(rows, blobs)

    async def play(*, fails: bool) -> None:
        journal = Slow(tmp_path / f"market{fails}.db")
        journal.local = False  # not in place, where nobody could ask meanwhile
        journal.begun.clear()
        journal.go.clear()
        coordinator = coordinators.Coordinator(journal, m.WRITER, m.backend(), m.genesis())
        async with m.running(coordinator) as client:
            await m.staked(client)
            known, domain = coordinator.ready().last.seq, coordinator.ready().domain
            journal.waits, journal.fails = True, fails
            sent = asyncio.create_task(coordinator.submit(m.PROVER.sign("offer", domain, price=20, capacity=1)))
            await asyncio.to_thread(journal.begun.wait)
            assert coordinator.ready().last.seq == known + 1  # decided
            asked = client(m.PROVER, patience_s=0.0)
            asking = [
                asyncio.create_task(each)
                for each in (asked.market(), asked.actor(), asked.actors(), asked.jobs(), asked.jobs(unfinished=True))
            ]
            assert await asked.health()  # which has nothing to wait for
            with pytest.raises(Refused, match="NOT_FOUND"):
                await asked._ask("GET", f"/v1/state?at={known + 1}")
            assert not any(each.done() for each in asking)
            journal.go.set()
            told = await asyncio.gather(sent, *asking, return_exceptions=True)
            if fails:
                assert [each.reason for each in told if isinstance(each, Refused)] == ["JOURNAL"] * 6
            else:
                _, market, actor, actors, *_ = told
                assert isinstance(market, dict)
                assert isinstance(actor, dict)
                assert isinstance(actors, list)
                assert market["seq"] == known + 1
                assert actor["price"] == actors[1]["price"] == 20

    run(play(fails=False))
    run(play(fails=True))


def test_a_listener_that_is_too_far_behind_is_let_go() -> None:
    streams = Streams(MarketMetrics())
    slow, quick = streams.listen(None), streams.listen(7)
    told = [Told(k, frozenset({7} if k == 3 else ()), everybody=False, text=b"") for k in range(BEHIND + 1)]
    streams.publish(told[:BEHIND])
    assert slow.queue.full()
    streams.publish(told[BEHIND:])
    assert slow.queue.get_nowait() is None  # the end of its stream; it comes back with `after`
    streams.publish(told[3:4])
    assert slow.queue.empty()
    assert [quick.queue.get_nowait() for _ in range(2)] == [told[3], told[3]]
    assert quick.queue.empty()
