"""Signatures, checked beside the writer when many come at once: recovering a key takes longer than all else together.

A few are checked where they are. More go to threads, frame by frame, which recover keys without the interpreter's
lock; answers come in the order of the messages. Until the compiled loop is there, signatures are checked here.
"""

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from proofyard.network import recovery
from proofyard.network.messages import signer
from proofyard.network.watching import tell

FEW = 32  # messages that are checked here sooner than they get there and back
FRAME = 32  # messages to a thread at once
THREADS = min(2, os.cpu_count() or 1)  # as many as keep up with the writer
AHEAD = 2 * THREADS  # frames under way
log = logging.getLogger("proofyard.coordinator")


class _Waiting(NamedTuple):
    signed_hash: bytes
    signature: bytes
    then: Callable[[str], None]


class _Frame(NamedTuple):
    waiting: list[_Waiting]
    signers: "asyncio.Future[list[str]]"


class Signatures:
    """Finds out who signed, in the order of the calls; "" is nobody."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._working: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._loop: recovery.Loop | None = None
        self._threads = ThreadPoolExecutor(THREADS, "signatures")
        self.unchecked = 0  # messages that are not answered yet

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def beside(self) -> bool:
        """Whether threads do it."""
        return self._loop is not None

    def find_then(self, signed_hash: bytes, signature: bytes, then: Callable[[str], None]) -> None:
        """Find out who signed, and go on with `then`."""
        self._waiting.append(_Waiting(signed_hash, signature, then))
        self.unchecked += 1
        if self._working is None:
            self._working = asyncio.create_task(self._work())

    async def find(self, signed_hash: bytes, signature: bytes) -> str:
        """Say who signed."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.find_then(signed_hash, signature, lambda found: None if answer.done() else answer.set_result(found))
        return await answer

    async def close(self) -> None:
        """End the threads; what still waits is answered no more."""
        for task in (self._working, self._starting):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._working = None
        self._threads.shutdown()

    async def _work(self) -> None:
        """Take what waits until nothing does."""
        try:
            while self._waiting:
                loop = self._loop
                if len(self._waiting) >= FEW and loop is not None:
                    await self._beside(loop)
                    continue
                if len(self._waiting) >= FEW and self._starting is None:
                    self._starting = asyncio.create_task(self._start())
                for _ in range(min(FEW, len(self._waiting))):
                    self._check_next()
                await asyncio.sleep(0)
        finally:
            self._working = None

    async def _start(self) -> None:
        """Load the compiled loop, or leave it if it can't be: then all are checked here."""
        try:
            self._loop = await asyncio.get_running_loop().run_in_executor(self._threads, recovery.compiled)
        except (ImportError, OSError, RuntimeError) as error:
            tell(log, "signatures are checked one by one", logging.WARNING, why=repr(error))

    async def _beside(self, loop: recovery.Loop) -> None:
        """Hand out frames and take answers until nothing waits."""
        frames: deque[_Frame] = deque()
        while frames or self._waiting:
            while self._waiting and (len(frames) < THREADS or self._is_worth_a_frame(len(frames))):
                frames.append(self._hand_out(loop))
            found = await frames[0].signers
            waiting, _ = frames.popleft()
            self.unchecked -= len(waiting)
            for (*_, then), address in zip(waiting, found, strict=True):
                then(address)

    def _is_worth_a_frame(self, under_way: int) -> bool:
        """Say whether a thread that is busy should find another frame when it is done."""
        return under_way < AHEAD and len(self._waiting) >= FRAME

    def _hand_out(self, loop: recovery.Loop) -> _Frame:
        """Give a thread its part of what waits."""
        part = -(-len(self._waiting) // THREADS)
        waiting = [self._waiting.popleft() for _ in range(min(FRAME, part))]
        hashes, signatures = [each.signed_hash for each in waiting], [each.signature for each in waiting]
        running = asyncio.get_running_loop()
        return _Frame(waiting, running.run_in_executor(self._threads, recovery.signers, hashes, signatures, loop))

    def _check_next(self) -> None:
        """Check the next one here."""
        signed_hash, signature, then = self._waiting.popleft()
        self.unchecked -= 1
        then(signer(signed_hash, signature))
