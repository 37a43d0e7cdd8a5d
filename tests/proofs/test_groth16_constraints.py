"""Every tagged constraint of the circom leaf is needed: without it a false statement has a witness.

Compiling takes seconds, so not each circuit with one constraint missing is compiled, but a few with several missing:
each constraint is missing from two of them, and no other one from the same two. A lie that both accept breaks only what
is missing from both: that one.
"""

import re
from collections.abc import Callable, Generator
from itertools import combinations
from pathlib import Path

import dishonest
import pytest
from dishonest import DEPTH, LEAF, RECIPIENT, SENDER, Case, signed

from proofyard.proofs import circom, groth16
from proofyard.proofs.process import Lines
from proofyard.rollup.field import FR
from proofyard.tools.cache import digest, kept

SIZE = 1


def half_used() -> Case:
    """Count a transfer twice: an empty slot is 0, a used one 1, and this one 2."""
    batch, true = dishonest.leaf(signed(SENDER, RECIPIENT, 10))
    root = (true.old_root + 2 * (true.new_root - true.old_root)) % FR
    return batch, true._replace(new_root=root, commitment=2 * true.commitment % FR, fee_gwei=2 * true.fee_gwei)


LIES: dict[str, Callable[[], Case]] = {
    **LEAF,
    "enabled": half_used,
    "node key": lambda: dishonest.leaf(signed(SENDER, RECIPIENT, 10), changes={"node_key": 7}),
}
PAIRS = dict(zip(LIES, combinations(range(6), 2), strict=False))


def weaker(text: str, tag: str) -> str:
    """Take one constraint out; where an input must have some value, let it have a harmless one."""

    def without(line: re.Match[str]) -> str:
        bits = re.fullmatch(r" *(\w+)_bits\.in <== \w+;", line[1])
        if bits:  # read modulo 2^depth
            name = bits[1]
            return (
                f"component {name}_wide = Bits(254); {name}_wide.in <== {name}; var {name}_low = 0;"
                f" for (var i = 0; i < depth; i++) {{ {name}_low += {name}_wide.out[i] * 2 ** i; }}"
                f" {name}_bits.in <== {name}_low;"
            )
        return f"{line[1].split(' <== ')[0]} <== 0;" if " <== " in line[1] else ""

    return re.sub(rf"^(.*;) // \[{tag}\]$", without, text, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def script() -> Generator[Lines]:
    with circom.Tools(lambda _: None).start() as running:
        yield running


def compiled(script: Lines, missing: list[str]) -> Path:
    """Compile the leaf without some constraints, once."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(circom.SOURCES.glob("*.circom"))}
    for tag in missing:
        assert re.search(rf"// \[{tag}\]$", texts["leaf.circom"], re.MULTILINE)
        texts["leaf.circom"] = weaker(texts["leaf.circom"], tag)
    texts |= {"constants.circom": circom.constants(), "main.circom": circom.main(SIZE, DEPTH)}

    def make(draft: Path) -> None:
        for name, text in texts.items():
            (draft / name).write_text(text, encoding="utf-8")
        answer = script.ask({"do": "compile", "folder": str(draft), "main": "main.circom"})
        assert answer["ok"], answer["error"]

    return kept(f"circuits/test-circom-{digest(*(part for item in texts.items() for part in item))}", make)


def refusal(script: Lines, circuit: Path, tag: str, case: Case, out: Path) -> str:
    """Return why there is no witness, "" if there is one."""
    inputs = groth16.leaf_inputs(*case, SIZE)
    if tag == "enabled":
        inputs["enabled"] = ["2"]
    question = {"do": "witness", "wasm": str(circuit / "main_js" / "main.wasm"), "inputs": inputs, "out": str(out)}
    answer = script.ask(question)
    return "" if answer["ok"] else answer["error"]


def test_without_a_constraint_its_lie_has_a_witness(script: Lines, tmp_path: Path) -> None:
    tags = set(re.findall(r"// \[([a-z ]+)\]\n", (circom.SOURCES / "leaf.circom").read_text(encoding="utf-8")))
    assert set(PAIRS) == tags
    assert len(set(PAIRS.values())) == len(LIES)
    circuits = [compiled(script, [tag for tag, pair in PAIRS.items() if k in pair]) for k in range(6)]
    out = tmp_path / "witness"
    for tag, pair in PAIRS.items():
        case = LIES[tag]()
        for k, circuit in enumerate(circuits):
            refused = refusal(script, circuit, tag, case, out)
            assert bool(refused) == (k not in pair), (tag, k, refused)
