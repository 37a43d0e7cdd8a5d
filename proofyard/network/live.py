"""A scenario as a live market on this machine: processes for coordinator and provers, our own for the rollup."""

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tomli_w

from proofyard.core import Fault, Kind
from proofyard.core.errors import BadInput
from proofyard.engine.cast import Cast, cast_of
from proofyard.engine.requests import Requests, requests_of
from proofyard.engine.result import Run
from proofyard.engine.world import rule_of
from proofyard.network.client import AsyncMarket
from proofyard.network.journal import connect
from proofyard.network.messages import Signer
from proofyard.network.recorded import Measured, run_of
from proofyard.network.requester import Asked, Rollup, ask_on
from proofyard.network.shelf import opened
from proofyard.scenario import Scenario
from proofyard.tools.cache import Tell
from proofyard.worlds.hardware import Hardware, proving_ms

COMMAND = (sys.executable, "-m", "proofyard.cli")
SCENARIO = "scenario.json"  # for the pages that set prediction beside reality
START_S = 60.0  # s until all have joined
MS = 1_000
DEPTH = 16  # of the rollup's tree
ACCOUNTS = 64
MOST = 64  # provers, each a process


class Plan(NamedTuple):
    """How to run a scenario live.

    Attributes
    ----------
    scenario : what to run
    folder : for journal, keys, logs
    port : of the market
    backend : whose proofs
    transfers : to a batch
    """

    scenario: Scenario
    folder: Path
    port: int = 8700
    backend: str = "calibrated"
    transfers: int = 16


class Outcome(NamedTuple):
    """What a live run left.

    Attributes
    ----------
    run : in the engine's columns
    journal : where it is
    busy_ms : proving, by prover
    proving_ms : mean time of a proof, by prover, 0 for none
    asked : what became of each request
    """

    run: Run
    journal: Path
    busy_ms: dict[str, int]
    proving_ms: dict[str, int]
    asked: list[Asked]


class _Processes:
    """What was started, to be stopped again, whatever happens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str, key: bytes) -> None:
        """Start a role; what it says goes to a file of its own."""
        log = (self._folder / f"{name.replace(' ', '-')}.log").open("ab")
        environment = {**os.environ, "PROOFYARD_KEY": key.hex()}
        with log:
            self._started[name] = subprocess.Popen([*COMMAND, *arguments], stdout=log, stderr=log, env=environment)  # noqa: S603 - our own command

    def check(self) -> None:
        """Raise Fault if one has ended by itself."""
        for name, process in self._started.items():
            if process.poll() is not None:
                file = self._folder / f"{name.replace(' ', '-')}.log"
                last = file.read_text(encoding="utf-8").strip().splitlines()[-1:]
                raise Fault(f"{name}: wanted it to run, it ended with {process.returncode}: {' '.join(last)}")

    def stop(self, *names: str) -> None:
        """Tell some (all) to finish; wait until they have."""
        chosen = [self._started.pop(name) for name in names or tuple(reversed(self._started)) if name in self._started]
        for process in chosen:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in chosen:
            try:
                process.wait(START_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def _processes(folder: Path) -> Generator[_Processes]:
    started = _Processes(folder)
    try:
        yield started
    finally:
        started.stop()


def run_live(plan: Plan, tell: Tell, *, until: asyncio.Event | None = None) -> Outcome:
    """Run a scenario live. Raises BadInput for one that only the simulator can run, Fault if a process fails."""
    cast = _checked(plan)
    plan.folder.mkdir(parents=True, exist_ok=True)
    with _processes(plan.folder) as processes:
        keys = _start(plan, cast, processes)
        asked, addresses = asyncio.run(_play(plan, cast, processes, keys, tell, until or asyncio.Event()))
        tell("letting the provers finish")
        processes.stop(*cast.names)
    return _outcome(plan, cast, addresses, asked)


def _checked(plan: Plan) -> Cast:
    scenario = plan.scenario
    if scenario.delegators is not None or scenario.requesters or scenario.workload.arrivals in ("after", "trace"):
        raise BadInput("scenario", "one without delegators and with one rollup's own requests", scenario.name)
    rule = rule_of(scenario)
    cast = cast_of(scenario, None, per_unit=getattr(rule.module, "PRICE_PER_UNIT", False))
    if cast.count > MOST:
        raise BadInput("provers", f"at most {MOST} to run live on one machine", cast.count)
    journal = plan.folder / "market.db"
    if journal.exists():
        raise BadInput("--out", "a folder without a journal", f"{plan.folder}, which holds one")
    return cast


def _start(plan: Plan, cast: Cast, processes: _Processes) -> dict[str, bytes]:
    """Start the market and the provers; return everybody's keys."""
    scenario = plan.scenario
    rule = rule_of(scenario)
    keys = {name: secrets.token_bytes(32) for name in ("market", "rollup", *cast.names)}
    fees = scenario.gwei(scenario.workload.max_fee, "workload.max_fee") * (
        scenario.horizon // scenario.workload.every + 100
    )
    grant = max(int((cast.stake + cast.cash).max()), min(fees, 10**15))
    told = plan.folder / SCENARIO
    told.write_text(scenario.model_dump_json(), encoding="utf-8")
    processes.start(
        "market", "market", str(plan.folder / "market.db"), "-m", rule.text, "--port", str(plan.port),
        "--grant", f"{grant / 10**9:.9f}", "--backend", plan.backend, "--name", scenario.name,
        "--scenario", str(told), key=keys["market"],
    )  # fmt: skip
    for k, name in enumerate(cast.names):
        config = plan.folder / f"{name.replace(' ', '-')}.toml"
        config.write_text(tomli_w.dumps(_settings(plan, cast, k)), encoding="utf-8")
        arguments = ("--config", str(config), "--state", str(plan.folder / "provers"), "--size", str(plan.transfers))
        processes.start(name, "prover", *arguments, key=keys[name])
    return keys


def _settings(plan: Plan, cast: Cast, prover: int) -> dict[str, Any]:
    """Write a prover's class as the configuration of a node."""
    group = cast.classes[int(cast.group[prover])]
    model = _model(cast, prover)
    return {
        "market": f"http://127.0.0.1:{plan.port}",
        "name": cast.names[prover],
        "policy": group.policy,
        "price_gwei": max(1, int(cast.ask[prover])),
        "rate_gwei": int(cast.rate[prover]),
        "capacity": int(cast.capacity[prover]),
        "stake_gwei": int(cast.stake[prover]),
        "backend": plan.backend,
        "setup_ms": model.setup_ms,
        "unit_ns": model.ps_per_unit // 1_000,
        "open_jobs": group.open_jobs,
        "bids": group.bids,
        "hopeless": group.hopeless,
        "epoch_ms": plan.scenario.market.epoch or 10_000,
        "seed": plan.scenario.seed,
    }


def _model(cast: Cast, prover: int) -> Hardware:
    model = cast.hardware[int(cast.group[prover])]
    if model is None:
        raise BadInput("provers.hardware", "a speed model", "a column of a trace")
    return model


async def _play(
    plan: Plan, cast: Cast, processes: _Processes, keys: dict[str, bytes], tell: Tell, until: asyncio.Event
) -> tuple[list[Asked], dict[str, str]]:
    """Wait for everybody, ask for proofs until the horizon, wait until all is final."""
    scenario = plan.scenario
    signer = Signer(keys["rollup"])
    async with AsyncMarket(f"http://127.0.0.1:{plan.port}", signer, patience_s=START_S) as market:
        await _gathered(market, cast, processes)
        await market.join("rollup")
        tell(f"live: {cast.count} provers, {scenario.horizon // MS} s of requests")
        tell(f"watch it: http://127.0.0.1:{plan.port}/explorer/")
        requests = requests_of(scenario, scenario.seed, cast.count, None, None, cast.count + 1)
        fee = scenario.gwei(scenario.workload.max_fee, "workload.max_fee")
        units = _endless(requests)
        rollup = Rollup(scenario.seed, plan.transfers, accounts=ACCOUNTS, depth=DEPTH)
        asking = asyncio.create_task(
            ask_on(market, rollup, _gaps(scenario, requests), lambda: fee, lambda: next(units), stop=until)
        )
        watching = asyncio.create_task(_report(market, processes, tell))
        done, _ = await asyncio.wait([asking, watching], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        await _until_final(market, watching)
        asked = asking.result()
        addresses = {actor["name"]: actor["address"] for actor in await market.actors()}
    return asked, addresses


def _gaps(scenario: Scenario, requests: Requests) -> Iterator[float]:
    """Yield the pauses before requests, s, by the wall clock: a late one does not delay those after it."""
    began = time.monotonic()
    closed = scenario.workload.arrivals == "closed_loop"
    for at in np.cumsum(requests.arrive).tolist() if closed else requests.arrive.tolist():
        if at >= scenario.horizon:
            return
        yield max(0.001, began + at / MS - time.monotonic())


def _endless(requests: Requests) -> Iterator[int]:
    sizes = requests.size.tolist()
    k = 0
    while True:
        yield sizes[min(k, len(sizes) - 1)]
        k += 1


async def _gathered(market: AsyncMarket, cast: Cast, processes: _Processes) -> None:
    """Wait until every prover has joined and staked."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + START_S
    while True:
        processes.check()
        with contextlib.suppress(Fault):
            there = {actor["name"]: actor for actor in await market.actors()}
            ready = [name for k, name in enumerate(cast.names) if _is_ready(there.get(name), int(cast.stake[k]))]
            if len(ready) == cast.count:
                return
        if loop.time() > ends:
            raise Fault(f"live: wanted {cast.count} provers within {START_S:g} s, got fewer.")
        await asyncio.sleep(0.2)


def _is_ready(actor: dict[str, Any] | None, stake: int) -> bool:
    return actor is not None and (
        not stake or "stake" not in actor or actor["stake"] > 0 or actor.get("exiting", 0) > 0
    )


async def _report(market: AsyncMarket, processes: _Processes, tell: Tell) -> None:
    """Tell from time to time how far the market is; raises Fault if a process ends."""
    while True:
        for _ in range(10):
            await asyncio.sleep(1)
            processes.check()
        told = await market.market()
        phases = ", ".join(f"{count} {phase.lower()}" for phase, count in told["phases"].items() if count)
        tell(f"{told['now'] / MS:.0f} s: {told['jobs']} requests: {phases or 'none yet'}")


async def _until_final(market: AsyncMarket, watching: "asyncio.Task[None]") -> None:
    while await market.jobs(unfinished=True):
        if watching.done():
            watching.result()
        await asyncio.sleep(0.2)
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


def _outcome(plan: Plan, cast: Cast, addresses: dict[str, str], asked: list[Asked]) -> Outcome:
    """Read the journal, and what each prover measured."""
    busy: dict[str, int] = {}
    mean: dict[str, int] = {}
    journal = connect(str(plan.folder / "market.db"))
    first = next(journal.rows())
    for k, name in enumerate(cast.names):
        with opened(plan.folder / "provers" / f"{addresses[name]}.db", "0x" + first.hash.hex()) as shelf:
            times = shelf.proving_ms()
        busy[name], mean[name] = sum(times), round(sum(times) / len(times)) if times else 0
        mean[name] = mean[name] or proving_ms(_model(cast, k), 0)
    measured = Measured(cast.names, cast.rate.astype(np.int64).tolist(), [mean[name] for name in cast.names])
    refused = [0 for each in asked if each.accepted is None]
    run = run_of(journal.rows(), measured, scenario=plan.scenario.name, refused=refused)
    run = replace(run, seed=plan.scenario.seed)
    journal.close()
    return Outcome(run, plan.folder / "market.db", busy, mean, asked)


def skips_of(journal: Path) -> dict[str, int]:
    """Count why provers skipped jobs."""
    found: dict[str, int] = {}
    opened_journal = connect(str(journal))
    for row in opened_journal.rows():
        if row.kind == Kind.REQUEST:
            for _, _, _, reason in opened_journal.skips(row.job):
                found[reason] = found.get(reason, 0) + 1
    opened_journal.close()
    return found


def with_measured(scenario: Scenario, outcome: Outcome) -> Scenario:
    """Return the scenario with the proving times that were measured in place of those it foresaw."""
    names = cast_of(scenario, None).names
    classes = [group.model_copy() for group in scenario.provers]
    at = 0
    for k, group in enumerate(classes):
        times = [outcome.proving_ms[name] for name in names[at : at + group.count]]
        at += group.count
        mean = round(sum(times) / len(times))
        classes[k] = group.model_copy(update={"hardware": f"speed(setup='{mean}ms', per_mgas='0s')"})
    return scenario.model_copy(update={"provers": classes})
