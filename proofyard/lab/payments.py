"""All movements of money in the source of a rule, for its page: on which event, in which step, from where to where."""

import ast
import operator
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

from proofyard.core import Kind, book, standing

Functions = dict[str, ast.FunctionDef]
Kinds = set[Kind]


def payments(source: str, known: Kinds) -> list[tuple[str, ...]]:
    """List all movements of money in the source of a rule that knows the kinds `known`: on, step, from, to, gwei."""
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    reached = _kinds_by_function(functions, known)
    rows: list[tuple[str, ...]] = []
    told = ""
    for name, function in [pair for pair in functions.items() if not _is_generic(pair[1])]:
        for on, *texts in _moves(function, functions, reached.get(name, set())):
            move = ["`" + re.sub(r"\b(?:s\.book|s|b)\.", "", text) + "`" for text in texts]
            kinds = ", ".join(kind.name for kind in sorted(on))
            step = f"`{name}`: {(ast.get_docstring(function) or 'not told').splitlines()[0]}"
            if move[2] != "`0`" and not (name == told and rows[-1][2:] == tuple(move)):
                rows.append((kinds, "" if name in {"apply", told} else step, *move))
                told = name
    return rows


def _is_generic(function: ast.FunctionDef) -> bool:
    """Say whether the function may move money between arrays it is given; then its callers tell which."""
    return any(arg.annotation is not None and ast.unparse(arg.annotation) == "Ints" for arg in function.args.args)


def _moves(function: ast.FunctionDef, functions: Functions, on: Kinds) -> Iterator[tuple[Kinds, str, str, str]]:
    """List what a function moves and what those it calls move for it, also those of `core`: when, from, to, gwei."""
    for kinds, call in _calls(function, on):
        name, given = ast.unparse(call.func), [ast.unparse(arg) for arg in call.args]
        called = functions.get(name) or _SHARED.get(name)
        if called and (name not in functions or _is_generic(called)):
            names = dict(zip((arg.arg for arg in called.args.args), given, strict=False))
            for when, *inner in _moves(called, functions, kinds):
                source, target, amount = (_renamed(text, names) for text in inner)
                yield when, source, target, amount
        elif name in _MOVES:
            yield kinds, *_MOVES[name](given)


def _renamed(text: str, names: dict[str, str]) -> str:
    """Put a caller's arguments for a function's parameters."""
    return re.sub(r"(?<![.\w])\w+", lambda word: names.get(word[0], word[0]), text)


def _place(array: str, row: str) -> str:
    """Write a place; the one row of an array needs no number, a chosen array needs parentheses."""
    chosen = f"({array})" if " " in array else array
    return array if row == "0" else f"{chosen}[{row}]"


_MOVES: dict[str, Callable[[list[str]], tuple[str, str, str]]] = {  # the core's movements: from, to, how much
    "move": lambda a: (_place(a[0], a[1]), _place(a[2], a[3]), a[4]),
    "slash": lambda a: (_place(a[2], a[3]), _place(a[4], a[5]), a[6]),
    "ask": lambda a: ("cash[e.actor]", "escrow[e.job]", a[2]),
    "pay": lambda a: (f"escrow[{a[1]}]", f"cash[prover[{a[1]}]]", a[2]),
    "refund": lambda a: (f"escrow[{a[1]}]", f"cash[requester[{a[1]}]]", f"escrow[{a[1]}]"),
}

_SHARED: Functions = {  # what else moves money in core, by these
    node.name: node
    for module in (book, standing)
    for node in ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef) and node.name not in _MOVES
}


def _calls(function: ast.FunctionDef, on: Kinds) -> Iterator[tuple[Kinds, ast.Call]]:
    """List the calls in `function`, which is called `on` some kinds of event, with those their place in it is for."""

    def walk(node: ast.AST, kinds: Kinds) -> Iterator[tuple[Kinds, ast.Call]]:
        if isinstance(node, ast.Call):
            yield kinds, node
        parts: dict[str, Kinds] = {}
        if isinstance(node, ast.If):
            parts["body"] = {kind for kind in kinds if _holds(node.test, kind) is not False}
            parts["orelse"] = {kind for kind in kinds if _holds(node.test, kind) is not True}
        for name, value in ast.iter_fields(node):
            left = parts.get(name, kinds)
            for part in cast("list[object]", value) if isinstance(value, list) else [value]:
                if isinstance(part, ast.AST):
                    yield from walk(part, left)
                if isinstance(part, ast.If) and isinstance(part.body[-1], ast.Return):
                    left = {kind for kind in left if _holds(part.test, kind) is not True}

    yield from walk(function, on)


def _holds(test: ast.expr, kind: Kind) -> bool | None:
    """Say whether `test` holds on an event of `kind`, None if that does not decide it."""
    if isinstance(test, ast.BoolOp):
        decides = isinstance(test.op, ast.Or)  # what one part needs to be to decide the whole
        parts = [_holds(part, kind) for part in test.values]
        return decides if decides in parts else None if None in parts else not decides
    if isinstance(test, ast.Compare) and ast.unparse(test.left) == "e.kind":
        compare = _COMPARE.get(type(test.ops[0]).__name__)
        other = test.comparators[0]
        return compare(kind, Kind[other.attr]) if compare and isinstance(other, ast.Attribute) else None
    return None


_COMPARE = {
    "Eq": operator.eq, "NotEq": operator.ne, "Lt": operator.lt, "LtE": operator.le, "GtE": operator.ge,
}  # fmt: skip


def _kinds_by_function(functions: Functions, known: Kinds) -> dict[str, Kinds]:
    """Find the kinds of event on which each function can be called, from `apply` down."""
    reached, waiting = {"apply": known}, ["apply"]
    while waiting:
        name = waiting.pop()
        for kinds, call in _calls(functions[name], reached[name]):
            target = ast.unparse(call.func)
            if target in functions and not kinds <= reached.get(target, set()):
                reached[target] = reached.get(target, set()) | kinds
                waiting.append(target)
    return reached
