"""Recompute a journal from its first row, trusting nobody; name the first row that does not hold, and why."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from proofyard.core import Event, Fault, Kind
from proofyard.core.errors import BadInput
from proofyard.network import beacon
from proofyard.network.journal import Journal
from proofyard.network.market import Market
from proofyard.network.messages import LONGEST_MS, VERBS, Domain, Signed, check_form, check_signature
from proofyard.network.records import FIRST, Record, Row, digest, hash_row, unpack
from proofyard.network.refusals import Refused
from proofyard.network.sheets import Sheets
from proofyard.network.work import Task, why_not
from proofyard.proofs.backend import ProofBackend

if TYPE_CHECKING:
    from proofyard.network.witness import Witness  # brings the chain along

TIMERS = (Kind.CLOSE, Kind.EXPIRE, Kind.SETTLE)
SIGNED_RECORDS = {Record.JOIN: "join", Record.CANCEL: "cancel", Record.WITHDRAWAL: "leave"}


class Failure(NamedTuple):
    """The first row that does not hold."""

    seq: int
    why: str


class Report(NamedTuple):
    """What an audit found."""

    ok: bool
    first_failure: Failure | None
    events: int
    signatures: int
    words: int
    proofs: int  # verified again
    settlements: int
    head: str
    money_difference_gwei: int
    chain: dict[str, int] | None = None  # what was compared with the chain; None: there was none to compare with


class _Auditor:
    """Goes through a journal row by row."""

    def __init__(self, journal: Journal, backend: ProofBackend | None, witness: "Witness | None") -> None:
        self._journal, self._backend, self._witness = journal, backend, witness
        self._block = 0  # number of the last block in a word
        self._market: Market | None = None
        self._sheets = Sheets(Domain(0, b"", b""))  # of no market yet
        self._nonces: set[tuple[str, int]] = set()
        self._payload: dict[int, str] = {}
        self.counts = dict.fromkeys(("events", "signatures", "words", "proofs", "settlements"), 0)

    @property
    def market(self) -> Market:
        if self._market is None:
            raise Fault("journal: wanted a first row, got none.")
        return self._market

    def check(self, row: Row, before: bytes) -> str:
        """Say what is wrong with a row, "" nothing."""
        if row.hash != hash_row(before, row):
            return "its hash does not follow from the row before it and its content"
        if self._market is None:
            return self._begin(row)
        if row.time < self.market.last.time:
            return f"its time {row.time} is before that of the row before it"
        try:
            body = unpack(row.body)
            wrong = self._signed(row, body) or self._word(row, body) or self._proof(row, body)
            if not wrong:
                self.market.follow(row)
        except (Fault, BadInput, KeyError, IndexError, ValueError, TypeError) as error:
            return f"{error}" if isinstance(error, Fault | BadInput) else f"its body is malformed: {error!r}"
        return wrong or self._after(row) or self._on_chain(row, body)

    def _on_chain(self, row: Row, body: dict[str, Any]) -> str:
        """Ask the chain about a row that holds by itself."""
        if self._witness is None:
            return ""
        try:
            return self._witness.follow(row, body)
        except (Fault, BadInput, KeyError, ValueError, TypeError) as error:
            return f"{error}" if isinstance(error, Fault | BadInput) else f"its body is malformed: {error!r}"

    def _begin(self, row: Row) -> str:
        try:
            self._market = Market(row)
            self._sheets = Sheets(self._market.domain)
            return self._witness.begin(self._journal) if self._witness is not None else ""
        except (Fault, BadInput, ValueError) as error:
            return str(error)

    def _after(self, row: Row) -> str:
        self.counts["events"] += row.kind >= 0
        self.counts["settlements"] += row.kind == Record.SETTLEMENT
        if row.kind in (Record.DEPOSIT, Record.WITHDRAWAL) and self.market.state.book.cash[row.actor] < 0:
            return f"actor {row.actor} has less than nothing after it"
        if self.market.uncovered.get(row.actor, 0) < 0:
            return f"it covers more of actor {row.actor} than is uncovered"
        if self.market.announced.get(row.actor, 0) < 0 or any(k < 0 for k in self.market.kept_in.get(row.actor, ())):
            return f"it takes more of actor {row.actor} out than it asked back"
        if row.kind == Kind.SETTLE and self.market.money_difference:
            return f"{self.market.money_difference} gwei too many exist after it"
        return ""

    def _signed(self, row: Row, body: dict[str, Any]) -> str:
        """Check that whom the row names signed what it says, once, in time."""
        verb = SIGNED_RECORDS.get(Record(row.kind)) if row.kind < 0 else str(body.get("verb", ""))
        from_chain = row.kind == Record.WITHDRAWAL and body.get("from") == "chain"
        if verb is None or (row.kind in TIMERS and not verb) or (from_chain and self.market.genesis.chain_id):
            return ""
        if body.get("verb") != verb or (row.kind >= 0 and VERBS.get(verb, VERBS["join"]).kind != row.kind):
            return f"its message is {body.get('verb')}, not what the row says"
        try:
            signed = Signed(verb, body["message"], _bytes(body, "signature"), self.market.domain.market)
            check_form(verb, signed.message)
            signed_hash = self._signed_hash(signed, _bytes(body, "sheet"))
        except (Refused, KeyError, ValueError, TypeError) as error:
            return f"its signature: {error}"
        self.counts["signatures"] += 1
        key = (signed.sender, int(signed.message["nonce"]))
        if key in self._nonces:
            return f"nonce {key[1]} of {key[0]} was used before"
        self._nonces.add(key)
        waited = LONGEST_MS if row.kind == Kind.PROVE else 0  # to be verified, at most: it counts from when it came
        if not -waited <= int(signed.message["expiry"]) - row.at <= 2 * LONGEST_MS:
            return "its message had expired, or was good for too long"
        body["signed_hash"] = signed_hash
        return self._says(row, signed)

    def _signed_hash(self, signed: Signed, sheet: bytes) -> bytes:
        """Check who signed, in the `sheet` of that name if there is one. Raises Refused."""
        if sheet:
            return self._sheets.check(signed.verb, signed.message, sheet, self._journal.blob)
        return check_signature(signed, self.market.domain)

    def _says(self, row: Row, signed: Signed) -> str:
        """Check that the row says what the message says."""
        message, numbers = signed.message, self.market.numbers
        if row.kind != Record.JOIN and numbers.get(signed.sender) != row.actor:
            return f"it is of actor {row.actor}, its message of {signed.sender}"
        if row.kind == Record.JOIN:
            return "" if unpack(row.body)["address"] == signed.sender else "it joins somebody else than who signed"
        expected = dict(row._asdict())
        for name, column in (("amount", "amount"), ("price", "amount"), ("ceiling", "amount"), ("job", "job"),
                             ("capacity", "detail"), ("size", "detail"), ("tier", "detail"), ("ballot", "detail"),
                             ("choice", "word"), ("cancelled", "amount")):  # fmt: skip
            if name in message:
                expected[column] = message[name]
        for name in ("prover", "payee"):
            if name in message:
                expected["detail"] = numbers.get(str(message[name]), -1)
        if row.kind == Kind.REQUEST:
            expected["job"] = self.market.jobs
            self._payload[row.job] = str(message["payload"])
        wrong = [name for name in ("amount", "job", "detail", "word") if expected[name] != getattr(row, name)]
        return f"its {wrong[0]} is not what was signed" if wrong else ""

    def _word(self, row: Row, body: dict[str, Any]) -> str:
        """Check that the word is the one that was committed to."""
        if row.kind not in beacon.DRAWN:
            return ""
        number = bytes.fromhex(body.get("reveal", ""))
        if not beacon.follows(number, self.market.revealed):
            return "its number of the beacon is not the one committed to"
        signed_hash = body.get("signed_hash")
        if signed_hash is None:
            deadline = int(self.market.state.book.deadline[row.job])
            signed_hash = beacon.timer_digest(Event(*row[2:9]), deadline)
        self.counts["words"] += 1
        block = b""
        if self.market.genesis.chain_id:
            height, found = body["block"]
            if not self._block <= height:
                return f"its word has block {height}, after one with block {self._block}"
            self._block, block = height, bytes.fromhex(found[2:])
            wrong = self._witness.check_block(height, found) if self._witness is not None else ""
            if wrong:
                return f"its word: {wrong}"
        return "" if beacon.word_from(number, signed_hash, block) == row.word else "its word is not that of the beacon"

    def _proof(self, row: Row, body: dict[str, Any]) -> str:
        """Verify a proof again."""
        if row.kind != Kind.PROVE:
            return ""
        payload = self._journal.blob(bytes.fromhex(self._payload.get(row.job, "0x")[2:]))
        proof = self._journal.blob(bytes.fromhex(body["message"]["proof"][2:]))
        if payload is None or proof is None:
            return "its proof, or what was to be proven, is not in the journal"
        if digest(proof).hex() != body["message"]["proof"][2:] or digest(payload).hex() != self._payload[row.job][2:]:
            return "its proof, or what was to be proven, has been exchanged"
        task = Task.from_bytes(payload)
        if task.result != row.word:
            return "its word does not name what was proven"
        if self._backend is None or self._backend.name != self.market.genesis.backend:
            return ""
        self.counts["proofs"] += 1
        reason = why_not(self._backend, task, proof, self.market.addresses[row.actor])
        return f"its proof is no proof: {reason}" if reason else ""


def _bytes(body: dict[str, Any], name: str) -> bytes:
    """Read bytes of a body, none where it has none."""
    return bytes.fromhex(body.get(name, "0x")[2:])


def audit(
    journal: Journal,
    backend: ProofBackend | None = None,
    witness: "Witness | None" = None,
    watch: Callable[[int], None] | None = None,
) -> Report:
    """Recompute everything.

    Parameters
    ----------
    journal : only read
    backend : verifies proofs again; None: that they are there is all that is checked of them
    witness : the chain that keeps the money; None: what the journal says of it is believed
    watch : called with the number of rows done
    """
    auditor = _Auditor(journal, backend, witness)
    before, seq, failure = FIRST, 0, None
    for row in journal.rows():
        wrong = f"a row is missing before row {row.seq}" if row.seq != seq else auditor.check(row, before)
        if wrong:
            failure = Failure(seq, wrong)
            break
        before, seq = row.hash, seq + 1
        if watch is not None:
            watch(seq)
    if failure is None and seq == 0:
        raise BadInput("journal", "at least one row", "none")
    difference = auditor.market.money_difference if failure is None else 0
    if failure is None:
        wrong = f"{difference} gwei too many exist at the end" if difference else ""
        wrong = wrong or (witness.end() if witness is not None else "")
        failure = Failure(seq - 1, wrong) if wrong else None
    chain = witness.counts if witness is not None else None
    return Report(failure is None, failure, **auditor.counts, head=before.hex(), money_difference_gwei=difference,
                  chain=chain)  # fmt: skip


__all__ = ["Failure", "Report", "audit"]
