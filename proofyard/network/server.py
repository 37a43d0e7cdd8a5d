"""Run the roles as processes: a market behind a port, a prover node until it is told to stop."""

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
import uvloop
from fastapi import FastAPI
from prometheus_client import start_http_server
from typing_extensions import override

from proofyard.core.errors import BadInput
from proofyard.network.api import make_app
from proofyard.network.client import AsyncMarket
from proofyard.network.coordinator import STARTING, Coordinator
from proofyard.network.messages import Signer
from proofyard.network.node import Node
from proofyard.network.refusals import Refused
from proofyard.network.settings import TYPICAL, Settings, Watched
from proofyard.network.shelf import opened
from proofyard.network.transport import PASSING, Away
from proofyard.network.watching import ProverMetrics, tell
from proofyard.proofs.backend import ProofBackend
from proofyard.proofs.build import SIZES
from proofyard.proofs.calibrated import LEAF_MS, SLOT_MS, WITNESS_MS, WITNESS_SLOT_MS, Calibrated
from proofyard.proofs.workers import PEAK_GROTH16_MIB
from proofyard.tools.cache import Tell

log = logging.getLogger("proofyard.prover")
BACKENDS = ("calibrated", "noir", "groth16")
PAGES = "/explorer"
MOST_FILES = 65_536
T = TypeVar("T")
GARBAGE = 20_000  # objects made and not freed between looks for what refers to itself
SWITCH_S = 0.001  # that a thread waits at most for one that computes
LOOK_S = 0.02  # s between looks whether the market has begun
MEET_S = 2.0  # s between looks whether there is a market at all
GRACE_S = 5  # for answers under way when the market is told to stop


def backend_of(name: str, tell: Tell, *, speed: float = 1.0, size: int = 0, parts: Path | None = None) -> ProofBackend:
    """Make a backend; for a prover (`size` > 0) built already, with a folder for its unfinished work.

    Raises BadInput, Fault.
    """
    if name == "calibrated":
        return Calibrated(speed=speed)
    if name not in BACKENDS:
        raise BadInput("--backend", " or ".join(BACKENDS), name)
    backend = _groth16(tell) if name == "groth16" else _noir(tell, parts)
    if size:
        backend.prepare(size, joins=False)
    return backend


def check_size(name: str, size: int) -> None:
    """Refuse a size of batches whose circuit a market would not build. Raises BadInput."""
    sizes = {"noir": SIZES, "groth16": tuple(PEAK_GROTH16_MIB)}.get(name)
    if sizes is not None and size not in sizes:
        raise BadInput("--transfers", f"one of {', '.join(map(str, sizes))} with --backend {name}", size)


def _noir(tell: Tell, parts: Path | None) -> ProofBackend:
    """Set up tools that stand-ins don't need."""
    from proofyard.proofs.noir import Noir  # noqa: PLC0415 - as said
    from proofyard.proofs.toolchain import set_up  # noqa: PLC0415

    return Noir(set_up("auto", tell), tell, parts=parts)


def _groth16(tell: Tell) -> ProofBackend:
    from proofyard.proofs.groth16 import Groth16  # noqa: PLC0415 - optional: installs its tools when first used

    tell("INSECURE: the keys of groth16 come from secrets that stand in the source; anybody can forge its proofs")
    return Groth16(tell)


def speed_for(work_ms: int, size: int = TYPICAL) -> float:
    """Return the speed at which a stand-in for a batch of `size` takes `work_ms`."""
    return (WITNESS_MS + WITNESS_SLOT_MS * size + LEAF_MS + SLOT_MS * size) / max(1, work_ms)


class Server(uvicorn.Server):
    """Ends the event streams before it waits for answers under way."""

    def __init__(self, config: uvicorn.Config, coordinator: Coordinator, pages: FastAPI | None = None) -> None:
        super().__init__(config)
        self._coordinator = coordinator
        self._pages = pages

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._coordinator.streams.close()
        if self._pages is not None:
            self._pages.state.close()
        await super().shutdown(sockets)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a role to its end, in a loop that costs less than asyncio's own; threads wait less for one another."""
    gc.freeze()  # what was loaded stays: looking through it again and again costs a busy market a tenth of its time
    gc.set_threshold(GARBAGE)
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def room_for_connections() -> None:
    """Let this process have as many files and connections open as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def serve(
    coordinator: Coordinator, host: str, port: int, pages: FastAPI | None = None, *, begun: Callable[[], None]
) -> None:
    """Serve until a signal comes, or the writer ends, whose error is raised; `pages` (the explorer) below PAGES.

    `begun` is called once the port answers and the journal was looked at: whether this writes, stands by or waits.
    """
    room_for_connections()
    app = make_app(coordinator)
    if pages is not None:
        app.mount(PAGES, pages)
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_S, lifespan="on"
    )
    server = Server(config, coordinator, pages)
    # asyncio only sends small packets at once (TCP_NODELAY) where the protocol is said to be TCP
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        await _until_told(server, coordinator, listening, begun)


async def _until_told(
    server: Server, coordinator: Coordinator, listening: socket.socket, begun: Callable[[], None]
) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    writing = asyncio.create_task(coordinator.failed())
    telling = asyncio.create_task(_tell_when_begun(server, coordinator, begun))
    await asyncio.wait([serving, writing], return_when=asyncio.FIRST_COMPLETED)
    telling.cancel()
    server.should_exit = True
    await serving
    if writing.done() and not writing.cancelled():
        writing.result()
    writing.cancel()


async def _tell_when_begun(server: Server, coordinator: Coordinator, begun: Callable[[], None]) -> None:
    while not server.started or coordinator.trouble == STARTING:  # noqa: ASYNC110 - uvicorn has only a flag for it
        await asyncio.sleep(LOOK_S)
    begun()


async def _enter(
    market: AsyncMarket, signer: Signer, settings: Settings, state: Path, stack: contextlib.AsyncExitStack
) -> None:
    """Look at the chain before anything else: is it the market's, is our money there; keep the purse until the end."""
    from proofyard.network.purse import Place, Purse, enter, kept  # noqa: PLC0415 - slow; play money needs no chain

    if not settings.chain or not settings.deployment:
        raise BadInput(
            "chain, deployment", "the chain's node and the market's contracts: its money is there", "neither"
        )

    def make() -> Purse:
        state.mkdir(parents=True, exist_ok=True)
        return Purse(Place(settings.chain, Path(settings.deployment)), signer, state / f"{signer.address}-chain.db")

    purse = await asyncio.to_thread(make)
    await enter(market, purse, settings.name, settings.deposit_gwei)
    await stack.enter_async_context(kept(purse))


async def _meet(url: str, told_to_stop: asyncio.Event) -> dict[str, Any] | None:
    """Wait for a market as long as it takes; None when told to stop before it answers. Raises Refused."""
    waiting = False
    async with AsyncMarket(url, patience_s=MEET_S) as market:
        while not told_to_stop.is_set():
            asking, stopping = asyncio.create_task(market.market()), asyncio.create_task(told_to_stop.wait())
            await asyncio.wait((asking, stopping), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not asking.done():
                asking.cancel()
                return None
            try:
                return asking.result()
            except (Away, Refused) as trouble:
                if isinstance(trouble, Refused) and trouble.reason not in PASSING:
                    raise
                if not waiting:
                    waiting = True
                    tell(log, "waiting for the market", logging.WARNING, why=str(trouble))
    return None


async def prove_until_told(
    signer: Signer, settings: Watched, backend: ProofBackend, state: Path, *, transfers: int = 0, metrics_port: int = 0
) -> Node | None:
    """Run a prover node; SIGTERM and SIGINT let it finish what it has, None: it met no market before that."""
    loop, told_to_stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    metrics = ProverMetrics()
    if metrics_port:
        start_http_server(metrics_port, addr="127.0.0.1", registry=metrics.registry)
    told = await _meet(settings.now.market, told_to_stop)
    if told is None:
        return None
    async with AsyncMarket(settings.now.market, signer) as market, contextlib.AsyncExitStack() as stack:
        if told["backend"] != backend.name:
            raise BadInput("backend", f"{told['backend']}, the market's", backend.name)
        if told["chain_id"]:
            await _enter(market, signer, settings.now, state, stack)
        with opened(state / f"{signer.address}.db", told["market"]) as shelf:
            node = Node(market, backend, shelf, settings, transfers=transfers, metrics=metrics)
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, node.drain)
            if told_to_stop.is_set():
                node.drain()
            await node.run()
    return node
