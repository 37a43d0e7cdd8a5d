"""The parts of the suite: drawing, auditing, shortening, writing and reading playthroughs, deleting money movements."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from proofyard import conformance, mechanisms
from proofyard.conformance import audit, golden, mutate, playthrough, script
from proofyard.conformance.fuzz import Fuzzer
from proofyard.conformance.market import Market, Setup
from proofyard.conformance.plausible import vary
from proofyard.conformance.sheet import Sheet
from proofyard.conformance.shrink import shrink
from proofyard.core import MAX_GWEI, BadInput, Book, Event, Kind, Phase, Verdict, shape

FIRST = Path(__file__).parents[2] / "benchmarks" / "rules" / "first.py"
RACE = mechanisms.rule("race")
REQUEST = Event(Kind.REQUEST, 5, 1, 0, 40, 1_000, 7)
PROOF = Event(Kind.PROVE, 9, 2, 0, 0, 0, 1)


def market(cash: tuple[int, ...] = (100, 100, 100), jobs: int = 2) -> Market:
    return Market(Setup(RACE, jobs, cash))


def test_same_seed_draws_the_same_traces_and_another_seed_others() -> None:
    one, again, other = (Fuzzer(RACE, seed).run(12).traces for seed in (3, 3, 4))
    assert [trace.events for trace in one] == [trace.events for trace in again]
    assert [trace.events for trace in one] != [trace.events for trace in other]


def test_report_is_the_same_for_the_same_seed() -> None:
    rule = mechanisms.rule(str(FIRST))
    assert conformance.run(rule, seed=2, quick=True).text() == conformance.run(rule, seed=2, quick=True).text()


def test_report_as_values_is_json_and_says_what_the_text_says() -> None:
    report = conformance.run(mechanisms.rule(str(FIRST)), quick=True)
    values = json.loads(json.dumps(report.as_dict()))
    assert values["ok"] is True
    assert [check["name"] for check in values["checks"]] == [
        "form", "answers", "money", "refused", "life", "stuck", "ties", "repeat", "compiled", "reached", "golden",
    ]  # fmt: skip
    assert values["reached"]["PROVE"]["OK"] > 0
    assert report.text().startswith(f"first: conforms ({values['traces']} traces")
    assert all(check["sentence"].endswith(".") for check in values["checks"])


@pytest.mark.parametrize("name", mechanisms.NAMES)
def test_varied_parameters_are_ones_the_rule_accepts(name: str) -> None:
    rule = mechanisms.rule(name)
    dice = random.Random(0)
    varied = [vary(dice, rule) for _ in range(300)]
    assert all(rule.module.validate(other.params) is None for other in varied)
    moved = {f for other in varied for f in rule.params._fields if getattr(other.params, f) != getattr(rule.params, f)}
    assert moved == set(rule.params._fields)  # each parameter has had another value


def test_bonded_reaches_its_pacaya_era_although_that_needs_six_bonds_at_zero() -> None:
    dice = random.Random(0)
    eras = {vary(dice, mechanisms.rule("bonded")).params.era for _ in range(300)}
    assert eras == {0, 1, 2}


def test_sheet_is_the_state_in_one_row() -> None:
    sheet = Sheet(mechanisms.rule("bonded"), 3, 2)
    sheet.state.book.cash[2] = 11
    sheet.state.bond[1] = 5
    layout = sheet.layout
    changed = np.flatnonzero(sheet.cells)
    assert [layout.name(cell) for cell in changed.tolist()] == ["book.cash[2]", "bond[1]"]
    assert int(sheet.cells[layout.money].sum()) == shape.total_gwei(sheet.state) == 16
    assert (layout.actor_of[changed].tolist(), layout.job_of[changed].tolist()) == ([2, -1], [-1, 1])


def test_guarded_rows_refuse_minus_one_to_read_and_to_write() -> None:
    state = Sheet(RACE, 3, 2, guarded=True).state
    with pytest.raises(IndexError, match="row -1 is read"):
        state.book.cash[-1]
    with pytest.raises(IndexError, match="row -1 is set"):
        state.book.cash[np.int64(-1)] = 1
    state.book.cash[:] = 4
    assert state.book.cash[2] == 4


def test_trial_leaves_the_market_where_it_was() -> None:
    here = market()
    here.answer(REQUEST)
    cells = here.cells.copy()
    verdicts, after = here.trial(PROOF, PROOF)
    assert verdicts == [Verdict.OK, Verdict.WRONG_PHASE]
    assert (after != cells).any()
    assert (here.cells == cells).all()
    assert here.events == [REQUEST]


def spoiled(change: Callable[[Book], object]) -> audit.Complaint:
    """What the audit says of an accepted request after which somebody has changed the state."""
    here = market()
    here.answer(Event(Kind.REQUEST, 1, 0, 1, 30, 1, 0))
    before = here.cells.copy()
    assert here.answer(REQUEST) == Verdict.OK
    change(here.book)
    return audit.audit(here.layout, before, here.cells, REQUEST, Verdict.OK, here.genesis_gwei)


def move(b: Book, job: int, actor: int, amount: int) -> None:
    b.escrow[job] -= amount
    b.cash[actor] += amount


@pytest.mark.parametrize(
    ("change", "check", "sentence"),
    [
        (lambda b: b.cash.__setitem__(0, 71), "money", "+1 gwei appeared"),
        (lambda b: move(b, 0, 1, 41), "money", "book.escrow[0] is -1 gwei"),
        (lambda b: b.phase.__setitem__(0, Phase.PROVEN), "life", "REQUEST took job 0 from NONE to PROVEN"),
        (lambda b: b.phase.__setitem__(1, Phase.BIDDING), "life", "REQUEST took job 1 from OPEN to BIDDING"),
        (lambda b: b.phase.__setitem__(1, Phase.LOST), "life", "job 1 is final and book.escrow[1] still holds 30"),
        (lambda b: b.paid.__setitem__(0, -1), "life", "book.paid[0] fell from 0 to -1"),
        (lambda b: b.requester.__setitem__(1, 2), "life", "the requester of a job changed"),
        (lambda b: b.requester.__setitem__(0, 2), "life", "job 0 was requested by 1, not by 2"),
        (lambda b: b.prover.__setitem__(0, 3), "life", "job 0 is OPEN and its prover is 3"),
        (lambda b: move(b, 0, 2, -1), "life", "took 1 gwei of cash from actor 2, who did not act"),
        (lambda b: move(b, 0, 1, -1), "life", "a REQUEST that pays 40 put 41 gwei into escrow"),
    ],
)
def test_audit_says_what_is_wrong(change: Callable[[Book], object], check: str, sentence: str) -> None:
    assert spoiled(lambda _: None) is None
    complaint = spoiled(change)
    assert complaint is not None
    assert complaint[0] == check
    assert sentence in complaint[1]


def test_shrink_keeps_exactly_what_is_needed() -> None:
    events = [REQUEST._replace(time=k) for k in range(40)]
    kept = shrink(events, lambda rest: {3, 17, 31} <= {event.time for event in rest})
    assert [event.time for event in kept] == [3, 17, 31]


def test_events_and_markets_are_read_as_they_were_written() -> None:
    for event in (REQUEST, PROOF, Event(-1, 0, 0, 0, -1, -1, 0), Event(15, 2**58, 7, 29, MAX_GWEI + 1, 2**62 - 1, 1)):
        assert script.read_event(script.tell_event(event), "test") == event
    setup = Setup(mechanisms.rule("race(cooldown_ms=5)"), 3, (1, 0))
    rule_line, market_line = script.tell_setup(setup)
    assert script.read_setup(RACE, rule_line, market_line, "test") == setup


@pytest.mark.parametrize("line", ["", "t=1 PAY actor=0 job=0 amount=0 detail=0 word=0", "t=x REQUEST", "t=1 REQUEST"])
def test_line_that_is_no_event_is_refused(line: str) -> None:
    with pytest.raises(BadInput, match="wanted t=… KIND"):
        script.read_event(line, "test")


def test_playthrough_tells_money_phases_and_the_rest() -> None:
    asked, again, proven = script.play(Setup(RACE, 1, (100, 100, 100)), [REQUEST, REQUEST, PROOF])
    assert again == "t=5 REQUEST actor=1 job=0 amount=40 detail=1000 word=7 -> WRONG_PHASE"
    assert asked.split(" | ") == [
        "t=5 REQUEST actor=1 job=0 amount=40 detail=1000 word=7 -> OK",
        "book.cash[1] -40", "book.escrow[0] +40", "phase[0] NONE>OPEN", "book.requester[0] 0>1", "book.prover[0] 0>-1",
        "book.deadline[0] 0>604800005",
    ]  # fmt: skip
    assert proven.split(" | ")[1:5] == [
        "book.cash[2] +40", "book.escrow[0] -40", "phase[0] OPEN>SETTLED", "book.prover[0] -1>2",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a rule file of a user's and a first draft of its golden playthroughs."""
    folder = tmp_path_factory.mktemp("drafted")
    shutil.copy(FIRST, folder / "own_rule.py")
    assert golden.main([str(folder / "own_rule.py")]) == 0
    return folder


@pytest.fixture
def own_rule(drafted: Path, tmp_path: Path) -> Path:
    """Such a file, to be changed."""
    shutil.copytree(drafted, tmp_path / "own", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "own" / "own_rule.py"


def test_own_rule_has_its_golden_file_beside_it_and_a_change_of_it_is_found(own_rule: Path) -> None:
    beside = own_rule.parent / "own_rule.golden.txt"
    text = beside.read_text(encoding="utf-8")
    assert text.count(" -> OK") > 3
    assert golden.main([str(own_rule)]) == 0  # written again: nothing new
    assert beside.read_text(encoding="utf-8") == text
    number, line = next((k, line) for k, line in enumerate(text.splitlines(), 1) if "book.escrow[0] +" in line)
    beside.write_text(text.replace(line, line.replace("+", "+9")), encoding="utf-8")
    report = conformance.run(mechanisms.rule(str(own_rule)), quick=True)
    assert report.failed() == ["golden"]
    assert report.checks[-1].sentence == f"own_rule.golden.txt, line {number}:"
    assert [text.split()[0] for text in report.checks[-1].counterexample] == ["expected", "got"]


def test_comments_of_a_golden_file_stay(own_rule: Path) -> None:
    beside = own_rule.parent / "own_rule.golden.txt"
    text = beside.read_text(encoding="utf-8").replace("# New here", "# First of all", 1)
    beside.write_text(text, encoding="utf-8")
    assert golden.main([str(own_rule)]) == 0
    assert beside.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rule: race\nmarket: cash=1\nt=1\n", "market: jobs="),
        ("t=1 REQUEST\n", "before events"),
        ("rule: race(cash=1)\nmarket: jobs=1 cash=1\n", "a parameter of"),
    ],
)
def test_golden_file_that_makes_no_sense_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "odd.golden.txt"
    shutil.copy(FIRST, tmp_path / "odd.py")
    path.write_text(text, encoding="utf-8")
    report = conformance.run(mechanisms.rule(str(tmp_path / "odd.py")), quick=True)
    assert report.failed() == ["golden"]
    assert sentence in report.checks[-1].sentence


def test_command_without_a_rule_says_how_to_use_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert golden.main([]) == 2
    assert golden.main(["no_such_rule"]) == 2
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == ["usage", "mechanism"]


def test_money_movements_of_a_file_without_golden_playthroughs() -> None:
    """Three movements, in `ask`, `pay` and `refund`: the audit alone notices each."""
    assert [m.statement for m in mutate.of_rule(mechanisms.rule(str(FIRST)))] == [
        "ask(b, e, e.amount)", "pay(b, e.job, b.escrow[e.job])", "refund(b, e.job)",
    ]  # fmt: skip
    assert conformance.mutants(FIRST) == []


def test_movement_that_nothing_notices_is_named(tmp_path: Path) -> None:
    path = tmp_path / "idle.py"
    source = FIRST.read_text(encoding="utf-8")
    path.write_text(source.replace("        refund(b, e.job)", "        refund(b, e.job)\n        refund(b, e.job)"))
    assert [s.statement for s in conformance.mutants(path)] == ["refund(b, e.job)", "refund(b, e.job)"]


def test_every_shipped_rule_has_its_golden_file_and_every_golden_file_its_rule() -> None:
    folder = playthrough.path_of(RACE).parent
    files = {path.stem for path in folder.iterdir()}
    assert files >= set(mechanisms.NAMES)
    assert all((folder.parent / f"{name}.py").is_file() for name in files)


def test_record_of_pay_beside_the_books_only_grows() -> None:
    """As for `book.paid`: what a rule says its prover's delegators were paid is never taken back."""
    rule = mechanisms.rule("leader_schedule")
    here = Market(Setup(rule, 2, (100, 100, 100)))
    assert here.layout.paid == ("book.paid", "pool_paid")
    before = here.cells.copy()
    here.sheet.state.pool_paid[1] = -2_000
    gift = Event(Kind.TRANSFER, 5, 1, 0, 40, 2, 0)
    complaint = audit.audit(here.layout, before, here.cells, gift, Verdict.OK, here.genesis_gwei)
    assert complaint == ("life", "pool_paid[1] fell from 0 to -2000")
