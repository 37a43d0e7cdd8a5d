"""Many runs: the one place where `simulate --seeds`, `compare`, `sweep` and `attack` get their work done.

The first tasks are done in this process. What would take longer than a moment goes to worker processes on all cores,
or to a Ray cluster. Finished tasks are kept in a store, if there is one, and not done again. A worker that dies is
counted and its tasks are done again, three times at most; after a death they go one by one, so that the task that kills
is told from those that were beside it.
"""

import functools
import hashlib
import importlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from proofyard.core.errors import Fault
from proofyard.engine import cache, kernels
from proofyard.engine.world import rule_of
from proofyard.lab.pools import Pool, Processes, Ray, call_workers
from proofyard.lab.store import Store
from proofyard.scenario import Scenario
from proofyard.tools.cache import digest_files

T = TypeVar("T")
R = TypeVar("R")

PATIENCE_S = 0.7  # of work in this process before others are called: about what starting them costs
LOOK_S = 0.05  # of work before it says anything about the rest
CHUNK_S = 0.25  # of work that goes to a worker at once, at least
MANY = 3  # tasks from which on workers are called before the first is done
ATTEMPTS = 3  # times a task may take its worker with it

Tick = Callable[[int], None]


class Runner:
    """Does tasks side by side. Use it in a `with`; it stops its workers at the end, also when interrupted."""

    def __init__(
        self,
        *,
        workers: int | None = None,
        ray: str | None = None,
        folder: Path | None = None,
        quiet: bool = True,
        patience: float = PATIENCE_S,
        ahead: str = "",
    ) -> None:
        """Prepare to run.

        Parameters
        ----------
        workers
            Processes at most; None: one a core. 1 does everything in this process.
        ray
            Address of a Ray cluster instead.
        folder
            Where finished rows are kept as Parquet; None: nowhere.
        quiet
            No progress bar.
        patience
            Seconds of work in this process before workers are started.
        ahead
            A module that is needed afterwards and slow to import: it is while this process waits for its workers.

        Raises
        ------
        BadInput : there is no cluster at that address, or of another version.
        """
        self.workers, self.quiet, self.patience = workers, quiet, 0.0 if ray else patience
        self.pool: Pool | None = Ray(ray) if ray else None
        self.store = Store(folder) if folder is not None else None
        self.ahead = ahead
        self.reused = 0  # tasks that were found in the store
        self.seconds = 0.0  # mean time of a task

    def __enter__(self) -> Self:
        """Be ready."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Keep what is done, stop the workers; an interruption says what was kept."""
        try:
            if self.store is not None:
                self.store.flush()
        finally:
            if self.pool is not None:
                self.pool.close()
        if kind is KeyboardInterrupt and self.store is not None:
            kept = len(self.store.rows)
            raise KeyboardInterrupt(
                f"interrupted; {kept:,} runs are kept in {self.store.parts.parent}, go on from there."
            )

    @property
    def deaths(self) -> int:
        """Workers that died so far."""
        return 0 if self.pool is None else self.pool.deaths

    def map(self, work: Callable[[T], R], tasks: Sequence[T], keys: Sequence[str] = (), what: str = "runs") -> list[R]:
        """Do `work`, a function of a module, on every task; results in order.

        With a store, `keys` name the tasks and results are rows of texts and numbers. Raises what `work` raises, and
        Fault for a task that killed three workers.
        """
        results: dict[int, Any] = {}
        if self.store is not None:
            found = ((k, self.store.get(key)) for k, key in enumerate(keys))
            results = {k: row for k, row in found if row is not None}
            self.reused += len(results)
        todo = deque(k for k in range(len(tasks)) if k not in results)

        def keep(k: int, result: Any) -> None:
            if self.store is not None:
                self.store.put(keys[k], result)
                result = self.store.rows[keys[k]]
            results[k] = result

        with progress(len(tasks), len(results), what, quiet=self.quiet) as tick:
            self._here(work, tasks, todo, keep, tick)
            if todo:
                self._look_ahead()
                _Spread(self._pool(), work, tasks, keep, tick).run(todo, self.seconds)
        return [results[k] for k in range(len(tasks))]

    def _look_ahead(self) -> None:
        """Begin, once, to import what is needed afterwards; an error of that is told where it is needed."""

        def load() -> None:
            with suppress(ImportError):
                importlib.import_module(ahead)

        ahead, self.ahead = self.ahead, ""
        if ahead:
            threading.Thread(target=load, daemon=True).start()

    def _pool(self) -> Pool:
        if self.pool is None:
            self.pool = Processes(self.workers)
        return self.pool

    def _here(
        self, work: Any, tasks: Sequence[Any], todo: deque[int], keep: Callable[[int, Any], None], tick: Tick
    ) -> None:
        """Do tasks in this process until it pays to call others."""
        if self.pool is not None:  # there they are already
            return
        start, count, alone = time.perf_counter(), 0, self.workers == 1
        while todo:
            spent = time.perf_counter() - start
            rest = len(todo) * spent / count if count and spent > LOOK_S else 0.0
            if not alone and spent + rest > self.patience and len(todo) > 1:
                break
            with nullcontext() if alone or count else self._foresight(len(todo)):
                k = todo.popleft()
                keep(k, work(tasks[k]))
            tick(1)
            count += 1
        if count:
            self.seconds = (time.perf_counter() - start) / count

    @contextmanager
    def _foresight(self, count: int) -> Generator[None]:
        """Have workers loaded beside the first of `count` tasks once it took so long that they will be called."""
        soon = threading.Timer(max(LOOK_S, self.patience / count), call_workers)
        soon.daemon = True
        if count >= MANY and kernels.run.is_made:
            soon.start()
        try:
            yield
        finally:
            soon.cancel()


class _Spread:
    """Hands tasks to a pool until all are done."""

    def __init__(
        self, pool: Pool, work: Any, tasks: Sequence[Any], keep: Callable[[int, Any], None], tick: Tick
    ) -> None:
        self.pool, self.work, self.tasks, self.keep, self.tick = pool, work, tasks, keep, tick
        self.under_way: dict[Any, list[int]] = {}
        self.strikes: dict[int, int] = {}  # how often a task lost its worker
        self.suspects: deque[int] = deque()  # lost once; they go alone
        self.peak = 0  # bytes

    def run(self, todo: deque[int], seconds: float) -> None:
        """Do all of `todo`, whose tasks take about `seconds` each, 0 unknown."""
        while todo or self.suspects or self.under_way:
            self._fill(todo, seconds)
            for handle, done in self.pool.wait(list(self.under_way)):
                chunk = self.under_way.pop(handle)
                if done is None:
                    self._lost(chunk)
                    continue
                self.peak = max(self.peak, done.peak)
                seconds = done.seconds / max(1, len(done.results))
                for k, result in zip(chunk, done.results, strict=False):
                    self.keep(k, result)
                self.tick(len(done.results))
                if done.error is not None:
                    raise done.error

    def _fill(self, todo: deque[int], seconds: float) -> None:
        """Keep the workers busy; suspects go one at a time."""
        if self.suspects:
            if not self.under_way:
                self._submit([self.suspects.popleft()])
            return
        room = self.pool.room(self.peak)
        while todo and len(self.under_way) < room:
            fair = -(-len(todo) // (2 * room))  # towards the end chunks get small
            size = max(1, min(int(CHUNK_S / seconds), fair)) if seconds else 1
            self._submit([todo.popleft() for _ in range(min(size, len(todo)))])

    def _submit(self, chunk: list[int]) -> None:
        handle = self.pool.submit(self.work, [self.tasks[k] for k in chunk])
        self.under_way[handle] = chunk

    def _lost(self, chunk: list[int]) -> None:
        """Count a strike against each task of a chunk whose worker died."""
        for k in chunk:
            self.strikes[k] = self.strikes.get(k, 0) + 1
            if self.strikes[k] >= ATTEMPTS:
                why = 'out of memory, or no `if __name__ == "__main__":`?'
                raise Fault(f"a run ended its worker {ATTEMPTS} times ({why}): {self.tasks[k]!r:.200}")
            self.suspects.append(k)


def source_of(world: Scenario) -> str:
    """Text of everything outside a scenario that a run depends on: the rule's file, and the trace's size and time."""
    source = Path(rule_of(world).module.__file__ or "").read_text(encoding="utf-8")
    if world.workload.trace:
        status = Path(world.workload.trace).stat()
        source += f"\0{status.st_size} {status.st_mtime_ns}"
    return source


def key_of(*parts: object) -> str:
    """Name a run by everything it depends on: `parts`, and our own sources."""
    total = hashlib.blake2b(cache.folder().name.encode(), digest_size=12)
    for part in (_measures(), *parts):
        total.update(f"\0{part}".encode())
    return total.hexdigest()


@functools.cache
def _measures() -> str:
    """Digest of all that measures runs: a row says today what it said yesterday."""
    return digest_files(Path(__file__).parent.rglob("*.py"))


def name_of(world: Scenario) -> str:
    """Name a world by everything its runs depend on, not by what is only said about it. Raises BadInput."""
    return key_of(world.model_dump_json(exclude={"claim", "source", "variants"}), source_of(world))


@contextmanager
def progress(total: int, done: int, what: str, *, quiet: bool) -> Generator[Tick]:
    """Show on a terminal how many are done and how long the rest will take."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - a run that shows no bar does not wait for it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, completed=done)
        yield lambda count: bar.update(task, advance=count)
