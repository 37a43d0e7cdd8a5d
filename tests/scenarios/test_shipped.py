"""Every shipped scenario runs, and every rule of the catalogue is met in one."""

from pathlib import Path

import numpy as np
import pytest

from proofyard import mechanisms, scenario
from proofyard.core import FINAL, Phase
from proofyard.core.rule import parse_call
from proofyard.engine.simulate import simulate

FOLDER = Path(__file__).parents[2] / "scenarios"
TINY = 40  # requests: the shortest run that proofs come out of under every rule
MEASURED = {"race-real-blocks": {"workload.trace": "measured.csv"}}  # its data are the user's
PATHS = sorted(path for path in FOLDER.rglob("*.toml") if path.stem not in MEASURED)


def mechanisms_of(path: Path) -> list[str]:
    """List the rules that the scenario at `path` and its variants run under."""
    chosen = scenario.read(path, MEASURED.get(path.stem, {}))
    return [chosen.mechanism] + [variant.mechanism for variant in chosen.variants if variant.mechanism]


def tiny(chosen: scenario.Scenario) -> scenario.Scenario:
    """Cut the scenario down to its first requests."""
    work = chosen.workload
    if work.arrivals in {"closed_loop", "after"}:  # they come when others have been answered
        return chosen.model_copy(update={"workload": work.model_copy(update={"requests": TINY})})
    return chosen.model_copy(update={"horizon": min(chosen.horizon, TINY * work.every)})


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_shipped_scenario_runs_and_so_do_its_variants(path: Path) -> None:
    runs = scenario.read_variants(path) if scenario.read(path).variants else [("", scenario.read(path))]
    for called, chosen in runs:
        run = simulate(tiny(chosen))
        met = run.jobs.phase[run.jobs.phase != Phase.NONE]  # the others were refused
        assert len(met), called
        assert np.isin(met, FINAL).all(), called


def test_every_rule_of_the_catalogue_has_a_scenario_of_its_own() -> None:
    own = [path for path in FOLDER.rglob("*.toml") if path.stem != "one-rollup-many-rules"]
    shown = {parse_call(text, "mechanism")[0] for path in own for text in mechanisms_of(path)}
    assert set(mechanisms.NAMES) - shown == set()
