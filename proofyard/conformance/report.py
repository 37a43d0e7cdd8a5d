"""What the suite found, as values and as text."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from proofyard.conformance.script import kind_name
from proofyard.core.event import Verdict

WIDTH = 10  # of the column of names
LAST_LINES = 14  # of a counterexample


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    passed: bool
    sentence: str
    counterexample: tuple[str, ...] = ()  # a market and its events, the last one breaks the rule


@dataclass
class Report:
    """All checks of one rule."""

    rule: str
    checks: list[Check] = field(default_factory=list[Check])
    pairs: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])  # (kind, verdict) reached
    traces: int = 0
    events: int = 0

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def failed(self) -> list[str]:
        """Names of the checks that did not pass."""
        return [check.name for check in self.checks if not check.passed]

    def text(self) -> str:
        """Write the report for a terminal."""
        counted = f"{self.traces} traces, {self.events:,} events"
        verdict = "conforms" if self.ok else f"does not conform: {', '.join(self.failed())}"
        lines = [f"{self.rule}: {verdict} ({counted})", ""]
        for check in self.checks:
            lines.append(f"  {'ok  ' if check.passed else 'FAIL'}  {check.name:{WIDTH}} {check.sentence}")
            lines += [f"  {'':4}  {'':{WIDTH}} | {line}" for line in check.counterexample]
        if self.pairs:
            lines += ["", "Reached, kind by kind:"]
            lines += [f"  {name:{WIDTH}} {verdicts}" for name, verdicts in self.table()]
        return "\n".join(lines)

    def table(self) -> list[tuple[str, str]]:
        """List per kind the verdicts that were reached, and how often; kinds the rule has no use for are left out."""
        rows: list[tuple[str, str]] = []
        for kind in sorted({kind for kind, _ in self.pairs}):
            verdicts = {verdict: count for (k, verdict), count in sorted(self.pairs.items()) if k == kind}
            if Verdict.OK in verdicts:
                rows.append((kind_name(kind), ", ".join(f"{Verdict(v).name} {n}" for v, n in verdicts.items())))
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Give the report as plain values, for JSON."""
        return {
            "rule": self.rule,
            "ok": self.ok,
            "traces": self.traces,
            "events": self.events,
            "checks": [
                {"name": c.name, "passed": c.passed, "sentence": c.sentence, "counterexample": list(c.counterexample)}
                for c in self.checks
            ],
            "reached": {
                kind_name(kind): {Verdict(v).name: n for (k, v), n in sorted(self.pairs.items()) if k == kind}
                for kind in sorted({kind for kind, _ in self.pairs})
            },
        }


def shortened(lines: list[str]) -> tuple[str, ...]:
    """Keep the beginning and the end of a long counterexample."""
    if len(lines) <= LAST_LINES:
        return tuple(lines)
    left_out = len(lines) - LAST_LINES + 3
    return (*lines[:2], f"… {left_out} more events", *lines[2 + left_out :])
