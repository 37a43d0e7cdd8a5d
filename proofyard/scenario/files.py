"""Files that a scenario names: its rule, policies, measurements, layers. They are sought beside it, from anywhere."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

Tree = dict[str, Any]
_PYTHON = r"()([^()]+\.py)(\s*(?:\(.*)?)"  # `rule.py(window_ms=60000)`
_PROFILE = r"(profile:)(.+)()"
_CHAIN = r"()(.+\.toml)()"
_FILE = r"()(.+)()"


def found(tree: Tree, folder: Path) -> None:
    """Let `tree`, read from a scenario in `folder`, name its files so that they are found from here."""
    _rename(tree, lambda file: str(folder / file) if (folder / file).exists() else file)


def found_here(tree: Tree, folder: Path) -> None:
    """Do the same for what the command line may have put into `tree`: what is here goes before what is in `folder`."""
    _rename(tree, lambda file: str(folder / file) if not Path(file).exists() and (folder / file).exists() else file)


def seen_from(tree: Tree, folder: Path) -> None:
    """Let `tree`, whose files are found from here, name them as a scenario in `folder` does."""
    _rename(tree, lambda file: os.path.relpath(file, folder) if Path(file).exists() else file)


def _rename(tree: Tree, name: Callable[[str], str]) -> None:
    for table, key, pattern in _places(tree):
        match = re.fullmatch(pattern, value, re.DOTALL) if isinstance(value := table.get(key), str) else None
        if match:
            table[key] = f"{match[1]}{name(match[2])}{match[3]}"


def _places(tree: Tree) -> Iterator[tuple[Tree, str, str]]:
    """Say where a scenario may name a file, and how."""
    for name, key, pattern in (
        ("", "mechanism", _PYTHON), ("variants", "mechanism", _PYTHON), ("provers", "policy", _PYTHON),
        ("provers", "hardware", _PROFILE), ("workload", "trace", _FILE), ("workload", "after", _FILE),
        ("chain", "profile", _CHAIN),
    ):  # fmt: skip
        there: Any = tree.get(name, {}) if name else tree
        for table in cast("list[Any]", there if isinstance(there, list) else [there]):
            if isinstance(table, dict):
                yield table, key, pattern
