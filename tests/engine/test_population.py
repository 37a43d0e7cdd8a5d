"""Delegators meet rules of different kinds."""

import pytest
from engine.worlds import prover, scenario

from proofyard.core import BadInput
from proofyard.engine.simulate import simulate
from proofyard.scenario import Scenario

RULE = "leader_schedule(slot_ms = 60_000, min_self_gwei = 1, min_total_gwei = 1)"


def world(policy: str) -> Scenario:
    staked = prover(setup="10s", stake="100", delegated="300", ask="0.1")
    return scenario(RULE, provers=[staked], delegators={"count": 3, "policy": policy})


def test_who_delegates_by_accumulator_is_credited() -> None:
    result = simulate(world("stay"))
    reward, fees = 18_000_000, 10 * 10**9
    assert result.provers.wins[0] == 10
    assert result.provers.pool_gain_gwei[0] == 10 * (reward * 9 // 10) * 3 // 4
    assert result.provers.income_gwei[0] == fees + 10 * reward - result.provers.pool_gain_gwei[0]
    assert result.provers.pool_end_gwei[0] == 300 * 10**9


def test_returns_are_not_chased_where_shares_do_not_tell_them() -> None:
    with pytest.raises(BadInput, match="leader_schedule has no shares"):
        simulate(world("chase_apr"))
