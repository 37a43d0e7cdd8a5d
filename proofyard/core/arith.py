"""Integer arithmetic that cannot overflow: the same results in Python and compiled.

A supply of 1e9 tokens is 1e18 gwei, so the product of two amounts needs 128 bits.
"""

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
