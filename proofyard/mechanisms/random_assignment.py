"""Random assignment: a job goes to one prover by equal lot, a second lot after a miss, and a miss costs the place.

Rules
    A prover joins the set by OFFER (capacity; the price is ignored, the network sets it) and by staking
    `min_stake_gwei`. REQUEST fixes the most time the work may take, `window_ms` and `ms_per_mgas` for its size, and
    locks the fee: `compute_gwei` a second of that time, times `resources`; with `compute_gwei = 0` all that the request
    offers. `tx_gwei` more is the network's at once. One prover is drawn, each member alike, but none that was drawn in
    the round before (a round is a request, or `round_ms`), unless nobody else is there.
    The drawn one has `accept_ms` to decline (DECLINE); another is then drawn. More than one DECLINE in `week_ms`, or
    more than four in `month_ms`, costs the place in the set. Under `standing = 0` it must accept (BID, detail 0; detail
    1 declines) and, if it is silent, is removed and another is drawn.
    PROVE in time pays the fee and `network_rate` of it on top. After a miss one fallback is drawn, with as much time
    again: if it proves, `refund_rate` of the fee goes back to the requester, it is paid the whole fee all the same,
    and the first prover is removed. If it misses too, or there is nobody to draw, the fee is burnt.
    A REQUEST of nothing is the network's test: it goes to the member that was idle longest, if that is `idle_ms` or
    more and `use_bips` of all members have work. PROVE passes it, unpaid; who misses it is removed.
    Who is removed, or leaves (UNSTAKE, whatever the amount), has its stake back by WITHDRAW after `cooldown_ms`.

Units
    money gwei, time ms, rates bips. Times and the unnamed amounts are assumptions: the documents give none but 3
    blocks, a week and a month.

Randomness
    `e.word` of REQUEST, and of whatever draws again (DECLINE, BID, CLOSE, EXPIRE), by `ticket_of`.

Source
    gevulotnetwork/gevulot-docs @1b722dc (2025-03), zkcloud-design/{execution-guarantees,provers,fees}.md; documents,
    no contract was read.

Literal or intended
    The documents pay the fallback the regular reward and also give half of the fee back: the half that is missing is
    minted from `book.reserve`, as far as it goes (`minted_refund = 0`: the fallback gets what is left of the fee).
    They remove the first prover where the fallback succeeds and say nothing of two that fail; `remove_both = 1` takes
    them both for silent. Nobody but a fallback can show that the time was long enough.

Simplified
    The test on joining, custom prover sets and pay for verifying are left out. Tests are asked for by whoever runs the
    market; the documents do not say what failing one means, removal is our reading. Redundancy is the user's, as there:
    the same work requested again. Only the first prover and the last that was drawn are kept from a further lot of the
    same job. Without anybody left to draw before a first acceptance the fee goes back.

Failure modes
    No price: every prover has the same share of jobs, whatever it costs or how fast it is. A time that is too short
    burns the fee of an honest requester and no prover is to blame. A miss is punished only by removal, so a prover
    that can join again at once loses nothing but the cooldown of its stake.
"""

from typing import NamedTuple

from proofyard.core import (
    BIPS,
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    GweiByActor,
    Kind,
    Once,
    Phase,
    Verdict,
    ask,
    assign,
    bips_of,
    check,
    move,
    mul_div,
    out_of_range,
    pay,
    refund,
    spec,
    take_out_matured,
    ticket_of,
)

SOURCE = "Gevulot / ZkCloud, gevulotnetwork/gevulot-docs@1b722dc (documents)"
FAMILY = "assignment"

TOKEN = 10**9  # gwei
MINUTE = 60_000  # ms
DAY = 24 * 60 * MINUTE
MAX_MS = 2**48  # ms; sums of times stay far below 2**63
MAX_SIZE = 2**40  # units of size
MEGA = 10**6
SECOND = 1_000  # ms
NOBODY = -1
FIRST_ROUND = 2  # so that a fresh actor, whose round is 0, was not in the one before


class Params(NamedTuple):
    """Defaults: what the documents say, and assumptions where they say nothing."""

    window_ms: int = 10 * MINUTE  # ms the work may take at most, whatever its size
    ms_per_mgas: int = 0  # ms more for each million units of size
    compute_gwei: int = 0  # gwei per second of that time, 0 = the request names its fee
    resources: int = BIPS  # bips, multiplier for the resources asked for
    tx_gwei: int = 0  # gwei of every request for the network
    network_rate: int = 0  # bips of the fee minted for who proves (a fixed percentage; the documents do not say which)
    refund_rate: int = 5_000  # bips of the fee that go back when a fallback had to prove
    minted_refund: int = 1  # switch: 0 = the fallback is paid only what the refund leaves
    remove_both: int = 0  # switch: 1 = first prover and fallback are both removed when both miss
    accept_ms: int = 18_000  # ms to accept or decline: 3 blocks (of 6 s, an assumption)
    standing: int = 1  # switch: 0 = a prover must accept, 1 = who does not decline has accepted
    round_ms: int = 0  # ms of a round whose provers sit out the next, 0 = every request is a round
    week_ms: int = 7 * DAY  # ms in which one job may be declined, 0 = no limit
    month_ms: int = 30 * DAY  # ms in which four may be declined, 0 = no limit
    respect_capacity: int = 0  # switch: 1 = who has as many jobs as it declared is not drawn
    idle_ms: int = 180 * MINUTE  # ms without work after which a member may be tested, 0 = no tests
    use_bips: int = 7_000  # bips of the members that must have work for a test
    min_stake_gwei: int = TOKEN  # gwei a member needs
    cooldown_ms: int = 7 * DAY  # ms a stake stays locked after leaving
    supply_gwei: int = 10**17  # gwei the network can mint


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # locked by a member, or by who wants to be one
    exiting: GweiByActor  # in its cooldown
    matures: ByActor  # ms, from when it can be withdrawn
    price: ByActor  # gwei, as offered: ignored
    capacity: ByActor  # proofs at once, as declared; 0 = no offer
    open_jobs: ByActor  # drawn for, neither proven nor missed nor declined
    seat: ByActor  # 1 = member of the set
    churn: Once  # how often a prover joined or left the set
    last_round: ByActor  # round it was last drawn in
    round: Once  # of the last request
    declined_last: ByActor  # ms + 1 of its last DECLINE, 0 = none
    declined_second: ByActor  # ms + 1 of the one before
    declined_third: ByActor  # ms + 1 of the one before that
    declined_fourth: ByActor  # ms + 1 of the one before that
    drawn_at: ByJob  # ms of the last draw
    first: ByJob  # actor that missed it first, + 1; 0 = nobody yet
    time_allowed: ByJob  # ms the work may take
    idle_since: ByActor  # ms, when it joined or last had work
    test: ByJob  # 1 = a test


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "window_ms": (1, MAX_MS), "ms_per_mgas": (0, 2**24), "compute_gwei": (0, 2**40), "resources": (1, 2**22),
        "tx_gwei": (0, MAX_GWEI), "network_rate": (0, BIPS), "refund_rate": (0, BIPS), "use_bips": (0, BIPS),
        "accept_ms": (1, MAX_MS),
"min_stake_gwei": (1, MAX_GWEI), "supply_gwei": (0, MAX_GWEI // 2),
    }  # fmt: skip
    for name in ("minted_refund", "remove_both", "standing", "respect_capacity"):
        limits[name] = (0, 1)
    return out_of_range(p, limits, (0, MAX_MS))


def genesis(p: Params, s: State) -> None:
    """Put aside what the network mints."""
    s.book.reserve[0] = p.supply_gwei


# The set.


@spec
def join(p: Params, s: State, actor: int, time: int) -> None:
    """Make `actor` a member once it has offered and staked."""
    if s.seat[actor] == 0 and s.capacity[actor] > 0 and s.stake[actor] >= p.min_stake_gwei:
        s.seat[actor] = 1
        s.idle_since[actor] = time
        s.churn[0] += 1


@spec
def remove(p: Params, s: State, actor: int, time: int) -> None:
    """Take `actor` out of the set; its stake starts to cool down and it has to offer and stake anew."""
    if s.seat[actor] > 0:
        s.seat[actor] = 0
        s.churn[0] += 1
    if s.stake[actor] > 0:
        move(s.stake, actor, s.exiting, actor, s.stake[actor])
        s.matures[actor] = time + p.cooldown_ms
    s.capacity[actor] = 0


@spec
def account(p: Params, s: State, e: Event) -> Verdict:
    """Join, leave, and take out what has cooled down."""
    actor = e.actor
    if e.kind == Kind.OFFER:
        if e.detail < 1 or e.detail > MAX_SIZE:
            return Verdict.BAD_DETAIL
        s.price[actor] = e.amount
        s.capacity[actor] = e.detail
    elif e.kind == Kind.STAKE:
        move(s.book.cash, actor, s.stake, actor, e.amount)
    elif e.kind == Kind.UNSTAKE:
        if s.stake[actor] == 0:
            return Verdict.POOR
        remove(p, s, actor, e.time)
    elif e.kind == Kind.WITHDRAW:
        verdict = take_out_matured(s.book, s.exiting, s.matures, e)
        if verdict != Verdict.OK:
            return verdict
    else:
        return Verdict.UNKNOWN
    join(p, s, actor, e.time)
    return Verdict.OK


# Drawing.


@spec
def is_free(p: Params, s: State, actor: int, first: int, last: int, barred: int) -> bool:
    """Tell whether `actor` can be drawn: a member, none of two others, not drawn in the round `barred`."""
    if s.seat[actor] == 0 or actor in (first, last) or s.last_round[actor] == barred:
        return False
    return p.respect_capacity == 0 or s.open_jobs[actor] < s.capacity[actor]


@spec
def draw(p: Params, s: State, word: int, first: int, last: int, barred: int) -> int:
    """Draw one of those who are free, each alike; NOBODY if there is none."""
    count = 0
    for actor in range(len(s.seat)):
        if is_free(p, s, actor, first, last, barred):
            count += 1
    if count == 0:
        return NOBODY
    ticket = ticket_of(word, count)
    for actor in range(len(s.seat)):
        if is_free(p, s, actor, first, last, barred):
            if ticket == 0:
                return actor
            ticket -= 1
    return NOBODY


@spec
def give(p: Params, s: State, e: Event, prover: int) -> None:
    """Give the job of `e` to `prover`, or ask it whether it accepts."""
    b, job = s.book, e.job
    s.last_round[prover] = e.time // p.round_ms + FIRST_ROUND if p.round_ms > 0 else s.round[0]
    s.open_jobs[prover] += 1
    s.drawn_at[job] = e.time
    assign(b, job, prover, e.time + s.time_allowed[job])
    if p.standing == 0:
        b.phase[job] = Phase.BIDDING
        b.deadline[job] = e.time + p.accept_ms


@spec
def release(s: State, prover: int, time: int) -> None:
    """Take a job off `prover`: if it was the last, it is idle from now."""
    s.open_jobs[prover] -= 1
    s.idle_since[prover] = time


@spec
def find_idle(p: Params, s: State, time: int) -> int:
    """Find who is to be tested: the member idle longest, if long enough while enough others work; NOBODY if none."""
    members, busy, idle = 0, 0, NOBODY
    for actor in range(len(s.seat)):
        if s.seat[actor] == 0:
            continue
        members += 1
        if s.open_jobs[actor] > 0:
            busy += 1
        elif idle == NOBODY or s.idle_since[actor] < s.idle_since[idle]:
            idle = actor
    if p.idle_ms == 0 or idle == NOBODY or busy * BIPS < members * p.use_bips:
        return NOBODY
    return idle if time - s.idle_since[idle] >= p.idle_ms else NOBODY


@spec
def give_on(p: Params, s: State, e: Event) -> None:
    """Draw another prover in place of the last; without one the fee goes back, or is burnt after a miss."""
    b, job = s.book, e.job
    last = int(b.prover[job])
    release(s, last, e.time)
    prover = draw(p, s, e.word, s.first[job] - 1, last, NOBODY)
    if prover != NOBODY:
        give(p, s, e, prover)
        return
    if s.first[job] == 0:
        refund(b, job)
    else:
        move(b.escrow, job, b.burnt, 0, b.escrow[job])
    b.phase[job] = Phase.LOST


# The life of a job.


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Lock the fee for the time the work may take, and draw."""
    if e.detail < 0 or e.detail > MAX_SIZE:
        return Verdict.BAD_DETAIL
    allowed = p.window_ms + mul_div(e.detail, p.ms_per_mgas, MEGA)
    if e.amount == 0:
        return begin_test(p, s, e, allowed)
    fee = e.amount - p.tx_gwei
    if p.compute_gwei > 0:
        fee = mul_div(allowed, p.compute_gwei * p.resources, SECOND * BIPS)
    if e.amount < p.tx_gwei or fee > e.amount - p.tx_gwei:
        return Verdict.TOO_DEAR
    if fee < 1:
        return Verdict.BAD_AMOUNT
    number = e.time // p.round_ms + FIRST_ROUND if p.round_ms > 0 else max(s.round[0] + 1, FIRST_ROUND)
    prover = draw(p, s, e.word, NOBODY, NOBODY, number - 1)
    if prover == NOBODY:
        prover = draw(p, s, e.word, NOBODY, NOBODY, NOBODY)
    if prover == NOBODY:
        return Verdict.NO_PROVER
    ask(s.book, e, fee)
    move(s.book.cash, e.actor, s.book.reserve, 0, p.tx_gwei)
    s.round[0] = number
    s.time_allowed[e.job] = allowed
    give(p, s, e, prover)
    return Verdict.OK


@spec
def begin_test(p: Params, s: State, e: Event, allowed: int) -> Verdict:
    """Give whoever is idle too long work that nobody pays for."""
    prover = find_idle(p, s, e.time)
    if prover == NOBODY:
        return Verdict.NO_PROVER
    ask(s.book, e, 0)
    s.test[e.job] = 1
    s.open_jobs[prover] += 1
    assign(s.book, e.job, prover, e.time + allowed)
    return Verdict.OK


@spec
def bid(p: Params, s: State, e: Event) -> Verdict:
    """Accept, or decline, what one was drawn for."""
    if e.detail < 0 or e.detail > 1:
        return Verdict.BAD_DETAIL
    if s.book.prover[e.job] != e.actor:
        return Verdict.NOT_YOURS
    if e.detail == 1:
        decline(p, s, e)
    else:
        assign(s.book, e.job, e.actor, e.time + s.time_allowed[e.job])
    return Verdict.OK


@spec
def decline(p: Params, s: State, e: Event) -> None:
    """Draw another; who declines too often is removed."""
    actor = e.actor
    too_soon = s.declined_last[actor] > 0 and e.time < s.declined_last[actor] - 1 + p.week_ms
    too_many = s.declined_fourth[actor] > 0 and e.time < s.declined_fourth[actor] - 1 + p.month_ms
    if too_soon or too_many:
        remove(p, s, actor, e.time)
    s.declined_fourth[actor] = s.declined_third[actor]
    s.declined_third[actor] = s.declined_second[actor]
    s.declined_second[actor] = s.declined_last[actor]
    s.declined_last[actor] = e.time + 1
    give_on(p, s, e)


@spec
def prove(p: Params, s: State, e: Event) -> None:
    """Pay the fee; if it took a fallback, half of it goes back and the first prover goes."""
    b, job = s.book, e.job
    fee = int(b.escrow[job])
    missing = 0
    if s.first[job] > 0:
        back = bips_of(fee, p.refund_rate)
        move(b.escrow, job, b.cash, b.requester[job], back)
        missing = back * p.minted_refund
        remove(p, s, s.first[job] - 1, e.time)
    pay(b, job, b.escrow[job])
    minted = min(missing + bips_of(fee, p.network_rate), b.reserve[0])
    move(b.reserve, 0, b.cash, e.actor, minted)
    b.paid[job] += minted
    release(s, e.actor, e.time)
    b.phase[job] = Phase.SETTLED


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Draw a fallback; after a second miss burn the fee."""
    b, job = s.book, e.job
    prover = int(b.prover[job])
    if s.test[job] == 1:
        remove(p, s, prover, e.time)
    elif s.first[job] == 0:
        s.first[job] = prover + 1
        give_on(p, s, e)
        return
    elif p.remove_both == 1:
        remove(p, s, s.first[job] - 1, e.time)
        remove(p, s, prover, e.time)
    release(s, prover, e.time)
    move(b.escrow, job, b.burnt, 0, b.escrow[job])
    b.phase[job] = Phase.LOST


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind < Kind.REQUEST:
        return account(p, s, e)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.BID:
        return bid(p, s, e)
    if e.kind == Kind.DECLINE:
        if e.time > s.drawn_at[e.job] + p.accept_ms or p.standing == 0 or s.test[e.job] == 1:
            return Verdict.LATE  # it has accepted
        decline(p, s, e)
    elif e.kind == Kind.CLOSE:
        remove(p, s, s.book.prover[e.job], e.time)
        give_on(p, s, e)
    elif e.kind == Kind.PROVE:
        prove(p, s, e)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
