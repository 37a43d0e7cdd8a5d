"""What a request wants proven, as bytes: a batch of the payments rollup with all that its proof needs."""

import json
from typing import Any, NamedTuple

from proofyard.core.errors import BadInput
from proofyard.network.records import digest
from proofyard.proofs.backend import Job, ProofBackend
from proofyard.proofs.statement import Proof, Statement, state_of
from proofyard.rollup.batch import Batch
from proofyard.rollup.ledger import Account, Step
from proofyard.rollup.schnorr import Signature
from proofyard.rollup.transfer import Transfer

LONGEST = 1_000_000  # bytes of a payload
MOST = 256  # transfers


class Task(NamedTuple):
    """A batch and the circuit that shall prove it.

    Attributes
    ----------
    batch : what happened
    size : transfers the circuit has room for
    """

    batch: Batch
    size: int

    def to_bytes(self) -> bytes:
        """Write as a request's payload."""
        batch = {**self.batch._asdict(), "steps": [_step(step) for step in self.batch.steps]}
        return json.dumps({"size": self.size, "batch": batch}, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Task":
        """Read a payload. Raises BadInput."""
        if len(data) > LONGEST:
            raise BadInput("payload", f"at most {LONGEST} bytes", len(data))
        try:
            read = json.loads(data)
            values = read["batch"]
            steps = tuple(_read_step(step) for step in values.pop("steps"))
            batch = Batch(**{name: _whole(value) for name, value in values.items()}, steps=steps)
            task = cls(batch, _whole(read["size"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadInput("payload", "a batch and the size of its circuit", f"{type(error).__name__}") from None
        if not 0 < len(steps) <= task.size <= MOST:
            raise BadInput("payload", f"1 to {MOST} transfers and a circuit that has room for them", len(steps))
        return task

    def job(self, payout: str) -> Job:
        """Say what a prover who wants to be paid at `payout` has to prove."""
        return Job(self.batch, self.size, int(payout, 16), last=True)

    def statement(self, payout: str) -> Statement:
        """Say what that prover's proof states."""
        return state_of(self.batch, int(payout, 16), 0)

    @property
    def result(self) -> int:
        """Name what is proven, whoever proves it, in [0, 2**62): the `word` of a PROVE."""
        return int.from_bytes(digest(self.statement("0x0").to_bytes())[:8]) >> 2


def why_not(backend: ProofBackend, task: Task, proof: bytes, sender: str) -> str:
    """Say why `proof` is no proof of `task` that pays `sender`, "" if it is."""
    try:
        return backend.why_not(Proof.from_json(proof), task.statement(sender))
    except BadInput as error:
        return str(error)


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value


def _step(step: Step) -> list[Any]:
    transfer, sender, sender_path, recipient, recipient_path = step
    return [list(transfer), list(sender), sender_path, list(recipient), recipient_path]


def _read_step(step: Any) -> Step:
    transfer, sender, sender_path, recipient, recipient_path = step
    signature = Signature._make(_whole(part) for part in transfer[-1])
    return Step(
        Transfer._make((*map(_whole, transfer[:-1]), signature)),
        Account._make(map(_whole, sender)),
        [_whole(node) for node in sender_path],
        Account._make(map(_whole, recipient)),
        [_whole(node) for node in recipient_path],
    )
