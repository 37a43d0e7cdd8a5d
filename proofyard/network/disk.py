"""The journal as its writer uses it: in a thread of its own; or in place, where that takes less than the way there."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from proofyard.network.journal import Journal
from proofyard.network.records import Blob, Row
from proofyard.network.refusals import Refused

RECENT = 8  # commits that a mean is about
QUICK_S = 0.0005  # a commit during which everything else may wait


class Disk:
    """Writes one journal.

    Attributes
    ----------
    commit_s : how long a commit took of late
    seq : the newest durable row that was appended here
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._thread = ThreadPoolExecutor(1, "journal")
        self._under_way: set[Future[Any]] = set()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []  # rows somebody waits for
        self.commit_s = 0.0
        self.seq = -1

    @property
    def quick(self) -> bool:
        """Say whether a commit may be made in place: short of late, to a file, with the thread idle."""
        return self._journal.local and 0 < self.commit_s < QUICK_S and not self._under_way

    async def do(self, work: Callable[..., Any], *values: Any) -> Any:
        """Do something with the journal, in its thread."""
        future = self._thread.submit(work, *values)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return await asyncio.wrap_future(future)

    async def append(self, rows: Sequence[Row], blobs: Sequence[Blob], *, here: bool) -> float:
        """Append a group, `here` in place; return how long it took, s. Raises JournalError."""
        began = time.monotonic()
        if here:
            self._journal.append(rows, blobs)
        else:
            await self.do(self._journal.append, rows, blobs)
        took = time.monotonic() - began
        self.commit_s += (took - self.commit_s) / (RECENT if self.commit_s else 1)
        self.seq = rows[-1].seq if rows else self.seq
        if self._waiting:
            self._tell(lambda seq: seq <= self.seq, None)
        return took

    async def reach(self, seq: int) -> None:
        """Wait until a row is durable that was decided already. Raises Refused if it will not be."""
        if seq > self.seq:
            durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((seq, durable))
            await durable

    def give_up(self, why: Refused) -> None:
        """Tell whoever waits for a row that it is taken back."""
        self._tell(lambda _: True, why)

    def _tell(self, which: Callable[[int], bool], why: Refused | None) -> None:
        told = [durable for seq, durable in self._waiting if which(seq)]
        self._waiting = [each for each in self._waiting if not which(each[0])]
        for durable in told:
            if durable.done():  # nobody waits any more
                continue
            if why is None:
                durable.set_result(None)
            else:
                durable.set_exception(why)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()
