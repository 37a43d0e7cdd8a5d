"""Where strategies settle, and which rule parameters hold against those who answer best."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from proofyard import scenario as scenarios
from proofyard.core.errors import BadInput
from proofyard.lab.attack import catalogue, equilibrium, fix, tell_more
from proofyard.lab.attack.equilibrium import Settled
from proofyard.lab.attack.fix import Point
from proofyard.lab.attack.search import Budget, Lab
from proofyard.lab.runner import Runner

SCENARIOS = Path(__file__).parents[3] / "scenarios"
TINY = Budget(trials=4, seeds=2, fresh=4)


def test_a_prisoners_dilemma_settles_at_defection() -> None:
    """Rows and columns: cooperate, defect."""
    assert equilibrium.symmetric(np.array([[3.0, 0.0], [5.0, 1.0]])).tolist() == [0.0, 1.0]


def test_rock_paper_scissors_settles_at_a_third_each() -> None:
    game = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    assert equilibrium.symmetric(game) == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_hawks_and_doves_settle_at_value_over_cost() -> None:
    """V = 2, C = 4: hawks V / C = 1/2 (Maynard Smith, Price 1973)."""
    assert equilibrium.symmetric(np.array([[-1.0, 2.0], [0.0, 1.0]])) == pytest.approx([0.5, 0.5])


def test_truth_is_where_a_second_price_auction_settles() -> None:
    tree = scenarios.tree_of(SCENARIOS / "second-price-pair.toml", {"horizon": "3h"})
    with Runner(workers=1) as runner:
        found = equilibrium.settle(Lab(runner), tree, 0, TINY, ("shade(-0.2)", "shade(0.5)"))
    assert found.strategies == ("honest",)
    assert found.stable
    assert found.gain <= 1_000  # gwei


def test_overstating_is_where_the_pool_settles() -> None:
    """The least capacity the pool takes is 32: honest provers of one machine have no place in it."""
    tree = scenarios.tree_of(SCENARIOS / "taiko-pool-32.toml", {"horizon": "3h"}, "staked_pool")
    with Runner(workers=1) as runner:
        found = equilibrium.settle(Lab(runner), tree, 0, TINY, ("overstate(32)", "withhold(1)"))
    assert found.mixture[found.strategies.index("overstate(32)")] == pytest.approx(1)


TREE = {"mechanism": "race", "seed": 1, "provers": [{"name": "pair", "count": 2}]}


def played(
    monkeypatch: pytest.MonkeyPatch, payoff: Callable[[str, str], float], names: list[str], noisy: str = ""
) -> Settled:
    """Settle a made-up game; on the seeds that judge it, `noisy` earns now a thousand more, now a thousand less."""

    def payoffs(game: equilibrium.Game, profiles: list[tuple[str, str]]) -> list[np.ndarray]:
        judging = game.seeds[0] > 10_000
        off = np.where(np.arange(len(game.seeds)) % 2, 1e12, -1e12) * judging
        return [payoff(mine, other) * 1e9 + off * (mine == noisy) for mine, other in profiles]

    monkeypatch.setattr(equilibrium.Game, "payoffs", payoffs)
    with Runner(workers=1) as runner:
        return equilibrium.settle(Lab(runner), TREE, 0, TINY, names)


def test_a_game_that_goes_round_settles_at_a_mixture_nobody_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rock (the honest), paper, scissors, and a well that loses to paper only half: a third each, by every response."""
    beats = {("paper", "honest"), ("scissors", "paper"), ("honest", "scissors")}

    def payoff(mine: str, other: str) -> float:
        return ((mine, other) in beats) - ((other, mine) in beats) - 0.5 * (mine == "well") + 0.5 * (other == "well")

    found = played(monkeypatch, payoff, ["paper", "scissors", "well"])
    assert set(found.strategies) == {"honest", "paper", "scissors"}
    assert found.mixture == pytest.approx([1 / 3] * 3)
    assert found.stable
    assert found.best == "well"
    names = ("honest", "paper", "scissors", "well")
    brute = max(sum(payoff(mine, other) / 3 for other in names[:3]) for mine in names)  # all pure responses
    assert brute == pytest.approx(0)
    assert found.gain == pytest.approx(-0.5e9)


def test_a_ladder_longer_than_the_search_is_not_called_stable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of six beats the one before; after four have joined the next still gains, whatever a few seeds say."""
    ladder = ["honest", *"abcdef"]
    found = played(monkeypatch, lambda mine, other: float(ladder.index(mine) > ladder.index(other)), ladder[1:], "e")
    assert found.rounds == equilibrium.ROUNDS
    assert found.low < 0 < found.high
    assert not found.stable


def test_a_game_needs_two() -> None:
    tree = scenarios.tree_of(SCENARIOS / "proof-contest.toml")
    with Runner(workers=1) as runner, pytest.raises(BadInput, match="--equilibrium: wanted a class of two provers"):
        tell_more.equilibrium(runner, tree, None, TINY)


def test_a_higher_slash_holds_in_the_alpha_4_pool() -> None:
    tree = scenarios.tree_of(SCENARIOS / "taiko-pool-32.toml", {"horizon": "3h"}, "staked_pool")
    attack = catalogue.chosen(["overstate"])[0]
    with Runner(workers=1) as runner:
        points = fix.front(runner, tree, fix.read(["slash_multiplier=4,40"]), [(attack, [0])], TINY)
    gains = {point.mechanism: point.objectives["gain_gwei"] for point in points}
    assert gains["staked_pool"] > 0
    assert gains["staked_pool(slash_multiplier=40)"] == 0
    assert any(point.default for point in points)


def test_the_front_holds_what_nothing_beats() -> None:
    def point(gain: float, locked: float) -> Point:
        rest = dict.fromkeys(fix.OBJECTIVES, 0.0)
        return Point(f"{gain} {locked}", {}, rest | {"gain_gwei": gain, "locked_gwei": locked}, "none")

    marked = {p.mechanism: p.front for p in fix._marked([point(0, 2), point(1, 1), point(1, 3), point(2, 0)])}
    assert marked == {"0 2": True, "1 1": True, "1 3": False, "2 0": True}


def test_what_looks_safe_is_attacked_harder_and_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three settings the safest is only so against few; then the next comes to the front, and is attacked too."""
    gains = {"a": (0.0, 9e9), "b": (1e9, 1e9), "c": (5e9, 6e9)}
    tried: list[tuple[str, int]] = []

    def strongest(_runner: object, tree: dict[str, str], _attacks: object, budget: Budget) -> tuple[float, str]:
        tried.append((tree["mechanism"], budget.trials))
        return gains[tree["mechanism"]][1], "the hard one"

    monkeypatch.setattr(fix, "_strongest", strongest)
    rest = dict.fromkeys(fix.OBJECTIVES, 1.0)
    points = [
        Point(name, {}, rest | {"gain_gwei": soft}, "none", default=name == "c") for name, (soft, _) in gains.items()
    ]
    with Runner(workers=1) as runner:
        held = fix._held(runner, {}, [], TINY, points)
    assert {p.mechanism: p.objectives["gain_gwei"] for p in held} == {"a": 9e9, "b": 1e9, "c": 6e9}
    assert [p.mechanism for p in held if p.front] == ["b"]
    assert sorted(tried) == [(name, fix.MANY) for name in "abc"]
    assert {p.attack for p in held} == {"the hard one", "none"}


def test_parameters_of_rules_are_whole() -> None:
    with pytest.raises(BadInput, match="--fix: wanted whole numbers"):
        fix.read(["slash_points=0.5..2.5"])
    with pytest.raises(BadInput, match="--fix slash_points: wanted a range from low to high that is not empty"):
        fix.read(["slash_points=9..3"])
