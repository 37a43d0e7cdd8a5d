"""Rules with one fault each: the right check finds it, in one sentence, with a trace that shows it."""

from pathlib import Path

import pytest

from proofyard import conformance, mechanisms
from proofyard.conformance import script
from proofyard.conformance.market import Broken, Market
from proofyard.core import BadInput

BROKEN = Path(__file__).parent / "broken"
FAULTS = {
    "first_of_the_moment": ("ties", "at one instant one of them is FULL"),
    "keeps_money": ("life", "is final and book.escrow"),
    "late_at_deadline": ("ties", "at its very deadline was answered LATE"),
    "mints_money": ("money", "+1 gwei appeared since genesis"),
    "never_ends": ("stuck", "is still OPEN after"),
    "numba_cannot": ("compiled", "numba_cannot.py, line 24: wanted the subset of Python that Numba compiles"),
    "overdraws": ("life", "put 1"),
    "overflows": ("compiled", "in plain Python and"),
    "pays_too_much": ("money", "book.escrow["),
    "raises": ("answers", "`apply` raised ZeroDivisionError"),
    "refuses_its_timer": ("stuck", "its EXPIRE is due and answered EARLY"),
    "refuses_late": ("refused", "BAD_DETAIL was answered and yet the state changed: offers["),
    "remembers": ("repeat", "the same events were answered "),
    "robs": ("life", "EXPIRE took 1 gwei of cash"),
    "row_below_zero": ("repeat", "row -1 is"),
    "takes_orders": ("ties", "a timer has no author"),
}


def test_every_broken_rule_is_listed() -> None:
    assert sorted(path.stem for path in BROKEN.glob("*.py")) == sorted([*FAULTS, "float_in_state"])


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found_by_the_right_check(name: str) -> None:
    check, sentence = FAULTS[name]
    report = conformance.run(mechanisms.rule(str(BROKEN / f"{name}.py")), traces=100)
    found = {line.name: line for line in report.checks}
    assert check in report.failed(), report.text()
    assert sentence in found[check].sentence
    assert not report.ok
    assert found["form"].passed


def test_counterexample_can_be_replayed_and_is_short() -> None:
    rule = mechanisms.rule(str(BROKEN / "mints_money.py"))
    found = {line.name: line for line in conformance.run(rule).checks}
    rule_line, market_line, *events = found["money"].counterexample
    market = Market(script.read_setup(rule, rule_line, market_line, "test"))
    *before, last = (script.read_event(line, "test") for line in events)
    assert len(before) == 1  # a request; then its proof is paid too much
    for event in before:
        market.answer(event)
    with pytest.raises(Broken, match="appeared since genesis"):
        market.answer(last)


def test_float_in_the_state_is_refused_before_anything_runs() -> None:
    with pytest.raises(BadInput, match=r"State\.average: wanted an int64 array .*, got float\.$"):
        mechanisms.rule(str(BROKEN / "float_in_state.py"))


def test_syntax_error_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "half_a_rule.py"
    path.write_text("def apply(p, s, e)\n    return 0\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"line 1: wanted valid Python, got expected ':'\.$"):
        mechanisms.rule(str(path))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [("s.book.reserve[0] = -1", "-1 gwei"), ("s.book.phase[0] = 1", "no job"), ("s.book.cash[9] = 1", "IndexError")],
)
def test_senseless_genesis_fails_the_form(tmp_path: Path, body: str, sentence: str) -> None:
    path = tmp_path / "bad_start.py"
    source = (BROKEN.parents[2] / "benchmarks" / "rules" / "first.py").read_text(encoding="utf-8")
    path.write_text(f"{source}\n\ndef genesis(p, s):\n    {body}\n", encoding="utf-8")
    report = conformance.run(mechanisms.rule(str(path)))
    assert report.failed() == ["form"]
    assert sentence in report.checks[0].sentence
