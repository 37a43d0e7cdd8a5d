"""Chained proofs: a block may carry payload only with the proof of its strand, made by its own proposer (Starknet).

Rules
    A job is a height. REQUEST asks for the next one and puts the fees of its payload in escrow; heights wait for each
    other (BIDDING, CLOSE moves them on) and each takes `block_ms` from its proposer's start to its commit. Height H is
    on strand H mod K. `unproven` counts the strand's blocks from its last full one on. A proposer with the proof of
    that block in hand when it starts builds a full block, which carries it: the strand counts one again, and the
    proposer keeps its block's fees. Without the proof it builds an empty one: its fees go back, the height is LOST,
    the strand counts one more. If more than `most_empty` stand there, no round of this height passes without the
    proof: the chain waits. The first K blocks need no proof.
    A full block is ASSIGNED at its commit to the proposer of height H + K, drawn when H was asked for, by lot in
    proportion to stake (STAKE, UNSTAKE). PROVE puts the proof in its hand (PROVEN); the block that carries it settles
    it. Who has not delivered when its own block begins (EXPIRE) is joined by anybody (OPEN); a proof of empty blocks
    is free, so the proof of the full one is all that is ever missing. With no proof `patience_ms` later a chain that
    has halted is restarted by hand: the block is LOST, its strand begins anew. One that has not goes on waiting, a
    lap at a time.

Units
    Money gwei, time ms.

Randomness
    The word of a REQUEST draws the proposer K heights on: the owner of the ticket in the sum of stakes. The first K
    heights draw their own proposer from the same word, turned by half its bits.

Source
    informalsystems/malachite specs/starknet/proofs-scheduling {README.md, quint/proofs.qnt} @bcac2b2d; Starknet
    decentralisation series VII (chained proof protocols).

Literal or intended
    `quint = 0`: the prose allows P empty blocks, the proof is forced at lap P + 1. `quint = 1`: the model counts the
    full block too, so P - 1 empty ones, forced at lap P. Neither is the other's mistake: the numbers mean different
    things. `proof_share = 0` is the specification: who makes a late proof that somebody else's block carries is paid
    nothing (a stated open issue); above 0 it has so much of that block's fees.

Simplified
    By rule 5 the next lap's assigned prover starts over from the lowest full block; here it is one of those who may
    once the job is open to all, and the first at work goes on. The proof need not be made for the round at hand.
    Consensus itself takes no time beyond `block_ms` and never fails. Lots are drawn over the stakes of the moment;
    that sets change only every E blocks appears as the condition K <= E + 1 alone. A proof still in hand
    when the last height was asked for settles without a block.

Failure modes
    One slow prover costs its strand a lap, never another strand, until P laps are used up: then it stops everybody.
    The price of a miss is the fees of one's own block, so a proposer of a poor block has little reason to prove, and
    one with the proof in hand may still leave its block empty to hurt the next.
"""

from typing import Annotated, NamedTuple, TypeAlias

from proofyard.core import (
    BIPS,
    Book,
    ByJob,
    Event,
    GweiByActor,
    Ints,
    Kind,
    Once,
    Phase,
    Tree,
    Verdict,
    accept_proof,
    ask,
    assign,
    bips_of,
    check,
    find,
    lose_job,
    move,
    move_stake,
    open_bidding,
    open_to_all,
    out_of_range,
    set_weight,
    spec,
    ticket_of,
    total_weight,
)

SOURCE = "Starknet strands, informalsystems/malachite specs/starknet/proofs-scheduling @bcac2b2d"
FAMILY = "chain"

MAX_STRANDS = 256
MAX_TIME = 2**30  # ms, a block; laps and waits doubled over and over stay far below 2**63
HALF = 31  # bits of a word
DOUBLINGS = 12  # of a wait
EMPTY, FULL = 1, 2  # how a block is built; 0 = not begun

ByStrand: TypeAlias = Annotated[Ints, 256]


class Params(NamedTuple):
    strands: int = 20  # K; at least the time to prove one block / block_ms, for a full block every time
    most_empty: int = 3  # P, blocks of a strand without payload before the chain waits; see `quint`
    quint: int = 0  # switch: 1 = P counts the full block too, as the model has it
    block_ms: int = 3_000  # ms from the start of a height to its commit
    laps: int = 1  # laps the assigned prover has the job to itself
    patience_ms: int = 600_000  # ms after that until a chain that has halted is restarted
    proof_share: int = 0  # bips of a block's fees for whoever made the proof it carries
    epoch_blocks: int = 1_132  # E, blocks a set of validators stands for; K <= E + 1, or provers are not known in time


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # weight in the lot of proposers
    lots: Tree  # the same, for drawing
    height: ByJob  # of the block
    sequence: ByJob  # job of each height
    proposer: ByJob  # actor who builds the block
    successor: ByJob  # proposer K heights on, who proves it
    built: ByJob  # 0 not begun, 1 empty, 2 full
    carries: ByJob  # job + 1 of the full block whose proof it carries, 0 none
    waits: ByJob  # timers in vain
    bottom: ByStrand  # job + 1 of the last full block, 0 = none
    unproven: ByStrand  # blocks from that one on
    asked: Once  # heights asked for
    committed: Once  # heights committed
    woken: Once  # job + 1 of the other job that the last event moved on, 0 none


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    limits = {
        "strands": (1, MAX_STRANDS), "most_empty": (1, 2**20), "quint": (0, 1), "block_ms": (1, MAX_TIME),
        "laps": (1, 2**10), "patience_ms": (1, 2**40), "proof_share": (0, BIPS), "epoch_blocks": (p.strands - 1, 2**40),
    }  # fmt: skip
    return out_of_range(p, limits)


@spec
def draw(s: State, word: int) -> int:
    """Owner of the word's ticket in the sum of stakes."""
    return find(s.lots, ticket_of(word, total_weight(s.lots)))


@spec
def turned(word: int) -> int:
    """Exchange the halves of a word: other dice from the same throw."""
    return ((word & (2**HALF - 1)) << HALF) | (word >> HALF)


@spec
def is_stuck(p: Params, s: State, strand: int) -> bool:
    """Say whether the next block of `strand` has to carry the proof."""
    return s.unproven[strand] > p.most_empty - p.quint


@spec
def begin(p: Params, s: State, job: int, time: int) -> bool:
    """Let the proposer of `job` start, if its turn has come and it may build a block at all."""
    if s.height[job] != s.committed[0] or s.built[job] != 0:
        return False
    strand = s.height[job] % p.strands
    last = s.bottom[strand] - 1
    if last < 0 or s.book.phase[last] == Phase.PROVEN:
        s.built[job] = FULL
        s.carries[job] = last + 1
    elif is_stuck(p, s, strand):
        return False
    else:
        s.built[job] = EMPTY
    s.book.deadline[job] = time + p.block_ms - 1
    return True


@spec
def begin_next(p: Params, s: State, time: int) -> None:
    """Let the proposer of the next height start, if that is asked for and possible."""
    if s.committed[0] < s.asked[0]:
        job = int(s.sequence[s.committed[0]])
        if begin(p, s, job, time):
            s.woken[0] = job + 1


@spec
def pay_block(p: Params, s: State, job: int) -> None:
    """Give the fees of a full block to its proposer, but for the share of whoever made the proof it carries."""
    b, proposer, fees = s.book, int(s.proposer[job]), int(s.book.escrow[job])
    proven = s.carries[job] - 1
    if proven >= 0:
        prover = int(b.prover[proven])
        share = fees if prover == proposer else bips_of(fees, p.proof_share)
        move(b.escrow, job, b.cash, prover, share)
        b.paid[proven] += share
        b.phase[proven] = Phase.SETTLED
    move(b.escrow, job, b.cash, proposer, b.escrow[job])


@spec
def commit(p: Params, s: State, job: int, time: int) -> None:
    """Append the block: full, it is for the proposer K heights on to prove; empty, its payload has to wait."""
    b, strand = s.book, s.height[job] % p.strands
    s.committed[0] += 1
    if s.built[job] == FULL:
        pay_block(p, s, job)
        s.bottom[strand] = job + 1
        s.unproven[strand] = 1
        assign(b, job, s.successor[job], time + (p.strands * p.laps - 1) * p.block_ms)
    else:
        lose_job(b, job)
        s.unproven[strand] += 1
    begin_next(p, s, time)


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Ask for the next height and draw who proves it; its proposer is the prover of K heights before."""
    if total_weight(s.lots) == 0:
        return Verdict.NO_PROVER
    b, height = s.book, int(s.asked[0])
    s.woken[0] = 0
    ask(b, e, e.amount)
    s.height[e.job] = height
    s.sequence[height] = e.job
    s.asked[0] += 1
    s.successor[e.job] = draw(s, e.word)
    s.proposer[e.job] = draw(s, turned(e.word))
    if height >= p.strands:
        s.proposer[e.job] = s.successor[s.sequence[height - p.strands]]
    open_bidding(b, e.job, e.time + (height - s.committed[0] + 1) * p.block_ms)  # no sooner, by the heights before
    begin(p, s, e.job, e.time)
    return Verdict.OK


@spec
def wait_longer(s: State, job: int, time: int, pause: int) -> None:
    """Look again later, ever more rarely: whatever moves the job on comes by another event."""
    s.book.deadline[job] = time + (pause << min(s.waits[job], DOUBLINGS))
    s.waits[job] += 1


@spec
def close(p: Params, s: State, e: Event) -> None:
    """Commit a block that is built; begin one whose turn has come."""
    if s.built[e.job] != 0:
        commit(p, s, e.job, e.time)
    elif not begin(p, s, e.job, e.time):
        wait_longer(s, e.job, e.time, p.block_ms)


@spec
def prove(p: Params, s: State, e: Event) -> None:
    """Put the proof in hand; a chain that waits for it goes on."""
    b = s.book
    accept_proof(b, e.job, e.actor, e.time + p.strands * p.block_ms)
    begin_next(p, s, e.time)


@spec
def has_block_ahead(p: Params, s: State, job: int) -> bool:
    """Say whether the next block of the strand of `job` is asked for."""
    ahead = (s.height[job] - s.committed[0]) % p.strands
    return bool(s.committed[0] + ahead < s.asked[0])


@spec
def is_halted(p: Params, s: State, job: int) -> bool:
    """Say whether the chain waits for the proof of `job`: the next block is of its strand, and cannot begin."""
    if s.committed[0] >= s.asked[0] or (s.height[job] - s.committed[0]) % p.strands != 0:
        return False
    return bool(s.built[s.sequence[s.committed[0]]] == 0)


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Let anybody prove what its prover has not; restart the strand by hand when nobody does."""
    b = s.book
    if b.phase[e.job] == Phase.ASSIGNED:
        open_to_all(b, e.job, e.time + p.patience_ms)
        return
    if has_block_ahead(p, s, e.job) and not is_halted(p, s, e.job):
        open_to_all(b, e.job, e.time + max(p.patience_ms, p.strands * p.block_ms))
        return
    b.phase[e.job] = Phase.LOST
    strand = s.height[e.job] % p.strands
    s.bottom[strand] = 0
    s.unproven[strand] = 0
    begin_next(p, s, e.time)


@spec
def settle(p: Params, s: State, e: Event) -> None:
    """Keep a proof in hand while a block that will carry it is asked for; else it is settled without."""
    if has_block_ahead(p, s, e.job):
        wait_longer(s, e.job, e.time, p.strands * p.block_ms)
        return
    s.bottom[s.height[e.job] % p.strands] = 0
    s.book.phase[e.job] = Phase.SETTLED


@spec
def change_stake(s: State, e: Event) -> Verdict:
    """Put stake in or take it out; it weighs at once."""
    verdict = move_stake(s.book, s.stake, e)
    set_weight(s.lots, e.actor, s.stake[e.actor])
    return verdict


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.STAKE or e.kind == Kind.UNSTAKE:
        return change_stake(s, e)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.PROVE and s.book.phase[e.job] == Phase.PROVEN:
        return Verdict.WRONG_PHASE
    if e.kind != Kind.CLOSE and e.kind != Kind.PROVE and e.kind != Kind.EXPIRE and e.kind != Kind.SETTLE:
        return Verdict.UNKNOWN
    s.woken[0] = 0
    if e.kind == Kind.CLOSE:
        close(p, s, e)
    elif e.kind == Kind.PROVE:
        prove(p, s, e)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e)
    else:
        settle(p, s, e)
    return Verdict.OK
