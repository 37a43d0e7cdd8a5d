"""Capacity profile of a machine: how fast it proves, as `proofyard bench` measured it.

Model   time = setup + slope * transfers, for one leaf proof with one thread; a join always takes the same time.
Units   ms, MiB, transfers of the payments rollup.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proofyard.core.errors import BadInput

GAS_PER_TRANSFER = 21_000  # what a plain transfer costs on Ethereum: how sizes in gas become transfers
LONGEST_MS = 86_400_000

Ms = Annotated[int, Field(ge=0, le=LONGEST_MS)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Sample(_Strict):
    """One measured proof; `size` 0 is a join."""

    size: Annotated[int, Field(ge=0, le=1_024)]
    threads: Count
    witness_ms: Ms
    proving_ms: Ms
    verify_ms: Ms
    cpu_ms: Ms
    peak_mib: Annotated[int, Field(ge=0, le=10_000_000)]


class Profile(_Strict):
    """What `proofyard bench` found out.

    Attributes
    ----------
    format : of this file
    machine : processor and system, for people
    cores, memory_mib : of the machine
    backend : which proof system was measured
    secure_srs : whether the reference string was the ceremony's; it makes no difference to times
    setup_ms, ms_per_transfer : of a leaf proof with one thread, witness included
    error : largest distance of a measured leaf from this line, as a share of the time
    join_ms, join_threads : a join with all cores, and how many threads that were
    join_alone_ms : a join with one thread, from its CPU time
    best_size : leaf size with the least CPU time for a transfer
    concurrency : leaf proofs of the best size that fit cores and memory
    beside : time of two leaves side by side, as a multiple of one alone
    others : share of the processors that other programs took meanwhile; times are what they would be without
    samples : all measured proofs
    """

    format: Literal[1] = 1
    machine: str
    cores: Count
    memory_mib: Count
    backend: str
    secure_srs: bool
    setup_ms: Annotated[float, Field(ge=0, le=LONGEST_MS)]
    ms_per_transfer: Annotated[float, Field(gt=0, le=1_000_000)]
    error: Annotated[float, Field(ge=0)]
    join_ms: Count
    join_threads: Count
    join_alone_ms: Count
    best_size: Count
    concurrency: Count
    beside: Annotated[float, Field(gt=0)]
    others: Annotated[float, Field(ge=0, le=1)] = 0.0
    samples: list[Sample]

    def leaf_ms(self, size: int) -> float:
        """Predict the time of a leaf proof with one thread, witness included."""
        measured = [s.witness_ms + s.proving_ms for s in self.samples if s.size == size and s.threads == 1]
        return sum(measured) / len(measured) if measured else self.setup_ms + self.ms_per_transfer * size


def read(path: str, field: str) -> Profile:
    """Read a profile.

    Parameters
    ----------
    path : of the file
    field : who asks, for the error

    Raises
    ------
    BadInput : there is none, or it is damaged; the first fault is named.
    """
    try:
        return Profile.model_validate_json(Path(path).read_bytes())
    except OSError as error:
        raise BadInput(field, "a profile written by proofyard bench", f"{path} ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BadInput(field, "a profile written by proofyard bench", f"{path}: {place}: {first['msg']}") from None
