"""Orders: what a requester signs for the chain beside its request, so that the contract pays for the proof.

The order travels in the request's payload, beside the batch. It names the circuit, the statement, the most the
requester pays and until when; the contract pays nobody without it, whatever the coordinator says.
"""

import json
import secrets
from typing import Any, NamedTuple, NoReturn

from eth_account.signers.local import LocalAccount
from web3 import Web3

from proofyard.chain import Kind, Order, signing, statement_of
from proofyard.core.errors import BadInput
from proofyard.network.messages import signer
from proofyard.network.work import Task
from proofyard.proofs.statement import Statement

LASTS_S = 7 * 86_400  # s an order is good for, unless its requester says otherwise
LEAST_S = 3_600  # s it has to be good for when it is taken


class Ordered(NamedTuple):
    """An order with its signature."""

    order: Order
    signature: bytes


def circuit_of(backend: str, size: int) -> bytes:
    """Name a circuit in the verifier's registry."""
    return f"{backend} leaf{size}".encode().ljust(32, b"\0")


def words(statement: Statement) -> list[bytes]:
    """Write public inputs as the contracts take them."""
    data = statement.to_bytes()
    return [data[k : k + 32] for k in range(0, len(data), 32)]


def ordered(
    account: LocalAccount, task: Task, ceiling: int, *, backend: str, chain_id: int, contract: str, now: int
) -> bytes:
    """Write a request's payload with an order for it; `ceiling` gwei, `now` s since 1970 on the chain."""
    statement = statement_of(words(task.statement("0x0")), Kind.ROLLUP)
    circuit = circuit_of(backend, task.size)
    order = Order(str(account.address), circuit, statement, ceiling, now + LASTS_S, secrets.randbits(62))
    signature = signing.sign(account, order, chain_id, contract)
    told = {name: "0x" + value.hex() if isinstance(value, bytes) else value for name, value in order._asdict().items()}
    return json.dumps(
        {**json.loads(task.to_bytes()), "order": told, "signature": "0x" + signature.hex()}, separators=(",", ":")
    ).encode()


def order_in(payload: bytes) -> Ordered:
    """Read the order in a payload. Raises BadInput."""
    try:
        read = json.loads(payload)
        told: dict[str, Any] = read["order"]
        names = [bytes.fromhex(str(told[name])[2:]) for name in ("circuit", "statement")]
        numbers: list[int] = [told[name] for name in ("ceiling", "deadline", "nonce")]
        signature = bytes.fromhex(read["signature"][2:])
        if any(type(number) is not int or not 0 <= number < 2**64 for number in numbers) or {*map(len, names)} != {32}:
            return _malformed("numbers or hashes that do not fit")
        requester = Web3.to_checksum_address(str(told["requester"]).lower())
        return Ordered(Order(requester, names[0], names[1], *numbers), signature)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _malformed("none, or a malformed one")


def _malformed(given: str) -> NoReturn:
    raise BadInput("payload.order", "an order for the chain with its signature", given)


def why_not_ordered(
    payload: bytes, task: Task, sender: str, ceiling: int, *, backend: str, chain_id: int, contract: str, now: int
) -> str:
    """Say why the order in a payload would not pay for the proof of its batch, "" if it would. Raises BadInput."""
    order, signature = order_in(payload)
    statement = statement_of(words(task.statement("0x0")), Kind.ROLLUP)
    found = {
        f"its order is of {order.requester}, not of {sender}": order.requester.lower() != sender,
        f"its order is not for circuit {backend} leaf{task.size}": order.circuit != circuit_of(backend, task.size),
        "its order is for another statement than its batch's": order.statement != statement,
        f"its order pays {order.ceiling} gwei at most, the request {ceiling}": order.ceiling < ceiling,
        f"its order ends at {order.deadline}, less than {LEAST_S} s from now": order.deadline < now + LEAST_S,
    }
    wrong = next((reason for reason, holds in found.items() if holds), "")
    named = signature[64:] in (b"\x1b", b"\x1c")  # as the contract wants it; messages may have 0 and 1
    if not wrong and not (named and signer(signing.hash_of(order, chain_id, contract), signature) == sender):
        return f"its order is not signed by {sender} for contract {contract} on chain {chain_id}"
    return wrong
