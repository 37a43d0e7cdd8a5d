"""The command `proofyard`: each verb is a few lines that read the input, call the library and print.

Exit codes: 0 done, 1 the run failed, 2 bad input. What a verb needs is imported inside it, so that `--help` is quick.
"""

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

gc.set_threshold(100_000)  # before the imports: a tenth of the time to the first line goes into looking for garbage

from cyclopts import App, Parameter  # noqa: E402

from proofyard import __version__  # noqa: E402

if TYPE_CHECKING:
    from proofyard.engine.result import Run
    from proofyard.scenario import Scenario

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

app = App(
    name="proofyard",
    help="Design, attack and run markets for zero-knowledge proofs.",
    help_format="rich",
    version=__version__,
    version_flags=["--version"],
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)

Settings = Annotated[list[str] | None, Parameter(name="--set", negative="", consume_multiple=False)]
Mechanisms = Annotated[list[str] | None, Parameter(name=["--mechanism", "-m"], negative="", consume_multiple=False)]
Json = Annotated[bool, Parameter(name="--json", negative="")]


def _changes(settings: list[str] | None) -> dict[str, str]:
    """Split `--set key=value` options."""
    from proofyard.core.errors import BadInput

    changes: dict[str, str] = {}
    for text in settings or []:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise BadInput("--set", "key=value, e.g. workload.every=6s", repr(text))
        changes[key.strip()] = value.strip()
    return changes


def _runs(scenario: "Scenario", seeds: int, *, quiet: bool, traced: bool = False) -> "list[Run]":
    """Run `seeds` seeds of a scenario with a progress line."""
    from proofyard.lab.runs import run_seeds

    return run_seeds(scenario, seeds, quiet=quiet, traced=traced)


def _check_place(out: Path) -> None:
    """Refuse an --out folder that is somebody else's before the run, not after it."""
    from proofyard.lab import output

    output.check_place(out)


@app.command
def simulate(
    scenario: Path,
    *,
    out: Path | None = None,
    trace: Path | None = None,
    mechanism: Annotated[str | None, Parameter(name=["--mechanism", "-m"])] = None,
    settings: Settings = None,
    seeds: int = 1,
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
    _start_quickly()
    from proofyard import scenario as scenarios
    from proofyard.core.errors import BadInput
    from proofyard.lab import metrics

    if seeds < 1:
        raise BadInput("--seeds", "a whole number from 1", seeds)
    chosen = scenarios.read(scenario, _changes(settings), mechanism)
    if out is not None:
        _check_place(out)
    runs = _runs(chosen, seeds, quiet=json, traced=trace is not None)
    summary = metrics.summary(runs)
    if out is not None:
        from proofyard.lab import output

        output.write(out, runs, summary, claim=chosen.claim)
    if trace is not None:
        from proofyard.lab.runs import write_trace

        write_trace(trace, chosen, runs[0])
    if json:
        _print_json(summary)
        return
    from proofyard.lab import table

    table.print_result(summary)
    if out is not None:
        print(f"report: {out / 'report.html'}")


@app.command
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

    world = scenarios.read_variants(scenario, _changes(settings), mechanisms)
    if out is not None:
        _check_place(out)
    summaries = [metrics.summary(_runs(chosen, seeds, quiet=json)) | {"variant": name} for name, chosen in world]
    if out is not None:
        from proofyard.lab import output

        output.write_comparison(out, summaries, claim=world[0][1].claim)
    if json:
        _print_json(summaries)
        return
    from proofyard.lab import table

    table.print_comparison(summaries)
    if out is not None:
        print(f"report: {out / 'report.html'}")


@app.command
def check(path: str, *, seed: int = 0, quick: bool = False, json: Json = False) -> None:
    """Run the conformance suite on a rule: a file of your own, or a name from the catalogue.

    Example: proofyard check my_rule.py

    Parameters
    ----------
    path
        Rule file, or name with parameters.
    seed
        Of the fuzzing.
    quick
        A tenth of the traces.
    json
        Print the report as JSON.
    """
    from proofyard import conformance, mechanisms

    report = conformance.run(mechanisms.rule(path, "PATH"), seed=seed, quick=quick)
    if json:
        _print_json(report.as_dict())
    else:
        print(report.text())
    if not report.ok:
        raise SystemExit(FAILED)


@app.command(name="mechanisms")
def list_mechanisms(action: str = "list", name: str = "", *, json: Json = False) -> None:
    """List the catalogue, or show one rule: its source, parameters and life cycle.

    Example: proofyard mechanisms show staked_pool

    Parameters
    ----------
    action
        list or show.
    name
        With show: the rule's name, or a rule file.
    json
        Print as JSON.
    """
    from proofyard.core.errors import BadInput
    from proofyard.lab import catalogue

    if action not in {"list", "show"}:
        raise BadInput("mechanisms", "list or show NAME", action)
    if action == "show" and not name:
        raise BadInput("mechanisms show", "the name of a rule", "none")
    entries = catalogue.entries() if action == "list" else [catalogue.entry(name)]
    if json:
        _print_json([entry.as_dict() for entry in entries])
    elif action == "list":
        catalogue.show_list(entries)
    else:
        catalogue.show(entries[0])


@app.command
def new(name: str, *, folder: Path = Path()) -> None:
    """Write a rule of your own to start from: the rule, a scenario for it and a test.

    Example: proofyard new my_rule

    Parameters
    ----------
    name
        Of the rule: lower-case letters, digits and _.
    folder
        Where to write.
    """
    from proofyard.lab import skeleton

    for path in skeleton.write(name, folder):
        print(f"wrote {path}")


def _print_json(value: Any) -> None:
    """Print `value` for machines."""
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False))


def _start_quickly() -> None:
    """Keep Numba from importing, on the way, packages this program never uses.

    Where SciPy and coverage are installed, Numba loads SciPy's linear algebra for products of matrices and coverage for
    its own tests: together a third of the time to the first result. Only the command does this, not the library.
    """
    unused = [name for name in ("scipy.linalg.cython_blas", "coverage") if name not in sys.modules]
    for name in unused:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType] - the way to say: not to be found
    try:
        import numba.np.arraymath  # pyright: ignore[reportUnusedImport] # noqa: F401
    finally:
        for name in unused:
            del sys.modules[name]


def main() -> None:
    """Run the command line; every expected failure is one sentence and an exit code."""
    from cyclopts import CycloptsError

    try:
        app(print_error=False, exit_on_error=False)
    except CycloptsError as error:
        _fail(f"{error}".strip().splitlines()[-1], BAD_INPUT)
    except KeyboardInterrupt:
        _fail("interrupted; nothing was written.", INTERRUPTED)
    except Exception as error:
        from proofyard.core.errors import BadInput, Fault

        if isinstance(error, BadInput):
            _fail(str(error), BAD_INPUT)
        if isinstance(error, Fault | OSError):
            _fail(str(error), FAILED)
        raise


def _fail(sentence: str, code: int) -> None:
    """Print one sentence and leave."""
    print(f"proofyard: {sentence}", file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
