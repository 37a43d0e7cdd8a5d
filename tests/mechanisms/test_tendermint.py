"""Tendermint as Starknet's sequencers run it: quorums, proposers, time-outs, faults, and what they cost in time.

Section numbers are those of the field page on chains; LOC: lines of Algorithm 1 in arXiv 1807.04938, which the code
cites. Every event of the driven markets passes the audit of the conformance suite.
"""

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine.worlds import prover, scenario
from hypothesis import given, settings
from hypothesis import strategies as st

from proofyard.conformance.compiled import compare
from proofyard.conformance.drain import drain
from proofyard.conformance.market import Market, Setup
from proofyard.conformance.plausible import Plausible
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.core.rule import Rule, with_params
from proofyard.engine.result import Run
from proofyard.engine.simulate import Simulation, simulate
from proofyard.engine.world import rule_of
from proofyard.mechanisms import tendermint
from proofyard.mechanisms.tendermint import Params, compute_timeout, draw_virtual
from proofyard.scenario import read_variants

SCENARIO = Path(__file__).parents[2] / "scenarios" / "starknet-tendermint.toml"
RICH = 10**12
FEES = 1_000
USERS = 0
NIL = 0
WORD = 2**62
SIGMAS = 3
BEHIND = 1  # ms, a timer fires after its deadline


class Committee:
    """A height decided by hand; every event is audited. Actor 0 asks, the others may have stake."""

    def __init__(self, *stakes: int, jobs: int = 12, word: int = 0, **params: int) -> None:
        self.p = Params(**params)
        self.market = Market(Setup(Rule("tendermint", tendermint, self.p), jobs, (RICH,) * (len(stakes) + 1)))
        self.s: Any = self.market.sheet.state
        self.b = self.s.book
        self.now, self.job = 0, 0
        for actor, stake in enumerate(stakes, 1):
            if stake:
                self.ok(Kind.STAKE, actor, amount=stake)
        if any(stakes):
            self.ok(Kind.REQUEST, USERS, amount=FEES, word=word)

    def do(self, kind: Kind, actor: int = 0, **rest: int) -> Verdict:
        names = ("amount", "detail", "word")
        job = rest.get("job", self.job)
        return self.market.answer(Event(kind, self.now, actor, job, *(rest.get(name, 0) for name in names)))

    def ok(self, kind: Kind, actor: int = 0, **rest: int) -> None:
        assert self.do(kind, actor, **rest) == Verdict.OK

    @property
    def proposer(self) -> int:
        return int(self.b.prover[self.job])

    @property
    def phase(self) -> Phase:
        return Phase(int(self.b.phase[self.job]))

    @property
    def ballot(self) -> int:
        return int(self.s.ballot[self.job])

    def round(self) -> int:
        return int(self.s.round[self.job])

    def propose(self, word: int = 7) -> None:
        self.ok(Kind.PROVE, self.proposer, word=word)

    def votes(self, *actors: int, value: int | None = None) -> None:
        """Let members vote on the ballot they are called to, honestly unless told what for."""
        ballot = self.ballot
        for actor in actors:
            word = int(self.s.choice[self.job]) if value is None else value
            self.ok(Kind.VOTE, actor, detail=ballot, word=word)

    def time_out(self) -> int:
        """Fire the timer of the present step; return how long it ran."""
        waited = int(self.b.deadline[self.job]) - self.now
        self.now += waited + BEHIND
        assert self.market.answer(self.market.timer(self.job, self.now)) == Verdict.OK
        return waited


# --- a height, step by step ---


def test_proposal_prevotes_precommits_decision() -> None:
    c = Committee(1, 1, 1, 1)
    assert c.proposer == 1
    c.propose()
    assert (c.phase, c.ballot, int(c.s.choice[0])) == (Phase.PROVEN, 1, 1)
    c.votes(1, 2)
    assert c.ballot == 1  # two of four are no quorum
    c.votes(3)
    assert (c.ballot, int(c.s.valid[0])) == (2, 1)  # LOC 36: a quorum of prevotes locks
    c.votes(2, 3)
    assert c.phase == Phase.PROVEN
    c.votes(4)
    assert c.phase == Phase.SETTLED  # LOC 49
    assert c.b.cash[1] == RICH - 1 + FEES
    assert c.b.paid[0] == FEES


@pytest.mark.parametrize(
    ("stakes", "quorum", "enough"),
    [
        ((1, 1, 1), 0, 3),  # > 2/3: exactly two thirds is not met
        ((1, 1, 1), 1, 2),  # 1.4: v0.14, simple majority, 2 of 3
        ((1, 1, 1, 1), 0, 3),
        ((1, 1, 1, 1), 1, 3),  # exactly half is not met
        ((1,) * 7, 0, 5),
        ((10, 1, 1, 1), 0, 1),  # by stake: 10 of 13 alone
        ((6, 3, 3, 1), 0, 2),  # 9 of 13
        ((1,) * 100, 0, 67),
    ],
)
def test_quorums(stakes: tuple[int, ...], quorum: int, enough: int) -> None:
    """1.4: quorum > 2/3 of weight; the shipped majority; 98248: n equal votes, 3 f + 1 <= n."""
    c = Committee(*stakes, quorum=quorum)
    c.propose()
    voters = list(range(1, len(stakes) + 1))
    for voter in voters[: enough - 1]:
        c.votes(voter)
    assert c.ballot == 1
    c.votes(voters[enough - 1])
    assert c.ballot == 2


def test_equal_votes_whatever_the_stake() -> None:
    """98248: n equal votes."""
    c = Committee(1_000, 1, 1, 1, equal=1)
    assert c.s.total[0] == 4
    c.propose()
    c.votes(1, 2)
    assert c.ballot == 1


def test_committee_is_the_largest_stakes_with_ties_to_the_lower_number() -> None:
    """1.4: top 100 by weight, tie by address."""
    stakes = [50, 70, 50, 20, 70, 50]
    c = Committee(*stakes, committee=4)
    assert c.s.member[:4].tolist() == [2, 5, 1, 3]
    assert c.s.seat.tolist() == [0, 3, 1, 4, 0, 2, 0]
    assert c.s.total[0] == 240
    assert c.do(Kind.VOTE, 6, detail=1, word=0) == Verdict.NOT_YOURS
    big = Committee(*range(1, 131))
    assert big.s.members[0] == 100
    assert sorted(big.s.member[:100].tolist()) == list(range(31, 131))


@settings(max_examples=50)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12).filter(any), st.integers(1, 6))
def test_committee_as_sorted(stakes: list[int], size: int) -> None:
    c = Committee(*stakes, committee=size)
    ranked = sorted((actor for actor, stake in enumerate(stakes, 1) if stake), key=lambda a: (-stakes[a - 1], a))
    assert c.s.member[: c.s.members[0]].tolist() == ranked[:size]


def test_committee_changes_with_the_epoch_alone() -> None:
    c = Committee(5, 5, 0, epoch_blocks=2)
    for job, size in enumerate((2, 2, 3)):
        c.job = job
        if job:
            c.ok(Kind.REQUEST, USERS, amount=FEES)
        assert c.s.members[0] == size
        if job == 0:
            c.ok(Kind.STAKE, 3, amount=9)
            c.ok(Kind.UNSTAKE, 2, amount=3)
        if job < 2:
            c.propose()
            c.votes(1, 2)
            c.votes(1, 2)
    assert c.s.member[:3].tolist() == [3, 1, 2]
    assert c.s.total[0] == 16


def test_actual_proposers_take_turns() -> None:
    """1.4: actual proposer = eligible[(height + round) mod n]."""
    c = Committee(9, 5, 1)
    seen = [c.proposer]
    for _ in range(5):
        c.time_out()
        c.votes(1, 2)
        c.votes(1, 2)
        c.time_out()
        seen.append(c.proposer)
    assert seen == [1, 2, 3, 1, 2, 3]
    assert c.round() == 5


def test_virtual_proposers_are_binomial_in_their_share() -> None:
    """1.4 and test 3 of section 7: over n rounds each validator's count is binomial(n, share); 3,000 rounds."""
    shares = np.array([50, 30, 15, 5]) / 100
    c = Committee(50, 30, 15, 5)
    dice = random.Random(4)
    for turn_round in (0, 1, 7):
        drawn = [draw_virtual(c.s, dice.randrange(WORD), turn_round) for _ in range(3_000)]
        counts = np.bincount(drawn, minlength=5)[1:]
        error = np.sqrt(3_000 * shares * (1 - shares))
        assert (abs(counts - 3_000 * shares) < SIGMAS * error).all()


def test_virtual_proposer_is_the_first_whose_cumulative_weight_exceeds_the_ticket() -> None:
    c = Committee(50, 30, 20)
    for ticket, member in ((0, 1), (49, 1), (50, 2), (79, 2), (80, 3), (99, 3)):
        word = -(-ticket * WORD // 100)  # the smallest word with this ticket
        assert draw_virtual(c.s, word, 0) == member


def test_rounds_of_one_height_draw_by_other_bits() -> None:
    """Each round turns the word: two rounds agree as often as chance has it."""
    c = Committee(1, 1, 1, 1)
    dice = random.Random(6)
    words = [dice.randrange(WORD) for _ in range(3_000)]
    agree = sum(draw_virtual(c.s, word, 0) == draw_virtual(c.s, word, 1) for word in words)
    assert abs(agree - 750) < SIGMAS * math.sqrt(3_000 * 0.25 * 0.75)


# --- time-outs ---


@pytest.mark.parametrize(
    ("base", "more", "most", "by_round"),
    [
        (9_100, 0, 15_000, {0: 9_100, 5: 9_100}),
        (300, 100, 1_000, {0: 300, 1: 400, 7: 1_000, 8: 1_000}),
        (1_000, 500, 5_000, {0: 1_000, 3: 2_500, 8: 5_000, 9: 5_000}),
    ],
)
def test_timeouts_grow_with_the_round(base: int, more: int, most: int, by_round: dict[int, int]) -> None:
    """1.4: 9.1 s proposal (max 15), 0.3 + 0.1 r prevote (max 1), 1.0 + 0.5 r precommit (max 5)."""
    assert {r: compute_timeout(base, more, most, r) for r in by_round} == by_round


def test_a_silent_proposer_costs_two_timeouts() -> None:
    c = Committee(1, 1, 1, 1)
    for turn_round in range(3):
        assert c.time_out() == 9_100
        assert (c.phase, c.ballot, int(c.s.choice[0])) == (Phase.BIDDING, 2 * turn_round + 1, NIL)
        c.votes(2, 3, 4)
        assert (c.ballot, int(c.s.choice[0])) == (2 * turn_round + 2, NIL)  # LOC 44
        c.votes(2, 3, 4)
        assert c.time_out() == 1_000 + 500 * turn_round  # LOC 47, 65
        assert (c.phase, c.round()) == (Phase.ASSIGNED, turn_round + 1)


def test_mixed_prevotes_time_out_to_a_precommit_for_nil() -> None:
    """LOC 34 and 61."""
    c = Committee(1, 1, 1, 1)
    c.propose()
    c.votes(1, 2)
    assert c.s.timed[0] == 0
    c.votes(3, value=NIL)
    assert c.ballot == 1
    assert c.time_out() == 300
    assert (c.ballot, int(c.s.choice[0])) == (2, NIL)


def test_a_decision_can_come_while_the_precommit_timeout_runs() -> None:
    c = Committee(1, 1, 1, 1)
    c.propose()
    c.votes(1, 2, 3)
    c.votes(1, value=NIL)
    c.votes(2, 3)
    assert c.s.timed[0] == 2
    c.votes(4)
    assert c.phase == Phase.SETTLED


def test_a_locked_value_is_proposed_again_and_another_does_not_count() -> None:
    """LOC 36: after a quorum of prevotes the value is the only one that can be decided."""
    c = Committee(1, 1, 1, 1)
    c.propose()
    c.votes(1, 2, 3)
    c.votes(1, 2, 3, value=NIL)  # but the precommits fail
    c.time_out()
    assert (c.round(), int(c.s.valid[0])) == (1, 1)
    c.propose()
    assert c.s.proposal[0] == 1  # first proposed in round 0
    c.votes(1, 2, value=2)
    c.votes(3, 4)
    assert c.ballot == 3  # two votes for a value nobody may decide
    assert c.s.tally[:3].tolist() == [2, 0, 4]


# --- faults ---


@pytest.mark.parametrize(("members", "silent", "decides"), [(4, 1, True), (4, 2, False), (7, 2, True), (7, 3, False)])
def test_three_f_plus_one(members: int, silent: int, decides: bool) -> None:  # noqa: FBT001 - a column of the table
    """98248: up to f faulty of n equal votes with 3 f + 1 <= n; one more stops the chain, and nothing is decided."""
    c = Committee(*(1,) * members, stall_ms=60_000)
    c.propose()
    awake = list(range(1, members - silent + 1))
    c.votes(*awake)
    if decides:
        c.votes(*awake)
        assert c.phase == Phase.SETTLED
        return
    assert c.ballot == 1
    assert c.time_out() == 60_000
    assert c.phase == Phase.LOST
    assert c.b.cash[USERS] == RICH  # the fees go back


@pytest.mark.parametrize("bips", [0, 500, 10_000])
def test_a_proposer_of_two_blocks_gets_neither(bips: int) -> None:
    """98248: equivocation slashing; the contracts have none. Honest members prevote nil, the round is over."""
    stake = 20_000
    c = Committee(stake, stake, stake, stake, slash_bips=bips)
    equivocator = c.proposer
    c.propose(word=7)
    c.votes(2)
    assert c.do(Kind.PROVE, equivocator, word=7) == Verdict.WRONG_PHASE  # the same again is no contradiction
    assert c.do(Kind.PROVE, 3, word=8) == Verdict.NOT_YOURS
    c.ok(Kind.PROVE, equivocator, word=8)
    assert c.do(Kind.PROVE, equivocator, word=9) == Verdict.WRONG_PHASE
    assert c.s.choice[0] == NIL
    assert c.b.slashed[equivocator] == c.b.burnt[0] == stake * bips // 10_000
    c.votes(3, 4)
    assert c.time_out() == 300
    c.votes(2, 3, 4)
    c.time_out()
    assert (c.round(), c.proposer) == (1, 2)


def test_who_unstakes_before_it_contradicts_itself_is_slashed_while_its_stake_is_on_its_way_out() -> None:
    """1.4: an exit lock of 7 days on Starknet; without one a member is beyond slashing while its vote still weighs."""
    week = 604_800_000
    at_once, locked = (Committee(*[9_000] * 4, slash_bips=1_000, exit_ms=exit_ms) for exit_ms in (0, week))
    for c in (at_once, locked):
        c.propose()
        c.ok(Kind.UNSTAKE, 2, amount=9_000)
        assert c.do(Kind.UNSTAKE, 2, amount=1) == Verdict.POOR
        c.votes(2)
        c.ok(Kind.VOTE, 2, detail=1, word=0)  # a second, other vote
    assert (int(at_once.b.slashed[2]), int(locked.b.slashed[2])) == (0, 900)
    assert at_once.do(Kind.WITHDRAW, 2) == Verdict.POOR
    locked.now += week - 1
    assert locked.do(Kind.WITHDRAW, 2) == Verdict.EARLY
    locked.now += 1
    assert locked.do(Kind.WITHDRAW, 2, amount=8_101) == Verdict.POOR
    locked.ok(Kind.WITHDRAW, 2)
    assert int(locked.b.cash[2]) == RICH - 900


def test_a_two_faced_vote_counts_once() -> None:
    plain, strict = Committee(9_000, 1, 1, 1), Committee(9_000, 9_000, 9_000, 9_000, slash_bips=1_000)
    for c in (plain, strict):
        c.propose()
        c.votes(2)
        assert c.do(Kind.VOTE, 2, detail=1, word=1) == Verdict.WRONG_PHASE
    assert plain.do(Kind.VOTE, 2, detail=1, word=NIL) == Verdict.WRONG_PHASE
    strict.ok(Kind.VOTE, 2, detail=1, word=NIL)
    assert strict.b.slashed[2] == 900
    assert strict.s.tally[:3].tolist() == [9_000, 0, 9_000]
    assert strict.do(Kind.VOTE, 2, detail=1, word=5) == Verdict.WRONG_PHASE  # punished once
    strict.votes(1, 3)
    strict.votes(2)
    strict.ok(Kind.VOTE, 2, detail=2, word=NIL)
    assert (strict.b.slashed[2], int(strict.s.two_faced[0])) == (900 + 810, 2)


@pytest.mark.parametrize(("members", "enough"), [(3, 2), (4, 2), (6, 3), (100, 34)])
@pytest.mark.parametrize("ballot", [1, 2])
def test_votes_of_a_later_round_take_the_height_there(members: int, enough: int, ballot: int) -> None:
    """1.4: round skip > 1/3; exactly a third is not enough. LOC 55."""
    c = Committee(*(1,) * members)
    for voter in range(1, enough):
        c.ok(Kind.VOTE, voter, detail=2 * 3 + ballot, word=NIL)
        assert c.do(Kind.VOTE, voter, detail=2 * 3 + ballot, word=NIL) == Verdict.WRONG_PHASE
    assert c.round() == 0
    c.ok(Kind.VOTE, enough, detail=2 * 3 + ballot, word=NIL)
    assert (c.round(), c.proposer) == (3, 3 % members + 1)
    counted = [0, enough, enough]
    assert c.s.tally.tolist() == (counted + [0] * 3 if ballot == 1 else [0] * 3 + counted)


def test_prevotes_and_precommits_of_a_later_round_are_counted_apart() -> None:
    """The code asks for more than a third of prevotes, or of precommits (maybe_advance_to_round)."""
    c = Committee(1, 1, 1, 1)
    c.ok(Kind.VOTE, 1, detail=2 * 3 + 1, word=NIL)
    c.ok(Kind.VOTE, 2, detail=2 * 3 + 2, word=NIL)
    assert c.round() == 0
    c.ok(Kind.VOTE, 3, detail=2 * 3 + 1, word=NIL)
    assert c.round() == 3
    assert c.s.tally.tolist() == [0, 2, 2, 0, 1, 1]  # they count where they were cast


@pytest.mark.parametrize("need", [0, 1])
def test_the_virtual_proposers_vote_can_be_required(need: int) -> None:
    """1.4: optional rule that the virtual proposer's vote is required; by the code in a decision (upon_decision)."""
    c = Committee(1, 1, 1, 1, word=WORD - 1, need_virtual=need)
    assert c.s.virtual[0] == 4
    c.propose()
    c.votes(1, 2, 3)
    assert (c.ballot, int(c.s.valid[0])) == (2, 1)  # prevotes lock without it
    c.votes(1, 2, 3)
    assert c.phase == (Phase.PROVEN if need else Phase.SETTLED)
    if need:
        assert c.s.timed[0] == 2  # a quorum all the same, so the time-out runs
        c.votes(4)
        assert c.phase == Phase.SETTLED


def test_what_the_virtual_proposer_did_not_confirm_is_proposed_again() -> None:
    c = Committee(1, 1, 1, 1, word=WORD - 1, need_virtual=1)
    c.propose()
    c.votes(1, 2, 3)
    c.votes(1, 2, 3)
    c.time_out()
    assert (c.round(), c.proposer) == (1, 2)
    c.propose()
    assert int(c.s.choice[0]) == 1  # the value of round 0


def test_nil_needs_no_virtual_proposer() -> None:
    c = Committee(1, 1, 1, 1, word=WORD - 1, need_virtual=1)
    c.time_out()
    c.votes(1, 2, 3)
    assert c.ballot == 2


def test_a_height_is_given_up_after_the_last_round() -> None:
    c = Committee(1, 1, 1, max_rounds=2)
    for _ in range(2):
        c.time_out()
        c.votes(1, 2, 3)
        c.votes(1, 2, 3)
        c.time_out()
    assert c.phase == Phase.LOST
    c.ok(Kind.REQUEST, USERS, amount=FEES, job=1)


def test_refusals() -> None:
    empty = Committee(0, 0)
    assert empty.do(Kind.REQUEST, USERS, amount=1) == Verdict.NO_PROVER
    c = Committee(5, 5, 5, 0)
    assert c.do(Kind.REQUEST, USERS, amount=1, job=1) == Verdict.FULL
    assert c.do(Kind.OFFER, 1, amount=1) == Verdict.UNKNOWN
    assert c.do(Kind.UNSTAKE, 1, amount=6) == Verdict.POOR
    assert c.do(Kind.UNSTAKE, 1, amount=5) == Verdict.OK
    assert c.do(Kind.PROVE, 2, word=1) == Verdict.NOT_YOURS
    assert c.do(Kind.DECLINE, 1) == Verdict.UNKNOWN
    assert c.do(Kind.VOTE, 4, detail=1) == Verdict.NOT_YOURS
    for detail in (0, -1, 41, 2**61):
        assert c.do(Kind.VOTE, 1, detail=detail) == Verdict.BAD_DETAIL
    c.propose()
    assert c.do(Kind.SETTLE) == Verdict.EARLY
    c.votes(1, 2, 3)
    c.votes(1, 2, value=NIL)
    c.votes(3)
    c.time_out()
    assert c.do(Kind.VOTE, 1, detail=1, word=1) == Verdict.LATE


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("committee", 0),
        ("committee", 1_001),  # 1.4: cap 1000
        ("quorum", 2),
        ("need_virtual", 2),
        ("equal", 2),
        ("propose_ms", 15_001),
        ("prevote_ms", 1_001),
        ("precommit_ms", 0),
        ("precommit_more_ms", -1),
        ("stall_ms", 0),
        ("max_rounds", 1_001),
        ("slash_bips", 10_001),
        ("epoch_blocks", 0),
    ],
)
def test_senseless_parameters_are_refused(parameter: str, value: int) -> None:
    with pytest.raises(BadInput, match=parameter):
        with_params("tendermint", tendermint, {parameter: value})


# --- runs of the engine, with its votes ---

WORK, PAUSE = 2_000, 1  # ms


def members(count: int, policy: str = "honest", delay: str = "0ms", stake: str = "100") -> dict[str, Any]:
    return prover(policy, "2s", count=count, policy=policy, vote_delay=delay, stake=stake)


def run(*classes: dict[str, Any], heights: int = 400, seed: int = 1, **params: int) -> tuple[Run, Any]:
    text = ", ".join(f"{key}={value}" for key, value in params.items())
    workload = {"arrivals": "closed_loop", "every": f"{PAUSE}ms", "requests": heights}
    world = scenario(f"tendermint({text})", horizon="10h", workload=workload, provers=list(classes))
    simulation = Simulation(world, rule_of(world), seed)
    return simulation.run(), simulation.stage.state


def test_an_honest_committee_decides_every_height_in_its_first_round() -> None:
    result, s = run(members(4), heights=40)
    assert (result.jobs.phase == Phase.SETTLED).all()
    assert not s.round.any()
    assert set(np.diff(result.jobs.asked_ms)) == {WORK + PAUSE}
    assert result.verdicts["VOTE", "OK"] == 40 * (3 + 3)  # with no delay the fourth has no say
    assert result.provers.wins.tolist() == [10] * 4  # in turn


def test_votes_take_their_time() -> None:
    """With delays even in 200 to 600 ms the two quorums of 100 members take two 67th smallest: about 467 ms each."""
    result, _ = run(members(100, delay="400ms"), heights=200)
    votes = np.diff(result.jobs.asked_ms) - WORK - PAUSE
    error = votes.std() / math.sqrt(len(votes))
    wanted = 2 * (200 + 400 * 67 / 101)  # the mean of the 67th of 100
    assert abs(votes.mean() - wanted) < SIGMAS * error + 1  # ms are whole


@pytest.mark.parametrize("count", [4, 7])
def test_one_silent_member_costs_its_turns(count: int) -> None:
    """Derived: every n-th height needs a second round, T_propose + T_precommit longer; exact with instant votes."""
    result, s = run(members(count - 1), members(1, "withhold(1.0)"), heights=20 * count)
    gaps = np.diff(result.jobs.asked_ms)
    slow = WORK + PAUSE + 9_100 + 1_000 + 2 * BEHIND
    assert sorted(set(gaps)) == [WORK + PAUSE, slow]
    assert s.round.tolist() == [int(height % count == count - 1) for height in range(20 * count)]
    assert result.provers.missed.tolist() == [0] * (count - 1) + [20]


def test_half_of_the_committee_silent_stops_it() -> None:
    result, _ = run(members(2), members(2, "withhold(1.0)"), heights=5)
    assert (result.jobs.phase == Phase.LOST).all()


def test_two_of_three_go_on_by_simple_majority_and_not_by_two_thirds() -> None:
    """1.4: v0.14, three operators, 2 of 3."""
    three = (members(2), members(1, "withhold(1.0)"))
    shipped, _ = run(*three, heights=30, quorum=1)
    assert (shipped.jobs.phase == Phase.SETTLED).all()
    planned, _ = run(*three, heights=5, quorum=0)
    assert (planned.jobs.phase == Phase.LOST).all()


def test_a_required_silent_virtual_proposer_costs_rounds_in_proportion_to_its_stake() -> None:
    """Derived: of the heights whose own proposer works, 1 - share are decided in round 0; 2,000 heights."""
    share = 100 / 400
    classes = (members(3), members(1, "withhold(1.0)"))
    _, s = run(*classes, heights=2_000, need_virtual=1)
    own = np.arange(2_000) % 4 != 3
    at_once = (s.round[own] == 0).mean()
    assert abs(at_once - (1 - share)) < SIGMAS * math.sqrt(share * (1 - share) / own.sum())
    _, without = run(*classes, heights=2_000)
    assert (without.round[own] == 0).all()


def test_off_line_members_do_not_vote() -> None:
    off = members(1)
    off["online"] = "weekends"  # the run begins on a Monday
    result, _ = run(members(2), off, heights=3)
    assert (result.jobs.phase == Phase.LOST).all()
    assert result.verdicts["VOTE", "OK"] == 3 * 2  # two prevotes a height, and no more


def test_scenario_says_what_its_claim_says() -> None:
    found: dict[str, tuple[float, float]] = {}  # mean time of a height, s; heights decided
    for name, world in read_variants(SCENARIO):
        jobs = simulate(world).jobs
        asked = jobs.asked_ms[jobs.phase >= Phase.SETTLED]
        gaps = np.diff(asked) / 1_000
        found[name] = (float(gaps.mean()), float((jobs.phase == Phase.SETTLED).sum()))
    base, silent, third, hundred = found.values()
    assert base[0] < 6  # 1.4: block <= ~6 s
    assert silent[0] > 1.6 * base[0]
    assert silent[1] == base[1]
    assert third[1] == 0
    assert hundred[0] < 6


# --- random walks ---

WALKED = (
    Params(committee=3, slash_bips=1_000, epoch_blocks=2, max_rounds=3, stall_ms=40),
    Params(quorum=1, need_virtual=1, max_rounds=4, stall_ms=30, prevote_ms=3, precommit_ms=5),
    Params(equal=1, need_virtual=1, slash_bips=10_000, epoch_blocks=1, propose_ms=9, propose_more_ms=4),
)
KNOWN = (Kind.STAKE, Kind.UNSTAKE, Kind.REQUEST, Kind.CLOSE, Kind.PROVE, Kind.EXPIRE, Kind.SETTLE, Kind.VOTE)


@settings(max_examples=60)
@given(st.sampled_from(WALKED), st.integers(0, 2**32))
def test_random_events_keep_the_rules_in_python_and_compiled(p: Params, seed: int) -> None:
    """Money conserved, nothing negative, refused means untouched, no job stuck (audited); tallies add up."""
    market = Market(Setup(Rule("tendermint", tendermint, p), 8, (10**6,) * 5))
    s: Any = market.sheet.state
    for actor in range(4):
        market.answer(Event(Kind.STAKE, 0, actor, 0, 100 + actor, 0, 0))
    draw = Plausible(random.Random(seed), market)
    for _ in range(60):
        market.answer(draw.next(KNOWN))
        for step in (s.tally[:3], s.tally[3:]):
            assert step[0] + step[1] <= step[2] <= s.total[0]
        assert (s.live[0] > 0) == (len(market.live_jobs()) == 1)
    drain(market)
    compare(market.trace())
