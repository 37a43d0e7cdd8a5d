"""What a journal tells that does not depend on the rule: who did what when, what was drawn, how provers behaved.

A proof's time is from when its prover got the job, or from its proof before that, to the proof: one at a time. A job
that was given and not proven was too much for it if other proofs filled the window, and left on purpose if not.
"""

from collections.abc import Iterable
from typing import NamedTuple

from proofyard.core import Kind, Phase
from proofyard.core.errors import BadInput
from proofyard.network.market import Market
from proofyard.network.records import Record, Row

TIMERS = (Kind.CLOSE, Kind.EXPIRE, Kind.SETTLE)
ALONE = (Record.JOIN, Record.DEPOSIT, Record.WITHDRAWAL)  # records that happen under any rule


class Prover:
    """One prover as the journal knows it. Money gwei, times ms.

    Attributes
    ----------
    actor, name : who
    price, capacity : first offer, (1, 1) without one
    stake : first
    times : of its proofs, by job
    tiers : of its proofs, and what they name, by job
    bids : by job: (ms after the request, gwei)
    declined : jobs it gave back, and how long after it got them
    missed : jobs whose window it missed: those it left on purpose, and those it had no time for
    left : on purpose; it may have proven them later, when they were open to all
    """

    def __init__(self, actor: int, name: str) -> None:
        self.actor, self.name = actor, name
        self.price, self.capacity, self.stake = 1, 1, 0
        self.offers = self.stakes = False
        self.times: dict[int, int] = {}
        self.tiers: dict[int, list[tuple[int, int]]] = {}
        self.bids: dict[int, list[tuple[int, int]]] = {}
        self.declined: dict[int, int] = {}
        self.missed: set[int] = set()
        self.left: set[int] = set()

    @property
    def mean_ms(self) -> int:
        """Its mean time, 0 without a proof; one that came after a missed window may have been begun long before."""
        whole = [ms for job, ms in self.times.items() if job not in self.missed] or list(self.times.values())
        return round(sum(whole) / len(whole)) if whole else 0

    @property
    def left_share(self) -> float:
        """The share of the jobs it had time for that it left on purpose."""
        return len(self.left) / max(1, len(self.left) + len(self.times.keys() - self.missed))


class Story(NamedTuple):
    """What happened.

    Attributes
    ----------
    market : as it ended
    first : the first row
    rows : what people did by themselves, in order: joins, money, accounts, requests, contests, votes
    provers : by number of the actor
    words : by kind, job, and how often it had happened to that job
    lateness : of timers, ms after the deadline, likewise
    opened : jobs that were open to all, and who proved them then
    """

    market: Market
    first: Row
    rows: list[Row]
    provers: dict[int, Prover]
    words: dict[tuple[int, int, int], int]
    lateness: dict[tuple[int, int, int], int]
    opened: dict[int, set[int]]


class _Reader:
    def __init__(self, first: Row) -> None:
        self.first, self.market = first, Market(first)
        self.rows: list[Row] = []
        self.provers: dict[int, Prover] = {}
        self.words: dict[tuple[int, int, int], int] = {}
        self.lateness: dict[tuple[int, int, int], int] = {}
        self.opened: dict[int, set[int]] = {}
        self._times: dict[tuple[int, int], int] = {}  # how often a kind happened to a job
        self._given: dict[int, int] = {}
        self._free: dict[int, int] = {}
        self._missed: list[tuple[int, int, int, int]] = []  # prover, job, given, deadline
        self._ended: dict[tuple[int, int], int] = {}  # its first proof, by prover and job

    def take(self, row: Row) -> None:
        """Go on by a row."""
        book, kind, job = self.market.state.book, row.kind, row.job
        about = kind > Kind.REQUEST
        deadline, holder = (int(book.deadline[job]), int(book.prover[job])) if about else (0, -1)
        was = int(book.phase[job]) if about else 0
        self.market.follow(row)
        if kind < 0:
            if kind in ALONE:
                self.rows.append(row)
            return
        if kind <= Kind.REQUEST or kind in (Kind.CONTEST, Kind.VOTE):
            self.rows.append(row)
        if kind in (Kind.OFFER, Kind.STAKE):
            self._account(row)
        if kind >= Kind.REQUEST:
            nth = self._times.get((kind, job), 0)
            self._times[kind, job] = nth + 1
            self.words[kind, job, nth] = row.word
            if kind in TIMERS:
                self.lateness[kind, job, nth] = row.time - deadline
            if was == Phase.OPEN and kind in (Kind.PROVE, Kind.EXPIRE):
                self.opened.setdefault(job, set()).update({row.actor} if kind == Kind.PROVE else ())
            self._job(row, deadline, holder if was == Phase.ASSIGNED else -1)

    def prover(self, actor: int) -> Prover:
        """Return what is known of a prover."""
        if actor not in self.provers:
            self.provers[actor] = Prover(actor, self.market.names[actor])
        return self.provers[actor]

    def _account(self, row: Row) -> None:
        prover = self.prover(row.actor)
        if row.kind == Kind.OFFER and not prover.offers:
            prover.offers, prover.price, prover.capacity = True, row.amount, max(1, row.detail)
        elif row.kind == Kind.STAKE and not prover.stakes:
            prover.stakes, prover.stake = True, row.amount

    def _job(self, row: Row, deadline: int, holder: int) -> None:
        job, book = row.job, self.market.state.book
        if row.kind == Kind.PROVE:
            prover = self.prover(row.actor)
            begun = max(self._given.get(job, row.time), self._free.get(row.actor, 0))
            prover.times.setdefault(job, max(1, row.time - begun))
            prover.tiers.setdefault(job, []).append((row.detail, row.word))
            self._free[row.actor] = row.time
            self._ended.setdefault((row.actor, job), row.time)
        elif row.kind == Kind.BID:
            asked = self.market.asks[job][0]
            self.prover(row.actor).bids.setdefault(job, []).append((row.time - asked, row.amount))
        elif row.kind == Kind.DECLINE:
            self.prover(row.actor).declined[job] = row.time - self._given.get(job, row.time)
        elif row.kind == Kind.EXPIRE and holder >= 0:
            self._missed.append((holder, job, self._given.get(job, deadline), deadline))
        if book.phase[job] in (Phase.ASSIGNED, Phase.OPEN) and row.kind not in (Kind.PROVE, Kind.VOTE):
            self._given[job] = row.time

    def judge(self) -> None:
        """Say of every job that was given and not proven whether its prover had time for it."""
        for actor, job, _, _ in self._missed:
            self.prover(actor).missed.add(job)
        for actor, job, given, deadline in self._missed:
            prover = self.prover(actor)
            ends = [(self._ended[actor, other], ms) for other, ms in prover.times.items()]
            busy = sum(ms for ended, ms in ends if given < ended <= deadline)
            if given + busy + prover.mean_ms <= deadline:
                prover.left.add(job)


def read_story(rows: Iterable[Row]) -> Story:
    """Read a journal. Raises BadInput for one without a request or a prover, Fault for one that does not hold."""
    source = iter(rows)
    reader = _Reader(next(source))
    for row in source:
        reader.take(row)
    reader.judge()
    if not reader.market.jobs or not reader.provers:
        raise BadInput("journal", "at least one request and one prover", f"{reader.market.jobs} requests")
    return Story(reader.market, reader.first, reader.rows, reader.provers, reader.words, reader.lateness, reader.opened)
