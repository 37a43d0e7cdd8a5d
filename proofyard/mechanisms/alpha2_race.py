"""Alpha-2 race: the first proof is paid, at a fee that waiting raises and only idling proposers lower (Taiko alpha-2).

Rules
    REQUEST proposes a block: the proposer burns the fee and puts a deposit of 25 % of it aside. PROVE: anyone, first
    come, first served; a second proof is refused (L1_ALREADY_PROVEN) and its work was in vain. Blocks are verified
    strictly in the order they were asked for, as soon as proven: up to `batch` of them after every request, proof or
    timer. The prover of a verified block is minted the reward, less `burn_bips`; the proposer has back as much of its
    deposit as the proof was early, the rest burns.
    Both sides move one fee base. Time: with a the moving average of the block interval (proposal) or the proof time
    (proof), capped, t counts from 2 a (grace) to 4 a (top), alpha runs from 1 to 4 between them; a proposal divides
    the base by alpha, a proof multiplies it. Slots: with n unverified blocks of N at most and
    m = 1000 N + smoothing, the fee is base (m - 1000) m / (m - 1000 n) / (m - 1000 n -+ 1000), - for a proposal, + for
    a proof: the more blocks wait, the dearer. Averages and base follow with factor 1024, rounded down.

Units
    Money gwei, 10**9 to the token (the contract counts 10**18); time ms, in the averages whole seconds as on chain.

Randomness
    None.

Source
    taikoxyz/taiko-mono packages/protocol: contracts/L1/libs/{LibUtils,LibProposing,LibVerifying}.sol, L1/TaikoL1.sol,
    libs/LibSharedConfig.sol @d6c12abc27 (2023-03-21); the first fee base, one token, tasks/deploy_L1.ts.

Literal or intended
    Literal (`literal = 1`): the count of verified blocks is raised only after the loop, so all blocks verified in one
    call are paid at the n at its start; times count whole seconds and averages round down, so an average falls by 1
    whenever a time is below it and rises only from 1024 seconds above. `literal = 0`: n falls with each block, and
    times count milliseconds, which makes that negligible.
    `activation = 1` is literal too: an account without a balance in the contract is credited 1 unit the first time, and
    the rest is never minted. An average of 0 s counts as none: the base then stands still. That is kept.

Simplified
    A prover's balance inside the contract is its `cash`. The contract has no window; a block never proven would stop
    its chain for good. Here it is LOST after `window_ms`, its deposit comes back, its fee stays burnt, and the blocks
    behind it go on. One fork choice per block, no oracle prover, and whoever requests may propose (the testnet had one
    "solo proposer"). The bootstrap discount, over after eleven seconds, is left out. The fee base stops at `MAX_BASE`,
    and when the mintable supply runs dry, what is there is paid.

Failure modes
    Nothing pulls the fee down while blocks come regularly: an interval within twice the average leaves the base alone,
    a proof slower than twice the average multiplies it by up to 4. On the testnet rewards only rose, until block times
    were stretched to 20 s. Averages that only fall shrink the grace, so more and more proofs count as slow: in the
    shipped scenario this alone is what drives the fee, with averages in milliseconds it hardly moves. As in any race,
    all but one prover work in vain.
"""

from typing import NamedTuple

from proofyard.core import (
    BIPS,
    Book,
    ByActor,
    ByJob,
    Event,
    Kind,
    Once,
    Phase,
    Verdict,
    accept_proof,
    ask,
    bips_of,
    check,
    lose_job,
    move,
    mul_div,
    open_to_all,
    out_of_range,
    spec,
)

SOURCE = "Taiko alpha-2, taiko-mono LibUtils.sol, LibProposing.sol, LibVerifying.sol @d6c12abc27 (2023-03-21)"
FAMILY = "race"

TOKEN = 10**9  # gwei
PERCENT = 100
SMOOTH = 1_000  # slot terms are in thousandths of a block
MAX_BASE = 2**52  # gwei, 4.5 million tokens: a thousand times as much is still an amount
MAX_TIME = 2**40  # ms
RETRY_MS = 12_000  # ms, one Ethereum slot: a block that waits for another asks again no sooner


class Params(NamedTuple):
    """Defaults: the alpha-2 testnet."""

    start_fee_gwei: int = TOKEN  # gwei: fee base at genesis
    max_blocks: int = 2_048  # blocks waiting for verification at most (maxNumBlocks less one)
    smoothing: int = 946_649  # thousandths of a block, slotSmoothingFactor
    burn_bips: int = 100  # bips of the reward that are not minted, rewardBurnBips
    deposit_percent: int = 25  # percent of the fee, proposerDepositPctg
    factor: int = 1_024  # weight of an old average and one: feeBaseMAF, blockTimeMAF, proofTimeMAF
    multiplier_percent: int = 400  # percent, the most time moves the base by, rewardMultiplierPctg
    grace_percent: int = 200  # percent of the average from which time counts, feeGracePeriodPctg
    top_percent: int = 400  # percent of the average up to which it counts, feeMaxPeriodPctg
    block_time_cap_s: int = 60  # s, the largest average block interval that counts
    proof_time_cap_s: int = 1_800  # s, the largest average proof time that counts
    batch: int = 10  # blocks verified per event, maxVerificationsPerTx
    literal: int = 1  # switch: 0 = n falls within a batch and averages count milliseconds
    activation: int = 1  # switch: 0 = the first credit of an account is paid whole
    mint_supply_gwei: int = 10**17  # gwei the protocol can mint in all, a hundred million tokens
    window_ms: int = 604_800_000  # ms from request to LOST; the contract has none


class State(NamedTuple):
    book: Book
    base: Once  # gwei, feeBase (a price, not money)
    block_time: Once  # s (ms if not literal), average interval of proposals
    proof_time: Once  # s (ms if not literal), average from proposal to proof
    last_proposal: Once  # ms
    asked: Once  # blocks asked for
    passed: Once  # of these verified or lost
    waiting: Once  # neither verified nor lost
    sequence: ByJob  # the k-th block's job
    asked_at: ByJob  # ms
    proven_at: ByJob  # ms
    charged: ByJob  # gwei of fee burnt (a record, not money)
    active: ByActor  # 1 = was credited before


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    ranges = {
        "start_fee_gwei": (1, MAX_BASE), "max_blocks": (1, 2**20), "smoothing": (SMOOTH + 1, 2**30),
        "burn_bips": (0, BIPS), "deposit_percent": (0, 10 * PERCENT), "factor": (1, 2**10),
        "multiplier_percent": (PERCENT, 10_000),
        "grace_percent": (0, 10_000), "top_percent": (p.grace_percent, 10_000), "block_time_cap_s": (1, 2**24),
        "proof_time_cap_s": (1, 2**24), "batch": (1, 2**20), "literal": (0, 1), "activation": (0, 1),
        "mint_supply_gwei": (0, 10**18), "window_ms": (1, MAX_TIME),
    }  # fmt: skip
    return out_of_range(p, ranges)


def genesis(p: Params, s: State) -> None:
    """Start at the first fee, and put aside what can be minted."""
    s.base[0] = p.start_fee_gwei
    s.book.reserve[0] = p.mint_supply_gwei


# The fee.


@spec
def elapsed(p: Params, start: int, end: int) -> int:
    """Time from `start` to `end`, as the averages count it."""
    return end // 1000 - start // 1000 if p.literal == 1 else end - start


@spec
def compute_lateness(p: Params, time: int, following: int, cap_s: int) -> int:
    """Place of `time` between grace and top of its average, 0..10_000 (tRelBp of getTimeAdjustedFee)."""
    if following == 0 or p.top_percent <= p.grace_percent or p.multiplier_percent <= PERCENT:
        return 0
    average = min(following, cap_s if p.literal == 1 else 1000 * cap_s)
    grace, top = p.grace_percent * average // PERCENT, p.top_percent * average // PERCENT
    if top <= grace:  # the contract would divide by zero
        return 0
    return (min(max(time, grace), top) - grace) * BIPS // (top - grace)


@spec
def compute_alpha(p: Params, lateness: int) -> int:
    """By how much lateness moves the base, bips: 10_000 to `multiplier_percent` of it."""
    return BIPS + (p.multiplier_percent - PERCENT) * lateness // PERCENT


@spec
def adjust_to_slots(p: Params, amount: int, waiting: int, step: int) -> int:
    """Raise `amount` by how full the chain is (getSlotsAdjustedFee); step -1 for a proposal, 1 for a proof."""
    m = SMOOTH * p.max_blocks + p.smoothing
    rest = m - SMOOTH * waiting
    return mul_div(amount, (m - SMOOTH) * m, rest * (rest + SMOOTH * step))


@spec
def compute_average(p: Params, average: int, value: int) -> int:
    """Let `average` follow `value`: never to 0, from 0 at once (movingAverage)."""
    if average == 0:
        return value
    following = (average * (p.factor - 1) + value) // p.factor
    return following if following > 0 else average


@spec
def move_base(p: Params, s: State, base: int) -> None:
    """Let the fee base follow."""
    s.base[0] = compute_average(p, s.base[0], min(base, MAX_BASE))


# Blocks.


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Burn the fee, put the deposit aside and append the block (proposeBlock)."""
    b, job = s.book, e.job
    if s.waiting[0] >= p.max_blocks:
        return Verdict.FULL
    interval = elapsed(p, s.last_proposal[0], e.time)
    lateness = compute_lateness(p, interval, s.block_time[0], p.block_time_cap_s)
    base = mul_div(s.base[0], BIPS, compute_alpha(p, lateness))
    fee = adjust_to_slots(p, base, s.waiting[0], -1)
    deposit = mul_div(fee, p.deposit_percent, PERCENT)
    if fee > e.amount or deposit > e.amount - fee:
        return Verdict.TOO_DEAR
    ask(b, e, deposit)
    move(b.cash, e.actor, b.burnt, 0, fee)
    open_to_all(b, job, e.time + p.window_ms)
    move_base(p, s, base)
    s.block_time[0] = compute_average(p, s.block_time[0], interval)
    s.last_proposal[0] = e.time
    s.charged[job] = fee
    s.asked_at[job] = e.time
    s.sequence[s.asked[0]] = job
    s.asked[0] += 1
    s.waiting[0] += 1
    return Verdict.OK


@spec
def prove(s: State, e: Event) -> Verdict:
    """Record the first prover; a later proof of the same block is refused (proveBlock)."""
    b = s.book
    if b.phase[e.job] != Phase.OPEN:
        return Verdict.WRONG_PHASE
    accept_proof(b, e.job, e.actor, e.time)
    s.proven_at[e.job] = e.time
    return Verdict.OK


@spec
def lose(s: State, job: int) -> None:
    """Give up a block nobody proved: the deposit goes back."""
    b = s.book
    lose_job(b, job)
    s.waiting[0] -= 1


@spec
def credited(p: Params, s: State, actor: int, amount: int) -> int:
    """Part of `amount` an account is credited: one unit only if it is its first (activation penalty)."""
    if amount == 0:
        return 0
    first = p.activation == 1 and s.active[actor] == 0
    s.active[actor] = 1
    return 1 if first else amount


@spec
def verify_block(p: Params, s: State, job: int, waiting: int) -> None:
    """Pay the prover and the proposer of the oldest block, move the base and the average (_verifyBlock)."""
    b = s.book
    prover, proposer = b.prover[job], b.requester[job]
    proof_time = elapsed(p, s.asked_at[job], s.proven_at[job])
    lateness = compute_lateness(p, proof_time, s.proof_time[0], p.proof_time_cap_s)
    base = min(MAX_BASE, mul_div(s.base[0], compute_alpha(p, lateness), BIPS))
    reward = bips_of(min(MAX_BASE * SMOOTH, adjust_to_slots(p, base, waiting, 1)), BIPS - p.burn_bips)
    paid = min(credited(p, s, prover, reward), b.reserve[0])
    move(b.reserve, 0, b.cash, prover, paid)
    b.paid[job] += paid
    early = credited(p, s, proposer, bips_of(b.escrow[job], BIPS - lateness))
    move(b.escrow, job, b.cash, proposer, early)
    move(b.escrow, job, b.burnt, 0, b.escrow[job])
    move_base(p, s, base)
    s.proof_time[0] = compute_average(p, s.proof_time[0], proof_time)
    b.phase[job] = Phase.SETTLED
    s.passed[0] += 1
    s.waiting[0] -= 1


@spec
def next_block(s: State) -> int:
    """Step over lost blocks; job of the oldest block that is neither verified nor lost, -1 if there is none."""
    while s.passed[0] < s.asked[0]:
        job = s.sequence[s.passed[0]]
        if s.book.phase[job] != Phase.LOST:
            return int(job)
        s.passed[0] += 1
    return -1


@spec
def verify_blocks(p: Params, s: State) -> None:
    """Verify up to `batch` proven blocks, in the order they were asked for (verifyBlocks)."""
    at_start = s.waiting[0]
    for _ in range(p.batch):
        job = next_block(s)
        if job < 0 or s.book.phase[job] != Phase.PROVEN:
            return
        verify_block(p, s, job, at_start if p.literal == 1 else s.waiting[0])


@spec
def wait_on(s: State, e: Event) -> None:
    """Move the timer of a block that waits for its predecessors to when they may be done."""
    b = s.book
    if b.phase[next_block(s)] == Phase.PROVEN:  # the batch was full
        b.deadline[e.job] = e.time
    else:  # not proven: ask again after a while, less and less often
        b.deadline[e.job] = e.time + max(RETRY_MS, (e.time - s.proven_at[e.job]) // 4)


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        verdict = request(p, s, e)
    elif e.kind == Kind.PROVE:
        verdict = prove(s, e)
    elif e.kind == Kind.EXPIRE:
        lose(s, e.job)
    elif e.kind != Kind.SETTLE:
        return Verdict.UNKNOWN
    if verdict == Verdict.OK:
        verify_blocks(p, s)  # inside every call, as TaikoL1 does
        if e.kind == Kind.SETTLE and s.book.phase[e.job] == Phase.PROVEN:
            wait_on(s, e)
    return verdict
