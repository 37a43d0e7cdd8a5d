"""A state whose arrays lie in one row of cells, so that a snapshot is one copy and a comparison one look."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proofyard.core import shape
from proofyard.core.book import Ints
from proofyard.core.event import Phase
from proofyard.core.rule import Rule
from proofyard.core.shape import Field

MARGIN = 64  # cells before and after the state that nobody may touch: compiled code does not check its indices


class Guarded(np.ndarray[Any, np.dtype[np.int64]]):
    """An array that has no row -1: in plain Python that is the last row, compiled it is somebody else's memory."""

    def __getitem__(self, index: Any) -> Any:
        """Read a row."""
        if isinstance(index, Integral) and index < 0:
            raise IndexError(f"row {index} is read, which is the last row in plain Python and another array compiled")
        return super().__getitem__(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Write a row."""
        if isinstance(index, Integral) and index < 0:
            raise IndexError(f"row {index} is set, which is the last row in plain Python and another array compiled")
        super().__setitem__(index, value)


def _rebuild(state: Any, views: Iterator[Ints]) -> Any:
    """Put `views` where the arrays of `state` are."""
    parts = [next(views) if isinstance(part, np.ndarray) else _rebuild(part, views) for part in state]
    return type(state)(*parts)


class Layout:
    """What each cell of a state is: which field, whose row, whether it is money. The same for all params of a rule."""

    def __init__(self, state: Any, actors: int, jobs: int) -> None:
        self.actors, self.jobs = actors, jobs
        self.fields: list[Field] = shape.fields(state.__class__)
        sizes = [part.size for part in shape.arrays(state)]
        self.starts: list[int] = [0, *np.cumsum(sizes).tolist()]
        self.words = self.starts[-1]
        self.field_of = np.repeat(np.arange(len(sizes)), sizes)
        self.actor_of = np.full(self.words, -1)
        self.job_of = np.full(self.words, -1)
        for field, start, size in zip(self.fields, self.starts, sizes, strict=False):
            if field.size == "actor":
                self.actor_of[start : start + size] = np.arange(size)
            elif field.size == "job":
                self.job_of[start : start + size] = np.arange(size)
        self.is_money = np.array([field.money for field in self.fields])[self.field_of]
        self.money = np.flatnonzero(self.is_money)
        self.money_of_jobs = np.array([
            start for field, start in zip(self.fields, self.starts, strict=False) if field.money and field.size == "job"
        ])  # fmt: skip
        records = (field.path for field in self.fields if field.size == "job" and not field.money)
        self.paid = tuple(path for path in records if path == "book.paid" or path.endswith("_paid"))

    def span(self, path: str) -> slice:
        """Cells of the field at `path`, such as `book.cash`."""
        k = next(k for k, field in enumerate(self.fields) if field.path == path)
        return slice(self.starts[k], self.starts[k + 1])

    def name(self, cell: int) -> str:
        """Name a cell as a reader would: `book.cash[2]`."""
        k = int(self.field_of[cell])
        return f"{self.fields[k].path}[{cell - self.starts[k]}]"


class Sheet:
    """A state of `rule` at genesis, its arrays views of one row of cells."""

    def __init__(self, rule: Rule, actors: int, jobs: int, *, guarded: bool = False) -> None:
        template = rule.genesis(actors, jobs)
        self.layout = Layout(template, actors, jobs)
        self.memory = np.zeros(self.layout.words + 2 * MARGIN, np.int64)
        self.cells = self.memory[MARGIN:-MARGIN]
        self.cells[:] = np.concatenate(shape.arrays(template))
        edges = zip(self.layout.starts, self.layout.starts[1:], strict=False)
        views = (self.cells[low:high] for low, high in edges)
        self.state: Any = _rebuild(template, (v.view(Guarded) for v in views) if guarded else views)

    @property
    def margin_is_clean(self) -> bool:
        """Whether nobody has written outside the state."""
        return not self.memory[:MARGIN].any() and not self.memory[-MARGIN:].any()


def tell_changes(layout: Layout, before: NDArray[np.int64], after: NDArray[np.int64]) -> list[str]:
    """Say what changed: money as a difference, phases by name, everything else as old>new; inner tree nodes never."""
    told: list[str] = []
    for cell in np.flatnonzero(before != after).tolist():
        field = layout.fields[int(layout.field_of[cell])]
        old, new = int(before[cell]), int(after[cell])
        if field.size == "tree":
            continue
        name = layout.name(cell).removeprefix("book.") if field.path == "book.phase" else layout.name(cell)
        if field.money:
            told.append(f"{name} {new - old:+d}")
        elif field.path == "book.phase":
            told.append(f"{name} {_phase(old)}>{_phase(new)}")
        else:
            told.append(f"{name} {old}>{new}")
    return told


def _phase(value: int) -> str:
    return Phase(value).name if value in list(Phase) else str(value)
