"""Limits of a rule's parameters, for its `validate`."""

from collections.abc import Mapping
from typing import Any


def out_of_range(
    params: Any, limits: Mapping[str, tuple[int, int]], usual: tuple[int, int] | None = None
) -> tuple[str, str] | None:
    """Name the first parameter outside its limits, and what was wanted; None if all are inside.

    `limits` has the least and the most of each parameter; one it does not name has the `usual` ones, if there are any.
    """
    for name in limits if usual is None else params._fields:
        low, high = limits.get(name, usual or (0, 0))
        if not low <= getattr(params, name) <= high:
            return name, f"{low} to {high}"
    return None
