"""The two sides of a rule: as plain Python, and as the engine runs it. What both leave behind is the same."""

import ctypes
from types import ModuleType
from typing import Any

import numpy as np

from proofyard.core import Event, shape
from proofyard.core.rule import Rule
from proofyard.engine.bind import bind


class Compiled:
    """The rule as the engine runs it, called one event at a time."""

    def __init__(self, module: ModuleType, p: Any, state: Any) -> None:
        self.bound = bind(Rule(module.__name__.rsplit(".", 1)[-1], module, p), state)
        self.state = state
        self.entry = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(self.bound.function)

    def apply(self, event: Event) -> int:
        words = np.array(event, np.int64)
        return self.entry(self.bound.context.ctypes.data, words.ctypes.data)


def assert_same(one: Any, other: Any) -> None:
    """Compare two states array by array."""
    for k, (a, b) in enumerate(zip(shape.arrays(one), shape.arrays(other), strict=True)):
        assert np.array_equal(a, b), shape.fields(type(one))[k].path
