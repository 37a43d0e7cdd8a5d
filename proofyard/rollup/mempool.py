"""Transfers that wait for a batch: the best fee first, each sender's in the order of their nonces."""

import heapq
from collections import defaultdict

from proofyard.core.errors import BadInput
from proofyard.rollup import schnorr
from proofyard.rollup.ledger import Ledger
from proofyard.rollup.transfer import Transfer, check_shape

PER_SENDER = 64  # waiting transfers of one sender; keeps a spammer from filling the pool
CAPACITY = 100_000


class Mempool:
    """Waiting transfers of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: dict[int, dict[int, Transfer]] = defaultdict(dict)  # by sender, by nonce
        self._count = 0

    def __len__(self) -> int:
        """Count the waiting transfers."""
        return self._count

    def add(self, transfer: Transfer) -> None:
        """Take a transfer in; one with the sender, nonce and a lower fee of a waiting one is replaced.

        Raises
        ------
        BadInput : malformed, for another chain, already carried out, badly signed, or there is no room for it.
        """
        ledger = self._ledger
        check_shape(transfer, ledger.chain_id, 1 << ledger.tree.depth)
        sender = ledger.accounts.get(transfer.sender)
        if sender is None:
            raise BadInput("transfer.sender", "an account that exists", transfer.sender)
        if transfer.nonce < sender.nonce:
            raise BadInput("transfer.nonce", f"{sender.nonce} or more", transfer.nonce)
        mine = self._waiting[transfer.sender]
        old = mine.get(transfer.nonce)
        if old is not None and old.fee_gwei >= transfer.fee_gwei:
            raise BadInput("transfer.fee_gwei", f"more than {old.fee_gwei} gwei, to replace one", transfer.fee_gwei)
        if old is None and (len(mine) >= PER_SENDER or self._count >= CAPACITY):
            raise BadInput("transfer", f"at most {PER_SENDER} waiting of a sender and {CAPACITY} in all", "one more")
        if not schnorr.is_signed(sender.key, transfer.message, transfer.signature):
            raise BadInput("transfer.signature", f"one of account {transfer.sender}", "another")
        mine[transfer.nonce] = transfer
        self._count += old is None

    def take(self, count: int) -> list[Transfer]:
        """Remove and return up to `count` transfers that can be carried out in this order.

        One that can't (an overdraft, say) is dropped; those after it of the same sender wait for one with its nonce.
        """
        best: list[tuple[int, int, int]] = []  # fee (negative: the best first), sender, nonce
        for sender in list(self._waiting):
            self._offer(best, sender, self._ledger.accounts[sender].nonce)
        balance = {index: account.balance_gwei for index, account in self._ledger.accounts.items()}
        taken: list[Transfer] = []
        while best and len(taken) < count:
            _, sender, nonce = heapq.heappop(best)
            transfer = self._waiting[sender].pop(nonce)
            self._count -= 1
            if self._fits(balance, transfer):
                taken.append(transfer)
                self._offer(best, sender, nonce + 1)
        self._forget_done()
        return taken

    def _offer(self, best: list[tuple[int, int, int]], sender: int, nonce: int) -> None:
        """Put the sender's next transfer among the candidates."""
        transfer = self._waiting[sender].get(nonce)
        if transfer is not None:
            heapq.heappush(best, (-transfer.fee_gwei, sender, nonce))

    @staticmethod
    def _fits(balance: dict[int, int], transfer: Transfer) -> bool:
        """Move money in `balance` if the transfer can be carried out."""
        spent = transfer.amount_gwei + transfer.fee_gwei
        if transfer.recipient not in balance or spent > balance[transfer.sender]:
            return False
        balance[transfer.sender] -= spent
        if balance[transfer.recipient] + transfer.amount_gwei >= 2**64:
            balance[transfer.sender] += spent
            return False
        balance[transfer.recipient] += transfer.amount_gwei
        return True

    def _forget_done(self) -> None:
        """Drop transfers whose nonce has passed, and senders without any."""
        for sender, mine in list(self._waiting.items()):
            for nonce in [nonce for nonce in mine if nonce < self._ledger.accounts[sender].nonce]:
                del mine[nonce]
                self._count -= 1
            if not mine:
                del self._waiting[sender]
