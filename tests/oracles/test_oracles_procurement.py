"""Buying from the cheapest, from anyone, and from somebody who may not come: 4.3 of the page on rollups, 15.1, 15.5."""

import math
import random
from typing import Any

import numpy as np
import pytest
from engine.worlds import prover, scenario

from proofyard.conformance.compiled import fold
from proofyard.conformance.market import Market, Setup, Trace
from proofyard.core import Event, Kind, Phase, Verdict
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import rule

RUNS = 5_000
SCALE = 10**6  # gwei of a cost of 1


def allocate(asks: list[list[int]], pick: int, seed: int) -> np.ndarray:
    """Price of each job when `asks[job]` are the offers, by the compiled staked allocation."""
    dice = random.Random(seed)
    n, runs = len(asks[0]), len(asks)
    text = f"staked_allocation(pick={pick}, bond_gwei=0, window_ms=10)"
    setup = Setup(rule(text), runs, (1,) * n + (10**12,))
    events: list[Event] = []
    for job, prices in enumerate(asks):
        events += [Event(Kind.OFFER, 100 * job, k, 0, price, runs, 0) for k, price in enumerate(prices)]
        events.append(Event(Kind.REQUEST, 100 * job, n, job, 2 * SCALE, 1, dice.randrange(2**62)))
        events += [Event(Kind.PROVE, 100 * job + 1, k, job, 0, 0, 0) for k in range(n)]
    sheet, _ = fold(Trace(setup, events, [], np.zeros(0, np.int64)), len(events))
    assert (sheet.state.book.phase == Phase.SETTLED).all()
    return sheet.state.book.paid / SCALE


@pytest.mark.parametrize("n", [2, 5, 10])
def test_a_lot_at_cost_pays_one_half(n: int) -> None:
    """15.1: n provers with U[0,1] cost, random assignment at cost: mean price 1/2. 5 000 runs, three errors."""
    dice = random.Random(n)
    asks = [[1 + int(dice.random() * SCALE) for _ in range(n)] for _ in range(RUNS)]
    price = allocate(asks, 0, seed=n)
    assert abs(price.mean() - 0.5) < 3 * math.sqrt(1 / 12 / RUNS)


@pytest.mark.parametrize("n", [2, 5, 10])
def test_first_price_at_equilibrium_pays_two_over_n_plus_one(n: int) -> None:
    """4.3: b(c) = c + (1 - c)/n: mean payment 2/(n+1), winner's rent 1/(n+1). Paid as asked, 5 000 runs."""
    dice = random.Random(50 + n)
    costs = [[dice.random() for _ in range(n)] for _ in range(RUNS)]
    asks = [[1 + round((c + (1 - c) / n) * SCALE) for c in row] for row in costs]
    price = allocate(asks, 1, seed=n)
    rent = price - np.array([min(row) for row in costs])
    assert abs(price.mean() - 2 / (n + 1)) < 3 * price.std() / math.sqrt(RUNS)
    assert abs(rent.mean() - 1 / (n + 1)) < 3 * rent.std() / math.sqrt(RUNS)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_tacit_collusion_is_stable_from_a_patience_of_one_minus_one_over_n(n: int) -> None:
    """4.3: symmetric equal shares, grim trigger: stable iff delta >= 1 - 1/n (n = 3: 2/3).

    Stage payoffs are the rule's: all at the reserve share by lot, an undercut by one gwei takes all, afterwards
    everybody asks its cost and earns nothing. Shares are exact: one word for each ticket.
    """
    reserve, cost = 1_000_000, 400_000

    def payoffs(asks: list[int]) -> list[float]:
        gains = [0.0] * n
        for ticket in range(n):
            market = Market(Setup(rule("staked_allocation(pick=1, bond_gwei=0)"), 1, (1,) * n + (10**9,)))
            for k, ask in enumerate(asks):
                market.answer(Event(Kind.OFFER, 0, k, 0, ask, 1, 0))
            word = -(-ticket * 2**62 // n)
            assert market.answer(Event(Kind.REQUEST, 0, n, 0, reserve, 1, word)) == Verdict.OK
            winner = int(market.book.prover[0])
            market.answer(Event(Kind.PROVE, 1, winner, 0, 0, 0, 0))
            gains[winner] += (int(market.book.paid[0]) - cost) / n
        return gains

    together = payoffs([reserve] * n)[0]
    alone = payoffs([reserve - 1] + [reserve] * (n - 1))[0]
    war = payoffs([cost] * n)[0]
    critical = (alone - together) / (alone - war)
    assert critical == pytest.approx(1 - 1 / n, abs=1e-4)


def delivered(mechanism: str, crew: list[Any]) -> float:
    """Share of 3 000 requests that got a proof, in the engine; two hours apart, so that all are over by then."""
    work = {"requests": 3_000, "every": "2h", "max_fee": "10"}
    run = simulate(scenario(mechanism, horizon="260d", workload=work, provers=crew))
    assert len(run.jobs.phase) == 3_000
    return float((run.jobs.phase == Phase.SETTLED).mean())


def lazy(f: float) -> dict[str, Any]:
    """One that wins every time, for its cost is lowest, and lets a share `f` go."""
    return prover("lazy", policy=f"withhold({f})", stake="1000000", cash="1000", open_jobs="ignore")


@pytest.mark.parametrize("f", [0.1, 0.3])
def test_non_delivery_with_nobody_to_step_in(f: float) -> None:
    """15.5: non-delivery f without penalty: Brevis requester success 1 - f. 3 000 runs, three errors."""
    share = delivered("sealed_bid(slash_rate = 0)", [lazy(f)])
    assert abs(share - (1 - f)) < 3 * math.sqrt(f * (1 - f) / 3_000)


@pytest.mark.parametrize("f", [0.1, 0.3])
def test_non_delivery_and_a_rescuer(f: float) -> None:
    """15.5: Boundless 1 - f P(no rescuer): none is there, one always is, or one for 8 hours of 24. 3 000 runs.

    Requests come at even hours and can be rescued from half past to the full hour, so one is there for 4 in 12.
    """
    for online, missing in (("", 1.0), ("always", 0.0), ("nights", 2 / 3)):
        rescuer = [prover("rescuer", ask="10", online=online, stake="0")] if online else []
        share = delivered("dutch", [lazy(f), *rescuer])
        wanted = 1 - f * missing
        assert abs(share - wanted) <= 3 * math.sqrt(f * missing * wanted / 3_000)
