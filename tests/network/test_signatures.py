"""Signatures checked by many at once: the same answers as one by one, whoever computes them."""

import asyncio
import secrets
from collections.abc import Coroutine
from typing import Any

import coincurve
import pytest
from network import markets as m

from proofyard.network import recovery, signatures
from proofyard.network.messages import Domain, digest_of, signer
from proofyard.network.signatures import FEW, Signatures

DOMAIN = Domain(31_337, bytes(range(20)), secrets.token_bytes(32))
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 120))


def messages(count: int) -> tuple[list[tuple[bytes, bytes]], list[str]]:
    """Hashes of offers by three actors with their signatures; every seventh has one of nobody's."""
    made: list[tuple[bytes, bytes]] = []
    signers: list[str] = []
    for k in range(count):
        who = m.signer(10 + k % 3)
        signed = who.sign("offer", DOMAIN, price=k + 1, capacity=1)
        broken = k % 7 == 3
        made.append((digest_of("offer", signed.message, DOMAIN), bytes(65) if broken else signed.signature))
        signers.append("" if broken else who.address)
    return made, signers


async def beside(checker: Signatures) -> None:
    """Load it until threads do it."""
    one = messages(1)[0][0]

    async def is_there() -> bool:
        await asyncio.gather(*(checker.find(*one) for _ in range(2 * FEW)))
        return checker.beside

    await m.until(is_there, True)  # noqa: FBT003 - what is waited for


def test_threads_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        checker = Signatures()
        made, signers = messages(150)
        here = [signer(*each) for each in made]
        assert here == signers
        await beside(checker)
        monkeypatch.setattr(signatures, "signer", None)  # from here on only threads can
        order: list[int] = []

        async def one(k: int) -> str:
            found = await checker.find(*made[k])
            order.append(k)
            return found

        found = await asyncio.gather(*(one(k) for k in range(150)))
        assert found == here
        assert order == list(range(150))  # as they came
        assert checker.unchecked == 0
        await checker.close()

    run(play())


def test_without_the_compiled_loop_all_are_checked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> recovery.Loop:
        raise ImportError

    async def play() -> None:
        monkeypatch.setattr(recovery, "compiled", none)
        checker = Signatures()
        made, signers = messages(40)
        found = await asyncio.gather(*(checker.find(*each) for each in made))
        assert found == signers
        assert not checker.beside
        await checker.close()

    run(play())


def other_form(signature: bytes) -> bytes:
    """Return the signature that is as true, with the higher s."""
    s = ORDER - int.from_bytes(signature[32:64])
    return signature[:32] + s.to_bytes(32) + bytes([55 - signature[64]])


@pytest.mark.parametrize("loop", [recovery.one_by_one, recovery.compiled()])
def test_only_whole_signatures_have_a_signer(loop: recovery.Loop) -> None:
    signed = m.signer(3).sign("offer", DOMAIN, price=1, capacity=1)
    hashed, good = digest_of("offer", signed.message, DOMAIN), signed.signature
    key = coincurve.PublicKey.from_signature_and_message(good[:64] + bytes([good[64] - 27]), hashed, hasher=None)
    assert recovery.address(key.format(compressed=False)) == m.signer(3).address
    bad = [
        bytes(65), good[:64], good + b"\0", b"", good[:64] + b"\x02", good[:64] + b"\x1d", good[:64] + b"\xff",
        bytes(32) + good[32:], good[:32] + bytes(32) + good[64:], ORDER.to_bytes(32) + good[32:], b"\xff" * 65,
        other_form(good),
    ]  # fmt: skip
    also = good[:64] + bytes([good[64] - 27])  # v may be 0 or 1 instead of 27 or 28
    tried = [good, *bad, also, good]  # a bad one changes nothing for those beside it
    found = recovery.signers([hashed] * len(tried), tried, loop)
    assert found == [m.signer(3).address, *[""] * len(bad), m.signer(3).address, m.signer(3).address]
    assert recovery.signers([secrets.token_bytes(32)], [good], loop) != [m.signer(3).address]
    assert recovery.signers([], [], loop) == []
