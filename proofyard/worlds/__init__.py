"""Worlds that are real: job sizes, prover speeds, on/off schedules and measured traces, each with its source.

Everything handed to the engine is int64: ms, gas, Q16 multipliers (65,536 is 1.0), parts per million, micro-USD.
"""

from proofyard.worlds.dice import uniform, word
from proofyard.worlds.fitting import Fit, fit
from proofyard.worlds.hardware import Hardware, hardware, in_unit, proving_ms
from proofyard.worlds.hardware import catalogue as hardware_catalogue
from proofyard.worlds.schedules import Calendar, Renewal, Schedule, online_ms, schedule, toggles
from proofyard.worlds.sizes import Sizes, sizes
from proofyard.worlds.sizes import catalogue as sizes_catalogue
from proofyard.worlds.tables import ONE, sample
from proofyard.worlds.traces import ABSENT, CRASH, Trace, read

__all__ = [
    "ABSENT",
    "CRASH",
    "ONE",
    "Calendar",
    "Fit",
    "Hardware",
    "Renewal",
    "Schedule",
    "Sizes",
    "Trace",
    "fit",
    "hardware",
    "hardware_catalogue",
    "in_unit",
    "online_ms",
    "proving_ms",
    "read",
    "sample",
    "schedule",
    "sizes",
    "sizes_catalogue",
    "toggles",
    "uniform",
    "word",
]
