"""A rule that shares the price equally among all who prove before the deadline."""

from typing import NamedTuple

from proofyard.core import (
    ANYONE,
    Book,
    ByActor,
    Event,
    Kind,
    Phase,
    Verdict,
    ask,
    check,
    move,
    open_to_all,
    refund,
    spec,
)

EVERY_PROOF = True


class Params(NamedTuple):
    window_ms: int = 40_000  # ms


class State(NamedTuple):
    book: Book
    proofs: ByActor  # of the last job: its number + 1
    earned: ByActor  # gwei, a record


@spec
def share(s: State, job: int) -> None:
    """Pay everybody who proved `job`."""
    b = s.book
    count = 0
    for actor in range(len(s.proofs)):
        count += s.proofs[actor] == job + 1
    part = b.escrow[job] // count
    for actor in range(len(s.proofs)):
        if s.proofs[actor] == job + 1:
            move(b.escrow, job, b.cash, actor, part)
            b.paid[job] += part
            s.earned[actor] += part
    refund(b, job)
    b.phase[job] = Phase.SETTLED


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out."""
    b = s.book
    verdict = check(b, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        ask(b, e, e.amount)
        open_to_all(b, e.job, e.time + p.window_ms)
    elif e.kind == Kind.PROVE:
        b.phase[e.job] = Phase.PROVEN
        if b.prover[e.job] == ANYONE:
            b.prover[e.job] = e.actor
        s.proofs[e.actor] = e.job + 1
    elif e.kind == Kind.EXPIRE:
        refund(b, e.job)
        b.phase[e.job] = Phase.LOST
    elif e.kind == Kind.SETTLE:
        share(s, e.job)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
