"""Lists that share places: the latest entry first, every place used once, and none lost."""

import numpy as np

from proofyard.core import Ints, add_entry, chain_places, drop_entry

PLACES = 4


def entries(following: Ints, first: Ints, owner: int) -> list[int]:
    """List the entries of `owner`, the latest first."""
    found: list[int] = []
    entry = int(first[owner])
    while entry > 0:
        found.append(entry)
        entry = int(following[entry - 1])
    return found


def test_entries_come_and_go_until_no_place_is_unused() -> None:
    following, free, first = np.zeros(PLACES, np.int64), np.zeros(1, np.int64), np.zeros(2, np.int64)
    chain_places(following, free)
    taken = [add_entry(following, free, first, owner) for owner in (0, 1, 0, 0)]
    assert sorted(taken) == [1, 2, 3, 4]
    assert entries(following, first, 0) == [taken[3], taken[2], taken[0]]
    assert entries(following, first, 1) == [taken[1]]
    assert add_entry(following, free, first, 1) == 0
    assert entries(following, first, 1) == [taken[1]]
    drop_entry(following, free, first, 0)
    assert entries(following, first, 0) == [taken[2], taken[0]]
    assert add_entry(following, free, first, 1) == taken[3]
    assert entries(following, first, 1) == [taken[3], taken[1]]
