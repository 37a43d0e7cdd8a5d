"""What has to be measured in a fresh process; prints one JSON line. Called by `startup.py`.

child.py bind FILE              CPU seconds until the rule in FILE is ready to run, once engine and compiler are loaded
child.py memory PROVERS SEATS   bytes per prover
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

from benchmarks import ours
from benchmarks.workload import Workload, inputs
from proofyard.core.rule import load, with_params
from proofyard.engine.bind import bind


def _loaded_engine() -> None:
    """Run a minimal market, so that the engine is there and warm."""
    tiny = Workload("pool", 4, 2, 4)
    ours.Market(tiny, inputs(tiny)).run()


def _resident() -> int:
    """Bytes of memory this process has touched (elsewhere than on Linux: the most it ever had)."""
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure_bind(path: Path) -> dict[str, float]:
    """Load the rule at `path` and bind it; apart from that, load the compiler, which a process does once."""
    _loaded_engine()
    start = time.process_time()
    from proofyard.engine import translate  # noqa: PLC0415 - measured

    translate.make_ready()
    ready = time.process_time()
    rule = with_params(path.stem, load(path), {})
    bind(rule, rule.genesis(8, 8))
    return {"cpu": time.process_time() - ready, "compiler": ready - start}


def measure_memory(provers: int, seats: int) -> dict[str, float]:
    """Build a pool of `provers`, run 1000 jobs, and say what it took per prover."""
    _loaded_engine()
    work = Workload("pool", provers, seats, 1000)
    given = inputs(work)
    before = _resident()
    market = ours.Market(work, given)
    market.run()
    total, results = market.bytes_per_prover()
    return {"total": total, "results": results, "resident": (_resident() - before) / provers}


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    if task == "bind":
        print(json.dumps(measure_bind(Path(arguments[0]))))
    else:
        print(json.dumps(measure_memory(int(arguments[0]), int(arguments[1]))))
