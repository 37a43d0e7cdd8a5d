"""Named speed models of provers: how long a job of some size takes, how often it crashes, what the cards cost.

Model    time = (setup + slope * size) * difficulty(job, shared by all provers) * noise(prover's own). Integers only.
Units    ms; picoseconds per gas; Q16 multipliers; crashes per million jobs; W and micro-USD per card (and hour).
Sources  `models.toml`: fitted set-ups (`8x5090/reth/zisk-v0.14.0`) and derived card classes (`sp1/l40s`).
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import overload

import numpy as np

from proofyard.core.errors import BadInput
from proofyard.worlds import models
from proofyard.worlds.tables import ONE, Ints, lognormal_noise
from proofyard.worlds.text import Call, duration_ms, duration_ps, match_setup, number, only, parse_call, unknown, whole

GAS_PER_MGAS = 10**6
PROFILE = "profile:"
PS_PER_MS = 10**9
STARTUP_MS = (
    60_000  # assumption; measured extremes are 0 (warm) and 950 s (RISC Zero 2 container, eth-act/ere issue 81)
)
HOST_PERCENT = 120  # board limits plus 15-30 % for the host (assumption)
SERVER_EFFICIENCY = 95  # percent of a card's speed when several share one server board (assumption)
MOST_CARDS = 1_024
SLOWEST_PS = 5 * 10**8  # per gas; with these limits no product in `proving_ms` leaves int64
LONGEST_SETUP_MS = 86_400_000
MOST_NOISE = 1.0  # spread of ln time

# Guest cycles of one gas, times 10^6: blocks over 1 Mgas with the reth guest. ZisK: mean steps by mean gas (derived).
MICROCYCLES_PER_GAS = {"sp1_cycle": 19_500_000, "risc0_cycle": 29_800_000, "zisk_step": 21_450_000}


@dataclass(frozen=True, eq=False)
class Hardware:
    """One prover set-up.

    Attributes
    ----------
    name : full name
    source : where the numbers come from
    unit : what `ps_per_unit` is per; `gas`, or cycles after `in_unit`
    setup_ms : part of the time that does not depend on the size, ms
    ps_per_unit : slope, picoseconds per unit
    noise_sd : spread of ln own noise
    noise : int64[1024], Q16 quantiles of own noise, mean 1
    crash_ppm : crashes per million jobs
    startup_ms : from switching on to the first job, ms
    card : key of the card in the catalogue, "" when unknown
    cards : number of cards
    card_watts : board limit of one card, W
    vram_gb : memory of one card, GB
    micro_usd_low, micro_usd_high : rent per card and hour, lowest and highest page read, micro-USD
    uncertain : the speed rests on interpolation or a single report
    """

    name: str
    source: str
    unit: str
    setup_ms: int
    ps_per_unit: int
    noise_sd: float
    noise: Ints
    crash_ppm: int
    startup_ms: int
    card: str
    cards: int
    card_watts: int
    vram_gb: int
    micro_usd_low: int
    micro_usd_high: int
    uncertain: bool

    @property
    def watts(self) -> int:
        """Draw of the whole set-up at full load, host included, W."""
        return self.cards * self.card_watts * HOST_PERCENT // 100

    def floor_micro_usd(self, micro_usd_per_kwh: int = 100_000) -> int:
        """Price of one idle card and hour below which its owner loses money: its energy, micro-USD."""
        return self.card_watts * micro_usd_per_kwh // 1000


def hardware(text: str, field: str = "provers.hardware") -> Hardware:
    """Look a speed model up.

    Parameters
    ----------
    text : a fitted set-up, full (`8x5090/reth/zisk-v0.14.0`) or short (`8x5090/zisk-0.14`); a card class (`sp1/l4`,
        `sp1/5090(cards=8)`); or numbers: `speed(setup='2s', per_mgas='0.5s', noise=0.075, crash=0.01, startup='0s',
        cards=1, watts=575)`, of which only per_mgas is needed; or `profile:FILE`, what `proofyard bench` measured
    field : the place in the scenario, for the error

    Raises
    ------
    BadInput : unknown name (the nearest is named), a short name that fits several, a bad parameter.
    """
    if text.startswith(PROFILE):
        return _measured(text.removeprefix(PROFILE), field)
    call = parse_call(text, field)
    if call.name == "speed":
        return _explicit(text, call, field)
    classes = [known["name"] for known in models.models()["class"]]
    fitted = [known["name"] for known in models.models()["setup"]]
    full = match_setup(call.name, [*classes, *fitted], field)
    if full in classes:
        only(call, field, ["cards"])
        return _class(full, whole(call.values.get("cards", "1"), f"{field}.cards", 1, MOST_CARDS))
    only(call, field, [])
    return _fitted(full)


def catalogue() -> dict[str, str]:
    """Name and source of every shipped model."""
    classes = [_class(known["name"], 1) for known in models.models()["class"]]
    fitted = [_fitted(known["name"]) for known in models.models()["setup"]]
    return {one.name: one.source for one in [*fitted, *classes]}


def in_unit(model: Hardware, unit: str) -> Hardware:
    """Return `model` with its slope per `unit`, by the mean cycles per gas. Raises BadInput for an unknown unit."""
    if unit == model.unit:
        return model
    if unit not in MICROCYCLES_PER_GAS or model.unit != "gas":
        raise unknown("unit", repr(unit), ["gas", *MICROCYCLES_PER_GAS], looks_like=unit, kind="unit")
    per_unit = model.ps_per_unit * 10**6 // MICROCYCLES_PER_GAS[unit]
    return replace(model, unit=unit, ps_per_unit=max(per_unit, 1))


@overload
def proving_ms(model: Hardware, size: int, difficulty: int = ONE, noise: int = ONE) -> int: ...
@overload
def proving_ms(model: Hardware, size: Ints, difficulty: Ints | int = ONE, noise: Ints | int = ONE) -> Ints: ...
def proving_ms(model: Hardware, size: int | Ints, difficulty: Ints | int = ONE, noise: Ints | int = ONE) -> int | Ints:
    """Compute a proving time in ms, at least 1: the order of integer operations that the engine follows.

    Parameters
    ----------
    size : in the model's unit, at most 10^9 gas
    difficulty, noise : Q16 multipliers
    """
    micros = model.setup_ms * 1000 + size * model.ps_per_unit // 10**6
    millis = ((micros * difficulty >> 16) * noise >> 16) // 1000
    return max(millis, 1) if isinstance(millis, int) else np.maximum(millis, 1)


def _measured(path: str, field: str) -> Hardware:
    """Read a machine that `proofyard bench` measured: leaf proofs of the payments rollup, 21,000 gas a transfer."""
    from proofyard.worlds.profile import GAS_PER_TRANSFER, read  # noqa: PLC0415 - few scenarios name one

    profile = read(path, field)
    per_gas = round(profile.ms_per_transfer * PS_PER_MS / GAS_PER_TRANSFER)
    noise_sd = min(profile.error, MOST_NOISE)
    return Hardware(
        name=f"{PROFILE}{path}",
        source=f"measured by proofyard bench on {profile.machine}",
        unit="gas",
        setup_ms=round(profile.setup_ms),
        ps_per_unit=min(max(per_gas, 1), SLOWEST_PS),
        noise_sd=noise_sd,
        noise=lognormal_noise(noise_sd),
        crash_ppm=0,
        startup_ms=0,
        card="",
        cards=1,
        card_watts=0,
        vram_gb=0,
        micro_usd_low=0,
        micro_usd_high=0,
        uncertain=False,
    )


@cache
def _fitted(name: str) -> Hardware:
    known = next(one for one in models.models()["setup"] if one["name"] == name)
    card = models.models()["card"][known["card"]]
    return Hardware(
        name=name,
        source=f"fitted to {known['proofs']} proofs, r {known['r']}, eth-act/zkevm-benchmark-runs@{known['commit']}",
        unit="gas",
        setup_ms=known["setup_ms"],
        ps_per_unit=known["ps_per_gas"],
        noise_sd=known["noise_sd"],
        noise=lognormal_noise(known["noise_sd"]),
        crash_ppm=known["crash_ppm"],
        startup_ms=STARTUP_MS,
        card=known["card"],
        cards=known["cards"],
        card_watts=card["watts"],
        vram_gb=card["vram_gb"],
        micro_usd_low=card["micro_usd_low"],
        micro_usd_high=card["micro_usd_high"],
        uncertain=False,
    )


@cache
def _class(name: str, cards: int) -> Hardware:
    known = next(one for one in models.models()["class"] if one["name"] == name)
    card = models.models()["card"][known["card"]]
    speed = known["kcycles_per_s"] * (100 if cards == 1 else cards * SERVER_EFFICIENCY)  # 10 cycles per second
    return Hardware(
        name=name if cards == 1 else f"{name}(cards={cards})",
        source="DERIVED: " + known["source"],
        unit="gas",
        setup_ms=known["setup_ms"],
        ps_per_unit=max(known["microcycles_per_gas"] * 10**5 // speed, 1),
        noise_sd=known["noise_sd"],
        noise=lognormal_noise(known["noise_sd"]),
        crash_ppm=known["crash_ppm"],
        startup_ms=STARTUP_MS,
        card=known["card"],
        cards=cards,
        card_watts=card["watts"],
        vram_gb=card["vram_gb"],
        micro_usd_low=card["micro_usd_low"],
        micro_usd_high=card["micro_usd_high"],
        uncertain=known["uncertain"],
    )


def _explicit(text: str, call: Call, field: str) -> Hardware:
    only(call, field, ["setup", "per_mgas", "noise", "crash", "startup", "cards", "watts"])
    value = call.values
    if "per_mgas" not in value:
        raise BadInput(f"{field}.per_mgas", "a duration such as 0.5s", "nothing")
    slope = duration_ps(value["per_mgas"], f"{field}.per_mgas") // GAS_PER_MGAS
    setup_ms = duration_ms(value.get("setup", "0s"), f"{field}.setup")
    startup_ms = duration_ms(value.get("startup", "0s"), f"{field}.startup")
    if slope > SLOWEST_PS or max(setup_ms, startup_ms) > LONGEST_SETUP_MS:
        raise BadInput(field, "a set-up and a start-up of at most 1d each and at most 500s per Mgas", repr(text))
    if slope == 0 and setup_ms == 0:
        raise BadInput(field, "a proving time above zero", "setup and per_mgas of zero")
    noise_sd = number(value.get("noise", "0"), f"{field}.noise", 0.0, MOST_NOISE)
    return Hardware(
        name=f"speed({', '.join(f'{key}={value[key]}' for key in value)})",
        source="chosen by the scenario",
        unit="gas",
        setup_ms=setup_ms,
        ps_per_unit=slope,
        noise_sd=noise_sd,
        noise=lognormal_noise(noise_sd),
        crash_ppm=round(1e6 * number(value.get("crash", "0"), f"{field}.crash", 0.0, 1.0)),
        startup_ms=startup_ms,
        card="",
        cards=whole(value.get("cards", "1"), f"{field}.cards", 1, MOST_CARDS),
        card_watts=whole(value.get("watts", "0"), f"{field}.watts", 0, 100_000),
        vram_gb=0,
        micro_usd_low=0,
        micro_usd_high=0,
        uncertain=False,
    )
