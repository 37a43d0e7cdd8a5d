"""`proofyard bench`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from proofyard.cli.shared import Json, print_json

if TYPE_CHECKING:
    from proofyard.worlds.profile import Profile


def bench(
    *,
    out: Path = Path("profile.json"),
    srs: Literal["auto", "ceremony", "development"] = "auto",
    json: Json = False,
) -> None:
    """Measure this machine's proving speed; write the capacity profile that provers, plans and scenarios read.

    Example: proofyard bench --out build/profile.json

    Takes up to three minutes after the circuits have been built. A scenario uses it as hardware = "profile:FILE"; the
    last one of this machine is kept for `trial`.

    Parameters
    ----------
    out
        File for the profile.
    srs
        Reference string, as for `prove`; it makes no difference to the speed.
    json
        Print the profile as JSON instead of the table.
    """
    from proofyard.core.errors import BadInput
    from proofyard.proofs.measure import kept_at, measure
    from proofyard.proofs.toolchain import set_up

    if not out.parent.is_dir() or out.is_dir():
        raise BadInput("--out", "a file in a folder that exists", out)
    tell = _say if not json else _quiet
    profile = measure(set_up(srs, _say), tell)
    for place in (out, kept_at()):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(profile.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if json:
        print_json(profile.model_dump())
        return
    _print(profile)
    print(f"profile: {out}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _quiet(_: str) -> None:
    """Say nothing."""


def _print(profile: "Profile") -> None:
    """Print the measured proofs and what follows from them."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("proof", "threads", "witness", "proving", "verifying", "CPU", "memory"):
        table.add_column(name, justify="left" if name == "proof" else "right")
    for s in profile.samples:
        times = [f"{ms / 1000:.2f} s" for ms in (s.witness_ms, s.proving_ms, s.verify_ms, s.cpu_ms)]
        table.add_row(f"leaf of {s.size}" if s.size else "join", str(s.threads), *times, f"{s.peak_mib} MiB")
    console = Console()
    console.print(table)
    slope, setup = profile.ms_per_transfer / 1000, profile.setup_ms / 1000
    console.print(
        f"A leaf takes {setup:.2f} s + {slope:.3f} s a transfer (error {profile.error:.0%}) with one thread; the best"
        f" size is {profile.best_size}; {profile.concurrency} at once; two side by side take {profile.beside:.2f} times"
        f" as long. Other programs took {profile.others:.0%} of the processors meanwhile; times of witnesses and proofs"
        " are what they would be without them.",
        highlight=False,
        soft_wrap=True,
    )
