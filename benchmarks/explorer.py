"""How fast the explorer's pages come for a long trace: `python benchmarks/explorer.py LONG.trace [SHORT.trace]`.

Prints the time to open it, and for each page the median and the slowest of several moments spread over the history.
With a second, nearly empty trace both are also opened in Chromium, in turn: for each page the time from a new tab until
its tables are filled and its charts are drawn, what came over the wire, and the memory of its scripts.
"""

import shutil
import statistics
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from proofyard.explorer import pages, tables
from proofyard.explorer.app import Explorer, create_app
from proofyard.explorer.serve import bound
from proofyard.explorer.source import open_source
from proofyard.explorer.tables import Query
from proofyard.explorer.view import View

MOMENTS = 9
TIMES = 3
FLAGS = ["--no-sandbox", "--disable-gpu"]
DRAWN = """() => document.querySelector("main").dataset.shown === location.hash
    && [...document.querySelectorAll(".chart:not(.empty)")].every((one) => one.querySelector("svg"))"""
MIB = 2**20


def timed(work: Callable[[], object]) -> float:
    """Return how long it took, ms."""
    begun = time.perf_counter()
    work()
    return 1_000 * (time.perf_counter() - begun)


class Seen(NamedTuple):
    """One opening of a page."""

    ms: float
    kib: float
    heap_mib: float


@contextmanager
def served(explorer: Explorer) -> Generator[str]:
    """Serve an explorer for a while; gives its address."""
    app = create_app(explorer)
    listening = bound(0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=3))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    app.state.close()
    server.should_exit = True
    thread.join()


def opened_page(browser: Browser, address: str) -> tuple[Page, Seen]:
    """Open an address in a new profile, with nothing kept from before."""
    page = browser.new_context().new_page()
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    wire: list[float] = []
    session.on("Network.loadingFinished", lambda told: wire.append(told["encodedDataLength"]))
    begun = time.perf_counter()
    page.goto(address)
    page.wait_for_function(DRAWN)
    ms = 1_000 * (time.perf_counter() - begun)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"]
    return page, Seen(ms, sum(wire) / 1_024, heap / MIB)


def pages_of(explorer: Explorer) -> dict[str, str]:
    """Name the pages to open."""
    rows = len(explorer.replay)
    middle = View(explorer.replay, None).count // 2
    return {
        "overview": "",
        "requests": "requests",
        "one request": f"requests/{middle}",
        "provers": "provers",
        "stake": "stake",
        "journal, end": "journal",
        "journal, middle": f"journal?at={rows // 2}",
        "prediction": "prediction",
    }


def moved(browser: Browser, site: str, rows: int) -> dict[str, float]:
    """Sort, turn a page, go to the middle: ms each, on the page of requests."""
    page, _ = opened_page(browser, f"{site}#/requests")
    found: dict[str, float] = {}

    def step(name: str, work: Callable[[], object]) -> None:
        before = page.url
        begun = time.perf_counter()
        work()
        page.wait_for_function("before => location.href !== before", arg=before)
        page.wait_for_function(DRAWN)
        found[name] = 1_000 * (time.perf_counter() - begun)

    step("sorted by paid", lambda: page.get_by_role("button", name="paid").click())
    step("next page", lambda: page.get_by_role("button", name="On", exact=True).click())
    step("at the middle", lambda: page.evaluate(f"location.hash = '#/requests?at={rows // 2}'"))
    page.context.close()
    return found


def in_browser(long: Explorer, short: Explorer) -> None:
    """Open both in turn, and print medians."""
    for explorer in (long, short):
        explorer.costs.run()
        explorer.prediction.wait()
    with served(long) as one, served(short) as other, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        seen: dict[tuple[str, int], list[Seen]] = {}
        steps: dict[str, list[float]] = {}
        for _ in range(TIMES):
            for name in pages_of(long):
                for k, (site, explorer) in enumerate(((one, long), (other, short))):
                    page, told = opened_page(browser, f"{site}#/{pages_of(explorer)[name]}")
                    page.context.close()
                    seen.setdefault((name, k), []).append(told)
            for name, ms in moved(browser, one, len(long.replay)).items():
                steps.setdefault(name, []).append(ms)
        browser.close()
    print(f"in Chromium, medians of {TIMES}; in brackets with {len(short.replay):,} events")
    for name in pages_of(long):
        a, b = (Seen(*map(statistics.median, zip(*seen[name, k], strict=True))) for k in (0, 1))
        large, small = (f"{x.ms:6.0f} ms {x.kib:6.0f} KiB {x.heap_mib:5.1f} MiB" for x in (a, b))
        print(f"{name:16s} {large}   ({small})")
    for name, times in steps.items():
        print(f"{name:16s} {statistics.median(times):6.0f} ms")


def main(place: str, short: str = "") -> None:
    """Open a trace or journal and measure; with a short one beside it, in Chromium too."""
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
    if short:
        in_browser(explorer, Explorer(lambda: open_source(short)))


if __name__ == "__main__":
    main(*sys.argv[1:3])
