"""Where a history comes from: a trace the simulator wrote, or the journal of a market, which may still be growing."""

import json
import threading
from abc import ABC, abstractmethod
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from typing_extensions import override

from proofyard import mechanisms
from proofyard.core.book import Ints
from proofyard.core.errors import BadInput, MarketError
from proofyard.core.event import Event, Kind
from proofyard.core.rule import Rule, parse_call, with_params
from proofyard.engine.world import Stage, rule_of, stage
from proofyard.lab.runs import TRACE_FORMAT
from proofyard.network.journal import Journal, connect
from proofyard.network.market import Market
from proofyard.network.records import FIRST, Record, Row, hash_row, unpack
from proofyard.scenario import Scenario, read, restored

COLUMNS = tuple(Event._fields)
WORDS = len(COLUMNS)
TRACE_LINE = b'{"format":'
RECENT_JOBS = 200  # whose skips may still change
FIRST_JOBS = 64  # room for jobs of a market that has none yet


class More(NamedTuple):
    """What came since the last time: rows (n, 7), their hashes, and when they were written (ms since 1970)."""

    events: Ints
    hashes: list[bytes]
    at: list[int]


class Source(ABC):
    """A recorded history.

    Attributes
    ----------
    title : name of the scenario or market
    where : the file or the database
    chain_id : of the chain that keeps the money, 0 without one
    recorded_hashes : whether the hashes were recorded, or computed when it was opened
    rule : the rule with its parameters
    scenario : the experiment, where it is known
    decimals : of the token; amounts are in its smallest unit
    names, addresses : by number of the actor
    watched : how many actors, from 0 on, may be slashed
    """

    title: str = ""
    where: str = ""
    chain_id: int = 0
    recorded_hashes: bool = False
    rule: Rule
    scenario: Scenario | None = None
    decimals: int = 9
    names: list[str]
    addresses: list[str]
    watched: int = 0
    growing: bool = False
    settlements: dict[int, dict[str, Any]]  # by row: body and number (`batch`) of each batch sent to the chain

    @abstractmethod
    def genesis(self, jobs: int) -> Any:
        """Build the state before the first row, with room for `jobs` jobs."""
        ...

    @abstractmethod
    def more(self) -> More:
        """Read what came since the last call. Raises BadInput, JournalError."""
        ...

    def body(self, row: int) -> dict[str, Any]:  # noqa: ARG002 - a trace has none
        """Return what was recorded beside the seven integers of a row."""
        return {}

    def skips(self, job: int) -> list[tuple[int, str]]:  # noqa: ARG002 - a trace has none
        """List who skipped a job, and why: (actor, reason)."""
        return []

    def skips_by_actor(self, jobs: int) -> dict[int, dict[str, int]]:  # noqa: ARG002 - a trace has none
        """Count why each actor skipped jobs, over the first `jobs` jobs."""
        return {}


def chained(events: Ints, before: bytes = FIRST, seq: int = 0) -> list[bytes]:
    """Compute the hash chain a journal of these events would have, with no bodies and no clock."""
    found: list[bytes] = []
    for k, row in enumerate(events.tolist()):
        before = hash_row(before, (seq + k, 0, *row, b""))
        found.append(before)
    return found


class TraceSource(Source):
    """A file of `proofyard simulate --trace`: the scenario, then seven integers a line."""

    def __init__(self, path: Path) -> None:
        head, events = read_trace(path)
        self.where = str(path)
        self.scenario = restored(head["scenario"]).model_copy(update={"seed": int(head["seed"])})
        self.rule = with_text(head["mechanism"], self.scenario)
        self.title = self.scenario.name
        self.decimals = self.scenario.token.decimals
        self._events: Ints | None = events
        told = _arrivals(events) if self.scenario.workload.arrivals == "after" else None
        self._stage: Stage = stage(self.scenario, self.rule, self.scenario.seed, arrive=told)
        cast = self._stage.cast
        self.names = [*cast.names, "rollup", *(f"delegator {k + 1}" for k in range(self._stage.delegators))]
        self.addresses = [""] * len(self.names)
        self.watched = cast.count
        self.settlements = {}
        self._cash = self._stage.state.book.cash.copy()

    @override
    def genesis(self, jobs: int) -> Any:
        state = self.rule.genesis(len(self._cash), max(jobs, len(self._stage.state.book.phase)))
        state.book.cash[:] = self._cash
        return state

    @override
    def more(self) -> More:
        if self._events is None:
            return More(np.zeros((0, WORDS), np.int64), [], [])
        events, self._events = self._events, None
        return More(events, chained(events), [])


def read_trace(path: Path) -> tuple[dict[str, Any], Ints]:
    """Read the head and the events of a trace. Raises BadInput."""
    with path.open(encoding="utf-8") as file:
        line = file.readline()
        rest = file.read()
    try:
        head: dict[str, Any] = json.loads(line)
        if head["format"] != TRACE_FORMAT:
            raise BadInput(str(path), f"a trace of format {TRACE_FORMAT}", head["format"])
        events = np.loadtxt(StringIO(rest), np.int64, ndmin=2) if rest.strip() else np.zeros((0, WORDS), np.int64)
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(str(path), "a trace: a line of JSON, then seven integers a line", f"{error}") from None
    if events.shape[1] != WORDS:
        raise BadInput(str(path), "seven integers a line", f"{events.shape[1]}")
    return head, events


def with_text(text: str, scenario: Scenario) -> Rule:
    """Resolve a recorded rule; what the record leaves out is as the scenario has it."""
    name, values = parse_call(text, "mechanism")
    own = rule_of(scenario)
    if name == own.name and own.text == text:
        return own
    found = mechanisms.rule(text)
    return with_params(found.name, found.module, values)


def _arrivals(events: Ints) -> Ints:
    """When each job was asked for, of a layer whose requests another layer made."""
    asked = events[events[:, 0] == Kind.REQUEST]
    times = np.zeros(int(asked[:, 3].max(initial=-1)) + 1, np.int64)
    times[asked[:, 3]] = asked[:, 1]
    return times


class JournalSource(Source):
    """The journal of a market, read while it grows; the chain of hashes is checked row by row."""

    recorded_hashes = True
    growing = True

    def __init__(self, url: str, scenario: Scenario | None = None) -> None:
        self.where = url.rsplit("@", 1)[-1]  # no password
        self._journal: Journal = connect(url)
        first = next(self._journal.rows(-1, 0), None)
        if first is None:
            raise BadInput("journal", "a journal with a first row", f"{self.where}, which is empty")
        self._market = Market(first)
        self.market = self._market.genesis
        self.rule = self._market.rule
        self.title = self.market.scenario
        self.chain_id = self.market.chain_id
        self.scenario = scenario
        self.names, self.addresses = [], []
        self.watched = 0
        self._last: Row | None = None
        self._lock = threading.Lock()
        self.settlements = {}
        self._skips: dict[int, list[tuple[int, str]]] = {}
        self._skips_until = 0

    @override
    def genesis(self, jobs: int) -> Any:
        return self.rule.genesis(self.market.actors, max(jobs, FIRST_JOBS))

    @override
    def more(self) -> More:
        rows: list[tuple[int, ...]] = []
        hashes: list[bytes] = []
        at: list[int] = []
        with self._lock:
            following = self._last is not None
            try:
                for row in self._journal.rows(self._last.seq if self._last is not None else -1):
                    self._check(row)
                    rows.append(self._plain(row))
                    hashes.append(row.hash)
                    at.append(row.at)
                    self._last = row
            except MarketError:
                if not following or not rows:
                    raise  # else: first the rows before it; whoever follows comes back, and meets it again
        self.watched = len(self.names)
        return More(np.array(rows, np.int64).reshape(-1, WORDS), hashes, at)

    def _check(self, row: Row) -> None:
        """Refuse a row that does not follow. Raises BadInput."""
        before, seq = (self._last.hash, self._last.seq + 1) if self._last is not None else (FIRST, 0)
        if row.seq != seq or row.hash != hash_row(before, row):
            raise BadInput("journal", f"row {seq} to follow the one before it", "a broken chain of hashes")

    def _plain(self, row: Row) -> tuple[int, ...]:
        """Return the row as the replay wants it: only money that comes or goes has an amount with a negative kind."""
        kind, time, actor, job, amount, detail, word = row[2:9]
        if kind >= 0:
            return row[2:9]
        if kind == Record.JOIN:
            body = unpack(row.body)
            self.names.append(str(body.get("name", "")))
            self.addresses.append(str(body.get("address", "")))
        elif kind == Record.SETTLEMENT:
            self.settlements[row.seq] = {"batch": amount, **unpack(row.body)}
        sign = {Record.DEPOSIT: 1, Record.WITHDRAWAL: -1}.get(Record(kind), 0)
        return kind, time, actor, job, sign * amount, detail, word

    @override
    def body(self, row: int) -> dict[str, Any]:
        with self._lock:
            found = next(self._journal.rows(row - 1, row), None)
        return unpack(found.body) if found is not None else {}

    @override
    def skips(self, job: int) -> list[tuple[int, str]]:
        with self._lock:
            return [(actor, reason) for _, _, actor, reason in self._journal.skips(job)]

    @override
    def skips_by_actor(self, jobs: int) -> dict[int, dict[str, int]]:
        for job in range(max(0, min(self._skips_until, jobs) - RECENT_JOBS), jobs):  # older jobs are done with
            self._skips[job] = self.skips(job)
        self._skips_until = max(self._skips_until, jobs)
        found: dict[int, dict[str, int]] = {}
        for job, skips in self._skips.items():
            for actor, reason in skips if job < jobs else ():
                reasons = found.setdefault(actor, {})
                reasons[reason] = reasons.get(reason, 0) + 1
        return found


def open_source(place: str, scenario: Scenario | None = None) -> Source:
    """Open a trace or a journal: a file, or `postgresql://…`. Raises BadInput."""
    if "://" in place:
        return JournalSource(place, scenario)
    path = Path(place)
    if not path.is_file():
        raise BadInput("source", "a trace or a journal", f"{place}, which is no file")
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"SQLite format 3"):
        return JournalSource(place, scenario)
    if start.startswith(TRACE_LINE):
        return TraceSource(path)
    raise BadInput("source", "a trace of `simulate --trace` or a journal", f"{place}, which is neither")


def scenario_from(path: Path | None) -> Scenario | None:
    """Read a scenario: the user's TOML, or JSON as a live run leaves it. Raises BadInput."""
    if path is None:
        return None
    if path.suffix != ".json":
        return read(path)
    try:
        tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput("--scenario", "a scenario", f"{path} ({error})") from None
    return restored(tree)
