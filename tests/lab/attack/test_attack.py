"""The search finds the attacks the field knows, stays silent where theory says so, and leaves files that replay."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from proofyard import scenario as scenarios
from proofyard.core.errors import BadInput
from proofyard.core.event import Phase
from proofyard.engine.simulate import simulate
from proofyard.lab import metrics, skeleton
from proofyard.lab.attack import catalogue, search, tell
from proofyard.lab.attack.cases import CASES, Case
from proofyard.lab.attack.deviate import COALITION
from proofyard.lab.attack.search import Budget
from proofyard.lab.runner import Runner

ROOT = Path(__file__).parents[3]
SCENARIOS = ROOT / "scenarios"
TINY = Budget(trials=4, seeds=2, fresh=6)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.scenario}-{case.attack}-{case.pays}")
def test_what_pays_is_found_and_nothing_else(case: Case) -> None:
    with Runner(workers=1) as runner:
        find = case.run(SCENARIOS, runner)
    assert find.pays == case.pays, (find.gain, find.low, find.high, find.values)
    if not case.pays:
        assert find.low <= 1_000  # gwei: the interval does not lie above zero
    assert find.hurts == case.hurts, (find.gain, find.damage, find.harm_low)
    assert find.attack.name == case.attack


def test_the_prooph_example_earns_81_instead_of_5_a_round() -> None:
    case = next(case for case in CASES if case.attack == "dummy_rival")
    with Runner(workers=1) as runner:
        find = case.run(SCENARIOS, runner, TINY)
    rounds = find.honest.mean() / 5e9
    assert rounds == pytest.approx(20, abs=1)
    assert (find.honest + find.gains).mean() / rounds == pytest.approx(81e9, rel=0.01)
    assert find.payer == "protocol"  # users pay 10 in either world; what is above 1.5 was kept, and is A's now


def test_a_false_bid_of_seven_gains_two_a_round() -> None:
    tree = scenarios.tree_of(SCENARIOS / "proo-phi-user.toml")
    honest, deviant = catalogue.chosen(["dummy_bid"])[0].build(tree, 1, {"bid": 7 / 9})
    runs = [simulate(scenarios.check(world)) for world in (honest, deviant)]
    assert [int((run.jobs.phase == Phase.SETTLED).sum()) for run in runs] == [0, 40]
    paid = [run.others_gain_gwei[0] for run in runs]
    assert paid == [0, -20 * 7_000_000_000]  # for twenty proofs worth 9 each


def test_griefing_is_told_by_what_a_coin_does() -> None:
    cases = [case for case in CASES if case.attack == "lock_and_stall"]
    with Runner(workers=1) as runner:
        cheap, dear = (case.run(SCENARIOS, runner, TINY) for case in cases)
    assert cheap.per_coin is not None
    assert cheap.per_coin > 3
    assert not cheap.pays
    assert dear.per_coin is None or dear.per_coin < 1
    assert "each coin it spends costs the others" in tell.in_words([cheap])
    assert tell.as_json([cheap], 1, 1, {})["finds"][0]["hurts"]


def test_of_two_settings_the_one_that_harms_is_kept_not_the_one_that_does_nothing() -> None:
    case = next(case for case in CASES if case.attack == "lock_and_stall")
    with Runner(workers=1) as runner:
        harms = case.run(SCENARIOS, runner, TINY)
    idle = replace(harms, gains=np.zeros(6), low=0.0, high=0.0, harm_low=0.0, damage=0.0)
    pays = replace(harms, attack=replace(harms.attack, name="other"), gains=np.full(6, 1e9), low=1e9, high=1e9)
    assert harms.hurts
    assert not idle.hurts
    assert search.ranked([idle, harms, pays]) == search.ranked([pays, harms, idle]) == [pays, harms]


def test_waiting_is_priced_where_the_scenario_says_so() -> None:
    case = next(case for case in CASES if case.attack == "last_moment")
    with Runner(workers=1) as runner:
        find = case.run(SCENARIOS, runner, TINY)
    hours = (find.waits[1] - find.waits[0]) / 3_600_000
    proofs = find.damage / 1e9 / (6 * hours)  # 6 an hour
    assert proofs == pytest.approx(12 * 12, rel=0.2)  # one in five minutes, for twelve hours
    assert find.gain == 0
    assert tell.per_coin(find) == "free"
    assert "that costs it nothing, and the others lose" in tell.in_words([find])


def test_names_that_become_one_save_work_and_take_it_from_nobody() -> None:
    case = next(case for case in CASES if (case.attack, case.by) == ("merge", "rank 33"))
    with Runner(workers=1) as runner:
        find = case.run(SCENARIOS, runner, TINY)
    assert find.saved > find.gain > 0
    assert tell.payer(find).endswith("; work saved")
    assert "most of it is work that it no longer does" in tell.in_words([find])


def test_the_curve_is_that_of_the_class_the_attack_was_found_on() -> None:
    tree = scenarios.tree_of(SCENARIOS / "taiko-pool-32.toml", {"horizon": "2h"})
    attack = catalogue.chosen(["merge"])[0]
    with Runner(workers=1) as runner:
        (find,), _ = search.attack_all(runner, tree, [(attack, catalogue.targets(attack, tree))], TINY)
    assert find.target == "rank 33"  # the second class; the first gains nothing
    assert {values["k"]: gain for values, gain in find.curve}[find.values["k"]] > 0


def test_splitting_gains_what_the_theory_says() -> None:
    """alpha = 1/2, k names: weights w = sqrt(b) become sqrt(k b); the shares follow."""
    tree = scenarios.tree_of(SCENARIOS / "proof-contest.toml", {"horizon": "40d"}, "contest(bids_to=1, alpha_den=2)")
    honest, deviant = catalogue.chosen(["split"])[0].build(tree, 0, {"k": 4})
    shares = []
    for world in (honest, deviant):
        run = simulate(scenarios.check(world))
        mine = np.array([name == COALITION for name in run.coalitions[:-1]])
        shares.append(run.provers.wins[mine].sum() / run.provers.wins.sum())
    bids = np.sqrt([0.2325, 0.2304, 0.0565])
    assert shares[0] == pytest.approx(bids[0] / bids.sum(), abs=0.03)
    assert shares[1] == pytest.approx(2 * bids[0] / (bids.sum() + bids[0]), abs=0.03)


def test_a_find_is_a_file_that_replays_to_the_gwei(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.attack == "dummy_rival")
    with Runner(workers=1) as runner:
        find = case.run(SCENARIOS, runner, TINY)
    files = tell.write([find], tmp_path)
    assert files == {"dummy_rival": tmp_path / "proo-phi-dummy-rival.toml"}
    for path, money in (
        (files["dummy_rival"], find.deviant_money),
        (tmp_path / "proo-phi-dummy-rival-honest.toml", find.honest_money),
    ):
        replayed = scenarios.read(path)
        assert f"{money} gwei" in replayed.claim
        found = metrics.summary([simulate(replayed)])["coalitions"][COALITION]
        assert found["payoff_gwei"] == money


def test_a_find_about_ones_own_rule_replays_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("far", "other"):
        (tmp_path / name).mkdir()
    skeleton.write("mine", tmp_path / "far")
    monkeypatch.chdir(tmp_path)
    tree = scenarios.tree_of(Path("far/mine.toml"), {"horizon": "2h"})
    (attack,) = catalogue.chosen(["unprovable"])
    with Runner(workers=1) as runner:
        finds, _ = search.attack_all(runner, tree, [(attack, catalogue.targets(attack, tree))], TINY)
    files = tell.write(finds, Path("attacks"))
    monkeypatch.chdir(tmp_path / "other")
    replayed = scenarios.read(Path("..") / files["unprovable"])
    assert Path(replayed.mechanism.split("(")[0]).samefile(tmp_path / "far" / "mine.py")


def test_page_and_json_of_attacks(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.attack == "ring_2")
    with Runner(workers=1) as runner:
        find = case.run(SCENARIOS, runner, TINY)
    result = json.loads(json.dumps(tell.as_json([find], 1, 10, tell.write([find], tmp_path)), allow_nan=False))
    (found,) = result["finds"]
    names = {"name", "rule", "policy", "gain", "gain_low", "gain_high", "gain_per_honest_profit", "payer", "file"}
    assert names <= set(found)
    assert found["gain_low"] < found["gain"] < found["gain_high"]
    assert found["payer"] == "requesters"
    few, all_of_it = (tell.finds_table([find], width) for width in (80, 200))
    assert [column.header for column in all_of_it.columns][: len(few.columns)] == [c.header for c in few.columns]
    assert (few.columns[-1].header, all_of_it.columns[-1].header) == ("who pays", "time to proof")
    long = tell.finds_table([replace(find, values={"high": 12.345, "share": 0.16872, "price": 0.36291})], 80)
    assert Console(width=200).measure(long).minimum <= 80  # a parameter a line, or its last column is cut
    page = tell.page("a pair", [find], "")
    assert "ring_2: gain for each “high”" in page
    assert tell.in_words([find]).startswith("cheap agrees with another that one bids")


def test_the_same_search_twice_finds_the_same() -> None:
    case = next(case for case in CASES if case.attack == "hit_and_run")
    finds = []
    for _ in range(2):
        with Runner(workers=1) as runner:
            finds.append(case.run(SCENARIOS, runner, TINY))
    assert finds[0].values == finds[1].values
    assert (finds[0].gains == finds[1].gains).all()


def test_honest_and_deviating_coalitions_own_the_same_at_the_start() -> None:
    tree = scenarios.tree_of(SCENARIOS / "taiko-pool-32.toml", {"horizon": "1h"})
    for attack in catalogue.ATTACKS:
        if not attack.applies("staked_pool", tree["provers"][0]):
            continue
        values = {key: (r.low + r.high) / 2 for key, r in attack.parameters.items()}
        owned = []
        for world in attack.build(tree, 0, values):
            groups = [g for g in scenarios.check(world).provers if g.coalition == COALITION]
            owned.append(sum(float(g.stake + g.cash) * g.count for g in groups))  # type: ignore[operator]
        assert owned[0] == pytest.approx(owned[1], rel=1e-6), attack.name


def test_the_interval_is_wider_for_more_settings() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0])
    low, high = search.interval(values, 1)
    assert (low, high) == pytest.approx((2.5 - 3.182 * 0.6455, 2.5 + 3.182 * 0.6455), rel=1e-3)  # t(0.975, 3) = 3.182
    wider = search.interval(values, 10)
    assert wider[0] < low < high < wider[1]


def test_total_variation_is_0_for_equals_and_1_for_strangers() -> None:
    one, other = {"counts": json.dumps({"a": 2, "b": 2})}, {"counts": json.dumps({"c": 7})}
    assert search.variation([one], [one]) == 0
    assert search.variation([one], [other]) == 1


def test_a_mistake_is_one_sentence() -> None:
    with pytest.raises(BadInput, match="--attack: wanted a known attack"):
        catalogue.chosen(["overstat"])
    tree = scenarios.tree_of(SCENARIOS / "minimal.toml")
    with pytest.raises(BadInput, match="--as: wanted"):
        catalogue.targets(catalogue.ATTACKS[0], tree, "nobody")
