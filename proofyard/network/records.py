"""Rows of the journal: events of the rule and records of the market, each bound to all before it by a hash.

A row with `kind` >= 0 is an `Event` that the rule accepted. Below 0 it is a record the rule never sees:

| kind       |    | actor     | amount          | body                                             |
| ---------- | -- | --------- | --------------- | ------------------------------------------------ |
| GENESIS    | -1 |           |                 | rule, chain, capacities, first commitment        |
| JOIN       | -2 | newcomer  |                 | address, name and its signed message             |
| DEPOSIT    | -3 | whose     | gwei put in     | where it came from                               |
| WITHDRAWAL | -4 | whose     | gwei taken out  | signed message, or the chain's word              |
| RESUME     | -5 |           | ms since 1970   | who writes from here on                          |
| BEACON     | -6 |           |                 | commitment to the next words                     |
| CANCEL     | -7 | sender    | nonce made void | signed message                                   |
| SETTLEMENT | -8 |           | number of batch | transaction, head it settled, result             |
| UNCOVERED  | -9 | whose     | gwei            | the chain's word: money the rule holds has left  |
"""

import hashlib
import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

from proofyard.core.event import Event, Kind

FIRST = b"\0" * 32  # what stands for the hash before the first row
_NUMBERS = struct.Struct(">9q")
_encoder, _decoder = msgspec.json.Encoder(), msgspec.json.Decoder()
NO_JOB = -1  # `job` of a row that is about none


class Record(IntEnum):
    """Rows that are not events. The numbers are part of the journal's format and never change."""

    GENESIS = -1
    JOIN = -2
    DEPOSIT = -3
    WITHDRAWAL = -4
    RESUME = -5
    BEACON = -6
    CANCEL = -7
    SETTLEMENT = -8
    UNCOVERED = -9


def name_of(kind: int) -> str:
    """Name a row's kind."""
    return (Kind if kind >= 0 else Record)(kind).name


class Row(NamedTuple):
    """One row.

    Attributes
    ----------
    seq : from 0, without gaps
    at : ms since 1970 by the writer's clock, for people; no rule sees it
    kind, time, actor, job, amount, detail, word : an `Event`, or a `Record` with the same columns
    body : JSON; what makes the row checkable: the signed message, the revealed number of the beacon
    hash : SHA-256 of the hash before, the nine integers above (big-endian int64) and the body
    """

    seq: int
    at: int
    kind: int
    time: int
    actor: int
    job: int
    amount: int
    detail: int
    word: int
    body: bytes
    hash: bytes

    @property
    def event(self) -> Event:
        """The row as the rule sees it."""
        return Event(*self[2:9])


class Blob(NamedTuple):
    """Bytes too long for a row, found by their hash: what is to be proven, and proofs."""

    digest: bytes
    data: bytes


def hash_row(before: bytes, row: tuple[Any, ...]) -> bytes:
    """Compute the hash of a row whose first ten columns are given; it follows the row with hash `before`."""
    return hashlib.sha256(before + _NUMBERS.pack(*row[:9]) + row[9]).digest()


def make_row(before: "Row | None", at: int, event: tuple[int, ...], body: bytes) -> Row:
    """Put a row after `before` (None: the first)."""
    seq, past = (before.seq + 1, before.hash) if before is not None else (0, FIRST)
    hashed = hashlib.sha256(past + _NUMBERS.pack(seq, at, *event) + body).digest()
    return Row._make((seq, at, *event, body, hashed))


def pack(body: dict[str, Any]) -> bytes:
    """Write a body: JSON without spaces, keys in the order given."""
    return _encoder.encode(body)


def unpack(body: bytes) -> dict[str, Any]:
    """Read a body."""
    return _decoder.decode(body) if body else {}


def first_broken(rows: Iterable[Row], before: bytes = FIRST, seq: int = 0) -> int:
    """Return the number of the first row that does not continue the chain, -1 if all do."""
    for row in rows:
        if row.seq != seq or row.hash != hash_row(before, row):
            return seq
        before, seq = row.hash, seq + 1
    return -1


def digest(data: bytes) -> bytes:
    """Name a blob."""
    return hashlib.sha256(data).digest()
