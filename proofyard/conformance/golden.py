"""The command that writes golden playthroughs.

`python -m proofyard.conformance.golden NAME` (a shipped rule, a rule file, or `all`) rewrites the answers in a file
that is there, and writes a first draft, by search, where there is none.
"""

import sys
from collections.abc import Sequence

import numpy as np

from proofyard import mechanisms
from proofyard.conformance.draft import draft
from proofyard.conformance.market import Broken
from proofyard.conformance.playthrough import COMMAND, path_of, rewrite
from proofyard.core.errors import MarketError


def main(arguments: Sequence[str]) -> int:
    """Rewrite or draft the golden files of the rules named."""
    if not arguments:
        sys.stderr.write(f"usage: {COMMAND} NAME|FILE.py|all …\n")
        return 2
    names = mechanisms.NAMES if list(arguments) == ["all"] else arguments
    try:
        for name in names:
            rule = mechanisms.rule(name)
            path = path_of(rule)
            with np.errstate(over="raise", divide="raise", invalid="raise"):
                text = rewrite(rule) if path.exists() else draft(rule)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path}: {text.count(' -> ')} events\n")
    except (MarketError, Broken) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
