"""Make a trace shorter while it still shows what it is kept for."""

from collections.abc import Callable, Sequence

from proofyard.conformance import drain
from proofyard.conformance.market import Broken, Market
from proofyard.core.event import Event

REPLAYS = 400  # at most so many tries


def shrink(events: Sequence[Event], shows: Callable[[list[Event]], bool], replays: int = REPLAYS) -> list[Event]:
    """Leave out events, in large pieces first, as long as `shows` holds of the rest."""
    kept = list(events)
    size = max(1, len(kept) // 2)
    while size and replays > 0:
        at, shorter = len(kept) - size, False
        while at > -size and replays > 0:
            low = max(0, at)
            rest = kept[:low] + kept[low + size :]
            replays -= 1
            if shows(rest):
                kept, shorter = rest, True
            at -= size
        if not shorter or size > 1:
            size //= 2
    return kept


def shortest(broken: Broken) -> Broken:
    """Shorten the trace of a finding, as far as it can be found again by answering events and firing timers."""
    found = broken

    def shows(events: list[Event]) -> bool:
        nonlocal found
        market = Market(broken.setup)
        try:
            for event in events:
                market.answer(event)
            if broken.check == "stuck":
                drain.drain(market)
        except Broken as again:
            if again.check == broken.check and len(again.events) <= len(found.events):
                found = again
            return again.check == broken.check
        return False

    shrink(broken.events, shows)
    return found
