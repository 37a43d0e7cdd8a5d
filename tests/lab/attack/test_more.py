"""A search that was cut short goes on where it stopped; pages of `--fix` and `--equilibrium`; leaner bonds as safe."""

import json
from pathlib import Path
from typing import Any

import pytest

from proofyard import scenario as scenarios
from proofyard.lab.attack import catalogue, fix, tell_more
from proofyard.lab.attack.search import Budget, attack_all
from proofyard.lab.runner import Runner

SCENARIOS = Path(__file__).parents[3] / "scenarios"
TINY = Budget(trials=4, seeds=2, fresh=4)


class CutError(Exception):
    """What ends a search in its middle."""


class Cut(Runner):
    """A runner that ends like a crash after its second round of runs."""

    rounds = 0

    def map(self, work: Any, tasks: Any, keys: Any = (), what: str = "runs") -> Any:
        self.rounds += 1
        if self.rounds > 2:
            raise CutError
        return super().map(work, tasks, keys, what)


def test_a_search_that_was_cut_short_repeats_no_run(tmp_path: Path) -> None:
    tree = scenarios.tree_of(SCENARIOS / "second-price-pair.toml", {"horizon": "1h"})
    ring = [(catalogue.chosen(["ring_2"])[0], [0])]
    with Runner(workers=1) as plain:
        expected, count = attack_all(plain, tree, ring, Budget(8, 2, 4))
    with pytest.raises(CutError), Cut(workers=1, folder=tmp_path) as cut:
        attack_all(cut, tree, ring, Budget(8, 2, 4))
    with Runner(workers=1, folder=tmp_path) as again:
        found, _ = attack_all(again, tree, ring, Budget(8, 2, 4))
        assert again.store is not None
        again.store.finish()
    assert 0 < again.reused < count
    assert found[0].values == expected[0].values
    assert (found[0].gains == expected[0].gains).all()
    with Runner(workers=1, folder=tmp_path) as third:
        attack_all(third, tree, ring, Budget(8, 2, 4))
    assert third.reused == count


def test_contests_of_right_claims_cost_who_makes_them() -> None:
    tree = scenarios.tree_of(SCENARIOS / "taiko-wrong-proofs.toml", {"horizon": "6h", "workload.wait_cost": "1"})
    with Runner(workers=1) as runner:
        finds, _ = attack_all(runner, tree, [(catalogue.chosen(["false_contest"])[0], [0])], TINY)
    assert finds[0].gain < -984 * 10**9  # bonds
    assert finds[0].payers["judge"] < 0  # who decides has seven eighths of them
    assert finds[0].waits[1] > finds[0].waits[0]  # for the proof that counts


def test_contesting_what_is_wrong_is_no_attack() -> None:
    """Whoever decides gains by contesting a liar's claims; what false contests bring is told against that."""
    tree = scenarios.tree_of(SCENARIOS / "taiko-wrong-proofs.toml", {"horizon": "1d"})
    with Runner(workers=1) as runner:
        finds, _ = attack_all(runner, tree, [(catalogue.chosen(["false_contest"])[0], [3])], TINY)
    assert finds[0].honest.mean() > 0
    assert not finds[0].pays
    assert finds[0].gain < 0


def test_bonds_lock_less_and_keep_what_they_keep() -> None:
    """The claim of the scenario: 72,000 tokens lie idle. What they hold off here, a tenth of them holds off too."""
    tree = scenarios.tree_of(SCENARIOS / "taiko-bonded.toml", {"horizon": "1d"}, "bonded")
    attacks = [(attack, [0]) for attack in catalogue.chosen(["withhold"])]
    searched = fix.read(["liveness_gwei=1000000000..125000000000", "tee_validity_gwei=1000000000..150000000000"])
    with Runner(workers=1) as runner:
        points = fix.front(runner, tree, searched, attacks, Budget(10, 1, 4))
    default = next(point for point in points if point.default)
    lean = fix.leanest(points)
    assert default.objectives["locked_gwei"] > 70_000e9
    assert default.objectives["gain_gwei"] == 0
    assert lean is not None
    assert lean.front
    assert lean.objectives["gain_gwei"] == 0
    assert lean.objectives["locked_gwei"] < 36_000e9


def test_pages_of_fix_and_of_equilibrium() -> None:
    tree = scenarios.tree_of(SCENARIOS / "taiko-pool-32.toml", {"horizon": "1h"}, "staked_pool")
    attack = catalogue.chosen(["overstate"])[0]
    with Runner(workers=1) as runner:
        told = [
            tell_more.front(runner, tree, ["slash_multiplier=4,40"], [(attack, [0])], Budget(2, 1, 2)),
            tell_more.equilibrium(runner, tree, "staker", Budget(2, 1, 2)),
        ]
    for each, part in zip(told, ("Safety and idle capital", "Where it settles"), strict=True):
        json.dumps(each.json, allow_nan=False)
        page = each.page("the pool", "a claim")
        assert f"<h2>{part}</h2>" in page
        assert each.title in page
    assert told[0].json["points"]
    assert "as it was" in told[0].page("the pool")
