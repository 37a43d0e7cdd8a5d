"""Bind a rule to the engine: compile its `apply` behind one address, in half a second, cached on disk.

The engine is compiled once and knows no rule. Each rule is compiled behind an entry that finds the rule's named tuples
from addresses and calls `apply`; the engine calls that entry with the addresses of a context and of seven integers.
"""

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from proofyard.core.book import Ints
from proofyard.core.errors import BadInput
from proofyard.core.rule import Rule
from proofyard.engine import cache, layout
from proofyard.policies import Policy
from proofyard.tools import machine
from proofyard.tools.cache import digest_files

_LOADED: dict[str, int] = {}  # addresses of entries, by name


@dataclass(frozen=True)
class Bound:
    """A compiled rule on one state. `state` must live as long as `context` is used."""

    function: int  # address of the entry
    context: Ints  # addresses and sizes of the state's arrays, then the parameters
    state: Any


def _sources_of(rule: Rule | Policy) -> set[Path]:
    """Files the rule is made of: its own, and for a rule outside the package every file beside it that it imports."""
    own = Path(str(rule.module.__file__))
    found = {own}
    waiting = [own] if not rule.module.__name__.startswith("proofyard.") else []
    while waiting:
        for name in _imported(waiting.pop()):
            path = Path(str(getattr(sys.modules.get(name), "__file__", "")))
            if path.parent == own.parent and path not in found and path.is_file():
                found.add(path)
                waiting.append(path)
    return found


def _imported(path: Path) -> list[str]:
    """List the modules that the file at `path` imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return names


def _why(rule: Rule | Policy, error: Exception, wanted: str) -> tuple[str, str, str]:
    """Make the parts of one sentence of Numba's reasons: the line of the rule it stumbled over, and over what."""
    lines = [line.strip() for line in str(error).splitlines()]
    name = Path(str(rule.module.__file__)).name
    places = [match[1] for line in lines if (match := re.search(rf'File ".*{re.escape(name)}", line (\d+)', line))]
    after = max((k for k, line in enumerate(lines) if "raised a specific error" in line), default=-1)
    reasons = (line for line in lines[after + 1 :] if line and "Error: Failed in nopython" not in line)
    where = f"{name}, line {places[-1]}" if places else name
    return where, wanted, next(reasons, "no reason given").rstrip(".")


def compile_rule(rule: Rule) -> int:
    """Compile `rule` (or take it from the cache) and return the address of its entry.

    Raises BadInput when Numba cannot compile the rule: it then uses Python beyond the shared subset.
    """
    return _compiled(rule, "entry")


def compile_policy(policy: Policy) -> int:
    """Compile `policy` (or take it from the cache) and return the address of its entry. Raises BadInput, as above."""
    return _compiled(policy, "policy")


def _compiled(rule: Rule | Policy, kind: str) -> int:
    """Load the entry of a rule or a policy, compiling it if need be. Raises BadInput."""
    own = rule.module.__name__.rsplit(".", 1)[-1]  # for a user's file it tells the path too: compiled code names it
    name = f"{kind}_{own}_{digest_files(_sources_of(rule))}"
    if name not in _LOADED:
        try:
            _LOADED[name] = machine.address(cache.folder() / f"{name}.o", lambda: _made(rule, kind), _ready)
        except Exception as error:
            wanted = "the subset of Python that Numba compiles: integers, loops over range(len(…)), arrays by index"
            raise BadInput(*_why(rule, error, wanted)) from error
    return _LOADED[name]


def _ready(symbol: str) -> None:
    """Have Numba's memory ready for code that makes arrays."""
    if symbol == layout.WITH_NUMBA:
        from proofyard.engine.translate import start_memory  # noqa: PLC0415 - Numba, only when it is needed

        start_memory()


def _made(rule: Rule | Policy, kind: str) -> tuple[str, bytes]:
    from proofyard.engine import translate  # noqa: PLC0415 - Numba, only when it is needed

    return translate.rule_code(rule.module) if kind == "entry" else translate.policy_code(rule.module)


def bind(rule: Rule, state: Any) -> Bound:
    """Compile `rule` and point it at `state`."""
    return Bound(compile_rule(rule), np.array(layout.words_of((*state, *rule.params)), np.int64), state)
