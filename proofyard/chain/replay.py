"""Play events in the contract of a rule: without a transaction, from an empty state; nothing has to be undone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from eth_abi.abi import encode
from numpy.typing import NDArray
from web3 import Web3

from proofyard.chain.build import artifacts
from proofyard.core.errors import BadInput
from proofyard.core.event import Event

CONTRACTS = {
    "bonded": "BondedReplay",
    "contest": "ContestReplay",
    "sealed_bid": "SecondPriceReplay",
    "staked_pool": "StakedPoolReplay",
}  # the rules that exist on chain
GAS = 2**50  # a call pays nothing
TYPES = ("uint64[]", "uint64[]", "uint256", "(int256,uint256,uint256,uint256,int256,int256,uint256)[]")
PER_ACTOR = ("cash", "held", "slashed")
PER_JOB = ("escrow", "held", "phase", "requester", "prover", "deadline", "paid")


def play(
    web3: Web3, rule: str, params: Sequence[int], cash: Sequence[int], jobs: int, events: Sequence[Event]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Play `events` from genesis in the contract of `rule`.

    Parameters
    ----------
    web3 : a development chain
    rule : one of `CONTRACTS`
    params : all parameters, in the rule's order
    cash : gwei of each actor at genesis
    jobs : how many jobs there can be

    Returns
    -------
    verdicts : one for each event
    books : one row for each event; columns in the order of `columns`

    Raises
    ------
    BadInput : there is no such contract.
    """
    name = CONTRACTS.get(rule)
    if name is None:
        raise BadInput("rule", f"one that exists as a contract ({', '.join(CONTRACTS)})", rule)
    at = _deployed(web3, name)
    selector = Web3.keccak(text=f"play({','.join(TYPES)})")[:4]
    data = selector + encode(TYPES, (list(params), list(cash), jobs, [tuple(map(int, event)) for event in events]))
    answer: Any = web3.eth.call({"to": at, "data": data, "gas": GAS, "gasPrice": 0})  # pyright: ignore[reportArgumentType]
    words = np.frombuffer(bytes(answer)[64:], ">i8")[3::4].astype(np.int64)
    table = words.reshape(len(events), 3 + 3 * len(cash) + 7 * jobs)
    return table[:, 0], table[:, 1:]


def columns(actors: int, jobs: int) -> list[str]:
    """Name the columns of a book."""
    rows = [f"{name}[{k}]" for name in PER_ACTOR for k in range(actors)]
    return [*rows, *(f"{name} of job {k}" for name in PER_JOB for k in range(jobs)), "burnt", "reserve"]


_places: dict[tuple[str, str], Any] = {}


def _deployed(web3: Web3, name: str) -> Any:
    """Deploy a replay contract once per chain."""
    key = (str(getattr(web3.provider, "endpoint_uri", id(web3))), name)
    if key not in _places:
        sender = web3.eth.accounts[0]
        sent = web3.eth.send_transaction({"from": sender, "data": artifacts()[name].bytecode, "gas": 8_000_000})  # pyright: ignore[reportArgumentType]
        _places[key] = web3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
    return _places[key]
