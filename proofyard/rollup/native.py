# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# LLVM's bindings have no types.
"""Compiled functions as plain machine code: once it is kept on disk, nothing of Numba has to be made ready to call it.

A dispatcher of Numba takes 0.4 s of CPU before its first call, cached or not; a proof of 16 transfers takes five.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from llvmlite import binding  # pyright: ignore[reportAttributeAccessIssue]

from proofyard.rollup.compiled import FOLDER
from proofyard.tools import machine
from proofyard.tools.cache import digest

POINTER, COUNT = "CPointer(uint64)", "int64"
C_TYPES: dict[str, Any] = {POINTER: ctypes.c_void_p, COUNT: ctypes.c_int64, "boolean": ctypes.c_bool, "void": None}
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


def _address(function: Function, signature: str) -> int:
    """Where a function's machine code is, made first if this processor has none that is whole."""
    place = Path(FOLDER) / f"{function.__name__.strip('_')}-{digest(machine.processor(), signature)}.o"
    return machine.address(place, lambda: _made(function, signature))


def _made(function: Function, signature: str) -> tuple[str, bytes]:
    """Compile a function for this very processor."""
    made: Any = numba.cfunc(signature, error_model="numpy")(function)
    name, features = binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()
    target = binding.Target.from_default_triple().create_target_machine(name, features, opt=3, jit=True)
    return str(made.native_name), bytes(target.emit_object(binding.parse_assembly(made.inspect_llvm())))
