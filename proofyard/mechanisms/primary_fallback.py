"""Primary and fallback: one prover drawn by lot is asked to prove, and a drawn committee stands behind it.

Rules
    A prover takes one of 62 seats (OFFER with a capacity; with capacity 0 it leaves, unless it is drawn for something),
    deposits stake (STAKE) and takes free stake back at once (UNSTAKE). Who is seated and has `bond_gwei` free may be
    drawn by REQUEST: first the primary, then up to `committee` others, all equally likely. Who is drawn locks the bond.
    At once (`behind` 0): primary and committee are asked together and prove until `window_ms`.
    Behind (`behind` 1): the primary alone is asked. Its proof within `window_ms` settles the job and nobody else works;
    otherwise it loses its bond, and the committee is asked and has `fallback_ms`.
    Payments depend only on who was asked and came: `primary_gwei` and `member_gwei` for a proof that was asked for, all
    of them, nothing for others (NOT_YOURS). Who was asked and did not come pays its bond, `refund_bips` of it to the
    requester, the rest burnt: the negative payment; with `bond_gwei` 0 there is none. No proof at all: the job is LOST.

Units
    Money gwei, time ms. The size of a job is ignored: payments are per job, as in the model, where a proof costs 1.

Randomness
    `e.word` of REQUEST, by `ticket_of`; the further draws from it go on with a linear congruential generator modulo
    2^62 (Knuth's MMIX), whose high bits `ticket_of` takes.

Equilibrium
    n provers, h of them honest, f = 1 - h / n, cost 1, penalty c, committee k. Payments of 1 make coming, when asked,
    as good as staying away; any bond makes it better. The worst an adversary does is not to come. Then no proof comes
    iff all k + 1 asked are its own: probability C(n - h, k + 1) / C(n, k + 1), close to f^(k + 1). Paid for is
    (k + 1) h / n at once, h / n + f k (h / n) nearly behind: the committee costs only when the primary failed.
    With c f^(k + 1) about 1 the cost is logarithmic in c either way: about ln c / ln (1 / f) members, each at a full
    price at once, at f of it behind. Bonds come back as f (k + 1) times the bond; one of c makes a failure free.

Source
    Bahrani, Neuder, Weinberg, "Adversarial procurement in blockchains" (arXiv 2605.05559v1, 2026-05-07).

Literal or intended
    RECONSTRUCTION. Abstract, opening and others' summaries were read, not the theorems: the model (n, h, unit cost,
    penalty, a random request rule, payments as a function of the proofs submitted), that the optimum designates one
    random node and a committee as a fallback, that its loss grows with the logarithm of the penalty, scaled by the
    adversarial share, that it is within 1 of the optimum where a lottery is within a factor of 2, and that staking
    makes the loss constant. Committee size, who is paid what, and the formulas above are ours. The model is played at
    once; "behind" is how a leader-based protocol would do it, and adds `fallback_ms` to a failed block.

Simplified
    A committee of fixed size drawn without replacement; the paper's may be random. 62 seats. Proofs asked for are worth
    the same whoever brings them. Capacity is not counted.

Failure modes
    Without bonds a seat is free: an adversary with many names has the share f of seats it pays nothing for. Who cannot
    be drawn with a bond in use waits: many open jobs and small stakes leave the committee short. At once, k proofs are
    made and paid that nobody needs. Behind, every failed primary costs its window in time. A primary known beforehand
    can be attacked.
"""

from typing import Annotated, NamedTuple, TypeAlias

from proofyard.core import (
    ANYONE,
    BIPS,
    Book,
    ByActor,
    ByJob,
    Event,
    GweiByActor,
    GweiByJob,
    Ints,
    Kind,
    Phase,
    Verdict,
    ask,
    assign,
    bips_of,
    check,
    lose_job,
    move,
    move_stake,
    open_to_all,
    out_of_range,
    refund,
    slash,
    spec,
    ticket_of,
)

SOURCE = "Bahrani, Neuder and Weinberg, arXiv 2605.05559 (2026-05-07): reconstruction from abstract and summaries"
FAMILY = "assignment"
ACTIVE_SET = "committee"  # parameter that says how many provers it has
EVERY_PROOF = True  # proofs are taken after the first

MAX_SEATS = 62  # one bit each in a job's `may_prove` and `came`
NO_SEAT = 0
MAX_MS = 2**50  # no window is longer, so sums of times cannot overflow
MULTIPLIER, INCREMENT = 6_364_136_223_846_793_005, 1_442_695_040_888_963_407  # Knuth's MMIX
WORD_MASK = 2**62 - 1

Seats: TypeAlias = Annotated[Ints, MAX_SEATS]


class Params(NamedTuple):
    """Defaults: a committee of three behind the primary, and bonds. All amounts and times are assumptions."""

    committee: int = 3  # members besides the primary, where so many can be drawn
    behind: int = 1  # 1 = asked when the primary failed, 0 = at once with it
    primary_gwei: int = 100_000_000  # gwei for the primary's proof
    member_gwei: int = 100_000_000  # gwei for each proof of the committee
    bond_gwei: int = 100_000_000  # gwei paid by who is asked and does not come; 0 = no negative payments
    refund_bips: int = 10_000  # bips of a lost bond paid to the requester; the rest burns
    window_ms: int = 12_000  # ms the primary, or all at once, have; one slot
    fallback_ms: int = 12_000  # ms the committee behind has


class State(NamedTuple):
    """The book, the seats, and who was asked and came."""

    book: Book
    stake: GweiByActor  # free to be bonded
    seat: ByActor  # 1 to 62; 0 = none
    holder: Seats  # actor + 1 on each seat; 0 = empty
    open_jobs: ByActor  # drawn for and not over
    earned: ByActor  # gwei paid for proofs so far (a record)
    bond: GweiByJob  # of all who were drawn and may still come
    primary: ByJob  # seat of the primary
    may_prove: ByJob  # bit `seat - 1` of each who is asked
    behind: ByJob  # bit of each who will be asked if the primary fails
    came: ByJob  # bit of each who did


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "committee": (0, MAX_SEATS - 1), "behind": (0, 1), "primary_gwei": (1, 2**50), "member_gwei": (1, 2**50),
        "bond_gwei": (0, 2**50), "refund_bips": (0, BIPS), "window_ms": (1, MAX_MS), "fallback_ms": (1, MAX_MS),
    }  # fmt: skip
    return out_of_range(p, limits)


# Seats.


@spec
def offer(s: State, e: Event) -> Verdict:
    """Take a seat, keep it, or leave it."""
    if e.detail < 0:
        return Verdict.BAD_DETAIL
    seat = s.seat[e.actor]
    if e.detail == 0:
        if seat == NO_SEAT:
            return Verdict.NOT_YOURS
        if s.open_jobs[e.actor] > 0:
            return Verdict.EARLY
        s.holder[seat - 1] = 0
        s.seat[e.actor] = NO_SEAT
        return Verdict.OK
    if seat != NO_SEAT:
        return Verdict.OK
    for place in range(MAX_SEATS):
        if s.holder[place] == 0:
            s.holder[place] = e.actor + 1
            s.seat[e.actor] = place + 1
            return Verdict.OK
    return Verdict.FULL


@spec
def may_be_drawn(p: Params, s: State, place: int, taken: int) -> bool:
    """Say whether the seat at `place` is held, not taken, and has a bond free."""
    return bool(s.holder[place] > 0 and (taken >> place) & 1 == 0 and s.stake[s.holder[place] - 1] >= p.bond_gwei)


@spec
def draw(p: Params, s: State, taken: int, word: int) -> int:
    """Draw one seat that is not in `taken`, all equally likely; NO_SEAT if there is none."""
    count = 0
    for place in range(MAX_SEATS):
        count += 1 if may_be_drawn(p, s, place, taken) else 0
    if count == 0:
        return NO_SEAT
    chosen = ticket_of(word, count)
    for place in range(MAX_SEATS):
        if may_be_drawn(p, s, place, taken):
            if chosen == 0:
                return place + 1
            chosen -= 1
    return NO_SEAT


@spec
def lock(p: Params, s: State, job: int, seat: int) -> int:
    """Lock the bond of the holder of `seat` for `job`; return the bit of the seat."""
    actor = int(s.holder[seat - 1]) - 1
    s.open_jobs[actor] += 1
    move(s.stake, actor, s.bond, job, p.bond_gwei)
    return 1 << (seat - 1)


@spec
def draw_committee(p: Params, s: State, job: int, taken: int, word: int) -> int:
    """Draw as many others as the committee has, without replacement; return their bits."""
    word = int(word)
    drawn = 0
    for _ in range(p.committee):
        word = (word * MULTIPLIER + INCREMENT) & WORD_MASK
        seat = draw(p, s, taken | drawn, word)
        if seat == NO_SEAT:
            return drawn
        drawn |= lock(p, s, job, seat)
    return drawn


# The life of a job.


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Draw the primary, and with it the committee unless that stands behind; put aside what they can cost."""
    cost = p.primary_gwei + p.committee * p.member_gwei
    if cost > e.amount:
        return Verdict.TOO_DEAR
    seat = draw(p, s, 0, e.word)
    if seat == NO_SEAT:
        return Verdict.NO_PROVER
    ask(s.book, e, cost)
    s.primary[e.job] = seat
    primary = lock(p, s, e.job, seat)
    committee = draw_committee(p, s, e.job, primary, e.word)
    s.may_prove[e.job] = primary
    if p.behind == 1:
        s.behind[e.job] = committee
        assign(s.book, e.job, int(s.holder[seat - 1]) - 1, e.time + p.window_ms)
    else:
        s.may_prove[e.job] |= committee
        open_to_all(s.book, e.job, e.time + p.window_ms)
    return Verdict.OK


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Note that one who was asked came; a primary with nobody beside it settles the job."""
    b = s.book
    seat = s.seat[e.actor]
    if seat == NO_SEAT or (s.may_prove[e.job] >> (seat - 1)) & 1 == 0 or (s.came[e.job] >> (seat - 1)) & 1 == 1:
        return Verdict.NOT_YOURS
    s.came[e.job] |= 1 << (seat - 1)
    if b.phase[e.job] == Phase.ASSIGNED:
        settle(p, s, e.job)
        b.phase[e.job] = Phase.SETTLED
    elif b.phase[e.job] == Phase.OPEN:
        b.prover[e.job] = e.actor
        b.phase[e.job] = Phase.PROVEN
    return Verdict.OK


@spec
def settle(p: Params, s: State, job: int) -> None:
    """Pay all who came, take the bonds of those who were asked and did not, return those of all others."""
    for place in range(MAX_SEATS):
        drawn = ((s.may_prove[job] | s.behind[job]) >> place) & 1 == 1
        if drawn:
            actor = int(s.holder[place]) - 1
            s.open_jobs[actor] -= 1
            if (s.came[job] >> place) & 1 == 1:
                reward(s, job, actor, p.primary_gwei if s.primary[job] == place + 1 else p.member_gwei)
            elif (s.may_prove[job] >> place) & 1 == 1:
                punish(p, s, job, actor)
                continue
            move(s.bond, job, s.stake, actor, p.bond_gwei)
    s.may_prove[job] = 0
    s.behind[job] = 0
    s.came[job] = 0


@spec
def reward(s: State, job: int, actor: int, price: int) -> None:
    """Pay `actor` for a proof that was asked for."""
    b = s.book
    move(b.escrow, job, b.cash, actor, price)
    b.paid[job] += price
    s.earned[actor] += price


@spec
def punish(p: Params, s: State, job: int, actor: int) -> None:
    """Take the bond of `actor`, who was asked and did not come."""
    b = s.book
    back = bips_of(p.bond_gwei, p.refund_bips)
    slash(b, actor, s.bond, job, b.cash, b.requester[job], back)
    slash(b, actor, s.bond, job, b.burnt, 0, p.bond_gwei - back)


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Nobody came: take the bonds, and ask the committee if it stands behind."""
    b = s.book
    committee = s.behind[e.job]
    s.behind[e.job] = 0
    settle(p, s, e.job)
    if committee != 0:
        s.may_prove[e.job] = committee
        open_to_all(b, e.job, e.time + p.fallback_ms)
        return
    lose_job(b, e.job)
    b.prover[e.job] = ANYONE


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    b = s.book
    verdict = check(b, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.OFFER:
        return offer(s, e)
    if e.kind == Kind.PROVE:
        verdict = prove(p, s, e)
        if b.phase[e.job] == Phase.SETTLED:
            refund(b, e.job)
        return verdict
    if e.kind == Kind.STAKE or e.kind == Kind.UNSTAKE:
        return move_stake(b, s.stake, e)
    if e.kind == Kind.EXPIRE:
        expire(p, s, e)
    elif e.kind == Kind.SETTLE:
        settle(p, s, e.job)
        refund(b, e.job)
        b.phase[e.job] = Phase.SETTLED
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
