"""Bought proof: the proposer hires a prover before the work, pays at once, and a bond is all that holds the prover.

Rules
    OFFER is a standing signed assignment: a fee per proof and the jobs its prover takes at once; it holds until the
    next one, or `offer_ms`. STAKE and UNSTAKE move the tokens a prover has ready for bonds.
    REQUEST buys: of the standing offers with free capacity and enough stake for the liveness bond the cheapest is
    taken (ties: the lower number). The bond is locked, the fee for the job's minimum tier goes to the prover at once
    and for good, and the proposer is minted `reward_gwei_per_s` for each second since the last proposal, up to
    `reward_max_gwei`. PROVE in the window: only the hired prover. Later: anyone, and the hired prover too under
    `late_self`. Tiers: 1 optimistic, 2 SGX, 3 SGX and ZK, 4 guardian; `detail` 0 means the job's minimum tier, `word`
    what is proven. Whoever proves posts the validity bond of its tier from its cash.
    CONTEST posts the contest bond against another's proof; PROVE of a higher tier decides. Upheld: the old prover has
    its bond V back, and it and the new prover have 1/4 of the contest bond each. Overturned: the contester has its
    bond back, and it and the new prover have 1/4 of V each. Uncontested overthrow: the new prover has 1/2 of V. The
    remainder stays with the protocol.
    SETTLE after the cooldown: validity bond to the prover of record; liveness bond back to the hired prover if it is
    the prover of record and was in time, else `late_share` of it to whoever is, and the rest is burnt or kept.

Units
    money gwei, 10**9 to the token (the contracts count 10**18, so floors here are coarser); time ms. The fee was paid
    in ETH and the bond in TAIKO: here both are the one token of the market.

Randomness
    REQUEST only: `e.word` draws the minimum tier when `zk_in` or `tee_in` is set, by `ticket_of`; the contract takes
    `rand % 500` and `rand % 10` of one random number, so the rarer tier takes its share out of the other's.

Source
    taikoxyz/taiko-mono packages/protocol/contracts/L1: alpha-5 (the default) TaikoL1.sol and libs/Lib{Proposing,
    Proving,Verifying}.sol @653cfc9d1b (2023-12-07); alpha-6 (`ALPHA6`) hooks/AssignmentHook.sol,
    tiers/TaikoA6TierProvider.sol and libs @eb8439565c (2024-03-18); the numbers of mainnet genesis (`GENESIS`)
    tiers/TierProviderBase.sol @cd51442551 (2024-05-15), its numbers alone: by then bonds were divided as in `bonded`.

Literal or intended
    The fee is sunk either way, literally: a hired prover that does not prove keeps it. `late_self = 1` is alpha-5,
    where the hired prover may come late itself and has a quarter of its own bond back; 0 is alpha-6, where it is shut
    out after the window, of contests and of higher tiers as well (a guardian proof excepted). Whom to hire was decided
    off chain; the cheapest offer is this rule's reading. `shun_ms` adds what only reputation could: who let a
    window pass is not hired for so long.

Simplified
    Jobs settle one by one, not in the order of the chain, and have one parent. No oracle prover in alpha-5 and no
    guardian's right to return a liveness bond in alpha-6; anyone may send a guardian proof where tier 4 is allowed. In
    alpha-6 the window and exclusion go by the tier of the proof sent, here by the job's minimum tier. Of the hook,
    the builder's tip, `maxBlockId`, `maxProposedIn` and the gas stipend are left out, and fees per tier are one offer
    times `*_fee` instead of a list. Unproven jobs are lost after `open_window_ms` and an undecided contest fails after
    `contest_window_ms`; both wait for ever on chain. When the mintable supply runs dry, what is there is minted.

Failure modes
    The fee is paid before the work and the bond does not grow with it: a prover defaults if the proof costs it more
    than the bond and its future, and enters only to default if the fee exceeds the bond. Many fees against few bonds
    make it a hit and run. There is no price on chain to learn from. Mainnet dropped it in June 2024: proposers had to
    be able to prove anyway.
"""

from typing import NamedTuple

from proofyard.core import (
    BIPS,
    MAX_CAPACITY,
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
    accept_proof,
    ask,
    assign,
    bips_of,
    check,
    move,
    move_stake,
    mul_div,
    open_to_all,
    out_of_range,
    pay,
    post_offer,
    slash,
    spec,
    ticket_of,
)

SOURCE = "Taiko alpha-5, taiko-mono LibProposing.sol@653cfc9d1b, and alpha-6, AssignmentHook.sol@eb8439565c"
FAMILY = "bought proof"

TOKEN = 10**9  # gwei
MINUTE = 60_000  # ms
DAY = 1440 * MINUTE
WEEK = 7 * DAY
MAX_BOND = 10**18  # gwei, a billion tokens
MAX_TIME = 2**50  # ms: no window is longer, so sums of times cannot overflow

OPTIMISTIC, TEE, ZK, GUARDIAN = 1, 2, 3, 4  # tiers, in order of trust; TEE is SGX, ZK is SGX and ZK
NOBODY = -1


class Params(NamedTuple):
    """Defaults: alpha-5."""

    liveness_gwei: int = 2_500_000_000  # gwei: bond of an assignment, 2.5 tokens (proofBond)
    late_share: int = 2_500  # bips of it for whoever proves instead of the hired prover, or late
    late_burnt: int = 1  # what is left of it: 1 burnt, 0 kept by the protocol
    late_self: int = 1  # switch: 0 = the hired prover may not prove after its window
    shun_ms: int = 0  # ms a prover that let a window pass is not hired; not in the contract
    offer_ms: int = 0  # ms an offer stands, 0 = until the next
    min_tier: int = ZK  # 1..4: the lowest tier that counts
    top_tier: int = ZK  # 1..4: the highest tier there is
    zk_in: int = 0  # one job in so many asks for ZK at least, 0 = none
    tee_in: int = 0  # one job in so many asks for SGX at least, 0 = none
    optimistic_fee: int = BIPS  # bips of the offer, the fee of an optimistic proof
    tee_fee: int = BIPS  # bips of the offer
    zk_fee: int = BIPS  # bips of the offer
    guardian_fee: int = BIPS  # bips of the offer
    optimistic_validity_gwei: int = 0  # gwei: bond of an optimistic proof
    optimistic_contest_gwei: int = 0  # gwei: bond against it
    optimistic_cooldown_ms: int = 10 * MINUTE  # ms from proof to settlement
    optimistic_window_ms: int = 90 * MINUTE  # ms only the hired prover may prove, if the job asks for this tier
    tee_validity_gwei: int = 0  # gwei: bond of an SGX proof
    tee_contest_gwei: int = 0  # gwei: bond against it
    tee_cooldown_ms: int = 10 * MINUTE  # ms from proof to settlement
    tee_window_ms: int = 90 * MINUTE  # ms only the hired prover may prove
    zk_validity_gwei: int = 0  # gwei: bond of a ZK proof
    zk_contest_gwei: int = 0  # gwei: bond against it
    zk_cooldown_ms: int = 10 * MINUTE  # ms from proof to settlement
    zk_window_ms: int = 90 * MINUTE  # ms only the hired prover may prove
    guardian_cooldown_ms: int = 10 * MINUTE  # ms from proof to settlement
    guardian_window_ms: int = 90 * MINUTE  # ms only the hired prover may prove
    reward_gwei_per_s: int = TOKEN // 10  # gwei minted to the proposer for each second since the last proposal
    reward_max_gwei: int = 32 * TOKEN  # gwei minted for one proposal at most
    mint_supply_gwei: int = 10**16  # gwei the protocol can mint in all, ten million tokens
    open_window_ms: int = WEEK  # ms anybody may prove, then the job is lost (no such limit in the contract)
    contest_window_ms: int = WEEK  # ms to decide a contest, then it fails (no such limit in the contract)


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # ready for liveness bonds
    price: ByActor  # gwei per proof offered
    capacity: ByActor  # jobs at once, as offered; 0 = no offer
    offered: ByActor  # ms, when
    open_jobs: ByActor  # hired for, neither proven nor missed
    shunned: ByActor  # ms until which nobody hires it
    last_proposal: Once  # ms
    bond: GweiByJob  # liveness bond of the hired prover
    validity: GweiByJob  # bond of the standing proof
    contest_bond: GweiByJob  # of who contests the standing proof
    hired: ByJob  # actor that was paid
    contester: ByJob  # actor, while the job is CONTESTED
    min_tier: ByJob  # lowest tier that counts for it
    tier: ByJob  # of the standing proof, 0 = none
    transition: ByJob  # what the standing proof claims
    in_time: ByJob  # 1 = first proven within the window


ALPHA6 = Params(
    liveness_gwei=250 * TOKEN, late_share=5_000, late_burnt=0, late_self=0,
    min_tier=OPTIMISTIC, top_tier=GUARDIAN, zk_in=500, tee_in=10,
    optimistic_validity_gwei=250 * TOKEN, optimistic_contest_gwei=500 * TOKEN,
    optimistic_cooldown_ms=DAY, optimistic_window_ms=120 * MINUTE,
    tee_validity_gwei=500 * TOKEN, tee_contest_gwei=1000 * TOKEN, tee_cooldown_ms=DAY, tee_window_ms=240 * MINUTE,
    zk_validity_gwei=1000 * TOKEN, zk_contest_gwei=2000 * TOKEN, zk_cooldown_ms=DAY, zk_window_ms=360 * MINUTE,
    guardian_cooldown_ms=DAY, guardian_window_ms=480 * MINUTE, reward_gwei_per_s=0,
)  # fmt: skip
GENESIS = ALPHA6._replace(
    min_tier=TEE, zk_in=0, tee_in=0, tee_validity_gwei=250 * TOKEN, tee_contest_gwei=1640 * TOKEN,
    tee_window_ms=60 * MINUTE,
    zk_validity_gwei=500 * TOKEN, zk_contest_gwei=3280 * TOKEN, zk_window_ms=240 * MINUTE,
    optimistic_window_ms=30 * MINUTE,
    guardian_cooldown_ms=60 * MINUTE, guardian_window_ms=2880 * MINUTE,
)  # fmt: skip


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    limits = {
        "late_share": (0, BIPS), "late_burnt": (0, 1), "late_self": (0, 1), "zk_in": (0, 2**20), "tee_in": (0, 2**20),
        "min_tier": (OPTIMISTIC, GUARDIAN), "top_tier": (p.min_tier, GUARDIAN), "reward_gwei_per_s": (0, MAX_BOND),
        "reward_max_gwei": (0, MAX_BOND), "mint_supply_gwei": (0, MAX_BOND), "liveness_gwei": (0, MAX_BOND),
    }  # fmt: skip
    most = {"fee": 100 * BIPS, "gwei": MAX_BOND, "ms": MAX_TIME}  # by how a name ends
    usual = {name: (0, most.get(name.rpartition("_")[2], MAX_TIME)) for name in p._fields}
    complaint = out_of_range(p, usual | limits)
    if complaint:
        return complaint
    for name in ("optimistic", "tee", "zk"):
        if getattr(p, f"{name}_contest_gwei") == 0 and getattr(p, f"{name}_validity_gwei") > 0:
            return f"{name}_validity_gwei", "0, because nobody can contest a tier whose contest bond is 0"
    return None


def genesis(p: Params, s: State) -> None:
    """Put aside what can be minted."""
    s.book.reserve[0] = p.mint_supply_gwei


# Tiers.


@spec
def of_tier(tier: int, optimistic: int, tee: int, zk: int, guardian: int) -> int:
    """Pick the value of `tier`."""
    if tier == OPTIMISTIC:
        return optimistic
    if tier == TEE:
        return tee
    return zk if tier == ZK else guardian


@spec
def validity_bond(p: Params, tier: int) -> int:
    """Gwei the prover of a proof of `tier` must post."""
    return of_tier(tier, p.optimistic_validity_gwei, p.tee_validity_gwei, p.zk_validity_gwei, 0)


@spec
def contest_bond(p: Params, tier: int) -> int:
    """Gwei a contester of a proof of `tier` must post; 0 = it cannot be contested."""
    return of_tier(tier, p.optimistic_contest_gwei, p.tee_contest_gwei, p.zk_contest_gwei, 0)


@spec
def draw_tier(p: Params, word: int) -> int:
    """Minimum tier of a job (getMinTier)."""
    ticket = ticket_of(word, max(1, p.zk_in) * max(1, p.tee_in))
    if p.zk_in > 0 and ticket % p.zk_in == 0:
        return max(p.min_tier, min(ZK, p.top_tier))
    if p.tee_in > 0 and ticket % p.tee_in == 0:
        return max(p.min_tier, min(TEE, p.top_tier))
    return p.min_tier


@spec
def claimed_tier(s: State, e: Event) -> int:
    """Tier of the proof in `e`."""
    return s.min_tier[e.job] if e.detail == 0 else e.detail


# Buying.


@spec
def offer(s: State, e: Event) -> Verdict:
    """Let an assignment stand: a fee and how many jobs at once."""
    verdict = post_offer(s.price, s.capacity, e, 1, MAX_CAPACITY)
    if verdict == Verdict.OK:
        s.offered[e.actor] = e.time
    return verdict


@spec
def find_offer(p: Params, s: State, now: int) -> int:
    """Prover of the cheapest standing offer that can be taken, the lower number of two; NOBODY if there is none."""
    best = NOBODY
    for actor in range(len(s.price)):
        if s.open_jobs[actor] >= s.capacity[actor] or s.stake[actor] < p.liveness_gwei or now < s.shunned[actor]:
            continue
        if p.offer_ms > 0 and now >= s.offered[actor] + p.offer_ms:
            continue
        if best == NOBODY or s.price[actor] < s.price[best]:
            best = actor
    return best


@spec
def reward_proposer(p: Params, s: State, e: Event) -> None:
    """Mint to the proposer for the whole seconds since the last proposal."""
    seconds = e.time // 1000 - s.last_proposal[0] // 1000
    reward = min(p.reward_max_gwei, mul_div(p.reward_gwei_per_s, max(0, seconds), 1))
    move(s.book.reserve, 0, s.book.cash, e.actor, min(reward, s.book.reserve[0]))
    s.last_proposal[0] = e.time


@spec
def buy(p: Params, s: State, e: Event) -> Verdict:
    """Hire the cheapest prover: lock its bond and pay it, before the work and for good."""
    b, job = s.book, e.job
    hired = find_offer(p, s, e.time)
    if hired == NOBODY:
        return Verdict.NO_PROVER
    tier = draw_tier(p, e.word)
    fee = mul_div(s.price[hired], of_tier(tier, p.optimistic_fee, p.tee_fee, p.zk_fee, p.guardian_fee), BIPS)
    if fee > e.amount:
        return Verdict.TOO_DEAR
    ask(b, e, fee)
    window = of_tier(tier, p.optimistic_window_ms, p.tee_window_ms, p.zk_window_ms, p.guardian_window_ms)
    assign(b, job, hired, e.time + window)
    pay(b, job, fee)
    move(s.stake, hired, s.bond, job, p.liveness_gwei)
    s.open_jobs[hired] += 1
    s.hired[job] = hired
    s.min_tier[job] = tier
    reward_proposer(p, s, e)
    return Verdict.OK


# Proofs and contests.


@spec
def check_sender(p: Params, s: State, e: Event) -> Verdict:
    """Check as usual; a guardian proof may come from anyone at any time, the hired prover's only in its window."""
    verdict = check(s.book, e)
    if e.kind != Kind.PROVE and e.kind != Kind.CONTEST:
        return verdict
    guarded = e.kind == Kind.PROVE and claimed_tier(s, e) == GUARDIAN
    if verdict == Verdict.NOT_YOURS and guarded:
        return Verdict.LATE if e.time > s.book.deadline[e.job] else Verdict.OK
    shut_out = p.late_self == 0 and e.actor == s.hired[e.job] and s.book.phase[e.job] != Phase.ASSIGNED
    return Verdict.NOT_YOURS if verdict == Verdict.OK and shut_out and not guarded else verdict


@spec
def compute_reward(s: State, e: Event) -> int:
    """Gwei that the sender of a proof and the one it proves right have each of the loser's bond."""
    phase = s.book.phase[e.job]
    if phase == Phase.PROVEN:
        return s.validity[e.job] >> 1
    if phase != Phase.CONTESTED:
        return 0
    return (s.contest_bond[e.job] if e.word == s.transition[e.job] else s.validity[e.job]) >> 2


@spec
def compute_return(s: State, e: Event) -> int:
    """Gwei that comes to the sender of a deciding proof besides, if it is itself the one it proves right."""
    job = e.job
    if s.book.phase[job] != Phase.CONTESTED:
        return 0
    if e.word == s.transition[job]:
        return s.validity[job] + compute_reward(s, e) if e.actor == s.book.prover[job] else 0
    return s.contest_bond[job] + compute_reward(s, e) if e.actor == s.contester[job] else 0


@spec
def check_proof(p: Params, s: State, e: Event) -> Verdict:
    """Refuse a proof that says nothing new, at a tier that does not count here, or of a sender without the bond."""
    phase, tier, standing = s.book.phase[e.job], claimed_tier(s, e), s.tier[e.job]
    if phase == Phase.PROVEN and e.word == s.transition[e.job]:
        return Verdict.WRONG_PHASE
    if tier < s.min_tier[e.job] or tier > p.top_tier or tier < standing:
        return Verdict.BAD_DETAIL
    if tier == standing and tier != GUARDIAN:
        return Verdict.BAD_DETAIL
    gain = compute_reward(s, e) + compute_return(s, e)
    return Verdict.OK if s.book.cash[e.actor] + gain >= validity_bond(p, tier) else Verdict.POOR


@spec
def forfeit(b: Book, loser: int, pot: Ints, job: int, winner: int, amount: int) -> int:
    """Give `amount` of the loser's bond to the winner; return it, or 0 when both are the same actor."""
    if winner == loser:
        move(pot, job, b.cash, winner, amount)
        return 0
    slash(b, loser, pot, job, b.cash, winner, amount)
    return amount


@spec
def judge(s: State, e: Event) -> None:
    """Divide the bonds of the old claim by what the higher proof says of it."""
    b, job = s.book, e.job
    old, contester = b.prover[job], s.contester[job]
    contested, reward = b.phase[job] == Phase.CONTESTED, compute_reward(s, e)
    if contested and e.word == s.transition[job]:
        move(s.validity, job, b.cash, old, s.validity[job])
        forfeit(b, contester, s.contest_bond, job, old, reward)
        b.paid[job] += forfeit(b, contester, s.contest_bond, job, e.actor, reward)
        slash(b, contester, s.contest_bond, job, b.reserve, 0, s.contest_bond[job])
        return
    if contested:
        move(s.contest_bond, job, b.cash, contester, s.contest_bond[job])
        forfeit(b, old, s.validity, job, contester, reward)
    b.paid[job] += forfeit(b, old, s.validity, job, e.actor, reward)
    slash(b, old, s.validity, job, b.reserve, 0, s.validity[job])


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Settle accounts with what stood before, then let this proof stand, with its own bond."""
    b, job = s.book, e.job
    verdict = check_proof(p, s, e)
    if verdict != Verdict.OK:
        return verdict
    tier = claimed_tier(s, e)
    if b.phase[job] == Phase.ASSIGNED:
        s.open_jobs[s.hired[job]] -= 1
        s.in_time[job] = 1
    elif b.phase[job] != Phase.OPEN:
        judge(s, e)
    move(b.cash, e.actor, s.validity, job, validity_bond(p, tier))
    cooldown = of_tier(tier, p.optimistic_cooldown_ms, p.tee_cooldown_ms, p.zk_cooldown_ms, p.guardian_cooldown_ms)
    accept_proof(b, job, e.actor, e.time + cooldown)
    s.tier[job] = tier
    s.transition[job] = e.word
    return Verdict.OK


@spec
def contest(p: Params, s: State, e: Event) -> Verdict:
    """Post the contest bond against the standing proof."""
    b, job = s.book, e.job
    bond = contest_bond(p, s.tier[job])
    if bond == 0:
        return Verdict.BAD_DETAIL
    if bond > b.cash[e.actor]:
        return Verdict.POOR
    move(b.cash, e.actor, s.contest_bond, job, bond)
    s.contester[job] = e.actor
    b.phase[job] = Phase.CONTESTED
    b.deadline[job] = e.time + p.contest_window_ms
    return Verdict.OK


# Timers.


@spec
def take_rest(p: Params, s: State, job: int) -> None:
    """Burn or keep what is left of the liveness bond."""
    b = s.book
    slash(b, s.hired[job], s.bond, job, b.burnt if p.late_burnt == 1 else b.reserve, 0, s.bond[job])


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Open an unproven job to all; a second time, give it up with the whole bond."""
    b, job = s.book, e.job
    if b.phase[job] == Phase.ASSIGNED:
        s.open_jobs[s.hired[job]] -= 1
        s.shunned[s.hired[job]] = e.time + p.shun_ms
        open_to_all(b, job, e.time + p.open_window_ms)
        return
    take_rest(p, s, job)
    b.phase[job] = Phase.LOST


@spec
def settle(p: Params, s: State, e: Event) -> None:
    """Make the standing proof final and divide the liveness bond; an undecided contest has failed."""
    b, job = s.book, e.job
    prover, hired = b.prover[job], s.hired[job]
    slash(b, s.contester[job], s.contest_bond, job, b.reserve, 0, s.contest_bond[job])
    move(s.validity, job, b.cash, prover, s.validity[job])
    if prover == hired and (s.in_time[job] == 1 or p.late_self == 0):
        move(s.bond, job, s.stake, hired, s.bond[job])
    else:
        kept = bips_of(s.bond[job], BIPS - p.late_share)  # alpha-5 rounds what is paid down, alpha-6 what is kept
        share = bips_of(s.bond[job], p.late_share) if p.late_burnt == 1 else s.bond[job] - kept
        b.paid[job] += forfeit(b, hired, s.bond, job, prover, share)
        take_rest(p, s, job)
    b.phase[job] = Phase.SETTLED


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check_sender(p, s, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.OFFER:
        return offer(s, e)
    if e.kind == Kind.REQUEST:
        return buy(p, s, e)
    if e.kind == Kind.PROVE:
        return prove(p, s, e)
    if e.kind == Kind.CONTEST:
        return contest(p, s, e)
    if e.kind == Kind.STAKE or e.kind == Kind.UNSTAKE:
        return move_stake(s.book, s.stake, e)
    if e.kind == Kind.EXPIRE:
        expire(p, s, e)
    elif e.kind == Kind.SETTLE:
        settle(p, s, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
