"""Slash votes: proposers of a round vote how much a validator loses; a majority of all slots, days before it is done.

Rules
    A seat takes exactly `position_gwei` (STAKE of that or more; up to 62 seats, then FULL); UNSTAKE ends it whole, and
    WITHDRAW pays it `exit_ms` later; until it is free it can be slashed, until it is paid there is no new seat. Time is
    cut into rounds of `slots` slots, which are dealt to the seats in turn, from one drawn on.
    REQUEST accuses the holder of a position (`detail`) until the end of the round. VOTE, in the round, once for each
    accusation: the voter's slots count for the level it names (`word`, 1 to 3, 0 for none) and for all below it.
    CLOSE, when the round is over: the highest level with `quorum` slots stands; none, and the accusation is LOST. What
    stands can be carried out by anybody (CLOSE, then PROVE) from `delay_rounds` rounds after the round's end until
    `life_rounds` after it, else it is LOST. The accused then loses `small_gwei`, `medium_gwei` or `large_gwei`, burnt;
    a position that falls below `ejection_gwei` is put out, and what is left of it waits like one that was ended.

Units
    Money gwei, time ms.

Randomness
    `e.word` of the first REQUEST of a round, by `ticket_of`: the seat that slots are dealt from.

Source
    Aztec, AztecProtocol/l1-contracts @c427d0ba (v5.1.0): SlashingProposer.sol, Slasher.sol, StakingLib.sol; the numbers
    of mainnet v5.

Literal or intended
    A vote is by slot there, cast in the block of its proposer; here a proposer votes once for all its slots of the
    round. What is voted on there are the committees of the round but one before; here whoever holds a position.

Simplified
    No veto and no pause of three days. Votes cost nothing, and an honest voter names `level`. Slots go by turns, there
    by lot. Nobody is paid for carrying out.

Failure modes
    65 of 128 slots, not of those that vote: with half of the proposers away nobody can be slashed. Who is accused sees
    it days before, and may leave, which helps it only if the exit is shorter than the delay: 4 days against 2.99. A
    verdict nobody carries out in time is void.
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
    Phase,
    Verdict,
    check,
    move,
    open_to_all,
    out_of_range,
    slash,
    spec,
    take_out_matured,
    ticket_of,
)

SOURCE = "Aztec, AztecProtocol/l1-contracts @c427d0ba (v5.1.0, July 2026): slash votes"
FAMILY = "chain"

TOKEN = 10**9  # gwei
MAX_SEATS = 62  # a bit each
LEVELS = 3
MAX_MS = 2**40


class Params(NamedTuple):
    """Defaults: mainnet v5, July 2026."""

    slot_ms: int = 72_000  # ms of a slot
    slots: int = 128  # of a round
    quorum: int = 65  # slots that must name a level, or one above it
    delay_rounds: int = 28  # rounds from the vote's end until it can be carried out
    life_rounds: int = 34  # rounds from the vote's end until it is void
    position_gwei: int = 200_000 * TOKEN  # gwei of a seat
    ejection_gwei: int = 190_000 * TOKEN  # gwei below which a position is put out; 196,000 tokens on Ignition
    small_gwei: int = 2_000 * TOKEN  # gwei of the first level
    medium_gwei: int = 5_000 * TOKEN  # gwei of the second
    large_gwei: int = 5_000 * TOKEN  # gwei of the third
    exit_ms: int = 345_600_000  # ms from leaving to money, 4 d
    level: int = 1  # what an honest voter names


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # positions
    exiting: GweiByActor  # positions that were ended
    matures: ByActor  # ms, from when they can be withdrawn
    seat: ByActor  # number from 1, 0 = none
    churn: Once  # seats taken and left
    dealt: Once  # number of the round whose slots are dealt, + 1
    dealt_slots: ByActor  # slots of that round
    accused: ByJob  # actor
    voted: ByJob  # a bit for each seat that has voted
    ballot: ByJob  # 1 while votes are taken
    choice: ByJob  # what an honest voter names
    for_small: ByJob  # slots for the first level or more
    for_medium: ByJob  # slots for the second level or more
    for_large: ByJob  # slots for the third level
    level: ByJob  # that stands


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "slot_ms": (1, MAX_MS), "slots": (1, 10_000), "quorum": (1, p.slots), "delay_rounds": (0, 1_000),
        "life_rounds": (p.delay_rounds + 1, 10_000), "position_gwei": (1, MAX_GWEI),
        "ejection_gwei": (0, p.position_gwei), "exit_ms": (0, MAX_MS), "level": (0, LEVELS),
    }  # fmt: skip
    return out_of_range(p, limits, (0, MAX_GWEI))


# Seats.


@spec
def free_seat(s: State) -> int:
    """Lowest number of a seat that nobody has, 0 if there is none."""
    taken = 0
    for actor in range(len(s.seat)):
        if s.seat[actor] > 0:
            taken |= 1 << (s.seat[actor] - 1)
    for k in range(MAX_SEATS):
        if (taken >> k) & 1 == 0:
            return k + 1
    return 0


@spec
def put_out(p: Params, s: State, actor: int, time: int) -> None:
    """End a position; its money waits."""
    move(s.stake, actor, s.exiting, actor, s.stake[actor])
    s.matures[actor] = time + p.exit_ms
    s.seat[actor] = 0
    s.churn[0] += 1


@spec
def account(p: Params, s: State, e: Event) -> Verdict:
    """Take a seat, leave it, take out what has waited."""
    actor = e.actor
    if e.kind == Kind.STAKE:
        if e.amount < p.position_gwei:
            return Verdict.BAD_AMOUNT
        seat = free_seat(s)
        if s.seat[actor] > 0 or s.exiting[actor] > 0 or seat == 0:
            return Verdict.FULL
        move(s.book.cash, actor, s.stake, actor, p.position_gwei)
        s.seat[actor] = seat
        s.churn[0] += 1
        return Verdict.OK
    if e.kind == Kind.UNSTAKE:
        if s.seat[actor] == 0:
            return Verdict.POOR
        put_out(p, s, actor, e.time)
        return Verdict.OK
    if e.kind == Kind.WITHDRAW:
        return take_out_matured(s.book, s.exiting, s.matures, e)
    return Verdict.UNKNOWN


# Votes.


@spec
def deal(p: Params, s: State, e: Event) -> None:
    """Deal the slots of the round to the seats in turn, once a round; somebody has a seat."""
    number = e.time // (p.slot_ms * p.slots) + 1
    if s.dealt[0] == number:
        return
    s.dealt[0] = number
    seated = 0
    for actor in range(len(s.seat)):
        s.dealt_slots[actor] = 0
        seated += s.seat[actor] > 0
    turn = seated - ticket_of(e.word, seated) if seated > 0 else 0  # of the first seat in line
    for actor in range(len(s.seat)):
        if s.seat[actor] > 0:
            s.dealt_slots[actor] = p.slots // seated + (1 if turn % seated < p.slots % seated else 0)
            turn += 1


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Accuse whoever holds a position."""
    accused = e.detail
    if accused < 0 or accused >= len(s.seat) or s.stake[accused] + s.exiting[accused] == 0:
        return Verdict.BAD_DETAIL
    deal(p, s, e)
    b = s.book
    b.requester[e.job] = e.actor
    b.prover[e.job] = ANYONE
    b.phase[e.job] = Phase.BIDDING
    b.deadline[e.job] = s.dealt[0] * p.slot_ms * p.slots - 1
    s.accused[e.job] = accused
    s.ballot[e.job] = 1
    s.choice[e.job] = p.level
    return Verdict.OK


@spec
def vote(s: State, e: Event) -> Verdict:
    """Count the voter's slots for the level it names and all below."""
    job = e.job
    if s.book.phase[job] != Phase.BIDDING or s.ballot[job] == 0:
        return Verdict.WRONG_PHASE
    if e.detail != 1 or e.word < 0 or e.word > LEVELS:
        return Verdict.BAD_DETAIL
    seat = s.seat[e.actor]
    if seat == 0 or (s.voted[job] >> (seat - 1)) & 1 == 1:
        return Verdict.NOT_YOURS
    s.voted[job] |= 1 << (seat - 1)
    slots = s.dealt_slots[e.actor]
    s.for_small[job] += slots if e.word >= 1 else 0
    s.for_medium[job] += slots if e.word > 1 else 0
    s.for_large[job] += slots if e.word == LEVELS else 0
    return Verdict.OK


@spec
def close(p: Params, s: State, e: Event) -> None:
    """Let the highest level with a quorum stand, or drop the accusation; when it has stood long enough, open it."""
    b, job = s.book, e.job
    length = p.slot_ms * p.slots
    if s.level[job] > 0:
        left = (p.life_rounds - p.delay_rounds) * length
        open_to_all(b, job, max(b.deadline[job] + left, e.time))
        return
    s.ballot[job] = 0
    level = 0
    if s.for_large[job] >= p.quorum:
        level = LEVELS
    elif s.for_medium[job] >= p.quorum:
        level = LEVELS - 1
    elif s.for_small[job] >= p.quorum:
        level = 1
    if level == 0:
        b.phase[job] = Phase.LOST
        return
    s.level[job] = level
    b.deadline[job] += p.delay_rounds * length


@spec
def carry_out(p: Params, s: State, e: Event) -> None:
    """Slash the position of the accused, or what of it is on its way out and not yet free."""
    b, job = s.book, e.job
    accused = s.accused[job]
    amount = p.small_gwei if s.level[job] == 1 else p.medium_gwei if s.level[job] < LEVELS else p.large_gwei
    slash(b, accused, s.stake, accused, b.burnt, 0, int(min(amount, s.stake[accused])))
    if e.time < s.matures[accused]:
        slash(b, accused, s.exiting, accused, b.burnt, 0, int(min(amount, s.exiting[accused])))
    if s.seat[accused] > 0 and s.stake[accused] < p.ejection_gwei:
        put_out(p, s, accused, e.time)
    b.prover[job] = e.actor
    b.phase[job] = Phase.SETTLED


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
    if e.kind == Kind.VOTE:
        return vote(s, e)
    if e.kind == Kind.CLOSE:
        close(p, s, e)
    elif e.kind == Kind.PROVE:
        carry_out(p, s, e)
    elif e.kind == Kind.EXPIRE:
        s.book.phase[e.job] = Phase.LOST
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
