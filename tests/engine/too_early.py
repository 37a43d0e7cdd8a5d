"""A race in which no proof is taken before the job is so old."""

from typing import NamedTuple

from proofyard.core import Book, ByJob, Event, Kind, Phase, Verdict, ask, check, open_to_all, pay, refund, spec


class Params(NamedTuple):
    closed_ms: int = 100_000  # ms
    window_ms: int = 600_000  # ms


class State(NamedTuple):
    book: Book
    asked_at: ByJob  # ms


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out."""
    b = s.book
    verdict = check(b, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        ask(b, e, e.amount)
        s.asked_at[e.job] = e.time
        open_to_all(b, e.job, e.time + p.window_ms)
    elif e.kind == Kind.PROVE:
        if e.time < s.asked_at[e.job] + p.closed_ms:
            return Verdict.EARLY
        b.prover[e.job] = e.actor
        pay(b, e.job, b.escrow[e.job])
        b.phase[e.job] = Phase.SETTLED
    elif e.kind == Kind.EXPIRE:
        refund(b, e.job)
        b.phase[e.job] = Phase.LOST
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
