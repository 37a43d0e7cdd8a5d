"""The two sides of a rule: as plain Python, and as the engine runs it. What both leave behind is the same."""

import ctypes
from types import ModuleType
from typing import Any

import numpy as np

from proofyard.core import Event, Kind, Verdict, shape
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


class Both:
    """A market of a test, whose `do` audits it, and the compiled rule beside it: each event goes to both."""

    def __init__(self, module: ModuleType, p: Any, market: Any) -> None:
        self.market, self.compiled = market, Compiled(module, p, shape.copy(market.s))

    def __call__(self, event: Event) -> Verdict:
        details = dict(zip(Event._fields[3:], event[3:], strict=True))
        verdict = self.market.do(Kind(event.kind), *event[1:3], **details)
        assert self.compiled.apply(event) == verdict
        assert_same(self.market.s, self.compiled.state)
        assert all(values.min() >= 0 for field, values in shape.named(self.market.s) if field.money)
        return verdict


def assert_same(one: Any, other: Any) -> None:
    """Compare two states array by array."""
    for k, (a, b) in enumerate(zip(shape.arrays(one), shape.arrays(other), strict=True)):
        assert np.array_equal(a, b), shape.fields(type(one))[k].path
