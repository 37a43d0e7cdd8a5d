"""Where work is done: processes on this machine, or an existing Ray cluster. One interface, for `lab.runner`."""

import contextlib
import importlib
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import wait as wait_for_end
from multiprocessing.context import ForkServerContext
from typing import Any, NamedTuple, Protocol

import proofyard
from proofyard.core.errors import BadInput, MarketError
from proofyard.engine import cache
from proofyard.tools.memory import free_memory

Work = Callable[[Any], Any]

USED = 0.8  # share of the free memory that runs may take; the rest is the system's
LOOK_S = 0.5  # between two looks at workers that say nothing
CONNECT_S = 5.0  # until a Ray address counts as unreachable
_KIB = 1 if sys.platform == "darwin" else 1024  # unit of ru_maxrss


class Done(NamedTuple):
    """A chunk of tasks that was done."""

    results: list[Any]
    error: MarketError | None  # the first one raised on purpose; results end there
    peak: int  # bytes, most the worker ever held
    seconds: float


class Pool(Protocol):
    """Does chunks of tasks; `deaths` counts workers that died."""

    deaths: int

    def room(self, peak: int) -> int:
        """Say how many chunks may be under way when a worker needs up to `peak` bytes, 0 unknown."""
        ...

    def submit(self, work: Work, chunk: Sequence[Any]) -> Any:
        """Start a chunk; returns its handle."""
        ...

    def wait(self, handles: Sequence[Any]) -> list[tuple[Any, Done | None]]:
        """Wait until some are over; None for those whose worker died."""
        ...

    def close(self) -> None:
        """Stop all workers, at once."""
        ...


def do(work: Work, chunk: Sequence[Any]) -> Done:
    """Do the tasks of a chunk one after another, in the worker."""
    start, error = time.perf_counter(), None
    results: list[Any] = []
    try:
        for task in chunk:
            results.append(work(task))  # noqa: PERF401 - what was done before an error counts
    except MarketError as raised:
        error = raised
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
    return Done(results, error, peak, time.perf_counter() - start)


def _enter() -> None:
    """Make a worker leave Ctrl-C to its parent, and end when the parent does, however that ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            wait_for_end([parent.sentinel])
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def call_workers() -> None:
    """Begin to load what workers are forked from, in a process beside this one; returns at once."""
    _context()
    forkserver.ensure_running()


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")  # threads of ours (tables, bars) make a plain fork unsafe
    context.set_forkserver_preload(["proofyard.lab.warm"])
    return context


def _check_program() -> None:
    """Refuse a program that is no file: each worker imports it, and would end at once. Raises BadInput."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is not None and not os.path.exists(file):  # noqa: PTH110 - `<stdin>` is no path
        raise BadInput("program", "a file, which every worker process imports", f"{file}, a program typed in or piped")


class Processes:
    """Worker processes on this machine, at most one a core, fewer where memory is short."""

    def __init__(self, workers: int | None = None) -> None:
        _check_program()
        self.workers = workers or os.cpu_count() or 1
        self.deaths = 0
        self.budget = free_memory() * USED
        self.executor = self._start()
        self._given: dict[futures.Future[Done], futures.ProcessPoolExecutor] = {}  # what is under way, and to whom

    def _start(self) -> futures.ProcessPoolExecutor:
        return futures.ProcessPoolExecutor(self.workers, _context(), _enter)

    def room(self, peak: int) -> int:
        """Say how many chunks may be under way; two until the first has told what it needs.

        One more than there are workers, where memory is no matter: who is done finds it at the door.
        """
        fitting = int(self.budget // peak) if peak else 2
        return max(1, min(self.workers + 1, fitting))

    def submit(self, work: Work, chunk: Sequence[Any]) -> "futures.Future[Done]":
        """Start a chunk in some worker."""
        try:
            handle = self.executor.submit(do, work, chunk)
        except BrokenProcessPool:
            self._replace()
            handle = self.executor.submit(do, work, chunk)
        self._given[handle] = self.executor
        return handle

    def wait(self, handles: Sequence["futures.Future[Done]"]) -> list[tuple[Any, Done | None]]:
        """Wait for some; when a worker died, all that were under way are lost and new workers start, once."""
        over, _ = futures.wait(handles, LOOK_S, futures.FIRST_COMPLETED)
        while not over:
            self._look_for_deaths()
            over, _ = futures.wait(handles, LOOK_S, futures.FIRST_COMPLETED)
        found: list[tuple[Any, Done | None]] = []
        broken = False
        for handle in over:
            given = self._given.pop(handle)
            try:
                found.append((handle, handle.result()))
            except BrokenProcessPool:
                broken |= given is self.executor  # else its death was told by another of those it took along
                found.append((handle, None))
        if broken:
            self._replace()
        return found

    def _look_for_deaths(self) -> None:
        """Wake the executor when a worker has died: it watches only those it knew of when it began to wait."""
        workers: list[Any] = list((self.executor._processes or {}).values())  # noqa: SLF001
        if any(worker.exitcode is not None for worker in workers):
            with suppress(BrokenProcessPool):
                self.executor.submit(int)

    def _replace(self) -> None:
        """Start anew after a death; whoever is left of the old workers is stopped.

        The executor does that itself, but for a worker that it was just starting when the other died: that one waits
        for work for ever, the executor for it, and Python, at its end, for the executor.
        """
        self.deaths += 1
        self._kill()
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.executor = self._start()

    def _kill(self) -> None:
        workers: list[Any] = list((self.executor._processes or {}).values())  # noqa: SLF001
        for worker in workers:  # the executor itself only waits (terminate_workers comes with Python 3.14)
            worker.kill()

    def close(self) -> None:
        """Stop the workers, also those in the middle of something."""
        self._kill()
        self.executor.shutdown(wait=True, cancel_futures=True)


class Ray:
    """Workers of a Ray cluster that exists; each node needs the same version of Proofyard."""

    def __init__(self, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # we report to nobody
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray's own future default; it warns otherwise
        try:
            ray: Any = importlib.import_module("ray")  # an extra, and slow to import
        except ImportError:
            raise BadInput("--ray", "the extra `ray` (pip install 'proofyard[ray]')", "none") from None
        _check_reachable(address)
        self.ray = ray
        self.aside = contextlib.redirect_stdout(sys.stderr)  # where Ray tells of dead nodes; ours is for results
        self.aside.__enter__()
        self.deaths = 0
        self.ours = not ray.is_initialized()
        if self.ours:
            try:
                ray.init(address=address, log_to_driver=False, logging_level="ERROR")
            except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
                self.close()
                said = str(error).strip().splitlines()
                raise BadInput("--ray", _WANTED, f"{address} ({said[0] if said else type(error).__name__})") from None
        self.remote: Any = ray.remote(max_retries=0, num_cpus=1)(do)
        self._check_version(address)

    def _check_version(self, address: str) -> None:
        theirs: Any = self.ray.get(self.ray.remote(_version).remote())
        if theirs != _version():
            self.close()
            raise BadInput("--ray", f"a cluster with Proofyard {_version()}", f"{address} with {theirs}")

    def room(self, peak: int) -> int:  # noqa: ARG002 - Ray watches the memory of its nodes itself
        """Give every core of the cluster two chunks, so that none waits for us."""
        return max(2, 2 * int(self.ray.cluster_resources().get("CPU", 1)))

    def submit(self, work: Work, chunk: Sequence[Any]) -> Any:
        """Start a chunk somewhere in the cluster."""
        return self.remote.remote(work, chunk)

    def wait(self, handles: Sequence[Any]) -> list[tuple[Any, Done | None]]:
        """Wait for some; a worker, a node or a result that is gone counts as a death."""
        over, _ = self.ray.wait(list(handles), num_returns=1)
        found: list[tuple[Any, Done | None]] = []
        for handle in over:
            try:
                found.append((handle, self.ray.get(handle)))
            except self.ray.exceptions.RayTaskError:
                raise
            except self.ray.exceptions.RayError:
                self.deaths += 1
                found.append((handle, None))
        return found

    def close(self) -> None:
        """Leave the cluster; what is under way there is dropped."""
        if self.ours:
            self.ray.shutdown()
        self.aside.__exit__(None, None, None)


_WANTED = "the address of a Ray cluster that answers, e.g. 10.0.0.1:6379, or auto"


def _version() -> str:
    """Version of Proofyard with the digest of what it compiles."""
    return f"{proofyard.__version__} ({cache.folder().name})"


def _check_reachable(address: str) -> None:
    """Knock at host:port first: Ray itself waits long and says much. Raises BadInput."""
    if address == "auto":
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal() or not host:
        raise BadInput("--ray", _WANTED, repr(address))
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadInput("--ray", _WANTED, f"{address} ({why})") from None
