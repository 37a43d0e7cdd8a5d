"""The requests and provers of a journal under another rule: who would have won, been paid, been slashed.

Requests come when they came, of the sizes they had. Each prover stakes what it staked first, asks what it asked (per
unit or per proof, as the rule has it: at the median size), declares what it declared, and proves a job it proved in the
time that took, any other in its mean time. A proof's time is from when the job was given to it, or from its proof
before that, to its proof. How it behaved beyond that is not in a journal: it is taken to be honest.
"""

import csv
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from proofyard import mechanisms
from proofyard.core import Kind, Phase
from proofyard.core.errors import BadInput
from proofyard.core.rule import Rule
from proofyard.engine.result import Run
from proofyard.engine.simulate import Simulation
from proofyard.network.market import Market
from proofyard.network.records import Row
from proofyard.scenario import Scenario, check

GWEI = 10**9


class Prover(NamedTuple):
    """What a journal knows of a prover. Money gwei, times ms."""

    name: str
    actor: int
    price: int
    capacity: int
    stake: int
    times: dict[int, int]  # of its proofs, by job

    @property
    def mean_ms(self) -> int:
        """Its mean time, 0 without a proof."""
        return round(sum(self.times.values()) / len(self.times)) if self.times else 0


class Story(NamedTuple):
    """What happened, as far as it does not depend on the rule."""

    scenario: str
    rule: Rule
    provers: list[Prover]
    asked: list[int]  # ms
    sizes: list[int]
    ceilings: list[int]  # gwei


def read_story(rows: Iterable[Row]) -> Story:
    """Read a journal. Raises BadInput for one without a request or a prover, Fault for one that does not hold."""
    source = iter(rows)
    market = Market(next(source))
    offers: dict[int, tuple[int, int]] = {}
    stakes: dict[int, int] = {}
    times: dict[int, dict[int, int]] = {}
    given: dict[int, int] = {}
    free: dict[int, int] = {}
    for row in source:
        market.follow(row)
        if row.kind == Kind.OFFER:
            offers.setdefault(row.actor, (row.amount, max(1, row.detail)))
        elif row.kind == Kind.STAKE:
            stakes.setdefault(row.actor, row.amount)
        if row.kind < Kind.REQUEST:
            continue
        if market.state.book.phase[row.job] in (Phase.ASSIGNED, Phase.OPEN) and row.kind != Kind.PROVE:
            given[row.job] = row.time
        if row.kind == Kind.PROVE:
            begun = max(given.get(row.job, row.time), free.get(row.actor, 0))
            times.setdefault(row.actor, {})[row.job] = max(1, row.time - begun)
            free[row.actor] = row.time
    if not market.jobs or not (offers or times):
        raise BadInput("journal", "at least one request and one prover", f"{market.jobs} requests")
    provers = [
        Prover(market.names[actor], actor, *offers.get(actor, (1, 1)), stakes.get(actor, 0), times.get(actor, {}))
        for actor in sorted({*offers, *times})
    ]
    asked, ceilings, sizes = (list(column) for column in zip(*market.asks, strict=True))
    return Story(market.genesis.scenario, market.rule, provers, asked, sizes, ceilings)


def scenario_of(story: Story, folder: Path, mechanism: str, rule: Rule) -> Scenario:
    """Write the story as a scenario whose requests come from a trace in `folder`."""
    path = folder / "proofs.csv"
    _write_trace(story, path)
    unit = int(np.median(story.sizes))
    times, parts = (unit if _per_unit(story.rule) else 1), (unit if _per_unit(rule) else 1)
    classes = [
        {
            "name": prover.name,
            "hardware": _setup(k),
            "capacity": 1,
            "policy": f"overstate({prover.capacity})",
            "stake": _tokens(prover.stake),
            "cash": _tokens(max(prover.stake, GWEI)),
            "ask": _tokens(max(1, prover.price * times // parts)),
            "cost": {"per_hour": "0 usd", "energy": "0 kW"},
        }
        for k, prover in enumerate(story.provers)
    ]
    tree = {
        "name": story.scenario,
        "mechanism": mechanism,
        "horizon": f"{max(story.asked) + 1}ms",
        "workload": {"arrivals": "trace", "trace": str(path), "every": "1s", "max_fee": _tokens(max(story.ceilings))},
        "provers": classes,
    }
    return check(tree, "replay", folder)


def _per_unit(rule: Rule) -> bool:
    return bool(getattr(rule.module, "PRICE_PER_UNIT", False))


def _tokens(gwei: int) -> str:
    return f"{gwei // GWEI}.{gwei % GWEI:09d}"


def _setup(prover: int) -> str:
    return f"live/prover{prover}/journal"


def _write_trace(story: Story, path: Path) -> None:
    """Write what every prover would have needed for every job."""
    means = [prover.mean_ms for prover in story.provers]
    slowest = max(means) or 1
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("block", "gas_used", "hardware", "client", "zkvm", "status", "proving_time_ms"))
        for job, size in enumerate(story.sizes):
            for k, prover in enumerate(story.provers):
                time = prover.times.get(job) or means[k] or slowest
                writer.writerow((job + 1, max(1, size), *_setup(k).split("/"), "ok", time))


def replay(story: Story, mechanism: str, seed: int = 1) -> Run:
    """Run the story under a rule. Raises BadInput."""
    rule = mechanisms.rule(mechanism)
    with tempfile.TemporaryDirectory(prefix="proofyard-") as place:
        scenario = scenario_of(story, Path(place), mechanism, rule)
        return Simulation(scenario, rule, seed, arrive=np.array(story.asked, np.int64)).run()


class Change(NamedTuple):
    """One prover under two rules. Money gwei."""

    name: str
    wins: tuple[int, int]
    paid: tuple[int, int]
    slashed: tuple[int, int]


def changes(was: Run, other: Run) -> list[Change]:
    """Compare prover by prover; both runs have the same ones in the same order, or at least the same names."""
    at = {name: k for k, name in enumerate(other.names)}

    def both(field: str, k: int, j: int) -> tuple[int, int]:
        return int(getattr(was.provers, field)[k]), int(getattr(other.provers, field)[j])

    return [
        Change(name, *(both(field, k, at[name]) for field in ("wins", "income_gwei", "slashed_gwei")))
        for k, name in enumerate(was.names)
        if name in at
    ]
