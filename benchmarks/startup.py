"""What a user waits for besides the loop: a new rule, the first compile, the start of a command; and memory."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.workload import ROOT, RULES
from proofyard.mechanisms import NAMES

CHILD = Path(__file__).resolve().parent / "child.py"
PROOFYARD = Path(sys.executable).with_name("proofyard")
COMPILER = "loading Numba, before the first"
MINIMAL = ROOT / "scenarios" / "minimal.toml"


@dataclass(frozen=True)
class Timing:
    """A process that ended: seconds on the clock and of CPU, its children included."""

    wall: float
    cpu: float
    output: str


def timed(command: list[str], **environment: str) -> Timing:
    """Run `command` and wait for it. Raises RuntimeError with its last words when it fails."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=os.environ | environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
        output.seek(0)
        text = output.read().strip()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {text.splitlines()[-1] if text else process.returncode}")
    return Timing(wall, usage.ru_utime + usage.ru_stime, text)


def _child(*arguments: str) -> dict[str, Any]:
    return json.loads(timed([sys.executable, str(CHILD), *arguments]).output.splitlines()[-1])


def rule_files() -> dict[str, Path]:
    """Every shipped mechanism and the two workloads, by name."""
    specs = {name: find_spec(f"proofyard.mechanisms.{name}") for name in NAMES}
    shipped = {name: Path(spec.origin) for name, spec in specs.items() if spec is not None and spec.origin is not None}
    return {"benchmark pool": RULES / "pool.py", "benchmark race": RULES / "first.py"} | shipped


def bind_times(repeats: int, only: list[str] | None = None) -> dict[str, float]:
    """CPU seconds until a rule file nobody has seen is ready to run, the engine being cached; median, by rule.

    Under COMPILER what loading the compiler takes, once in a process that has something to compile.
    """
    files = rule_files()
    times: dict[str, float] = {}
    loading: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        _child("bind", str(RULES / "pool.py"))  # fills the cache of the engine
        for name in only or files:
            source = files[name]
            taken: list[float] = []
            for _ in range(repeats):
                fresh = Path(folder) / uuid.uuid4().hex / source.name
                fresh.parent.mkdir()
                fresh.write_text(f"{source.read_text(encoding='utf-8')}\n# {fresh.parent.name}\n", encoding="utf-8")
                told = _child("bind", str(fresh))
                taken.append(told["cpu"])
                loading.append(told["compiler"])
            times[name] = median(taken)
    return times | {COMPILER: median(loading)}


def cold_compile() -> Timing:
    """Run the smallest scenario with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        return _simulate(folder, PROOFYARD_CACHE=str(Path(folder) / "cache"))


def warm_starts(repeats: int) -> dict[str, Timing]:
    """Start the smallest scenario, and the help, with everything cached; medians."""
    help_command = [str(PROOFYARD), "--help"]
    with tempfile.TemporaryDirectory() as folder:
        _simulate(folder)
        timed(help_command)
        runs = [(_simulate(folder), timed(help_command)) for _ in range(repeats)]
    names = "proofyard simulate scenarios/minimal.toml", "proofyard --help"
    return {
        name: Timing(median(one.wall for one in each), median(one.cpu for one in each), "")
        for name, each in zip(names, zip(*runs, strict=True), strict=True)
    }


def _simulate(folder: str, **environment: str) -> Timing:
    out = Path(folder) / "out"
    shutil.rmtree(out, ignore_errors=True)
    return timed([str(PROOFYARD), "simulate", str(MINIMAL)], **environment)


def memory(provers: int) -> dict[str, dict[str, float]]:
    """Bytes per prover: of state and world, of these the columns of the result, and as the system counts."""
    return {
        f"pool of {provers:,}, {f'top {seats}' if seats else 'all'}": _child("memory", str(provers), str(seats))
        for seats in (32, 0)
    }
