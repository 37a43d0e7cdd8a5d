"""The compiled dice are the very dice of the worlds, and those of splitmix64."""

import numpy as np

from proofyard.core.compiler import njit
from proofyard.engine import dice
from proofyard.worlds.dice import word


@njit
def job_die(seed: int, job: int, use: int) -> np.uint64:
    return dice.job_die(seed, job, use)


def test_engine_and_worlds_throw_the_same_dice() -> None:
    for seed in (0, 1, 2**62 - 1):
        for job, use in ((0, dice.ARRIVAL), (3, dice.WORD), (10**6, dice.WORK), (2**40, dice.SIZE)):
            assert int(job_die(seed, job, use)) == word(seed, 0, 4 * job + use)


def test_the_first_words_are_those_of_splitmix64() -> None:
    # Published test vector of splitmix64 for the seed 1234567 (rosettacode.org, Pseudo-random numbers/Splitmix64).
    assert [word(1234567, 0, k) for k in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_words_are_uniform() -> None:
    drawn = word(9, 0, np.arange(100_000)) >> np.uint64(60)
    counts = np.bincount(drawn.astype(np.int64), minlength=16)
    assert ((counts - 6_250) ** 2 / 6_250).sum() < 45  # chi-square, 15 degrees of freedom: 1 in 10,000
