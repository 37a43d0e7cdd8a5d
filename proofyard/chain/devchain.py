"""The development chain: anvil, with blocks at an interval, its state kept in a file, its process ours to end.

Automatic mining is never used: under load it loses queued transactions or stalls. Nor is anvil's own interval: with one
under two seconds it keeps the states of 1,500 blocks whatever it is told, each with the hashes of all blocks before it,
which is a gigabyte after ten minutes of ten blocks a second and ends a day. So blocks are asked for from here, and
between two of them for the state: what anvil saves by itself can have what a block did without the block.
"""

import gzip
import re
import socket
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import urllib3
from eth_account import Account
from eth_account.signers.local import LocalAccount
from urllib3.exceptions import HTTPError

from proofyard.chain import toolbox
from proofyard.chain.profiles import WEI, Profile
from proofyard.core.errors import BadInput, Fault
from proofyard.tools import children
from proofyard.tools.cache import replace_file

START_S = 30  # s a start may take on a busy machine
ACCOUNTS = 20  # with money at genesis, of anvil's well-known test phrase
PHRASE = "test test test test test test test test test test test junk"
CHAIN_ID = 31337
BLOCK_S = 0.4  # s between blocks: twice Monad's pace is lost on two cores
STATE_S = 2.0  # s between savings of the state, at least
STATE_SHARE = 20  # of the time at least that many times as long as the last one took: it grows with the chain
ANSWER_S = 60.0  # s to wait for its node
KEPT_STATES = 64  # blocks whose state can be asked for: the market asks some blocks deep, and may be slow to ask


class Devchain(NamedTuple):
    """A running chain."""

    url: str
    chain_id: int
    process: subprocess.Popen[str]
    over: threading.Event  # set: no more blocks
    turn: "threading.RLock"  # taken for each block: none come while somebody holds it
    state: Path | None  # file its state is saved to

    def ask(self, method: str) -> Any:
        """Ask its node for something; None if that does not answer."""
        asked: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method, "params": []}
        with suppress(HTTPError, OSError, ValueError):
            answer = urllib3.request("POST", self.url, json=asked, retries=False, timeout=ANSWER_S)
            return answer.json().get("result")
        return None

    def save(self) -> None:
        """Save its state as it is between two blocks; where that can't be, as on a full disk, the one before stays."""
        if self.state is None:
            return
        with self.turn:
            told = self.ask("anvil_dumpState")
        if told is None:
            return
        with suppress(OSError):
            replace_file(self.state, gzip.decompress(bytes.fromhex(told[2:])))

    def stop(self) -> None:
        """End it, its state saved."""
        self.over.set()
        self.save()
        self.process.terminate()
        try:
            self.process.wait(START_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        children.ended(self.process.pid)


def free_port() -> int:
    """Find a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    *,
    state: Path | None = None,
    port: int = 0,
    chain_id: int = CHAIN_ID,
    block_s: float = BLOCK_S,
    kept: int = KEPT_STATES,
    saves: bool = True,
    more: tuple[str, ...] = (),
) -> Devchain:
    """Start a development chain and wait until it listens.

    Parameters
    ----------
    state : file its state is read from and saved to; without one it forgets everything
    port : 0 = any free one
    chain_id : of the chain
    block_s : s between blocks
    kept : blocks whose state it keeps
    saves : False leaves the file as it is
    more : further options of anvil

    Raises
    ------
    Fault : it ended at once; the message has its own reason.
    """
    port = port or free_port()
    command = [str(toolbox.native("anvil")), "--port", str(port), "--chain-id", str(chain_id), "--no-mining",
               "--accounts", str(ACCOUNTS), "--mnemonic", PHRASE, "--prune-history", str(kept),
               "--hardfork", "cancun", *more]  # fmt: skip
    if state is not None and state.exists():
        command += ["--load-state", str(state)]
    process = subprocess.Popen(  # noqa: S603 - our own command; an interrupt from the keyboard is for us alone
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    children.began(process.pid)
    said: list[str] = []
    listening = threading.Event()
    threading.Thread(target=_drain, args=(process, said, listening), daemon=True).start()
    if not listening.wait(START_S) or process.poll() is not None:
        process.kill()
        process.wait()
        children.ended(process.pid)
        raise Fault(f"anvil: wanted a chain on port {port}, it said: {' '.join(said[-3:]).strip() or 'nothing'}")
    url, kept_in = f"http://127.0.0.1:{port}", state if saves else None
    chain = Devchain(url, chain_id, process, threading.Event(), threading.RLock(), kept_in)
    threading.Thread(target=_mine, args=(chain, block_s), daemon=True).start()
    return chain


def _mine(chain: Devchain, every_s: float) -> None:
    """Ask for a block at an interval, until it is over or the node is gone; blocks that are late are left out."""
    due = time.monotonic() + every_s
    save_at = 0.0
    while not chain.over.wait(max(0.0, due - time.monotonic())) and chain.process.poll() is None:
        due = max(due + every_s, time.monotonic())
        with chain.turn:
            chain.ask("evm_mine")
        if time.monotonic() >= save_at:
            began = time.monotonic()
            chain.save()
            took = time.monotonic() - began
            save_at = began + max(STATE_S, STATE_SHARE * took)


def _drain(process: subprocess.Popen[str], said: list[str], listening: threading.Event) -> None:
    """Read what anvil says, so that its pipe never fills; keep the first lines."""
    out = process.stdout
    if out is None:
        return
    with out:
        for line in out:
            if len(said) < 100:  # noqa: PLR2004 - enough to explain a start that failed
                said.append(line)
            if re.match(r"Listening on", line):
                listening.set()
    listening.set()


def start_like(profile: Profile, *, port: int = 0) -> Devchain:
    """Start a local approximation of a chain: its id, pace, base fee, block gas and code size.

    Gas prices stay Ethereum's and gas is charged as used: `Profile.charged` and `measure` account for the rest. Raises
    Fault.
    """
    more = ("--gas-limit", str(profile.block_gas), "--code-size-limit", str(profile.code_bytes),
            "--block-base-fee-per-gas", str(int(profile.base_fee_gwei * WEI)), "--balance", "1000000",
            "--slots-in-an-epoch", "1")  # fmt: skip
    return start(port=port, chain_id=profile.chain_id, block_s=profile.block_s, more=more)


@contextmanager
def running(**options: object) -> Generator[Devchain]:
    """Start a development chain for a `with` block; options as for `start`."""
    chain = start(**options)  # pyright: ignore[reportArgumentType] - the options of start
    try:
        yield chain
    finally:
        chain.stop()


def account(number: int) -> LocalAccount:
    """One of the accounts with money at genesis: known to everybody, good for nothing but a development chain."""
    if not 0 <= number < ACCOUNTS:
        raise BadInput("account", f"0 to {ACCOUNTS - 1}", number)
    Account.enable_unaudited_hdwallet_features()
    return Account.from_mnemonic(PHRASE, account_path=f"m/44'/60'/0'/0/{number}")
