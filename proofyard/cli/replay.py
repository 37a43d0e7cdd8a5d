"""`proofyard replay`."""

from typing import Annotated

from cyclopts import Parameter

from proofyard.cli.shared import Json, print_json, start_quickly


def replay(
    journal: str,
    *,
    mechanism: Annotated[str, Parameter(name=["--mechanism", "-m"])],
    json: Json = False,
) -> None:
    """Replay a journal under another rule: who would have won, been paid, been slashed.

    Example: proofyard replay build/live/market.db -m proo_phi

    The requests and provers of the journal, with the proving times it shows, in the engine: once under its own rule,
    once under the other. The difference between the journal and its own rule replayed is the error of the comparison.

    Parameters
    ----------
    journal
        Path of an SQLite file, or postgresql://USER@HOST/DATABASE.
    mechanism
        The other rule, with parameters: 'proo_phi(reserve=1)'.
    json
        Print the table as JSON.
    """
    start_quickly()
    from proofyard.lab import metrics, table
    from proofyard.network import counterfactual
    from proofyard.network.journal import connect
    from proofyard.network.recorded import Measured, run_of

    opened = connect(journal)
    story = counterfactual.read_story(opened.rows())
    names = [prover.name for prover in story.provers]
    happened = run_of(opened.rows(), Measured(names), scenario=story.scenario)
    opened.close()
    same, other = (counterfactual.replay(story, text) for text in (story.rule.text, mechanism))
    rows = counterfactual.changes(same, other)
    real = {change.name: change for change in counterfactual.changes(happened, other)}
    told = [
        {"name": row.name, "journal": real[row.name].wins[0], "wins": row.wins, "paid_gwei": row.paid,
         "slashed_gwei": row.slashed}
        for row in rows
    ]  # fmt: skip
    if json:
        summaries = [metrics.summary([run]) for run in (happened, same, other)]
        named = dict(zip(("journal", "same", "other"), summaries, strict=True))
        print_json({"rule": story.rule.text, "other": mechanism, "provers": told, "summaries": named})
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=f"{story.rule.text} and {mechanism}", box=None)
    shown.add_column("prover")
    for head in ("wins in the journal", "wins replayed", "under the other", "paid", "under the other", "slashed",
                 "under the other"):  # fmt: skip
        shown.add_column(head, justify="right")
    for row, each in zip(rows, told, strict=True):
        money = [table.tokens(value) for pair in (row.paid, row.slashed) for value in pair]
        shown.add_row(row.name, str(each["journal"]), *map(str, row.wins), *money)
    Console().print(shown)
