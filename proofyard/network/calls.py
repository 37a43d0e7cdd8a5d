"""A loop around a function of a C library, compiled: one call from Python, and other threads run meanwhile."""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from proofyard.network.recovery import HASH_BYTES, KEY_BYTES, SIGNATURE_BYTES
from proofyard.rollup.compiled import compiled


def _call(typingctx: Any, function: Any, context: Any, key: Any, signature: Any, signed_hash: Any) -> Any:
    """Call the function at an address with four pointers, all of them whole numbers."""
    del typingctx, function, context, key, signature, signed_hash

    def codegen(_: Any, builder: Any, __: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(64)] * 4)
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])

    return types.int32(*[types.int64] * 5), codegen


_called: Any = intrinsic(_call)


@compiled
def each(function: int, context: int, keys: int, signatures: int, hashes: int, count: int) -> None:
    """Let `function` (context, key, signature, hash) fill in keys, one after the other."""
    for k in range(count):
        _called(function, context, keys + KEY_BYTES * k, signatures + SIGNATURE_BYTES * k, hashes + HASH_BYTES * k)
