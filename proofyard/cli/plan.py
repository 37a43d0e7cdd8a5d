"""`proofyard plan`."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from proofyard.cli.shared import Json, print_json

if TYPE_CHECKING:
    from proofyard.proofs.planner import Plan

MINUTES_FROM_MS = 120_000

Fleet = Annotated[list[str] | None, Parameter(name=["--fleet", "-f"], negative="", consume_multiple=False)]


def plan(
    *,
    fleet: Fleet = None,
    mgas: float | None = None,
    transfers: int | None = None,
    deadline: str | None = None,
    online: str | None = None,
    resume: bool = True,
    seed: int = 1,
    json: Json = False,
) -> None:
    """Plan the proving of one job: how to cut it, on which cards, how long it takes and what it costs.

    Example: proofyard plan --mgas 30 --deadline 12s --fleet 8xsp1/l40s --fleet 8xsp1/h100

    Parameters
    ----------
    fleet
        COUNTxNAME of a card, or 1xprofile:FILE for a machine that `bench` measured; may be given several times.
    mgas
        Size of the job in millions of gas.
    transfers
        Or in transfers of the payments rollup (21,000 gas each).
    deadline
        Time to proof that 99 of 100 jobs shall meet; the plan is then the cheapest that does.
    online
        When the cards are there, as in a scenario: 'idle_gpu(zone="us-east-1f")'. Without it, always.
    resume
        Whether finished segments outlive the loss of a card.
    seed
        Of noise and losses.
    json
        Print the plan as JSON.
    """
    from proofyard.core.errors import BadInput
    from proofyard.proofs import planner
    from proofyard.proofs.fleet import parse
    from proofyard.worlds.profile import GAS_PER_TRANSFER
    from proofyard.worlds.schedules import schedule
    from proofyard.worlds.text import duration_ms

    if not fleet:
        raise BadInput("--fleet", "COUNTxNAME, e.g. 8xsp1/l40s or 1xprofile:profile.json", "nothing")
    if (mgas is None) == (transfers is None):
        raise BadInput("size", "--mgas or --transfers", "neither" if mgas is None else "both")
    gas = mgas * 1e6 if mgas is not None else (transfers or 0) * GAS_PER_TRANSFER
    limit = duration_ms(deadline, "--deadline") if deadline else 0
    there = schedule(online, "--online") if online else None
    made = planner.plan(gas, [parse(one) for one in fleet], deadline_ms=limit, online=there, resume=resume, seed=seed)
    if json:
        print_json(as_dict(made))
        return
    _print(made)


def as_dict(made: "Plan") -> dict[str, object]:
    """Turn a plan into plain values."""
    lists = {
        name: [one._asdict() for one in value]
        for name, value in (("curve", made.curve), ("shares", made.shares), ("modes", made.modes))
    }
    return {**made._asdict(), "choice": made.choice._asdict(), **lists}


def _print(made: "Plan") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=100)

    def show(title: str, head: tuple[str, ...], rows: list[list[str]]) -> None:
        table = Table(
            box=None, pad_edge=False, header_style="dim", title=title, title_justify="left", title_style="bold"
        )
        for k, name in enumerate(head):
            table.add_column(name, justify="right" if k else "left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
        console.print()

    choice = made.choice
    verdict = "" if made.meets else f" No choice meets {_time(made.deadline_ms)}: this is the quickest."
    console.print(
        f"Cut into {choice.segments} segments on {choice.workers} workers: {_time(choice.p50_ms)} (p99"
        f" {_time(choice.p99_ms)}), {_money(choice.micro_usd_low, choice.micro_usd_high)}.{verdict}\n",
        highlight=False,
        soft_wrap=True,
    )
    show("Who does what", ("kind", "workers", "segments", "joins", "busy"), [
        [s.name, str(s.workers), str(s.segments), str(s.joins), f"{s.busy:.0%}"] for s in made.shares
    ])  # fmt: skip
    head = ("workers", "segments", "p50", "p99", "speed-up", "at least", "at most", "cost of a job")
    first = made.curve[0].p50_ms
    show("Speed-up (at least, at most: Graham's bounds without noise)", head, [
        [str(c.workers), str(c.segments), _time(c.p50_ms), _time(c.p99_ms), f"{first / c.p50_ms:.2f}", _time(c.low_ms),
         _time(c.high_ms) if c.high_ms else "", _money(c.micro_usd_low, c.micro_usd_high)] for c in made.curve
    ])  # fmt: skip
    rows = [
        [m.name, _time(m.alone_ms), f"{m.alone_per_hour:.1f}/h", _time(m.all_ms), f"{m.all_per_hour:.1f}/h",
         f"{m.turn_per_hour:.1f}/h", f"{m.turn_gas / 1e6:.3g} Mgas" if m.turn_gas else ""] for m in made.modes
    ]  # fmt: skip
    head = ("kind", "one each: time", "most", "all on one: time", "most", "one each from", "meets deadline to")
    show("One worker for each job, or all on one job?", head, rows)


def _time(ms: float) -> str:
    return f"{ms / 1000:.2f} s" if ms < MINUTES_FROM_MS else f"{ms / 60_000:.1f} min"


def _money(low: float, high: float) -> str:
    return f"{low / 1e6:.4f}-{high / 1e6:.4f} USD" if high else "no price"
