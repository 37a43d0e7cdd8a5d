"""Coordinator pull: a trusted coordinator hands tasks to who is idle, and on after a silence (Scroll, ZKsync).

Rules
    OFFER logs a prover in; `detail` is how many tasks it takes at once. REQUEST makes a task and puts its fee aside. An
    idle prover has it at once, by equal lot; if there is none it waits, and who is idle next pulls what waits longest.
    A prover has `limit_ms`, and the coordinator looks every `check_ms`: EXPIRE at the first look after the limit ends
    the attempt, and the task goes to another idle prover, or waits. DECLINE reports a failure: the same, at once. After
    `attempts` attempts a task is LOST. A task that nobody has pulled in `patience_ms` is LOST, too.
    PROVE by the prover of the attempt pays it. The proof is handed over, SETTLE, at the next look at what is ready, one
    every `ready_ms`.
    `block_after` > 0: a prover silent or failing so often in a row is blocked for good.
    `ack_ms` > 0, outsourcing: a task is first offered outside. BID by anybody who is not logged in, within `ack_ms`, is
    an acknowledgement, `amount` the fee; it has `outside_ms` to prove. Without one, or after a failure, the
    coordinator's own provers take over.

Units
    Money gwei, time ms. The size of a task has no meaning to the rule.

Randomness
    `e.word` of REQUEST, CLOSE, EXPIRE and DECLINE, by `ticket_of`, among the idle.

Source
    SCROLL, the default: scroll-tech/scroll@bc8f9db, coordinator/conf/config.json and internal logic. ZKSYNC:
    matter-labs/zksync-era@3e29e4a, prover_job_monitor (looks every 10 s, 10 min for circuit proofs, 5 attempts);
    OUTSOURCING: its eth_proof_manager (acknowledged in 150 s, proven in 4800 s).

Literal or intended
    No difference known. That a task does not go back at once to the prover that just failed, and that blocking follows
    a count (in truth an operator edits a list), are ours.

Simplified
    Provers pull the moment they are idle. Chunks, batches and bundles are requests of their own, made when the tasks
    below are SETTLED. No challenge, token (3600 s) or version check at login. Who may acknowledge, and
    how one of two networks is chosen, is not in the source: the first does. No archive, no ten transaction attempts, no
    limit of 300 s to be picked, no autoscaler.

Failure modes
    A silent prover keeps a task for the whole limit (#1761): busy cannot be told from dead (#325). Each loss needs
    `attempts` silences, f^5; provers that fail together lose tasks together. Everything hangs on the coordinator.
"""

from typing import NamedTuple

from proofyard.core import (
    ANYONE,
    MAX_CAPACITY,
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    Kind,
    Once,
    Phase,
    Verdict,
    ask,
    assign,
    check,
    lose_job,
    open_bidding,
    out_of_range,
    pay,
    refund,
    spec,
    ticket_of,
)

SOURCE = "Scroll coordinator, scroll-tech/scroll@bc8f9db; ZKsync job monitor, matter-labs/zksync-era@3e29e4a"
FAMILY = "assignment"

INSIDE, OFFERED, OUTSIDE = 0, 1, 2  # `stage`: of the coordinator's own provers, offered outside, acknowledged
NOBODY = -1  # no prover is idle
MAX_MS = 2**40
WEEK = 604_800_000  # ms


class Params(NamedTuple):
    """Defaults: Scroll."""

    attempts: int = 5  # session attempts of a task
    limit_ms: int = 180_000  # ms an attempt may take, collection time
    check_ms: int = 2_000  # ms between looks at attempts that take too long
    ready_ms: int = 10_000  # ms between looks at what the next level can begin with
    patience_ms: int = WEEK  # ms a task waits for an idle prover (no such limit in the source)
    block_after: int = 0  # silences and failures in a row that block a prover; 0 = never
    fee_gwei: int = 0  # gwei a task, 0 = all that the request offers
    ack_ms: int = 0  # ms for an acknowledgement from outside; 0 = tasks are not outsourced
    outside_ms: int = 4_800_000  # ms from the acknowledgement to the proof


class State(NamedTuple):
    """The book, the provers, the attempts, and the tasks that wait."""

    book: Book
    capacity: ByActor  # tasks at once; 0 = not logged in
    open_jobs: ByActor  # attempts under way
    silences: ByActor  # silences and failures since its last proof
    reward: ByJob  # gwei for the proof (a price, not money)
    stage: ByJob  # INSIDE, OFFERED, OUTSIDE
    tried: ByJob  # attempts that failed
    last: ByJob  # actor + 1 of the last of these; 0 = none
    since: ByJob  # ms, when it began to wait
    queued: ByJob  # 1 = in the queue, though it may have been taken out of turn
    next: ByJob  # the one behind it in the queue, job + 1; 0 = none
    head: Once  # of the queue, job + 1; 0 = empty
    tail: Once  # likewise
    woken: Once  # the task that this event gave to a prover besides its own, job + 1; 0 = none


SCROLL = Params()
ZKSYNC = SCROLL._replace(limit_ms=600_000, check_ms=10_000)
OUTSOURCING = ZKSYNC._replace(ack_ms=150_000)


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "attempts": (1, 2**20), "patience_ms": (1, MAX_MS), "block_after": (0, 2**20), "fee_gwei": (0, MAX_GWEI),
        "ack_ms": (0, MAX_MS),
    }  # fmt: skip
    return out_of_range(p, limits, (1, MAX_MS))


# Who is idle, and what waits.


@spec
def is_idle(p: Params, s: State, actor: int) -> bool:
    """Say whether `actor` is logged in, not blocked, and would pull a task."""
    blocked = p.block_after > 0 and s.silences[actor] >= p.block_after
    return s.open_jobs[actor] < s.capacity[actor] and not blocked


@spec
def draw_idle(p: Params, s: State, but: int, word: int) -> int:
    """Draw an idle prover, not `but`; NOBODY if there is none."""
    count = 0
    for actor in range(len(s.capacity)):
        count += is_idle(p, s, actor) and actor != but
    ticket = ticket_of(word, count)
    for actor in range(len(s.capacity)):
        if is_idle(p, s, actor) and actor != but:
            if ticket == 0:
                return actor
            ticket -= 1
    return NOBODY


@spec
def next_look(now: int, every: int) -> int:
    """Last ms before the first look after `now`."""
    return (now // every + 1) * every - 1


@spec
def begin(p: Params, s: State, job: int, prover: int, now: int) -> None:
    """Start an attempt."""
    s.open_jobs[prover] += 1
    assign(s.book, job, prover, next_look(now + p.limit_ms, p.check_ms))


@spec
def hand_out(p: Params, s: State, job: int, but: int, e: Event) -> None:
    """Give the task to an idle prover other than `but`, or let it wait."""
    b = s.book
    waited_before = b.phase[job] == Phase.BIDDING and s.stage[job] == INSIDE
    s.stage[job] = INSIDE
    prover = draw_idle(p, s, but, e.word)
    if prover != NOBODY:
        begin(p, s, job, prover, e.time)
        return
    if not waited_before:
        s.since[job] = e.time
    b.phase[job] = Phase.BIDDING
    b.prover[job] = ANYONE
    waited = e.time - s.since[job]  # looks become rarer: a prover that is idle again pulls by itself
    b.deadline[job] = min(e.time + max(p.check_ms, waited // 4), s.since[job] + p.patience_ms)
    if s.queued[job] == 0:
        s.queued[job], s.next[job] = 1, 0
        if s.head[0] == 0:
            s.head[0] = job + 1
        else:
            s.next[s.tail[0] - 1] = job + 1
        s.tail[0] = job + 1


@spec
def pull(p: Params, s: State, prover: int, now: int) -> None:
    """Let a prover that is idle take what waits longest, but not what it has just failed."""
    while s.head[0] > 0 and is_idle(p, s, prover):
        job = int(s.head[0]) - 1
        waits = s.book.phase[job] == Phase.BIDDING and s.stage[job] == INSIDE and now <= s.since[job] + p.patience_ms
        if waits and s.last[job] == prover + 1:
            return
        s.head[0] = s.next[job]
        s.queued[job] = 0
        if waits:
            begin(p, s, job, prover, now)
            s.woken[0] = job + 1
            return


# The life of a task.


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Put the fee aside, and hand the task out, or offer it outside first."""
    fee = e.amount if p.fee_gwei == 0 else p.fee_gwei
    if fee > e.amount:
        return Verdict.TOO_DEAR
    ask(s.book, e, fee)
    s.reward[e.job] = fee
    s.woken[0] = 0
    if p.ack_ms == 0:
        hand_out(p, s, e.job, NOBODY, e)
        return Verdict.OK
    s.stage[e.job] = OFFERED
    open_bidding(s.book, e.job, e.time + p.ack_ms)
    return Verdict.OK


@spec
def acknowledge(p: Params, s: State, e: Event) -> Verdict:
    """Give a task that is offered outside to the first who takes it."""
    if p.ack_ms == 0:
        return Verdict.UNKNOWN
    if s.stage[e.job] != OFFERED:
        return Verdict.WRONG_PHASE
    if s.capacity[e.actor] > 0:
        return Verdict.NOT_YOURS
    if e.amount > s.reward[e.job]:
        return Verdict.TOO_DEAR
    s.woken[0] = 0
    s.reward[e.job] = e.amount
    s.stage[e.job] = OUTSIDE
    assign(s.book, e.job, e.actor, e.time + p.outside_ms)
    return Verdict.OK


@spec
def fail(p: Params, s: State, e: Event) -> None:
    """End an attempt, by silence or by report: the task goes on, its prover pulls another."""
    b, job = s.book, e.job
    prover = int(b.prover[job])
    s.woken[0] = 0
    if s.stage[job] == OUTSIDE:
        s.reward[job] = b.escrow[job]
        hand_out(p, s, job, NOBODY, e)
        return
    s.open_jobs[prover] -= 1
    s.silences[prover] += 1
    s.tried[job] += 1
    s.last[job] = prover + 1
    if s.tried[job] >= p.attempts:
        lose_job(s.book, job)
    else:
        hand_out(p, s, job, prover, e)
    pull(p, s, prover, e.time)


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Pay for the proof, which is handed over at the next look; its prover pulls another task."""
    b, job = s.book, e.job
    if b.phase[job] != Phase.ASSIGNED:
        return Verdict.WRONG_PHASE
    pay(b, job, int(s.reward[job]))
    refund(b, job)
    b.phase[job] = Phase.PROVEN
    b.deadline[job] = next_look(e.time, p.ready_ms)
    s.woken[0] = 0
    if s.stage[job] == INSIDE:
        s.open_jobs[e.actor] -= 1
        s.silences[e.actor] = 0
        pull(p, s, e.actor, e.time)
    return Verdict.OK


@spec
def close(p: Params, s: State, e: Event) -> None:
    """Look again for an idle prover, whoever it is; after all the patience, give up."""
    s.woken[0] = 0
    if s.stage[e.job] == INSIDE and e.time > s.since[e.job] + p.patience_ms:
        lose_job(s.book, e.job)
    else:
        hand_out(p, s, e.job, NOBODY, e)


@spec
def log_in(p: Params, s: State, e: Event) -> Verdict:
    """Log a prover in; it pulls a task if one waits."""
    if e.detail < 1 or e.detail > MAX_CAPACITY:
        return Verdict.BAD_DETAIL
    s.capacity[e.actor] = e.detail
    s.woken[0] = 0
    pull(p, s, e.actor, e.time)
    return Verdict.OK


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.OFFER:
        return log_in(p, s, e)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.BID:
        return acknowledge(p, s, e)
    if e.kind == Kind.PROVE:
        return prove(p, s, e)
    if e.kind == Kind.CLOSE:
        close(p, s, e)
    elif e.kind == Kind.EXPIRE or e.kind == Kind.DECLINE:
        fail(p, s, e)
    elif e.kind == Kind.SETTLE:
        s.book.phase[e.job] = Phase.SETTLED
        s.woken[0] = 0
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
