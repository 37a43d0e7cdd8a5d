"""`proofyard check`."""

from proofyard.cli import FAILED
from proofyard.cli.shared import Json, Whole, check_seed, print_json


def check(path: str, *, seed: Whole = 0, quick: bool = False, json: Json = False) -> None:
    """Run the conformance suite on a rule: a file of your own, or a name from the catalogue.

    Example: proofyard check my_rule.py

    Parameters
    ----------
    path
        Rule file, or name with parameters.
    seed
        Of the fuzzing.
    quick
        A tenth of the traces.
    json
        Print the report as JSON.
    """
    from proofyard import conformance, mechanisms

    check_seed(seed)
    report = conformance.run(mechanisms.rule(path, "PATH"), seed=seed, quick=quick)
    if json:
        print_json(report.as_dict())
    else:
        print(report.text())
    if not report.ok:
        raise SystemExit(FAILED)
