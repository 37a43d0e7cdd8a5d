"""The state of the rollup: who holds how much, in a tree whose root says it all, and how a transfer changes it.

Units   gwei; indices of leaves; roots and hashes are numbers below the prime of the circuits.
Money   amounts move from sender to recipient; fees leave the tree, and the chain pays them out by the batch's total.
Source  the circuit `proofs/circuits/leaf/transfer.nr` holds the same rules; tests hold the two together.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from proofyard.core.errors import BadInput
from proofyard.rollup import schnorr
from proofyard.rollup.poseidon2 import hash_of
from proofyard.rollup.transfer import U64, Transfer, check_shape
from proofyard.rollup.tree import Tree

DEPTH = 16  # 65,536 accounts


class Account(NamedTuple):
    """What a leaf of the tree holds."""

    x: int  # public key
    y: int
    balance_gwei: int
    nonce: int

    @property
    def leaf(self) -> int:
        """The hash that stands in the tree."""
        return hash_of(*self)

    @property
    def key(self) -> tuple[int, int]:
        """The public key as a point."""
        return self.x, self.y


class Step(NamedTuple):
    """A transfer with all that proves it: both accounts as they were found, and their paths."""

    transfer: Transfer
    sender: Account
    sender_path: list[int]
    recipient: Account  # after the sender was debited, which matters if they are the same
    recipient_path: list[int]


class Ledger:
    """All accounts of one rollup.

    Attributes
    ----------
    chain_id : transfers for other chains are refused
    tree : over the leaves of all accounts
    accounts : by index
    """

    def __init__(self, accounts: Mapping[int, Account], *, chain_id: int, depth: int = DEPTH) -> None:
        self.chain_id = chain_id
        self.tree = Tree(depth)
        self.accounts: dict[int, Account] = {}
        for index, account in accounts.items():
            if not 0 <= index < 1 << depth:
                raise BadInput("account", f"an index from 0 to {(1 << depth) - 1}", index)
            if not schnorr.is_key(account.key) or not 0 <= account.balance_gwei < U64:
                raise BadInput(f"account {index}", "a key of Grumpkin and a balance below 2^64 gwei", tuple(account))
            self._write(index, account)

    @property
    def root(self) -> int:
        """Root of the tree of accounts."""
        return self.tree.root

    def apply(self, transfer: Transfer) -> Step:
        """Carry a transfer out.

        Raises
        ------
        BadInput : it may not be carried out (the field says why); nothing has changed.
        """
        self.check(transfer)
        sender = self.accounts[transfer.sender]
        spent = transfer.amount_gwei + transfer.fee_gwei
        debited = sender._replace(balance_gwei=sender.balance_gwei - spent, nonce=sender.nonce + 1)
        sender_path = self._write(transfer.sender, debited)
        recipient = self.accounts[transfer.recipient]
        credited = recipient._replace(balance_gwei=recipient.balance_gwei + transfer.amount_gwei)
        return Step(transfer, sender, sender_path, recipient, self._write(transfer.recipient, credited))

    def check(self, transfer: Transfer) -> None:
        """Raise BadInput unless the transfer may be carried out now."""
        check_shape(transfer, self.chain_id, 1 << self.tree.depth)
        for name in ("sender", "recipient"):
            if getattr(transfer, name) not in self.accounts:
                raise BadInput(f"transfer.{name}", "an account that exists", getattr(transfer, name))
        sender, recipient = self.accounts[transfer.sender], self.accounts[transfer.recipient]
        if transfer.nonce != sender.nonce:
            raise BadInput("transfer.nonce", str(sender.nonce), transfer.nonce)
        spent = transfer.amount_gwei + transfer.fee_gwei
        if spent > sender.balance_gwei:
            raise BadInput("transfer.amount_gwei", f"at most {sender.balance_gwei} gwei with its fee", f"{spent} gwei")
        held = recipient.balance_gwei - (spent if transfer.sender == transfer.recipient else 0)
        if held + transfer.amount_gwei >= U64:
            raise BadInput("transfer.amount_gwei", "a balance of the recipient below 2^64 gwei", transfer.amount_gwei)
        if not schnorr.is_signed(sender.key, transfer.message, transfer.signature):
            raise BadInput("transfer.signature", f"one of account {transfer.sender}", "another")

    def _write(self, index: int, account: Account) -> list[int]:
        """Set an account; return its path."""
        self.accounts[index] = account
        return self.tree.put(index, account.leaf)


def total_gwei(accounts: Iterable[Account]) -> int:
    """Add all balances up."""
    return sum(account.balance_gwei for account in accounts)
