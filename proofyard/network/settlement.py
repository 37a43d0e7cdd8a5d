"""The journal and the chain, kept together: deposits come in as rows, what the rule decided goes out in batches.

A batch ends at the row where a job is final and its proof is paid, or, while no proof is paid, every few seconds. It
names the hash of that row as the journal's head; what it moves is what everybody owned at that row (`owned`) less what
everybody owned at the last one, less what came and left in between. Payments go by the requester's order and the proof;
the rest by mandates. If the chain refuses a batch, nothing of it is paid and nothing is settled after it.

The chain decides how far it is settled: after a start, and after any failure, the head is read from it.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from proofyard.chain import Batch, ChainEvent, Payment, Reverted
from proofyard.core import Fault, Kind, Phase
from proofyard.core.errors import MarketError
from proofyard.network.bank import Bank, Block
from proofyard.network.journal import Journal
from proofyard.network.market import Market
from proofyard.network.messages import Signed
from proofyard.network.orders import order_in, why_not_ordered, words
from proofyard.network.owned import owned
from proofyard.network.records import FIRST, Record, Row, unpack
from proofyard.network.refusals import Refused
from proofyard.network.watching import tell
from proofyard.network.work import Task
from proofyard.proofs.statement import Proof

if TYPE_CHECKING:
    from proofyard.network.coordinator import Coordinator

FLUSH_S = 3.0  # between batches that pay no proof
PATIENCE_S = 30.0  # for a block, before a sender is told to come again
REST_S = 1.0  # after the chain was away
ROWS = 1_000  # read at once
DRAWN_VERBS = ("request", "decline", "contest")  # whose words take a block that comes after them
T = TypeVar("T")
log = logging.getLogger("proofyard.settlement")


class Part(NamedTuple):
    """A part of the journal to settle.

    Attributes
    ----------
    row : its last
    jobs : paid in it
    owned : gwei by address after it
    """

    row: Row
    jobs: list[int]
    owned: dict[str, int]


class Books:
    """The market as far as the chain has settled it, and the rows after that."""

    def __init__(self, journal: Journal, head: bytes) -> None:
        rows = journal.rows()
        first = next(rows)
        self.market = Market(first)
        self.asked: dict[int, bytes] = {}  # payload of each job
        self.proofs: dict[tuple[int, int], bytes] = {}  # by job and prover
        self.places: set[str] = set()  # events of the chain that are in the journal
        self.announced: dict[int, int] = {}  # gwei by actor that may leave the vault
        self.flows: dict[str, int] = {}  # gwei that came in since the last batch, by address
        self.recorded: set[str] = set()  # heads that stand in rows of the journal as settled
        self._paid: set[int] = set()
        self.head, self.base = FIRST, owned(self.market)
        if head == FIRST:
            return
        for row in rows:
            self.follow(row)
            if row.hash == head:
                self.close(Part(row, [], owned(self.market)))
                return
        raise Fault(f"settlement: wanted a journal with head {head.hex()}, which the chain has settled, got another.")

    def follow(self, row: Row) -> list[int]:
        """Go on by a row; return the jobs whose proofs it makes due."""
        job, phases = row.job, self.market.state.book.phase
        before = int(phases[job]) if row.kind > Kind.REQUEST else -1
        self.market.follow(row)
        body = unpack(row.body)
        if row.kind < 0:
            self._record(row, body)
        elif row.kind == Kind.REQUEST:
            self.asked[job] = bytes.fromhex(body["message"]["payload"][2:])
        elif row.kind == Kind.PROVE:
            self.proofs[job, row.actor] = bytes.fromhex(body["message"]["proof"][2:])
        if row.kind < Kind.REQUEST or before == Phase.SETTLED:
            return []
        return [each for each in {job, self.market.woken()} if each >= 0 and self._due(each)]

    def _due(self, job: int) -> bool:
        book = self.market.state.book
        if book.phase[job] != Phase.SETTLED or job in self._paid:
            return False
        self._paid.add(job)
        return (job, int(book.prover[job])) in self.proofs

    def _record(self, row: Row, body: dict[str, Any]) -> None:
        if "place" in body:
            self.places.add(body["place"])
        if row.kind == Record.SETTLEMENT:
            self.recorded.add(body["head"])
        sign = {Record.DEPOSIT: 1, Record.WITHDRAWAL: -1}.get(Record(row.kind), 0)
        if sign:
            address = self.market.addresses[row.actor]
            self.flows[address] = self.flows.get(address, 0) + sign * row.amount
        if row.kind == Record.WITHDRAWAL:
            signed = row.amount if "verb" in body else -int(body["announced"])
            self.announced[row.actor] = self.announced.get(row.actor, 0) + signed

    def changes(self, part: Part) -> dict[str, int]:
        """Return what a part moves besides its payments, gwei by address; they sum to zero."""
        moved = {a: part.owned[a] - self.base.get(a, 0) - self.flows.get(a, 0) for a in part.owned}
        for job in part.jobs:
            requester, prover = self.parties(job)
            price = self.price(job)
            moved[requester] += price
            moved[prover] -= price
        return {address: amount for address, amount in moved.items() if amount}

    def parties(self, job: int) -> tuple[str, str]:
        """Return who asked and who proved."""
        book, addresses = self.market.state.book, self.market.addresses
        return addresses[int(book.requester[job])], addresses[int(book.prover[job])]

    def price(self, job: int) -> int:
        """Return what the order pays, gwei; what a rule pays beyond the ceiling goes by mandate."""
        return min(int(self.market.state.book.paid[job]), self.market.asks[job][1])

    def close(self, part: Part) -> None:
        """Note that a part is settled."""
        self.head, self.base, self.flows = part.row.hash, part.owned, {}


class Settler:
    """Keeps one coordinator's journal and its chain together.

    Parameters
    ----------
    bank : its counter at the chain
    """

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.block: Block | None = None  # whose hash is in the words
        self.trouble = "not looked yet"
        self.batches = self.settled = self.gas = 0
        self._newest = 0  # block
        self._flushed = 0.0  # s, monotonic, when a batch was sent last
        self._books: Books | None = None
        self._of: Market | None = None  # the coordinator's market that the books were opened for
        self._idle = False
        self._pending: dict[str, ChainEvent] = {}  # events of the chain that want a row, by place
        self._able: set[str] = set()  # places of deposits whose owners gave a mandate
        self._written: set[str] = set()  # places whose rows are on their way
        self._sent: dict[str, Part] = {}  # by head, until its row is written
        self._watch, self._pay = ThreadPoolExecutor(1, "chain"), ThreadPoolExecutor(1, "settle")
        self._tasks: list[asyncio.Task[None]] = []
        self._coordinator: Coordinator | None = None
        self._turned = asyncio.Condition()

    # Life.

    def begin(self, coordinator: "Coordinator") -> None:
        """Start to watch and to settle for a coordinator."""
        self._coordinator = coordinator
        self._tasks = [asyncio.create_task(self._again(turn)) for turn in (self._look, self._settle)]

    async def end(self) -> None:
        """Stop; what was sent stays in the outbox and goes on after the next start."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for threads in (self._watch, self._pay):
            threads.shutdown()

    async def _again(self, turn: Callable[[], Any]) -> None:
        """Do a turn again and again; the chain may be away for a while, and then nothing is lost."""
        while True:
            rest = self.bank.chain.profile.block_s / 2
            try:
                if not self.coordinator.trouble:
                    await turn()
            except MarketError as error:
                self._books = None  # read again how far the chain is
                if str(error) != self.trouble:
                    tell(log, "journal and chain are apart", logging.ERROR, why=str(error))
                self.trouble, rest = str(error), REST_S
            await asyncio.sleep(rest)

    @property
    def coordinator(self) -> "Coordinator":
        """The coordinator this settles for."""
        assert self._coordinator is not None  # noqa: S101 - begin has set it
        return self._coordinator

    async def _in(self, threads: ThreadPoolExecutor, work: Callable[..., T], *values: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work, *values)

    def told(self) -> dict[str, Any]:
        """Say how far the chain is."""
        books = self._books
        followed = books.market.last.seq if books is not None else -1
        return {"batches": self.batches, "settled_seq": self.settled, "followed_seq": followed, "idle": self._idle,
                "gas": self.gas, "block": self._newest, "trouble": self.trouble}  # fmt: skip

    # What comes from the chain.

    async def _look(self) -> None:
        """Read the chain's events and its newest block."""
        for event in await self._in(self._watch, self.bank.poll):
            place = f"{event.transaction} {event.block}/{event.place}"
            if event.gone:
                if self._pending.pop(place, None) is None and event.name in ("Deposited", "Leaving", "Settled"):
                    raise Fault(f"settlement: the chain took back {event.name} of {event.transaction}, which counted.")
            elif event.name in ("Deposited", "Leaving", "Settled"):
                self._pending[place] = event
        for place, event in list(self._pending.items()):
            if event.name == "Deposited" and place not in self._able:
                await self._look_at_mandate(place, event)
            elif event.name == "Settled" and event.arguments["head"][2:] not in self._sent:
                await self._find_part(event)
        self._newest, self.block = await self._in(self._watch, self.bank.newest)
        async with self._turned:
            self._turned.notify_all()

    async def _look_at_mandate(self, place: str, event: ChainEvent) -> None:
        """Count a deposit once its owner lets the rule take it: else what it loses could never be settled."""
        left = await self._in(self._watch, self.bank.mandate_left, event.arguments["account"])
        if left >= event.arguments["amount"]:
            self._able.add(place)

    async def _find_part(self, event: ChainEvent) -> None:
        """Find the row up to which a batch settled that was sent before this process began."""
        head = bytes.fromhex(event.arguments["head"][2:])

        def find(journal: Journal) -> Row | None:
            return next((row for row in journal.rows() if row.hash == head), None)

        row = await self.coordinator.read(find)
        if row is None:
            raise Fault(f"settlement: the chain has settled {head.hex()}, which is no row of this journal.")
        self._sent[head.hex()] = Part(row, [row.job] if event.arguments["payments"] else [], {})

    def rows(self) -> list[Row]:
        """Make the rows of what came from the chain; called by the writer, in its turn."""
        if self._books is None or self._of is not self.coordinator.market:
            return []
        made: list[Row] = []
        for place, event in list(self._pending.items()):
            if place in self._books.places:
                del self._pending[place]
            elif place not in self._written and (row := self._row_of(place, event)) is not None:
                self._written.add(place)
                made.append(row)
        return made

    def _row_of(self, place: str, event: ChainEvent) -> Row | None:
        """Make the row of an event, None if it is not its time yet."""
        market, make = self.coordinator.ready(), self.coordinator.record
        body: dict[str, Any] = {"from": "chain", "place": place}
        told = event.arguments
        if event.name == "Settled":
            return self._settled_row(event, body)
        actor = market.numbers.get(told["account"].lower())
        if actor is None or (event.name == "Deposited" and place not in self._able):
            return None
        if event.name == "Deposited":
            return make(Record.DEPOSIT, actor, int(told["amount"]), body)
        assert self._books is not None  # noqa: S101 - rows has looked
        announced = min(int(told["amount"]), self._books.announced.get(actor, 0))
        wanted = int(told["amount"]) - announced
        taken = min(wanted, int(market.state.book.cash[actor]))
        if taken < wanted:
            tell(log, "money the rule holds is leaving the vault", logging.ERROR, actor=actor, gwei=wanted - taken)
        return make(Record.WITHDRAWAL, actor, taken, {**body, "announced": announced, "asked": int(told["amount"])})

    def _settled_row(self, event: ChainEvent, body: dict[str, Any]) -> Row | None:
        told = event.arguments
        part = self._sent.get(told["head"][2:])
        if part is None:
            return None
        number = int(told["batch"])
        self.batches, self.settled = max(self.batches, number), max(self.settled, part.row.seq)
        body |= {"transaction": event.transaction, "block": event.block, "head": told["head"][2:], "seq": part.row.seq,
                 "jobs": part.jobs, "changes": told["changes"]}  # fmt: skip
        return self.coordinator.record(Record.SETTLEMENT, 0, number, body)

    # What goes to the chain.

    async def _settle(self) -> None:
        """Follow the journal; settle each part of it as it ends."""
        if self._books is None or self._of is not self.coordinator.market:
            await self._open()
        books = self._books
        assert books is not None  # noqa: S101 - just opened
        rows = await self.coordinator.read(lambda journal: list(journal.rows(books.market.last.seq)))
        self._idle = self._idle and not rows  # said before the first wait below: what is followed is not settled yet
        for row in rows:
            jobs = books.follow(row)
            if jobs:
                await self._settle_part(books, Part(row, jobs, owned(books.market)))
        part = Part(books.market.last, [], owned(books.market))
        waits = bool(books.changes(part))
        loop = asyncio.get_running_loop()
        if waits and loop.time() - self._flushed >= FLUSH_S:
            await self._settle_part(books, part)
            waits = False
        self._idle = not waits and not rows and books.recorded.issuperset(self._sent)

    async def _open(self) -> None:
        """Read how far the chain is, and the journal up to there."""
        market = self.coordinator.ready()
        await self._in(self._pay, self.bank.open_house, market.minted)
        head = await self._in(self._pay, self.bank.head)
        books = await self.coordinator.read(lambda journal: Books(journal, head))
        self._written = {place for place in self._written if place in books.places}
        self._books, self._of = books, market
        self._flushed = asyncio.get_running_loop().time()
        self.trouble = ""
        tell(log, "reconciled with the chain", head=head.hex(), seq=books.market.last.seq)

    async def _settle_part(self, books: Books, part: Part) -> None:
        """Settle a part: its proofs one by one, what it moves besides with the first."""
        payments = [
            await self.coordinator.read(lambda journal, job=job: self._payment(journal, job)) for job in part.jobs
        ]
        changes = books.changes(part)
        self._sent[part.row.hash.hex()] = part
        previous, head = books.head, part.row.hash
        for k, (payment, proof) in enumerate(payments or [(None, None)]):
            batch = Batch(previous, head)
            if payment is not None and proof is not None:
                batch = Batch(previous, head, payment.order.circuit, proof.data, words(proof.statement))
            paid = [payment] if payment is not None else []
            name = f"settle {head.hex()} {k}"
            receipt = await self._in(self._pay, self.bank.settle, batch, paid, changes if k == 0 else {}, name)
            self.gas += receipt.gas_used
            previous = head
        books.close(part)
        self._flushed = asyncio.get_running_loop().time()

    def _payment(self, journal: Journal, job: int) -> tuple[Payment, Proof]:
        books = self._books
        assert books is not None  # noqa: S101 - who calls has them
        _, prover = books.parties(job)
        payload = journal.blob(books.asked[job])
        proof = journal.blob(books.proofs[job, int(books.market.state.book.prover[job])])
        if payload is None or proof is None:
            raise Fault(f"settlement: wanted the proof of job {job} and what it proves, got a journal without them.")
        order, signature = order_in(payload)
        return Payment(order, signature, prover, books.price(job)), Proof.from_json(proof)

    # What the chain says about a message.

    async def admit(self, signed: Signed) -> None:
        """Let a message on only when journal and chain are together; wait for a block where it draws a word."""
        if self.trouble:
            raise Refused("BUSY", "chain", "a coordinator that has reconciled with the chain", self.trouble)
        if signed.verb not in DRAWN_VERBS:
            return
        came = self._newest
        try:
            async with asyncio.timeout(PATIENCE_S), self._turned:
                await self._turned.wait_for(lambda: self.block is not None and self.block.number > came)
        except TimeoutError:
            raise Refused("BUSY", "chain", f"a block after {came}", "none") from None

    def check_order(self, payload: bytes, task: Task, sender: str, ceiling: int) -> str:
        """Say why the chain would not pay for a request, "" if it would. Called from a thread. Raises BadInput."""
        deployment = self.bank.deployment
        reason = why_not_ordered(
            payload, task, sender, ceiling, backend=self.coordinator.backend.name, chain_id=deployment.chain_id,
            contract=self.bank.contract, now=self.bank.now(),
        )  # fmt: skip
        if reason:
            return reason
        return "its order was paid or cancelled before" if self.bank.is_used(order_in(payload).order) else ""

    def check_proof(self, payload: bytes, proof: bytes, sender: str) -> str:
        """Say why the contract would refuse a proof, "" if it would not. Called from a thread. Raises BadInput."""
        return self.bank.why_not(order_in(payload).order, sender, proof)


__all__ = ["Books", "Part", "Reverted", "Settler"]
