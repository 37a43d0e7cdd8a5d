"""The sum tree finds whom a scan finds, whatever the weights and however they change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.core.sumtree import add_weight, find, find_by_scan, new_tree, set_weight, total_weight, weight_of


@pytest.mark.parametrize("actors", [1, 15, 16, 17, 255, 256, 257, 4097])
def test_finds_what_a_scan_finds(actors: int) -> None:
    rng = np.random.default_rng(actors)
    weights = rng.integers(0, 10**12, actors)
    weights[rng.random(actors) < 0.3] = 0
    weights[-1] += 1  # somebody has a ticket
    tree = new_tree(actors)
    for actor, weight in enumerate(weights.tolist()):
        set_weight(tree, actor, weight)
    assert total_weight(tree) == weights.sum()
    tickets = [0, int(weights.sum()) - 1, *rng.integers(0, weights.sum(), 200).tolist()]
    assert [find(tree, ticket) for ticket in tickets] == [find_by_scan(weights, ticket) for ticket in tickets]


@given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 10**15)), min_size=1, max_size=60))
def test_follows_every_change(changes: list[tuple[int, int]]) -> None:
    weights, tree = np.zeros(40, np.int64), new_tree(40)
    for actor, weight in changes:
        add_weight(tree, actor, weight - int(weights[actor]))
        weights[actor] = weight
    assert [weight_of(tree, actor) for actor in range(40)] == weights.tolist()
    assert total_weight(tree) == weights.sum()


def test_who_has_no_weight_is_never_found() -> None:
    tree = new_tree(20)
    set_weight(tree, 7, 5)
    assert {find(tree, ticket) for ticket in range(5)} == {7}
