"""Jobs that anybody may prove: proofs copied on their way, proofs held up, proofs of a first part only."""

from pathlib import Path

import numpy as np
import pytest

from proofyard import scenario
from proofyard.core.errors import BadInput
from proofyard.core.event import Phase
from proofyard.engine.result import Run
from proofyard.engine.simulate import simulate

CARDS = {"hardware": "speed(setup='30s', per_mgas='0s', noise=0)", "cost": {"per_hour": "12 usd", "energy": "0 kW"}}
SLOW = CARDS | {"hardware": "speed(setup='31s', per_mgas='0s', noise=0)"}


def race(
    *crews: dict[str, object], mechanism: str = "race", market: dict[str, str] | None = None, **work: object
) -> Run:
    asked = {"every": "2m", "size": "fixed(1)", "arrivals": "fixed", "max_fee": "1"} | work
    tree = {
        "mechanism": mechanism, "horizon": "2h", "seed": 5, "workload": asked, "provers": list(crews),
        "market": market or {},
    }  # fmt: skip
    return simulate(scenario.check(tree))


def test_who_looks_last_has_the_proofs_of_others_paid_to_itself() -> None:
    done = race({"name": "maker", **CARDS}, {"name": "copier", "policy": "last_look", "open_jobs": "ignore", **CARDS})
    settled = int((done.jobs.phase == Phase.SETTLED).sum())
    assert settled == 60
    assert done.provers.wins.tolist() == [0, settled]
    assert done.provers.gain_gwei[0] == 0 < done.provers.gain_gwei[1]
    assert done.provers.busy_ms.tolist() == [settled * 30_000, 0]
    assert done.provers.wasted_ms.tolist() == [settled * 30_000, 0]
    assert done.money_difference_gwei == 0


def test_who_sees_half_of_the_proofs_copies_half() -> None:
    done = race({"name": "maker", **CARDS}, {"name": "copier", "policy": "last_look(0.5)", **SLOW})
    assert 15 < done.provers.wins[1] < 45
    assert done.provers.wins.sum() == 60


def test_the_favourite_wins_with_the_slower_machine() -> None:
    crews = {"name": "fast", **CARDS}, {"name": "slow", **SLOW}
    assert race(*crews).provers.wins.tolist() == [60, 0]
    assert race(*crews, market={"favours": "slow", "holds": "2s"}).provers.wins.tolist() == [0, 60]
    late = race(crews[0], market={"favours": "fast", "holds": "2s"}).jobs
    assert (late.proven_ms - late.asked_ms == 30_000).all()


def test_a_proof_that_is_held_up_may_miss_its_deadline() -> None:
    crew = {"name": "pool", "stake": "1_000", "ask": "0.2", **CARDS}
    other = {"name": "other", "open_jobs": "ignore", **CARDS}
    rule = "proo_phi(round_ms=1000, one_sided=1, window_ms=31_000, bond_gwei=1000)"
    done = [
        race(crew, other, mechanism=rule, market={"favours": "other", "holds": hold}).provers.missed[0]
        for hold in ("0s", "2s")
    ]
    assert done == [0, 60]


def test_a_first_part_takes_its_part_of_the_time_and_of_the_pay() -> None:
    heavy = {"size": "ethereum_block", "every": "38.4m", "max_fee": "1_000_000"}
    cards = CARDS | {"hardware": "speed(setup='1m', per_mgas='40s', noise=0)"}
    crews = {"name": "whole", **cards}, {"name": "part", "policy": "prefix(0)", **cards}
    tree = {
        "mechanism": "epoch_race", "horizon": "10d", "seed": 1, "workload": {"arrivals": "fixed"} | heavy,
        "provers": list(crews), "token": {"usd": "0.02"},
    }  # fmt: skip
    done = simulate(scenario.check(tree))
    work = done.provers.busy_ms
    assert work[1] == pytest.approx(work[0] / 32, rel=0.01)
    assert done.provers.income_gwei[1] == 0 < done.provers.income_gwei[0]
    assert (done.jobs.phase == Phase.SETTLED).all()
    assert np.isin(done.jobs.prover, [0, 1, -1]).all()


def test_a_favourite_nobody_knows_is_one_sentence() -> None:
    with pytest.raises(BadInput, match=r"market.favours: wanted the name of a class \(fast\), got slow"):
        race({"name": "fast", **CARDS}, market={"favours": "slow", "holds": "2s"})


def test_a_proof_that_comes_too_early_is_kept_and_handed_in_again() -> None:
    rule = Path(__file__).with_name("too_early.py")
    done = race({"name": "fast", **CARDS}, {"name": "slow", **SLOW}, mechanism=str(rule), every="20m")
    count = len(done.jobs.phase)
    assert done.provers.wins.tolist() == [count, 0]
    assert done.provers.busy_ms.tolist() == [30_000 * count] * 2  # the loser stops then
    assert done.provers.wasted_ms.tolist() == [0, 30_000 * count]
    assert done.verdicts["PROVE", "EARLY"] == count  # made at 30 s, handed in again after 142.5 s more
    assert (done.jobs.proven_ms - done.jobs.asked_ms == 30_000 + 142_501).all()


def test_a_proof_that_is_always_too_early_is_lost_once() -> None:
    rule = f"{Path(__file__).with_name('too_early.py')}(closed_ms=700_000)"
    done = race({"name": "fast", **CARDS}, {"name": "slow", **SLOW}, mechanism=rule, every="20m")
    assert (done.jobs.phase == Phase.LOST).all()
    assert done.verdicts["PROVE", "EARLY"] < 60 * len(done.jobs.phase)
    assert (done.provers.wasted_ms == done.provers.busy_ms).all()


def test_work_on_a_job_that_is_opened_to_all_is_wasted_once() -> None:
    """Who is assigned, is late and is overtaken has wasted its work, not twice of it."""
    path = Path(__file__).parents[2] / "scenarios" / "openzeppelin-periods.toml"
    done = simulate(scenario.read(path, {"horizon": "1h"}))
    assert done.provers.wasted_ms[0] > 0
    assert (done.provers.wasted_ms <= done.provers.busy_ms).all()
