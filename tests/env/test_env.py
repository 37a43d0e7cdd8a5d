"""Markets as environments: the libraries' own tests, the same run as `simulate`, and learners that find what pays."""

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test

from proofyard import mechanisms
from proofyard import scenario as scenarios
from proofyard.core.errors import BadInput
from proofyard.engine import bind
from proofyard.engine.result import Run
from proofyard.engine.simulate import simulate
from proofyard.env import ACTIONS, FIELDS, MarketEnv, ProverEnv, turns
from proofyard.env.play import PLAYED
from proofyard.lab.metrics import payoffs
from proofyard.policies.view import MEMORY, Moment, View
from proofyard.scenario import Scenario

FOLDER = Path(__file__).parents[2] / "scenarios"
MINIMAL, POOL32 = FOLDER / "minimal.toml", FOLDER / "taiko-pool-32.toml"
HONEST = np.zeros(len(ACTIONS), np.float32)
POOL = "operator_pool"
EPOCH = {"market.epoch": "5m"}
TINY = 60  # requests


def action(**chosen: float) -> np.ndarray[Any, Any]:
    made = HONEST.copy()
    for name, value in chosen.items():
        made[ACTIONS.index(name)] = value
    return made


def staked(**more: str) -> dict[str, str]:
    stakes = {f"provers[{k}].stake": "100" for k in range(3)} | {f"provers[{k}].cash": "100" for k in range(3)}
    return EPOCH | stakes | more


def played(env: ProverEnv, seed: int, act: Any = HONEST) -> tuple[float, dict[str, Any]]:
    """Play one action to the end; the sum of rewards, and what was told last"""
    env.reset(seed=seed)
    total, over, told = 0.0, False, {}
    while not over:
        _, reward, over, _, told = env.step(act)
        total += reward
    return total, told


def test_gymnasium_accepts_the_environment_of_one() -> None:
    check_env(ProverEnv(MINIMAL, changes=staked(), mechanism=POOL), skip_render_check=True)
    made = gymnasium.make("proofyard/Prover-v0", scenario=MINIMAL, prover="slow", changes=EPOCH)
    seen, _ = made.reset(seed=1)
    assert seen.shape == (len(FIELDS),)


def test_pettingzoo_accepts_the_environments_of_many() -> None:
    changes = staked()
    parallel_api_test(MarketEnv(MINIMAL, changes=changes, mechanism=POOL), num_cycles=60)
    api_test(turns(MINIMAL, changes=changes, mechanism=POOL), num_cycles=60)
    seed_test(lambda: turns(MINIMAL, changes=changes, mechanism=POOL), num_cycles=20)
    parallel_seed_test(lambda: MarketEnv(MINIMAL, changes=changes, mechanism=POOL), num_cycles=20)


@pytest.mark.parametrize("rule", mechanisms.NAMES)
def test_every_rule_of_the_catalogue_is_an_environment(rule: str) -> None:
    """The libraries' own checks; then agents that do anything, twice alike, after which no money is missing."""
    changes = staked() | {"workload.deadline": "20m"}
    check_env(ProverEnv(MINIMAL, changes=changes, mechanism=rule), skip_render_check=True)
    market = MarketEnv(MINIMAL, changes=changes, mechanism=rule)
    parallel_api_test(market, num_cycles=3)
    told = []
    for seed in (4, 4, 5):
        dice = np.random.default_rng(seed)
        seen, _ = market.reset(seed=seed)
        played = [seen]
        while market.agents:
            acts = {agent: dice.uniform(-1, 1, len(ACTIONS)).astype(np.float32) for agent in market.agents}
            seen, rewards, *_ = market.step(acts)
            assert all(market.observation_space(agent).contains(what) for agent, what in seen.items())
            played += [seen, rewards]
        assert market.result is not None
        assert market.result.money_difference_gwei == 0
        told.append(repr(played))
    assert told[0] == told[1] != told[2]


def columns(run: Run) -> Iterator[tuple[str, Any]]:
    for table in (run.jobs, run.provers, run.samples, run.slashes):
        yield from table._asdict().items()
    yield "verdicts", sorted((str(pair), count) for pair, count in run.verdicts.items())
    yield "rest", (run.end_ms, run.burnt_gwei, run.seat_churn, run.events, run.requesters_gain_gwei)


def tiny(name: str) -> Scenario:
    chosen = scenarios.read(FOLDER / f"{name}.toml")
    return chosen.model_copy(update={"horizon": min(chosen.horizon, TINY * chosen.workload.every)})


@pytest.mark.parametrize(
    "name",
    [
        "minimal",
        "lagrange-dara",
        "order-book",
        "proof-contest",
        "random-assignment",
        "taiko-batch-auction",
        "zkpool-two-tier",
    ],
)
def test_honest_actions_reproduce_the_simulation_to_the_digit(name: str) -> None:
    chosen = tiny(name)
    assert {group.policy for group in chosen.provers} == {"honest"}
    env = MarketEnv(chosen)
    env.reset(seed=chosen.seed)
    rewards = dict.fromkeys(env.agents, 0.0)
    while env.agents:
        _, reward, *_ = env.step(dict.fromkeys(env.agents, HONEST))
        rewards = {agent: rewards[agent] + reward[agent] for agent in rewards}
    plain = simulate(chosen)
    assert env.result is not None
    for (name_of, one), (_, other) in zip(columns(env.result), columns(plain), strict=True):
        assert np.array_equal(one, other), name_of
    assert list(rewards.values()) == payoffs(plain)[:-1].tolist()


def test_the_same_seed_and_actions_make_the_same_market_and_another_seed_another() -> None:
    env = ProverEnv(POOL32, "staker 1", changes={"horizon": "3h"}, mechanism="staked_pool")
    busy = action(capacity=0.9)
    assert played(env, 5, busy) == played(env, 5, busy)
    assert played(env, 5, busy) != played(env, 6, busy)
    env.reset(seed=5)
    drawn = env.reset()[0], env.reset()[0]
    env.reset(seed=5)
    assert np.array_equal(drawn, (env.reset()[0], env.reset()[0]))


@pytest.mark.parametrize("bad", [HONEST * np.nan, HONEST + 2, HONEST[:3], "price", None, np.full(6, np.inf), {}])
def test_an_action_that_is_none_is_counted_and_the_last_one_goes_on(bad: Any) -> None:
    env = ProverEnv(MINIMAL, changes=staked(), mechanism=POOL)
    env.reset(seed=1)
    before, *_ = env.step(action(price=0.2))
    after, _, _, _, told = env.step(bad)
    assert told["illegal"] == 1
    assert after[FIELDS.index("price")] == before[FIELDS.index("price")] == 2 * before[FIELDS.index("ask")]


def test_what_the_rule_refuses_is_counted_and_changes_nothing() -> None:
    env = ProverEnv(MINIMAL, changes=staked(), mechanism="staked_pool(min_capacity=32)")
    env.reset(seed=1)
    assert env.step(HONEST)[4] == {"payoff_gwei": 0, "refused": 1, "illegal": 0}
    env.reset(seed=1)
    env.step(action(capacity=1.0))
    seen, _, _, _, told = env.step(HONEST)
    assert seen[FIELDS.index("declared")] == 64
    assert told["refused"] == 1


def test_each_decision_does_what_it_says() -> None:
    env = ProverEnv(MINIMAL, changes=staked(horizon="4h"), mechanism=POOL)

    def after(*acts: Any) -> dict[str, float]:
        env.reset(seed=1)
        for act in acts:
            env.step(act)
        return dict(zip(FIELDS, env.play.observe(env.prover).tolist(), strict=True))

    start = after(HONEST)
    assert after(action(price=-0.2))["price"] == start["ask"] // 2
    assert after(action(capacity=0.5))["declared"] == 8
    richer = after(HONEST, action(stake=0.5))
    assert richer["stake"] > start["stake"]
    assert richer["cash"] < start["cash"]
    away = after(HONEST, action(online=-1))
    assert (start["present"], away["present"]) == (1.0, 0.0)
    assert after(HONEST, action(online=-1), action(online=-1))["present"] == 0.0
    assert after(HONEST, action(online=-1), HONEST)["present"] == 1.0


@pytest.mark.parametrize("rule", [POOL, "staked_pool(min_capacity=1, seats=4, change_delay_ms=0)"])
@pytest.mark.parametrize(("share", "left"), [(0.5, 150.0), (1.0, 200.0), (-0.25, 75.0)])
def test_stake_is_put_in_and_taken_out_whatever_the_rule_wants_to_hear(rule: str, share: float, left: float) -> None:
    env = ProverEnv(MINIMAL, changes=staked() | {"market.epoch": "1s"}, mechanism=rule)
    env.reset(seed=1)
    env.step(HONEST)
    env.step(action(stake=share))
    assert env.play.running().stage.state.stake[0] == left * 10**9


def test_who_withholds_every_proof_misses_all_and_earns_less() -> None:
    env = ProverEnv(MINIMAL, changes=staked(), mechanism=POOL)
    honest, _ = played(env, 3)
    assert env.result is not None
    assert env.result.provers.wins[0] > 0
    idle, _ = played(env, 3, action(prove=-1))
    assert env.result.provers.wins[0] == 0
    assert env.result.provers.missed[0] > 0
    assert idle < honest


def test_multiplicative_weights_learn_to_overstate_capacity_in_the_alpha_4_pool() -> None:
    """The pool lets nobody in who declares less than 32, whatever its machine can do"""
    env = ProverEnv(POOL32, "staker 1", changes={"horizon": "3h"}, mechanism="staked_pool")
    arms = [0.0, 0.3, 0.6, 0.84, 0.9]
    weights, dice, scale = np.ones(len(arms)), np.random.default_rng(4), 1.0
    for episode in range(60):
        share = 0.8 * weights / weights.sum() + 0.2 / len(arms)
        arm = int(dice.choice(len(arms), p=share))
        earned, _ = played(env, 100 + episode, action(capacity=arms[arm]))
        scale = max(scale, abs(earned))
        weights[arm] *= np.exp(0.2 * earned / scale / share[arm] / len(arms))
    best = arms[int(weights.argmax())]
    fresh = range(1_000, 1_012)
    gains = [played(env, seed, action(capacity=best))[0] - played(env, seed)[0] for seed in fresh]
    assert best > 0.8  # declares at least 2**(6 * 0.8) = 28 and rounds up
    assert np.mean(gains) > 3 * np.std(gains, ddof=1) / len(gains) ** 0.5 > 0


cells = st.integers(-10_000, 320_000)


@given(
    numbers=st.lists(st.integers(0, 2**40), min_size=len(View._fields), max_size=len(View._fields)),
    remembered=st.lists(cells, min_size=6, max_size=6),
    moment=st.sampled_from(Moment),
)
def test_a_played_prover_decides_alike_compiled_and_in_plain_python(
    numbers: list[int], remembered: list[int], moment: Moment
) -> None:
    call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(bind.compile_policy(PLAYED))
    memory = np.zeros(MEMORY, np.int64)
    memory[:6] = remembered
    view = View(*numbers)._replace(moment=int(moment))
    context, shown = np.array([memory.ctypes.data, MEMORY], np.int64), np.array(view, np.int64)
    assert call(context.ctypes.data, shown.ctypes.data) == PLAYED.decide(memory, view)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ProverEnv(MINIMAL, "fats"), "prover: wanted one of fast, middle 1, middle 2, slow (nearest: fast)"),
        (lambda: ProverEnv(FOLDER / "minimum.toml"), "scenario: wanted a TOML file"),
        (lambda: ProverEnv(MINIMAL).step(HONEST), "step: wanted a market under way: call reset first"),
        (
            lambda: MarketEnv(scenarios.read(MINIMAL), changes=EPOCH),
            "scenario: wanted a file, where changes or a mechanism are given, got a scenario read before.",
        ),
    ],
)
def test_bad_input_is_one_sentence(make: Any, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        make()
    assert str(caught.value).startswith(sentence)


def test_the_examples_of_the_page_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER.parent)
    for example in re.findall(r"```python\n(.*?)```", (FOLDER.parent / "docs" / "env.md").read_text(), re.DOTALL):
        exec(compile(example, "docs/env.md", "exec"), {})  # noqa: S102
    learned = re.search(r"capacity x (\d+): ([+-]\d+) tokens", capsys.readouterr().out)
    assert learned is not None
    assert int(learned[1]) >= 32
    assert int(learned[2]) > 50
