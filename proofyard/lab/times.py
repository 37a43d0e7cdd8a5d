"""What `proofyard prove` prints: a table of times; without the libraries of figures, whose start costs CPU time."""

from rich.console import Console
from rich.table import Table

from proofyard.proofs.parallel import Result, Span

COLUMNS = ("worker", "from", "to", "witness", "proving", "verifying", "CPU", "memory")
WIDE = 100  # characters of the table where no terminal says


def seconds(ms: float) -> str:
    """Write a time in seconds."""
    return f"{ms / 1000:.2f} s"


def rows(result: Result) -> list[list[str]]:
    """Write one line for each part, in the order in which they ended."""
    return [_row(span) for span in result.spans]


def _row(span: Span) -> list[str]:
    if span.outcome == "found":
        return [span.name, "found on disk", *[""] * (len(COLUMNS) - 1)]
    begin, end = seconds(span.begin_ms), seconds(span.end_ms)
    if span.outcome == "lost":
        return [span.name, "lost", begin, end, *[""] * (len(COLUMNS) - 3)]
    spent = span.spent
    times = [seconds(ms) for ms in (spent.witness_ms, spent.proving_ms, spent.verify_ms, spent.cpu_ms)]
    return [span.name, span.worker, begin, end, *times, f"{spent.peak_mib} MiB"]


def in_words(result: Result, batches: int) -> str:
    """Say in a sentence what was done."""
    what = f"{batches} batches joined into one proof" if batches > 1 else "One batch proven"
    found = sum(span.outcome == "found" for span in result.spans)
    resumed = f", {found} parts of it found on disk" if found else ""
    cpu = seconds(result.total("cpu_ms"))
    return f"{what}{resumed}, verified, in {seconds(result.wall_ms)} with {cpu} of CPU time."


def print_result(result: Result, batches: int) -> None:
    """Print the table of times."""
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("part", *COLUMNS):
        shown.add_column(name, justify="left" if name in {"part", "worker"} else "right")
    for row in rows(result):
        shown.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    console.print(shown)
    console.print(in_words(result, batches), highlight=False)
