"""The bought proof: sunk fees, bonds, tiers. Sections are those of the field page on rollup mechanisms."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms.sides import Both, assert_same

from proofyard.core import ANYONE, FINAL, BadInput, Event, Kind, Phase, Verdict, shape
from proofyard.core.rule import Rule, with_params
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import bought_proof
from proofyard.mechanisms.bought_proof import (
    ALPHA6,
    GENESIS,
    GUARDIAN,
    MINUTE,
    OPTIMISTIC,
    TEE,
    TOKEN,
    WEEK,
    ZK,
    Params,
)
from proofyard.scenario import read

PROPOSER, CHEAP, DEAR, RESCUER, CONTESTER, JUDGE = range(6)
RICH = 100_000 * TOKEN
BOND = 2_500_000_000  # alpha-5
WINDOW, COOLDOWN = 90 * MINUTE, 10 * MINUTE
DAY = 1440 * MINUTE
RIGHT, WRONG = 7, 8  # claims
WORD = 2**62
A_ZK_JOB, AN_SGX_JOB, AN_OPTIMISTIC_JOB = (ticket * WORD // 5000 + 2**40 for ticket in (0, 10, 1))


class Market:
    """A market in plain Python whose every event is audited."""

    def __init__(self, p: Params | None = None, actors: int = 6, jobs: int = 12, cash: int = RICH) -> None:
        self.p = p or Params()
        self.s = Rule("bought_proof", bought_proof, self.p).genesis(actors, jobs)
        self.b = self.s.book
        self.b.cash[:] = cash
        self.total = shape.total_gwei(self.s)
        self.jobs = 0

    def do(self, kind: Kind, time: int, actor: int, **rest: int) -> Verdict:
        before = shape.copy(self.s)
        event = Event(kind, time, actor, **({"job": 0, "amount": 0, "detail": 0, "word": 0} | rest))
        verdict = bought_proof.apply(self.p, self.s, event)
        assert shape.total_gwei(self.s) == self.total
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        return verdict

    def ok(self, kind: Kind, time: int, actor: int, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def enter(self, actor: int, price: int = TOKEN, capacity: int = 1, stake: int = 1000 * TOKEN) -> None:
        self.ok(Kind.OFFER, 0, actor, amount=price, detail=capacity)
        self.ok(Kind.STAKE, 0, actor, amount=stake)

    def request(self, time: int = 0, word: int = 0, amount: int = RICH // 10) -> int:
        job = self.jobs
        self.ok(Kind.REQUEST, time, PROPOSER, job=job, amount=amount, word=word)
        self.jobs += 1
        return job

    def worth(self, actor: int) -> int:
        """Cash and stake beyond what it began with."""
        return int(self.b.cash[actor] + self.s.stake[actor]) - RICH

    def phase(self, job: int = 0) -> Phase:
        return Phase(int(self.b.phase[job]))


def hired(p: Params | None = None, price: int = TOKEN, word: int = 0) -> Market:
    """CHEAP was hired for job 0 at time 0."""
    market = Market(p)
    market.enter(CHEAP, price)
    market.request(word=word)
    return market


# --- buying ---


def test_the_cheapest_free_offer_is_hired_and_the_elder_of_two() -> None:
    market = Market()
    market.enter(DEAR, 2 * TOKEN, 8)
    market.enter(CHEAP, TOKEN, 2)
    market.enter(RESCUER, 2 * TOKEN, 8)
    assert [int(market.b.prover[market.request()]) for _ in range(4)] == [CHEAP, CHEAP, DEAR, DEAR]
    market.ok(Kind.PROVE, 1, CHEAP, job=0, word=RIGHT)  # has a slot free again
    assert market.b.prover[market.request(1)] == CHEAP


def test_the_fee_is_paid_at_once_and_for_good() -> None:
    """1.4.1: the proposer's ETH goes to the prover immediately and irrevocably; 2.5 tokens are taken as bond."""
    market = hired(price=3 * TOKEN)
    assert market.b.cash[CHEAP] == RICH - 1000 * TOKEN + 3 * TOKEN
    assert market.s.stake[CHEAP] == 1000 * TOKEN - BOND
    assert market.s.bond[0] == BOND
    assert market.b.cash[PROPOSER] == RICH - 3 * TOKEN
    assert market.b.paid[0] == 3 * TOKEN
    assert market.b.escrow[0] == 0


def test_a_proposer_does_not_pay_more_than_it_said() -> None:
    market = Market()
    market.enter(CHEAP, TOKEN)
    assert market.do(Kind.REQUEST, 0, PROPOSER, amount=TOKEN - 1) == Verdict.TOO_DEAR
    assert market.do(Kind.REQUEST, 0, PROPOSER, amount=TOKEN) == Verdict.OK


def test_who_has_no_offer_no_bond_or_no_capacity_is_not_hired() -> None:
    market = Market()
    assert market.do(Kind.REQUEST, 0, PROPOSER, amount=TOKEN) == Verdict.NO_PROVER
    market.ok(Kind.OFFER, 0, CHEAP, amount=1, detail=1)
    assert market.do(Kind.REQUEST, 0, PROPOSER, amount=TOKEN) == Verdict.NO_PROVER
    market.ok(Kind.STAKE, 0, CHEAP, amount=BOND - 1)
    assert market.do(Kind.REQUEST, 0, PROPOSER, amount=TOKEN) == Verdict.NO_PROVER
    market.ok(Kind.STAKE, 0, CHEAP, amount=1)
    market.request()
    market.ok(Kind.STAKE, 0, CHEAP, amount=BOND)
    assert market.do(Kind.REQUEST, 0, PROPOSER, job=1, amount=TOKEN) == Verdict.NO_PROVER


def test_outstanding_jobs_need_a_bond_each() -> None:
    """4.5: required concurrent bond of a prover = outstanding jobs x bond per job."""
    market = Market()
    market.enter(CHEAP, capacity=64, stake=10 * BOND + BOND - 1)
    for _ in range(10):
        market.request()
    assert market.do(Kind.REQUEST, 0, PROPOSER, job=10, amount=TOKEN) == Verdict.NO_PROVER
    assert market.s.bond.sum() == 10 * BOND


@pytest.mark.parametrize(("seconds", "tokens_tenth"), [(0, 0), (1, 1), (12, 12), (319, 319), (320, 320), (900, 320)])
def test_the_proposer_is_minted_a_tenth_of_a_token_a_second(seconds: int, tokens_tenth: int) -> None:
    """1.4.1: min(0.10/s * seconds since last block, 32) tokens."""
    market = Market()
    market.enter(CHEAP, price=1, capacity=9)
    market.request(5_000)
    before = int(market.b.cash[PROPOSER])
    market.request(5_000 + 1_000 * seconds)
    assert market.b.cash[PROPOSER] - before == tokens_tenth * TOKEN // 10 - 1


def test_a_dry_mint_pays_what_is_there() -> None:
    market = Market(Params(mint_supply_gwei=TOKEN))
    market.enter(CHEAP, price=1)
    market.request(900_000)
    assert market.b.cash[PROPOSER] == RICH - 1 + TOKEN
    assert market.b.reserve[0] == 0


def test_an_offer_may_run_out() -> None:
    """1.4.1: an assignment whose expiry is not after the block's time is refused."""
    market = Market(Params(offer_ms=1_000))
    market.enter(CHEAP, capacity=9)
    market.request(999)
    assert market.do(Kind.REQUEST, 1_000, PROPOSER, job=1, amount=TOKEN) == Verdict.NO_PROVER
    market.ok(Kind.OFFER, 1_000, CHEAP, amount=1, detail=9)
    market.request(1_999)


def test_a_shunned_prover_is_hired_again_after_a_while() -> None:
    market = Market(Params(shun_ms=DAY))
    market.enter(CHEAP, TOKEN, 9)
    market.enter(DEAR, 2 * TOKEN, 9)
    market.request()
    market.ok(Kind.EXPIRE, WINDOW + 1, PROPOSER)
    assert market.b.prover[market.request(WINDOW + 2)] == DEAR
    assert market.b.prover[market.request(WINDOW + DAY)] == DEAR
    assert market.b.prover[market.request(WINDOW + 1 + DAY)] == CHEAP


# --- alpha-5: the bond ---


def test_on_time_the_bond_comes_back() -> None:
    """1.4.1: window 90 min, cooldown 10 min (verified strictly after it)."""
    market = hired()
    market.ok(Kind.PROVE, WINDOW, CHEAP, word=RIGHT)
    assert market.do(Kind.SETTLE, WINDOW + COOLDOWN, RESCUER) == Verdict.EARLY
    market.ok(Kind.SETTLE, WINDOW + COOLDOWN + 1, RESCUER)
    assert market.worth(CHEAP) == TOKEN
    assert market.b.slashed[CHEAP] == 0


def test_late_a_quarter_goes_to_the_actual_prover_and_the_rest_burns() -> None:
    """1.4.1: late -> 1/4 of the bond to the actual prover, 3/4 burned; the window is the hired prover's alone."""
    market = hired()
    assert market.do(Kind.PROVE, WINDOW, RESCUER, word=RIGHT) == Verdict.NOT_YOURS
    assert market.do(Kind.EXPIRE, WINDOW, RESCUER) == Verdict.EARLY
    market.ok(Kind.EXPIRE, WINDOW + 1, RESCUER)
    market.ok(Kind.PROVE, WINDOW + 1, RESCUER, word=RIGHT)
    assert market.do(Kind.PROVE, WINDOW + 2, CHEAP, word=RIGHT) == Verdict.WRONG_PHASE
    market.ok(Kind.SETTLE, WINDOW + COOLDOWN + 2, PROPOSER)
    assert market.worth(RESCUER) == 625_000_000
    assert market.b.burnt[0] == 1_875_000_000
    assert market.worth(CHEAP) == TOKEN - BOND
    assert market.b.slashed[CHEAP] == BOND


def test_a_late_prover_has_a_quarter_of_its_own_bond_back() -> None:
    """1.4.1 as in the contract: the actual prover may be the assigned one."""
    market = hired()
    market.ok(Kind.EXPIRE, WINDOW + 1, PROPOSER)
    market.ok(Kind.PROVE, WINDOW + 1, CHEAP, word=RIGHT)
    market.ok(Kind.SETTLE, WINDOW + COOLDOWN + 2, PROPOSER)
    assert market.worth(CHEAP) == TOKEN - BOND + 625_000_000
    assert market.b.slashed[CHEAP] == 1_875_000_000


def test_nobody_proves_and_the_whole_bond_burns() -> None:
    market = hired()
    market.ok(Kind.EXPIRE, WINDOW + 1, PROPOSER)
    market.ok(Kind.EXPIRE, WINDOW + 2 + WEEK, PROPOSER)
    assert market.phase() == Phase.LOST
    assert market.b.burnt[0] == BOND
    assert market.b.paid[0] == TOKEN  # the fee stays with who was hired


@pytest.mark.parametrize("cost", [BOND - 1, BOND, BOND + 1])
def test_a_hired_prover_defaults_if_the_proof_costs_more_than_the_bond(cost: int) -> None:
    """1.4.1 and 4.5: fee prepaid -> default iff avoided proving cost > bond, whatever the fee."""
    honest, lazy = hired(price=9 * TOKEN), hired(price=9 * TOKEN)
    honest.ok(Kind.PROVE, 1, CHEAP, word=RIGHT)
    honest.ok(Kind.SETTLE, COOLDOWN + 2, PROPOSER)
    lazy.ok(Kind.EXPIRE, WINDOW + 1, PROPOSER)
    lazy.ok(Kind.PROVE, WINDOW + 2, RESCUER, word=RIGHT)
    lazy.ok(Kind.SETTLE, WINDOW + COOLDOWN + 3, PROPOSER)
    assert (lazy.worth(CHEAP) > honest.worth(CHEAP) - cost) == (cost > BOND)


@pytest.mark.parametrize(("fee", "pays"), [(BOND - 1, False), (BOND, False), (BOND + 1, True)])
def test_hit_and_run_pays_if_fees_exceed_bonds(fee: int, *, pays: bool) -> None:
    """1.4.1: entering only to default pays iff fee > bond; 4.5: iff sum of prepaid fees > total slash."""
    market = Market()
    market.enter(CHEAP, fee, capacity=10)
    for _ in range(10):
        market.request()
    for job in range(10):
        market.ok(Kind.EXPIRE, WINDOW + 1, PROPOSER, job=job)
        market.ok(Kind.EXPIRE, WINDOW + 2 + WEEK, PROPOSER, job=job)
    assert market.worth(CHEAP) == 10 * (fee - BOND)
    assert (market.worth(CHEAP) > 0) == pays


def test_break_even_probability() -> None:
    """4.5: p (R - c_ok) = (1 - p)(slash + c_fail); here the fee is kept either way: p c = (1 - p) (slash - fee)."""
    fee, cost = TOKEN, TOKEN // 2
    kept = fee - BOND  # what a miss leaves
    p = -kept / (fee - cost - kept)
    assert p == 0.75
    market = Market()
    market.enter(CHEAP, fee, capacity=4)
    for _ in range(4):
        market.request()
    for job in range(3):
        market.ok(Kind.PROVE, 1, CHEAP, job=job, word=RIGHT)
        market.ok(Kind.SETTLE, COOLDOWN + 2, PROPOSER, job=job)
    market.ok(Kind.EXPIRE, WINDOW + 1, PROPOSER, job=3)
    market.ok(Kind.PROVE, WINDOW + 1, RESCUER, job=3, word=RIGHT)
    market.ok(Kind.SETTLE, WINDOW + COOLDOWN + 2, PROPOSER, job=3)
    assert market.worth(CHEAP) - 3 * cost == 0


def test_alpha_5_has_nothing_to_contest_and_one_tier() -> None:
    market = hired()
    assert market.do(Kind.PROVE, 1, CHEAP, detail=GUARDIAN, word=RIGHT) == Verdict.BAD_DETAIL
    assert market.do(Kind.PROVE, 1, CHEAP, detail=TEE, word=RIGHT) == Verdict.BAD_DETAIL
    market.ok(Kind.PROVE, 1, CHEAP, word=RIGHT)
    assert market.do(Kind.CONTEST, 2, CONTESTER) == Verdict.BAD_DETAIL
    assert market.do(Kind.PROVE, 2, RESCUER, word=RIGHT) == Verdict.WRONG_PHASE


# --- alpha-6: tiers ---


def test_the_tiers_of_alpha_6() -> None:
    """1.4.2: validity / contest bond, cooldown, proving window."""
    p, hour = ALPHA6, 60 * MINUTE
    assert p.liveness_gwei == 250 * TOKEN
    assert (p.optimistic_validity_gwei, p.optimistic_contest_gwei) == (250 * TOKEN, 500 * TOKEN)
    assert (p.tee_validity_gwei, p.tee_contest_gwei) == (500 * TOKEN, 1000 * TOKEN)
    assert (p.zk_validity_gwei, p.zk_contest_gwei) == (1000 * TOKEN, 2000 * TOKEN)
    assert {p.optimistic_cooldown_ms, p.tee_cooldown_ms, p.zk_cooldown_ms, p.guardian_cooldown_ms} == {24 * hour}
    windows = (p.optimistic_window_ms, p.tee_window_ms, p.zk_window_ms, p.guardian_window_ms)
    assert windows == (2 * hour, 4 * hour, 6 * hour, 8 * hour)


def test_mainnet_genesis() -> None:
    """1.4.3: liveness 250, SGX validity 250 / contest 1640, cooldown 24 h, window 60 min."""
    assert GENESIS.liveness_gwei == 250 * TOKEN
    assert (GENESIS.tee_validity_gwei, GENESIS.tee_contest_gwei) == (250 * TOKEN, 1640 * TOKEN)
    assert (GENESIS.tee_cooldown_ms, GENESIS.tee_window_ms) == (DAY, 60 * MINUTE)
    assert (GENESIS.guardian_cooldown_ms, GENESIS.guardian_window_ms) == (60 * MINUTE, 2 * DAY)
    assert (GENESIS.optimistic_window_ms, GENESIS.zk_window_ms) == (30 * MINUTE, 240 * MINUTE)
    assert bought_proof.validate(GENESIS) is None


def test_how_many_jobs_ask_for_more() -> None:
    """1.4.2: 0.2 % SGX+ZK, 10 % SGX (as `% 10` after `% 500`: 9.8 %), else optimistic."""
    tiers = Counter(bought_proof.draw_tier(ALPHA6, ticket * WORD // 5000 + 2**40) for ticket in range(5000))
    assert tiers == {ZK: 10, TEE: 490, OPTIMISTIC: 4500}


def test_a_fee_for_each_tier() -> None:
    """1.4.2: a list of (tier, fee); the fee of the block's minTier is paid."""
    p = ALPHA6._replace(optimistic_fee=100, tee_fee=10_000, zk_fee=250_000)
    market = Market(p)
    market.enter(CHEAP, 2 * TOKEN, capacity=3)
    jobs = [market.request(word=word) for word in (AN_OPTIMISTIC_JOB, AN_SGX_JOB, A_ZK_JOB)]
    assert market.b.paid[jobs].tolist() == [TOKEN // 50, 2 * TOKEN, 50 * TOKEN]


def test_all_bonds_come_back_to_an_honest_prover() -> None:
    """1.4.2: verification pays validity bond and liveness bond to the prover of record."""
    market = hired(ALPHA6, word=AN_OPTIMISTIC_JOB)
    market.ok(Kind.PROVE, 5, CHEAP, word=RIGHT)
    assert market.worth(CHEAP) == TOKEN - 500 * TOKEN
    market.ok(Kind.SETTLE, 6 + DAY, PROPOSER)
    assert market.worth(CHEAP) == TOKEN


def test_half_the_liveness_bond_to_another_prover() -> None:
    """1.4.2: minus half the liveness bond if it was not the assigned prover, who is excluded after the window."""
    market = hired(ALPHA6, word=AN_OPTIMISTIC_JOB)
    late = 120 * MINUTE + 1
    market.ok(Kind.EXPIRE, late, PROPOSER)
    assert market.do(Kind.PROVE, late, CHEAP, word=RIGHT) == Verdict.NOT_YOURS
    market.ok(Kind.PROVE, late, RESCUER, word=RIGHT)
    market.ok(Kind.SETTLE, late + DAY + 1, PROPOSER)
    assert market.worth(RESCUER) == 125 * TOKEN
    assert market.worth(CHEAP) == TOKEN - 250 * TOKEN
    assert market.b.reserve[0] == market.p.mint_supply_gwei + 125 * TOKEN
    assert market.b.burnt[0] == 0


@pytest.mark.parametrize(("p", "paid"), [(ALPHA6, 2), (Params(late_share=5_000), 1)])
def test_half_of_an_odd_liveness_bond(p: Params, paid: int) -> None:
    """Alpha-6 takes `livenessBond >> 1` off what it returns, so of 3 it pays 2; alpha-5 pays a share rounded down."""
    market = hired(p._replace(liveness_gwei=3), word=AN_OPTIMISTIC_JOB)
    market.ok(Kind.EXPIRE, late := int(market.b.deadline[0]) + 1, PROPOSER)
    market.ok(Kind.PROVE, late, RESCUER, word=RIGHT)
    market.ok(Kind.SETTLE, int(market.b.deadline[0]) + 1, PROPOSER)
    assert market.worth(RESCUER) == paid


def test_an_upheld_proof_earns_a_quarter_of_the_contest_bond() -> None:
    """1.4.2: higher proof over contested transition: winner side gets own bond + 1/4 of loser's bond."""
    market = hired(ALPHA6, word=AN_OPTIMISTIC_JOB)
    market.ok(Kind.PROVE, 1, CHEAP, word=RIGHT)
    assert market.do(Kind.CONTEST, 2, CHEAP) == Verdict.NOT_YOURS
    market.ok(Kind.CONTEST, 2, CONTESTER)
    assert market.do(Kind.CONTEST, 2, JUDGE) == Verdict.WRONG_PHASE
    assert market.do(Kind.PROVE, 3, CHEAP, detail=TEE, word=RIGHT) == Verdict.NOT_YOURS
    market.ok(Kind.PROVE, 3, JUDGE, detail=TEE, word=RIGHT)
    assert market.worth(CHEAP) == TOKEN - 250 * TOKEN + 125 * TOKEN
    assert market.worth(JUDGE) == -500 * TOKEN + 125 * TOKEN
    assert market.worth(CONTESTER) == -500 * TOKEN
    assert market.b.reserve[0] == market.p.mint_supply_gwei + 250 * TOKEN
    market.ok(Kind.SETTLE, 4 + DAY, PROPOSER)
    assert market.worth(JUDGE) == 125 * TOKEN + 125 * TOKEN


def test_an_overturned_proof_pays_a_quarter_to_the_contester_and_the_judge() -> None:
    """1.4.2, the other way round: V = 250 is divided into 62.5, 62.5 and 125 for the protocol."""
    market = hired(ALPHA6, word=AN_OPTIMISTIC_JOB)
    market.ok(Kind.PROVE, 1, CHEAP, word=WRONG)
    market.ok(Kind.CONTEST, 2, CONTESTER)
    market.ok(Kind.PROVE, 3, JUDGE, detail=ZK, word=RIGHT)
    assert market.worth(CONTESTER) == 62_500_000_000
    assert market.worth(JUDGE) == 62_500_000_000 - 1000 * TOKEN
    assert market.b.reserve[0] == market.p.mint_supply_gwei + 125 * TOKEN
    assert market.b.slashed[CHEAP] == 250 * TOKEN


def test_an_uncontested_overthrow_pays_half() -> None:
    """1.4.2: new prover gets 1/2 of the validity bond; remainder stays with the protocol."""
    market = hired(ALPHA6, word=AN_OPTIMISTIC_JOB)
    market.ok(Kind.PROVE, 1, CHEAP, word=WRONG)
    assert market.do(Kind.PROVE, 2, JUDGE, detail=ZK, word=WRONG) == Verdict.WRONG_PHASE
    assert market.do(Kind.PROVE, 2, JUDGE, detail=OPTIMISTIC, word=RIGHT) == Verdict.BAD_DETAIL
    market.ok(Kind.PROVE, 2, JUDGE, detail=GUARDIAN, word=RIGHT)
    assert market.worth(JUDGE) == 125 * TOKEN
    assert market.b.reserve[0] == market.p.mint_supply_gwei + 125 * TOKEN


def test_a_guardian_may_prove_in_the_window() -> None:
    """1.4.2: the top tier is exempt from the exclusive window."""
    market = hired(ALPHA6, word=AN_SGX_JOB)
    assert market.do(Kind.PROVE, 1, JUDGE, detail=ZK, word=RIGHT) == Verdict.NOT_YOURS
    market.ok(Kind.PROVE, 1, JUDGE, detail=GUARDIAN, word=RIGHT)
    assert market.s.open_jobs[CHEAP] == 0
    assert market.do(Kind.CONTEST, 2, CONTESTER) == Verdict.BAD_DETAIL


def test_an_undecided_contest_fails() -> None:
    market = hired(ALPHA6, word=AN_OPTIMISTIC_JOB)
    market.ok(Kind.PROVE, 1, CHEAP, word=RIGHT)
    market.ok(Kind.CONTEST, 2, CONTESTER)
    market.ok(Kind.SETTLE, 3 + WEEK, PROPOSER)
    assert market.worth(CHEAP) == TOKEN
    assert market.worth(CONTESTER) == -500 * TOKEN


def test_who_cannot_post_a_bond_cannot_prove_or_contest() -> None:
    market = hired(ALPHA6, word=AN_OPTIMISTIC_JOB)
    market.ok(Kind.STAKE, 0, CHEAP, amount=int(market.b.cash[CHEAP]) - 250 * TOKEN + 1)
    assert market.do(Kind.PROVE, 1, CHEAP, word=RIGHT) == Verdict.POOR
    market.ok(Kind.UNSTAKE, 1, CHEAP, amount=1)
    market.ok(Kind.PROVE, 1, CHEAP, word=RIGHT)
    market.ok(Kind.STAKE, 1, CONTESTER, amount=RICH - 500 * TOKEN + 1)
    assert market.do(Kind.CONTEST, 1, CONTESTER) == Verdict.POOR


# --- in the simulator ---


def test_hit_and_run_in_the_simulator() -> None:
    """1.4.1 and 4.5: each job the defaulter takes leaves it the fee of 3, and costs 2.5, of which a rescuer has 1/4."""
    scenario = read(Path(__file__).parents[2] / "scenarios" / "taiko-bought-proof.toml", {"horizon": "1d"})
    run = simulate(scenario)
    defaulter, rescuer = (run.names.index(name) for name in ("defaulter", "rescuer"))
    missed = int(run.provers.missed[defaulter])
    assert missed == 16  # one in 90 minutes
    assert run.provers.income_gwei[defaulter] == 3 * TOKEN * missed
    assert run.provers.slashed_gwei[defaulter] == BOND * missed
    assert run.provers.income_gwei[rescuer] == 625_000_000 * missed
    assert run.money_difference_gwei == 0


# --- accounts, parameters ---


def test_stake_that_is_not_locked_can_be_taken_out() -> None:
    market = hired()
    assert market.do(Kind.UNSTAKE, 1, CHEAP, amount=1000 * TOKEN - BOND + 1) == Verdict.POOR
    market.ok(Kind.UNSTAKE, 1, CHEAP, amount=1000 * TOKEN - BOND)
    assert market.s.stake[CHEAP] == 0


@pytest.mark.parametrize("capacity", [-1, 0, 2**31 + 1])
def test_senseless_capacities_are_refused(capacity: int) -> None:
    assert Market().do(Kind.OFFER, 0, CHEAP, amount=1, detail=capacity) == Verdict.BAD_DETAIL


@pytest.mark.parametrize("kind", [Kind.WITHDRAW, Kind.DELEGATE, Kind.UNDELEGATE, Kind.TRANSFER])
def test_kinds_without_a_meaning(kind: Kind) -> None:
    assert Market().do(kind, 0, CHEAP, amount=1) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("late_share", 10_001), ("late_burnt", 2), ("late_self", -1), ("min_tier", 0), ("top_tier", 2), ("zk_in", -1),
        ("tee_fee", 1_000_001), ("zk_window_ms", -1), ("liveness_gwei", -1), ("mint_supply_gwei", 10**18 + 1),
        ("offer_ms", -1), ("tee_validity_gwei", 1),
    ],
)  # fmt: skip
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("bought_proof", bought_proof, {name: value})


# --- random markets: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

MARKETS = (Params(shun_ms=DAY), ALPHA6, GENESIS._replace(late_self=1, zk_in=2), Params(late_burnt=0, offer_ms=WEEK))
STEP = st.tuples(
    st.sampled_from("osurrrpppppcxxz"),
    st.integers(0, 5),
    st.integers(0, 63),
    st.integers(0, WORD - 1),
    st.sampled_from([0, 0, 1, MINUTE, WINDOW, DAY]),
)


def event_of(s: Any, what: str, now: int, actor: int, k: int, word: int) -> Event:
    """Make a step a plausible event, given the state it meets."""
    b = s.book
    if what in "osu":
        kind, amount = {"o": (Kind.OFFER, 1 + word % 10**10), "s": (Kind.STAKE, word % RICH // 4),
                        "u": (Kind.UNSTAKE, word % RICH // 4)}[what]  # fmt: skip
        return Event(kind, now, actor, 0, amount, k % 5, 0)
    live = np.flatnonzero((b.phase != Phase.NONE) & (b.phase < Phase.SETTLED))
    job = int(live[k % live.size]) if live.size else k % b.phase.size
    if what == "r":
        new = np.flatnonzero(b.phase == Phase.NONE)
        return Event(Kind.REQUEST, now, actor, int(new[0]) if new.size else job, word % RICH // 8, k, word)
    if what == "p":
        prover = actor if word % 4 == 0 or b.prover[job] == ANYONE or b.phase[job] > 2 else int(b.prover[job])
        return Event(Kind.PROVE, now, prover, job, 0, k % 5, 1 + word % 2)
    if what == "c":
        return Event(Kind.CONTEST, now, actor, job, 0, 0, 0)
    if what == "x":
        return timer(b, job, max(now, int(b.deadline[job]) + 1 - word % 2))
    return Event(word % 16, now, actor, job, word % RICH, k - 8, word)


def timer(b: Any, job: int, time: int) -> Event:
    kind = Kind.EXPIRE if b.phase[job] in (Phase.ASSIGNED, Phase.OPEN) else Kind.SETTLE
    return Event(kind, time, 0, job, 0, 0, 0)


@settings(max_examples=40)
@given(p=st.sampled_from(MARKETS), steps=st.lists(STEP, min_size=20, max_size=80))
def test_random_markets(p: Params, steps: list[tuple[str, int, int, int, int]]) -> None:
    market = Market(p)
    both = Both(bought_proof, p, market)
    now = 0
    for actor in (CHEAP, DEAR, RESCUER):
        both(Event(Kind.OFFER, 0, actor, 0, actor * TOKEN, 4, 0))
        both(Event(Kind.STAKE, 0, actor, 0, RICH // 2, 0, 0))
    for what, actor, k, word, wait in steps:
        event = event_of(market.s, what, now + wait, actor, k, word)
        if event.kind < len(Kind):
            both(event)
        now = max(now + wait, event.time)
    b = market.b
    for job in np.flatnonzero(b.phase != Phase.NONE).tolist():
        while b.phase[job] not in FINAL:
            now = max(now, int(b.deadline[job])) + 1
            assert both(timer(b, job, now)) == Verdict.OK
    assert market.s.bond.sum() == market.s.validity.sum() == market.s.contest_bond.sum() == 0
    assert market.s.open_jobs.sum() == 0
