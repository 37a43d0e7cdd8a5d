"""Test vectors: markets written down for everybody who implements a rule in another language.

`vectors/<rule>/<name>.json` holds genesis, parameters, events, and after each event the verdict and what changed in the
book. They are made from guided fuzzing: traces that together reach every pair of event and verdict, every move of
money and every step in the life of a job that the fuzzing found. `python -m proofyard.conformance.vectors RULE…`
rewrites them.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from proofyard import mechanisms
from proofyard.conformance.fuzz import Fuzzer, features_of
from proofyard.conformance.market import Market, Setup, Trace
from proofyard.core import BadInput, Event, Ints, Kind, Verdict, shape
from proofyard.core.rule import Rule

FOLDER = Path("vectors")
RULES = ("bonded", "contest", "sealed_bid", "staked_pool")  # those that exist as contracts
TRACES = 400
SEED = 8
MARKETS = ((2, 3), (4, 8), (5, 12))  # actors, jobs
PER_ACTOR = ("cash", "slashed")
PER_JOB = ("escrow", "phase", "requester", "prover", "deadline", "paid")


class Vector(NamedTuple):
    """One file."""

    rule: str
    params: dict[str, int]
    cash: list[int]  # gwei of each actor at genesis
    jobs: int
    steps: list[dict[str, Any]]  # event (seven integers by name), verdict, book (what changed)

    @property
    def events(self) -> list[Event]:
        """Its events."""
        return [
            Event(Kind[step["kind"]] if isinstance(step["kind"], str) else step["kind"], *step["event"])
            for step in self.steps
        ]


def book_of(state: Any) -> dict[str, int]:
    """Name and value of every cell of the book: money and records of actors and jobs.

    `held` is all money of an actor that is not cash, or of a job that is not escrow: stakes, queues, bonds.
    """
    found: dict[str, int] = {}
    actors, jobs = len(state.book.cash), len(state.book.escrow)
    held = {"actor": np.zeros(actors, np.int64), "job": np.zeros(jobs, np.int64)}
    for field, values in shape.named(state):
        if field.money and field.size in held and field.path not in ("book.cash", "book.escrow"):
            held[str(field.size)] += values
    rows: list[tuple[str, Ints]] = [("cash", state.book.cash), ("held", held["actor"]), ("slashed", state.book.slashed)]
    for name, values in rows:
        found |= {f"{name}[{k}]": int(value) for k, value in enumerate(values)}
    for name in ("escrow", "held", *PER_JOB[1:]):
        values = held["job"] if name == "held" else getattr(state.book, name)
        found |= {f"{name} of job {k}": int(value) for k, value in enumerate(values)}
    return found | {"burnt": int(state.book.burnt[0]), "reserve": int(state.book.reserve[0])}


def write(trace: Trace) -> Vector:
    """Play a trace again and note the changes after each event."""
    setup, rule = trace.setup, trace.setup.rule
    state = genesis(rule, setup.cash, setup.jobs)
    book, steps = book_of(state), list[dict[str, Any]]()
    for event in trace.events:
        verdict = rule.apply(state, event)
        after = book_of(state)
        kind = Kind(event.kind).name if event.kind in list(Kind) else int(event.kind)
        changed = {name: value for name, value in after.items() if book[name] != value}
        steps.append(
            {"kind": kind, "event": [int(word) for word in event[1:]], "verdict": verdict.name, "book": changed}
        )
        book = after
    return Vector(rule.name, dict(rule.params._asdict()), list(setup.cash), setup.jobs, steps)


def genesis(rule: Rule, cash: Sequence[int], jobs: int) -> Any:
    """Build the state before the first event."""
    state = rule.genesis(len(cash), jobs)
    state.book.cash[:] += np.array(cash, np.int64)
    return state


def to_json(vector: Vector) -> str:
    """Write a vector, a step a line."""
    head = json.dumps({name: value for name, value in vector._asdict().items() if name != "steps"})[:-1]
    return head + ', "steps": [\n' + ",\n".join(json.dumps(step) for step in vector.steps) + "\n]}\n"


def read(path: Path) -> Vector:
    """Read a vector. Raises BadInput."""
    try:
        return Vector(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(str(path), "a vector as this command writes it", error) from None


def first_difference(vector: Vector) -> str | None:
    """Play a vector in plain Python and say where the rule first does something else."""
    rule = rule_of(vector)
    state = genesis(rule, vector.cash, vector.jobs)
    expected = book_of(state)
    for k, (event, step) in enumerate(zip(vector.events, vector.steps, strict=True)):
        verdict = rule.apply(state, event)
        expected |= step["book"]
        if verdict.name != step["verdict"]:
            return f"step {k}: wanted {step['verdict']}, got {verdict.name}"
        wrong = [name for name, value in book_of(state).items() if expected[name] != value]
        if wrong:
            return f"step {k}: {wrong[0]}: wanted {expected[wrong[0]]}, got {book_of(state)[wrong[0]]}"
    return None


def steps_of(vector: Vector) -> Iterator[tuple[Verdict, dict[str, int]]]:
    """Verdict and whole book after each step, as the file says."""
    rule = rule_of(vector)
    book = book_of(genesis(rule, vector.cash, vector.jobs))
    for step in vector.steps:
        book = book | step["book"]
        yield Verdict[step["verdict"]], book


def rule_of(vector: Vector) -> Rule:
    """Fill the parameters of a vector into its rule."""
    values = ", ".join(f"{name}={value}" for name, value in vector.params.items())
    return mechanisms.rule(f"{vector.rule}({values})", "vector")


def choose(rule: Rule, *, seed: int = SEED, traces: int = TRACES) -> list[Trace]:
    """Draw traces and keep few that together reach all that was found, the most telling first."""
    fuzzer = Fuzzer(rule, seed, markets=MARKETS)
    found = fuzzer.run(traces)
    if found.broken:
        raise next(iter(found.broken.values()))
    reached = [(_reached(trace), trace) for trace in found.traces]
    missing = set[object]().union(*(features for features, _ in reached))
    chosen: list[Trace] = []
    while missing:
        features, best = max(reached, key=lambda pair: len(pair[0] & missing))
        missing -= features
        chosen.append(best)
    return chosen


def _reached(trace: Trace) -> set[object]:
    """Features of a trace that matter outside Python: verdicts, single moves of money, steps of a job's life."""
    market = Market(Setup(trace.setup.rule, trace.setup.jobs, trace.setup.cash))
    found: set[object] = set()
    for event in trace.events:
        verdict = market.answer(event)
        found |= {
            feature for feature in features_of(market, event, verdict) if feature[0] in ("verdict", "life", "moved")
        }
    return found


def main(names: Sequence[str]) -> None:
    """Rewrite the vectors of the rules named, or of all that exist as contracts."""
    for name in names or RULES:
        place = FOLDER / name
        place.mkdir(parents=True, exist_ok=True)
        for old in place.glob("*.json"):
            old.unlink()
        for k, trace in enumerate(choose(mechanisms.rule(name, "RULE"))):
            (place / f"{k:02}.json").write_text(to_json(write(trace)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
