"""What a journal has settled on a chain and what it has still to settle: parts, their heads, what each of them moves.

A part ends at a row. If it pays several proofs it goes to the chain as that many batches, one proof each: the last has
the row's hash as its head, each before it a head of its own, so that the chain's head always says what was paid.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from proofyard.chain import Batch, ChainEvent, Payment
from proofyard.core import Fault, Kind, Phase
from proofyard.network.journal import Journal
from proofyard.network.market import FINAL, Market
from proofyard.network.orders import order_in, words
from proofyard.network.owned import owned
from proofyard.network.records import FIRST, Record, Row, digest, unpack
from proofyard.proofs.statement import Proof


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

    @property
    def heads(self) -> list[bytes]:
        """Heads of its batches, in order: one for each proof it pays, or one."""
        return [digest(self.row.hash + bytes([k])) for k in range(1, len(self.jobs))] + [self.row.hash]


class Sent(NamedTuple):
    """A batch that was sent.

    Attributes
    ----------
    seq : row up to which it settles
    jobs : it pays
    """

    seq: int
    jobs: list[int]


class Books:
    """The market as far as the chain has settled it, and the rows after that."""

    def __init__(self, journal: Journal, head: bytes) -> None:
        rows = journal.rows()
        first = next(rows)
        self.market = Market(first)
        self.asked: dict[int, bytes] = {}  # payload of each job
        self.proofs: dict[tuple[int, int], bytes] = {}  # by job and prover
        self.places: dict[str, tuple[str, int]] = {}  # whose money of the chain's came or left, and gwei, by place
        self.flows: dict[str, int] = {}  # gwei that came in since the last batch, by address
        self.recorded: set[str] = set()  # heads that stand in rows of the journal as settled
        self.paying: dict[str, Sent] = {}  # batches that pay a proof, by head
        self.half: tuple[Part, int] | None = None  # a part of which so many batches are on the chain, not all
        self._unpaid: set[int] = set()  # jobs with a proof that are not final
        self.head, self.base = FIRST, owned(self.market)
        if head == FIRST:
            return
        for row in rows:
            part = Part(row, self.follow(row), {})
            if head in part.heads:
                part = part._replace(owned=owned(self.market))
                done = part.heads.index(head) + 1
                self.half = (part, done) if done < len(part.heads) else None
                if self.half is None:
                    self.close(part)
                return
        raise Fault(f"settlement: wanted a journal with head {head.hex()}, which the chain has settled, got another.")

    def follow(self, row: Row) -> list[int]:
        """Go on by a row; return the jobs whose proofs it makes due."""
        late = row.kind == Kind.PROVE and self._phase(row.job) == Phase.SETTLED
        self.market.follow(row)
        body = unpack(row.body)
        if row.kind < 0:
            self._record(row, body)
        elif row.kind == Kind.REQUEST:
            self.asked[row.job] = bytes.fromhex(body["message"]["payload"][2:])
        elif row.kind == Kind.PROVE:
            self.proofs[row.job, row.actor] = bytes.fromhex(body["message"]["proof"][2:])
            if not late:
                self._unpaid.add(row.job)
        if row.kind < Kind.REQUEST or not self._unpaid:
            return []
        prover = self.market.state.book.prover
        final = sorted(job for job in self._unpaid if self._phase(job) in FINAL)
        self._unpaid.difference_update(final)
        jobs = [j for j in final if self._phase(j) == Phase.SETTLED and (j, int(prover[j])) in self.proofs]
        for head, due in zip(Part(row, jobs, {}).heads, jobs, strict=False):
            self.paying[head.hex()] = Sent(row.seq, [due])
        return jobs

    def _phase(self, job: int) -> int:
        return int(self.market.state.book.phase[job])

    def _record(self, row: Row, body: dict[str, Any]) -> None:
        if row.kind == Record.SETTLEMENT:
            self.recorded.add(body["head"])
        sign = {Record.DEPOSIT: 1, Record.WITHDRAWAL: -1}.get(Record(row.kind), 0)
        if sign:
            address = self.market.addresses[row.actor]
            if "place" in body:
                self.places[body["place"]] = (address, asked_in(row, body))
            self.flows[address] = self.flows.get(address, 0) + sign * row.amount

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
        self.head, self.base, self.flows, self.half = part.row.hash, part.owned, {}, None

    def batches(
        self, journal: Journal, part: Part, still_open: Iterable[str] = ()
    ) -> list[tuple[Batch, list[Payment], dict[str, int]]]:
        """Write what of a part is not on the chain yet: what it moves besides goes with its first proof.

        Whose address is in `still_open` is named there, too: what was left open of it is tried again.
        """
        done = self.half[1] if self.half is not None else 0
        heads = part.heads
        made: list[tuple[Batch, list[Payment], dict[str, int]]] = []
        for k in range(done, len(heads)):
            batch, paid = Batch(heads[k - 1] if k else self.head, heads[k]), list[Payment]()
            if part.jobs:
                payment, proof = self._payment(journal, part.jobs[k])
                batch = Batch(batch.previous, batch.head, payment.order.circuit, proof.data, words(proof.statement))
                paid = [payment]
            made.append((batch, paid, {} if k else dict.fromkeys(still_open, 0) | self.changes(part)))
        return made

    def _payment(self, journal: Journal, job: int) -> tuple[Payment, Proof]:
        _, prover = self.parties(job)
        payload = journal.blob(self.asked[job])
        proof = journal.blob(self.proofs[job, int(self.market.state.book.prover[job])])
        if payload is None or proof is None:
            raise Fault(f"settlement: wanted the proof of job {job} and what it proves, got a journal without them.")
        order, signature = order_in(payload)
        return Payment(order, signature, prover, self.price(job)), Proof.from_json(proof)


def asked_in(row: Row, body: dict[str, Any]) -> int:
    """Return what the vault says of money that came or was asked back: more than the row where it moves less."""
    return row.amount + int(body.get("covers", 0)) if row.kind == Record.DEPOSIT else int(body.get("asked", row.amount))


class Known(NamedTuple):
    """What of the chain is in a journal.

    Attributes
    ----------
    places : of all events that rows stand for
    block : number of the last one in a word
    """

    places: set[str]
    block: int

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Known":
        """Read a journal."""
        places, drawn = set[str](), b"{}"
        for row in rows:
            if row.kind < 0:
                places |= {place} if (place := unpack(row.body).get("place")) else set()
            elif row.body.startswith(b'{"reveal":') and b'"block":[' in row.body:
                drawn = row.body
        return cls(places, int(unpack(drawn).get("block", [0])[0]))


class Places:
    """Names for events of the chain that outlast a reorganisation: the transaction, and which of its logs it is."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, int], int] = {}  # log of each transaction, in each block it was seen in

    def of(self, event: ChainEvent) -> str:
        """Name an event; those of a transaction have to come in order at first."""
        first = self._first.setdefault((event.transaction, event.block), event.place)
        return f"{event.transaction} {event.place - first}"
