"""Proof contest: every bidder pays its bid, and one proves, drawn in proportion to bid^alpha (Succinct paper).

Rules
    A prover states what it bids and its capacity (OFFER) and deposits collateral (STAKE). UNSTAKE returns free
    collateral at once. REQUEST puts the fee f aside. Bids come out of collateral, everybody's, and are never returned
    (all-pay): they are burnt, go to the requester, or to the protocol's reserve (`bids_to`).
    The winner is i with probability b_i^alpha / sum b^alpha, alpha = `alpha_num` / `alpha_den`: 0 is an equal lot, 1 in
    proportion, `alpha_den` 0 means infinity, the highest bid. It locks `bond_gwei`. PROVE in the window pays it f;
    EXPIRE refunds f, takes the bond (a share to the requester, the rest burnt) and the job is LOST; no bid returns.
    One-shot (`form` 0): a contest per request. BID within `bidding_ms` names a bid for this request (a second one adds
    to it) and locks a bond until the draw; who has not bid by then takes part with its offer. CLOSE draws.
    Recurring: offers count from the start of the next round of `round_ms` and hold through it, if the collateral then
    covers them. REQUEST draws at once; a request that finds nobody waits for the next round and is then LOST.
    Divided (`form` 1): at every request all pay b_i and the draw is as above: (b_i / B) (f - cost) - b_i a request.
    Undivided (`form` 2): an offer of b_i buys b_i / `slot_gwei` slots a round, each good for one request, drawn among
    the slots left; the prover of a slot pays B, the sum of all slots announced, so that a round of B requests gives
    b_i (f - B - cost). More slots make each dearer: Cournot where the divided form is Tullock.
    An offer takes no part while its prover has as many open jobs as it declared, or collateral below bid and bond.

Units
    Money gwei, time ms. The size of a job is ignored: fee and bid are per job.

Powers
    alpha = 1 weighs with the bids themselves: exact. Otherwise a bid weighs 2^40 (b / b_max)^alpha, from a logarithm
    to base 2 of 56 binary places (repeated squaring) and `power_of_two`: relative error below 2^-47, then rounded
    down, so odds are off by less than 2^-47 of themselves plus 2^-40. A bid of less than 2^-40 of the weight of the
    highest never wins. The number of bidders that fit is 2^20.

Randomness
    `e.word` of CLOSE, or of REQUEST in the recurring forms, by `ticket_of`.

Source
    Roy, Guibas, Kulkarni, Pai, Robinson, "Succinct Network: Prove the World's Software" (whitepaper), read through
    third-party notes and summaries of its sections; equilibria from Tullock contests (Arnosti, Weinberg, ITCS 2019).

Literal or intended
    Where paid bids go, alpha, and how much of the collateral a no-show loses were not found: switches and parameters.
    The notes give the round profit undivided, b_i (f - B - c_i s), though share and all-pay read as the divided form;
    they are different games, so both are here.

Simplified
    Windows, bonds and round lengths are ours. Bids are open, not sealed. Capacity is a number of proofs, not of
    cycles. A pool that bids jointly is one prover. That a proof is bound to prover and request is taken for granted.
    At most MAX_BIDS bids by BID stand at once; more are FULL. Slots of a round that are not asked for cost nothing.

Failure modes
    alpha < 1 rewards splitting into k identities by k^(1 - alpha), alpha > 1 merging; only 1 is neutral. alpha > 1
    leaves at most alpha / (alpha - 1) provers active. Bids are sunk, so whoever values a job at less than B stays out:
    few bid, and a no-show wastes everybody's bid. The dearer prover often proves: values 100, 80, 60 give shares of
    .4894, .3617, .1489 and an expected cost of 33.2 where 20 would do.
"""

from typing import Annotated, NamedTuple, TypeAlias

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
    Ints,
    Kind,
    Once,
    Verdict,
    add_entry,
    ask,
    assign,
    chain_places,
    check,
    drop_entry,
    end_of_round,
    find_by_scan,
    forfeit_bond,
    lose_job,
    move,
    move_stake,
    mul_div,
    mul_shift,
    open_bidding,
    out_of_range,
    post_offer,
    settle_job,
    spec,
    ticket_of,
)
from proofyard.core.exp import BITS, ONE, power_of_two

SOURCE = "Succinct Network whitepaper (proof contests), through third-party notes; theory: Tullock contests"
FAMILY = "auction"

ONE_SHOT, DIVIDED, UNDIVIDED = 0, 1, 2  # `form`
BURNT, REQUESTER, RESERVE = 0, 1, 2  # `bids_to`
NOBODY = -1  # no bid takes part
MAX_BIDS = 256  # by BID and not yet decided, over all jobs
MAX_MS = 2**50  # no window is longer, so sums of times cannot overflow
MAX_ALPHA = 64  # 2**-56 times so much keeps the error of a weight below 2**-47
MAX_ALPHA_DEN = 10_000
LOG_BITS = 56  # binary places of a logarithm; six more bits hold the whole part
LOG_MASK = (1 << LOG_BITS) - 1
MANTISSA_BITS = 61  # of a number in [1, 2): its square is below 2**63
WEIGHT_BITS = 40  # the highest bid weighs 2**40

Bids: TypeAlias = Annotated[Ints, MAX_BIDS]


class Params(NamedTuple):
    """Defaults: a one-shot contest in proportion to bids, which are burnt. All times and amounts are assumptions."""

    form: int = ONE_SHOT  # which contest: 0 one-shot, 1 recurring divided, 2 recurring undivided
    alpha_num: int = 1  # numerator of the exponent
    alpha_den: int = 1  # denominator of the exponent; 0 = infinity, the highest bid wins
    bids_to: int = BURNT  # where paid bids go: 0 burnt, 1 the requester, 2 the reserve
    bidding_ms: int = 10_000  # ms, one-shot: bids are taken so long; the deployed network's stragglers come at 10 s
    round_ms: int = 3_600_000  # ms, recurring: so long an offer holds
    slot_gwei: int = 1_000_000  # gwei, undivided: offered for one slot; a slot costs so much for each slot announced
    window_ms: int = 600_000  # ms from assignment to deadline
    bond_gwei: int = 100_000_000  # gwei of collateral the winner locks and a no-show loses
    refund_bips: int = 5_000  # bips of a lost bond paid to the requester; the rest burns


class State(NamedTuple):
    """The book, the bidders, the bids of open contests, and the round."""

    book: Book
    stake: GweiByActor  # free collateral
    price: ByActor  # gwei, the bid offered
    capacity: ByActor  # proofs at once, as declared
    open_jobs: ByActor  # assigned and not over
    in_force: ByActor  # recurring: gwei, the bid of this round; 0 = none
    left: ByActor  # undivided: slots of this round not yet used
    round: Once  # number of the present round, from 1; 0 = none yet
    charge: Once  # undivided: gwei a slot costs this round
    bond: GweiByJob  # of all who bid by BID, then of the winner
    pot: GweiByJob  # bids paid by BID before the draw
    first: ByJob  # the latest BID, its place in the arrays below + 1; 0 = none
    bidder: Bids  # who bid
    bid: Bids  # gwei, in the pot
    next: Bids  # the one before it, place + 1; 0 = none
    free: Once  # first unused place + 1; 0 = none
    entered: ByActor  # during a draw: gwei bid, or slots left; 0 = takes no part
    weight: ByActor  # during a draw: weight of the bid


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "form": (ONE_SHOT, UNDIVIDED), "alpha_den": (0, MAX_ALPHA_DEN), "bids_to": (BURNT, RESERVE),
        "alpha_num": (0, MAX_ALPHA * p.alpha_den) if p.alpha_den else (1, 1), "bidding_ms": (0, MAX_MS),
        "round_ms": (1, MAX_MS), "slot_gwei": (1, MAX_GWEI), "window_ms": (1, MAX_MS), "bond_gwei": (0, MAX_GWEI),
        "refund_bips": (0, BIPS),
    }  # fmt: skip
    complaint = out_of_range(p, limits)
    if complaint:
        return complaint
    if p.form == UNDIVIDED and p.alpha_num != p.alpha_den:
        return "alpha_num", "an exponent of 1 in the undivided form, where slots are drawn"
    return None


def genesis(_p: Params, s: State) -> None:
    """Chain all places for bids as unused."""
    chain_places(s.next, s.free)


# Odds.


@spec
def log2_fixed(n: int) -> int:
    """Compute log2(n) in units of 2**-56 for 1 <= n <= 2**61: at most 2 units too small, never too large, monotone."""
    n = int(n)
    log = 0
    while n >> log > 1:
        log += 1
    mantissa = n << (MANTISSA_BITS - log)
    for _ in range(LOG_BITS):
        mantissa = mul_shift(mantissa, mantissa, MANTISSA_BITS)
        bit = mantissa >> (MANTISSA_BITS + 1)
        mantissa >>= bit
        log = 2 * log + bit
    return log


@spec
def compute_weight(p: Params, bid: int, top: int, log_top: int) -> int:
    """Weight of `bid` in the draw when `top` is the highest: bid^alpha in a scale that fits, see Powers."""
    if p.alpha_den == 0:
        return 1 if bid == top else 0
    if p.alpha_num == 0:
        return 1
    if p.alpha_num == p.alpha_den:
        return int(bid)
    exponent = mul_div(log_top - log2_fixed(bid), p.alpha_num, p.alpha_den)
    whole = exponent >> LOG_BITS
    part = exponent & LOG_MASK
    if whole > WEIGHT_BITS:
        return 0
    if part == 0:
        return 1 << (WEIGHT_BITS - whole)
    return power_of_two(ONE - (part << (BITS - LOG_BITS))) >> (BITS + 1 - WEIGHT_BITS + whole)


@spec
def draw(p: Params, s: State, word: int) -> int:
    """Winner among those who entered; NOBODY if there are none."""
    top = 0
    for actor in range(len(s.entered)):
        if s.entered[actor] > top:
            top = int(s.entered[actor])
    if top == 0:
        return NOBODY
    log_top = log2_fixed(top)
    total = 0
    for actor in range(len(s.entered)):
        if s.entered[actor] > 0:
            s.weight[actor] = compute_weight(p, s.entered[actor], top, log_top)
            total += int(s.weight[actor])
    return find_by_scan(s.weight, ticket_of(word, total))


# Who takes part.


@spec
def begin_round(p: Params, s: State, now: int) -> None:
    """Put the offers that collateral covers in force, if a new round has begun."""
    number = now // p.round_ms + 1
    if number == s.round[0]:
        return
    s.round[0] = number
    slots = 0
    for actor in range(len(s.price)):
        covered = s.price[actor] <= s.stake[actor]
        s.in_force[actor] = s.price[actor] if covered else 0
        s.left[actor] = s.in_force[actor] // p.slot_gwei
        slots += s.left[actor]
    s.charge[0] = slots * p.slot_gwei


@spec
def enter(p: Params, s: State, job: int) -> None:
    """Note what everybody bids for `job`, 0 for those who take no part: gwei, or slots in the undivided form."""
    for actor in range(len(s.price)):
        bid = s.price[actor] if p.form == ONE_SHOT else s.in_force[actor]
        due = s.charge[0] if p.form == UNDIVIDED else bid
        if s.open_jobs[actor] < s.capacity[actor] and s.stake[actor] >= due + p.bond_gwei:
            s.entered[actor] = s.left[actor] if p.form == UNDIVIDED else bid
    place = s.first[job]
    while place > 0:
        s.entered[s.bidder[place - 1]] = s.bid[place - 1]
        place = s.next[place - 1]


# The life of a job.


@spec
def decide(p: Params, s: State, e: Event) -> None:
    """Draw the prover of the job, let everybody pay, and lock the winner's bond; if nobody takes part, wait or end."""
    job = e.job
    if p.form != ONE_SHOT:
        begin_round(p, s, e.time)
    enter(p, s, job)
    winner = draw(p, s, e.word)
    if winner == NOBODY:
        turn_away(p, s, e)
        return
    if p.form == UNDIVIDED:
        s.left[winner] -= 1
    settle_bids(p, s, job, winner)
    move(s.stake, winner, s.bond, job, p.bond_gwei)
    s.open_jobs[winner] += 1
    assign(s.book, job, winner, e.time + p.window_ms)


@spec
def turn_away(p: Params, s: State, e: Event) -> None:
    """Let a new request wait for bids, or for the next round; end one that has waited."""
    b = s.book
    if e.kind == Kind.CLOSE:
        lose_job(b, e.job)
        return
    open_bidding(b, e.job, e.time + p.bidding_ms if p.form == ONE_SHOT else end_of_round(e.time, p.round_ms))


@spec
def bid(p: Params, s: State, e: Event) -> Verdict:
    """Pay a bid for this request, or add to one."""
    if p.form != ONE_SHOT:
        return Verdict.UNKNOWN
    if e.amount == 0:
        return Verdict.BAD_AMOUNT
    place = s.first[e.job]
    while place > 0 and s.bidder[place - 1] != e.actor:
        place = s.next[place - 1]
    bond = p.bond_gwei if place == 0 else 0
    if s.stake[e.actor] < e.amount + bond:
        return Verdict.POOR
    if place == 0:
        place = add_entry(s.next, s.free, s.first, e.job)
        if place == 0:
            return Verdict.FULL
        s.bidder[place - 1] = e.actor
        s.bid[place - 1] = 0
    move(s.stake, e.actor, s.bond, e.job, bond)
    move(s.stake, e.actor, s.pot, e.job, e.amount)
    s.bid[place - 1] += e.amount
    return Verdict.OK


@spec
def settle_bids(p: Params, s: State, job: int, winner: int) -> None:
    """Let everybody pay, or the prover of the slot; bids by BID are in the pot already and get their bonds back."""
    while s.first[job] > 0:
        place = s.first[job] - 1
        s.entered[s.bidder[place]] = 0
        move(s.bond, job, s.stake, int(s.bidder[place]), p.bond_gwei)
        drop_entry(s.next, s.free, s.first, job)
    for actor in range(len(s.entered)):
        due = s.entered[actor]
        if p.form == UNDIVIDED:
            due = s.charge[0] if actor == winner else 0
        move(s.stake, actor, s.pot, job, due)
        s.entered[actor] = s.weight[actor] = 0
    b = s.book
    if p.bids_to == REQUESTER:
        move(s.pot, job, b.cash, b.requester[job], s.pot[job])
    elif p.bids_to == RESERVE:
        move(s.pot, job, b.reserve, 0, s.pot[job])
    else:
        move(s.pot, job, b.burnt, 0, s.pot[job])


@spec
def prove(s: State, job: int) -> None:
    """Pay the fee and unlock the bond."""
    b = s.book
    prover = b.prover[job]
    settle_job(b, job)
    move(s.bond, job, s.stake, prover, s.bond[job])
    s.open_jobs[prover] -= 1


@spec
def expire(p: Params, s: State, job: int) -> None:
    """Refund the requester and take the bond of the winner that did not show up."""
    b = s.book
    lose_job(b, job)
    forfeit_bond(b, job, s.bond, p.refund_bips)
    s.open_jobs[b.prover[job]] -= 1


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.BID:
        return bid(p, s, e)
    if e.kind == Kind.REQUEST:
        if e.amount == 0:
            return Verdict.BAD_AMOUNT
        ask(s.book, e, e.amount)
    if e.kind == Kind.REQUEST and p.form == ONE_SHOT:
        turn_away(p, s, e)
    elif e.kind == Kind.REQUEST or e.kind == Kind.CLOSE:
        decide(p, s, e)
    elif e.kind == Kind.PROVE:
        prove(s, e.job)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e.job)
    elif e.kind == Kind.OFFER:
        return post_offer(s.price, s.capacity, e, 0, MAX_CAPACITY)
    elif e.kind == Kind.STAKE or e.kind == Kind.UNSTAKE:
        return move_stake(s.book, s.stake, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
