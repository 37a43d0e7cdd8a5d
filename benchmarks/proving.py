"""What Proofyard adds to proving: against the bare programs on one input, side by side, and the share of witnesses.

`python benchmarks/proving.py` prints the ratios; runs alternate, so that other load of the machine falls on both. Times
are the least of all runs. The tools are installed on first use, as by `proofyard prove`.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from proofyard.proofs import process
from proofyard.proofs.backend import Job
from proofyard.proofs.inputs import leaf_inputs
from proofyard.proofs.noir import Noir
from proofyard.proofs.session import make_batches
from proofyard.proofs.statement import state_of
from proofyard.proofs.toolchain import FLAGS, LIMIT_S, TARGETS, Toolchain, set_up

SIZE, PAYOUT, THREADS = 16, 1, 1
BARS = {
    "the command, CPU against the bare programs": 1.05,
    "the backend, CPU against the bare programs": 1.05,
    "two leaves side by side": 1.15,
    "witness against proving": 0.25,
}
WITNESS = """
import { Noir } from "@noir-lang/noir_js"; import { readFileSync, writeFileSync } from "node:fs";
const [program, inputs, out] = process.argv.slice(2);
const { witness } = await new Noir(JSON.parse(readFileSync(program))).execute(JSON.parse(readFileSync(inputs)));
writeFileSync(out, witness);
"""


def say(line: str) -> None:
    """Print a progress line."""
    print(line, file=sys.stderr, flush=True)


def cpu_s() -> float:
    """CPU time of this process and of all its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def bare(
    tools: Toolchain, noir: Noir, job: Job, folder: Path, threads: int = THREADS, flags: tuple[str, ...] = ()
) -> float:
    """Run node (with these flags) and bb on the input, nothing else; return CPU seconds."""
    circuit = noir.circuit(SIZE, "evm")
    inputs = leaf_inputs(job.batch, state_of(job.batch, PAYOUT, 0), SIZE)
    (folder / "inputs.json").write_text(json.dumps(inputs))
    (folder / "witness.mjs").write_text(WITNESS)
    modules = folder / "node_modules"
    if not modules.is_symlink():
        modules.symlink_to(tools.modules)
    before = cpu_s()
    witness = [tools.node, *flags, folder / "witness.mjs", circuit.program, folder / "inputs.json", folder / "w.gz"]
    code, said, _ = process.run(witness, {}, limit_s=LIMIT_S)
    command = ("prove", "-b", circuit.program, "-w", folder / "w.gz", "-k", circuit.key, "-o", folder, "-t")
    failed, _, _ = tools.run_bb(*command, TARGETS["evm"], threads=threads)
    if code or failed:
        raise SystemExit(f"the bare programs failed: {said}")
    return cpu_s() - before


def command() -> float:
    """Run the whole command on the same input, start included; return CPU seconds."""
    before = cpu_s()
    program = [
        sys.executable,
        "-m",
        "proofyard.cli",
        "prove",
        "--size",
        f"{SIZE}",
        "--payout",
        f"0x{PAYOUT:040x}",
        "--json",
    ]
    code, said, _ = process.run(program, {"PYTHONDONTWRITEBYTECODE": ""}, limit_s=LIMIT_S)  # as on anybody's machine
    if code:
        raise SystemExit(f"proofyard prove failed: {said}")
    return cpu_s() - before


def ours(tools: Toolchain, job: Job) -> tuple[float, float, float]:
    """Prove with the backend, its programs started and ended; return CPU seconds, witness and proving seconds."""
    before = cpu_s()
    with Noir(tools, say, threads=THREADS) as noir:
        noir.prove(job)
        spent = noir.spent
    return cpu_s() - before, spent.witness_ms / 1000, spent.proving_ms / 1000


def proving_s(noir: Noir, job: Job) -> float:
    """Prove one leaf with one thread; return the seconds it took."""
    begin = time.perf_counter()
    noir.prove(job)
    return time.perf_counter() - begin


def measure(tools: Toolchain, runs: int) -> tuple[dict[str, float], dict[str, float]]:
    """Measure everything `runs` times in turn; return the ratios, and the times they are made of."""
    job, other = (Job(batch, SIZE, PAYOUT, last=True) for batch in make_batches(2, SIZE, seed=1))
    best: dict[str, float] = {}

    def keep(name: str, seconds: float) -> None:
        best[name] = min(best.get(name, seconds), seconds)

    with tempfile.TemporaryDirectory() as place, Noir(tools, say, threads=1) as one, Noir(tools, say, threads=1) as two:
        command()  # everything is warm
        one.prove(job)
        two.prove(other)
        for run in range(runs):
            say(f"run {run + 1} of {runs}")
            keep("bare, CPU s", bare(tools, one, job, Path(place)))
            keep("bare, all cores, CPU s", bare(tools, one, job, Path(place), 0))
            keep("bare, all cores, its flags, CPU s", bare(tools, one, job, Path(place), 0, FLAGS["witness.mjs"]))
            keep("proofyard prove, CPU s", command())
            cpu, witness, proving = ours(tools, job)
            keep("backend, verified, CPU s", cpu)
            keep("witness, s", witness)
            keep("proving, s", proving)
            keep("one leaf, s", proving_s(one, job))
            with ThreadPoolExecutor(2) as pool:
                keep("two leaves, s", max(pool.map(proving_s, (one, two), (job, other))))
    ratios = {
        "the command, CPU against the bare programs": best["proofyard prove, CPU s"] / best["bare, all cores, CPU s"],
        "the backend, CPU against the bare programs": best["backend, verified, CPU s"] / best["bare, CPU s"],
        "the command against bare programs with its flags": best["proofyard prove, CPU s"]
        / best["bare, all cores, its flags, CPU s"],
        "two leaves side by side": best["two leaves, s"] / best["one leaf, s"],
        "witness against proving": best["witness, s"] / best["proving, s"],
    }
    return ratios, best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what Proofyard adds to proving a batch of 16 transfers.")
    parser.add_argument("--runs", type=int, default=3, help="how often everything is measured, in turn")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures there too")
    options = parser.parse_args()
    ratios, best = measure(set_up("auto", say), options.runs)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("proving a batch of 16", "measured", "bar"):
        table.add_column(name, justify="left" if name.startswith("proving") else "right")
    for name, value in ratios.items():
        table.add_row(name, f"{value:.3f}", f"{BARS[name]:.2f}" if name in BARS else "")
    for name, value in best.items():
        table.add_row(f"  {name}", f"{value:.2f}", "")
    console = Console(highlight=False)
    console.print(table)
    for name, value in ratios.items():
        if value > BARS.get(name, value):
            console.print(f"[bold red]missed[/] {name}: {value:.3f}, bar {BARS[name]:.2f}")
    if options.json is not None:
        options.json.write_text(json.dumps({"ratios": ratios, "best": best}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
