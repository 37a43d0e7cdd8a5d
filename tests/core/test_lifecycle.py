"""What `check` lets through is exactly what the table says, and refusals change nothing."""

import pytest

from proofyard.core import FINAL, TRANSITIONS, Book, Event, Kind, Phase, Verdict, assign, check, diagram, open_to_all
from proofyard.core.book import ANYONE, MAX_GWEI
from proofyard.core.shape import arrays, zeros

PROVER, RIVAL, REQUESTER, JOB = 0, 1, 2, 0
DEADLINE = 100


def book_in(phase: Phase) -> Book:
    book = zeros(Book, 3, 1)
    book.cash[:] = 1_000
    book.phase[JOB], book.prover[JOB], book.deadline[JOB] = phase, PROVER, DEADLINE
    return book


def event(kind: Kind, time: int = DEADLINE, actor: int = PROVER, amount: int = 1) -> Event:
    return Event(kind, time, actor, JOB, amount, 0, 0)


TIMERS = (Kind.CLOSE, Kind.EXPIRE, Kind.SETTLE)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind >= Kind.REQUEST])
@pytest.mark.parametrize("phase", list(Phase))
def test_every_pair_of_phase_and_kind_is_as_the_table_says(phase: Phase, kind: Kind) -> None:
    book = book_in(phase)
    before = [values.copy() for values in arrays(book)]
    late = DEADLINE + 1 if kind in TIMERS else DEADLINE
    legal = any(phase == source and kind == listed for source, listed, _ in TRANSITIONS)
    assert check(book, event(kind, time=late)) == (Verdict.OK if legal else Verdict.WRONG_PHASE)
    assert all((old == new).all() for old, new in zip(before, arrays(book), strict=True))


@pytest.mark.parametrize(("kind", "phase"), [(Kind.CLOSE, Phase.BIDDING), (Kind.EXPIRE, Phase.ASSIGNED)])
def test_a_timer_waits_until_the_deadline_has_passed(kind: Kind, phase: Phase) -> None:
    assert check(book_in(phase), event(kind, time=DEADLINE)) == Verdict.EARLY
    assert check(book_in(phase), event(kind, time=DEADLINE + 1)) == Verdict.OK


def test_a_proof_at_the_deadline_is_in_time_and_one_later_is_late() -> None:
    assert check(book_in(Phase.ASSIGNED), event(Kind.PROVE)) == Verdict.OK
    assert check(book_in(Phase.ASSIGNED), event(Kind.PROVE, time=DEADLINE + 1)) == Verdict.LATE


def test_an_assigned_job_is_its_provers_alone_and_an_open_one_anybodys() -> None:
    assert check(book_in(Phase.ASSIGNED), event(Kind.PROVE, actor=RIVAL)) == Verdict.NOT_YOURS
    book = book_in(Phase.ASSIGNED)
    open_to_all(book, JOB, DEADLINE)
    assert book.prover[JOB] == ANYONE
    assert check(book, event(Kind.PROVE, actor=RIVAL)) == Verdict.OK


@pytest.mark.parametrize("kind", [Kind.STAKE, Kind.DELEGATE, Kind.TRANSFER, Kind.REQUEST])
def test_nobody_pays_what_it_has_not(kind: Kind) -> None:
    book = book_in(Phase.NONE)
    assert check(book, event(kind, amount=1_000)) == Verdict.OK
    assert check(book, event(kind, amount=1_001)) == Verdict.POOR


@pytest.mark.parametrize(
    ("amount", "verdict"), [(0, Verdict.BAD_AMOUNT), (-1, Verdict.BAD_AMOUNT), (MAX_GWEI + 1, Verdict.BAD_AMOUNT)]
)
def test_amounts_are_positive_and_bounded(amount: int, verdict: Verdict) -> None:
    assert check(book_in(Phase.NONE), event(Kind.STAKE, amount=amount)) == verdict


@pytest.mark.parametrize("kind", [-1, 16, 99])
def test_kinds_that_do_not_exist_are_unknown(kind: int) -> None:
    assert check(book_in(Phase.ASSIGNED), Event(kind, 0, PROVER, JOB, 1, 0, 0)) == Verdict.UNKNOWN


def test_anybody_may_vote_on_a_job_in_somebodys_hands_until_its_deadline() -> None:
    book = book_in(Phase.ASSIGNED)
    assert check(book, event(Kind.VOTE, actor=RIVAL)) == Verdict.OK
    assert check(book, event(Kind.VOTE, actor=RIVAL, time=DEADLINE + 1)) == Verdict.LATE
    assert check(book_in(Phase.OPEN), event(Kind.VOTE, actor=RIVAL)) == Verdict.WRONG_PHASE


def test_assign_gives_the_job_to_one() -> None:
    book = book_in(Phase.NONE)
    assign(book, JOB, RIVAL, 7)
    assert (book.phase[JOB], book.prover[JOB], book.deadline[JOB]) == (Phase.ASSIGNED, RIVAL, 7)


def test_the_diagram_draws_every_transition_and_nothing_leaves_a_final_phase() -> None:
    drawn = diagram()
    for source, kind, targets in TRANSITIONS:
        assert source not in FINAL
        for target in targets:
            start = "[*]" if source == Phase.NONE else source.name
            assert f"{start} --> {target.name}: {kind.name}\n" in drawn
