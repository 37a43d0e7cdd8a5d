"""The programs that make proofs, ready to run: node, the npm packages, Barretenberg (`bb`) and a reference string."""

import os
import platform
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from proofyard.core.errors import Fault
from proofyard.proofs import process, srs
from proofyard.proofs.process import Used
from proofyard.tools import npm
from proofyard.tools.cache import Tell, digest, kept

PACKAGE = Path(str(files("proofyard.proofs")))
LIMIT_S = 1_800  # no proof of ours takes half an hour; a hung program does
# A witness takes 0.2 s, V8's optimising compiler 0.7 CPU seconds before that pays, after some fifteen witnesses.
FLAGS = {"witness.mjs": ("--liftoff-only",)}
TARGETS = {"recursive": "noir-recursive-no-zk", "evm": "evm-no-zk"}


@dataclass(frozen=True)
class Toolchain:
    """Everything a proof needs that isn't the circuit.

    Attributes
    ----------
    node : program that compiles circuits and makes witnesses
    modules : its packages
    bb : program that proves and verifies
    srs : reference string, which says whether the proofs are worth anything
    """

    node: Path
    modules: Path
    bb: Path
    srs: srs.Srs

    @property
    def secure(self) -> bool:
        """False if anybody can forge proofs made with it."""
        return self.srs.secure

    @cached_property
    def versions(self) -> str:
        """Digest of all that decides what a circuit compiles to."""
        return digest((PACKAGE / "npm" / "package-lock.json").read_bytes())

    def run_bb(self, *arguments: str | Path, threads: int = 0) -> tuple[int, str, Used]:
        """Run `bb` on so many threads (0: all cores); return exit code, what it said and what it used. Raises Died."""
        environment = {"CRS_PATH": str(self.srs.folder)}
        if threads:
            environment["HARDWARE_CONCURRENCY"] = str(threads)
        try:
            return process.run([self.bb, *arguments], environment, limit_s=LIMIT_S)
        except OSError as error:
            raise Fault(
                f"{self.bb}: wanted the prover, got: {error.strerror}. The cache is damaged; mend it with"
                f" rm -r '{self.bb.parent}' and run again."
            ) from None

    def bb_or_fault(self, *arguments: str | Path) -> None:
        """Run `bb` and raise Fault with its last line if it fails."""
        code, said, _ = self.run_bb(*arguments)
        if code:
            raise Fault(f"bb {arguments[0]} failed (exit code {code}): {last_line(said)}")

    def script(self, name: str) -> process.Lines:
        """Start one of our scripts."""
        return process.Lines([self.node, *FLAGS.get(name, ()), self.place_of(name) / name])

    def place_of(self, name: str) -> Path:
        """Return the folder of one of our scripts, kept beside the packages it imports."""
        source = PACKAGE / "circuits" / name
        key = digest(source.read_bytes(), str(self.modules))
        return kept(f"npm/scripts-{key}", lambda draft: self._link(draft, name))

    def _link(self, draft: Path, name: str) -> None:
        (draft / name).write_bytes((PACKAGE / "circuits" / name).read_bytes())
        (draft / "node_modules").symlink_to(self.modules)


def last_line(said: str) -> str:
    """Pick the line that says why."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def set_up(kind: srs.Kind, tell: Tell) -> Toolchain:
    """Fetch or find all tools; the first time takes a minute.

    Raises
    ------
    Fault : one of them can't be had; the message says which, why, and what mends it.
    """
    node, modules = npm.node(), npm.installed(PACKAGE / "npm", tell)
    string = srs.provision(kind, tell)
    original = _prover(modules)
    return Toolchain(node, modules, original if string.secure else _development_prover(original, string), string)


def _prover(modules: Path) -> Path:
    """Find `bb` for this machine."""
    machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower()
    )
    system = {"linux": "linux", "darwin": "macos"}.get(sys.platform)
    place = modules / "@aztec" / "bb.js" / "build" / f"{machine}-{system}" / "bb"
    if machine is None or system is None:
        raise Fault(f"bb: wanted Linux or macOS on x86-64 or ARM64, got {sys.platform} on {platform.machine()}")
    if not place.is_file():
        folder = modules.parent
        raise Fault(f"{place}: wanted the prover, got nothing: the cache is damaged; mend it with rm -r '{folder}'.")
    if not os.access(place, os.X_OK):
        place.chmod(0o755)
    return place


def _development_prover(original: Path, string: srs.Srs) -> Path:
    """Copy `bb` with the [τ]₂ of an INSECURE string in the place of the ceremony's.

    It stands once as bytes, for verification, and as hexadecimal words in the templates of verifier contracts.
    """

    def make(draft: Path) -> None:
        data = original.read_bytes()
        if data.count(srs.CEREMONY_G2) != 1:
            raise Fault(
                f"{original}: wanted the ceremony's [τ]₂ in it once, got it {data.count(srs.CEREMONY_G2)} times"
            )
        data = data.replace(srs.CEREMONY_G2, string.g2)
        for i in range(0, len(string.g2), 32):
            data = data.replace(srs.CEREMONY_G2[i : i + 32].hex().encode(), string.g2[i : i + 32].hex().encode())
        (draft / "bb").write_bytes(data)
        (draft / "bb").chmod(0o755)

    stat = original.stat()
    return kept(f"bb/INSECURE-{digest(str(original), str(stat.st_size), string.g2)}", make, mib=100) / "bb"
