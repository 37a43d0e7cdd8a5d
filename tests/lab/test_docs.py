"""The generated pages are up to date and tell all there is; what is written by hand keeps its promises."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proofyard import mechanisms
from proofyard.core import Kind
from proofyard.lab import catalogue, docs, skeleton
from proofyard.lab.payments import payments
from proofyard.scenario import tables

STALE = "is out of date: run `make docs` and commit what changed"
RULE = '''
from proofyard.core import Ints, Kind, ask, move, pay, refund, slash


def give(b, pot: Ints, job, winner, amount):
    """Give it to the winner."""
    move(pot, job, b.cash, winner, amount)


def lose(p, s, e):
    """Lose."""
    refund(s.book, e.job)
    slash(s.book, 0, s.bond, e.job, s.book.burnt, 0, s.bond[e.job])


def apply(p, s, e):
    b = s.book
    if e.kind == Kind.REQUEST:
        ask(b, e, e.amount)
    elif e.kind != Kind.PROVE:
        lose(p, s, e)
    else:
        give(b, s.bond, e.job, e.actor, p.bond)
        move(b.escrow, e.job, b.burnt if p.burns == 1 else b.reserve, 0, b.escrow[e.job])
    Kind.EXPIRE
'''


@pytest.fixture(scope="module")
def pages() -> dict[Path, str]:
    return docs.pages()


def test_pages_are_up_to_date(pages: dict[Path, str]) -> None:
    for path, text in pages.items():
        assert path.exists(), f"{path.name} {STALE}"
        assert path.read_text(encoding="utf-8") == text, f"{path.name} {STALE}"
    assert set((docs.ROOT / "mechanisms").glob("*.md")) <= set(pages), f"docs/mechanisms {STALE}"


def test_written_where_told_and_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs, "pages", lambda root: {root / "mechanisms" / "race.md": "text\n"})
    (tmp_path / "mechanisms").mkdir()
    (tmp_path / "mechanisms" / "gone.md").write_text("of a rule that is no more")
    assert [path.name for path in docs.write(tmp_path)] == ["race.md", "gone.md"]
    assert docs.write(tmp_path) == []
    assert [path.name for path in (tmp_path / "mechanisms").iterdir()] == ["race.md"]


@pytest.mark.parametrize("name", mechanisms.NAMES)
def test_every_rule_says_who_pays_whom_and_when(pages: dict[Path, str], name: str) -> None:
    page = pages[docs.ROOT / "mechanisms" / f"{name}.md"]
    rows = re.findall(r"^\| ([A-Z, ]*) \| .* \| `.*` \| `.*` \| `.*` \|$", page, re.MULTILINE)
    assert rows
    assert all(set(row.split(", ")) <= {kind.name for kind in Kind} for row in rows)


def test_known_failures_are_on_the_page_of_their_rule(pages: dict[Path, str]) -> None:
    notes = list((docs.ROOT / "failures").glob("*.md"))
    assert notes
    for path in notes:
        assert path.read_text(encoding="utf-8").strip() in pages[docs.ROOT / "mechanisms" / path.name]


@pytest.mark.parametrize("name", mechanisms.NAMES)
def test_every_rule_tells_what_goes_wrong_and_what_is_shown(pages: dict[Path, str], name: str) -> None:
    page = pages[docs.ROOT / "mechanisms" / f"{name}.md"]
    _, _, rest = page.partition("\n## What the simulation shows\n")
    shows, _, failures = rest.partition("\n## Known failure modes\n")
    assert "- `scenarios/" in shows
    assert "- **" in failures


def test_movements_of_money_are_read_from_the_source() -> None:
    found = payments(RULE, set(catalogue.kinds_in(RULE)))
    assert docs.grid(("on", "step", "from", "to", "gwei"), found).splitlines()[2:] == [
        "| EXPIRE | `lose`: Lose. | `escrow[e.job]` | `cash[requester[e.job]]` | `escrow[e.job]` |",
        "| EXPIRE |  | `bond[e.job]` | `burnt` | `bond[e.job]` |",
        "| REQUEST |  | `cash[e.actor]` | `escrow[e.job]` | `e.amount` |",
        "| PROVE |  | `bond[e.job]` | `cash[e.actor]` | `p.bond` |",
        "| PROVE |  | `escrow[e.job]` | `burnt if p.burns == 1 else reserve` | `escrow[e.job]` |",
    ]


def test_every_key_of_a_scenario_has_a_meaning(pages: dict[Path, str]) -> None:
    page = pages[docs.ROOT / "scenario.md"].split("\n## Policies\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \| (.*) \|$", page, re.MULTILINE)
    for key, kind, _, meaning in rows:
        assert kind, key
        assert meaning, f"say in docs/templates/keys.toml, or beside it in scenario/tables.py, what {key} means"
    told = [key for key, *_ in rows]
    written = [model for model in tables.Table.__subclasses__() if model.__module__ == tables.__name__]
    assert sorted(told) == sorted(key for model in written for key in model.model_fields)


def test_links_lead_somewhere(pages: dict[Path, str]) -> None:
    for path in {*pages, *docs.ROOT.glob("*.md")}:
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
            file = (path.parent / target).resolve() if target else path
            assert file.exists(), f"{path.name}: {target}"
            assert not anchor or anchor in anchors(file), f"{path.name}: {target}#{anchor}"


def anchors(path: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_tutorial_shows_what_the_command_writes() -> None:
    tutorial = (docs.ROOT / "write-a-rule.md").read_text(encoding="utf-8")
    for name, text in skeleton.files("by_lot").items():
        assert text.strip() in tutorial, f"{name} in docs/write-a-rule.md is not what `proofyard new by_lot` writes"


def test_tutorial_shows_what_the_commands_say(tmp_path: Path) -> None:
    """Word for word, but for the attack and the live market, which take minutes."""
    tutorial = (docs.ROOT / "write-a-rule.md").read_text(encoding="utf-8")
    consoles = re.findall(r"```console\n\$ proofyard (.*?)\n(.*?)```", tutorial, re.DOTALL)
    wanted = {command: told for command, told in consoles if command.split()[0] not in {"attack", "trial"}}
    assert [command.split()[0] for command in wanted] == ["new", "check", "check", "simulate", "compare", "mechanisms"]
    for command, told in wanted.items():
        if "broken.py" in command:
            lines = (tmp_path / "by_lot.py").read_text(encoding="utf-8").splitlines(keepends=True)
            broken = "".join(line for line in lines if line != "        refund(b, e.job)\n")
            (tmp_path / "broken.py").write_text(broken, encoding="utf-8")
        words = [sys.executable, "-m", "proofyard", *shlex.split(command)]
        done = subprocess.run(
            words, cwd=tmp_path, env={**os.environ, "COLUMNS": "100"}, capture_output=True, text=True, check=False
        )
        assert [line.rstrip() for line in done.stdout.splitlines()] == told.splitlines(), command


def test_python_of_the_page_runs_and_its_columns_are_told(
    pages: dict[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(docs.ROOT.parent)
    known: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", (docs.ROOT / "python.md").read_text(encoding="utf-8"), re.DOTALL):
        exec(block.replace('"6h"', '"1h"'), known)  # noqa: S102 - our own page
    assert len(known["figures"]["seeds"]) == 3
    assert known["late"]["len"].sum() == 3 * known["figures"]["proofs"]["late"] > 0
    told = pages[docs.ROOT / "results.md"].split("## In the Parquet files")[1]
    for frame in (known["provers"], known["jobs"]):
        assert not [name for name in frame.columns if f"`{name}`" not in told]
    assert not [row for row in told.splitlines() if row.startswith("| `") and row.split("|")[2].isspace()]


def test_names_that_are_read_from_a_rule_are_told() -> None:
    """What the code looks for in a rule's module and state stands in the guide, and nothing else does."""
    package = docs.ROOT.parent / "proofyard"
    source = "\n".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    own = (package / "core" / "rule.py").read_text(encoding="utf-8").replace("self.module", "rule.module")
    read = set(re.findall(r"rule\.module, \"([A-Z_]+)\"", source + own)) | {"SOURCE", "FAMILY"}
    read |= set(re.findall(r"(?:optional\(|\bstate, )\"([a-z_]+)\"", source)) | {"window_ms"}
    guide = (docs.ROOT / "write-a-rule.md").read_text(encoding="utf-8")
    tables = guide.split("## What else is read from a rule")[1].split("## Further")[0]
    told = {
        name for cell in re.findall(r"^\| (`.*?`) \|", tables, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    }
    assert read <= told, read - told
    assert told <= read | {"leaving", "exiting", "seat"}, told - read
