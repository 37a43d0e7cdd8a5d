"""Signatures, checked beside the writer when many come at once: recovering a key takes longer than all else together.

A few are checked where they are. More go, in order, to a process of their own over its standard input, which ends when
the market does, however that ends; while it starts, or if it fails, they are checked here.
"""

import asyncio
import contextlib
import json
import logging
import signal
import struct
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import IO, NamedTuple

from proofyard.network.messages import Domain, digest_of, signer
from proofyard.network.watching import tell

COMMAND = (sys.executable, "-m", "proofyard.network.signatures")
FEW = 4  # messages that are checked here sooner than they get there and back
FRAME = 32  # messages sent at once
AHEAD = 2  # frames under way
REST_S = 60.0  # s after a failure without the other process
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
    answer: "asyncio.Future[Checked]"


def check_body(body: bytes, domain: Domain) -> Checked:
    """Say who signed a body as it stands in a journal: verb, message and signature. The message must be well formed."""
    read = json.loads(body)
    signed_hash = digest_of(read["verb"], read["message"], domain)
    return Checked(signed_hash, signer(signed_hash, bytes.fromhex(read["signature"][2:])))


class Signatures:
    """Checks the signatures of messages for one market, in the order they come."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._working: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._rests_until = 0.0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def beside(self) -> bool:
        """Whether the other process is there."""
        return self._process is not None

    async def check(self, body: bytes, domain: Domain) -> Checked:
        """Say who signed what; `body` as in `check_body`."""
        answer: asyncio.Future[Checked] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(body, answer))
        if self._working is None:
            self._working = asyncio.create_task(self._work(domain))
        return await answer

    async def close(self) -> None:
        """End the other process; what still waits is answered no more."""
        for task in (self._working, self._starting):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._working = None
        await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _work(self, domain: Domain) -> None:
        """Take what waits until nothing does."""
        try:
            while self._waiting:
                if len(self._waiting) >= FEW and await self._is_ready(domain):
                    await self._beside(domain)
                else:
                    for _ in range(min(FEW, len(self._waiting))):
                        _settle([self._waiting.popleft()], domain)
                    await asyncio.sleep(0)
        finally:
            self._working = None

    async def _is_ready(self, domain: Domain) -> bool:
        """Say whether the other process is there; if not, start it meanwhile."""
        if self._process is None and self._starting is None and time.monotonic() >= self._rests_until:
            self._starting = asyncio.create_task(self._start(domain))
        return self._process is not None

    async def _start(self, domain: Domain) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            try:
                assert process.stdin is not None  # noqa: S101 - asked for
                assert process.stdout is not None  # noqa: S101 - asked for
                process.stdin.write(domain.chain_id.to_bytes(HASH) + domain.contract + domain.market)
                await process.stdout.readexactly(1)
            except BaseException:
                process.kill()
                raise
            self._process = process
        except (OSError, asyncio.IncompleteReadError) as error:
            self._rest(error)
        finally:
            self._starting = None

    def _rest(self, error: Exception) -> None:
        self._rests_until = time.monotonic() + REST_S
        tell(log, "signatures are checked in the market's own process", logging.WARNING, why=repr(error))

    async def _beside(self, domain: Domain) -> None:
        """Send frames and take answers until nothing waits; what a failure leaves unanswered is checked here."""
        process, frames = self._process, deque[list[_Waiting]]()
        assert process is not None  # noqa: S101 - _is_ready said so
        assert process.stdin is not None  # noqa: S101 - asked for
        assert process.stdout is not None  # noqa: S101 - asked for
        try:
            while frames or self._waiting:
                while self._waiting and len(frames) < AHEAD:
                    frames.append([self._waiting.popleft() for _ in range(min(FRAME, len(self._waiting)))])
                    process.stdin.write(_frame([each.body for each in frames[-1]]))
                came = await process.stdout.readexactly((HASH + ADDRESS) * len(frames[0]))
                _answer(frames.popleft(), came)
        except (OSError, asyncio.IncompleteReadError) as error:
            self._rest(error)
            for frame in frames:
                _settle(frame, domain)
            await self._end()


def _settle(waiting: Sequence[_Waiting], domain: Domain) -> None:
    """Check here."""
    for body, answer in waiting:
        if not answer.done():
            answer.set_result(check_body(body, domain))


def _answer(waiting: Sequence[_Waiting], came: bytes) -> None:
    step = HASH + ADDRESS
    for k, (_, answer) in enumerate(waiting):
        found = came[step * k + HASH : step * (k + 1)]
        if not answer.done():
            address = "0x" + found.hex() if any(found) else ""
            answer.set_result(Checked(came[step * k : step * k + HASH], address))


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
