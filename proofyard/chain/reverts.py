"""Why a contract refused: the error's name, from the contracts of this package."""

from functools import cache
from typing import Any

from eth_utils.abi import function_abi_to_4byte_selector

from proofyard.chain.build import artifacts
from proofyard.core.errors import Fault

_BUILT_IN = {"08c379a0": "Error", "4e487b71": "Panic"}


class Reverted(Fault):
    """A contract refused a call; nothing was changed.

    Attributes
    ----------
    error : the contract's word, such as `NotYours`; empty if it gave none
    call : what was called
    """

    def __init__(self, call: str, error: str) -> None:
        self.call = call
        self.error = error
        super().__init__(f"{call}: the contract refused: {error or 'it gave no reason'}.")


@cache
def _names() -> dict[str, str]:
    found = dict(_BUILT_IN)
    for artifact in artifacts().values():
        for entry in artifact.abi:
            if entry["type"] == "error":
                abi: Any = {**entry, "type": "function"}
                found[function_abi_to_4byte_selector(abi).hex()] = entry["name"]
    return found


def name_of(data: str) -> str:
    """Name the error that revert data begins with; the data itself if it is unknown."""
    selector = data.removeprefix("0x")[:8]
    if selector == "08c379a0":
        return bytes.fromhex(data.removeprefix("0x")[136:]).rstrip(b"\0").decode(errors="replace")
    return _names().get(selector, data if selector else "")
