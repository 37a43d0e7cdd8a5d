"""The conformance suite: what every rule must keep, checked on anybody's rule file.

`run(rule)` gives a report with one line per check; `survivors(rule)` says which money movements could be
deleted without anything noticing; `golden` holds the readable playthroughs.
"""

from proofyard.conformance.mutate import mutants, survivors
from proofyard.conformance.report import Check, Report
from proofyard.conformance.suite import run

__all__ = ["Check", "Report", "mutants", "run", "survivors"]
