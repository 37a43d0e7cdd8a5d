"""Signatures checked by many at once: the same answers as one by one, whatever becomes of the process beside."""

import asyncio
import io
import secrets
from collections.abc import Coroutine
from typing import Any

import pytest
from network import markets as m

from proofyard.network import signatures
from proofyard.network.messages import Domain
from proofyard.network.records import pack
from proofyard.network.signatures import Checked, Signatures, check_body

DOMAIN = Domain(31_337, bytes(range(20)), secrets.token_bytes(32))


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 120))


def bodies(count: int) -> tuple[list[bytes], list[str]]:
    """Signed offers of three actors; every seventh has a signature of nobody's."""
    made: list[bytes] = []
    signers: list[str] = []
    for k in range(count):
        who = m.signer(10 + k % 3)
        signed = who.sign("offer", DOMAIN, price=k + 1, capacity=1)
        broken = k % 7 == 3
        made.append(pack((signed._replace(signature=bytes(65)) if broken else signed).body()))
        signers.append("" if broken else who.address)
    return made, signers


async def beside(checker: Signatures) -> None:
    """Load it until its process is there."""
    body = bodies(1)[0][0]

    async def is_there() -> bool:
        await asyncio.gather(*(checker.check(body, DOMAIN) for _ in range(8)))
        return checker.beside

    await m.until(is_there, True)  # noqa: FBT003 - what is waited for


def test_the_process_beside_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        checker = Signatures()
        made, signers = bodies(150)
        here = [check_body(body, DOMAIN) for body in made]
        assert [each.signer for each in here] == signers
        await beside(checker)
        monkeypatch.setattr(signatures, "check_body", None)  # from here on only helpers can
        order: list[int] = []

        async def one(k: int) -> Checked:
            checked = await checker.check(made[k], DOMAIN)
            order.append(k)
            return checked

        found = await asyncio.gather(*(one(k) for k in range(150)))
        assert found == here
        assert order == list(range(150))  # as they came
        await checker.close()
        assert not checker.beside

    run(play())


def test_all_are_answered_when_the_process_beside_is_killed() -> None:
    async def play() -> None:
        checker = Signatures()
        made, signers = bodies(300)
        await beside(checker)
        asking = [asyncio.create_task(checker.check(body, DOMAIN)) for body in made]
        await asyncio.sleep(0)
        checker._helpers[-1].process.kill()
        assert [each.signer for each in await asyncio.gather(*asking)] == signers
        assert not checker.beside
        assert (await checker.check(made[0], DOMAIN)).signer == signers[0]
        await checker.close()

    run(play())


def test_without_a_process_beside_all_are_checked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        monkeypatch.setattr(signatures, "COMMAND", ("/nowhere/python",))
        checker = Signatures()
        made, signers = bodies(40)
        found = await asyncio.gather(*(checker.check(body, DOMAIN) for body in made))
        assert [each.signer for each in found] == signers
        assert not checker.beside
        await checker.close()

    run(play())


def test_the_process_beside_ends_with_its_input() -> None:
    made, signers = bodies(5)
    frame = signatures._frame(made)
    head = DOMAIN.chain_id.to_bytes(32) + DOMAIN.contract + DOMAIN.market
    sink = io.BytesIO()
    signatures.serve(io.BytesIO(head + frame + frame[:40]), sink)  # the market was killed while it sent a frame
    answers = sink.getvalue()
    assert answers[:1] == b"\1"
    found = [answers[1 + 52 * k + 32 : 1 + 52 * (k + 1)] for k in range(5)]
    assert ["0x" + address.hex() if any(address) else "" for address in found] == signers
