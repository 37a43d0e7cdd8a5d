"""The contestable bonded rollup: who gets which bond, to the gwei, on every path.

Section numbers are those of the field page on rollup mechanisms.
"""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms.taiko import REGIMES

from proofyard.core import FINAL, TRANSITIONS, BadInput, Event, Kind, Phase, Verdict, shape
from proofyard.core.compiler import njit
from proofyard.mechanisms import bonded, rule
from proofyard.mechanisms.bonded import (
    GUARDIAN,
    KEPT,
    MINUTE,
    OPTIMISTIC,
    PACAYA,
    SHARED,
    TEE,
    TOKEN,
    WEEK,
    ZK,
    Params,
)

PROPOSER, RESCUER, CONTESTER, HIGHER, GUARD = range(5)
ACTORS = 5
RICH = 1_000_000 * TOKEN
TRUE, FALSE = 11, 12  # claimed transitions

MAINNET = REGIMES["mainnet-2024-11"]
DEV = REGIMES["2024-11-04-dev"]
JUNE = REGIMES["2024-06-18"]
PACAYA_125 = REGIMES["pacaya-125"]

LEGAL = {(source, kind): targets for source, kind, targets in TRANSITIONS}
COMPILED = njit(bonded.apply)


class Market:
    """A state whose every event is audited: money conserved, nothing negative, refused means untouched."""

    def __init__(self, p: Params, cash: int = RICH, jobs: int = 1) -> None:
        self.p = p
        self.s = shape.zeros(bonded.State, ACTORS, jobs)
        self.b = self.s.book
        self.b.cash[:] = cash
        self.start = self.b.cash.copy()
        self.total = shape.total_gwei(self.s)

    def apply(self, e: Event) -> Verdict:
        before = shape.copy(self.s)
        verdict = bonded.apply(self.p, self.s, e)
        assert shape.total_gwei(self.s) == self.total
        for field, values in shape.named(self.s):
            assert not field.money or values.min() >= 0, field
        if verdict != Verdict.OK:
            assert_same(self.s, before)
            return verdict
        old, new = Phase(before.book.phase[e.job]), Phase(self.b.phase[e.job])
        assert new in LEGAL[old, Kind(e.kind)]
        if new in FINAL:
            assert self.locked(e.job) == self.b.escrow[e.job] == 0
        return verdict

    def do(self, kind: Kind, time: int, actor: int = 0, **rest: int) -> Verdict:
        values = {"job": 0, "amount": 0, "detail": 0, "word": 0, **rest}
        return self.apply(Event(kind, time, actor, **values))

    def propose(self, time: int = 0, **rest: int) -> Verdict:
        return self.do(Kind.REQUEST, time, PROPOSER, **rest)

    def prove(self, time: int, actor: int, word: int = TRUE, tier: int = 0, job: int = 0) -> Verdict:
        return self.do(Kind.PROVE, time, actor, word=word, detail=tier, job=job)

    def locked(self, job: int) -> int:
        return int(self.s.bond[job] + self.s.validity[job] + self.s.contest_bond[job])

    def gain(self, actor: int) -> int:
        return int(self.b.cash[actor] - self.start[actor])

    def kept(self) -> int:
        return int(self.b.reserve[0])

    def phase(self) -> int:
        return int(self.b.phase[0])


def assert_same(s: bonded.State, t: bonded.State) -> None:
    for (field, left), right in zip(shape.named(s), shape.arrays(t), strict=True):
        assert np.array_equal(left, right), field


def tokens(whole: int, millionths: int = 0) -> int:
    return whole * TOKEN + millionths * 1000


def proven(p: Params, word: int = TRUE, tier: int = 0, cash: int = RICH) -> Market:
    """Propose a job at 0 and let its proposer prove it a minute later."""
    m = Market(p, cash)
    assert m.propose() == Verdict.OK
    assert m.prove(MINUTE, PROPOSER, word, tier) == Verdict.OK
    return m


def contested(p: Params, word: int = TRUE, tier: int = 0) -> Market:
    m = proven(p, word, tier)
    assert m.do(Kind.CONTEST, 2 * MINUTE, CONTESTER) == Verdict.OK
    return m


# --- contest economics (1.5, oracle 1 of section 5) ---


def test_contester_of_a_false_proof_earns_ten_percent() -> None:
    """V = 100, C = 656.25: contester 65.625, new prover 21.875, protocol 12.5 (section 5, item 1)."""
    m = contested(DEV, FALSE)
    assert (m.s.validity[0], m.s.contest_bond[0]) == (tokens(100), tokens(656, 250_000))
    assert m.prove(3 * MINUTE, HIGHER, TRUE, ZK) == Verdict.OK
    assert m.gain(CONTESTER) == tokens(65, 625_000)
    assert m.gain(CONTESTER) * 10 == DEV.tee_contest_gwei  # a return of exactly 10 %
    assert m.gain(HIGHER) + DEV.zk_validity_gwei == tokens(21, 875_000)
    assert m.kept() == tokens(12, 500_000)
    assert m.gain(PROPOSER) == -tokens(100) == -m.b.slashed[PROPOSER]
    assert m.b.paid[0] == tokens(21, 875_000)
    assert (m.s.transition[0], m.s.tier[0], m.b.prover[0]) == (TRUE, ZK, HIGHER)
    assert m.do(Kind.SETTLE, WEEK) == Verdict.OK
    assert m.gain(HIGHER) == tokens(21, 875_000)


@pytest.mark.parametrize("name", ["2024-08-28", "2024-10-30", "2024-11-04-dev", "mainnet-2024-11"])
def test_contest_bond_is_6_5625_validity_bonds(name: str) -> None:
    """C / V = 21 / (32 r) with r = 1 / 10, that is 32 C = 210 V (1.5)."""
    p = REGIMES[name]
    pairs = (
        (p.optimistic_validity_gwei, p.optimistic_contest_gwei),
        (p.tee_validity_gwei, p.tee_contest_gwei),
        (p.zk_validity_gwei, p.zk_contest_gwei),
    )
    for validity, contest in pairs:
        assert 32 * contest == 210 * validity > 0


def test_contester_of_a_true_proof_pays_whoever_upholds_it() -> None:
    """Upheld: V returned, 7/8 C to the new prover, 1/8 C kept (1.5)."""
    m = contested(DEV, TRUE)
    assert m.prove(3 * MINUTE, HIGHER, TRUE, ZK) == Verdict.OK
    assert m.gain(PROPOSER) == 0
    assert m.gain(CONTESTER) == -tokens(656, 250_000) == -m.b.slashed[CONTESTER]
    assert m.gain(HIGHER) + DEV.zk_validity_gwei == 574_218_750_000 == m.b.paid[0]
    assert m.kept() == 82_031_250_000
    assert (m.s.tier[0], m.b.prover[0]) == (ZK, HIGHER)


def test_uncontested_overthrow_earns_seven_eighths() -> None:
    """A higher tier with another transition: 7/8 V to the new prover, 1/8 V kept (1.5)."""
    m = proven(DEV, FALSE)
    assert m.prove(2 * MINUTE, HIGHER, TRUE, ZK) == Verdict.OK
    assert m.gain(HIGHER) + DEV.zk_validity_gwei == tokens(87, 500_000)
    assert m.kept() == tokens(12, 500_000)
    assert m.gain(PROPOSER) == -tokens(100)


def test_divisions_in_the_order_of_the_contract() -> None:
    """13 * 7 >> 3 = 11, 11 >> 2 = 2, and the contester gets 2 * 3, not 3/4 of 11."""
    m = contested(DEV._replace(tee_validity_gwei=13, tee_contest_gwei=99), FALSE)
    assert m.prove(3 * MINUTE, HIGHER, TRUE, GUARDIAN) == Verdict.OK
    assert (m.gain(PROPOSER), m.gain(CONTESTER), m.gain(HIGHER), m.kept()) == (-13, 6, 2, 5)


def test_wrong_prover_that_corrects_itself_loses_the_friction_only() -> None:
    m = proven(DEV, FALSE)
    assert m.prove(2 * MINUTE, PROPOSER, TRUE, GUARDIAN) == Verdict.OK
    assert m.gain(PROPOSER) == -tokens(12, 500_000) == -m.b.slashed[PROPOSER]
    assert m.b.paid[0] == 0


def test_contester_that_overturns_by_itself_gets_both_shares() -> None:
    m = contested(DEV, FALSE)
    assert m.prove(3 * MINUTE, CONTESTER, TRUE, GUARDIAN) == Verdict.OK
    assert m.gain(CONTESTER) == tokens(87, 500_000)


# --- bonds of a new prover are netted with what it earns (1.5) ---


def test_new_prover_needs_only_the_difference() -> None:
    for cash, verdict in ((tokens(62, 499_999), Verdict.POOR), (tokens(62, 500_000), Verdict.OK)):
        m = with_cash(proven(DEV, FALSE), HIGHER, cash)
        assert m.prove(2 * MINUTE, HIGHER, TRUE, ZK) == verdict  # 150 - 87.5


def test_proposer_posts_its_validity_bond_from_the_returned_liveness_bond() -> None:
    for cash, verdict in ((tokens(150) - 1, Verdict.POOR), (tokens(150), Verdict.OK)):
        m = Market(MAINNET, cash)
        assert m.propose() == Verdict.OK  # 25 tokens or one gwei less remain
        assert m.prove(MINUTE, PROPOSER) == verdict


def with_cash(m: Market, actor: int, cash: int) -> Market:
    """Give `actor` exactly `cash`."""
    m.b.cash[actor] = m.start[actor] = cash
    m.total = shape.total_gwei(m.s)
    return m


def test_old_prover_upholds_itself_from_its_returned_bond() -> None:
    p = MAINNET._replace(tee_contest_gwei=tokens(8))
    need = tokens(225 - 150 - 7)
    assert with_cash(contested(p), PROPOSER, need - 1).prove(3 * MINUTE, PROPOSER, TRUE, ZK) == Verdict.POOR
    assert with_cash(contested(p), PROPOSER, need).prove(3 * MINUTE, PROPOSER, TRUE, ZK) == Verdict.OK


def test_contester_overturns_by_itself_from_its_returned_bond() -> None:
    p = DEV._replace(tee_contest_gwei=tokens(8))
    need = tokens(54, 500_000)  # 150 - 8 - 87.5
    assert with_cash(contested(p, FALSE), CONTESTER, need - 1).prove(3 * MINUTE, CONTESTER, TRUE, ZK) == Verdict.POOR
    assert with_cash(contested(p, FALSE), CONTESTER, need).prove(3 * MINUTE, CONTESTER, TRUE, ZK) == Verdict.OK


# --- proposing, the window, the liveness bond (1.5) ---


def test_proposal_locks_the_liveness_bond() -> None:
    m = Market(MAINNET, tokens(125))
    assert m.propose() == Verdict.OK
    assert (m.s.bond[0], m.phase(), m.b.prover[0]) == (tokens(125), Phase.ASSIGNED, PROPOSER)
    assert m.b.deadline[0] == 300 * MINUTE
    assert Market(MAINNET, tokens(125) - 1).propose() == Verdict.POOR
    assert m.propose() == Verdict.WRONG_PHASE


def test_only_the_proposer_proves_within_the_window() -> None:
    m = Market(MAINNET)
    m.propose()
    assert m.prove(MINUTE, RESCUER) == Verdict.NOT_YOURS
    assert m.prove(MINUTE, RESCUER, TRUE, ZK) == Verdict.NOT_YOURS
    assert m.prove(300 * MINUTE + 1, PROPOSER) == Verdict.LATE
    assert m.do(Kind.EXPIRE, 300 * MINUTE) == Verdict.EARLY
    assert m.prove(300 * MINUTE, PROPOSER) == Verdict.OK  # at the very deadline
    assert m.s.bond[0] == 0
    assert m.gain(PROPOSER) == -MAINNET.tee_validity_gwei


def test_top_tier_may_prove_within_the_window_and_the_proposer_has_its_bond_back() -> None:
    """Top tier exempt; in the window the bond returns whoever proved (1.5)."""
    m = Market(MAINNET)
    m.propose()
    assert m.prove(300 * MINUTE + 1, GUARD, TRUE, GUARDIAN) == Verdict.LATE
    assert m.prove(MINUTE, GUARD, TRUE, GUARDIAN) == Verdict.OK
    assert m.gain(PROPOSER) == 0 == m.gain(GUARD)
    assert m.b.prover[0] == GUARD


def late(p: Params, prover: int) -> Market:
    m = Market(p)
    m.propose()
    end = int(m.b.deadline[0])
    assert m.do(Kind.EXPIRE, end + 1) == Verdict.OK
    assert m.phase() == Phase.OPEN
    assert m.prove(end + 2, prover) == Verdict.OK
    assert m.do(Kind.SETTLE, end + WEEK) == Verdict.OK
    assert m.phase() == Phase.SETTLED
    return m


def test_late_liveness_bond_was_kept_before_september_2024() -> None:
    m = late(JUNE, RESCUER)
    assert (m.gain(PROPOSER), m.gain(RESCUER), m.kept()) == (-tokens(125), 0, tokens(125))
    assert m.b.slashed[PROPOSER] == tokens(125)
    assert m.b.paid[0] == 0


def test_late_liveness_bond_pays_the_rescuer_since_september_2024() -> None:
    """7/8 to the actual prover (1.5): 109.375 of 125."""
    m = late(MAINNET, RESCUER)
    assert (m.gain(PROPOSER), m.gain(RESCUER), m.kept()) == (-tokens(125), tokens(109, 375_000), tokens(15, 625_000))
    assert m.b.paid[0] == tokens(109, 375_000)


def test_late_proposer_that_proves_itself_loses_the_friction_only() -> None:
    """A sock puppet does no better than its owner: the effective penalty is 1/8 of the bond."""
    m = late(MAINNET, PROPOSER)
    assert m.gain(PROPOSER) == -tokens(15, 625_000) == -m.b.slashed[PROPOSER]
    assert m.b.paid[0] == 0


def test_unproven_job_is_lost_and_the_bond_kept() -> None:
    m = Market(MAINNET)
    m.propose()
    assert m.do(Kind.EXPIRE, 301 * MINUTE) == Verdict.OK
    assert m.do(Kind.EXPIRE, 301 * MINUTE + WEEK) == Verdict.EARLY
    assert m.do(Kind.EXPIRE, 301 * MINUTE + WEEK + 1) == Verdict.OK
    assert m.phase() == Phase.LOST
    assert (m.gain(PROPOSER), m.kept()) == (-tokens(125), tokens(125))


# --- standing, contesting, deciding ---


def test_tiers_that_do_not_count_are_refused() -> None:
    m = Market(MAINNET)
    m.propose()
    for tier in (OPTIMISTIC, GUARDIAN + 1, -1):
        assert m.prove(MINUTE, PROPOSER, TRUE, tier) == Verdict.BAD_DETAIL
    assert m.prove(MINUTE, PROPOSER, FALSE, ZK) == Verdict.OK
    assert m.b.deadline[0] == 241 * MINUTE
    assert m.prove(2 * MINUTE, HIGHER, FALSE, GUARDIAN) == Verdict.WRONG_PHASE  # stands already
    assert m.prove(2 * MINUTE, HIGHER, TRUE, TEE) == Verdict.BAD_DETAIL
    assert m.prove(2 * MINUTE, HIGHER, TRUE, ZK) == Verdict.BAD_DETAIL  # the same tier can only contest
    assert m.prove(241 * MINUTE + 1, HIGHER, TRUE, GUARDIAN) == Verdict.LATE
    assert m.prove(241 * MINUTE, HIGHER, TRUE, GUARDIAN) == Verdict.OK


def test_contest_restarts_the_clock_and_is_one_at_a_time() -> None:
    m = with_cash(
        with_cash(proven(MAINNET), RESCUER, MAINNET.tee_contest_gwei - 1), CONTESTER, MAINNET.tee_contest_gwei
    )
    assert m.do(Kind.CONTEST, 2 * MINUTE, RESCUER) == Verdict.POOR
    assert m.do(Kind.CONTEST, 241 * MINUTE + 1, CONTESTER) == Verdict.LATE
    assert m.do(Kind.CONTEST, 241 * MINUTE, CONTESTER) == Verdict.OK
    assert m.s.timestamp[0] == 241 * MINUTE
    assert m.do(Kind.CONTEST, 241 * MINUTE, HIGHER) == Verdict.WRONG_PHASE
    assert m.prove(500 * MINUTE, HIGHER, FALSE, TEE) == Verdict.BAD_DETAIL  # only a higher tier decides
    assert m.prove(500 * MINUTE, HIGHER, FALSE, ZK) == Verdict.OK
    assert m.do(Kind.SETTLE, 740 * MINUTE) == Verdict.EARLY  # a new cooldown


def test_decision_can_be_contested_in_its_turn_up_to_the_top_tier() -> None:
    m = contested(MAINNET, FALSE)
    m.prove(3 * MINUTE, HIGHER, TRUE, ZK)
    assert m.do(Kind.CONTEST, 4 * MINUTE, RESCUER) == Verdict.OK
    assert m.s.contest_bond[0] == MAINNET.zk_contest_gwei
    assert m.prove(5 * MINUTE, GUARD, FALSE, GUARDIAN) == Verdict.OK
    assert m.do(Kind.CONTEST, 6 * MINUTE, CONTESTER) == Verdict.BAD_DETAIL  # the top tier cannot be contested
    assert m.gain(HIGHER) == -MAINNET.zk_validity_gwei + MAINNET.tee_validity_gwei * 7 // 32
    assert m.prove(6 * MINUTE, GUARD, TRUE, GUARDIAN) == Verdict.OK  # but it may correct itself
    assert m.prove(7 * MINUTE, GUARD, TRUE, GUARDIAN) == Verdict.WRONG_PHASE
    assert m.do(Kind.SETTLE, 246 * MINUTE) == Verdict.EARLY
    assert m.do(Kind.SETTLE, 246 * MINUTE + 1) == Verdict.OK


def test_cooldown_is_that_of_the_standing_tier() -> None:
    """In the table's last row 240 min for SGX and 480 for the guardian (1.5)."""
    m = proven(DEV, FALSE)
    assert m.b.deadline[0] == 241 * MINUTE
    m.prove(2 * MINUTE, GUARD, TRUE, GUARDIAN)
    assert m.b.deadline[0] == 482 * MINUTE


def test_settlement_returns_the_validity_bond_after_the_cooldown() -> None:
    m = proven(MAINNET)
    assert m.do(Kind.SETTLE, 241 * MINUTE) == Verdict.EARLY
    assert m.do(Kind.SETTLE, 241 * MINUTE + 1) == Verdict.OK
    assert m.gain(PROPOSER) == 0 == m.kept()
    assert m.prove(242 * MINUTE, GUARD, FALSE, GUARDIAN) == Verdict.WRONG_PHASE


def test_contest_that_nobody_decides_fails() -> None:
    m = contested(MAINNET)
    assert m.do(Kind.SETTLE, 2 * MINUTE + WEEK) == Verdict.EARLY
    assert m.do(Kind.SETTLE, 2 * MINUTE + WEEK + 1) == Verdict.OK
    assert m.phase() == Phase.SETTLED
    assert (m.gain(PROPOSER), m.gain(CONTESTER), m.kept()) == (0, -MAINNET.tee_contest_gwei, MAINNET.tee_contest_gwei)
    assert m.b.slashed[CONTESTER] == MAINNET.tee_contest_gwei


# --- Pacaya (1.5) ---


def test_pacaya_prover_of_record_in_the_window_is_the_proposer() -> None:
    m = Market(PACAYA_125)
    m.propose()
    assert m.prove(120 * MINUTE, RESCUER) == Verdict.OK
    assert m.b.prover[0] == PROPOSER
    assert m.s.bond[0] == tokens(125)  # locked until settlement
    assert m.do(Kind.SETTLE, 240 * MINUTE) == Verdict.EARLY
    assert m.do(Kind.SETTLE, 240 * MINUTE + 1) == Verdict.OK
    assert m.gain(PROPOSER) == 0 == m.gain(RESCUER)


@pytest.mark.parametrize(("bond", "half"), [(tokens(125), tokens(62, 500_000)), (7, 3)])
def test_pacaya_late_sender_gets_half_and_the_rest_burns(bond: int, half: int) -> None:
    m = late(PACAYA_125._replace(liveness_gwei=bond), RESCUER)
    assert (m.gain(PROPOSER), m.gain(RESCUER), m.b.burnt[0], m.kept()) == (-bond, half, bond - half, 0)
    assert m.b.paid[0] == half
    own = late(PACAYA_125._replace(liveness_gwei=bond), PROPOSER)
    assert own.gain(PROPOSER) == half - bond == -own.b.slashed[PROPOSER]


def test_pacaya_has_no_contests() -> None:
    m = proven(PACAYA_125)
    assert m.do(Kind.CONTEST, 2 * MINUTE, CONTESTER) == Verdict.BAD_DETAIL
    assert m.prove(2 * MINUTE, GUARD, FALSE, GUARDIAN) == Verdict.WRONG_PHASE


# --- Little's law (1.6, 4.5, oracle 2 of section 5) ---


class Locked(NamedTuple):
    """Bonds at risk half way between two proposals, in tokens."""

    validity: int
    total: int
    refused: int  # events


def steady_stream(p: Params, delay: int, hours: int = 24, cash: int = RICH) -> Locked:
    """Propose two jobs a minute, prove each after `delay` ms, settle it when due; then weigh the bonds."""
    step, end = MINUTE // 2, hours * 60 * MINUTE
    count = end // step
    s = shape.zeros(bonded.State, ACTORS, count)
    s.book.cash[PROPOSER] = cash
    settle_after = delay + p.tee_cooldown_ms + 1
    refused = 0
    plan = ((Kind.REQUEST, 0), (Kind.PROVE, delay), (Kind.SETTLE, settle_after))
    events = [(job * step + wait, kind, job) for job in range(count) for kind, wait in plan]
    for time, kind, job in sorted(events):
        if time < end:
            refused += bonded.apply(p, s, Event(kind, time, PROPOSER, job, 0, 0, TRUE)) != Verdict.OK
    validity, liveness = int(s.validity.sum()), int(s.bond.sum())
    assert validity % TOKEN == liveness % TOKEN == 0
    return Locked(validity // TOKEN, (validity + liveness) // TOKEN, refused)


@pytest.mark.parametrize(
    ("minutes", "total", "idle"),  # idle share of 90 M circulating, in millionths
    [(0, 72_000, 999_200), (30, 79_500, 999_116), (60, 87_000, 999_033)],
)
def test_littles_law_on_mainnet(minutes: int, total: int, idle: int) -> None:
    """Two a minute x 150 x 240 min = 72 000; with liveness bonds 79 500 and 87 000, 99.9033 % idle (1.6)."""
    locked = steady_stream(MAINNET, minutes * MINUTE)
    assert locked == (72_000, total, 0)
    assert (90_000_000 - locked.total) * 1_000_000 // 90_000_000 == idle


@pytest.mark.parametrize(
    ("name", "hours", "minutes", "expected"),
    [
        ("2024-05-15", 26, 0, (720_000, 720_000)),
        ("2024-06-18", 26, 0, (360_000, 360_000)),
        ("pacaya-125", 24, 60, (0, 45_000)),
        ("pacaya-25", 24, 60, (0, 9_000)),
    ],
)
def test_littles_law_in_other_regimes(name: str, hours: int, minutes: int, expected: tuple[int, int]) -> None:
    """The same formula (1.6): genesis, June 2024, Pacaya at 125 and at 25 tokens."""
    assert steady_stream(REGIMES[name], minutes * MINUTE, hours) == (*expected, 0)


def test_halving_the_lock_halves_the_capital() -> None:
    """Field page on chains, 7.14: bond x rate x lock = 72 000; halving the lock halves it."""
    assert steady_stream(MAINNET._replace(tee_cooldown_ms=MAINNET.tee_cooldown_ms // 2), 0) == (36_000, 36_000, 0)


def test_monopoly_costs_what_is_locked_not_the_daily_volume() -> None:
    """Capital recycles every cooldown (1.6): 480 bonds at a time, one more at the instant of settlement."""
    enough = 481 * MAINNET.tee_validity_gwei
    assert steady_stream(MAINNET, 0, 12, enough) == (72_000, 72_000, 0)
    assert steady_stream(MAINNET, 0, 12, enough - 1).refused > 0


# --- parameters, lots, fees ---


def test_bonds_and_windows_of_the_table() -> None:
    """Liveness, SGX validity, cooldown and window of each row (1.5), in tokens and minutes."""
    rows = {
        name: (
            p.liveness_gwei // TOKEN,
            p.tee_validity_gwei // TOKEN,
            p.tee_cooldown_ms // MINUTE,
            p.tee_window_ms // MINUTE,
        )
        for name, p in REGIMES.items()
    }
    assert rows == {
        "2024-05-15": (250, 250, 1440, 60),
        "2024-06-18": (125, 125, 1440, 60),
        "2024-08-06": (125, 125, 1440, 300),
        "2024-08-28": (125, 150, 1440, 300),
        "2024-10-30": (125, 150, 240, 300),
        "2024-11-04-dev": (125, 100, 240, 60),
        "mainnet-2024-11": (125, 150, 240, 300),
        "pacaya-125": (125, 0, 120, 120),
        "pacaya-50": (50, 0, 120, 120),
        "pacaya-25": (25, 0, 120, 120),
    }
    contests = [p.tee_contest_gwei for p in REGIMES.values() if p.era != PACAYA]
    assert contests == [
        1640 * TOKEN,
        820 * TOKEN,
        820 * TOKEN,
        *2 * [984_375_000_000],
        656_250_000_000,
        984_375_000_000,
    ]
    assert (REGIMES["2024-05-15"].zk_validity_gwei, REGIMES["2024-05-15"].zk_contest_gwei) == (
        500 * TOKEN,
        3280 * TOKEN,
    )
    assert REGIMES["2024-10-30"] == MAINNET == Params()
    assert [p.era for p in REGIMES.values()] == [*4 * [KEPT], *3 * [SHARED], *3 * [PACAYA]]


def test_every_regime_is_accepted() -> None:
    for p in REGIMES.values():
        changed = ", ".join(f"{name}={value}" for name, value in p._asdict().items())
        assert rule(f"bonded({changed})").params == p


@pytest.mark.parametrize(
    ("text", "parameter"),
    [
        ("era=3", "era"),
        ("min_tier=0", "min_tier"),
        ("zk_rate=10_001", "zk_rate"),
        ("fee_rate=-1", "fee_rate"),
        ("liveness_gwei=-1", "liveness_gwei"),
        ("zk_contest_gwei=1_000_000_000_000_000_001", "zk_contest_gwei"),
        ("tee_window_ms=-1", "tee_window_ms"),
        ("tee_contest_gwei=0", "tee_validity_gwei"),
        ("era=2", "optimistic_contest_gwei"),
    ],
)
def test_senseless_parameters_are_refused(text: str, parameter: str) -> None:
    with pytest.raises(BadInput) as error:
        rule(f"bonded({text})")
    assert error.value.field.endswith(parameter)


def test_lot_decides_which_jobs_ask_for_zk() -> None:
    p = MAINNET._replace(zk_rate=250)
    for ticket, tier, window in ((249, ZK, p.zk_window_ms), (250, TEE, p.tee_window_ms)):
        m = Market(p)
        m.propose(word=(ticket << 62) // 10_000 + 1)
        assert (m.s.min_tier[0], m.b.deadline[0]) == (tier, window)
        assert m.prove(MINUTE, PROPOSER, TRUE, TEE) == (Verdict.OK if tier == TEE else Verdict.BAD_DETAIL)
    m = Market(p._replace(min_tier=GUARDIAN))
    m.propose(word=0)
    assert m.s.min_tier[0] == GUARDIAN  # the lot never lowers the tier


def test_fee_goes_to_the_prover_of_record_or_back() -> None:
    p = MAINNET._replace(fee_rate=5_000)
    m = Market(p)
    assert m.propose(amount=tokens(10)) == Verdict.OK
    assert m.b.escrow[0] == tokens(5)
    m.do(Kind.EXPIRE, 301 * MINUTE)
    unproven = shape.copy(m.s)
    m.prove(302 * MINUTE, RESCUER)
    m.do(Kind.SETTLE, WEEK)
    assert m.gain(RESCUER) == tokens(114, 375_000) == m.b.paid[0]
    assert bonded.apply(p, unproven, Event(Kind.EXPIRE, 3 * WEEK, 0, 0, 0, 0, 0)) == Verdict.OK
    assert unproven.book.cash[PROPOSER] == RICH - tokens(125)
    assert Market(p, tokens(130) - 1).propose(amount=tokens(10)) == Verdict.POOR


def test_by_default_there_is_no_fee() -> None:
    m = Market(MAINNET)
    m.propose(amount=tokens(10))
    assert m.b.escrow[0] == 0


@pytest.mark.parametrize("kind", [Kind.OFFER, Kind.STAKE, Kind.UNSTAKE, Kind.WITHDRAW, Kind.DELEGATE, Kind.DECLINE])
def test_kinds_without_use_are_unknown(kind: Kind) -> None:
    m = Market(MAINNET)
    m.propose()
    assert m.do(kind, 1, PROPOSER, amount=5, detail=1) == Verdict.UNKNOWN


# --- random walks ---

ODD = Params(
    liveness_gwei=101, optimistic_validity_gwei=13, optimistic_contest_gwei=29, tee_validity_gwei=31,
    tee_contest_gwei=167, zk_validity_gwei=153,
    zk_contest_gwei=97, zk_rate=3_000, fee_rate=5_000, min_tier=OPTIMISTIC,
)  # fmt: skip
WALKED = (ODD, ODD._replace(era=KEPT), PACAYA_125._replace(liveness_gwei=101, fee_rate=3_000), MAINNET)
JOBS = 10
ANY = (Kind.REQUEST, Kind.PROVE, Kind.CONTEST, Kind.EXPIRE, Kind.SETTLE, Kind.STAKE)
LIKELY = {  # at each point of a job's life; some twice, so that lives are long
    Phase.NONE: (Kind.REQUEST,),
    Phase.ASSIGNED: (Kind.PROVE, Kind.PROVE, Kind.EXPIRE),
    Phase.OPEN: (Kind.PROVE, Kind.PROVE, Kind.EXPIRE),
    Phase.PROVEN: (Kind.PROVE, Kind.CONTEST, Kind.CONTEST, Kind.SETTLE),
    Phase.CONTESTED: (Kind.PROVE, Kind.PROVE, Kind.SETTLE),
    Phase.SETTLED: ANY,
    Phase.LOST: ANY,
}


def plausible(s: bonded.State, now: int, dice: int) -> Event:
    """Make an event that often makes sense: of a likely kind, by the actor whose turn it is, around the deadline."""
    dice, strange = divmod(dice, 5)
    dice, job = divmod(dice, JOBS)
    dice, actor = divmod(dice, ACTORS)
    dice, tier = divmod(dice, GUARDIAN + 2)
    dice, word = divmod(dice, 2)
    dice, when = divmod(dice, 8)
    if strange:  # mostly one life after the other, or the clock runs away from all of them
        job = next((j for j in range(JOBS) if s.book.phase[j] not in FINAL), job)
    phase, deadline = Phase(s.book.phase[job]), int(s.book.deadline[job])
    dice, k = divmod(dice, 12)
    kinds = LIKELY[phase] if strange else ANY
    kind = kinds[k % len(kinds)]
    if kind in (Kind.EXPIRE, Kind.SETTLE):
        time = max(now, deadline + when // 2)
    else:
        time = (now, now, now + 1, now + 1, now + 10 * MINUTE, now + 10 * MINUTE, max(now, deadline), deadline + 1)[
            when
        ]
    if kind == Kind.PROVE and phase == Phase.ASSIGNED and strange:
        actor = int(s.book.prover[job])
    lot = dice % 10_000 << 48 if kind == Kind.REQUEST else word
    return Event(kind, max(now, time), actor, job, dice % 50, tier, lot)


def walk(p: Params, cash: int, rolls: list[int]) -> set[tuple[Kind, Verdict]]:
    """Play the dice in plain Python and compiled side by side, then fire timers until nothing is left to do."""
    m = Market(p, cash, JOBS)
    twin = shape.copy(m.s)
    now, seen = 0, set[tuple[Kind, Verdict]]()
    for dice in rolls:
        e = plausible(m.s, now, dice)
        verdict = m.apply(e)
        assert COMPILED(p, twin, e) == verdict
        assert_same(m.s, twin)
        seen.add((Kind(e.kind), Verdict(verdict)))
        now = e.time if verdict == Verdict.OK else now
    for job in range(JOBS):
        for _ in range(3):
            kind = Kind.EXPIRE if m.b.phase[job] in (Phase.ASSIGNED, Phase.OPEN) else Kind.SETTLE
            m.do(kind, int(m.b.deadline[job]) + 1, job=job)
        assert m.b.phase[job] in (Phase.NONE, *FINAL)
    assert m.total == sum(int(pot.sum()) for pot in (m.b.cash, m.b.reserve, m.b.burnt))
    return seen


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(WALKED),
    st.sampled_from([110, 10_000, RICH]),
    st.lists(st.integers(0, 2**62), min_size=1, max_size=40),
)
def test_random_events_conserve_money_in_python_and_compiled(p: Params, cash: int, rolls: list[int]) -> None:
    walk(p, cash, rolls)


def test_long_walk_reaches_every_verdict() -> None:
    """A random walk is worth what it reaches: name the pairs."""
    dice = np.random.default_rng(5)
    seen = set[tuple[Kind, Verdict]]()
    for _ in range(40):
        p, cash = WALKED[dice.integers(len(WALKED))], int(dice.choice([110, 10_000, RICH]))
        seen |= walk(p, cash, dice.integers(2**62, size=60).tolist())
    assert {pair for pair in seen if pair[0] != Kind.STAKE} == {
        (Kind.REQUEST, Verdict.OK), (Kind.REQUEST, Verdict.POOR), (Kind.REQUEST, Verdict.WRONG_PHASE),
        (Kind.PROVE, Verdict.OK), (Kind.PROVE, Verdict.POOR), (Kind.PROVE, Verdict.NOT_YOURS),
        (Kind.PROVE, Verdict.LATE), (Kind.PROVE, Verdict.WRONG_PHASE), (Kind.PROVE, Verdict.BAD_DETAIL),
        (Kind.CONTEST, Verdict.OK), (Kind.CONTEST, Verdict.POOR), (Kind.CONTEST, Verdict.LATE),
        (Kind.CONTEST, Verdict.WRONG_PHASE), (Kind.CONTEST, Verdict.BAD_DETAIL),
        (Kind.EXPIRE, Verdict.OK), (Kind.EXPIRE, Verdict.EARLY), (Kind.EXPIRE, Verdict.WRONG_PHASE),
        (Kind.SETTLE, Verdict.OK), (Kind.SETTLE, Verdict.EARLY), (Kind.SETTLE, Verdict.WRONG_PHASE),
    }  # fmt: skip
