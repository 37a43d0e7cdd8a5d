"""Mark a rule: plain Python to whoever calls it, compiled by whoever compiles the caller."""

from collections.abc import Callable
from typing import Any, TypeVar

from proofyard.core.marks import mark

F = TypeVar("F", bound=Callable[..., Any])


def spec(function: F) -> F:
    """Mark `function` as part of a rule; it stays an ordinary Python function."""
    mark(function)
    return function


__all__ = ["spec"]
