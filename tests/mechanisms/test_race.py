"""The race and its two fee rules. Sections are those of the field notes on rollup mechanisms; L: the contract."""

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofyard.core import FINAL, BadInput, Event, Kind, Phase, Verdict, shape
from proofyard.core.compiler import njit
from proofyard.core.rule import Rule, check_form, with_params
from proofyard.mechanisms import race
from proofyard.mechanisms.race import ALPHA3, FIXED, Params, State

TOKEN = 100_000_000  # units: 8 decimals
MINUTE = 60_000  # ms
COOLDOWN = 30 * MINUTE  # alpha-3
REQUESTER, FAST, SLOW, THIRD = 0, 1, 2, 3

compiled: Any = njit(race.apply)


class Market:
    """A rule in plain Python with a short way to say what happens."""

    def __init__(self, jobs: int = 40, cash: int = 1_000_000 * TOKEN, **params: int) -> None:
        self.rule: Rule = with_params("race", race, params)
        self.state: State = self.rule.genesis(4, jobs)
        self.state.book.cash[:] = cash

    def do(self, kind: Kind, time_ms: int, job: int = 0, actor: int = REQUESTER, amount: int = 0) -> Verdict:
        return self.rule.apply(self.state, Event(kind, time_ms, actor, job, amount, 0, 0))

    def request(self, time_ms: int, job: int = 0, amount: int = 10 * TOKEN) -> Verdict:
        return self.do(Kind.REQUEST, time_ms, job, REQUESTER, amount)

    def prove(self, time_ms: int, job: int = 0, actor: int = FAST) -> Verdict:
        return self.do(Kind.PROVE, time_ms, job, actor)

    def phase(self, job: int = 0) -> Phase:
        return Phase(int(self.state.book.phase[job]))

    def paid(self, jobs: int) -> list[int]:
        return self.state.book.paid[:jobs].tolist()


def alpha3(**params: int) -> Market:
    return Market(**{"fee_rule": ALPHA3, "cooldown_ms": COOLDOWN, **params})


def twenty_blocks(**params: int) -> Market:
    """20 blocks 10 s apart, each proven 160 s after it was asked for, none verified yet (1.1.3)."""
    market = alpha3(**params)
    for job in range(20):
        assert market.request(10_000 * job, job) == Verdict.OK
    for job in range(20):
        assert market.prove(10_000 * job + 160_000, job) == Verdict.OK
    return market


# -- both rules --------------------------------------------------------------------------------------------------------


def test_is_a_rule() -> None:
    check_form(race, "race")
    assert with_params("race", race, {}).text == "race"


@pytest.mark.parametrize("fee_rule", [FIXED, ALPHA3])
def test_second_proof_is_refused(fee_rule: int) -> None:
    """1.1: strictly first come; a proof that arrives second reverts, so the loser's cost is sunk."""
    market = Market(fee_rule=fee_rule, cooldown_ms=MINUTE)
    market.request(0)
    assert market.prove(5_000, actor=FAST) == Verdict.OK
    before = shape.copy(market.state)
    assert market.prove(5_001, actor=SLOW) == Verdict.WRONG_PHASE
    assert market.prove(5_002, actor=FAST) == Verdict.WRONG_PHASE
    assert all(map(np.array_equal, shape.arrays(before), shape.arrays(market.state)))
    assert market.state.book.prover[0] == FAST


@pytest.mark.parametrize("fee_rule", [FIXED, ALPHA3])
def test_fastest_takes_all(fee_rule: int) -> None:
    """4.2: deterministic times, argmin wins with probability 1; an outage of the leader gives its blocks away."""
    market = Market(fee_rule=fee_rule, activation=0)
    for job in range(10):
        market.request(60_000 * job, job)
        outage = 4 <= job < 7
        if not outage:
            assert market.prove(60_000 * job + 8_000, job, FAST) == Verdict.OK
        assert market.prove(60_000 * job + 9_000, job, SLOW) == (Verdict.OK if outage else Verdict.WRONG_PHASE)
    assert market.state.book.prover[:10].tolist() == [FAST] * 4 + [SLOW] * 3 + [FAST] * 3
    assert market.state.book.phase[:10].tolist() == [Phase.SETTLED] * 10


def test_exponential_times_share_by_speed() -> None:
    """4.2: T_i ~ Exp(rate_i) gives P(i) = rate_i / sum of rates; rates 3, 2, 1 -> 1/2, 1/3, 1/6."""
    dice = random.Random(1)
    jobs = 3_000
    market = Market(jobs=jobs)
    start = market.state.book.cash.copy()
    for job in range(jobs):
        market.request(job * MINUTE, job, amount=TOKEN)
        times = [(round(dice.expovariate(rate) * 1e9), actor) for rate, actor in ((3, FAST), (2, SLOW), (1, THIRD))]
        for rank, (_, actor) in enumerate(sorted(times)):  # handed in in this order, well inside a minute
            assert market.prove(job * MINUTE + rank, job, actor) == (Verdict.WRONG_PHASE if rank else Verdict.OK)
    shares = (market.state.book.cash - start)[1:] / (jobs * TOKEN)
    assert sum(shares) == 1
    for share, wanted in zip(shares, (1 / 2, 1 / 3, 1 / 6), strict=True):
        assert abs(share - wanted) < 3 * math.sqrt(wanted * (1 - wanted) / jobs)


@pytest.mark.parametrize("kind", [Kind.OFFER, Kind.STAKE, Kind.UNSTAKE, Kind.WITHDRAW, Kind.DELEGATE, Kind.TRANSFER])
def test_accounts_are_unknown(kind: Kind) -> None:
    assert Market().do(kind, 0, actor=FAST, amount=5) == Verdict.UNKNOWN


def test_contest_is_unknown() -> None:
    market = Market(cooldown_ms=MINUTE)
    market.request(0)
    market.prove(1)
    assert market.do(Kind.CONTEST, 2, actor=SLOW) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fee_rule", 2),
        ("cooldown_ms", -1),
        ("window_ms", 0),
        ("start_fee_gwei", 0),
        ("proof_target_s", 0),
        ("quotient", 0),
        ("batch", 0),
        ("literal", 2),
    ],
)
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("race", race, {name: value})


# -- FIXED -------------------------------------------------------------------------------------------------------------


def test_fixed_pays_the_first_prover_whole_and_at_once() -> None:
    market = Market(cash=100)
    assert market.request(0, amount=70) == Verdict.OK
    assert market.state.book.escrow[0] == 70
    assert market.prove(9_000, actor=SLOW) == Verdict.OK
    assert market.phase() == Phase.SETTLED
    assert market.state.book.cash.tolist() == [30, 100, 170, 100]
    assert market.paid(1) == [70]


def test_fixed_pays_after_the_cooldown() -> None:
    market = Market(cash=100, cooldown_ms=MINUTE)
    market.request(0, amount=70)
    market.prove(9_000)
    assert market.phase() == Phase.PROVEN
    assert market.do(Kind.SETTLE, 69_000) == Verdict.EARLY
    assert market.do(Kind.SETTLE, 69_001) == Verdict.OK
    assert market.phase() == Phase.SETTLED
    assert market.state.book.cash.tolist() == [30, 170, 100, 100]


def test_fixed_price_of_the_market() -> None:
    market = Market(cash=100, fee_gwei=40)
    assert market.request(0, amount=39) == Verdict.TOO_DEAR
    assert market.request(0, amount=101) == Verdict.POOR
    assert market.request(0, amount=70) == Verdict.OK
    market.prove(1)
    assert market.state.book.cash.tolist() == [60, 140, 100, 100]


def test_fixed_refunds_what_nobody_proves() -> None:
    market = Market(cash=100, window_ms=MINUTE)
    market.request(0, amount=70)
    assert market.do(Kind.EXPIRE, MINUTE) == Verdict.EARLY  # a proof at the very deadline is in time
    assert market.do(Kind.EXPIRE, MINUTE + 1) == Verdict.OK
    assert market.phase() == Phase.LOST
    assert market.state.book.cash.tolist() == [100] * 4
    assert market.prove(MINUTE + 2) == Verdict.WRONG_PHASE


def test_late_proof_is_refused() -> None:
    market = Market(window_ms=MINUTE)
    market.request(0)
    assert market.prove(MINUTE + 1) == Verdict.LATE
    assert market.prove(MINUTE) == Verdict.OK


# -- ALPHA3: the fee ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("target", "quotient", "ratio"), [(160, 32_000, 33.8693), (1_800, 16, 28.6888)])
def test_proof_time_issued_of_a_fee_of_one_token(target: int, quotient: int, ratio: float) -> None:
    """1.1.3: fee = 1 token is PTI / (T Q) = ln(1e8 T Q) = 33.8693 and 28.6888."""
    market = alpha3(proof_target_s=target, quotient=quotient)
    scale = target * quotient
    issued = int(market.state.time_issued[0])
    assert issued / scale == pytest.approx(ratio, abs=5e-5)
    assert issued == math.floor(scale * math.log(scale * TOKEN))
    assert race.compute_fee(market.rule.params, issued) < TOKEN <= race.compute_fee(market.rule.params, issued + 1)


@pytest.mark.parametrize(
    ("params", "proof_s", "blocks", "factor"),
    [
        (Params(proof_target_s=1_800, quotient=16), 2_000, 99.813, 2.0),  # +0.0069444 per block
        (Params(proof_target_s=1_800, quotient=16), 0, 11.09, 0.5),
        (Params(), 200, 88_722.84, 2.0),  # +7.8125e-6 per block
        (Params(), 0, 22_180.71, 0.5),
    ],
)
def test_fee_doubles_and_halves(params: Params, proof_s: int, blocks: float, factor: float) -> None:
    """1.1.3 and section 5 item 3: d ln(fee) = (pt - T) / (T Q) per verified block."""
    market = alpha3(**{key: value for key, value in params._asdict().items() if key in {"proof_target_s", "quotient"}})
    issued = int(market.state.time_issued[0]) + 1  # from here the fee is just above 1 token
    first = race.compute_fee(params, issued)
    crossed = 0
    while (race.compute_fee(params, issued) < factor * first) == (factor > 1):
        if crossed + 1_000 < blocks:  # far from it: a thousand blocks at a stride
            issued += 1_000 * (proof_s - params.proof_target_s)
            crossed += 1_000
        else:
            issued = race.compute_time_issued(params, issued, proof_s)
            crossed += 1
    assert crossed == math.ceil(blocks)


def test_fee_stands_still_at_the_target() -> None:
    """1.1.3: the fee is stationary iff the mean proof time is the target."""
    params = Params()
    assert race.compute_time_issued(params, 173_410_000, 160) == 173_410_000
    assert race.compute_time_issued(params, 173_410_000, 161) == 173_410_001
    assert race.compute_time_issued(params, 100, 7) == 7  # max(0, PTI - T)


def test_fee_is_exact_where_exp_alone_is_beyond_int64() -> None:
    """L LibTokenomics: the cap is on the exponent and on the fee, not on exp() before it is divided by T Q."""
    scale = 160 * 32_000
    assert race.compute_fee(Params(), 58 * scale) == pytest.approx(math.exp(58) / scale, rel=1e-12)
    assert race.compute_fee(Params(), 60 * scale) == race.compute_fee(Params(), 140 * scale) == 2**63 - 1


def test_smallest_start() -> None:
    assert alpha3(proof_target_s=1, quotient=1, start_fee_gwei=1).state.time_issued[0] == 0  # ln 1


def test_fee_is_charged_before_the_block_moves_it() -> None:
    market = alpha3(cooldown_ms=0, proof_target_s=1_800, quotient=16)
    start = int(market.state.book.cash[REQUESTER])
    market.request(0, job=0)
    assert start - market.state.book.cash[REQUESTER] == TOKEN
    market.prove(2_000_000, job=0)
    fee = int(market.state.fee[0])
    assert fee == pytest.approx(TOKEN * math.exp(200 / 28_800), rel=1e-4)
    market.request(2_000_000, job=1, amount=fee)
    assert start - market.state.book.cash[REQUESTER] == TOKEN + fee


def test_fee_above_the_offer_is_too_dear() -> None:
    market = alpha3()
    assert market.request(0, amount=TOKEN - 1) == Verdict.TOO_DEAR
    assert market.request(0, amount=TOKEN) == Verdict.OK


def test_only_so_many_blocks_may_wait() -> None:
    """L LibProposing: L1_TOO_MANY_BLOCKS."""
    market = alpha3(max_blocks=2)
    assert [market.request(0, job) for job in range(3)] == [Verdict.OK, Verdict.OK, Verdict.FULL]
    market.prove(1, job=0)
    assert market.do(Kind.SETTLE, COOLDOWN + 2, job=0) == Verdict.OK
    assert market.request(COOLDOWN + 3, job=2) == Verdict.OK


# -- ALPHA3: rewards ---------------------------------------------------------------------------------------------------


def test_literal_batch_starves_all_but_the_first() -> None:
    """1.1.3: 20 blocks, fee 1 token, pt 160 s, ages 2000-2190 s: rewards 7 637 231, 189, 94, 63, 47 units."""
    market = twenty_blocks(literal=1)
    assert market.state.book.reserve[0] == 20 * TOKEN
    assert market.do(Kind.SETTLE, 2_190_000) == Verdict.OK
    assert market.paid(5) == [7_637_231, 189, 94, 63, 47]
    assert market.state.passed[0] == 10  # maxVerificationsPerTx
    assert market.state.book.phase[:11].tolist() == [Phase.SETTLED] * 10 + [Phase.PROVEN]
    assert market.state.book.reserve[0] == 20 * TOKEN - sum(market.paid(10))


def test_intended_batch_shares_by_age() -> None:
    """1.1.3, n decremented: the k-th reward is the rest of the pool times 160 s over the ages left (2190 s first)."""
    market = twenty_blocks(literal=0)
    market.do(Kind.SETTLE, 2_190_000)
    pool, ages, wanted = 20 * TOKEN, sum(range(2_000, 2_200, 10)), []
    for age in range(2_190, 2_090, -10):
        wanted.append(pool * 160 // ages)
        pool, ages = pool - wanted[-1], ages - age
    assert wanted[0] == 7_637_231
    assert market.paid(10) == wanted
    assert market.state.book.reserve[0] == pool


def test_literal_and_intended_agree_one_block_at_a_time() -> None:
    literal, intended = twenty_blocks(literal=1, batch=1), twenty_blocks(literal=0, batch=1)
    for market in (literal, intended):
        for job in range(20):
            assert market.do(Kind.SETTLE, 2_190_000 + job, job) == Verdict.OK
    assert literal.paid(20) == intended.paid(20)
    assert min(literal.paid(20)) > 7_000_000


def test_literal_reward_depends_on_who_is_first_in_each_call() -> None:
    """1.1.3: income depends on who is first in each call and the pool is not paid out."""
    market = twenty_blocks(literal=1)
    market.do(Kind.SETTLE, 2_190_000, job=3)
    market.do(Kind.SETTLE, 2_190_001, job=12)
    assert [job for job, paid in enumerate(market.paid(20)) if paid > 1_000] == [0, 10]
    assert market.state.book.reserve[0] > 19 * TOKEN


def test_literal_verification_happens_inside_requests_and_proofs() -> None:
    market = twenty_blocks(literal=1)
    market.request(2_190_000, job=20)
    n, ages = 21, sum(range(2_000, 2_200, 10))  # the new block is among them, with age 0
    assert market.paid(1) == [21 * TOKEN * 160 // ages]
    assert market.state.passed[0] == 10
    assert market.state.waiting[0] == n - 10
    market.prove(2_190_001, job=20)
    assert market.state.passed[0] == 20


def test_pool_in_steady_state() -> None:
    """1.1.3: interval 10 s, pt 160 s, cooldown 1800 s -> the ages add up to 193 060 s and the pool is 1206.6 fees."""
    rule = with_params("race", race, {"fee_rule": ALPHA3, "cooldown_ms": COOLDOWN, "activation": 0})
    blocks = 12_000  # ten times the pool's time constant of 193 060 / 160 blocks
    state = rule.genesis(4, blocks)
    state.book.cash[:] = 2**50
    for job in range(blocks):
        assert compiled(rule.params, state, Event(Kind.REQUEST, 10_000 * job, 0, job, TOKEN, 0, 0)) == Verdict.OK
        if job >= 16:
            event = Event(Kind.PROVE, 10_000 * job, FAST, job - 16, 0, 0, 0)
            assert compiled(rule.params, state, event) == Verdict.OK
    assert state.waiting[0] == 196
    fee = int(state.fee[0])
    assert fee == pytest.approx(TOKEN, rel=1e-5)  # pt is the target
    last_paid = int(state.book.paid[blocks - 197])
    before = int(state.book.reserve[0]) + last_paid  # as the last verification found it
    assert before / fee == pytest.approx(193_060 / 160, rel=2e-4)  # 1206.6
    assert last_paid == before * 160 // 193_060


def test_activation_credit_of_one_unit() -> None:
    """L _markBlockVerified: a prover with balance 0 is credited 1 unit and the rest is never minted."""
    for activation, cash in ((1, [1, TOKEN + 1]), (0, [TOKEN, 2 * TOKEN])):
        market = alpha3(cooldown_ms=0, activation=activation)
        market.state.book.cash[FAST] = 0
        for job in range(2):
            market.request(1_000_000 * job, job)
            market.state.fee[0] = TOKEN  # keep to round numbers
            market.prove(1_000_000 * job + 160_000, job)
            market.state.fee[0] = TOKEN
            assert market.state.book.cash[FAST] == cash[job]
        assert market.state.book.burnt[0] == (TOKEN - 1 if activation else 0)
        assert market.state.book.reserve[0] == 0


def test_reward_grows_with_delay() -> None:
    """1.1.3: reward grows with one's own delay, so an unchallenged prover waits."""
    rewards: list[int] = []
    for delay_s in (160, 320):
        market = twenty_blocks()
        market.request(200_000, job=20)
        market.prove(200_000 + 1_000 * delay_s, job=20)
        for job in range(0, 21, 10):
            market.do(Kind.SETTLE, 3_000_000 + job, job)
        rewards.append(market.paid(21)[20])
    assert rewards[1] >= 2 * rewards[0] - 1


def test_proof_within_the_second_is_worth_nothing() -> None:
    """L getProofReward: the denominator is at least 1."""
    market = alpha3(cooldown_ms=0)
    market.request(5_000)
    market.prove(5_999)
    assert market.phase() == Phase.SETTLED
    assert market.paid(1) == [0]
    assert market.state.book.reserve[0] == TOKEN


# -- ALPHA3: the order of verification ---------------------------------------------------------------------------------


def test_job_proven_early_waits_for_its_predecessor() -> None:
    market = alpha3()
    market.request(0, job=7)  # the order of requests counts, not the number of the job
    market.request(1_000, job=2)
    market.prove(60_000, job=2)
    due = 60_000 + COOLDOWN
    assert market.do(Kind.SETTLE, due + 1, job=2) == Verdict.OK
    assert market.phase(2) == Phase.PROVEN
    assert market.state.book.deadline[2] == due + 1 + COOLDOWN  # its timer moved on
    assert market.do(Kind.SETTLE, due + 2, job=2) == Verdict.EARLY
    market.prove(due + 5_000, job=7)
    assert market.do(Kind.SETTLE, due + 2 + COOLDOWN, job=2) == Verdict.OK
    assert market.phase(2) == Phase.PROVEN
    assert market.state.book.deadline[2] == due + 5_000 + COOLDOWN  # when the other is due
    assert market.do(Kind.SETTLE, due + 5_001 + COOLDOWN, job=7) == Verdict.OK
    assert market.phase(7) == market.phase(2) == Phase.SETTLED


def test_full_batch_lets_the_rest_ask_again_at_once() -> None:
    market = twenty_blocks(batch=1)
    assert market.do(Kind.SETTLE, 2_190_000, job=5) == Verdict.OK
    assert [market.phase(job) for job in (0, 1, 5)] == [Phase.SETTLED, Phase.PROVEN, Phase.PROVEN]
    assert market.state.book.deadline[5] == 2_190_000


def test_refused_event_verifies_nothing() -> None:
    market = twenty_blocks()
    before = shape.copy(market.state)
    in_cooldown = 350_000 + COOLDOWN  # of job 19, when job 0 is long due
    assert market.request(in_cooldown, job=20, amount=TOKEN - 1) == Verdict.TOO_DEAR
    assert market.prove(in_cooldown, job=19, actor=SLOW) == Verdict.WRONG_PHASE
    assert market.do(Kind.SETTLE, in_cooldown, job=19) == Verdict.EARLY
    assert all(map(np.array_equal, shape.arrays(before), shape.arrays(market.state)))


def test_lost_block_does_not_hold_up_the_others() -> None:
    market = alpha3(window_ms=60 * MINUTE)
    start = int(market.state.book.cash[REQUESTER])
    for job in range(3):
        market.request(job, job)
    market.prove(160_000, job=0)
    market.prove(160_000, job=2)
    assert market.do(Kind.SETTLE, 160_001 + COOLDOWN, job=0) == Verdict.OK
    assert [market.phase(job) for job in range(3)] == [Phase.SETTLED, Phase.OPEN, Phase.PROVEN]
    pool = int(market.state.book.reserve[0])
    assert market.do(Kind.EXPIRE, 60 * MINUTE + 2, job=1) == Verdict.OK
    assert [market.phase(job) for job in range(3)] == [Phase.SETTLED, Phase.LOST, Phase.SETTLED]
    assert start - market.state.book.cash[REQUESTER] == 2 * TOKEN  # the lost block's fee came back
    assert market.paid(3)[2] == (pool - TOKEN) * 160 // 3_600
    assert market.state.time_sum[0] == 0
    assert market.state.waiting[0] == 0


def test_refund_of_a_lost_block_is_at_most_the_pool() -> None:
    market = alpha3(cooldown_ms=0, window_ms=10 * MINUTE)
    start = int(market.state.book.cash[REQUESTER])
    market.request(0, job=0)
    market.request(590_000, job=1)
    market.prove(600_000, job=0)  # ages 600 and 10 s: it takes 600/610 of the pool of two fees
    pool = int(market.state.book.reserve[0])
    assert pool == 2 * TOKEN - 2 * TOKEN * 600 // 610
    assert market.do(Kind.EXPIRE, 1_190_001, job=1) == Verdict.OK
    assert market.state.book.reserve[0] == 0
    assert market.state.book.cash[REQUESTER] == start - 2 * TOKEN + pool


# -- any events --------------------------------------------------------------------------------------------------------

ACTORS, JOBS = 4, 24
KINDS = [Kind.REQUEST] * 6 + [Kind.PROVE] * 8 + [Kind.EXPIRE] * 2 + [Kind.SETTLE] * 3 + [Kind.STAKE, Kind.CONTEST]
PHASE_FOR = {Kind.REQUEST: Phase.NONE, Kind.PROVE: Phase.OPEN, Kind.EXPIRE: Phase.OPEN, Kind.SETTLE: Phase.PROVEN}
steps = st.tuples(
    st.sampled_from(KINDS),
    st.sampled_from([0, 0, 1, 999, 10_000, 160_000, 2_000_000]),  # ms since the event before
    st.integers(0, ACTORS - 1),
    st.integers(0, JOBS - 1),
    st.sampled_from([0, TOKEN - 1, TOKEN, 2 * TOKEN, 10**17]),
    st.sampled_from([True, True, True, False]),  # usually a job for which it makes sense, and a timer that is due
)
variants = st.fixed_dictionaries(
    {
        "fee_rule": st.sampled_from([FIXED, ALPHA3, ALPHA3]),
        "cooldown_ms": st.sampled_from([0, 60_000, COOLDOWN]),
        "window_ms": st.sampled_from([100_000, 7_200_000]),
        "quotient": st.sampled_from([1, 16, 32_000]),
        "batch": st.sampled_from([1, 3, 10]),
        "max_blocks": st.sampled_from([5, 100]),
        "literal": st.integers(0, 1),
        "activation": st.integers(0, 1),
    }
)


def audit(state: State, total: int) -> None:
    """Money is conserved, nothing is negative, and a finished job holds none."""
    assert shape.total_gwei(state) == total
    assert all(values.min() >= 0 for field, values in shape.named(state) if field.money)
    for phase in FINAL:
        assert not state.book.escrow[state.book.phase == phase].any()


def due(state: State) -> list[Event]:
    """Make the timers that are due next, one for each job that is not final."""
    events: list[Event] = []
    for job in np.flatnonzero((state.book.phase != Phase.NONE) & (state.book.phase < Phase.SETTLED)).tolist():
        kind = Kind.EXPIRE if state.book.phase[job] == Phase.OPEN else Kind.SETTLE
        events.append(Event(kind, int(state.book.deadline[job]) + 1, 0, job, 0, 0, 0))
    return sorted(events, key=lambda event: event.time)


@settings(max_examples=150, deadline=None)
@given(variants, st.lists(steps, min_size=10, max_size=60))
def test_any_events(params: dict[str, int], script: list[tuple[Kind, int, int, int, int, bool]]) -> None:
    """Conserved, never negative, refused means untouched, plain Python equals compiled, and no job is stuck."""
    rule = with_params("race", race, params)
    plain, fast = rule.genesis(ACTORS, JOBS), rule.genesis(ACTORS, JOBS)
    for state in (plain, fast):
        state.book.cash[:] = [50 * TOKEN, 10**17, 0, 3 * TOKEN]
    total, now = shape.total_gwei(plain), 0

    def play(event: Event) -> Verdict:
        before = shape.copy(plain)
        verdict = rule.apply(plain, event)
        assert compiled(rule.params, fast, event) == verdict
        assert all(map(np.array_equal, shape.arrays(plain), shape.arrays(fast)))
        if verdict != Verdict.OK:
            assert all(map(np.array_equal, shape.arrays(plain), shape.arrays(before)))
        audit(plain, total)
        if verdict == Verdict.OK and plain.book.phase[event.job] not in FINAL:
            assert plain.book.deadline[event.job] >= event.time
        return verdict

    for kind, pause, actor, pick, amount, sensible in script:
        now += pause
        jobs = np.flatnonzero(plain.book.phase == PHASE_FOR.get(kind, Phase.PROVEN)).tolist() if sensible else []
        job = jobs[pick % len(jobs)] if jobs else pick
        if sensible and kind in {Kind.EXPIRE, Kind.SETTLE}:
            now = max(now, int(plain.book.deadline[job]) + 1)
        play(Event(kind, now, actor, job, amount, 0, 0))
    for _ in range(20 * JOBS):
        timers = due(plain)
        if not timers:
            break
        now = max(now, timers[0].time)
        assert play(timers[0]._replace(time=now)) == Verdict.OK
    assert due(plain) == []
    assert plain.waiting[0] == plain.time_sum[0] == 0
