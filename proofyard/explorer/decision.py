"""Why this prover: what the rule had before it when it decided, and what it would have done with other dice.

No rule is known here. The state just before the deciding event is rebuilt, and the rule answers that very event again
with other words: how often each prover comes out is the chance each had.
"""

from typing import Any

import numpy as np

from proofyard.core import shape
from proofyard.core.event import Kind, Phase
from proofyard.engine.fold import fold
from proofyard.explorer.columns import Column, columns
from proofyard.explorer.tables import Cells, name_of, what_of
from proofyard.explorer.view import AFTER, JOB, KIND, PROVER, ROW, View

TRIALS = 200
MOST_BYTES = 2**30  # of states copied for the trials: large markets get fewer
FEWEST = 20
SHOWN = 12  # candidates
SEED = 20_260_101  # the same words for everybody who asks
NEVER_SHOWN = ("slashed", "earned")


def decision(view: View, job: int) -> Cells | None:
    """Tell who got `job` last, by which event, with what chance, among whom; None while nobody has."""
    t = view.touches
    given = t[(t[:, JOB] == job) & (t[:, AFTER] >= Phase.ASSIGNED)]
    decided = [row for row in given.tolist() if row[AFTER] == Phase.ASSIGNED and row[PROVER] >= 0]
    if not decided:
        return _raced(view, given)
    row, kind, chosen = decided[-1][ROW], decided[-1][KIND], decided[-1][PROVER]
    with view.replay.lock:
        return _drawn(view, job, row, kind, chosen)


def _drawn(view: View, job: int, row: int, kind: int, chosen: int) -> Cells:
    """Tell whom the rule chose, with what chance."""
    before = _cut(view.replay.fresh(row), int(view.events[: row + 1, 3].max()) + 1)
    odds, trials = chances(view, before, row, job)
    bids = _bids(view, job, row)
    listed = _candidates(view, before, chosen, odds, bids)
    return {
        "row": row,
        "by": what_of(kind),
        "chosen": chosen,
        "name": name_of(view, chosen),
        "trials": trials,
        "by_lot": len(odds) > 1,
        "chance": odds.get(chosen, 0) / trials,
        "nobody": odds.get(-1, 0) / trials,
        "columns": [column._asdict() for column in _columns(view)],
        "candidates": listed,
        "others": max(0, len(set(view.provers.tolist()) | set(odds) - {-1}) - len(listed)),
    }


def _raced(view: View, given: Any) -> Cells | None:
    """Tell who was first where anybody could prove."""
    proofs = [row for row in given.tolist() if row[KIND] == Kind.PROVE]
    if not proofs:
        return None
    chosen = proofs[0][PROVER]
    return {
        "row": proofs[0][ROW], "by": "PROVE", "chosen": chosen, "name": name_of(view, chosen), "trials": 0,
        "by_lot": False, "chance": None, "nobody": 0.0, "columns": [], "candidates": [], "others": 0,
    }  # fmt: skip


def _cut(state: Any, jobs: int) -> Any:
    """Leave the jobs out that nobody had asked for yet: the trials copy what is left."""
    parts: list[Any] = []
    names = {field.path: field.size for field, _ in shape.named(state)}
    for name, value in zip(state._fields, state, strict=True):
        if hasattr(value, "_asdict"):
            inner: Any = value
            cut = (a[:jobs].copy() if names[f"{name}.{key}"] == "job" else a for key, a in inner._asdict().items())
            parts.append(type(inner)(*cut))
        else:
            parts.append(value[:jobs].copy() if names[name] == "job" else value)
    return type(state)(*parts)


def chances(view: View, before: Any, row: int, job: int) -> tuple[dict[int, int], int]:
    """Let the rule answer the event of `row` with other words; count who gets `job` (-1: nobody), and the trials."""
    size = sum(a.nbytes for a in shape.arrays(before))
    trials = max(FEWEST, min(TRIALS, MOST_BYTES // max(1, size)))
    words = np.random.default_rng(SEED).integers(2**62, size=trials)
    event = view.events[row : row + 1].copy()
    found: dict[int, int] = {}
    state = shape.copy(before)
    cells = list(zip(shape.arrays(state), shape.arrays(before), strict=True))
    for k, word in enumerate(words.tolist()):
        event[0, 6] = word
        for mine, kept in cells:
            np.copyto(mine, kept)
        refused = fold(view.rule, state, event)[0] != 0
        given = not refused and state.book.phase[job] == Phase.ASSIGNED
        who = int(state.book.prover[job]) if given else -1
        found[who] = found.get(who, 0) + 1
        if k == FEWEST and len(found) == 1 and int(event[0, 0]) == Kind.BID:
            return found, k + 1  # a bid draws no lots
    return found, trials


def _bids(view: View, job: int, row: int) -> dict[int, int]:
    """Last bid of each actor on `job` before `row`."""
    rows = view.events[: row + 1]
    mine = rows[(rows[:, 0] == Kind.BID) & (rows[:, 3] == job)]
    return dict(mine[:, [2, 4]].tolist())


def _columns(view: View) -> list[Column]:
    """Columns of the rule about actors that say something about its decision."""
    return [c for c in columns(view) if c.path.rpartition(".")[2] not in NEVER_SHOWN and c.path != "book.cash"]


def _candidates(view: View, before: Any, chosen: int, odds: dict[int, int], bids: dict[int, int]) -> list[Cells]:
    """List who could have been chosen: the chosen one first, then by chance, by bid, and by number."""
    arrays = {field.path: array for field, array in shape.named(before)}
    names = [column.path for column in _columns(view)]
    who = set(view.provers.tolist()) | (set(odds) - {-1})
    order = sorted(who, key=lambda k: (k != chosen, -odds.get(k, 0), bids.get(k, 2**62), k))
    total = max(1, sum(odds.values()))
    return [
        {
            "prover": k,
            "name": name_of(view, k),
            "chance": odds.get(k, 0) / total,
            "bid": bids.get(k),
            **{path: int(arrays[path][k]) for path in names},
        }
        for k in order[:SHOWN]
    ]
