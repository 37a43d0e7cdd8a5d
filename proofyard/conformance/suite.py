"""The checks, in order, on any rule."""

from collections.abc import Callable

import numpy as np

from proofyard.conformance import compiled, playthrough, script
from proofyard.conformance.fuzz import Fuzzed, Fuzzer
from proofyard.conformance.market import Broken, Trace
from proofyard.conformance.reach import missing
from proofyard.conformance.report import Check, Report, shortened
from proofyard.conformance.sheet import Sheet
from proofyard.conformance.shrink import shortest
from proofyard.core.book import MAX_GWEI
from proofyard.core.errors import BadInput
from proofyard.core.event import Verdict
from proofyard.core.rule import Rule, check_form

TRACES = 300
QUICK = 10  # times fewer traces
LONGER = 4  # times more traces at most, until everything was reached that must be
TWICE = 5  # traces drawn a second time

PROMISES = {  # what the fuzzing holds a rule to, event by event
    "answers": "Every event has a verdict, without exception or overflow.",
    "money": "After every event money is conserved and no account is negative.",
    "refused": "A refused event leaves every cell as it was.",
    "life": "Jobs follow the table of transitions, records only grow, nobody pays who did not act.",
    "stuck": "From the end of every trace, timers bring every job to its end, and what is final holds no money.",
}


def run(rule: Rule, *, seed: int = 0, traces: int = TRACES, quick: bool = False) -> Report:
    """Hold `rule` to everything a rule must keep. Never raises for what the rule does."""
    report = Report(rule.text)
    form = _form(rule)
    report.checks.append(form)
    if not form.passed:
        return report
    wanted = max(1, traces // QUICK) if quick else traces
    found = Fuzzer(rule, seed).run(LONGER * traces, lambda fuzzed: len(fuzzed.traces) >= wanted and not missing(fuzzed))
    report.traces, report.events, report.pairs = len(found.traces), found.events, found.pairs
    report.checks += [_promise(name, sentence, found) for name, sentence in PROMISES.items()]
    report.checks += [_ties(found), _repeat(rule, seed, found), _compiled(found), _reached(found), _golden(rule)]
    return report


def _form(rule: Rule) -> Check:
    """Look at the module, its parameters and its genesis."""
    try:
        _look_at_form(rule)
    except BadInput as error:
        return Check("form", passed=False, sentence=str(error))
    except Exception as error:  # noqa: BLE001 - whatever a stranger's genesis raises is one sentence here
        return Check("form", passed=False, sentence=f"`genesis` raised {type(error).__name__}: {error}.")
    return Check("form", passed=True, sentence="Params, State and apply have the form of a rule.")


def _look_at_form(rule: Rule) -> None:
    """Raise BadInput for what cannot be a rule, and whatever its own `genesis` raises."""
    check_form(rule.module, rule.name)
    for name, value in rule.params._asdict().items():
        if type(value) is not int:
            raise BadInput(f"{rule.name}: Params.{name}", "an integer", repr(value))
    complaint = rule.module.validate(rule.params) if hasattr(rule.module, "validate") else None
    if complaint is not None:
        raise BadInput(f"{rule.name}: Params.{complaint[0]}", complaint[1], getattr(rule.params, complaint[0]))
    with np.errstate(all="raise"):
        sheet = Sheet(rule, 4, 4)
    money = sheet.cells[sheet.layout.money].tolist()
    if min(money) < 0 or sum(money) > MAX_GWEI or sheet.cells[sheet.layout.span("book.phase")].any():
        raise BadInput(f"{rule.name}: genesis", f"0 to {MAX_GWEI} gwei and no job", f"{sum(money)} gwei")


def _promise(name: str, sentence: str, found: Fuzzed) -> Check:
    """Tell whether one of the promises was broken, with the shortest trace that shows it."""
    broken = found.broken.get(name)
    return Check(name, passed=True, sentence=sentence) if broken is None else _failed(broken)


def _failed(broken: Broken) -> Check:
    """Tell a finding."""
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        short = shortest(broken)
    lines = [*script.tell_setup(short.setup), *map(script.tell_event, short.events)]
    return Check(broken.check, passed=False, sentence=f"{short.sentence}.", counterexample=shortened(lines))


def _ties(found: Fuzzed) -> Check:
    """Tell what the ties showed, and how many were looked at."""
    broken = found.broken.get("ties")
    if broken is not None:
        return _failed(broken)
    deadlines, pairs = found.tied["deadlines"], found.tied["pairs"]
    sentence = f"Proof and timer never compete ({deadlines} deadlines); {pairs} pairs of one instant may change places"
    chained = found.tied["pairs settled in the order of the chain"]
    sentence += f", and {chained} that settle in the order of their chain." if chained else "."
    return Check("ties", passed=True, sentence=sentence)


def _try(name: str, sentence: str, look: Callable[[Trace], None], traces: list[Trace]) -> Check:
    """Look at every trace; the first that breaks decides."""
    if not traces:
        return Check(name, passed=False, sentence="Not looked at, because no trace came to its end.")
    try:
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            for trace in sorted(traces, key=lambda trace: len(trace.events)):
                look(trace)
    except Broken as broken:
        lines = [*script.tell_setup(broken.setup), *map(script.tell_event, broken.events)]
        return Check(name, passed=False, sentence=f"{broken.sentence}.", counterexample=shortened(lines))
    return Check(name, passed=True, sentence=sentence)


def _repeat(rule: Rule, seed: int, found: Fuzzed) -> Check:
    """Let the same seed draw the same events, and the same events lead to the same state."""
    sentence = "The same seed gives the same trace, and a trace replayed the same state; no row below 0 is used."
    check = _try("repeat", sentence, compiled.repeat, found.traces)
    if not check.passed or found.broken:
        return check
    again = Fuzzer(rule, seed).run(TWICE).traces
    if any(one.events != other.events for one, other in zip(found.traces, again, strict=False)):
        return Check("repeat", passed=False, sentence="The same seed gave another trace.")
    return check


def _compiled(found: Fuzzed) -> Check:
    """Plain Python and the compiled entry agree."""
    sentence = "Compiled, every trace has the same verdicts and the same state, bit for bit."
    try:
        return _try("compiled", sentence, compiled.compare, found.traces)
    except BadInput as error:
        return Check("compiled", passed=False, sentence=f"Compiled as far as it goes: {error}")


def _reached(found: Fuzzed) -> Check:
    """Tell what the fuzzing reached."""
    lacking = missing(found)
    kinds = len([kind for kind in found.used if (kind, int(Verdict.OK)) in found.pairs])
    if lacking:
        return Check("reached", passed=False, sentence=f"{'; '.join(lacking)}.")
    pairs = len([1 for kind, _ in found.pairs if kind in found.used])
    sentence = f"{kinds} kinds accepted and refused, {pairs} pairs of kind and verdict, {len(found.features)} effects."
    return Check("reached", passed=True, sentence=sentence)


def _golden(rule: Rule) -> Check:
    """Replay the golden playthroughs, if there are any; a shipped rule must have them."""
    path = playthrough.path_of(rule)
    if not path.exists():
        shipped = rule.module.__name__.startswith("proofyard.")
        sentence = f"There is no {path.name}; `{playthrough.COMMAND}` writes one."
        return Check("golden", passed=not shipped, sentence=sentence)
    try:
        parts = playthrough.read(path)
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            difference = playthrough.first_difference(rule, path, parts)
    except BadInput as error:
        return Check("golden", passed=False, sentence=str(error))
    if difference is not None:
        first, *rest = difference.splitlines()
        return Check("golden", passed=False, sentence=first, counterexample=tuple(line.strip() for line in rest))
    count = sum(len(part.lines) for part in parts)
    return Check("golden", passed=True, sentence=f"{len(parts)} playthroughs, {count} events as in {path.name}.")
