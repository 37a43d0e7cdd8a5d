"""The event queue pops in total order: time, then what, then job, then prover; a salt permutes ties only."""

import heapq

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from proofyard.core.compiler import njit
from proofyard.engine import queue

EVENTS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 4), st.integers(0, 2**38 - 1), st.integers(0, 2**21 - 1)),
    min_size=1,
    max_size=80,
)


@njit
def sorted_by_queue(times: np.ndarray, keys: np.ndarray, salt: int) -> np.ndarray:
    heap = np.zeros(2 * len(times) + 2, np.int64)
    out = np.zeros((len(times), 2), np.int64)
    size = 0
    for k in range(len(times)):
        size = queue.push(heap, size, times[k], keys[k], salt)
    for k in range(len(times)):
        out[k, 0] = heap[0]
        out[k, 1] = heap[1]
        size = queue.pop(heap, size, salt)
    return out


@njit
def packed(what: int, job: int, prover: int) -> tuple[int, int, int, int]:
    key = queue.pack(what, job, prover)
    return key, queue.what_of(key), queue.job_of(key), queue.prover_of(key)


@given(EVENTS)
def test_pops_as_a_heap_does(events: list[tuple[int, int, int, int]]) -> None:
    rows = [(time, packed(what, job, prover)[0]) for time, what, job, prover in events]
    times, keys = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    popped = sorted_by_queue(times, keys, 0).tolist()
    heapq.heapify(rows)
    assert popped == [list(heapq.heappop(rows)) for _ in events]


@given(EVENTS, st.integers(1, 2**62))
def test_a_salt_keeps_the_events_and_the_order_of_time(events: list[tuple[int, int, int, int]], salt: int) -> None:
    times = np.array([event[0] for event in events], np.int64)
    keys = np.array([packed(*event[1:])[0] for event in events], np.int64)
    plain, salted = sorted_by_queue(times, keys, 0), sorted_by_queue(times, keys, salt)
    assert sorted(plain.tolist()) == sorted(salted.tolist())
    assert plain[:, 0].tolist() == salted[:, 0].tolist()


@given(st.integers(0, 4), st.integers(0, 2**38 - 1), st.integers(0, 2**21 - 1))
def test_packing_loses_nothing(what: int, job: int, prover: int) -> None:
    assert packed(what, job, prover)[1:] == (what, job, prover)
