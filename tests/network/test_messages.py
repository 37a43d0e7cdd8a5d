import dataclasses
import time

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from proofyard.network import messages
from proofyard.network.messages import VERBS, Domain, Signed, Signer
from proofyard.network.refusals import Refused

DOMAIN = Domain(31_337, bytes(range(20)), bytes(range(32)))
SECRET = b"\x11" * 32
VALUES = {"uint64": 7, "address": "0x" + "ab" * 20, "bytes32": "0x" + "cd" * 32, "string": "späť to Ω"}


def example(verb: str) -> Signed:
    fields = {name: VALUES[kind] for name, kind in VERBS[verb].fields}
    return Signer(SECRET).sign(verb, DOMAIN, **fields)


@pytest.mark.parametrize("verb", VERBS)
def test_signs_what_wallets_sign(verb: str) -> None:
    signed = example(verb)
    wallet = encode_typed_data(full_message=messages.typed_data(verb, signed.message, DOMAIN))
    assert Account.sign_message(wallet, SECRET).signature == signed.signature
    assert Account.from_key(SECRET).address.lower() == signed.sender


def test_takes_what_was_signed() -> None:
    signed = example("request")
    assert messages.check_signature(signed, DOMAIN) == messages.digest_of("request", signed.message, DOMAIN)


@pytest.mark.parametrize(
    "domain",
    [DOMAIN._replace(chain_id=1), DOMAIN._replace(contract=bytes(20)), DOMAIN._replace(market=bytes(32))],
    ids=["chain", "contract", "market"],
)
def test_refuses_what_was_signed_for_elsewhere(domain: Domain) -> None:
    signed = Signer(SECRET).sign("stake", domain, amount=7)
    with pytest.raises(Refused, match="WRONG_MARKET" if domain.market != DOMAIN.market else "BAD_SIGNATURE"):
        messages.check_signature(signed, DOMAIN)


@pytest.mark.parametrize("field", ["amount", "nonce", "expiry", "sender"])
def test_refuses_another_value_than_was_signed(field: str) -> None:
    signed = example("stake")
    other = "0x" + "12" * 20 if field == "sender" else int(signed.message[field]) + 1
    with pytest.raises(Refused, match="BAD_SIGNATURE"):
        messages.check_signature(signed._replace(message={**signed.message, field: other}), DOMAIN)


def test_refuses_the_other_form_of_a_signature() -> None:
    signed = example("stake")
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high = (order - int.from_bytes(signed.signature[32:64])).to_bytes(32)
    flipped = signed.signature[:32] + high + bytes([55 - signed.signature[64]])
    signed_hash = messages.digest_of("stake", signed.message, DOMAIN)
    assert messages.signer(signed_hash, signed.signature) == signed.sender
    assert messages.signer(signed_hash, flipped) == ""


@pytest.mark.parametrize(
    "signature", [b"", bytes(65), b"\xff" * 65, b"\x01" * 64], ids=["none", "zeros", "ones", "short"]
)
def test_garbage_is_nobodys_signature(signature: bytes) -> None:
    assert messages.signer(bytes(32), signature) == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [("amount", -1), ("amount", 2**61 + 1), ("amount", True), ("amount", "7"), ("amount", 7.0), ("sender", "0x12"),
     ("sender", "0x" + "AB" * 20), ("more", 1)],
)  # fmt: skip
def test_refuses_values_of_another_type(field: str, value: object) -> None:
    message = {**example("stake").message, field: value}
    with pytest.raises(Refused, match=f"MALFORMED: message.{field}"):
        messages.check_form("stake", message)


def test_refuses_a_missing_field_and_an_unknown_verb() -> None:
    message = dict(example("stake").message)
    del message["amount"]
    with pytest.raises(Refused, match=r"message\.amount"):
        messages.check_form("stake", message)
    with pytest.raises(Refused, match="MALFORMED: verb"):
        messages.check_form("steal", message)


@pytest.mark.parametrize(
    ("ahead_ms", "reason"), [(-1, "EXPIRED"), (messages.LONGEST_MS + 1, "TOO_FAR"), (0, ""), (messages.LONGEST_MS, "")]
)
def test_a_message_is_good_for_a_while(ahead_ms: int, reason: str) -> None:
    now = time.time_ns() // 1_000_000
    message: dict[str, int | str] = {"expiry": now + ahead_ms}
    if not reason:
        messages.check_time(message, now)
        return
    with pytest.raises(Refused) as caught:
        messages.check_time(message, now)
    assert caught.value.reason == reason


def test_a_signer_never_repeats_a_nonce_and_never_shows_its_key() -> None:
    one = Signer(SECRET)
    nonces = {one.sign("stake", DOMAIN, amount=1).message["nonce"] for _ in range(100)}
    assert len(nonces) == 100
    assert SECRET.hex() not in repr(one) + repr(vars(one))
    assert not dataclasses.is_dataclass(one)
