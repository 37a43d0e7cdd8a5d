"""Arithmetic modulo the two primes of BN254, compiled: for the rollup's hashes and signatures, and for the SRS.

An element is four 64-bit words, lowest first, in Montgomery form (times 2^256, Montgomery 1985). `FR` is the field of
the circuits (and of the coordinates of Grumpkin), `FQ` that of the coordinates of BN254.
"""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from proofyard.rollup.compiled import compiled

FR = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001
FQ = 0x30644E72E131A029B85045B68181585D97816A916871CA8D3C208C16D87CFD47

LIMBS, WORD = 4, 64
Element: TypeAlias = "tuple[np.uint64, np.uint64, np.uint64, np.uint64]"


def limbs(value: int) -> Element:
    """Split a number below 2^256 into words, lowest first."""
    a, b, c, d = (np.uint64(value >> WORD * i & 2**WORD - 1) for i in range(LIMBS))
    return a, b, c, d


def montgomery(value: int, prime: int) -> Element:
    """Write a number in Montgomery form."""
    return limbs((value << LIMBS * WORD) % prime)


if TYPE_CHECKING:
    from collections.abc import Callable

    Binary: TypeAlias = Callable[[Element, Element], Element]
    _mul_fr: Binary
    _mul_fq: Binary
    _add_fr: Binary
    _add_fq: Binary
    _sub_fr: Binary
    _sub_fq: Binary
else:
    U64, U128, U256 = ir.IntType(64), ir.IntType(128), ir.IntType(256)
    ELEMENT = types.UniTuple(types.uint64, LIMBS)

    def _words(builder: ir.IRBuilder, value: Any) -> list[Any]:
        return [builder.extract_value(value, i) for i in range(LIMBS)]

    def _join(builder: ir.IRBuilder, value: Any) -> Any:
        whole = ir.Constant(U256, 0)
        for i, word in enumerate(_words(builder, value)):
            whole = builder.or_(whole, builder.shl(builder.zext(word, U256), ir.Constant(U256, WORD * i)))
        return whole

    def _split(builder: ir.IRBuilder, whole: Any) -> list[Any]:
        return [builder.trunc(builder.lshr(whole, ir.Constant(U256, WORD * i)), U64) for i in range(LIMBS)]

    def _pack(builder: ir.IRBuilder, words: list[Any]) -> Any:
        out = ir.Constant(ir.ArrayType(U64, LIMBS), ir.Undefined)
        for i, word in enumerate(words):
            out = builder.insert_value(out, word, i)
        return out

    def _reduce(builder: ir.IRBuilder, whole: Any, prime: int) -> Any:
        """Bring a number below twice the prime under the prime."""
        modulus = ir.Constant(U256, prime)
        return builder.select(builder.icmp_unsigned(">=", whole, modulus), builder.sub(whole, modulus), whole)

    def _row(builder: ir.IRBuilder, total: list[Any], words: list[Any], factor: Any) -> list[Any]:
        """Add `words * factor` to `total`, both lowest word first; the sum has one word more than `words`."""
        wide, carry, out = builder.zext(factor, U128), ir.Constant(U128, 0), []
        for word, old in zip(words, total, strict=False):
            product = builder.mul(builder.zext(word, U128), wide)
            carry = builder.add(builder.add(product, builder.zext(old, U128)), carry)
            out.append(builder.trunc(carry, U64))
            carry = builder.lshr(carry, ir.Constant(U128, WORD))
        top = builder.add(builder.trunc(carry, U64), total[len(words)])
        return [*out, top]

    def _product(prime: int) -> Any:
        """Make the Montgomery product: after each word of `b`, a multiple of the prime clears the lowest word."""
        modulus = [ir.Constant(U64, int(word)) for word in limbs(prime)]
        inverse = ir.Constant(U64, -pow(prime, -1, 2**WORD) % 2**WORD)

        def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> Any:
            a, b = _words(builder, args[0]), _words(builder, args[1])
            total = [ir.Constant(U64, 0)] * (LIMBS + 1)
            for word in b:  # the primes have two spare bits, so that no sum leaves five words
                total = _row(builder, total, a, word)
                total = [*_row(builder, total, modulus, builder.mul(total[0], inverse))[1:], ir.Constant(U64, 0)]
            whole = _join(builder, _pack(builder, total[:LIMBS]))
            return _pack(builder, _split(builder, _reduce(builder, whole, prime)))

        return codegen

    def _sum(prime: int) -> Any:
        def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> Any:
            whole = builder.add(_join(builder, args[0]), _join(builder, args[1]))
            return _pack(builder, _split(builder, _reduce(builder, whole, prime)))

        return codegen

    def _difference(prime: int) -> Any:
        def codegen(_context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> Any:
            a, b = _join(builder, args[0]), _join(builder, args[1])
            less = builder.sub(a, b)
            mended = builder.add(less, ir.Constant(U256, prime))
            return _pack(builder, _split(builder, builder.select(builder.icmp_unsigned("<", a, b), mended, less)))

        return codegen

    def _binary(codegen: Any) -> Any:
        @intrinsic
        def operation(typingctx, a, b):
            return ELEMENT(ELEMENT, ELEMENT), codegen

        return operation

    _mul_fr, _mul_fq = _binary(_product(FR)), _binary(_product(FQ))
    _add_fr, _add_fq = _binary(_sum(FR)), _binary(_sum(FQ))
    _sub_fr, _sub_fq = _binary(_difference(FR)), _binary(_difference(FQ))


@compiled
def mul_fr(a: Element, b: Element) -> Element:
    """Compute a·b."""
    return _mul_fr(a, b)


@compiled
def add_fr(a: Element, b: Element) -> Element:
    """Compute a + b."""
    return _add_fr(a, b)


@compiled
def sub_fr(a: Element, b: Element) -> Element:
    """Compute a − b."""
    return _sub_fr(a, b)


@compiled
def mul_fq(a: Element, b: Element) -> Element:
    """Compute a·b."""
    return _mul_fq(a, b)


@compiled
def add_fq(a: Element, b: Element) -> Element:
    """Compute a + b."""
    return _add_fq(a, b)


@compiled
def sub_fq(a: Element, b: Element) -> Element:
    """Compute a − b."""
    return _sub_fq(a, b)
