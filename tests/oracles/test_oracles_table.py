"""The table of oracles, docs/oracles.md: every line is held by tests that exist, or says why it is not."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


def lines() -> list[tuple[str, str]]:
    """Read the rows of all tables: what must hold, and what holds it."""
    rows = [row.strip().strip("|").split("|") for row in (ROOT / "docs" / "oracles.md").read_text("utf-8").splitlines()]
    cells = [(row[0].strip(), row[-1].strip()) for row in rows if len(row) == 2]
    return [cell for cell in cells if cell[0] not in {"line", "---"}]


def test_every_named_test_exists() -> None:
    missing: list[str] = []
    for _, held in lines():
        for path, name in TEST.findall(held):
            file = ROOT / "tests" / path
            if not file.is_file() or f"\ndef {name}(" not in file.read_text("utf-8"):
                missing.append(f"{path}::{name}")
    assert missing == []


def test_every_line_is_held_or_says_why_not() -> None:
    found = lines()
    assert len(found) > 80
    assert [line for line, held in found if not TEST.search(held) and not held.startswith("Not held: ")] == []


def test_every_oracle_test_is_in_the_table() -> None:
    named = {name for _, held in lines() for _, name in TEST.findall(held)}
    written = {
        name
        for file in Path(__file__).parent.glob("test_oracles_*.py")
        if file != Path(__file__)
        for name in re.findall(r"^def (test_\w+)\(", file.read_text("utf-8"), re.MULTILINE)
    }
    assert written - named == set()
