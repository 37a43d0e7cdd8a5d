"""The reference programs (C, SimPy, Mesa), where their folder is present; the project contains none of them."""

import importlib
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.workload import REWARD, ROOT, SCRATCH, SLASH_MIN, SLASH_PPM, WINDOW, Inputs, Outcome, Workload


def folder() -> Path | None:
    """Where they are: `PROOFYARD_REFERENCE`, else `../shared/bench` beside the repository; None if nowhere."""
    place = Path(os.environ.get("PROOFYARD_REFERENCE") or ROOT.parent / "shared" / "bench")
    return place if (place / "csrc" / "market.c").is_file() else None


class Program:
    """One reference program: `c_ctypes`, `simpy_impl` or `mesa_impl`, with the arguments of its `run`."""

    def __init__(self, place: Path, module: str, **arguments: str) -> None:
        SCRATCH.mkdir(parents=True, exist_ok=True)
        os.environ["SIMPEERS"] = str(SCRATCH)  # where it keeps what it compiles
        for path in (str(place / "impl"), str(place)):
            if path not in sys.path:
                sys.path.insert(0, path)
        without, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # the folder is not ours to write in
        try:
            self._run: Any = importlib.import_module(module).run
        finally:
            sys.dont_write_bytecode = without
        self._arguments = arguments

    def run(self, work: Workload, given: Inputs) -> Outcome:
        """Run it; the building of its provers is not counted."""
        options = SimpleNamespace(
            workload=work.kind,
            N=work.provers,
            K=work.seats or work.provers,
            J=work.jobs,
            seed=work.seed,
            window=WINDOW,
            k_ppm=SLASH_PPM,
            min_slash=SLASH_MIN,
            reward=REWARD,
        )
        market = SimpleNamespace(**given._asdict(), cost=given.mean)
        money, wins, missed, extra = self._run(options, market, **self._arguments)
        return Outcome(np.array(money), np.array(wins), np.array(missed), float(extra["cpu_s"]))


def programs() -> dict[str, Program]:
    """Those that can run here, by name."""
    place = folder()
    if place is None:
        return {}
    compiler = {"C": Program(place, "c_ctypes")} if shutil.which("gcc") else {}
    return compiler | {
        "SimPy": Program(place, "simpy_impl", style="idiom"),
        "Mesa": Program(place, "mesa_impl", style="devs"),
    }
