import random
from ctypes import create_string_buffer
from pathlib import Path
from typing import Any

import pytest
from numba.np.numpy_support import carray
from py_ecc import optimized_bn128 as bn

from proofyard.rollup import field, native
from proofyard.rollup.field import FQ, FR, limbs, montgomery
from proofyard.rollup.poseidon2 import hash_of, permute

EDGES = (0, 1, 2, 2**64 - 1, 2**64, 2**128, 2**192)


def number(element: "field.Element") -> int:
    return sum(int(word) << 64 * i for i, word in enumerate(element))


@pytest.mark.parametrize(("prime", "name"), [(FR, "fr"), (FQ, "fq")])
def test_arithmetic_is_that_of_python(prime: int, name: str) -> None:
    multiply, add, subtract = (getattr(field, f"{verb}_{name}") for verb in ("mul", "add", "sub"))
    dice = random.Random(1)
    numbers = [*EDGES, *(prime - edge - 1 for edge in EDGES), *(dice.randrange(prime) for _ in range(50))]
    for x in numbers:
        for y in numbers[::3]:
            a, b = limbs(x), limbs(y)
            assert number(multiply(a, b)) == x * y * pow(2**256, -1, prime) % prime
            assert number(add(a, b)) == (x + y) % prime
            assert number(subtract(a, b)) == (x - y) % prime


def test_primes_are_those_of_bn254() -> None:
    assert (bn.curve_order, bn.field_modulus) == (FR, FQ)  # pyright: ignore[reportPrivateImportUsage] - named nowhere else


def test_permutation_of_the_published_vector() -> None:
    """Barretenberg's test vector: the permutation of (0, 1, 2, 3)."""
    start = [montgomery(i, FR) for i in range(4)]
    out = [number(word) * pow(2**256, -1, FR) % FR for word in permute(*start)]
    assert out[0] == 0x01BD538C2EE014ED5141B29E9AE240BF8DB3FE5B9A38629A9647CF8D76C01737


def test_the_length_is_part_of_the_hash() -> None:
    assert len({hash_of(1), hash_of(1, 0), hash_of(1, 0, 0), hash_of(1, 0, 0, 0)}) == 4


def _double(words: Any, count: int) -> None:
    numbers = carray(words, (count,))
    for i in range(count):
        numbers[i] *= 2


def test_kept_machine_code_is_loaded_and_made_again_when_it_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "FOLDER", str(tmp_path))

    def doubled() -> bytes:
        words = create_string_buffer(b"".join(n.to_bytes(8, "little") for n in (3, 5)), 16)
        native.native("void", native.POINTER, native.COUNT)(_double)(words, 2)
        return words.raw

    wanted = b"".join(n.to_bytes(8, "little") for n in (6, 10))
    assert doubled() == wanted
    (file,) = tmp_path.iterdir()
    whole, made = file.read_bytes(), file.stat().st_ino
    assert doubled() == wanted
    assert file.stat().st_ino == made  # not made again
    for damaged in (whole[:-100], whole.replace(b" ", b" 0", 1), b""):
        file.write_bytes(damaged)
        assert doubled() == wanted
        assert file.read_bytes() != damaged
