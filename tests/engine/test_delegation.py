"""How delegated stake moves: elasticity, stickiness, commissions, caps, liquid staking, insurance."""

from typing import Any

import numpy as np
import pytest
from engine.worlds import prover, scenario

from proofyard.core import BadInput
from proofyard.engine.result import Run
from proofyard.engine.simulate import simulate

GWEI = 10**9
BY_COMMISSION = "operator_pool(own_commission=1, unbonding_ms=0)"
SLASHING = "operator_pool(slash_bips=2, unbonding_ms=0, compound=0)"


def market(mechanism: str, provers: list[dict[str, Any]], count: int = 400, **delegators: Any) -> Run:
    told = {"count": count, "policy": "chase_apr(lag='5d', share=0.2)", **delegators}
    work = {"every": "20m", "requests": None, "max_fee": "0.05"}
    return simulate(
        scenario(mechanism, horizon="60d", market={"epoch": "6h"}, workload=work, provers=provers, delegators=told)
    )


def operator(name: str, commission: str = "0.1", **more: Any) -> dict[str, Any]:
    return prover(name, "10s", capacity=100, stake="100", delegated="1000", ask=commission, **more)


DEAR_AND_CHEAP = [operator("dear", "0.5"), operator("cheap", "0.1")]


def ratio(run: Run) -> float:
    """Stake at the second operator per stake at the first, over the last third of the run"""
    pool = run.samples.pool_gwei[-len(run.samples.time_ms) // 3 :].mean(axis=0)
    return float(pool[1] / pool[0])


def test_stake_follows_returns_as_elastically_as_the_scenario_says() -> None:
    found = [ratio(market(BY_COMMISSION, DEAR_AND_CHEAP, elasticity=power)) for power in (0, 1, 3)]
    assert found == [pytest.approx((0.9 / 0.5) ** power, rel=0.25) for power in (0, 1, 3)]
    best = market(BY_COMMISSION, DEAR_AND_CHEAP)
    assert best.provers.pool_end_gwei[0] < best.provers.pool_end_gwei[1] / 100
    assert best.money_difference_gwei == 0


def test_who_is_sticky_never_moves() -> None:
    half = market(BY_COMMISSION, DEAR_AND_CHEAP, sticky=0.5)
    assert half.provers.pool_end_gwei[0] == pytest.approx(500 * GWEI, rel=0.2)
    still = market(BY_COMMISSION, DEAR_AND_CHEAP, sticky=1)
    assert ("UNDELEGATE", "OK") not in still.verdicts
    assert still.provers.pool_end_gwei[0] >= 1000 * GWEI


def test_a_commission_that_is_shunned_counts_beyond_what_it_costs() -> None:
    """Dear pays its delegators more, as twice as many proofs are paid for a stake half as large"""
    equal_lots = "operator_pool(own_commission=1, unbonding_ms=0, weight_by=1)"
    crew = [operator("dear", "0.3"), prover("cheap", "10s", capacity=100, stake="100", delegated="2000", ask="0.1")]
    plain = market(equal_lots, crew, policy="chase_apr(lag='5d', share=0.02)")
    shunned = market(equal_lots, crew, policy="chase_apr(lag='5d', share=0.02)", shuns_commission=100)
    assert plain.provers.pool_end_gwei[0] > 1000 * GWEI
    assert shunned.provers.pool_end_gwei[0] < 100 * GWEI


def test_an_operator_takes_no_more_than_it_accepts() -> None:
    capped = [DEAR_AND_CHEAP[0], {**DEAR_AND_CHEAP[1], "accepts": "1200"}]
    run = market(BY_COMMISSION, capped)
    assert run.samples.pool_gwei[:, 1].max() < 1400 * GWEI  # its rewards come on top
    assert run.provers.pool_end_gwei[0] > 700 * GWEI  # nowhere else to go
    free = market(BY_COMMISSION, DEAR_AND_CHEAP)
    assert free.provers.pool_end_gwei[1] > 2000 * GWEI


def test_who_holds_the_token_leaves_at_once_and_the_desk_waits() -> None:
    locked = "operator_pool(own_commission=1, unbonding_ms=2_592_000_000)"  # 30 days
    waits = market(locked, DEAR_AND_CHEAP)
    liquid = market(locked, DEAR_AND_CHEAP, liquid={"share": 1, "discount": 0.01, "cash": "5000"})
    dry = market(locked, DEAR_AND_CHEAP, liquid={"share": 1, "discount": 0.01, "cash": "100"})
    day = int(np.searchsorted(waits.samples.time_ms, 15 * 86_400_000))
    cheap = [int(run.samples.pool_gwei[day, 1]) // GWEI for run in (waits, dry, liquid)]
    assert cheap[0] + 80 < cheap[1] < cheap[0] + 110  # as much as the desk has
    assert cheap[2] > cheap[0] + 950  # all of it
    assert liquid.desk_gain_gwei == pytest.approx(0.01 * 1000 * GWEI, rel=0.1)  # all claims have matured
    assert liquid.money_difference_gwei == 0


def test_insurance_pays_the_slashes_of_delegators_out_of_premiums() -> None:
    crew = [prover("late", "20h", stake="100", delegated="1000", cash="500", hopeless="skip"), operator("good")]
    none = market(SLASHING, crew, policy="stay")
    lost = int(none.provers.pool_slashed_gwei[0])
    assert lost > 100 * GWEI
    half = market(SLASHING, crew, policy="stay", insurance={"cover": 0.5, "premium": 0.1, "cash": "100_000"})
    assert none.provers.pool_end_gwei[0] < half.provers.pool_end_gwei[0]
    assert half.insurer_gain_gwei is not None
    premiums = half.insurer_gain_gwei + 0.5 * half.provers.pool_slashed_gwei[0]
    mean = half.provers.pool_gwei.sum()
    assert premiums == pytest.approx(0.1 * mean * 60 / 365, rel=0.05)
    broke = market(SLASHING, crew, policy="stay", insurance={"cover": 1, "premium": 0, "cash": "10"})
    assert broke.insurer_gain_gwei == pytest.approx(-10 * GWEI, abs=GWEI)
    assert broke.money_difference_gwei == half.money_difference_gwei == 0


def test_who_is_insured_does_not_flee_a_slash() -> None:
    """Flaky fails at one proof in ten, and takes a smaller commission for it"""
    rule = BY_COMMISSION.replace("(", "(slash_bips=20, ")
    flaky = "speed(setup='10s', per_mgas='0s', noise=0, crash=0.1)"
    crew = [{**operator("flaky", "0.02"), "hardware": flaky, "cash": "100"}, operator("good", "0.3")]
    flees = market(rule, crew)
    covered = market(rule, crew, insurance={"cover": 1, "premium": 0.01, "cash": "100_000"})
    assert flees.provers.pool_end_gwei[0] < 50 * GWEI
    assert covered.provers.pool_end_gwei[0] > 1000 * GWEI


@pytest.mark.parametrize("key", ["liquid", "insurance"])
def test_who_serves_delegators_needs_a_rule_with_transfers(key: str) -> None:
    with pytest.raises(BadInput, match=f"delegators.{key}: wanted a rule with shares of pools and TRANSFER"):
        market("leader_schedule(slot_ms=60_000)", [operator("one")], 400, policy="stay", **{key: {}})
