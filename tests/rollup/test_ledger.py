"""The ledger against a naive model: dictionaries of balances, and a Merkle tree computed from all its leaves."""

from collections.abc import Callable
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofyard.core.errors import BadInput
from proofyard.rollup import schnorr
from proofyard.rollup.batch import commit, commit_joined, run_batch
from proofyard.rollup.ledger import Account, Ledger, total_gwei
from proofyard.rollup.load import Load
from proofyard.rollup.mempool import PER_SENDER, Mempool
from proofyard.rollup.poseidon2 import hash_of
from proofyard.rollup.transfer import U64, Transfer
from proofyard.rollup.tree import Tree

DEPTH, CHAIN = 3, 31_337
SECRETS = {index: 100 + index for index in (0, 1, 3, 6)}
KEYS = {index: schnorr.public_key(secret) for index, secret in SECRETS.items()}


def ledger(balance: int = 1_000) -> Ledger:
    return Ledger({i: Account(*KEYS[i], balance, 0) for i in SECRETS}, chain_id=CHAIN, depth=DEPTH)


def signed(sender: int, recipient: int, amount: int, fee: int = 1, nonce: int = 0, chain: int = CHAIN) -> Transfer:
    return Transfer(chain, sender, recipient, amount, fee, nonce).signed(SECRETS[sender], KEYS[sender])


def naive_root(leaves: list[int]) -> int:
    """Hash all leaves, two by two."""
    while len(leaves) > 1:
        leaves = [hash_of(leaves[i], leaves[i + 1]) for i in range(0, len(leaves), 2)]
    return leaves[0]


transfers = st.tuples(
    st.sampled_from([*SECRETS]),
    st.sampled_from([*SECRETS]),
    st.integers(0, 1_200),
    st.integers(0, 50),
    st.integers(-1, 1),
)


@given(st.lists(transfers, max_size=12))
@settings(max_examples=40)
def test_ledger_does_what_the_naive_model_does(wanted: list[tuple[int, int, int, int, int]]) -> None:
    state = ledger()
    balance, nonce = dict.fromkeys(SECRETS, 1_000), dict.fromkeys(SECRETS, 0)
    for sender, recipient, amount, fee, slip in wanted:
        transfer = signed(sender, recipient, amount, fee, max(0, nonce[sender] + slip))
        good = transfer.nonce == nonce[sender] and amount + fee <= balance[sender]
        before = state.root
        if not good:
            with pytest.raises(BadInput):
                state.apply(transfer)
            assert state.root == before
            continue
        state.apply(transfer)
        balance[sender] -= amount + fee
        balance[recipient] += amount
        nonce[sender] += 1
    assert {i: account.balance_gwei for i, account in state.accounts.items()} == balance
    leaves = [Account(*KEYS[i], balance[i], nonce[i]).leaf if i in SECRETS else 0 for i in range(1 << DEPTH)]
    assert state.root == naive_root(leaves)


@given(st.integers(1, 4), st.dictionaries(st.integers(0, 15), st.integers(0, 2**250), max_size=6))
@settings(max_examples=40)
def test_sparse_tree_is_the_tree(depth: int, leaves: dict[int, int]) -> None:
    tree = Tree(depth)
    kept = {index % (1 << depth): leaf for index, leaf in leaves.items()}
    for index, leaf in kept.items():
        tree.put(index, leaf)
    assert tree.root == naive_root([kept.get(i, 0) for i in range(1 << depth)])


def test_every_refusal_says_why() -> None:
    state = ledger()
    good = signed(0, 1, 10)
    forged = good._replace(signature=good.signature._replace(response=good.signature.response ^ 1))
    others = good._replace(signature=signed(1, 0, 10).signature)
    cases = [
        (signed(0, 1, 10, chain=1), r"transfer\.chain_id: wanted 31337, got 1\."),
        (signed(0, 5, 10), r"transfer\.recipient: wanted an account that exists, got 5\."),
        (signed(0, 9, 10), r"transfer\.recipient: wanted an index from 0 to 7, got 9\."),
        (signed(0, 1, 10, nonce=1), r"transfer\.nonce: wanted 0, got 1\."),
        (signed(0, 1, 1_000), r"transfer\.amount_gwei: wanted at most 1000 gwei with its fee, got 1001 gwei\."),
        (signed(0, 1, U64), r"transfer\.amount_gwei: wanted 0 to 2\^64 − 1, got 18446744073709551616\."),
        (forged, r"transfer\.signature: wanted one of account 0, got another\."),
        (others, r"transfer\.signature: wanted one of account 0, got another\."),
        (good._replace(amount_gwei=11), r"transfer\.signature"),
    ]
    before = state.root
    for transfer, sentence in cases:
        with pytest.raises(BadInput, match=sentence):
            state.apply(transfer)
    assert state.root == before
    state.apply(good)
    with pytest.raises(BadInput, match=r"transfer\.nonce: wanted 1, got 0\."):  # a replay
        state.apply(good)


def test_a_balance_never_passes_64_bits() -> None:
    rich = Ledger({0: Account(*KEYS[0], 10, 0), 1: Account(*KEYS[1], U64 - 5, 0)}, chain_id=CHAIN, depth=DEPTH)
    with pytest.raises(BadInput, match="a balance of the recipient below"):
        rich.apply(signed(0, 1, 5))
    rich.apply(signed(0, 1, 4))
    assert rich.accounts[1].balance_gwei == U64 - 1
    rich.apply(signed(1, 1, U64 - 2, nonce=0))  # to oneself: what comes is what went
    assert rich.accounts[1].balance_gwei == U64 - 2


def test_accounts_of_no_key_are_refused() -> None:
    with pytest.raises(BadInput, match="a key of Grumpkin"):
        Ledger({0: Account(1, 1, 0, 0)}, chain_id=CHAIN, depth=DEPTH)


@given(st.binary(min_size=1, max_size=32), st.integers(0, 2**253))
@settings(max_examples=20)
def test_only_the_signed_message_of_the_key_verifies(seed: bytes, message: int) -> None:
    secret = int.from_bytes(seed, "little") % (schnorr.ORDER - 1) + 1
    key = schnorr.public_key(secret)
    signature = schnorr.sign(secret, key, message)
    assert schnorr.is_signed(key, message, signature)
    assert not schnorr.is_signed(key, message ^ 1, signature)
    assert not schnorr.is_signed(KEYS[0], message, signature)
    beyond = signature._replace(response=signature.response + schnorr.ORDER)
    assert not schnorr.is_signed(key, message, beyond)


def test_a_batch_commits_to_its_transfers_in_order() -> None:
    state = ledger()
    done = run_batch(state, [signed(0, 1, 10), signed(1, 0, 5)])
    assert done.commitment == commit([step.transfer for step in done.steps])
    assert done.commitment != commit([step.transfer for step in reversed(done.steps)])
    assert commit_joined(1, 2) != commit_joined(2, 1)
    assert (done.fee_gwei, done.new_root) == (2, state.root)
    with pytest.raises(BadInput, match="at least one transfer"):
        run_batch(state, [])


def test_mempool_takes_the_best_fee_first_and_nonces_in_order() -> None:
    state = ledger()
    pool = Mempool(state)
    for transfer in (signed(0, 1, 1, 5, 1), signed(0, 1, 1, 1, 0), signed(1, 0, 1, 3, 0), signed(3, 0, 2_000, 9, 0)):
        pool.add(transfer)
    taken = pool.take(10)
    assert [(t.sender, t.nonce) for t in taken] == [(1, 0), (0, 0), (0, 1)]  # the overdraft of 3 was dropped
    assert len(pool) == 0
    run_batch(state, taken)


def refusals() -> list[tuple[str, Callable[[Mempool], object]]]:
    return [
        ("chain_id", lambda pool: pool.add(signed(0, 1, 1, chain=2))),
        ("signature", lambda pool: pool.add(signed(0, 1, 1)._replace(fee_gwei=7))),
        ("more than 1 gwei, to replace one", lambda pool: [pool.add(signed(0, 1, 1)) for _ in range(2)]),
        (
            f"at most {PER_SENDER} waiting",
            lambda pool: [pool.add(signed(0, 1, 1, 1, k)) for k in range(PER_SENDER + 1)],
        ),
    ]


@pytest.mark.parametrize(("sentence", "act"), refusals())
def test_mempool_refuses(sentence: str, act: Callable[[Mempool], object]) -> None:
    with pytest.raises(BadInput, match=sentence):
        act(Mempool(ledger()))


def test_mempool_replaces_for_a_better_fee_and_forgets_what_was_done() -> None:
    state = ledger()
    pool = Mempool(state)
    pool.add(signed(0, 1, 1, 1))
    pool.add(signed(0, 1, 2, 2))
    state.apply(signed(0, 3, 1, 1))  # nonce 0 came by another way
    assert pool.take(5) == []
    assert len(pool) == 0
    with pytest.raises(BadInput, match=r"transfer\.nonce: wanted 1 or more, got 0"):
        pool.add(signed(0, 1, 1, 9))


def test_load_follows_from_its_seed_and_can_be_carried_out() -> None:
    first, second = (Load(seed=5, accounts=16, depth=6) for _ in range(2))
    batches = [list(islice(load.transfers(), 120)) for load in (first, second)]
    assert batches[0] == batches[1]
    before = total_gwei(first.ledger.accounts.values())
    done = run_batch(first.ledger, batches[0])
    assert total_gwei(first.ledger.accounts.values()) == before - done.fee_gwei
    counts = sorted((sum(t.sender == place for t in batches[0]) for place in first.secrets), reverse=True)
    assert sum(counts[:4]) > 60  # Zipf: a quarter of the accounts makes most transfers
    repeats = sum(a.sender == b.sender for a, b in zip(batches[0], batches[0][1:], strict=False))
    assert repeats > 30  # bursts
