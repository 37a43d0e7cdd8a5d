"""Escape hatch: now and then one bonded candidate, drawn in advance, orders and has to prove, or is fined (Aztec).

Rules
    Of `frequency` epochs the first `active` are a hatch, in which no committee orders, but the designated candidate.
    STAKE of the bond joins the set of candidates, UNSTAKE leaves it, WITHDRAW (0) takes the bond less `tax_gwei` out.
    REQUEST, by anybody, draws the candidate of the hatch `lag` hatches later, equally among those who were in the set
    two epochs before the present hatch began, once a hatch (FULL), and until two epochs before the next one (LATE).
    Its amount is what those want to pay whom the hatch is for. Nobody in the set: NO_PROVER.
    Who is drawn is out of the set. CLOSE, as the hatch opens, gives it the hatch (ASSIGNED); it has until the end of
    the `proof_epochs` epochs after the hatch to order and to PROVE, which earns the amount. Else EXPIRE burns
    `fine_gwei` of its bond and refunds: LOST. Proven or not, its bond is free `exit_ms` after that time.
    A candidate that leaves is free at once, unless it is among those of whom is being drawn: while that draw is
    outstanding it cannot leave (EARLY), and between the freeze of a set and the hatch it waits until the next freeze.

Units
    Money gwei (1e-9 AZTEC), time ms. The size of a request has no meaning.

Randomness
    `e.word` of REQUEST, by `ticket_of`. The contract takes RANDAO of one epoch before, so that nobody can join or
    leave by it, and the remainder by the size of the set.

Source
    AztecProtocol/l1-contracts@c427d0ba src/core/EscapeHatch.sol; numbers of mainnet v5 from
    script/deploy/DeployRollupForUpgradeV5.s.sol (July 2026).

Literal or intended
    Literal: freezes, lags, who can be drawn, exits, tax and fine. The contract draws by itself when a candidate wants
    to leave; here that is another event, so the candidate has to wait for it. A candidate that leaves after the freeze
    can still be drawn; it is then on duty in spite of that.

Simplified
    To order and to prove are one event of the designated candidate; on chain anybody's proof of what it ordered will
    do. The fine is taken when the time to prove is over; there it is when the bond is freed, by anybody's call. Rewards
    of the checkpoints are those of `epoch_race`. The hatch is never switched off. `first_hatch` is the number of the
    hatch whose beginning is time 0: in number 0 nobody can join.

Failure modes
    A hatch without candidate is closed: the bond of 332 M is the price of there being one. The fine is a fortieth of
    the bond, so a captor of the whole set loses 9.6 M for each hatch it keeps shut, every three days. One turn ends
    membership: to be drawn again takes the tax and 30 days. Two epochs in 112 are 1.8 % of the time: whoever is
    censored waits three days on average for the draw and three more for the hatch.
"""

from typing import NamedTuple

from proofyard.core import (
    ANYONE,
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    GweiByActor,
    Kind,
    Once,
    Verdict,
    ask,
    assign,
    check,
    lose_job,
    move,
    open_bidding,
    out_of_range,
    settle_job,
    slash,
    spec,
    ticket_of,
)

SOURCE = "Aztec, AztecProtocol/l1-contracts@c427d0ba EscapeHatch.sol, DeployRollupForUpgradeV5.s.sol (July 2026)"
FAMILY = "staked pool"

TOKEN = 10**9  # gwei
DAY_MS = 86_400_000
MAX_MS = 2**40
FREEZE_EPOCHS = 2  # before a hatch begins, in which the set is frozen for the draw made in it
NONE, ACTIVE, DRAWN, LEAVING = 0, 1, 2, 3  # `status`


class Params(NamedTuple):
    """Defaults: mainnet v5, July 2026."""

    epoch_ms: int = 2_304_000  # ms, 32 slots of 72 s
    frequency: int = 112  # epochs from one hatch to the next
    active: int = 2  # epochs a hatch is open
    lag: int = 1  # hatches from the draw to the hatch it is for
    proof_epochs: int = 1  # epochs after the hatch in which it can be proven
    bond_gwei: int = 332_000_000 * TOKEN  # gwei that makes a candidate
    tax_gwei: int = 1_660_000 * TOKEN  # gwei kept of every bond that leaves
    fine_gwei: int = 9_600_000 * TOKEN  # gwei for a hatch not proven
    exit_ms: int = 30 * DAY_MS  # ms from the end of the time to prove until the bond is free
    first_hatch: int = 1  # number of the hatch that begins at time 0


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # bond, in the set or drawn
    exiting: GweiByActor  # bond on its way out
    status: ByActor  # 0 no candidate, 1 in the set, 2 drawn, 3 on its way out
    joined: ByActor  # ms
    left: ByActor  # ms, when it left the set
    free_at: ByActor  # ms, from when the bond can be taken out
    drawn: ByJob  # actor
    until: ByJob  # ms, the last at which it can be proven
    prepared: Once  # number of the last hatch drawn for


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "epoch_ms": (1, 2**32), "frequency": (max(FREEZE_EPOCHS, p.active) + 1, 2**20),
        "active": (p.proof_epochs + 1, 100), "lag": (1, 100), "proof_epochs": (0, 98), "bond_gwei": (1, MAX_GWEI),
        "tax_gwei": (0, p.bond_gwei), "fine_gwei": (0, p.bond_gwei), "exit_ms": (0, 30 * DAY_MS),
        "first_hatch": (0, 2**20),
    }  # fmt: skip
    return out_of_range(p, limits)


# Hatches.


@spec
def hatch_at(p: Params, time: int) -> int:
    """Tell the number of the hatch that the epoch of `time` belongs to, open or over (getCurrentHatch)."""
    return p.first_hatch + time // (p.epoch_ms * p.frequency)


@spec
def begin_of(p: Params, hatch: int) -> int:
    """Compute the first ms of a hatch; negative for one before the market began."""
    return (hatch - p.first_hatch) * p.frequency * p.epoch_ms


@spec
def freeze_of(p: Params, hatch: int) -> int:
    """Compute the time at which the set is frozen for the draw made in `hatch` (getSetTimestamp)."""
    return begin_of(p, hatch) - FREEZE_EPOCHS * p.epoch_ms


@spec
def in_set(s: State, actor: int, time: int) -> bool:
    """Say whether `actor` was in the set as it was frozen at `time`."""
    if s.status[actor] == NONE or s.joined[actor] > time:
        return False
    return s.status[actor] == ACTIVE or s.left[actor] > time


@spec
def draw(s: State, frozen: int, word: int) -> int:
    """Draw one of the set, each equally likely; ANYONE if it is empty."""
    count = 0
    for actor in range(len(s.status)):
        count += in_set(s, actor, frozen)
    ticket = ticket_of(word, count)
    for actor in range(len(s.status)):
        if in_set(s, actor, frozen):
            if ticket == 0:
                return actor
            ticket -= 1
    return ANYONE


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Draw the candidate of a hatch to come (selectCandidates)."""
    b, job, now = s.book, e.job, hatch_at(p, e.time)
    target = now + p.lag
    if s.prepared[0] >= target:
        return Verdict.FULL
    if e.time >= freeze_of(p, now + 1):
        return Verdict.LATE
    actor = draw(s, freeze_of(p, now), e.word)
    if actor == ANYONE:
        return Verdict.NO_PROVER
    ask(b, e, e.amount)
    s.prepared[0] = target
    begin = begin_of(p, target)
    end = begin + (p.active + p.proof_epochs) * p.epoch_ms
    if s.status[actor] == ACTIVE:
        s.left[actor] = e.time
    else:
        move(s.exiting, actor, s.stake, actor, s.exiting[actor])
    s.status[actor] = DRAWN
    s.free_at[actor] = end + p.exit_ms
    s.drawn[job], s.until[job] = actor, end - 1
    open_bidding(b, job, begin - 1)
    return Verdict.OK


@spec
def release(s: State, actor: int) -> None:
    """Put a bond on its way out."""
    move(s.stake, actor, s.exiting, actor, s.stake[actor])
    s.status[actor] = LEAVING


@spec
def prove(s: State, e: Event) -> None:
    """Pay who ordered and proved; its duty is done."""
    settle_job(s.book, e.job)
    release(s, e.actor)


@spec
def expire(p: Params, s: State, job: int) -> None:
    """Fine who kept the hatch shut (validateProofSubmission)."""
    actor = int(s.book.prover[job])
    slash(s.book, actor, s.stake, actor, s.book.burnt, 0, p.fine_gwei)
    release(s, actor)
    lose_job(s.book, job)


# Candidates.


@spec
def join(p: Params, s: State, e: Event) -> Verdict:
    """Put the bond down (joinCandidateSet)."""
    if freeze_of(p, hatch_at(p, e.time)) < begin_of(p, 0):
        return Verdict.EARLY  # HatchTooEarly
    if s.status[e.actor] != NONE:
        return Verdict.FULL
    if e.amount < p.bond_gwei:
        return Verdict.BAD_AMOUNT
    move(s.book.cash, e.actor, s.stake, e.actor, p.bond_gwei)
    s.status[e.actor] = ACTIVE
    s.joined[e.actor] = e.time
    return Verdict.OK


@spec
def leave(p: Params, s: State, e: Event) -> Verdict:
    """Leave the set (initiateExit)."""
    actor, now = e.actor, hatch_at(p, e.time)
    if s.status[actor] != ACTIVE:
        return Verdict.POOR
    freeze = freeze_of(p, now + 1)
    if e.time < freeze and s.prepared[0] < now + p.lag and in_set(s, actor, freeze_of(p, now)):
        return Verdict.EARLY
    release(s, actor)
    s.left[actor] = e.time
    s.free_at[actor] = e.time if e.time < freeze else freeze_of(p, now + 2)
    return Verdict.OK


@spec
def withdraw(p: Params, s: State, e: Event) -> Verdict:
    """Take the bond out, less the tax (leaveCandidateSet)."""
    actor = e.actor
    if s.status[actor] != LEAVING or e.amount > 0:
        return Verdict.POOR if s.status[actor] != LEAVING else Verdict.BAD_AMOUNT
    if e.time < s.free_at[actor]:
        return Verdict.EARLY
    move(s.exiting, actor, s.book.burnt, 0, min(p.tax_gwei, s.exiting[actor]))
    move(s.exiting, actor, s.book.cash, actor, s.exiting[actor])
    s.status[actor] = NONE
    return Verdict.OK


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.STAKE:
        return join(p, s, e)
    if e.kind == Kind.UNSTAKE:
        return leave(p, s, e)
    if e.kind == Kind.WITHDRAW:
        return withdraw(p, s, e)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.CLOSE:
        assign(s.book, e.job, s.drawn[e.job], s.until[e.job])
    elif e.kind == Kind.PROVE:
        prove(s, e)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e.job)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
