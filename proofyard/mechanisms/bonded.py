"""Contestable bonded rollup: the proposer must prove, every claim carries a bond, and a higher proof decides disputes.

Rules
    REQUEST proposes: the proposer's liveness bond is locked and the job is the proposer's for the proving window of
    its minimum tier. Tiers: 1 optimistic, 2 SGX, 3 ZK (until Aug 2024 SGX+ZK), 4 guardian.
    PROVE claims transition `word` at tier `detail` (0 = the job's minimum tier) and posts the validity bond of that
    tier, netted with what the proof earns. A tier without contest bond is a top tier: it cannot be contested and its
    proofs are welcome from anyone within the window. First proof in the window: liveness bond back to the proposer.
    Late: by `era` kept, or 7/8 to the actual prover.
    CONTEST posts the contest bond of the standing tier within its cooldown; one contester at a time, a new clock.
    PROVE of a higher tier decides. Upheld: the old prover has its validity bond V back, the new prover earns 7/8 of
    the contest bond. Overturned: of 7/8 V the contester gets 3/4 and its bond back, the new prover 1/4. Uncontested,
    with another transition: the new prover earns 7/8 V. What is left is kept by the protocol.
    SETTLE after the cooldown returns the validity bond. Proving what stands already is refused as WRONG_PHASE, a tier
    that is too low as BAD_DETAIL, contesting a top tier as BAD_DETAIL.
    Pacaya (`era = 2`): no validity and contest bonds. In the window the proposer is the prover of record whoever sends
    the proof; late, the sender is. Liveness bond at settlement: all of it to a prover in time, half to a late one,
    the other half is burnt. A conflicting proof is refused (it paused the real system).

Units
    money gwei, 10**9 to the token (the contracts count 10**18, so floors here are coarser); time ms. int64 throughout.

Randomness
    REQUEST only: `e.word` draws the minimum tier when `zk_rate` > 0, by `ticket_of`; the contract takes `% n` of L1
    randomness. In PROVE the word is the claimed transition.

Source
    taiko-mono, packages/protocol/contracts: L1/libs/LibProving.sol@b7e12e3c36, layer1/based/LibProving.sol@9f99099ac2,
    tiers/TierProviderBase.sol at the commits that tests/mechanisms/taiko.py names, with its numbers by date; Pacaya
    layer1/based/TaikoInbox.sol@3d85f7ce04 (there 5 tokens more for each block of a batch and no cooldown on mainnet;
    125 flat and two hours @9f70297914).

Literal or intended
    Divisions follow the contract: `amount * 7 >> 3`, then `>> 2` and times 3; remainders stay with the protocol.
    Literal in the contract and different here: a proof at the very deadline is late there (`>=`) and in time here, and
    a higher proof may come after the cooldown there until somebody verifies; here it is late.
    `era = 0` is the rule up to 2024-09-19, which kept every late liveness bond; `era = 1` pays the rescuer, as meant.

Simplified
    The guardian minority tier, the guardian's right to return a late liveness bond, pauses, several transitions with
    different parents, block order and bond deposits are left out; bonds come straight from cash. In the contract an
    unproven block and an undecided contest wait for ever. Here an unproven job is lost after `open_window_ms` (the
    liveness bond is kept), and a contest that nobody decides within `contest_window_ms` fails: the burden of proof is
    the contester's, its bond is kept, the standing proof becomes final. `fee_rate` revives, in the simplest form, the
    fee that disappeared with the hooks: escrowed from the request, paid to the prover of record at settlement.
"""

from typing import NamedTuple

from proofyard.core import (
    BIPS,
    Book,
    ByJob,
    Event,
    GweiByJob,
    Ints,
    Kind,
    Phase,
    Verdict,
    accept_proof,
    ask,
    assign,
    bips_of,
    check,
    lose_job,
    move,
    open_to_all,
    out_of_range,
    settle_job,
    slash,
    spec,
    ticket_of,
)

SOURCE = "taikoxyz/taiko-mono, LibProving.sol@b7e12e3c36 and @9f99099ac2, TaikoInbox.sol@3d85f7ce04"
FAMILY = "bonded"

TOKEN = 10**9  # gwei
MINUTE = 60_000  # ms
WEEK = 7 * 24 * 60 * MINUTE
MAX_BOND = 10**18  # gwei, a billion tokens: seven times as much still fits in 63 bits
MAX_TIME = 2**50  # ms: no window is longer, so sums of times cannot overflow

OPTIMISTIC, TEE, ZK, GUARDIAN = 1, 2, 3, 4  # tiers, in order of trust; TEE is SGX
KEPT, SHARED, PACAYA = 0, 1, 2  # eras: what becomes of a late liveness bond


class Params(NamedTuple):
    """Defaults: mainnet as observed in November 2024 (Ontake)."""

    era: int = SHARED  # 0 late liveness bond kept (to 2024-09-19), 1 7/8 to the prover, 2 Pacaya: 1/2 to the prover
    liveness_gwei: int = 125 * TOKEN  # gwei: bond of a proposal
    min_tier: int = TEE  # 1..4: the lowest tier that counts
    zk_rate: int = 0  # bips: jobs that ask for ZK at least, drawn by lot
    fee_rate: int = 0  # bips of the request's amount, paid to the prover of record
    optimistic_validity_gwei: int = 75 * TOKEN  # gwei: bond of an optimistic proof
    optimistic_contest_gwei: int = 492_187_500_000  # gwei: bond against it
    optimistic_cooldown_ms: int = 1440 * MINUTE  # ms from proof to settlement
    optimistic_window_ms: int = 255 * MINUTE  # ms only the proposer may prove, if the job asks for this tier
    tee_validity_gwei: int = 150 * TOKEN  # gwei: bond of an SGX proof
    tee_contest_gwei: int = 984_375_000_000  # gwei: bond against it
    tee_cooldown_ms: int = 240 * MINUTE  # ms from proof to settlement
    tee_window_ms: int = 300 * MINUTE  # ms only the proposer may prove
    zk_validity_gwei: int = 225 * TOKEN  # gwei: bond of a ZK proof
    zk_contest_gwei: int = 1_476_562_500_000  # gwei: bond against it
    zk_cooldown_ms: int = 240 * MINUTE  # ms from proof to settlement
    zk_window_ms: int = 420 * MINUTE  # ms only the proposer may prove
    guardian_cooldown_ms: int = 240 * MINUTE  # ms from proof to settlement
    guardian_window_ms: int = 240 * MINUTE  # ms only the proposer may prove
    open_window_ms: int = WEEK  # ms anybody may prove, then the job is lost (no such limit in the contract)
    contest_window_ms: int = WEEK  # ms to decide a contest, then it fails (no such limit in the contract)


class State(NamedTuple):
    """The book, the bonds at risk and the standing claim of each job."""

    book: Book
    bond: GweiByJob  # liveness bond of the proposer
    validity: GweiByJob  # bond of the standing proof
    contest_bond: GweiByJob  # of who contests the standing proof
    contester: ByJob  # actor, while the job is CONTESTED
    min_tier: ByJob  # lowest tier that counts for it
    tier: ByJob  # of the standing proof, 0 = none
    transition: ByJob  # what the standing proof claims
    proposed: ByJob  # ms
    timestamp: ByJob  # ms of the standing proof or of its contest, whichever is later


def validate(p: Params) -> tuple[str, str] | None:
    """First parameter that makes no sense, and what was wanted."""
    ranges = {"zk_rate": (0, BIPS), "fee_rate": (0, BIPS), "era": (KEPT, PACAYA), "min_tier": (OPTIMISTIC, GUARDIAN)}
    bonds = {name: (0, MAX_BOND) for name in p._fields if name.endswith("_gwei")}
    complaint = out_of_range(p, bonds | ranges, (0, MAX_TIME))
    if complaint:
        return complaint
    values = p._asdict()
    for tier in ("optimistic", "tee", "zk"):
        if p.era == PACAYA and values[f"{tier}_contest_gwei"] > 0:
            return f"{tier}_contest_gwei", "0 in the Pacaya era"
        if values[f"{tier}_contest_gwei"] == 0 and values[f"{tier}_validity_gwei"] > 0:
            return f"{tier}_validity_gwei", "0, because nobody can contest a tier whose contest bond is 0"
    return None


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
    """Gwei a contester of a proof of `tier` must post; 0 = a top tier, which cannot be contested."""
    return of_tier(tier, p.optimistic_contest_gwei, p.tee_contest_gwei, p.zk_contest_gwei, 0)


@spec
def cooldown(p: Params, tier: int) -> int:
    """Milliseconds from a proof of `tier` to its settlement."""
    return of_tier(tier, p.optimistic_cooldown_ms, p.tee_cooldown_ms, p.zk_cooldown_ms, p.guardian_cooldown_ms)


@spec
def proving_window(p: Params, tier: int) -> int:
    """Milliseconds the proposer has for itself when the job asks for `tier`."""
    return of_tier(tier, p.optimistic_window_ms, p.tee_window_ms, p.zk_window_ms, p.guardian_window_ms)


@spec
def after_friction(amount: int) -> int:
    """Seven eighths of a forfeited bond: what is left to reward others with."""
    return amount * 7 >> 3


@spec
def forfeit(b: Book, loser: int, pot: Ints, job: int, winner: int, amount: int) -> int:
    """Give `amount` of the loser's bond to the winner; return it, or 0 when both are the same actor."""
    if winner == loser:
        move(pot, job, b.cash, winner, amount)
        return 0
    slash(b, loser, pot, job, b.cash, winner, amount)
    return amount


@spec
def claimed_tier(s: State, e: Event) -> int:
    """Tier of the proof in `e`."""
    return s.min_tier[e.job] if e.detail == 0 else e.detail


@spec
def check_window(p: Params, s: State, e: Event) -> Verdict:
    """Check as usual, but a proof of a top tier may come from anyone even in the proposer's window."""
    verdict = check(s.book, e)
    if verdict != Verdict.NOT_YOURS or e.kind != Kind.PROVE or contest_bond(p, claimed_tier(s, e)) > 0:
        return verdict
    return Verdict.LATE if e.time > s.book.deadline[e.job] else Verdict.OK


@spec
def propose(p: Params, s: State, e: Event) -> Verdict:
    """Lock the liveness bond and give the job to its proposer."""
    b = s.book
    fee = bips_of(e.amount, p.fee_rate)
    if fee + p.liveness_gwei > b.cash[e.actor]:
        return Verdict.POOR
    tier = p.min_tier
    if ticket_of(e.word, BIPS) < p.zk_rate:
        tier = max(tier, ZK)
    ask(b, e, fee)
    move(b.cash, e.actor, s.bond, e.job, p.liveness_gwei)
    assign(b, e.job, e.actor, e.time + proving_window(p, tier))
    s.min_tier[e.job] = tier
    s.proposed[e.job] = e.time
    return Verdict.OK


@spec
def check_proof(p: Params, s: State, e: Event) -> Verdict:
    """Refuse a proof that says nothing new, at a tier that does not count here, or of a sender without the bond."""
    phase = s.book.phase[e.job]
    tier, standing = claimed_tier(s, e), s.tier[e.job]
    if phase == Phase.PROVEN and (p.era == PACAYA or e.word == s.transition[e.job]):
        return Verdict.WRONG_PHASE
    if tier < s.min_tier[e.job] or tier > GUARDIAN:
        return Verdict.BAD_DETAIL
    if tier < standing or (tier == standing and contest_bond(p, tier) > 0):
        return Verdict.BAD_DETAIL
    gain = compute_reward(p, s, e) + compute_return(p, s, e)
    return Verdict.OK if s.book.cash[e.actor] + gain >= validity_bond(p, tier) else Verdict.POOR


@spec
def compute_reward(p: Params, s: State, e: Event) -> int:
    """Gwei the sender of a proof earns from whoever it shows to be late or wrong."""
    phase = s.book.phase[e.job]
    if phase == Phase.ASSIGNED:
        return 0
    if phase == Phase.OPEN:
        return after_friction(s.bond[e.job]) if p.era == SHARED else 0
    if phase == Phase.PROVEN:
        return after_friction(s.validity[e.job])
    if e.word == s.transition[e.job]:
        return after_friction(s.contest_bond[e.job])
    return after_friction(s.validity[e.job]) >> 2


@spec
def compute_return(p: Params, s: State, e: Event) -> int:
    """Gwei that comes to the sender of a proof besides its reward, as the proposer, old prover or contester."""
    b, job = s.book, e.job
    if b.phase[job] == Phase.ASSIGNED and p.era != PACAYA:
        return s.bond[job] if e.actor == b.requester[job] else 0
    if b.phase[job] != Phase.CONTESTED:
        return 0
    if e.word == s.transition[job]:
        return s.validity[job] if e.actor == b.prover[job] else 0
    return s.contest_bond[job] + 3 * compute_reward(p, s, e) if e.actor == s.contester[job] else 0


@spec
def release_liveness(p: Params, s: State, e: Event) -> None:
    """Decide the liveness bond at the first proof; in the Pacaya era it waits for settlement."""
    b, job = s.book, e.job
    proposer = b.requester[job]
    if p.era == PACAYA:
        return
    if b.phase[job] == Phase.ASSIGNED:
        move(s.bond, job, b.cash, proposer, s.bond[job])
    else:
        b.paid[job] += forfeit(b, proposer, s.bond, job, e.actor, compute_reward(p, s, e))
        slash(b, proposer, s.bond, job, b.reserve, 0, s.bond[job])


@spec
def judge(p: Params, s: State, e: Event) -> None:
    """Divide the bonds of the old claim by what the higher proof says of it."""
    b, job = s.book, e.job
    old, contester = b.prover[job], s.contester[job]
    contested = b.phase[job] == Phase.CONTESTED
    reward = compute_reward(p, s, e)
    if contested and e.word == s.transition[job]:
        move(s.validity, job, b.cash, old, s.validity[job])
        b.paid[job] += forfeit(b, contester, s.contest_bond, job, e.actor, reward)
        slash(b, contester, s.contest_bond, job, b.reserve, 0, s.contest_bond[job])
        return
    if contested:
        move(s.contest_bond, job, b.cash, contester, s.contest_bond[job])
        forfeit(b, old, s.validity, job, contester, 3 * reward)
    b.paid[job] += forfeit(b, old, s.validity, job, e.actor, reward)
    slash(b, old, s.validity, job, b.reserve, 0, s.validity[job])


@spec
def prove(p: Params, s: State, e: Event) -> Verdict:
    """Settle accounts with what stood before, then let this proof stand, with its own bond."""
    b, job = s.book, e.job
    verdict = check_proof(p, s, e)
    if verdict != Verdict.OK:
        return verdict
    tier, record = claimed_tier(s, e), e.actor
    if b.phase[job] == Phase.ASSIGNED and p.era == PACAYA:
        record = b.requester[job]
    if b.phase[job] == Phase.ASSIGNED or b.phase[job] == Phase.OPEN:
        release_liveness(p, s, e)
    else:
        judge(p, s, e)
    move(b.cash, e.actor, s.validity, job, validity_bond(p, tier))
    accept_proof(b, job, record, e.time + cooldown(p, tier))
    s.tier[job] = tier
    s.transition[job] = e.word
    s.timestamp[job] = e.time
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
    s.timestamp[job] = e.time
    b.phase[job] = Phase.CONTESTED
    b.deadline[job] = e.time + p.contest_window_ms
    return Verdict.OK


@spec
def expire(p: Params, s: State, e: Event) -> None:
    """Open an unproven job to all; a second time, give it up and keep the liveness bond."""
    b, job = s.book, e.job
    if b.phase[job] == Phase.ASSIGNED:
        open_to_all(b, job, e.time + p.open_window_ms)
        return
    slash(b, b.requester[job], s.bond, job, b.reserve, 0, s.bond[job])
    lose_job(b, job)


@spec
def settle(p: Params, s: State, e: Event) -> None:
    """Make the standing proof final: bonds and fee to the prover of record; an undecided contest has failed."""
    b, job = s.book, e.job
    prover, proposer = b.prover[job], b.requester[job]
    slash(b, s.contester[job], s.contest_bond, job, b.reserve, 0, s.contest_bond[job])
    move(s.validity, job, b.cash, prover, s.validity[job])
    if s.timestamp[job] > s.proposed[job] + proving_window(p, s.min_tier[job]):  # only Pacaya still holds the bond
        b.paid[job] += forfeit(b, proposer, s.bond, job, prover, s.bond[job] // 2)
        slash(b, proposer, s.bond, job, b.burnt, 0, s.bond[job])
    move(s.bond, job, b.cash, proposer, s.bond[job])
    settle_job(b, job)


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    verdict = check_window(p, s, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        return propose(p, s, e)
    if e.kind == Kind.PROVE:
        return prove(p, s, e)
    if e.kind == Kind.CONTEST:
        return contest(p, s, e)
    if e.kind == Kind.EXPIRE:
        expire(p, s, e)
    elif e.kind == Kind.SETTLE:
        settle(p, s, e)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
