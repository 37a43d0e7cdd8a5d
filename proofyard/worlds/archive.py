"""Import of the public archive of measured proofs into the long CSV format that `traces.read` takes.

Source  eth-act/zkevm-benchmark-runs, layout `data/proving/<hardware>/mainnet-<from>-<to>/<client>/<zkvm>/
        rpc_block_<n>.json`, seen at commits fd7dfb3 (2025-12) to 9d6375e (2026-05). A record holds
        `metadata.block_used_gas` and either `proving.success` (`proving_time_ms`, `proof_size` and, since 2026-01,
        `verification_time_ms`) or `proving.crashed` (`reason`).
"""

import csv
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from proofyard.core.errors import BadInput

_FOLDER = re.compile(r"mainnet-\d+-\d+")
_FILE = re.compile(r"rpc_block_(\d+)\.json")
_DEPTH = 5  # hardware, range of blocks, client, zkvm, file


class Row(NamedTuple):
    """One attempt, as one line of the CSV file; None is written as nothing."""

    block: int
    gas_used: int
    hardware: str
    client: str
    zkvm: str
    status: str  # ok | crash
    proving_time_ms: int | None
    proof_size_bytes: int | None
    verification_time_ms: int | None


def import_archive(folder: str | Path) -> list[Row]:
    """Read every mainnet record under `folder`.

    Parameters
    ----------
    folder : the archive, or any folder on the way down to the records

    Returns
    -------
    Rows sorted by hardware, client, zkVM and block.

    Raises
    ------
    BadInput : no record there, a record in another layout, or one block twice for one set-up.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise BadInput(str(folder), "a folder", "a file" if root.exists() else "nothing there")
    rows: dict[tuple[str, str, str, int], Row] = {}
    for path in sorted(root.rglob("rpc_block_*.json")):
        place = path.parts[-_DEPTH:]
        if "proving" not in path.parts or len(place) < _DEPTH or not _FOLDER.fullmatch(place[1]):
            continue  # executions and synthetic sets share the archive
        row = _row(path)
        key = (row.hardware, row.client, row.zkvm, row.block)
        if key in rows:
            raise BadInput(str(path), "one record per block and set-up", f"a second one of block {row.block}")
        rows[key] = row
    if not rows:
        wanted = "records proving/<hardware>/mainnet-<from>-<to>/<client>/<zkvm>/rpc_block_<n>.json"
        raise BadInput(str(folder), wanted, "none")
    return [rows[key] for key in sorted(rows)]


def write_csv(rows: Iterable[Row], path: str | Path) -> None:
    """Write `rows` in the long format. Raises BadInput when the file cannot be written."""
    try:
        with Path(path).open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(Row._fields)
            writer.writerows(rows)
    except OSError as problem:
        raise BadInput(str(path), "a file that can be written", problem.strerror) from None


def _row(path: Path) -> Row:
    number = _FILE.fullmatch(path.name)
    if number is None:
        raise BadInput(str(path), "a file rpc_block_<n>.json", path.name)
    try:
        record: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise BadInput(str(path), "a JSON record", problem) from None
    proving = _part(path, record, "proving")
    gas = _count(path, _part(path, record, "metadata"), "block_used_gas")
    hardware, _, client, zkvm, _ = path.parts[-_DEPTH:]
    if "crashed" in proving:
        return Row(int(number[1]), gas, hardware, client, zkvm, "crash", None, None, None)
    success = _part(path, proving, "success")
    time_ms, size = (_count(path, success, "proving_time_ms"), _count(path, success, "proof_size"))
    verify = _count(path, success, "verification_time_ms") if "verification_time_ms" in success else None
    return Row(int(number[1]), gas, hardware, client, zkvm, "ok", time_ms, size, verify)


def _part(path: Path, record: object, key: str) -> dict[str, object]:
    part = cast("dict[str, object]", record).get(key) if isinstance(record, dict) else None
    if not isinstance(part, dict):
        raise BadInput(str(path), f"an object {key}", "none" if part is None else repr(part))
    return cast("dict[str, object]", part)


def _count(path: Path, record: dict[str, object], key: str) -> int:
    value = record.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadInput(str(path), f"a whole number {key}", "none" if value is None else repr(value))
    return value


def main(arguments: Sequence[str]) -> int:
    """Import an archive folder into a CSV: `python -m proofyard.worlds.archive FOLDER FILE`; returns the exit code."""
    if len(arguments) != 2:  # noqa: PLR2004 - the folder and the file
        print("usage: python -m proofyard.worlds.archive FOLDER FILE", file=sys.stderr)  # noqa: T201 - a command
        return 2
    folder, file = arguments
    try:
        rows = import_archive(folder)
        write_csv(rows, file)
    except BadInput as error:
        print(f"proofyard: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(f"wrote {len(rows):,} proofs to {file}")  # noqa: T201
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
