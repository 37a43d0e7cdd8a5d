"""Looking ahead in a large tree of weights: it guesses right, and no result depends on it."""

import numpy as np

from benchmarks.ours import Market
from benchmarks.workload import Workload, inputs
from proofyard.core.sumtree import FAN
from proofyard.engine import draws, kernels, layout

WORK = Workload("pool", 5_000, 0, 2_000)  # everybody is drawn, by weights that each proof changes


def market(*, looking_ahead: bool = True) -> Market:
    made = Market(WORK, inputs(WORK))
    assert len(made.world.lots) > WORK.provers
    if not looking_ahead:
        made.world = made.world._replace(lots=np.zeros(0, np.int64))
    return made


def test_no_result_depends_on_looking_ahead() -> None:
    ahead, plain = (market(looking_ahead=each).run() for each in (True, False))
    assert ahead.wins.sum() > 1_000
    assert ahead.digest == plain.digest


def test_the_prover_a_request_finds_was_guessed_two_requests_before() -> None:
    here = market()
    draws.poisson_arrivals(WORK.seed, here.given.gap, here.world.arrive)
    words = np.array(layout.words_of(here.world), np.int64)
    registers, drawn, right = here.world.registers[0], here.state.book.prover, 0
    for job in range(WORK.jobs):
        while registers["next_job"] <= job:
            assert kernels.run(here.bound.function, here.bound.context.ctypes.data, words.ctypes.data, 1) in {
                layout.PAUSED,
                layout.QUEUE_FULL,
            }
        right += int(here.world.guess[2 * (job % layout.GUESSES)]) == int(drawn[job]) // FAN * FAN
    assert right > 0.97 * WORK.jobs  # the weights that two events change are hardly ever those that decide


def test_a_tree_that_stays_in_the_cache_is_drawn_from_without_a_guess() -> None:
    small = Workload("pool", 4_000, 0, 10)
    assert Market(small, inputs(small)).world.lots.size == 0
