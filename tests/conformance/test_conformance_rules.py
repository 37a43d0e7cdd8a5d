"""Every shipped rule, and every rule the benchmarks run, keeps what any rule must keep."""

from pathlib import Path

import pytest

from proofyard import conformance, mechanisms
from proofyard.conformance import mutate, playthrough

BENCHMARKS = sorted((Path(__file__).parents[2] / "benchmarks" / "rules").glob("*.py"))


@pytest.mark.parametrize("name", mechanisms.NAMES)
def test_shipped_rule_conforms(name: str) -> None:
    report = conformance.run(mechanisms.rule(name))
    assert report.ok, report.text()


@pytest.mark.parametrize("path", BENCHMARKS)
def test_rule_of_the_benchmarks_conforms(path: Path) -> None:
    report = conformance.run(mechanisms.rule(str(path)))
    assert report.ok, report.text()


@pytest.mark.parametrize("name", mechanisms.NAMES)
def test_golden_playthroughs_are_up_to_date(name: str) -> None:
    rule = mechanisms.rule(name)
    assert playthrough.rewrite(rule) == playthrough.path_of(rule).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", mechanisms.NAMES)
def test_deleting_any_single_money_movement_is_noticed(name: str) -> None:
    """The statements of the rule itself, and those of the helpers in core it uses: ask, pay, refund, slash."""
    rule = mechanisms.rule(name)
    assert len(mutate.of_rule(rule)) >= 5  # the search for statements has not gone blind
    assert conformance.survivors(rule) == []


def test_helpers_of_core_are_mutated_too() -> None:
    assert len(mutate.of_helpers(mechanisms.rule("staked_pool"))) >= 3


@pytest.mark.parametrize("name", mechanisms.NAMES)
def test_golden_playthroughs_alone_notice_it(name: str) -> None:
    """Without fuzzing: what a reviewer reads pins every movement of money down."""
    rule = mechanisms.rule(name)
    path = playthrough.path_of(rule)
    parts = playthrough.read(path)
    unseen = [m.statement for m in mutate.of_rule(rule) if playthrough.first_difference(m.rule, path, parts) is None]
    assert unseen == []
