"""What waits for its place in the order, what its sender gets, and the group that is made durable in one go."""

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

from proofyard.network.messages import Signed
from proofyard.network.records import Blob, Row
from proofyard.network.stream import Told


class Receipt(NamedTuple):
    """What a sender gets for a command that was accepted."""

    seq: int
    time: int
    job: int
    actor: int
    hash: str


@dataclass(slots=True)
class Command:
    """A message on its way to its place in the order; the last two are known once it is admitted."""

    signed: Signed
    came: float  # s, monotonic
    now: int  # ms of market time when it came
    body: bytes  # of its row
    answer: "asyncio.Future[Receipt]"
    signed_hash: bytes = b""
    word: int = 0  # what a PROVE names


class Group:
    """Rows that follow one another and become durable together.

    Attributes
    ----------
    rows, blobs : what is written
    answers : the commands in it, each with its row
    told : what listeners get once it is durable
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.blobs: list[Blob] = []
        self.answers: list[tuple[Command, Row]] = []
        self.told: list[Told] = []

    def accept(self) -> None:
        """Tell all senders that it is durable."""
        for command, row in self.answers:
            if not command.answer.done():
                command.answer.set_result(Receipt(row.seq, row.time, row.job, row.actor, row.hash.hex()))


class Bell:
    """Wakes the one who waits; rung while nobody does, it does nothing."""

    def __init__(self) -> None:
        self._waiting: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Wait until it rings, so long at most."""
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = loop.call_later(seconds, self.ring)
        try:
            await self._waiting
        finally:
            timer.cancel()
