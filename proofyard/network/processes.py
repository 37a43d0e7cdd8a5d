"""The processes of a live market: each with a log of its own, all ended with the run, whatever happens."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

from proofyard.core import Fault
from proofyard.tools import children

COMMAND = (sys.executable, "-m", "proofyard")
END_S = 120.0  # s a role has to finish what it has


class Processes:
    """What was started, to be stopped again, whatever happens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str, key: bytes) -> None:
        """Start a role; what it says goes to a file of its own."""
        log = (self._folder / f"{name.replace(' ', '-')}.log").open("ab")
        environment = {**os.environ, "PROOFYARD_KEY": key.hex()}
        with log:
            self._started[name] = subprocess.Popen([*COMMAND, *arguments], stdout=log, stderr=log, env=environment)  # noqa: S603 - our own command
        children.began(self._started[name].pid)

    def check(self) -> None:
        """Raise Fault if one has ended by itself."""
        for name, process in self._started.items():
            if process.poll() is not None:
                file = self._folder / f"{name.replace(' ', '-')}.log"
                lines = file.read_text(encoding="utf-8").strip().splitlines() or ["nothing said"]
                said = next((line for line in reversed(lines) if line.startswith("proofyard: ")), lines[-1])
                raise Fault(f"{name}: wanted it to run, it ended with {process.returncode}: {said} (all: {file})")

    def stop(self, *names: str) -> None:
        """Tell some (all) to finish; wait until they have."""
        chosen = [self._started.pop(name) for name in names or tuple(reversed(self._started)) if name in self._started]
        for process in chosen:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in chosen:
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            children.ended(process.pid)


@contextlib.contextmanager
def processes_in(folder: Path) -> Generator[Processes]:
    """Start processes with logs in `folder` within a `with` block; none outlives it."""
    started = Processes(folder)
    try:
        yield started
    finally:
        started.stop()
