"""The market's clock: ms since genesis during which somebody wrote the journal. It stands still while nobody does.

So an outage of the coordinator moves every deadline by as long as it lasted: no prover is slashed for a proof that
nobody was there to take. The machine's time of day is looked at once, when a writer starts; from then on what is
written beside rows, and what messages expire by, goes on with the machine's own seconds, whatever that clock jumps to.
"""

import time
from collections.abc import Callable

NS_PER_MS = 1_000_000


def _since_boot() -> int:
    """Nanoseconds since the machine started, in which, unlike the monotonic clock's on Linux, its sleep counts."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic_ns()


class Clock:
    """Goes on from `start` ms.

    Parameters
    ----------
    start : ms of market time
    floor : ms since 1970 that `unix` never falls below
    monotonic, since_boot, wall : ns; the machine's own clocks, or a test's
    """

    def __init__(
        self,
        start: int,
        floor: int = 0,
        monotonic: Callable[[], int] = time.monotonic_ns,
        since_boot: Callable[[], int] = _since_boot,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self._monotonic, self._since_boot = monotonic, since_boot
        self._offset = start - monotonic() // NS_PER_MS
        self._booted = max(floor, wall() // NS_PER_MS) - since_boot() // NS_PER_MS
        self._held: int | None = None  # ms of market time while it stands still

    def now(self) -> int:
        """Return ms of market time."""
        return self._monotonic() // NS_PER_MS + self._offset if self._held is None else self._held

    def hold(self) -> None:
        """Stand still; once is enough."""
        self._held = self.now()

    def go_on(self) -> None:
        """Go on from where it stands, if it does."""
        if self._held is not None:
            self._offset, self._held = self._held - self._monotonic() // NS_PER_MS, None

    def unix(self) -> int:
        """Return ms since 1970; never less than before, so what expired stays expired."""
        return self._since_boot() // NS_PER_MS + self._booted
