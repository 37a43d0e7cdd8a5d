"""Reverse auction: the lowest bid per gas unit proves and is paid what it bid (Succinct's network as deployed).

Rules
    A prover names its price per PGU ("prover gas unit") and capacity (OFFER: a bidder program that floors the price to
    the tick and bids on all it can take). BID names a price for one request: a multiple of the tick, below the best.
    REQUEST pays at most `amount` for `detail` units; what its balance lacks for all its open requests comes from cash.
    CLOSE after `auction_ms` assigns the lowest price, ties by lot; without a bid the first BID takes it, up to
    `cancel_ms` after the request, when CLOSE gives up.
    Eligible: a vault of `min_stake_gwei` and of `stake_per_job_gwei` for each job held or auction led, not suspended;
    offers also while capacity is left, and both only at a cost within `amount`.
    Cost = price * PGU + `base_fee_gwei` (pay-as-bid), on PROVE by the deadline: max(`timeout_ms`, PGU //
    `pgu_per_second` + 1 s) from the request, or `window_ms` if that is set. `protocol_bips` of it go to the reserve,
    `staker_bips` (less, if both exceed the whole) to the vault, the rest to the prover's owner. If the requester's
    balance is below cost, nobody is paid and the request is done with (write-off). EXPIRE: LOST, nothing is paid.
    A proof counts as on time by min(deadline, assignment + max(PGU at `min_mpgu_per_second`, `floor_latency_ms`));
    later proofs and expired jobs count as failures. With at least `min_resolved` jobs resolved in the lookback and less
    than `min_success_bips` of them on time, a prover gets no work until they have aged out.

Staking
    STAKE puts money into the prover's own vault, DELEGATE into another's; at least `min_deposit_gwei`, and one prover
    per staker until all that it unstaked there is paid out. UNSTAKE and UNDELEGATE move it from the vault to the
    prover's unstake escrow, in at most `MAX_REQUESTS` requests per staker, each with `unbonding_ms` of its own;
    WITHDRAW (amount 0) finishes those due.
    With `slash_gwei`, EXPIRE opens a slash claim: the job goes back to BIDDING, where only CLOSE can end it, when the
    owner executes it (`slash_delay_ms`) or, if that is longer than `cancel_slash_ms`, anybody cancels it. While a claim
    is open, nobody stakes, unstakes or finishes at that prover (EARLY). The slash is capped at vault and escrow and
    burnt from both in proportion, the escrow's part rounded down; every unstake request shrinks by remaining / total.
    WITHDRAW with detail 1 takes `amount` out of the requester's balance.

Units
    Money gwei (10^-9 PROVE), time ms. Prices are gwei per 10^9 PGU, the same numbers as wei per PGU; a cost is rounded
    down to a gwei. A job has `detail` * `pgu_per_unit` PGU, and uses them all. Who asks its cost, here and in any rule,
    names what its PGU cost; the base fee comes on top, as it does for a bidder there.

Randomness
    `e.word` of CLOSE, among equal prices. How the auctioneer breaks ties is not known.

Source
    succinctlabs/network crates/vapp/src/{state,fee}.rs, contracts/src/SuccinctStaking.sol; succinctlabs/sp1
    crates/sdk/src/network; succinctlabs/sp1-cluster bin/bidder; docs.succinct.xyz (mainnet, since August 2025).

Literal or intended
    Nothing keeps a requester from withdrawing what its open requests may cost (`reserved` = 1: it cannot). The docs
    say that a missed deadline is slashed, the code repository that slashing is not implemented: `slash_gwei` is 0.
    Stake per request, concurrency, suspension and base fee are off-chain policy: numbers here are published examples.
    The unstake period is 21 days on the docs page, 14 in the example environment.

Simplified
    Trusted auctioneer, executor and verifier: no whitelists, no unexecutable requests (punished on chain), no retry
    (a new request), no DECLINE. The lookback is this and the last whole window of its length. One staker share for all
    provers. Vault shares as in any pool; a deposit must buy `MIN_SHARES`. At most `MAX_CLAIMS` unstake requests over
    all (FULL). The slash factor has 62 bits and a renewed scale, not 1e27. 2,000,000 PROVE a year dispensed to all
    stakers are left out. An eligible BID stays so until CLOSE. REQUEST wants its whole amount in cash, whatever the
    balance. `pool_paid`, `pool_slashed`, `leaving_slashed` record the stakers' side, the owner's own stake included.

Failure modes
    Pay-as-bid: the lowest bidder is the one that underestimates its cost most. A declared capacity beyond the true one
    costs only stake per job and suspension. Requesters can underfund, and a tight maximum finds no bid. Tiny jobs are
    priced by the base fee, not by the auction. One failure in a quiet hour suspends. The auctioneer is trusted: the
    chain checks neither deadline nor stake nor that the lowest bid won.
"""

from typing import Annotated, NamedTuple, TypeAlias

from proofyard.core import (
    BIPS,
    MAX_CAPACITY,
    MAX_GWEI,
    MAX_SHARES,
    MIN_SHARES,
    WHOLE,
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
    add_entry,
    assign,
    bips_of,
    chain_places,
    check,
    cut_queue,
    left_of,
    move,
    mul_div,
    open_bidding,
    out_of_range,
    shares_for,
    shares_worth,
    spec,
    ticket_of,
)

SOURCE = "succinctlabs/network vapp and SuccinctStaking.sol, sp1 SDK, sp1-cluster bidder, docs.succinct.xyz"
FAMILY = "auction"

PRICED_PGU = 1_000_000_000  # a price of 1 gwei is for so many PGU
PRICE_PER_UNIT = PRICED_PGU  # what OFFER and BID name is the price of so many units of size, each of one PGU
PRICE_STEP = "tick_gwei"  # a BID is a multiple of it
SECOND = 1_000  # ms
MAX_SIZE = 2**31  # of a request
MAX_PER_UNIT = 1_000  # PGU: a job stays below 2**41 PGU
MAX_MS = 2**50  # no delay is longer, so sums of times cannot overflow
BALANCE = 1  # `detail` of a WITHDRAW from the requester's balance
MAX_REQUESTS = 10  # open unstake requests of one staker (contract constant)
MAX_CLAIMS = 1024  # open unstake requests of all

Claims: TypeAlias = Annotated[Ints, MAX_CLAIMS]


class Params(NamedTuple):
    """Defaults: as published; what is policy of the auctioneer is marked."""

    tick_gwei: int = 10_000_000  # gwei per 10^9 PGU: prices are multiples of it
    base_fee_gwei: int = 200_000_000  # gwei a proof costs besides its PGU (policy; 0.2 PROVE in a runbook)
    pgu_per_unit: int = 1  # PGU for each unit of a request's size
    auction_ms: int = 5_000  # ms bids are collected; first bids are seen 3 to 4 s after a request
    cancel_ms: int = 30_000  # ms after which the client cancels a request nobody took
    timeout_ms: int = 300_000  # ms, the least time a request leaves
    pgu_per_second: int = 2_000_000  # PGU: slower than this the client does not wait
    window_ms: int = 0  # ms from request to deadline; 0 = by size, as the client does
    min_stake_gwei: int = 1_000_000_000_000  # gwei in the vault to be eligible (policy; an operator's runbook)
    stake_per_job_gwei: int = 50_000_000_000  # gwei in the vault for each job or auction (policy; docs example)
    min_mpgu_per_second: int = 24  # million PGU a second expected of a prover (policy; test fixture); 0 = none
    floor_latency_ms: int = 420_000  # ms it may take however small (policy; test fixture)
    min_success_bips: int = 9_800  # bips of jobs on time (policy; test fixture)
    lookback_ms: int = 3_600_000  # ms looked back (policy; test fixture)
    min_resolved: int = 1  # jobs resolved before anybody is suspended (policy; test fixture)
    protocol_bips: int = 0  # bips of the cost for the protocol (constant in the code)
    staker_bips: int = 1_000  # bips of the cost for the vault; set by each prover at its creation
    reserved: int = 0  # switch: 1 = a requester cannot withdraw what its open requests may cost
    min_deposit_gwei: int = 10_000_000  # gwei, the least stake; 0.01 PROVE
    unbonding_ms: int = 1_814_400_000  # ms, 21 days; 14 in the example environment
    slash_gwei: int = 0  # gwei claimed for a missed deadline
    slash_delay_ms: int = 604_800_000  # ms until the owner executes a slash
    cancel_slash_ms: int = 1_900_800_000  # ms after which anybody cancels it: 7 + 1 + 14 days


class State(NamedTuple):
    """The book, bidders and their record, vaults, unstake requests, and the terms of each job."""

    book: Book
    balance: GweiByActor  # of the requester, within the network
    exposure: ByActor  # gwei its open requests may cost
    price: ByActor  # gwei per 10^9 PGU offered
    capacity: ByActor  # proofs at once, as declared; 0 = no prover
    open_jobs: ByActor  # assigned and not over
    leading: ByActor  # auctions in which its BID is the lowest
    window: ByActor  # number of the lookback window that the next two count
    good: ByActor  # jobs on time in that window
    resolved: ByActor  # jobs resolved in it
    good_before: ByActor  # jobs on time in the window before
    resolved_before: ByActor  # jobs resolved in it
    pool: GweiByActor  # vault of the prover
    shares: ByActor  # of its vault, issued
    held: ByActor  # shares the staker holds
    operator_of: ByActor  # at which prover; means something only while `held` or `requests` is not 0
    leaving: GweiByActor  # unstake escrow of the prover
    remains: ByActor  # 2**-62: what slashes left of queued money since the scale was renewed
    scale: ByActor  # how often it was renewed
    accused: ByActor  # slash claims open against the prover
    pool_slashed: ByActor  # gwei burnt of its vault so far (a record)
    leaving_slashed: ByActor  # gwei burnt of its escrow so far (a record)
    requests: ByActor  # unstake requests the staker has open
    first: ByActor  # the latest of them, its place in the arrays below + 1; 0 = none
    next: Claims  # the one before it, place + 1; 0 = none
    free: Once  # first unused place + 1; 0 = none
    claim: Claims  # gwei when it was made
    claim_remains: Claims  # `remains` when it was made
    claim_scale: Claims  # `scale` when it was made
    claim_matures: Claims  # ms, from when it can be finished
    most: ByJob  # gwei the request may cost
    pgu: ByJob  # its size
    due: ByJob  # ms, its deadline
    late_after: ByJob  # ms, the prover's deadline for its record
    bid: ByJob  # gwei per 10^9 PGU, the best BID, then the price agreed; 0 = none
    bidder: ByJob  # who made it
    extended: ByJob  # 1 = the first BID takes it
    slashing: ByJob  # gwei claimed for it
    pool_paid: ByJob  # gwei credited to the prover's vault (a record)


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "tick_gwei": (1, MAX_GWEI), "pgu_per_unit": (1, MAX_PER_UNIT), "pgu_per_second": (1, MAX_GWEI),
        "min_mpgu_per_second": (0, 2**40), "min_resolved": (0, 2**31), "lookback_ms": (1, MAX_MS), "reserved": (0, 1),
        "cancel_ms": (p.auction_ms, MAX_MS), "min_deposit_gwei": (1, MAX_GWEI),
    }  # fmt: skip
    most = {"bips": BIPS, "ms": MAX_MS}
    usual = {name: (0, most.get(name.rpartition("_")[2], MAX_GWEI)) for name in p._fields}
    return out_of_range(p, usual | limits)


def genesis(_p: Params, s: State) -> None:
    """Let every escrow be whole and all places for unstake requests unused."""
    s.remains[:] = WHOLE
    chain_places(s.next, s.free)


# Who may bid, and what it costs.


@spec
def count(p: Params, s: State, prover: int, now: int) -> None:
    """Let the record of `prover` begin at the window of `now`; windows before the last are forgotten."""
    window = now // p.lookback_ms
    if window > s.window[prover]:
        last = window == s.window[prover] + 1
        s.good_before[prover] = s.good[prover] if last else 0
        s.resolved_before[prover] = s.resolved[prover] if last else 0
        s.good[prover] = s.resolved[prover] = 0
        s.window[prover] = window


@spec
def is_suspended(p: Params, s: State, prover: int, now: int) -> bool:
    """Say whether too few of the jobs of `prover` in the lookback were on time."""
    behind = now // p.lookback_ms - s.window[prover]
    good = 0
    resolved = 0
    if behind <= 0:
        good = s.good[prover] + s.good_before[prover]
        resolved = s.resolved[prover] + s.resolved_before[prover]
    elif behind == 1:
        good = s.good[prover]
        resolved = s.resolved[prover]
    return resolved > 0 and resolved >= p.min_resolved and good * BIPS < p.min_success_bips * resolved


@spec
def has_stake(p: Params, s: State, prover: int) -> bool:
    """Say whether the vault of `prover` is enough for one more job or auction."""
    jobs = s.open_jobs[prover] + s.leading[prover]
    room = p.stake_per_job_gwei == 0 or s.pool[prover] // p.stake_per_job_gwei > jobs
    return s.capacity[prover] > 0 and s.pool[prover] >= p.min_stake_gwei and room


@spec
def is_affordable(p: Params, s: State, job: int, price: int) -> bool:
    """Say whether `job` at `price` costs no more than the request allows."""
    return mul_div(price, s.pgu[job], PRICED_PGU) <= s.most[job] - p.base_fee_gwei


@spec
def price_of(p: Params, s: State, job: int, prover: int, now: int) -> int:
    """Price at which `prover` would take `job`: its BID if that is the best, else its offer; 0 = it would not."""
    if s.bid[job] > 0 and s.bidder[job] == prover:
        return s.bid[job]
    free = s.open_jobs[prover] + s.leading[prover] < s.capacity[prover]
    if not free or not has_stake(p, s, prover) or not is_affordable(p, s, job, s.price[prover]):
        return 0
    return 0 if is_suspended(p, s, prover, now) else s.price[prover]


# The life of a job.


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Bring the balance up to all that may be owed, and let bids come."""
    b, job = s.book, e.job
    if e.detail < 1 or e.detail > MAX_SIZE:
        return Verdict.BAD_DETAIL
    if e.amount == 0 or e.amount < p.base_fee_gwei:
        return Verdict.BAD_AMOUNT
    if s.exposure[e.actor] > MAX_GWEI - e.amount:
        return Verdict.POOR
    s.exposure[e.actor] += e.amount
    move(b.cash, e.actor, s.balance, e.actor, min(e.amount, max(0, s.exposure[e.actor] - s.balance[e.actor])))
    s.most[job] = e.amount
    s.pgu[job] = e.detail * p.pgu_per_unit
    by_size = (s.pgu[job] // p.pgu_per_second + 1) * SECOND
    s.due[job] = e.time + (p.window_ms if p.window_ms > 0 else max(p.timeout_ms, by_size))
    b.requester[job] = e.actor
    open_bidding(b, job, e.time + p.auction_ms)
    return Verdict.OK


@spec
def bid(p: Params, s: State, e: Event) -> Verdict:
    """Take a bid for one request if it is the best so far; after the auction the first takes the job."""
    job, actor = e.job, e.actor
    if s.slashing[job] > 0:
        return Verdict.WRONG_PHASE
    if e.time > s.due[job]:
        return Verdict.LATE
    if e.amount == 0 or e.amount % p.tick_gwei > 0:
        return Verdict.BAD_AMOUNT
    if not is_affordable(p, s, job, e.amount) or 0 < s.bid[job] <= e.amount:
        return Verdict.TOO_DEAR
    if is_suspended(p, s, actor, e.time):
        return Verdict.EARLY
    leads = s.bid[job] > 0 and s.bidder[job] == actor
    if not leads and not has_stake(p, s, actor):
        return Verdict.POOR
    if s.bid[job] > 0:
        s.leading[s.bidder[job]] -= 1
    s.leading[actor] += 1
    s.bid[job] = e.amount
    s.bidder[job] = actor
    if s.extended[job] == 1:
        hire(p, s, job, actor, e.time)
    return Verdict.OK


@spec
def close(p: Params, s: State, e: Event) -> None:
    """End the auction: the lowest price takes the job, ties by lot; without a bid wait for the first, then give up."""
    job = e.job
    best = 0
    ties = 0
    for actor in range(len(s.price)):
        price = price_of(p, s, job, actor, e.time)
        if price > 0 and (best == 0 or price <= best):
            ties = ties + 1 if price == best else 1
            best = int(price)
    if best > 0 and e.time <= s.due[job]:
        winner = -1
        ticket = ticket_of(e.word, ties)
        while ticket >= 0:
            winner += 1
            if price_of(p, s, job, winner, e.time) == best:
                ticket -= 1
        drop_bid(s, job)
        s.leading[winner] += 1
        s.bid[job] = best
        s.bidder[job] = winner
        hire(p, s, job, winner, e.time)
    elif best == 0 and s.extended[job] == 0 and p.cancel_ms > p.auction_ms:
        s.extended[job] = 1
        s.book.deadline[job] += p.cancel_ms - p.auction_ms
    else:
        drop_bid(s, job)
        lose(s, job)


@spec
def drop_bid(s: State, job: int) -> None:
    """Forget the best BID for `job`."""
    if s.bid[job] > 0:
        s.leading[s.bidder[job]] -= 1
        s.bid[job] = 0


@spec
def hire(p: Params, s: State, job: int, prover: int, now: int) -> None:
    """Give `job` to its best bidder."""
    s.leading[prover] -= 1
    s.open_jobs[prover] += 1
    expected = s.pgu[job] // (p.min_mpgu_per_second * SECOND) if p.min_mpgu_per_second > 0 else MAX_MS
    s.late_after[job] = min(s.due[job], now + max(expected, p.floor_latency_ms))
    assign(s.book, job, prover, s.due[job])


@spec
def prove(p: Params, s: State, e: Event) -> None:
    """Pay what was bid: protocol, vault, and the rest to the owner; nothing if the requester's balance is short."""
    b, job, prover = s.book, e.job, e.actor
    payer = b.requester[job]
    cost = mul_div(s.bid[job], s.pgu[job], PRICED_PGU) + p.base_fee_gwei
    if s.balance[payer] >= cost:
        protocol = bips_of(cost, p.protocol_bips)
        stakers = bips_of(cost, min(p.staker_bips, BIPS - p.protocol_bips)) if s.shares[prover] > 0 else 0
        move(s.balance, payer, b.reserve, 0, protocol)
        move(s.balance, payer, s.pool, prover, stakers)
        s.pool_paid[job] = stakers
        move(s.balance, payer, b.cash, prover, cost - protocol - stakers)
        b.paid[job] += cost - protocol - stakers
    resolve(p, s, prover, e.time, 1 if e.time <= s.late_after[job] else 0)
    s.exposure[payer] -= s.most[job]
    b.phase[job] = Phase.SETTLED


@spec
def resolve(p: Params, s: State, prover: int, now: int, good: int) -> None:
    """Enter a job in the record of `prover`; `good` is 1 for one on time."""
    s.open_jobs[prover] -= 1
    count(p, s, prover, now)
    s.resolved[prover] += 1
    s.good[prover] += good


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Enter a failure, and claim the slash, if there is any, before the job ends."""
    b, job = s.book, e.job
    prover = b.prover[job]
    resolve(p, s, prover, e.time, 0)
    if p.slash_gwei == 0:
        lose(s, job)
        return
    s.exposure[b.requester[job]] -= s.most[job]
    s.most[job] = 0
    s.slashing[job] = p.slash_gwei
    s.accused[prover] += 1
    b.phase[job] = Phase.BIDDING
    b.deadline[job] = e.time + min(p.slash_delay_ms, p.cancel_slash_ms)


@spec
def lose(s: State, job: int) -> None:
    """End `job` without a proof."""
    s.exposure[s.book.requester[job]] -= s.most[job]
    s.book.phase[job] = Phase.LOST


# Slashing.


@spec
def finish_slash(p: Params, s: State, job: int) -> None:
    """Burn what was claimed, in proportion from vault and escrow, or cancel the claim."""
    b = s.book
    prover = b.prover[job]
    total = int(s.pool[prover] + s.leaving[prover])
    amount = min(int(s.slashing[job]), total)
    s.accused[prover] -= 1
    b.phase[job] = Phase.LOST
    if amount == 0 or p.slash_delay_ms > p.cancel_slash_ms:
        return
    queued = mul_div(amount, int(s.leaving[prover]), total)
    move(s.pool, prover, b.burnt, 0, amount - queued)
    s.pool_slashed[prover] += amount - queued
    move(s.leaving, prover, b.burnt, 0, queued)
    s.leaving_slashed[prover] += queued
    cut_queue(s.remains, s.scale, prover, total - amount, total)


# Staking.


@spec
def deposit(p: Params, s: State, e: Event, prover: int) -> Verdict:
    """Buy shares of the vault of `prover`."""
    if prover < 0 or prover >= len(s.capacity) or s.capacity[prover] == 0:
        return Verdict.BAD_DETAIL
    if s.accused[prover] > 0:
        return Verdict.EARLY
    if e.amount < p.min_deposit_gwei:
        return Verdict.BAD_AMOUNT
    issued = shares_for(e.amount, s.pool[prover], s.shares[prover])
    bound = s.held[e.actor] > 0 or s.requests[e.actor] > 0
    if (bound and s.operator_of[e.actor] != prover) or issued > MAX_SHARES - s.shares[prover]:
        return Verdict.FULL
    if issued < MIN_SHARES:
        return Verdict.BAD_AMOUNT
    move(s.book.cash, e.actor, s.pool, prover, e.amount)
    s.shares[prover] += issued
    s.held[e.actor] += issued
    s.operator_of[e.actor] = prover
    return Verdict.OK


@spec
def leave(p: Params, s: State, e: Event, prover: int) -> Verdict:
    """Give shares up for an unstake request over what they are worth; all of them if they are worth no more."""
    actor = e.actor
    held = s.held[actor]
    if held == 0:
        return Verdict.POOR
    if s.operator_of[actor] != prover:
        return Verdict.BAD_DETAIL
    if s.accused[prover] > 0:
        return Verdict.EARLY
    if s.free[0] == 0 or s.requests[actor] == MAX_REQUESTS:
        return Verdict.FULL
    amount = min(e.amount, mul_div(held, s.pool[prover], s.shares[prover]))
    burn = shares_worth(e.amount, held, s.pool[prover], s.shares[prover])
    s.held[actor] -= burn
    s.shares[prover] -= burn
    move(s.pool, prover, s.leaving, prover, amount)
    place = add_entry(s.next, s.free, s.first, actor) - 1
    s.requests[actor] += 1
    s.claim[place] = amount
    s.claim_remains[place] = s.remains[prover]
    s.claim_scale[place] = s.scale[prover]
    s.claim_matures[place] = e.time + p.unbonding_ms
    return Verdict.OK


@spec
def compute_claim(s: State, prover: int, place: int) -> int:
    """Gwei that slashes have left of an unstake request at `prover`, rounded down."""
    return left_of(s.claim[place], s.claim_remains[place], s.claim_scale[place], s.remains[prover], s.scale[prover])


@spec
def finish(s: State, e: Event) -> Verdict:
    """Pay all unstake requests out that are due, unless a slash claim blocks them."""
    actor = e.actor
    if e.amount > 0:
        return Verdict.BAD_AMOUNT
    if s.first[actor] == 0:
        return Verdict.POOR
    prover = int(s.operator_of[actor])
    if s.accused[prover] > 0:
        return Verdict.EARLY
    before = 0  # place + 1 of the request before, 0 = none
    at = int(s.first[actor])
    paid = 0
    while at > 0:
        place, after = at - 1, int(s.next[at - 1])
        if e.time < s.claim_matures[place]:
            before = at
        else:
            move(s.leaving, prover, s.book.cash, actor, compute_claim(s, prover, place))
            paid += 1
            if before == 0:
                s.first[actor] = after
            else:
                s.next[before - 1] = after
            s.next[place] = s.free[0]
            s.free[0] = at
        at = after
    s.requests[actor] -= paid
    return Verdict.OK if paid > 0 else Verdict.EARLY


@spec
def withdraw(p: Params, s: State, e: Event) -> Verdict:
    """Pay out matured stake, or part of the requester's balance."""
    if e.detail != BALANCE:
        return finish(s, e) if e.detail == 0 else Verdict.BAD_DETAIL
    kept = s.exposure[e.actor] if p.reserved == 1 else 0
    if e.amount == 0:
        return Verdict.BAD_AMOUNT
    if e.amount > s.balance[e.actor] - kept:
        return Verdict.POOR
    move(s.balance, e.actor, s.book.cash, e.actor, e.amount)
    return Verdict.OK


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.BID:
        return bid(p, s, e)
    if e.kind == Kind.CLOSE:
        if s.slashing[e.job] > 0:
            finish_slash(p, s, e.job)
        else:
            close(p, s, e)
    elif e.kind == Kind.PROVE:
        prove(p, s, e)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e)
    elif e.kind == Kind.OFFER:
        if e.detail < 1 or e.detail > MAX_CAPACITY:
            return Verdict.BAD_DETAIL
        s.price[e.actor] = max(e.amount // p.tick_gwei * p.tick_gwei, p.tick_gwei)
        s.capacity[e.actor] = e.detail
    elif e.kind == Kind.STAKE or e.kind == Kind.DELEGATE:
        return deposit(p, s, e, e.actor if e.kind == Kind.STAKE else e.detail)
    elif e.kind == Kind.UNSTAKE or e.kind == Kind.UNDELEGATE:
        return leave(p, s, e, e.actor if e.kind == Kind.UNSTAKE else e.detail)
    elif e.kind == Kind.WITHDRAW:
        return withdraw(p, s, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
