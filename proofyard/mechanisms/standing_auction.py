"""Standing auction: one prover, or a pool at one fee, holds all jobs until another undercuts it by five percent.

Rules
    OFFER names a fee per proof and a capacity (which the auction ignores). Under `standing` it is a limit: at every
    REQUEST the cheapest outsider that can, bids once for its owner, as high as allowed and at most what the request
    offers. Without, the OFFER is the bid itself, accepted or refused at once.
    A bid needs a bond balance of twice the ejection threshold, which is `bond_multiplier` liveness bonds. It must be
    5 % below the fee in force; in a vacancy at most max(last fee, initial fee, 2 x moving average), doubled every 15
    minutes since the seat fell vacant, 8 times at most. Who holds the seat may lower its fee by anything, every two
    minutes. With `pool_size` above 1 outsiders may join at the fee in force: the j-th needs 5 % more bond for each
    before it and has 10 % less weight; 256 slots are shared out by weight, the time of the proposal picks the slot. A
    lower bid, of a member too, empties the pool.
    REQUEST pays the fee to the prover of the slot at once and for good (nothing if it proposed itself). Who offers
    nothing proves itself, if it has the ejection threshold. Nobody in the seat: NO_PROVER.
    PROVE in the window: that prover only. Later anyone: it is slashed min(liveness bond, balance), 60 % to whoever
    proves (itself too), the rest is locked for ever. Below the threshold it is ejected.
    STAKE fills the bond balance. UNSTAKE of a seated prover leaves the seat; otherwise it takes the amount out, as
    WITHDRAW does (0 = all), `withdrawal_ms` after the seat was lost.
    `design = 1` is ProverMarket: thresholds to bid, to be undercut at the same fee, and to count as present; fee at
    most twice an average that moves with the first ten jobs of each winner; a liveness bond locked for each job, half
    of it to a late prover, half burnt; UNSTAKE ends the seat `exit_ms` later.

Units
    money gwei (fees were gwei of ETH, bonds TAIKO: here one token); time ms, averages count whole seconds as on chain.

Randomness
    None: the slot of a job is (time // `slot_ms`) mod 256, so it can be predicted.

Source
    taikoxyz/taiko-mono packages/protocol/contracts: G3 layer1/core/impl/ProverAuction.sol @3506ff0c27 (Dec 2025) is
    the default, with its tests' numbers; G4 MultiProverAuction.sol @34175c5d49 (Jan 2026) is `POOL`; G1
    layer1/prover-market/ProverMarket.sol and based/TaikoInbox.sol @4de24bc908 (Apr 2025) is `MARKET_2025`. None ran.

Literal or intended
    Literal: a member that lowers the pool's fee is not asked for the bond again, one that left and came back weighs by
    the size of the pool it meets, and rounding slots go to the first. In G1 a seat is not given up when its holder
    runs low, it only counts as empty. A cap that doubles 8 times may stay below every cost for ever.
    The bids of standing offers are not in the contracts: they are what undercutting provers would do.

Simplified
    A fee of 0 cannot be bid. The window is not extended to three minutes after the last finalisation, jobs settle when
    proven (ProverMarket held bonds two hours more), G1 exits are asked for and not named in the bid, and G1 does not
    fall back on the prover's wallet: what is not in its balance makes it no prover. Unproven jobs are lost after
    `open_window_ms`; the prover is slashed then. Terms that are pending before they are active, liabilities per job and
    fees on proof (G5, ProverMarket of 2026), and periods with evictors (G6, OpenZeppelin) are no parameters of this.

Failure modes
    The fee is paid before the work: a seat is worth its fees less the slashes, even to who never proves. A late prover
    that proves through any account has 60 % of its slash back. One seat means one prover for everything, whatever its
    capacity: the cheapest is overrun, slashed and ejected. The slot of a pool can be predicted and partly chosen.
"""

from typing import Annotated, NamedTuple, TypeAlias

from proofyard.core import (
    BIPS,
    MAX_CAPACITY,
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
    ask,
    assign,
    bips_of,
    check,
    move,
    mul_div,
    open_to_all,
    out_of_range,
    pay,
    slash,
    spec,
    take_out,
)

SOURCE = "Taiko, none ran: ProverAuction.sol@3506ff0c27, MultiProverAuction.sol@34175c5d49, ProverMarket.sol@4de24bc908"
FAMILY = "auction"

TOKEN = 10**9  # gwei
MINUTE = 60_000  # ms
WEEK = 7 * 24 * 60 * MINUTE
MAX_BOND = 10**18  # gwei, a billion tokens
MAX_FEE = 2**40  # gwei: times a window in seconds it fits in 63 bits
MAX_TIME = 2**50  # ms
MAX_POOL = 16  # members, MAX_POOL_SIZE
SLOTS = 256  # SLOT_TABLE_SIZE
JOIN_PREMIUM = 500  # bips of bond for each member before, JOIN_BOND_PREMIUM_BPS
WEIGHT_DECAY = 1_000  # bips of weight for each member before, WEIGHT_DECAY_BPS

AUCTION, MARKET = 0, 1  # designs
NOBODY = -1

Pool: TypeAlias = Annotated[Ints, 16]


class Params(NamedTuple):
    """Defaults: ProverAuction with the numbers of its tests."""

    design: int = AUCTION  # 0 ProverAuction and MultiProverAuction, 1 ProverMarket
    standing: int = 1  # switch: 0 = an OFFER is a bid, accepted or refused at once
    pool_size: int = 1  # members of the pool at most, 1..16
    slot_ms: int = 12_000  # ms, time of a slot of the pool's table (an L1 block)
    reduction: int = 500  # bips a bid must be below the fee in force
    liveness_gwei: int = TOKEN  # gwei slashed for a late proof; ProverMarket: locked for each job
    reward: int = 6_000  # bips of it to whoever proves late
    bond_multiplier: int = 10  # liveness bonds below which a prover is ejected; twice as many to bid
    withdrawal_ms: int = 48 * 60 * MINUTE  # ms from losing the seat to taking money out
    initial_fee_gwei: int = 1_000  # gwei, highest fee of the very first bid before doublings
    doubling_ms: int = 15 * MINUTE  # ms in which the highest fee of a vacant seat doubles
    max_doublings: int = 8  # times it doubles
    average_ms: int = 30 * MINUTE  # ms after which the moving average forgets
    average_multiplier: int = 2  # times the moving average may be bid
    self_ms: int = 2 * MINUTE  # ms between the last bid and lowering one's own fee
    max_fee_gwei: int = 2**32 - 1  # gwei, the largest fee that can be written
    window_ms: int = 240 * MINUTE  # ms only the prover of the slot may prove
    open_window_ms: int = WEEK  # ms anybody may prove, then the job is lost (no such limit in the contract)
    bidding_bond_gwei: int = 200 * TOKEN  # MARKET: gwei of balance needed to bid
    outbid_bond_gwei: int = 100 * TOKEN  # MARKET: gwei of balance below which the same fee replaces a prover
    proving_bond_gwei: int = 50 * TOKEN  # MARKET: gwei of balance below which a prover counts as none
    average_factor: int = 100  # MARKET: weight of the old average and one
    average_jobs: int = 10  # MARKET: first jobs of a winner that move the average
    exit_ms: int = 24 * 60 * MINUTE  # MARKET: ms from asking to leave to leaving


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # bond balance
    price: ByActor  # gwei per proof, as offered
    capacity: ByActor  # as offered; 0 = no offer
    open_jobs: ByActor  # hired for, neither proven nor missed
    seat: ByActor  # index in the pool + 1, 0 = none
    withdrawable: ByActor  # ms from when the balance can be taken out, 0 = not set
    member: Pool  # actor at each index
    weight: Pool  # bips
    slots: Pool  # of the 256
    size: Once  # members
    fee: Once  # gwei, in force or the last that was, 0 = never
    vacant_since: Once  # ms
    average: Once  # gwei
    average_at: Once  # s, when it last moved
    exit_at: Once  # MARKET: ms, when the prover leaves, 0 = it does not
    jobs_won: Once  # MARKET: jobs the prover had since its bid
    churn: Once  # seats that changed hands
    bond: GweiByJob  # MARKET: liveness bond
    hired: ByJob  # actor that must prove and was paid


POOL = Params(pool_size=MAX_POOL)
MARKET_2025 = Params(
    design=MARKET, liveness_gwei=125 * TOKEN, reward=5_000, max_fee_gwei=MAX_FEE, window_ms=120 * MINUTE
)


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "design": (AUCTION, MARKET), "standing": (0, 1), "pool_size": (1, MAX_POOL if p.design == AUCTION else 1),
        "slot_ms": (1, MAX_TIME), "reduction": (0, BIPS), "liveness_gwei": (1, MAX_BOND), "reward": (0, BIPS),
        "bond_multiplier": (1, 1_000), "initial_fee_gwei": (1, MAX_FEE), "doubling_ms": (1, MAX_TIME),
        "max_doublings": (0, 60), "average_ms": (1_000, 2**22 * 1_000), "average_multiplier": (1, 255),
        "max_fee_gwei": (1, MAX_FEE), "bidding_bond_gwei": (1, MAX_BOND), "outbid_bond_gwei": (1, MAX_BOND),
        "proving_bond_gwei": (1, MAX_BOND), "average_factor": (1, 2**20), "average_jobs": (0, 2**20),
    }  # fmt: skip
    complaint = out_of_range(p, limits, (0, MAX_TIME))
    if complaint:
        return complaint
    if p.design == MARKET and not p.bidding_bond_gwei > p.outbid_bond_gwei > p.proving_bond_gwei:
        return (
            "outbid_bond_gwei",
            f"between proving_bond_gwei, {p.proving_bond_gwei}, and bidding_bond_gwei, {p.bidding_bond_gwei}",
        )
    return None


# Who holds the seat, and what may be bid.


@spec
def ejection_bond(p: Params) -> int:
    """Gwei of balance below which a prover is ejected."""
    return mul_div(p.liveness_gwei, p.bond_multiplier, 1)


@spec
def is_taken(p: Params, s: State, time: int) -> bool:
    """Tell whether there is a prover (getCurrentProver)."""
    if s.size[0] == 0:
        return False
    if p.design == AUCTION:
        return True
    return bool(s.stake[s.member[0]] >= p.proving_bond_gwei and (s.exit_at[0] == 0 or time < s.exit_at[0]))


@spec
def compute_max_fee(p: Params, s: State, time: int) -> int:
    """Highest fee that may be bid by an outsider now (getMaxBidFee; getMaxFee and the rule in bid of ProverMarket)."""
    taken = is_taken(p, s, time)
    lower = bips_of(s.fee[0], BIPS - p.reduction)
    averaged = min(p.max_fee_gwei, mul_div(s.average[0], p.average_multiplier, 1))
    if p.design == MARKET:
        most = averaged if s.average[0] > 0 else p.max_fee_gwei
        if not taken:
            return most
        return min(most, s.fee[0] if s.stake[s.member[0]] < p.outbid_bond_gwei else lower)
    if taken:
        return min(lower, s.fee[0] - 1)
    base = max(p.initial_fee_gwei, averaged, s.fee[0])
    doublings = min(p.max_doublings, (time - s.vacant_since[0]) // p.doubling_ms)
    return min(p.max_fee_gwei, mul_div(base, 1 << doublings, 1))


@spec
def bond_to_bid(p: Params, joining: int) -> int:
    """Gwei of balance needed to bid, or to join the pool after `joining` members (0 = a bid of one's own)."""
    if p.design == MARKET:
        return p.bidding_bond_gwei
    return mul_div(2 * ejection_bond(p), BIPS + JOIN_PREMIUM * joining, BIPS)


@spec
def check_bid(p: Params, s: State, actor: int, fee: int, time: int) -> Verdict:
    """Tell whether the contract would accept this bid (bid)."""
    taken = is_taken(p, s, time)
    if taken and p.design == AUCTION and s.seat[actor] > 0:  # lowering one's own fee, or the pool's
        if p.pool_size == 1 and s.stake[actor] < bond_to_bid(p, 0):
            return Verdict.POOR
        if time // 1000 < s.average_at[0] + p.self_ms // 1000:
            return Verdict.EARLY
        return Verdict.OK if fee < s.fee[0] else Verdict.TOO_DEAR
    if taken and p.pool_size > 1 and fee == s.fee[0]:
        if s.size[0] >= p.pool_size:
            return Verdict.FULL
        return Verdict.OK if s.stake[actor] >= bond_to_bid(p, s.size[0]) else Verdict.POOR
    if s.stake[actor] < bond_to_bid(p, 0):
        return Verdict.POOR
    return Verdict.OK if fee <= compute_max_fee(p, s, time) else Verdict.TOO_DEAR


# Changing seats.


@spec
def rebuild_slots(s: State) -> None:
    """Share the 256 slots out by weight: at least one each, what is left over to the first (_rebuildSlotTable)."""
    size, total, given = s.size[0], 0, 0
    for k in range(size):
        total += s.weight[k]
    for k in range(size):
        s.slots[k] = max(1, SLOTS * s.weight[k] // total)
        given += s.slots[k]
    while given > SLOTS:
        for k in range(size):
            if given > SLOTS and s.slots[k] > 1:
                s.slots[k] -= 1
                given -= 1
    if size > 0:
        s.slots[0] += SLOTS - given


@spec
def sit_down(s: State, actor: int) -> None:
    """Put `actor` at the end of the pool."""
    size = s.size[0]
    s.member[size] = actor
    s.weight[size] = max(1, BIPS - WEIGHT_DECAY * size)
    s.seat[actor] = size + 1
    s.withdrawable[actor] = 0
    s.size[0] += 1
    s.churn[0] += 1
    rebuild_slots(s)


@spec
def stand_up(p: Params, s: State, actor: int, time: int) -> None:
    """Take `actor` out of the pool; the last member takes its index (_removeFromPool, ejection, requestExit)."""
    index, last = s.seat[actor] - 1, s.size[0] - 1
    moved = s.member[last]
    s.member[index] = moved
    s.weight[index] = s.weight[last]
    s.seat[moved] = index + 1
    s.seat[actor] = 0
    s.size[0] = last
    s.withdrawable[actor] = time + p.withdrawal_ms
    s.churn[0] += 1
    if last == 0:
        s.vacant_since[0] = time
    rebuild_slots(s)


@spec
def move_average(p: Params, s: State, fee: int, time: int) -> None:
    """Weigh the new fee by the seconds since the last (_updateMovingAverage)."""
    now = time // 1000
    window = p.average_ms // 1000
    weight = min(window, max(1, now - s.average_at[0]))
    s.average[0] = fee if s.average[0] == 0 else (s.average[0] * (window - weight) + fee * weight) // window
    s.average_at[0] = now


@spec
def take_seat(p: Params, s: State, actor: int, fee: int, time: int) -> None:
    """Let an accepted bid count: join at the fee in force, or empty the pool and begin it again."""
    taken = is_taken(p, s, time)
    if taken and p.pool_size > 1 and fee == s.fee[0]:
        sit_down(s, actor)
        return
    keeps = s.size[0] > 0 and s.member[0] == actor
    for k in range(s.size[0]):
        s.seat[s.member[k]] = 0
        s.withdrawable[s.member[k]] = time + p.withdrawal_ms
    s.size[0] = 0
    sit_down(s, actor)
    if keeps:
        s.churn[0] -= 1
    s.fee[0] = fee
    s.exit_at[0] = 0
    s.jobs_won[0] = 0
    if p.design == AUCTION:
        move_average(p, s, fee, time)


@spec
def offer(p: Params, s: State, e: Event) -> Verdict:
    """Let a limit stand, or bid."""
    if e.detail < 1 or e.detail > MAX_CAPACITY:
        return Verdict.BAD_DETAIL
    if p.standing == 0:
        verdict = check_bid(p, s, e.actor, e.amount, e.time)
        if verdict != Verdict.OK:
            return verdict
        take_seat(p, s, e.actor, e.amount, e.time)
    s.price[e.actor] = e.amount
    s.capacity[e.actor] = e.detail
    return Verdict.OK


@spec
def find_bidder(p: Params, s: State, fee: int, time: int) -> int:
    """Find the cheapest outsider whose standing offer allows a bid of `fee`, the elder of two; NOBODY if none does."""
    best = NOBODY
    for actor in range(len(s.price)):
        if s.capacity[actor] == 0 or s.price[actor] > fee or (s.seat[actor] > 0 and is_taken(p, s, time)):
            continue
        if (best == NOBODY or s.price[actor] < s.price[best]) and check_bid(p, s, actor, fee, time) == Verdict.OK:
            best = actor
    return best


# Proposals.


@spec
def prover_now(p: Params, s: State, time: int) -> int:
    """Prover whose slot it is."""
    slot = time // p.slot_ms % SLOTS
    for k in range(s.size[0] - 1):
        if slot < s.slots[k]:
            return int(s.member[k])
        slot -= s.slots[k]
    return int(s.member[s.size[0] - 1])


@spec
def hire(p: Params, s: State, e: Event, prover: int, fee: int) -> None:
    """Give the job to `prover` and pay it, before the work; ProverMarket locks its bond out of both."""
    b, job = s.book, e.job
    ask(b, e, fee)
    assign(b, job, prover, e.time + p.window_ms)
    s.hired[job] = prover
    s.open_jobs[prover] += 1
    if p.design == AUCTION:
        pay(b, job, fee)
        return
    move(b.escrow, job, s.stake, prover, fee)
    b.paid[job] += fee
    move(s.stake, prover, s.bond, job, p.liveness_gwei)


@spec
def prove_oneself(p: Params, s: State, e: Event) -> Verdict:
    """Let a proposer that offers nothing prove its own job (checkBondDeferWithdrawal)."""
    actor = e.actor
    if s.stake[actor] < (ejection_bond(p) if p.design == AUCTION else p.liveness_gwei):
        return Verdict.POOR
    if s.seat[actor] == 0 or s.withdrawable[actor] != 0:
        s.withdrawable[actor] = e.time + p.withdrawal_ms
    hire(p, s, e, actor, 0)
    return Verdict.OK


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Let one standing offer bid, then hire the prover whose slot it is at the fee in force."""
    taken, fee, bidder = is_taken(p, s, e.time), int(s.fee[0]), NOBODY
    if p.standing == 1:
        lower = min(e.amount, compute_max_fee(p, s, e.time))
        bidder = find_bidder(p, s, lower, e.time)
        if bidder == NOBODY and taken and p.pool_size > 1:
            bidder = find_bidder(p, s, fee, e.time)  # nobody goes lower: join
        elif bidder != NOBODY:
            fee = lower
    if bidder == NOBODY and not taken:
        return Verdict.NO_PROVER
    if fee > e.amount:
        return Verdict.TOO_DEAR
    if p.design == MARKET:
        prover = s.member[0] if bidder == NOBODY else bidder
        if s.stake[prover] + (fee if prover != e.actor else 0) < p.liveness_gwei:
            return Verdict.NO_PROVER
    if bidder != NOBODY:
        take_seat(p, s, bidder, fee, e.time)
    prover = prover_now(p, s, e.time)
    hire(p, s, e, prover, fee if prover != e.actor else 0)
    if p.design == MARKET and s.jobs_won[0] < p.average_jobs and prover != e.actor:
        s.jobs_won[0] += 1
        kept = s.average[0] * (p.average_factor - 1) + fee
        s.average[0] = fee if s.average[0] == 0 else kept // p.average_factor
    return Verdict.OK


# Proofs and slashes.


@spec
def punish(p: Params, s: State, job: int, rescuer: int, time: int) -> None:
    """Slash the hired prover of a late or lost job; `rescuer` NOBODY = all of it is locked for ever."""
    b, hired = s.book, s.hired[job]
    if p.design == MARKET:
        if rescuer != NOBODY:
            give(b, hired, s.bond, job, rescuer, job, bips_of(s.bond[job], p.reward))
        slash(b, hired, s.bond, job, b.burnt, 0, s.bond[job])
        return
    taken = int(min(p.liveness_gwei, s.stake[hired]))
    reward = bips_of(taken, p.reward) if rescuer != NOBODY else 0
    slash(b, hired, s.stake, hired, b.burnt, 0, taken - reward)
    if rescuer != NOBODY:
        give(b, hired, s.stake, hired, rescuer, job, reward)
    if s.stake[hired] < ejection_bond(p) and s.seat[hired] > 0:
        stand_up(p, s, hired, time)


@spec
def give(b: Book, loser: int, pot: Ints, i: int, winner: int, job: int, amount: int) -> None:
    """Give `amount` of the loser's bond to the winner; to itself it is no slash."""
    if winner == loser:
        move(pot, i, b.cash, winner, amount)
        return
    slash(b, loser, pot, i, b.cash, winner, amount)
    b.paid[job] += amount


@spec
def prove(p: Params, s: State, e: Event) -> None:
    """Settle the job; late, at the expense of the prover that was hired."""
    b, job = s.book, e.job
    hired = s.hired[job]
    if b.phase[job] == Phase.ASSIGNED:
        s.open_jobs[hired] -= 1
        move(s.bond, job, s.stake, hired, s.bond[job])
    else:
        punish(p, s, job, e.actor, e.time)
    b.prover[job] = e.actor
    b.phase[job] = Phase.SETTLED


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Open an unproven job to all; a second time, give it up."""
    b, job = s.book, e.job
    if b.phase[job] == Phase.ASSIGNED:
        s.open_jobs[s.hired[job]] -= 1
        open_to_all(b, job, e.time + p.open_window_ms)
        return
    punish(p, s, job, NOBODY, e.time)
    b.phase[job] = Phase.LOST


@spec
def withdraw(p: Params, s: State, e: Event) -> Verdict:
    """Leave the seat (UNSTAKE), or take money out of the balance of who has none."""
    actor = e.actor
    if s.seat[actor] > 0 and is_taken(p, s, e.time):
        if e.kind == Kind.WITHDRAW:
            return Verdict.EARLY  # CurrentProverCannotWithdraw
        if p.design == AUCTION:
            stand_up(p, s, actor, e.time)
        else:
            s.exit_at[0] = e.time + p.exit_ms
        return Verdict.OK
    if p.design == AUCTION and e.time < s.withdrawable[actor]:
        return Verdict.EARLY
    return take_out(s.book, s.stake, e)


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.OFFER:
        return offer(p, s, e)
    if e.kind == Kind.REQUEST:
        return prove_oneself(p, s, e) if e.amount == 0 else request(p, s, e)
    if e.kind == Kind.UNSTAKE or e.kind == Kind.WITHDRAW:
        return withdraw(p, s, e)
    if e.kind == Kind.STAKE:
        move(s.book.cash, e.actor, s.stake, e.actor, e.amount)
    elif e.kind == Kind.PROVE:
        prove(p, s, e)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
