"""NO PROOFS: a backend for load tests that spends the measured time and makes stand-ins with a MAC.

A stand-in convinces only who holds the key, and no contract but one that is made for stand-ins. It says `calibrated`
and `secure: false`, and its bytes begin with `NOT-A-PROOF`.
"""

import hashlib
import hmac
import os
import time
from collections.abc import Sequence

from proofyard.core.errors import BadInput
from proofyard.proofs.backend import Job, Spent
from proofyard.proofs.statement import Proof, Statement, state_joined, state_of

MARK = b"NOT-A-PROOF"
BLOCK = 64  # bytes of a key of HMAC-SHA256
# Checks what `Calibrated` makes, so that a market's whole way to the chain can be tried without proving anything.
CONTRACT = """// SPDX-License-Identifier: Apache-2.0
// NOT A VERIFIER OF PROOFS: accepts stand-ins, which whoever knows the key below can make. For load tests only.
pragma solidity 0.8.30;

contract InsecureStandInVerifier {
    bytes private constant INNER = hex"@INNER@";
    bytes private constant OUTER = hex"@OUTER@";

    function verify(bytes calldata proof, bytes32[] calldata inputs) external pure returns (bool) {
        bytes32 inner = sha256(abi.encodePacked(INNER, "@CIRCUIT@", hex"00", inputs));
        bytes32 mac = sha256(abi.encodePacked(OUTER, inner));
        return keccak256(proof) == keccak256(abi.encodePacked("@MARK@", mac));
    }
}
"""
KEY_VARIABLE = "PROOFYARD_CALIBRATED_KEY"
# Measured with bb 5.0.0 on one x86-64 core, ms: a leaf by transfers, a join; and the witness of a leaf.
LEAF_MS, SLOT_MS, JOIN_MS = 500, 300, 42_000
WITNESS_MS, WITNESS_SLOT_MS = 60, 30
NODE_KEY = 1  # of no real circuit


class Calibrated:
    """Stand-ins for proofs.

    Parameters
    ----------
    speed : how many times faster than measured
    key : shared by those who make and those who check; `PROOFYARD_CALIBRATED_KEY` if it is set
    """

    name = "calibrated"
    secure = False

    def __init__(self, *, speed: float = 1.0, key: bytes = b"") -> None:
        if speed <= 0:
            raise BadInput("speed", "a number above 0", speed)
        self.threads = 0
        self.spent = Spent()
        self._speed = speed
        self._key = key or os.environ.get(KEY_VARIABLE, "load test").encode()

    def prepare(self, size: int, *, joins: bool) -> None:
        """Build nothing."""

    def prove(self, job: Job) -> Proof:
        """Spend the time of a proof."""
        if len(job.batch.steps) > job.size:
            raise BadInput("batch", f"at most {job.size} transfers", len(job.batch.steps))
        statement = state_of(job.batch, job.payout, 0 if job.last else NODE_KEY)
        self._spend(WITNESS_MS + WITNESS_SLOT_MS * job.size, LEAF_MS + SLOT_MS * job.size)
        return self._stand_in(f"leaf{job.size}", statement)

    def join(self, proofs: Sequence[Proof], *, last: bool = False) -> Proof:
        """Spend the time of a join; `last` makes no difference here."""
        del last
        for proof in proofs:
            if reason := self.why_not(proof):
                raise BadInput("join", "stand-ins of this key", reason)
        left, right = proofs
        self._spend(WITNESS_MS, JOIN_MS)
        return self._stand_in("node", state_joined(left.statement, right.statement))

    def _spend(self, witness_ms: float, proving_ms: float) -> None:
        times = [ms / self._speed / max(1, self.threads) for ms in (witness_ms, proving_ms)]
        time.sleep(sum(times) / 1000)
        self.spent = Spent(witness_ms=round(times[0]), proving_ms=round(times[1]))

    def _stand_in(self, circuit: str, statement: Statement) -> Proof:
        data = MARK + self._mac(circuit, statement)
        return Proof(self.name, circuit, self.version(0, last=False), secure=False, statement=statement, data=data)

    def _mac(self, circuit: str, statement: Statement) -> bytes:
        return hmac.digest(self._key, circuit.encode() + b"\0" + statement.to_bytes(), hashlib.sha256)

    def verify(self, proof: Proof) -> bool:
        """Say whether a stand-in was made with our key."""
        return not self.why_not(proof)

    def why_not(self, proof: Proof, wanted: Statement | None = None) -> str:
        """Say why a stand-in would be refused."""
        if proof.backend != self.name:
            return f"it is of backend {proof.backend}, not {self.name}"
        if wanted is not None and proof.statement != wanted:
            return "it stands for another statement"
        if not hmac.compare_digest(proof.data, MARK + self._mac(proof.circuit, proof.statement)):
            return "its MAC is of another key"
        return ""

    def verifier_source(self, size: int) -> str:
        """Write the Solidity contract that accepts our stand-ins for batches of `size`, and says what it is."""
        key = hashlib.sha256(self._key).digest() if len(self._key) > BLOCK else self._key
        inner, outer = (bytes(byte ^ pad for byte in key.ljust(BLOCK, b"\0")).hex() for pad in (0x36, 0x5C))
        parts = {"@INNER@": inner, "@OUTER@": outer, "@CIRCUIT@": f"leaf{size}", "@MARK@": MARK.decode()}
        source = CONTRACT
        for name, value in parts.items():
            source = source.replace(name, value)
        return source

    def node_key(self) -> int:
        """Return what stands in statements of stand-ins that will be joined."""
        return NODE_KEY

    def version(self, size: int, *, last: bool) -> str:
        """Return the version of all stand-ins."""
        del size, last
        return "calibrated-1"

    def close(self) -> None:
        """End nothing."""
