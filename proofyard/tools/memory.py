"""How much memory is left."""

from pathlib import Path

import psutil

_GROUP = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Bytes this process and its workers may still take: of the machine, or of the container it is in."""
    free = int(psutil.virtual_memory().available)
    try:
        most, now = (int((_GROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
    except (OSError, ValueError):  # no such file, or "max": no limit
        return free
    return min(free, max(0, most - now))
