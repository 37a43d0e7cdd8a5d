"""Every constraint of the circuits has a witness that only it refuses.

A constraint is a line with a tag in brackets. For each tag there is an input that the circuit refuses; the circuit
without that line accepts the same input, so nothing else refuses it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dishonest
import pytest
from dishonest import CHAIN, DEPTH, LEAF, RECIPIENT, SENDER, SIZE, Case, ledger, signed, two

from proofyard.proofs import build
from proofyard.proofs.inputs import leaf_inputs, public_inputs
from proofyard.proofs.process import Lines
from proofyard.proofs.statement import Statement, state_of
from proofyard.proofs.toolchain import Toolchain
from proofyard.rollup.batch import commit_joined
from proofyard.tools.cache import digest, kept

SHAPE = {"shape.nr": f"pub global SIZE: u32 = {SIZE};\npub global DEPTH: u32 = {DEPTH};\n"}
LEAVES = {"leaves.nr": "pub global LEAVES: u32 = 1;\npub global LEAF_KEYS: [Field; LEAVES] = [5];\n"}
GENERATED = {"leaf": SHAPE, "node": LEAVES}

# A line that can't just go: what stands there instead reads the index modulo 2^DEPTH.
WEAKER = {
    side: f"let wide: [bool; 254] = slot.{side}.to_le_bits(); let mut {side} = [false; DEPTH];"
    f" for i in 0..DEPTH {{ {side}[i] = wide[i]; }}"
    for side in ("from", "to")
}


def tags(kind: str) -> list[str]:
    """List the tags in the sources of a circuit."""
    found = [tag for text in build.sources(kind).values() for tag in re.findall(r"// \[([a-z ]+)\]\n", text)]
    assert len(found) == len(set(found))
    return found


@dataclass
class Solver:
    """Compiles circuits with a line missing, and tries to find witnesses."""

    tools: Toolchain
    maker: Lines
    compiler: Lines

    def refusal(self, kind: str, inputs: dict[str, Any], *, without: str = "") -> str:
        """Return why there is no witness, "" if there is one."""
        texts = build.sources(kind) | GENERATED[kind]
        if without:
            line = re.compile(rf"^.*// \[{without}\]$", re.MULTILINE)
            assert sum(len(line.findall(text)) for text in texts.values()) == 1
            texts = {name: line.sub(WEAKER.get(without, ""), text) for name, text in texts.items()}
        key = digest(self.tools.versions, *(part for item in sorted(texts.items()) for part in item))

        def make(draft: Any) -> None:
            build.compile_program(self.compiler, texts, draft / "program.json", kind)

        folder = kept(f"circuits/test-{kind}-{key}", make)
        question = {"program": str(folder / "program.json"), "inputs": inputs, "out": "/dev/null"}
        answer = self.maker.ask(question)
        return "" if answer["ok"] else answer["error"]


@pytest.fixture(scope="module")
def solver(tools: Toolchain) -> Any:
    with tools.script("witness.mjs") as maker, tools.script("compile.mjs") as compiler:
        yield Solver(tools, maker, compiler)


def leaf(case: Case) -> dict[str, Any]:
    """Fill the circuit with one transfer and one empty slot."""
    return leaf_inputs(*case, SIZE)


def node(*, left: dict[str, int] | None = None, **changes: int) -> dict[str, Any]:
    """Fill the joining circuit with two children; the solver does not look at their proofs."""
    first = Statement(1, 2, 30, 4, CHAIN, 0xA11CE, 7)
    second = first._replace(old_root=2, new_root=3, commitment=31, fee_gwei=5)
    joined = first._replace(new_root=3, commitment=commit_joined(30, 31), fee_gwei=9)
    children = [list(map(hex, child)) for child in (first._replace(**(left or {})), second)]
    empty: dict[str, Any] = {"kinds": [0, 1], "keys": [["0x0"] * 115] * 2, "proofs": [["0x0"] * 410] * 2}
    return public_inputs(joined._replace(**changes)) | empty | {"children": children}


NODE: dict[str, Callable[[], dict[str, Any]]] = {
    "chain": lambda: node(left={"chain_id": 1}),
    "payout": lambda: node(left={"payout": 0xBAD}),
    "node key": lambda: node(left={"node_key": 8}),
    "roots": lambda: node(left={"new_root": 9}),
    "old root": lambda: node(old_root=9),
    "new root": lambda: node(new_root=9),
    "commitment": lambda: node(commitment=9),
    "fee total": lambda: node(fee_gwei=8),
}


def test_every_constraint_has_its_witness() -> None:
    assert sorted(tags("leaf")) == sorted(LEAF)
    assert sorted(tags("node")) == sorted([*NODE, "proof"])  # the solver does not verify: test_noir.py does


@pytest.mark.parametrize("tag", LEAF)
def test_leaf_constraint_alone_refuses(solver: Solver, tag: str) -> None:
    inputs = leaf(LEAF[tag]())
    assert solver.refusal("leaf", inputs)
    assert solver.refusal("leaf", inputs, without=tag) == ""


@pytest.mark.parametrize("tag", NODE)
def test_node_constraint_alone_refuses(solver: Solver, tag: str) -> None:
    inputs = NODE[tag]()
    assert tag in solver.refusal("node", inputs)
    assert solver.refusal("node", inputs, without=tag) == ""


def test_what_is_true_has_a_witness(solver: Solver) -> None:
    assert solver.refusal("leaf", leaf(dishonest.leaf(signed(SENDER, RECIPIENT, 10)))) == ""
    assert (
        solver.refusal("leaf", leaf(dishonest.leaf(signed(SENDER, SENDER, 10)))) == ""
    )  # to oneself: only the fee goes
    assert solver.refusal("leaf", leaf(dishonest.leaf(signed(SENDER, RECIPIENT, 997)))) == ""  # the last gwei
    assert solver.refusal("leaf", leaf(dishonest.leaf(signed(SENDER, RECIPIENT, 0, 0)))) == ""
    assert solver.refusal("node", node()) == ""


@pytest.mark.parametrize(
    "case", ["whole", "stale root", "replayed batch", "wrong nonce", "other chain", "swapped order"]
)
def test_batches_that_do_not_follow(solver: Solver, case: str) -> None:
    state = ledger()
    batch = two(state)
    statement = state_of(batch, 0xA11CE, 7)
    if case == "stale root":
        statement = statement._replace(old_root=1)
    if case == "replayed batch":  # on the state that the batch left
        statement = statement._replace(old_root=state.root)
    if case == "wrong nonce":
        again = signed(SENDER, RECIPIENT, 20)
        batch = batch._replace(steps=(batch.steps[0], batch.steps[1]._replace(transfer=again)))
    if case == "other chain":
        statement = statement._replace(chain_id=1)
    if case == "swapped order":
        batch = batch._replace(steps=batch.steps[::-1])
    expected = {"whole": "", "wrong nonce": "signature", "other chain": "signature", "swapped order": "sender"}
    refusal = solver.refusal("leaf", leaf_inputs(batch, statement, SIZE))
    assert expected.get(case, "sender") in refusal
    assert bool(refusal) == (case != "whole")
