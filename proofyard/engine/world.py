"""From a scenario to the arrays the engine runs on: who asks, who proves, with which dice."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from proofyard import mechanisms
from proofyard.core import shape
from proofyard.core.book import MAX_GWEI, Ints
from proofyard.core.errors import BadInput
from proofyard.core.event import Kind, Phase
from proofyard.core.rule import Rule, parse_call, with_params
from proofyard.engine import kernels, layout, queue
from proofyard.engine.bind import Bound, bind, compile_policy
from proofyard.engine.cast import Cast, cast_of, median_time
from proofyard.engine.memory import words_of
from proofyard.policies.view import View
from proofyard.scenario import DelegatorPolicy, Outsource, Scenario, delegator_policy
from proofyard.worlds.dice import word
from proofyard.worlds.hardware import proving_ms
from proofyard.worlds.schedules import online_ms, schedule, toggles
from proofyard.worlds.sizes import Sizes, sizes
from proofyard.worlds.traces import CRASH, Trace, read

ONE = 65_536  # Q16
PPM = 1_000_000
DIFFICULTY_STREAM, PROPOSER_STREAM = 5, 6  # of the dice; 0 is the engine's
EVENT_WORDS = 7
SLASH_LOG = 100_000
DELEGATED = ("pool", "leaving")  # how arrays are called that hold, under their operator, the money of delegators


class Requests(NamedTuple):
    """Columns of the requests; `size`, `difficulty`, `requester` and `row` have one entry or one per job."""

    arrive: Ints  # ms
    size: Ints
    difficulty: Ints  # Q16
    requester: Ints  # actor
    row: Ints  # of the measured proofs


def rule_of(scenario: Scenario) -> Rule:
    """Resolve the scenario's rule; its `window_ms` is the workload's deadline unless the text sets it."""
    rule = mechanisms.rule(scenario.mechanism)
    _, values = parse_call(scenario.mechanism, "mechanism")
    provers, places = sum(group.count for group in scenario.provers), getattr(rule.module, "ACTIVE_SET", "")
    if values.get(places, 0) > provers:  # by default a set may be larger: places stay empty
        raise BadInput(f"mechanism.{places}", f"at most the {provers} provers of the scenario", values[places])
    deadline = scenario.workload.deadline
    if deadline is not None and "window_ms" in rule.params._fields and "window_ms" not in values:
        return with_params(rule.name, rule.module, {**values, "window_ms": deadline})
    return rule


def trace_of(scenario: Scenario) -> Trace | None:
    """Read the measured proofs of the set-ups the scenario names, if its requests come from a trace."""
    workload = scenario.workload
    if workload.arrivals != "trace" or workload.trace is None:
        return None
    return read(workload.trace, setups=[group.hardware for group in scenario.provers])


def requests_of(scenario: Scenario, seed: int, provers: int, trace: Trace | None, arrive: Ints | None) -> Requests:
    """Draw the requests of one seed: when (where the layer before does not say), of what size, how hard, by whom."""
    workload = scenario.workload
    arrive = _arrivals(scenario, seed, trace) if arrive is None else arrive
    jobs = len(arrive)
    if trace is not None:
        row = np.arange(jobs) % len(trace.block)
        size, difficulty = trace.gas[row], np.full(1, ONE)
    else:
        row = np.zeros(1, np.int64)
        size, difficulty = _drawn(sizes(workload.size), seed, jobs)
    requester = np.full(1, provers)
    if workload.requester == "provers":
        requester = (word(seed, PROPOSER_STREAM, np.arange(jobs)) % np.uint64(provers)).astype(np.int64)
    return Requests(arrive, size, difficulty, requester, row)


def _arrivals(scenario: Scenario, seed: int, trace: Trace | None) -> Ints:
    """Compute the times of the requests, ms, up to the horizon (pauses before each request for a closed loop)."""
    workload = scenario.workload
    expected = scenario.horizon // workload.every
    most = workload.requests or (len(trace.block) if trace is not None else None)
    if workload.arrivals == "closed_loop":
        most = min(most or expected * workload.clients, expected * workload.clients)
        return np.full(max(1, most), workload.every)
    room = expected if workload.arrivals != "poisson" else expected + 10 + int(8 * np.sqrt(expected))
    count = int(min(room, most)) if most is not None else int(room)
    if count < 1:
        raise BadInput("workload.every", "at least one request within the horizon", f"{workload.every} ms")
    if workload.arrivals != "poisson":
        return np.arange(count) * workload.every
    arrive = np.empty(count, np.int64)
    kernels.poisson_arrivals(seed, float(workload.every), arrive)
    return arrive[: max(1, int(np.searchsorted(arrive, scenario.horizon)))]


def _drawn(distribution: Sizes, seed: int, jobs: int) -> tuple[Ints, Ints]:
    """Draw sizes and difficulties; one entry when all are alike."""
    size, difficulty = distribution.size, distribution.difficulty
    if size[0] == size[-1] and difficulty[0] == difficulty[-1]:
        return size[:1].copy(), difficulty[:1].copy()
    drawn = np.empty(jobs, np.int64)
    kernels.draw_from_table(seed, size, drawn)
    column = (word(seed, DIFFICULTY_STREAM, np.arange(jobs)) >> np.uint64(54)).astype(np.int64)
    return drawn, difficulty[column]


@dataclass(frozen=True)
class Stage:
    """Everything one run needs: the rule bound to its state, and the engine's world around it."""

    scenario: Scenario
    rule: Rule
    seed: int
    cast: Cast
    requests: Requests
    delegators: int  # actors count + 1 onwards delegate
    policy: DelegatorPolicy
    state: Any
    bound: Bound
    world: layout.World
    genesis_gwei: int
    worth_at_start: Ints  # what each actor owned, gwei

    @cached_property
    def first_delegator(self) -> int:
        """The first actor that delegates."""
        return self.cast.count + 1

    def income(self) -> Ints:
        """Sum up what each prover has been paid for proofs so far, gwei; a rule that pays several keeps `earned`."""
        earned = self.optional("earned")
        if earned is not None:
            return earned[: self.cast.count].copy()
        book, rows = self.state.book, self.world.provers
        income: Ints = rows["advance"].copy()
        mine = (book.phase >= Phase.SETTLED) & (book.prover >= 0) & (book.prover < self.cast.count)
        np.add.at(income, book.prover[mine], (book.paid - self.world.jobs["credited"])[mine])
        return income

    def optional(self, name: str) -> Ints | None:
        """Return an array the rule may have (`stake`, `seat`, `pool`, …), if it has it."""
        return getattr(self.state, name, None)


def stage(
    scenario: Scenario, rule: Rule, seed: int, *, salt: int = 0, trace_room: int = 0, arrive: Ints | None = None
) -> Stage:
    """Build the world of one seed and fill in everybody's money; `arrive`: requests as told. Raises BadInput."""
    measured = trace_of(scenario)
    cast = cast_of(scenario, measured, per_unit=getattr(rule.module, "PRICE_PER_UNIT", False))
    requests = requests_of(scenario, seed, cast.count, measured, arrive)
    jobs, actors = len(requests.arrive), cast.count + 1
    delegators = scenario.delegators.count if scenario.delegators else 0
    state = rule.genesis(actors + delegators, jobs)
    _fund(scenario, cast, state, jobs, delegators)
    genesis = shape.total_gwei(state)
    if genesis > MAX_GWEI or genesis < 0:
        raise BadInput("scenario", f"less than {MAX_GWEI // 10**scenario.token.decimals:_} tokens in all", "more")
    _check_deadline(scenario, cast, requests, measured)
    bound = bind(rule, state)
    world = _world(scenario, cast, requests, state, seed, measured)
    registers = world.registers[0]
    registers["salt"] = salt
    registers["tracing"] = trace_room > 0
    registers["every_proof"] = getattr(rule.module, "EVERY_PROOF", False)
    world = world._replace(trace=np.zeros(EVENT_WORDS * trace_room, np.int64))
    text = scenario.delegators.policy if scenario.delegators else "stay"
    return Stage(
        scenario, rule, seed, cast, requests, delegators, delegator_policy(text), state, bound, world, genesis,
        worth(state, delegators),
    )  # fmt: skip


def worth(state: tuple[Any, ...], delegators: int) -> Ints:
    """Sum up what each actor owns, gwei: its cash and all the rule keeps in its name, but not what others delegate."""
    held = [(field.path, array) for field, array in shape.named(state) if field.money and field.size == "actor"]
    return np.sum([array for path, array in held if not (delegators and path.startswith(DELEGATED))], axis=0)


def gains(st: Stage) -> Ints:
    """Compare what each actor owns now with what it owned at the start, gwei."""
    return worth(st.state, st.delegators) - st.worth_at_start


def _check_deadline(scenario: Scenario, cast: Cast, requests: Requests, trace: Trace | None) -> None:
    """Refuse a deadline that nobody could ever meet. Raises BadInput."""
    deadline = scenario.workload.deadline
    if deadline is None:
        return
    if trace is not None:
        fastest = int(trace.time_ms[trace.time_ms > 0].min(initial=scenario.horizon))
    else:
        smallest = int(requests.size.min())
        fastest = min(proving_ms(model, smallest) for model in cast.hardware if model is not None)
    if deadline < fastest:
        wanted = f"at least {fastest} ms, the least any prover needs"
        raise BadInput("workload.deadline", wanted, f"{deadline} ms")


def _fund(scenario: Scenario, cast: Cast, state: Any, jobs: int, delegators: int) -> None:
    """Give everybody the cash they start with."""
    cash = state.book.cash
    cash[: cast.count] = cast.stake + cast.cash
    fee = scenario.gwei(scenario.workload.max_fee, "workload.max_fee")
    if fee * jobs > MAX_GWEI:
        raise BadInput(
            "workload.max_fee", "fees that fit the money supply, over all requests", scenario.workload.max_fee
        )
    cash[cast.count] = fee * jobs
    if scenario.workload.requester == "provers":
        cash[: cast.count] += fee * jobs
    if delegators:
        cash[cast.count + 1 :] = 0
        for delegator, (_, gwei) in enumerate(delegations(cast, delegators)):
            cash[cast.count + 1 + delegator] = gwei


def delegations(cast: Cast, delegators: int) -> list[tuple[int, int]]:
    """Who delegates to whom at the start: (prover, gwei) per delegator, each operator's share cut into equal parts."""
    total = int(cast.delegated.sum())
    if total == 0:
        return [(-1, 0)] * delegators
    bounds = np.round(np.cumsum(cast.delegated) / total * delegators).astype(np.int64)
    found: list[tuple[int, int]] = []
    first = 0
    for prover, last in enumerate(bounds.tolist()):
        if cast.delegated[prover] and last == first:
            raise BadInput("delegators.count", "at least one delegator per operator that has any", delegators)
        found += [(prover, int(cast.delegated[prover]) // (last - first))] * (last - first)
        first = last
    return found


def _world(
    scenario: Scenario, cast: Cast, requests: Requests, state: Any, seed: int, measured: Trace | None
) -> layout.World:
    """Fill the engine's arrays."""
    jobs = len(requests.arrive)
    provers, flips = _provers(scenario, cast, seed)
    first_slot = np.concatenate(([0], np.cumsum(cast.capacity)))
    minds = minds_of(cast)
    provers["mind"] = minds.row
    racing = np.array([g.open_jobs == "race" for g in cast.classes])[cast.group]
    noise = [np.full(1024, ONE) if model is None else model.noise for model in cast.hardware]
    world = layout.World(
        book=state.book,
        pool_slashed=getattr(state, "pool_slashed", np.zeros(0, np.int64)),
        leaving_slashed=getattr(state, "leaving_slashed", np.zeros(0, np.int64)),
        may_prove=getattr(state, "may_prove", np.zeros(0, np.int64)),
        seat=getattr(state, "seat", np.zeros(0, np.int64)),
        woken=getattr(state, "woken", np.zeros(0, np.int64)),
        ballot=getattr(state, "ballot", np.zeros(0, np.int64)),
        choice=getattr(state, "choice", np.zeros(0, np.int64)),
        called=np.zeros(jobs if hasattr(state, "ballot") else 0, np.int64),
        vote_at=np.zeros(cast.count if hasattr(state, "ballot") else 0, np.int64),
        registers=_registers(scenario, cast, requests, seed, measured),
        provers=provers,
        jobs=np.zeros(jobs, layout.JOB),
        arrive=requests.arrive,
        size=requests.size,
        difficulty=requests.difficulty,
        max_fee=np.full(1, scenario.gwei(scenario.workload.max_fee, "workload.max_fee")),
        requester=requests.requester,
        first_slot=first_slot,
        slots=np.zeros(int(first_slot[-1]), np.int64),
        toggles=flips,
        noise=np.concatenate(noise),
        measured=_measured(cast, measured),
        row=requests.row,
        racers=np.flatnonzero(racing),
        stake=getattr(state, "stake", np.zeros(0, np.int64)),
        minds=minds.words,
        place=minds.place,
        bidders=minds.bidders,
        shown=np.zeros(len(View._fields), np.int64),
        ends=np.zeros(cast.count, np.int64),
        event=np.zeros(EVENT_WORDS, np.int64),
        heap=np.zeros(2 * 4096, np.int64),
        trace=np.zeros(0, np.int64),
        counts=np.zeros(len(Kind) * layout.VERDICTS, np.int64),
        slashes=np.zeros(1 + 3 * SLASH_LOG, np.int64),
    )
    world.registers[0]["linked"] = hasattr(state, "woken") or hasattr(state, "ballot")
    _start_queue(scenario, world)
    return world


class Minds(NamedTuple):
    """The policies of all provers as the compiled loop needs them."""

    row: Ints  # per prover, its row in `words`
    words: Ints  # per row: address of the policy's function, address of its context; row 0 is nobody's
    place: Ints  # per prover: number within its class, size of that; empty where nobody has a mind
    bidders: Ints  # who bids on single jobs


def minds_of(cast: Cast) -> Minds:
    """Compile the policies that decide about single jobs, and give each prover that has one a context."""
    row, words, bidders = np.zeros(cast.count, np.int64), [0, 0], list[int]()
    for k, does in enumerate(cast.policies):
        each = cast.classes[k].bids == "each"
        if not does.compiled and not each:
            continue
        function = compile_policy(does)
        for prover in np.flatnonzero(cast.group == k).tolist():
            context = cast.contexts[prover]
            row[prover] = len(words) // 2
            words += [function, context.ctypes.data]
            if each:
                bidders.append(prover)
    sizes = np.array([g.count for g in cast.classes])[cast.group]
    place = np.stack([cast.place, sizes], axis=1).ravel() if len(words) > 2 else np.zeros(0, np.int64)  # noqa: PLR2004
    return Minds(row, np.array(words, np.int64), place, np.array(bidders, np.int64))


def _registers(scenario: Scenario, cast: Cast, requests: Requests, seed: int, measured: Trace | None) -> NDArray[Any]:
    """Set the engine's registers."""
    rows = np.zeros(1, layout.REGISTERS)
    r = rows[0]
    jobs = len(requests.arrive)
    closed = scenario.workload.arrivals == "closed_loop"
    r["seed"], r["jobs"], r["provers"], r["horizon"] = seed, jobs, cast.count, scenario.horizon
    r["listed"] = 0 if closed else jobs
    r["epoch"] = scenario.market.epoch or max(1, scenario.horizon // 240)
    r["stop_on_win"] = scenario.market.losers == "stop"
    r["models"] = len(cast.classes) if measured is not None else 0
    for name in ("size", "difficulty", "requester", "row"):
        r[f"{name}_mask"] = -1 if len(getattr(requests, name)) > 1 else 0
    return rows


def _provers(scenario: Scenario, cast: Cast, seed: int) -> tuple[NDArray[Any], Ints]:
    """Rows of the provers, and all their on and off times."""
    rows = layout.rows(layout.PROVER, cast.count)
    rows["model"] = cast.group
    rows["online_at_start"] = 1
    rows["helper"] = -1
    flips: list[Ints] = []
    base = 0
    for k, group in enumerate(cast.classes):
        mine = np.flatnonzero(cast.group == k)
        _fill_class(scenario, cast, rows, mine, k)
        if group.online == "always":
            continue
        plan = schedule(group.online)
        for prover in mine.tolist():
            online, times = toggles(plan, seed, prover, 2 * scenario.horizon)
            rows[prover]["online_at_start"], rows[prover]["special"] = online, 1
            rows[prover]["first_toggle"], rows[prover]["last_toggle"] = base, base + len(times)
            base += len(times)
            flips.append(times)
    return rows, np.concatenate(flips) if flips else np.zeros(0, np.int64)


def _fill_class(scenario: Scenario, cast: Cast, rows: NDArray[Any], mine: Ints, k: int) -> None:
    """Write what all provers of class `k` have in common."""
    group, model = cast.classes[k], cast.hardware[k]
    if model is not None:
        rows["setup"][mine] = model.setup_ms
        rows["pace"][mine] = (model.ps_per_unit << 32) // 10**9  # ms per unit, times 2**32
        rows["crash_ppm"][mine] = model.crash_ppm
    does = cast.policies[k]
    rows["special"][mine] |= (rows["crash_ppm"][mine] > 0) | does.compiled
    rows["decides"][mine] = sum(1 << moment for moment in does.moments)
    rows["rate"][mine], rows["twin"][mine] = np.round(cast.rate[mine]), cast.twin[mine]
    rows["vote_delay"][mine] = group.vote_delay
    rows["skips"][mine] = group.hopeless == "skip"
    if group.outsource is not None:
        helpers = _helpers(cast, group.outsource, f"provers[{k}].outsource.to")
        rows["helper"][mine], rows["helpers"][mine] = helpers[0], len(helpers)
        rows["helper_delay"][mine] = group.outsource.setup
        rows["helper_price"][mine] = scenario.gwei(group.outsource.price, f"provers[{k}].outsource.price")


def _helpers(cast: Cast, outsource: Outsource, field: str) -> Ints:
    """Return the provers of the classes a class may buy from; they stand next to each other. Raises BadInput."""
    names = [g.name for g in cast.classes]
    wanted = [outsource.to] if isinstance(outsource.to, str) else outsource.to
    for name in wanted:
        if name not in names:
            raise BadInput(field, f"the name of a class ({', '.join(names)})", name)
    helpers = np.flatnonzero(np.isin(cast.group, [names.index(name) for name in wanted]))
    if not len(helpers) or helpers[-1] - helpers[0] + 1 != len(helpers):
        raise BadInput(field, "classes that stand next to each other", ", ".join(wanted) or "none")
    return helpers


def _measured(cast: Cast, trace: Trace | None) -> Ints:
    """Measured times, one column per class; a crash takes the set-up's median time and is negative."""
    if trace is None:
        return np.zeros(0, np.int64)
    columns: list[Ints] = []
    for group in cast.classes:
        times = trace.time_ms[:, trace.column(group.hardware)]
        columns.append(np.where(times == CRASH, -median_time(trace, group.hardware), times))
    return np.ascontiguousarray(np.stack(columns, axis=1)).ravel()


def _start_queue(scenario: Scenario, world: layout.World) -> None:
    """Queue the first epoch, and the first requests of a closed loop."""
    r = world.registers[0]
    first = [(int(r["epoch"]), queue.key_of(queue.EPOCH, 0, 0))] if r["epoch"] <= r["horizon"] else []
    if r["listed"] == 0:
        clients = min(scenario.workload.clients, int(r["jobs"]))
        first += [(int(world.arrive[job]), queue.key_of(queue.ASK, job, 0)) for job in range(clients)]
        r["next_job"], r["live"] = clients, clients
    for k, (time, key) in enumerate(sorted(first)):
        world.heap[2 * k], world.heap[2 * k + 1] = time, key
    r["heap_size"] = len(first)


def online_of(stage_: Stage, until: int) -> Ints:
    """Time each prover was on line up to `until`, ms (leaving the market is not counted here)."""
    rows, flips = stage_.world.provers, stage_.world.toggles
    found = np.full(len(rows), until)
    for prover in np.flatnonzero(rows["last_toggle"] > rows["first_toggle"]).tolist():
        row = rows[prover]
        times = flips[row["first_toggle"] : row["last_toggle"]]
        found[prover] = online_ms(bool(row["online_at_start"]), times[times < until], until)
    return found


def addresses(stage_: Stage) -> Ints:
    """Words the compiled engine reads the world from; the stage must outlive their use."""
    return np.array(words_of(stage_.world), np.int64)
