"""The planner against closed forms, the field's measured clusters, and a finished run of our own."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofyard.core.errors import BadInput, Fault
from proofyard.proofs.planning import stream
from proofyard.proofs.planning.check import replay
from proofyard.proofs.planning.fleet import Card, Fleet, Machine, parse
from proofyard.proofs.planning.plan import Ask, plan, units_of
from proofyard.proofs.planning.simulate import Setting, many, once
from proofyard.worlds.profile import Profile, Sample
from proofyard.worlds.schedules import HOUR, Renewal
from proofyard.worlds.theory import restart_time, saved_time, tree_bounds, tree_makespan, usd_per_gcycle

PROVE, JOIN = 3.06, 1.17  # s, measured on a RISC Zero cluster (Boundless)
QUIET = Setting(detect_ms=0, present=True)


def equal(count: int, prove: float = PROVE, join: float = JOIN, **changes: Any) -> Fleet:
    """`count` cards whose every part of one unit takes the same time, s, without any chance."""
    card = Card("card", 0.0, prove * 1000, join * 1000, 1, 0, 0.0, 0.0, 0, 10**6, 10**6, 0, None, 0, 0.0)
    cards = tuple(card._replace(machine=i, **changes) for i in range(count))
    return Fleet(f"{count}xcard", "test", cards, (Machine(),) * count, "cycle", 1.0, (1,), ("test",), uncertain=False)


def makespan(segments: int, fleet: Fleet) -> float:
    return once(fleet, fleet.cards, segments, 1, QUIET).ms / 1000


@pytest.mark.parametrize(("segments", "cards"), [(9, 2), (33, 2), (256, 16)])
def test_schedule_is_as_short_as_the_greedy_one_and_within_published_bounds(segments: int, cards: int) -> None:
    took = makespan(segments, equal(cards))
    low, high = tree_bounds(segments, PROVE, JOIN, cards)
    assert low - 1e-6 <= took <= high + 1e-6
    assert took <= tree_makespan(segments, PROVE, JOIN, cards) * 1.02


@settings(max_examples=60)
@given(st.integers(1, 200), st.integers(1, 40), st.floats(0.1, 5), st.floats(0.1, 5))
def test_graham_holds_for_any_tree(segments: int, cards: int, prove: float, join: float) -> None:
    took = makespan(segments, equal(cards, prove, join))
    low, high = tree_bounds(segments, prove, join, cards)
    assert low * (1 - 1e-9) <= took <= high * (1 + 1e-9)


@pytest.mark.parametrize("k", range(6))
def test_exact_cases(k: int) -> None:
    n = 2**k
    assert makespan(n, equal(1)) == pytest.approx(n * PROVE + (n - 1) * JOIN)
    assert makespan(n, equal(n + 3)) == pytest.approx(PROVE + k * JOIN)


def test_measured_cluster_of_nine_segments_on_two_workers() -> None:
    """21.66 s measured, 0.53 s of it execution, start and finish included (Boundless docs)."""
    fleet = equal(2)
    took = once(fleet, fleet.cards, 9, 1, Setting(execute_ms=530)).ms / 1000
    assert took == pytest.approx(21.66, rel=0.12)
    assert took < 21.66  # start and finish are not in it


def test_measured_cards_of_sixteen_gigabytes() -> None:
    """33 segments of 2^20: 132.61 s on one card with start and finish, 81.43 s on two of one cheap host."""
    one, two = (parse(text) for text in ("16gb", "2x16gb(host=cheap)"))
    assert once(one, one.cards, 33 * 2**20, 2**20, QUIET).ms / 1000 == pytest.approx(132.61, rel=0.01)
    assert once(two, two.cards, 33 * 2**20, 2**20, QUIET).ms / 1000 == pytest.approx(81.43, rel=0.03)
    assert one.cards[0].leaf(2**20) / 1000 == pytest.approx(2.8, rel=0.03)  # "about 2.8 s a segment when alone"


def test_execution_that_streams_slower_than_cards_prove_is_the_bottleneck() -> None:
    fleet = equal(64)
    took = once(fleet, fleet.cards, 64, 1, Setting(execute_ms=64_000)).ms / 1000
    assert took == pytest.approx(64 + PROVE + 6 * JOIN, rel=0.05)  # e + C
    assert took > 64 + PROVE


@pytest.mark.parametrize(("seconds", "restarted", "saved"), [(16, 27, None), (600, 1052, 1014), (3600, 7654, 6085)])
def test_interrupted_jobs_against_the_closed_form(seconds: int, restarted: int, saved: int | None) -> None:
    """us-east-1f with exponential lives: mean up 2.26 h, down 1.56 h; one card, the job alone on it."""
    up, down = 2.26 * 3600, 1.56 * 3600
    assert restart_time(seconds, 1 / up, down) == pytest.approx(restarted, abs=1)
    life = Renewal("test", 0, up / (up + down), round(2.26 * HOUR), round(1.56 * HOUR), 0.0, 0.0)
    whole = equal(1, seconds, 0.0, online=life)
    sample = many(whole, whole.cards, 1, 1, QUIET, trials=800, seed=5)
    error = 4 * sample.ms.std() / math.sqrt(sample.ms.size)
    assert abs(sample.ms.mean() / 1000 - restarted) < max(error / 1000, 1)
    if saved is None:
        return
    pieces = 16
    cut_up = equal(1, seconds / pieces, 0.0, online=life)
    kept = many(cut_up, cut_up.cards, pieces, 1, QUIET, trials=800, seed=5)
    assert saved_time(seconds, 1 / up, down, 10**6) == pytest.approx(saved, abs=2)
    wanted = saved_time(seconds, 1 / up, down, pieces)
    assert abs(kept.ms.mean() / 1000 - wanted) < 4 * kept.ms.std() / 1000 / math.sqrt(kept.ms.size)
    gone = many(cut_up, cut_up.cards, pieces, 1, QUIET._replace(saved=False), trials=800, seed=5)
    assert abs(gone.ms.mean() / 1000 - restarted) < 4 * gone.ms.std() / 1000 / math.sqrt(gone.ms.size)
    assert gone.ms.mean() > kept.ms.mean()


@pytest.mark.parametrize("sigma", [0.0, 1.2])
def test_cards_at_work_are_lost_once_a_mean_life(sigma: float) -> None:
    """Renewal theorem: at a random moment the rate of losses is 1 / mean, however heavy the tail."""
    life = Renewal("test", 0, 0.8, 60_000, 15_000, sigma, sigma)
    fleet = equal(4, 5.0, 2.0, online=life)
    sample = many(fleet, fleet.cards, 64, 1, Setting(detect_ms=0), trials=200, seed=2)
    assert sample.lost == pytest.approx(sample.busy_ms.sum() / 60_000, rel=0.12)


def test_nothing_is_kept_without_saving_and_the_job_still_ends() -> None:
    life = Renewal("test", 0, 0.8, 60_000, 15_000, 1.2, 1.0)
    fleet = equal(4, 5.0, 2.0, online=life)
    kept, gone = (
        many(fleet, fleet.cards, 16, 1, Setting(saved=saved, detect_ms=1_000), trials=60, seed=2)
        for saved in (True, False)
    )
    assert np.isfinite(kept.ms).all()
    assert np.isfinite(gone.ms).all()
    assert np.median(gone.ms) > np.median(kept.ms)


def test_cost_of_a_gigacycle_is_price_over_speed() -> None:
    """L4 at 0.44 USD an hour: 0.117 USD for 10^9 cycles at full use (published speed 1.045-1.057 Mcyc/s)."""
    fleet = parse("l4(price=0.44)")
    made = plan(Ask(1e9, "cycle", 0, 0.0, Setting(), 50, 1), fleet)
    assert made.cost_low == made.cost_high
    assert made.cost_low / 1e6 == pytest.approx(usd_per_gcycle(0.44, 1.057), rel=0.02)
    assert made.cost_low / 1e6 == pytest.approx(0.117, rel=0.03)


def test_a_card_is_never_faster_than_its_published_speed() -> None:
    for name, mcycles in (("l4", 1.057), ("4090", 2.0), ("l40s", 3.28), ("5090", 4.0), ("h100", 6.0)):
        card = parse(name).cards[0]
        end_to_end = card.most_units / (card.leaf(card.most_units) + card.join_ms) / 1000
        assert end_to_end == pytest.approx(mcycles, rel=0.005)


def test_where_the_answer_turns_for_eight_cards() -> None:
    """All on one is quicker for one job, one each has the higher throughput: the curves cross once."""
    ask = Ask(22e6, "gas", 0, 60.0, Setting(), 60, 1)
    made = plan(ask, parse("8xl40s"))
    each, together = made.groups[0], made.groups[-1]
    assert (each.cards, together.cards) == (1, 8)
    assert (together.alone_p50_ms or 0) < (each.alone_p50_ms or 0) / 5
    assert each.per_hour > together.per_hour
    assert made.turn_per_hour is not None
    assert 0.5 * together.per_hour < made.turn_per_hour < together.per_hour
    assert (together.at_rate["p99_ms"] or 0) < (each.at_rate["p99_ms"] or 0)


def test_queue_is_erlangs_for_exponential_times() -> None:
    """M/M/3 at a load of 0.8: the mean wait is C(3, 2.4) / (3 mu - lambda)."""
    dice = np.random.default_rng(1)
    mode = stream.Mode(1, tuple(dice.standard_exponential(20_000) * 1000 for _ in range(3)))
    offered = 2.4
    tail = offered**3 / 6 * 3 / (3 - offered)
    waits = tail / (1 + offered + offered**2 / 2 + tail)
    wanted = 1000 + waits * 1000 / (3 - offered)
    got = stream.latencies(mode, offered * 3600, seed=3, jobs=400_000).mean()
    assert got == pytest.approx(wanted, rel=0.05)


def test_eight_cards_cannot_keep_up_with_blocks_of_129_card_seconds() -> None:
    """1 block per 12 s needs 10.8 cards by Little's law."""
    mode = stream.Mode(1, (np.array([129_000.0]),) * 8)
    assert math.isinf(stream.percentile(mode, 300.0, 50, seed=1))
    enough = stream.Mode(1, (np.array([129_000.0]),) * 12)
    assert math.isfinite(stream.percentile(enough, 300.0, 50, seed=1))


def test_slow_cards_help_only_where_they_do_not_delay() -> None:
    fast, mixed = parse("2xh100"), parse("2xh100 + 2xl4")
    alone, together = (once(fleet, fleet.cards, 444e6, 2**21, QUIET).ms for fleet in (fast, mixed))
    assert together < alone
    last = once(mixed, mixed.cards, 444e6, 2**21, QUIET).log.card[-1]
    assert mixed.cards[last].name == "sp1/h100"


def test_finished_run_is_scheduled_again_as_it_was() -> None:
    run = json.loads((Path(__file__).parent / "recorded_run.json").read_text(encoding="utf-8"))
    took = {name: 1000 * (end - begin) for name, (begin, end) in run["parts"].items()}
    again = replay(took, 4, run["workers"])
    assert again.wall_ms == pytest.approx(1000 * run["wall"], rel=0.01)
    for name, (begin, _) in run["parts"].items():
        if name.startswith("join"):
            assert again.begin_ms[name] == pytest.approx(1000 * begin, abs=200)
    with pytest.raises(Fault, match="join 1-4"):
        replay({name: ms for name, ms in took.items() if name != "join 1-4"}, 4, 2)


def profile(tmp_path: Path, **changes: Any) -> str:
    """What `bench` would write of a machine with two cores."""
    leaf = Sample(size=16, threads=1, witness_ms=400, proving_ms=4_600, verify_ms=10, cpu_ms=5_000, peak_mib=180)
    join = leaf.model_copy(update={"size": 0, "threads": 2, "witness_ms": 0, "proving_ms": 24_000})
    made = Profile(
        machine="test", cores=2, memory_mib=16_000, backend="noir", secure_srs=False, setup_ms=200.0,
        ms_per_transfer=300.0, error=0.02, join_ms=24_000, join_threads=2, join_alone_ms=42_000, best_size=16,
        concurrency=2, beside=1.1, samples=[leaf, join],
    )  # fmt: skip
    path = tmp_path / "profile.json"
    path.write_text(made.model_copy(update=changes).model_dump_json(), encoding="utf-8")
    return f"1xprofile:{path}"


def test_measured_machine_proves_four_leaves_as_the_prover_schedules_them(tmp_path: Path) -> None:
    """Two rounds of leaves and one of joins side by side, the last join with both cores."""
    fleet = parse(profile(tmp_path))
    took = once(fleet, fleet.cards, 64, 16, QUIET).ms
    assert took == pytest.approx(2 * 1.1 * 5_000 + 1.1 * 42_000 + 24_000)


def test_measured_machine_without_room_for_two_joins_makes_them_one_by_one(tmp_path: Path) -> None:
    fleet = parse(profile(tmp_path, memory_mib=4_000))
    took = once(fleet, fleet.cards, 64, 16, QUIET).ms
    assert took > 2 * 1.1 * 5_000 + 2 * 24_000 + 24_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0xl40s", "wanted 1 to 1024 cards of a kind, got 0"),
        ("8xl40", "nearest: l40s"),
        ("8xl40s + 2x16gb", "one proof system"),
        ("", "groups such as 8xl40s"),
        ("8xl40s(price=-1)", "a number from 0"),
        ("8xl40s(colour=red)", "wanted one of host, memory, online, price"),
        ("8xl40s(host=fridge)", "one of cheap, server"),
        ("8xl40s(online=sometimes)", "nearest"),
        ("1xprofile:no/such.json", "a profile written by proofyard bench"),
        ("1024xl40s + 1024xl40s", "at most 1024 cards"),
    ],
)
def test_bad_fleets_are_one_sentence(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said.replace("(", r"\(")) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_impossible_deadline_names_the_critical_path() -> None:
    with pytest.raises(BadInput, match="critical path of this job on any number of 8xl40s, got 1 s"):
        plan(Ask(22e6, "gas", 1_000, 0.0, Setting(), 50, 1), parse("8xl40s"))


def test_sizes_need_a_meaning_for_the_cards(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cycles or gas"):
        units_of(Ask(64, "transfer", 0, 0.0, Setting(), 1, 1), parse("l4"))
    with pytest.raises(BadInput, match="transfers or gas"):
        units_of(Ask(64, "cycle", 0, 0.0, Setting(), 1, 1), parse(profile(tmp_path)))
    with pytest.raises(BadInput, match="at most 4096 parts"):
        plan(Ask(124e9, "cycle", 0, 0.0, Setting(), 1, 1), parse("8xl40s"))


def test_command_writes_page_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from proofyard.cli.plan import plan as command  # noqa: PLC0415 - as the command does

    out = tmp_path / "plan"
    command(fleet=["2xl40s", "h100 + l4"], job="22 Mgas", deadline="5m", every="10m", trials=40, out=out)
    said = capsys.readouterr().out
    assert "One card per proof, or all on one" in said
    assert "\N{HORIZONTAL ELLIPSIS}" not in said  # nothing is cut
    assert "205 + 204" in said
    found = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    assert [one["fleet"] for one in found] == ["2xl40s", "h100 + l4"]
    assert found[0]["deadline_met"] == 1.0
    assert sum(card["leaves"] for card in found[1]["cards"]) == 205  # of 2^21: what 24 GB of the L4 hold
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "Speed-up and its limit" in html
    assert "http" not in html.split("<script>")[0].replace("http-equiv", "")
    (out / "mine.txt").write_text("", encoding="utf-8")
    with pytest.raises(BadInput, match=r"mine\.txt"):
        command(fleet=["2xl40s"], out=out)
    assert "proofyard.lab.planning" in sys.modules
