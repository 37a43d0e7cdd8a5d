"""What actors sign (EIP-712): one structure a verb, bound to one market on one chain.

Amounts gwei, times ms since 1970. The domain holds the chain, the contract that keeps the money (zero without one), and
the hash of the journal's first row as salt: nothing signed for one market means anything in another.
"""

import re
import struct
import time
from collections.abc import Callable, Mapping
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import coincurve
import msgspec

from proofyard.core.book import MAX_GWEI
from proofyard.core.event import Kind
from proofyard.network import recovery
from proofyard.network.recovery import keccak
from proofyard.network.refusals import Refused

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

LONGEST_MS = 600_000  # a message may be good for so long at most: that is how long nonces are remembered
NAME = "Proofyard Market"
VERSION = "1"
LONGEST_TEXT = 200  # characters
Value: TypeAlias = int | str
TAIL = (("nonce", "uint64"), ("expiry", "uint64"))


class Verb(NamedTuple):
    """One kind of message: its structure, the event it becomes (None: none), its fields between sender and nonce."""

    struct: str
    kind: Kind | None
    fields: tuple[tuple[str, str], ...]


VERBS = {
    "join": Verb("Join", None, (("name", "string"),)),
    "offer": Verb("Offer", Kind.OFFER, (("price", "uint64"), ("capacity", "uint64"))),
    "stake": Verb("Stake", Kind.STAKE, (("amount", "uint64"),)),
    "unstake": Verb("Unstake", Kind.UNSTAKE, (("amount", "uint64"),)),
    "withdraw": Verb("Withdraw", Kind.WITHDRAW, (("amount", "uint64"),)),
    "delegate": Verb("Delegate", Kind.DELEGATE, (("prover", "address"), ("amount", "uint64"))),
    "undelegate": Verb("Undelegate", Kind.UNDELEGATE, (("prover", "address"), ("amount", "uint64"))),
    "transfer": Verb("Transfer", Kind.TRANSFER, (("payee", "address"), ("amount", "uint64"))),
    "request": Verb("Request", Kind.REQUEST, (("ceiling", "uint64"), ("size", "uint64"), ("payload", "bytes32"))),
    "bid": Verb("Bid", Kind.BID, (("job", "uint64"), ("price", "uint64"))),
    "decline": Verb("Decline", Kind.DECLINE, (("job", "uint64"),)),
    "prove": Verb("Prove", Kind.PROVE, (("job", "uint64"), ("tier", "uint64"), ("proof", "bytes32"))),
    "contest": Verb("Contest", Kind.CONTEST, (("job", "uint64"),)),
    "vote": Verb("Vote", Kind.VOTE, (("job", "uint64"), ("ballot", "uint64"), ("choice", "uint64"))),
    "leave": Verb("Leave", None, (("amount", "uint64"),)),
    "cancel": Verb("Cancel", None, (("cancelled", "uint64"),)),
    "skip": Verb("Skip", None, (("job", "uint64"), ("reason", "string"))),
}


class Domain(NamedTuple):
    """Where a signature counts.

    Attributes
    ----------
    chain_id : of the chain that keeps the money
    contract : 20 bytes, that keeps it there; zeros without one
    market : 32 bytes, hash of the journal's first row
    """

    chain_id: int
    contract: bytes
    market: bytes


class Signed(NamedTuple):
    """A message as it travels.

    Attributes
    ----------
    verb : a key of VERBS
    message : its fields with `sender`, `nonce` and `expiry`; addresses and bytes as 0x…
    signature : 65 bytes: r, s, v
    market : hash of the market it is for
    payload : the bytes whose hash the message names, if any
    sheet : name of the sheet whose signature it is, if it was not signed alone
    """

    verb: str
    message: dict[str, Value]
    signature: bytes
    market: bytes
    payload: bytes = b""
    sheet: bytes = b""

    @property
    def sender(self) -> str:
        """The address that claims to have signed."""
        return str(self.message["sender"])

    def to_json(self) -> bytes:
        """Write for the wire."""
        head = {"verb": self.verb, "message": self.message}
        body = {**head, "signature": "0x" + self.signature.hex(), "market": "0x" + self.market.hex()}
        if self.payload:
            body["payload"] = self.payload.decode()
        return msgspec.json.encode(body)

    def body(self) -> dict[str, Any]:
        """Say what a row keeps of it."""
        if self.sheet:
            return {"verb": self.verb, "message": self.message, "sheet": "0x" + self.sheet.hex()}
        return {"verb": self.verb, "message": self.message, "signature": "0x" + self.signature.hex()}


@cache
def _fields(verb: str) -> tuple[tuple[str, str], ...]:
    return (("sender", "address"), *VERBS[verb].fields, *TAIL)


@cache
def _names(verb: str) -> frozenset[str]:
    return frozenset(name for name, _ in _fields(verb))


@cache
def type_of(verb: str) -> str:
    """Write the type of a verb's structure as EIP-712 has it."""
    inner = ",".join(f"{kind} {name}" for name, kind in _fields(verb))
    return f"{VERBS[verb].struct}({inner})"


class _Layout(NamedTuple):
    """How a verb's structure is written before it is hashed: 32 bytes a field."""

    words: struct.Struct
    kind: bytes  # hash of its type
    values: Callable[[dict[str, Value]], tuple[Value, ...]]
    texts: tuple[tuple[int, Callable[[str], bytes]], ...]  # fields that come as text


@cache
def _layout(verb: str) -> _Layout:
    fields = _fields(verb)
    words = {"uint64": "24xQ", "address": "12x20s", "bytes32": "32s", "string": "32s"}
    texts = tuple(
        (k, _hash_text if kind == "string" else _read_hex) for k, (_, kind) in enumerate(fields) if kind != "uint64"
    )
    written = struct.Struct(">32s" + "".join(words[kind] for _, kind in fields))
    return _Layout(written, keccak(type_of(verb).encode()), itemgetter(*(name for name, _ in fields)), texts)


def _read_hex(value: str) -> bytes:
    return bytes.fromhex(value[2:])


def _hash_text(value: str) -> bytes:
    return keccak(value.encode())


@cache
def _prefix(domain: Domain) -> bytes:
    """Return what stands before the hash of a structure that is signed: 0x1901 and the domain's hash."""
    kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
    parts = (keccak(kind), keccak(NAME.encode()), keccak(VERSION.encode()), domain.chain_id.to_bytes(32))
    return b"\x19\x01" + keccak(b"".join(parts) + domain.contract.rjust(32, b"\0") + domain.market)


def struct_hash(verb: str, message: dict[str, Value]) -> bytes:
    """Compute a message's own hash (`hashStruct`). It must be well formed."""
    layout = _layout(verb)
    values: list[Any] = list(layout.values(message))
    for k, read in layout.texts:
        values[k] = read(values[k])
    return keccak(layout.words.pack(layout.kind, *values))


def within(domain: Domain, hashed: bytes) -> bytes:
    """Bind the hash of a structure to where it counts: this is signed."""
    return keccak(_prefix(domain) + hashed)


def digest_of(verb: str, message: dict[str, Value], domain: Domain) -> bytes:
    """Compute the hash that is signed. The message must be well formed."""
    return within(domain, struct_hash(verb, message))


def typed_data(verb: str, message: dict[str, Value], domain: Domain) -> dict[str, Any]:
    """Write a message as wallets want it (`eth_signTypedData_v4`)."""
    head = [("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address")]
    kinds = {"EIP712Domain": [*head, ("salt", "bytes32")], VERBS[verb].struct: _fields(verb)}
    return {
        "types": {struct: [{"name": name, "type": kind} for name, kind in pairs] for struct, pairs in kinds.items()},
        "primaryType": VERBS[verb].struct,
        "domain": {
            "name": NAME,
            "version": VERSION,
            "chainId": domain.chain_id,
            "verifyingContract": "0x" + domain.contract.hex(),
            "salt": "0x" + domain.market.hex(),
        },
        "message": message,
    }


def check_form(verb: str, message: dict[str, Any]) -> None:
    """Refuse a message that is not what its verb says. Raises Refused."""
    if verb not in VERBS:
        raise Refused("MALFORMED", "verb", f"one of {', '.join(VERBS)}", verb)
    fields = _fields(verb)
    if message.keys() != _names(verb):
        wrong = min(set(message) ^ _names(verb))
        raise Refused("MALFORMED", f"message.{wrong}", f"the fields {', '.join(name for name, _ in fields)}", "others")
    for name, kind in fields:
        value = message[name]
        if kind == "uint64" and type(value) is int and 0 <= value <= MAX_GWEI:  # most are
            continue
        if not _fits(kind, value):
            raise Refused("MALFORMED", f"message.{name}", _WANTED[kind], repr(message[name])[:80])


_WANTED = {
    "uint64": f"a whole number from 0 to {MAX_GWEI}",
    "address": "an address: 0x and 40 hexadecimal digits in lower case",
    "bytes32": "0x and 64 hexadecimal digits in lower case",
    "string": f"at most {LONGEST_TEXT} printable characters",
}
_HEXADECIMAL = {"address": re.compile("0x[0-9a-f]{40}"), "bytes32": re.compile("0x[0-9a-f]{64}")}


def _fits(kind: str, value: Any) -> bool:
    """Say whether text is what a field wants."""
    if kind == "uint64" or not isinstance(value, str):
        return False
    if kind == "string":
        return len(value) <= LONGEST_TEXT and value.isprintable()
    return _HEXADECIMAL[kind].fullmatch(value) is not None


def check_time(message: dict[str, Value], now: int) -> None:
    """Refuse a message whose time is over, or that would be good for too long. Raises Refused."""
    expiry = int(message["expiry"])
    if expiry < now:
        raise Refused("EXPIRED", "message.expiry", f"a time after {now}", expiry)
    if expiry > now + LONGEST_MS:
        raise Refused("TOO_FAR", "message.expiry", f"a time within {LONGEST_MS} ms of {now}", expiry)


def check_market(market: bytes, domain: Domain) -> None:
    """Refuse what is for another market. Raises Refused."""
    if market != domain.market:
        raise Refused("WRONG_MARKET", "market", "0x" + domain.market.hex(), "0x" + market.hex())


def check_signer(signed: Signed, found: str) -> None:
    """Refuse a message that `found` has signed and not its sender. Raises Refused."""
    if found != signed.sender:
        raise Refused("BAD_SIGNATURE", "signature", f"one by {signed.sender}", f"one by {found or 'nobody'}")


def check_signature(signed: Signed, domain: Domain) -> bytes:
    """Check who signed; return the signed hash. Raises Refused."""
    check_market(signed.market, domain)
    signed_hash = digest_of(signed.verb, signed.message, domain)
    check_signer(signed, signer(signed_hash, signed.signature))
    return signed_hash


def signer(signed_hash: bytes, signature: bytes) -> str:
    """Return the address that made a signature, "" for none."""
    return recovery.signers([signed_hash], [signature])[0]


class Signer:
    """A key, and the nonces it has used.

    Parameters
    ----------
    secret : 32 bytes
    """

    def __init__(self, secret: bytes) -> None:
        self._key = coincurve.PrivateKey(secret)
        self.address = recovery.address(self._key.public_key.format(compressed=False))
        self._nonce = time.time_ns() // 1000  # above all it used before, without remembering them

    def account(self) -> "LocalAccount":
        """Return the key as one that signs transactions."""
        from eth_account import Account  # noqa: PLC0415 - slow to load, and only a market on a chain needs it

        return Account.from_key(self._key.secret)

    def __repr__(self) -> str:
        """Say whose key it is, and nothing of the key."""
        return f"Signer({self.address})"

    def fill(self, verb: str, fields: Mapping[str, Value], lasts_ms: int) -> dict[str, Value]:
        """Make a message that is good for `lasts_ms`, not signed yet. Raises Refused."""
        self._nonce += 1
        expiry = time.time_ns() // 1_000_000 + lasts_ms
        message = {"sender": self.address, **fields, "nonce": self._nonce, "expiry": expiry}
        check_form(verb, message)
        return message

    def sign(
        self, verb: str, domain: Domain, payload: bytes = b"", /, *, lasts_ms: int = 60_000, **fields: Value
    ) -> Signed:
        """Sign a message that is good for `lasts_ms`. Raises Refused."""
        message = self.fill(verb, fields, lasts_ms)
        signature = self.sign_hash(digest_of(verb, message, domain))
        return Signed(verb, message, signature, domain.market, payload)

    def sign_hash(self, signed_hash: bytes) -> bytes:
        """Sign 32 bytes."""
        signature = self._key.sign_recoverable(signed_hash, hasher=None)  # pyright: ignore[reportUnknownMemberType]
        return signature[:64] + bytes([signature[64] + 27])

    def secret_for(self, purpose: bytes) -> bytes:
        """Derive 32 bytes that only the holder of the key can."""
        return keccak(self._key.secret + purpose)
