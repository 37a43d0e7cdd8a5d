"""`proofyard trial`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from proofyard.cli.shared import Json, Settings, Whole, check_seeds, print_json

if TYPE_CHECKING:
    from proofyard.network.comparison import Line


def trial(
    scenario: Path,
    *,
    length: Annotated[str | None, Parameter(name="--for")] = None,
    out: Path | None = None,
    mechanism: Annotated[str | None, Parameter(name=["--mechanism", "-m"])] = None,
    settings: Settings = None,
    seeds: Whole = 100,
    port: Whole = 8700,
    backend: Literal["calibrated", "noir", "groth16"] = "calibrated",
    transfers: Whole = 16,
    chain: bool = True,
    profile: Path | None = None,
    replace: bool = False,
    keep: bool = False,
    json: Json = False,
) -> None:
    """Simulate a scenario, run it live, and say how far apart they were.

    Example: proofyard trial scenarios/payments-rollup.toml --for 1m

    With real proofs no prover is foreseen to be faster than this machine, as `proofyard bench` measured it; if it never
    did, a few proofs are made first.

    Four columns: what the simulator foresaw; what it says with the mean proving times that the live run measured; the
    journal replayed in the engine with its own random words and each proof's own time; and what happened. The first two
    are means over seeds, as a live run is one draw of many, all with the requests that do come: those of the scenario's
    own seed. The error is that of the first.

    Parameters
    ----------
    scenario
        TOML file that describes the experiment.
    length
        Ask for proofs for so long, instead of the scenario's horizon: 30s, 2m.
    out
        New folder for journal, logs, trial.json and trial.html; by default one below build/live.
    mechanism
        Another rule than the scenario's.
    settings
        key=value, put over the scenario's own; may be given several times.
    seeds
        Simulated runs to a column.
    port
        Of the market.
    backend
        noir proves; groth16 too, with the smallest proofs and keys that are INSECURE, up to 16 transfers; calibrated
        makes no proofs: it spends the time the scenario names and hands out stand-ins.
    transfers
        To a batch: 4, 16 or 64.
    chain
        Keep the money in contracts on a development chain; --no-chain: play money, nothing is settled.
    profile
        File that `proofyard bench` wrote; by default the last one of this machine, if there is one.
    replace
        Remove what an earlier run left in --out.
    keep
        Leave the explorer open at the end, until Ctrl-C.
    json
        Print the summary with prediction, reality and error as JSON.
    """
    import json as encoder

    from proofyard.cli.live import chosen, planned, run, settled
    from proofyard.core.errors import BadInput
    from proofyard.lab import metrics
    from proofyard.lab.runs import run_seeds
    from proofyard.network import comparison
    from proofyard.network.pace import with_measured

    check_seeds(seeds)
    wanted = chosen(scenario, length, mechanism, settings)
    plan = planned(wanted, out, port, backend, transfers, chain, replace)
    if backend != "calibrated":
        wanted = _paced(wanted, backend, transfers, profile, quiet=json)
    elif profile is not None:
        raise BadInput("--profile", "a backend that proves, --backend noir", backend)
    prediction = metrics.summary(run_seeds(wanted, seeds, quiet=json, same_requests=True))
    outcome, reality = run(plan._replace(scenario=wanted), quiet=json)
    known = with_measured(wanted, outcome.proving_ms)
    measured = metrics.summary(run_seeds(known, seeds, quiet=json, same_requests=True))
    summaries = comparison.Summaries(prediction, measured, _replayed(outcome.journal), reality)
    lines = comparison.compare(summaries)
    verdict = comparison.in_words(lines)
    error = {line.figure: line.error for line in lines}
    told = {**reality, **summaries._asdict(), "error": error, "verdict": verdict}
    folder = outcome.journal.parent
    (folder / "trial.json").write_text(encoder.dumps(told, indent=2, ensure_ascii=False), encoding="utf-8")
    (folder / "trial.html").write_text(_page(told, lines, verdict), encoding="utf-8")
    if json:
        print_json(told)
        return
    _print(lines, verdict, backend)
    print("\n".join(settled(reality)))
    print(f"report: {folder / 'trial.html'}\njournal: {outcome.journal}\npages: proofyard explore {folder}", flush=True)
    if keep:
        from proofyard.cli.explore import explore

        explore(str(folder), port=port)


def _replayed(journal: Path) -> dict[str, Any]:
    """Put a journal's requests, words and proving times through the rule again, in the engine's terms."""
    from proofyard.lab import metrics
    from proofyard.network import counterfactual
    from proofyard.network.journal import connect
    from proofyard.network.story import read_story

    opened = connect(str(journal))
    try:
        story = read_story(opened.rows())
    finally:
        opened.close()
    return metrics.summary([counterfactual.measured(story, counterfactual.replay(story, story.market.rule.call))])


def _paced(scenario: Any, backend: str, transfers: int, profile: Path | None, *, quiet: bool) -> Any:
    """Let no prover of the scenario be faster than this machine."""
    from proofyard.cli.live import tell
    from proofyard.network.pace import paced

    took, by = _speed(backend, transfers, profile, quiet=quiet)
    tell(f"a proof of a batch of {transfers} takes {took / 1_000:.1f} s here, by {by}", quiet=quiet)
    return paced(scenario, took)


def _speed(backend: str, transfers: int, profile: Path | None, *, quiet: bool) -> tuple[int, str]:
    """Find or measure how long a proof takes here, ms; say which."""
    from proofyard.cli.live import tell
    from proofyard.network.pace import PROOFS, measured_ms, profile_for
    from proofyard.network.server import backend_of

    found = profile_for(backend, profile)
    if found is not None:
        return round(found[0].leaf_ms(transfers)), f"the profile {found[1]}"
    tell(f"no profile of this machine from `proofyard bench`: measuring {PROOFS} proofs", quiet=quiet)
    proving = backend_of(backend, lambda line: tell(line, quiet=quiet), size=transfers)
    try:
        return measured_ms(proving, transfers), "what was measured just now"
    finally:
        proving.close()


def _cell(value: float | None, unit: str) -> str:
    """Write a figure for people."""
    from proofyard.lab import table

    if value is None:
        return "–"
    if unit == "ms":
        return table.duration(value)
    if unit == "gwei":
        return f"{table.tokens(value)} tokens"
    return f"{value:.3g}" if value % 1 else f"{value:.0f}"


def _cells(line: "Line") -> list[str]:
    values = [_cell(value, line.unit) for value in line.values]
    return [line.name, *values, "–" if line.error is None else f"{line.error:+.0%}"]


HEAD = ("figure", "foreseen", "with measured times", "journal replayed", "happened", "error")


def _print(lines: "list[Line]", verdict: str, backend: str) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None)
    for k, head in enumerate(HEAD):
        shown.add_column(head, justify="right" if k else "left")
    for line in lines:
        shown.add_row(*_cells(line), style="" if line.close[0] else "bold")
    console = Console()
    console.print(shown)
    console.print(verdict, highlight=False)
    if backend == "calibrated":
        console.print("No proof was made: stand-ins took the time the scenario names.", highlight=False)


def _page(told: dict[str, Any], lines: "list[Line]", verdict: str) -> str:
    """Write one page that needs no network."""
    from html import escape

    from proofyard.cli.live import settled

    rows = ""
    for line in lines:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in _cells(line))
        rows += f"<tr{'' if line.close[0] else ' class=far'}>{cells}</tr>"
    heads = "".join(f"<th>{head}</th>" for head in HEAD)
    title = escape(f"{told['scenario']}: prediction and reality")
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8>"
        f"<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{title}</title><style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui;margin:2em auto;"
        f"max-width:60em;padding:0 1em}}table{{border-collapse:collapse;width:100%}}td,th{{text-align:right;"
        f"padding:.3em .6em;border-bottom:1px solid #8884;white-space:nowrap}}"
        f"th{{white-space:normal;vertical-align:bottom}}"
        f"td:first-child,th:first-child{{text-align:left;position:sticky;left:0;background:Canvas;white-space:normal}}"
        f".far{{font-weight:bold}}.wide{{overflow-x:auto}}code,p{{overflow-wrap:anywhere}}</style>"
        f"<h1>{title}</h1><p>under <code>{escape(told['mechanism'])}</code></p><p>{escape(verdict)}</p>"
        f"<div class=wide><table><tr>{heads}</tr>{rows}</table></div>"
        f"<p>{'<br>'.join(escape(line) for line in settled(told))}</p>"
        f"<p>Foreseen are means over {len(told['prediction']['seeds'])} simulated runs with the requests that were "
        f"sent here, at the same moments; lots, proving times and whims are drawn anew in each.</p>"
        f"<p>Bold: foreseen further off than 15 % and more than rounding. Backend: {escape(str(told['backend']))}.</p>"
        f"</html>\n"
    )
