"""Transactions that are sent once: each has a name, is written down signed before it is sent, and keeps its nonce.

After a crash between sending and confirming the same name finds the same transaction: it is sent again, byte for byte,
and the chain takes it once. One that waits too long is sent again with a higher fee under the same nonce; one that a
reorganisation dropped is sent again as it was.
"""

import contextlib
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from eth_account.signers.local import LocalAccount
from web3 import Web3

from proofyard.chain.connection import Chain, RpcError
from proofyard.chain.profiles import WEI
from proofyard.chain.reverts import Reverted
from proofyard.core.errors import BadInput, Fault

SCHEMA = """
create table if not exists sent (name text primary key, chain integer, account text, nonce integer, target text,
  data text, gas integer, block integer, unique (chain, account, nonce));
create table if not exists attempt (hash text primary key, name text, raw text, fee integer, tip integer);
create index if not exists attempt_name on attempt (name);
"""
WAITS = ("max fee per gas less than", "underpriced", "fee too low", "fee cap")  # refused now, good later or for more
KNOWN = ("already known", "already imported", "known transaction", "nonce too low")
BUMP_PERCENT = 125  # a node replaces a transaction for at least 110 %
BUMP_BLOCKS = 5  # blocks a transaction waits before its fee is raised
MOST_BUMPS = 8
BACKLOG = 64  # transactions in flight before the next one waits
WAIT_S = 120.0  # s until a transaction that is not mined is a fault
DEPLOY = ""  # target of a transaction that makes a contract


class Receipt(NamedTuple):
    """A transaction that is on the chain."""

    hash: str
    block: int
    gas_used: int
    contract: str | None
    logs: list[dict[str, Any]]


class Outbox:
    """The transactions of one account on one chain.

    Parameters
    ----------
    chain : where they go
    account : who signs
    path : SQLite file, `:memory:` to forget everything at the end
    """

    def __init__(self, chain: Chain, account: LocalAccount, path: Path | str = ":memory:") -> None:
        self.chain = chain
        self.account = account
        self.sender = str(account.address)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        self._db.executescript(SCHEMA)
        self._lock = threading.RLock()
        self._in_flight: set[str] = set(self._waiting())
        self._fees: tuple[float, int, int] = (0.0, 0, 0)
        self._funds: tuple[float, int] = (0.0, 0)  # when they were looked at, wei left since

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _do(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Ask the file; what it does not take (the disk is full) leaves nothing half done. Raises Fault."""
        try:
            return self._db.execute(statement, values)
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise Fault(f"outbox: wanted a transaction written down, got: {error}.") from None

    def _waiting(self) -> list[str]:
        rows = self._do("select name from sent where block is null and account = ?", (self.sender,))
        return [name for (name,) in rows]

    def knows(self, name: str) -> bool:
        """Say whether a transaction of that name was ever written down."""
        return self._do("select 1 from sent where name = ?", (name,)).fetchone() is not None

    # Sending.

    def send(self, name: str, target: str, data: str, *, gas: int = 0) -> str:
        """Send a transaction under a name, or the one that has this name already.

        Parameters
        ----------
        name : what it does, once
        target : address, `DEPLOY` for a new contract
        data : hexadecimal call data
        gas : limit, 0 = estimated and rounded up as the profile says

        Returns
        -------
        str
            The name, for `wait`.

        Raises
        ------
        Reverted : the contract would refuse it; nothing was sent.
        BadInput : the account has too little for gas; nothing was sent.
        Fault : the node is away, or too many transactions wait.
        """
        with self._lock:
            if self.knows(name):
                self._broadcast(name)
                return name
            self._make_room()
            call = {"from": self.sender, "data": data, **({"to": target} if target else {})}
            limit = gas or self.chain.profile.limit(self.chain.estimate(call, name))
            fee, tip = self._fee()
            self._check_funds(limit * fee, name)
            nonce = self._next_nonce()
            self._do("begin immediate")
            self._do(
                "insert into sent values (?, ?, ?, ?, ?, ?, ?, null)",
                (name, self.chain.profile.chain_id, self.sender, nonce, target, data, limit),
            )
            self._sign(name, nonce, target, data, limit, fee, tip)
            self._do("commit")
            self._in_flight.add(name)
            self._broadcast(name)
            return name

    def _sign(self, name: str, nonce: int, target: str, data: str, gas: int, fee: int, tip: int) -> None:
        transaction: dict[str, Any] = {
            "type": 2, "chainId": self.chain.profile.chain_id, "nonce": nonce, "data": data, "value": 0, "gas": gas,
            "maxFeePerGas": fee, "maxPriorityFeePerGas": tip, **({"to": target} if target else {}),
        }  # fmt: skip
        signed = self.account.sign_transaction(transaction)
        self._do(
            "insert into attempt values (?, ?, ?, ?, ?)",
            (Web3.to_hex(signed.hash), name, Web3.to_hex(signed.raw_transaction), fee, tip),
        )

    def _next_nonce(self) -> int:
        (own,) = self._do(
            "select max(nonce) from sent where account = ? and chain = ?", (self.sender, self.chain.profile.chain_id)
        ).fetchone()
        if own is not None and self._in_flight:
            return int(own) + 1
        chain = int(self.chain.rpc("eth_getTransactionCount", self.sender, "latest"), 16)
        return chain if own is None else max(chain, int(own) + 1)

    def _fee(self) -> tuple[int, int]:
        """Most wei per gas, and the tip: twice the base fee of now, so that it may double while we wait."""
        if time.monotonic() - self._fees[0] > self.chain.profile.block_s:
            block = self.chain.rpc("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 - JSON-RPC
            base = int(block.get("baseFeePerGas", "0x0"), 16)
            tip = int(self.chain.profile.priority_fee_gwei * WEI)
            self._fees = (time.monotonic(), 2 * base + tip, tip)
        return self._fees[1], self._fees[2]

    def _check_funds(self, wei: int, name: str) -> None:
        profile = self.chain.profile
        looked, balance = self._funds
        if time.monotonic() - looked > profile.block_s or balance < wei:
            looked = time.monotonic()
            balance = int(self.chain.rpc("eth_getBalance", self.sender, "latest"), 16)
        self._funds = (looked, balance - wei)
        if balance < wei + int(profile.reserve_tokens * WEI * WEI):
            wanted = f"{wei / WEI / WEI:.6f} {profile.token} for gas"
            if profile.reserve_tokens:
                wanted += f" above a reserve of {profile.reserve_tokens:g}"
            raise BadInput(name, f"{wanted} at {self.sender}", f"{balance / WEI / WEI:.6f}")

    def _broadcast(self, name: str) -> None:
        """Hand the newest attempt to the node, unless it is mined."""
        (raw,) = self._do("select raw from attempt where name = ? order by fee desc limit 1", (name,)).fetchone()
        try:
            self.chain.rpc("eth_sendRawTransaction", raw)
        except RpcError as error:
            if not any(word in error.message.lower() for word in (*KNOWN, *WAITS)):
                raise Fault(f"{name}: the node does not take the transaction: {error.message}.") from None

    def _make_room(self) -> None:
        """Wait while too many transactions are in flight: a slow chain slows us down."""
        ends = time.monotonic() + WAIT_S
        while len(self._in_flight) >= BACKLOG:
            self.look()
            if len(self._in_flight) >= BACKLOG:
                if time.monotonic() > ends:
                    raise Fault(f"{self.chain.url}: {BACKLOG} transactions wait, and none was mined in {WAIT_S:g} s.")
                time.sleep(self.chain.profile.block_s / 2)

    def resume(self) -> None:
        """Send again, in order, whatever was signed and is not on the chain; wait until it is, refused or not.

        After a crash, and where a chain forgot blocks. Raises Fault as `send` and `wait`.
        """
        chain = int(self.chain.rpc("eth_getTransactionCount", self.sender, "latest"), 16)
        with self._lock:
            rows = self._do(
                "select name from sent where account = ? and chain = ? and nonce >= ? order by nonce",
                (self.sender, self.chain.profile.chain_id, chain),
            ).fetchall()
            for (name,) in rows:
                self._in_flight.add(name)
                self._broadcast(name)
        for (name,) in rows:
            with contextlib.suppress(Reverted):  # whoever waits for it is told
                self.wait(name)

    # Waiting.

    def failed(self, name: str) -> bool:
        """Say whether a transaction is on the chain and the contract refused it. Raises Fault."""
        try:
            if self.knows(name):
                self._receipt(name)
        except Reverted:
            return True
        return False

    def look(self) -> None:
        """Note which transactions in flight are on the chain by now."""
        for name in list(self._in_flight):
            self._receipt(name)

    def wait(self, name: str, *, confirmations: int = 0, timeout_s: float = WAIT_S) -> Receipt:
        """Wait until a transaction is on the chain, with so many blocks on top.

        Raises
        ------
        Reverted : it is on the chain, and the contract refused it.
        Fault : it was not mined in time; it stays in the outbox, and waiting again goes on.
        """
        ends = time.monotonic() + timeout_s
        since = time.monotonic()
        pause = min(0.2, self.chain.profile.block_s / 4)
        bumps = 0
        while True:
            receipt = self._receipt(name)
            if receipt is not None:
                if not confirmations or self.chain.block_number() >= receipt.block + confirmations:
                    return receipt
                since = time.monotonic()
            elif time.monotonic() - since > BUMP_BLOCKS * self.chain.profile.block_s and bumps < MOST_BUMPS:
                self._push(name)
                bumps, since = bumps + 1, time.monotonic()
            if time.monotonic() > ends:
                raise Fault(f"{name}: wanted it mined within {timeout_s:g} s, it still waits; it stays in the outbox.")
            time.sleep(pause)

    def _receipt(self, name: str) -> Receipt | None:
        """Receipt of whichever attempt is on the chain; a dropped transaction is in flight again."""
        for (found,) in self._do("select hash from attempt where name = ? order by fee desc", (name,)).fetchall():
            receipt = self.chain.rpc("eth_getTransactionReceipt", found)
            if receipt is None:
                continue
            block = int(receipt["blockNumber"], 16)
            with self._lock:
                self._do("update sent set block = ? where name = ?", (block, name))
                self._in_flight.discard(name)
            if int(receipt["status"], 16) == 0:
                raise Reverted(name, self._reason(name, block))
            return Receipt(found, block, int(receipt["gasUsed"], 16), receipt.get("contractAddress"), receipt["logs"])
        with self._lock:
            self._do("update sent set block = null where name = ?", (name,))
            self._in_flight.add(name)
        return None

    def _reason(self, name: str, block: int) -> str:
        """Ask the chain again, as of the block before, why it refused."""
        row = self._do("select target, data, gas from sent where name = ?", (name,)).fetchone()
        try:
            self.chain.call({"from": self.sender, "to": row[0], "data": row[1], "gas": hex(row[2])}, name, hex(block))
        except Reverted as error:
            return error.error
        return "out of gas, or another state than now"

    def _push(self, name: str) -> None:
        """Send again everything up to this transaction that is not on the chain, the first of it for more."""
        chain = int(self.chain.rpc("eth_getTransactionCount", self.sender, "latest"), 16)
        with self._lock:
            rows = self._do(
                "select name from sent where account = ? and chain = ? and nonce >= ?"
                " and nonce <= (select nonce from sent where name = ?) order by nonce",
                (self.sender, self.chain.profile.chain_id, chain, name),
            ).fetchall()
            for (waiting,) in rows:  # a reorganisation may have dropped earlier ones: without them ours never comes
                self._broadcast(waiting)
            if rows:
                self._raise_fee(rows[0][0])

    def _raise_fee(self, name: str) -> None:
        """Send a transaction again for more, under its nonce."""
        row = self._do("select nonce, target, data, gas from sent where name = ?", (name,)).fetchone()
        (fee, tip) = self._do(
            "select fee, tip from attempt where name = ? order by fee desc limit 1", (name,)
        ).fetchone()
        more = max(fee * BUMP_PERCENT // 100 + 1, self._fee()[0])
        self._do("begin immediate")
        nonce, target, data, gas = row
        self._sign(name, nonce, target, data, gas, more, tip * BUMP_PERCENT // 100 + 1)
        self._do("commit")
        self._broadcast(name)
