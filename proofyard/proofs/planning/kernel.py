"""The schedule of one job in simulated time, compiled: the scheduler of `parallel` with cards that differ and vanish.

Order    of the ready parts the one with the longest way to the root first (Hu 1961); it goes to the card that ends it
         first, and waits for that card if it is busy (HEFT without insertion: Topcuoglu, Hariri, Wu 2002). On equal
         cards nobody idles while a part is ready, so Graham's bounds hold (1969).
Losses   a card that goes loses what it works on, which is given out again after `detect_ms`; if finished parts are not
         `saved`, those it made and nobody used yet are lost too (their proofs lie on its disk).
Units    ms, MiB. `Any` stands where Numba makes a scalar and a type checker sees an array.
"""

import heapq
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from proofyard.rollup.compiled import compiled
from proofyard.worlds.tables import Floats, Ints

IDLE, QUEUED, RUNNING, DONE = 0, 1, 2, 3
NOBODY = -1
NEXT_TO_NOTHING = 1e-9  # ms by which a card has to be sooner: ties go to the faster, which stands first


class Tree(NamedTuple):
    """Parts by place; leaves first, the root last."""

    left: Ints  # -1 for a leaf
    right: Ints
    parent: Ints  # -1 for the root
    order: Ints  # place in the order of priority
    by_order: Ints
    release_ms: Floats  # of each leaf: when its input exists, ascending


class World(NamedTuple):
    """Cards and machines; expected times."""

    leaf_ms: Floats  # by card
    join_ms: Floats
    machine: Ints
    cores: Ints  # by machine
    mib: Ints
    join_serial: Floats
    beside: Floats
    leaf_mib: int
    join_mib: int
    detect_ms: float
    saved: bool
    horizon_ms: float


class Chance(NamedTuple):
    """What is drawn for one job."""

    part: Floats  # factor of each part's time
    card: Floats  # factor of each card's times
    crash: Floats  # share of its time after which a part crashes, once; above 1: never
    flips: Floats  # times at which cards come and go, one card after another
    bounds: Ints  # where each card's flips begin, and the end
    online: Ints  # 1 if there at 0


class Log(NamedTuple):
    """What happened."""

    card: Ints  # by part, of the last time it was made
    begin: Floats
    end: Floats
    busy: Floats  # by card, ms
    paid: Floats  # by card, ms there until the end
    made: Ints  # by card, parts
    losses: Ints  # parts lost with a card; parts crashed


class State(NamedTuple):
    """Where a job stands."""

    status: Ints  # by part
    crashes: Ints  # by part: 1 if it will crash when it is tried next
    work: Ints  # by card: its part, or NOBODY
    until: Floats  # when it ends or crashes
    expected: Floats  # when the scheduler thinks so
    up: Ints
    flip: Ints  # next flip
    running: Ints  # by machine
    mib: Ints
    released: Ints  # [leaves handed out so far]


class Job(NamedTuple):
    """All of one job."""

    tree: Tree
    world: World
    chance: Chance
    state: State
    log: Log


Places: TypeAlias = list[int]


@compiled
def expected_ms(job: Job, card: int, part: int, ready: int) -> float:
    """Time of a part on a card now; a machine's spare cores help its joins, and its parts slow each other."""
    world = job.world
    machine = world.machine[card]
    shared = min(world.cores[machine], job.state.running[machine] + max(1, -(-ready // world.cores.size)))
    slow = world.beside[machine] if shared > 1 else 1.0
    if job.tree.left[part] < 0:
        return world.leaf_ms[card] * slow
    serial = world.join_serial[machine]  # Amdahl
    return world.join_ms[card] * slow * (serial + (1.0 - serial) / max(1, world.cores[machine] // shared))


@compiled
def mib_of(job: Job, part: int) -> int:
    """Memory a part takes, MiB."""
    return job.world.leaf_mib if job.tree.left[part] < 0 else job.world.join_mib


@compiled
def fits(job: Job, card: int, part: int) -> Any:
    """Tell whether a machine has the memory for one more part; a single one always runs."""
    machine = job.world.machine[card]
    return job.state.running[machine] == 0 or job.state.mib[machine] + mib_of(job, part) <= job.world.mib[machine]


@compiled
def start(job: Job, card: int, part: int, now: float, took: float) -> None:
    """Put a card to work."""
    state, machine = job.state, job.world.machine[card]
    actual = took * job.chance.part[part] * job.chance.card[card]
    if state.crashes[part]:
        actual *= job.chance.crash[part]
    state.status[part] = RUNNING
    state.work[card] = part
    state.until[card] = now + actual
    state.expected[card] = now + took
    state.running[machine] += 1
    state.mib[machine] += mib_of(job, part)
    job.log.begin[part] = now
    job.log.card[part] = card


@compiled
def stop(job: Job, card: int, now: float) -> int:
    """Take a card off its part, which is returned."""
    state, machine = job.state, job.world.machine[card]
    part = state.work[card]
    state.work[card] = NOBODY
    state.until[card] = np.inf
    state.running[machine] -= 1
    state.mib[machine] -= mib_of(job, part)
    job.log.busy[card] += now - job.log.begin[part]
    job.log.end[part] = now
    return part


@compiled
def first_to_end(job: Job, free: Floats, part: int, ready: int, now: float) -> tuple[int, float]:
    """Find the card that ends a part first, and when; `free` says from when each could."""
    best, least = NOBODY, np.inf
    for card in range(free.size):
        if free[card] == np.inf:
            continue
        if job.state.work[card] < 0 and free[card] <= now and not fits(job, card, part):
            continue
        end = free[card] + expected_ms(job, card, part, ready)
        if end < least - NEXT_TO_NOTHING:
            best, least = card, end
    return best, least


@compiled
def launch(job: Job, heap: Places, now: float) -> None:
    """Give ready parts to cards: each to the one that ends it first, now or after its present work."""
    state, cards, idle = job.state, job.world.leaf_ms.size, 0
    free = np.full(cards, np.inf)
    for card in range(cards):
        if state.up[card]:
            free[card] = now if state.work[card] < 0 else max(now, state.expected[card])
            idle += state.work[card] < 0
    put_back = [0][:0]
    while len(heap) > 0 and idle > 0 and len(put_back) <= 4 * cards + 64:
        place = heapq.heappop(heap)
        part = job.tree.by_order[place]
        best, least = first_to_end(job, free, part, len(heap) + len(put_back) + 1, now)
        if best != NOBODY and state.work[best] < 0 and free[best] <= now:
            start(job, best, part, now, least - now)
            free[best] = least
            idle -= 1
            continue
        put_back.append(place)
        if best != NOBODY:
            free[best] = least  # it waits for this card
            idle -= state.work[best] < 0 and free[best] <= now
    for place in put_back:
        heapq.heappush(heap, place)


@compiled
def queue(job: Job, heap: Places, part: int) -> None:
    """Hand a part out."""
    job.state.status[part] = QUEUED
    heapq.heappush(heap, job.tree.order[part])


@compiled
def has_inputs(job: Job, part: int) -> bool:
    """Tell whether a part's children are there."""
    left, right = job.tree.left[part], job.tree.right[part]
    return left < 0 or (job.state.status[left] == DONE and job.state.status[right] == DONE)


@compiled
def finish(job: Job, heap: Places, card: int, now: float) -> None:
    """Take in a part that ended, or crashed, and queue what became ready."""
    state, part = job.state, stop(job, card, now)
    if state.crashes[part]:
        state.crashes[part] = 0
        job.log.losses[1] += 1
        queue(job, heap, part)
        return
    state.status[part] = DONE
    job.log.made[card] += 1
    parent = job.tree.parent[part]
    if parent >= 0 and state.status[parent] == IDLE and has_inputs(job, parent):
        queue(job, heap, parent)


@compiled
def demand(job: Job, late_at: list[float], late: Places, when: float) -> None:
    """Find, from the root down, what has to be made again and can be: it is handed out at `when`."""
    stack = [job.tree.left.size - 1]
    while len(stack) > 0:
        part = stack.pop()
        if job.state.status[part] != IDLE:
            continue
        if not has_inputs(job, part):
            stack.append(job.tree.left[part])
            stack.append(job.tree.right[part])
        elif job.tree.left[part] >= 0 or part < job.state.released[0]:
            job.state.status[part] = QUEUED
            late_at.append(when)
            late.append(part)


@compiled
def forget(job: Job, heap: Places, late_at: list[float], late: Places, card: int) -> None:
    """Lose what a card made and nobody used, and the joins that waited for it."""
    status = job.state.status
    for part in range(status.size):
        if status[part] == DONE and job.log.card[part] == card:
            status[part] = IDLE
    for place in range(len(heap)):
        if not has_inputs(job, job.tree.by_order[heap[place]]):
            status[job.tree.by_order[heap[place]]] = IDLE
    kept = [place for place in heap if status[job.tree.by_order[place]] == QUEUED]
    heap.clear()
    for place in kept:
        heapq.heappush(heap, place)
    k = 0
    while k < len(late):
        if has_inputs(job, late[k]):
            k += 1
            continue
        status[late[k]] = IDLE
        late_at[k], late[k] = late_at[-1], late[-1]
        late_at.pop()
        late.pop()


@compiled
def leave(job: Job, heap: Places, late_at: list[float], late: Places, card: int, now: float) -> None:
    """Lose what a card worked on and, if nothing is saved, what it made and nobody used."""
    if job.state.work[card] >= 0:
        job.state.status[stop(job, card, now)] = IDLE
        job.log.losses[0] += 1
    elif job.world.saved:
        return
    if not job.world.saved:
        forget(job, heap, late_at, late, card)
    demand(job, late_at, late, now + job.world.detect_ms)


@compiled
def hand_out(job: Job, heap: Places, late_at: list[float], late: Places, now: float) -> None:
    """Queue leaves whose input exists by now, and what was lost a while ago."""
    state, tree = job.state, job.tree
    while state.released[0] < tree.release_ms.size and tree.release_ms[state.released[0]] <= now:
        queue(job, heap, state.released[0])
        state.released[0] += 1
    k = 0
    while k < len(late):
        if late_at[k] > now:
            k += 1
            continue
        queue(job, heap, late[k])
        late_at[k], late[k] = late_at[-1], late[-1]
        late_at.pop()
        late.pop()


@compiled
def next_moment(job: Job, late_at: list[float]) -> Any:
    """Find when something happens next."""
    state, chance, tree = job.state, job.chance, job.tree
    moment = np.inf
    for card in range(state.work.size):
        moment = min(moment, state.until[card])
        if state.flip[card] < chance.bounds[card + 1]:
            moment = min(moment, chance.flips[state.flip[card]])
    for at in late_at:
        moment = min(moment, at)
    if state.released[0] < tree.release_ms.size:
        moment = min(moment, tree.release_ms[state.released[0]])
    return moment


@compiled
def toggle(job: Job, heap: Places, late_at: list[float], late: Places, now: float) -> None:
    """Let cards come and go."""
    state = job.state
    for card in range(state.up.size):
        while state.flip[card] < job.chance.bounds[card + 1] and job.chance.flips[state.flip[card]] <= now:
            state.flip[card] += 1
            state.up[card] = 1 - state.up[card]
            if state.up[card] == 0:
                leave(job, heap, late_at, late, card, now)


@compiled
def run(tree: Tree, world: World, chance: Chance, log: Log) -> float:
    """Run one job; return when it ends, ms, or infinity if that is beyond the horizon."""
    parts, cards, machines = tree.left.size, world.leaf_ms.size, world.cores.size
    state = State(
        np.zeros(parts, np.int64), (chance.crash <= 1.0).astype(np.int64), np.full(cards, NOBODY),
        np.full(cards, np.inf), np.zeros(cards), chance.online.copy(), chance.bounds[:-1].copy(),
        np.zeros(machines, np.int64), np.zeros(machines, np.int64), np.zeros(1, np.int64),
    )  # fmt: skip
    job = Job(tree, world, chance, state, log)
    heap, late_at, late = [0][:0], [0.0][:0], [0][:0]
    now = 0.0
    while state.status[parts - 1] != DONE:
        hand_out(job, heap, late_at, late, now)
        launch(job, heap, now)
        moment = next_moment(job, late_at)
        if moment > world.horizon_ms:
            return np.inf
        for card in range(cards):
            log.paid[card] += state.up[card] * (moment - now)
        now = moment
        for card in range(cards):
            if state.until[card] <= now:
                finish(job, heap, card, now)
        if state.status[parts - 1] != DONE:
            toggle(job, heap, late_at, late, now)
    return now
