"""Gas as it is committed, prices as the chains' own documents say, the table of costs, the command."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from chain.yard import CIRCUIT, TOKEN, Yard, light_circuit
from eth_abi.abi import encode
from web3 import Web3

from benchmarks import chain as measured
from proofyard.chain import (
    Chain,
    Circuit,
    Client,
    Kind,
    Offer,
    Order,
    Outbox,
    cost,
    deploy,
    devchain,
    profiles,
    statement_of,
)
from proofyard.chain.build import compile_sources
from proofyard.chain.measure import Counts
from proofyard.cli.chain import chain
from proofyard.core.errors import BadInput
from proofyard.rollup.batch import commit_joined
from proofyard.worlds import gas

ROOT = Path(__file__).parents[2]
TOLERANCE = 0.02
MORE = 0.05  # another kind of circuit: one public input, not seven
GAS = {  # of whole transactions, with the light verifier; a change is looked at and written here
    "a first deposit": 67_216,
    "a stake": 53_000,
    "put an order into escrow and assign it": 200_340,
    "prove a job, pay it, free its bond": 109_727,
}


def test_gas_is_what_was_committed(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard()
    coordinator, requester, prover = (yard.client(k) for k in (0, 6, 7))
    used: dict[str, int] = {}
    for client in (requester, prover):
        client.mint(10 * TOKEN)
        used["a first deposit"] = client.deposit(10 * TOKEN).gas_used
    used["a stake"] = prover.stake(5 * TOKEN).gas_used
    for nonce in (1, 2):  # the second finds slots in use
        inputs = [nonce.to_bytes(32, "big")]
        now = int(yard.chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)  # noqa: FBT003 - JSON-RPC
        order = Order(requester.address, CIRCUIT, statement_of(inputs, Kind.PLAIN), TOKEN, now + 3_600, nonce)
        offer = Offer(requester.hash(order), prover.address, TOKEN // 2, TOKEN, order.deadline)
        signed = requester.sign(order), prover.sign(offer)
        used["put an order into escrow and assign it"] = coordinator.assign(order, signed[0], offer, signed[1]).gas_used
        used["prove a job, pay it, free its bond"] = prover.prove(
            order, statement_of(inputs, Kind.PLAIN), inputs
        ).gas_used
    assert used == {name: pytest.approx(units, rel=TOLERANCE) for name, units in GAS.items()}
    # The table of costs was measured with a real verifier; less what verifying takes, it is the same.
    signature = Web3.keccak(text="verify(bytes,bytes32[])")[:4]
    data = Web3.to_hex(bytes(signature) + encode(["bytes", "bytes32[]"], [statement_of(inputs, Kind.PLAIN), inputs]))
    bare = prover.outbox.wait(prover.outbox.send("bare", prover.at(f"single {CIRCUIT.hex()[:16]}"), data)).gas_used
    beyond = used["prove a job, pay it, free its bond"] - bare
    assert beyond == pytest.approx(cost.gas_of(gas.SINGLE, profiles.read("ethereum")), rel=MORE)


def test_a_groth16_check_costs_on_monad_what_its_documents_say() -> None:
    # four pairs and one public input: 181,000 + 6,150 on Ethereum, 905,000 + 30,300 on Monad
    counts = Counts(gas=187_150, ec_add=1, ec_mul=1, pairings=1, pairs=4)
    assert counts.gas_at(profiles.read("ethereum").gas) == 187_150
    assert counts.gas_at(profiles.read("monad").gas) == 905_000 + 30_300


def test_storage_costs_on_monad_what_its_documents_say() -> None:
    # one cold account, a slot read, a slot written new on a page of its own
    ethereum = 2_600 + 2_100 + 22_100
    counts = Counts(gas=ethereum, cold_accounts=1, cold_slots=2, cold_pages=2, new_slots=1, written_pages=1)
    assert counts.gas_at(profiles.read("monad").gas) == 10_100 + 8_100 + 8_100 + 100 + 2_800 + 17_000


def test_a_second_slot_of_a_page_is_read_warm_on_monad() -> None:
    # sload of monad@c67c9f22: 100 each, and 8,000 more for what was cold, the page
    counts = Counts(gas=3 * 2_100, cold_slots=3, cold_pages=1)
    assert counts.gas_at(profiles.read("monad").gas) == 8_100 + 100 + 100


def test_monad_charges_the_limit_and_gives_no_refund() -> None:
    monad, ethereum = profiles.read("monad"), profiles.read("ethereum")
    assert monad.charged(1_000_000) == 1_020_000
    assert ethereum.charged(1_000_000) == 1_000_000
    counts = Counts(gas=100_000, refund=4_800)
    assert counts.gas_at(monad.gas) == 100_000
    assert counts.gas_at(ethereum.gas) == 95_200
    assert monad.price(100_000) == pytest.approx(102_000 * 102 / 10**9)


def test_the_table_has_every_way_of_settling_on_every_chain() -> None:
    lines = cost.table()
    assert {line.profile for line in lines} == set(profiles.names())
    for rule in ("contest", "sealed_bid", "bonded", "staked_pool"):
        assert any(rule in line.scenario for line in lines)
    single = {line.profile: line.gas for line in lines if line.scenario.startswith("market: prove")}
    shared = {line.profile: line.gas for line in lines if "16 jobs" in line.scenario}
    assert all(shared[name] < single[name] / 4 for name in profiles.names())
    assert single["monad"] > 3 * single["ethereum"]  # multiplications on the curve cost five times as much there


def test_a_validator_that_proves_earns_blocks_and_proofs() -> None:
    monad = profiles.read("monad")
    found = cost.income(monad, own=10e6, delegated=0, commission_bips=0, proofs=0, fee=0, cost=0)
    assert found.from_blocks == pytest.approx(86_400 / 0.3 * 18 * 10e6 / 4e9)
    more = cost.income(monad, own=10e6, delegated=10e6, commission_bips=1_000, proofs=10, fee=2, cost=1)
    assert more.from_blocks == pytest.approx(1.1 * found.from_blocks)
    assert more.total == pytest.approx(more.from_blocks + 10 - more.gas)
    with pytest.raises(BadInput, match=r"\[staking\]"):
        cost.income(profiles.read("ethereum"), own=1, delegated=0, commission_bips=0, proofs=0, fee=0, cost=0)


def test_commitments_are_joined_on_chain_as_in_the_circuits(yard: Yard) -> None:
    for left, right in ((0, 0), (1, 2), (2**200 + 7, 5)):
        assert yard.client(1).read("Verifier", "joinedCommitment", left, right) == commit_joined(left, right)


def test_every_contract_fits_ethereum() -> None:
    from proofyard.chain.build import artifacts  # noqa: PLC0415 - compiles

    assert max(artifact.runtime_bytes for artifact in artifacts().values()) <= profiles.read("ethereum").code_bytes


def proofyard(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proofyard", "chain", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


def test_the_command_prints_costs() -> None:
    done = proofyard("cost", "--profile", "monad", "--json")
    assert done.returncode == 0
    assert {line["profile"] for line in json.loads(done.stdout)} == {"monad"}


def test_the_command_refuses_in_one_sentence(yard: Yard, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    market = tmp_path / "market.json"
    yard.deployment.save(market)
    chain("balance", url=yard.node.url, market=market, json=True)
    assert json.loads(capsys.readouterr().out)["account"] == yard.accounts[0].address
    for words, action, options in (
        ("did you mean monad", "cost", {"profile": "monat"}),
        (r"wanted chain id 143 \(monad\), got 31337", "balance", {"profile": "monad"}),
        ("as `proofyard chain deploy` writes it", "balance", {"market": tmp_path / "nowhere.json"}),
        ("wanted a Solidity file of a verifier", "deploy", {}),
        ("a file with a private key in", "balance", {"key": tmp_path / "none", "market": market}),
    ):
        with pytest.raises(BadInput, match=words):
            chain(action, **{"url": yard.node.url, **options})  # pyright: ignore[reportArgumentType] - from a table
    assert proofyard("cost", "--profile", "monat").returncode == 2


def test_a_market_runs_on_a_local_approximation_of_monad() -> None:
    monad = profiles.read("monad")
    node = devchain.start_like(monad)
    try:
        there = Chain(monad, node.url)
        owner = devchain.account(0)
        outbox = Outbox(there, owner)
        deployment = deploy(outbox, owner.address, {CIRCUIT: light_circuit()})
        client = Client(there, deployment, owner)
        client.mint(TOKEN)
        client.do("Token", "approve", client.at("Vault"), 10**18)
        receipt = client.outbox.wait(client.send("Vault", "deposit", 1), confirmations=monad.confirmations)
        limit = int(there.rpc("eth_getTransactionByHash", receipt.hash)["gas"], 16)
        assert limit <= receipt.gas_used * monad.gas_limit_percent // 100 + 5_000  # slack is paid for
        assert there.rpc("eth_chainId") == hex(143)
    finally:
        node.stop()


def test_an_account_on_monad_keeps_its_reserve() -> None:
    monad = profiles.read("monad").model_copy(update={"reserve_tokens": 2e6})  # more than the account has
    node = devchain.start_like(monad)
    try:
        outbox = Outbox(Chain(monad, node.url), devchain.account(1))
        with pytest.raises(BadInput, match="above a reserve of"):
            outbox.send("spend", devchain.account(2).address, "0x")
        assert not outbox.knows("spend")
    finally:
        node.stop()


def test_the_gas_that_feeds_the_simulator_is_what_the_contracts_take_now() -> None:
    accounts = [devchain.account(number) for number in range(measured.PROVERS + 2)]
    light = compile_sources({"light.sol": measured.LIGHT_SOURCE})["Light"].bytecode
    circuits = {measured.LIGHT: Circuit(light, 100_000, Kind.ROLLUP, 1, light, 100_000, measured.KEY)}
    with devchain.running(block_s=0.1, more=("--steps-tracing",)) as node:
        there = Chain(profiles.read("anvil"), node.url)
        deployment = deploy(Outbox(there, accounts[0]), accounts[0].address, circuits, rules=measured.rules())
        bench = measured.Bench(there, deployment, accounts)
        found = measured.measure_batches(bench) | measured.measure_rules(bench)
    for name, counts in found.items():
        for prices in (profiles.read(chain_name).gas for chain_name in ("ethereum", "monad")):
            # A draw looks at provers until it finds the one it fell on: so many slots more or less.
            drawn = measured.PROVERS * prices.cold_slot if "staked_pool" in name else 0
            committed = gas.scenarios()[name].gas_at(prices)
            assert counts.gas_at(prices) == pytest.approx(committed, rel=TOLERANCE, abs=drawn), name
    assert set(gas.scenarios()) - set(found) == {gas.VERIFY, gas.SINGLE, "market: assign and prove one job"}
