"""The whole life of a market with a real proof: from deposit to withdrawal, over pay, miss and slash."""

from collections.abc import Callable
from fractions import Fraction
from itertools import islice

import pytest
from chain.yard import DAY, TOKEN, Yard

from proofyard.chain import Bearer, Circuit, Client, Indexer, Kind, Offer, Order, Reverted, statement_of
from proofyard.chain.build import compile_sources
from proofyard.core.errors import BadInput
from proofyard.proofs import build
from proofyard.proofs.backend import Job
from proofyard.proofs.noir import Noir
from proofyard.proofs.statement import Proof
from proofyard.proofs.toolchain import set_up
from proofyard.rollup.batch import run_batch
from proofyard.rollup.load import Load

ROLLUP = b"payments rollup, 4 transfers".ljust(32, b"\0")
SIZE = 4


def words_of(proof: Proof) -> list[bytes]:
    """Public inputs, a word each."""
    return [number.to_bytes(32, "big") for number in proof.statement]


@pytest.fixture(scope="module")
def rollup_yard(make_yard: Callable[..., Yard]) -> tuple[Yard, Proof]:
    """A market for the payments rollup's circuit, and a real proof that pays account 2."""
    load = Load(seed=1)
    batch = run_batch(load.ledger, list(islice(load.transfers(), SIZE - 1)))
    tools = set_up("development", print)
    from proofyard.chain import devchain  # noqa: PLC0415 - beside its only use

    payout = int(devchain.account(2).address, 16)
    with Noir(tools, print) as noir:
        proof = noir.prove(Job(batch, SIZE, payout, last=True))
        source = build.verifier_source(tools, noir.circuit(SIZE, "evm"), print)
    code = compile_sources({"verifier.sol": source})[build.contract_name(secure=tools.secure)].bytecode
    circuits = {ROLLUP: Circuit(code, 3_000_000, Kind.ROLLUP)}
    genesis = words_of(proof)[0]
    terms = {"rollup_circuit": ROLLUP, "rollup_chain": proof.statement.chain_id, "rollup_genesis": genesis}
    return make_yard(circuits, **terms), proof


def order_of(client: Client, proof: Proof, nonce: int, ceiling: int) -> Order:
    statement = statement_of(words_of(proof), Kind.ROLLUP)
    now = int(client.chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)  # noqa: FBT003
    return Order(client.address, ROLLUP, statement, ceiling, now + 3_600, nonce)


def take_everything_out(yard: Yard, requester: Client, prover: Client, delegator: Client) -> None:
    """Unbond and withdraw, and look where every token is."""
    prover.unstake(prover.pool()["own"])
    with pytest.raises(Reverted) as refused:
        delegator.collect(prover.address)
    assert refused.value.error == "Early"
    yard.pass_time(8 * DAY + 1)
    prover.exit()
    delegator.collect(prover.address)
    assert abs(delegator.free() - (10 + Fraction(109, 10) * Fraction(618 - 120, 618)) * TOKEN) <= 3
    for client in (requester, prover, delegator):
        client.leave(client.free())
    yard.pass_time(DAY + 1)
    for client in (requester, prover, delegator):
        client.withdraw()
    held = [client.read("Token", "balanceOf", client.address) for client in (requester, prover, delegator)]
    vault = prover.read("Token", "balanceOf", prover.at("Vault"))
    assert held[0] == 100 * TOKEN * 10**9
    assert sum(held) + vault == 180 * TOKEN * 10**9
    assert prover.read("Vault", "total") * 10**9 == vault


def test_from_deposit_to_withdrawal_with_a_real_proof(rollup_yard: tuple[Yard, Proof]) -> None:
    yard, proof = rollup_yard
    coordinator, requester, prover, delegator = (yard.client(k) for k in range(4))
    for client, gwei in ((requester, 100 * TOKEN), (prover, 50 * TOKEN), (delegator, 30 * TOKEN)):
        client.mint(gwei)
        client.deposit(gwei)
        assert client.free() == gwei
    prover.set_terms(1_000, Bearer.EVERYONE)
    prover.stake(40 * TOKEN)
    delegator.delegate(prover.address, 20 * TOKEN)

    order = order_of(requester, proof, 1, 9 * TOKEN)
    offer = Offer(requester.hash(order), prover.address, 6 * TOKEN, 12 * TOKEN, order.deadline)
    coordinator.assign(order, requester.sign(order), offer, prover.sign(offer))
    assert requester.free() == 91 * TOKEN
    assert prover.pool()["locked"] == 12 * TOKEN

    receipt = prover.prove(order, proof.data, words_of(proof))
    assert requester.free() == 94 * TOKEN  # what the offer was below the ceiling came back
    # Of 6 tokens a tenth is commission; of the rest a third is earned by what is delegated, 20 of 60: 1.8 tokens.
    assert abs(prover.free() - 142 * TOKEN // 10) <= 3
    assert abs(prover.pool()["delegated"] - 218 * TOKEN // 10) <= 3
    assert prover.free() + prover.pool()["delegated"] == 36 * TOKEN
    assert prover.pool()["locked"] == 0
    assert receipt.gas_used < 1_050_000
    sent = yard.chain.rpc("eth_getTransactionByHash", receipt.hash)
    assert int(sent["gas"], 16) < 1.25 * receipt.gas_used  # not the verifier's cap: Monad charges the limit
    prover.do("Rollup", "advance", words_of(proof)[:5], b"the transfers")
    assert prover.read("Rollup", "root") == words_of(proof)[1]
    assert prover.read("Rollup", "height") == 1

    missed = order_of(requester, proof, 2, 4 * TOKEN)
    offer = Offer(requester.hash(missed), prover.address, 4 * TOKEN, 12 * TOKEN, missed.deadline)
    coordinator.assign(missed, requester.sign(missed), offer, prover.sign(offer))
    with pytest.raises(Reverted) as refused:
        requester.expire(missed)
    assert refused.value.error == "Early"
    shares = delegator.read("Vault", "delegations", prover.address, delegator.address)[0]
    delegator.undelegate(prover.address, shares // 2)
    yard.pass_time(3_601)
    requester.expire(missed)
    # 12 tokens of 61.8 at stake: 7.767 of the operator, 2.117 of what is delegated, 2.117 of the queue; half goes back.
    assert requester.free() == 94 * TOKEN + 6 * TOKEN
    pool = prover.pool()
    left = Fraction(618 - 120, 618)
    assert abs(pool["own"] - 40 * TOKEN * left) <= 3
    assert abs(pool["delegated"] - Fraction(109, 10) * TOKEN * left) <= 3
    assert abs(pool["queue"] - Fraction(109, 10) * TOKEN * left) <= 3
    assert abs(pool["own"] + pool["delegated"] + pool["queue"] - 498 * TOKEN // 10) <= 3
    assert prover.free("0x000000000000000000000000000000000000dEaD") == 6 * TOKEN

    take_everything_out(yard, requester, prover, delegator)
    names = [event.name for event in Indexer(yard.chain, yard.deployment, confirmations=0).poll()]
    assert {
        "Deposited",
        "Staked",
        "Delegated",
        "Requested",
        "Assigned",
        "Proven",
        "Rewarded",
        "Missed",
        "Slashed",
    } <= set(names)
    assert {"Undelegated", "Exited", "Withdrawn", "Advanced"} <= set(names)


def test_a_real_proof_pays_nobody_else_and_no_altered_one_pays_anybody(rollup_yard: tuple[Yard, Proof]) -> None:
    yard, proof = rollup_yard
    coordinator, requester, thief = yard.client(0), yard.client(4), yard.client(5)
    requester.mint(10 * TOKEN)
    requester.deposit(10 * TOKEN)
    order = order_of(requester, proof, 1, TOKEN)
    offer = Offer(requester.hash(order), thief.address, TOKEN, 0, order.deadline)
    coordinator.assign(order, requester.sign(order), offer, thief.sign(offer))
    inputs = words_of(proof)
    mine = [*inputs[:5], int(thief.address, 16).to_bytes(32, "big"), inputs[6]]
    spoilt = bytearray(proof.data)
    spoilt[40] ^= 1
    for data, words, error in (
        (proof.data, inputs, "WrongPayee"),
        (proof.data, mine, "BadProof"),
        (bytes(spoilt), mine, "BadProof"),
        (b"", mine, "BadProof"),
        (bytes(range(256)) * 40, mine, "BadProof"),
    ):
        with pytest.raises(Reverted) as refused:
            thief.prove(order, data, words)
        assert refused.value.error == error
    with pytest.raises(BadInput, match="a proof for another one"):
        thief.prove(order, proof.data, [inputs[1], *inputs[1:]])
    assert requester.free() == 9 * TOKEN
