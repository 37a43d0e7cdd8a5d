"""The journal as its writer uses it: in a thread of its own; or in place, where that takes less than the way there."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from proofyard.network.journal import Journal
from proofyard.network.records import Blob, Row

RECENT = 8  # commits that a mean is about
QUICK_S = 0.0005  # a commit during which everything else may wait


class Disk:
    """Writes one journal.

    Attributes
    ----------
    commit_s : how long a commit took of late
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._thread = ThreadPoolExecutor(1, "journal")
        self._under_way: set[Future[Any]] = set()
        self.commit_s = 0.0

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

    async def append(self, rows: Sequence[Row], blobs: Sequence[Blob], *, here: bool) -> None:
        """Append a group, `here` in place. Raises JournalError."""
        began = time.monotonic()
        if here:
            self._journal.append(rows, blobs)
        else:
            await self.do(self._journal.append, rows, blobs)
        took = time.monotonic() - began
        self.commit_s += (took - self.commit_s) / (RECENT if self.commit_s else 1)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()
