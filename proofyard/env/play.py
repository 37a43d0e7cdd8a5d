"""A market that is played: from epoch to epoch, with decisions from outside for some of its provers.

It is the engine's own run of the scenario under its rule; all others do what the scenario says. The first step is the
entry into the market, each other one begins at an epoch (`market.epoch`); the last ends when every job is final.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from proofyard import scenario as scenarios
from proofyard.core.book import Ints
from proofyard.core.errors import BadInput
from proofyard.engine.cast import cast_of
from proofyard.engine.measure import GWEI_DECIMALS
from proofyard.engine.requests import trace_of
from proofyard.engine.result import Run
from proofyard.engine.simulate import Simulation
from proofyard.engine.world import gains, rule_of
from proofyard.env import actions, played
from proofyard.env.actions import Floats
from proofyard.policies import Policy
from proofyard.policies.view import Moment
from proofyard.scenario import Scenario
from proofyard.worlds.text import unknown

PLAYED = Policy("played", played, played.Params())


def scenario_of(
    scenario: Scenario | str | Path, changes: Mapping[str, str] | None = None, mechanism: str | None = None
) -> Scenario:
    """Take a scenario as it is, or read its file with `--set` changes and another rule. Raises BadInput."""
    if isinstance(scenario, Scenario):
        if changes or mechanism is not None:
            raise BadInput("scenario", "a file, where changes or a mechanism are given", "a scenario read before")
        return scenario
    return scenarios.read(Path(scenario), dict(changes or {}), mechanism)


def numbers_of(scenario: Scenario, names: Sequence[str] | None) -> dict[str, int]:
    """Find provers by name, all of them for None. Raises BadInput."""
    known = cast_of(scenario, trace_of(scenario)).names
    wanted = known if names is None else names
    for name in wanted:
        if name not in known:
            raise unknown("prover", name, known, kind="prover")
        if known.count(name) > 1:
            raise BadInput("prover", "a name that one prover has", f"{name}, which {known.count(name)} have")
    return {name: known.index(name) for name in wanted}


class Play:
    """One market after the other, in which some provers are played."""

    def __init__(self, scenario: Scenario, provers: Sequence[int]) -> None:
        self.scenario, self.provers = scenario, tuple(provers)
        self.rule = rule_of(scenario)
        self.unit = 10 ** (GWEI_DECIMALS - scenario.token.decimals)  # gwei in the token's smallest unit
        self.simulation: Simulation | None = None
        self.result: Run | None = None  # when the market is over

    def begin(self, seed: int) -> None:
        """Set the market up, before anybody enters. Raises BadInput."""
        self.simulation = Simulation(self.scenario, self.rule, seed, played=dict.fromkeys(self.provers, PLAYED))
        self.result, self.entered = None, False
        count = self.simulation.stage.cast.count
        self.payoff, self.profit, self.illegal = (np.zeros(count, np.int64) for _ in range(3))

    def step(self, decided: Mapping[int, Any]) -> Ints:
        """Go on to the next epoch, or to the end; by how much each prover's payoff changed, gwei. Raises Fault."""
        simulation = self.running()
        cast, world = simulation.stage.cast, simulation.stage.world
        for prover, action in decided.items():
            if actions.is_legal(action):
                actions.write(action, cast.memory[prover], int(world.registers[0]["epoch"]))
            else:
                self.illegal[prover] += 1
        if self.entered:
            simulation.decide()
        else:
            simulation.enter()
        self.entered = True
        if not simulation.advance():
            self.result = simulation.finish()
        before, self.payoff = self.payoff, self.payoffs(simulation)
        self.profit = self.payoff - before
        return self.profit

    def running(self) -> Simulation:
        """Return the market that is being played. Raises BadInput when there is none."""
        if self.simulation is None or self.result is not None:
            raise BadInput("step", "a market under way: call reset first", "none" if self.result is None else "its end")
        return self.simulation

    def payoffs(self, simulation: Simulation) -> Ints:
        """Say how much better off each prover is than at the start: all its money, less what its work cost, gwei."""
        owned = gains(simulation.stage)[: simulation.stage.cast.count]
        return (owned - simulation.people.spent(simulation.now)) * self.unit

    def observe(self, prover: int) -> Floats:
        """Show what a prover may see. Raises BadInput before the first reset."""
        if self.simulation is None:
            raise BadInput("observe", "a market under way: call reset first", "none")
        people, now = self.simulation.people, self.simulation.now
        seen = people.minds.view(Moment.PRICE, now, prover, int(self.profit[prover]))
        own = {
            "time": min(1.0, now / self.scenario.horizon),
            "present": float(people.left_at[prover] < 0),
            "declared": float(people.minds.declared[prover]),
        }
        values = np.array([own[name] if name in own else getattr(seen, name) for name in actions.FIELDS], np.float64)
        money = [name in {"cash", "stake", "ask", "price", "rival"} for name in actions.FIELDS]
        return np.clip(np.where(money, values * self.unit, values), actions.LOW, actions.HIGH)

    def told(self, prover: int) -> dict[str, int]:
        """Say what an agent may like to know and no prover needs: its payoff so far, gwei, and what was refused."""
        refused = 0 if self.simulation is None else int(self.simulation.people.minds.refused[prover])
        payoff = int(self.payoff[prover])
        return {"payoff_gwei": payoff, "refused": refused, "illegal": int(self.illegal[prover])}
