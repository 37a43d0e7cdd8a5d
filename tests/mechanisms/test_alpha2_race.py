"""The alpha-2 race: time and slots move the fee, mostly up. Sections are those of the field page on rollups."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms.sides import Both, assert_same

from proofyard.core import FINAL, BadInput, Event, Kind, Phase, Verdict, shape
from proofyard.core.rule import Rule, with_params
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import alpha2_race
from proofyard.mechanisms.alpha2_race import TOKEN, Params
from proofyard.scenario import read

PROPOSER, FAST, SLOW, THIRD = range(4)
RICH = 10_000_000 * TOKEN
ANY_FEE = RICH // 100
PLAIN = Params(activation=0)


class Market:
    """A market in plain Python whose every event is audited."""

    def __init__(self, p: Params = PLAIN, actors: int = 4, jobs: int = 40, cash: int = RICH) -> None:
        self.p = p
        self.s = Rule("alpha2_race", alpha2_race, self.p).genesis(actors, jobs)
        self.b = self.s.book
        self.b.cash[:] = cash
        self.total = shape.total_gwei(self.s)

    def do(self, kind: Kind, time: int, actor: int, **rest: int) -> Verdict:
        before = shape.copy(self.s)
        event = Event(kind, time, actor, **({"job": 0, "amount": 0, "detail": 0, "word": 0} | rest))
        verdict = alpha2_race.apply(self.p, self.s, event)
        assert shape.total_gwei(self.s) == self.total
        if verdict != Verdict.OK:
            assert_same(self.s, before)
        return verdict

    def request(self, job: int, time: int, amount: int = ANY_FEE) -> int:
        """Propose a block and return the fee it was charged."""
        assert self.do(Kind.REQUEST, time, PROPOSER, job=job, amount=amount) == Verdict.OK
        return int(self.s.charged[job])

    def prove(self, job: int, time: int, actor: int = FAST) -> int:
        """Prove a block and return what was paid for it, so far."""
        assert self.do(Kind.PROVE, time, actor, job=job) == Verdict.OK
        return int(self.b.paid[job])


# --- the formulas ---


@pytest.mark.parametrize(
    ("time", "late", "alpha"),
    [(10, 0, 10_000), (20, 0, 10_000), (25, 2_500, 17_500), (30, 5_000, 25_000), (40, 10_000, 40_000),
     (99, 10_000, 40_000)],
)  # fmt: skip
def test_time_adjustment(time: int, late: int, alpha: int) -> None:
    """1.1.2: t/avg = 1, 2 -> alpha 10000; t=30, avg=10 -> tRel 5000; t >= 40 -> 40000."""
    p = Params()
    assert alpha2_race.compute_lateness(p, time, 10, p.proof_time_cap_s) == late
    assert alpha2_race.compute_alpha(p, late) == alpha


def test_the_average_is_capped() -> None:
    """1.1.2: a = min(avg, cap), 60 s for blocks and 1800 s for proofs."""
    p = Params()
    assert alpha2_race.compute_lateness(p, 180, 600, p.block_time_cap_s) == 5_000
    assert alpha2_race.compute_lateness(p, 5_400, 9_999, p.proof_time_cap_s) == 5_000


@pytest.mark.parametrize(("n", "multiplier"), [(0, 1_000_000), (1, 1_000_668), (1_024, 2_309_663), (2_047, 9_993_332)])
def test_slot_multiplier(n: int, multiplier: int) -> None:
    """1.1.2 and 5, item 4: n=0 1.000000, n=1 1.000668, n=1024 2.309663, n=2047 9.993332."""
    base = 10**12  # a finer unit, to round as the page does
    assert round(alpha2_race.adjust_to_slots(Params(), base, n, -1) / 10**6) == multiplier
    m, k = 2_994_649, 1_000 * n
    assert alpha2_race.adjust_to_slots(Params(), base, n, -1) == base * (m - 1_000) * m // (m - k) // (m - k - 1_000)


@pytest.mark.parametrize("n", [0, 1, 77, 1_024, 2_047])
def test_the_fee_at_n_is_the_reward_at_one_more(n: int) -> None:
    """1.1.2: fee at n equals reward at n+1 (before burn)."""
    p = Params()
    assert alpha2_race.adjust_to_slots(p, TOKEN, n, -1) == alpha2_race.adjust_to_slots(p, TOKEN, n + 1, 1)


@pytest.mark.parametrize(
    ("average", "value", "following"),
    [(0, 7, 7), (160, 160, 160), (160, 159, 159), (160, 161, 160), (160, 1_183, 160), (160, 1_184, 161), (1, 0, 1)],
)
def test_averages_in_seconds_only_fall(average: int, value: int, following: int) -> None:
    """1.1.2: with factor f, MA can rise only if x >= m+f, but falls by 1 whenever x < m; never to zero."""
    assert alpha2_race.compute_average(Params(), average, value) == following


def test_averages_in_milliseconds_can_rise() -> None:
    p = Params(literal=0)
    assert alpha2_race.compute_average(p, 160_000, 170_000) == 160_009
    assert alpha2_race.compute_average(p, 160_000, 150_000) == 159_990
    assert alpha2_race.compute_lateness(p, 30_000, 10_000, p.proof_time_cap_s) == 5_000


# --- who pays whom ---


def test_the_fee_burns_and_the_deposit_comes_back() -> None:
    """1.1.2: burn fee + 25 % deposit; reward = slotAdj(newBase)*(10000-100)//10000."""
    market = Market()
    assert market.request(0, 10_000) == TOKEN
    assert market.b.cash[PROPOSER] == RICH - TOKEN - TOKEN // 4
    assert market.b.escrow[0] == TOKEN // 4
    assert market.prove(0, 40_000) == 990_000_000
    assert market.b.cash[PROPOSER] == RICH - TOKEN
    assert market.b.burnt[0] == TOKEN
    assert market.b.cash[FAST] == RICH + 990_000_000
    assert market.b.reserve[0] == market.p.mint_supply_gwei - 990_000_000


@pytest.mark.parametrize(
    ("delay_s", "back"), [(30, 250_000_000), (60, 250_000_000), (90, 125_000_000), (120, 0), (500, 0)]
)
def test_a_slow_proof_costs_the_proposer_its_deposit(delay_s: int, back: int) -> None:
    """1.1.2: deposit refund = deposit*(10000-tRel)//10000."""
    market = Market()
    market.s.proof_time[0] = 30
    market.request(0, 0)
    market.prove(0, 1_000 * delay_s)
    assert market.b.cash[PROPOSER] == RICH - TOKEN - TOKEN // 4 + back


def test_a_second_proof_is_refused() -> None:
    """1.1: strictly first come; a proof that arrives second reverts, so the loser's cost is sunk."""
    market = Market()
    market.request(0, 0)
    market.request(1, 0)
    market.prove(1, 30_000)  # waits for block 0
    assert market.b.phase[1] == Phase.PROVEN
    assert market.do(Kind.PROVE, 30_000, SLOW, job=1) == Verdict.WRONG_PHASE
    market.prove(0, 30_001, SLOW)
    assert market.b.phase[:2].tolist() == [Phase.SETTLED] * 2
    assert market.do(Kind.PROVE, 30_002, FAST, job=0) == Verdict.WRONG_PHASE


def test_the_first_credit_of_an_account_is_one_unit() -> None:
    """1.1.2: an account whose balance was 0 is credited only 1 unit the first time (activation penalty)."""
    market = Market(Params())
    for job in range(2):
        market.request(job, 10_000 * job)
    assert market.prove(0, 15_000) == 1
    assert market.prove(1, 16_000) > TOKEN * 98 // 100
    assert market.b.burnt[0] - market.s.charged[:2].sum() == TOKEN // 4 - 1  # of the proposer's first refund


def test_a_proposer_does_not_pay_more_than_it_said() -> None:
    market = Market()
    assert market.do(Kind.REQUEST, 0, PROPOSER, amount=TOKEN + TOKEN // 4 - 1) == Verdict.TOO_DEAR
    assert market.do(Kind.REQUEST, 0, PROPOSER, amount=TOKEN + TOKEN // 4) == Verdict.OK


def test_a_full_chain_takes_no_more() -> None:
    """1.1.2: maxNumBlocks 2049: 2048 blocks may wait."""
    market = Market(PLAIN._replace(max_blocks=3))
    for job in range(3):
        market.request(job, 0)
    assert market.do(Kind.REQUEST, 0, PROPOSER, job=3, amount=ANY_FEE) == Verdict.FULL
    market.prove(0, 1)
    market.request(3, 1)


def test_literally_a_batch_is_paid_at_the_n_of_its_start() -> None:
    """L: latestVerifiedId is raised after the loop; intended, n falls with each block."""
    paid: dict[int, list[int]] = {}
    for literal in (1, 0):
        market = Market(PLAIN._replace(literal=literal))
        for job in range(4):
            market.request(job, 10_000 * job)
        for job in (3, 2, 1, 0):
            market.prove(job, 40_000)
        paid[literal] = market.b.paid[:4].tolist()
    p = PLAIN
    at = [alpha2_race.adjust_to_slots(p, TOKEN, n, 1) * 99 // 100 for n in range(5)]
    assert paid[1] == [at[4]] * 4
    assert paid[0] == [at[4], at[3], at[2], at[1]]


def test_at_most_ten_blocks_are_verified_in_one_call() -> None:
    market = Market()
    for job in range(15):
        market.request(job, 1_000 * job)
    for job in range(14, -1, -1):
        market.prove(job, 20_000)
    assert (market.b.phase[:15] == Phase.SETTLED).tolist() == [True] * 10 + [False] * 5
    assert market.do(Kind.SETTLE, 20_000, PROPOSER, job=12) == Verdict.EARLY
    assert market.do(Kind.SETTLE, 20_001, PROPOSER, job=12) == Verdict.OK
    assert market.b.phase[14] == Phase.SETTLED


def test_a_lost_block_lets_the_others_pass() -> None:
    market = Market(PLAIN._replace(window_ms=60_000))
    market.request(0, 0)
    market.request(1, 1_000)
    market.prove(1, 2_000)
    assert market.do(Kind.EXPIRE, 60_000, PROPOSER) == Verdict.EARLY
    assert market.do(Kind.EXPIRE, 60_001, PROPOSER) == Verdict.OK
    assert market.b.phase[:2].tolist() == [Phase.LOST, Phase.SETTLED]
    assert market.b.cash[PROPOSER] == RICH - market.s.charged[:2].sum()  # both deposits came back


def test_a_dry_mint_pays_what_is_there() -> None:
    market = Market(PLAIN._replace(mint_supply_gwei=5))
    market.request(0, 0)
    assert market.prove(0, 1) == 5


# --- gaming and failures ---


def test_no_downward_force_with_fixed_intervals() -> None:
    """1.1.2 and 5, item 4: with fixed block intervals the base never falls, whatever the proofs do."""
    market = Market(jobs=300)
    dice = np.random.default_rng(3)
    base, rises = [TOKEN], 0
    for job in range(300):
        now = 20_000 * job
        market.request(job, now)
        market.prove(job, now + int(dice.integers(5_000, 20_000)))
        rises += int(market.s.base[0]) > base[-1]
        base.append(int(market.s.base[0]))
    assert base == sorted(base)
    assert rises > 20
    assert market.s.block_time[0] == 20


def test_only_idling_lowers_the_fee() -> None:
    """1.1.2: there is no downward force unless the proposer idles: three intervals x0.40, four x0.25."""
    market = Market()
    market.request(0, 10_000)
    market.request(1, 20_000)
    fee = alpha2_race.adjust_to_slots(PLAIN, TOKEN, 2, -1)
    assert market.request(2, 50_000) == fee * 40 // 100
    assert market.s.base[0] == (TOKEN * 1_023 + TOKEN * 40 // 100) // 1_024


def test_one_slow_proof_moves_the_base_by_three_in_1024() -> None:
    """1.1.2: a proof slower than 2*avg multiplies the base by up to 4, and feeBase follows with factor 1024."""
    market = Market()
    market.s.proof_time[0] = 30
    market.request(0, 0)
    assert market.prove(0, 120_000) == alpha2_race.adjust_to_slots(PLAIN, 4 * TOKEN, 1, 1) * 99 // 100
    assert market.s.base[0] == (TOKEN * 1_023 + 4 * TOKEN) // 1_024


def test_the_base_stops_before_it_overflows() -> None:
    """1.1.2: rewards rose monotonically until they threatened to overflow."""
    market = Market(PLAIN._replace(start_fee_gwei=alpha2_race.MAX_BASE, factor=1))
    market.s.proof_time[0] = 1
    assert market.do(Kind.REQUEST, 0, PROPOSER, amount=RICH) == Verdict.OK
    market.prove(0, 100_000)
    assert market.s.base[0] == alpha2_race.MAX_BASE


def test_the_ratchet_in_the_simulator() -> None:
    """1.1.2: with fixed intervals the price only rises; averages that can rise again keep it within a few percent."""
    path = Path(__file__).parents[2] / "scenarios" / "taiko-alpha2-ratchet.toml"
    changes = {"horizon": "6h"}
    literal = simulate(read(path, changes))
    meant = simulate(read(path, changes, "alpha2_race(activation = 0, literal = 0)"))
    paid = literal.jobs.paid_gwei
    hourly = [float(paid[k : k + 180].mean()) for k in range(0, 1_080, 180)]
    assert hourly == sorted(hourly)
    assert hourly[-1] > 20 * TOKEN
    assert abs(meant.jobs.paid_gwei[900:1_080].mean() / TOKEN - 1) < 0.1
    assert literal.money_difference_gwei == meant.money_difference_gwei == 0


# --- parameters ---


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start_fee_gwei", 0), ("max_blocks", 0), ("smoothing", 1_000), ("burn_bips", 10_001), ("deposit_percent", -1),
        ("factor", 0), ("multiplier_percent", 99), ("top_percent", 199), ("batch", 0), ("literal", 2),
        ("activation", -1), ("window_ms", 0), ("mint_supply_gwei", -1), ("block_time_cap_s", 0),
    ],
)  # fmt: skip
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("alpha2_race", alpha2_race, {name: value})


@pytest.mark.parametrize("kind", [Kind.OFFER, Kind.STAKE, Kind.UNSTAKE, Kind.WITHDRAW, Kind.DELEGATE, Kind.TRANSFER])
def test_kinds_without_a_meaning(kind: Kind) -> None:
    assert Market().do(kind, 0, FAST, amount=1) == Verdict.UNKNOWN


# --- random markets: conserved, never negative, refused means untouched, plain equals compiled, no job stuck ---

MARKETS = (Params(), PLAIN._replace(literal=0, batch=2), Params(max_blocks=5, factor=2, window_ms=600_000))
STEP = st.tuples(
    st.sampled_from("rrrrppppxz"),
    st.integers(0, 3),
    st.integers(0, 63),
    st.integers(0, 2**62 - 1),
    st.sampled_from([0, 0, 1_000, 12_000, 60_000, 600_000]),
)


def timer(b: Any, job: int, time: int) -> Event:
    kind = Kind.EXPIRE if b.phase[job] == Phase.OPEN else Kind.SETTLE
    return Event(kind, time, 0, job, 0, 0, 0)


def event_of(s: Any, what: str, now: int, actor: int, k: int, word: int) -> Event:
    """Make a step a plausible event, given the state it meets."""
    b = s.book
    live = np.flatnonzero((b.phase != Phase.NONE) & (b.phase < Phase.SETTLED))
    job = int(live[k % live.size]) if live.size else k % b.phase.size
    if what == "r":
        new = np.flatnonzero(b.phase == Phase.NONE)
        return Event(Kind.REQUEST, now, actor, int(new[0]) if new.size else job, ANY_FEE // (1 + word % 3), k, word)
    if what == "p":
        return Event(Kind.PROVE, now, actor, job, 0, 0, 1)
    if what == "x":
        return timer(b, job, max(now, int(b.deadline[job]) + 1 - word % 2) if word % 4 else now)
    return Event(word % 15, now, actor, job, word % RICH, k - 8, word)


@settings(max_examples=40)
@given(p=st.sampled_from(MARKETS), steps=st.lists(STEP, min_size=20, max_size=80))
def test_random_markets(p: Params, steps: list[tuple[str, int, int, int, int]]) -> None:
    market = Market(p)
    both = Both(alpha2_race, p, market)
    now = 0
    for what, actor, k, word, wait in steps:
        event = event_of(market.s, what, now + wait, actor, k, word)
        both(event)
        now = max(now + wait, event.time)
    b = market.b
    for job in np.flatnonzero(b.phase != Phase.NONE).tolist():
        for _ in range(100):
            if b.phase[job] not in FINAL:
                now = max(now, int(b.deadline[job])) + 1
                assert both(timer(b, job, now)) == Verdict.OK
        assert b.phase[job] in FINAL
    assert b.escrow.sum() == market.s.waiting[0] == 0
