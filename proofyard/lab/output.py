"""What a run leaves on disk: `summary.json`, `provers.parquet`, `jobs.parquet`, `report.html`, all of them or none.

Polars and the charts are imported when something is written: a run that only prints its table does not wait for them.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from proofyard.core.errors import BadInput
from proofyard.core.event import Phase
from proofyard.engine.result import Run
from proofyard.lab.words import Figures

if TYPE_CHECKING:
    import polars as pl

    from proofyard.lab.figure import Figure

FILES = ("summary.json", "provers.parquet", "jobs.parquet", "report.html")
_OURS = {"mechanism", "scenario", "proofs", "money_difference_gwei"}  # names by which we know our own summary.json
LOOKS, LOOK_S = 100, 0.02  # how often to look whether a draft is gone, and s between
_PHASES = ["refused", *(phase.name.lower() for phase in Phase if phase != Phase.NONE)]


def write(out_dir: Path, runs: Sequence[Run], summary: Figures, claim: str = "") -> None:
    """Write the four files into `out_dir`, which is made, or replaced if we made it before.

    They are built in a folder beside it that then takes its name: whenever this stops, what was there before is
    still there, or the whole new set is. Raises BadInput if `out_dir` holds anything else or cannot be written.
    """
    from proofyard.lab.report import report  # noqa: PLC0415 - see above

    def fill(draft: Path) -> None:
        (draft / "summary.json").write_text(as_json(summary) + "\n", encoding="utf-8")
        provers_frame(runs).write_parquet(draft / "provers.parquet")
        jobs_frame(runs).write_parquet(draft / "jobs.parquet")
        (draft / "report.html").write_text(report(runs, summary, claim), encoding="utf-8")

    _write_set(out_dir, fill)


def _write_set(out_dir: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write files into a folder beside `out_dir`, which then takes its name."""
    place = Path(os.path.realpath(out_dir))
    check_place(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
        try:
            fill(draft)
            draft.chmod(0o755)
            _swap(draft, place)
        finally:
            _clear(draft)
    except OSError as error:
        raise BadInput("--out", "a folder that can be written", f"{out_dir} ({error.strerror})") from None


def _clear(draft: Path) -> None:
    """Remove `draft`; where Polars, interrupted, still writes into it beside us, again until nothing is left."""
    for _ in range(LOOKS):
        shutil.rmtree(draft, ignore_errors=True)
        if not draft.exists():
            return
        time.sleep(LOOK_S)


def as_json(summary: Figures | list[Figures]) -> str:
    """Write a summary as JSON text; None becomes null."""
    return json.dumps(summary, indent=2, allow_nan=False)


def check_place(place: Path) -> None:
    """Refuse, before a long run rather than after it, to write where something else is. Raises BadInput."""
    if not place.exists():
        return
    if not place.is_dir():
        raise BadInput("--out", "a folder", f"the file {place}")
    if Path.cwd().is_relative_to(place.resolve()):
        raise BadInput("--out", "a folder that can be replaced", f"{place}, which is or holds the current one")
    foreign = sorted({path.name for path in place.iterdir()} - set(FILES))
    if foreign:
        raise BadInput("--out", "a new folder or one of an earlier run", f"{place}, which holds {foreign[0]}")
    if any(place.iterdir()) and not _is_ours(place / "summary.json"):
        raise BadInput("--out", "a new folder or one of an earlier run", f"{place}, whose summary.json is not ours")


def _is_ours(path: Path) -> bool:
    """Tell whether we wrote this summary."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and _OURS.issubset(found)  # pyright: ignore[reportUnknownArgumentType]


def _swap(draft: Path, place: Path) -> None:
    """Give `draft` the name `place`; if that fails, or is interrupted, the old folder has its name back."""
    if not place.exists():
        draft.rename(place)
        return
    old = draft.with_name(f"{draft.name}.old")
    try:
        place.rename(old)
        draft.rename(place)
    finally:
        if old.exists() and not place.exists():
            old.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def provers_frame(runs: Sequence[Run]) -> "pl.DataFrame":
    """Build one row per seed and prover: the columns of `Provers` and what follows from them."""
    import polars as pl  # noqa: PLC0415 - see above

    frames = [
        pl.DataFrame({
            "seed": np.full(len(run.names), run.seed, np.int64),
            "name": np.array(run.names),
            "group": np.array(run.groups)[run.provers.group],
            **{key: column for key, column in run.provers._asdict().items() if key != "group"},
        })
        for run in runs
    ]  # fmt: skip
    profit = pl.col("income_gwei") - pl.col("cost_gwei") - pl.col("slashed_gwei")
    return pl.concat(frames).with_columns(pl.col("active") == 1, profit_gwei=profit)


def jobs_frame(runs: Sequence[Run]) -> "pl.DataFrame":
    """Build one row per seed and job: the columns of `Jobs`, null where they say "never" or "nobody"."""
    import polars as pl  # noqa: PLC0415 - see above

    frames: list[pl.DataFrame] = []
    for run in runs:
        count = len(run.jobs.phase)
        names = pl.Series("name", run.names, pl.String)
        who = pl.Series("prover", run.jobs.prover)
        frame = pl.DataFrame({
            "seed": np.full(count, run.seed, np.int64),
            "job": np.arange(count),
            **run.jobs._asdict(),
            **(run.claims._asdict() if run.claims is not None else {}),
        })  # fmt: skip
        known = pl.when(pl.col("prover") >= 0).then(pl.col("prover"))
        frames.append(
            frame.with_columns(
                prover=known,
                prover_name=names.gather(who.set(who < 0, None)),
                phase=pl.Series(_PHASES).gather(run.jobs.phase),
                proven_ms=pl.when(pl.col("proven_ms") > 0).then(pl.col("proven_ms")),
                cheapest_gwei=pl.when(pl.col("cheapest_gwei") >= 0).then(pl.col("cheapest_gwei")),
                late=pl.col("late") == 1,
            )
        )
    return pl.concat(frames).with_columns(time_to_proof_ms=pl.col("proven_ms") - pl.col("asked_ms"))


def picture(
    run: Run, *, dark: bool = False, form: Literal["png", "svg"] = "png", width: int = 640, scale: float = 2
) -> bytes:
    """Draw one run without a browser: who made the proofs, how fast, and who earned. `scale` is of PNG."""
    from proofyard.lab import metrics, report  # noqa: PLC0415 - see above

    return picture_of(report.figures([run], metrics.summary([run]))[:3], dark=dark, form=form, width=width, scale=scale)


def picture_of(
    figures: "Sequence[Figure]", *, dark: bool = False, form: Literal["png", "svg"] = "png", width: int = 640,
    scale: float = 2,
) -> bytes:  # fmt: skip
    """Draw figures below each other without a browser; empty ones are left out. `scale` is of PNG."""
    import altair as alt  # noqa: PLC0415 - see above
    import vl_convert  # noqa: PLC0415 - see above

    from proofyard.lab import report  # noqa: PLC0415 - see above

    shown = [figure for figure in figures if figure.chart is not None]
    charts = [f.chart.properties(title=f.title, width=width, height=f.height) for f in shown if f.chart is not None]
    drawn = alt.vconcat(*charts, spacing=28, padding=16, resolve=alt.Resolve(scale={"color": "independent"}))
    look = json.loads(report.template("themes.json"))["dark" if dark else "light"]
    look |= {"background": "#14171b" if dark else "#ffffff", "font": "Liberation Sans, Arial, sans-serif"}
    spec = json.loads(json.dumps(drawn.to_dict()).replace("containerSize()[0]", str(width)))
    if form == "svg":
        return vl_convert.vegalite_to_svg(spec, config=look).encode()
    return vl_convert.vegalite_to_png(spec, config=look, scale=scale)
