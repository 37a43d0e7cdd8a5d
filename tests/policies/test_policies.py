"""What each policy does, asked directly and inside a market; compiled and plain Python decide alike."""

import ctypes
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard import policies, scenario
from proofyard.core.errors import BadInput
from proofyard.engine import bind
from proofyard.engine.minds import BLANK
from proofyard.engine.result import Run
from proofyard.engine.simulate import simulate
from proofyard.policies.view import MEMORY, NEVER, Moment, View

CALL = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
LOOP = [name for name in policies.NAMES if policies.with_values(name, {}, "x").compiled]


def decide(text: str, moment: Moment, **seen: int) -> int:
    memory = np.zeros(MEMORY, np.int64)
    return scenario.policy(text).decide(memory, BLANK._replace(moment=int(moment), **seen))


def test_the_honest_say_the_truth() -> None:
    seen = {"ask": 7, "capacity": 3, "cost": 9, "ready": 11, "deadline": 5}
    answers = [decide("honest", moment, **seen) for moment in Moment]
    assert answers == [7, 3, 0, 0, 9, 1, 11, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "moment", "seen", "answer"),
    [
        ("capacity_aware", Moment.ACCEPT, {"ready": 10, "deadline": 10}, 1),
        ("capacity_aware", Moment.ACCEPT, {"ready": 11, "deadline": 10}, 0),
        ("shade(0.1)", Moment.PRICE, {"ask": 1_000}, 1_100),
        ("shade(by=-0.5)", Moment.BID, {"cost": 1_001}, 500),
        ("shade(-0.99)", Moment.PRICE, {"ask": 1}, 1),
        ("overstate(x=2.5)", Moment.CAPACITY, {"capacity": 4}, 10),
        ("overstate(0.1)", Moment.CAPACITY, {"capacity": 4}, 1),
        ("withhold(0.5)", Moment.SUBMIT, {"word": 4_999, "ready": 8}, NEVER),
        ("withhold(0.5)", Moment.SUBMIT, {"word": 5_000, "ready": 8}, 8),
        ("hit_and_run", Moment.SUBMIT, {"paid": 1, "ready": 8}, NEVER),
        ("hit_and_run", Moment.SUBMIT, {"paid": 0, "ready": 8}, 8),
        ("hit_and_run(keep=1)", Moment.SUBMIT, {"paid": 10, "cost": 10, "ready": 8}, 8),
        ("last_moment(margin='2s')", Moment.SUBMIT, {"ready": 8, "deadline": 10_000}, 8_000),
        ("last_moment", Moment.SUBMIT, {"ready": 9_500, "deadline": 10_000}, 9_500),
        ("recover", Moment.SUBMIT, {"ready": 8, "deadline": 10}, 11),
        ("recover(late_ms=5)", Moment.SUBMIT, {"ready": 8, "deadline": 10}, 15),
        ("recover", Moment.SUBMIT, {"ready": 12, "deadline": 10}, 12),
        ("grief", Moment.PRICE, {"ask": 1_000}, 500),
        ("grief", Moment.SUBMIT, {"ready": 8}, NEVER),
        ("ring(high=3)", Moment.BID, {"cost": 100, "job": 4, "peers": 3, "place": 0}, 300),
        ("ring(high=3)", Moment.BID, {"cost": 100, "job": 4, "peers": 3, "place": 1}, 100),
        ("ring(turn='1s')", Moment.PRICE, {"ask": 100, "now": 2_500, "peers": 3, "place": 2}, 100),
        ("undercut(0.01)", Moment.PRICE, {"ask": 100, "rival": 1_000}, 990),
        ("undercut", Moment.PRICE, {"ask": 100, "rival": 90}, 100),
        ("undercut(most=3)", Moment.PRICE, {"ask": 100, "rival": 0}, 300),
        ("undercut", Moment.CAPACITY, {"capacity": 3}, 3),
        ("grief(x=4)", Moment.CAPACITY, {"capacity": 2}, 8),
        ("shill(0.01)", Moment.PRICE, {"ask": 900, "rival": 1_000}, 1_010),
        ("shill(0.0001)", Moment.BID, {"rival": 10}, 11),
        ("shill", Moment.BID, {"rival": 0, "cost": 7}, 0),
        ("prefix(1.5)", Moment.PART, {"ask": 100, "cost": 151}, 1),
        ("prefix(1.5)", Moment.PART, {"ask": 100, "cost": 150}, 0),
        ("last_look(0.5)", Moment.COPY, {"word": 4_999}, 1),
        ("last_look(0.5)", Moment.COPY, {"word": 5_000}, 0),
        ("wrong_proof(0.5)", Moment.CLAIM, {"word": 4_999}, 1),
        ("wrong_proof(0.5)", Moment.CLAIM, {"word": 5_000}, 0),
        ("false_contest(0.5)", Moment.CONTEST, {"word": 4_999}, 1),
        ("false_contest(0.5)", Moment.CONTEST, {"word": 5_000}, 0),
        ("false_contest(0.5)", Moment.CONTEST, {"word": 5_000, "claim": 2}, 1),
        ("honest", Moment.CONTEST, {"claim": 3}, 1),
        ("hoard(0.25)", Moment.STAKE, {"cash": 400, "stake": 8}, 100),
        ("hoard(-1)", Moment.STAKE, {"cash": 400, "stake": 8}, -8),
        ("idle(other=2, step=0)", Moment.AWAY, {"ask": 100, "price": 150}, 3_600_000),
        ("idle(other=1, step=0)", Moment.AWAY, {"ask": 100, "price": 150}, 0),
    ],
)
def test_each_policy_at_its_moment(text: str, moment: Moment, seen: dict[str, int], answer: int) -> None:
    assert decide(text, moment, **seen) == answer


@pytest.mark.parametrize("name", policies.NAMES)
def test_a_policy_is_honest_at_every_moment_it_does_not_decide_about(name: str) -> None:
    chosen = scenario.policy(name)
    seen = {"ask": 70, "capacity": 3, "cost": 90, "ready": 11, "deadline": 50, "cash": 5, "stake": 6, "word": 77}
    for moment in set(Moment) - set(chosen.moments):
        assert decide(name, moment, **seen) == decide("honest", moment, **seen)


cells = st.integers(0, 2**40)


@pytest.mark.parametrize("name", LOOP)
@given(numbers=st.lists(cells, min_size=len(View._fields), max_size=len(View._fields)), moment=st.sampled_from(Moment))
def test_compiled_and_plain_decide_alike(name: str, numbers: list[int], moment: Moment) -> None:
    chosen = policies.with_values(name, {}, "x")
    function = bind.compile_policy(chosen)
    view = View(*numbers)._replace(moment=int(moment))
    plain, compiled = np.zeros(MEMORY, np.int64), np.zeros(MEMORY, np.int64)
    context = np.array([*chosen.params, compiled.ctypes.data, MEMORY], np.int64)
    shown = np.array(view, np.int64)
    answer = CALL(function)(context.ctypes.data, shown.ctypes.data)
    assert answer == chosen.decide(plain, view)
    assert (plain == compiled).all()


def market(mechanism: str, crews: list[dict[str, object]], **workload: object) -> Run:
    work = {"every": "10s", "size": "fixed(30_000_000)", "arrivals": "fixed", "max_fee": "1"} | workload
    tree = {"mechanism": mechanism, "horizon": "1h", "seed": 5, "workload": work, "provers": crews}
    return simulate(scenario.check(tree))


def crew(name: str, policy: str = "honest", **more: object) -> dict[str, object]:
    return {"name": name, "policy": policy, "hardware": "8x5090/zisk-0.16", "stake": "100", "ask": "0.01", **more}


def test_who_hands_in_at_the_last_moment_is_as_late_as_it_says() -> None:
    done = market("staked_allocation(window_ms=600000)", [crew("slow", "last_moment(margin='1s')")])
    took = done.jobs.proven_ms - done.jobs.asked_ms
    assert (took[done.jobs.proven_ms > 0] == 599_000).all()


def test_multiplicative_weights_find_the_markup_that_pays() -> None:
    chosen = scenario.policy("learn(step=0.5, explore=0.2)")
    memory = np.zeros(MEMORY, np.int64)
    dice = np.random.default_rng(3)
    profit, offered = 0, []
    for _ in range(1_500):
        view = BLANK._replace(moment=int(Moment.PRICE), ask=100_000, profit=profit, word=int(dice.integers(0, 2**62)))
        price = chosen.decide(memory, view)
        offered.append(price)
        profit = (price - 100_000) * 10 if price <= 250_000 else 0  # nobody buys above 2.5 x cost
    late = offered[-300:]
    assert sum(price == 250_000 for price in late) > 0.6 * len(late)


def test_the_honest_too_may_bid_on_each_job() -> None:
    rich = [crew(name, bids="each", stake="1_000_000", cash="1_000") for name in ("one", "two")]
    done = market("contest", rich)
    assert done.verdicts["BID", "OK"] > 0
    assert done.provers.wins.sum() > 0


def test_a_twin_is_a_class_of_the_same_size() -> None:
    with pytest.raises(BadInput, match=r"provers\[0\].twin: wanted a class of 1 provers, got puppet, which has 2"):
        market("race", [crew("late", twin="puppet"), crew("puppet", count=2)])
    with pytest.raises(BadInput, match="nearest: puppet"):
        market("race", [crew("late", twin="pupet"), crew("puppet")])


def test_payoffs_of_all_add_up_to_the_cost_of_the_work() -> None:
    done = market("staked_allocation(window_ms=600000)", [crew("one", coalition="us"), crew("two")])
    assert done.requesters_gain_gwei + done.provers.gain_gwei.sum() + done.burnt_gwei == 0
    assert done.coalitions == ("us", "", "")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("onest", "did you mean honest"),
        ("shade(bye=0.1)", "a parameter of shade"),
        ("withhold(2)", "wanted a number from 0 to 1, got '2'"),
        ("honest(3)", "honest without parameters"),
        ("nobody.py", "which does not exist"),
    ],
)
def test_a_mistake_in_a_policy_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        scenario.policy(text)


def test_every_moment_is_decided_by_some_policy() -> None:
    decided = set(itertools.chain.from_iterable(policies.with_values(name, {}, "x").moments for name in policies.NAMES))
    assert decided == set(Moment)
