"""A journal, compiled: the rule answers recorded events, a million in a second or two; money comes and goes between."""

from typing import Any, NamedTuple

import numpy as np

from proofyard.core.book import Ints
from proofyard.core.errors import Fault
from proofyard.core.event import Event
from proofyard.core.rule import Rule
from proofyard.engine.bind import bind
from proofyard.engine.compile import entry
from proofyard.engine.layout import RAISED, call, words_of

WORDS = len(Event._fields)


class Tape(NamedTuple):
    """What the compiled loop reads and writes."""

    event: Ints  # the event being answered, seven words
    events: Ints  # all of them, one after the other
    verdicts: Ints
    cash: Ints  # of the state


@entry
def _fold(rule: int, context: int, tape: Tape) -> None:
    """Let the rule at address `rule` answer all events; a negative kind puts `amount` into the actor's cash."""
    for k in range(len(tape.verdicts)):
        for word in range(7):
            tape.event[word] = tape.events[7 * k + word]
        if tape.event[0] < 0:
            tape.cash[tape.event[2]] += tape.event[4]
        else:
            tape.verdicts[k] = call(rule, context, tape.event)


def fold(rule: Rule, state: Any, events: Ints) -> Ints:
    """Answer `events`, shape (n, 7), in order, changing `state`; return their verdicts.

    An event with a negative kind is none of the rule's: its `amount`, which may be negative, goes to the cash of its
    actor, and its verdict is 0. Indices must be in range: nothing is checked. Raises Fault when the rule raises.
    """
    bound = bind(rule, state)
    flat = np.ascontiguousarray(events, np.int64).reshape(-1)
    tape = Tape(np.zeros(WORDS, np.int64), flat, np.zeros(len(events), np.int64), state.book.cash)
    words = np.array(words_of(tape), np.int64)
    _fold(bound.function, bound.context.ctypes.data, words.ctypes.data)
    raised = np.flatnonzero(tape.verdicts == RAISED)
    if len(raised):
        raise Fault(f"{rule.name}: the rule raised an exception at event {raised[0]} of {len(events)}.")
    return tape.verdicts
