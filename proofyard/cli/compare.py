"""`proofyard compare`."""

from pathlib import Path

from proofyard.cli.shared import Json, Mechanisms, Settings, changes, check_place, check_workers, print_json


def compare(
    scenario: Path,
    *,
    mechanisms: Mechanisms = None,
    out: Path | None = None,
    settings: Settings = None,
    seeds: int = 1,
    workers: int | None = None,
    ray: str | None = None,
    json: Json = False,
) -> None:
    """Run one world under several rules on common seeds; one table, one page.

    Example: proofyard compare scenarios/taiko-pool-32.toml -m staked_pool -m 'staked_pool(old_slash=1)'

    Parameters
    ----------
    scenario
        TOML file that describes the world.
    mechanisms
        A rule with parameters; give the option once per rule. Without it, the scenario's own [[variants]].
    out
        Folder for summary.json and report.html.
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
    from proofyard.lab import metrics
    from proofyard.lab.runner import Runner
    from proofyard.lab.runs import run_seeds

    check_workers(workers)
    world = scenarios.read_variants(scenario, changes(settings), mechanisms)
    if out is not None:
        check_place(out)
    with Runner(workers=workers, ray=ray, quiet=json) as runner:
        summaries = [
            metrics.summary(run_seeds(chosen, seeds, quiet=json, runner=runner)) | {"variant": name}
            for name, chosen in world
        ]
    if out is not None:
        from proofyard.lab import output

        output.write_comparison(out, summaries, claim=world[0][1].claim)
    if json:
        print_json(summaries)
        return
    from proofyard.lab import table

    table.print_comparison(summaries)
    if out is not None:
        print(f"report: {out / 'report.html'}")
