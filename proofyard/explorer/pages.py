"""What each page shows after some event, as JSON: amounts in the token's smallest unit, times in ms since genesis."""

from typing import Any

import numpy as np

from proofyard.core import shape
from proofyard.core.book import Ints
from proofyard.core.errors import BadInput
from proofyard.core.event import Kind, Phase
from proofyard.explorer import columns
from proofyard.explorer.costs import Costs
from proofyard.explorer.decision import decision
from proofyard.explorer.tables import (
    Cells,
    amount_of,
    author,
    journal_row,
    name_of,
    request_columns,
    request_row,
    what_of,
)
from proofyard.explorer.tables import provers as provers_table
from proofyard.explorer.view import AFTER, BEFORE, KIND, PROVER, ROW, View
from proofyard.lab import catalogue, metrics

FEW_BINS, BINS = 8, 48  # stretches of time in a chart
NAMED = 6  # provers with a colour of their own
LATEST = 12  # events on the overview
MOMENTS = 240  # points of a curve
TO_SOMEBODY = (Kind.DELEGATE, Kind.UNDELEGATE, Kind.TRANSFER)  # their detail is an actor
LONGEST_LIFE = 400  # events of one request


def rule(view: View) -> Cells:
    """Tell the rule in the words of its own file, with the values in force."""
    source = view.replay.source
    own = source.rule
    told = columns.told(view)
    defaults = type(own.params)()
    return {
        "name": own.name,
        "text": own.text,
        "line": told.line,
        "source": told.source,
        "sections": {title: catalogue.paragraphs(text) for title, text in told.sections.items()},
        "parameters": [
            {**p._asdict(), "value": getattr(own.params, p.name), "default": getattr(defaults, p.name)}
            for p in told.parameters
        ],
        "state": [field._asdict() for field in told.state],
        "life": life(view),
    }


def life(view: View) -> list[Cells]:
    """Count which steps the requests took."""
    t = view.touches[view.touches[:, BEFORE] >= 0]
    steps, counts = np.unique(t[:, [BEFORE, KIND, AFTER]], axis=0, return_counts=True)
    return [
        {"from": Phase(a).name, "kind": Kind(k).name, "to": Phase(b).name, "count": n}
        for (a, k, b), n in zip(steps.tolist(), counts.tolist(), strict=True)
    ]


def market(view: View) -> Cells:
    """Say what is shown: for the head of every page."""
    source = view.replay.source
    return {
        "title": source.title,
        "where": source.where,
        "growing": source.growing,
        "recorded_hashes": source.recorded_hashes,
        "chain_id": source.chain_id,
        "rule": source.rule.text,
        "decimals": source.decimals,
        "rows": view.rows,
        "of": len(view.replay),
        "time_ms": view.now,
        "first_ms": int(view.replay.events[0, 1]) if len(view.replay) else 0,
        "last_ms": int(view.replay.events[-1, 1]) if len(view.replay) else 0,
        "written_ms": view.replay.at[-1] if view.replay.at else None,
        "at_ms": view.replay.at[view.rows - 1] if view.rows and view.replay.at else None,
        "hash": view.replay.hashes[view.rows - 1].hex() if view.rows else "",
    }


def overview(view: View) -> Cells:
    """Collect the figures, the charts and the latest events."""
    own = [a for f, a in shape.named(view.state) if f.money and not f.path.startswith("book.")]
    return {
        "market": market(view),
        "line": columns.told(view).line,
        "figures": view.figures,
        "locked": sum(int(a.sum()) for a in own),
        "escrow": int(view.book.escrow.sum()),
        "provers": len(view.provers),
        "phases": {p.name: int((view.phase == p).sum()) for p in Phase if p != Phase.NONE},
        "stretches": stretches(view),
        "money": money(view),
        "latest": [told(view, row) for row in range(view.rows - 1, max(-1, view.rows - 1 - LATEST), -1)],
    }


def stretches(view: View) -> Cells:
    """Cut the time so far into equal stretches: requests, proofs, price, time to proof, and who proved."""
    start = int(view.events[0, 1]) if view.rows else 0
    bins_of = max(FEW_BINS, min(BINS, view.count // 4))
    wide = max(1, -(-(view.now - start + 1) // bins_of))
    done = view.settled & (view.proven_ms >= 0)
    bins = (np.maximum(view.proven_ms, start) - start) // wide
    named = _largest(view)
    series: list[Cells] = []
    asked = np.bincount((view.asked_ms[view.requests >= 0] - start) // wide, minlength=bins_of)
    for k in range(bins_of):
        mine = done & (bins == k)
        took, paid, who = view.took_ms[mine], view.paid[mine], view.prover[mine]
        count = int(mine.sum())
        series.append({
            "from_ms": start + k * wide, "to_ms": start + (k + 1) * wide, "asked": int(asked[k]), "settled": count,
            "price": int(paid.sum()) / count if count else None, "p50": metrics.percentile(took, 50),
            "p90": metrics.percentile(took, 90),
            "who": [*(int((who == prover).sum()) for prover in named), int((~np.isin(who, named)).sum())],
        })  # fmt: skip
    return {"wide_ms": wide, "named": [name_of(view, prover) for prover in named], "series": series}


def _largest(view: View) -> list[int]:
    """Choose the provers with the most proofs in the whole history, so that colours stay while time moves."""
    who = View(view.replay).wins if view.rows < len(view.replay) else view.wins
    order = np.argsort(-who, kind="stable")[:NAMED]
    return [k for k in order.tolist() if who[k] > 0]


def money(view: View) -> list[Cells]:
    """Money locked, in escrow, slashed and burnt, over time."""
    samples = [s for s in view.replay.samples if s.rows <= view.rows]
    samples = samples[:: max(1, -(-len(samples) // MOMENTS))]
    total = np.cumsum(view.slashes[:, 2])
    found: list[Cells] = []
    for s in samples:
        before = int(np.searchsorted(view.slashes[:, 0], s.rows))
        slashed = int(total[before - 1]) if before else 0
        found.append({"time_ms": s.time, "locked": s.locked, "burnt": s.burnt, "escrow": s.escrow, "slashed": slashed})
    return found


def told(view: View, row: int) -> Cells:
    """One event as people tell it; the page puts the words together, names stay names."""
    kind, time, actor, job, _, detail, _ = view.events[row].tolist()
    actor = author(kind, actor)
    t = view.touches
    at = int(np.searchsorted(t[:, 0], row))
    after: list[int] | None = t[at].tolist() if at < len(t) and t[at, ROW] == row else None
    return {
        "row": row,
        "time_ms": time,
        "kind": what_of(kind),
        "actor": actor if actor >= 0 else None,
        "name": name_of(view, actor) or None,
        "job": job if kind >= Kind.REQUEST else None,
        "amount": amount_of(view, row),
        "detail": detail,
        "whom": name_of(view, detail) if kind in TO_SOMEBODY else None,
        "to": Phase(after[AFTER]).name if after is not None else None,
        "prover": name_of(view, after[PROVER]) or None if after is not None else None,
        "prover_number": after[PROVER] if after is not None else None,
        "deadline_ms": after[7] if after is not None else None,
        "paid": after[8] if after is not None else None,
    }


def request(view: View, job: int) -> Cells:
    """One request from asking to payment. Raises BadInput for a number that was not asked for."""
    if not 0 <= job < view.count or view.requests[job] < 0:
        raise BadInput("job", f"a request made by this moment (below {view.count})", job)
    rows = np.flatnonzero((view.events[:, 3] == job) & (view.events[:, 0] >= Kind.REQUEST))
    asked = np.flatnonzero(view.requests >= 0)
    source = view.replay.source
    steps = [told(view, row) for row in rows[:LONGEST_LIFE].tolist()]
    proofs = [step["row"] for step in steps if step["kind"] == "PROVE"]
    final = [step["row"] for step in steps if step["to"] in ("SETTLED", "LOST")]
    return {
        "market": market(view),
        "request": request_row(view, request_columns(view), job),
        "before": int(asked[asked < job][-1]) if job > asked[0] else None,
        "next": int(asked[asked > job][0]) if job < asked[-1] else None,
        "escrow": int(view.book.escrow[job]),
        "pool_paid": int(view.paid[job] - view.book.paid[job]),
        "steps": steps,
        "left_out": max(0, len(rows) - LONGEST_LIFE),
        "rows": [journal_row(view, row) for row in rows[:LONGEST_LIFE].tolist()],
        "bids": _bids(view, job),
        "proof": {"row": proofs[-1], "body": _shown(source.body(proofs[-1]))} if proofs else None,
        "settlement": _settlement(view, job, final[-1] if final else None),
        "skips": [
            {"prover": actor, "name": name_of(view, actor), "reason": reason} for actor, reason in source.skips(job)
        ],
        "slashes": [
            {"prover": actor, "name": name_of(view, actor), "amount": amount, "row": row}
            for row, actor, amount in view.slashes[np.isin(view.slashes[:, 0], rows)].tolist()
        ],
    }


def why(view: View, job: int) -> Cells:
    """Why a request went to whom it went. Raises BadInput."""
    if not 0 <= job < view.count:
        raise BadInput("job", f"a request made by this moment (below {view.count})", job)
    found = decision(view, job)
    words = columns.told(view).sections.get("Rules", "")
    return {"decision": found, "rules": catalogue.paragraphs(words)}


def _shown(body: dict[str, Any]) -> Cells:
    """Pick the parts of a recorded body that a reader checks by eye."""
    message = body.get("message", {})
    proof = message.get("proof") if isinstance(message, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    named = {name: body.get(name) for name in ("signature", "sheet", "reveal")}
    return {"proof": proof, **named}


def _settlement(view: View, job: int, row: int | None) -> Cells | None:
    """Find the batch that paid `job`, final in `row`; where it paid nothing, the first that settles that row."""
    if row is None:
        return None
    settled = list(view.replay.source.settlements.items())  # one on its way when the row was written settles less
    later = [{"row": at, **body} for at, body in settled if row < at < view.rows and body.get("seq", at) >= row]
    return next((one for one in later if job in one.get("jobs", ())), later[0] if later else None)


def _bids(view: View, job: int) -> list[Cells]:
    """Bids on a request in order; the last of each bidder counts."""
    rows = np.flatnonzero((view.events[:, 0] == Kind.BID) & (view.events[:, 3] == job))
    holder = int(view.prover[job])
    return [
        {"row": row, "time_ms": time, "prover": actor, "name": name_of(view, actor), "amount": amount,
         "won": actor == holder}
        for row, (time, actor, amount) in zip(rows.tolist(), view.events[rows][:, [1, 2, 4]].tolist(), strict=True)
    ]  # fmt: skip


def prover(view: View, costs: Costs, number: int) -> Cells:
    """One prover, or somebody else in the market. Raises BadInput for a number that nobody has."""
    if not 0 <= number < len(view.names):
        raise BadInput("prover", f"the number of an actor (below {len(view.names)})", number)
    mine = provers_table(view, costs, view.replay.source.skips_by_actor(view.count), [number])[0]
    skips = view.replay.source.skips_by_actor(view.count).get(number, {})
    return {
        "market": market(view),
        "prover": mine,
        "costs": costs.note,
        "proves": number in view.provers,
        "skips": sorted(skips.items(), key=lambda pair: -pair[1]),
        "columns": _state_of(view, number),
        "stake": _stake_of(view, number),
        "work": _work_of(view, number),
    }


def _state_of(view: View, number: int) -> list[Cells]:
    """List what the rule knows about an actor."""
    arrays = {field.path: array for field, array in shape.named(view.state)}
    return [
        {"name": c.path.removeprefix("book."), "value": int(arrays[c.path][number]), "unit": c.unit,
         "meaning": c.meaning}
        for c in columns.columns(view)
    ]  # fmt: skip


def _stake_of(view: View, number: int) -> list[Cells]:
    """Own stake over time."""
    samples = [s for s in view.replay.samples if s.rows <= view.rows and number < len(s.stake)]
    samples = samples[:: max(1, -(-len(samples) // MOMENTS))]
    return [{"time_ms": s.time, "stake": int(s.stake[number])} for s in samples]


def _work_of(view: View, number: int) -> list[Cells]:
    """Proofs, misses and income over time."""
    start = int(view.events[0, 1]) if view.rows else 0
    wide = max(1, -(-(view.now - start + 1) // BINS))
    done: Any = view.settled & (view.prover == number) & (view.proven_ms >= 0)
    bins: Ints = (view.proven_ms[done] - start) // wide
    proofs = np.bincount(bins, minlength=BINS)
    paid = np.zeros(BINS, np.int64)
    np.add.at(paid, bins, view.paid[done])
    t = view.touches
    lost = t[(t[:, KIND] == Kind.EXPIRE) & (t[:, BEFORE] == Phase.ASSIGNED) & (t[:, 5] == number)]
    missed = np.bincount((view.events[lost[:, ROW], 1] - start) // wide, minlength=BINS)
    return [
        {"from_ms": start + k * wide, "to_ms": start + (k + 1) * wide, "proofs": int(proofs[k]),
         "paid": int(paid[k]), "missed": int(missed[k])}
        for k in range(BINS)
    ]  # fmt: skip
