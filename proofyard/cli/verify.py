"""`proofyard verify`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from proofyard.cli.shared import Json, Whole, print_json, start_quickly

if TYPE_CHECKING:
    from proofyard.proofs.backend import ProofBackend
    from proofyard.proofs.statement import Proof


def verify(
    proof: Path,
    *,
    payout: str | None = None,
    chain_id: Whole | None = None,
    srs: Literal["auto", "ceremony", "development"] = "auto",
    json: Json = False,
) -> None:
    """Verify a proof that `prove` wrote; say why one is refused.

    Example: proofyard verify build/proof --payout 0x70997970C51812dc3A010C7d01b50e0d17dc79C8

    Exit code 0: valid; 1: refused, with the reason; 2: no proof.

    Parameters
    ----------
    proof
        proof.json, or the folder with it.
    payout
        Address that it has to pay.
    chain_id
        Chain that its transfers have to be signed for.
    srs
        Reference string; ceremony refuses proofs made with an INSECURE one.
    json
        Print what it proves as JSON.
    """
    start_quickly()
    from proofyard.core.errors import Fault
    from proofyard.proofs import session
    from proofyard.proofs.statement import written

    place = proof / "proof.json" if proof.is_dir() else proof
    given = _read(place)
    wanted = given.statement
    if payout is not None:
        wanted = wanted._replace(payout=session.address(payout))
    if chain_id is not None:
        wanted = wanted._replace(chain_id=chain_id)
    backend = _backend(given, srs)
    reason = backend.why_not(given, wanted)
    backend.close()
    if reason:
        raise Fault(f"{place}: refused: {reason}")
    warning = session.warning(given)
    told = written(given.statement)
    if json:
        print_json({"valid": True, "circuit": given.circuit, "secure": given.secure, "statement": told})
        return
    print(f"valid: {given.circuit} of {given.backend}, version {given.version}")
    for name, number in told.items():
        print(f"  {name:<11} {number}")
    if warning:
        print(warning)


def _read(place: Path) -> "Proof":
    """Read a proof, however large the file is that claims to be one. Raises BadInput."""
    from proofyard.core.errors import BadInput
    from proofyard.proofs.statement import LONGEST, Proof

    try:
        with place.open("rb") as file:
            text = file.read(LONGEST + 1)
    except OSError as error:
        raise BadInput("proof", "proof.json of `proofyard prove`", f"{place} ({error.strerror})") from None
    return Proof.from_json(text)


def _backend(given: "Proof", srs: Literal["auto", "ceremony", "development"]) -> "ProofBackend":
    """Set up what verifies proofs of that backend. Raises Fault for stand-ins."""
    from proofyard.core.errors import BadInput, Fault
    from proofyard.proofs.calibrated import Calibrated

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    if given.backend == Calibrated.name:
        raise Fault("refused: a stand-in of the calibrated backend, which is no proof")
    if given.backend == "groth16":
        if srs == "ceremony":
            raise BadInput("--srs", "auto or development for a proof of groth16", "ceremony, which that has not")
        from proofyard.proofs.groth16 import Groth16

        return Groth16(tell)
    from proofyard.proofs.noir import Noir
    from proofyard.proofs.toolchain import set_up

    return Noir(set_up(srs, tell), tell)
