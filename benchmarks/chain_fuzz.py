"""Drive rules and contracts side by side for long: `python benchmarks/chain_fuzz.py --traces 500 --seed 1`.

Guided fuzzing draws the events, with other parameters in most markets; verdict and whole book are compared after each.
"""

import argparse
import sys
import time
from itertools import count

import numpy as np
from web3 import Web3

from proofyard import mechanisms
from proofyard.chain import devchain, replay
from proofyard.conformance import vectors
from proofyard.conformance.fuzz import Fuzzer
from proofyard.conformance.market import Trace


def difference(web3: Web3, name: str, trace: Trace) -> str | None:
    """Say where rule and contract first differ."""
    setup = trace.setup
    state = vectors.genesis(setup.rule, setup.cash, setup.jobs)
    verdicts, books = replay.play(web3, name, setup.rule.params, setup.cash, setup.jobs, trace.events)
    for k, event in enumerate(trace.events):
        verdict = setup.rule.apply(state, event)
        book = np.array(list(vectors.book_of(state).values()), np.int64)
        if verdicts[k] != verdict:
            return f"event {k}, {event}: {verdict.name} in Python, {verdicts[k]} on chain; {setup}"
        if not np.array_equal(book, books[k]):
            column = replay.columns(setup.actors, setup.jobs)[int(np.flatnonzero(book != books[k])[0])]
            return f"event {k}, {event}: another {column}; {setup}"
    return None


def main() -> int:
    """Play and report; 1 if anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=200, help="of each rule")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("rules", nargs="*", default=sorted(replay.CONTRACTS))
    options = parser.parse_args()
    different = 0
    with devchain.running() as node:
        web3 = Web3(Web3.HTTPProvider(node.url, request_kwargs={"timeout": 300}))
        for name in options.rules:
            start, events = time.perf_counter(), 0
            found = Fuzzer(mechanisms.rule(name, "rules"), options.seed).run(options.traces)
            for number, trace in zip(count(), found.traces, strict=False):
                events += len(trace.events)
                problem = difference(web3, name, trace)
                if problem is not None:
                    different += 1
                    print(f"{name}, trace {number}: {problem}")
            seconds = time.perf_counter() - start
            print(f"{name}: {len(found.traces)} traces, {events:,} events, {seconds:.0f} s")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
