"""A chain in trouble: slow, away, of two minds. Nothing is lost, nothing is doubled, and what cannot go on says so."""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from chain.yard import Yard

from proofyard.chain import Chain, ChainEvent, Client, Indexer, Outbox, devchain, profiles
from proofyard.chain import outbox as outboxes
from proofyard.chain.connection import RpcError
from proofyard.core.errors import Fault

ROUNDS = 40
DEEPEST = 5  # blocks of a reorganisation
BACKLOG = 4


@pytest.fixture(scope="module")
def shaky(make_yard: Callable[..., Yard]) -> Yard:
    """A market on a chain that the tests stop, start and turn back."""
    yard = make_yard()
    yard.chain.rpc("anvil_mine", hex(2 * DEEPEST))  # the market itself is deeper than any reorganisation
    return yard


def mint(client: Client, name: str) -> None:
    client.send("Token", "mint", client.address, 10**9, name=name)


def minted(client: Client) -> int:
    return client.read("Token", "balanceOf", client.address) // 10**9


def test_a_chain_that_mines_nothing_slows_us_down_and_is_named(shaky: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "BACKLOG", BACKLOG)
    monkeypatch.setattr(outboxes, "WAIT_S", 0.3)
    client = shaky.client(4)
    before = minted(client)
    with shaky.node.turn:
        for k in range(BACKLOG):
            mint(client, f"slow {k}")
        with pytest.raises(Fault, match=f"{BACKLOG} transactions wait, and none was mined"):
            mint(client, "one more")
        assert not client.outbox.knows("one more")
        monkeypatch.setattr(outboxes, "WAIT_S", 600.0)
        waiting = threading.Thread(target=mint, args=(client, "one more"))
        waiting.start()
        assert not client.outbox.knows("one more")
        shaky.chain.rpc("evm_mine")
        waiting.join()
        assert client.outbox.knows("one more")
    client.outbox.wait("one more")
    assert minted(client) == before + BACKLOG + 1


def test_an_outbox_on_a_full_disk_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """What settles may try again after a Fault; after anything else it would end."""
    with devchain.running() as node:
        chain, payee = Chain(profiles.read("anvil"), node.url), devchain.account(2).address
        payer = Outbox(chain, devchain.account(1), tmp_path / "o.db")
        payer.wait(payer.send("first", payee, "0x"))
        (pages,) = payer._db.execute("pragma page_count").fetchone()
        payer._db.execute(f"pragma max_page_count={pages}")
        large = "0x" + "ab" * 30_000
        for _ in range(2):  # it can be tried again
            with pytest.raises(Fault, match=r"outbox: .* full"):
                payer.send("large", payee, large)
            assert not payer.knows("large")
        payer._db.execute("pragma max_page_count=1000000")
        payer.wait(payer.send("large", payee, large))
        payer.wait(payer.send("after it", payee, "0x"))
        payer.close()


def test_a_chain_that_goes_away_loses_and_doubles_nothing(tmp_path: Path) -> None:
    state, port = tmp_path / "state.json", devchain.free_port()
    node = devchain.start(state=state, port=port, block_s=0.1)
    chain = Chain(profiles.read("anvil"), node.url, patience_s=0.2)
    payer, payee = Outbox(chain, devchain.account(1), tmp_path / "o.db"), devchain.account(2).address
    payer.wait(payer.send("first", payee, "0x"))
    with node.turn:
        payer.send("in flight", payee, "0x")  # only in the node's memory when it goes
        node.stop()
    with pytest.raises(Fault, match="Is the node running"):
        payer.wait("in flight")
    with pytest.raises(Fault, match="Is the node running"):
        payer.send("too late", payee, "0x")
    assert not payer.knows("too late")
    payer.close()
    node = devchain.start(state=state, port=port, block_s=0.1)
    try:
        again = Outbox(Chain(profiles.read("anvil"), node.url), devchain.account(1), tmp_path / "o.db")
        for name in ("first", "in flight", "too late"):
            again.wait(again.send(name, payee, "0x"))
        assert int(again.chain.rpc("eth_getTransactionCount", again.sender, "latest"), 16) == 3
        again.close()
    finally:
        node.stop()


def test_a_state_is_saved_between_two_blocks(tmp_path: Path) -> None:
    """What a block did without the block cannot be undone: whoever looks finds money that moved for no reason."""
    state, payer = tmp_path / "state.json", devchain.account(1)
    sender, over = payer.address.lower(), threading.Event()

    def pay(chain: Chain) -> None:
        payment = {"to": payer.address, "gas": 21_000, "gasPrice": 2 * 10**9, "chainId": devchain.CHAIN_ID}
        for nonce in count():
            if over.is_set():
                return
            signed = payer.sign_transaction(payment | {"nonce": nonce})
            chain.rpc("eth_sendRawTransaction", signed.raw_transaction.hex())

    with devchain.running(state=state, block_s=0.002) as node:
        paying = threading.Thread(target=pay, args=(Chain(profiles.read("anvil"), node.url),))
        paying.start()
        nonce = 0
        try:
            for _ in range(120):
                node.save()
                saved = json.loads(state.read_text())
                assert saved["best_block_number"] == len(saved["blocks"]) - 1
                nonce = saved["accounts"].get(sender, {"nonce": 0})["nonce"]
                assert nonce == len(saved["transactions"])
            assert nonce > 100
        finally:
            over.set()
            paying.join()


def test_a_chain_that_cannot_save_its_state_goes_on_and_leaves_nothing_behind(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with devchain.running(state=state, block_s=0.05) as node:
        chain = Chain(profiles.read("anvil"), node.url)
        while not state.exists():
            assert node.process.poll() is None
        with node.turn:
            state.unlink()
            state.mkdir()  # as good as a full disk: no file can take its place
            node.save()
            number = chain.block_number()
        while chain.block_number() == number:
            assert node.process.poll() is None
        assert list(tmp_path.iterdir()) == [state]


def test_a_chain_makes_blocks_by_itself_and_keeps_the_states_of_the_last_ones() -> None:
    """With all of them its memory would grow without end: each has the hashes of all blocks before it."""
    with devchain.running(block_s=0.05, kept=8) as node:
        chain = Chain(profiles.read("anvil"), node.url)
        while (latest := chain.block_number()) < 40:
            assert node.process.poll() is None
        payee = devchain.account(1).address
        assert int(chain.rpc("eth_getBalance", payee, hex(latest)), 16) > 0
        with pytest.raises(RpcError, match="BlockOutOfRange"):
            chain.rpc("eth_getBalance", payee, "0x1")


def apply_told(known: list[ChainEvent], told: list[ChainEvent]) -> None:
    """Follow what an indexer tells: what is gone is the newest of what is known."""
    for event in told:
        if event.gone:
            assert known.pop() == event._replace(gone=False)
        else:
            assert not known or (known[-1].block, known[-1].place) < (event.block, event.place)
            known.append(event)


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_turned_back_is_told_and_sent_again(shaky: Yard, seed: int) -> None:
    dice = random.Random(seed)
    client = shaky.client(1 + seed)
    client.mint(10**6)
    client.deposit(1)
    shaky.chain.rpc("anvil_mine", hex(2 * DEEPEST))
    indexes = [Indexer(shaky.chain, shaky.deployment, confirmations=depth) for depth in (0, 2)]
    known: list[list[ChainEvent]] = [[], []]
    named = [f"deposit {seed} {k}" for k in range(ROUNDS)]
    turned = 0
    for k, name in enumerate(named):
        client.send("Vault", "deposit", k + 2, name=name)
        if dice.random() < 0.7:
            shaky.chain.rpc("anvil_mine", hex(dice.randint(1, 3)))
        if dice.random() < 0.4:
            shaky.chain.rpc("anvil_reorg", dice.randint(1, DEEPEST), [])
            turned += 1
        for index, events in zip(indexes, known, strict=True):
            if dice.random() < 0.6:
                apply_told(events, index.poll())
    assert turned > ROUNDS // 5
    for name in named:
        client.outbox.wait(name)
    shaky.chain.rpc("anvil_mine", "0x3")
    afresh = Indexer(shaky.chain, shaky.deployment, confirmations=2)
    apply_told(fresh := [], afresh.poll())
    for index, events in zip(indexes, known, strict=True):
        apply_told(events, index.poll())
        assert events == index.events()
        assert events[: len(fresh)] == fresh
        mine = [e for e in events if e.name == "Deposited" and e.arguments["account"].lower() == client.address.lower()]
        assert Counter(e.arguments["amount"] for e in mine) == Counter(range(1, ROUNDS + 2))
    assert client.free() == sum(range(1, ROUNDS + 2))
