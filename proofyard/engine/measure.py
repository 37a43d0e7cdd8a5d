"""Measure a run: samples at every epoch, and at its end what became of every job and every prover."""

from typing import Any, TypeVar

import numpy as np

from proofyard.core import shape
from proofyard.core.book import Ints
from proofyard.core.errors import Fault
from proofyard.core.event import Kind, Phase, Verdict
from proofyard.engine import backing, layout
from proofyard.engine.cast import MS_PER_HOUR
from proofyard.engine.disputes import claims_of
from proofyard.engine.population import Population
from proofyard.engine.result import Jobs, Provers, Run, Samples, Slashes
from proofyard.engine.world import Stage, gains

TRACKED = 64  # provers whose stake is sampled
GWEI_DECIMALS = 9  # results are in gwei whatever the token's decimals
C = TypeVar("C", Jobs, Provers, Samples, Slashes)


class Sampler:
    """Looks at the market at every epoch."""

    def __init__(self, st: Stage) -> None:
        self.stage = st
        held = st.cast.stake + st.cast.delegated
        self.tracked = np.sort(np.argsort(-held, kind="stable")[:TRACKED])
        self.locking = [a for f, a in shape.named(st.state) if f.money and not f.path.startswith("book.")]
        self.rows: list[tuple[int, int, Ints, Ints, Ints]] = []
        self.pool_sum = np.zeros(st.cast.count, np.float64)

    def take(self, now: int) -> None:
        """Add one sample."""
        none = np.zeros(self.stage.cast.count, np.int64)
        pool = self.stage.optional("pool")
        for held in (pool, self.stage.optional("leaving")):
            if held is not None:
                self.pool_sum += held[: len(none)]

        def followed(values: Any) -> Ints:
            return (none if values is None else values)[self.tracked].copy()

        self.rows.append((
            now,
            sum(int(values.sum()) for values in self.locking),
            followed(self.stage.optional("stake")),
            followed(pool),
            followed(self.stage.optional("seat")),
        ))  # fmt: skip

    def finish(self, now: int) -> None:
        """Add a last sample, unless the market is already winding down after its horizon."""
        if now <= self.stage.scenario.horizon or not self.rows:
            self.take(now)

    def table(self) -> Samples:
        """Return all samples as columns."""
        time, locked, stake, pool, seat = zip(*self.rows, strict=True)
        wins = _wins_by(self.stage, self.tracked, np.array(time))
        return Samples(
            np.array(time), np.array(locked), self.tracked, np.stack(stake), np.stack(pool), wins, np.stack(seat)
        )


def result_of(st: Stage, people: Population, samples: Sampler, trace: Ints | None) -> Run:
    """Collect the columns of the result. Raises Fault: a rule raised, or left a job stuck."""
    registers, book = st.world.registers[0], st.state.book
    if st.world.counts[layout.RAISED :: layout.VERDICTS].any():
        raise Fault(f"{st.rule.text}: the rule raised an exception; proofyard check says where.")
    if registers["stuck"] or registers["live"]:
        raise Fault(f"{st.rule.text}: {int(registers['stuck']) + int(registers['live'])} jobs never became final.")
    churn = st.optional("churn")
    count = int(st.world.slashes[0])
    log = st.world.slashes[1 : 1 + 3 * count].reshape(-1, 3)
    gwei = 10 ** (GWEI_DECIMALS - st.scenario.token.decimals)  # in the token's smallest unit
    return Run(
        scenario=st.scenario.name,
        mechanism=st.rule.text,
        seed=st.seed,
        horizon_ms=st.scenario.horizon,
        end_ms=int(registers["now"]),
        supply_gwei=_supply(st) * gwei,
        names=st.cast.names,
        groups=tuple(g.name or f"class {k + 1}" for k, g in enumerate(st.cast.classes)),
        jobs=_in_gwei(_jobs(st), gwei),
        provers=_in_gwei(_provers(st, people, samples), gwei),
        samples=_in_gwei(samples.table(), gwei),
        slashes=_in_gwei(Slashes(log[:, 0].copy(), log[:, 1].copy(), log[:, 2].copy()), gwei),
        slashes_total=count,
        burnt_gwei=int(book.burnt[0]) * gwei,
        seat_churn=int(churn[0]) if churn is not None else 0,
        verdicts=_verdicts(st.world.counts),
        requesters_gain_gwei=int(gains(st)[st.cast.count]) * gwei,
        others=tuple(r.name or f"requester {k + 1}" for k, r in enumerate(st.scenario.requesters)),
        backing_gain_gwei=backing.gain(st) * gwei,
        others_from=st.cast.count + 1 + st.delegators,
        others_gain_gwei=tuple(int(v) * gwei for v in gains(st)[st.cast.count + 1 + st.delegators :]),
        coalitions=(
            *st.cast.coalitions,
            st.scenario.workload.coalition,
            *(r.coalition for r in st.scenario.requesters),
        ),
        desk_gain_gwei=int(gains(st)[st.desk]) * gwei if people.delegation.desk.told else None,
        insurer_gain_gwei=int(gains(st)[st.insurer]) * gwei if people.delegation.fund.told else None,
        claims=claims_of(st.world, int(st.scenario.workload.wrong_worth * 10**9)),
        money_difference_gwei=shape.total_gwei(st.state) - st.genesis_gwei,
        events=int(registers["events"]),
        trace=trace,
    )


def _supply(st: Stage) -> int:
    """Return the supply of the token in its smallest unit: as the scenario says, else all money there is."""
    supply = st.scenario.token.supply
    return st.genesis_gwei if supply is None else st.scenario.gwei(supply, "token.supply")


def _in_gwei(columns: C, gwei: int) -> C:
    """Convert the money columns from the token's smallest unit to gwei, 1e-9 of a token; -1 stays -1 (nobody)."""
    names: tuple[str, ...] = columns._fields
    kept: list[Ints] = list(columns)
    for k, name in enumerate(names):
        if name.endswith("gwei") and gwei != 1:
            kept[k] = np.where(kept[k] == -1, -1, kept[k] * gwei)
    return type(columns)(*kept)


def _winners(st: Stage) -> Ints:
    """List the prover of record of every settled job that has one."""
    book = st.state.book
    won = (book.phase == Phase.SETTLED) & (book.prover >= 0) & (book.prover < st.cast.count)
    return book.prover[won]


def _wins_by(st: Stage, tracked: Ints, time: Ints) -> Ints:
    """Count the proofs of the tracked provers accepted by each moment, shape (samples, tracked)."""
    book, proven = st.state.book, st.world.jobs["proven"]
    counts = np.zeros((len(time), len(tracked)), np.int64)
    for k, prover in enumerate(tracked.tolist()):
        mine = (book.prover == prover) & (book.phase == Phase.SETTLED)
        counts[:, k] = np.searchsorted(np.sort(proven[mine]), time, side="right")
    return counts


def _jobs(st: Stage) -> Jobs:
    """Columns of the jobs that were asked for."""
    book, rows = st.state.book, st.world.jobs
    jobs = len(rows)
    wide = np.broadcast_to
    size, difficulty = wide(st.requests.size, jobs), wide(st.requests.difficulty, jobs)
    prover = np.where(book.phase >= Phase.PROVEN, book.prover, -1)
    prover = np.where((prover < st.cast.count) & (book.phase == Phase.SETTLED), prover, -1)
    work = np.where(prover == rows["worker"], rows["work"], 0)
    cost = (work * st.cast.rate[prover] / MS_PER_HOUR).astype(np.int64) + st.cast.gas
    first_deadline = rows["first_deadline"]
    first = rows["proven"] if not len(st.world.claims) else st.world.claims["first"]
    return Jobs(
        asked_ms=rows["asked"].copy(),
        size=size.copy(),
        requester=wide(st.requests.requester, jobs).copy(),
        prover=prover,
        phase=book.phase.copy(),
        proven_ms=rows["proven"].copy(),
        paid_gwei=book.paid + _pool_paid(st),
        cost_gwei=np.where(prover >= 0, cost, 0),
        cheapest_gwei=_cheapest(st, size, difficulty),
        turns=rows["turns"].copy(),
        late=((first > first_deadline) & (first_deadline > 0) & (rows["turns"] > 0)).astype(np.int64),
    )


def _cheapest(st: Stage, size: Ints, difficulty: Ints) -> Ints:
    """Compute the expected cost of each job at the cheapest class that, idle, makes the window; -1 where none does."""
    window = getattr(st.rule.params, "window_ms", 0) or st.scenario.workload.deadline or st.scenario.horizon
    best = np.full(len(size), np.inf)
    for k in range(len(st.cast.classes)):
        first = int(np.flatnonzero(st.cast.group == k)[0])
        row = st.world.provers[first]
        if st.world.registers[0]["models"]:
            models = len(st.cast.classes)
            time = st.world.measured[np.broadcast_to(st.requests.row, len(size)) * models + k].astype(np.float64)
            time = np.where(time > 0, time, np.inf)
        else:
            time = (int(row["setup"]) + size * (int(row["pace"]) / 2**32)) * (difficulty / 65_536)
        price = time * st.cast.rate[first] / MS_PER_HOUR + st.cast.gas
        cost = np.where((time <= window) & (difficulty > 0), price, np.inf)
        best = np.minimum(best, cost)
    return np.where(np.isfinite(best), best, -1).astype(np.int64)


def _provers(st: Stage, people: Population, samples: Sampler) -> Provers:
    """Columns of the provers."""
    rows, count = st.world.provers, st.cast.count
    now = int(st.world.registers[0]["now"])
    online = people.online_ms(now)
    zero = np.zeros(count, np.int64)

    def optional(name: str) -> Ints:
        values = st.optional(name)
        return zero if values is None else values[:count].copy()

    return Provers(
        group=st.cast.group,
        capacity=rows["capacity"].copy(),
        wins=np.bincount(_winners(st), minlength=count),
        missed=rows["missed"].copy(),
        income_gwei=st.income(),
        cost_gwei=people.spent(now),
        slashed_gwei=st.state.book.slashed[:count].copy(),
        stake_gwei=optional("stake"),
        stake_start_gwei=people.staked_at_start.copy(),
        busy_ms=rows["busy"].copy(),
        wasted_ms=rows["wasted"].copy(),
        online_ms=online,
        active=(rows["gone_until"] <= now).astype(np.int64),
        pool_gwei=(samples.pool_sum / max(1, len(samples.rows))).astype(np.int64),
        pool_end_gwei=optional("pool"),
        pool_gain_gwei=_pool_gain(st),
        pool_slashed_gwei=optional("pool_slashed") + optional("leaving_slashed"),
        invested_gwei=people.supply.invested.copy(),
        elsewhere_gwei=people.supply.earned.astype(np.int64),
        gain_gwei=gains(st)[:count],
    )


def _pool_paid(st: Stage) -> Ints:
    """Return what delegators were credited for each job, gwei."""
    paid = st.optional("pool_paid")
    return np.zeros(len(st.world.jobs), np.int64) if paid is None else paid


def _pool_gain(st: Stage) -> Ints:
    """Compute what those who delegate to each prover were credited, gwei."""
    book = st.state.book
    won = (book.prover >= 0) & (book.prover < st.cast.count)
    gain = np.zeros(st.cast.count, np.int64)
    np.add.at(gain, book.prover[won], _pool_paid(st)[won])
    return gain


def _verdicts(counts: Ints) -> dict[tuple[str, str], int]:
    """Which kinds met which verdicts, how often."""
    table = counts.reshape(len(Kind), layout.VERDICTS)
    pairs = zip(*np.nonzero(table), strict=True)
    return {(Kind(kind).name, Verdict(verdict).name): int(table[kind, verdict]) for kind, verdict in pairs}
