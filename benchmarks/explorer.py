"""How fast the explorer's pages come for a long trace: `python benchmarks/explorer.py build/pool.trace`.

Prints the time to open it, and for each page the median and the slowest of several moments spread over the history.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from proofyard.explorer import pages, tables
from proofyard.explorer.app import Explorer
from proofyard.explorer.source import open_source
from proofyard.explorer.tables import Query
from proofyard.explorer.view import View

MOMENTS = 9


def timed(work: Callable[[], object]) -> float:
    """Return how long it took, ms."""
    begun = time.perf_counter()
    work()
    return 1_000 * (time.perf_counter() - begun)


def main(place: str) -> None:
    """Open a trace or journal and measure."""
    explorer = Explorer(lambda: open_source(place))
    opened = timed(lambda: explorer.replay)
    rows = len(explorer.replay)
    print(f"{Path(place).name}: {rows:,} events, opened in {opened / 1_000:.2f} s")
    explorer.costs.run()
    works: dict[str, Callable[[View], object]] = {
        "overview": pages.overview,
        "requests": lambda view: tables.requests(view, Query(sort="paid", down=True)),
        "one request": lambda view: pages.request(view, view.count // 2),
        "why this prover": lambda view: pages.why(view, view.count // 2),
        "provers": explorer.provers,
        "stake": lambda view: tables.flows(view, Query()),
        "journal": lambda view: tables.journal(view, Query()),
    }
    for name, work in works.items():
        took = [
            timed(lambda at=at, work=work: work(View(explorer.replay, at)))
            for at in range(rows // MOMENTS, rows, rows // MOMENTS)
        ]
        print(f"{name:16s} median {statistics.median(took):7.1f} ms, slowest {max(took):7.1f} ms")


if __name__ == "__main__":
    main(sys.argv[1])
