"""The stage of one run: rule, requests, provers and the engine's arrays, and what everybody owns on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from proofyard import mechanisms
from proofyard.core import shape
from proofyard.core.book import MAX_GWEI, Ints
from proofyard.core.errors import BadInput
from proofyard.core.event import Phase
from proofyard.core.rule import Rule, parse_call, with_params
from proofyard.engine import backing, layout
from proofyard.engine.bind import Bound, bind
from proofyard.engine.cast import Cast, cast_of
from proofyard.engine.events import EVENT_WORDS
from proofyard.engine.furnish import furnish
from proofyard.engine.requests import Requests, requests_of, trace_of
from proofyard.policies import Policy
from proofyard.scenario import DelegatorPolicy, Delegators, Scenario, delegator_policy
from proofyard.worlds.hardware import proving_ms
from proofyard.worlds.schedules import online_ms
from proofyard.worlds.traces import Trace

DELEGATED = ("pool", "leaving")  # how arrays are called that hold, under their operator, the money of delegators


def rule_of(scenario: Scenario) -> Rule:
    """Resolve the scenario's rule; its `window_ms` is the workload's deadline unless the text sets it."""
    rule = mechanisms.rule(scenario.mechanism)
    _, values = parse_call(scenario.mechanism, "mechanism")
    provers, places = sum(group.count for group in scenario.provers), getattr(rule.module, "ACTIVE_SET", "")
    if values.get(places, 0) > provers:  # by default a set may be larger: places stay empty
        raise BadInput(f"mechanism.{places}", f"at most the {provers} provers of the scenario", values[places])
    deadline = scenario.workload.deadline
    if deadline is not None and "window_ms" in rule.params._fields and "window_ms" not in values:
        return with_params(rule.name, rule.module, {**values, "window_ms": deadline})
    return rule


@dataclass(frozen=True)
class Stage:
    """Everything one run needs: the rule bound to its state, and the engine's world around it."""

    scenario: Scenario
    rule: Rule
    seed: int
    cast: Cast
    requests: Requests
    delegators: int  # actors count + 1 onwards delegate, or serve those who do
    policy: DelegatorPolicy
    state: Any
    bound: Bound
    world: layout.World
    genesis_gwei: int
    worth_at_start: Ints  # what each actor owned, gwei

    @cached_property
    def first_delegator(self) -> int:
        """The first actor that delegates."""
        return self.cast.count + 1

    @property
    def desk(self) -> int:
        """The actor that buys claims of those who leave, under `liquid` only."""
        return self.first_delegator + (self.scenario.delegators or Delegators()).count

    @property
    def insurer(self) -> int:
        """The actor that makes slashes good, under `insurance` only."""
        told = self.scenario.delegators or Delegators()
        return self.desk + (told.liquid is not None)

    def income(self) -> Ints:
        """Sum up what each prover has been paid for proofs so far, gwei; a rule that pays several keeps `earned`."""
        earned = self.optional("earned")
        if earned is not None:
            return earned[: self.cast.count].copy()
        book, rows = self.state.book, self.world.provers
        income: Ints = rows["advance"].copy()
        mine = (book.phase >= Phase.SETTLED) & (book.prover >= 0) & (book.prover < self.cast.count)
        np.add.at(income, book.prover[mine], (book.paid - self.world.jobs["credited"])[mine])
        return income

    def optional(self, name: str) -> Ints | None:
        """Return an array the rule may have (`stake`, `seat`, `pool`, …), if it has it."""
        return getattr(self.state, name, None)


def stage(
    scenario: Scenario, rule: Rule, seed: int, *, salt: int = 0, trace_room: int = 0, arrive: Ints | None = None,
    played: Mapping[int, Policy] | None = None, asked: int | None = None,
) -> Stage:  # fmt: skip
    """Build the world of one seed and fill in everybody's money. Raises BadInput.

    `arrive`: requests as told; `played`: provers with another policy than the scenario says; `asked`: the seed whose
    requests come, if it is another.
    """
    measured = trace_of(scenario)
    cast = cast_of(scenario, measured, price_units=rule.price_units, played=played)
    delegators = delegating(scenario)
    others = cast.count + 1 + delegators  # the first actor of [[requesters]]
    requests = requests_of(scenario, seed if asked is None else asked, cast.count, measured, arrive, others)
    jobs = len(requests.arrive)
    state = rule.genesis(others + len(scenario.requesters), jobs)
    _fund(scenario, cast, state, requests, delegators)
    genesis = shape.total_gwei(state)
    if genesis > MAX_GWEI or genesis < 0:
        raise BadInput("scenario", f"less than {MAX_GWEI // 10**scenario.token.decimals:_} tokens in all", "more")
    _check_deadline(scenario, cast, requests, measured)
    bound = bind(rule, state)
    world = furnish(scenario, cast, requests, state, seed, measured)
    registers = world.registers[0]
    registers["salt"] = salt
    registers["gas"] = cast.gas
    registers["tracing"] = trace_room > 0
    registers["every_proof"] = getattr(rule.module, "EVERY_PROOF", False)
    registers["parts"] = getattr(rule.params, getattr(rule.module, "PARTS", ""), 0)
    registers["price_units"] = rule.price_units
    registers["price_step"] = getattr(rule.params, getattr(rule.module, "PRICE_STEP", ""), 1)
    world = world._replace(trace=np.zeros(EVENT_WORDS * trace_room, np.int64))
    text = scenario.delegators.policy if scenario.delegators else "stay"
    return Stage(
        scenario, rule, seed, cast, requests, delegators, delegator_policy(text), state, bound, world, genesis,
        worth(state, delegators),
    )  # fmt: skip


def worth(state: tuple[Any, ...], delegators: int) -> Ints:
    """Sum up what each actor owns, gwei: its cash and all the rule keeps in its name, but not what others delegate."""
    held = [(field.path, array) for field, array in shape.named(state) if field.money and field.size == "actor"]
    return np.sum([array for path, array in held if not (delegators and path.startswith(DELEGATED))], axis=0)


def gains(st: Stage) -> Ints:
    """Compare what each actor owns now with what it owned at the start, gwei."""
    return worth(st.state, st.delegators) + backing.holdings(st) - st.worth_at_start


def _check_deadline(scenario: Scenario, cast: Cast, requests: Requests, trace: Trace | None) -> None:
    """Refuse a deadline that nobody could ever meet. Raises BadInput."""
    deadline = scenario.workload.deadline
    if deadline is None:
        return
    if trace is not None:
        fastest = int(trace.time_ms[trace.time_ms > 0].min(initial=scenario.horizon))
    else:
        smallest = int(requests.size.min())
        fastest = min(proving_ms(model, smallest) for model in cast.hardware if model is not None)
    if deadline < fastest:
        wanted = f"at least {fastest} ms, the least any prover needs"
        raise BadInput("workload.deadline", wanted, f"{deadline} ms")


def _fund(scenario: Scenario, cast: Cast, state: Any, requests: Requests, delegators: int) -> None:
    """Give everybody the cash they start with."""
    cash, others = state.book.cash, cast.count + 1 + delegators
    cash[: cast.count] = cast.stake + cast.cash
    fee = scenario.gwei(scenario.workload.max_fee, "workload.max_fee")
    jobs = len(requests.arrive) - int((requests.requester >= others).sum())  # of the rollup
    if fee * jobs > MAX_GWEI:
        raise BadInput(
            "workload.max_fee", "fees that fit the money supply, over all requests", scenario.workload.max_fee
        )
    cash[cast.count] = fee * jobs
    if scenario.workload.requester == "provers":
        cash[: cast.count] += fee * jobs
    if delegators:
        cash[cast.count + 1 :] = 0
        told = scenario.delegators or Delegators()
        serving = {"liquid": told.liquid, "insurance": told.insurance}
        cash[cast.count + 1 : others] = [
            *(gwei for _, gwei in delegations(cast, told.count)),
            *(scenario.gwei(each.cash, f"delegators.{name}.cash") for name, each in serving.items() if each),
        ]
    for k, table in enumerate(scenario.requesters):
        mine = int((requests.requester == others + k).sum()) * float(table.funded)
        cash[others + k] = min(MAX_GWEI, int(scenario.gwei(table.max_fee, f"requesters[{k}].max_fee") * mine))


def delegating(scenario: Scenario) -> int:
    """Count the actors that delegate, and the desk and the fund that serve them."""
    told = scenario.delegators
    return 0 if told is None else told.count + (told.liquid is not None) + (told.insurance is not None)


def delegations(cast: Cast, delegators: int) -> list[tuple[int, int]]:
    """Who delegates to whom at the start: (prover, gwei) per delegator, each operator's share cut into equal parts."""
    total = int(cast.delegated.sum())
    if total == 0:
        return [(-1, 0)] * delegators
    bounds = np.round(np.cumsum(cast.delegated) / total * delegators).astype(np.int64)
    found: list[tuple[int, int]] = []
    first = 0
    for prover, last in enumerate(bounds.tolist()):
        if cast.delegated[prover] and last == first:
            raise BadInput("delegators.count", "at least one delegator per operator that has any", delegators)
        found += [(prover, int(cast.delegated[prover]) // (last - first))] * (last - first)
        first = last
    return found


def online_of(stage_: Stage, until: int) -> Ints:
    """Time each prover was on line up to `until`, ms (leaving the market is not counted here)."""
    rows, flips = stage_.world.provers, stage_.world.toggles
    found = np.full(len(rows), until)
    for prover in np.flatnonzero(rows["last_toggle"] > rows["first_toggle"]).tolist():
        row = rows[prover]
        times = flips[row["first_toggle"] : row["last_toggle"]]
        found[prover] = online_ms(bool(row["online_at_start"]), times[times < until], until)
    return found


def addresses(stage_: Stage) -> Ints:
    """Words the compiled engine reads the world from; the stage must outlive their use."""
    return np.array(layout.words_of(stage_.world), np.int64)
