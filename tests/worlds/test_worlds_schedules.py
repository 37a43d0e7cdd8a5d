"""Oracles are those of the field notes on hardware, section 15 unless said otherwise."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofyard.core.errors import BadInput
from proofyard.worlds import Renewal, online_ms, schedule, toggles
from proofyard.worlds.schedules import DAY, HOUR, WEEK, ZONES
from proofyard.worlds.tables import Ints
from proofyard.worlds.theory import restart_time, saved_time

MONTH = 30 * DAY
CALENDARS = ["always", "nights", "weekends", "nights_and_weekends", "weekdays_daytime", "office_hours"]


def states(text: str, times: Ints, horizon: int = 3 * WEEK) -> list[bool]:
    on, flips = toggles(schedule(text), 1, 0, horizon)
    return [(int(n) % 2 == 1) != on for n in np.searchsorted(flips, times, side="right")]


def lives(text: str, provers: int, horizon: int) -> tuple[Ints, float]:
    """Whole up times of many provers, and their share of time on line."""
    found: list[Ints] = []
    online = 0
    for prover in range(provers):
        on, flips = toggles(schedule(text), 5, prover, horizon)
        online += online_ms(on, flips, horizon)
        ups = flips[int(on) :]
        found.append(np.diff(ups[: len(ups) // 2 * 2])[::2])
    return np.concatenate(found), online / provers / horizon


@pytest.mark.parametrize(
    ("text", "hour", "on"),
    [
        ("always", 100, True),
        ("nights", 0, True),
        ("nights", 5.99, True),
        ("nights", 6, False),
        ("nights", 21.99, False),
        ("nights", 22, True),
        ("nights(tz=2)", 4, False),
        ("nights(tz=2)", 20, True),
        ("nights(start=23h, end=5)", 22.5, False),
        ("weekends", 5 * 24 - 0.01, False),
        ("weekends", 5 * 24, True),
        ("weekends", 7 * 24 - 0.01, True),
        ("weekends", 7 * 24, False),
        ("weekends(tz=-5)", 5 * 24 + 4, False),
        ("weekends(tz=-5)", 7 * 24 + 4, True),
        ("nights_and_weekends", 5 * 24 + 12, True),
        ("nights_and_weekends", 12, False),
        ("weekdays_daytime", 12, True),
        ("weekdays_daytime", 23, False),
        ("weekdays_daytime", 6 * 24 + 12, False),
        ("office_hours", 9, True),
        ("office_hours", 18, False),
        ("office_hours", 5 * 24 + 12, False),
    ],
)
def test_calendars(text: str, hour: float, on: bool) -> None:  # noqa: FBT001
    """The horizon starts on a Monday at 00:00 UTC; every week is alike."""
    times = np.array([hour * HOUR, hour * HOUR + WEEK]).astype(np.int64)
    assert states(text, times) == [on, on]


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("always", 168),
        ("nights", 56),
        ("weekends", 48),
        ("nights_and_weekends", 88),
        ("weekdays_daytime", 80),
        ("office_hours", 45),
        ("office_hours(start=22, end=6)", 40),
        ("nights(start=0, end=24)", 168),
    ],
)
def test_hours_a_week(text: str, hours: int) -> None:
    on, flips = toggles(schedule(text), 0, 0, 2 * WEEK)
    assert online_ms(on, flips, 2 * WEEK) == 2 * hours * HOUR


def test_day_and_night_shift_are_complements() -> None:
    night, day = (toggles(schedule(f"{name}(tz=5.5)"), 0, 0, MONTH) for name in CALENDARS[3:5])
    assert night[0] is not day[0]
    assert night[1].tolist() == day[1].tolist()


@given(st.sampled_from([*CALENDARS, "idle_gpu", "idle_gpu(availability=0.2, common=0.4)"]), st.integers(1, 3 * WEEK))
@settings(max_examples=60, deadline=None)
def test_flips_lie_inside_any_horizon(text: str, horizon: int) -> None:
    on, flips = toggles(schedule(text), 9, 3, horizon)
    longer = toggles(schedule(text), 9, 3, horizon + DAY)
    assert flips.dtype == np.int64
    assert (np.diff(flips) > 0).all()
    assert not len(flips) or (flips[0] > 0 and flips[-1] < horizon)
    assert longer[0] == on
    assert longer[1][: len(flips)].tolist() == flips.tolist()  # a longer run begins alike


def test_provers_and_seeds_differ_and_repeat() -> None:
    idle = schedule("idle_gpu")
    runs = [toggles(idle, seed, prover, MONTH)[1].tolist() for seed in (1, 2) for prover in (0, 1)]
    assert len({tuple(run) for run in runs}) == 4
    assert toggles(idle, 2, 1, MONTH)[1].tolist() == runs[3]


def test_oracle_6_availability_of_zones() -> None:
    """Mean up / (mean up + mean down): us-west-2b 10.40 / 11.50 = .904 against .905; the other zones within .02."""
    for name, zone in ZONES.items():
        share = zone.mean_up / (zone.mean_up + zone.mean_down)
        assert share == pytest.approx(zone.available, abs=0.001 if name == "us-west-2b" else 0.02)


@pytest.mark.parametrize("text", ["idle_gpu(zone=us-east-1f)", "idle_gpu(availability=0.8, mean_up='2h')"])
def test_availability_and_mean_up(text: str) -> None:
    asked = schedule(text)
    assert isinstance(asked, Renewal)
    ups, share = lives(text, 300, MONTH)
    assert share == pytest.approx(asked.availability, abs=0.03)
    assert ups.mean() == pytest.approx(asked.mean_up, rel=0.1)


def test_availability_holds_from_the_start() -> None:
    """The process is stationary: as many are on line at once as later."""
    idle = schedule("idle_gpu(availability=0.3)")
    runs = [toggles(idle, 8, prover, 2 * DAY) for prover in range(2_000)]
    for moment in (0, HOUR, 12 * HOUR, 47 * HOUR):
        on = [(int(np.searchsorted(flips, moment, side="right")) % 2 == 1) != start for start, flips in runs]
        assert np.mean(on) == pytest.approx(0.3, abs=0.035)


def test_oracle_9_short_lives() -> None:
    """us-east-1f: P(up < 10 min) = 0.24 for the lognormal, 0.07 for an exponential of the same mean."""
    heavy, _ = lives("idle_gpu(zone=us-east-1f)", 300, MONTH)
    plain, _ = lives("idle_gpu(zone=us-east-1f, lives=exponential)", 300, MONTH)
    assert (heavy < HOUR / 6).mean() == pytest.approx(0.24, abs=0.015)
    assert (plain < HOUR / 6).mean() == pytest.approx(0.07, abs=0.01)
    assert np.median(heavy) == pytest.approx(0.54 * HOUR, rel=0.05)  # section 11


def test_zone_outages_are_shared() -> None:
    """With `common` the share on line stays, and provers go off line together."""
    horizon = 4 * MONTH
    grid = np.arange(0, horizon, HOUR)

    def presence(text: str) -> tuple[float, float]:
        rows = np.array([states_of(text, prover, grid, horizon) for prover in range(60)], np.float64)
        return float(rows.mean()), (float(np.corrcoef(rows).sum()) - 60) / (60 * 59)

    apart = presence("idle_gpu(zone=us-west-2b, lives=exponential)")
    together = presence("idle_gpu(zone=us-west-2b, lives=exponential, common=0.6)")
    assert apart[0] == pytest.approx(0.904, abs=0.02)
    assert together[0] == pytest.approx(0.904, abs=0.05)
    assert abs(apart[1]) < 0.05
    assert together[1] > 0.4


def states_of(text: str, prover: int, times: Ints, horizon: int) -> list[bool]:
    on, flips = toggles(schedule(text), 4, prover, horizon)
    return [(int(n) % 2 == 1) != on for n in np.searchsorted(flips, times, side="right")]


def finish_times(text: str, work: int, pieces: int) -> Iterator[int]:
    """Time to finish `work` ms, started at the beginning of every up time, when only whole pieces survive a break."""
    for prover in range(250):
        on, flips = toggles(schedule(text), 6, prover, 2 * MONTH)
        edges = flips[int(on) :]
        ups = edges[: len(edges) // 2 * 2].reshape(-1, 2)
        for first in range(len(ups) // 2):  # the rest of the horizon is left to finish in
            left, piece = pieces, work // pieces
            for start, end in ups[first:]:
                done = min(left, int(end - start) // piece)
                left -= done
                if left == 0:
                    yield int(start) + done * piece - int(ups[first, 0])
                    break


def test_oracle_2_restart_without_saving() -> None:
    """Rate h = 1 per 2 h, work s = 600 s, down 1800 s: 782 s, simulated alike; with saving it tends to s (1 + h d)."""
    assert restart_time(600, 1 / 7200, 1800) == pytest.approx(782, abs=1)
    assert saved_time(600, 1 / 7200, 1800, 10_000) == pytest.approx(600 * (1 + 1800 / 7200), rel=0.001)
    mean = np.mean(list(finish_times("idle_gpu(availability=0.8, mean_up='2h', lives=exponential)", 600_000, 1)))
    assert mean / 1000 == pytest.approx(782, rel=0.03)


@pytest.mark.parametrize(("work", "whole", "saved"), [(16, 27, 27), (600, 1052, 1014), (3600, 7654, 6085)])
def test_oracle_3_us_east_1f_as_exponential(work: float, whole: float, saved: float) -> None:
    """Saving matters only when the rate times the work is not small."""
    zone = ZONES["us-east-1f"]
    rate, down = 1000 / zone.mean_up, zone.mean_down / 1000
    assert restart_time(work, rate, down) == pytest.approx(whole, abs=1.1)
    assert work * (1 + rate * down) == pytest.approx(saved, abs=1.1)


def test_oracle_3_from_simulated_times() -> None:
    text = "idle_gpu(zone=us-east-1f, availability=0.5916, lives=exponential)"
    assert np.mean(list(finish_times(text, 3_600_000, 1))) / 1000 == pytest.approx(7654, rel=0.03)
    assert np.mean(list(finish_times(text, 3_600_000, 60))) / 1000 == pytest.approx(6085, rel=0.03)


def test_sigma_follows_mean_and_median() -> None:
    """Section 11's fits of up times, from mean and median: us-east-1f (-0.62, 1.69), us-west-2b (0.34, 2.00)."""
    for name, mu, sigma in [("us-east-1f", -0.62, 1.69), ("us-west-2b", 0.34, 2.00), ("us-east-1a", -1.11, 1.25)]:
        zone, found = ZONES[name], schedule(f"idle_gpu(zone={name})")
        assert math.log(zone.median_up / HOUR) == pytest.approx(mu, abs=0.01)
        assert isinstance(found, Renewal)
        assert found.sigma_up == pytest.approx(sigma, abs=0.01)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("night", "(nearest: nights)"),
        ("always(tz=1)", "without parameters"),
        ("nights(tz=99)", "number from -14 to 14"),
        ("nights(start=6, end=6)", "different hours"),
        ("nights(strat=6)", "(nearest: start)"),
        ("weekends(start=6)", "(nearest: tz)"),
        ("idle_gpu(zone=us-east-9)", "(nearest: us-east-"),
        ("idle_gpu(availability=1)", "from 0.01 to 0.999"),
        ("idle_gpu(mean_up=2)", "a duration"),
        ("idle_gpu(mean_up=1ms)", "from 1s to 365d"),
        ("idle_gpu(common=1)", "from 0 to 0.99"),
        ("idle_gpu(lives=normal)", "(nearest: lognormal)"),
    ],
)
def test_bad_schedules_are_one_sentence(text: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        schedule(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
