"""A market with money on a chain whose coordinator, prover and node are killed: nothing lost or paid twice.

    .venv/bin/python benchmarks/soak_chain.py --kills 300 --pause 1 --out build/soak-chain

Real processes: anvil with its state in a file, `proofyard market`, a `proofyard prover` with stand-ins. The requester
and a second prover, which drops some jobs, are clients here. The chain's profile asks for more confirmations than anvil
forgets when it is killed. Prints a report, and ends with 1 if something does not hold.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from proofyard.chain import Account, Chain, Deployment, Outbox, Terms, deploy, devchain, profiles
from proofyard.core import ANYONE, MarketError, Phase
from proofyard.network.audit import audit
from proofyard.network.bank import Bank
from proofyard.network.circuits import circuits_for
from proofyard.network.client import AsyncMarket
from proofyard.network.journal import connect
from proofyard.network.market import Market
from proofyard.network.messages import Signer
from proofyard.network.owned import owned
from proofyard.network.processes import COMMAND
from proofyard.network.purse import Place, Purse, enter, kept
from proofyard.network.requester import Rollup
from proofyard.network.witness import Witness
from proofyard.network.work import Task
from proofyard.proofs.calibrated import Calibrated
from proofyard.worlds import chains

RULE = (
    "staked_pool(min_capacity=1, seats=4, min_window_ms=4000, max_window_ms=4000, initial_delay_ms=1000, "
    "cooldown_ms=100, open_window_ms=2000, base_gas=100_000)"
)
TOKEN = 10**9
STAKE = 100 * TOKEN
BROUGHT = 1_000 * TOKEN
CEILING = 2 * TOKEN
SIZE = 4
BLOCK_S, DEPTH = 0.2, 20  # s, blocks; the chain's state is saved every two seconds, which is ten of them
SPARE = 4  # blocks of the depth that have to be left when anvil is killed
VICTIMS = ("market", "prover", "chain")
GAS_WEI = 10**21
END_S = 300.0  # s until all is final and settled


class Plan(NamedTuple):
    """What a run does.

    Attributes
    ----------
    kills : of the market, of the prover and of the chain in turn
    pause_s : between kills, at most
    minutes : after which nobody is killed any more, however many there were
    workers : requests under way at once
    dropped : share of its jobs that the prover here leaves
    seed : of the moments
    """

    kills: int = 10
    pause_s: float = 4.0
    minutes: float = 1e9
    workers: int = 6
    dropped: float = 0.15
    seed: int = 1


class Yard:
    """A chain and a market as processes, to be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state, self.journal = folder, folder / "chain.json", folder / "market.db"
        self.profile = folder / "deep.toml"
        known = chains.FOLDER / "anvil.toml"
        lines = [line for line in known.read_text(encoding="utf-8").splitlines() if line.split(" ")[0] not in
                 ("confirmations", "block_s")]  # fmt: skip
        self.profile.write_text("\n".join([*lines, f"confirmations = {DEPTH}", f"block_s = {BLOCK_S}", ""]))
        self.node = devchain.start(state=self.state, block_s=BLOCK_S)
        self.chain = Chain(profiles.read(str(self.profile)), self.node.url)
        self.keys = {name: secrets.token_bytes(32) for name in ("market", "requester", "prover", "node")}
        for key in self.keys.values():
            self.chain.rpc("anvil_setBalance", Signer(key).address, hex(GAS_WEI))
        writer = str(Account.from_key(self.keys["market"]).address)
        owner = Outbox(self.chain, devchain.account(0))
        self.deployment = deploy(owner, writer, circuits_for(Calibrated(), [SIZE], print), terms=Terms(delay=60))
        self.deployment.save(folder / "deployment.json")
        self.place = Place(self.node.url, folder / "deployment.json", str(self.profile))
        self.port = devchain.free_port()
        self.market = self._market()
        self.node_config = folder / "node.toml"
        self.node_config.write_text(
            f'market = "http://127.0.0.1:{self.port}"\nname = "node"\nprice_gwei = 10\nsetup_ms = 30\n'
            f'stake_gwei = {STAKE}\nepoch_ms = 1000\nchain = "{self.place.url}"\n'
            f'deployment = "{self.place.deployment}"\ndeposit_gwei = {BROUGHT}\n',
            encoding="utf-8",
        )
        self.prover = self._prover()

    def _market(self) -> subprocess.Popen[bytes]:
        arguments = ("market", str(self.journal), "-m", RULE, "--port", str(self.port), "--actors", "16", "--chain",
                     self.place.url, "--deployment", str(self.place.deployment), "--profile",
                     str(self.profile))  # fmt: skip
        return self._run("market", arguments)

    def _prover(self) -> subprocess.Popen[bytes]:
        return self._run("node", ("prover", "--config", str(self.node_config), "--state", str(self.folder / "prover")))

    def _run(self, role: str, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PROOFYARD_KEY": self.keys[role].hex()}
        with (self.folder / f"{role}.log").open("ab") as log:
            return subprocess.Popen([*COMMAND, *arguments], stdout=log, stderr=log, env=environment)

    def kill_market(self) -> None:
        """Kill the coordinator where it stands, and start it again."""
        self.market.kill()
        self.market.wait()
        self.market = self._market()

    def kill_prover(self) -> None:
        """Kill the prover where it stands, and start it again."""
        self.prover.kill()
        self.prover.wait()
        self.prover = self._prover()

    def kill_chain(self) -> None:
        """Kill the chain's node once what counts is in its file, and start it from there."""
        while True:
            saved = json.loads(self.state.read_text(encoding="utf-8"))["best_block_number"]
            if self.chain.block_number() - saved <= DEPTH - SPARE:
                break
            time.sleep(BLOCK_S)
        self.node.process.kill()
        self.node.process.wait()
        port = int(self.node.url.rsplit(":", 1)[1])
        self.node = devchain.start(state=self.state, port=port, block_s=BLOCK_S)

    def stop(self) -> None:
        """End all."""
        for process in (self.prover, self.market):
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.node.stop()


class Players:
    """A requester and a prover, and what they know."""

    def __init__(self, yard: Yard, plan: Plan) -> None:
        self.yard, self.plan = yard, plan
        self.dice = random.Random(plan.seed)
        self.tasks = Rollup(plan.seed, SIZE, accounts=8, depth=4).tasks()
        self.jobs: list[int] = []
        self.proven: list[int] = []
        self.refused: Counter[str] = Counter()

    def client(self, name: str) -> AsyncMarket:
        """Make a client for a role."""
        return AsyncMarket(f"http://127.0.0.1:{self.yard.port}", Signer(self.yard.keys[name]), patience_s=120)

    def purse(self, name: str) -> Purse:
        """Open a role's purse."""
        return Purse(self.yard.place, Signer(self.yard.keys[name]), self.yard.folder / f"{name}.outbox.db")

    async def ask_on(self, requester: AsyncMarket, prover: AsyncMarket, purse: Purse, stop: asyncio.Event) -> None:
        """Ask for proofs, and prove most of them, until told to stop."""
        while not stop.is_set():
            task = next(self.tasks)
            try:
                payload = await asyncio.to_thread(purse.payload, task, CEILING, "calibrated")
                job = (await requester.request(payload, CEILING, 100_000)).job
            except MarketError as error:
                self.refused[str(error)[:80]] += 1
                await asyncio.sleep(BLOCK_S)
                continue
            self.jobs.append(job)
            if await self.is_ours(prover, job) and self.dice.random() >= self.plan.dropped:
                await self.prove(prover, job, task)

    async def is_ours(self, prover: AsyncMarket, job: int) -> bool:
        """Say whether the prover here may prove a job now; what the other one leaves is the other one's loss."""
        with contextlib.suppress(MarketError):
            mine, view = await prover.actor(), await prover.job(job)
            return view["prover"] in (ANYONE, mine["actor"])
        return False

    async def prove(self, prover: AsyncMarket, job: int, task: Task) -> None:
        """Hand a proof in, again and again while the market can take nothing."""
        made = Calibrated(speed=1_000.0).prove(task.job(Signer(self.yard.keys["prover"]).address)).to_json().encode()
        while True:
            try:
                await prover.prove(job, made)
            except MarketError as error:
                self.refused[str(error)[:80]] += 1
                with contextlib.suppress(MarketError):
                    if Phase[(await prover.job(job))["phase"]] >= Phase.PROVEN:
                        return
                await asyncio.sleep(BLOCK_S)
            else:
                self.proven.append(job)
                return


async def kill_on(yard: Yard, plan: Plan, players: Players, told: Counter[str]) -> None:
    """Kill market, prover and chain in turn, now and then two at once, each time while there is work."""
    dice, ends = random.Random(plan.seed + 1), time.monotonic() + 60 * plan.minutes
    for turn in range(plan.kills):
        enough = len(players.jobs) + 1  # so that each hits a market at work
        for _ in range(2_400):
            if len(players.jobs) >= enough:
                break
            await asyncio.sleep(BLOCK_S / 4)
        await asyncio.sleep(plan.pause_s * dice.random())
        if time.monotonic() > ends:
            return
        for victim in dice.sample(VICTIMS, 2) if turn % 5 == 4 else (VICTIMS[turn % len(VICTIMS)],):
            await asyncio.to_thread(getattr(yard, f"kill_{victim}"))
            told[victim] += 1
        print(f"{time.strftime('%H:%M:%S')} {dict(told)}, {len(players.jobs)} requests", file=sys.stderr, flush=True)


async def play(yard: Yard, plan: Plan) -> dict[str, Any]:
    """Load the market, kill and start again, wait until all is final and settled."""
    players, killed, stop = Players(yard, plan), Counter[str](), asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        roles = []
        for name in ("requester", "prover"):
            market = await stack.enter_async_context(players.client(name))
            purse = await asyncio.to_thread(players.purse, name)
            await enter(market, purse, name, BROUGHT)
            await stack.enter_async_context(kept(purse))
            roles.append((market, purse))
        (requester, purse), (prover, _) = roles
        await prover.offer(10, 1)
        await prover.stake(STAKE)
        asking = [asyncio.create_task(players.ask_on(requester, prover, purse, stop)) for _ in range(plan.workers)]
        await kill_on(yard, plan, players, killed)
        stop.set()
        await asyncio.gather(*asking)
        settlement = await settled(requester)
    return {"jobs": players.jobs, "refused": players.refused, "killed": killed, "settlement": settlement}


async def settled(market: AsyncMarket) -> dict[str, Any]:
    """Wait until all is final and on the chain; what is the case after too long is for the report."""
    ends = time.monotonic() + END_S
    while True:
        told = await market.market()
        chain = told["settlement"]
        done = chain["idle"] and not chain["trouble"] and chain["followed_seq"] == told["seq"]
        if (done and not await market.jobs(unfinished=True)) or time.monotonic() > ends:
            return chain
        await asyncio.sleep(BLOCK_S)


def check(yard: Yard, told: dict[str, Any]) -> dict[str, Any]:
    """Audit the journal against the chain, and hold the vault against the rule's state."""
    journal = connect(str(yard.journal))
    report = audit(journal, Calibrated(), Witness(yard.place.url, yard.deployment, str(yard.profile)))
    market = Market.rebuild(journal.rows())
    journal.close()
    bank = Bank(yard.place.url, Deployment.read(yard.place.deployment), Signer(yard.keys["market"]),
                profile=str(yard.profile))  # fmt: skip
    book = market.state.book
    phases = Counter(Phase(int(book.phase[job])).name for job in range(market.jobs))
    proven = (book.phase == Phase.SETTLED) & (book.prover >= 0)  # late ones, too, which are paid nothing
    vault = {address: bank.client.free(address) for address in owned(market)}
    chain = report.chain or {}
    holds = {
        "audit with the chain": report.ok and report.chain is not None,
        "each accepted request once": len(set(told["jobs"])) == len(told["jobs"]) == market.jobs,
        "all final": set(phases) <= {"SETTLED", "LOST"},
        "money": market.money_difference == 0,
        "the vault has what the rule says": vault == owned(market),
        "each deposit once": chain.get("deposits") == len(yard.keys) - 1,
        "each proof paid once": chain.get("payments") == int(proven.sum()) > 0,
        "settled": bool(told["settlement"]["idle"]) and not told["settlement"]["trouble"],
    }
    failure = report.first_failure._asdict() if report.first_failure else None
    return {"holds": holds, "first_failure": failure, "chain": chain, "phases": dict(phases), "events": report.events,
            "killed": dict(told["killed"]), "refused": dict(told["refused"]),
            "settlement": told["settlement"]}  # fmt: skip


def run(folder: Path, plan: Plan) -> dict[str, Any]:
    """Run it all in `folder`; return the report."""
    folder.mkdir(parents=True, exist_ok=True)
    yard = Yard(folder)
    try:
        return check(yard, asyncio.run(play(yard, plan)))
    finally:
        yard.stop()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pause", type=float, default=4.0, metavar="S", help="between kills, at most")
    parser.add_argument("--minutes", type=float, default=1e9, help="no more kills after so long")
    parser.add_argument("--workers", type=int, default=6, help="requests under way at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    plan = Plan(wanted.kills, wanted.pause, wanted.minutes, wanted.workers, seed=wanted.seed)
    with tempfile.TemporaryDirectory() as place:
        told = run(wanted.out or Path(place), plan)
    print(json.dumps(told, indent=1))
    if not all(told["holds"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
