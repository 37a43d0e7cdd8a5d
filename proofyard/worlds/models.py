"""The shipped constants of `models.toml`, read once."""

import tomllib
from functools import cache
from pathlib import Path
from typing import TypedDict, cast


class Card(TypedDict):
    """One kind of graphics card: memory in GB, board limit in W, rent in micro-USD per hour."""

    vram_gb: int
    watts: int
    micro_usd_low: int
    micro_usd_high: int


class CardClass(TypedDict):
    """A derived speed of one card, in thousands of guest cycles per second."""

    name: str
    card: str
    kcycles_per_s: int
    microcycles_per_gas: int
    setup_ms: int
    noise_sd: float
    crash_ppm: int
    uncertain: bool
    source: str


class Setup(TypedDict):
    """A fitted set-up; see `fitting.Fit` for units."""

    name: str
    card: str
    cards: int
    setup_ms: int
    ps_per_gas: int
    noise_sd: float
    residual_sd: float
    r: float
    crash_ppm: int
    proofs: int
    crashes: int
    commit: str


class Difficulty(TypedDict):
    """Spread of ln difficulty that set-ups share."""

    sd: float
    source: str


Models = TypedDict(
    "Models", {"difficulty": Difficulty, "card": dict[str, Card], "class": list[CardClass], "setup": list[Setup]}
)


@cache
def models() -> Models:
    """Everything in `models.toml`."""
    text = Path(__file__).with_name("models.toml").read_text(encoding="utf-8")
    return cast("Models", tomllib.loads(text))
