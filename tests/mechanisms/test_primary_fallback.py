"""Primary and fallback, a reconstruction.

RECONSTRUCTION of "Adversarial procurement in blockchains" (arXiv 2605.05559): the abstract,
the opening and summaries by others were read, not the theorems. The closed forms here are derived in the rule's
docstring and met by the rule itself, driven over many jobs with provers that never come.
"""

import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proofyard.conformance.compiled import fold
from proofyard.conformance.market import Market, Setup, Trace
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.core.book import Ints
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import primary_fallback, rule
from proofyard.mechanisms.primary_fallback import MAX_SEATS
from proofyard.scenario import read_variants
from proofyard.worlds import theory

WORDS = 2**62
WINDOW, FALLBACK = 100, 200
BOND, PRIMARY, MEMBER = 50, 30, 20
CASH = 10**9
RUNS = 10_000


class Primary:
    """An audited market: provers 0, 1, ... and one requester after them."""

    def __init__(self, provers: int = 4, jobs: int = 4, **params: int) -> None:
        values = {"window_ms": WINDOW, "fallback_ms": FALLBACK, "bond_gwei": BOND}
        values |= {"primary_gwei": PRIMARY, "member_gwei": MEMBER, "committee": 2} | params
        text = ", ".join(f"{k}={v}" for k, v in values.items())
        self.market = Market(Setup(rule(f"primary_fallback({text})"), jobs, (CASH,) * (provers + 1)))
        self.s, self.b = self.market.sheet.state, self.market.book
        self.provers = self.requester = provers

    def do(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> Verdict:
        job, amount, detail, word = (rest.get(name, 0) for name in ("job", "amount", "detail", "word"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, word))

    def ok(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def enter(self, stake: int = 1_000) -> "Primary":
        for prover in range(self.provers):
            if stake:
                self.ok(Kind.STAKE, 0, prover, amount=stake)
            self.ok(Kind.OFFER, 0, prover, amount=1, detail=1)
        return self

    def request(self, most: int = 1_000, time: int = 0, job: int = 0, word: int = 0) -> Verdict:
        return self.do(Kind.REQUEST, time, self.requester, job=job, amount=most, detail=1, word=word)

    def named(self, bits: int) -> list[int]:
        """Actors of a set of seats; here seat k + 1 is actor k's."""
        return [k for k in range(MAX_SEATS) if int(bits) >> k & 1]

    def gain(self, actor: int) -> int:
        return int(self.b.cash[actor] + self.s.stake[actor]) - CASH


# --- the rule ---


def test_a_primary_in_time_settles_the_job_and_nobody_else_is_asked() -> None:
    m = Primary().enter()
    assert m.request() == Verdict.OK
    primary = int(m.b.prover[0])
    committee = m.named(m.s.behind[0])
    assert (m.b.phase[0], len(committee), primary in committee) == (Phase.ASSIGNED, 2, False)
    assert (m.s.bond[0], m.b.escrow[0]) == (3 * BOND, PRIMARY + 2 * MEMBER)
    assert m.do(Kind.PROVE, 1, committee[0]) == Verdict.NOT_YOURS
    m.ok(Kind.PROVE, WINDOW, primary)
    assert (m.b.phase[0], m.b.paid[0], m.s.earned[primary]) == (Phase.SETTLED, PRIMARY, PRIMARY)
    assert [m.gain(k) for k in range(5)] == [PRIMARY * (k == primary) for k in range(4)] + [-PRIMARY]
    assert m.s.open_jobs.tolist() == [0] * 5


@pytest.mark.parametrize(("refund_bips", "back"), [(10_000, 50), (4_000, 20), (0, 0)])
def test_the_committee_stands_behind(refund_bips: int, back: int) -> None:
    m = Primary(refund_bips=refund_bips).enter()
    m.request()
    primary, (one, other) = int(m.b.prover[0]), m.named(m.s.behind[0])
    outsider = ({0, 1, 2, 3} - {primary, one, other}).pop()
    assert m.do(Kind.EXPIRE, WINDOW) == Verdict.EARLY
    m.ok(Kind.EXPIRE, WINDOW + 1)
    assert (m.b.phase[0], m.b.deadline[0], m.gain(primary)) == (Phase.OPEN, WINDOW + 1 + FALLBACK, -BOND)
    for nobody in (primary, outsider):
        assert m.do(Kind.PROVE, 150, nobody) == Verdict.NOT_YOURS
    m.ok(Kind.PROVE, 150, one)
    assert m.do(Kind.PROVE, 151, one) == Verdict.NOT_YOURS  # once each
    assert (m.b.phase[0], m.b.prover[0]) == (Phase.PROVEN, one)
    m.ok(Kind.PROVE, WINDOW + 1 + FALLBACK, other)
    m.ok(Kind.SETTLE, WINDOW + 2 + FALLBACK)
    assert [m.gain(k) for k in (primary, one, other, 4)] == [-BOND, MEMBER, MEMBER, back - 2 * MEMBER]
    assert (m.b.burnt[0], m.b.paid[0], m.b.slashed[primary]) == (BOND - back, 2 * MEMBER, BOND)


def test_at_once_all_who_come_are_paid_and_who_does_not_pays() -> None:
    m = Primary(behind=0).enter()
    m.request()
    asked = m.named(m.s.may_prove[0])
    primary = int(m.s.primary[0]) - 1
    assert (m.b.phase[0], len(asked), primary in asked) == (Phase.OPEN, 3, True)
    absent = next(k for k in asked if k != primary)
    for prover in asked:
        if prover != absent:
            m.ok(Kind.PROVE, 10, prover)
    m.ok(Kind.SETTLE, WINDOW + 1)
    wanted = {primary: PRIMARY, absent: -BOND}
    assert [m.gain(k) for k in asked] == [wanted.get(k, MEMBER) for k in asked]
    assert m.gain(4) == BOND - PRIMARY - MEMBER


@pytest.mark.parametrize("behind", [0, 1])
def test_nobody_comes(behind: int) -> None:
    m = Primary(behind=behind).enter()
    m.request()
    for time in (WINDOW + 1, WINDOW + FALLBACK + 2)[: 1 + behind]:
        m.ok(Kind.EXPIRE, time)
    assert (m.b.phase[0], m.gain(4), int(m.b.slashed.sum())) == (Phase.LOST, 3 * BOND, 3 * BOND)
    assert sorted(m.gain(k) for k in range(4)) == [-BOND] * 3 + [0]


def test_without_negative_payments_nobody_stakes_and_nobody_pays() -> None:
    m = Primary(bond_gwei=0).enter(stake=0)
    m.request()
    m.ok(Kind.EXPIRE, WINDOW + 1)
    m.ok(Kind.EXPIRE, WINDOW + FALLBACK + 2)
    assert [m.gain(k) for k in range(5)] == [0] * 5


def test_seats() -> None:
    m = Primary(MAX_SEATS + 1, bond_gwei=0)
    for prover in range(MAX_SEATS):
        m.ok(Kind.OFFER, 0, prover, amount=1, detail=1)
    assert m.do(Kind.OFFER, 0, MAX_SEATS, amount=1, detail=1) == Verdict.FULL
    assert m.do(Kind.OFFER, 0, MAX_SEATS, amount=1, detail=0) == Verdict.NOT_YOURS
    assert m.do(Kind.OFFER, 0, 3, amount=1, detail=-1) == Verdict.BAD_DETAIL
    m.request()
    primary = int(m.b.prover[0])
    assert m.do(Kind.OFFER, 1, primary, amount=1, detail=0) == Verdict.EARLY
    m.ok(Kind.PROVE, 2, primary)
    m.ok(Kind.OFFER, 3, primary, amount=1, detail=0)
    m.ok(Kind.OFFER, 3, MAX_SEATS, amount=1, detail=1)
    assert m.s.seat[MAX_SEATS] == primary + 1


def test_a_committee_is_as_large_as_bonds_allow() -> None:
    m = Primary(jobs=6).enter(stake=BOND)  # one bond each
    assert m.request() == Verdict.OK
    assert m.request(job=1) == Verdict.OK
    assert m.s.behind[1] == 0  # the fourth prover is the primary, and nobody stands behind it
    assert m.request(job=2) == Verdict.NO_PROVER
    assert m.do(Kind.UNSTAKE, 0, 0, amount=1) == Verdict.POOR
    m.ok(Kind.EXPIRE, WINDOW + 1, job=1)
    assert m.b.phase[1] == Phase.LOST


def test_refusals() -> None:
    m = Primary().enter()
    assert m.request(PRIMARY + 2 * MEMBER - 1) == Verdict.TOO_DEAR
    assert m.request(PRIMARY + 2 * MEMBER) == Verdict.OK
    assert m.do(Kind.DECLINE, 1, int(m.b.prover[0])) == Verdict.UNKNOWN
    assert m.do(Kind.WITHDRAW, 1, 0) == Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("committee", 62),
        ("behind", 2),
        ("primary_gwei", 0),
        ("member_gwei", 0),
        ("bond_gwei", -1),
        ("refund_bips", 10_001),
        ("window_ms", 0),
        ("fallback_ms", 0),
    ],
)
def test_senseless_parameters_are_refused(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=name):
        rule(f"primary_fallback({name}={value})")


# --- the derived closed forms ---


def play(provers: int, bad: int, seed: int, **params: int) -> tuple[Any, Ints, Ints]:
    """`RUNS` jobs in which provers below `bad` never come, compiled; who is asked is the rule's own draw.

    Returns the state, who was primary, and the sum of what each prover could have come for.
    """
    values = {"window_ms": WINDOW, "fallback_ms": FALLBACK, "primary_gwei": 100, "member_gwei": 100} | params
    text = ", ".join(f"{k}={v}" for k, v in values.items())
    dice = random.Random(seed)
    setup = Setup(rule(f"primary_fallback({text})"), RUNS, (10**8,) * provers + (10**10,))
    events = [Event(Kind.STAKE, 0, k, 0, 10**8, 0, 0) for k in range(provers)]
    events += [Event(Kind.OFFER, 0, k, 0, 1, 1, 0) for k in range(provers)]
    for job in range(RUNS):
        now = 1_000 * job
        events.append(Event(Kind.REQUEST, now, provers, job, 10_000, 1, dice.randrange(WORDS)))
        events += [Event(Kind.PROVE, now + 1, k, job, 0, 0, 0) for k in range(bad, provers)]
        events += [Event(kind, now + WINDOW + 1, 0, job, 0, 0, 0) for kind in (Kind.EXPIRE, Kind.SETTLE)]
        late = now + WINDOW + FALLBACK + 2
        events += [Event(Kind.PROVE, late - 1, k, job, 0, 0, 0) for k in range(bad, provers)]
        events += [Event(kind, late, 0, job, 0, 0, 0) for kind in (Kind.EXPIRE, Kind.SETTLE)]
    sheet, verdicts = fold(Trace(setup, events, [], np.zeros(0, np.int64)), len(events))
    phases = sheet.state.book.phase
    assert ((phases == Phase.SETTLED) | (phases == Phase.LOST)).all()
    return sheet.state, sheet.state.primary - 1, verdicts


@pytest.mark.parametrize("behind", [0, 1])
@pytest.mark.parametrize(("n", "bad", "k"), [(10, 5, 2), (10, 3, 1), (6, 4, 3)])
def test_simulated_failures_and_payments(n: int, bad: int, k: int, behind: int) -> None:
    """RECONSTRUCTION: no proof with C(n - h, k + 1) / C(n, k + 1); 10 000 jobs, seed n + 10 k, three sigma.

    Paid for is (k + 1) h / n at once; behind, h / n and, when the primary failed, its committee's honest members.
    """
    h = n - bad
    state, primary, _ = play(n, bad, seed=n + 10 * k, committee=k, behind=behind, bond_gwei=0)
    fails = theory.nobody_honest(n, h, k + 1)
    lost = (state.book.phase == Phase.LOST).mean()
    assert abs(lost - fails) < 3 * math.sqrt(max(fails * (1 - fails), 1e-9) / RUNS)
    failed = (primary < bad).mean()
    assert abs(failed - bad / n) < 3 * math.sqrt(bad * h / n**2 / RUNS)
    paid = state.book.paid / 100
    wanted = (k + 1) * h / n if behind == 0 else h / n + bad / n * k * h / (n - 1)
    assert abs(paid.mean() - wanted) < 3 * paid.std() / math.sqrt(RUNS)


@pytest.mark.parametrize("behind", [0, 1])
def test_simulated_negative_payments(behind: int) -> None:
    """RECONSTRUCTION: each absent prover that was asked pays B: f (k + 1) B at once; a bond of c makes failing free.

    n = 10, f = 0.4, k = 2; behind, B for the primary and for the committee's absent only when it failed.
    """
    n, bad, k, bond = 10, 4, 2, 700
    state, _, _ = play(n, bad, seed=77 + behind, committee=k, behind=behind, bond_gwei=bond)
    f = bad / n
    wanted = f * (k + 1) if behind == 0 else f * (1 + k * (bad - 1) / (n - 1))
    slashed = float(state.book.slashed.sum()) / bond / RUNS
    assert abs(slashed - wanted) < 3 * (k + 1) / 2 / math.sqrt(
        RUNS
    )  # a number from 0 to k + 1: sigma at most half of it
    lost = int((state.book.phase == Phase.LOST).sum())
    requester = int(state.book.cash[n]) - 10**10
    penalty = bond * (k + 1)  # what comes back from a block that fails
    assert requester - penalty * lost > -RUNS * 100 * (k + 1)  # never dearer than if all had come


def test_the_committee_costs_only_when_the_primary_failed() -> None:
    """RECONSTRUCTION: within one proof of the price of no adversary: n = 20, f = 0.1, k = 3, 10 000 jobs, seed 5."""
    together, _, _ = play(20, 2, seed=5, committee=3, behind=0, bond_gwei=0)
    after, _, _ = play(20, 2, seed=5, committee=3, behind=1, bond_gwei=0)
    assert after.book.paid.mean() / 100 < 1 + 3 * 0.1
    assert together.book.paid.mean() / 100 > 3.5
    assert (after.book.phase == together.book.phase).all()  # the same draws, the same failures: none
    assert (after.book.phase == Phase.SETTLED).all()


@pytest.mark.parametrize(("penalty", "adversary"), [(100, 0.3), (10_000, 0.3), (10_000, 0.1), (10**6, 0.5)])
def test_cost_grows_with_the_logarithm_of_the_penalty(penalty: float, adversary: float) -> None:
    """RECONSTRUCTION of the abstract: loss logarithmic in the penalty, scaled by the adversarial share.

    60 seats; the best committee behind is about ln c / ln(1 / f) and its cost at most 1 + f (1 + that) and a bit; the
    best lottery, with as many who never come, costs about (n / h)(1 + ln(c h / n)): more, the fewer are bad.
    """
    n = 60
    bad = round(n * adversary)
    h, f = n - bad, bad / n
    costs = [h / n + f * k * h / (n - 1) + penalty * theory.nobody_honest(n, h, k + 1) for k in range(MAX_SEATS - 2)]
    members = math.log(penalty) / -math.log(f)
    assert min(costs) < 1 + f * (2 + members)
    lottery = min(penalty * (1 - p) ** h + n * p for p in np.linspace(0, 1, 2_001).tolist())
    assert lottery == pytest.approx(n / h * (1 + math.log(penalty * h / n)), rel=0.2)
    assert min(costs) < lottery


def test_all_are_drawn_equally_often() -> None:
    """Primary and committee: 10 000 jobs among seven, k = 2; each is primary and member in its share, three sigma."""
    state, primary, _ = play(7, 0, seed=3, committee=2, behind=0, bond_gwei=0)
    counts = Counter(primary.tolist())
    for prover in range(7):
        assert abs(counts[prover] - RUNS / 7) < 3.5 * math.sqrt(RUNS * 6 / 49)
        drawn = int(state.earned[prover]) / 100
        assert abs(drawn - RUNS * 3 / 7) < 3.5 * math.sqrt(RUNS * 12 / 49)


def test_next_words_cover_the_pairs() -> None:
    """The further draws from one word: of 12 pairs among 4, each comes up, none more than 4 sigma from its share."""
    word = random.Random(9)
    pairs: Counter[tuple[int, int]] = Counter()
    for _ in range(12_000):
        first = word.randrange(WORDS)
        second = (first * primary_fallback.MULTIPLIER + primary_fallback.INCREMENT) & primary_fallback.WORD_MASK
        pairs[first * 4 >> 62, second * 3 >> 62] += 1
    assert len(pairs) == 12
    assert max(abs(count - 1_000) for count in pairs.values()) < 4 * math.sqrt(1_000)


def test_the_shipped_scenario_shows_its_claim() -> None:
    """3 of 10 absent: all blocks proven with 1.4 paid proofs behind, 2.8 at once; without a committee .3 are not."""
    path = Path(__file__).parents[2] / "scenarios" / "primary-fallback.toml"
    behind, at_once, alone = (simulate(s) for _, s in read_variants(path)[:3])
    for run, paid in ((behind, 0.7 + 0.3 * 3 * 7 / 9), (at_once, 2.8)):
        assert (run.jobs.phase == Phase.SETTLED).all()
        proofs = run.jobs.paid_gwei / 10**8
        assert abs(proofs.mean() - paid) < 3 * proofs.std() / math.sqrt(len(proofs))
    lost = (alone.jobs.phase == Phase.LOST).mean()
    assert abs(lost - 0.3) < 3 * math.sqrt(0.21 / len(alone.jobs.phase))
