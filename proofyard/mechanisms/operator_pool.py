"""Operator pool: operators share the jobs by lot; others delegate stake to them and share what they earn and lose.

Rules
    An operator declares how many proofs it can make at once (OFFER; its amount counts under `own_commission` only) and
    stakes its own money (STAKE). Anybody else delegates to one operator at a time (DELEGATE) and holds shares of its
    pool.
    REQUEST puts the whole amount aside and draws an operator: in proportion to own and delegated stake, to 1 each, or
    to the declared capacity (`weight_by`). Who has less than `min_stake_gwei` of its own is not drawn, nor, under
    `respect_capacity`, who has as many jobs as it declared. Nobody to draw: NO_PROVER.
    PROVE within the window pays `commission_bips` of the fee (or what its last OFFER names, `own_commission`) to the
    operator's cash; the rest goes to own stake and pool in proportion. EXPIRE takes max(`slash_bips` of all at risk,
    `flat_gwei`), as far as it is there, from the operator and its delegators in proportion, or the same amount from
    the operator alone (`slash_who`); `refund_bips` of it goes to the requester, the rest is burnt. The fee goes back
    and the job is LOST, or another operator is drawn (`reassign`). With `may_decline` the prover may hand the job back
    in time and nobody is slashed. A job is given on at most `max_redraws` times, never to one of the last three who
    had it; each has a full window.
    UNSTAKE and UNDELEGATE queue the money for `exit_ms` or `unbonding_ms`; WITHDRAW pays it out then. More joining
    the queue starts the time of all that the actor has there again. Queued money is at risk until it is withdrawn
    (`unbonding_slashable`), but draws no jobs and earns nothing; who is out before a deadline escapes its slash. Own
    and delegated stake together stop at `stake_cap_gwei`: STAKE and DELEGATE beyond it are FULL, and what rewards add
    beyond it has no weight.
    TRANSFER moves cash, for instance to pay another operator for a proof.

Shares
    Rewards and slashes change one number per operator, `pool`. Shares are issued rounded down and given up rounded up,
    so nobody gains by going in and out. A delegation must buy `MIN_SHARES`, so that rounding costs less than a basis
    point even where somebody blew the price of a share up. Into a pool slashed to nothing (or so far that shares
    would run out) nobody can delegate (FULL) until those who hold its shares give them up. UNDELEGATE of more than the
    holding is worth takes all of it. The queue of a pool keeps, instead of shares, the part that slashes left of its
    money, in a scale that is renewed as it shrinks: nobody can keep others from leaving.

Units
    Money gwei, time ms, shares of money bips; an operator's own commission in billionths, the amount of OFFER, so an
    ask of 0.1 with nine decimals is 10 %. The size of a job is ignored: the fee is per job.

Randomness
    `e.word` of REQUEST, DECLINE and (under `reassign`) EXPIRE, by `ticket_of`.

Source
    None, Proofyard's own: a stake-weighted pool in the shape of alpha-4's, with delegation in the shape of Monad's,
    Solana's and Succinct's. It asks what stake promoted past its owner's capacity does, and what helps.

Literal or intended
    Nothing to be literal about; every remedy is a switch, and the default has none of them.

Simplified
    Rewards go to who is in the pool when the proof comes, so a delegator may come for it and, without unbonding,
    go. An own commission changes at once and may be raised just before the fees come. Redelegation without a wait,
    epochs and fees for joining are left out. Matured money is at risk until withdrawn. Roundings of the queue, a few
    gwei a slash, stay in it. With `refund_bips` an operator that is also the requester can rob its delegators, one
    slash at a time; hence 0 by default. `book.paid` and `book.slashed` record the operator's own part, `pool_paid`,
    `pool_slashed` and `leaving_slashed` its delegators'.
"""

from typing import NamedTuple

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
    Phase,
    Tree,
    Verdict,
    add_weight,
    ask,
    assign,
    bips_of,
    check,
    cut_queue,
    find,
    left_of,
    lose_job,
    move,
    mul_div,
    out_of_range,
    pay,
    set_weight,
    shares_for,
    shares_worth,
    slash,
    spec,
    ticket_of,
    total_weight,
    weight_of,
)

SOURCE = "none: Proofyard's own, in the shape of alpha-4's pool with Monad-, Solana- and Succinct-style delegation"
FAMILY = "staked pool"

BY_STAKE, EQUALLY, BY_CAPACITY = 0, 1, 2  # `weight_by`
EVERYBODY, OPERATOR = 0, 1  # `slash_who`
NOBODY = -1  # no operator can be drawn
BILLION = 10**9  # whole of an operator's own commission
MAX_MS = 2**40  # 35 years; times stay far below 2**63


class Params(NamedTuple):
    """Defaults: the pool without any remedy."""

    window_ms: int = 1_800_000  # ms from assignment to deadline
    weight_by: int = BY_STAKE  # what the draw goes by: 0 own and delegated stake, 1 equal, 2 declared capacity
    min_stake_gwei: int = 1  # gwei of its own an operator needs to be drawn
    stake_cap_gwei: int = 0  # gwei, the most own and delegated stake an operator takes; 0 = no cap
    respect_capacity: int = 0  # switch: 1 = operators with as many jobs as they declared are not drawn
    may_decline: int = 0  # switch: 1 = the prover may hand a job back before its deadline
    reassign: int = 0  # switch: 1 = a job that was missed is given on instead of lost
    max_redraws: int = 3  # how often a job is given on
    commission_bips: int = 1_000  # bips of the fee for the operator before it is shared
    own_commission: int = 0  # switch: 1 = the amount of an operator's OFFER is its commission, in billionths
    compound: int = 1  # switch: 0 = the operator's own share goes to its cash instead of its stake
    slash_bips: int = 100  # bips of all at risk that a missed job costs
    flat_gwei: int = 0  # gwei a missed job costs at least
    slash_who: int = EVERYBODY  # who bears it: 0 operator and delegators in proportion, 1 the operator alone
    refund_bips: int = 0  # bips of the slash paid to the requester; the rest burns
    unbonding_ms: int = 604_800_000  # ms delegated money waits in the queue
    exit_ms: int = 604_800_000  # ms an operator's own money waits
    unbonding_slashable: int = 1  # switch: 0 = money in a queue is safe
    min_fee_gwei: int = 1  # gwei a request must pay


class State(NamedTuple):
    """The book, the operators, who delegates to whom, the queues, and the history of each job."""

    book: Book
    stake: GweiByActor  # the operator's own
    pool: GweiByActor  # delegated to the operator
    shares: ByActor  # of its pool, issued
    held: ByActor  # shares the delegator holds
    operator_of: ByActor  # whose shares they are; means something only while `held` is not 0
    exiting: GweiByActor  # own stake in the queue
    matures: ByActor  # ms, from when it can be withdrawn
    leaving: GweiByActor  # delegated to the operator and in the queue
    remains: ByActor  # 2**-62: part of queued money that slashes left over since the scale was renewed
    scale: ByActor  # how often it was renewed
    claim: ByActor  # gwei the delegator had in the queue when it joined
    claim_at: ByActor  # in the queue of which operator
    claim_remains: ByActor  # `remains` when it joined
    claim_scale: ByActor  # `scale` when it joined
    claim_matures: ByActor  # ms, from when it can be withdrawn
    capacity: ByActor  # proofs at once, as declared; 0 = no operator
    commission: ByActor  # billionths, as last offered, under `own_commission`
    open_jobs: ByActor  # assigned and not yet proven, handed back or missed
    weight: Tree  # in the draw
    pool_slashed: ByActor  # gwei taken from the operator's pool so far (a record)
    leaving_slashed: ByActor  # gwei taken from its delegators' queue so far (a record)
    redraws: ByJob  # how often the job was given on
    last: ByJob  # operator that had it before, + 1; 0 = none
    second_last: ByJob  # the one before
    third_last: ByJob  # the one before that
    pool_paid: ByJob  # gwei credited to the prover's delegators (a record)


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "window_ms": (1, MAX_MS), "weight_by": (BY_STAKE, BY_CAPACITY), "slash_who": (EVERYBODY, OPERATOR),
        "max_redraws": (0, 1_000), "unbonding_ms": (0, MAX_MS), "exit_ms": (0, MAX_MS),
    }  # fmt: skip
    for name in ("respect_capacity", "may_decline", "reassign", "own_commission", "compound", "unbonding_slashable"):
        limits[name] = (0, 1)
    for name in ("commission_bips", "slash_bips", "refund_bips"):
        limits[name] = (0, BIPS)
    complaint = out_of_range(p, limits, (0, MAX_GWEI))
    if complaint:
        return complaint
    if 0 < p.stake_cap_gwei < p.min_stake_gwei:
        return "stake_cap_gwei", f"0 (no cap) or at least min_stake_gwei, {p.min_stake_gwei}"
    return None


def genesis(_p: Params, s: State) -> None:
    """Let every queue be whole."""
    s.remains[:] = WHOLE


# Who is drawn.


@spec
def compute_weight(p: Params, s: State, operator: int) -> int:
    """Weight of `operator` in the draw, 0 when it cannot be drawn."""
    if s.capacity[operator] == 0 or s.stake[operator] < p.min_stake_gwei:
        return 0
    if p.respect_capacity == 1 and s.open_jobs[operator] >= s.capacity[operator]:
        return 0
    if p.weight_by == EQUALLY:
        return 1
    if p.weight_by == BY_CAPACITY:
        return s.capacity[operator]
    staked = s.stake[operator] + s.pool[operator]
    return min(staked, p.stake_cap_gwei) if p.stake_cap_gwei > 0 else staked


@spec
def reweigh(p: Params, s: State, operator: int) -> None:
    """Bring the weight of `operator` up to date; wanted after every change of what it depends on."""
    set_weight(s.weight, operator, compute_weight(p, s, operator))


@spec
def draw(tree: Ints, word: int) -> int:
    """Holder of the ticket that `word` names, NOBODY if there is no weight."""
    total = total_weight(tree)
    return find(tree, ticket_of(word, total)) if total > 0 else NOBODY


@spec
def set_aside(tree: Ints, entry: int) -> int:
    """Take operator `entry` - 1 out of the draw and return the weight it had; nobody for 0."""
    if entry == 0:
        return 0
    weight = weight_of(tree, entry - 1)
    add_weight(tree, entry - 1, -weight)
    return weight


@spec
def draw_other(s: State, job: int, word: int) -> int:
    """Draw among all but the last three who had `job`; the weights are the same afterwards."""
    tree = s.weight
    first = set_aside(tree, s.last[job])
    second = set_aside(tree, s.second_last[job])
    third = set_aside(tree, s.third_last[job])
    drawn = draw(tree, word)
    if first > 0:
        add_weight(tree, s.last[job] - 1, first)
    if second > 0:
        add_weight(tree, s.second_last[job] - 1, second)
    if third > 0:
        add_weight(tree, s.third_last[job] - 1, third)
    return drawn


# The life of a job.


@spec
def give(p: Params, s: State, e: Event, operator: int) -> None:
    """Give the job of `e` to `operator`, with a full window."""
    s.open_jobs[operator] += 1
    reweigh(p, s, operator)
    assign(s.book, e.job, operator, e.time + p.window_ms)


@spec
def release(p: Params, s: State, operator: int) -> None:
    """Count a job of `operator` as done, after all else that its weight depends on."""
    s.open_jobs[operator] -= 1
    reweigh(p, s, operator)


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Put the fee aside and draw an operator."""
    if e.amount < p.min_fee_gwei:
        return Verdict.BAD_AMOUNT
    operator = draw(s.weight, e.word)
    if operator == NOBODY:
        return Verdict.NO_PROVER
    ask(s.book, e, e.amount)
    give(p, s, e, operator)
    return Verdict.OK


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Share the fee: commission, then own stake and pool in proportion; the operator has the rounding."""
    b = s.book
    operator = e.actor
    commission = bips_of(b.escrow[e.job], p.commission_bips)
    if p.own_commission == 1:
        commission = mul_div(b.escrow[e.job], s.commission[operator], BILLION)
    rest = b.escrow[e.job] - commission
    staked = s.stake[operator] + s.pool[operator]
    delegated = mul_div(rest, s.pool[operator], staked) if staked > 0 else 0
    own = rest - delegated
    pay(b, e.job, commission)
    move(b.escrow, e.job, s.pool, operator, delegated)
    s.pool_paid[e.job] += delegated
    if p.compound == 1 and s.stake[operator] > 0:
        move(b.escrow, e.job, s.stake, operator, own)
        b.paid[e.job] += own
    else:
        pay(b, e.job, own)
    b.phase[e.job] = Phase.SETTLED
    release(p, s, operator)
    return Verdict.OK


@spec
def decline(p: Params, s: State, e: Event) -> Verdict:
    """Take a job back from a prover that will not make it in time."""
    if p.may_decline == 0:
        return Verdict.UNKNOWN
    release(p, s, e.actor)
    give_on(p, s, e)
    return Verdict.OK


@spec
def expire(p: Params, s: State, e: Event) -> Verdict:
    """Slash the prover that missed the job, and give the job on or end it."""
    operator = s.book.prover[e.job]
    punish(p, s, e.job, operator)
    release(p, s, operator)
    if p.reassign == 1:
        give_on(p, s, e)
    else:
        lose_job(s.book, e.job)
    return Verdict.OK


@spec
def give_on(p: Params, s: State, e: Event) -> None:
    """Draw another operator for the job of `e`; end it when there is none or it was given on too often."""
    job = e.job
    s.third_last[job] = s.second_last[job]
    s.second_last[job] = s.last[job]
    s.last[job] = s.book.prover[job] + 1
    operator = draw_other(s, job, e.word) if s.redraws[job] < p.max_redraws else NOBODY
    if operator == NOBODY:
        lose_job(s.book, job)
    else:
        s.redraws[job] += 1
        give(p, s, e, operator)


# What a missed job costs, and whom. All that is slashed passes through the escrow of the job.


@spec
def punish(p: Params, s: State, job: int, operator: int) -> None:
    """Slash `operator`, and its delegators as far as they bear it; each part is rounded by less than a gwei."""
    b = s.book
    queues = p.unbonding_slashable
    own = s.stake[operator] + s.exiting[operator] * queues
    delegated = s.pool[operator] + s.leaving[operator] * queues
    wanted = max(bips_of(own + delegated, p.slash_bips), p.flat_gwei)
    if p.slash_who == OPERATOR:
        delegated = 0
    amount = min(wanted, own + delegated)
    if amount == 0:
        return
    borne = mul_div(amount, delegated, own + delegated)
    if borne > 0:
        slash_delegators(s, job, operator, borne, mul_div(borne, s.leaving[operator] * queues, delegated))
    if amount > borne:
        queued = mul_div(amount - borne, s.exiting[operator] * queues, own)
        slash(b, operator, s.exiting, operator, b.escrow, job, queued)
        slash(b, operator, s.stake, operator, b.escrow, job, amount - borne - queued)
    share = bips_of(amount, p.refund_bips)
    move(b.escrow, job, b.cash, b.requester[job], share)
    move(b.escrow, job, b.burnt, 0, amount - share)


@spec
def slash_delegators(s: State, job: int, operator: int, amount: int, queued: int) -> None:
    """Take `amount` from the delegators of `operator`, `queued` of it from their queue."""
    s.pool_slashed[operator] += amount - queued
    move(s.pool, operator, s.book.escrow, job, amount - queued)
    if queued == 0:
        return
    s.leaving_slashed[operator] += queued
    before = s.leaving[operator]
    move(s.leaving, operator, s.book.escrow, job, queued)
    cut_queue(s.remains, s.scale, operator, s.leaving[operator], before)


# Money in, money out.


@spec
def is_over_cap(p: Params, s: State, operator: int, amount: int) -> bool:
    """Say whether `amount` more would take `operator` above the cap."""
    return p.stake_cap_gwei > 0 and s.stake[operator] + s.pool[operator] + amount > p.stake_cap_gwei


@spec
def offer(p: Params, s: State, e: Event) -> Verdict:
    """Declare a capacity and name a commission."""
    if e.detail < 1 or e.detail > MAX_CAPACITY:
        return Verdict.BAD_DETAIL
    if p.own_commission == 1 and e.amount > BILLION:
        return Verdict.BAD_AMOUNT
    s.capacity[e.actor] = e.detail
    if p.own_commission == 1:
        s.commission[e.actor] = e.amount
    reweigh(p, s, e.actor)
    return Verdict.OK


@spec
def stake(p: Params, s: State, e: Event) -> Verdict:
    """Add to the operator's own stake."""
    if is_over_cap(p, s, e.actor, e.amount):
        return Verdict.FULL
    move(s.book.cash, e.actor, s.stake, e.actor, e.amount)
    reweigh(p, s, e.actor)
    return Verdict.OK


@spec
def unstake(p: Params, s: State, e: Event) -> Verdict:
    """Queue own stake; the time of all own money in the queue starts again."""
    if e.amount > s.stake[e.actor]:
        return Verdict.POOR
    move(s.stake, e.actor, s.exiting, e.actor, e.amount)
    s.matures[e.actor] = e.time + p.exit_ms
    reweigh(p, s, e.actor)
    return Verdict.OK


@spec
def delegate(p: Params, s: State, e: Event) -> Verdict:
    """Buy shares of an operator's pool."""
    operator = e.detail
    if operator < 0 or operator >= len(s.capacity) or s.capacity[operator] == 0:
        return Verdict.BAD_DETAIL
    if s.held[e.actor] > 0 and s.operator_of[e.actor] != operator:
        return Verdict.FULL
    issued = shares_for(e.amount, s.pool[operator], s.shares[operator])
    if is_over_cap(p, s, operator, e.amount) or issued > MAX_SHARES - s.shares[operator]:
        return Verdict.FULL
    if issued < MIN_SHARES:
        return Verdict.BAD_AMOUNT
    move(s.book.cash, e.actor, s.pool, operator, e.amount)
    s.shares[operator] += issued
    s.held[e.actor] += issued
    s.operator_of[e.actor] = operator
    reweigh(p, s, operator)
    return Verdict.OK


@spec
def undelegate(p: Params, s: State, e: Event) -> Verdict:
    """Give shares up and queue what they are worth; money still queued at another operator is in the way."""
    actor, operator = e.actor, e.detail
    held = s.held[actor]
    if held == 0:
        return Verdict.POOR
    if s.operator_of[actor] != operator:
        return Verdict.BAD_DETAIL
    queued = compute_claim(s, actor)
    if queued > 0 and e.time < s.claim_matures[actor] and s.claim_at[actor] != operator:
        return Verdict.EARLY
    if queued > 0 and e.time >= s.claim_matures[actor]:
        collect(s, actor, queued, queued)
        queued = 0
    burn = shares_worth(e.amount, held, s.pool[operator], s.shares[operator])
    amount = e.amount if burn < held else mul_div(held, s.pool[operator], s.shares[operator])
    s.held[actor] -= burn
    s.shares[operator] -= burn
    move(s.pool, operator, s.leaving, operator, amount)
    claim(s, actor, operator, queued + amount)
    s.claim_matures[actor] = e.time + p.unbonding_ms
    reweigh(p, s, operator)
    return Verdict.OK


@spec
def compute_claim(s: State, actor: int) -> int:
    """Gwei that slashes have left of what `actor` has in a queue, rounded down."""
    operator = int(s.claim_at[actor])
    return left_of(s.claim[actor], s.claim_remains[actor], s.claim_scale[actor], s.remains[operator], s.scale[operator])


@spec
def claim(s: State, actor: int, operator: int, amount: int) -> None:
    """Note that `actor` now has `amount` gwei in the queue of `operator`."""
    s.claim[actor] = amount
    s.claim_at[actor] = operator
    s.claim_remains[actor] = s.remains[operator]
    s.claim_scale[actor] = s.scale[operator]


@spec
def collect(s: State, actor: int, queued: int, amount: int) -> None:
    """Pay `amount` of the `queued` gwei of `actor` out of the queue it is in."""
    operator = int(s.claim_at[actor])
    move(s.leaving, operator, s.book.cash, actor, amount)
    claim(s, actor, operator, queued - amount)


@spec
def withdraw(s: State, e: Event) -> Verdict:
    """Pay out matured money: `e.amount`, own stake first, or all of it for 0."""
    actor = e.actor
    queued = compute_claim(s, actor)
    if s.exiting[actor] + queued == 0:
        return Verdict.POOR
    own = s.exiting[actor] if e.time >= s.matures[actor] else 0
    delegated = queued if e.time >= s.claim_matures[actor] else 0
    if own + delegated == 0:
        return Verdict.EARLY
    if e.amount > own + delegated:
        return Verdict.POOR
    amount = e.amount if e.amount > 0 else own + delegated
    own = min(own, amount)
    move(s.exiting, actor, s.book.cash, actor, own)
    if amount > own:
        collect(s, actor, queued, amount - own)
    return Verdict.OK


@spec
def transfer(s: State, e: Event) -> Verdict:
    """Move cash to the payee."""
    if e.detail < 0 or e.detail >= len(s.capacity):
        return Verdict.BAD_DETAIL
    move(s.book.cash, e.actor, s.book.cash, e.detail, e.amount)
    return Verdict.OK


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.PROVE:
        return prove(p, s, e)
    if e.kind == Kind.EXPIRE:
        return expire(p, s, e)
    if e.kind == Kind.DECLINE:
        return decline(p, s, e)
    if e.kind == Kind.TRANSFER:
        return transfer(s, e)
    if e.kind == Kind.OFFER:
        return offer(p, s, e)
    if e.kind == Kind.STAKE:
        return stake(p, s, e)
    if e.kind == Kind.UNSTAKE:
        return unstake(p, s, e)
    if e.kind == Kind.DELEGATE:
        return delegate(p, s, e)
    if e.kind == Kind.UNDELEGATE:
        return undelegate(p, s, e)
    if e.kind == Kind.WITHDRAW:
        return withdraw(s, e)
    return Verdict.UNKNOWN
