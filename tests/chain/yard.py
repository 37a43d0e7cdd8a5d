"""A market on a development chain, for tests."""

from typing import NamedTuple

from eth_account.signers.local import LocalAccount

from proofyard.chain import Chain, Circuit, Client, Deployment, Kind, devchain
from proofyard.chain.build import compile_sources

CIRCUIT = b"light".ljust(32, b"\0")
DAY = 86_400
TOKEN = 10**9  # gwei
# Accepts a proof that is the hash of its public inputs: as much of a proof as tests of money need.
LIGHT = """
pragma solidity 0.8.30;
contract Light {
    function verify(bytes calldata proof, bytes32[] calldata inputs) external pure returns (bool) {
        return keccak256(proof) == keccak256(abi.encodePacked(keccak256(abi.encodePacked(inputs))));
    }
}
"""


class Yard(NamedTuple):
    """A market and how to join it."""

    node: devchain.Devchain
    chain: Chain
    deployment: Deployment
    accounts: list[LocalAccount]

    def client(self, number: int) -> Client:
        """Client of one of the funded accounts; 0 is the owner and coordinator."""
        return Client(self.chain, self.deployment, self.accounts[number])

    def pass_time(self, seconds: int) -> None:
        """Let the chain's clock jump."""
        self.chain.rpc("evm_increaseTime", seconds)
        self.chain.rpc("evm_mine")


def light_circuit(kind: Kind = Kind.PLAIN) -> Circuit:
    """A circuit with the light verifier, for single and joined proofs."""
    code = compile_sources({"light.sol": LIGHT})["Light"].bytecode
    return Circuit(code, 200_000, kind, joined=code, joined_gas=200_000, joined_key=b"\7" * 32)
