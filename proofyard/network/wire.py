"""What travels to and from the API: signed messages in, and problems out that name a reason and a place."""

from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from msgspec import Meta
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proofyard.network.messages import Signed
from proofyard.network.refusals import Refused
from proofyard.network.sheets import LINES, Sheet
from proofyard.network.work import LONGEST

MOST_BYTES = 4_000_000  # of a request's body
BATCH = 64  # messages at once
T = TypeVar("T")


class Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """A signed message; see the page of the client library for what is signed."""

    verb: Annotated[str, Meta(max_length=20, examples=["offer"])]
    message: dict[str, int | str]
    signature: Annotated[str, Meta(pattern="^0x[0-9a-f]{130}$")]
    market: Annotated[str, Meta(pattern="^0x[0-9a-f]{64}$")]
    payload: Annotated[str, Meta(max_length=LONGEST)] = ""

    def signed(self) -> Signed:
        """Return it as the coordinator takes it."""
        signature, market = bytes.fromhex(self.signature[2:]), bytes.fromhex(self.market[2:])
        return Signed(self.verb, self.message, signature, market, self.payload.encode())


class SheetEnvelope(msgspec.Struct, forbid_unknown_fields=True):
    """Messages of one verb, signed together; `payloads` in the order of the lines, or none at all."""

    verb: Annotated[str, Meta(max_length=20, examples=["offer"])]
    lines: Annotated[list[dict[str, int | str]], Meta(min_length=1, max_length=LINES)]
    signature: Annotated[str, Meta(pattern="^0x[0-9a-f]{130}$")]
    market: Annotated[str, Meta(pattern="^0x[0-9a-f]{64}$")]
    payloads: Annotated[list[Annotated[str, Meta(max_length=LONGEST)]], Meta(max_length=LINES)] = []

    def sheet(self) -> Sheet:
        """Return it as the coordinator takes it."""
        signature, market = bytes.fromhex(self.signature[2:]), bytes.fromhex(self.market[2:])
        return Sheet(self.verb, self.lines, signature, market, [each.encode() for each in self.payloads])


Envelopes = Annotated[list[Envelope], Meta(min_length=1, max_length=BATCH)]
ONE, SEVERAL, SHEET = (
    msgspec.json.Decoder(Envelope),
    msgspec.json.Decoder(Envelopes),
    msgspec.json.Decoder(SheetEnvelope),
)


def body_of(schema: Any) -> dict[str, Any]:
    """Describe the body of a call: read by msgspec, in a fraction of the time that the framework takes."""
    told: dict[str, Any] = msgspec.json.schema(schema)
    named: dict[str, dict[str, Any]] = told.pop("$defs", {})
    inner = named["Envelope"] if "Envelope" in named else named.get("SheetEnvelope", {})
    described = inner if "$ref" in told else {**told, "items": inner}
    return {"requestBody": {"content": {"application/json": {"schema": described}}, "required": True}}


async def read(request: Request, decoder: "msgspec.json.Decoder[T]") -> T:
    """Read a body. Raises Refused."""
    try:
        return decoder.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        wrong, _, place = str(error).partition(" - at `$")
        raise Refused("MALFORMED", "body" + place.rstrip("`"), "what /openapi.json describes", wrong[:80]) from None
    except ClientDisconnect:
        raise Refused("MALFORMED", "body", "a whole one", "a part") from None


class Accepted(BaseModel):
    """Where a message is in the order."""

    seq: int
    time: int
    job: int
    actor: int
    hash: str


class Problem(BaseModel):
    """Why not."""

    reason: str
    field: str
    wanted: str
    got: str
    message: str
    seq: int = -1


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": what}
    for status, what in (
        (400, "not JSON"),
        (403, "not signed for this market at this time"),
        (404, "not there"),
        (409, "the rule or the journal says no"),
        (413, "too large"),
        (422, "malformed"),
        (503, "no writer, or its journal takes no rows"),
    )
}


class Limit:
    """Refuse bodies that are too large before they are read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what comes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > MOST_BYTES:
            await _answer(Refused("TOO_LARGE", "body", f"at most {MOST_BYTES} bytes", declared.decode("latin-1")))(
                scope, receive, send
            )
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > MOST_BYTES:
                raise Refused("TOO_LARGE", "body", f"at most {MOST_BYTES} bytes", "more")
            return message

        await self._app(scope, counted, send)


def problem_of(refusal: Refused) -> dict[str, Any]:
    """Write a refusal as a Problem."""
    named = {name: str(getattr(refusal, name)) for name in ("reason", "field", "wanted", "got")}
    return {**named, "message": str(refusal), "seq": refusal.seq}


def _answer(refusal: Refused) -> JSONResponse:
    return JSONResponse(problem_of(refusal), refusal.status)


def _malformed(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, RequestValidationError) and error.errors():
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return _answer(Refused("MALFORMED", place, first["msg"], repr(first.get("input"))[:80]))
    return _answer(Refused("MALFORMED", "request", "a request as /openapi.json describes it", str(error)[:80]))


def _other(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error.__cause__, Refused):  # a body that grew too large while it was read
        return _answer(error.__cause__)
    status = error.status_code if isinstance(error, HTTPException) else 500
    told = str(error.detail) if isinstance(error, HTTPException) else "an error of ours"
    reason = {400: "MALFORMED", 404: "NOT_FOUND", 405: "NOT_ALLOWED"}.get(status, "REFUSED")
    named = {"reason": reason, "field": "request", "wanted": "a path and method of /openapi.json", "got": told}
    return JSONResponse({**named, "message": told, "seq": -1}, status, getattr(error, "headers", None))


def _refused(_: Request, error: Exception) -> JSONResponse:
    return _answer(error) if isinstance(error, Refused) else _other(_, error)


def to_json(value: Any) -> Response:
    """Answer with a value as JSON."""
    return Response(msgspec.json.encode(value), media_type="application/json")


def guard(app: FastAPI) -> None:
    """Answer whatever goes wrong with a Problem."""
    app.add_middleware(Limit)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _other)
