"""What a chain needs to accept proofs: the verifier contract's source, and an example it has to accept."""

from itertools import islice
from typing import NamedTuple

from proofyard.proofs import build
from proofyard.proofs.backend import Job
from proofyard.proofs.noir import Noir
from proofyard.proofs.toolchain import Toolchain
from proofyard.rollup.batch import run_batch
from proofyard.rollup.load import Load
from proofyard.tools.cache import Tell

PAYOUT = 0x70997970C51812DC3A010C7D01B50E0D17DC79C8  # an address anvil knows, for examples


class Example(NamedTuple):
    """A verifier contract with a proof it accepts.

    Attributes
    ----------
    source : Solidity, one file without imports, for solc 0.8.27 or later
    contract : name of the contract in it: `verify(bytes proof, bytes32[] publicInputs) returns (bool)`
    proof : first argument
    public_inputs : second argument, seven words in the order of `Statement`
    secure : False if made with a development reference string
    """

    source: str
    contract: str
    proof: bytes
    public_inputs: list[bytes]
    secure: bool


def example(tools: Toolchain, tell: Tell, size: int = 4) -> Example:
    """Prove a small batch for a contract: about 3 CPU seconds at size 4, 6 at size 16, once the circuit is built."""
    load = Load(seed=1)
    batch = run_batch(load.ledger, list(islice(load.transfers(), size - 1)))  # one slot stays empty
    with Noir(tools, tell) as noir:
        proof = noir.prove(Job(batch, size, PAYOUT, last=True))
        source = build.verifier_source(tools, noir.circuit(size, "evm"), tell)
    words = proof.statement.to_bytes()
    listed = [words[i : i + 32] for i in range(0, len(words), 32)]
    return Example(source, build.contract_name(secure=tools.secure), proof.data, listed, tools.secure)
