"""How many proofs a node makes at once."""

import asyncio

from proofyard.network.settings import Watched


class Slots:
    """Proofs under way, as many as the settings allow now."""

    def __init__(self, settings: Watched) -> None:
        self._settings = settings
        self._busy = 0
        self._free = asyncio.Condition()
        self._waking: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> None:
        """Wait for a place."""
        async with self._free:
            await self._free.wait_for(lambda: self._busy < self._settings.now.capacity)
            self._busy += 1

    async def __aexit__(self, *_: object) -> None:
        """Give it up."""
        self._busy -= 1
        self.look()

    def look(self) -> None:
        """Let those who wait see whether there is a place."""
        waking = asyncio.create_task(self._wake())
        self._waking.add(waking)
        waking.add_done_callback(self._waking.discard)

    async def _wake(self) -> None:
        async with self._free:
            self._free.notify_all()
