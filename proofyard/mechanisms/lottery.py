"""Proof lottery: a prize for the block, every proof is a ticket, and one drawn at the end wins it all (or all share).

Rules
    REQUEST puts the prize aside. Anybody may prove until the deadline, without stake or offer; each actor's proof
    counts once. After the deadline one of those who proved is drawn, all equally likely, and gets the whole prize
    (SETTLE); with `split` 1 all share it equally and what cannot be divided goes back. Nobody proved: the prize goes
    back and the job is LOST; what a block without a proof costs its proposer (the penalty c of the theory) is outside
    the rule.

Units
    Money gwei, time ms. The size of a job is ignored: the prize is per job, as in the model, where a proof costs 1.

Randomness
    `e.word` of SETTLE, by `ticket_of` among the proofs: it must not be known before the deadline, or only those who
    would win prove.

Equilibrium
    n provers, cost 1, prize x. Below 1 nobody proves, from n on everybody does. Between them all prove with one
    probability p, and x = n p / (1 - (1 - p)^n): then a proof earns its cost on average and no more. No proof comes
    with probability (1 - p)^n; prize and penalty cost the proposer c (1 - p)^n + n p, least at
    p = 1 - c^(-1 / (n - 1)), where it is n - (n - 1) c^(-1 / (n - 1)), that is 1 + ln c for many provers, and no
    anonymous rule does better.
    `proofyard.worlds.theory` computes all of these.

Source
    Bahrani, Neuder, "On incentivizing anonymous participation" (ethresear.ch 22469, 2025-05-26), sections 1 to 3, read
    in full; "proof lottery" is the name in their "On Ethereum Prover Market Design" (ethresear.ch 22916, 2025-08-13).

Literal or intended
    The post draws one winner. Notes by others on the second post speak of a prize split among those who proved
    (`split` 1): worth the same on average, without the risk. Its remark that the second derivative of the cost is
    always negative is a slip: it is c n (n - 1) (1 - p)^(n - 2), positive, and p* the minimum it says.

Simplified
    RECONSTRUCTION of the second post: only its opening could be read, so deadline, draw and who pays are ours. All are
    equal in the model; here provers may differ. At most MAX_PROOFS proofs wait for a draw at once; more are FULL.

Failure modes
    Work is repeated: about ln c proofs are made where one would do. With probability (1 - p)^n nobody proves, whatever
    is paid. Provers that agree, or one that is known always to prove, keep the others out. The prize is blind to what a
    block costs: too low for a hard one, and nobody comes. One proof under k names is k tickets, unless a proof is bound
    to who made it and as dear to make again. Fear of not being paid is not in the model: who dislikes risk wants more.
"""

from typing import Annotated, NamedTuple, TypeAlias

from proofyard.core import (
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    Ints,
    Kind,
    Once,
    Phase,
    Verdict,
    add_entry,
    ask,
    chain_places,
    check,
    drop_entry,
    lose_job,
    move,
    open_to_all,
    out_of_range,
    pay,
    refund,
    spec,
    ticket_of,
)

SOURCE = "Bahrani and Neuder, ethresear.ch 22469 (2025-05-26) and, its opening only, 22916 (2025-08-13)"
FAMILY = "contest"
EVERY_PROOF = True  # proofs are taken after the first

MAX_PROOFS = 1_024  # not yet drawn from, over all jobs
MAX_MS = 2**50  # no window is longer, so sums of times cannot overflow

Places: TypeAlias = Annotated[Ints, MAX_PROOFS]


class Params(NamedTuple):
    """Defaults: all that is offered is the prize, and a proof has one slot's time."""

    prize_gwei: int = 0  # gwei, the prize; 0 = all that the request offers
    window_ms: int = 12_000  # ms from request to draw; one slot, an assumption
    split: int = 0  # 0 = one of those who proved gets the prize, 1 = they share it equally


class State(NamedTuple):
    """The book, and who proved which open job."""

    book: Book
    earned: ByActor  # gwei paid for proofs so far (a record)
    proofs: ByJob  # tickets
    first: ByJob  # the latest ticket, its place in the arrays below + 1; 0 = none
    holder: Places  # actor who proved
    next: Places  # the ticket before it, place + 1; 0 = none
    free: Once  # first unused place + 1; 0 = none


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    return out_of_range(p, {"prize_gwei": (0, MAX_GWEI), "window_ms": (1, MAX_MS), "split": (0, 1)})


def genesis(_p: Params, s: State) -> None:
    """Chain all places for tickets as unused."""
    chain_places(s.next, s.free)


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Put the prize aside and let anybody prove."""
    prize = e.amount if p.prize_gwei == 0 else p.prize_gwei
    if prize == 0:
        return Verdict.BAD_AMOUNT
    if prize > e.amount:
        return Verdict.TOO_DEAR
    ask(s.book, e, prize)
    open_to_all(s.book, e.job, e.time + p.window_ms)
    return Verdict.OK


@spec
def prove(s: State, e: Event) -> Verdict:
    """Give the prover a ticket, its first for this job; the first of all is the prover of record until the draw."""
    place = s.first[e.job]
    while place > 0:
        if s.holder[place - 1] == e.actor:
            return Verdict.NOT_YOURS
        place = s.next[place - 1]
    place = add_entry(s.next, s.free, s.first, e.job)
    if place == 0:
        return Verdict.FULL
    s.holder[place - 1] = e.actor
    s.proofs[e.job] += 1
    if s.book.phase[e.job] == Phase.OPEN:
        s.book.phase[e.job] = Phase.PROVEN
        s.book.prover[e.job] = e.actor
    return Verdict.OK


@spec
def draw(p: Params, s: State, e: Event) -> None:
    """Pay one ticket drawn, or all of them their share, and put all places back."""
    job = e.job
    b = s.book
    share = int(b.escrow[job] // s.proofs[job])
    chosen = ticket_of(e.word, s.proofs[job])
    while s.first[job] > 0:
        place = s.first[job] - 1
        holder = int(s.holder[place])
        if p.split == 1:
            move(b.escrow, job, b.cash, holder, share)
            b.paid[job] += share
            s.earned[holder] += share
        elif chosen == 0:
            b.prover[job] = holder
            s.earned[holder] += b.escrow[job]
            pay(b, job, b.escrow[job])
        chosen -= 1
        drop_entry(s.next, s.free, s.first, job)
    refund(b, job)
    b.phase[job] = Phase.SETTLED


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.PROVE:
        return prove(s, e)
    if e.kind == Kind.SETTLE:
        draw(p, s, e)
    elif e.kind == Kind.EXPIRE:
        lose_job(s.book, e.job)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
