"""Integer arithmetic that cannot overflow: the same results in Python and compiled.

A supply of 1e9 tokens is 1e18 gwei, so the product of two amounts needs 128 bits.
"""

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from proofyard.core.parts import PART
from proofyard.core.spec import spec

BIPS = 10_000  # basis points in a whole
WORD_BITS = 62  # dice are uniform in [0, 2**62)
MAX_INT = 2**63 - 1


def mul_shift(a: int, b: int, bits: int) -> int:
    """Compute `a * b >> bits` through a 128-bit product, for a, b >= 0 and a result below 2**63."""
    return int(a) * int(b) >> int(bits)


def mul_div(a: int, b: int, c: int) -> int:
    """Compute `a * b // c` through a 128-bit product, for a, b >= 0 and c > 0; at most 2**63 - 1."""
    return min(int(a) * int(b) // int(c), MAX_INT)


if not TYPE_CHECKING:
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


@spec
def bips_of(amount: int, bips: int) -> int:
    """Compute `amount * bips // 10_000` exactly, without a wide product; amount >= 0, 0 <= bips <= 2**40."""
    return amount // BIPS * bips + amount % BIPS * bips // BIPS


@spec
def ticket_of(word: int, total: int) -> int:
    """Map a die `word` in [0, 2**62) to a ticket in [0, total), every ticket equally likely up to total / 2**62."""
    return mul_shift(word, total, WORD_BITS)


@spec
def compute_root(a: int, b: int) -> int:
    """Compute floor(sqrt(a * b)) by Newton's method, from above."""
    if a == 0 or b == 0:
        return 0
    root = max(a, b)
    better = (root + mul_div(a, b, root)) // 2
    while better < root:
        root = better
        better = (root + mul_div(a, b, root)) // 2
    return root
