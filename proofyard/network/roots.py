"""The sample rollup's roots on the chain: a contract that moves on by each of its batches that was proven and paid.

Batches follow each other, so a batch that nobody proved holds up all that come after it: it is asked for again in place
of the next new one. What is published with each step are the batch's transfers.
"""

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import AsyncGenerator, Iterator

from typing_extensions import override

from proofyard.chain import Kind, statement_of
from proofyard.core import Phase
from proofyard.core.errors import MarketError
from proofyard.network.client import AsyncMarket
from proofyard.network.orders import circuit_of, words
from proofyard.network.purse import Purse
from proofyard.network.requester import Asked, Requested, Rollup
from proofyard.network.watching import tell
from proofyard.network.work import Task

STATED = 5  # words of a statement that are about the rollup
LOOK_S = 1.0
log = logging.getLogger("proofyard.roots")


class Roots(Requested):
    """The batches of a rollup, and how far its contract is.

    Attributes
    ----------
    height : batches that the contract has moved on by

    Parameters
    ----------
    rollup : makes the batches
    purse : of who asks for their proofs
    market : where
    backend : name of whose proofs count
    """

    def __init__(self, rollup: Rollup, purse: Purse, market: AsyncMarket, backend: str) -> None:
        self._rollup, self._purse, self._market, self._backend = rollup, purse, market, backend
        self._made: list[Task] = []
        self._again: deque[Task] = deque()  # nobody proved them
        self._open: dict[int, Task] = {}  # by job, until it is final
        self._looking = asyncio.Lock()
        self.height = 0

    @override
    def tasks(self) -> Iterator[Task]:
        """Yield what to ask for: first what nobody proved, then batch after batch."""
        fresh = self._rollup.tasks()
        while True:
            if self._again:
                yield self._again.popleft()
            else:
                self._made.append(next(fresh))
                yield self._made[-1]

    @override
    def heard(self, task: Task, asked: Asked) -> None:
        """Note what became of asking."""
        if asked.accepted is None:
            self._again.append(task)
        else:
            self._open[asked.accepted.job] = task

    async def look(self) -> None:
        """Ask again for what nobody proved, and move the contract on as far as there are proofs. Raises MarketError."""
        async with self._looking:
            unfinished = {view["job"] for view in await self._market.jobs(unfinished=True)}
            for job in sorted(self._open.keys() - unfinished):
                view = await self._market.job(job)
                if Phase[view["phase"]] < Phase.SETTLED:
                    continue
                task = self._open.pop(job)
                if not view["paid_gwei"]:
                    self._again.append(task)
            await asyncio.to_thread(self._advance)

    def _advance(self) -> None:
        client = self._purse.client
        while self.height < len(self._made):
            task = self._made[self.height]
            stated = words(task.statement("0x0"))
            proven = statement_of(stated, Kind.ROLLUP)
            if not client.read("Settlement", "isProven", circuit_of(self._backend, task.size), proven):
                return
            published = json.dumps([list(step.transfer) for step in task.batch.steps], separators=(",", ":")).encode()
            client.do("Rollup", "advance", stated[:STATED], published, name=f"advance {self.height}")
            self.height += 1

    async def keep_up(self) -> None:
        """Look again and again, for ever."""
        while True:
            try:
                await self.look()
            except MarketError as error:
                tell(log, "the rollup's contract was not moved on", logging.WARNING, why=str(error))
            await asyncio.sleep(LOOK_S)

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncGenerator[None]:
        """Keep the contract up within an `async with` block."""
        keeping = asyncio.create_task(self.keep_up())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
