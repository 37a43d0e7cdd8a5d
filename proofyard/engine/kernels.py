"""The compiled loop: requests arrive, provers work, timers run out, the rule answers. It knows no rule.

One run is one thread; `run` returns to Python every `budget` events, at every epoch, and when a buffer is full, and is
called again to go on where it stopped: all it knows is in the arrays of `World`.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from proofyard.core.book import ANYONE, Book, Ints
from proofyard.core.event import Kind, Phase, Verdict
from proofyard.engine import dice, queue
from proofyard.engine.memory import call, layout_of, pointer_to

DONE, EPOCH_DUE, PAUSED, TRACE_FULL, QUEUE_FULL = range(5)  # why `run` came back
VERDICTS = 16  # columns of `counts`

PROVER = np.dtype(
    [
        ("setup", np.int64),  # ticks of work whatever the size
        ("pace", np.int64),  # ticks of work per unit of size, times 2**32
        ("model", np.int64),  # row of the noise table, column of the measured times
        ("slot", np.int64),  # its first slot
        ("slots", np.int64),  # proofs at once
        ("free_at", np.int64),  # ticks, when its first slot is free
        ("busy", np.int64),  # ticks of work done
        ("wasted", np.int64),  # of these, not paid
        ("missed", np.int64),  # assigned jobs it did not prove in time
        ("income", np.int64),  # gwei
        ("wins", np.int64),  # jobs settled as prover of record
        ("first_toggle", np.int64),  # its row in `toggles`: [first, last)
        ("last_toggle", np.int64),
        ("online_at_start", np.int64),
        ("gone_until", np.int64),  # ticks; it left the market until then
        ("crash_ppm", np.int64),  # share of its proofs that never finish
        ("withhold_ppm", np.int64),  # share of its assignments it lets go
        ("declines", np.int64),  # 1: declines what it cannot finish in time
        ("proves_late", np.int64),  # 1: hands in a proof after the deadline while the job is open to all
        ("helper", np.int64),  # first prover it may buy a proof from, -1 none
        ("helpers", np.int64),  # how many from there on
        ("helper_delay", np.int64),  # ticks to set a bought proof up
        ("helper_price", np.int64),  # gwei per bought proof
        ("bought", np.int64),  # proofs bought
    ],
    align=True,
)
JOB = np.dtype(
    [
        ("asked", np.int64),  # ticks
        ("first_deadline", np.int64),  # ticks, the first it was given to anybody, 0 never
        ("worker", np.int64),  # who works on it, -1 nobody yet
        ("finish", np.int64),  # ticks, when the proof is ready
        ("work", np.int64),  # ticks of the worker's work
        ("alarm", np.int64),  # ticks, the alarm that counts; others are stale
        ("proven", np.int64),  # ticks, when the proof that counts was accepted, 0 never
        ("turns", np.int64),  # how often it was given to somebody
        ("helper", np.int64),  # who proves it for the worker, -1 the worker itself
    ],
    align=True,
)
REGISTERS = np.dtype(
    [
        ("seed", np.int64),
        ("salt", np.int64),  # order of events of one instant
        ("now", np.int64),  # ticks
        ("heap_size", np.int64),
        ("next_job", np.int64),  # the next request
        ("jobs", np.int64),  # requests in all
        ("listed", np.int64),  # requests with an arrival time known beforehand
        ("live", np.int64),  # jobs asked for and not final
        ("events", np.int64),  # events handled
        ("traced", np.int64),  # events in the trace buffer
        ("tracing", np.int64),  # 1: record accepted events
        ("epoch", np.int64),  # ticks between epochs, 0 none
        ("horizon", np.int64),  # ticks, no request arrives and no epoch falls due later
        ("stop_on_win", np.int64),  # 1: who lost a race stops working at once
        ("size_mask", np.int64),  # 0: one size for all jobs, -1: one each; likewise below
        ("difficulty_mask", np.int64),
        ("fee_mask", np.int64),
        ("requester_mask", np.int64),
        ("row_mask", np.int64),
        ("models", np.int64),
        ("provers", np.int64),
        ("stuck", np.int64),  # jobs whose due timer was refused: a fault of the rule
    ],
    align=True,
)


class World(NamedTuple):
    """Everything `run` reads and writes. Int64 arrays unless a record type is named; times in ticks (ms)."""

    book: Book
    pool_slashed: Ints  # one per actor, or empty
    registers: Ints  # REGISTERS, one row
    provers: Ints  # PROVER
    jobs: Ints  # JOB
    arrive: Ints  # per job; for a closed loop the pause before the request
    size: Ints  # per job or one
    difficulty: Ints  # Q16, per job or one
    max_fee: Ints  # gwei, per job or one
    requester: Ints  # actor, per job or one
    slots: Ints  # when each slot is free
    toggles: Ints  # when provers go on or off line
    noise: Ints  # Q16, 1024 quantiles per model
    measured: Ints  # rows x models, ms; -1 crash, 0 absent; empty: the fitted models are used
    row: Ints  # per job: its row in `measured`
    racers: Ints  # provers that work on jobs open to all
    ends: Ints  # scratch, per prover: when its present race ends
    event: Ints  # the event being answered, seven words
    heap: Ints
    trace: Ints  # buffer of accepted events, seven words each
    counts: Ints  # per kind and verdict
    slashes: Ints  # log: count, then (time, actor, gwei) each


_world_at = pointer_to(layout_of(World, {"registers": REGISTERS, "provers": PROVER, "jobs": JOB}))


@njit(forceinline=True)
def _act(rule, context, w, kind, now, actor, job, amount, detail, word):
    """Let the rule answer one event; count the verdict, record what was accepted."""
    e = w.event
    e[0], e[1], e[2], e[3], e[4], e[5], e[6] = kind, now, actor, job, amount, detail, word
    verdict = call(rule, context, e)
    w.counts[kind * VERDICTS + verdict] += 1
    r = w.registers[0]
    if r.tracing != 0 and verdict == Verdict.OK:
        for k in range(7):
            w.trace[7 * r.traced + k] = e[k]
        r.traced += 1
    return verdict


@njit(forceinline=True)
def _work_of(w, p, job, die):
    """Ticks `p` needs for `job`; negative when the proof crashes after that long; 0 when it cannot prove it."""
    r = w.registers[0]
    if r.models != 0:
        return w.measured[w.row[job & r.row_mask] * r.models + p.model]
    base = p.setup + ((p.pace * w.size[job & r.size_mask]) >> 32)
    base = (base * w.difficulty[job & r.difficulty_mask]) >> 16
    work = (base * w.noise[(p.model << 10) + dice.column_of(die)]) >> 16
    if p.crash_ppm != 0 and np.int64(dice.mix(die) % np.uint64(1_000_000)) < p.crash_ppm:
        return -work
    return work


@njit(forceinline=True)
def _when_online(w, p, start, work):
    """When work begun at `start` is done: a prover that goes off line loses the proof and begins again when back."""
    start = max(start, p.gone_until)
    k = p.first_toggle
    if k == p.last_toggle:
        return start + work if p.online_at_start != 0 else queue.NEVER
    return _through_toggles(w, p, start, work)


@njit
def _through_toggles(w, p, start, work):
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


@njit(forceinline=True)
def _online(w, p, now):
    """Is `p` in the market and on line at `now`?"""
    if p.gone_until > now:
        return False
    if p.first_toggle == p.last_toggle:
        return p.online_at_start != 0
    return _through_toggles(w, p, now, 0) == now


@njit(forceinline=True)
def _first_slot(w, p):
    """Index of the slot of `p` that is free first, and when the next one is."""
    best = p.slot
    first, second = w.slots[best], queue.NEVER
    for k in range(best + 1, p.slot + p.slots):
        free = w.slots[k]
        earlier = free < first
        second = first if earlier else min(second, free)
        best = k if earlier else best
        first = free if earlier else first
    return best, second


@njit(forceinline=True)
def _occupy(w, p, slot, second, until):
    """Let `slot` of `p` be busy until `until`; the next of its slots is free at `second`."""
    w.slots[slot] = until
    p.free_at = min(second, until)


@njit(forceinline=True)
def _alarm(w, job, time):
    """Look at `job` again at `time`."""
    r = w.registers[0]
    w.jobs[job].alarm = time
    r.heap_size = queue.push(w.heap, r.heap_size, time, queue.pack(queue.ALARM, job, 0), r.salt)


@njit(forceinline=True)
def _finish(w, job, prover, time):
    """`prover` will have a proof of `job` at `time`."""
    r = w.registers[0]
    r.heap_size = queue.push(w.heap, r.heap_size, time, queue.pack(queue.FINISH, job, prover), r.salt)


@njit(forceinline=True)
def _begin(w, now, job, prover):
    """The rule gave `job` to `prover`: queue it there, first come first served."""
    r = w.registers[0]
    p = w.provers[prover]
    j = w.jobs[job]
    work = _work_of(w, p, job, dice.job_die(r.seed, job, dice.WORK))
    if j.worker >= 0:  # a second turn: other dice
        work = _work_of(w, p, job, dice.job_die(r.seed, job + j.turns * r.jobs, dice.WORK))
        w.provers[j.worker].wasted += j.work
    j.worker = prover
    j.turns += 1
    j.helper = -1
    j.work = 0
    j.finish = queue.NEVER
    deadline = w.book.deadline[job]
    if j.turns == 1:
        j.first_deadline = deadline
    if work == 0 or (p.withhold_ppm != 0 and _withholds(r.seed, job, p)):
        _alarm(w, job, deadline + 1)
        return
    slot, second = _first_slot(w, p)
    time = abs(work)
    end = _when_online(w, p, max(now, w.slots[slot]), time)
    if end > deadline and (p.declines != 0 or p.helper >= 0) and _avoid(w, now, job, prover, deadline):
        return
    if end < queue.NEVER:
        _occupy(w, p, slot, second, end)
        p.busy += time
        j.work = time
    if work > 0:
        j.finish = end
    if j.finish <= deadline:
        _finish(w, job, prover, end)
    else:
        _alarm(w, job, deadline + 1)


@njit
def _withholds(seed, job, p):
    """Does `p` let this assignment go?"""
    die = dice.mix(dice.job_die(seed, job, dice.WORK) + dice.STREAM)
    return np.int64(die % np.uint64(1_000_000)) < p.withhold_ppm


@njit
def _avoid(w, now, job, prover, deadline):
    """`prover` cannot make it: let it buy the proof from a helper, or decline. True when something was found."""
    r = w.registers[0]
    p = w.provers[prover]
    for k in range(p.helper, p.helper + p.helpers):
        if p.helper < 0 or k == prover:
            continue
        h = w.provers[k]
        work = _work_of(w, h, job, dice.job_die(r.seed, job, dice.WORK))
        slot, second = _first_slot(w, h)
        end = _when_online(w, h, max(now + p.helper_delay, w.slots[slot]), work) if work > 0 else queue.NEVER
        if end <= deadline:
            _occupy(w, h, slot, second, end)
            h.busy += work
            w.jobs[job].helper = k
            w.jobs[job].finish = end
            p.bought += 1
            _finish(w, job, prover, end)
            return True
    if p.declines != 0:
        r.heap_size = queue.push(w.heap, r.heap_size, now, queue.pack(queue.DECLINE, job, prover), r.salt)
        _alarm(w, job, deadline + 1)
        return True
    return False


@njit(forceinline=True)
def _race(w, now, job):
    """Everybody with a free slot starts; the earliest finish will be handed in; the others' work is wasted."""
    r = w.registers[0]
    j = w.jobs[job]
    best, who, best_work = queue.NEVER, -1, 0
    if j.worker >= 0:
        if j.finish > now and j.finish < queue.NEVER and w.provers[j.worker].proves_late != 0:
            best, who, best_work = j.finish, j.worker, j.work  # still at it, though late
        else:
            w.provers[j.worker].wasted += j.work
    soonest = queue.NEVER
    row = np.uint64(r.seed) + dice.RACE_KEY + np.uint64(job * r.provers + 1) * dice.GAMMA
    for k in range(len(w.racers)):
        i = w.racers[k]
        p = w.provers[i]
        if p.free_at > now:
            soonest = min(soonest, p.free_at)
            continue
        if i == j.worker or not _online(w, p, now):
            continue
        work = _work_of(w, p, job, dice.mix(row + np.uint64(i) * dice.GAMMA))
        if work == 0:
            continue
        time = abs(work)
        end = _when_online(w, p, now, time)
        if end >= queue.NEVER:
            continue
        slot, second = _first_slot(w, p)
        _occupy(w, p, slot, second, end)
        w.ends[i] = end
        p.busy += time
        p.wasted += time
        if work > 0 and end < best:
            best, who, best_work = end, i, time
    if who >= 0 and who != j.worker:
        w.provers[who].wasted -= best_work
        if j.worker >= 0 and w.provers[j.worker].proves_late != 0:
            w.provers[j.worker].wasted += j.work
    if r.stop_on_win != 0 and who >= 0:
        _stop_losers(w, now, who, best)
    j.worker, j.finish, j.work = who, best, best_work
    j.turns += 1
    deadline = w.book.deadline[job]
    if j.turns == 1:
        j.first_deadline = deadline
    if best <= deadline:
        _finish(w, job, who, best)
    else:
        _alarm(w, job, min(deadline, max(soonest, now) if who < 0 else deadline) + 1)


@njit
def _stop_losers(w, now, winner, end):
    """Free the slots of those who lost this race at the moment it is won."""
    for k in range(len(w.racers)):
        i = w.racers[k]
        p = w.provers[i]
        if i == winner or w.ends[i] <= end:
            w.ends[i] = 0
            continue
        for slot in range(p.slot, p.slot + p.slots):
            if w.slots[slot] == w.ends[i]:
                saved = w.ends[i] - max(end, now)
                p.busy -= saved
                p.wasted -= saved
                w.slots[slot] = end
                p.free_at = min(p.free_at, end)
                break
        w.ends[i] = 0


@njit(forceinline=True)
def _follow(w, now, job):
    """See what became of `job` and arrange what comes next: work, a race, an alarm, or nothing more."""
    phase = w.book.phase[job]
    if phase == Phase.ASSIGNED:
        prover = w.book.prover[job]
        if w.jobs[job].worker != prover:
            _begin(w, now, job, prover)
        elif w.jobs[job].alarm == 0:
            _alarm(w, job, w.book.deadline[job] + 1)
    elif phase == Phase.OPEN:
        _race(w, now, job)
    elif phase == Phase.SETTLED or phase == Phase.LOST:
        _close(w, now, job)
    elif phase != Phase.NONE:
        _alarm(w, job, w.book.deadline[job] + 1)


@njit(forceinline=True)
def _close(w, now, job):
    """`job` is final: count it, and ask for the next one if requests wait for each other."""
    r = w.registers[0]
    j = w.jobs[job]
    prover = w.book.prover[job]
    r.live -= 1
    if w.book.phase[job] == Phase.SETTLED and prover >= 0 and prover < r.provers:
        w.provers[prover].wins += 1
    elif j.worker >= 0:
        w.provers[j.worker].wasted += j.work
    _ask_next(w, now)


@njit(forceinline=True)
def _ask_next(w, now):
    """In a closed loop the next request comes a pause after an answer."""
    r = w.registers[0]
    if r.listed == 0 and r.next_job < r.jobs:
        at = now + w.arrive[r.next_job]
        if at <= r.horizon:
            r.heap_size = queue.push(w.heap, r.heap_size, at, queue.pack(queue.ASK, r.next_job, 0), r.salt)
            r.next_job += 1
            r.live += 1


@njit
def _log_slash(w, now, actor, amount):
    """Record a slash; the log keeps the first ones it has room for."""
    count = w.slashes[0]
    if 3 * count + 4 <= len(w.slashes):
        w.slashes[3 * count + 1] = now
        w.slashes[3 * count + 2] = actor
        w.slashes[3 * count + 3] = amount
    w.slashes[0] = count + 1


@njit(forceinline=True)
def _slashed(w, actor):
    """All that was taken from `actor` and from those who delegated to it."""
    return w.book.slashed[actor] + (w.pool_slashed[actor] if len(w.pool_slashed) > 0 else 0)


@njit
def _buy(rule, context, w, now, job):
    """The worker pays the helper that proved `job` for it."""
    worker = w.jobs[job].worker
    price = w.provers[worker].helper_price
    _act(rule, context, w, np.int64(Kind.TRANSFER), now, worker, job, price, w.jobs[job].helper, 0)


@njit(nogil=True, cache=True)
def run(rule, context, world, budget):
    """Handle up to `budget` events; return why it came back (DONE, EPOCH_DUE, PAUSED, TRACE_FULL, QUEUE_FULL)."""
    w = _world_at(world)
    r = w.registers[0]
    for _ in range(budget):
        arrival = w.arrive[r.next_job] if r.next_job < r.listed else queue.NEVER
        first = w.heap[0] if r.heap_size > 0 else queue.NEVER
        if arrival >= queue.NEVER and (r.live == 0 or first >= queue.NEVER):
            return DONE
        if r.tracing != 0 and 7 * (r.traced + 4) > len(w.trace):
            return TRACE_FULL
        if 2 * (r.heap_size + 4) > len(w.heap):
            return QUEUE_FULL
        word = 0
        if arrival < first:
            now = arrival
            job = r.next_job
            r.next_job += 1
            kind = np.int64(Kind.REQUEST)
        else:
            now = first
            key = w.heap[1]
            r.heap_size = queue.pop(w.heap, r.heap_size, r.salt)
            what = queue.what_of(key)
            job = queue.job_of(key)
            if what == queue.FINISH:
                kind = np.int64(Kind.PROVE)
            elif what == queue.ALARM:
                if w.jobs[job].alarm != now:
                    continue
                kind = _timer(w, now, job)
                w.jobs[job].alarm = 0
            elif what == queue.EPOCH:
                r.now = now
                if now + r.epoch <= r.horizon:
                    r.heap_size = queue.push(w.heap, r.heap_size, now + r.epoch, key, r.salt)
                return EPOCH_DUE
            else:
                kind = np.int64(Kind.DECLINE) if what == queue.DECLINE else np.int64(Kind.REQUEST)
        r.now = now
        r.events += 1
        amount, detail, actor = 0, 0, -1
        if kind == Kind.REQUEST:
            actor = w.requester[job & r.requester_mask]
            amount = w.max_fee[job & r.fee_mask]
            detail = w.size[job & r.size_mask]
            word = dice.word_of(dice.job_die(r.seed, job, dice.WORD))
            w.jobs[job].worker = -1
            w.jobs[job].helper = -1
            w.jobs[job].asked = now
            r.live += 1 if r.listed > 0 else 0
        elif kind == Kind.PROVE or kind == Kind.DECLINE:
            actor = w.jobs[job].worker
            if actor < 0 or w.book.phase[job] >= Phase.PROVEN:
                continue
            if kind == Kind.DECLINE:
                word = dice.word_of(dice.job_die(r.seed, job + w.jobs[job].turns * r.jobs, dice.WORD))
        if kind >= 0:
            paid = w.book.paid[job]
            phase = w.book.phase[job]
            worker = w.jobs[job].worker
            watched = worker if worker >= 0 and (kind != Kind.PROVE or phase != Phase.ASSIGNED) else ANYONE
            slashed = _slashed(w, watched) if watched >= 0 else 0
            verdict = _act(rule, context, w, kind, now, actor, job, amount, detail, word)
            if verdict != Verdict.OK:
                if kind == Kind.REQUEST:
                    r.live -= 1
                    _ask_next(w, now)
                    continue
                if kind == Kind.DECLINE:
                    w.provers[actor].declines = 0  # this rule takes no refusal
                    w.jobs[job].worker = -1  # so it begins after all
                elif kind == Kind.PROVE:
                    w.jobs[job].finish = queue.NEVER
                else:
                    r.stuck += 1
                    continue
            else:
                if kind == Kind.PROVE:
                    w.jobs[job].proven = now
                    if w.jobs[job].helper >= 0:
                        _buy(rule, context, w, now, job)
                elif kind == Kind.EXPIRE and phase == Phase.ASSIGNED and worker >= 0:
                    w.provers[worker].missed += 1
                gained = w.book.paid[job] - paid
                prover = w.book.prover[job]
                if gained != 0 and prover >= 0 and prover < r.provers:
                    w.provers[prover].income += gained
                if watched >= 0:
                    lost = _slashed(w, watched) - slashed
                    if lost != 0:
                        _log_slash(w, now, watched, lost)
        _follow(w, now, job)
    return PAUSED


@njit(forceinline=True)
def _timer(w, now, job):
    """Which timer of `job` is due: -1 none, somebody else's event already moved it on."""
    phase = w.book.phase[job]
    if now <= w.book.deadline[job] or phase >= Phase.SETTLED:
        return np.int64(-1)
    if phase == Phase.BIDDING:
        return np.int64(Kind.CLOSE)
    if phase == Phase.ASSIGNED or phase == Phase.OPEN:
        return np.int64(Kind.EXPIRE)
    return np.int64(Kind.SETTLE)


@njit(nogil=True, cache=True)
def inject(rule, context, world, events, verdicts):
    """Let the rule answer events about accounts (offers, stakes, delegations): `events` (n, 7), verdicts in place."""
    w = _world_at(world)
    for k in range(len(events)):
        e = events[k]
        verdicts[k] = _act(rule, context, w, e[0], e[1], e[2], e[3], e[4], e[5], e[6])


@njit(nogil=True, cache=True)
def poisson_arrivals(seed, gap, arrive):
    """Fill `arrive` with Poisson arrival times, mean `gap` ticks apart."""
    now = 0
    for job in range(len(arrive)):
        now += np.int64(-np.log(1.0 - dice.uniform_of(dice.job_die(seed, job, dice.ARRIVAL))) * gap)
        arrive[job] = now


@njit(nogil=True, cache=True)
def draw_from_table(seed, table, out):
    """Fill `out[job]` with the size of each job: one of 4096 quantiles in `table`, by the job's own die."""
    for job in range(len(out)):
        out[job] = table[np.int64(dice.job_die(seed, job, dice.SIZE) >> np.uint64(52))]
