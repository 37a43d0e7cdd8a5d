"""Many jobs in simulated time: what is drawn for each, and what came out.

Noise    lognormal with mean 1, of each card for the whole job (stragglers) and of each part; crashes at a uniform
         moment of a part. A job in gas shares the difficulty of its block (sd 0.0793, `worlds/models.toml`).
Lives    `worlds/schedules.py`: heavy-tailed lifetimes of idle cards, or calendars, from a random moment of the week.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from proofyard.core.errors import BadInput
from proofyard.proofs.planning.fleet import Card, Fleet, Machine
from proofyard.proofs.planning.kernel import Chance, Log, Tree, World, run
from proofyard.proofs.tree import MOST_LEAVES, cut
from proofyard.proofs.workers import peak_mib
from proofyard.worlds.schedules import WEEK, Renewal, toggles
from proofyard.worlds.tables import Floats, Ints

NEVER = 2.0  # a share of a part's time that is not reached
LONGEST = 200  # times the undisturbed time until a job counts as never finished
LEAST_HORIZON_MS = 86_400_000


class Setting(NamedTuple):
    """Circumstances of a job.

    Attributes
    ----------
    execute_ms : sequential execution, which hands out segments while it runs; 0 if it is no bottleneck
    wrap_ms : after the last join, on one card
    saved : finished parts outlive the card that made them
    detect_ms : until a card that vanished is missed
    present : all cards are there at the start; else each with its availability
    difficulty_sd : spread of ln of what all parts of a job share
    """

    execute_ms: int = 0
    wrap_ms: int = 0
    saved: bool = True
    detect_ms: int = 30_000
    present: bool = False
    difficulty_sd: float = 0.0


class Outcome(NamedTuple):
    """One job without chance, for pictures and tables."""

    ms: float
    log: Log
    parts: list[str]


class Sample(NamedTuple):
    """Many jobs; infinite times did not end.

    Attributes
    ----------
    ms : of each job, ascending
    paid_ms, busy_ms : mean of each card, there until the end, and at work
    lost, crashed : mean number of parts
    """

    ms: Floats
    paid_ms: Floats
    busy_ms: Floats
    lost: float
    crashed: float


def tree_of(leaves: int, leaf_ms: float, join_ms: float, execute_ms: float = 0.0) -> Tree:
    """Turn the parts of a job into arrays; segment k of N is there at k/N of the execution."""
    parts = cut(leaves)
    ways = np.zeros(len(parts))
    for part in reversed(parts):
        own = join_ms if part.children else leaf_ms
        ways[part.place] = own + (ways[part.parent] if part.parent >= 0 else 0.0)
    by_order = np.lexsort((np.arange(len(parts)), -ways)).astype(np.int64)
    order = np.empty_like(by_order)
    order[by_order] = np.arange(len(parts))
    children = np.array([part.children or (-1, -1) for part in parts], np.int64)
    parents = np.array([part.parent for part in parts], np.int64)
    release = execute_ms * np.arange(1, leaves + 1) / leaves
    return Tree(children[:, 0].copy(), children[:, 1].copy(), parents, order, by_order, release)


def leaves_of(fleet: Fleet, units: float, size: int) -> int:
    """Count the leaves of a job. Raises BadInput if there are too many to plan."""
    leaves = max(1, math.ceil(units / size))
    if leaves > MOST_LEAVES:
        raise BadInput("--job", f"at most {MOST_LEAVES} parts of {size:,} {fleet.unit}s", f"{leaves:,}")
    return leaves


def host_factor(cards: Sequence[Card]) -> Floats:
    """Slow cards down that wait for the others of their host: 1 + s (G - 1), Amdahl with the serial share s."""
    return np.array([1 + card.contention * (len(cards) - 1) for card in cards])


def world_of(cards: Sequence[Card], machines: Sequence[Machine], size: int, setting: Setting, horizon: float) -> World:
    """Hand cards to the compiled scheduler."""
    slow = host_factor(cards)
    used = sorted({card.machine for card in cards})
    shared = [machines[machine] for machine in used]
    measured = shared[0].mib < Machine().mib
    return World(
        np.array([card.leaf(size) for card in cards]) * slow,
        np.array([card.join_ms for card in cards]) * slow,
        np.array([used.index(card.machine) for card in cards], np.int64),
        np.array([machine.cores for machine in shared], np.int64),
        np.array([machine.mib for machine in shared], np.int64),
        np.array([machine.join_serial for machine in shared]),
        np.array([machine.beside for machine in shared]),
        peak_mib(size) if measured else 1,
        peak_mib(0) if measured else 1,
        float(setting.detect_ms),
        setting.saved,
        float(horizon),  # one type, so that it is compiled once
    )


def empty_log(parts: int, cards: int) -> Log:
    """Begin with nothing done."""
    return Log(
        np.full(parts, -1), np.zeros(parts), np.zeros(parts), np.zeros(cards), np.zeros(cards),
        np.zeros(cards, np.int64), np.zeros(2, np.int64),
    )  # fmt: skip


def calm(parts: int, cards: int) -> Chance:
    """Draw nothing: every time is as expected and every card stays."""
    nothing = np.zeros(cards + 1, np.int64)
    return Chance(np.ones(parts), np.ones(cards), np.full(parts, NEVER), np.zeros(0), nothing, np.ones(cards, np.int64))


def after(cards: Sequence[Card], setting: Setting) -> int:
    """Time of a job that does not shrink with cards: fixed part and wrap, ms."""
    return max(card.fixed_ms for card in cards) + setting.wrap_ms


def once(fleet: Fleet, cards: Sequence[Card], units: float, size: int, setting: Setting) -> Outcome:
    """Run one job without chance."""
    leaves = leaves_of(fleet, units, size)
    world = world_of(cards, fleet.machines, size, setting, np.inf)
    tree = tree_of(leaves, world.leaf_ms.min(), world.join_ms.min(), setting.execute_ms)
    log = empty_log(2 * leaves - 1, len(cards))
    ended = run(tree, world, calm(2 * leaves - 1, len(cards)), log)
    return Outcome(ended + after(cards, setting), log, [part.name for part in cut(leaves)])


def many(
    fleet: Fleet, cards: Sequence[Card], units: float, size: int, setting: Setting, *, trials: int, seed: int
) -> Sample:
    """Run `trials` jobs with stragglers, crashes and cards that come and go."""
    leaves = leaves_of(fleet, units, size)
    parts, count = 2 * leaves - 1, len(cards)
    usual = once(fleet, cards, units, size, setting).ms
    horizon = max(LONGEST * usual, LEAST_HORIZON_MS) if any(card.online for card in cards) else np.inf
    world = world_of(cards, fleet.machines, size, setting, horizon)
    tree = tree_of(leaves, world.leaf_ms.min(), world.join_ms.min(), setting.execute_ms)
    dice = np.random.default_rng([seed, leaves, count])
    noise, own = np.array([card.noise_sd for card in cards]), max(card.part_sd for card in cards)
    crash = 1 - (1 - max(card.crash_ppm for card in cards) / 1e6) ** (1 / parts)
    fixed, times, log = after(cards, setting), np.empty(trials), empty_log(parts, count)
    for trial in range(trials):
        hard = lognormal(dice, setting.difficulty_sd, 1)[0]
        chance = Chance(
            lognormal(dice, own, parts) * np.where(np.arange(parts) < leaves, hard, 1.0),
            lognormal(dice, noise, count),
            np.where(dice.random(parts) < crash, dice.random(parts), NEVER),
            *lives(cards, seed, trial, horizon, setting, dice),
        )
        times[trial] = run(tree, world, chance, log) + fixed
    lost, crashed = (log.losses / trials).tolist()
    return Sample(np.sort(times), log.paid / trials + fixed, log.busy / trials, lost, crashed)


def lognormal(dice: np.random.Generator, sd: float | Floats, count: int) -> Floats:
    """Draw factors with mean 1."""
    return np.exp(sd * dice.standard_normal(count) - np.square(sd) / 2)


def lives(
    cards: Sequence[Card], seed: int, trial: int, horizon: float, setting: Setting, dice: np.random.Generator
) -> tuple[Floats, Ints, Ints]:
    """Draw when each card comes and goes: flips, where each card's begin, and who is there at the start."""
    if not any(card.online for card in cards):
        nothing = np.zeros(len(cards) + 1, np.int64)
        return np.zeros(0), nothing, np.ones(len(cards), np.int64)
    week = int(dice.random() * WEEK)
    drawn = [_life(card, seed, trial * len(cards) + i, int(horizon), week, setting) for i, card in enumerate(cards)]
    bounds = np.concatenate([[0], np.cumsum([flips.size for _, flips in drawn])]).astype(np.int64)
    return np.concatenate([flips for _, flips in drawn]), bounds, np.array([int(on) for on, _ in drawn], np.int64)


def _life(card: Card, seed: int, key: int, horizon: int, week: int, setting: Setting) -> tuple[bool, Floats]:
    if card.online is None:
        return True, np.zeros(0)
    if not isinstance(card.online, Renewal):
        on, flips = toggles(card.online, seed, 0, horizon + WEEK)
        past = int((flips <= week).sum())
        return on ^ (past % 2 == 1), (flips[past:] - week).astype(np.float64)
    if setting.present:  # among many lives, one that has begun
        key <<= 8
        while not toggles(card.online, seed, key, 1)[0]:
            key += 1
    on, flips = toggles(card.online, seed, key, horizon)
    return on, flips.astype(np.float64)
