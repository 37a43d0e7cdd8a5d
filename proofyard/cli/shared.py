"""What several verbs share: options, how a run shows its progress, JSON for machines."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import Token

    from proofyard.engine.result import Run
    from proofyard.scenario import Scenario


def _whole(_: Any, tokens: "Sequence[Token]") -> int:
    """Read a whole number; left to itself, cyclopts makes 2 of 1.5."""
    from proofyard.core.errors import BadInput

    try:
        return int(tokens[0].value)
    except ValueError:
        raise BadInput(str(tokens[0].keyword), "a whole number", repr(tokens[0].value)) from None


Whole = Annotated[int, Parameter(converter=_whole)]
Settings = Annotated[list[str] | None, Parameter(name="--set", negative="", consume_multiple=False)]
Mechanisms = Annotated[list[str] | None, Parameter(name=["--mechanism", "-m"], negative="", consume_multiple=False)]
MOST_SEED = 2**62  # as in a scenario
MOST_SEEDS = 100_000  # the results of all stay in memory until the last is in
Json = Annotated[bool, Parameter(name="--json", negative="")]


def changes(settings: list[str] | None) -> dict[str, str]:
    """Split `--set key=value` options."""
    from proofyard.core.errors import BadInput

    changes: dict[str, str] = {}
    for text in settings or []:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise BadInput("--set", "key=value, e.g. workload.every=6s", repr(text))
        changes[key.strip()] = value.strip()
    return changes


def runs(scenario: "Scenario", seeds: int, *, quiet: bool, traced: bool = False) -> "list[Run]":
    """Run `seeds` seeds of a scenario with a progress line."""
    from proofyard.lab.runs import run_seeds

    return run_seeds(scenario, seeds, quiet=quiet, traced=traced)


def check_place(out: Path) -> None:
    """Refuse an --out folder that is somebody else's before the run, not after it."""
    from proofyard.lab import output

    output.check_place(out)


def check_workers(workers: int | None) -> None:
    """Refuse a number of processes below one. Raises BadInput."""
    from proofyard.core.errors import BadInput

    if workers is not None and workers < 1:
        raise BadInput("--workers", "a whole number from 1", workers)


def check_seeds(seeds: int) -> None:
    """Refuse a number of seeds that is none, or more than anybody waits for. Raises BadInput."""
    from proofyard.core.errors import BadInput

    if not 1 <= seeds <= MOST_SEEDS:
        raise BadInput("--seeds", f"a whole number from 1 to {MOST_SEEDS:,}", seeds)


def check_seed(seed: int) -> None:
    """Refuse a seed that no generator takes. Raises BadInput."""
    from proofyard.core.errors import BadInput

    if not 0 <= seed < MOST_SEED:
        raise BadInput("--seed", f"a whole number from 0 to {MOST_SEED - 1:,}", seed)


def gwei(text: str, option: str) -> int:
    """Read an option that is an amount of tokens. Raises BadInput."""
    from proofyard.core import MAX_GWEI
    from proofyard.core.errors import BadInput
    from proofyard.scenario import amount

    try:
        value = int(amount(text) * 10**9)
    except BadInput as error:
        raise BadInput(option, error.wanted, error.got) from None
    if value > MAX_GWEI:
        raise BadInput(option, f"at most {MAX_GWEI // 10**9:,} tokens", text)
    return value


def check_file(path: Path, option: str) -> None:
    """Refuse, before a long run rather than after it, a file that can't be written. Raises BadInput."""
    from proofyard.core.errors import BadInput

    if path.is_dir():
        raise BadInput(option, "a file", f"{path}, which is a folder")
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not there.is_dir() or not os.access(path if path.exists() else there, os.W_OK):
        raise BadInput(option, "a file that can be written", path)


def print_json(value: Any) -> None:
    """Print `value` for machines."""
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False))


def start_quickly() -> None:
    """Keep Numba from importing, on the way, packages this program never uses.

    Where SciPy and coverage are installed, Numba loads SciPy's linear algebra for products of matrices and coverage for
    its own tests: together a third of the time to the first result. Only the command does this, not the library.
    """
    unused = [name for name in ("scipy.linalg.cython_blas", "coverage") if name not in sys.modules]
    for name in unused:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType] - the way to say: not to be found
    try:
        import numba.np.arraymath  # pyright: ignore[reportUnusedImport] # noqa: F401
    finally:
        for name in unused:
            del sys.modules[name]
