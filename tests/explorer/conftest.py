"""A recorded run with a name that would be markup, a market that still grows, and real Chromium to look at both."""

import shutil
import socket
import threading
import time as clock
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from explorer.looks import LOOKS, Opening
from fastapi import FastAPI
from httpx import Client
from playwright.sync_api import Browser, Page, sync_playwright

from proofyard.core.event import Kind
from proofyard.engine.result import Run
from proofyard.engine.simulate import simulate
from proofyard.explorer.app import Explorer, create_app
from proofyard.explorer.source import JournalSource, open_source
from proofyard.lab.runs import write_trace
from proofyard.network.journal import SqliteJournal
from proofyard.network.records import Record, Row, make_row, pack
from proofyard.scenario import Scenario, check

MARKUP = "<img src=x onerror='window.broken=1'>"
FORMULA = "=HYPERLINK(1)"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def pool_scenario() -> Scenario:
    """Twelve hours of a staked pool whose provers miss windows and are slashed."""
    return check({
        "name": f"pool {MARKUP}",
        "mechanism": (
            "staked_pool(min_capacity=1, max_window_ms=600_000, initial_fee_gwei_per_gas=60, cooldown_ms=60_000)"
        ),
        "horizon": "12h",
        "seed": 3,
        "workload": {"every": "60s", "max_fee": "20.0"},
        "provers": [
            {"name": MARKUP, "count": 1, "stake": "3000", "ask": "0.00000006", "capacity": 1},
            {"name": FORMULA, "count": 1, "stake": "2000", "ask": "0.00000006", "capacity": 1},
            {"name": "slow", "count": 2, "hardware": "8x5090/risc0-3.0", "stake": "1000", "ask": "0.00000006"},
        ],
    })  # fmt: skip


@pytest.fixture(scope="session")
def markup() -> str:
    """The name of a prover that would be markup, were names not text."""
    return MARKUP


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    scenario = pool_scenario()
    run = simulate(scenario, traced=True)
    path = tmp_path_factory.mktemp("trace") / "pool.trace"
    write_trace(path, scenario, run)
    return path, run


class Growing:
    """A market's journal, written row by row, without the market."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._journal = SqliteJournal(path)
        assert self._journal.acquire()
        self._last: Row | None = None
        self._jobs = 0
        body: dict[str, Any] = {"mechanism": "race", "coordinator": "0x" + 40 * "1", "scenario": "devnet"}
        body |= {"actors": 8, "commitment": 64 * "0", "beacon": "test"}
        self.add(Record.GENESIS, 0, -1, body=body)
        for actor, name in enumerate(("rollup", MARKUP, "second")):
            self.add(Record.JOIN, 0, actor, body={"address": f"0x{actor:040x}", "name": name})
            self.add(Record.DEPOSIT, 0, actor, amount=10**12)

    def add(
        self, kind: int, time: int, actor: int, job: int = -1, amount: int = 0, *, body: dict[str, Any] | None = None
    ) -> None:
        columns = (int(kind), time, actor, job, amount, 0, 0)
        self._last = make_row(self._last, clock.time_ns() // 10**6, columns, pack(body or {}))
        self._journal.append([self._last])

    def prove_one(self) -> None:
        time = 1_000 * (1 + self._jobs)
        self.add(Kind.REQUEST, time, 0, self._jobs, 10**9)
        self.add(Kind.PROVE, time + 500, 1 + self._jobs % 2, self._jobs, body={"message": {"proof": "0x" + 64 * "a"}})
        self._jobs += 1

    def break_off(self) -> Callable[[], None]:
        """Add a row that does not follow the one before it; returns what puts it right."""
        columns = (int(Kind.REQUEST), 1_000 * (1 + self._jobs), 0, self._jobs, 10**9, 0, 0)
        row = make_row(self._last, clock.time_ns() // 10**6, columns, pack({}))
        self._journal.append([row._replace(hash=bytes(32))])
        self._last = row

        def mend() -> None:
            self._journal._open().execute("UPDATE journal SET hash = ? WHERE seq = ?", (row.hash, row.seq))

        return mend

    def skip(self, job: int, actor: int, reason: str) -> None:
        self._journal.add_skips([(0, job, actor, reason)])

    def close(self) -> None:
        self._journal.close()


@pytest.fixture
def growing(tmp_path: Path) -> Generator[Growing]:
    market = Growing(tmp_path / "market.db")
    for _ in range(3):
        market.prove_one()
    yield market
    market.close()


class Served:
    """An application behind a port of this machine; may be stopped and started again on the same port."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        config = uvicorn.Config(
            self._app, host="127.0.0.1", port=self.port, log_level="error", timeout_graceful_shutdown=3
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            self._thread.join(0.02)

    def stop(self) -> None:
        close = getattr(self._app.state, "close", None)
        if close is not None:
            close()
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture(scope="session")
def explored(recorded: tuple[Path, Run]) -> Explorer:
    return Explorer(lambda: open_source(str(recorded[0])))


@pytest.fixture(scope="session")
def site(explored: Explorer) -> Generator[str]:
    served = Served(create_app(explored))
    yield served.url
    served.stop()


@pytest.fixture
def live(growing: Growing) -> Generator[Served]:
    served = Served(create_app(Explorer(lambda: JournalSource(str(growing.path)))))
    yield served
    served.stop()


@pytest.fixture
def serving() -> Generator[Callable[[FastAPI], Client]]:
    """Serve an application for one test; returns who asks it."""
    with ExitStack() as stack:

        def serve(app: FastAPI) -> Client:
            served = Served(app)
            stack.callback(served.stop)
            return stack.enter_context(Client(base_url=served.url, timeout=60))

        yield serve


@pytest.fixture(scope="module")  # while it is open, no other test of this process can run a loop of its own
def browser() -> Generator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium): the explorer's pages are not opened")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def opening(browser: Browser) -> Generator[Opening]:
    """Open a page; whatever the browser complains about fails the test."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def open_page(url: str, **look: Any) -> Page:
        contexts.append(browser.new_context(**(look or LOOKS["light"])))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [text for text in complaints if "net::ERR_" not in text] == []
