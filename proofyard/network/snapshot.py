"""Snapshots: a cache of the state after some row, so that a restart reads only the rows since. The journal decides.

A snapshot holds the rule's arrays and what the market counts beside them, under a hash of all its bytes, and names the
row it was taken after. One that is damaged, of another format or rule, or whose row the journal does not have is thrown
away, and the whole journal is read instead.
"""

import asyncio
import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Awaitable, Callable
from copy import deepcopy
from typing import Any

import numpy as np

from proofyard.core import shape
from proofyard.network.journal import Journal, JournalError
from proofyard.network.market import Market
from proofyard.network.records import Row
from proofyard.network.watching import tell

FORMAT = 2
EVERY = 50_000  # rows between snapshots
WORTH = 1_000  # rows at the end that are worth one
HASH = 32  # bytes
KEPT = ("addresses", "names", "jobs", "put_in", "round", "reveals")  # as JSON; the others need words of their own
BY_ACTOR = ("announced", "let_go", "lost", "kept_in", "uncovered")  # as JSON, whose keys are text
OTHERS = ("state", "last", "numbers", "asked", "asks", "used", "revealed", "forget_at")
PASSING = ("also", "was_open", "_first")  # found again as the market goes on
FIXED = ("genesis", "domain", "rule", "minted")  # follow from the journal's first row

log = logging.getLogger("proofyard.coordinator")


class Frozen:
    """A copy of a market's state that does not go on; cheap to make, dear to write.

    Parameters
    ----------
    market : is copied
    """

    def __init__(self, market: Market) -> None:
        self.seq = market.last.seq
        self._head = market.last.hash
        self._rule = market.rule.text
        self._state = shape.copy(market.state)
        self._kept: dict[str, Any] = {name: getattr(market, name) for name in KEPT}
        self._kept |= {name: list(self._kept[name]) for name in ("addresses", "names")}
        self._kept |= {name: deepcopy(getattr(market, name)) for name in BY_ACTOR}
        self._asked, self._asks = market.asked.copy(), market.asks.copy()
        self._used = dict(market.used)
        self._more = {"revealed": market.revealed.hex(), "forget_at": market.forget_at}

    def to_bytes(self) -> bytes:
        """Write."""
        head = {"format": FORMAT, "seq": self.seq, "head": self._head.hex(), "rule": self._rule, **self._kept}
        used = [[*key, *value] for key, value in self._used.items()]
        meta = json.dumps({**head, **self._more, "used": used}).encode()
        arrays: dict[str, Any] = {f"state{k}": array for k, array in enumerate(shape.arrays(self._state))}
        arrays["meta"] = np.frombuffer(meta, np.uint8)
        arrays["asked"] = np.array(self._asked, np.int64)
        arrays["asks"] = np.array(self._asks, np.int64).reshape(-1, 3)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        data = buffer.getvalue()
        return hashlib.sha256(data).digest() + data


class Snapshots:
    """Keeps snapshots of a coordinator's state while it goes on.

    Parameters
    ----------
    journal : keeps them
    on_disk, beside : do something in the thread that writes the journal, and in another one
    """

    def __init__(
        self, journal: Journal, on_disk: Callable[..., Awaitable[Any]], beside: Callable[..., Awaitable[Any]]
    ) -> None:
        self._journal, self._on_disk, self._beside = journal, on_disk, beside
        self._keeping: asyncio.Task[None] | None = None
        self.kept = -1  # row of the newest one

    async def restored(self) -> Market:
        """Return the market after the journal's last row. Raises Fault, JournalError."""
        market, self.kept = await self._on_disk(restored, self._journal)
        return market

    def look(self, market: Market) -> None:
        """Begin to keep one if it is time."""
        if market.last.seq - self.kept >= EVERY:
            self.kept = market.last.seq
            self._keeping = asyncio.create_task(self._keep(Frozen(market)))

    async def end(self, market: Market | None) -> None:
        """Finish the one under way, and keep a last one of `market`."""
        if self._keeping is not None:
            await self._keeping
        if market is not None and market.last.seq - self.kept >= WORTH:
            await self._keep(Frozen(market))

    async def _keep(self, frozen: Frozen) -> None:
        """Write it in the thread that reads: it may take a while."""

        def made(_: Journal) -> bytes:
            return frozen.to_bytes()

        try:
            data = await self._beside(made)
            await self._on_disk(self._journal.keep_snapshot, frozen.seq, data)
        except JournalError as error:
            tell(log, "no snapshot could be kept", logging.WARNING, error=str(error))


def restored(journal: Journal) -> tuple[Market, int]:
    """Return the market after the journal's last row, and the row of the snapshot that helped, -1 without one.

    Raises Fault where the journal does not hold, JournalError.
    """
    first = next(journal.rows(until=0))
    data = journal.snapshot()
    market = None if data is None else _read(data, first, journal)
    if market is None:
        return Market.rebuild(journal.rows()), -1
    seq = market.last.seq
    market.catch_up(journal.rows(seq))
    return market, seq


def _read(data: bytes, first: Row, journal: Journal) -> Market | None:
    """Read a snapshot, None if it is not one of this journal."""
    if hashlib.sha256(data[HASH:]).digest() != data[:HASH]:
        return None
    try:
        with np.load(io.BytesIO(data[HASH:]), allow_pickle=False) as arrays:
            told = json.loads(arrays["meta"].tobytes())
            return _filled(Market(first), told, arrays, journal)
    except (ValueError, KeyError, IndexError, TypeError, OSError, zipfile.BadZipFile):
        return None


def _filled(market: Market, told: dict[str, Any], arrays: Any, journal: Journal) -> Market | None:
    last = next(journal.rows(told["seq"] - 1, told["seq"]), None)
    if told["format"] != FORMAT or told["rule"] != market.rule.text or last is None or last.hash.hex() != told["head"]:
        return None
    market.make_room(told["jobs"])
    for k, array in enumerate(shape.arrays(market.state)):
        array[:] = arrays[f"state{k}"]  # of another shape: ValueError
    for name in KEPT:
        setattr(market, name, told[name])
    for name in BY_ACTOR:
        setattr(market, name, {int(actor): gwei for actor, gwei in told[name].items()})
    market.last = last
    market.numbers = {address: k for k, address in enumerate(market.addresses)}
    market.asked = arrays["asked"].tolist()
    market.asks = [(time, ceiling, size) for time, ceiling, size in arrays["asks"].tolist()]
    market.used = {(sender, nonce): (expiry, seq) for sender, nonce, expiry, seq in told["used"]}
    market.revealed = bytes.fromhex(told["revealed"])
    market.forget_at = told["forget_at"]
    return market
