"""The coordinator: the one writer. It puts commands in order, gives them a time and a word, and makes them durable.

A command goes through three places: `admit` checks all that needs no order (form, time, signature, proof); the writer's
loop takes whatever waits and asks the rule, while the group before is appended to the journal; only when its own group
is there is anybody told. When the database refuses a group, those in it and after it are told just that, and the state
is rebuilt from the journal.
"""

import asyncio
import heapq
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from proofyard.core import Event, Kind, Verdict
from proofyard.network.beacon import DRAWN, Beacon, shown_number, timer_digest, word_from
from proofyard.network.clock import Clock
from proofyard.network.commands import Command, Group, Receipt
from proofyard.network.desk import Desk
from proofyard.network.disk import Disk
from proofyard.network.intake import Intake
from proofyard.network.journal import Journal, JournalError, connect
from proofyard.network.market import Market, check_writer, first_row, timer_kind
from proofyard.network.messages import Signed, Signer, check_time
from proofyard.network.records import NO_JOB, Blob, Record, Row, make_row, pack
from proofyard.network.refusals import Refused
from proofyard.network.snapshot import Snapshots
from proofyard.network.stream import Streams
from proofyard.network.watching import MarketMetrics, span, tell
from proofyard.proofs.backend import ProofBackend

if TYPE_CHECKING:
    from proofyard.network.settlement import Settler  # brings the chain along, which a market may do without

GROUP = 256  # commands to a group at most
LINGER = 1.0  # of a commit's time that a group waits at most for messages whose signatures are being checked
PATIENCE_MS = 20  # between looks at a job whose proof is being verified
BEAT_S = 1.0  # s between notes of how far the clock is, and between tries to become the writer
STARTING = "starting"
T = TypeVar("T")
log = logging.getLogger("proofyard.coordinator")


class Coordinator:
    """Writes one journal.

    Parameters
    ----------
    journal : not yet acquired
    signer : the coordinator's key; the same for whoever may take over
    backend : verifies proofs
    genesis : for a journal that is still empty; its commitment is filled in here
    verifiers : proofs verified at once
    settler : keeps the journal and a chain together; None for play money
    """

    def __init__(
        self,
        journal: Journal,
        signer: Signer,
        backend: ProofBackend,
        genesis: dict[str, Any] | None = None,
        *,
        verifiers: int = 1,
        settler: "Settler | None" = None,
    ) -> None:
        self.journal, self.signer, self.backend, self.settler = journal, signer, backend, settler
        self.metrics = MarketMetrics()
        self.streams = Streams(self.metrics)
        self.market: Market | None = None
        self.trouble = STARTING  # why nothing can be accepted now, "" if it can
        self.clock = Clock(0)
        self._deciding = 0  # unix ms of what is being decided, 0 nothing: its message must not expire before its row
        self._genesis = genesis
        self._beacon = Beacon(signer.secret_for, b"")
        self._writing: asyncio.Task[None] | None = None  # of the newest group
        self._timers: list[tuple[int, int, int]] = []  # (when to look, deadline, job)
        self.disk = Disk(journal)
        self.on_disk = self.disk.do
        self._snapshots = Snapshots(journal, self.on_disk, self.read)
        self._beaten = 0.0  # s, monotonic, when the clock was last noted
        self._verifiers = ThreadPoolExecutor(verifiers, "verify")
        self._reader = connect(journal.url)  # of its own, so that whoever reads does not keep the writer waiting
        self._reading = ThreadPoolExecutor(1, "read")
        self.desk = Desk(self)
        self.intake = Intake(self)
        self._writer: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()

    # Life.

    async def start(self) -> None:
        """Begin to stand by; becomes the writer as soon as the lock is free."""
        self._writer = asyncio.create_task(self._run())
        if self.settler is not None:
            self.settler.begin(self)
        self._begun.set()

    async def stop(self) -> None:
        """Finish the group at hand, give up the lock, end all streams."""
        if self.settler is not None:
            await self.settler.end()
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait([self._writer])  # what ended it, `failed` raises
            if not self._writer.cancelled():
                self.trouble = self.trouble or "ended"
        await self._finish()
        self.disk.give_up(Refused("STANDBY", "coordinator", "the writer", "one that ends"))
        self.intake.refuse_waiting("STANDBY")
        self.streams.close()
        await self.intake.signatures.close()
        await self._snapshots.end(None if self.trouble else self.market)
        await self.on_disk(self.journal.close)
        await self.read(lambda journal: journal.close())
        self.disk.close()
        for threads in (self._reading, self._verifiers):
            threads.shutdown()

    async def failed(self) -> None:
        """Wait until the writer has ended; raises what ended it."""
        await self._begun.wait()
        if self._writer is not None:
            await asyncio.shield(self._writer)

    async def read(self, work: Callable[[Journal], T]) -> T:
        """Read the journal, in another thread than the writer's."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, work, self._reader)

    async def verified(self, work: Any, *values: Any) -> Any:
        """Do something slow about a proof, in a thread of its own."""
        with self.metrics.verify.time(), span("verify"):
            return await asyncio.get_running_loop().run_in_executor(self._verifiers, work, *values)

    async def _run(self) -> None:
        """Become the writer, write, and start again from the journal whenever the database fails."""
        while True:
            try:
                if not await self.on_disk(self.journal.acquire):
                    self.trouble = "standby"
                    await asyncio.sleep(BEAT_S)
                    continue
                await self._begin()
                while True:
                    await self._turn()
                    self._snapshots.look(self.ready())
            except JournalError as error:
                self.metrics.failures.inc()
                self.metrics.writing.set(0)
                await self._finish()
                self.market = None  # it may be ahead of the journal
                self.trouble = f"journal: {error}"
                tell(log, "the journal failed; the state will be rebuilt from it", logging.ERROR, error=str(error))
                self.disk.give_up(Refused("JOURNAL", "journal", "a durable row", error))
                self.intake.refuse_waiting("JOURNAL")
                await asyncio.sleep(BEAT_S)

    async def _begin(self) -> None:
        """Rebuild the state and write the first row, or the row that says who writes from here on."""
        began = time.monotonic()
        if await self.on_disk(self.journal.last) is None:
            await self.on_disk(self.journal.append, [first_row(self._genesis, self.signer, self.clock.unix())])
        self.market = await self._snapshots.restored()
        market = self.ready()
        check_writer(market.genesis, self.signer.address, self.backend.name, on_chain=self.settler is not None)
        beaten = await self.on_disk(self.journal.beaten)
        self.clock = Clock(max(beaten, market.last.time), market.last.at)
        self._beacon = Beacon(self.signer.secret_for, bytes.fromhex(market.genesis.beacon))
        self._beacon.begin(market.round)
        self._beacon.left -= market.reveals
        self._timers = []
        for job in market.open_jobs():
            self._set_timer(job)
        unix = self.clock.unix()
        resumed = self._row(
            (Record.RESUME, self.clock.now(), 0, NO_JOB, unix, 0, 0), pack({"coordinator": self.signer.address})
        )
        await self._keep([resumed], [])
        market.take(resumed)
        self.trouble = ""
        self.metrics.writing.set(1)
        took = round(1000 * (time.monotonic() - began))
        name = market.domain.market.hex()
        kept = self._snapshots.kept
        tell(log, "writing", seq=market.last.seq, jobs=market.jobs, snapshot=kept, rebuilt_ms=took, market=name)

    # One group.

    async def _turn(self) -> None:
        """Make a group of what waits while the one before is written; then hand it over."""
        await self._something()
        group = Group()
        try:
            self._renew(group, 0)
            group.rows += [*self._ring(), *(self.settler.rows() if self.settler is not None else ())]
            self._decide_waiting(group)
            began = time.monotonic()
            while (seconds := self._patience(group, began)) > 0:
                await self.intake.bell.wait(seconds)
                self._decide_waiting(group)
            await self._written()
        except BaseException as error:
            self.trouble = self.trouble or "ended"  # the state is ahead of the journal now
            self._refuse(group, error)
            self.streams.noted()
            raise
        if group.rows:
            group.told = self.streams.noted()
            if self.disk.quick and not self.intake.more:
                await self._write(group, here=True)  # there is nothing to do meanwhile
                return
            self._writing = asyncio.create_task(self._write(group))
            self._writing.add_done_callback(lambda _: self.intake.bell.ring())

    async def _something(self) -> None:
        """Wait for a command, for a timer, or for a group to be written; note now and then how far the clock is."""
        wait = BEAT_S
        if self._timers:
            wait = min(wait, (self._timers[0][0] + 1 - self.clock.now()) / 1000)
        if wait > 0 and not self.intake.waiting and (self._writing is None or not self._writing.done()):
            await self.intake.bell.wait(wait)
        if not self.intake.waiting and time.monotonic() - self._beaten >= BEAT_S:
            self._beaten = time.monotonic()
            await self.on_disk(self.journal.beat, self.clock.now())

    def _patience(self, group: Group, began: float) -> float:
        """Say how long the next command may join a group, s.

        Until the one before is written; or, while signatures are checked, a part of a commit's time: one costs less
        than two.
        """
        if len(group.answers) >= GROUP:
            return 0.0
        if self._writing is not None and not self._writing.done():
            return BEAT_S
        if not group.rows or not self.intake.signatures.unchecked:
            return 0.0
        return began + self.disk.commit_s * LINGER - time.monotonic()

    async def _written(self) -> None:
        """Wait until the newest group is durable. Raises JournalError if it is not."""
        if self._writing is not None:
            await asyncio.shield(self._writing)
            self._writing = None

    async def _finish(self) -> None:
        """Let the newest group end, however it does: its senders are told."""
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
            self._writing = None

    def _renew(self, group: Group, count: int) -> None:
        """Commit to new words before commands and timers use up those that are left."""
        if self._beacon.left <= count + len(self._timers):
            market = self.ready()
            body = pack({"commitment": self._beacon.begin(market.round + 1).hex()})
            group.rows.append(self._row((Record.BEACON, self.clock.now(), 0, NO_JOB, 0, 0, 0), body))
            market.take(group.rows[-1])

    def _decide_waiting(self, group: Group) -> None:
        """Decide all that waits, up to a full group."""
        count = min(len(self.intake.waiting), GROUP - len(group.answers))
        self._renew(group, count)
        self._deciding = self.clock.unix()
        try:
            for _ in range(count):
                command = self.intake.waiting.popleft()
                try:
                    group.add(command, self._decide(command))
                except Refused as refusal:
                    self.intake.refuse(command.answer, refusal)
        finally:
            self._deciding = 0
        self.metrics.waiting.set(len(self.intake.waiting))

    def _ring(self) -> list[Row]:
        """Let all timers ring that are due. A timer the rule refuses is a fault of the rule: it is told and left."""
        market, rows = self.ready(), list[Row]()
        if self.settler is not None and self.settler.block is None:
            return []  # their words need one
        now = self.clock.now()
        while self._timers and self._timers[0][0] < now:
            _, deadline, job = heapq.heappop(self._timers)
            kind = timer_kind(int(market.state.book.phase[job]))
            if kind is None:
                continue
            if int(market.state.book.deadline[job]) != deadline:
                self._set_timer(job)  # somebody else's event moved it on
                continue
            if self.desk.is_verifying(job):
                heapq.heappush(self._timers, (now + PATIENCE_MS, deadline, job))
                continue
            event = Event(kind, now, 0, job, 0, 0, 0)
            try:
                rows.append(self._apply(event, timer_digest(event, deadline), b""))
            except Refused as refusal:
                tell(log, "the rule refuses its own timer", logging.ERROR, job=job, why=str(refusal))
        return rows

    def _decide(self, command: Command) -> list[Row]:
        """Ask the rule. Raises Refused, and then nothing has changed."""
        signed = command.signed
        if signed.verb != "prove":  # that counts from when it came, the others may have waited: for a block, for a turn
            check_time(signed.message, self._deciding)
        self.desk.check_unused(signed)
        rows = self.desk.record(signed)
        if rows:
            return rows
        now = command.now if signed.verb == "prove" else self.clock.now()  # verifying is not the prover's time
        event = self.desk.event(signed, now, command.word)
        return [self._apply(event, command.signed_hash, command.body, signed.message)]

    def _apply(self, event: Event, signed_hash: bytes, body: bytes, message: dict[str, Any] | None = None) -> Row:
        """Let the rule answer an event at its time or now, whichever is later; return its row. Raises Refused."""
        market = self.ready()
        number, block = b"", None
        if event.kind in DRAWN:
            number, block = self._beacon.next(), self.settler.block if self.settler is not None else None
            word = word_from(number, signed_hash, bytes.fromhex(block.hash[2:]) if block else b"")
            event = event._replace(word=word)
        if event.time < market.last.time:
            event = event._replace(time=market.last.time)
        verdict = market.answer(event)
        if verdict != Verdict.OK:
            raise self.desk.refusal(verdict, event)
        if number:
            self._beacon.use()
            body = shown_number(number, block, body)
        row = self._row(event, body or b"{}")
        market.take(row, message)
        self.streams.note(market, row)
        if event.kind >= Kind.REQUEST:
            for job in {event.job, *market.moved_on()}:
                if timer_kind(int(market.state.book.phase[job])) is not None:
                    self._set_timer(job)
        return row

    def _set_timer(self, job: int) -> None:
        deadline = int(self.ready().state.book.deadline[job])
        heapq.heappush(self._timers, (deadline, deadline, job))

    def record(self, kind: Record, actor: int, amount: int, body: dict[str, Any]) -> Row:
        """Make a record, and carry it out."""
        columns = (kind, max(self.clock.now(), self.ready().last.time), actor, NO_JOB, amount, 0, 0)
        row = self._row(columns, pack(body))
        self.ready().take(row)
        self.streams.note(self.ready(), row)
        return row

    def _row(self, event: tuple[int, ...], body: bytes) -> Row:
        return make_row(self.ready().last, self._deciding or self.clock.unix(), event, body)

    async def _write(self, group: Group, *, here: bool = False) -> None:
        """Make a group durable, `here` while everything else waits; then answer."""
        try:
            await self._keep(group.rows, list(group.blobs.values()), here=here)
        except Exception as error:
            self._refuse(group, error)
            raise
        now = time.monotonic()
        for verb, came in {(command.signed.verb, command.came) for command, _ in group.answers}:
            self.metrics.accepted(verb, now - came)
        group.accept()
        self.streams.publish(group.told)

    def _refuse(self, group: Group, error: BaseException) -> None:
        """Tell all senders that a group did not become durable."""
        for command, _ in group.answers:
            self.intake.refuse(command.answer, Refused("JOURNAL", "journal", "a durable row", error))

    async def _keep(self, rows: list[Row], blobs: list[Blob], *, here: bool = False) -> None:
        with span("commit", rows=len(rows)):
            took = await self.disk.append(rows, blobs, here=here)
        self.metrics.kept(rows, took)

    async def told(self, answer: T) -> T:
        """Give an answer about the state as it is now, once that is durable. Raises Refused if it never will be."""
        await self.disk.reach(self.ready().last.seq)
        return answer

    def ready(self) -> Market:
        """Return the market. Raises Refused while nothing can be accepted or told."""
        if self.market is None:
            raise Refused("STANDBY", "coordinator", "the writer", self.trouble)
        return self.market

    async def submit(self, signed: Signed) -> Receipt:
        """Take a message; returns once it is durable. Raises Refused."""
        return await self.intake.hand_in(signed)
