"""Matched: provers post prices, a matcher picks the cheapest that fits, and each job locks a penalty (Kalypso).

Rules
    OFFER posts a cost per proof and a compute; STAKE fills the stake, and its detail, if any, is the time in ms that
    the prover says a proof takes it. A cost or compute can be changed only while no request is active.
    REQUEST puts the reward aside. At the matcher's next turn, every `match_ms`, the cheapest prover is assigned (the
    elder of two) that has a cost of at most the reward, says it takes at most `window_ms`, has stake for the penalty
    and compute for one job more, never above 101. Nobody before `expiry_ms` are over: the request is LOST and refunded.
    Assignment locks `penalty_gwei` of the stake. PROVE in time pays the prover its OWN posted cost; the surplus goes
    back to the requester, and the stake is unlocked. A proof of tier 1 (detail 1) is an attestation that the input was
    bad: the prover is paid all the same and the surplus is the treasury's.
    EXPIRE: anybody may slash. The reward is refunded, `bounty_rate` of the penalty goes to whatever address the caller
    names, the rest to the treasury. In `self_slash_rate` of the cases the prover's own bot is the first to call.
    DECLINE: the prover gives the job up; the penalty is the treasury's, the reward is refunded.
    UNSTAKE announces, `unstake_ms` later WITHDRAW pays out (0 = all).

Units
    money gwei, time ms, rates bips. A block of the chain is taken for 250 ms where the contract counts blocks. The
    matcher's turn and the penalty are assumptions: an enclave and a market's creator decide them.

Randomness
    `e.word` of EXPIRE: who is the first to slash, by `ticket_of`.

Source
    marlinprotocol/kalypso-contracts @66d489f (2025-06-19), contracts/{ProofMarketplace,GeneratorRegistry}.sol.

Literal or intended
    `bounty_rate = 10_000` is literal: the caller names who gets the penalty, so a prover that is fast slashes itself
    into its own pocket. `bounty_rate = 0` is what a penalty is for: all of it goes to the treasury.
    The deadline is assignment plus the time the request allows, as the contract at this commit has it;
    `deadline_by = 1` counts the time the prover posted, as our notes had it.

Simplified
    Which of several that fit the enclave picks is its own affair: here the cheapest. One market; its creation and the
    delay before it is active, fees per byte of input, private inputs and the enclaves' attestations are left out. Only
    the assigned prover can say that an input is bad. Leaving a market has no wait of 100 blocks. What a bot wins leaves
    the market: it counts as burnt.

Failure modes
    A fast self-slash makes the penalty nothing. Nobody else is tried after a miss: the requester asks anew. Paid as
    posted, a prover does best to post just under the next one's cost. The enclave is trusted to match at all.
"""

from typing import NamedTuple

from proofyard.core import (
    ANYONE,
    BIPS,
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    GweiByActor,
    GweiByJob,
    Kind,
    Phase,
    Verdict,
    ask,
    assign,
    bips_of,
    check,
    lose_job,
    move,
    out_of_range,
    pay,
    refund,
    slash,
    spec,
    take_out_matured,
    ticket_of,
)

SOURCE = "Marlin Kalypso, marlinprotocol/kalypso-contracts@66d489f ProofMarketplace.sol, GeneratorRegistry.sol"
FAMILY = "assignment"

TOKEN = 10**9  # gwei
BLOCK_MS = 250  # ms
MAX_MS = 2**48  # ms; sums of times stay far below 2**63
MAX_COMPUTE = 2**40
MAX_PARALLEL = 101  # refused when more than PARALLEL_REQUESTS_UPPER_LIMIT, 100, are active already
MAX_TURNS = 100  # of the matcher while a request waits
BY_REQUEST, BY_PROVER = 0, 1  # `deadline_by`
BAD_INPUT = 1  # tier of a proof: an attestation that the input was bad
NOBODY = -1


class Params(NamedTuple):
    """Defaults: the contract's, and assumptions where a market or the enclave decides."""

    penalty_gwei: int = TOKEN  # gwei of stake locked by each job, lost by a miss
    window_ms: int = 600_000  # ms the request allows for proving
    expiry_ms: int = 60_000  # ms from request to refund when nobody is assigned
    match_ms: int = 10_000  # ms between turns of the matcher
    compute_per_job: int = 1  # of the declared compute
    deadline_by: int = BY_REQUEST  # 0 what the request allows, 1 what the prover posted
    bounty_rate: int = BIPS  # bips of the penalty for whoever the slasher names; the rest is the treasury's
    self_slash_rate: int = 0  # bips of misses in which the prover itself slashes first
    unstake_ms: int = BLOCK_MS  # ms from announcing to taking out (REDUCTION_REQUEST_BLOCK_GAP)


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # not locked by a job
    exiting: GweiByActor  # announced to be taken out
    matures: ByActor  # ms, from when it can be
    price: ByActor  # gwei per proof, posted
    capacity: ByActor  # compute, declared; 0 = no offer
    says_ms: ByActor  # ms a proof takes, posted; 0 = not said
    open_jobs: ByActor  # assigned, neither proven nor given up nor missed
    bond: GweiByJob  # penalty, locked
    asked_at: ByJob  # ms


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "penalty_gwei": (1, MAX_GWEI), "window_ms": (1, MAX_MS), "match_ms": (1, MAX_MS), "expiry_ms": (1, MAX_MS),
        "compute_per_job": (1, MAX_COMPUTE), "deadline_by": (BY_REQUEST, BY_PROVER), "bounty_rate": (0, BIPS),
        "self_slash_rate": (0, BIPS),
    }  # fmt: skip
    complaint = out_of_range(p, limits, (0, MAX_MS))
    if complaint:
        return complaint
    if p.match_ms < p.expiry_ms // MAX_TURNS:
        return "match_ms", f"at least a hundredth of expiry_ms, {p.expiry_ms // MAX_TURNS}"
    return None


# Provers.


@spec
def account(p: Params, s: State, e: Event) -> Verdict:
    """Post terms, stake, announce, take out."""
    actor = e.actor
    if e.kind == Kind.OFFER:
        if e.detail < 1 or e.detail > MAX_COMPUTE:
            return Verdict.BAD_DETAIL
        if s.open_jobs[actor] > 0:
            return Verdict.EARLY  # CannotLeaveMarketWithActiveRequest
        s.price[actor] = e.amount
        s.capacity[actor] = e.detail
    elif e.kind == Kind.STAKE:
        if e.detail < 0 or e.detail > MAX_MS:
            return Verdict.BAD_DETAIL
        if e.detail > 0:
            s.says_ms[actor] = e.detail
        move(s.book.cash, actor, s.stake, actor, e.amount)
    elif e.kind == Kind.UNSTAKE:
        if e.amount > s.stake[actor]:
            return Verdict.POOR
        if s.exiting[actor] > 0:
            return Verdict.EARLY  # RequestAlreadyInPlace
        move(s.stake, actor, s.exiting, actor, e.amount)
        s.matures[actor] = e.time + p.unstake_ms
    elif e.kind == Kind.WITHDRAW:
        return take_out_matured(s.book, s.exiting, s.matures, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK


# Matching.


@spec
def find_prover(p: Params, s: State, reward: int) -> int:
    """Find the cheapest prover that fits, the elder of two; NOBODY if none does."""
    best = NOBODY
    for actor in range(len(s.price)):
        room = min(MAX_PARALLEL, s.capacity[actor] // p.compute_per_job)
        if s.open_jobs[actor] >= room or s.price[actor] > reward or s.stake[actor] < p.penalty_gwei:
            continue
        if s.says_ms[actor] <= p.window_ms and (best == NOBODY or s.price[actor] < s.price[best]):
            best = actor
    return best


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Put the reward aside until the matcher's next turn."""
    if e.amount < 1:
        return Verdict.BAD_AMOUNT
    ask(s.book, e, e.amount)
    s.asked_at[e.job] = e.time
    s.book.prover[e.job] = ANYONE
    s.book.phase[e.job] = Phase.BIDDING
    wait(p, s, e.job, e.time)
    return Verdict.OK


@spec
def wait(p: Params, s: State, job: int, time: int) -> None:
    """Let the request wait for the matcher's next turn, or for its own end."""
    turn = (time // p.match_ms + 1) * p.match_ms
    s.book.deadline[job] = min(turn, s.asked_at[job] + p.expiry_ms) - 1


@spec
def close(p: Params, s: State, e: Event) -> None:
    """Take the matcher's turn: assign, wait on, or refund a request that expired."""
    b, job = s.book, e.job
    prover = find_prover(p, s, b.escrow[job])
    if e.time >= s.asked_at[job] + p.expiry_ms:
        lose_job(b, job)
    elif prover == NOBODY:
        wait(p, s, job, e.time)
    else:
        allowed = s.says_ms[prover] if p.deadline_by == BY_PROVER and s.says_ms[prover] > 0 else p.window_ms
        assign(b, job, prover, e.time + allowed)
        s.open_jobs[prover] += 1
        move(s.stake, prover, s.bond, job, p.penalty_gwei)


# Proofs and penalties.


@spec
def prove(s: State, e: Event) -> None:
    """Pay the prover what it posted; the surplus goes back, or to the treasury when the input was bad."""
    b, job = s.book, e.job
    pay(b, job, s.price[e.actor])
    if e.detail == BAD_INPUT:
        move(b.escrow, job, b.reserve, 0, b.escrow[job])
    refund(b, job)
    move(s.bond, job, s.stake, e.actor, s.bond[job])
    s.open_jobs[e.actor] -= 1
    b.phase[job] = Phase.SETTLED


@spec
def punish(s: State, job: int, own: int, others: int) -> None:
    """Refund the request and take the penalty: what the prover's own bot wins, others' bots, the treasury the rest."""
    b = s.book
    prover = int(b.prover[job])
    move(s.bond, job, b.cash, prover, own)
    slash(b, prover, s.bond, job, b.burnt, 0, others)
    slash(b, prover, s.bond, job, b.reserve, 0, s.bond[job])
    lose_job(b, job)
    s.open_jobs[prover] -= 1


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
    if e.kind == Kind.CLOSE:
        close(p, s, e)
    elif e.kind == Kind.PROVE:
        prove(s, e)
    elif e.kind == Kind.DECLINE:
        punish(s, e.job, 0, 0)
    elif e.kind == Kind.EXPIRE:
        bounty = bips_of(s.bond[e.job], p.bounty_rate)
        own = bounty if ticket_of(e.word, BIPS) < p.self_slash_rate else 0
        punish(s, e.job, own, bounty - own)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
