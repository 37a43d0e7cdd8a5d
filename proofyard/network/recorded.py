"""What a journal says happened, in the engine's own columns: a live run is measured exactly as a simulated one."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from proofyard.core import FINAL, Kind, Phase, Verdict, shape
from proofyard.core.book import Ints
from proofyard.engine.result import Jobs, Provers, Run, Samples, Slashes
from proofyard.network.journal import connect
from proofyard.network.market import Market
from proofyard.network.records import Row

SAMPLES = 240
NEVER = 2**62  # ms
MS_PER_HOUR = 3_600_000


class Measured:
    """What is known of the provers besides the journal: names, cost of an hour in gwei, time of a proof in ms."""

    def __init__(self, names: Sequence[str], rate: Sequence[int] = (), work_ms: Sequence[int] = ()) -> None:
        self.names = tuple(names)
        self.rate = np.array(list(rate) or [0] * len(names), np.int64)
        self.work_ms = np.array(list(work_ms) or [0] * len(names), np.int64)


class _Tally:
    """Counts while the journal is replayed row by row."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.first_deadline: dict[int, int] = {}
        self.proven: dict[int, int] = {}
        self.holder: dict[int, int] = {}
        self.turns: dict[int, int] = {}
        self.missed: dict[int, int] = {}
        self.slashes: list[tuple[int, int, int]] = []
        self.samples: list[tuple[int, int, Ints]] = []
        self.verdicts: dict[tuple[str, str], int] = {}
        self.entered: dict[int, int] = {}
        self.start: dict[int, int] = {}

    def follow(self, row: Row) -> None:
        """Go on by a row, and see what it changed."""
        market = self.market
        slashed = market.state.book.slashed.copy()
        holder = self.holder.get(row.job, -1)
        was = int(market.state.book.phase[row.job]) if row.kind > Kind.REQUEST else 0
        market.follow(row)
        if row.kind < 0:
            return
        name = (Kind(row.kind).name, Verdict.OK.name)
        self.verdicts[name] = self.verdicts.get(name, 0) + 1
        changed = market.state.book.slashed - slashed
        self.slashes += [(row.time, int(actor), int(changed[actor])) for actor in np.flatnonzero(changed)]
        if row.kind == Kind.STAKE:
            self.start.setdefault(row.actor, self._stake(row.actor))
        if row.kind in (Kind.OFFER, Kind.STAKE):
            self.entered.setdefault(row.actor, row.time)
        if row.kind >= Kind.REQUEST:
            self._job(row, was, holder)

    def _stake(self, actor: int) -> int:
        stake = getattr(self.market.state, "stake", None)
        return int(stake[actor]) if stake is not None else 0

    def _job(self, row: Row, was: int, holder: int) -> None:
        book, job = self.market.state.book, row.job
        if row.kind == Kind.PROVE:
            self.proven.setdefault(job, row.time)
            self.turns[job] = self.turns.get(job, 0) + (was == Phase.OPEN)  # somebody took it up, as in the engine
        if row.kind == Kind.EXPIRE and was == Phase.ASSIGNED and holder >= 0:
            self.missed[holder] = self.missed.get(holder, 0) + 1
        if book.phase[job] == Phase.ASSIGNED and book.prover[job] != self.holder.get(job, -1):
            self.holder[job] = int(book.prover[job])
            self.turns[job] = self.turns.get(job, 0) + 1
            self.first_deadline.setdefault(job, int(book.deadline[job]))
        elif book.phase[job] == Phase.OPEN:
            self.first_deadline.setdefault(job, int(book.deadline[job]))

    def sample(self, time: int) -> None:
        """Note what is locked and staked."""
        locking = [a for f, a in shape.named(self.market.state) if f.money and not f.path.startswith("book.")]
        stake = getattr(self.market.state, "stake", None)
        held = stake.copy() if stake is not None else np.zeros(self.market.genesis.actors, np.int64)
        self.samples.append((time, sum(int(array.sum()) for array in locking), held))


def run_of(rows: Iterable[Row], measured: Measured, *, scenario: str, refused: Sequence[int] = ()) -> Run:
    """Read a journal into the columns of a run; `refused`: requests that no row speaks of, ms when they were made.

    Raises Fault where the journal does not hold.
    """
    source = iter(rows)
    tally = _Tally(Market(next(source)))
    kept = list(source)
    end = kept[-1].time if kept else 0
    step, due = max(1, end // SAMPLES), 0
    for row in kept:
        while row.time >= due:
            tally.sample(due)
            due += step
        tally.follow(row)
    tally.sample(end)
    return _run(tally, measured, scenario, refused, end)


def _run(tally: _Tally, measured: Measured, scenario: str, refused: Sequence[int], end: int) -> Run:
    market = tally.market
    names = {address: k for k, address in enumerate(market.names)}
    actors = [names[name] for name in measured.names if name in names]
    row_of = {actor: k for k, actor in enumerate(actors)}
    jobs = _jobs(tally, row_of, measured, refused)
    provers = _provers(tally, actors, jobs, measured, end)
    time, locked, stake = zip(*tally.samples, strict=True)
    seats = np.zeros((len(time), len(actors)), np.int64)
    wins = np.stack([_wins(jobs, len(actors), moment) for moment in time])
    slashes = [(at, row_of[actor], gwei) for at, actor, gwei in tally.slashes if actor in row_of]
    log = np.array(slashes, np.int64).reshape(-1, 3)
    held = np.stack(stake)[:, actors]
    churn = getattr(market.state, "churn", None)
    return Run(
        scenario=scenario,
        mechanism=market.rule.text,
        seed=0,
        horizon_ms=end,
        end_ms=end,
        supply_gwei=shape.total_gwei(market.state),
        names=tuple(market.names[actor] for actor in actors),
        groups=tuple(market.names[actor] for actor in actors),
        jobs=jobs,
        provers=provers,
        samples=Samples(np.array(time), np.array(locked), np.arange(len(actors)), held, seats, wins, seats),
        slashes=Slashes(log[:, 0].copy(), log[:, 1].copy(), log[:, 2].copy()),
        slashes_total=len(log),
        burnt_gwei=int(market.state.book.burnt[0]),
        seat_churn=int(churn[0]) if churn is not None else 0,
        verdicts=tally.verdicts,
        money_difference_gwei=market.money_difference,
        events=market.last.seq,
        coalitions=("",) * (len(actors) + 1),
    )


def _jobs(tally: _Tally, row_of: dict[int, int], measured: Measured, refused: Sequence[int]) -> Jobs:
    market, book = tally.market, tally.market.state.book
    table: list[tuple[int, ...]] = []
    for job in range(market.jobs):
        asked, _, size = market.asks[job]
        prover = row_of.get(int(book.prover[job]), -1)
        proven = tally.proven.get(job, 0)
        cost = int(measured.rate[prover] * measured.work_ms[prover] // MS_PER_HOUR) if prover >= 0 and proven else 0
        late = int(proven > tally.first_deadline.get(job, NEVER))
        costs = measured.rate * measured.work_ms // MS_PER_HOUR
        cheapest = int(costs.min()) if len(costs) else -1
        table.append((asked, size, int(book.requester[job]), prover, int(book.phase[job]), proven, int(book.paid[job]),
                      cost, cheapest, tally.turns.get(job, 0), late))  # fmt: skip
    table += [(asked, 0, -1, -1, 0, 0, 0, 0, -1, 0, 0) for asked in refused]
    columns = np.array(table, np.int64).reshape(-1, len(Jobs._fields))
    return Jobs(*(columns[:, k].copy() for k in range(len(Jobs._fields))))


def _provers(tally: _Tally, actors: list[int], jobs: Jobs, measured: Measured, end: int) -> Provers:
    state = tally.market.state
    count = len(actors)
    won = jobs.phase == Phase.SETTLED
    columns: dict[str, Any] = {name: np.zeros(count, np.int64) for name in Provers._fields}
    earned = getattr(state, "earned", None)
    stake = getattr(state, "stake", None)
    for k, actor in enumerate(actors):
        mine = won & (jobs.prover == k)
        columns["group"][k] = k
        columns["capacity"][k] = 1
        columns["wins"][k] = int(mine.sum())
        columns["missed"][k] = tally.missed.get(actor, 0)
        columns["income_gwei"][k] = int(earned[actor]) if earned is not None else int(jobs.paid_gwei[mine].sum())
        columns["slashed_gwei"][k] = int(state.book.slashed[actor])
        columns["stake_gwei"][k] = int(stake[actor]) if stake is not None else 0
        columns["stake_start_gwei"][k] = tally.start.get(actor, 0)
        columns["busy_ms"][k] = int(measured.work_ms[k]) * int((jobs.prover == k).sum())
        columns["cost_gwei"][k] = int(measured.rate[k]) * int(columns["busy_ms"][k]) // MS_PER_HOUR
        columns["online_ms"][k] = end - tally.entered.get(actor, end)
        columns["active"][k] = 1
    return Provers(**columns)


def _wins(jobs: Jobs, count: int, moment: int) -> Ints:
    won = (jobs.phase == Phase.SETTLED) & (jobs.proven_ms > 0) & (jobs.proven_ms <= moment) & (jobs.prover >= 0)
    return np.bincount(jobs.prover[won], minlength=count).astype(np.int64)


__all__ = ["FINAL", "Measured", "run_of"]


def skips_of(journal: Path) -> dict[str, int]:
    """Count why provers skipped jobs."""
    found: dict[str, int] = {}
    opened_journal = connect(str(journal))
    for row in opened_journal.rows():
        if row.kind == Kind.REQUEST:
            for _, _, _, reason in opened_journal.skips(row.job):
                found[reason] = found.get(reason, 0) + 1
    opened_journal.close()
    return found
