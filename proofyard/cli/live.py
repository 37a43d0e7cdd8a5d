"""`proofyard live`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from proofyard.cli.shared import Json, Settings, Whole, changes, print_json

if TYPE_CHECKING:
    from proofyard.network.live import Plan


def live(
    scenario: Path,
    *,
    length: Annotated[str | None, Parameter(name="--for")] = None,
    out: Path | None = None,
    mechanism: Annotated[str | None, Parameter(name=["--mechanism", "-m"])] = None,
    settings: Settings = None,
    port: Whole = 8700,
    backend: Literal["calibrated", "noir", "groth16"] = "calibrated",
    transfers: Whole = 16,
    chain: bool = True,
    replace: bool = False,
    json: Json = False,
) -> None:
    """Run a scenario as a live market on this machine: messages, processes and contracts, real proofs if wanted.

    Example: proofyard live scenarios/payments-rollup.toml --for 2m

    A development chain with the contracts, a process for the coordinator and one for each prover; the rollup asks for
    proofs as the scenario says. Money is in the contracts; each proof is verified there and paid. The rule is the very
    one the simulator runs, and the result has the same figures.

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
        noir proves; groth16 too, with the smallest proofs and keys that are INSECURE, up to 16 transfers; calibrated
        makes no proofs: it spends the time the scenario names and hands out stand-ins.
    transfers
        To a batch: 4, 16 or 64.
    chain
        Keep the money in contracts on a development chain; --no-chain: play money, nothing is settled.
    replace
        Remove what an earlier run left in --out.
    json
        Print the summary as JSON.
    """
    wanted = chosen(scenario, length, mechanism, settings)
    outcome, summary = run(planned(wanted, out, port, backend, transfers, chain, replace), quiet=json)
    if json:
        print_json(summary)
        return
    from proofyard.lab import table

    table.print_result(summary)
    print("\n".join(settled(summary)))
    print(f"journal: {outcome.journal}")


def chosen(path: Path, length: str | None, mechanism: str | None, settings: list[str] | None) -> Any:
    """Read a scenario for a run of some length."""
    from proofyard import scenario as scenarios

    values = changes(settings)
    if length is not None:
        values["horizon"] = length
    return scenarios.read(path, values, mechanism)


def planned(
    scenario: Any,
    out: Path | None,
    port: int,
    backend: str,
    transfers: int,
    chain: bool,
    replace: bool,
) -> "Plan":
    """Say where and how to run live; the rest as in `proofyard live --help`. Raises BadInput."""
    import time

    from proofyard.core.errors import BadInput
    from proofyard.network.live import Plan, check

    if replace and out is None:
        raise BadInput("--replace", "--out with the folder to replace", "none")
    folder = out or Path("build/live") / f"{scenario.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    plan = Plan(scenario, folder, port, backend, transfers, chain, replace)
    check(plan)
    return plan


def run(plan: "Plan", *, quiet: bool) -> tuple[Any, dict[str, Any]]:
    """Run a scenario live; return the outcome and its summary. Raises Fault if what is left does not hold."""
    import json
    import time

    from proofyard.core.errors import Fault
    from proofyard.lab import metrics
    from proofyard.network.live import run_live
    from proofyard.network.recorded import skips_of

    folder, began = plan.folder, time.monotonic()
    try:
        outcome = run_live(plan, lambda line: tell(line, quiet=quiet))
    except KeyboardInterrupt:
        where = f"what happened so far is in {folder}" if folder.exists() else "nothing was written"
        raise KeyboardInterrupt(f"interrupted; {where}.") from None
    summary = metrics.summary([outcome.run])
    live = {"proving_ms": outcome.proving_ms, "busy_ms": outcome.busy_ms, "skips": skips_of(outcome.journal)}
    summary |= {"backend": plan.backend, "seconds": round(time.monotonic() - began, 1), "live": live}
    told, report = outcome.settlement, outcome.audit
    settlements = {"transactions": told.get("batches", 0), "gas": told.get("gas", 0), "chain": report.chain}
    failure = report.first_failure
    checked = {"ok": report.ok, "failure": failure._asdict() if failure else None, "events": report.events,
               "signatures": report.signatures, "words": report.words, "proofs": report.proofs}  # fmt: skip
    summary |= {"settlements": settlements, "audit": checked}
    (folder / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False), encoding="utf-8")
    if failure is not None:
        raise Fault(f"{outcome.journal}: row {failure.seq} does not hold: {failure.why}.")
    return outcome, summary


def tell(line: str, *, quiet: bool) -> None:
    """Say how far it is."""
    import sys

    if not quiet:
        print(line, file=sys.stderr, flush=True)


def settled(summary: dict[str, Any]) -> list[str]:
    """Say in words what the chain and the audit had to say."""
    chain, checked = summary["settlements"]["chain"], summary["audit"]
    lines: list[str] = []
    if chain is not None:
        batches, gas = summary["settlements"]["transactions"], summary["settlements"]["gas"]
        lines.append(
            f"on the chain: {chain['payments']} proofs verified by the contract and settled in {batches} batches "
            f"({gas / max(1, batches):,.0f} gas each), {chain['deposits']} deposits; the rollup's root moved on by "
            f"{chain['roots']} of them"
        )
    with_chain = "" if chain is None else f", every deposit, batch and {chain['blocks']} block hashes against the chain"
    lines.append(
        f"audit: holds; {checked['events']} events, {checked['signatures']} signatures, {checked['words']} words, "
        f"{checked['proofs']} proofs computed again{with_chain}"
    )
    return lines
