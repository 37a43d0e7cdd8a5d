"""The plan: of all cuts and groups the best, with latency, cost, the speed-up curve and its limit.

Bounds   W = N p + (N - 1) j, C = p + ceil(log2 N) j; on G equal cards max(W/G, C) <= T <= W/G + C (1 - 1/G) (Graham,
         "Bounds on multiprocessing timing anomalies", 1969). No number of cards beats C.
Units    ms, micro-USD.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from proofyard.core.errors import BadInput
from proofyard.proofs.planning import stream
from proofyard.proofs.planning.fleet import Card, Fleet, Machine
from proofyard.proofs.planning.kernel import Log
from proofyard.proofs.planning.simulate import Sample, Setting, after, host_factor, many, once
from proofyard.proofs.tree import MOST_LEAVES
from proofyard.worlds.theory import tree_bounds

MS_PER_HOUR = 3_600_000
BEYOND = 8  # times the cards of a fleet, to which its curve goes
FEW = 100  # jobs simulated where many plans are compared
DRAWN = 400  # bars of the picture
NEAR = 1.3  # times the shortest undisturbed time, up to which a cut is tried with chance


class Ask(NamedTuple):
    """What is to be planned.

    Attributes
    ----------
    amount, unit : size of a job, in gas, cycle or transfer
    deadline_ms : 0 for none
    per_hour : jobs that arrive; 0 for one alone
    setting : circumstances
    trials : jobs simulated
    seed : of all chance
    """

    amount: float
    unit: str
    deadline_ms: int
    per_hour: float
    setting: Setting
    trials: int
    seed: int


class Bar(NamedTuple):
    """One part of the undisturbed schedule."""

    part: str
    card: str
    begin_ms: int
    end_ms: int


class Share(NamedTuple):
    """What the cards of one kind do in the undisturbed schedule."""

    kind: str
    cards: int
    leaves: int
    joins: int
    busy: float  # share of the time


class Cut(NamedTuple):
    """A way to cut the job; `bound_ms` is the critical path, `p99_ms` None if it never ends or is too slow to try."""

    units: int
    parts: int
    ms: int
    bound_ms: int
    p99_ms: int | None
    chosen: bool


class Point(NamedTuple):
    """A number of cards on the speed-up curve; Graham's bounds for equal cards of their own memory."""

    cards: int
    ms: int
    speed_up: float
    low_ms: int | None
    high_ms: int | None


class Group(NamedTuple):
    """Cards in groups of one size, each on a proof of its own."""

    cards: int
    groups: int
    alone_p50_ms: int | None
    alone_p99_ms: int | None
    per_hour: float
    curve: list[tuple[float, int | None]]  # jobs an hour, p99
    at_rate: dict[str, int | None]  # p50, p99 at the rate asked for


class Plan(NamedTuple):
    """All about one fleet; times of one job on all cards unless named otherwise."""

    fleet: Fleet
    units: float
    cuts: list[Cut]
    ms: int
    p50_ms: int | None
    p90_ms: int | None
    p99_ms: int | None
    met: float | None  # share of jobs within the deadline
    unfinished: float
    lost: float
    crashed: float
    cost_low: int
    cost_high: int
    energy_wh: float
    shares: list[Share]
    bars: list[Bar]
    curve: list[Point]
    limit: float  # of the speed-up
    floor_ms: int
    needed: int | None  # cards for the deadline at p99
    groups: list[Group]
    turn_per_hour: float | None


def units_of(ask: Ask, fleet: Fleet) -> float:
    """Turn the size of the job into the fleet's unit. Raises BadInput where that has no meaning."""
    if ask.unit == fleet.unit:
        return ask.amount
    if ask.unit == "gas":
        return ask.amount * fleet.units_per_gas
    wanted = f"a size in {fleet.unit}s or gas for {fleet.text}"
    raise BadInput("--job", wanted, f"{ask.amount:g} {ask.unit}s")


def percentile(sample: Sample, percent: float) -> int | None:
    """Percentile of the times, ms; None if that job never ended."""
    value = sample.ms[min(len(sample.ms) - 1, math.ceil(percent / 100 * len(sample.ms)) - 1)]
    return round(value) if math.isfinite(value) else None


def usable(fleet: Fleet, cards: Sequence[Card], size: int, units: float) -> list[Card]:
    """Cards with the memory for a cut; none if it makes too many parts."""
    if units / size > MOST_LEAVES and size < fleet.cuts[-1]:
        return []
    return [card for card in cards if card.most_units >= size]


def best_cut(fleet: Fleet, cards: Sequence[Card], units: float, setting: Setting) -> tuple[int, list[Card], int]:
    """Choose the cut with the shortest undisturbed time, the larger of equals: size, cards with room, ms."""
    tried = [
        (once(fleet, having, units, size, setting).ms, -size, having)
        for size in fleet.cuts
        if (having := usable(fleet, cards, size, units))
    ]
    ms, size, having = min(tried, key=lambda one: one[:2])
    return -size, having, round(ms)


def critical_ms(cards: Sequence[Card], units: float, size: int, setting: Setting) -> float:
    """Time that no number of cards of these kinds beats."""
    leaves = max(1, math.ceil(units / size))
    leaf, join = min(card.leaf(size) for card in cards), min(card.join_ms for card in cards)
    return max(setting.execute_ms / leaves, 0) + leaf + math.ceil(math.log2(leaves)) * join + after(cards, setting)


def _shared(fleet: Fleet) -> bool:
    """Tell whether workers share machines: a join's time then depends on who else works."""
    return fleet.machines[0] != Machine()


def _cuts(fleet: Fleet, units: float, ask: Ask) -> list[Cut]:
    """Try every cut on all cards; the lowest p99 is chosen."""
    tried: list[Cut] = []
    for size in fleet.cuts:
        if cards := usable(fleet, fleet.cards, size, units):
            calm = once(fleet, cards, units, size, ask.setting)
            bound = 0 if _shared(fleet) else round(critical_ms(cards, units, size, ask.setting))
            tried.append(Cut(size, len(calm.parts), round(calm.ms), bound, None, chosen=False))
    quickest = min(cut.ms for cut in tried)
    for k, cut in enumerate(tried):
        if cut.ms <= NEAR * quickest:
            cards, trials = usable(fleet, fleet.cards, cut.units, units), min(FEW, ask.trials)
            drawn = many(fleet, cards, units, cut.units, ask.setting, trials=trials, seed=ask.seed)
            tried[k] = cut._replace(p99_ms=percentile(drawn, 99))
    best = min(tried, key=lambda cut: (cut.p99_ms is None, cut.p99_ms or 0, cut.ms, -cut.units))
    return [cut._replace(chosen=cut is best) for cut in tried]


def counts(cards: int, *, open_end: bool) -> list[int]:
    """Numbers of cards on the curve."""
    most = max(cards * BEYOND, 16) if open_end else cards
    steps = {1, 2, 3, 4, 6, cards, most} | {round(2 ** (k / 2)) for k in range(2 * most.bit_length())}
    return sorted(count for count in steps if 1 <= count <= most)


def fleet_of(fleet: Fleet, count: int) -> list[Card]:
    """Take the first cards, and more like the last where there aren't so many."""
    extra = [fleet.cards[-1]._replace(machine=i) for i in range(count - len(fleet.cards))]
    return [*fleet.cards[:count], *extra]


def _grown(fleet: Fleet, count: int) -> Fleet:
    """Give a fleet a machine for each card."""
    cards = tuple(card._replace(machine=i) for i, card in enumerate(fleet_of(fleet, count)))
    return fleet._replace(cards=cards, machines=(fleet.machines[0],) * count)


def _equal(fleet: Fleet) -> bool:
    return len({card._replace(machine=0) for card in fleet.cards}) == 1


def curve_of(fleet: Fleet, units: float, setting: Setting) -> list[Point]:
    """Compute the speed-up curve: each number of cards with its own best cut."""
    equal, points, first = _equal(fleet) and not _shared(fleet), list[Point](), 0
    for count in counts(len(fleet.cards), open_end=equal):
        some = _grown(fleet, count) if equal else fleet
        size, cards, ms = best_cut(some, some.cards[:count], units, setting)
        first = first or ms
        low = high = None
        if equal and not setting.execute_ms:
            slow, leaves = float(host_factor(cards)[0]), max(1, math.ceil(units / size))
            bounds = tree_bounds(leaves, slow * cards[0].leaf(size), slow * cards[0].join_ms, count)
            low, high = (round(bound + after(cards, setting)) for bound in bounds)
        points.append(Point(count, ms, first / ms, low, high))
    return points


def _needed(fleet: Fleet, units: float, ask: Ask) -> int | None:
    """Find the least number of equal cards whose p99 meets the deadline."""
    if not ask.deadline_ms or not _equal(fleet) or _shared(fleet):
        return None

    def meets(count: int) -> bool:
        some = _grown(fleet, count)
        size, cards, ms = best_cut(some, some.cards, units, ask.setting)
        if ms > ask.deadline_ms:
            return False
        p99 = percentile(many(some, cards, units, size, ask.setting, trials=FEW, seed=ask.seed), 99)
        return p99 is not None and p99 <= ask.deadline_ms

    tried = counts(len(fleet.cards), open_end=True)
    high = next((count for count in tried if meets(count)), None)
    if high is None:
        return None
    low = max((count for count in tried if count < high), default=0)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if meets(middle) else (middle, high)
    return high


def _modes(fleet: Fleet, units: float, ask: Ask) -> list[stream.Mode]:
    """Split the cards into groups of each size that is a power of two, and of all."""
    total = len(fleet.cards)
    if _shared(fleet):
        return []
    sizes = sorted({1 << k for k in range(total.bit_length()) if total % (1 << k) == 0} | {total})
    known: dict[tuple[Card, ...], stream.Floats] = {}
    modes: list[stream.Mode] = []
    for size in sizes:
        services: list[stream.Floats] = []
        for group in range(total // size):
            cards = fleet.cards[group :: total // size]  # dealt out, so that groups are alike
            kind = tuple(card._replace(machine=0) for card in cards)
            if kind not in known:
                best, having, _ = best_cut(fleet, cards, units, ask.setting)
                known[kind] = many(fleet, having, units, best, ask.setting, trials=ask.trials, seed=ask.seed).ms
            services.append(known[kind])
        modes.append(stream.Mode(size, tuple(services)))
    return modes


def _whole(value: float) -> int | None:
    return round(value) if math.isfinite(value) else None


def _group(mode: stream.Mode, grid: Sequence[float], ask: Ask) -> Group:
    alone = np.sort(np.concatenate(mode.services))
    at_rate = {f"p{p}_ms": _whole(stream.percentile(mode, ask.per_hour, p, ask.seed)) for p in (50, 99) if ask.per_hour}
    p50, p99 = (_whole(float(np.percentile(alone, p, method="lower"))) for p in (50, 99))
    return Group(
        mode.cards,
        len(mode.services),
        p50,
        p99,
        mode.per_hour,
        [(rate, _whole(stream.percentile(mode, rate, 99, ask.seed))) for rate in grid],
        at_rate,
    )


def _shares(log_card: stream.Ints, leaves: int, cards: Sequence[Card], busy: stream.Floats, ms: float) -> list[Share]:
    """Sum up by kind of card."""
    out: list[Share] = []
    for kind in dict.fromkeys(card.name for card in cards):
        own = [i for i, card in enumerate(cards) if card.name == kind]
        mine = np.isin(log_card, own)
        worked = float(busy[own].sum() / len(own) / ms)
        out.append(Share(kind, len(own), int(mine[:leaves].sum()), int(mine[leaves:].sum()), worked))
    return out


def plan(ask: Ask, fleet: Fleet) -> Plan:
    """Plan a job for one fleet.

    Raises
    ------
    BadInput : the job has no meaning for these cards, is too large, or its deadline is below the critical path.
    """
    units = units_of(ask, fleet)
    cuts = _cuts(fleet, units, ask)
    chosen = next(cut for cut in cuts if cut.chosen)
    floor = min((cut.bound_ms for cut in cuts), default=0)
    if 0 < ask.deadline_ms < floor:
        wanted = f"at least {floor / 1000:.1f} s, the critical path of this job on any number of {fleet.text}"
        raise BadInput("--deadline", wanted, f"{ask.deadline_ms / 1000:g} s")
    cards = usable(fleet, fleet.cards, chosen.units, units)
    drawn = many(fleet, cards, units, chosen.units, ask.setting, trials=ask.trials, seed=ask.seed)
    calm = once(fleet, cards, units, chosen.units, ask.setting)
    modes = _modes(fleet, units, ask)
    grid = stream.rates(modes) if modes else []
    curve, leaves = curve_of(fleet, units, ask.setting), (len(calm.parts) + 1) // 2
    hours = drawn.paid_ms / MS_PER_HOUR
    watts = np.array([card.watts for card in cards])
    finished = np.isfinite(drawn.ms)
    return Plan(
        fleet=fleet,
        units=units,
        cuts=cuts,
        ms=round(calm.ms),
        p50_ms=percentile(drawn, 50),
        p90_ms=percentile(drawn, 90),
        p99_ms=percentile(drawn, 99),
        met=float((drawn.ms <= ask.deadline_ms).mean()) if ask.deadline_ms else None,
        unfinished=float(1 - finished.mean()),
        lost=drawn.lost,
        crashed=drawn.crashed,
        cost_low=round(sum(hours * [card.micro_usd_low for card in cards])),
        cost_high=round(sum(hours * [card.micro_usd_high for card in cards])),
        energy_wh=round(float((drawn.busy_ms * watts).sum()) / MS_PER_HOUR, 3),
        shares=_shares(calm.log.card, leaves, cards, calm.log.busy, calm.ms),
        bars=_bars(calm.log, calm.parts, cards),
        curve=curve,
        limit=curve[0].ms / floor if floor else max(point.speed_up for point in curve),
        floor_ms=floor,
        needed=_needed(fleet, units, ask),
        groups=[_group(mode, grid, ask) for mode in modes],
        turn_per_hour=stream.turn(modes[-1], modes[0], ask.seed) if len(modes) > 1 else None,
    )


def _bars(log: Log, parts: Sequence[str], cards: Sequence[Card]) -> list[Bar]:
    """List the parts of the undisturbed schedule for the picture, the last ones if there are too many."""
    order: list[int] = np.argsort(log.begin, kind="stable")[-DRAWN:].tolist()
    begin, end, who = log.begin.tolist(), log.end.tolist(), list[int](log.card.tolist())
    names = [f"{card.name.removesuffix('.json').rsplit('/', 1)[-1]} #{i + 1}" for i, card in enumerate(cards)]
    return [Bar(parts[k], names[who[k]], round(begin[k]), round(end[k])) for k in order]


def as_json(one: Plan, ask: Ask) -> dict[str, object]:
    """Collect what `--json` prints of one fleet."""
    return {
        "fleet": one.fleet.text,
        "job": {"amount": ask.amount, "unit": ask.unit, f"{one.fleet.unit}s": round(one.units)},
        "cuts": [cut._asdict() for cut in one.cuts],
        "latency_ms": {"undisturbed": one.ms, "p50": one.p50_ms, "p90": one.p90_ms, "p99": one.p99_ms},
        "deadline_met": one.met,
        "cards_needed": one.needed,
        "unfinished": one.unfinished,
        "parts_lost": one.lost,
        "parts_crashed": one.crashed,
        "cost_micro_usd": {"low": one.cost_low, "high": one.cost_high},
        "energy_wh": one.energy_wh,
        "cards": [share._asdict() for share in one.shares],
        "speed_up": {"limit": one.limit, "floor_ms": one.floor_ms, "curve": [point._asdict() for point in one.curve]},
        "groups": [group._asdict() for group in one.groups],
        "turn_per_hour": one.turn_per_hour,
        "schedule": [bar._asdict() for bar in one.bars],
        "sources": list(one.fleet.sources),
        "uncertain": one.fleet.uncertain,
    }
