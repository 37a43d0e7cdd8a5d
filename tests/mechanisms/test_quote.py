"""Epoch proof quotes: claims, bonds, pruning, what the code did. Sections are those of the field page on chains."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofyard.conformance import compiled
from proofyard.conformance.market import Market, Setup
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.core.rule import Rule, with_params
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import quote
from proofyard.mechanisms.quote import TOKEN, Params
from proofyard.scenario import read

WORD = 2**62
SLOT = 36_000
EPOCH = 32 * SLOT
CHEAP, DEAR, HELPER, SEQUENCER, NEXT = range(5)
CASH = 10**14
INCOME = 32 * 50 * TOKEN


class Chain:
    """An audited market with a deposit and a standing quote each: CHEAP 320 tokens an epoch, DEAR 480."""

    def __init__(self, p: Params | None = None, jobs: int = 6, *, quotes: bool = True) -> None:
        self.p = p or Params()
        self.market = Market(Setup(Rule("quote", quote, self.p), jobs, (CASH,) * 5))
        self.s, self.b = self.market.sheet.state, self.market.book
        for actor, price in ((CHEAP, 320), (DEAR, 480)) if quotes else ():
            self.ok(Kind.STAKE, 0, actor, amount=5_000 * TOKEN)
            self.ok(Kind.OFFER, 0, actor, amount=price * TOKEN, detail=2)

    def do(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> Verdict:
        job, amount, detail, word = (rest.get(name, 0) for name in ("job", "amount", "detail", "word"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, word))

    def ok(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def ask(self, job: int, epoch: int, fees: int = 0, actor: int = SEQUENCER) -> None:
        self.ok(Kind.REQUEST, epoch * EPOCH, actor, job=job, amount=fees)

    def over(self, job: int) -> None:
        """Let the epoch of `job` end."""
        self.ok(Kind.CLOSE, int(self.b.deadline[job]) + 1, job=job)

    def slot(self, job: int, word: int = 0) -> int:
        """Let the proposer of the present slot of the claim phase do as it does; return when."""
        now = int(self.b.deadline[job]) + 1
        self.ok(Kind.EXPIRE, now, job=job, word=word)
        return now

    def claimed(self, job: int = 0, epoch: int = 0, fees: int = 0) -> int:
        """Bring an epoch to where it is claimed in the first slot; return when."""
        self.ask(job, epoch, fees)
        self.over(job)
        return self.slot(job)

    def gain(self, actor: int) -> int:
        """Cash and deposit beyond what it began with."""
        return int(self.b.cash[actor] + self.s.stake[actor] + self.s.exiting[actor]) - CASH

    def phases(self, *jobs: int) -> list[Phase]:
        return [Phase(int(self.b.phase[job])) for job in jobs]


# --- the window ---


@pytest.mark.parametrize(("slot", "minutes"), [(1, 18.6), (13, 11.4)])
def test_time_left_by_the_slot_of_the_claim(slot: int, minutes: float) -> None:
    """2.5 and 7 item 8: 36 s: claim in slot 1: (32−1)·36 s = 18.6 min; in slot 13: (32−13)·36 s = 11.4 min."""
    c = Chain(Params(engage_bips=5_000))
    c.ask(0, 0)
    c.over(0)
    now = EPOCH
    for k in range(1, slot + 1):
        now = c.slot(0, 0 if k == slot else WORD - 1)
    assert c.phases(0) == [Phase.ASSIGNED]
    assert now == EPOCH + slot * SLOT
    assert (c.b.deadline[0] + 1 - now) / 60_000 == minutes
    assert c.do(Kind.PROVE, int(c.b.deadline[0]), CHEAP) == Verdict.OK


def test_prune_if_the_claim_phase_ends_unclaimed() -> None:
    """2.5: current proposer may claim in the first 13 slots of epoch n+1; prune if the window closes unclaimed."""
    c = Chain(Params(engage_bips=0))
    c.ask(0, 0, fees=32 * TOKEN)
    c.over(0)
    c.ask(1, 1, fees=32 * TOKEN)
    for _ in range(12):
        c.slot(0)
        assert c.phases(0) == [Phase.OPEN]
    assert c.slot(0) == EPOCH + 13 * SLOT
    assert c.phases(0, 1) == [Phase.LOST, Phase.BIDDING]
    assert c.s.blocks[1] == 32 - 13  # 8401: the first slots go, the subsequent blocks start a new pending chain
    assert c.b.escrow[1] == 19 * TOKEN
    assert c.gain(SEQUENCER) == -19 * TOKEN
    c.over(1)
    assert c.phases(1) == [Phase.OPEN]


@pytest.mark.parametrize(("late", "blocks"), [(0, 19), (1, 32)])
def test_an_epoch_asked_for_after_the_claim_phase_loses_no_block(late: int, blocks: int) -> None:
    c = Chain(quotes=False)
    c.ask(0, 0)
    c.over(0)
    for _ in range(12):
        c.slot(0)
    c.ok(Kind.REQUEST, EPOCH + 13 * SLOT + late, SEQUENCER, job=1)  # the last ms it can be claimed, and the one after
    c.ok(Kind.EXPIRE, EPOCH + 14 * SLOT, job=0)  # so late that nobody claims any more
    assert c.phases(0, 1) == [Phase.LOST, Phase.BIDDING]
    assert (c.s.blocks[1], c.s.parent[1]) == (blocks, 0)


def test_a_timer_that_comes_too_late_finds_the_claim_phase_over() -> None:
    for late, phase in ((13 * SLOT, Phase.ASSIGNED), (13 * SLOT + 1, Phase.LOST)):
        c = Chain()
        c.ask(0, 0)
        c.over(0)
        c.ok(Kind.EXPIRE, EPOCH + late, job=0)
        assert c.phases(0) == [phase]
    c = Chain()
    c.ask(0, 0)
    c.ok(Kind.CLOSE, EPOCH + 13 * SLOT, job=0)
    assert c.phases(0) == [Phase.LOST]


# --- claims ---


def test_the_fewest_bips_win_and_the_bond_is_locked() -> None:
    """2.5: OPEN: proposer may accept one quote, escrow locks bondAmount → CLAIMED(prover, bps)."""
    c = Chain()
    c.claimed()
    assert (c.b.prover[0], c.s.claim_bips[0], c.s.bond[0]) == (CHEAP, 2_000, 1_000 * TOKEN)
    assert c.s.stake[CHEAP] == 4_000 * TOKEN


def test_quotes_round_up() -> None:
    c = Chain()
    c.ok(Kind.OFFER, 0, CHEAP, amount=320 * TOKEN + 1, detail=1)
    c.claimed()
    assert c.s.claim_bips[0] == 2_001
    dear = Chain(quotes=False)
    dear.ok(Kind.STAKE, 0, CHEAP, amount=5_000 * TOKEN)
    dear.ok(Kind.OFFER, 0, CHEAP, amount=INCOME + 1, detail=1)
    dear.claimed()
    assert dear.phases(0) == [Phase.OPEN]  # guard: bps ≤ 10,000


def test_a_quote_for_one_epoch() -> None:
    """2.5: EpochProofQuote {epochToProve, validUntilSlot, bondAmount, prover, basisPointFee}, and its guards."""
    c = Chain()
    assert c.do(Kind.BID, 0, DEAR, amount=1_000 * TOKEN, detail=1_999) == Verdict.WRONG_PHASE
    c.ask(0, 0)
    assert c.do(Kind.BID, 0, DEAR, amount=1_000 * TOKEN - 1, detail=1_999) == Verdict.BAD_AMOUNT  # minimum bond 1,000
    assert c.do(Kind.BID, 0, DEAR, amount=5_000 * TOKEN + 1, detail=1_999) == Verdict.POOR  # free escrow ≥ bond
    assert c.do(Kind.BID, 0, DEAR, amount=1_000 * TOKEN, detail=10_001) == Verdict.BAD_DETAIL  # bps ≤ 10,000
    c.ok(Kind.BID, 0, DEAR, amount=3_000 * TOKEN, detail=1_999)
    c.over(0)
    assert c.do(Kind.BID, EPOCH, CHEAP, amount=1_000 * TOKEN, detail=1) == Verdict.WRONG_PHASE
    c.slot(0)
    assert (c.b.prover[0], c.s.claim_bips[0], c.s.bond[0]) == (DEAR, 1_999, 3_000 * TOKEN)
    c.ask(1, 1)
    c.ok(Kind.PROVE, EPOCH + 2 * SLOT, DEAR)
    c.over(1)
    c.slot(1)
    assert c.b.prover[1] == CHEAP  # quote.epoch = n


def test_a_quote_for_the_next_epoch_leaves_that_for_this_one() -> None:
    c = Chain(quotes=False)
    c.ok(Kind.STAKE, 0, DEAR, amount=5_000 * TOKEN)
    c.ask(0, 0)
    c.ok(Kind.BID, 0, DEAR, job=0, amount=3_000 * TOKEN, detail=1_999)
    c.over(0)
    c.ask(1, 1)
    c.ok(Kind.BID, EPOCH, DEAR, job=1, amount=2_000 * TOKEN, detail=2_500)  # while epoch 0 waits for its claim
    c.ok(Kind.BID, EPOCH + 1, DEAR, job=1, amount=1_500 * TOKEN, detail=2_400)  # instead of the one just above
    c.slot(0)
    assert (c.b.prover[0], c.s.claim_bips[0], c.s.bond[0]) == (DEAR, 1_999, 3_000 * TOKEN)
    c.ok(Kind.PROVE, EPOCH + 2 * SLOT, DEAR, job=0)
    assert c.gain(DEAR) == INCOME * 1_999 // 10_000
    c.over(1)
    c.slot(1)
    assert (c.b.prover[1], c.s.claim_bips[1], c.s.bond[1]) == (DEAR, 2_400, 1_500 * TOKEN)


def test_without_a_free_bond_or_capacity_there_is_no_claim() -> None:
    c = Chain()
    c.ok(Kind.UNSTAKE, 0, CHEAP, amount=4_001 * TOKEN)
    c.ok(Kind.WITHDRAW, EPOCH, CHEAP)
    c.claimed(0, 1)
    assert c.b.prover[0] == DEAR
    busy = Chain()
    for actor in (CHEAP, DEAR):
        busy.ok(Kind.OFFER, 0, actor, amount=actor + 1, detail=1)
    assert busy.claimed(0, 0) > 0
    busy.ok(Kind.OFFER, 2 * EPOCH, DEAR, amount=1, detail=1)
    busy.claimed(1, 2)
    assert busy.b.prover[:2].tolist() == [CHEAP, DEAR]  # CHEAP's epoch is over, but nobody has fired its timer


def test_one_claim_for_an_epoch() -> None:
    """2.5: one claim per epoch; guard: no earlier claim on n."""
    c = Chain()
    c.claimed()
    c.ok(Kind.OFFER, EPOCH + SLOT, DEAR, amount=1, detail=2)
    assert c.do(Kind.EXPIRE, EPOCH + 2 * SLOT, job=0) == Verdict.EARLY
    assert c.b.prover[0] == CHEAP


# --- proofs ---


def test_income_is_divided_by_the_bips_of_the_claim() -> None:
    """2.5: payout per block: (fees − burn + reward)·bps/10,000 to the bond provider, rest to the coinbase."""
    c = Chain(Params(burn_bips=2_500))
    c.ok(Kind.OFFER, 0, CHEAP, amount=0 + 1, detail=1)
    now = c.claimed(fees=1_280 * TOKEN + 7)
    c.s.claim_bips[0] = c.s.quoted_bips[0] = 3_333
    c.ok(Kind.PROVE, now, CHEAP)
    burnt = (1_280 * TOKEN + 7) // 4
    income = 1_280 * TOKEN + 7 - burnt + INCOME
    blocks = [income // 32 + (k < income % 32) for k in range(32)]
    assert c.gain(CHEAP) == c.b.paid[0] == sum(block * 3_333 // 10_000 for block in blocks)
    assert c.b.burnt[0] == burnt
    assert c.gain(SEQUENCER) == INCOME - burnt - c.gain(CHEAP)


def test_any_submitter_proves_and_the_owner_of_the_bond_is_paid() -> None:
    """2.5: CLAIMED → PROVEN (any submitter, before the end of n+1; fee split by bps) → bond to be returned."""
    c = Chain()
    now = c.claimed()
    c.ok(Kind.PROVE, now, HELPER)
    assert (c.gain(CHEAP), c.gain(HELPER)) == (320 * TOKEN, 0)
    assert c.s.stake[CHEAP] == 5_000 * TOKEN
    late = Chain()
    late.claimed()
    assert late.do(Kind.PROVE, 2 * EPOCH, CHEAP) == Verdict.LATE


def test_a_default_prunes_two_epochs_and_burns_the_bond() -> None:
    """2.5: CLAIMED → DEFAULTED at start of n+2 → prune to proven tip, bond to be forfeited."""
    c = Chain()
    c.claimed()
    c.ask(1, 1)
    assert c.slot(0) == 2 * EPOCH
    c.over(1)
    assert c.phases(0, 1) == [Phase.LOST, Phase.LOST]
    assert c.gain(CHEAP) == -1_000 * TOKEN
    assert c.b.burnt[0] == c.b.slashed[CHEAP] == 1_000 * TOKEN
    c.ask(2, 2)
    assert c.s.parent[2] == 0


def test_what_is_built_on_an_orphan_is_not() -> None:
    c = Chain()
    c.claimed()
    c.ask(1, 1)
    c.ask(2, 2)  # nobody fired a timer: 0 has defaulted, 1 with it
    assert c.s.parent[:3].tolist() == [0, 1, 0]


@pytest.mark.parametrize("cost", [999, 1_000, 1_001])
def test_a_default_pays_if_a_proof_costs_more_than_bond_and_fee(cost: int) -> None:
    """2.5: deterring default needs a very large bond: it is worth while as soon as cost > fee + bond."""
    honest, lazy = Chain(), Chain()
    now = honest.claimed()
    honest.ok(Kind.PROVE, now, CHEAP)
    lazy.claimed()
    lazy.slot(0)
    extra = 320  # the fee
    assert (lazy.gain(CHEAP) > honest.gain(CHEAP) - (cost + extra) * TOKEN) == (cost > 1_000)


# --- what the code did ---


def test_literally_the_bond_of_a_default_is_not_forfeited() -> None:
    """2.5 implementation gaps: bond never really forfeited: it stays in the escrow, burnt for nobody."""
    c = Chain(Params(literal=1))
    c.claimed()
    c.slot(0)
    assert (c.s.stuck[CHEAP], c.b.burnt[0], c.b.slashed[CHEAP]) == (1_000 * TOKEN, 0, 0)
    assert c.do(Kind.UNSTAKE, 2 * EPOCH, CHEAP, amount=4_000 * TOKEN + 1) == Verdict.POOR


@pytest.mark.parametrize("literal", [0, 1])
def test_a_stale_claim_pays_for_a_proof_before_the_next_claim(literal: int) -> None:
    """2.5 implementation gaps: a stale claim's bps could apply if a proof arrived before a new claim."""
    c = Chain(Params(literal=literal))
    now = c.claimed()
    c.ok(Kind.PROVE, now, CHEAP)
    c.ask(1, 1)
    c.over(1)
    c.ok(Kind.PROVE, 2 * EPOCH, HELPER, job=1)
    assert c.gain(HELPER) == 0
    assert c.gain(CHEAP) == (640 if literal else 320) * TOKEN
    assert c.b.prover[1] == (CHEAP if literal else HELPER)


def test_a_prune_clears_the_stale_claim() -> None:
    c = Chain(Params(literal=1))
    now = c.claimed()
    c.ok(Kind.PROVE, now, CHEAP)
    c.claimed(1, 2)
    c.slot(1)  # default
    c.ask(2, 4)
    c.over(2)
    c.ok(Kind.PROVE, 5 * EPOCH, HELPER, job=2)
    assert (c.gain(HELPER), c.b.paid[2]) == (0, 0)


# --- kickbacks ---


def test_proposers_of_the_next_epoch_sell_what_belongs_to_this_one() -> None:
    """2.5 why dropped: proposers of n+1 sell a right whose benefit belongs to n, high fees with kickbacks."""
    c = Chain(Params(kickback_bips=9_000))
    c.ask(0, 0)
    c.over(0)
    c.ask(1, 1, actor=NEXT)
    now = c.slot(0)
    c.ok(Kind.PROVE, now, CHEAP)
    surplus = INCOME - 320 * TOKEN
    assert c.gain(NEXT) == surplus * 9 // 10
    assert c.gain(CHEAP) == 320 * TOKEN + surplus // 10
    assert c.gain(SEQUENCER) == 0  # instead of 1,280
    fair = Chain()
    now = fair.claimed()
    fair.ok(Kind.PROVE, now, CHEAP)
    assert fair.gain(SEQUENCER) == 1_280 * TOKEN


# --- the escrow ---


def test_a_withdrawal_waits_one_epoch_and_not_three() -> None:
    """2.5: withdrawals wait 3 epochs. In the code: 3 epochs of 32 Ethereum slots (12 s), which is one of 32 × 36 s."""
    assert Params().withdraw_ms == 3 * 32 * 12_000 == 32 * SLOT
    c = Chain()
    c.ok(Kind.UNSTAKE, 0, CHEAP, amount=5_000 * TOKEN)
    assert c.do(Kind.WITHDRAW, EPOCH - 1, CHEAP) == Verdict.EARLY
    c.ok(Kind.WITHDRAW, EPOCH, CHEAP)
    assert c.do(Kind.WITHDRAW, EPOCH, CHEAP) == Verdict.POOR
    assert c.b.cash[CHEAP] == CASH


def test_what_is_about_to_leave_can_still_be_bonded() -> None:
    c = Chain()
    c.ok(Kind.UNSTAKE, 0, CHEAP, amount=4_500 * TOKEN)
    now = c.claimed()
    assert c.b.prover[0] == CHEAP
    assert (c.s.stake[CHEAP], c.s.exiting[CHEAP]) == (0, 4_000 * TOKEN)
    assert c.do(Kind.WITHDRAW, now, CHEAP) == Verdict.POOR  # the contract reverts
    c.ok(Kind.PROVE, now, CHEAP)
    c.ok(Kind.WITHDRAW, now, CHEAP)
    assert c.s.stake[CHEAP] == 500 * TOKEN


def test_a_new_withdrawal_replaces_the_old() -> None:
    c = Chain()
    c.ok(Kind.UNSTAKE, 0, CHEAP, amount=4_000 * TOKEN)
    c.ok(Kind.UNSTAKE, 5, CHEAP, amount=5_000 * TOKEN)
    assert c.do(Kind.UNSTAKE, 5, CHEAP, amount=5_000 * TOKEN + 1) == Verdict.POOR
    assert c.do(Kind.WITHDRAW, 4 + EPOCH, CHEAP) == Verdict.EARLY
    c.ok(Kind.WITHDRAW, 5 + EPOCH, CHEAP)
    assert c.b.cash[CHEAP] == CASH


# --- the rest ---


def test_one_epoch_for_each_calendar_epoch() -> None:
    c = Chain()
    c.ask(0, 3)
    assert c.do(Kind.REQUEST, 4 * EPOCH - 1, SEQUENCER, job=1) == Verdict.FULL
    assert c.do(Kind.REQUEST, 4 * EPOCH, SEQUENCER, job=1) == Verdict.OK


def test_a_dry_distributor_pays_what_it_has() -> None:
    c = Chain(Params(supply_gwei=1_000))
    c.ok(Kind.OFFER, 0, CHEAP, amount=1_000, detail=1)
    now = c.claimed()
    c.ok(Kind.PROVE, now, CHEAP)
    assert (c.gain(CHEAP), c.b.reserve[0]) == (1_000, 0)


@pytest.mark.parametrize("kind", [Kind.DELEGATE, Kind.UNDELEGATE, Kind.TRANSFER])
def test_kinds_without_a_meaning(kind: Kind) -> None:
    assert Chain().do(kind, 0, CHEAP, amount=1) == Verdict.UNKNOWN


@pytest.mark.parametrize("capacity", [-1, 0, 2**31 + 1])
def test_senseless_capacities_are_refused(capacity: int) -> None:
    assert Chain().do(Kind.OFFER, 0, CHEAP, amount=1, detail=capacity) == Verdict.BAD_DETAIL


@pytest.mark.parametrize(
    ("name", "value"),
    [("slot_ms", 0), ("slots", 1), ("claim_slots", 0), ("claim_slots", 32), ("bond_gwei", -1), ("burn_bips", 10_001),
     ("engage_bips", 10_001), ("kickback_bips", -1), ("ceiling_bips", 0), ("literal", 2), ("supply_gwei", 2**61)],
)  # fmt: skip
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("quote", quote, {name: value})


MARKETS = (
    Params(), Params(literal=1, engage_bips=5_000), Params(kickback_bips=5_000, burn_bips=1_000, slots=4, claim_slots=2)
)  # fmt: skip


def likely(c: Chain, dice: random.Random, now: int) -> Event:
    """What might well happen next."""
    actor, job, word = dice.randrange(5), dice.randrange(len(c.b.phase)), dice.randrange(WORD)
    phase = Phase(int(c.b.phase[job]))
    if dice.randrange(5) == 0:
        kind = dice.choice((Kind.OFFER, Kind.STAKE, Kind.UNSTAKE, Kind.WITHDRAW))
        return Event(kind, now, actor, 0, dice.choice((1, 700, 3_000)) * TOKEN, dice.randrange(3), 0)
    if phase == Phase.NONE:
        return Event(Kind.REQUEST, now, actor, job, dice.choice((0, 7, 900 * TOKEN)), 0, 0)
    if phase == Phase.BIDDING and dice.randrange(2):
        return Event(Kind.BID, now, actor, job, 1_000 * TOKEN, dice.randrange(10_000), 0)
    if phase in (Phase.OPEN, Phase.ASSIGNED) and dice.randrange(4) == 0:
        return Event(Kind.PROVE, now, actor, job, 0, 0, 0)
    if phase >= Phase.SETTLED:
        return Event(Kind.PROVE, now, actor, job, 0, 0, 0)
    return c.market.timer(job, dice.choice((now, max(now, int(c.b.deadline[job]) + 1))))._replace(word=word)


@settings(max_examples=40)
@given(p=st.sampled_from(MARKETS), seed=st.integers(0, 2**32))
def test_whatever_happens_money_is_kept_and_the_compiled_rule_agrees(p: Params, seed: int) -> None:
    """Every event is audited by the market: conserved, nothing negative, refused means untouched."""
    c, dice, now = Chain(p, jobs=10), random.Random(seed), 0
    for _ in range(80):
        event = likely(c, dice, now)
        c.market.answer(event)
        now = event.time + dice.choice((0, 1, SLOT // 2, SLOT, p.slots * SLOT // 2))
    while live := c.market.live_jobs():
        job = min(live, key=lambda job: int(c.b.deadline[job]))
        event = c.market.timer(job, max(c.market.now, int(c.b.deadline[job]) + 1))
        assert c.market.answer(event) == Verdict.OK
    assert int(c.s.bond.sum()) == int(c.b.escrow.sum()) == int(c.s.open_jobs.sum()) == 0
    compiled.compare(c.market.trace())


def test_the_scenario_loses_two_epochs_for_each_default() -> None:
    """2.5: single assignee is a liveness risk; multi-proof costs about M× proving for M provers."""
    path = Path(__file__).parents[2] / "scenarios" / "aztec-quotes.toml"
    run = simulate(read(path))
    missed, lost = int(run.provers.missed.sum()), int((run.jobs.phase == Phase.LOST).sum())
    assert missed > 150
    assert 1.9 * missed < lost <= 2 * missed
    assert run.provers.wins.tolist()[1:] == [0, 0]
    assert run.provers.slashed_gwei[0] == 1_000 * TOKEN * missed
    shared = simulate(
        read(
            path,
            {"provers[0].open_jobs": "race", "provers[1].open_jobs": "race"},
            "epoch_race(epoch_ms = 1_152_000, reward_gwei = 50_000_000_000)",
        )
    )
    assert (shared.jobs.phase == Phase.SETTLED).all()
    assert shared.provers.busy_ms.sum() / shared.provers.busy_ms.max() > 2.9
