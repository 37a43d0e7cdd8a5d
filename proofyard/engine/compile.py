"""How the engine's functions are compiled: three decorators, typed so that the checker sees the plain function."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from proofyard.core.parts import PART

F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:

    def entry(function: F) -> F:
        """Compile what Python calls: cached on disk, runs without the interpreter's lock."""
        return function

    def inlined(function: F) -> F:
        """Compile into whoever calls: for the hot path."""
        return function

    def aside(function: F) -> F:
        """Compile as a function of its own: for what is rare."""
        return function

    def integer(value: Any) -> int:
        """Make an int64 of `value`, so that all branches of a compiled function agree on the type."""
        return int(value)

else:
    import numpy as np
    from numba import njit
    from numba.extending import register_jitable

    integer = np.int64

    entry = njit(nogil=True, cache=True, error_model="numpy")
    inlined = register_jitable(forceinline=True, error_model="numpy", **PART)
    aside = register_jitable(error_model="numpy", **PART)
