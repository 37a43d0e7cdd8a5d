"""Many provers learn: a PettingZoo environment in which all decide at once, and one in which they take turns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from pettingzoo import AECEnv, ParallelEnv  # pyright: ignore[reportMissingTypeStubs]
from pettingzoo.utils.conversions import parallel_to_aec  # pyright: ignore[reportMissingTypeStubs]

from proofyard.engine.result import Run
from proofyard.env import actions
from proofyard.env.actions import Floats
from proofyard.env.play import Play, numbers_of, scenario_of
from proofyard.scenario import Scenario

Told = dict[str, dict[str, int]]


class MarketEnv(ParallelEnv[str, Floats, Any]):
    """Play several provers of a scenario, all by default; the others do what the scenario says.

    Parameters
    ----------
    scenario : a file, or a scenario read before
    provers : names of those that are played, None all
    changes : of the scenario's keys, as for `--set`
    mechanism : another rule

    Notes
    -----
    As `ProverEnv`, for each agent. Agents are called `prover_0`, `prover_1`, … by their place in the scenario, as
    PettingZoo wants it; `names` says what the scenario calls them.

    Raises
    ------
    BadInput : no such scenario, rule or prover; a step before `reset` or after the end.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  # an instance variable of the base class
        "name": "proofyard_market_v0", "render_modes": [], "is_parallelizable": True,
    }  # fmt: skip

    def __init__(
        self, scenario: Scenario | str | Path, provers: Sequence[str] | None = None, *,
        changes: Mapping[str, str] | None = None, mechanism: str | None = None,
    ) -> None:  # fmt: skip
        chosen = scenario_of(scenario, changes, mechanism)
        found = numbers_of(chosen, provers)
        self.numbers = {f"prover_{number}": number for number in found.values()}
        self.names = dict(zip(self.numbers, found, strict=True))
        self.play = Play(chosen, list(self.numbers.values()))
        self.possible_agents = list(self.numbers)
        self.agents: list[str] = []
        self.render_mode = None
        self.action_spaces = {
            name: spaces.Box(-1.0, 1.0, (len(actions.ACTIONS),), np.float32) for name in self.possible_agents
        }
        self.observation_spaces = {
            name: spaces.Box(actions.LOW, actions.HIGH, dtype=np.float64) for name in self.possible_agents
        }
        self.dice, _ = seeding.np_random()

    @property
    def result(self) -> Run | None:
        """The run, as `simulate` returns it, when the market is over."""
        return self.play.result

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Return the space of an agent's actions, always the same object."""
        return self.action_spaces[agent]

    def observation_space(self, agent: str) -> spaces.Space[Floats]:
        """Return the space of what an agent sees, always the same object."""
        return self.observation_spaces[agent]

    def reset(
        self,
        seed: int | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002  # PettingZoo's signature
    ) -> tuple[dict[str, Floats], Told]:
        """Begin the market of a seed, or without one the next that the dice of the last seed draw. Raises BadInput."""
        if seed is not None:
            self.dice, _ = seeding.np_random(seed)
        self.play.begin(int(self.dice.integers(2**31)) if seed is None else seed)
        self.agents = list(self.possible_agents)
        return self._seen(), self._told()

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Floats], dict[str, float], dict[str, bool], dict[str, bool], Told]:
        """Decide for an epoch; who says nothing goes on as before. Raises BadInput, Fault."""
        change = self.play.step({self.numbers[name]: action for name, action in actions.items()})
        over = self.play.result is not None
        rewards = {name: float(change[self.numbers[name]]) for name in self.agents}
        ended, cut = dict.fromkeys(self.agents, over), dict.fromkeys(self.agents, False)
        seen, told = self._seen(), self._told()
        self.agents = [] if over else self.agents
        return seen, rewards, ended, cut, told

    def _seen(self) -> dict[str, Floats]:
        """Show each agent what it sees."""
        return {name: self.play.observe(self.numbers[name]) for name in self.agents}

    def _told(self) -> Told:
        """Tell each agent what else there is."""
        return {name: self.play.told(self.numbers[name]) for name in self.agents}


def turns(
    scenario: Scenario | str | Path, provers: Sequence[str] | None = None, *,
    changes: Mapping[str, str] | None = None, mechanism: str | None = None,
) -> AECEnv[str, Floats, Any]:  # fmt: skip
    """Make the same market for agents that take turns (AEC): an epoch passes when all have decided. Raises BadInput."""
    return parallel_to_aec(MarketEnv(scenario, provers, changes=changes, mechanism=mechanism))
