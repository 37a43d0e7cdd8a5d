"""Slither, halmos and z3 on the contracts: `python -m proofyard.chain.analysers slither|halmos|shares`.

They live in an environment of their own in the cache, as `analysers.txt` pins it: they want an older web3 than ours.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from proofyard.chain import toolbox
from proofyard.chain.build import SETTINGS, own_sources
from proofyard.core.errors import BadInput, Fault, MarketError
from proofyard.tools.cache import digest, kept, root

PINS = toolbox.HERE / "analysers.txt"
SHARES = toolbox.CONTRACTS / "symbolic" / "shares.smt2"
NEEDED_MIB = 600
WANTED = {"*": {"*": ["abi", "evm.bytecode", "evm.deployedBytecode", "metadata"], "": ["ast"]}}  # by Slither
# z3, not halmos's own choice: its yices finds counterexamples that are none. Four turns are enough for three changes.
HALMOS = ("--contract", "SymbolicTest", "--solver", "z3", "--loop", "4", "--solver-timeout-assertion", "300000")


def program(name: str) -> Path:
    """Find `slither`, `halmos` or `z3`, installed with all they need on first use. Raises Fault."""
    key = digest(PINS.read_bytes(), sys.version)

    def make(draft: Path) -> None:
        toolbox.tell("installing the analysers of the contracts (once)")
        place = draft / "here"  # its programs name the folder they were made in, so they are called through Python
        steps = (
            [sys.executable, "-m", "venv", place],
            [place / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps", "--only-binary", ":all:", "-r", PINS],
        )
        for step in steps:
            done = subprocess.run(step, check=False, capture_output=True, text=True)  # noqa: S603 - our own command
            if done.returncode:
                raise Fault(f"analysers: wanted the packages of {PINS.name}, pip said: {done.stderr.strip()[-300:]}")

    return kept(f"analysers/{key}", make, mib=NEEDED_MIB) / "here" / "bin" / name


def _run(name: str, *arguments: str | Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    script = program(name)
    path = os.pathsep.join([str(folder), str(script.parent), os.environ["PATH"]])  # where they look for forge and z3
    return subprocess.run(  # noqa: S603 - our own command
        [script.parent / "python", script, *arguments],
        cwd=folder, check=False, capture_output=True, text=True, env={**os.environ, "PATH": path},
    )  # fmt: skip


def slither() -> Counter[str]:
    """Count what Slither finds in our contracts, by kind; OpenZeppelin's are left out. Raises Fault."""
    folder = root() / "slither"
    shim = toolbox.write_sources(folder, "src")
    if not (folder / "@openzeppelin").is_symlink():
        (folder / "@openzeppelin").symlink_to("node_modules/@openzeppelin")
    settings = {**SETTINGS, "optimizer": {"enabled": False}, "outputSelection": WANTED}
    sources = {path: {"content": text} for path, text in own_sources().items()}
    request = {"language": "Solidity", "settings": settings, "sources": sources}
    (folder / "input.json").write_text(json.dumps(request), encoding="utf-8")
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    done = _run(
        "slither", "input.json", "--compile-force-framework", "solc-json", "--solc", shim,
        "--filter-paths", "openzeppelin", "--json", report, folder=folder,
    )  # fmt: skip
    if not report.is_file():
        raise Fault(f"slither: wanted a report, it said: {done.stderr.strip()[-300:]}")
    return Counter(found["check"] for found in json.loads(report.read_text(encoding="utf-8"))["results"]["detectors"])


def halmos() -> dict[str, bool]:
    """Prove the checks in `contracts/symbolic`: does each hold for all values? Raises Fault."""
    folder = root() / "symbolic"
    toolbox.write_forge_project(folder, "symbolic", "symbolic")
    forge = folder / "forge"
    if not forge.is_symlink():
        forge.symlink_to(toolbox.native("forge"))
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    done = _run("halmos", *HALMOS, "--no-status", "--json-output", report, folder=folder)
    if not report.is_file():
        raise Fault(f"halmos: wanted a report, it said: {(done.stderr or done.stdout).strip()[-300:]}")
    tests = json.loads(report.read_text(encoding="utf-8"))["test_results"]
    return {test["name"]: test["exitcode"] == 0 for results in tests.values() for test in results}


def shares(claims: str) -> dict[str, bool]:
    """Prove the claims about the vault's shares that an SMT file denies one by one: does each hold? Raises Fault."""
    done = subprocess.run(  # noqa: S603 - our own command
        [program("z3"), "-in", "-T:60"], input=claims, check=False, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) != 2 * claims.count("(echo "):
        raise Fault(f"z3: wanted an answer to each claim, it said: {(done.stdout or done.stderr).strip()[-300:]}")
    return {claim: answer == "unsat" for claim, answer in zip(lines[::2], lines[1::2], strict=True)}


def main(words: list[str]) -> int:
    """Run one and print what it says: 1 if something could not be proven."""
    match words:
        case ["slither"]:
            for kind, count in sorted(slither().items()):
                print(f"{kind}: {count}")  # noqa: T201 - a command
            return 0
        case ["halmos" | "shares" as name]:
            found = halmos() if name == "halmos" else shares(SHARES.read_text(encoding="utf-8"))
            for claim, holds in found.items():
                print(f"{'holds' if holds else 'NOT PROVEN'}: {claim}")  # noqa: T201 - a command
            return 0 if found and all(found.values()) else 1
        case _:
            raise BadInput("analyser", "slither, halmos or shares", " ".join(words) or "none")


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except MarketError as error:
        print(f"analysers: {error}", file=sys.stderr)  # noqa: T201 - a command
        raise SystemExit(2 if isinstance(error, BadInput) else 1) from None
