"""`proofyard live`."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from proofyard.cli.shared import Json, Settings, changes, print_json


def live(
    scenario: Path,
    *,
    length: Annotated[str | None, Parameter(name="--for")] = None,
    out: Path | None = None,
    mechanism: Annotated[str | None, Parameter(name=["--mechanism", "-m"])] = None,
    settings: Settings = None,
    port: int = 8700,
    backend: Literal["calibrated", "noir"] = "calibrated",
    transfers: int = 16,
    json: Json = False,
) -> None:
    """Run a scenario as a live market on this machine, with real messages and proofs.

    Example: proofyard live scenarios/payments-rollup.toml --for 2m

    A process for the coordinator and one for each prover; the rollup asks for proofs as the scenario says. The rule is
    the very one the simulator runs, and the result has the same figures.

    Parameters
    ----------
    scenario
        TOML file that describes the experiment.
    length
        Ask for proofs for so long, instead of the scenario's horizon: 30s, 2m.
    out
        New folder for journal, logs, configurations and summary.json; by default one below build/live.
    mechanism
        Another rule than the scenario's.
    settings
        key=value, put over the scenario's own; may be given several times.
    port
        Of the market.
    backend
        noir proves; calibrated makes no proofs: it spends the time the scenario names and hands out stand-ins.
    transfers
        To a batch: 4, 16 or 64.
    json
        Print the summary as JSON.
    """
    outcome, summary = run(scenario, length, out, mechanism, settings, port, backend, transfers, quiet=json)
    if json:
        print_json(summary)
        return
    from proofyard.lab import table

    table.print_result(summary)
    print(f"journal: {outcome.journal}")


def chosen(path: Path, length: str | None, mechanism: str | None, settings: list[str] | None) -> Any:
    """Read a scenario for a run of some length."""
    from proofyard import scenario as scenarios

    values = changes(settings)
    if length is not None:
        values["horizon"] = length
    return scenarios.read(path, values, mechanism)


def run(
    path: Path, length: str | None, out: Path | None, mechanism: str | None, settings: list[str] | None, port: int,
    backend: str, transfers: int, *, quiet: bool,
) -> tuple[Any, dict[str, Any]]:  # fmt: skip
    """Run a scenario live; return the outcome and its summary."""
    import json
    import sys
    import time

    from proofyard.lab import metrics
    from proofyard.network.live import Plan, run_live, skips_of

    scenario = chosen(path, length, mechanism, settings)
    folder = out or Path("build/live") / f"{scenario.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    began = time.monotonic()

    def tell(line: str) -> None:
        if not quiet:
            print(line, file=sys.stderr, flush=True)

    outcome = run_live(Plan(scenario, folder, port, backend, transfers), tell)
    summary = metrics.summary([outcome.run])
    live = {"proving_ms": outcome.proving_ms, "busy_ms": outcome.busy_ms, "skips": skips_of(outcome.journal)}
    summary |= {"backend": backend, "seconds": round(time.monotonic() - began, 1), "live": live}
    summary |= {"settlements": {"transactions": 0, "gas": 0}}
    (folder / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False), encoding="utf-8")
    return outcome, summary
