"""Suppliers who come and go: idle hardware that earns elsewhere too, hardware bought to enter, work lost on leaving.

What an hour is worth here is seen, not known: the profit of those of a class that are in the market. Money spent on
hardware, or earned elsewhere, is no token of the market; it is kept in accounts of its own.
"""

from collections.abc import Callable
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from proofyard.core.book import Ints
from proofyard.core.event import Phase
from proofyard.engine import queue
from proofyard.engine.cast import MICRO, MS_PER_HOUR, Floats
from proofyard.engine.world import Stage
from proofyard.scenario import Elsewhere, Invest
from proofyard.worlds.dice import uniform, word
from proofyard.worlds.tables import normal_quantiles

PRICE_STREAM, LOOK_STREAM = 12, 13  # of the dice

Alarm = Callable[[int, int], None]  # look at a job at a time, ms
Flags = NDArray[np.bool_]


class Prices:
    """The price of an hour elsewhere, one path per place and seed: its logarithm swings back to its mean.

    An Ornstein-Uhlenbeck process seen at epochs: what is left of a deviation after `memory` is 1/e of it.
    """

    def __init__(self, seed: int, told: Elsewhere) -> None:
        self.told, self.step, self.last = told, 0, 0
        self.seed = seed + crc32(told.place.encode())
        self.deviation = float(self._die())

    def _die(self) -> float:
        """Draw the next standard normal number."""
        self.step += 1
        return float(normal_quantiles(uniform(np.array([word(self.seed, PRICE_STREAM, self.step)], np.uint64)))[0])

    def at(self, now: int) -> float:
        """Move on to `now` and return the price as a multiple of its mean."""
        kept = float(np.exp(-(now - self.last) / self.told.memory))
        if now > self.last:
            self.deviation = kept * self.deviation + float(np.sqrt(1.0 - kept * kept)) * self._die()
            self.last = now
        return float(np.exp(self.told.swing * self.deviation - self.told.swing**2 / 2))


class Supply:
    """Who is outside, and what everybody has spent on hardware and earned elsewhere."""

    def __init__(self, st: Stage) -> None:
        self.stage = st
        count, classes = st.cast.count, st.cast.classes
        self.outside = np.zeros(count, np.bool_)  # for want of hardware, or because it earns more elsewhere
        self.invested, self.earned = np.zeros(count, np.int64), np.zeros(count)  # gwei
        self.last, self.before = 0, np.zeros(count)  # ms and profit at the last epoch
        self.paths: dict[int, Prices] = {}
        for k, group in enumerate(classes):
            if group.invest is not None:
                self.outside[np.flatnonzero(st.cast.group == k)[group.invest.inside :]] = True
            if group.elsewhere is not None:
                self.paths[k] = Prices(st.seed, group.elsewhere)
        self.any = bool(self.paths) or any(group.invest for group in classes)
        self.seen: list[tuple[int, Floats, Ints]] = []  # (ms, profit, ms on line) of each prover

    def gwei(self, micro_usd: float) -> float:
        """Convert a price to the token's smallest unit."""
        token = self.stage.scenario.token
        return micro_usd / MICRO / float(token.usd) * 10**token.decimals

    def look(self, now: int, profit: Floats, online: Ints) -> None:
        """Note what everybody has earned and how long it was here; those elsewhere earn there."""
        away = self.outside
        for k, path in self.paths.items():
            told = self.stage.cast.classes[k].elsewhere
            mine = away & (self.stage.cast.group == k)
            price = self.gwei(told.per_hour) * path.at(self.last) if told else 0.0
            self.earned[mine] += price * (now - self.last) / MS_PER_HOUR
        self.seen.append((now, profit, online))
        self.last = now

    def hourly(self, k: int, now: int, over: int) -> float | None:
        """Compute what an hour here left those of class `k` over the last `over` ms, gwei; None before that.

        Where none of them was here: what all others had, shared with one more.
        """
        old = next((s for s in reversed(self.seen) if s[0] <= now - over), None)
        if old is None or old[0] == now:
            return None
        gained, hours = self.seen[-1][1] - old[1], (self.seen[-1][2] - old[2]) / MS_PER_HOUR
        here = self.stage.cast.group == k
        time = float(hours[here].sum())
        if time > 0:
            return float(gained[here].sum()) / time
        return float(gained.sum()) / (float(hours.sum()) + over / MS_PER_HOUR)

    def elsewhere(self, now: int, present: Flags) -> tuple[Ints, Ints]:
        """List those who go because their hardware earns more elsewhere, and those who come back from there."""
        going, coming = np.zeros(len(present), np.bool_), np.zeros(len(present), np.bool_)
        dice = uniform(word(self.stage.seed, LOOK_STREAM, now * len(present) + np.arange(len(present))))
        for k, path in self.paths.items():
            told = self.stage.cast.classes[k].elsewhere
            if told is None:
                continue
            seen = self.hourly(k, now, told.after)
            there = self.gwei(told.per_hour) * path.at(now)
            mine = (self.stage.cast.group == k) & (dice < told.share)
            if seen is None:
                continue
            if there > seen:
                going |= mine & present
            else:
                coming |= mine & self.outside
        self.outside = (self.outside | going) & ~coming
        return np.flatnonzero(going), np.flatnonzero(coming)

    def entering(self, now: int) -> Ints:
        """List those who buy hardware and come in, because it pays back in time at the profit that is seen."""
        coming = np.zeros(len(self.outside), np.bool_)
        for k, group in enumerate(self.stage.cast.classes):
            told = group.invest
            seen = None if told is None else self.hourly(k, now, told.after)
            if told is None or seen is None or seen <= self.wanted(told):
                continue
            mine = np.flatnonzero((self.stage.cast.group == k) & self.outside)
            dice = uniform(word(self.stage.seed, LOOK_STREAM, now * len(self.outside) + mine))
            coming[mine[dice < told.share]] = True
            self.invested[coming & (self.stage.cast.group == k)] += int(self.gwei(told.price))
        self.outside &= ~coming
        return np.flatnonzero(coming)

    def wanted(self, told: Invest) -> float:
        """Profit an hour has to leave so that what a sale would not bring back is earned in time, gwei."""
        return self.gwei(told.price) * (1.0 - told.salvage) * MS_PER_HOUR / told.payback

    def sell(self, provers: Ints) -> None:
        """Let those of `provers` who bought hardware sell it and be outside."""
        for k, group in enumerate(self.stage.cast.classes):
            mine = provers[self.stage.cast.group[provers] == k]
            if group.invest is not None:
                self.invested[mine] -= int(self.gwei(group.invest.price) * group.invest.salvage)
                self.outside[mine] = True


def drop(st: Stage, alarm: Alarm, now: int, provers: Ints) -> None:
    """Let `provers` lose all they are working on: what was assigned to them expires, races begin again.

    Under a rule that pays every proof (EVERY_PROOF) what is begun is finished.
    """
    world = st.world
    jobs, rows = world.jobs, world.provers
    running = (jobs["finish"] > now) & (jobs["finish"] < queue.NEVER) & (jobs["helper"] < 0)
    phase = st.state.book.phase
    open_too = (phase == Phase.OPEN) & (world.registers[0]["every_proof"] == 0)
    lost = np.flatnonzero(running & np.isin(jobs["worker"], provers) & ((phase == Phase.ASSIGNED) | open_too))
    worker, work = jobs["worker"][lost], jobs["work"][lost]
    done = np.clip(now - (jobs["finish"][lost] - work), 0, work)
    np.subtract.at(rows["busy"], worker, work - done)
    np.add.at(rows["wasted"], worker, done)
    jobs["worker"][lost], jobs["work"][lost], jobs["finish"][lost] = -1, 0, queue.NEVER
    for job in lost.tolist():
        alarm(job, int(st.state.book.deadline[job]) + 1 if phase[job] == Phase.ASSIGNED else now)
    for prover in provers.tolist():
        first = int(rows["slot"][prover])
        slots = world.slots[first : first + int(rows["capacity"][prover])]
        np.minimum(slots, now, out=slots)
        rows["free_at"][prover] = min(int(rows["free_at"][prover]), now)
