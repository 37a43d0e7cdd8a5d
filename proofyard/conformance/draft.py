"""A first golden file by search: few, short markets that reach every verdict and notice a deleted money movement."""

from collections.abc import Callable, Iterator, Sequence

from proofyard.conformance import mutate, playthrough, script
from proofyard.conformance.fuzz import Feature, Fuzzer, features_of
from proofyard.conformance.market import Broken, Market, Setup, Trace
from proofyard.conformance.shrink import shrink
from proofyard.core.errors import BadInput
from proofyard.core.event import Event
from proofyard.core.rule import Rule, with_params

TRACES = (250, 600)  # with the default parameters, then with others
MARKETS = ((3, 4), (4, 6))  # small enough to be read
REPLAYS = 300  # tries to shorten one playthrough
AT_ONCE = 14  # new things one playthrough shows at most


def reached(setup: Setup, events: Sequence[Event], used: set[int]) -> set[Feature]:
    """Everything worth showing that a trace reaches, of the kinds that are `used`."""
    market = Market(setup)
    found: set[Feature] = set()
    for event in events:
        verdict = market.answer(event)
        if event.kind in used:
            found.update(f for f in features_of(market, event, verdict) if f[0] != "moves")
    return found


def _simpler(event: Event) -> Iterator[Event]:
    """Try an event with rounder numbers."""
    if event.word:
        yield event._replace(word=0)
    if event.detail > 1:
        yield event._replace(detail=0)
        yield event._replace(detail=1)
    if event.amount:
        yield event._replace(amount=0)
        yield event._replace(amount=10 ** (len(str(abs(event.amount))) - 1))


def _simplify(events: list[Event], shows: Callable[[list[Event]], bool]) -> list[Event]:
    """Write rounder numbers where that makes no difference to what is shown."""
    for k in range(len(events)):
        for simpler in _simpler(events[k]):
            other = [*events[:k], simpler, *events[k + 1 :]]
            if shows(other):
                events = other
                break
    return events


def _plain(setup: Setup, shows: Callable[[Setup], bool]) -> Setup:
    """Put parameters back to their defaults where that makes no difference to what is shown."""
    defaults = type(setup.rule.params)()
    for name in setup.rule.params._fields:
        if getattr(setup.rule.params, name) == getattr(defaults, name):
            continue
        values = setup.rule.params._asdict() | {name: getattr(defaults, name)}
        try:
            other = Setup(with_params(setup.rule.name, setup.rule.module, values), setup.jobs, setup.cash)
            if shows(other):
                setup = other
        except (BadInput, Broken):
            continue
    return setup


def _shorten(trace: Trace, shows: Callable[[Setup, list[Event]], bool]) -> tuple[Setup, list[Event]]:
    """Leave out what is not needed to show the same: events first, then parameters, then events again."""

    def holds(setup: Setup, events: list[Event]) -> bool:
        try:
            return shows(setup, events)
        except Broken:
            return False

    events = shrink(trace.events, lambda rest: holds(trace.setup, rest), REPLAYS)
    setup = _plain(trace.setup, lambda other: holds(other, events))
    events = shrink(events, lambda rest: holds(setup, rest), REPLAYS)
    return setup, _simplify(events, lambda rest: holds(setup, rest))


class _Draft:
    """The playthroughs so far, and what they show."""

    def __init__(self, rule: Rule, used: set[int]) -> None:
        self.rule = rule
        self.used = used
        self.covered: set[Feature] = set()
        self.parts: list[tuple[list[str], Setup, list[Event]]] = []

    def add(self, comment: str, setup: Setup, events: list[Event]) -> None:
        """Keep a playthrough."""
        self.parts.append(([f"# {comment}"], setup, events))
        self.covered |= reached(setup, events, self.used)

    def cover(self, traces: Sequence[Trace]) -> None:
        """Choose traces, the one with most that is new first, until all that they reach is shown."""
        offers = [(reached(trace.setup, trace.events, self.used), trace) for trace in traces]
        while True:
            features, trace = max(offers, key=lambda offer: len(offer[0] - self.covered))
            new = set(sorted(features - self.covered, key=str)[:AT_ONCE])
            if not new:
                return
            setup, events = _shorten(trace, lambda setup, rest, new=new: new <= reached(setup, rest, self.used))
            self.add(tell_new(new), setup, events)

    def kill(self, traces: Sequence[Trace]) -> list[str]:
        """Add a playthrough for every mutant the ones so far do not notice; return those that no trace notices."""
        alive: list[str] = []
        for mutant in mutate.of_rule(self.rule) + mutate.of_helpers(self.rule):
            if any(_differs(mutant, setup, events) for _, setup, events in self.parts):
                continue
            trace = next((t for t in traces if _differs(mutant, t.setup, t.events)), None)
            if trace is None:
                alive.append(f"line {mutant.line}: {mutant.statement}")
                continue
            setup, events = _shorten(trace, lambda setup, rest, mutant=mutant: _differs(mutant, setup, rest))
            self.add(f"What {mutant.statement} does.", setup, events)
        return alive


def tell_new(features: set[Feature]) -> str:
    """Say which kinds a playthrough is about."""
    kinds = sorted({int(str(feature[1])) for feature in features})
    return "New here: " + ", ".join(script.kind_name(kind) for kind in kinds) + "."


def _differs(mutant: mutate.Mutant, setup: Setup, events: list[Event]) -> bool:
    """Tell whether the mutant does anything else in this trace."""
    values = setup.rule.params._asdict()
    other = Rule(mutant.rule.name, mutant.rule.module, mutant.rule.module.Params(**values))
    right = script.play(setup, events)
    try:
        return script.play(Setup(other, setup.jobs, setup.cash), events) != right
    except Broken:
        return True


def draft(rule: Rule, seed: int = 1) -> str:
    """Write the golden file of `rule` from scratch."""
    plain = Fuzzer(rule, seed, varied=False, markets=MARKETS).run(TRACES[0])
    varied = Fuzzer(rule, seed + 1, markets=MARKETS).run(TRACES[1])
    traces = [sorted(found.traces, key=lambda trace: len(trace.events)) for found in (plain, varied)]
    book = _Draft(rule, plain.used | varied.used)
    for some in traces:
        book.cover(some)
    alive = book.kill([*traces[0], *traces[1]])
    head = playthrough.head_of(rule) + "".join(f"# not shown: {line}\n" for line in alive)
    return playthrough.write(head, book.parts)
