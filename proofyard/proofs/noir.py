"""Noir circuits proven by Barretenberg (UltraHonk): the proofs of the project.

A malformed child makes `bb prove` write an invalid proof and report success, so no proof leaves before it was verified.
"""

import json
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from proofyard.core.errors import BadInput, Fault
from proofyard.proofs import build
from proofyard.proofs.backend import Job, Spent
from proofyard.proofs.build import Circuit, Target
from proofyard.proofs.inputs import leaf_inputs, node_inputs
from proofyard.proofs.process import Died, Lines, Used, check_written
from proofyard.proofs.statement import Proof, Statement, difference, state_joined, state_of
from proofyard.proofs.toolchain import TARGETS, Toolchain, last_line
from proofyard.rollup.ledger import DEPTH
from proofyard.tools.cache import Tell, check_intact, digest

JOINED = 2
WITNESS = "witness.mjs"
LONGEST_NAME = 40  # letters of a circuit's name in a sentence about it
# Bytes of a proof: fixed for joining; towards the EVM it grows with the logarithm of the circuit's size.
RECURSIVE_BYTES = 410 * 32
EVM_BYTES = range(4_096, 16_384)


class Noir:
    """Makes and verifies proofs on this machine.

    Parameters
    ----------
    tools : set up already
    tell : gets a line before something slow
    depth : of the tree of accounts
    threads : of one proof; 0 for all cores
    parts : folder for witnesses whose proofs are not finished: a prover that was killed goes on from there
    """

    name = "noir"

    def __init__(
        self, tools: Toolchain, tell: Tell, *, depth: int = DEPTH, threads: int = 0, parts: Path | None = None
    ) -> None:
        self.tools, self.depth, self.threads, self.parts = tools, depth, threads, parts
        self._tell = tell
        self._circuits: dict[tuple[int, Target], Circuit] = {}
        self._asking = threading.Lock()  # proofs may be made side by side; their witnesses come one by one
        self._maker: Lines | None = None
        self.spent = Spent()  # of the last proof

    @property
    def secure(self) -> bool:
        """False with a development reference string."""
        return self.tools.secure

    def circuit(self, size: int, target: Target) -> Circuit:
        """Return the circuit for batches of `size`, or the joining circuit for 0."""
        if (size, target) not in self._circuits:
            made = (
                build.leaf(self.tools, size, target, self._tell, self.depth)
                if size
                else build.node(self.tools, target, self._tell, self.depth)
            )
            self._circuits[size, target] = made
        return self._circuits[size, target]

    def prepare(self, size: int, *, joins: bool) -> None:
        """Build circuits and keys; one batch alone needs no joining circuit."""
        if joins:
            build.check_size(size)
            self.circuit(0, "evm")
            self.circuit(0, "recursive")
        self.circuit(size, "recursive" if joins else "evm")

    def prove(self, job: Job) -> Proof:
        """Prove a batch.

        Raises
        ------
        BadInput : it has more transfers than the size, or another depth.
        Fault : the batch can't be proven (it breaks a rule), or the prover failed; Died if it was killed.
        """
        circuit = self.circuit(job.size, "evm" if job.last else "recursive")
        if len(job.batch.steps) > job.size or job.batch.depth != self.depth:
            wanted = f"at most {job.size} transfers over a tree of depth {self.depth}"
            raise BadInput("batch", wanted, f"{len(job.batch.steps)} of depth {job.batch.depth}")
        node_key = 0 if job.last else self.node_key()
        statement = state_of(job.batch, job.payout, node_key)
        return self._prove(circuit, statement, leaf_inputs(job.batch, statement, job.size))

    def node_key(self) -> int:
        """Return the hash of the joining circuit's key."""
        return self.circuit(0, "recursive").key_hash

    def version(self, size: int, *, last: bool) -> str:
        """Return the digest of a circuit's key."""
        return self.circuit(size, "evm" if last else "recursive").version

    def join(self, proofs: Sequence[Proof], *, last: bool = False) -> Proof:
        """Join two proofs in a row.

        Raises
        ------
        BadInput : there aren't two, they don't follow one another, or one of them is invalid.
        Fault : the prover failed; Died if it was killed.
        """
        if len(proofs) != JOINED:
            raise BadInput("join", "two proofs", len(proofs))
        statement = state_joined(proofs[0].statement, proofs[1].statement)
        for place, proof in zip(("left", "right"), proofs, strict=True):
            if reason := self.why_not(proof):
                raise BadInput(f"join: {place} proof", "a valid proof", reason)
        circuit = self.circuit(0, "evm" if last else "recursive")
        children = [self._circuit_of(proof) for proof in proofs]
        return self._prove(circuit, statement, node_inputs(statement, proofs, children))

    def _circuit_of(self, proof: Proof) -> Circuit:
        """Find the circuit a proof names. Raises BadInput for one that isn't ours.

        A proof may come from anybody, and building a large circuit takes minutes and gigabytes: only those of `SIZES`
        are built to verify one, besides those that are there already.
        """
        for target in TARGETS:
            ours: Target = "evm" if target == "evm" else "recursive"
            for size in {0, *build.SIZES, *(size for size, _ in self._circuits)}:
                if proof.circuit == f"{f'leaf{size}' if size else 'node'}-d{self.depth}/{ours}":
                    return self.circuit(size, ours)
        wanted = f"a circuit of depth {self.depth}, e.g. leaf16-d{self.depth}/evm"
        raise BadInput("proof.circuit", wanted, proof.circuit[:LONGEST_NAME])

    def _prove(self, circuit: Circuit, statement: Statement, inputs: dict[str, Any]) -> Proof:
        with tempfile.TemporaryDirectory(prefix="proofyard-") as place:
            folder = Path(place)
            witness, witness_ms, witness_cpu_ms = self._found_or_made(circuit, inputs, folder)
            code, said, used = self._bb(
                circuit, "prove", "-b", circuit.program, "-w", witness, "-k", circuit.key, "-o", folder,
                "-t", TARGETS[circuit.target], threads=self.threads,
            )  # fmt: skip
            witness.unlink()  # kept only where bb was killed, which raises
            if code:
                self._check_cache(circuit)
                raise Fault(f"bb prove failed on {circuit.name} (exit code {code}): {last_line(said)}")
            data = (folder / "proof").read_bytes()
            proof = Proof(self.name, circuit.name, circuit.version, self.secure, statement, data)
            began = self._verify_files(circuit, folder)
        self.spent = Spent(witness_ms, used.wall_ms, began[1], witness_cpu_ms + used.cpu_ms + began[2], used.peak_mib)
        if not began[0] or (statement.to_bytes() != began[3]):
            self._check_cache(circuit)
            raise Fault(f"{circuit.name}: bb made an invalid proof, which was thrown away")
        return proof

    def _bb(self, circuit: Circuit, *arguments: str | Path, threads: int) -> tuple[int, str, Used]:
        """Run `bb`; where it crashes, raise Fault if a damaged file is why."""
        try:
            return self.tools.run_bb(*arguments, threads=threads)
        except Died as died:
            if died.crashed:
                self._check_cache(circuit)
            raise

    def _check_cache(self, circuit: Circuit) -> None:
        """Something failed: raise Fault if a damaged file is why."""
        tools = self.tools
        folders = (tools.srs.folder, tools.bb.parent, tools.modules.parent, tools.place_of(WITNESS))
        check_intact(circuit.program.parent, circuit.key.parent, *folders)

    def _verify_files(self, circuit: Circuit, folder: Path) -> tuple[bool, int, int, bytes]:
        """Verify `proof` and `public_inputs` in a folder: verdict, ms, CPU ms, the public inputs."""
        code, _, used = self._bb(
            circuit, "verify", "-k", circuit.key, "-p", folder / "proof", "-i", folder / "public_inputs",
            "-t", TARGETS[circuit.target], threads=1,
        )  # fmt: skip
        return code == 0, used.wall_ms, used.cpu_ms, (folder / "public_inputs").read_bytes()

    def _found_or_made(self, circuit: Circuit, inputs: dict[str, Any], folder: Path) -> tuple[Path, int, int]:
        """Return a witness that an earlier try left, or a new one; wall and CPU ms it took."""
        if self.parts is None:
            return folder / "witness.gz", *self._witness(circuit, inputs, folder / "witness.gz")
        self.parts.mkdir(parents=True, exist_ok=True)
        place = self.parts / f"{digest(circuit.version, json.dumps(inputs, sort_keys=True))}.gz"
        if place.is_file():
            return place, 0, 0
        draft = place.with_suffix(".draft")
        took = self._witness(circuit, inputs, draft)
        draft.replace(place)
        return place, *took

    def _witness(self, circuit: Circuit, inputs: dict[str, Any], out: Path) -> tuple[int, int]:
        """Make a witness; return wall and CPU ms."""
        if self._maker is None:
            self._maker = self.tools.script(WITNESS)
        try:
            with self._asking:
                answer = self._maker.ask({"program": str(circuit.program), "inputs": inputs, "out": str(out)})
        except Died as died:
            self.close()
            if died.crashed:
                self._check_cache(circuit)
            raise
        if not answer["ok"]:
            self._check_cache(circuit)
            check_written(answer, out)
            raise Fault(f"{circuit.name}: no witness, the statement is false: {answer['error']}")
        return answer["ms"], answer["cpu_ms"]

    def verify(self, proof: Proof) -> bool:
        """Say whether a proof is valid for the statement it carries."""
        return not self.why_not(proof)

    def why_not(self, proof: Proof, wanted: Statement | None = None) -> str:
        """Say why a proof would be refused: cheap checks first, then the pairing; "" for a good one."""
        if reason := self._other(proof, wanted):
            return reason
        try:
            circuit = self._circuit_of(proof)
        except BadInput as error:
            return str(error)
        if proof.version != circuit.version:
            return f"it is of version {proof.version} of {circuit.name}, ours is {circuit.version}"
        length, target = len(proof.data), circuit.target
        if (length != RECURSIVE_BYTES) if target == "recursive" else (length not in EVM_BYTES or length % 32):
            return f"its {length} bytes are no proof for target {target}"
        return self._pairing(circuit, proof)

    def _other(self, proof: Proof, wanted: Statement | None) -> str:
        """Say what a proof is of that it shouldn't be of."""
        if proof.backend != self.name:
            return f"it is of backend {proof.backend}, not {self.name}"
        if proof.secure != self.secure:
            return f"its SRS is {'real' if proof.secure else 'INSECURE'}, ours is {self.tools.srs.name}"
        return difference(wanted, proof.statement) if wanted else ""

    def _pairing(self, circuit: Circuit, proof: Proof) -> str:
        with tempfile.TemporaryDirectory(prefix="proofyard-") as place:
            (Path(place) / "proof").write_bytes(proof.data)
            (Path(place) / "public_inputs").write_bytes(proof.statement.to_bytes())
            good = self._verify_files(circuit, Path(place))[0]
        return "" if good else "it doesn't verify"

    def close(self) -> None:
        """End the witness maker."""
        if self._maker is not None:
            self._maker.close()
            self._maker = None

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the witness maker."""
        self.close()
