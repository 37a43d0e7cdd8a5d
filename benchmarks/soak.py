"""A market under load while its processes are killed at random: nothing may be lost, nothing doubled, money conserved.

    .venv/bin/python benchmarks/soak.py --minutes 120 --every 60 --spare market --out build/soak    two hours of load
    .venv/bin/python benchmarks/soak.py --kills 300 --pause 1             hundreds of kills, with light stand-ins

Prints a report with latencies and memory by the minute, and ends with 1 if something does not hold. With `--spare
market` only provers are killed, so that two hours of the same market show whether its memory grows. `--out` keeps the
journal and the logs, and `soak.json` there tells how far a run is.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import resource
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from proofyard.core import MarketError, Phase
from proofyard.network.audit import audit
from proofyard.network.client import AsyncMarket
from proofyard.network.journal import connect
from proofyard.network.market import Market
from proofyard.network.messages import Signer
from proofyard.network.requester import Rollup
from proofyard.proofs.calibrated import Calibrated

RULE = (
    "staked_pool(min_capacity=1, seats=4, min_window_ms=4000, max_window_ms=4000, initial_delay_ms=1000, "
    "cooldown_ms=100, open_window_ms=60000, base_gas=100_000)"
)
TOKEN = 10**9
SAMPLE_S = 60.0  # between looks at memory and latency
COMMAND = (sys.executable, "-m", "proofyard")


class Yard:
    """A market and its provers as processes, to be killed and started again."""

    def __init__(self, folder: Path, url: str, provers: int) -> None:
        self.folder, self.url = folder, url
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.keys = {name: secrets.token_bytes(32) for name in ("market", *(f"prover{k}" for k in range(provers)))}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        for name in self.keys:
            self.start(name)

    def start(self, name: str) -> None:
        """Start a role with its own key and log."""
        if name == "market":
            arguments = ("market", self.url, "-m", RULE, "--port", str(self.port))
        else:
            config = self.folder / f"{name}.toml"
            config.write_text(
                f'market = "http://127.0.0.1:{self.port}"\nname = "{name}"\nprice_gwei = 10\nsetup_ms = 30\n'
                f"stake_gwei = {100 * TOKEN}\nepoch_ms = 1000\n",
                encoding="utf-8",
            )
            arguments = ("prover", "--config", str(config), "--state", str(self.folder))
        environment = {**os.environ, "PROOFYARD_KEY": self.keys[name].hex()}
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen([*COMMAND, *arguments], stdout=log, stderr=log, env=environment)

    def kill(self, name: str) -> None:
        """Kill a role where it stands, and start it again."""
        self.running[name].kill()
        self.running[name].wait()
        self.start(name)

    def stop(self) -> None:
        """Let everybody finish."""
        for name in reversed(list(self.running)):
            self.running[name].send_signal(signal.SIGTERM)
            try:
                self.running[name].wait(60)
            except subprocess.TimeoutExpired:
                self.running[name].kill()
                self.running[name].wait()

    def sample(self) -> dict[str, Any]:
        """Say of each process which one it is now, how much memory it has, and how much CPU time it took."""
        told: dict[str, Any] = {}
        for name, running in self.running.items():
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(running.pid)
                times = process.cpu_times()
                mib = round(process.memory_info().rss / 2**20, 1)
                told[name] = {"pid": running.pid, "mib": mib, "cpu_s": round(times.user + times.system, 1)}
        return told


async def ask_on(yard: Yard, stop: asyncio.Event, gap_s: float, told: dict[str, Any]) -> None:
    """Ask for proofs until told to stop; keep what was accepted and how long it took."""
    async with AsyncMarket(f"http://127.0.0.1:{yard.port}", Signer(secrets.token_bytes(32)), patience_s=120) as market:
        await market.join("rollup")
        tasks = Rollup(1, 4, accounts=8, depth=4).tasks()
        while not stop.is_set():
            began = time.monotonic()
            try:
                accepted = await market.request(next(tasks).to_bytes(), 2 * TOKEN, 100_000)
                told["jobs"].append(accepted.job)
            except MarketError as error:
                told["refused"][type(error).__name__ + ": " + str(error)[:60]] += 1
            told["latency_ms"].append(1000 * (time.monotonic() - began))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), gap_s)
        for _ in range(1_200):
            if not await market.jobs(unfinished=True):
                break
            await asyncio.sleep(0.1)


class Plan(NamedTuple):
    """What a run does.

    Attributes
    ----------
    provers : how many
    kills : at most
    minutes : how long there is load, 0 until the last kill
    pause_s : between kills, at most; on average half of it
    gap_s : between requests
    spare : roles that are not killed
    seed : of the moments and victims
    """

    provers: int = 2
    kills: int = 10
    minutes: float = 0.0
    pause_s: float = 2.0
    gap_s: float = 0.2
    spare: tuple[str, ...] = ()
    seed: int = 1


async def play(yard: Yard, plan: Plan) -> dict[str, Any]:
    """Load the market, kill and start again, wait until all is final."""
    told: dict[str, Any] = {"jobs": [], "refused": Counter(), "latency_ms": [], "killed": Counter(), "samples": []}
    stop = asyncio.Event()
    asking = asyncio.create_task(ask_on(yard, stop, plan.gap_s, told))
    looking = asyncio.create_task(look_on(yard, told))
    killing = kill_on(yard, plan, told, asking)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(killing, 60 * plan.minutes if plan.minutes else None)
    stop.set()
    await asking
    looking.cancel()
    return told


async def kill_on(yard: Yard, plan: Plan, told: dict[str, Any], asking: "asyncio.Task[None]") -> None:
    """Kill a process now and then; with a time to fill, wait for its end after the last."""
    dice, mortal = random.Random(plan.seed), [name for name in yard.running if name not in plan.spare]
    for _ in range(plan.kills):
        enough = len(told["jobs"]) + dice.randint(1, 4)  # so that each kill hits a market at work
        for _ in range(1_200):
            if len(told["jobs"]) >= enough or asking.done():
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(plan.pause_s * dice.random())
        name = dice.choice(mortal)
        await asyncio.to_thread(yard.kill, name)
        told["killed"][name.rstrip("0123456789")] += 1
    if plan.minutes:
        await asyncio.Event().wait()


async def look_on(yard: Yard, told: dict[str, Any]) -> None:
    """Look at memory and latency every minute, and keep a note of it in the folder."""
    began, seen = time.monotonic(), 0
    while True:
        await asyncio.sleep(SAMPLE_S)
        latency, seen = sorted(told["latency_ms"][seen:]), len(told["latency_ms"])
        told["samples"].append({
            "s": round(time.monotonic() - began), "requests": len(latency), **quantiles(latency), **yard.sample()
        })  # fmt: skip
        note = {"killed": told["killed"], "refused": told["refused"], "samples": told["samples"]}
        (yard.folder / "soak.json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")


def quantiles(latency: list[float]) -> dict[str, int]:
    """Name the middle and the slow end of sorted times, ms."""
    if not latency:
        return {}
    return {"p50_ms": round(latency[len(latency) // 2]), "p99_ms": round(latency[len(latency) * 99 // 100])}


def growth(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Say how the memory of the market grew within its longest life, after the first tenth of it."""
    lives: dict[int, list[tuple[int, float]]] = {}
    for sample in samples:
        if "market" in sample:
            lives.setdefault(sample["market"]["pid"], []).append((sample["s"], sample["market"]["mib"]))
    life = max(lives.values(), key=len, default=[])
    life = life[len(life) // 10 :]
    if len(life) < 2:
        return {}
    slope, _ = statistics.linear_regression([s / 3_600 for s, _ in life], [mib for _, mib in life])
    return {"from_s": life[0][0], "until_s": life[-1][0], "first_mib": life[0][1], "last_mib": life[-1][1],
            "mib_per_hour": round(slope, 2)}  # fmt: skip


def check(url: str, told: dict[str, Any]) -> dict[str, Any]:
    """Audit the journal; every accepted request is in it once, and every job is final."""
    journal = connect(url)
    report = audit(journal, Calibrated())
    asked = [row.job for row in journal.rows() if row.kind == 7]
    views: Counter[str] = Counter()
    market = Market.rebuild(journal.rows())
    for job in range(market.jobs):
        views[Phase(int(market.state.book.phase[job])).name] += 1
    journal.close()
    holds = {
        "audit": report.ok,
        "each accepted request once": len(told["jobs"]) == len(set(told["jobs"])) and set(told["jobs"]) <= set(asked),
        "no request but those accepted": asked == list(range(len(asked))) and len(asked) == len(told["jobs"]),
        "all final": set(views) <= {"SETTLED", "LOST"},
        "money": market.money_difference == 0,
    }
    return {
        "holds": holds,
        "first_failure": report.first_failure._asdict() if report.first_failure else None,
        "events": report.events,
        "jobs": dict(views),
        "killed": dict(told["killed"]),
        "refused": dict(told["refused"]),
        "latency": quantiles(sorted(told["latency_ms"])),
        "memory": growth(told["samples"]),
        "own_mib": own_mib(),
        "samples": told["samples"],
    }


def own_mib() -> int:
    """Largest memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def run(folder: Path, plan: Plan, url: str = "") -> dict[str, Any]:
    """Run it all in `folder`; return the report."""
    folder.mkdir(parents=True, exist_ok=True)
    url = url or str(folder / "market.db")
    yard = Yard(folder, url, plan.provers)
    try:
        told = asyncio.run(play(yard, plan))
    finally:
        yard.stop()
    return check(url, told)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=0.0, help="load for so long, in place of --kills")
    parser.add_argument("--every", type=float, default=20.0, metavar="S", help="with --minutes: a kill every S s")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pause", type=float, default=2.0, metavar="S", help="between kills, at most")
    parser.add_argument("--rate", type=float, default=5.0, help="requests a second")
    parser.add_argument(
        "--spare", action="append", default=[], metavar="ROLE", help="never kill it: market, prover0, …"
    )
    parser.add_argument("--provers", type=int, default=2)
    parser.add_argument("--journal", default="", help="a URL of a PostgreSQL database instead of a file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    kills, pause = (10**9, 2 * wanted.every) if wanted.minutes else (wanted.kills, wanted.pause)
    plan = Plan(wanted.provers, kills, wanted.minutes, pause, 1 / wanted.rate, tuple(wanted.spare), wanted.seed)
    with tempfile.TemporaryDirectory() as place:
        told = run(wanted.out or Path(place), plan, wanted.journal)
    print(json.dumps(told, indent=1))
    if not all(told["holds"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
