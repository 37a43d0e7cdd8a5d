"""Prooφ: a double auction in rounds; the cheapest provers serve the most valued tasks, the first rejected set prices.

Rules
    A prover names its unit cost and capacity (OFFER, standing; capacity 0 leaves) and posts collateral (STAKE, UNSTAKE
    of what is free). REQUEST puts the reported value of one task in escrow. Tasks wait for the end of their round; the
    first CLOSE after it decides all tasks whose round is over, at once. Tasks are sorted by value, f_1 >= f_2 >= ...
    (ties: lower job number), provers by unit cost, p_1 <= p_2 <= ... (ties: lower actor). A prover sells s_m units: its
    capacity less its outstanding jobs, and no more than its free collateral can bond. With S_m = s_1 + ... + s_m,
    m* = max{ m : m < #provers, S_m < #tasks, f_{S_m+1} >= p_{m+1} }: the S_m* first tasks go to provers 1..m*, each
    filling its units; each served user pays f_{S_m*+1}, each selected prover earns p_{m*+1} per proof. The rest of an
    escrow is refunded at once; the surplus is kept in the reserve or burnt when the proof comes. A task not served is
    refunded and LOST, or waits for the next round, `patience` times at most.
    Each assigned job locks `bond_gwei` of its prover. PROVE in the window pays and unlocks; EXPIRE refunds the user and
    slashes the bond: a share to the user, the rest burnt. The bond is flat because a bond in proportion to a price
    would make the units a prover can sell depend on the reports, and with them the truthfulness of both sides.
    `one_sided = 1`: a reverse auction with capacities and one price. Demand is the most tasks whose values cover the
    unit costs of as many units, highest values against lowest costs. Provers that are not needed for it are rejected;
    the price is the first rejected unit cost. If nobody is rejected it is `reserve_gwei`, or without a reserve the
    lowest value in that demand; provers dearer than the reserve do not take part. Tasks of the demand worth at least
    the price are served, the cheapest provers filled first, and users pay what provers earn.
    `round_ms = 0` (one-sided only): REQUEST itself gives the job to the cheapest free prover at the next cheapest free
    prover's unit cost (no other free: the reserve, or the request's amount): NO_PROVER, or TOO_DEAR above the amount.

Units
    Money gwei, time ms. A task is one proof whatever its size: `detail` of a REQUEST is ignored.

Randomness
    None: ties go to the lower number.

Source
    Wang, Zhou, Yaish, Zhang, Fisch, Livshits, "Prooφ: A ZKP Market Mechanism", arXiv 2404.06495v5 (March 2025).

Literal or intended
    [RECON] Only abstracts, introductions and descriptions by others were at hand: the formula is a reconstruction that
    has every property the paper states (a trade reduction in McAfee's manner with capacitated sellers). Truthful in
    value for users and in unit cost for provers, individually rational, weakly budget balanced; not truthful in
    capacity, not safe from false identities or collusion, not efficient. That holds within one round: with `patience`
    a user may wait for a cheaper one. The one-sided variants are truthful in unit cost only if the first rejected
    prover can replace any winner.

Simplified
    Bids are open, not sealed, and terms may change at any time; the paper fixes capacity over many rounds, so that
    withholding costs later sales. Windows, slashing shares and carrying over are ours: the paper has no deadlines.
    Whether surplus is kept, burnt or rebated is not known. Users post nothing beyond the value they report. Payment is
    on delivery, so promising too much gains nothing and loses a bond for each missed unit.
"""

from typing import NamedTuple

import numpy as np

from proofyard.core import (
    ANYONE,
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
    Phase,
    Verdict,
    ask,
    assign,
    check,
    end_of_round,
    enqueue,
    forfeit_bond,
    highest_first,
    lose_job,
    lowest_first,
    move,
    move_stake,
    open_bidding,
    out_of_range,
    pay,
    post_offer,
    spec,
)

SOURCE = "Prooφ, arXiv 2404.06495v5, reconstructed from its stated properties"
FAMILY = "auction"

MAX_TIME = 2**50  # ms: no round and no window is longer, so sums of times cannot overflow


class Params(NamedTuple):
    round_ms: int = 60_000  # ms from one decision to the next, on a grid from genesis; 0 = decide at once (one-sided)
    window_ms: int = 600_000  # ms from assignment to deadline
    patience: int = 0  # rounds a task not served may wait for; 0 = lost at once, as in the paper's single round
    bond_gwei: int = 100_000_000  # gwei locked per assigned job; 0 = no collateral
    refund_rate: int = 5_000  # bips of a lost bond paid to the requester; the rest burns
    burn_surplus: int = 0  # switch: 1 = what users pay above what provers earn burns, 0 = it is kept
    one_sided: int = 0  # switch: 1 = reverse auction, users pay what provers earn
    reserve_gwei: int = 0  # gwei, one-sided: the most that is paid per proof, 0 = no reserve


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # free to be bonded
    bond: GweiByJob  # at risk
    price: ByActor  # gwei per proof, reported unit cost
    capacity: ByActor  # proofs at once, reported
    open_jobs: ByActor  # assigned and not over
    owed: ByJob  # gwei the prover earns on proof (a term, not money)
    turns: ByJob  # rounds that turned the task away
    waiting: ByJob  # the tasks that wait, in the order of their numbers, in the first `queued` places
    queued: Once  # tasks that wait


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    limits = {
        "one_sided": (0, 1), "round_ms": (0 if p.one_sided == 1 else 1, MAX_TIME), "window_ms": (1, MAX_TIME),
        "patience": (0, 2**31 if p.round_ms > 0 else 0), "bond_gwei": (0, MAX_GWEI), "refund_rate": (0, BIPS),
        "burn_surplus": (0, 1 - p.one_sided), "reserve_gwei": (0, MAX_GWEI if p.one_sided == 1 else 0),
    }  # fmt: skip
    return out_of_range(p, limits)


@spec
def free_units(p: Params, s: State, actor: int) -> int:
    """Proofs `actor` can be given now, if above 0: its unused capacity, as far as collateral and reserve go."""
    units = s.capacity[actor] - s.open_jobs[actor]
    if p.bond_gwei > 0:
        units = min(units, s.stake[actor] // p.bond_gwei)
    if p.reserve_gwei > 0 and s.price[actor] > p.reserve_gwei:
        return 0
    return units


@spec
def sellers_by_cost(p: Params, s: State) -> Ints:
    """List the actors with units to sell, the cheapest first, the lower number first among equals."""
    found, n = np.empty(len(s.price), np.int64), 0
    for actor in range(len(s.price)):
        if free_units(p, s, actor) > 0:
            found[n] = actor
            n += 1
    return lowest_first(found[:n], s.price)


@spec
def tasks_by_value(s: State, now: int) -> Ints:
    """List the waiting jobs whose round is over, the most valued first, the lower number first among equals."""
    found, n = np.empty(s.queued[0], np.int64), 0
    for k in range(s.queued[0]):
        if s.book.deadline[s.waiting[k]] < now:
            found[n] = s.waiting[k]
            n += 1
    return highest_first(found[:n], s.book.escrow)


@spec
def clear_two_sided(p: Params, s: State, tasks: Ints, sellers: Ints) -> tuple[int, int, int]:
    """Find how many tasks are served, what each user pays and what each prover earns: the rule for m*."""
    served, charge, earned = 0, 0, 0
    units = 0  # S_m, while sellers[m] is the first rejected
    for m in range(len(sellers)):
        if units >= len(tasks):
            break
        value, cost = int(s.book.escrow[tasks[units]]), int(s.price[sellers[m]])
        if value < cost:
            break
        served, charge, earned = units, value, cost
        units += free_units(p, s, sellers[m])
    return served, charge, earned


@spec
def clear_one_sided(p: Params, s: State, tasks: Ints, sellers: Ints) -> tuple[int, int, int]:
    """Find how many tasks are served and the one price: the unit cost of the first seller the demand does not need."""
    escrow = s.book.escrow
    demand = 0
    price = 0  # until a seller is rejected; unit costs are positive
    for m in range(len(sellers)):
        cost, end = int(s.price[sellers[m]]), min(demand + free_units(p, s, sellers[m]), len(tasks))
        start = demand
        while demand < end and escrow[tasks[demand]] >= cost:
            demand += 1
        if demand == start:
            price = cost
            break
    if demand > 0 and price == 0:
        price = p.reserve_gwei if p.reserve_gwei > 0 else int(escrow[tasks[demand - 1]])
    served = 0
    while served < demand and escrow[tasks[served]] >= price:
        served += 1
    return served, price, price


@spec
def hire(p: Params, s: State, job: int, prover: int, charge: int, earned: int, now: int) -> None:
    """Give `job` to `prover`: the user keeps `charge` in escrow, the prover locks its bond."""
    b = s.book
    move(b.escrow, job, b.cash, b.requester[job], b.escrow[job] - charge)
    move(s.stake, prover, s.bond, job, p.bond_gwei)
    s.owed[job] = earned
    s.open_jobs[prover] += 1
    assign(b, job, prover, now + p.window_ms)


@spec
def turn_away(p: Params, s: State, job: int, now: int) -> None:
    """Let a task that was not served wait for the end of the present round, or give it up."""
    if s.turns[job] < p.patience:
        s.turns[job] += 1
        s.book.deadline[job] = end_of_round(now, p.round_ms)
        return
    lose_job(s.book, job)


@spec
def decide(p: Params, s: State, now: int) -> None:
    """Decide every task whose round is over."""
    tasks, sellers = tasks_by_value(s, now), sellers_by_cost(p, s)
    if p.one_sided == 1:
        served, charge, earned = clear_one_sided(p, s, tasks, sellers)
    else:
        served, charge, earned = clear_two_sided(p, s, tasks, sellers)
    k = 0
    for prover in sellers:
        end = min(k + free_units(p, s, prover), served)
        while k < end:
            hire(p, s, tasks[k], prover, charge, earned, now)
            k += 1
    while k < len(tasks):
        turn_away(p, s, tasks[k], now)
        k += 1
    left = 0
    for k in range(s.queued[0]):
        job = s.waiting[k]
        if s.book.phase[job] == Phase.BIDDING:
            s.waiting[left] = job
            left += 1
    s.queued[0] = left


@spec
def cheapest(p: Params, s: State, other: int) -> int:
    """Find the free prover with the lowest unit cost that is not `other`; ANYONE if there is none."""
    best = ANYONE
    for actor in range(len(s.price)):
        if actor != other and free_units(p, s, actor) > 0 and (best == ANYONE or s.price[actor] < s.price[best]):
            best = actor
    return best


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Let the task wait for the end of the round, or give it to the cheapest prover at the second price."""
    if e.amount == 0:
        return Verdict.BAD_AMOUNT
    if p.round_ms > 0:
        ask(s.book, e, e.amount)
        open_bidding(s.book, e.job, end_of_round(e.time, p.round_ms))
        enqueue(s.waiting, s.queued, e.job)
        return Verdict.OK
    prover = cheapest(p, s, ANYONE)
    if prover == ANYONE:
        return Verdict.NO_PROVER
    price = p.reserve_gwei if p.reserve_gwei > 0 else e.amount
    rival = cheapest(p, s, prover)
    if rival != ANYONE:
        price = s.price[rival]
    if max(price, s.price[prover]) > e.amount:
        return Verdict.TOO_DEAR
    ask(s.book, e, e.amount)
    hire(p, s, e.job, prover, price, price, e.time)
    return Verdict.OK


@spec
def prove(p: Params, s: State, job: int) -> None:
    """Pay the prover, keep or burn the surplus, unlock the bond."""
    b = s.book
    prover = b.prover[job]
    pay(b, job, s.owed[job])
    move(b.escrow, job, b.burnt if p.burn_surplus == 1 else b.reserve, 0, b.escrow[job])
    move(s.bond, job, s.stake, prover, s.bond[job])
    s.open_jobs[prover] -= 1
    b.phase[job] = Phase.SETTLED


@spec
def expire(p: Params, s: State, job: int) -> None:
    """Refund the user of a job not proven in time, and slash its prover."""
    b = s.book
    lose_job(b, job)
    forfeit_bond(b, job, s.bond, p.refund_rate)
    s.open_jobs[b.prover[job]] -= 1


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    b = s.book
    verdict = check(b, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.OFFER:
        return post_offer(s.price, s.capacity, e, 0, MAX_CAPACITY)
    if e.kind == Kind.STAKE or e.kind == Kind.UNSTAKE:
        return move_stake(b, s.stake, e)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.CLOSE:
        decide(p, s, e.time)
    elif e.kind == Kind.PROVE:
        prove(p, s, e.job)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e.job)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
