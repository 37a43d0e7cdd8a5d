"""A small market under one rule in which every event is audited: the place where a rule is found out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from proofyard.conformance import audit
from proofyard.conformance.sheet import Sheet
from proofyard.core.book import MAX_GWEI, Ints
from proofyard.core.event import Event, Kind, Phase, Verdict
from proofyard.core.rule import Rule

TIMER_OF = {
    Phase.BIDDING: Kind.CLOSE,
    Phase.ASSIGNED: Kind.EXPIRE,
    Phase.OPEN: Kind.EXPIRE,
    Phase.PROVEN: Kind.SETTLE,
    Phase.CONTESTED: Kind.SETTLE,
}


@dataclass(frozen=True)
class Setup:
    """Who is there at genesis and under which rule."""

    rule: Rule
    jobs: int
    cash: tuple[int, ...]  # gwei of each actor

    @property
    def actors(self) -> int:
        """How many actors."""
        return len(self.cash)


class Trace(NamedTuple):
    """Events from genesis on, refused ones included, with their verdicts, and the cells of the state after them."""

    setup: Setup
    events: list[Event]
    verdicts: list[int]
    cells: Ints


class Broken(Exception):
    """A rule did what no rule may: which check it fails, in which sentence, after which events."""

    def __init__(self, check: str, sentence: str, setup: Setup, events: Sequence[Event]) -> None:
        self.check = check
        self.sentence = sentence
        self.setup = setup
        self.events = list(events)
        super().__init__(f"{check}: {sentence}")


class Snapshot(NamedTuple):
    """All that is needed to go on from a point of a market."""

    setup: Setup
    cells: Ints
    events: tuple[Event, ...]
    verdicts: tuple[int, ...]


class Market:
    """One state, the events so far, and the audit after each."""

    def __init__(self, setup: Setup, *, guarded: bool = False) -> None:
        self.setup = setup
        self.sheet = Sheet(setup.rule, setup.actors, setup.jobs, guarded=guarded)
        self.layout = self.sheet.layout
        self.cells = self.sheet.cells
        self.book = self.sheet.state.book
        self.cells[self.layout.span("book.cash")] += setup.cash
        self.before = self.cells.copy()
        self.genesis_gwei = int(self.cells[self.layout.money].sum())
        self.events: list[Event] = []
        self.verdicts: list[int] = []

    @classmethod
    def at(cls, point: Snapshot) -> "Market":
        """Go on from `point`."""
        market = cls(point.setup)
        market.cells[:] = point.cells
        market.events, market.verdicts = list(point.events), list(point.verdicts)
        return market

    def snapshot(self) -> Snapshot:
        """Keep this point."""
        return Snapshot(self.setup, self.cells.copy(), tuple(self.events), tuple(self.verdicts))

    def trace(self) -> Trace:
        """Copy what happened so far."""
        return Trace(self.setup, list(self.events), list(self.verdicts), self.cells.copy())

    @property
    def now(self) -> int:
        """Time of the last event, ms."""
        return self.events[-1].time if self.events else 0

    def broken(self, check: str, sentence: str) -> Broken:
        """Build the finding that the last event broke the rule."""
        return Broken(check, sentence, self.setup, self.events)

    def answer(self, event: Event) -> Verdict:
        """Let the rule answer `event`, and audit what it did. Raises Broken."""
        np.copyto(self.before, self.cells)
        self.events.append(event)
        try:
            verdict = self.setup.rule.apply(self.sheet.state, event)
        except Exception as error:
            sentence = f"`apply` raised {type(error).__name__}: {error}"
            raise self.broken("answers", sentence) from error
        if not isinstance(verdict, Verdict):  # pyright: ignore[reportUnnecessaryIsInstance] - the rule is a stranger's
            raise self.broken("answers", f"`apply` returned {verdict!r}, not a Verdict")
        self.verdicts.append(int(verdict))
        complaint = audit.audit(self.layout, self.before, self.cells, event, verdict, self.genesis_gwei)
        if complaint is not None:
            raise self.broken(*complaint)
        return verdict

    def trial(self, *events: Event) -> tuple[list[Verdict], Ints]:
        """Answer `events`, return verdicts and the state after them, and go back to where the market was."""
        point, count = self.cells.copy(), len(self.events)
        verdicts = [self.answer(event) for event in events]
        after = self.cells.copy()
        self.cells[:] = point
        del self.events[count:], self.verdicts[count:]
        return verdicts, after

    def live_jobs(self) -> list[int]:
        """Jobs that were asked for and are not final."""
        phase = self.book.phase
        return np.flatnonzero((phase != Phase.NONE) & (phase < Phase.SETTLED)).tolist()

    def timer(self, job: int, time: int, actor: int = 0) -> Event:
        """Build the timer of the present phase of a live `job`."""
        return Event(TIMER_OF[Phase(int(self.book.phase[job]))], time, actor, job, 0, 0, 0)


def room_for_cash(rule: Rule, actors: int, jobs: int) -> int:
    """Gwei each actor can have at genesis, so that all money together stays below `MAX_GWEI`."""
    sheet = Sheet(rule, actors, jobs)
    return max(0, MAX_GWEI - int(sheet.cells[sheet.layout.money].sum())) // actors
