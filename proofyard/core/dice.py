"""Words of our own in the place of a chain's hashes: as evenly spread, other values."""

from proofyard.core.spec import spec

_LIMB = 2**31 - 1  # 31 bits at a time, so that products fit int64
_GOLDEN = 0x1E3779B9  # any odd constants do
_ODD_1, _ODD_2 = 0x2C1B3C6D, 0x297A2D39


@spec
def _scramble(x: int) -> int:
    """Spread 31 bits over 31 bits."""
    x = ((x >> 15) ^ x) * _ODD_1 & _LIMB
    x = ((x >> 12) ^ x) * _ODD_2 & _LIMB
    return (x >> 15) ^ x


@spec
def word_of(seed: int, number: int) -> int:
    """Hash `seed` and `number` into a word in [0, 2**62)."""
    seed, number = int(seed), int(number)
    h = _scramble(number & _LIMB ^ _GOLDEN)
    h = _scramble(h ^ number >> 31)
    h = _scramble(h ^ seed & _LIMB)
    h = _scramble(h ^ seed >> 31)
    return h << 31 | _scramble(h ^ _GOLDEN)
