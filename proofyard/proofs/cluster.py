"""Workers on a Ray cluster: the same tasks, on machines that may differ.

Each worker is an actor with a backend of its own; its machine installs tools and builds circuits into its own cache
on first use. A task asks for threads and memory, so Ray puts joins where 2 GB are free. Machines started with
`ray start --resources '{"proofyard": 1}'` are preferred to all others: give `PROOFYARD_RAY_RESOURCE=proofyard`.
"""

import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from typing import Any

from proofyard.core.errors import Fault
from proofyard.proofs.backend import ProofBackend
from proofyard.proofs.process import Died
from proofyard.proofs.workers import WORKER_MIB, Done, Task, peak_mib, work

RESOURCE_VARIABLE = "PROOFYARD_RAY_RESOURCE"
LOCAL = "local"
CONNECT_S = 10
LOOK_S = 0.5  # how often a task that waits for a machine looks for an idle worker


def check_reachable(address: str) -> None:
    """Raise Fault unless somebody listens at HOST:PORT: Ray would wait for minutes. Other addresses are left to Ray."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise Fault(f"--ray: no Ray cluster at {address}: {error}") from None


class _Actor:
    """Runs on a machine of the cluster."""

    def __init__(self, make: Callable[[], ProofBackend]) -> None:
        self._backend = make()

    def where(self) -> str:
        """Name this machine."""
        return os.uname().nodename

    def work(self, task: Task) -> Any:
        """Prove one part."""
        return work(self._backend, task)


class RayWorkers:
    """Workers on a cluster.

    Parameters
    ----------
    address : of the cluster; `local` starts one on this machine
    make : makes a backend on a worker's machine
    count : workers; 0 for one for each core of the cluster
    """

    def __init__(self, address: str, make: Callable[[], ProofBackend], count: int = 0) -> None:
        try:
            self._ray: Any = import_module("ray")
        except ImportError:
            raise Fault(
                "--ray: wanted the Python package ray, it is not installed: pip install 'proofyard[ray]'."
            ) from None
        check_reachable(address)
        try:
            self._ray.init(address=None if address == LOCAL else address, log_to_driver=False, logging_level="error")
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise Fault(f"--ray: no Ray cluster at {address}: {str(error).splitlines()[0]}") from None
        have: dict[str, float] = self._ray.cluster_resources()
        self.cores = max(1, int(have.get("CPU", 1)))
        self.most = count or self.cores
        self.mib = int(have.get("memory", 0)) // 2**20
        self._make = make
        self._idle: list[tuple[Any, str]] = []
        self._lock = threading.Lock()
        self._started = 0

    def submit(self, task: Task) -> "Future[Done]":
        """Give a task to an idle actor, or to a new one."""
        future: Future[Done] = Future()
        threading.Thread(target=self._run, args=(task, future), daemon=True).start()
        return future

    def _actor(self) -> tuple[Any, str]:
        """Take an idle actor, or start one; take one that falls idle before a new one has found room."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            self._started += 1
            name = f"{self._started}"
        label = os.environ.get(RESOURCE_VARIABLE, "")
        options: dict[str, Any] = {"num_cpus": 1, "memory": (WORKER_MIB + peak_mib(0)) * 2**20}
        if label:
            options["resources"] = {label: 1 / 1_024}
        actor = self._ray.remote(_Actor).options(**options).remote(self._make)
        where = actor.where.remote()
        while not self._ray.wait([where], timeout=LOOK_S)[0]:  # the machine it would have had may be gone for good
            with self._lock:
                if self._idle:
                    self._ray.kill(actor)
                    return self._idle.pop()
        return actor, f"{self._ray.get(where)} {name}"

    def _run(self, task: Task, future: "Future[Done]") -> None:
        """Wait for one task; an actor that died is replaced by the next task."""
        exceptions: Any = self._ray.exceptions
        try:
            actor, name = self._actor()
            proof, spent = self._ray.get(actor.work.remote(task))
        except exceptions.RayTaskError as error:
            future.set_exception(error.cause if isinstance(error.cause, Exception) else Fault(str(error)))
        except exceptions.RayError as error:
            future.set_exception(Died(f"a worker of the Ray cluster was lost: {str(error).splitlines()[0]}"))
        except Exception as error:  # noqa: BLE001 - whoever waits for the future gets it
            future.set_exception(error)
        else:
            with self._lock:
                self._idle.append((actor, name))
            future.set_result(Done(proof, spent, name))

    def stop(self) -> None:
        """Leave the cluster; actors end with us."""
        self._ray.shutdown()
