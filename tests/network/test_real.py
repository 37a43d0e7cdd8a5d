"""Markets with real proofs, and the commands that run a whole one: small, but nothing in them is made up."""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator
from itertools import islice
from pathlib import Path

import pytest
import tomli_w
from network import markets as m

from proofyard.chain.devchain import free_port
from proofyard.lab import skeleton
from proofyard.network.coordinator import Coordinator
from proofyard.network.journal import connect
from proofyard.network.work import Task
from proofyard.proofs.noir import Noir
from proofyard.proofs.toolchain import set_up
from proofyard.rollup.batch import run_batch
from proofyard.rollup.load import Load

SIZE, DEPTH = 4, 16
WINDOWS = "min_window_ms=600000, max_window_ms=600000, initial_delay_ms=1000, cooldown_ms=50, open_window_ms=2000"
PATIENT = f"staked_pool(min_capacity=1, seats=1, {WINDOWS})"  # as slow as the machine may be
LOOK_S = 0.02
ROOT = Path(__file__).parents[2]
SCENARIO = f"""
claim = "One prover proves what is asked."
mechanism = "{PATIENT}"
horizon = "3s"

[workload]
arrivals = "fixed"
every = "2s"
size = "fixed(1_000_000)"
max_fee = "2.0"

[[provers]]
name = "only"
hardware = "speed(setup='500ms', per_mgas='0s')"
capacity = 1
stake = "100"
cash = "100"
cost = {{ per_hour = "1 usd" }}
"""
SAMPLE = {"size": SIZE, "threads": 1, "witness_ms": 100, "proving_ms": 1_900, "verify_ms": 5, "cpu_ms": 2_000}
PROFILE = {
    "machine": "one that proves four transfers in two seconds", "cores": 1, "memory_mib": 1_000, "backend": "noir",
    "secure_srs": False, "setup_ms": 500.0, "ms_per_transfer": 375.0, "error": 0.0, "join_ms": 40_000,
    "join_threads": 1, "join_alone_ms": 40_000, "best_size": SIZE, "concurrency": 1, "beside": 1.0,
    "samples": [SAMPLE | {"peak_mib": 200}],
}  # fmt: skip


@pytest.fixture(scope="module")
def noir() -> Generator[Noir]:
    with Noir(set_up("auto", lambda _: None), lambda _: None) as backend:
        backend.prepare(SIZE, joins=False)
        yield backend


class Prover:
    """A prover node of its own, as the command runs it."""

    def __init__(self, folder: Path, market: str) -> None:
        self._folder, self._config = folder, folder / "prover.toml"
        settings = {"market": market, "name": "prover", "backend": "noir", "setup_ms": 1, "price_gwei": 10}
        self._config.write_text(tomli_w.dumps({**settings, "stake_gwei": 100 * m.TOKEN}))
        self.parts = folder / f"{m.PROVER.address}-parts"
        self._logs = 0

    def start(self) -> None:
        self._logs += 1
        key = {**os.environ, "PROOFYARD_KEY": (3).to_bytes(32).hex()}
        command = [sys.executable, "-m", "proofyard", "prover", "--config", str(self._config)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--state", str(self._folder), "--size", f"{SIZE}"], stderr=log, stdout=log, env=key
            )

    @property
    def log(self) -> Path:
        return self._folder / f"log-{self._logs}"

    def bb(self) -> int:
        """Return the process that proves, 0 none."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        children = [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
        return next((pid for pid in children if Path(f"/proc/{pid}/comm").read_text() == "bb\n"), 0)

    def proved(self) -> dict[str, int]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return next(line for line in lines if "witness_ms" in line)

    async def until(self, ask: Callable[[], Awaitable[bool]]) -> None:
        while not await ask():
            assert self.process.poll() is None, self.log.read_text()
            await asyncio.sleep(LOOK_S)


def test_a_prover_killed_while_it_proves_takes_bb_along_and_goes_on_from_its_witness(
    noir: Noir, tmp_path: Path
) -> None:
    load = Load(seed=1, accounts=8, depth=DEPTH)
    task = Task(run_batch(load.ledger, list(islice(load.transfers(), SIZE))), SIZE)
    market = Coordinator(connect(str(tmp_path / "market.db")), m.WRITER, noir, m.genesis(PATIENT, backend="noir"))

    async def story() -> None:
        async with m.running(market) as client:
            requester = client(m.REQUESTER)
            prover = Prover(tmp_path, requester.urls[0])
            await requester.join("rollup")
            prover.start()

            async def is_staked() -> bool:
                return any(actor["stake"] > 0 for actor in await requester.actors())

            await prover.until(is_staked)
            job = (await requester.request(task.to_bytes(), 500 * m.TOKEN, 1_000)).job

            async def is_proving() -> bool:
                return prover.bb() > 0

            await prover.until(is_proving)
            bb = os.pidfd_open(prover.bb())
            prover.process.send_signal(signal.SIGKILL)
            prover.process.wait()
            ended = asyncio.Event()
            asyncio.get_running_loop().add_reader(bb, ended.set)  # readable once the process has ended
            await ended.wait()
            asyncio.get_running_loop().remove_reader(bb)
            os.close(bb)
            assert [path.suffix for path in prover.parts.iterdir()] == [".gz"]

            prover.start()

            async def is_settled() -> bool:
                return await m.phase(requester, job) == "SETTLED"

            await prover.until(is_settled)
            assert prover.proved()["witness_ms"] == 0
            assert list(prover.parts.iterdir()) == []
            prover.process.terminate()
            assert await asyncio.to_thread(prover.process.wait) == 0
            assert (await requester.market())["money_difference_gwei"] == 0

    asyncio.run(story())


def proofyard(*arguments: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    port = ("--port", str(free_port())) if arguments[0] in ("live", "trial") else ()
    command = [sys.executable, "-m", "proofyard", *map(str, arguments), *port]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    file = tmp_path / "one.toml"
    file.write_text(SCENARIO)
    return file


def test_a_trial_proves_settles_on_the_chain_and_says_how_far_off_it_was(scenario: Path, tmp_path: Path) -> None:
    profile, out = tmp_path / "profile.json", tmp_path / "trial"
    profile.write_text(json.dumps(PROFILE))
    options = ("--backend", "noir", "--transfers", f"{SIZE}", "--seeds", "2", "--profile", profile, "--out", out)
    done = proofyard("trial", scenario, *options)
    assert done.returncode == 0, done.stderr
    assert f"takes 2.0 s here, by the profile {profile}" in done.stderr
    assert "1 proofs verified by the contract and settled" in done.stdout
    told = json.loads((out / "trial.json").read_text())
    assert told["reality"]["proofs"]["settled"] == told["prediction"]["proofs"]["settled"] == 1
    assert told["prediction"]["time_to_proof_ms"]["p50"] >= 2_000  # what the profile says, not the scenario's 500 ms
    assert told["audit"]["ok"]
    assert told["settlements"]["chain"]["payments"] == told["audit"]["proofs"] == 1
    assert told["verdict"] in (out / "trial.html").read_text()


def test_a_live_market_of_stand_ins_says_so_and_is_not_started_over_another(scenario: Path, tmp_path: Path) -> None:
    options = ("live", scenario, "--transfers", f"{SIZE}", "--out", tmp_path / "live")
    done = proofyard(*options, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["backend"], told["proofs"]["settled"], told["settlements"]["chain"]["payments"]) == (
        "calibrated",
        1,
        1,
    )
    assert told["settlements"]["chain"]["roots"] == 1  # the rollup's contract moved on by the paid proof
    before = (tmp_path / "live" / "market.db").stat()
    again = proofyard(*options)
    assert again.returncode == 2
    assert "which holds one; --replace removes it" in again.stderr
    typo = proofyard(*options, "--replace", "--kep")
    assert typo.returncode == 2
    foreign = proofyard("live", scenario, "--replace", "--out", tmp_path)
    assert "--out: wanted a new folder or one of an earlier run, got" in foreign.stderr
    assert (tmp_path / "live" / "market.db").stat() == before


def test_a_rule_of_ones_own_runs_live_and_is_found_again_from_anywhere(scenario: Path, tmp_path: Path) -> None:
    skeleton.write("mine", tmp_path)
    scenario.write_text(SCENARIO.replace(PATIENT, "mine.py(window_ms=500000)"))
    done = proofyard("live", scenario.name, "--no-chain", "--transfers", f"{SIZE}", "--out", "live", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mine(window_ms=500000)" in done.stdout
    journal = tmp_path / "live" / "market.db"
    held = proofyard("audit", journal)
    assert "holds" in held.stdout, held.stderr
    again = proofyard("replay", journal, "-m", "race")
    assert "Its own rule replayed: 1 of 1 jobs end as in the journal." in again.stdout, again.stderr


@pytest.mark.parametrize(("backend", "transfers", "sizes"), [("noir", "5", "4, 16, 64"), ("groth16", "64", "4, 16")])
def test_sizes_nobody_has_a_circuit_for_are_refused_at_once(
    scenario: Path, backend: str, transfers: str, sizes: str
) -> None:
    done = proofyard("live", scenario, "--backend", backend, "--transfers", transfers)
    assert done.returncode == 2
    assert f"--transfers: wanted one of {sizes} with --backend {backend}, got {transfers}." in done.stderr


def test_a_chain_ends_with_whoever_started_it() -> None:
    started = "import sys; from proofyard.chain import devchain; print(devchain.start().process.pid, flush=True)"
    command = [sys.executable, "-c", f"{started}; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        chain = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        select.select([chain], [], [])  # readable once the process has ended
        os.close(chain)
