"""Suppliers who come and go: idle hardware with other income, hardware bought to enter, work lost on leaving."""

from typing import Any

import numpy as np
import pytest
from engine.worlds import prover, scenario

from proofyard.core import BadInput, Phase
from proofyard.engine.result import Run
from proofyard.engine.simulate import simulate
from proofyard.engine.supply import Prices
from proofyard.scenario import Elsewhere

POOL = "operator_pool(slash_bips=0, commission_bips=10000)"
HOUR, DAY = 3_600_000, 86_400_000
GWEI = 10**9


def market(provers: list[dict[str, Any]], rule: str = POOL, horizon: str = "30d", **work: Any) -> Run:
    asked = {"every": "10m", "requests": None, "max_fee": "1", **work}
    return simulate(scenario(rule, horizon=horizon, market={"epoch": "6h"}, workload=asked, provers=provers))


def idle(per_hour: str, **more: Any) -> dict[str, Any]:
    told = {"per_hour": per_hour, "swing": 0, "share": 1, "after": "1d"}
    keys = {key: more.pop(key) for key in ("swing", "memory", "place", "share") if key in more}
    return prover("idle", "30s", count=4, stake="100", elsewhere=told | keys, **more)


def test_idle_hardware_goes_where_an_hour_pays_more() -> None:
    """Six proofs an hour at a price of 1, of which the work costs little: four idle ones share them with one"""
    steady = prover("steady", "30s", stake="100")
    stays, goes = (market([steady, idle(price)]) for price in ("0.2 usd", "4 usd"))
    assert stays.provers.active.tolist() == [1] * 5
    assert stays.provers.elsewhere_gwei.sum() == 0
    assert goes.provers.active.tolist() == [1, 0, 0, 0, 0]
    gone = goes.provers.elsewhere_gwei[1:] / GWEI / 4  # hours there
    assert gone == pytest.approx(np.full(4, 29 * 24), abs=12)
    assert goes.provers.wins[0] > 4 * stays.provers.wins[0]


def test_who_shares_a_place_sees_one_price_that_swings_about_its_mean() -> None:
    told = Elsewhere.model_validate({"per_hour": "1 usd", "swing": 0.5, "memory": "6h", "place": "cloud"})
    one, same = Prices(1, told), Prices(1, told)
    other = Prices(1, told.model_copy(update={"place": "mine"}))
    path = np.array([one.at(k * HOUR) for k in range(20_000)])
    assert path.tolist()[:50] == [same.at(k * HOUR) for k in range(50)]
    assert path[0] != other.at(0)
    assert path.mean() == pytest.approx(1, abs=0.05)
    assert np.log(path).std() == pytest.approx(0.5, rel=0.1)
    assert np.corrcoef(np.log(path[:-6]), np.log(path[6:]))[0, 1] == pytest.approx(np.exp(-1), abs=0.08)


def test_they_come_back_when_the_price_elsewhere_falls() -> None:
    run = market([prover("steady", "30s", stake="100"), idle("1.2 usd", swing=0.6, memory="3d")], horizon="60d")
    share = run.provers.online_ms[1:] / run.end_ms
    assert (share > 0.1).all()
    assert (share < 0.9).all()
    assert (run.provers.wins > 0).all()


@pytest.mark.parametrize("rule", [POOL, "race"])
def test_who_drops_its_work_on_leaving_loses_it_and_who_finishes_does_not(rule: str) -> None:
    """Proofs take 20 hours and everybody looks around each 6 hours, so each is at work when it goes"""
    crew = [prover("steady", "22h", capacity=40, stake="100"), idle("9 usd", capacity=40)]
    crew[1] |= {"hardware": "speed(setup='20h', per_mgas='0s', noise=0)"}
    work = {"every": "1h", "deadline": "24h"} if rule == POOL else {"every": "1h"}
    finishes, drops = (market([crew[0], crew[1] | {"in_hand": how}], rule, "4d", **work) for how in ("finish", "drop"))
    assert set(finishes.jobs.phase.tolist()) <= {Phase.SETTLED}
    idle_missed = drops.provers.missed[1:].sum()
    assert drops.provers.wins[1:].sum() < finishes.provers.wins[1:].sum()
    assert drops.provers.busy_ms[1:].sum() < finishes.provers.busy_ms[1:].sum()
    if rule == POOL:
        assert finishes.provers.missed.sum() == 0
        assert idle_missed == (drops.jobs.phase == Phase.LOST).sum() > 0
        assert drops.provers.wins.sum() + idle_missed == len(drops.jobs.phase)
    else:
        assert (drops.jobs.phase == Phase.SETTLED).all()  # others begin the race again
    assert drops.money_difference_gwei == 0


def buyers(price: str, **more: Any) -> dict[str, Any]:
    told = {"price": price, "payback": "30d", "after": "2d", "share": 0.5, **more.pop("invest", {})}
    return prover("buyer", "30s", count=6, stake="100", invest=told, **more)


def test_hardware_is_bought_until_what_is_left_to_earn_no_longer_pays_it_back() -> None:
    """144 proofs a day leave 4,300 in 30 days: 4,300 / 500 is room for eight, with one inside for seven"""
    steady = prover("steady", "30s", stake="100")
    room, dear = market([steady, buyers("500 usd")], horizon="60d"), market([steady, buyers("9_000 usd")])
    assert room.provers.active.sum() == 7
    assert room.provers.invested_gwei[1:].tolist() == [500 * GWEI] * 6
    assert room.provers.cost_gwei[1] >= 500 * GWEI
    assert dear.provers.active.tolist() == [1, 0, 0, 0, 0, 0, 0]
    assert dear.provers.invested_gwei.sum() == 0
    some = market([steady, buyers("1_200 usd", invest={"salvage": 0})], horizon="60d")
    assert 3 <= some.provers.active.sum() <= 5  # 4,300 / 1,200 is 3.6, and some come at the same moment


def test_sunk_money_keeps_those_inside_whom_it_would_keep_outside() -> None:
    """The hysteresis of entry and exit under sunk cost: Dixit, Journal of Political Economy 97 (1989)"""
    leave = {"after": "2d"}
    poor = {"max_fee": "0.02"}
    inside = market([buyers("500 usd", invest={"inside": 6}, leave=leave)], **poor)
    outside = market([prover("steady", "30s", stake="100"), buyers("500 usd", leave=leave)], **poor)
    assert inside.provers.active.sum() == 6  # each hour leaves a little more than it costs
    assert inside.provers.invested_gwei.sum() == 0  # paid for before
    assert outside.provers.active.sum() == 1
    ruined = market([prover("steady", "30s", stake="100"), buyers("500 usd", invest={"inside": 6}, leave=leave)],
                    max_fee="0.001")  # fmt: skip
    assert ruined.provers.active.tolist()[1:] == [0] * 6
    assert ruined.provers.invested_gwei[1:].tolist() == [-100 * GWEI] * 6  # sold for a fifth of the price


def test_a_class_buys_hardware_or_has_it_idle() -> None:
    with pytest.raises(BadInput, match=r"provers\[0\].invest: wanted a class that does not earn `elsewhere` too"):
        market([idle("1 usd", invest={"price": "5 usd"})])
