"""The exponential function over integers: the same bits in Python and compiled.

exp(n/d) = 2**whole * 2**part: the logarithm to base 2 is split into its whole part and a fraction of 62 bits, and the
fraction goes through a Taylor series. Every step rounds down, so the result is never too large.
"""

import math

from proofyard.core.arith import MAX_INT, mul_div, mul_shift
from proofyard.core.spec import spec

BITS = 62  # of a fraction: 1.0 and 2.0 minus a little both fit int64
ONE = 1 << BITS
TOO_LARGE = 86  # exp(86) is above 2**124: over 2**60 it is still above 2**63
LIMB = 31  # bits: a product of a limb and a small integer fits int64
LIMB_MASK = (1 << LIMB) - 1
LN_2 = 3_196_577_161_300_663_914  # ln 2
LOG2_E_LIMBS = (950_680_361, 772_536_413, 1_872_887_732)  # 1 / ln 2 - 1 with 93 bits, high limb first
LOG2_E = LOG2_E_LIMBS[0] << LIMB | LOG2_E_LIMBS[1]
TERMS = 20  # 0.6932**20 / 20! is below 2**-62
INVERSE_FACTORIALS = tuple(ONE // math.factorial(k) for k in range(TERMS - 1, -1, -1))


@spec
def power_of_two(fraction: int) -> int:
    """Compute 2**fraction, for a fraction in [0, 1) in units of 2**-62; the result, in [1, 2), has the same units."""
    x = mul_shift(fraction, LN_2, BITS)
    total = 0
    for coefficient in INVERSE_FACTORIALS:
        total = coefficient + mul_shift(x, total, BITS)
    return total


@spec
def exp_fixed(n: int, d: int, over: int = 1) -> int:
    """Compute floor(exp(n / d) / over), at most 2**63 - 1, for d > 0 and 0 < over < 2**60.

    exp() itself is known to better than 1e-17 of its value, from below: the floor is exact unless the true quotient
    is that near to the next integer.
    """
    n, d, over = int(n), int(d), int(over)
    if n < 0:
        return 0
    whole = n // d
    if whole >= TOO_LARGE:
        return MAX_INT
    rest = mul_div(n % d, ONE, d)
    low = whole * LOG2_E_LIMBS[2] >> LIMB  # whole * LOG2_E, limb by limb
    middle = whole * LOG2_E_LIMBS[1] + low
    high = whole * LOG2_E_LIMBS[0] + (middle >> LIMB)
    rest += mul_shift(rest, LOG2_E, BITS)
    fraction = (rest & ONE - 1) + ((high & LIMB_MASK) << LIMB | middle & LIMB_MASK)
    power = whole + (high >> LIMB) + (rest >> BITS) + (fraction >> BITS)
    mantissa = power_of_two(fraction & ONE - 1)
    if power < BITS:
        return (mantissa >> (BITS - power)) // over
    return MAX_INT if power >= 2 * BITS else mul_div(mantissa, 1 << (power - BITS), over)
