"""Batch auction: an English auction sells the right to prove a hundred blocks, each backed by a deposit (Taiko, 2023).

Rules
    Blocks are numbered as they are requested; `batch` of them are auctioned together, up to `ahead` batches before
    they are proposed. A bid is a fee per gas, a deposit for each block and a proof window. It may ask any fee, at most
    `window_multiple` times the average window, and at least `deposit_percent` of the average fee times all gas of a
    block; the deposits of all blocks of the batch leave the balance (STAKE) at once. The first bid starts the auction,
    which takes `auction_ms`; a later one replaces the leader, whose deposits come back, if
    adj(fb/fa, 1) x adj(da/db, 2) x adj(wb/wa, 4) >= 1.10, adj(s, w) being 1 + (s - 1)/w, or 1 - (1 - s)/w below 1.
    BID names a block that waits: amount is the fee, detail deposit x 65,536 + window in s (0 = least deposit, longest
    window). Under `standing` OFFER names the least fee per gas: when an auction can start, the cheapest of those that
    have the deposits bids `start_percent` of the average fee, or its own if that is more, and they undercut each other
    by a tenth as long as somebody can; the cheapest outsider goes first, the elder of two.
    REQUEST pays average fee x gas limit. Nobody proves before the auction is over; then the winner, and after the end
    of its window anybody. SETTLE, `cooldown_ms` after the proof, mints the winning fee for all gas used. The winner in
    time has the deposit of the block back, and only then the averages move. Otherwise half of the deposit is
    whoever's proved, the rest burns. A block nobody proves in `open_window_ms` the oracle proves: nobody is paid, the
    winner has its deposit back. A block whose batch nobody bids for is LOST after `patience_ms`.
    UNSTAKE and WITHDRAW (0 = all) take from the balance at once.

Units
    Money in units of a token with 8 decimals, called gwei here; fees per gas; time ms, windows whole seconds.

Randomness
    None.

Source
    taikoxyz/taiko-mono packages/protocol/contracts/L1/libs/{LibAuction,LibProving,LibVerifying}.sol and TaikoConfig.sol
    @68c68de928, the last commit with them (June 2023): f45966fddb replaces them by the prover pool. Design document
    docs/tokenomics_batch_auction.md: (auction_ms = 300_000, deposit_percent = 150). It never ran.

Literal or intended
    `literal = 1`: others may prove from the end of the auction plus the window on, whenever the block was proposed,
    but the winner is in time until its window after the proposal. A block proposed long after its auction is open to a
    race from the start, and who loses it loses the deposit. `literal = 0`: both count from the later of the two.
    Averages round down, so with a factor of 7,200 they can only fall, as in the pool that followed.
    A late winner gets half of its own deposit back, as the actual prover. The first bid has no upper limit: the
    contract checks its parameter for one (five times the average) but never uses it, nor `max_window_s`, which averages
    that only fall do not reach; the document has a start at twice.

Simplified
    The fee is put aside and what is not refunded goes to `book.reserve`, from which rewards are minted. A block larger
    than the gas limit raises it to its own size. Blocks settle one by one. The ring of 1,221 auctions does not fill, no
    proof is overwritten and the oracle comes only when nobody else did. The deposit of a block that was lost before
    its auction stays held. A bid in the name of a prover's limit is not in
    the contract: it is what undercutting provers would do.

Failure modes
    Capital beats price: twice the fee wins with 3.4 times the deposit. A single bidder names its price. Low bids for
    some batches push the averages down, and with them everybody's start.
"""

from typing import NamedTuple

from proofyard.core import (
    ANYONE,
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
    post_offer,
    refund,
    slash,
    spec,
    take_out,
)

SOURCE = "Taiko, never ran: taiko-mono LibAuction.sol @68c68de928 (2023-06) and docs/tokenomics_batch_auction.md"
FAMILY = "auction"
PRICE_PER_UNIT = True  # OFFER asks a price per gas, not per proof

ONE = 1_000_000  # of a score
BETTER = 1_100_000_000_000_000_000  # ONE**3 * 110 / 100
MAX_FEE = 2**32 - 1
MAX_WINDOW_S = 2**16 - 1  # uint16
MAX_DEPOSIT = 2**46
MAX_GAS = 2**30
MAX_MS = 2**40
SECOND = 1_000  # ms
STEPS = 400  # of ten percent take any fee down to 1
POLLS = 100  # of a block that waits for a bid
PERCENT = 100
NOBODY = -1


class Params(NamedTuple):
    """Defaults: the contract's configuration."""

    batch: int = 100  # blocks auctioned together
    ahead: int = 10  # batches that may be auctioned before they are proposed
    auction_ms: int = 120_000  # ms from the first bid to the end
    window_multiple: int = 2  # times the average window a bid may ask for
    max_window_s: int = 7_200  # s it may ask for at most
    deposit_percent: int = 1_000  # percent of average fee times gas: the least deposit of a block
    start_percent: int = 200  # percent of the average fee at which standing offers begin (the design document's)
    standing: int = 1  # switch: 0 = only BID events bid
    literal: int = 1  # switch: 0 = exclusive until a window after the proposal
    gas_limit: int = 6_000_000  # gas paid for in advance
    anchor_gas: int = 180_000  # gas of the protocol's own transaction, paid for in advance
    base_gas: int = 20_000  # gas paid for on top
    cooldown_ms: int = 1_800_000  # ms from proof to settlement
    open_window_ms: int = 86_400_000  # ms an open block waits before the oracle proves it; not in the contract
    patience_ms: int = 3_600_000  # ms a block waits for a bid for its batch; not in the contract
    average_factor: int = 7_200  # weight of the past in both averages, and one
    initial_fee_gwei_per_gas: int = 10  # gwei per gas, average fee to begin with
    initial_window_s: int = 3_600  # s, average window to begin with
    supply_gwei: int = 10**17  # gwei rewards can be minted from


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # balance
    held: GweiByActor  # deposits of batches it leads or has won
    price: ByActor  # gwei per gas: the least it bids
    capacity: ByActor  # as offered; 0 = no offer
    open_jobs: ByActor  # blocks that only it may prove now
    fee: Once  # gwei per gas, average
    window: Once  # s, average
    blocks: Once  # requested
    auctions: Once  # started
    started_at: ByJob  # of a batch: ms
    leader: ByJob  # of a batch: actor + 1; 0 = no bid
    bid_fee: ByJob  # of a batch: gwei per gas
    bid_deposit: ByJob  # of a batch: gwei per block
    bid_window_s: ByJob  # of a batch: s
    number: ByJob  # of the block
    gas: ByJob  # gas of the block
    job_fee: ByJob  # gwei per gas paid
    asked_at: ByJob  # ms
    proven_at: ByJob  # ms


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "batch": (1, 2**20), "ahead": (1, 1_000), "auction_ms": (SECOND, MAX_MS), "window_multiple": (1, 100),
        "max_window_s": (1, MAX_WINDOW_S), "deposit_percent": (1, 100 * PERCENT), "start_percent": (1, 100 * PERCENT),
        "standing": (0, 1), "literal": (0, 1), "gas_limit": (1, MAX_GAS), "anchor_gas": (0, MAX_GAS),
        "base_gas": (0, MAX_GAS), "patience_ms": (0, POLLS * p.auction_ms), "average_factor": (1, 2**20),
        "initial_fee_gwei_per_gas": (1, MAX_FEE), "initial_window_s": (1, MAX_WINDOW_S),
        "supply_gwei": (0, MAX_GWEI // 2),
    }  # fmt: skip
    return out_of_range(p, limits, (0, MAX_MS))


def genesis(p: Params, s: State) -> None:
    """Set the averages, and put aside what rewards are minted from."""
    s.fee[0] = p.initial_fee_gwei_per_gas
    s.window[0] = p.initial_window_s
    s.book.reserve[0] = p.supply_gwei


# Bids.


@spec
def adjust(score: int, weight: int) -> int:
    """Bring a score nearer to one (_adjustBidPropertyScore)."""
    if score < ONE:
        return ONE - (ONE - score) // weight
    return ONE + (score - ONE) // weight


@spec
def is_better(fee: int, deposit: int, window: int, old_fee: int, old_deposit: int, old_window: int) -> bool:
    """Tell whether a bid replaces another (isBidBetter)."""
    fees = mul_div(ONE, old_fee, fee)
    deposits = adjust(mul_div(ONE, deposit, old_deposit), 2)
    windows = adjust(mul_div(ONE, old_window, window), 4)
    return mul_div(mul_div(fees, deposits, 1), windows, 1) >= BETTER


@spec
def least_deposit(p: Params, s: State) -> int:
    """Deposit that a bid must offer for each block."""
    return max(1, mul_div(int(s.fee[0]) * p.deposit_percent, p.gas_limit + p.anchor_gas + p.base_gas, PERCENT))


@spec
def longest_window(p: Params, s: State) -> int:
    """Proof window that a bid may ask for, s."""
    return max(1, int(min(p.max_window_s, s.window[0] * p.window_multiple)))


@spec
def can_pay(p: Params, s: State, actor: int, batch: int, deposit: int) -> bool:
    """Tell whether `actor` has the deposits of a batch; what it leads with itself comes back first."""
    own = s.bid_deposit[batch] * p.batch if s.leader[batch] == actor + 1 else 0
    return bool(mul_div(deposit, p.batch, 1) <= s.stake[actor] + own)


@spec
def lead(p: Params, s: State, batch: int, actor: int, time: int) -> None:
    """Replace the leader of a batch, or start its auction; the terms are set by the caller."""
    if s.leader[batch] == 0:
        s.started_at[batch] = time
        s.auctions[0] += 1
    else:
        old = int(s.leader[batch]) - 1
        move(s.held, old, s.stake, old, s.bid_deposit[batch] * p.batch)
    s.leader[batch] = actor + 1


@spec
def place(p: Params, s: State, batch: int, actor: int, fee: int, deposit: int, window: int) -> None:
    """Write the terms of the leader down and take its deposits."""
    s.bid_fee[batch] = fee
    s.bid_deposit[batch] = deposit
    s.bid_window_s[batch] = window
    move(s.stake, actor, s.held, actor, deposit * p.batch)


@spec
def is_over(p: Params, s: State, batch: int, time: int) -> bool:
    """Tell whether the auction of `batch` has ended."""
    return bool(s.leader[batch] > 0 and time > s.started_at[batch] + p.auction_ms)


@spec
def bid(p: Params, s: State, e: Event) -> Verdict:
    """Bid for the batch of a block that waits (bidForBatch)."""
    batch = int(s.number[e.job]) // p.batch
    window = e.detail & MAX_WINDOW_S if e.detail > 0 else longest_window(p, s)
    deposit = e.detail >> 16 if e.detail > 0 else least_deposit(p, s)
    if e.amount < 1 or e.amount > MAX_FEE:
        return Verdict.BAD_AMOUNT
    if window < 1 or window > longest_window(p, s) or deposit < least_deposit(p, s) or deposit > MAX_DEPOSIT:
        return Verdict.BAD_DETAIL
    if is_over(p, s, batch, e.time):
        return Verdict.LATE
    if s.leader[batch] == 0 and batch != s.auctions[0]:
        return Verdict.EARLY  # the one before has not started
    if s.leader[batch] > 0 and not is_better(
        e.amount, deposit, window, s.bid_fee[batch], s.bid_deposit[batch], s.bid_window_s[batch]
    ):
        return Verdict.TOO_DEAR
    if not can_pay(p, s, e.actor, batch, deposit):
        return Verdict.POOR
    lead(p, s, batch, e.actor, e.time)
    place(p, s, batch, e.actor, e.amount, deposit, window)
    wait(p, s, e.job, e.time)
    return Verdict.OK


@spec
def find_bidder(p: Params, s: State, batch: int, fee: int, deposit: int) -> int:
    """Find the cheapest outsider whose offer allows a bid of `fee`, the elder of two; NOBODY if none does."""
    best = NOBODY
    for actor in range(len(s.price)):
        if s.capacity[actor] == 0 or s.price[actor] > fee or s.leader[batch] == actor + 1:
            continue
        if (best == NOBODY or s.price[actor] < s.price[best]) and can_pay(p, s, actor, batch, deposit):
            best = actor
    return best


@spec
def auction_off(p: Params, s: State, batch: int, time: int) -> None:
    """Let the standing offers undercut each other until nobody can."""
    deposit, window = least_deposit(p, s), longest_window(p, s)
    first = find_bidder(p, s, batch, MAX_FEE, deposit)
    if first == NOBODY or deposit > MAX_DEPOSIT:
        return
    fee = int(min(MAX_FEE, max(s.price[first], s.fee[0] * p.start_percent // PERCENT)))
    bidder = first
    for _ in range(STEPS):
        lead(p, s, batch, bidder, time)
        place(p, s, batch, bidder, fee, deposit, window)
        fee = fee * 10 // 11
        bidder = find_bidder(p, s, batch, fee, deposit) if fee > 0 else NOBODY
        if bidder == NOBODY or not is_better(fee, deposit, window, s.bid_fee[batch], deposit, window):
            return


@spec
def start_auctions(p: Params, s: State, time: int) -> None:
    """Start every auction that may start, one after the other (isBatchAuctionable)."""
    last = min(int(s.blocks[0]) // p.batch + p.ahead, len(s.leader))
    batch = int(s.auctions[0])
    for _ in range(p.ahead):
        if p.standing == 0 or batch >= last or s.leader[batch] > 0:
            return
        auction_off(p, s, batch, time)
        if s.leader[batch] == 0:
            return
        batch += 1


# The life of a block.


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Propose a block."""
    b, job = s.book, e.job
    if e.detail < 0 or e.detail > MAX_GAS:
        return Verdict.BAD_DETAIL
    gas = max(p.gas_limit, e.detail) + p.anchor_gas + p.base_gas
    fee = mul_div(s.fee[0], gas, 1)
    if fee > e.amount:
        return Verdict.TOO_DEAR
    if s.blocks[0] // p.batch >= len(s.leader):
        return Verdict.FULL
    ask(b, e, fee)
    s.number[job] = s.blocks[0]
    s.blocks[0] += 1
    s.job_fee[job] = s.fee[0]
    s.gas[job] = e.detail
    s.asked_at[job] = e.time
    b.phase[job] = Phase.BIDDING
    b.prover[job] = ANYONE
    start_auctions(p, s, e.time)
    wait(p, s, job, e.time)
    return Verdict.OK


@spec
def wait(p: Params, s: State, job: int, time: int) -> None:
    """Let a block wait for the end of its auction, or for a bid; or give it to the winner, or to all."""
    b = s.book
    batch = int(s.number[job]) // p.batch
    end = s.started_at[batch] + p.auction_ms
    if s.leader[batch] == 0 or time <= end:
        b.deadline[job] = end if s.leader[batch] > 0 else time + p.auction_ms
        return
    begins = end if p.literal == 1 else max(end, s.asked_at[job])
    exclusive = begins + s.bid_window_s[batch] * SECOND
    if time > exclusive:
        open_to_all(b, job, time + p.open_window_ms)
        return
    winner = int(s.leader[batch]) - 1
    assign(b, job, winner, exclusive)
    s.open_jobs[winner] += 1


@spec
def close(p: Params, s: State, e: Event) -> None:
    """Look at the auction again; give a block up that nobody bids for."""
    b, job = s.book, e.job
    start_auctions(p, s, e.time)
    batch = int(s.number[job]) // p.batch
    if s.leader[batch] == 0 and e.time >= s.asked_at[job] + p.patience_ms:
        lose_job(b, job)
        return
    wait(p, s, job, e.time)


@spec
def prove(p: Params, s: State, e: Event) -> None:
    """Let a proof stand until its cooldown is over."""
    b, job = s.book, e.job
    if b.phase[job] == Phase.ASSIGNED:
        s.open_jobs[e.actor] -= 1
    accept_proof(b, job, e.actor, e.time + p.cooldown_ms)
    s.proven_at[job] = e.time


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Open a block whose winner was late; have one proven by the oracle that nobody proved."""
    b, job = s.book, e.job
    if b.phase[job] == Phase.ASSIGNED:
        s.open_jobs[b.prover[job]] -= 1
        open_to_all(b, job, e.time + p.open_window_ms)
        return
    batch = int(s.number[job]) // p.batch
    winner = int(s.leader[batch]) - 1
    move(s.held, winner, s.stake, winner, s.bid_deposit[batch])
    charge(p, s, job)
    b.phase[job] = Phase.SETTLED


@spec
def charge(p: Params, s: State, job: int) -> None:
    """Take the fee of the gas used from what was put aside; the rest goes back."""
    b = s.book
    move(b.escrow, job, b.reserve, 0, min(b.escrow[job], mul_div(s.job_fee[job], s.gas[job] + p.base_gas, 1)))
    refund(b, job)


@spec
def move_average(value: int, new: int, factor: int) -> int:
    """Round down and never to zero, as the contract does (LibUtils.movingAverage)."""
    average = (value * (factor - 1) + new) // factor
    return average if average > 0 else value


@spec
def settle(p: Params, s: State, e: Event) -> None:
    """Give the deposit back or share it, mint the reward, move the averages (_verifyBlock)."""
    b, job = s.book, e.job
    batch, prover = int(s.number[job]) // p.batch, int(b.prover[job])
    winner, deposit = int(s.leader[batch]) - 1, int(s.bid_deposit[batch])
    window_ends = max(s.started_at[batch] + p.auction_ms, s.asked_at[job]) + s.bid_window_s[batch] * SECOND
    charge(p, s, job)
    reward = int(min(mul_div(s.bid_fee[batch], s.gas[job] + p.base_gas, 1), b.reserve[0]))
    move(b.reserve, 0, b.cash, prover, reward)
    b.paid[job] += reward
    if prover == winner and s.proven_at[job] <= window_ends:
        move(s.held, winner, s.stake, winner, deposit)
        s.fee[0] = move_average(s.fee[0], s.bid_fee[batch], p.average_factor)
        s.window[0] = move_average(s.window[0], s.bid_window_s[batch], p.average_factor)
    else:
        half = bips_of(deposit, BIPS // 2)
        slash(b, winner, s.held, winner, b.burnt, 0, deposit - half)
        if prover == winner:
            move(s.held, winner, b.cash, winner, half)
        else:
            slash(b, winner, s.held, winner, b.cash, prover, half)
            b.paid[job] += half
    b.phase[job] = Phase.SETTLED


@spec
def account(s: State, e: Event) -> Verdict:
    """State a limit, fill the balance, take from it."""
    if e.kind == Kind.OFFER:
        if e.amount > MAX_FEE:
            return Verdict.BAD_AMOUNT
        return post_offer(s.price, s.capacity, e, 1, MAX_GAS)
    if e.kind == Kind.STAKE:
        move(s.book.cash, e.actor, s.stake, e.actor, e.amount)
        return Verdict.OK
    if e.kind == Kind.UNSTAKE or e.kind == Kind.WITHDRAW:
        return take_out(s.book, s.stake, e)
    return Verdict.UNKNOWN


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind < Kind.REQUEST:
        return account(s, e)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.BID:
        return bid(p, s, e)
    if e.kind == Kind.CLOSE:
        close(p, s, e)
    elif e.kind == Kind.PROVE:
        if s.book.phase[e.job] == Phase.PROVEN:
            return Verdict.WRONG_PHASE  # L1_ALREADY_PROVEN
        prove(p, s, e)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e)
    elif e.kind == Kind.SETTLE:
        settle(p, s, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
