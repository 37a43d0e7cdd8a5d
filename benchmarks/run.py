"""Measure Proofyard against plain C, SimPy and Mesa: `make bench`, or `python benchmarks/run.py --help`.

Every figure is CPU time unless it says wall, so that other work on the machine disturbs little; programs take turns,
and a ratio compares neighbours in time. Bars are what the project promises; a missed bar is shown with the figure.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from rich.console import Console
from rich.table import Table

from benchmarks import attacking, many, ours, peers, reference, speed, startup
from benchmarks.workload import Workload, inputs

BAR_C = 1.25  # times the time of C, at most
BAR_SIMPY = 100  # times as fast as SimPy, at least
BAR_GROWTH = 1.0  # times log N, at most
BAR_BIND = 0.7  # s of CPU
BAR_COLD = 10.0  # s of CPU
BAR_WARM = 1.0  # s, wall
BAR_HELP = 0.3  # s, wall
BAR_BYTES = 300  # per prover, beyond the columns of the result

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
COMPARED = (100, 10_000, 1_000_000)  # sizes at which SimPy and Mesa run too
SEATS = (32, 0)
SECTIONS = ("pool", "race", "bind", "start", "memory", "many", "attack")


def plans(*, quick: bool) -> list[speed.Plan]:
    """List the rows of the speed table."""
    rows: list[speed.Plan] = []
    for provers in SIZES:
        if quick and (provers > 10_000 or provers not in COMPARED):
            continue
        jobs = max(200_000, 2 * provers)  # enough to drown what C sets up within its call
        peer_jobs = (4_000 if quick else 20_000) if provers in COMPARED else 0
        few = provers > 10_000
        rows += [
            speed.Plan(
                Workload("pool", provers, seats, jobs),
                3 if few else 5 if quick else 9,
                peer_jobs,
                1 if quick or few else 3,
            )
            for seats in SEATS
        ]
    race = Workload("race", 100, 0, 20_000 if quick else 50_000)
    return [*rows, speed.Plan(race, 5 if quick else 9, 200 if quick else 1_000, 1 if quick else 3)]


class Report:
    """Prints tables, marks missed bars, keeps the figures for JSON."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.figures: dict[str, Any] = {}
        self.missed: list[str] = []

    def judge(self, what: str, text: str, bar: str, *, good: bool) -> str:
        """Text of a figure, marked with its bar when it misses it."""
        if good:
            return text
        self.missed.append(f"{what}: {text}, promised {bar}")
        return f"[bold red]{text} ({bar})[/]"

    def table(self, title: str, *columns: str) -> Table:
        """Print a title and begin the table below it: the first column is text, the others are numbers."""
        self.console.print(f"[bold]{title}[/]")
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
        for k, column in enumerate(columns):
            table.add_column(column, justify="right" if k else "left", no_wrap=True)
        return table


def report_speed(report: Report, rows: list[speed.Row]) -> None:
    """Print the time per job of every program, and that of ours on untouched memory."""
    peer_names = list(dict.fromkeys(name for row in rows for name in row.peers))
    table = report.table(
        "Time per job (ns of CPU, medians, on memory touched before)",
        *("workload", "jobs", "ours", "C", "ours / C"),
        *(column for name in peer_names for column in (name, f"{name} / ours")),
        "same results",
    )
    for row in rows:
        ratio = ""
        if row.ratio is not None:
            ratio = report.judge(f"{row.name}, ours / C", f"{row.ratio:.2f}", f"≤ {BAR_C}", good=row.ratio <= BAR_C)
        cells = [row.name, f"{row.jobs:,}", f"{row.ours:,.0f}", f"{row.c:,.0f}" if row.c else "", ratio]
        for name in peer_names:
            if name not in row.peers:
                cells += ["", ""]
                continue
            times = row.peers[name] / row.ours
            good = name != "SimPy" or times >= BAR_SIMPY
            shown = report.judge(f"{row.name}, SimPy / ours", f"{times:,.0f}", f"≥ {BAR_SIMPY}", good=good)
            cells += [f"{row.peers[name]:,.0f}", shown]
        different = [name for name, equal in row.same.items() if not equal]
        agreed = report.judge(
            f"{row.name}, results", f"no: {', '.join(different)}", "the same bits", good=not different
        )
        table.add_row(*cells, "" if not row.same else "yes" if not different else agreed)
    report.console.print(table, "")

    table = report.table(
        "Ours, what the table above leaves out (as it does for everybody)",
        *("workload", "genesis s", "untouched memory ns/job", "all included ns/job"),
    )
    for row in rows:
        table.add_row(row.name, f"{row.genesis:.3f}", f"{row.untouched:,.0f}", f"{row.with_genesis:,.0f}")
    report.console.print(table)
    report.console.print(
        "Genesis: building provers and state and letting everybody stake. Untouched: the first run, which also pays\n"
        "the system for clearing fresh pages, slow on virtual machines. C keeps no record per job, ours its results.\n"
    )
    report.figures["speed"] = [row.as_dict() for row in rows]


def report_growth(report: Report, rows: list[speed.Row]) -> None:
    """Print how the time per job grows with the number of provers."""
    kinds = {row.name.rsplit("-", 1)[1] for row in rows if row.name.startswith("pool-")}
    if all(sum(row.name.endswith(f"-{kind}") for row in rows) < 2 for kind in kinds):
        return
    table = report.table(
        "Growth with N, against log N", "seats", "N", "ours", "C", "log N", "ours per log N", "C per log N"
    )
    figures: dict[str, float] = {}
    for seats, kind in ((32, "32"), (0, "all")):
        some = [row for row in rows if row.name.startswith("pool-") and row.name.endswith(f"-{kind}")]
        if len(some) < 2:
            continue
        sizes = [row.provers for row in some]
        growth = speed.per_log(sizes, [row.ours for row in some])
        c_times = [row.c for row in some if row.c is not None]
        shown = report.judge(f"growth, {kind}", f"{growth:.2f}", f"≤ {BAR_GROWTH}", good=growth <= BAR_GROWTH)
        table.add_row(
            f"top {seats}" if seats else "all",
            f"{sizes[0]:,} → {sizes[-1]:,}",
            f"× {some[-1].ours / some[0].ours:.2f}",
            f"× {c_times[-1] / c_times[0]:.2f}" if c_times else "",
            f"× {speed.log_ratio(sizes):.2f}",
            shown,
            f"{speed.per_log(sizes, c_times):.2f}" if c_times else "",
        )
        figures[kind] = growth
    report.console.print(table, "")
    report.figures["growth_per_log_n"] = figures


def report_bind(report: Report, *, quick: bool) -> None:
    """Print how long a new rule file takes until it is ready to run."""
    table = report.table("A new rule file, engine cached (s of CPU until ready to run)", "rule", "s")
    times = startup.bind_times(1, ["benchmark pool", "staked_pool"]) if quick else startup.bind_times(3)
    for name, cpu in times.items():
        told = f"{cpu:.2f}"
        once = name == startup.COMPILER
        table.add_row(name, told if once else report.judge(f"bind {name}", told, f"≤ {BAR_BIND}", good=cpu <= BAR_BIND))
    report.console.print(table, "")
    report.figures["bind_cpu_s"] = times


def report_start(report: Report, *, quick: bool) -> None:
    """Print how long commands take to start, warm and cold."""
    table = report.table("Start of a command", "command", "wall s", "CPU s")
    starts = startup.warm_starts(3 if quick else 5)
    for (name, timing), bar in zip(starts.items(), (BAR_WARM, BAR_HELP), strict=True):
        wall = report.judge(name, f"{timing.wall:.2f}", f"≤ {bar}", good=timing.wall <= bar)
        table.add_row(name, wall, f"{timing.cpu:.2f}")
    cold = startup.cold_compile()
    cpu = report.judge("cold compile", f"{cold.cpu:.1f}", f"≤ {BAR_COLD}", good=cold.cpu <= BAR_COLD)
    table.add_row("the first ever, nothing compiled", f"{cold.wall:.1f}", cpu)
    report.console.print(table, "")
    report.figures["start"] = {name: {"wall": t.wall, "cpu": t.cpu} for name, t in (starts | {"cold": cold}).items()}


def report_memory(report: Report, *, quick: bool) -> None:
    """Print the memory a prover takes."""
    table = report.table(
        "Memory per prover (bytes)", "market", "state and engine", "columns of the result", "beyond them", "resident"
    )
    figures = startup.memory(10_000 if quick else 1_000_000)
    for name, each in figures.items():
        beyond = each["total"] - each["results"]
        shown = report.judge(f"memory, {name}", f"{beyond:.0f}", f"≤ {BAR_BYTES}", good=beyond <= BAR_BYTES)
        table.add_row(name, f"{each['total']:.0f}", f"{each['results']:.0f}", shown, f"{each['resident']:.0f}")
    report.console.print(table, "")
    report.figures["memory_bytes_per_prover"] = figures


def report_many(report: Report, *, quick: bool) -> None:
    """Print how many runs of a second spread over processes and over Ray, beside what this machine can do at all."""
    runs = 16 if quick else 64
    table = report.table(f"{runs} runs of about a second", "where", "s on the clock", "against", "s of CPU", "against")
    found = many.times(runs)
    rows: dict[str, list[str]] = {name: [] for name in found}
    for k, what in enumerate(("by the clock", "by CPU time")):
        against = _against(report, {name: taken[k] for name, taken in found.items()}, what)
        for name, taken in found.items():
            rows[name] += [f"{taken[k]:.1f}", against[name]]
    for name, cells in rows.items():
        table.add_row(name, *cells)
    report.console.print(table)
    report.console.print(
        "CPU: of the longest way through, this process and then the busiest worker. Bare: the same runs in two plain "
        "processes, with no\nrunner, the most that two can reach here. All take turns.\n"
    )
    report.figures["many_runs_s"] = {name: taken._asdict() for name, taken in found.items()}


def _against(report: Report, taken: dict[str, float], what: str) -> dict[str, str]:
    """Judge two processes and Ray; where the machine itself stays below the bar, by what is the machine's."""
    ceiling, gain = (taken[many.ONE] / taken[name] for name in (many.BARE, many.TWO))
    share, cost = taken[many.BARE] / taken[many.TWO], taken[many.RAY] / taken[many.TWO]
    bar = min(many.BAR_TWO, many.BAR_RUNNER * ceiling)
    wanted = f"≥ {many.BAR_TWO}, or {many.BAR_RUNNER:.0%} of bare"
    shown = f"{gain:.2f} × one, {share:.0%} of bare"
    return {
        many.ONE: "",
        many.BARE: f"{ceiling:.2f} × one",
        many.TWO: report.judge(f"two processes {what}", shown, wanted, good=gain >= bar),
        many.RAY: report.judge(f"Ray {what}", f"{cost:.2f} × two", f"≤ {many.BAR_RAY}", good=cost <= many.BAR_RAY),
    }


def report_attack(report: Report, *, quick: bool) -> None:
    """Print how long searches for attacks take."""
    table = report.table("Searches for attacks", "search", "s on the clock", "s of CPU, one process")
    found = {"one deviant, one parameter, 200 proofs, 64 seeds": (attacking.minimal(), attacking.BAR_MINIMAL)}
    if not quick:
        found["the whole list on the alpha-4 pool"] = attacking.whole_list(), attacking.BAR_LIST
    for name, ((clock, alone), bar) in found.items():
        wall = report.judge(name, f"{clock.wall:.1f}", f"≤ {bar}", good=clock.wall <= bar)
        table.add_row(name, wall, f"{alone.cpu:.1f}")
    report.console.print(table, "")
    report.figures["attack_s"] = {
        name: {"wall": clock.wall, "cpu": alone.cpu} for name, ((clock, alone), _) in found.items()
    }


def measure_speed(report: Report, wanted: Callable[[str], bool], *, quick: bool) -> None:
    """Run the workloads and print their tables."""
    programs: dict[str, speed.Program] = dict(reference.programs())
    c = programs.pop("C", None)
    if not programs:
        programs = {"SimPy": peers.SimPy(), "Mesa": peers.Mesa()}
        report.console.print(
            "The reference programs are not here (PROOFYARD_REFERENCE, else ../shared/bench): plain C is left out, and "
            "the peers in the race;\nSimPy and Mesa run our own small versions of the pool.\n"
        )
    elif c is None:
        report.console.print("No gcc here: plain C is left out.\n")
    own_peers = isinstance(programs["SimPy"], peers.SimPy)
    for kind in ("pool", "race", "pool"):  # the pool again: its cache entry names the files loaded beside it
        tiny = Workload(kind, 4, 0, 4)
        ours.Market(tiny, inputs(tiny)).run()  # load the engine and the rules
    rows: list[speed.Row] = []
    for plan in plans(quick=quick):
        if wanted(plan.work.name):
            some = {} if own_peers and plan.work.kind == "race" else programs
            rows.append(speed.measure(plan, c, some))
    if rows:
        report_speed(report, rows)
        report_growth(report, rows)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description="Measure Proofyard against plain C, SimPy and Mesa.")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, markets of at most 10,000 provers")
    parser.add_argument(
        "--only", metavar="NAME", help=f"one of {', '.join(SECTIONS)}, or a workload such as pool-100-32"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures there too")
    options = parser.parse_args()
    report = Report(Console(width=None if sys.stdout.isatty() else 150, highlight=False))
    start = time.perf_counter()
    only: str | None = options.only
    names = [plan.work.name for plan in plans(quick=options.quick)]
    if only is not None and only not in {*SECTIONS, *names}:
        parser.error(f"--only: known are {', '.join([*SECTIONS, *names])}")
    report.figures["machine"] = {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numba": numba.__version__,
    }

    def wanted(name: str) -> bool:
        return only is None or name == only or name.startswith(f"{only}-")

    if only is None or only not in SECTIONS[2:]:
        measure_speed(report, wanted, quick=options.quick)
    sections = (
        ("bind", report_bind), ("start", report_start), ("memory", report_memory), ("many", report_many),
        ("attack", report_attack),
    )  # fmt: skip
    for name, section in sections:
        if wanted(name):
            try:
                section(report, quick=options.quick)
            except RuntimeError as error:  # a command failed: say so, measure the rest
                report.missed.append(f"{name}: {error}")

    for line in report.missed:
        report.console.print(f"[bold red]missed[/] {line}")
    if not report.missed:
        report.console.print("Every bar that was measured is met.")
    report.console.print(f"{time.perf_counter() - start:.0f} s in all, load of the machine {os.getloadavg()[0]:.1f}.")
    report.figures["missed"] = report.missed
    if options.json is not None:
        options.json.write_text(json.dumps(report.figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
