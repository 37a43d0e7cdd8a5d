"""What the columns of a run mean: one summary, with the same names for every rule and every scenario.

Money in gwei, times in ms, shares and yearly rates as parts of one. What would divide by zero is None.

mechanism, scenario, seeds  as the user writes them; `seeds` is a list. `horizon_ms` is the first seed's
proofs
    requested   all jobs. Of these: `refused` by the rule; `settled`: final, proven; `lost`: final, never proven;
                `unfinished`: neither at the end of the run. Where a rule has the protocol's own oracle prove what
                nobody did, that is settled too, at no price and by no prover, and in no figure of time or share
    late        proven after the deadline they were first given
    reassigned  how often a job was given to somebody again
time_to_proof_ms
    p50 p90 p99 of proven - asked, nearest rank, over the jobs with a proof that counts
price_gwei, cost_gwei
    mean        per settled proof: paid to provers; cost, to the prover of record, of its work on it
overpayment_bips
    10,000 (paid / cheapest - 1), sums over the settled jobs that some prover could make in time; `cheapest` is the
    expected cost at the cheapest such prover
wasted_work_share
    work done and not paid / all work, in prover time
concentration, income_concentration
    of settled proofs, and of what provers were paid, over all provers: `hhi` sum of squared shares, in 0..1;
    `gini`; `nakamoto` the fewest provers with more than 1/2 (`nakamoto_third`: 1/3); `top1_share`, `top3_share`
stake
    slashed_gwei, burnt_gwei    slashed: own and delegated money
    locked_mean_gwei, locked_peak_gwei  over samples at every epoch, before anybody moves stake, and at the end;
                `utilisation` = mean locked / supply
    seat_churn  seat changes
delegators
    apr_gross   gain / mean delegated stake, per 365 days, not compounded; `apr_net`: the gain less what was slashed
                (and before insurance); `desk_gain_gwei`, `insurer_gain_gwei`: of those who serve delegators
profitable
    count       provers with a profit above 0 that are in the market at the end; `share` of all provers;
                `at_a_loss`: profit below 0; `active`: in the market at the end
entry_barrier
    stake_gwei  least stake, own at the start and mean delegated, of a prover with a profit; `ms_per_proof`: the slowest
                such prover, paid work / proofs. Observed in this run, not proven: it needs provers small and slow
coalitions
    by name     `members`, and `payoff_gwei`: all they own at the end, less at the start, less the cost of their work
claims              only where a claim may be wrong or is looked at
    contested   contests. Of these: `overturned`: the higher proof said otherwise; `upheld`; `undecided`: nobody made it
    wrong_final jobs that became final with a wrong transition
    won_gwei    what those who claimed them on purpose have of these, outside the market and in nobody's payoff
    held_ms     mean time from a contest to its decision, or to the end of the time for it
welfare
    paid_gwei   by requesters; `cost_gwei` of all work; `cheapest_gwei` of the settled proofs, each at its cheapest
                prover (where nobody could make it in time: at its real one); `loss_gwei` = cost - cheapest: who makes
                a proof does not change its worth, so this is what the rule lost by who worked, and in vain;
                `provers_gwei` = income - cost - slashed
provers
    rows        name wins share income_gwei cost_gwei profit_gwei missed slashed_gwei stake_gwei: `share` of settled
                proofs, `profit` = income - cost - own money slashed, `stake` its own at the end. Also group, active,
                apr_gross and apr_net (profit before and after slashes on the mean of own stake at start and end) and
                pool_gwei, pool_apr_gross, pool_apr_net of those who delegate to it
money_difference_gwei
    money at the end less money at genesis, always 0; with several seeds the worst, not the mean
spread
    standard error over the seeds of each figure but the rows of provers; None for one seed

With several seeds each figure, counts too, is the mean over the seeds that define it.

Sources: HHI, Herfindahl 1950 (1/n for n equals, 1 for a monopoly). Gini 1912. Nakamoto coefficient, Srinivasan 2017.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proofyard.core.book import Ints
from proofyard.core.errors import BadInput
from proofyard.core.event import Phase
from proofyard.engine.result import Provers, Run
from proofyard.lab import disputed

BIPS = 10_000
YEAR_MS = 365 * 86_400_000
HALF, THIRD = Fraction(1, 2), Fraction(1, 3)

Weights = Ints | NDArray[np.float64]
Number = int | float | None
Figures = dict[str, Any]


def ratio(part: float, whole: float) -> float | None:
    """Divide, or say None where there is nothing to divide by."""
    return part / whole if whole else None


def hhi(weights: Weights) -> float | None:
    """Herfindahl-Hirschman index, the sum of squared shares: 1/n for n equal, 1 for one alone, None without weight."""
    total = float(weights.sum())
    return float(np.square(weights / total).sum()) if total else None


def gini(weights: Weights) -> float | None:
    """Gini coefficient over all, also those with nothing: 0 for equals, (n - 1) / n for one alone, None without weight.

    G = sum_i (2 i - n - 1) w_i / (n sum w), w ascending, i from 1.
    """
    n, total = weights.size, float(weights.sum())
    if not total:
        return None
    ranks = 2.0 * np.arange(1, n + 1) - n - 1
    return max(0.0, float(ranks @ np.sort(weights).astype(np.float64)) / (n * total))  # rounding may give -1e-17


def nakamoto(weights: Weights, part: Fraction = HALF) -> int | None:
    """Count the fewest that together hold more than `part` of the weight; exact for integers, None without weight."""
    held = np.cumsum(np.sort(weights)[::-1])
    if not held.size or not held[-1]:
        return None
    if np.issubdtype(held.dtype, np.integer):
        return int(np.searchsorted(held, int(held[-1]) * part.numerator // part.denominator, side="right")) + 1
    return int(np.searchsorted(held, float(held[-1] * float(part)), side="right")) + 1


def top_share(weights: Weights, k: int) -> float | None:
    """Share of the `k` largest, None without weight."""
    return ratio(float(np.sort(weights)[::-1][:k].sum()), float(weights.sum()))


def percentile(values: Ints, percent: int) -> int | None:
    """Nearest rank: the smallest value that at least `percent` % of the values do not exceed; None for no values."""
    if not values.size:
        return None
    place = max(0, -(-percent * values.size // 100) - 1)
    return int(np.partition(values, place)[place])


def annual_rate(gain_gwei: float, stake_gwei: float, horizon_ms: int) -> float | None:
    """Compute the yearly rate, not compounded, of a gain made over the horizon on a mean stake."""
    return gain_gwei * YEAR_MS / horizon_ms / stake_gwei if stake_gwei > 0 and horizon_ms > 0 else None


def concentration(weights: Weights) -> Figures:
    """All measures of concentration, of non-negative weights."""
    return {
        "hhi": hhi(weights),
        "gini": gini(weights),
        "nakamoto": nakamoto(weights),
        "nakamoto_third": nakamoto(weights, THIRD),
        "top1_share": top_share(weights, 1),
        "top3_share": top_share(weights, 3),
    }


def profits(provers: Provers) -> Ints:
    """Profit of each prover, gwei: income less cost less its own money slashed."""
    return provers.income_gwei - provers.cost_gwei - provers.slashed_gwei


def proof_times(run: Run) -> Ints:
    """Time to proof, ms, of every job that has a proof that counts."""
    jobs = run.jobs
    proven = (jobs.proven_ms > 0) & (jobs.phase != Phase.NONE) & (jobs.phase != Phase.LOST)
    return (jobs.proven_ms - jobs.asked_ms)[proven]


@dataclass(frozen=True)
class Measured:
    """One seed, measured: all that a summary needs of it."""

    mechanism: str
    scenario: str
    seed: int
    horizon_ms: int
    names: tuple[str, ...]
    groups: tuple[str, ...]
    provers: Provers
    figures: Figures  # all but the rows of the provers
    money_difference_gwei: int


def measured(run: Run) -> Measured:
    """Measure one seed."""
    return Measured(
        run.mechanism, run.scenario, run.seed, run.horizon_ms, run.names, run.groups, run.provers, _measure(run),
        run.money_difference_gwei,
    )  # fmt: skip


def summary(runs: Sequence[Run]) -> Figures:
    """Measure one scenario under one rule, over one seed or several; the module lists the names.

    Raises BadInput for no runs, or runs that differ in more than the seed.
    """
    return together([measured(run) for run in runs])


def together(runs: Sequence[Measured]) -> Figures:
    """Put the seeds of one scenario under one rule together, as `summary` does. Raises BadInput, as there."""
    if not runs:
        raise BadInput("runs", "at least one run", "none")
    first = runs[0]
    for run in runs:
        if (run.mechanism, run.scenario, run.names) != (first.mechanism, first.scenario, first.names):
            raise BadInput("runs", f"runs of {first.scenario} under {first.mechanism}", run.mechanism)
    figures = [run.figures for run in runs]
    return {
        "mechanism": first.mechanism,
        "scenario": first.scenario,
        "seeds": [run.seed for run in runs],
        "horizon_ms": first.horizon_ms,
        **_combine(figures, _mean),
        "provers": _rows(runs),
        "money_difference_gwei": max((run.money_difference_gwei for run in runs), key=abs),
        "spread": _combine(figures, _standard_error) if len(runs) > 1 else None,
    }


def _measure(run: Run) -> Figures:
    """All figures of one seed but the rows of the provers."""
    p = run.provers
    times = proof_times(run)
    delegated = float(p.pool_gwei.sum())
    gain, lost = float(p.pool_gain_gwei.sum()), float(p.pool_slashed_gwei.sum())
    return {
        "proofs": _proofs(run),
        "time_to_proof_ms": {f"p{percent}": percentile(times, percent) for percent in (50, 90, 99)},
        **_money(run),
        "wasted_work_share": ratio(float(p.wasted_ms.sum()), float(p.busy_ms.sum())),
        "concentration": concentration(p.wins),
        "income_concentration": concentration(np.maximum(p.income_gwei, 0)),
        "stake": _stake(run),
        "delegators": {
            "apr_gross": annual_rate(gain, delegated, run.horizon_ms),
            "apr_net": annual_rate(gain - lost, delegated, run.horizon_ms),
            "desk_gain_gwei": run.desk_gain_gwei,
            "insurer_gain_gwei": run.insurer_gain_gwei,
        },
        "profitable": _profitable(p),
        "entry_barrier": _entry_barrier(p),
        "coalitions": _coalitions(run),
        **disputed.figures(run),
    }


def payoffs(run: Run) -> Weights:
    """Say how much better off each prover, the rollup and last each other requester is, gwei.

    That is all its money, less what its work cost.
    """
    asking = run.requesters_gain_gwei, *run.others_gain_gwei
    return np.append(run.provers.gain_gwei - run.provers.cost_gwei, asking)


def _coalitions(run: Run) -> Figures:
    """Members and payoff of each coalition."""
    names = np.array(run.coalitions)
    found = sorted(set(run.coalitions) - {""})
    payoff = payoffs(run) if found else np.zeros(0)
    return {
        name: {"members": int((names == name).sum()), "payoff_gwei": float(payoff[names == name].sum())}
        for name in found
    }


def _proofs(run: Run) -> Figures:
    """Count jobs by what became of them."""
    jobs = run.jobs
    ends = {name: int((jobs.phase == phase).sum()) for name, phase in _ENDS}
    return {
        "requested": jobs.phase.size,
        "settled": ends["settled"],
        "late": int(jobs.late.sum()),
        "refused": ends["refused"],
        "lost": ends["lost"],
        "reassigned": int(np.maximum(jobs.turns - 1, 0).sum()),
        "unfinished": jobs.phase.size - sum(ends.values()),
    }


_ENDS = (("refused", Phase.NONE), ("settled", Phase.SETTLED), ("lost", Phase.LOST))


def _money(run: Run) -> Figures:
    """Compare what requesters paid, what the work cost, and what it could have cost."""
    jobs, p = run.jobs, run.provers
    settled = jobs.phase == Phase.SETTLED
    feasible = settled & (jobs.cheapest_gwei >= 0)
    count = int(settled.sum())
    paid, cheapest = int(jobs.paid_gwei[settled].sum()), int(jobs.cheapest_gwei[feasible].sum())
    overpaid = ratio(int(jobs.paid_gwei[feasible].sum()) - cheapest, cheapest)
    cost = int(p.cost_gwei.sum())
    least = cheapest + int(jobs.cost_gwei[settled & (jobs.cheapest_gwei < 0)].sum())
    return {
        "price_gwei": {"mean": ratio(paid, count)},
        "cost_gwei": {"mean": ratio(int(jobs.cost_gwei[settled].sum()), count)},
        "overpayment_bips": None if overpaid is None else overpaid * BIPS,
        "welfare": {
            "paid_gwei": int(jobs.paid_gwei.sum()),
            "cost_gwei": cost,
            "cheapest_gwei": least,
            "loss_gwei": cost - least,
            "provers_gwei": int(profits(p).sum()),
        },
    }


def _stake(run: Run) -> Figures:
    """Money that was locked, and money that was taken."""
    locked = run.samples.locked_gwei
    mean = float(locked.mean()) if locked.size else 0.0
    return {
        "slashed_gwei": int(run.provers.slashed_gwei.sum() + run.provers.pool_slashed_gwei.sum()),
        "burnt_gwei": run.burnt_gwei,
        "locked_mean_gwei": mean,
        "locked_peak_gwei": int(locked.max()) if locked.size else 0,
        "utilisation": ratio(mean, run.supply_gwei),
        "seat_churn": run.seat_churn,
    }


def _profitable(p: Provers) -> Figures:
    """Who still earns."""
    profit = profits(p)
    earning = int(((profit > 0) & (p.active == 1)).sum())
    return {
        "count": earning,
        "share": ratio(earning, profit.size),
        "at_a_loss": int((profit < 0).sum()),
        "active": int((p.active == 1).sum()),
    }


def _entry_barrier(p: Provers) -> Figures:
    """Least stake and least speed among the provers that made a profit."""
    earning = profits(p) > 0
    proving = earning & (p.wins > 0)
    pace = (p.busy_ms - p.wasted_ms)[proving] / p.wins[proving]
    stake = (p.stake_start_gwei + p.pool_gwei)[earning]
    return {
        "stake_gwei": int(stake.min()) if stake.size else None,
        "ms_per_proof": float(pace.max()) if pace.size else None,
    }


_AS_THEY_ARE = ("wins", "income_gwei", "cost_gwei", "missed", "slashed_gwei", "stake_gwei", "active", "pool_gwei")
_ROW = (
    "name", "wins", "share", "income_gwei", "cost_gwei", "profit_gwei", "missed", "slashed_gwei", "stake_gwei",
    "group", "active", "apr_gross", "apr_net", "pool_gwei", "pool_apr_gross", "pool_apr_net",
)  # fmt: skip


def _rows(runs: Sequence[Measured]) -> list[Figures]:
    """Make one row per prover, each figure the mean over the seeds."""

    def mean(column: Callable[[Provers], Weights]) -> Weights:
        return column(runs[0].provers) if len(runs) == 1 else np.mean([column(run.provers) for run in runs], axis=0)

    def rates(gain: Weights, stake: Weights) -> list[float | None]:
        pairs = zip(gain.tolist(), stake.tolist(), strict=True)
        return [annual_rate(g, s, runs[0].horizon_ms) for g, s in pairs]

    columns: dict[str, list[Any]] = {name: mean(operator.attrgetter(name)).tolist() for name in _AS_THEY_ARE}
    own = mean(lambda p: (p.stake_start_gwei + p.stake_gwei) / 2)
    pool = mean(lambda p: p.pool_gwei)
    total = float(mean(lambda p: p.wins).sum())
    columns |= {
        "name": list(runs[0].names),
        "share": [ratio(wins, total) for wins in columns["wins"]],
        "profit_gwei": mean(profits).tolist(),
        "group": [runs[0].groups[index] for index in runs[0].provers.group.tolist()],
        "apr_gross": rates(mean(lambda p: profits(p) + p.slashed_gwei), own),
        "apr_net": rates(mean(profits), own),
        "pool_apr_gross": rates(mean(lambda p: p.pool_gain_gwei), pool),
        "pool_apr_net": rates(mean(lambda p: p.pool_gain_gwei - p.pool_slashed_gwei), pool),
    }
    rows = zip(*(columns[key] for key in _ROW), strict=True)
    return [dict(zip(_ROW, row, strict=True)) for row in rows]


def _combine(measured: Sequence[Figures], how: Callable[[Sequence[Number]], Number]) -> Figures:
    """Combine the figures of the seeds, name by name, at any depth."""

    def each(values: Sequence[Any]) -> Any:
        return _combine(values, how) if isinstance(values[0], dict) else how(values)

    return {name: each([figures[name] for figures in measured]) for name in measured[0]}


def _mean(values: Sequence[Number]) -> Number:
    """Mean of the values that are defined; a single seed keeps its integers."""
    known = [value for value in values if value is not None]
    if len(known) <= 1:
        return known[0] if known else None
    return sum(known) / len(known)


def _standard_error(values: Sequence[Number]) -> float | None:
    """Sample standard deviation over the root of the count; None for fewer than two values."""
    known = [value for value in values if value is not None]
    return float(np.std(known, ddof=1)) / len(known) ** 0.5 if len(known) > 1 else None
