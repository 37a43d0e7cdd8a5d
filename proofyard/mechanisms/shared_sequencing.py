"""Shared sequencing: who buys the right to order a rollup's block, and who must then buy its proof.

Rules
    A block of a rollup is a job. REQUEST brings what its users pay: the ordering fee (`order_fee_gwei` and
    `order_fee_wei` a gas, to the network at once), the value of ordering (`ordering_bips` of the rest), and the fees.
    For `bid_ms` the right to order is sold. `rights`: nobody bids, sequencers take turns; an auction, where a BID must
    be higher than the last, which goes back; or a lottery, where each BID is spent and wins with its part of all.
    Sequencers are who staked `min_stake_gwei`; at CLOSE each of them also bids, out of its stake, `standing_bips` of
    what the right is worth to it (in the lottery its part of that, by their number). Equal bids win in turn. Below
    `reserve_bips` of the value of ordering, or without bids, the rollup orders for itself. Of what is paid for the
    right `rollup_bips` go to the rollup, the rest to the network.
    Then somebody must buy the proof (`payer`). The rollup, outside: the sequencer has the value of ordering at once;
    the cheapest offer with room, if the fees pay for it, is assigned; a late prover is replaced by the cheapest other
    one, `max_redraws` times; what is left of the fees is the rollup's. The sequencer, inside: fees and value are its
    own, once it delivered a proof; it buys the cheapest. A pool: anybody may prove, and has `pool_reward_gwei` of the
    network's money; fees and value are the sequencer's then. Itself: the sequencer must prove.
    A right is worth the value of ordering to who need not prove, and fees too where they are its own, less the cheapest
    offer if it buys, less its own if it proves.
    PROVE in `window_ms` settles. A block for whose proof nobody could be found, or nobody in time, is LOST: users get
    value and fees back, as far as the sequencer does not have them; what was paid for the right is gone.
    OFFER: price of a proof, and proofs at once. UNSTAKE pays at once.

Units
    Money gwei, fees per gas wei (1e-9 gwei), time ms, shares bips.

Randomness
    `e.word` of BID and CLOSE in the lottery, by `ticket_of`.

Source
    Espresso: EspressoSystems/marketplace-solver and its market design (never shipped). Astria: astriaorg/astria (shut
    down on 1 December 2025 at block 15,360,577). Radius: its documents, no open formal rules. Who pays the prover:
    Aztec's quotes of 2024 (the sequencer), Aztec now (a pool), Starknet's strands (itself), and outside.

Literal or intended
    The exact parameters of Espresso's market never shipped: lottery, reserve and revenue are as designed. That tickets
    are spent even below the reserve is a guess. A standing bid of a sequencer that must buy or make the proof takes its
    price off: as intended by whoever thinks; a naive bid has a higher `standing_bips`.

Simplified
    One rollup a job: bundles, the right of first refusal of the L1 proposer and Espresso's stake and rewards
    (`leader_schedule`, its curve) are left out. So are consensus and data: Astria's blocks, posting, and the 30 s its
    auctioneer may take. Radius is an auction of the bottom of a block among builders (who stake here as sequencers),
    its encrypted top part of the fees. Nobody is slashed. What a sequencer earns and pays is a record beside the book.
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
    lose_job,
    move,
    move_stake,
    mul_div,
    open_bidding,
    open_to_all,
    out_of_range,
    pay,
    post_offer,
    refund,
    spec,
    ticket_of,
)

SOURCE = (
    "EspressoSystems/marketplace-solver (design), astriaorg/astria, Radius's documents; Aztec and Starknet for payers"
)
FAMILY = "chain"

ROTATION, AUCTION, LOTTERY = 0, 1, 2  # `rights`
ROLLUP, SEQUENCER, POOL, ITSELF = 0, 1, 2, 3  # `payer`
NOBODY = -1
WEI = 10**9  # wei in a gwei
MAX_MS = 2**40  # 35 years


class Params(NamedTuple):
    """Defaults: an auction as Astria's, revenue to the rollup, which buys its proofs outside."""

    rights: int = AUCTION  # who orders: 0 in turn, 1 the highest bid, 2 by lot among tickets
    payer: int = ROLLUP  # who buys the proof: 0 the rollup, 1 the sequencer, 2 a pool, 3 the sequencer proves
    bid_ms: int = 1_000  # ms for bids; Astria: slots of 2 s less 1 s for latency; Espresso: 5 slots before
    window_ms: int = 1_200_000  # ms to prove
    min_stake_gwei: int = 10**9  # gwei a sequencer must have staked
    ordering_bips: int = 3_000  # bips of what users pay that is the value of ordering
    order_fee_gwei: int = 0  # gwei to the network per block; Astria's base
    order_fee_wei: int = 0  # wei to the network per gas; Astria's multiplier
    standing_bips: int = 9_000  # bips of its worth that each sequencer bids for the right
    reserve_bips: int = 0  # bips of the value of ordering below which the rollup orders for itself
    rollup_bips: int = 10_000  # bips of what the right brings that are the rollup's
    pool_reward_gwei: int = 10**9  # gwei a proof, where a pool pays
    pool_gwei: int = 10**15  # gwei in the pool to begin with
    max_redraws: int = 3  # how often the rollup looks for another prover


class State(NamedTuple):
    """The book, deposits, offers, whose turn it is, and of each job who orders and what is at stake."""

    book: Book
    stake: GweiByActor  # deposit that standing bids are taken from
    price: ByActor  # gwei asked for a proof
    capacity: ByActor  # proofs at once; 0 = makes no offer
    open_jobs: ByActor  # assigned and not yet over
    turn: Once  # sequencer that had it last
    value: GweiByJob  # of ordering, until it is known whose it is
    pot: GweiByJob  # paid for the right
    bid: ByJob  # gwei, highest, or sum of tickets
    leader: ByJob  # sequencer + 1; 0 = the rollup itself
    asked: ByJob  # gwei the assigned prover is paid; by itself, what it asks of others
    last: ByJob  # prover that was late, + 1; 0 = none
    redraws: ByJob  # how often another prover was looked for
    ordered: ByActor  # blocks ordered (a record)
    gained: ByActor  # gwei earned by ordering, before what the right cost (a record)
    spent: ByActor  # gwei paid for rights (a record)


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "rights": (ROTATION, LOTTERY), "payer": (ROLLUP, ITSELF), "bid_ms": (0, MAX_MS), "window_ms": (1, MAX_MS),
        "min_stake_gwei": (1, MAX_GWEI), "ordering_bips": (0, BIPS), "standing_bips": (0, 10 * BIPS),
        "reserve_bips": (0, 10 * BIPS), "rollup_bips": (0, BIPS), "pool_gwei": (0, MAX_GWEI // 2),
        "max_redraws": (0, 1_000),
    }  # fmt: skip
    return out_of_range(p, limits, (0, MAX_GWEI))


def genesis(p: Params, s: State) -> None:
    """Fill the pool, and give the first turn to the first actor."""
    s.book.reserve[0] = p.pool_gwei
    s.turn[0] = NOBODY


# The right to order.


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Split what users pay into ordering fee, value of ordering and fees, and offer the right."""
    b = s.book
    if e.detail < 0 or e.detail > MAX_GWEI:
        return Verdict.BAD_DETAIL
    order_fee = p.order_fee_gwei + min(MAX_GWEI, mul_div(e.detail, p.order_fee_wei, WEI))
    if order_fee > e.amount:
        return Verdict.TOO_DEAR
    value = bips_of(e.amount - order_fee, p.ordering_bips)
    ask(b, e, e.amount - order_fee - value)
    move(b.cash, e.actor, s.value, e.job, value)
    move(b.cash, e.actor, b.reserve, 0, order_fee)
    open_bidding(b, e.job, e.time + p.bid_ms)
    return Verdict.OK


@spec
def give_back(s: State, job: int) -> None:
    """Return the bid that has been beaten."""
    if s.leader[job] > 0:
        s.spent[s.leader[job] - 1] -= s.pot[job]
        move(s.pot, job, s.book.cash, s.leader[job] - 1, s.pot[job])


@spec
def bid(p: Params, s: State, e: Event) -> Verdict:
    """Bid for the right: more than the last, or a ticket."""
    if p.rights == ROTATION:
        return Verdict.UNKNOWN
    if s.stake[e.actor] < p.min_stake_gwei:
        return Verdict.NOT_YOURS
    if e.amount == 0 or (p.rights == AUCTION and e.amount <= s.bid[e.job]):
        return Verdict.BAD_AMOUNT
    if e.amount > s.book.cash[e.actor]:
        return Verdict.POOR
    wins = True
    if p.rights == AUCTION:
        give_back(s, e.job)
        s.bid[e.job] = e.amount
    else:
        s.bid[e.job] += e.amount
        wins = ticket_of(e.word, s.bid[e.job]) < e.amount
    move(s.book.cash, e.actor, s.pot, e.job, e.amount)
    s.spent[e.actor] += e.amount
    if wins:
        s.leader[e.job] = e.actor + 1
    return Verdict.OK


@spec
def compute_bid(p: Params, s: State, job: int, actor: int, cheapest: int) -> int:
    """Compute what `actor` bids by itself, `cheapest` being the prover with the lowest price."""
    if s.stake[actor] < p.min_stake_gwei:
        return 0
    worth = s.value[job]
    if p.payer != ROLLUP:
        worth += s.book.escrow[job]
    if p.payer == SEQUENCER:
        worth = worth - s.price[cheapest] if cheapest != NOBODY else 0
    if p.payer == ITSELF:
        worth = worth - s.price[actor] if s.capacity[actor] > 0 else 0
    return min(mul_div(max(0, worth), p.standing_bips, BIPS), s.stake[actor])


@spec
def spend(s: State, job: int, actor: int, amount: int) -> None:
    """Take a standing bid out of the deposit."""
    move(s.stake, actor, s.pot, job, amount)
    s.spent[actor] += amount


@spec
def auction(p: Params, s: State, job: int) -> None:
    """Let standing bids beat what was bid; below the reserve nobody has the right."""
    cheapest = find_prover(s, MAX_GWEI, 0)
    best, who = s.bid[job], NOBODY
    for k in range(len(s.stake)):
        actor = (s.turn[0] + 1 + k) % len(s.stake)
        amount = compute_bid(p, s, job, actor, cheapest)
        if amount > best:
            best, who = amount, actor
    sold = best > 0 and best >= mul_div(s.value[job], p.reserve_bips, BIPS)
    if not sold or who != NOBODY:
        give_back(s, job)
        s.leader[job] = 0
    if sold and who != NOBODY:
        spend(s, job, who, best)
        s.leader[job] = who + 1
        s.turn[0] = who


@spec
def lottery(p: Params, s: State, job: int, word: int) -> None:
    """Add everybody's standing tickets and draw; below the reserve nobody has the right."""
    cheapest = find_prover(s, MAX_GWEI, 0)
    players, total = 0, s.bid[job]
    for actor in range(len(s.stake)):
        players += 1 if s.stake[actor] >= p.min_stake_gwei else 0
    for actor in range(len(s.stake)):
        total += compute_bid(p, s, job, actor, cheapest) // max(1, players)
    if total == 0 or total < mul_div(s.value[job], p.reserve_bips, BIPS):
        s.leader[job] = 0
        return
    ticket = ticket_of(word, total) - s.bid[job]  # below 0 it is the ticket of a BID
    for actor in range(len(s.stake)):
        amount = compute_bid(p, s, job, actor, cheapest) // max(1, players)
        spend(s, job, actor, amount)
        if 0 <= ticket < amount:
            s.leader[job] = actor + 1
        ticket -= amount


@spec
def rotate(p: Params, s: State, job: int) -> None:
    """Let the next sequencer in turn order, if there is one."""
    for k in range(len(s.stake)):
        actor = (s.turn[0] + 1 + k) % len(s.stake)
        if s.stake[actor] >= p.min_stake_gwei:
            s.leader[job] = actor + 1
            s.turn[0] = actor
            return


@spec
def close(p: Params, s: State, e: Event) -> Verdict:
    """Decide who orders, share out what that brought, and see to the proof."""
    b, job = s.book, e.job
    if p.rights == AUCTION:
        auction(p, s, job)
    elif p.rights == LOTTERY:
        lottery(p, s, job, e.word)
    else:
        rotate(p, s, job)
    share = bips_of(s.pot[job], p.rollup_bips)
    move(s.pot, job, b.cash, b.requester[job], share)
    move(s.pot, job, b.reserve, 0, s.pot[job])
    if s.leader[job] > 0:
        s.ordered[s.leader[job] - 1] += 1
    if p.payer == ROLLUP:
        earn(s, job, s.value, s.value[job])
    else:
        move(s.value, job, b.escrow, job, s.value[job])
    seek(p, s, job, e.time)
    return Verdict.OK


@spec
def earn(s: State, job: int, source: GweiByJob, amount: int) -> None:
    """Pay `amount` to who ordered: the sequencer, or the rollup itself."""
    b = s.book
    if s.leader[job] > 0:
        move(source, job, b.cash, s.leader[job] - 1, amount)
        s.gained[s.leader[job] - 1] += amount
    else:
        move(source, job, b.cash, b.requester[job], amount)


# The proof.


@spec
def find_prover(s: State, budget: int, last: int) -> int:
    """Cheapest prover with room that asks no more than `budget`, not `last` - 1; NOBODY without one."""
    best = NOBODY
    for actor in range(len(s.stake)):
        free = s.open_jobs[actor] < s.capacity[actor] and actor + 1 != last
        if free and s.price[actor] <= budget and (best == NOBODY or s.price[actor] < s.price[best]):
            best = actor
    return best


@spec
def seek(p: Params, s: State, job: int, now: int) -> None:
    """Give the proof to who must make it, or end the job."""
    b = s.book
    if p.payer == POOL:
        open_to_all(b, job, now + p.window_ms)
        return
    prover = s.leader[job] - 1
    if p.payer != ITSELF or prover == NOBODY:
        prover = find_prover(s, b.escrow[job], s.last[job])
    s.asked[job] = b.escrow[job]
    if prover != NOBODY and s.capacity[prover] > 0:
        s.asked[job] = min(s.price[prover], b.escrow[job])
    if prover == NOBODY:
        lose_job(s.book, job)
        return
    s.open_jobs[prover] += 1
    assign(b, job, prover, now + p.window_ms)


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Pay the prover, and who ordered if it had to wait."""
    b, job = s.book, e.job
    if b.phase[job] == Phase.ASSIGNED:
        s.open_jobs[e.actor] -= 1
    b.prover[job] = e.actor
    b.phase[job] = Phase.SETTLED
    if p.payer == POOL:
        reward = min(p.pool_reward_gwei, b.reserve[0])
        move(b.reserve, 0, b.cash, e.actor, reward)
        b.paid[job] += reward
    else:
        pay(b, job, s.asked[job])
    if p.payer == ROLLUP:
        refund(b, job)
    else:
        earn(s, job, b.escrow, b.escrow[job])
    return Verdict.OK


@spec
def expire(p: Params, s: State, e: Event) -> Verdict:
    """Let the rollup look for another prover; where the sequencer waits for its income, prune the block."""
    b, job = s.book, e.job
    if b.phase[job] == Phase.ASSIGNED:
        s.open_jobs[b.prover[job]] -= 1
        s.last[job] = b.prover[job] + 1
    if p.payer == ROLLUP and s.redraws[job] < p.max_redraws:
        s.redraws[job] += 1
        seek(p, s, job, e.time)
    else:
        lose_job(s.book, job)
    return Verdict.OK


# Accounts.


@spec
def offer(s: State, e: Event) -> Verdict:
    """State the price of a proof and how many at once."""
    return post_offer(s.price, s.capacity, e, 1, MAX_CAPACITY)


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
        return close(p, s, e)
    if e.kind == Kind.PROVE:
        return prove(p, s, e)
    if e.kind == Kind.EXPIRE:
        return expire(p, s, e)
    if e.kind == Kind.OFFER:
        return offer(s, e)
    if e.kind == Kind.STAKE or e.kind == Kind.UNSTAKE:
        return move_stake(s.book, s.stake, e)
    return Verdict.UNKNOWN
