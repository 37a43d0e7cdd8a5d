"""Prove a job of many batches side by side and join the proofs, from whatever an earlier run left.

Order    of the parts that are ready, the one with the longest way to the root goes first (Hu 1961), as memory allows.
Threads  one for each proof while there are as many proofs as cores; the last joins get the cores that are left over.
Losses   a part whose prover was killed is proven again, up to `ATTEMPTS` times; nothing finished is proven twice.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, NamedTuple, TypeAlias

from proofyard.core.errors import Fault
from proofyard.proofs.backend import Job, ProofBackend, Spent
from proofyard.proofs.process import Died
from proofyard.proofs.statement import Proof, Statement, state_of
from proofyard.proofs.tree import Part, Store, cut, statements
from proofyard.proofs.workers import Done, Task, Workers
from proofyard.rollup.batch import Batch

ATTEMPTS = 4
# CPU ms a part takes before this machine has been measured: a start for the time left and for the order.
GUESS_LEAF_MS, GUESS_SLOT_MS, GUESS_JOIN_MS = 600, 310, 45_000


class Span(NamedTuple):
    """What happened to one part.

    Attributes
    ----------
    name : of the part
    worker : who made it; "disk" if it was there already
    begin_ms, end_ms : since the start of the job
    spent : parts of that time, CPU, memory
    outcome : `proven`, `found` on disk, or `lost` with its worker
    """

    name: str
    worker: str
    begin_ms: int
    end_ms: int
    spent: Spent
    outcome: str


class Progress(NamedTuple):
    """How far a job is."""

    done: int
    parts: int
    running: int
    left_ms: int  # estimated time left


class Result(NamedTuple):
    """A proven job."""

    proof: Proof
    spans: list[Span]
    wall_ms: int

    @property
    def joins(self) -> int:
        """Joins made or found."""
        return sum(span.name.startswith("join") and span.outcome != "lost" for span in self.spans)

    def total(self, field: str) -> int:
        """Sum one field of `Spent` over all parts."""
        return sum(getattr(span.spent, field) for span in self.spans)


Watch: TypeAlias = Callable[[Progress], None]


class Run:
    """One job on its way; use `prove_all`."""

    def __init__(self, batches: Sequence[Batch], size: int, payout: int, backend: ProofBackend, store: Store) -> None:
        self.alone = len(batches) == 1
        self.jobs = [Job(batch, size, payout, self.alone) for batch in batches]
        self.parts = cut(len(batches))
        node_key = 0 if self.alone else backend.node_key()
        self.wanted = statements(self.parts, [state_of(batch, payout, node_key) for batch in batches])
        self.backend, self.store, self.size = backend, store, size
        self.proofs: dict[int, Proof] = {}
        self.spans: list[Span] = []
        self.lost = [0] * len(self.parts)
        self.running: dict[Future[Done], tuple[Part, int, int]] = {}  # part, start, memory
        self.began = time.monotonic()
        self._find()

    def now_ms(self) -> int:
        """Time since the start."""
        return round(1000 * (time.monotonic() - self.began))

    def _find(self) -> None:
        """Take over what an earlier run finished, from the root down: below a finished part nothing is needed."""
        needed = {self.parts[-1].place}
        for part in reversed(self.parts):
            if part.place not in needed:
                continue
            proof = self.store.find(self.wanted[part.place], self.version(part))
            if proof is not None and self.backend.verify(proof):
                self.proofs[part.place] = proof
                self.spans.append(Span(part.name, "disk", 0, 0, Spent(), "found"))
            else:
                needed.update(part.children)
        self.needed = needed - self.proofs.keys()

    def version(self, part: Part) -> str:
        """Version of the circuit that proves a part."""
        return self.backend.version(0 if part.children else self.size, last=part.parent < 0)

    def guess_ms(self, part: Part) -> int:
        """Estimate the CPU time of a part: as its kind took so far, else a guess."""
        kind = "join" if part.children else "batch"
        took = [span.spent.cpu_ms for span in self.spans if span.outcome == "proven" and span.name.startswith(kind)]
        guess = GUESS_JOIN_MS if part.children else GUESS_LEAF_MS + GUESS_SLOT_MS * self.size
        return sum(took) // len(took) if took else guess

    def way_ms(self, part: Part) -> int:
        """Estimate the time from the start of a part to the end of the job, if nothing else had to be done."""
        above = self.guess_ms(part)
        while part.parent >= 0:
            part = self.parts[part.parent]
            above += self.guess_ms(part)
        return above

    def ready(self) -> list[Part]:
        """Parts that can start now, the longest way first."""
        started = {part.place for part, _, _ in self.running.values()}
        free = [
            self.parts[place]
            for place in sorted(self.needed - started)
            if all(child in self.proofs for child in self.parts[place].children)
        ]
        return sorted(free, key=lambda part: (-self.way_ms(part), part.place))

    def task(self, part: Part, threads: int) -> Task:
        """Say what a worker has to do."""
        last = part.parent < 0
        if part.children:
            children = tuple(self.proofs[child] for child in part.children)
            return Task(part.place, threads, None, children, last, self.backend.name)
        return Task(part.place, threads, self.jobs[part.place], (), last, self.backend.name)

    def launch(self, workers: Workers) -> None:
        """Start what memory and workers have room for."""
        ready = self.ready()
        for i, part in enumerate(ready):
            if len(self.running) >= workers.most:
                return
            sharing = min(workers.most, len(self.running) + len(ready) - i)
            task = self.task(part, max(1, workers.cores // sharing))
            taken = sum(mib for _, _, mib in self.running.values())
            if self.running and taken + task.mib > workers.mib:
                continue
            self.running[workers.submit(task)] = (part, self.now_ms(), task.mib)

    def collect(self) -> None:
        """Wait for a part and take it in."""
        ended, _ = wait(self.running, return_when=FIRST_COMPLETED)
        for future in ended:
            part, begin, _ = self.running.pop(future)
            try:
                done = future.result()
            except Died as loss:
                self.lost[part.place] += 1
                self.spans.append(Span(part.name, "lost", begin, self.now_ms(), Spent(), "lost"))
                if self.lost[part.place] >= ATTEMPTS:
                    raise Fault(f"{part.name} was lost {ATTEMPTS} times, last: {loss}. Run again to resume.") from loss
                continue
            self.store.keep(done.proof)
            self.proofs[part.place] = done.proof
            self.needed.discard(part.place)
            self.spans.append(Span(part.name, done.worker, begin, self.now_ms(), done.spent, "proven"))

    def progress(self, workers: Workers) -> Progress:
        """Say how far it is; the time left is the larger of all work shared by the cores and the longest way."""
        left = [self.parts[place] for place in self.needed]
        shared = sum(map(self.guess_ms, left)) // min(workers.cores, workers.most)
        longest = max(map(self.way_ms, self.ready()), default=0)
        done = len(self.proofs)
        return Progress(done, done + len(left), len(self.running), max(shared, longest))


def prove_all(
    batches: Sequence[Batch], size: int, payout: int, *,
    backend: ProofBackend, workers: Workers, store: Store, watch: Watch = lambda _: None,
) -> Result:  # fmt: skip
    """Prove batches that follow one another and join the proofs into one.

    Parameters
    ----------
    batches : in order; one alone is proven for a contract directly
    size : transfers a leaf circuit has room for
    payout : address the proof pays
    backend : prepared; checks what is found on disk and the last proof
    workers : where the proving happens
    store : finished parts
    watch : told whenever a part ends

    Raises
    ------
    BadInput : the batches don't follow one another, don't fit the size, or a proof doesn't fit the memory.
    Fault : a part could not be proven; finished parts are kept.
    """
    run = Run(batches, size, payout, backend, store)
    while run.needed:
        run.launch(workers)
        watch(run.progress(workers))
        run.collect()
    proof = run.proofs[run.parts[-1].place]
    if reason := backend.why_not(proof, run.wanted[-1]):
        raise Fault(f"the last proof was refused: {reason}")
    return Result(proof, run.spans, run.now_ms())


def expected(batches: Sequence[Batch], payout: int, node_key: int) -> Statement:
    """Say what the one proof of these batches has to prove."""
    leaves = [state_of(batch, payout, node_key) for batch in batches]
    return statements(cut(len(batches)), leaves)[-1]


def summary(result: Result, batches: int) -> dict[str, Any]:
    """Sum a job up for machines; times of all parts are added up, `wall_ms` is from the first to the last."""
    return {
        "verified": True,
        "proving_ms": result.total("proving_ms"),
        "witness_ms": result.total("witness_ms"),
        "verify_ms": result.total("verify_ms"),
        "wall_ms": result.wall_ms,
        "cpu_seconds": round(result.total("cpu_ms") / 1000, 3),
        "batches": batches,
        "joins": result.joins,
        "found": sum(span.outcome == "found" for span in result.spans),
        "lost": sum(span.outcome == "lost" for span in result.spans),
        "backend": result.proof.backend,
        "circuit": result.proof.circuit,
        "proof_bytes": len(result.proof.data),
        "secure_srs": result.proof.secure,
    }
