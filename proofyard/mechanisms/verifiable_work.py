"""Verifiable work: an emission each epoch, shared by cycles proven anywhere, up to a share of stake (Boundless PoVW).

Rules
    Every proof writes its cycles into its prover's work log, in the epoch in which it is handed in. The first proof,
    request or change of a stake after an epoch ends it, and mints its emission: 75 %, rounded up, for work, the rest
    for stake. A log gets min(emission x its cycles / all cycles, its prover's stake / 15), stake being that of the
    epoch's end; what is beyond the cap is never minted, and nobody else gets it. Stakers share their part by stake, in
    epochs without work too.
    Jobs are sold beside it. A REQUEST goes to whoever has room and offers to prove for least (OFFER: price per proof,
    and how many at once; 0 = none any more), if that is no more than it pays, equals by lot. PROVE in the window earns
    the price; EXPIRE refunds it. A REQUEST of somebody who has an offer is work it sets itself: it proves it, nobody
    pays, and the cycles count like any.
    STAKE adds to one position, unless that is leaving. UNSTAKE takes all of it, whatever the amount: from then on it
    counts for nothing, and WITHDRAW pays it `exit_ms` later (0 = all). Nothing is slashed.

Units
    Money 1e-9 ZKC, called gwei here; size of a job in cycles; time ms.

Randomness
    `e.word` of REQUEST, by `ticket_of`, among equal offers.

Source
    boundless-xyz/boundless@3835bc4 contracts/src/povw/{PovwAccounting,PovwMint}.sol and the program that computes what
    is minted, crates/povw/mint-calculator/src/main.rs; boundless-xyz/zkc@9cf057e src/libraries/{Supply,Constants}.sol,
    src/ZKC.sol, src/rewards/StakingRewards.sol.

Literal or intended
    Literal: the schedule (growth factors and supplies at the years' ends, 182 epochs a year), roundings, the cap by
    stake at the epoch's end. Supplies within a year are compounded here epoch by epoch, floored; the contract takes a
    power: they differ by less than 3e-6 ZKC. Shares of work are exact here, binary fractions there. From year 20 on
    nothing is emitted here. The docs speak of some 385,000 ZKC an epoch in the first year, the schedule has 371,820.

Simplified
    Fees are in ether there; here all is one money. Rewards are paid when the epoch ends; there each has to be claimed,
    with a proof. A log is updated by every proof; there a prover batches, and may pick the epoch. One recipient per
    log. Reward power delegated to a log is stake of its prover here. What stakers get for epochs that nothing happened
    in is rounded once. When the reserve runs dry, what is there is paid, the first actors first.

Failure modes
    It pays for cycles, not for use: where a cycle earns more than it costs, provers set themselves junk work until it
    no longer does, W* = 0.75 E / cost of a cycle. Jobs are then sold below cost, so prices say nothing of cost. The cap
    makes stake the bottleneck: whoever has less of it than 15 times its reward works in part for nothing.
"""

from typing import NamedTuple

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
    Kind,
    Once,
    Verdict,
    ask,
    assign,
    bips_of,
    check,
    lose_job,
    move,
    mul_div,
    out_of_range,
    post_offer,
    settle_job,
    spec,
    take_out_matured,
    ticket_of,
)

SOURCE = "Boundless PoVW: boundless@3835bc4 contracts/src/povw, zkc@9cf057e Supply.sol"
FAMILY = "shared reward"

TOKEN = 10**9  # gwei
DAY_MS = 86_400_000
MAX_MS = 2**48
MAX_CYCLES = 2**40  # of a job, so that those of an epoch add up
FROM_SCHEDULE = -1  # emission_gwei
EPOCHS_PER_YEAR = 182
LAST_EPOCH = 20 * EPOCHS_PER_YEAR  # from here on the supply stands still
# Growth of the supply in an epoch less one, 1e-18, by year (Supply.sol: Y0_R_PER_EPOCH …); the last one stays.
ONE = 10**18
GROWTH = (
    371_819_923_688_085, 346_075_250_234_369, 320_210_092_156_012, 294_223_313_256_956, 268_113_761_178_075,
    241_880_267_088_989, 215_521_645_372_515, 189_036_693_301_502, 162_424_190_707_866,
)  # fmt: skip
# Supply as each year begins, gwei (SUPPLY_YEAR_0 … 9, their last nine digits cut).
SUPPLY = (
    1_000_000_000_000_000_000, 1_069_999_999_999_998_184, 1_139_549_999_999_995_737, 1_207_922_999_999_993_680,
    1_274_358_764_999_991_093, 1_338_076_703_249_988_310, 1_398_290_154_896_235_164, 1_454_221_761_092_082_452,
    1_505_119_522_730_302_372, 1_550_273_108_412_208_360,
)  # fmt: skip


class Params(NamedTuple):
    """Defaults: the deployed constants, from the first epoch on; the window of a job is an assumption."""

    epoch_ms: int = 2 * DAY_MS  # ms of an epoch
    first_epoch: int = 0  # number of the epoch in which the market begins
    emission_gwei: int = FROM_SCHEDULE  # gwei an epoch; -1 = the schedule
    work_bips: int = 7_500  # bips of the emission that are paid for work; the rest is for stake
    cap_divisor: int = 15  # a work log gets at most stake / this an epoch; 0 = no cap
    exit_ms: int = 30 * DAY_MS  # ms from unstaking to withdrawing
    mintable_gwei: int = 300_000_000 * TOKEN  # gwei that rewards are minted from: the first four years
    window_ms: int = 3_600_000  # ms from assignment to deadline; an assumption


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # what the cap and the stakers' part go by
    exiting: GweiByActor  # unstaked: counts for nothing
    matures: ByActor  # ms, from when it can be withdrawn
    price: ByActor  # gwei per proof, as offered
    capacity: ByActor  # proofs at once, as offered; 0 = no offer
    open_jobs: ByActor  # assigned and not over
    cycles: ByJob  # cycles of the job
    work: ByActor  # cycles of the epoch
    earned: ByActor  # gwei, of fees and of work (a record)
    capped: ByActor  # gwei that the cap took (a record)
    total_work: Once  # cycles of the epoch
    staked: Once  # gwei, by all
    epoch: Once  # number of the epoch that `work` is of


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "epoch_ms": (1, MAX_MS), "first_epoch": (0, LAST_EPOCH), "emission_gwei": (FROM_SCHEDULE, MAX_GWEI // 2),
        "work_bips": (0, BIPS), "cap_divisor": (0, 2**31), "mintable_gwei": (0, MAX_GWEI // 2),
        "window_ms": (1, MAX_MS),
    }  # fmt: skip
    return out_of_range(p, limits, (0, MAX_MS))


def genesis(p: Params, s: State) -> None:
    """Begin with the first epoch, and what can be minted."""
    s.epoch[0] = p.first_epoch
    s.book.reserve[0] = p.mintable_gwei


# Epochs.


@spec
def supply_at(epoch: int) -> int:
    """Compute the supply as `epoch` begins (getSupplyAtEpoch), gwei."""
    epoch = min(epoch, LAST_EPOCH)
    year = min(epoch // EPOCHS_PER_YEAR, len(SUPPLY) - 1)
    supply = SUPPLY[year]
    growth = GROWTH[min(year, len(GROWTH) - 1)]
    for _ in range(epoch - year * EPOCHS_PER_YEAR):
        supply += mul_div(supply, growth, ONE)
    return supply


@spec
def emission(p: Params, first: int, end: int) -> int:
    """Gwei emitted in the epochs from `first` to before `end`, up to what any amount may be."""
    if p.emission_gwei == FROM_SCHEDULE:
        return supply_at(end) - supply_at(first)
    return min(mul_div(p.emission_gwei, end - first, 1), MAX_GWEI)


@spec
def reward(s: State, actor: int, amount: int) -> int:
    """Mint `amount` for `actor`, as far as it goes."""
    minted = min(amount, s.book.reserve[0])
    move(s.book.reserve, 0, s.book.cash, actor, minted)
    return minted


@spec
def end_epochs(p: Params, s: State, time: int) -> None:
    """Pay for the epochs that are over (_finalizePendingEpoch, the mint calculator, StakingRewards)."""
    now = p.first_epoch + time // p.epoch_ms
    pending = int(s.epoch[0])
    if now <= pending:
        return
    emitted = emission(p, pending, pending + 1)
    for_work = emitted - bips_of(emitted, BIPS - p.work_bips)
    for_stake = bips_of(emission(p, pending, now), BIPS - p.work_bips)
    for actor in range(len(s.work)):
        wanted = mul_div(for_work, s.work[actor], max(1, s.total_work[0]))
        allowed = min(wanted, s.stake[actor] // p.cap_divisor) if p.cap_divisor > 0 else wanted
        s.capped[actor] = min(s.capped[actor] + wanted - allowed, MAX_GWEI)
        s.earned[actor] += reward(s, actor, allowed)
        reward(s, actor, mul_div(for_stake, s.stake[actor], max(1, s.staked[0])))
        s.work[actor] = 0
    s.total_work[0] = 0
    s.epoch[0] = now


# Jobs.


@spec
def cheapest(s: State, most: int, word: int) -> int:
    """Find who has room and asks least, no more than `most`, equals by lot; ANYONE if there is nobody."""
    least, equals = most + 1, 0
    for actor in range(len(s.price)):
        if s.open_jobs[actor] < s.capacity[actor] and s.price[actor] <= least:
            equals = equals + 1 if s.price[actor] == least else 1
            least = s.price[actor]
    if least > most:
        return ANYONE
    ticket = ticket_of(word, equals)
    for actor in range(len(s.price)):
        if s.open_jobs[actor] < s.capacity[actor] and s.price[actor] == least:
            if ticket == 0:
                return actor
            ticket -= 1
    return ANYONE


@spec
def request(p: Params, s: State, e: Event) -> Verdict:
    """Give the job to the cheapest, or to whoever sets itself work."""
    if e.detail < 1 or e.detail > MAX_CYCLES:
        return Verdict.BAD_DETAIL
    own = s.capacity[e.actor] > 0
    prover = e.actor if own else cheapest(s, e.amount, e.word)
    if prover == ANYONE or s.open_jobs[prover] >= s.capacity[prover]:
        return Verdict.NO_PROVER
    end_epochs(p, s, e.time)
    ask(s.book, e, 0 if own else s.price[prover])
    assign(s.book, e.job, prover, e.time + p.window_ms)
    s.cycles[e.job] = e.detail
    s.open_jobs[prover] += 1
    return Verdict.OK


@spec
def prove(p: Params, s: State, e: Event) -> None:
    """Pay the price, and write the cycles into the work log (updateWorkLog)."""
    b, job = s.book, e.job
    end_epochs(p, s, e.time)
    s.earned[e.actor] += b.escrow[job]
    settle_job(b, job)
    s.work[e.actor] += s.cycles[job]
    s.total_work[0] += s.cycles[job]
    s.open_jobs[e.actor] -= 1


@spec
def expire(s: State, job: int) -> None:
    """Refund the requester."""
    lose_job(s.book, job)
    s.open_jobs[s.book.prover[job]] -= 1


@spec
def account(p: Params, s: State, e: Event) -> Verdict:
    """Offer, stake, unstake, withdraw."""
    actor = e.actor
    if e.kind == Kind.OFFER:
        return post_offer(s.price, s.capacity, e, 0, MAX_CAPACITY)
    if e.kind == Kind.STAKE:
        if s.exiting[actor] > 0:
            return Verdict.EARLY  # CannotAddToWithdrawingPosition
        end_epochs(p, s, e.time)
        move(s.book.cash, actor, s.stake, actor, e.amount)
        s.staked[0] += e.amount
    elif e.kind == Kind.UNSTAKE:
        if s.stake[actor] == 0:
            return Verdict.POOR
        end_epochs(p, s, e.time)
        s.staked[0] -= s.stake[actor]
        move(s.stake, actor, s.exiting, actor, s.stake[actor])
        s.matures[actor] = e.time + p.exit_ms
    elif e.kind == Kind.WITHDRAW:
        return take_out_matured(s.book, s.exiting, s.matures, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check(s.book, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind < Kind.REQUEST:
        return account(p, s, e)
    if e.kind == Kind.REQUEST:
        return request(p, s, e)
    if e.kind == Kind.PROVE:
        prove(p, s, e)
    elif e.kind == Kind.EXPIRE:
        expire(s, e.job)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
