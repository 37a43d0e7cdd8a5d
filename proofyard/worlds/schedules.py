"""When a prover is on line: calendars (nights, weekends, …) and idle cards that come and go.

Clock    The horizon starts on a Monday at 00:00 UTC. Times are int64 ms from there.
Dice     Counter-based, so any prover's schedule can be made alone, in any order (`dice.py`). Calendars use none.
Source   Lifetimes: spot-traces of AWS single-card V100s, 45 days from 2023-02-15, one sample each 195 s
         (skypilot-org/spot-traces@221da1a): mean and median of up and down times by zone. A lognormal through mean and
         median has mu = ln(median), sigma = sqrt(2 ln(mean / median)); exponentials would hide the many short lives.
         They may be shorter than those of cards rented today: failed acquisition counts as down there.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from proofyard.core.errors import BadInput
from proofyard.worlds.dice import ONLINE_STREAM, ZONE_STREAM, uniform, word
from proofyard.worlds.tables import Floats, Ints, normal_quantiles
from proofyard.worlds.text import Call, duration_ms, number, only, parse_call, unknown

HOUR = 3_600_000  # ms
DAY = 24 * HOUR
WEEK = 7 * DAY
FRIDAY_END, SUNDAY_END = 5 * DAY, WEEK
NIGHT = (22, 6)  # local hours
OFFICE = (9, 18)
SHORTEST_MEAN, LONGEST_MEAN = 1_000, 365 * DAY
BLOCK = 64  # lives drawn at a time
KEY_SHIFT = 32  # a prover's dice start at its number times 2**32: room for that many lives


class Zone(NamedTuple):
    """Measured lifetimes of one zone; available is the measured share of time up, the rest in ms."""

    available: float
    mean_up: int
    median_up: int
    mean_down: int
    median_down: int


def _hours(available: float, *up_and_down: float) -> Zone:
    return Zone(available, *(round(value * HOUR) for value in up_and_down))


ZONES = {
    "us-east-1a": _hours(0.167, 0.72, 0.33, 3.58, 0.54),
    "us-east-1c": _hours(0.467, 1.48, 0.49, 1.69, 0.54),
    "us-east-1d": _hours(0.447, 1.66, 0.54, 2.05, 0.70),
    "us-east-1f": _hours(0.591, 2.26, 0.54, 1.56, 0.49),
    "us-east-2a": _hours(0.759, 5.68, 0.87, 1.80, 0.38),
    "us-east-2b": _hours(0.682, 4.26, 1.08, 1.98, 0.70),
    "us-west-2a": _hours(0.883, 6.06, 1.03, 0.81, 0.38),
    "us-west-2b": _hours(0.905, 10.40, 1.41, 1.10, 0.38),
    "us-west-2c": _hours(0.891, 6.81, 0.92, 0.84, 0.38),
}


@dataclass(frozen=True)
class Calendar:
    """On during fixed parts of the week, the same for every prover.

    Attributes
    ----------
    name : as written in a scenario
    weekly : (from, to) in ms from Monday 00:00 local time, ascending, apart from each other
    offset_ms : local time minus UTC, ms
    """

    name: str
    weekly: tuple[tuple[int, int], ...]
    offset_ms: int = 0


@dataclass(frozen=True)
class Renewal:
    """On and off for random lifetimes, each prover by itself, or partly together with its zone.

    Attributes
    ----------
    name : as written in a scenario
    zone : number of the zone whose outages are shared
    availability : long-run share of time on
    mean_up, mean_down : of the prover's lifetimes, ms
    sigma_up, sigma_down : spread of ln lifetime; 0 means exponential lifetimes
    common : share of the interruptions that hit the whole zone at once, 0 to below 1
    """

    name: str
    zone: int
    availability: float
    mean_up: int
    mean_down: int
    sigma_up: float
    sigma_down: float
    common: float = 0.0


Schedule = Calendar | Renewal


def toggles(schedule: Schedule, seed: int, prover_index: int, horizon_ms: int) -> tuple[bool, Ints]:
    """Find when a prover goes on or off line.

    Parameters
    ----------
    schedule : from `schedule()`
    seed : of the run
    prover_index : 0 or more; distinct provers have independent dice
    horizon_ms : length of the run

    Returns
    -------
    Whether it is on line at time 0, and int64[] strictly ascending ms in (0, horizon_ms) at which that flips.
    """
    if isinstance(schedule, Calendar):
        return _calendar_toggles(schedule, horizon_ms)
    own = _lives(schedule, 1.0 - schedule.common, (seed, ONLINE_STREAM, prover_index), horizon_ms)
    if schedule.common == 0.0:
        return own
    return _both(own, _lives(schedule, schedule.common, (seed, ZONE_STREAM, schedule.zone), horizon_ms))


def online_ms(online_at_start: bool, flips: Ints, horizon_ms: int) -> int:  # noqa: FBT001  # the pair `toggles` gives
    """Time on line within the horizon, ms."""
    edges = np.concatenate([[0], flips, [horizon_ms]])
    return int(np.diff(edges)[0 if online_at_start else 1 :: 2].sum())


def schedule(text: str, field: str = "provers.online") -> Schedule:
    """Look a schedule up.

    Parameters
    ----------
    text : `always`; `nights` (22:00 to 06:00), `weekends` (Saturday and Sunday), `nights_and_weekends`,
        `weekdays_daytime` (the rest of the week, its exact complement), all with `tz` in hours east of UTC and, where
        there are nights, `start` and `end` of the night in hours; `office_hours(start=9, end=18)`, Monday to Friday;
        `idle_gpu(zone='us-east-1f', availability=0.8, mean_up='2h', common=0.3, lives='lognormal')`, all optional
    field : the place in the scenario, for the error

    Raises
    ------
    BadInput : unknown name (the nearest is named) or a bad parameter.
    """
    call = parse_call(text, field)
    if call.name == "idle_gpu":
        return _idle_gpu(call, field)
    names = ["always", "nights", "weekends", "nights_and_weekends", "weekdays_daytime", "office_hours", "idle_gpu"]
    if call.name not in names:
        raise unknown(field, repr(text), names, looks_like=call.name, kind="schedule")
    return _calendar(call, field)


def _calendar(call: Call, field: str) -> Calendar:
    if call.name == "always":
        only(call, field, [])
        return Calendar("always", ((0, WEEK),))
    only(call, field, ["tz"] if call.name == "weekends" else ["tz", "start", "end"])
    offset = round(HOUR * number(call.values.get("tz", "0"), f"{field}.tz", -14, 14))
    usual = OFFICE if call.name == "office_hours" else NIGHT
    start, end = (
        round(HOUR * number(call.values.get(key, str(hour)).removesuffix("h"), f"{field}.{key}", 0, 24))
        for key, hour in zip(("start", "end"), usual, strict=True)
    )
    if start == end:
        raise BadInput(field, "start and end at different hours", repr(call.values))
    days = [(day * DAY + start, day * DAY + end + (DAY if end < start else 0)) for day in range(7)]
    weekend = [(FRIDAY_END, SUNDAY_END)]
    parts = {
        "nights": days,
        "weekends": weekend,
        "nights_and_weekends": days + weekend,
        "weekdays_daytime": days + weekend,
        "office_hours": days[:5],
    }[call.name]
    weekly = _merged(parts)
    return Calendar(call.name, _complement(weekly) if call.name == "weekdays_daytime" else weekly, offset)


def _merged(parts: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Disjoint ascending parts of one week; what runs past Sunday night goes on at Monday morning."""
    cut = [(a, min(b, WEEK)) for a, b in parts] + [(0, b - WEEK) for _, b in parts if b > WEEK]
    merged: list[tuple[int, int]] = []
    for a, b in sorted(cut):
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
        else:
            merged.append((a, b))
    return tuple(merged)


def _complement(weekly: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    edges = [0, *(edge for part in weekly for edge in part), WEEK]
    return tuple((a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b)


def _calendar_toggles(calendar: Calendar, horizon_ms: int) -> tuple[bool, Ints]:
    weeks = np.arange(-1, horizon_ms // WEEK + 2)[:, None] * WEEK - calendar.offset_ms
    starts = (weeks + np.array([a for a, _ in calendar.weekly])).ravel()
    ends = (weeks + np.array([b for _, b in calendar.weekly])).ravel()
    starts, ends = (np.setdiff1d(starts, ends), np.setdiff1d(ends, starts))  # parts that touch across a week's end
    flips = np.sort(np.concatenate([starts, ends]))
    on = int((starts <= 0).sum()) > int((ends <= 0).sum())
    return on, flips[(flips > 0) & (flips < horizon_ms)].astype(np.int64)


def _idle_gpu(call: Call, field: str) -> Renewal:
    only(call, field, ["zone", "availability", "mean_up", "common", "lives"])
    value = call.values
    given = value.get("availability")
    wanted = None if given is None else number(given, f"{field}.availability", 0.01, 0.999)
    name = value.get("zone") or _nearest_zone(0.8 if wanted is None else wanted)
    if name not in ZONES:
        raise unknown(f"{field}.zone", repr(name), ZONES, looks_like=name, kind="zone")
    zone = ZONES[name]
    share = zone.mean_up / (zone.mean_up + zone.mean_down) if wanted is None else wanted
    mean_up = duration_ms(value["mean_up"], f"{field}.mean_up") if "mean_up" in value else zone.mean_up
    if not SHORTEST_MEAN <= mean_up <= LONGEST_MEAN:
        raise BadInput(f"{field}.mean_up", "a duration from 1s to 365d", repr(value["mean_up"]))
    lives = value.get("lives", "lognormal")
    if lives not in {"lognormal", "exponential"}:
        raise unknown(f"{field}.lives", repr(lives), ["lognormal", "exponential"], looks_like=lives)
    heavy = 1.0 if lives == "lognormal" else 0.0
    return Renewal(
        name=f"idle_gpu(zone={name}, availability={share:.3f})",
        zone=list(ZONES).index(name),
        availability=share,
        mean_up=mean_up,
        mean_down=max(round(mean_up * (1 - share) / share), 1),
        sigma_up=heavy * _sigma(zone.mean_up, zone.median_up),
        sigma_down=heavy * _sigma(zone.mean_down, zone.median_down),
        common=number(value.get("common", "0"), f"{field}.common", 0.0, 0.99),
    )


def _nearest_zone(availability: float) -> str:
    return min(ZONES, key=lambda name: abs(ZONES[name].available - availability))


def _sigma(mean: float, median: float) -> float:
    return math.sqrt(2 * math.log(mean / median))


def _lives(schedule: Renewal, share: float, place: tuple[int, int, int], horizon_ms: int) -> tuple[bool, Ints]:
    """Stationary alternating renewal process causing `share` of the interruptions of `schedule`.

    Two such processes that must both be up, with shares s and 1 - s, are together up with the availability and the mean
    up time of the schedule: their interruption rates add and their availabilities multiply.
    """
    seed, stream, key = place
    base = key << KEY_SHIFT
    available = schedule.availability**share
    mean_up = schedule.mean_up / share
    means = np.array([mean_up * (1 - available) / available, mean_up])  # down, up
    sigmas = np.array([schedule.sigma_down, schedule.sigma_up])
    first = uniform(word(seed, stream, base + np.arange(3)))
    on = bool(first[0] < available)
    # The life that covers time 0 is longer than most (chosen by length), and time 0 falls anywhere in it.
    start = _lifetimes(first[2:], means[int(on)], sigmas[int(on)], by_length=True) * (
        first[1] if sigmas[int(on)] else 1.0
    )
    ends, now, drawn = [start], float(start[0]), 3
    while now < horizon_ms:
        draws = uniform(word(seed, stream, base + drawn + np.arange(BLOCK)))
        state = (np.arange(BLOCK) + int(on) + 1 + (drawn - 3)) % 2  # the next life is of the other kind
        lives = _lifetimes(draws, means[state], sigmas[state])
        ends.append(now + np.cumsum(lives))
        now, drawn = float(ends[-1][-1]), drawn + BLOCK
    flips = np.unique(np.minimum(np.rint(np.concatenate(ends)), horizon_ms).astype(np.int64))
    return on, flips[(flips > 0) & (flips < horizon_ms)]


def _lifetimes(draws: Floats, mean: Floats | float, sigma: Floats | float, *, by_length: bool = False) -> Floats:
    """Lifetimes in ms, at least 1, lognormal or (sigma 0) exponential; by length: chosen in proportion to length."""
    spread = np.asarray(sigma, np.float64)
    shift = spread**2 / 2 if by_length else -(spread**2) / 2
    heavy = np.exp(np.minimum(np.log(mean) + shift + spread * normal_quantiles(draws), 80.0))
    # An exponential has no memory: what is left of the life at time 0 is distributed as a whole one.
    return np.maximum(np.where(spread == 0.0, -np.log1p(-draws) * mean, heavy), 1.0)


def _both(own: tuple[bool, Ints], zone: tuple[bool, Ints]) -> tuple[bool, Ints]:
    """Toggles of "on by itself and its zone is on"."""
    times = np.unique(np.concatenate([own[1], zone[1]]))
    on = own[0] and zone[0]
    states = [(np.searchsorted(flips, times, side="right") + int(start)) % 2 == 1 for start, flips in (own, zone)]
    both = states[0] & states[1]
    before = np.concatenate([[on], both[:-1]])
    return on, times[both != before]
