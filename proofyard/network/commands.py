"""What waits for its place in the order, what its sender gets, and the group that is made durable in one go."""

import asyncio
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from proofyard.network import stream
from proofyard.network.messages import Signed
from proofyard.network.records import Blob, Row, digest
from proofyard.network.refusals import Refused


class Receipt(NamedTuple):
    """What a sender gets for a command that was accepted."""

    seq: int
    time: int
    job: int
    actor: int
    hash: str


class Answer(Protocol):
    """Where a sender is told what became of a message: a future, or a part of `Told`."""

    def done(self) -> bool:
        """Say whether it is answered, or nobody waits for it any more."""
        ...

    def set_result(self, result: Receipt, /) -> None:
        """Answer."""
        ...

    def set_exception(self, exception: BaseException, /) -> None:
        """Answer with why not."""
        ...


class Told:
    """Answers to several messages that are given together.

    Attributes
    ----------
    all : their receipts and refusals, in order
    """

    def __init__(self, count: int) -> None:
        self.all: asyncio.Future[list[Receipt | Refused]] = asyncio.get_running_loop().create_future()
        self._told: list[Receipt | Refused | None] = [None] * count
        self._left = count

    def parts(self) -> "list[Part]":
        """Return where each is answered."""
        return [Part(self, k) for k in range(self._left)]

    def has(self, k: int) -> bool:
        """Say whether one is answered."""
        return self._told[k] is not None or self.all.done()

    def tell(self, k: int, answer: Receipt | Refused) -> None:
        """Answer one; the last completes them."""
        self._told[k] = answer
        self._left -= 1
        if not self._left and not self.all.done():
            self.all.set_result([each for each in self._told if each is not None])

    def fail(self, error: BaseException) -> None:
        """Give up: something went wrong that is no refusal."""
        if not self.all.done():
            self.all.set_exception(error)


class Part:
    """One answer of several."""

    __slots__ = ("_k", "_told")

    def __init__(self, told: Told, k: int) -> None:
        self._told, self._k = told, k

    def done(self) -> bool:
        """As an Answer."""
        return self._told.has(self._k)

    def set_result(self, result: Receipt, /) -> None:
        """As an Answer."""
        self._told.tell(self._k, result)

    def set_exception(self, exception: BaseException, /) -> None:
        """As an Answer."""
        if isinstance(exception, Refused):
            self._told.tell(self._k, exception)
        else:
            self._told.fail(exception)

    def take(self, task: "asyncio.Future[Receipt]") -> None:
        """Answer as a task was that has ended."""
        if task.cancelled():
            self._told.all.cancel()
        elif (error := task.exception()) is not None:
            self.set_exception(error)
        else:
            self.set_result(task.result())


@dataclass(slots=True)
class Command:
    """A message on its way to its place in the order; its word is known once it is admitted."""

    signed: Signed
    came: float  # s, monotonic
    now: int  # ms of market time when it came
    body: bytes  # of its row
    answer: Answer
    signed_hash: bytes  # what is signed, or would be alone; none in a sheet where no word is drawn
    sheet: Blob | None = None
    word: int = 0  # what a PROVE names


class Group:
    """Rows that follow one another and become durable together.

    Attributes
    ----------
    rows, blobs : what is written; the latter by name
    answers : the commands in it, each with its row
    told : what listeners get once it is durable
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.blobs: dict[bytes, Blob] = {}
        self.answers: list[tuple[Command, Row]] = []
        self.told: list[stream.Told] = []

    def add(self, command: Command, rows: list[Row]) -> None:
        """Put in what became of a command, and the bytes that its last row names."""
        self.rows += rows
        self.answers.append((command, rows[-1]))
        if command.sheet is not None:
            self.blobs[command.sheet.digest] = command.sheet
        if command.signed.payload:
            blob = Blob(digest(command.signed.payload), command.signed.payload)
            self.blobs[blob.digest] = blob

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
