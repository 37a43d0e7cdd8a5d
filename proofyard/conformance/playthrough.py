"""Golden playthroughs: short, readable markets with every answer and every change, reviewed as a diff.

Events, comments and order are the author's to edit; the answers are replayed, and rewritten by a command.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from proofyard.conformance import script
from proofyard.conformance.market import Broken, Market, Setup
from proofyard.core.errors import BadInput
from proofyard.core.event import Event
from proofyard.core.rule import Rule

COMMAND = "python -m proofyard.conformance.golden"


class Playthrough(NamedTuple):
    """One market in a golden file."""

    comments: list[str]
    rule_line: str
    market_line: str
    lines: list[str]  # events with their answers
    first: int  # line number of the first event


def path_of(rule: Rule) -> Path:
    """File of the golden playthroughs: in the package for a shipped rule, beside it for a file of the user's."""
    source = Path(str(rule.module.__file__))
    if rule.module.__name__.startswith("proofyard."):
        return source.parent / "golden" / f"{rule.name}.txt"
    return source.with_suffix(".golden.txt")


def read(path: Path) -> list[Playthrough]:
    """Split a golden file into its playthroughs. Raises BadInput."""
    found: list[Playthrough] = []
    comments: list[str] = []
    lines = path.read_text(encoding="utf-8").splitlines()
    for k, line in enumerate(lines):
        if line.startswith("#"):
            comments.append(line)
        elif line.startswith("rule: "):
            market = lines[k + 1] if k + 1 < len(lines) else ""
            found.append(Playthrough(comments, line, market, [], k + 3))
            comments = []
        elif line and not line.startswith("market: "):
            if not found or comments:
                raise BadInput(f"{path}, line {k + 1}", "`rule: …` and `market: …` before events", repr(line))
            found[-1].lines.append(line)
    return found


def write(head: str, playthroughs: Sequence[tuple[list[str], Setup, list[Event]]]) -> str:
    """Play and write all playthroughs. Raises Broken."""
    blocks = [head]
    for comments, setup, events in playthroughs:
        blocks.append("\n".join([*comments, *script.tell_setup(setup), *script.play(setup, events)]) + "\n")
    return "\n".join(blocks)


def first_difference(rule: Rule, path: Path, playthroughs: Sequence[Playthrough]) -> str | None:
    """Replay line by line and say where the rule first does something else than the file says. Raises BadInput."""
    for part in playthroughs:
        setup = script.read_setup(rule, part.rule_line, part.market_line, f"{path.name}, line {part.first - 2}")
        market = Market(setup)
        for k, line in enumerate(part.lines):
            where = f"{path.name}, line {part.first + k}"
            event = script.read_event(line, where)
            try:
                answer = script.tell_answer(market, market.answer(event))
            except Broken as broken:
                return f"{where}: {broken.sentence}"
            expected = script.EVENT.fullmatch(line)
            if expected is None or expected[8] != answer:
                return f"{where}:\n  expected {expected[8] if expected else line}\n  got      {answer}"
    return None


def head_of(rule: Rule) -> str:
    """First lines of a golden file."""
    source = Path(str(rule.module.__file__))
    name = rule.name if rule.module.__name__.startswith("proofyard.") else source.name
    return (
        f"# Golden playthroughs of {rule.name}: each event, the answer, and every change it made.\n"
        f"# The answers are rewritten by `{COMMAND} {name}`; read them as a diff.\n"
    )


def rewrite(rule: Rule) -> str:
    """Play the events of the rule's golden file again and return the file with the answers of today."""
    path = path_of(rule)
    parts = read(path)
    head = head_of(rule)
    played: list[tuple[list[str], Setup, list[Event]]] = []
    for part in parts:
        where = f"{path.name}, line {part.first - 2}"
        setup = script.read_setup(rule, part.rule_line, part.market_line, where)
        events = [script.read_event(line, f"{path.name}, line {part.first + k}") for k, line in enumerate(part.lines)]
        played.append(([line for line in part.comments if line not in head], setup, events))
    return write(head, played)
