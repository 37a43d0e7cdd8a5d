"""The tools of the contracts, pinned by a lock file: compiler, OpenZeppelin's parts, test runner, development chain."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from proofyard.core.errors import Fault
from proofyard.tools import npm

HERE = Path(__file__).parent
CONTRACTS = HERE / "contracts"
VERSION = "1.7.1"  # of forge and anvil
_LOCKED = {("linux", "x86_64"): "linux-amd64"}  # elsewhere: what `foundryup` installed


def tell(line: str) -> None:
    """Say on standard error that something slow begins."""
    print(f"proofyard: {line}", file=sys.stderr, flush=True)  # noqa: T201 - the progress line of a command


def packages() -> Path:
    """Return the `node_modules` folder with the pinned packages, installed on first use. Raises Fault."""
    return npm.installed(HERE / "npm", tell)


def native(name: str) -> Path:
    """Find the program `forge` or `anvil`: the pinned one where there is one for this machine, else that on the PATH.

    Raises
    ------
    Fault : there is neither.
    """
    place = _LOCKED.get((sys.platform, platform.machine()))
    if place is not None:
        return npm.installed(HERE / f"npm-{place}", tell) / "@foundry-rs" / f"{name}-{place}" / "bin" / name
    found = shutil.which(name)
    if found is None:
        wanted = f"{name}: wanted {name} {VERSION} on the PATH, as `foundryup` installs it"
        raise Fault(f"{wanted}, it is not there; the pinned one is for Linux on x86-64 only.")
    return Path(found)


def compile_json(text: str) -> str:
    """Hand a standard JSON input to the compiler and return its output. Raises Fault if it could not run."""
    environment = {**os.environ, "PROOFYARD_SOLC": str(packages() / "solc")}
    done = subprocess.run(  # noqa: S603 - our own command
        [npm.node(), CONTRACTS / "solc.cjs", "--standard-json"],
        env=environment, input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Fault(f"solc: wanted an answer, it ended with code {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def write_sources(folder: Path, *names: str) -> Path:
    """Link folders of our contracts and the packages they import into `folder`, and write a program `solc` beside them.

    Returns the program: the WebAssembly compiler behind the flags of the native one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    targets = {"node_modules": packages(), **{name: CONTRACTS / name for name in names}}
    for name, target in targets.items():
        place = folder / name
        if not place.is_symlink() or place.readlink() != target:
            place.unlink(missing_ok=True)
            place.symlink_to(target)
    shim = folder / "solc"
    shim.write_text(
        f'#!/bin/sh\nPROOFYARD_SOLC="{packages() / "solc"}" exec "{npm.node()}" "{CONTRACTS / "solc.cjs"}" "$@"\n',
        encoding="utf-8",
    )
    shim.chmod(0o755)
    return shim


def write_forge_project(folder: Path, tests: str = "test", source: str = "src") -> None:
    """Write into `folder` what forge needs to build our contracts.

    `tests` and `source` are folders of ours: what forge runs, and what it builds besides.
    """
    shim = write_sources(folder, "src", tests)
    text = (CONTRACTS / "foundry.toml").read_text(encoding="utf-8").replace("@SOLC@", str(shim))
    text = text.replace('src = "src"', f'src = "{source}"').replace('test = "test"', f'test = "{tests}"')
    (folder / "foundry.toml").write_text(text, encoding="utf-8")
