"""Any moment of a history: checkpoints on the way, and the compiled rule from the nearest one on."""

import threading
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np

from proofyard.core import shape
from proofyard.core.book import Ints
from proofyard.core.errors import Fault
from proofyard.core.event import Kind
from proofyard.engine.fold import fold
from proofyard.explorer.source import WORDS, Source
from proofyard.explorer.tape import Notes, play
from proofyard.lab.catalogue import Entry

STEPS = 240  # samples of the recorded part
MEMORY = 96 * 2**20  # bytes for checkpoints
FEW, MANY = 2, 24  # checkpoints
RECENT = 6  # states kept because somebody just looked at them
DELEGATED = ("pool", "leaving")


class Sample(NamedTuple):
    """The money of the market after `rows` rows."""

    rows: int
    time: int  # ms since genesis
    locked: int  # gwei in the rule's own arrays: stakes, bonds, pools
    burnt: int
    escrow: int
    stake: Ints  # own stake of each watched actor, empty without stakes


class Replay:
    """A history and its states. All methods may be called from several threads."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lock = threading.RLock()
        self.told: Entry | None = None  # the rule in words
        self.events = np.zeros((0, WORDS), np.int64)
        self.hashes: list[bytes] = []
        self.at: list[int] = []
        self.notes = Notes()
        self.samples: list[Sample] = []
        self._checkpoints: list[tuple[int, Any]] = []
        self._recent: OrderedDict[int, Any] = OrderedDict()
        self._head: Any = source.genesis(0)
        self._checkpoints.append((0, shape.copy(self._head)))
        self.refresh()

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.events)

    @property
    def jobs(self) -> int:
        """Room for jobs in the newest state."""
        return len(self._head.book.phase)

    def refresh(self) -> int:
        """Take in what came since; return how many rows. Raises BadInput, Fault, JournalError."""
        with self.lock:
            new = self.source.more()
            if not len(new.events):
                return 0
            self._make_room(new.events)
            first = len(self.events)
            self.events = np.concatenate([self.events, new.events])
            self.hashes += new.hashes
            self.at += new.at
            notes: list[Notes] = []
            start = first
            for end in self._stops(first):
                notes.append(play(self.source.rule, self._head, self.events[start:end], start, self.source.watched))
                self._sample(end)
                start = end
            joined = Notes(*(np.concatenate(parts) for parts in zip(*(vars(n).values() for n in notes), strict=True)))
            self.notes.add(joined)
            return len(new.events)

    def _stops(self, first: int) -> list[int]:
        """Rows after which the money is looked at: at equal times, and at the end."""
        times = self.events[first:, 1]
        count = STEPS if first == 0 else 1
        begin, wide = int(times[0]), int(times[-1]) - int(times[0])
        marks = [begin + wide * k // count for k in range(1, count + 1)]
        rows = {first + int(row) for row in np.searchsorted(times, marks, side="right")}
        return sorted({row for row in rows if row > first} | {len(self.events)})

    def _make_room(self, events: Ints) -> None:
        """Let the newest state hold every job that is asked for."""
        asked = events[events[:, 0] == Kind.REQUEST, 3]
        needed, room = int(asked.max(initial=-1)) + 1, self.jobs
        if needed > room:
            while room < needed:
                room *= 2
            self._head = shape.grown(self._head, len(self._head.book.cash), room)

    def _sample(self, rows: int) -> None:
        """Look at the money; keep a checkpoint now and then."""
        state = self._head
        own = [a for f, a in shape.named(state) if f.money and not f.path.startswith("book.")]
        stake = getattr(state, "stake", np.zeros(0, np.int64))
        self.samples.append(
            Sample(
                rows,
                int(self.events[rows - 1, 1]),
                sum(int(a.sum()) for a in own),
                int(state.book.burnt[0]),
                int(state.book.escrow.sum()),
                stake[: self.source.watched].copy(),
            )
        )
        size = sum(a.nbytes for a in shape.arrays(state))
        room = max(FEW, min(MANY, MEMORY // max(1, size)))
        apart = max(2_000, len(self.events) // room)
        if rows - self._checkpoints[-1][0] >= apart:
            self._checkpoints.append((rows, shape.copy(state)))
            if len(self._checkpoints) > 2 * room:
                del self._checkpoints[1::2]

    def state(self, rows: int) -> Any:
        """Return the state after `rows` rows; shared, so nobody may change it."""
        with self.lock:
            rows = max(0, min(rows, len(self.events)))
            if rows == len(self.events):
                return self._head
            if rows in self._recent:
                self._recent.move_to_end(rows)
                return self._recent[rows]
            state = self.fresh(rows)
            self._recent[rows] = state
            if len(self._recent) > RECENT:
                self._recent.popitem(last=False)
            return state

    def fresh(self, rows: int) -> Any:
        """Build the state after `rows` rows; the caller's own."""
        with self.lock:
            start, kept = max((c for c in self._checkpoints if c[0] <= rows), key=lambda c: c[0])
            state = shape.grown(kept, len(kept.book.cash), self.jobs) if self._grew(kept) else shape.copy(kept)
            verdicts = fold(self.source.rule, state, self.events[start:rows])
            if verdicts.any():
                raise Fault(f"row {start + int(np.flatnonzero(verdicts)[0])} was answered differently a second time.")
            return state

    def _grew(self, state: Any) -> bool:
        return len(state.book.phase) != self.jobs

    def before_hand(self, rows: int) -> tuple[Ints, Ints, Ints]:
        """Return the events, touches and slashes among the first `rows` rows."""
        touches, slashes = self.notes.touches, self.notes.slashes
        return (
            self.events[:rows],
            touches[: np.searchsorted(touches[:, 0], rows)],
            slashes[: np.searchsorted(slashes[:, 0], rows)],
        )

    def row_at(self, time: int) -> int:
        """How many rows there were by a time, ms since genesis."""
        return int(np.searchsorted(self.events[:, 1], time, side="right"))
