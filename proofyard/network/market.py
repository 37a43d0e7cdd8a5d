"""A market's state, rebuilt from its journal: by the coordinator, by who audits it, by every page that shows it."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from proofyard import mechanisms
from proofyard.core import MAX_GWEI, Event, Kind, Phase, Verdict, shape
from proofyard.core.errors import Fault
from proofyard.engine.fold import fold
from proofyard.network.beacon import Beacon
from proofyard.network.messages import LONGEST_MS, Domain, Signer
from proofyard.network.records import FIRST, NO_JOB, Record, Row, digest, first_broken, hash_row, make_row, unpack

FORMAT = 1
ROOM = 1_024  # jobs to begin with; doubled when they are used up
FEW = 2_000  # events that plain Python answers sooner than a rule is compiled
CHUNK = 50_000
FINAL = (Phase.SETTLED, Phase.LOST)


class Genesis(BaseModel):
    """The journal's first row: what a market is and will always be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    scenario: str = "market"
    mechanism: str
    source: str = ""  # SHA-256 of the rule's file
    chain_id: int = Field(default=0, ge=0)  # 0: no chain
    contract: str = "0x" + 40 * "0"  # keeps the money
    coordinator: str  # address of the writer
    actors: int = Field(default=1_024, ge=2, le=1_000_000)  # at most; a rule with trees cannot grow
    grant_gwei: int = Field(
        default=0, ge=0, le=MAX_GWEI
    )  # play money for everybody who joins; for markets without a chain
    backend: str = "calibrated"  # whose proofs count
    commitment: str  # to the first words, see `beacon`
    beacon: str  # names the market in its coordinator's secret


def timer_kind(phase: int) -> Kind | None:
    """Which timer a job in `phase` waits for."""
    if phase == Phase.BIDDING:
        return Kind.CLOSE
    if phase in (Phase.ASSIGNED, Phase.OPEN):
        return Kind.EXPIRE
    return Kind.SETTLE if phase in (Phase.PROVEN, Phase.CONTESTED) else None


class Market:
    """The state after some row.

    Attributes
    ----------
    genesis, domain, rule : what never changes
    state : the rule's
    last : the newest row
    addresses, names : by number of the actor
    numbers : of the actors, by address
    jobs : how many there were; `asked[job]` is the row of its request, `asks[job]` its time, ceiling and size
    put_in : gwei that came in less gwei that left
    announced : gwei by actor that messages let go and the vault has not been asked for yet
    let_go, lost : gwei by actor that left the market, and that left the vault though the rule holds them, in all
    kept_in : sums by actor, gwei, that the vault was asked for though the rule holds them, in order
    uncovered : gwei by actor that the rule holds and that are not in the vault
    used : (sender, nonce) of messages that may still come again: (when they expire, their row)
    forget_at : ms since 1970, when expired ones are next forgotten
    revealed : the beacon's number revealed last; `reveals` of them in round `round`
    """

    def __init__(self, first: Row) -> None:
        if first.kind != Record.GENESIS or first.seq != 0 or first.hash != hash_row(FIRST, first):
            raise Fault("journal: wanted a market's first row, got something else.")
        self.genesis = Genesis.model_validate_json(first.body)
        contract = bytes.fromhex(self.genesis.contract[2:])
        self.domain = Domain(self.genesis.chain_id, contract, first.hash)
        self.rule = mechanisms.rule(self.genesis.mechanism)
        if self.genesis.source and self.genesis.source != source_of(self.rule.module.__file__):
            raise Fault(f"{self.genesis.mechanism}: wanted the rule the journal began with, got a changed file.")
        self.state: Any = self.rule.genesis(self.genesis.actors, ROOM)
        self.minted = shape.total_gwei(self.state)
        self.last = first
        self.addresses, self.names = list[str](), list[str]()
        self.numbers: dict[str, int] = {}
        self.jobs = 0
        self.asked: list[int] = []
        self.asks: list[tuple[int, int, int]] = []
        self.put_in = 0
        self.announced, self.let_go = dict[int, int](), dict[int, int]()
        self.lost, self.uncovered = dict[int, int](), dict[int, int]()
        self.kept_in: dict[int, list[int]] = {}
        self.used: dict[tuple[str, int], tuple[int, int]] = {}
        self.revealed = bytes.fromhex(self.genesis.commitment)
        self.round, self.reveals = 0, 0
        self.forget_at = 0
        self.also: list[int] = []  # other jobs that the last event decided
        self.was_open = False  # whether anybody could bid on, or prove, the job of the last event before it
        self._first = 0  # no job before it is unfinished

    @classmethod
    def rebuild(cls, rows: Iterable[Row]) -> "Market":
        """Read a journal. Raises Fault where the hash chain breaks or the rule refuses what was accepted."""
        source = iter(rows)
        market = cls(next(source))
        market.catch_up(source)
        return market

    def catch_up(self, rows: Iterable[Row]) -> None:
        """Go on by all these rows, compiled if they are many. Raises Fault as `rebuild` does."""
        recent = time.time_ns() // 1_000_000 - 2 * LONGEST_MS
        began = self.last.seq + 1
        events: list[tuple[int, ...]] = []
        chunks: list[Any] = []
        for row in rows:
            before = self.last
            if row.seq != before.seq + 1 or row.hash != hash_row(before.hash, row):
                raise Fault(f"journal: wanted row {before.seq + 1} to follow the one before it, got a broken chain.")
            self._count(row, recent)
            events.append(row[2:9])
            if len(events) == CHUNK:
                chunks.append(np.array(events, np.int64))
                events = []
        if events:
            chunks.append(np.array(events, np.int64))
        if chunks:
            self._replay(np.concatenate(chunks), began)

    def _replay(self, events: Any, began: int) -> None:
        """Let the rule answer everything that was accepted from row `began` on."""
        self.make_room(self.jobs)
        money = {Record.DEPOSIT: 1, Record.WITHDRAWAL: -1}
        for record in Record:
            mine = events[:, 0] == record
            events[mine, 4] *= money.get(record, 0)
        if len(events) > FEW:
            verdicts = fold(self.rule, self.state, events)
            wrong = np.flatnonzero(verdicts)
            if len(wrong):
                verdict = Verdict(int(verdicts[wrong[0]])).name
                raise Fault(f"journal: row {began + int(wrong[0])} was accepted, and the rule answers {verdict}.")
            return
        for k, columns in enumerate(events.tolist()):
            if columns[0] < 0:
                self.state.book.cash[columns[2]] += columns[4]
            elif (verdict := self.rule.apply(self.state, Event(*columns))) != Verdict.OK:
                raise Fault(f"journal: row {began + k} was accepted, and the rule answers {Verdict(verdict).name}.")

    def follow(self, row: Row) -> None:
        """Go on by one row that the rule accepts. Raises Fault if it does not follow or the rule refuses it."""
        if row.seq != self.last.seq + 1 or row.hash != hash_row(self.last.hash, row):
            raise Fault(f"journal: wanted row {self.last.seq + 1} to follow the one before it, got a broken chain.")
        if row.kind >= 0 and (verdict := self.answer(row.event)) != Verdict.OK:
            raise Fault(f"journal: row {row.seq} was accepted, and the rule answers {verdict.name}.")
        self.take(row)

    def answer(self, event: Event) -> Verdict:
        """Let the rule answer."""
        self.also = []
        self.was_open = event.kind > Kind.REQUEST and self.state.book.phase[event.job] in (Phase.BIDDING, Phase.OPEN)
        if event.kind == Kind.CLOSE:
            return self._close(event)
        if event.kind == Kind.REQUEST:
            self.make_room(event.job + 1)
        verdict = self.rule.apply(self.state, event)
        return Verdict(verdict) if verdict else Verdict.OK

    def _close(self, event: Event) -> Verdict:
        """Let the rule decide at the end of an auction; see which other jobs it decided with it."""
        phase = self.state.book.phase
        while self._first < self.jobs and phase[self._first] >= Phase.SETTLED:
            self._first += 1
        first = self._first
        before = phase[first : self.jobs].copy()
        verdict = Verdict(self.rule.apply(self.state, event))
        changed = np.flatnonzero(phase[first : self.jobs] != before) + first
        self.also = [int(job) for job in changed if job != event.job]
        return verdict

    def take(self, row: Row, message: dict[str, Any] | None = None) -> None:
        """Count a row whose event the rule has answered, and carry out a record; `message`: of its body, if known."""
        if row.kind < 0:
            self._move(row)
        self._count(row, 0, message)

    def _move(self, row: Row) -> None:
        """Carry out a record that moves money."""
        if row.kind == Record.DEPOSIT:
            self.state.book.cash[row.actor] += row.amount
        elif row.kind == Record.WITHDRAWAL:
            self.state.book.cash[row.actor] -= row.amount

    def _count(self, row: Row, recent: int, message: dict[str, Any] | None = None) -> None:
        """Keep what is not the rule's: actors, requests, money that came and went, nonces, the beacon."""
        self.last = row
        if row.kind < 0:
            self._count_record(row)
        elif row.kind == Kind.REQUEST:
            self.jobs += 1
            self.asked.append(row.seq)
            self.asks.append((row.time, row.amount, row.detail))
        reveals = row.body.startswith(b'{"reveal":"')
        if reveals:
            self.revealed = bytes.fromhex(row.body[11:75].decode())
            self.reveals += 1
        if message is None and row.at > recent and b'"nonce":' in row.body:
            message = unpack(row.body).get("message")
        if message is not None:
            self._remember(row, message)

    def _count_record(self, row: Row) -> None:
        """Keep what a record says."""
        if row.kind == Record.JOIN:
            body = unpack(row.body)
            self.numbers[body["address"]] = len(self.addresses)
            self.addresses.append(body["address"])
            self.names.append(body["name"])
        elif row.kind in (Record.DEPOSIT, Record.WITHDRAWAL, Record.UNCOVERED):
            self._count_money(row, unpack(row.body))
        elif row.kind == Record.BEACON:
            self.revealed = bytes.fromhex(unpack(row.body)["commitment"])
            self.round, self.reveals = self.round + 1, 0

    def _count_money(self, row: Row, body: dict[str, Any]) -> None:
        """Keep what came in and left, and how far what the rule holds is covered by what the vault has."""
        actor, gwei = row.actor, row.amount
        if row.kind == Record.DEPOSIT:
            self.put_in += gwei
            _add(self.uncovered, actor, -int(body.get("covers", 0)))
            return
        if row.kind == Record.UNCOVERED:
            _add(self.uncovered, actor, gwei)
            _add(self.lost, actor, gwei)
            return
        self.put_in -= gwei
        announced = int(body.get("announced", 0))
        _add(self.let_go, actor, gwei)
        _add(self.announced, actor, gwei if "verb" in body else -announced)
        kept_in = int(body["asked"]) - announced - gwei if "asked" in body else 0
        if kept_in:
            self.kept_in.setdefault(actor, []).append(kept_in)

    def _remember(self, row: Row, message: dict[str, Any]) -> None:
        """Remember a nonce until its message expires."""
        self.used[message["sender"], message["nonce"]] = (message["expiry"], row.seq)
        if row.kind == Record.CANCEL:
            self.used[message["sender"], message["cancelled"]] = (row.at + LONGEST_MS, row.seq)
        if row.at > self.forget_at:
            self.forget_at = row.at + LONGEST_MS
            self.used = {key: value for key, value in self.used.items() if value[0] >= row.at}

    def make_room(self, jobs: int) -> None:
        """Make the state large enough for so many jobs."""
        room = len(self.state.book.phase)
        if jobs > room:
            while room < jobs:
                room *= 2
            self.state = shape.grown(self.state, self.genesis.actors, room)

    @property
    def money_difference(self) -> int:
        """Gwei there are now, less what was minted at genesis and came in since; 0 in any honest market."""
        return shape.total_gwei(self.state) - self.minted - self.put_in

    def open_jobs(self) -> list[int]:
        """List the jobs that are not final."""
        phase = self.state.book.phase[: self.jobs]
        return np.flatnonzero((phase != Phase.NONE) & (phase < Phase.SETTLED)).tolist()

    def woken(self) -> int:
        """Return the other job that the rule says the last event moved on, -1 none."""
        woken = getattr(self.state, "woken", None)
        return int(woken[0]) - 1 if woken is not None and len(woken) else -1

    def moved_on(self) -> list[int]:
        """List the other jobs that the last event moved on."""
        woken = self.woken()
        return [*self.also, woken] if woken >= 0 else self.also

    def job(self, job: int) -> dict[str, Any]:
        """Show a job: its place in life and its money, gwei and ms."""
        b = self.state.book
        return {
            "job": job,
            "phase": Phase(int(b.phase[job])).name,
            "asked": self.asks[job][0],
            "ceiling_gwei": self.asks[job][1],
            "size": self.asks[job][2],
            "requester": int(b.requester[job]),
            "prover": int(b.prover[job]),
            "deadline": int(b.deadline[job]),
            "escrow_gwei": int(b.escrow[job]),
            "paid_gwei": int(b.paid[job]),
        }

    def actor(self, number: int) -> dict[str, Any]:
        """Show an actor: name, address, and each of the rule's columns about it, money in gwei."""
        columns = {
            field.path.removeprefix("book."): int(array[number])
            for field, array in shape.named(self.state)
            if field.size == "actor"
        }
        return {"actor": number, "address": self.addresses[number], "name": self.names[number], **columns}


def _add(sums: dict[int, int], actor: int, gwei: int) -> None:
    """Add to a sum; what is zero is not kept."""
    sums[actor] = sums.get(actor, 0) + gwei
    if not sums[actor]:
        del sums[actor]


def first_row(genesis: dict[str, Any] | None, signer: Signer, unix: int) -> Row:
    """Make a journal's first row, with the writer's address and first commitment. Raises Fault without a genesis."""
    if genesis is None:
        raise Fault("journal: wanted one with a first row, or a rule to begin one with, got neither.")
    name = time.time_ns().to_bytes(8)
    commitment = Beacon(signer.secret_for, name).begin(0).hex()
    own = {"coordinator": signer.address, "commitment": commitment, "beacon": name.hex()}
    body = Genesis.model_validate({**genesis, **own}).model_dump_json().encode()
    return make_row(None, unix, (Record.GENESIS, 0, 0, NO_JOB, 0, 0, 0), body)


def check_writer(genesis: Genesis, address: str, backend: str, *, on_chain: bool) -> None:
    """Refuse to write a journal with another key, backend or place of its money than it began with. Raises Fault."""
    if genesis.coordinator != address:
        raise Fault(f"journal: wanted the key of {genesis.coordinator}, got that of {address}.")
    if genesis.backend != backend:
        raise Fault(f"journal: wanted the backend whose proofs count in it, {genesis.backend}, got {backend}.")
    if bool(genesis.chain_id) != on_chain:
        raise Fault(f"journal: its money is on chain {genesis.chain_id} (0: none); give that chain or none.")


def source_of(path: str | None) -> str:
    """Hash a rule's file."""
    return digest(Path(path).read_bytes()).hex() if path else ""


__all__ = ["FINAL", "Genesis", "Market", "check_writer", "first_broken", "first_row", "source_of", "timer_kind"]
