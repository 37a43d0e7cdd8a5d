"""Points of BN254 in bulk, compiled: powers of a secret times the generator, and weighted sums to check them.

A point is eight 64-bit words, x and y in Montgomery form over `FQ`. All additions are of affine points, a block at a
time with one inversion for the block (Montgomery's trick): six products an addition.
"""

from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from proofyard.rollup.compiled import compiled, compiled_parallel
from proofyard.rollup.field import FQ, FR, LIMBS, WORD, Element, add_fq, limbs, montgomery, mul_fq, mul_fr, sub_fq
from proofyard.rollup.poseidon2 import Words, load, store, to_words

if TYPE_CHECKING:
    prange = range

WINDOW = 13  # bits of a scalar looked up at once: the tables (10 MB) stay in the cache of the processor
WINDOWS = -(-254 // WINDOW)
ENTRIES = 1 << WINDOW
BLOCK = 2_048  # points that share an inversion
CHUNK = 8 * BLOCK  # points of one task of a thread

ONE_FQ, SQUARE_FQ, PLAIN = montgomery(1, FQ), limbs(pow(2, 512, FQ)), limbs(1)
EXPONENT_FQ = to_words([FQ - 2])[0]
ROOT = to_words([(FQ + 1) // 4])[0]  # exponent of a square root, since the prime is 3 modulo 4
THREE = montgomery(3, FQ)


@compiled
def power_fq(a: Element, exponent: Words) -> Element:
    """Raise to a plain exponent."""
    out = ONE_FQ
    for bit in range(253, -1, -1):
        out = mul_fq(out, out)
        if exponent[bit // 64] >> np.uint64(bit % 64) & np.uint64(1):
            out = mul_fq(out, a)
    return out


@compiled
def add_block(to: Words, count: int, other: Words, present: Words, started: Words, work: Words) -> None:
    """Add `other[i]` to `to[i]` where `present[i]`; where `started[i]` is 0, `to[i]` is the neutral element.

    The two must not have the same x; `work` is room for twice `count` elements.
    """
    running = ONE_FQ
    for i in range(count):
        if present[i] and started[i]:
            gap = sub_fq(load(other[i, :4]), load(to[i, :4]))
            store(work[2 * i], gap)
            store(work[2 * i + 1], running)
            running = mul_fq(running, gap)
    inverse = power_fq(running, EXPONENT_FQ)
    for i in range(count - 1, -1, -1):
        if not present[i]:
            continue
        if not started[i]:
            to[i] = other[i]
            started[i] = 1
            continue
        slope = mul_fq(inverse, load(work[2 * i + 1]))
        inverse = mul_fq(inverse, load(work[2 * i]))
        x, y, ox = load(to[i, :4]), load(to[i, 4:]), load(other[i, :4])
        slope = mul_fq(slope, sub_fq(load(other[i, 4:]), y))
        new = sub_fq(sub_fq(mul_fq(slope, slope), x), ox)
        store(to[i, :4], new)
        store(to[i, 4:], sub_fq(mul_fq(slope, sub_fq(x, new)), y))


@compiled
def double(point: Words) -> None:
    """Double one point in place."""
    x, y = load(point[:4]), load(point[4:])
    square = mul_fq(x, x)
    slope = mul_fq(add_fq(add_fq(square, square), square), power_fq(add_fq(y, y), EXPONENT_FQ))
    new = sub_fq(sub_fq(mul_fq(slope, slope), x), x)
    store(point[:4], new)
    store(point[4:], sub_fq(mul_fq(slope, sub_fq(x, new)), y))


@compiled
def tables(generator: Words) -> Words:
    """Compute `digit * 2^(WINDOW * w) * generator` for every window w and digit."""
    out = np.zeros((WINDOWS, ENTRIES, 8), dtype=np.uint64)
    base = generator.copy()
    present, started = np.ones(ENTRIES, dtype=np.uint64), np.ones(ENTRIES, dtype=np.uint64)
    other, work = np.empty((ENTRIES, 8), dtype=np.uint64), np.empty((2 * ENTRIES, 4), dtype=np.uint64)
    for w in range(WINDOWS):
        size = 1
        while size < ENTRIES:  # out[w, size:2 size] = out[w, :size] + size * base
            out[w, size] = base
            for i in range(1, size):
                out[w, size + i] = out[w, i]
                other[i - 1] = base
            add_block(out[w, size + 1 :], size - 1, other, present, started, work)
            double(base)
            size *= 2
    return out


@compiled_parallel
def powers(secret: Words, count: int, table: Words) -> Words:
    """Compute `secret^i * generator` for i below `count`; `secret` is in Montgomery form over `FR`."""
    out = np.empty((count, 8), dtype=np.uint64)
    for chunk in prange(-(-count // CHUNK)):
        _powers_of_chunk(secret, chunk * CHUNK, min(count, (chunk + 1) * CHUNK), table, out)
    return out


@compiled
def _powers_of_chunk(secret: Words, first: int, end: int, table: Words, out: Words) -> None:
    scalar = MONTGOMERY_ONE_FR
    tau = load(secret)
    for bit in range(40, -1, -1):
        scalar = mul_fr(scalar, scalar)
        if first >> bit & 1:
            scalar = mul_fr(scalar, tau)
    digits = np.empty((BLOCK, 4), dtype=np.uint64)
    other, work = np.empty((BLOCK, 8), dtype=np.uint64), np.empty((2 * BLOCK, 4), dtype=np.uint64)
    present, started = np.empty(BLOCK, dtype=np.uint64), np.empty(BLOCK, dtype=np.uint64)
    for start in range(first, end, BLOCK):
        count = min(BLOCK, end - start)
        for i in range(count):
            store(digits[i], mul_fr(scalar, PLAIN))
            scalar = mul_fr(scalar, tau)
            started[i] = 0
        for w in range(WINDOWS):
            for i in range(count):
                digit = window(digits[i], w * WINDOW, WINDOW)
                present[i] = digit
                if digit:
                    other[i] = table[w, digit]
            add_block(out[start:], count, other, present, started, work)


MONTGOMERY_ONE_FR = montgomery(1, FR)


@compiled
def window(words: Words, bit: int, width: int) -> "np.int64":
    """Read `width` bits from `bit` on."""
    at, shift = bit // 64, bit % 64
    value = words[at] >> np.uint64(shift)
    if shift + width > WORD and at < LIMBS - 1:
        value |= words[at + 1] << np.uint64(64 - shift)
    return np.int64(value & np.uint64((1 << width) - 1))


@compiled_parallel
def to_bytes(points: Words, out: Words) -> None:
    """Write points as plain numbers, x and y, words lowest first."""
    for i in prange(points.shape[0]):
        store(out[i, :4], mul_fq(load(points[i, :4]), PLAIN))
        store(out[i, 4:], mul_fq(load(points[i, 4:]), PLAIN))


@compiled_parallel
def decompress(packed: Words, out: Words) -> int:
    """Read points given as x and the lowest bit of y (bit 255); return the place of the first that is none, or −1."""
    bad = np.zeros(packed.shape[0], dtype=np.uint8)
    for i in prange(packed.shape[0]):
        top = packed[i, 3]
        plain = (packed[i, 0], packed[i, 1], packed[i, 2], top & np.uint64(0x7FFF_FFFF_FFFF_FFFF))
        x = mul_fq(plain, SQUARE_FQ)
        right = add_fq(mul_fq(mul_fq(x, x), x), THREE)
        y = power_fq(right, ROOT)
        if mul_fq(y, y) != right or mul_fq(x, PLAIN) != plain:
            bad[i] = 1
        if (mul_fq(y, PLAIN)[0] ^ (top >> np.uint64(63))) & np.uint64(1):
            y = sub_fq(ZERO, y)
        store(out[i, :4], x)
        store(out[i, 4:], y)
    for i in range(packed.shape[0]):
        if bad[i]:
            return i
    return -1


ZERO = limbs(0)


@compiled
def weighted_sum(points: Words, weights: Words) -> Words:
    """Sum `weights[i] * points[i]`, weights of 64 bits, by buckets (Pippenger); the result is (X, Y, Z), Jacobian."""
    total = np.zeros((3, 4), dtype=np.uint64)
    buckets = np.empty((ENTRIES, 3, 4), dtype=np.uint64)
    running = np.empty((3, 4), dtype=np.uint64)
    for w in range(64 // WINDOW, -1, -1):
        for _ in range(WINDOW):
            add_jacobian(total, total)
        buckets[:] = 0
        for i in range(points.shape[0]):
            digit = np.int64(weights[i] >> np.uint64(w * WINDOW) & np.uint64(ENTRIES - 1))
            if digit:
                running[0], running[1] = points[i, :4], points[i, 4:]
                store(running[2], ONE_FQ)
                add_jacobian(buckets[digit], running)
        running[:] = 0
        for digit in range(ENTRIES - 1, 0, -1):
            add_jacobian(running, buckets[digit])
            add_jacobian(total, running)
    return total


@compiled
def add_jacobian(to: Words, other: Words) -> None:
    """Add two points in Jacobian coordinates in place, whatever they are (Z = 0: the neutral element)."""
    z1, z2 = load(to[2]), load(other[2])
    if z2 == ZERO:
        return
    if z1 == ZERO:
        to[:] = other
        return
    z11, z22 = mul_fq(z1, z1), mul_fq(z2, z2)
    u1, s1 = mul_fq(load(to[0]), z22), mul_fq(load(to[1]), mul_fq(z22, z2))
    h = sub_fq(mul_fq(load(other[0]), z11), u1)
    r = sub_fq(mul_fq(load(other[1]), mul_fq(z11, z1)), s1)
    if h == ZERO:
        if r == ZERO:
            double_jacobian(to)
        else:
            to[:] = 0
        return
    hh = mul_fq(h, h)
    hhh, v = mul_fq(h, hh), mul_fq(u1, hh)
    x = sub_fq(sub_fq(mul_fq(r, r), hhh), add_fq(v, v))
    store(to[0], x)
    store(to[1], sub_fq(mul_fq(r, sub_fq(v, x)), mul_fq(s1, hhh)))
    store(to[2], mul_fq(h, mul_fq(z1, z2)))


@compiled
def double_jacobian(point: Words) -> None:
    """Double a point in Jacobian coordinates in place (dbl-2009-l of the Explicit-Formulas Database)."""
    x, y, z = load(point[0]), load(point[1]), load(point[2])
    a, b = mul_fq(x, x), mul_fq(y, y)
    c = mul_fq(b, b)
    xb = add_fq(x, b)
    d = sub_fq(sub_fq(mul_fq(xb, xb), a), c)
    d = add_fq(d, d)
    e = add_fq(add_fq(a, a), a)
    new = sub_fq(mul_fq(e, e), add_fq(d, d))
    c = add_fq(c, c)
    c = add_fq(c, c)
    c = add_fq(c, c)
    zy = mul_fq(y, z)
    store(point[0], new)
    store(point[1], sub_fq(mul_fq(e, sub_fq(d, new)), c))
    store(point[2], add_fq(zy, zy))
