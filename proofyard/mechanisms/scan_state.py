"""Scan state: each transaction put in a block is paid for with older proofs, bought where they are cheapest (Mina).

Rules
    REQUEST is a transaction with its fee, for the block of the next slot. A block is made by the first timer after the
    end of a slot; slots that no timer came for are made up for until one would change nothing. `patience` slots after
    it was asked for, a transaction no block took is refunded and LOST.
    Blocks fill the leaves of a forest of binary trees, 2^D a tree, D = `capacity_log_2`, and 2^D a block at most. Each
    leaf filled costs one bundle of two older proofs: the leaf proofs of the tree w + 1 trees older, w = `work_delay`,
    the merges one level up of the tree 2 (w + 1) older, and so on up to the root of the one (D + 1)(w + 1) older:
    2^(D+1) - 1 proofs a tree. So bundle n is due when leaf n + (w + 1) 2^D is filled, and each leaf makes one bundle.
    OFFER names a worker's fee for a bundle; without one it asks `default_fee_gwei`. A transaction in a block is OPEN:
    any worker may PROVE its bundle, and the pool keeps one offer, PROVEN, replaced only by one strictly cheaper. The
    block that fills the leaf due pays the worker: SETTLED. If nobody proves a bundle for `self_prove` slots, or no
    block buys it for as long, producers prove it themselves, free: EXPIRE, SETTLE.
    A block: the bundles due come in order, so that the first one missing limits the leaves. A leaf goes to the
    coinbase, to each two of those who get money, the workers paid and the producer if fees are left over, and to each
    transaction. Fees of transactions pay workers; the coinbase, minted with each block, may pay what they do not
    cover. Among the numbers of leaves for which that holds, the one that takes most transactions, highest fees first.

Units
    Money gwei (MINA has 9 decimals), time ms. Sizes are ignored: bundles are alike.

Randomness
    None.

Source
    MinaProtocol/mina: mainnet.mlh, parallel scan, staged ledger and its diff creation; docs.minaprotocol.com on the
    scan state and SNARK workers.

Literal or intended
    Equal fees: `rust_ties = 0`, as the OCaml node, the earlier stays; `rust_ties = 1`, as the Rust node, a hash of
    (work, prover) decides. The hash here is another one.
    `coinbase_leaves`: a coinbase comes in up to two parts, each with a leaf of its own.

Simplified
    All block producers are one purse, and no slot is without producer: who makes a block does not change what it
    buys. They prove the bundles of their coinbase and fee transfers themselves, free. A bundle may be proven as soon
    as its transaction is in a block, and is the same work for all; in the forest it is some two proofs of its stage.
    The forest starts full of finished work. A block's two partitions are one. The coinbase pays any number of
    workers, and the coinbase of a block without leaves is lost. Jobs end when their bundle is paid for;
    `snarked` counts the trees whose root is out.

Failure modes
    Equal work undercuts itself down to the cost of the second cheapest worker, to the cheapest's if there are two of
    it; all other proofs of a bundle are waste. One bundle missing at the head stops the chain. Paying many workers
    takes leaves from transactions. A chain without transactions hardly advances its proofs.
"""

from typing import Annotated, NamedTuple

from proofyard.core import (
    ANYONE,
    MAX_GWEI,
    Book,
    ByActor,
    ByJob,
    Event,
    GweiOnce,
    Ints,
    Kind,
    Once,
    Phase,
    Verdict,
    ask,
    check,
    end_of_round,
    lose_job,
    move,
    open_bidding,
    open_to_all,
    out_of_range,
    spec,
)

SOURCE = "Mina: scan state and snark work market (mainnet.mlh, parallel scan, staged ledger diff)"
FAMILY = "chain"
EVERY_PROOF = True  # workers hand in what others have proven already, for less

TOKEN = 10**9  # gwei
RING = 4096  # leaves remembered, a power of two
MIN_LOG = 2  # of a tree's leaves: with two there is no room beside the coinbase and what the producer gets
MAX_LOG = 9
MAX_MS = 2**40
MAX_SLOTS = 2**20
MAX_PATIENCE = 150  # slots: a transaction asks at every slot, and has to come to an end
MASK = 2**31 - 1


class Params(NamedTuple):
    """Defaults: mainnet; what it has no number for is an assumption."""

    slot_ms: int = 180_000  # ms of a slot
    capacity_log_2: int = 7  # D: a tree has 2^D leaves, and a block fills no more
    work_delay: int = 2  # w: trees between the one filled and the one whose proofs it needs
    coinbase_gwei: int = 720 * TOKEN  # gwei minted for each block that fills a leaf
    coinbase_leaves: int = 1  # leaves it takes, 1 or 2
    supply_gwei: int = 200_000_000 * TOKEN  # gwei that can be minted; then coinbases are what is left, and 0
    default_fee_gwei: int = 25_000_000  # gwei a worker asks for a bundle when it has not said
    patience: int = 120  # slots a transaction waits for a block; an assumption
    self_prove: int = 480  # slots until producers prove what nobody has proven or bought; an assumption
    rust_ties: int = 0  # switch: 1 = equal fees are told apart by a hash, 0 = the earlier offer stays


class State(NamedTuple):
    """The pool of transactions, the forest as one row of leaves, and the pool of proofs."""

    book: Book
    price: ByActor  # gwei asked for a bundle, 0 = not said
    fee: ByJob  # gwei asked for the bundle of the job
    since: ByJob  # ms, when the transaction was asked for, then when its bundle was proven
    waiting: ByJob  # transactions without a block, the highest fee last, in the first `queued` places
    queued: Once  # transactions that wait
    leaves: Annotated[Ints, RING]  # the transaction of each leaf, plus 1; 0 = the producer's own, its bundle is there
    filled: Once  # leaves so far
    slot: Once  # number of the last slot with a block
    live: Once  # jobs not over
    snarked: Once  # trees whose root has been proven
    purse: GweiOnce  # what producers earned
    packed: Once  # how often a block has been put together, empty ones included
    counted: ByActor  # which time the worker was last counted among those to be paid


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense and what was wanted."""
    limits = {
        "slot_ms": (1, MAX_MS), "capacity_log_2": (MIN_LOG, MAX_LOG),
        "work_delay": (0, (RING >> min(MAX_LOG, max(0, p.capacity_log_2))) - 2), "coinbase_gwei": (0, MAX_GWEI),
        "coinbase_leaves": (1, 2), "supply_gwei": (0, MAX_GWEI // 2), "default_fee_gwei": (1, MAX_GWEI),
        "patience": (1, MAX_PATIENCE), "self_prove": (1, MAX_SLOTS), "rust_ties": (0, 1),
    }  # fmt: skip
    return out_of_range(p, limits)


def genesis(p: Params, s: State) -> None:
    """Put what can be minted into the protocol's reserve."""
    s.book.reserve[0] = p.supply_gwei


# The forest.


@spec
def due(p: Params, s: State, k: int) -> int:
    """Find the transaction whose bundle the k-th leaf of the next block needs; -1 if it needs none."""
    leaf = int(s.filled[0]) + k - ((p.work_delay + 1) << p.capacity_log_2)
    if leaf < 0:
        return -1
    return int(s.leaves[leaf & (RING - 1)]) - 1


@spec
def advance(p: Params, s: State, leaves: int) -> None:
    """Count leaves that were filled, and the trees whose root was among the proofs bought with them."""
    s.filled[0] += leaves
    delay = (p.capacity_log_2 + 1) * (p.work_delay + 1)
    tree = (s.filled[0] + (1 << p.capacity_log_2) - 1) >> p.capacity_log_2
    s.snarked[0] = max(0, tree - delay)


# A block.


@spec
def fee_of(s: State, k: int) -> int:
    """Fee of the transaction that is k-th by fee."""
    return int(s.book.escrow[s.waiting[s.queued[0] - 1 - k]])


@spec
def taken(p: Params, s: State, leaves: int, workers: int, cost: int, coinbase: int) -> int:
    """Say how many transactions fit `leaves`, if all leaves are used and all workers paid; -1 if that cannot be."""
    rest = leaves - (p.coinbase_leaves if coinbase > 0 else 0)
    for own in (1, 0):  # a share for the producer, if fees are left over
        count = rest - (workers + own + 1) // 2
        if 0 <= count <= s.queued[0]:
            fees = 0
            for k in range(count):
                fees += fee_of(s, k)
            if (fees > cost) == (own == 1) and cost <= fees + coinbase:
                return count
    return -1


@spec
def pack(p: Params, s: State, coinbase: int) -> tuple[int, int]:
    """Choose how many leaves to fill, and with how many transactions: most of these, with fewest leaves."""
    best, most = 0, -1
    workers, cost = 0, 0
    s.packed[0] += 1
    for k in range(1 << p.capacity_log_2):
        job = due(p, s, k)
        if most == s.queued[0] or (job >= 0 and s.book.phase[job] == Phase.OPEN):
            break
        if job >= 0 and s.book.phase[job] == Phase.PROVEN:
            worker = s.book.prover[job]
            cost += s.fee[job]
            workers += s.counted[worker] != s.packed[0]
            s.counted[worker] = s.packed[0]
        count = taken(p, s, k + 1, workers, cost, coinbase)
        if count > most:
            best, most = k + 1, count
    return best, max(0, most)


@spec
def include(p: Params, s: State, leaf: int, now: int) -> None:
    """Put the transaction with the highest fee into `leaf`; its fee is the producer's, its bundle is open to all."""
    b = s.book
    s.queued[0] -= 1
    job = int(s.waiting[s.queued[0]])
    s.waiting[s.queued[0]] = 0
    move(b.escrow, job, s.purse, 0, b.escrow[job])
    s.leaves[leaf & (RING - 1)] = job + 1
    open_to_all(b, job, now + p.self_prove * p.slot_ms)


@spec
def buy(s: State, job: int) -> None:
    """Pay the worker for a bundle."""
    b = s.book
    move(s.purse, 0, b.cash, b.prover[job], s.fee[job])
    b.paid[job] += s.fee[job]
    b.phase[job] = Phase.SETTLED
    s.live[0] -= 1


@spec
def make_block(p: Params, s: State, now: int) -> int:
    """Make a block; returns how many leaves it fills."""
    coinbase = min(p.coinbase_gwei, int(s.book.reserve[0]))
    leaves, transactions = pack(p, s, coinbase)
    if leaves == 0:
        return 0
    move(s.book.reserve, 0, s.purse, 0, coinbase)
    first = int(s.filled[0])
    for k in range(leaves):
        if k < transactions:
            include(p, s, first + k, now)
        else:
            s.leaves[(first + k) & (RING - 1)] = 0
    for k in range(leaves):
        job = due(p, s, k)
        if job >= 0 and s.book.phase[job] == Phase.PROVEN:
            buy(s, job)
    advance(p, s, leaves)
    return leaves


@spec
def make_blocks(p: Params, s: State, now: int) -> None:
    """Make the blocks of all slots since the last one, until one is empty or no job is left."""
    missing = now // p.slot_ms - s.slot[0]
    s.slot[0] = now // p.slot_ms
    while missing > 0 and s.live[0] > 0:
        missing -= 1
        if make_block(p, s, now) == 0:
            return


# Events.


@spec
def end_of_slot(p: Params, time: int) -> int:
    """Last millisecond of the slot that `time` is in."""
    return end_of_round(time, p.slot_ms)


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Put a transaction into the pool, in its place by fee; of equal fees the earlier one comes first."""
    if e.amount == 0:
        return Verdict.BAD_AMOUNT
    b = s.book
    ask(b, e, e.amount)
    open_bidding(b, e.job, end_of_slot(p, e.time))
    s.since[e.job] = e.time
    s.live[0] += 1
    k = s.queued[0]
    while k > 0 and b.escrow[s.waiting[k - 1]] >= e.amount:
        s.waiting[k] = s.waiting[k - 1]
        k -= 1
    s.waiting[k] = e.job
    s.queued[0] += 1
    return Verdict.OK


@spec
def close(p: Params, s: State, e: Event) -> None:
    """Make the block; a transaction that is not in it waits for the next one, or is given up."""
    b, job = s.book, e.job
    make_blocks(p, s, e.time)
    if b.phase[job] != Phase.BIDDING:
        return
    if e.time <= s.since[job] + p.patience * p.slot_ms:
        b.deadline[job] = end_of_slot(p, e.time)
        return
    k = s.queued[0] - 1
    last = s.waiting[k]
    while last != job:
        k -= 1
        last, s.waiting[k] = s.waiting[k], last
    s.queued[0] -= 1
    s.waiting[s.queued[0]] = 0
    lose_job(b, job)
    s.live[0] -= 1


@spec
def hash_of(job: int, actor: int) -> int:
    """Mix the numbers of a work and a worker."""
    mixed = ((int(job) + 1) * 2_654_435_761 ^ (int(actor) + 1) * 2_246_822_519) & MASK
    return (mixed * 1_103_515_245 >> 7) & MASK


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Offer a bundle to the pool, which keeps the cheapest."""
    b, job = s.book, e.job
    fee = int(s.price[e.actor]) if s.price[e.actor] > 0 else p.default_fee_gwei
    if b.phase[job] == Phase.PROVEN:
        wins_tie = p.rust_ties == 1 and hash_of(job, e.actor) < hash_of(job, b.prover[job])
        if fee > s.fee[job] or (fee == s.fee[job] and not wins_tie):
            return Verdict.TOO_DEAR
    else:
        b.phase[job] = Phase.PROVEN
        b.deadline[job] = end_of_slot(p, e.time)
        s.since[job] = e.time
    b.prover[job] = e.actor
    s.fee[job] = fee
    return Verdict.OK


@spec
def settle(p: Params, s: State, e: Event) -> None:
    """Make the block; an offer that is not bought with it is looked at again, ever more rarely, and dropped."""
    make_blocks(p, s, e.time)
    if s.book.phase[e.job] != Phase.PROVEN:
        return
    unsold = e.time - s.since[e.job]
    if unsold > p.self_prove * p.slot_ms:
        prove_free(s, e.job)
    else:
        s.book.deadline[e.job] = end_of_slot(p, e.time) + unsold


@spec
def prove_free(s: State, job: int) -> None:
    """Let producers prove a bundle."""
    s.book.prover[job] = ANYONE
    s.book.phase[job] = Phase.SETTLED
    s.live[0] -= 1


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.OFFER:
        s.price[e.actor] = e.amount
    elif e.kind == Kind.REQUEST:
        return request(p, s, e)
    elif e.kind == Kind.CLOSE:
        close(p, s, e)
    elif e.kind == Kind.PROVE:
        return prove(p, s, e)
    elif e.kind == Kind.SETTLE:
        settle(p, s, e)
    elif e.kind == Kind.EXPIRE:
        prove_free(s, e.job)
        make_blocks(p, s, e.time)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
