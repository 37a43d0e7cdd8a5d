"""Events about accounts, laid out in rows for the rule to answer."""

from collections.abc import Callable

import numpy as np

from proofyard.core.book import Ints
from proofyard.core.event import Kind

EVENT_WORDS = 7

Inject = Callable[[Ints], Ints]  # events, shape (n, 7), to their verdicts


def events_of(kind: Kind, now: int, actors: Ints, amounts: Ints, details: Ints | int = 0) -> Ints:
    """Lay events of one kind out in rows, shape (n, 7)."""
    events = np.zeros((len(actors), EVENT_WORDS), np.int64)
    events[:, 0], events[:, 1], events[:, 2] = kind, now, actors
    events[:, 4], events[:, 5] = amounts, details
    return events
