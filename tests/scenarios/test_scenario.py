"""Scenario files: everything shipped is valid, and every mistake is one sentence that names the key."""

import shutil
from pathlib import Path

import pytest

from proofyard import scenario
from proofyard.core import BadInput
from proofyard.engine.world import rule_of
from proofyard.lab import skeleton
from proofyard.policies import honest
from proofyard.scenario import files

FOLDER = Path(__file__).parents[2] / "scenarios"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_scenario_is_valid_and_says_what_it_is_for(path: Path) -> None:
    changes = {"workload.trace": "measured.csv"} if path.stem == "race-real-blocks" else {}
    chosen = scenario.read(path, changes)
    assert chosen.name == path.stem
    assert rule_of(chosen).name
    assert path.stem == "minimal" or (chosen.claim and chosen.source)
    for _, variant in scenario.read_variants(path, changes, None if chosen.variants else [chosen.mechanism]):
        assert rule_of(variant).name


GOOD = """
mechanism = "race"
horizon = "1h"
[workload]
every = "12s"
[[provers]]
stake = "5"
"""


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('every = "12s"', 'everi = "12s"', "workload.everi: wanted a known key (nearest: every), got everi."),
        (
            'every = "12s"',
            'every = "12"',
            "workload.every: wanted a duration such as 500ms, 2s, 10m, 1.5h or 7d, got '12'.",
        ),
        ('every = "12s"', 'every = "0s"', "workload.every: wanted a duration longer than nothing, got '0s'."),
        ('every = "12s"', 'size = "etherium_block"', "nearest: ethereum_block"),
        (
            'every = "12s"',
            'arrivals = "trace"',
            "workload.trace: wanted a CSV of measured proofs (--set workload.trace=FILE), got none.",
        ),
        (
            'every = "12s"',
            'trace = "times.csv"',
            "workload.arrivals: wanted trace, where workload.trace is given, got poisson, which leaves",
        ),
        (
            'stake = "5"',
            'stake = "-5"',
            "provers[0].stake: wanted an amount of tokens such as 2.0, not negative, got '-5'.",
        ),
        (
            'stake = "5"',
            'stake = { total = "5", zpf = 1.0 }',
            "provers[0].stake.zpf: wanted one of total, zipf (nearest: zipf), got zpf.",
        ),
        ('stake = "5"', "count = 0", "provers[0].count: wanted greater than or equal to 1, got 0."),
        (
            'stake = "5"',
            'policy = "onest"',
            "provers[0].policy: wanted a policy (did you mean honest?), got onest",
        ),
        (
            'stake = "5"',
            'policy = "withhold(2)"',
            "provers[0].policy: withhold(share): wanted a number from 0 to 1, got '2'.",
        ),
        ('stake = "5"', 'online = "nihgts"', "nearest: nights"),
        ('stake = "5"', 'hardware = "sp1/l40"', "provers[0].hardware: wanted a known set-up (nearest: sp1/l40s"),
        (
            'stake = "5"',
            'cost = { energy = "5 W" }',
            "provers[0].cost.energy: wanted a power such as 5.2 kW, got '5 W'.",
        ),
        ('horizon = "1h"', "", "horizon: wanted a value, got none."),
        (
            'horizon = "1h"',
            "horizon = 3600",
            "horizon: wanted a duration such as 500ms, 2s, 10m, 1.5h or 7d, got 3600.",
        ),
        ('horizon = "1h"', 'horizon = "1h', "wanted valid TOML"),
        ('mechanism = "race"', "mechanism = 5", "mechanism: wanted a valid string, got 5."),
    ],
)
def test_a_mistake_is_one_sentence_with_its_key(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        scenario.read(path)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_go_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    chosen = scenario.read(
        path, {"workload.every": "6s", "provers[0].count": "3", "token.usd": "2"}, "race(window_ms=5)"
    )
    assert (chosen.workload.every, chosen.provers[0].count, chosen.mechanism) == (6_000, 3, "race(window_ms=5)")
    for key, words in (("provers[7].count", "whole number from 0 to 0"), ("name.x", "a key of the scenario")):
        with pytest.raises(BadInput, match=words):
            scenario.read(path, {key: "1"})


def test_amounts_are_exact_integers() -> None:
    chosen = scenario.check(
        {"mechanism": "race", "horizon": "1d", "token": {"decimals": 8}, "provers": [{"stake": "0.1"}]}
    )
    stake = chosen.provers[0].stake
    assert not isinstance(stake, scenario.Stake)
    assert chosen.gwei(stake, "stake") == 10_000_000
    with pytest.raises(BadInput, match="less than"):
        chosen.gwei(scenario.amount("1e15"), "stake")


def test_files_beside_a_scenario_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule, a policy and measurements; what the command line names is sought here first."""
    far = tmp_path / "far"
    far.mkdir()
    skeleton.write("mine", far)
    shutil.copy(str(honest.__file__), far / "mine_too.py")
    text = (far / "mine.toml").read_text().replace('name = "slow"', 'name = "slow"\npolicy = "mine_too.py"', 1)
    (far / "mine.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    read = scenario.read(Path("far/mine.toml"))
    assert read.mechanism == "far/mine.py(window_ms = 60_000)"
    assert [group.policy for group in read.provers] == ["honest", "honest", "far/mine_too.py"]
    tree = scenario.tree_of(Path("far/mine.toml"))
    files.seen_from(tree, tmp_path / "attacks")
    assert (tree["mechanism"], tree["provers"][2]["policy"]) == (
        "../far/mine.py(window_ms = 60_000)",
        "../far/mine_too.py",
    )
    shutil.copy(far / "mine.py", "mine.py")
    assert scenario.read(Path("far/mine.toml")).mechanism.startswith("far/")
    assert scenario.read(Path("far/mine.toml"), mechanism="mine.py").mechanism == "mine.py"
