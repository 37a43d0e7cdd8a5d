"""`proofyard replay`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from proofyard.cli.shared import Json, print_json

if TYPE_CHECKING:
    from proofyard.network.counterfactual import Change, Rerun


def replay(
    journal: str,
    *,
    mechanism: Annotated[str, Parameter(name=["--mechanism", "-m"])],
    out: Path | None = None,
    json: Json = False,
) -> None:
    """Replay a journal under another rule: who would have won, been paid, been slashed.

    Example: proofyard replay build/live/market.db -m 'proo_phi(round_ms=20000)'

    The requests and provers of the journal, with the words that were drawn, the proving times it shows, and the jobs
    that provers left. Its own rule is replayed, too: how many jobs end as they did says how far to trust the other.

    Parameters
    ----------
    journal
        Path of an SQLite file, or postgresql://USER@HOST/DATABASE.
    mechanism
        The other rule, with parameters: 'proo_phi(reserve_gwei=1)'.
    out
        New file for what would have happened, as a journal that `explore` opens.
    json
        Print the table as JSON.
    """
    from proofyard.core.errors import BadInput
    from proofyard.lab import metrics
    from proofyard.network import counterfactual
    from proofyard.network.journal import connect
    from proofyard.network.recorded import Measured, run_of
    from proofyard.network.story import read_story

    if out is not None and out.exists():
        raise BadInput("--out", "a new file", f"{out}, which exists")
    opened = connect(journal)
    story = read_story(opened.rows())
    provers = [story.provers[actor] for actor in sorted(story.provers)]
    known = Measured([each.name for each in provers], work_ms=[each.mean_ms for each in provers])
    happened = run_of(opened.rows(), known, scenario=story.market.genesis.scenario)
    opened.close()
    own, other = (counterfactual.replay(story, text) for text in (story.market.rule.call, mechanism))
    same, would = (counterfactual.measured(story, rerun) for rerun in (own, other))
    kept = story.market.jobs - len(counterfactual.moved(story, happened, own, same))
    rows, moved = counterfactual.changes(happened, would), counterfactual.moved(story, happened, other, would)
    if out is not None:
        _write(out, other)
    if json:
        runs = {"journal": happened, "same": same, "other": would}
        print_json({
            "rule": story.market.rule.text, "other": mechanism, "jobs": story.market.jobs, "as_in_journal": kept,
            "refused": len(other.refused), "provers": [row._asdict() for row in rows],
            "moved": [each._asdict() for each in moved],
            "summaries": {name: metrics.summary([run]) for name, run in runs.items()},
        })  # fmt: skip
        return
    _print(f"{story.market.rule.text} → {mechanism}", rows)
    print(f"{len(moved)} of {story.market.jobs} jobs end otherwise; {len(other.refused)} would have been refused.")
    print(f"Its own rule replayed: {kept} of {story.market.jobs} jobs end as in the journal.")


def _write(out: Path, rerun: "Rerun") -> None:
    from proofyard.network.journal import connect

    made = connect(str(out))
    made.acquire()
    made.append(rerun.rows)
    made.close()


def _print(title: str, rows: "list[Change]") -> None:
    """Print what each prover had and would have had."""
    from rich.console import Console
    from rich.table import Table

    from proofyard.lab import table

    shown = Table(title=title, box=None)
    shown.add_column("prover")
    for head in ("proofs", "mean price", "income", "missed", "slashed"):
        shown.add_column(head, justify="right")

    def both(pair: tuple[Any, Any]) -> str:
        return f"{pair[0]} → {pair[1]}"

    for row in rows:
        price, paid, slashed = ((table.tokens(a), table.tokens(b)) for a, b in (row.price, row.paid, row.slashed))
        shown.add_row(row.name, *map(both, (row.wins, price, paid, row.missed, slashed)))
    Console().print(shown)
