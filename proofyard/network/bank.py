"""The coordinator at the counter of the chain: what came in and went out there, is a proof good there, settle a part.

Everything here waits for the chain's node; call it from a thread.
"""

import threading
from collections.abc import Mapping
from itertools import count
from math import ceil
from pathlib import Path
from typing import NamedTuple

from proofyard.chain import (
    Batch,
    Chain,
    ChainEvent,
    Client,
    Deployment,
    Indexer,
    Mandate,
    Order,
    Payment,
    Receipt,
    Reverted,
    profiles,
)
from proofyard.core.book import MAX_GWEI
from proofyard.core.errors import BadInput
from proofyard.network.messages import Signer
from proofyard.network.orders import words
from proofyard.proofs.statement import Proof

FOREVER = 2**62  # s since 1970
AWAY_S = 5.0  # s the chain's node may be away before messages are refused
MOST_ACTORS = 400  # a batch that moves everybody's money has to fit into a transaction
REACT_BLOCKS = 4  # beyond the confirmations, until money that is asked back has been called back


class Block(NamedTuple):
    """A block whose hash counts."""

    number: int
    hash: str  # 0x…


class Bank:
    """One coordinator's side of the chain.

    Parameters
    ----------
    url : of the chain's node
    deployment : the market's contracts
    signer : the coordinator's key
    outbox : file of its transactions
    profile : of the chain

    Raises
    ------
    BadInput : another chain, other contracts, or another coordinator's; a vault that lets money go too soon.
    Fault : nobody answers.
    """

    def __init__(
        self, url: str, deployment: Deployment, signer: Signer, outbox: Path | str = ":memory:", profile: str = "anvil"
    ) -> None:
        self.chain = Chain(profiles.read(profile), url, patience_s=AWAY_S)
        self.client = Client(self.chain, deployment, signer.account(), outbox)
        self.client.check_coordinator()
        self.deployment = deployment
        self.contract = deployment.addresses["Settlement"].lower()
        self.delay = int(self.client.read("Vault", "DELAY"))  # s from asking for money back to having it
        needed = ceil(2 * (self.chain.profile.confirmations + REACT_BLOCKS) * self.chain.profile.block_s)
        if self.delay < needed:
            wanted = f"a vault whose delay is at least {needed} s on {profile}: until then money can be called back"
            raise BadInput("deployment", wanted, f"{self.delay} s")
        self._indexer = Indexer(self.chain, deployment)
        self._paying = threading.Lock()

    def open_house(self, reserve: int) -> None:
        """Put what the rule has at genesis into the vault, in test tokens, and let the rule move it."""
        if not self.client.outbox.knows("house: mandate"):
            if reserve:
                self.client.mint(reserve, name="house: mint")
                self.client.deposit(reserve, name="house: deposit")
            self.client.grant(Mandate(self.client.address, MAX_GWEI, FOREVER), name="house: mandate")

    def poll(self) -> list[ChainEvent]:
        """Read what is new on the chain."""
        return self._indexer.poll()

    def newest(self) -> tuple[int, Block]:
        """Return the number of the newest block, by the last `poll`, and the newest that has its confirmations."""
        header = self._indexer.head or self.chain.rpc("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 - JSON-RPC
        newest = int(header["number"], 16)
        deep = max(0, newest - self.chain.profile.confirmations)
        if deep < newest:
            header = self._indexer.header(deep) or header
        return newest, Block(deep, header["hash"])

    def now(self) -> int:
        """Return the chain's time, s since 1970."""
        header = self.chain.rpc("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 - JSON-RPC
        return int(header["timestamp"], 16)

    def head(self) -> bytes:
        """Return the hash of the row up to which the chain has settled; zeros at first."""
        return self.client.read("Settlement", "head")

    def reconcile(self) -> bytes:
        """Send again, in order, what the chain does not have of all that was signed; then return its head."""
        with self._paying:
            self.client.outbox.resume()
            return self.head()

    def mandate_left(self, address: str) -> int:
        """Return how many gwei of an account's mandate, as far as it counts, are left; 0 when it has ended."""
        deep = max(0, self.chain.block_number() - self.chain.profile.confirmations)
        limit, used, until, _ = self.client.read("Settlement", "granted", address, block=hex(deep))
        return limit - used if until > self.now() else 0

    def held(self, address: str) -> int:
        """Return what an account has in the vault, gwei, with what it has asked back and not taken."""
        free, leaving, _ = self.client.read("Vault", "accounts", address)
        return free + leaving

    def recall(self, address: str, gwei: int, name: str) -> None:
        """Call money back that the rule holds, once; does not wait. Raises Reverted, Fault, BadInput."""
        self.client.recall(address, gwei, name=name)

    def is_used(self, order: Order) -> bool:
        """Say whether an order was paid or cancelled."""
        return self.client.read("Settlement", "isUsed", order.requester, order.nonce)

    def why_not(self, order: Order, payee: str, proof: bytes) -> str:
        """Say why the contract would refuse a proof for an order, "" if it would take it."""
        try:
            made = Proof.from_json(proof)
            arguments = (order.circuit, order.statement, payee, made.data, words(made.statement))
            self.client.ask("Verifier", "check", *arguments)
        except Reverted as error:
            return f"the chain refuses it: {error.error}"
        except BadInput as error:
            return str(error)
        return ""

    def settle(self, batch: Batch, payments: list[Payment], changes: Mapping[str, int]) -> Receipt:
        """Settle a batch, once; anew if it was refused on the chain before. Raises Reverted, Fault, BadInput."""
        with self._paying:
            tries = (f"settle {batch.previous.hex()} {batch.head.hex()} {turn}" for turn in count())
            name = next(each for each in tries if not self.client.outbox.failed(each))
            return self.client.settle(batch, payments, changes, name=name)
