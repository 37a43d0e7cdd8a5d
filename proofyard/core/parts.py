# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportUnknownArgumentType=false, reportPrivateUsage=false
# pyright: reportAttributeAccessIssue=false, reportMissingTypeArgument=false, reportUntypedBaseClass=false
# Numba's compiler has no types.
"""Compile the parts of a rule only as far as whoever calls them needs: typed code, ready to be linked and inlined.

Numba brings every function to machine code of its own, though the entry of a rule links all its parts anyway and is
optimised as one. Leaving out what nobody calls halves the time until a rule is ready. Measured by `make bench`.
"""

from types import MethodType
from typing import Any, Literal

from numba._dynfunc import make_function
from numba.core.compiler import CompilerBase, DefaultPassBuilder, _LowerResult
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering


def _close(library: Any) -> None:
    """Call a library finished as soon as its code is there: neither optimised nor linked nor made into machine code."""
    library._finalized = True  # noqa: SLF001


def _leave(_module: Any) -> None:
    """Leave a module as it is."""


@register_pass(mutates_CFG=True, analysis_only=False)
class LowerPart(NativeLowering):
    """Lower a function into a library that its callers link; hand them the libraries of what it calls, too."""

    _name = "lower_part"

    def run_pass(self, state: Any) -> Literal[True]:
        """Lower the function `state` is about; always says that something changed, as Numba wants it."""
        library = state.targetctx.codegen().create_library(state.func_id.func_qualname)
        library.enable_object_caching()
        library.finalize = MethodType(_close, library)
        library._optimize_functions = _leave  # noqa: SLF001
        state.library = library
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        module, name = lowered.fndesc.lookup_module(), lowered.fndesc.qualname
        unused = make_function(module, name, "stands for machine code never made", 1, lowered.env, (library,))
        libraries = [library, *library._linking_libraries]  # noqa: SLF001
        state.targetctx.insert_user_function(unused, lowered.fndesc, libraries)
        state["cr"] = _LowerResult(lowered.fndesc, lowered.call_helper, cfunc=unused, env=lowered.env)
        return True


class PartCompiler(CompilerBase):
    """Numba's ordinary compiler, but for the last step."""

    def define_pipelines(self) -> list[Any]:
        """Replace the lowering."""
        pipeline: Any = DefaultPassBuilder.define_nopython_pipeline(self.state)
        steps = [(LowerPart if step is NativeLowering else step, why) for step, why in pipeline.passes]
        pipeline.passes[:] = steps
        pipeline.finalize()
        return [pipeline]
