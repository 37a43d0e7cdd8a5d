"""Measure a live market against bare group commits: `python benchmarks/market.py`, SQLite unless a URL is given.

Commands    signed offers, accepted durably, against bare transactions of rows of the same size, in groups of the size
            that the market's groups had; the two take turns. Within the process, without HTTP.
Proofs      from "proof finished" to "proof accepted", one after the other, verification and commit included.
Rebuilding  the state from a journal of a million events.
"""

import argparse
import asyncio
import json
import os
import secrets
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from proofyard.core import Kind
from proofyard.network.coordinator import Coordinator, Receipt
from proofyard.network.journal import connect
from proofyard.network.market import Market
from proofyard.network.messages import Signed, Signer
from proofyard.network.records import digest, make_row, pack
from proofyard.network.requester import Rollup
from proofyard.proofs.calibrated import Calibrated

RULE = "staked_pool(min_capacity=1, seats=4, cooldown_ms=100)"
TOKEN = 10**9
GENESIS: dict[str, Any] = {"mechanism": RULE, "actors": 1_100, "grant_gwei": 1_000 * TOKEN}


async def begun(folder: Path, name: str) -> Coordinator:
    """Start a coordinator on a new journal."""
    coordinator = Coordinator(
        connect(str(folder / f"{name}.db")), Signer(secrets.token_bytes(32)), Calibrated(speed=10_000), GENESIS
    )
    await coordinator.start()
    while coordinator.trouble:  # noqa: ASYNC110 - a moment, once
        await asyncio.sleep(0.01)
    return coordinator


def offers(signer: Signer, coordinator: Coordinator, count: int) -> list[Signed]:
    """Sign commands beforehand."""
    domain = coordinator.ready().domain
    return [signer.sign("offer", domain, price=k + 1, capacity=1, lasts_ms=500_000) for k in range(count)]


async def commands(folder: Path, turn: int, count: int, at_once: int) -> dict[str, float]:
    """Submit signed commands, `at_once` under way; then write as many bare rows of their size in groups of theirs."""
    coordinator = await begun(folder, f"commands{turn}-{at_once}")
    signer = Signer(secrets.token_bytes(32))
    await coordinator.submit(signer.sign("join", coordinator.ready().domain, name="offers"))
    waiting = iter(offers(signer, coordinator, count))
    latency: list[float] = []
    first = coordinator.ready().last.seq

    async def client() -> None:
        for signed in waiting:
            came = time.perf_counter()
            await coordinator.submit(signed)
            latency.append(time.perf_counter() - came)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client() for _ in range(at_once)))
    took, used = time.perf_counter() - began, time.process_time() - cpu
    groups = next(s.value for f in coordinator.metrics.group.collect() for s in f.samples if s.name.endswith("_count"))
    rows = list(coordinator.journal.rows(first))
    await coordinator.stop()
    size = max(1, round(count / max(1.0, groups)))
    bare = connect(str(folder / f"bare{turn}-{at_once}.db"))
    bare.acquire()
    began = time.perf_counter()
    for k in range(0, len(rows), size):
        bare.append(rows[k : k + size])
    bare_took = time.perf_counter() - began
    bare.close()
    latency.sort()
    return {
        "per_s": count / took, "cpu_us": 1e6 * used / count, "bare_per_s": len(rows) / bare_took, "group": size,
        "p50_ms": 1e3 * latency[len(latency) // 2], "p99_ms": 1e3 * latency[len(latency) * 99 // 100],
        "share": (count / took) / (len(rows) / bare_took),
    }  # fmt: skip


async def proofs(folder: Path, turn: int, count: int) -> list[float]:
    """Hand proofs in, one after the other; ms from finished to accepted, verification and commit included."""
    coordinator = await begun(folder, f"proofs{turn}")
    domain = coordinator.ready().domain
    requester, prover = Signer(secrets.token_bytes(32)), Signer(secrets.token_bytes(32))
    for who in (requester, prover):
        await coordinator.submit(who.sign("join", domain, name=""))
    await coordinator.submit(prover.sign("offer", domain, price=10, capacity=1_000))
    await coordinator.submit(prover.sign("stake", domain, amount=100 * TOKEN))
    took: list[float] = []
    for task in islice(Rollup(1, 4, accounts=8, depth=4).tasks(), count):
        data = task.to_bytes()
        name = "0x" + digest(data).hex()
        asked: Receipt = await coordinator.submit(
            requester.sign("request", domain, data, ceiling=2 * TOKEN, size=100_000, payload=name)
        )
        proof = Calibrated(speed=10_000).prove(task.job(prover.address)).to_json().encode()
        began = time.perf_counter()
        name = "0x" + digest(proof).hex()
        await coordinator.submit(prover.sign("prove", domain, proof, job=asked.job, tier=0, proof=name))
        took.append(1e3 * (time.perf_counter() - began))
    await coordinator.stop()
    return took


async def rebuilding(folder: Path, count: int) -> dict[str, float]:
    """Write a journal of `count` events, then rebuild the state from it."""
    coordinator = await begun(folder, "rebuild")
    signer = Signer(secrets.token_bytes(32))
    await coordinator.submit(signer.sign("join", coordinator.ready().domain, name="offers"))
    signed = signer.sign("offer", coordinator.ready().domain, price=1, capacity=1)
    body = pack({"verb": signed.verb, "message": signed.message, "signature": "0x" + signed.signature.hex()})
    row = coordinator.ready().last
    url = coordinator.journal.url
    await coordinator.stop()
    journal = connect(url)
    journal.acquire()
    old = row.at - 86_400_000  # as a journal of a million events is: its messages have long expired
    for _ in range(0, count, 10_000):
        rows = []
        for k in range(10_000):
            row = make_row(row, old, (Kind.OFFER, row.time + 1, 0, -1, 1 + k, 1, 0), body)
            rows.append(row)
        journal.append(rows)
    began, cpu = time.perf_counter(), time.process_time()
    market = Market.rebuild(journal.rows())
    told = {"events": count, "wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    journal.close()
    return {**told, "seq": market.last.seq}


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--count", type=int, default=4_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    wanted = parser.parse_args()
    told: dict[str, Any] = {"load": os.getloadavg()[0], "commands": {}}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for at_once in (1, 16, 128):
            runs = [asyncio.run(commands(folder, turn, wanted.count, at_once)) for turn in range(wanted.turns)]
            told["commands"][at_once] = {key: round(statistics.median(run[key] for run in runs), 3) for key in runs[0]}
        times = sorted(ms for turn in range(wanted.turns) for ms in asyncio.run(proofs(folder, turn, 60)))
        told["proof_accepted_ms"] = {
            "p50": round(times[len(times) // 2], 2),
            "p99": round(times[-len(times) // 100], 2),
        }
        told["rebuild"] = asyncio.run(rebuilding(folder, wanted.events))
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
