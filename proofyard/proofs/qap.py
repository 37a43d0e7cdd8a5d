"""The keys of a Groth16 circuit from a development set-up: INSECURE, its secrets stand below and anybody can forge.

Whoever knows the secrets of a set-up needs no ceremony's file of powers: the polynomials of the circuit are evaluated
at τ with numbers, and each result times a generator is a point of the key.

Source  Groth, "On the Size of Pairing-based Non-interactive Arguments" (2016), 3.2; files as snarkjs 0.7 and circom 2
        read and write them: the r1cs of iden3, and the zkey, with points in Montgomery form, words lowest first.
"""

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from proofyard.core.errors import Fault
from proofyard.proofs.points2 import multiples, multiples2
from proofyard.rollup.field import FQ, FR
from proofyard.rollup.poseidon2 import to_words

WORD_BYTES = 32
ROOT_LOG2 = 28  # the multiplicative group of the field has a subgroup of 2^28
NON_RESIDUE = 5
A, B, C = range(3)


def secret(name: str) -> int:
    """One of the set-up's secrets, which are none."""
    return int.from_bytes(hashlib.sha512(f"proofyard development Groth16: INSECURE, {name}".encode()).digest()) % FR


TAU, ALPHA, BETA, DELTA = (secret(name) for name in ("tau", "alpha", "beta", "delta"))  # gamma is 1


class Circuit(NamedTuple):
    """An r1cs: for each constraint and each of A, B, C its terms (wire, coefficient)."""

    wires: int
    public: int
    constraints: int
    terms: list[tuple[int, int, int, int]]  # matrix, constraint, wire, coefficient

    @property
    def power(self) -> int:
        """Logarithm of the domain: constraints, and one for each public number so that every one of them counts."""
        return (self.constraints + self.public).bit_length()


def read_r1cs(data: bytes) -> Circuit:
    """Read what circom wrote. Raises Fault for another field or format."""
    sections = dict(_sections(data))
    size, prime, wires, outs, ins, _, _, count = struct.unpack_from("<I32sIIIIQI", sections[1])
    if data[:4] != b"r1cs" or size != WORD_BYTES or int.from_bytes(prime, "little") != FR:
        raise Fault("r1cs: wanted a circuit over the field of BN254 as circom 2 writes it, got another")
    body, at, terms = sections[2], 0, list[tuple[int, int, int, int]]()
    for constraint in range(count):
        for matrix in (A, B, C):
            (length,) = struct.unpack_from("<I", body, at)
            at += 4
            for _ in range(length):
                wire = int.from_bytes(body[at : at + 4], "little")
                terms.append((matrix, constraint, wire, int.from_bytes(body[at + 4 : at + 36], "little")))
                at += 36
    return Circuit(wires, outs + ins, count, terms)


def _sections(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Split a file of iden3's format."""
    at = 12
    for _ in range(int.from_bytes(data[8:12], "little")):
        kind, length = struct.unpack_from("<IQ", data, at)
        yield kind, data[at + 12 : at + 12 + length]
        at += 12 + length


def lagrange(power: int, point: int, step: int = 1) -> list[int]:
    """Evaluate the Lagrange polynomials of the domain of 2^power at a point: all, or every other from the second on.

    >>> sum(lagrange(3, 12345)) % FR
    1
    """
    count = 1 << power
    root = pow(NON_RESIDUE, (FR - 1) >> power, FR)
    at, stride = (1, root) if step == 1 else (root, root * root % FR)
    factor = (pow(point, count, FR) - 1) * pow(count, -1, FR) % FR
    roots = list[int]()
    for _ in range(count // step):
        roots.append(at)
        at = at * stride % FR
    return [a * factor % FR * b % FR for a, b in zip(roots, _inverses([point - one for one in roots]), strict=True)]


def _inverses(values: list[int]) -> list[int]:
    """Invert all with one inversion (Montgomery's trick)."""
    before, running = list[int](), 1
    for value in values:
        before.append(running)
        running = running * value % FR
    inverse, out = pow(running, -1, FR), list[int]()
    for value, product in zip(reversed(values), reversed(before), strict=True):
        out.append(inverse * product % FR)
        inverse = inverse * value % FR
    return out[::-1]


def write_zkey(circuit: Circuit, file: Path) -> None:
    """Make the proving key, which contains the verification key."""
    basis = lagrange(circuit.power, TAU)
    at = [[0] * circuit.wires for _ in (A, B, C)]
    for matrix, constraint, wire, factor in circuit.terms:
        at[matrix][wire] += factor * basis[constraint]
    ones = range(circuit.public + 1)
    for wire in ones:
        at[A][wire] += basis[circuit.constraints + wire]
    a, b, c = ([value % FR for value in row] for row in at)
    last = [(BETA * x + ALPHA * y + z) % FR for x, y, z in zip(a, b, c, strict=True)]
    down, split = pow(DELTA, -1, FR), circuit.public + 1
    shifted = [value * down % FR for value in lagrange(circuit.power + 1, TAU, 2)]
    sections = [
        (1, struct.pack("<I", 1)),
        (2, _header(circuit)),
        (3, _first(last[:split])),
        (4, _coefficients(circuit)),
        (5, _first(a)),
        (6, _first(b)),
        (7, multiples2(to_words(b)).tobytes()),
        (8, _first([value * down % FR for value in last[split:]])),
        (9, _first(shifted)),
        (10, hashlib.blake2b(b"INSECURE").digest() + struct.pack("<I", 0)),  # contributions: none
    ]
    with file.open("wb") as out:
        out.write(b"zkey" + struct.pack("<II", 1, len(sections)))
        for kind, body in sections:
            out.write(struct.pack("<IQ", kind, len(body)) + body)


def _first(scalars: list[int]) -> bytes:
    """Write multiples of the generator of the first group."""
    return multiples(to_words(scalars)).tobytes()


def _header(circuit: Circuit) -> bytes:
    alpha, beta, delta = (_first([value]) for value in (ALPHA, BETA, DELTA))
    beta2, gamma2, delta2 = (multiples2(to_words([value])).tobytes() for value in (BETA, 1, DELTA))
    fields = struct.pack("<I", WORD_BYTES) + _number(FQ) + struct.pack("<I", WORD_BYTES) + _number(FR)
    sizes = struct.pack("<III", circuit.wires, circuit.public, 1 << circuit.power)
    return fields + sizes + alpha + beta + beta2 + gamma2 + delta + delta2


def _number(value: int) -> bytes:
    return value.to_bytes(WORD_BYTES, "little")


def _coefficients(circuit: Circuit) -> bytes:
    """List the terms of A and B, each times 2^512, and those that bind the public numbers."""
    square, known = pow(2, 512, FR), dict[int, bytes]()
    ones = [(A, circuit.constraints + wire, wire, 1) for wire in range(circuit.public + 1)]
    rows = [term for term in circuit.terms if term[0] != C] + ones
    out = bytearray(struct.pack("<I", len(rows)))
    for matrix, constraint, wire, factor in rows:
        if factor not in known:
            known[factor] = _number(factor * square % FR)
        out += struct.pack("<III", matrix, constraint, wire) + known[factor]
    return bytes(out)
