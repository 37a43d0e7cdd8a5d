"""The contracts' own suite passes: unit tests, fuzzing, invariants."""

from proofyard.chain import forge


def test_the_contracts_own_suite_passes() -> None:
    done = forge.run(["test"], capture=True)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-1_000:]
    assert "invariant_money_is_conserved_and_backed" in done.stdout
