"""A race with an average in its state, as a float: refused before it runs."""

from typing import NamedTuple

from proofyard.core import Book, Event, Verdict


class Params(NamedTuple):
    window_ms: int = 1_000


class State(NamedTuple):
    book: Book
    average: float


def apply(p: Params, s: State, e: Event) -> Verdict:  # noqa: ARG001
    return Verdict.UNKNOWN
