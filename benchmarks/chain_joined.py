"""Two real proofs, really joined, settle two orders in one batch and move the rollup: about two CPU minutes.

`python benchmarks/chain_joined.py`. Too long for the test suite, which joins with a light verifier.
"""

from collections.abc import Sequence

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
    payout = int(devchain.account(2).address, 16)
    wanted = session.Wanted(2, SIZE, payout, 1, 0, "noir", "development")
    done = session.run(wanted, tell=print, watch=lambda _: None, contract=True)
    settle(done.result.proof, done.batches, done.contract)


def settle(proof: Proof, batches: Sequence[batch.Batch], contract: str) -> None:
    """Deploy, settle both orders, advance the rollup, and say what it cost."""
    accounts = [devchain.account(number) for number in range(3)]
    tools = set_up("development", print)
    with Noir(tools, print) as noir:
        single = code_of(build.verifier_source(tools, noir.circuit(SIZE, "evm"), print))
    inputs = [word(number) for number in proof.statement]
    circuit = Circuit(single, 3_000_000, Kind.ROLLUP, 1, code_of(contract), 3_000_000, inputs[6])
    terms = Terms(rollup_circuit=CIRCUIT, rollup_chain=proof.statement.chain_id, rollup_genesis=inputs[0])
    with devchain.running() as node:
        chain = Chain(profiles.read("anvil"), node.url)
        deployment = deploy(Outbox(chain, accounts[0]), accounts[0].address, {CIRCUIT: circuit}, terms=terms)
        coordinator, requester, prover = (Client(chain, deployment, account) for account in accounts)
        requester.mint(10 * TOKEN)
        requester.deposit(10 * TOKEN)
        now = int(chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)  # noqa: FBT003 - JSON-RPC
        payments: list[Payment] = []
        parts: list[tuple[bytes, bytes, bytes, int]] = []
        for nonce, done in enumerate(batches):
            said = state_of(done, proof.statement.payout, proof.statement.node_key)
            statement = statement_of([word(number) for number in said], Kind.ROLLUP)
            order = Order(requester.address, CIRCUIT, statement, TOKEN, now + 3_600, nonce)
            payments.append(Payment(order, requester.sign(order, "Settlement"), prover.address, TOKEN))
            parts.append((word(said.old_root), word(said.new_root), word(said.commitment), said.fee_gwei))
        good = Batch(bytes(32), b"\1" * 32, CIRCUIT, proof.data, inputs, parts)
        receipt = coordinator.settle(good, payments, {})
        prover.do("Rollup", "advance", inputs[:5], b"the transfers")
        height, root = prover.read("Rollup", "height"), prover.read("Rollup", "root")
        print(f"two jobs under one joined proof: {receipt.gas_used:,} gas, {prover.free():,} gwei paid")
        print(f"the rollup is at step {height}, root {root.hex()}")
        if root != inputs[1] or prover.free() != 2 * TOKEN:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
