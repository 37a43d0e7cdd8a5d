# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportUntypedFunctionDecorator=false, reportUnusedFunction=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportArgumentType=false
# pyright: reportCallIssue=false
# Numba's extension API has no types.
"""`mul_shift` and `mul_div` compiled: products of 128 bits, which Numba has no type for."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from proofyard.core.arith import MAX_INT, mul_div, mul_shift
from proofyard.core.parts import PART

U128, I64 = ir.IntType(128), ir.IntType(64)


def _product(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
    return builder.mul(builder.zext(a, U128), builder.zext(b, U128))


@intrinsic
def _mul_shift(typingctx, a, b, bits):
    def codegen(context, builder, signature, args):
        product = _product(builder, args[0], args[1])
        return builder.trunc(builder.lshr(product, builder.zext(args[2], U128)), I64)

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def _high_word(typingctx, a, b):
    def codegen(context, builder, signature, args):
        product = _product(builder, args[0], args[1])
        return builder.trunc(builder.lshr(product, ir.Constant(U128, 64)), I64)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def _low_word(typingctx, a, b):
    def codegen(context, builder, signature, args):
        return builder.mul(args[0], args[1])  # wraps: Numba's own product may not

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def _unsigned_divide(typingctx, a, b):
    def codegen(context, builder, signature, args):
        return builder.udiv(args[0], args[1])

    return types.int64(types.int64, types.int64), codegen


@overload(mul_shift, jit_options={"forceinline": True, **PART})
def _compiled_mul_shift(a, b, bits):
    return lambda a, b, bits: _mul_shift(a, b, bits)  # noqa: PLW0108 - Numba wants a Python function


@overload(mul_div, jit_options=PART)
def _compiled_mul_div(a, b, c):
    def divide(a, b, c):
        high, low = _high_word(a, b), _low_word(a, b)
        if high == 0:
            quotient = _unsigned_divide(low, c)
            return quotient if quotient >= 0 else MAX_INT
        if high >= c:
            return MAX_INT
        rest = high  # long division, a bit at a time: 0 <= rest < c
        quotient = 0
        for bit in range(63, -1, -1):
            digit = (low >> bit) & 1
            missing = c - rest - digit  # 2 * rest + digit >= c, said without a sum that could pass 2**63
            if rest < missing:
                rest = rest * 2 + digit
                continue
            if bit == 63:  # noqa: PLR2004 - the quotient needs 64 bits
                return MAX_INT
            rest -= missing
            quotient |= 1 << bit
        return quotient

    return divide
