# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# LLVM's bindings have no types.
"""Machine code kept on disk and loaded by LLVM's own loader, without the compiler that made it.

Numba takes half a second to import and to make ready, compiled or not; an object file is loaded in two milliseconds.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from llvmlite import binding  # pyright: ignore[reportAttributeAccessIssue]

from proofyard.tools.cache import digest, replace_file

Made = Callable[[], tuple[str, bytes]]  # compiles: a symbol and the object file it is in
_engines: list[Any] = []  # they own the code


def processor() -> str:
    """Name this very processor and all it can do: code made for it may not run on another."""
    return f"{binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}"


def address(place: Path, make: Made, ready: Callable[[str], object] | None = None) -> int:
    """Load the function kept at `place`, made first if there is none that is whole; return where it is.

    Parameters
    ----------
    ready : is told the symbol, and sees to it that the process has all its code needs (else LLVM ends the process)

    Raises what `make` raises.
    """
    symbol, code = _read(place) or _keep(place, *make())
    if ready is not None:
        ready(symbol)
    engine = _engine("")
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return int(engine.get_function_address(symbol))


def assembled(text: str, symbol: str) -> int:
    """Compile the function `symbol` of a few lines of LLVM's own language, in milliseconds; return where it is."""
    engine = _engine(text)
    engine.finalize_object()
    return int(engine.get_function_address(symbol))


def _engine(text: str) -> Any:
    engine = binding.create_mcjit_compiler(binding.parse_assembly(text), _target().create_target_machine(jit=True))
    _engines.append(engine)
    return engine


@cache
def _target() -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding.Target.from_default_triple()


def _read(place: Path) -> tuple[str, bytes] | None:
    """Read a symbol and the object file it is in; None if there is none, or not as it was written."""
    try:
        head, _, code = place.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    symbol, _, checksum = head.decode("ascii", "replace").partition(" ")
    return (symbol, code) if checksum == digest(symbol, code) else None


def _keep(place: Path, symbol: str, code: bytes) -> tuple[str, bytes]:
    """Keep code with its checksum."""
    replace_file(place, f"{symbol} {digest(symbol, code)}\n".encode("ascii") + code)
    return symbol, code
