"""Transfers that break one rule each, and the numbers that a dishonest prover would make of them: a leaf's inputs."""

from collections.abc import Callable

from proofyard.proofs.statement import Statement, state_of
from proofyard.rollup import schnorr
from proofyard.rollup.batch import Batch, commit
from proofyard.rollup.field import FR
from proofyard.rollup.ledger import Account, Ledger, Step
from proofyard.rollup.poseidon2 import nodes_above
from proofyard.rollup.transfer import U64, Transfer

DEPTH, SIZE, CHAIN = 2, 2, 31_337
SENDER, RECIPIENT, RICH = 1, 2, 3  # accounts
SECRET = {SENDER: 11, RECIPIENT: 12, RICH: 13}
KEY = {index: schnorr.public_key(secret) for index, secret in SECRET.items()}
HELD = {SENDER: 1_000, RECIPIENT: 500, RICH: U64 - 1}
Case = tuple[Batch, Statement]


def ledger() -> Ledger:
    return Ledger({i: Account(*KEY[i], HELD[i], 0) for i in SECRET}, chain_id=CHAIN, depth=DEPTH)


def signed(sender: int, recipient: int, amount: int, fee: int = 3, nonce: int = 0, chain: int = CHAIN) -> Transfer:
    return Transfer(chain, sender, recipient, amount, fee, nonce).signed(SECRET[sender % 4], KEY[sender % 4])


def follow(transfer: Transfer, sender: Account | None = None, recipient: Account | None = None) -> tuple[Step, int]:
    """Open the accounts a transfer names, whatever they hold, and compute the root as the circuit does.

    Numbers are taken modulo the prime, as a dishonest prover would; `sender`, `recipient` stand in for what is there.
    """
    state = ledger()
    start, end = transfer.sender % 4, transfer.recipient % 4
    sender = sender or state.accounts[start]
    left = (sender.balance_gwei - transfer.amount_gwei - transfer.fee_gwei) % FR
    debited = sender._replace(balance_gwei=left, nonce=sender.nonce + 1)
    path = state.tree.put(start, debited.leaf)
    recipient = recipient or (debited if end == start else state.accounts[end])
    credited = recipient._replace(balance_gwei=(recipient.balance_gwei + transfer.amount_gwei) % FR)
    beside = state.tree.path(end)
    step = Step(transfer, sender, path, recipient, beside)
    return step, nodes_above(credited.leaf, beside, end)[-1]


def leaf(transfer: Transfer, *, changes: dict[str, int] | None = None, **opened: Account) -> Case:
    """One transfer and what a leaf says of it; `changes` go over the public inputs."""
    step, root = follow(transfer, **opened)
    batch = Batch(CHAIN, DEPTH, ledger().root, root, commit([transfer]), transfer.fee_gwei, (step,))
    return batch, state_of(batch, 0xA11CE, 0)._replace(**(changes or {}))


def forged(transfer: Transfer) -> Transfer:
    return transfer._replace(signature=transfer.signature._replace(response=transfer.signature.response + 1))


# What only the constraint of that tag refuses.
LEAF: dict[str, Callable[[], Case]] = {
    "from": lambda: leaf(signed(SENDER + 4, RECIPIENT, 10)),  # another name for account 1
    "to": lambda: leaf(signed(SENDER, RECIPIENT + 4, 10)),
    "signature": lambda: leaf(forged(signed(SENDER, RECIPIENT, 10))),
    "sender": lambda: leaf(signed(SENDER, RECIPIENT, 5_000), sender=Account(*KEY[SENDER], 9_000, 0)),
    "amount": lambda: leaf(signed(SENDER, RECIPIENT, FR - 5)),  # takes 5 from the recipient
    "fee": lambda: leaf(signed(SENDER, RECIPIENT, 10, FR - 5)),  # makes 5 out of nothing
    "overdraft": lambda: leaf(signed(SENDER, RECIPIENT, 998)),
    "recipient": lambda: leaf(signed(SENDER, RECIPIENT, 10), recipient=Account(*KEY[SENDER], 500, 0)),  # a swapped leaf
    "overflow": lambda: leaf(signed(SENDER, RICH, 10)),
    "new root": lambda: leaf(signed(SENDER, RECIPIENT, 10), changes={"new_root": 1}),
    "commitment": lambda: leaf(signed(SENDER, RECIPIENT, 10), changes={"commitment": 1}),
    "fee total": lambda: leaf(signed(SENDER, RECIPIENT, 10), changes={"fee_gwei": 4}),
}


def two(state: Ledger) -> Batch:
    """Carry out two transfers of one sender."""
    old = state.root
    transfers = [signed(SENDER, RECIPIENT, 10), signed(SENDER, RECIPIENT, 20, nonce=1)]
    steps = tuple(map(state.apply, transfers))
    return Batch(CHAIN, DEPTH, old, state.root, commit(transfers), 6, steps)
