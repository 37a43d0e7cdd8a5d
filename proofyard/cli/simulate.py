"""`proofyard simulate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from proofyard.cli.shared import Json, Settings, Whole, changes, check_file, check_place, check_seeds, print_json, runs

if TYPE_CHECKING:
    from proofyard.lab.words import Figures


def simulate(
    scenario: Path,
    *,
    out: Path | None = None,
    trace: Path | None = None,
    mechanism: Annotated[str | None, Parameter(name=["--mechanism", "-m"])] = None,
    settings: Settings = None,
    seeds: Whole = 1,
    json: Json = False,
) -> None:
    """Run a scenario and print the result table.

    Example: proofyard simulate scenarios/race-fitted.toml --out build/race --set workload.every=30s

    Parameters
    ----------
    scenario
        TOML file that describes the experiment.
    out
        Folder for summary.json, provers.parquet, jobs.parquet and report.html.
    trace
        File for the trace: genesis, rule and every accepted event.
    mechanism
        Another rule than the scenario's, with parameters: 'staked_pool(window_ms=60000)'.
    settings
        key=value, put over the scenario's own; may be given several times.
    seeds
        How many seeds to run, from the scenario's own on.
    json
        Print the summary as JSON instead of the table.
    """
    from proofyard import scenario as scenarios
    from proofyard.lab import metrics

    check_seeds(seeds)
    chosen = scenarios.read(scenario, changes(settings), mechanism)
    if out is not None:
        check_place(out)
    if trace is not None:
        check_file(trace, "--trace")
    done = runs(chosen, seeds, quiet=json, traced=trace is not None)
    summary, whole = metrics.summary(done), list[str]()
    try:
        if out is not None:
            from proofyard.lab import output

            output.write(out, done, summary, claim=chosen.claim)
            whole.append(str(out))
        if trace is not None:
            from proofyard.lab import runs as running

            running.write_trace(trace, chosen, done[0])
            whole.append(str(trace))
        _show(summary, out, json=json)
    except KeyboardInterrupt:
        if not whole:
            raise
        raise KeyboardInterrupt(f"interrupted; what is in {' and '.join(whole)} is whole.") from None


def _show(summary: "Figures", out: Path | None, *, json: bool) -> None:
    if json:
        print_json(summary)
        return
    from proofyard.lab import table

    table.print_result(summary)
    if out is not None:
        print(f"report: {out / 'report.html'}")
