"""One prover learns: a Gymnasium environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from proofyard.engine.result import Run
from proofyard.env import actions
from proofyard.env.actions import Floats
from proofyard.env.play import Play, numbers_of, scenario_of
from proofyard.scenario import Scenario


class ProverEnv(gymnasium.Env[Floats, Any]):
    """Play one prover of a scenario; all others do what the scenario says.

    Parameters
    ----------
    scenario : a file, or a scenario read before
    prover : its name, "" the first one
    changes : of the scenario's keys, as for `--set`
    mechanism : another rule

    Notes
    -----
    A step lasts an epoch (`market.epoch`, else 1/240 of the horizon). What may be done and what is seen stands in
    `proofyard.env.actions`.
    The reward is the change of the prover's payoff in gwei: all it owns, less what its work cost; rewards add up to its
    `gain_gwei - cost_gwei` in the `result`. `reset(seed=s)` plays seed s; without a seed the next market is drawn.

    Raises
    ------
    BadInput : no such scenario, rule or prover; a step before `reset` or after the end.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  # an instance variable of the base class

    def __init__(
        self, scenario: Scenario | str | Path, prover: str = "", *, changes: Mapping[str, str] | None = None,
        mechanism: str | None = None,
    ) -> None:  # fmt: skip
        chosen = scenario_of(scenario, changes, mechanism)
        self.prover = next(iter(numbers_of(chosen, [prover] if prover else None).values()))
        self.play = Play(chosen, [self.prover])
        self.action_space = spaces.Box(-1.0, 1.0, (len(actions.ACTIONS),), np.float32)
        self.observation_space = spaces.Box(actions.LOW, actions.HIGH, dtype=np.float64)

    @property
    def result(self) -> Run | None:
        """The run, as `simulate` returns it, when the market is over."""
        return self.play.result

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """Begin the market of a seed, before anybody enters. Raises BadInput."""
        super().reset(seed=seed, options=options)
        self.play.begin(int(self.np_random.integers(2**31)) if seed is None else seed)
        return self.play.observe(self.prover), self.play.told(self.prover)

    def step(self, action: Any) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """Decide for an epoch. Raises BadInput, Fault."""
        reward = float(self.play.step({self.prover: action})[self.prover])
        over = self.play.result is not None
        return self.play.observe(self.prover), reward, over, False, self.play.told(self.prover)
