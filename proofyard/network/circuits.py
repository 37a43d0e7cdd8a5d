"""The verifier contracts a market is deployed with: of real circuits, or of stand-ins on a development chain."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from proofyard.chain import Circuit, Kind
from proofyard.chain.build import compile_sources
from proofyard.network.orders import circuit_of
from proofyard.proofs import build
from proofyard.proofs.backend import ProofBackend
from proofyard.proofs.calibrated import Calibrated
from proofyard.proofs.noir import Noir
from proofyard.tools.cache import Tell, digest, kept

if TYPE_CHECKING:  # optional, and slow to import
    from proofyard.proofs.groth16 import Groth16

GAS = 1_800_000  # twice what a good proof of 16 transfers takes


def circuits_for(backend: ProofBackend, sizes: Sequence[int], tell: Tell) -> dict[bytes, Circuit]:
    """Build what the verifier's registry needs for batches of these sizes. Raises Fault."""
    return {
        circuit_of(backend.name, size): Circuit(_compiled(_source(backend, size, tell), tell), GAS, Kind.ROLLUP)
        for size in sizes
    }


def _source(backend: ProofBackend, size: int, tell: Tell) -> str:
    if isinstance(backend, Noir):
        return build.verifier_source(backend.tools, backend.circuit(size, "evm"), tell)
    if isinstance(backend, Calibrated):
        return backend.verifier_source(size)
    return cast("Groth16", backend).contract(size)


def _compiled(source: str, tell: Tell) -> str:
    """Compile a verifier, once."""

    def make(draft: Path) -> None:
        tell("compiling the verifier's contract (once)")
        built = compile_sources({"verifier.sol": source})
        largest = max(built.values(), key=lambda artifact: artifact.runtime_bytes)
        (draft / "code.json").write_text(json.dumps(largest.bytecode), encoding="utf-8")

    return json.loads((kept(f"contracts/verifier-{digest(source)}", make) / "code.json").read_text(encoding="utf-8"))
