"""`proofyard audit`."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from proofyard.cli.shared import Json, print_json

if TYPE_CHECKING:
    from proofyard.network.witness import Witness


def audit(
    journal: str,
    *,
    backend: Literal["calibrated", "noir", "groth16", "none"] | None = None,
    chain: str = "",
    deployment: Path | None = None,
    profile: str = "anvil",
    json: Json = False,
) -> None:
    """Recompute a journal from its first row; name the first row that does not hold.

    Example: proofyard audit build/live/market.db --backend none

    Hashes, signatures, nonces, words, proofs, what the rule answers, and the money: everything is computed again.

    Parameters
    ----------
    journal
        Path of an SQLite file, or postgresql://USER@HOST/DATABASE.
    backend
        Verifies the proofs again, by default the journal's own; none: only checks that they are there.
    chain
        URL of the chain's node: deposits, withdrawals, batches, payments and block hashes are compared with it. A
        journal whose folder holds the chain's saved state (chain.json, deployment.json) gets that, without this.
    deployment
        File with the contracts; by default deployment.json beside the journal.
    profile
        Of the chain.
    json
        Print what was found as JSON.
    """
    import sys

    from proofyard.core.errors import Fault
    from proofyard.network import audit as audits
    from proofyard.network.journal import connect
    from proofyard.network.market import Market
    from proofyard.network.server import backend_of

    opened = connect(journal)
    genesis = Market(next(opened.rows())).genesis
    chosen = backend or genesis.backend
    verifier = None if chosen == "none" else backend_of(chosen, lambda line: print(line, file=sys.stderr))
    with _witness(journal, chain, deployment, profile, on_chain=genesis.chain_id != 0) as witness:
        report = audits.audit(opened, verifier, witness)
    opened.close()
    if json:
        failure = report.first_failure
        print_json({**report._asdict(), "first_failure": failure._asdict() if failure else None})
    elif report.ok:
        print(
            f"{journal} holds: {report.events} events, {report.signatures} signatures, {report.words} words, "
            f"{report.proofs} proofs, {report.settlements} settlements; money difference 0.\nhead: {report.head}"
        )
        if report.chain is not None:
            print("the chain agrees: " + ", ".join(f"{count} {what}" for what, count in report.chain.items()))
        elif genesis.chain_id:
            print("NOT compared with the chain that keeps its money: give --chain.")
    if report.first_failure is not None:
        raise Fault(f"{journal}: row {report.first_failure.seq} does not hold: {report.first_failure.why}.")


@contextmanager
def _witness(
    journal: str, chain: str, deployment: Path | None, profile: str, *, on_chain: bool
) -> "Generator[Witness | None]":
    """Ask the chain at a URL, or the one whose state is saved beside the journal; nobody for play money."""
    from contextlib import ExitStack

    folder = Path(journal).parent if "://" not in journal else Path()
    contracts, state = deployment or folder / "deployment.json", folder / "chain.json"
    if not on_chain or not (chain or (state.is_file() and contracts.is_file())):
        yield None
        return
    from proofyard.chain import Deployment, devchain
    from proofyard.network.witness import Witness

    with ExitStack() as stack:
        url = chain or stack.enter_context(devchain.running(state=state, saves=False)).url
        yield Witness(url, Deployment.read(contracts), profile)
