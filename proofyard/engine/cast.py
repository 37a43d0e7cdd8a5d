"""Who takes part: the provers of all classes of a scenario, laid out in one row each."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proofyard.core.book import Ints
from proofyard.core.errors import BadInput
from proofyard.engine import queue
from proofyard.policies import Policy
from proofyard.policies.view import MEMORY
from proofyard.scenario import Market, ProverClass, Scenario, Stake, policy
from proofyard.worlds import chains, gas
from proofyard.worlds.hardware import Hardware, hardware, in_unit, proving_ms
from proofyard.worlds.sizes import sizes
from proofyard.worlds.traces import Trace

Floats = NDArray[np.float64]

MS_PER_HOUR = 3_600_000
MICRO = 1_000_000
MOST_PROVERS = 2**queue.PROVER_BITS - 1


@dataclass(frozen=True)
class Cast:
    """The provers of a scenario, one row each, as arrays of length `count`."""

    names: tuple[str, ...]
    group: Ints
    classes: list[ProverClass]
    hardware: list[Hardware | None]  # per class; None: times come from the trace
    stake: Ints  # gwei
    cash: Ints  # gwei, besides the stake
    delegated: Ints  # gwei
    rate: Floats  # cost, gwei per hour
    ask: Ints  # gwei
    capacity: Ints  # proofs at once, true
    place: Ints  # number within its class
    policies: list[Policy]  # per class, then those of provers that are played
    mind: Ints  # whose policy: row of `policies`
    twin: Ints  # its other identity, -1 none
    coalitions: list[str]  # who shares its profits, "" itself
    memory: Ints  # what each remembers, shape (count, MEMORY)
    gas: int  # gwei that settling a proof costs who made it, 0 where nobody says on which chain
    contexts: list[Ints]  # per prover: the words a compiled policy reads, its parameters and where its memory is

    @property
    def count(self) -> int:
        """Number of provers."""
        return len(self.names)

    def favoured(self, market: Market) -> NDArray[np.bool_]:
        """Mark the provers of the class that whoever keeps the order favours. Raises BadInput."""
        names = [group.name for group in self.classes]
        if market.favours and market.favours not in names:
            raise BadInput("market.favours", f"the name of a class ({', '.join(names)})", market.favours)
        if market.first_look and not market.favours:
            raise BadInput("market.first_look", "the class that has it, in market.favours", "none")
        return np.array([bool(market.favours) and name == market.favours for name in names])[self.group]


def cast_of(
    scenario: Scenario, trace: Trace | None, *, price_units: int = 0, played: Mapping[int, Policy] | None = None
) -> Cast:
    """Lay all provers out in one row each. Raises BadInput.

    `price_units`: they ask the price of so many units of size, 0 of a whole job; `played`: provers with another policy
    than the scenario says.
    """
    classes = scenario.provers
    count = sum(group.count for group in classes)
    if count > MOST_PROVERS:
        raise BadInput("provers", f"at most {MOST_PROVERS:_} provers in all", count)
    unit = "gas" if trace is not None else sizes(scenario.workload.size).unit
    models = [None if trace is not None else in_unit(hardware(g.hardware), unit) for g in classes]
    rate = [_rate(scenario, g) for g in classes]
    settled = settling(scenario)
    size = int(np.median(trace.gas)) if trace is not None else int(np.median(sizes(scenario.workload.size).size))
    asks = [_ask(scenario, k, models[k], rate[k], size, trace, settled, price_units) for k in range(len(classes))]
    counts = [g.count for g in classes]
    does = [policy(g.policy) for g in classes]
    group = np.repeat(np.arange(len(classes)), counts)
    mind = group.copy()
    for prover, other in (played or {}).items():
        mind[prover] = len(does)
        does.append(other)
    minded = any(d.moments for d in does) or any(g.bids == "each" for g in classes)
    memory = np.zeros((count if minded else 0, MEMORY), np.int64)
    stakes = np.concatenate([_stakes(scenario, k, g) for k, g in enumerate(classes)])

    def each(values: list[Any], kind: type[Any] = np.int64) -> NDArray[Any]:
        return np.repeat(np.array(values, kind), counts)

    return Cast(
        names=tuple(name for k, g in enumerate(classes) for name in _names(k, g)),
        group=group,
        classes=classes,
        hardware=models,
        stake=stakes,
        cash=each([scenario.gwei(g.cash, f"provers[{k}].cash") for k, g in enumerate(classes)]),
        delegated=each([scenario.gwei(g.delegated, f"provers[{k}].delegated") for k, g in enumerate(classes)]),
        rate=each(rate, np.float64),
        ask=each(asks),
        capacity=each([g.capacity for g in classes]),
        place=np.concatenate([np.arange(g.count) for g in classes]),
        policies=does,
        mind=mind,
        twin=_twins(classes),
        coalitions=[g.coalition for g in classes for _ in range(g.count)],
        memory=memory,
        gas=settled,
        contexts=[_context(does[g], memory[i]) for i, g in enumerate(mind.tolist())] if len(memory) else [],
    )


def _context(does: Policy, memory: Ints) -> Ints:
    """Lay out what a compiled policy reads: its parameters, then address and size of its actor's memory."""
    return np.array([*does.params, memory.ctypes.data, MEMORY], np.int64)


def _twins(classes: list[ProverClass]) -> Ints:
    """Find the other identity of each prover, -1 where it has none."""
    counts = [g.count for g in classes]
    first = dict(zip([g.name for g in classes], np.cumsum([0, *counts[:-1]]).tolist(), strict=True))
    return np.concatenate([np.arange(g.count) + first[g.twin] if g.twin else np.full(g.count, -1) for g in classes])


def _names(k: int, group: ProverClass) -> list[str]:
    """Name the provers of a class: its name, numbered where there are several."""
    name = group.name or f"class {k + 1}"
    return [name] if group.count == 1 else [f"{name} {i + 1}" for i in range(group.count)]


def _stakes(scenario: Scenario, k: int, group: ProverClass) -> Ints:
    """Stake of each prover of a class, gwei."""
    field = f"provers[{k}].stake"
    if not isinstance(group.stake, Stake):
        return np.full(group.count, scenario.gwei(group.stake, field))
    weight = (1.0 + np.arange(group.count)) ** -group.stake.zipf
    return (weight / weight.sum() * scenario.gwei(group.stake.total, field)).astype(np.int64)


def _rate(scenario: Scenario, group: ProverClass) -> float:
    """Cost of one prover of a class while it is billed, gwei per hour."""
    cost = group.cost
    needs_model = cost.per_hour is None or cost.energy is None
    model = hardware(group.hardware) if needs_model else None
    rent = cost.per_hour if cost.per_hour is not None else model.cards * model.micro_usd_low if model else 0
    watts = cost.energy if cost.energy is not None else model.watts if model else 0
    usd = float(scenario.token.usd)
    if usd <= 0:
        raise BadInput("token.usd", "a price above zero", scenario.token.usd)
    micro_usd = rent + watts * cost.tariff / 1_000
    return micro_usd / MICRO / usd * 10**scenario.token.decimals


def settling(scenario: Scenario) -> int:
    """Price the gas of settling one proof, gwei of the scenario's token, rounded up. Raises BadInput."""
    told = scenario.chain
    if told is None:
        return 0
    profile = chains.read(told.profile, "chain.profile")
    if told.base_fee_gwei is not None:
        profile = profile.model_copy(update={"base_fee_gwei": told.base_fee_gwei})
    usd = profile.token_usd if told.token_usd is None else told.token_usd
    if usd <= 0:
        raise BadInput("chain.token_usd", f"a price of {profile.token}: the profile {profile.name} names none", usd)
    rule = scenario.mechanism.split("(", 1)[0].strip()
    own = gas.on_chain(rule)
    if told.settle == "rule" and own is None:
        raise BadInput("chain.settle", "own, single or joined: this rule is no contract", f"rule, with {rule}")
    ways = {"own": own or gas.SINGLE, "rule": own or "", "single": gas.SINGLE, "joined": gas.JOINED}
    tokens = profile.price(gas.settled(ways[told.settle], profile))
    return ceil(tokens * usd / float(scenario.token.usd) * 10**scenario.token.decimals)


def _ask(
    scenario: Scenario,
    k: int,
    model: Hardware | None,
    rate: float,
    size: int,
    trace: Trace | None,
    settled: int,
    price_units: int,
) -> int:
    """Price one honest prover of class `k` asks, gwei: what it states, or its cost of the median job, gas included.

    For a rule with PRICE_PER_UNIT it is the price of so many units of size, not of a proof.
    """
    group = scenario.provers[k]
    if group.ask != "cost":
        base = float(scenario.gwei(group.ask, f"provers[{k}].ask"))
    else:
        time = proving_ms(model, size) if model is not None else median_time(trace, group.hardware)
        base = (rate * time / MS_PER_HOUR + settled) * (price_units / size if price_units else 1)
    return max(1, int(base))


def median_time(trace: Trace | None, setup: str) -> int:
    """Median of the measured times of `setup`, ms; 1 where it never finished."""
    if trace is None:
        return 1
    times = trace.time_ms[:, trace.column(setup)]
    done = times[times > 0]
    return int(np.median(done)) if len(done) else 1
