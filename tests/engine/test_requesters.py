"""Several who ask: each with its own money, moments and work; what nobody can prove, what nobody can pay."""

import numpy as np
import pytest

from proofyard import scenario
from proofyard.core.errors import BadInput
from proofyard.core.event import Phase
from proofyard.engine.result import Run
from proofyard.engine.simulate import simulate
from proofyard.lab import metrics


def market(mechanism: str, *asking: dict[str, object], **workload: object) -> Run:
    work = {"every": "60s", "size": "fixed(30_000_000)", "arrivals": "fixed", "max_fee": "1"} | workload
    prover = {"name": "prover", "hardware": "8x5090/zisk-0.16", "stake": "1_000", "ask": "0.1", "capacity": 4}
    tree = {
        "mechanism": mechanism, "horizon": "1h", "seed": 5, "workload": work, "requesters": list(asking),
        "provers": [prover, prover | {"name": "second", "ask": "0.2"}],
    }  # fmt: skip
    return simulate(scenario.check(tree))


RULE = "proo_phi(round_ms=60000, one_sided=1, bond_gwei=100_000_000)"


def test_each_asks_at_its_own_moments_and_pays_its_own_fees() -> None:
    alone = market(RULE)
    done = market(RULE, {"name": "more", "every": "120s", "first": "30s", "max_fee": "0.5"})
    mine = done.jobs.requester == done.others_from
    assert done.others == ("more",)
    assert done.jobs.asked_ms[mine].tolist() == [30_000 + 120_000 * k for k in range(29)]
    assert done.jobs.asked_ms[~mine].tolist() == alone.jobs.asked_ms.tolist()
    assert (done.jobs.asked_ms[1:] >= done.jobs.asked_ms[:-1]).all()
    assert done.others_gain_gwei[0] == -done.jobs.paid_gwei[mine].sum() < 0
    assert done.requesters_gain_gwei == -done.jobs.paid_gwei[~mine].sum()
    assert len(metrics.payoffs(done)) == len(done.coalitions) == 4
    assert done.money_difference_gwei == 0


def test_what_nobody_can_prove_costs_its_prover_the_bond_and_pays_who_asked() -> None:
    done = market(RULE, {"every": "10m", "work": 0.0, "coalition": "trap"})
    mine = done.jobs.requester == done.others_from
    assert (done.jobs.phase[mine] == Phase.LOST).all()
    assert (done.jobs.phase[~mine] == Phase.SETTLED).all()
    assert done.provers.missed.sum() == mine.sum()
    assert done.others_gain_gwei[0] == mine.sum() * 50_000_000  # half of each bond
    assert metrics.summary([done])["coalitions"]["trap"]["payoff_gwei"] == done.others_gain_gwei[0]
    assert (done.jobs.cheapest_gwei[mine] == -1).all()


def test_work_beyond_what_the_size_says_takes_longer() -> None:
    done = market(RULE, {"every": "10m", "work": 3.0})
    mine = done.jobs.requester == done.others_from
    took = done.jobs.proven_ms - done.jobs.asked_ms - 60_000
    assert np.median(took[mine]) == pytest.approx(3 * np.median(took[~mine]), rel=0.3)


def test_promises_without_money_are_refused_by_the_rule_and_counted() -> None:
    done = market(RULE, {"every": "60s", "funded": 0.05})
    mine = done.jobs.requester == done.others_from
    assert done.verdicts["REQUEST", "POOR"] > 0
    assert 0 < (done.jobs.phase[mine] == Phase.SETTLED).sum() < mine.sum()
    assert (done.jobs.phase[~mine] == Phase.SETTLED).all()


@pytest.mark.parametrize(
    ("asking", "workload", "sentence"),
    [
        ({"every": "2h"}, {}, r"requesters\[0\].every: wanted at least one request within the horizon"),
        ({"every": "60s"}, {"arrivals": "closed_loop"}, "beside .*requesters.*, got closed_loop"),
        ({"everyy": "60s"}, {}, "nearest: every"),
        ({"funded": 2}, {}, r"requesters\[0\].funded"),
    ],
)
def test_a_mistake_is_one_sentence(asking: dict[str, object], workload: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        market(RULE, asking, **workload)
