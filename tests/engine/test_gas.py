"""Provers pay for settling: gas as measured on the contracts, at a chain's prices, of the rule's own contract."""

from pathlib import Path

import pytest

from proofyard.core.errors import BadInput
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import rule
from proofyard.scenario import Scenario, read
from proofyard.worlds import chains, gas

MINIMAL = Path(__file__).parents[2] / "scenarios" / "minimal.toml"


def world(mechanism: str | None = None, **chain: str) -> Scenario:
    rich = {"workload.max_fee": "20", **{f"provers[{k}].stake": "1000" for k in range(3)}}
    return read(MINIMAL, {**rich, **{f"chain.{key}": value for key, value in chain.items()}}, mechanism)


def usd_gwei(profile: chains.Profile, way: str) -> int:
    """Whole gwei of a token worth a dollar, rounded up."""
    return -int(-profile.price(gas.settled(way, profile)) * profile.token_usd * 10**9 // 1)


def test_each_proof_costs_its_prover_the_measured_gas() -> None:
    free = simulate(world(), rule("race", "rule"), 7).provers
    for name in ("ethereum", "monad"):
        paid = simulate(world(profile=name), rule("race", "rule"), 7).provers
        each = usd_gwei(chains.read(name), gas.SINGLE)
        assert paid.wins.tolist() == free.wins.tolist()
        assert sum(paid.wins) == 10
        assert (paid.cost_gwei - free.cost_gwei).tolist() == [each * wins for wins in paid.wins.tolist()]
        assert paid.income_gwei.tolist() == free.income_gwei.tolist()


def test_a_rule_with_a_contract_of_its_own_settles_there() -> None:
    contest = "contest(window_ms=600_000)"
    own = gas.on_chain("contest")
    assert own is not None
    asks: list[int] = []
    for settle, way in (("own", own), ("rule", own), ("single", gas.SINGLE), ("joined", gas.JOINED)):
        run = simulate(world(contest, settle=settle), rule(contest, "rule"), 7)
        won = run.jobs.prover >= 0
        work = run.jobs.cost_gwei[won] - usd_gwei(chains.read("ethereum"), way)
        assert won.any()
        assert (work > 0).all()  # what is left is the work itself
        asks.append(int(run.jobs.cost_gwei[won].sum()))
    assert asks[0] == asks[1] > asks[2] > asks[3]


def test_an_honest_price_covers_the_gas() -> None:
    from proofyard.engine.cast import cast_of  # noqa: PLC0415 - beside its only use

    each = usd_gwei(chains.read("ethereum"), gas.SINGLE)
    plain, dear = (cast_of(scenario, None) for scenario in (world(), world(settle="single")))
    assert all(0 <= more - each <= 1 for more in (dear.ask - plain.ask).tolist())
    dearer = {"settle": "single", "token_usd": "6000"}
    twice = cast_of(world(**dearer), None)
    assert abs(twice.gas - 2 * dear.gas) <= 1
    assert cast_of(world(base_fee_gwei="0.0"), None).gas < dear.gas


def test_what_cannot_be_priced_is_one_sentence() -> None:
    for key, value, said in (
        ("profile", "monat", "did you mean monad"),
        ("profile", "sepolia", "names none"),
        ("settle", "rule", "this rule is no contract"),
    ):
        with pytest.raises(BadInput, match=said):
            simulate(world(**{key: value}), rule("race", "rule"), 7)
