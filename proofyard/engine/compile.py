"""How the engine's functions are compiled: three decorators, typed so that the checker sees the plain function."""

import ctypes
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from proofyard.core.book import Ints
from proofyard.core.marks import mark
from proofyard.engine import cache
from proofyard.tools import machine
from proofyard.tools.cache import digest_files

F = TypeVar("F", bound=Callable[..., Any])


class Entry:
    """A function that Python calls compiled, without the interpreter's lock.

    What it takes is told by its annotations: `int`, `float`, an array (`Ints`), or a named tuple of arrays, of which
    the caller hands over the address of its words (`layout.words_of`). It returns an `int`, or nothing.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        mark(function, error_model="numpy")
        self.function = function
        own = Path(function.__code__.co_filename)
        self.name = f"{function.__module__}.{function.__name__}-{digest_files([own])}"

    @cached_property
    def _compiled(self) -> Callable[..., int]:
        address = machine.address(self._place, self._make)
        return ctypes.CFUNCTYPE(ctypes.c_int64, *self._words())(address)

    @property
    def _place(self) -> Path:
        return cache.folder() / f"{self.name}.o"

    def _make(self) -> tuple[str, bytes]:
        from proofyard.engine.translate import entry_code  # noqa: PLC0415 - Numba, only when it is needed

        return entry_code(self.function)

    def _words(self) -> list[Any]:
        """Types of the words its parameters take, in C."""
        words: list[Any] = []
        for name, hint in self.function.__annotations__.items():
            if name != "return":
                words += [ctypes.c_double] if hint is float else [ctypes.c_int64] * (2 if hint is Ints else 1)
        return words

    def load(self) -> None:
        """Have it ready, compiling it if need be."""
        _ = self._compiled

    @property
    def is_made(self) -> bool:
        """Say whether it is compiled already."""
        return self._place.exists()

    def __call__(self, *arguments: Any) -> int:
        """Run it; arrays are int64 and contiguous."""
        words: list[Any] = []
        for value in arguments:
            if isinstance(value, np.ndarray):
                words += [value.ctypes.data, value.size]
            else:
                words.append(value)
        return self._compiled(*words)


def entry(function: Callable[..., Any]) -> Entry:
    """Compile what Python calls."""
    return Entry(function)


def inlined(function: F) -> F:
    """Compile into whoever calls: for the hot path."""
    mark(function, forceinline=True, error_model="numpy")
    return function


def aside(function: F) -> F:
    """Compile as a function of its own: for what is rare."""
    mark(function, error_model="numpy")
    return function


if TYPE_CHECKING:

    def integer(value: Any) -> int:
        """Make an int64 of `value`, so that all branches of a compiled function agree on the type."""
        return int(value)

else:
    integer = np.int64
