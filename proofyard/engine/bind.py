"""Bind a rule to the engine: compile its `apply` behind one address, in half a second, cached on disk.

The engine is compiled once and knows no rule. For each rule a small entry is generated that rebuilds the rule's named
tuples from pointers and calls `apply`; the engine calls that entry with a context address and seven integers.
"""

import ast
import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from proofyard.core.book import Ints
from proofyard.core.errors import BadInput, Fault
from proofyard.core.rule import Rule
from proofyard.engine import cache
from proofyard.engine.memory import words_of
from proofyard.policies import Policy

_ENTRY = '''"""Generated: the rule {name} behind one address; `rule_module` is put here by whoever imports this file."""
from numba import cfunc, types
from proofyard.core.event import Event
from proofyard.engine.memory import layout_of, pointer_to
apply = rule_module.apply
_state = layout_of(rule_module.State)
state_at, params_at = pointer_to(_state), pointer_to(layout_of(rule_module.Params, first=_state.words))
event_at = pointer_to(layout_of(Event, fixed=False))

@cfunc(types.int64(types.int64, types.int64), cache=True, error_model="numpy")
def entry(address, event):
    return apply(params_at(address), state_at(address), event_at(event)).value
'''


_DECIDE = '''"""Generated: the policy {name} behind one address; `rule_module` is put here by who imports this file."""
from typing import NamedTuple
from numba import cfunc, types
from proofyard.core.book import Ints
from proofyard.engine.memory import layout_of, pointer_to
from proofyard.policies.view import View
decide = rule_module.decide
class Own(NamedTuple):
    memory: Ints
_params = layout_of(rule_module.Params)
params_at, own_at = pointer_to(_params), pointer_to(layout_of(Own, first=_params.words))
view_at = pointer_to(layout_of(View, fixed=False))

@cfunc(types.int64(types.int64, types.int64), cache=True, error_model="numpy")
def entry(address, view):
    return decide(params_at(address), own_at(address).memory, view_at(view))
'''


@dataclass(frozen=True)
class Bound:
    """A compiled rule on one state. `state` must live as long as `context` is used."""

    function: int  # address of the entry
    context: Ints  # addresses and sizes of the state's arrays, then the parameters
    state: Any


def _sources_of(rule: Rule | Policy) -> list[Path]:
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
    return sorted(found)


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
    return _compile(rule, "entry", _ENTRY)


def compile_policy(policy: Policy) -> int:
    """Compile `policy` (or take it from the cache) and return the address of its entry. Raises BadInput, as above."""
    return _compile(policy, "policy", _DECIDE)


def _compile(rule: Rule | Policy, kind: str, entry: str) -> int:
    """Write the entry of a rule or a policy into the cache, import it, and return its address. Raises BadInput."""
    own = rule.module.__name__.rsplit(".", 1)[-1]  # for a user's file it tells the path too: compiled code names it
    name = f"{kind}_{own}_{cache.digest_of(_sources_of(rule))}"
    module = sys.modules.get(name)
    if module is None:
        path = cache.folder() / f"{name}.py"
        if not path.exists():
            draft = path.with_suffix(f".{id(rule)}.tmp")
            draft.write_text(entry.format(name=rule.name), encoding="utf-8")
            draft.replace(path)
        loader = importlib.util.spec_from_file_location(name, path)
        if loader is None or loader.loader is None:
            raise Fault(f"{path} cannot be imported.")
        module = importlib.util.module_from_spec(loader)
        module.__dict__["rule_module"] = rule.module
        sys.modules[name] = module
        try:
            loader.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            wanted = "the subset of Python that Numba compiles: integers, loops over range(len(…)), arrays by index"
            raise BadInput(*_why(rule, error, wanted)) from error
    return int(module.entry.address)


def bind(rule: Rule, state: Any) -> Bound:
    """Compile `rule` and point it at `state`."""
    return Bound(compile_rule(rule), np.array(words_of((*state, *rule.params)), np.int64), state)
