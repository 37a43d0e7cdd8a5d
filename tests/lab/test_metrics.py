"""Figures against cases worked by hand, and what must hold for any."""

import json
import subprocess
import sys
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.core.errors import BadInput
from proofyard.core.event import Phase
from proofyard.engine.result import Run, Slashes
from proofyard.lab import metrics
from proofyard.lab.metrics import gini, hhi, nakamoto, percentile, summary, top_share

DAY_MS = 86_400_000

weights = st.lists(st.integers(0, 10**12), min_size=1, max_size=40).filter(any).map(lambda w: np.array(w, np.int64))


def test_hhi_of_the_contest_with_three_values() -> None:
    """Field notes on rollups, contest: shares .4894, .3617, .1489 have an index of .3925."""
    assert hhi(np.array([0.4894, 0.3617, 0.1489])) == pytest.approx(0.3925, abs=5e-5)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 1000])
def test_equals(n: int) -> None:
    same = np.full(n, 3, np.int64)
    assert hhi(same) == pytest.approx(1 / n)
    assert gini(same) == pytest.approx(0, abs=1e-12)
    assert nakamoto(same) == n // 2 + 1


def test_worked_by_hand() -> None:
    wins = np.array([1, 6, 3, 0], np.int64)  # shares .1 .6 .3 0
    assert hhi(wins) == pytest.approx(0.01 + 0.36 + 0.09)
    assert gini(wins) == pytest.approx((-3 * 0 - 1 * 1 + 1 * 3 + 3 * 6) / (4 * 10))
    assert nakamoto(wins) == 1
    assert nakamoto(np.array([5, 3, 2], np.int64)) == 2  # a half is not more than a half
    assert nakamoto(np.array([2, 2, 2], np.int64), Fraction(1, 3)) == 2  # nor a third more than a third
    assert top_share(wins, 1) == pytest.approx(0.6)
    assert top_share(wins, 3) == pytest.approx(1)


def test_nothing_has_no_concentration() -> None:
    assert set(metrics.concentration(np.zeros(3, np.int64)).values()) == {None}
    assert set(metrics.concentration(np.zeros(0, np.int64)).values()) == {None}


@given(weights)
def test_bounds(w: np.ndarray) -> None:
    n = len(w)
    index, inequality, few, third = hhi(w), gini(w), nakamoto(w), nakamoto(w, metrics.THIRD)
    assert index is not None
    assert inequality is not None
    assert few is not None
    assert third is not None
    assert 1 / n - 1e-9 <= index <= 1 + 1e-9
    assert 0 <= inequality <= (n - 1) / n + 1e-9
    ranked = sorted(w.tolist(), reverse=True)
    assert 2 * sum(ranked[:few]) > sum(ranked) >= 2 * sum(ranked[: few - 1])
    assert 3 * sum(ranked[:third]) > sum(ranked) >= 3 * sum(ranked[: third - 1])


@given(weights, st.integers(2, 9), st.randoms(use_true_random=False))
def test_neither_order_nor_unit_matters_and_doubling_the_field_halves_hhi(
    w: np.ndarray, unit: int, dice: Random
) -> None:
    mixed: list[int] = w.tolist()
    dice.shuffle(mixed)
    assert hhi(np.array(mixed) * unit) == pytest.approx(hhi(w))
    assert gini(np.array(mixed) * unit) == pytest.approx(gini(w), abs=1e-9)
    assert nakamoto(np.array(mixed) * unit) == nakamoto(w)
    assert hhi(np.concatenate((w, w))) == pytest.approx((hhi(w) or 0) / 2)
    assert gini(np.concatenate((w, w))) == pytest.approx(gini(w), abs=1e-9)


@given(weights, st.integers(0, 10**12))
def test_the_same_for_all_makes_it_less_unequal(w: np.ndarray, gift: int) -> None:
    assert (gini(w + gift) or 0) <= (gini(w) or 0) + 1e-9


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=250), st.integers(1, 100))
def test_percentile_is_the_nearest_rank(values: list[int], percent: int) -> None:
    found = percentile(np.array(values, np.int64), percent)
    assert found in values
    assert sum(v <= found for v in values) * 100 >= percent * len(values)
    assert sum(v < found for v in values) * 100 < percent * len(values)


def by_hand(make: Any) -> Run:
    """Six jobs, two provers, one day: the figures below follow with pencil and paper."""
    jobs = make.jobs_of(
        6,
        phase=[Phase.SETTLED, Phase.SETTLED, Phase.SETTLED, Phase.LOST, Phase.NONE, Phase.OPEN],
        proven_ms=[100, 1_200, 2_700, 0, 0, 0],
        prover=[0, 0, 1, 1, -1, -1],
        paid_gwei=[30, 30, 60, 0, 0, 0],
        cost_gwei=[10, 20, 30, 5, 0, 0],
        cheapest_gwei=[10, 10, -1, 5, 5, 5],
        turns=[1, 1, 3, 2, 0, 0],
        late=[0, 0, 1, 0, 0, 0],
    )
    provers = make.provers_of(
        2,
        wins=[2, 1], income_gwei=[60, 60], cost_gwei=[40, 45], slashed_gwei=[0, 20], stake_start_gwei=[100, 100],
        stake_gwei=[100, 60], busy_ms=[600, 1_400], wasted_ms=[100, 400], missed=[0, 1], active=[1, 1],
        pool_gwei=[3_650, 0], pool_gain_gwei=[20, 0], pool_slashed_gwei=[5, 0],
    )  # fmt: skip
    samples = make.samples_of(2, 0, DAY_MS, locked_gwei=np.array([200, 400], np.int64))
    slashes = Slashes(*(np.array([v], np.int64) for v in (5, 1, 25)))
    return make.run_of(
        jobs, provers, samples=samples, slashes=slashes, slashes_total=1, burnt_gwei=7, seat_churn=3,
        supply_gwei=3_000, horizon_ms=DAY_MS,
    )  # fmt: skip


def test_summary_worked_by_hand(make: Any) -> None:
    s = summary([by_hand(make)])
    assert s["seeds"] == [1]
    assert s["proofs"] == {
        "requested": 6, "settled": 3, "late": 1, "refused": 1, "lost": 1, "reassigned": 3, "unfinished": 1,
    }  # fmt: skip
    assert s["time_to_proof_ms"] == {"p50": 200, "p90": 700, "p99": 700}
    assert s["price_gwei"] == {"mean": 40}
    assert s["cost_gwei"] == {"mean": 20}
    assert s["overpayment_bips"] == pytest.approx(20_000)  # 60 paid for what 20 could have bought
    assert s["wasted_work_share"] == pytest.approx(500 / 2_000)
    assert s["concentration"]["hhi"] == pytest.approx(5 / 9)
    assert s["income_concentration"]["hhi"] == pytest.approx(1 / 2)
    assert s["stake"] == {
        "slashed_gwei": 25, "burnt_gwei": 7, "locked_mean_gwei": 300, "locked_peak_gwei": 400,
        "utilisation": 0.1, "seat_churn": 3,
    }  # fmt: skip
    assert s["delegators"]["apr_gross"] == pytest.approx(2.0)  # 20 a day on 3,650
    assert s["delegators"]["apr_net"] == pytest.approx(1.5)
    assert s["profitable"] == {"count": 1, "share": 0.5, "at_a_loss": 1, "active": 2}
    assert s["entry_barrier"] == {"stake_gwei": 3_750, "ms_per_proof": 250}
    assert s["welfare"] == {
        "paid_gwei": 120, "cost_gwei": 85, "cheapest_gwei": 50, "loss_gwei": 35, "provers_gwei": 15,
    }  # fmt: skip
    assert s["spread"] is None
    second = s["provers"][1]
    assert (second["name"], second["wins"], second["share"]) == ("prover-2", 1, pytest.approx(1 / 3))
    assert (second["profit_gwei"], second["stake_gwei"], second["missed"]) == (-5, 60, 1)
    assert second["apr_gross"] == pytest.approx(15 / 80 * 365)
    assert second["apr_net"] == pytest.approx(-5 / 80 * 365)
    assert second["pool_apr_net"] is None
    assert s["provers"][0]["pool_apr_net"] == pytest.approx(1.5)


CONTRACT = {
    "mechanism": None, "scenario": None, "seeds": None,
    "proofs": {"requested", "settled", "late", "refused", "lost", "reassigned"},
    "time_to_proof_ms": {"p50", "p90", "p99"},
    "price_gwei": {"mean"}, "cost_gwei": {"mean"}, "overpayment_bips": None, "wasted_work_share": None,
    "concentration": {"hhi", "gini", "nakamoto", "top1_share", "top3_share"},
    "stake": {
        "slashed_gwei", "burnt_gwei", "locked_mean_gwei", "locked_peak_gwei", "utilisation", "seat_churn",
    },
    "delegators": {"apr_gross", "apr_net"}, "money_difference_gwei": None,
}  # fmt: skip
ROW = {"name", "wins", "share", "income_gwei", "cost_gwei", "profit_gwei", "missed", "slashed_gwei", "stake_gwei"}


@pytest.mark.parametrize("seeds", [1, 3])
def test_names_others_rely_on(make: Any, seeds: int) -> None:
    s = summary([make.drawn_run(seed, staked=True) for seed in range(seeds)])
    for name, inner in CONTRACT.items():
        assert inner is None or inner <= s[name].keys(), name
        assert name in s
    assert all(row.keys() >= ROW for row in s["provers"])
    assert json.loads(json.dumps(s, allow_nan=False)) == s


def test_every_extra_name_is_documented(make: Any) -> None:
    s = summary([make.drawn_run(1, staked=True)])
    text = metrics.__doc__ or ""
    inner = {key for value in s.values() if isinstance(value, dict) for key in value}
    assert [name for name in {*s, *inner, *s["provers"][0]} if name not in text] == []


def test_a_market_where_nothing_happened(make: Any) -> None:
    s = summary([make.run_of(make.jobs_of(0), make.provers_of(2), supply_gwei=0)])
    undefined = [s["overpayment_bips"], s["wasted_work_share"], s["stake"]["utilisation"], s["price_gwei"]["mean"]]
    undefined += [*s["delegators"].values(), *s["time_to_proof_ms"].values(), s["provers"][0]["share"]]
    assert undefined == [None] * len(undefined)
    assert s["proofs"]["requested"] == 0


def test_several_seeds_are_means_with_standard_errors(make: Any) -> None:
    runs = [make.drawn_run(seed, staked=True) for seed in range(4)]
    alone, together = [summary([run]) for run in runs], summary(runs)
    settled = [s["proofs"]["settled"] for s in alone]
    assert together["seeds"] == [0, 1, 2, 3]
    assert together["proofs"]["settled"] == pytest.approx(np.mean(settled))
    assert together["spread"]["proofs"]["settled"] == pytest.approx(np.std(settled, ddof=1) / 2)
    assert together["spread"]["concentration"]["hhi"] > 0
    profits = [s["provers"][2]["profit_gwei"] for s in alone]
    assert together["provers"][2]["profit_gwei"] == pytest.approx(np.mean(profits))


def test_undefined_in_one_seed_is_left_out_of_the_mean(make: Any) -> None:
    idle = make.run_of(make.jobs_of(0), make.provers_of(2), seed=2)
    busy = make.run_of(make.jobs_of(2, paid_gwei=[10, 20]), make.provers_of(2, wins=[2, 0]), seed=3)
    s = summary([idle, busy])
    assert s["price_gwei"]["mean"] == 15
    assert s["proofs"]["settled"] == 1
    assert s["spread"]["price_gwei"]["mean"] is None


def test_lost_money_is_never_averaged_away(make: Any) -> None:
    pair = [make.run_of(make.jobs_of(1), make.provers_of(1), money_difference_gwei=d) for d in (4, -5)]
    assert summary(pair)["money_difference_gwei"] == -5


def test_runs_of_different_rules_are_refused(make: Any) -> None:
    runs = [make.run_of(make.jobs_of(1), make.provers_of(1), mechanism=name) for name in ("race", "bonded")]
    with pytest.raises(BadInput, match="bonded"):
        summary(runs)
    with pytest.raises(BadInput, match="at least one"):
        summary([])


def test_money_of_a_large_market_is_exact(make: Any) -> None:
    """A supply of 1e9 tokens: sums of gwei stay integers."""
    stakes = [10**18 - 1, 10**18 // 2 + 1]
    s = summary([make.run_of(make.jobs_of(1), make.provers_of(2, slashed_gwei=stakes))])
    assert s["stake"]["slashed_gwei"] == sum(stakes)


@given(st.lists(st.tuples(st.integers(0, 10**15), st.integers(0, 10**15), st.integers(0, 10**15)), min_size=1))
def test_profits_add_up(make: Any, rows: list[tuple[int, int, int]]) -> None:
    income, cost, slashed = zip(*rows, strict=True)
    provers = make.provers_of(len(rows), income_gwei=income, cost_gwei=cost, slashed_gwei=slashed)
    s = summary([make.run_of(make.jobs_of(1), provers)])
    total = sum(income) - sum(cost) - sum(slashed)
    assert sum(row["profit_gwei"] for row in s["provers"]) == total == s["welfare"]["provers_gwei"]
    assert s["profitable"]["at_a_loss"] == sum(i < c + x for i, c, x in rows)


def test_figures_need_neither_polars_nor_charts() -> None:
    code = "import sys, proofyard.lab.metrics, proofyard.lab.output, proofyard.lab.table; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "proofyard.lab.metrics" in loaded
    assert not {"polars", "altair", "vl_convert"} & set(loaded)


def test_who_left_with_a_profit_does_not_count_as_earning(make: Any) -> None:
    provers = make.provers_of(3, income_gwei=[5, 5, 0], active=[1, 0, 1])
    s = summary([make.run_of(make.jobs_of(1), provers)])
    assert s["profitable"] == {"count": 1, "share": pytest.approx(1 / 3), "at_a_loss": 0, "active": 2}


def test_a_proof_that_did_not_count_has_no_time(make: Any) -> None:
    """Proven, contested and lost; a second one stands and is not final yet."""
    jobs = make.jobs_of(2, phase=[Phase.LOST, Phase.PROVEN], asked_ms=[0, 0], proven_ms=[900, 40])
    s = summary([make.run_of(jobs, make.provers_of(1))])
    assert s["time_to_proof_ms"] == {"p50": 40, "p90": 40, "p99": 40}
