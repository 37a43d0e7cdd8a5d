"""Quote: the next epoch's proposers pick a prover's quote, a share of the income against a bond (Aztec 2024-25).

Rules
    A job is an epoch of `slots` blocks, one for each calendar epoch: REQUEST by its sequencers puts its users' fees
    aside. Quotes: OFFER stands, gwei an epoch and epochs at once, and quotes the fewest bips of the epoch's income that
    make so much; BID quotes for this epoch alone, `amount` the bond, `detail` the bips. STAKE deposits into the bond
    escrow, UNSTAKE starts a withdrawal (one at a time, a new one replaces it; the money stays and can be bonded),
    WITHDRAW takes it `withdraw_ms` later, if it is still there.
    CLOSE at the end of epoch n opens the claim phase. At the end of each of its first `claim_slots` slots the proposer
    of n+1 claims for the quote with the fewest bips, of those whose bond (at least `bond_gwei`) is free in the escrow:
    EXPIRE gives the job to that prover and locks its bond. `engage_bips` of the proposers do so, by lot. Nobody claims:
    epoch n is LOST, and the blocks that n+1 has built by then go with it.
    PROVE by anybody to the end of epoch n+1. Each block's fees, less what is burnt, and its reward are divided: the
    claim's bips to the bond's owner, whoever proves, the rest to the sequencers; the bond is free again. A claim not
    proven by then is a default: EXPIRE prunes epoch n, and n+1 falls with it at its own CLOSE.
    `kickback_bips` > 0: proposers sell the claim at `ceiling_bips` instead, to the same prover, and keep so many bips
    of what that is above its quote.

Units
    Money gwei (1e-9 of the test token, contract: 1e-18), time ms, slots of 36 s. A size of the job has no meaning.

Randomness
    `e.word` of EXPIRE in the claim phase, by `ticket_of`: whether the proposer of the slot claims.

Source
    AztecProtocol/engineering-designs@83b9db0c, 8401-proof-timeliness and 8509-prover-coordination; the contracts
    Rollup.sol and ProofCommitmentEscrow.sol of aztec-packages, end of 2024; why it was dropped: forum thread 7938.

Literal or intended
    `literal = 1`, as the code did. The bond of a default is neither forfeited nor returned: `_prune` deletes the claim,
    the slash is a TODO (#8656), and the money stays in the escrow, where nobody can take it (`stuck`). A claim is not
    cleared by its proof: an epoch proven before it is claimed pays the bips of the claim before to the owner of that
    bond. `literal = 0`, as meant: a default burns the bond, and who proves an unclaimed epoch is paid nothing.
    `withdraw_ms` is what the code says in both versions read: 3 * 32 Ethereum slots of 12 s, or 32 of 36 s: 19.2 min,
    one epoch and not three. The contract's least bond is 1000 of the smallest unit, next to nothing; here 1000 tokens.

Simplified
    Proofs of n come once n is over; nobody misses a slot. Proposers are patient only slot by slot: each takes the best
    quote there is. Standing quotes do not run out; quotes for one epoch end with it. Who claims is the requester of
    epoch n+1, if that was asked for, else of n. Fees are what the request offers; `burn_bips` of them is congestion. A
    late EXPIRE finds the claim phase over. An epoch n+1 asked for after the claim phase loses no block.

Failure modes
    The proposers of n+1 sell what belongs to those of n: with kickbacks they take the dearest quote there is. A default
    must cost more than a proof, so the bond has to be very large. One prover holds an epoch: one failure is two epochs
    of transactions lost. The replacement pays M provers for what fees price once.
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
    mul_div,
    open_bidding,
    open_to_all,
    out_of_range,
    pay,
    post_offer,
    refund,
    slash,
    spec,
    ticket_of,
)

SOURCE = "Aztec's epoch proof quotes, engineering-designs 8401 and 8509, Rollup.sol of late 2024; dropped March 2025"
FAMILY = "bought proof"

TOKEN = 10**9  # gwei
NOBODY = -1  # no quote can be taken
MAX_MS = 2**40
MAX_SLOTS = 2**10


class Params(NamedTuple):
    """Defaults: the contract's, with the bond as meant."""

    slot_ms: int = 36_000  # ms of a slot
    slots: int = 32  # of an epoch, a block each
    claim_slots: int = 13  # of the next epoch, in which the epoch can be claimed
    bond_gwei: int = 1_000 * TOKEN  # gwei, least bond, and the bond of a standing quote
    reward_gwei: int = 50 * TOKEN  # gwei a block, "arbitrary" by the contract's own comment
    supply_gwei: int = 10**17  # gwei the distributor has, a hundred million tokens
    burn_bips: int = 0  # bips of the fees that are congestion, burnt
    withdraw_ms: int = 1_152_000  # ms from UNSTAKE to WITHDRAW
    engage_bips: int = BIPS  # bips of the proposers that claim
    kickback_bips: int = 0  # bips of what is above the quote, to who claims; 0 = claims at the quote
    ceiling_bips: int = BIPS  # bips of the income at which claims with kickbacks are sold
    literal: int = 0  # 1: as the code did, 0: as meant


class State(NamedTuple):
    """The book, the escrow, the quotes, the claims, and the chain of epochs."""

    book: Book
    stake: GweiByActor  # free in the bond escrow
    exiting: GweiByActor  # free, too, with a withdrawal started
    stuck: GweiByActor  # literal: bonds of defaults, still the prover's on paper
    asked: ByActor  # gwei of the withdrawal started, 0 = none (a promise, not money)
    ripe: ByActor  # ms, when it can be taken
    price: ByActor  # gwei an epoch, the standing quote
    capacity: ByActor  # epochs at once; 0 = no standing quote
    open_jobs: ByActor  # claimed for it and not over
    bid_job: ByActor  # the epoch of its own quote, job + 1; 0 = none
    bid_bips: ByActor  # bips of the epoch's income it asks for
    bid_bond: ByActor  # gwei it promises
    former_job: ByActor  # the epoch it quoted for before, which can still be in its claim phase; job + 1; 0 = none
    former_bips: ByActor  # bips of that epoch's income it asked for
    former_bond: ByActor  # gwei it promised
    bond: GweiByJob  # locked by the claim
    claim_bips: ByJob  # bips of the income to the prover
    quoted_bips: ByJob  # bips it asked for
    claimant: ByJob  # actor that claimed
    epoch: ByJob  # calendar epoch
    parent: ByJob  # the pending epoch it is built on, its job + 1; 0 = the proven tip
    blocks: ByJob  # that it has
    latest: Once  # the last epoch asked for, its job + 1; 0 = none
    stale_bips: Once  # literal: of the last claim, until something is pruned
    stale_owner: Once  # actor + 1 of its bond; 0 = none


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "slot_ms": (1, MAX_MS), "slots": (2, MAX_SLOTS), "claim_slots": (1, p.slots - 1),
        "bond_gwei": (0, MAX_GWEI // 8), "reward_gwei": (0, MAX_GWEI // MAX_SLOTS), "supply_gwei": (0, MAX_GWEI // 2),
        "burn_bips": (0, BIPS), "withdraw_ms": (0, MAX_MS), "engage_bips": (0, BIPS), "kickback_bips": (0, BIPS),
        "ceiling_bips": (1, BIPS), "literal": (0, 1),
    }  # fmt: skip
    return out_of_range(p, limits)


def genesis(p: Params, s: State) -> None:
    """Fund the distributor."""
    s.book.reserve[0] = p.supply_gwei


# Quotes.


@spec
def offer(p: Params, s: State, e: Event) -> Verdict:
    """Let a quote stand, or state one for a single epoch."""
    if e.kind == Kind.OFFER:
        return post_offer(s.price, s.capacity, e, 1, MAX_CAPACITY)
    if e.detail < 0 or e.detail > BIPS:
        return Verdict.BAD_DETAIL
    if e.amount < p.bond_gwei:
        return Verdict.BAD_AMOUNT
    if e.amount > s.stake[e.actor] + s.exiting[e.actor]:
        return Verdict.POOR
    if s.bid_job[e.actor] != e.job + 1:
        s.former_job[e.actor] = s.bid_job[e.actor]
        s.former_bips[e.actor], s.former_bond[e.actor] = s.bid_bips[e.actor], s.bid_bond[e.actor]
    s.bid_job[e.actor], s.bid_bips[e.actor], s.bid_bond[e.actor] = e.job + 1, e.detail, e.amount
    return Verdict.OK


@spec
def own_quote(p: Params, s: State, actor: int, job: int) -> tuple[int, int]:
    """Bips and bond, gwei, that `actor` quoted for this epoch alone; NOBODY and the least bond if it did not."""
    if s.bid_job[actor] == job + 1:
        return int(s.bid_bips[actor]), int(s.bid_bond[actor])
    if s.former_job[actor] == job + 1:
        return int(s.former_bips[actor]), int(s.former_bond[actor])
    return NOBODY, p.bond_gwei


@spec
def compute_income(p: Params, s: State, job: int) -> tuple[int, int, int]:
    """Gwei of fees burnt, of fees that are divided, and of rewards, of the epoch of `job`."""
    fees = int(s.book.escrow[job])
    burnt = bips_of(fees, p.burn_bips)
    return burnt, fees - burnt, min(int(s.blocks[job]) * p.reward_gwei, int(s.book.reserve[0]))


@spec
def bips_quoted(p: Params, s: State, actor: int, job: int, income: int) -> int:
    """Bips of the income that `actor` asks for; more than all of it where it has no quote that can be taken."""
    own, bond = own_quote(p, s, actor, job)
    if s.stake[actor] + s.exiting[actor] < bond:
        return BIPS + 1
    if own != NOBODY:
        return own
    if s.open_jobs[actor] >= s.capacity[actor] or s.price[actor] > income:
        return BIPS + 1
    down = mul_div(int(s.price[actor]), BIPS, income)
    return down if bips_of(income, down) >= s.price[actor] else down + 1


@spec
def claim(p: Params, s: State, e: Event) -> bool:
    """Claim the right to prove for the best quote, if there is one; lock its bond."""
    b, job = s.book, e.job
    _, fees, rewards = compute_income(p, s, job)
    best, quoted = NOBODY, BIPS + 1
    for actor in range(len(s.stake)):
        bips = bips_quoted(p, s, actor, job, fees + rewards)
        if bips < quoted:
            best, quoted = actor, bips
    if best == NOBODY:
        return False
    _, bond = own_quote(p, s, best, job)
    settled = min(bond, int(s.stake[best]))
    move(s.stake, best, s.bond, job, settled)
    move(s.exiting, best, s.bond, job, bond - settled)
    s.open_jobs[best] += 1
    s.quoted_bips[job] = quoted
    s.claim_bips[job] = quoted if p.kickback_bips == 0 else max(quoted, p.ceiling_bips)
    s.claimant[job] = b.requester[job]
    last = s.latest[0] - 1
    if s.epoch[last] == s.epoch[job] + 1:
        s.claimant[job] = b.requester[last]
    s.stale_bips[0], s.stale_owner[0] = s.claim_bips[job], best + 1
    assign(b, job, best, end_of(p, s.epoch[job] + 1))
    return True


# The chain of epochs.


@spec
def end_of(p: Params, epoch: int) -> int:
    """Last ms of a calendar epoch."""
    return (epoch + 1) * p.slots * p.slot_ms - 1


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Begin an epoch, on the pending one if that can still be proven."""
    b, now, last = s.book, e.time // (p.slots * p.slot_ms), s.latest[0] - 1
    parent = 0
    if last >= 0:
        if s.epoch[last] >= now:
            return Verdict.FULL
        before = s.parent[last] - 1
        orphan = before >= 0 and b.phase[before] != Phase.SETTLED and e.time > end_of(p, int(s.epoch[before]) + 1)
        until = end_of(p, int(s.epoch[last])) + p.claim_slots * p.slot_ms + 1  # the last ms it can be claimed
        if b.phase[last] == Phase.ASSIGNED:
            until = end_of(p, int(s.epoch[last]) + 1)
        if b.phase[last] < Phase.SETTLED and e.time <= until and not orphan:
            parent = last + 1
    ask(b, e, e.amount)
    open_bidding(b, e.job, end_of(p, now))
    s.epoch[e.job], s.parent[e.job], s.blocks[e.job] = now, parent, p.slots
    s.latest[0] = e.job + 1
    return Verdict.OK


@spec
def wait_for_claim(p: Params, s: State, e: Event) -> None:
    """Let the next proposer claim at the end of its slot; after the claim phase, prune."""
    start = end_of(p, s.epoch[e.job]) + 1
    slot = (e.time - start) // p.slot_ms
    if slot >= p.claim_slots:
        lose(p, s, e.job)
    else:
        open_to_all(s.book, e.job, start + (slot + 1) * p.slot_ms - 1)


@spec
def close(p: Params, s: State, e: Event) -> None:
    """End the epoch: its claim phase begins, unless what it is built on was never proven."""
    parent = s.parent[e.job] - 1
    if parent >= 0 and s.book.phase[parent] != Phase.SETTLED:
        lose(p, s, e.job)
    else:
        wait_for_claim(p, s, e)


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Let the proposer of the slot that is over claim, if it does; or prune a default."""
    b, job = s.book, e.job
    if b.phase[job] == Phase.ASSIGNED:
        owner = int(b.prover[job])
        s.open_jobs[owner] -= 1
        if p.literal == 1:
            move(s.bond, job, s.stuck, owner, s.bond[job])
        else:
            slash(b, owner, s.bond, job, b.burnt, 0, s.bond[job])
        lose(p, s, job)
        return
    slot = (e.time - end_of(p, s.epoch[job]) - 2) // p.slot_ms  # whose proposer claims: the one that was just over
    if slot >= p.claim_slots or ticket_of(e.word, BIPS) >= p.engage_bips or not claim(p, s, e):
        wait_for_claim(p, s, e)


@spec
def lose(p: Params, s: State, job: int) -> None:
    """Prune the epoch; if that is in the claim phase of the next, the blocks that has go with it."""
    b, last = s.book, int(s.latest[0]) - 1
    refund(b, job)
    if b.phase[job] == Phase.OPEN and s.parent[last] == job + 1 and b.phase[last] == Phase.BIDDING:
        cut = min(p.claim_slots, int(s.blocks[last]) - 1)
        move(b.escrow, last, b.cash, int(b.requester[last]), mul_div(int(b.escrow[last]), cut, int(s.blocks[last])))
        s.blocks[last] -= cut
        s.parent[last] = 0
    b.phase[job] = Phase.LOST
    s.stale_bips[0] = s.stale_owner[0] = 0


# Proofs.


@spec
def share_of(income: int, blocks: int, bips: int) -> int:
    """Bips of each block's part of `income`, each rounded down; the first blocks have what does not divide."""
    each, more = income // blocks, income % blocks
    return more * bips_of(each + 1, bips) + (blocks - more) * bips_of(each, bips)


@spec
def prove(p: Params, s: State, e: Event) -> None:
    """Divide the epoch's income by the claim's bips, and free its bond (submitEpochRootProof)."""
    b, job = s.book, e.job
    bips, quoted = int(s.claim_bips[job]), int(s.quoted_bips[job])
    if b.phase[job] == Phase.ASSIGNED:
        owner = int(b.prover[job])
        s.open_jobs[owner] -= 1
        move(s.bond, job, s.stake, owner, s.bond[job])
    else:
        b.prover[job] = e.actor
        if p.literal == 1:
            bips = quoted = int(s.stale_bips[0])
            if s.stale_owner[0] > 0:
                b.prover[job] = s.stale_owner[0] - 1
    burnt, fees, rewards = compute_income(p, s, job)
    move(b.escrow, job, b.burnt, 0, burnt)
    move(b.reserve, 0, b.escrow, job, rewards)
    due = share_of(fees + rewards, int(s.blocks[job]), bips)
    back = bips_of(due - share_of(fees + rewards, int(s.blocks[job]), quoted), p.kickback_bips)
    pay(b, job, due - back)
    move(b.escrow, job, b.cash, s.claimant[job], back)
    refund(b, job)
    b.phase[job] = Phase.SETTLED


# The bond escrow.


@spec
def unstake(p: Params, s: State, e: Event) -> Verdict:
    """Start a withdrawal, in the place of one that is under way."""
    held = s.exiting[e.actor]
    if e.amount > s.stake[e.actor] + held:
        return Verdict.POOR
    move(s.exiting, e.actor, s.stake, e.actor, held)
    move(s.stake, e.actor, s.exiting, e.actor, e.amount)
    s.asked[e.actor] = e.amount
    s.ripe[e.actor] = e.time + p.withdraw_ms
    return Verdict.OK


@spec
def withdraw(s: State, e: Event) -> Verdict:
    """Take out what was asked for, all of it, if so much is still free."""
    asked, held = int(s.asked[e.actor]), int(s.exiting[e.actor])
    if asked == 0 or asked > s.stake[e.actor] + held:
        return Verdict.POOR
    if e.time < s.ripe[e.actor]:
        return Verdict.EARLY
    move(s.exiting, e.actor, s.book.cash, e.actor, held)
    move(s.stake, e.actor, s.book.cash, e.actor, asked - held)
    s.asked[e.actor] = 0
    return Verdict.OK


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict == Verdict.NOT_YOURS and e.kind == Kind.PROVE and e.time <= s.book.deadline[e.job]:
        verdict = Verdict.OK  # anybody may submit
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.OFFER or e.kind == Kind.BID:
        return offer(p, s, e)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.WITHDRAW:
        return withdraw(s, e)
    if e.kind == Kind.STAKE:
        move(s.book.cash, e.actor, s.stake, e.actor, e.amount)
    elif e.kind == Kind.UNSTAKE:
        return unstake(p, s, e)
    elif e.kind == Kind.PROVE:
        prove(p, s, e)
    elif e.kind == Kind.CLOSE:
        close(p, s, e)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
