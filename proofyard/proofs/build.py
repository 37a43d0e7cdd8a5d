"""Circuits, their keys and verifier contracts: built on first use, kept by a hash of all they depend on, reproducible.

A program depends on its sources and the compiler; a key on the program, the prover and the reference string; the
joining circuit contains the hashes of the keys of the leaf circuits it accepts. Its own key hash it can't contain: that
is a public input.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from proofyard.core.errors import BadInput, Fault
from proofyard.proofs.process import Lines
from proofyard.proofs.toolchain import PACKAGE, TARGETS, Toolchain
from proofyard.rollup.ledger import DEPTH
from proofyard.tools.cache import Tell, digest, kept

SIZES = (4, 16, 64)  # transfers in the leaf circuits that the joining circuit accepts, in its order
MOST = 256  # transfers of one leaf: about 4 GB
SOURCES = PACKAGE / "circuits"
KEPT_FIELDS = ("noir_version", "hash", "abi", "bytecode")  # without paths of the machine that compiled

Target: TypeAlias = Literal["recursive", "evm"]


@dataclass(frozen=True)
class Circuit:
    """A compiled circuit and its verification key.

    Attributes
    ----------
    name : e.g. `leaf16-d16/recursive`
    size : transfers it has room for; 0 for the joining circuit
    depth : of the tree of accounts
    target : `recursive` (can be joined) or `evm` (a contract can verify it)
    program : compiled by Noir
    key : verification key
    key_hash : its hash, a number of the field
    version : digest of the key
    """

    name: str
    size: int
    depth: int
    target: Target
    program: Path
    key: Path
    key_hash: int
    version: str


def check_size(size: int) -> int:
    """Return a size of a leaf circuit that the joining circuit accepts. Raises BadInput for another."""
    if size not in SIZES:
        raise BadInput("size", f"one of {', '.join(map(str, SIZES))} transfers", size)
    return size


def leaf(tools: Toolchain, size: int, target: Target, tell: Tell, depth: int = DEPTH) -> Circuit:
    """Build the circuit for batches of up to `size` transfers."""
    if not 1 <= size <= MOST:
        raise BadInput("size", f"1 to {MOST} transfers", size)
    shape = f"pub global SIZE: u32 = {size};\npub global DEPTH: u32 = {depth};\n"
    name = f"leaf{size}-d{depth}"
    return _keyed(tools, _program(tools, "leaf", name, {"shape.nr": shape}, tell), name, (size, depth), target, tell)


def node(tools: Toolchain, target: Target, tell: Tell, depth: int = DEPTH) -> Circuit:
    """Build the circuit that joins two proofs, and the leaf circuits it accepts."""
    keys = [leaf(tools, size, "recursive", tell, depth).key_hash for size in SIZES]
    listed = ", ".join(f"{key:#x}" for key in keys)
    leaves = f"pub global LEAVES: u32 = {len(keys)};\npub global LEAF_KEYS: [Field; LEAVES] = [{listed}];\n"
    name = f"node-d{depth}"
    return _keyed(tools, _program(tools, "node", name, {"leaves.nr": leaves}, tell), name, (0, depth), target, tell)


def _program(tools: Toolchain, kind: str, name: str, generated: Mapping[str, str], tell: Tell) -> Path:
    """Compile one circuit."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in _sources(kind)} | dict(generated)
    key = digest(tools.versions, *(part for item in sorted(texts.items()) for part in item))

    def make(draft: Path) -> None:
        tell(f"compiling circuit {name} (once)")
        with tools.script("compile.mjs") as compiler:
            compile_program(compiler, texts, draft / "program.json", name)

    return kept(f"circuits/{name}-{key}", make)


def _sources(kind: str) -> list[Path]:
    return [*SOURCES.glob("*.nr"), *(SOURCES / kind).glob("*.nr")]


def sources(kind: str) -> dict[str, str]:
    """Read the sources of a kind of circuit, `leaf` or `node`."""
    return {path.name: path.read_text(encoding="utf-8") for path in _sources(kind)}


def compile_program(compiler: Lines, texts: Mapping[str, str], out: Path, name: str) -> None:
    """Compile Noir sources by file name with a running `compile.mjs`. Raises Fault with the compiler's message."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        source.mkdir()
        (Path(folder) / "Nargo.toml").write_text(
            '[package]\nname = "circuit"\ntype = "bin"\nauthors = []\n[dependencies]\n'
        )
        for file, text in texts.items():
            (source / file).write_text(text, encoding="utf-8")
        answer = compiler.ask({"folder": folder, "out": str(out)})
    if not answer["ok"]:
        raise Fault(f"circuit {name} does not compile: {answer['error']}")
    program = json.loads(out.read_text(encoding="utf-8"))
    out.write_text(json.dumps({field: program[field] for field in KEPT_FIELDS}), encoding="utf-8")


def _keyed(tools: Toolchain, program: Path, name: str, shape: tuple[int, int], target: Target, tell: Tell) -> Circuit:
    """Make the verification key of a program for a target."""

    def make(draft: Path) -> None:
        tell(f"making the verification key of {name} for {target} proofs (once)")
        tools.bb_or_fault("write_vk", "-b", program / "program.json", "-o", draft, "-t", TARGETS[target])
        marks = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in draft.iterdir()}
        (draft / "sha256.json").write_text(json.dumps(marks))

    folder = kept(f"keys/{program.name}-{target}-{digest(tools.srs.g2, str(tools.srs.secure))}", make)
    key = _intact(folder, "vk")
    return Circuit(
        name=f"{name}/{target}",
        size=shape[0],
        depth=shape[1],
        target=target,
        program=program / "program.json",
        key=folder / "vk",
        key_hash=int.from_bytes(_intact(folder, "vk_hash")),
        version=hashlib.sha256(key).hexdigest()[:16],
    )


def _intact(folder: Path, name: str) -> bytes:
    """Read a file that must be as it was made. Raises Fault if it isn't."""
    try:
        data = (folder / name).read_bytes()
        wanted = json.loads((folder / "sha256.json").read_bytes())[name]
    except (OSError, ValueError, KeyError):
        data, wanted = b"", "a file with its checksum"
    if hashlib.sha256(data).hexdigest() != wanted:
        raise Fault(f"{folder / name}: the cache is damaged; mend it with rm -r '{folder}' and run again.")
    return data


def verifier_source(tools: Toolchain, circuit: Circuit, tell: Tell) -> str:
    """Write the Solidity contract that verifies proofs of an `evm` circuit.

    An INSECURE reference string makes a contract named `InsecureDevelopmentVerifier`; a real one, `BatchVerifier`.

    Raises
    ------
    BadInput : the circuit is for joining.
    """
    if circuit.target != "evm":
        raise BadInput("circuit", "one whose proofs a contract can verify (target evm)", circuit.name)

    def make(draft: Path) -> None:
        tell(f"writing the verifier contract of {circuit.name} (once)")
        out = draft / "Verifier.sol"
        command = ("write_solidity_verifier", "-k", circuit.key, "-o", out, "-t", TARGETS["evm"], "--optimized")
        tools.bb_or_fault(*command)
        out.write_text(_named(out.read_text(encoding="utf-8"), secure=tools.secure), encoding="utf-8")

    key = digest(circuit.version, tools.versions, str(tools.secure), Path(__file__).read_bytes())
    return (kept(f"contracts/{circuit.version}-{key}", make) / "Verifier.sol").read_text(encoding="utf-8")


def contract_name(*, secure: bool) -> str:
    """Name of the verifier contract."""
    return "BatchVerifier" if secure else "InsecureDevelopmentVerifier"


def _named(source: str, *, secure: bool) -> str:
    """Give the contract our name, and a warning where it is due."""
    if source.count("contract HonkVerifier") != 1:
        raise Fault("bb wrote a verifier without one contract HonkVerifier: another version than the one pinned")
    source = source.replace("contract HonkVerifier", f"contract {contract_name(secure=secure)}")
    warning = "// INSECURE: made with a development SRS whose secret is public. Anybody can forge proofs for it.\n"
    return source if secure else warning + source
