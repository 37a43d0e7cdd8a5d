"""What waits for its place in the order, and what its sender gets."""

import asyncio
from typing import NamedTuple

from proofyard.network.messages import Signed


class Receipt(NamedTuple):
    """What a sender gets for a command that was accepted."""

    seq: int
    time: int
    job: int
    actor: int
    hash: str


class Command(NamedTuple):
    """A message that was admitted and waits for its place."""

    signed: Signed
    signed_hash: bytes
    came: float  # s, monotonic
    now: int  # ms of market time when it came
    word: int  # what a PROVE names
    body: bytes  # of its row
    answer: "asyncio.Future[Receipt]"
