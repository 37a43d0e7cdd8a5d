"""The life of a job under a rule, found by playing it, and drawn as a tree."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from rich.text import Text
from rich.tree import Tree

from proofyard.core import FINAL, TRANSITIONS, BadInput, Book, Event, Kind, Phase, Verdict
from proofyard.core.rule import Rule, with_params

Transition: TypeAlias = tuple[Phase, Kind, tuple[Phase, ...]]

ACTORS, JOBS, STEPS, PLAYS = 4, 6, 60, 320  # of the play that finds the life cycle: each step is met in several plays
DRAWS = 3 * ACTORS + 4 * JOBS + 10 * STEPS  # dice of one play, more than it can use
CASH = 10**17  # gwei of each actor in it
REQUEST_GWEI = tuple(10**k for k in range(7, 15))
SIZES = (1, 1_000, 10**6, 10**7)  # of jobs
STAKE_GWEI = tuple(10**k for k in range(9, 16))
SMALL = (0, 0, 1, 1, 2)  # what a parameter that is not at its default is set to, where the rule allows it
CHANGED = (2, 2, 4)  # one parameter in so many is not at its default
TIMERS = (Kind.CLOSE, Kind.EXPIRE, Kind.SETTLE)


def observe(rule: Rule, kinds: Sequence[Kind] = tuple(Kind), seed: int = 0) -> tuple[Transition, ...]:
    """Play `rule` with plausible events and small parameters, and list what became of the jobs the events were about.

    Raises BadInput for a rule that raises instead of answering.
    """
    dice = np.random.default_rng(seed)
    seen: dict[tuple[Phase, Kind], set[Phase]] = {}
    for play in range(PLAYS):
        played = _varied(rule, dice) if play % 4 else rule
        for source, kind, target in _Game(played, kinds or tuple(Kind), dice).play(crowded=play % 3 == 0):
            seen.setdefault((source, kind), set()).add(target)
    return tuple((source, kind, tuple(sorted(seen[source, kind]))) for source, kind in sorted(seen))


def _varied(rule: Rule, dice: np.random.Generator) -> Rule:
    """Set some parameters of `rule` to small values; what it refuses is tried once more when the others are set."""
    defaults, changed = type(rule.params)(), int(dice.choice(CHANGED))
    wanted: dict[str, int] = {}
    for name in rule.params._fields:
        if dice.integers(changed) == 0:
            wanted[name] = int(dice.choice([value for value in SMALL if value != getattr(defaults, name)]))
    values = dict[str, int]()
    for name, value in [*wanted.items(), *wanted.items()]:
        try:
            with_params(rule.name, rule.module, values | {name: value})
        except BadInput:
            continue
        values[name] = value
    return with_params(rule.name, rule.module, values)


class _Game:
    """One play of a rule: everybody offers and stakes, then jobs are asked for and go their way."""

    def __init__(self, rule: Rule, kinds: Sequence[Kind], dice: np.random.Generator) -> None:
        self.rule = rule
        pairs = [(source, kind) for source, kind, _ in TRANSITIONS if kind in kinds]
        self.legal = {phase: [kind for source, kind in pairs if source == phase] for phase in Phase}
        self.standing = [kind for kind in kinds if kind < Kind.REQUEST]
        self.state = rule.genesis(ACTORS, JOBS)
        self.book: Book = self.state.book
        self.book.cash[:] += CASH
        self.now = 0
        self.words: Iterator[int] = iter(dice.integers(2**62, size=DRAWS).tolist())

    def pick(self, values: Sequence[int]) -> int:
        """Draw one of `values`."""
        return values[next(self.words) % len(values)]

    def play(self, *, crowded: bool = False) -> Iterable[tuple[Phase, Kind, Phase]]:
        """Tell from which phase by which kind to which phase every job went; `crowded`: all are asked for at once."""
        for actor in range(ACTORS):
            self.answer(Event(Kind.OFFER, 0, actor, 0, self.pick((1, 7, 10)), self.pick((1, 4, 64)), 0))
            self.answer(Event(Kind.STAKE, 0, actor, 0, self.pick(STAKE_GWEI), 0, 0))
        size = self.pick(SIZES)
        for job in range(JOBS if crowded else 0):
            yield from self.step(self.request(job, size))
        job = 0
        for _ in range(STEPS):
            self.now += self.pick((0, 1, 1_000, 100_000))
            live = np.flatnonzero(self.book.phase < min(FINAL)).tolist()
            if not live:
                return
            stands = self.standing and self.pick(range(10)) == 0
            job = job if job in live and self.pick((0, 1)) else self.pick(live)  # often the same, or none gets far
            yield from self.step(self.standing_event() if stands else self.job_event(job))

    def step(self, event: Event) -> Iterable[tuple[Phase, Kind, Phase]]:
        """Let the rule answer, and tell where the job went if it went anywhere."""
        before = Phase(int(self.book.phase[event.job]))
        if self.answer(event) == Verdict.OK and event.kind >= Kind.REQUEST:
            yield before, Kind(event.kind), Phase(int(self.book.phase[event.job]))

    def answer(self, event: Event) -> Verdict:
        """Let the rule answer. Raises BadInput where it raises."""
        self.now = max(self.now, event.time)
        try:
            return self.rule.apply(self.state, event)
        except Exception as error:
            got = f"{type(error).__name__}: {error}, at {event}"
            raise BadInput(self.rule.name, "a verdict for every event", got) from error

    def standing_event(self) -> Event:
        """Draw an offer, a stake, a delegation or a transfer."""
        kind, actor = self.pick(self.standing), self.pick(range(ACTORS))
        amount = self.pick((0, 1, 10, *STAKE_GWEI))
        return Event(kind, self.now, actor, 0, amount, self.pick((0, 1, 2, 3, 64)), 0)

    def job_event(self, job: int) -> Event:
        """Draw something that may happen to `job`; a timer when it has run out, a proof mostly by whose it is."""
        legal = self.legal[Phase(int(self.book.phase[job]))] or [Kind.EXPIRE]
        if Kind.VOTE in legal and hasattr(self.state, "ballot") and self.pick(range(8)):
            legal = [Kind.VOTE]  # a ballot takes many
        kind = Kind(self.pick(legal))
        if kind == Kind.REQUEST:
            return self.request(job, self.pick(SIZES))
        time = max(self.now, int(self.book.deadline[job]) + 1) if kind in TIMERS else self.now
        holder = int(self.book.prover[job])
        if kind == Kind.VOTE and hasattr(self.state, "ballot"):  # as an honest member of the committee would
            ballot, choice = int(self.state.ballot[job]), int(self.state.choice[job])
            return Event(kind, time, self.pick(range(ACTORS)), job, 0, ballot, choice)
        actor = holder if holder >= 0 and self.pick(range(3)) else self.pick(range(ACTORS))
        return Event(kind, time, actor, job, self.pick(REQUEST_GWEI), self.pick(range(5)), self.pick((1, 2)))

    def request(self, job: int, size: int) -> Event:
        """Draw who asks for `job`, and what it offers."""
        actor, amount = self.pick(range(ACTORS)), self.pick(REQUEST_GWEI)
        return Event(Kind.REQUEST, self.now, actor, job, amount, size, next(self.words))


def life_tree(transitions: Sequence[Transition]) -> Tree:
    """Draw the life of a job as a tree; a phase unfolds where it is first reached in the fewest steps."""
    root = Tree(Text("a job"), guide_style="dim")
    waiting, unfolded = [(Phase.NONE, root)], {Phase.NONE}
    while waiting:
        source, branch = waiting.pop(0)
        for start, kind, targets in transitions:
            for target in targets if start == source else ():
                end = " ■" if target in FINAL else " ↑" if target in unfolded else ""
                leaf = branch.add(Text.assemble((f"{kind.name} → ", "cyan"), (target.name, "bold"), (end, "dim")))
                if target not in unfolded and target not in FINAL:
                    unfolded.add(target)
                    waiting.append((target, leaf))
    return root
