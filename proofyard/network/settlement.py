"""The journal and the chain, kept together: deposits come in as rows, what the rule decided goes out in batches.

A batch ends at the row where a job is final and its proof is paid, or, while no proof is paid, every few seconds. It
names the hash of that row as the journal's head; what it moves is what everybody owned at that row (`owned`) less what
everybody owned at the last one, less what came and left in between. Payments go by the requester's order and the proof;
the rest by mandates. What somebody cannot pay stays open in the contract and stops nobody (`claims`). If the chain
refuses a batch all the same, nothing of it is paid and nothing is settled after it.

The chain decides how far it is settled: after a start, and after any failure, what was signed before is sent again in
its order, and then the head is read. An event of the chain counts once it has the profile's confirmations. If one that
counted is taken back all the same, a batch is sent again; a deposit is waited for, and nothing is taken meanwhile.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from proofyard.chain import ChainEvent, Reverted
from proofyard.core import Fault
from proofyard.core.errors import MarketError
from proofyard.network.bank import Bank, Block
from proofyard.network.books import Books, Known, Part, Places, Sent
from proofyard.network.claims import Claims
from proofyard.network.journal import Journal
from proofyard.network.market import Market
from proofyard.network.messages import Signed
from proofyard.network.orders import order_in, why_not_ordered
from proofyard.network.owned import owned
from proofyard.network.records import FIRST, Record, Row
from proofyard.network.refusals import Refused
from proofyard.network.watching import tell
from proofyard.network.work import Task

if TYPE_CHECKING:
    from proofyard.network.coordinator import Coordinator

FLUSH_S = 3.0  # between batches that pay no proof
PATIENCE_S = 30.0  # for a block, before a sender is told to come again
REST_S = 1.0  # after the chain was away
DRAWN_VERBS = ("request", "decline", "contest")  # whose words take a block that comes after them
COUNTED = ("Deposited", "Leaving", "Withdrawn", "Settled")
LOOK, SETTLE = "look", "settle"
T = TypeVar("T")
log = logging.getLogger("proofyard.settlement")


class Settler:
    """Keeps one coordinator's journal and its chain together.

    Parameters
    ----------
    bank : its counter at the chain
    """

    def __init__(self, bank: Bank) -> None:
        self.bank, self.claims = bank, Claims(bank)
        self.block: Block | None = None  # whose hash is in the words
        self.batches = self.settled = self.gas = 0
        self._wrong: dict[str, str] = dict.fromkeys(
            (LOOK, SETTLE), "not looked yet"
        )  # why each turn failed the last time
        self._missing = ""  # what the chain took back
        self._refused = False  # the last batch
        self._newest = 0  # block
        self._drawn = 0  # number of the newest block that may be in a word by now
        self._flushed = 0.0  # s, monotonic, when a batch was sent last
        self._books: Books | None = None
        self._of: Market | None = None  # the coordinator's market that the books were opened for
        self._idle = False
        self._places = Places()
        self._there: dict[str, ChainEvent] = {}  # what counts on the chain, by place
        self._pending: dict[str, ChainEvent] = {}  # what of it wants a row
        self._able: set[str] = set()  # places of deposits whose owners gave a mandate
        self._written: set[str] = set()  # places whose rows are in the journal, or on their way
        self._sent: dict[str, Sent] = {}  # by head, until its row is written
        self._watch, self._pay = ThreadPoolExecutor(1, "chain"), ThreadPoolExecutor(1, "settle")
        self._tasks: list[asyncio.Task[None]] = []
        self._coordinator: Coordinator | None = None
        self._turned = asyncio.Condition()

    # Life.

    def begin(self, coordinator: "Coordinator") -> None:
        """Start to watch and to settle for a coordinator."""
        self._coordinator = coordinator
        turns = {LOOK: self._look, SETTLE: self._settle}
        self._tasks = [asyncio.create_task(self._again(name, turn)) for name, turn in turns.items()]

    async def end(self) -> None:
        """Stop; what was sent stays in the outbox and goes on after the next start."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for threads in (self._watch, self._pay):
            threads.shutdown()

    async def _again(self, name: str, turn: Callable[[], Any]) -> None:
        """Do a turn again and again; the chain may be away for a while, and then nothing is lost."""
        while True:
            rest = self.bank.chain.profile.block_s / 2
            try:
                if not self.coordinator.trouble:
                    await turn()
                    self._wrong[name] = ""
            except MarketError as error:
                self._books = None  # read again how far the chain is
                self._refused = isinstance(error, Reverted)
                if str(error) != self._wrong[name]:
                    tell(log, "journal and chain are apart", logging.ERROR, why=str(error))
                self._wrong[name], rest = str(error), REST_S
            except Exception as error:
                self._wrong[name] = f"settlement ended by a fault of its own: {error!r}"
                log.exception("settlement ended")
                raise
            self._keep_time()
            await asyncio.sleep(rest)

    @property
    def trouble(self) -> str:
        """Why journal and chain are apart, "" if they are not."""
        return next((why for why in (*self._wrong.values(), self._missing) if why), "")

    def _keep_time(self) -> None:
        """Let the market's clock stand still while no message can be taken: nobody misses a deadline by that."""
        clock = self.coordinator.clock
        if self.trouble:
            clock.hold()
        else:
            clock.go_on()

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
                "gas": self.gas, "block": self._newest, "trouble": self.trouble,
                **self.claims.told(self.coordinator.market)}  # fmt: skip

    # What comes from the chain.

    async def _look(self) -> None:
        """Read the chain's events and its newest block."""
        for event in await self._in(self._watch, self.bank.poll):
            place = self._places.of(event)
            self.claims.count(place, event)
            if event.name in COUNTED:
                self._count(place, event)
        books = self._books
        if books is not None:
            for place, event in list(self._pending.items()):
                if event.name == "Deposited" and place not in self._able:
                    await self._look_at_mandate(place, event)
                elif event.name == "Settled" and event.arguments["head"][2:] not in self._sent:
                    await self._find_part(books, event)
            self._look_for_missing(books)
            await self._look_at_blocks()
            self.claims.measure(books.market, self.coordinator.metrics)
            if self._of is not None and self._of.kept_in:
                await self._in(self._watch, self.claims.recall, self._of)
        async with self._turned:
            self._turned.notify_all()

    async def _look_at_blocks(self) -> None:
        """Take the newest block that counts for words, but none before one that is in a word."""
        self._newest, block = await self._in(self._watch, self.bank.newest)
        if block.number >= self._drawn:
            self.block, self._drawn = block, block.number

    def _count(self, place: str, event: ChainEvent) -> None:
        """Note an event that counts from now on, or one that was taken back though it counted."""
        if not event.gone:
            self._there[place] = event
            if place not in self._written:
                self._pending[place] = event
            if event.name == "Settled":
                self.batches = max(self.batches, int(event.arguments["batch"]))
            return
        tell(log, "the chain took back what counted", logging.ERROR, event=event.name, transaction=event.transaction)
        self._there.pop(place, None)
        self._pending.pop(place, None)
        if event.name == "Settled":
            self._books = None  # what was sent is sent again

    def _look_for_missing(self, books: Books) -> None:
        """Look whether all money that came or left by the journal did so on the chain as it is now."""
        missing = books.places.keys() - self._there.keys()
        first = min(missing, default="")
        if not first:
            self._missing = ""
            return
        address, gwei = books.places[first]
        self._missing = (
            f"the chain took back {len(missing)} movements of money that counted, such as {gwei} gwei of {address} in"
            f" {first.split()[0]}; nothing is taken until they are there again"
        )

    async def _look_at_mandate(self, place: str, event: ChainEvent) -> None:
        """Count a deposit once its owner lets the rule take it: else what it loses could never be settled."""
        account = event.arguments["account"]
        left = await self._in(self._watch, self.bank.mandate_left, account)
        if left >= max(event.arguments["amount"], await self._in(self._watch, self.bank.held, account)):
            self._able.add(place)

    async def _find_part(self, books: Books, event: ChainEvent) -> None:
        """Find the row up to which a batch settled that was sent before this process began."""
        name = event.arguments["head"][2:]
        if name not in books.paying:
            head = bytes.fromhex(name)

            def find(journal: Journal) -> Row | None:
                return next((row for row in journal.rows() if row.hash == head), None)

            row = await self.coordinator.read(find)
            if row is None:
                raise Fault(f"settlement: the chain has settled {name}, which is no row of this journal.")
            self._sent[name] = Sent(row.seq, [])
        else:
            self._sent[name] = books.paying[name]

    def rows(self) -> list[Row]:
        """Make the rows of what came from the chain; called by the writer, in its turn."""
        if self._books is None or self._of is not self.coordinator.market:
            return []
        made: list[Row] = []
        for place, event in list(self._pending.items()):
            if place in self._written or (row := self._row_of(place, event)) is None:
                continue
            self._written.add(place)
            del self._pending[place]
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
        asked = int(told["amount"])
        if event.name == "Withdrawn":
            gone = self.claims.uncovered(market, actor, event)
            if gone:
                tell(log, "money the rule holds has left the vault", logging.ERROR, actor=actor, gwei=gone)
                return make(Record.UNCOVERED, actor, gone, body)
            del self._pending[place]
            return None
        if event.name == "Deposited":
            covers = min(asked, market.uncovered.get(actor, 0))
            return make(Record.DEPOSIT, actor, asked - covers, body | ({"covers": covers} if covers else {}))
        announced = min(asked, market.announced.get(actor, 0))
        wanted = asked - announced
        taken = min(wanted, int(market.state.book.cash[actor]))
        if taken < wanted:
            tell(log, "money the rule holds is leaving the vault", logging.ERROR, actor=actor, gwei=wanted - taken)
        return make(Record.WITHDRAWAL, actor, taken, {**body, "announced": announced, "asked": asked})

    def _settled_row(self, event: ChainEvent, body: dict[str, Any]) -> Row | None:
        told = event.arguments
        sent = self._sent.get(told["head"][2:])
        if sent is None:
            return None
        self.settled = max(self.settled, sent.seq)
        body |= {"transaction": event.transaction, "block": event.block, "head": told["head"][2:], "seq": sent.seq,
                 "jobs": sent.jobs, "changes": told["changes"]}  # fmt: skip
        opened = self.claims.opened(event.transaction)
        if opened:
            body["open"] = opened
        return self.coordinator.record(Record.SETTLEMENT, 0, int(told["batch"]), body)

    # What goes to the chain.

    async def _settle(self) -> None:
        """Follow the journal; settle each part of it as it ends."""
        books = self._books
        if books is None or self._of is not self.coordinator.market:
            books = await self._open()
        if books.half is not None:
            await self._settle_part(books, books.half[0])
        rows = await self.coordinator.read(lambda journal: list(journal.rows(books.market.last.seq)))
        self._idle = self._idle and not rows  # said before the first wait below: what is followed is not settled yet
        for row in rows:
            jobs = books.follow(row)
            if jobs:
                await self._settle_part(books, Part(row, jobs, owned(books.market)))
        part = Part(books.market.last, [], owned(books.market))
        waits = bool(books.changes(part))
        if self._refused or asyncio.get_running_loop().time() - self._flushed >= FLUSH_S:
            tried = self.claims.open and not self._sent
            still_open = await self._in(self._pay, self.claims.to_try) if tried else []
            if waits or still_open:
                await self._settle_part(books, part, still_open)
            waits = False
        self._refused = False
        for head in books.recorded & self._sent.keys():
            del self._sent[head]
        if self._sent and await self._in(self._pay, self.bank.head) != books.head:
            self._books = None  # taken back before it counted
        self._idle = not waits and not rows and not self._sent

    async def _open(self) -> Books:
        """Read how far the chain is, and the journal up to there; know all that has its row already."""
        market = self.coordinator.ready()
        if self._of is None:
            self.claims.look_at_delay(market)
        await self._in(self._pay, self.bank.open_house, market.minted)
        head = await self._in(self._pay, self.bank.reconcile)

        def read(journal: Journal) -> tuple[Books, Known]:
            return Books(journal, head), Known.of(journal.rows())

        books, known = await self.coordinator.read(read)
        # What this process wrote for the same market may still be on its way to the journal.
        self._written = known.places | (self._written if self._of is market else set())
        self._drawn = max(self._drawn, known.block)
        self._pending = {place: event for place, event in self._there.items() if place not in self._written}
        self._books, self._of = books, market
        self.settled = seq = books.market.last.seq
        self._sent = {} if head == FIRST else {head.hex(): books.paying.get(head.hex(), Sent(seq, []))}
        self._flushed = asyncio.get_running_loop().time()
        if not self._refused:
            self._wrong[SETTLE] = ""
        tell(log, "reconciled with the chain", head=head.hex(), seq=seq)
        return books

    async def _settle_part(self, books: Books, part: Part, still_open: Iterable[str] = ()) -> None:
        """Settle a part: its proofs one by one, what it moves besides with the first."""
        made = await self.coordinator.read(lambda journal: books.batches(journal, part, still_open))
        for batch, paid, changes in made:
            jobs = books.paying[batch.head.hex()].jobs if paid else []
            self._sent[batch.head.hex()] = Sent(part.row.seq, jobs)
            try:
                receipt = await self._in(self._pay, self.bank.settle, batch, paid, changes)
            except Reverted as error:
                raise self._why(error) from None
            self.gas += receipt.gas_used
        books.close(part)
        self._flushed = asyncio.get_running_loop().time()

    def _why(self, error: Reverted) -> MarketError:
        """Tell a batch that the chain refuses from a chain that is elsewhere than it was."""
        if error.error == "WrongHead":
            return Fault("settlement: the chain's head is not the one it had; it is read again.")
        return error

    # What the chain says about a message.

    async def admit(self, signed: Signed) -> None:
        """Let a message on only when journal and chain are together; wait for a block where it draws a word."""
        if self.trouble:
            raise Refused("BUSY", "chain", "a coordinator that has reconciled with the chain", self.trouble)
        self.claims.check(self.coordinator.ready(), signed)
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


__all__ = ["Reverted", "Settler"]
