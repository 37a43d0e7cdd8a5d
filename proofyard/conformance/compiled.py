"""The same trace once more: in plain Python with guarded rows, and compiled as the engine runs it."""

from typing import NamedTuple

import numpy as np

from proofyard.conformance.market import Broken, Market, Trace
from proofyard.conformance.sheet import Layout, Sheet, tell_changes
from proofyard.core.book import Ints
from proofyard.core.event import Event, Verdict
from proofyard.engine.bind import bind
from proofyard.engine.compile import entry
from proofyard.engine.layout import RAISED, call, words_of

WORDS = len(Event._fields)


class Tape(NamedTuple):
    """What the compiled loop reads and writes."""

    event: Ints  # the event being answered, seven words
    events: Ints  # all of them, one after the other
    verdicts: Ints


@entry
def _fold(rule: int, context: int, tape: Tape) -> None:
    """Let the rule at address `rule` answer all events of the tape."""
    for k in range(len(tape.verdicts)):
        for word in range(WORDS):
            tape.event[word] = tape.events[WORDS * k + word]
        tape.verdicts[k] = call(rule, context, tape.event)


def fold(trace: Trace, count: int) -> tuple[Sheet, Ints]:
    """Run the first `count` events of `trace` compiled, from genesis; return the state and the verdicts."""
    setup = trace.setup
    sheet = Sheet(setup.rule, setup.actors, setup.jobs)
    sheet.cells[sheet.layout.span("book.cash")] += setup.cash
    bound = bind(setup.rule, sheet.state)
    events = np.array(trace.events[:count], np.int64).reshape(-1)
    tape = Tape(np.zeros(WORDS, np.int64), events, np.full(count, -1, np.int64))
    words = np.array(words_of(tape), np.int64)
    _fold(bound.function, bound.context.ctypes.data, words.ctypes.data)
    return sheet, tape.verdicts


def compare(trace: Trace) -> None:
    """Find the first event that is answered otherwise when compiled. Raises Broken."""
    sheet, verdicts = fold(trace, len(trace.events))
    if not sheet.margin_is_clean:
        raise Broken("compiled", "compiled, it writes outside its arrays", trace.setup, trace.events)
    if verdicts.tolist() == trace.verdicts and np.array_equal(sheet.cells, trace.cells):
        return
    market = Market(trace.setup)
    for k, event in enumerate(trace.events):
        market.answer(event)
        sheet, verdicts = fold(trace, k + 1)
        sentence = _difference(market, sheet.cells, int(verdicts[k]))
        if sentence is not None:
            raise Broken("compiled", sentence, trace.setup, trace.events[: k + 1])
    raise Broken("compiled", "compiled, the same events end otherwise at times", trace.setup, trace.events)


def _difference(market: Market, cells: Ints, verdict: int) -> str | None:
    """Say how the compiled state or verdict differs from plain Python's."""
    expected = market.verdicts[-1]
    if verdict != expected:
        name = (
            "an exception" if verdict == RAISED else Verdict(verdict).name if verdict in list(Verdict) else str(verdict)
        )
        return f"plain Python answers {Verdict(expected).name}, compiled {name}"
    if np.array_equal(cells, market.cells):
        return None
    cell = int(np.flatnonzero(cells != market.cells)[0])
    return f"{market.layout.name(cell)} is {market.cells[cell]} in plain Python and {cells[cell]} compiled"


def repeat(trace: Trace) -> None:
    """Answer the same events again, from genesis, with guarded rows. Raises Broken."""
    market = Market(trace.setup, guarded=True)
    for k, event in enumerate(trace.events):
        verdict = market.answer(event)
        if verdict != trace.verdicts[k]:
            sentence = f"the same events were answered {Verdict(trace.verdicts[k]).name} before and {verdict.name} now"
            raise market.broken("repeat", sentence)
    if not np.array_equal(market.cells, trace.cells):
        change = _first_change(market.layout, trace.cells, market.cells)
        raise market.broken("repeat", f"the same events led to another state: {change}")


def _first_change(layout: Layout, one: Ints, other: Ints) -> str:
    return tell_changes(layout, one, other)[0] if tell_changes(layout, one, other) else "in a tree"
