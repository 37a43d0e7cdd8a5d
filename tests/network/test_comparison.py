"""Prediction beside reality: what counts as close, whose error it is, and what is said of it."""

from typing import Any

import pytest

from proofyard.network.comparison import FIGURES, Summaries, compare, in_words


def summary(p50: float | None, price: float, missed: int) -> dict[str, Any]:
    return {
        "proofs": {"requested": 10, "settled": 10, "reassigned": missed},
        "time_to_proof_ms": {"p50": p50, "p90": 9_000},
        "price_gwei": {"mean": price},
        "concentration": {"hhi": 0.5, "top1_share": 0.5},
        "stake": {"slashed_gwei": 0},
        "provers": [{"name": "a", "share": 0.5, "missed": missed}],
    }


def test_error_is_that_of_what_was_foreseen() -> None:
    lines = {line.figure: line for line in compare(Summaries(
        summary(2_000, 114, 3), summary(1_000, 116, 1), summary(1_299, 100, 0), summary(1_000, 100, 0)
    ))}  # fmt: skip
    assert len(lines) == len(FIGURES) + 2
    time, price, misses = (lines[f] for f in ("time_to_proof_ms.p50", "price_gwei.mean", "provers.a.missed"))
    assert time.values == (2_000, 1_000, 1_299, 1_000)
    assert time.error == 1.0
    assert time.close == (False, True, True)  # 299 ms are rounding
    assert price.error == pytest.approx(0.14)
    assert price.close == (True, False, True)  # 15 % counts as close
    assert misses.error is None  # of nothing there is no share
    assert misses.close == (False, True, True)
    assert lines["stake.slashed_gwei"].close == (True, True, True)


def test_words_say_what_was_far_off_and_what_helps() -> None:
    far = compare(Summaries(summary(2_000, 100, 3), *[summary(1_000, 100, 0)] * 3))
    said = in_words(far)
    assert said.startswith("8 of 11 figures were foreseen within 15% or their rounding, 11 once the proving times are")
    assert "Far off: time to proof p50, missed windows, a: missed." in said
    same = in_words(compare(Summaries(*[summary(1_000, 100, 0)] * 4)))
    assert same.endswith("None was far off.")


def test_what_nobody_measured_is_close_to_nothing_else() -> None:
    (line,) = (
        line
        for line in compare(Summaries(summary(None, 1, 0), *[summary(1_000, 1, 0)] * 3))
        if line.figure == "time_to_proof_ms.p50"
    )
    assert (line.error, line.close) == (None, (False, True, True))
