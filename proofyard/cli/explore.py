"""`proofyard explore`."""

from pathlib import Path
from typing import Any, cast

from proofyard.cli.shared import Json, Whole

JOURNAL = "market.db"  # in the folder of a live run


def explore(
    source: str,
    *,
    scenario: Path | None = None,
    prediction: Path | None = None,
    reports: list[Path] | None = None,
    port: Whole = 0,
    host: str = "127.0.0.1",
    browser: bool = True,
    json: Json = False,
) -> None:
    """Open a trace or a journal in the browser, at any moment of its life.

    Example: proofyard explore build/race.trace --reports build/race

    The folder of a live run or a trial brings its scenario, its prediction and its report along.

    Parameters
    ----------
    source
        A trace of `simulate --trace`, or a journal: a file, postgresql://…, or the folder of a live run.
    scenario
        The scenario of a journal: its costs, and what to predict from; TOML, or the scenario.json of a live run.
    prediction
        A summary.json of the simulator or a trial.json, to set beside what happened.
    reports
        Folders with pages of the simulator.
    port
        Port on this machine; 0 takes a free one.
    host
        Address to listen on; whoever can reach it can read.
    browser
        Open the browser, if there is one.
    json
        Print what is served as JSON, once it is.
    """
    from proofyard.cli.shared import print_json
    from proofyard.explorer.app import Explorer
    from proofyard.explorer.serve import bound, serve
    from proofyard.explorer.source import open_source, scenario_from

    folder = Path(source)
    if folder.is_dir():
        source = str(folder / JOURNAL)
        scenario = scenario or _there(folder / "scenario.json")
        prediction = prediction or _there(folder / "trial.json")
        reports = [folder, *(reports or [])]
    opened = open_source(source, scenario_from(scenario))
    explorer = Explorer(lambda: opened, _summary(prediction), reports or ())
    listening = bound(port, host)
    url = f"http://{host}:{listening.getsockname()[1]}/"

    def ready() -> None:
        if json:
            print_json({"url": url, "rows": len(explorer.replay), "rule": opened.rule.text})
        else:
            print(f"{opened.title} under {opened.rule.text}, {len(explorer.replay):,} rows: {url}\nCtrl-C ends it.")
        import sys

        sys.stdout.flush()
        if browser and not json:
            import webbrowser

            webbrowser.open(url)

    serve(explorer, listening, ready)


def _there(path: Path) -> Path | None:
    """Return a file, if there is one."""
    return path if path.is_file() else None


def _summary(path: Path | None) -> "dict[str, object] | None":
    """Read what was predicted. Raises BadInput."""
    if path is None:
        return None
    import json

    from proofyard.core.errors import BadInput

    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput("--prediction", "a summary.json", f"{path} ({error})") from None
    if isinstance(found, dict) and "prediction" in found:  # of a trial
        found = cast("Any", found["prediction"])
    if not isinstance(found, dict) or "provers" not in found or "seeds" not in found:
        raise BadInput("--prediction", "a summary.json of one rule", f"{path}, which is something else")
    return cast("dict[str, object]", found)
