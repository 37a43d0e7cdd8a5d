"""A load that looks like people: few senders make most transfers, and they come in bursts; all follows from the seed.

Senders   Zipf: the k-th busiest sends in proportion to k^-1.1 (token transfers on public chains fall off about so).
Bursts    a sender who has just sent sends again with probability 0.3.
Amounts   lognormal about 0.05 tokens; fees lognormal about 20,000 gwei.
"""

import hashlib
from collections.abc import Iterator

import numpy as np

from proofyard.core.errors import BadInput
from proofyard.rollup import schnorr
from proofyard.rollup.ledger import DEPTH, Account, Ledger
from proofyard.rollup.transfer import Transfer

CHAIN_ID = 31_337  # what anvil calls itself
ZIPF = 1.1
FEWEST = 2  # accounts: somebody to pay
AGAIN = 0.3
OPENING_GWEI = 100 * 10**9
AMOUNT_GWEI, AMOUNT_SD = 50_000_000, 1.5
FEE_GWEI, FEE_SD = 20_000, 0.6


class Load:
    """Accounts with their secrets, and transfers without end.

    Attributes
    ----------
    ledger : state of the rollup at its beginning; the caller carries transfers out
    secrets : of every account, by index
    """

    def __init__(self, *, seed: int, accounts: int = 64, chain_id: int = CHAIN_ID, depth: int = DEPTH) -> None:
        if not FEWEST <= accounts <= 1 << depth:
            raise BadInput("accounts", f"{FEWEST} to {1 << depth}", accounts)
        self._dice = np.random.default_rng(seed)
        places: list[int] = self._dice.choice(1 << depth, size=accounts, replace=False).tolist()
        self.secrets = {place: _secret(seed, place) for place in places}
        self._keys = {place: schnorr.public_key(secret) for place, secret in self.secrets.items()}
        opened = {place: Account(x, y, OPENING_GWEI, 0) for place, (x, y) in self._keys.items()}
        self.ledger = Ledger(opened, chain_id=chain_id, depth=depth)
        weights = np.arange(1, accounts + 1) ** -ZIPF
        self._places, self._weights = places, weights / weights.sum()
        self._sent = dict.fromkeys(places, 0)
        self._left = dict.fromkeys(places, OPENING_GWEI)

    def transfers(self) -> Iterator[Transfer]:
        """Yield signed transfers that can be carried out in this order."""
        sender = -1
        while True:
            if sender < 0 or self._dice.random() >= AGAIN:
                sender = int(self._dice.choice(self._places, p=self._weights))
            recipient = int(self._dice.choice(self._places, p=self._weights))
            fee = int(FEE_GWEI * self._dice.lognormal(0, FEE_SD))
            amount = int(AMOUNT_GWEI * self._dice.lognormal(0, AMOUNT_SD))
            amount = min(amount, self._left[sender] // 2)
            if recipient == sender or amount + fee > self._left[sender]:
                sender = -1
                continue
            unsigned = Transfer(self.ledger.chain_id, sender, recipient, amount, fee, self._sent[sender])
            self._sent[sender] += 1
            self._left[sender] -= amount + fee
            self._left[recipient] += amount
            yield unsigned.signed(self.secrets[sender], self._keys[sender])


def _secret(seed: int, place: int) -> int:
    """Derive an account's secret; whoever knows the seed knows them all."""
    drawn = hashlib.blake2b(f"proofyard load {seed} {place}".encode(), digest_size=64).digest()
    return int.from_bytes(drawn, "little") % (schnorr.ORDER - 1) + 1
