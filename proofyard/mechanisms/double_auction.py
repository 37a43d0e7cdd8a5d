"""Knapsack double auction: jobs of any size, all or nothing, the marginal prover left out, critical prices (DARA).

Rules
    OFFER names a unit cost, for `unit_size` units of size, and how many jobs of that size a prover takes at once;
    STAKE the stake it can bind. REQUEST puts the value of a job of size q aside. The first CLOSE after a round's end
    decides all jobs whose round is over, on what provers have free: capacity, as far as stake can be bound to it.
    Who could trade: jobs by value per unit, the highest first, are laid along the provers by unit cost, the cheapest
    first; a job is taken if its end lies within all capacity and its value per unit is at least the unit cost there,
    else passed over. The prover in whose part the last job taken ends is the marginal one.
    Who trades: the provers before the marginal one. The jobs taken above are given, the highest value per unit first,
    each as a whole to the first prover by number that has room for it; what finds no room is LOST, like all the rest.
    Prices: each prover earns the marginal prover's unit cost, each user pays the lowest value per unit at which its
    job would still be served, others as they are, found by bisection. For jobs of one size and provers of one job that
    is McAfee's trade reduction: the unit cost and the value of the pair left out.
    PROVE in the window pays; what users pay above what provers earn is kept in the reserve. Stake in proportion to
    size is bound to a job, `bond_gwei` for `unit_size`; EXPIRE refunds the user and takes it, a share to the user, the
    rest burnt.

Units
    Money gwei, time ms, sizes as they come, e.g. gas. Values per unit are rounded down to a gwei for `unit_size`.

Randomness
    None: ties go to the lower number.

Source
    docs.lagrange.dev on DARA (Lagrange-Labs/docs@3720aec); ePrint 2024/1750, abstract only.

Literal or intended
    [RECON] Known are the parties' reports, that allocation is a greedy knapsack and payments are thresholds, and the
    claims: truthful, weakly group-strategyproof, individually rational, weakly budget balanced, near-linear time. What
    is above is a reconstruction. Derived for it: unit costs and values are reported truthfully, because a winner's
    report changes neither what it trades nor its price; and each user pays at least what its prover earns, with jobs
    of any sizes: valued below the marginal unit cost, a job would end beyond the room that is cheaper, whether the jobs
    before it are the same or one that did not fit takes its place. With jobs of one size a search finds no group that
    gains all together; with several sizes there are such groups: small jobs that push a large one out. So in this the
    reconstruction is not the original, or the original's claim is another. Prices take more than linear time.

Simplified
    One round is one market. Rounds, windows and shares of lost stake are ours. Stake is the prover's own, not
    delegated; anybody may register. A prover's capacity counts units, whatever its machines are; a job is one prover's.

Failure modes
    The marginal prover's whole capacity is left out, and with one prover there is no trade at all. Capacity is not
    reported truthfully: withholding it may raise the price. Jobs that fit all room may find none with one prover.
"""

from typing import NamedTuple

import numpy as np

from proofyard.core import (
    ANYONE,
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
    ask,
    assign,
    check,
    end_of_round,
    enqueue,
    forfeit_bond,
    lose_job,
    move,
    move_stake,
    mul_div,
    open_bidding,
    out_of_range,
    pay,
    post_offer,
    smallest_first,
    spec,
    take_due,
)

SOURCE = "Lagrange DARA (docs@3720aec, ePrint 2024/1750), reconstructed from its stated properties"
FAMILY = "auction"

MAX_CAPACITY = 2**20  # jobs of `unit_size`
MAX_SIZE = 2**34  # of a job: sums over all provers stay below 2**63
MAX_MS = 2**50  # no round and no window is longer, so sums of times cannot overflow


class Params(NamedTuple):
    """Times and amounts are assumptions."""

    round_ms: int = 60_000  # ms from one decision to the next, on a grid from genesis
    window_ms: int = 600_000  # ms from assignment to deadline
    unit_size: int = 22_000_000  # units of size that unit costs and capacities are told for: a median block's gas
    bond_gwei: int = 100_000_000  # gwei of stake bound for `unit_size`; 0 = none
    refund_bips: int = 5_000  # bips of lost stake paid to the user; the rest burns


class State(NamedTuple):
    """The book, the offers, and the jobs that wait for the end of their round."""

    book: Book
    stake: GweiByActor  # free to be bound
    bond: GweiByJob  # bound
    price: ByActor  # gwei for `unit_size`
    capacity: ByActor  # jobs of `unit_size` at once
    open_jobs: ByActor  # assigned and not over
    used: ByActor  # units of size of those
    size: ByJob  # units
    owed: ByJob  # gwei the prover earns on proof (a term, not money)
    waiting: ByJob  # in the order of their numbers, in the first `queued` places
    queued: Once  # jobs that wait


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    limits = {
        "round_ms": (1, MAX_MS), "window_ms": (1, MAX_MS), "unit_size": (1, MAX_SIZE), "bond_gwei": (0, MAX_GWEI),
        "refund_bips": (0, BIPS),
    }  # fmt: skip
    return out_of_range(p, limits)


# Who could trade, and who does. A market is plain arrays: values per unit and sizes of jobs, costs and room of provers.


@spec
def reorder(values: Ints, order: Ints, job: int, other_order: Ints) -> None:
    """Put into `other_order` what `order` lists, with `job` where its value now belongs, before its equals."""
    k, pending = 0, True
    for place in range(len(order)):
        other = order[place]
        if pending and other != job and values[job] >= values[other]:
            other_order[k] = job
            k, pending = k + 1, False
        if other != job:
            other_order[k] = other
            k += 1
    if pending:
        other_order[k] = job


@spec
def take(values: Ints, sizes: Ints, order: Ints, costs: Ints, rooms: Ints, ranks: Ints, given: Ints) -> int:
    """Lay jobs along the provers by cost; marks in `given` whether taken, returns the marginal rank, -1 without any."""
    total = 0
    for k in range(len(rooms)):
        total += int(rooms[k])
    used, marginal, before = 0, -1, 0  # before: the room of those cheaper than the marginal prover
    for place in range(len(order)):
        job = order[place]
        end = used + int(sizes[job])
        given[job] = ANYONE
        if end > total:
            continue
        rank, start = max(marginal, 0), before
        while start + int(rooms[ranks[rank]]) < end:
            start += int(rooms[ranks[rank]])
            rank += 1
        if values[job] >= costs[ranks[rank]]:
            given[job] = 0
            used, marginal, before = end, rank, start
    return marginal


@spec
def clear(values: Ints, sizes: Ints, order: Ints, costs: Ints, rooms: Ints, ranks: Ints, given: Ints) -> int:
    """Give jobs, in `order`, to provers: puts who has which into `given`, and returns the marginal rank."""
    marginal = take(values, sizes, order, costs, rooms, ranks, given)
    left = np.empty(len(rooms), np.int64)
    for rank in range(len(ranks)):
        left[ranks[rank]] = rooms[ranks[rank]] if rank < marginal else 0
    for place in range(len(order)):
        job = order[place]
        if given[job] == ANYONE:
            continue
        k = 0
        while k < len(left) and left[k] < sizes[job]:
            k += 1
        if k == len(left):
            given[job] = ANYONE
        else:
            given[job] = k
            left[k] -= sizes[job]
    return marginal


@spec
def critical_value(values: Ints, sizes: Ints, order: Ints, costs: Ints, rooms: Ints, ranks: Ints, job: int) -> int:
    """Find the lowest value per unit at which `job`, which is served, would be."""
    own = int(values[job])
    other_order, given = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
    loses, wins = 0, own  # unit costs are positive
    while wins - loses > 1:
        value = loses + (wins - loses) // 2
        values[job] = value
        reorder(values, order, job, other_order)
        clear(values, sizes, other_order, costs, rooms, ranks, given)
        if given[job] == ANYONE:
            loses = value
        else:
            wins = value
    values[job] = own
    return wins


# A round.


@spec
def free_units(p: Params, s: State, actor: int) -> int:
    """Units of size `actor` can take on now."""
    units = max(0, s.capacity[actor] * p.unit_size - s.used[actor])
    if p.bond_gwei > 0:
        units = min(units, mul_div(s.stake[actor], p.unit_size, p.bond_gwei))
    return units


@spec
def sellers(p: Params, s: State) -> Ints:
    """List the provers with units to sell, by number."""
    found, n = np.empty(len(s.price), np.int64), 0
    for actor in range(len(s.price)):
        if free_units(p, s, actor) > 0:
            found[n] = actor
            n += 1
    return found[:n]


@spec
def decide(p: Params, s: State, now: int) -> None:
    """Decide every job whose round is over."""
    b = s.book
    jobs, provers = take_due(b, s.waiting, s.queued, now), sellers(p, s)
    values, sizes, keys = np.empty(len(jobs), np.int64), np.empty(len(jobs), np.int64), np.empty(len(jobs), np.int64)
    for k in range(len(jobs)):
        sizes[k] = s.size[jobs[k]]
        values[k] = mul_div(int(b.escrow[jobs[k]]), p.unit_size, int(s.size[jobs[k]]))
        keys[k] = -values[k]
    costs, rooms = np.empty(len(provers), np.int64), np.empty(len(provers), np.int64)
    for k in range(len(provers)):
        costs[k], rooms[k] = s.price[provers[k]], free_units(p, s, provers[k])
    order, ranks, given = smallest_first(keys), smallest_first(costs), np.empty(len(jobs), np.int64)
    marginal = clear(values, sizes, order, costs, rooms, ranks, given)
    for k in range(len(jobs)):
        if given[k] == ANYONE:
            lose_job(b, jobs[k])
        else:
            value = critical_value(values, sizes, order, costs, rooms, ranks, k)
            hire(p, s, int(jobs[k]), int(provers[given[k]]), value, int(costs[ranks[marginal]]), now)


@spec
def hire(p: Params, s: State, job: int, prover: int, value: int, cost: int, now: int) -> None:
    """Give `job` to `prover`: the user keeps what it pays in escrow, stake is bound."""
    b = s.book
    move(b.escrow, job, b.cash, b.requester[job], b.escrow[job] - mul_div(value, s.size[job], p.unit_size))
    move(s.stake, prover, s.bond, job, mul_div(p.bond_gwei, s.size[job], p.unit_size))
    s.owed[job] = mul_div(cost, s.size[job], p.unit_size)
    s.open_jobs[prover] += 1
    s.used[prover] += s.size[job]
    assign(b, job, prover, now + p.window_ms)


# Events.


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Let the job wait for the end of the round."""
    if e.amount == 0:
        return Verdict.BAD_AMOUNT
    if e.detail < 1 or e.detail > MAX_SIZE:
        return Verdict.BAD_DETAIL
    b = s.book
    ask(b, e, e.amount)
    open_bidding(b, e.job, end_of_round(e.time, p.round_ms))
    s.size[e.job] = e.detail
    enqueue(s.waiting, s.queued, e.job)
    return Verdict.OK


@spec
def release(s: State, job: int) -> None:
    """Count the job as over."""
    s.open_jobs[s.book.prover[job]] -= 1
    s.used[s.book.prover[job]] -= s.size[job]


@spec
def prove(s: State, job: int) -> None:
    """Pay the prover, keep the surplus, unbind the stake."""
    b = s.book
    prover = b.prover[job]
    pay(b, job, s.owed[job])
    move(b.escrow, job, b.reserve, 0, b.escrow[job])
    move(s.bond, job, s.stake, prover, s.bond[job])
    release(s, job)
    b.phase[job] = Phase.SETTLED


@spec
def expire(p: Params, s: State, job: int) -> None:
    """Refund the user of a job not proven in time, and take the stake bound to it."""
    lose_job(s.book, job)
    forfeit_bond(s.book, job, s.bond, p.refund_bips)
    release(s, job)


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
        prove(s, e.job)
    elif e.kind == Kind.EXPIRE:
        expire(p, s, e.job)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
