"""Votes on slashes: who can vote, what a quorum is, when it is carried out. Section 2 of the field page on chains."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.conformance import compiled
from proofyard.conformance.market import Market, Setup
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.mechanisms import rule
from proofyard.mechanisms.slash_votes import TOKEN

POSITION = 200_000 * TOKEN
ACTORS, BYSTANDER = 9, 8
ROUND = 128 * 72_000  # ms
DAY = 86_400_000


class Chain:
    """An audited chain of some seats; the last actor has none."""

    def __init__(self, seats: int = 8, jobs: int = 20, **terms: int) -> None:
        text = ", ".join(f"{name}={value}" for name, value in terms.items())
        self.market = Market(Setup(rule(f"slash_votes({text})"), jobs, (2 * POSITION,) * ACTORS))
        self.s, self.b = self.market.sheet.state, self.market.book
        for actor in range(seats):
            self.ok(Kind.STAKE, 0, actor, amount=POSITION)

    def do(self, kind: Kind, time: int, actor: int = BYSTANDER, **rest: int) -> Verdict:
        job, amount, detail, word = (rest.get(name, 0) for name in ("job", "amount", "detail", "word"))
        return self.market.answer(Event(kind, time, actor, job, amount, detail, word))

    def ok(self, kind: Kind, time: int, actor: int = BYSTANDER, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def tried(self, levels: list[int], job: int = 0, start: int = 0, accused: int = 0) -> int:
        """Accuse in the round that begins at `start`, let actors 0, 1, … vote for `levels`, and close; the level."""
        self.ok(Kind.REQUEST, start, job=job, detail=accused)
        for actor, level in enumerate(levels):
            self.ok(Kind.VOTE, start + 1, actor, job=job, detail=1, word=level)
        self.ok(Kind.CLOSE, start + ROUND, job=job)
        return int(self.s.level[job])

    def carry_out(self, time: int, job: int = 0) -> None:
        """Open what stands long enough, and carry it out."""
        self.ok(Kind.CLOSE, time, job=job)
        self.ok(Kind.PROVE, time, job=job)


def test_slots_are_dealt_in_turn_and_all_of_them() -> None:
    for seats, word in ((8, 0), (3, 0), (3, 2**61), (5, 2**62 - 1)):
        chain = Chain(seats)
        chain.ok(Kind.REQUEST, 0, detail=0, word=word)
        dealt = [int(slots) for slots in chain.s.dealt_slots]
        assert sum(dealt) == 128
        assert max(dealt[:seats]) - min(dealt[:seats]) <= 1
        assert dealt[seats:] == [0] * (ACTORS - seats)


@pytest.mark.parametrize(("voters", "level"), [(4, 0), (5, 1)])
def test_a_quorum_is_65_of_128_slots(voters: int, level: int) -> None:
    """2.1, 2.4: slash round / quorum 128 / 65: four of eight proposers have 64 slots, five have 80."""
    chain = Chain(8)
    assert chain.tried([1] * voters) == level
    assert chain.b.phase[0] == (Phase.BIDDING if level else Phase.LOST)


def test_65_slots_are_enough_and_64_are_not() -> None:
    """2.1: 65 of 128. Two seats have 64 each: one vote is not enough, as 64 of 127 would be."""
    assert Chain(2).tried([1]) == 0
    odd = Chain(2, slots=129)
    odd.ok(Kind.REQUEST, 0, detail=1)
    odd.ok(Kind.VOTE, 1, 0, detail=1, word=1)
    odd.ok(Kind.CLOSE, 129 * 72_000)
    assert (odd.s.for_small[0], odd.s.level[0]) == (65, 1)


def test_a_vote_counts_for_all_levels_below() -> None:
    """2.4: 2 bits a validator; the level is reached that 65 slots name, or one above it."""
    assert Chain(8).tried([3, 3, 3, 2, 1]) == 1
    assert Chain(8).tried([3, 3, 3, 2, 2]) == 2
    assert Chain(8).tried([3, 3, 3, 3, 3]) == 3


@pytest.mark.parametrize(("level", "tokens"), [(1, 2_000), (2, 5_000), (3, 5_000)])
def test_amounts_of_v5(level: int, tokens: int) -> None:
    """2.1: slash amounts 2000 / 5000 / 5000; slashed tokens stay locked (burnt here)."""
    chain = Chain(8)
    chain.tried([level] * 5)
    chain.carry_out(29 * ROUND)
    assert chain.b.slashed[0] == chain.b.burnt[0] == tokens * TOKEN
    assert chain.s.stake[0] == POSITION - tokens * TOKEN


def test_executed_28_rounds_later_and_before_34() -> None:
    """2.1, 2.4: execution delay / lifetime 28 / 34 rounds; 28 rounds are ~2.99 d."""
    assert abs(28 * ROUND / DAY - 2.99) < 0.005
    chain = Chain(8)
    chain.tried([1] * 5)
    assert chain.do(Kind.PROVE, 29 * ROUND - 1, job=0) == Verdict.WRONG_PHASE
    assert chain.do(Kind.CLOSE, 29 * ROUND - 1, job=0) == Verdict.EARLY
    assert chain.do(Kind.VOTE, 29 * ROUND - 1, 6, detail=1) == Verdict.WRONG_PHASE
    chain.ok(Kind.CLOSE, 29 * ROUND, job=0)
    assert chain.do(Kind.EXPIRE, 35 * ROUND - 1, job=0) == Verdict.EARLY
    assert chain.do(Kind.PROVE, 35 * ROUND, job=0) == Verdict.LATE
    chain.ok(Kind.EXPIRE, 35 * ROUND, job=0)
    assert (chain.b.phase[0], chain.b.burnt[0]) == (Phase.LOST, 0)
    last = Chain(8)
    last.tried([1] * 5)
    last.carry_out(35 * ROUND - 1)


@pytest.mark.parametrize(("ejection", "slashes"), [(190_000, 6), (196_000, 3)])
def test_a_position_is_put_out_below_its_ejection(ejection: int, slashes: int) -> None:
    """2.3: slashes of 2000 to removal: balance must fall below local ejection: 6th slash at 190k, 3rd at 196k."""
    chain = Chain(8, ejection_gwei=ejection * TOKEN)
    for job in range(slashes):
        assert chain.s.seat[0] > 0
        chain.tried([1] * 6, job, 40 * job * ROUND)
        chain.carry_out((40 * job + 29) * ROUND, job)
    assert (chain.s.seat[0], chain.s.stake[0]) == (0, 0)
    assert chain.s.exiting[0] == POSITION - slashes * 2_000 * TOKEN


def test_who_leaves_is_slashed_all_the_same() -> None:
    """2.4: whole-position exit only, slashable while exiting, paid after the delay of 4 d, longer than 2.99."""
    chain = Chain(8)
    chain.tried([1] * 5, accused=7)
    chain.ok(Kind.UNSTAKE, ROUND, 7, amount=1)
    assert chain.do(Kind.WITHDRAW, 29 * ROUND, 7) == Verdict.EARLY
    chain.carry_out(29 * ROUND)
    chain.ok(Kind.WITHDRAW, ROUND + 4 * DAY, 7)
    assert chain.b.cash[7] == 2 * POSITION - 2_000 * TOKEN


@pytest.mark.parametrize(("late", "lost"), [(0, 2_000 * TOKEN), (1, 0)])
def test_who_has_waited_long_enough_is_slashed_no_more(late: int, lost: int) -> None:
    """An exit can be slashed while its end is still to come, and no longer, though the money is still there."""
    chain = Chain(8)
    chain.ok(Kind.UNSTAKE, 0, 7, amount=1)  # free after 4 d, in the 38th round
    chain.tried([1] * 6, start=5 * ROUND, accused=7)
    chain.ok(Kind.CLOSE, 35 * ROUND)
    chain.ok(Kind.PROVE, 4 * DAY - 1 + late)
    assert chain.b.phase[0] == Phase.SETTLED  # carried out all the same
    assert (chain.b.burnt[0], chain.s.exiting[7]) == (lost, POSITION - lost)


def test_who_leaves_takes_no_seat_until_it_is_out() -> None:
    """No deposit while an exit exists (Staking__AlreadyExiting)."""
    chain = Chain(8)
    chain.ok(Kind.UNSTAKE, 0, 7, amount=1)
    assert chain.do(Kind.STAKE, 4 * DAY, 7, amount=POSITION) == Verdict.FULL
    chain.ok(Kind.WITHDRAW, 4 * DAY, 7)
    chain.ok(Kind.STAKE, 4 * DAY, 7, amount=POSITION)


def test_who_may_vote_and_how_often() -> None:
    chain = Chain(7)
    assert chain.do(Kind.REQUEST, 0, detail=8) == Verdict.BAD_DETAIL  # holds nothing
    assert chain.do(Kind.REQUEST, 0, detail=ACTORS) == Verdict.BAD_DETAIL
    chain.ok(Kind.REQUEST, 5, detail=1)
    assert chain.do(Kind.VOTE, 6, BYSTANDER, detail=1, word=1) == Verdict.NOT_YOURS
    assert chain.do(Kind.VOTE, 6, 0, detail=2, word=1) == Verdict.BAD_DETAIL
    assert chain.do(Kind.VOTE, 6, 0, detail=1, word=4) == Verdict.BAD_DETAIL
    chain.ok(Kind.VOTE, 6, 0, detail=1, word=1)
    assert chain.do(Kind.VOTE, 7, 0, detail=1, word=3) == Verdict.NOT_YOURS
    assert chain.do(Kind.VOTE, ROUND, 2, detail=1, word=1) == Verdict.LATE
    chain.ok(Kind.STAKE, 8, 7, amount=POSITION)
    chain.ok(Kind.VOTE, 9, 7, detail=1, word=1)  # no slots in this round
    assert chain.s.for_small[0] == chain.s.dealt_slots[0]


def test_seats() -> None:
    chain = Chain(1)
    assert chain.do(Kind.STAKE, 0, 1, amount=POSITION - 1) == Verdict.BAD_AMOUNT
    assert chain.do(Kind.STAKE, 0, 0, amount=POSITION) == Verdict.FULL
    assert chain.do(Kind.UNSTAKE, 0, 1, amount=1) == Verdict.POOR
    assert chain.do(Kind.WITHDRAW, 0, 1) == Verdict.POOR
    assert chain.do(Kind.OFFER, 0, 1, amount=1, detail=1) == Verdict.UNKNOWN
    chain.ok(Kind.STAKE, 0, 1, amount=POSITION + 1)
    assert chain.s.stake[1] == POSITION  # no more, whatever is offered
    chain.ok(Kind.UNSTAKE, 0, 0, amount=1)
    chain.ok(Kind.STAKE, 0, 2, amount=POSITION)
    assert [int(seat) for seat in chain.s.seat[:3]] == [0, 2, 1]


@pytest.mark.parametrize(
    ("text", "name"),
    [("quorum=129", "quorum"), ("slots=0", "slots"), ("life_rounds=28", "life_rounds"), ("level=4", "level"),
     ("ejection_gwei=200_001_000_000_000", "ejection_gwei"), ("slot_ms=0", "slot_ms")],
)  # fmt: skip
def test_senseless_parameters(text: str, name: str) -> None:
    with pytest.raises(BadInput) as caught:
        rule(f"slash_votes({text})")
    assert caught.value.field == f"mechanism.{name}"


@given(st.integers(0, 2**32))
def test_whatever_happens_money_is_kept_and_the_compiled_rule_agrees(seed: int) -> None:
    """Every event is audited by the market: conserved, nothing negative, refused means untouched."""
    dice, chain, now = random.Random(seed), Chain(5, quorum=30, delay_rounds=1, life_rounds=3), 0
    kinds = (
        Kind.STAKE,
        Kind.UNSTAKE,
        Kind.WITHDRAW,
        Kind.REQUEST,
        Kind.CLOSE,
        Kind.PROVE,
        Kind.EXPIRE,
        *[Kind.VOTE] * 5,
    )
    for _ in range(60):
        now += dice.choice((0, 1, ROUND // 4, ROUND))
        kind, actor, job = dice.choice(kinds), dice.randrange(ACTORS), dice.randrange(6)
        amount = POSITION if kind == Kind.STAKE else 1 if kind == Kind.UNSTAKE else 0
        detail = 1 if kind == Kind.VOTE else dice.randrange(ACTORS)
        word = dice.randrange(5) if kind == Kind.VOTE else dice.getrandbits(62)
        chain.do(kind, now, actor, job=job, amount=amount, detail=detail, word=word)
    compiled.compare(chain.market.trace())
