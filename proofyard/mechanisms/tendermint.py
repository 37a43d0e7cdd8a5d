"""Tendermint: a committee decides heights in rounds of proposal, prevote and precommit (Starknet's sequencers).

Rules
    A job is a height; one is decided at a time, and REQUEST for the next is FULL until then. The committee is the
    `committee` largest stakes (STAKE, UNSTAKE; ties to the lower number), newly formed every `epoch_blocks` heights;
    its weights are those stakes, or one each. What is unstaked can be slashed for `exit_ms`; then WITHDRAW pays it.
    In round r the member (height + r) mod n proposes: the job is ASSIGNED to it, PROVE is its proposal (PROVEN).
    Without one in time (EXPIRE) the round goes on without (BIDDING).
    VOTE: `detail` 2r + 1 is a prevote and 2r + 2 a precommit of round r, `word` what for, 0 = nil. The committee is
    called to the ballot `ballot[job]`, and an honest member votes for `choice[job]`: prevotes for the proposal, or for
    nil if there is none or two; precommits for what a quorum prevoted (from then on the only value that is proposed
    again), or for nil. A quorum of precommits for the proposal decides: its proposer has the escrow. Once a quorum has
    voted at all, a time-out runs: after prevotes the committee precommits nil, after precommits the next round begins
    (the timer is CLOSE or SETTLE). Prevotes of a later round by more than a third of the weight take the height there,
    or precommits.
    Time-outs grow with the round up to a limit. With no quorum of votes for `stall_ms`, or after `max_rounds`, the
    height is given up: LOST, the escrow goes back.
    The virtual proposer is drawn by weight for each round. With `need_virtual = 1` nothing is decided without its
    precommit.

Units
    Money gwei, time ms.

Randomness
    The virtual proposer of round r is the owner of a ticket in the sum of weights, by the word of the REQUEST turned
    by 17 r bits; the code takes 128 bits of SHA-256 over height, round and an older block's hash mod the sum.

Source
    starkware-libs/sequencer crates/apollo_consensus {state_machine.rs, votes_threshold.rs}, committee and time-outs as
    in its configuration @60161ba7; SNIP-30; Buchman, Kwon, Milosevic, arXiv 1807.04938; forum thread 98248.

Literal or intended
    `quorum = 0`: more than 2/3 of the weight. `quorum = 1`: more than half, which v0.14 shipped for its three
    operators (2 of 3); it assumes that nobody lies. `slash_bips = 0` is literal: the contracts have no slashing; above
    0 a second proposal or a second, different vote costs its author that share of its stake (forum 98248).

Simplified
    The rule sees all votes at once, in one order: it is the view of a node that hears everything, locks are the
    committee's, not each member's own, and a vote of an earlier round is LATE though the code lets such precommits
    still decide. Of votes of later rounds a member's first is kept. A re-proposal takes the new proposer as long as a
    new block. Checkpoints of a safe chain, the recovery path and block synchronisation are left out.

Failure modes
    A third of the weight silent stops the chain; with a quorum of half, whoever is half can make two chains. Actual
    proposers take turns whatever their stake, so small members hold up as many heights as large ones. Each silent
    proposer costs a whole time-out, an order of magnitude more than a height; with `need_virtual = 1` a silent large
    member costs rounds in proportion to its stake even when it is not its turn.
"""

from typing import Annotated, NamedTuple

from proofyard.core import (
    ANYONE,
    BIPS,
    Book,
    ByActor,
    ByJob,
    Event,
    GweiByActor,
    Ints,
    Kind,
    Once,
    Phase,
    Verdict,
    ask,
    assign,
    bips_of,
    check,
    lose_job,
    move,
    out_of_range,
    settle_job,
    slash,
    spec,
    take_out,
    ticket_of,
)

SOURCE = "Starknet consensus, starkware-libs/sequencer crates/apollo_consensus @60161ba7; SNIP-30"
FAMILY = "chain"
ACTIVE_SET = "committee"  # parameter that says how many provers it has

MAX_COMMITTEE = 1_000
MAX_ROUNDS = 1_000
MAX_TIME = 2**40  # ms
STAMP = 2**12  # ballots a height has room for
WORD_BITS, TURN = 62, 17
FOR, NIL, ALL = 0, 1, 2  # rows of a tally; precommits come behind prevotes
STEP = 3


class Params(NamedTuple):
    committee: int = 100  # members at most
    quorum: int = 0  # 0 = more than 2/3 of the weight, 1 = more than half
    need_virtual: int = 0  # switch: 1 = a decision needs the virtual proposer's precommit
    equal: int = 0  # switch: 1 = every member has one vote
    propose_ms: int = 9_100  # ms a proposer has
    propose_more_ms: int = 0  # ms more each round
    propose_max_ms: int = 15_000  # ms a proposer has at most, in whichever round
    prevote_ms: int = 300  # ms from a quorum of prevotes, whatever for, to a precommit for nil
    prevote_more_ms: int = 100  # ms more each round
    prevote_max_ms: int = 1_000  # ms the wait after prevotes is at most
    precommit_ms: int = 1_000  # ms from a quorum of precommits, whatever for, to the next round
    precommit_more_ms: int = 500  # ms more each round
    precommit_max_ms: int = 5_000  # ms the wait after precommits is at most
    stall_ms: int = 600_000  # ms without a quorum of votes until a height is given up
    max_rounds: int = 20  # rounds until a height is given up
    slash_bips: int = 0  # bips of its stake that whoever proposes or votes twice loses; burnt
    exit_ms: int = 0  # ms from UNSTAKE to WITHDRAW, in which stake can be slashed; 0 = at once; 604_800_000 on Starknet
    epoch_blocks: int = 1_132  # heights a committee stands for


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # in the contract
    exiting: GweiByActor  # unstaked, weighs no more in the next committee
    matures: ByActor  # ms, from when it can be withdrawn
    seat: ByActor  # place in the committee from 1, 0 none
    weight: ByActor  # of its votes
    member: ByActor  # actor of each place, in the first `members` rows
    members: Once  # of the committee
    total: Once  # weight of the committee
    heights: Once  # heights begun
    live: Once  # job + 1 of the height that is being decided, 0 none
    lot: ByJob  # word the virtual proposers are drawn by
    round: ByJob  # round the height is in, from 0
    ballot: ByJob  # what the committee is called to: 2r + 1 prevote, 2r + 2 precommit, 0 nothing
    choice: ByJob  # what an honest member votes for, 0 nil
    proposal: ByJob  # value proposed in this round: 1 + the round it was first proposed in; 0 none
    valid: ByJob  # value that a quorum prevoted, 0 none
    claim: ByJob  # word of the proposal, -1 once there are two
    virtual: ByJob  # actor whose vote may be needed
    timed: ByJob  # ballot whose time-out runs, 0 none
    tally: Annotated[Ints, 6]  # weight of the votes of this round: prevotes for, nil, all; precommits likewise
    prevoted: ByActor  # stamp of its last prevote; height * STAMP + ballot
    prevote: ByActor  # what for
    precommitted: ByActor  # stamp of its last precommit
    precommit: ByActor  # what for
    ahead: ByActor  # stamp of its vote of a later round
    ahead_vote: ByActor  # what for
    two_faced: Once  # proposals and votes that contradicted each other


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    ranges = {
        "committee": (1, MAX_COMMITTEE), "quorum": (0, 1), "need_virtual": (0, 1), "equal": (0, 1),
        "propose_ms": (1, p.propose_max_ms), "propose_max_ms": (1, MAX_TIME), "prevote_ms": (1, p.prevote_max_ms),
        "prevote_max_ms": (1, MAX_TIME), "precommit_ms": (1, p.precommit_max_ms), "precommit_max_ms": (1, MAX_TIME),
        "propose_more_ms": (0, MAX_TIME), "prevote_more_ms": (0, MAX_TIME), "precommit_more_ms": (0, MAX_TIME),
        "stall_ms": (1, MAX_TIME), "max_rounds": (1, MAX_ROUNDS), "slash_bips": (0, BIPS),
        "exit_ms": (0, MAX_TIME),
        "epoch_blocks": (1, MAX_TIME),
    }  # fmt: skip
    return out_of_range(p, ranges)


@spec
def compute_timeout(base: int, more: int, most: int, step_round: int) -> int:
    """Time-out of a step in a round: it grows with the round up to a limit."""
    return min(base + more * step_round, most)


@spec
def is_quorum(p: Params, s: State, weight: int) -> bool:
    """Say whether votes of this weight are a quorum."""
    if p.quorum == 1:
        return 2 * weight > s.total[0]
    return 3 * weight > 2 * s.total[0]


@spec
def form_committee(p: Params, s: State) -> None:
    """Seat the largest stakes, the largest first; ties to the lower number."""
    count, total = 0, 0
    for actor in range(len(s.stake)):
        s.seat[actor] = 0
        if s.stake[actor] == 0 or (count == p.committee and s.stake[s.member[count - 1]] >= s.stake[actor]):
            continue
        count = min(count + 1, p.committee)
        k = count - 1
        while k > 0 and s.stake[s.member[k - 1]] < s.stake[actor]:
            s.member[k] = s.member[k - 1]
            k -= 1
        s.member[k] = actor
    for k in range(count):
        actor = s.member[k]
        s.seat[actor] = k + 1
        s.weight[actor] = 1 if p.equal == 1 else s.stake[actor]
        total += s.weight[actor]
    s.members[0] = count
    s.total[0] = total


@spec
def draw_virtual(s: State, lot: int, turn_round: int) -> int:
    """First member whose cumulative weight exceeds the ticket of this round."""
    shift = TURN * turn_round % WORD_BITS
    word = ((lot & (2 ** (WORD_BITS - shift) - 1)) << shift) | (lot >> (WORD_BITS - shift))
    ticket = ticket_of(word, s.total[0])
    k = 0
    while ticket >= s.weight[s.member[k]]:
        ticket -= s.weight[s.member[k]]
        k += 1
    return int(s.member[k])


@spec
def stamp_of(s: State, ballot: int) -> int:
    """Name a ballot of the present height."""
    return s.heights[0] * STAMP + ballot


@spec
def count_vote(s: State, job: int, actor: int, ballot: int, value: int) -> None:
    """Add a vote of the present round to its tally."""
    expected = s.valid[job] if s.valid[job] > 0 else s.round[job] + 1
    first = 0
    if ballot % 2 == 1:
        s.prevoted[actor] = stamp_of(s, ballot)
        s.prevote[actor] = value
    else:
        first = STEP
        s.precommitted[actor] = stamp_of(s, ballot)
        s.precommit[actor] = value
    s.tally[first + ALL] += s.weight[actor]
    if value == 0:
        s.tally[first + NIL] += s.weight[actor]
    elif value == expected:
        s.tally[first + FOR] += s.weight[actor]


@spec
def start_round(p: Params, s: State, job: int, new_round: int, time: int) -> None:
    """Give the height to the proposer whose turn it is; votes of this round that came before it count."""
    s.round[job] = new_round
    s.ballot[job] = s.choice[job] = s.proposal[job] = s.timed[job] = 0
    for k in range(len(s.tally)):
        s.tally[k] = 0
    for k in range(s.members[0]):
        actor = int(s.member[k])
        ballot = s.ahead[actor] - stamp_of(s, 0)
        if (ballot + 1) // 2 == new_round + 1:
            count_vote(s, job, actor, ballot, s.ahead_vote[actor])
    s.virtual[job] = draw_virtual(s, s.lot[job], new_round)
    proposer = int(s.member[(s.heights[0] - 1 + new_round) % s.members[0]])
    assign(s.book, job, proposer, time + compute_timeout(p.propose_ms, p.propose_more_ms, p.propose_max_ms, new_round))


@spec
def call(p: Params, s: State, job: int, ballot: int, value: int, time: int) -> None:
    """Call the committee to a ballot; nothing but votes ends it until a quorum has voted."""
    s.ballot[job] = ballot
    s.choice[job] = value
    s.timed[job] = 0
    s.book.deadline[job] = time + p.stall_ms


@spec
def give_up(s: State, job: int) -> None:
    """End a height without a decision."""
    lose_job(s.book, job)
    s.live[0] = s.ballot[job] = 0


@spec
def is_in_favour(p: Params, s: State, job: int) -> bool:
    """Say whether the virtual proposer has precommitted the proposal, where its vote is needed."""
    actor = s.virtual[job]
    voted = s.precommitted[actor] == stamp_of(s, 2 * s.round[job] + 2)
    return p.need_virtual == 0 or bool(voted and s.precommit[actor] == s.proposal[job])


@spec
def decide(s: State, job: int) -> None:
    """Make the proposal final and pay its proposer."""
    b = s.book
    settle_job(b, job)
    s.live[0] = s.ballot[job] = 0


@spec
def advance(p: Params, s: State, job: int, time: int) -> None:
    """Do what the votes so far allow: precommit, start a time-out, decide (lines 34 to 49 of the algorithm)."""
    if s.ballot[job] == 0:
        return  # no proposal yet, and its time is not over
    prevotes = 2 * s.round[job] + 1
    proposed = s.proposal[job] > 0
    if proposed and is_quorum(p, s, s.tally[FOR]):
        s.valid[job] = s.proposal[job]
        if s.ballot[job] == prevotes:
            call(p, s, job, prevotes + 1, s.proposal[job], time)
    elif s.ballot[job] == prevotes and is_quorum(p, s, s.tally[NIL]):
        call(p, s, job, prevotes + 1, 0, time)
    elif s.ballot[job] == prevotes and s.timed[job] == 0 and is_quorum(p, s, s.tally[ALL]):
        s.timed[job] = prevotes
        wait = compute_timeout(p.prevote_ms, p.prevote_more_ms, p.prevote_max_ms, s.round[job])
        s.book.deadline[job] = time + wait
    if proposed and is_quorum(p, s, s.tally[STEP + FOR]) and is_in_favour(p, s, job):
        decide(s, job)
    elif s.timed[job] <= prevotes and is_quorum(p, s, s.tally[STEP + ALL]):
        s.timed[job] = prevotes + 1
        wait = compute_timeout(p.precommit_ms, p.precommit_more_ms, p.precommit_max_ms, s.round[job])
        s.book.deadline[job] = time + wait


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Begin the next height."""
    if s.live[0] > 0:
        return Verdict.FULL
    staked = False
    for actor in range(len(s.stake)):
        staked = staked or s.stake[actor] > 0
    renewed = s.heights[0] % p.epoch_blocks == 0 or s.members[0] == 0
    if renewed and not staked:
        return Verdict.NO_PROVER
    if renewed:
        form_committee(p, s)
    ask(s.book, e, e.amount)
    s.heights[0] += 1
    s.live[0] = e.job + 1
    s.lot[e.job] = e.word
    start_round(p, s, e.job, 0, e.time)
    return Verdict.OK


@spec
def punish(p: Params, s: State, actor: int) -> None:
    """Take a share of the stake of whoever contradicted itself."""
    s.two_faced[0] += 1
    slash(s.book, actor, s.stake, actor, s.book.burnt, 0, bips_of(s.stake[actor], p.slash_bips))
    slash(s.book, actor, s.exiting, actor, s.book.burnt, 0, bips_of(s.exiting[actor], p.slash_bips))


@spec
def leave(p: Params, s: State, e: Event) -> Verdict:
    """Take stake out: it stops weighing with the next committee, and can be slashed until it may be withdrawn."""
    if e.amount > s.stake[e.actor]:
        return Verdict.POOR
    if p.exit_ms == 0:
        move(s.stake, e.actor, s.book.cash, e.actor, e.amount)
        return Verdict.OK
    move(s.stake, e.actor, s.exiting, e.actor, e.amount)
    s.matures[e.actor] = e.time + p.exit_ms
    return Verdict.OK


@spec
def propose(p: Params, s: State, e: Event) -> Verdict:
    """Take the proposal; a second, different one of the same round makes honest members prevote nil."""
    b = s.book
    if b.phase[e.job] == Phase.PROVEN:
        fresh = s.ballot[e.job] == 2 * s.round[e.job] + 1 and s.claim[e.job] >= 0
        if b.prover[e.job] != e.actor:
            return Verdict.NOT_YOURS
        if not fresh or s.claim[e.job] == e.word:
            return Verdict.WRONG_PHASE
        s.claim[e.job] = -1
        s.choice[e.job] = 0
        punish(p, s, e.actor)
        return Verdict.OK
    b.phase[e.job] = Phase.PROVEN
    s.claim[e.job] = e.word
    s.proposal[e.job] = s.valid[e.job] if s.valid[e.job] > 0 else s.round[e.job] + 1
    call(p, s, e.job, 2 * s.round[e.job] + 1, s.proposal[e.job], e.time)
    advance(p, s, e.job, e.time)
    return Verdict.OK


@spec
def vote_ahead(p: Params, s: State, e: Event, later: int) -> Verdict:
    """Keep a vote of a later round; more than a third of the weight in its ballot takes the height along (line 55)."""
    if s.ahead[e.actor] >= stamp_of(s, 2 * later + 1):
        return Verdict.WRONG_PHASE
    s.ahead[e.actor] = stamp_of(s, e.detail)
    s.ahead_vote[e.actor] = e.word
    weight = 0
    for k in range(s.members[0]):
        if s.ahead[s.member[k]] == stamp_of(s, e.detail):
            weight += s.weight[s.member[k]]
    if 3 * weight > s.total[0]:
        start_round(p, s, e.job, later, e.time)
    return Verdict.OK


@spec
def vote(p: Params, s: State, e: Event) -> Verdict:
    """Count a member's vote once and do what it allows; a second, different one is punished where that is the rule."""
    of_round = (e.detail + 1) // 2 - 1
    if s.seat[e.actor] == 0:
        return Verdict.NOT_YOURS
    if e.detail < 1 or of_round >= p.max_rounds or e.word < 0:
        return Verdict.BAD_DETAIL
    if of_round < s.round[e.job]:
        return Verdict.LATE
    if of_round > s.round[e.job]:
        return vote_ahead(p, s, e, of_round)
    early = e.detail % 2 == 1
    before = s.prevote[e.actor] if early else s.precommit[e.actor]
    stamp = s.prevoted[e.actor] if early else s.precommitted[e.actor]
    if stamp >= stamp_of(s, e.detail):
        if before == e.word or before < 0 or p.slash_bips == 0:
            return Verdict.WRONG_PHASE
        if early:
            s.prevote[e.actor] = -1
        else:
            s.precommit[e.actor] = -1
        punish(p, s, e.actor)
        return Verdict.OK
    count_vote(s, e.job, e.actor, e.detail, e.word)
    advance(p, s, e.job, e.time)
    return Verdict.OK


@spec
def time_out(p: Params, s: State, e: Event) -> None:
    """End a step: without a proposal, after a quorum of mixed votes, or because too few voted at all."""
    b, ballot = s.book, s.ballot[e.job]
    prevotes = 2 * s.round[e.job] + 1
    if e.kind == Kind.EXPIRE:
        b.phase[e.job] = Phase.BIDDING
        b.prover[e.job] = ANYONE
        call(p, s, e.job, prevotes, 0, e.time)
        advance(p, s, e.job, e.time)
    elif ballot == prevotes and s.timed[e.job] == prevotes:
        call(p, s, e.job, prevotes + 1, 0, e.time)
    elif s.timed[e.job] > prevotes and s.round[e.job] + 1 < p.max_rounds:
        start_round(p, s, e.job, s.round[e.job] + 1, e.time)
    else:
        give_up(s, e.job)


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.STAKE:
        move(s.book.cash, e.actor, s.stake, e.actor, e.amount)  # it weighs from the next committee on
        return Verdict.OK
    if e.kind == Kind.UNSTAKE:
        return leave(p, s, e)
    if e.kind == Kind.WITHDRAW:
        early = s.exiting[e.actor] > 0 and e.time < s.matures[e.actor]
        return Verdict.EARLY if early else take_out(s.book, s.exiting, e)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.PROVE:
        return propose(p, s, e)
    if e.kind == Kind.VOTE:
        return vote(p, s, e)
    if e.kind != Kind.CLOSE and e.kind != Kind.EXPIRE and e.kind != Kind.SETTLE:
        return Verdict.UNKNOWN
    time_out(p, s, e)
    return Verdict.OK
