"""How a client reaches a market: one of several addresses, tried in turn with growing pauses, for as long as wanted."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx

from proofyard.core.errors import Fault
from proofyard.network.refusals import STATUS, Refused

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
PASSING = ("STANDBY", "JOURNAL", "BUSY")  # refusals that another try may not get
SILENT_S = 60.0  # s without a sign of life after which a stream is taken for dead
FOR_EVER = float("inf")


class Away(Fault):
    """Nobody answered for as long as the client was patient."""


class Pauses:
    """Growing pauses between tries, each a bit random, so that not all come back at once.

    Parameters
    ----------
    patience_s : how long to try
    """

    def __init__(self, patience_s: float = FOR_EVER) -> None:
        self._ends = asyncio.get_running_loop().time() + patience_s
        self._next = FIRST_PAUSE_S

    @property
    def are_over(self) -> bool:
        """Say whether there is no time for another one."""
        return asyncio.get_running_loop().time() + self._next > self._ends

    async def rest(self) -> None:
        """Make one."""
        await asyncio.sleep(self._next * (0.5 + random.random()))  # noqa: S311 - no secret
        self._next = min(LONGEST_PAUSE_S, 2 * self._next)

    def begin_again(self) -> None:
        """Begin with short ones again."""
        self._next = FIRST_PAUSE_S


class Transport:
    """Asks a market.

    Parameters
    ----------
    url : of the market; several, separated by commas, are tried in turn
    patience_s : how long to try again while nobody answers
    """

    def __init__(self, url: str, patience_s: float) -> None:
        self.urls = [each.strip().rstrip("/") for each in url.split(",")]
        self.patience_s = patience_s
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(10, read=60), limits=httpx.Limits(max_connections=200))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        read: "Callable[[httpx.Response], Any] | None" = None,
    ) -> Any:
        """Ask until somebody answers. Raises Refused, Away."""
        pauses = Pauses(self.patience_s)
        headers = {"content-type": "application/json"} if body is not None else None
        while True:
            trouble: Exception
            try:
                answer = await self._http.request(method, self.urls[0] + path, content=body, headers=headers)
                if answer.is_success:
                    return read(answer) if read is not None else answer.json()
                trouble = _refusal(answer)
                if trouble.reason not in PASSING:
                    raise trouble
            except httpx.HTTPError as error:
                trouble = Away(f"{self.urls[0]}: wanted an answer, got {type(error).__name__}. Is the market running?")
            if pauses.are_over:
                raise trouble
            self.turn()
            await pauses.rest()

    def turn(self) -> None:
        """Try the next address first."""
        self.urls.append(self.urls.pop(0))

    async def rows(self, query: dict[str, str]) -> AsyncGenerator[dict[str, Any]]:
        """Follow the stream of rows until it ends, however it does."""
        timeout = httpx.Timeout(10, read=SILENT_S)
        try:
            async with self._http.stream("GET", self.urls[0] + "/v1/events", params=query, timeout=timeout) as answer:
                if answer.is_success:
                    async for line in answer.aiter_lines():
                        if line.startswith("data: "):
                            yield json.loads(line[6:])
        except httpx.HTTPError:
            return


def refusal_of(told: dict[str, Any]) -> Refused:
    """Read why not. Raises KeyError, TypeError when it is something else."""
    reason = told["reason"] if told["reason"] in STATUS else "MALFORMED"
    return Refused(reason, told["field"], told["wanted"], told["got"], told.get("seq", -1))


def _refusal(answer: httpx.Response) -> Refused:
    try:
        return refusal_of(answer.json())
    except (ValueError, KeyError, TypeError):
        reason = "BUSY" if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR else "MALFORMED"
        return Refused(reason, "request", "an answer of a market", f"status {answer.status_code}")
