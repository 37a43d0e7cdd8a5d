"""Who listens to a market: rows as they become durable, each with what became of its job; slow listeners are let go."""

import asyncio
import json
from typing import Any, NamedTuple

from proofyard.core.event import Kind, Phase
from proofyard.network.market import Market
from proofyard.network.records import Row, name_of
from proofyard.network.watching import MarketMetrics

BEHIND = 1_000  # rows a listener may be behind before it is let go and has to come back with `after`
LIVE = (Phase.BIDDING.name, Phase.OPEN.name)


class Told(NamedTuple):
    """One row as listeners get it.

    Attributes
    ----------
    seq : of the row
    actors : whom it is about
    everybody : is it about a job that anybody may bid on or prove, or could until then?
    text : the event of the stream
    """

    seq: int
    actors: frozenset[int]
    everybody: bool
    text: bytes


class Listener:
    """One open stream; `actor` None: everything."""

    def __init__(self, actor: int | None) -> None:
        self.actor = actor
        self.queue: asyncio.Queue[Told | None] = asyncio.Queue(BEHIND)

    def wants(self, told: Told) -> bool:
        """Say whether a row is for this listener."""
        return self.actor is None or told.everybody or self.actor in told.actors

    def push(self, told: Told | None) -> bool:
        """Hand a row over; False when the listener is too far behind."""
        try:
            self.queue.put_nowait(told)
        except asyncio.QueueFull:
            return False
        return True


class Streams:
    """All listeners of one market. What concerns few costs as much as those few, however many listen."""

    def __init__(self, metrics: MarketMetrics) -> None:
        self._by_actor: dict[int | None, set[Listener]] = {}
        self._count = 0
        self._noted: list[Told] = []
        self._metrics = metrics
        self._closed = False

    def listen(self, actor: int | None) -> Listener:
        """Open a stream."""
        listener = Listener(actor)
        self._by_actor.setdefault(actor, set()).add(listener)
        self._count += 1
        self._metrics.listeners.set(self._count)
        if self._closed:
            listener.push(None)
        return listener

    def leave(self, listener: Listener) -> None:
        """Close a stream."""
        mine = self._by_actor.get(listener.actor, set())
        if listener in mine:
            mine.remove(listener)
            self._count -= 1
            self._metrics.listeners.set(self._count)
            if not mine:
                del self._by_actor[listener.actor]

    def note(self, market: Market, row: Row) -> None:
        """Keep a row, with its job as it is now, until it is durable; not what nobody listens to."""
        if not self._by_actor:
            return
        if row.kind >= Kind.REQUEST or None in self._by_actor or row.actor in self._by_actor:
            self._noted.append(told_of(market, row))

    def noted(self) -> list[Told]:
        """Take what was noted since the last time: to publish once it is durable, to forget otherwise."""
        noted, self._noted = self._noted, []
        return noted

    def publish(self, durable: list[Told]) -> None:
        """Tell everybody who wants to know."""
        for told in durable:
            for listener in self._audience(told):
                if not listener.push(told):
                    self.leave(listener)
                    while not listener.queue.empty():
                        listener.queue.get_nowait()
                    listener.push(None)

    def _audience(self, told: Told) -> list[Listener]:
        whose = self._by_actor if told.everybody else {None, *told.actors}
        return [listener for actor in whose for listener in self._by_actor.get(actor, ())]

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for mine in self._by_actor.values():
            for listener in mine:
                listener.push(None)


def shown(row: Row) -> dict[str, Any]:
    """Write a row for people and programs; its body as it is."""
    kind = name_of(row.kind)
    return {
        **row._asdict(),
        "kind": kind,
        "body": json.loads(row.body) if row.body else {},
        "hash": row.hash.hex(),
    }


def told_of(market: Market, row: Row, *, past: bool = False) -> Told:
    """Write a row for listeners; `past`: its job is shown as it is now, not as it was then."""
    kind = name_of(row.kind)
    value: dict[str, Any] = {**row._asdict(), "kind": kind, "hash": row.hash.hex()}
    del value["body"]
    actors, everybody = {row.actor}, False
    if row.kind >= Kind.REQUEST:
        jobs = [row.job] if past else [row.job, *market.moved_on()]
        value["jobs"] = [market.job(job) for job in jobs]
        actors |= {job[role] for job in value["jobs"] for role in ("prover", "requester")}
        ends = row.kind in (Kind.PROVE, Kind.CLOSE) if past else market.was_open  # whoever works on it may stop
        everybody = ends or any(job["phase"] in LIVE for job in value["jobs"])
        if past:
            value["past"] = True
    text = f"id: {row.seq}\nevent: {kind.lower()}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n"
    return Told(row.seq, frozenset(actors), everybody, text.encode())
