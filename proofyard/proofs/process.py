"""Run other people's programs: with what they used, a limit to their time, and none left behind."""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple, Self, cast

from proofyard.core.errors import Fault
from proofyard.tools import children

KIB_PER_RSS = 1024 if sys.platform == "darwin" else 1  # macOS reports bytes, Linux KiB
LOOK_S = 0.05  # between the first looks at a program's memory
RARELY_S = 0.4  # between later ones: each takes time that the program could use
_living: dict[int, "subprocess.Popen[Any]"] = {}
_lock = threading.Lock()


class Used(NamedTuple):
    """What a program used."""

    wall_ms: int
    cpu_ms: int
    peak_mib: int


class Died(Fault):
    """A program was killed or crashed, which may be the machine's fault: worth another try.

    Attributes
    ----------
    crashed : it was not killed: one of its files may be damaged
    """

    def __init__(self, message: str, *, crashed: bool = False) -> None:
        super().__init__(message)
        self.crashed = crashed


@atexit.register
def kill_all() -> None:
    """End every program that still runs."""
    with _lock:
        for process in _living.values():
            process.kill()


def start(command: Sequence[str | Path], environment: Mapping[str, str], **pipes: Any) -> "subprocess.Popen[Any]":
    """Start a program that ends with us, however we end."""
    process = subprocess.Popen(  # noqa: S603 - our own tools, no shell
        [str(part) for part in command], env={**os.environ, **environment}, start_new_session=True, **pipes
    )
    children.began(process.pid)
    with _lock:
        _living[process.pid] = process
    return process


def reap(process: "subprocess.Popen[Any]", began: float) -> Used:
    """Wait for the end of a program."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    children.ended(process.pid)
    with _lock:
        _living.pop(process.pid, None)
    cpu_ms = round(1000 * (usage.ru_utime + usage.ru_stime))
    return Used(round(1000 * (time.monotonic() - began)), cpu_ms, usage.ru_maxrss // KIB_PER_RSS // 1024)


class _Watch:
    """Ends a program that takes too long, and notes its memory: what the system says at its end may be ours.

    Linux counts the memory of whoever started a program as the program's own, up to the moment it was loaded.
    """

    def __init__(self, process: "subprocess.Popen[Any]", limit_s: float) -> None:
        self._process, self._ends, self._peak_kib = process, time.monotonic() + limit_s, 0
        self._status = Path(f"/proc/{process.pid}/status")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        pause = LOOK_S
        while not self._done.wait(min(pause, max(0.0, self._ends - time.monotonic()))):
            pause = min(RARELY_S, 1.25 * pause)
            if time.monotonic() >= self._ends:
                with suppress(ProcessLookupError):
                    os.kill(self._process.pid, signal.SIGKILL)
                return
            with suppress(OSError):  # not Linux, or gone
                text = self._status.read_text(encoding="ascii")
                self._peak_kib = max(self._peak_kib, int(text.partition("VmHWM:")[2].partition("kB")[0] or 0))

    def corrected(self, used: Used) -> Used:
        """Put in what was seen, unless the program was too quick to be seen."""
        self.stop()
        return used._replace(peak_mib=self._peak_kib // 1024) if self._peak_kib else used

    def stop(self) -> None:
        """Look no more: the program has ended."""
        self._done.set()
        self._thread.join()


def run(command: Sequence[str | Path], environment: Mapping[str, str], *, limit_s: float) -> tuple[int, str, Used]:
    """Run a program to its end; return exit code, the end of what it said, and what it used.

    Raises
    ------
    Died : a signal ended it, or it took longer than `limit_s`.
    """
    began = time.monotonic()
    with TemporaryFile() as said:
        process = start(command, environment, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        watch = _Watch(process, limit_s)
        try:
            used = watch.corrected(reap(process, began))
        finally:
            watch.stop()
        said.seek(max(0, said.tell() - 4_000))
        text = said.read().decode(errors="replace")
    name = Path(command[0]).name
    if process.returncode < 0:
        why = f"took longer than {limit_s:.0f} s" if used.wall_ms >= 1000 * limit_s else "was killed"
        number = signal.Signals(-process.returncode)
        said = f"{name} {why} ({number.name}) after {used.wall_ms / 1000:.1f} s and {used.peak_mib} MiB"
        raise Died(said, crashed=number != signal.SIGKILL)
    return process.returncode, text, used


def check_written(answer: Mapping[str, Any], file: Path) -> None:
    """Raise Fault if a script's answer is that the system would not let it write a file."""
    if answer.get("system"):
        wanted = "free some space, or set TMPDIR to a folder on a larger disk"
        raise Fault(f"{file}: wanted to write it, got: {answer['error']}; {wanted}.")


class Lines:
    """A program that answers one line of JSON with one line of JSON."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._began = time.monotonic()
        self._process = start(command, {}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._into, self._from = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)

    @property
    def pid(self) -> int:
        """The program's own process."""
        return self._process.pid

    def ask(self, question: object) -> dict[str, Any]:
        """Ask and wait for the answer. Raises Died if the program has ended."""
        try:
            self._into.write(json.dumps(question).encode() + b"\n")
            self._into.flush()
            line = self._from.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            killed = ended is not None and (ended.si_code, ended.si_status) == (os.CLD_KILLED, signal.SIGKILL)
            raise Died(f"the witness maker (node) {'was killed' if killed else 'ended'}", crashed=not killed)
        return json.loads(line)

    def close(self) -> Used:
        """End the program."""
        for pipe in (self._into, self._from):
            try:
                pipe.close()
            except BrokenPipeError:
                continue
        return reap(self._process, self._began)

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()
