"""Whom the keeper of the order favours sees what others ask and bid before it does: what that earns, by hand."""

import numpy as np
import pytest

from proofyard import scenario
from proofyard.core.errors import BadInput
from proofyard.core.event import Kind
from proofyard.engine.result import Run
from proofyard.engine.simulate import simulate

GWEI = 10**9
FAVOURED = {"favours": "us", "first_look": True}
MIXING = "learn(explore=1, step=0.1)"  # each epoch one of 12 prices, 0 to 110 % above the cost, all as likely
ARMS = np.arange(12)


def crew(name: str, policy: str = "honest", cost: float = 1, **more: object) -> dict[str, object]:
    """Who makes a proof in a minute, as many at once as there are, at a cost in tokens."""
    machine = {"hardware": "speed(setup='60s', per_mgas='0s', noise=0)", "capacity": 30, "stake": "100_000"}
    price = {"cost": {"per_hour": f"{60 * cost} usd", "energy": "0 kW"}, "open_jobs": "ignore"}
    return {"name": name, "policy": policy, **machine, **price, **more}


def market(mechanism: str, crews: list[dict[str, object]], told: dict[str, object], size: int = 1) -> Run:
    work = {"every": "5m", "size": f"fixed({size})", "arrivals": "fixed", "max_fee": "10"}
    tree = {"mechanism": mechanism, "horizon": "10d", "seed": 5, "token": {"usd": "1"}, "workload": work}
    tree |= {"provers": crews, "market": {"epoch": "5m", **told}}
    return simulate(scenario.check(tree), traced=True)


def asked_of(run: Run, prover: int) -> dict[int, int]:
    """Standing offer of a prover when the round of each job closes, gwei."""
    assert run.trace is not None
    price, found = 0, {}
    for kind, _, actor, job, amount, *_ in run.trace.tolist():
        if kind == Kind.OFFER and actor == prover:
            price = amount
        elif kind == Kind.CLOSE:
            found[job] = price
    return found


@pytest.mark.parametrize("place", [0, 1])
def test_who_sees_the_others_first_is_paid_just_less_than_the_cheapest_on_every_job(place: int) -> None:
    crews = [crew("them", MIXING)]
    crews.insert(place, crew("us", "undercut(0.0001)"))
    run = market("first_price(round_ms=300_000)", crews, FAVOURED)
    rival = np.array(list(asked_of(run, 1 - place).values()))
    mine = np.maximum(GWEI, rival - np.maximum(1, rival // 10_000))
    assert run.jobs.paid_gwei.tolist() == mine.tolist()
    assert run.provers.wins[place] == len(rival) - (rival == GWEI).sum() * place  # at equal prices the first is served
    margin = (run.jobs.paid_gwei / GWEI - 1).mean()
    spread = (ARMS / 10).std() / len(rival) ** 0.5
    assert margin == pytest.approx((ARMS / 10).mean(), abs=4 * spread)  # 0.55


@pytest.mark.parametrize("place", [0, 1])
def test_who_sees_only_what_was_asked_before_earns_what_the_dice_leave(place: int) -> None:
    crews = [crew("them", MIXING)]
    crews.insert(place, crew("us", "undercut(0.0001)"))
    run = market("first_price(round_ms=300_000)", crews, {})
    profit = (run.provers.income_gwei - run.provers.cost_gwei)[place] / GWEI / len(run.jobs.paid_gwei)
    earned = np.where(ARMS[:, None] <= ARMS, ARMS[:, None] / 10, 0)  # its last price, where the next is not lower
    spread = earned.std() / len(run.jobs.paid_gwei) ** 0.5
    assert profit == pytest.approx(earned.mean(), abs=4 * spread)  # 0.199, wherever it stands in the scenario


@pytest.mark.parametrize(
    ("size", "cost", "paid"),
    [(10**9, 1, GWEI), (22_000_000, 1, 990 * GWEI // 1_000), (22_000_000, 0.1, 99 * GWEI // 1_000)],
)
@pytest.mark.parametrize("bids", ["each", "standing"])
def test_where_prices_are_those_of_units_the_honest_are_paid_their_cost(
    size: int, cost: float, paid: int, bids: str
) -> None:
    """Prices are those of 10^9 units, here in steps of 0.5 tokens: 45 for a job of 22 million units that costs 1."""
    rule = "reverse_auction(tick_gwei=500_000_000, base_fee_gwei=0, staker_bips=0, min_success_bips=0)"
    run = market(rule, [crew("us", cost=cost, bids=bids)], {}, size=size)
    assert set(run.jobs.paid_gwei.tolist()) == {paid}
    refused = {str(verdict): n for (kind, verdict), n in run.verdicts.items() if kind == "BID"}
    assert refused == ({"OK": len(run.jobs.paid_gwei)} if bids == "each" else {})


@pytest.mark.parametrize(("told", "price"), [(FAVOURED, 2 * GWEI - 200_000), ({}, GWEI)])
def test_bids_on_single_jobs_are_seen_by_the_favourite_alone(told: dict[str, object], price: int) -> None:
    """Pay-as-bid, costs 1, 2 and 4: who sees the bids is paid 2 less its step; who sees none bids its cost."""
    rule = "reverse_auction(tick_gwei=1, base_fee_gwei=0, staker_bips=0, min_success_bips=0)"
    crews = [
        crew("us", "undercut(0.0001)", bids="each", ask="9"),
        crew("third", cost=4, bids="each", ask="9"),
        crew("second", "undercut(0.0001)", cost=2, bids="each", ask="9"),  # after the third, unseen
    ]
    run = market(rule, crews, told, size=10**9)  # so that a price is one of the whole job
    assert set(run.jobs.paid_gwei.tolist()) == {price}
    assert run.provers.wins.tolist() == [len(run.jobs.paid_gwei), 0, 0]
    assert run.verdicts["BID", "OK"] >= len(run.jobs.paid_gwei)


def test_at_the_second_price_there_is_nothing_to_see() -> None:
    paid = []
    for policy, told in (("honest", {}), ("undercut(0.0001)", FAVOURED)):
        run = market("sealed_bid(window_ms=1_200_000, fee_rate=0)", [crew("us", policy), crew("them", MIXING, 2)], told)
        assert run.provers.wins[1] == 0
        paid.append(run.jobs.paid_gwei.tolist())
    assert paid[0] == paid[1]


def test_a_first_look_needs_somebody_who_has_it() -> None:
    with pytest.raises(BadInput, match=r"market.first_look: wanted the class that has it, in market.favours"):
        market("race", [crew("us")], {"first_look": True})
    with pytest.raises(BadInput, match=r"market.favours: wanted the name of a class \(us\), got them"):
        market("race", [crew("us")], {"favours": "them"})
