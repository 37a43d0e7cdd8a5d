"""The tables of the pages: which columns each has, its rows after some event, sorted, filtered, cut into pages, as CSV.

A cell is an integer, a float, a text or None. Amounts are integers in the token's smallest unit, times ms.
"""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from proofyard.core.book import Ints
from proofyard.core.errors import BadInput
from proofyard.core.event import Kind, Phase
from proofyard.explorer.costs import Costs
from proofyard.explorer.view import View
from proofyard.network.records import Record

Cells: TypeAlias = dict[str, Any]
PAGE, LARGEST = 50, 500  # rows of a page
TRIGGERS = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet take a text for a formula
STAKE_KINDS = (Kind.STAKE, Kind.UNSTAKE, Kind.WITHDRAW, Kind.DELEGATE, Kind.UNDELEGATE, Kind.TRANSFER)
TIMERS = (Kind.CLOSE, Kind.EXPIRE, Kind.SETTLE)
NOBODYS = (*TIMERS, Record.GENESIS, Record.RESUME, Record.BEACON, Record.SETTLEMENT)
STATES = {
    "open": (Phase.BIDDING, Phase.ASSIGNED, Phase.OPEN, Phase.PROVEN, Phase.CONTESTED),
    "settled": (Phase.SETTLED,),
    "lost": (Phase.LOST,),
    **{phase.name.lower(): (phase,) for phase in Phase if phase not in (Phase.NONE, Phase.SETTLED, Phase.LOST)},
}


class Query(NamedTuple):
    """Which part of a table is wanted; texts as they came."""

    sort: str = ""
    down: bool = False
    page: int = 0
    size: int = PAGE
    state: str = ""  # of requests: a key of STATES; "late"
    kind: str = ""  # of events: a name
    actor: int | None = None
    job: int | None = None
    text: str = ""  # part of a name


class Page(NamedTuple):
    """Part of a table."""

    columns: tuple[str, ...]
    rows: list[Cells]
    total: int


def cut(columns: Sequence[str], rows: list[Cells], query: Query) -> Page:
    """Sort rows and cut a page out of them. Raises BadInput."""
    if query.sort:
        if query.sort not in columns:
            raise BadInput("sort", f"one of {', '.join(columns)}", query.sort)
        known = [row for row in rows if row[query.sort] is not None]
        unknown = [row for row in rows if row[query.sort] is None]
        rows = sorted(known, key=lambda row: row[query.sort], reverse=query.down) + unknown
    start = query.page * query.size
    return Page(tuple(columns), rows[start : start + query.size], len(rows))


def as_csv(columns: Sequence[str], rows: Sequence[Cells]) -> str:
    """Write a table for spreadsheets; a text that would be taken for a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(_harmless(row.get(name)) for name in columns)
    return out.getvalue()


def _harmless(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(TRIGGERS):
        return "'" + value
    return "" if value is None else value


def name_of(view: View, actor: int) -> str:
    """Name an actor; names are chosen by users."""
    names = view.names
    if 0 <= actor < len(names):
        return names[actor] or f"actor {actor}"
    return f"actor {actor}" if actor >= 0 else ""


# Requests --------------------------------------------------------------------------------------------------------

REQUESTS = (
    "job", "phase", "asked_ms", "size", "ceiling", "requester", "prover", "bids", "turns", "assigned_ms", "proven_ms",
    "time_to_proof_ms", "final_ms", "deadline_ms", "late", "paid", "requester_number", "prover_number",
)  # fmt: skip


def request_columns(view: View) -> dict[str, Ints]:
    """All requests as columns; -1 where a cell is empty."""
    asked = view.events[view.requests] if view.rows else np.zeros((0, 7), np.int64)
    deadline = np.where(view.phase < Phase.SETTLED, view.book.deadline[: view.count], -1)
    return {
        "job": np.arange(view.count),
        "phase": view.phase,
        "asked_ms": view.asked_ms,
        "size": asked[:, 5],
        "ceiling": asked[:, 4],
        "requester": asked[:, 2],
        "prover": view.prover,
        "bids": view.bids,
        "turns": view.turns,
        "assigned_ms": view.assigned_ms,
        "proven_ms": view.proven_ms,
        "time_to_proof_ms": view.took_ms,
        "final_ms": view.final_ms,
        "deadline_ms": deadline,
        "late": view.late.astype(np.int64),
        "paid": view.paid,
    }


def requests(view: View, query: Query) -> Page:
    """List requests, newest first unless sorted. Raises BadInput."""
    columns = request_columns(view)
    keep = view.requests >= 0
    if query.state == "late":
        keep = keep & view.late
    elif query.state:
        if query.state not in STATES:
            raise BadInput("state", f"one of {', '.join((*STATES, 'late'))}", query.state)
        keep = keep & np.isin(view.phase, STATES[query.state])
    if query.actor is not None:
        keep = keep & ((columns["prover"] == query.actor) | (columns["requester"] == query.actor))
    if query.job is not None:
        keep = keep & (columns["job"] == query.job)
    chosen = np.flatnonzero(keep)
    order = _order(columns, chosen, query)
    start = query.page * query.size
    rows = [request_row(view, columns, job) for job in order[start : start + query.size].tolist()]
    return Page(REQUESTS, rows, len(chosen))


def _order(columns: dict[str, Ints], chosen: Ints, query: Query) -> Ints:
    """Order the chosen rows; empty cells come last either way."""
    if not query.sort:
        return chosen[::-1]
    if query.sort not in columns:
        raise BadInput("sort", f"one of {', '.join(columns)}", query.sort)
    values = columns[query.sort][chosen]
    order = chosen[np.argsort(-values if query.down else values, kind="stable")]
    return order[np.argsort(columns[query.sort][order] < 0, kind="stable")]


def request_row(view: View, columns: dict[str, Ints], job: int) -> Cells:
    """One request for people and machines."""
    row: Cells = {name: int(values[job]) for name, values in columns.items()}
    for name, value in row.items():
        if value == -1 and name not in ("prover", "requester"):
            row[name] = None
    row["phase"] = Phase(row["phase"]).name
    row["prover_number"], row["requester_number"] = (
        row[who] if row[who] >= 0 else None for who in ("prover", "requester")
    )
    row["prover"], row["requester"] = name_of(view, row["prover"]) or None, name_of(view, row["requester"])
    row["late"] = bool(row["late"])
    return row


# Provers ---------------------------------------------------------------------------------------------------------

PROVERS = (
    "prover", "name", "address", "stake", "delegated", "capacity", "asks", "open_jobs", "proofs", "share", "income",
    "cost", "profit", "missed", "slashed", "cash", "skips",
)  # fmt: skip


def provers(
    view: View, costs: Costs, skips: dict[int, dict[str, int]], only: Sequence[int] | None = None
) -> list[Cells]:
    """All provers, or `only` some actors; those with the most proofs first."""
    stake, pool = view.column("stake"), view.column("pool")
    price, capacity = view.last_offers()
    who = view.provers
    total = int(view.wins[who].sum())
    spent = costs.until(view)
    own = view.book.slashed
    rows: list[Cells] = []
    for k in who.tolist() if only is None else only:
        cost = spent.get(k)
        rows.append({
            "prover": k,
            "name": name_of(view, k),
            "address": view.replay.source.addresses[k] or None,
            "stake": int(stake[k]) if stake is not None else None,
            "delegated": int(pool[k]) if pool is not None else None,
            "capacity": int(capacity[k]) if capacity[k] >= 0 else costs.capacity.get(k),
            "asks": int(price[k]) if price[k] >= 0 else None,
            "open_jobs": int(view.open_jobs[k]),
            "proofs": int(view.wins[k]),
            "share": int(view.wins[k]) / total if total else None,
            "income": int(view.income[k]),
            "cost": cost,
            "profit": int(view.income[k]) - cost - int(own[k]) if cost is not None else None,
            "missed": int(view.missed[k]),
            "slashed": int(view.slashed[k]),
            "cash": int(view.book.cash[k]),
            "skips": sum(skips.get(k, {}).values()),
        })  # fmt: skip
    rows.sort(key=lambda row: (-row["proofs"], -(row["stake"] or 0), row["prover"]))
    return rows


# Stake flows -----------------------------------------------------------------------------------------------------

FLOWS = ("row", "time_ms", "what", "actor", "name", "amount", "to_cash", "of_job")


def flows(view: View, query: Query) -> Page:
    """Stakes that moved, money that came and went, and slashes, newest first."""
    kinds = [*STAKE_KINDS, Record.DEPOSIT, Record.WITHDRAWAL]
    rows = np.flatnonzero(np.isin(view.events[:, 0], kinds))
    slashes = view.slashes
    if query.actor is not None:
        rows = rows[view.events[rows, 2] == query.actor]
        slashes = slashes[slashes[:, 1] == query.actor]
    wanted = query.kind.upper()
    if wanted:
        slashes = slashes if wanted == "SLASH" else slashes[:0]
        rows = rows[[what_of(int(kind)) == wanted for kind in view.events[rows, 0]]] if wanted != "SLASH" else rows[:0]
    at = np.concatenate([rows, slashes[:, 0]])
    order = np.argsort(-at if not (query.sort == "row" and not query.down) else at, kind="stable")
    start = query.page * query.size
    found = [
        flow_of_event(view, int(rows[k])) if k < len(rows) else flow_of_slash(view, slashes[k - len(rows)].tolist())
        for k in order[start : start + query.size].tolist()
    ]
    return Page(FLOWS, found, len(at))


def flow_of_event(view: View, row: int) -> Cells:
    """Show what an event did to its actor's money."""
    kind, time, actor, _, amount, _, _ = view.events[row].tolist()
    gained = int(view.replay.notes.gained[row])
    return {
        "row": row, "time_ms": time, "what": what_of(kind), "actor": actor, "name": name_of(view, actor),
        "amount": abs(amount) or abs(gained), "to_cash": gained, "of_job": None,
    }  # fmt: skip


def flow_of_slash(view: View, slash: list[int]) -> Cells:
    """Show a slash; the job is that of the event which brought it."""
    row, actor, amount = slash
    return {
        "row": row, "time_ms": int(view.events[row, 1]), "what": "SLASH", "actor": actor, "name": name_of(view, actor),
        "amount": amount, "to_cash": 0, "of_job": int(view.events[row, 3]),
    }  # fmt: skip


def what_of(kind: int) -> str:
    """Name a kind of row."""
    return Kind(kind).name if kind >= 0 else Record(kind).name


# The journal -----------------------------------------------------------------------------------------------------

JOURNAL = ("row", "time_ms", "at_ms", "kind", "actor", "name", "job", "amount", "detail", "word", "hash")


def author(kind: int, actor: int) -> int:
    """Whose event it was; nobody's where a timer rang or the coordinator wrote, whatever was written down."""
    return -1 if kind in NOBODYS else actor


def amount_of(view: View, row: int) -> int:
    """Return the amount in a row; of a batch sent to the chain, its number."""
    batch: dict[str, Any] = view.replay.source.settlements.get(row, {})
    return batch.get("batch", abs(int(view.events[row, 4])))


def journal(view: View, query: Query) -> Page:
    """Rows with their hashes, newest first. Raises BadInput."""
    keep = np.ones(view.rows, np.bool_)
    if query.kind:
        names = {**{kind.name: int(kind) for kind in Kind}, **{record.name: int(record) for record in Record}}
        if query.kind.upper() not in names:
            raise BadInput("kind", f"one of {', '.join(names)}", query.kind)
        keep &= view.events[:, 0] == names[query.kind.upper()]
    if query.actor is not None:
        keep &= (view.events[:, 2] == query.actor) & ~np.isin(view.events[:, 0], NOBODYS)
    if query.job is not None:
        keep &= (view.events[:, 3] == query.job) & (view.events[:, 0] >= Kind.REQUEST)
    rows = np.flatnonzero(keep)
    if not (query.sort == "row" and not query.down):
        rows = rows[::-1]
    start = query.page * query.size
    return Page(JOURNAL, [journal_row(view, row) for row in rows[start : start + query.size].tolist()], len(rows))


def journal_row(view: View, row: int) -> Cells:
    """One row of the journal."""
    kind, time, actor, job, _, detail, word = view.events[row].tolist()
    actor = author(kind, actor)
    at = view.replay.at
    return {
        "row": row, "time_ms": time, "at_ms": at[row] if row < len(at) else None, "kind": what_of(kind),
        "actor": actor if actor >= 0 else None, "name": name_of(view, actor) or None,
        "job": job if kind >= Kind.REQUEST else None, "amount": amount_of(view, row), "detail": detail,
        "word": str(word), "hash": view.replay.hashes[row].hex(),
    }  # fmt: skip


Table: TypeAlias = Callable[[View, Query], Page]
