"""Proving terms: a pending bid takes over with the next proposal; each funded one reserves a liability (Taiko, 2026).

Rules
    One active term and at most one pending, each a prover and a fee. STAKE fills a bond balance. A bid reserves
    `min_bond_gwei` of it; it asks at most `max_fee_gwei`, 5 % less than the active term and 5 % less than the pending
    one, whose reservation is released; with neither, at most `ewma_multiple` times the average fee once there is one.
    The active prover cannot bid, the pending one only lower its fee, and nobody `cooldown_ms` after its own term has
    retired. Under `standing` OFFER names a least fee, and at every REQUEST the cheapest of those that can bids once, as
    high as allowed and at most what the request offers; without, OFFER is the bid.
    REQUEST first retires the active term if another is pending, if it is leaving, or if its balance does not cover one
    liability more; then the pending one becomes active, if its balance does. A request that offers the fee reserves
    the liability, the largest of 2 x fee, `bond_per_job_gwei` and `slash_gwei`, and puts the fee aside. Otherwise, or
    with no term, the proposal is permissionless: nobody must prove it and nobody is paid.
    Before `window_ms` are over only the term's prover proves. From then on anybody, for the fee. `grace_ms` later the
    liability is lost: to whoever proves, or burnt when the prover itself does. In time it is released.
    A term retires also when its prover is short as any proposal is proven. Average: (1024 E + fee n) / (1024 + n) at
    each retirement, n being its proposals. UNSTAKE of a pending prover withdraws the bid, of the active one ends the
    term with the next proposal; otherwise it takes out of the balance, as WITHDRAW does (0 = all).

Units
    money gwei (fees ETH, bonds a token there), time ms, rates bips.

Randomness
    None.

Source
    taikoxyz/taiko-mono packages/protocol/contracts/layer1/core/impl/ProverMarket.sol, branch dantaik/prover-market
    @b1fed757e2 (2026-03-21), with the numbers of its tests. A design, none ran.

Literal or intended
    As written. The window is over at its very end, unlike elsewhere here: the last moment for the prover alone is one
    ms before. The review of the revision before (c82ab36cf4) has attacks that this one answers: fees are paid on
    proof, so taking them and not proving does not pay; a pending bidder can only lower its fee.

Simplified
    Fee credit is the requester's cash, claimable fees are cash at once. No forced permissionless mode. Proposals are
    proven one by one. A job that nobody proves in `open_window_ms` is LOST, the fee goes back, the liability burns
    (there the chain stands). Standing offers are not in the contract.

Failure modes
    A prover that never proves loses nothing while others rescue its jobs within the grace: each waits for the whole
    window. An underpaid or unlucky proposal is nobody's: it is proven for nothing or not at all. A retired prover is
    locked out for an hour, so two that undercut each other take turns. A term whose balance is short retires without
    notice. Liability is twice the fee at least: dear proofs need rich provers.
"""

from typing import NamedTuple

from proofyard.core import (
    BIPS,
    MAX_CAPACITY,
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    GweiByActor,
    GweiByJob,
    Kind,
    Once,
    Phase,
    Verdict,
    ask,
    assign,
    bips_of,
    check,
    move,
    open_to_all,
    out_of_range,
    refund,
    settle_job,
    slash,
    spec,
    take_out,
)

SOURCE = "Taiko, a design: taiko-mono ProverMarket.sol, branch dantaik/prover-market @b1fed757e2 (2026-03)"
FAMILY = "auction"

TOKEN = 10**9  # gwei
MINUTE = 60_000  # ms
MAX_MS = 2**48
MAX_FEE = 2**48 - 1  # uint48
EWMA_WEIGHT = 1_024
NOBODY = -1


class Params(NamedTuple):
    """Defaults: the contract's tests."""

    min_bond_gwei: int = TOKEN  # gwei reserved by a bid
    bid_discount: int = 500  # bips below the fees it must be
    max_fee_gwei: int = 10 * TOKEN  # gwei, the most a bid may ask for a job
    ewma_multiple: int = 10  # times the average fee that may be bid in a vacancy
    bond_per_job_gwei: int = TOKEN // 10  # gwei, least liability
    slash_gwei: int = TOKEN // 2  # gwei, least slash
    window_ms: int = 120 * MINUTE  # ms only the term's prover proves
    grace_ms: int = 5 * MINUTE  # ms after it until the liability is lost
    cooldown_ms: int = 60 * MINUTE  # ms after a term in which its prover cannot bid
    open_window_ms: int = 604_800_000  # ms anybody may prove, then the job is lost; not in the contract
    standing: int = 1  # switch: 0 = an OFFER is a bid


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # free bond
    quote: GweiByActor  # reserved by a term
    price: ByActor  # gwei per proof, as offered
    capacity: ByActor  # as offered; 0 = no offer
    open_jobs: ByActor  # that only it may prove
    seat: ByActor  # 1 = prover of the active term, 2 = of the pending one
    cool_until: ByActor  # ms, before which it cannot bid
    churn: Once  # terms begun
    active: Once  # actor + 1; 0 = none
    active_fee: Once  # gwei
    ending: Once  # 1 = the active term ends with the next proposal
    assigned: Once  # proposals of the active term
    pending: Once  # actor + 1; 0 = none
    pending_fee: Once  # gwei
    average: Once  # gwei
    bond: GweiByJob  # liability
    hired: ByJob  # actor + 1; 0 = permissionless
    asked_at: ByJob  # ms


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "min_bond_gwei": (1, MAX_GWEI), "bid_discount": (1, BIPS), "max_fee_gwei": (1, MAX_FEE),
        "ewma_multiple": (1, 255),
        "bond_per_job_gwei": (1, MAX_GWEI), "slash_gwei": (1, MAX_GWEI), "window_ms": (1, MAX_MS), "standing": (0, 1),
    }  # fmt: skip
    return out_of_range(p, limits, (0, MAX_MS))


# Terms.


@spec
def liability(p: Params, fee: int) -> int:
    """Gwei that a proposal at this fee puts at risk (_liabilityPerProposal)."""
    return max(2 * fee, p.bond_per_job_gwei, p.slash_gwei)


@spec
def release_quote(s: State, actor: int) -> None:
    """Free what a term has reserved (_releaseQuoteBond)."""
    move(s.quote, actor, s.stake, actor, s.quote[actor])
    s.seat[actor] = 0


@spec
def retire(p: Params, s: State, time: int) -> None:
    """End the active term (_retireActiveTerm)."""
    actor, count = int(s.active[0]) - 1, int(s.assigned[0])
    if count > 0 and s.average[0] == 0:
        s.average[0] = s.active_fee[0]
    elif count > 0:
        s.average[0] = (s.average[0] * EWMA_WEIGHT + s.active_fee[0] * count) // (EWMA_WEIGHT + count)
    release_quote(s, actor)
    s.cool_until[actor] = time + p.cooldown_ms
    s.active[0] = s.ending[0] = s.assigned[0] = 0


@spec
def is_short(p: Params, s: State, actor: int, fee: int) -> bool:
    """Tell whether the free bond does not cover one liability more."""
    return bool(s.stake[actor] < liability(p, fee))


@spec
def roll(p: Params, s: State, time: int) -> None:
    """Retire and activate terms, as every proposal does first (onProposalAccepted)."""
    if s.active[0] > 0 and (s.ending[0] == 1 or s.pending[0] > 0 or is_short(p, s, s.active[0] - 1, s.active_fee[0])):
        retire(p, s, time)
    if s.active[0] > 0 or s.pending[0] == 0:
        return
    actor = int(s.pending[0]) - 1
    if is_short(p, s, actor, s.pending_fee[0]):
        release_quote(s, actor)
    else:
        s.active[0] = actor + 1
        s.active_fee[0] = s.pending_fee[0]
        s.seat[actor] = 1
        s.churn[0] += 1
    s.pending[0] = 0


# Bids.


@spec
def highest_bid(p: Params, s: State, actor: int) -> int:
    """Highest fee that `actor` may bid now (bid)."""
    fee = p.max_fee_gwei
    if s.active[0] > 0:
        fee = min(fee, bips_of(int(s.active_fee[0]), BIPS - p.bid_discount))
    if s.pending[0] == actor + 1:
        return min(fee, int(s.pending_fee[0]) - 1)
    if s.pending[0] > 0:
        return min(fee, bips_of(int(s.pending_fee[0]), BIPS - p.bid_discount))
    if s.active[0] == 0 and s.average[0] > 0:
        fee = min(fee, p.ewma_multiple * int(s.average[0]))
    return fee


@spec
def check_bid(p: Params, s: State, actor: int, fee: int, time: int) -> Verdict:
    """Tell whether the contract would accept this bid."""
    if time < s.cool_until[actor]:
        return Verdict.EARLY  # BidCooldownActive
    if s.active[0] == actor + 1:
        return Verdict.NOT_YOURS  # ActiveProverCannotBid
    if fee > highest_bid(p, s, actor):
        return Verdict.TOO_DEAR
    if s.pending[0] != actor + 1 and s.stake[actor] < p.min_bond_gwei:
        return Verdict.POOR
    return Verdict.OK


@spec
def place_bid(p: Params, s: State, actor: int, fee: int) -> None:
    """Make `actor` the pending prover, or lower its fee."""
    if s.pending[0] != actor + 1:
        if s.pending[0] > 0:
            release_quote(s, int(s.pending[0]) - 1)
        move(s.stake, actor, s.quote, actor, p.min_bond_gwei)
        s.pending[0] = actor + 1
        s.seat[actor] = 2
    s.pending_fee[0] = fee


@spec
def let_bid(p: Params, s: State, offered: int, time: int) -> None:
    """Let the cheapest that can bid for its owner, the elder of two; not who is pending already."""
    best = NOBODY
    for actor in range(len(s.price)):
        fee = min(highest_bid(p, s, actor), offered)
        if s.capacity[actor] == 0 or s.price[actor] > fee or s.pending[0] == actor + 1:
            continue
        if (best == NOBODY or s.price[actor] < s.price[best]) and check_bid(p, s, actor, fee, time) == Verdict.OK:
            best = actor
    if best != NOBODY:
        place_bid(p, s, best, min(highest_bid(p, s, best), offered))


@spec
def offer(p: Params, s: State, e: Event) -> Verdict:
    """Let a limit stand, or bid."""
    if e.detail < 1 or e.detail > MAX_CAPACITY:
        return Verdict.BAD_DETAIL
    if p.standing == 0:
        verdict = check_bid(p, s, e.actor, e.amount, e.time)
        if verdict != Verdict.OK:
            return verdict
        place_bid(p, s, e.actor, e.amount)
    s.price[e.actor] = e.amount
    s.capacity[e.actor] = e.detail
    return Verdict.OK


# Proposals and proofs.


@spec
def request(p: Params, s: State, e: Event) -> None:
    """Give a funded proposal to the active prover; any other is permissionless."""
    b, job = s.book, e.job
    if p.standing == 1 and e.amount > 0:
        let_bid(p, s, e.amount, e.time)
    roll(p, s, e.time)
    s.asked_at[job] = e.time
    fee = int(s.active_fee[0])
    if s.active[0] == 0 or fee > e.amount:
        ask(b, e, 0)
        open_to_all(b, job, e.time + p.open_window_ms)
        return
    prover = int(s.active[0]) - 1
    ask(b, e, fee)
    move(s.stake, prover, s.bond, job, liability(p, fee))
    assign(b, job, prover, e.time + p.window_ms - 1)
    s.hired[job] = prover + 1
    s.open_jobs[prover] += 1
    s.assigned[0] += 1


@spec
def prove(p: Params, s: State, e: Event) -> None:
    """Pay who proves; release the liability, or slash it."""
    b, job = s.book, e.job
    hired = int(s.hired[job]) - 1
    if b.phase[job] == Phase.ASSIGNED:
        s.open_jobs[hired] -= 1
    b.prover[job] = e.actor
    settle_job(b, job)
    if hired == NOBODY:
        pass  # nothing is at risk
    elif e.time < s.asked_at[job] + p.window_ms + p.grace_ms:
        move(s.bond, job, s.stake, hired, s.bond[job])
    elif hired == e.actor:
        slash(b, hired, s.bond, job, b.burnt, 0, s.bond[job])
    else:
        b.paid[job] += s.bond[job]
        slash(b, hired, s.bond, job, s.stake, e.actor, s.bond[job])
    if s.active[0] > 0 and is_short(p, s, s.active[0] - 1, s.active_fee[0]):
        retire(p, s, e.time)


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Open a job to all when the window is over; give it up in the end."""
    b, job = s.book, e.job
    hired = int(s.hired[job]) - 1
    if b.phase[job] == Phase.ASSIGNED:
        s.open_jobs[hired] -= 1
        open_to_all(b, job, e.time + p.open_window_ms)
        return
    refund(b, job)
    if hired != NOBODY:
        slash(b, hired, s.bond, job, b.burnt, 0, s.bond[job])
    b.phase[job] = Phase.LOST


@spec
def withdraw(s: State, e: Event) -> Verdict:
    """Leave a term (UNSTAKE), or take out of the free bond."""
    actor = e.actor
    if e.kind == Kind.UNSTAKE and s.pending[0] == actor + 1:
        release_quote(s, actor)
        s.pending[0] = 0
        return Verdict.OK
    if e.kind == Kind.UNSTAKE and s.active[0] == actor + 1 and s.ending[0] == 0:
        s.ending[0] = 1
        return Verdict.OK
    return take_out(s.book, s.stake, e)


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.OFFER:
        return offer(p, s, e)
    if e.kind == Kind.UNSTAKE or e.kind == Kind.WITHDRAW:
        return withdraw(s, e)
    if e.kind == Kind.STAKE:
        move(s.book.cash, e.actor, s.stake, e.actor, e.amount)
    elif e.kind == Kind.REQUEST:
        request(p, s, e)
    elif e.kind == Kind.PROVE:
        prove(p, s, e)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
