"""Compile the contracts once: the result is kept under a hash of all sources, settings and the compiler's lock file."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from proofyard.chain import toolbox
from proofyard.core.errors import Fault
from proofyard.tools.cache import digest, digest_files, kept

SETTINGS: dict[str, Any] = {
    "optimizer": {"enabled": True, "runs": 200},
    "evmVersion": "cancun",
    "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]}},
}


@dataclass(frozen=True)
class Artifact:
    """A compiled contract."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str  # hexadecimal, with 0x
    runtime_bytes: int


def compile_sources(sources: dict[str, str]) -> dict[str, Artifact]:
    """Compile sources by path; imports of `@openzeppelin/…` come from the pinned packages. Raises Fault."""
    contents = {path: {"content": text} for path, text in sources.items()}
    request = {"language": "Solidity", "settings": SETTINGS, "sources": contents}
    answer = json.loads(toolbox.compile_json(json.dumps(request)))
    errors = [e["formattedMessage"] for e in answer.get("errors", []) if e["severity"] == "error"]
    if errors:
        raise Fault(f"contracts: the compiler refused them: {errors[0]}")
    found: dict[str, Artifact] = {}
    for contracts in answer["contracts"].values():
        for name, contract in contracts.items():
            code = contract["evm"]["bytecode"]["object"]
            size = len(contract["evm"]["deployedBytecode"]["object"]) // 2
            found[name] = Artifact(name, contract["abi"], "0x" + code, size)
    return found


def own_sources() -> dict[str, str]:
    """Read the contracts of the package, by path."""
    root = toolbox.CONTRACTS / "src"
    return {f"src/{path.relative_to(root)}": path.read_text(encoding="utf-8") for path in sorted(root.rglob("*.sol"))}


@cache
def artifacts() -> dict[str, Artifact]:
    """Compile all contracts of the package, or read what was compiled before. Raises Fault."""
    files = [*(toolbox.CONTRACTS / "src").rglob("*.sol"), toolbox.HERE / "npm" / "package-lock.json"]
    key = digest(digest_files(files), json.dumps(SETTINGS, sort_keys=True), "1")

    def make(draft: Path) -> None:
        toolbox.tell("compiling the contracts (once)")
        built = {name: vars(item) for name, item in compile_sources(own_sources()).items()}
        (draft / "contracts.json").write_text(json.dumps(built), encoding="utf-8")

    text = (kept(f"contracts/{key}", make, mib=20) / "contracts.json").read_text(encoding="utf-8")
    return {name: Artifact(**item) for name, item in json.loads(text).items()}
