"""Multiples of the generators of BN254 in bulk, compiled: of the first group from tables, of the second by doubling.

A point of the second group is sixteen words: x and y, each its real part first, in Montgomery form over `FQ`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numba import prange

from proofyard.proofs.points import (
    BLOCK,
    EXPONENT_FQ,
    ONE_FQ,
    WINDOW,
    WINDOWS,
    ZERO,
    add_block,
    power_fq,
    tables,
    window,
)
from proofyard.rollup.compiled import compiled, compiled_parallel
from proofyard.rollup.field import FQ, Element, add_fq, montgomery, mul_fq, sub_fq
from proofyard.rollup.poseidon2 import Words, load, store

if TYPE_CHECKING:
    prange = range

BITS = 254
Pair: TypeAlias = tuple[Element, Element]  # of the quadratic extension: real part, and that of i, i² = −1


def multiples(scalars: Words) -> Words:
    """Multiply the generator of the first group by plain numbers; zeros for zero."""
    return _multiples(scalars, tables(np.array([*montgomery(1, FQ), *montgomery(2, FQ)], dtype=np.uint64)))


@compiled_parallel
def _multiples(scalars: Words, table: Words) -> Words:
    out = np.zeros((scalars.shape[0], 8), dtype=np.uint64)
    for block in prange(-(-scalars.shape[0] // BLOCK)):
        first = block * BLOCK
        count = min(BLOCK, scalars.shape[0] - first)
        _block(scalars[first : first + count], table, out[first : first + count])
    return out


@compiled
def _block(scalars: Words, table: Words, out: Words) -> None:
    count = scalars.shape[0]
    other, work = np.empty((count, 8), dtype=np.uint64), np.empty((2 * count, 4), dtype=np.uint64)
    present, started = np.empty(count, dtype=np.uint64), np.zeros(count, dtype=np.uint64)
    for w in range(WINDOWS):
        for i in range(count):
            digit = window(scalars[i], w * WINDOW, WINDOW)
            present[i] = digit
            if digit:
                other[i] = table[w, digit]
        add_block(out, count, other, present, started, work)


@compiled
def _mul(a: Pair, b: Pair) -> Pair:
    (p, q), (r, s) = a, b
    real, mixed = mul_fq(p, r), mul_fq(q, s)
    cross = mul_fq(add_fq(p, q), add_fq(r, s))
    return sub_fq(real, mixed), sub_fq(sub_fq(cross, real), mixed)


@compiled
def _sub(a: Pair, b: Pair) -> Pair:
    return sub_fq(a[0], b[0]), sub_fq(a[1], b[1])


@compiled
def _add_affine(x: Pair, y: Pair, z: Pair, px: Pair, py: Pair) -> tuple[Pair, Pair, Pair]:
    """Add an affine point to one in Jacobian coordinates that is neither it nor the neutral element."""
    zz = _mul(z, z)
    h = _sub(_mul(px, zz), x)
    r = _sub(_mul(_mul(py, z), zz), y)
    hh = _mul(h, h)
    hhh, v = _mul(h, hh), _mul(x, hh)
    x3 = _sub(_sub(_sub(_mul(r, r), hhh), v), v)
    return x3, _sub(_mul(r, _sub(v, x3)), _mul(y, hhh)), _mul(z, h)


@compiled
def _one(scalar: Words, doubles: Words, out: Words) -> None:
    """Add up the doubles for the bits of one scalar, lowest first: each is larger than the sum before."""
    one: Pair = (ONE_FQ, ZERO)
    x, y, z = one, one, one
    begun = False
    for bit in range(BITS):
        if scalar[bit // 64] >> np.uint64(bit % 64) & np.uint64(1):
            row = doubles[bit]
            px, py = (load(row[0:4]), load(row[4:8])), (load(row[8:12]), load(row[12:16]))
            if begun:
                x, y, z = _add_affine(x, y, z, px, py)
            else:
                x, y, begun = px, py, True
    if not begun:
        return
    norm = add_fq(mul_fq(z[0], z[0]), mul_fq(z[1], z[1]))
    inverse = power_fq(norm, EXPONENT_FQ)
    inverted = (mul_fq(z[0], inverse), sub_fq(ZERO, mul_fq(z[1], inverse)))
    square = _mul(inverted, inverted)
    x, y = _mul(x, square), _mul(y, _mul(square, inverted))
    store(out[0:4], x[0])
    store(out[4:8], x[1])
    store(out[8:12], y[0])
    store(out[12:16], y[1])


@compiled_parallel
def _sums(scalars: Words, doubles: Words) -> Words:
    out = np.zeros((scalars.shape[0], 16), dtype=np.uint64)
    for i in prange(scalars.shape[0]):
        _one(scalars[i], doubles, out[i])
    return out


def multiples2(scalars: Words) -> Words:
    """Multiply the generator of the second group by plain numbers; zeros for zero."""
    curve: Any = import_module("py_ecc.optimized_bn128")
    point, rows = curve.G2, list[list[int]]()
    for _ in range(BITS):
        x, y = curve.normalize(point)
        rows.append([int(word) for part in (x, y) for number in part.coeffs for word in montgomery(int(number), FQ)])
        point = curve.double(point)
    return _sums(scalars, np.array(rows, dtype=np.uint64))
