"""The staked pool of the reference benchmark: seats and lots by stake, which rewards and slashes change at once.

Rules       The `seats` largest stakes (ties to the lower number; 0: everybody) share jobs in proportion to stake. A
            proof in time adds `reward` to the stake, a missed deadline takes the larger of `slash_ppm` of it and
            `slash_min`.
Units       money micro-units, time ns.
Randomness  `e.word` through `ticket_of`.
Source      the workload `pool` of the reference programs in C, SimPy and Mesa this is compared with.
"""

from typing import Annotated, NamedTuple

from proofyard.core import (
    Book,
    ByActor,
    Event,
    GweiByActor,
    Ints,
    Kind,
    Once,
    Phase,
    Tree,
    Verdict,
    add_weight,
    ask,
    assign,
    check,
    find,
    find_by_scan,
    move,
    mul_div,
    refund,
    slash,
    spec,
    ticket_of,
    total_weight,
)

SOURCE = "reference benchmark, workload pool"
FAMILY = "benchmark"
MAX_SEATS = 64


class Params(NamedTuple):
    """What the reference programs call k_ppm, min_slash and so on."""

    seats: int = 32  # size of the active set, 0 = everybody
    window: int = 30_000_000_000  # ns
    slash_ppm: int = 10_000
    slash_min: int = 1_000_000
    reward: int = 1_000_000


class State(NamedTuple):
    """Stakes, the seats, and a heap of those without a seat, largest stake first."""

    book: Book
    stake: GweiByActor
    seat_weight: Annotated[Ints, 64]
    seat_actor: Annotated[Ints, 64]
    seat: ByActor  # seat number from 1, 0 none
    bench: ByActor  # heap of actors without a seat
    place: ByActor  # of an actor in that heap
    tree: Tree  # weights when everybody is active
    taken: Once  # seats taken
    waiting: Once  # actors in the heap
    total: Once  # weight of all seats
    churn: Once
    joined: ByActor  # 1 once it has a seat or a place in the heap


@spec
def better(s: State, one: int, other: int) -> bool:
    """Compare stakes: is that of `one` the larger, or its number the lower."""
    a, b = s.stake[one], s.stake[other]
    return a > b or (a == b and one < other)


@spec
def sift_up(s: State, k: int) -> None:
    """Restore the heap upwards from place `k`."""
    actor = s.bench[k]
    while k > 0:
        parent = (k - 1) >> 1
        if not better(s, actor, s.bench[parent]):
            break
        s.bench[k] = s.bench[parent]
        s.place[s.bench[k]] = k
        k = parent
    s.bench[k] = actor
    s.place[actor] = k


@spec
def sift_down(s: State, k: int) -> None:
    """Restore the heap downwards from place `k`."""
    actor = s.bench[k]
    child = 2 * k + 1
    while child < s.waiting[0]:
        if child + 1 < s.waiting[0] and better(s, s.bench[child + 1], s.bench[child]):
            child += 1
        if not better(s, s.bench[child], actor):
            break
        s.bench[k] = s.bench[child]
        s.place[s.bench[k]] = k
        k = child
        child = 2 * k + 1
    s.bench[k] = actor
    s.place[actor] = k


@spec
def swap_in(s: State, k: int, place: int) -> None:
    """Give seat index `k` to the actor at `place` of the heap; its holder takes that place."""
    loser, winner = s.seat_actor[k], s.bench[place]
    s.total[0] += s.stake[winner] - s.stake[loser]
    s.seat_actor[k] = winner
    s.seat_weight[k] = s.stake[winner]
    s.seat[winner] = k + 1
    s.seat[loser] = 0
    s.bench[place] = loser
    s.place[loser] = place
    sift_down(s, place)
    sift_up(s, int(s.place[loser]))
    s.churn[0] += 1


@spec
def lowest_seat(p: Params, s: State) -> int:
    """Index of the seat with the smallest stake."""
    low = 0
    for k in range(1, p.seats):
        if better(s, s.seat_actor[low], s.seat_actor[k]):
            low = k
    return low


@spec
def reweigh(p: Params, s: State, actor: int, change: int) -> None:
    """Adjust weights and seats to a stake of `actor` that has changed by `change`."""
    if p.seats == 0:
        add_weight(s.tree, actor, change)
        return
    k = s.seat[actor] - 1
    if k >= 0:
        s.seat_weight[k] += change
        s.total[0] += change
        if change < 0 and s.waiting[0] > 0 and better(s, s.bench[0], actor):
            swap_in(s, k, 0)
    elif change < 0:
        sift_down(s, s.place[actor])
    else:
        sift_up(s, s.place[actor])
        low = lowest_seat(p, s)
        if better(s, actor, s.seat_actor[low]):
            swap_in(s, low, s.place[actor])


@spec
def join(p: Params, s: State, actor: int) -> None:
    """Seat a newcomer, or let it wait."""
    if p.seats > 0 and s.taken[0] < p.seats:
        s.seat_actor[s.taken[0]] = actor
        s.taken[0] += 1
        s.seat[actor] = s.taken[0]
    elif p.seats > 0:
        s.bench[s.waiting[0]] = actor
        s.place[actor] = s.waiting[0]
        s.waiting[0] += 1


@spec
def draw(p: Params, s: State, word: int) -> int:
    """Holder of the ticket `word`, -1 if nobody has a stake."""
    total = total_weight(s.tree) if p.seats == 0 else s.total[0]
    if total == 0:
        return -1
    if p.seats == 0:
        return find(s.tree, ticket_of(word, total))
    return s.seat_actor[find_by_scan(s.seat_weight, ticket_of(word, total))]


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    b = s.book
    verdict = check(b, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        if p.reward > e.amount:
            return Verdict.TOO_DEAR
        prover = draw(p, s, e.word)
        if prover < 0:
            return Verdict.NO_PROVER
        ask(b, e, p.reward)
        assign(b, e.job, prover, e.time + p.window)
    elif e.kind == Kind.PROVE:
        b.paid[e.job] = p.reward
        b.phase[e.job] = Phase.SETTLED
        move(b.escrow, e.job, s.stake, e.actor, p.reward)
        reweigh(p, s, e.actor, p.reward)
    elif e.kind == Kind.EXPIRE:
        prover = b.prover[e.job]
        held = int(s.stake[prover])
        lost = min(max(mul_div(held, p.slash_ppm, 1_000_000), p.slash_min), held)
        b.phase[e.job] = Phase.LOST
        refund(b, e.job)
        slash(b, prover, s.stake, prover, b.burnt, 0, lost)
        reweigh(p, s, prover, -lost)
    elif e.kind == Kind.STAKE:
        if s.joined[e.actor] == 0:
            s.joined[e.actor] = 1
            join(p, s, e.actor)
        move(b.cash, e.actor, s.stake, e.actor, e.amount)
        reweigh(p, s, e.actor, e.amount)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
