"""The compiled loop: requests arrive, provers work, timers run out, the rule answers. It knows no rule.

One run is one thread; `run` returns to Python every `budget` events, at every epoch, and when a buffer is full, and is
called again to go on where it stopped: all it knows is in the arrays of `World`.
"""

from proofyard.core.arith import mul_div
from proofyard.core.book import Ints
from proofyard.core.event import Kind, Phase, Verdict
from proofyard.engine import claims, dice, queue
from proofyard.engine.ahead import fetch, look_ahead
from proofyard.engine.compile import aside, entry, inlined, integer
from proofyard.engine.layout import (
    DONE,
    EPOCH_DUE,
    PAUSED,
    QUEUE_FULL,
    RUNNING,
    TRACE_FULL,
    VERDICTS,
    World,
    call,
)
from proofyard.engine.mind import ACCEPT, asked
from proofyard.engine.race import race
from proofyard.engine.vote import call_ballot
from proofyard.engine.work import alarm, begin, estimate, finish, is_online
from proofyard.policies.view import Moment

_NOTHING, _EPOCH = -1, -2  # instead of a kind: only look at the job; hand the epoch to Python
_STALE = -3  # an event that no longer counts
_ROOM = 4  # events that one step may add to a buffer
_EVENT = 7  # words


@inlined
def _act(
    rule: int, context: int, w: World, kind: int, now: int, actor: int, job: int, amount: int, detail: int, word: int
) -> int:
    """Let the rule answer one event; count the verdict, record what was accepted."""
    e = w.event
    e[0], e[1], e[2], e[3], e[4], e[5], e[6] = kind, now, actor, job, amount, detail, word
    verdict = call(rule, context, e)
    w.counts[kind * VERDICTS + verdict] += 1
    r = w.registers[0]
    if r.tracing != 0 and verdict == Verdict.OK:
        for k in range(_EVENT):
            w.trace[_EVENT * r.traced + k] = e[k]
        r.traced += 1
    return verdict


@inlined
def _why_stop(w: World, arrival: int, first: int) -> int:
    """Why the loop cannot go on now, or RUNNING."""
    r = w.registers[0]
    if arrival >= queue.NEVER and (r.live == 0 or first >= queue.NEVER):
        return DONE
    if r.tracing != 0 and _EVENT * (r.traced + _ROOM) > len(w.trace):
        return TRACE_FULL
    if 2 * (r.heap_size + _ROOM + r.every_proof * len(w.racers) + len(w.vote_at) + len(w.watchers)) > len(w.heap):
        return QUEUE_FULL
    return RUNNING


@inlined
def _next(w: World, arrival: int, first: int) -> tuple[int, int, int]:
    """Take the next event: its kind (or _NOTHING, _EPOCH, _STALE), its job and prover; the clock moves to it."""
    r = w.registers[0]
    if arrival < first:
        r.now = arrival
        job = r.next_job
        r.next_job += 1
        r.live += 1
        if len(w.lots) > 0:
            look_ahead(w, job)
        return integer(Kind.REQUEST), job, integer(-1)
    r.now = first
    key = w.heap[1]
    r.heap_size = queue.pop(w.heap, r.heap_size, r.salt)
    fetch(w, w.heap[1])
    what, job, prover = queue.what_of(key), queue.job_of(key), queue.prover_of(key)
    if what == queue.FINISH:
        phase = w.book.phase[job]
        alone = r.every_proof == 0
        stale = phase >= Phase.SETTLED or (alone and (phase >= Phase.PROVEN or w.jobs[job].worker != prover))
        return integer(_STALE) if stale else integer(Kind.PROVE), job, prover
    if what == queue.ALARM:
        return _timer(w, first, job), job, integer(-1)
    if what == queue.EPOCH:
        if first + r.epoch <= r.horizon:
            r.heap_size = queue.push(w.heap, r.heap_size, first + r.epoch, key, r.salt)
        return integer(_EPOCH), job, prover
    if what == queue.ASK:
        return integer(Kind.REQUEST), job, integer(-1)
    if what == queue.DECLINE:
        kind, stale = integer(Kind.DECLINE), w.book.phase[job] != Phase.ASSIGNED
    elif what == queue.VOTE:
        kind, stale = integer(Kind.VOTE), w.vote_at[prover] != first
    elif what == queue.LOOK:
        kind, stale = integer(Kind.CONTEST), not claims.contests(w, job, prover)
    else:
        kind, stale = integer(Kind.PROVE), w.book.phase[job] != Phase.CONTESTED
    return integer(_STALE) if stale else kind, job, prover


@inlined
def _timer(w: World, now: int, job: int) -> int:
    """Which timer of `job` is due; _NOTHING when somebody else's event already moved the job on."""
    if w.jobs[job].alarm != now:
        return integer(_STALE)
    w.jobs[job].alarm = 0
    phase = w.book.phase[job]
    if now <= w.book.deadline[job] or phase >= Phase.SETTLED:
        return integer(_NOTHING)
    if phase == Phase.BIDDING:
        return integer(Kind.CLOSE)
    if phase == Phase.ASSIGNED or phase == Phase.OPEN:
        return integer(Kind.EXPIRE)
    return integer(Kind.SETTLE)


@inlined
def _answer(rule: int, context: int, w: World, kind: int, job: int, prover: int) -> bool:
    """Let the rule answer the event of `kind` about `job`, keep the accounts, and say whether to follow the job up.

    `prover` is who acts, where a prover does: taken from the queue, it is known before the job's row is.
    """
    r = w.registers[0]
    j = w.jobs[job]
    now, actor, amount, detail, word = r.now, prover, 0, 0, 0
    if kind == Kind.REQUEST:
        actor = w.requester[job & r.requester_mask]
        amount = w.max_fee[job & r.fee_mask]
        detail = w.size[job & r.size_mask]
        word = dice.word_of(dice.job_die(r.seed, job, dice.WORD))
        j.asked, j.assigned, j.worker, j.helper = now, -1, -1, -1
    elif kind == Kind.PROVE:
        detail = w.part[job * r.provers + prover] if len(w.part) > 0 else 0
        if len(w.lookers) > 0 and r.every_proof == 0 and w.book.phase[job] == Phase.OPEN:
            actor = _who_hands_in(w, job, prover)
        if len(w.claims) > 0:
            detail, word = claims.tier_of(w, job, actor), claims.claimed(w, job, actor)
    else:  # the rule may draw, or draw again
        word = dice.word_of(dice.job_die(r.seed, job + j.turns * r.jobs, dice.WORD))
        if kind == Kind.VOTE:
            detail, word = w.ballot[job], w.choice[job]
            w.vote_at[prover] = -1
    holder, phase = j.assigned, w.book.phase[job]
    watched = holder >= 0 and (kind != Kind.PROVE or phase != Phase.ASSIGNED)
    slashed = _slashed(w, holder) if watched else 0
    verdict = _act(rule, context, w, kind, now, actor, job, amount, detail, word)
    if verdict != Verdict.OK:
        return _refused(w, now, kind, job, prover, verdict)
    if kind == Kind.PROVE:
        if r.every_proof == 0 or j.proven == 0:
            j.proven = now
        if len(w.claims) > 0:
            claims.stands(w, now, job, actor)
        if j.helper >= 0 and phase != Phase.CONTESTED:
            _buy(rule, context, w, now, job)
    elif kind == Kind.CONTEST:
        claims.contested(w, now, job)
    elif kind == Kind.EXPIRE and phase == Phase.ASSIGNED and holder >= 0:
        w.provers[holder].missed += 1
    elif kind == Kind.VOTE and w.ballot[job] == w.called[job] and w.book.deadline[job] + 1 == j.alarm:
        return False  # counted, and nothing came of it yet
    elif kind == Kind.SETTLE and len(w.claims) > 0:
        claims.closed(w, now, job, phase)
    if watched and _slashed(w, holder) != slashed:
        _log_slash(w, now, holder, _slashed(w, holder) - slashed)
    return True


@aside
def _who_hands_in(w: World, job: int, maker: int) -> int:
    """Say who hands in the proof that `maker` has made: the first who sees it on its way and copies it, else itself."""
    j = w.jobs[job]
    for k in range(len(w.lookers)):
        prover = w.lookers[k]
        p = w.provers[prover]
        if prover != maker and asked(w, p, integer(Moment.COPY), prover, job, w.registers[0].now, 0) != 0:
            if j.worker == maker:
                w.provers[maker].wasted += j.work
                j.worker, j.work = prover, 0
            return prover
    return maker


@aside
def _refused(w: World, now: int, kind: int, job: int, prover: int, verdict: int) -> bool:
    """Deal with an event the rule refused; say whether to follow the job up.

    A proof that comes too early is kept and handed in again, after a quarter of the time left each time.
    """
    r = w.registers[0]
    if kind == Kind.REQUEST:
        r.live -= 1
        _ask_next(w, now)
        return False
    if kind == Kind.DECLINE:
        w.provers[w.jobs[job].worker].decides &= ~ACCEPT  # this rule takes no refusal
        w.jobs[job].worker = -1  # so the work begins after all
        return True
    if kind == Kind.PROVE and w.book.phase[job] == Phase.CONTESTED:
        claims.call_judge(w, now, job)
        return False
    if kind == Kind.PROVE:
        left = w.book.deadline[job] - now
        again = now + 1 + left // 4 if verdict == Verdict.EARLY and left > 0 else queue.NEVER
        w.jobs[job].finish = again
        if again < queue.NEVER:
            finish(w, job, prover, again)
        return again >= queue.NEVER
    r.stuck += kind != Kind.VOTE and kind != Kind.CONTEST
    return False


@inlined
def _follow(w: World, now: int, job: int) -> None:
    """See what became of `job` and arrange what comes next: work, a race, an alarm, or nothing more."""
    phase = w.book.phase[job]
    if phase == Phase.ASSIGNED:
        prover = w.book.prover[job]
        if w.jobs[job].worker != prover:
            if w.book.paid[job] != w.jobs[job].credited:
                _credit(w, job, prover)  # what it was paid in advance is its own, whoever proves in the end
            if prover < w.registers[0].provers:
                begin(w, now, job, prover)
            else:  # whoever asks has to prove, and has no machine
                alarm(w, job, w.book.deadline[job] + 1)
        elif w.jobs[job].alarm == 0:
            alarm(w, job, w.book.deadline[job] + 1)
    elif phase == Phase.OPEN:
        race(w, now, job)
    elif phase == Phase.SETTLED or phase == Phase.LOST:
        _close(w, now, job)
    elif phase != Phase.NONE:
        if phase == Phase.BIDDING and w.jobs[job].worker >= 0:
            _take_away(w, job)
        alarm(w, job, w.book.deadline[job] + 1)


@aside
def _take_bids(rule: int, context: int, w: World, now: int, job: int) -> None:
    """Let everybody who bids on single jobs bid on one that takes bids; a refused bid is only counted."""
    for k in range(len(w.bidders)):
        prover = w.bidders[k]
        p = w.provers[prover]
        if w.book.phase[job] == Phase.BIDDING and is_online(w, p, now):
            amount = asked(w, p, integer(Moment.BID), prover, job, queue.NEVER, estimate(w, p, job))
            if amount > 0:
                _act(rule, context, w, integer(Kind.BID), now, prover, job, _priced(w, job, amount), 0, 0)


@inlined
def _priced(w: World, job: int, amount: int) -> int:
    """Say `amount` for the whole of `job` as the rule wants prices told."""
    r = w.registers[0]
    if r.price_units > 0:
        amount = mul_div(amount, r.price_units, w.size[job & r.size_mask])
    return max(r.price_step, amount - amount % r.price_step)


@aside
def _take_away(w: World, job: int) -> None:
    """Let nobody work on `job` until it is given to somebody again, who may be the same."""
    j = w.jobs[job]
    w.provers[j.worker].wasted += j.work
    j.worker, j.work = -1, 0


@aside
def _look_further(w: World, now: int, job: int) -> None:
    """Follow up what the event about `job` did beyond it: to another job, or by calling a ballot."""
    if len(w.woken) > 0 and w.woken[0] > 0:
        other = w.woken[0] - 1
        if w.book.phase[other] < Phase.SETTLED and w.jobs[other].alarm != w.book.deadline[other] + 1:
            alarm(w, other, now)  # the next thing the loop does; following it up here would make the loop slower
    if len(w.ballot) > 0 and w.ballot[job] != w.called[job]:
        call_ballot(w, now, job)


@aside
def _credit(w: World, job: int, prover: int) -> None:
    """Count what was paid for `job` since the last time as income of `prover`."""
    r = w.registers[0]
    if prover < r.provers:
        w.provers[prover].advance += w.book.paid[job] - w.jobs[job].credited
        w.jobs[job].credited = w.book.paid[job]


@inlined
def _close(w: World, now: int, job: int) -> None:
    """Count a job out that is final, and ask for the next one if requests wait for each other.

    Who won it and what it was paid stands in the book; results read it there.
    """
    r = w.registers[0]
    j = w.jobs[job]
    prover = w.book.prover[job]
    r.live -= 1
    j.alarm = 0  # one may still be queued
    won = w.book.phase[job] == Phase.SETTLED
    if j.worker >= 0 and r.every_proof == 0 and (not won or prover < 0):
        w.provers[j.worker].wasted += j.work
    _ask_next(w, now)


@inlined
def _ask_next(w: World, now: int) -> None:
    """In a closed loop, ask again a pause after an answer."""
    r = w.registers[0]
    if r.listed == 0 and r.next_job < r.jobs:
        at = now + w.arrive[r.next_job]
        if at <= r.horizon:
            r.heap_size = queue.push(w.heap, r.heap_size, at, queue.pack(queue.ASK, r.next_job, 0), r.salt)
            r.next_job += 1
            r.live += 1


@aside
def _log_slash(w: World, now: int, actor: int, amount: int) -> None:
    """Record a slash; the log keeps the first ones it has room for."""
    count = w.slashes[0]
    if 3 * count + 4 <= len(w.slashes):
        w.slashes[3 * count + 1] = now
        w.slashes[3 * count + 2] = actor
        w.slashes[3 * count + 3] = amount
    w.slashes[0] = count + 1


@inlined
def _slashed(w: World, actor: int) -> int:
    """Sum up what was taken from `actor` and from those who delegate to it."""
    taken = w.book.slashed[actor]
    if len(w.pool_slashed) > 0:
        taken += w.pool_slashed[actor]
    if len(w.leaving_slashed) > 0:
        taken += w.leaving_slashed[actor]
    return taken


@aside
def _buy(rule: int, context: int, w: World, now: int, job: int) -> None:
    """Let the worker pay the helper that proved `job` for it."""
    p = w.provers[w.jobs[job].worker]
    if p.helper_price > 0:
        kind = integer(Kind.TRANSFER)
        _act(rule, context, w, kind, now, w.jobs[job].worker, job, p.helper_price, w.jobs[job].helper, 0)


@entry
def run(rule: int, context: int, w: World, budget: int) -> int:
    """Handle up to `budget` events; return why it came back (DONE, EPOCH_DUE, PAUSED, TRACE_FULL, QUEUE_FULL).

    `rule` and `context` are addresses: of the compiled rule and of its state.
    """
    r = w.registers[0]
    for _ in range(budget):
        arrival = w.arrive[r.next_job] if r.next_job < r.listed else queue.NEVER
        first = w.heap[0] if r.heap_size > 0 else queue.NEVER
        why = _why_stop(w, arrival, first)
        if why != RUNNING:
            return why
        kind, job, prover = _next(w, arrival, first)
        if kind == _EPOCH:
            return EPOCH_DUE
        if kind == _STALE:
            continue
        r.events += 1
        if kind == _NOTHING or _answer(rule, context, w, kind, job, prover):
            if kind == Kind.REQUEST and len(w.bidders) > 0:
                _take_bids(rule, context, w, r.now, job)
            _follow(w, r.now, job)
            if r.linked != 0:
                _look_further(w, r.now, job)
    return PAUSED


@entry
def inject(rule: int, context: int, w: World, events: Ints, verdicts: Ints) -> None:
    """Let the rule answer events about accounts (offers, stakes, delegations), seven words each; verdicts in place."""
    for k in range(len(verdicts)):
        kind, now, actor, job = events[7 * k], events[7 * k + 1], events[7 * k + 2], events[7 * k + 3]
        amount, detail, word = events[7 * k + 4], events[7 * k + 5], events[7 * k + 6]
        verdicts[k] = _act(rule, context, w, kind, now, actor, job, amount, detail, word)
