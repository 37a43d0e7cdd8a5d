"""The explorer as an ASGI application: pages, their data as JSON, each table as CSV, a stream that tells what is new.

`create_app(Explorer(opening))` may be served alone or mounted anywhere; all its addresses are relative.
"""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

import proofyard
from proofyard.core.errors import BadInput, MarketError
from proofyard.explorer import pages, tables
from proofyard.explorer.costs import Costs
from proofyard.explorer.prediction import Prediction
from proofyard.explorer.replay import Replay
from proofyard.explorer.source import Source
from proofyard.explorer.tables import Page
from proofyard.explorer.tables import Query as Wanted
from proofyard.explorer.view import View

POLL_S = 0.5  # between looks at a growing journal
BEAT_S = 3.0  # between signs of life
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".html": "text/html"}
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)  # the chart library compiles its expressions
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
CSV_MOST = 2_000_000  # rows of a table


class Opened(NamedTuple):
    """A history that is there."""

    source: Source
    replay: Replay
    costs: Costs
    prediction: Prediction


class Explorer:
    """Everything the pages are made of.

    Parameters
    ----------
    opening : opens a trace or a journal, when somebody first looks: a market may not have begun yet
    summary : what was predicted, in the form of `summary.json`
    reports : folders with pages of the simulator
    """

    def __init__(
        self, opening: Callable[[], Source], summary: dict[str, Any] | None = None, reports: Sequence[Path] = ()
    ) -> None:
        self._opening = opening
        self._summary = summary
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        self.reports = reports
        self.failed = ""  # why the journal could not be followed any further

    def _open(self) -> "Opened":
        with self._lock:
            if self._opened is None:
                source = self._opening()
                prediction = Prediction(source, self._summary)
                self._opened = Opened(source, Replay(source), Costs(source), prediction)
            return self._opened

    @property
    def source(self) -> Source:
        """Where the history comes from. Raises BadInput, JournalError while there is none."""
        return self._open().source

    @property
    def replay(self) -> Replay:
        """The history. Raises BadInput, JournalError while there is none."""
        return self._open().replay

    @property
    def costs(self) -> Costs:
        """What proving cost."""
        return self._open().costs

    @property
    def prediction(self) -> Prediction:
        """What the simulator says."""
        return self._open().prediction

    def follow(self) -> None:
        """Take in what is new; what goes wrong is told to whoever looks."""
        try:
            self.replay.refresh()
            self.failed = ""
        except MarketError as error:
            self.failed = str(error)

    def provers(self, view: View) -> list[tables.Cells]:
        """Rows of the provers' table."""
        return tables.provers(view, self.costs, self.source.skips_by_actor(view.count))

    def pages(self) -> dict[str, Path]:
        """Find the simulator's pages on disk; their names can stand in an address."""
        found: dict[str, Path] = {}
        for folder in self.reports:
            for path in sorted([folder, *folder.rglob("*.html")]):
                if path.suffix == ".html" and path.is_file():
                    name = (
                        "-".join(path.relative_to(folder.parent).with_suffix("").parts[-3:])
                        if path != folder
                        else path.stem
                    )
                    found["".join(sign if sign.isalnum() else "-" for sign in name).strip("-") or "page"] = path
        return found


def wanted(
    sort: str = "",
    direction: Annotated[Literal["up", "down"], Query(alias="dir")] = "down",
    page: Annotated[int, Query(ge=0)] = 0,
    size: Annotated[int, Query(ge=1, le=tables.LARGEST)] = tables.PAGE,
    state: str = "",
    kind: str = "",
    actor: Annotated[int | None, Query(ge=0)] = None,
    job: Annotated[int | None, Query(ge=0)] = None,
) -> Wanted:
    """Read which part of a table is wanted."""
    return Wanted(sort, direction == "down", page, size, state, kind, actor, job)


At = Annotated[int | None, Query(ge=0, description="After how many rows; without it, now")]
Part = Annotated[Wanted, Depends(wanted)]


def create_app(explorer: Explorer) -> FastAPI:
    """Make the application. Its journal is followed while it runs, also when it is mounted."""
    follower = _Follower(explorer)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        follower.start()
        yield
        follower.stop()

    app = FastAPI(
        title="Proofyard explorer", version=proofyard.__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.close = follower.stop  # for whoever mounts it: the lifespan of a mounted application is not run
    _add_guards(app)
    _add_pages(app, explorer)
    _add_tables(app, explorer)
    _add_reports(app, explorer)

    @app.get("/api/stream", include_in_schema=False)
    async def stream(request: Request) -> StreamingResponse:
        await run_in_threadpool(lambda: explorer.replay)
        head = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(follower.tell(request), media_type="text/event-stream", headers=head)

    _add_files(app)
    return app


class _Follower:
    """Follows a growing journal while somebody looks, and tells everybody how far it is."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._watching = 0
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    async def tell(self, request: Request) -> AsyncGenerator[bytes]:
        """Say at once, whenever rows came, and now and then, how many rows there are."""
        self._watching += 1
        if self._explorer.source.growing and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._follow())
        try:
            told, waited = -1, 0.0
            yield b"retry: 1000\n\n"
            while not self._stopped and not await request.is_disconnected():
                rows = len(self._explorer.replay)
                if rows != told or waited >= BEAT_S:
                    told, waited = rows, 0.0
                    data = {"rows": rows, "failed": self._explorer.failed}
                    yield f"data: {json.dumps(data)}\n\n".encode()
                await asyncio.sleep(POLL_S)
                waited += POLL_S
        finally:
            self._watching -= 1

    async def _follow(self) -> None:
        while self._watching and not self._stopped:
            await run_in_threadpool(self._explorer.follow)
            await asyncio.sleep(POLL_S)

    def start(self) -> None:
        """Take listeners, again if need be."""
        self._stopped = False

    def stop(self) -> None:
        """End all streams, within a moment."""
        self._stopped = True


def _add_guards(app: FastAPI) -> None:
    """Refuse bad input in one sentence, and tell browsers what these pages may do."""

    @app.exception_handler(BadInput)
    async def bad_input(_: Request, error: BadInput) -> JSONResponse:
        return JSONResponse({"message": str(error)}, 422)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        told = BadInput(str(first["loc"][-1]), _wanted(first), first["input"] or "nothing")
        return JSONResponse({"message": str(told)}, 422)

    @app.exception_handler(MarketError)
    async def fault(_: Request, error: MarketError) -> JSONResponse:
        return JSONResponse({"message": str(error)}, 500)

    @app.middleware("http")
    async def headers(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call(request)
        response.headers.update(HEADERS)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def _wanted(error: dict[str, Any]) -> str:
    """Say what a parameter of an address may be."""
    limits = error.get("ctx", {})
    match error["type"]:
        case "int_parsing" | "int_parsing_size":
            return "a whole number"
        case "missing":
            return "a value"
        case "greater_than_equal":
            return f"at least {limits['ge']}"
        case "less_than_equal":
            return f"at most {limits['le']}"
        case "literal_error":
            return str(limits["expected"])
        case _:
            return str(error["msg"])


def _add_pages(app: FastAPI, explorer: Explorer) -> None:
    """Add the data of the pages that are no tables."""

    @app.get("/api/market")
    def market(at: At = None) -> dict[str, Any]:
        if at is None and explorer.source.growing:
            explorer.follow()
        return {**pages.market(View(explorer.replay, at)), "failed": explorer.failed}

    @app.get("/api/overview")
    def overview(at: At = None) -> dict[str, Any]:
        return pages.overview(View(explorer.replay, at))

    @app.get("/api/rule")
    def rule(at: At = None) -> dict[str, Any]:
        return pages.rule(View(explorer.replay, at))

    @app.get("/api/requests/{job}")
    def request(job: int, at: At = None) -> dict[str, Any]:
        return pages.request(View(explorer.replay, at), job)

    @app.get("/api/requests/{job}/why")
    def why(job: int, at: At = None) -> dict[str, Any]:
        return pages.why(View(explorer.replay, at), job)

    @app.get("/api/provers/{number}")
    def prover(number: int, at: At = None) -> dict[str, Any]:
        return pages.prover(View(explorer.replay, at), explorer.costs, number)

    @app.get("/api/prediction")
    def prediction(at: At = None) -> dict[str, Any]:
        return explorer.prediction.compare(View(explorer.replay, at))

    @app.get("/api/row")
    def row(time_ms: Annotated[int, Query(ge=0)]) -> dict[str, int]:
        return {"row": explorer.replay.row_at(time_ms)}


def _add_tables(app: FastAPI, explorer: Explorer) -> None:
    """Each table twice: a page of it as JSON, and all of it as CSV."""

    def of_provers(view: View, query: Wanted) -> Page:
        return tables.cut(tables.PROVERS, explorer.provers(view), query)

    makers: dict[str, tables.Table] = {
        "requests": tables.requests,
        "provers": of_provers,
        "stake": tables.flows,
        "journal": tables.journal,
    }
    for name, make in makers.items():
        _add_table(app, explorer, name, make)


def _add_table(app: FastAPI, explorer: Explorer, name: str, make: tables.Table) -> None:
    @app.get(f"/api/{name}", name=name)
    def table(query: Part, at: At = None) -> dict[str, Any]:
        view = View(explorer.replay, at)
        note = {"costs": explorer.costs.note} if name == "provers" else {}
        if query.actor is not None:
            note["actor"] = tables.name_of(view, query.actor)
        return {**make(view, query)._asdict(), "market": pages.market(view), **note}

    @app.get(f"/api/{name}.csv", name=f"{name} as CSV")
    def as_csv(query: Part, at: At = None) -> PlainTextResponse:
        view = View(explorer.replay, at)
        whole = make(view, query._replace(page=0, size=CSV_MOST))
        told = {"Content-Disposition": f'attachment; filename="{name}-{view.rows}.csv"'}
        return PlainTextResponse(tables.as_csv(whole.columns, whole.rows), headers=told, media_type="text/csv")


def _add_reports(app: FastAPI, explorer: Explorer) -> None:
    """Add the simulator's pages, each shut off from this one."""
    alone = {"Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; "
             "style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'"}  # fmt: skip

    @app.get("/api/reports")
    def reports() -> dict[str, Any]:
        own = [{"name": "prediction", "where": ""}] if explorer.source.scenario is not None else []
        return {"reports": [*own, *({"name": name, "where": str(path)} for name, path in explorer.pages().items())]}

    @app.get("/reports/{name}", include_in_schema=False)
    def report(name: str) -> HTMLResponse:
        if name == "prediction" and explorer.source.scenario is not None:
            explorer.prediction.wait()
            return HTMLResponse(explorer.prediction.report or explorer.prediction.said, headers=alone)
        path = explorer.pages().get(name)
        if path is None:
            return HTMLResponse("There is no such report.", 404, headers=alone)
        return HTMLResponse(path.read_text(encoding="utf-8"), headers=alone)


def _add_files(app: FastAPI) -> None:
    """Add the pages' own files, and the chart library."""
    place = files("proofyard.explorer") / "static"
    known = {item.name: item.read_bytes() for item in place.iterdir() if Path(item.name).suffix in KINDS}

    @app.get("/vega.js", include_in_schema=False)
    def library() -> Response:
        from proofyard.lab.report import bundle  # noqa: PLC0415 - a market starts a second sooner without charts

        return Response(bundle(), media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})

    @app.get("/themes.json", include_in_schema=False)
    def themes() -> Response:
        from proofyard.lab.report import template  # noqa: PLC0415 - likewise

        return Response(template("themes.json"), media_type="application/json")

    @app.get("/", include_in_schema=False)
    def index() -> Response:
        return Response(known["index.html"], media_type="text/html")

    @app.get("/{name}", include_in_schema=False)
    def file(name: str) -> Response:
        if name not in known:
            return PlainTextResponse("There is no such page.", 404)
        return Response(known[name], media_type=KINDS[Path(name).suffix], headers={"Cache-Control": "no-cache"})
