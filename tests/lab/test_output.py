import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from proofyard.core.errors import BadInput
from proofyard.core.event import Phase
from proofyard.lab import output, report
from proofyard.lab.metrics import summary


@pytest.fixture(autouse=True)
def _no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "bundle", lambda: "")


def written(make: Any, place: Path, seeds: int = 1) -> tuple[list[Any], dict[str, Any]]:
    runs = [make.drawn_run(seed, staked=True) for seed in range(seeds)]
    s = summary(runs)
    output.write(place, runs, s, "A claim.")
    return runs, s


def names(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()}


def test_four_files_and_nothing_beside_them(make: Any, tmp_path: Path) -> None:
    _, s = written(make, tmp_path / "deep" / "out")
    assert names(tmp_path / "deep") == {"out"}
    assert names(tmp_path / "deep" / "out") == set(output.FILES)
    assert json.loads((tmp_path / "deep" / "out" / "summary.json").read_text()) == s
    assert "A claim." in (tmp_path / "deep" / "out" / "report.html").read_text()
    assert (tmp_path / "deep" / "out").stat().st_mode & 0o777 == 0o755


def test_tables_hold_what_the_runs_hold(make: Any, tmp_path: Path) -> None:
    runs, s = written(make, tmp_path / "out", seeds=2)
    provers = pl.read_parquet(tmp_path / "out" / "provers.parquet")
    jobs = pl.read_parquet(tmp_path / "out" / "jobs.parquet")
    assert provers.height == 2 * 5
    assert provers["profit_gwei"].sum() == 2 * s["welfare"]["provers_gwei"]
    assert provers.schema["active"] == pl.Boolean
    assert jobs.height == 2 * 400
    assert jobs["seed"].unique().sort().to_list() == [0, 1]
    second = jobs.filter(seed=1)
    assert second["asked_ms"].to_list() == runs[1].jobs.asked_ms.tolist()
    settled = second.filter(phase="settled")
    assert settled.height == int((runs[1].jobs.phase == Phase.SETTLED).sum())
    assert settled["time_to_proof_ms"].null_count() == 0
    assert second.filter(phase="lost")["proven_ms"].null_count() == second.filter(phase="lost").height > 0
    assert second["prover_name"].to_list() == [runs[1].names[k] for k in runs[1].jobs.prover]


def test_what_never_was_is_null(make: Any) -> None:
    jobs = make.jobs_of(2, phase=[Phase.NONE, Phase.SETTLED], prover=[-1, 1], proven_ms=[0, 9], cheapest_gwei=[-1, 0])
    frame = output.jobs_frame([make.run_of(jobs, make.provers_of(2))])
    assert frame["phase"].to_list() == ["refused", "settled"]
    for column, values in {
        "prover": [None, 1], "prover_name": [None, "prover-2"], "proven_ms": [None, 9], "cheapest_gwei": [None, 0],
    }.items():  # fmt: skip
        assert frame[column].to_list() == values


@pytest.mark.parametrize("phase", Phase)
def test_phases_have_names(make: Any, phase: Phase) -> None:
    frame = output.jobs_frame([make.run_of(make.jobs_of(1, phase=[phase]), make.provers_of(1))])
    assert frame["phase"].item() == ("refused" if phase == Phase.NONE else phase.name.lower())


def test_same_run_same_bytes(make: Any, tmp_path: Path) -> None:
    for name in ("one", "two"):
        written(make, tmp_path / name)
    for name in output.FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_its_own_folder_is_replaced(make: Any, tmp_path: Path) -> None:
    written(make, tmp_path / "out", seeds=2)
    _, s = written(make, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["seeds"] == s["seeds"] == [0]
    assert names(tmp_path) == {"out"}


def test_an_empty_folder_and_a_link_to_ours_are_taken(make: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    written(make, tmp_path / "out")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    written(make, tmp_path / "link", seeds=2)
    assert (tmp_path / "link").is_symlink()
    assert len(json.loads((tmp_path / "out" / "summary.json").read_text())["seeds"]) == 2


@pytest.mark.parametrize(
    ("files", "complaint"),
    [({"thesis.tex": "years of work"}, "thesis.tex"), ({"summary.json": "{}"}, "not ours"),
     ({"report.html": "mine"}, "not ours"), ({"summary.json": "nonsense"}, "not ours")],
)  # fmt: skip
def test_folders_of_others_are_refused(make: Any, tmp_path: Path, files: dict[str, str], complaint: str) -> None:
    (tmp_path / "out").mkdir()
    for name, text in files.items():
        (tmp_path / "out" / name).write_text(text)
    with pytest.raises(BadInput, match=complaint):
        written(make, tmp_path / "out")
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == files
    assert names(tmp_path) == {"out"}


def test_a_file_is_refused(make: Any, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a letter")
    with pytest.raises(BadInput, match="a folder"):
        written(make, tmp_path / "out")
    with pytest.raises(BadInput, match="can be written"):
        written(make, tmp_path / "out" / "deeper")


def test_the_current_folder_is_refused(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="current"):
        written(make, Path())


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("moment", ["jobs_frame", "report", "_swap", "rename"])
def test_interrupted_at_any_moment_leaves_the_old_set_or_none(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, *, before: bool
) -> None:
    if before:
        written(make, tmp_path / "out", seeds=2)
    kept = {path.name: path.read_bytes() for path in tmp_path.glob("out/*")}
    real = Path.rename

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    def stop_at_the_second(self: Path, target: Path) -> Path:
        if target.name == "out" and "report.html" in names(self) and not self.name.endswith(".old"):
            raise KeyboardInterrupt
        return real(self, target)

    if moment == "rename":
        monkeypatch.setattr(Path, "rename", stop_at_the_second)
    else:
        monkeypatch.setattr(report if moment == "report" else output, moment, stop)
    with pytest.raises(KeyboardInterrupt):
        written(make, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in tmp_path.glob("out/*")} == kept
    assert names(tmp_path) == ({"out"} if before else set())


def test_a_file_that_comes_while_the_draft_is_cleared_is_cleared_too(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Polars writes beside us: interrupted, it may make a file in the folder that is just being emptied."""
    real, late = shutil.rmtree, ["polars.parquet"]

    def emptied(place: Path, **options: Any) -> None:
        if late:
            (place / late.pop()).touch()
            return
        real(place, **options)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(output, "jobs_frame", stop)
    monkeypatch.setattr(shutil, "rmtree", emptied)
    with pytest.raises(KeyboardInterrupt):
        written(make, tmp_path / "out")
    assert names(tmp_path) == set()


def test_pictures_need_no_browser(make: Any) -> None:
    png = output.picture(make.drawn_run(1), scale=1)
    assert png.startswith(b"\x89PNG\r\n")
    light = output.picture(make.drawn_run(1), form="svg").decode()
    dark = output.picture(make.drawn_run(1), form="svg", dark=True).decode()
    for said in ("Who made the proofs", "Time to proof", "Earned and spent", "prover-1"):
        assert said in light
    assert "#14171b" in dark
    assert "#14171b" not in light
    assert np.frombuffer(png[16:24], ">u4").tolist()[0] > 640
