"""A state is built, audited, copied and grown from its annotations, and nothing else passes for one."""

from typing import Annotated, NamedTuple

import numpy as np
import pytest

from proofyard.core import BadInput, Book, ByActor, GweiByActor, GweiByJob, Ints, Tree, set_weight, weight_of
from proofyard.core.shape import arrays, copy, fields, grown, named, total_gwei, zeros


class Pool(NamedTuple):
    book: Book
    stake: GweiByActor
    bond: GweiByJob
    seat: ByActor
    weight: Annotated[Ints, 4]
    tree: Tree


class Rounded(NamedTuple):
    book: Book
    average: float


class Unsized(NamedTuple):
    book: Book
    stake: Ints


def test_sizes_follow_the_annotations() -> None:
    state = zeros(Pool, 5, 9)
    sizes = {field.path: values.size for field, values in named(state)}
    assert sizes["book.cash"] == sizes["stake"] == sizes["seat"] == 5
    assert sizes["book.escrow"] == sizes["bond"] == 9
    assert sizes["book.burnt"] == 1
    assert sizes["weight"] == 4
    assert all(values.dtype == np.int64 for values in arrays(state))


def test_only_money_is_counted() -> None:
    state = zeros(Pool, 2, 2)
    state.book.cash[:], state.bond[1], state.seat[:], state.book.paid[0] = 10, 5, 1_000, 77
    assert total_gwei(state) == 25


def test_a_copy_shares_nothing() -> None:
    state = zeros(Pool, 2, 2)
    other = copy(state)
    other.book.cash[0], other.stake[1] = 1, 2
    assert total_gwei(state) == 0
    assert isinstance(other, Pool)


def test_growing_keeps_what_was_there_but_not_for_trees() -> None:
    state = zeros(Pool, 2, 2)
    state.bond[1] = 5
    set_weight(state.tree, 1, 3)
    larger = grown(state, 2, 10)
    assert larger.bond.tolist() == [0, 5] + [0] * 8
    assert weight_of(larger.tree, 1) == 3
    with pytest.raises(BadInput, match="as many actors as at genesis"):
        grown(state, 100, 10)


@pytest.mark.parametrize(("state", "field"), [(Rounded, "State.average"), (Unsized, "State.stake")])
def test_a_field_that_is_no_sized_integer_array_is_refused_by_name(state: type, field: str) -> None:
    with pytest.raises(BadInput, match=f"^{field}: wanted an int64 array with a size"):
        fields(state)
