"""Does the suite notice money that is not moved? Delete every single money movement of a rule, one at a time.

A mutant is the rule with one statement replaced by `pass`: a call of a function of `core` that moves money (`move`,
`pay`, `refund`, …), or of one of its own that does. It is killed when the golden playthroughs or the fuzzing notice it.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from proofyard.conformance import playthrough
from proofyard.conformance.fuzz import Fuzzer
from proofyard.conformance.reach import missing
from proofyard.core import book, standing
from proofyard.core.errors import BadInput
from proofyard.core.rule import Rule, load, with_params

CORE = (book, standing)  # modules of core with functions that move money
TRACES = 60  # drawn against a mutant that the golden playthroughs did not find


@dataclass(frozen=True)
class Mutant:
    """A rule without one money movement."""

    rule: Rule
    line: int
    statement: str  # as it stood in the source


@dataclass(frozen=True)
class Survivor:
    """A deleted money movement that nothing noticed."""

    line: int
    statement: str


def _called(node: ast.AST) -> set[str]:
    """Names of the functions that are called in `node`."""
    calls = (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}


def _moving(tree: ast.Module, movers: frozenset[str]) -> set[str]:
    """Names of functions that move money: `movers`, and the module's own that call one of those."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    moving = set(movers)
    while more := {f.name for f in functions if f.name not in moving and _called(f) & moving}:
        moving |= more
    return moving


@cache
def core_movers() -> frozenset[str]:
    """Names of the functions of `core` that move money."""
    trees = [ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")) for module in CORE]
    return frozenset(name for tree in trees for name in _moving(tree, frozenset(("move",))))


def _sites(tree: ast.Module, movers: frozenset[str]) -> Iterator[tuple[list[ast.stmt], int]]:
    """Find the statements that move money: the block each is in, and its place there."""
    moving = _moving(tree, movers)
    for node in ast.walk(tree):
        for name in ("body", "orelse"):
            block: Any = getattr(node, name, None)  # a lambda has an expression for a body
            if not isinstance(block, list):
                continue
            for k, statement in enumerate(cast("list[ast.stmt]", block)):
                if isinstance(statement, ast.Expr | ast.AugAssign) and _called(statement) & moving:
                    yield cast("list[ast.stmt]", block), k


def _without(source: str) -> Iterator[tuple[ast.Module, int, str]]:
    """Yield the module once for each money movement, without it; `spec` is taken off, mutants are not compiled."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [d for d in node.decorator_list if not (isinstance(d, ast.Name) and d.id == "spec")]
    for block, k in list(_sites(tree, core_movers())):
        statement = block[k]
        block[k] = ast.copy_location(ast.Pass(), statement)
        yield copy.deepcopy(tree), statement.lineno, ast.unparse(statement)
        block[k] = statement


def _module(tree: ast.Module, like: ModuleType) -> ModuleType:
    """Run `tree` as a module in the place of `like`."""
    module = ModuleType(like.__name__)
    module.__file__ = like.__file__
    exec(compile(tree, str(like.__file__), "exec"), module.__dict__)  # noqa: S102 - the user's own rule, less a line
    return module


def of_rule(rule: Rule) -> list[Mutant]:
    """Delete each money movement in the source of `rule`."""
    source = Path(str(rule.module.__file__)).read_text(encoding="utf-8")
    found: list[Mutant] = []
    for tree, line, statement in _without(source):
        module = _module(tree, rule.module)
        found.append(Mutant(Rule(rule.name, module, module.Params(*rule.params)), line, statement))
    return found


def of_helpers(rule: Rule) -> list[Mutant]:
    """Delete each money movement in the functions of `core` that `rule` uses."""
    own = ast.parse(Path(str(rule.module.__file__)).read_text(encoding="utf-8"))
    used = _called(own)
    found: list[Mutant] = []
    for helpers in CORE:
        source = Path(str(helpers.__file__)).read_text(encoding="utf-8")
        owner = {
            line: node.name
            for node in ast.parse(source).body
            if isinstance(node, ast.FunctionDef)
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        }
        for tree, line, statement in _without(source):
            name = owner[line]
            if name in used:
                module = _module(own, rule.module)
                setattr(module, name, getattr(_module(tree, helpers), name))
                mutant = Rule(rule.name, module, module.Params(*rule.params))
                found.append(Mutant(mutant, line, f"{name}: {statement}"))
    return found


def killer_of(rule: Rule) -> Callable[[Mutant], str | None]:
    """Make the function that says how a mutant of `rule` is found out, cheapest first; None if it is not."""
    path = playthrough.path_of(rule)
    playthroughs = playthrough.read(path) if path.exists() else []
    unreached = cache(lambda: set(missing(Fuzzer(rule, 0).run(TRACES))))  # by the whole rule, in so few traces

    def kill(mutant: Mutant) -> str | None:
        difference = playthrough.first_difference(mutant.rule, path, playthroughs)
        if difference is not None:
            return f"golden: {difference}"
        found = Fuzzer(mutant.rule, 0).run(TRACES, lambda fuzzed: bool(fuzzed.broken))
        sentences = [*map(str, found.broken.values()), *(set(missing(found)) - unreached())]
        return next(iter(sentences), None)

    return kill


def survivors(rule: Rule, *, helpers: bool = True) -> list[Survivor]:
    """Money movements of `rule` whose deletion nothing notices; empty for a rule that is well pinned down."""
    kill = killer_of(rule)
    mutants = of_rule(rule) + (of_helpers(rule) if helpers else [])
    return [Survivor(mutant.line, mutant.statement) for mutant in mutants if kill(mutant) is None]


def mutants(path: Path) -> list[Survivor]:
    """Do the same for a rule file anywhere on disk. Raises BadInput."""
    if path.suffix != ".py":
        raise BadInput("mechanism", "a rule file that ends in .py", path)
    return survivors(with_params(path.stem, load(path), {}))
