"""The contracts' own suite passes, and the analyser finds nothing that its page does not answer."""

import re
from pathlib import Path

import pytest

from proofyard.chain import analysers, forge
from proofyard.core.errors import BadInput

PAGE = Path(__file__).parents[2] / "docs" / "slither.md"


def test_the_contracts_own_suite_passes() -> None:
    done = forge.run(["test"], capture=True)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-1_000:]
    assert "invariant_money_is_conserved_and_backed" in done.stdout


def test_each_finding_of_slither_is_answered() -> None:
    rows = re.findall(r"^\| ([a-z][^|]*) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = [re.match(r"([a-z-]+)(?: \((\d+)\))?$", kind) for row in rows[1:] for kind in row.split(", ")]
    answered = {found[1]: int(found[2]) for found in told if found is not None and found[2] is not None}
    assert dict(analysers.slither()) == answered


def test_there_are_two_analysers() -> None:
    with pytest.raises(BadInput, match="slither or halmos"):
        analysers.main(["mythril"])
