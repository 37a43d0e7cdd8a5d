"""The reverse auction: who wins at what price, who is suspended, how a cost is split, and what a slash takes from whom.

Section numbers are those of the field page on rollup mechanisms. 1 PROVE is 10^9 gwei here.
"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.conformance import compiled
from proofyard.conformance.market import Market, Setup
from proofyard.core import WHOLE, BadInput, Event, Kind, Phase, Verdict
from proofyard.core.shares import STEP
from proofyard.mechanisms import reverse_auction, rule
from proofyard.mechanisms.reverse_auction import BALANCE, MAX_CLAIMS, MAX_REQUESTS

PROVE = 10**9  # gwei
TICK = 10_000_000
PGU = 2 * 10**9
HALF = 500_000_000  # gwei per 10^9 PGU: 5e8 wei per PGU
FEE = 10 * PROVE
CASH = 10**15
ONE_WORD = 2**62
AUCTION, CANCEL, HOUR, DAY = 5_000, 30_000, 3_600_000, 86_400_000
CHEAP, MIDDLE, DEAR, STAKER, OTHER_STAKER, REQUESTER = range(6)


class Auction:
    """An audited market: three provers, two stakers, one requester."""

    def __init__(self, jobs: int = 8, actors: int = 6, **params: int) -> None:
        text = ", ".join(f"{name}={value}" for name, value in params.items())
        self.market = Market(Setup(rule(f"reverse_auction({text})"), jobs, (CASH,) * actors))
        self.s, self.b = self.market.sheet.state, self.market.book
        self.jobs = 0

    def do(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> Verdict:
        job, amount, detail, word = (rest.get(name, 0) for name in ("job", "amount", "detail", "word"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, word))

    def ok(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def enter(self, *prices: int, stake: int = 2_000 * PROVE, capacity: int = 4) -> "Auction":
        for prover, price in enumerate(prices):
            self.ok(Kind.OFFER, 0, prover, amount=price, detail=capacity)
            self.ok(Kind.STAKE, 0, prover, amount=stake)
        return self

    def request(self, time: int = 0, pgu: int = PGU, fee: int = FEE) -> int:
        job = self.jobs
        self.jobs += 1
        self.ok(Kind.REQUEST, time, REQUESTER, job=job, amount=fee, detail=pgu)
        return job

    def close(self, job: int, word: int = 0) -> int:
        """End the auction and return who won."""
        self.ok(Kind.CLOSE, int(self.b.deadline[job]) + 1, job=job, word=word)
        return int(self.b.prover[job])

    def assigned(self, time: int = 0, pgu: int = PGU, fee: int = FEE) -> int:
        job = self.request(time, pgu, fee)
        assert self.close(job) >= 0
        assert self.phase(job) == Phase.ASSIGNED
        return job

    def prove(self, job: int, time: int | None = None) -> None:
        self.ok(Kind.PROVE, int(self.b.deadline[job]) if time is None else time, int(self.b.prover[job]), job=job)

    def expire(self, job: int) -> int:
        time = int(self.b.deadline[job]) + 1
        self.ok(Kind.EXPIRE, time, job=job)
        return time

    def phase(self, job: int) -> Phase:
        return Phase(int(self.b.phase[job]))

    def gain(self, actor: int) -> int:
        return int(self.b.cash[actor]) - CASH


# --- the auction ---


def test_lowest_price_wins_and_is_paid_what_it_bid() -> None:
    """3.2: pay-as-bid, not second price: the runner-up's 0.6 does not matter."""
    a = Auction().enter(600_000_000, HALF, 700_000_000)
    job = a.request()
    assert a.do(Kind.CLOSE, AUCTION, job=job) == Verdict.EARLY
    assert a.close(job) == MIDDLE
    assert a.b.deadline[job] == 1_001_000
    a.prove(job)
    assert a.b.paid[job] + a.s.pool_paid[job] == 1_200_000_000
    assert (a.s.open_jobs[MIDDLE], a.phase(job)) == (0, Phase.SETTLED)


def test_cost_and_its_split() -> None:
    """3.2, oracle 10: 5e8 wei/PGU, 2e9 PGU, base 0.2 PROVE: cost 1.2 PROVE; 1000 bips to stakers: 0.12 / 1.08."""
    a = Auction().enter(HALF)
    job = a.assigned()
    cash, pool = int(a.b.cash[CHEAP]), int(a.s.pool[CHEAP])
    a.prove(job)
    assert a.b.cash[CHEAP] - cash == a.b.paid[job] == 1_080_000_000
    assert a.s.pool[CHEAP] - pool == a.s.pool_paid[job] == 120_000_000
    assert (a.b.reserve[0], a.s.balance[REQUESTER]) == (0, FEE - 1_200_000_000)


@pytest.mark.parametrize(
    ("protocol", "stakers", "split"),
    [
        (0, 0, (0, 0, 1_200_000_000)),
        (500, 1_000, (60_000_000, 120_000_000, 1_020_000_000)),
        (9_500, 1_000, (1_140_000_000, 60_000_000, 0)),  # the stakers' part is reduced if the sum exceeds 10 000
    ],
)
def test_shares_of_protocol_and_stakers(protocol: int, stakers: int, split: tuple[int, int, int]) -> None:
    """3.2: protocol = cost p // 10000, stakers = cost s // 10000, owner the remainder."""
    a = Auction(protocol_bips=protocol, staker_bips=stakers).enter(HALF)
    a.prove(a.assigned())
    assert (a.b.reserve[0], a.s.pool_paid[0], a.b.paid[0]) == split


@pytest.mark.parametrize(("usd_per_billion", "usd_per_prove", "price"), [(20, 40, 500_000_000), (12, 40, 300_000_000)])
def test_prices_in_dollars(usd_per_billion: int, usd_per_prove: int, price: int) -> None:
    """3.2: 0.20 USD per 10^9 PGU at 0.40 USD/PROVE is 500 000 000 wei/PGU; 0.12 is 300 000 000. Both in cents."""
    a = Auction(base_fee_gwei=0).enter(price)
    a.prove(a.assigned(pgu=10**9))
    assert (a.b.paid[0] + a.s.pool_paid[0]) * usd_per_prove == usd_per_billion * PROVE


@pytest.mark.parametrize(
    ("amount", "price"), [(1, TICK), (TICK - 1, TICK), (TICK, TICK), (2 * TICK - 1, TICK), (HALF + 1, HALF)]
)
def test_offers_are_floored_to_the_tick(amount: int, price: int) -> None:
    """3.2: a price is a positive multiple of the tick (10 000 000); the cluster bidder floors to it."""
    a = Auction().enter(amount)
    assert a.s.price[CHEAP] == price


def test_bids_for_one_request() -> None:
    a = Auction().enter(600_000_000, 700_000_000, 800_000_000)
    job = a.request()
    assert a.do(Kind.BID, 1, MIDDLE, job=job, amount=HALF + 1) == Verdict.BAD_AMOUNT
    assert a.do(Kind.BID, 1, MIDDLE, job=job, amount=0) == Verdict.BAD_AMOUNT
    assert a.do(Kind.BID, 1, MIDDLE, job=job, amount=5 * PROVE) == Verdict.TOO_DEAR
    assert a.do(Kind.BID, 1, STAKER, job=job, amount=HALF) == Verdict.POOR
    a.ok(Kind.BID, 1, MIDDLE, job=job, amount=HALF)
    assert a.do(Kind.BID, 2, DEAR, job=job, amount=HALF) == Verdict.TOO_DEAR  # the first of equals stands
    a.ok(Kind.BID, 2, DEAR, job=job, amount=HALF - TICK)
    a.ok(Kind.BID, 3, DEAR, job=job, amount=HALF - 2 * TICK)  # and goes below its own
    assert a.s.leading.tolist()[:3] == [0, 0, 1]
    assert a.do(Kind.BID, AUCTION + 1, MIDDLE, job=job, amount=TICK) == Verdict.LATE
    assert a.close(job) == DEAR
    assert (a.s.leading.sum(), a.s.open_jobs[DEAR], a.s.bid[job]) == (0, 1, HALF - 2 * TICK)


def test_an_offer_below_the_best_bid_wins() -> None:
    a = Auction().enter(HALF, 700_000_000)
    job = a.request()
    a.ok(Kind.BID, 1, MIDDLE, job=job, amount=600_000_000)
    assert a.close(job) == CHEAP
    assert (a.s.leading.sum(), a.s.bid[job]) == (0, HALF)


@pytest.mark.parametrize("ticket", range(3))
def test_ties_are_broken_by_lot(ticket: int) -> None:
    a = Auction().enter(HALF, HALF, HALF)
    assert a.close(a.request(), word=-(-ticket * ONE_WORD // 3)) == ticket


def test_without_a_bid_the_first_one_takes_it() -> None:
    """3.2: bids are collected for at least the auction period; the client cancels after 30 s by default."""
    a = Auction().enter(10 * PROVE, stake=2_000 * PROVE)
    job = a.request()
    a.close(job)
    assert (a.phase(job), a.b.deadline[job]) == (Phase.BIDDING, CANCEL)
    a.ok(Kind.BID, CANCEL, CHEAP, job=job, amount=HALF)
    assert (a.phase(job), a.b.prover[job]) == (Phase.ASSIGNED, CHEAP)


def test_a_request_nobody_takes_is_cancelled() -> None:
    """3.2, and section 13 of the markets page: a ceiling below the clearing price sat without a bid."""
    a = Auction().enter(690_000_000)
    job = a.request(fee=200_000_000 + 2 * 300_000_000)
    a.close(job)
    a.close(job)
    assert (a.phase(job), a.b.deadline[job], a.s.exposure[REQUESTER]) == (Phase.LOST, CANCEL, 0)
    assert a.gain(REQUESTER) + a.s.balance[REQUESTER] == 0


@pytest.mark.parametrize(("fee", "wins"), [(1_200_000_000, True), (1_199_999_999, False)])
def test_the_most_a_request_pays_is_base_fee_and_price(fee: int, wins: bool) -> None:  # noqa: FBT001
    """3.2: max exposure base_fee + max_price * gas_limit."""
    a = Auction().enter(HALF)
    assert (a.close(a.request(fee=fee)) == CHEAP) == wins


def test_refused_requests() -> None:
    """3.2: the RPC rejects a base fee below the floor."""
    a = Auction()
    assert a.do(Kind.REQUEST, 0, REQUESTER, amount=199_999_999, detail=1) == Verdict.BAD_AMOUNT
    assert a.do(Kind.REQUEST, 0, REQUESTER, amount=FEE, detail=0) == Verdict.BAD_DETAIL
    assert a.do(Kind.REQUEST, 0, REQUESTER, amount=CASH + 1, detail=1) == Verdict.POOR
    assert a.do(Kind.OFFER, 0, CHEAP, amount=1, detail=0) == Verdict.BAD_DETAIL


@pytest.mark.parametrize(("pgu", "timeout"), [(10**9, 501_000), (10**8, 300_000)])
def test_time_to_prove_by_size(pgu: int, timeout: int) -> None:
    """3.2: gas 1e9 -> max(300, 501) = 501 s; gas 1e8 -> 300 s."""
    a = Auction().enter(HALF)
    job = a.assigned(time=77, pgu=pgu)
    assert a.b.deadline[job] == 77 + timeout


def test_time_to_prove_by_the_request() -> None:
    a = Auction(window_ms=60_000).enter(HALF)
    job = a.assigned()
    assert a.do(Kind.PROVE, 60_001, CHEAP, job=job) == Verdict.LATE
    assert a.do(Kind.PROVE, 60_000, MIDDLE, job=job) == Verdict.NOT_YOURS
    assert a.do(Kind.DECLINE, 60_000, CHEAP, job=job) == Verdict.UNKNOWN
    a.prove(job, 60_000)


def test_a_coordinator_that_closes_too_late_assigns_nobody() -> None:
    a = Auction(window_ms=60_000).enter(HALF)
    job = a.request()
    a.ok(Kind.BID, 1, CHEAP, job=job, amount=TICK)
    a.ok(Kind.CLOSE, 60_001, job=job)
    assert (a.phase(job), a.s.leading[CHEAP], a.s.exposure[REQUESTER]) == (Phase.LOST, 0, 0)


# --- who may bid ---


@pytest.mark.parametrize(
    ("stake", "jobs"), [(999, 0), (1_000, 1), (1_000 + 399, 1), (1_000 + 400, 2), (1_000 + 900, 2), (4_000, 4)]
)
def test_stake_gates_bidders_and_how_many_jobs_they_hold(stake: int, jobs: int) -> None:
    """3.2: stake per request gates eligibility and concurrency; here 1000 PROVE at least and 700 for each job."""
    a = Auction(stake_per_job_gwei=700 * PROVE).enter(HALF, stake=stake * PROVE)
    won = [a.close(a.request()) == CHEAP for _ in range(6)]
    assert sum(won) == jobs == a.s.open_jobs[CHEAP]


def test_led_auctions_count_for_the_stake() -> None:
    a = Auction(stake_per_job_gwei=500 * PROVE).enter(HALF, stake=1_000 * PROVE)
    jobs = [a.request() for _ in range(3)]
    for job in jobs[:2]:
        a.ok(Kind.BID, 1, CHEAP, job=job, amount=TICK)
    assert a.do(Kind.BID, 1, CHEAP, job=jobs[2], amount=TICK) == Verdict.POOR
    assert a.s.leading[CHEAP] == 2
    for job in jobs[:2]:
        assert a.close(job) == CHEAP
    assert a.do(Kind.BID, 2, CHEAP, job=jobs[2], amount=TICK) == Verdict.POOR


def test_offers_stop_at_the_declared_capacity_and_bids_do_not() -> None:
    """3.2: the bidder program admits what fits; overbidding is limited only by stake and suspension."""
    a = Auction().enter(HALF, 600_000_000, capacity=1)
    assert [a.close(a.request()) for _ in range(2)] == [CHEAP, MIDDLE]
    job = a.request()
    a.ok(Kind.BID, 1, CHEAP, job=job, amount=HALF)
    assert a.close(job) == CHEAP
    assert a.s.open_jobs[CHEAP] == 2


def test_a_failure_suspends_until_it_is_out_of_the_lookback() -> None:
    """3.2: test fixture 98 %, 1 h, 1 resolved: one failure in a quiet hour suspends."""
    a = Auction().enter(HALF, 600_000_000)
    failed = a.expire(a.assigned())
    assert a.phase(0) == Phase.LOST
    assert a.do(Kind.BID, failed, CHEAP, job=a.request(failed), amount=TICK) == Verdict.EARLY
    assert a.close(1) == MIDDLE
    assert a.b.prover[a.assigned(2 * HOUR - AUCTION - 2)] == MIDDLE  # this and the last whole window count
    assert a.b.prover[a.assigned(2 * HOUR)] == CHEAP


@pytest.mark.parametrize(("successes", "suspended"), [(48, True), (49, False)])
def test_success_rate(successes: int, suspended: bool) -> None:  # noqa: FBT001
    """49 of 50 is 98 %, just enough; 48 of 49 is not. The failure is the middle one."""
    a = Auction(jobs=60, window_ms=2 * AUCTION, min_resolved=60).enter(HALF, 600_000_000)
    for k in range(successes + 1):
        job = a.assigned(k)
        if k == successes // 2:
            a.expire(job)
        else:
            a.prove(job)
    strict = a.market.setup.rule.params._replace(min_resolved=successes + 1)
    assert reverse_auction.is_suspended(strict, a.s, CHEAP, HOUR) == suspended
    lenient = strict._replace(min_resolved=successes + 2)
    assert not reverse_auction.is_suspended(lenient, a.s, CHEAP, HOUR)


@pytest.mark.parametrize(("delay", "good"), [(420_000, 1), (420_001, 0)])
def test_slow_proofs_are_paid_and_count_against_the_prover(delay: int, good: int) -> None:
    """3.2: late relative to min(deadline, performance deadline) counts; 2e9 PGU at 24 M/s is 83 s, the floor 420 s."""
    a = Auction().enter(HALF)
    job = a.assigned()
    a.prove(job, AUCTION + 1 + delay)
    assert (a.s.good[CHEAP], a.s.resolved[CHEAP], a.b.paid[job] > 0) == (good, 1, True)


@pytest.mark.parametrize(("rate", "allowed"), [(2, 1_000_000), (24, 420_000), (0, 1_001_000 - AUCTION - 1)])
def test_performance_deadline(rate: int, allowed: int) -> None:
    """max(PGU / rate, floor) from the assignment, but never after the deadline; without a rate the deadline alone."""
    a = Auction(min_mpgu_per_second=rate).enter(HALF)
    job = a.assigned()
    assert a.s.late_after[job] == min(AUCTION + 1 + allowed, 1_001_000)


# --- what the requester owes ---


def test_unspent_money_serves_the_next_request() -> None:
    a = Auction().enter(HALF)
    a.prove(a.assigned(), 6_000)
    assert (a.gain(REQUESTER), a.s.balance[REQUESTER]) == (-FEE, FEE - 1_200_000_000)
    a.assigned(10**6)
    assert (a.gain(REQUESTER), a.s.balance[REQUESTER]) == (-FEE - 1_200_000_000, FEE)
    a.request(10**6)  # two open requests: both are covered
    assert a.s.balance[REQUESTER] == a.s.exposure[REQUESTER] == 2 * FEE


def test_underfunded_request_pays_the_prover_nothing() -> None:
    """3.2: requester balance < cost -> request is retired and the prover gets nothing (write-off)."""
    a = Auction().enter(HALF)
    job = a.assigned()
    assert a.do(Kind.WITHDRAW, 6_000, REQUESTER, amount=FEE + 1, detail=BALANCE) == Verdict.POOR
    assert a.do(Kind.WITHDRAW, 6_000, REQUESTER, amount=0, detail=BALANCE) == Verdict.BAD_AMOUNT
    a.ok(Kind.WITHDRAW, 6_000, REQUESTER, amount=FEE - 1_199_999_999, detail=BALANCE)
    a.prove(job)
    assert (a.phase(job), a.b.paid[job], a.s.pool_paid[job]) == (Phase.SETTLED, 0, 0)
    assert (a.s.balance[REQUESTER], a.s.exposure[REQUESTER], a.s.good[CHEAP]) == (1_199_999_999, 0, 0)


def test_reserved_balance_cannot_be_withdrawn() -> None:
    """The intended rule: what open requests may cost stays."""
    a = Auction(reserved=1).enter(HALF)
    job = a.assigned()
    assert a.do(Kind.WITHDRAW, 6_000, REQUESTER, amount=1, detail=BALANCE) == Verdict.POOR
    a.prove(job)
    a.ok(Kind.WITHDRAW, 10**7, REQUESTER, amount=FEE - 1_200_000_000, detail=BALANCE)
    assert a.gain(REQUESTER) == -1_200_000_000


# --- vaults ---


def vault(stake: int = 900, escrow: int = 100, **params: int) -> Auction:
    """One prover with `stake` PROVE of its own in the vault and `escrow` PROVE of a staker's in the escrow."""
    a = Auction(min_stake_gwei=0, min_resolved=10**6, **params).enter(HALF, stake=stake * PROVE)
    a.ok(Kind.DELEGATE, 0, STAKER, amount=escrow * PROVE, detail=CHEAP)
    a.ok(Kind.UNDELEGATE, 0, STAKER, amount=escrow * PROVE, detail=CHEAP)
    return a


def test_slash_burns_vault_and_escrow_in_proportion() -> None:
    """3.2, oracle 10: vault 900, escrow 100, slash 250 -> 225/25, factor 0.75; slash 75 -> 68/7, factor 0.675.

    In whole units the escrow's part of 75 is floor(7.5) = 7; in gwei it is 7.5 PROVE exactly.
    """
    a = Auction(min_stake_gwei=0, min_deposit_gwei=1, slash_gwei=1, stake_per_job_gwei=0).enter(HALF, stake=10**4)
    a.s.pool[CHEAP], a.s.leaving[CHEAP] = 900, 100
    a.b.cash[CHEAP] += 10**4 - 1_000
    p = a.market.setup.rule.params
    a.s.slashing[0], a.b.prover[0] = 250, CHEAP
    reverse_auction.finish_slash(p, a.s, 0)
    assert (a.s.pool[CHEAP], a.s.leaving[CHEAP], a.b.burnt[0]) == (675, 75, 250)
    assert (a.s.pool_slashed[CHEAP], a.s.leaving_slashed[CHEAP]) == (225, 25)
    assert a.s.remains[CHEAP] == WHOLE * 3 // 4
    a.s.slashing[0] = 75
    reverse_auction.finish_slash(p, a.s, 0)
    assert (a.s.pool[CHEAP], a.s.leaving[CHEAP]) == (675 - 68, 75 - 7)
    assert a.s.remains[CHEAP] == WHOLE * 3 // 4 * 675 // 750
    assert a.s.remains[CHEAP] / WHOLE == pytest.approx(0.675, abs=1e-15)


def test_a_missed_deadline_is_not_slashed_unless_a_claim_is_set() -> None:
    """3.2: the code says not implemented, the docs that a missed deadline is slashed."""
    a = vault()
    a.expire(a.assigned())
    assert (a.phase(0), a.b.burnt[0], a.s.accused[CHEAP]) == (Phase.LOST, 0, 0)


def test_a_claim_blocks_the_vault_until_the_owner_executes_it() -> None:
    """3.2: staking, unstake request and unstake finish are blocked while a claim is open; unstaking stays slashable."""
    a = vault(slash_gwei=250 * PROVE, unbonding_ms=DAY)
    job = a.assigned()
    time = a.expire(job)
    assert (a.phase(job), a.s.accused[CHEAP], a.b.deadline[job]) == (Phase.BIDDING, 1, time + 7 * DAY)
    assert a.do(Kind.STAKE, time, CHEAP, amount=PROVE) == Verdict.EARLY
    assert a.do(Kind.DELEGATE, time, OTHER_STAKER, amount=PROVE, detail=CHEAP) == Verdict.EARLY
    assert a.do(Kind.UNSTAKE, time, CHEAP, amount=PROVE) == Verdict.EARLY
    assert a.do(Kind.WITHDRAW, 2 * DAY, STAKER) == Verdict.EARLY
    assert a.do(Kind.BID, time, CHEAP, job=job, amount=TICK) == Verdict.WRONG_PHASE
    a.close(job)
    assert (a.phase(job), a.s.accused[CHEAP], a.b.burnt[0]) == (Phase.LOST, 0, 250 * PROVE)
    assert (a.s.pool[CHEAP], a.s.leaving[CHEAP]) == (675 * PROVE, 75 * PROVE)
    a.ok(Kind.WITHDRAW, 8 * DAY, STAKER)
    assert a.gain(STAKER) == -25 * PROVE


def test_a_claim_nobody_executes_is_cancelled() -> None:
    """3.2: anyone cancels after 7 d + voting delay + voting period, 22 d with the environment's values."""
    a = vault(slash_gwei=PROVE, slash_delay_ms=100 * DAY)
    job = a.assigned()
    time = a.expire(job)
    assert a.b.deadline[job] == time + 22 * DAY
    a.close(job)
    assert (a.phase(job), a.s.accused[CHEAP], a.b.burnt[0], a.s.pool[CHEAP]) == (Phase.LOST, 0, 0, 900 * PROVE)


def test_a_slash_is_capped_and_leaves_a_vault_that_cannot_be_staked_into() -> None:
    """3.2: the amount is capped at vault + escrow."""
    a = vault(slash_gwei=5_000 * PROVE)
    job = a.assigned()
    a.expire(job)
    a.close(job)
    late = 60 * DAY
    assert (a.s.pool[CHEAP], a.s.leaving[CHEAP], a.b.burnt[0]) == (0, 0, 1_000 * PROVE)
    assert a.do(Kind.DELEGATE, late, OTHER_STAKER, amount=PROVE, detail=CHEAP) == Verdict.FULL
    a.ok(Kind.WITHDRAW, late, STAKER)
    assert a.gain(STAKER) == -100 * PROVE
    a.ok(Kind.UNSTAKE, late, CHEAP, amount=1)  # gives up shares that are worth nothing
    a.ok(Kind.DELEGATE, late, OTHER_STAKER, amount=PROVE, detail=CHEAP)
    a.ok(Kind.UNDELEGATE, late, OTHER_STAKER, amount=PROVE, detail=CHEAP)
    a.ok(Kind.WITHDRAW, late + 21 * DAY, OTHER_STAKER)
    assert a.gain(OTHER_STAKER) == 0


def test_requests_survive_the_renewal_of_the_scale() -> None:
    """Forty slashes of half of all: the scale is renewed, a later request is worth what slashes leave of it."""
    a = Auction(jobs=2).enter(HALF, stake=10**14)
    p = a.market.setup.rule.params
    a.ok(Kind.UNSTAKE, 0, CHEAP, amount=10**13)
    for k in range(40):
        if k == 20:
            a.ok(Kind.UNSTAKE, 0, CHEAP, amount=2**20)
        a.s.slashing[0], a.b.prover[0] = (a.s.pool[CHEAP] + a.s.leaving[CHEAP] + 1) // 2, CHEAP
        reverse_auction.finish_slash(p, a.s, 0)
        assert STEP <= a.s.remains[CHEAP] <= WHOLE
    assert a.s.scale[CHEAP] == 1
    values = [reverse_auction.compute_claim(a.s, CHEAP, place) for place in range(2)]
    assert abs(values[0] - 10**13 // 2**40) <= 1
    assert values[1] == pytest.approx(1, abs=1)
    assert sum(values) <= a.s.leaving[CHEAP]


def test_requests_have_their_own_times() -> None:
    """3.2: unstake period 21 days; finishing takes those that are due."""
    a = Auction().enter(HALF)
    period = 21 * DAY
    for k in range(3):
        a.ok(Kind.UNSTAKE, k * DAY, CHEAP, amount=(k + 1) * PROVE)
    assert a.s.leaving[CHEAP] == 6 * PROVE
    assert a.do(Kind.WITHDRAW, period - 1, CHEAP) == Verdict.EARLY
    assert a.do(Kind.WITHDRAW, period, CHEAP, amount=1) == Verdict.BAD_AMOUNT
    assert a.do(Kind.WITHDRAW, period, CHEAP, detail=2) == Verdict.BAD_DETAIL
    a.ok(Kind.WITHDRAW, period, CHEAP)
    assert (a.gain(CHEAP), a.s.requests[CHEAP]) == (-2_000 * PROVE + PROVE, 2)
    a.ok(Kind.WITHDRAW, period + 2 * DAY, CHEAP)
    assert (a.gain(CHEAP), a.s.requests[CHEAP], a.s.first[CHEAP]) == (-2_000 * PROVE + 6 * PROVE, 0, 0)
    assert a.do(Kind.WITHDRAW, period + 3 * DAY, CHEAP) == Verdict.POOR


def test_at_most_ten_requests_a_staker() -> None:
    """3.2: MAX_UNSTAKE_REQUESTS 10."""
    a = Auction().enter(HALF)
    for _ in range(MAX_REQUESTS):
        a.ok(Kind.UNSTAKE, 0, CHEAP, amount=PROVE)
    assert a.do(Kind.UNSTAKE, 0, CHEAP, amount=PROVE) == Verdict.FULL
    a.ok(Kind.WITHDRAW, 21 * DAY, CHEAP)
    a.ok(Kind.UNSTAKE, 21 * DAY, CHEAP, amount=PROVE)


def test_a_staker_is_bound_until_all_it_unstaked_is_finished() -> None:
    """SuccinctStaking unbinds in finishUnstake, with no balance and no claim left; until then no other prover."""
    a = Auction().enter(HALF, 600_000_000)
    a.ok(Kind.DELEGATE, 0, STAKER, amount=PROVE, detail=CHEAP)
    a.ok(Kind.UNDELEGATE, 0, STAKER, amount=PROVE, detail=CHEAP)
    assert a.s.held[STAKER] == 0
    assert a.do(Kind.DELEGATE, 0, STAKER, amount=PROVE, detail=MIDDLE) == Verdict.FULL
    a.ok(Kind.DELEGATE, 0, STAKER, amount=PROVE, detail=CHEAP)
    a.ok(Kind.UNDELEGATE, 0, STAKER, amount=PROVE, detail=CHEAP)
    a.ok(Kind.WITHDRAW, 21 * DAY, STAKER)
    a.ok(Kind.DELEGATE, 21 * DAY, STAKER, amount=PROVE, detail=MIDDLE)


def test_room_for_requests_is_finite() -> None:
    crowd = MAX_CLAIMS // MAX_REQUESTS + 1
    a = Auction(actors=crowd + 1).enter(HALF)
    made = 0
    for staker in range(1, crowd + 1):
        a.ok(Kind.DELEGATE, 0, staker, amount=PROVE, detail=CHEAP)
        for _ in range(MAX_REQUESTS):
            verdict = a.do(Kind.UNDELEGATE, 0, staker, amount=1_000, detail=CHEAP)
            assert verdict == (Verdict.OK if made < MAX_CLAIMS else Verdict.FULL)
            made += verdict == Verdict.OK
    assert made == MAX_CLAIMS


def test_fees_raise_the_worth_of_shares() -> None:
    """3.2: the stakers' part of a fee goes to the vault, in proportion to shares, the owner's own included."""
    a = Auction().enter(HALF, stake=1_000 * PROVE)
    a.ok(Kind.DELEGATE, 0, STAKER, amount=3_000 * PROVE, detail=CHEAP)
    a.prove(a.assigned())
    a.ok(Kind.UNDELEGATE, DAY, STAKER, amount=CASH, detail=CHEAP)
    assert a.s.leaving[CHEAP] == 3_000 * PROVE + 90_000_000


def test_refused_stakes() -> None:
    """3.2: MIN_STAKE 0.01 PROVE; one prover per staker."""
    a = Auction().enter(HALF, 600_000_000)
    assert a.do(Kind.DELEGATE, 0, STAKER, amount=PROVE // 100 - 1, detail=CHEAP) == Verdict.BAD_AMOUNT
    assert a.do(Kind.DELEGATE, 0, STAKER, amount=PROVE, detail=DEAR) == Verdict.BAD_DETAIL  # no prover
    assert a.do(Kind.DELEGATE, 0, STAKER, amount=PROVE, detail=6) == Verdict.BAD_DETAIL
    assert a.do(Kind.DELEGATE, 0, STAKER, amount=PROVE, detail=-1) == Verdict.BAD_DETAIL
    assert a.do(Kind.UNDELEGATE, 0, STAKER, amount=PROVE, detail=CHEAP) == Verdict.POOR
    a.ok(Kind.DELEGATE, 0, STAKER, amount=PROVE // 100, detail=CHEAP)
    assert a.do(Kind.DELEGATE, 0, STAKER, amount=PROVE, detail=MIDDLE) == Verdict.FULL
    assert a.do(Kind.UNDELEGATE, 0, STAKER, amount=PROVE, detail=MIDDLE) == Verdict.BAD_DETAIL
    assert a.do(Kind.TRANSFER, 0, STAKER, amount=PROVE, detail=MIDDLE) == Verdict.UNKNOWN


def test_a_deposit_that_would_buy_next_to_nothing_is_refused() -> None:
    """Somebody blew the price of a share up: rounding would take a part of a small deposit."""
    a = Auction(min_deposit_gwei=1, staker_bips=10_000, min_stake_gwei=0, stake_per_job_gwei=0).enter(HALF, stake=10**4)
    a.prove(a.assigned())
    assert a.s.pool[CHEAP] == 10**4 + 1_200_000_000
    assert a.do(Kind.DELEGATE, 10**7, STAKER, amount=10**8, detail=CHEAP) == Verdict.BAD_AMOUNT
    a.ok(Kind.DELEGATE, 10**7, STAKER, amount=1_200_010_000, detail=CHEAP)


# --- parameters, and everything at once ---


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("tick_gwei=0", "tick_gwei"), ("staker_bips=10001", "staker_bips"), ("protocol_bips=-1", "protocol_bips"),
        ("cancel_ms=4999", "cancel_ms"), ("lookback_ms=0", "lookback_ms"), ("reserved=2", "reserved"),
        ("pgu_per_second=0", "pgu_per_second"), ("pgu_per_unit=1001", "pgu_per_unit"), ("slash_gwei=-1", "slash_gwei"),
        ("min_success_bips=10001", "min_success_bips"), ("min_deposit_gwei=0", "min_deposit_gwei"),
    ],
)  # fmt: skip
def test_senseless_parameters(text: str, name: str) -> None:
    with pytest.raises(BadInput) as caught:
        rule(f"reverse_auction({text})")
    assert caught.value.field == f"mechanism.{name}"


def account(dice: random.Random, now: int) -> Event:
    """Offers, stakes, exits, withdrawals."""
    actor, other = dice.randrange(6), dice.randrange(3)
    amount = dice.choice((10**4, 10**9, 10**12, 3 * 10**12, CASH))
    kind = dice.choice((Kind.OFFER, Kind.STAKE, Kind.UNSTAKE, Kind.DELEGATE, Kind.UNDELEGATE, Kind.WITHDRAW))
    match kind:
        case Kind.OFFER:
            return Event(kind, now, other, 0, dice.choice((1, HALF, 3 * HALF)), dice.randrange(4), 0)
        case Kind.STAKE | Kind.UNSTAKE:
            return Event(kind, now, other, 0, amount, 0, 0)
        case Kind.WITHDRAW:
            detail = dice.randrange(2)
            return Event(kind, now, REQUESTER if detail else actor, 0, dice.choice((1, FEE)) * detail, detail, 0)
        case _:
            return Event(kind, now, actor, 0, amount, other, 0)


def about(a: Auction, dice: random.Random, job: int, now: int) -> list[Event]:
    """What might happen to a job next."""
    actor = dice.randrange(3)
    match a.phase(job):
        case Phase.NONE:
            return [Event(Kind.REQUEST, now, REQUESTER, job, dice.choice((10**8, 2 * 10**9, FEE)), 10**9, 0)]
        case Phase.BIDDING:
            bid = Event(Kind.BID, now, actor, job, dice.randrange(1, 200) * TICK, 0, 0)
            return [bid, Event(Kind.CLOSE, now, 0, job, 0, 0, dice.randrange(ONE_WORD))]
        case Phase.ASSIGNED:
            by = int(a.b.prover[job]) if dice.randrange(4) else actor
            return [Event(Kind.PROVE, now, by, job, 0, 0, 0), Event(Kind.EXPIRE, now, 0, job, 0, 0, 0)]
        case _:
            return []


@given(
    st.sampled_from((0, 0, 10**9, 10**13)),
    st.sampled_from((0, 10**12)),
    st.sampled_from((0, 9_800)),
    st.integers(0, 1),
    st.integers(0, 2**32),
)
def test_whatever_happens_money_is_kept_and_the_compiled_rule_agrees(
    slash: int, least: int, success: int, reserved: int, seed: int
) -> None:
    """Every event is audited by the market; what is kept twice agrees at the end."""
    a = Auction(slash_gwei=slash, min_stake_gwei=least, min_success_bips=success, reserved=reserved, unbonding_ms=HOUR)
    if seed % 4:
        a.enter(HALF, 600_000_000)
    dice, now = random.Random(seed), 0
    for _ in range(60):
        now += dice.choice((0, 1, 3_000, 26_000, 600_000, HOUR))
        jobs = [event for job in range(8) for event in about(a, dice, job, now)]
        a.market.answer(dice.choice(jobs) if jobs and dice.randrange(3) else account(dice, now))
    compiled.compare(a.market.trace())
    claims = [0] * 6
    for staker in range(6):
        place = int(a.s.first[staker])
        while place > 0:
            prover = int(a.s.operator_of[staker])
            claims[prover] += reverse_auction.compute_claim(a.s, prover, place - 1)
            place = int(a.s.next[place - 1])
    assert all(claims[k] <= a.s.leaving[k] for k in range(6))
    open_jobs = [sum(a.phase(j) == Phase.ASSIGNED and a.b.prover[j] == k for j in range(8)) for k in range(6)]
    assert a.s.open_jobs.tolist() == open_jobs
    live = [j for j in range(8) if Phase.NONE < a.phase(j) < Phase.SETTLED]
    assert a.s.exposure[REQUESTER] == sum(int(a.s.most[j]) for j in live)
    leading = [sum(a.phase(j) == Phase.BIDDING and a.s.slashing[j] == 0 and a.s.bid[j] > 0 and a.s.bidder[j] == k
                   for j in live) for k in range(6)]  # fmt: skip
    assert a.s.leading.tolist() == leading
    assert a.s.shares.tolist() == [sum(int(a.s.held[k]) for k in range(6) if a.s.operator_of[k] == p) for p in range(6)]
