"""The pool written for SimPy and for Mesa as their users write, for a comparison where the reference programs are not.

Both share `Seats`, plain Python: what is compared is the simulator, not the drawing of lots.
"""

import heapq
import time
from bisect import bisect_right
from collections.abc import Generator, Iterator
from itertools import accumulate
from typing import Any

import mesa
import numpy as np
import simpy
from mesa.experimental.devs import DEVSimulator

from benchmarks.workload import REWARD, SLASH_MIN, SLASH_PPM, WINDOW, Inputs, Outcome, Workload
from proofyard.worlds import dice

CHUNK = 16_384
WORD_BITS = 62
END = 2**62


def requests(work: Workload, given: Inputs) -> Iterator[tuple[int, int, int]]:
    """Draw of each job: when it arrives, the word that decides who gets it, its row of the noise table."""
    now = 0
    for first in range(0, work.jobs, CHUNK):
        job = 4 * np.arange(first, min(first + CHUNK, work.jobs))
        uniform = (dice.word(work.seed, 0, job) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        arrive = now + np.cumsum((-np.log(1.0 - uniform) * given.gap).astype(np.int64))
        now = int(arrive[-1])
        word = dice.word(work.seed, 0, job + 1) >> np.uint64(64 - WORD_BITS)
        column = dice.word(work.seed, 0, job + 2) >> np.uint64(54)
        yield from zip(arrive.tolist(), word.tolist(), column.tolist(), strict=True)


class Seats:
    """Who shares the jobs. With `seats` = 0 everybody, in a Fenwick tree; else a list, and a heap of those who wait."""

    def __init__(self, work: Workload, given: Inputs) -> None:
        self.stake: list[int] = given.stake.tolist()
        order: list[int] = given.order.tolist()
        self.holders = order[: work.seats]
        self.seat = {prover: k for k, prover in enumerate(self.holders)}
        self.waiting = [(-self.stake[prover], prover) for prover in order[work.seats :]]  # sorted, so it is a heap
        self.tree: list[int] = [0, *self.stake] if work.seats == 0 else []
        for k in range(1, len(self.tree)):
            parent = k + (k & -k)
            if parent < len(self.tree):
                self.tree[parent] += self.tree[k]
        self.total = sum(self.stake if self.tree else map(self.stake.__getitem__, self.holders))

    def draw(self, word: int) -> int:
        """Holder of the ticket `word`."""
        ticket = (word * self.total) >> WORD_BITS
        if not self.tree:
            return self.holders[bisect_right(list(accumulate(self.stake[i] for i in self.holders)), ticket)]
        place = 0
        for bit in reversed(range(len(self.tree).bit_length())):
            beyond = place + (1 << bit)
            if beyond < len(self.tree) and self.tree[beyond] <= ticket:
                place = beyond
                ticket -= self.tree[beyond]
        return place

    def settle(self, prover: int, *, proven: bool) -> None:
        """Reward or slash `prover`."""
        held = self.stake[prover]
        self._change(prover, REWARD if proven else -min(max(held * SLASH_PPM // 1_000_000, SLASH_MIN), held))

    def _change(self, prover: int, change: int) -> None:
        self.stake[prover] += change
        if self.tree:
            self.total += change
            k = prover + 1
            while k < len(self.tree):
                self.tree[k] += change
                k += k & -k
        elif prover in self.seat:
            self.total += change
            while self.waiting and self._stale(*self.waiting[0]):
                heapq.heappop(self.waiting)
            if self.waiting and self.waiting[0] < (-self.stake[prover], prover):
                self._swap(prover, heapq.heappop(self.waiting)[1])
        else:
            heapq.heappush(self.waiting, (-self.stake[prover], prover))
            lowest = max(self.holders, key=lambda i: (-self.stake[i], i))
            if (-self.stake[prover], prover) < (-self.stake[lowest], lowest):
                self._swap(lowest, prover)

    def _stale(self, rank: int, prover: int) -> bool:
        return -rank != self.stake[prover] or prover in self.seat

    def _swap(self, loser: int, winner: int) -> None:
        k = self.seat.pop(loser)
        self.seat[winner] = k
        self.holders[k] = winner
        self.total += self.stake[winner] - self.stake[loser]
        heapq.heappush(self.waiting, (-self.stake[loser], loser))


class SimPy:
    """A `Resource` per prover, a process per job, proof or deadline, whichever comes first."""

    def run(self, work: Workload, given: Inputs) -> Outcome:
        """Run the pool; the building of the provers is not counted."""
        env = simpy.Environment()
        seats = Seats(work, given)
        machines = [simpy.Resource(env, capacity) for capacity in given.cap.tolist()]
        mean, table = given.mean.tolist(), given.table.tolist()
        wins, missed = [0] * work.provers, [0] * work.provers

        def prove(prover: int, work_time: int) -> Generator[Any, Any, None]:
            with machines[prover].request() as free:
                yield free
                yield env.timeout(work_time)

        def job(prover: int, work_time: int) -> Generator[Any, Any, None]:
            proof = env.process(prove(prover, work_time))
            yield proof | env.timeout(WINDOW)
            (wins if proof.processed else missed)[prover] += 1
            seats.settle(prover, proven=proof.processed)

        def requester() -> Generator[Any, Any, None]:
            for time_ns, word, column in requests(work, given):
                yield env.timeout(time_ns - env.now)
                prover = seats.draw(word)
                env.process(job(prover, (mean[prover] * table[column]) >> 16))

        start = time.process_time()
        env.process(requester())
        env.run()
        return Outcome(np.array(seats.stake), np.array(wins), np.array(missed), time.process_time() - start)


class _Prover(mesa.Agent):
    def __init__(self, market: "_Market", index: int, capacity: int, mean: int) -> None:
        super().__init__(market)
        self.seats, self.index, self.mean = market.seats, index, mean
        self.slots = [0] * capacity
        self.wins = self.missed = 0

    def accept(self, now: int, noise: int) -> int:
        """Queue a job and tell when it will be done."""
        end = max(self.slots[0], now) + ((self.mean * noise) >> 16)
        heapq.heapreplace(self.slots, end)
        return end

    def proved(self) -> None:
        self.wins += 1
        self.seats.settle(self.index, proven=True)

    def late(self) -> None:
        self.missed += 1
        self.seats.settle(self.index, proven=False)


class _Market(mesa.Model):
    def __init__(self, work: Workload, given: Inputs, simulator: DEVSimulator) -> None:
        super().__init__(seed=work.seed)
        self.devs = simulator
        self.seats = Seats(work, given)
        self.table = given.table.tolist()
        each = zip(given.cap.tolist(), given.mean.tolist(), strict=True)
        self.provers = [_Prover(self, k, capacity, mean) for k, (capacity, mean) in enumerate(each)]
        self.requests = requests(work, given)

    def expect(self) -> None:
        """Schedule the next request."""
        request = next(self.requests, None)
        if request is not None:
            self.devs.schedule_event_absolute(self.arrive, request[0], function_args=list(request))

    def arrive(self, now: int, word: int, column: int) -> None:
        """Give a job to whom the lot falls."""
        prover = self.provers[self.seats.draw(word)]
        end = prover.accept(now, self.table[column])
        if end <= now + WINDOW:
            self.devs.schedule_event_absolute(prover.proved, end)
        else:
            self.devs.schedule_event_absolute(prover.late, now + WINDOW)
        self.expect()


class Mesa:
    """An agent per prover, events instead of steps."""

    def run(self, work: Workload, given: Inputs) -> Outcome:
        """Run the pool; the building of the agents is not counted."""
        simulator = DEVSimulator()
        market = _Market(work, given, simulator)
        start = time.process_time()
        simulator.setup(market)
        market.expect()
        simulator.run_until(END)
        cpu = time.process_time() - start
        wins, missed = [p.wins for p in market.provers], [p.missed for p in market.provers]
        return Outcome(np.array(market.seats.stake), np.array(wins), np.array(missed), cpu)
