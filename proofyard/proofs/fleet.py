"""What a job can be proven on: measured machines and sourced cards, each as workers with times for segments and joins.

Units    gas (21,000 a transfer of the payments rollup), ms, micro-USD.
Sources  machines: `proofyard bench`. Cards: `worlds/models.toml`; a join takes 0.38 of a segment of 2^20 cycles and a
         card's memory bounds its segments (RISC Zero, Boundless' cluster: segments 3.06 s, joins 1.17 s); DERIVED for
         other proof systems.
"""

import re
from dataclasses import dataclass

from proofyard.core.errors import BadInput
from proofyard.worlds.hardware import PROFILE, PS_PER_MS, Hardware, hardware
from proofyard.worlds.profile import GAS_PER_TRANSFER, read

JOIN_SHARE = 1.17 / 3.06
CYCLES_PER_GAS = 29.8  # RISC Zero, blocks over 1 Mgas
SEGMENT_LOG2 = ((40, 22), (20, 21), (16, 20), (0, 19))  # GB of memory from which segments of 2^n cycles fit
MOST_WORKERS = 1_024
_COUNTED = re.compile(r"(\d+)\s*x\s*(.+)", re.DOTALL)


@dataclass(frozen=True)
class Kind:
    """Equal workers.

    Attributes
    ----------
    name : of the card or machine
    count : workers
    together : workers that share a machine, whose cores help one another when they are idle
    ms_per_gas, segment_ms : time of a segment is `segment_ms + gas * ms_per_gas`
    join_ms, join_all_ms : a join by one worker, and by all that share the machine
    serial_ms : part of a job that doesn't shrink with workers
    most_gas : of a segment, by memory
    noise_sd : spread of ln time
    micro_usd_low, micro_usd_high : rent of one worker and hour
    source : where the speed comes from
    """

    name: str
    count: int
    together: int
    ms_per_gas: float
    segment_ms: float
    join_ms: float
    join_all_ms: float
    serial_ms: float
    most_gas: int
    noise_sd: float
    micro_usd_low: int
    micro_usd_high: int
    source: str

    def segment(self, gas: float) -> float:
        """Time of a segment, ms."""
        return self.segment_ms + gas * self.ms_per_gas


def parse(text: str) -> Kind:
    """Read `COUNTxNAME`: `8xsp1/l40s`, `2xprofile:build/profile.json`.

    Raises
    ------
    BadInput : it isn't of that form, or there is no such hardware.
    """
    match = _COUNTED.fullmatch(text.strip())
    count = int(match[1]) if match else 0
    if match is None or not 1 <= count <= MOST_WORKERS:
        raise BadInput("--fleet", "COUNTxNAME, e.g. 8xsp1/l40s or 1xprofile:build/profile.json", repr(text))
    name = match[2].strip()
    if name.startswith(PROFILE):
        return _machine(name, count)
    return _cards(hardware(name, "--fleet"), name, count)


def _machine(name: str, count: int) -> Kind:
    """Turn a measured machine into one worker for each leaf it can prove at once."""
    profile = read(name.removeprefix(PROFILE), "--fleet")
    slower = profile.beside if profile.concurrency > 1 else 1.0
    return Kind(
        name=name,
        count=count * profile.concurrency,
        together=profile.concurrency,
        ms_per_gas=slower * profile.ms_per_transfer / GAS_PER_TRANSFER,
        segment_ms=slower * profile.setup_ms,
        join_ms=slower * profile.join_alone_ms,
        join_all_ms=profile.join_ms,
        serial_ms=0,
        most_gas=max(sample.size for sample in profile.samples) * GAS_PER_TRANSFER,
        noise_sd=min(profile.error, 1.0),
        micro_usd_low=0,
        micro_usd_high=0,
        source=f"measured on {profile.machine}",
    )


def _cards(model: Hardware, name: str, count: int) -> Kind:
    """Turn a speed model into workers: a model of several cards is one worker."""
    ms_per_gas = model.ps_per_unit / PS_PER_MS
    log2 = next(log2 for gigabytes, log2 in SEGMENT_LOG2 if model.vram_gb >= gigabytes)
    join_ms = JOIN_SHARE * ms_per_gas * 2**20 / CYCLES_PER_GAS
    return Kind(
        name=name,
        count=count,
        together=1,
        ms_per_gas=ms_per_gas,
        segment_ms=0,
        join_ms=join_ms,
        join_all_ms=join_ms,
        serial_ms=model.setup_ms,
        most_gas=round(2**log2 / CYCLES_PER_GAS),
        noise_sd=model.noise_sd,
        micro_usd_low=model.micro_usd_low * model.cards,
        micro_usd_high=model.micro_usd_high * model.cards,
        source=model.source,
    )
