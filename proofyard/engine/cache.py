"""Where compiled code is kept, in a folder that can never be stale: its name is a hash of all it is made of.

Every change of a source that is compiled, of Numba, of Python or of the processor leads to a new, empty folder. Old
folders are removed.
"""

import re
import shutil
import sys
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import proofyard
from proofyard.tools.cache import digest, digest_files, replace_file, root
from proofyard.tools.machine import processor

OURS = re.compile(r"(numba-)?[0-9a-f]{16}-\d")  # names of folders of compiled code
KEEP_DAYS = 14  # folders of other versions are removed after this long unused


@cache
def folder() -> Path:
    """Make and return the cache folder of these very sources."""
    package = Path(proofyard.__file__).parent
    folders = "core/*.py", "engine/*.py", "policies/view.py"  # a rule's or policy's own file names its entry
    sources = sorted(path for folder in folders for path in package.glob(folder))
    name = digest(digest_files([*sources, *_versions()]), processor())
    place = root() / f"{name}-{sys.version_info.major}{sys.version_info.minor}"
    if not place.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        _remove_old(place)
    return place


def _versions() -> list[Path]:
    """Files that tell the versions of Numba and llvmlite, found without importing them."""
    places = [spec.origin for name in ("numba", "llvmlite") if (spec := find_spec(name)) and spec.origin]
    return [Path(place).with_name("_version.py") for place in places]


def read(name: str) -> bytes | None:
    """Return what was written under `name` in that folder, None when there is nothing."""
    try:
        return (folder() / name).read_bytes()
    except OSError:
        return None


def write(name: str, content: bytes) -> None:
    """Keep `content` under `name` in that folder."""
    replace_file(folder() / name, content)


def _remove_old(current: Path) -> None:
    """Remove folders of other versions that nobody has used for `KEEP_DAYS`."""
    oldest = time.time() - KEEP_DAYS * 86_400
    for other in current.parent.iterdir():
        ours = OURS.match(other.name)  # the cache has more in it: tools, circuits, the reference string
        if ours and other != current and other.is_dir() and other.stat().st_mtime < oldest:
            shutil.rmtree(other, ignore_errors=True)
