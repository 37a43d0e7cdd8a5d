"""A market as its users meet it: a process of its own behind a port, with a crowd that listens, under load.

Half load   signed commands at half the rate that the market can take, arriving at random: how long each takes.
Crowd       commands accepted a second with 1,000 idle prover nodes connected (light clients of one process), and not.
Work        what share of the CPU time of a loaded live run with real proofs goes into making proofs.
"""

import asyncio
import os
import random
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx
import psutil

from proofyard.network.client import AsyncMarket
from proofyard.network.messages import Signed, Signer
from proofyard.network.server import room_for_connections

COMMAND = (sys.executable, "-m", "proofyard")
RULE = "staked_pool(min_capacity=1, seats=4, cooldown_ms=100)"
BATCH = 32  # messages to a call
AT_ONCE = 8  # calls under way
LIGHT = 1_000
TURNS = 12  # of a market with a crowd and of one without
SECONDS = 8.0  # of half load
LIVE = "scenarios/payments-rollup.toml"
LOADED = "1500ms"  # between requests of the live run: more than its provers can prove
PATIENCE_S = 600.0


def free_port() -> int:
    """Find a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(url: str, actors: int) -> Iterator[tuple[str, psutil.Process]]:
    """Run a market; yields its address and its process."""
    port = free_port()
    arguments = ("market", url, "-m", RULE, "--port", str(port), "--actors", str(actors))
    environment = {**os.environ, "PROOFYARD_KEY": secrets.token_hex(32)}
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=environment)  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@asynccontextmanager
async def sender(address: str) -> AsyncGenerator[tuple[AsyncMarket, Signer]]:
    """Join as somebody who sends offers."""
    signer = Signer(secrets.token_bytes(32))
    async with AsyncMarket(address, signer, patience_s=60) as market:
        await market.join("offers")
        yield market, signer


def offers(market: AsyncMarket, signer: Signer, count: int) -> list[Signed]:
    """Sign commands beforehand."""
    domain = market.domain
    assert domain is not None  # noqa: S101 - it has joined
    return [signer.sign("offer", domain, price=k + 1, capacity=1, lasts_ms=500_000) for k in range(count)]


async def hand_in(http: httpx.AsyncClient, address: str, messages: list[Signed]) -> None:
    """Send messages in one call; all must be accepted."""
    body = b"[" + b",".join(each.to_json() for each in messages) + b"]"
    answer = await http.post(f"{address}/v1/batches", content=body, headers={"content-type": "application/json"})
    refused = [each for each in answer.raise_for_status().json() if "reason" in each]
    assert not refused, refused[:1]  # noqa: S101 - a benchmark of what is accepted


async def rate(address: str, count: int, process: psutil.Process) -> dict[str, float]:
    """Send as fast as the market takes them: accepted a second, and the market's CPU time of each, us."""
    async with sender(address) as (market, signer), httpx.AsyncClient(timeout=60) as http:
        signed = offers(market, signer, count)
        calls = iter([signed[k : k + BATCH] for k in range(0, count, BATCH)])

        async def send_on() -> None:
            for call in calls:
                await hand_in(http, address, call)

        before, began = cpu_s(process), time.perf_counter()
        await asyncio.gather(*(send_on() for _ in range(AT_ONCE)))
        took = time.perf_counter() - began
        return {"per_s": count / took, "cpu_us": 1e6 * (cpu_s(process) - before) / count}


def cpu_s(process: psutil.Process) -> float:
    """CPU time of a process and its children, s."""
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        times = each.cpu_times()
        total += times.user + times.system
    return total


async def half_load(address: str, per_s: float) -> dict[str, float]:
    """Send single commands at random moments, half as many as the market takes; ms until each is durable."""
    took: list[float] = []
    async with sender(address) as (market, signer), httpx.AsyncClient(timeout=60) as http:
        signed = offers(market, signer, int(SECONDS * per_s / 2))

        async def one(message: Signed, begins: float) -> None:
            headers = {"content-type": "application/json"}
            answer = await http.post(f"{address}/v1/messages", content=message.to_json(), headers=headers)
            answer.raise_for_status()
            took.append(1e3 * (time.perf_counter() - begins))

        dice, begins, sent = random.Random(1), time.perf_counter(), list[asyncio.Task[None]]()
        for message in signed:
            begins += dice.expovariate(per_s / 2)
            await asyncio.sleep(max(0.0, begins - time.perf_counter()))
            sent.append(asyncio.create_task(one(message, begins)))
        await asyncio.gather(*sent)
    took.sort()
    return {"offered_per_s": per_s / 2, "p50_ms": took[len(took) // 2], "p99_ms": took[len(took) * 99 // 100]}


async def singles(address: str, count: int, at_once: int) -> float:
    """Send one command a call, so many under way; accepted a second."""
    async with sender(address) as (market, signer), httpx.AsyncClient(timeout=60) as http:
        waiting = iter(offers(market, signer, count))

        async def send_on() -> None:
            headers = {"content-type": "application/json"}
            for message in waiting:
                answer = await http.post(f"{address}/v1/messages", content=message.to_json(), headers=headers)
                answer.raise_for_status()

        began = time.perf_counter()
        await asyncio.gather(*(send_on() for _ in range(at_once)))
        return count / (time.perf_counter() - began)


async def listen(address: str, count: int) -> None:
    """Be light clients: join once, then listen to what concerns each until told to stop."""
    keys = [Signer((k + 1).to_bytes(32)) for k in range(count)]
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=PATIENCE_S, limits=limits) as http:
        ready, doors = asyncio.Semaphore(0), asyncio.Semaphore(50)

        async def one(signer: Signer) -> None:
            async with doors, AsyncMarket(address, signer, patience_s=60) as market:
                await market.join("light")
            async with http.stream("GET", f"{address}/v1/events", params={"actor": signer.address}) as answer:
                async for line in answer.aiter_lines():
                    if line == ": welcome":
                        ready.release()

        listening = [asyncio.create_task(one(signer)) for signer in keys]
        for _ in range(count):
            await ready.acquire()  # each was welcomed
        print("ready", flush=True)
        await asyncio.gather(*listening)


@contextmanager
def listeners(address: str, count: int) -> Iterator[None]:
    """Keep so many light clients connected."""
    process = subprocess.Popen([sys.executable, __file__, address, str(count)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None  # noqa: S101 - asked for
        assert process.stdout.readline() == b"ready\n", "the light clients could not connect"  # noqa: S101
        yield
    finally:
        process.kill()
        process.wait()


def crowd(folder: Path, count: int) -> dict[str, float]:
    """Compare a market with a crowd and one without: both there all the time, and loaded in turns, many and short."""
    place = {who: str(folder / f"{who}.db") for who in ("alone", "crowd")}
    with (
        served(place["alone"], LIGHT + 2 * TURNS) as alone,
        served(place["crowd"], LIGHT + 2 * TURNS) as other,
        listeners(other[0], LIGHT),
    ):
        runs: dict[str, list[dict[str, float]]] = {"alone": [], "crowd": []}
        both = (("alone", alone), ("crowd", other))
        for turn in range(TURNS + 1):
            for who, (address, process) in both if turn % 2 else reversed(both):
                told = asyncio.run(rate(address, count, process))
                if turn:  # whatever starts with a load has started in the first
                    runs[who].append(told)
    cpu = {who: statistics.fmean(run["cpu_us"] for run in kept) for who, kept in runs.items()}
    ratios = sorted(one["per_s"] / two["per_s"] for one, two in zip(runs["crowd"], runs["alone"], strict=True))
    return {
        "light_clients": LIGHT,
        "per_s": statistics.median(run["per_s"] for run in runs["alone"]),
        "with_crowd_per_s": statistics.median(run["per_s"] for run in runs["crowd"]),
        "slower": 1 - statistics.median(ratios),
        "slower_at_best": 1 - ratios[-2],
        "slower_at_worst": 1 - ratios[1],
        "cpu_us": cpu["alone"],
        "more_cpu": cpu["crowd"] / cpu["alone"] - 1,
    }


def latency(folder: Path) -> dict[str, float]:
    """Measure what the market takes, one command a call, and how long each takes at half of that."""
    with served(str(folder / "half.db"), 20) as (address, _):
        asyncio.run(singles(address, 500, 16))
        return asyncio.run(half_load(address, asyncio.run(singles(address, 2_000, 32))))


def work(folder: Path, length: str, backend: str) -> dict[str, float]:
    """Run a scenario live, loaded; what share of its CPU time, from when all are ready on, goes into proofs."""
    arguments = ("live", LIVE, "--for", length, "--backend", backend, "--out", str(folder / "live"), "--port",
                 str(free_port()), "--set", f"workload.every={LOADED}")  # fmt: skip
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None  # noqa: S101 - asked for
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("watch it"):
            break
    else:
        raise SystemExit("".join(said))
    first = last = spent(process.pid)
    while process.poll() is None:
        now = spent(process.pid)
        last = now if now["proofs"] >= last["proofs"] else last  # until provers end and what they started with them
        time.sleep(0.5)
    process.stderr.close()
    cpu = {part: last[part] - first[part] for part in PARTS}
    return {"share": cpu["proofs"] / sum(cpu.values()), **{f"{part}_cpu_s": taken for part, taken in cpu.items()}}


PARTS = ("proofs", "provers", "market", "chain", "run")  # programs that make proofs; nodes; coordinator; chain; rollup


def spent(pid: int) -> dict[str, float]:
    """CPU time of a live run so far by what took it, s."""
    told: dict[str, float] = dict.fromkeys(PARTS, 0.0)
    with suppress(psutil.NoSuchProcess):  # something ended meanwhile: the next look tells
        live = psutil.Process(pid)
        told["run"] = sum(live.cpu_times()[:2])
        for role in live.children():
            words = role.cmdline()[:5]
            part = "provers" if "prover" in words else "market" if "market" in words else "chain"
            times = role.cpu_times()
            below = cpu_s(role) - times.user - times.system + times.children_user + times.children_system
            told[part] += times.user + times.system
            told["proofs" if part == "provers" else part] += below
    return told


if __name__ == "__main__":
    room_for_connections()
    asyncio.run(listen(sys.argv[1], int(sys.argv[2])))
