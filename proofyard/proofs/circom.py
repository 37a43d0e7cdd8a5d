"""The leaf in circom and its Groth16 keys: built on first use, kept by a hash of all they depend on, reproducible."""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from proofyard.core.errors import BadInput, Fault
from proofyard.proofs import qap
from proofyard.proofs.process import Lines
from proofyard.rollup.batch import APPEND
from proofyard.rollup.field import FR
from proofyard.rollup.poseidon2 import WIDTH
from proofyard.rollup.schnorr import GENERATOR, ORDER, combine
from proofyard.rollup.transfer import TRANSFER
from proofyard.tools import npm
from proofyard.tools.cache import Tell, digest, digest_files, kept

PACKAGE = Path(str(files("proofyard.proofs")))
SOURCES, TOOLS, SCRIPT = PACKAGE / "circuits" / "circom", PACKAGE / "npm-groth16", "groth16.mjs"
TEMPLATE = Path("snarkjs", "templates", "verifier_groth16.sol.ejs")
PUBLIC = ("old_root", "new_root", "commitment", "fee_total", "chain_id", "payout", "node_key")
MOST = 16  # transfers: beyond, the keys take gigabytes
HEAP_MIB = 6_000
SLOT_MIB = 20  # disk that a transfer takes in the largest file, and some
# A point of Grumpkin whose logarithm nobody knows: x is the first SHA-256 of `proofyard/groth16 offset N`, N = 0, 1, …,
# that has a y, which is the smaller of the two.
OFFSET = (
    0x124DED657477330237AC917F774DB22AF74D617B465DBE8F76D4F34EB59F5306,
    0x0AEF82A4622E8606E2DF9C95A6224553CBEB839500EAF6FD41EF37463FD41ED5,
)
CONTRACT = "InsecureDevelopmentGroth16Verifier"
WRAPPER = """
contract {name} is Groth16Verifier {{
    /// @param proof A, B and C: eight words
    function verify(bytes calldata proof, bytes32[] calldata publicInputs) external view returns (bool) {{
        if (proof.length != 256 || publicInputs.length != {count}) return false;
        uint256[2] calldata a;
        uint256[2][2] calldata b;
        uint256[2] calldata c;
        uint256[{count}] calldata inputs;
        assembly {{
            a := proof.offset
            b := add(proof.offset, 64)
            c := add(proof.offset, 192)
            inputs := publicInputs.offset
        }}
        return this.verifyProof(a, b, c, inputs);
    }}
}}
"""


@dataclass(frozen=True)
class Circuit:
    """A compiled circuit with its keys.

    Attributes
    ----------
    name : e.g. `leaf4-d16/groth16`
    size, depth : transfers it has room for; depth of the tree of accounts
    program : makes witnesses
    proving_key, key : of the prover; of whoever verifies
    contract : Solidity source of a contract that verifies
    version : digest of the verification key
    """

    name: str
    size: int
    depth: int
    program: Path
    proving_key: Path
    key: Path
    contract: Path
    version: str


class Tools:
    """Compiler and prover, installed on first use.

    Raises
    ------
    Fault : node is missing, or npm could not install.
    """

    def __init__(self, tell: Tell) -> None:
        self.node, self.modules = npm.node(), npm.installed(TOOLS, tell)

    def start(self) -> Lines:
        """Start the script that drives them."""
        return Lines([self.node, f"--max-old-space-size={HEAP_MIB}", self.script / SCRIPT])

    @property
    def script(self) -> Path:
        """Folder of the script, kept beside the packages it imports."""
        key = digest((SOURCES / SCRIPT).read_bytes(), str(self.modules))
        return kept(f"npm/scripts-{key}", self._link)

    def _link(self, draft: Path) -> None:
        (draft / SCRIPT).write_bytes((SOURCES / SCRIPT).read_bytes())
        (draft / "node_modules").symlink_to(self.modules)


def leaf(tools: Tools, size: int, depth: int, tell: Tell) -> Circuit:
    """Build the circuit for batches of up to `size` transfers, and its keys: INSECURE, see `qap`.

    Raises
    ------
    BadInput : there is none of that size.
    Fault : it does not compile.
    """
    if not 1 <= size <= MOST:
        raise BadInput("size", f"1 to {MOST} transfers for groth16", size)
    name = f"leaf{size}-d{depth}"
    program = _program(tools, name, (size, depth), tell)
    keys = _keys(tools, name, size, program, tell)
    version = hashlib.sha256((keys / "key.json").read_bytes()).hexdigest()[:16]
    return Circuit(
        f"{name}/groth16",
        size,
        depth,
        program / "main.wasm",
        keys / "proving.zkey",
        keys / "key.json",
        keys / "Verifier.sol",
        version,
    )


def _program(tools: Tools, name: str, shape: tuple[int, int], tell: Tell) -> Path:
    """Compile one circuit."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("*.circom"))}
    texts |= {"constants.circom": constants(), "main.circom": main(*shape)}
    lock = (TOOLS / "package-lock.json").read_bytes()
    key = digest(lock, *(part for item in sorted(texts.items()) for part in item))

    def make(draft: Path) -> None:
        tell(f"compiling circuit {name} with circom (once)")
        for file, text in texts.items():
            (draft / file).write_text(text, encoding="utf-8")
        with tools.start() as script:
            answer = script.ask({"do": "compile", "folder": str(draft), "main": "main.circom"})
        if not answer["ok"]:
            raise Fault(f"circuit {name} does not compile: {answer['error']}")
        (draft / "main_js" / "main.wasm").replace(draft / "main.wasm")

    return kept(f"circuits/circom-{name}-{key}", make, mib=SLOT_MIB * shape[0])


def _keys(tools: Tools, name: str, size: int, program: Path, tell: Tell) -> Path:
    """Make the keys of a compiled circuit, and the contract."""

    def make(draft: Path) -> None:
        tell(f"WARNING: making INSECURE development Groth16 keys of {name} (once): anybody can forge such proofs")
        proving = draft / "proving.zkey"
        qap.write_zkey(qap.read_r1cs((program / "main.r1cs").read_bytes()), proving)
        question = {"do": "keys", "zkey": proving, "key": draft / "key.json", "contract": draft / "Verifier.sol"}
        with tools.start() as script:
            paths = {name: str(path) for name, path in question.items()}
            answer = script.ask(paths | {"template": str(tools.modules / TEMPLATE)})
        if not answer["ok"]:
            raise Fault(f"{name}: snarkjs could not export the key: {answer['error']}")
        source = draft / "Verifier.sol"
        warning = (
            "// INSECURE: made with a development set-up whose secrets are public. Anybody can forge proofs for it.\n"
        )
        wrapper = WRAPPER.format(name=CONTRACT, count=len(PUBLIC))
        source.write_text(warning + source.read_text(encoding="utf-8") + wrapper, encoding="utf-8")

    made = digest_files([PACKAGE / file for file in ("qap.py", "points2.py", "circom.py")])
    return kept(f"keys/INSECURE-{program.name}-{made}", make, mib=SLOT_MIB * size)


def main(size: int, depth: int) -> str:
    """Write the main file: which circuit, and which of its inputs are public."""
    listed = ", ".join(PUBLIC)
    return f'{PRAGMA}include "leaf.circom";\ncomponent main {{public [{listed}]}} = Leaf({size}, {depth});\n'


PRAGMA = "pragma circom 2.1.6;\n"


def constants() -> str:
    """Write the numbers of hash, curve and domains as functions of circom, from the tables the rollup itself uses."""
    text = (files("proofyard.rollup") / "poseidon2.txt").read_text(encoding="ascii")
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    diagonal, rounds = rows[0][1:], [row + ["0"] * (WIDTH - len(row)) for row in rows[1:]]
    both, whole = combine((1, OFFSET), (1, GENERATOR)), combine(((2**254 - 1) % ORDER, OFFSET))
    if both is None or whole is None:
        raise Fault("groth16: the offset is no point of large order")
    table = ", ".join(f"[{', '.join(hex(int(number, 16)) for number in row)}]" for row in rounds)
    return PRAGMA + "\n".join(
        [
            f"function ROUND(r, i) {{ var table[{len(rounds)}][{WIDTH}] = [{table}]; return table[r][i]; }}",
            _listed("DIAGONAL", [int(number, 16) for number in diagonal]),
            _listed("OFFSET", OFFSET),
            _listed("OFFSET_AND_G", both),
            _listed("OFFSET_END", (whole[0], FR - whole[1])),
            f"function TRANSFER() {{ return {TRANSFER:#x}; }}",
            f"function APPEND() {{ return {APPEND:#x}; }}\n",
        ]
    )


def _listed(name: str, values: "tuple[int, ...] | list[int]") -> str:
    numbers = ", ".join(map(hex, values))
    return f"function {name}(i) {{ var table[{len(values)}] = [{numbers}]; return table[i]; }}"


def refused_by(error: str) -> str:
    """Name the constraint that refused a witness: its tag, else where it stands."""
    places = re.findall(r"Error in template (\w+?)_\d+ line: (\d+)", error)
    for template, line in places:
        for path in SOURCES.glob("*.circom"):
            text = path.read_text(encoding="utf-8")
            tag = re.search(r"\[([a-z ]+)\]$", text.splitlines()[int(line) - 1]) if _has(text, template) else None
            if tag:
                return tag[1]
    return f"{places[0][0]}, line {places[0][1]}" if places else error


def _has(text: str, template: str) -> bool:
    return f"template {template}(" in text
