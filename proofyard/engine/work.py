"""Provers at work, compiled: how long a proof takes, when a slot is free, who is on line, and what a queue does."""

from typing import Any

import numpy as np

from proofyard.engine import dice, queue
from proofyard.engine.compile import aside, inlined, integer
from proofyard.engine.layout import World
from proofyard.engine.mind import ACCEPT, SUBMIT, asked, decides
from proofyard.policies.view import Moment


@inlined
def work_of(w: World, p: Any, job: int, die: Any) -> int:
    """Ticks `p` needs for `job`; negative when the proof crashes after that long; 0 when it cannot prove it."""
    r = w.registers[0]
    if r.models != 0:
        return w.measured[w.row[job & r.row_mask] * r.models + p.model]
    base = p.setup + ((p.pace * w.size[job & r.size_mask]) >> 32)
    base = (base * w.difficulty[job & r.difficulty_mask]) >> 16
    work = (base * w.noise[(p.model << 10) + dice.column_of(die)]) >> 16
    if p.special != 0 and p.crash_ppm != 0 and integer(dice.mix(die) % np.uint64(1_000_000)) < p.crash_ppm:
        return -work
    return work


@inlined
def when_online(w: World, p: Any, start: int, work: int) -> int:
    """When work begun at `start` is done: a prover that goes off line loses the proof and begins again when back."""
    if p.special == 0:
        return start + work
    start = max(start, p.gone_until)
    k = p.first_toggle
    if k == p.last_toggle:
        return start + work if p.online_at_start != 0 else queue.NEVER
    return _through_toggles(w, p, start, work)


@aside
def _through_toggles(w: World, p: Any, start: int, work: int) -> int:
    """Find the first stretch on line after `start` that is long enough for `work`; NEVER if there is none."""
    low, high = p.first_toggle, p.last_toggle  # binary search: the first toggle after `start`
    while low < high:
        middle = (low + high) // 2
        if w.toggles[middle] <= start:
            low = middle + 1
        else:
            high = middle
    online = (p.online_at_start + low - p.first_toggle) & 1
    while low < p.last_toggle:
        if online == 1:
            if start + work <= w.toggles[low]:
                return start + work
            lost = w.toggles[low] - start
            p.busy += lost
            p.wasted += lost
        start = w.toggles[low]
        online ^= 1
        low += 1
    return start + work if online == 1 else queue.NEVER


@inlined
def is_online(w: World, p: Any, now: int) -> bool:
    """Say whether `p` is in the market and on line at `now`."""
    if p.special == 0:
        return True
    if p.gone_until > now:
        return False
    if p.first_toggle == p.last_toggle:
        return p.online_at_start != 0
    return _through_toggles(w, p, now, 0) == now


@inlined
def first_slot(w: World, p: Any, begin: int) -> tuple[int, int]:
    """Index of the slot of `p` that is free first (at `free_at`), and when the next one is; they begin at `begin`."""
    best = begin
    first, second = w.slots[best], queue.NEVER
    for k in range(best + 1, best + p.capacity):
        free = w.slots[k]
        earlier = free < first
        second = first if earlier else min(second, free)
        best = k if earlier else best
        first = free if earlier else first
    return best, second


@inlined
def occupy(w: World, p: Any, slot: int, second: int, until: int) -> None:
    """Let `slot` of `p` be busy until `until`; the next of its slots is free at `second`."""
    w.slots[slot] = until
    p.free_at = min(second, until)


@inlined
def alarm(w: World, job: int, time: int) -> None:
    """Look at `job` again at `time`."""
    r = w.registers[0]
    j = w.jobs[job]
    j.alarm = time
    key = queue.pack(queue.ALARM, job, max(j.assigned, 0))  # whom it may concern, so that this can be fetched before
    r.heap_size = queue.push(w.heap, r.heap_size, time, key, r.salt)


@inlined
def finish(w: World, job: int, prover: int, time: int) -> None:
    """`prover` will have a proof of `job` at `time`."""
    r = w.registers[0]
    r.heap_size = queue.push(w.heap, r.heap_size, time, queue.pack(queue.FINISH, job, prover), r.salt)


@inlined
def arrival(w: World, prover: int, end: int) -> int:
    """When a proof that `prover` sends at `end` arrives: at once, unless whoever keeps the order holds it up."""
    return end + w.hold[prover] if len(w.hold) > 0 and end < queue.NEVER else end


@inlined
def begin(w: World, now: int, job: int, prover: int) -> None:
    """Queue `job` at `prover`, to whom the rule gave it, first come first served."""
    r = w.registers[0]
    p = w.provers[prover]
    j = w.jobs[job]
    work = work_of(w, p, job, dice.job_die(r.seed, job, dice.WORK))
    if j.turns > 0:  # a second turn: other dice
        work = work_of(w, p, job, dice.job_die(r.seed, job + j.turns * r.jobs, dice.WORK))
    if j.worker >= 0:
        w.provers[j.worker].wasted += j.work
    j.worker = j.assigned = prover
    j.turns += 1
    j.helper = -1
    j.work = 0
    j.finish = queue.NEVER
    deadline = w.book.deadline[job]
    if j.first_deadline == 0:
        j.first_deadline = deadline
    if work == 0:
        alarm(w, job, deadline + 1)
        return
    slot, second = first_slot(w, p, prover * r.slots_each if r.slots_each > 0 else p.slot)
    time = abs(work)
    end = when_online(w, p, max(now, p.free_at), time)
    hand_in = end
    if decides(p, ACCEPT | SUBMIT):
        hand_in = _decide(w, now, job, prover, end, time)
        if hand_in >= queue.NEVER:
            return
    if end > deadline and p.helper >= 0 and _avoid(w, now, job, prover, deadline):
        return
    if end < queue.NEVER and (end <= deadline or p.skips == 0):
        occupy(w, p, slot, second, end)
        p.busy += time
        j.work = time
        if work > 0:
            j.finish = arrival(w, prover, max(end, hand_in))
    if j.finish <= deadline:
        finish(w, job, prover, j.finish)
    else:
        alarm(w, job, deadline + 1)


@inlined
def estimate(w: World, p: Any, job: int) -> int:
    """Ticks `job` would take `p`: it knows its own machine and the job well enough to price it."""
    return abs(work_of(w, p, job, dice.job_die(w.registers[0].seed, job, dice.WORK)))


@aside
def _decide(w: World, now: int, job: int, prover: int, end: int, work: int) -> int:
    """Let the prover decide about an assignment: when it hands the proof in, or NEVER when nothing more is to do."""
    r = w.registers[0]
    p = w.provers[prover]
    if decides(p, ACCEPT) and asked(w, p, integer(Moment.ACCEPT), prover, job, end, work) == 0:
        r.heap_size = queue.push(w.heap, r.heap_size, now, queue.pack(queue.DECLINE, job, prover), r.salt)
        alarm(w, job, w.book.deadline[job] + 1)
        return queue.NEVER
    if not decides(p, SUBMIT):
        return end
    hand_in = asked(w, p, integer(Moment.SUBMIT), prover, job, end, work)
    if hand_in >= queue.NEVER:
        alarm(w, job, w.book.deadline[job] + 1)
    return hand_in


@inlined
def silent(w: World, p: Any, prover: int, job: int) -> bool:
    """Say whether `p` sits this race or this ballot out."""
    return decides(p, SUBMIT) and asked(w, p, integer(Moment.SUBMIT), prover, job, queue.NEVER, 0) >= queue.NEVER


@aside
def _avoid(w: World, now: int, job: int, prover: int, deadline: int) -> bool:
    """`prover` cannot make it: let it buy the proof from a helper. True when one was found."""
    r = w.registers[0]
    p = w.provers[prover]
    for k in range(p.helper, p.helper + p.helpers):
        if p.helper < 0 or k == prover or w.book.cash[prover] < p.helper_price:
            continue
        h = w.provers[k]
        work = work_of(w, h, job, dice.job_die(r.seed, job, dice.WORK))
        slot, second = first_slot(w, h, h.slot)
        end = when_online(w, h, max(now + p.helper_delay, h.free_at), work) if work > 0 else queue.NEVER
        if end <= deadline:
            occupy(w, h, slot, second, end)
            h.busy += work
            w.jobs[job].helper = k
            w.jobs[job].finish = end
            finish(w, job, prover, end)
            return True
    return False
