"""`proofyard audit`."""

from typing import Literal

from proofyard.cli.shared import Json, print_json


def audit(journal: str, *, backend: Literal["calibrated", "noir", "none"] = "calibrated", json: Json = False) -> None:
    """Recompute a journal from its first row; name the first row that does not hold.

    Example: proofyard audit build/live/market.db

    Hashes, signatures, nonces, words, proofs, what the rule answers, and the money: everything is computed again.

    Parameters
    ----------
    journal
        Path of an SQLite file, or postgresql://USER@HOST/DATABASE.
    backend
        Verifies the proofs again; none: only checks that they are there.
    json
        Print what was found as JSON.
    """
    import sys

    from proofyard.core.errors import Fault
    from proofyard.network import audit as audits
    from proofyard.network.journal import connect
    from proofyard.network.server import backend_of

    verifier = None if backend == "none" else backend_of(backend, lambda line: print(line, file=sys.stderr))
    opened = connect(journal)
    report = audits.audit(opened, verifier)
    opened.close()
    if json:
        failure = report.first_failure
        print_json({**report._asdict(), "first_failure": failure._asdict() if failure else None})
    elif report.ok:
        print(
            f"{journal} holds: {report.events} events, {report.signatures} signatures, {report.words} words, "
            f"{report.proofs} proofs, {report.settlements} settlements; money difference 0.\nhead: {report.head}"
        )
    if report.first_failure is not None:
        raise Fault(f"{journal}: row {report.first_failure.seq} does not hold: {report.first_failure.why}.")
