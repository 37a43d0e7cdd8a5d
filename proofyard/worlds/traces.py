"""Measured proofs as a table: one row per block, one column per prover set-up, read from a long CSV file.

Format  One row per attempt: `block, gas_used, hardware, client, zkvm, status, proving_time_ms` and any further columns,
        in any order. `status` is `ok` (with a time) or `crash`. A set-up is named `hardware/client/zkvm`.
Source  The layout of the figures taken from eth-act/zkevm-benchmark-runs; `archive.py` makes such files from it.
"""

import csv
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from proofyard.core.errors import BadInput
from proofyard.worlds.tables import Ints
from proofyard.worlds.text import match_setup, unknown

COLUMNS = ("block", "gas_used", "hardware", "client", "zkvm", "status", "proving_time_ms")
CRASH = -1
ABSENT = 0
LARGEST = 10**15  # a time in ms or gas beyond this is a mistake, and would not fit the engine's products


class Attempt(NamedTuple):
    """One attempt to prove one block with one set-up."""

    line: int  # in the file, counted from 1
    block: int
    gas: int
    setup: str  # hardware/client/zkvm
    time_ms: int  # CRASH or a positive time


@dataclass(frozen=True, eq=False)
class Trace:
    """Proofs of B blocks by S set-ups.

    Attributes
    ----------
    block : int64[B], ascending
    gas : int64[B], gas used by the block
    names : S names `hardware/client/zkvm`
    time_ms : int64[B, S], ms; CRASH (-1) for a crashed attempt, ABSENT (0) for none
    """

    block: Ints
    gas: Ints
    names: tuple[str, ...]
    time_ms: Ints

    def column(self, setup: str) -> int:
        """Column of `setup`, a full name or a short one such as `8x5090/zisk-0.16`. Raises BadInput."""
        return self.names.index(match_setup(setup, self.names, "set-up"))


def read(path: str | Path, *, setups: Sequence[str] | None = None) -> Trace:
    """Read a trace.

    Parameters
    ----------
    path : a CSV file in the format above
    setups : columns wanted, in this order, full or short names; None takes all, sorted by name. Other set-ups in the
        file are ignored, and so are blocks that only they attempted.

    Returns
    -------
    Trace with B >= 1 and S >= 1.

    Raises
    ------
    BadInput : anything wrong with the file, with its name, line and column.
    """
    found: dict[str, int] = {}  # set-ups of the file, in order of appearance
    words = array("q")  # line, block, gas, time, set-up of each attempt; ten million of them are no objects
    for line, block, gas, setup, time_ms in _attempts(Path(path)):
        words.extend((line, block, gas, time_ms, found.setdefault(setup, len(found))))
    if not found:
        raise BadInput(str(path), "at least one row of data", "none")
    present = sorted(found)
    wanted = present if setups is None else [match_setup(setup, present, str(path)) for setup in setups]
    names = tuple(dict.fromkeys(wanted))
    if not names:
        raise BadInput(str(path), "at least one set-up to read", "an empty list")
    place = np.full(len(found), -1, np.int64)
    place[[found[name] for name in names]] = np.arange(len(names))
    return _table(str(path), names, place, np.frombuffer(words, np.int64).reshape(-1, 5))


def _table(path: str, names: tuple[str, ...], place: Ints, rows: Ints) -> Trace:
    """Lay attempts out by block and set-up: a row is line, block, gas, time and set-up, whose column is in `place`."""
    line, number, gas, time_ms, column = rows[place[rows[:, 4]] >= 0].T
    block, first, at = np.unique(number, return_index=True, return_inverse=True)
    cell = at * len(names) + place[column]
    order = np.argsort(cell, kind="stable")
    twice = np.zeros(len(cell), np.bool_)
    twice[order[1:]] = cell[order[1:]] == cell[order[:-1]]
    other = gas != gas[first][at]
    for k in np.flatnonzero(other | twice)[:1].tolist():
        here = f"{path}, line {line[k]}"
        if other[k]:
            got = f"{gas[k]} after {gas[first[at[k]]]}"
            raise BadInput(f"{here}, column gas_used", f"the same gas in every row of block {number[k]}", got)
        raise BadInput(f"{here}, column block", "one row per block and set-up", f"block {number[k]} twice")
    table = np.full((len(block), len(names)), ABSENT, np.int64)
    table.flat[cell] = time_ms
    return Trace(block, gas[first], names, table)


def _attempts(path: Path) -> Iterator[Attempt]:
    """Rows of the file, checked. The standard reader is used because it knows line numbers and starts at once."""
    if not path.is_file():
        raise BadInput(str(path), "a CSV file", "a folder" if path.is_dir() else "no such file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            columns = _header(path, next(reader, None))
            width = columns.pop("")
            for fields in reader:
                if fields:  # an empty line is no row
                    yield _attempt(f"{path}, line {reader.line_num}", reader.line_num, fields, columns, width)
    except (UnicodeDecodeError, csv.Error) as problem:
        raise BadInput(str(path), "text in UTF-8 with comma-separated values", problem) from None
    except OSError as problem:
        raise BadInput(str(path), "a file that can be read", problem.strerror) from None


def _header(path: Path, header: list[str] | None) -> dict[str, int]:
    """Position of each column wanted; the number of columns under the empty name."""
    if header is None:
        raise BadInput(str(path), "a header line and rows", "an empty file")
    found = [name.strip() for name in header]
    for name in COLUMNS:
        if name not in found:
            near = unknown(f"{path}, line 1", f"columns {', '.join(found)}", found, looks_like=name).wanted
            raise BadInput(f"{path}, line 1", f"a column {name}{near[near.rfind(' (') :]}", ", ".join(found))
    return {name: found.index(name) for name in COLUMNS} | {"": len(found)}


def _attempt(here: str, line: int, fields: list[str], columns: dict[str, int], width: int) -> Attempt:
    if len(fields) != width:
        raise BadInput(here, f"{width} fields as in the header", f"{len(fields)}")
    text = {name: fields[k].strip() for name, k in columns.items()}
    for name in ("hardware", "client", "zkvm"):
        if not text[name] or "/" in text[name]:
            raise BadInput(f"{here}, column {name}", "a name without a slash", repr(text[name]))
    if text["status"] not in {"ok", "crash"}:
        raise BadInput(f"{here}, column status", "ok or crash", repr(text["status"]))
    time_ms = CRASH
    if text["status"] == "ok" or text["proving_time_ms"]:
        time_ms = _positive(f"{here}, column proving_time_ms", text["proving_time_ms"], "a positive time in whole ms")
    if text["status"] == "crash":  # some archives note how long it took to crash; the race only needs that it did
        time_ms = CRASH
    return Attempt(
        line,
        _positive(f"{here}, column block", text["block"], "a block number from 1"),
        _positive(f"{here}, column gas_used", text["gas_used"], "a positive amount of gas"),
        "/".join((text["hardware"], text["client"], text["zkvm"])),
        time_ms,
    )


def _positive(field: str, text: str, wanted: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 0 < value <= LARGEST:
        raise BadInput(field, wanted, repr(text))
    return value
