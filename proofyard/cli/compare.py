"""`proofyard compare`."""

from pathlib import Path

from proofyard.cli.shared import Json, Mechanisms, Settings, changes, check_place, print_json, runs


def compare(
    scenario: Path,
    *,
    mechanisms: Mechanisms = None,
    out: Path | None = None,
    settings: Settings = None,
    seeds: int = 1,
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
    json
        Print the summaries as JSON.
    """
    from proofyard import scenario as scenarios
    from proofyard.lab import metrics

    world = scenarios.read_variants(scenario, changes(settings), mechanisms)
    if out is not None:
        check_place(out)
    summaries = [metrics.summary(runs(chosen, seeds, quiet=json)) | {"variant": name} for name, chosen in world]
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
