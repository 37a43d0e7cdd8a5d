"""Every constraint of the circuits has a witness that only it refuses.

A constraint is a line with a tag in brackets. For each tag there is an input that the circuit refuses; the circuit
without that line accepts the same input, so nothing else refuses it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from proofyard.proofs import build
from proofyard.proofs.inputs import leaf_inputs, public_inputs
from proofyard.proofs.process import Lines
from proofyard.proofs.statement import Statement, state_of
from proofyard.proofs.toolchain import Toolchain
from proofyard.rollup import schnorr
from proofyard.rollup.batch import Batch, commit, commit_joined
from proofyard.rollup.field import FR
from proofyard.rollup.ledger import Account, Ledger, Step
from proofyard.rollup.poseidon2 import nodes_above
from proofyard.rollup.transfer import U64, Transfer
from proofyard.tools.cache import digest, kept

DEPTH, SIZE, CHAIN = 2, 2, 31_337
SENDER, RECIPIENT, RICH = 1, 2, 3  # accounts
SECRET = {SENDER: 11, RECIPIENT: 12, RICH: 13}
KEY = {index: schnorr.public_key(secret) for index, secret in SECRET.items()}
HELD = {SENDER: 1_000, RECIPIENT: 500, RICH: U64 - 1}
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


def ledger() -> Ledger:
    return Ledger({i: Account(*KEY[i], HELD[i], 0) for i in SECRET}, chain_id=CHAIN, depth=DEPTH)


def signed(sender: int, recipient: int, amount: int, fee: int = 3, nonce: int = 0, chain: int = CHAIN) -> Transfer:
    return Transfer(chain, sender, recipient, amount, fee, nonce).signed(SECRET[sender % 4], KEY[sender % 4])


def follow(transfer: Transfer, sender: Account | None = None, recipient: Account | None = None) -> tuple[Step, int]:
    """Open the accounts a transfer names, whatever they hold, and compute the root as the circuit does.

    Numbers are taken modulo the prime, as a dishonest prover would; `sender`, `recipient` stand in for what is there.
    """
    state = ledger()
    start, end = transfer.sender % 4, transfer.recipient % 4
    sender = sender or state.accounts[start]
    left = (sender.balance_gwei - transfer.amount_gwei - transfer.fee_gwei) % FR
    debited = sender._replace(balance_gwei=left, nonce=sender.nonce + 1)
    path = state.tree.put(start, debited.leaf)
    recipient = recipient or (debited if end == start else state.accounts[end])
    credited = recipient._replace(balance_gwei=(recipient.balance_gwei + transfer.amount_gwei) % FR)
    beside = state.tree.path(end)
    step = Step(transfer, sender, path, recipient, beside)
    return step, nodes_above(credited.leaf, beside, end)[-1]


def leaf(transfer: Transfer, *, changes: dict[str, int] | None = None, **opened: Account) -> dict[str, Any]:
    """Fill the circuit with one transfer and one empty slot; `changes` go over the public inputs."""
    step, root = follow(transfer, **opened)
    batch = Batch(CHAIN, DEPTH, ledger().root, root, commit([transfer]), transfer.fee_gwei, (step,))
    statement = state_of(batch, 0xA11CE, 7)._replace(**(changes or {}))
    return leaf_inputs(batch, statement, SIZE)


def forged(transfer: Transfer) -> Transfer:
    return transfer._replace(signature=transfer.signature._replace(response=transfer.signature.response + 1))


# What only the constraint of that tag refuses.
LEAF: dict[str, Callable[[], dict[str, Any]]] = {
    "from": lambda: leaf(signed(SENDER + 4, RECIPIENT, 10)),  # another name for account 1
    "to": lambda: leaf(signed(SENDER, RECIPIENT + 4, 10)),
    "signature": lambda: leaf(forged(signed(SENDER, RECIPIENT, 10))),
    "sender": lambda: leaf(signed(SENDER, RECIPIENT, 5_000), sender=Account(*KEY[SENDER], 9_000, 0)),
    "amount": lambda: leaf(signed(SENDER, RECIPIENT, FR - 5)),  # takes 5 from the recipient
    "fee": lambda: leaf(signed(SENDER, RECIPIENT, 10, FR - 5)),  # makes 5 out of nothing
    "overdraft": lambda: leaf(signed(SENDER, RECIPIENT, 998)),
    "recipient": lambda: leaf(signed(SENDER, RECIPIENT, 10), recipient=Account(*KEY[SENDER], 500, 0)),  # a swapped leaf
    "overflow": lambda: leaf(signed(SENDER, RICH, 10)),
    "new root": lambda: leaf(signed(SENDER, RECIPIENT, 10), changes={"new_root": 1}),
    "commitment": lambda: leaf(signed(SENDER, RECIPIENT, 10), changes={"commitment": 1}),
    "fee total": lambda: leaf(signed(SENDER, RECIPIENT, 10), changes={"fee_gwei": 4}),
}


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
    inputs = LEAF[tag]()
    assert solver.refusal("leaf", inputs)
    assert solver.refusal("leaf", inputs, without=tag) == ""


@pytest.mark.parametrize("tag", NODE)
def test_node_constraint_alone_refuses(solver: Solver, tag: str) -> None:
    inputs = NODE[tag]()
    assert tag in solver.refusal("node", inputs)
    assert solver.refusal("node", inputs, without=tag) == ""


def test_what_is_true_has_a_witness(solver: Solver) -> None:
    assert solver.refusal("leaf", leaf(signed(SENDER, RECIPIENT, 10))) == ""
    assert solver.refusal("leaf", leaf(signed(SENDER, SENDER, 10))) == ""  # to oneself: only the fee goes
    assert solver.refusal("leaf", leaf(signed(SENDER, RECIPIENT, 997))) == ""  # the last gwei
    assert solver.refusal("leaf", leaf(signed(SENDER, RECIPIENT, 0, 0))) == ""
    assert solver.refusal("node", node()) == ""


def two(state: Ledger) -> Batch:
    """Carry out two transfers of one sender."""
    old = state.root
    transfers = [signed(SENDER, RECIPIENT, 10), signed(SENDER, RECIPIENT, 20, nonce=1)]
    steps = tuple(map(state.apply, transfers))
    return Batch(CHAIN, DEPTH, old, state.root, commit(transfers), 6, steps)


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
