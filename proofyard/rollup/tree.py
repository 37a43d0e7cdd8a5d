"""A sparse Merkle tree over Poseidon2: `2^depth` leaves, most of them zero, of which only the others take room."""

from proofyard.core.errors import BadInput
from proofyard.rollup.poseidon2 import hash_of, nodes_above

DEEPEST = 32  # four thousand million accounts; each level costs a transfer four hashes to prove


class Tree:
    """Leaves by index, and all nodes above them.

    Attributes
    ----------
    depth : levels above the leaves
    """

    def __init__(self, depth: int) -> None:
        if not 1 <= depth <= DEEPEST:
            raise BadInput("depth", f"1 to {DEEPEST}", depth)
        self.depth = depth
        self._nodes: list[dict[int, int]] = [{} for _ in range(depth + 1)]  # by level, leaves first
        self._empty = [0]
        for _ in range(depth):
            self._empty.append(hash_of(self._empty[-1], self._empty[-1]))

    @property
    def root(self) -> int:
        """The hash of everything."""
        return self._nodes[self.depth].get(0, self._empty[self.depth])

    def path(self, index: int) -> list[int]:
        """Siblings of the leaf at `index` and of the nodes above it, the leaf's own first."""
        levels = zip(self._nodes, self._empty, strict=True)
        return [nodes.get(index >> i ^ 1, empty) for i, (nodes, empty) in enumerate(levels) if i < self.depth]

    def put(self, index: int, leaf: int) -> list[int]:
        """Set a leaf; return its path, which the change leaves as it is."""
        path = self.path(index)
        for i, node in enumerate([leaf, *nodes_above(leaf, path, index)]):
            self._nodes[i][index >> i] = node
        return path
