"""Block fees: base fees block by block, who pays for gas it did not use, and who gets what.

Section numbers are those of the field page on chains; base fees are in wei a gas, money in gwei.
"""

import ctypes
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms.sides import assert_same

from proofyard.core import FINAL, TRANSITIONS, BadInput, Event, Kind, Phase, Verdict, shape
from proofyard.core.rule import Rule, with_params
from proofyard.engine.bind import bind
from proofyard.mechanisms import block_fees
from proofyard.mechanisms.block_fees import LINEAR, ONE, Params, compute_growth, compute_target, learn

GWEI = 10**9  # wei
TOKEN = 10**9  # gwei
USERS, PRODUCER, OTHER = range(3)
LEGAL = {(source, kind): targets for source, kind, targets in TRANSITIONS}
MONAD = Params()
STARKNET = Params(  # version 0.14.0: blocks of 4e9 gas, target 3.2e9, in fri
    slot_ms=6_000, gas_limit=4 * 10**9, charge_limit=0, curve=LINEAR, denominator=48, initial_wei=3 * GWEI,
    min_wei=3 * GWEI, max_wei=10**18, tip_wei=0, burn_bips=0, reward_gwei=0,
)  # fmt: skip
ETHEREUM = STARKNET._replace(gas_limit=60_000_000, target_percent=50, denominator=8, min_wei=7, burn_bips=10_000)


class Chain:
    """Blocks whose every event is audited."""

    def __init__(self, p: Params = MONAD, jobs: int = 8, cash: int = 10**15) -> None:
        self.p = p
        self.s = shape.zeros(block_fees.State, 3, jobs)
        block_fees.genesis(p, self.s)
        self.b = self.s.book
        self.b.cash[:] = cash
        self.total = shape.total_gwei(self.s)
        self.jobs = 0

    def do(self, kind: Kind, time: int, actor: int, amount: int = 0, detail: int = 0, **rest: int) -> Verdict:
        event = Event(kind, time, actor, rest.get("job", 0), amount, detail, rest.get("word", 0))
        before = shape.copy(self.s)
        verdict = block_fees.apply(self.p, self.s, event)
        assert shape.total_gwei(self.s) == self.total
        assert all(values.min() >= 0 for field, values in shape.named(self.s) if field.money)
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        elif kind >= Kind.REQUEST:
            old, new = Phase(before.book.phase[event.job]), Phase(self.b.phase[event.job])
            assert new in LEGAL[old, kind]
            assert new not in FINAL or self.b.escrow[event.job] == self.s.base_fees[event.job] == 0
        return verdict

    def block(self, gas: int, budget: int = 10**14, time: int = 0) -> int:
        """Make a block of the only producer; return its job."""
        job = self.jobs
        self.jobs += 1
        assert self.do(Kind.OFFER, time, PRODUCER, 1, 1) == Verdict.OK
        assert self.do(Kind.REQUEST, time, USERS, budget, gas, job=job) == Verdict.OK
        assert self.do(Kind.PROVE, time, PRODUCER, job=job) == Verdict.OK
        return job


def base_fees(p: Params, fills: list[float], start: int) -> list[int]:
    """Base fees after blocks filled so far, from `start` wei."""
    s = Chain(p).s
    s.base[0] = start
    found = []
    for fill in fills:
        learn(p, s, int(p.gas_limit * fill))
        found.append(int(s.base[0]))
    return found


# --- the base fee of Monad (4.4, 7.11) ---


@pytest.mark.parametrize(
    ("fills", "gwei"),
    [([1, 1, 1], [1036.3597, 1072.2515, 1108.742]), ([0, 0], [866.8779, 769.2748]), ([0.5], [947.8382])],
)
def test_base_fees_of_monad(fills: list[float], gwei: list[float]) -> None:
    """4.4 and 7.11: L = 150M, base 1000 gwei, zero history: full blocks, empty ones, one half full."""
    assert [round(fee / GWEI, 4) for fee in base_fees(MONAD, fills, 1_000 * GWEI)] == gwei


def test_doubling_needs_22_full_blocks() -> None:
    """4.4: from 100 gwei, doubling needs 22 full blocks (ideal 28 ln 2 = 19.4)."""
    fees = base_fees(MONAD, [1] * 22, 100 * GWEI)
    assert fees[20] < 200 * GWEI <= fees[21]
    assert round(28 * math.log(2), 1) == 19.4


@pytest.mark.parametrize(("cycle", "gwei"), [([0, 1, 1, 1, 1], 849.5), ([1, 1, 1, 1, 0], 894.4)])
def test_blocks_at_target_on_average_drift_down(cycle: list[float], gwei: float) -> None:
    """4.4: a 4-full-1-empty cycle averages at target yet drifts down (1000 to 849.5 in 500 blocks).

    849.5 is what comes out when each cycle begins with its empty block; beginning with the full ones it is 894.4.
    """
    fees = base_fees(MONAD, cycle * 100, 1_000 * GWEI)
    assert sum(cycle) / len(cycle) == MONAD.target_percent / 100
    assert round(fees[-1] / GWEI, 1) == gwei


def test_a_block_at_target_changes_nothing_and_limits_hold() -> None:
    """4.4: clamp to 100 gwei and 1e8 gwei."""
    assert base_fees(MONAD, [0.8], 1_000 * GWEI) == [1_000 * GWEI]
    assert base_fees(MONAD, [0] * 3, 110 * GWEI)[-1] == 100 * GWEI
    assert base_fees(MONAD, [1] * 3, 10**17 - 1)[-1] == 10**17


def test_history_slows_the_fee() -> None:
    """4.4: t' = (96 t - 4 d) / 100, m' = (96 m + 4 d^2) / 100; exactly, after one full block."""
    s = Chain().s
    learn(MONAD, s, 150_000_000)
    d = 30_000_000
    assert (s.trend[0], s.moment[0]) == (-4 * d // 100, 4 * d * d // 100)
    spread = math.isqrt(int(s.moment[0]) - int(s.trend[0]) ** 2)
    s.base[0] = 10**12
    learn(MONAD, s, 150_000_000)
    exact = 10**12 * math.exp(120e6 * d / (28 * (120e6 + spread) * 30e6))
    assert abs(int(s.base[0]) - exact) < 10


def test_the_trend_is_rounded_towards_zero() -> None:
    """monad-tfm compute_base_fee_math divides an i64: one gas above the target is -4 / 100 = 0, not -1."""
    s = Chain().s
    learn(MONAD, s, 120_000_001)
    assert s.trend[0] == 0
    learn(MONAD, s, 120_000_030)
    assert s.trend[0] == -1  # -120 / 100
    learn(MONAD, s, 120_000_001)
    assert s.trend[0] == -1  # (-96 - 4) / 100
    learn(MONAD, s, 120_000_000)
    assert s.trend[0] == 0  # -96 / 100


@settings(max_examples=60, deadline=None)
@given(base=st.integers(10**11, 10**17), x=st.integers(0, ONE))
def test_growth_is_exp_to_a_few_units(base: int, x: int) -> None:
    exact = base * math.exp(x / ONE)
    assert abs(compute_growth(base, x) - exact) <= 30 + exact * 1e-15 * 4


@given(st.integers(0, 10**18), st.integers(0, 10**18))
def test_the_moment_is_rounded_once(moment: int, square: int) -> None:
    """4.4: m' = (96 m + 4 delta^2) / 100, one division of a sum that does not fit 64 bits."""
    assert block_fees.compute_moment(moment, square) == (96 * moment + 4 * square) // 100


# --- Starknet and EIP-1559 (1.4) ---


@pytest.mark.parametrize(
    ("fill", "change"), [(0.9, (1, 8 * 48)), (0.8, (0, 1)), (0.25, (-11, 16 * 48)), (0, (-1, 48)), (1, (1, 4 * 48))]
)
def test_base_fees_of_starknet(fill: float, change: tuple[int, int]) -> None:
    """1.4: 1559-style; the cases of the sequencer's own snapshot test, at 30 gfri."""
    assert base_fees(STARKNET, [fill], 30 * GWEI) == [30 * GWEI + 30 * GWEI * change[0] // change[1]]


def test_a_price_below_the_least_climbs_by_a_333rd() -> None:
    """1.4: when below minimum the price climbs at most 1/333 per block, full or empty."""
    for fill in (0.0, 1.0):
        fees = base_fees(STARKNET, [fill] * 4, 2 * GWEI)
        expected, price = [], 2 * GWEI
        for _ in range(4):
            price += price // 333
            expected.append(price)
        assert fees == expected
    assert base_fees(STARKNET, [0], 3 * GWEI - 5) == [3 * GWEI]
    assert base_fees(STARKNET, [0] * 2, 3 * GWEI) == [3 * GWEI] * 2


def test_ethereum_moves_an_eighth() -> None:
    assert base_fees(ETHEREUM, [1, 0], 8 * GWEI) == [9 * GWEI, 7_875_000_000]


# --- who pays and who gets (4.4) ---


def test_a_full_block_at_the_least_fee_burns_15_against_18_minted() -> None:
    """4.4: full block at minimum fee burns 15 MON against 18 minted; offset at 120 gwei (full) or 150 gwei (target)."""
    for gwei, gas, burnt in ((100, 150_000_000, 15), (120, 150_000_000, 18), (150, 120_000_000, 18)):
        chain = Chain(MONAD._replace(initial_wei=gwei * GWEI, tip_wei=0))
        cash = int(chain.b.cash[PRODUCER])
        chain.block(gas)
        assert chain.b.burnt[0] == burnt * TOKEN
        assert chain.b.cash[PRODUCER] - cash == 18 * TOKEN == chain.b.paid[0]


@pytest.mark.parametrize(
    ("ec_add", "ec_mul", "pairing", "pair", "check", "each"),
    [(300, 30_000, 225_000, 170_000, 905_000, 30_300), (150, 6_000, 45_000, 34_000, 181_000, 6_150)],
)
def test_what_a_proof_costs_to_verify(ec_add: int, ec_mul: int, pairing: int, pair: int, check: int, each: int) -> None:
    """4.4: a 4-pair Groth16 check costs 905,000 + 30,300 per public input (181,000 + 6,150 on Ethereum)."""
    assert pairing + 4 * pair == check
    assert ec_add + ec_mul == each


def test_the_price_of_a_proof_check() -> None:
    """4.4: about 0.0905 MON at 100 gwei, about $0.002 at $0.021."""
    chain = Chain(MONAD._replace(tip_wei=0))
    before = int(chain.b.cash[USERS])
    chain.block(905_000)
    paid = (before - int(chain.b.cash[USERS])) / TOKEN
    assert paid == 0.0905
    assert round(paid * 0.021, 3) == 0.002


@pytest.mark.parametrize(("charge_limit", "charged"), [(1, 15_000_000), (0, 10_000_000)])
def test_slack_is_paid_where_the_limit_is_charged(charge_limit: int, charged: int) -> None:
    """4.4: charged gas = gas limit, no refunds: set limits tight, slack is paid. Half as much again here."""
    chain = Chain(MONAD._replace(slack_percent=150, charge_limit=charge_limit))
    before = int(chain.b.cash[USERS])
    job = chain.block(10_000_000)
    assert chain.s.charged[job] == charged
    assert before - chain.b.cash[USERS] == charged * 102
    assert chain.b.burnt[0] == charged * 100


def test_base_fees_that_are_not_burnt_are_the_producer_s() -> None:
    """1.4: base fee not burned on Starknet."""
    for burn, burnt in ((0, 0), (2_500, 75_000), (10_000, 300_000)):
        chain = Chain(STARKNET._replace(burn_bips=burn, tip_wei=GWEI, initial_wei=3 * GWEI))
        cash = int(chain.b.cash[PRODUCER])
        chain.block(100_000)
        assert chain.b.burnt[0] == burnt
        assert chain.b.cash[PRODUCER] - cash == 400_000 - burnt


def test_a_block_takes_what_fits_and_what_is_paid_for() -> None:
    chain = Chain(MONAD._replace(tip_wei=0))
    assert chain.s.charged[chain.block(10**12, budget=10**14)] == 150_000_000
    chain.s.base[0] = 100 * GWEI
    assert chain.s.charged[chain.block(10**12, budget=10_050)] == 100
    assert chain.s.charged[chain.block(10**12, budget=0)] == 0


def test_a_missed_block_costs_nothing_and_leaves_the_fee() -> None:
    chain = Chain()
    chain.do(Kind.OFFER, 0, PRODUCER, 1, 1)
    cash = chain.b.cash.copy()
    assert chain.do(Kind.REQUEST, 0, USERS, 10**14, 10**9) == Verdict.OK
    assert chain.b.escrow[0] + chain.s.base_fees[0] == 150_000_000 * 102
    assert chain.do(Kind.PROVE, 0, OTHER) == Verdict.NOT_YOURS
    assert chain.do(Kind.EXPIRE, 300, OTHER) == Verdict.EARLY
    assert chain.do(Kind.PROVE, 301, PRODUCER) == Verdict.LATE
    assert chain.do(Kind.EXPIRE, 301, OTHER) == Verdict.OK
    assert np.array_equal(chain.b.cash, cash)
    assert chain.s.base[0] == MONAD.initial_wei


def test_producers_are_drawn_equally() -> None:
    chain = Chain()
    assert chain.do(Kind.REQUEST, 0, USERS, 1, 1) == Verdict.NO_PROVER
    for actor in (OTHER, PRODUCER, OTHER):
        assert chain.do(Kind.OFFER, 0, actor, 1, 1) == Verdict.OK
    assert chain.s.producers[0] == 2
    assert [block_fees.draw(chain.s, word) for word in (0, 2**61 - 1, 2**61, 2**62 - 1)] == [1, 1, 2, 2]
    assert chain.do(Kind.OFFER, 0, OTHER, 1, 0) == Verdict.BAD_DETAIL
    assert chain.do(Kind.REQUEST, 0, USERS, 1, 0) == Verdict.BAD_DETAIL
    assert chain.do(Kind.STAKE, 0, USERS, 1) == Verdict.UNKNOWN


def test_users_who_spend_an_amount_find_the_fee_that_fills_the_target() -> None:
    """4.4: at 18 MON a block from users, burning offsets issuance, at 150 gwei and the target."""
    chain = Chain(MONAD._replace(tip_wei=0), jobs=600)
    for k in range(600):
        chain.block(10**9, budget=18 * TOKEN, time=300 * k)
    assert abs(int(chain.s.base[0]) / GWEI - 150) < 0.5
    assert abs(int(chain.s.charged[599]) - compute_target(MONAD)) < 500_000
    assert abs(int(chain.b.burnt[0]) / (600 * 18 * TOKEN) - 1) < 0.05


def test_a_dry_reserve_pays_what_is_there() -> None:
    chain = Chain(MONAD._replace(mintable_gwei=20 * TOKEN, tip_wei=0))
    paid = [int(chain.b.paid[chain.block(1)]) for _ in range(3)]
    assert paid == [18 * TOKEN, 2 * TOKEN, 0]


@pytest.mark.parametrize(
    "bad",
    [{"slot_ms": 0}, {"gas_limit": 99}, {"gas_limit": 10**9 + 1}, {"target_percent": 100}, {"target_percent": 0},
     {"slack_percent": 99}, {"curve": 2}, {"response": 3}, {"denominator": 0}, {"initial_wei": 0},
     {"min_wei": 2 * 10**17},
     {"burn_bips": 10_001}, {"mintable_gwei": -1}, {"charge_limit": 2}],
)  # fmt: skip
def test_senseless_parameters_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(BadInput, match=next(iter(bad))):
        with_params("block_fees", block_fees, bad)


@pytest.mark.parametrize("p", [MONAD, STARKNET, ETHEREUM])
def test_known_parameters_make_sense(p: Params) -> None:
    assert block_fees.validate(p) is None


# --- random blocks: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

STEP = st.tuples(st.sampled_from("orrrppptz"), st.integers(0, 2), st.integers(0, 11), st.integers(0, 2**62 - 1))
CHAINS = (MONAD._replace(slack_percent=130), STARKNET._replace(burn_bips=3_000, tip_wei=7, initial_wei=GWEI), ETHEREUM)


def random_event(s: Any, step: tuple[str, int, int, int], now: int) -> Event:
    """Turn a step into a mostly possible event, given the state it meets."""
    what, actor, k, word = step
    if what == "o":
        return Event(Kind.OFFER, now, actor, 0, 1, k % 3, 0)
    if what == "r":
        free = np.flatnonzero(s.book.phase == Phase.NONE)
        job = int(free[0]) if free.size and k else k
        return Event(Kind.REQUEST, now, actor, job, word % 10**11, 1 + word % 10**9, word)
    if what == "z":
        return Event(word % 16, now, actor, k, word % 10**9, word % 7 - 1, word)
    running = np.flatnonzero(s.book.phase == Phase.ASSIGNED)
    job = int(running[k % running.size]) if running.size else k
    if what == "t":
        return Event(Kind.EXPIRE, now if word % 4 == 0 else max(now, int(s.book.deadline[job]) + 1), 0, job, 0, 0, 0)
    return Event(Kind.PROVE, now, actor if word % 8 == 0 else max(0, int(s.book.prover[job])), job, 0, 0, 0)


def plays(p: Params, steps: list[tuple[str, int, int, int]]) -> set[tuple[int, int]]:
    """Play in plain Python and compiled, audit both, and return what was answered."""
    chain = Chain(p, jobs=12, cash=10**12)
    compiled = shape.copy(chain.s)
    bound = bind(Rule("block_fees", block_fees, p), compiled)
    entry = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(bound.function)
    seen: set[tuple[int, int]] = set()
    now = 0

    def play(event: Event) -> None:
        verdict = chain.do(
            Kind(event.kind), event.time, event.actor, event.amount, event.detail, job=event.job, word=event.word
        )
        words = np.array(event, np.int64)
        assert entry(bound.context.ctypes.data, words.ctypes.data) == verdict
        assert_same(chain.s, compiled)
        seen.add((event.kind, verdict))

    for step in steps:
        event = random_event(chain.s, step, now + step[2] * 30)
        play(event)
        now = max(now, event.time)
    for job in np.flatnonzero(chain.b.phase == Phase.ASSIGNED).tolist():
        now = max(now, int(chain.b.deadline[job])) + 1
        play(Event(Kind.EXPIRE, now, 0, job, 0, 0, 0))
    assert chain.b.escrow.sum() == chain.s.base_fees.sum() == 0
    return seen


@settings(max_examples=25, deadline=None)
@given(p=st.sampled_from(CHAINS), steps=st.lists(STEP, min_size=10, max_size=60))
def test_random_blocks(p: Params, steps: list[tuple[str, int, int, int]]) -> None:
    plays(p, steps)


def test_random_blocks_reach_every_path() -> None:
    """The events above are worth something only if they meet both success and refusal of each kind."""
    dice = np.random.default_rng(7)
    seen: set[tuple[int, int]] = set()
    for p in CHAINS * 6:
        seen |= plays(
            p,
            [
                (str(dice.choice(list("orrrppptz"))), int(dice.integers(3)), int(dice.integers(12)),
                 int(dice.integers(2**62)))
                for _ in range(60)
            ],
        )  # fmt: skip
    ok, v = Verdict.OK, Verdict
    wanted = {
        Kind.OFFER: {ok, v.BAD_DETAIL}, Kind.REQUEST: {ok, v.NO_PROVER, v.WRONG_PHASE},
        Kind.PROVE: {ok, v.NOT_YOURS, v.LATE, v.WRONG_PHASE}, Kind.EXPIRE: {ok, v.EARLY, v.WRONG_PHASE},
    }  # fmt: skip
    assert not {(kind, verdict) for kind, all_of in wanted.items() for verdict in all_of} - seen
