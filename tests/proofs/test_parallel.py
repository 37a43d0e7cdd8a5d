"""Jobs of many parts with stand-ins for proofs: shapes, order, losses, resuming; and what stand-ins are not."""

import sys
from dataclasses import replace
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import ClassVar

import pytest

from proofyard.core.errors import BadInput, Fault
from proofyard.proofs import process, session, workers
from proofyard.proofs.backend import Job, ProofBackend
from proofyard.proofs.calibrated import MARK, Calibrated
from proofyard.proofs.noir import Noir
from proofyard.proofs.parallel import Result, expected, prove_all, summary
from proofyard.proofs.process import Died
from proofyard.proofs.statement import Proof, Statement
from proofyard.proofs.tree import Store, cut
from proofyard.proofs.workers import LocalWorkers, Task
from proofyard.rollup.batch import Batch, run_batch
from proofyard.rollup.load import Load

FAST = partial(Calibrated, speed=20_000)


def batches(count: int) -> list[Batch]:
    load = Load(seed=3, accounts=8, depth=4)
    source = load.transfers()
    return [run_batch(load.ledger, list(islice(source, 2))) for _ in range(count)]


def prove(
    count: int, folder: Path, make: "partial[Calibrated] | type[Calibrated]" = FAST, mib: int = 100_000
) -> Result:
    with LocalWorkers(make, 3, mib) as pool:
        return prove_all(batches(count), 4, 7, backend=FAST(), workers=pool, store=Store(folder))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
def test_every_part_is_proven_once_and_the_last_covers_all(count: int, tmp_path: Path) -> None:
    result = prove(count, tmp_path)
    assert len(result.spans) == len({span.name for span in result.spans}) == 2 * count - 1
    assert result.joins == count - 1
    assert result.proof.statement == expected(batches(count), 7, 0 if count == 1 else FAST().node_key())
    told = summary(result, count)
    assert (told["batches"], told["joins"], told["secure_srs"], told["backend"]) == (
        count,
        count - 1,
        False,
        "calibrated",
    )


def test_a_join_starts_after_its_children_and_not_before(tmp_path: Path) -> None:
    spans = {span.name: span for span in prove(4, tmp_path).spans}
    for name, children in (("join 1-2", ("batch 1", "batch 2")), ("join 1-4", ("join 1-2", "join 3-4"))):
        assert spans[name].begin_ms >= max(spans[child].end_ms for child in children)


def test_the_left_half_is_the_largest_power_of_two() -> None:
    assert [part.name for part in cut(5)[5:]] == ["join 1-2", "join 3-4", "join 1-4", "join 1-5"]
    for count in (0, 5_000):
        with pytest.raises(BadInput, match="batches: wanted 1 to 4096"):
            cut(count)


class Dying(Calibrated):
    """Loses every part once."""

    lost: ClassVar[set[bytes]] = set()

    def _stand_in(self, circuit: str, statement: Statement) -> Proof:
        if statement.to_bytes() not in self.lost:
            self.lost.add(statement.to_bytes())
            raise Died("killed by the test")
        return super()._stand_in(circuit, statement)


def test_lost_parts_are_proven_again(tmp_path: Path) -> None:
    Dying.lost.clear()
    result = prove(8, tmp_path, partial(Dying, speed=20_000))
    parts = {span.name for span in result.spans}
    assert len(parts) == 15
    for outcome in ("lost", "proven"):
        assert sorted(span.name for span in result.spans if span.outcome == outcome) == sorted(parts)


class Broken(Calibrated):
    """Can't join."""

    def join(self, *_: object, **__: object) -> Proof:
        raise Fault("no joins here")


def test_a_fault_ends_the_job_and_finished_parts_stay(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="no joins here"):
        prove(2, tmp_path, partial(Broken, speed=20_000))
    outcomes = [span.outcome for span in prove(2, tmp_path).spans]
    assert sorted(outcomes) == ["found", "found", "proven"]


def test_memory_decides_how_many_work_at_once(tmp_path: Path) -> None:
    spans = sorted(prove(6, tmp_path, mib=2_500).spans, key=lambda span: (span.begin_ms, span.end_ms))
    joins = [span for span in spans if span.name.startswith("join")]
    assert len(joins) == 5
    assert all(after.begin_ms >= before.end_ms for before, after in pairwise(joins))


def test_a_proof_that_never_fits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="memory: wanted at least 260 MiB of free memory for one proof, got 100 MiB"):
        prove(1, tmp_path, mib=100)


@pytest.mark.parametrize(("size", "peak"), [(0, 2_100), (4, 260), (5, 300), (64, 750), (128, 1_500)])
def test_memory_of_a_part(size: int, peak: int) -> None:
    assert workers.peak_mib(size) == peak
    assert workers.free_mib() > 0


@pytest.mark.parametrize(("size", "peak"), [(1, 750), (4, 750), (16, 1_800)])
def test_memory_of_a_groth16_proof(size: int, peak: int) -> None:
    job = Job(batches(1)[0], size, 7, last=True)
    assert Task(0, 1, job, backend="groth16").mib == peak


def test_stand_ins_are_no_proofs(tmp_path: Path, noir: Noir) -> None:
    proof = prove(2, tmp_path).proof
    assert not proof.secure
    assert proof.data.startswith(MARK)
    assert session.warning(proof) == session.STAND_IN
    assert session.warning(replace(proof, backend="noir")) == session.INSECURE
    assert session.warning(replace(proof, backend="noir", secure=True)) == ""
    assert noir.why_not(proof) == "it is of backend calibrated, not noir"
    assert "no proof for target evm" in noir.why_not(
        replace(proof, backend="noir", circuit="leaf4-d16/evm", version=version(noir))
    )


def version(noir: Noir) -> str:
    return noir.version(4, last=True)


def test_stand_ins_are_checked_by_their_mac(tmp_path: Path) -> None:
    mine, other = FAST(), FAST(key=b"another")
    proof = mine.prove(Job(batches(1)[0], 4, 7, last=True))
    assert mine.verify(proof)
    assert other.why_not(proof) == "its MAC is of another key"
    changed = replace(proof, statement=proof.statement._replace(payout=8))
    assert mine.why_not(changed) == "its MAC is of another key"
    assert mine.why_not(proof, changed.statement) == "it stands for another statement"
    with pytest.raises(BadInput, match="stand-ins of this key"):
        mine.join([changed, proof])
    assert tmp_path.is_dir()


def test_statements_travel_as_bytes_and_refuse_what_is_none() -> None:
    statement = Statement(1, 2, 3, 4, 5, 6, 7)
    assert Statement.from_bytes(statement.to_bytes()) == statement
    for data, reason in ((b"", "224 bytes"), (b"\xff" * 224, "numbers below the prime")):
        with pytest.raises(BadInput, match=reason):
            Statement.from_bytes(data)


@pytest.mark.parametrize("text", ["", "0x12", "0x" + "g" * 40, "0x" + "1" * 41])
def test_an_address_has_twenty_bytes(text: str) -> None:
    with pytest.raises(BadInput, match="--payout: wanted an address"):
        session.address(text)


def test_nothing_is_left_behind() -> None:
    child = process.start(["sleep", "60"], {})
    process.kill_all()
    assert process.reap(child, 0).wall_ms >= 0
    assert child.returncode == -9
    assert child.pid not in process._living


def test_memory_of_a_program_is_its_own() -> None:
    ours = bytearray(400 * 2**20)
    program = "import time; kept = bytearray(50 * 2**20); time.sleep(1)"
    _, _, used = process.run([sys.executable, "-c", program], {}, limit_s=600)
    assert 50 <= used.peak_mib < 200
    assert len(ours) > used.peak_mib


def test_backends_are_backends(noir: Noir) -> None:
    both: list[ProofBackend] = [noir, FAST()]
    assert [backend.name for backend in both] == ["noir", "calibrated"]
    assert Task(0, 1).mib == workers.peak_mib(0)
