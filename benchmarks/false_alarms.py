"""How often a search for attacks cries wolf where theory says that nothing pays, and the dice decide what it sees.

    .venv/bin/python benchmarks/false_alarms.py --searches 150

Each search has a seed of its own. With a sound interval at most one in forty says that the attack pays: what is above
95 % lies at both ends.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from proofyard.lab.attack.cases import CASES, Case
from proofyard.lab.runner import Runner

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
APART = 7_919  # between the seeds of two searches


def chancy() -> list[Case]:
    """List the cases without a gain whose payoffs hang on the dice."""
    return [case for case in CASES if case.scenario == "primary-fallback" and not case.pays and not case.hurts]


def main() -> None:
    """Search again and again, and count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--searches", type=int, default=150, help="of each case")
    searches = parser.parse_args().searches
    with Runner(workers=1, quiet=True) as runner:
        for case in chancy():
            above = below = 0
            for k in range(searches):
                again = replace(case, changes={**case.changes, "seed": str(1 + APART * k)})
                find = again.run(SCENARIOS, runner)
                above += find.low > 0
                below += find.high < 0
            print(f"{case.scenario}, {case.attack}: of {searches} searches {above} say it pays, {below} that it costs")


if __name__ == "__main__":
    main()
