"""Functions a compiler has to be told of, once there is one: running what is compiled already takes none.

Numba takes longer to load than everything else of a short command together, so nothing imports it before something has
to be compiled; `core.compiler` then hears of all that was marked so far, and of what is marked later.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

Listener: TypeAlias = Callable[[Callable[..., Any], dict[str, Any]], object]

_waiting: list[tuple[Callable[..., Any], dict[str, Any]]] = []
_listeners: list[Listener] = []


def mark(function: Callable[..., Any], **options: Any) -> None:
    """Have `function` compiled into whatever calls it; `options` are those of Numba's `njit`."""
    if not _listeners:
        _waiting.append((function, options))
    for listener in _listeners:
        listener(function, options)


def listen(listener: Listener) -> None:
    """Hear of every function marked so far, and of the later ones when they are."""
    for function, options in _waiting:
        listener(function, options)
    _waiting.clear()
    _listeners.append(listener)
