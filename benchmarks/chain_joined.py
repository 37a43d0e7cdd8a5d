"""Real proofs, really joined, settle their orders in one batch and move the rollup: about two CPU minutes for two jobs.

`python benchmarks/chain_joined.py --jobs 16`. Too long for the test suite, which joins with a light verifier.
"""

import argparse
from collections.abc import Sequence

from eth_abi.abi import encode
from web3 import Web3

from proofyard.chain import (
    Batch,
    Chain,
    Circuit,
    Client,
    Kind,
    Order,
    Outbox,
    Payment,
    Terms,
    deploy,
    devchain,
    profiles,
    statement_of,
)
from proofyard.chain.build import compile_sources
from proofyard.proofs import build, session
from proofyard.proofs.noir import Noir
from proofyard.proofs.statement import Proof, state_of
from proofyard.proofs.toolchain import set_up
from proofyard.rollup import batch

TOKEN = 10**9  # gwei
SIZE = 4  # transfers a batch
FULL, BAR = 16, 60_000  # gas a job beyond the verification, when so many settle together
CIRCUIT = b"payments rollup".ljust(32, b"\0")


def word(number: int) -> bytes:
    """Write a public input."""
    return number.to_bytes(32, "big")


def code_of(source: str) -> str:
    """Compile a verifier."""
    built = compile_sources({"v.sol": source})
    return max(built.values(), key=lambda artifact: artifact.runtime_bytes).bytecode


def main() -> None:
    """Prove, then settle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="proofs to join, from 2")
    parser.add_argument("--workers", type=int, default=1, help="processes that prove")
    options = parser.parse_args()
    payout = int(devchain.account(2).address, 16)
    wanted = session.Wanted(options.jobs, SIZE, payout, 1, options.workers, "noir", "development")
    done = session.run(wanted, tell=print, watch=lambda _: None, contract=True)
    settle(done.result.proof, done.batches, done.contract)


def market(node: devchain.Devchain, proof: Proof, contract: str) -> list[Client]:
    """Deploy a market for the proof's circuits; its coordinator, requester and prover."""
    accounts = [devchain.account(number) for number in range(3)]
    tools = set_up("development", print)
    with Noir(tools, print) as noir:
        single = code_of(build.verifier_source(tools, noir.circuit(SIZE, "evm"), print))
    genesis, key = word(proof.statement[0]), word(proof.statement[6])
    circuit = Circuit(single, 3_000_000, Kind.ROLLUP, 1, code_of(contract), 3_000_000, key)
    terms = Terms(rollup_circuit=CIRCUIT, rollup_chain=proof.statement.chain_id, rollup_genesis=genesis)
    chain = Chain(profiles.read("anvil"), node.url)
    deployment = deploy(Outbox(chain, accounts[0]), accounts[0].address, {CIRCUIT: circuit}, terms=terms)
    clients = [Client(chain, deployment, account) for account in accounts]
    for client in clients[1:]:  # a market that runs has slots in use
        client.mint(100 * TOKEN)
        client.deposit(100 * TOKEN)
    return clients


def bare_gas(client: Client, proof: Proof) -> int:
    """Gas of a transaction that does nothing but verify the joined proof."""
    words = [word(number) for number in proof.statement]
    selector = Web3.keccak(text="verify(bytes,bytes32[])")[:4]
    data = Web3.to_hex(bytes(selector) + encode(["bytes", "bytes32[]"], [proof.data, words]))
    sent = client.outbox.send("bare", client.at(f"joined {CIRCUIT.hex()[:16]}"), data)
    return client.outbox.wait(sent).gas_used


def batch_of(clients: Sequence[Client], proof: Proof, batches: Sequence[batch.Batch]) -> tuple[Batch, list[Payment]]:
    """One signed order for each proof that was joined."""
    _, requester, prover = clients
    now = int(requester.chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)  # noqa: FBT003 - JSON-RPC
    payments: list[Payment] = []
    parts: list[tuple[bytes, bytes, bytes, int]] = []
    for nonce, done in enumerate(batches):
        said = state_of(done, proof.statement.payout, proof.statement.node_key)
        statement = statement_of([word(number) for number in said], Kind.ROLLUP)
        order = Order(requester.address, CIRCUIT, statement, TOKEN, now + 3_600, nonce)
        payments.append(Payment(order, requester.sign(order, "Settlement"), prover.address, TOKEN))
        parts.append((word(said.old_root), word(said.new_root), word(said.commitment), said.fee_gwei))
    inputs = [word(number) for number in proof.statement]
    return Batch(bytes(32), b"\1" * 32, CIRCUIT, proof.data, inputs, parts), payments


def settle(proof: Proof, batches: Sequence[batch.Batch], contract: str) -> None:
    """Deploy, settle all orders, advance the rollup, and say what it cost."""
    jobs = len(batches)
    with devchain.running() as node:
        coordinator, requester, prover = clients = market(node, proof, contract)
        free = prover.free(), requester.free()
        bare = bare_gas(prover, proof)
        receipt = coordinator.settle(*batch_of(clients, proof, batches), {})
        prover.do("Rollup", "advance", [word(number) for number in proof.statement[:5]], b"the transfers")
        height, root = prover.read("Rollup", "height"), prover.read("Rollup", "root")
        each = (receipt.gas_used - bare) // jobs
        print(f"{jobs} jobs under one joined proof: {receipt.gas_used:,} gas, bare verification {bare:,}")
        print(f"beyond the verification: {each:,} gas a job (bar with 16 jobs: {BAR:,})")
        print(f"the rollup is at step {height}, root {root.hex()}")
        paid = prover.free() - free[0], free[1] - requester.free()
        if root != word(proof.statement[1]) or paid != (jobs * TOKEN, jobs * TOKEN) or (jobs >= FULL and each > BAR):
            raise SystemExit(1)


if __name__ == "__main__":
    main()
