"""Groth16 over BN254: the leaf's statement in circom, proven with snarkjs: the smallest proofs, and no joins.

Optional: compiler and prover (npm packages under GPL-3.0, run as programs) are installed when this is first used. The
keys of each circuit come from a development set-up: INSECURE, always.
"""

import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from proofyard.core.errors import BadInput, Fault
from proofyard.proofs import circom
from proofyard.proofs.backend import Job, Spent
from proofyard.proofs.circom import Circuit, Tools
from proofyard.proofs.inputs import empty_slot, public_inputs, slot_of
from proofyard.proofs.process import Died, Lines, check_written
from proofyard.proofs.statement import Proof, Statement, difference, state_of
from proofyard.proofs.workers import PEAK_GROTH16_MIB
from proofyard.rollup.batch import Batch
from proofyard.rollup.ledger import DEPTH
from proofyard.tools.cache import Tell, check_intact

WORDS, WORD = 8, 32  # A, B and C: two, four and two coordinates
SIZES = tuple(PEAK_GROTH16_MIB)  # transfers in circuits that are built to verify a proof
LONGEST_NAME = 40  # letters of a circuit's name in a sentence about it
NO_JOINS = "proofs of groth16 can't be joined: they are not recursive"
PLAIN = ("from", "to", "amount", "fee", "sender_path", "recipient_path")


class Groth16:
    """Makes and verifies proofs on this machine.

    Parameters
    ----------
    tell : gets a line before something slow
    depth : of the tree of accounts
    threads : of one proof; 0 for all cores
    """

    name = "groth16"
    secure = False

    def __init__(self, tell: Tell, *, depth: int = DEPTH, threads: int = 0) -> None:
        self.depth, self.threads = depth, threads
        self.spent = Spent()
        self._tell, self._tools = tell, Tools(tell)
        self._circuits: dict[int, Circuit] = {}
        self._asking = threading.Lock()  # proofs may be asked for side by side; they are made one by one
        self._running: Lines | None = None

    def circuit(self, size: int) -> Circuit:
        """Return the circuit for batches of `size`."""
        if size not in self._circuits:
            self._circuits[size] = circom.leaf(self._tools, size, self.depth, self._tell)
        return self._circuits[size]

    def prepare(self, size: int, *, joins: bool) -> None:
        """Build circuit and keys. Raises BadInput if joins are asked for."""
        if joins:
            raise BadInput("batches", "1 with --backend groth16, or --backend noir", NO_JOINS)
        self.circuit(size)

    def prove(self, job: Job) -> Proof:
        """Prove a batch.

        Raises
        ------
        BadInput : it has more transfers than the size, or another depth, or its proof is to be joined.
        Fault : the batch can't be proven (it breaks a rule), or the prover failed; Died if it was killed.
        """
        if not job.last:
            raise BadInput("job", "one whose proof goes to a contract as it is", NO_JOINS)
        if len(job.batch.steps) > job.size or job.batch.depth != self.depth:
            wanted = f"at most {job.size} transfers over a tree of depth {self.depth}"
            raise BadInput("batch", wanted, f"{len(job.batch.steps)} of depth {job.batch.depth}")
        statement = state_of(job.batch, job.payout, 0)
        return self._prove(self.circuit(job.size), statement, leaf_inputs(job.batch, statement, job.size))

    def _prove(self, circuit: Circuit, statement: Statement, inputs: dict[str, Any]) -> Proof:
        with tempfile.TemporaryDirectory(prefix="proofyard-") as place:
            out = str(Path(place) / "witness")
            made = self._ask({"do": "witness", "wasm": str(circuit.program), "inputs": inputs, "out": out})
            if not made["ok"]:
                check_intact(circuit.program.parent)
                check_written(made, Path(out))
                why = circom.refused_by(made["error"])
                raise Fault(f"{circuit.name}: no witness, the statement is false: {why}")
            question = {"do": "prove", "zkey": str(circuit.proving_key), "witness": out, "threads": self.threads}
            proven = self._ask(question)
        if not proven["ok"]:
            check_intact(circuit.proving_key.parent)
            raise Fault(f"snarkjs failed on {circuit.name}: {proven['error']}")
        data = pack(proven["proof"])
        checked = self._verdict(circuit, statement, data)
        cpu_ms = made["cpu_ms"] + proven["cpu_ms"] + checked["cpu_ms"]
        self.spent = Spent(made["ms"], proven["ms"], checked["ms"], cpu_ms, proven["mib"])
        if not checked.get("valid"):
            check_intact(circuit.proving_key.parent)
            raise Fault(f"{circuit.name}: snarkjs made an invalid proof, which was thrown away")
        return Proof(self.name, circuit.name, circuit.version, self.secure, statement, data)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Ask the resident program, started on first use."""
        with self._asking:
            if self._running is None:
                self._running = self._tools.start()
            try:
                return self._running.ask(question)
            except Died as died:
                self.close()
                if died.crashed:
                    circuits = self._circuits.values()
                    folders = [place for each in circuits for place in (each.program.parent, each.proving_key.parent)]
                    check_intact(self._tools.modules.parent, self._tools.script, *folders)
                raise

    def join(self, proofs: Sequence[Proof], *, last: bool = False) -> Proof:
        """Refuse. Raises BadInput."""
        del proofs, last
        raise BadInput("join", "proofs of backend noir", NO_JOINS)

    def verify(self, proof: Proof) -> bool:
        """Say whether a proof is valid for the statement it carries."""
        return not self.why_not(proof)

    def why_not(self, proof: Proof, wanted: Statement | None = None) -> str:
        """Say why a proof would be refused: cheap checks first, then the pairing; "" for a good one."""
        if reason := self._other(proof, wanted):
            return reason
        circuit = self.circuit(self._size_of(proof))
        if proof.version != circuit.version:
            return f"it is of version {proof.version} of {circuit.name}, ours is {circuit.version}"
        if len(proof.data) != WORDS * WORD:
            return f"its {len(proof.data)} bytes are no proof: wanted {WORDS * WORD}"
        return "" if self._verdict(circuit, proof.statement, proof.data).get("valid") else "it doesn't verify"

    def _other(self, proof: Proof, wanted: Statement | None) -> str:
        """Say what a proof is of that it shouldn't be of."""
        if proof.backend != self.name:
            return f"it is of backend {proof.backend}, not {self.name}"
        if proof.secure:
            return "it says it is secure, which no proof of this backend is"
        if not self._size_of(proof):
            return f"its circuit {proof.circuit[:LONGEST_NAME]} is none of ours, e.g. leaf4-d{self.depth}/groth16"
        return difference(wanted, proof.statement) if wanted else ""

    def _size_of(self, proof: Proof) -> int:
        """Read the size in the name of a circuit; 0 if it isn't one of ours: no other is built to verify a proof."""
        sizes = {*SIZES, *self._circuits}
        return next((size for size in sizes if proof.circuit == f"leaf{size}-d{self.depth}/groth16"), 0)

    def _verdict(self, circuit: Circuit, statement: Statement, data: bytes) -> dict[str, Any]:
        """Verify a proof; `valid` is in the answer unless the proof is no points at all."""
        numbers = [str(number) for number in statement]
        return self._ask({"do": "verify", "key": str(circuit.key), "publicSignals": numbers, "proof": unpack(data)})

    def node_key(self) -> int:
        """Return 0: no circuit joins these proofs."""
        return 0

    def version(self, size: int, *, last: bool) -> str:
        """Return the digest of a circuit's key. Raises BadInput for the joining circuit, which is none."""
        del last
        if not size:
            raise BadInput("circuit", "a leaf", NO_JOINS)
        return self.circuit(size).version

    def contract(self, size: int) -> str:
        """Solidity source of the contract that verifies, named `circom.CONTRACT`: INSECURE."""
        return self.circuit(size).contract.read_text(encoding="utf-8")

    def close(self) -> None:
        """End the resident program."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the resident program."""
        self.close()


def leaf_inputs(batch: Batch, statement: Statement, size: int) -> dict[str, Any]:
    """Fill the circuit: for each input a list with an entry for each slot."""
    slots = [slot_of(step) for step in batch.steps]
    slots += [empty_slot(batch.depth)] * (size - len(slots))
    return public_inputs(statement) | {
        **{name: [slot[name] for slot in slots] for name in PLAIN},
        "enabled": [str(int(slot["enabled"])) for slot in slots],
        "sender": [list(slot["sender"].values()) for slot in slots],
        "recipient": [list(slot["recipient"].values()) for slot in slots],
        "signer": [[slot["commitment_x"], slot["commitment_y"]] for slot in slots],
        "response": [[slot["response_low"], slot["response_high"]] for slot in slots],
    }


def pack(proof: dict[str, Any]) -> bytes:
    """Write a proof of snarkjs as a contract reads it: the second group's imaginary parts first."""
    b = [number for pair in proof["pi_b"][:2] for number in reversed(pair)]
    return b"".join(int(number).to_bytes(WORD, "big") for number in (*proof["pi_a"][:2], *b, *proof["pi_c"][:2]))


def unpack(data: bytes) -> dict[str, Any]:
    """Read what `pack` wrote, as snarkjs wants it."""
    a, b, c, d, e, f, g, h = (str(int.from_bytes(data[i : i + WORD])) for i in range(0, WORDS * WORD, WORD))
    made = {"pi_a": [a, b, "1"], "pi_b": [[d, c], [f, e], ["1", "0"]], "pi_c": [g, h, "1"]}
    return {**made, "protocol": "groth16", "curve": "bn128"}
