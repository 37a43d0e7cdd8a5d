"""Wide products: exact against Python's integers, the same compiled."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from proofyard.core.arith import BIPS, MAX_INT, bips_of, compute_root, mul_div, mul_shift, ticket_of
from proofyard.core.compiler import njit
from proofyard.core.dice import word_of

AMOUNTS = st.integers(0, 2**63 - 1)
WORDS = st.integers(0, 2**62 - 1)


@njit
def compiled_mul_div(a: int, b: int, c: int) -> int:
    return mul_div(a, b, c)


@njit
def compiled_ticket(word: int, total: int) -> int:
    return ticket_of(word, total)


@njit
def compiled_bips(amount: int, bips: int) -> int:
    return bips_of(amount, bips)


@settings(max_examples=2_000)
@given(AMOUNTS, AMOUNTS, st.integers(1, 2**63 - 1))
def test_mul_div_is_the_exact_quotient_capped(a: int, b: int, c: int) -> None:
    exact = min(a * b // c, MAX_INT)
    assert mul_div(int(np.int64(a)), b, c) == exact
    assert compiled_mul_div(a, b, c) == exact


def test_mul_div_of_a_whole_supply() -> None:
    supply = 10**18  # 1e9 tokens in gwei: the plain product needs 120 bits
    assert mul_div(supply, supply, supply) == compiled_mul_div(supply, supply, supply) == supply
    assert mul_div(supply, supply - 1, supply) == supply - 1


@given(WORDS, st.integers(1, 2**62))
def test_a_ticket_is_below_the_total(word: int, total: int) -> None:
    ticket = ticket_of(word, total)
    assert ticket == word * total >> 62
    assert 0 <= ticket < total
    assert compiled_ticket(word, total) == ticket


@given(st.integers(0, 2**61), st.integers(0, BIPS))
def test_bips_never_take_more_than_there_is(amount: int, bips: int) -> None:
    assert bips_of(amount, bips) == amount * bips // BIPS
    assert compiled_bips(amount, bips) == amount * bips // BIPS


def test_mul_shift_halves() -> None:
    assert mul_shift(2**62, 6, 63) == 3


def test_roots_are_exact_beyond_64_bits() -> None:
    small = [(x, 1) for x in (1, 2, 3, 4, 15, 16, 17, 10**18, 10**18 - 1, 2**62)]
    wide = [(10**18, 10**16), (2**60, 2**60 - 1), (3, 5), (1, 2**61), (0, 0), (0, 9), (7, 7)]
    for a, b in small + wide:
        assert compute_root(a, b) == math.isqrt(a * b)


def test_words_of_a_seed_are_spread_evenly_and_differ_by_seed() -> None:
    words = [word_of(7, k) for k in range(4_000)]
    eighths = [sum(word >> 59 == k for word in words) for k in range(8)]
    assert len(set(words)) == len(words)
    assert max(abs(count - 500) for count in eighths) < 4 * 21  # four standard errors
    assert word_of(8, 0) not in words
