"""Epoch race: anybody proves an epoch; the longest proofs share its reward by weights that reward uptime (Aztec).

Rules
    A job is an epoch of `checkpoints` checkpoints, asked for by its sequencers: REQUEST, one for each calendar epoch,
    puts the users' fees aside (`detail` is the epoch's mana, `amount` the most they pay). The epoch is built until its
    end (BIDDING); CLOSE opens it to all until the end of the `proof_epochs`-th epoch after it. PROVE is anybody's;
    `detail` says how many checkpoints, from the first on (0 = all). Earlier epochs must have been proven in full.
    A proof longer than any before takes, for each checkpoint newly covered, a reward from the distributor, as far as
    that has it: `sequencer_bips` to the sequencers, the rest to the epoch's prize. Of the checkpoint's fee congestion
    is burnt, the proving cost goes to the prize, the rest to the sequencers.
    Each proof earns shares among those of its length, by its prover's activity score. SETTLE, at the deadline, divides
    the prize among the proofs of the longest length only; a shorter one has earned nothing. Checkpoints not proven by
    then are pruned with all that was built on them, here LOST, and their fees go back.
    The score falls by `decay` an epoch and rises by `increment` once in every calendar epoch in which its prover hands
    in anything, to `max_score`. Shares are `max_shares` at the top, else max(max_shares - curve (max_score - score)^2 /
    10^10, min_shares).
    Fee per mana: sequencer cost + proving cost, times exp(excess / (8.547 mana_target)); excess is what was used above
    the target. All in wei of ETH, converted at `eth_per_token`, rounded up. Governance may move the proving cost to
    `cost_goal_wei`, by half as much again or a third less at most, once and then every 30 days.
    `staked` = 1: an epoch's sequencers are one actor with a seat. STAKE takes exactly `activation_gwei`; at most
    min(max(active / quotient, min), max) a calendar epoch come in from the queue. UNSTAKE ends the whole position,
    WITHDRAW pays it `exit_ms` later. `prune_slash_gwei` > 0: the sequencers of an epoch not proven in full lose so
    much, burnt; a balance below `ejection_gwei` is put out. `silent_bips` of a committee do not attest, by lot: an
    epoch without floor(2 committee / 3) + 1 attestations does not come to be.

Units
    Money gwei (1e-9 AZTEC, contract: 1e-18), time ms, fees per mana in wei as in the contract. An amount of a
    checkpoint is rounded down to a gwei.

Randomness
    `e.word` of REQUEST, for silent attesters only: a Lehmer generator (48271 mod 2^31 - 1) begun by `ticket_of`.

Source
    AztecProtocol/l1-contracts@c427d0ba (v5.1.0): EpochProofLib, RewardLib, RewardBooster, FeeLib, StakingLib, TimeLib.
    Numbers by era: IGNITION (ignition-contracts@0e561913), V4 (network-defaults.yml, aztec-packages@05b0c861), V5, the
    default. AZIP-5 for the booster, AZIP-7 for the end of slashing for unproven epochs.

Literal or intended
    Activity credit is for any accepted length, in the calendar epoch of submission: one checkpoint keeps a score up.
    That is literal, noted and accepted in a comment of the contract.
    AZIP-5 says 262 epochs from zero to the top (367,500 / 1,400); the first submission already gives 101,400, so by
    the contract it is 192. It says the old curve breaks even at about 78 %; by the contract at 80 %.

Simplified
    Provers prove after the epoch's end, on chain also during it. Nobody misses a slot; mana is spread evenly. Prices of
    gas and ETH stand still. Sequencers of an epoch are one actor, its requester, who also pays what users pay. Prizes
    are paid, not claimed, and their dust is burnt (on chain it stays for ever). The slash is at once, without the vote
    (65 of 128 slots, 28 rounds later: `slash_votes`) and its veto. No committee is drawn from the seats; the escape
    hatch is a rule of its own, `escape_hatch`. What was built on a pruned epoch and is already open waits for its own
    timer. The congestion multiplier is exact to 1e-9. At most MAX_PROOFS proofs await their deadline; more are FULL.
    Which era ended the slash is our reading.

Failure modes
    Waiting: a proof of one checkpoint more takes the whole prize, so nobody proves early and all prove everything.
    Common shocks: proofs cost L1 gas, so in a gas spike all stop together and two epochs of transactions go.
    Missing: with V5 one epoch missed costs 24 % of the next weight, two 99 %; 72 epochs to be whole again.
    Farming: one checkpoint an epoch keeps a score. Splitting: a second identity gains for everybody but a monopolist.
"""

from typing import Annotated, NamedTuple, TypeAlias

from proofyard.core import (
    BIPS,
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    GweiByActor,
    GweiByJob,
    Ints,
    Kind,
    Once,
    Phase,
    Verdict,
    add_entry,
    ask,
    bips_of,
    chain_places,
    check,
    drop_entry,
    lose_job,
    move,
    mul_div,
    open_bidding,
    open_to_all,
    out_of_range,
    refund,
    slash,
    spec,
    ticket_of,
)
from proofyard.core.exp import exp_fixed

SOURCE = "Aztec, AztecProtocol/l1-contracts@c427d0ba (v5.1.0, July 2026): EpochProofLib, RewardLib, RewardBooster"
FAMILY = "shared reward"
EVERY_PROOF = True  # all who race hand in their proofs
PARTS = "checkpoints"  # parameter: how many parts a job has, of which a proof may cover the first ones only

TOKEN = 10**9  # gwei
MAX_PROOFS = 512  # waiting for a deadline, over all jobs
MAX_CHECKPOINTS = 48  # of an epoch, as the contract's circuits
MAX_COST = 2**59  # wei per mana: no part of a fee is larger, so their sum fits
MAX_FEE = MAX_GWEI // 64  # gwei, of a checkpoint: the fees of an epoch fit MAX_GWEI
MAX_MS = 2**40
L1_GAS_PROPOSAL = 300_000  # of a checkpoint
L1_GAS_PROOF = 3_600_000  # of an epoch
BLOB_GAS = 3 * 131_072  # three blobs a checkpoint
COST_UPDATE_MS = 2_592_000_000  # ms between updates of the proving cost, 30 d (PROVING_COST_UPDATE_INTERVAL)
COST_UPDATES = 70  # after so many any goal is reached
PRICE_UNIT = 10**12  # of `eth_per_token`
MULTIPLIER_UNIT = 10**9  # a congestion multiplier of 1
CONGESTION_TIMES, CONGESTION_OVER = 854_700_854, 10**8  # the target times this divides the excess in the exponent
LN_BILLION = 20_723_265_836_946_411  # ln(10**9) * 10**15
CURVE_UNIT = 10**10  # a * t^2 / 1e10
LEHMER, LEHMER_MODULUS = 48_271, 2**31 - 1

Proofs: TypeAlias = Annotated[Ints, MAX_PROOFS]


class Params(NamedTuple):
    """Defaults: mainnet v5, July 2026."""

    epoch_ms: int = 2_304_000  # ms, 32 slots of 72 s
    checkpoints: int = 32  # of an epoch
    proof_epochs: int = 1  # an epoch can be proven to the end of so many epochs after it
    reward_gwei: int = 500 * TOKEN  # gwei a checkpoint
    sequencer_bips: int = 7_000  # bips of the reward
    supply_gwei: int = 249_000_000 * TOKEN  # gwei the distributor has
    increment: int = 101_400  # score for a submission
    decay: int = 100_000  # score lost an epoch
    max_score: int = 367_500  # at most, and full shares
    curve: int = 250_000  # `a`: steepness below the top
    min_shares: int = 10_000  # at any score
    max_shares: int = 1_000_000  # `k`: at the top
    mana_target: int = 75_000_000  # mana a checkpoint; its limit is twice that; 0 = no transactions
    proving_cost_wei: int = 12_500_000  # wei of ETH per mana
    cost_goal_wei: int = 0  # wei of ETH per mana that governance moves it to, as fast as it may; 0 = it stays
    l1_base_fee_wei: int = 1_000_000_000  # wei per gas of L1
    blob_base_fee_wei: int = 1  # wei per blob gas
    eth_per_token: int = 9_512_195  # 1e-12 ETH a token: 0.0156 / 1640 usd
    staked: int = 0  # 1: sequencers need a seat; 0: anybody asks for epochs
    activation_gwei: int = 200_000 * TOKEN  # gwei of a position
    ejection_gwei: int = 190_000 * TOKEN  # gwei: below, a slashed position is put out (localEjectionThreshold)
    exit_ms: int = 345_600_000  # ms from leaving to money, 4 d
    prune_slash_gwei: int = 0  # gwei taken for an epoch not proven in full
    bootstrap: int = 0  # entry queue: nobody comes in until so many wait; 0 = that is over
    bootstrap_flush: int = 4  # seats an epoch until so many are active
    flush_min: int = 1  # seats an epoch, at least
    flush_quotient: int = 400  # one for so many active
    flush_max: int = 4  # at most
    committee: int = 48  # attesters of an epoch
    silent_bips: int = 0  # bips of all attesters that are silent


class State(NamedTuple):
    """The book, scores, proofs that wait, the chain of epochs, and positions of sequencers."""

    book: Book
    prize: GweiByJob  # for the provers of the longest length
    score: ByActor  # activity, as of `scored`
    scored: ByActor  # calendar epoch of the last submission
    earned: ByActor  # gwei paid to the actor for proofs (a record, not money)
    epoch: ByJob  # calendar epoch
    cost: ByJob  # wei of ETH per mana, to prove it
    proven: ByJob  # checkpoints, longestProvenLength
    parent: ByJob  # the epoch it is built on, its job + 1; 0 = the proven tip of the time
    mana: ByJob  # mana of its transactions
    pressure: ByJob  # excess mana + mana used of the checkpoint before its first
    pressure_after: ByJob  # the same of its last
    first: ByJob  # latest proof, its place in the arrays below + 1; 0 = none
    by: Proofs  # prover
    length: Proofs  # checkpoints
    weight: Proofs  # shares
    next: Proofs  # the one before it, place + 1; 0 = none
    free: Once  # first unused place + 1; 0 = none
    latest: Once  # the last epoch asked for, its job + 1; 0 = none
    tip_pressure: Once  # excess mana + mana used of the last proven checkpoint
    stake: GweiByActor  # position, queued or active
    exiting: GweiByActor  # on its way out
    exit_at: ByActor  # ms, when it can be withdrawn
    ticket: ByActor  # place in the entry queue, from 1; 0 = not queued
    seat: ByActor  # 1 = active
    tickets: Once  # handed out
    active: Once  # seats
    grown: Once  # 1 once there were `bootstrap` of them
    budget: Once  # seats that may still be filled in this calendar epoch
    flushed: Once  # calendar epoch of `budget`, + 1
    churn: Once  # seats taken and left


V5 = Params()
V4 = V5._replace(
    proving_cost_wei=25_000_000, increment=125_000, max_score=15_000_000, curve=1_000, min_shares=100_000,
    bootstrap=500, bootstrap_flush=400, flush_quotient=400, prune_slash_gwei=2_000 * TOKEN,
)  # fmt: skip
IGNITION = V4._replace(
    reward_gwei=400 * TOKEN, mana_target=0, proving_cost_wei=0, committee=24, ejection_gwei=196_000 * TOKEN,
    bootstrap_flush=500, flush_quotient=2_048, flush_max=8,
)  # fmt: skip


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "checkpoints": (1, MAX_CHECKPOINTS), "proof_epochs": (0, 100), "sequencer_bips": (0, BIPS),
        "increment": (0, 2**31), "decay": (0, 2**31), "max_score": (1, 2**31), "curve": (0, 2**31),
        "min_shares": (1, p.max_shares), "max_shares": (1, 2**40), "mana_target": (0, 2**31 - 1),
        "proving_cost_wei": (2 if p.cost_goal_wei > 0 else 0, 10**12), "cost_goal_wei": (0, 10**12),
        "l1_base_fee_wei": (0, 10**11), "blob_base_fee_wei": (0, 10**11),
        "eth_per_token": (100, 10**14), "staked": (0, 1), "activation_gwei": (1, MAX_GWEI),
        "ejection_gwei": (0, p.activation_gwei),
        "bootstrap": (0, 2**20), "bootstrap_flush": (1, 2**20), "flush_min": (1, 2**20), "flush_quotient": (1, 2**20),
        "flush_max": (1, 2**20), "committee": (1, 2**10), "silent_bips": (0, BIPS), "exit_ms": (0, MAX_MS),
        "epoch_ms": (1, MAX_MS),
    }  # fmt: skip
    return out_of_range(p, limits, (0, MAX_GWEI))


def genesis(p: Params, s: State) -> None:
    """Fund the distributor, and chain all places for proofs as unused."""
    s.book.reserve[0] = p.supply_gwei
    chain_places(s.next, s.free)


# Fees of a checkpoint.


@spec
def share_up(amount: int, parts: int) -> int:
    """Divide, rounding up."""
    return (amount + parts - 1) // parts


@spec
def in_token(p: Params, wei: int) -> int:
    """Wei of the token for `wei` of ETH, rounded up (toFeeAsset)."""
    exact = mul_div(wei, PRICE_UNIT, p.eth_per_token)
    up = mul_div(exact, p.eth_per_token, PRICE_UNIT) < wei
    return min(MAX_COST, exact + up) if exact < MAX_COST else MAX_COST


@spec
def compute_multiplier(p: Params, excess: int) -> int:
    """Congestion multiplier in 1e-9: exp(excess / (8.54700854 target)), never below 1."""
    over = mul_div(p.mana_target, CONGESTION_TIMES, CONGESTION_OVER)
    exponent = min(excess, over * 100) + mul_div(over, LN_BILLION, 10**15)
    return max(MULTIPLIER_UNIT, exp_fixed(exponent, over))


@spec
def proving_cost_at(p: Params, time: int) -> int:
    """Proving cost, wei of ETH per mana: one update at once, another every 30 days, each by half or a third at most."""
    cost = p.proving_cost_wei
    if p.cost_goal_wei > 0:
        for _ in range(min(1 + time // COST_UPDATE_MS, COST_UPDATES)):
            cost = max(min(p.cost_goal_wei, cost * 3 // 2), (cost * 2 + 2) // 3)
    return cost


@spec
def compute_costs(p: Params, proving: int, excess: int) -> tuple[int, int, int]:
    """Fee per mana of a checkpoint, wei of the token: sequencer, prover, congestion (getManaMinFeeComponentsAt)."""
    sequencer = share_up(L1_GAS_PROPOSAL * p.l1_base_fee_wei + BLOB_GAS * p.blob_base_fee_wei, p.mana_target)
    proof = share_up(share_up(L1_GAS_PROOF * p.l1_base_fee_wei, p.checkpoints), p.mana_target)
    prover = proof + proving
    total = sequencer + prover
    congested = mul_div(total, compute_multiplier(p, excess), MULTIPLIER_UNIT)
    return in_token(p, sequencer), in_token(p, prover), in_token(p, min(congested, MAX_COST) - total)


@spec
def compute_fees(p: Params, proving: int, mana: int, pressure: int, start: int, end: int) -> tuple[int, int, int, int]:
    """Of the checkpoints from `start` up to `end`: fee, burnt, to the provers, all gwei; and the pressure at `end`."""
    fee, burnt, prover = 0, 0, 0
    if p.mana_target == 0:
        return fee, burnt, prover, pressure
    for k in range(end):
        used = mana // p.checkpoints + (k < mana % p.checkpoints)
        excess = max(0, pressure - p.mana_target)
        pressure = excess + used
        if k < start:
            continue
        sequencer_cost, prover_cost, congestion_cost = compute_costs(p, proving, excess)
        paid = min(MAX_FEE, mul_div(used, sequencer_cost + prover_cost + congestion_cost, 10**9))
        burn = min(paid, mul_div(used, congestion_cost, 10**9))
        fee += paid
        burnt += burn
        prover += min(mul_div(used, prover_cost, 10**9), paid - burn)
    return fee, burnt, prover, pressure


# The chain of epochs.


@spec
def proof_deadline(p: Params, epoch: int) -> int:
    """Last ms at which a proof of `epoch` is accepted."""
    return (epoch + p.proof_epochs + 1) * p.epoch_ms - 1


@spec
def is_pruned(p: Params, s: State, job: int, time: int) -> bool:
    """Say whether the epoch of `job`, or one it is built on, was not proven in full in its time."""
    while s.proven[job] < p.checkpoints:
        if time > proof_deadline(p, s.epoch[job]):
            return True
        if s.parent[job] == 0:
            return False
        job = s.parent[job] - 1
    return False


@spec
def is_stalled(p: Params, word: int) -> bool:
    """Say whether too many of the committee are silent for floor(2n/3) + 1 attestations."""
    if p.silent_bips == 0:
        return False
    die = 1 + ticket_of(word, LEHMER_MODULUS - 1)
    attesting = 0
    for _ in range(p.committee):
        die = die * LEHMER % LEHMER_MODULUS
        attesting += die * BIPS >= p.silent_bips * LEHMER_MODULUS
    return attesting < 2 * p.committee // 3 + 1


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Begin an epoch on the pending chain, or on the proven tip if that was pruned, and put its fees aside."""
    b, job, now = s.book, e.job, e.time // p.epoch_ms
    last = s.latest[0] - 1
    if p.staked == 1 and s.seat[e.actor] == 0:
        return Verdict.NOT_YOURS
    if last >= 0 and s.epoch[last] >= now:
        return Verdict.FULL
    if e.detail < 0 or e.detail > 2 * max(1, p.mana_target) * p.checkpoints:
        return Verdict.BAD_DETAIL
    if is_stalled(p, e.word):
        return Verdict.NO_PROVER
    pending = last >= 0 and not is_pruned(p, s, last, e.time)
    pressure = int(s.pressure_after[last]) if pending else int(s.tip_pressure[0])
    cost = proving_cost_at(p, e.time)
    fee, _, _, after = compute_fees(p, cost, e.detail, pressure, 0, p.checkpoints)
    if fee > e.amount:
        return Verdict.TOO_DEAR
    ask(b, e, fee)
    open_bidding(b, job, (now + 1) * p.epoch_ms - 1)
    s.epoch[job], s.cost[job], s.mana[job] = now, cost, e.detail
    s.pressure[job], s.pressure_after[job] = pressure, after
    s.parent[job] = last + 1 if pending else 0
    s.latest[0] = job + 1
    return Verdict.OK


@spec
def close(p: Params, s: State, e: Event) -> None:
    """Open an epoch that is over to all provers, unless what it is built on was pruned."""
    b = s.book
    if is_pruned(p, s, e.job, e.time):
        lose_job(b, e.job)
        return
    open_to_all(b, e.job, proof_deadline(p, s.epoch[e.job]))


# Proofs.


@spec
def compute_score(p: Params, score: int, epochs: int, credit: int) -> int:
    """Activity score after `epochs` without, and then one submission if `credit` is 1."""
    left = max(0, score - p.decay * min(epochs, 2**31))
    return min(left + p.increment, p.max_score) if credit == 1 else left


@spec
def compute_shares(p: Params, score: int) -> int:
    """Shares of a proof by a prover of this score (_toShares)."""
    if score >= p.max_score:
        return p.max_shares
    missing = int(p.max_score) - int(score)
    return max(p.max_shares - min(p.max_shares, mul_div(missing * missing, p.curve, CURVE_UNIT)), p.min_shares)


@spec
def check_proof(p: Params, s: State, e: Event, length: int) -> Verdict:
    """Refuse a proof whose epoch's turn has not come, of no possible length, or of one its prover has used."""
    if length < 1 or length > p.checkpoints:
        return Verdict.BAD_DETAIL
    parent = s.parent[e.job]
    if parent > 0 and s.proven[parent - 1] < p.checkpoints:
        return Verdict.EARLY
    place = s.first[e.job]
    while place > 0:
        if s.by[place - 1] == e.actor and s.length[place - 1] == length:
            return Verdict.BAD_DETAIL
        place = s.next[place - 1]
    return Verdict.OK if s.free[0] > 0 else Verdict.FULL


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Give the proof its shares; if it is the longest so far, pay for what it newly covers (submitEpochRootProof)."""
    b, job, now = s.book, e.job, e.time // p.epoch_ms
    length = p.checkpoints if e.detail == 0 else e.detail
    verdict = check_proof(p, s, e, length)
    if verdict != Verdict.OK:
        return verdict
    epochs = now - s.scored[e.actor]
    s.score[e.actor] = compute_score(p, s.score[e.actor], epochs, 1 if epochs > 0 else 0)
    s.scored[e.actor] = now
    place = add_entry(s.next, s.free, s.first, job) - 1
    s.by[place], s.length[place], s.weight[place] = e.actor, length, compute_shares(p, s.score[e.actor])
    if length > s.proven[job]:
        cover(p, s, job, length)
        b.prover[job] = e.actor
    b.phase[job] = Phase.PROVEN
    b.deadline[job] = proof_deadline(p, s.epoch[job])
    return Verdict.OK


@spec
def cover(p: Params, s: State, job: int, length: int) -> None:
    """Reward and fees of the checkpoints a proof of `length` is the first to cover (handleRewardsAndFees)."""
    b, added = s.book, length - s.proven[job]
    reward = min(mul_div(p.reward_gwei, added, 1), b.reserve[0])
    sequencers = bips_of(reward, p.sequencer_bips) // added * added  # evenly; the dust is the provers'
    move(b.reserve, 0, b.cash, b.requester[job], sequencers)
    move(b.reserve, 0, s.prize, job, reward - sequencers)
    fee, burnt, prover, pressure = compute_fees(p, s.cost[job], s.mana[job], s.pressure[job], s.proven[job], length)
    move(b.escrow, job, b.burnt, 0, burnt)
    move(b.escrow, job, s.prize, job, prover)
    move(b.escrow, job, b.cash, b.requester[job], fee - burnt - prover)
    s.proven[job] = length
    s.tip_pressure[0] = pressure


@spec
def settle(p: Params, s: State, e: Event) -> None:
    """Divide the prize among the proofs of the longest length; prune the rest of the epoch."""
    b, job = s.book, e.job
    prize, total = int(s.prize[job]), 0
    place = s.first[job]
    while place > 0:
        if s.length[place - 1] == s.proven[job]:
            total += int(s.weight[place - 1])
        place = s.next[place - 1]
    while s.first[job] > 0:
        place = s.first[job] - 1
        if s.length[place] == s.proven[job]:
            prover, due = int(s.by[place]), mul_div(int(s.weight[place]), prize, total)
            move(s.prize, job, b.cash, prover, due)
            b.paid[job] += due
            s.earned[prover] += due
        drop_entry(s.next, s.free, s.first, job)
    move(s.prize, job, b.burnt, 0, s.prize[job])  # dust
    b.phase[job] = Phase.SETTLED
    prune(p, s, e)


@spec
def prune(p: Params, s: State, e: Event) -> None:
    """Give the fees of what was not proven back, and slash the sequencers for it, if that is the rule."""
    b, sequencer = s.book, s.book.requester[e.job]
    refund(b, e.job)
    if p.prune_slash_gwei == 0 or s.proven[e.job] == p.checkpoints:
        return
    if s.exiting[sequencer] > 0 and e.time < s.exit_at[sequencer]:
        slash(b, sequencer, s.exiting, sequencer, b.burnt, 0, min(p.prune_slash_gwei, int(s.exiting[sequencer])))
    elif s.seat[sequencer] > 0:
        slash(b, sequencer, s.stake, sequencer, b.burnt, 0, min(p.prune_slash_gwei, int(s.stake[sequencer])))
        if s.stake[sequencer] < p.ejection_gwei:
            leave(p, s, sequencer, e.time)


# Positions of sequencers.


@spec
def compute_flush(p: Params, active: int, waiting: int, grown: int) -> int:
    """Seats that may be filled in a calendar epoch (getEntryQueueFlushSize); `grown` 1 = the bootstrap is over."""
    if p.bootstrap > 0 and grown == 0 and active == 0 and waiting < p.bootstrap:
        return 0
    if active < p.bootstrap and grown == 0:
        return p.bootstrap_flush
    return min(max(active // p.flush_quotient, p.flush_min), p.flush_max)


@spec
def let_in(p: Params, s: State, now: int) -> None:
    """Seat the first in the queue, as far as this calendar epoch allows."""
    waiting = 0
    for actor in range(len(s.ticket)):
        waiting += s.ticket[actor] > 0
    if s.flushed[0] != now + 1:
        s.flushed[0] = now + 1
        s.budget[0] = compute_flush(p, s.active[0], waiting, s.grown[0])
    while s.budget[0] > 0 and waiting > 0:
        first = -1
        for actor in range(len(s.ticket)):
            if s.ticket[actor] > 0 and (first < 0 or s.ticket[actor] < s.ticket[first]):
                first = actor
        s.ticket[first], s.seat[first] = 0, 1
        s.active[0] += 1
        s.churn[0] += 1
        s.budget[0] -= 1
        waiting -= 1
    if 0 < p.bootstrap <= s.active[0]:
        s.grown[0] = 1  # for good (isBootstrapped)


@spec
def join(p: Params, s: State, e: Event) -> Verdict:
    """Put a whole position into the entry queue."""
    if e.amount < p.activation_gwei:
        return Verdict.BAD_AMOUNT
    if s.stake[e.actor] > 0 or s.exiting[e.actor] > 0:
        return Verdict.FULL
    move(s.book.cash, e.actor, s.stake, e.actor, p.activation_gwei)
    s.tickets[0] += 1
    s.ticket[e.actor] = s.tickets[0]
    let_in(p, s, e.time // p.epoch_ms)
    return Verdict.OK


@spec
def leave(p: Params, s: State, actor: int, time: int) -> None:
    """End a position: its money is on its way out, and can still be slashed."""
    move(s.stake, actor, s.exiting, actor, s.stake[actor])
    s.exit_at[actor] = time + p.exit_ms
    s.seat[actor] = 0
    s.active[0] -= 1
    s.churn[0] += 1


@spec
def withdraw(s: State, e: Event) -> Verdict:
    """Pay out a position that has waited long enough."""
    if s.exiting[e.actor] == 0:
        return Verdict.POOR
    if e.time < s.exit_at[e.actor]:
        return Verdict.EARLY
    move(s.exiting, e.actor, s.book.cash, e.actor, s.exiting[e.actor])
    return Verdict.OK


@spec
def apply_position(p: Params, s: State, e: Event) -> Verdict:
    """Answer STAKE, UNSTAKE and WITHDRAW, where sequencers stake."""
    if p.staked == 0:
        return Verdict.UNKNOWN
    if e.kind == Kind.STAKE:
        return join(p, s, e)
    if e.kind == Kind.WITHDRAW:
        return withdraw(s, e)
    if s.seat[e.actor] == 0:
        return Verdict.POOR
    if e.amount < s.stake[e.actor]:
        return Verdict.BAD_AMOUNT
    leave(p, s, e.actor, e.time)
    return Verdict.OK


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        verdict = request(p, s, e)
        if verdict == Verdict.OK and p.staked == 1:
            let_in(p, s, e.time // p.epoch_ms)
        return verdict
    if e.kind == Kind.PROVE:
        return prove(p, s, e)
    if e.kind == Kind.CLOSE:
        close(p, s, e)
    elif e.kind == Kind.EXPIRE:
        s.book.phase[e.job] = Phase.LOST
        prune(p, s, e)
    elif e.kind == Kind.SETTLE:
        settle(p, s, e)
    elif e.kind == Kind.STAKE or e.kind == Kind.UNSTAKE or e.kind == Kind.WITHDRAW:
        return apply_position(p, s, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
