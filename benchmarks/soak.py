"""A market under load while its processes are killed at random: nothing may be lost, nothing doubled, money conserved.

    .venv/bin/python benchmarks/soak.py --minutes 120 --out build/soak    two hours, a kill every 20 s
    .venv/bin/python benchmarks/soak.py --kills 300 --pause 1             hundreds of kills, with light stand-ins

Prints a report with latencies and memory, and ends with 1 if something does not hold.
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
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

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
COMMAND = (sys.executable, "-m", "proofyard.cli")


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

    def memory_mib(self) -> int:
        """Memory of the market, MiB."""
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.running["market"].pid).memory_info().rss // 2**20
        return 0


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
            told["memory_mib"].append(yard.memory_mib())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), gap_s)
        for _ in range(1_200):
            if not await market.jobs(unfinished=True):
                break
            await asyncio.sleep(0.1)


async def play(yard: Yard, kills: int, pause_s: float, gap_s: float, seed: int) -> dict[str, Any]:
    """Load the market, kill and start again, wait until all is final."""
    told: dict[str, Any] = {"jobs": [], "refused": Counter(), "latency_ms": [], "memory_mib": [], "killed": Counter()}
    dice, stop = random.Random(seed), asyncio.Event()
    asking = asyncio.create_task(ask_on(yard, stop, gap_s, told))
    for _ in range(kills):
        enough = len(told["jobs"]) + dice.randint(1, 4)  # so that each kill hits a market at work
        for _ in range(1_200):
            if len(told["jobs"]) >= enough or asking.done():
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(pause_s * dice.random())
        name = dice.choice(list(yard.running))
        await asyncio.to_thread(yard.kill, name)
        told["killed"][name.rstrip("0123456789")] += 1
    if not kills:
        await asyncio.sleep(pause_s)
    stop.set()
    await asking
    return told


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
    latency = sorted(told["latency_ms"]) or [0.0]
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
        "latency_ms": {"p50": round(latency[len(latency) // 2]), "p99": round(latency[len(latency) * 99 // 100])},
        "memory_mib": {"first": told["memory_mib"][:1], "last": told["memory_mib"][-1:], "own": own_mib()},
    }


def own_mib() -> int:
    """Largest memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def run(folder: Path, *, url: str = "", provers: int = 2, kills: int = 10, pause_s: float = 2.0, gap_s: float = 0.2,
        seed: int = 1) -> dict[str, Any]:  # fmt: skip
    """Run it all in `folder`; return the report."""
    folder.mkdir(parents=True, exist_ok=True)
    url = url or str(folder / "market.db")
    yard = Yard(folder, url, provers)
    try:
        told = asyncio.run(play(yard, kills, pause_s, gap_s, seed))
    finally:
        yard.stop()
    return check(url, told)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=0.0, help="load for so long, with a kill every 20 s")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pause", type=float, default=2.0, help="s between kills")
    parser.add_argument("--provers", type=int, default=2)
    parser.add_argument("--journal", default="", help="a URL of a PostgreSQL database instead of a file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    kills, pause = (int(wanted.minutes * 3), 20.0) if wanted.minutes else (wanted.kills, wanted.pause)
    with tempfile.TemporaryDirectory() as place:
        folder = wanted.out or Path(place)
        told = run(folder, url=wanted.journal, provers=wanted.provers, kills=kills, pause_s=pause, seed=wanted.seed)
    print(json.dumps(told, indent=2))
    if not all(told["holds"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
