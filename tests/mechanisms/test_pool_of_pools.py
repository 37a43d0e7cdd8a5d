"""An aggregator of pools: what the project sees, who carries which risk. Sections: the field page on live markets.

The third level is a reconstruction; what its parts have from ZKPool's documents is tested with their numbers.
"""

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.conformance import compiled
from proofyard.conformance.market import Market, Setup
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.mechanisms import rule

CASH, FUND, TOP = 10**6, 5_000, 50_000
BOND, POOL_BOND = 1_000, 200
WINDOW, ATTEMPT, LIABILITY, EXCLUSION = 1_000, 300, 2_000, 700
PROVERS, RESCUER, PROJECT = 8, 8, 9
ASK, BID, REWARD = 76, 95, 100  # 20 % of 95 and 5 % of 100 are the shares
TERMS = {
    "window_ms": WINDOW, "attempt_ms": ATTEMPT, "liability_ms": LIABILITY, "exclusion_ms": EXCLUSION,
    "bond_gwei": BOND, "pool_bond_gwei": POOL_BOND, "fund_gwei": FUND, "top_gwei": TOP,
}  # fmt: skip


class Aggregator:
    """An audited market: four pools of two members each, a project, and somebody who rescues."""

    def __init__(self, *asks: int, **more: int) -> None:
        terms = ", ".join(f"{name}={value}" for name, value in (TERMS | more).items())
        self.market = Market(Setup(rule(f"pool_of_pools({terms})"), 40, (CASH,) * 10))
        self.s, self.b = self.market.sheet.state, self.market.book
        for member, price in enumerate(asks or (ASK,) * PROVERS):
            self.ok(Kind.OFFER, 0, member, amount=price, detail=9)

    def do(self, kind: Kind, time: int, actor: int = PROJECT, **rest: int) -> Verdict:
        job, amount, detail = (rest.get(name, 0) for name in ("job", "amount", "detail"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, 0))

    def ok(self, kind: Kind, time: int, actor: int = PROJECT, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def request(self, time: int = 0, job: int = 0, amount: int = CASH // 4) -> int:
        """Request a proof; who is given it."""
        self.ok(Kind.REQUEST, time, job=job, amount=amount)
        return int(self.b.prover[job])

    def miss(self, job: int = 0) -> None:
        self.ok(Kind.EXPIRE, int(self.b.deadline[job]) + 1, job=job)

    def gain(self, actor: int) -> int:
        return int(self.b.cash[actor]) - CASH


def test_shares_of_three_levels() -> None:
    """8: the pool keeps 20 % and pays 80 %; the aggregator's 5 % are assumed. The member has its ask."""
    a = Aggregator()
    assert a.request() == 0
    assert (a.gain(PROJECT), int(a.s.share[0])) == (-REWARD, BID)
    assert (int(a.s.top[0]), int(a.s.fund[0])) == (TOP + REWARD - BID - BOND, FUND - POOL_BOND)
    a.ok(Kind.PROVE, ATTEMPT, 0)
    assert (a.gain(0), int(a.s.fund[0]) - FUND, int(a.s.top[0]) - TOP) == (ASK, BID - ASK, REWARD - BID)
    odd = Aggregator(77)
    odd.request()
    odd.ok(Kind.PROVE, 1, 0)
    assert (odd.gain(PROJECT), odd.gain(0)) == (-101, 77)  # a fifth of 96 is 19, rounded down; 5 % of 101 are 5


def test_the_lowest_bid_of_all_pools_wins() -> None:
    a = Aggregator(90, 80, 85, 76, 70, 99, 99, 99)
    assert a.request() == 4  # a member of pool 0
    assert Aggregator().do(Kind.REQUEST, 0, amount=REWARD - 1) == Verdict.TOO_DEAR


def test_a_failed_pool_pays_the_aggregator_and_the_project_sees_nothing() -> None:
    """8: failure -> exclusion window, of the member. The next pool proves within the project's window."""
    a = Aggregator()
    a.request()
    a.miss()
    assert (a.b.phase[0], a.b.prover[0], a.b.deadline[0]) == (Phase.ASSIGNED, 1, 2 * ATTEMPT + 1)
    assert (int(a.s.lost[0]), int(a.s.failures[0]), int(a.s.excluded_until[0])) == (POOL_BOND, 1, 301 + EXCLUSION)
    a.ok(Kind.PROVE, 2 * ATTEMPT, 1)
    assert (a.gain(PROJECT), a.gain(1), int(a.s.top[0]) - TOP) == (-REWARD, ASK, REWARD - BID + POOL_BOND)


def test_the_aggregator_pays_what_the_next_pool_asks_more() -> None:
    a = Aggregator(ASK, 2 * ASK)
    a.request()
    a.miss()
    assert (a.b.prover[0], int(a.s.share[0])) == (1, 2 * BID)
    assert int(a.s.top[0]) == TOP + (REWARD - BID) - BOND + POOL_BOND - BID
    a.ok(Kind.PROVE, 2 * ATTEMPT, 1)
    assert (a.gain(1), a.gain(PROJECT)) == (2 * ASK, -REWARD)


def test_the_window_bounds_attempts() -> None:
    """8: one window for the project, whatever happens below: 300, 600, 900 and what is left of 1000."""
    a = Aggregator()
    a.request()
    ends = [int(a.b.deadline[0])]
    for _ in range(3):
        a.miss()
        ends.append(int(a.b.deadline[0]))
    assert ends == [300, 601, 902, 1_000]
    a.miss()
    assert (a.b.phase[0], a.b.deadline[0]) == (Phase.OPEN, WINDOW + LIABILITY)


def test_in_the_liability_window_anybody_gets_the_bond_and_then_the_requester() -> None:
    """8: between proofWindow and liabilityWindow anyone proves -> gets the bond; then the requester claims it."""
    for rescued in (True, False):
        a = Aggregator(ASK)
        a.request()
        a.miss()
        assert int(a.s.top[0]) == TOP + REWARD - BOND + POOL_BOND  # paid in advance, and nobody to pay
        if rescued:
            a.ok(Kind.PROVE, WINDOW + LIABILITY, RESCUER)
        else:
            a.miss()
        assert (a.gain(RESCUER), a.gain(PROJECT) + REWARD) == ((BOND, 0) if rescued else (0, BOND))
        assert int(a.b.phase[0]) == (Phase.SETTLED if rescued else Phase.LOST)


@pytest.mark.parametrize("fifths", [1, 3])
@pytest.mark.parametrize("pools", [1, 2, 3])
def test_the_project_sees_a_miss_with_f_to_the_power_of_the_pools(pools: int, fifths: int) -> None:
    """8, k-way duplication has miss probability f^k at cost k; pools in sequence have it at cost (1 - f^k)/(1 - f).

    All 5^k cases of k attempts, each of which fails in f of five. What the aggregator makes of it, exactly: its share,
    the bonds of pools that failed, and with f^k the pay it had in advance, less its own bond.
    """
    missed = attempts = gained = 0
    for case in product(range(5), repeat=pools):
        a = Aggregator(*(ASK,) * pools, attempt_ms=WINDOW // 4)
        a.request()
        for draw in case:
            attempts += 1
            if draw >= fifths:
                a.ok(Kind.PROVE, int(a.b.deadline[0]), int(a.b.prover[0]))
                break
            a.miss()
        else:
            missed += 1
            a.miss()
        gained += int(a.s.top[0]) - TOP
    f = fifths / 5
    assert missed == fifths**pools
    assert attempts / 5**pools == pytest.approx((1 - f**pools) / (1 - f))
    failures = f * (1 - f**pools) / (1 - f)
    assert gained / 5**pools == pytest.approx(REWARD - BID + POOL_BOND * failures + f**pools * (BID - BOND))


def test_exclusion_doubles_with_each_failure_in_a_row() -> None:
    """8: exclusion time after k failures = w (2^k - 1) in total; a proof in time ends the row."""
    a, now = Aggregator(ASK), 0
    for k in range(4):
        a.request(now, job=k)
        now += ATTEMPT + 1
        a.ok(Kind.EXPIRE, now, job=k)
        assert int(a.s.excluded_until[0]) - now == EXCLUSION * 2**k
        assert a.do(Kind.REQUEST, int(a.s.excluded_until[0]) - 1, job=9, amount=CASH // 4) == Verdict.NO_PROVER
        now = int(a.s.excluded_until[0])
    a.request(now, job=5)
    a.ok(Kind.PROVE, now, 0, job=5)
    assert int(a.s.failures[0]) == 0


def test_who_cannot_put_up_a_bond_does_not_bid() -> None:
    poor = Aggregator(ASK, 2 * ASK, fund_gwei=POOL_BOND)
    assert [poor.request(job=job) for job in range(2)] == [0, 1]
    assert poor.do(Kind.REQUEST, 0, job=2, amount=CASH // 4) == Verdict.NO_PROVER
    bare = Aggregator(ASK, top_gwei=BOND - 1)
    assert bare.do(Kind.REQUEST, 0, amount=CASH // 4) == Verdict.NO_PROVER


def test_a_bid_the_aggregator_cannot_pay_is_not_taken() -> None:
    a = Aggregator(ASK, 2_000, top_gwei=BOND)
    a.request()
    a.miss()
    assert (a.b.phase[0], int(a.s.top[0])) == (Phase.OPEN, REWARD + POOL_BOND)


def test_members_come_and_go() -> None:
    a = Aggregator(ASK)
    assert a.do(Kind.UNDELEGATE, 0, 1, amount=1) == Verdict.POOR
    assert a.do(Kind.OFFER, 0, 1, amount=1) == Verdict.BAD_DETAIL
    assert a.do(Kind.STAKE, 0, 1, amount=1) == Verdict.UNKNOWN
    a.ok(Kind.UNDELEGATE, 0, 0, amount=1)
    assert (a.s.churn[0], a.do(Kind.REQUEST, 0, amount=CASH // 4)) == (2, Verdict.NO_PROVER)


@pytest.mark.parametrize(
    ("text", "name"),
    [("pools=0", "pools"), ("pools=17", "pools"), ("pool_rate=10_000", "pool_rate"), ("top_rate=-1", "top_rate"),
     ("window_ms=5, attempt_ms=6", "attempt_ms"), ("fund_gwei=-1", "fund_gwei"), ("top_gwei=-1", "top_gwei")],
)  # fmt: skip
def test_senseless_parameters(text: str, name: str) -> None:
    with pytest.raises(BadInput) as caught:
        rule(f"pool_of_pools({text})")
    assert caught.value.field == f"mechanism.{name}"


@given(st.integers(0, 2**32))
def test_whatever_happens_money_is_kept_and_the_compiled_rule_agrees(seed: int) -> None:
    """Every event is audited by the market: conserved, nothing negative, refused means untouched."""
    dice, a, now = random.Random(seed), Aggregator(ASK, 90, top_gwei=2_500, fund_gwei=500), 0
    for _ in range(60):
        now += dice.choice((0, 1, ATTEMPT, WINDOW))
        actor, job = dice.randrange(10), dice.randrange(18)
        match dice.randrange(7):
            case 0:
                a.do(Kind.OFFER, now, actor, amount=dice.randrange(300), detail=dice.randrange(3))
            case 1:
                a.do(Kind.UNDELEGATE, now, actor, amount=dice.randrange(2))
            case 2 | 3:
                a.do(Kind.REQUEST, now, PROJECT, job=job, amount=dice.randrange(400))
            case 4:
                a.do(Kind.PROVE, now, max(0, int(a.b.prover[job])), job=job)
            case _:
                a.do(Kind.EXPIRE, now, actor, job=job)
    compiled.compare(a.market.trace())
