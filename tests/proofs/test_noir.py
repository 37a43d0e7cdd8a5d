"""Real proofs: made, refused when altered, joined though workers are killed, taken up where they were left."""

import os
import signal
import threading
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Self

import pytest

from proofyard.core.errors import BadInput, Fault
from proofyard.proofs import build, process
from proofyard.proofs.backend import Job
from proofyard.proofs.inputs import leaf_inputs, node_inputs
from proofyard.proofs.noir import Noir
from proofyard.proofs.parallel import Progress, Result, expected, prove_all
from proofyard.proofs.process import Died
from proofyard.proofs.statement import Proof, state_joined, state_of
from proofyard.proofs.toolchain import Toolchain
from proofyard.proofs.tree import Store
from proofyard.proofs.workers import LocalWorkers
from proofyard.rollup.batch import Batch, run_batch
from proofyard.rollup.load import Load

SIZE, PAYOUT = 4, 0xA11CE
EVALUATION = 200 * 32 + 31  # a byte of a number in the proof that is no coordinate of a point


def silent(_: str) -> None:
    """Take a progress line."""


def batches(count: int, transfers: int = SIZE - 1) -> list[Batch]:
    """Leave a slot of each batch empty."""
    load = Load(seed=3, accounts=8)
    source = load.transfers()
    return [run_batch(load.ledger, list(islice(source, transfers))) for _ in range(count)]


@pytest.fixture(scope="module")
def proof(noir: Noir) -> Proof:
    return noir.prove(Job(batches(1)[0], SIZE, PAYOUT, last=True))


def test_a_proof_verifies_for_what_it_says(noir: Noir, proof: Proof) -> None:
    assert noir.verify(proof)
    assert noir.why_not(proof, expected(batches(1), PAYOUT, 0)) == ""
    assert noir.verify(Proof.from_json(proof.to_json()))
    assert noir.spent.witness_ms > 0


def altered(proof: Proof, place: int) -> Proof:
    data = bytearray(proof.data)
    data[place] ^= 1
    return replace(proof, data=bytes(data))


def test_an_altered_proof_is_refused(noir: Noir, proof: Proof) -> None:
    for place in (31, len(proof.data) // 2, -1):
        assert noir.why_not(altered(proof, place)) == "it doesn't verify"
    for field in proof.statement._fields:
        other = proof.statement._replace(**{field: getattr(proof.statement, field) + 1})
        assert noir.why_not(replace(proof, statement=other)) == "it doesn't verify"


def test_a_proof_of_something_else_is_refused_with_the_reason(noir: Noir, proof: Proof) -> None:
    wanted = proof.statement
    cases = [
        (proof, wanted._replace(payout=7), f"payout is {PAYOUT:#042x}, not {7:#042x}"),
        (proof, wanted._replace(chain_id=1), "chain_id is 31337, not 1"),
        (proof, wanted._replace(old_root=1), f"old_root is {wanted.old_root:#x}, not 0x1"),
        (replace(proof, data=proof.data[:-32]), None, "it doesn't verify"),
        (replace(proof, data=proof.data[:-1]), None, f"its {len(proof.data) - 1} bytes are no proof for target evm"),
        (replace(proof, data=b""), None, "its 0 bytes are no proof"),
        (replace(proof, version="0" * 16), None, "it is of version 0000000000000000 of leaf4-d16/evm, ours is"),
        (replace(proof, circuit="leaf4-d9/evm"), None, "proof.circuit: wanted a circuit of depth 16"),
        (replace(proof, circuit="leaf9999999-d16/evm"), None, "proof.circuit: wanted a circuit of depth 16"),
        (replace(proof, circuit="leaf200-d16/evm"), None, "got leaf200-d16/evm"),  # nobody builds it for a stranger
        (replace(proof, circuit=f"leaf{'9' * 9_000}-d16/evm"), None, f"got leaf{'9' * 36}."),
        (replace(proof, backend="calibrated"), None, "it is of backend calibrated, not noir"),
        (replace(proof, secure=True), None, "its SRS is real, ours is INSECURE development"),
    ]
    for given, statement, reason in cases:
        assert reason in noir.why_not(given, statement)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"statement": [1]}', "[" * 60_000, '{"a":' * 9_000, "x" * 70_000])
def test_a_file_that_is_no_proof_is_one_sentence(text: str) -> None:
    with pytest.raises(BadInput, match=r"^proof: wanted "):
        Proof.from_json(text)


def test_a_false_statement_has_no_proof(noir: Noir) -> None:
    batch = batches(1)[0]
    with pytest.raises(Fault, match=r"leaf4-d16/evm: no witness, the statement is false: .*fee total"):
        noir.prove(Job(batch._replace(fee_gwei=batch.fee_gwei + 1), SIZE, PAYOUT, last=True))
    with pytest.raises(BadInput, match="batch: wanted at most 4 transfers"):
        noir.prove(Job(batches(1, 5)[0], SIZE, PAYOUT, last=True))


def test_the_contract_says_what_it_is_worth(noir: Noir, tools: Toolchain) -> None:
    source = build.verifier_source(tools, noir.circuit(SIZE, "evm"), silent)
    assert source.startswith("// INSECURE")
    assert "contract InsecureDevelopmentVerifier" in source
    assert "contract HonkVerifier" not in source
    with pytest.raises(BadInput, match="target evm"):
        build.verifier_source(tools, noir.circuit(SIZE, "recursive"), silent)


def test_a_circuit_compiles_to_the_same_bytes_again(noir: Noir, tools: Toolchain, tmp_path: Path) -> None:
    shape = {"shape.nr": f"pub global SIZE: u32 = {SIZE};\npub global DEPTH: u32 = 16;\n"}
    with tools.script("compile.mjs") as compiler:
        build.compile_program(compiler, build.sources("leaf") | shape, tmp_path / "again.json", "again")
    assert (tmp_path / "again.json").read_bytes() == noir.circuit(SIZE, "evm").program.read_bytes()


def test_a_damaged_key_says_what_mends_it(tools: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROOFYARD_CACHE", str(tmp_path))  # the tools stay where they are
    circuit = build.leaf(tools, 1, "evm", silent, 2)
    circuit.key.write_bytes(b"damaged")
    with pytest.raises(Fault, match=rf"the cache is damaged; mend it with rm -r '{circuit.key.parent}' and run again"):
        build.leaf(tools, 1, "evm", silent, 2)


def test_a_damaged_circuit_says_what_mends_it(
    tools: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROOFYARD_CACHE", str(tmp_path))
    load = Load(seed=3, accounts=4, depth=2)
    batch = run_batch(load.ledger, list(islice(load.transfers(), 1)))
    with Noir(tools, silent, depth=2) as small:
        program = small.circuit(1, "evm").program
        program.write_bytes(program.read_bytes()[:-100])
        with pytest.raises(Fault, match=rf"program.json: the cache is damaged; mend it with rm -r '{program.parent}'"):
            small.prove(Job(batch, 1, PAYOUT, last=True))


def test_a_witness_outlives_the_death_of_its_prover(tools: Toolchain, proof: Proof, noir: Noir, tmp_path: Path) -> None:
    deadly, parts = tmp_path / "bb", tmp_path / "parts"
    deadly.write_text("#!/bin/sh\nkill -9 $$\n")
    deadly.chmod(0o755)
    job = Job(batches(1)[0], SIZE, PAYOUT, last=True)
    with Noir(replace(tools, bb=deadly), silent, parts=parts) as killed, pytest.raises(Died, match="bb was killed"):
        killed.prove(job)
    (left,) = parts.iterdir()
    with Noir(tools, silent, parts=parts) as again:
        assert again.prove(job).statement == proof.statement
        assert again.spent.witness_ms == 0
    assert list(parts.iterdir()) == []
    with Noir(tools, silent, parts=parts) as another:  # a damaged one is no trap: the next try makes its own
        left.write_bytes(b"damaged")
        with pytest.raises(Fault, match="bb prove failed"):
            another.prove(job)
        assert noir.verify(another.prove(job))


def test_a_prover_that_crashes_or_is_gone_says_what_mends_it(tools: Toolchain, proof: Proof, tmp_path: Path) -> None:
    broken = tmp_path / "bb" / "bb"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nkill -SEGV $$\n")
    broken.chmod(0o755)
    (tmp_path / "bb.sums").write_text('{"bb": "another"}')
    with Noir(replace(tools, bb=broken), silent) as backend:
        with pytest.raises(
            Fault, match=rf"bb: the cache is damaged; mend it with rm -r '{broken.parent}' and run again"
        ):
            backend.verify(proof)
        broken.unlink()
        with pytest.raises(
            Fault, match=rf"wanted the prover, got: No such file .* mend it with rm -r '{broken.parent}'"
        ):
            backend.verify(proof)


def test_a_damaged_script_says_what_mends_it(
    tools: Toolchain, noir: Noir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noir.circuit(SIZE, "evm")
    monkeypatch.setenv("PROOFYARD_CACHE", str(tmp_path))  # the rest stays where it is
    place = tools.place_of("witness.mjs")
    (place / "witness.mjs").write_text("no script")
    with Noir(tools, silent) as backend:
        backend._circuits = noir._circuits
        with pytest.raises(
            Fault, match=rf"witness.mjs: the cache is damaged; mend it with rm -r '{place}' and run again"
        ):
            backend.prove(Job(batches(1)[0], SIZE, PAYOUT, last=True))


def test_a_full_disk_is_no_false_statement(noir: Noir) -> None:
    batch = batches(1)[0]
    inputs = leaf_inputs(batch, state_of(batch, PAYOUT, 0), SIZE)
    with pytest.raises(Fault, match=r"/dev/full: wanted to write it, got: ENOSPC: .*; free some space, or set TMPDIR"):
        noir._witness(noir.circuit(SIZE, "evm"), inputs, Path("/dev/full"))


def test_a_prover_that_hangs_is_ended() -> None:
    with pytest.raises(Died, match=r"sleep took longer than 0 s \(SIGKILL\)"):
        process.run(["sleep", "60"], {}, limit_s=0.2)


class Killer:
    """Kills the first prover that is joining."""

    def __init__(self) -> None:
        self.killed: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        """Begin to look for it."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1) and not self.killed:
            for pid in list(process._living):
                if self._is_joining(pid):
                    time.sleep(1)  # in the middle of its work
                    os.kill(pid, signal.SIGKILL)
                    self.killed.append(pid)
                    return

    @staticmethod
    def _is_joining(pid: int) -> bool:
        command = process._living[pid].args
        return isinstance(command, list) and "prove" in command and any("node-d16" in str(part) for part in command)


@pytest.fixture(scope="module")
def joined(tools: Toolchain, noir: Noir, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, int, Path]:
    """Two batches, joined; whoever joins first is killed in the middle of it."""
    folder = tmp_path_factory.mktemp("parts")
    noir.prepare(SIZE, joins=True)
    with Killer() as killer, LocalWorkers(lambda: Noir(tools, silent)) as workers:
        result = prove_all(batches(2), SIZE, PAYOUT, backend=noir, workers=workers, store=Store(folder))
    return result, len(killer.killed), folder


def test_a_job_survives_the_death_of_a_worker(joined: tuple[Result, int, Path], noir: Noir) -> None:
    result, killed, _ = joined
    assert killed == 1
    assert [span.outcome for span in result.spans if span.name == "join 1-2"] == ["lost", "proven"]
    assert sum(span.outcome == "proven" for span in result.spans) == 3  # nothing twice
    assert noir.why_not(result.proof, expected(batches(2), PAYOUT, noir.node_key())) == ""
    assert result.proof.circuit == "node-d16/evm"


def test_finished_parts_are_not_proven_again(
    joined: tuple[Result, int, Path], noir: Noir, tools: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, _, folder = joined
    seen: list[Progress] = []
    with LocalWorkers(lambda: Noir(tools, silent)) as workers:
        again = prove_all(
            batches(2), SIZE, PAYOUT, backend=noir, workers=workers, store=Store(folder), watch=seen.append
        )
        assert seen == []
        assert [span.outcome for span in again.spans] == ["found"]
        assert again.proof == result.proof
        (last,) = [file for file in folder.iterdir() if '"node-d16/evm"' in file.read_text()]
        last.write_text(altered(result.proof, 40).to_json())  # a part that is whole and wrong is no part
        monkeypatch.setattr(Noir, "join", killed)
        with pytest.raises(Fault, match="lost 4 times"):
            prove_all(batches(2), SIZE, PAYOUT, backend=noir, workers=workers, store=Store(folder), watch=seen.append)
    assert (seen[0].done, seen[0].parts) == (2, 3)  # both leaves were found


def killed(*_: object, **__: object) -> Proof:
    raise Died("killed by the test")


def test_a_bad_child_is_not_joined(joined: tuple[Result, int, Path], noir: Noir) -> None:
    leaves = [Proof.from_json(file.read_text()) for file in joined[2].iterdir() if '"leaf4-d16' in file.read_text()]
    leaves.sort(key=lambda leaf: leaf.statement.old_root != batches(1)[0].old_root)
    with pytest.raises(BadInput, match=r"join: left proof: wanted a valid proof, got it doesn't verify"):
        noir.join([altered(leaves[0], 40), leaves[1]])
    with pytest.raises(BadInput, match="join: wanted a proof that starts at root"):
        noir.join(leaves[::-1])
    with pytest.raises(BadInput, match=r"join\.payout"):
        noir.join([leaves[0], replace(leaves[1], statement=leaves[1].statement._replace(payout=1))])
    with pytest.raises(BadInput, match="two proofs"):
        noir.join(leaves[:1])


def test_a_dishonest_joiner_gets_no_valid_proof(joined: tuple[Result, int, Path], noir: Noir) -> None:
    """[proof]: of a child with a wrong evaluation bb makes a proof and reports success; it doesn't verify either."""
    leaves = [Proof.from_json(file.read_text()) for file in joined[2].iterdir() if '"leaf4-d16' in file.read_text()]
    leaves.sort(key=lambda leaf: leaf.statement.old_root != batches(1)[0].old_root)
    statement = state_joined(leaves[0].statement, leaves[1].statement)
    bad = [altered(leaves[0], EVALUATION), leaves[1]]
    inputs = node_inputs(statement, bad, [noir._circuit_of(leaf) for leaf in bad])
    with pytest.raises(Fault, match="node-d16/evm: bb made an invalid proof, which was thrown away"):
        noir._prove(noir.circuit(0, "evm"), statement, inputs)


def test_leaf_inputs_have_every_slot() -> None:
    batch = batches(1)[0]
    inputs = leaf_inputs(batch, expected([batch], PAYOUT, 0), SIZE)
    assert [slot["enabled"] for slot in inputs["slots"]] == [True, True, True, False]
