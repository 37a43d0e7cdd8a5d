"""What makes proofs, seen from outside: four operations, whatever the proof system."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from proofyard.proofs.statement import Proof, Statement
from proofyard.rollup.batch import Batch


class Job(NamedTuple):
    """One batch to prove.

    Attributes
    ----------
    batch : what happened
    size : transfers the circuit has room for, at least as many as the batch has
    payout : address that the proof shall pay
    last : the proof goes to a contract as it is and will not be joined
    """

    batch: Batch
    size: int
    payout: int
    last: bool = False


class Spent(NamedTuple):
    """What making a proof took."""

    witness_ms: int = 0
    proving_ms: int = 0
    verify_ms: int = 0
    cpu_ms: int = 0
    peak_mib: int = 0


class ProofBackend(Protocol):
    """A proof system.

    Attributes
    ----------
    name : in every output
    threads : of one proof; 0 for all cores
    spent : what the last proof took
    """

    name: str
    threads: int
    spent: Spent

    @property
    def secure(self) -> bool:
        """False if anybody could forge its proofs."""
        ...

    def prepare(self, size: int, *, joins: bool) -> None:
        """Build what proofs of batches of `size` need, and of joins if asked, so that `prove` only proves."""
        ...

    def prove(self, job: Job) -> Proof:
        """Prove a batch; the proof has been verified."""
        ...

    def join(self, proofs: Sequence[Proof], *, last: bool = False) -> Proof:
        """Prove that two proofs in a row are valid; the proof has been verified."""
        ...

    def verify(self, proof: Proof) -> bool:
        """Say whether a proof is valid for the statement it carries."""
        ...

    def why_not(self, proof: Proof, wanted: Statement | None = None) -> str:
        """Say why a proof would be refused, "" if it wouldn't; `wanted` is what it is supposed to prove."""
        ...

    def node_key(self) -> int:
        """Return what stands in statements as `node_key` of proofs that will be joined."""
        ...

    def version(self, size: int, *, last: bool) -> str:
        """Return the version of the circuit for batches of `size` (0: the joining circuit), `last` as in `Job`."""
        ...

    def close(self) -> None:
        """End the programs it keeps running."""
        ...
