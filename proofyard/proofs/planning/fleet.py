"""Fleets to plan for: sourced cards or measured machines, each with its times for one part, memory, price, hours.

Model    a job of N parts: N leaves of p(size) each, N - 1 joins of j each; p grows with the size, j does not.
Cards    speed, memory, price and noise of `worlds/models.toml`. j is 1.17/3.06 of p at 2^20 cycles (RISC Zero cluster,
         boundless-xyz/docs@07946d2: segments 2.90-3.30 s, joins 1.12-1.24 s), p is in proportion to the cycles, and
         both together give the published end-to-end speed at the largest segment that fits the memory: DERIVED for
         all other proof systems.
Machines the profile that `proofyard bench` wrote.
Units    guest cycles for cards, transfers for machines; ms; micro-USD per card and hour.
"""

import re
from dataclasses import replace
from typing import NamedTuple

from proofyard.core.errors import BadInput
from proofyard.proofs.workers import SHARE, peak_mib
from proofyard.worlds import models
from proofyard.worlds.hardware import (
    MICROCYCLES_PER_GAS,
    MOST_CARDS,
    PROFILE,
    SERVER_EFFICIENCY,
    Hardware,
    hardware,
)
from proofyard.worlds.profile import GAS_PER_TRANSFER, Profile, read
from proofyard.worlds.schedules import Schedule, schedule
from proofyard.worlds.text import Call, number, only, parse_call, unknown
from proofyard.worlds.theory import serial_share

JOIN_SHARE = 1.17 / 3.06  # join over segment of 2^20 cycles, mean of the cluster sample above
REFERENCE_LOG2 = 20
SEGMENT_LOG2 = ((40, 22), (20, 21), (16, 20), (8, 19))  # GB of memory from which segments of 2^n cycles fit, same docs
SMALLEST_LOG2 = 16  # smaller cuts are mostly joins
PART_SD = 0.044  # of ln time of a part: the range 0.40 s of nine segments is 2.97 standard deviations of a normal
CHEAP_HOST = 0.228  # serial share on one cheap host: 132.61 s on one card, 81.43 s on two (same docs)
MICRO = 10**6
_COUNTED = re.compile(r"\s*(?:(\d+)\s*x\s*)?(.+?)\s*", re.DOTALL)


class Card(NamedTuple):
    """One worker.

    Attributes
    ----------
    name : of the card or machine
    leaf_ms, unit_ms : a leaf of n units takes `leaf_ms + n * unit_ms` with one thread
    join_ms : a join with one thread
    most_units : of a leaf, by memory
    fixed_ms : part of a job that does not shrink with cards
    noise_sd, part_sd : spread of ln time that a card keeps for a whole job, and of each part
    crash_ppm : crashes per million jobs
    micro_usd_low, micro_usd_high : rent per hour
    watts : at full load, host included
    online : when it is there; None for always
    machine : number of the machine whose memory and cores it shares
    contention : share of its work that waits for other cards of its host (Amdahl)
    """

    name: str
    leaf_ms: float
    unit_ms: float
    join_ms: float
    most_units: float
    fixed_ms: int
    noise_sd: float
    part_sd: float
    crash_ppm: int
    micro_usd_low: int
    micro_usd_high: int
    watts: int
    online: Schedule | None
    machine: int
    contention: float

    def leaf(self, units: float) -> float:
        """Time of a leaf of `units`, ms."""
        return self.leaf_ms + units * self.unit_ms


class Machine(NamedTuple):
    """What workers share: cores, memory (MiB), serial share of a join, slowdown beside another; see `Profile`."""

    cores: int = 1
    mib: int = 10**9
    join_serial: float = 1.0
    beside: float = 1.0


class Fleet(NamedTuple):
    """Cards that work together, the fastest first.

    Attributes
    ----------
    text : as the user wrote it
    system : proof system; parts of different ones can't be joined
    cards, machines : the workers, and what they share
    unit : cycle or transfer
    units_per_gas : guest cycles or transfers of one gas
    cuts : sizes of a leaf to choose from, units
    sources : where the numbers come from
    uncertain : a speed rests on interpolation or a single report
    """

    text: str
    system: str
    cards: tuple[Card, ...]
    machines: tuple[Machine, ...]
    unit: str
    units_per_gas: float
    cuts: tuple[int, ...]
    sources: tuple[str, ...]
    uncertain: bool


def parse(text: str, online: str = "always") -> Fleet:
    """Read a fleet: `8xl40s`, `4xsp1/h100(price=2.69) + 4xl4`, `2xprofile:build/profile.json`.

    Parameters
    ----------
    text : groups joined by `+`; in brackets `price` (USD per card and hour), `memory` (GB), `online` (a schedule, in
        quotes) and `host`: `server` (default) or `cheap` (a desktop board: cards wait for each other)
    online : schedule of cards that name none, as in scenarios

    Raises
    ------
    BadInput : it has another form, no cards, an unknown card, or cards whose proofs can't be joined.
    """
    groups = [_group(part, online) for part in _split(text)]
    systems = sorted({group.system for group in groups})
    if len(systems) > 1:
        raise BadInput(
            "--fleet", "cards of one proof system, since others' parts can't be joined", " and ".join(systems)
        )
    cards: list[Card] = []
    machines: list[Machine] = []
    for group in groups:
        cards += [card._replace(machine=card.machine + len(machines)) for card in group.cards]
        machines += group.machines
    if len(cards) > MOST_CARDS:
        raise BadInput("--fleet", f"at most {MOST_CARDS} cards", f"{len(cards)}")
    cards.sort(key=lambda card: card.unit_ms)
    sources = tuple(dict.fromkeys(source for group in groups for source in group.sources))
    cuts = tuple(sorted({cut for group in groups for cut in group.cuts}))
    doubtful = any(group.uncertain for group in groups)
    first = groups[0]
    return Fleet(
        text.strip(),
        systems[0],
        tuple(cards),
        tuple(machines),
        first.unit,
        first.units_per_gas,
        cuts,
        sources,
        doubtful,
    )


def _split(text: str) -> list[str]:
    """Cut at each `+` outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "+" and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _group(text: str, online: str) -> Fleet:
    found = _COUNTED.fullmatch(text)
    if found is None:
        raise BadInput("--fleet", "groups such as 8xl40s or 1xprofile:FILE, joined by +", repr(text))
    count = int(found[1] or 1)
    if not 1 <= count <= MOST_CARDS:
        raise BadInput("--fleet", f"1 to {MOST_CARDS} cards of a kind", f"{count} in {text.strip()!r}")
    if found[2].startswith(PROFILE):
        return _machines(found[2], count)
    call = parse_call(found[2], "--fleet")
    only(call, "--fleet", ["price", "memory", "online", "host"])
    return _cards(call, count, online)


def _model(name: str) -> Hardware:
    """Find a card class by its name, or by the card's where only one class has it."""
    classes = [known["name"] for known in models.models()["class"]]
    short = [one for one in classes if one.casefold().endswith("/" + name.strip().casefold())]
    full = short[0] if len(short) == 1 else name
    if full.casefold() not in classes:
        raise unknown("--fleet", repr(name), [*classes, *(one.split("/")[1] for one in classes)], kind="card")
    return hardware(full, "--fleet")


def _cards(call: Call, count: int, online: str) -> Fleet:
    model, value = _model(call.name), call.values
    memory = int(number(value["memory"], "--fleet memory", 8, 10_000)) if "memory" in value else model.vram_gb
    if "price" in value:
        paid = round(MICRO * number(value["price"], "--fleet price", 0, 10_000))
        model = replace(model, micro_usd_low=paid, micro_usd_high=paid)
    host = value.get("host", "server")
    if host not in {"server", "cheap"}:
        raise unknown("--fleet host", repr(host), ["server", "cheap"])
    when = schedule(value.get("online", online), "--fleet online")
    system = model.name.split("/")[0]
    cycles_per_gas = MICROCYCLES_PER_GAS["sp1_cycle" if system == "sp1" else "risc0_cycle"] / MICRO
    largest = next(log2 for gigabytes, log2 in SEGMENT_LOG2 if memory >= gigabytes)
    quoted = next(log2 for gigabytes, log2 in SEGMENT_LOG2 if model.vram_gb >= gigabytes)
    cycle_ms = model.ps_per_unit / 10**9 / cycles_per_gas  # end to end, joins included
    per_reference = cycle_ms * 2**quoted / (2 ** (quoted - REFERENCE_LOG2) + JOIN_SHARE)  # p at 2^20
    together = 1.0 if host == "cheap" or count == 1 else SERVER_EFFICIENCY / 100
    card = Card(
        name=model.name,
        leaf_ms=0.0,
        unit_ms=per_reference / 2**REFERENCE_LOG2 / together,
        join_ms=per_reference * JOIN_SHARE / together,
        most_units=2**largest,
        fixed_ms=model.setup_ms,
        noise_sd=model.noise_sd,
        part_sd=PART_SD,
        crash_ppm=model.crash_ppm,
        micro_usd_low=model.micro_usd_low,
        micro_usd_high=model.micro_usd_high,
        watts=model.watts,
        online=None if when.name == "always" else when,
        machine=0,
        contention=CHEAP_HOST if host == "cheap" else 0.0,
    )
    cards = tuple(card._replace(machine=i) for i in range(count))
    cuts = tuple(2**log2 for log2 in range(SMALLEST_LOG2, largest + 1))
    source = f"{model.name}: {model.source}"
    return Fleet("", system, cards, (Machine(),) * count, "cycle", cycles_per_gas, cuts, (source,), model.uncertain)


def _machines(name: str, count: int) -> Fleet:
    """Turn measured machines into workers: one a core, as `proofyard prove` starts them."""
    profile = read(name.removeprefix(PROFILE), "--fleet")
    sizes = sorted({sample.size for sample in profile.samples if sample.size})
    card = Card(
        name=name,
        leaf_ms=profile.setup_ms,
        unit_ms=profile.ms_per_transfer,
        join_ms=profile.join_alone_ms,
        most_units=max(sizes),
        fixed_ms=0,
        noise_sd=0.0,
        part_sd=min(profile.error, 1.0),
        crash_ppm=0,
        micro_usd_low=0,
        micro_usd_high=0,
        watts=0,
        online=None,
        machine=0,
        contention=0.0,
    )
    shared = Machine(profile.cores, int(profile.memory_mib * SHARE), _join_serial(profile), max(1.0, profile.beside))
    if shared.mib < peak_mib(0):
        raise BadInput("--fleet", f"a machine with {peak_mib(0)} MiB free for a join", f"{shared.mib} MiB in {name}")
    cards = tuple(card._replace(machine=i) for i in range(count) for _ in range(profile.cores))
    told = f"{name}: measured on {profile.machine}, line within {100 * profile.error:.1f} %"
    machines = (shared,) * count
    return Fleet(
        "", profile.backend, cards, machines, "transfer", 1 / GAS_PER_TRANSFER, tuple(sizes), (told,), uncertain=False
    )


def _join_serial(profile: Profile) -> float:
    """Amdahl's serial share of a join from its time with one thread and with all."""
    if profile.join_threads == 1:
        return 1.0
    share = serial_share(profile.join_alone_ms, profile.join_ms, profile.join_threads)
    return min(max(share, 0.0), 1.0)
