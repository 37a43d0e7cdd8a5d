# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportUnknownArgumentType=false, reportPrivateUsage=false
# pyright: reportUntypedFunctionDecorator=false, reportAttributeAccessIssue=false, reportArgumentType=false
# Numba's compiler has no types.
"""Numba at work: a loop of the engine, a rule or a policy becomes an object file with one function, `entry`.

Numba's own entries report exceptions to Python, for which they need Numba when they run. What is made here stands
alone, unless it makes arrays: the parts are linked, nobody else may call them, and they are optimised as one.
"""

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import binding, ir
from numba.core import compiler, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.runtime.nrt import rtsys

from proofyard.core import compiler as told
from proofyard.core.book import Ints
from proofyard.core.errors import Fault
from proofyard.core.event import Event
from proofyard.core.parts import PartCompiler
from proofyard.engine import cache
from proofyard.engine.layout import ALONE, RAISED, WITH_NUMBA
from proofyard.engine.memory import cells_at, layout_of, pointer_to
from proofyard.policies.view import View

PartCompiler.shelf = cache
__all__ = [
    "entry_code",
    "make_ready",
    "policy_code",
    "rule_code",
    "start_memory",
    "told",
]  # `told` has told Numba what is marked


class _Own(NamedTuple):
    """What a policy remembers."""

    memory: Ints


def start_memory() -> None:
    """Have Numba's memory ready, for code that makes arrays."""
    rtsys.initialize(cpu_target.target_context)
    for function in rtsys.library.get_defined_functions():
        binding.add_symbol(function.name, rtsys.library.get_pointer_to_function(function.name))


def make_ready() -> None:
    """Have Numba load all it knows about types and functions: a third of a second, once a process."""
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()


def entry_code(function: Callable[..., Any]) -> tuple[str, bytes]:
    """Compile a function that Python calls; what it takes is told by its annotations, see `compile.Entry`."""
    names: dict[str, Any] = {"function": function, "cells_at": cells_at}
    words: list[Any] = []
    given: list[str] = []
    for name, hint in function.__annotations__.items():
        if name == "return":
            continue
        place = f"word_{len(words)}"
        if hint is Ints:
            words += [types.int64, types.int64]
            given.append(f"cells_at({place}, word_{len(words) - 1})")
        elif hasattr(hint, "_fields"):
            names[f"{name}_at"] = pointer_to(layout_of(hint))
            words.append(types.int64)
            given.append(f"{name}_at({place})")
        else:
            words.append(types.float64 if hint is float else types.int64)
            given.append(place)
    call = f"function({', '.join(given)})"
    body = f"{call}\n    return 0" if function.__annotations__["return"] is None else f"return {call}"
    return _object_of(
        f"({', '.join(f'word_{k}' for k in range(len(words)))}):\n    {body}", names, words, raised=-1, closed=True
    )


def rule_code(module: Any) -> tuple[str, bytes]:
    """Compile the rule `module`; its entry takes the address of its words (state, then parameters) and of an event."""
    state = layout_of(module.State)
    names = {
        "apply": module.apply,
        "state_at": pointer_to(state),
        "params_at": pointer_to(layout_of(module.Params, first=state.words)),
        "event_at": pointer_to(layout_of(Event, fixed=False)),
    }
    body = "return apply(params_at(address), state_at(address), event_at(event)).value"
    return _object_of(f"(address, event):\n    {body}", names, [types.int64] * 2, raised=RAISED)


def policy_code(module: Any) -> tuple[str, bytes]:
    """Compile the policy `module`; its entry takes the address of its words (parameters, memory) and of a view."""
    params = layout_of(module.Params)
    names = {
        "decide": module.decide,
        "params_at": pointer_to(params),
        "own_at": pointer_to(layout_of(_Own, first=params.words)),
        "view_at": pointer_to(layout_of(View, fixed=False)),
    }
    body = "return decide(params_at(address), own_at(address).memory, view_at(view))"
    return _object_of(f"(address, view):\n    {body}", names, [types.int64] * 2, raised=0)


@global_compiler_lock
def _object_of(
    text: str, names: dict[str, Any], words: list[Any], *, raised: int, closed: bool = False
) -> tuple[str, bytes]:
    """Compile `def entry` with that text, of `names` and parameters of the types `words`; return symbol and object.

    Parameters
    ----------
    raised : what it returns where an exception is raised
    closed : let the optimiser know that nobody else calls its parts: code a little faster, which takes twice as long
    """
    names["__name__"] = __name__
    exec(f"def entry{text}\n", names)  # noqa: S102 - ours, of the lines above
    target, typing = cpu_target.target_context, cpu_target.typing_context
    make_ready()
    flags = compiler.Flags()
    flags.error_model, flags.nrt, flags.no_compile = "numpy", True, True
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    part = compiler.compile_extra(
        typing, target, names["entry"], tuple(words), types.int64, flags, {}, pipeline_class=PartCompiler
    )
    library = target.codegen().create_library("entry")
    library.add_ir_module(_bare_entry(target, part.fndesc, raised))
    module = library._final_module  # noqa: SLF001
    for called in dict.fromkeys([part.library, *part.library._linking_libraries]):  # noqa: SLF001
        module.link_in(called._get_module_for_linking(), preserve=True)  # noqa: SLF001
    if closed:
        for function in module.functions:
            if not function.is_declaration and function.name != ALONE:
                function.linkage = "internal"
    library._optimize_final_module()  # noqa: SLF001
    module.verify()
    process = ctypes.CDLL(None)
    needed = [each.name for each in module.functions if each.is_declaration and not each.name.startswith("llvm.")]
    symbol = ALONE if all(hasattr(process, name) for name in needed) else WITH_NUMBA
    if symbol == WITH_NUMBA:
        start_memory()
        missing = [name for name in needed if not hasattr(process, name) and not binding.address_of_symbol(name)]
        if missing:  # LLVM would end the process
            raise Fault(f"code that calls {', '.join(missing)} cannot be loaded.")
    module.get_function(ALONE).name = symbol
    return symbol, target.codegen()._tm.emit_object(module)  # noqa: SLF001


def _bare_entry(target: Any, description: Any, raised: int) -> Any:
    """Make the function that calls the part described and returns what it returns, or `raised`."""
    module = target.create_module("entry")
    convention, kinds = target.call_conv, [target.get_value_type(kind) for kind in description.argtypes]
    part_type = convention.get_function_type(description.restype, description.argtypes)
    part = ir.Function(module, part_type, description.llvm_func_name)
    entry = ir.Function(module, ir.FunctionType(ir.IntType(64), kinds), ALONE)
    builder = ir.IRBuilder(entry.append_basic_block("entry"))
    status, answer = convention.call_function(builder, part, description.restype, description.argtypes, entry.args)
    builder.ret(builder.select(status.is_error, ir.Constant(ir.IntType(64), raised), answer))
    return module
