"""Where parts of a job are proven: threads of this process that drive provers of their own, or other machines.

A worker holds a backend: for Noir that is a resident witness maker and one `bb` process for each proof. Memory decides
how many work at once, besides cores.
"""

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple, Protocol, Self

from proofyard.core.errors import BadInput
from proofyard.proofs.backend import Job, ProofBackend, Spent
from proofyard.proofs.statement import Proof
from proofyard.tools.memory import free_memory

# Most memory a proof took with bb 5.0.0 on x86-64, MiB: leaves by size, the joining circuit under 0.
PEAK_MIB = {0: 2_100, 4: 260, 16: 300, 64: 750}
GROTH16 = "groth16"
PEAK_GROTH16_MIB = {4: 750, 16: 1_800}  # snarkjs 0.7; as much goes into the circuit and its keys, once
WORKER_MIB = 220  # its witness maker
GRACE_S = 2  # for an idle worker to end its programs; a busy one, after a failure, isn't waited for
SHARE = 0.8  # of the free memory that may be used


class Task(NamedTuple):
    """A part ready to be proven: a job, or two proofs to join."""

    place: int
    threads: int
    job: Job | None = None
    children: tuple[Proof, ...] = ()
    last: bool = False
    backend: str = "noir"

    @property
    def mib(self) -> int:
        """Memory it takes, MiB."""
        return peak_mib(self.job.size if self.job else 0, self.backend)


class Done(NamedTuple):
    """A proof, what it took, and which worker made it."""

    proof: Proof
    spent: Spent
    worker: str


class Workers(Protocol):
    """A place where tasks run.

    Attributes
    ----------
    cores : that may work at once
    mib : memory for all tasks together, MiB
    most : tasks at once
    """

    cores: int
    mib: int
    most: int

    def submit(self, task: Task) -> "Future[Done]":
        """Start a task."""
        ...

    def stop(self) -> None:
        """Take no more tasks; idle workers end, and after a failure running ones do not matter any more."""
        ...


def peak_mib(size: int, backend: str = "noir") -> int:
    """Memory that proving a batch of `size` takes (0: a join), MiB; between known sizes the next larger."""
    peaks = PEAK_GROTH16_MIB if backend == GROTH16 else PEAK_MIB
    if size in peaks:
        return peaks[size]
    largest = max(peaks)
    return min((peak for k, peak in peaks.items() if k >= size), default=peaks[largest] * -(-size // largest))


def check_memory(wanted_mib: int, mib: int) -> None:
    """Raise BadInput unless a proof fits."""
    if wanted_mib > mib:
        wanted = f"at least {wanted_mib} MiB of free memory for one proof"
        raise BadInput("memory", wanted, f"{mib} MiB; free some, or take smaller batches")


def free_mib() -> int:
    """Memory this process may still take, MiB."""
    return free_memory() >> 20


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def work(backend: ProofBackend, task: Task) -> tuple[Proof, Spent]:
    """Prove one part with a backend."""
    backend.threads = task.threads
    if task.job is not None:
        return backend.prove(task.job), backend.spent
    return backend.join(task.children, last=task.last), backend.spent


class LocalWorkers:
    """Workers on this machine.

    Parameters
    ----------
    make : makes a backend for one worker
    count : workers; 0 for one a core
    mib : memory they may take together, MiB; 0 for most of what is free
    """

    def __init__(self, make: Callable[[], ProofBackend], count: int = 0, mib: int = 0) -> None:
        self.cores = cores()
        self.most = count or self.cores
        self.mib = mib or int(free_mib() * SHARE)
        self._make = make
        self._tasks: queue.SimpleQueue[tuple[Task, Future[Done]] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._run, args=(f"{i + 1}",)) for i in range(self.most)]
        for thread in self._threads:
            thread.daemon = True  # an interrupted job doesn't wait for its proofs
            thread.start()

    def submit(self, task: Task) -> "Future[Done]":
        """Start a task as soon as a worker is free."""
        check_memory(task.mib, self.mib)
        future: Future[Done] = Future()
        self._tasks.put((task, future))
        return future

    def _run(self, name: str) -> None:
        backend: ProofBackend | None = None
        while (item := self._tasks.get()) is not None:
            task, future = item
            try:
                backend = backend or self._make()
                proof, spent = work(backend, task)
            except BaseException as error:  # noqa: BLE001 - whoever waits for the future gets it
                future.set_exception(error)
            else:
                future.set_result(Done(proof, spent, name))
        if backend is not None:
            backend.close()

    def stop(self) -> None:
        """End idle workers and their programs; a worker that still proves ends after that."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(timeout=GRACE_S)

    def __enter__(self) -> Self:
        """Use them for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop them."""
        self.stop()
