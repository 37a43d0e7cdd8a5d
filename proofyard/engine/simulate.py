"""Run a scenario: let the compiled loop go from epoch to epoch, take samples, and let people move their stake."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from proofyard.core import shape
from proofyard.core.book import Ints
from proofyard.core.errors import BadInput, Fault
from proofyard.core.event import Event, Kind, Phase, Verdict
from proofyard.core.rule import Rule
from proofyard.engine import backing, kernels, layout, queue
from proofyard.engine.cast import MS_PER_HOUR
from proofyard.engine.events import EVENT_WORDS
from proofyard.engine.population import Population
from proofyard.engine.result import Jobs, Provers, Run, Samples, Slashes
from proofyard.engine.world import Stage, addresses, gains, rule_of, stage
from proofyard.policies import Policy
from proofyard.scenario import Scenario, read

BUDGET = 2_000_000  # events between looks at the clock and at Ctrl-C
TRACE_ROOM = 100_000  # events in the trace buffer
TRACKED = 64  # provers whose stake is sampled
LAYER = 1_000_003  # seeds from one layer to the next: each has dice of its own
GWEI_DECIMALS = 9  # results are in gwei whatever the token's decimals
C = TypeVar("C", Jobs, Provers, Samples, Slashes)

Progress = Callable[[int, int], None]  # called with simulated ms, horizon ms


class Simulation:
    """One seed of one scenario under one rule, from genesis to the last job's end."""

    def __init__(
        self, scenario: Scenario, rule: Rule, seed: int, *, salt: int = 0, traced: bool = False,
        arrive: Ints | None = None, played: Mapping[int, Policy] | None = None, asked: int | None = None,
    ) -> None:  # fmt: skip
        """Set everything up; `played`, `asked`: as for `stage`. Raises BadInput."""
        layer = seed if asked is None else asked
        arrive = arrivals_after(scenario, layer) if arrive is None else arrive  # ms, where somebody knows when
        room = TRACE_ROOM if traced else 0
        self.stage = stage(scenario, rule, seed, salt=salt, trace_room=room, arrive=arrive, played=played, asked=asked)
        self.traced = traced
        self.words = addresses(self.stage)
        self.context, self.place = self.stage.bound.context.ctypes.data, self.words.ctypes.data
        self.chunks: list[Ints] = []  # of the trace
        self.samples = _Sampler(self.stage)
        self.people = Population(self.stage, self.inject, self.alarm)

    def inject(self, events: Ints) -> Ints:
        """Let the rule answer events about accounts, shape (n, 7); returns their verdicts."""
        verdicts = np.zeros(len(events), np.int64)
        step = TRACE_ROOM // 2
        for first in range(0, len(events), step):
            if self.traced:
                self._flush()
            part = verdicts[first : first + step]
            kernels.inject(*self._handles(), np.ascontiguousarray(events[first : first + step]), part)
        return verdicts

    def alarm(self, job: int, time: int) -> None:
        """Have a job looked at, at a time in ms."""
        registers = self.stage.world.registers[0]
        if 2 * (int(registers["heap_size"]) + 1) > len(self.stage.world.heap):
            self._grow()
        self.stage.world.jobs["alarm"][job] = time
        key, salt = queue.key_of(queue.ALARM, job, 0), int(registers["salt"])
        registers["heap_size"] = queue.push(self.stage.world.heap, int(registers["heap_size"]), time, key, salt)

    def run(self, progress: Progress | None = None) -> Run:
        """Run to the end. Raises Fault when a rule leaves a job stuck or money is not conserved."""
        self.enter()
        while self.advance(progress):
            self.decide()
        return self.finish()

    @property
    def now(self) -> int:
        """How far the market is, ms."""
        return int(self.stage.world.registers[0]["now"])

    def enter(self) -> None:
        """Let everybody enter the market; the first of all steps."""
        self.people.enter()

    def advance(self, progress: Progress | None = None) -> bool:
        """Go on to the next epoch, at which people decide; False: there is none, and every job is final."""
        due = False
        while not due:
            why = kernels.run(*self._handles(), BUDGET)
            if why == layout.DONE:
                return False
            due = why == layout.EPOCH_DUE
            if due:
                self.samples.take(self.now)
            elif why == layout.TRACE_FULL:
                self._flush()
            elif why == layout.QUEUE_FULL:
                self._grow()
            if progress is not None:
                progress(self.now, self.stage.scenario.horizon)
        return True

    def decide(self) -> None:
        """Let people decide, at an epoch."""
        self.people.decide(self.now)

    def finish(self) -> Run:
        """Measure the run; the last of all steps. Raises Fault."""
        self.samples.finish(self.now)
        if self.traced:
            self._flush()
        return self._result()

    def _handles(self) -> tuple[int, int, int]:
        """Addresses of the rule, its state and the world."""
        return self.stage.bound.function, self.context, self.place

    def _grow(self) -> None:
        """Give the event queue twice the room."""
        world = self.stage.world
        heap = layout.queue_of(len(world.heap))
        heap[: len(world.heap)] = world.heap
        object.__setattr__(self.stage, "world", world._replace(heap=heap))
        self.words = addresses(self.stage)
        self.place = self.words.ctypes.data

    def _flush(self) -> None:
        """Keep what is in the trace buffer."""
        world = self.stage.world
        count = int(world.registers[0]["traced"])
        self.chunks.append(world.trace[: EVENT_WORDS * count].reshape(-1, EVENT_WORDS).copy())
        world.registers[0]["traced"] = 0

    def _result(self) -> Run:
        """Collect the columns of the result."""
        st = self.stage
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
            provers=_in_gwei(_provers(st, self.people, self.samples), gwei),
            samples=_in_gwei(self.samples.table(), gwei),
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
            desk_gain_gwei=int(gains(st)[st.desk]) * gwei if self.people.delegation.desk.told else None,
            insurer_gain_gwei=int(gains(st)[st.insurer]) * gwei if self.people.delegation.fund.told else None,
            money_difference_gwei=shape.total_gwei(st.state) - st.genesis_gwei,
            events=int(registers["events"]),
            trace=np.concatenate(self.chunks) if self.traced else None,
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


class _Sampler:
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
        late=((rows["proven"] > first_deadline) & (first_deadline > 0) & (rows["turns"] > 0)).astype(np.int64),
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


def _provers(st: Stage, people: Population, samples: _Sampler) -> Provers:
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
        capacity=np.diff(st.world.first_slot),
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


def simulate(
    scenario: Scenario, rule: Rule | None = None, seed: int | None = None, *, salt: int = 0, traced: bool = False,
    progress: Progress | None = None, asked: int | None = None,
) -> Run:  # fmt: skip
    """Run one seed of `scenario`, its own rule and seed by default; `asked` as for `stage`. Raises BadInput, Fault."""
    chosen = rule_of(scenario) if rule is None else rule
    number = scenario.seed if seed is None else seed
    return Simulation(scenario, chosen, number, salt=salt, traced=traced, asked=asked).run(progress)


def arrivals_after(scenario: Scenario, seed: int) -> Ints | None:
    """Run the layer before this one, if there is one, and say when it asks here. Raises BadInput, Fault."""
    workload = scenario.workload
    if workload.arrivals != "after" or workload.after is None:
        return None
    layer, seen = read(Path(workload.after)), {workload.after}
    above = layer
    while above.workload.arrivals == "after" and above.workload.after is not None:
        if above.workload.after in seen:
            raise BadInput("workload.after", "layers that end somewhere", f"{above.workload.after}, twice")
        seen.add(above.workload.after)
        above = read(Path(above.workload.after))
    jobs = simulate(layer, seed=seed + LAYER).jobs
    done = np.sort(jobs.proven_ms[jobs.phase == Phase.SETTLED])
    done = done[done < scenario.horizon]
    arrive = done[workload.batch - 1 :: workload.batch][: workload.requests]
    if not len(arrive):
        raise BadInput("workload.after", "a layer that proves enough for one request", f"{len(done)} in all")
    return arrive.copy()


def replay(st: Stage, trace: Ints) -> Any:
    """Fold `trace` in plain Python from the genesis of `st`'s scenario and return the state. Raises Fault."""
    told = st.requests.arrive if st.scenario.workload.arrivals == "after" else None
    fresh = stage(st.scenario, st.rule, st.seed, arrive=told)
    for row in trace.tolist():
        verdict = st.rule.apply(fresh.state, Event(*row))
        if verdict != Verdict.OK:
            raise Fault(f"plain Python answers {verdict.name} to {row}, the compiled rule accepted it.")
    return fresh.state
