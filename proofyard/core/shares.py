"""Money of many behind one: shares of its pool, and claims on its queue, which slashes cut without a loop over claims.

A queue has one number, `remains`: what slashes have left of money that was in it from the start, in 2**-62. A claim
notes it when it is made; what is left of the claim is the claim times `remains` now over `remains` then. When `remains`
falls below 2**31 it is scaled up by 2**31, and `scale` counts how often, so that it always keeps 31 bits.
"""

from proofyard.core.arith import BIPS, mul_div, mul_shift
from proofyard.core.book import MAX_GWEI, ByActor
from proofyard.core.spec import spec

MIN_SHARES = BIPS  # a deposit of so many shares loses less than a basis point to rounding
MAX_SHARES = MAX_GWEI  # sums stay below 2**63
WHOLE_BITS = 62
WHOLE = 2**WHOLE_BITS  # 1, in the units of `remains`
STEP = 2**31


@spec
def shares_for(amount: int, pool: int, shares: int) -> int:
    """Shares that `amount` gwei buy, rounded down; of a pool slashed to nothing more than there can be."""
    if shares == 0:
        return amount
    if pool == 0:
        return MAX_SHARES
    return mul_div(amount, shares, pool)


@spec
def shares_worth(amount: int, held: int, pool: int, shares: int) -> int:
    """Shares that `amount` gwei cost, rounded up; all that are `held` if they are worth no more."""
    if amount >= mul_div(held, pool, shares):
        return held
    burn = mul_div(amount, shares, pool)
    return burn + 1 if mul_div(burn, pool, shares) < amount else burn


@spec
def cut_queue(remains: ByActor, scale: ByActor, row: int, left: int, before: int) -> None:
    """Note that of the money in the queue of `row` only `left` gwei of `before` are left."""
    kept = mul_div(remains[row], left, before)
    if kept == 0:  # nothing is left of the claims
        remains[row] = WHOLE
        scale[row] += 2
    elif kept < STEP:
        remains[row] = kept * STEP
        scale[row] += 1
    else:
        remains[row] = kept


@spec
def left_of(claim: int, remained: int, scaled: int, remains: int, scale: int) -> int:
    """Gwei left of a `claim` made at `remained` and `scaled`, now the queue is at `remains`, `scale`; rounded down."""
    renewed = scale - scaled
    if claim == 0 or renewed > 1:
        return 0
    if renewed == 1:
        return mul_shift(mul_div(claim, STEP, remained), remains, WHOLE_BITS)
    return mul_div(claim, remains, remained)
