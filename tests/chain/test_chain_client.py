"""The client: sent once whatever happens, bad input in one sentence, a chain that changes its mind."""

import json
import sqlite3
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chain.yard import TOKEN, Yard
from eth_account import Account

from proofyard.chain import Chain, Client, Deployment, Indexer, Outbox, Reverted, devchain, profiles
from proofyard.chain.deployment import calldata
from proofyard.chain.outbox import Receipt
from proofyard.core.errors import BadInput, Fault


@pytest.fixture
def rich(yard: Yard) -> Client:
    client = yard.client(3)
    client.mint(10 * TOKEN)
    return client


def minting(client: Client, gwei: int = 1) -> tuple[str, str]:
    return client.at("Token"), calldata("Token", "mint", client.address, gwei * 10**9)


def balance(client: Client) -> int:
    return client.read("Token", "balanceOf", client.address) // 10**9


def test_a_name_is_sent_once(rich: Client) -> None:
    before = balance(rich)
    rich.mint(5, name="pocket money")
    rich.mint(5, name="pocket money")
    assert balance(rich) == before + 5


def test_a_crash_between_sending_and_confirming_neither_loses_nor_doubles(yard: Yard, tmp_path: Path) -> None:
    client = yard.client(4)
    before = balance(client)
    path = tmp_path / "outbox.db"
    first = Outbox(yard.chain, yard.accounts[4], path)
    first.send("once", *minting(client, 7))
    first.close()  # it died before it saw the receipt
    second = Outbox(yard.chain, yard.accounts[4], path)
    second.send("once", *minting(client, 7))
    assert isinstance(second.wait("once"), Receipt)
    assert balance(client) == before + 7
    second.close()


def test_a_crash_before_sending_is_made_good(yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = yard.client(4)
    before = balance(client)
    path = tmp_path / "outbox.db"
    first = Outbox(yard.chain, yard.accounts[4], path)
    monkeypatch.setattr(first, "_broadcast", lambda _name: None)  # written down, never sent
    first.send("late", *minting(client, 9))
    first.close()
    second = Outbox(yard.chain, yard.accounts[4], path)
    second.send("late", *minting(client, 9))
    second.wait("late")
    assert balance(client) == before + 9
    second.close()


def test_many_transactions_in_flight_all_arrive_in_order(yard: Yard) -> None:
    client = yard.client(5)
    before = balance(client)
    names = [client.send("Token", "mint", client.address, (k + 1) * 10**9, name=f"many {k}") for k in range(100)]
    blocks = [client.outbox.wait(name).block for name in names]
    assert blocks == sorted(blocks)
    assert balance(client) == before + 5_050


def test_a_low_fee_is_raised_under_the_same_nonce(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard()
    client = yard.client(5)
    before = balance(client)
    client.outbox._fees = (time.monotonic() + 1_000, 10**9, 1)
    yard.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**12))
    client.send("Token", "mint", client.address, 10**9, name="cheap")
    client.outbox._fees = (0.0, 0, 0)
    client.outbox.wait("cheap")
    attempts = client.outbox._db.execute("select count(*), count(distinct name) from attempt").fetchone()
    assert attempts[0] > 1
    assert attempts[1] == 1
    assert balance(client) == before + 1


def test_a_reorganisation_is_told_and_dropped_transactions_are_sent_again(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard()
    client = yard.client(2)
    index = Indexer(yard.chain, yard.deployment, confirmations=0)
    yard.chain.rpc("anvil_mine", "0x8")  # the market itself is deeper than the reorganisation
    client.mint(TOKEN)
    client.deposit(TOKEN, name="deposit")
    told = index.poll()
    assert [event.name for event in told].count("Deposited") == 1
    yard.chain.rpc("anvil_reorg", 6, [])
    gone = index.poll()
    assert [event.name for event in gone if event.gone].count("Deposited") == 1
    assert client.free() == 0
    client.outbox.wait("deposit")  # finds it missing, and all before it, and sends them again
    assert client.free() == TOKEN
    assert [event.name for event in index.poll() if not event.gone].count("Deposited") == 1


def test_an_indexer_goes_on_where_it_stopped(yard: Yard, rich: Client, tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    first = Indexer(yard.chain, yard.deployment, path, confirmations=0)
    rich.deposit(1)
    seen = first.poll()
    first.close()
    rich.deposit(2)
    second = Indexer(yard.chain, yard.deployment, path, confirmations=0)
    rest = second.poll()
    assert [event.arguments["amount"] for event in rest if event.name == "Deposited"] == [2]
    assert len(second.events()) == len(seen) + len(rest)
    second.close()


class Blocks:
    """A chain of nothing but headers, which can be replaced from some block on."""

    profile = profiles.read("anvil")

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.asked: list[str] = []

    def grow(self, turn: str) -> None:
        number = len(self.headers)
        parent = self.headers[-1]["hash"] if self.headers else ""
        self.headers.append({"number": hex(number), "hash": f"{turn} {number}", "parentHash": parent})

    def rpc(self, method: str, *asked: Any) -> Any:
        if method == "eth_getLogs":
            return []
        if asked[0] == "latest":
            return self.headers[-1]
        self.asked.append(asked[0])
        number = int(asked[0], 16)
        return self.headers[number] if number < len(self.headers) else None


@pytest.mark.parametrize("replaced", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("longer", [-1, 0, 1, 2])
def test_blocks_that_follow_what_was_read_are_not_asked_for_and_others_are(replaced: int, longer: int) -> None:
    chain = Blocks()
    chain.grow("first")
    deployment: Any = SimpleNamespace(addresses={}, block=0)
    follows: Any = Indexer  # of any chain that answers
    index = follows(chain, deployment, confirmations=1)
    for _ in range(9):
        chain.grow("first")
        chain.asked.clear()
        index.poll()
    assert not chain.asked  # all it needed came as the newest, one after the other
    del chain.headers[-replaced:]
    for _ in range(replaced + longer):
        chain.grow("second")
    index.poll()
    chain.grow("second")
    index.poll()
    known = index._db.execute("select number, hash from block order by number").fetchall()
    assert known == [(number, header["hash"]) for number, header in enumerate(chain.headers[:-1])]


def test_nothing_counts_before_its_confirmations(yard: Yard, rich: Client) -> None:
    index = Indexer(yard.chain, yard.deployment, confirmations=3)
    block = rich.deposit(3).block
    newest = yard.chain.block_number()
    assert all(event.block <= newest + 1 - 3 or event.block < block for event in index.poll())
    yard.chain.rpc("anvil_mine", 3)
    assert any(event.block == block for event in index.poll())


def test_the_wrong_chain_is_refused(yard: Yard) -> None:
    with pytest.raises(BadInput, match=r"wanted chain id 143 \(monad\), got 31337"):
        Chain(profiles.read("monad"), yard.node.url)


def test_an_unreachable_node_is_one_sentence() -> None:
    port = devchain.free_port()
    with pytest.raises(Fault, match="Is the node running"):
        Chain(profiles.read("anvil"), f"http://127.0.0.1:{port}", patience_s=0.2)


def test_a_node_that_stumbles_is_asked_again_with_the_key_in_its_url() -> None:
    asked: list[str | None] = []

    class Node(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.headers["Authorization"])
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": hex(31_337)}).encode()
            status, body = [(503, answer), (200, b"<html>"), (200, answer)][len(asked) - 1]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the one it replaces
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Node) as server:
        answering = threading.Thread(target=server.serve_forever)
        answering.start()
        Chain(profiles.read("anvil"), f"http://me:p%40ss@127.0.0.1:{server.server_port}")
        server.shutdown()
        answering.join()
    assert asked == ["Basic " + b64encode(b"me:p@ss").decode()] * 3


def test_missing_funds_send_nothing(yard: Yard) -> None:
    pauper = Account.create()
    client = Client(yard.chain, yard.deployment, pauper)
    with pytest.raises(BadInput, match="ETH for gas"):
        client.mint(1, name="poor")
    assert not client.outbox.knows("poor")
    with pytest.raises(BadInput, match="gwei of tokens"):
        client.deposit(1)


def test_a_contract_of_another_version_is_refused(yard: Yard) -> None:
    other = {**yard.deployment.code, "Market": "0x" + 64 * "0"}
    changed = Deployment(**{**vars(yard.deployment), "code": other})
    with pytest.raises(BadInput, match=r"deployment\.Market"):
        Client(yard.chain, changed, yard.accounts[1])
    elsewhere = Deployment(**{**vars(yard.deployment), "chain_id": 1})
    with pytest.raises(BadInput, match="wanted one on chain 31337"):
        Client(yard.chain, elsewhere, yard.accounts[1])


def test_a_deployment_is_read_as_it_was_saved(yard: Yard, tmp_path: Path) -> None:
    path = tmp_path / "market.json"
    yard.deployment.save(path)
    assert Deployment.read(path) == yard.deployment
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(BadInput, match="as `proofyard chain deploy` writes it"):
        Deployment.read(path)


def test_a_refused_call_names_the_contracts_word(rich: Client) -> None:
    with pytest.raises(Reverted) as refused:
        rich.leave(10**15, name="too much")
    assert refused.value.error == "Poor"
    assert not rich.outbox.knows("too much")


def test_a_call_that_fails_on_the_chain_is_explained(rich: Client) -> None:
    data = calldata("Vault", "leave", 10**15)
    rich.outbox.send("blind", rich.at("Vault"), data, gas=100_000)
    with pytest.raises(Reverted) as refused:
        rich.outbox.wait("blind")
    assert refused.value.error == "Poor"


def test_a_chain_that_restarts_is_waited_for(tmp_path: Path) -> None:
    state, port = tmp_path / "state.json", devchain.free_port()
    node = devchain.start(state=state, port=port, block_s=0.1)
    chain = Chain(profiles.read("anvil"), node.url)
    outbox = Outbox(chain, devchain.account(0))
    outbox.wait(outbox.send("something", devchain.account(1).address, "0x"))
    number = chain.block_number()
    node.stop()
    node = devchain.start(state=state, port=port, block_s=0.1)
    try:
        assert chain.block_number() >= number
        assert outbox.wait("something").block <= number
    finally:
        node.stop()


def test_the_outbox_is_a_plain_file(tmp_path: Path, yard: Yard) -> None:
    outbox = Outbox(yard.chain, yard.accounts[6], tmp_path / "o.db")
    outbox.wait(outbox.send("nothing", yard.accounts[6].address, "0x"))
    outbox.close()
    with sqlite3.connect(tmp_path / "o.db") as file:
        assert file.execute("select name, nonce >= 0, block > 0 from sent").fetchall() == [("nothing", 1, 1)]


@pytest.mark.parametrize("name", profiles.names())
def test_a_profile_is_complete(name: str) -> None:
    profile = profiles.read(name)
    assert profile.limit(100_000) >= 100_000
    assert profile.charged(100_000) == (profile.limit(100_000) if name.startswith("monad") else 100_000)


def test_a_profile_that_makes_no_sense_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("chain_id = 0\n", encoding="utf-8")
    with pytest.raises(BadInput, match="chain_id"):
        profiles.read(str(path))
    with pytest.raises(BadInput, match="did you mean monad"):
        profiles.read("monat")
