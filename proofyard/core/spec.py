"""Mark a rule: plain Python to whoever calls it, compiled by whoever compiles the caller.

`spec` is Numba's `register_jitable`: the decorated function stays an ordinary Python function.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:

    def spec(function: F) -> F:
        """Mark `function` as part of a rule."""
        return function

else:
    from numba.extending import register_jitable

    import proofyard.core.builtin  # noqa: F401 - tells Numba of its parts
    from proofyard.core.parts import PART

    spec = register_jitable(**PART)

__all__ = ["spec"]
