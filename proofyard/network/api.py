"""The market over HTTP: version 1, described at `/openapi.json`. Refusals name a reason and a place."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from proofyard import __version__
from proofyard.core import Phase
from proofyard.network.commands import Receipt
from proofyard.network.coordinator import Coordinator
from proofyard.network.desk import SKIPS
from proofyard.network.journal import Journal
from proofyard.network.market import Market
from proofyard.network.messages import Signed
from proofyard.network.records import Row
from proofyard.network.refusals import Refused
from proofyard.network.stream import Listener, shown, told_of
from proofyard.network.watching import span
from proofyard.network.wire import (
    ONE,
    PROBLEMS,
    SEVERAL,
    SHEET,
    Accepted,
    Envelope,
    Envelopes,
    Problem,
    SheetEnvelope,
    body_of,
    guard,
    problem_of,
    read,
    to_json,
)

PAGE = 1_000  # rows at once
ALIVE_S = 15.0  # s between signs of life on a silent stream

Page = Annotated[int, Query(ge=1, le=PAGE)]
After = Annotated[int, Query(ge=-1, le=2**62)]
Number = Annotated[int, Path(ge=0, le=2**62)]


def make_app(coordinator: Coordinator) -> FastAPI:
    """Build the application; it starts and stops the coordinator."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        await coordinator.start()
        yield
        await coordinator.stop()

    app = FastAPI(title="Proofyard market", version=__version__, lifespan=lifespan, redoc_url=None)
    app.state.coordinator = coordinator
    guard(app)
    _commands(app, coordinator)
    _queries(app, coordinator)
    _history(app, coordinator)
    _watch(app, coordinator)
    return app


def _commands(app: FastAPI, coordinator: Coordinator) -> None:
    @app.post("/v1/messages", responses=PROBLEMS, response_model=Accepted, openapi_extra=body_of(Envelope))
    async def send(request: Request) -> Response:
        """Hand in one signed message; the answer comes when it is durable."""
        envelope = await read(request, ONE)
        with span("submit", verb=envelope.verb):
            return to_json((await _take(coordinator, envelope))._asdict())

    @app.post(
        "/v1/batches", responses=PROBLEMS, response_model=list[Accepted | Problem], openapi_extra=body_of(Envelopes)
    )
    async def send_many(request: Request) -> Response:
        """Hand in several messages, in order; each is answered for itself."""
        taken = [_take(coordinator, each) for each in await read(request, SEVERAL)]
        return to_json([_told(answer) for answer in await asyncio.gather(*taken, return_exceptions=True)])

    @app.post(
        "/v1/sheets", responses=PROBLEMS, response_model=list[Accepted | Problem], openapi_extra=body_of(SheetEnvelope)
    )
    async def send_sheet(request: Request) -> Response:
        """Hand in several messages of one verb under one signature, in order; each is answered for itself."""
        envelope = await read(request, SHEET)
        with span("submit", verb=envelope.verb, lines=len(envelope.lines)):
            return to_json([_told(answer) for answer in await coordinator.intake.hand_in_sheet(envelope.sheet())])


def _told(answer: Receipt | BaseException) -> dict[str, Any]:
    """Write what became of one of several messages."""
    if isinstance(answer, Receipt):
        return answer._asdict()
    if isinstance(answer, Refused):
        return problem_of(answer)
    raise answer


def _take(coordinator: Coordinator, envelope: Envelope) -> Awaitable[Receipt]:
    signed = envelope.signed()
    return _skip(coordinator, signed) if signed.verb == "skip" else coordinator.intake.hand_in(signed)


async def _skip(coordinator: Coordinator, signed: Signed) -> Receipt:
    """Keep why a prover skipped a job; no part of the order."""
    market = coordinator.ready()
    coordinator.desk.check(signed)
    job, reason = int(signed.message["job"]), str(signed.message["reason"])
    actor = market.numbers.get(signed.sender, -1)
    if reason not in SKIPS:
        raise Refused("MALFORMED", "message.reason", f"one of {', '.join(SKIPS)}", reason)
    if job >= market.jobs or actor < 0:
        raise Refused("UNKNOWN_JOB", "message.job", f"a job below {market.jobs}, by somebody who has joined", job)
    await coordinator.on_disk(coordinator.journal.add_skips, [(coordinator.clock.unix(), job, actor, reason)])
    return Receipt(market.last.seq, coordinator.clock.now(), job, actor, "")


def _queries(app: FastAPI, coordinator: Coordinator) -> None:
    @app.get("/v1/market", responses=PROBLEMS)
    async def market() -> dict[str, Any]:
        """Show the rule, its parameters, the domain that is signed for, and how far the market is."""
        told = _overview(coordinator.ready(), coordinator.clock.now())
        more = {} if coordinator.settler is None else {"settlement": coordinator.settler.told()}
        return await coordinator.told({**told, **more})

    @app.get("/v1/actors", responses=PROBLEMS)
    async def actors(after: After = -1, limit: Page = 100) -> list[dict[str, Any]]:
        """Everybody, with all the rule keeps about them; money in gwei."""
        market = coordinator.ready()
        found = [market.actor(k) for k in range(after + 1, min(len(market.addresses), after + 1 + limit))]
        return await coordinator.told(found)

    @app.get("/v1/actors/{address}", responses=PROBLEMS)
    async def actor(address: Annotated[str, Path(max_length=42)]) -> dict[str, Any]:
        """One actor, by address."""
        market = coordinator.ready()
        if address not in market.numbers:
            raise Refused("NOT_FOUND", "address", "somebody who has joined, 0x and 40 digits in lower case", address)
        return await coordinator.told(market.actor(market.numbers[address]))

    @app.get("/v1/jobs", responses=PROBLEMS)
    async def jobs(after: After = -1, limit: Page = 100, *, unfinished: bool = False) -> list[dict[str, Any]]:
        """Jobs in the order they were asked for."""
        market = coordinator.ready()
        numbers = market.open_jobs() if unfinished else range(after + 1, min(market.jobs, after + 1 + limit))
        return await coordinator.told([market.job(job) for job in numbers if job > after][:limit])

    @app.get("/v1/jobs/{job}", responses=PROBLEMS)
    async def job(job: Number) -> dict[str, Any]:
        """One job: where it is, all that happened to it, and who skipped it and why."""
        market = coordinator.ready()
        if job >= market.jobs:
            raise Refused("NOT_FOUND", "job", f"a job below {market.jobs}", job)
        seq, now = market.last.seq, await coordinator.told(market.job(job))
        rows, skips = await coordinator.read(lambda journal: (journal.of_job(job), journal.skips(job)))
        named = ("at", "job", "actor", "reason")
        told = [dict(zip(named, skip, strict=True)) for skip in skips]
        return {**now, "rows": [shown(row) for row in rows if row.seq <= seq], "skips": told}


def _history(app: FastAPI, coordinator: Coordinator) -> None:
    @app.get("/v1/journal", responses=PROBLEMS)
    async def journal(after: After = -1, limit: Page = 100) -> list[dict[str, Any]]:
        """Rows of the journal with their hashes."""
        coordinator.ready()
        rows = await coordinator.read(lambda journal: list(journal.rows(after, after + limit)))
        return [shown(row) for row in rows]

    @app.get("/v1/state", responses=PROBLEMS)
    async def state(at: Annotated[int, Query(ge=0, le=2**62)]) -> dict[str, Any]:
        """Show the market as it was after row `at`, rebuilt from the journal."""
        coordinator.ready()
        newest = coordinator.disk.seq
        if at > newest:
            raise Refused("NOT_FOUND", "at", f"a row up to {newest}", at)
        then = await coordinator.read(lambda journal: Market.rebuild(journal.rows(until=at)))
        actors = [then.actor(k) for k in range(len(then.addresses))][:PAGE]
        jobs = [then.job(k) for k in range(max(0, then.jobs - PAGE), then.jobs)]
        return {**_overview(then, then.last.time), "actors": actors, "jobs": jobs}

    @app.get("/v1/blobs/{digest}", responses=PROBLEMS, response_class=PlainTextResponse)
    async def blob(digest: Annotated[str, Path(pattern="^0x[0-9a-f]{64}$")]) -> Response:
        """Return what a job wants proven, or a proof, by its SHA-256."""
        coordinator.ready()
        data = await coordinator.read(lambda journal: journal.blob(bytes.fromhex(digest[2:])))
        if data is None:
            raise Refused("NOT_FOUND", "digest", "the SHA-256 of a payload", digest)
        return Response(data, media_type="text/plain; charset=utf-8")

    @app.get("/v1/events", responses={**PROBLEMS, 200: {"content": {"text/event-stream": {}}}})
    async def events(after: After | None = None, actor: Annotated[str, Query(max_length=42)] = "") -> StreamingResponse:
        """Rows as they become durable, as server-sent events; from row `after` on, else from now on.

        With `actor` (an address) only what concerns it: its own rows, its jobs, and jobs that anybody may take.
        """
        market = coordinator.ready()
        if actor and actor not in market.numbers:
            raise Refused("NOT_FOUND", "actor", "somebody who has joined, 0x and 40 digits in lower case", actor)
        listener = coordinator.streams.listen(market.numbers[actor] if actor else None)
        return StreamingResponse(_stream(coordinator, listener, after), media_type="text/event-stream")


async def _stream(coordinator: Coordinator, listener: Listener, after: int | None) -> AsyncGenerator[bytes]:
    """Tell the past, then the present, without a gap; a sign of life when nothing happens."""
    try:
        told = coordinator.ready().last.seq if after is None else after
        yield b": welcome\n\n"
        while after is not None:
            rows: list[Row] = await coordinator.read(lambda journal, told=told: _some(journal, told))
            for row in rows:
                past = told_of(coordinator.ready(), row, past=True)
                if listener.wants(past):
                    yield past.text
                told = row.seq
            if len(rows) < PAGE:
                break
        while True:
            try:
                told_now = await asyncio.wait_for(listener.queue.get(), ALIVE_S)
            except TimeoutError:
                yield b": alive\n\n"
                continue
            if told_now is None:
                return
            if told_now.seq > told:
                yield told_now.text
    finally:
        coordinator.streams.leave(listener)


def _some(journal: Journal, after: int) -> list[Row]:
    return list(journal.rows(after, after + PAGE))


def _overview(market: Market, now: int) -> dict[str, Any]:
    book = market.state.book
    phases = {phase.name: int((book.phase[: market.jobs] == phase).sum()) for phase in Phase if phase != Phase.NONE}
    return {
        "scenario": market.genesis.scenario,
        "mechanism": market.rule.text,
        "rule": (market.rule.module.__doc__ or "").strip(),
        "params": market.rule.params._asdict(),
        "price_per_unit": market.rule.price_units > 0,
        "stake_names_position": bool(getattr(market.rule.module, "STAKE_NAMES_POSITION", False)),
        "backend": market.genesis.backend,
        "coordinator": market.genesis.coordinator,
        "chain_id": market.domain.chain_id,
        "contract": market.genesis.contract,
        "market": "0x" + market.domain.market.hex(),
        "now": now,
        "seq": market.last.seq,
        "head": market.last.hash.hex(),
        "actors": len(market.addresses),
        "room": market.genesis.actors,
        "jobs": market.jobs,
        "phases": phases,
        "burnt_gwei": int(book.burnt[0]),
        "slashed_gwei": int(book.slashed.sum()),
        "money_difference_gwei": market.money_difference,
    }


def _watch(app: FastAPI, coordinator: Coordinator) -> None:
    @app.get("/health")
    async def health() -> Response:
        """200 while this process lives; `role` tells whether it writes."""
        role = "writer" if not coordinator.trouble else "standby" if coordinator.trouble == "standby" else "waiting"
        seq = coordinator.market.last.seq if coordinator.market else -1
        return JSONResponse({"role": role, "trouble": coordinator.trouble, "seq": seq})

    @app.get("/ready", responses={503: {"model": Problem, "description": "not the writer"}})
    async def ready() -> Response:
        """200 while messages can be accepted."""
        if coordinator.trouble:
            raise Refused("STANDBY", "coordinator", "the writer", coordinator.trouble)
        return JSONResponse({"ready": True})

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Prometheus metrics."""
        if coordinator.market is not None:
            coordinator.metrics.open_jobs.set(len(coordinator.market.open_jobs()))
        return Response(generate_latest(coordinator.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def openapi(coordinator: Coordinator) -> str:
    """Write the description of the API."""
    return json.dumps(make_app(coordinator).openapi(), indent=2)
