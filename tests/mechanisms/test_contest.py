"""The proof contest: odds to the ticket, what bids cost, rounds, and the closed forms of Tullock contests.

Section numbers are those of the field page on rollup mechanisms. Where a closed form is checked, its equilibrium bids
are put into the rule, and expected payoffs follow from the rule's own odds: exact fractions, nothing is sampled.
"""

import random
from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.conformance import compiled
from proofyard.conformance.market import Market, Setup
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.mechanisms import contest, rule
from proofyard.mechanisms.contest import DIVIDED, MAX_BIDS, ONE_SHOT, RESERVE, UNDIVIDED, Params

ONE_WORD = 2**62
BIDDING, WINDOW, ROUND, BOND = 100, 1_000, 10_000, 10
CASH = 10**9
THOUSANDTH = Fraction(1, 1_000)

Bids = Sequence[int]


class Contest:
    """An audited market: provers 0, 1, ... with collateral, and one requester after them."""

    def __init__(self, provers: int = 3, jobs: int = 4, cash: int = CASH, **params: int) -> None:
        values = {"bidding_ms": BIDDING, "window_ms": WINDOW, "round_ms": ROUND, "bond_gwei": BOND, "slot_gwei": 1}
        text = ", ".join(f"{name}={value}" for name, value in (values | params).items())
        self.market = Market(Setup(rule(f"contest({text})"), jobs, (cash,) * (provers + 1)))
        self.s, self.b = self.market.sheet.state, self.market.book
        self.requester = provers
        self.cash = cash

    def do(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> Verdict:
        job, amount, detail, word = (rest.get(name, 0) for name in ("job", "amount", "detail", "word"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, word))

    def ok(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def enter(self, *bids: int, stake: int = CASH // 2, capacity: int = 1_000) -> "Contest":
        for prover, bid in enumerate(bids):
            self.ok(Kind.STAKE, 0, prover, amount=stake)
            if bid:
                self.ok(Kind.OFFER, 0, prover, amount=bid, detail=capacity)
        return self

    def request(self, fee: int, time: int = 0, job: int = 0, word: int = 0) -> None:
        self.ok(Kind.REQUEST, time, self.requester, job=job, amount=fee, detail=1, word=word)

    def close(self, word: int = 0, job: int = 0) -> None:
        self.ok(Kind.CLOSE, int(self.b.deadline[job]) + 1, job=job, word=word)

    def gain(self, actor: int) -> int:
        """What the actor has more than it began with, its collateral included."""
        return int(self.b.cash[actor] + self.s.stake[actor]) - self.cash


def weights(bids: Bids, num: int = 1, den: int = 1) -> list[int]:
    p = Params(alpha_num=num, alpha_den=den)
    top = max(bids)
    return [contest.compute_weight(p, bid, top, contest.log2_fixed(top)) if bid else 0 for bid in bids]


def odds(bids: Bids, num: int = 1, den: int = 1) -> list[Fraction]:
    """Probabilities with which the rule lets each bidder win."""
    found = weights(bids, num, den)
    return [Fraction(weight, sum(found)) for weight in found]


def payoffs(values: Bids, bids: Bids, num: int = 1, den: int = 1) -> list[Fraction]:
    """Expected payoffs p_i v_i - b_i."""
    return [p * v - b for p, v, b in zip(odds(bids, num, den), values, bids, strict=True)]


def rounded(numbers: Sequence[Fraction | int], digits: int) -> list[float]:
    return [round(float(number), digits) for number in numbers]


def is_equilibrium(values: Bids, bids: Bids, num: int = 1, den: int = 1) -> bool:
    """No bidder gains by bidding a twentieth more or less, twice as much, half as much, or nothing."""
    best = payoffs(values, bids, num, den)
    for k, bid in enumerate(bids):
        for other in {bid * 19 // 20, bid * 21 // 20, bid * 2, bid // 2, 0} - {bid}:
            changed = [*bids[:k], other, *bids[k + 1 :]]
            if payoffs(values, changed, num, den)[k] > best[k]:
                return False
    return True


# --- the draw ---


@pytest.mark.parametrize(("num", "den"), [(1, 1), (1, 2), (3, 2), (0, 1), (1, 0)])
def test_each_bidder_wins_with_the_tickets_its_weight_gives_it(num: int, den: int) -> None:
    """3.1: Pr(i) = b_i^alpha / sum b_k^alpha, drawn by the word of CLOSE."""
    bids = (50, 20, 50)
    found = weights(bids, num, den)
    total, before = sum(found), 0
    for prover, weight in enumerate(found):
        first, last = before, before + weight - 1
        before += weight
        for ticket in (first, last) if weight else ():
            c = Contest(alpha_num=num, alpha_den=den).enter(*bids)
            c.request(100)
            c.close(word=-(-ticket * ONE_WORD // total))
            assert c.b.prover[0] == prover


def test_everybody_pays_and_only_the_winner_is_paid() -> None:
    """3.1: bids are deducted from collateral, all of them; the winner proves and gets f."""
    c = Contest().enter(50, 20, 30)
    c.request(1_000)
    c.close(word=ONE_WORD - 1)
    assert (c.b.prover[0], c.b.phase[0], c.b.deadline[0]) == (2, Phase.ASSIGNED, BIDDING + 1 + WINDOW)
    assert [c.gain(k) for k in range(3)] == [-50, -20, -30 - BOND]
    assert c.do(Kind.PROVE, 200, 1, job=0) == Verdict.NOT_YOURS
    c.ok(Kind.PROVE, BIDDING + 1 + WINDOW, 2)
    assert [c.gain(k) for k in range(4)] == [-50, -20, 1_000 - 30, -1_000]
    assert (c.b.burnt[0], c.b.paid[0], c.s.open_jobs[2]) == (100, 1_000, 0)


@pytest.mark.parametrize(("bids_to", "burnt", "requester", "reserve"), [(0, 100, 0, 0), (1, 0, 100, 0), (2, 0, 0, 100)])
def test_paid_bids_are_burnt_or_rebated_or_kept(bids_to: int, burnt: int, requester: int, reserve: int) -> None:
    """3.1: where paid bids go is not fixed by the sources read."""
    c = Contest(bids_to=bids_to).enter(50, 20)
    c.request(1_000)
    c.ok(Kind.BID, 5, 1, amount=50)  # out of the pot, and 50 of the offer out of collateral
    c.close()
    assert (c.b.burnt[0], c.gain(3) + 1_000, c.b.reserve[0]) == (burnt, requester, reserve)


def test_no_show_loses_its_bond_and_everybodys_bid_is_wasted() -> None:
    """3.1: otherwise the request expires and collateral may be slashed; a no-show winner wastes everyone's bid."""
    c = Contest(refund_bips=3_000).enter(50, 20)
    c.request(1_000)
    c.close()
    late = BIDDING + 1 + WINDOW + 1
    assert c.do(Kind.EXPIRE, late - 1) == Verdict.EARLY
    assert c.do(Kind.PROVE, late, 0) == Verdict.LATE
    c.ok(Kind.EXPIRE, late)
    assert [c.gain(k) for k in (0, 1, 3)] == [-50 - BOND, -20, 3]
    assert (c.b.phase[0], c.b.slashed[0], c.b.burnt[0], c.b.paid[0]) == (Phase.LOST, BOND, 77, 0)


def test_a_bid_for_one_request_takes_the_place_of_the_offer() -> None:
    c = Contest(alpha_num=1, alpha_den=0).enter(50, 20, 30)
    c.request(1_000)
    c.ok(Kind.BID, 10, 1, amount=40)
    c.ok(Kind.BID, BIDDING, 1, amount=20)  # adds to it; the deadline itself is in time
    assert c.gain(1) == -60 - BOND
    assert c.do(Kind.BID, BIDDING + 1, 1, amount=20) == Verdict.LATE
    c.close()
    assert c.b.prover[0] == 1
    assert [c.gain(k) for k in range(3)] == [-50, -60 - BOND, -30]
    assert c.s.bond[0] == BOND


def test_losing_bidders_get_their_bonds_back() -> None:
    c = Contest(jobs=3).enter(0, 0, 0)
    for job in range(3):  # places are used again
        c.request(1_000, time=job * 500, job=job)
        for prover, bid in enumerate((60, 40, 20)):
            c.ok(Kind.BID, job * 500, prover, job=job, amount=bid)
        assert c.s.bond[job] == 3 * BOND
        c.close(job=job)
        assert c.s.bond[job] == BOND
    assert [c.gain(k) for k in range(3)] == [3 * (-60 - BOND), -120, -60]


def test_refused_bids() -> None:
    c = Contest().enter(50, stake=100)
    c.request(1_000)
    assert c.do(Kind.BID, 1, 0, amount=0) == Verdict.BAD_AMOUNT
    assert c.do(Kind.BID, 1, 0, amount=91) == Verdict.POOR
    c.ok(Kind.BID, 1, 0, amount=90)
    assert c.do(Kind.BID, 1, 0, amount=1) == Verdict.POOR
    assert c.do(Kind.BID, 1, 1, amount=1) == Verdict.POOR  # no collateral
    assert c.do(Kind.BID, 1, 0, job=1, amount=1) == Verdict.WRONG_PHASE
    assert c.do(Kind.DECLINE, 1, 0) == Verdict.WRONG_PHASE
    c.close()
    assert c.do(Kind.DECLINE, 150, 0) == Verdict.UNKNOWN


def test_bids_beyond_the_room_for_them_are_full() -> None:
    c = Contest(provers=MAX_BIDS, bond_gwei=0).enter(*[0] * (MAX_BIDS + 1))
    c.request(1_000)
    for prover in range(MAX_BIDS):
        c.ok(Kind.BID, 1, prover, amount=1)
    assert c.do(Kind.BID, 1, MAX_BIDS, amount=1) == Verdict.FULL
    c.ok(Kind.BID, 1, 7, amount=1)  # adds to a bid that is there
    c.close()
    c.request(1_000, time=500, job=1)
    c.ok(Kind.BID, 501, MAX_BIDS, job=1, amount=1)


@pytest.mark.parametrize(
    ("bid", "stake", "capacity", "takes_part"),
    [(50, 60, 1, True), (51, 60, 1, False), (50, 60, 0, False), (0, 60, 1, False)],
)
def test_who_takes_part(bid: int, stake: int, capacity: int, takes_part: bool) -> None:  # noqa: FBT001
    """Collateral covers bid and bond, and capacity is left."""
    c = Contest().enter(bid, stake=stake, capacity=capacity)
    c.request(1_000)
    c.close()
    assert c.b.phase[0] == (Phase.ASSIGNED if takes_part else Phase.LOST)
    assert c.gain(3) == (-1_000 if takes_part else 0)


def test_a_prover_with_all_its_capacity_in_use_pays_nothing() -> None:
    c = Contest().enter(50, capacity=1)
    for job in range(2):
        c.request(1_000, job=job)
        c.close(job=job)
    assert c.b.phase[:2].tolist() == [Phase.ASSIGNED, Phase.LOST]
    assert c.gain(0) == -50 - BOND


def test_accounts() -> None:
    c = Contest().enter(50, stake=100)
    assert c.do(Kind.UNSTAKE, 1, 0, amount=101) == Verdict.POOR
    c.ok(Kind.UNSTAKE, 1, 0, amount=100)
    assert (c.b.cash[0], c.s.stake[0]) == (CASH, 0)
    assert c.do(Kind.OFFER, 1, 0, amount=1, detail=-1) == Verdict.BAD_DETAIL
    assert c.do(Kind.WITHDRAW, 1, 0) == Verdict.UNKNOWN
    assert c.do(Kind.REQUEST, 1, 0, amount=0) == Verdict.BAD_AMOUNT


# --- powers ---


@given(st.integers(1, 2**61))
def test_logarithm_is_at_most_two_units_too_small(n: int) -> None:
    with localcontext() as context:
        context.prec = 60
        exact = Decimal(n).ln() / Decimal(2).ln() * 2**contest.LOG_BITS
        assert 0 <= exact - contest.log2_fixed(n) + Decimal("1e-30") <= 2


@given(st.integers(1, 2**61 - 1), st.integers(1, 2**20))
def test_a_higher_bid_has_no_smaller_logarithm(n: int, step: int) -> None:
    assert contest.log2_fixed(n) <= contest.log2_fixed(min(n + step, 2**61))


@given(st.integers(1, 2**61), st.integers(1, 2**61), st.integers(1, 8), st.integers(1, 8))
def test_weight_is_the_power_to_a_hundredth_of_its_unit(one: int, other: int, num: int, den: int) -> None:
    """2^40 (b / b_max)^(num / den), rounded down, by exact powers of integers; 2^-47 of 2^40 is 2^-7 units."""
    bid, top = min(one, other), max(one, other)
    if num == den:
        return
    weight = weights([bid, top], num, den)[0]
    slack = Fraction(1, 2**7)
    power = Fraction(2 ** (40 * den)) * Fraction(bid, top) ** num
    assert max(Fraction(0), weight - slack) ** den <= power < (weight + 1 + slack) ** den


@pytest.mark.parametrize(
    ("bids", "num", "den"),
    [((4, 16), 1, 2), ((4, 16), 2, 1), ((4, 16), 3, 2), ((2**61, 2**59), 64, 1), ((2**61, 2**60), 40, 1)],
)
def test_powers_of_two_are_exact(bids: Bids, num: int, den: int) -> None:
    top = max(bids)
    exact = [int(Fraction(bid, top) ** num * 2**40) if den == 1 else None for bid in bids]
    if den == 2:
        exact = [int(2**40 * (bid / top) ** (num / den)) for bid in bids]
    assert weights(bids, num, den) == exact


def test_a_bid_below_the_least_weight_never_wins() -> None:
    assert weights([2**60, 2**19], 1, 1) == [2**60, 2**19]  # the exponent 1 needs no scale
    assert weights([2**60, 2**19], 3, 2)[1] == 0


# --- closed forms of section 4.1 ---


VALUES = (100_000, 80_000, 60_000)
EQUILIBRIUM = (24_989, 18_470, 7_605)  # B (1 - B / v), B = 51.064, in thousandths


def test_three_unequal_provers() -> None:
    """4.1, oracle 8: (100, 80, 60) bid 51.064 in all; shares .4894/.3617/.1489, HHI .3925."""
    assert sum(EQUILIBRIUM) == 51_064
    shares = odds(EQUILIBRIUM)
    assert rounded(shares, 4) == [0.4894, 0.3617, 0.1489]
    assert round(float(sum(share**2 for share in shares)), 4) == 0.3925
    assert is_equilibrium(VALUES, EQUILIBRIUM)
    wanted = [v * (1 - Fraction(51_064, v)) ** 2 for v in VALUES]
    assert rounded([u * THOUSANDTH for u in payoffs(VALUES, EQUILIBRIUM)], 2) == rounded(
        [u * THOUSANDTH for u in wanted], 2
    )


def test_worked_case_of_the_contest() -> None:
    """3.1: f = 120, costs 20/40/60: expected cost 33.191, user price 68.936 with rebate, prover profit 35.745."""
    shares = odds(EQUILIBRIUM)
    cost = sum(share * c for share, c in zip(shares, (20, 40, 60), strict=True))
    price = 120 - sum(EQUILIBRIUM) * THOUSANDTH
    profit = sum(payoffs(VALUES, EQUILIBRIUM)) * THOUSANDTH
    assert rounded([cost, price, profit], 3) == [33.191, 68.936, 35.745]
    assert price == cost + profit


def test_worked_case_played() -> None:
    """The same through events: the requester pays f and gets B back, the dearest of three proves with 14.9 %."""
    c = Contest(bids_to=1).enter(*EQUILIBRIUM)
    c.request(120_000)
    c.close(word=ONE_WORD - 1)
    c.ok(Kind.PROVE, 200, 2)
    assert c.gain(3) == -68_936
    assert [c.gain(k) for k in range(3)] == [-24_989, -18_470, 120_000 - 7_605]


@pytest.mark.parametrize("entrant", [1, 100, 1_000, 5_000, 20_000, 60_000])
def test_entrant_below_the_sum_of_bids_stays_out(entrant: int) -> None:
    """4.1, oracle 8: adding v = 30 (< 51.06) changes nothing: any bid loses."""
    assert payoffs([*VALUES, 30_000], [*EQUILIBRIUM, entrant])[3] < 0
    assert payoffs([*VALUES, 52_000], [*EQUILIBRIUM, 100])[3] > 0  # above it, a small bid gains


@pytest.mark.parametrize(
    ("values", "bids", "shares", "gains"),
    [
        ((100_000, 80_000), (24_691, 19_753), [0.5556, 0.4444], [30.864, 15.802]),
        ((100_000, 50_000, 50_000), (24_000, 8_000, 8_000), [0.6, 0.2, 0.2], [36.0, 2.0, 2.0]),
    ],
)
def test_unequal_provers(values: Bids, bids: Bids, shares: list[float], gains: list[float]) -> None:
    """4.1: b_i = B (1 - B / v_i), p_i = 1 - B / v_i, u_i = v_i (1 - B / v_i)^2."""
    assert rounded(odds(bids), 4) == shares
    assert [float(u) / 1_000 for u in payoffs(values, bids)] == pytest.approx(gains, abs=0.001)
    assert is_equilibrium(values, bids)


@pytest.mark.parametrize(
    ("n", "num", "den", "bid", "payoff"),
    [(2, 1, 1, 45_000, 45_000), (10, 1, 1, 16_200, 1_800), (3, 3, 2, 60_000, 0), (2, 2, 1, 90_000, 0)],
)
def test_equal_provers(n: int, num: int, den: int, bid: int, payoff: int) -> None:
    """4.1: b = alpha (n - 1) v / n^2, payoff v/n (1 - alpha (n - 1) / n); v = 180 000. At n = 10, 90 % is bid away."""
    bids = [bid] * n
    values = [180_000] * n
    assert Fraction(num, den) * (n - 1) * 180_000 / n**2 == bid
    assert payoffs(values, bids, num, den) == [payoff] * n
    assert is_equilibrium(values, bids, num, den)


@pytest.mark.parametrize(("num", "den", "most"), [(3, 2, 3), (2, 1, 2)])
def test_few_stay_active_above_one(num: int, den: int, most: int) -> None:
    """3.1: at most alpha / (alpha - 1) provers stay active: one more, and the symmetric bid loses money."""
    assert Fraction(num, den) / (Fraction(num, den) - 1) == most
    n = most + 1
    bid = int(Fraction(num, den) * (n - 1) * 144_000 / n**2)
    assert payoffs([144_000] * n, [bid] * n, num, den)[0] < 0


@pytest.mark.parametrize(
    ("num", "den", "share", "bids"),
    [(1, 2, 0.5279, (12_461, 9_969)), (3, 2, 0.5829, (36_469, 29_175))],
)
def test_two_provers_and_an_exponent(num: int, den: int, share: float, bids: Bids) -> None:
    """4.1: p_1 = v1^a / (v1^a + v2^a); at 1.5 the bids are 36.469 and 29.175, at .5 by the same formula."""
    assert rounded(odds(bids, num, den), 3)[0] == round(share, 3)
    assert rounded(odds((100, 80), num, den), 4)[0] == share  # bids are in the ratio of values
    assert is_equilibrium((100_000, 80_000), bids, num, den)


def test_exponent_without_limit_is_an_all_pay_auction() -> None:
    """4.1: 1 bids U[0, v2], 2 the same with probability v2 / v1, else nothing: 72 is bid, P(1) = .6, u = (20, 0)."""
    steps = 100  # of the uniform bids; those of 2 fall between those of 1, so that nobody ties
    total = wins = Fraction(0)
    gains = [Fraction(0), Fraction(0)]
    for i in range(steps):
        for j in range(steps + steps // 4):  # a quarter more that bid nothing: v2 / v1 = 4 / 5
            bids = (1_600 * i + 1_000, 1_600 * j + 200 if j < steps else 0)
            won = odds(bids, 1, 0)
            total += sum(bids)
            wins += won[0]
            gains = [u + x for u, x in zip(gains, payoffs((200_000, 160_000), bids, 1, 0), strict=True)]
    runs = steps * (steps + steps // 4)
    assert float(total / runs) == pytest.approx(144_000, rel=0.01)
    assert float(wins / runs) == pytest.approx(0.6, abs=0.01)
    assert float(gains[0] / runs) == pytest.approx(40_000, abs=1_500)
    assert float(gains[1] / runs) == pytest.approx(0, abs=1_500)


def test_limits_of_the_exponent() -> None:
    """3.1: 0 is uniform, 1 proportional, infinity the highest bidder."""
    bids = (100, 80, 20)
    assert odds(bids, 0, 1) == [Fraction(1, 3)] * 3
    assert odds(bids, 1, 1) == [Fraction(1, 2), Fraction(2, 5), Fraction(1, 10)]
    assert odds(bids, 1, 0) == [1, 0, 0]
    assert odds((100, 100, 20), 1, 0) == [Fraction(1, 2), Fraction(1, 2), 0]
    assert odds(bids, 64, 1)[0] > 1 - Fraction(1, 10**6)
    assert max(abs(p - Fraction(1, 3)) for p in odds(bids, 1, 10_000)) < Fraction(1, 10_000)


@pytest.mark.parametrize(("num", "den", "k", "gain"), [(1, 2, 4, 2), (1, 1, 7, 1), (2, 1, 2, Fraction(1, 2))])
def test_splitting_into_identities(num: int, den: int, k: int, gain: Fraction) -> None:
    """4.1: k equal identities weigh k^(1 - alpha) times as much: 2 at alpha .5 and k 4, 1 at 1, .5 at 2 and k 2."""
    rival, bid = 2_800, 2_800
    whole = weights([rival, bid], num, den)
    split = weights([rival, *[bid // k] * k], num, den)
    assert Fraction(sum(split[1:]), split[0]) == gain * Fraction(whole[1], whole[0])


# --- recurring contests ---


def cournot(values: Bids, bids: Bids) -> list[int]:
    """Round profits b_i (v_i - B)."""
    return [b * (v - sum(bids)) for v, b in zip(values, bids, strict=True)]


def test_undivided_round_is_cournot() -> None:
    """3.1: b_i (f - B - c_i s), v = (100, 80): b = (40, 20), B = 60. Played with f = 120, costs 20 and 40."""
    c = Contest(provers=2, jobs=61, form=UNDIVIDED).enter(40, 20)
    for job in range(60):
        c.request(120, time=job, job=job, word=(job * 7919 % 60) * ONE_WORD // 60)
        c.ok(Kind.PROVE, job, int(c.b.prover[job]), job=job)
    wins = [int((c.b.prover[:60] == k).sum()) for k in range(2)]
    assert wins == [40, 20]
    profits = [c.gain(k) - cost * wins[k] for k, cost in enumerate((20, 40))]
    assert profits == cournot((100, 80), (40, 20)) == [1_600, 400]
    for k, other in ((0, (39, 20)), (0, (41, 20)), (1, (40, 19)), (1, (40, 21))):
        assert cournot((100, 80), other)[k] < profits[k]
    c.request(120, time=60, job=60)  # no slot is left: it waits for the next round
    assert (c.b.phase[60], c.b.deadline[60]) == (Phase.BIDDING, ROUND - 1)
    c.close(job=60)
    assert (c.b.phase[60], c.s.left.sum()) == (Phase.ASSIGNED, 59)


def test_divided_round_is_tullock() -> None:
    """3.1: divided by B it reads (b_i / B) (f - c_i s) - b_i: v = (100, 80) bid (24.691, 19.753), B = 44.444."""
    bids = (24_691, 19_753)
    assert sum(bids) == 44_444
    gains = payoffs((100_000, 80_000), bids)
    assert rounded([u * THOUSANDTH for u in gains], 2) == [30.86, 15.8]
    assert not is_equilibrium((100_000, 80_000), (40_000, 20_000))  # Cournot's bids are none of this game
    c = Contest(provers=2, form=DIVIDED).enter(*bids)
    c.request(120_000)
    assert (c.b.prover[0], c.b.phase[0]) == (0, Phase.ASSIGNED)
    assert [c.gain(0), c.gain(1)] == [-24_691 - BOND, -19_753]


def test_offers_hold_for_the_round() -> None:
    """Recurring: announced per round; what is offered within one counts from the next."""
    c = Contest(provers=2, jobs=6, form=DIVIDED).enter(50, 20)
    c.request(1_000, time=5, job=0)
    c.ok(Kind.OFFER, 6, 0, amount=70, detail=9)
    c.request(1_000, time=ROUND - 1, job=1)
    assert c.b.burnt[0] == 2 * (50 + 20)
    c.request(1_000, time=ROUND, job=2)
    assert c.b.burnt[0] == 2 * (50 + 20) + (70 + 20)
    assert c.do(Kind.BID, ROUND, 0, job=3, amount=1) == Verdict.WRONG_PHASE


@pytest.mark.parametrize("form", [DIVIDED, UNDIVIDED])
def test_offers_above_the_collateral_are_not_in_force(form: int) -> None:
    c = Contest(provers=2, form=form).enter(50, 20, stake=49)
    c.request(1_000, word=ONE_WORD - 1)
    assert c.s.in_force.tolist() == [0, 20, 0]
    assert c.b.prover[0] == 1


@pytest.mark.parametrize("form", [DIVIDED, UNDIVIDED])
def test_a_request_that_finds_nobody_waits_for_one_round(form: int) -> None:
    c = Contest(provers=2, form=form)
    c.request(1_000, time=17)
    assert (c.b.phase[0], c.b.deadline[0]) == (Phase.BIDDING, ROUND - 1)
    assert c.do(Kind.BID, 20, 0, amount=1) == Verdict.UNKNOWN
    c.close()
    assert (c.b.phase[0], c.gain(2)) == (Phase.LOST, 0)


# --- parameters, and everything at once ---


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("alpha_num=-1", "alpha_num"), ("alpha_num=65", "alpha_num"), ("alpha_num=2, alpha_den=0", "alpha_num"),
        ("alpha_den=-1", "alpha_den"), ("form=3", "form"), ("form=2, alpha_num=2", "alpha_num"),
        ("refund_bips=10001", "refund_bips"), ("window_ms=0", "window_ms"), ("slot_gwei=0", "slot_gwei"),
        ("bids_to=3", "bids_to"), ("round_ms=0", "round_ms"), ("bidding_ms=-1", "bidding_ms"),
    ],
)  # fmt: skip
def test_senseless_parameters(text: str, name: str) -> None:
    with pytest.raises(BadInput) as caught:
        rule(f"contest({text})")
    assert caught.value.field == f"mechanism.{name}"


EXPONENTS = ((1, 1), (1, 2), (3, 2), (2, 1), (0, 1), (1, 0), (7, 10))


def about(c: Contest, dice: random.Random, job: int, now: int, actor: int) -> list[Event]:
    """What might happen to a job next."""
    word = dice.randrange(ONE_WORD)
    match Phase(int(c.b.phase[job])):
        case Phase.NONE:
            return [Event(Kind.REQUEST, now, c.requester, job, dice.randrange(2_000), 1, word)]
        case Phase.BIDDING:
            bid = Event(Kind.BID, now, actor, job, dice.randrange(900), 0, 0)
            return [bid, bid, Event(Kind.CLOSE, now, 0, job, 0, 0, word)]
        case Phase.ASSIGNED:
            by = int(c.b.prover[job]) if dice.randrange(4) else actor
            return [Event(Kind.PROVE, now, by, job, 0, 0, 0), Event(Kind.EXPIRE, now, 0, job, 0, 0, 0)]
        case _:
            return []


def wander(c: Contest, dice: random.Random, steps: int) -> None:
    """Do plausible things: offers, stakes, requests, and what is next for some job."""
    now = 0
    for _ in range(steps):
        now += dice.choice((0, 1, 30, 120, 1_100))
        actor = dice.randrange(c.requester)
        account = [
            Event(Kind.OFFER, now, actor, 0, dice.choice((1, 7, 500, 10**6)), dice.randrange(-1, 4), 0),
            Event(Kind.STAKE, now, actor, 0, dice.choice((100, 10**4, 10**7, 2 * CASH)), 0, 0),
            Event(Kind.UNSTAKE, now, actor, 0, dice.choice((1, 100, 10**7)), 0, 0),
        ]
        jobs = [event for job in range(c.market.setup.jobs) for event in about(c, dice, job, now, actor)]
        c.market.answer(dice.choice(jobs if jobs and dice.randrange(3) else account))


@given(
    st.sampled_from((ONE_SHOT, ONE_SHOT, DIVIDED, UNDIVIDED)),
    st.sampled_from(EXPONENTS),
    st.integers(0, RESERVE),
    st.sampled_from((0, BOND, 10**6)),
    st.integers(0, 2**32),
)
def test_whatever_happens_money_is_kept_and_the_compiled_rule_agrees(
    form: int, exponent: tuple[int, int], bids_to: int, bond: int, seed: int
) -> None:
    """Every event is audited by the market: conserved, nothing negative, refused means untouched."""
    num, den = exponent if form != UNDIVIDED else (1, 1)
    c = Contest(4, 8, form=form, alpha_num=num, alpha_den=den, bids_to=bids_to, bond_gwei=bond, refund_bips=3_333)
    wander(c, random.Random(seed), 60)
    compiled.compare(c.market.trace())
