"""Jobs that wait for the end of a round: their place, who is due, and in which order."""

import numpy as np
import pytest

from proofyard.core import Book, end_of_round, enqueue, highest_first, lowest_first, shape, smallest_first, take_due


@pytest.mark.parametrize(("time", "end"), [(0, 9), (9, 9), (10, 19), (25, 29)])
def test_a_round_ends_on_the_grid_from_genesis(time: int, end: int) -> None:
    assert end_of_round(time, 10) == end


def test_jobs_wait_in_the_order_of_their_numbers() -> None:
    waiting, queued = np.zeros(6, np.int64), np.zeros(1, np.int64)
    for job in (4, 1, 5, 0):
        enqueue(waiting, queued, job)
    assert waiting[: queued[0]].tolist() == [0, 1, 4, 5]


def test_jobs_that_are_due_are_taken_and_the_others_move_up() -> None:
    b = shape.zeros(Book, actors=1, jobs=5)
    b.deadline[:] = [30, 10, 20, 10, 40]
    waiting, queued = np.array([0, 1, 2, 3, 4]), np.array([5])
    assert take_due(b, waiting, queued, 20).tolist() == [1, 3]  # at its deadline a job is not due yet
    assert waiting[: queued[0]].tolist() == [0, 2, 4]
    assert take_due(b, waiting, queued, 20).tolist() == []


def test_equals_keep_their_order() -> None:
    rows, values = np.array([4, 0, 3, 2]), np.array([7, 99, 7, 5, 7])
    assert lowest_first(rows, values).tolist() == [3, 4, 0, 2]
    assert highest_first(rows, values).tolist() == [4, 0, 2, 3]
    assert smallest_first(np.array([3, 1, 3, 1])).tolist() == [1, 3, 0, 2]
