"""Guided fuzzing: events that reach something new become the starting points of further traces."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from proofyard.conformance import drain, ties
from proofyard.conformance.market import Broken, Market, Setup, Snapshot, Trace, room_for_cash
from proofyard.conformance.plausible import Plausible, vary
from proofyard.core.book import Ints
from proofyard.core.event import Event, Kind, Verdict
from proofyard.core.lifecycle import check
from proofyard.core.rule import Rule

Feature: TypeAlias = tuple[object, ...]

EVENTS = (40, 70, 100)  # of one trace, after its starting point
LONGEST = 240  # events of one trace from genesis on
MARKETS = ((2, 3), (4, 12), (5, 20), (8, 30))  # actors, jobs
POOR = 5  # one actor in so many has nothing
SWITCHED = 4  # in a market with other parameters, one event in so many is of any kind
BEGINNING = 3  # traces after which every kind has been seen
LOOKS = 30  # events between looks at ties
KEPT = 600  # starting points
GIVE_UP = 12  # broken traces after which no more are drawn


@dataclass
class Fuzzed:
    """What was found."""

    traces: list[Trace] = field(default_factory=list[Trace])
    broken: dict[str, Broken] = field(default_factory=dict[str, Broken])  # the first of each check
    pairs: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])  # (kind, verdict)
    features: dict[Feature, Snapshot] = field(default_factory=dict[Feature, Snapshot])  # where each was first reached
    used: set[int] = field(default_factory=set[int])  # kinds the rule has a use for
    tied: Counter[str] = field(default_factory=Counter[str])  # ties looked at
    events: int = 0


class Fuzzer:
    """Draws traces of one rule, all from one seed."""

    def __init__(
        self, rule: Rule, seed: int, *, varied: bool = True, markets: tuple[tuple[int, int], ...] = MARKETS
    ) -> None:
        self.rule = rule
        self.markets = markets
        self.dice = random.Random(seed)  # noqa: S311 - no secrets here
        self.varied = varied
        self.found = Fuzzed()
        self.starts: list[Snapshot] = []

    def run(self, traces: int, progress: Callable[[Fuzzed], bool] | None = None) -> Fuzzed:
        """Draw `traces` traces, or until `progress` says it is enough."""
        failed = 0
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            for _ in range(traces):
                try:
                    self._trace()
                except Broken as broken:
                    failed += 1
                    known = self.found.broken.get(broken.check)
                    if known is None or len(broken.events) < len(known.events):
                        self.found.broken[broken.check] = broken
                if failed >= GIVE_UP or (progress is not None and progress(self.found)):
                    break
        return self.found

    def setup(self) -> Setup:
        """Draw a market: how many actors and jobs, how much money, which parameters."""
        dice = self.dice
        rule = vary(dice, self.rule) if self.varied and dice.randrange(3) else self.rule
        actors, jobs = dice.choice(self.markets)
        room = room_for_cash(rule, actors, jobs)
        rich = min(room, dice.choice((10**4, 10**9, 10**12, 10**14, 10**15, 10**16, room)))
        cash = [rich if dice.randrange(POOR) else dice.choice((0, rich // 1_000)) for _ in range(actors)]
        return Setup(rule, jobs, tuple(cash))

    def _trace(self) -> None:
        """Draw one trace, from genesis or from where something new was reached, and look at its ends."""
        dice = self.dice
        if self.starts and dice.randrange(2):
            market = Market.at(dice.choice(self.starts[-100:] if dice.randrange(2) else self.starts))
        else:
            market = Market(self.setup())
        draw = Plausible(dice, market)
        if not market.events and dice.randrange(3):
            self._enter(market, draw)
        for _ in range(dice.choice(EVENTS)):
            if len(market.events) >= LONGEST or (draw.over and dice.randrange(4)):
                break
            self.step(market, draw.next(self._kinds(market)))
            if not dice.randrange(LOOKS):
                ties.look(market, dice, self.found.tied)
        ties.look(market, dice, self.found.tied)
        drain.drain(market)
        self.found.traces.append(market.trace())

    def _enter(self, market: Market, draw: Plausible) -> None:
        """Let the actors make offers and stakes first, as they do in a market that works."""
        for kind in (Kind.OFFER, Kind.STAKE, Kind.DELEGATE):
            if kind in self._kinds(market):
                for _ in range(2 * market.setup.actors):
                    self.step(market, draw.account(kind, market.now))

    def _kinds(self, market: Market) -> tuple[Kind, ...]:
        """Kinds that are worth drawing: those in use; at times all, because a switch may give another one a use."""
        switched = market.setup.rule is not self.rule and not self.dice.randrange(SWITCHED)
        if switched or len(self.found.traces) < BEGINNING:
            return tuple(Kind)
        return tuple(kind for kind in Kind if kind in self.found.used)

    def step(self, market: Market, event: Event) -> Verdict:
        """Let the market answer, and keep the point if something new was reached."""
        legal = check(market.book, event) == Verdict.OK
        verdict = market.answer(event)
        found = self.found
        found.events += 1
        found.pairs[event.kind, int(verdict)] += 1
        if verdict == Verdict.OK or (legal and verdict != Verdict.UNKNOWN):
            found.used.add(event.kind)
        new = [f for f in features_of(market, event, verdict) if f not in found.features]
        if new:
            point = market.snapshot()
            found.features.update(dict.fromkeys(new, point))
            if len(self.starts) < KEPT:
                self.starts.append(point)
        return verdict


def features_of(market: Market, event: Event, verdict: Verdict) -> list[Feature]:
    """Name what this event reached: its verdict, and which money and which jobs it moved, told by role."""
    found: list[Feature] = [("verdict", event.kind, int(verdict))]
    if verdict != Verdict.OK:
        return found
    layout, before, after = market.layout, market.before, market.cells
    changed = np.flatnonzero(before != after)
    moved = {_role(market, event, int(cell), before) for cell in changed[layout.is_money[changed]]}
    found += [("moved", event.kind, *move) for move in moved]
    found.append(("moves", event.kind, *sorted(moved)))
    span = layout.span("book.phase")
    old, new = before[span], after[span]
    found += [
        ("life", event.kind, k == event.job, int(old[k]), int(new[k])) for k in np.flatnonzero(old != new).tolist()
    ]
    return found


def _role(market: Market, event: Event, cell: int, before: Ints) -> tuple[str, str, str]:
    """Tell a change of money by its field, whose it is, and its direction."""
    layout, book = market.layout, market.book
    field_name = layout.fields[int(layout.field_of[cell])].path
    actor, job = int(layout.actor_of[cell]), int(layout.job_of[cell])
    whose = ""
    if actor >= 0:
        whose = "actor" if actor == event.actor else "other"
        if event.kind >= Kind.REQUEST and actor == int(book.prover[event.job]):
            whose += " prover"
        if event.kind >= Kind.REQUEST and actor == int(book.requester[event.job]):
            whose += " requester"
    elif job >= 0:
        whose = "its job" if job == event.job else "another job"
    return field_name, whose, "gained" if market.cells[cell] > before[cell] else "lost"
