"""Contests (field page on rollups, 4.1): what tests/mechanisms/test_contest.py leaves open. Odds are the rule's own."""

import itertools
import random
from fractions import Fraction

import pytest

from proofyard.mechanisms import contest
from proofyard.mechanisms.contest import Params


def odds(bids: list[int], num: int, den: int) -> list[Fraction]:
    """Probabilities with which the rule lets each bidder win."""
    p, top = Params(alpha_num=num, alpha_den=den), max(bids)
    log_top = contest.log2_fixed(top)
    weights = [contest.compute_weight(p, bid, top, log_top) if bid else 0 for bid in bids]
    return [Fraction(weight, sum(weights)) for weight in weights]


def gain(values: list[int], bids: list[int], k: int, num: int, den: int) -> float:
    """Expected payoff p v - b of bidder k."""
    return float(odds(bids, num, den)[k]) * values[k] - bids[k]


def best_reply(values: list[int], bids: list[int], k: int, num: int, den: int) -> int:
    """The best of many bids of k against the others, down to a five-hundredth of its value."""
    grid = [values[k] * step // 500 for step in range(501)]
    others = list(bids)

    def payoff(bid: int) -> float:
        others[k] = bid
        return gain(values, others, k, num, den) if any(others) else values[k]

    return max(grid, key=payoff)


def equilibrium(values: list[int], num: int, den: int) -> list[int]:
    """Bids at which nobody's best reply is another, found by playing best replies in turn."""
    bids = [v // 4 for v in values]
    for _ in range(200):
        before = list(bids)
        for k in range(len(values)):
            bids[k] = best_reply(values, bids, k, num, den)
        if bids == before:
            break
    return bids


@pytest.mark.parametrize("costs", [(10, 12, 14), (10, 11, 15, 18), (8, 10, 10, 12)])
def test_a_cheaper_prover_has_at_least_its_cost_edge_as_share(costs: tuple[int, ...]) -> None:
    """4.1: if i is active, share_j >= 1 - c_j / c_i for every j; 20 % cheaper -> at least 20 % of the market.

    Cost form: prize V, efforts cost c_i, so v_i = V / c_i in share terms; best replies under the shipped odds.
    """
    values = [5_000_000 // c for c in costs]
    bids = equilibrium(values, 1, 1)
    shares = odds(bids, 1, 1)
    for j, c_j in enumerate(costs):
        for i, c_i in enumerate(costs):
            if bids[i] > 0:
                assert shares[j] >= 1 - c_j / c_i - 0.01  # a hundredth for the grid of bids


@pytest.mark.parametrize(("num", "den", "least"), [(3, 2, 1 / 3), (5, 4, 1 / 5), (2, 1, 1 / 2)])
def test_above_one_whoever_is_active_has_a_large_share(num: int, den: int, least: float) -> None:
    """4.1: for alpha > 1 each active share >= 1 - 1/alpha: below it any smaller share would rather bid nothing.

    Of all bids of a bidder against any rivals, its best is nothing or has that share; 60 random rivals, seed 4.
    """
    dice = random.Random(4)
    for _ in range(60):
        rivals = [dice.randrange(1_000, 100_000) for _ in range(dice.randrange(1, 4))]
        values = [100_000] * (1 + len(rivals))
        bid = best_reply(values, [0, *rivals], 0, num, den)
        assert bid == 0 or odds([bid, *rivals], num, den)[0] >= least - 0.02


def test_without_limit_the_third_stays_out() -> None:
    """4.1: alpha -> infinity, three or more: only the top two are active generically.

    Against 1 on U[0, 80] and 2 on U[0, 80] with probability .8, else nothing, a third of value 60 only loses.
    """
    steps = 40
    for third in (1_000, 20_001, 40_001, 59_999, 79_999):
        total = Fraction(0)
        for i, j in itertools.product(range(steps), range(steps + steps // 4)):
            bids = [2_000 * i + 1, 2_000 * j + 2 if j < steps else 0, third]
            total += odds(bids, 1, 0)[2] * 60_000 - third
        assert total < 0
