"""Escape hatch of Aztec: who can be drawn, when bonds are free, tax and fine. Sections: the field page on chains."""

from collections import Counter
from pathlib import Path

import pytest

from proofyard.conformance.market import Market, Setup
from proofyard.core import BadInput, Event, Kind, Phase, Verdict
from proofyard.core.rule import with_params
from proofyard.engine.simulate import simulate
from proofyard.mechanisms import escape_hatch, rule
from proofyard.mechanisms.escape_hatch import DAY_MS, TOKEN, Params
from proofyard.scenario import read

EPOCH = 2_304_000
HATCH = 112 * EPOCH
FREEZE = 110 * EPOCH  # the next set is frozen two epochs before the next hatch
BOND = 332_000_000 * TOKEN
CASH = 400_000_000 * TOKEN
CENSORED = 0


class Chain:
    """An audited chain: actor 0 wants a hatch, the others may be candidates."""

    def __init__(self, actors: int = 4, **terms: int) -> None:
        text = ", ".join(f"{name}={value}" for name, value in terms.items())
        self.market = Market(Setup(rule(f"escape_hatch({text})"), 16, (CASH,) * actors))
        self.s, self.b = self.market.sheet.state, self.market.book
        self.jobs = 0

    def do(self, kind: Kind, time: int, actor: int = CENSORED, **rest: int) -> Verdict:
        job, amount, word = (rest.get(name, 0) for name in ("job", "amount", "word"))
        return self.market.answer(Event(kind, time, actor, job, amount, 1, word))

    def ok(self, kind: Kind, time: int, actor: int = CENSORED, **rest: int) -> None:
        assert self.do(kind, time, actor, **rest) == Verdict.OK

    def join(self, *actors: int, time: int = 0) -> None:
        for actor in actors:
            self.ok(Kind.STAKE, time, actor, amount=BOND)

    def draw(self, time: int, word: int = 0, amount: int = 0) -> Verdict:
        verdict = self.do(Kind.REQUEST, time, job=self.jobs, word=word, amount=amount)
        self.jobs += verdict == Verdict.OK
        return verdict


def test_two_epochs_in_every_112() -> None:
    """2.1: opens 2 epochs in every 112; drawn one hatch ahead, proven to the end of the epoch after it."""
    chain = Chain()
    chain.join(1)
    assert chain.draw(HATCH) == Verdict.OK
    assert int(chain.b.deadline[0]) == 2 * HATCH - 1
    assert chain.do(Kind.PROVE, 2 * HATCH - 1, 1) == Verdict.WRONG_PHASE
    chain.ok(Kind.CLOSE, 2 * HATCH)
    assert (int(chain.b.prover[0]), int(chain.b.deadline[0])) == (1, 2 * HATCH + 3 * EPOCH - 1)
    assert chain.do(Kind.PROVE, 2 * HATCH, 2) == Verdict.NOT_YOURS
    chain.ok(Kind.PROVE, 2 * HATCH + 3 * EPOCH - 1, 1)
    assert 100 * Params().active / Params().frequency == pytest.approx(1.8, abs=0.02)
    assert round(HATCH / DAY_MS, 2) == pytest.approx(2.99)


def test_bond_and_tax() -> None:
    """2.1: bond 332M, withdrawal tax 1.66M, exit 30 d after the time to prove."""
    chain = Chain()
    assert chain.do(Kind.STAKE, 0, 1, amount=BOND - 1) == Verdict.BAD_AMOUNT
    chain.ok(Kind.STAKE, 0, 1, amount=BOND + 5)
    assert int(chain.s.stake[1]) == BOND
    assert chain.do(Kind.STAKE, 0, 1, amount=BOND) == Verdict.POOR
    assert chain.draw(HATCH, amount=7) == Verdict.OK
    chain.ok(Kind.CLOSE, 2 * HATCH)
    chain.ok(Kind.PROVE, 2 * HATCH, 1)
    free = 2 * HATCH + 3 * EPOCH + 30 * DAY_MS
    assert chain.do(Kind.WITHDRAW, free - 1, 1) == Verdict.EARLY
    assert chain.do(Kind.WITHDRAW, free, 1, amount=1) == Verdict.BAD_AMOUNT
    chain.ok(Kind.WITHDRAW, free, 1)
    assert int(chain.b.cash[1]) == CASH - 1_660_000 * TOKEN + 7
    assert chain.do(Kind.WITHDRAW, free, 1) == Verdict.POOR


def test_the_fine() -> None:
    """2.1: failure fine 9.6M; the bond less fine and tax is free all the same."""
    chain = Chain()
    chain.join(1)
    assert chain.draw(HATCH, amount=7) == Verdict.OK
    chain.ok(Kind.CLOSE, 2 * HATCH)
    assert chain.do(Kind.EXPIRE, 2 * HATCH + 3 * EPOCH - 1) == Verdict.EARLY
    chain.ok(Kind.EXPIRE, 2 * HATCH + 3 * EPOCH)
    assert (chain.b.phase[0], int(chain.b.cash[CENSORED])) == (Phase.LOST, CASH)
    assert int(chain.b.slashed[1]) == 9_600_000 * TOKEN
    chain.ok(Kind.WITHDRAW, 2 * HATCH + 3 * EPOCH + 30 * DAY_MS, 1)
    assert int(chain.b.burnt[0]) == (9_600_000 + 1_660_000) * TOKEN


def test_the_set_is_frozen_two_epochs_before_the_hatch() -> None:
    """LAG_IN_EPOCHS_FOR_SET_SIZE = 2: who joins at the freeze can be drawn, a moment later not before the next."""
    chain = Chain()
    chain.join(1, time=FREEZE)
    chain.join(2, time=FREEZE + 1)
    assert chain.draw(HATCH, word=2**62 - 1) == Verdict.OK
    assert int(chain.s.drawn[0]) == 1
    assert chain.draw(2 * HATCH) == Verdict.OK
    assert int(chain.s.drawn[1]) == 2


def test_a_hatch_is_drawn_for_once_and_not_after_the_next_freeze() -> None:
    chain = Chain()
    chain.join(1, 2)
    assert chain.draw(FREEZE) == Verdict.LATE
    assert chain.draw(HATCH - 1) == Verdict.LATE
    assert chain.draw(HATCH) == Verdict.OK
    assert chain.draw(HATCH + 1) == Verdict.FULL
    assert chain.draw(HATCH + FREEZE) == Verdict.FULL
    assert chain.draw(2 * HATCH) == Verdict.OK
    assert chain.draw(3 * HATCH) == Verdict.NO_PROVER  # both have had their turn


def test_everybody_in_the_set_is_drawn_as_often() -> None:
    chain = Chain(actors=5)
    chain.join(1, 2, 3, 4)
    frozen = escape_hatch.freeze_of(Params(), 2)
    drawn = Counter(escape_hatch.draw(chain.s, frozen, word) for word in range(0, 2**62, 2**62 // 400))
    assert set(drawn) == {1, 2, 3, 4}
    assert max(drawn.values()) - min(drawn.values()) <= 1


def test_who_leaves_before_the_freeze_is_free_at_once() -> None:
    chain = Chain()
    chain.join(1)
    chain.ok(Kind.UNSTAKE, FREEZE - 1, 1, amount=1)
    chain.ok(Kind.WITHDRAW, FREEZE - 1, 1)
    assert int(chain.b.cash[1]) == CASH - 1_660_000 * TOKEN
    assert chain.draw(HATCH) == Verdict.NO_PROVER


def test_who_leaves_after_the_freeze_waits_and_can_still_be_drawn() -> None:
    """initiateExit: in the snapshot it has to wait until it knows that it was not chosen, or is on duty."""
    waits, drawn = Chain(), Chain()
    for chain in (waits, drawn):
        chain.join(1)
        chain.ok(Kind.UNSTAKE, FREEZE + 1, 1, amount=1)
        assert chain.do(Kind.WITHDRAW, HATCH + FREEZE - 1, 1) == Verdict.EARLY
    waits.ok(Kind.WITHDRAW, HATCH + FREEZE, 1)
    assert drawn.draw(HATCH) == Verdict.OK
    assert int(drawn.s.drawn[0]) == 1
    assert drawn.do(Kind.WITHDRAW, HATCH + FREEZE, 1) == Verdict.POOR  # on duty
    drawn.ok(Kind.CLOSE, 2 * HATCH)
    drawn.ok(Kind.EXPIRE, 2 * HATCH + 3 * EPOCH)
    assert int(drawn.b.slashed[1]) == 9_600_000 * TOKEN


def test_nobody_leaves_while_the_draw_it_is_in_is_outstanding() -> None:
    """The contract draws first whenever somebody leaves; here that is an event of its own."""
    chain = Chain()
    chain.join(1, 2)
    assert chain.do(Kind.UNSTAKE, HATCH, 1, amount=1) == Verdict.EARLY
    assert chain.draw(HATCH, word=2**62 - 1) == Verdict.OK
    chain.ok(Kind.UNSTAKE, HATCH, 1, amount=1)
    assert chain.do(Kind.UNSTAKE, HATCH, 2, amount=1) == Verdict.POOR  # drawn
    chain.ok(Kind.WITHDRAW, HATCH, 1)


def test_nobody_joins_in_the_first_hatch_of_all() -> None:
    """joinCandidateSet reverts with HatchTooEarly."""
    chain = Chain(first_hatch=0)
    assert chain.do(Kind.STAKE, HATCH - 1, 1, amount=BOND) == Verdict.EARLY
    chain.join(1, time=HATCH)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epoch_ms", 0), ("frequency", 2), ("active", 1), ("lag", 0), ("bond_gwei", 0), ("tax_gwei", BOND + 1),
        ("fine_gwei", BOND + 1), ("exit_ms", 30 * DAY_MS + 1), ("first_hatch", -1),
    ],
)  # fmt: skip
def test_the_constructor_refuses_the_same(name: str, value: int) -> None:
    """EscapeHatch__InvalidConfiguration: active >= proof epochs + 1, frequency above both, fine, tax <= bond."""
    with pytest.raises(BadInput, match=name):
        with_params("escape_hatch", escape_hatch, {name: value})


def test_four_candidates_are_four_hatches() -> None:
    """The scenario: three are opened, one is kept shut and fined, then the set is empty."""
    done = simulate(read(Path(__file__).parents[2] / "scenarios" / "aztec-escape-hatch.toml"))
    assert done.provers.wins.tolist() == [1, 1, 1, 0]
    assert done.provers.slashed_gwei.tolist() == [0, 0, 0, 9_600_000 * TOKEN]
    assert done.verdicts["REQUEST", "NO_PROVER"] == len(done.jobs.phase) - 4
    assert done.money_difference_gwei == 0
