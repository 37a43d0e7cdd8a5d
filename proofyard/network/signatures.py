"""Signatures, checked beside the writer when many come at once: recovering a key takes longer than all else together.

A few are checked where they are. More go to helpers, processes of their own that are fed over standard input and end
when the market does, however that ends; answers come in the order of the messages. While helpers start, or if one
fails, signatures are checked here.
"""

import asyncio
import contextlib
import logging
import os
import signal
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO, NamedTuple

from proofyard.network.messages import Domain, digest_of, signer
from proofyard.network.records import unpack
from proofyard.network.watching import tell

COMMAND = (sys.executable, "-m", "proofyard.network.signatures")
FEW = 4  # messages that are checked here sooner than they get there and back
FRAME = 32  # messages sent at once
HELPERS = min(2, os.cpu_count() or 1)  # as many as keep up with the writer
AHEAD = 2 * HELPERS  # frames under way
REST_S = 60.0  # s after a failure without helpers
HASH, ADDRESS = 32, 20  # bytes
_LENGTH = struct.Struct(">I")
log = logging.getLogger("proofyard.coordinator")


class Checked(NamedTuple):
    """What a signature says.

    Attributes
    ----------
    signed_hash : 32 bytes, what was signed
    signer : address, "" for nobody's
    """

    signed_hash: bytes
    signer: str


class _Waiting(NamedTuple):
    body: bytes
    then: Callable[[Checked], None]


class _Helper(NamedTuple):
    process: asyncio.subprocess.Process
    source: asyncio.StreamReader
    sink: asyncio.StreamWriter


def check_body(body: bytes, domain: Domain) -> Checked:
    """Say who signed a body as it stands in a journal: verb, message and signature. The message must be well formed."""
    read = unpack(body)
    signed_hash = digest_of(read["verb"], read["message"], domain)
    return Checked(signed_hash, signer(signed_hash, bytes.fromhex(read["signature"][2:])))


class Signatures:
    """Checks the signatures of messages for one market, in the order they come."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._working: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._helpers: list[_Helper] = []
        self._turn = 0  # whose frame is next
        self.unchecked = 0  # messages that are not answered yet
        self._rests_until = 0.0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def beside(self) -> bool:
        """Whether there are helpers."""
        return bool(self._helpers)

    def check_then(self, body: bytes, domain: Domain, then: Callable[[Checked], None]) -> None:
        """Find out who signed what, and go on with `then`; `body` as in `check_body`."""
        self._waiting.append(_Waiting(body, then))
        self.unchecked += 1
        if self._working is None:
            self._working = asyncio.create_task(self._work(domain))

    async def check(self, body: bytes, domain: Domain) -> Checked:
        """Say who signed what; `body` as in `check_body`."""
        answer: asyncio.Future[Checked] = asyncio.get_running_loop().create_future()
        self.check_then(body, domain, lambda checked: None if answer.done() else answer.set_result(checked))
        return await answer

    async def close(self) -> None:
        """End the helpers; what still waits is answered no more."""
        for task in (self._working, self._starting):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._working = None
        await self._end()

    async def _end(self) -> None:
        helpers, self._helpers = self._helpers, []
        await _kill(helpers)

    async def _work(self, domain: Domain) -> None:
        """Take what waits until nothing does."""
        try:
            while self._waiting:
                if len(self._waiting) >= FEW and await self._is_ready(domain):
                    await self._beside(domain)
                else:
                    for _ in range(min(FEW, len(self._waiting))):
                        self._settle([self._waiting.popleft()], domain)
                    await asyncio.sleep(0)
        finally:
            self._working = None

    async def _is_ready(self, domain: Domain) -> bool:
        """Say whether there are helpers; if not, start them meanwhile."""
        if not self._helpers and self._starting is None and time.monotonic() >= self._rests_until:
            self._starting = asyncio.create_task(self._start(domain))
        return bool(self._helpers)

    async def _start(self, domain: Domain) -> None:
        started: list[_Helper] = []
        try:
            for _ in range(HELPERS):
                started.append(await _begin(domain))  # noqa: PERF401 - if the next one fails, this one has to end
            for helper in started:
                await helper.source.readexactly(1)
            self._helpers, started = started, []
        except (OSError, asyncio.IncompleteReadError) as error:
            self._rest(error)
        finally:
            self._starting = None
            await _kill(started)

    def _rest(self, error: Exception) -> None:
        self._rests_until = time.monotonic() + REST_S
        tell(log, "signatures are checked in the market's own process", logging.WARNING, why=repr(error))

    async def _beside(self, domain: Domain) -> None:
        """Send frames and take answers until nothing waits; what a failure leaves unanswered is checked here."""
        frames: deque[tuple[_Helper, list[_Waiting]]] = deque()
        try:
            while frames or self._waiting:
                while self._waiting and (len(frames) < len(self._helpers) or self._is_worth_a_frame(len(frames))):
                    frames.append(self._send())
                helper, frame = frames[0]
                came = await helper.source.readexactly((HASH + ADDRESS) * len(frame))
                frames.popleft()
                self._answer(frame, came)
        except (OSError, asyncio.IncompleteReadError) as error:
            self._rest(error)
            for _, frame in frames:
                self._settle(frame, domain)
            await self._end()

    def _is_worth_a_frame(self, under_way: int) -> bool:
        """Say whether a helper that is busy should find another frame when it is done."""
        return under_way < AHEAD and len(self._waiting) >= FRAME

    def _send(self) -> tuple[_Helper, list[_Waiting]]:
        """Give the next helper its part of what waits."""
        helper = self._helpers[self._turn % len(self._helpers)]
        self._turn += 1
        part = -(-len(self._waiting) // len(self._helpers))
        frame = [self._waiting.popleft() for _ in range(min(FRAME, part))]
        helper.sink.write(_frame([each.body for each in frame]))
        return helper, frame

    def _settle(self, waiting: Sequence[_Waiting], domain: Domain) -> None:
        """Check here."""
        for body, then in waiting:
            self.unchecked -= 1
            then(check_body(body, domain))

    def _answer(self, waiting: Sequence[_Waiting], came: bytes) -> None:
        """Go on with what a helper has checked."""
        step = HASH + ADDRESS
        self.unchecked -= len(waiting)
        for k, (_, then) in enumerate(waiting):
            found = came[step * k + HASH : step * (k + 1)]
            address = "0x" + found.hex() if any(found) else ""
            then(Checked(came[step * k : step * k + HASH], address))


async def _begin(domain: Domain) -> _Helper:
    """Start a helper, which says a byte when it is ready. Raises OSError."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None  # noqa: S101 - asked for
    assert process.stdout is not None  # noqa: S101 - asked for
    process.stdin.write(domain.chain_id.to_bytes(HASH) + domain.contract + domain.market)
    return _Helper(process, process.stdout, process.stdin)


async def _kill(helpers: Sequence[_Helper]) -> None:
    for helper in helpers:
        with contextlib.suppress(ProcessLookupError):
            helper.process.kill()
    for helper in helpers:
        await helper.process.wait()


def _frame(bodies: Sequence[bytes]) -> bytes:
    parts = [_LENGTH.pack(len(bodies))]
    for body in bodies:
        parts += (_LENGTH.pack(len(body)), body)
    return b"".join(parts)


def _exactly(source: IO[bytes], size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise EOFError
    return data


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Check frames of bodies until there are no more: hash and address of each, zeros for nobody's."""
    try:
        chain_id = int.from_bytes(_exactly(source, HASH))
        domain = Domain(chain_id, _exactly(source, ADDRESS), _exactly(source, HASH))
        sink.write(b"\1")
        sink.flush()
        while True:
            (count,) = _LENGTH.unpack(_exactly(source, _LENGTH.size))
            for _ in range(count):
                (size,) = _LENGTH.unpack(_exactly(source, _LENGTH.size))
                signed_hash, address = check_body(_exactly(source, size), domain)
                sink.write(signed_hash + (bytes.fromhex(address[2:]) if address else bytes(ADDRESS)))
            sink.flush()
    except EOFError:
        return


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the market decides when it ends
    serve(sys.stdin.buffer, sys.stdout.buffer)
