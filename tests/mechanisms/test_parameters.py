"""Senseless parameters, over the whole catalogue: one sentence says where, what was wanted and what came."""

from pathlib import Path

import pytest

from proofyard import mechanisms
from proofyard.cli import app
from proofyard.core import BadInput
from proofyard.core.arith import BIPS
from proofyard.core.rule import with_params
from proofyard.lab import catalogue

MINIMAL = Path(__file__).parents[2] / "scenarios" / "minimal.toml"
SHARES = ("_bips", "_rate", "_percent", "_share")
PERCENT = 100
MULTIPLES = {  # what is told in bips or percent and may be more than the whole, and why
    "alpha2_race(deposit_percent)": "a deposit beside the fee may be larger than it",
    "alpha2_race(multiplier_percent)": "the base moves by so many times itself",
    "alpha2_race(grace_percent)": "so many times the average",
    "staked_pool(window_percent)": "so many times the average delay",
    "staked_pool(open_reward_percent)": "a premium on the reward",
    "staked_pool(clip_high_percent)": "an upper limit, above the fee",
    "bought_proof(optimistic_fee)": "a tier may cost more than what was offered for another",
    "bought_proof(tee_fee)": "likewise",
    "bought_proof(zk_fee)": "likewise",
    "bought_proof(guardian_fee)": "likewise",
    "batch_auction(deposit_percent)": "a deposit of several fees",
    "batch_auction(start_percent)": "bidding begins above the average fee",
    "proving_periods(delayed_percent)": "a premium on the fee",
    "dutch(collateral_rate)": "collateral of several prices, as the documents advise",
    "random_assignment(resources)": "a multiplier",
    "two_tier(bond_rate)": "a bond of several rewards",
    "block_fees(slack_percent)": "limits above the gas used",
    "shared_sequencing(standing_bips)": "whoever bids more than a right is worth loses, and may",
    "shared_sequencing(reserve_bips)": "a reserve price above the value is a right that is never sold",
}


def run(mechanism: str) -> None:
    """Run the shortest scenario under `mechanism`, as the command does."""
    app(["simulate", str(MINIMAL), "-m", mechanism], print_error=False, exit_on_error=False)


def shares() -> dict[str, tuple[str, str, int]]:
    """List every parameter told in bips or percent: its rule, its name, and the whole."""
    found: dict[str, tuple[str, str, int]] = {}
    for name in mechanisms.NAMES:
        for one in catalogue.entry(name).parameters:
            if one.name.endswith(SHARES) or one.unit in {"bips", "percent"}:
                whole = PERCENT if one.name.endswith("_percent") or one.unit == "percent" else BIPS
                found[f"{name}({one.name})"] = (name, one.name, whole)
    return found


FOUND = shares()


def test_multiples_are_parameters_of_the_catalogue() -> None:
    assert set(MULTIPLES) <= set(FOUND)
    assert len(FOUND) > len(MULTIPLES) + len(mechanisms.NAMES)


@pytest.mark.parametrize("which", sorted(set(FOUND) - set(MULTIPLES)))
def test_no_share_is_more_than_the_whole(which: str) -> None:
    name, parameter, whole = FOUND[which]
    with pytest.raises(BadInput, match=rf"mechanism\.{parameter}: wanted .*, got {whole + 1}"):
        with_params(name, mechanisms.rule(name).module, {parameter: whole + 1})


@pytest.mark.parametrize("which", sorted(FOUND))
def test_no_share_is_below_nothing(which: str) -> None:
    name, parameter, _ = FOUND[which]
    with pytest.raises(BadInput, match=rf"mechanism\.{parameter}: wanted .*, got -1"):
        with_params(name, mechanisms.rule(name).module, {parameter: -1})


@pytest.mark.parametrize("which", sorted(MULTIPLES))
def test_a_multiple_may_be_more_than_the_whole(which: str) -> None:
    name, parameter, whole = FOUND[which]
    assert getattr(with_params(name, mechanisms.rule(name).module, {parameter: whole + 1}).params, parameter) > whole


@pytest.mark.parametrize(
    ("mechanism", "sentence"),
    [
        ("operator_pool(commission_bips = 10_001)", "mechanism.commission_bips: wanted 0 to 10000, got 10001."),
        ("reverse_auction(protocol_bips = 20_000)", "mechanism.protocol_bips: wanted 0 to 10000, got 20000."),
        ("chained_proofs(strands = 0)", "mechanism.strands: wanted 1 to 256, got 0."),
        ("contest(alpha_num = -1)", "mechanism.alpha_num: wanted 0 to 64, got -1."),
        ("staked_pool(seats = 5)", "mechanism.seats: wanted at most the 4 provers of the scenario, got 5."),
        ("leader_schedule(seats = 200)", "mechanism.seats: wanted at most the 4 provers of the scenario, got 200."),
        ("tendermint(committee = 5)", "mechanism.committee: wanted at most the 4 provers of the scenario, got 5."),
        (
            "primary_fallback(committee = 9)",
            "mechanism.committee: wanted at most the 4 provers of the scenario, got 9.",
        ),
    ],
)
def test_the_command_says_it_in_one_sentence(mechanism: str, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        run(mechanism)
    assert str(refused.value) == sentence


@pytest.mark.parametrize("mechanism", ["staked_pool(seats = 4)", "staked_pool"])
def test_a_set_as_large_as_the_provers_runs_and_so_does_a_default_that_is_larger(
    mechanism: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(mechanism)
    assert "requested 10" in capsys.readouterr().out
