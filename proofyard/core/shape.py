"""Build and audit any mechanism's state from its annotations.

A state is a named tuple whose fields are int64 arrays with a size in their annotation (`ByActor`, `GweiByJob`,
`Annotated[Ints, 32]`, `Tree`) or another such tuple (`Book`).
"""

from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar, cast, get_args, get_origin, get_type_hints

import numpy as np

from proofyard.core.book import Ints
from proofyard.core.errors import BadInput
from proofyard.core.sumtree import new_tree

Parts: TypeAlias = tuple[Any, ...]
S = TypeVar("S", bound=Parts)
SIZES = ("actor", "job", "once", "tree")


class Field(NamedTuple):
    """One array of a state: its path (`book.cash`), its size in words, and whether it holds money."""

    path: str
    size: str | int
    money: bool


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    """Fields of a named tuple with their annotations; looked up once, which is a third of the start of a short run."""
    return get_type_hints(kind, include_extras=True)


def fields(state_type: type[Any], prefix: str = "") -> list[Field]:
    """List the arrays of `state_type`, in order. Raises BadInput for a field that is not a sized int64 array."""
    found: list[Field] = []
    for name, hint in _hints(state_type).items():
        path = prefix + name
        if get_origin(hint) is Annotated:
            kind, *marks = get_args(hint)
            sized = marks and (marks[0] in SIZES or isinstance(marks[0], int))
            if kind != Ints or not sized:
                raise BadInput(f"State.{path}", "an int64 array with a size, such as GweiByActor or ByJob", hint)
            found.append(Field(path, marks[0], "gwei" in marks))
        elif isinstance(hint, type) and hasattr(hint, "_fields"):
            found += fields(hint, path + ".")
        else:
            raise BadInput(
                f"State.{path}",
                "an int64 array with a size, such as GweiByActor or ByJob",
                getattr(hint, "__name__", hint),
            )
    return found


def zeros(state_type: type[S], actors: int, jobs: int) -> S:
    """Build a zeroed state for `actors` actors and `jobs` jobs."""
    sizes = {"actor": actors, "job": jobs, "once": 1}

    def build(hint: Any) -> Any:
        if get_origin(hint) is not Annotated:
            return hint(*map(build, _hints(hint).values()))
        size: str | int = get_args(hint)[1]
        if size == "tree":
            return new_tree(actors)
        return np.zeros(size if isinstance(size, int) else sizes[size], np.int64)

    return build(state_type)


def arrays(state: tuple[Any, ...]) -> list[Ints]:
    """List the arrays of `state` in the order of `fields`."""
    found: list[Ints] = []
    for value in state:
        found += arrays(cast("Parts", value)) if isinstance(value, tuple) else [value]
    return found


def named(state: tuple[Any, ...]) -> Iterator[tuple[Field, Ints]]:
    """Pair each field of `state` with its array."""
    return zip(fields(type(state)), arrays(state), strict=True)


def total_gwei(state: tuple[Any, ...]) -> int:
    """Sum of all money in `state`; exact, because genesis holds at most `MAX_GWEI`."""
    return sum(int(values.sum()) for field, values in named(state) if field.money)


def copy(state: S) -> S:
    """Copy `state` with all its arrays."""
    parts: list[Any] = [copy(cast("Parts", v)) if isinstance(v, tuple) else v.copy() for v in state]
    return type(state)(*parts)


def grown(state: S, actors: int, jobs: int) -> S:
    """Copy `state` into one with room for more actors and jobs (trees cannot grow and are refused)."""
    larger = zeros(type(state), actors, jobs)
    for (field, old), new in zip(named(state), arrays(larger), strict=True):
        if field.size == "tree" and old.size != new.size:
            raise BadInput(f"State.{field.path}", "as many actors as at genesis", actors)
        new[: old.size] = old
    return larger
