"""Events, markets and answers as text: counterexamples and golden playthroughs are written the same way."""

import re
from collections.abc import Sequence

from proofyard.conformance.market import Market, Setup
from proofyard.conformance.sheet import tell_changes
from proofyard.core.errors import BadInput
from proofyard.core.event import Event, Kind, Verdict
from proofyard.core.rule import Rule, parse_call, with_params

EVENT = re.compile(
    r"t=(-?\d+) (\w+|-?\d+) actor=(\d+) job=(\d+) amount=(-?\d+) detail=(-?\d+) word=(-?\d+)(?: -> (.*))?"
)
MARKET = re.compile(r"market: jobs=(\d+) cash=(\d+(?:,\d+)*)")


def kind_name(kind: int) -> str:
    """Name of a kind, or its number when there is none."""
    return Kind(kind).name if kind in list(Kind) else str(kind)


def tell_event(event: Event) -> str:
    """Write an event as one line."""
    kind, time, actor, job, amount, detail, word = event
    return f"t={time} {kind_name(kind)} actor={actor} job={job} amount={amount} detail={detail} word={word}"


def read_event(line: str, where: str) -> Event:
    """Read what `tell_event` wrote. Raises BadInput."""
    match = EVENT.fullmatch(line)
    if match is None or (not match[2].lstrip("-").isdigit() and match[2] not in Kind.__members__):
        raise BadInput(where, "t=… KIND actor=… job=… amount=… detail=… word=…", repr(line))
    kind = int(match[2]) if match[2].lstrip("-").isdigit() else int(Kind[match[2]])
    return Event(kind, int(match[1]), *(int(text) for text in match.groups()[2:7]))


def tell_setup(setup: Setup) -> list[str]:
    """Write a market at genesis: the rule with the parameters that are not the default, and who has how much."""
    return [f"rule: {setup.rule.text}", f"market: jobs={setup.jobs} cash={','.join(map(str, setup.cash))}"]


def read_setup(rule: Rule, rule_line: str, market_line: str, where: str) -> Setup:
    """Read what `tell_setup` wrote, for the module of `rule`. Raises BadInput."""
    match = MARKET.fullmatch(market_line)
    if match is None or not rule_line.startswith("rule: "):
        raise BadInput(where, "the lines `rule: …` and `market: jobs=… cash=…`", repr(f"{rule_line}, {market_line}"))
    _, values = parse_call(rule_line.removeprefix("rule: "), where)
    cash = tuple(int(text) for text in match[2].split(","))
    return Setup(with_params(rule.name, rule.module, values, where), int(match[1]), cash)


def tell_answer(market: Market, verdict: Verdict) -> str:
    """Write the verdict of the last event and all it changed."""
    return " | ".join([verdict.name, *tell_changes(market.layout, market.before, market.cells)])


def play(setup: Setup, events: Sequence[Event]) -> list[str]:
    """Answer `events` and write each with what it did. Raises Broken."""
    market = Market(setup)
    return [f"{tell_event(event)} -> {tell_answer(market, market.answer(event))}" for event in events]
