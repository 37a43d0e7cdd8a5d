"""Provers that delegate to a rival: it is drawn more often, misses more, and who delegated loses with it."""

from pathlib import Path
from typing import Any

import pytest

from proofyard import scenario
from proofyard.core.errors import BadInput
from proofyard.engine.result import Run
from proofyard.engine.simulate import simulate

FOLDER = Path(__file__).parents[2] / "scenarios"


def market(mechanism: str | None = None, **keys: str) -> Run:
    tree: dict[str, Any] = scenario.tree_of(FOLDER / "three-operators.toml", {"horizon": "1d"}, mechanism)
    del tree["variants"]
    tree["delegators"]["policy"] = "stay"
    tree["provers"][2] |= {"cash": "9_000_000"} | keys
    return simulate(scenario.check(tree))


def test_a_rival_backed_past_its_capacity_misses_more_and_costs_who_backed_it() -> None:
    alone, backed = market(), market(backs="A", backing="9_000_000")
    assert backed.verdicts["DELEGATE", "OK"] == alone.verdicts["DELEGATE", "OK"] + 1
    assert backed.provers.missed[0] > 1.3 * alone.provers.missed[0]
    assert backed.provers.gain_gwei[2] < alone.provers.gain_gwei[2]
    assert backed.provers.gain_gwei[2] > -(10**15)  # what it delegated is its own still
    assert backed.backing_gain_gwei < 0 == alone.backing_gain_gwei
    assert backed.money_difference_gwei == 0


def test_what_is_held_in_a_pool_counts_once() -> None:
    done = market(backs="A", backing="1_000")
    others = -(done.burnt_gwei + done.requesters_gain_gwei + int(done.provers.gain_gwei.sum()))
    pools = int((done.provers.pool_gain_gwei - done.provers.pool_slashed_gwei).sum()) - done.backing_gain_gwei
    assert others == pytest.approx(pools, rel=1e-3)


@pytest.mark.parametrize(
    ("mechanism", "backs", "sentence"),
    [
        (None, "D", r"provers\[2\].backs: wanted the name of a class \(A, B, C\), got D"),
        ("race", "A", "wanted a rule under which anybody may delegate, got race"),
    ],
)
def test_a_mistake_is_one_sentence(mechanism: str | None, backs: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        market(mechanism, backs=backs, backing="1")
