"""A race that pays out a gwei more than was put aside."""

from typing import NamedTuple

from proofyard.core import Book, Event, Kind, Phase, Verdict, ask, check, open_to_all, pay, refund, spec


class Params(NamedTuple):
    window_ms: int = 60_000  # ms from request to deadline


class State(NamedTuple):
    book: Book


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
        b.phase[e.job] = Phase.SETTLED
        b.prover[e.job] = e.actor
        pay(b, e.job, b.escrow[e.job] + 1)
    elif e.kind == Kind.EXPIRE:
        b.phase[e.job] = Phase.LOST
        refund(b, e.job)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
