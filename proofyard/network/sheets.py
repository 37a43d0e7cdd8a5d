"""Several messages of one verb under one signature: who signs a sheet has signed each of its lines.

The structure is `OfferSheet(Offer[] lines)` (EIP-712), and so on for each verb: a wallet shows all lines. The journal
keeps a sheet as a blob: its signature and the hashes of its lines, also of those that were refused. The row of a line
names that blob by its SHA-256, so each can be checked by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, NamedTuple

import msgspec

from proofyard.network.messages import VERBS, Domain, Signed, Signer, Value, signer, struct_hash, type_of, within
from proofyard.network.messages import typed_data as typed_line
from proofyard.network.records import Blob, digest
from proofyard.network.recovery import HASH_BYTES, keccak
from proofyard.network.refusals import Refused

LINES = 64  # of a sheet at most


class Sheet(NamedTuple):
    """A sheet as it travels.

    Attributes
    ----------
    verb : of all lines
    lines : messages
    signature : 65 bytes, of all lines together
    market : hash of the market they are for
    payloads : of the lines, in their order; none where no line has one
    """

    verb: str
    lines: Sequence[dict[str, Value]]
    signature: bytes
    market: bytes
    payloads: Sequence[bytes] = ()

    def to_json(self) -> bytes:
        """Write for the wire."""
        head = {"verb": self.verb, "lines": self.lines, "payloads": [each.decode() for each in self.payloads]}
        return msgspec.json.encode(
            {**head, "signature": "0x" + self.signature.hex(), "market": "0x" + self.market.hex()}
        )

    def signed(self, name: bytes) -> list[Signed]:
        """Return each line by itself."""
        payloads = self.payloads or [b""] * len(self.lines)
        return [
            Signed(self.verb, line, self.signature, self.market, payload, name)
            for line, payload in zip(self.lines, payloads, strict=True)
        ]


class Kept(msgspec.Struct, forbid_unknown_fields=True):
    """What the journal keeps of a sheet; `lines` are their hashes, one after the other."""

    sheet: str
    signature: Annotated[str, msgspec.Meta(pattern="^0x[0-9a-f]{130}$")]
    lines: Annotated[str, msgspec.Meta(pattern="^0x([0-9a-f]{64})+$")]


_kept = msgspec.json.Decoder(Kept)


@cache
def _type_hash(verb: str) -> bytes:
    return keccak(f"{VERBS[verb].struct}Sheet({VERBS[verb].struct}[] lines){type_of(verb)}".encode())


def digest_of(verb: str, hashes: bytes, domain: Domain) -> bytes:
    """Compute the hash that is signed; `hashes` of the lines, one after the other."""
    return within(domain, keccak(_type_hash(verb) + keccak(hashes)))


def typed_data(verb: str, lines: Sequence[dict[str, Value]], domain: Domain) -> dict[str, Any]:
    """Write a sheet as wallets want it (`eth_signTypedData_v4`)."""
    one = typed_line(verb, lines[0], domain)
    name = VERBS[verb].struct + "Sheet"
    types = {**one["types"], name: [{"name": "lines", "type": VERBS[verb].struct + "[]"}]}
    return {**one, "types": types, "primaryType": name, "message": {"lines": list(lines)}}


def write(
    who: Signer,
    verb: str,
    domain: Domain,
    lines: Sequence[Mapping[str, Value]],
    payloads: Sequence[bytes] = (),
    *,
    lasts_ms: int = 60_000,
) -> Sheet:
    """Sign lines together, each good for `lasts_ms`. Raises Refused."""
    filled = [who.fill(verb, line, lasts_ms) for line in lines]
    hashes = b"".join(struct_hash(verb, line) for line in filled)
    return Sheet(verb, filled, who.sign_hash(digest_of(verb, hashes, domain)), domain.market, payloads)


def keep(verb: str, signature: bytes, hashes: bytes) -> Blob:
    """Write what the journal keeps."""
    data = msgspec.json.encode(Kept(verb, "0x" + signature.hex(), "0x" + hashes.hex()))
    return Blob(digest(data), data)


class Sheets:
    """Checks lines of sheets that a journal keeps.

    Parameters
    ----------
    domain : of the market
    """

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._name = b""  # of the sheet looked at last: lines of one follow one another
        self._verb, self._signer, self._hashes = "", "", frozenset[bytes]()

    def check(self, verb: str, message: dict[str, Value], name: bytes, find: Callable[[bytes], bytes | None]) -> bytes:
        """Check that its sender signed a well-formed message in the sheet `name`; return the hash it has alone.

        `find` returns the blob of a name. Raises Refused.
        """
        if name != self._name:
            self._read(name, find(name))
        hashed = struct_hash(verb, message)
        if verb != self._verb or hashed not in self._hashes:
            raise Refused("BAD_SIGNATURE", "sheet", "one with this line", f"0x{name.hex()}")
        if self._signer != message["sender"]:
            raise Refused("BAD_SIGNATURE", "sheet", f"one by {message['sender']}", f"one by {self._signer or 'nobody'}")
        return within(self._domain, hashed)

    def _read(self, name: bytes, data: bytes | None) -> None:
        if data is None or digest(data) != name:
            raise Refused("BAD_SIGNATURE", "sheet", f"the bytes of 0x{name.hex()}", "others" if data else "none")
        try:
            kept = _kept.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refused("BAD_SIGNATURE", "sheet", "signature and hashes of lines", error) from None
        hashes = bytes.fromhex(kept.lines[2:])
        if kept.sheet not in VERBS:
            raise Refused("BAD_SIGNATURE", "sheet", f"lines of one of {', '.join(VERBS)}", kept.sheet)
        signed_hash = digest_of(kept.sheet, hashes, self._domain)
        self._signer = signer(signed_hash, bytes.fromhex(kept.signature[2:]))
        self._hashes = frozenset(hashes[k : k + HASH_BYTES] for k in range(0, len(hashes), HASH_BYTES))
        self._verb, self._name = kept.sheet, name
