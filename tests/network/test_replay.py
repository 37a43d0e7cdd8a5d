"""A journal replayed: under its own rule as it was, under another as that would have been."""

import asyncio
import random

import pytest
from network import markets as m

from proofyard import mechanisms
from proofyard.core import BadInput, Event, Kind, Phase
from proofyard.network import counterfactual
from proofyard.network.counterfactual import changes, measured, moved, replay
from proofyard.network.journal import connect
from proofyard.network.market import Genesis, Market, timer_kind
from proofyard.network.recorded import Measured, run_of
from proofyard.network.records import NO_JOB, Record, Row, make_row, pack
from proofyard.network.story import Story, read_story

POOL = (
    "staked_pool(min_capacity=1, seats=4, min_window_ms=4000, max_window_ms=4000, initial_delay_ms=1000, "
    "cooldown_ms=500, open_window_ms=60000)"
)
SPEED = {0: 700, 1: 1_300, 2: 1_500}  # ms of a proof
CEILING = 500 * m.TOKEN


class Play:
    """A market played out without a coordinator: three provers, of which the last leaves every third of its jobs."""

    def __init__(self, seed: int) -> None:
        body = {**m.genesis(POOL, actors=8), "coordinator": m.WRITER.address, "commitment": "00" * 32, "beacon": "00"}
        genesis = Genesis.model_validate(body)
        first = make_row(None, 10**12, (Record.GENESIS, 0, 0, NO_JOB, 0, 0, 0), genesis.model_dump_json().encode())
        self.rows, self.market, self.dice, self.time = [first], Market(first), random.Random(seed), 0
        self.free, self.got = dict.fromkeys(SPEED, 0), dict.fromkeys(SPEED, 0)
        self.proofs: list[tuple[int, int, int]] = []  # when, prover, job
        for k, name in enumerate((*map(str, SPEED), "rollup")):
            self.record(Record.JOIN, k, 0, {"address": m.signer(50 + k).address, "name": name})
            self.record(Record.DEPOSIT, k, 10_000 * m.TOKEN, {})
        for k in SPEED:
            assert self.event(Kind.OFFER, k, 0, 10 + k, 2)
            assert self.event(Kind.STAKE, k, 0, (100 + k) * m.TOKEN, 0)
        self.seen: dict[int, tuple[int, int]] = {}

    def record(self, kind: Record, actor: int, amount: int, body: dict[str, str]) -> None:
        self.add((kind, self.time, actor, NO_JOB, amount, 0, 0), pack(body))

    def add(self, event: tuple[int, ...], body: bytes = b"{}") -> None:
        self.rows.append(make_row(self.rows[-1], 10**12 + self.time, event, body))
        self.market.take(self.rows[-1])

    def event(self, kind: Kind, actor: int, job: int, amount: int, detail: int) -> bool:
        event = Event(kind, self.time, actor, job, amount, detail, self.dice.randrange(2**62))
        good = self.market.answer(event) == 0
        if good:
            self.add(event)
        return good

    def look(self) -> None:
        """Let provers begin what they were given, or what is open."""
        book = self.market.state.book
        for job in self.market.open_jobs():
            now = (int(book.phase[job]), int(book.prover[job]))
            if self.seen.get(job) == now:
                continue
            self.seen[job] = now
            if now[0] == Phase.ASSIGNED:
                self.give(now[1], job)
            elif now[0] == Phase.OPEN:
                self.give(min(self.free, key=lambda k: self.free[k]), job)

    def give(self, prover: int, job: int) -> None:
        self.got[prover] += 1
        if prover == 2 and self.got[2] % 3 == 0:
            return
        self.free[prover] = max(self.free[prover], self.time) + SPEED[prover] + self.dice.randrange(200)
        self.proofs.append((self.free[prover], prover, job))

    def step(self) -> None:
        """Go on by a millisecond."""
        self.time += 1
        book = self.market.state.book
        for when, prover, job in [each for each in self.proofs if each[0] <= self.time]:
            self.proofs.remove((when, prover, job))
            self.event(Kind.PROVE, prover, job, 0, 0)
        for job in self.market.open_jobs():
            kind = timer_kind(int(book.phase[job]))
            if kind is not None and self.time > int(book.deadline[job]):
                self.event(kind, 0, job, 0, 0)
        self.look()


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """A minute of history."""
    play = Play(seed=3)
    while play.time < 40_000 or play.market.open_jobs():
        if play.time % 1_100 == 0 and play.time < 40_000:
            assert play.event(Kind.REQUEST, 3, play.market.jobs, CEILING, 1_000)
            play.look()
        play.step()
    return play.rows


@pytest.fixture(scope="module")
def story(rows: list[Row]) -> Story:
    return read_story(rows)


def test_a_story_knows_who_left_what(rows: list[Row], story: Story) -> None:
    expired = {row.job for row in rows if row.kind == Kind.EXPIRE}
    assert len(expired) > 2
    assert story.provers[2].missed == story.provers[2].left == expired
    assert not story.provers[0].missed
    assert SPEED[0] <= story.provers[0].mean_ms < SPEED[0] + 300
    assert story.provers[0].capacity == 2


def test_under_its_own_rule_it_is_what_it_was(rows: list[Row], story: Story) -> None:
    rerun = replay(story, POOL)
    assert [row[2:9] for row in rerun.rows[1:]] == [row[2:9] for row in rows[1:]]  # every event, with time and word
    run = measured(story, rerun)
    happened = run_of(rows, Measured([each.name for each in story.provers.values()]), scenario="test")
    assert moved(story, happened, rerun, run) == []
    for change in changes(happened, run):
        assert all(was == now for was, now in change[1:])


@pytest.mark.parametrize("name", sorted(mechanisms.NAMES))
def test_under_any_other_rule_money_is_conserved(story: Story, name: str) -> None:
    rerun = replay(story, name)
    assert rerun.market.money_difference == 0
    assert len(rerun.jobs) + len(rerun.refused) == story.market.jobs
    assert Market.rebuild(rerun.rows).money_difference == 0  # a journal as any other


def test_another_parameter_slashes_otherwise(story: Story) -> None:
    dear = replay(story, POOL.replace("staked_pool(", "staked_pool(slash_points=50, "))
    happened, run = measured(story, replay(story, POOL)), measured(story, dear)
    by_name = {change.name: change for change in changes(happened, run)}
    was, would = by_name["2"].slashed
    assert would > was > 0
    assert by_name["0"].slashed == (0, 0)


def test_in_a_race_the_fastest_wins_all(story: Story) -> None:
    rerun = replay(story, "race")
    run = measured(story, rerun)
    wins = {change.name: change.wins[1] for change in changes(measured(story, replay(story, POOL)), run)}
    assert wins["0"] == max(wins.values()) > 0
    assert (run.provers.slashed_gwei == 0).all()


def test_what_nobody_asked_for_is_no_story(rows: list[Row]) -> None:
    with pytest.raises(BadInput, match="at least one request"):
        read_story(rows[:5])


def test_of_a_real_market(url: str) -> None:
    async def play() -> None:
        async with m.running(m.coordinator(url)) as client:
            requester, prover = await m.staked(client)
            for task in m.tasks(3):
                job = (await requester.request(task.to_bytes(), 100 * m.TOKEN, 1_000)).job
                await prover.prove(job, m.proof_of(task, m.PROVER))
            await m.until(lambda: requester.jobs(unfinished=True), [])

    asyncio.run(asyncio.wait_for(play(), 120))
    journal = connect(url)
    kept = [row for row in journal.rows() if row.kind >= 0]
    told = read_story(journal.rows())
    journal.close()
    rerun = counterfactual.replay(told, told.market.rule.text)
    events = [row for row in rerun.rows if row.kind >= 0]
    assert sorted(row[2:3] + row[4:6] + row[8:9] for row in events) == sorted(
        row[2:3] + row[4:6] + row[8:9] for row in kept
    )
    change = changes(measured(told, rerun), measured(told, counterfactual.replay(told, "race")))[0]
    assert change.wins == (3, 3)  # the only prover wins whatever the rule
    assert change.paid[0] != change.paid[1]
    assert change.slashed == (0, 0)
