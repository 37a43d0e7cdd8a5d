"""Gas and rates of the chain side, against their bars; `--write` renews the committed gas snapshot.

Everything runs on a development chain of its own. The rate has a light verifier, the gas a real one.
"""

import argparse
import itertools
import json
import time
from dataclasses import asdict
from itertools import islice

from eth_account.signers.local import LocalAccount

from proofyard.chain import (
    Batch,
    Chain,
    Circuit,
    Client,
    Deployment,
    Kind,
    Offer,
    Order,
    Outbox,
    Payment,
    Terms,
    deploy,
    devchain,
    profiles,
    statement_of,
)
from proofyard.chain import cost as costs
from proofyard.chain.build import compile_sources
from proofyard.chain.measure import Counts, count
from proofyard.mechanisms import rule
from proofyard.proofs import build
from proofyard.proofs.backend import Job
from proofyard.proofs.noir import Noir
from proofyard.proofs.statement import Proof
from proofyard.proofs.toolchain import set_up
from proofyard.rollup.batch import commit_joined, run_batch
from proofyard.rollup.load import Load

TOKEN = 10**9  # gwei
LIGHT, REAL = b"light".ljust(32, b"\0"), b"real".ljust(32, b"\0")
KEY = b"\7" * 32
LIGHT_SOURCE = """pragma solidity 0.8.30; contract Light {
function verify(bytes calldata, bytes32[] calldata) external pure returns (bool) { return true; } }"""
RULES = {
    "ContestMarket": "contest",
    "SecondPriceMarket": "sealed_bid",
    "BondedMarket": "bonded",
    "StakedPoolMarket": "staked_pool",
}
PROVERS = 8
SIZE = 16  # transfers of the real proof
BARS = {"single": 120_000, "joined": 60_000, "deploy_s": 5.0, "per_minute": 500.0}
JOINED = "settlement: 16 jobs under one joined proof, each"


class Bench:
    """A market with accounts that have money."""

    def __init__(self, chain: Chain, deployment: Deployment, accounts: list[LocalAccount]) -> None:
        self.chain = chain
        self.clients = [Client(chain, deployment, account) for account in accounts]
        self.nonces = itertools.count(1)
        for client in self.clients:
            client.mint(10**6 * TOKEN)
            client.deposit(10**6 * TOKEN)

    def now(self) -> int:
        """Time of the newest block, s."""
        return int(self.chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)  # noqa: FBT003 - JSON-RPC

    def order(self, circuit: bytes, words: list[bytes], kind: Kind) -> Order:
        """Build an order of account 1."""
        statement = statement_of(words, kind)
        return Order(self.clients[1].address, circuit, statement, TOKEN, self.now() + 3_600, next(self.nonces))

    def assign(self, order: Order) -> str:
        """Give it to account 2."""
        coordinator, requester, prover = self.clients[:3]
        offer = Offer(requester.hash(order), prover.address, TOKEN // 2, TOKEN, order.deadline)
        signed = (tuple(order), requester.sign(order), tuple(offer), prover.sign(offer))
        return coordinator.send("Market", "assign", *signed)

    def counts(self, client: Client, name: str) -> Counts:
        """Count what a transaction did."""
        return count(self.chain, client.outbox.wait(name).hash)


def real_proof(payout: str) -> tuple[Proof, str]:
    """Prove a batch, and write its verifier."""
    load = Load(seed=1)
    batch = run_batch(load.ledger, list(islice(load.transfers(), SIZE)))
    tools = set_up("development", print)
    with Noir(tools, print) as noir:
        proof = noir.prove(Job(batch, SIZE, int(payout, 16), last=True))
        source = build.verifier_source(tools, noir.circuit(SIZE, "evm"), print)
    return proof, compile_sources({"v.sol": source})[build.contract_name(secure=tools.secure)].bytecode


def measure_market(bench: Bench, proof: Proof) -> tuple[dict[str, Counts], int, int]:
    """Single mode with a real proof: counts, gas of the bare verification, gas of the proving transaction."""
    words = [number.to_bytes(32, "big") for number in proof.statement]
    prover, found = bench.clients[2], dict[str, Counts]()
    prover.stake(1_000 * TOKEN)
    direct = prover.outbox.send("bare", prover.at(f"single {REAL.hex()[:16]}"), verify_data(proof.data, words))
    bare = bench.counts(prover, direct)
    found[costs.VERIFY] = bare
    warm_up = bench.order(LIGHT, words, Kind.ROLLUP)  # a market that runs has slots in use
    assigned_first = bench.assign(warm_up)
    bench.clients[0].outbox.wait(assigned_first)
    prover.prove(warm_up, b"light", words)
    order = bench.order(REAL, words, Kind.ROLLUP)
    assigned = bench.counts(bench.clients[0], bench.assign(order))
    proven = bench.counts(prover, prover.send("Market", "prove", tuple(order), proof.data, words))
    found["market: assign and prove one job"] = minus(assigned + proven, bare)
    found["market: prove one job"] = minus(proven, bare)
    return found, bare.gas, proven.gas


def verify_data(proof: bytes, words: list[bytes]) -> str:
    """Call data of the bare verifier."""
    from eth_abi.abi import encode  # noqa: PLC0415 - used once
    from web3 import Web3  # noqa: PLC0415 - the same

    selector = Web3.keccak(text="verify(bytes,bytes32[])")[:4]
    return Web3.to_hex(bytes(selector) + encode(["bytes", "bytes32[]"], [proof, words]))


def minus(one: Counts, other: Counts) -> Counts:
    """Take the verification out."""
    return Counts(**{name: value - getattr(other, name) for name, value in asdict(one).items()})


def joined(bench: Bench, first: int, jobs: int) -> tuple[Batch, list[Payment]]:
    """Build a batch of jobs under one joined proof, for the light verifier."""
    coordinator, requester, prover = bench.clients[:3]
    words = [(first + k).to_bytes(32, "big") for k in range(jobs + 1)]
    chain = (31337).to_bytes(32, "big")
    parts = [(words[k], words[k + 1], (10_000 + k).to_bytes(32, "big"), 5) for k in range(jobs)]
    payments: list[Payment] = []
    for old, new, commitment, fees in parts:
        order = bench.order(LIGHT, [old, new, commitment, fees.to_bytes(32, "big"), chain], Kind.ROLLUP)
        payments.append(Payment(order, requester.sign(order, "Settlement"), prover.address, TOKEN))
    level = [int.from_bytes(part[2], "big") for part in parts]
    while len(level) > 1:
        level = [commit_joined(one, other) for one, other in zip(level[::2], level[1::2], strict=True)]
    payee = int(prover.address, 16).to_bytes(32, "big")
    inputs = [words[0], words[-1], level[0].to_bytes(32, "big"), (5 * jobs).to_bytes(32, "big"), chain, payee, KEY]
    head = coordinator.read("Settlement", "head")
    return Batch(head, (first + jobs).to_bytes(32, "big"), LIGHT, bytes(9_500), inputs, parts), payments


def measure_batches(bench: Bench) -> dict[str, Counts]:
    """16 jobs under one joined proof: counts of all, without the verification."""
    coordinator = bench.clients[0]
    data = verify_data(bytes(9_500), [bytes(31) + b"\1"] * 7)
    sent = coordinator.outbox.send("bare light", coordinator.at(f"joined {LIGHT.hex()[:16]}"), data)
    bare = bench.counts(coordinator, sent)
    whole = Counts()
    for first in (100, 200):  # the second finds slots in use, as in a market that runs
        batch, payments = joined(bench, first, 16)
        receipt = coordinator.settle(batch, payments, {})
        whole = count(bench.chain, receipt.hash)
    return {JOINED: minus(whole, bare)}


def rules() -> dict[str, list[int]]:
    """Return the parameters that the rules on chain are measured with."""
    told = RULES | {"StakedPoolMarket": "staked_pool(supply_gwei = 0, min_stake_per_capacity_gwei = 1)"}
    return {contract: [*rule(text, "rule").params] for contract, text in told.items()}


def measure_rules(bench: Bench) -> dict[str, Counts]:
    """Count a job's whole life in each rule on chain, with eight provers that have standing offers."""
    found: dict[str, Counts] = {}
    for contract, name in RULES.items():
        for client in bench.clients[: PROVERS + 1]:
            client.do(contract, "enter", 10_000 * TOKEN)
        for client in bench.clients[1 : PROVERS + 1]:
            set_up_prover(client, contract)
        if name == "staked_pool":
            bench.clients[0].do(contract, "fund", 10_000 * TOKEN)
        total = own = Counts()
        for _ in range(2):
            total, own = one_job(bench, contract, name)
        found[f"rule on chain: {name}, one job, {PROVERS} provers"] = total
        found[f"rule on chain: {name}, of that the prover's own"] = own
    return found


def set_up_prover(client: Client, contract: str) -> None:
    """Offer and stake, as the rule wants it."""
    if contract == "BondedMarket":
        return
    price = 10 if contract == "StakedPoolMarket" else TOKEN // 10
    client.do(contract, "act", 0, price, 64)
    client.do(contract, "act", 1, 3_000 * TOKEN, 0)


def one_job(bench: Bench, contract: str, name: str) -> tuple[Counts, Counts]:
    """Request, decide, prove, settle; return what all of it took, and what the prover sent of it."""
    requester = bench.clients[0]
    job = requester.read(contract, "jobs")
    words = [job.to_bytes(32, "big")] * 7
    amount = 8 * 10**7 if name == "staked_pool" else TOKEN
    steps = [
        bench.counts(
            requester, requester.send(contract, "request", LIGHT, statement_of(words, Kind.ROLLUP), amount, 10**6)
        )
    ]
    if name == "staked_pool":
        steps.append(bench.counts(requester, requester.send(contract, "draw")))
    waits = {"contest": [11], "sealed_bid": [301, 601], "bonded": [], "staked_pool": []}[name]
    steps += [fire(bench, contract, job, seconds) for seconds in waits]
    if name == "contest":
        steps.append(bench.counts(requester, requester.send(contract, "draw")))
    number = requester.read(contract, "jobOf", job)[5]
    prover = next(c for c in bench.clients if c.read(contract, "numberOf", c.address) == number + 1)
    words[5] = int(prover.address, 16).to_bytes(32, "big")
    proven = bench.counts(prover, prover.send(contract, "prove", job, 0, b"light", words))
    steps.append(proven)
    after = {"bonded": [4 * 3_600 + 1], "staked_pool": [1_801]}.get(name, [])
    steps += [fire(bench, contract, job, seconds) for seconds in after]
    total = Counts()
    for step in steps:
        total += step
    return total, proven


def fire(bench: Bench, contract: str, job: int, seconds: int) -> Counts:
    """Let time pass and fire the job's timer."""
    bench.chain.rpc("evm_increaseTime", seconds)
    bench.chain.rpc("evm_mine")
    return bench.counts(bench.clients[0], bench.clients[0].send(contract, "timer", job))


def measure_rate(bench: Bench, jobs: int) -> float:
    """Jobs a minute, each assigned and proven by transactions of its own, with a light verifier."""
    prover = bench.clients[2]
    words = [(10**6).to_bytes(32, "big"), *[bytes(32)] * 4, int(prover.address, 16).to_bytes(32, "big"), bytes(32)]
    start = time.perf_counter()
    for _ in range(0, jobs, 32):
        orders = [bench.order(LIGHT, words, Kind.ROLLUP) for _ in range(32)]
        names = [bench.assign(order) for order in orders]
        for name in names:
            bench.clients[0].outbox.wait(name)
        names = [prover.send("Market", "prove", tuple(order), b"light", words) for order in orders]
        for name in names:
            prover.outbox.wait(name)
    return jobs / (time.perf_counter() - start) * 60


def main() -> None:
    """Measure, print, compare with the bars."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the committed gas snapshot")
    parser.add_argument("--jobs", type=int, default=128, help="jobs to settle for the rate")
    options = parser.parse_args()
    accounts = [devchain.account(number) for number in range(PROVERS + 2)]
    proof, verifier = real_proof(accounts[2].address)
    light = compile_sources({"light.sol": LIGHT_SOURCE})["Light"].bytecode
    circuits = {REAL: Circuit(verifier, 3_000_000, Kind.ROLLUP),
                LIGHT: Circuit(light, 100_000, Kind.ROLLUP, 1, light, 100_000, KEY)}  # fmt: skip
    terms = rules()
    owner = accounts[0]
    with devchain.running(more=("--steps-tracing",)) as node:  # tracing slows it down
        chain = Chain(profiles.read("anvil"), node.url)
        deployment = deploy(Outbox(chain, owner), owner.address, circuits, terms=Terms(), rules=terms)
        bench = Bench(chain, deployment, accounts)
        found, bare, single = measure_market(bench, proof)
        found |= measure_batches(bench) | measure_rules(bench)
    with devchain.running() as node:
        chain = Chain(profiles.read("anvil"), node.url)
        start = time.perf_counter()
        deployment = deploy(Outbox(chain, owner), owner.address, circuits, terms=Terms(), rules=terms)
        seconds = time.perf_counter() - start
        bench = Bench(chain, deployment, accounts)
        bench.clients[2].stake(1_000 * TOKEN)
        rate = measure_rate(bench, options.jobs)
    beyond = single - bare * 105 // 100
    each = found[JOINED].gas // costs.jobs_in(JOINED)
    print(f"bare verification of a real proof                  {bare:>10,} gas")
    print(f"prove and pay one job                              {single:>10,} gas")
    report("beyond 1.05 times the verification", beyond, "gas", BARS["single"])
    report("one of 16 jobs under a joined proof, beyond it", each, "gas", BARS["joined"])
    report(f"{len(deployment.addresses)} contracts deployed", seconds, "s", BARS["deploy_s"])
    report("jobs settled, light verifier", rate, "a minute", BARS["per_minute"], at_least=True)
    for name, counts in found.items():
        print(f"{name:<50} {(counts.gas - counts.refund) // costs.jobs_in(name):>10,} gas")
    if options.write:
        text = json.dumps({name: asdict(counts) for name, counts in found.items()}, indent=2)
        costs.FILE.write_text(text + "\n", encoding="utf-8")


def report(what: str, value: float, unit: str, bar: float, *, at_least: bool = False) -> None:
    """Print a figure with its bar."""
    met = value >= bar if at_least else value <= bar
    shown = f"{value:,.1f}" if unit == "s" else f"{value:,.0f}"
    print(f"{what:<50} {shown:>10} {unit}, bar {bar:,.0f}: {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    main()
