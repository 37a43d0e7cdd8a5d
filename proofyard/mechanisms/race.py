"""Race: anyone may prove any job, the first valid proof is paid, and everybody else worked for nothing.

Rules       No assignment, no stake, no bond. A second proof of the same job is refused (L1_ALREADY_PROVEN).
            FIXED: the request's price is escrowed and goes whole to the first prover, when the cooldown is over.
            ALPHA3: a proposer pays the current block fee into a pool. Blocks are verified strictly in the order they
            were asked for, once proven and past the cooldown: up to `batch` of them after every request, proof or
            timer. A verified block takes its proof time's share of the pool and moves the fee, which is stationary
            only while the mean proof time equals the target: d ln(fee) = (proof time - target) / (target * quotient).
Units       Times ms; inside ALPHA3 whole seconds, counted from the Unix epoch as on chain. Money is the token's
            smallest unit: Taiko's had 8 decimals, 1 token = 1e8. The pool is `book.reserve[0]`.
Randomness  None.
Source      taiko-mono packages/protocol/contracts/L1/libs/{LibTokenomics,LibProposing,LibProving,LibVerifying}.sol and
            TaikoL1.sol @02552f2aa0 (2023-05-03); starting state as script/DeployOnL1.s.sol @a78a2f8d6a computes it.
Literal     `literal = 1`: the contract advances lastVerifiedBlockId only after the loop over a batch, while
            accProposedAt already shrinks inside it. From the second block of one call on, the denominator of the
            reward therefore contains whole Unix timestamps and the prover gets next to nothing.
            `literal = 0`: as intended, the count of blocks shrinks with the sum.
            `activation = 1` is literal too: a prover whose balance is 0 is credited 1 unit and the rest is never
            minted (burnt here); `activation = 0` credits all.
Simplified  The contract has no window; a job never proven would stop its chain for good. Here it is LOST after
            `window_ms`, its fee comes back (as far as the pool has it) and the blocks behind it go on. No oracle or
            system prover, nobody overwrites a proof, every block needs a real one (on chain every 10th), and a proof
            does not name its parent. A prover's balance inside the contract is its `cash`. The fee formula caps at
            2**63 - 1 units (contract: 2**64 - 1). Cooldown is kept in ms (contract: whole seconds). Alpha-2's fee
            rule is not here.
"""

from typing import NamedTuple

from proofyard.core import (
    MAX_GWEI,
    Book,
    ByJob,
    Event,
    Kind,
    Once,
    Phase,
    Verdict,
    accept_proof,
    ask,
    check,
    move,
    mul_div,
    open_to_all,
    out_of_range,
    refund,
    settle_job,
    spec,
)
from proofyard.core.exp import exp_fixed

SOURCE = "Taiko alpha-1 (no fee rule) and alpha-3, taiko-mono LibTokenomics.sol@02552f2aa0"
FAMILY = "race"

FIXED = 0  # fee_rule: the request's own price
ALPHA3 = 1  # fee_rule: pooled fees shared by proof time
RETRY_MS = 12_000  # ms, one Ethereum slot: a block that waits for another asks again no sooner


class Params(NamedTuple):
    fee_rule: int = FIXED  # 0 FIXED, 1 ALPHA3
    cooldown_ms: int = 0  # ms from proof to payment; alpha-3: 1_800_000
    window_ms: int = 604_800_000  # ms from request to LOST; alpha-3 has none, 7 days
    fee_gwei: int = 0  # FIXED: price of every proof, 0 = all that the request offers
    start_fee_gwei: int = 100_000_000  # ALPHA3: fee of the first block, 1 token (the script's `1 ** decimals` is 1)
    proof_target_s: int = 160  # ALPHA3: s, proof time at which the fee stands still; 1_800 at 02552f2aa0
    quotient: int = 32_000  # ALPHA3: adjustmentQuotient, larger = slower fee; 16 until 2023-05-25
    batch: int = 10  # ALPHA3: blocks verified per event, maxVerificationsPerTx
    max_blocks: int = 120_960  # ALPHA3: blocks waiting for verification at most, maxNumProposedBlocks
    literal: int = 0  # ALPHA3: 1 = with the batch-verification defect, 0 = as intended
    activation: int = 1  # ALPHA3: 1 = an empty account is credited one unit, 0 = all
    genesis_s: int = 1_683_080_834  # ALPHA3: s, Unix time of genesis; 2023-05-03


class State(NamedTuple):
    book: Book
    fee: Once  # gwei the next block pays, blockFee (a price, not money)
    time_issued: Once  # s, proofTimeIssued
    time_sum: Once  # s, sum of Unix times at which unverified blocks were asked for, accProposedAt
    asked: Once  # blocks asked for, numBlocks - 1
    passed: Once  # of these verified or lost, lastVerifiedBlockId
    waiting: Once  # neither verified nor lost
    sequence: ByJob  # the k-th block's job
    asked_at: ByJob  # ms
    proven_at: ByJob  # ms
    charged: ByJob  # gwei paid into the pool (a record, not money)


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    limits = {
        "fee_rule": (FIXED, ALPHA3), "cooldown_ms": (0, 2**40), "window_ms": (1, 2**40), "fee_gwei": (0, MAX_GWEI),
        "start_fee_gwei": (1, MAX_GWEI), "proof_target_s": (1, 2**20), "quotient": (1, 2**20), "batch": (1, 2**20),
        "max_blocks": (1, 2**20), "literal": (0, 1), "activation": (0, 1), "genesis_s": (0, 2**34),
    }  # fmt: skip
    return out_of_range(p, limits)


def genesis(p: Params, s: State) -> None:
    """Start at the starting fee, with the proof time issued that belongs to it: floor(T*Q * ln(T*Q * fee))."""
    scale = p.proof_target_s * p.quotient
    low, high = 0, 128 * scale
    while high - low > 1:  # the last second at which exp() is still below T*Q * fee
        middle = (low + high) // 2
        if exp_fixed(middle, scale, scale) < p.start_fee_gwei:
            low = middle
        else:
            high = middle
    s.fee[0] = p.start_fee_gwei
    s.time_issued[0] = low


@spec
def unix_s(p: Params, time: int) -> int:
    """Block timestamp at `time` ms after genesis."""
    return p.genesis_s + time // 1000


@spec
def compute_reward(pool: int, proof_s: int, blocks: int, now_s: int, time_sum: int) -> int:
    """Share of the pool: own proof time in the ages of all unverified `blocks` (getProofReward)."""
    return mul_div(pool, proof_s, max(1, blocks * now_s - time_sum))


@spec
def compute_time_issued(p: Params, time_issued: int, proof_s: int) -> int:
    """Each verified block takes the target away from the proof time issued and adds its own."""
    return max(0, time_issued - p.proof_target_s) + proof_s


@spec
def compute_fee(p: Params, time_issued: int) -> int:
    """Fee of a block at this proof time issued (getNewBlockFeeAndProofTimeIssued)."""
    scale = p.proof_target_s * p.quotient
    return exp_fixed(time_issued, scale, scale)


@spec
def request_fixed(p: Params, s: State, e: Event) -> Verdict:
    """Put the price into escrow and let anybody prove."""
    price = e.amount if p.fee_gwei == 0 else p.fee_gwei
    if price > e.amount:
        return Verdict.TOO_DEAR
    ask(s.book, e, price)
    open_to_all(s.book, e.job, e.time + p.window_ms)
    return Verdict.OK


@spec
def request_block(p: Params, s: State, e: Event) -> Verdict:
    """Pay the block fee into the pool and append the block to the chain (proposeBlock)."""
    fee = s.fee[0]
    if fee > e.amount:
        return Verdict.TOO_DEAR
    if s.waiting[0] >= p.max_blocks:
        return Verdict.FULL
    ask(s.book, e, 0)
    move(s.book.cash, e.actor, s.book.reserve, 0, fee)
    open_to_all(s.book, e.job, e.time + p.window_ms)
    s.charged[e.job] = fee
    s.asked_at[e.job] = e.time
    s.time_sum[0] += unix_s(p, e.time)
    s.sequence[s.asked[0]] = e.job
    s.asked[0] += 1
    s.waiting[0] += 1
    return Verdict.OK


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """First come, first served: record the prover; a later proof of the same job is refused (proveBlock)."""
    b = s.book
    if b.phase[e.job] != Phase.OPEN:
        return Verdict.WRONG_PHASE
    accept_proof(b, e.job, e.actor, e.time + p.cooldown_ms)
    s.proven_at[e.job] = e.time
    if p.fee_rule == FIXED and p.cooldown_ms == 0:
        settle_job(b, e.job)
    return Verdict.OK


@spec
def lose(p: Params, s: State, job: int) -> None:
    """Nobody proved in time: give the money back and, for a block, take it out of the sums."""
    b = s.book
    refund(b, job)
    if p.fee_rule == ALPHA3:
        move(b.reserve, 0, b.cash, b.requester[job], min(s.charged[job], b.reserve[0]))
        s.time_sum[0] -= unix_s(p, s.asked_at[job])
        s.waiting[0] -= 1
    b.phase[job] = Phase.LOST


@spec
def credit(p: Params, b: Book, job: int, reward: int) -> None:
    """Pay the prover of `job` from the pool; an empty account gets one unit, the rest is never minted."""
    prover = b.prover[job]
    credited = reward
    if p.activation == 1 and b.cash[prover] == 0:
        credited = min(reward, 1)
    move(b.reserve, 0, b.cash, prover, credited)
    move(b.reserve, 0, b.burnt, 0, reward - credited)
    b.paid[job] += credited


@spec
def verify_block(p: Params, s: State, job: int, blocks: int, time: int) -> None:
    """Reward the prover of the oldest unverified block and set the next fee (_markBlockVerified)."""
    asked_s = unix_s(p, s.asked_at[job])
    proof_s = unix_s(p, s.proven_at[job]) - asked_s
    reward = compute_reward(s.book.reserve[0], proof_s, blocks, unix_s(p, time), s.time_sum[0])
    s.time_issued[0] = compute_time_issued(p, s.time_issued[0], proof_s)
    s.fee[0] = compute_fee(p, s.time_issued[0])
    s.time_sum[0] -= asked_s
    credit(p, s.book, job, reward)
    s.book.phase[job] = Phase.SETTLED
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
def verify_blocks(p: Params, s: State, time: int) -> None:
    """Verify up to `batch` blocks, in the order they were asked for, that are proven and past the cooldown."""
    at_start = s.waiting[0]
    for _ in range(p.batch):
        job = next_block(s)
        if job < 0 or s.book.phase[job] != Phase.PROVEN or time < s.proven_at[job] + p.cooldown_ms:
            return
        verify_block(p, s, job, at_start if p.literal == 1 else s.waiting[0], time)


@spec
def wait_on(p: Params, s: State, e: Event) -> None:
    """Move the timer of a block that waits for its predecessors to when they may be done."""
    b = s.book
    oldest = next_block(s)
    if b.phase[oldest] == Phase.PROVEN:  # in its cooldown, or the batch was full
        b.deadline[e.job] = max(e.time, s.proven_at[oldest] + p.cooldown_ms)
    else:  # not proven: ask again after a while, less and less often
        waited = e.time - s.proven_at[e.job]
        b.deadline[e.job] = e.time + max(p.cooldown_ms, RETRY_MS, waited // 4)


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    b = s.book
    verdict = check(b, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        verdict = request_fixed(p, s, e) if p.fee_rule == FIXED else request_block(p, s, e)
    elif e.kind == Kind.PROVE:
        verdict = prove(p, s, e)
    elif e.kind == Kind.EXPIRE:
        lose(p, s, e.job)
    elif e.kind != Kind.SETTLE:
        return Verdict.UNKNOWN
    elif p.fee_rule == FIXED:
        settle_job(b, e.job)
    if verdict == Verdict.OK and p.fee_rule == ALPHA3:
        verify_blocks(p, s, e.time)  # inside every call, as TaikoL1 does
        if e.kind == Kind.SETTLE and b.phase[e.job] == Phase.PROVEN:
            wait_on(p, s, e)
    return verdict
