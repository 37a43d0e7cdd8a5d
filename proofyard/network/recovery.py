"""Who signed: libsecp256k1 recovers keys, one here and now, or many in one compiled call beside the interpreter.

coincurve brings the library and calls it for one key at a time; what this file adds is a loop around its function.
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

from coincurve import context

try:
    from sha3 import keccak_256
except ImportError:  # where it has no wheel: the same in ten times the time
    from eth_hash.auto import keccak
else:

    def keccak(preimage: bytes) -> bytes:
        """Hash."""
        return keccak_256(preimage).digest()


HASH_BYTES = 32  # of what is signed
KEY_BYTES, SIGNATURE_BYTES = 64, 65  # as the library keeps them
UNCOMPRESSED = 2  # how a key is written: SECP256K1_EC_UNCOMPRESSED
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_NOBODY = bytes(KEY_BYTES)
_coincurve: Any = import_module("coincurve._libsecp256k1")  # its bindings, which have no types
_ffi, _lib = _coincurve.ffi, _coincurve.lib
_shared: Any = context
_context = _shared.GLOBAL_CONTEXT.ctx
Loop = Callable[[Any, Any, Any, int], None]  # keys to fill in, signatures, hashes, how many


def one_by_one(keys: Any, signatures: Any, hashes: Any, count: int) -> None:
    """Recover keys; one that there isn't stays zeros."""
    for k in range(count):
        _lib.secp256k1_ecdsa_recover(_context, keys + k, signatures + k, hashes + HASH_BYTES * k)


@cache
def compiled() -> Loop:
    """Return the same as `one_by_one`, compiled: other threads run meanwhile."""
    from proofyard.network.calls import each  # noqa: PLC0415 - it takes the sizes from here

    function = _number(_ffi.addressof(_lib, "secp256k1_ecdsa_recover"))

    def loop(keys: Any, signatures: Any, hashes: Any, count: int) -> None:
        each()(function, _number(_context), _number(keys), _number(signatures), _number(hashes), count)

    signers([bytes(HASH_BYTES)], [bytes(SIGNATURE_BYTES)], loop)  # from here on it is there
    return loop


def _number(pointer: Any) -> int:
    return int(_ffi.cast("uintptr_t", pointer))


def signers(hashes: Sequence[bytes], signatures: Sequence[bytes], loop: Loop = one_by_one) -> list[str]:
    """Return who made each signature, "" for nobody; of the two forms of each, only the one with the lower s counts.

    Parameters
    ----------
    hashes : 32 bytes each, what was signed
    signatures : r, s, v
    loop : `one_by_one` or `compiled()`
    """
    count = len(hashes)
    read = _ffi.new("secp256k1_ecdsa_recoverable_signature[]", count)
    keys = _ffi.new("secp256k1_pubkey[]", count)
    for k, each in enumerate(signatures):
        if _is_whole(each):  # all else stays zeros, by which nobody is found
            _lib.secp256k1_ecdsa_recoverable_signature_parse_compact(_context, read + k, each[:64], each[64] % 27)
    loop(keys, read, _ffi.from_buffer("unsigned char[]", b"".join(hashes)), count)
    found = bytes(_ffi.buffer(keys))
    return [_address_of(found[at : at + KEY_BYTES]) for at in range(0, len(found), KEY_BYTES)]


def _is_whole(signature: bytes) -> bool:
    return (
        len(signature) == SIGNATURE_BYTES
        and signature[64] in (0, 1, 27, 28)
        and int.from_bytes(signature[32:64]) <= _HALF_ORDER
    )


@lru_cache(4_096)
def _address_of(key: bytes) -> str:
    """Return the address of a key as the library has it."""
    if key == _NOBODY:
        return ""
    written, size = _ffi.new("unsigned char[65]"), _ffi.new("size_t *", 65)
    _lib.secp256k1_ec_pubkey_serialize(
        _context, written, size, _ffi.from_buffer("secp256k1_pubkey *", key), UNCOMPRESSED
    )
    return address(bytes(written))


def address(key: bytes) -> str:
    """Return the address of an uncompressed key, 65 bytes."""
    return "0x" + keccak(key[1:])[12:].hex()
