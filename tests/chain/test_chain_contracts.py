"""The contracts' own suite passes, the analyser finds nothing that its page does not answer, shares make no value."""

import re
from pathlib import Path

import pytest

from proofyard.chain import analysers, forge, toolbox
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


def test_shares_make_no_value_whatever_the_amounts() -> None:
    claims = analysers.SHARES.read_text(encoding="utf-8")
    found = analysers.shares(claims)
    assert len(found) >= 12
    assert all(found.values()), found
    vault = (toolbox.CONTRACTS / "src" / "Vault.sol").read_text(encoding="utf-8")
    assert "VIRTUAL = 1_000;" in vault, "the claims are about the vault's own numbers"
    assert "CHEAPEST = 2 ** 34;" in vault


def test_a_claim_that_does_not_hold_is_not_proven() -> None:
    claims = analysers.SHARES.read_text(encoding="utf-8")
    down = "(<= (* minted (+ assets 1)) (* amount (+ all V)))"
    assert claims.count(down) == 3
    up = "(<= (* minted (+ assets 1)) (+ (* amount (+ all V)) (+ assets 1)))"  # rounded for who comes in
    found = analysers.shares(claims.replace(down, up))
    assert not found["in and out again pays no more than was paid in"]
    assert found["who goes out takes nothing from who stays"]


def test_the_analysers_are_named() -> None:
    with pytest.raises(BadInput, match="slither, halmos or shares"):
        analysers.main(["mythril"])
