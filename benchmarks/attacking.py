"""How long a search for attacks takes: the smallest one, and the whole list on the alpha-4 pool."""

import tempfile
from pathlib import Path

from benchmarks.startup import PROOFYARD, Timing, timed
from benchmarks.workload import ROOT

BAR_MINIMAL = 5.0  # s, wall, warm: one deviant, one parameter, 200 proofs, 64 seeds
BAR_LIST = 180.0  # s, wall, on two cores

MINIMAL = (
    "second-price-pair.toml", "--attack", "shade", "--as", "cheap", "--set", "workload.requests=200",
    "--set", "horizon=20h", "--seeds", "64",
)  # fmt: skip
LIST = ("taiko-pool-32.toml", "-m", "staked_pool", "--set", "horizon=12h", "--all")


def searched(what: tuple[str, ...], *more: str) -> Timing:
    """Run a search from the shell, with nothing kept from before."""
    scenario, *options = what
    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "out")
        return timed([str(PROOFYARD), "attack", str(ROOT / "scenarios" / scenario), *options, "--out", place, *more])


def minimal() -> tuple[Timing, Timing]:
    """Time the smallest search with everything compiled, by the clock; and its CPU time, in one process."""
    searched(MINIMAL, "--workers", "1")  # compiles
    return searched(MINIMAL), searched(MINIMAL, "--workers", "1")


def whole_list() -> tuple[Timing, Timing]:
    """Time the whole list on as many cores as there are, by the clock; and its CPU time, in one process."""
    return searched(LIST), searched(LIST, "--workers", "1")
