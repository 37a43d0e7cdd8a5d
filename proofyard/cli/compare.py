"""`proofyard compare`."""

from pathlib import Path

from proofyard.cli.shared import Json, Mechanisms, Settings, Whole, changes, check_seeds, check_workers, print_json


def compare(
    scenario: Path,
    *,
    mechanisms: Mechanisms = None,
    out: Path | None = None,
    settings: Settings = None,
    seeds: Whole = 1,
    workers: Whole | None = None,
    ray: str | None = None,
    json: Json = False,
) -> None:
    """Run one world under several rules on common seeds; one table, one page.

    Example: proofyard compare scenarios/taiko-pool-32.toml -m staked_pool -m 'staked_pool(old_slash=1)'

    With --out, what was run is kept as it comes in: the same command goes on where it stopped, also after Ctrl-C or a
    crash.

    Parameters
    ----------
    scenario
        TOML file that describes the world.
    mechanisms
        A rule with parameters; give the option once per rule. Without it, the scenario's own [[variants]].
    out
        Folder for runs.parquet, summary.json and report.html.
    settings
        key=value, put over the scenario's own.
    seeds
        How many seeds to run under each rule.
    workers
        Processes at most; as many as there are cores by default.
    ray
        Address of a Ray cluster to run on.
    json
        Print the summaries as JSON.
    """
    from proofyard import scenario as scenarios
    from proofyard.lab import comparing, output, store
    from proofyard.lab.runner import Runner

    check_seeds(seeds)
    check_workers(workers)
    world = scenarios.read_variants(scenario, changes(settings), mechanisms)
    if out is not None:
        store.check_files(out, comparing.FILES)
    with Runner(workers=workers, ray=ray, folder=out, quiet=json) as runner:
        summaries = comparing.compare(world, seeds, runner)
    if out is not None:
        from proofyard.lab.report import compare_report

        page = compare_report(summaries, world[0][1].claim)
        store.write_files(out, {"summary.json": output.as_json(summaries), "report.html": page})
    if json:
        print_json(summaries)
        return
    from proofyard.lab import table

    table.print_comparison(summaries)
    if out is not None:
        again = f", {runner.reused:,} of its runs from before" if runner.reused else ""
        print(f"report: {out / 'report.html'}{again}")
