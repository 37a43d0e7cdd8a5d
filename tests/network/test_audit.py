"""What audit finds: a journal is made honestly, then changed as a dishonest coordinator would, hashes and all."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from network import markets as m

from proofyard.core import Kind
from proofyard.network.recorded import Measured, run_of
from proofyard.network.records import Blob, Record, Row, pack, unpack

CEILING = 500 * m.TOKEN


async def play(url: str) -> None:
    async with m.running(m.coordinator(url)) as client:
        requester, prover = await m.staked(client)
        for task in m.tasks(3):
            job = (await requester.request(task.to_bytes(), CEILING, 1_000)).job
            await prover.prove(job, m.proof_of(task, m.PROVER))
        await m.until(lambda: requester.jobs(unfinished=True), [])


@pytest.fixture(scope="module")
def honest(fresh: Callable[[], str]) -> str:
    url = fresh()
    asyncio.run(play(url))
    return url


def first(rows: list[Row], kind: int) -> int:
    return next(row.seq for row in rows if row.kind == kind)


def with_row(kind: int, /, **changes: Any) -> Callable[[list[Row]], list[Row]]:
    def change(rows: list[Row]) -> list[Row]:
        k = first(rows, kind)
        return [*rows[:k], rows[k]._replace(**changes), *rows[k + 1 :]]

    return change


def with_body(kind: int, /, **changes: Any) -> Callable[[list[Row]], list[Row]]:
    def change(rows: list[Row]) -> list[Row]:
        k = first(rows, kind)
        return [*rows[:k], rows[k]._replace(body=pack({**unpack(rows[k].body), **changes})), *rows[k + 1 :]]

    return change


def again(kind: int) -> Callable[[list[Row]], list[Row]]:
    def change(rows: list[Row]) -> list[Row]:
        k = first(rows, kind)
        return [*rows[: k + 1], rows[k], *rows[k + 1 :]]

    return change


def without(kind: int) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [row for row in rows if row.seq != first(rows, kind)]


def test_an_honest_journal_holds(honest: str) -> None:
    report = m.audited(honest)
    assert report.ok, report.first_failure
    assert report.events == 11
    assert report.proofs == 3
    assert report.words == 6  # three draws, three timers
    assert report.signatures == 10
    assert report.money_difference_gwei == 0


@pytest.mark.parametrize(
    ("change", "kind", "why"),
    [
        (with_row(Kind.STAKE, amount=10**9), Kind.STAKE, "amount is not what was signed"),
        (with_row(Kind.STAKE, actor=0), Kind.STAKE, "of actor 0, its message of"),
        (with_row(Kind.OFFER, detail=7), Kind.OFFER, "detail is not what was signed"),
        (with_row(Kind.REQUEST, word=1), Kind.REQUEST, "word is not that of the beacon"),
        (with_body(Kind.REQUEST, reveal="00" * 32), Kind.REQUEST, "not the one committed to"),
        (with_row(Kind.PROVE, word=1), Kind.PROVE, "not what was signed|does not name what was proven"),
        (with_row(Kind.PROVE, actor=0), Kind.PROVE, "of actor 0"),
        (with_body(Kind.STAKE, signature="0x" + "11" * 65), Kind.STAKE, "its signature"),
        (with_row(Kind.SETTLE, time=0), Kind.SETTLE, "its time 0 is before"),
        (with_row(Kind.SETTLE, kind=Kind.EXPIRE), Kind.SETTLE, "word is not|the rule answers"),
        (with_row(Kind.REQUEST, at=0), Kind.REQUEST, "had expired, or was good for too long"),
        (again(Kind.OFFER), Kind.STAKE, "was used before"),
    ],
)
def test_names_the_first_row_that_does_not_hold(
    honest: str, url: str, change: Callable[[list[Row]], list[Row]], kind: Kind, why: str
) -> None:
    found = m.audited(m.forged(honest, url, change)).first_failure
    assert found is not None
    assert found.seq == first(m.read(honest), kind)
    assert any(part in found.why for part in why.split("|")), found.why


@pytest.mark.parametrize("kind", [Record.JOIN, Kind.OFFER, Kind.REQUEST, Kind.PROVE, Kind.SETTLE])
def test_what_others_build_on_cannot_be_left_out(honest: str, url: str, kind: int) -> None:
    found = m.audited(m.forged(honest, url, without(kind))).first_failure
    assert found is not None
    assert found.seq >= first(m.read(honest), kind)


def test_an_exchanged_proof_is_found(honest: str, url: str) -> None:
    rows = m.read(honest)
    named = unpack(rows[first(rows, Kind.PROVE)].body)["message"]["proof"]
    other = Blob(bytes.fromhex(named[2:]), b"{}")
    found = m.audited(m.forged(honest, url, lambda rows: rows, [other])).first_failure
    assert found is not None
    assert found.seq == first(rows, Kind.PROVE)
    assert "exchanged" in found.why


def test_a_live_run_has_the_columns_of_a_simulated_one(honest: str) -> None:
    run = run_of(m.read(honest), Measured(["prover"], [3_600_000], [500]), scenario="test", refused=[1])
    assert run.jobs.phase.tolist() == [6, 6, 6, 0]
    assert run.provers.wins.tolist() == [3]
    assert run.provers.income_gwei.tolist() == [int(run.jobs.paid_gwei.sum())]
    assert run.provers.cost_gwei.tolist() == [1_500]
    assert run.provers.missed.tolist() == [0]
    assert (run.jobs.proven_ms[:3] >= run.jobs.asked_ms[:3]).all()
    assert run.money_difference_gwei == 0
    assert run.samples.wins[-1].tolist() == [3]
