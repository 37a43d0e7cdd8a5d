"""One `proofyard prove` from beginning to end: the load, the tools, the job, its folder of finished parts."""

import shutil
from functools import partial
from itertools import islice
from typing import NamedTuple

from proofyard.core.errors import BadInput
from proofyard.proofs import build, srs
from proofyard.proofs.backend import ProofBackend
from proofyard.proofs.calibrated import Calibrated
from proofyard.proofs.noir import Noir
from proofyard.proofs.parallel import Result, Watch, prove_all
from proofyard.proofs.statement import ADDRESS_BITS, Proof
from proofyard.proofs.toolchain import set_up
from proofyard.proofs.tree import Store
from proofyard.proofs.workers import GROTH16, SHARE, LocalWorkers, Workers, check_memory, cores, free_mib, peak_mib
from proofyard.rollup.batch import Batch, run_batch
from proofyard.rollup.load import Load
from proofyard.tools.cache import Tell, digest, locked, root

INSECURE = "INSECURE: proven with a development SRS whose secret is public; anybody can forge such proofs."
SET_UP = "INSECURE: proven with a development set-up whose secrets are public; anybody can forge such proofs."
STAND_IN = "NO PROOF: the calibrated backend made stand-ins for a load test; no contract of a real market takes them."
ACCOUNTS = 64
MOST_BATCHES = 4_096  # all are run and kept in memory before the first is proven


class Wanted(NamedTuple):
    """What the user asked for; fields as in `proofyard prove --help`."""

    batches: int
    size: int
    payout: int
    seed: int
    workers: int
    backend: str
    srs: srs.Kind
    ray: str | None = None


def address(text: str) -> int:
    """Read an address. Raises BadInput."""
    digits = text.removeprefix("0x")
    try:
        number = int(digits, 16)
    except ValueError:
        number = -1
    if len(digits) * 4 != ADDRESS_BITS or number < 0:
        raise BadInput("--payout", "an address: 0x and 40 hexadecimal digits", text)
    return number


def make_batches(count: int, size: int, seed: int) -> list[Batch]:
    """Run a load of `count` batches with `size` transfers each."""
    load = Load(seed=seed, accounts=ACCOUNTS)
    transfers = load.transfers()
    return [run_batch(load.ledger, list(islice(transfers, size))) for _ in range(count)]


def warning(proof: Proof) -> str:
    """Say loudly what a proof is not."""
    if proof.backend == Calibrated.name:
        return STAND_IN
    if proof.backend == GROTH16:
        return SET_UP
    return "" if proof.secure else INSECURE


class Session(NamedTuple):
    """What came of it.

    Attributes
    ----------
    result : the proof and how it was made
    batches : what it proves
    contract : Solidity source of a contract that accepts the proof; "" for stand-ins, or if it wasn't asked for
    """

    result: Result
    batches: list[Batch]
    contract: str


def run(wanted: Wanted, *, tell: Tell, watch: Watch, contract: bool = False) -> Session:
    """Prove what is wanted; with `contract`, write a contract that accepts the proof.

    Raises
    ------
    BadInput, Fault : see `set_up` and `prove_all`.
    """
    if not 1 <= wanted.batches <= MOST_BATCHES:
        raise BadInput("--batches", f"a whole number from 1 to {MOST_BATCHES}", wanted.batches)
    if wanted.workers < 0:
        raise BadInput("--workers", "a whole number from 0", wanted.workers)
    if wanted.backend == GROTH16:
        _check_groth16(wanted)
    if wanted.ray is None and wanted.backend != Calibrated.name:  # before anything is built for it
        check_memory(peak_mib(0 if wanted.batches > 1 else wanted.size, wanted.backend), int(free_mib() * SHARE))
    make = _maker(wanted, tell)
    batches = make_batches(wanted.batches, wanted.size, wanted.seed)
    backend = make()
    backend.prepare(wanted.size, joins=wanted.batches > 1)
    key = digest(backend.name, str(backend.secure), str(wanted[:4]), backend.version(wanted.size, last=True))
    folder = root() / "jobs" / key
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock")):
        workers = _workers(wanted, make)
        try:
            result = prove_all(
                batches, wanted.size, wanted.payout, backend=backend, workers=workers, store=Store(folder), watch=watch
            )
        finally:
            workers.stop()
        shutil.rmtree(folder, ignore_errors=True)
    source = verifier(backend, wanted, tell) if contract else ""
    backend.close()
    return Session(result, batches, source)


def _maker(wanted: Wanted, tell: Tell) -> "partial[ProofBackend]":
    """Say how a worker makes its backend."""
    if wanted.backend == Calibrated.name:
        tell(STAND_IN)
        return partial(Calibrated)
    if wanted.backend == GROTH16:
        from proofyard.proofs.groth16 import Groth16  # noqa: PLC0415 - optional, and slow to import

        return partial(Groth16, tell)
    tools = set_up(wanted.srs, tell)
    return partial(Noir, tools, tell)


def _check_groth16(wanted: Wanted) -> None:
    """Refuse what this backend can't do before anything is installed for it."""
    from proofyard.proofs.circom import MOST  # noqa: PLC0415 - optional, and slow to import
    from proofyard.proofs.groth16 import NO_JOINS  # noqa: PLC0415

    if wanted.batches > 1:
        raise BadInput("--batches", "1 with --backend groth16, or --backend noir", f"{wanted.batches}: {NO_JOINS}")
    if wanted.size > MOST:
        raise BadInput("--size", f"at most {MOST} with --backend groth16", wanted.size)
    if wanted.srs == "ceremony":
        raise BadInput("--srs", "auto or development with --backend groth16", "ceremony, which this backend has not")


def _workers(wanted: Wanted, make: "partial[ProofBackend]") -> Workers:
    """Open the place where the proving happens."""
    if wanted.ray is not None:
        from proofyard.proofs.cluster import RayWorkers  # noqa: PLC0415 - Ray is an extra, and slow to import

        return RayWorkers(wanted.ray, make, wanted.workers)
    return LocalWorkers(make, wanted.workers or min(cores(), 2 * wanted.batches))


def verifier(backend: ProofBackend, wanted: Wanted, tell: Tell) -> str:
    """Write the contract that verifies the job's last proof; "" for stand-ins."""
    if wanted.backend == GROTH16:
        from proofyard.proofs.groth16 import Groth16  # noqa: PLC0415 - as above

        return backend.contract(wanted.size) if isinstance(backend, Groth16) else ""
    if not isinstance(backend, Noir):
        return ""
    circuit = backend.circuit(wanted.size if wanted.batches == 1 else 0, "evm")
    return build.verifier_source(backend.tools, circuit, tell)
