"""`proofyard prove`."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from proofyard.cli.shared import Json, Whole, check_seed, print_json, start_quickly

if TYPE_CHECKING:
    from proofyard.proofs.parallel import Progress
    from proofyard.proofs.session import Session


def prove(
    *,
    batches: Whole = 1,
    size: Literal[4, 16, 64] = 16,
    out: Path | None = None,
    srs: Literal["auto", "ceremony", "development"] = "auto",
    payout: str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    seed: Whole = 1,
    workers: Whole = 0,
    ray: str | None = None,
    backend: Literal["noir", "groth16", "calibrated"] = "noir",
    json: Json = False,
) -> None:
    """Prove batches of a payments rollup side by side, join them into one proof and verify it.

    Example: proofyard prove --batches 4 --size 16 --out build/proof

    An interrupted job goes on where it was when the same command is given again.

    Parameters
    ----------
    batches
        How many, of SIZE transfers each; at most 4,096.
    size
        Transfers that the leaf circuit has room for.
    out
        Folder for proof.json, proof.bin, public_inputs.bin, Verifier.sol, summary.json and report.html.
    srs
        Reference string: ceremony insists on the real one, development makes an INSECURE one, auto does what it can.
    payout
        Address that the proof pays: a copy under another address is no proof.
    seed
        Of the load that fills the batches.
    workers
        Proofs at once; 0 for one a core, as far as memory goes.
    ray
        Prove on this Ray cluster: an address, or "local" for one on this machine.
    backend
        groth16 proves one batch of up to 16 with circom and snarkjs (INSECURE set-up, no joins);
        calibrated makes no proofs: it spends the measured time and hands out stand-ins, for load tests.
    json
        Print the summary as JSON.
    """
    start_quickly()
    from proofyard.proofs import session

    check_seed(seed)
    if out is not None:
        _check_place(out)
    wanted = session.Wanted(batches, size, session.address(payout), seed, workers, backend, srs, ray)
    with _told(quiet=json) as watch:
        done = session.run(wanted, tell=_tell, watch=watch, contract=out is not None)
    warning = session.warning(done.result.proof)
    if out is not None:
        _write(out, done, warning)
    if json:
        from proofyard.proofs.parallel import summary

        print_json(summary(done.result, batches))
        return
    from proofyard.lab import times

    times.print_result(done.result, batches)
    if out is not None:
        print(f"report: {out / 'report.html'}")
    if warning:
        print(warning)


FILES = ("proof.json", "proof.bin", "public_inputs.bin", "Verifier.sol", "summary.json", "report.html")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _check_place(out: Path) -> None:
    """Refuse a folder with somebody else's files before the work, not after it."""
    from proofyard.core.errors import BadInput

    if out.exists() and not out.is_dir():
        raise BadInput("--out", "a folder", f"the file {out}")
    foreign = sorted({path.name for path in out.iterdir()} - set(FILES)) if out.is_dir() else []
    if foreign:
        raise BadInput("--out", "a new folder or one of an earlier `prove`", f"{out}, which holds {foreign[0]}")


def _write(out: Path, done: "Session", warning: str) -> None:
    """Write all files of a proven job."""
    import json

    from proofyard.lab import schedule
    from proofyard.proofs.parallel import summary

    result, batches = done.result, len(done.batches)
    out.mkdir(parents=True, exist_ok=True)
    (out / "proof.json").write_text(result.proof.to_json(), encoding="utf-8")
    (out / "proof.bin").write_bytes(result.proof.data)
    (out / "public_inputs.bin").write_bytes(result.proof.statement.to_bytes())
    (out / "Verifier.sol").unlink(missing_ok=True)
    if done.contract:
        (out / "Verifier.sol").write_text(done.contract, encoding="utf-8")
    (out / "summary.json").write_text(json.dumps(summary(result, batches), indent=2), encoding="utf-8")
    transfers = sum(len(batch.steps) for batch in done.batches)
    title = f"{batches} batch{'es' * (batches > 1)}, {transfers} transfers, one proof"
    (out / "report.html").write_text(schedule.page(result, batches, title, warning), encoding="utf-8")


@contextmanager
def _told(*, quiet: bool) -> "Generator[Any]":
    """Show how far the job is: a bar on a terminal, a line now and then elsewhere."""
    if quiet or not sys.stderr.isatty():

        def say(progress: "Progress") -> None:
            if not quiet:
                _tell(_line(progress))

        yield say
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    with Bar(TextColumn("{task.description}"), BarColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("proving", total=None)

        def watch(progress: "Progress") -> None:
            bar.update(task, description=_line(progress), completed=progress.done, total=progress.parts)

        yield watch


def _line(progress: "Progress") -> str:
    left = f"about {progress.left_ms / 1000:.0f} s left"
    return f"{progress.done} of {progress.parts} parts proven, {progress.running} at work, {left}"
