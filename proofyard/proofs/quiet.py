"""How much of this machine other programs took while we measured, and what a time would have been without them.

Times on the clock say little on a busy machine; CPU time says how much work there was, not how long it takes with
several threads. In between: of `cores * wall` CPU seconds others took a share, so alone we need the rest of the time,
but never less than our own CPU time on that many threads.
"""

import os
import time

import psutil

IDLE = ("idle", "iowait")
DOUBLE = ("guest", "guest_nice")  # counted as user time already


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def _busy_s() -> float:
    """CPU seconds that anybody used on our cores since the machine started."""
    each = psutil.cpu_times(percpu=True)
    rows = [each[core]._asdict() for core in _cores() if core < len(each)]
    return sum(seconds for row in rows for kind, seconds in row.items() if kind not in IDLE + DOUBLE)


class Meter:
    """Watches who uses the processors, from now on."""

    def __init__(self) -> None:
        self._began, self._busy, self._self = time.monotonic(), _busy_s(), time.process_time()

    def others(self, own_cpu_ms: float) -> float:
        """Share of our cores that others took since the start, 0 to 1.

        Parameters
        ----------
        own_cpu_ms : CPU time of the programs we started; that of this process is known
        """
        passed = time.monotonic() - self._began
        own = own_cpu_ms / 1000 + time.process_time() - self._self
        return min(max((_busy_s() - self._busy - own) / max(passed * len(_cores()), 1e-9), 0.0), 1.0)


def undisturbed(wall_ms: float, cpu_ms: float, threads: int, others: float) -> float:
    """Estimate what a time would have been if nobody else had used the machine, ms.

    >>> undisturbed(50_000, 45_000, 2, 0.4), undisturbed(10_000, 5_000, 1, 0.7), undisturbed(5_100.0, 5_000, 1, 0.0)
    (30000.0, 5000.0, 5100.0)
    """
    return min(wall_ms, max(cpu_ms / threads, wall_ms * (1 - others)))
