"""The same files pass in plain Python, compiled, and in the contracts; then events drawn at random do."""

from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from web3 import Web3

from proofyard import mechanisms
from proofyard.chain import devchain, replay
from proofyard.conformance import compiled, vectors
from proofyard.conformance.fuzz import Fuzzer
from proofyard.conformance.market import Setup, Trace
from proofyard.core import Kind, Verdict

FILES = sorted((Path(__file__).parents[2] / "vectors").glob("*/*.json"))
ROUNDS = 12  # traces a rule; `python benchmarks/chain_fuzz.py` plays as many as one likes


@pytest.fixture(scope="module")
def web3() -> Generator[Web3]:
    with devchain.running(block_s=0.1) as chain:
        yield Web3(Web3.HTTPProvider(chain.url, request_kwargs={"timeout": 120}))


def test_every_rule_on_chain_has_vectors_with_refusals() -> None:
    assert {file.parent.name for file in FILES} == set(replay.CONTRACTS)
    for rule in replay.CONTRACTS:
        found = [vectors.read(file) for file in FILES if file.parent.name == rule]
        verdicts = {step["verdict"] for vector in found for step in vector.steps}
        assert {"OK", "POOR", "NOT_YOURS", "EARLY", "LATE", "WRONG_PHASE", "UNKNOWN", "BAD_AMOUNT"} <= verdicts


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_vector_passes_in_plain_python_compiled_and_on_chain(file: Path, web3: Web3) -> None:
    vector = vectors.read(file)
    assert vectors.first_difference(vector) is None
    events, steps = vector.events, list(vectors.steps_of(vector))
    wanted = [int(verdict) for verdict, _ in steps]
    setup = Setup(vectors.rule_of(vector), vector.jobs, tuple(vector.cash))
    sheet, verdicts = compiled.fold(Trace(setup, events, wanted, np.zeros(0, np.int64)), len(events))
    assert verdicts.tolist() == wanted
    assert vectors.book_of(sheet.state) == steps[-1][1]
    params = list(vector.params.values())
    on_chain, books = replay.play(web3, vector.rule, params, vector.cash, vector.jobs, events)
    assert on_chain.tolist() == wanted
    names = replay.columns(len(vector.cash), vector.jobs)
    for k, (_, book) in enumerate(steps):
        assert dict(zip(names, books[k].tolist(), strict=True)) == book, f"after step {k}"


@pytest.mark.parametrize("rule", sorted(replay.CONTRACTS))
def test_rule_and_contract_agree_on_events_drawn_at_random(rule: str, web3: Web3) -> None:
    found = Fuzzer(mechanisms.rule(rule, "rule"), 20_261_122).run(ROUNDS)
    assert not found.broken
    for trace in found.traces:
        setup = trace.setup
        state = vectors.genesis(setup.rule, setup.cash, setup.jobs)
        on_chain, books = replay.play(web3, rule, setup.rule.params, setup.cash, setup.jobs, trace.events)
        names = replay.columns(setup.actors, setup.jobs)
        for k, event in enumerate(trace.events):
            verdict = setup.rule.apply(state, event)
            where = f"event {k}: {Kind(event.kind).name if event.kind in list(Kind) else event.kind} {event} {setup}"
            assert Verdict(int(on_chain[k])) == verdict, where
            assert dict(zip(names, books[k].tolist(), strict=True)) == vectors.book_of(state), where
