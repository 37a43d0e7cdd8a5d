"""The few operations on single points of BN254 that need its second group; py_ecc has them."""

from importlib import import_module
from typing import Any

from proofyard.rollup.field import FQ
from proofyard.rollup.poseidon2 import Words, from_words

NUMBER = 32  # bytes


def _curve() -> Any:
    """Import py_ecc when it is needed: half a second."""
    return import_module("py_ecc.optimized_bn128")


def times_g2(secret: int) -> bytes:
    """Multiply the generator of the second group; written as Barretenberg does: x, y, each its real part first."""
    curve = _curve()
    x, y = curve.normalize(curve.multiply(curve.G2, secret))
    return b"".join(int(number).to_bytes(NUMBER, "big") for part in (x, y) for number in part.coeffs)


def has_ratio(low: Words, high: Words, g2: bytes) -> bool:
    """Say whether the point `high` is τ times `low`, for the τ in `g2`; both Jacobian, in Montgomery form."""
    curve = _curve()
    numbers = [int.from_bytes(g2[i : i + NUMBER], "big") for i in range(0, 4 * NUMBER, NUMBER)]
    tau = (curve.FQ2(numbers[:2]), curve.FQ2(numbers[2:]), curve.FQ2.one())
    if not curve.is_on_curve(tau, curve.b2):
        return False
    return bool(curve.pairing(tau, _projective(low)) == curve.pairing(curve.G2, _projective(high)))


def _projective(point: Words) -> Any:
    """Turn Jacobian coordinates (x/z², y/z³) into projective ones (x/z, y/z)."""
    curve = _curve()
    unit = pow(2**256, -1, FQ)
    x, y, z = (curve.FQ(value * unit % FQ) for value in from_words(point))
    return (x * z, y, z * z * z) if z else (curve.FQ.one(), curve.FQ.one(), curve.FQ.zero())
