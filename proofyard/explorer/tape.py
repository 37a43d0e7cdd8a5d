"""The compiled replay that also takes notes: what each event did to its job, to its actor's cash, and who was slashed.

Everything the pages tell about time (when a job was asked for, given, proven, taken away) comes from these notes; what
holds at a moment comes from the rule's own state.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from proofyard.core.book import Book, Ints
from proofyard.core.errors import Fault
from proofyard.core.event import Event, Kind, Verdict
from proofyard.core.rule import Rule
from proofyard.engine.bind import bind
from proofyard.engine.compile import entry, inlined
from proofyard.engine.layout import RAISED, call, words_of

WORDS = len(Event._fields)
TOUCH = (
    "row", "job", "kind", "before", "after", "prover_before", "prover", "deadline", "paid"
)  # paid: gwei paid for the job by this event  # fmt: skip
WIDTH = len(TOUCH)
SLASH = 3  # row, actor, gwei
NONE = np.zeros(0, np.int64)


class Tape(NamedTuple):
    """What the compiled loop reads and writes."""

    book: Book
    pool_slashed: Ints  # of the state, or empty
    leaving_slashed: Ints
    woken: Ints
    event: Ints  # the event being answered, seven words
    events: Ints  # all of them, one after the other
    verdicts: Ints
    gained: Ints  # gwei that an event added to the cash of its actor
    touches: Ints  # rows of WIDTH
    slashes: Ints  # rows of SLASH
    seen: Ints  # per watched actor: slashed so far
    counts: Ints  # row of the first event, touches, slashes


@inlined
def _touch(t: Tape, row: int, kind: int, job: int, phase: int, prover: int, paid: int) -> None:
    """Note what became of a job."""
    at = WIDTH * t.counts[1]
    t.touches[at] = row
    t.touches[at + 1] = job
    t.touches[at + 2] = kind
    t.touches[at + 3] = phase
    t.touches[at + 4] = t.book.phase[job]
    t.touches[at + 5] = prover
    t.touches[at + 6] = t.book.prover[job]
    t.touches[at + 7] = t.book.deadline[job]
    t.touches[at + 8] = t.book.paid[job] - paid
    t.counts[1] += 1


@inlined
def _slashes(t: Tape, row: int) -> None:
    """Note from whom something was taken."""
    for actor in range(len(t.seen)):
        taken = t.book.slashed[actor]
        if len(t.pool_slashed) > 0:
            taken += t.pool_slashed[actor]
        if len(t.leaving_slashed) > 0:
            taken += t.leaving_slashed[actor]
        if taken != t.seen[actor]:
            at = SLASH * t.counts[2]
            if at + SLASH <= len(t.slashes):
                t.slashes[at] = row
                t.slashes[at + 1] = actor
                t.slashes[at + 2] = taken - t.seen[actor]
                t.counts[2] += 1
            t.seen[actor] = taken


@entry
def _run(rule: int, context: int, t: Tape) -> int:
    """Let the rule answer the events and take notes; return the first one it refuses, -1 for none."""
    for k in range(len(t.verdicts)):
        for word in range(7):
            t.event[word] = t.events[7 * k + word]
        kind, actor, job = int(t.event[0]), int(t.event[2]), int(t.event[3])
        row = t.counts[0] + k
        if kind < 0:
            if actor >= 0:
                t.book.cash[actor] += t.event[4]
                t.gained[k] = t.event[4]
            continue
        about = kind >= Kind.REQUEST
        cash = t.book.cash[actor] if actor >= 0 else 0
        phase, prover, paid = (t.book.phase[job], t.book.prover[job], t.book.paid[job]) if about else (0, 0, 0)
        t.verdicts[k] = call(rule, context, t.event)
        if t.verdicts[k] != 0:
            return k
        if actor >= 0:
            t.gained[k] = t.book.cash[actor] - cash
        if about:
            _touch(t, row, kind, job, phase, prover, paid)
        if len(t.woken) > 0 and t.woken[0] > 0:
            other = t.woken[0] - 1
            _touch(t, row, kind, other, -1, -1, int(t.book.paid[other]))
        if kind >= Kind.BID:
            _slashes(t, row)
    return -1


@dataclass
class Notes:
    """What a replay wrote down, row by row in order.

    Attributes
    ----------
    gained : shape (n,), gwei each event added to the cash of its actor
    touches : shape (m, 9), columns `TOUCH`; `before` and `prover_before` are -1 for a job that another's event moved
    slashes : shape (s, 3): row, actor, gwei
    """

    gained: Ints = field(default_factory=NONE.copy)
    touches: Ints = field(default_factory=lambda: np.zeros((0, WIDTH), np.int64))
    slashes: Ints = field(default_factory=lambda: np.zeros((0, SLASH), np.int64))

    def add(self, other: "Notes") -> None:
        """Append the notes of what came next."""
        self.gained = np.concatenate([self.gained, other.gained])
        self.touches = np.concatenate([self.touches, other.touches])
        self.slashes = np.concatenate([self.slashes, other.slashes])


def play(rule: Rule, state: Any, events: Ints, first: int = 0, watched: int = 0) -> Notes:
    """Answer `events`, shape (n, 7), changing `state`; take notes. Raises Fault where the rule refuses one.

    Parameters
    ----------
    first : number of the first row
    watched : how many actors, from 0 on, may be slashed
    """
    bound, count = bind(rule, state), len(events)
    flat = np.ascontiguousarray(events, np.int64).reshape(-1)

    def optional(name: str) -> Ints:
        return getattr(state, name, NONE)

    taken = state.book.slashed + sum(getattr(state, name, 0) for name in ("pool_slashed", "leaving_slashed"))
    tape = Tape(
        state.book, optional("pool_slashed"), optional("leaving_slashed"), optional("woken"), np.zeros(WORDS, np.int64),
        flat, np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(2 * count * WIDTH, np.int64),
        np.zeros(SLASH * (count + watched), np.int64), taken[:watched].copy(), np.array([first, 0, 0], np.int64),
    )  # fmt: skip
    words = np.array(words_of(tape), np.int64)
    refused = _run(bound.function, bound.context.ctypes.data, words.ctypes.data)
    if refused >= 0:
        verdict = "an exception" if tape.verdicts[refused] == RAISED else Verdict(int(tape.verdicts[refused])).name
        raise Fault(f"row {first + refused} was accepted when it was recorded, and {rule.name} answers {verdict}.")
    touches = tape.touches[: WIDTH * tape.counts[1]].reshape(-1, WIDTH).copy()
    slashes = tape.slashes[: SLASH * tape.counts[2]].reshape(-1, SLASH).copy()
    return Notes(tape.gained, touches, slashes)
