"""Files that were made once and are kept: a folder is named by a hash of what went into it, and complete or not there.

A folder is made under another name and renamed when it is whole, so an interrupted download or compilation leaves
nothing that looks finished. Two processes that want the same folder wait for each other.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from proofyard.core.errors import BadInput, Fault

MIB = 2**20

Tell: TypeAlias = Callable[[str], None]


def root() -> Path:
    """Folder of all caches: `PROOFYARD_CACHE`, else `$XDG_CACHE_HOME/proofyard`, else `~/.cache/proofyard`.

    Raises BadInput where it can't be made or written.
    """
    chosen = os.environ.get("PROOFYARD_CACHE")
    place = Path(chosen or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "proofyard")
    try:
        place.mkdir(parents=True, exist_ok=True)
        if not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        wanted = "a folder that can be written, for what is made once and kept"
        raise BadInput("PROOFYARD_CACHE", wanted, f"{place} ({error.strerror})") from None
    return place


def digest(*parts: str | bytes) -> str:
    """Hash texts and bytes, each with its length, to 16 hexadecimal digits."""
    total = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()


def digest_files(paths: Iterable[Path]) -> str:
    """Hash names and contents of files to 16 hexadecimal digits; their folder doesn't count."""
    return digest(*(part for path in sorted(paths) for part in (path.name, path.read_bytes())))


def replace_file(place: Path, content: bytes) -> None:
    """Write a file: whole or not at all, whoever else writes it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f"{place.name}.{uuid.uuid4().hex}.tmp")
    try:
        draft.write_bytes(content)
        draft.replace(place)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def kept(name: str, make: Callable[[Path], None], *, mib: int = 0) -> Path:
    """Return the folder `name` of the cache, made by `make(draft)` if it isn't there yet.

    Parameters
    ----------
    name : path below `root()`; it must contain a hash of all that `make` depends on
    make : fills an empty folder; if it raises, nothing is kept
    mib : free space it needs, MiB

    Raises
    ------
    Fault : too little space on the disk of the cache.
    """
    place = root() / name
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with locked(place.with_name(place.name + ".lock")):
        if not place.is_dir():
            check_space(place.parent, mib)
            draft = place.with_name(f"{place.name}.draft")
            shutil.rmtree(draft, ignore_errors=True)  # what an interrupted run left
            draft.mkdir()
            try:
                make(draft)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
            sums = json.dumps({f"{path.relative_to(draft)}": _sum(path) for path in _files(draft)})
            place.with_name(place.name + ".sums").write_text(sums, encoding="ascii")
            draft.replace(place)
    return place


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def check_intact(*places: Path) -> None:
    """Raise Fault if a file of a kept folder isn't as it was made; it takes time, so ask when something failed.

    Parameters
    ----------
    places : folders that `kept` returned
    """
    for place in places:
        sums = place.with_name(place.name + ".sums")
        known: dict[str, str] = json.loads(sums.read_bytes()) if sums.is_file() else {}
        for name, wanted in known.items():
            file = place / name
            if not file.is_file() or _sum(file) != wanted:
                raise Fault(f"{file}: the cache is damaged; mend it with rm -r '{place}' and run again.")


def check_space(folder: Path, mib: int) -> None:
    """Raise Fault unless `mib` MiB are free on the disk of `folder`."""
    free = shutil.disk_usage(folder).free // MIB
    if free < mib:
        raise Fault(
            f"{folder}: wanted {mib} MiB of free disk space, got {free} MiB; free some, or set PROOFYARD_CACHE to a"
            " folder on a larger disk."
        )


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold an exclusive lock on the file `path`; a process that dies lets go of it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
