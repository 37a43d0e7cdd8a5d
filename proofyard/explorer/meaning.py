"""What a rule's own columns mean: in the words of its file, with the unit they are read in."""

import re
from typing import NamedTuple

from proofyard.core import shape
from proofyard.core.book import Ints
from proofyard.explorer.view import View
from proofyard.lab import catalogue

BOOK = {"book.cash": "free money, outside the market", "book.slashed": "gwei taken from it so far (a record)"}
MOMENT = re.compile(r"ms(?:$|[,;]| until| from)")  # `ms a proof takes` is no moment
AMOUNT = re.compile(r"gwei(?! per (?:gas|10))")  # `gwei per gas` is too little to be told in tokens
UNIT = re.compile(r"^(?:ms|gwei)[,;]? ?")


class Column(NamedTuple):
    """A column of the state about actors.

    Attributes
    ----------
    path : of its array in the state
    name : for people
    unit : "tokens" of what is kept in gwei, "moment" of market time in ms, "" a number
    meaning : in the words of the rule's file, without the unit it is kept in
    values : of all actors
    """

    path: str
    name: str
    unit: str
    meaning: str
    values: Ints


def told(view: View) -> catalogue.Entry:
    """Read the rule's file, once; Python's parser must not run in two threads (CPython 3.11 and 3.12)."""
    replay, own = view.replay, view.rule
    with replay.lock:
        if replay.told is None:
            shipped = own.module.__name__.startswith("proofyard.mechanisms.")
            replay.told = catalogue.entry(own.name if shipped else str(own.module.__file__))
        return replay.told


def columns(view: View) -> list[Column]:
    """List what the rule keeps about actors."""
    notes = {field.name: field.meaning for field in told(view).state} | BOOK
    found: list[Column] = []
    for field, values in shape.named(view.state):
        if field.size == "actor":
            meaning = notes.get(field.path, "")
            unit = unit_of(meaning, money=field.money)
            words = UNIT.sub("", meaning, count=1) if unit else meaning  # the value is told in another one
            found.append(Column(field.path, field.path.removeprefix("book."), unit, words, values))
    return found


def unit_of(meaning: str, *, money: bool) -> str:
    """Say how a column is read, from its meaning and whether the rule's file calls it money."""
    if money or AMOUNT.match(meaning):
        return "tokens"
    return "moment" if MOMENT.match(meaning) else ""
