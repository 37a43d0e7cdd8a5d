# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportUnknownArgumentType=false, reportPrivateUsage=false
# pyright: reportAttributeAccessIssue=false, reportMissingTypeArgument=false, reportUntypedBaseClass=false
# Numba's compiler has no types.
"""Compile the parts of a rule only as far as whoever calls them needs: typed code, ready to be linked and inlined.

Numba brings every function to machine code of its own, though the entry of a rule links all its parts anyway and is
optimised as one. Leaving out what nobody calls halves the time until a rule is ready, and parts that rules share (those
of `proofyard.core`) are kept on disk, which halves it again. Measured by `make bench`.
"""

import copy
import hashlib
import pickle
from types import MethodType
from typing import Any, Literal, Protocol

from llvmlite import binding
from numba._dynfunc import make_function
from numba.core.compiler import CompilerBase, DefaultPassBuilder, _LowerResult, compile_result
from numba.core.compiler_machinery import register_pass
from numba.core.environment import Environment
from numba.core.typed_passes import NativeLowering, NopythonRewrites
from numba.core.typing.templates import signature

_SHARED = "proofyard.core."
_NEEDLESS = {NopythonRewrites}  # for arithmetic on whole arrays


def _close(library: Any) -> None:
    """Call a library finished as soon as its code is there: neither optimised nor linked nor made into machine code."""
    library._finalized = True  # noqa: SLF001


def _leave(_module: Any) -> None:
    """Leave a module as it is."""


def _new_library(target: Any, name: str) -> Any:
    library = target.codegen().create_library(name)
    library.enable_object_caching()
    library.finalize = MethodType(_close, library)
    library._optimize_functions = _leave  # noqa: SLF001
    return library


def _stand_in(target: Any, description: Any, environment: Any, libraries: list[Any]) -> Any:
    """Make what Numba wants a compiled function to have, and nobody calls; tell `target` what to link for it."""
    module, name = description.lookup_module(), description.qualname
    unused = make_function(module, name, "stands for machine code never made", 1, environment, tuple(libraries))
    target.insert_user_function(unused, description, libraries)
    return unused


@register_pass(mutates_CFG=True, analysis_only=False)
class LowerPart(NativeLowering):
    """Lower a function into a library that its callers link; hand them the libraries of what it calls, too."""

    _name = "lower_part"

    def run_pass(self, state: Any) -> Literal[True]:
        """Lower the function `state` is about; always says that something changed, as Numba wants it."""
        library = _new_library(state.targetctx, state.func_id.func_qualname)
        state.library = library
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        libraries = [library, *library._linking_libraries]  # noqa: SLF001
        unused = _stand_in(state.targetctx, lowered.fndesc, lowered.env, libraries)
        state["cr"] = _LowerResult(lowered.fndesc, lowered.call_helper, cfunc=unused, env=lowered.env)
        if PartCompiler.shelf is not None and state.key is not None:
            PartCompiler.shelf.write(state.key, _packed(library, lowered.fndesc))
        return True


class Shelf(Protocol):
    """Where compiled parts outlast the process; `engine.cache` has one."""

    def read(self, key: str) -> bytes | None:
        """Return what was written under `key`, None when there is nothing."""
        ...

    def write(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`."""
        ...


def _key_of(function: Any, state: Any) -> str | None:
    """Name a part that rules share, compiled for these types; None for any other."""
    if PartCompiler.shelf is None or not function.__module__.startswith(_SHARED):
        return None
    key = (
        function.__module__,
        function.__qualname__,
        function.__code__.co_firstlineno,
        state.args,
        state.flags.get_mangle_string(),
    )
    return f"part-{hashlib.blake2b(repr(key).encode(), digest_size=16).hexdigest()}"


def _packed(library: Any, description: Any) -> bytes:
    """Pack a part with the code of all it calls."""
    code = library._final_module.clone()  # noqa: SLF001
    for called in dict.fromkeys(library._linking_libraries):  # noqa: SLF001
        code.link_in(called._get_module_for_linking(), preserve=True)  # noqa: SLF001
    description = copy.copy(description)
    description.typemap = description.calltypes = None
    return pickle.dumps((library.name, code.as_bitcode(), description))


def _unpacked(content: bytes, state: Any) -> Any:
    """Make of a packed part what compiling it would have returned."""
    name, code, description = pickle.loads(content)  # noqa: S301 - from our own shelf
    library = _new_library(state.targetctx, name)
    library._final_module = binding.parse_bitcode(code)  # noqa: SLF001
    library.finalize()
    environment = Environment.from_fndesc(description)
    return compile_result(
        typing_context=state.typingctx,
        target_context=state.targetctx,
        entry_point=_stand_in(state.targetctx, description, environment, [library]),
        signature=signature(description.restype, *state.args),
        objectmode=False,
        lifted=(),
        fndesc=description,
        library=library,
        environment=environment,
        reload_init=(),
    )


class PartCompiler(CompilerBase):
    """Numba's ordinary compiler, but for the last step, and for what is on the shelf."""

    shelf: Shelf | None = None

    def compile_extra(self, func: Any) -> Any:
        """Compile `func`, or take it from the shelf."""
        self.state.key = key = _key_of(func, self.state)
        content = None if self.shelf is None or key is None else self.shelf.read(key)
        return super().compile_extra(func) if content is None else _unpacked(content, self.state)

    def define_pipelines(self) -> list[Any]:
        """Replace the lowering, leave out what no rule needs."""
        pipeline: Any = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes = [(step, why) for step, why in pipeline.passes if step not in _NEEDLESS]
        pipeline.passes[:] = [(LowerPart if step is NativeLowering else step, why) for step, why in passes]
        pipeline.finalize()
        return [pipeline]


PART: dict[str, Any] = {"no_cfunc_wrapper": True, "pipeline_class": PartCompiler}  # what a decorator of Numba is told
