"""The event queue: a 4-ary heap of (time, what | job | prover) pairs in one int64 array, compiled.

Events are in total order: by time, then by what they are, then by job, then by prover. `salt` shuffles the order of
events of one instant (for the test that no result depends on it).
"""

from proofyard.core.book import Ints
from proofyard.engine.compile import inlined

PROVER_BITS, JOB_BITS = 21, 38  # 2 M provers, 2.7e11 jobs
_PROVER_MASK, _JOB_MASK = (1 << PROVER_BITS) - 1, (1 << JOB_BITS) - 1
EPOCH, FINISH, ALARM, DECLINE, ASK, VOTE, LOOK, DECIDE = range(8)  # what: in this order at one instant
NEVER = 2**62


def key_of(what: int, job: int, prover: int) -> int:
    """Pack as `pack` does, in plain Python: compiling it for the first events would cost a tenth of a second."""
    return (what << (PROVER_BITS + JOB_BITS)) | (job << PROVER_BITS) | prover


@inlined
def pack(what: int, job: int, prover: int) -> int:
    """Pack what happens to which job by which prover into one integer."""
    return (what << (PROVER_BITS + JOB_BITS)) | (job << PROVER_BITS) | prover


@inlined
def what_of(key: int) -> int:
    """Read what happens from a key."""
    return key >> (PROVER_BITS + JOB_BITS)


@inlined
def job_of(key: int) -> int:
    """Read the job from a key."""
    return (key >> PROVER_BITS) & _JOB_MASK


@inlined
def prover_of(key: int) -> int:
    """Read the prover from a key."""
    return key & _PROVER_MASK


@inlined
def push(heap: Ints, size: int, time: int, key: int, salt: int) -> int:
    """Put an event into `heap` (room must be there) and return its new size."""
    k = size
    while k > 0:
        parent = (k - 1) >> 2
        at = heap[2 * parent]
        if at < time or (at == time and heap[2 * parent + 1] ^ salt < key ^ salt):
            break
        heap[2 * k] = at
        heap[2 * k + 1] = heap[2 * parent + 1]
        k = parent
    heap[2 * k] = time
    heap[2 * k + 1] = key
    return size + 1


@inlined
def earlier(heap: Ints, one: int, other: int, salt: int) -> int:
    """Which of two places holds the earlier event. No branch: it could not be predicted."""
    left = heap[2 * one]
    right = heap[2 * other]
    tie = heap[2 * other + 1] ^ salt < heap[2 * one + 1] ^ salt
    return other if (right < left) | ((right == left) & tie) else one


@inlined
def pop(heap: Ints, size: int, salt: int) -> int:
    """Remove the first event (read it from heap[0], heap[1] before) and return the new size."""
    size -= 1
    time = heap[2 * size]
    key = heap[2 * size + 1]
    k = 0
    child = 1
    while child + 3 < size:  # walk the hole down to a leaf: cheaper than comparing with the last event on the way
        child = earlier(heap, earlier(heap, child, child + 1, salt), earlier(heap, child + 2, child + 3, salt), salt)
        heap[2 * k] = heap[2 * child]
        heap[2 * k + 1] = heap[2 * child + 1]
        k = child
        child = 4 * k + 1
    if child < size:
        best = child
        for other in range(child + 1, size):
            best = earlier(heap, best, other, salt)
        heap[2 * k] = heap[2 * best]
        heap[2 * k + 1] = heap[2 * best + 1]
        k = best
    push(heap, k, time, key, salt)
    return size
