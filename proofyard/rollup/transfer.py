"""A transfer and what its sender signs."""

from typing import NamedTuple

from proofyard.core.errors import BadInput
from proofyard.rollup import schnorr
from proofyard.rollup.poseidon2 import hash_of
from proofyard.rollup.schnorr import Signature

U64 = 2**64


def name_of(text: str) -> int:
    """Turn a name into the number its ASCII letters spell, which begins every hash of its kind.

    >>> hex(name_of("proofyard/join1"))
    '0x70726f6f66796172642f6a6f696e31'
    """
    return int.from_bytes(text.encode("ascii"))


TRANSFER = name_of("proofyard/transfer1")


class Transfer(NamedTuple):
    """One signed payment.

    Attributes
    ----------
    chain_id : the chain it is for; the same transfer is void on another
    sender, recipient : index of an account
    amount_gwei, fee_gwei : below 2^64
    nonce : how many transfers the sender made before
    signature : over all of this
    """

    chain_id: int
    sender: int
    recipient: int
    amount_gwei: int
    fee_gwei: int
    nonce: int
    signature: Signature = Signature(0, 0, 0)

    @property
    def message(self) -> int:
        """The number that is signed."""
        return hash_of(TRANSFER, *self[:-1])

    def signed(self, secret: int, key: tuple[int, int]) -> "Transfer":
        """Return the same transfer with the sender's signature."""
        return self._replace(signature=schnorr.sign(secret, key, self.message))


def check_shape(transfer: Transfer, chain_id: int, accounts: int) -> None:
    """Raise BadInput for a number out of range or another chain."""
    if transfer.chain_id != chain_id:
        raise BadInput("transfer.chain_id", str(chain_id), transfer.chain_id)
    for name in ("sender", "recipient"):
        if not 0 <= getattr(transfer, name) < accounts:
            raise BadInput(f"transfer.{name}", f"an index from 0 to {accounts - 1}", getattr(transfer, name))
    for name in ("amount_gwei", "fee_gwei", "nonce"):
        if not 0 <= getattr(transfer, name) < U64:
            raise BadInput(f"transfer.{name}", "0 to 2^64 − 1", getattr(transfer, name))
