"""A connection to a node: it is the chain it should be, it answers or says in one sentence why not."""

import time
from typing import Any

from requests.exceptions import ConnectionError as Unreachable
from requests.exceptions import RequestException
from web3 import HTTPProvider, Web3

from proofyard.chain.profiles import Profile
from proofyard.chain.reverts import Reverted, name_of
from proofyard.core.errors import BadInput, Fault, MarketError

PATIENCE_S = 20.0  # s a node may be away before we give up
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
ANSWER_S = 30  # s for one answer


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
        found = int(self.rpc("eth_chainId"), 16)
        if found != profile.chain_id:
            raise BadInput("chain", f"chain id {profile.chain_id} ({profile.name})", f"{found} at {self.url}")

    def rpc(self, method: str, *params: Any) -> Any:
        """Ask the node, again and again while it is away. Raises RpcError, Fault."""
        ends = time.monotonic() + self.patience_s
        pause = FIRST_PAUSE_S
        while True:
            try:
                answer: Any = self.web3.provider.make_request(method, params)  # pyright: ignore[reportArgumentType]
            except (Unreachable, RequestException, OSError, ValueError) as error:
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
