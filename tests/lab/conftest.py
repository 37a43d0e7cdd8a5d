"""Runs made by hand or by dice: what the engine would leave behind."""

import sys
from typing import Any

import numpy as np
import pytest

from proofyard.core.event import Phase
from proofyard.engine.result import Jobs, Provers, Run, Samples, Slashes

TOKEN = 10**9
DAY_MS = 86_400_000


def ints(*values: int) -> Any:
    return np.array(values, np.int64)


def jobs_of(count: int, **columns: Any) -> Jobs:
    """`count` jobs settled by prover 0, one a second, each proven in 500 ms; `columns` replace."""
    plain = {name: np.zeros(count, np.int64) for name in Jobs._fields}
    plain["asked_ms"] = 1_000 * np.arange(count, dtype=np.int64)
    plain["phase"] += Phase.SETTLED
    plain["turns"] += 1
    plain |= {name: np.asarray(values, np.int64) for name, values in columns.items()}
    plain.setdefault("proven_ms", plain["asked_ms"])
    if "proven_ms" not in columns:
        plain["proven_ms"] = plain["asked_ms"] + 500
    return Jobs(**plain)


def provers_of(count: int, **columns: Any) -> Provers:
    plain = {name: np.zeros(count, np.int64) for name in Provers._fields}
    plain["active"] += 1
    return Provers(**(plain | {name: np.asarray(values, np.int64) for name, values in columns.items()}))


def samples_of(count: int, provers: int, horizon_ms: int, **columns: Any) -> Samples:
    flat, wide = np.zeros(count, np.int64), np.zeros((count, provers), np.int64)
    plain: dict[str, Any] = {
        "time_ms": np.linspace(0, horizon_ms, count).astype(np.int64),
        "locked_gwei": flat,
        "tracked": np.arange(provers, dtype=np.int64),
        "stake_gwei": wide,
        "pool_gwei": wide,
        "wins": wide,
        "seat": wide,
    }
    return Samples(**(plain | columns))


def run_of(jobs: Jobs, provers: Provers, **changes: Any) -> Run:
    count = len(provers.wins)
    horizon_ms = changes.get("horizon_ms", DAY_MS)
    plain: dict[str, Any] = {
        "scenario": "by-hand",
        "mechanism": "race",
        "seed": 1,
        "horizon_ms": horizon_ms,
        "end_ms": horizon_ms,
        "supply_gwei": 1_000 * TOKEN,
        "names": tuple(f"prover-{k + 1}" for k in range(count)),
        "groups": ("all",),
        "jobs": jobs,
        "provers": provers,
        "samples": samples_of(0, 0, horizon_ms),
        "slashes": Slashes(ints(), ints(), ints()),
        "slashes_total": 0,
        "burnt_gwei": 0,
        "seat_churn": 0,
        "verdicts": {},
        "money_difference_gwei": 0,
        "events": 0,
    }
    return Run(**(plain | changes))


def drawn_run(
    seed: int, provers: int = 5, count: int = 400, *, staked: bool = False, mechanism: str = "race", skew: float = 2.0
) -> Run:
    """A plausible run: weighted winners, log-normal times; with `staked` also pools and slashes."""
    dice = np.random.default_rng(seed)
    horizon = 7 * DAY_MS
    weight = np.exp(-skew * np.arange(provers) / provers * 3)
    who = dice.choice(provers, count, p=weight / weight.sum())
    asked = np.sort(dice.integers(0, horizon, count))
    took = (60_000 * dice.lognormal(0, 0.6, count)).astype(np.int64)
    price, cost = int(2 * TOKEN), (0.7 * TOKEN * dice.lognormal(0, 0.2, count)).astype(np.int64)
    phase = np.where(dice.random(count) < 0.02, Phase.LOST, Phase.SETTLED)
    settled = phase == Phase.SETTLED
    jobs = jobs_of(
        count, asked_ms=asked, proven_ms=np.where(settled, asked + took, 0), prover=who, phase=phase,
        paid_gwei=np.where(settled, price, 0), cost_gwei=cost, cheapest_gwei=cost * 8 // 10,
        late=settled & (took > 180_000), turns=1 + (took > 180_000), size=dice.integers(10**7, 6 * 10**7, count),
    )  # fmt: skip
    wins = np.bincount(who[settled], minlength=provers)
    busy = wins * 60_000 + 60_000 * count // (1 if mechanism == "race" else 20)
    slashes, stake, pool = _stakes(dice, provers, horizon, staked=staked)
    slashed = np.bincount(slashes.prover, slashes.gwei, provers).astype(np.int64)
    row = provers_of(
        provers, wins=wins, income_gwei=wins * price, cost_gwei=busy * TOKEN // 90_000, busy_ms=busy,
        wasted_ms=busy - wins * 60_000, missed=dice.poisson(1.0, provers) * staked, slashed_gwei=slashed // 4,
        stake_gwei=stake[-1], stake_start_gwei=stake[0], pool_gwei=pool.mean(0), pool_end_gwei=pool[-1],
        gain_gwei=wins * price - slashed, pool_gain_gwei=wins * price // 5, pool_slashed_gwei=slashed - slashed // 4,
    )  # fmt: skip
    samples = samples_of(len(stake), provers, horizon, stake_gwei=stake, pool_gwei=pool)
    samples = samples._replace(locked_gwei=(stake + pool).sum(1))
    return run_of(
        jobs, row, scenario="drawn", mechanism=mechanism, seed=seed, horizon_ms=horizon, samples=samples,
        slashes=slashes, slashes_total=len(slashes.prover), supply_gwei=10**7 * TOKEN, seat_churn=14 * staked,
    )  # fmt: skip


def _stakes(dice: np.random.Generator, provers: int, horizon: int, *, staked: bool) -> tuple[Slashes, Any, Any]:
    samples, tracked = 200, provers
    if not staked:
        none = np.zeros((samples, tracked), np.int64)
        return Slashes(ints(), ints(), ints()), none, none
    start = 100_000 * TOKEN / (1 + np.arange(tracked))
    walk = np.exp(np.cumsum(dice.normal(0, 0.02, (samples, tracked)), 0))
    stake, pool = (start * walk).astype(np.int64), (6 * start * walk[::-1] / walk[-1]).astype(np.int64)
    n = 12 * provers
    who = dice.integers(0, provers, n)
    return Slashes(np.sort(dice.integers(0, horizon, n)), who, stake[0, who] // 50), stake, pool


@pytest.fixture(scope="session")
def make() -> Any:
    """The functions of this file, for all tests beside it."""
    return sys.modules[__name__]
