"""Numba for the rollup: compiled once, kept in a folder named by a hash of these sources.

Numba's own cache does not see a change in a function called from another file (numba/numba#1833).
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
from numba.core import config

from proofyard.tools.cache import digest_files, root

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])


def _folder() -> str:
    """Name the folder of these very sources."""
    sources = digest_files(Path(__file__).parent.glob("*.py"))
    return str(root() / f"numba-{sources}-{numba.__version__}-{sys.version_info.major}{sys.version_info.minor}")


FOLDER = _folder()


def compiled(function: "Function") -> "Function":
    """Compile a function when it is first called, and keep the result."""
    return _decorate(function, parallel=False)


def compiled_parallel(function: "Function") -> "Function":
    """Compile a function whose `prange` loops run on all cores."""
    return _decorate(function, parallel=True)


def _decorate(function: "Function", *, parallel: bool) -> "Function":
    """Let Numba choose its cache folder while ours is set: the engine's functions live in another."""
    settings: Any = config  # Numba makes its attributes at run time
    before = settings.CACHE_DIR
    settings.CACHE_DIR = FOLDER
    try:
        made: Any = numba.njit(cache=True, parallel=parallel, nogil=True)
        return made(function)
    finally:
        settings.CACHE_DIR = before
