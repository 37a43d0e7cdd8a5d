import numpy as np

from proofyard.worlds import dice


def test_splitmix64_published_sequence() -> None:
    """Stream 0 of seed s is splitmix64 started at s: the reference values for 1234567 (rosettacode.org, Splitmix64)."""
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [dice.word(1234567, 0, k) for k in range(5)] == expected


def test_arrays_and_single_words_agree() -> None:
    index = np.array([[0, 1, 2**31], [2**32, 2**62, 5]])
    many = dice.word(-7, 2**63 + 9, index)
    assert many.dtype == np.uint64
    assert many.shape == index.shape
    assert [dice.word(-7, 2**63 + 9, int(k)) for k in index.ravel()] == many.ravel().tolist()


def test_uniform_is_open_and_flat() -> None:
    draws = dice.uniform(dice.word(3, 4, np.arange(20_000)))
    assert draws.min() > 0.0
    assert draws.max() < 1.0
    assert dice.uniform(np.array([0, 2**64 - 1], np.uint64)).tolist() == [2.0**-53, 1 - 2.0**-53]
    assert np.abs(np.histogram(draws, 20, (0, 1))[0] / 1000 - 1).max() < 0.12


def test_streams_and_seeds_are_unrelated() -> None:
    draws = np.stack([dice.uniform(dice.word(s, t, np.arange(20_000))) for s in (1, 2) for t in (1, 2)])
    assert np.abs(np.corrcoef(draws) - np.eye(4)).max() < 0.03
