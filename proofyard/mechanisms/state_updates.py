"""State updates: a rollup's proven state moves on L1 in two steps, and validators left out reset its chain (Starknet).

Rules
    A job is an update of the state on L1 from the height proven last to the L2 tip of the moment it is asked for; one
    is under way at a time (REQUEST of another: FULL; EARLY while there is no new block). Anybody may make the proof
    (OPEN): PROVE registers it, and SETTLE, `update_ms` later, updates the state, unless validators are stale. The
    first prover has the reward in escrow, less a consolation. After `idle_ms` without an update provers have it in
    turn (ASSIGNED, `turn_ms` each, in the order of their numbers); after `turns` turns the update is LOST, and the
    next one covers more blocks. Each update has a turn holder from the start: if it hands in a proof of the same
    transition within `consolation_ms` of the first, it has the consolation; else that goes back.
    STAKE and UNSTAKE on L1 are entries in a registry, numbered, one under way per validator. The L2 takes an entry in
    after `inclusion_ms`, in order; it is effective `delay_epochs` L2 epochs after the one it was taken in, and
    confirmed by the update that contains it. An entry is stale when it is not confirmed `stale_epochs` L1 epochs after
    its own. With a stale entry left out no update is accepted: the fork number becomes the latest stale epoch, all L2
    blocks above the proven height are discarded with the update under way (LOST), and one fork block applies what was
    taken in and what was stale at once. A withdrawn stake is paid out when the entry is effective.

Units
    Money gwei, time ms. A block, a height and an epoch are numbers.

Randomness
    None.

Source
    informalsystems/malachite specs/starknet/validator-updates {README.md, forced-staking-updates} @bcac2b2d; Starknet
    decentralisation series V (two transactions), workshop notes on the L1 layer (turns and consolation), Nethermind's
    reflections (forum 114280: the shrinking reward).

Literal or intended
    `inclusion_gwei = 0` is the specification. Above 0 is the softener of forum 114280: the prover of the update that
    confirms an entry has a reward from the protocol's reserve that shrinks to nothing over `inclusion_within_ms`.

Simplified
    Whether the L2 censors is a number, `inclusion_ms`: above two L1 epochs it leaves everybody out until the reset.
    A validator has one entry under way. Sets are as L1 knows them: an entry counts once it is both confirmed and
    effective. The base block, a proof's wait for L1 inclusion and recursion over smaller proofs are left out; the
    discarded blocks' payload is not sequenced again here. How turns and consolation interlock with the two
    transactions is our reading of a workshop variant [uncertain].

Failure modes
    A chain whose updates stop for two days loses everything since the last one, not only the censored entries: with
    an update an hour that is an hour, with a prover outage it is all of it. In the open race the fastest prover takes
    every update and others learn only that they lost; the consolation keeps one other awake at a time.
"""

from typing import NamedTuple

from proofyard.core import (
    BIPS,
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
    accept_proof,
    ask,
    assign,
    bips_of,
    check,
    lose_job,
    move,
    mul_div,
    open_to_all,
    out_of_range,
    pay,
    refund,
    spec,
)

SOURCE = "Starknet, informalsystems/malachite specs/starknet/validator-updates @bcac2b2d; decentralisation series V"
FAMILY = "chain"

HOUR = 3_600_000  # ms
MAX_TIME = 2**40  # ms


class Params(NamedTuple):
    block_ms: int = 3_000  # ms from one L2 block to the next
    l2_epoch_ms: int = HOUR  # ms, for which a validator set of the L2 stands
    l1_epoch_ms: int = 24 * HOUR  # ms, of the registry
    delay_epochs: int = 2  # L2 epochs from taking an entry in to its effect
    stale_epochs: int = 2  # L1 epochs an entry may stay unconfirmed
    inclusion_ms: int = HOUR  # ms until the L2 takes an entry in
    inclusion_gwei: int = 0  # gwei for confirming an entry at once; see inclusion_within_ms
    inclusion_within_ms: int = 24 * HOUR  # ms over which that reward shrinks to nothing
    reserve_gwei: int = 0  # gwei such rewards are paid from; when it runs dry, what is there is paid
    update_ms: int = 12_000  # ms from registering a proof to updating the state
    idle_ms: int = 5 * HOUR  # ms without an update until provers take turns
    turn_ms: int = HOUR  # ms a turn lasts
    turns: int = 12  # turns until an update is given up
    consolation_ms: int = HOUR  # ms the turn holder has after the first proof
    consolation: int = 2_000  # bips of the reward put aside for it


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # locked on L1
    exiting: GweiByActor  # on its way out
    weight: ByActor  # gwei in the validator set (a record)
    change: ByActor  # gwei by which its entry under way changes the weight, 0 none
    number: ByActor  # of that entry in the registry, from 1
    registered: ByActor  # ms, when the entry was made
    effective: ByActor  # ms, when a confirmed entry takes effect; 0 = not confirmed
    entries: Once  # in the registry
    proven: Once  # height of the state on L1
    tip: Once  # height of the L2 at `tip_at`
    tip_at: Once  # ms
    fork: Once  # forkID: -1, then the latest stale L1 epoch of each reset
    resets: Once  # times the chain was set back to what is proven
    discarded: Once  # blocks
    live: Once  # job + 1 of the update that has not landed, 0 none
    landed_at: Once  # ms, the last update
    turn: Once  # actor + 1 who had the last turn
    first: ByJob  # height the update begins with
    last: ByJob  # and ends with
    fork_of: ByJob  # forkID of its proof
    asked_at: ByJob  # ms
    proven_at: ByJob  # ms
    claim: ByJob  # transition that was proven first
    landed: ByJob  # 1 = the state is updated
    holder: ByJob  # actor + 1 whose turn it is, 0 nobody
    turns: ByJob  # so far
    consoled: ByJob  # 1 = the turn holder handed in a proof of the same transition


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    ranges = {
        "block_ms": (1, MAX_TIME), "l2_epoch_ms": (1, MAX_TIME), "l1_epoch_ms": (1, MAX_TIME),
        "delay_epochs": (0, 1_000), "stale_epochs": (1, 1_000), "inclusion_ms": (0, MAX_TIME),
        "inclusion_gwei": (0, MAX_GWEI), "inclusion_within_ms": (1, MAX_TIME), "reserve_gwei": (0, MAX_GWEI),
        "update_ms": (1, MAX_TIME), "idle_ms": (1, MAX_TIME), "turn_ms": (1, MAX_TIME), "turns": (0, 100),
        "consolation_ms": (0, MAX_TIME), "consolation": (0, BIPS),
    }  # fmt: skip
    return out_of_range(p, ranges)


def genesis(p: Params, s: State) -> None:
    """Put aside what rewards for confirming entries are paid from; there was no reset yet."""
    s.book.reserve[0] = p.reserve_gwei
    s.fork[0] = -1


@spec
def compute_tip(p: Params, s: State, time: int) -> int:
    """Height of the L2 at `time`."""
    return s.tip[0] + (time - s.tip_at[0]) // p.block_ms


@spec
def is_pending(s: State, actor: int) -> bool:
    """Say whether L1 waits for the confirmation of an entry of `actor`."""
    return s.change[actor] != 0 and s.effective[actor] == 0


@spec
def is_taken_in(p: Params, s: State, actor: int, time: int) -> bool:
    """Say whether the L2 knows the entry of `actor` at `time`."""
    return s.registered[actor] + p.inclusion_ms <= time


@spec
def stale_epoch(p: Params, s: State, time: int, covered: int) -> int:
    """Latest L1 epoch of a stale entry that an update of all blocks up to the time `covered` leaves out; -1 none."""
    latest = -1
    for actor in range(len(s.change)):
        epoch = s.registered[actor] // p.l1_epoch_ms
        overdue = epoch + p.stale_epochs <= time // p.l1_epoch_ms
        if overdue and is_pending(s, actor) and not is_taken_in(p, s, actor, covered):
            latest = max(latest, epoch)
    return latest


@spec
def take_effect(s: State, actor: int) -> None:
    """Let an entry change the validator set; what was withdrawn is paid out."""
    s.weight[actor] += s.change[actor]
    move(s.exiting, actor, s.book.cash, actor, s.exiting[actor])
    s.change[actor] = s.effective[actor] = 0


@spec
def mature(s: State, time: int) -> None:
    """Let all entries take effect that are due."""
    for actor in range(len(s.change)):
        if s.change[actor] != 0 and 0 < s.effective[actor] <= time:
            take_effect(s, actor)


@spec
def lose(s: State, job: int) -> None:
    """Give an update up."""
    lose_job(s.book, job)
    s.live[0] = 0


@spec
def reset(p: Params, s: State, time: int, epoch: int) -> None:
    """Discard all blocks above the proven height; the fork block applies what was taken in and what is stale."""
    s.discarded[0] += compute_tip(p, s, time) - s.proven[0]
    s.tip[0] = s.proven[0] + 1
    s.tip_at[0] = time
    s.fork[0] = epoch
    s.resets[0] += 1
    for actor in range(len(s.change)):
        stale = s.registered[actor] // p.l1_epoch_ms <= epoch
        if s.change[actor] != 0 and (stale or s.effective[actor] > 0 or is_taken_in(p, s, actor, time)):
            take_effect(s, actor)


@spec
def next_turn(s: State) -> int:
    """Actor + 1 after the last turn holder who is a validator, 0 if there is none."""
    count = len(s.weight)
    for k in range(count):
        actor = (s.turn[0] + k) % count
        if s.weight[actor] > 0:
            s.turn[0] = actor + 1
            return actor + 1
    return 0


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Ask for an update up to the present tip; a chain with stale entries is reset first."""
    b, epoch = s.book, stale_epoch(p, s, e.time, e.time)
    if s.live[0] > 0:
        return Verdict.FULL
    if epoch < 0 and compute_tip(p, s, e.time) <= s.proven[0]:
        return Verdict.EARLY
    if epoch >= 0:
        reset(p, s, e.time, epoch)
    mature(s, e.time)
    ask(b, e, e.amount)
    s.live[0] = e.job + 1
    s.first[e.job] = s.proven[0] + 1
    s.last[e.job] = compute_tip(p, s, e.time)
    s.fork_of[e.job] = s.fork[0]
    s.asked_at[e.job] = e.time
    s.holder[e.job] = next_turn(s)
    open_to_all(b, e.job, max(e.time, s.landed_at[0] + p.idle_ms))
    return Verdict.OK


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Register the first proof, or the turn holder's own of the same transition."""
    b = s.book
    if b.phase[e.job] == Phase.PROVEN:
        if s.holder[e.job] != e.actor + 1 or b.prover[e.job] == e.actor:
            return Verdict.NOT_YOURS
        if s.consoled[e.job] == 1 or s.claim[e.job] != e.word:
            return Verdict.WRONG_PHASE
        if e.time > s.proven_at[e.job] + p.consolation_ms:
            return Verdict.LATE
        s.consoled[e.job] = 1
        return Verdict.OK
    accept_proof(b, e.job, e.actor, e.time + p.update_ms)
    s.claim[e.job] = e.word
    s.proven_at[e.job] = e.time
    return Verdict.OK


@spec
def confirm(p: Params, s: State, job: int, time: int) -> None:
    """Confirm all entries in the updated blocks, with a reward the smaller the longer they waited."""
    b = s.book
    for actor in range(len(s.change)):
        if is_pending(s, actor) and is_taken_in(p, s, actor, s.asked_at[job]):
            taken_in = (s.registered[actor] + p.inclusion_ms) // p.l2_epoch_ms
            s.effective[actor] = max(1, (taken_in + p.delay_epochs) * p.l2_epoch_ms)
            left = max(0, p.inclusion_within_ms - (time - s.registered[actor]))
            reward = min(mul_div(p.inclusion_gwei, left, p.inclusion_within_ms), b.reserve[0])
            move(b.reserve, 0, b.cash, b.prover[job], reward)
            b.paid[job] += reward


@spec
def land(p: Params, s: State, job: int, time: int) -> None:
    """Update the state on L1 and pay the first prover."""
    b = s.book
    s.proven[0] = s.last[job]
    s.landed_at[0] = time
    s.landed[job] = 1
    s.live[0] = 0
    confirm(p, s, job, time)
    mature(s, time)
    rivals = s.holder[job] > 0 and s.holder[job] != b.prover[job] + 1
    aside = bips_of(b.escrow[job], p.consolation) if rivals else 0
    pay(b, job, b.escrow[job] - aside)
    b.deadline[job] = s.proven_at[job] + p.consolation_ms


@spec
def finish(s: State, job: int) -> None:
    """Pay the consolation to a turn holder that earned it, or give it back."""
    b = s.book
    if s.consoled[job] == 1:
        amount = b.escrow[job]
        move(b.escrow, job, b.cash, s.holder[job] - 1, amount)
        b.paid[job] += amount
    refund(b, job)
    b.phase[job] = Phase.SETTLED


@spec
def settle(p: Params, s: State, e: Event) -> None:
    """Update the state, or find that it cannot be; then wait for the turn holder's proof, and end."""
    if s.landed[e.job] == 0:
        epoch = stale_epoch(p, s, e.time, s.asked_at[e.job])
        if epoch >= 0:
            lose(s, e.job)
            reset(p, s, e.time, epoch)
            return
        land(p, s, e.job, e.time)
        if s.book.escrow[e.job] > 0 and s.book.deadline[e.job] >= e.time:
            return
    finish(s, e.job)


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Let provers take turns; give up after the last, or when stale entries make the update void."""
    epoch = stale_epoch(p, s, e.time, s.asked_at[e.job])
    if s.book.phase[e.job] == Phase.ASSIGNED:
        s.holder[e.job] = next_turn(s)
    if epoch >= 0 or s.holder[e.job] == 0 or s.turns[e.job] >= p.turns:
        lose(s, e.job)
        if epoch >= 0:
            reset(p, s, e.time, epoch)
        return
    s.turns[e.job] += 1
    assign(s.book, e.job, s.holder[e.job] - 1, e.time + p.turn_ms)


@spec
def register(s: State, e: Event) -> Verdict:
    """Make an entry in the registry."""
    if s.change[e.actor] != 0:
        return Verdict.FULL
    if e.kind == Kind.STAKE:
        move(s.book.cash, e.actor, s.stake, e.actor, e.amount)
        s.change[e.actor] = e.amount
    elif e.amount > s.weight[e.actor]:
        return Verdict.POOR
    else:
        move(s.stake, e.actor, s.exiting, e.actor, e.amount)
        s.change[e.actor] = -e.amount
    s.entries[0] += 1
    s.number[e.actor] = s.entries[0]
    s.registered[e.actor] = e.time
    return Verdict.OK


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.STAKE or e.kind == Kind.UNSTAKE:
        return register(s, e)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.PROVE:
        return prove(p, s, e)
    if e.kind == Kind.EXPIRE:
        expire(p, s, e)
    elif e.kind == Kind.SETTLE:
        settle(p, s, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
