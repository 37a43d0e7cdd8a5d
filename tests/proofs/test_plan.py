"""The planner against closed forms, measured clusters and queues."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from proofyard.core.errors import BadInput
from proofyard.proofs.fleet import Kind, parse
from proofyard.proofs.measure import fit
from proofyard.proofs.planner import _online, best_cut, compute_mode, compute_turn, plan, sojourn_ms
from proofyard.proofs.timeline import always, bounds_ms, simulate, workers_of
from proofyard.proofs.tree import cut
from proofyard.worlds.hardware import hardware, proving_ms
from proofyard.worlds.profile import Profile, Sample, read
from proofyard.worlds.schedules import Schedule, schedule

P, J = 3_060.0, 1_170.0  # ms of a segment and a join: Boundless' sample cluster of 16 GB cards


def cards(count: int, segment_ms: float = P, join_ms: float = J) -> Kind:
    """Workers whose segments take the same time whatever their size."""
    return Kind("card", count, 1, 0.0, segment_ms, join_ms, join_ms, 0.0, 10**9, 0.0, 0, 0, "test")


def took(leaves: int, kind: Kind) -> float:
    return simulate(cut(leaves), 1.0, workers_of([kind])).ms


@pytest.mark.parametrize("leaves", [1, 2, 3, 9, 33])
def test_one_worker_does_all_work_in_a_row(leaves: int) -> None:
    assert took(leaves, cards(1)) == pytest.approx(leaves * P + (leaves - 1) * J)


@pytest.mark.parametrize("levels", [0, 1, 3, 6])
def test_as_many_workers_as_leaves_take_the_critical_path(levels: int) -> None:
    assert took(2**levels, cards(2**levels)) == pytest.approx(P + levels * J)


@pytest.mark.parametrize(
    ("leaves", "count", "low", "high"), [(9, 2, 18.45, 22.32), (33, 2, 69.2, 74.3), (256, 16, 67.6, 79.3)]
)
def test_grahams_bounds_are_those_worked_out_by_hand(leaves: int, count: int, low: float, high: float) -> None:
    bounds = bounds_ms(cut(leaves), 1.0, cards(count), count)
    assert [bound / 1_000 for bound in bounds] == pytest.approx([low, high], rel=0.003)
    assert bounds[0] <= took(leaves, cards(count)) <= bounds[1]


def test_measured_cluster_of_two_cards_is_met() -> None:
    """9 segments and 8 joins on two cards took 21.66 s, start (0.53 s of execution) and finish included."""
    assert (took(9, cards(2)) / 1_000 + 0.53) == pytest.approx(21.66, rel=0.12)


def test_unequal_workers_share_by_speed_and_wait_for_the_fast_one() -> None:
    fast, slow = cards(1, 1_000, 500), replace(cards(1, 10_000, 5_000), name="slow", ms_per_gas=1e-9)
    outcome = simulate(cut(4), 1.0, workers_of([slow, fast]))
    assert outcome.ms == 4 * 1_000 + 3 * 500  # the slow one would only be in the way
    assert (outcome.segments, outcome.joins) == ([4, 0], [3, 0])


def test_idle_cores_help_the_last_join() -> None:
    machine = replace(cards(2, 1_000, 4_000), together=2, join_all_ms=2_500.0)
    assert took(4, machine) == 2 * 1_000 + 4_000 + 2_500


def test_lost_segments_cost_less_than_a_lost_job() -> None:
    def online(_: int, now: float) -> tuple[float, float]:
        """Go away for a second after every ten."""
        period = math.floor(now / 11_000)
        start = period * 11_000.0
        return (max(now, start), start + 10_000) if now < start + 10_000 else (start + 11_000, start + 21_000)

    workers = workers_of([cards(1)])
    saved = simulate(cut(4), 1.0, workers, online=online)
    assert saved.losses == 1
    assert saved.ms == pytest.approx(3 * P + (10_000 - 3 * P) + 1_000 + P + 3 * J)
    with pytest.raises(BadInput, match="workers that stay long enough"):
        simulate(cut(4), 1.0, workers, online=online, resume=False)
    assert simulate(cut(2), 1.0, workers, online=online, resume=False).losses == 0
    assert always(0, 5.0) == (5.0, math.inf)


def test_queue_with_one_server_is_pollaczek_and_khinchine() -> None:
    for load in (0.1, 0.5, 0.9):
        assert sojourn_ms(load, 1.0, 1) == pytest.approx(1 + load / (2 * (1 - load)))
    assert sojourn_ms(2.0, 1.0, 2) == math.inf
    assert sojourn_ms(1e-9, 7.0, 8) == pytest.approx(7.0)


def test_all_on_one_job_wins_when_there_is_time_and_one_each_under_load() -> None:
    mode = compute_mode(30e6, parse("8xsp1/l40s"), deadline_ms=60_000)
    assert mode.all_ms < mode.alone_ms
    assert mode.all_per_hour < mode.alone_per_hour
    assert 0 < mode.turn_per_hour < mode.all_per_hour
    rate = mode.turn_per_hour / 3_600_000
    assert sojourn_ms(rate, mode.alone_ms, 8) == pytest.approx(sojourn_ms(rate, mode.all_ms, 1), rel=1e-6)
    assert compute_turn(1.0, 2.0, 1) == 0.0
    assert 0 < mode.turn_gas < 30e6


def test_plan_meets_the_deadline_at_the_least_cost_and_says_when_it_cannot() -> None:
    kinds = [parse("8xsp1/h100"), parse("4xsp1/l4")]
    easy, hard = (plan(30e6, kinds, deadline_ms=limit) for limit in (60_000, 1))
    assert easy.meets
    assert easy.choice.p99_ms <= 60_000
    assert all(c.micro_usd_low >= easy.choice.micro_usd_low for c in easy.curve if c.p99_ms <= 60_000)
    assert not hard.meets
    assert hard.choice.p99_ms == min(choice.p99_ms for choice in hard.curve)
    assert sum(share.segments for share in easy.shares) == easy.choice.segments
    assert sum(share.joins for share in easy.shares) == easy.choice.segments - 1
    assert plan(30e6, kinds, deadline_ms=60_000) == easy  # the same seed, the same plan


def test_cards_that_come_and_go_take_longer_and_longest_without_saved_segments() -> None:
    kinds, zone = [cards(4, 60_000, 20_000)], schedule('idle_gpu(zone="us-east-1f")')
    always_there, saved, lost = (
        simulated(kinds, online, resume=resume) for online, resume in ((None, True), (zone, True), (zone, False))
    )
    assert always_there < saved < lost


def simulated(kinds: list[Kind], online: Schedule | None, *, resume: bool) -> float:
    """Mean time of a job of 32 segments."""
    workers = workers_of(kinds)
    jobs = [simulate(cut(32), 1.0, workers, online=_online(online, seed, 4), resume=resume).ms for seed in range(60)]
    return sum(jobs) / len(jobs)


def profile(**changes: object) -> Profile:
    samples = [
        Sample(
            size=k,
            threads=1,
            witness_ms=50 * k,
            proving_ms=500 + 250 * k,
            verify_ms=10,
            cpu_ms=500 + 300 * k,
            peak_mib=200,
        )
        for k in (4, 16)
    ]
    fields = {
        "machine": "a test", "cores": 2, "memory_mib": 8_000, "backend": "noir", "secure_srs": False, "setup_ms": 500.0,
        "ms_per_transfer": 300.0, "error": 0.05, "join_ms": 25_000, "join_threads": 2, "join_alone_ms": 42_000,
        "best_size": 16, "concurrency": 2, "beside": 1.1, "samples": samples,
    }  # fmt: skip
    return Profile.model_validate(fields | changes)


def test_a_measured_machine_is_hardware_of_a_scenario(tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text(profile().model_dump_json())
    model = hardware(f"profile:{file}")
    assert proving_ms(model, 16 * 21_000) == pytest.approx(500 + 300 * 16, abs=1)
    assert "a test" in model.source
    kind = parse(f"2xprofile:{file}")
    assert (kind.count, kind.together, kind.join_all_ms) == (4, 2, 25_000)
    assert kind.segment(16 * 21_000) == pytest.approx(1.1 * 5_300)
    assert best_cut(64 * 21_000, workers_of([kind]))[0] == 4  # no leaf larger than was measured


@pytest.mark.parametrize(("text", "reason"), [
    ("", "the file: Invalid JSON"), ("{}", "machine: Field required"), ('{"format": 2}', "format: Input should be 1"),
])  # fmt: skip
def test_a_damaged_profile_is_one_sentence(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "profile.json"
    file.write_text(text)
    with pytest.raises(
        BadInput, match=f"provers.hardware: wanted a profile written by proofyard bench, got .*: {reason}"
    ):
        hardware(f"profile:{file}")
    with pytest.raises(BadInput, match="No such file"):
        read(str(tmp_path / "none"), "x")
    file.write_text(json.dumps(json.loads(profile().model_dump_json()) | {"cores": -1}))
    with pytest.raises(BadInput, match="cores: Input should be greater"):
        read(str(file), "x")


def test_fit_finds_the_line_and_its_error() -> None:
    assert fit([4, 16, 64], [1_300, 3_700, 13_300]) == (500.0, 200.0, 0.0)
    assert fit([1, 2], [1_000, 3_000])[0] == 0.0  # never a negative start
    assert fit([4, 16, 16, 64], [1_300, 3_700, 4_100, 13_300])[2] == pytest.approx(0.075, abs=0.03)


@pytest.mark.parametrize("text", ["", "l4", "0xsp1/l4", "9999xsp1/l4", "8xsp1/l99"])
def test_a_fleet_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="--fleet: "):
        parse(text)


def test_a_job_too_large_or_empty_is_refused() -> None:
    with pytest.raises(BadInput, match="at most 1024 segments"):
        plan(1e12, [parse("8xsp1/l4")])
    with pytest.raises(BadInput, match="a job above 0"):
        plan(0, [parse("8xsp1/l4")])
