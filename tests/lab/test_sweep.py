"""Sweeps: which points, what is written, what is not run again, which parameter moves the outcome."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.table import Table

from proofyard.core.errors import BadInput
from proofyard.lab import design, output, sensitivity, store, sweep, sweep_order, sweep_page
from proofyard.lab.runner import Runner

ROOT = Path(__file__).parents[2]
MINIMAL = ROOT / "scenarios" / "minimal.toml"
OVER = ["workload.every=30s,60s", "provers[0].count=1,2,4"]


def test_lists_make_a_grid() -> None:
    found = design.build(design.read(["a=1,2", "b=x, y(z=1,w=2)"]), 64, 1)
    assert found.points == [("1", "x"), ("1", "y(z=1,w=2)"), ("2", "x"), ("2", "y(z=1,w=2)")]
    assert not found.sampled


def test_a_range_makes_a_sample_within_it_the_same_for_one_seed() -> None:
    over = design.read(["a=5..9", "b=0.5s..2.0s", "c=x,y"])
    found = design.build(over, 32, 1)
    assert found.sampled
    assert len(found.points) == 32 * 5
    assert {point[0] for point in found.points} == {"5", "6", "7", "8", "9"}
    assert all(point[1].endswith("s") and 0.5 <= float(point[1][:-1]) <= 2 for point in found.points)
    assert {point[2] for point in found.points} == {"x", "y"}
    assert design.build(over, 32, 1) == found != design.build(over, 32, 2)


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ([], "--over: wanted key=a,b,c or key=LOW..HIGH"),
        (["a"], "wanted key=a,b,c"),
        (["a=1,,2"], "something between the commas"),
        (["a=1,1"], "each value once"),
        (["a=9..5"], "a range from low to high that is not empty"),
        (["a=5..5"], "a range from low to high that is not empty"),
        (["a=5s..9m"], "the same unit at both ends"),
        (["a=1", "a=2"], "each key once, got a"),
    ],
)
def test_a_mistake_in_what_to_sweep_is_one_sentence(texts: list[str], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        design.read(texts)


def test_a_sample_has_a_power_of_two_base_points() -> None:
    with pytest.raises(BadInput, match="--samples: wanted a power of two from 2, got 12"):
        design.build(design.read(["a=5..9"]), 12, 1)


def test_indices_of_a_sum_are_the_shares_of_its_variances() -> None:
    """Y = 3 a + b over a grid of 4 x 4 equal levels: var(3a) / var = 9/10."""
    chosen = design.build(design.read(["a=0,1,2,3", "b=0,1,2,3"]), 64, 1)
    outcome = {point: 3.0 * int(point[0]) + int(point[1]) for point in chosen.points}
    found = sensitivity.indices(chosen, outcome, 1)
    assert found is not None
    assert found["a"]["first"] == pytest.approx(0.9, abs=0.03)
    assert found["b"]["total"] == pytest.approx(0.1, abs=0.03)


def test_indices_of_a_product_lie_between_alone_and_together() -> None:
    """Ishigami-like interaction: Y = a b with means 0, so alone nothing and together all."""
    chosen = design.build(design.read(["a=-1..1", "b=-1.0..1.0"]), 512, 1)
    outcome = {point: float(point[0]) * float(point[1]) for point in chosen.points}
    found = sensitivity.indices(chosen, outcome, 1)
    assert found is not None
    assert abs(found["b"]["first"]) < 0.1
    assert found["b"]["total"] > 0.9


def test_what_never_varies_has_no_indices() -> None:
    chosen = design.build(design.read(["a=0,1"]), 64, 1)
    assert sensitivity.indices(chosen, {("0",): 5.0, ("1",): 5.0}, 1) is None
    assert sensitivity.indices(chosen, {("0",): 5.0, ("1",): float("nan")}, 1) is None


def test_a_sweep_keeps_its_runs_and_does_only_what_is_new(tmp_path: Path) -> None:
    with Runner(workers=1, folder=tmp_path) as runner:
        first = sweep.sweep(MINIMAL, OVER[:1], runner, seeds=2)
    assert first.reused == 0
    with Runner(workers=1, folder=tmp_path) as runner:
        again = sweep.sweep(MINIMAL, OVER[:1], runner, seeds=2)
    assert again.reused == 4
    assert again.rows == first.rows
    with Runner(workers=1, folder=tmp_path) as runner:
        wider = sweep.sweep(MINIMAL, ["workload.every=30s,60s,90s"], runner, seeds=3)
    assert wider.reused == 4
    table = pl.read_parquet(tmp_path / "runs.parquet")
    assert table["workload.every"].to_list() == ["30s"] * 3 + ["60s"] * 3 + ["90s"] * 3
    assert table["seed"].to_list() == [7, 8, 9] * 3
    assert (table["money_difference_gwei"] == 0).all()


def test_parameters_of_the_rule_are_swept_too(tmp_path: Path) -> None:
    with Runner(workers=1, folder=tmp_path) as runner:
        found = sweep.sweep(MINIMAL, ["mechanism.window_ms=1000,600000"], runner)
    settled = found.mean("proofs.settled")
    assert settled["1000",] == 0  # nobody proves within a second
    assert settled["600000",] == 10


def test_a_point_that_makes_no_scenario_is_named_before_anything_runs(tmp_path: Path) -> None:
    with Runner(folder=tmp_path) as runner, pytest.raises(BadInput, match=r"\(at workload.every=never\): wanted a dur"):
        sweep.sweep(MINIMAL, ["workload.every=30s,never"], runner)
    assert not (tmp_path / "parts").exists()


def test_page_and_json_of_a_sweep(tmp_path: Path) -> None:
    with Runner(workers=1, folder=tmp_path) as runner:
        found = sweep.sweep(MINIMAL, OVER, runner, seeds=2)
    shown = sweep.choose(found, ["time_to_proof_ms.p90", "concentration.hhi", "stake.slashed_gwei"])
    summary = found.indices(shown, 1)
    result = json.loads(output.as_json(sweep_page.as_json(found, shown, summary)))
    assert len(result["points"]) == 6
    assert result["points"][0]["figures"]["concentration.hhi"]["mean"] == 1.0
    assert result["sensitivity"]["concentration.hhi"]["provers[0].count"]["total"] > 0.9
    page = sweep_page.page(found, shown, summary)
    assert "concentration HHI by provers[0].count" in page
    assert '"time to proof p90 (s)"' in page
    (points,) = sweep_page.points_tables(found, shown)
    assert [str(column.header) for column in points.columns] == [
        "workload.\nevery", "provers[0].\ncount", "time\nto\nproof\np90", "HHI", "stake\nslashed,\ntokens"
    ]  # fmt: skip
    assert "The same at every point: stake slashed." in page
    assert "stake slashed by" not in page
    assert np.isfinite([row["seed"] for row in found.rows]).all()
    with pytest.raises(BadInput, match="--figure: wanted a known figure"):
        sweep.choose(found, ["concentration.hi"])


def swept(texts: list[str], outcome: Callable[..., float], samples: int = 64) -> sweep.Swept:
    """Make up a sweep whose only figure follows from the point."""
    chosen = design.build(design.read(texts), samples, 1)
    keys = [over.key for over in chosen.over]
    rows = [
        {**dict(zip(keys, point, strict=True)), "seed": 1, "figure_gwei": outcome(*point)}
        for point in dict.fromkeys(chosen.points)
    ]
    return sweep.Swept("made up", chosen, 1, rows, 0, 0)


def rows_of(shown: Table) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in zip(*(column.cells for column in shown.columns), strict=True)]


def test_a_sample_is_told_by_parts_of_each_range() -> None:
    """What a parameter does alone is what the rows show: y = 8 a, whatever b is."""
    found = swept(["a=0.0..1.0", "b=1..3", "c=y,x"], lambda a, *_: 8e9 * float(a))
    by_a, by_b, by_c = (rows_of(table) for table in sweep_page.points_tables(found, ["figure_gwei"]))
    assert [float(row[2]) for row in by_a] == pytest.approx([k + 0.5 for k in range(8)], abs=0.2)
    assert [row[0] for row in by_b] == ["1", "2", "3"]
    assert [row[0] for row in by_c] == ["y", "x"]  # as they were written
    assert sum(int(row[1]) for row in by_c) == len(sweep_order.in_order(found)) == len(found.rows)
    told = [float(point[0]) for point in sweep_order.in_order(found)]
    assert told == sorted(told)
    assert [row["a"] for row in found.rows] != [point[0] for point in sweep_order.in_order(found)]
    page = sweep_page.page(found, ["figure_gwei"], None)
    assert "Means by b, over all the others" in page
    assert "The points, by a and then by b and then by c" in page


def test_a_grid_is_told_as_it_was_written() -> None:
    found = swept(["a=9,1,5"], float)
    (shown,) = sweep_page.points_tables(found, ["figure_gwei"])
    assert [row[0] for row in rows_of(shown)] == ["9", "1", "5"]


def test_a_part_says_nothing_of_points_where_a_figure_is_undefined() -> None:
    found = swept(["a=0..9", "b=x,y"], lambda a, b: float(a) * 1e9 if b == "x" else float("nan"))
    by_a, by_b = (rows_of(table) for table in sweep_page.points_tables(found, ["figure_gwei"]))
    assert by_a[-1][0] == "9"
    assert by_a[-1][2] == "9"
    assert [row[2] for row in by_b][1] == "–"
    indices = found.indices(["figure_gwei"], 1)
    (row,) = rows_of(sweep_page.indices_table(found, indices))
    undefined = sum(value["b"] == "y" for value in found.rows)
    assert row[1] == f"undefined at {undefined} of {len(found.rows)} points"  # and not: none moves it
    assert f"figure (undefined at {undefined} of" in sweep_page.page(found, ["figure_gwei"], indices)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(BadInput, match="a new folder or one of an earlier run"):
        store.check_files(tmp_path, sweep.FILES)
