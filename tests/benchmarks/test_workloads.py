"""The workloads of `make bench` give what a plain model gives, with or without the reference programs."""

import math
import shutil

import numpy as np
import pytest

from benchmarks import ours, peers, reference
from benchmarks.workload import LOAD, REWARD, SLASH_MIN, SLASH_PPM, WINDOW, Inputs, Workload, inputs

MASK = 2**64 - 1
RACE_SEED = 0x5EED

POOLS = [
    Workload("pool", 7, 3, 400),
    Workload("pool", 40, 5, 1500, seed=2),
    Workload("pool", 40, 32, 1500, seed=3),
    Workload("pool", 12, 0, 800, seed=4),
    Workload("pool", 300, 0, 1500, seed=5),
]
RACES = [Workload("race", 5, 0, 300), Workload("race", 40, 0, 400, seed=2)]


def die(seed: int, index: int) -> int:
    """splitmix64"""
    z = (seed + (index + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def arrivals(work: Workload, given: Inputs) -> list[int]:
    now, times = 0, []
    for job in range(work.jobs):
        uniform = (die(work.seed, 4 * job) >> 11) * 2.0**-53
        now += int(-math.log(1.0 - uniform) * given.gap)
        times.append(now)
    return times


def model_pool(work: Workload, given: Inputs) -> tuple[list[int], list[int], list[int]]:
    """Everything sorted and summed anew at every step; nothing shared with the rule or the engine."""
    stake = given.stake.tolist()
    wins, missed = [0] * work.provers, [0] * work.provers
    free = [[0] * int(count) for count in given.cap]
    pending: list[tuple[int, int, int, bool]] = []
    order = given.order.tolist()
    seats = order[: work.seats] if work.seats else list(range(work.provers))

    def settle(until: int) -> None:
        for event in sorted(e for e in pending if e[0] <= until):
            pending.remove(event)
            _, _, prover, proven = event
            change = REWARD if proven else -min(max(stake[prover] * SLASH_PPM // 1_000_000, SLASH_MIN), stake[prover])
            (wins if proven else missed)[prover] += 1
            stake[prover] += change
            ranking = sorted(range(work.provers), key=lambda i: (-stake[i], i))
            if work.seats:
                entitled = set(ranking[: work.seats])
                coming = [i for i in entitled if i not in seats]
                for k, holder in enumerate(seats):
                    if holder not in entitled:
                        seats[k] = coming.pop()  # one stake changed, so at most one comes

    for job, now in enumerate(arrivals(work, given)):
        settle(now)
        total = sum(stake[i] for i in seats)
        ticket = (die(work.seed, 4 * job + 1) >> 2) * total >> 62
        for prover in seats:
            if ticket < stake[prover]:
                break
            ticket -= stake[prover]
        else:
            raise AssertionError("a ticket nobody holds")
        noise = int(given.table[die(work.seed, 4 * job + 2) >> 54])
        end = max(now, min(free[prover])) + (int(given.mean[prover]) * noise >> 16)
        free[prover][free[prover].index(min(free[prover]))] = end
        proven = end <= now + WINDOW
        pending.append((end if proven else now + WINDOW, job, prover, proven))
    settle(2**62)
    return stake, wins, missed


def model_race(work: Workload, given: Inputs) -> tuple[list[int], list[int], list[int]]:
    wins, missed, busy = ([0] * work.provers for _ in range(3))
    free = [[0] * int(count) for count in given.cap]
    for job, now in enumerate(arrivals(work, given)):
        ends: list[tuple[int, int]] = []
        for i in range(work.provers):
            if min(free[i]) <= now:
                noise = int(given.table[die(work.seed + RACE_SEED, job * work.provers + i) >> 54])
                time = int(given.mean[i]) * noise >> 16
                free[i][free[i].index(min(free[i]))] = now + time
                busy[i] += time
                ends.append((time, i))
        if ends:
            time, winner = min(ends)
            wins[winner] += time <= WINDOW
    return busy, wins, missed


@pytest.mark.parametrize("work", POOLS, ids=str)
def test_the_pool_rule_gives_what_the_model_gives(work: Workload) -> None:
    given = inputs(work)
    stake, wins, missed = model_pool(work, given)
    market = ours.Market(work, given)
    outcome = market.run()
    assert (outcome.money.tolist(), outcome.wins.tolist(), outcome.missed.tolist()) == (stake, wins, missed)
    assert sum(wins) + sum(missed) == work.jobs
    assert sum(missed) > 0, "slashing is part of what is compared"
    if 0 < work.seats < work.provers // 2:
        assert market.state.churn[0] > 0, "and so are changes of seats"


@pytest.mark.parametrize("work", RACES, ids=str)
def test_the_race_rule_gives_what_the_model_gives(work: Workload) -> None:
    given = inputs(work)
    busy, wins, _ = model_race(work, given)
    outcome = ours.Market(work, given).run()
    assert (outcome.money.tolist(), outcome.wins.tolist()) == (busy, wins)


@pytest.mark.parametrize("work", POOLS, ids=str)
def test_our_own_simpy_and_mesa_give_the_same_bits(work: Workload) -> None:
    given = inputs(work)
    expected = ours.Market(work, given).run().digest
    assert peers.SimPy().run(work, given).digest == expected
    assert peers.Mesa().run(work, given).digest == expected


def test_a_market_can_run_again_in_the_same_memory() -> None:
    market = ours.Market(POOLS[1], inputs(POOLS[1]))
    market.keep()
    first = market.run()
    market.reset()
    assert market.run().digest == first.digest


@pytest.mark.parametrize("work", [*POOLS, *RACES], ids=str)
def test_every_reference_program_that_is_here_gives_the_same_bits(work: Workload) -> None:
    """With none here this holds of nothing: the model above is what the equality rests on."""
    given = inputs(work)
    programs = reference.programs()
    assert ("C" in programs) == (reference.folder() is not None and shutil.which("gcc") is not None)
    expected = ours.Market(work, given).run()
    for name, program in programs.items():
        answer = program.run(work, given)
        kept = slice(2) if work.kind == "race" else slice(3)  # who lost a race late is counted only by the reference
        for got, wanted in zip(answer[:3][kept], expected[:3][kept], strict=True):
            np.testing.assert_array_equal(got, wanted, err_msg=name)


def test_demand_is_half_the_capacity_of_the_seated() -> None:
    work = Workload("pool", 50, 10, 1)
    given = inputs(work)
    seated = given.order[:10]
    assert given.gap == pytest.approx(1 / (LOAD * np.sum(given.cap[seated] / given.mean[seated])))
