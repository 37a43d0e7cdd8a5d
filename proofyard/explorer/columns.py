"""What the rule keeps about each actor, with its unit: read from the rule's own file, so for any rule."""

from typing import NamedTuple

from proofyard.core import shape
from proofyard.explorer.view import View
from proofyard.lab import catalogue

BOOK = {"book.cash": "free money, outside the market", "book.slashed": "gwei taken from it so far (a record)"}
TIME = "time"  # of the market: ms since genesis; "ms" is how long something takes


class Column(NamedTuple):
    """One array of the state with a row per actor.

    Attributes
    ----------
    path : `book.cash`, `stake`
    unit : "gwei" (the token's smallest unit), "gwei per gas", `TIME`, "ms", "bips", "billionths", … or "" for a count
    meaning : "" where the rule's file says nothing
    """

    path: str
    unit: str
    meaning: str


def told(view: View) -> catalogue.Entry:
    """Read the rule's file, once; Python's parser must not run in two threads (CPython 3.11 and 3.12)."""
    replay, own = view.replay, view.rule
    with replay.lock:
        if replay.told is None:
            shipped = own.module.__name__.startswith("proofyard.mechanisms.")
            replay.told = catalogue.entry(own.name if shipped else str(own.module.__file__))
        return replay.told


def columns(view: View) -> list[Column]:
    """List the columns about actors, in the order of the state."""
    notes = {field.name: field.meaning for field in told(view).state} | BOOK
    found: list[Column] = []
    for field, _ in shape.named(view.state):
        if field.size == "actor":
            unit, meaning = catalogue.unit_of(field.path, notes.get(field.path, ""))
            if unit == "ms" and not field.path.endswith("_ms"):
                unit = TIME
            found.append(Column(field.path, "gwei" if field.money else unit, meaning))
    return found
