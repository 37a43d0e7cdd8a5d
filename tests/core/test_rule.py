"""Rules are found by name or file, their parameters checked, and every mistake is one sentence."""

from pathlib import Path

import pytest

from proofyard import mechanisms
from proofyard.core import BadInput

GOOD = """
from typing import NamedTuple
from proofyard.core import Book, Event, Verdict, check, spec

class Params(NamedTuple):
    window_ms: int = 10

class State(NamedTuple):
    book: Book

def validate(p):
    return ("window_ms", "a window above zero") if p.window_ms <= 0 else None

@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    return check(s.book, e)
"""


def written(folder: Path, text: str) -> str:
    path = folder / "mine.py"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_text_and_rule_are_the_same_thing() -> None:
    rule = mechanisms.rule("race( window_ms = 60_000 )")
    assert rule.params.window_ms == 60_000
    assert rule.text == "race(window_ms=60000)"
    assert mechanisms.rule(rule.text).params == rule.params
    assert mechanisms.rule("race").text == "race"


def test_a_file_anywhere_is_a_rule(tmp_path: Path) -> None:
    rule = mechanisms.rule(f"{written(tmp_path, GOOD)}(window_ms=5)")
    assert (rule.name, rule.params.window_ms) == ("mine", 5)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rase", "mechanism: wanted a mechanism (did you mean race?), got rase."),
        ("race(windw_ms=1)", "mechanism: wanted a parameter of race (did you mean window_ms?), got windw_ms."),
        ("race(window_ms=1.5)", "mechanism.window_ms: wanted an integer, got 1.5."),
        ("race(window_ms=True)", "mechanism.window_ms: wanted an integer, got True."),
        ("race(**{})", "mechanism: wanted arguments written key=value, got 'race(**{})'."),
        ("race(window=1)", "mechanism: wanted a parameter of race (did you mean window_ms?), got window."),
        (
            "staked_pool(initial_fee=3)",
            "mechanism: wanted a parameter of staked_pool (did you mean initial_fee_gwei_per_gas?), got initial_fee.",
        ),
        ("./mine", "mechanism: wanted a name of the catalogue, or a rule file that ends in .py, got ./mine."),
        ("race(window_ms=x)", "mechanism: wanted a name or name(key=value, …), got 'race(window_ms=x)'."),
        ("race(5)", "mechanism: wanted arguments written key=value, got 'race(5)'."),
        ("race(window_ms=1, window_ms=2)", "mechanism.window_ms: wanted one value, got 2."),
        ("nowhere.py", "mechanism: wanted a rule file, got nowhere.py, which does not exist."),
    ],
)
def test_a_wrong_text_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        mechanisms.rule(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("    book: Book\n", "    book: Book\n    mean: float\n"), "State.mean: wanted an int64 array with a size"),
        (("    book: Book\n", "    cash: Book\n    other: int\n"), "State.other: wanted an int64 array"),
        (("int = 10", "float = 0.5"), "Params.window_ms: wanted an integer default, got 0.5"),
        (("int = 10", "int"), "Params.window_ms: wanted a default, got none"),
        (("def apply(", "def apply(("), "line 15: wanted valid Python"),
        (("def apply(", "def play("), "wanted a rule with apply, got a module without it"),
        (
            ("from typing", "import nothing_like_this\nfrom typing"),
            "wanted a rule that can be imported, got ModuleNotFoundError",
        ),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, change: tuple[str, str], sentence: str) -> None:
    path = written(tmp_path, GOOD.replace(*change))
    with pytest.raises(BadInput) as caught:
        mechanisms.rule(path)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        (
            "pool: GweiOnce",
            "State.pool: wanted one value per actor, as which this name is read, or another name, got one",
        ),
        (
            "seat: ByJob",
            "State.seat: wanted one value per actor, as which this name is read, or another name, got one per",
        ),
        (
            "churn: ByActor",
            "State.churn: wanted one value in all, as which this name is read, or another name, got one",
        ),
        (
            "ballot: Tree",
            "State.ballot: wanted one value per job, as which this name is read, or another name, got a sum",
        ),
    ],
)
def test_a_name_that_is_read_as_something_else_is_refused(tmp_path: Path, field: str, sentence: str) -> None:
    """The simulator looks for some fields by name: of another size they would be taken for what they are not."""
    text = GOOD.replace("    book: Book", f"    book: Book\n    {field}")
    path = written(tmp_path, text.replace("import Book", "import Book, ByActor, ByJob, GweiOnce, Tree"))
    with pytest.raises(BadInput) as error:
        mechanisms.rule(path)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (GOOD.replace("class", "# \xe9\nclass", 1).encode("latin-1"), "wanted text in UTF-8, got byte"),
        (b"\0", "wanted valid Python, got source code string cannot contain null bytes"),
        (b"raise SystemExit(3)", "wanted a rule that can be imported, got SystemExit: 3"),
    ],
)
def test_a_file_that_is_no_python_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        mechanisms.rule(str(path))
    assert sentence in str(caught.value)
    assert "None" not in str(caught.value)


def test_a_folder_is_no_rule(tmp_path: Path) -> None:
    (tmp_path / "mine.py").mkdir()
    with pytest.raises(BadInput, match=r"wanted a rule file, got .*mine\.py, which is a folder\.$"):
        mechanisms.rule(str(tmp_path / "mine.py"))


def test_a_file_nobody_may_read_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read all, so the refusal is the test's own."""
    path = written(tmp_path, GOOD)

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(BadInput, match=r"wanted a rule file, got .*mine\.py \(Permission denied\)\.$"):
        mechanisms.rule(path)


def test_a_rule_refuses_its_own_senseless_parameters(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="window_ms: wanted a window above zero, got 0"):
        mechanisms.rule(f"{written(tmp_path, GOOD)}(window_ms=0)")
