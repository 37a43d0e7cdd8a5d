"""Jobs that wait for the end of a round, and what is decided then: who is due, in which order.

Jobs wait in the first `queued[0]` places of `waiting`, in the order of their numbers.
"""

import numpy as np

from proofyard.core.book import Book, ByJob, Ints, Once
from proofyard.core.spec import spec


@spec
def end_of_round(time: int, every_ms: int) -> int:
    """Last ms of the round of `every_ms` in which `time` is, on a grid from genesis."""
    return time - time % every_ms + every_ms - 1


@spec
def enqueue(waiting: ByJob, queued: Once, job: int) -> None:
    """Put `job` in its place among those that wait; numbers that rise with time go to the end at once."""
    k = queued[0]
    while k > 0 and waiting[k - 1] > job:
        waiting[k] = waiting[k - 1]
        k -= 1
    waiting[k] = job
    queued[0] += 1


@spec
def take_due(b: Book, waiting: ByJob, queued: Once, now: int) -> Ints:
    """Take the jobs whose deadline is before `now` (ms) off those that wait, and list them by their numbers."""
    found, n, left = np.empty(queued[0], np.int64), 0, 0
    for k in range(queued[0]):
        job = waiting[k]
        if b.deadline[job] < now:
            found[n] = job
            n += 1
        else:
            waiting[left] = job
            left += 1
    queued[0] = left
    return found[:n]


@spec
def smallest_first(keys: Ints) -> Ints:
    """List the places of `keys`, the smallest key first, the lower place first among equals."""
    return np.argsort(keys, kind="mergesort")


@spec
def lowest_first(rows: Ints, values: Ints) -> Ints:
    """Put `rows` in the order of what `values` has for each, the lowest first; equals stay as they were."""
    keys = np.empty(len(rows), np.int64)
    for k in range(len(rows)):
        keys[k] = values[rows[k]]
    return rows[smallest_first(keys)]


@spec
def highest_first(rows: Ints, values: Ints) -> Ints:
    """Put `rows` in the order of what `values` has for each, the highest first; equals stay as they were."""
    keys = np.empty(len(rows), np.int64)
    for k in range(len(rows)):
        keys[k] = -values[rows[k]]
    return rows[smallest_first(keys)]
