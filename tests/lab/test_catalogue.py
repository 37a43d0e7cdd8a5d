"""The catalogue tells what the sources say, and draws the life that a job really has."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from proofyard import mechanisms
from proofyard.core import TRANSITIONS, BadInput, Kind, Phase
from proofyard.lab import catalogue
from proofyard.lab.catalogue import Entry

LEGAL = {(source, kind): set(targets) for source, kind, targets in TRANSITIONS}

RULE = '''\
"""Given away: the requester's own machine proves, for nothing.

Rules
    REQUEST gives the job to its requester. A proof
    ends it. Too late it is lost.

Units    ms
"""

from typing import Annotated, NamedTuple

from proofyard.core import Book, Event, Ints, Kind, Once, Phase, Tree, Verdict, ask, assign, check, refund

FAMILY = "none"


class Params(NamedTuple):
    window: int = 60_000  # ms, from request to deadline
    strict: int = 0  # switch: 1 = does nothing
    free_gwei: int = 10**12
    half_rate: int = 5_000  # of something


class State(NamedTuple):
    book: Book
    wins: Once  # proofs so far
    slots: Annotated[Ints, 7]
    lots: Tree  # in the draw


def apply(p, s, e):
    b = s.book
    verdict = check(b, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        ask(b, e, 0)
        assign(b, e.job, e.actor, e.time + p.window)
    elif e.kind == Kind.PROVE:
        s.wins[0] += 1
        b.phase[e.job] = Phase.SETTLED
    elif e.kind == Kind.EXPIRE:
        refund(b, e.job)
        b.phase[e.job] = Phase.LOST
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
'''


@pytest.fixture(scope="module")
def entries() -> dict[str, Entry]:
    return {entry.name: entry for entry in catalogue.entries()}


@pytest.fixture
def given_away(tmp_path: Path) -> Entry:
    path = tmp_path / "given_away.py"
    path.write_text(RULE)
    return catalogue.entry(str(path))


def printed(what: Entry | list[Entry], width: int = 80) -> str:
    console = Console(width=width, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as shown:
        if isinstance(what, list):
            catalogue.show_list(what, console)
        else:
            catalogue.show(what, console)
    return shown.get()


@pytest.mark.parametrize("name", mechanisms.NAMES)
def test_money_and_times_name_their_unit(entries: dict[str, Entry], name: str) -> None:
    """Whoever writes a scenario sees the name alone."""
    told = {p.name: p.unit for p in entries[name].parameters if p.unit in {"gwei", "gwei per gas", "wei", "ms", "s"}}
    assert [name for name, unit in told.items() if not set(unit.split()) <= set(name.split("_"))] == []


@pytest.mark.parametrize("name", mechanisms.NAMES)
def test_every_parameter_and_field_is_told_as_the_rule_has_it(entries: dict[str, Entry], name: str) -> None:
    entry = entries[name]
    rule = mechanisms.rule(name)
    assert [(p.name, p.default) for p in entry.parameters] == list(rule.params._asdict().items())
    assert [p.name for p in entry.parameters if not p.meaning] == []
    assert [f.name for f in entry.state] == list(rule.module.State._fields[1:])
    assert [f.name for f in entry.state if not f.meaning] == []
    assert entry.source == rule.module.SOURCE
    assert entry.family == rule.module.FAMILY
    assert entry.sections["Rules"]
    assert entry.line.endswith(".")


@pytest.mark.parametrize("name", mechanisms.NAMES)
def test_life_cycle_keeps_to_the_table_and_reaches_an_end(entries: dict[str, Entry], name: str) -> None:
    life = entries[name].transitions
    for source, kind, targets in life:
        assert set(targets) <= LEGAL[source, kind]
    assert {kind for _, kind, _ in life} <= set(entries[name].kinds)
    reached = {phase for _, _, targets in life for phase in targets}
    assert Phase.SETTLED in reached
    assert all(source in reached or source == Phase.NONE for source, _, _ in life)


def test_life_cycle_knows_what_only_some_parameters_allow(entries: dict[str, Entry]) -> None:
    life = {(source, kind): targets for source, kind, targets in entries["race"].transitions}
    assert life == {
        (Phase.NONE, Kind.REQUEST): (Phase.OPEN,),
        (Phase.OPEN, Kind.PROVE): (Phase.PROVEN, Phase.SETTLED),  # with and without a cooldown
        (Phase.OPEN, Kind.EXPIRE): (Phase.LOST,),
        (Phase.PROVEN, Kind.SETTLE): (Phase.PROVEN, Phase.SETTLED),  # ALPHA3 waits for the blocks before
    }


def test_life_cycle_does_not_hang_on_the_dice(entries: dict[str, Entry]) -> None:
    entry = entries["race"]
    assert catalogue.observe(entry.rule, entry.kinds, seed=1) == entry.transitions


def test_phases_a_rule_never_reaches_are_not_drawn(entries: dict[str, Entry]) -> None:
    assert "LOST" not in entries["staked_pool"].mermaid
    assert "LOST --> [*]" in entries["race"].mermaid


def test_works_on_a_rule_file(given_away: Entry) -> None:
    assert given_away.line == "Given away: the requester's own machine proves, for nothing."
    assert given_away.family == "none"
    assert given_away.source == ""
    assert given_away.sections["Units"] == "ms"
    assert given_away.kinds == [Kind.REQUEST, Kind.PROVE, Kind.EXPIRE]
    assert given_away.transitions == (
        (Phase.NONE, Kind.REQUEST, (Phase.ASSIGNED,)),
        (Phase.ASSIGNED, Kind.PROVE, (Phase.SETTLED,)),
        (Phase.ASSIGNED, Kind.EXPIRE, (Phase.LOST,)),
    )


def test_units_come_from_the_comment_or_else_from_the_name(given_away: Entry) -> None:
    assert [tuple(p) for p in given_away.parameters] == [
        ("window", 60_000, "ms", "from request to deadline"),
        ("strict", 0, "switch", "1 = does nothing"),
        ("free_gwei", 10**12, "gwei", ""),
        ("half_rate", 5_000, "bips", "of something"),
    ]
    assert [(f.name, f.size, f.money, f.meaning) for f in given_away.state] == [
        ("wins", "one", False, "proofs so far"),
        ("slots", "7 entries", False, ""),
        ("lots", "sum tree", False, "in the draw"),
    ]


@pytest.mark.parametrize(
    ("name", "comment", "unit", "meaning"),
    [
        ("matures", "ms, from when it can be withdrawn", "ms", "from when it can be withdrawn"),
        ("excluded_until", "ms", "ms", ""),
        ("promised_until", "ms; until then it does not rise", "ms", "until then it does not rise"),
        ("declined", "ms + 1 of its last DECLINE, 0 = none", "ms + 1", "of its last DECLINE, 0 = none"),
        ("price", "gwei per gas, as offered", "gwei per gas", "as offered"),
        ("price", "gwei per proof, as offered", "gwei", "per proof, as offered"),
        ("commission", "billionths, as last offered", "billionths", "as last offered"),
        ("seat", "seat number from 1, 0 = none", "", "seat number from 1, 0 = none"),
        ("took_ms", "from request to proof", "ms", "from request to proof"),
    ],
)
def test_a_comment_is_a_unit_and_a_meaning(name: str, comment: str, unit: str, meaning: str) -> None:
    assert catalogue.unit_of(name, comment) == (unit, meaning)


def test_shown_in_80_columns(entries: dict[str, Entry], given_away: Entry) -> None:
    for what in [list(entries.values()), *entries.values(), given_away]:
        text = printed(what)
        assert max(map(len, text.splitlines())) <= 80
    text = printed(given_away)
    assert "10**12" in text
    assert "REQUEST gives the job to its requester. A proof ends it." in text
    assert text.index("REQUEST → ASSIGNED") < text.index("PROVE → SETTLED ■") < text.index("EXPIRE → LOST ■")


def test_a_phase_unfolds_once(entries: dict[str, Entry]) -> None:
    text = printed(entries["bonded"])
    assert text.count("CONTEST → CONTESTED") == 1
    assert text.count("PROVE → PROVEN ↑") == 3  # again from PROVEN itself, from CONTESTED and from OPEN


def test_entry_is_json(entries: dict[str, Entry]) -> None:
    told = json.loads(json.dumps(entries["race"].as_dict()))
    assert told["life_cycle"][0] == {"from": "NONE", "kind": "REQUEST", "to": ["OPEN"]}
    assert told["parameters"][0]["name"] == "fee_rule"


def test_a_rule_that_raises_is_told_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "raises.py"
    path.write_text(RULE.replace("s.wins[0] += 1", "s.wins[1] += 1"))
    with pytest.raises(BadInput, match=r"wanted a verdict for every event, got IndexError: .* at Event\(kind=.*PROVE"):
        _ = catalogue.entry(str(path)).transitions


def test_unknown_rule_is_bad_input() -> None:
    with pytest.raises(BadInput, match="did you mean race"):
        catalogue.entry("racer")
