"""Runs: what each part of a world does, by cases small enough to work out by hand."""

import gc
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine.worlds import prover, scenario

from proofyard.core import BadInput, Fault, Kind, Phase, mul_div, shape
from proofyard.engine import layout
from proofyard.engine.simulate import Simulation, replay, simulate
from proofyard.engine.world import rule_of
from proofyard.mechanisms import race

POOL = "operator_pool(slash_bips = 0, flat_gwei = 500_000_000)"
STAKED = {"stake": "100", "capacity": 1}


def test_one_prover_proves_every_job_in_its_time() -> None:
    run = simulate(scenario())
    assert run.jobs.proven_ms.tolist() == [60_000 * k + 30_000 for k in range(10)]
    assert run.jobs.phase.tolist() == [Phase.SETTLED] * 10
    assert (run.provers.wins[0], run.provers.busy_ms[0], run.provers.wasted_ms[0]) == (10, 300_000, 0)
    assert run.provers.income_gwei[0] == 10 * 10**9
    assert run.provers.cost_gwei[0] == mul_div(300_000, 10**9, 3_600_000)  # 1 usd an hour, 1 usd a token
    assert run.money_difference_gwei == 0


def test_a_rule_that_raises_once_ends_the_run(tmp_path: Path) -> None:
    """What answered nothing must not count as refused: results would look whole."""
    text = Path(race.__file__).read_text(encoding="utf-8")
    path = tmp_path / "raising.py"
    path.write_text(text.replace("    b = s.book\n    verdict", "    b = s.book\n    assert e.job != 3\n    verdict"))
    with pytest.raises(Fault, match="the rule raised an exception; proofyard check says where"):
        simulate(scenario(mechanism=str(path)))


def test_the_fastest_wins_and_the_others_stop_or_run_on() -> None:
    racers = [prover("fast"), prover("slow", "50s")]
    stopping = simulate(scenario(provers=racers))
    assert stopping.provers.wins.tolist() == [10, 0]
    assert stopping.provers.wasted_ms.tolist() == [0, 300_000]  # stops after 30 s, each time
    running = simulate(scenario(provers=racers, market={"losers": "run_on"}))
    assert running.provers.wasted_ms.tolist() == [0, 500_000]


def test_a_busy_prover_leaves_the_next_race_to_others() -> None:
    racers = [prover("fast", "90s"), prover("slow", "100s")]
    run = simulate(scenario(provers=racers, market={"losers": "run_on"}))
    # At 0 both start, fast is first at 90 s. At 60 s both are busy: the job waits until fast is free at 90 s.
    assert run.jobs.prover[:2].tolist() == [0, 0]
    assert run.jobs.proven_ms[:2].tolist() == [90_000, 180_001]  # it looks again just after 90 s


def test_a_job_that_finds_everybody_off_line_is_raced_for_when_somebody_is_back() -> None:
    night = [prover(online="nights"), prover("later", "20s", online="nights(start=23)")]
    asked = {"every": "6h", "requests": 2}  # at 0:00 and 6:00; the night is over at 6:00
    run = simulate(scenario("race(window_ms=72000000)", horizon="12h", workload=asked, provers=night))
    assert run.jobs.prover.tolist() == [1, 0]
    assert run.jobs.proven_ms.tolist() == [20_000, 22 * 3_600_000 + 30_001]  # it looks again just after 22:00


def test_under_a_rule_that_pays_every_proof_all_hand_in_what_is_in_time() -> None:
    racers = [prover("fast"), prover("slow", "40s"), prover("late", "41s")]
    run = simulate(scenario(f"{Path(__file__).parent / 'shared_reward.py'}", provers=racers))
    assert run.verdicts["PROVE", "OK"] == 20
    assert run.jobs.proven_ms.tolist() == [60_000 * k + 30_000 for k in range(10)]  # the first
    assert run.provers.income_gwei.tolist() == [5 * 10**9, 5 * 10**9, 0]
    assert run.provers.busy_ms.tolist() == [300_000, 400_000, 410_000]  # nobody stops because another was first
    assert run.provers.wasted_ms.tolist() == [0, 0, 410_000]
    assert run.provers.wins.tolist() == [10, 0, 0]  # of record
    many = simulate(scenario(f"{Path(__file__).parent / 'shared_reward.py'}", provers=[prover(count=5_000)]))
    assert many.verdicts["PROVE", "OK"] == 50_000  # more than the queue has room for at first


def test_where_every_proof_counts_withholders_sit_out_their_share_by_dice_of_their_own() -> None:
    """Two that sit out half each: one, the other, both or none hand in, a quarter of 2 000 jobs each (3 sigma)."""
    crew = [prover(name, policy="withhold(0.5)") for name in ("one", "two")]
    work = {"requests": 2_000, "every": "60s"}
    run = simulate(scenario(f"{Path(__file__).parent / 'shared_reward.py'}", horizon="2d", workload=work, provers=crew))
    lost = int((run.jobs.phase == Phase.LOST).sum())
    assert abs(lost - 500) < 3 * (2_000 * 0.25 * 0.75) ** 0.5
    assert abs(run.verdicts["PROVE", "OK"] - 2_000) < 3 * (4_000 * 0.25) ** 0.5


def test_only_those_start_who_may_prove() -> None:
    """A primary that never comes, and a committee of one of the two others, drawn anew for every job."""
    rule = "primary_fallback(committee = 1, window_ms = 40_000, fallback_ms = 40_000, bond_gwei = 0)"
    crew = [prover("absent", policy="withhold(1)"), prover("one"), prover("two")]
    run = simulate(scenario(rule, workload={"requests": 20, "every": "120s"}, provers=crew))
    assert run.verdicts["PROVE", "OK"] == int((run.jobs.phase == Phase.SETTLED).sum())  # one proof a job, none refused
    assert run.provers.wasted_ms.tolist() == [0, 0, 0]


def test_a_rule_that_draws_when_it_settles_has_a_word_for_it() -> None:
    run = simulate(scenario("lottery(window_ms = 40_000)", provers=[prover(count=4)]), traced=True)
    trace = np.asarray(run.trace)
    words = trace[trace[:, 0] == Kind.SETTLE, 6]
    assert len(set(words.tolist())) == len(words) == 10
    assert run.provers.income_gwei.sum() == 10 * 10**9
    assert len(set(run.jobs.prover.tolist())) > 1  # not always the first to hand in


def test_a_job_that_waited_may_come_back_to_the_same_prover() -> None:
    silent = [prover(policy="withhold(1.0)", open_jobs="ignore")]
    run = simulate(scenario("coordinator_pull", provers=silent, workload={"requests": 1}))
    assert (run.jobs.phase[0], run.jobs.turns[0], run.provers.missed[0]) == (Phase.LOST, 5, 5)
    crashing = [{**prover(open_jobs="ignore"), "hardware": "speed(setup='30s', per_mgas='0s', noise=0, crash=0.5)"}]
    run = simulate(
        scenario("coordinator_pull", provers=crashing, workload={"every": "20m", "requests": 2_000}, horizon="30d")
    )
    assert 0.01 < (run.jobs.phase == Phase.LOST).mean() < 0.06  # a half to the fifth: each turn has dice of its own
    assert run.provers.wasted_ms[0] == 30_000 * (run.jobs.turns.sum() - (run.jobs.phase == Phase.SETTLED).sum())


def test_an_assigned_prover_works_first_come_first_served() -> None:
    run = simulate(scenario(f"{POOL[:-1]}, window_ms = 200_000)", provers=[prover(setup="90s", **STAKED)]))
    # One slot, 90 s each, one job a minute: waits grow by 30 s until a job would miss its 200 s and is left alone.
    assert run.jobs.proven_ms[:4].tolist() == [90_000, 180_000, 270_000, 360_000]
    assert run.jobs.phase.tolist().count(Phase.LOST) == run.provers.missed[0] > 0
    assert run.provers.slashed_gwei[0] == run.provers.missed[0] * 500_000_000
    assert run.slashes_total == run.provers.missed[0]


def test_two_slots_serve_two_at_once() -> None:
    run = simulate(
        scenario(f"{POOL[:-1]}, window_ms = 100_000)", provers=[prover(setup="90s", stake="100", capacity=2)])
    )
    assert run.provers.missed[0] == 0
    assert run.jobs.proven_ms.tolist() == [60_000 * k + 90_000 for k in range(10)]


def test_hopeless_jobs_are_left_or_worked_off() -> None:
    overloaded = {"setup": "90s", **STAKED}
    left = simulate(scenario(f"{POOL[:-1]}, window_ms = 100_000)", provers=[prover(**overloaded)]))
    worked = simulate(scenario(f"{POOL[:-1]}, window_ms = 100_000)", provers=[prover(**overloaded, hopeless="work")]))
    assert left.provers.wins[0] > worked.provers.wins[0]
    assert left.provers.wasted_ms[0] == 0 < worked.provers.wasted_ms[0]


def test_offline_provers_start_over_when_they_are_back() -> None:
    run = simulate(
        scenario(
            horizon="2d",
            workload={"every": "1h", "requests": 48},
            provers=[prover(setup="45m", online="nights"), prover("always on", "50m")],
        )
    )
    night = [hour for hour, winner in enumerate(run.jobs.prover.tolist()) if winner == 0]
    assert {hour % 24 for hour in night} == {22, 23, 0, 1, 2, 3, 4, 5}
    assert run.provers.online_ms[0] < run.provers.online_ms[1]


def test_withheld_and_overstated_work_is_missed() -> None:
    window = f"{POOL[:-1]}, window_ms = 100_000)"
    withholding = simulate(scenario(window, provers=[prover(policy="withhold(1)", **STAKED)]))
    assert withholding.provers.wins[0] == 0
    assert withholding.provers.missed[0] == 10
    half = simulate(scenario(window, workload={"requests": 50}, provers=[prover(policy="withhold(0.5)", **STAKED)]))
    assert 10 < half.provers.missed[0] < 40


def test_whoever_may_decline_is_not_slashed_for_being_full() -> None:
    pool = f"{POOL[:-1]}, window_ms = 100_000, may_decline = 1)"
    crew = [
        prover("one", "90s", policy="capacity_aware", **STAKED),
        prover("two", "90s", policy="capacity_aware", **STAKED),
    ]
    run = simulate(scenario(pool, provers=crew))
    assert run.verdicts["DECLINE", "OK"] > 0
    assert run.provers.missed.tolist() == [0, 0]
    assert run.jobs.turns.max() > 1


def test_a_proof_can_be_bought_from_another() -> None:
    window = f"{POOL[:-1]}, window_ms = 100_000)"
    buyer = prover("buyer", "90s", cash="50", outsource={"to": "helper", "price": "0.25", "setup": "1s"}, **STAKED)
    run = simulate(scenario(window, provers=[buyer, prover("helper", "20s")]))
    assert run.provers.wins.tolist() == [10, 0]  # the buyer hands the proofs in
    bought = run.verdicts["TRANSFER", "OK"]
    assert 0 < bought < 10
    assert run.provers.busy_ms[1] == bought * 20_000


def test_provers_that_lose_money_leave_and_come_back() -> None:
    slow = prover("slow", "50s", leave={"after": "1d", "back_after": "2d"})
    run = simulate(scenario(horizon="10d", workload={"requests": None, "every": "10m"}, provers=[prover("fast"), slow]))
    assert run.provers.wins.tolist() == [1440, 0]
    assert run.provers.online_ms[1] < 0.6 * run.provers.online_ms[0]  # it comes back to look, and leaves again
    broke = {**slow, "leave": {"after": "1d", "back_after": "2d", "budget": "0.01"}}
    gone = simulate(
        scenario(horizon="10d", workload={"requests": None, "every": "10m"}, provers=[prover("fast"), broke])
    )
    assert gone.provers.active.tolist() == [1, 0]
    assert gone.provers.busy_ms[1] < run.provers.busy_ms[1]


def test_requests_of_a_closed_loop_wait_for_answers() -> None:
    run = simulate(scenario(workload={"arrivals": "closed_loop", "every": "10s", "clients": 2, "requests": 9}))
    # Two clients, one prover of 30 s: the second waits for the first, and each thinks 10 s.
    assert len(run.jobs.asked_ms) == 9
    assert (np.diff(np.sort(run.jobs.proven_ms)) >= 30_000).all()
    in_flight = [int(((run.jobs.asked_ms <= t) & (run.jobs.proven_ms > t)).sum()) for t in range(0, run.end_ms, 1_000)]
    assert max(in_flight) == 2


def test_proposers_prove_their_own_batches() -> None:
    crew = [prover("proposer", count=3, capacity=50, cash="10_000")]
    run = simulate(scenario("bonded", workload={"requester": "provers", "max_fee": "0", "requests": 60}, provers=crew))
    assert (run.jobs.prover == run.jobs.requester).all()
    assert set(run.jobs.requester.tolist()) == {0, 1, 2}


@pytest.mark.parametrize(
    "mechanism",
    ["race", "race(fee_rule=1, cooldown_ms=60_000)", "staked_pool(min_capacity=1)", POOL, "proo_phi", "bonded"],
)
def test_the_trace_folded_in_plain_python_ends_in_the_same_state(mechanism: str) -> None:
    crew = [prover("fast", "40s", count=2, stake="100", cash="5_000"), prover("slow", "80s", stake="50", cash="5_000")]
    world = scenario(
        mechanism, horizon="3h", workload={"arrivals": "poisson", "every": "45s", "requests": 60}, provers=crew
    )
    simulation = Simulation(world, rule_of(world), seed=5, traced=True)
    run = simulation.run()
    assert run.trace is not None
    assert len(run.trace) == sum(count for (_, verdict), count in run.verdicts.items() if verdict == "OK")
    for (field, compiled), plain in zip(
        shape.named(simulation.stage.state), shape.arrays(replay(simulation.stage, run.trace)), strict=True
    ):
        assert (compiled == plain).all(), field.path
    assert run.money_difference_gwei == 0


def test_the_same_seed_makes_the_same_trace_and_another_a_different_one() -> None:
    world = scenario(POOL, workload={"arrivals": "poisson", "requests": 200}, provers=[prover(count=5, stake="100")])
    one, same, other = (np.asarray(simulate(world, seed=seed, traced=True).trace) for seed in (7, 7, 8))
    assert len(one) > 100
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_two_rules_on_one_seed_see_the_same_world() -> None:
    changes: dict[str, Any] = {
        "workload": {"arrivals": "poisson", "size": "ethereum_block", "requests": 100},
        "horizon": "3h",
    }
    race, pool = simulate(scenario(**changes)), simulate(scenario(POOL, provers=[prover(stake="10")], **changes))
    assert np.array_equal(race.jobs.asked_ms, pool.jobs.asked_ms)
    assert np.array_equal(race.jobs.size, pool.jobs.size)


def test_no_result_depends_on_the_order_of_events_of_one_instant() -> None:
    crew = [prover(count=4, stake="100", capacity=3), prover("slow", "60s", count=2, stake="100")]
    world = scenario(POOL, workload={"every": "15s", "requests": 200}, provers=crew)  # all times are multiples of 15 s
    runs = [simulate(world, salt=salt) for salt in (0, 12_345, -1)]
    outcomes = [(Counter(run.jobs.phase.tolist()), int(run.provers.income_gwei.sum())) for run in runs]
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_where_slots_are_found_without_the_provers_row_they_are_the_same_slots() -> None:
    crew = [prover(count=4, stake="100", capacity=3), prover("slow", "60s", count=2, stake="100", capacity=2)]
    world = scenario(POOL, workload={"every": "5s", "requests": 200}, provers=crew)
    runs = [Simulation(world, rule_of(world), seed=1, traced=True) for _ in range(2)]
    assert [int(run.stage.world.registers[0]["slots_each"]) for run in runs] == [3, 3]
    assert runs[0].stage.world.provers["slot"].tolist() == [0, 3, 6, 9, 12, 15]
    runs[1].stage.world.registers[0]["slots_each"] = 0
    one, other = (np.asarray(run.run().trace) for run in runs)
    assert len(one) > 400
    assert np.array_equal(one, other)


def test_one_large_prover_does_not_make_room_for_all_as_large() -> None:
    capacity = np.array([1, 100, 1, 1])
    slots, first, each = layout.slots_for(capacity)
    assert (len(slots), first.tolist(), each) == (103, [0, 1, 101, 102], 0)


def test_crashes_are_as_frequent_as_the_model_says() -> None:
    crashing = {
        "name": "p",
        "hardware": "speed(setup='10s', per_mgas='0s', noise=0, crash=0.2)",
        "cost": {"per_hour": "1 usd", "energy": "0 kW"},
        "stake": "100",
    }
    run = simulate(scenario(POOL, horizon="30d", workload={"requests": 5_000}, provers=[crashing]))
    assert abs(run.provers.missed[0] / 5_000 - 0.2) < 4 * (0.2 * 0.8 / 5_000) ** 0.5


def test_a_job_given_to_who_asks_and_has_no_machine_waits_until_it_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    tables: list[np.ndarray[Any, Any]] = []

    def with_a_row_more(record: np.dtype[Any], count: int) -> np.ndarray[Any, Any]:
        tables.append(np.zeros(count + 1, record))
        return tables[-1][:count]

    monkeypatch.setattr(layout, "rows", with_a_row_more)
    rule = "bonded(liveness_gwei=0, tee_validity_gwei=0, tee_contest_gwei=0, tee_window_ms=60_000)"
    run = simulate(scenario(rule, provers=[prover()], workload={"every": "2m", "requests": 3}))
    assert run.jobs.phase.tolist() == [Phase.SETTLED] * 3
    assert ((run.jobs.proven_ms - run.jobs.asked_ms) > 60_000).all()
    assert run.provers.missed.tolist() == [0]
    assert not np.any(tables[0][-1:].view(np.int64))  # of whoever comes after the last prover


def test_what_a_run_took_is_given_back_when_it_is_over() -> None:
    """Not when Python looks for circles: by then a sweep has done dozens more in the same process."""
    world = scenario(POOL, provers=[prover(count=3, stake="100")])
    gc.disable()
    try:
        simulation = Simulation(world, rule_of(world), seed=1)
        kept = weakref.ref(simulation.stage.world.jobs)
        simulation.run()
        assert kept() is not None
        del simulation
        assert kept() is None
    finally:
        gc.enable()


def test_memory_per_prover_stays_small() -> None:
    world = scenario(POOL, workload={"requests": 1}, provers=[prover(count=20_000, stake="1")])
    stage = Simulation(world, rule_of(world), seed=1).stage
    engine = stage.world.provers.nbytes + stage.world.slots.nbytes + stage.world.racers.nbytes + stage.world.ends.nbytes
    assert engine / 20_000 < 300


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"workload": {"deadline": "10s"}},
            "workload.deadline: wanted at least 30000 ms, the least any prover needs, got 10000 ms.",
        ),
        ({"workload": {"max_fee": "1e12"}}, "workload.max_fee: wanted less than 2_305_843_009 tokens, got 1E+12."),
        ({"token": {"usd": "0"}}, "token.usd: wanted a price above zero, got 0."),
        (
            {"provers": [prover(outsource={"to": "nobody"})]},
            "provers[0].outsource.to: wanted the name of a class (prover), got nobody.",
        ),
    ],
)
def test_an_impossible_world_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        simulate(scenario(**changes))
    assert str(caught.value) == sentence
