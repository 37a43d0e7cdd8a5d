"""What requesters and provers sign: EIP-712 structures, bound to one contract on one chain. Amounts gwei, times s."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount
from web3 import Web3


class Kind(IntEnum):
    """What of a circuit's public inputs an order states."""

    PLAIN = 0  # all of them: whoever sees a proof can use it
    ROLLUP = 1  # old root, new root, commitment, fees, chain; then come who is paid and the joining circuit's key


STATED = 5  # public inputs of a rollup's circuit that are the statement


class Order(NamedTuple):
    """A requester wants a statement proven."""

    requester: str
    circuit: bytes  # name of the circuit, 32 bytes
    statement: bytes  # hash of the public inputs, see `statement_of`
    ceiling: int  # gwei, the most it pays
    deadline: int  # s since 1970
    nonce: int  # each is good once


class Offer(NamedTuple):
    """A prover would prove an order."""

    order: bytes  # hash of the order
    prover: str
    price: int  # gwei
    bond: int  # gwei of its stake
    prove_by: int  # s since 1970


class Choice(NamedTuple):
    """The coordinator gives an order to who made this offer; anybody may send it."""

    offer: bytes  # hash of the offer, which names the order


class Mandate(NamedTuple):
    """An account lets the coordinator take up to a limit by the rule's verdicts."""

    account: str
    limit: int  # gwei
    until: int  # s since 1970


_FIELDS = {
    Order: ("address requester", "bytes32 circuit", "bytes32 statement", "uint64 ceiling", "uint64 deadline",
            "uint64 nonce"),
    Offer: ("bytes32 order", "address prover", "uint64 price", "uint64 bond", "uint64 proveBy"),
    Choice: ("bytes32 offer",),
    Mandate: ("address account", "uint64 limit", "uint64 until"),
}  # fmt: skip


def message_of(value: Order | Offer | Choice | Mandate, chain_id: int, contract: str) -> SignableMessage:
    """Build what is signed, for one contract on one chain."""
    pairs = [field.split() for field in _FIELDS[type(value)]]
    types = {type(value).__name__: [{"name": name, "type": kind} for kind, name in pairs]}
    content = {name: part for (_, name), part in zip(pairs, value, strict=True)}
    domain = {"name": "Proofyard", "version": "1", "chainId": chain_id, "verifyingContract": contract}
    return encode_typed_data(domain, types, content)


def sign(account: LocalAccount, value: Order | Offer | Choice | Mandate, chain_id: int, contract: str) -> bytes:
    """Sign, 65 bytes."""
    signed: Any = account.sign_message(message_of(value, chain_id, contract))
    return bytes(signed.signature)


def hash_of(value: Order | Offer | Choice | Mandate, chain_id: int, contract: str) -> bytes:
    """Hash under the contract's domain: the name of an order everywhere."""
    message = message_of(value, chain_id, contract)
    return bytes(Web3.keccak(b"\x19" + message.version + message.header + message.body))


def statement_of(inputs: Sequence[bytes], kind: Kind) -> bytes:
    """Hash public inputs, 32 bytes each, to the statement that an order names."""
    return bytes(Web3.keccak(b"".join(inputs if kind == Kind.PLAIN else inputs[:STATED])))
