"""The coordinator: pulls, silences, hand-over, outsourcing. Sections are those of the field page on markets."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofyard.conformance import compiled
from proofyard.conformance.market import Market, Setup
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.core.rule import Rule, with_params
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import coordinator_pull
from proofyard.mechanisms.coordinator_pull import OUTSOURCING, SCROLL, WEEK, ZKSYNC, Params
from proofyard.scenario import read

WORD = 2**62
FIRST, SECOND, THIRD, REQUESTER, NETWORK = range(5)
CASH = 10**12
FEE = 4_000_000  # 4 USDC at 6 decimals
PROVING = 60_000


class Coordinator:
    """An audited market with some provers logged in, one task at a time each."""

    def __init__(self, p: Params = SCROLL, provers: int = 2, jobs: int = 6) -> None:
        self.p = p
        self.market = Market(Setup(Rule("coordinator_pull", coordinator_pull, p), jobs, (CASH,) * 5))
        self.s, self.b = self.market.sheet.state, self.market.book
        for prover in range(provers):
            self.ok(Kind.OFFER, 0, prover, amount=1, detail=1)

    def do(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> Verdict:
        job, amount, detail, word = (rest.get(name, 0) for name in ("job", "amount", "detail", "word"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, word))

    def ok(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def ask(self, job: int = 0, time: int = 0, word: int = 0) -> int:
        """Ask for a task; return who has it."""
        self.ok(Kind.REQUEST, time, REQUESTER, job=job, amount=FEE, word=word)
        return int(self.b.prover[job])

    def timer(self, job: int = 0, word: int = 0) -> int:
        """Fire the timer of `job` when it is due; return when."""
        now = max(self.market.now, int(self.b.deadline[job]) + 1)
        assert self.market.answer(self.market.timer(job, now)._replace(word=word)) == Verdict.OK
        return now

    def gain(self, actor: int) -> int:
        return int(self.b.cash[actor]) - CASH

    def phase(self, job: int = 0) -> Phase:
        return Phase(int(self.b.phase[job]))


# --- attempts ---


def test_five_silences_lose_a_task() -> None:
    """10: 5 attempts per task; 9: job gone after 5 attempts."""
    for p in (SCROLL, ZKSYNC):
        c = Coordinator(p)
        c.ask()
        held = [int(c.b.prover[0])]
        for _ in range(4):
            c.timer()
            held.append(int(c.b.prover[0]))
        assert held == [FIRST, SECOND, FIRST, SECOND, FIRST]  # never at once to the one that was silent
        c.timer()
        assert (c.phase(), c.gain(REQUESTER), c.s.open_jobs.sum()) == (Phase.LOST, 0, 0)


@pytest.mark.parametrize("f", [0.1, 0.3, 0.5])
def test_a_task_is_lost_with_probability_f_to_the_fifth(f: float) -> None:
    """10, 9 and 15.5: P(task lost) = f^5; 1-f^5 succeed. By counting over all outcomes of the attempts."""
    lost = 0.0
    for outcomes in range(2**5):
        c = Coordinator()
        c.ask()
        chance = 1.0
        for attempt in range(5):
            silent = outcomes >> attempt & 1
            chance *= f if silent else 1 - f
            if c.phase() != Phase.ASSIGNED:
                continue
            if silent:
                c.timer()
            else:
                c.ok(Kind.PROVE, c.market.now, int(c.b.prover[0]))
        lost += chance * (c.phase() == Phase.LOST)
    assert lost == pytest.approx(f**5)


def test_an_attempt_ends_at_the_first_look_after_its_limit() -> None:
    """10: 180 s collection limit, timeout check every 2 s: limit 180 plus mean 1 s until the check."""
    waits = []
    for start in range(0, 2_000, 100):
        c = Coordinator()
        c.ask(time=start)
        assert c.do(Kind.EXPIRE, start + 180_000) == Verdict.EARLY
        ended = c.timer()
        assert ended % 2_000 == 0
        waits.append(ended - start)
    assert (min(waits), max(waits)) == (180_100, 182_000)
    assert np.mean(waits) == pytest.approx(181_000, abs=50)


def truncated_latency(f: float, wait: float) -> float:
    """Mean latency of the tasks that are proven: S + `wait` for each silence, at most four of them."""
    chances = [f**k * (1 - f) for k in range(5)]
    return PROVING + wait * sum(k * chance for k, chance in enumerate(chances)) / sum(chances)


@pytest.mark.parametrize("f", [0.02, 0.1, 0.2])
def test_latency_by_the_share_of_silent_attempts(f: float) -> None:
    """10: S + 181 f/(1-f), truncated at 5 attempts; every outcome, weighed, from starts spread over two seconds."""
    total = weight = 0.0
    for k in range(5):
        latencies = []
        for start in range(50, 2_000, 100):
            c = Coordinator()
            c.ask(time=start)
            for _ in range(k):
                c.timer()
            done = c.market.now + PROVING
            c.ok(Kind.PROVE, done, int(c.b.prover[0]))
            latencies.append(done - start)
        total += f**k * np.mean(latencies)
        weight += f**k
    mean = float(total / weight)
    assert mean == pytest.approx(truncated_latency(f, 181_000), rel=0.002)  # later attempts begin at a look: 182 s
    assert mean == pytest.approx(PROVING + 181_000 * f / (1 - f), rel=0.005)


def test_a_dead_worker_wastes_ten_minutes_and_ten_seconds_at_most() -> None:
    """9: wasted time per dead worker <= 10 min + 10 s; every 10 s requeue jobs that ran longer than 10 min."""
    waits = []
    for start in (0, 1, 4_999, 9_999):
        c = Coordinator(ZKSYNC)
        c.ask(time=start)
        waits.append(c.timer() - start)
    assert waits == [610_000, 609_999, 605_001, 600_001]


def test_a_proof_is_in_time_until_the_coordinator_looks() -> None:
    c = Coordinator()
    c.ask(time=1_000)
    assert c.do(Kind.PROVE, 181_999, SECOND) == Verdict.NOT_YOURS
    c.ok(Kind.PROVE, 181_999, FIRST)
    late = Coordinator()
    late.ask(time=1_000)
    assert late.do(Kind.PROVE, 182_000, FIRST) == Verdict.LATE
    late.timer()
    assert late.do(Kind.PROVE, 182_000, FIRST) == Verdict.NOT_YOURS  # #1761: the limit had to pass first


def test_a_failure_that_is_reported_costs_an_attempt_and_no_time() -> None:
    c = Coordinator()
    c.ask()
    assert c.do(Kind.DECLINE, 5, SECOND) == Verdict.NOT_YOURS
    for attempt in range(1, 6):
        c.ok(Kind.DECLINE, 5, int(c.b.prover[0]))
        assert c.s.tried[0] == attempt
    assert c.phase() == Phase.LOST


# --- hand-over ---


def test_levels_wait_for_the_look_at_what_is_ready() -> None:
    """10: readiness check every 10 s: level hand-over adds U(0,10) s per level."""
    waits = []
    for done in range(50_000, 60_000, 500):
        c = Coordinator()
        c.ask()
        c.ok(Kind.PROVE, done, FIRST)
        assert c.phase() == Phase.PROVEN
        waits.append(c.timer() - done)
        assert c.phase() == Phase.SETTLED
    assert sorted(waits) == list(range(500, 10_001, 500))


# --- pulling ---


def test_any_idle_prover_may_have_a_task_by_equal_lot() -> None:
    for prover in (FIRST, SECOND, THIRD):
        assert Coordinator(provers=3).ask(word=prover * WORD // 3 + 1) == prover
        assert Coordinator(provers=3).ask(word=(prover + 1) * WORD // 3 - 1) == prover


def test_who_is_idle_pulls_what_waits_longest() -> None:
    """10: prover pulls a task; 1 prover per session."""
    c = Coordinator(provers=1)
    for job in range(3):
        c.ask(job, job)
    assert [c.phase(job) for job in range(3)] == [Phase.ASSIGNED, Phase.BIDDING, Phase.BIDDING]
    c.ok(Kind.PROVE, 10, FIRST)
    assert (c.phase(1), c.b.prover[1], c.s.woken[0]) == (Phase.ASSIGNED, FIRST, 2)
    c.ok(Kind.OFFER, 11, SECOND, amount=1, detail=1)
    assert (c.phase(2), c.b.prover[2]) == (Phase.ASSIGNED, SECOND)


def test_a_silent_prover_takes_what_waits_and_not_the_same_at_once() -> None:
    """10: busy cannot be told from dead (#325): it pulls all the same."""
    c = Coordinator(provers=1)
    c.ask(0)
    c.ask(1, 1)
    c.timer(0)
    assert (c.phase(0), c.b.prover[1]) == (Phase.BIDDING, FIRST)
    c.ok(Kind.PROVE, c.market.now, FIRST, job=1)
    assert c.phase(0) == Phase.BIDDING  # it is the only one, and looks again at the next timer
    c.timer(0)
    assert (c.b.prover[0], c.s.tried[0]) == (FIRST, 1)


def test_the_queue_forgets_what_was_taken_out_of_turn() -> None:
    c = Coordinator(provers=1, jobs=4)
    for job in range(4):
        c.ask(job, job)
    c.ok(Kind.PROVE, 10, FIRST)  # pulls 1
    c.ok(Kind.OFFER, 10, FIRST, amount=1, detail=2)  # room for a second: pulls 2
    c.ok(Kind.OFFER, 10, FIRST, amount=1, detail=3)
    assert [c.phase(job) for job in (1, 2, 3)] == [Phase.ASSIGNED] * 3
    assert (c.s.head[0], c.s.queued.tolist()) == (0, [0, 0, 0, 0])


def test_patience_ends() -> None:
    c = Coordinator(provers=0)
    c.ask()
    looks = 0
    while c.phase() == Phase.BIDDING:
        looks += 1
        c.timer()
    assert (c.phase(), c.gain(REQUESTER), c.market.now) == (Phase.LOST, 0, WEEK + 1)
    assert looks < 80


def test_a_block_list() -> None:
    """14: penalty: block list. Here after so many silences in a row; a proof in between forgives."""
    c = Coordinator(Params(block_after=2), provers=1)
    c.ask()
    c.timer()
    c.timer()
    c.ok(Kind.PROVE, c.market.now, FIRST)
    assert c.s.silences[FIRST] == 0
    c.ask(1, c.market.now)
    for _ in range(3):
        c.timer(1)
    assert c.s.silences[FIRST] == 2
    assert c.ask(2, c.market.now) == -1
    assert c.phase(2) == Phase.BIDDING


# --- money ---


def test_the_proof_is_paid_at_once_and_a_fixed_fee_is_all() -> None:
    c = Coordinator()
    c.ask()
    c.ok(Kind.PROVE, 9, FIRST)
    assert (c.gain(FIRST), c.gain(REQUESTER), c.b.paid[0]) == (FEE, -FEE, FEE)
    fixed = Coordinator(Params(fee_gwei=FEE - 1))
    fixed.ask()
    fixed.ok(Kind.PROVE, 9, FIRST)
    assert (fixed.gain(FIRST), fixed.gain(REQUESTER)) == (FEE - 1, 1 - FEE)
    assert fixed.do(Kind.REQUEST, 9, REQUESTER, job=1, amount=FEE - 2) == Verdict.TOO_DEAR
    assert fixed.do(Kind.PROVE, 9, FIRST) == Verdict.WRONG_PHASE


# --- outsourcing ---


def test_own_provers_begin_4800_s_after_the_acknowledgement_at_the_latest() -> None:
    """9: timeout 4800; no acknowledgement in 150: worst time before own cluster = 4800 + acknowledgement delay."""
    c = Coordinator(OUTSOURCING)
    c.ask()
    assert c.phase() == Phase.BIDDING
    c.ok(Kind.BID, 150_000, NETWORK, amount=FEE)
    assert c.b.prover[0] == NETWORK
    assert c.do(Kind.EXPIRE, 4_950_000) == Verdict.EARLY
    assert c.timer() == 4_800_000 + 150_000 + 1
    assert (c.b.prover[0], c.s.tried[0]) == (FIRST, 0)
    c.ok(Kind.PROVE, c.market.now, FIRST)
    assert c.gain(FIRST) == FEE


def test_without_an_acknowledgement_own_provers_begin() -> None:
    """9: own cluster takes over if no acknowledgement in 150."""
    c = Coordinator(OUTSOURCING)
    c.ask()
    assert c.do(Kind.BID, 150_001, NETWORK, amount=FEE) == Verdict.LATE
    assert c.timer() == 150_001
    assert c.b.prover[0] == FIRST


def test_an_acknowledgement_names_the_one_that_took_it() -> None:
    """9: max reward 4 USDC; an acknowledgement names the one that took it; proof invalid: own cluster takes over."""
    c = Coordinator(OUTSOURCING)
    c.ask()
    assert c.do(Kind.BID, 1, NETWORK, amount=FEE + 1) == Verdict.TOO_DEAR
    assert c.do(Kind.BID, 1, FIRST, amount=FEE) == Verdict.NOT_YOURS
    c.ok(Kind.BID, 1, NETWORK, amount=FEE - 5)
    assert c.do(Kind.BID, 2, THIRD, amount=1) == Verdict.WRONG_PHASE
    c.ok(Kind.PROVE, 3, NETWORK)
    assert (c.gain(NETWORK), c.gain(REQUESTER)) == (FEE - 5, 5 - FEE)
    c.ask(1, 4)
    c.ok(Kind.BID, 4, NETWORK, job=1, amount=1)
    c.ok(Kind.DECLINE, 5, NETWORK, job=1)
    assert (c.b.prover[1], c.s.reward[1]) == (FIRST, FEE)
    busy = Coordinator(OUTSOURCING, provers=0)
    busy.ask()
    busy.timer()
    assert busy.do(Kind.BID, busy.market.now, NETWORK, amount=1) == Verdict.WRONG_PHASE  # no longer on offer
    assert Coordinator().do(Kind.BID, 0, NETWORK) == Verdict.WRONG_PHASE
    plain = Coordinator(provers=0)
    plain.ask()
    assert plain.do(Kind.BID, 0, NETWORK) == Verdict.UNKNOWN


# --- the rest ---


def test_the_numbers_of_the_two() -> None:
    """10: 5 attempts, 180 s, 2 s, 10 s; 9: 5 attempts, 10 min, 10 s; 150, 4800."""
    assert (SCROLL.attempts, SCROLL.limit_ms, SCROLL.check_ms, SCROLL.ready_ms) == (5, 180_000, 2_000, 10_000)
    assert (ZKSYNC.attempts, ZKSYNC.limit_ms, ZKSYNC.check_ms) == (5, 600_000, 10_000)
    assert (OUTSOURCING.ack_ms, OUTSOURCING.outside_ms) == (150_000, 4_800_000)


@pytest.mark.parametrize("kind", [Kind.STAKE, Kind.UNSTAKE, Kind.WITHDRAW, Kind.DELEGATE, Kind.TRANSFER])
def test_kinds_without_a_meaning(kind: Kind) -> None:
    assert Coordinator().do(kind, 0, FIRST, amount=1) == Verdict.UNKNOWN


@pytest.mark.parametrize("capacity", [-1, 0, 2**31 + 1])
def test_senseless_capacities_are_refused(capacity: int) -> None:
    assert Coordinator().do(Kind.OFFER, 0, FIRST, amount=1, detail=capacity) == Verdict.BAD_DETAIL


@pytest.mark.parametrize(
    ("name", "value"),
    [("attempts", 0), ("limit_ms", 0), ("check_ms", 0), ("ready_ms", 0), ("patience_ms", 0), ("block_after", -1),
     ("fee_gwei", -1), ("ack_ms", -1), ("outside_ms", 0)],
)  # fmt: skip
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        with_params("coordinator_pull", coordinator_pull, {name: value})


MARKETS = (SCROLL, OUTSOURCING, Params(attempts=2, block_after=3, fee_gwei=77))


def likely(c: Coordinator, dice: random.Random, now: int) -> Event:
    """What might well happen next."""
    actor, job, word = dice.randrange(5), dice.randrange(len(c.b.phase)), dice.randrange(WORD)
    phase = Phase(int(c.b.phase[job]))
    by = int(c.b.prover[job]) if dice.randrange(4) and c.b.prover[job] >= 0 else actor
    if dice.randrange(9) == 0:
        return Event(Kind.OFFER, now, actor, 0, 1, dice.randrange(3), 0)
    if phase == Phase.NONE:
        return Event(Kind.REQUEST, now, actor, job, dice.choice((7, FEE)), 0, word)
    if phase == Phase.ASSIGNED and dice.randrange(3):
        return Event(dice.choice((Kind.PROVE, Kind.DECLINE)), now, by, job, 0, 0, word)
    if phase == Phase.BIDDING and dice.randrange(3) == 0:
        return Event(Kind.BID, now, actor, job, 5, 0, 0)
    if phase >= Phase.SETTLED:
        return Event(Kind.PROVE, now, by, job, 0, 0, 0)
    return c.market.timer(job, dice.choice((now, max(now, int(c.b.deadline[job]) + 1))))._replace(word=word)


@settings(max_examples=40)
@given(p=st.sampled_from(MARKETS), seed=st.integers(0, 2**32))
def test_whatever_happens_money_is_kept_and_the_compiled_rule_agrees(p: Params, seed: int) -> None:
    """Every event is audited by the market: conserved, nothing negative, refused means untouched."""
    c, dice, now = Coordinator(p, jobs=12), random.Random(seed), 0
    for _ in range(90):
        event = likely(c, dice, now)
        c.market.answer(event)
        now = event.time + dice.choice((0, 1, 1_000, 60_000))
    while live := c.market.live_jobs():
        c.timer(min(live, key=lambda job: int(c.b.deadline[job])))
    assert int(c.s.open_jobs.sum()) == int(c.b.escrow.sum()) == 0
    compiled.compare(c.market.trace())


def test_the_scenario_agrees_with_the_closed_forms() -> None:
    """10: S + 181 f/(1-f), truncated; P(task lost) = f^5, on the engine, within four standard errors or so."""
    path = Path(__file__).parents[2] / "scenarios" / "scroll-pull.toml"
    noisy = "speed(setup='60s', per_mgas='0s', noise=0.05, crash=0.5)"
    for f, changes in ((0.1, {}), (0.5, {f"provers[{k}].hardware": noisy for k in range(2)})):
        jobs = simulate(read(path, changes)).jobs
        proven = jobs.phase == Phase.SETTLED
        latency = (jobs.proven_ms - jobs.asked_ms)[proven].mean()
        assert latency == pytest.approx(truncated_latency(f, 181_500), rel=0.03)
        assert (~proven).mean() == pytest.approx(f**5, abs=0.005)
