"""A job cut into parts: a leaf for each batch, joined two by two, and the finished parts on disk.

Shape    the left half of a join has the largest power of two below the number of its leaves, so the commitment of the
         whole follows from the number of batches (as in RFC 6962).
Storage  a part's file is named by what it proves and the circuit: whatever crashed, what is there is done.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from proofyard.core.errors import BadInput
from proofyard.proofs.statement import Proof, Statement, state_joined
from proofyard.tools.cache import digest

MOST_LEAVES = 4_096


class Part(NamedTuple):
    """A proof to be made.

    Attributes
    ----------
    place : in the list of parts; leaves first, in order, then joins, every join after its children
    children : places of the two parts it joins; () for a leaf
    first, leaves : batches it covers
    parent : place of the part that joins it, -1 for the last
    """

    place: int
    children: tuple[int, ...]
    first: int
    leaves: int
    parent: int

    @property
    def name(self) -> str:
        """Say what it is."""
        end = self.first + self.leaves
        return f"join {self.first + 1}-{end}" if self.children else f"batch {end}"


def cut(leaves: int) -> list[Part]:
    """Cut a job of so many batches into parts.

    >>> [part.name for part in cut(3)]
    ['batch 1', 'batch 2', 'batch 3', 'join 1-2', 'join 1-3']
    """
    if not 1 <= leaves <= MOST_LEAVES:
        raise BadInput("batches", f"1 to {MOST_LEAVES}", leaves)
    children: list[tuple[int, ...]] = [()] * leaves
    spans = [(i, 1) for i in range(leaves)]

    def join(first: int, count: int) -> int:
        if count == 1:
            return first
        half = 1 << (count - 1).bit_length() - 1
        pair = join(first, half), join(first + half, count - half)
        children.append(pair)
        spans.append((first, count))
        return len(children) - 1

    join(0, leaves)
    parent = {child: place for place, pair in enumerate(children) for child in pair}
    return [Part(i, children[i], *spans[i], parent.get(i, -1)) for i in range(len(children))]


def statements(parts: Sequence[Part], leaves: Sequence[Statement]) -> list[Statement]:
    """Say what every part proves. Raises BadInput if the batches don't follow one another."""
    out = list(leaves)
    for part in parts[len(leaves) :]:
        left, right = part.children
        out.append(state_joined(out[left], out[right]))
    return out


class Store:
    """Finished parts in a folder.

    Parameters
    ----------
    folder : made if it isn't there
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _file(self, wanted: Statement, version: str) -> Path:
        return self._folder / f"part-{digest(wanted.to_bytes(), version)}.json"

    def find(self, wanted: Statement, version: str) -> Proof | None:
        """Return the proof of a statement by a circuit, if it is there and whole; who uses it verifies it."""
        try:
            proof = Proof.from_json(self._file(wanted, version).read_bytes())
        except (FileNotFoundError, BadInput):
            return None
        return proof if proof.statement == wanted and proof.version == version else None

    def keep(self, proof: Proof) -> None:
        """Write a proof, whole or not at all."""
        file = self._file(proof.statement, proof.version)
        draft = file.with_suffix(".draft")
        draft.write_text(proof.to_json(), encoding="utf-8")
        draft.replace(file)
