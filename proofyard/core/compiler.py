# pyright: reportUnknownMemberType=false
"""Numba, told of all that is marked and of the parts rules share. Importing this takes half a second.

Who compiles a function that calls a rule's, with Numba's own decorator, takes `njit` from here.
"""

from collections.abc import Callable
from typing import Any

from numba import njit
from numba.extending import register_jitable

from proofyard.core import builtin, wide
from proofyard.core.marks import listen
from proofyard.core.parts import PART

__all__ = ["builtin", "njit", "wide"]  # importing the two others tells Numba of their parts


def _tell(function: Callable[..., Any], options: dict[str, Any]) -> None:
    register_jitable(**PART, **options)(function)


listen(_tell)
