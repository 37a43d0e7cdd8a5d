"""Prediction beside reality: what the simulator says about a scenario, and what the history shows."""

import threading
from collections.abc import Sequence
from typing import Any

from proofyard.core.errors import MarketError
from proofyard.engine.simulate import simulate
from proofyard.explorer.source import Source
from proofyard.explorer.view import View
from proofyard.lab import metrics

SEEDS = 5
FIGURES = (  # path in the summary, words, how to write it
    ("proofs.requested", "requests", "count"),
    ("proofs.settled", "proofs settled", "count"),
    ("proofs.late", "late", "count"),
    ("proofs.lost", "lost", "count"),
    ("proofs.reassigned", "reassigned", "count"),
    ("time_to_proof_ms.p50", "time to proof, half of them", "duration"),
    ("time_to_proof_ms.p90", "time to proof, 90 %", "duration"),
    ("time_to_proof_ms.p99", "time to proof, 99 %", "duration"),
    ("price_gwei.mean", "price of a proof", "tokens"),
    ("concentration.hhi", "HHI of proofs", "index"),
    ("concentration.nakamoto", "provers that make half", "count"),
    ("concentration.top1_share", "share of the largest", "percent"),
    ("stake.slashed_gwei", "slashed", "tokens"),
    ("stake.burnt_gwei", "burnt", "tokens"),
    ("stake.locked_peak_gwei", "locked at most", "tokens"),
)


class Prediction:
    """What the simulator predicts; computed once, in a thread of its own, when somebody first asks.

    Parameters
    ----------
    source : the history
    summary : a summary that was made before the market ran; else the scenario is simulated with `SEEDS` other seeds
    """

    def __init__(self, source: Source, summary: dict[str, Any] | None = None) -> None:
        self.source = source
        self.summary = summary
        self.report = ""  # the simulator's page
        self.said = ""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        if summary is not None:
            self.said = f"A simulation made before ({len(summary['seeds'])} seeds of {summary['scenario']})."
        elif source.scenario is None:
            self.said = "Nothing to predict from: open this market with its scenario."

    def begin(self) -> None:
        """Start the simulation, unless it is there or under way."""
        with self._lock:
            if self.summary is None and self._thread is None and self.source.scenario is not None:
                self._thread = threading.Thread(target=self._simulate, name="prediction", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Wait until it is there, or has failed."""
        self.begin()
        if self._thread is not None:
            self._thread.join()

    def _simulate(self) -> None:
        scenario = self.source.scenario
        if scenario is None:
            return
        first = scenario.seed + (0 if self.source.growing else 1)
        try:
            runs = [simulate(scenario, self.source.rule, first + k) for k in range(SEEDS)]
            summary = metrics.summary(runs)
            from proofyard.lab.report import report  # noqa: PLC0415 - charts take a second to import

            self.report = report(runs, summary, scenario.claim)
        except MarketError as error:
            self.said = str(error)
            return
        told = "the same scenario" if self.source.growing else "the same scenario with other dice"
        self.said = (
            f"The simulator, {told}: seeds {first} to {first + SEEDS - 1}; mean and standard deviation of a run."
        )
        self.summary = summary

    def compare(self, view: View) -> dict[str, Any]:
        """Set both side by side: figures, and each prover's share and income."""
        self.begin()
        summary = self.summary
        here = view.figures
        gwei = 10 ** (9 - self.source.decimals)
        over = view.rows == len(view.replay) and not self.source.growing
        return {
            "ready": summary is not None,
            "under_way": summary is None and self._thread is not None and self._thread.is_alive(),
            "said": self.said,
            "whole": over,
            "figures": [
                {"name": name, "how": how, **_pair(summary, here, path, gwei if how == "tokens" else 1)}
                for path, name, how in FIGURES
            ],
            "provers": _provers(summary, view, gwei),
        }


def _pair(summary: dict[str, Any] | None, here: dict[str, Any], path: str, gwei: int) -> dict[str, Any]:
    """Predicted mean and deviation of a run, and what was seen, all in the token's smallest unit."""
    section, _, key = path.partition(".")
    predicted = summary[section][key] if summary else None
    spreads: dict[str, Any] = (summary.get("spread") or {}) if summary else {}
    spread: float | None = spreads.get(section, {}).get(key)
    deviation = spread * len(summary["seeds"]) ** 0.5 if summary and spread is not None else None
    real = here[section][key]
    return {
        "predicted": predicted / gwei if predicted is not None else None,
        "deviation": deviation / gwei if deviation is not None else None,
        "real": real,
        "error": (real * gwei - predicted) / predicted if predicted and real is not None else None,
    }


def _provers(summary: dict[str, Any] | None, view: View, gwei: int) -> list[dict[str, Any]]:
    """Shares and incomes by name."""
    rows: Sequence[dict[str, Any]] = summary["provers"] if summary else []
    told = {row["name"]: row for row in rows}
    total = int(view.wins[view.provers].sum())
    found: list[dict[str, Any]] = []
    for k in map(int, view.provers):
        name = view.names[k]
        row = told.get(name)
        found.append({
            "prover": k, "name": name or f"actor {k}",
            "share": int(view.wins[k]) / total if total else None,
            "predicted_share": row["share"] if row else None,
            "income": int(view.income[k]), "predicted_income": row["income_gwei"] / gwei if row else None,
            "missed": int(view.missed[k]), "predicted_missed": row["missed"] if row else None,
            "slashed": int(view.slashed[k]), "predicted_slashed": row["slashed_gwei"] / gwei if row else None,
        })  # fmt: skip
    found.sort(key=lambda row: (-(row["share"] or 0), row["prover"]))
    return found
