"""The race of the reference benchmark: the first proof settles the job; one whose proof would be late is lost.

Units       time ns.
Source      the workload `race` of the reference programs this is compared with.
"""

from typing import NamedTuple

from proofyard.core import Book, Event, Kind, Phase, Verdict, ask, check, open_to_all, pay, refund, spec

SOURCE = "reference benchmark, workload race"
FAMILY = "benchmark"


class Params(NamedTuple):
    """One window for all."""

    window: int = 30_000_000_000  # ns


class State(NamedTuple):
    """Nothing but the book."""

    book: Book


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    b = s.book
    verdict = check(b, e)
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.REQUEST:
        ask(b, e, e.amount)
        open_to_all(b, e.job, e.time + p.window)
    elif e.kind == Kind.PROVE:
        b.phase[e.job] = Phase.SETTLED
        b.prover[e.job] = e.actor
        pay(b, e.job, b.escrow[e.job])
    elif e.kind == Kind.EXPIRE:
        b.phase[e.job] = Phase.LOST
        refund(b, e.job)
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
