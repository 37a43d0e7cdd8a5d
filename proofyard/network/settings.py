"""A prover node's configuration: a TOML file, checked, read again whenever it changes."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proofyard.core import MAX_GWEI
from proofyard.core.errors import BadInput
from proofyard.worlds import profile as profiles
from proofyard.worlds.text import first_fault, read_toml

MS_PER_HOUR = 3_600_000
TYPICAL = 16  # transfers to a circuit


class Settings(BaseModel):
    """What the owner of a node decides. Money gwei, times ms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    market: str = "http://127.0.0.1:8700"  # several, separated by commas: a coordinator and those who stand by
    name: str = Field(default="prover", max_length=60)
    policy: str = "honest"  # any of the policy library, as in a scenario
    price_gwei: int = Field(
        default=1, ge=1, le=MAX_GWEI
    )  # what a proof (or a unit, as the rule has it) costs: the honest price
    rate_gwei: int = Field(default=0, ge=0, le=MAX_GWEI)  # cost of an hour of work
    capacity: int = Field(default=1, ge=1, le=1_000)  # proofs at once, true
    stake_gwei: int = Field(default=0, ge=0, le=MAX_GWEI)  # to stake at first
    backend: Literal["calibrated", "noir", "groth16"] = "calibrated"
    profile: str = ""  # file that `bench` wrote: gives capacity, setup_ms and unit_ns where they are not written here
    setup_ms: int = Field(default=0, ge=0)  # of a proof, whatever its size
    unit_ns: int = Field(default=0, ge=0)  # ns of a proof per unit of the request's size
    margin_ms: int = Field(default=250, ge=0)  # a proof shall be ready so long before the deadline
    open_jobs: Literal["race", "ignore"] = "race"
    bids: Literal["standing", "each"] = "standing"
    hopeless: Literal["skip", "work"] = "skip"
    most_failures: int = Field(default=3, ge=1)  # in a row, before it rests
    rest_ms: int = Field(default=60_000, ge=0)
    epoch_ms: int = Field(default=10_000, ge=100)  # between looks at prices and stakes
    seed: int = Field(default=1, ge=0)
    slow: bool = False  # take at least as long as setup_ms and unit_ns say: play a machine weaker than this one
    chain: str = ""  # URL of the chain's node, where the market's money is on a chain
    deployment: str = ""  # file with the market's contracts there
    deposit_gwei: int = Field(default=0, ge=0, le=MAX_GWEI)  # to put into the vault at first

    def work_ms(self, size: int) -> int:
        """How long a proof takes."""
        return max(1, self.setup_ms + size * self.unit_ns // 1_000_000)

    def cost_gwei(self, size: int) -> int:
        """Say what a proof costs."""
        return self.work_ms(size) * self.rate_gwei // MS_PER_HOUR


def read(path: Path, transfers: int = TYPICAL) -> Settings:
    """Read a file for a node whose circuit has room for `transfers`. Raises BadInput."""
    try:
        settings = Settings.model_validate(read_toml(path, "--config"))
    except ValidationError as error:
        raise first_fault(path, error, Settings.model_fields) from None
    return _measured(settings, path, transfers) if settings.profile else settings


def _measured(settings: Settings, path: Path, transfers: int) -> Settings:
    """Fill in what a profile knows and the file does not say; a proof of a circuit takes as long however full it is."""
    profile = profiles.read(str(path.parent / settings.profile), f"{path}: profile")
    if profile.backend != settings.backend and "setup_ms" not in settings.model_fields_set:
        raise BadInput(f"{path}: profile", f"one of backend {settings.backend}", profile.backend)
    found = {"capacity": profile.concurrency}
    capacity = settings.capacity if "capacity" in settings.model_fields_set else profile.concurrency
    beside = profile.beside if capacity > 1 else 1.0
    found |= {"setup_ms": round(profile.leaf_ms(transfers) * beside), "unit_ns": 0}
    return settings.model_copy(update={k: v for k, v in found.items() if k not in settings.model_fields_set})


class Watched:
    """Settings that follow their file; a broken file is told and the last good one stays."""

    def __init__(self, path: Path | None, settings: Settings | None = None, *, transfers: int = TYPICAL) -> None:
        self._path, self._transfers = path, transfers
        self._seen = 0
        self.now = settings or (read(path, transfers) if path is not None else Settings())
        if path is not None and settings is None:
            self._seen = path.stat().st_mtime_ns

    def look(self) -> str:
        """Read the file again if it has changed; say what is wrong with it, "" nothing."""
        if self._path is None:
            return ""
        try:
            changed = self._path.stat().st_mtime_ns
            if changed == self._seen:
                return ""
            self._seen = changed
            self.now = read(self._path, self._transfers)
        except (BadInput, OSError) as error:
            return str(error)
        return ""
