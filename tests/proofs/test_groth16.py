"""The leaf in circom, proven with Groth16: the same statement; what its constraints refuse; what proofs it refuses."""

import re
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dishonest
import pytest
from dishonest import DEPTH, LEAF, RECIPIENT, SENDER, SIZE, Case, signed
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from proofyard.chain import Chain, devchain, profiles
from proofyard.chain.build import compile_sources
from proofyard.core.errors import BadInput, Fault
from proofyard.network.circuits import circuits_for
from proofyard.network.work import Task, why_not
from proofyard.proofs import circom, groth16, qap, session
from proofyard.proofs.backend import Job, ProofBackend
from proofyard.proofs.groth16 import Groth16
from proofyard.proofs.statement import Proof
from proofyard.rollup.field import FR

PAYOUT = 0xA11CE


def silent(_: str) -> None:
    """Take a progress line."""


@pytest.fixture(scope="module")
def backend() -> Generator[Groth16]:
    with Groth16(silent, depth=DEPTH) as made:
        yield made


def honest() -> Case:
    return dishonest.leaf(signed(SENDER, RECIPIENT, 10))  # and one empty slot


@pytest.fixture(scope="module")
def proof(backend: Groth16) -> Proof:
    return backend.prove(Job(honest()[0], SIZE, PAYOUT, last=True))


def test_a_proof_verifies_for_what_it_says(backend: Groth16, proof: Proof) -> None:
    assert proof.statement == honest()[1]
    assert backend.why_not(Proof.from_json(proof.to_json()), honest()[1]) == ""
    assert len(proof.data) == 256
    assert groth16.pack(groth16.unpack(proof.data)) == proof.data
    assert backend.spent.proving_ms > 0
    assert not proof.secure
    assert session.warning(proof) == session.SET_UP


def test_circuit_and_keys_are_the_same_on_every_machine(backend: Groth16) -> None:
    assert backend.version(SIZE, last=True) == "ea81f1ba3239f85a"  # changes with the circuit, the tools and the secrets


def test_an_altered_proof_or_statement_is_refused(backend: Groth16, proof: Proof) -> None:
    for place in (0, 31, 200, 255):
        data = bytearray(proof.data)
        data[place] ^= 1
        assert backend.why_not(replace(proof, data=bytes(data))) == "it doesn't verify"
    for field in proof.statement._fields:  # the payout too, which no other constraint uses
        other = proof.statement._replace(**{field: getattr(proof.statement, field) + 1})
        assert backend.why_not(replace(proof, statement=other)) == "it doesn't verify"


def test_a_proof_of_something_else_is_refused_with_the_reason(backend: Groth16, proof: Proof) -> None:
    wanted = proof.statement
    cases = [
        (proof, wanted._replace(payout=7), f"payout is {0xA11CE:#042x}, not {7:#042x}"),
        (proof, wanted._replace(chain_id=1), "chain_id is 31337, not 1"),
        (replace(proof, data=proof.data[:-1]), None, "its 255 bytes are no proof: wanted 256"),
        (replace(proof, version="0" * 16), None, "it is of version 0000000000000000 of leaf2-d2/groth16, ours is"),
        (replace(proof, circuit="leaf2-d16/groth16"), None, "its circuit leaf2-d16/groth16 is none of ours"),
        (replace(proof, circuit="leaf15-d2/groth16"), None, "is none of ours"),  # nobody builds it for a stranger
        (replace(proof, circuit=f"leaf{'9' * 9_000}-d2/groth16"), None, f"its circuit leaf{'9' * 36} is none of ours"),
        (replace(proof, backend="noir"), None, "it is of backend noir, not groth16"),
        (replace(proof, secure=True), None, "it says it is secure"),
    ]
    for given, statement, reason in cases:
        assert reason in backend.why_not(given, statement)


def test_every_tag_has_a_lie() -> None:
    found = {
        tag for path in circom.SOURCES.glob("*.circom") for tag in re.findall(r"// \[([a-z ]+)\]\n", path.read_text())
    }
    assert found == {*LEAF, "node key", "enabled", "canonical"}  # the last two: no input of ours can break them


@pytest.mark.parametrize("tag", LEAF)
def test_a_lie_is_refused_by_its_constraint(backend: Groth16, tag: str) -> None:
    batch, statement = LEAF[tag]()
    inputs = groth16.leaf_inputs(batch, statement, SIZE)
    with pytest.raises(Fault, match=f"leaf2-d2/groth16: no witness, the statement is false: {tag}$"):
        backend._prove(backend.circuit(SIZE), statement, inputs)


def test_a_proof_that_could_be_joined_or_a_slot_half_used_is_refused(backend: Groth16) -> None:
    batch, statement = honest()
    inputs = groth16.leaf_inputs(batch, statement, SIZE)
    for changes, tag in (({"node_key": "7"}, "node key"), ({"enabled": ["2", "0"]}, "enabled")):
        with pytest.raises(Fault, match=f"the statement is false: {tag}$"):
            backend._prove(backend.circuit(SIZE), statement, inputs | changes)


def test_there_are_no_joins(backend: Groth16, proof: Proof) -> None:
    refused = "proofs of groth16 can't be joined: they are not recursive"
    with pytest.raises(BadInput, match=refused):
        backend.join([proof, proof])
    with pytest.raises(BadInput, match=refused):
        backend.prepare(SIZE, joins=True)
    with pytest.raises(BadInput, match=refused):
        backend.prove(Job(honest()[0], SIZE, PAYOUT))
    with pytest.raises(BadInput, match="size: wanted 1 to 16 transfers for groth16, got 64"):
        backend.prepare(64, joins=False)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"batches": 2},
            "--batches: wanted 1 with --backend groth16, or --backend noir, got 2: proofs of groth16 can't",
        ),
        ({"size": 64}, "--size: wanted at most 16 with --backend groth16, got 64"),
        ({"srs": "ceremony"}, "--srs: wanted auto or development with --backend groth16, got ceremony"),
    ],
)
def test_what_it_cannot_do_is_refused_before_anything_is_installed(
    changes: dict[str, Any], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROOFYARD_CACHE", str(tmp_path / "none"))
    wanted = session.Wanted(1, 4, PAYOUT, 1, 1, "groth16", "auto")._replace(**changes)
    with pytest.raises(BadInput, match=re.escape(reason)):
        session.run(wanted, tell=silent, watch=lambda _: None)
    assert not (tmp_path / "none").exists()


def test_what_does_not_fit_the_memory_is_refused_before_anything_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROOFYARD_CACHE", str(tmp_path / "none"))
    monkeypatch.setattr(session, "free_mib", lambda: 2_000)
    wanted = session.Wanted(1, 16, PAYOUT, 1, 1, "groth16", "auto")
    with pytest.raises(BadInput, match="memory: wanted at least 1800 MiB of free memory for one proof, got 1600 MiB"):
        session.run(wanted, tell=silent, watch=lambda _: None)
    assert not (tmp_path / "none").exists()


def test_a_market_has_it_too(backend: Groth16, proof: Proof) -> None:
    task = Task(honest()[0], SIZE)
    prover = f"{PAYOUT:#042x}"
    assert why_not(backend, task, proof.to_json().encode(), prover) == ""
    assert f"payout is {0xA11CE:#042x}, not {7:#042x}" in why_not(backend, task, proof.to_json().encode(), f"{7:#042x}")
    ((name, circuit),) = circuits_for(backend, [SIZE], silent).items()
    assert name.rstrip(b"\0") == b"groth16 leaf2"
    assert len(circuit.single) > 1_000


def test_it_is_a_backend_and_its_contract_says_what_it_is_worth(backend: Groth16) -> None:
    same: ProofBackend = backend
    assert (same.name, same.secure, same.node_key()) == ("groth16", False, 0)
    source = backend.contract(SIZE)
    assert source.startswith("// INSECURE")
    assert f"contract {circom.CONTRACT} is Groth16Verifier" in source


def test_a_contract_accepts_the_proof_and_no_other(backend: Groth16, proof: Proof) -> None:
    (code,) = [
        a.bytecode for a in compile_sources({"v.sol": backend.contract(SIZE)}).values() if a.name == circom.CONTRACT
    ]
    words = [number.to_bytes(32, "big") for number in proof.statement]
    node = devchain.start()
    try:
        chain = Chain(profiles.read("anvil"), node.url)
        sent = {"from": devchain.account(0).address, "data": code, "gas": hex(5_000_000)}
        sent_hash = chain.rpc("eth_sendTransaction", sent)
        while (receipt := chain.rpc("eth_getTransactionReceipt", sent_hash)) is None:
            time.sleep(0.1)

        def accepts(data: bytes, inputs: list[bytes]) -> bool:
            asked = keccak(text="verify(bytes,bytes32[])")[:4] + encode(["bytes", "bytes32[]"], [data, inputs])
            call = {"to": receipt["contractAddress"], "data": "0x" + asked.hex(), "gas": hex(500_000)}
            return int(chain.rpc("eth_call", call, "latest"), 16) == 1

        assert accepts(proof.data, words)
        assert not accepts(proof.data, [*words[:5], (7).to_bytes(32, "big"), words[6]])  # another payout
        assert not accepts(proof.data[:-1] + bytes([proof.data[-1] ^ 1]), words)
        assert not accepts(proof.data[:-1], words)
        assert not accepts(proof.data, words[:-1])
    finally:
        node.stop()


def test_lagrange_polynomials_are_those_of_their_domain() -> None:
    root = pow(qap.NON_RESIDUE, (FR - 1) >> 3, FR)
    values = [pow(7, k, FR) for k in range(8)]

    def at(point: int) -> int:  # the polynomial through these values
        return sum(value * weight for value, weight in zip(values, qap.lagrange(3, point), strict=True)) % FR

    coefficients = [
        sum(v * pow(root, -j * k, FR) for k, v in enumerate(values)) * pow(8, -1, FR) % FR for j in range(8)
    ]
    assert at(99) == sum(c * pow(99, j, FR) for j, c in enumerate(coefficients)) % FR
    assert qap.lagrange(3, 99, 2) == qap.lagrange(3, 99)[1::2]
