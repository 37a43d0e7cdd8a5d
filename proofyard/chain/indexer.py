"""What happened on the chain, in order, and again if the chain changes its mind.

Every block's parent is compared with what was read before: a development chain, and a node that was away, report no
removed events. Blocks below the confirmation depth are read once; if even they change, that is told like the rest.
"""

import json
import sqlite3
import time
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from eth_abi.abi import decode
from web3 import Web3

from proofyard.chain.build import artifacts
from proofyard.chain.connection import Chain
from proofyard.chain.deployment import Deployment, type_of

SCHEMA = """
create table if not exists block (number integer primary key, hash text);
create table if not exists event (block integer, place integer, contract text, name text, arguments text, hash text,
  primary key (block, place));
"""
KEPT_BLOCKS = 4_096  # hashes of blocks to look back on


class ChainEvent(NamedTuple):
    """An event of a contract; `gone` if a reorganisation took it back."""

    block: int
    place: int  # of the log in its block
    contract: str
    name: str
    arguments: dict[str, Any]  # bytes as hexadecimal
    transaction: str
    gone: bool = False


class Indexer:
    """Reads the events of a market into a file, and goes on from there.

    Parameters
    ----------
    path : SQLite file
    confirmations : blocks on top before an event counts; the profile's by default
    """

    def __init__(
        self, chain: Chain, deployment: Deployment, path: Path | str = ":memory:", *, confirmations: int | None = None
    ) -> None:
        self.chain = chain
        self.deployment = deployment
        self.confirmations = chain.profile.confirmations if confirmations is None else confirmations
        self._kept = max(self.confirmations, chain.profile.confirmations) + 2  # blocks of the line that are looked at
        self._names = {address.lower(): name for name, address in deployment.addresses.items()}
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("pragma journal_mode=wal")
        self._db.executescript(SCHEMA)
        self.head: dict[str, Any] = {}  # the newest block when everything was read last; empty when something is left
        self._line: dict[int, dict[str, Any]] = {}  # by number: the newest block seen, and those it is known to follow

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def events(self) -> list[ChainEvent]:
        """List everything that counts now."""
        rows = self._db.execute("select * from event order by block, place").fetchall()
        return [ChainEvent(b, p, c, n, json.loads(a), h) for b, p, c, n, a, h in rows]

    def poll(self) -> list[ChainEvent]:
        """Read what is new: first what was taken back, newest first, then what came, oldest first."""
        head = self.chain.rpc("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 - JSON-RPC
        if head["hash"] == self.head.get("hash"):
            return []  # neither came nor went anything since the last time
        self._draw(head)
        gone = self._rewind()
        found: list[ChainEvent] = []
        newest = int(head["number"], 16) - self.confirmations
        first = self._next()
        while first <= newest:
            last = min(newest, first + self.chain.profile.log_blocks - 1)
            part = self._read(first, last)
            if part is None:  # it changed while we read: next time
                self.head, self._line = {}, {}
                return gone + found
            found += part
            first = last + 1
        self.head = head
        return gone + found

    def follow(self, *, seconds: float | None = None) -> Generator[ChainEvent]:
        """Yield events as they come, for ever or for so long."""
        ends = None if seconds is None else time.monotonic() + seconds
        while ends is None or time.monotonic() < ends:
            yield from self.poll()
            time.sleep(self.chain.profile.block_s / 2)

    def _next(self) -> int:
        (last,) = self._db.execute("select max(number) from block").fetchone()
        return self.deployment.block if last is None else last + 1

    def _draw(self, head: dict[str, Any]) -> None:
        """Let the line end at `head`, with those blocks before it that it is known to follow."""
        newest = int(head["number"], 16)
        if self._line.get(newest - 1, {}).get("hash") != head["parentHash"]:
            self._line = {}
        self._line[newest] = head
        self._line = {number: block for number, block in self._line.items() if newest - self._kept <= number <= newest}

    def header(self, number: int) -> dict[str, Any] | None:
        """Return a block without its transactions, None if there is none: of the newest's line, or asked for."""
        return self._line.get(number) or self.chain.rpc("eth_getBlockByNumber", hex(number), False)  # noqa: FBT003 - JSON-RPC

    def _rewind(self) -> list[ChainEvent]:
        """Forget blocks that are no longer on the chain."""
        gone: list[ChainEvent] = []
        for number, known in self._db.execute("select number, hash from block order by number desc").fetchall():
            header = self.header(number)
            if header is not None and header["hash"] == known:
                break
            rows = self._db.execute("select * from event where block = ? order by place desc", (number,)).fetchall()
            gone += [ChainEvent(b, p, c, n, json.loads(a), h, gone=True) for b, p, c, n, a, h in rows]
            self._db.execute("begin")
            self._db.execute("delete from event where block = ?", (number,))
            self._db.execute("delete from block where number = ?", (number,))
            self._db.execute("commit")
        return gone

    def _read(self, first: int, last: int) -> list[ChainEvent] | None:
        """Read a stretch of blocks; None if they don't join what is there, or each other."""
        headers = [self.header(number) for number in range(first, last + 1)]
        row = self._db.execute("select hash from block where number = ?", (first - 1,)).fetchone()
        parent = row[0] if row else None
        for header in headers:
            if header is None or (parent is not None and header["parentHash"] != parent):
                return None
            parent = header["hash"]
        places = list(self.deployment.addresses.values())
        logs = self.chain.rpc("eth_getLogs", {"fromBlock": hex(first), "toBlock": hex(last), "address": places})
        hashes = {int(header["number"], 16): header["hash"] for header in headers if header}
        if any(log["blockHash"] != hashes[int(log["blockNumber"], 16)] for log in logs):
            return None
        found = [event for log in logs if (event := self._decode(log)) is not None]
        self._db.execute("begin")
        self._db.executemany("insert or replace into block values (?, ?)", hashes.items())
        self._db.executemany(
            "insert or replace into event values (?, ?, ?, ?, ?, ?)",
            [(e.block, e.place, e.contract, e.name, json.dumps(e.arguments), e.transaction) for e in found],
        )
        self._db.execute("delete from block where number < ?", (last - KEPT_BLOCKS,))
        self._db.execute("commit")
        return found

    def _decode(self, log: dict[str, Any]) -> ChainEvent | None:
        contract = self._names[log["address"].lower()]
        entry = _events(contract).get(log["topics"][0]) if log["topics"] else None
        if entry is None:
            return None
        arguments: dict[str, Any] = {}
        topics = iter(log["topics"][1:])
        for part in entry["inputs"]:
            if part["indexed"]:
                (arguments[part["name"]],) = decode([type_of(part)], bytes.fromhex(next(topics)[2:]))
        rest = [part for part in entry["inputs"] if not part["indexed"]]
        values = decode([type_of(part) for part in rest], bytes.fromhex(log["data"][2:]))
        arguments |= {part["name"]: value for part, value in zip(rest, values, strict=True)}
        plain = {name: Web3.to_hex(value) if isinstance(value, bytes) else value for name, value in arguments.items()}
        place = (int(log["blockNumber"], 16), int(log["logIndex"], 16))
        return ChainEvent(*place, contract, entry["name"], plain, log["transactionHash"])


@cache
def _events(contract: str) -> dict[str, Any]:
    """Events of a contract by their first topic."""
    if contract not in artifacts():  # a generated verifier
        return {}
    return {
        Web3.to_hex(Web3.keccak(text=f"{e['name']}({','.join(type_of(part) for part in e['inputs'])})")): e
        for e in artifacts()[contract].abi
        if e["type"] == "event"
    }
