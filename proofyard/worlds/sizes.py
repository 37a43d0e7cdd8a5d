"""Named, sourced distributions of job sizes, as quantile tables for the engine.

A job's size is `size[12 dice bits]` in `unit`; its difficulty is `difficulty[10 dice bits]`, a Q16 multiplier of the
proving time that all provers of that job share (the two are drawn independently: difficulty is what gas does not say).

Sources  Ethereum blocks: 500 consecutive mainnet blocks 23533500-23533999 (October 2025), gas used and guest cycles,
         eth-act/zkevm-benchmark-runs@9d6375e. Adversarial blocks: 8432 synthetic cases on eight RTX 5090 there; the
         worst take 7.9 to 12.1 times an ordinary block of equal gas.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from proofyard.worlds import models
from proofyard.worlds.tables import (
    NOISE_LEN,
    ONE,
    SIZE_LEN,
    Ints,
    interpolated_sizes,
    lognormal_noise,
    lognormal_sizes,
    sealed,
)
from proofyard.worlds.text import Call, only, parse_call, unknown, whole

ARCHIVE = "eth-act/zkevm-benchmark-runs@9d6375e"
LARGEST_SIZE = 10**9  # gas in one job; keeps the engine's products within int64

# Gas used by the 500 blocks. The ends below p5 and above p95 are the same 500 blocks, not an assumption.
BLOCK_AT = (0.0, 0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 1.0)
BLOCK_GAS = (
    105_579, 5_101_172, 9_403_464, 14_013_207, 18_201_210, 21_983_042,
    26_190_061, 31_407_077, 36_196_758, 44_834_630, 44_998_592,
)  # fmt: skip

# ln(10^6 guest cycles) of the same blocks with the reth guest: mean and standard deviation.
CYCLES = {
    "sp1": ("SP1 5.2.1", 6.003, 0.431),
    "risc0": ("RISC Zero 3.0.3", 6.408, 0.443),
    "zisk": ("ZisK 0.12", 6.111, 0.419),
}

KILLERS = 10  # of 1024 entries: the 1 % of adversarial jobs
KILLER_LOW, KILLER_HIGH = 8, 12  # times the time of an ordinary block of equal gas


@dataclass(frozen=True, eq=False)
class Sizes:
    """One distribution of job sizes.

    Attributes
    ----------
    name : as written in a scenario
    unit : `gas`, or guest cycles of one machine: `sp1_cycle`, `risc0_cycle`, `zisk_step`
    source : where the numbers come from
    size : int64[4096], ascending quantiles at (k + 1/2) / 4096, in `unit`
    difficulty : int64[1024], ascending Q16 multipliers; mean 1 unless the source line says otherwise
    """

    name: str
    unit: str
    source: str
    size: Ints
    difficulty: Ints


def sizes(text: str, field: str = "workload.size") -> Sizes:
    """Look a distribution up by name, e.g. `ethereum_block` or `fixed(22_000_000)`.

    Raises
    ------
    BadInput : unknown name (the nearest is named) or a bad parameter; `field` is the place in the scenario.
    """
    call = parse_call(text, field)
    if call.name == "fixed":
        return _fixed(call, field)
    if call.name not in _MAKERS:
        raise unknown(field, repr(text), [*_MAKERS, "fixed(22_000_000)"], looks_like=call.name, kind="size")
    only(call, field, [])
    return _named(call.name)


def catalogue() -> dict[str, str]:
    """Name and source of every shipped distribution."""
    return {name: _named(name).source for name in _MAKERS}


@cache
def _named(name: str) -> Sizes:
    return _MAKERS[name]()


def _fixed(call: Call, field: str) -> Sizes:
    only(call, field, [""])
    gas = whole(call.values.get("", ""), field, 1, LARGEST_SIZE)
    size, alike = sealed(np.full(SIZE_LEN, gas)), lognormal_noise(0.0)
    return Sizes(f"fixed({gas})", "gas", "chosen by the scenario; every job alike, difficulty 1", size, alike)


def _ordinary_difficulty() -> Ints:
    return lognormal_noise(models.models()["difficulty"]["sd"])


def _block() -> Sizes:
    spread = models.models()["difficulty"]
    source = f"gas of mainnet blocks 23533500-23533999, {ARCHIVE}; difficulty: mean 1, median {_median():.4f}, "
    size = interpolated_sizes(BLOCK_AT, BLOCK_GAS)
    return Sizes("ethereum_block", "gas", source + spread["source"], size, _ordinary_difficulty())


def _median() -> float:
    return float(np.median(_ordinary_difficulty())) / ONE


def _cycles(machine: str) -> Callable[[], Sizes]:
    version, mu, sigma = CYCLES[machine]
    unit = "zisk_step" if machine == "zisk" else f"{machine}_cycle"
    source = f"{version} guest cycles of mainnet blocks 23533500-23533999 with reth, lognormal({mu}, {sigma}) in 10^6, "
    source += f"{ARCHIVE}; difficulty 1, since the cycles already tell it"

    def make() -> Sizes:
        return Sizes(f"ethereum_block_{machine}", unit, source, lognormal_sizes(mu, sigma, 1e6), lognormal_noise(0.0))

    return make


def _adversarial() -> Sizes:
    """One job in a hundred takes 8 to 12 times as long as its gas predicts; mean difficulty 1.09, median 1.00."""
    block, difficulty = _named("ethereum_block"), _ordinary_difficulty().copy()
    difficulty[-KILLERS:] = np.linspace(KILLER_LOW, KILLER_HIGH, KILLERS) * ONE
    source = f"ethereum_block with {KILLERS} in {NOISE_LEN} jobs taking {KILLER_LOW} to {KILLER_HIGH} times as long "
    source += f"(synthetic worst cases on 8 x 5090, ZisK 0.16.1, {ARCHIVE}); difficulty: mean 1.09, median 1.00"
    return Sizes("ethereum_block_adversarial", "gas", source, block.size, sealed(difficulty))


def _killer() -> Sizes:
    difficulty = sealed(np.linspace(7.9, 12.1, NOISE_LEN) * ONE)
    source = "every block a worst case: 7.9 to 12.1 times the time of an ordinary block of equal gas, evenly spread "
    source += f"(derived from 8432 synthetic cases, {ARCHIVE}); difficulty: mean and median 10"
    return Sizes("prover_killer", "gas", source, _named("ethereum_block").size, difficulty)


def _batch() -> Sizes:
    """Lognormal through two published batches: 10 Mgas (Aoraki) as the median, 30 Mgas (Linea) as p95."""
    source = "DERIVED: median 10 Mgas (Aoraki zkEVM proof), p95 30 Mgas (Linea block); difficulty as ethereum_block"
    sigma = float(np.log(3.0)) / 1.6449  # 1.6449: the normal's 95 % point
    size = lognormal_sizes(float(np.log(10.0)), sigma, 1e6)
    return Sizes("rollup_batch", "gas", source, size, _ordinary_difficulty())


_MAKERS: dict[str, Callable[[], Sizes]] = {
    "ethereum_block": _block,
    "ethereum_block_sp1": _cycles("sp1"),
    "ethereum_block_risc0": _cycles("risc0"),
    "ethereum_block_zisk": _cycles("zisk"),
    "ethereum_block_adversarial": _adversarial,
    "prover_killer": _killer,
    "rollup_batch": _batch,
}
