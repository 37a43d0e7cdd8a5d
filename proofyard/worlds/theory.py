"""Closed forms for proving on several cards and on cards that break: what a plan is made of, and what tests expect.

Units are the caller's: seconds in, seconds out, with rates per second. Floats are fine here; nothing enters a rule.
"""

import math


def tree_bounds(segments: int, prove: float, join: float, workers: int) -> tuple[float, float]:
    """Least and greatest time of any schedule that never idles, for `segments` proofs joined by a binary tree.

    max(W / G, C) <= T <= W / G + C (1 - 1 / G), with work W = N p + (N - 1) j and critical path C = p + ceil(log2 N) j
    (Graham, "Bounds on multiprocessing timing anomalies", 1969). Both ends meet for one worker.
    """
    work = segments * prove + (segments - 1) * join
    path = prove + math.ceil(math.log2(segments)) * join
    return max(work / workers, path), work / workers + path * (1 - 1 / workers)


def tree_makespan(segments: int, prove: float, join: float, workers: int) -> float:
    """Time of the greedy schedule: segments first, two finished parts are joined as soon as a worker is free."""
    free = [0.0] * workers
    ready = [0.0] * segments  # when a segment's work may start
    done: list[float] = []
    joins = segments - 1
    while ready or joins:
        worker = min(range(workers), key=free.__getitem__)
        done.sort()
        pair = done[1] if len(done) > 1 else math.inf
        if ready and pair > free[worker]:
            done.append(max(free[worker], ready.pop()) + prove)
        else:
            done.append(max(free[worker], pair) + join)
            del done[:2]
            joins -= 1
        free[worker] = done[-1]
    return done[-1]


def restart_time(work: float, break_rate: float, mean_down: float) -> float:
    """Mean time to finish `work` on a card that breaks at `break_rate` and then starts the job again: E[T]."""
    return math.expm1(break_rate * work) * (1 / break_rate + mean_down)


def saved_time(work: float, break_rate: float, mean_down: float, pieces: int) -> float:
    """Mean time when finished pieces survive a break; tends to work (1 + rate * down) for many pieces."""
    return pieces * restart_time(work / pieces, break_rate, mean_down)


def serial_share(one: float, several: float, workers: int) -> float:
    """Amdahl's serial share from the time on one worker and on `workers`."""
    return (several / one - 1 / workers) / (1 - 1 / workers)


def busy_cards(arrivals_per_s: float, card_seconds: float) -> float:
    """Mean number of cards at work, by Little's law."""
    return arrivals_per_s * card_seconds


def usd_per_gcycle(usd_per_hour: float, mcycles_per_s: float) -> float:
    """Rent of 10^9 guest cycles at full use, USD."""
    return usd_per_hour / (3.6 * mcycles_per_s)


# Paying for one proof at least (Bahrani, Neuder, ethresear.ch 22469, sections 2 and 3): a proof costs 1.


def lottery_prize(provers: int, probability: float) -> float:
    """Prize at which `provers` equal provers each prove with `probability` in equilibrium: n p / (1 - (1 - p)^n)."""
    if probability == 0:
        return 1.0
    return provers * probability / -math.expm1(provers * math.log1p(-probability)) if probability < 1 else provers


def lottery_probability(provers: int, prize: float) -> float:
    """Probability with which each proves for `prize`: 0 up to a prize of 1, 1 from `provers` on."""
    if prize <= 1 or prize >= provers:
        return float(prize > 1)
    low, high = 0.0, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if lottery_prize(provers, middle) < prize else (low, middle)
    return high


def lottery_cost(provers: int, probability: float, penalty: float) -> float:
    """Mean of prize paid and `penalty` where nobody proves: c (1 - p)^n + n p."""
    return penalty * (1 - probability) ** provers + provers * probability


def best_probability(provers: int, penalty: float) -> float:
    """Probability of proving at which a lottery costs least, 1 - c^(-1 / (n - 1)): n - (n - 1) c^(-1 / (n - 1))."""
    return -math.expm1(-math.log(penalty) / (provers - 1))


def nobody_honest(provers: int, honest: int, asked: int) -> float:
    """Probability that of `asked` provers drawn without replacement none is among the `honest`."""
    return math.comb(provers - honest, asked) / math.comb(provers, asked)
