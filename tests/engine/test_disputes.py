"""Wrong claims, contests and decisions, of one job each, to the digit of the rule's own numbers."""

from typing import Any

import numpy as np
import pytest

from proofyard import scenario
from proofyard.core import shape
from proofyard.core.errors import BadInput
from proofyard.engine.result import Claims, Run
from proofyard.engine.simulate import Simulation, replay
from proofyard.engine.world import rule_of
from proofyard.scenario import Scenario

TOKEN, HOUR, WEEK = 10**9, 3_600_000, 7 * 86_400_000
# V = 100, C = 656.25
RULE = "bonded(liveness_gwei=0, tee_validity_gwei=100_000_000_000, tee_contest_gwei=656_250_000_000)"
FREE: dict[str, Any] = {
    "hardware": "speed(setup='30m', per_mgas='0s', noise=0)", "cash": "100_000", "open_jobs": "ignore", "capacity": 400,
    "cost": {"per_hour": "0 usd", "energy": "0 kW"},
}  # fmt: skip
LIAR, WATCHER, JUDGE = {"policy": "wrong_proof(1)"}, {"watch": {"delay": "1h"}}, {"decide": {"tier": 3, "delay": "2h"}}


def market(*crews: dict[str, Any], mechanism: str = RULE, requests: int = 1, worth: str = "0") -> Scenario:
    """Three classes of one: who proposes and proves, and two others."""
    work = {
        "arrivals": "fixed",
        "every": "1m",
        "requests": requests,
        "size": "fixed(1)",
        "max_fee": "0",
        "wrong_worth": worth,
    }
    people = [FREE | {"name": f"{k}", "proposes": k == 0} | crew for k, crew in enumerate(crews)]
    tree = {"mechanism": mechanism, "horizon": "1d", "workload": work | {"requester": "provers"}, "provers": people}
    return scenario.check(tree)


def run(told: Scenario) -> Run:
    """Run it, and hold every array of the compiled state to plain Python's."""
    simulation = Simulation(told, rule_of(told), 1, traced=True)
    found = simulation.run()
    assert found.trace is not None
    plain = replay(simulation.stage, found.trace)
    for compiled, other in zip(shape.arrays(simulation.stage.state), shape.arrays(plain), strict=True):
        assert np.array_equal(compiled, other)
    return found


def claims(found: Run) -> Claims:
    assert found.claims is not None
    return found.claims


def tokens(found: Run) -> list[float]:
    return (found.provers.gain_gwei / TOKEN).tolist()


def test_an_overturned_claim_pays_contester_and_judge_as_the_field_computes() -> None:
    found = run(market(LIAR, WATCHER, JUDGE))
    assert tokens(found) == [-100.0, 65.625, 21.875]  # and 12.5 to the protocol
    told = claims(found)
    assert (told.wrong.tolist(), told.claimant.tolist()) == ([0], [-1])
    assert (told.contests.tolist(), told.overturned.tolist(), told.held_ms.tolist()) == ([1], [1], [2 * HOUR])
    assert found.jobs.proven_ms.tolist() == [30 * 60_000 + 3 * HOUR]  # the proof that counts is the judge's
    assert not found.jobs.late.any()  # the first one was in time


def test_a_false_contest_costs_its_bond_and_the_judge_has_seven_eighths() -> None:
    found = run(market({}, WATCHER | {"policy": "false_contest(1)", "cash": "700"}, JUDGE))
    assert tokens(found) == [0.0, -656.25, 574.21875]
    assert (claims(found).contests.tolist(), claims(found).overturned.tolist()) == ([1], [0])
    assert found.verdicts["CONTEST", "POOR"] == 1  # it would contest the judge's proof, too


def test_a_wrong_claim_nobody_looks_at_is_final() -> None:
    """What it is worth stands beside the books: the rule's money knows nothing of it."""
    found = run(market(LIAR, WATCHER | {"watch": {"share": 0.0}}, JUDGE, worth="1000"))
    assert tokens(found) == [0.0, 0.0, 0.0]
    told = claims(found)
    assert (told.wrong.tolist(), told.claimant.tolist(), told.won_gwei.tolist()) == ([2], [0], [1_000 * TOKEN])
    mistaken = run(market({"wrong": 1}, WATCHER | {"watch": {"share": 0.0}}, JUDGE, worth="1000"))
    assert (claims(mistaken).wrong.tolist(), claims(mistaken).won_gwei.tolist()) == ([1], [0])


def test_a_look_after_the_cooldown_is_too_late() -> None:
    assert claims(run(market(LIAR, WATCHER | {"watch": {"delay": "241m"}}, JUDGE))).wrong.tolist() == [2]
    assert claims(run(market(LIAR, WATCHER | {"watch": {"delay": "240m"}}, JUDGE))).wrong.tolist() == [0]


def test_a_right_contest_that_nobody_decides_fails() -> None:
    found = run(market(LIAR, WATCHER, {}))
    assert tokens(found) == [0.0, -656.25, 0.0]
    told = claims(found)
    assert (told.wrong.tolist(), told.failed.tolist(), told.held_ms.tolist()) == ([2], [1], [WEEK + 1])


def test_the_next_judge_is_called_when_one_is_refused() -> None:
    poor = JUDGE | {"cash": "1"}
    found = run(market(LIAR, WATCHER, poor, JUDGE | {"decide": {"tier": 3, "delay": "1h", "cost": "3"}}))
    assert tokens(found) == [-100.0, 65.625, 0.0, 21.875]
    assert found.verdicts["PROVE", "POOR"] == 1
    assert claims(found).held_ms.tolist() == [3 * HOUR]
    assert found.provers.cost_gwei.tolist() == [0, 0, 0, 3 * TOKEN]


def test_nobody_contests_its_own_claim_or_judges_its_own_proof() -> None:
    alone = run(market(LIAR | WATCHER | JUDGE, {}, {}))
    assert (claims(alone).wrong.tolist(), claims(alone).contests.tolist()) == ([2], [0])
    judging = run(market(LIAR | JUDGE, WATCHER, {}))
    assert (claims(judging).wrong.tolist(), claims(judging).failed.tolist()) == ([2], [1])


def test_only_a_proof_of_a_higher_tier_than_what_stands_decides() -> None:
    """The second of two judges of one tier is not called to the contest of the first one's proof."""
    busy = {"watch": {"delay": "1h"}, "policy": "false_contest(1)"}
    costly = {"decide": {"tier": 3, "delay": "1h", "cost": "3"}}
    found = run(market({}, busy, costly, costly))
    told = claims(found)
    assert (told.contests.tolist(), told.overturned.tolist(), told.failed.tolist()) == ([2], [0], [1])
    assert found.provers.cost_gwei.tolist() == [0, 0, 3 * TOKEN, 0]


def test_a_look_costs_whether_there_is_something_to_see_or_not() -> None:
    found = run(market({}, WATCHER | {"watch": {"cost": "0.5", "share": 0.5}}, {}, requests=400))
    looks = found.provers.cost_gwei[1] * 2 // TOKEN
    assert abs(looks - 200) < 4 * 10  # four standard deviations
    assert claims(found).contests.sum() == 0


def test_mistakes_are_as_many_as_told_and_nobodys_purpose() -> None:
    told = claims(run(market({"wrong": 0.25}, {}, {}, requests=400)))
    assert set(told.wrong.tolist()) == {0, 1}
    assert abs((told.wrong == 1).sum() - 100) < 4 * 9
    assert (told.claimant[told.wrong == 1] == 0).all()


def test_nothing_is_said_of_claims_where_none_is_wrong_or_looked_at() -> None:
    assert run(market({}, {}, {})).claims is None


@pytest.mark.parametrize(
    ("crew", "field"),
    [({"wrong": 0.1}, "wrong"), (WATCHER, "watch"), (JUDGE, "decide"), (LIAR, "policy")],
)
def test_a_rule_without_contests_is_refused(crew: dict[str, Any], field: str) -> None:
    told = market(crew, {}, {}, mechanism="race")
    with pytest.raises(BadInput, match=rf"provers\[0\].{field}: wanted a rule that takes contests .*, got race"):
        Simulation(told, rule_of(told), 1)


@pytest.mark.parametrize(
    ("crew", "sentence"),
    [
        ({"wrong": 1.5}, r"provers\[0\].wrong"),
        ({"watch": {"share": -0.1}}, r"provers\[0\].watch.share"),
        ({"watch": {"dely": "1h"}}, "delay"),
        ({"decide": {"tier": 0}}, r"provers\[0\].decide.tier"),
        ({"proposes": False}, "provers.proposes: wanted true for at least one class"),
    ],
)
def test_a_mistake_in_the_keys_is_one_sentence(crew: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        market(crew, {}, {})
