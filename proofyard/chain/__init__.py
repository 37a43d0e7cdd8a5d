"""The chain side of a market: contracts that hold the money and verify proofs, and the client that talks to them."""

from eth_account import Account

from proofyard.chain.client import Batch, Bearer, Client, Payment
from proofyard.chain.connection import Chain
from proofyard.chain.deployment import Circuit, Deployment, Terms, deploy
from proofyard.chain.indexer import ChainEvent, Indexer
from proofyard.chain.outbox import Outbox, Receipt
from proofyard.chain.reverts import Reverted
from proofyard.chain.signing import Choice, Kind, Mandate, Offer, Order, statement_of

__all__ = [
    "Account", "Batch", "Bearer", "Chain", "ChainEvent", "Choice", "Circuit", "Client", "Deployment", "Indexer", "Kind",
    "Mandate", "Offer", "Order", "Outbox", "Payment", "Receipt", "Reverted", "Terms", "deploy", "statement_of",
]  # fmt: skip
