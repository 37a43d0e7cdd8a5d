"""Staked allocation: provers post a bond, the job goes to one of them beforehand, and a missing proof costs the bond.

Rules
    A prover states what it asks for a proof and how many it makes at once (OFFER) and deposits stake (STAKE); UNSTAKE
    returns free stake at once. REQUEST allocates the job to one prover with a free place and a free bond: by lot
    (`pick` 0) or to the lowest ask, ties by lot (`pick` 1). It locks `bond_gwei` and the price is put aside: the ask,
    or `price_gwei` for all who ask no more. PROVE within the window pays the price and returns the bond. EXPIRE refunds
    the price and takes the bond, `refund_bips` of it for the requester, the rest burnt; the job is LOST.

Units
    Money gwei, time ms. The size of a job is ignored: the ask is per job.

Randomness
    `e.word` of REQUEST, by `ticket_of`.

Equilibrium
    Unit cost 1, price q, bond B. Once chosen, proving is best iff q + B >= 1; offering at all iff q >= 1, so the price
    is 1 and one proof is made: there is no waste. Whoever would rather see the block fail pays B for it. With a share f
    of such provers no proof comes with probability f and, the bond going to the requester, a penalty of c costs
    (1 - f) q + f (c - B) a block. A unit the attacker loses costs the proposer c / B, before the bond it gets.
    Against a lottery, whose price of liveness is ln c: better iff B > c / ln c.

Source
    Bahrani, Neuder, "On Ethereum Prover Market Design" (ethresear.ch 22916, 2025-08-13), sections 3 and 4.

Literal or intended
    RECONSTRUCTION. Of the post only the opening could be read. That provers must put up collateral, are allocated the
    job beforehand after bids, and lose it for a missing proof stands in others' notes on it, and so does its comparison
    "B < V / ln V: the lottery is better"; how bids are taken, what the stake pays for and the formulas above are ours.
    The threshold is met by reading it as loss per unit the attacker loses, V / B against ln V: our reading too.

Simplified
    One prover per job. Bids are standing offers, pay as asked, not rounds. No rescue: nobody else may prove. In an L1
    the bond would be locked for as long as a withdrawal takes; here it is free as soon as the job is over.

Failure modes
    A bond smaller than what a missing block does is a price for censorship: B buys c. Bonds as large as c keep small
    provers out, and lie idle. The cheapest ask takes every job: the set shrinks to one. Without a bond, and with money
    before work, a chosen prover walks away.
"""

from typing import NamedTuple

from proofyard.core import (
    BIPS,
    MAX_CAPACITY,
    MAX_GWEI,
    Book,
    ByActor,
    Event,
    GweiByActor,
    GweiByJob,
    Kind,
    Verdict,
    ask,
    assign,
    check,
    forfeit_bond,
    lose_job,
    move,
    move_stake,
    out_of_range,
    post_offer,
    settle_job,
    spec,
    ticket_of,
)

SOURCE = "Bahrani and Neuder, ethresear.ch 22916 (2025-08-13): reconstruction from its opening and others' notes"
FAMILY = "assignment"

LOT, CHEAPEST = 0, 1  # `pick`
NOBODY = -1
MAX_MS = 2**50  # no window is longer, so sums of times cannot overflow


class Params(NamedTuple):
    """Defaults: a lot among all, paid as asked. All amounts and times are assumptions."""

    pick: int = LOT  # who is chosen: 0 any, by lot; 1 the lowest ask
    price_gwei: int = 0  # gwei paid for a proof, to those who ask no more; 0 = the ask
    bond_gwei: int = 1_000_000_000  # gwei locked for a job and lost with it
    refund_bips: int = 10_000  # bips of a lost bond paid to the requester; the rest burns
    window_ms: int = 12_000  # ms from allocation to deadline; one slot


class State(NamedTuple):
    """The book, the offers, and the bonds."""

    book: Book
    stake: GweiByActor  # free to be bonded
    price: ByActor  # gwei asked for a proof; 0 = no offer
    capacity: ByActor  # proofs at once, as declared
    open_jobs: ByActor  # allocated and not over
    bond: GweiByJob  # of its prover, lost with the job


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "pick": (LOT, CHEAPEST), "price_gwei": (0, MAX_GWEI), "bond_gwei": (0, MAX_GWEI), "refund_bips": (0, BIPS),
        "window_ms": (1, MAX_MS),
    }  # fmt: skip
    return out_of_range(p, limits)


@spec
def is_free(p: Params, s: State, actor: int, most: int) -> bool:
    """Say whether `actor` has an offer the requester can pay, a free place, and a bond."""
    asked = s.price[actor]
    limit = most if p.price_gwei == 0 else p.price_gwei
    return 0 < asked <= limit and s.open_jobs[actor] < s.capacity[actor] and s.stake[actor] >= p.bond_gwei


@spec
def choose(p: Params, s: State, most: int, word: int) -> int:
    """Prover of the job: one of those who are free, or of the cheapest of them, all equally likely."""
    lowest = MAX_GWEI
    count = 0
    for actor in range(len(s.price)):
        if is_free(p, s, actor, most):
            if p.pick == CHEAPEST and s.price[actor] < lowest:
                lowest = int(s.price[actor])
                count = 0
            if s.price[actor] <= lowest:
                count += 1
    if count == 0:
        return NOBODY
    chosen = ticket_of(word, count)
    for actor in range(len(s.price)):
        if is_free(p, s, actor, most) and s.price[actor] <= lowest:
            if chosen == 0:
                return actor
            chosen -= 1
    return NOBODY


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Allocate the job, put its price aside, and lock the bond."""
    if e.amount == 0:
        return Verdict.BAD_AMOUNT
    if p.price_gwei > e.amount:
        return Verdict.TOO_DEAR
    prover = choose(p, s, e.amount, e.word)
    if prover == NOBODY:
        return Verdict.NO_PROVER
    ask(s.book, e, s.price[prover] if p.price_gwei == 0 else p.price_gwei)
    move(s.stake, prover, s.bond, e.job, p.bond_gwei)
    s.open_jobs[prover] += 1
    assign(s.book, e.job, prover, e.time + p.window_ms)
    return Verdict.OK


@spec
def prove(s: State, job: int) -> None:
    """Pay the price and return the bond."""
    b = s.book
    prover = b.prover[job]
    settle_job(b, job)
    move(s.bond, job, s.stake, prover, s.bond[job])
    s.open_jobs[prover] -= 1


@spec
def expire(p: Params, s: State, job: int) -> None:
    """Return the price and take the bond."""
    b = s.book
    lose_job(b, job)
    forfeit_bond(b, job, s.bond, p.refund_bips)
    s.open_jobs[b.prover[job]] -= 1


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.OFFER:
        return post_offer(s.price, s.capacity, e, 0, MAX_CAPACITY)
    if e.kind == Kind.STAKE or e.kind == Kind.UNSTAKE:
        return move_stake(s.book, s.stake, e)
    if e.kind == Kind.PROVE:
        prove(s, e.job)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e.job)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
