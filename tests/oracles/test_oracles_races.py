"""Races (field page on rollups, 4.2; on markets, 15.2 and 15.6): the shipped rules, driven and in the engine."""

import math
import random
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from engine.worlds import prover, scenario

from proofyard.conformance.compiled import fold
from proofyard.conformance.market import Setup, Trace
from proofyard.core import Event, Kind, Verdict
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import rule

RUNS = 10_000
SECOND = 1_000_000  # ticks of the clock in a unit of the page's times, so that ties are rare
APART = 10_000 * SECOND


def race(times: Callable[[random.Random], list[float]], seed: int, runs: int = RUNS) -> tuple[np.ndarray, float]:
    """Let `runs` jobs be raced for, all proofs handed in as they are ready, by the compiled rule.

    Returns each prover's share of the wins, and the mean time of the accepted proof.
    """
    dice = random.Random(seed)
    count = len(times(random.Random(0)))
    setup = Setup(rule(f"race(window_ms={APART // 2})"), runs, (10**9,) * count + (10**12,))
    events: list[Event] = []
    for job in range(runs):
        drawn = [round(t * SECOND) for t in times(dice)]
        events.append(Event(Kind.REQUEST, job * APART, count, job, 1_000, 1, 0))
        ready = sorted((time, k) for k, time in enumerate(drawn))
        events += [Event(Kind.PROVE, job * APART + time, k, job, 0, 0, 0) for time, k in ready]
    sheet, verdicts = fold(Trace(setup, events, [], np.zeros(0, np.int64)), len(events))
    assert int((verdicts == Verdict.OK).sum()) == 2 * runs  # one proof of each job
    state = sheet.state
    mean = float((state.proven_at - np.arange(runs) * APART).mean()) / SECOND
    return np.bincount(state.book.prover, minlength=count) / runs, mean


def near(share: float, wanted: float, runs: int = RUNS) -> bool:
    """Within three standard errors of a probability."""
    return abs(share - wanted) < 3 * math.sqrt(wanted * (1 - wanted) / runs)


def test_the_first_of_exponential_times() -> None:
    """4.2: T_i ~ Exp(rate_i): P(i) = rate_i / sum, E[min] = 1 / sum; rates 3, 2, 1 -> .5 and 1/6. 10 000 runs."""
    shares, mean = race(lambda d: [d.expovariate(3), d.expovariate(2), d.expovariate(1)], seed=1)
    assert near(shares[0], 0.5)
    assert near(shares[2], 1 / 6)
    assert abs(mean - 1 / 6) < 3 * (1 / 6) / math.sqrt(RUNS)


@pytest.mark.parametrize(("lead", "wanted"), [(0, 0.5), (5, 0.6967), (10, 0.8161), (20, 0.9323)])
def test_a_lead_and_exponential_jitter(lead: float, wanted: float) -> None:
    """4.2: P(1) = 1 - exp(-rate lead) / 2, rate .1: lead 0/5/10/20 -> .5/.6967/.8161/.9323. 10 000 runs."""
    assert round(1 - math.exp(-0.1 * lead) / 2, 4) == wanted
    shares, _ = race(lambda d: [50 + d.expovariate(0.1), 50 + lead + d.expovariate(0.1)], seed=100 + int(lead))
    assert near(shares[0], wanted)


@pytest.mark.parametrize(("lead", "wanted"), [(5, 0.6382), (10, 0.7602), (20, 0.9214), (40, 0.9977)])
def test_a_lead_and_gaussian_jitter(lead: float, wanted: float) -> None:
    """4.2: Phi(lead / (sigma sqrt 2)), sigma 10: 5/10/20/40 -> .6382/.7602/.9214/.9977. 10 000 runs."""
    assert NormalDist().cdf(lead / (10 * math.sqrt(2))) == pytest.approx(wanted, abs=2e-4)
    shares, _ = race(lambda d: [200 + d.gauss(0, 10), 200 + lead + d.gauss(0, 10)], seed=200 + int(lead))
    assert near(shares[0], wanted)


def test_gumbel_jitter_is_a_softmax() -> None:
    """4.2: Gumbel jitter of scale beta: softmax(-tau / beta); tau 0, 5, 12, beta 8 (the least of -Gumbel). 10 000."""
    taus, beta = (0.0, 5.0, 12.0), 8.0
    shares, _ = race(lambda d: [200 + t + beta * math.log(d.expovariate(1)) for t in taus], seed=7)
    weights = [math.exp(-t / beta) for t in taus]
    for share, weight in zip(shares, weights, strict=True):
        assert near(float(share), weight / sum(weights))


def test_winner_takes_all_in_the_engine() -> None:
    """4.2: deterministic times, argmin wins with probability 1, others earn 0 and pay: HHI 1."""
    crew = [prover("fast", "30s"), prover("slow", "31s"), prover("third", "32s")]
    run = simulate(scenario(provers=crew, workload={"requests": 50, "every": "60s"}))
    shares = run.provers.wins / run.provers.wins.sum()
    assert float((shares**2).sum()) == 1
    assert run.provers.income_gwei[1:].tolist() == [0, 0]
    assert (run.provers.cost_gwei[1:] > 0).all()


@pytest.mark.parametrize("n", [2, 5, 10])
def test_n_provers_waste_all_but_one_nth(n: int) -> None:
    """15.2 and 4.2: race waste = 1 - 1/n of work, redundancy factor n, when losers learn of it too late."""
    crew = [prover(count=n)]
    run = simulate(scenario(provers=crew, market={"losers": "run_on"}, workload={"requests": 40, "every": "60s"}))
    busy, wasted = int(run.provers.busy_ms.sum()), int(run.provers.wasted_ms.sum())
    assert wasted * n == busy * (n - 1)
    assert busy == n * 40 * 30_000


@pytest.mark.parametrize(("prize", "fits"), [(3, 3), (7, 7), (5, 5)])
def test_entry_goes_on_until_the_prize_is_spent(prize: int, fits: int) -> None:
    """4.2: free symmetric entry with a lottery winner: n = floor(R / c), dissipation n c / R -> 1; redundancy n.

    Under the shipped lottery all prove: each of floor(R / c) provers breaks even, one more makes a loss. 4 000 jobs
    in the engine; a proof costs 1 usd / h x 30 s, the prize R = prize + .5 times that.
    """
    cost = 1 / 120
    most: Any = f"{(prize + 0.5) * cost:.9f}"
    work = {"requests": 4_000, "every": "60s", "max_fee": most}
    profits: list[float] = []
    for n in (fits, fits + 1):
        world = scenario("lottery(window_ms=40_000)", horizon="3d", workload=work, provers=[prover(count=n)])
        run = simulate(world)
        assert run.provers.busy_ms.sum() == n * 4_000 * 30_000
        profits.append(float((run.provers.income_gwei - run.provers.cost_gwei).sum()) / 10**9 / cost / 4_000)
    assert profits[0] == pytest.approx(0.5, abs=1e-3)  # all of the prize but what is too little for one more
    assert profits[1] == pytest.approx(-0.5, abs=1e-3)


def test_with_costs_from_zero_to_one_a_race_spends_n_halves_for_each_proof() -> None:
    """15.1: race: everyone spends, total cost n/2 per proof for one payment. Ten provers at the middles of tenths."""
    n = 10
    crew = [prover(f"p{k}", cost={"per_hour": f"{120 * (k + 0.5) / n} usd", "energy": "0 kW"}) for k in range(n)]
    world = scenario(provers=crew, market={"losers": "run_on"}, workload={"requests": 50, "every": "60s"})
    run = simulate(world)
    assert float(run.provers.cost_gwei.sum()) / 10**9 / 50 == pytest.approx(n / 2, rel=1e-6)
    assert run.jobs.paid_gwei.tolist() == [10**9] * 50


@pytest.mark.parametrize("mechanism", ["race", "sealed_bid", "staked_allocation(pick = 1, window_ms = 60_000)"])
def test_what_speed_is_worth(mechanism: str) -> None:
    """15.6: the fastest has all jobs of a race when jitter is smaller than its lead; where cost decides, none."""
    fast = prover("fast", "20s", cost={"per_hour": "2 usd", "energy": "0 kW"}, stake="1000", cash="10")
    slow = prover("slow", "35s", cost={"per_hour": "1 usd", "energy": "0 kW"}, stake="1000", cash="10")
    run = simulate(scenario(mechanism, horizon="2h", workload={"requests": 30, "every": "120s"}, provers=[fast, slow]))
    assert run.provers.wins.tolist() == ([30, 0] if mechanism == "race" else [0, 30])  # .0111 a proof against .0097
