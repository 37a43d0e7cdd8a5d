"""The arrays of one run, filled: rows of provers with their on and off times, minds, registers, the first events."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from proofyard.core import shape
from proofyard.core.book import Ints
from proofyard.core.errors import BadInput
from proofyard.core.event import Kind
from proofyard.engine import layout, queue
from proofyard.engine.bind import compile_policy
from proofyard.engine.cast import Cast, median_time
from proofyard.engine.disputes import disputes_of
from proofyard.engine.events import EVENT_WORDS
from proofyard.engine.mind import BEHIND
from proofyard.engine.requests import ONE, Requests
from proofyard.policies.view import Moment, View
from proofyard.scenario import Outsource, Scenario
from proofyard.worlds.schedules import schedule, toggles
from proofyard.worlds.traces import CRASH, Trace

SLASH_LOG = 100_000
LOOK_AHEAD = 4  # levels of a tree that is worth it, so more than 4,096 actors


def furnish(
    scenario: Scenario, cast: Cast, requests: Requests, state: Any, seed: int, measured: Trace | None
) -> layout.World:
    """Fill the engine's arrays for one run. Raises BadInput."""
    jobs = len(requests.arrive)
    provers, flips = _provers(scenario, cast, seed)
    slots, provers["slot"], slots_each = layout.slots_for(cast.capacity)
    minds = minds_of(cast)
    provers["mind"] = minds.row
    racing = np.array([g.open_jobs == "race" for g in cast.classes])[cast.group]
    noise = [np.full(1024, ONE) if model is None else model.noise for model in cast.hardware]
    disputes = disputes_of(scenario, cast, state, jobs)
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
        vote_delay=_vote_delay(cast) if hasattr(state, "ballot") else np.zeros(0, np.int64),
        registers=_registers(scenario, cast, requests, seed, measured),
        provers=provers,
        jobs=np.zeros(jobs, layout.JOB),
        arrive=requests.arrive,
        size=requests.size,
        difficulty=requests.difficulty,
        max_fee=requests.max_fee,
        requester=requests.requester,
        slots=slots,
        toggles=flips,
        noise=np.concatenate(noise),
        measured=_measured(cast, measured),
        row=requests.row,
        racers=np.flatnonzero(racing),
        twin=cast.twin if np.any(cast.twin >= 0) else np.zeros(0, np.int64),
        stake=getattr(state, "stake", np.zeros(0, np.int64)),
        lots=lots_of(state),
        guess=np.zeros(2 * layout.GUESSES, np.int64),
        minds=minds.words,
        place=minds.place,
        ask=cast.ask if len(minds.place) else np.zeros(0, np.int64),
        bidders=_in_turn(scenario, cast, minds.bidders),
        lookers=minds.lookers,
        hold=_held(scenario, cast),
        part=np.zeros(jobs * cast.count if minds.parting else 0, np.int64),
        claims=disputes.claims,
        errs=disputes.errs,
        spent=disputes.spent,
        watchers=disputes.watchers,
        judges=disputes.judges,
        shown=_shown(scenario, cast),
        ends=np.zeros(cast.count, np.int64),
        event=np.zeros(EVENT_WORDS, np.int64),
        heap=layout.queue_of(4096),
        trace=np.zeros(0, np.int64),
        counts=np.zeros(len(Kind) * layout.VERDICTS, np.int64),
        slashes=np.zeros(1 + 3 * SLASH_LOG, np.int64),
    )
    world.registers[0]["slots_each"] = slots_each
    world.registers[0]["linked"] = hasattr(state, "woken") or hasattr(state, "ballot")
    _start_queue(scenario, world)
    return world


def lots_of(state: Any) -> Ints:
    """Return the tree of weights a rule draws by, if it has one and looking ahead in it is worth it; else nothing."""
    trees = [values for field, values in shape.named(state) if field.size == "tree"]
    large = [tree for tree in trees if tree[0] >= LOOK_AHEAD]
    return large[0] if len(large) == 1 else np.zeros(0, np.int64)


class Minds(NamedTuple):
    """The policies of all provers as the compiled loop needs them."""

    row: Ints  # per prover, its row in `words`
    words: Ints  # per row: address of the policy's function, address of its context; row 0 is nobody's
    place: Ints  # per prover: number within its class, size of that; empty where nobody has a mind
    bidders: Ints  # who bids on single jobs
    lookers: Ints  # who may copy proofs
    parting: bool  # does anybody decide how much of a job to prove?


def minds_of(cast: Cast) -> Minds:
    """Compile the policies that decide about single jobs, and give each prover that has one a context."""
    row, words, bidders = np.zeros(cast.count, np.int64), [0, 0], list[int]()
    for k, does in enumerate(cast.policies):
        mine = np.flatnonzero(cast.mind == k)
        each = cast.classes[int(cast.group[mine[0]])].bids == "each" if len(mine) else False
        if not len(mine) or (not does.compiled and not each):
            continue
        function = compile_policy(does)
        for prover in mine.tolist():
            context = cast.contexts[prover]
            row[prover] = len(words) // 2
            words += [function, context.ctypes.data]
            if each:
                bidders.append(prover)
    moments: list[tuple[Moment, ...]] = [cast.policies[int(k)].moments for k in cast.mind]
    lookers = [k for k, each in enumerate(moments) if Moment.COPY in each]
    sizes = np.array([g.count for g in cast.classes])[cast.group]
    place = np.stack([cast.place, sizes], axis=1).ravel() if len(words) > 2 else np.zeros(0, np.int64)  # noqa: PLR2004
    return Minds(
        row, np.array(words, np.int64), place, np.array(sorted(bidders), np.int64), np.array(lookers, np.int64),
        any(Moment.PART in each for each in moments),
    )  # fmt: skip


def _vote_delay(cast: Cast) -> Ints:
    """Return how long each prover's votes take on average, ms."""
    return np.array([g.vote_delay for g in cast.classes], np.int64)[cast.group]


def _held(scenario: Scenario, cast: Cast) -> Ints:
    """Say for how long each prover's proofs are held up, ms, by who favours another class; empty: by nobody."""
    favoured = cast.favoured(scenario.market)
    return np.where(favoured, 0, scenario.market.holds) if favoured.any() else np.zeros(0, np.int64)


def _in_turn(scenario: Scenario, cast: Cast, bidders: Ints) -> Ints:
    """Let who has a first look bid last."""
    late = cast.favoured(scenario.market)[bidders] & scenario.market.first_look
    return np.concatenate([bidders[~late], bidders[late]])


def _shown(scenario: Scenario, cast: Cast) -> Ints:
    """Make room for what a policy is shown; behind it, if somebody has a first look, for what was bid (see `mind`)."""
    late = cast.favoured(scenario.market) if scenario.market.first_look else np.zeros(0, np.bool_)
    return np.concatenate([np.zeros(BEHIND if len(late) else len(View._fields), np.int64), late.astype(np.int64)])


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
    r["fee_mask"] = -1 if len(requests.max_fee) > 1 else 0
    return rows


def _provers(scenario: Scenario, cast: Cast, seed: int) -> tuple[NDArray[Any], Ints]:
    """Rows of the provers, and all their on and off times."""
    rows = layout.rows(layout.PROVER, cast.count)
    rows["model"] = cast.group
    rows["online_at_start"] = 1
    rows["helper"] = -1
    rows["capacity"] = cast.capacity
    compiled = np.array([does.compiled for does in cast.policies])
    decides = np.array([sum(1 << moment for moment in does.moments) for does in cast.policies])
    rows["special"], rows["decides"] = compiled[cast.mind], decides[cast.mind]
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
    rows["special"][mine] |= rows["crash_ppm"][mine] > 0
    rows["rate"][mine] = np.round(cast.rate[mine])
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
