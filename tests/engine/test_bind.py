"""Binding: a rule file anywhere runs compiled, an edit is seen at once, and what cannot compile is one sentence."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from proofyard import mechanisms
from proofyard.core import BadInput, Fault, Kind, Verdict
from proofyard.engine import cache
from proofyard.engine.bind import bind, compile_rule
from proofyard.engine.fold import fold
from proofyard.tools.cache import digest_files, root

RULE = """
from typing import NamedTuple
from proofyard.core import Book, Event, GweiByActor, Kind, Verdict, check, move, spec

class Params(NamedTuple):
    share: int = 1

class State(NamedTuple):
    book: Book
    stake: GweiByActor

@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind != Kind.STAKE:
        return Verdict.UNKNOWN
    move(s.book.cash, e.actor, s.stake, e.actor, e.amount // 2 * p.share)
    return Verdict.OK
"""

RUN = """
import sys
from pathlib import Path
import numpy as np
from proofyard import mechanisms
from proofyard.engine.bind import bind
from proofyard.engine.layout import words_of
import ctypes
rule = mechanisms.rule(sys.argv[1])
state = rule.genesis(2, 1)
state.book.cash[:] = 1_000
bound = bind(rule, state)
event = np.array([1, 0, 1, 0, 100, 0, 0], np.int64)
entry = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(bound.function)
print(entry(bound.context.ctypes.data, event.ctypes.data), state.stake[1])
"""


def answer(path: Path) -> str:
    """Run the rule compiled, in a process of its own as a user would, after the edit."""
    done = subprocess.run([sys.executable, "-c", RUN, str(path)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_an_edited_rule_is_compiled_anew(tmp_path: Path) -> None:
    path = tmp_path / "halves.py"
    path.write_text(RULE, encoding="utf-8")
    assert answer(path) == "0 50"
    path.write_text(RULE.replace("// 2", "// 4"), encoding="utf-8")
    assert answer(path) == "0 25"


def test_an_edited_neighbour_is_seen_too(tmp_path: Path) -> None:
    path, beside = tmp_path / "halves.py", tmp_path / "proofyard_test_part.py"
    beside.write_text("PART = 2\n", encoding="utf-8")
    text = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nfrom proofyard_test_part import PART\n" + RULE
    path.write_text(text.replace("// 2", "// PART"), encoding="utf-8")
    assert answer(path) == "0 50"
    beside.write_text("PART = 10\n", encoding="utf-8")
    assert answer(path) == "0 10"


def test_two_files_of_one_name_are_two_rules(tmp_path: Path) -> None:
    functions = set()
    for folder in ("one", "two"):
        path = tmp_path / folder / "halves.py"
        path.parent.mkdir()
        path.write_text(RULE.replace("// 2", "// 2" if folder == "one" else "// 5"), encoding="utf-8")
        functions.add(compile_rule(mechanisms.rule(str(path))))
    assert len(functions) == 2


def test_what_numba_cannot_compile_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "wordy.py"
    path.write_text(RULE.replace("e.amount // 2 * p.share", "sum(int(x) for x in str(e.amount))"), encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        compile_rule(mechanisms.rule(str(path)))
    assert re.match(r"wordy.py, line \d+: wanted the subset of Python that Numba compiles", str(caught.value))
    assert "\n" not in str(caught.value)


def test_parameters_need_no_new_compilation(tmp_path: Path) -> None:
    path = tmp_path / "halves.py"
    path.write_text(RULE, encoding="utf-8")
    once, twice = (mechanisms.rule(f"{path}(share={share})") for share in (1, 2))
    assert bind(once, once.genesis(1, 1)).function == bind(twice, twice.genesis(1, 1)).function


def test_the_cache_folder_is_named_by_the_sources() -> None:
    one, same, other = (digest_files([path]) for path in (Path(__file__), Path(__file__), Path(cache.__file__)))
    assert one == same != other
    assert cache.folder().parent == root()


def test_only_compiled_code_that_is_old_is_removed(tmp_path: Path) -> None:
    """The cache also holds tools, circuits and the reference string, which take long to get again."""
    names = ["0123456789abcdef-0.68.0-311", "numba-0123456789abcdef-0.68.0-311", "srs", "npm", "circuits"]
    for name in names:
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    cache._remove_old(tmp_path / "fedcba9876543210-0.68.0-311")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["circuits", "npm", "srs"]


COUNT = """
from numba.core import compiler
compiled = []
define = compiler.DefaultPassBuilder.define_nopython_pipeline
def count(state, name="nopython"):
    compiled.append(state.func_id.modname)
    return define(state, name)
compiler.DefaultPassBuilder.define_nopython_pipeline = count
"""


def test_what_rules_share_is_compiled_for_the_first_of_them_only(tmp_path: Path) -> None:
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text(RULE, encoding="utf-8")
    second.write_text(RULE.replace("// 2", "// 4"), encoding="utf-8")
    assert answer(first) == "0 50"
    script = f"{COUNT}{RUN}print(*sorted(set(compiled)))"
    command = [sys.executable, "-c", script, str(second)]
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert done[0] == "0 25"
    modules = done[1].split()
    assert any("second" in module for module in modules)
    assert not [module for module in modules if module.startswith("proofyard.core")]


def test_a_rule_that_raises_is_a_fault_and_no_verdict(tmp_path: Path) -> None:
    """Compiled code has nobody to raise to; it must not look as if the rule had said OK."""
    path = tmp_path / "raising.py"
    path.write_text(RULE.replace("    move(", "    assert e.amount != 7\n    move("), encoding="utf-8")
    rule = mechanisms.rule(str(path))
    state = rule.genesis(2, 1)
    state.book.cash[:] = 1_000
    events = np.array([[Kind.STAKE, 0, 1, 0, amount, 0, 0] for amount in (100, 7)], np.int64)
    assert fold(rule, state, events[:1]).tolist() == [Verdict.OK]
    with pytest.raises(Fault, match="raising: the rule raised an exception at event 1 of 2"):
        fold(rule, state, events)


def test_a_rule_that_makes_arrays_runs_in_a_process_that_has_not_loaded_numba(tmp_path: Path) -> None:
    """Its code needs Numba's memory, so loading it loads Numba; other rules run without."""
    plain, arrays = tmp_path / "plain.py", tmp_path / "arrays.py"
    plain.write_text(RULE, encoding="utf-8")
    made = RULE.replace("    move(", "    found = np.zeros(e.amount, np.int64)\n    found[0] = 1\n    move(", 1)
    arrays.write_text("import numpy as np\n" + made.replace("// 2", "// 2 * found[0]"), encoding="utf-8")
    for path, loads in ((plain, False), (arrays, True)):
        assert answer(path) == "0 50"
        done = subprocess.run(
            [sys.executable, "-c", RUN + "print('numba' in sys.modules)", str(path)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.split() == ["0", "50", str(loads)]
