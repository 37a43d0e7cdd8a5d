"""What became of wrong claims and of contests; see `metrics`."""

from typing import Any

from proofyard.core.event import Phase
from proofyard.engine.result import Run


def figures(run: Run) -> dict[str, Any]:
    """Say what became of wrong claims and of contests, where there can be any."""
    if run.claims is None:
        return {}
    claims, settled = run.claims, run.jobs.phase == Phase.SETTLED
    contests, overturned, undecided = (int(each.sum()) for each in (claims.contests, claims.overturned, claims.failed))
    found = {
        "contested": contests,
        "overturned": overturned,
        "upheld": contests - overturned - undecided,
        "undecided": undecided,
        "wrong_final": int((settled & (claims.wrong > 0)).sum()),
        "won_gwei": int(claims.won_gwei[settled].sum()),
        "held_ms": int(claims.held_ms.sum()) / contests if contests else None,
    }
    return {"claims": found}
