"""Where messages come in: what needs no order is checked here, then they wait for the writer."""

import asyncio
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from proofyard.network import sheets
from proofyard.network.beacon import DRAWN
from proofyard.network.commands import Answer, Bell, Command, Receipt, Told
from proofyard.network.messages import (
    VERBS,
    Signed,
    check_form,
    check_market,
    check_signer,
    digest_of,
    signer,
    struct_hash,
)
from proofyard.network.messages import within as bound_to
from proofyard.network.records import pack
from proofyard.network.refusals import Refused
from proofyard.network.sheets import Sheet
from proofyard.network.signatures import Signatures

if TYPE_CHECKING:
    from proofyard.network.coordinator import Coordinator

WAITING = 10_000  # messages that may wait: for their signature to be checked, for their place in the order
SLOW = frozenset(("request", "prove"))  # bring something to read or to verify


class Intake:
    """Takes messages for one coordinator.

    Attributes
    ----------
    waiting : commands that wait for their place
    bell : rings when one comes
    signatures : checks who signed
    """

    def __init__(self, coordinator: "Coordinator") -> None:
        self._coordinator = coordinator
        self.waiting: deque[Command] = deque()
        self.bell = Bell()
        self.signatures = Signatures()

    @property
    def more(self) -> bool:
        """Say whether messages wait, for their place or for their signature."""
        return bool(self.waiting or self.signatures.unchecked)

    def hand_in(self, signed: Signed) -> "asyncio.Future[Receipt]":
        """Take a message in the order of these calls; the answer comes, or raises Refused, once it is durable."""
        answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        came = time.monotonic()
        try:
            self._check_open()
            check_form(signed.verb, signed.message)
            self._coordinator.desk.check_new(signed, self._coordinator.clock.unix())
            check_market(signed.market, self._coordinator.ready().domain)
        except Refused as refusal:
            self.refuse(answer, refusal)
            return answer
        signed_hash = digest_of(signed.verb, signed.message, self._coordinator.ready().domain)
        draft = Command(signed, came, self._coordinator.clock.now(), pack(signed.body()), answer, signed_hash)
        if self._is_slow(signed):
            return asyncio.ensure_future(self._slowly(draft, answer))
        if self.more:
            self.signatures.find_then(signed_hash, signed.signature, partial(self._go_on, draft))
        else:
            self._go_on(draft, signer(signed_hash, signed.signature))
        return answer

    def hand_in_sheet(self, sheet: Sheet) -> "asyncio.Future[list[Receipt | Refused]]":
        """Take the lines of a sheet, in order; each is answered for itself, all at once. Raises Refused.

        It is refused as a whole when any line is malformed: nobody can say then who signed.
        """
        self._check_open()
        market, desk = self._coordinator.ready(), self._coordinator.desk
        check_market(sheet.market, market.domain)
        if sheet.payloads and len(sheet.payloads) != len(sheet.lines):
            raise Refused(
                "MALFORMED", "payloads", f"none, or {len(sheet.lines)} as there are lines", len(sheet.payloads)
            )
        if sheet.verb == "skip":
            raise Refused("MALFORMED", "verb", "one whose messages get a row", sheet.verb)
        for line in sheet.lines:
            check_form(sheet.verb, line)
        came, now, unix = time.monotonic(), self._coordinator.clock.now(), self._coordinator.clock.unix()
        is_drawn = VERBS[sheet.verb].kind in DRAWN
        hashes = [struct_hash(sheet.verb, line) for line in sheet.lines]
        kept = sheets.keep(sheet.verb, sheet.signature, b"".join(hashes))
        by = signer(sheets.digest_of(sheet.verb, b"".join(hashes), market.domain), sheet.signature)
        told = Told(len(hashes))
        for signed, hashed, answer in zip(sheet.signed(kept.digest), hashes, told.parts(), strict=True):
            try:
                desk.check_new(signed, unix)
                signed_hash = bound_to(market.domain, hashed) if is_drawn else b""
                draft = Command(signed, came, now, pack(signed.body()), answer, signed_hash, kept)
                if self._is_slow(signed):
                    draft.answer = own = asyncio.get_running_loop().create_future()
                    asyncio.ensure_future(self._slowly(draft, own, by)).add_done_callback(answer.take)
                else:
                    self._go_on(draft, by)
            except Refused as refusal:
                self.refuse(answer, refusal)
        return told.all

    def refuse(self, answer: Answer, why: Refused) -> None:
        """Tell a sender why not."""
        self._coordinator.metrics.refusals.labels(why.reason).inc()
        if not answer.done():
            answer.set_exception(why)

    def refuse_waiting(self, reason: str) -> None:
        """Tell everybody who waits that there is no writer."""
        while self.waiting:
            refusal = Refused(reason, "coordinator", "a writer", self._coordinator.trouble)
            self.refuse(self.waiting.popleft().answer, refusal)

    def _check_open(self) -> None:
        """Check that messages can be taken at all. Raises Refused."""
        trouble = self._coordinator.trouble
        if trouble:
            reason = "STANDBY" if trouble in ("standby", "starting") else "JOURNAL"
            raise Refused(reason, "coordinator", "the writer, with a journal that takes rows", trouble)
        if self.signatures.waiting >= WAITING:
            raise Refused("BUSY", "coordinator", f"fewer than {WAITING} signatures to check", "more")

    def _is_slow(self, signed: Signed) -> bool:
        """Say whether a message brings something to read or to verify, or the chain has a say in it."""
        return signed.verb in SLOW or bool(signed.payload) or self._coordinator.settler is not None

    def _go_on(self, draft: Command, found: str) -> None:
        """Go on with a message that `found` has signed."""
        try:
            self._check_sender(draft.signed, found)
            self._queue(draft)
        except Refused as refusal:
            self.refuse(draft.answer, refusal)

    def _check_sender(self, signed: Signed, found: str) -> None:
        check_signer(signed, found)
        self._coordinator.desk.check_sender(signed)

    async def _slowly(self, draft: Command, answer: "asyncio.Future[Receipt]", found: str | None = None) -> Receipt:
        """Take such a message, to be answered at `answer`, signed by `found` if that is known. Raises Refused.

        A proof has no time to wait in line for its signature: its deadline is looked at when it has been checked.
        """
        coordinator, signed, signed_hash = self._coordinator, draft.signed, draft.signed_hash
        with coordinator.desk.holding(signed):
            try:
                if found is None and signed.verb == "prove":
                    found = signer(signed_hash, signed.signature)
                elif found is None:
                    found = await self.signatures.find(signed_hash, signed.signature)
                self._check_sender(signed, found)
                if coordinator.settler is not None:
                    await coordinator.settler.admit(signed)
                draft.word = await coordinator.desk.admit(signed)
                self._queue(draft)
            except Refused as refusal:
                self.refuse(answer, refusal)
            return await answer

    def _queue(self, command: Command) -> None:
        """Let it wait for its place. Raises Refused."""
        if len(self.waiting) >= WAITING:
            raise Refused("BUSY", "coordinator", f"fewer than {WAITING} commands waiting", "more")
        self.waiting.append(command)
        self.bell.ring()
