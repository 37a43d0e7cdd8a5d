"""A scenario as a live market on this machine: processes for coordinator and provers, our own for the rollup."""

import asyncio
import contextlib
import itertools
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tomli_w

from proofyard.core import Fault
from proofyard.core.errors import BadInput
from proofyard.engine.cast import Cast, cast_of
from proofyard.engine.requests import Requests, requests_of
from proofyard.engine.result import Run
from proofyard.engine.world import rule_of
from proofyard.network import devnet
from proofyard.network.audit import Report, audit
from proofyard.network.client import AsyncMarket
from proofyard.network.devnet import Devnet
from proofyard.network.journal import connect
from proofyard.network.messages import Signer
from proofyard.network.pace import mean_ms
from proofyard.network.processes import Processes, processes_in
from proofyard.network.purse import Purse, enter, kept
from proofyard.network.recorded import Measured, run_of
from proofyard.network.requester import Asked, Requested, Rollup, ask_on
from proofyard.network.roots import Roots
from proofyard.network.server import backend_of, check_size
from proofyard.network.server import run as in_loop
from proofyard.network.shelf import opened
from proofyard.network.witness import Witness
from proofyard.network.work import Task
from proofyard.proofs.backend import ProofBackend
from proofyard.scenario import Scenario
from proofyard.tools.cache import Tell
from proofyard.worlds.hardware import Hardware

JOURNAL = "market.db"
SCENARIO = "scenario.json"  # for the pages that set prediction beside reality
START_S = 120.0  # s until all have joined
SETTLE_S = 120.0  # s until the last batch is on the chain
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
    chain : money in contracts on a development chain; else play money
    replace : remove what an earlier run left in the folder, once it is sure that this one can start
    """

    scenario: Scenario
    folder: Path
    port: int = 8700
    backend: str = "calibrated"
    transfers: int = 16
    chain: bool = True
    replace: bool = False


class Outcome(NamedTuple):
    """What a live run left.

    Attributes
    ----------
    run : in the engine's columns
    journal : where it is
    busy_ms : proving, by prover
    proving_ms : mean time of a proof, by prover; of one that made none what the scenario foresees
    asked : what became of each request
    settlement : what went to the chain, as `/v1/market` tells it; empty with play money
    audit : what recomputing everything found, with the chain
    """

    run: Run
    journal: Path
    busy_ms: dict[str, int]
    proving_ms: dict[str, int]
    asked: list[Asked]
    settlement: dict[str, Any]
    audit: Report


def run_live(plan: Plan, tell: Tell, *, until: asyncio.Event | None = None) -> Outcome:
    """Run a scenario live. Raises BadInput for one that only the simulator can run, Fault if a process fails.

    Parameters
    ----------
    plan : what, where, how
    tell : gets a line from time to time
    until : ends the asking when it is set
    """
    cast = check(plan)
    backend = backend_of(plan.backend, tell, size=plan.transfers)
    if plan.replace:
        shutil.rmtree(plan.folder, ignore_errors=True)
    plan.folder.mkdir(parents=True, exist_ok=True)
    keys = {name: secrets.token_bytes(32) for name in ("market", "rollup", *cast.names)}
    with contextlib.ExitStack() as stack:
        stack.callback(backend.close)
        net = None
        if plan.chain:
            rule = rule_of(plan.scenario)
            running = devnet.running(plan.folder, backend, _rollup(plan), rule, keys, "market", tell)
            net = stack.enter_context(running)
        processes = stack.enter_context(processes_in(plan.folder))
        _start(plan, cast, processes, keys, net)
        try:
            played = in_loop(_play(plan, cast, processes, keys, net, tell, until or asyncio.Event()))
        except KeyboardInterrupt:
            tell("interrupted: everybody finishes what is in hand, which may take a minute")
            raise
        tell("letting the provers finish")
        processes.stop(*cast.names)
        tell("computing everything again, against the chain" if net else "computing everything again")
        report = _audit(plan, backend, net)
        return _outcome(plan, cast, played, report)


def _audit(plan: Plan, backend: ProofBackend, net: Devnet | None) -> Report:
    journal = connect(str(plan.folder / JOURNAL))
    report = audit(journal, backend, Witness(net.place.url, net.deployment) if net is not None else None)
    journal.close()
    return report


def check(plan: Plan) -> Cast:
    """Say who takes part. Raises BadInput for what can't be run live, or not there."""
    scenario = plan.scenario
    if scenario.delegators is not None or scenario.requesters or scenario.workload.arrivals in ("after", "trace"):
        raise BadInput("scenario", "one without delegators and with one rollup's own requests", scenario.name)
    rule = rule_of(scenario)
    cast = cast_of(scenario, None, price_units=rule.price_units)
    check_size(plan.backend, plan.transfers)
    if cast.count > MOST:
        raise BadInput("provers", f"at most {MOST} to run live on one machine", cast.count)
    first = int(_requests(scenario, cast).arrive[0])
    if first >= scenario.horizon:
        wanted = (
            f"more than the {first / MS:.0f} s after which the first proof is asked for, or a smaller workload.every"
        )
        raise BadInput("horizon", wanted, f"{scenario.horizon / MS:g} s")
    _check_place(plan)
    return cast


def _requests(scenario: Scenario, cast: Cast) -> Requests:
    """Draw when the rollup asks, and for what. Raises BadInput if it never does."""
    return requests_of(scenario, scenario.seed, cast.count, None, None, cast.count + 1)


def _check_place(plan: Plan) -> None:
    """Refuse a folder that isn't ours to fill, and a port that is taken."""
    if plan.folder.exists() and not plan.folder.is_dir():
        raise BadInput("--out", "a folder", f"the file {plan.folder}")
    there = {path.name for path in plan.folder.iterdir()} if plan.folder.is_dir() else set[str]()
    if JOURNAL in there and not plan.replace:
        raise BadInput("--out", "a folder without a journal", f"{plan.folder}, which holds one; --replace removes it")
    if there and not there & {JOURNAL, SCENARIO, devnet.STATE, devnet.CONTRACTS}:
        raise BadInput("--out", "a new folder or one of an earlier run", f"{plan.folder}, which holds {min(there)}")
    if not plan.port:
        raise BadInput("--port", "a number from 1, which the provers are told", plan.port)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", plan.port))
        except (OSError, OverflowError):
            raise BadInput("--port", "a free port of this machine", plan.port) from None


def _rollup(plan: Plan) -> Rollup:
    return Rollup(plan.scenario.seed, plan.transfers, accounts=ACCOUNTS, depth=DEPTH)


def _purse(plan: Plan) -> int:
    """Gwei that the rollup needs for all its requests."""
    scenario = plan.scenario
    requests = scenario.horizon // scenario.workload.every + 100
    return min(scenario.gwei(scenario.workload.max_fee, "workload.max_fee") * requests, 10**15)


def _start(plan: Plan, cast: Cast, processes: Processes, keys: dict[str, bytes], net: Devnet | None) -> None:
    """Start the market and the provers."""
    scenario = plan.scenario
    rule = rule_of(scenario)
    grant = max(int((cast.stake + cast.cash).max()), _purse(plan))
    chain = ("--chain", net.place.url, "--deployment", str(net.place.deployment)) if net is not None else ()
    told = plan.folder / SCENARIO
    told.write_text(scenario.model_dump_json(), encoding="utf-8")
    processes.start(
        "market", "market", str(plan.folder / JOURNAL), "-m", rule.call, "--port", str(plan.port),
        "--grant", f"{grant / 10**9:.9f}", "--backend", plan.backend, "--name", scenario.name,
        "--scenario", str(told), *chain, key=keys["market"],
    )  # fmt: skip
    for k, name in enumerate(cast.names):
        config = plan.folder / f"{name.replace(' ', '-')}.toml"
        config.write_text(tomli_w.dumps(_settings(plan, cast, k, net)), encoding="utf-8")
        arguments = ("--config", str(config), "--state", str(plan.folder / "provers"), "--size", str(plan.transfers))
        processes.start(name, "prover", *arguments, key=keys[name])


def _settings(plan: Plan, cast: Cast, prover: int, net: Devnet | None) -> dict[str, Any]:
    """Write a prover's class as the configuration of a node."""
    group = cast.classes[int(cast.group[prover])]
    model = _model(cast, prover)
    chain: dict[str, Any] = {}
    if net is not None:
        deposit = int(cast.stake[prover] + cast.cash[prover])
        chain = {"chain": net.place.url, "deployment": str(net.place.deployment), "deposit_gwei": deposit}
    return {
        **chain,
        "slow": plan.backend != "calibrated",
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


class _Played(NamedTuple):
    """What came of asking, everybody's address by name, and what went to the chain."""

    asked: list[Asked]
    addresses: dict[str, str]
    settlement: dict[str, Any]


async def _play(
    plan: Plan, cast: Cast, processes: Processes, keys: dict[str, bytes], net: Devnet | None, tell: Tell,
    until: asyncio.Event,
) -> _Played:  # fmt: skip
    """Wait for everybody, ask for proofs until the horizon, wait until all is final and settled."""
    scenario = plan.scenario
    signer = Signer(keys["rollup"])
    async with contextlib.AsyncExitStack() as stack:
        market = AsyncMarket(f"http://127.0.0.1:{plan.port}", signer, patience_s=START_S)
        await stack.enter_async_context(market)
        await _gathered(market, cast, processes)
        rollup, payload_of = await _join_rollup(plan, market, signer, net, stack)
        requests = _requests(scenario, cast)
        tell(f"live: {cast.count} provers, {len(requests.arrive)} requests within {scenario.horizon // MS} s")
        tell(f"watch it: http://127.0.0.1:{plan.port}/explorer/")
        fee = scenario.gwei(scenario.workload.max_fee, "workload.max_fee")
        units = itertools.chain(requests.size.tolist(), itertools.repeat(int(requests.size[-1])))
        asking = asyncio.create_task(
            ask_on(market, rollup, _gaps(scenario, requests), lambda: fee, lambda: next(units), stop=until,
                   payload_of=payload_of)
        )  # fmt: skip
        watching = asyncio.create_task(_report(market, processes, tell))
        done, _ = await asyncio.wait([asking, watching], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        await _until_final(market, watching)
        asked = asking.result()
        addresses = {actor["name"]: actor["address"] for actor in await market.actors()}
        settlement = await _until_settled(market, processes) if net is not None else {}
        if isinstance(rollup, Roots):
            await rollup.look()
            settlement |= {"roots": rollup.height}
    return _Played(asked, addresses, settlement)


async def _join_rollup(
    plan: Plan, market: AsyncMarket, signer: Signer, net: Devnet | None, stack: contextlib.AsyncExitStack
) -> tuple[Requested, Callable[[Task, int], bytes]]:
    """Let the rollup join, money and roots looked after until `stack` ends; return it and what writes its payloads."""
    if net is None:
        await market.join("rollup")
        return _rollup(plan), lambda task, _: task.to_bytes()
    purse = await asyncio.to_thread(Purse, net.place, signer)
    await enter(market, purse, "rollup", _purse(plan))
    await stack.enter_async_context(kept(purse))
    roots = Roots(_rollup(plan), purse, market, plan.backend)
    await stack.enter_async_context(roots.kept())
    return roots, lambda task, ceiling: purse.payload(task, ceiling, plan.backend)


async def _until_settled(market: AsyncMarket, processes: Processes) -> dict[str, Any]:
    """Wait until everything is settled on the chain. Raises Fault if it is not to be."""
    ends = time.monotonic() + SETTLE_S
    while True:
        processes.check()
        told = await market.market()
        settlement = told["settlement"]
        if settlement["idle"] and settlement["followed_seq"] == told["seq"]:
            return settlement
        if time.monotonic() > ends:
            raise Fault(f"settlement: wanted everything on the chain within {SETTLE_S:g} s, got {settlement}")
        await asyncio.sleep(0.2)


def _gaps(scenario: Scenario, requests: Requests) -> Iterator[float]:
    """Yield the pauses before requests, s, by the wall clock: a late one does not delay those after it."""
    began = time.monotonic()
    closed = scenario.workload.arrivals == "closed_loop"
    for at in np.cumsum(requests.arrive).tolist() if closed else requests.arrive.tolist():
        if at >= scenario.horizon:
            return
        yield max(0.001, began + at / MS - time.monotonic())


async def _gathered(market: AsyncMarket, cast: Cast, processes: Processes) -> None:
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


async def _report(market: AsyncMarket, processes: Processes, tell: Tell) -> None:
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
        await asyncio.sleep(1)  # each look costs as much as a message, and the provers need the time
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


def _outcome(plan: Plan, cast: Cast, played: _Played, report: Report) -> Outcome:
    """Read the journal, and what each prover measured."""
    busy: dict[str, int] = {}
    mean: dict[str, int] = {}
    journal = connect(str(plan.folder / JOURNAL))
    first = next(journal.rows())
    size = round(float(_requests(plan.scenario, cast).size.mean()))
    for k, name in enumerate(cast.names):
        with opened(plan.folder / "provers" / f"{played.addresses[name]}.db", "0x" + first.hash.hex()) as shelf:
            times = shelf.proving_ms()
        busy[name], mean[name] = sum(times), mean_ms(times, _model(cast, k), size)
    measured = Measured(cast.names, cast.rate.astype(np.int64).tolist(), [mean[name] for name in cast.names])
    refused = [0 for each in played.asked if each.accepted is None]
    run = run_of(journal.rows(), measured, scenario=plan.scenario.name, refused=refused)
    run = replace(run, seed=plan.scenario.seed)
    journal.close()
    return Outcome(run, plan.folder / JOURNAL, busy, mean, played.asked, played.settlement, report)
