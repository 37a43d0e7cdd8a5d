"""Schnorr signatures over Grumpkin, the curve whose coordinates are numbers of the circuits: y² = x³ − 17 over `FR`.

Signature  (R, s) of message m under key A = a·G: s·G = R + e·A with e = H(R, A, m), H Poseidon2; all below 2^254.
Secrets    R = r·G with r a keyed hash of the message, so that signing needs no dice and no r is used twice.
Care       signing is not constant in time: accounts of a simulated load, not of people.
"""

import hashlib
from ctypes import create_string_buffer
from typing import Any, NamedTuple

import numpy as np
from numba.np.numpy_support import carray

from proofyard.rollup.compiled import compiled
from proofyard.rollup.field import FQ, FR, Element, add_fr, montgomery, mul_fr, sub_fr
from proofyard.rollup.native import COUNT, POINTER, native
from proofyard.rollup.poseidon2 import (
    BYTES,
    ONE,
    ZERO,
    Words,
    from_bytes,
    hash_of,
    load,
    store,
    to_bytes,
    to_words,
)

ORDER = FQ  # of the group
B = -17
GENERATOR = (1, 0x02CF135E7506A45D632D270D45F1181294833FC48D823F272C)
MONTGOMERY_ONE = montgomery(1, FR)
BITS = 254
EXPONENT = to_words([FR - 2])[0]


class Signature(NamedTuple):
    """R and s of the module's docstring."""

    x: int
    y: int
    response: int


@compiled
def _is_zero(a: Element) -> bool:
    return (a[0] | a[1] | a[2] | a[3]) == 0


@compiled
def _double(x: Element, y: Element, z: Element) -> tuple[Element, Element, Element]:
    """Double a point in Jacobian coordinates (dbl-2009-l of the Explicit-Formulas Database, for a = 0)."""
    a, b = mul_fr(x, x), mul_fr(y, y)
    c = mul_fr(b, b)
    xb = add_fr(x, b)
    d = sub_fr(sub_fr(mul_fr(xb, xb), a), c)
    d = add_fr(d, d)
    e = add_fr(add_fr(a, a), a)
    x3 = sub_fr(mul_fr(e, e), add_fr(d, d))
    c = add_fr(c, c)
    c = add_fr(c, c)
    y3 = sub_fr(mul_fr(e, sub_fr(d, x3)), add_fr(c, c))
    z3 = mul_fr(y, z)
    return x3, y3, add_fr(z3, z3)


@compiled
def _add(x: Element, y: Element, z: Element, px: Element, py: Element) -> tuple[Element, Element, Element]:
    """Add an affine point to one in Jacobian coordinates, whatever the two are (z = 0: the neutral element)."""
    if _is_zero(z):
        return px, py, MONTGOMERY_ONE
    zz = mul_fr(z, z)
    h = sub_fr(mul_fr(px, zz), x)
    r = sub_fr(mul_fr(mul_fr(py, z), zz), y)
    if _is_zero(h):
        return _double(x, y, z) if _is_zero(r) else (MONTGOMERY_ONE, MONTGOMERY_ONE, ZERO)
    hh = mul_fr(h, h)
    hhh, v = mul_fr(h, hh), mul_fr(x, hh)
    x3 = sub_fr(sub_fr(mul_fr(r, r), hhh), add_fr(v, v))
    y3 = sub_fr(mul_fr(r, sub_fr(v, x3)), mul_fr(y, hhh))
    return x3, y3, mul_fr(z, h)


@compiled
def _inverse(a: Element) -> Element:
    """Raise to the prime less two (Fermat)."""
    out = MONTGOMERY_ONE
    for bit in range(BITS - 1, -1, -1):
        out = mul_fr(out, out)
        if EXPONENT[bit // 64] >> np.uint64(bit % 64) & np.uint64(1):
            out = mul_fr(out, a)
    return out


@compiled
def _sum(points: Words, scalars: Words, out: Words) -> bool:
    """Write the sum of `scalars[i] * points[i]` to `out` (x, y; plain numbers); say whether it is a finite point.

    Points are in Montgomery form, scalars plain.
    """
    x, y, z = MONTGOMERY_ONE, MONTGOMERY_ONE, ZERO
    for bit in range(BITS - 1, -1, -1):
        x, y, z = _double(x, y, z)
        for i in range(scalars.shape[0]):
            if scalars[i, bit // 64] >> np.uint64(bit % 64) & np.uint64(1):
                x, y, z = _add(x, y, z, load(points[2 * i]), load(points[2 * i + 1]))
    if _is_zero(z):
        return False
    inverse = _inverse(z)
    square = mul_fr(inverse, inverse)
    store(out[0], mul_fr(mul_fr(x, square), ONE))
    store(out[1], mul_fr(mul_fr(y, mul_fr(square, inverse)), ONE))
    return True


@native("boolean", POINTER, POINTER, COUNT, POINTER)
def _combine(points: Any, scalars: Any, count: int, out: Any) -> bool:
    return _sum(carray(points, (2 * count, 4)), carray(scalars, (count, 4)), carray(out, (2, 4)))


def combine(*terms: tuple[int, tuple[int, int]]) -> tuple[int, int] | None:
    """Compute the sum of scalar times point; None for the neutral element.

    >>> combine((ORDER, GENERATOR)) is None
    True
    """
    points = to_bytes((number << 256) % FR for _, point in terms for number in point)
    out = create_string_buffer(2 * BYTES)
    if not _combine(points, to_bytes(scalar for scalar, _ in terms), len(terms), out):
        return None
    x, y = from_bytes(out.raw)
    return x, y


def is_key(point: tuple[int, int]) -> bool:
    """Say whether a pair of numbers is a point of the curve; its order is prime, so any point is a key."""
    x, y = point
    return 0 <= x < FR and 0 <= y < FR and (y * y - x * x * x - B) % FR == 0


def public_key(secret: int) -> tuple[int, int]:
    """Compute the public key of a secret in [1, ORDER)."""
    point = combine((secret, GENERATOR))
    if point is None:
        raise ValueError("a secret is not zero")
    return point


def sign(secret: int, key: tuple[int, int], message: int) -> Signature:
    """Sign a message, a number below `FR`."""
    keyed = hashlib.blake2b(message.to_bytes(32, "little"), key=secret.to_bytes(32, "little"), digest_size=64).digest()
    once = int.from_bytes(keyed, "little") % (ORDER - 1) + 1
    x, y = public_key(once)
    return Signature(x, y, (once + hash_of(x, y, *key, message) * secret) % ORDER)


def is_signed(key: tuple[int, int], message: int, signature: Signature) -> bool:
    """Say whether the signature is the key's own under the message."""
    x, y, response = signature
    if not (is_key(key) and is_key((x, y)) and 0 <= response < ORDER and 0 <= message < FR):
        return False
    challenge = hash_of(x, y, *key, message)
    return combine((response, GENERATOR), (challenge, (key[0], FR - key[1]))) == (x, y)
