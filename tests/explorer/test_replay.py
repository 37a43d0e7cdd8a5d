"""Any moment of a history is what plain Python makes of its events, and its figures are the simulator's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proofyard.core import BadInput, Event, Fault, Kind, Phase, Verdict, shape
from proofyard.engine.result import Run
from proofyard.engine.simulate import simulate
from proofyard.explorer.costs import Costs
from proofyard.explorer.decision import decision
from proofyard.explorer.pages import request, told
from proofyard.explorer.replay import Replay
from proofyard.explorer.source import JournalSource, TraceSource, open_source
from proofyard.explorer.tables import Query, journal
from proofyard.explorer.view import View
from proofyard.lab import metrics
from proofyard.lab.runs import write_trace
from proofyard.network.journal import SqliteJournal
from proofyard.scenario import check, read, restored

SCENARIOS = Path(__file__).parents[2] / "scenarios"
NEEDS_FILE = "race-real-blocks.toml"


def test_state_at_any_row_is_that_of_plain_python(recorded: tuple[Path, Run]) -> None:
    source = open_source(str(recorded[0]))
    replay = Replay(source)
    plain = source.genesis(0)
    wanted = {0, 1, 700, len(replay) // 2, len(replay) - 1, len(replay)}
    assert len(replay) > 2_000
    for row in range(len(replay) + 1):
        if row in wanted:
            for (field, one), (_, other) in zip(shape.named(replay.state(row)), shape.named(plain), strict=True):
                assert np.array_equal(one, other), (row, field.path)
            wanted.discard(row)
        if row < len(replay):
            assert source.rule.apply(plain, Event(*replay.events[row].tolist())) == Verdict.OK
    assert not wanted


def same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    for key, value in found.items():
        if isinstance(value, dict):
            same(value, wanted[key])
        elif key not in ("locked_mean_gwei", "locked_peak_gwei", "reassigned"):  # sampled at other moments; see below
            assert value == pytest.approx(wanted[key], rel=1e-12), key


@pytest.mark.parametrize("name", ["minimal", "three-operators", "succinct-auction", "mina-snark-work", "aztec-epochs"])
def test_figures_are_those_of_the_simulator(name: str, tmp_path: Path) -> None:
    scenario = read(SCENARIOS / f"{name}.toml", {"horizon": "12h"})
    run = simulate(scenario, traced=True)
    write_trace(tmp_path / "trace", scenario, run)
    view = View(Replay(open_source(str(tmp_path / "trace"))))
    unit = 10 ** (9 - scenario.token.decimals)
    summary = metrics.summary([run])
    assert view.settled.any()
    same(view.figures["proofs"], summary["proofs"])
    same(view.figures["time_to_proof_ms"], summary["time_to_proof_ms"])
    same(view.figures["concentration"], summary["concentration"])
    assert view.figures["price_gwei"]["mean"] * unit == pytest.approx(summary["price_gwei"]["mean"])
    count = len(run.names)
    assert (view.wins[:count] == run.provers.wins).all()
    assert (view.missed[:count] == run.provers.missed).all()
    assert (view.income[:count] * unit == run.provers.income_gwei).all()
    assert (view.slashed[:count] * unit == run.provers.slashed_gwei + run.provers.pool_slashed_gwei).all()


def test_figures_count_misses_slashes_and_costs(recorded: tuple[Path, Run]) -> None:
    path, run = recorded
    replay = Replay(open_source(str(path)))
    view, count = View(replay), len(run.names)
    assert run.provers.missed.any()
    assert run.provers.slashed_gwei.any()
    assert (view.missed[:count] == run.provers.missed).all()
    assert (view.slashed[:count] == run.provers.slashed_gwei).all()
    costs = Costs(replay.source)
    assert list(costs.until(view).values()) == run.provers.cost_gwei.tolist()
    half = costs.until(View(replay, len(replay) // 2))
    assert 0 < sum(half.values()) < int(run.jobs.cost_gwei.sum())


def test_a_view_of_the_past_knows_nothing_of_the_future(recorded: tuple[Path, Run]) -> None:
    replay = Replay(open_source(str(recorded[0])))
    row = len(replay) // 3
    view = View(replay, row)
    assert view.now == replay.events[row - 1, 1]
    assert view.final_ms.max() <= view.now
    assert view.count <= View(replay).count
    empty = View(replay, 0)
    assert empty.count == 0
    assert empty.figures["proofs"]["requested"] == 0


def test_every_scenario_comes_back_from_a_trace() -> None:
    for path in sorted(SCENARIOS.rglob("*.toml")):
        if path.name != NEEDS_FILE:
            scenario = read(path)
            assert restored(scenario.model_dump(mode="json")) == scenario, path


def test_a_changed_trace_is_a_fault(recorded: tuple[Path, Run], tmp_path: Path) -> None:
    head, *rows = recorded[0].read_text(encoding="utf-8").splitlines()
    settle = next(k for k, row in enumerate(rows) if row.startswith("14 "))
    early = rows[settle].split()
    early[1] = "0"
    path = tmp_path / "changed.trace"
    path.write_text("\n".join([head, *rows[:settle], " ".join(early), *rows[settle + 1 :]]), encoding="utf-8")
    with pytest.raises(Fault, match=f"row {settle} was accepted when it was recorded, and staked_pool answers EARLY"):
        Replay(open_source(str(path)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "a trace of `simulate --trace` or a journal"),
        ('{"format": 9, "mechanism": "race"}\n', "a trace of format 1, got 9"),
        ('{"format": 1}\n1 2 3\n', "seven integers a line, got 3"),
        ('{"format": 1}\n1 2 x\n', "a trace: a line of JSON"),
    ],
)
def test_what_is_no_history_is_refused_in_a_sentence(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=said):
        open_source(str(path))
    with pytest.raises(BadInput, match="no file"):
        open_source(str(tmp_path / "nothing"))


def test_a_journal_is_followed_while_it_grows(growing: Any, markup: str) -> None:
    source = JournalSource(str(growing.path))
    replay = Replay(source)
    assert source.names == ["rollup", markup, "second"]
    assert View(replay).figures["proofs"]["settled"] == 3
    assert replay.refresh() == 0
    growing.prove_one()
    assert replay.refresh() == 2
    view = View(replay)
    assert view.figures["proofs"]["settled"] == 4
    assert view.provers.tolist() == [1, 2]
    assert view.took_ms.tolist() == [500] * 4
    assert view.book.cash[:3].sum() == 3 * 10**12
    before = View(replay, len(replay) - 2)
    assert before.figures["proofs"]["settled"] == 3
    growing.skip(3, 2, "TOO_LATE")
    assert source.skips_by_actor(4) == {2: {"TOO_LATE": 1}}


def test_a_journal_grows_beyond_its_room(growing: Any) -> None:
    replay = Replay(JournalSource(str(growing.path)))
    room = replay.jobs
    for _ in range(room):
        growing.prove_one()
    replay.refresh()
    assert replay.jobs > room
    assert (View(replay).phase == Phase.SETTLED).all()
    assert View(replay, 20).figures["proofs"]["requested"] < room


def test_a_broken_chain_is_refused(growing: Any) -> None:
    journal = SqliteJournal(growing.path)
    journal._open().execute("UPDATE journal SET amount = amount + 1 WHERE seq = 5")
    journal.close()
    with pytest.raises(BadInput, match="row 5 to follow the one before it, got a broken chain"):
        Replay(JournalSource(str(growing.path)))


def test_rows_that_come_with_a_broken_one_are_taken_in_before_it_is_told(growing: Any) -> None:
    replay = Replay(JournalSource(str(growing.path)))
    for _ in range(2):
        growing.prove_one()
    mend = growing.break_off()
    assert replay.refresh() == 4
    for _ in range(2):
        with pytest.raises(BadInput, match="to follow the one before it, got a broken chain"):
            replay.refresh()
    assert View(replay).figures["proofs"]["settled"] == 5
    mend()
    assert replay.refresh() == 1
    assert View(replay).figures["proofs"]["requested"] == 6


def test_chances_of_a_draw_follow_the_weights(recorded: tuple[Path, Run]) -> None:
    replay = Replay(open_source(str(recorded[0])))
    view = View(replay)
    assert isinstance(replay.source, TraceSource)
    drawn = next(job for job in range(view.count) if view.turns[job] == 1 and job > 5)
    found = decision(view, drawn)
    assert found is not None
    before = replay.fresh(found["row"])
    seats = before.holder[: before.holder.size][before.weight > 0]
    weights = dict(zip(seats.tolist(), (before.weight[before.weight > 0] / before.total[0]).tolist(), strict=True))
    assert found["by_lot"]
    assert found["trials"] == 200
    for one in found["candidates"]:
        assert one["chance"] == pytest.approx(weights.get(one["prover"], 0.0), abs=0.12)


def test_a_timer_is_nobodys(growing: Any) -> None:
    growing.add(Kind.REQUEST, 50_000, 0, 3, 10**9)
    growing.add(Kind.EXPIRE, 50_000 + 10**10, 1, 3)
    view = View(Replay(JournalSource(str(growing.path))))
    row = journal(view, Query(kind="EXPIRE")).rows[0]
    assert (row["actor"], row["name"]) == (None, None)
    assert journal(view, Query(actor=1)).total == 4  # joined, paid in, proved twice


def test_work_begins_when_a_request_is_given_or_opened(recorded: tuple[Path, Run], growing: Any) -> None:
    view = View(Replay(open_source(str(recorded[0]))))
    timers = view.events[view.events[:, 0] == Kind.EXPIRE]
    late = [job for job in range(view.count) if view.turns[job] == 2 and view.settled[job]]
    assert late
    assert [int(view.begun_ms[job]) for job in late] == [int(timers[timers[:, 3] == job][0, 1]) for job in late]
    scenario = check({
        "mechanism": "race",
        "horizon": "1h",
        "workload": {"every": "60s", "max_fee": "1"},
        "provers": [{"name": "second", "count": 1, "cash": "1", "cost": {"per_hour": "3.60 usd"},
                     "hardware": "speed(setup='1s', per_mgas='0s')"}],
    })  # fmt: skip
    source = JournalSource(str(growing.path), scenario)
    assert Costs(source).until(View(Replay(source))) == {2: 500 * 1_000}  # one proof, half a second after it was asked


def test_a_sentence_names_whom_money_is_entrusted_to(tmp_path: Path) -> None:
    scenario = read(SCENARIOS / "three-operators.toml", {"horizon": "1h"})
    write_trace(tmp_path / "trace", scenario, simulate(scenario, traced=True))
    view = View(Replay(open_source(str(tmp_path / "trace"))))
    row = int(np.flatnonzero(view.events[:, 0] == Kind.DELEGATE)[0])
    assert told(view, row)["whom"] == view.names[view.events[row, 5]]
    assert told(view, int(view.requests[0]))["whom"] is None


def test_a_race_is_won_not_drawn(growing: Any) -> None:
    found = decision(View(Replay(JournalSource(str(growing.path)))), 1)
    assert found is not None
    assert (found["chosen"], found["by"], found["trials"]) == (2, "PROVE", 0)


def test_a_request_shows_who_bid_what_and_who_won(tmp_path: Path) -> None:
    scenario = check({
        "mechanism": "contest",
        "horizon": "1h",
        "workload": {"every": "120s", "max_fee": "5"},
        "provers": [
            {"name": "bidder", "count": 3, "stake": "3000", "cash": "50", "bids": "each", "policy": "shade(0.1)"},
        ],
    })  # fmt: skip
    write_trace(tmp_path / "trace", scenario, simulate(scenario, traced=True))
    view = View(Replay(open_source(str(tmp_path / "trace"))))
    job = int(view.bids.argmax())
    told = request(view, job)
    assert [bid["name"] for bid in told["bids"]] == ["bidder 1", "bidder 2", "bidder 3"]
    assert [bid["prover"] for bid in told["bids"] if bid["won"]] == [told["request"]["prover_number"]]
    found = decision(view, job)
    assert found is not None
    assert found["by_lot"]
    assert {one["bid"] for one in found["candidates"]} == {bid["amount"] for bid in told["bids"]}
