"""Jobs open to all, compiled: everybody with a free slot starts, the earliest proof counts, the rest is wasted.

Under a rule with EVERY_PROOF everybody hands in what is done by the deadline, and only what is late is wasted. If such
a rule's state has `may_prove` (by job, bit `seat - 1` of each who may), only those start; whoever withholds a share of
its assignments sits out that share of these races, by dice of its own.
"""

from typing import Any

import numpy as np

from proofyard.engine import dice, queue
from proofyard.engine.compile import aside, inlined, integer
from proofyard.engine.layout import World
from proofyard.engine.mind import PART, asked, decides
from proofyard.engine.work import alarm, arrival, finish, first_slot, occupy, silent, when_online, work_of
from proofyard.policies.view import Moment


@inlined
def race(w: World, now: int, job: int) -> None:
    """Everybody with a free slot starts; the earliest finish will be handed in; the others' work is wasted."""
    r = w.registers[0]
    j = w.jobs[job]
    deadline = w.book.deadline[job]
    best, who, best_work, soonest = queue.NEVER, -1, 0, queue.NEVER
    if j.worker >= 0 and j.finish >= now and j.finish < queue.NEVER:
        if len(w.twin) > 0 and w.twin[j.worker] >= 0:
            j.worker = w.twin[j.worker]  # what it made under one name it hands in under its other one
        best, who, best_work = j.finish, j.worker, j.work  # still at it, or done and holding it back
    elif j.worker >= 0 and r.every_proof == 0:
        w.provers[j.worker].wasted += j.work
        j.work = 0
    row = np.uint64(r.seed) + dice.RACE_KEY + np.uint64(job * r.provers + 1) * dice.GAMMA
    for k in range(len(w.racers)):
        i = w.racers[k]
        p = w.provers[i]
        free = p.free_at if p.free_at > now else when_online(w, p, now, 0)
        if free > now:
            soonest = min(soonest, free)
            continue
        work = work_of(w, p, job, dice.mix(row + np.uint64(i) * dice.GAMMA))
        if i == j.worker or work == 0 or (r.every_proof != 0 and not _takes_part(w, p, i, job)):
            continue
        time = abs(work) if len(w.part) == 0 else _part_of(w, p, i, job, work)
        end = when_online(w, p, now, time)
        if end >= queue.NEVER:
            continue
        slot, second = first_slot(w, p, p.slot)
        occupy(w, p, slot, second, end)
        p.busy += time
        p.wasted += time
        end = _sent(w, i, end)
        if r.every_proof != 0 and work > 0 and end <= deadline:
            p.wasted -= time
            finish(w, job, i, end)
        if work > 0 and end < best:
            best, who, best_work = end, i, time
    if r.every_proof == 0 and who >= 0 and who != j.worker:
        w.provers[who].wasted -= best_work
        if j.worker >= 0:
            w.provers[j.worker].wasted += j.work
    if r.every_proof == 0 and r.stop_on_win != 0 and who >= 0:
        _stop_losers(w, now, who, best)
    j.worker, j.finish, j.work = who, best, best_work
    j.turns += who >= 0
    if j.first_deadline == 0 and who >= 0:
        j.first_deadline = deadline
    if r.every_proof == 0 and best <= deadline:
        finish(w, job, who, best)
    else:
        alarm(w, job, min(deadline, max(soonest, now) if who < 0 else deadline) + 1)


@inlined
def _sent(w: World, prover: int, end: int) -> int:
    """Note when a prover is done; returns when its proof arrives."""
    w.ends[prover] = end
    return arrival(w, prover, end)


@aside
def _part_of(w: World, p: Any, prover: int, job: int, work: int) -> int:
    """Ask how much of `job` it proves, where it decides about that; returns the time that takes."""
    r = w.registers[0]
    time = abs(work)
    if work < 0 or r.parts == 0 or not decides(p, PART):
        return time
    part = asked(w, p, integer(Moment.PART), prover, job, queue.NEVER, time)
    if part <= 0 or part >= r.parts:
        return time
    w.part[job * r.provers + prover] = part
    return max(1, time * part // r.parts)


@aside
def _takes_part(w: World, p: Any, prover: int, job: int) -> bool:
    """Say whether `prover` may prove, where the rule names who may, and does not sit this one out."""
    if len(w.may_prove) > 0 and (w.seat[prover] == 0 or (w.may_prove[job] >> (w.seat[prover] - 1)) & 1 == 0):
        return False
    return not silent(w, p, prover, job)


@aside
def _stop_losers(w: World, now: int, winner: int, end: int) -> None:
    """Free the slots of those who lost this race at the moment it is won."""
    for k in range(len(w.racers)):
        i = w.racers[k]
        p = w.provers[i]
        if i == winner or w.ends[i] <= end:
            w.ends[i] = 0
            continue
        for slot in range(p.slot, p.slot + p.capacity):
            if w.slots[slot] == w.ends[i]:
                saved = w.ends[i] - max(end, now)
                p.busy -= saved
                p.wasted -= saved
                w.slots[slot] = end
                p.free_at = min(p.free_at, end)
                break
        w.ends[i] = 0
