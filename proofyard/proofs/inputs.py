"""What the circuits are given: public inputs by name, and the private ones."""

from collections.abc import Sequence
from typing import Any

from proofyard.proofs.build import SIZES, Circuit
from proofyard.proofs.statement import Proof, Statement
from proofyard.rollup.batch import Batch
from proofyard.rollup.ledger import Account, Step
from proofyard.rollup.schnorr import GENERATOR

LOW = 2**128  # a scalar is given in two parts
FIELD_BYTES = 32


def public_inputs(statement: Statement) -> dict[str, Any]:
    """Name the public inputs as the circuits do."""
    names = ("old_root", "new_root", "commitment", "fee_total", "chain_id", "payout", "node_key")
    return {name: hex(number) for name, number in zip(names, statement, strict=True)}


def leaf_inputs(batch: Batch, statement: Statement, size: int) -> dict[str, Any]:
    """Fill a leaf circuit; slots without a transfer are switched off."""
    slots = [slot_of(step) for step in batch.steps]
    empty = [empty_slot(batch.depth)] * (size - len(slots))
    return public_inputs(statement) | {"slots": slots + empty}


def slot_of(step: Step) -> dict[str, Any]:
    """Write one transfer."""
    transfer = step.transfer
    x, y, response = transfer.signature
    return {
        "enabled": True,
        "from": hex(transfer.sender),
        "to": hex(transfer.recipient),
        "amount": hex(transfer.amount_gwei),
        "fee": hex(transfer.fee_gwei),
        "sender": _account(step.sender),
        "sender_path": [hex(node) for node in step.sender_path],
        "recipient": _account(step.recipient),
        "recipient_path": [hex(node) for node in step.recipient_path],
        "commitment_x": hex(x),
        "commitment_y": hex(y),
        "response_low": hex(response % LOW),
        "response_high": hex(response // LOW),
    }


def empty_slot(depth: int) -> dict[str, Any]:
    """Write an empty slot: a transfer of nothing, of a key on the curve, which the solver wants of every slot."""
    nobody = _account(Account(*GENERATOR, 0, 0))
    zero = hex(0)
    return {
        "enabled": False,
        **dict.fromkeys(("from", "to", "amount", "fee"), zero),
        **dict.fromkeys(("sender", "recipient"), nobody),
        **dict.fromkeys(("sender_path", "recipient_path"), [zero] * depth),
        **dict.fromkeys(("commitment_x", "commitment_y", "response_high"), zero),
        "response_low": hex(1),
    }


def _account(account: Account) -> dict[str, str]:
    return {
        "x": hex(account.x),
        "y": hex(account.y),
        "balance": hex(account.balance_gwei),
        "nonce": hex(account.nonce),
    }


def node_inputs(statement: Statement, proofs: Sequence[Proof], circuits: Sequence[Circuit]) -> dict[str, Any]:
    """Fill the joining circuit with two proofs of the circuits given."""
    return public_inputs(statement) | {
        "kinds": [SIZES.index(circuit.size) if circuit.size else len(SIZES) for circuit in circuits],
        "keys": [_fields(circuit.key.read_bytes()) for circuit in circuits],
        "proofs": [_fields(proof.data) for proof in proofs],
        "children": [[hex(number) for number in proof.statement] for proof in proofs],
    }


def _fields(data: bytes) -> list[str]:
    """Split bytes into numbers of the field."""
    return ["0x" + data[i : i + FIELD_BYTES].hex() for i in range(0, len(data), FIELD_BYTES)]
