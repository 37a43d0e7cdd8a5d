"""Where choosing among attacks settles: the empirical game of a small set of strategies, grown by best responses.

Two provers of one class choose among honest and the attacks found to pay, each setting a strategy. Every profile is
simulated on common seeds, which makes a symmetric bimatrix game of mean payoffs; its equilibrium is computed by nashpy.
Then the search looks for a deviation that pays against it; if there is one it joins the set, until there is none. What
the last search still gained, with its interval, is the exploitability. Wellman, Methods for empirical game-theoretic
analysis (2006); Lanctot et al., A unified game-theoretic approach (2017).
"""

import copy
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofyard import scenario as scenarios
from proofyard.core.errors import BadInput
from proofyard.lab.attack.deviate import Tree, as_honest, fresh, take
from proofyard.lab.attack.search import Budget, Floats, Lab, column, interval

ROUNDS = 4  # strategies that may join
HONEST = "honest"
GRID = (
    "overstate(2)", "overstate(8)", "overstate(32)", "shade(-0.2)", "shade(0.1)", "shade(0.5)", "shade(2)",
    "undercut(0.01)", "withhold(0.1)", "withhold(1)", "hit_and_run", "last_moment", "capacity_aware",
)  # fmt: skip
SUPPORT = 1e-6  # weight below which a strategy is not played
GAIN = 1e-6  # of the largest payoff: a gain that counts


@dataclass(frozen=True)
class Settled:
    """Where it settled. Money in gwei, per run."""

    by: str
    strategies: tuple[str, ...]
    payoffs: Floats  # to the one who plays the row, against the column
    mixture: Floats  # weight of each strategy
    value: float  # payoff in the equilibrium
    best: str  # the best deviation outside it
    gain: float  # what that gains: the exploitability
    low: float
    high: float
    stable: bool  # no deviation gained while searching, and on fresh seeds the best certainly does not
    rounds: int


def worlds(tree: Tree, target: int, mine: str, other: str) -> Tree:
    """Write the world in which one prover of a class plays `mine` (it is the coalition) and another plays `other`."""
    made = fresh(tree)
    pair = take(made, target, 2)
    as_honest(pair)
    pair["count"] = 1
    second = copy.deepcopy(pair) | {"name": f"{pair['name']} 2", "policy": other}
    pair["policy"] = mine
    second.pop("coalition")
    made["provers"].insert(target + 1, second)
    return made


class Game:
    """The payoffs of profiles, simulated when they are asked for."""

    def __init__(self, lab: Lab, tree: Tree, target: int, seeds: Sequence[int]) -> None:
        self.lab, self.tree, self.target, self.seeds = lab, tree, target, list(seeds)

    def payoffs(self, profiles: Sequence[tuple[str, str]]) -> list[Floats]:
        """Payoff of the first in each profile, by seed."""
        made = [scenarios.check(worlds(self.tree, self.target, *profile)) for profile in profiles]
        return [column(rows, "payoff") for rows in self.lab.rows(made, self.seeds, "playing")]

    def matrix(self, strategies: Sequence[str]) -> Floats:
        """Mean payoff of each row strategy against each column."""
        found = self.payoffs([(mine, other) for mine in strategies for other in strategies])
        return np.array([float(values.mean()) for values in found]).reshape(len(strategies), -1)

    def against(self, strategy: str, mixture: Floats, strategies: Sequence[str]) -> Floats:
        """Payoff by seed of a strategy against a mixture."""
        played = [k for k in range(len(strategies)) if mixture[k] > SUPPORT]
        found = self.payoffs([(strategy, strategies[k]) for k in played])
        return sum((values * mixture[k] for k, values in zip(played, found, strict=True)), np.zeros(len(self.seeds)))


def symmetric(payoffs: Floats) -> Floats:
    """Compute a symmetric equilibrium of the game: a pure one if there is, else a mixture."""
    pure = [k for k in range(len(payoffs)) if payoffs[k, k] >= payoffs[:, k].max()]
    if pure:
        best = max(pure, key=lambda k: float(payoffs[k, k]))
        return np.eye(len(payoffs))[best]
    nash: Any = importlib.import_module("nashpy")
    for row, col in nash.Game(payoffs, payoffs.T).support_enumeration():
        if np.allclose(row, col, atol=1e-6):
            return np.asarray(row, np.float64)
    raise BadInput(
        "--equilibrium", "a game with a symmetric equilibrium of full support", "a degenerate one; more --seeds"
    )


def settle(lab: Lab, tree: Tree, target: int, budget: Budget, candidates: Sequence[str] = GRID) -> Settled:
    """Grow the set of strategies from honesty until no candidate pays, or `ROUNDS` have joined. Raises BadInput."""
    if tree["provers"][target].get("count", 1) < 2:  # noqa: PLR2004 - a game of two
        raise BadInput("--as", "a class of two provers or more", tree["provers"][target].get("name", target))
    first = int(tree.get("seed", 1))
    game = Game(lab, tree, target, range(first, first + budget.seeds))
    strategies, rounds = [HONEST], 0
    while True:
        payoffs = game.matrix(strategies)
        mixture = symmetric(payoffs)
        value = float(mixture @ payoffs @ mixture)
        gains = {
            name: float(game.against(name, mixture, strategies).mean()) - value
            for name in candidates
            if name not in strategies
        }
        best = max(gains, key=gains.__getitem__)
        enough = GAIN * max(1.0, float(np.abs(payoffs).max()))
        if gains[best] <= enough or rounds == ROUNDS:
            break
        strategies.append(best)
        rounds += 1
    judged = Game(lab, tree, target, range(first + 10_007, first + 10_007 + budget.fresh))
    base = sum(
        (judged.against(s, mixture, strategies) * w for s, w in zip(strategies, mixture, strict=True) if w > SUPPORT),
        np.zeros(budget.fresh),
    )
    found = judged.against(best, mixture, strategies) - base
    low, high = interval(found, len(gains))
    return Settled(
        tree["provers"][target].get("name", f"class {target + 1}"), tuple(strategies), payoffs, mixture, value, best,
        float(found.mean()), low, high, max(gains[best], low) <= enough, rounds,
    )  # fmt: skip
