"""Sealed bids, second price: each request is an auction of its own; the lowest bid wins and is paid the second lowest.

Rules
    REQUEST puts the highest fee in escrow. For `bidding_ms` provers send sealed bids, for `reveal_ms` more they open
    them. A prover is admitted if it is active and its stake is at least the request's, `min_stake_gwei`, plus
    `overcommit_rate` of that for each request it leads or has won now; asked when it bids and when it opens. The lowest
    fee leads, of equal fees the one opened first.
    BID while bids are sealed: `word` is the seal, sent again it replaces the first; send no amount. BID afterwards
    opens: `amount` is the fee, `word` the seal made again from prover, fee and nonce by whoever takes in the event, as
    proofs are verified before there is an event. No seal: NOT_YOURS; another one: BAD_DETAIL.
    Standing offers (OFFER: fee per proof, proofs at once; 0 = none any more) are sealed and opened by the rule itself:
    when the time is over CLOSE adds those of all admitted provers that sealed no bid of their own, in random order,
    after what was opened by BID. `mind_load = 1`: an offer stands only while its prover has room.
    CLOSE after the bidding ends a request without bids or offers at once: LOST, refunded; CLOSE after the opening gives
    the job to the leader until the request's deadline, `window_ms` after the request.
    PROVE, by the winner only, earns the second lowest fee opened, its own if there is none, less `fee_rate` for the
    protocol; of this, `commission_rate` goes to its cash, the rest to its stake. The requester gets back what is left.
    EXPIRE after the deadline refunds it and slashes the winner by `slash_rate` of the request's stake, into the
    protocol's treasury; no slash if `slash_window_ms` is over by then. Nobody takes the winner's place.
    STAKE is in force at once and makes a prover with `self_stake_gwei` active again. UNSTAKE leaves at least that much
    or nothing; it waits `unstake_ms`, can be slashed until then, and WITHDRAW pays it. Nothing ties stake to
    requests that are won. Who leaves nothing is no longer active.

Units
    Money gwei (18 decimals on chain), time ms (on chain seconds), rates bips.

Randomness
    `e.word` of the REQUEST: from which actor on standing offers are opened.

Source
    brevis-network/prover-network-contracts@947cca8 src/market/BrevisMarket.sol, src/staking/controller/
    {StakingController,PendingUnstakes}.sol; scripts/example_config.json. Rates of slash and fee are those of the tests.

Literal or intended
    `literal = 1`: a slash is a whole number of bips of all that can be slashed, rounded down, at most `cap_rate`; who
    has staked more than ten thousand times the amount is not slashed at all. Each slash multiplies a scale, at first 1:
    one that would bring it below 0.2 is refused, below 0.4 the prover is no longer active. Who is not active cannot be
    paid, so its proof is refused (POOR). `literal = 0`: the amount itself, at most `cap_rate` of what is there; no
    scale; a winner is paid whatever its standing.
    Also literal, without switch: opening twice is allowed and makes the leader its own second.

Simplified
    Seals are 62 bits and 1,024 can be open at once. No delegators, so the stake is all the prover's own; one unstaking
    queue per prover, whose time starts again with each UNSTAKE (on chain up to ten). EXPIRE refunds and slashes in one,
    on chain two calls anybody may make. All requests ask for the same stake and time. Nobody is jailed; to be active
    again takes a call of its own there. TODA, the double auction Brevis has published, is another mechanism and not
    what the contracts run.
"""

from typing import Annotated, NamedTuple

from proofyard.core import (
    BIPS,
    MAX_CAPACITY,
    MAX_GWEI,
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
    drop_entry,
    lose_job,
    move,
    mul_div,
    open_bidding,
    out_of_range,
    pay,
    post_offer,
    refund,
    slash,
    spec,
    take_out_matured,
    ticket_of,
)

SOURCE = "Brevis ProverNet, BrevisMarket.sol@947cca8"
FAMILY = "auction"

TOKEN = 10**9  # gwei
SECOND = 1_000  # ms
DAY = 86_400 * SECOND
MAX_TIME = 2**40  # ms: sums of times cannot overflow
SEALS = 1_024  # sealed bids kept at once, over all requests
MIN_SCALE = 2_000  # bips: no slash brings the scale below it (MIN_SCALE_FLOOR)
IDLE_SCALE = 4_000  # bips: below it a prover is no longer active (DEACTIVATION_SCALE)


class Params(NamedTuple):
    """Defaults: the sample deployment, the contracts' tests where it says 0, and a stake of 1,000 tokens."""

    bidding_ms: int = 300 * SECOND  # ms for sealed bids
    reveal_ms: int = 600 * SECOND  # ms to open them
    window_ms: int = 3_600 * SECOND  # ms from the request to its deadline; its own choice, at most 30 days
    min_stake_gwei: int = 1_000 * TOKEN  # gwei of stake a request asks for
    self_stake_gwei: int = 1_000 * TOKEN  # gwei a prover must have staked itself
    overcommit_rate: int = 500  # bips of the stake owed already that a bidder needs besides
    slash_rate: int = 1_000  # bips of the request's stake; 0 in the sample deployment
    slash_window_ms: int = DAY  # ms after the deadline; 0 in the sample deployment
    cap_rate: int = 1_000  # bips of all that can be slashed, per slash; 5_000 in the tests
    fee_rate: int = 100  # bips of what the prover earns; 0 in the sample deployment
    commission_rate: int = BIPS  # bips of the reward paid out, the rest goes to the stake
    unstake_ms: int = 7 * DAY  # ms until unstaked money can be withdrawn
    least_gwei: int = 0  # gwei a request must offer
    most_gwei: int = 0  # gwei a request may offer, 0 = no limit
    mind_load: int = 0  # switch: 1 = no standing offer beyond the capacity stated, 0 = as the reference bidder
    literal: int = 1  # switch: 1 = slashes rounded and scaled as in the contract, 0 = as meant


class State(NamedTuple):
    """The book, the stakes, the standing offers, the two lowest fees of each job, and the sealed bids."""

    book: Book
    stake: GweiByActor  # in force
    exiting: GweiByActor  # unstaked, not withdrawn
    matures: ByActor  # ms, when it can be withdrawn
    scale: ByActor  # bips left by all slashes
    idle: ByActor  # 1 = not active
    leads: ByActor  # requests it leads or has won, and that are not over
    price: ByActor  # gwei, standing fee per proof
    capacity: ByActor  # proofs at once, stated
    open_jobs: ByActor  # won and not over
    asked: ByJob  # ms
    first: ByJob  # actor whose offer is opened first
    leader: ByJob  # actor, plus 1; 0 = nobody
    lowest: ByJob  # gwei, the leader's fee
    second: ByJob  # actor with the second lowest fee, plus 1; 0 = nobody
    second_lowest: ByJob  # gwei
    sealed: ByJob  # seal of the job that came last, plus 1; 0 = none
    seal: Annotated[Ints, SEALS]  # word
    sealer: Annotated[Ints, SEALS]  # actor
    next_seal: Annotated[Ints, SEALS]  # the one before it of the same job, or the next that is free, plus 1; 0 = none
    free_seal: Once  # first seal that is free again, plus 1; 0 = none
    seals: Once  # how many have ever been in use


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    limits = {
        "bidding_ms": (1, 15 * DAY), "reveal_ms": (1, 15 * DAY), "window_ms": (p.bidding_ms + p.reveal_ms, 30 * DAY),
        "self_stake_gwei": (0, MAX_GWEI), "min_stake_gwei": (p.self_stake_gwei, MAX_GWEI),
        "slash_window_ms": (0, MAX_TIME), "unstake_ms": (0, MAX_TIME), "least_gwei": (0, MAX_GWEI),
        "most_gwei": (0, MAX_GWEI), "mind_load": (0, 1), "literal": (0, 1),
    }  # fmt: skip
    return out_of_range(p, limits, (0, BIPS))


def genesis(_p: Params, s: State) -> None:
    """Nobody has been slashed."""
    s.scale[:] = BIPS


# Sealed bids: a list per job, and a list of those that are free again.


@spec
def find_seal(s: State, job: int, actor: int) -> int:
    """Place of the sealed bid of `actor`, plus 1; 0 = none."""
    place = int(s.sealed[job])
    while place > 0 and s.sealer[place - 1] != actor:
        place = int(s.next_seal[place - 1])
    return place


@spec
def keep_seal(s: State, job: int, actor: int, word: int) -> bool:
    """Keep the sealed bid of `actor`, in the place of an earlier one; False if there is no room."""
    place = find_seal(s, job, actor)
    if place == 0:
        place = int(s.free_seal[0])
        if place > 0:
            s.free_seal[0] = s.next_seal[place - 1]
        elif s.seals[0] < SEALS:
            s.seals[0] += 1
            place = int(s.seals[0])
        else:
            return False
        s.next_seal[place - 1] = s.sealed[job]
        s.sealed[job] = place
        s.sealer[place - 1] = actor
    s.seal[place - 1] = word
    return True


@spec
def drop_seals(s: State, job: int) -> None:
    """Make room: nobody opens a bid for `job` any more."""
    while s.sealed[job] > 0:
        drop_entry(s.next_seal, s.free_seal, s.sealed, job)


# Who wins.


@spec
def is_admitted(p: Params, s: State, actor: int) -> bool:
    """Say whether `actor` may bid for one more request."""
    spare = s.stake[actor] - p.min_stake_gwei
    if s.idle[actor] == 1 or spare < 0:
        return False
    return spare >= mul_div(p.min_stake_gwei, s.leads[actor] * p.overcommit_rate, BIPS)


@spec
def has_offer(p: Params, s: State, job: int, actor: int) -> bool:
    """Say whether `actor` has a standing offer for `job`."""
    if s.capacity[actor] == 0 or s.price[actor] > s.book.escrow[job] or not is_admitted(p, s, actor):
        return False
    return p.mind_load == 0 or s.open_jobs[actor] < s.capacity[actor]


@spec
def rank(s: State, job: int, actor: int, fee: int) -> None:
    """Put an opened bid among the two lowest (_updateBidders)."""
    leader = s.leader[job] - 1
    if leader < 0 or fee < s.lowest[job]:
        s.second[job], s.second_lowest[job] = s.leader[job], s.lowest[job]
        s.leader[job], s.lowest[job] = actor + 1, fee
        if leader >= 0:
            s.leads[leader] -= 1
        s.leads[actor] += 1
    elif s.second[job] == 0 or fee < s.second_lowest[job]:
        s.second[job], s.second_lowest[job] = actor + 1, fee


@spec
def end_of_reveal(p: Params, s: State, job: int) -> int:
    """Last millisecond in which a bid for `job` can be opened."""
    return int(s.asked[job]) + p.bidding_ms + p.reveal_ms


@spec
def bid(p: Params, s: State, e: Event) -> Verdict:
    """Seal a bid, or open it."""
    if not is_admitted(p, s, e.actor):
        return Verdict.POOR
    if e.time <= s.asked[e.job] + p.bidding_ms:
        return Verdict.OK if keep_seal(s, e.job, e.actor, e.word) else Verdict.FULL
    place = find_seal(s, e.job, e.actor)
    if place == 0:
        return Verdict.NOT_YOURS
    if s.seal[place - 1] != e.word:
        return Verdict.BAD_DETAIL
    if e.amount > s.book.escrow[e.job]:
        return Verdict.TOO_DEAR
    rank(s, e.job, e.actor, e.amount)
    return Verdict.OK


@spec
def open_offers(p: Params, s: State, job: int) -> None:
    """Open the standing offers of those who did not bid themselves."""
    actor = int(s.first[job])
    for _ in range(len(s.price)):
        if has_offer(p, s, job, actor) and find_seal(s, job, actor) == 0:
            rank(s, job, actor, s.price[actor])
        actor = actor + 1 if actor + 1 < len(s.price) else 0


@spec
def is_wanted(p: Params, s: State, job: int) -> bool:
    """Say whether there is a sealed bid or a standing offer for `job`."""
    actor = 0
    while actor < len(s.price) and not has_offer(p, s, job, actor):
        actor += 1
    return s.sealed[job] > 0 or actor < len(s.price)


@spec
def close(p: Params, s: State, e: Event) -> None:
    """After the bidding: go on, if anybody bids. After the opening: give the job to the leader."""
    b, job = s.book, e.job
    if e.time <= end_of_reveal(p, s, job) and is_wanted(p, s, job):
        b.deadline[job] = end_of_reveal(p, s, job)
        return
    if e.time > end_of_reveal(p, s, job):
        open_offers(p, s, job)
    drop_seals(s, job)
    winner = int(s.leader[job]) - 1
    if winner < 0:
        lose_job(b, job)
    else:
        s.open_jobs[winner] += 1
        assign(b, job, winner, s.asked[job] + p.window_ms)


# What becomes of the winner.


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Escrow the highest fee and wait for bids."""
    if e.amount < p.least_gwei:
        return Verdict.BAD_AMOUNT
    if 0 < p.most_gwei < e.amount:
        return Verdict.TOO_DEAR
    b = s.book
    ask(b, e, e.amount)
    open_bidding(b, e.job, e.time + p.bidding_ms)
    s.asked[e.job] = e.time
    s.first[e.job] = ticket_of(e.word, len(s.price))
    return Verdict.OK


@spec
def release(s: State, actor: int) -> None:
    """Count a job of `actor` as over."""
    s.leads[actor] -= 1
    s.open_jobs[actor] -= 1


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Pay the second lowest fee."""
    b, job = s.book, e.job
    if p.literal == 1 and s.idle[e.actor] == 1:
        return Verdict.POOR
    fee = s.second_lowest[job] if s.second[job] > 0 else s.lowest[job]
    kept = bips_of(fee, p.fee_rate)
    commission = bips_of(fee - kept, p.commission_rate)
    move(b.escrow, job, b.reserve, 0, kept)
    pay(b, job, commission)
    move(b.escrow, job, s.stake, e.actor, fee - kept - commission)
    b.paid[job] += fee - kept - commission
    refund(b, job)
    release(s, e.actor)
    b.phase[job] = Phase.SETTLED
    return Verdict.OK


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Refund the requester and slash the winner that delivered nothing."""
    b, job = s.book, e.job
    winner = int(b.prover[job])
    lose_job(b, job)
    release(s, winner)
    amount = bips_of(p.min_stake_gwei, p.slash_rate)
    if e.time > b.deadline[job] + p.slash_window_ms or amount == 0 or s.stake[winner] + s.exiting[winner] == 0:
        return
    if p.literal == 1:
        slash_scaled(p, s, winner, amount)
    else:
        slash_exactly(p, s, winner, amount)


@spec
def slash_scaled(p: Params, s: State, actor: int, amount: int) -> None:
    """Slash in whole bips of all there is, and keep the product of all slashes (slashByAmount, _executeSlash)."""
    b = s.book
    bips = min(mul_div(amount, BIPS, s.stake[actor] + s.exiting[actor]), p.cap_rate)
    scale = s.scale[actor] * (BIPS - bips) // BIPS
    if scale < MIN_SCALE:
        return
    own = bips_of(s.stake[actor], bips)
    slash(b, actor, s.exiting, actor, b.reserve, 0, s.exiting[actor] - mul_div(s.exiting[actor], scale, s.scale[actor]))
    slash(b, actor, s.stake, actor, b.reserve, 0, own)
    s.scale[actor] = scale
    if scale < IDLE_SCALE or (own > 0 and s.stake[actor] < p.self_stake_gwei):
        s.idle[actor] = 1


@spec
def slash_exactly(p: Params, s: State, actor: int, amount: int) -> None:
    """Slash the amount, from stake and queue in proportion."""
    b = s.book
    total = s.stake[actor] + s.exiting[actor]
    taken = min(amount, bips_of(total, p.cap_rate))
    queued = mul_div(taken, s.exiting[actor], total)
    slash(b, actor, s.exiting, actor, b.reserve, 0, queued)
    slash(b, actor, s.stake, actor, b.reserve, 0, taken - queued)
    if s.stake[actor] < p.self_stake_gwei:
        s.idle[actor] = 1


# Money in, money out.


@spec
def unstake(p: Params, s: State, e: Event) -> Verdict:
    """Queue stake; what is left must be enough, or nothing."""
    left = s.stake[e.actor] - e.amount
    if left < 0 or 0 < left < p.self_stake_gwei:
        return Verdict.POOR
    move(s.stake, e.actor, s.exiting, e.actor, e.amount)
    s.matures[e.actor] = e.time + p.unstake_ms
    if left == 0:
        s.idle[e.actor] = 1
    return Verdict.OK


@spec
def account(p: Params, s: State, e: Event) -> Verdict:
    """Offers and stake."""
    if e.kind == Kind.UNSTAKE:
        return unstake(p, s, e)
    if e.kind == Kind.WITHDRAW:
        return take_out_matured(s.book, s.exiting, s.matures, e)
    if e.kind == Kind.OFFER:
        return post_offer(s.price, s.capacity, e, 0, MAX_CAPACITY)
    if e.kind != Kind.STAKE:
        return Verdict.UNKNOWN
    move(s.book.cash, e.actor, s.stake, e.actor, e.amount)
    if s.stake[e.actor] >= p.self_stake_gwei:
        s.idle[e.actor] = 0
    return Verdict.OK


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict == Verdict.LATE and e.kind == Kind.BID and e.time <= end_of_reveal(p, s, e.job):
        verdict = Verdict.OK  # the bidding is over, the opening is not: CLOSE may not have come yet
    if verdict != Verdict.OK:
        return verdict
    if e.kind < Kind.REQUEST:
        return account(p, s, e)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.BID:
        return bid(p, s, e)
    if e.kind == Kind.PROVE:
        return prove(p, s, e)
    if e.kind == Kind.CLOSE:
        close(p, s, e)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
