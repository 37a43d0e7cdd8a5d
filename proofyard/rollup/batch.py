"""Batches: transfers in order, and the statement about them that a proof proves."""

from collections.abc import Sequence
from typing import NamedTuple

from proofyard.core.errors import BadInput
from proofyard.rollup.ledger import Ledger, Step
from proofyard.rollup.poseidon2 import hash_of
from proofyard.rollup.transfer import Transfer, name_of

APPEND, JOIN = name_of("proofyard/append1"), name_of("proofyard/join1")


class Batch(NamedTuple):
    """Transfers that were carried out, and what changed.

    Attributes
    ----------
    chain_id : of every transfer
    depth : of the tree
    old_root, new_root : of the tree of accounts, before and after
    commitment : to the transfers in order, whatever circuit proves them
    fee_gwei : sum of their fees
    steps : the transfers with all that proves them
    """

    chain_id: int
    depth: int
    old_root: int
    new_root: int
    commitment: int
    fee_gwei: int
    steps: tuple[Step, ...]


def commit(transfers: Sequence[Transfer]) -> int:
    """Commit to transfers in order; 0 for none."""
    commitment = 0
    for transfer in transfers:
        commitment = hash_of(APPEND, commitment, transfer.message)
    return commitment


def commit_joined(left: int, right: int) -> int:
    """Commit to what two proofs in a row committed to."""
    return hash_of(JOIN, left, right)


def run_batch(ledger: Ledger, transfers: Sequence[Transfer]) -> Batch:
    """Carry transfers out as one batch.

    Raises
    ------
    BadInput : there are none, or one of them may not be carried out; those before it have been.
    """
    if not transfers:
        raise BadInput("batch", "at least one transfer", "none")
    old_root = ledger.root
    steps = tuple(ledger.apply(transfer) for transfer in transfers)
    fees = sum(transfer.fee_gwei for transfer in transfers)
    return Batch(ledger.chain_id, ledger.tree.depth, old_root, ledger.root, commit(transfers), fees, steps)
