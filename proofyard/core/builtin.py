# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportUntypedFunctionDecorator=false, reportUnusedFunction=false
# pyright: reportUnknownLambdaType=false
# Numba's compiler has no types.
# ruff: noqa: FURB136, ANN002
"""`int`, `min` and `max` of whole numbers as parts that rules share: Numba compiles its own anew for every rule.

They stand for the processor at hand, so that Numba prefers them to its own, which are for any.
"""

from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.extending import overload

from proofyard.core.parts import PART

_HERE: dict[str, Any] = {"target": "cpu", "jit_options": PART}


@overload(int, **_HERE)
def _int(*values) -> Callable[..., Any] | None:
    return (lambda *values: values[0]) if values == (types.int64,) else None


@overload(min, **_HERE)
def _min(*values) -> Callable[..., Any] | None:
    return (lambda *values: values[1] if values[1] < values[0] else values[0]) if values == (types.int64,) * 2 else None


@overload(max, **_HERE)
def _max(*values) -> Callable[..., Any] | None:
    return (lambda *values: values[1] if values[1] > values[0] else values[0]) if values == (types.int64,) * 2 else None
