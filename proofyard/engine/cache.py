"""Where compiled code is kept, in a folder that can never be stale: its name is a hash of all sources.

Numba's own cache does not see a change in a function called from another file (numba/numba#1833), so every change of
a source that is compiled, of Numba or of Python leads to a new, empty folder. Old folders are removed.
"""

import hashlib
import os
import re
import shutil
import sys
import time
import uuid
from functools import cache
from pathlib import Path

import numba
from numba.core import config

import proofyard
from proofyard.core.parts import PartCompiler

OURS = re.compile(r"(numba-)?[0-9a-f]{16}-\d")  # names of folders of compiled code
KEEP_DAYS = 14  # folders of other versions are removed after this long unused


def root() -> Path:
    """Folder of all caches: `PROOFYARD_CACHE`, else `$XDG_CACHE_HOME/proofyard`, else `~/.cache/proofyard`."""
    chosen = os.environ.get("PROOFYARD_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "proofyard"


def digest_of(paths: list[Path]) -> str:
    """Hash the names and contents of `paths`, 16 hexadecimal digits."""
    total = hashlib.blake2b(digest_size=8)
    for path in paths:
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


@cache
def folder() -> Path:
    """Make and return the cache folder of these very sources, and let Numba use it."""
    package = Path(proofyard.__file__).parent
    folders = "core/*.py", "engine/*.py", "policies/view.py"  # a rule's or policy's own file names its entry
    sources = sorted(path for folder in folders for path in package.glob(folder))
    versions = f"{numba.__version__}-{sys.version_info.major}{sys.version_info.minor}"
    place = root() / f"{digest_of(sources)}-{versions}"
    if not place.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        _remove_old(place)
    config.CACHE_DIR = str(place)  # pyright: ignore[reportAttributeAccessIssue]  # Numba makes it at run time
    return place


class Shelf:
    """The shared parts of rules in that folder, for `core.parts`."""

    def read(self, key: str) -> bytes | None:
        """Return what was written under `key`, None when there is nothing."""
        try:
            return (folder() / key).read_bytes()
        except OSError:
            return None

    def write(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`: whole or not at all, whoever else writes."""
        draft = folder() / f"{key}.{uuid.uuid4().hex}.tmp"
        draft.write_bytes(content)
        draft.replace(folder() / key)


def is_cold() -> bool:
    """Say whether the engine has yet to be compiled for these sources."""
    return next(folder().rglob("kernels.run-*.nbi"), None) is None


def _remove_old(current: Path) -> None:
    """Remove folders of other versions that nobody has used for `KEEP_DAYS`."""
    oldest = time.time() - KEEP_DAYS * 86_400
    for other in current.parent.iterdir():
        ours = OURS.match(other.name)  # the cache has more in it: tools, circuits, the reference string
        if ours and other != current and other.is_dir() and other.stat().st_mtime < oldest:
            shutil.rmtree(other, ignore_errors=True)


folder()
PartCompiler.shelf = Shelf()
