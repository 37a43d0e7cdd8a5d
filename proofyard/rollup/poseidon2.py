"""Poseidon2 as the circuits compute it: width 4, a sponge of rate 3 whose capacity starts with the length times 2^64.

Source  Grassi, Khovratovich, Schofnegger: "Poseidon2" (2023); the constants stand in `poseidon2.txt`.
Speed   about 15 µs a permutation, compiled; plain Python needs 0.5 ms.
"""

from collections.abc import Iterable
from ctypes import create_string_buffer
from importlib.resources import files
from typing import Any, TypeAlias

import numpy as np
from numba.np.numpy_support import carray
from numpy.typing import NDArray

from proofyard.rollup.compiled import compiled
from proofyard.rollup.field import FR, Element, add_fr, limbs, montgomery, mul_fr
from proofyard.rollup.native import COUNT, POINTER, native

Words: TypeAlias = NDArray[np.uint64]

WIDTH, RATE = 4, 3
OUTER, INNER = 4, 56  # rounds at each end, rounds between
BYTES = 32


def _constants() -> tuple[Words, Words]:
    """Read diagonal and round constants, in Montgomery form; absent ones are zero."""
    text = (files("proofyard.rollup") / "poseidon2.txt").read_text(encoding="ascii")
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    table = np.zeros((len(rows), WIDTH, 4), dtype=np.uint64)
    for i, row in enumerate([rows[0][1:], *rows[1:]]):
        for j, number in enumerate(row):
            table[i, j] = montgomery(int(number, 16), FR)
    return table[0], table[1:]


DIAGONAL, ROUNDS = _constants()
SQUARE = limbs(pow(2, 512, FR))  # a product with it enters Montgomery form
ONE = limbs(1)  # and a product with one leaves it
ZERO = limbs(0)


@compiled
def load(row: Words) -> Element:
    """Read four words."""
    return (row[0], row[1], row[2], row[3])


@compiled
def store(row: Words, value: Element) -> None:
    """Write four words."""
    for i in range(4):
        row[i] = value[i]


@compiled
def _power5(x: Element) -> Element:
    square = mul_fr(x, x)
    return mul_fr(mul_fr(square, square), x)


@compiled
def _mix(a: Element, b: Element, c: Element, d: Element) -> tuple[Element, Element, Element, Element]:
    """Multiply by the outer matrix, with sums only."""
    t0, t1 = add_fr(a, b), add_fr(c, d)
    t2, t3 = add_fr(add_fr(b, b), t1), add_fr(add_fr(d, d), t0)
    t4, t5 = add_fr(t1, t1), add_fr(t0, t0)
    t4, t5 = add_fr(add_fr(t4, t4), t3), add_fr(add_fr(t5, t5), t2)
    return add_fr(t3, t5), t5, add_fr(t2, t4), t4


@compiled
def permute(a: Element, b: Element, c: Element, d: Element) -> tuple[Element, Element, Element, Element]:
    """Permute four elements in Montgomery form."""
    a, b, c, d = _mix(a, b, c, d)
    for r in range(2 * OUTER + INNER):
        row = ROUNDS[r]
        a = _power5(add_fr(a, load(row[0])))
        if OUTER <= r < OUTER + INNER:
            total = add_fr(add_fr(a, b), add_fr(c, d))
            a = add_fr(total, mul_fr(a, load(DIAGONAL[0])))
            b = add_fr(total, mul_fr(b, load(DIAGONAL[1])))
            c = add_fr(total, mul_fr(c, load(DIAGONAL[2])))
            d = add_fr(total, mul_fr(d, load(DIAGONAL[3])))
        else:
            b = _power5(add_fr(b, load(row[1])))
            c = _power5(add_fr(c, load(row[2])))
            d = _power5(add_fr(d, load(row[3])))
            a, b, c, d = _mix(a, b, c, d)
    return a, b, c, d


@compiled
def hash_words(inputs: Words) -> Element:
    """Hash the rows of `inputs`, plain numbers below the prime; the result is a plain number too."""
    count = inputs.shape[0]
    a, b, c = ZERO, ZERO, ZERO
    d = mul_fr((np.uint64(0), np.uint64(count), np.uint64(0), np.uint64(0)), SQUARE)  # count * 2^64
    for i in range(0, count, RATE):
        a = add_fr(a, mul_fr(load(inputs[i]), SQUARE))
        if i + 1 < count:
            b = add_fr(b, mul_fr(load(inputs[i + 1]), SQUARE))
        if i + 2 < count:
            c = add_fr(c, mul_fr(load(inputs[i + 2]), SQUARE))
        a, b, c, d = permute(a, b, c, d)
    return mul_fr(a, ONE)


@compiled
def climb(out: Words, path: Words, index: int) -> None:
    """Fill `out[1:]` with the nodes above the leaf `out[0]` at `index`, whose siblings are `path`; plain numbers."""
    at = mul_fr(load(out[0]), SQUARE)
    capacity = mul_fr((np.uint64(0), np.uint64(2), np.uint64(0), np.uint64(0)), SQUARE)
    for i in range(path.shape[0]):
        beside = mul_fr(load(path[i]), SQUARE)
        left, right = (beside, at) if index >> i & 1 else (at, beside)
        at = permute(left, right, ZERO, capacity)[0]
        store(out[i + 1], mul_fr(at, ONE))


@native("void", POINTER, COUNT, POINTER)
def _hash(inputs: Any, count: int, out: Any) -> None:
    store(carray(out, (1, 4))[0], hash_words(carray(inputs, (count, 4))))


@native("void", POINTER, POINTER, COUNT, COUNT)
def _climb(out: Any, path: Any, depth: int, index: int) -> None:
    climb(carray(out, (depth + 1, 4)), carray(path, (depth, 4)), index)


def to_bytes(values: Iterable[int]) -> bytes:
    """Write numbers below 2^256 as rows of words."""
    return b"".join([value.to_bytes(BYTES, "little") for value in values])


def from_bytes(data: bytes) -> list[int]:
    """Read rows of words as numbers."""
    return [int.from_bytes(data[i : i + BYTES], "little") for i in range(0, len(data), BYTES)]


def to_words(values: list[int]) -> Words:
    """Write numbers as rows of words."""
    return np.frombuffer(to_bytes(values), np.uint64).reshape(-1, 4)


def from_words(words: Words) -> list[int]:
    """Read rows of words as numbers."""
    return from_bytes(words.tobytes())


def hash_of(*values: int) -> int:
    """Hash numbers below the prime.

    >>> hash_of(1, 2) == hash_of(2, 1)
    False
    """
    out = create_string_buffer(BYTES)
    _hash(to_bytes(values), len(values), out)
    return int.from_bytes(out.raw, "little")


def nodes_above(leaf: int, path: list[int], index: int) -> list[int]:
    """Compute the nodes of a Merkle tree above a leaf, root last, from the siblings of the leaf and of those nodes."""
    out = create_string_buffer(leaf.to_bytes(BYTES, "little"), BYTES * (len(path) + 1))
    _climb(out, to_bytes(path), len(path), index)
    return from_bytes(out.raw)[1:]
