"""Rows of finished runs, kept as Parquet while they come in, so that nothing is done twice.

A folder `parts` beside the final file grows by one small Parquet file a second. Each row has a `key` that says which
run it is; whoever opens the folder again finds the rows by it. Files appear whole or not at all.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from proofyard.core.errors import BadInput, Fault

EVERY_S = 1.0  # the most that a crash costs
KEY = "key"

Row = Mapping[str, Any]  # texts, numbers and bytes by name


class Store:
    """Rows by key, in `folder`."""

    def __init__(self, folder: Path, name: str = "runs.parquet") -> None:
        """Read what the folder holds; it is made with the first row.

        Raises BadInput when nothing can be written there, Fault for a damaged file.
        """
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            raise BadInput("--out", "a folder that can be written", f"{folder} ({there.name} is a file)")
        if not os.access(there, os.W_OK):
            raise BadInput("--out", "a folder that can be written", f"{folder} (not allowed)")
        self.file, self.parts = folder / name, folder / "parts"
        self.rows: dict[str, dict[str, Any]] = {}
        self.used: dict[str, dict[str, Any]] = {}  # of these, what was asked for or put since the folder was opened
        self.fresh: list[dict[str, Any]] = []
        self.written = time.monotonic()
        for path in [self.file, *sorted(self.parts.glob("*.parquet"))]:
            if path.is_file():
                self._read(path)
        self.next = 1 + max((int(path.stem) for path in self.parts.glob("*.parquet")), default=0)

    def _read(self, path: Path) -> None:
        import polars as pl  # noqa: PLC0415 - a run that keeps nothing does not wait for it

        try:
            frame = pl.read_parquet(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise Fault(f"{path} cannot be read ({error}); remove it to run again.") from None
        self.rows |= {row[KEY]: row for row in frame.iter_rows(named=True) if KEY in row}

    def get(self, key: str) -> dict[str, Any] | None:
        """Find the row of a run that was done, with its key."""
        row = self.rows.get(key)
        if row is not None:
            self.used[key] = row
        return row

    def put(self, key: str, row: Row) -> None:
        """Keep the row of a run; on disk within a second."""
        kept = {KEY: key, **row}
        self.rows[key] = self.used[key] = kept
        self.fresh.append(kept)
        if time.monotonic() - self.written > EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Write what is not on disk yet. Raises Fault where that cannot be, as on a full disk."""
        if self.fresh:
            _write(self.fresh, self.parts / f"{self.next:06}.parquet")
            self.next += 1
            self.fresh = []
        self.written = time.monotonic()

    def finish(self, rows: Iterable[Row] | None = None) -> None:
        """Write the final file with exactly `rows`, or with all that were used, and remove the parts. Raises Fault."""
        _write(list(self.used.values() if rows is None else rows), self.file)
        shutil.rmtree(self.parts, ignore_errors=True)
        self.fresh = []


def _write(rows: list[Any], path: Path) -> None:
    """Write rows as Parquet, under the final name only once they are all there. Raises Fault."""
    import polars as pl  # noqa: PLC0415 - as above

    draft = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(draft)
        draft.replace(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        why = str(error).strip().splitlines()[0].removeprefix("parquet: File out of specification: ")
        raise Fault(f"{path} cannot be written ({why}); what was written before is kept, go on from there.") from None


def check_files(place: Path, names: Sequence[str]) -> None:
    """Refuse a folder that holds other files than these, which grow in place over several runs. Raises BadInput."""
    if place.exists() and not place.is_dir():
        raise BadInput("--out", "a folder", f"the file {place}")
    foreign = sorted({path.name for path in place.iterdir()} - set(names)) if place.exists() else []
    if foreign:
        raise BadInput("--out", "a new folder or one of an earlier run", f"{place}, which holds {foreign[0]}")


def write_files(place: Path, texts: Mapping[str, str]) -> None:
    """Write files into a folder, each whole or not at all. Raises BadInput."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            draft = place / f".{name}.{os.getpid()}"
            draft.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
            draft.replace(place / name)
    except OSError as error:
        raise BadInput("--out", "a folder that can be written", f"{place} ({error.strerror})") from None
