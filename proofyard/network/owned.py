"""Whose the money of a market is, by address: what the vault on the chain has to hold for each.

Money a rule keeps for an actor (free, staked, waiting to leave) is that actor's. Escrow is the requester's until the
job is paid; other money of a job is its prover's. Burnt money belongs to an address nobody has the key of; what is left
(a rule's reserve, a pot) stands under the coordinator's address and moves only as the rule says, which `audit` checks.
"""

from typing import Any

import numpy as np

from proofyard.chain.client import BURNT
from proofyard.core import shape
from proofyard.network.market import Market

ESCROW, BURN = "book.escrow", "book.burnt"


def owned(market: Market) -> dict[str, int]:
    """Return gwei by address in lower case; the sum is all money of the rule."""
    house = market.genesis.coordinator
    found = dict.fromkeys([*market.addresses, house, BURNT], 0)
    for field, array in shape.named(market.state):
        if not field.money:
            continue
        if field.size == "actor":
            for address, amount in zip(market.addresses, array.tolist(), strict=False):
                found[address] += amount
            found[house] += int(array[len(market.addresses) :].sum())
        elif field.size == "job":
            _of_jobs(market, found, array, market.state.book.requester if field.path == ESCROW else None)
        else:
            found[BURNT if field.path == BURN else house] += int(array.sum())
    return found


def _of_jobs(market: Market, found: dict[str, int], array: Any, requester: Any) -> None:
    """Add money of jobs: the requester's where one is named, else the prover's, else the market's."""
    owners = market.state.book.prover if requester is None else requester
    for job in np.flatnonzero(array):
        owner = int(owners[job])
        found[market.addresses[owner] if owner >= 0 else market.genesis.coordinator] += int(array[job])
