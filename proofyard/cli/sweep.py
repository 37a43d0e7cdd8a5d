"""`proofyard sweep`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from proofyard.cli.shared import Json, Settings, Whole, changes, check_seeds, check_workers, print_json

Many = Annotated[list[str] | None, Parameter(negative="", consume_multiple=False)]


def sweep(
    scenario: Path,
    *,
    over: Many = None,
    out: Path | None = None,
    mechanism: Annotated[str | None, Parameter(name=["--mechanism", "-m"])] = None,
    settings: Settings = None,
    figure: Many = None,
    seeds: Whole = 1,
    samples: Whole = 64,
    summary: Annotated[bool, Parameter(negative="")] = False,
    workers: Whole | None = None,
    ray: str | None = None,
    json: Json = False,
) -> None:
    """Run a scenario over values or ranges of parameters; a table, a page, Parquet.

    Example: proofyard sweep scenarios/taiko-pool-32.toml --over mechanism.slash_points=25,500 --seeds 4

    Lists make a grid. With a range (--over mechanism.window_ms=60000..600000) the points are a sample. What was run is
    kept as it comes in: the same command goes on where it stopped, also after Ctrl-C or a crash.

    Parameters
    ----------
    scenario
        TOML file that describes the experiment.
    over
        key=a,b,c or key=LOW..HIGH; a parameter of the rule is mechanism.NAME. Give the option once per parameter.
    out
        Folder for runs.parquet, summary.json and report.html; sweeps/SCENARIO by default.
    mechanism
        Another rule than the scenario's, with parameters.
    settings
        key=value, put over the scenario's own at every point.
    figure
        A figure to show, as in summary.json: stake.slashed_gwei. Give the option once per figure.
    seeds
        How many seeds to run at each point, the same at all.
    samples
        Base points of a sample, a power of two; it makes samples x (parameters + 2) points.
    summary
        Say which parameter moves the outcome: Sobol's indices.
    workers
        Processes at most; as many as there are cores by default.
    ray
        Address of a Ray cluster to run on, e.g. 10.0.0.1:6379.
    json
        Print the result as JSON.
    """
    from proofyard.lab import output, store
    from proofyard.lab import sweep as sweeps
    from proofyard.lab.runner import Runner

    check_seeds(seeds)
    check_workers(workers)
    place = out if out is not None else Path("sweeps") / scenario.stem
    store.check_files(place, sweeps.FILES)
    with Runner(workers=workers, ray=ray, folder=place, quiet=json, ahead="proofyard.lab.sweep_page") as runner:
        found = sweeps.sweep(
            scenario, over or [], runner, changes=changes(settings), mechanism=mechanism, seeds=seeds, samples=samples
        )
    shown = sweeps.choose(found, figure)
    indices = found.indices(shown, 1) if summary else None
    from proofyard.lab import sweep_page

    result = sweep_page.as_json(found, shown, indices)
    page = sweep_page.page(found, shown, indices)
    store.write_files(place, {"summary.json": output.as_json(result), "report.html": page})
    if json:
        print_json(result)
        return
    from rich.console import Console

    console = Console()
    for table in sweep_page.points_tables(found, shown):
        console.print(table, "")
    if found.design.sampled:
        console.print("Means over all points whose value lies there; every point is in the files.", highlight=False)
    if indices is not None:
        console.print("", sweep_page.indices_table(found, indices), "")
    again = f" ({found.reused:,} from before)" if found.reused else ""
    lost = f", {found.deaths} workers died and were replaced" if found.deaths else ""
    console.print(f"{len(found.rows):,} runs{again}{lost}: {place / 'runs.parquet'}", highlight=False)
    console.print(f"report: {place / 'report.html'}", highlight=False)
