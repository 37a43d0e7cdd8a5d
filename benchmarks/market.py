"""Measure a live market: `python benchmarks/market.py`; bars are what the project promises, a missed one is shown.

Commands    signed offers, accepted durably, against bare transactions of the same rows, in groups as large as the
            market's were (`share`) and as many as were under way (`share_full`); the two take turns, without HTTP.
            Signed one by one, or in sheets. `share_at_most` is that of a market which only finds out who signed, on two
            cores, where disks take no time. `--flush MS` lets each commit, the market's and the bare one, take so much
            longer, as on a disk that takes its time to make it durable.
Proofs      from "proof finished" to "proof accepted", one after the other, verification and commit included.
Rebuilding  the state from a journal of a million events.
Over HTTP   half load, a crowd of idle nodes, and what a loaded live run spends its CPU time on: see `served.py`.
"""

import argparse
import asyncio
import json
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Table

from benchmarks import postgres, served
from proofyard.core import Fault, Kind
from proofyard.network import recovery, sheets
from proofyard.network.coordinator import Coordinator, Receipt
from proofyard.network.journal import Journal, connect
from proofyard.network.market import Market
from proofyard.network.messages import Domain, Signed, Signer, digest_of
from proofyard.network.records import Blob, Row, digest, make_row, pack
from proofyard.network.requester import Rollup
from proofyard.network.server import run
from proofyard.network.sheets import Sheet
from proofyard.network.signatures import FEW, THREADS
from proofyard.proofs.calibrated import Calibrated

RULE = "staked_pool(min_capacity=1, seats=4, cooldown_ms=100)"
TOKEN = 10**9
LOADS = ((1, 1), (16, 1), (128, 1), (128, 64))  # commands under way, and how many of them under one signature
BAR_SHARE = 0.5  # of the rate of bare commits, at least
BAR_ACCEPTED_MS = 50.0
BAR_P99_MS = 100.0
BAR_REBUILD_S = 10.0
BAR_SLOWER = 0.1
BAR_WORK = 0.9
ROUNDS = 6  # in which market and bare rows take turns
Url: TypeAlias = Callable[[str], str]  # a new place for a journal of that name
GENESIS: dict[str, Any] = {"mechanism": RULE, "actors": 1_100, "grant_gwei": 1_000 * TOKEN}


def connected(url: str, flush_s: float) -> Journal:
    """Open a journal whose commits take `flush_s` longer than its disk does."""
    journal = connect(url)
    append = journal.append

    def slowly(rows: Sequence[Row], blobs: Sequence[Blob] = ()) -> None:
        append(rows, blobs)
        time.sleep(flush_s)

    if flush_s:
        setattr(journal, "append", slowly)  # noqa: B010 - for this one
    return journal


async def begun(url: str, flush_s: float = 0.0) -> Coordinator:
    """Start a coordinator on a new journal."""
    journal = connected(url, flush_s)
    coordinator = Coordinator(journal, Signer(secrets.token_bytes(32)), Calibrated(speed=10_000), GENESIS)
    await coordinator.start()
    while coordinator.trouble:  # noqa: ASYNC110 - a moment, once
        await asyncio.sleep(0.01)
    return coordinator


def offers(signer: Signer, coordinator: Coordinator, count: int, lines: int = 1) -> list[Signed | Sheet]:
    """Sign commands beforehand, one by one or so many `lines` to a sheet."""
    domain = coordinator.ready().domain
    if lines == 1:
        return [signer.sign("offer", domain, price=k + 1, capacity=1, lasts_ms=500_000) for k in range(count)]
    fields = [{"price": k + 1, "capacity": 1} for k in range(lines)]
    return [sheets.write(signer, "offer", domain, fields, lasts_ms=500_000) for _ in range(count // lines)]


async def commands(url: Url, turn: int, count: int, at_once: int, lines: int, flush_s: float) -> dict[str, float]:
    """Submit signed commands, `at_once` under way, and write as many bare rows of their size; they take turns."""
    name = f"{turn}_{at_once}_{lines}"
    coordinator = await begun(url(f"commands{name}"), flush_s)
    signer = Signer(secrets.token_bytes(32))
    await coordinator.submit(signer.sign("join", coordinator.ready().domain, name="offers"))
    await warmed(coordinator, signer, at_once, lines)
    bare = {size: connected(url(f"bare{name}_{size}"), flush_s) for size in (0, at_once)}
    for journal in bare.values():
        journal.acquire()
    latency: list[float] = []
    took, cpu, groups, bare_took, bare_cpu = 0.0, 0.0, 0.0, dict.fromkeys(bare, 0.0), dict.fromkeys(bare, 0.0)
    for _ in range(ROUNDS):
        waiting = iter(offers(signer, coordinator, count // ROUNDS, lines))
        first, before = coordinator.ready().last.seq, groups_of(coordinator)
        began, used = time.perf_counter(), time.process_time()
        await asyncio.gather(*(send_on(coordinator, waiting, latency) for _ in range(at_once // lines)))
        took, cpu = took + time.perf_counter() - began, cpu + time.process_time() - used
        groups += groups_of(coordinator) - before
        rows = list(coordinator.journal.rows(first))
        size = max(1, round(len(rows) / max(1.0, groups_of(coordinator) - before)))
        for fixed, journal in bare.items():
            began, used = time.perf_counter(), time.process_time()
            for k in range(0, len(rows), fixed or size):
                journal.append(rows[k : k + (fixed or size)])
            bare_took[fixed] += time.perf_counter() - began
            bare_cpu[fixed] += time.process_time() - used
    await coordinator.stop()
    for journal in bare.values():
        journal.close()
    latency.sort()
    done = len(latency)
    if done < ROUNDS * (count // ROUNDS // lines) * lines:
        raise Fault(f"benchmark: wanted all commands to be accepted, got {done} of {count}.")
    return {
        "per_s": done / took, "cpu_us": 1e6 * cpu / done, "group": done / groups,
        "bare_per_s": done / bare_took[0], "bare_cpu_us": 1e6 * bare_cpu[0] / done, "share": bare_took[0] / took,
        "bare_full_per_s": done / bare_took[at_once], "share_full": bare_took[at_once] / took,
        "p50_ms": 1e3 * latency[done // 2], "p99_ms": 1e3 * latency[done * 99 // 100],
    }  # fmt: skip


async def send_on(coordinator: Coordinator, waiting: Iterator[Signed | Sheet], latency: list[float]) -> None:
    """Hand commands in, one after the other, or sheet after sheet; count those that are accepted."""
    for signed in waiting:
        came, accepted = time.perf_counter(), 1
        if isinstance(signed, Signed):
            await coordinator.submit(signed)
        else:
            accepted = sum(isinstance(told, Receipt) for told in await coordinator.intake.hand_in_sheet(signed))
        latency += [time.perf_counter() - came] * accepted


async def warmed(coordinator: Coordinator, signer: Signer, at_once: int, lines: int) -> None:
    """Send some before the clock runs, so that whatever starts with a load has started."""
    for _ in range(100):
        waiting = iter(offers(signer, coordinator, 4 * at_once, lines))
        await asyncio.gather(*(send_on(coordinator, waiting, []) for _ in range(at_once // lines)))
        if at_once // lines < FEW or coordinator.intake.signatures.beside:
            return
        await asyncio.sleep(0.1)


def signature_us(count: int = 1_000) -> float:
    """CPU time to find who signed a message, us: libsecp256k1 in a loop, nothing else."""
    signer, domain = Signer(secrets.token_bytes(32)), Domain(0, bytes(20), bytes(32))
    made = [signer.sign("offer", domain, price=k, capacity=1) for k in range(count)]
    hashes = [digest_of(each.verb, each.message, domain) for each in made]
    loop = recovery.compiled()
    began = time.process_time()
    recovery.signers(hashes, [each.signature for each in made], loop)
    return 1e6 * (time.process_time() - began) / count


def groups_of(coordinator: Coordinator) -> float:
    """Count the groups written so far."""
    samples = (sample for family in coordinator.metrics.group.collect() for sample in family.samples)
    return next(sample.value for sample in samples if sample.name.endswith("_count"))


async def proofs(url: Url, turn: int, count: int) -> list[float]:
    """Hand proofs in, one after the other; ms from finished to accepted, verification and commit included."""
    coordinator = await begun(url(f"proofs{turn}"))
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


async def rebuilding(url: Url, count: int) -> dict[str, float]:
    """Write a journal of `count` events, then rebuild the state from it."""
    coordinator = await begun(url("rebuild"))
    signer = Signer(secrets.token_bytes(32))
    await coordinator.submit(signer.sign("join", coordinator.ready().domain, name="offers"))
    signed = signer.sign("offer", coordinator.ready().domain, price=1, capacity=1)
    body = pack({"verb": signed.verb, "message": signed.message, "signature": "0x" + signed.signature.hex()})
    row = coordinator.ready().last
    place = coordinator.journal.url
    await coordinator.stop()
    journal = connect(place)
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


@contextmanager
def places(folder: Path, *, in_postgres: bool) -> Generator[Url]:
    """Say where journals go: into files, or into databases of a PostgreSQL server of our own, each made anew."""
    if not in_postgres:
        yield lambda name: str(folder / f"{name}.db")
        return
    programs = postgres.binaries()
    if programs is None:
        raise SystemExit("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with postgres.running(programs) as server:
        yield server.database


def within(url: Url, wanted: argparse.Namespace) -> dict[str, Any]:
    """Measure what needs no HTTP."""
    told: dict[str, Any] = {"commands": {}}
    for at_once, lines in LOADS:
        turns, flush_s = range(wanted.turns), wanted.flush / 1_000
        runs = [run(commands(url, turn, wanted.count, at_once, lines, flush_s)) for turn in turns]
        row = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        row["signature_us"] = statistics.median(signature_us() for _ in runs) / lines
        row["share_at_most"] = row["bare_cpu_us"] / (row["signature_us"] / THREADS)
        told["commands"][f"{at_once} under way" + (f" in sheets of {lines}" if lines > 1 else "")] = row
    times = sorted(ms for turn in range(wanted.turns) for ms in run(proofs(url, turn, 60)))
    told["proof_accepted_ms"] = {"p50": times[len(times) // 2], "p99": times[-len(times) // 100]}
    told["rebuild"] = run(rebuilding(url, wanted.events))
    return told


def bars(told: dict[str, Any]) -> list[tuple[str, float, float, bool]]:
    """List what was promised: what, measured, the bar, and whether it holds."""
    rows: list[tuple[str, float, float, bool]] = []

    def at_least(what: str, found: float, bar: float) -> None:
        rows.append((what, found, bar, found >= bar))

    def at_most(what: str, found: float, bar: float) -> None:
        rows.append((what, found, bar, found <= bar))

    for load, row in told["commands"].items():
        what = f"of bare commits in groups of {row['group']:.0f}, {load}"
        at_least(f"commands: share {what}", row["share"], BAR_SHARE)
    at_most("proof finished to accepted, p50 ms", told["proof_accepted_ms"]["p50"], BAR_ACCEPTED_MS)
    at_most("journal of a million events, CPU s", told["rebuild"]["cpu_s"], BAR_REBUILD_S)
    if "half_load" in told:
        at_most("p99 at half load, ms", told["half_load"]["p99_ms"], BAR_P99_MS)
    if "crowd" in told:
        at_most("1,000 idle light clients: slower by", told["crowd"]["slower"], BAR_SLOWER)
        at_most("1,000 idle light clients: more CPU a command by", told["crowd"]["more_cpu"], BAR_SLOWER)
    if "work" in told:
        at_least("provers' share of the CPU time", told["work"]["share"], BAR_WORK)
    return rows


def show(told: dict[str, Any]) -> None:
    """Print the bars, then everything."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("the live market", "measured", "bar", ""):
        table.add_column(name, justify="left" if name.startswith("the") else "right")
    for what, found, bar, holds in bars(told):
        table.add_row(what, f"{found:.3g}", f"{bar:.3g}", "" if holds else "missed")
    for load, row in told["commands"].items():
        for key, value in row.items():
            table.add_row(f"  commands, {load}: {key}", f"{value:,.4g}", "", "")
    for part in ("proof_accepted_ms", "rebuild", "half_load", "crowd", "work"):
        for key, value in told.get(part, {}).items():
            table.add_row(f"  {part}: {key}", f"{value:,.4g}", "", "")
    console = Console(highlight=False)
    console.print(f"load {told['load']:.1f} on {os.cpu_count()} cores, journal in {told['database']}")
    console.print(table)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--count", type=int, default=3_000, help="commands")
    parser.add_argument("--events", type=int, default=1_000_000, help="of the journal to rebuild")
    parser.add_argument("--postgres", action="store_true", help="keep journals in a PostgreSQL started for this")
    parser.add_argument("--live", metavar="TIME", default="40s", help="length of the live run, 0 for none")
    parser.add_argument("--backend", choices=("noir", "calibrated"), default="noir", help="of the live run")
    parser.add_argument("--flush", type=float, default=0.0, metavar="MS", help="that each commit takes longer")
    parser.add_argument("--within", action="store_true", help="only what needs no HTTP")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures there too")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        database = "PostgreSQL" if wanted.postgres else "SQLite"
        told: dict[str, Any] = {"load": os.getloadavg()[0], "database": database}
        with places(folder, in_postgres=wanted.postgres) as url:
            told |= within(url, wanted)
        if not wanted.within:
            told["half_load"] = served.latency(folder)
            told["crowd"] = served.crowd(folder, wanted.count // 4)
            if wanted.live != "0":
                told["work"] = served.work(folder, wanted.live, wanted.backend)
    show(told)
    if wanted.json is not None:
        wanted.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
