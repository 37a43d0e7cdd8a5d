"""Order book: requests with a ceiling and standing proposals trade as soon as they cross (=nil; Proof Market).

Rules
    One book for one statement. OFFER puts up to `detail` proposals of one proof each, at a price, on the book, instead
    of those the prover had there; 0 takes them off. REQUEST escrows its ceiling and is an order of one proof.
    Price, then time: the highest ceiling and the lowest price come first, of equals the order that came first. When an
    order arrives, the best request and the best proposal trade as long as ceiling >= price, at the price of the order
    that was there already; with `posted_fee` always at the proposal's, as in a market where the cheapest fee posted is
    bought. Who trades has the job until `window_ms` later; each proposal is good for one job.
    Proposals used come back: at each look, every `look_ms`, a prover has as many on the book as its capacity leaves
    room for, after those of others if it had none. CLOSE: what still rests waits for the next look, `lifetime_ms` at
    most. A refused order changes nothing, an accepted one leaves no request above a proposal.
    PROVE by the producer pays it the price; the buyer gets back what is left of the ceiling.
    `literal` 0 adds what the contract lacks: a trade locks `penalty_gwei` of the producer's STAKE, and a proposal
    stands only while that is covered. EXPIRE takes it, a share to the buyer, the rest burnt, and the request is an
    order again, in its old place; CLOSE, or EXPIRE, after its lifetime refunds it.

Units
    Money gwei, time ms. The size of a job is ignored: a statement is one circuit, its proofs are alike.

Randomness
    None: what came first counts by the order of events.

Source
    NilFoundation/evm-proof-market@01025e4 (createOrder, setProducer, closeOrder), proof-market-toolchain@455a45e; the
    switch `posted_fee` after Mina's snark pool.

Literal or intended
    `literal = 1`, as deployed: no cancel, no deadline, no penalty. An order that finds no proposal, or whose producer
    is silent, keeps its escrow for ever: counted as `frozen` when `lifetime_ms` or `window_ms` is over, for the run
    has to end. `literal = 0`: refunds, timeouts and penalties as above, ours.

Simplified
    Other statements are other markets. Matching is off chain there, by a relayer that names producer and final price
    and is fully trusted; here it is honest and at once. How it breaks ties and whose price it takes is not on chain:
    price-time priority and the resting order's price are the page's reading. No cancel by buyers in either form.

Failure modes
    A silent producer freezes an escrow for ever and loses nothing. The relayer may name any producer and any price up
    to the ceiling. Who arrives second has the better price: a buyer's true ceiling is paid in full if it rests.
"""

from typing import NamedTuple

from proofyard.core import (
    ANYONE,
    BIPS,
    MAX_CAPACITY,
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    GweiByActor,
    GweiByJob,
    GweiOnce,
    Kind,
    Once,
    Phase,
    Verdict,
    ask,
    assign,
    check,
    end_of_round,
    forfeit_bond,
    move,
    open_bidding,
    out_of_range,
    pay,
    refund,
    spec,
)

SOURCE = "=nil; Proof Market, evm-proof-market@01025e4"
FAMILY = "order book"

MAX_MS = 2**50  # no window is longer, so sums of times cannot overflow
MAX_LOOKS = 150  # a resting order is looked at so often at most, so that it comes to an end


class Params(NamedTuple):
    """Times and amounts are assumptions: the contract has none."""

    look_ms: int = 15_000  # ms between looks at what provers have free again
    lifetime_ms: int = 1_800_000  # ms, literal 0: a request rests so long; literal 1: then nobody waits for it any more
    window_ms: int = 600_000  # ms to prove; literal 1: after which a producer is taken to stay silent
    penalty_gwei: int = 0  # gwei of the producer's stake a trade locks; only with literal 0
    refund_bips: int = 10_000  # bips of a penalty paid to the buyer; the rest burns
    posted_fee: int = 0  # switch: 1 = the proposal's price whoever came first, 0 = the resting order's
    literal: int = 1  # switch: 1 = as deployed, 0 = with timeouts and penalties


class State(NamedTuple):
    """The book in both senses."""

    book: Book
    stake: GweiByActor  # free to cover penalties
    bond: GweiByJob  # locked by the trade
    price: ByActor  # gwei per proof
    capacity: ByActor  # proofs at once
    open_jobs: ByActor  # traded and not over
    units: ByActor  # proposals on the book
    since: ByActor  # number of the order they came with
    asked: ByJob  # ms
    order: ByJob  # number of the order
    owed: ByJob  # gwei the producer earns on proof (a term, not money)
    resting: ByJob  # requests on the book, the best last, in the first `rests` places
    rests: Once  # requests on the book
    orders: Once  # how many have come
    looked: Once  # number of the last look
    frozen: GweiOnce  # escrows nobody can move any more


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    limits = {
        "look_ms": (1, MAX_MS // MAX_LOOKS), "lifetime_ms": (p.look_ms, MAX_LOOKS * p.look_ms),
        "window_ms": (p.look_ms, MAX_MS), "literal": (0, 1), "penalty_gwei": (0, 0 if p.literal == 1 else MAX_GWEI),
        "refund_bips": (0, BIPS), "posted_fee": (0, 1),
    }  # fmt: skip
    return out_of_range(p, limits)


# The book.


@spec
def room(p: Params, s: State, actor: int) -> int:
    """Proposals `actor` can have on the book: its free capacity, as far as its stake covers penalties."""
    units = max(0, s.capacity[actor] - s.open_jobs[actor])
    if p.penalty_gwei > 0:
        units = min(units, s.stake[actor] // p.penalty_gwei)
    return units


@spec
def number(s: State) -> int:
    """Give the next order its number."""
    s.orders[0] += 1
    return int(s.orders[0])


@spec
def put(s: State, job: int) -> None:
    """Put a request on the book: below those of a higher ceiling, or of the same that came before."""
    b = s.book
    k = s.rests[0]
    while k > 0:
        other = s.resting[k - 1]
        same = b.escrow[other] == b.escrow[job]
        if b.escrow[other] < b.escrow[job] or (same and s.order[other] > s.order[job]):
            break
        s.resting[k] = other
        k -= 1
    s.resting[k] = job
    s.rests[0] += 1


@spec
def take_off(s: State, job: int) -> None:
    """Take a request off the book."""
    k = s.rests[0] - 1
    while s.resting[k] != job:
        k -= 1
    for place in range(k, s.rests[0] - 1):
        s.resting[place] = s.resting[place + 1]
    s.rests[0] -= 1
    s.resting[s.rests[0]] = 0


@spec
def best_proposal(s: State) -> int:
    """Find the prover with the lowest price on the book, of equals the first; ANYONE if there is none."""
    best = ANYONE
    for actor in range(len(s.price)):
        if s.units[actor] == 0:
            continue
        if best != ANYONE and s.price[actor] > s.price[best]:
            continue
        if best == ANYONE or s.price[actor] < s.price[best] or s.since[actor] < s.since[best]:
            best = actor
    return best


@spec
def trade(p: Params, s: State, now: int, at_ceiling: bool) -> None:  # noqa: FBT001 - one rule, two sides
    """Let best request and best proposal trade while they cross, at the ceiling or at the proposal's price."""
    b = s.book
    while s.rests[0] > 0:
        job, prover = int(s.resting[s.rests[0] - 1]), best_proposal(s)
        if prover == ANYONE or s.price[prover] > b.escrow[job]:
            return
        take_off(s, job)
        s.owed[job] = b.escrow[job] if at_ceiling and p.posted_fee == 0 else s.price[prover]
        s.units[prover] -= 1
        s.open_jobs[prover] += 1
        move(s.stake, prover, s.bond, job, p.penalty_gwei)
        assign(b, job, prover, now + p.window_ms)


@spec
def look(p: Params, s: State, now: int) -> None:
    """Put proposals that have room again on the book, if a look is due."""
    if now // p.look_ms == s.looked[0]:
        return
    s.looked[0] = now // p.look_ms
    for actor in range(len(s.price)):
        units = room(p, s, actor)
        if units > 0 and s.units[actor] == 0:
            s.since[actor] = number(s)
        s.units[actor] = units
    trade(p, s, now, True)  # noqa: FBT003


# Orders.


@spec
def offer(p: Params, s: State, e: Event) -> Verdict:
    """Put proposals on the book in place of the prover's former ones."""
    if e.detail < 0 or e.detail > MAX_CAPACITY:
        return Verdict.BAD_DETAIL
    look(p, s, e.time)
    s.price[e.actor] = e.amount
    s.capacity[e.actor] = e.detail
    s.units[e.actor] = room(p, s, e.actor)
    s.since[e.actor] = number(s)
    trade(p, s, e.time, True)  # noqa: FBT003
    return Verdict.OK


@spec
def rest(p: Params, s: State, job: int, now: int) -> None:
    """Put a request on the book until the next look, and let it trade."""
    b = s.book
    open_bidding(b, job, end_of_round(now, p.look_ms))
    put(s, job)
    trade(p, s, now, False)  # noqa: FBT003


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Take in an order for a proof."""
    if e.amount == 0:
        return Verdict.BAD_AMOUNT
    look(p, s, e.time)
    ask(s.book, e, e.amount)
    s.asked[e.job] = e.time
    s.order[e.job] = number(s)
    rest(p, s, e.job, e.time)
    return Verdict.OK


@spec
def give_up(p: Params, s: State, job: int) -> None:
    """End a request without a proof: its escrow is frozen, or goes back."""
    if p.literal == 1:
        move(s.book.escrow, job, s.frozen, 0, s.book.escrow[job])
    else:
        refund(s.book, job)
    s.book.phase[job] = Phase.LOST


@spec
def close(p: Params, s: State, e: Event) -> None:
    """Look, and let what still rests wait on, unless its time is over."""
    b = s.book
    if e.time > s.asked[e.job] + p.lifetime_ms:
        take_off(s, e.job)
        give_up(p, s, e.job)
        return
    look(p, s, e.time)
    if b.phase[e.job] == Phase.BIDDING:
        b.deadline[e.job] = end_of_round(e.time, p.look_ms)


@spec
def prove(s: State, job: int) -> None:
    """Pay the producer its price, the buyer the rest, and unlock the penalty."""
    b = s.book
    prover = b.prover[job]
    pay(b, job, s.owed[job])
    refund(b, job)
    move(s.bond, job, s.stake, prover, s.bond[job])
    s.open_jobs[prover] -= 1
    b.phase[job] = Phase.SETTLED


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Take the penalty of a silent producer; the request is an order again if it has time left."""
    b, job = s.book, e.job
    forfeit_bond(b, job, s.bond, p.refund_bips)
    s.open_jobs[b.prover[job]] -= 1
    if p.literal == 1 or e.time > s.asked[job] + p.lifetime_ms:
        give_up(p, s, job)
    else:
        rest(p, s, job, e.time)


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    b = s.book
    verdict = check(b, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.OFFER:
        return offer(p, s, e)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.STAKE:
        move(b.cash, e.actor, s.stake, e.actor, e.amount)
    elif e.kind == Kind.UNSTAKE:
        if e.amount > s.stake[e.actor]:
            return Verdict.POOR
        move(s.stake, e.actor, b.cash, e.actor, e.amount)
        s.units[e.actor] = min(s.units[e.actor], room(p, s, e.actor))
    elif e.kind == Kind.CLOSE:
        close(p, s, e)
    elif e.kind == Kind.PROVE:
        prove(s, e.job)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
