"""A connection to a node: it is the chain it should be, it answers or says in one sentence why not."""

import time
from base64 import b64encode
from itertools import count
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import msgspec
import urllib3
from urllib3.exceptions import HTTPError
from web3 import HTTPProvider, Web3

from proofyard.chain.profiles import Profile
from proofyard.chain.reverts import Reverted, name_of
from proofyard.core.errors import BadInput, Fault, MarketError

PATIENCE_S = 20.0  # s a node may be away before we give up
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
ANSWER_S = 30  # s for one answer
REFUSED = 400  # HTTP statuses from here on are no answer


class RpcError(Fault):
    """The node said no to a request.

    Attributes
    ----------
    message : the node's words
    data : revert data, if it gave any
    """

    def __init__(self, method: str, message: str, data: str) -> None:
        self.message = message
        self.data = data
        super().__init__(f"{method}: the node refused: {message}.")


def _line_to(url: str) -> tuple[urllib3.PoolManager, dict[str, str]]:
    """Make what keeps connections to a URL open, by a proxy if the environment names one, and what heads requests."""
    place = urlsplit(url)
    named, password = unquote(place.username or ""), unquote(place.password or "")
    head = {"content-type": "application/json"}
    if named:
        head["authorization"] = "Basic " + b64encode(f"{named}:{password}".encode()).decode()
    proxy = None if proxy_bypass(place.hostname or "") else getproxies().get(place.scheme)
    if proxy:
        return urllib3.ProxyManager(proxy, ca_certs=certifi.where()), head
    return urllib3.PoolManager(ca_certs=certifi.where()), head


class Chain:
    """A chain behind a URL.

    Raises
    ------
    BadInput : the node is on another chain.
    Fault : nobody answers.
    """

    def __init__(self, profile: Profile, url: str | None = None, *, patience_s: float = PATIENCE_S) -> None:
        self.profile = profile
        self.url = url or profile.url
        self.patience_s = patience_s
        self.web3 = Web3(
            HTTPProvider(self.url, request_kwargs={"timeout": ANSWER_S}, exception_retry_configuration=None)
        )
        self._http, self._head = _line_to(self.url)
        self._turns = count(1)
        found = int(self.rpc("eth_chainId"), 16)
        if found != profile.chain_id:
            raise BadInput("chain", f"chain id {profile.chain_id} ({profile.name})", f"{found} at {self.url}")

    def rpc(self, method: str, *params: Any) -> Any:
        """Ask the node, again and again while it is away. Raises RpcError, Fault."""
        ends = time.monotonic() + self.patience_s
        pause = FIRST_PAUSE_S
        while True:
            try:
                answer = self._ask(method, params)
            except (HTTPError, OSError, ValueError) as error:
                if time.monotonic() + pause > ends:
                    why = f"wanted an answer to {method} within {self.patience_s:g} s, got {type(error).__name__}"
                    raise Fault(f"{self.url}: {why}. Is the node running?") from None
                time.sleep(pause)
                pause = min(LONGEST_PAUSE_S, 2 * pause)
                continue
            if "error" in answer:
                problem: dict[str, Any] = answer["error"]
                data = problem.get("data")
                raise RpcError(method, str(problem.get("message", problem)), data if isinstance(data, str) else "")
            return answer["result"]

    def _ask(self, method: str, params: tuple[Any, ...]) -> dict[str, Any]:
        """Ask once: web3's own way takes twice the time, and a market asks ten times a second."""
        asked = msgspec.json.encode({"jsonrpc": "2.0", "id": next(self._turns), "method": method, "params": params})
        told = self._http.request("POST", self.url, body=asked, headers=self._head, timeout=ANSWER_S, retries=False)
        if told.status >= REFUSED:
            raise HTTPError(told.status)
        return msgspec.json.decode(told.data, type=dict[str, Any])

    def estimate(self, call: dict[str, Any], what: str) -> int:
        """Gas a call would use. Raises Reverted if the contract would refuse it, BadInput if the sender has none."""
        try:
            return int(self.rpc("eth_estimateGas", call), 16)
        except RpcError as error:
            raise self.explain(error, call, what) from None

    def call(self, call: dict[str, Any], what: str, block: str = "latest") -> bytes:
        """Call without a transaction. Raises Reverted."""
        try:
            return bytes.fromhex(self.rpc("eth_call", call, block)[2:])
        except RpcError as error:
            raise self.explain(error, call, what) from None

    def explain(self, error: RpcError, call: dict[str, Any], what: str) -> MarketError:
        """Say what a refused call means."""
        if "nsufficient funds" in error.message or "OutOfFunds" in error.message or "lack of funds" in error.message:
            return BadInput(what, f"{self.profile.token} for gas at {call.get('from')}", "too little there")
        if "revert" in error.message or error.data:
            return Reverted(what, name_of(error.data))
        return error

    def block_number(self) -> int:
        """Find the newest block that counts as there: finalized, where the profile says so."""
        if self.profile.finalized:
            return int(self.rpc("eth_getBlockByNumber", "finalized", False)["number"], 16)  # noqa: FBT003 - JSON-RPC
        return int(self.rpc("eth_blockNumber"), 16)
