"""What a role does on the chain: one method for each act. Amounts gwei, times s since 1970."""

import secrets
from collections.abc import Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

from eth_abi.abi import decode
from eth_account.signers.local import LocalAccount

from proofyard.chain import signing
from proofyard.chain.connection import Chain
from proofyard.chain.deployment import Deployment, abi_of, calldata, type_of
from proofyard.chain.outbox import Outbox, Receipt
from proofyard.chain.profiles import WEI
from proofyard.chain.signing import Choice, Mandate, Offer, Order
from proofyard.core.errors import BadInput, Fault

BURNT = "0x000000000000000000000000000000000000dead"  # nobody has its key


class Bearer(IntEnum):
    """Who bears the slashes of an operator."""

    EVERYONE = 0
    OPERATOR = 1


class Payment(NamedTuple):
    """A job that a batch pays."""

    order: Order
    signature: bytes
    prover: str
    price: int  # gwei


class Batch(NamedTuple):
    """A part of the journal, and the proof under which its jobs are paid."""

    previous: bytes  # head of the journal after the last batch
    head: bytes  # head of the journal now
    circuit: bytes = bytes(32)
    proof: bytes = b""
    inputs: Sequence[bytes] = ()
    parts: Sequence[
        tuple[bytes, bytes, bytes, int]
    ] = ()  # joined: old root, new root, commitment, fees of each payment


class Client:
    """One account in one market.

    Parameters
    ----------
    chain : where
    deployment : which market; checked against the chain
    account : who acts
    outbox : SQLite file of its transactions

    Raises
    ------
    BadInput : the market is on another chain, or its contracts are of another version.
    """

    def __init__(
        self, chain: Chain, deployment: Deployment, account: LocalAccount, outbox: Path | str = ":memory:"
    ) -> None:
        deployment.check(chain)
        self.chain = chain
        self.deployment = deployment
        self.account = account
        self.address = str(account.address)
        self.outbox = Outbox(chain, account, outbox)

    # The two ways to reach a contract.

    def send(self, contract: str, function: str, *arguments: Any, name: str = "") -> str:
        """Send a transaction to a contract; with a name, only once. Returns the name. Raises as `Outbox.send`."""
        name = name or f"{contract}.{function} {secrets.token_hex(8)}"
        return self.outbox.send(name, self.at(contract), calldata(contract, function, *arguments))

    def do(self, contract: str, function: str, *arguments: Any, name: str = "") -> Receipt:
        """Send, and wait until it is on the chain. Raises as `Outbox.send` and `wait`."""
        return self.outbox.wait(self.send(contract, function, *arguments, name=name))

    def read(self, contract: str, function: str, *arguments: Any, block: str = "latest") -> Any:
        """Call a view as of a block; a single value comes alone, several as a tuple. Raises Reverted, Fault."""
        answer = self.ask(contract, function, *arguments, block=block)
        if not answer:
            raise Fault(
                f"{contract}: wanted a contract at {self.at(contract)}, there is none: did the chain forget it?"
            )
        values = decode([type_of(part) for part in abi_of(contract, function)["outputs"]], answer)
        return values[0] if len(values) == 1 else values

    def ask(self, contract: str, function: str, *arguments: Any, block: str = "latest") -> bytes:
        """Call without a transaction, for the answer as it comes. Raises Reverted, Fault."""
        call = {"from": self.address, "to": self.at(contract), "data": calldata(contract, function, *arguments)}
        return self.chain.call(call, f"{contract}.{function}", block)

    def at(self, contract: str) -> str:
        """Address of a contract. Raises BadInput if the market has none of that name."""
        if contract not in self.deployment.addresses:
            raise BadInput("contract", f"one of {', '.join(self.deployment.addresses)}", contract)
        return self.deployment.addresses[contract]

    # Money.

    def mint(self, gwei: int, *, name: str = "") -> Receipt:
        """Make test tokens."""
        return self.do("Token", "mint", self.address, gwei * WEI, name=name)

    def deposit(self, gwei: int, *, name: str = "") -> Receipt:
        """Put money into the vault, allowing it to take the tokens first."""
        held = self.read("Token", "balanceOf", self.address)
        if held < gwei * WEI:
            raise BadInput("deposit", f"{gwei} gwei of tokens at {self.address}", held // WEI)
        if self.read("Token", "allowance", self.address, self.at("Vault")) < gwei * WEI:
            self.do("Token", "approve", self.at("Vault"), 2**256 - 1, name=name and f"{name}, allowance")
        return self.do("Vault", "deposit", gwei, name=name)

    def leave(self, gwei: int, *, name: str = "") -> Receipt:
        """Ask for money back; `withdraw` after the delay."""
        return self.do("Vault", "leave", gwei, name=name)

    def withdraw(self, *, name: str = "") -> Receipt:
        """Take out what was asked back."""
        return self.do("Vault", "withdraw", name=name)

    def free(self, account: str = "") -> int:
        """Free balance, gwei."""
        return self.read("Vault", "accounts", account or self.address)[0]

    def pool(self, operator: str = "") -> dict[str, int]:
        """Stake of an operator, by the names of the contract's `Pool`."""
        names = [part["name"] for part in abi_of("Vault", "poolOf")["outputs"][0]["components"]]
        return dict(zip(names, self.read("Vault", "poolOf", operator or self.address), strict=True))

    def set_terms(self, commission: int, bearer: Bearer, *, name: str = "") -> Receipt:
        """Name the commission (bips) and who bears slashes."""
        return self.do("Vault", "setTerms", commission, int(bearer), name=name)

    def stake(self, gwei: int, *, name: str = "") -> Receipt:
        """Stake free money."""
        return self.do("Vault", "stake", gwei, name=name)

    def unstake(self, gwei: int, *, name: str = "") -> Receipt:
        """Queue own stake; `exit` when it has waited."""
        return self.do("Vault", "unstake", gwei, name=name)

    def exit(self, *, name: str = "") -> Receipt:
        """Free own stake that has waited."""
        return self.do("Vault", "exit", name=name)

    def delegate(
        self, operator: str, gwei: int, *, most: int | None = None, bearer: Bearer | None = None, name: str = ""
    ) -> Receipt:
        """Delegate free money on terms: the most commission (bips) and who bears slashes; those of now by default."""
        terms = self.pool(operator)
        worst = max(terms["commission"], terms["nextCommission"] if terms["nextFrom"] else 0)
        seen = worst if most is None else most, int(terms["bearer"] if bearer is None else bearer)
        return self.do("Vault", "delegate", operator, gwei, *seen, name=name)

    def undelegate(self, operator: str, shares: int, *, name: str = "") -> Receipt:
        """Queue shares; `collect` when they have waited."""
        return self.do("Vault", "undelegate", operator, shares, name=name)

    def collect(self, operator: str, *, name: str = "") -> Receipt:
        """Free delegated money that has waited."""
        return self.do("Vault", "collect", operator, name=name)

    # Jobs.

    def sign(self, value: Order | Offer | Choice | Mandate, contract: str = "Market") -> bytes:
        """Sign for `Market` or `Settlement` of this market on this chain."""
        return signing.sign(self.account, value, self.deployment.chain_id, self.at(contract))

    def hash(self, value: Order | Offer | Choice | Mandate, contract: str = "Market") -> bytes:
        """Hash for `Market` or `Settlement`: the name of an order there."""
        return signing.hash_of(value, self.deployment.chain_id, self.at(contract))

    def request(self, order: Order, signature: bytes = b"", *, name: str = "") -> Receipt:
        """Put an order into escrow: the own one, or somebody's with its signature."""
        return self.do("Market", "request", tuple(order), signature, name=name)

    def assign(
        self, order: Order, order_signed: bytes, offer: Offer, offer_signed: bytes, *, name: str = ""
    ) -> Receipt:
        """Give an order to a prover: the coordinator only."""
        self.check_coordinator()
        return self.do("Market", "assign", tuple(order), order_signed, tuple(offer), offer_signed, name=name)

    def choose(self, offer: Offer) -> bytes:
        """Sign the choice of an offer, for `assign_signed`: the coordinator only. Raises BadInput."""
        self.check_coordinator()
        return self.sign(Choice(self.hash(offer)))

    def assign_signed(
        self, order: Order, order_signed: bytes, offer: Offer, offer_signed: bytes, chosen: bytes, *, name: str = ""
    ) -> Receipt:
        """Give an order to the prover the coordinator chose: anybody who has all three signatures."""
        signed = (tuple(order), order_signed, tuple(offer), offer_signed, chosen)
        return self.do("Market", "assignSigned", *signed, name=name)

    def prove(self, order: Order, proof: bytes, inputs: Sequence[bytes], *, name: str = "") -> Receipt:
        """Prove a job; the prover it was given to is paid."""
        if order.statement not in {signing.statement_of(inputs, kind) for kind in signing.Kind}:
            raise BadInput("proof", "public inputs of the order's statement", "a proof for another one")
        return self.do("Market", "prove", tuple(order), proof, list(inputs), name=name)

    def expire(self, order: Order, *, name: str = "") -> Receipt:
        """End a job whose time is over."""
        return self.do("Market", "expire", tuple(order), name=name)

    def job(self, order: Order) -> dict[str, Any]:
        """State of a job in the market, by the names of the contract's `Job`."""
        names = [part["name"] for part in abi_of("Market", "jobs")["outputs"]]
        return dict(zip(names, self.read("Market", "jobs", self.hash(order)), strict=True))

    # Batches.

    def grant(self, mandate: Mandate, signature: bytes = b"", *, name: str = "") -> Receipt:
        """Let the coordinator take up to a limit by the rule's verdicts."""
        return self.do("Settlement", "grant", tuple(mandate), signature, name=name)

    def settle(
        self, batch: Batch, payments: Sequence[Payment], changes: Mapping[str, int], *, name: str = ""
    ) -> Receipt:
        """Settle a part of the journal: the coordinator only.

        Parameters
        ----------
        batch : its heads, and the proof
        payments : jobs, in the order in which the proof joins their statements
        changes : gwei by account besides the payments, below zero if taken; they sum to zero; who is named gets
            or gives what is open of it, too
        name : of the transaction; by default of the journal's head, so that a part is settled once

        Raises
        ------
        BadInput : this key is not the coordinator's, or the changes don't sum to zero; nothing was sent.
        """
        self.check_coordinator()
        if sum(changes.values()):
            raise BadInput("changes", "amounts that sum to zero", sum(changes.values()))
        ordered = sorted(changes.items(), key=lambda change: self._turn(*change))
        paid = [(tuple(p.order), p.signature, p.prover, p.price) for p in payments]
        data = (batch.previous, batch.head, batch.circuit, batch.proof, list(batch.inputs), list(batch.parts))
        return self.do("Settlement", "settle", data, paid, ordered, name=name or f"settle {batch.head.hex()}")

    def recall(self, account: str, gwei: int, *, name: str = "") -> str:
        """Call money back that a mandate holds and its owner asks back; does not wait. The coordinator only."""
        self.check_coordinator()
        return self.send("Settlement", "recall", account, gwei, name=name)

    def _turn(self, account: str, gwei: int) -> int:
        """Say when a change has its turn: when there is too little, what is burnt waits first, then the coordinator."""
        if gwei < 0:
            return 0
        return {self.deployment.coordinator.lower(): 2, BURNT: 3}.get(account.lower(), 1)

    def check_coordinator(self) -> None:
        """Refuse a key that is not the coordinator's. Raises BadInput."""
        if self.address != self.deployment.coordinator:
            raise BadInput("key", f"the coordinator's ({self.deployment.coordinator})", self.address)
