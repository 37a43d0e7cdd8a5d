"""The coordinator's desk: what a message must be before it gets a place in the order, and which event it becomes."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from proofyard.core import Event, Kind, Phase, Verdict
from proofyard.core.errors import BadInput
from proofyard.network import messages
from proofyard.network.journal import Journal
from proofyard.network.market import FINAL
from proofyard.network.messages import VERBS, Signed
from proofyard.network.records import Record, Row, digest, unpack
from proofyard.network.refusals import Refused, refused
from proofyard.network.work import Task, why_not

if TYPE_CHECKING:
    from proofyard.network.coordinator import Coordinator

KEPT_TASKS = 256
SKIPS = ("too late", "no capacity", "too cheap", "unknown work", "draining", "resting", "policy", "backend")


class _Becomes(NamedTuple):
    """Which event a verb's message becomes, and which of its fields the event's columns are, "" for none."""

    kind: Kind
    amount: str
    detail: str
    peer: str  # somebody else, whose number is the detail


@cache
def _becomes(verb: str) -> _Becomes | None:
    kind, names = VERBS[verb].kind, [name for name, _ in VERBS[verb].fields]

    def field(*wanted: str) -> str:
        return next((name for name in names if name in wanted), "")

    if kind is None:
        return None
    detail, peer = field("capacity", "size", "tier", "ballot"), field("prover", "payee")
    return _Becomes(kind, field("amount", "price", "ceiling"), detail, peer)


class Desk:
    """Checks messages for one coordinator."""

    def __init__(self, coordinator: "Coordinator") -> None:
        self._coordinator = coordinator
        self._verifying: Counter[int] = Counter()
        self._tasks: dict[int, Task] = {}

    # Before the order.

    def check(self, signed: Signed) -> bytes:
        """Check form, time and signature at once; return the signed hash. Raises Refused."""
        messages.check_form(signed.verb, signed.message)
        self.check_new(signed, self._coordinator.clock.unix())
        signed_hash = messages.check_signature(signed, self._coordinator.ready().domain)
        self.check_sender(signed)
        return signed_hash

    def check_new(self, signed: Signed, now: int) -> None:
        """Check at `now`, ms since 1970, the time of a well-formed message, and that it is new. Raises Refused."""
        self.check_unused(signed)
        messages.check_time(signed.message, now)

    def check_sender(self, signed: Signed) -> None:
        """Check that its sender is one of the market's. Raises Refused."""
        if signed.sender not in self._coordinator.ready().numbers and signed.verb not in ("join", "skip"):
            raise Refused("UNKNOWN_SENDER", "message.sender", "somebody who has joined", signed.sender)

    def check_unused(self, signed: Signed) -> None:
        """Refuse a message that came before, or was cancelled before it came. Raises Refused."""
        sender, nonce = signed.message["sender"], signed.message["nonce"]
        known = self._coordinator.ready().used.get((sender, nonce))  # pyright: ignore[reportArgumentType] - well formed
        if known is not None:
            used = f"{nonce}, used in row {known[1]}"
            raise Refused("REPLAYED", "message.nonce", "one not used before", used, known[1])

    @contextmanager
    def holding(self, signed: Signed) -> Generator[None]:
        """Keep the timer of a job from ringing while a proof of it, which came in time, is verified."""
        job = int(signed.message["job"]) if signed.verb == "prove" else -1
        self._verifying[job] += 1
        try:
            yield
        finally:
            self._verifying[job] -= 1
            if not self._verifying[job]:
                del self._verifying[job]

    def is_verifying(self, job: int) -> bool:
        """Say whether a proof of `job` is being verified."""
        return job in self._verifying

    async def admit(self, signed: Signed) -> int:
        """Check what takes time: payloads and proofs. Returns the `word` of a PROVE. Raises Refused."""
        if signed.verb == "request":
            await self._check_order(signed, self._read_task(signed))
        elif signed.payload and signed.verb != "prove":
            raise Refused("BAD_PAYLOAD", "payload", f"none with {signed.verb}", f"{len(signed.payload)} bytes")
        if signed.verb != "prove":
            return 0
        return await self._check_proof(signed)

    def _read_task(self, signed: Signed) -> Task:
        self._check_digest(signed, "payload")
        try:
            return Task.from_bytes(signed.payload)
        except BadInput as error:
            raise Refused("BAD_PAYLOAD", error.field, error.wanted, error.got) from None

    async def _check_order(self, signed: Signed, task: Task) -> None:
        """Where money is on a chain, a request brings the order that pays for it there."""
        settler = self._coordinator.settler
        if settler is None:
            return
        ceiling = int(signed.message["ceiling"])
        try:
            reason = await self._coordinator.verified(settler.check_order, signed.payload, task, signed.sender, ceiling)
        except BadInput as error:
            raise Refused("BAD_PAYLOAD", error.field, error.wanted, error.got) from None
        if reason:
            raise Refused("BAD_PAYLOAD", "payload.order", "an order that pays for the proof on the chain", reason)

    def _check_digest(self, signed: Signed, field: str) -> None:
        found = "0x" + digest(signed.payload).hex()
        if signed.message[field] != found:
            raise Refused("BAD_PAYLOAD", f"message.{field}", f"the payload's SHA-256, {found}", signed.message[field])

    async def _check_proof(self, signed: Signed) -> int:
        market, job = self._coordinator.ready(), self._job(signed)
        phase = int(market.state.book.phase[job])
        if phase in FINAL or phase == Phase.BIDDING:
            raise refused(Verdict.WRONG_PHASE, f"job {job}, which is {Phase(phase).name}")
        self._check_digest(signed, "proof")
        task = await self.task(job)
        reason = await self._coordinator.verified(
            why_not, self._coordinator.backend, task, signed.payload, signed.sender
        )
        if not reason and self._coordinator.settler is not None:
            asked = await self._coordinator.read(lambda journal: payload_of(journal, market.asked[job]))
            check = self._coordinator.settler.check_proof
            reason = await self._coordinator.verified(check, asked, signed.payload, signed.sender)
        if reason:
            raise Refused("BAD_PROOF", "payload", f"a proof of job {job} that pays {signed.sender}", reason)
        return task.result

    async def task(self, job: int) -> Task:
        """Find what a job wants proven."""
        if job not in self._tasks:
            if len(self._tasks) >= KEPT_TASKS:
                self._tasks.pop(next(iter(self._tasks)))
            asked = self._coordinator.ready().asked[job]
            data = await self._coordinator.read(lambda journal: payload_of(journal, asked))
            self._tasks[job] = Task.from_bytes(data)
        return self._tasks[job]

    # In order.

    def record(self, signed: Signed) -> list[Row]:
        """Make the records of a message that is no event of the rule; none for one that is. Raises Refused."""
        if VERBS[signed.verb].kind is not None:
            return []
        make = self._coordinator.record
        if signed.verb == "join":
            return self._join(signed)
        actor = self._number(signed.sender, "message.sender", "UNKNOWN_SENDER")
        if signed.verb == "cancel":
            cancelled = int(signed.message["cancelled"])
            known = self._coordinator.ready().used.get((signed.sender, cancelled))
            if known is not None:
                raise Refused("REPLAYED", "message.cancelled", "a nonce not used yet", f"row {known[1]}", known[1])
            return [make(Record.CANCEL, actor, cancelled, signed.body())]
        if signed.verb == "leave":
            return [self._leave(signed, actor)]
        return []

    def _join(self, signed: Signed) -> list[Row]:
        market, make = self._coordinator.ready(), self._coordinator.record
        if signed.sender in market.numbers:
            raise Refused("REPLAYED", "message.sender", "a newcomer", f"actor {market.numbers[signed.sender]}")
        if len(market.addresses) >= market.genesis.actors:
            raise Refused(
                "MARKET_FULL", "join", f"fewer than {market.genesis.actors} actors, fixed at genesis", "as many"
            )
        actor = len(market.addresses)
        name = signed.message["name"] or f"actor {actor}"
        rows = [make(Record.JOIN, actor, 0, {"address": signed.sender, "name": name, **signed.body()})]
        if market.genesis.grant_gwei:
            rows.append(make(Record.DEPOSIT, actor, market.genesis.grant_gwei, {"from": "genesis: grant_gwei"}))
        return rows

    def _leave(self, signed: Signed, actor: int) -> Row:
        market, amount = self._coordinator.ready(), int(signed.message["amount"])
        if market.genesis.chain_id == 0:
            raise Refused("UNKNOWN", "leave", "a market whose money is on a chain", "one with play money")
        free = int(market.state.book.cash[actor])
        if not 0 < amount <= free:
            raise Refused("POOR", "message.amount", f"1 to {free} gwei", amount)
        return self._coordinator.record(Record.WITHDRAWAL, actor, amount, signed.body())

    def event(self, signed: Signed, now: int, word: int) -> Event:
        """Say which event a message is, at `now` ms. Raises Refused."""
        market, message, becomes = self._coordinator.ready(), signed.message, _becomes(signed.verb)
        if becomes is None:
            raise Refused("MALFORMED", "verb", "one that the market keeps", signed.verb)
        actor = self._number(signed.sender, "message.sender", "UNKNOWN_SENDER")
        amount: Any = message[becomes.amount] if becomes.amount else 0
        detail: Any = message[becomes.detail] if becomes.detail else 0
        job = market.jobs if becomes.kind == Kind.REQUEST else self._job(signed) if "job" in message else 0
        if becomes.peer:
            detail = self._number(str(message[becomes.peer]), f"message.{becomes.peer}", "UNKNOWN_ACTOR")
        if becomes.kind == Kind.VOTE:
            word = int(message["choice"])
        return Event(becomes.kind, now, actor, job, amount, detail, word)

    def _job(self, signed: Signed) -> int:
        job, jobs = int(signed.message["job"]), self._coordinator.ready().jobs
        if job >= jobs:
            raise Refused(
                "UNKNOWN_JOB", "message.job", f"0 to {jobs - 1}" if jobs else "a job, of which there are none", job
            )
        return job

    def _number(self, address: str, field: str, reason: str) -> int:
        number = self._coordinator.ready().numbers.get(address)
        if number is None:
            raise Refused(reason, field, "the address of somebody who has joined", address)
        return number

    def refusal(self, verdict: Verdict, event: Event) -> Refused:
        """Say what the rule's verdict means here."""
        market = self._coordinator.ready()
        got = f"{Kind(event.kind).name} of {event.amount} gwei"
        if event.kind >= Kind.BID:
            phase = Phase(int(market.state.book.phase[event.job])).name
            prover = int(market.state.book.prover[event.job])
            got = f"{Kind(event.kind).name} of job {event.job}, which is {phase}, prover {prover}"
        return refused(verdict, got)


def payload_of(journal: Journal, asked: int) -> bytes:
    """Read what the request in row `asked` wants proven. Raises Refused."""
    named = unpack(next(journal.rows(asked - 1, asked)).body)["message"]["payload"]
    data = journal.blob(bytes.fromhex(named[2:]))
    if data is None:
        raise Refused("NOT_FOUND", "payload", f"the payload of row {asked}", "none")
    return data
