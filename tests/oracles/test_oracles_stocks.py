"""Stocks and flows: bonds in use, places in use, and who is turned away. 4.5, 15.3, and hardware 15.7."""

import math

import numpy as np
import pytest
from engine.worlds import prover, scenario

from proofyard.conformance.compiled import fold
from proofyard.conformance.market import Setup, Trace
from proofyard.core import Event, Kind, Phase, Verdict
from proofyard.engine.result import Run
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import rule
from proofyard.mechanisms.bonded import TEE
from proofyard.worlds.theory import busy_cards

SERVICE_S = 36.0
BOND = 3.0


def erlang_b(slots: int, load: float) -> float:
    """Share turned away by `slots` places under Poisson demand of `load` (Erlang 1917), by its recursion."""
    blocked = 1.0
    for k in range(1, slots + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked


def served(slots: int, every_s: float, seed: int = 1, horizon: str = "20d", epoch: str = "6m") -> Run:
    """One prover with `slots` places, 36 s a proof, a bond of 3 tokens each, Poisson requests."""
    crew = [prover(setup="36s", capacity=slots, stake="1000")]
    work = {"arrivals": "poisson", "every": f"{every_s}s", "requests": None}
    return simulate(
        scenario(f"staked_allocation(bond_gwei={round(BOND * 10**9)}, window_ms=40_000)", horizon=horizon, seed=seed,
                 market={"epoch": epoch}, workload=work, provers=crew)
    )  # fmt: skip


@pytest.mark.parametrize(("slots", "every_s"), [(1, 36), (4, 12), (8, 6)])
def test_who_finds_no_place_is_refused_as_erlang_says(slots: int, every_s: float) -> None:
    """Erlang-B refusals, markets 1.7.7: with no queue B(c, a) of Poisson requests are refused, whatever the service.

    The rule itself refuses (NO_PROVER) when all places declared are in use. 48 000 to 290 000 requests; refusals come
    in clumps, so the standard error is that of the means of fifty stretches of time.
    """
    run = served(slots, every_s)
    refused = run.jobs.phase == Phase.NONE
    assert int(refused.sum()) == run.verdicts["REQUEST", "NO_PROVER"]
    stretches = np.array([part.mean() for part in np.array_split(refused, 50)])
    wanted = erlang_b(slots, SERVICE_S / every_s)
    assert abs(refused.mean() - wanted) < 3 * stretches.std(ddof=1) / math.sqrt(50)


@pytest.mark.parametrize(("slots", "every_s"), [(4, 12), (100, 12)])
def test_locked_capital_follows_little(slots: int, every_s: float) -> None:
    """4.5 and 15.3: locked = rate x bond x time, seen in the stake that is missing at 4 800 moments.

    Accepted rate (1 - B) / 12 s, 36 s each, 3 tokens: 3 (1 - B) bonds on average; moments 6 min apart are independent.
    """
    run = served(slots, every_s)
    locked = 1_000 - run.samples.stake_gwei[:-1, 0] / 10**9  # the last one is after the end
    wanted = BOND * SERVICE_S / every_s * (1 - erlang_b(slots, SERVICE_S / every_s))
    assert abs(locked.mean() - wanted) < 3 * locked.std() / math.sqrt(len(locked))
    assert locked.max() <= BOND * slots + 1e-9  # required concurrent bond = outstanding jobs x bond per job


@pytest.mark.parametrize("minutes", [240, 120, 60])
def test_halving_the_lock_halves_the_capital(minutes: int) -> None:
    """Chains 7.14: bond x rate x lock = 72 000 (150 x 2/min x 240 min); halving the lock halves it. Exact, compiled."""
    step, lock, jobs = 30_000, minutes * 60_000, 1_500
    setup = Setup(rule(f"bonded(tee_cooldown_ms={lock})"), jobs, (10**15,) * 2)
    plan = [(job * step + wait, kind, job) for job in range(jobs) for wait, kind in ((0, 7), (0, 11), (lock + 1, 14))]
    now = 600 * 60_000 + step // 2  # long after the first settlement, half way between two proposals
    events = [
        Event(Kind(kind), time, 0, job, 0, TEE if kind == Kind.PROVE else 0, 1)
        for time, kind, job in sorted(plan, key=lambda item: (item[0], item[1]))
        if time <= now
    ]
    sheet, verdicts = fold(Trace(setup, events, [], np.zeros(0, np.int64)), len(events))
    assert (verdicts == Verdict.OK).all()
    assert int(sheet.state.validity.sum()) == 72_000 * 10**9 * minutes // 240


@pytest.mark.parametrize("proving_s", [6, 18, 36])
def test_idle_share_of_a_bond_that_waits_for_the_window(proving_s: int) -> None:
    """15.3: idle share of the bond = 1 - proving time / window, where it is held through the window.

    Primary and fallback, all at once: bonds are held to the end of the window of 40 s, whatever the proof takes.
    """
    crew = [prover(setup=f"{proving_s}s", stake="1000")]
    text = "primary_fallback(committee=0, behind=0, bond_gwei=1_000_000_000, window_ms=40_000)"
    work = {"every": "100s", "requests": None}
    run = simulate(scenario(text, horizon="10d", market={"epoch": "37s"}, workload=work, provers=crew))
    held = (1_000 - run.samples.stake_gwei[:-1, 0] / 10**9).mean()  # concurrent = rate x window x bond
    assert held == pytest.approx(40 / 100, abs=0.005)
    at_work = float(run.provers.busy_ms[0]) / run.end_ms
    assert 1 - at_work / held == pytest.approx(1 - proving_s / 40, abs=0.01)


def test_eight_cards_cannot_keep_up_with_every_block() -> None:
    """Hardware 15.7: cards busy = arrival rate x card-seconds; 1 block in 12 s at 129 card-s: 10.8; 8 are at 1.35.

    In the engine: all eight are busy throughout, and 1 - 1 / 1.35 of the blocks are left.
    """
    assert busy_cards(1 / 12, 129) == pytest.approx(10.75)
    crew = [prover(setup="16125ms", stake="10")]  # 129 card-seconds on eight cards
    world = scenario("staked_allocation(bond_gwei=1, window_ms=20_000)", horizon="12h",
                     workload={"every": "12s", "requests": None}, provers=crew)  # fmt: skip
    run = simulate(world)
    assert float(run.provers.busy_ms[0]) / run.end_ms == pytest.approx(0.67, abs=0.01)  # it starts on every other block
    several = simulate(scenario("race", horizon="12h", workload={"every": "12s", "requests": None}, provers=crew))
    assert float(several.provers.busy_ms[0]) / several.end_ms == pytest.approx(1, abs=0.01)
    assert several.end_ms / 43_200_000 == pytest.approx(10.75 / 8, rel=0.01)
    assert np.count_nonzero(several.jobs.phase == Phase.SETTLED) == len(several.jobs.phase)
