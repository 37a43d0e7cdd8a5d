"""Where the words of a live market come from: numbers the coordinator is bound to before it sees what they decide.

It draws a secret, hashes it `LENGTH` times and publishes the end of that chain in the journal. Each event that needs a
word reveals the number before the last one revealed, which anybody can check with one hash; the word is the hash of
that number, of what the event's author signed, and, on a chain, of a block that came after the author signed.

What the coordinator could still do: it knows its numbers beforehand, so it may choose which of the requests that wait
gets the next one, delay or drop a request, and, without a chain, tell a friend which message to sign to get the word it
wants. It cannot change the word of a message it has, and a number it does not reveal stops the market for all to see.
"""

import hashlib
import struct
from collections.abc import Callable

from proofyard.core.event import Event, Kind

LENGTH = 2**16  # words to one commitment
DRAWN = frozenset((Kind.REQUEST, Kind.CLOSE, Kind.DECLINE, Kind.CONTEST, Kind.EXPIRE, Kind.SETTLE))  # as in the engine
_TIMER = struct.Struct(">3q")


class Beacon:
    """The numbers of a market, from the last revealed on.

    Parameters
    ----------
    secret : derives 32 bytes for a purpose, the same for every coordinator that may take over
    market : names the market, before it has a hash
    """

    def __init__(self, secret: Callable[[bytes], bytes], market: bytes) -> None:
        self._secret, self._market = secret, market
        self._chain: list[bytes] = []
        self.round = -1
        self.left = 0

    def begin(self, number: int) -> bytes:
        """Start round `number`; return its commitment."""
        purpose = b"proofyard beacon" + self._market + number.to_bytes(8)
        chain = [self._secret(purpose)]
        for _ in range(LENGTH):
            chain.append(hashlib.sha256(chain[-1]).digest())
        self._chain, self.round, self.left = chain, number, LENGTH
        return chain[-1]

    def next(self) -> bytes:
        """Show the next number without using it up."""
        return self._chain[self.left - 1]

    def use(self) -> None:
        """Use the next number up."""
        self.left -= 1


def word_from(number: bytes, signed: bytes, block: bytes = b"") -> int:
    """Make a word in [0, 2**62) of the revealed number, of what was signed, and of a block's hash."""
    return int.from_bytes(hashlib.sha256(number + signed + block).digest()[:8]) >> 2


def shown_number(number: bytes, block: "tuple[int, str] | None", body: bytes) -> bytes:
    """Put a revealed number, and the number and hash of the block in the word, in front of a row's body."""
    front = b'{"reveal":"%b"' % number.hex().encode()
    if block is not None:
        front += b',"block":[%d,"%b"]' % (block[0], block[1].encode())
    return front + (b"," + body[1:] if body else b"}")


def timer_digest(event: Event, deadline: int) -> bytes:
    """Make what stands for a signature in the word of a timer: known before, nobody's choice; `deadline` ms."""
    return hashlib.sha256(b"timer" + _TIMER.pack(event.kind, event.job, deadline)).digest()


def follows(number: bytes, last: bytes) -> bool:
    """Say whether a revealed number is the one before `last`."""
    return hashlib.sha256(number).digest() == last
