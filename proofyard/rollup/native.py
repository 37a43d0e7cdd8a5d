# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# LLVM's bindings have no types.
"""Compiled functions as plain machine code: once it is kept on disk, nothing of Numba has to be made ready to call it.

A dispatcher of Numba takes 0.4 s of CPU before its first call, cached or not; a proof of 16 transfers takes five. What
is kept is an object file for this very processor, loaded by LLVM's own loader.
"""

import ctypes
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from llvmlite import binding  # pyright: ignore[reportAttributeAccessIssue]

from proofyard.rollup.compiled import FOLDER
from proofyard.tools.cache import digest

POINTER, COUNT = "CPointer(uint64)", "int64"
C_TYPES: dict[str, Any] = {POINTER: ctypes.c_void_p, COUNT: ctypes.c_int64, "boolean": ctypes.c_bool, "void": None}
_engines: list[Any] = []  # they own the code
Function = Callable[..., Any]


def native(result: str, *arguments: str) -> Callable[[Function], Function]:
    """Make a function of pointers and counts callable by `ctypes`, through a kept object file.

    Parameters
    ----------
    result : its type, `boolean` or `void`
    arguments : POINTER or COUNT each; a caller gives bytes or a buffer of `ctypes` for a pointer, which are not checked
    """

    def decorate(function: Function) -> Function:
        @cache
        def loaded() -> Function:
            kind = ctypes.CFUNCTYPE(C_TYPES[result], *(C_TYPES[each] for each in arguments))
            return kind(_address(function, f"{result}({', '.join(arguments)})"))

        def call(*given: Any) -> Any:
            return loaded()(*given)

        return call

    return decorate


def _target() -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target: Any = binding.Target.from_default_triple()
    features = binding.get_host_cpu_features().flatten()
    return target.create_target_machine(binding.get_host_cpu_name(), features, opt=3, jit=True)


def _address(function: Function, signature: str) -> int:
    """Load a function's machine code, made first if this processor has none that is whole; return where it is."""
    target = _target()
    host = digest(binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten(), signature)
    place = Path(FOLDER) / f"{function.__name__.strip('_')}-{host}.o"
    symbol, code = _read(place) or _make(function, signature, target, place)
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), target)
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return engine.get_function_address(symbol)


def _read(place: Path) -> tuple[str, bytes] | None:
    """Read a symbol and the object file it is in; None if there is none, or not as it was written."""
    try:
        head, _, code = place.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    symbol, _, checksum = head.decode("ascii", "replace").partition(" ")
    return (symbol, code) if checksum == digest(symbol, code) else None


def _make(function: Function, signature: str, target: Any, place: Path) -> tuple[str, bytes]:
    """Compile a function and keep its code: whole or not at all, whoever else writes."""
    made: Any = numba.cfunc(signature, error_model="numpy")(function)
    symbol, code = str(made.native_name), bytes(target.emit_object(binding.parse_assembly(made.inspect_llvm())))
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f"{place.name}.{uuid.uuid4().hex}.tmp")
    draft.write_bytes(f"{symbol} {digest(symbol, code)}\n".encode("ascii") + code)
    draft.replace(place)
    return symbol, code
